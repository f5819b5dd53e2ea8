//! Certificates for holders: issue, revocation, delivery, removal.

mod bulk;
mod deliver_key;
mod find;
mod holder;
mod issue;
mod issuer;
mod key_end;
mod key_source;
mod names;
mod release_hold;
mod remove;
mod renew;
mod revoke;
mod revoke_cross;
mod status;
mod template;
mod validity;

pub use bulk::IssueAtomically;
pub use deliver_key::{DeliverKey, Delivered};
pub use issue::{IssueCertificate, Issued};
pub use key_end::{KeyEnd, key_end_due, key_kept_until};
pub use key_source::{KeySource, ProvenKey};
pub use names::{NameRequest, NameRequestError};
pub use release_hold::{ReleaseHold, Released};
pub use remove::{RemoveCertificate, Removed};
pub use renew::RenewCertificate;
pub(crate) use renew::decide_renewal;
pub use revoke::{RevokeCertificate, Revoked};
pub use status::{Status, effective_status};
pub use template::Templates;
pub use validity::DEFAULT_DAYS;

use crate::keys::KeyId;
use crate::log::{Digest, Fold, Moment, StreamId, Timestamp};
use crate::x509::{CertificateId, RevocationReason};

use super::CaId;
use super::event::{CertificateIssued, Event};

/// The fold of `certificate/<issuer name hash>/<serial>`: a holder's certificate, or a CA's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    id: Option<CertificateId>,
    issued: Option<Box<CertificateIssued>>,
    issued_at: Timestamp,
    authority: Option<Authority>,
    responder: Option<OfResponder>,
    revoked: Option<Revocation>,
    key_delivered: u32,
    key_ending: bool,
    key_destroyed: bool,
    removed: bool,
    renewed_by: Option<CertificateId>,
}

/// That this is the certificate of a CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The CA.
    pub ca: CaId,
    /// Which generation.
    pub generation: u32,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// The root that signed it, if it is a cross-certificate (rule C11).
    pub by: Option<CaId>,
}

/// That this is the certificate of an OCSP responder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfResponder {
    /// The CA that it answers for.
    pub ca: CaId,
    /// SHA-256 of the SubjectPublicKeyInfo of the key that it answers for.
    pub issuer: Digest,
}

/// That a certificate was revoked or is on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Why.
    pub reason: RevocationReason,
    /// When: the time of the first revocation or hold.
    pub at: Timestamp,
    /// Since when the certificate is not to be believed.
    pub invalidity_date: Option<Timestamp>,
    /// Whether the reason was raised to `keyCompromise` (rule A2: once).
    pub raised: bool,
}

impl Certificate {
    /// What was issued to a holder.
    #[must_use]
    pub fn issued(&self) -> Option<&CertificateIssued> {
        self.issued.as_deref()
    }

    /// When it was issued.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// The CA whose own certificate it is.
    #[must_use]
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// The OCSP responder whose own certificate it is.
    #[must_use]
    pub fn responder(&self) -> Option<&OfResponder> {
        self.responder.as_ref()
    }

    /// Its own revocation or hold; that its CA's generation ended is another matter.
    #[must_use]
    pub fn revocation(&self) -> Option<&Revocation> {
        self.revoked.as_ref()
    }

    /// The key that the platform keeps for the holder, until it is destroyed.
    #[must_use]
    pub fn kept_key(&self) -> Option<&KeyId> {
        self.issued.as_ref().and_then(|issued| issued.key.as_ref()).filter(|_| !self.key_destroyed)
    }

    /// Whether the end of its key is decided, and perhaps carried out: at a delivery that asked for it, or at removal
    /// (rule K4).
    #[must_use]
    pub fn is_key_ending(&self) -> bool {
        self.key_ending
    }

    /// How often its key was handed out.
    #[must_use]
    pub fn keys_delivered(&self) -> u32 {
        self.key_delivered
    }

    /// The certificate that renewed it last (rule A4).
    #[must_use]
    pub fn renewed_by(&self) -> Option<&CertificateId> {
        self.renewed_by.as_ref()
    }

    /// Whether it left the list.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.removed
    }
}

impl Fold for Certificate {
    type Event = Event;

    fn begin(stream: &StreamId) -> Self {
        Self { id: CertificateId::from_stream(stream), ..Self::default() }
    }

    fn evolve(&mut self, event: &Event, moment: &Moment<'_>) {
        match event {
            // What renews it stands in its stream, too (rule A4).
            Event::CertificateIssued(issued) if issued.renews.is_some() && issued.renews == self.id => {
                self.renewed_by = Some(issued.id);
            }
            Event::CertificateIssued(issued) => {
                self.issued = Some(Box::new(issued.clone()));
                self.issued_at = moment.time;
            }
            Event::CaEnabled(enabled) => {
                let (ca, generation, not_after) = (enabled.ca.clone(), enabled.generation, enabled.not_after);
                self.authority = Some(Authority { ca, generation, not_after, by: None });
                self.issued_at = moment.time;
            }
            Event::CaRenewed(renewed) => {
                // It may be one of the links: they live as long as they say, and end with the CA.
                let link = renewed.links.iter().find(|link| Some(link.id) == self.id);
                let not_after = link.map_or(renewed.not_after, |link| link.not_after);
                let (ca, generation) = (renewed.ca.clone(), renewed.generation);
                self.authority = Some(Authority { ca, generation, not_after, by: None });
                self.issued_at = moment.time;
            }
            Event::CaCrossSigned(signed) => {
                let (ca, generation, not_after) = (signed.ca.clone(), signed.generation, signed.not_after);
                self.authority = Some(Authority { ca, generation, not_after, by: Some(signed.by.clone()) });
                self.issued_at = moment.time;
            }
            Event::ResponderCertified(certified) => {
                self.responder = Some(OfResponder { ca: certified.ca.clone(), issuer: certified.issuer });
                self.issued_at = moment.time;
            }
            Event::CertificateRevoked(revoked) => {
                let before = self.revoked;
                self.revoked = Some(Revocation {
                    reason: revoked.reason,
                    at: before.map_or(moment.time, |before| before.at),
                    invalidity_date: revoked.invalidity_date.or(before.and_then(|before| before.invalidity_date)),
                    raised: before.is_some_and(|before| before.reason != RevocationReason::CertificateHold),
                });
            }
            Event::HoldReleased(_) => self.revoked = None,
            Event::KeyDelivered(delivered) => {
                self.key_delivered = self.key_delivered.saturating_add(1);
                self.key_ending |= delivered.destroy_after;
            }
            Event::KeyDestroyed(_) => self.key_destroyed = true,
            Event::CertificateRemoved(_) => {
                self.removed = true;
                self.key_ending = true;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
