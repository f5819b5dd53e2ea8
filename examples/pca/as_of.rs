//! What questions are asked of: a log as it was at an earlier position, a clock that stands still, and no keys.

use std::sync::Arc;

use async_trait::async_trait;
use pca_core::keys::{KeyEntry, KeyError, KeyId, KeyRequest, PrivateKey, PublicKey, SignRequest, Signature};
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamId, StreamsRead,
    Timestamp,
};
use pca_core::ports::{Clock, EventStore, KeyStore, Lease, Limits};
use pca_store_file::FileEventStore;

/// A log as it was after a commit; nothing can be added to it.
pub struct Earlier {
    log: Arc<FileEventStore>,
    /// The newest commit that is seen; absent: whatever is the newest.
    head: Option<Head>,
}

impl Earlier {
    /// Shows the log up to the last commit that is not behind the position.
    pub async fn of(log: Arc<FileEventStore>, limit: Position) -> Result<Self, StoreError> {
        if limit == Position::MAX {
            return Ok(Self { log, head: None });
        }
        let mut head = Head::GENESIS;
        let before = Position::new(limit.get().saturating_sub(1));
        if limit > Position::ZERO
            && let Some(recorded) = log.follow(before, 1).await?.first()
        {
            // A position inside a commit stands for its last.
            head = recorded.seal().head();
        }
        Ok(Self { log, head: Some(head) })
    }

    fn limit(&self) -> Position {
        self.head.map_or(Position::MAX, |head| head.position)
    }
}

fn read_only() -> StoreError {
    StoreError::Closed { reason: "the log was opened for questions only".into() }
}

#[async_trait]
impl EventStore for Earlier {
    async fn commit(&self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        train.iter().map(|_| Err(read_only())).collect()
    }

    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        self.log.read(streams, as_of.min(self.limit())).await
    }

    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let end = self.limit();
        if after >= end {
            return Ok(Vec::new());
        }
        let mut commits = self.log.follow(after, limit).await?;
        commits.retain(|recorded| recorded.seal().last() <= end);
        Ok(commits)
    }

    async fn grown(&self, beyond: Position) -> Result<Head, StoreError> {
        match self.head {
            Some(_) => Err(StoreError::Closed { reason: "the log is shown as it was, and does not grow".into() }),
            None => self.log.grown(beyond).await,
        }
    }

    async fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        let receipt = self.log.receipt(id, request).await?;
        Ok(receipt.filter(|receipt| receipt.last <= self.limit()))
    }

    async fn head(&self) -> Result<Head, StoreError> {
        match self.head {
            Some(head) => Ok(head),
            None => self.log.head().await,
        }
    }

    async fn lease(&self, _: &StreamId) -> Result<Lease, StoreError> {
        Ok(Lease::new(()))
    }

    fn limits(&self) -> Limits {
        self.log.limits()
    }
}

/// A clock that shows one time.
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The keys of one who has not given the passphrase.
pub struct NoKeys;

#[async_trait]
impl KeyStore for NoKeys {
    async fn generate(&self, requests: &[KeyRequest]) -> Vec<Result<PublicKey, KeyError>> {
        requests.iter().map(|_| Err(KeyError::Closed)).collect()
    }

    async fn import(&self, _: &KeyId, _: PrivateKey) -> Result<PublicKey, KeyError> {
        Err(KeyError::Closed)
    }

    async fn sign(&self, requests: &[SignRequest]) -> Vec<Result<Signature, KeyError>> {
        requests.iter().map(|_| Err(KeyError::Closed)).collect()
    }

    async fn public_key(&self, _: &KeyId) -> Result<PublicKey, KeyError> {
        Err(KeyError::Closed)
    }

    async fn list(&self) -> Result<Vec<KeyEntry>, KeyError> {
        Err(KeyError::Closed)
    }

    async fn destroy(&self, _: &KeyId) -> Result<(), KeyError> {
        Err(KeyError::Closed)
    }

    async fn export(&self, _: &KeyId) -> Result<PrivateKey, KeyError> {
        Err(KeyError::Closed)
    }
}
