//! A log under trial: the port, with every call bounded in time and every unexpected error a violation.

use core::future::{Future, poll_fn};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::{Arc, Barrier, Mutex, PoisonError, mpsc};
use std::task::Wake;

use futures_channel::oneshot;
use futures_util::future::{Either, poll_immediate, select};
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamId, StreamSlice,
    StreamsRead, Verifier,
};
use pca_core::ports::EventStore;

use super::Harness;
use crate::Violation;
use crate::violation::{Verdict, ensure, equal};

pub(super) type Answer = Result<Receipt, StoreError>;

/// A log under trial.
#[derive(Clone)]
pub(super) struct Subject<'h> {
    harness: &'h dyn Harness,
    pub(super) store: Arc<dyn EventStore>,
}

impl<'h> Subject<'h> {
    /// An empty log.
    pub(super) fn new(harness: &'h dyn Harness) -> Self {
        Self { harness, store: harness.create() }
    }

    pub(super) fn of(harness: &'h dyn Harness, store: Arc<dyn EventStore>) -> Self {
        Self { harness, store }
    }

    /// Waits for an answer, but not forever.
    pub(super) fn wait<T>(&self, what: &str, future: impl Future<Output = T>) -> Verdict<T> {
        let mut answer = None;
        let patience = self.harness.patience();
        self.harness.block_on(Box::pin(async {
            answer = within(patience, future).await;
        }));
        answer.ok_or_else(|| Violation::new(format!("{what} was not answered within {patience:?}")))
    }

    pub(super) fn train(&self, train: Vec<Commit>) -> Verdict<Vec<Answer>> {
        let count = train.len();
        let answers = self.wait("a train", self.store.commit(train))?;
        equal("the number of answers to a train", &answers.len(), &count)?;
        Ok(answers)
    }

    pub(super) fn commit(&self, commit: Commit) -> Verdict<Answer> {
        let mut answers = self.train(vec![commit])?;
        answers.pop().ok_or_else(|| Violation::new("a train of one had no answer"))
    }

    /// Commits what must succeed.
    pub(super) fn write(&self, commit: Commit) -> Verdict<Receipt> {
        let (id, request) = (commit.id(), commit.request());
        let receipt = self.commit(commit)??;
        equal("the receipt's commit id", &receipt.commit, &id)?;
        equal("the receipt's request", &receipt.request, &request)?;
        Ok(receipt)
    }

    pub(super) fn head(&self) -> Verdict<Head> {
        Ok(self.wait("the head", self.store.head())??)
    }

    pub(super) fn receipt(&self, id: CommitId, request: RequestDigest) -> Verdict<Result<Option<Receipt>, StoreError>> {
        self.wait("a receipt", self.store.receipt(id, request))
    }

    pub(super) fn read(&self, streams: &[(&str, u64)], as_of: Position) -> Verdict<StreamsRead> {
        let asked = streams
            .iter()
            .map(|(stream, revision)| Ok((StreamId::parse(stream)?, Revision::new(*revision))))
            .collect::<Verdict<Vec<_>>>()?;
        let read = self.wait("a read", self.store.read(&asked, as_of))??;
        let answered: Vec<_> = read.streams.iter().map(|slice| &slice.stream).collect();
        equal("the streams that were read", &answered, &asked.iter().map(|(stream, _)| stream).collect())?;
        for slice in &read.streams {
            check_slice(slice, read.at)?;
        }
        Ok(read)
    }

    /// One stream from its beginning, newest.
    pub(super) fn stream(&self, stream: &str) -> Verdict<StreamSlice> {
        let mut read = self.read(&[(stream, 0)], Position::MAX)?;
        read.streams.pop().ok_or_else(|| Violation::new("a read of one stream had no answer"))
    }

    pub(super) fn revision(&self, stream: &str) -> Verdict<u64> {
        Ok(self.stream(stream)?.revision.get())
    }

    pub(super) fn follow(&self, after: Position, limit: usize) -> Verdict<Vec<Arc<Recorded>>> {
        Ok(self.wait("following", self.store.follow(after, limit))??)
    }

    /// The whole log, and everything that the core's verifier objects to is a violation.
    pub(super) fn verified(&self) -> Verdict<Vec<Arc<Recorded>>> {
        let log = self.follow(Position::ZERO, usize::MAX)?;
        let mut verifier = Verifier::default();
        for recorded in &log {
            if let Some(fault) = verifier.follow(recorded).first() {
                return Err(Violation::new(fault.to_string()));
            }
        }
        equal("the head and the end of the log", &self.head()?, &verifier.head())?;
        Ok(log)
    }

