//! What a certificate is worth at a time: its own stream joined with its issuer's generation (architecture, invariant 10).

use core::fmt;

use crate::domain::ca::Ca;
use crate::log::Timestamp;
use crate::x509::RevocationReason;

use super::{Certificate, Revocation};

/// What a holder's certificate is worth at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Nobody issued it.
    Unknown,
    /// It is believed.
    Valid,
    /// It is on hold: not believed, but that can be lifted (rule A2).
    OnHold {
        /// Since when.
        since: Timestamp,
    },
    /// It was revoked for good, by itself or with its CA.
    Revoked {
        /// Why.
        reason: RevocationReason,
        /// When.
        at: Timestamp,
        /// Whether it ended with its CA's generation (rule C7), and was not revoked before.
        with_ca: bool,
    },
    /// Its last second of validity is over, and it was not revoked.
    Expired {
        /// Its last second.
        not_after: Timestamp,
    },
}

impl Status {
    /// Its name in lists and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Valid => "valid",
            Self::OnHold { .. } => "on-hold",
            Self::Revoked { .. } => "revoked",
            Self::Expired { .. } => "expired",
        }
    }

    /// Since when the certificate is of no use any more: revoked or expired.
    #[must_use]
    pub const fn ended(self) -> Option<Timestamp> {
        match self {
            Self::Revoked { at, .. } => Some(at),
            Self::Expired { not_after } => Some(not_after),
            _ => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnHold { since } => write!(f, "on hold since {since}"),
            Self::Revoked { reason, at, with_ca: false } => write!(f, "revoked at {at} ({reason})"),
            Self::Revoked { reason, at, with_ca: true } => write!(f, "ended with its CA at {at} ({reason})"),
            Self::Expired { not_after } => write!(f, "expired at {not_after}"),
            other => f.write_str(other.name()),
        }
    }
}

/// The status of a certificate at a time, given its issuer.
///
/// Its own revocation stands before the end of its issuer's generation, which stands before its expiry; a hold that has
/// not been lifted is overtaken by both. A generation that ended later than the certificate expired does not concern it;
/// one that ended before the certificate was revoked by itself dates that revocation, and a hold dates the end that makes
/// it final, as on the CRL. The
/// CA's reason is its certificates' as well, as on the CRL (rule A2: `cACompromise` is for CAs only).
#[must_use]
pub fn effective_status(certificate: &Certificate, issuer: &Ca, now: Timestamp) -> Status {
    let Some(issued) = certificate.issued() else { return Status::Unknown };
    let ended = issuer.end_of(issued.generation).filter(|ended| ended.at.floor_to_second() <= issued.not_after);
    if let Some(revocation) = final_revocation(certificate) {
        let at = ended.map_or(revocation.at, |ended| ended.at.min(revocation.at));
        return Status::Revoked { reason: revocation.reason, at, with_ca: false };
    }
    if let Some(ended) = ended {
        let at = certificate.revocation().map_or(ended.at, |hold| hold.at.min(ended.at));
        return Status::Revoked { reason: ended.reason(), at, with_ca: true };
    }
    if now.floor_to_second() > issued.not_after {
        return Status::Expired { not_after: issued.not_after };
    }
    match certificate.revocation() {
        Some(hold) => Status::OnHold { since: hold.at },
        None => Status::Valid,
    }
}

/// A revocation that is no hold.
pub(super) fn final_revocation(certificate: &Certificate) -> Option<&Revocation> {
    certificate.revocation().filter(|revocation| revocation.reason != RevocationReason::CertificateHold)
}
