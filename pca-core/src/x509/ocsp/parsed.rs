//! Answers as relying parties read them (RFC 6960 section 4.2): for tests and for whoever asks elsewhere.

use core::fmt;
use core::ops::Range;

use super::cert_id::OcspCertId;
use super::oid;
use super::response::{OcspCertStatus, OcspSingle, OcspStatus};
use crate::keys::software::verify;
use crate::keys::{PublicKey, SignatureAlgorithm};
use crate::log::Timestamp;
use crate::x509::der::{self, DerError, Malformed, Reader, Tlv, tag};
use crate::x509::extension::{ExtensionError, read_extensions};
use crate::x509::parsed::{SignatureError, place};
use crate::x509::signature::{SignatureAlgorithmError, read_algorithm};
use crate::x509::validity::read_time;
use crate::x509::{CertificateError, ParsedCertificate, RevocationReason};

/// The largest answer that is read, in octets (rule G4).
const MAX_RESPONSE: usize = 256 * 1024;

/// An answer that could be read. Its signature is not verified by reading.
#[derive(Clone, PartialEq, Eq)]
pub struct ParsedOcspResponse {
    der: Vec<u8>,
    status: OcspStatus,
    basic: Option<Basic>,
}

#[derive(Clone, PartialEq, Eq)]
struct Basic {
    tbs: Range<usize>,
    signature: Range<usize>,
    algorithm: Result<SignatureAlgorithm, SignatureAlgorithmError>,
    responder_key: Option<Vec<u8>>,
    produced_at: Timestamp,
    singles: Vec<(OcspSingle, Timestamp, Option<Timestamp>)>,
    nonce: Option<Vec<u8>>,
    certificates: Vec<ParsedCertificate>,
}

impl ParsedOcspResponse {
    /// Reads DER.
    ///
    /// # Errors
    /// [`OcspResponseError`].
    pub fn from_der(octets: &[u8]) -> Result<Self, OcspResponseError> {
        if octets.len() > MAX_RESPONSE {
            return Err(OcspResponseError::TooLarge { octets: octets.len() });
        }
        der::check_shape(octets)?;
        let mut outer = Reader::new(der::single(octets, tag::SEQUENCE)?.content);
        let status = match outer.expect(tag::ENUMERATED)?.content {
            [code] => OcspStatus::from_code(*code).map_err(|_| DerError::Malformed { what: Malformed::Integer })?,
            _ => return Err(DerError::Malformed { what: Malformed::Integer }.into()),
        };
        let basic = match outer.optional(tag::context_constructed(0))? {
            None => None,
            Some(bytes) => {
                let mut bytes = Reader::new(der::single(bytes.content, tag::SEQUENCE)?.content);
                let kind = der::object_identifier(bytes.expect(tag::OBJECT_IDENTIFIER)?.content)?;
                let response = bytes.expect(tag::OCTET_STRING)?.content;
                bytes.end()?;
                if kind != oid::BASIC {
                    return Err(OcspResponseError::NotBasic { oid: kind.to_string() });
                }
                Some(read_basic(octets, response)?)
            }
        };
        outer.end()?;
        if (status == OcspStatus::Successful) != basic.is_some() {
            return Err(DerError::Malformed { what: Malformed::Structure }.into());
        }
        Ok(Self { der: octets.to_vec(), status, basic })
    }

    /// Whether there is an answer.
    #[must_use]
    pub const fn status(&self) -> OcspStatus {
        self.status
    }

    /// What is told, in order; nothing where there is no answer.
    #[must_use]
    pub fn singles(&self) -> Vec<&OcspSingle> {
        self.basic.iter().flat_map(|basic| &basic.singles).map(|(single, ..)| single).collect()
    }

    /// `thisUpdate` of the first certificate.
    #[must_use]
    pub fn this_update(&self) -> Option<Timestamp> {
        self.basic.as_ref()?.singles.first().map(|(_, this_update, _)| *this_update)
    }

    /// `nextUpdate` of the first certificate.
    #[must_use]
    pub fn next_update(&self) -> Option<Timestamp> {
        self.basic.as_ref()?.singles.first().and_then(|(.., next_update)| *next_update)
    }

    /// When it was signed.
    #[must_use]
    pub fn produced_at(&self) -> Option<Timestamp> {
        Some(self.basic.as_ref()?.produced_at)
    }

    /// The nonce.
    #[must_use]
    pub fn nonce(&self) -> Option<&[u8]> {
        self.basic.as_ref()?.nonce.as_deref()
    }

    /// The certificates that came along; the responder's is among them.
    #[must_use]
    pub fn certificates(&self) -> &[ParsedCertificate] {
        self.basic.as_ref().map_or(&[], |basic| &basic.certificates)
    }

    /// The certificate of the key that it names as its responder's.
    #[must_use]
    pub fn responder(&self) -> Option<&ParsedCertificate> {
        let key = self.basic.as_ref()?.responder_key.as_deref()?;
        let is_it = |key_of: &PublicKey| key_of.key_identifier() == *key;
        self.certificates().iter().find(|certificate| certificate.public_key().is_ok_and(is_it))
    }

    /// Verifies its signature with a key.
    ///
    /// # Errors
    /// [`OcspResponseError::Unsigned`] where there is no answer; [`OcspResponseError::Signature`] if it was not made with that
    /// key or in a way that is not accepted.
    pub fn verify_signature(&self, key: &PublicKey) -> Result<(), OcspResponseError> {
        let Some(basic) = &self.basic else { return Err(OcspResponseError::Unsigned { status: self.status }) };
        let algorithm = basic.algorithm.clone().map_err(SignatureError::Algorithm)?;
        let tbs = self.der.get(basic.tbs.clone()).unwrap_or_default();
        let signature = self.der.get(basic.signature.clone()).unwrap_or_default();
        Ok(verify(key, algorithm, tbs, signature).map_err(SignatureError::Verify)?)
    }
}

