//! Public keys.

use core::fmt;
use core::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha1::Digest as _;

use super::software::{Backend, default_backend};
use super::{Algorithm, Family, SignatureAlgorithm, encoding};
use crate::log::Digest;

/// A public key that was taken apart and found sound: a known kind, named curve, point on its curve, RSA of 2048 to
/// 8192 bits with an odd exponent of at least 65537 (rule C3). Keeps its SubjectPublicKeyInfo octet for octet.
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

struct Inner {
    kind: KeyKind,
    spki: Box<[u8]>,
    raw_at: usize,
    /// Asked for several times for each certificate.
    digest: Digest,
}

impl Inner {
    fn new(kind: KeyKind, spki: &[u8], raw_len: usize) -> Self {
        Self { kind, spki: spki.into(), raw_at: spki.len().saturating_sub(raw_len), digest: Digest::of(spki) }
    }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    ///
    /// # Errors
    /// Why it is no key that the platform works with.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, PublicKeyError> {
        Self::from_spki_der_with(default_backend(), spki)
    }

    pub(crate) fn from_spki_der_with(backend: &dyn Backend, spki: &[u8]) -> Result<Self, PublicKeyError> {
        let (kind, raw_len) = encoding::read_spki(spki)?;
        let key = Self(Arc::new(Inner::new(kind, spki, raw_len)));
        if kind.is_elliptic() && !backend.is_on_curve(kind, key.raw()) {
            return Err(PublicKeyError::NotOnCurve);
        }
        Ok(key)
    }

    /// Wraps a key that a back end made or checked.
    pub(crate) fn from_checked_raw(kind: KeyKind, raw: &[u8]) -> Self {
        Self(Arc::new(Inner::new(kind, &encoding::write_spki(kind, raw), raw.len())))
    }

    /// The SubjectPublicKeyInfo, as it was read.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// The contents of the BIT STRING: for RSA the RSAPublicKey of PKCS#1, for elliptic curves the uncompressed point,
    /// for Ed25519 the 32 octets.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        self.0.spki.get(self.0.raw_at..).unwrap_or_default()
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.0.kind
    }

    /// The family (rule O3).
    #[must_use]
    pub fn family(&self) -> Family {
        self.0.kind.family()
    }

    /// The algorithm by its name; nothing for RSA of a size that the platform does not generate.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.0.kind.algorithm()
    }

    /// How this key signs certificates and CRLs: the hash follows the key (rule I5).
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.0.kind.signature_algorithm()
    }

    /// SHA-256 of the SubjectPublicKeyInfo: the identity under which a key's role is claimed (rule K2).
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The key identifier of RFC 5280 section 4.2.1.2 (1): SHA-1 of the contents of the BIT STRING.
    #[must_use]
    pub fn key_identifier(&self) -> [u8; 20] {
        sha1::Sha1::digest(self.raw()).into()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.spki == other.0.spki
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.spki.hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.0.kind, self.digest())
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.spki)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spki = serde_bytes::ByteBuf::deserialize(deserializer)?;
        Self::from_spki_der(&spki).map_err(de::Error::custom)
    }
}

