//! What a key store is asked for, and what it answers.

use std::sync::Arc;

use super::{Algorithm, KeyId, SignatureAlgorithm};
use crate::log::Digest;

/// What a key is for; a key store keeps the two kinds apart (rule K1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KeyUse {
    /// Signs certificates, CRLs and OCSP answers; never exported.
    CertificateAuthority,
    /// Belongs to a certificate's holder; made to be handed over.
    Holder,
}

/// Asks for a new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    /// The id that the key gets; asking again with the same id returns the same key, but never one that was imported.
    pub id: KeyId,
    /// What is generated.
    pub algorithm: Algorithm,
    /// What it is for.
    pub key_use: KeyUse,
}

/// Asks for a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// The key that signs.
    pub key: KeyId,
    /// How it signs; must fit the key.
    pub algorithm: SignatureAlgorithm,
    /// The message itself (not a digest): the to-be-signed DER.
    pub message: Arc<[u8]>,
    /// SHA-256 of the message, where whoever asks has computed it already and vouches for it: a CRL may have tens of millions
    /// of octets, which need not be hashed again. A store may use it or not.
    pub sha256: Option<Digest>,
}

/// A signature as it goes into a BIT STRING: for ECDSA the DER `Ecdsa-Sig-Value`, for RSA and Ed25519 the raw octets.
pub type Signature = Vec<u8>;

/// A key in the list of a key store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its id.
    pub id: KeyId,
    /// What it is for.
    pub key_use: KeyUse,
    /// When it was made, as the key store's medium knows it.
    pub created: crate::log::Timestamp,
}

/// What a key store could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no such key.
    #[error("key {id} is not in the key store")]
    Absent {
        /// Which key.
        id: KeyId,
    },
    /// The key cannot sign in this way.
    #[error("key {id} cannot sign with {algorithm:?}")]
    AlgorithmMismatch {
        /// Which key.
        id: KeyId,
        /// What was asked.
        algorithm: SignatureAlgorithm,
    },
    /// The back end cannot make or use such a key.
    #[error("{algorithm} is not supported by this key store")]
    Unsupported {
        /// What was asked.
        algorithm: Algorithm,
    },
    /// A key lies under this id that is not what was asked for: another key, of another algorithm or use, or one that was
    /// imported where one was to be made. Ids follow from commits, so an earlier request with the same idempotency key left
    /// it, without its commit.
    #[error(
        "key {id} is another key than the request asks for: an earlier request with the same idempotency key left it; use another idempotency key"
    )]
    IdTaken {
        /// Which id.
        id: KeyId,
    },
    /// The key is not made to be handed over (rule K1).
    #[error("key {id} is not exportable: keys of certificate authorities never leave the key store")]
    NotExportable {
        /// Which key.
        id: KeyId,
    },
    /// The passphrase does not open the key store.
    #[error("the passphrase does not open the key store")]
    WrongPassphrase,
    /// The passphrase is too short for a key store (rule K5).
    #[error("the passphrase has {characters} characters; a key store asks for at least {minimum}")]
    PassphraseTooShort {
        /// How many it has.
        characters: usize,
        /// How many are asked for.
        minimum: usize,
    },
    /// Another process, or another part of this one, has the key store open.
    #[error("the key store {place} is in use{}", process.map(|id| format!(" by process {id}")).unwrap_or_default())]
    InUse {
        /// Where it is.
        place: String,
        /// The process that holds it, as far as it told.
        process: Option<u32>,
    },
    /// An earlier change of the passphrase did not end; new keys of certificate authorities wait for it.
    #[error("a change of the passphrase is unfinished; run it again first")]
    PassphraseChangeUnfinished,
    /// What is kept cannot be read as a key; `detail` says where and why, without any of its bytes.
    #[error("the key store is damaged: {detail}")]
    Damaged {
        /// Where and why.
        detail: String,
    },
    /// The medium failed; it may work again.
    #[error("the key store failed: {detail}")]
    Backend {
        /// What failed.
        detail: String,
    },
    /// The key store was closed.
    #[error("the key store is closed")]
    Closed,
}
