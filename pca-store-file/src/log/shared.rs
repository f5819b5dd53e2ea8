//! What callers, readers and the writer share.

use core::time::Duration;
use std::sync::{Arc, OnceLock};

use pca_core::log::{Head, Position, Recorded, StoreError};

use super::cache::Cache;
use super::disk::DiskFile;
use super::format::{FRAME_HEADER, LogId, to_u64};
use super::index::{Keeper, Keys, Place};
use super::staging::{End, State, Work};
use super::sync::{Condvar, Event, Mutex, MutexGuard, PoisonError, oneshot};

/// The state behind its mutex, and ways to tell of changes.
pub(crate) struct Shared {
    pub(crate) log: LogId,
    pub(crate) keys: Keys,
    /// Makes index files; none if the log was opened for reading.
    pub(crate) keeper: OnceLock<Keeper>,
    /// Held by whoever changes which index files there are.
    indexing: Mutex<()>,
    state: Mutex<State>,
    cache: Mutex<Cache>,
    work: Condvar,
    growth: Event,
    closers: Mutex<Closers>,
}

#[derive(Default)]
struct Closers {
    waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
    outcome: Option<Result<(), StoreError>>,
}

impl Shared {
    pub(crate) fn new(log: LogId, state: State, cache: usize) -> Self {
        Self {
            log,
            keys: Keys::new(log),
            keeper: OnceLock::new(),
            indexing: Mutex::default(),
            state: Mutex::new(state),
            cache: Mutex::new(Cache::new(cache)),
            work: Condvar::new(),
            growth: Event::new(),
            closers: Mutex::default(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn indexing(&self) -> MutexGuard<'_, ()> {
        self.indexing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps commits in memory under their places.
    pub(crate) fn keep(&self, commits: Vec<(Place, Arc<Recorded>)>) {
        let mut forgotten = Vec::new();
        {
            let mut cache = self.cache();
            for (place, recorded) in commits {
                forgotten.extend(cache.insert(place, recorded));
            }
        }
        drop(forgotten);
    }

    /// Tells the writer to look for work.
    pub(crate) fn wake_writer(&self) {
        self.work.notify_one();
    }

    /// What the writer does next. If nothing comes for so long, it is a beacon.
    pub(crate) fn next_work(&self, beacon: Option<Duration>) -> Work {
        let mut state = self.lock();
        let mut waited = false;
        loop {
            if matches!(state.end, Some(End::Failed(_))) {
                return Work::End;
            }
            if let Some(job) = state.take() {
                return Work::Group(job);
            }
            if state.end.is_some() {
                return Work::End;
            }
            if waited {
                return Work::Beacon(state.leave_room(to_u64(FRAME_HEADER)));
            }
            state.idle = true;
            state = match beacon {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(beacon) => {
                    let (state, timeout) =
                        self.work.wait_timeout(state, beacon).unwrap_or_else(PoisonError::into_inner);
                    waited = timeout.timed_out();
                    state
                }
            };
            state.idle = false;
        }
    }

    /// The writer's group is durable: it is shown to readers, and who waits is told.
    pub(crate) fn published(&self, octets: Vec<u8>) {
        let waiters = self.lock().written(octets);
        for waiter in waiters {
            // Who does not wait any more needs no answer.
            let _ = waiter.send(Ok(()));
        }
        self.growth.notify(usize::MAX);
    }

    /// Takes nothing more; everybody who waits is told why.
    pub(crate) fn fail(&self, reason: &str, in_flight_too: bool) {
        let (waiters, failure) = self.lock().fail(reason, in_flight_too);
        for waiter in waiters {
            let _ = waiter.send(Err(failure.clone()));
        }
        self.work.notify_one();
        self.growth.notify(usize::MAX);
    }

    /// Takes nothing more; what is staged is still written.
    pub(crate) fn begin_closing(&self) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(End::Closing);
        }
        drop(state);
        self.work.notify_one();
    }

    /// The writer has ended.
    pub(crate) fn ended(&self, outcome: Result<(), String>) {
        let outcome = outcome.map_err(|reason| StoreError::Closed { reason });
        {
            let mut state = self.lock();
            if state.end == Some(End::Closing) {
                state.end = Some(match &outcome {
                    Ok(()) => End::Closed,
                    Err(error) => End::Failed(error.to_string().into()),
                });
            }
        }
        let waiting = {
            let mut closers = self.closers();
            closers.outcome.get_or_insert(outcome.clone());
            core::mem::take(&mut closers.waiting)
        };
        for waiter in waiting {
            let _ = waiter.send(outcome.clone());
        }
        self.growth.notify(usize::MAX);
    }

    /// Waits until the writer has ended.
    pub(crate) async fn wait_for_end(&self) -> Result<(), StoreError> {
        let receiver = {
            let mut closers = self.closers();
            if let Some(outcome) = &closers.outcome {
                return outcome.clone();
            }
            let (sender, receiver) = oneshot::channel();
            closers.waiting.push(sender);
            receiver
        };
        receiver.await.unwrap_or_else(|_| Err(StoreError::Closed { reason: "the writer stopped".into() }))
    }

    fn closers(&self) -> MutexGuard<'_, Closers> {
        self.closers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of a segment has been made.
    pub(crate) fn segment_made(&self, number: u32, file: Arc<dyn DiskFile>) {
        let number = super::format::to_usize(u64::from(number));
        if let Some(segment) = self.lock().segments.get_mut(number) {
            segment.file = Some(file);
        }
    }

    /// Waits until the durable head is beyond a position.
    pub(crate) async fn grown(&self, beyond: Position) -> Result<Head, StoreError> {
        loop {
            let growth = self.growth.listen();
            {
                let state = self.lock();
                if state.durable.position > beyond {
                    return Ok(state.durable);
                }
                if let Some(end @ (End::Closed | End::Failed(_))) = &state.end {
                    return Err(end.error());
                }
            }
            growth.await;
        }
    }

    /// Tells who waits for growth to look again.
    pub(crate) fn notify_growth(&self) {
        self.growth.notify(usize::MAX);
    }
}
