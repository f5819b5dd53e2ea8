//! The joints of the house: what an adapter implements, on one page.
//!
//! An adapter keeps bytes (events), keys, or tells time and randomness. It knows no business rule. Call these traits
//! through [`Pca`](crate::service::Pca) rather than directly: the service draws, guards and retries.
//! The crate `pca-store-testkit` holds the conformance suite that an adapter must pass.

use core::any::Any;
use std::sync::Arc;

use async_trait::async_trait;

use crate::keys::{KeyEntry, KeyError, KeyId, KeyRequest, PrivateKey, PublicKey, SignRequest, Signature};
use crate::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamId, StreamsRead,
    Timestamp,
};

/// Remembers commits: an append-only log of events in streams, each commit atomic, guarded and chained.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Appends a *train*: commits in order, one answer each.
    ///
    /// Each commit's guards are checked against the state after its predecessors in the train. The first that fails, or
    /// is a repeat, ends the train; the rest answer [`StoreError::NotTried`]. Nothing of another train stands between the
    /// members of one. Each commit is atomic by itself and durable when answered; after a crash any prefix may stand.
    /// Trains are independent: a store may put many into one sync or transaction, and the failure of one never touches
    /// another. Dropping the future abandons the answer, not necessarily the train: its receipts tell.
    ///
    /// # Errors
    /// A commit's own: [`StoreError::Conflict`], [`StoreError::Repeated`], [`StoreError::IdReused`],
    /// [`StoreError::TooLarge`], [`StoreError::NotTried`], or trouble of the store.
    async fn commit(&self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>>;

    /// Several streams as of one position, a consistent snapshot: for each, the events after the given revision.
    ///
    /// A position inside a commit stands for its last; [`Position::MAX`] is the newest.
    ///
    /// # Errors
    /// Trouble of the store.
    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError>;

    /// The whole log in order: whole commits, the first of them the one that holds the position after `after`, at
    /// least one if there is one, and no more once `limit` events are reached; fewer where they are large. Empty at the
    /// head.
    ///
    /// # Errors
    /// Trouble of the store.
    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError>;

    /// Waits until the head is beyond the position, and tells it.
    ///
    /// # Errors
    /// Trouble of the store, [`StoreError::Closed`] when no more can come.
    async fn grown(&self, beyond: Position) -> Result<Head, StoreError>;

    /// The receipt of a commit that was made under this id, so that a repeat is answered before deciding.
    ///
    /// # Errors
    /// [`StoreError::IdReused`] if another request was committed under the id; trouble of the store.
    async fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError>;

    /// The newest durable commit: position, digest, time.
    ///
    /// # Errors
    /// Trouble of the store.
    async fn head(&self) -> Result<Head, StoreError>;

    /// A fair turn among all who want to write to the stream, given back when dropped. Correctness never rests on it.
    ///
    /// # Errors
    /// Trouble of the store.
    async fn lease(&self, stream: &StreamId) -> Result<Lease, StoreError>;

    /// What the store can take.
    fn limits(&self) -> Limits;
}

/// A turn that [`EventStore::lease`] gave; dropping it gives it back.
pub struct Lease(#[expect(dead_code, reason = "held for its Drop")] Box<dyn Any + Send + Sync>);

impl Lease {
    /// Wraps whatever gives the turn back when it is dropped.
    #[must_use]
    pub fn new(turn: impl Any + Send + Sync) -> Self {
        Self(Box::new(turn))
    }
}

impl core::fmt::Debug for Lease {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Lease")
    }
}

/// What a store can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest commit, in octets of its body.
    pub largest_commit: usize,
}

impl Default for Limits {
    /// 16 MiB.
    fn default() -> Self {
        Self { largest_commit: 16 * 1024 * 1024 }
    }
}

/// Remembers folded state, as a cache: whatever cannot be read is as good as absent.
#[async_trait]
pub trait SnapshotStore: Send + Sync + 'static {
    /// The newest snapshot under the key, if one is kept.
    ///
    /// # Errors
    /// Trouble of the store; damage is no trouble but absence.
    async fn load(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, StoreError>;

    /// Keeps a snapshot in place of an older one under the key.
    ///
    /// # Errors
    /// Trouble of the store.
    async fn save(&self, key: &SnapshotKey, snapshot: Snapshot) -> Result<(), StoreError>;

    /// Forgets a snapshot; absent is success.
    ///
    /// # Errors
    /// Trouble of the store.
    async fn forget(&self, key: &SnapshotKey) -> Result<(), StoreError>;
}

/// Names a snapshot: a stream and the version of the fold that made the state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnapshotKey {
    /// The stream that was folded.
    pub stream: StreamId,
    /// The version of the fold: another version never reads this one's state.
    pub fold_version: u32,
}

/// Folded state of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Up to which revision of the stream.
    pub revision: Revision,
    /// The state, as its fold encodes it.
    pub state: Vec<u8>,
}

/// Keeps private keys and signs with them: memory, files, a database, PKCS#11, a cloud's KMS.
///
/// A batch answers in order, one answer a request. Adapters own their signing threads; the core owns none.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// Makes keys, durable when answered. A request whose id exists answers the key that is there, if it was made so.
    ///
    /// A key that was imported is none that the store made, and somebody else has it: it is never the answer, so an
    /// adapter keeps the mark with the key, for as long as the key.
    ///
    /// # Errors
    /// Per request; [`KeyError::IdTaken`] if the key that is there was imported, or is of another algorithm or use.
    async fn generate(&self, requests: &[KeyRequest]) -> Vec<Result<PublicKey, KeyError>>;

    /// Takes in a key of a certificate authority, durable when answered, and marks it as imported. The same key under the
    /// same id is success, and leaves the key as it was.
    ///
    /// # Errors
    /// [`KeyError::IdTaken`] if another key lies under the id, made or imported, or a holder's.
    async fn import(&self, id: &KeyId, key: PrivateKey) -> Result<PublicKey, KeyError>;

    /// Signs: bytes in, bytes out.
    ///
    /// # Errors
    /// Per request: [`KeyError::Absent`], [`KeyError::AlgorithmMismatch`], trouble of the key store.
    async fn sign(&self, requests: &[SignRequest]) -> Vec<Result<Signature, KeyError>>;

    /// The public half of a key.
    ///
    /// # Errors
    /// [`KeyError::Absent`], trouble of the key store.
    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, KeyError>;

    /// Every key: ids, uses and ages, in the order of ids.
    ///
    /// # Errors
    /// Trouble of the key store.
    async fn list(&self) -> Result<Vec<KeyEntry>, KeyError>;

    /// Ends a key for good; nothing of it can be read back. An absent key is success.
    ///
    /// # Errors
    /// Trouble of the key store: the key may still be there.
    async fn destroy(&self, id: &KeyId) -> Result<(), KeyError>;

    /// Hands out a key that was made to be handed over.
    ///
    /// # Errors
    /// [`KeyError::NotExportable`] for a key of a certificate authority (rule K1), [`KeyError::Absent`].
    async fn export(&self, id: &KeyId) -> Result<PrivateKey, KeyError>;
}

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// Draws randomness.
pub trait Entropy: Send + Sync + 'static {
    /// Fills the buffer with octets that nobody can foretell.
    ///
    /// # Errors
    /// [`EntropyError`] if the source fails; nothing may be issued then.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError>;
}

/// The source of randomness failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the source of randomness failed: {detail}")]
pub struct EntropyError {
    /// What failed.
    pub detail: String,
}
