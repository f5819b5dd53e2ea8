//! Signing and verifying in software: two back ends behind one joint.
//!
//! | feature | back end | |
//! |---|---|---|
//! | `aws-lc` (default) | `AwsLc` | AWS-LC: fast, constant time, in C and assembly |
//! | `rustcrypto` | `RustCrypto` | pure Rust; ECDSA is deterministic (RFC 6979), RSA is blinded |
//!
//! Both read and write the same keys and pass the same tests. Keys cross this joint as DER, signatures as octets.

use core::fmt;
use std::sync::Arc;

use sha1::{Digest as _, Sha1};

use super::{Algorithm, KeyKind, PrivateKey, PublicKey, Signature, SignatureAlgorithm};
use crate::log::Digest;

#[cfg(feature = "aws-lc")]
mod aws_lc;
mod pss;
#[cfg(feature = "rustcrypto")]
mod rustcrypto;
#[cfg(test)]
mod tests;

#[cfg(feature = "aws-lc")]
pub use aws_lc::AwsLc;
#[cfg(feature = "rustcrypto")]
pub use rustcrypto::RustCrypto;

#[cfg(not(any(feature = "aws-lc", feature = "rustcrypto")))]
compile_error!("enable one of the features `aws-lc` and `rustcrypto`");

/// Makes keys, signs and verifies. Stateless: one value serves every thread.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// The name of the feature that brings it.
    fn name(&self) -> &'static str;

    /// Makes a key. RSA takes a second or more.
    ///
    /// # Errors
    /// [`SoftwareError::Unsupported`], [`SoftwareError::Failed`].
    fn generate(&self, algorithm: Algorithm) -> Result<PrivateKey, SoftwareError>;

    /// Parses a key once, for many signatures.
    ///
    /// # Errors
    /// [`SoftwareError::Rejected`] if the back end does not work with this very key.
    fn signer(&self, key: &PrivateKey) -> Result<Arc<dyn Signer>, SoftwareError>;

    /// Verifies a signature.
    ///
    /// # Errors
    /// [`VerifyError::AlgorithmMismatch`] if the key cannot have signed in this way, [`VerifyError::Invalid`].
    fn verify(
        &self,
        key: &PublicKey,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError>;

    /// Verifies a signature over a message whose SHA-256 may be known, and which whoever calls vouches for.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    fn verify_known(
        &self,
        key: &PublicKey,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        sha256: Option<&Digest>,
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        let _ = sha256;
        self.verify(key, algorithm, message, signature)
    }

    /// Whether an uncompressed point lies on the curve of a kind of key. Called by [`PublicKey::from_spki_der`].
    fn is_on_curve(&self, kind: KeyKind, point: &[u8]) -> bool;

    /// Checks that the parts of a private key fit each other, and derives the public half, as it stands in a BIT
    /// STRING. Called by [`PrivateKey::from_pkcs8_der`].
    ///
    /// # Errors
    /// [`SoftwareError::Rejected`].
    fn public_half(&self, kind: KeyKind, pkcs8: &[u8]) -> Result<Vec<u8>, SoftwareError>;
}

/// A parsed private key. Wiped when dropped.
pub trait Signer: Send + Sync {
    /// Signs a message (not a digest).
    ///
    /// # Errors
    /// [`SoftwareError::AlgorithmMismatch`] if the key does not sign in this way ([`KeyKind::can_sign`]),
    /// [`SoftwareError::Failed`].
    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Signature, SoftwareError>;

    /// Signs a message whose SHA-256 may be known: where that is what is signed, a large message is not hashed again. Whoever
    /// calls vouches for the digest.
    ///
    /// # Errors
    /// As [`sign`](Self::sign).
    fn sign_known(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        sha256: Option<&Digest>,
    ) -> Result<Signature, SoftwareError> {
        let _ = sha256;
        self.sign(algorithm, message)
    }

    /// The public half.
    fn public_key(&self) -> &PublicKey;
}

impl fmt::Debug for dyn Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public_key().kind())
    }
}

