//! The back end on AWS-LC.

use std::sync::Arc;

use aws_lc_rs::digest as lc_digest;
use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as lc, KeyPair as _, ParsedPublicKey, UnparsedPublicKey, VerificationAlgorithm};
use zeroize::Zeroizing;

use super::{Backend, Signer, SoftwareError, VerifyError};
use crate::keys::encoding::{self, Material};
use crate::keys::{Algorithm, KeyKind, PrivateKey, PublicKey, Signature, SignatureAlgorithm};
use crate::log::Digest;

/// AWS-LC.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AwsLc;

impl Backend for AwsLc {
    fn name(&self) -> &'static str {
        "aws-lc"
    }

    fn generate(&self, algorithm: Algorithm) -> Result<PrivateKey, SoftwareError> {
        match algorithm {
            Algorithm::Rsa2048 => generate_rsa(KeySize::Rsa2048),
            Algorithm::Rsa3072 => generate_rsa(KeySize::Rsa3072),
            Algorithm::Rsa4096 => generate_rsa(KeySize::Rsa4096),
            Algorithm::EcdsaP256 => generate_elliptic(KeyKind::P256, &lc::ECDSA_P256_SHA256_ASN1_SIGNING),
            Algorithm::EcdsaP384 => generate_elliptic(KeyKind::P384, &lc::ECDSA_P384_SHA384_ASN1_SIGNING),
            Algorithm::EcdsaP521 => generate_elliptic(KeyKind::P521, &lc::ECDSA_P521_SHA512_ASN1_SIGNING),
            Algorithm::Ed25519 => generate_ed25519(),
        }
    }

    fn signer(&self, key: &PrivateKey) -> Result<Arc<dyn Signer>, SoftwareError> {
        let pair = Pair::parse(key.kind(), key.pkcs8_der())?;
        Ok(Arc::new(AwsLcSigner { pair, random: SystemRandom::new(), public: key.public_key().clone() }))
    }

    fn verify(
        &self,
        key: &PublicKey,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        let verification = verification(key.kind(), algorithm)
            .ok_or(VerifyError::AlgorithmMismatch { kind: key.kind(), algorithm })?;
        UnparsedPublicKey::new(verification, key.raw()).verify(message, signature).map_err(|_| VerifyError::Invalid)
    }

    fn verify_known(
        &self,
        key: &PublicKey,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        sha256: Option<&Digest>,
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        let verification = verification(key.kind(), algorithm);
        match (verification, imported(algorithm, sha256)) {
            (Some(verification), Some(digest)) => UnparsedPublicKey::new(verification, key.raw())
                .verify_digest(&digest, signature)
                .map_err(|_| VerifyError::Invalid),
            _ => self.verify(key, algorithm, message, signature),
        }
    }

    fn is_on_curve(&self, kind: KeyKind, point: &[u8]) -> bool {
        verification(kind, kind.signature_algorithm())
            .is_some_and(|verification| ParsedPublicKey::new(verification, point).is_ok())
    }

    fn public_half(&self, kind: KeyKind, pkcs8: &[u8]) -> Result<Vec<u8>, SoftwareError> {
        Ok(match Pair::parse(kind, pkcs8)? {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Elliptic(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        })
    }
}

enum Pair {
    Rsa(lc::RsaKeyPair),
    Elliptic(lc::EcdsaKeyPair),
    Ed25519(lc::Ed25519KeyPair),
}

impl Pair {
    fn parse(kind: KeyKind, pkcs8: &[u8]) -> Result<Self, SoftwareError> {
        let elliptic = |algorithm| lc::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).map(Self::Elliptic);
        match kind {
            KeyKind::Rsa { .. } => lc::RsaKeyPair::from_pkcs8(pkcs8).map(Self::Rsa),
            KeyKind::P256 => elliptic(&lc::ECDSA_P256_SHA256_ASN1_SIGNING),
            KeyKind::P384 => elliptic(&lc::ECDSA_P384_SHA384_ASN1_SIGNING),
            KeyKind::P521 => elliptic(&lc::ECDSA_P521_SHA512_ASN1_SIGNING),
            KeyKind::Ed25519 => lc::Ed25519KeyPair::from_pkcs8(pkcs8).map(Self::Ed25519),
        }
        .map_err(|_| SoftwareError::Rejected)
    }
}

