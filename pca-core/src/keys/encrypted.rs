//! Encrypted PKCS#8 (RFC 5958 section 3) with PBES2 of PKCS#5 (RFC 8018).
//!
//! Read: PBKDF2 with HMAC over SHA-1 or SHA-2, or scrypt; AES in CBC or GCM mode. Written: AES-256-CBC under PBKDF2 with
//! HMAC-SHA256 or scrypt, which OpenSSL and Java read.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode, Encode, Reader, SliceReader};
use pkcs5::pbes2::{EncryptionScheme, Kdf, PBES2_OID, Parameters, Pbkdf2Params, Salt, ScryptParams};
use pkcs8::{EncryptedPrivateKeyInfo, EncryptedPrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::import::ImportError;
use super::{PrivateKey, pem};

/// The most iterations of PBKDF2 that an import goes through (rule G4).
pub const MAX_PBKDF2_ITERATIONS: u32 = 10_000_000;
/// The most memory, in octets, that scrypt may ask for in an import: 128 × N × r × p (rule G4).
pub const MAX_SCRYPT_MEMORY: u64 = 256 * 1024 * 1024;

/// How a passphrase becomes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyDerivation {
    /// PBKDF2 with HMAC-SHA256 (RFC 8018 section 5.2).
    Pbkdf2 {
        /// How often it is repeated: 1 to [`MAX_PBKDF2_ITERATIONS`].
        iterations: u32,
    },
    /// scrypt (RFC 7914) with blocks of r = 8 and p = 1; OpenSSL reads up to a cost of 14 without being told to.
    Scrypt {
        /// The binary logarithm of N: 14 takes 16 MiB and some 50 ms.
        log2_cost: u8,
    },
}

/// How a key is encrypted: the derivation, and what must be drawn anew for each key.
#[derive(Clone, Copy, Debug)]
pub struct Encryption {
    /// How the passphrase becomes a key.
    pub derivation: KeyDerivation,
    /// Random.
    pub salt: [u8; 16],
    /// Random: the initialization vector of AES-256-CBC.
    pub initialization_vector: [u8; 16],
}

/// Why a key could not be encrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// There is no passphrase.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The derivation is out of bounds: nothing would read the key again.
    #[error("the cost of the key derivation is out of bounds: {derivation:?}")]
    CostOutOfBounds {
        /// What was asked.
        derivation: KeyDerivation,
    },
}

impl PrivateKey {
    /// Encrypted PKCS#8 in DER: PBES2 with AES-256-CBC.
    ///
    /// # Errors
    /// [`EncryptError`]. How long a passphrase must be (rule K5) is for the caller to say.
    pub fn to_encrypted_pkcs8_der(&self, passphrase: &[u8], encryption: &Encryption) -> Result<Vec<u8>, EncryptError> {
        let out_of_bounds = || EncryptError::CostOutOfBounds { derivation: encryption.derivation };
        if passphrase.is_empty() {
            return Err(EncryptError::EmptyPassphrase);
        }
        let kdf = match encryption.derivation {
            KeyDerivation::Pbkdf2 { iterations } if (1..=MAX_PBKDF2_ITERATIONS).contains(&iterations) => {
                Pbkdf2Params::hmac_sha256(iterations, &encryption.salt).map_err(|_| out_of_bounds())?.into()
            }
            KeyDerivation::Scrypt { log2_cost } if (1..=18).contains(&log2_cost) => Kdf::Scrypt(ScryptParams {
                salt: Salt::new(encryption.salt).map_err(|_| out_of_bounds())?,
                cost_parameter: 1 << log2_cost,
                block_size: 8,
                parallelization: 1,
                key_length: None,
            }),
            _ => return Err(out_of_bounds()),
        };
        let parameters =
            Parameters { kdf, encryption: EncryptionScheme::Aes256Cbc { iv: encryption.initialization_vector } };
        let plain = self.pkcs8_der();
        let mut buffer = Zeroizing::new(Vec::with_capacity(plain.len() + 16));
        buffer.extend_from_slice(plain);
        buffer.extend_from_slice(&[0; 16]);
        let data = parameters.encrypt_in_place(passphrase, &mut buffer, plain.len()).map_err(|_| out_of_bounds())?;
        EncryptedPrivateKeyInfo {
            encryption_algorithm: parameters.into(),
            encrypted_data: OctetStringRef::new(data).map_err(|_| out_of_bounds())?,
        }
        .to_der()
        .map_err(|_| out_of_bounds())
    }

