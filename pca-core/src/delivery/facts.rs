//! What a delivery says about a certificate: read once, for names in configurations and notes.

use const_oid::ObjectIdentifier;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use core::fmt::Write;
use core::net::{Ipv4Addr, Ipv6Addr};

/// What is said about a certificate. Texts are free of control characters.
pub(super) struct Facts {
    pub(super) subject: String,
    pub(super) common_name: Option<String>,
    pub(super) serial: String,
    pub(super) not_after: String,
    /// Seconds since 1970.
    pub(super) not_before: i64,
    /// SHA-256 of the DER, written as `openssl x509 -fingerprint` prints it.
    pub(super) fingerprint: String,
    pub(super) spki: Vec<u8>,
    pub(super) algorithm: KeyAlgorithm,
    /// DNS names and IP addresses of the subject alternative names, as a server's configuration writes them.
    pub(super) hosts: Vec<String>,
}

/// The key algorithms that some targets cannot use, told from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyAlgorithm {
    EcdsaP521,
    Ed25519,
    Common,
}

impl KeyAlgorithm {
    const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
    const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

    fn of(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let algorithm = key.algorithm.algorithm.as_bytes();
        let curve = key.algorithm.parameters.as_ref().map(|parameters| parameters.data);
        if algorithm == Self::ED25519.as_bytes() {
            Self::Ed25519
        } else if algorithm == Self::EC_PUBLIC_KEY.as_bytes() && curve == Some(Self::SECP521R1.as_bytes()) {
            Self::EcdsaP521
        } else {
            Self::Common
        }
    }
}

impl Facts {
    /// Nothing if the octets are no certificate, or more follows it.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let subject = certificate.subject();
        let common_name = subject.iter_common_name().next().and_then(|name| name.as_str().ok()).map(printable);
        let not_after = chrono::DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)?;
        Some(Self {
            subject: printable(&subject.to_string()),
            common_name: common_name.filter(|name| !name.is_empty()),
            serial: hexadecimal(certificate.raw_serial(), ""),
            not_after: not_after.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            not_before: certificate.validity().not_before.timestamp(),
            fingerprint: hexadecimal(&Sha256::digest(der), ":").to_ascii_uppercase(),
            spki: certificate.public_key().raw.to_vec(),
            algorithm: KeyAlgorithm::of(certificate.public_key()),
            hosts: hosts(&certificate),
        })
    }

    /// The subject as a person would call it.
    pub(super) fn title(&self) -> &str {
        match &self.common_name {
            Some(name) => name,
            None if self.subject.is_empty() => &self.serial,
            None => &self.subject,
        }
    }
}

fn hosts(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let host = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets).ok().map(|octets| Ipv4Addr::from(octets).to_string()),
            16 => <[u8; 16]>::try_from(*octets).ok().map(|octets| format!("[{}]", Ipv6Addr::from(octets))),
            _ => None,
        },
        _ => None,
    };
    // These go into configuration files: nothing but what a name or address is made of.
    let plain = |host: &String| {
        host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.*:[]".contains(&octet)) && !host.is_empty()
    };
    names.value.general_names.iter().filter_map(host).filter(plain).collect()
}

/// The text without control characters, so that no name in a certificate forges a line of a note.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

fn hexadecimal(octets: &[u8], between: &str) -> String {
    let mut text = String::with_capacity(octets.len() * (2 + between.len()));
    for octet in octets {
        if !text.is_empty() {
            text.push_str(between);
        }
        // Writing to a string does not fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_cannot_be_forged_by_names() {
        assert_eq!(printable("Harmless\nfingerprint: 00\u{85}"), "Harmless\u{fffd}fingerprint: 00\u{fffd}");
    }

    #[test]
    fn octets_are_written_in_lower_hex() {
        assert_eq!(hexadecimal(&[0x0a, 0xff], ":"), "0a:ff");
        assert_eq!(hexadecimal(&[0x0a, 0xff], ""), "0aff");
    }
}
