//! The plainest store that keeps all rules: a list of commits that is searched from one end to the other.
//!
//! It is slow and short, so that one can see that it is right. The suite compares other stores with it, and
//! [`broken`](crate::broken) gives it one defect at a time.

use core::future::poll_fn;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamEvent, StreamId,
    StreamSlice, StreamsRead,
};
use pca_core::ports::{EventStore, Lease, Limits};

use crate::broken::Defect;
use crate::broken::surgery;

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

#[derive(Clone, Debug, Default)]
struct State {
    commits: Vec<Arc<Recorded>>,
    leases: HashMap<StreamId, VecDeque<u64>>,
    tickets: u64,
    /// For defects only: positions taken by failures, ids that failed, a commit not yet checked, a batch that fails.
    burnt: u64,
    failed: HashSet<CommitId>,
    staged: Option<Arc<Recorded>>,
    failing: bool,
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

impl State {
    fn head(&self) -> Head {
        let head = self.commits.last().map_or(Head::GENESIS, |newest| newest.seal().head());
        Head { position: head.position.plus(self.burnt), ..head }
    }

    /// The events of a stream among the first commits.
    fn events(&self, stream: &StreamId, seen: usize, defect: Option<Defect>) -> Vec<StreamEvent> {
        let concerns = |index: usize, concerned: &StreamId| match defect {
            Some(Defect::LosesTheSecondStream) => concerned == stream && index == 0,
            Some(Defect::CutsLongNames) => surgery::cut(concerned) == surgery::cut(stream),
            _ => concerned == stream,
        };
        let mut events: Vec<StreamEvent> = Vec::new();
        for (number, recorded) in (1..).zip(self.commits.iter().take(seen)) {
            for (index, view) in recorded.commit().events().enumerate() {
                if view.streams().enumerate().any(|(place, concerned)| concerns(place, concerned)) {
                    let counted = u64::try_from(events.len()).unwrap_or(u64::MAX);
                    let revision = match defect {
                        Some(Defect::CountsCommitsAsRevisions) => Revision::new(number),
                        _ => Revision::new(counted).plus(1),
                    };
                    events.push(StreamEvent { recorded: Arc::clone(recorded), index, revision });
                }
            }
        }
        events
    }

    fn revision(&self, stream: &StreamId, defect: Option<Defect>) -> Revision {
        let events = self.events(stream, usize::MAX, defect);
        events.last().map_or(Revision::ZERO, |event| event.revision)
    }

    fn receipt(
        &self,
        id: CommitId,
        request: RequestDigest,
        defect: Option<Defect>,
    ) -> Result<Option<Receipt>, StoreError> {
        let found = self.commits.iter().find(|recorded| recorded.commit().id() == id).map(|found| found.receipt());
        match found {
            Some(receipt) if receipt.request != request && defect != Some(Defect::IgnoresTheRequest) => {
                Err(StoreError::IdReused { id, position: receipt.last })
            }
            found => Ok(found),
        }
    }

    fn append(&mut self, commit: &Commit, defect: Option<Defect>) -> Result<Receipt, StoreError> {
        let has = |one: Defect| defect == Some(one);
        if !has(Defect::MakesRepeatsAgain)
            && let Some(receipt) = self.receipt(commit.id(), commit.request(), defect)?
        {
            return Err(StoreError::Repeated(receipt));
        }
        if has(Defect::RemembersFailures) && self.failed.contains(&commit.id()) {
            return Err(StoreError::IdReused { id: commit.id(), position: Position::ZERO });
        }
        let limit = LIMITS.largest_commit;
        let octets = commit.body().len();
        if octets > limit && !has(Defect::IgnoresItsLimit) {
            return Err(StoreError::TooLarge { octets, limit });
        }
        if let Err(conflict) = commit.check_guards(|stream| self.guarded(commit, stream, defect)) {
            self.failed.insert(commit.id());
            if has(Defect::LeavesGapsAfterFailures) {
                self.burnt += 1;
            }
            if has(Defect::KeepsHalfOfAConflict)
                && let Some(rest) = surgery::without_conflict(commit, &conflict)
            {
                self.push(&rest, defect);
            }
            return Err(if has(Defect::SwapsTheRevisionsOfConflicts) { surgery::swapped(conflict) } else { conflict });
        }
        Ok(match defect {
            Some(Defect::ReencodesPayloads) => self.push(&surgery::reencoded(commit), defect),
            _ => self.push(commit, defect),
        })
    }

