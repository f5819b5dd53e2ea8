//! What the baseline requirements of the CA/Browser Forum for TLS server certificates add to RFC 5280: as much of them as a
//! relying party can see in a certificate, and as the cases `webpki::` of x509-limbo name. Lifetimes, audits, policies and
//! addresses of services are not judged.

use core::net::IpAddr;

use super::certificate::Certificate;
use super::name::Alternative;
use super::oid::{CODE_SIGNING, EMAIL_PROTECTION, OCSP_SIGNING, TIME_STAMPING};
use super::reason::Reason;
use super::validate::{Place, Target};
use crate::keys::{KeyKind, PublicKeyError, SignatureAlgorithm};
use crate::x509::host::{DnsName, Wildcards};
use crate::x509::oid;
use crate::x509::signature::SignatureAlgorithmError;
use crate::x509::usage::KeyUsage;

pub(super) fn judge(certificate: &Certificate, place: Place, target: Target) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if certificate.version != 3 {
        let text = format!("it is of version {}; version 3 is required", certificate.version);
        reasons.push(Reason::new("CABF BR 7.1.1", text));
    }
    reasons.extend(key(certificate));
    let is_root = place == Place::Anchor && certificate.is_self_issued();
    if !is_root {
        reasons.extend(signature(certificate));
    }
    reasons.extend(authority(certificate, is_root));
    if is_root && certificate.extensions.purposes.is_some() {
        reasons.push(Reason::new("CABF BR 7.1.2.1.2", "a root must not have an extended key usage, and has"));
    }
    if place == Place::Target && target == Target::Asked {
        reasons.extend(subscriber(certificate));
    }
    reasons
}

fn key(certificate: &Certificate) -> Option<Reason> {
    match &certificate.key {
        Ok(key) => match key.kind() {
            KeyKind::Rsa { modulus_bits } if modulus_bits % 8 != 0 => {
                let text = format!("its RSA modulus has {modulus_bits} bits, which eight do not divide");
                Some(Reason::new("CABF BR 6.1.5", text))
            }
            KeyKind::Ed25519 => Some(Reason::new("CABF BR 7.1.3.1", "its key is neither RSA nor ECDSA")),
            _ => None,
        },
        Err(error @ (PublicKeyError::RsaModulusSize { .. } | PublicKeyError::UnsupportedCurve { .. })) => {
            Some(Reason::new("CABF BR 6.1.5", error.to_string()))
        }
        Err(error @ PublicKeyError::ExplicitParameters) => Some(Reason::new("CABF BR 7.1.3.1.2", error.to_string())),
        Err(error) => Some(Reason::new("CABF BR 7.1.3.1", error.to_string())),
    }
}

fn signature(certificate: &Certificate) -> Option<Reason> {
    match &certificate.algorithm {
        Ok(SignatureAlgorithm::Ed25519) => {
            Some(Reason::new("CABF BR 7.1.3.2", "it is signed with Ed25519, which is not allowed"))
        }
        Err(error @ SignatureAlgorithmError::Weak { .. }) => Some(Reason::new("CABF BR 7.1.3.2", error.to_string())),
        _ => None,
    }
}

fn authority(certificate: &Certificate, is_root: bool) -> Vec<Reason> {
    let Some(authority) = &certificate.extensions.authority else { return Vec::new() };
    let clause = if is_root { "CABF BR 7.1.2.1.3" } else { "CABF BR 7.1.2.11.1" };
    let mut reasons = Vec::new();
    if authority.key.is_none() {
        reasons.push(Reason::new(clause, "the authority key identifier has no key identifier"));
    } else if is_root && authority.key != certificate.extensions.subject_key {
        reasons.push(Reason::new(clause, "a root's authority key identifier is not its subject key identifier"));
    }
    if authority.issuer {
        reasons.push(Reason::new(clause, "the authority key identifier must not name an issuer, and does"));
    }
    if authority.serial {
        reasons.push(Reason::new(clause, "the authority key identifier must not hold a serial number, and does"));
    }
    reasons
}

