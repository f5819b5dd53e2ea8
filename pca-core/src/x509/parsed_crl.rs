//! Certificate revocation lists as they are received (rule A3: an upload's earlier list is carried over).

use core::fmt;

use const_oid::ObjectIdentifier;

use super::crl::CrlEntry;
use super::der::{self, DerError, Malformed, Reader, tag};
use super::extension::{ExtensionError, read_extensions, unsigned};
use super::name::DistinguishedName;
use super::oid;
use super::parsed::SignatureError;
use super::pem::PemError;
use super::reason::RevocationReason;
use super::serial::{SerialNumber, SerialNumberError};
use super::signature::{SignatureAlgorithmError, read_algorithm};
use super::validity::read_time;
use crate::keys::software::verify;
use crate::keys::{PublicKey, SignatureAlgorithm};
use crate::log::Timestamp;

/// The largest list that is read, in octets (rule G4).
pub const MAX_CRL: usize = 256 * 1024 * 1024;

/// A list that could be read, with all of its entries. Its signature is not verified by reading.
#[derive(Clone, PartialEq, Eq)]
pub struct ParsedCrl {
    der: Vec<u8>,
    tbs: core::ops::Range<usize>,
    signature: core::ops::Range<usize>,
    signature_algorithm: Result<SignatureAlgorithm, SignatureAlgorithmError>,
    issuer: DistinguishedName,
    number: Option<u64>,
    authority_key_identifier: Option<Vec<u8>>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    base: Option<u64>,
    distribution_point: Option<DistributionPoint>,
    freshest: Vec<String>,
    entries: Vec<CrlEntry>,
}

/// What an issuing distribution point says about the scope of a list (RFC 5280 section 5.2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DistributionPoint {
    /// The addresses of the point, where it is named by URIs.
    pub addresses: Vec<String>,
    /// Whether it is named in another way, or the scope is narrowed by anything else than the point: kinds of certificates,
    /// reasons, other issuers.
    pub is_narrower: bool,
}

impl ParsedCrl {
    /// Reads a full list: DER, or PEM of at most [`MAX_PEM`](super::MAX_PEM) octets.
    ///
    /// # Errors
    /// [`CrlError`] if the octets are no list, or one whose scope is not the whole of its issuer's certificates.
    pub fn from_pem_or_der(octets: &[u8]) -> Result<Self, CrlError> {
        if octets.first() == Some(&tag::SEQUENCE) {
            return Self::from_der(octets.to_vec());
        }
        Self::from_der(super::pem::pem_or_der(octets, &["X509 CRL"])?.into_owned())
    }

    /// Reads a full list: DER.
    ///
    /// # Errors
    /// [`CrlError`] if the octets are no list, or one whose scope is not the whole of its issuer's certificates.
    pub fn from_der(octets: Vec<u8>) -> Result<Self, CrlError> {
        let list = Self::of_any_scope(octets)?;
        match (list.base, &list.distribution_point) {
            (_, Some(_)) => Err(CrlError::Partial),
            (Some(_), _) => Err(CrlError::Delta),
            _ => Ok(list),
        }
    }

