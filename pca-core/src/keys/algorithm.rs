//! Key and signature algorithms by the names that people use.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// The family of keys that is chosen when a root is bought and kept by everything below it (rule O3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Family {
    /// RSA (RFC 8017).
    Rsa,
    /// Elliptic curves: P-256, P-384, P-521 (RFC 5480) and Ed25519 (RFC 8410).
    Ecc,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "rsa",
            Self::Ecc => "ecc",
        })
    }
}

impl FromStr for Family {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "rsa" => Ok(Self::Rsa),
            "ecc" => Ok(Self::Ecc),
            _ => Err(UnknownAlgorithm { name: name.into() }),
        }
    }
}

/// A key algorithm with its size, as the platform can generate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSA with a modulus of 2048 bits.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    /// ECDSA on NIST P-256 (secp256r1).
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    /// ECDSA on NIST P-384 (secp384r1).
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    /// ECDSA on NIST P-521 (secp521r1).
    #[serde(rename = "ecdsa-p521")]
    EcdsaP521,
    /// Ed25519 (RFC 8032, RFC 8410).
    #[serde(rename = "ed25519")]
    Ed25519,
}

impl Algorithm {
    /// Every algorithm, in the order of the command line's page.
    pub const ALL: [Self; 7] =
        [Self::Rsa2048, Self::Rsa3072, Self::Rsa4096, Self::EcdsaP256, Self::EcdsaP384, Self::EcdsaP521, Self::Ed25519];

    /// The family (rule O3).
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => Family::Rsa,
            Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521 | Self::Ed25519 => Family::Ecc,
        }
    }

    /// The name on the command line and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| UnknownAlgorithm { name: name.into() })
    }
}

/// How a signature is made: key type, padding and hash. The hash follows the signer's key (rule I5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// sha256WithRSAEncryption, PKCS#1 v1.5 (RFC 4055).
    RsaPkcs1Sha256,
    /// sha384WithRSAEncryption, PKCS#1 v1.5 (RFC 4055).
    RsaPkcs1Sha384,
    /// sha512WithRSAEncryption, PKCS#1 v1.5 (RFC 4055).
    RsaPkcs1Sha512,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 octets (RFC 4055): verified, never made.
    RsaPssSha256,
    /// RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 octets (RFC 4055): verified, never made.
    RsaPssSha384,
    /// RSASSA-PSS with SHA-512, MGF1 with SHA-512 and a salt of 64 octets (RFC 4055): verified, never made.
    RsaPssSha512,
    /// ecdsa-with-SHA256 (RFC 5758).
    EcdsaSha256,
    /// ecdsa-with-SHA384 (RFC 5758).
    EcdsaSha384,
    /// ecdsa-with-SHA512 (RFC 5758).
    EcdsaSha512,
    /// Ed25519 (RFC 8410).
    Ed25519,
}

/// A name that is no algorithm or family.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a known algorithm; known are rsa-2048, rsa-3072, rsa-4096, ecdsa-p256, ecdsa-p384, ecdsa-p521 and ed25519, in the families rsa and ecc"
)]
pub struct UnknownAlgorithm {
    /// What was given.
    pub name: String,
}
