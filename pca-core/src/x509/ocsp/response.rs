//! Answers as the platform writes them (RFC 6960 section 4.2): basic responses, the responder named by its key.

use core::fmt;

use super::cert_id::OcspCertId;
use super::oid;
use crate::keys::{PublicKey, SignatureAlgorithm};
use crate::log::Timestamp;
use crate::x509::RevocationReason;
use crate::x509::der::{Writer, encode, tag};
use crate::x509::extension::write_extension;
use crate::x509::signature::write_algorithm;
use crate::x509::validity::write_generalized_time;

/// Whether there is an answer, and else why not: `OCSPResponseStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OcspStatus {
    /// There is one.
    Successful,
    /// The request was no request.
    MalformedRequest,
    /// The responder is in trouble.
    InternalError,
    /// The responder cannot answer right now.
    TryLater,
    /// Only signed requests are answered.
    SigRequired,
    /// The responder does not answer for that issuer (RFC 5019 section 2.2.3).
    Unauthorized,
}

impl OcspStatus {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Successful,
        Self::MalformedRequest,
        Self::InternalError,
        Self::TryLater,
        Self::SigRequired,
        Self::Unauthorized,
    ];

    /// Its code; 4 is not used.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Successful => 0,
            Self::MalformedRequest => 1,
            Self::InternalError => 2,
            Self::TryLater => 3,
            Self::SigRequired => 5,
            Self::Unauthorized => 6,
        }
    }

    /// The status with this code.
    ///
    /// # Errors
    /// [`UnknownOcspStatus`].
    pub fn from_code(code: u8) -> Result<Self, UnknownOcspStatus> {
        Self::ALL.into_iter().find(|status| status.code() == code).ok_or(UnknownOcspStatus { code })
    }

    /// Its name in RFC 6960.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Successful => "successful",
            Self::MalformedRequest => "malformedRequest",
            Self::InternalError => "internalError",
            Self::TryLater => "tryLater",
            Self::SigRequired => "sigRequired",
            Self::Unauthorized => "unauthorized",
        }
    }
}

impl fmt::Display for OcspStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A code that no status has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} is no status of an OCSP response")]
pub struct UnknownOcspStatus {
    /// The code.
    pub code: u8,
}

/// What is told of one certificate: `CertStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OcspCertStatus {
    /// It was issued and is not revoked; whether it is valid is another question.
    Good,
    /// It is revoked or on hold.
    Revoked {
        /// Since when.
        at: Timestamp,
        /// Why; [`RevocationReason::Unspecified`] is written as no reason code (rule A2).
        reason: RevocationReason,
    },
    /// The issuer has not issued it.
    Unknown,
}

impl OcspCertStatus {
    /// Its name in RFC 6960.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked { .. } => "revoked",
            Self::Unknown => "unknown",
        }
    }

    fn write(self, writer: &mut Writer) {
        match self {
            Self::Good => writer.value(tag::context(0), &[]),
            Self::Unknown => writer.value(tag::context(2), &[]),
            Self::Revoked { at, reason } => writer.nested(tag::context_constructed(1), |w| {
                write_generalized_time(w, at);
                if reason != RevocationReason::Unspecified {
                    w.nested(tag::context_constructed(0), |w| w.value(tag::ENUMERATED, &[reason.code()]));
                }
            }),
        }
    }
}

impl fmt::Display for OcspCertStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revoked { at, reason } => write!(f, "revoked at {at} ({reason})"),
            other => f.write_str(other.name()),
        }
    }
}

/// The answer for one certificate: `SingleResponse`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspSingle {
    /// The certificate, as it was asked for.
    pub cert_id: OcspCertId,
    /// What is told of it.
    pub status: OcspCertStatus,
}

/// An answer to be written. Times are whole seconds; fractions are cut.
#[derive(Clone, Copy, Debug)]
pub struct OcspResponse<'a> {
    /// The key that will sign.
    pub responder: &'a PublicKey,
    /// When the answer is signed.
    pub produced_at: Timestamp,
    /// As of when the status is right.
    pub this_update: Timestamp,
    /// When newer information is there at the latest.
    pub next_update: Timestamp,
    /// What is told.
    pub singles: &'a [OcspSingle],
    /// The nonce of the request.
    pub nonce: Option<&'a [u8]>,
}

impl OcspResponse<'_> {
    /// The to-be-signed answer: `ResponseData`.
    #[must_use]
    pub fn tbs(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(256 + 160 * self.singles.len());
        writer.nested(tag::SEQUENCE, |w| {
            w.nested(tag::context_constructed(2), |w| w.value(tag::OCTET_STRING, &self.responder.key_identifier()));
            write_generalized_time(w, self.produced_at);
            w.nested(tag::SEQUENCE, |w| {
                for single in self.singles {
                    w.nested(tag::SEQUENCE, |w| {
                        w.raw(single.cert_id.der());
                        single.status.write(w);
                        write_generalized_time(w, self.this_update);
                        w.nested(tag::context_constructed(0), |w| write_generalized_time(w, self.next_update));
                    });
                }
            });
            if let Some(nonce) = self.nonce {
                w.nested(tag::context_constructed(1), |w| {
                    w.nested(tag::SEQUENCE, |w| {
                        write_extension(w, &oid::NONCE, false, |w| w.value(tag::OCTET_STRING, nonce));
                    });
                });
            }
        });
        writer.finish()
    }

    /// Puts signature and responder certificate to what was to be signed: a whole `OCSPResponse`.
    #[must_use]
    pub fn assemble(tbs: &[u8], algorithm: SignatureAlgorithm, signature: &[u8], certificate: &[u8]) -> Vec<u8> {
        let mut writer = Writer::with_capacity(tbs.len() + signature.len() + certificate.len() + 128);
        writer.nested(tag::SEQUENCE, |w| {
            w.value(tag::ENUMERATED, &[OcspStatus::Successful.code()]);
            w.nested(tag::context_constructed(0), |w| {
                w.nested(tag::SEQUENCE, |w| {
                    w.oid(&oid::BASIC);
                    w.octet_string(|w| {
                        w.nested(tag::SEQUENCE, |w| {
                            w.raw(tbs);
                            write_algorithm(w, algorithm);
                            w.bit_string(signature);
                            w.nested(tag::context_constructed(0), |w| w.nested(tag::SEQUENCE, |w| w.raw(certificate)));
                        });
                    });
                });
            });
        });
        writer.finish()
    }

    /// That there is no answer, and why: an `OCSPResponse` without a signature.
    #[must_use]
    pub fn failure(status: OcspStatus) -> Vec<u8> {
        encode(|w| w.nested(tag::SEQUENCE, |w| w.value(tag::ENUMERATED, &[status.code()])))
    }
}
