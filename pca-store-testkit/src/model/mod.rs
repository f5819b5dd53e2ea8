//! The plainest store that keeps all rules: a list of commits that is searched from one end to the other.
//!
//! It is slow and short, so that one can see that it is right. The suite compares other stores with it, and
//! [`broken`](crate::broken) gives it one defect at a time.

mod state;

use core::future::poll_fn;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamId, StreamsRead,
};
use pca_core::ports::{EventStore, Lease, Limits};

use self::state::{LIMITS, State};
use crate::broken::{Defect, surgery};

/// A store in memory; clones share the log.
#[derive(Clone, Debug)]
pub struct ModelStore {
    shared: Arc<Shared>,
    defect: Option<Defect>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wakers: Mutex<Vec<Waker>>,
}

impl Default for ModelStore {
    fn default() -> Self {
        Self::new()
    }
}

impl ModelStore {
    /// An empty log that keeps all rules.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::default(), defect: None }
    }

    /// An empty log with a defect.
    #[must_use]
    pub fn broken(defect: Defect) -> Self {
        let burnt = u64::from(defect == Defect::BeginsAtPositionTwo);
        let shared = Shared { state: Mutex::new(State { burnt, ..State::default() }), ..Shared::default() };
        Self { shared: Arc::new(shared), defect: Some(defect) }
    }

    /// The log as one finds it after closing the store and opening it again.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let mut commits = self.state().commits.clone();
        if self.has(Defect::LosesTheNewestOnReopen) {
            commits.pop();
        }
        let state = State { commits, ..State::default() };
        let shared = Shared { state: Mutex::new(state), ..Shared::default() };
        let defect = match self.defect {
            Some(Defect::ForgetsIdsOnReopen) => Some(Defect::MakesRepeatsAgain),
            Some(Defect::ForgetsTheTimeOnReopen) => Some(Defect::LetsTimeRunBackwards),
            other => other,
        };
        Self { shared: Arc::new(shared), defect }
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        let wakers = core::mem::take(&mut *self.shared.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().for_each(Waker::wake);
    }

    fn register(&self, waker: &Waker) {
        self.shared.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(waker.clone());
    }

    /// Orders a train, one member after the other.
    fn order(&self, train: &[Commit]) -> Vec<Result<Receipt, StoreError>> {
        let mut state = self.state();
        if self.has(Defect::TakesAPositionForEveryTrain) {
            state.burnt += 1;
        }
        if self.has(Defect::RefusesCommitsBesideALease) && state.leases.values().any(|queue| !queue.is_empty()) {
            let refused = StoreError::Backend { detail: "somebody holds a lease".into(), retryable: true };
            return train.iter().map(|_| Err(refused.clone())).collect();
        }
        let mut failed: Option<&Commit> = None;
        let mut answers = Vec::new();
        for (number, commit) in train.iter().enumerate() {
            if number > 0 && (self.has(Defect::LetsTrainsInterleave) || self.has(Defect::LetsForeignCommitsFillHoles)) {
                state = self.pause(state);
            }
            if self.has(Defect::ShowsCommitsBeforeTheyAreChecked) {
                state.staged = Some(Arc::new(Recorded::new(state.head().seal(commit), commit.clone())));
                state = self.pause(state);
                state.staged = None;
            }
            if self.has(Defect::FailsNeighboursOfAFailure) && state.failing {
                failed = failed.or(Some(commit));
            }
            if let Some(failed) = failed {
                let tried = match self.defect {
                    Some(Defect::GoesOnAfterAFailure) => true,
                    Some(Defect::GoesOnAfterARepeat) => {
                        matches!(answers.last(), Some(Err(StoreError::Repeated(_)) | Ok(_)))
                    }
                    Some(Defect::LetsForeignCommitsFillHoles) => surgery::builds_on(commit, failed),
                    _ => false,
                };
                let answer = if tried { state.append(commit, self.defect) } else { Err(StoreError::NotTried) };
                let hidden = self.has(Defect::LetsForeignCommitsFillHoles) && answer.is_err();
                answers.push(if hidden { Err(StoreError::NotTried) } else { answer });
                continue;
            }
            let answer = if self.has(Defect::ChecksGuardsTooEarly) {
                let checked = commit.check_guards(|stream| state.revision(stream, None));
                state = self.pause(state);
                checked.and_then(|()| state.append(commit, Some(Defect::IgnoresGuards)))
            } else {
                state.append(commit, self.defect)
            };
            if answer.is_err() {
                failed = Some(commit);
                if self.has(Defect::FailsNeighboursOfAFailure) {
                    state.failing = true;
                    state = self.pause(state);
                    state.failing = false;
                }
            }
            answers.push(answer);
        }
        if self.has(Defect::AnswersInReverse) {
            answers.reverse();
        }
        answers
    }

    /// Lets others in for a moment.
    fn pause<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        drop(state);
        std::thread::sleep(Duration::from_micros(300));
        self.state()
    }

    /// Appends half of a commit, lets go, and takes it away again: what a store does that writes events one by one.
    async fn append_half(&self, train: &[Commit]) {
        let Some(half) = train.first().and_then(surgery::first_half) else { return };
        let made = self.state().append(&half, None).is_ok();
        let mut polled = false;
        poll_fn(|context| {
            context.waker().wake_by_ref();
            if core::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        if made {
            self.state().commits.pop();
        }
    }
}

#[async_trait]
impl EventStore for ModelStore {
    async fn commit(&self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        if self.has(Defect::LeavesHalfOfADroppedCommit) {
            self.append_half(&train).await;
        }
        let answers = self.order(&train);
        if !self.has(Defect::WakesNobody) {
            self.changed();
        }
        answers
    }

    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        if !self.has(Defect::ReadsStreamsOneByOne) {
            return Ok(self.state().read(streams, as_of, self.defect));
        }
        let mut read = self.state().read(&[], as_of, self.defect);
        for stream in streams {
            read.streams.extend(self.state().read(core::slice::from_ref(stream), as_of, self.defect).streams);
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(read)
    }

    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        Ok(self.state().follow(after, limit, self.defect))
    }

    async fn grown(&self, beyond: Position) -> Result<Head, StoreError> {
        let from = self.state().head().position;
        poll_fn(|context| {
            self.register(context.waker());
            let head = self.state().head();
            let beyond = if self.has(Defect::TellsAnyGrowth) { from.min(beyond) } else { beyond };
            if head.position > beyond { Poll::Ready(Ok(head)) } else { Poll::Pending }
        })
        .await
    }

    async fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        self.state().receipt(id, request, self.defect)
    }

    async fn head(&self) -> Result<Head, StoreError> {
        let state = self.state();
        if self.has(Defect::TellsTheHeadBefore) {
            let before = state.commits.iter().rev().nth(1);
            return Ok(before.map_or(Head::GENESIS, |recorded| recorded.seal().head()));
        }
        Ok(state.staged.as_ref().map_or_else(|| state.head(), |staged| staged.seal().head()))
    }

    async fn lease(&self, stream: &StreamId) -> Result<Lease, StoreError> {
        if self.has(Defect::LeasesToEverybody) {
            return Ok(Lease::new(()));
        }
        let queue = if self.has(Defect::LeasesAllStreamsAsOne) {
            StreamId::parse("all").unwrap_or(stream.clone())
        } else {
            stream.clone()
        };
        let ticket = Ticket::draw(self, queue);
        poll_fn(|context| {
            self.register(context.waker());
            if ticket.is_next() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        Ok(Lease::new(ticket))
    }

    fn limits(&self) -> Limits {
        LIMITS
    }
}

/// A place in the queue for a stream; the first one holds the lease.
struct Ticket {
    store: ModelStore,
    stream: StreamId,
    number: u64,
}

impl Ticket {
    fn draw(store: &ModelStore, stream: StreamId) -> Self {
        let mut state = store.state();
        state.tickets += 1;
        let number = state.tickets;
        let queue = state.leases.entry(stream.clone()).or_default();
        if store.has(Defect::LeasesToTheLastWhoAsked) && !queue.is_empty() {
            // Behind the one who holds it, and before all who wait.
            queue.insert(1, number);
        } else {
            queue.push_back(number);
        }
        drop(state);
        Self { store: store.clone(), stream, number }
    }

    fn is_next(&self) -> bool {
        self.store.state().leases.get(&self.stream).and_then(VecDeque::front) == Some(&self.number)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let kept = self.store.has(Defect::LeasesToWaitersThatAreGone) && !self.is_next();
        if !kept && let Some(queue) = self.store.state().leases.get_mut(&self.stream) {
            queue.retain(|number| *number != self.number);
        }
        self.store.changed();
    }
}