/// The kind of a key: what it can sign follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KeyKind {
    /// RSA (RFC 8017).
    Rsa {
        /// The size of the modulus: 2048 to 8192.
        modulus_bits: u32,
    },
    /// NIST P-256 (secp256r1).
    P256,
    /// NIST P-384 (secp384r1).
    P384,
    /// NIST P-521 (secp521r1).
    P521,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// The family (rule O3).
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::P256 | Self::P384 | Self::P521 | Self::Ed25519 => Family::Ecc,
        }
    }

    /// The algorithm by its name; nothing for RSA of a size that the platform does not generate.
    #[must_use]
    pub const fn algorithm(self) -> Option<Algorithm> {
        match self {
            Self::Rsa { modulus_bits: 2048 } => Some(Algorithm::Rsa2048),
            Self::Rsa { modulus_bits: 3072 } => Some(Algorithm::Rsa3072),
            Self::Rsa { modulus_bits: 4096 } => Some(Algorithm::Rsa4096),
            Self::Rsa { .. } => None,
            Self::P256 => Some(Algorithm::EcdsaP256),
            Self::P384 => Some(Algorithm::EcdsaP384),
            Self::P521 => Some(Algorithm::EcdsaP521),
            Self::Ed25519 => Some(Algorithm::Ed25519),
        }
    }

    /// How a key of this kind signs certificates and CRLs (rule I5).
    #[must_use]
    pub const fn signature_algorithm(self) -> SignatureAlgorithm {
        match self {
            Self::Rsa { .. } => SignatureAlgorithm::RsaPkcs1Sha256,
            Self::P256 => SignatureAlgorithm::EcdsaSha256,
            Self::P384 => SignatureAlgorithm::EcdsaSha384,
            Self::P521 => SignatureAlgorithm::EcdsaSha512,
            Self::Ed25519 => SignatureAlgorithm::Ed25519,
        }
    }

    /// Whether the platform signs in this way with a key of this kind: RSA with PKCS#1 v1.5 and any SHA-2, the others
    /// with the one algorithm that follows from the key.
    #[must_use]
    pub fn can_sign(self, algorithm: SignatureAlgorithm) -> bool {
        use SignatureAlgorithm::{RsaPkcs1Sha256, RsaPkcs1Sha384, RsaPkcs1Sha512};
        match self {
            Self::Rsa { .. } => matches!(algorithm, RsaPkcs1Sha256 | RsaPkcs1Sha384 | RsaPkcs1Sha512),
            _ => algorithm == self.signature_algorithm(),
        }
    }

    /// Whether a signature made in this way can be a key's of this kind: also RSASSA-PSS, and ECDSA with any SHA-2.
    #[must_use]
    pub const fn can_verify(self, algorithm: SignatureAlgorithm) -> bool {
        use SignatureAlgorithm as S;
        match algorithm {
            S::RsaPkcs1Sha256
            | S::RsaPkcs1Sha384
            | S::RsaPkcs1Sha512
            | S::RsaPssSha256
            | S::RsaPssSha384
            | S::RsaPssSha512 => matches!(self, Self::Rsa { .. }),
            S::EcdsaSha256 | S::EcdsaSha384 | S::EcdsaSha512 => self.is_elliptic(),
            S::Ed25519 => matches!(self, Self::Ed25519),
        }
    }

    pub(crate) const fn is_elliptic(self) -> bool {
        matches!(self, Self::P256 | Self::P384 | Self::P521)
    }

    /// The length of the key in its BIT STRING; nothing for RSA.
    pub(crate) const fn raw_len(self) -> Option<usize> {
        match self {
            Self::Rsa { .. } => None,
            Self::P256 => Some(65),
            Self::P384 => Some(97),
            Self::P521 => Some(133),
            Self::Ed25519 => Some(32),
        }
    }
}

impl From<Algorithm> for KeyKind {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rsa2048 => Self::Rsa { modulus_bits: 2048 },
            Algorithm::Rsa3072 => Self::Rsa { modulus_bits: 3072 },
            Algorithm::Rsa4096 => Self::Rsa { modulus_bits: 4096 },
            Algorithm::EcdsaP256 => Self::P256,
            Algorithm::EcdsaP384 => Self::P384,
            Algorithm::EcdsaP521 => Self::P521,
            Algorithm::Ed25519 => Self::Ed25519,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { modulus_bits } => write!(f, "RSA {modulus_bits}"),
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::P521 => f.write_str("P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// Why octets are no public key that the platform works with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// The DER is not what it should be.
    #[error("the public key is malformed at {what}")]
    Malformed {
        /// The part that is wrong.
        what: &'static str,
    },
    /// Neither RSA, nor a NIST curve, nor Ed25519.
    #[error("the key algorithm {oid} is not supported")]
    UnsupportedAlgorithm {
        /// Its object identifier.
        oid: String,
    },
    /// The curve is given by its parameters, not by its name (RFC 5480 section 2.1.1 forbids it).
    #[error("the elliptic curve is given by explicit parameters; a named curve is required")]
    ExplicitParameters,
    /// A curve that is not P-256, P-384 or P-521.
    #[error("the elliptic curve {oid} is not supported; P-256, P-384 and P-521 are")]
    UnsupportedCurve {
        /// Its object identifier.
        oid: String,
    },
    /// The point is compressed.
    #[error("the elliptic curve point is compressed; an uncompressed one is required")]
    CompressedPoint,
    /// The point is not on its curve.
    #[error("the elliptic curve point is not on its curve")]
    NotOnCurve,
    /// The RSA modulus is too short or too long.
    #[error("the RSA modulus has {bits} bits; 2048 to 8192 are accepted")]
    RsaModulusSize {
        /// Its size.
        bits: u32,
    },
    /// The RSA modulus is even.
    #[error("the RSA modulus is even")]
    RsaModulusEven,
    /// The RSA exponent is too small or even.
    #[error("the RSA exponent is {exponent}; an odd one of at least 65537 is required")]
    RsaExponent {
        /// Its value.
        exponent: u64,
    },
    /// The RSA exponent is larger than any back end works with.
    #[error("the RSA exponent has {bits} bits; at most 33 are accepted")]
    RsaExponentTooLarge {
        /// Its size.
        bits: u32,
    },
}
