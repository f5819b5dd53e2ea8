//! Private keys as encrypted PKCS#8: `EncryptedPrivateKeyInfo` (RFC 5958 section 3) under PBES2 (RFC 8018).

use pkcs5::pbes2::Parameters;
use zeroize::Zeroizing;

use super::salts::SaltAndVector;
use super::tlv::{OCTET_STRING, SEQUENCE, Value, tlv};
use super::{DeliveryError, pem};
use der::Encode;

/// Iterations of PBKDF2 with HMAC-SHA-256 for a delivered `.key.pem`.
///
/// What OWASP's cheat sheet on password storage asks for (2023): an export passphrase may have eight characters only, and
/// the file may lie about for years. Opening one costs some tenths of a second. OpenSSL, GnuTLS and nginx take it.
pub const KEY_ITERATIONS: u32 = 600_000;

/// `EncryptedPrivateKeyInfo` in PEM.
pub(super) fn encrypted_pem(pkcs8: &[u8], passphrase: &str, salt: &SaltAndVector) -> Result<Value, DeliveryError> {
    pem::document(pem::ENCRYPTED_PRIVATE_KEY, &encrypted(pkcs8, passphrase, salt, KEY_ITERATIONS)?)
}

/// `PrivateKeyInfo` in PEM: in clear.
pub(super) fn plain_pem(pkcs8: &[u8]) -> Result<Value, DeliveryError> {
    pem::document(pem::PRIVATE_KEY, pkcs8)
}

/// `EncryptedPrivateKeyInfo ::= SEQUENCE { encryptionAlgorithm, encryptedData OCTET STRING }`.
pub(super) fn encrypted(
    pkcs8: &[u8],
    passphrase: &str,
    salt: &SaltAndVector,
    iterations: u32,
) -> Result<Value, DeliveryError> {
    let (algorithm, ciphertext) = encrypt(pkcs8, passphrase, salt, iterations)?;
    tlv(SEQUENCE, &[&algorithm, &*tlv(OCTET_STRING, &[&ciphertext])?])
}

/// Encrypts with AES-256-CBC under a key from PBKDF2 with HMAC-SHA-256: the `AlgorithmIdentifier` (RFC 8018 section
/// A.4) and the ciphertext.
pub(super) fn encrypt(
    plaintext: &[u8],
    passphrase: &str,
    salt: &SaltAndVector,
    iterations: u32,
) -> Result<(Vec<u8>, Value), DeliveryError> {
    const BLOCK: usize = 16;
    let failed = || DeliveryError::Encoding { structure: "PBES2 encryption" };
    let parameters =
        Parameters::generate_pbkdf2_sha256_aes256cbc(iterations, &salt.salt, salt.vector).map_err(|_| failed())?;
    let mut buffer = Zeroizing::new(Vec::with_capacity(plaintext.len() + BLOCK));
    buffer.extend_from_slice(plaintext);
    buffer.resize(plaintext.len() + BLOCK, 0);
    let length = parameters.encrypt_in_place(passphrase, &mut buffer, plaintext.len()).map_err(|_| failed())?.len();
    buffer.truncate(length);
    let algorithm = pkcs5::EncryptionScheme::from(parameters).to_der().map_err(|_| failed())?;
    Ok((algorithm, buffer))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use pkcs8::EncryptedPrivateKeyInfoRef;
    use proptest::prelude::*;

    proptest! {
        /// Rule K5: a wrong passphrase never gives the key, and the right one always does.
        #[test]
        fn a_wrong_passphrase_opens_nothing(
            right in "\\PC{8,40}", wrong in "\\PC{0,40}", secret: Vec<u8>, salt: [u8; 16], vector: [u8; 16],
        ) {
            prop_assume!(right != wrong && !secret.is_empty());
            let der = encrypted(&secret, &right, &SaltAndVector { salt, vector }, 2).unwrap();
            let sealed = EncryptedPrivateKeyInfoRef::try_from(der.as_slice()).unwrap();
            let open = |passphrase: &str| sealed.encryption_algorithm.decrypt(passphrase, sealed.encrypted_data.as_bytes());
            prop_assert_eq!(open(&right).ok(), Some(secret.clone()));
            prop_assert_ne!(open(&wrong).ok(), Some(secret));
        }
    }

    #[test]
    fn what_is_encrypted_opens_with_the_passphrase_only() {
        let secret = [0x30, 0x03, 0x02, 0x01, 0x05];
        let salt = SaltAndVector { salt: [1; 16], vector: [2; 16] };
        let der = encrypted(&secret, "correct horse", &salt, 1000).unwrap();
        let opened = EncryptedPrivateKeyInfoRef::try_from(der.as_slice()).unwrap();
        assert_eq!(
            opened.encryption_algorithm.decrypt("correct horse", opened.encrypted_data.as_bytes()).unwrap(),
            secret
        );
        let wrong = opened.encryption_algorithm.decrypt("correct horsf", opened.encrypted_data.as_bytes());
        assert_ne!(wrong.ok().as_deref(), Some(&secret[..]));
        assert!(!der.windows(secret.len()).any(|window| window == secret));
    }
}