/// A subscriber's certificate, the target.
fn subscriber(certificate: &Certificate) -> Vec<Reason> {
    let extensions = &certificate.extensions;
    let mut reasons = Vec::new();
    if extensions.is_ca() {
        reasons.push(Reason::new("CABF BR 7.1.2.7.8", "a subscriber's certificate must not be a CA's, and is"));
    }
    if extensions
        .usage
        .is_some_and(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN) || usage.contains(KeyUsage::CRL_SIGN))
    {
        reasons.push(Reason::new("CABF BR 7.1.2.7.11", "the key usage has keyCertSign or cRLSign"));
    }
    match &extensions.purposes {
        None => reasons.push(Reason::new("CABF BR 7.1.2.7.6", "there is no extended key usage")),
        Some(purposes) => {
            if purposes.critical {
                reasons.push(Reason::new("CABF BR 7.1.2.7.6", "the extended key usage must not be critical, and is"));
            }
            let forbidden = [oid::ANY_EXTENDED_KEY_USAGE, CODE_SIGNING, EMAIL_PROTECTION, TIME_STAMPING, OCSP_SIGNING];
            let found = purposes.all.iter().filter(|purpose| forbidden.contains(purpose));
            reasons.extend(found.map(|purpose| {
                Reason::new("CABF BR 7.1.2.7.10", format!("the extended key usage must not have {purpose}, and has"))
            }));
        }
    }
    match &extensions.names {
        None => reasons.push(Reason::new("CABF BR 7.1.2.7.12", "there is no subject alternative name")),
        Some(names) => {
            if names.critical && !certificate.subject.is_empty() {
                let text = "the subject alternative name must not be critical beside a subject, and is";
                reasons.push(Reason::new("CABF BR 7.1.2.7.12", text));
            }
            reasons.extend(names.all.iter().filter_map(alternative));
        }
    }
    for name in certificate.subject.name.common_names() {
        reasons.extend(common_name(&name, extensions.alternatives()));
    }
    reasons
}

fn alternative(name: &Alternative) -> Option<Reason> {
    match name {
        Alternative::Dns(name) => {
            if let Err(error) = DnsName::parse(name, Wildcards::Wide) {
                return Some(Reason::new("CABF BR 7.1.4.2.1", error.to_string()));
            }
            let parent = name.strip_prefix("*.")?.to_ascii_lowercase();
            is_public_suffix(&parent).then(|| {
                Reason::new(
                    "CABF BR 3.2.2.6",
                    format!("`{name}` is a wildcard right below the public suffix `{parent}`"),
                )
            })
        }
        Alternative::Ip(_) => None,
        other => Some(Reason::new("CABF BR 7.1.2.7.12", format!("{other} is neither a DNS name nor an IP address"))),
    }
}

/// Whether names right below are registered by anybody, by the public suffix list with its private part; a top-level domain
/// that the list does not know counts as one.
fn is_public_suffix(name: &str) -> bool {
    psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.as_bytes() == name.as_bytes())
}

/// The common name repeats one of the alternative names, character for character.
///
/// The requirements ask for this without exception. Two that x509-limbo holds for valid are let pass, as they name nothing
/// that could be mistaken: the host below which a wildcard stands, and a host where all alternative names are addresses.
fn common_name(text: &str, names: &[Alternative]) -> Option<Reason> {
    let repeats = names.iter().any(|name| match name {
        Alternative::Dns(name) => name == text,
        Alternative::Ip(address) => address.to_string() == text,
        _ => false,
    });
    if repeats {
        return None;
    }
    let wrong = |what: &str| Some(Reason::new("CABF BR 7.1.4.3", format!("the common name `{text}` {what}")));
    if reads_as_address(text) {
        return wrong("reads as an IP address and is none of the alternative names, written as RFC 3986 and 5952 say");
    }
    let below_wildcard =
        names.iter().any(|name| matches!(name, Alternative::Dns(name) if name.strip_prefix("*.") == Some(text)));
    let only_addresses = !names.is_empty() && names.iter().all(|name| matches!(name, Alternative::Ip(_)));
    if below_wildcard || (only_addresses && DnsName::parse(text, Wildcards::Narrow).is_ok()) {
        return None;
    }
    wrong("is not a character-for-character copy of one of the alternative names")
}

/// Whether somebody could take a text for an address: what parses as one, or as one to four numbers, decimal, octal or
/// hexadecimal (`inet_aton`).
fn reads_as_address(text: &str) -> bool {
    let number = |part: &str| match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
        Some(hexadecimal) => !hexadecimal.is_empty() && hexadecimal.bytes().all(|octet| octet.is_ascii_hexdigit()),
        None => !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit()),
    };
    text.parse::<IpAddr>().is_ok()
        || text.contains(':')
        || (text.split('.').count() <= 4 && text.split('.').all(number))
}
