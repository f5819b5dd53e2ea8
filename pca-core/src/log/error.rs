//! What a store could not do.

use super::{CommitId, Position, Receipt, Revision, StreamId};

/// What a store could not do. A [`Conflict`](Self::Conflict) is no trouble: the decision is taken again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A stream moved since the decision read it (rule L2).
    #[error("{stream} is at revision {actual}, but the decision read revision {expected}")]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// The revision that the decision read.
        expected: Revision,
        /// The revision that the stream has.
        actual: Revision,
    },
    /// The same request was committed under the same id before; this is its receipt.
    #[error("commit {} was made before, up to position {}", .0.commit, .0.last)]
    Repeated(Receipt),
    /// Another request was committed under the same id (rule O6).
    #[error("commit id {id} was used for another request at position {position}; use a new idempotency key")]
    IdReused {
        /// The id.
        id: CommitId,
        /// Where the other request's commit ends.
        position: Position,
    },
    /// An earlier member of the train failed or was a repeat.
    #[error("not tried, since an earlier commit of the train was not made")]
    NotTried,
    /// The commit is larger than the store takes.
    #[error("the commit has {octets} octets; at most {limit} are possible")]
    TooLarge {
        /// Its size.
        octets: usize,
        /// The limit.
        limit: usize,
    },
    /// The store was closed, or stopped itself after a failed write; `reason` says which. Open it again.
    #[error("the store is closed: {reason}")]
    Closed {
        /// Why.
        reason: String,
    },
    /// What is kept is damaged; nothing more is written.
    #[error("the log is damaged at {place}: {reason}")]
    Corrupt {
        /// Where: file and offset, or position.
        place: String,
        /// What does not fit.
        reason: String,
    },
    /// Somebody else writes to the store.
    #[error("the store is in use: {holder}")]
    InUse {
        /// Who holds it, as far as known.
        holder: String,
    },
    /// The medium failed.
    #[error("the store failed: {detail}")]
    Backend {
        /// What failed.
        detail: String,
        /// Whether trying again can help.
        retryable: bool,
    },
}
