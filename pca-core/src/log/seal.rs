//! Ordering: what a store adds to a commit, and the chain of digests (architecture, invariant 7).

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{BodyError, Commit, CommitId, Digest, Position, RequestDigest, Revision, StreamId, Timestamp};

const TAG: &[u8] = b"pca-commit-v1\0";

/// The newest commit of a log, or where an empty log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The position of its last event; 0 for an empty log.
    pub position: Position,
    /// Its digest; zeros for an empty log.
    pub digest: Digest,
    /// Its time; 1970 for an empty log.
    pub time: Timestamp,
}

impl Head {
    /// The head of an empty log.
    pub const GENESIS: Self = Self { position: Position::ZERO, digest: Digest::ZERO, time: Timestamp::EPOCH };

    /// Orders a commit behind this head: gives it positions, a time that does not run backwards (rule L9), and its
    /// place in the chain.
    #[must_use]
    pub fn seal(&self, commit: &Commit) -> Seal {
        let time = self.time.max(commit.metadata().decided_at);
        Seal::new(self.digest, self.position.plus(1), commit.count(), time, commit.body_digest())
    }
}

/// What a store adds to a commit when it orders it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The digest of the commit before.
    pub previous: Digest,
    /// The position of the first event.
    pub first: Position,
    /// How many events.
    pub count: u32,
    /// The commit's time.
    pub time: Timestamp,
    /// SHA-256 of the body.
    pub body_digest: Digest,
    /// The commit's own digest.
    pub digest: Digest,
}

impl Seal {
    /// Computes `SHA-256(tag ‖ previous ‖ first position ‖ count ‖ time ‖ body_digest)`.
    #[must_use]
    pub fn new(previous: Digest, first: Position, count: u32, time: Timestamp, body_digest: Digest) -> Self {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(TAG)
            .chain_update(previous.as_bytes())
            .chain_update(first.get().to_be_bytes())
            .chain_update(count.to_be_bytes())
            .chain_update(time.micros().to_be_bytes())
            .chain_update(body_digest.as_bytes())
            .finalize()
            .into();
        Self { previous, first, count, time, body_digest, digest: Digest::new(digest) }
    }

    /// The position of the last event.
    #[must_use]
    pub fn last(&self) -> Position {
        Position::new(self.first.get().saturating_add(u64::from(self.count)).saturating_sub(1))
    }

    /// The head that the log has with this commit as its newest.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { position: self.last(), digest: self.digest, time: self.time }
    }
}

/// A commit as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    seal: Seal,
    commit: Commit,
}

impl Recorded {
    /// Joins a commit and the seal that it got.
    #[must_use]
    pub fn new(seal: Seal, commit: Commit) -> Self {
        Self { seal, commit }
    }

    /// Reads a commit back that was kept as a body and what orders it, and checks the digest that was kept with it.
    ///
    /// # Errors
    /// [`RecordedError`] if the body is no body or the digest is another.
    pub fn restore(
        body: Arc<[u8]>,
        previous: Digest,
        first: Position,
        time: Timestamp,
        digest: Digest,
    ) -> Result<Self, RecordedError> {
        let commit = Commit::decode(body)?;
        let seal = Seal::new(previous, first, commit.count(), time, commit.body_digest());
        if seal.digest == digest {
            Ok(Self { seal, commit })
        } else {
            Err(RecordedError::Digest { first, kept: digest, computed: seal.digest })
        }
    }

    /// Its place in the log.
    #[must_use]
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The commit.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// Its receipt.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        Receipt {
            commit: self.commit.id(),
            request: self.commit.request(),
            first: self.seal.first,
            last: self.seal.last(),
            time: self.seal.time,
            digest: self.seal.digest,
        }
    }
}

/// Why a kept commit is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordedError {
    /// The body breaks its layout.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The digest that was kept is not the digest of what was kept.
    #[error("the commit at position {first} has digest {computed}, but {kept} was kept")]
    Digest {
        /// The position of its first event.
        first: Position,
        /// What was kept.
        kept: Digest,
        /// What was computed.
        computed: Digest,
    },
}

/// Proof that a commit is durable; keep the digest elsewhere and the log cannot be cut short unnoticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The commit.
    pub commit: CommitId,
    /// The request that it carried out.
    pub request: RequestDigest,
    /// The position of its first event.
    pub first: Position,
    /// The position of its last event.
    pub last: Position,
    /// Its time.
    pub time: Timestamp,
    /// Its digest in the chain.
    pub digest: Digest,
}

/// Several streams as of one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsRead {
    /// The position as of which they were read: never beyond the durable head.
    pub at: Position,
    /// One for each stream that was asked, in that order.
    pub streams: Vec<StreamSlice>,
}

/// What of a stream lies after a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSlice {
    /// The stream.
    pub stream: StreamId,
    /// The stream's revision as of the read.
    pub revision: Revision,
    /// The events after the revision that was given, in order, without gaps.
    pub events: Vec<StreamEvent>,
}

/// An event in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvent {
    /// The commit that it stands in.
    pub recorded: Arc<Recorded>,
    /// Its place in the commit, from 0.
    pub index: usize,
    /// Its revision in the stream, from 1.
    pub revision: Revision,
}
