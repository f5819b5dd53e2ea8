//! What a call ends with when it is not done.

use crate::domain::Refusal;
use crate::keys::KeyError;
use crate::log::{BodyError, CodecError, StoreError};
use crate::ports::EntropyError;

/// Why a call was not done. A [`Refusal`] is an answer; all else is trouble.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The business rules say no: every broken rule (rule L4).
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The event store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key store.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The source of randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The log has an event that this version cannot read (rule L5).
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A commit could not be encoded.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Others kept changing what the decision read; nothing was done, and trying again may succeed.
    #[error(
        "{command} was decided {attempts} times, and each time something it had read changed before its commit; try again"
    )]
    Contended {
        /// The command.
        command: &'static str,
        /// How often it was decided.
        attempts: u32,
    },
    /// What the key store signed does not verify with the key's public half: nothing was committed.
    #[error("a signature made by key {key} does not verify; nothing was issued")]
    BadSignature {
        /// The key.
        key: String,
    },
    /// What should be in the log is not there as expected: a defect, or a damaged log.
    #[error("inconsistent: {detail}")]
    Inconsistent {
        /// What.
        detail: String,
    },
}

impl Error {
    /// The refusal, if the business rules said no.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}
