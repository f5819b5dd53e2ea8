//! How a certificate is named in OCSP: by hashes of its issuer's name and key, and by its serial number (RFC 6960
//! section 4.1.1).

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::oid;
use crate::keys::PublicKey;
use crate::x509::SerialNumber;
use crate::x509::der::{self, DerError, Malformed, Reader, Writer, tag};
use crate::x509::name::DistinguishedName;

/// By which hash an issuer is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OcspHash {
    /// SHA-1: what RFC 5019 section 2.1.1 asks of everybody, and no weakness here, since the requester names what is the
    /// responder's own.
    #[default]
    Sha1,
    /// SHA-256 (RFC 9654 era clients).
    Sha256,
}

impl OcspHash {
    /// The hash of octets.
    fn of(self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(octets).to_vec(),
            Self::Sha256 => Sha256::digest(octets).to_vec(),
        }
    }

    fn write(self, writer: &mut Writer) {
        writer.nested(tag::SEQUENCE, |w| match self {
            Self::Sha1 => {
                w.oid(&oid::SHA1);
                w.raw(&NULL);
            }
            // RFC 5754 section 2: parameters are left out.
            Self::Sha256 => w.oid(&oid::SHA256),
        });
    }
}

const NULL: [u8; 2] = [5, 0];

/// A `CertID`, kept as it was received: the answer repeats it octet for octet, so that whoever compares finds it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OcspCertId {
    der: Vec<u8>,
    hash: Option<OcspHash>,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    serial: Option<SerialNumber>,
}

impl OcspCertId {
    /// Names a certificate by its issuer's name and key.
    #[must_use]
    pub fn new(hash: OcspHash, issuer: &DistinguishedName, key: &PublicKey, serial: SerialNumber) -> Self {
        let (issuer_name_hash, issuer_key_hash) = (hash.of(issuer.der()), hash.of(key.raw()));
        let der = der::encode(|w| {
            w.nested(tag::SEQUENCE, |w| {
                hash.write(w);
                w.value(tag::OCTET_STRING, &issuer_name_hash);
                w.value(tag::OCTET_STRING, &issuer_key_hash);
                w.value(tag::INTEGER, serial.as_der_content());
            });
        });
        Self { der, hash: Some(hash), issuer_name_hash, issuer_key_hash, serial: Some(serial) }
    }

    /// The octets.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// By which hash it names the issuer; nothing for one that is not known: it names nobody then.
    #[must_use]
    pub const fn hash(&self) -> Option<OcspHash> {
        self.hash
    }

    /// The serial number; nothing where no certificate can have it (RFC 5280 section 4.1.2.2).
    #[must_use]
    pub const fn serial(&self) -> Option<SerialNumber> {
        self.serial
    }

    /// Whether it names this issuer.
    #[must_use]
    pub fn names(&self, issuer: &DistinguishedName, key: &PublicKey) -> bool {
        self.hash.is_some_and(|hash| {
            self.issuer_key_hash == hash.of(key.raw()) && self.issuer_name_hash == hash.of(issuer.der())
        })
    }

    /// Whether another one names the same issuer in the same way.
    #[must_use]
    pub fn has_issuer_of(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.issuer_key_hash == other.issuer_key_hash
            && self.issuer_name_hash == other.issuer_name_hash
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DerError> {
        let outer = reader.expect(tag::SEQUENCE)?;
        let mut parts = Reader::new(outer.content);
        let mut algorithm = Reader::new(parts.expect(tag::SEQUENCE)?.content);
        let kind = der::object_identifier(algorithm.expect(tag::OBJECT_IDENTIFIER)?.content)?;
        let parameters = if algorithm.is_empty() { None } else { Some(algorithm.any()?.raw) };
        algorithm.end()?;
        let plain = parameters.is_none_or(|parameters| parameters == NULL);
        let hash = match kind {
            oid::SHA1 if plain => Some(OcspHash::Sha1),
            oid::SHA256 if plain => Some(OcspHash::Sha256),
            _ => None,
        };
        let issuer_name_hash = parts.expect(tag::OCTET_STRING)?.content.to_vec();
        let issuer_key_hash = parts.expect(tag::OCTET_STRING)?.content.to_vec();
        let serial = parts.expect(tag::INTEGER)?.content;
        parts.end()?;
        if matches!(serial, [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..]) {
            return Err(DerError::Malformed { what: Malformed::Integer });
        }
        let serial = SerialNumber::from_der_content(serial).ok();
        Ok(Self { der: outer.raw.to_vec(), hash, issuer_name_hash, issuer_key_hash, serial })
    }
}
