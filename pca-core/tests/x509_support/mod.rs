//! A small certificate authority for the tests of `pca_core::x509`, made of the public API and software keys.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use pca_core::keys::software::default_backend;
use pca_core::keys::{Algorithm, PrivateKey};
use pca_core::log::Timestamp;
use pca_core::x509::{
    AuthorityUrls, CaCertificate, CommonName, Crl, DistinguishedName, EntityNames, HttpUrl, Issuer, Leaf, LeafTemplate,
    ParsedCertificate, ProfileDefinition, SerialNumber, SubjectFields, Validity, assemble,
};

/// 2025-06-01T00:00:00Z
pub const NOW: Timestamp = Timestamp::from_secs(1_748_736_000);

static KEYS: LazyLock<Mutex<BTreeMap<(Algorithm, u8), PrivateKey>>> = LazyLock::new(Mutex::default);

/// The same key for the same number, so that RSA keys are made once.
pub fn key(algorithm: Algorithm, number: u8) -> PrivateKey {
    let mut keys = KEYS.lock().unwrap();
    keys.entry((algorithm, number)).or_insert_with(|| default_backend().generate(algorithm).unwrap()).clone()
}

pub fn sign(tbs: &[u8], key: &PrivateKey) -> Vec<u8> {
    let algorithm = key.public_key().signature_algorithm();
    let signature = default_backend().signer(key).unwrap().sign(algorithm, tbs).unwrap();
    assemble(tbs, algorithm, &signature)
}

pub fn serial(number: u8) -> SerialNumber {
    SerialNumber::from_random([number; 10])
}

pub fn name(common_name: &str) -> DistinguishedName {
    SubjectFields { organization: Some("Acme".into()), ..SubjectFields::common(common_name) }
        .to_name(CommonName::Required)
        .unwrap()
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Authority {
    pub certificate: ParsedCertificate,
    pub key: PrivateKey,
}

impl Authority {
    pub fn issuer(&self) -> Issuer {
        self.certificate.as_issuer().unwrap()
    }

    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.certificate.der())
    }

    pub fn crl(&self, entries: &[Vec<u8>], number: u64, this_update: Timestamp, next_update: Timestamp) -> Vec<u8> {
        let issuer = self.issuer();
        let crl = Crl { issuer: &issuer, number, this_update, next_update };
        sign(&crl.tbs(entries.iter().map(Vec::as_slice)), &self.key)
    }
}

pub fn root_with(
    subject: &DistinguishedName,
    key: PrivateKey,
    validity: Validity,
    path_length: Option<u8>,
) -> Authority {
    let tbs = CaCertificate {
        serial: serial(1),
        validity,
        subject,
        public_key: key.public_key(),
        path_length,
        name_constraints: None,
    }
    .root_tbs();
    Authority { certificate: ParsedCertificate::from_der(&sign(&tbs, &key)).unwrap(), key }
}

pub fn root(algorithm: Algorithm) -> Authority {
    root_with(&name("Acme Root"), key(algorithm, 1), Validity::for_years(NOW, 10).unwrap(), None)
}

pub fn intermediate_with(
    issuer: &Authority,
    subject: &DistinguishedName,
    key: PrivateKey,
    validity: Validity,
    urls: &AuthorityUrls,
) -> Authority {
    let certificate = CaCertificate {
        serial: serial(2),
        validity,
        subject,
        public_key: key.public_key(),
        path_length: Some(0),
        name_constraints: None,
    };
    let tbs = certificate.intermediate_tbs(&issuer.issuer(), urls);
    Authority { certificate: ParsedCertificate::from_der(&sign(&tbs, &issuer.key)).unwrap(), key }
}

pub fn intermediate(issuer: &Authority, algorithm: Algorithm) -> Authority {
    let validity = Validity::for_years(NOW, 5).unwrap();
    intermediate_with(issuer, &name("Acme OA"), key(algorithm, 2), validity, &AuthorityUrls::default())
}

pub fn leaf(
    issuer: &Authority,
    profile: impl AsRef<ProfileDefinition>,
    names: &EntityNames,
    key: &PrivateKey,
    validity: Validity,
    serial: SerialNumber,
    urls: &AuthorityUrls,
) -> ParsedCertificate {
    let template = LeafTemplate::new(&issuer.issuer(), profile, urls, &[]);
    let leaf = Leaf { serial, validity, subject: names.subject(), public_key: key.public_key(), names: names.names() };
    ParsedCertificate::from_der(&sign(&template.tbs(&leaf).unwrap(), &issuer.key)).unwrap()
}

