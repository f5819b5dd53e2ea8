//! Java's own key store, JKS: what Java programs before version 9 make and read by default.
//!
//! A legacy: its integrity is one SHA-1 over passphrase and contents, and a key is hidden under a key stream of SHA-1
//! (`1.3.6.1.4.1.42.2.17.1.1`) that costs a guesser two hashes a guess. So a delivery says so, and PKCS#12 is better where
//! it can be read. The layout is that of Sun's provider: big-endian numbers, texts as `DataOutput.writeUTF` has them.

use const_oid::ObjectIdentifier;
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::DeliveryError;
use super::tlv::{OCTET_STRING, SEQUENCE, Value, null, object_identifier, tlv};

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const PRIVATE_KEY: u32 = 1;
const TRUSTED_CERTIFICATE: u32 = 2;
const X509: &str = "X.509";
const SUN_KEY_PROTECTOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.42.2.17.1.1");
/// What Sun's provider hashes between the passphrase and the contents.
const WHITENER: &[u8] = b"Mighty Aphrodite";
/// The length of a SHA-1 digest, and of the salt of a key.
pub(super) const SALT: usize = 20;

/// What an entry is known by.
pub(super) struct Entry<'a> {
    /// Its name. Java looks for names in lower case, so that is how they are written.
    pub(super) alias: String,
    /// The time beside it, in milliseconds since 1970. Readers show it and rest nothing on it.
    pub(super) created: i64,
    /// For a key its certificate and those above it, else the one that is trusted.
    pub(super) certificates: Vec<&'a [u8]>,
}

/// A store with one private key and its chain.
pub(super) fn identity(
    entry: &Entry<'_>,
    pkcs8: &[u8],
    passphrase: &str,
    salt: &[u8; SALT],
) -> Result<Value, DeliveryError> {
    let protected = protect(pkcs8, passphrase, salt)?;
    let mut store = Writer::new();
    store.count(1)?;
    store.header(PRIVATE_KEY, entry)?;
    store.octets(&protected)?;
    store.count(entry.certificates.len())?;
    for der in &entry.certificates {
        store.certificate(der)?;
    }
    Ok(store.seal(passphrase))
}

