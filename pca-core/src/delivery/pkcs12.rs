//! PKCS#12 (RFC 7292): keys and certificates under one passphrase.
//!
//! Encryption is PBES2 with AES-256-CBC and PBKDF2 with HMAC-SHA-256, integrity HMAC-SHA-256 under the key derivation of
//! RFC 7292 appendix B: what OpenSSL 3, Java, GnuTLS and NSS read today. Certificates are encrypted too.

use const_oid::ObjectIdentifier;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::DeliveryError;
use super::pkcs8::{encrypt, encrypted};
use super::salts::{SaltAndVector, Salts};
use super::tlv::{
    BMP_STRING, CONTEXT_0, CONTEXT_0_PRIMITIVE, OCTET_STRING, SEQUENCE, Value, integer, null, object_identifier,
    set_of, tlv,
};

/// Iterations of PBKDF2 and of the key derivation of RFC 7292 in a delivered `.p12`.
///
/// Importers bound what they accept (some at 300,000), and a file needs three derivations to be opened; 100,000 is
/// accepted by all that were tried.
pub const PKCS12_ITERATIONS: u32 = 100_000;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const SHROUDED_KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");
const FRIENDLY_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.20");
const LOCAL_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.21");
/// Oracle's attribute: Java takes a certificate without a key for a trust anchor only where it stands.
const TRUSTED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113894.746875.1.1");
const ANY_EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const ID_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// What stands beside a certificate or key in its bag.
#[derive(Clone, Copy, Default)]
pub(super) struct Attributes<'a> {
    /// The alias.
    pub(super) friendly_name: Option<&'a str>,
    /// Ties a certificate to its key.
    pub(super) local_key_id: Option<&'a [u8]>,
    /// A trust anchor for Java.
    pub(super) trusted: bool,
}

/// The salts of one file.
pub(super) struct FileSalts<'a> {
    pub(super) certificates: &'a SaltAndVector,
    pub(super) key: &'a SaltAndVector,
    pub(super) mac: &'a [u8; 16],
}

impl<'a> FileSalts<'a> {
    /// Those of a delivery's file.
    pub(super) const fn of(salts: &'a Salts) -> Self {
        Self { certificates: &salts.certificates, key: &salts.bagged_key, mac: &salts.mac }
    }

    /// Those of the trust store beside it, which holds no key.
    pub(super) const fn beside(salts: &'a Salts) -> Self {
        Self { certificates: &salts.trusted, key: &salts.bagged_key, mac: &salts.trusted_mac }
    }
}

