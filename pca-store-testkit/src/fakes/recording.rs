//! A store that notes what it is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamId, StreamsRead,
};
use pca_core::ports::{EventStore, Lease, Limits};

/// What an event store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`EventStore::commit`].
    Commit,
    /// [`EventStore::read`].
    Read,
    /// [`EventStore::follow`].
    Follow,
    /// [`EventStore::grown`].
    Grown,
    /// [`EventStore::receipt`].
    Receipt,
    /// [`EventStore::head`].
    Head,
    /// [`EventStore::lease`].
    Lease,
}

/// Passes everything on, and notes it; clones share the notes.
#[derive(Clone, Debug)]
pub struct RecordingStore<S> {
    inner: S,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    calls: HashMap<Operation, u64>,
    trains: Vec<Vec<Commit>>,
    reads: Vec<Vec<(StreamId, Revision)>>,
}

impl<S> RecordingStore<S> {
    /// Notes what a store is asked from now on.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self { inner, notes: Arc::default() }
    }

    /// The store behind.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// How often it was asked.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.notes().calls.get(&operation).copied().unwrap_or(0)
    }

    /// Every train that it was given, whatever became of it.
    #[must_use]
    pub fn trains(&self) -> Vec<Vec<Commit>> {
        self.notes().trains.clone()
    }

    /// The streams of every read.
    #[must_use]
    pub fn reads(&self) -> Vec<Vec<(StreamId, Revision)>> {
        self.notes().reads.clone()
    }

    /// Forgets all notes.
    pub fn clear(&self) {
        *self.notes() = Notes::default();
    }

    fn note(&self, operation: Operation) -> MutexGuard<'_, Notes> {
        let mut notes = self.notes();
        let calls = notes.calls.entry(operation).or_default();
        *calls = calls.saturating_add(1);
        notes
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<S: EventStore> EventStore for RecordingStore<S> {
    async fn commit(&self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        self.note(Operation::Commit).trains.push(train.clone());
        self.inner.commit(train).await
    }

    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        self.note(Operation::Read).reads.push(streams.to_vec());
        self.inner.read(streams, as_of).await
    }

    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        drop(self.note(Operation::Follow));
        self.inner.follow(after, limit).await
    }

    async fn grown(&self, beyond: Position) -> Result<Head, StoreError> {
        drop(self.note(Operation::Grown));
        self.inner.grown(beyond).await
    }

    async fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        drop(self.note(Operation::Receipt));
        self.inner.receipt(id, request).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        drop(self.note(Operation::Head));
        self.inner.head().await
    }

    async fn lease(&self, stream: &StreamId) -> Result<Lease, StoreError> {
        drop(self.note(Operation::Lease));
        self.inner.lease(stream).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}
