//! The back end in pure Rust.

use std::sync::Arc;

use ecdsa::elliptic_curve::Generate;
use getrandom::SysRng;
use rsa::pkcs1::{DecodeRsaPublicKey, EncodeRsaPublicKey};
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::{Pkcs1v15Sign, Pss};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use signature::hazmat::PrehashVerifier;
use signature::{SignatureEncoding, Signer as _, Verifier};
use zeroize::Zeroizing;

use super::{Backend, Signer, SoftwareError, VerifyError};
use crate::keys::encoding::{self, Material};
use crate::keys::{Algorithm, KeyKind, PrivateKey, PublicKey, Signature, SignatureAlgorithm};

/// Pure Rust: the crates of the RustCrypto project and `ed25519-dalek`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RustCrypto;

impl Backend for RustCrypto {
    fn name(&self) -> &'static str {
        "rustcrypto"
    }

    fn generate(&self, algorithm: Algorithm) -> Result<PrivateKey, SoftwareError> {
        macro_rules! elliptic {
            ($curve:ident, $kind:expr) => {{
                let key = $curve::SecretKey::try_generate_from_rng(&mut SysRng)
                    .map_err(|_| SoftwareError::Failed { operation: "generating an elliptic curve key" })?;
                let scalar = Zeroizing::new(Zeroizing::new(key.to_bytes()).to_vec());
                let material = Material::Elliptic { kind: $kind, scalar, public: None };
                Ok(PrivateKey::from_checked_material(&material, &key.public_key().to_sec1_bytes()))
            }};
        }
        match algorithm {
            Algorithm::Rsa2048 => generate_rsa(2048),
            Algorithm::Rsa3072 => generate_rsa(3072),
            Algorithm::Rsa4096 => generate_rsa(4096),
            Algorithm::EcdsaP256 => elliptic!(p256, KeyKind::P256),
            Algorithm::EcdsaP384 => elliptic!(p384, KeyKind::P384),
            Algorithm::EcdsaP521 => elliptic!(p521, KeyKind::P521),
            Algorithm::Ed25519 => generate_ed25519(),
        }
    }

    fn signer(&self, key: &PrivateKey) -> Result<Arc<dyn Signer>, SoftwareError> {
        let pair = Pair::parse(key.kind(), key.pkcs8_der())?;
        Ok(Arc::new(RustCryptoSigner { pair, public: key.public_key().clone() }))
    }

    fn verify(
        &self,
        key: &PublicKey,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        use SignatureAlgorithm as S;
        let kind = key.kind();
        if !kind.can_verify(algorithm) {
            return Err(VerifyError::AlgorithmMismatch { kind, algorithm });
        }
        macro_rules! elliptic {
            ($curve:ident) => {{
                let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(key.raw()).map_err(invalid)?;
                let signature = $curve::ecdsa::Signature::from_der(signature).map_err(invalid)?;
                let digest = match algorithm {
                    S::EcdsaSha256 => Sha256::digest(message).to_vec(),
                    S::EcdsaSha384 => Sha384::digest(message).to_vec(),
                    S::EcdsaSha512 => Sha512::digest(message).to_vec(),
                    _ => return Err(VerifyError::Invalid),
                };
                key.verify_prehash(&digest, &signature).map_err(invalid)
            }};
        }
        match kind {
            KeyKind::Rsa { .. } => verify_rsa(key, algorithm, message, signature),
            KeyKind::P256 => elliptic!(p256),
            KeyKind::P384 => elliptic!(p384),
            KeyKind::P521 => elliptic!(p521),
            KeyKind::Ed25519 => {
                let raw = <&[u8; 32]>::try_from(key.raw()).map_err(|_| VerifyError::Invalid)?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(raw).map_err(invalid)?;
                let signature = ed25519_dalek::Signature::from_slice(signature).map_err(invalid)?;
                key.verify(message, &signature).map_err(invalid)
            }
        }
    }

    fn is_on_curve(&self, kind: KeyKind, point: &[u8]) -> bool {
        match kind {
            KeyKind::P256 => p256::PublicKey::from_sec1_bytes(point).is_ok(),
            KeyKind::P384 => p384::PublicKey::from_sec1_bytes(point).is_ok(),
            KeyKind::P521 => p521::PublicKey::from_sec1_bytes(point).is_ok(),
            KeyKind::Rsa { .. } | KeyKind::Ed25519 => false,
        }
    }

    fn public_half(&self, kind: KeyKind, pkcs8: &[u8]) -> Result<Vec<u8>, SoftwareError> {
        Ok(match Pair::parse(kind, pkcs8)? {
            Pair::Rsa(key) => {
                key.to_public_key().to_pkcs1_der().map_err(|_| SoftwareError::Rejected)?.as_bytes().to_vec()
            }
            Pair::P256(key) => key.verifying_key().to_sec1_bytes().to_vec(),
            Pair::P384(key) => key.verifying_key().to_sec1_bytes().to_vec(),
            Pair::P521(key) => key.verifying_key().to_sec1_bytes().to_vec(),
            Pair::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
        })
    }
}

