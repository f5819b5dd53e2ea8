//! The identity of a key in a key store.

use core::fmt;
use core::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::log::{CommitId, short_id};

/// Names a key in a key store. Derived from the commit that introduces the key and an ordinal in it, so that
/// repeating `generate` or `import` after a crash finds the same key (architecture, keys and log after a crash).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// The id of the `ordinal`-th key that the commit introduces.
    #[must_use]
    pub fn derive(commit: &CommitId, ordinal: u32) -> Self {
        Self(short_id("key", commit, ordinal).into())
    }

    /// As text: `key_` and 16 characters of lower-case base 32.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if crate::log::is_short_id("key", text) { Ok(Self(text.into())) } else { Err(KeyIdError { text: text.into() }) }
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.as_str().into()
    }
}

/// Text that is no key id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a key id: `key_` and 16 characters of a-z and 2-7 are expected")]
pub struct KeyIdError {
    /// What was given.
    pub text: String,
}
