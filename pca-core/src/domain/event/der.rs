//! DER in events.

use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

use crate::log::Digest;

/// DER as it was issued or uploaded; never re-encoded. A byte string in payloads, base 64 in JSON.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Der(Arc<[u8]>);

impl Der {
    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The octets, shared.
    #[must_use]
    pub fn shared(&self) -> Arc<[u8]> {
        Arc::clone(&self.0)
    }
}

impl From<Vec<u8>> for Der {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets.into())
    }
}

impl From<&[u8]> for Der {
    fn from(octets: &[u8]) -> Self {
        Self(octets.into())
    }
}

impl core::fmt::Debug for Der {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Der({} octets, SHA-256 {})", self.0.len(), Digest::of(&self.0))
    }
}

impl Serialize for Der {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&Base64::encode_string(&self.0))
        } else {
            serde_bytes::serialize(&*self.0, serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Der {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Base64::decode_vec(&text).map(Self::from).map_err(serde::de::Error::custom)
        } else {
            serde_bytes::deserialize::<Vec<u8>, D>(deserializer).map(Self::from)
        }
    }
}