enum Pair {
    Rsa(Box<rsa::PrivateKey>),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl Pair {
    fn parse(kind: KeyKind, pkcs8: &[u8]) -> Result<Self, SoftwareError> {
        match kind {
            KeyKind::Rsa { .. } => {
                let key = rsa::PrivateKey::from_pkcs8_der(pkcs8).map_err(|_| SoftwareError::Rejected)?;
                key.validate().map_err(|_| SoftwareError::Rejected)?;
                Ok(Self::Rsa(Box::new(key)))
            }
            KeyKind::P256 => p256::ecdsa::SigningKey::from_pkcs8_der(pkcs8).map(Self::P256),
            KeyKind::P384 => p384::ecdsa::SigningKey::from_pkcs8_der(pkcs8).map(Self::P384),
            KeyKind::P521 => p521::ecdsa::SigningKey::from_pkcs8_der(pkcs8).map(Self::P521),
            KeyKind::Ed25519 => ed25519_dalek::SigningKey::from_pkcs8_der(pkcs8).map(Self::Ed25519),
        }
        .map_err(|_: rsa::pkcs8::Error| SoftwareError::Rejected)
    }
}

struct RustCryptoSigner {
    pair: Pair,
    public: PublicKey,
}

impl Signer for RustCryptoSigner {
    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Signature, SoftwareError> {
        let kind = self.public.kind();
        if !kind.can_sign(algorithm) {
            return Err(SoftwareError::AlgorithmMismatch { kind, algorithm });
        }
        match &self.pair {
            Pair::Rsa(key) => match algorithm {
                SignatureAlgorithm::RsaPkcs1Sha256 => {
                    sign_rsa(key, Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message))
                }
                SignatureAlgorithm::RsaPkcs1Sha384 => {
                    sign_rsa(key, Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message))
                }
                SignatureAlgorithm::RsaPkcs1Sha512 => {
                    sign_rsa(key, Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message))
                }
                _ => Err(SoftwareError::AlgorithmMismatch { kind, algorithm }),
            },
            Pair::P256(key) => {
                key.try_sign(message).map_err(failed).map(|made: p256::ecdsa::DerSignature| made.to_vec())
            }
            Pair::P384(key) => {
                key.try_sign(message).map_err(failed).map(|made: p384::ecdsa::DerSignature| made.to_vec())
            }
            Pair::P521(key) => {
                key.try_sign(message).map_err(failed).map(|made: p521::ecdsa::DerSignature| made.to_vec())
            }
            Pair::Ed25519(key) => key.try_sign(message).map_err(failed).map(|made| made.to_vec()),
        }
    }

    fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

/// Signs with blinding against timing: the random factor comes from the operating system.
fn sign_rsa(key: &rsa::PrivateKey, padding: Pkcs1v15Sign, digest: &[u8]) -> Result<Signature, SoftwareError> {
    key.sign_with_rng(&mut SysRng, padding, digest).map_err(failed)
}

fn verify_rsa(
    key: &PublicKey,
    algorithm: SignatureAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    use SignatureAlgorithm as S;
    let public = rsa::PublicKey::from_pkcs1_der(key.raw()).map_err(invalid)?;
    match algorithm {
        S::RsaPkcs1Sha256 => public.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature),
        S::RsaPkcs1Sha384 => public.verify(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message), signature),
        S::RsaPkcs1Sha512 => public.verify(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message), signature),
        S::RsaPssSha256 => public.verify(Pss::<Sha256>::new(), &Sha256::digest(message), signature),
        S::RsaPssSha384 => public.verify(Pss::<Sha384>::new(), &Sha384::digest(message), signature),
        S::RsaPssSha512 => public.verify(Pss::<Sha512>::new(), &Sha512::digest(message), signature),
        _ => return Err(VerifyError::Invalid),
    }
    .map_err(invalid)
}

#[cfg(not(feature = "aws-lc"))]
pub(super) fn verify_legacy_rsa_sha1(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    use sha1::Sha1;
    let public = rsa::PublicKey::from_pkcs1_der(key.raw()).map_err(invalid)?;
    public.verify(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(message), signature).map_err(invalid)
}

/// Verifies ECDSA over a digest that has the length of the one that the key's own algorithm has.
#[cfg(not(feature = "aws-lc"))]
pub(super) fn verify_legacy_ecdsa(key: &PublicKey, digest: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    macro_rules! elliptic {
        ($curve:ident) => {{
            let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(key.raw()).map_err(invalid)?;
            let signature = $curve::ecdsa::Signature::from_der(signature).map_err(invalid)?;
            key.verify_prehash(digest, &signature).map_err(invalid)
        }};
    }
    match key.kind() {
        KeyKind::P256 => elliptic!(p256),
        KeyKind::P384 => elliptic!(p384),
        KeyKind::P521 => elliptic!(p521),
        KeyKind::Rsa { .. } | KeyKind::Ed25519 => Err(VerifyError::Invalid),
    }
}

fn generate_rsa(bits: usize) -> Result<PrivateKey, SoftwareError> {
    const FAILED: SoftwareError = SoftwareError::Failed { operation: "generating an RSA key" };
    let key = rsa::PrivateKey::new(&mut SysRng, bits).map_err(|_| FAILED)?;
    let pkcs8 = key.to_pkcs8_der().map_err(|_| FAILED)?;
    let material = encoding::read_pkcs8(pkcs8.as_bytes()).map_err(|_| FAILED)?;
    let public = key.to_public_key().to_pkcs1_der().map_err(|_| FAILED)?;
    Ok(PrivateKey::from_checked_material(&material, public.as_bytes()))
}

fn generate_ed25519() -> Result<PrivateKey, SoftwareError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice())
        .map_err(|_| SoftwareError::Failed { operation: "generating an Ed25519 key" })?;
    let key = ed25519_dalek::SigningKey::from_bytes(&seed);
    let material = Material::Ed25519 { seed: Zeroizing::new(seed.to_vec()), public: None };
    Ok(PrivateKey::from_checked_material(&material, key.verifying_key().as_bytes()))
}

fn failed<E>(_: E) -> SoftwareError {
    SoftwareError::Failed { operation: "signing" }
}

fn invalid<E>(_: E) -> VerifyError {
    VerifyError::Invalid
}
