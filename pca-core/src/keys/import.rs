//! Reading private keys as people bring them.

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use zeroize::Zeroizing;

use super::encrypted::{self, MAX_PBKDF2_ITERATIONS, MAX_SCRYPT_MEMORY};
use super::software::{Backend, default_backend};
use super::{PrivateKey, PrivateKeyError, encoding, pem};

/// The largest file that is read as a key (rule G4).
pub const MAX_KEY_FILE: usize = 1024 * 1024;
/// The most PEM blocks that a file with a key may have (rule G4).
pub const MAX_PEM_BLOCKS: usize = 64;

impl PrivateKey {
    /// Reads a private key in PEM or DER: PKCS#8, encrypted PKCS#8, PKCS#1 (RSA) or SEC 1 (elliptic curves).
    ///
    /// In PEM, certificates, parameters and text beside the key are skipped.
    ///
    /// # Errors
    /// Why there is no key to be had; a missing, a wrong and a superfluous passphrase are told apart.
    ///
    /// # Examples
    /// ```
    /// use pca_core::keys::{ImportError, PrivateKey};
    ///
    /// let refused = PrivateKey::import(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", None);
    /// assert!(matches!(refused, Err(ImportError::NoKey { .. })));
    /// ```
    pub fn import(file: &[u8], passphrase: Option<&[u8]>) -> Result<Self, ImportError> {
        Self::import_with(default_backend(), file, passphrase)
    }

    pub(super) fn import_with(
        backend: &dyn Backend,
        file: &[u8],
        passphrase: Option<&[u8]>,
    ) -> Result<Self, ImportError> {
        if file.len() > MAX_KEY_FILE {
            return Err(ImportError::TooLarge { octets: file.len() });
        }
        let (form, der) = match core::str::from_utf8(file) {
            Ok(text) if text.contains("-----BEGIN ") => the_key_of_pem(text)?,
            _ => (form_of_der(file).ok_or(ImportError::NotAKey)?, Zeroizing::new(file.to_vec())),
        };
        let material = match (form, passphrase) {
            (Form::Encrypted, None) => return Err(ImportError::PassphraseNeeded),
            (Form::Encrypted, Some(passphrase)) => encoding::read_pkcs8(&encrypted::decrypt(&der, passphrase)?),
            (_, Some(_)) => return Err(ImportError::PassphraseNotNeeded),
            (Form::Pkcs8, None) => encoding::read_pkcs8(&der),
            (Form::Pkcs1, None) => encoding::read_pkcs1(&der),
            (Form::Sec1, None) => encoding::read_sec1(&der, None),
        }?;
        Ok(Self::from_material(backend, &material)?)
    }
}