    /// Reads a list of any scope, deltas and those of partitions too: DER. Whoever relies on what is *not* on it must look
    /// at [`base`](Self::base) and [`distribution_point`](Self::distribution_point).
    ///
    /// # Errors
    /// [`CrlError`] if the octets are no list.
    pub fn of_any_scope(octets: Vec<u8>) -> Result<Self, CrlError> {
        if octets.len() > MAX_CRL {
            return Err(CrlError::TooLarge { octets: octets.len() });
        }
        der::check_shape(&octets)?;
        let mut list = Reader::new(der::single(&octets, tag::SEQUENCE)?.content);
        let tbs = list.expect(tag::SEQUENCE)?;
        let algorithm = list.expect(tag::SEQUENCE)?.raw;
        let signature = match list.expect(tag::BIT_STRING)?.content {
            [0, signature @ ..] => signature,
            _ => return Err(DerError::Malformed { what: Malformed::BitString }.into()),
        };
        list.end()?;

        let mut reader = Reader::new(tbs.content);
        let version = reader.optional(tag::INTEGER)?.map_or(&[0][..], |version| version.content);
        if !matches!(version, [0 | 1]) {
            return Err(DerError::Malformed { what: Malformed::Version }.into());
        }
        if reader.expect(tag::SEQUENCE)?.raw != algorithm {
            return Err(CrlError::AlgorithmsDiffer);
        }
        let issuer = DistinguishedName::from_der(reader.expect(tag::SEQUENCE)?.raw)?;
        let this_update = read_time(&mut reader)?;
        let next_update = match reader.peek() {
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => Some(read_time(&mut reader)?),
            _ => None,
        };
        let entries = match reader.optional(tag::SEQUENCE)? {
            Some(revoked) => read_entries(revoked.content)?,
            None => Vec::new(),
        };
        let mut number = None;
        let mut authority_key_identifier = None;
        let mut refused = None;
        let (mut base, mut distribution_point, mut freshest) = (None, None, Vec::new());
        if let Some(extensions) = reader.optional(tag::context_constructed(0))? {
            read_extensions(extensions.content, |kind, critical, value| {
                match kind {
                    oid::CRL_NUMBER => number = Some(unsigned(der::single(value, tag::INTEGER)?.content)?),
                    oid::AUTHORITY_KEY_IDENTIFIER => {
                        let mut parts = Reader::new(der::single(value, tag::SEQUENCE)?.content);
                        authority_key_identifier = parts.optional(tag::context(0))?.map(|id| id.content.to_vec());
                    }
                    oid::DELTA_CRL_INDICATOR => base = Some(unsigned(der::single(value, tag::INTEGER)?.content)?),
                    oid::ISSUING_DISTRIBUTION_POINT => distribution_point = Some(read_distribution_point(value)?),
                    oid::FRESHEST_CRL => freshest = read_freshest(value)?,
                    _ if critical => refused = Some(CrlError::UnknownCriticalExtension { oid: kind }),
                    _ => {}
                }
                Ok(())
            })?;
        }
        reader.end()?;
        if let Some(error) = refused {
            return Err(error);
        }
        Ok(Self {
            tbs: super::parsed::place(&octets, tbs.raw),
            signature: super::parsed::place(&octets, signature),
            signature_algorithm: read_algorithm(algorithm),
            issuer,
            number,
            authority_key_identifier,
            this_update,
            next_update,
            base,
            distribution_point,
            freshest,
            entries,
            der: octets,
        })
    }

    /// The octets as they were received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The issuer's name, byte for byte.
    #[must_use]
    pub const fn issuer(&self) -> &DistinguishedName {
        &self.issuer
    }

    /// Its number, if it has one.
    #[must_use]
    pub const fn number(&self) -> Option<u64> {
        self.number
    }

    /// The key identifier of its issuer, if it has one.
    #[must_use]
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        self.authority_key_identifier.as_deref()
    }

    /// When it was made.
    #[must_use]
    pub const fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next one is there at the latest.
    #[must_use]
    pub const fn next_update(&self) -> Option<Timestamp> {
        self.next_update
    }

    /// The number of the list that this delta is the difference to; nothing for a list that is complete.
    #[must_use]
    pub const fn base(&self) -> Option<u64> {
        self.base
    }

    /// The part of its issuer's certificates that it is about; nothing for all of them.
    #[must_use]
    pub const fn distribution_point(&self) -> Option<&DistributionPoint> {
        self.distribution_point.as_ref()
    }

    /// Where deltas to it are, by URI.
    #[must_use]
    pub fn freshest(&self) -> &[String] {
        &self.freshest
    }

    /// Its entries, in order.
    #[must_use]
    pub fn entries(&self) -> &[CrlEntry] {
        &self.entries
    }

    /// Verifies its signature with a key.
    ///
    /// # Errors
    /// [`SignatureError`] if it was not made with that key or in a way that is not accepted.
    pub fn verify_signature(&self, key: &PublicKey) -> Result<(), SignatureError> {
        let algorithm = self.signature_algorithm.clone().map_err(SignatureError::Algorithm)?;
        let tbs = self.der.get(self.tbs.clone()).unwrap_or_default();
        let signature = self.der.get(self.signature.clone()).unwrap_or_default();
        verify(key, algorithm, tbs, signature).map_err(SignatureError::Verify)
    }
}

impl fmt::Debug for ParsedCrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParsedCrl({}, number {:?}, {} entries)", self.issuer, self.number, self.entries.len())
    }
}

