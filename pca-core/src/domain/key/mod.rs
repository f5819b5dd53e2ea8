//! Keys and names as the log sees them: lives of keys (rule K3), roles of public keys (rule K2), owners of names (rule C4).

mod abandon;
mod confirm;

pub use abandon::{AbandonKey, AbandonedKey};
pub use confirm::{ConfirmKeyDestroyed, KeyGone};

use crate::log::{Fold, Moment, StreamId};
use crate::x509::CertificateId;

use super::CaId;
use super::event::{Event, KeyOwner};

/// The fold of `key/<id>`: where a key stands in its life (rule K3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyState {
    /// No event names it: an orphan, if the key store has it.
    #[default]
    Unknown,
    /// In use.
    Living(KeyOwner),
    /// Its end is decided and has to be carried out.
    Ending(KeyOwner),
    /// Destroyed, or given up; and whose it was, if it was anybody's.
    Ended(Option<KeyOwner>),
}

impl KeyState {
    /// Whose key it is, or was.
    #[must_use]
    pub fn owner(&self) -> Option<&KeyOwner> {
        match self {
            Self::Unknown => None,
            Self::Living(owner) | Self::Ending(owner) => Some(owner),
            Self::Ended(owner) => owner.as_ref(),
        }
    }
}

impl Fold for KeyState {
    type Event = Event;

    fn begin(_: &StreamId) -> Self {
        Self::Unknown
    }

    fn evolve(&mut self, event: &Event, _: &Moment<'_>) {
        match event {
            Event::CaEnabled(enabled) => *self = Self::Living(KeyOwner::Ca(enabled.ca.clone())),
            Event::CaRenewed(renewed) => *self = Self::Living(KeyOwner::Ca(renewed.ca.clone())),
            Event::CaRequested(requested) => *self = Self::Living(KeyOwner::Ca(requested.ca.clone())),
            Event::CertificateIssued(issued) => *self = Self::Living(KeyOwner::Certificate(issued.id)),
            Event::CaKeyRetired(retired) => *self = Self::Ending(KeyOwner::Ca(retired.ca.clone())),
            Event::CaRequestAbandoned(abandoned) => *self = Self::Ending(KeyOwner::Ca(abandoned.ca.clone())),
            Event::CaReset(reset) => *self = Self::Ending(KeyOwner::Ca(reset.end.ca.clone())),
            Event::CaRevoked(revoked) => *self = Self::Ending(KeyOwner::Ca(revoked.end.ca.clone())),
            Event::CaRemoved(removed) => *self = Self::Ending(KeyOwner::Ca(removed.ca.clone())),
            Event::KeyDelivered(delivered) if delivered.destroy_after => {
                *self = Self::Ending(KeyOwner::Certificate(delivered.id));
            }
            Event::CertificateRemoved(removed) => *self = Self::Ending(KeyOwner::Certificate(removed.id)),
            // It concerns the key of the new responder, and that of the one before, which comes to its end.
            Event::ResponderCertified(certified) => {
                let owner = KeyOwner::Responder(certified.issuer);
                *self = if *self == Self::Unknown { Self::Living(owner) } else { Self::Ending(owner) };
            }
            Event::KeyDestroyed(_) | Event::KeyAbandoned(_) => *self = Self::Ended(self.owner().cloned()),
            _ => {}
        }
    }
}

/// The fold of `spki/<digest>`: one key, one role, for ever (rule K2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRole {
    /// Nobody has used it.
    #[default]
    Unused,
    /// It is, or was, the key of a CA.
    Ca(CaId),
    /// It is, or was, the key of an OCSP responder.
    Responder(CertificateId),
    /// It is the key of end-entity certificates.
    EndEntity(CertificateId),
    /// A certificate with it was revoked for `keyCompromise`.
    Compromised(CertificateId),
}

impl Fold for KeyRole {
    type Event = Event;

    fn begin(_: &StreamId) -> Self {
        Self::Unused
    }

    fn evolve(&mut self, event: &Event, _: &Moment<'_>) {
        match event {
            Event::CaEnabled(enabled) => *self = Self::Ca(enabled.ca.clone()),
            Event::CaRenewed(renewed) => *self = Self::Ca(renewed.ca.clone()),
            Event::CaRequested(requested) => *self = Self::Ca(requested.ca.clone()),
            Event::CertificateIssued(issued) if *self == Self::Unused => *self = Self::EndEntity(issued.id),
            Event::ResponderCertified(certified) => *self = Self::Responder(certified.id),
            Event::CertificateRevoked(revoked) if !matches!(self, Self::Ca(_) | Self::Responder(_)) => {
                *self = Self::Compromised(revoked.id)
            }
            _ => {}
        }
    }
}

/// The fold of `name/<folded subject name hash>`: which CA has it as its subject (rule C4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameOwner {
    owner: Option<CaId>,
}

impl NameOwner {
    /// The CA that has, or had, the name; only it may have it again.
    #[must_use]
    pub fn owner(&self) -> Option<&CaId> {
        self.owner.as_ref()
    }
}

impl Fold for NameOwner {
    type Event = Event;

    fn begin(_: &StreamId) -> Self {
        Self::default()
    }

    fn evolve(&mut self, event: &Event, _: &Moment<'_>) {
        match event {
            Event::CaEnabled(enabled) => self.owner = Some(enabled.ca.clone()),
            Event::CaRequested(requested) => self.owner = Some(requested.ca.clone()),
            _ => {}
        }
    }
}
