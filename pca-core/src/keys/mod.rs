//! Keys: algorithms, identities, what a key store is asked for, and private keys that are wiped.
//!
//! Nothing of a cryptographic library crosses this module's border: keys travel as DER
//! (`SubjectPublicKeyInfo` of RFC 5280 section 4.1.2.7, PKCS#8 of RFC 5958), signatures as bytes.

mod algorithm;
mod encoding;
mod encrypted;
mod id;
mod import;
mod pem;
mod private;
mod public;
mod request;
pub mod software;
#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, Family, SignatureAlgorithm, UnknownAlgorithm};
pub use encrypted::{EncryptError, Encryption, KeyDerivation, MAX_PBKDF2_ITERATIONS, MAX_SCRYPT_MEMORY};
pub use id::{KeyId, KeyIdError};
pub use import::{ImportError, MAX_KEY_FILE, MAX_PEM_BLOCKS};
pub use private::{PrivateKey, PrivateKeyError};
pub use public::{KeyKind, PublicKey, PublicKeyError};
pub use request::{KeyEntry, KeyError, KeyRequest, KeyUse, SignRequest, Signature};