impl fmt::Debug for ParsedOcspResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParsedOcspResponse({}, {} certificates)", self.status, self.singles().len())
    }
}

fn read_basic(whole: &[u8], octets: &[u8]) -> Result<Basic, OcspResponseError> {
    der::check_shape(octets)?;
    let mut parts = Reader::new(der::single(octets, tag::SEQUENCE)?.content);
    let tbs = parts.expect(tag::SEQUENCE)?;
    let algorithm = read_algorithm(parts.expect(tag::SEQUENCE)?.raw);
    let signature = match parts.expect(tag::BIT_STRING)?.content {
        [0, signature @ ..] => signature,
        _ => return Err(DerError::Malformed { what: Malformed::BitString }.into()),
    };
    let mut certificates = Vec::new();
    if let Some(brought) = parts.optional(tag::context_constructed(0))? {
        let mut list = Reader::new(der::single(brought.content, tag::SEQUENCE)?.content);
        while !list.is_empty() {
            certificates.push(ParsedCertificate::from_der(list.expect(tag::SEQUENCE)?.raw)?);
        }
    }
    parts.end()?;

    let mut data = Reader::new(tbs.content);
    let responder = data.any()?;
    let responder_key = match responder.tag {
        found if found == tag::context_constructed(1) => None,
        found if found == tag::context_constructed(2) => {
            Some(der::single(responder.content, tag::OCTET_STRING)?.content.to_vec())
        }
        found => return Err(DerError::Unexpected { expected: tag::context_constructed(2), found }.into()),
    };
    let produced_at = read_time(&mut data)?;
    let mut list = Reader::new(data.expect(tag::SEQUENCE)?.content);
    let mut singles = Vec::new();
    while !list.is_empty() {
        singles.push(read_single(list.expect(tag::SEQUENCE)?.content)?);
    }
    let mut nonce = None;
    if let Some(extensions) = data.optional(tag::context_constructed(1))? {
        read_extensions(extensions.content, |kind, _, value| {
            if kind == oid::NONCE {
                nonce = Some(der::single(value, tag::OCTET_STRING)?.content.to_vec());
            }
            Ok(())
        })?;
    }
    data.end()?;
    let (tbs, signature) = (place(whole, tbs.raw), place(whole, signature));
    Ok(Basic { tbs, signature, algorithm, responder_key, produced_at, singles, nonce, certificates })
}

fn read_single(octets: &[u8]) -> Result<(OcspSingle, Timestamp, Option<Timestamp>), OcspResponseError> {
    let mut reader = Reader::new(octets);
    let cert_id = OcspCertId::read(&mut reader)?;
    let status = read_status(reader.any()?)?;
    let this_update = read_time(&mut reader)?;
    let next_update = match reader.optional(tag::context_constructed(0))? {
        Some(time) => {
            let mut time = Reader::new(time.content);
            let next_update = read_time(&mut time)?;
            time.end()?;
            Some(next_update)
        }
        None => None,
    };
    if let Some(extensions) = reader.optional(tag::context_constructed(1))? {
        read_extensions(extensions.content, |_, _, _| Ok(()))?;
    }
    reader.end()?;
    Ok((OcspSingle { cert_id, status }, this_update, next_update))
}

fn read_status(status: Tlv<'_>) -> Result<OcspCertStatus, DerError> {
    if status.tag == tag::context_constructed(1) {
        let mut revoked = Reader::new(status.content);
        let at = read_time(&mut revoked)?;
        let reason = match revoked.optional(tag::context_constructed(0))? {
            None => RevocationReason::Unspecified,
            Some(reason) => match der::single(reason.content, tag::ENUMERATED)?.content {
                [code] => RevocationReason::from_code(*code),
                _ => None,
            }
            .ok_or(DerError::Malformed { what: Malformed::Integer })?,
        };
        revoked.end()?;
        return Ok(OcspCertStatus::Revoked { at, reason });
    }
    match (status.tag, status.content) {
        (found, []) if found == tag::context(0) => Ok(OcspCertStatus::Good),
        (found, []) if found == tag::context(2) => Ok(OcspCertStatus::Unknown),
        (found, _) => Err(DerError::Unexpected { expected: tag::context(0), found }),
    }
}

/// Why octets are no answer that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OcspResponseError {
    /// Beyond the limit (rule G4).
    #[error("the OCSP response has {octets} octets; at most {MAX_RESPONSE} are read")]
    TooLarge {
        /// How many it has.
        octets: usize,
    },
    /// Not DER, or no response.
    #[error("the OCSP response is not well-formed: {0}")]
    Der(#[from] DerError),
    /// Malformed extensions.
    #[error("the OCSP response is not well-formed: {0}")]
    Extension(#[from] ExtensionError),
    /// A certificate in it cannot be read.
    #[error("a certificate in the OCSP response cannot be read: {0}")]
    Certificate(#[from] CertificateError),
    /// It does not answer, and so nobody signed it.
    #[error("the OCSP response says {status}, which nobody signs")]
    Unsigned {
        /// What it says.
        status: OcspStatus,
    },
    /// Its signature does not count.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Another kind of response than the basic one.
    #[error("the OCSP response is of the kind {oid}, and not a basic one")]
    NotBasic {
        /// Which kind.
        oid: String,
    },
}