/// A file of certificates, the key's own first, and perhaps one key.
pub(super) fn file(
    certificates: &[(&[u8], Attributes<'_>)],
    key: Option<(&[u8], Attributes<'_>)>,
    passphrase: &str,
    salts: &FileSalts<'_>,
) -> Result<Value, DeliveryError> {
    let bags =
        certificates.iter().map(|(der, attributes)| certificate_bag(der, attributes)).collect::<Result<Vec<_>, _>>()?;
    let bags: Vec<&[u8]> = bags.iter().map(|bag| bag.as_slice()).collect();
    let mut contents = vec![encrypted_data(&tlv(SEQUENCE, &bags)?, passphrase, salts.certificates)?];
    if let Some((pkcs8, attributes)) = key {
        let bag = key_bag(pkcs8, &attributes, passphrase, salts.key)?;
        contents.push(data(&tlv(SEQUENCE, &[&bag])?)?);
    }
    let contents: Vec<&[u8]> = contents.iter().map(|content| content.as_slice()).collect();
    let authenticated_safe = tlv(SEQUENCE, &contents)?;
    let mac = mac_data(&authenticated_safe, passphrase, salts.mac)?;
    tlv(SEQUENCE, &[&integer(3)?, &data(&authenticated_safe)?, &mac])
}

/// `ContentInfo` of type data: the content in an OCTET STRING.
fn data(content: &[u8]) -> Result<Value, DeliveryError> {
    let content = tlv(CONTEXT_0, &[&tlv(OCTET_STRING, &[content])?])?;
    tlv(SEQUENCE, &[&object_identifier(DATA)?, &content])
}

/// `ContentInfo` of type encryptedData (RFC 2315 section 13): the content under PBES2.
fn encrypted_data(content: &[u8], passphrase: &str, salt: &SaltAndVector) -> Result<Value, DeliveryError> {
    let (algorithm, ciphertext) = encrypt(content, passphrase, salt, PKCS12_ITERATIONS)?;
    let ciphertext = tlv(CONTEXT_0_PRIMITIVE, &[&ciphertext])?;
    let information = tlv(SEQUENCE, &[&object_identifier(DATA)?, &algorithm, &ciphertext])?;
    let encrypted = tlv(SEQUENCE, &[&integer(0)?, &information])?;
    tlv(SEQUENCE, &[&object_identifier(ENCRYPTED_DATA)?, &tlv(CONTEXT_0, &[&encrypted])?])
}

/// `SafeBag` of a `CertBag` (RFC 7292 section 4.2.3).
fn certificate_bag(der: &[u8], attributes: &Attributes<'_>) -> Result<Value, DeliveryError> {
    let value = tlv(CONTEXT_0, &[&tlv(OCTET_STRING, &[der])?])?;
    let bag = tlv(SEQUENCE, &[&object_identifier(X509_CERTIFICATE)?, &value])?;
    safe_bag(CERTIFICATE_BAG, &bag, attributes)
}

/// `SafeBag` of a `PKCS8ShroudedKeyBag` (RFC 7292 section 4.2.2).
fn key_bag(
    pkcs8: &[u8],
    attributes: &Attributes<'_>,
    passphrase: &str,
    salt: &SaltAndVector,
) -> Result<Value, DeliveryError> {
    safe_bag(SHROUDED_KEY_BAG, &encrypted(pkcs8, passphrase, salt, PKCS12_ITERATIONS)?, attributes)
}

fn safe_bag(kind: ObjectIdentifier, value: &[u8], attributes: &Attributes<'_>) -> Result<Value, DeliveryError> {
    let mut members = Vec::new();
    if let Some(name) = attributes.friendly_name {
        let utf16: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
        members.push(attribute(FRIENDLY_NAME, tlv(BMP_STRING, &[&utf16])?)?);
    }
    if let Some(id) = attributes.local_key_id {
        members.push(attribute(LOCAL_KEY_ID, tlv(OCTET_STRING, &[id])?)?);
    }
    if attributes.trusted {
        members.push(attribute(TRUSTED_KEY_USAGE, object_identifier(ANY_EXTENDED_KEY_USAGE)?)?);
    }
    let value = tlv(CONTEXT_0, &[value])?;
    if members.is_empty() {
        return tlv(SEQUENCE, &[&object_identifier(kind)?, &value]);
    }
    tlv(SEQUENCE, &[&object_identifier(kind)?, &value, &set_of(members)?])
}

fn attribute(kind: ObjectIdentifier, value: Value) -> Result<Value, DeliveryError> {
    tlv(SEQUENCE, &[&object_identifier(kind)?, &set_of(vec![value])?])
}

/// `MacData` over the authenticated safe (RFC 7292 section 5.1, RFC 2315 `DigestInfo`).
fn mac_data(authenticated_safe: &[u8], passphrase: &str, salt: &[u8; 16]) -> Result<Value, DeliveryError> {
    let key = mac_key(passphrase, salt, PKCS12_ITERATIONS);
    let mut mac = Hmac::<Sha256>::new_from_slice(&*key)
        .map_err(|_| DeliveryError::Encoding { structure: "PKCS#12 integrity check" })?;
    mac.update(authenticated_safe);
    let digest = mac.finalize().into_bytes();
    let algorithm = tlv(SEQUENCE, &[&object_identifier(ID_SHA256)?, &null()])?;
    let information = tlv(SEQUENCE, &[&algorithm, &tlv(OCTET_STRING, &[&digest])?])?;
    tlv(SEQUENCE, &[&information, &tlv(OCTET_STRING, &[salt])?, &integer(PKCS12_ITERATIONS)?])
}

/// The key of the integrity check: RFC 7292 appendix B.2 with SHA-256 and ID 3.
///
/// One block of output suffices (the digest is as long as the key), so that step 6.B, which only prepares the next
/// block, never runs.
fn mac_key(passphrase: &str, salt: &[u8; 16], iterations: u32) -> Zeroizing<[u8; 32]> {
    const BLOCK: usize = 64;
    const ID: u8 = 3;
    // A BMPString with two octets of zero behind it (appendix B.1).
    let password: Zeroizing<Vec<u8>> =
        Zeroizing::new(passphrase.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect());
    let filled = password.len().div_ceil(BLOCK) * BLOCK;
    let mut hash = Sha256::new();
    hash.update([ID; BLOCK]);
    for octet in salt.iter().cycle().take(BLOCK) {
        hash.update([*octet]);
    }
    for octet in password.iter().cycle().take(filled) {
        hash.update([*octet]);
    }
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&hash.finalize());
    for _ in 1..iterations {
        let next = Sha256::digest(*key);
        key.copy_from_slice(&next);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Rule K5: whoever has another passphrase has another key, however alike the two are.
        #[test]
        fn another_passphrase_gives_another_key(one in "[ -~]{8,80}", other in "[ -~]{8,80}", salt: [u8; 16]) {
            prop_assume!(one != other);
            prop_assert_ne!(mac_key(&one, &salt, 3), mac_key(&other, &salt, 3));
            let doubled = format!("{one}{one}");
            prop_assert_ne!(mac_key(&one, &salt, 3), mac_key(&doubled, &salt, 3));
        }
    }

    /// The vector is OpenSSL's: `openssl kdf … -kdfopt hexpass:00680075006e007400650072003200320000 -kdfopt iter:1000
    /// -kdfopt id:3 PKCS12KDF`.
    #[test]
    fn the_key_of_the_integrity_check_is_that_of_openssl() {
        let salt = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        let expected = [
            0x50, 0x4b, 0x38, 0xe5, 0xaf, 0x53, 0x82, 0x22, 0x9c, 0x6e, 0x59, 0x06, 0x5c, 0xcf, 0xbb, 0x14, 0xa9, 0x15,
            0x85, 0x15, 0x6a, 0x08, 0x84, 0xdb, 0xd2, 0x7c, 0x6f, 0xaa, 0x9f, 0xd6, 0x2d, 0x47,
        ];
        assert_eq!(*mac_key("hunter22", &salt, 1000), expected);
    }

    #[test]
    fn names_beyond_the_basic_plane_become_surrogates() {
        let attributes = Attributes { friendly_name: Some("ä🔑"), ..Attributes::default() };
        let bag = certificate_bag(&[0x30, 0], &attributes).map(|bag| bag.to_vec()).unwrap_or_default();
        let expected = [0x1e, 6, 0x00, 0xe4, 0xd8, 0x3d, 0xdd, 0x11];
        assert!(bag.windows(expected.len()).any(|window| window == expected));
    }
}