/// A store of trust anchors: it holds no key.
pub(super) fn trust_store(entries: &[Entry<'_>], passphrase: &str) -> Result<Value, DeliveryError> {
    let mut store = Writer::new();
    store.count(entries.len())?;
    for entry in entries {
        for der in &entry.certificates {
            store.header(TRUSTED_CERTIFICATE, entry)?;
            store.certificate(der)?;
        }
    }
    Ok(store.seal(passphrase))
}

/// `EncryptedPrivateKeyInfo` under Sun's key protector: salt, the key under the key stream, and a digest that tells a
/// wrong passphrase.
fn protect(pkcs8: &[u8], passphrase: &str, salt: &[u8; SALT]) -> Result<Value, DeliveryError> {
    let password = password(passphrase);
    let mut protected = Zeroizing::new(Vec::with_capacity(SALT + pkcs8.len() + SALT));
    protected.extend_from_slice(salt);
    let mut digest: Zeroizing<[u8; SALT]> = Zeroizing::new(*salt);
    for chunk in pkcs8.chunks(SALT) {
        *digest = Sha1::new().chain_update(&*password).chain_update(*digest).finalize().into();
        protected.extend(chunk.iter().zip(digest.iter()).map(|(octet, key)| octet ^ key));
    }
    protected.extend_from_slice(&Sha1::new().chain_update(&*password).chain_update(pkcs8).finalize());
    let algorithm = tlv(SEQUENCE, &[&object_identifier(SUN_KEY_PROTECTOR)?, &null()])?;
    tlv(SEQUENCE, &[&algorithm, &tlv(OCTET_STRING, &[&protected])?])
}

/// The passphrase as UTF-16, big-endian.
fn password(passphrase: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(passphrase.encode_utf16().flat_map(u16::to_be_bytes).collect())
}

/// A store that is being written.
struct Writer {
    octets: Value,
}

impl Writer {
    fn new() -> Self {
        let mut octets = Zeroizing::new(Vec::new());
        octets.extend_from_slice(&MAGIC.to_be_bytes());
        octets.extend_from_slice(&VERSION.to_be_bytes());
        Self { octets }
    }

    fn header(&mut self, kind: u32, entry: &Entry<'_>) -> Result<(), DeliveryError> {
        self.octets.extend_from_slice(&kind.to_be_bytes());
        self.text(&entry.alias.to_lowercase())?;
        self.octets.extend_from_slice(&entry.created.to_be_bytes());
        Ok(())
    }

    fn certificate(&mut self, der: &[u8]) -> Result<(), DeliveryError> {
        self.text(X509)?;
        self.octets(der)
    }

    fn octets(&mut self, octets: &[u8]) -> Result<(), DeliveryError> {
        self.count(octets.len())?;
        self.octets.extend_from_slice(octets);
        Ok(())
    }

    fn count(&mut self, count: usize) -> Result<(), DeliveryError> {
        let count = u32::try_from(count).map_err(|_| too_long())?;
        self.octets.extend_from_slice(&count.to_be_bytes());
        Ok(())
    }

    /// Modified UTF-8: each unit of UTF-16 for itself, and zero in two octets.
    fn text(&mut self, text: &str) -> Result<(), DeliveryError> {
        let octets: Vec<u8> = text.encode_utf16().flat_map(unit).collect();
        let length = u16::try_from(octets.len()).map_err(|_| too_long())?;
        self.octets.extend_from_slice(&length.to_be_bytes());
        self.octets.extend_from_slice(&octets);
        Ok(())
    }

    fn seal(mut self, passphrase: &str) -> Value {
        let digest =
            Sha1::new().chain_update(&*password(passphrase)).chain_update(WHITENER).chain_update(&*self.octets);
        let digest = digest.finalize();
        self.octets.extend_from_slice(&digest);
        self.octets
    }
}

/// One unit of UTF-16 in modified UTF-8.
fn unit(unit: u16) -> Vec<u8> {
    let continued = |shift: u32| 0x80 | (unit >> shift).to_be_bytes()[1] & 0x3f;
    match unit {
        0x01..=0x7f => vec![unit.to_be_bytes()[1]],
        0 | 0x80..=0x7ff => vec![0xc0 | (unit >> 6).to_be_bytes()[1] & 0x1f, continued(0)],
        _ => vec![0xe0 | (unit >> 12).to_be_bytes()[1], continued(6), continued(0)],
    }
}

fn too_long() -> DeliveryError {
    DeliveryError::Encoding { structure: "Java key store" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The recovery of Sun's key protector, as its readers do it.
    fn open(protected: &[u8], passphrase: &str) -> Option<Vec<u8>> {
        let password = password(passphrase);
        let (salt, rest) = protected.split_at(SALT);
        let (hidden, check) = rest.split_at(rest.len() - SALT);
        let mut digest = salt.to_vec();
        let mut plain = Vec::new();
        for chunk in hidden.chunks(SALT) {
            digest = Sha1::new().chain_update(&*password).chain_update(&digest).finalize().to_vec();
            plain.extend(chunk.iter().zip(&digest).map(|(octet, key)| octet ^ key));
        }
        let told = Sha1::new().chain_update(&*password).chain_update(&plain).finalize();
        (told.as_slice() == check).then_some(plain)
    }

    #[test]
    fn a_key_is_opened_by_its_passphrase_only() {
        let secret: Vec<u8> = (0..=66).collect();
        let protected = protect(&secret, "correct horse", &[7; SALT]).unwrap();
        let inside = protected.get(protected.len() - (SALT + secret.len() + SALT)..).unwrap();
        assert_eq!(open(inside, "correct horse"), Some(secret.clone()));
        assert_eq!(open(inside, "correct horsf"), None);
        assert!(!protected.windows(8).any(|window| window == [0, 1, 2, 3, 4, 5, 6, 7]));
    }

    #[test]
    fn texts_are_written_as_java_writes_them() {
        let mut writer = Writer::new();
        writer.text("aä\u{0}會\u{1f511}").unwrap();
        let text = writer.octets.get(8..).unwrap();
        let expected = [0, 14, 0x61, 0xc3, 0xa4, 0xc0, 0x80, 0xe6, 0x9c, 0x83, 0xed, 0xa0, 0xbd, 0xed, 0xb4, 0x91];
        assert_eq!(text, expected);
    }

    #[test]
    fn names_are_bounded() {
        let entry = Entry { alias: "x".repeat(70_000), created: 0, certificates: vec![&[0x30, 0]] };
        assert_eq!(trust_store(&[entry], "correct horse").unwrap_err(), too_long());
    }
}