/// Why there is no key to be had from what was given; none of its octets are told (rule L8).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// More than a key can be (rule G4).
    #[error("the key file has {octets} octets; at most {MAX_KEY_FILE} are read")]
    TooLarge {
        /// Its size.
        octets: usize,
    },
    /// More blocks than the chain of a key can be (rule G4).
    #[error("the PEM file has more than {MAX_PEM_BLOCKS} blocks; give the private key in a file of its own")]
    TooManyBlocks,
    /// Neither PEM nor one of the DER forms of a key.
    #[error("this is no private key: neither PEM nor DER of PKCS#8, PKCS#1 or SEC 1")]
    NotAKey,
    /// The PEM text holds other things, but no key.
    #[error("the PEM file holds no private key, but {}", if found.is_empty() { "nothing complete".to_owned() } else { found.join(", ") })]
    NoKey {
        /// The labels of what it holds.
        found: Vec<String>,
    },
    /// The PEM text holds more than one key.
    #[error("the PEM file holds {count} private keys; one is expected")]
    SeveralKeys {
        /// How many.
        count: usize,
    },
    /// The PEM block is no base 64.
    #[error("the PEM block is not valid base 64")]
    MalformedPem,
    /// The key is encrypted in the manner of old OpenSSL, whose derivation is a single MD5.
    #[error(
        "the key is encrypted in the legacy PEM manner (Proc-Type: 4,ENCRYPTED); convert it with `openssl pkey -in KEY -aes256 -out NEW`"
    )]
    LegacyEncryption,
    /// The key is encrypted and there is no passphrase.
    #[error("the key is encrypted; its passphrase is needed")]
    PassphraseNeeded,
    /// There is a passphrase for a key that is not encrypted.
    #[error("the key is not encrypted, but a passphrase was given")]
    PassphraseNotNeeded,
    /// The passphrase does not decrypt the key.
    #[error("the passphrase does not decrypt the key")]
    WrongPassphrase,
    /// The passphrase would be hashed more often than is tolerable (rule G4).
    #[error("the key's PBKDF2 asks for {iterations} iterations; at most {MAX_PBKDF2_ITERATIONS} are done")]
    Pbkdf2TooCostly {
        /// What the file asks for.
        iterations: u32,
    },
    /// The derivation would take more memory than is tolerable (rule G4).
    #[error("the key's scrypt asks for {memory} octets of memory; at most {MAX_SCRYPT_MEMORY} are given")]
    ScryptTooCostly {
        /// What the file asks for.
        memory: u64,
    },
    /// The key is encrypted by something else than PBES2 with PBKDF2 or scrypt and AES.
    #[error("the key's encryption {oid} is not supported; convert it with `openssl pkey -in KEY -aes256 -out NEW`")]
    UnsupportedEncryption {
        /// The object identifier of the scheme, derivation or cipher.
        oid: String,
    },
    /// The encryption's own structure is wrong.
    #[error("the encrypted key is malformed")]
    MalformedEncryption,
    /// It is a key, but not a good one.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
}

impl ImportError {
    /// The rule that was broken: G4 for what would be too much work, otherwise C3.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLarge { .. }
            | Self::TooManyBlocks
            | Self::Pbkdf2TooCostly { .. }
            | Self::ScryptTooCostly { .. } => "G4",
            _ => "C3",
        }
    }
}

#[derive(Clone, Copy)]
enum Form {
    Pkcs8,
    Encrypted,
    Pkcs1,
    Sec1,
}

fn the_key_of_pem(text: &str) -> Result<(Form, Zeroizing<Vec<u8>>), ImportError> {
    let mut keys = Vec::new();
    let mut found = Vec::new();
    for block in pem::read(text)? {
        let form = match block.label.as_str() {
            "PRIVATE KEY" => Form::Pkcs8,
            "ENCRYPTED PRIVATE KEY" => Form::Encrypted,
            "RSA PRIVATE KEY" => Form::Pkcs1,
            "EC PRIVATE KEY" => Form::Sec1,
            _ => {
                found.push(block.label);
                continue;
            }
        };
        keys.push((form, block.encrypted_legacy, block.octets));
    }
    let count = keys.len();
    match (keys.pop(), count) {
        (None, _) => Err(ImportError::NoKey { found }),
        (Some((_, true, _)), 1) => Err(ImportError::LegacyEncryption),
        (Some((form, false, Some(octets))), 1) => Ok((form, octets)),
        (Some((_, false, None)), 1) => Err(ImportError::MalformedPem),
        _ => Err(ImportError::SeveralKeys { count }),
    }
}

/// Tells the forms apart by their first fields.
fn form_of_der(der: &[u8]) -> Option<Form> {
    let any = AnyRef::from_der(der).ok().filter(|any| any.tag() == Tag::Sequence)?;
    let mut fields = SliceReader::new(any.value()).ok()?;
    let first = fields.decode::<AnyRef<'_>>().ok()?;
    let second = fields.decode::<AnyRef<'_>>().ok()?;
    match (first.tag(), second.tag()) {
        (Tag::Sequence, Tag::OctetString) => Some(Form::Encrypted),
        (Tag::Integer, Tag::Sequence) => Some(Form::Pkcs8),
        (Tag::Integer, Tag::Integer) => Some(Form::Pkcs1),
        (Tag::Integer, Tag::OctetString) => Some(Form::Sec1),
        _ => None,
    }
}