    /// Encrypted PKCS#8 in PEM (`ENCRYPTED PRIVATE KEY`).
    ///
    /// # Errors
    /// As [`PrivateKey::to_encrypted_pkcs8_der`].
    pub fn to_encrypted_pkcs8_pem(&self, passphrase: &[u8], encryption: &Encryption) -> Result<String, EncryptError> {
        let der = self.to_encrypted_pkcs8_der(passphrase, encryption)?;
        Ok(pem::write("ENCRYPTED PRIVATE KEY", &der).to_string())
    }

    /// Unencrypted PKCS#8 in PEM (`PRIVATE KEY`), in memory that is wiped.
    #[must_use]
    pub fn to_unencrypted_pkcs8_pem(&self) -> Zeroizing<String> {
        pem::write("PRIVATE KEY", self.pkcs8_der())
    }
}

/// Decrypts to the octets of PKCS#8. The cost is checked before any work is done (rule G4).
pub(super) fn decrypt(encrypted: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    let info = EncryptedPrivateKeyInfoRef::from_der(encrypted).map_err(|_| diagnose(encrypted))?;
    let parameters = info.encryption_algorithm.pbes2().ok_or_else(|| diagnose(encrypted))?;
    check_cost(&parameters.kdf)?;
    let data = info.encrypted_data.as_bytes();
    let blocks =
        !matches!(parameters.encryption, EncryptionScheme::Aes128Gcm { .. } | EncryptionScheme::Aes256Gcm { .. });
    if data.is_empty() || blocks && data.len() % 16 != 0 {
        return Err(ImportError::MalformedEncryption);
    }
    let mut buffer = Zeroizing::new(data.to_vec());
    let plain_len = match parameters.decrypt_in_place(passphrase, &mut buffer) {
        Ok(plain) => plain.len(),
        Err(pkcs5::Error::DecryptFailed) => return Err(ImportError::WrongPassphrase),
        Err(_) => return Err(ImportError::MalformedEncryption),
    };
    buffer.truncate(plain_len);
    // One wrong passphrase in 256 leaves something that looks padded.
    if AnyRef::from_der(&buffer).is_err() {
        return Err(ImportError::WrongPassphrase);
    }
    Ok(buffer)
}

fn check_cost(kdf: &Kdf) -> Result<(), ImportError> {
    match kdf {
        Kdf::Pbkdf2(Pbkdf2Params { iteration_count: 0, .. }) => Err(ImportError::MalformedEncryption),
        Kdf::Pbkdf2(Pbkdf2Params { iteration_count, .. }) if *iteration_count > MAX_PBKDF2_ITERATIONS => {
            Err(ImportError::Pbkdf2TooCostly { iterations: *iteration_count })
        }
        Kdf::Pbkdf2(_) => Ok(()),
        Kdf::Scrypt(ScryptParams { cost_parameter, block_size, parallelization, .. }) => {
            let (cost, block, parallel) = (*cost_parameter, u64::from(*block_size), u64::from(*parallelization));
            if cost < 2 || !cost.is_power_of_two() || block == 0 || parallel == 0 {
                return Err(ImportError::MalformedEncryption);
            }
            let memory = cost.saturating_mul(128).saturating_mul(block).saturating_mul(parallel);
            if memory > MAX_SCRYPT_MEMORY { Err(ImportError::ScryptTooCostly { memory }) } else { Ok(()) }
        }
        _ => Err(ImportError::MalformedEncryption),
    }
}

/// What it is that `pkcs5` does not read: names the scheme, the derivation or the cipher if they are at least that.
fn diagnose(encrypted: &[u8]) -> ImportError {
    walk(encrypted)
        .map_or(ImportError::MalformedEncryption, |oid| ImportError::UnsupportedEncryption { oid: oid.to_string() })
}

fn walk(encrypted: &[u8]) -> Option<ObjectIdentifier> {
    let mut algorithm = inner(inner(AnyRef::from_der(encrypted).ok()?)?.decode().ok()?)?;
    let scheme = algorithm.decode::<ObjectIdentifier>().ok()?;
    if scheme != PBES2_OID {
        return Some(scheme);
    }
    let mut parameters = inner(algorithm.decode().ok()?)?;
    let mut derivation = inner(parameters.decode().ok()?)?;
    let mut cipher = inner(parameters.decode().ok()?)?;
    let derivation = derivation.decode::<ObjectIdentifier>().ok()?;
    let cipher = cipher.decode::<ObjectIdentifier>().ok()?;
    if !matches!(derivation, pkcs5::pbes2::PBKDF2_OID | pkcs5::pbes2::SCRYPT_OID) {
        return Some(derivation);
    }
    // Of AES the derivation's parameters were wrong; any other cipher is the reason.
    const AES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1");
    (cipher.parent() != Some(AES)).then_some(cipher)
}

fn inner(any: AnyRef<'_>) -> Option<SliceReader<'_>> {
    SliceReader::new(any.value()).ok()
}
