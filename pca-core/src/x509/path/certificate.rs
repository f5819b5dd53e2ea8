//! A certificate as a relying party reads it: strictly, with every breach of RFC 5280 that it carries in itself.
//!
//! What has the shape of a certificate is kept, however wrong it is inside: it may not be needed, and if it is, everything
//! that is wrong is told at once.

use core::fmt;
use core::ops::Range;

use super::extensions::Extensions;
use super::name::Name;
use super::reason::Reason;
use crate::keys::{PublicKey, PublicKeyError, SignatureAlgorithm};
use crate::log::Timestamp;
use crate::x509::der::{self, DerError, Reader, tag};
use crate::x509::parsed::{MAX_CERTIFICATE, place};
use crate::x509::serial::SerialNumber;
use crate::x509::signature::{SignatureAlgorithmError, read_algorithm};
use crate::x509::validity::read_time;

#[derive(Debug)]
pub(super) struct Certificate {
    der: Box<[u8]>,
    tbs: Range<usize>,
    signature: Range<usize>,
    spki: Range<usize>,
    pub(super) algorithm: Result<SignatureAlgorithm, SignatureAlgorithmError>,
    pub(super) version: u8,
    /// The content of the INTEGER.
    pub(super) serial: Vec<u8>,
    pub(super) issuer: Name,
    pub(super) subject: Name,
    pub(super) not_before: Option<Timestamp>,
    pub(super) not_after: Option<Timestamp>,
    pub(super) key: Result<PublicKey, PublicKeyError>,
    pub(super) extensions: Extensions,
    /// What is wrong with it wherever it stands.
    pub(super) faults: Vec<Reason>,
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// Why the octets are no certificate at all.
    pub(super) fn read(octets: &[u8]) -> Result<Self, Reason> {
        if octets.len() > MAX_CERTIFICATE {
            let text = format!("a certificate has {} octets; at most {MAX_CERTIFICATE} are read", octets.len());
            return Err(Reason::new("G4", text));
        }
        read(octets).map_err(|error| {
            let clause = if error == DerError::Depth { "G4" } else { "RFC 5280 4.1" };
            Reason::new(clause, format!("the data is no certificate: {error}"))
        })
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn tbs(&self) -> &[u8] {
        self.der.get(self.tbs.clone()).unwrap_or_default()
    }

    pub(super) fn signature(&self) -> &[u8] {
        self.der.get(self.signature.clone()).unwrap_or_default()
    }

    pub(super) fn spki(&self) -> &[u8] {
        self.der.get(self.spki.clone()).unwrap_or_default()
    }

    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// What is wrong with the serial number. A trust anchor's is nobody's to look up, and old roots have 0.
    pub(super) fn serial_fault(&self) -> Option<Reason> {
        SerialNumber::from_der_content(&self.serial)
            .err()
            .map(|error| Reason::new("RFC 5280 4.1.2.2", error.to_string()))
    }

    /// Whether it names the key of its issuer.
    pub(super) fn names_issuer_key(&self) -> bool {
        self.extensions.authority.as_ref().is_some_and(|authority| authority.key.is_some())
    }

    /// Whether the authority key identifier does not speak against an issuer's subject key identifier.
    pub(super) fn may_be_issued_by(&self, issuer: &Self) -> bool {
        let named = self.extensions.authority.as_ref().and_then(|authority| authority.key.as_ref());
        match (named, &issuer.extensions.subject_key) {
            (Some(named), Some(key)) => named == key,
            _ => true,
        }
    }
}

impl fmt::Display for Certificate {
    /// As reasons name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.subject.is_empty() {
            f.write_str("the certificate with serial ")?;
            self.serial.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
        } else {
            self.subject.fmt(f)
        }
    }
}

/// What is said of a signature whose bits make no whole octets.
pub(super) const NOT_WHOLE: &str = "the signature consists of no whole octets";