pub fn urls() -> AuthorityUrls {
    AuthorityUrls {
        crl: Some(HttpUrl::parse("http://pki.acme.example/oa.crl").unwrap()),
        ocsp: Some(HttpUrl::parse("http://ocsp.acme.example/").unwrap()),
        issuer: Some(HttpUrl::parse("http://pki.acme.example/oa.cer").unwrap()),
    }
}

pub fn pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in der.chunks(3) {
        let number = chunk.iter().fold(0_u32, |sum, octet| sum << 8 | u32::from(*octet)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let letter = ALPHABET[usize::try_from(number >> (18 - 6 * index) & 63).unwrap()];
            text.push(if index > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// DER by hand, for what the platform would never write.
pub mod forge {
    use super::{PrivateKey, default_backend};

    pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        let length = u16::try_from(content.len()).unwrap();
        match length {
            0..=0x7f => out.push(length.to_be_bytes()[1]),
            0x80..=0xff => out.extend([0x81, length.to_be_bytes()[1]]),
            _ => {
                out.push(0x82);
                out.extend(length.to_be_bytes());
            }
        }
        out.extend_from_slice(content);
        out
    }

    pub fn seq(parts: &[&[u8]]) -> Vec<u8> {
        tlv(0x30, &parts.concat())
    }

    pub fn oid(text: &str) -> Vec<u8> {
        tlv(6, pca_core::x509::ObjectIdentifier::new(text).unwrap().as_bytes())
    }

    pub fn extension(id: &str, critical: bool, value: &[u8]) -> Vec<u8> {
        let flag: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
        seq(&[&oid(id), flag, &tlv(4, value)])
    }

    pub fn basic_constraints(critical: bool, ca: bool, path_length: Option<u8>) -> Vec<u8> {
        let mut content = if ca { vec![1, 1, 0xff] } else { Vec::new() };
        content.extend(path_length.into_iter().flat_map(|length| [2, 1, length]));
        extension("2.5.29.19", critical, &tlv(0x30, &content))
    }

    /// keyCertSign and cRLSign, or any other bits.
    pub fn key_usage(bits: u8) -> Vec<u8> {
        extension("2.5.29.15", true, &[3, 2, 0, bits])
    }

    pub fn ski(identifier: &[u8]) -> Vec<u8> {
        extension("2.5.29.14", false, &tlv(4, identifier))
    }

    pub fn aki(identifier: &[u8]) -> Vec<u8> {
        extension("2.5.29.35", false, &tlv(0x30, &tlv(0x80, identifier)))
    }

    /// All parts of a certificate, each to be replaced.
    #[derive(Clone)]
    pub struct Forged {
        pub version: Vec<u8>,
        pub serial: Vec<u8>,
        pub algorithm: Vec<u8>,
        pub issuer: Vec<u8>,
        pub validity: (String, String),
        pub subject: Vec<u8>,
        pub spki: Vec<u8>,
        pub extensions: Vec<Vec<u8>>,
    }

    impl Forged {
        pub fn tbs(&self) -> Vec<u8> {
            let time = |text: &str| tlv(if text.len() == 13 { 0x17 } else { 0x18 }, text.as_bytes());
            let extensions =
                if self.extensions.is_empty() { Vec::new() } else { tlv(0xa3, &tlv(0x30, &self.extensions.concat())) };
            seq(&[
                &self.version,
                &tlv(2, &self.serial),
                &self.algorithm,
                &self.issuer,
                &seq(&[&time(&self.validity.0), &time(&self.validity.1)]),
                &self.subject,
                &self.spki,
                &extensions,
            ])
        }

        /// Signed by the key in the way that follows from it, whatever algorithm is named.
        pub fn sign(&self, key: &PrivateKey) -> Vec<u8> {
            let tbs = self.tbs();
            let algorithm = key.public_key().signature_algorithm();
            let signature = default_backend().signer(key).unwrap().sign(algorithm, &tbs).unwrap();
            let mut bits = vec![0];
            bits.extend(signature);
            seq(&[&tbs, &self.algorithm, &tlv(3, &bits)])
        }
    }
}
