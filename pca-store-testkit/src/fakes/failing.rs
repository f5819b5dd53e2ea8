//! A store that fails when a test wants it to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamId, StreamsRead,
};
use pca_core::ports::{EventStore, Lease, Limits};

use super::Operation;

/// How a call fails.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing is done. Of a train the first member answers the error and the rest was not tried.
    Before(StoreError),
    /// It is done, and the answer is lost: each member of a train answers the error, though it stands in the log.
    After(StoreError),
    /// The first members of a train are passed on, the next one answers the error, and the rest was not tried. Other
    /// calls fail as with [`Before`](Self::Before).
    Within {
        /// How many members are passed on.
        members: usize,
        /// What the next one answers.
        error: StoreError,
    },
}

/// Passes everything on, except for the calls that are to fail; clones share the plan.
///
/// ```
/// use pca_core::log::StoreError;
/// use pca_core::ports::EventStore;
/// use pca_store_testkit::fakes::{FailingStore, Failure, Operation};
/// use pca_store_testkit::model::ModelStore;
///
/// let store = FailingStore::new(ModelStore::new());
/// let error = StoreError::Backend { detail: "the network is gone".into(), retryable: true };
/// store.fail(Operation::Head, 2, Failure::Before(error.clone()));
/// pollster::block_on(async {
///     assert!(store.head().await.is_ok());
///     assert_eq!(store.head().await, Err(error));
///     assert!(store.head().await.is_ok());
/// });
/// ```
#[derive(Clone, Debug)]
pub struct FailingStore<S> {
    inner: S,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    calls: HashMap<Operation, u64>,
    failures: HashMap<(Operation, u64), Failure>,
}

impl<S> FailingStore<S> {
    /// Fails nowhere yet.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self { inner, plan: Arc::default() }
    }

    /// The store behind.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Lets a call fail: the `nth` of its kind from now on, counted from 1.
    pub fn fail(&self, operation: Operation, nth: u64, failure: Failure) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let call = plan.calls.get(&operation).copied().unwrap_or(0).saturating_add(nth);
        plan.failures.insert((operation, call), failure);
    }

    /// How many failures are planned that no call met yet.
    #[must_use]
    pub fn planned(&self) -> usize {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).failures.len()
    }

    /// Counts a call, and tells whether and how it fails.
    fn next(&self, operation: Operation) -> Option<Failure> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = plan.calls.entry(operation).or_default();
        *calls = calls.saturating_add(1);
        let call = *calls;
        plan.failures.remove(&(operation, call))
    }

    async fn pass<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match self.next(operation) {
            None => call.await,
            Some(Failure::Before(error) | Failure::Within { error, .. }) => Err(error),
            Some(Failure::After(error)) => {
                drop(call.await);
                Err(error)
            }
        }
    }
}

#[async_trait]
impl<S: EventStore> EventStore for FailingStore<S> {
    async fn commit(&self, mut train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        let count = train.len();
        match self.next(Operation::Commit) {
            None => self.inner.commit(train).await,
            Some(Failure::Before(error)) => stopped(Vec::new(), error, count),
            Some(Failure::After(error)) => {
                drop(self.inner.commit(train).await);
                vec![Err(error); count]
            }
            Some(Failure::Within { members, error }) => {
                train.truncate(members);
                let answers = self.inner.commit(train).await;
                let error = if answers.iter().all(Result::is_ok) { error } else { StoreError::NotTried };
                stopped(answers, error, count)
            }
        }
    }

    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        self.pass(Operation::Read, self.inner.read(streams, as_of)).await
    }

    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        self.pass(Operation::Follow, self.inner.follow(after, limit)).await
    }

    async fn grown(&self, beyond: Position) -> Result<Head, StoreError> {
        self.pass(Operation::Grown, self.inner.grown(beyond)).await
    }

    async fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        self.pass(Operation::Receipt, self.inner.receipt(id, request)).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.pass(Operation::Head, self.inner.head()).await
    }

    async fn lease(&self, stream: &StreamId) -> Result<Lease, StoreError> {
        self.pass(Operation::Lease, self.inner.lease(stream)).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

/// Answers for a train of which the first members were answered, the next one failed, and the rest was not tried.
fn stopped(
    mut answers: Vec<Result<Receipt, StoreError>>,
    error: StoreError,
    count: usize,
) -> Vec<Result<Receipt, StoreError>> {
    if answers.len() < count {
        answers.push(Err(error));
    }
    answers.resize(count, Err(StoreError::NotTried));
    answers
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::draft::Draft;
    use crate::event_store::conformance;
    use crate::fakes::RecordingStore;
    use crate::model::ModelStore;
    use pollster::block_on;

    fn error() -> StoreError {
        StoreError::Backend { detail: "lost".into(), retryable: true }
    }

    fn train() -> Vec<Commit> {
        (0..3).map(|n| Draft::single(&n.to_string(), "a", n).unwrap()).collect()
    }

    #[test]
    fn before_does_nothing_and_within_some() {
        let store = FailingStore::new(ModelStore::new());
        store.fail(Operation::Commit, 1, Failure::Before(error()));
        store.fail(Operation::Commit, 2, Failure::Within { members: 1, error: error() });
        let not_tried = || Err(StoreError::NotTried);
        assert_eq!(block_on(store.commit(train())), [Err(error()), not_tried(), not_tried()]);
        assert_eq!(block_on(store.head()).unwrap(), Head::GENESIS);
        let answers = block_on(store.commit(train()));
        assert!(matches!(answers.as_slice(), [Ok(_), Err(StoreError::Backend { .. }), Err(StoreError::NotTried)]));
        assert_eq!(block_on(store.head()).unwrap().position, Position::new(1));
        assert_eq!(store.planned(), 0);
    }

    #[test]
    fn after_does_all_and_loses_the_answer() {
        let store = FailingStore::new(ModelStore::new());
        store.fail(Operation::Commit, 1, Failure::After(error()));
        assert_eq!(block_on(store.commit(train())), [Err(error()), Err(error()), Err(error())]);
        let last = train().pop().unwrap();
        let receipt = block_on(store.receipt(last.id(), last.request())).unwrap().unwrap();
        assert_eq!(receipt.last, Position::new(3));
    }

    #[test]
    fn wrapped_stores_keep_the_rules() {
        let broken = conformance(&|| RecordingStore::new(FailingStore::new(ModelStore::new())));
        assert!(broken.is_empty(), "{broken:#?}");
    }

    #[test]
    fn calls_are_counted() {
        let store = RecordingStore::new(ModelStore::new());
        block_on(store.commit(train()));
        block_on(store.head()).unwrap();
        assert_eq!((store.calls(Operation::Commit), store.calls(Operation::Head)), (1, 1));
        assert_eq!(store.trains(), [train()]);
        store.clear();
        assert_eq!(store.calls(Operation::Commit), 0);
    }
}