/// The back ends that were compiled in, the default first.
#[must_use]
pub fn backends() -> &'static [&'static dyn Backend] {
    &[
        #[cfg(feature = "aws-lc")]
        &AwsLc,
        #[cfg(feature = "rustcrypto")]
        &RustCrypto,
    ]
}

/// AWS-LC if it was compiled in, else pure Rust.
#[must_use]
pub fn default_backend() -> &'static dyn Backend {
    #[cfg(feature = "aws-lc")]
    return &AwsLc;
    #[cfg(all(feature = "rustcrypto", not(feature = "aws-lc")))]
    return &RustCrypto;
}

/// Verifies a signature with the default back end; RSASSA-PSS with a salt of any length.
///
/// # Errors
/// [`VerifyError`].
pub fn verify(
    key: &PublicKey,
    algorithm: SignatureAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    use SignatureAlgorithm::{RsaPssSha256, RsaPssSha384, RsaPssSha512};
    match default_backend().verify(key, algorithm, message, signature) {
        // The back ends know one length of a salt only.
        Err(VerifyError::Invalid) if matches!(algorithm, RsaPssSha256 | RsaPssSha384 | RsaPssSha512) => {
            pss::verify(key, algorithm, message, signature)
        }
        verdict => verdict,
    }
}

/// Verifies RSASSA-PSS over SHA-1: as [`verify_legacy_sha1`], only for an old root's own signature.
///
/// # Errors
/// [`VerifyError::Invalid`].
pub(crate) fn verify_legacy_pss(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    pss::verify_sha1(key, message, signature)
}

/// Verifies a signature over SHA-1, RSA (PKCS#1 v1.5) or ECDSA as the key is, with the default back end. SHA-1 is broken:
/// this only tells whether an old root's own signature is its own, which nobody relies on (rule C3). Nothing signs so.
///
/// # Errors
/// [`VerifyError::Invalid`]; also for a key of neither kind.
pub(crate) fn verify_legacy_sha1(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    // ECDSA takes the leftmost bits of a digest as a number, as many as the curve's order has, or all if those are fewer
    // (SEC 1 section 4.1.4): zeros before a short digest change nothing, and make it as long as the back ends expect.
    let digest: [u8; 20] = Sha1::digest(message).into();
    let widened = |octets: usize| [vec![0; octets.saturating_sub(digest.len())], digest.to_vec()].concat();
    let widened = match key.kind() {
        KeyKind::Rsa { .. } => None,
        KeyKind::P256 => Some(widened(32)),
        KeyKind::P384 => Some(widened(48)),
        KeyKind::P521 => Some(widened(64)),
        KeyKind::Ed25519 => return Err(VerifyError::Invalid),
    };
    #[cfg(feature = "aws-lc")]
    use aws_lc as backend;
    #[cfg(all(feature = "rustcrypto", not(feature = "aws-lc")))]
    use rustcrypto as backend;
    match widened {
        None => backend::verify_legacy_rsa_sha1(key, message, signature),
        Some(digest) => backend::verify_legacy_ecdsa(key, &digest, signature),
    }
}

/// What a back end could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SoftwareError {
    /// The back end does not make such keys.
    #[error("{algorithm} is not supported by this back end")]
    Unsupported {
        /// What was asked.
        algorithm: Algorithm,
    },
    /// The back end does not take this key: its parts do not fit, or it is out of the back end's bounds.
    #[error("the key is not accepted by this back end")]
    Rejected,
    /// The key does not sign in this way.
    #[error("a key of {kind} does not sign with {algorithm:?}")]
    AlgorithmMismatch {
        /// The key.
        kind: KeyKind,
        /// What was asked.
        algorithm: SignatureAlgorithm,
    },
    /// The back end failed.
    #[error("the back end failed at {operation}")]
    Failed {
        /// At what.
        operation: &'static str,
    },
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A key of this kind cannot have signed in this way.
    #[error("a key of {kind} does not verify {algorithm:?}")]
    AlgorithmMismatch {
        /// The key.
        kind: KeyKind,
        /// What was claimed.
        algorithm: SignatureAlgorithm,
    },
    /// The signature is not this key's over this message.
    #[error("the signature is wrong")]
    Invalid,
}
