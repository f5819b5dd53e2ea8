//! Private keys, as people bring them.

use pca_core::keys::{ImportError, PrivateKey};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;

/// The passphrase of the encrypted keys in the corpus.
pub(crate) const PASSPHRASE: &[u8] = b"at least twelve characters";

/// How much memory scrypt may take here; the library takes up to 256 MiB where the file claims so.
pub(crate) const MOST_SCRYPT: usize = 4 * 1024 * 1024;

/// How often PBKDF2 may be repeated here; the library takes up to ten million where the file claims so.
const MOST_ITERATIONS: u32 = 4096;

/// A key in PEM or DER, without a passphrase and, if that is not much work, with one.
pub(crate) fn key(data: &[u8]) {
    check(PrivateKey::import(data, None));
    if affordable(data) {
        check(PrivateKey::import(data, Some(PASSPHRASE)));
    }
}

fn check(imported: Result<PrivateKey, ImportError>) {
    match imported {
        Ok(key) => {
            let der = key.pkcs8_der();
            let again = PrivateKey::from_pkcs8_der(der).expect("what was read is read again");
            assert_eq!(again.public_key().spki_der(), key.public_key().spki_der());
            assert_eq!(again.pkcs8_der(), der, "a key is written otherwise");
            let pem = key.to_unencrypted_pkcs8_pem();
            let again = PrivateKey::import(pem.as_bytes(), None).expect("from PEM, too");
            assert_eq!(again.pkcs8_der(), der);
        }
        Err(error) => assert!(!error.rule().is_empty() && !error.to_string().is_empty()),
    }
}

/// Whether this is an encrypted key in DER whose derivation is cheap.
fn affordable(data: &[u8]) -> bool {
    let Ok(info) = EncryptedPrivateKeyInfoRef::try_from(data) else { return false };
    let EncryptionScheme::Pbes2(scheme) = &info.encryption_algorithm else { return false };
    match &scheme.kdf {
        Kdf::Pbkdf2(parameters) => parameters.iteration_count <= MOST_ITERATIONS,
        Kdf::Scrypt(parameters) => {
            let factors = [u64::from(parameters.block_size), u64::from(parameters.parallelization), 128];
            let memory = factors.iter().fold(parameters.cost_parameter, |all, factor| all.saturating_mul(*factor));
            memory < MOST_SCRYPT as u64 / 2
        }
        _ => false,
    }
}