struct AwsLcSigner {
    pair: Pair,
    random: SystemRandom,
    public: PublicKey,
}

impl Signer for AwsLcSigner {
    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Signature, SoftwareError> {
        let kind = self.public.kind();
        let mismatch = SoftwareError::AlgorithmMismatch { kind, algorithm };
        let failed = |_| SoftwareError::Failed { operation: "signing" };
        if !kind.can_sign(algorithm) {
            return Err(mismatch);
        }
        match &self.pair {
            Pair::Elliptic(pair) => Ok(pair.sign(&self.random, message).map_err(failed)?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.try_sign(message).map_err(failed)?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let padding: &'static dyn lc::RsaEncoding = match algorithm {
                    SignatureAlgorithm::RsaPkcs1Sha256 => &lc::RSA_PKCS1_SHA256,
                    SignatureAlgorithm::RsaPkcs1Sha384 => &lc::RSA_PKCS1_SHA384,
                    SignatureAlgorithm::RsaPkcs1Sha512 => &lc::RSA_PKCS1_SHA512,
                    _ => return Err(mismatch),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &self.random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }

    fn sign_known(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        sha256: Option<&Digest>,
    ) -> Result<Signature, SoftwareError> {
        let failed = |_| SoftwareError::Failed { operation: "signing" };
        if !self.public.kind().can_sign(algorithm) {
            return self.sign(algorithm, message);
        }
        match (&self.pair, imported(algorithm, sha256)) {
            (Pair::Elliptic(pair), Some(digest)) => Ok(pair.sign_digest(&digest).map_err(failed)?.as_ref().to_vec()),
            (Pair::Rsa(pair), Some(digest)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(&lc::RSA_PKCS1_SHA256, &digest, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            _ => self.sign(algorithm, message),
        }
    }

    fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

/// A known digest in AWS-LC's form, where it is the one that is signed.
fn imported(algorithm: SignatureAlgorithm, sha256: Option<&Digest>) -> Option<lc_digest::Digest> {
    let signs_it = matches!(algorithm, SignatureAlgorithm::EcdsaSha256 | SignatureAlgorithm::RsaPkcs1Sha256);
    let digest = sha256.filter(|_| signs_it)?;
    lc_digest::Digest::import_less_safe(digest.as_bytes(), &lc_digest::SHA256).ok()
}

fn generate_rsa(size: KeySize) -> Result<PrivateKey, SoftwareError> {
    const FAILED: SoftwareError = SoftwareError::Failed { operation: "generating an RSA key" };
    let pair = lc::RsaKeyPair::generate(size).map_err(|_| FAILED)?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| FAILED)?;
    let material = encoding::read_pkcs8(pkcs8.as_ref()).map_err(|_| FAILED)?;
    Ok(PrivateKey::from_checked_material(&material, pair.public_key().as_ref()))
}

fn generate_elliptic(
    kind: KeyKind,
    algorithm: &'static lc::EcdsaSigningAlgorithm,
) -> Result<PrivateKey, SoftwareError> {
    const FAILED: SoftwareError = SoftwareError::Failed { operation: "generating an elliptic curve key" };
    let pair = lc::EcdsaKeyPair::generate(algorithm).map_err(|_| FAILED)?;
    let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(|_| FAILED)?;
    let material = Material::Elliptic { kind, scalar: Zeroizing::new(scalar.as_ref().to_vec()), public: None };
    Ok(PrivateKey::from_checked_material(&material, pair.public_key().as_ref()))
}

fn generate_ed25519() -> Result<PrivateKey, SoftwareError> {
    const FAILED: SoftwareError = SoftwareError::Failed { operation: "generating an Ed25519 key" };
    let pair = lc::Ed25519KeyPair::generate().map_err(|_| FAILED)?;
    let pkcs8 = pair.to_pkcs8v1().map_err(|_| FAILED)?;
    let material = encoding::read_pkcs8(pkcs8.as_ref()).map_err(|_| FAILED)?;
    Ok(PrivateKey::from_checked_material(&material, pair.public_key().as_ref()))
}

pub(super) fn verify_legacy_rsa_sha1(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    UnparsedPublicKey::new(&lc::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, key.raw())
        .verify(message, signature)
        .map_err(|_| VerifyError::Invalid)
}

/// Verifies ECDSA over a digest that has the length of the one that the key's own algorithm has.
pub(super) fn verify_legacy_ecdsa(key: &PublicKey, digest: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    let length_of = match key.kind() {
        KeyKind::P256 => &lc_digest::SHA256,
        KeyKind::P384 => &lc_digest::SHA384,
        KeyKind::P521 => &lc_digest::SHA512,
        KeyKind::Rsa { .. } | KeyKind::Ed25519 => return Err(VerifyError::Invalid),
    };
    let verification = verification(key.kind(), key.signature_algorithm()).ok_or(VerifyError::Invalid)?;
    lc_digest::Digest::import_less_safe(digest, length_of)
        .and_then(|digest| UnparsedPublicKey::new(verification, key.raw()).verify_digest(&digest, signature))
        .map_err(|_| VerifyError::Invalid)
}

/// How AWS-LC names a pair of key and signature algorithm; nothing if they do not go together.
fn verification(kind: KeyKind, algorithm: SignatureAlgorithm) -> Option<&'static dyn VerificationAlgorithm> {
    use SignatureAlgorithm as S;
    Some(match (kind, algorithm) {
        (KeyKind::Rsa { .. }, S::RsaPkcs1Sha256) => &lc::RSA_PKCS1_2048_8192_SHA256,
        (KeyKind::Rsa { .. }, S::RsaPkcs1Sha384) => &lc::RSA_PKCS1_2048_8192_SHA384,
        (KeyKind::Rsa { .. }, S::RsaPkcs1Sha512) => &lc::RSA_PKCS1_2048_8192_SHA512,
        (KeyKind::Rsa { .. }, S::RsaPssSha256) => &lc::RSA_PSS_2048_8192_SHA256,
        (KeyKind::Rsa { .. }, S::RsaPssSha384) => &lc::RSA_PSS_2048_8192_SHA384,
        (KeyKind::Rsa { .. }, S::RsaPssSha512) => &lc::RSA_PSS_2048_8192_SHA512,
        (KeyKind::P256, S::EcdsaSha256) => &lc::ECDSA_P256_SHA256_ASN1,
        (KeyKind::P256, S::EcdsaSha384) => &lc::ECDSA_P256_SHA384_ASN1,
        (KeyKind::P256, S::EcdsaSha512) => &lc::ECDSA_P256_SHA512_ASN1,
        (KeyKind::P384, S::EcdsaSha256) => &lc::ECDSA_P384_SHA256_ASN1,
        (KeyKind::P384, S::EcdsaSha384) => &lc::ECDSA_P384_SHA384_ASN1,
        (KeyKind::P384, S::EcdsaSha512) => &lc::ECDSA_P384_SHA512_ASN1,
        (KeyKind::P521, S::EcdsaSha256) => &lc::ECDSA_P521_SHA256_ASN1,
        (KeyKind::P521, S::EcdsaSha384) => &lc::ECDSA_P521_SHA384_ASN1,
        (KeyKind::P521, S::EcdsaSha512) => &lc::ECDSA_P521_SHA512_ASN1,
        (KeyKind::Ed25519, S::Ed25519) => &lc::ED25519,
        _ => return None,
    })
}
