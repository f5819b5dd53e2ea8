//! What a relying party asks (RFC 6960 section 4.1): read strictly and within bounds (rule G4).

use const_oid::ObjectIdentifier;

use super::cert_id::OcspCertId;
use super::oid;
use crate::x509::der::{self, DerError, Malformed, Reader, tag};
use crate::x509::extension::{ExtensionError, read_extensions, write_extension};

/// The largest request that is read, in octets (rule G4).
pub const MAX_OCSP_REQUEST: usize = 16 * 1024;

/// For how many certificates one request may ask (rule G4).
pub const MAX_OCSP_CERT_IDS: usize = 20;

/// The longest nonce, in octets; the shortest has one (RFC 9654 section 2.1).
pub const MAX_OCSP_NONCE: usize = 128;

/// A request. Who asks, and their signature, are of no matter here: whoever has a certificate may ask for its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspRequest {
    cert_ids: Vec<OcspCertId>,
    nonce: Option<Vec<u8>>,
}

impl OcspRequest {
    /// A request for certificates, as a relying party would make it.
    #[must_use]
    pub fn new(cert_ids: Vec<OcspCertId>, nonce: Option<Vec<u8>>) -> Self {
        Self { cert_ids, nonce }
    }

    /// Reads DER.
    ///
    /// # Errors
    /// [`OcspRequestError`]; the answer is then `malformedRequest` (RFC 6960 section 2.3).
    pub fn from_der(octets: &[u8]) -> Result<Self, OcspRequestError> {
        if octets.len() > MAX_OCSP_REQUEST {
            return Err(OcspRequestError::TooLarge { octets: octets.len() });
        }
        der::check_shape(octets)?;
        let mut outer = Reader::new(der::single(octets, tag::SEQUENCE)?.content);
        let tbs = outer.expect(tag::SEQUENCE)?.content;
        if let Some(signature) = outer.optional(tag::context_constructed(0))? {
            der::single(signature.content, tag::SEQUENCE)?;
        }
        outer.end()?;

        let mut reader = Reader::new(tbs);
        if reader.optional(tag::context_constructed(0))?.is_some() {
            // DER leaves out the default, version 1, and there is no other.
            return Err(DerError::Malformed { what: Malformed::Version }.into());
        }
        if let Some(requestor) = reader.optional(tag::context_constructed(1))? {
            let mut name = Reader::new(requestor.content);
            name.any()?;
            name.end()?;
        }
        let cert_ids = read_list(reader.expect(tag::SEQUENCE)?.content)?;
        let mut nonce = None;
        if let Some(extensions) = reader.optional(tag::context_constructed(2))? {
            let mut unknown = None;
            let mut length = None;
            read_extensions(extensions.content, |kind, critical, value| {
                match kind {
                    oid::NONCE => {
                        let found = der::single(value, tag::OCTET_STRING)?.content;
                        length = Some(found.len());
                        nonce = Some(found.to_vec());
                    }
                    _ if critical => unknown = Some(kind),
                    _ => {}
                }
                Ok(())
            })?;
            if let Some(oid) = unknown {
                return Err(OcspRequestError::UnknownCriticalExtension { oid });
            }
            if let Some(octets) = length.filter(|length| !(1..=MAX_OCSP_NONCE).contains(length)) {
                return Err(OcspRequestError::Nonce { octets });
            }
        }
        reader.end()?;
        Ok(Self { cert_ids, nonce })
    }

    /// The request as DER, without a name and a signature.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        der::encode(|w| {
            w.nested(tag::SEQUENCE, |w| {
                w.nested(tag::SEQUENCE, |w| {
                    w.nested(tag::SEQUENCE, |w| {
                        self.cert_ids.iter().for_each(|id| w.nested(tag::SEQUENCE, |w| w.raw(id.der())));
                    });
                    if let Some(nonce) = &self.nonce {
                        w.nested(tag::context_constructed(2), |w| {
                            w.nested(tag::SEQUENCE, |w| {
                                write_extension(w, &oid::NONCE, false, |w| w.value(tag::OCTET_STRING, nonce));
                            });
                        });
                    }
                });
            });
        })
    }

    /// For which certificates it asks, in order; at least one.
    #[must_use]
    pub fn cert_ids(&self) -> &[OcspCertId] {
        &self.cert_ids
    }

    /// The nonce, which the answer repeats.
    #[must_use]
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }
}

fn read_list(octets: &[u8]) -> Result<Vec<OcspCertId>, OcspRequestError> {
    let mut list = Reader::new(octets);
    let mut cert_ids = Vec::new();
    while !list.is_empty() {
        if cert_ids.len() == MAX_OCSP_CERT_IDS {
            return Err(OcspRequestError::TooMany);
        }
        let mut single = Reader::new(list.expect(tag::SEQUENCE)?.content);
        cert_ids.push(OcspCertId::read(&mut single)?);
        if let Some(extensions) = single.optional(tag::context_constructed(0))? {
            let mut unknown = None;
            read_extensions(extensions.content, |kind, critical, _| {
                unknown = unknown.or(critical.then_some(kind));
                Ok(())
            })?;
            if let Some(oid) = unknown {
                return Err(OcspRequestError::UnknownCriticalExtension { oid });
            }
        }
        single.end()?;
    }
    if cert_ids.is_empty() { Err(OcspRequestError::Empty) } else { Ok(cert_ids) }
}

/// Why octets are no request that is answered: the answer is `malformedRequest`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OcspRequestError {
    /// Beyond the limit (rule G4).
    #[error("the OCSP request has {octets} octets; at most {MAX_OCSP_REQUEST} are read")]
    TooLarge {
        /// How many it has.
        octets: usize,
    },
    /// Not DER, or no request.
    #[error("the OCSP request is not well-formed: {0}")]
    Der(#[from] DerError),
    /// Malformed extensions.
    #[error("the OCSP request is not well-formed: {0}")]
    Extension(#[from] ExtensionError),
    /// It asks for nothing.
    #[error("the OCSP request asks for no certificate")]
    Empty,
    /// It asks for too much (rule G4).
    #[error("the OCSP request asks for more than {MAX_OCSP_CERT_IDS} certificates")]
    TooMany,
    /// A nonce of an impossible length (RFC 9654 section 2.1).
    #[error("the nonce of the OCSP request has {octets} octets; 1 to {MAX_OCSP_NONCE} are possible")]
    Nonce {
        /// How many it has.
        octets: usize,
    },
    /// A critical extension that is not known.
    #[error("the critical extension {oid} of the OCSP request is not known")]
    UnknownCriticalExtension {
        /// Which one.
        oid: ObjectIdentifier,
    },
}

impl OcspRequestError {
    /// The rule that was broken: G4 for what is too much, otherwise A3.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::TooMany | Self::Der(DerError::Depth) => "G4",
            _ => "A3",
        }
    }
}