/// Why octets are no list that can be carried over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlError {
    /// Beyond the limit (rule G4).
    #[error("the CRL has {octets} octets; at most {MAX_CRL} are read")]
    TooLarge {
        /// How many it has.
        octets: usize,
    },
    /// No PEM where PEM is expected.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Not DER, or no list.
    #[error("the CRL is not well-formed: {0}")]
    Der(#[from] DerError),
    /// Malformed extensions.
    #[error("the CRL is not well-formed: {0}")]
    Extension(#[from] ExtensionError),
    /// An entry whose serial number RFC 5280 forbids.
    #[error("an entry of the CRL is wrong: {0}")]
    Serial(#[from] SerialNumberError),
    /// The two places that name the signature algorithm differ.
    #[error("the signature algorithm inside the CRL is not the one beside the signature")]
    AlgorithmsDiffer,
    /// A delta, where a full list is needed.
    #[error("it is a delta CRL; a full one is needed")]
    Delta,
    /// A list with an issuing distribution point, which narrows its scope.
    #[error("it covers only a part of the issuer's certificates (issuing distribution point); a full one is needed")]
    Partial,
    /// A critical extension, of the list or of an entry, that is not known.
    #[error("the critical extension {oid} of the CRL is not known")]
    UnknownCriticalExtension {
        /// Which one.
        oid: ObjectIdentifier,
    },
}

impl CrlError {
    /// The rule that was broken: G4 for what is too much to be read at all, otherwise C3.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Pem(PemError::TooLarge { .. }) | Self::Der(DerError::Depth) => "G4",
            _ => "C3",
        }
    }
}

fn read_distribution_point(value: &[u8]) -> Result<DistributionPoint, DerError> {
    let mut point = DistributionPoint::default();
    let mut fields = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    while !fields.is_empty() {
        let field = fields.any()?;
        match field.tag {
            tag if tag == tag::context_constructed(0) => {
                point.addresses = read_full_name(field.content)?;
                point.is_narrower |= point.addresses.is_empty();
            }
            _ => point.is_narrower = true,
        }
    }
    Ok(point)
}

fn read_freshest(value: &[u8]) -> Result<Vec<String>, DerError> {
    let mut addresses = Vec::new();
    let mut points = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    while !points.is_empty() {
        let mut point = Reader::new(points.expect(tag::SEQUENCE)?.content);
        if let Some(name) = point.optional(tag::context_constructed(0))? {
            addresses.extend(read_full_name(name.content)?);
        }
    }
    Ok(addresses)
}

/// The URIs of a `DistributionPointName`; none if it is relative to the issuer.
fn read_full_name(content: &[u8]) -> Result<Vec<String>, DerError> {
    let mut addresses = Vec::new();
    if let Some(full) = Reader::new(content).optional(tag::context_constructed(0))? {
        let mut names = Reader::new(full.content);
        while !names.is_empty() {
            let name = names.any()?;
            if name.tag == tag::context(6) {
                addresses.push(String::from_utf8_lossy(name.content).into_owned());
            }
        }
    }
    Ok(addresses)
}

fn read_entries(octets: &[u8]) -> Result<Vec<CrlEntry>, CrlError> {
    let mut entries = Vec::new();
    let mut reader = Reader::new(octets);
    while !reader.is_empty() {
        let mut entry = Reader::new(reader.expect(tag::SEQUENCE)?.content);
        let serial = SerialNumber::from_der_content(entry.expect(tag::INTEGER)?.content)?;
        let revoked_at = read_time(&mut entry)?;
        let (mut reason, mut invalidity_date, mut unknown) = (RevocationReason::Unspecified, None, None);
        if let Some(extensions) = entry.optional(tag::SEQUENCE)? {
            read_extensions(extensions.raw, |kind, critical, value| {
                match kind {
                    oid::REASON_CODE => {
                        reason = match der::single(value, tag::ENUMERATED)?.content {
                            [code] => RevocationReason::from_code(*code),
                            _ => None,
                        }
                        .ok_or(DerError::Malformed { what: Malformed::Integer })?;
                    }
                    oid::INVALIDITY_DATE => {
                        let mut date = Reader::new(value);
                        invalidity_date = Some(read_time(&mut date)?);
                        date.end()?;
                    }
                    _ if critical => unknown = Some(kind),
                    _ => {}
                }
                Ok(())
            })?;
        }
        entry.end()?;
        if let Some(oid) = unknown {
            return Err(CrlError::UnknownCriticalExtension { oid });
        }
        entries.push(CrlEntry { serial, revoked_at, reason, invalidity_date });
    }
    Ok(entries)
}
