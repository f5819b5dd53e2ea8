//! One suite for every back end, each against each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::OnceLock;

use super::*;
use crate::keys::encoding;

const MESSAGE: &[u8] = b"to be signed";

/// A key of every algorithm from every back end; RSA takes its time, so they are shared.
fn keys() -> &'static [(&'static str, Algorithm, PrivateKey)] {
    static KEYS: OnceLock<Vec<(&'static str, Algorithm, PrivateKey)>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut keys = Vec::new();
        for backend in backends() {
            for algorithm in Algorithm::ALL {
                keys.push((backend.name(), algorithm, backend.generate(algorithm).unwrap()));
            }
        }
        keys
    })
}

fn signatures_of(kind: KeyKind) -> Vec<SignatureAlgorithm> {
    use SignatureAlgorithm::*;
    [RsaPkcs1Sha256, RsaPkcs1Sha384, RsaPkcs1Sha512, EcdsaSha256, EcdsaSha384, EcdsaSha512, Ed25519]
        .into_iter()
        .filter(|algorithm| kind.can_sign(*algorithm))
        .collect()
}

#[test]
fn every_back_end_verifies_what_every_back_end_signed_with_every_key() {
    for (maker, algorithm, key) in keys() {
        assert_eq!(key.public_key().algorithm(), Some(*algorithm));
        for signing in backends() {
            let signer = signing.signer(key).unwrap();
            assert_eq!(signer.public_key(), key.public_key());
            for how in signatures_of(key.kind()) {
                let made = signer.sign(how, MESSAGE).unwrap();
                for verifying in backends() {
                    let names = format!("{maker} {algorithm} {} {how:?} {}", signing.name(), verifying.name());
                    let check =
                        |message: &[u8], signature: &[u8]| verifying.verify(key.public_key(), how, message, signature);
                    assert_eq!(check(MESSAGE, &made), Ok(()), "{names}");
                    assert_eq!(check(b"to be signee", &made), Err(VerifyError::Invalid), "{names}");
                    let mut flipped = made.clone();
                    *flipped.last_mut().unwrap() ^= 1;
                    assert_eq!(check(MESSAGE, &flipped), Err(VerifyError::Invalid), "{names}");
                    assert_eq!(check(MESSAGE, &made[1..]), Err(VerifyError::Invalid), "{names}");
                    assert_eq!(check(MESSAGE, &[]), Err(VerifyError::Invalid), "{names}");
                }
            }
        }
    }
}

#[test]
fn keys_of_every_back_end_are_read_by_every_back_end_and_keep_their_encoding() {
    for (maker, algorithm, key) in keys() {
        for backend in backends() {
            let material = encoding::read_pkcs8(key.pkcs8_der()).unwrap();
            let again = PrivateKey::from_material(*backend, &material).unwrap();
            assert_eq!(again.pkcs8_der(), key.pkcs8_der(), "{maker} {algorithm} {}", backend.name());
            assert_eq!(again.public_key(), key.public_key());
            let public = PublicKey::from_spki_der_with(*backend, key.public_key().spki_der()).unwrap();
            assert_eq!(&public, key.public_key());
            assert_eq!(public.raw(), key.public_key().raw());
        }
    }
}

#[test]
fn a_key_signs_only_as_its_kind_allows() {
    for (_, _, key) in keys() {
        for backend in backends() {
            let signer = backend.signer(key).unwrap();
            let wrong = match key.kind() {
                KeyKind::Rsa { .. } => SignatureAlgorithm::RsaPssSha256,
                KeyKind::P256 => SignatureAlgorithm::EcdsaSha384,
                _ => SignatureAlgorithm::EcdsaSha256,
            };
            let kind = key.kind();
            assert_eq!(signer.sign(wrong, MESSAGE), Err(SoftwareError::AlgorithmMismatch { kind, algorithm: wrong }));
            let foreign = match kind {
                KeyKind::Rsa { .. } => SignatureAlgorithm::Ed25519,
                _ => SignatureAlgorithm::RsaPkcs1Sha256,
            };
            assert_eq!(
                backend.verify(key.public_key(), foreign, MESSAGE, b""),
                Err(VerifyError::AlgorithmMismatch { kind, algorithm: foreign })
            );
        }
    }
}