    /// Runs as many at once as there are numbers, all from one barrier, each a little later than the one before.
    pub(super) fn race<T: Send>(&self, count: usize, run: impl Fn(usize) -> Verdict<T> + Sync) -> Verdict<Vec<T>> {
        let barrier = Barrier::new(count);
        std::thread::scope(|scope| {
            let runners: Vec<_> = (0..count)
                .map(|number| {
                    let (run, barrier) = (&run, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        (0..number.saturating_mul(20)).for_each(|_| core::hint::spin_loop());
                        run(number)
                    })
                })
                .collect();
            runners
                .into_iter()
                .map(|runner| runner.join().unwrap_or_else(|_| Err(Violation::new("a thread of the race panicked"))))
                .collect()
        })
    }

    /// Polls once.
    pub(super) fn poll<F: Future + Unpin>(&self, future: &mut F) -> Option<F::Output> {
        let mut answer = None;
        self.harness.block_on(Box::pin(async {
            answer = poll_immediate(&mut *future).await;
        }));
        answer
    }

    /// Whether a future is not ready however often it is asked; it stands in whatever queue it stands in afterwards.
    pub(super) fn stays_pending<F: Future + Unpin>(&self, future: &mut F) -> bool {
        (0..5).all(|_| {
            std::thread::yield_now();
            self.poll(future).is_none()
        })
    }

    pub(super) fn rounds(&self) -> usize {
        self.harness.rounds()
    }
}

/// The answer, or nothing when patience is at its end; the future is dropped then.
async fn within<T>(patience: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(woken(future));
    if let Some(answer) = poll_immediate(&mut future).await {
        return Some(answer);
    }
    let (expire, expired) = oneshot::channel::<()>();
    let (done, cancelled) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if cancelled.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Nobody listens any more if the answer came at this very moment.
            expire.send(()).unwrap_or_default();
        }
    });
    let answer = match select(expired, future).await {
        Either::Left(_) => None,
        Either::Right((answer, _)) => Some(answer),
    };
    drop(done);
    answer
}

/// Lets a future be polled only when it was woken, so that one that forgets to wake is not saved by somebody else's
/// poll.
pub(super) fn woken<F: Future>(future: F) -> impl Future<Output = F::Output> + Unpin {
    let wakes = Arc::new(Wakes { due: AtomicBool::new(true), outer: Mutex::new(None) });
    let mut future = Box::pin(future);
    poll_fn(move |context| {
        *wakes.outer.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        if wakes.due.swap(false, Ordering::SeqCst) {
            future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&wakes))))
        } else {
            Poll::Pending
        }
    })
}

struct Wakes {
    due: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.due.store(true, Ordering::SeqCst);
        let outer = self.outer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        outer.into_iter().for_each(Waker::wake);
    }
}

/// What holds of every slice: events in order without gaps up to the revision, each of them concerning the stream, none
/// beyond the position.
fn check_slice(slice: &StreamSlice, at: Position) -> Verdict {
    let stream = &slice.stream;
    for (left, event) in slice.events.iter().rev().zip((1..=slice.revision.get()).rev()) {
        equal(&format!("a revision in {stream}"), &left.revision.get(), &event)?;
        ensure(left.recorded.seal().last() <= at, || {
            format!("{stream} was read as of {at}, but has an event of a commit up to {}", left.recorded.seal().last())
        })?;
        let concerned =
            left.recorded.commit().event(left.index).is_some_and(|view| view.streams().any(|s| s == stream));
        ensure(concerned, || format!("revision {} of {stream} is an event that does not concern it", left.revision))?;
    }
    ensure(u64::try_from(slice.events.len()).is_ok_and(|count| count <= slice.revision.get()), || {
        format!("{stream} is at revision {}, but {} events were read", slice.revision, slice.events.len())
    })
}

/// What the events of a slice carry.
pub(super) fn payloads(slice: &StreamSlice) -> Vec<Vec<u8>> {
    slice
        .events
        .iter()
        .map(|event| event.recorded.commit().event(event.index).map(|view| view.payload().to_vec()).unwrap_or_default())
        .collect()
}
