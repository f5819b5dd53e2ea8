//! A store that lets others come first.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamId, StreamsRead,
};
use pca_core::ports::{EventStore, Lease, Limits};

use super::Operation;

type Act = dyn Fn(Operation) + Send + Sync;

/// Passes everything on, and lets somebody else act right before: what a test of a crowd would leave to chance happens
/// here at each call, or at the one that the test wants. Clones share what is done.
///
/// Whoever acts does so on the store behind, and not on this one.
///
/// ```
/// use std::sync::Arc;
///
/// use pca_core::ports::EventStore;
/// use pca_store_testkit::draft::Draft;
/// use pca_store_testkit::fakes::{InterruptedStore, Operation};
/// use pca_store_testkit::model::ModelStore;
///
/// let behind: Arc<dyn EventStore> = Arc::new(ModelStore::new());
/// let store = InterruptedStore::new(Arc::clone(&behind));
/// store.before_each(move |operation| {
///     if operation == Operation::Head {
///         pollster::block_on(behind.commit(vec![Draft::single("foreign", "a", 0).unwrap()]));
///     }
/// });
/// assert_eq!(pollster::block_on(store.head()).unwrap().position.get(), 1);
/// ```
#[derive(Clone)]
pub struct InterruptedStore {
    inner: Arc<dyn EventStore>,
    act: Arc<Mutex<Option<Arc<Act>>>>,
}

impl fmt::Debug for InterruptedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterruptedStore").finish_non_exhaustive()
    }
}

impl InterruptedStore {
    /// Nobody acts yet.
    #[must_use]
    pub fn new(inner: Arc<dyn EventStore>) -> Self {
        Self { inner, act: Arc::default() }
    }

    /// What is done before each call from now on, instead of what was.
    pub fn before_each(&self, act: impl Fn(Operation) + Send + Sync + 'static) {
        *self.act.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(act));
    }

    /// Nobody acts any more.
    pub fn leave_alone(&self) {
        *self.act.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn interrupt(&self, operation: Operation) {
        let act = self.act.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(act) = act {
            act(operation);
        }
    }
}

#[async_trait]
impl EventStore for InterruptedStore {
    async fn commit(&self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        self.interrupt(Operation::Commit);
        self.inner.commit(train).await
    }

    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        self.interrupt(Operation::Read);
        self.inner.read(streams, as_of).await
    }

    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        self.interrupt(Operation::Follow);
        self.inner.follow(after, limit).await
    }

    async fn grown(&self, beyond: Position) -> Result<Head, StoreError> {
        self.interrupt(Operation::Grown);
        self.inner.grown(beyond).await
    }

    async fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        self.interrupt(Operation::Receipt);
        self.inner.receipt(id, request).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.interrupt(Operation::Head);
        self.inner.head().await
    }

    async fn lease(&self, stream: &StreamId) -> Result<Lease, StoreError> {
        self.interrupt(Operation::Lease);
        self.inner.lease(stream).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}
