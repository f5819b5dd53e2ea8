//! Private keys, in memory that is wiped.

use core::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::encoding::{self, Material};
use super::public::{KeyKind, PublicKey, PublicKeyError};
use super::software::{Backend, default_backend};

/// A private key whose parts fit each other: PKCS#8 of version 1 (RFC 5958) in memory that is wiped.
///
/// Whatever form it was read from, a key has one encoding; attributes are dropped, an elliptic curve key carries its
/// public point. Cloning shares the memory. `Debug` tells the kind only (rule L8).
#[derive(Clone)]
pub struct PrivateKey(Arc<Inner>);

struct Inner {
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

impl PrivateKey {
    /// Reads unencrypted PKCS#8, version 1 or 2.
    ///
    /// # Errors
    /// Why it is no key that the platform works with; none of its octets are told.
    pub fn from_pkcs8_der(pkcs8: &[u8]) -> Result<Self, PrivateKeyError> {
        Self::from_material(default_backend(), &encoding::read_pkcs8(pkcs8)?)
    }

    /// Unencrypted PKCS#8, version 1.
    #[must_use]
    pub fn pkcs8_der(&self) -> &[u8] {
        &self.0.pkcs8
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.0.public.kind()
    }

    /// Checks that the parts fit, and derives the public half.
    pub(super) fn from_material(backend: &dyn Backend, material: &Material) -> Result<Self, PrivateKeyError> {
        let kind = material.kind();
        let bare = material.write_pkcs8(None);
        let raw = backend.public_half(kind, &bare).map_err(|_| PrivateKeyError::Inconsistent)?;
        if material.told_public().is_some_and(|told| told != raw) {
            return Err(PrivateKeyError::Inconsistent);
        }
        Ok(Self::from_checked_material(material, &raw))
    }

    /// Wraps a key that a back end made or checked.
    pub(super) fn from_checked_material(material: &Material, raw: &[u8]) -> Self {
        let pkcs8 = material.write_pkcs8(Some(raw));
        Self(Arc::new(Inner { pkcs8, public: PublicKey::from_checked_raw(material.kind(), raw) }))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.kind())
    }
}

/// Why octets are no private key that the platform works with; none of the octets are told (rule L8).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// The DER is not what it should be.
    #[error("the private key is malformed at {what}")]
    Malformed {
        /// The part that is wrong.
        what: &'static str,
    },
    /// The parts of the key do not fit each other: the public half is another key's, or the primes are wrong.
    #[error("the parts of the private key do not fit each other")]
    Inconsistent,
    /// An RSA key of more than two primes.
    #[error("RSA keys of more than two primes are not supported")]
    MultiPrime,
    /// Its algorithm or public half is not acceptable.
    #[error(transparent)]
    Public(PublicKeyError),
}