    /// The revision that a guard is compared with.
    fn guarded(&self, commit: &Commit, stream: &StreamId, defect: Option<Defect>) -> Revision {
        let read = commit.guards().iter().find(|guard| guard.stream == *stream).map(|guard| guard.revision);
        let read = read.unwrap_or_default();
        let moves = commit.moves().any(|moved| moved.stream == stream);
        match defect {
            Some(Defect::IgnoresGuards) => read,
            Some(Defect::ChecksOnlyGuardsThatMove) if !moves => read,
            Some(Defect::TakesClaimsForNoGuard) if read == Revision::ZERO => read,
            Some(Defect::LetsGuardsBeAhead) => self.revision(stream, defect).max(read),
            _ => self.revision(stream, defect),
        }
    }

    fn push(&mut self, commit: &Commit, defect: Option<Defect>) -> Receipt {
        let head = self.head();
        let recorded = Recorded::new(surgery::seal(&head, commit, defect), commit.clone());
        self.burnt = 0;
        let receipt = recorded.receipt();
        self.commits.push(Arc::new(recorded));
        receipt
    }

    fn read(&self, streams: &[(StreamId, Revision)], as_of: Position, defect: Option<Defect>) -> StreamsRead {
        let as_of = if defect == Some(Defect::IgnoresAsOf) { Position::MAX } else { as_of };
        let edge = |recorded: &Recorded| match defect {
            Some(Defect::TakesAPositionInsideForTheCommitBefore) => recorded.seal().last(),
            _ => recorded.seal().first,
        };
        let seen = self.commits.iter().take_while(|recorded| edge(recorded) <= as_of).count();
        let newest = self.commits.iter().take(seen).next_back();
        let at = newest.map_or(Position::ZERO, |recorded| recorded.seal().last());
        let streams = streams
            .iter()
            .map(|(stream, after)| {
                let events = self.events(stream, seen, defect);
                let revision = events.last().map_or(Revision::ZERO, |event| event.revision);
                let later = events.into_iter().filter(|event| match defect {
                    Some(Defect::ReadsFromTheRevisionGiven) => event.revision >= *after,
                    Some(Defect::ReadsOneTooFew) => event.revision > after.plus(1),
                    _ => event.revision > *after,
                });
                StreamSlice { stream: stream.clone(), revision, events: later.collect() }
            })
            .collect();
        let mut read = StreamsRead { at, streams };
        if defect == Some(Defect::SortsWhatWasAsked) {
            read.streams.sort_by(|one, other| one.stream.cmp(&other.stream));
            read.streams.dedup_by(|one, other| one.stream == other.stream);
        }
        read
    }

    fn follow(&self, after: Position, limit: usize, defect: Option<Defect>) -> Vec<Arc<Recorded>> {
        let later = self.commits.iter().chain(&self.staged).filter(|recorded| match defect {
            Some(Defect::SkipsTheCommitOfAPositionInside) => recorded.seal().first > after,
            _ => recorded.seal().last() > after,
        });
        let mut found: Vec<Arc<Recorded>> = Vec::new();
        let mut events = 0;
        for recorded in later {
            let count = recorded.commit().events().len();
            let full = match defect {
                Some(Defect::FollowsBeyondItsLimit) => false,
                Some(Defect::FollowsNothingLargerThanItsLimit) => events + count > limit,
                _ => events >= limit && !found.is_empty(),
            };
            if full {
                break;
            }
            events += count;
            found.push(Arc::clone(recorded));
        }
        if defect == Some(Defect::SplitsCommitsWhenFollowed) {
            surgery::split_last(&mut found, limit);
        }
        found
    }
}

const LIMITS: Limits = Limits { largest_commit: 256 * 1024 };

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
