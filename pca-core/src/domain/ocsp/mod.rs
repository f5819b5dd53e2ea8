//! What relying parties are told of certificates when they ask (OCSP; rules A2, A3, I1).
//!
//! Nothing of an answer is kept: it is a function of the log at a time, of the same streams as the CRLs are. What is kept is
//! who answers: for each issuing key a *responder*, a key with a short-lived certificate that this very key signed.

mod answer;
mod certify;
mod status;
#[cfg(test)]
mod tests;

pub use answer::{Answered, Prepared, issuer_of, prepare};
pub use certify::{CertifiedResponder, CertifyResponder};
pub use status::{issuing_key, status_of};

use std::sync::Arc;

use crate::keys::KeyId;
use crate::log::{Fold, Moment, StreamId, Timestamp};
use crate::x509::{CertificateId, ParsedCertificate};

use super::CaId;
use super::event::{Der, Event};

/// The fold of `ocsp/<SHA-256 of an issuing key>`: who answers for what that key issued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Responders {
    current: Option<Responder>,
}

/// An OCSP responder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responder {
    /// The CA that it answers for.
    pub ca: CaId,
    /// Which generation's key signed its certificate.
    pub generation: u32,
    /// Its certificate.
    pub certificate: Der,
    /// The certificate, read; absent only if it cannot be read, which nothing that was certified can be.
    pub parsed: Option<Arc<ParsedCertificate>>,
    /// The certificate's id.
    pub id: CertificateId,
    /// Its key.
    pub key: KeyId,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
}

impl Responder {
    /// Whether its last second of validity has passed: it answers no more, and its key ends (rule K3).
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        now.floor_to_second() > self.not_after
    }

    /// Whether the next one is to take its place: half of its life has passed, and its issuer outlives it.
    #[must_use]
    pub fn is_due(&self, issuer_ends: Timestamp, now: Timestamp) -> bool {
        let half = (self.not_after.secs() - self.not_before.secs()) / 2;
        self.not_after < issuer_ends && now >= self.not_before.plus_secs(half)
    }
}

impl Responders {
    /// The newest one, until its key is destroyed.
    #[must_use]
    pub fn current(&self) -> Option<&Responder> {
        self.current.as_ref()
    }

    /// The one that answers now.
    #[must_use]
    pub fn living(&self, now: Timestamp) -> Option<&Responder> {
        self.current().filter(|responder| !responder.has_ended(now) && now >= responder.not_before)
    }

    /// Whether the end of a key has come (rule K3): it was replaced, or its certificate has ended.
    #[must_use]
    pub fn is_key_over(&self, key: &KeyId, now: Timestamp) -> bool {
        self.current().filter(|responder| responder.key == *key).is_none_or(|responder| responder.has_ended(now))
    }
}

impl Fold for Responders {
    type Event = Event;

    fn begin(_: &StreamId) -> Self {
        Self::default()
    }

    fn evolve(&mut self, event: &Event, _: &Moment<'_>) {
        match event {
            Event::ResponderCertified(certified) => {
                self.current = Some(Responder {
                    ca: certified.ca.clone(),
                    generation: certified.generation,
                    parsed: ParsedCertificate::from_der(certified.certificate.as_bytes()).ok().map(Arc::new),
                    certificate: certified.certificate.clone(),
                    id: certified.id,
                    key: certified.key.clone(),
                    not_before: certified.not_before,
                    not_after: certified.not_after,
                });
            }
            Event::KeyDestroyed(destroyed) => {
                self.current.take_if(|responder| responder.key == destroyed.key);
            }
            _ => {}
        }
    }
}