/// A signature, and whether it consists of whole octets, as those of every algorithm do.
pub(super) fn read_signature(content: &[u8]) -> Result<(&[u8], bool), DerError> {
    match content {
        [unused @ 0..=7, signature @ ..] => Ok((signature, *unused == 0)),
        _ => Err(DerError::Malformed { what: der::Malformed::BitString }),
    }
}

fn read(octets: &[u8]) -> Result<Certificate, DerError> {
    der::check_shape(octets)?;
    let mut certificate = Reader::new(der::single(octets, tag::SEQUENCE)?.content);
    let tbs = certificate.expect(tag::SEQUENCE)?;
    let algorithm = certificate.expect(tag::SEQUENCE)?.raw;
    let (signature, is_whole) = read_signature(certificate.expect(tag::BIT_STRING)?.content)?;
    certificate.end()?;

    let mut faults = Vec::new();
    if !is_whole {
        faults.push(Reason::new("RFC 5280 4.1.1.3", NOT_WHOLE));
    }
    let mut wrong = |clause, message: String| faults.push(Reason::new(clause, message));
    let mut reader = Reader::new(tbs.content);
    let version = match reader.optional(tag::context_constructed(0))?.map(|version| version.content) {
        None => 1,
        Some([tag::INTEGER, 1, number @ 0..=2]) => number + 1,
        Some(_) => return Err(DerError::Malformed { what: der::Malformed::Version }),
    };
    let serial = reader.expect(tag::INTEGER)?.content;
    if reader.expect(tag::SEQUENCE)?.raw != algorithm {
        let text = "the signature algorithm inside the certificate is not the one beside the signature";
        wrong("RFC 5280 4.1.1.2", text.into());
    }
    let issuer = Name::read(reader.expect(tag::SEQUENCE)?.raw)?;
    if issuer.is_empty() {
        wrong("RFC 5280 4.1.2.4", "the issuer's name is empty".into());
    }
    let mut validity = Reader::new(reader.expect(tag::SEQUENCE)?.content);
    let mut time = |what: &str| match read_time(&mut validity) {
        Ok(time) => Some(time),
        Err(error) => {
            wrong("RFC 5280 4.1.2.5", format!("{what}: {error}"));
            None
        }
    };
    let (not_before, not_after) = (time("notBefore"), time("notAfter"));
    if not_before.is_some() && not_after.is_some() {
        validity.end()?;
    }
    let subject = Name::read(reader.expect(tag::SEQUENCE)?.raw)?;
    let spki = reader.expect(tag::SEQUENCE)?.raw;
    let unique = [reader.optional(tag::context(1))?, reader.optional(tag::context(2))?];
    if version < 2 && unique.iter().any(Option::is_some) {
        wrong("RFC 5280 4.1.2.8", "a certificate of version 1 has a unique identifier".into());
    }
    let mut extensions = Extensions::default();
    if let Some(list) = reader.optional(tag::context_constructed(3))? {
        if version < 3 {
            wrong("RFC 5280 4.1.2.9", format!("a certificate of version {version} has extensions"));
        }
        extensions = Extensions::read(list.content, &mut faults)?;
    }
    reader.end()?;
    if subject.is_empty() {
        if extensions.is_ca() {
            faults.push(Reason::new("RFC 5280 4.1.2.6", "the subject of a CA's certificate is empty"));
        } else if !extensions.names.as_ref().is_some_and(|names| names.critical) {
            let text = "the subject is empty, and there is no critical subject alternative name";
            faults.push(Reason::new("RFC 5280 4.2.1.6", text));
        }
    }
    Ok(Certificate {
        tbs: place(octets, tbs.raw),
        signature: place(octets, signature),
        spki: place(octets, spki),
        algorithm: read_algorithm(algorithm),
        version,
        serial: serial.to_vec(),
        issuer,
        subject,
        not_before,
        not_after,
        key: PublicKey::from_spki_der(spki),
        extensions,
        faults,
        der: octets.into(),
    })
}
