//! The event store: a log under one short lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use event_listener::Event;
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamId, StreamsRead,
    Verifier,
};
use pca_core::ports::{EventStore, Lease, Limits};

use crate::lease::Turns;
use crate::log::Log;

/// A log in memory; clones share it, and it is gone with the last of them.
#[derive(Clone, Debug, Default)]
pub struct MemoryEventStore {
    shared: Arc<Shared>,
    limits: Limits,
}

#[derive(Debug, Default)]
struct Shared {
    log: Mutex<Log>,
    grown: Event,
    turns: Arc<Turns>,
}

impl MemoryEventStore {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty log that takes commits up to other limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// A log with these commits, as [`follow`](EventStore::follow) of any store tells them from the first on. Every
    /// digest, receipt and revision is as it was there (architecture, invariant 7).
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if a body is no body, or a commit does not fit what stands before it.
    pub fn restore(commits: &[Arc<Recorded>]) -> Result<Self, StoreError> {
        let mut log = Log::default();
        let mut verifier = Verifier::default();
        for kept in commits {
            let seal = kept.seal();
            let corrupt = |reason: String| StoreError::Corrupt { place: format!("position {}", seal.first), reason };
            let body = Arc::clone(kept.commit().body());
            let recorded = Recorded::restore(body, seal.previous, seal.first, seal.time, seal.digest)
                .map_err(|error| corrupt(error.to_string()))?;
            if let Some(fault) = verifier.follow(&recorded).first() {
                return Err(corrupt(fault.to_string()));
            }
            log.push(recorded);
        }
        let shared = Shared { log: Mutex::new(log), ..Shared::default() };
        Ok(Self { shared: Arc::new(shared), limits: Limits::default() })
    }

    /// A log of its own with the same commits, read back from their octets, as a store on a disk does when it is opened.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] as for [`restore`](Self::restore); that would be a defect of this crate.
    pub fn reopen(&self) -> Result<Self, StoreError> {
        let commits = self.log().commits().to_vec();
        Ok(Self { limits: self.limits, ..Self::restore(&commits)? })
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventStore for MemoryEventStore {
    async fn commit(&self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        // What is kept is read from the octets, as from a disk; that takes time, so it is done before the lock.
        let train: Vec<Result<Commit, StoreError>> =
            train.iter().map(|commit| Commit::decode(Arc::clone(commit.body())).map_err(unreadable)).collect();
        let mut going = true;
        let mut log = self.log();
        let before = log.head().position;
        let answers: Vec<_> = train
            .into_iter()
            .map(|commit| {
                if !going {
                    return Err(StoreError::NotTried);
                }
                let answer = commit.and_then(|commit| log.append(commit, self.limits.largest_commit));
                going = answer.is_ok();
                answer
            })
            .collect();
        let grown = log.head().position > before;
        drop(log);
        if grown {
            self.shared.grown.notify(usize::MAX);
        }
        answers
    }

    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        Ok(self.log().read(streams, as_of))
    }

    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        Ok(self.log().follow(after, limit))
    }

    async fn grown(&self, beyond: Position) -> Result<Head, StoreError> {
        loop {
            let grown = self.shared.grown.listen();
            let head = self.log().head();
            if head.position > beyond {
                return Ok(head);
            }
            grown.await;
        }
    }

    async fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        self.log().receipt(id, request)
    }

    async fn head(&self) -> Result<Head, StoreError> {
        Ok(self.log().head())
    }

    async fn lease(&self, stream: &StreamId) -> Result<Lease, StoreError> {
        self.shared.turns.take(stream).await.map(Lease::new)
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

fn unreadable(error: pca_core::log::BodyError) -> StoreError {
    StoreError::Backend { detail: format!("a commit cannot be read back: {error}"), retryable: false }
}
