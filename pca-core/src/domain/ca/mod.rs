//! Certificate authorities: roots and intermediates over all their generations.

mod configure;
mod constraints;
mod disable;
mod enable_create;
mod enable_upload;
mod enabling;
mod ending;
mod preview;
mod reenable;
mod remove;
mod reset;
mod revoke;
pub(crate) mod rules;
mod survey;
#[cfg(test)]
pub(crate) mod testing;
mod unfinished;

pub use configure::{ConfigureCa, Configured, PermittedProfiles};
pub use constraints::{ConstraintRequest, SubtreeRequest};
pub use disable::{DisableCa, Disabled};
pub use enable_create::{EnableByCreating, Lifetime};
pub use enable_upload::{ACCEPTABLE, EnableByUpload, VerifiedCrl};
pub use enabling::EnabledCa;
pub use ending::{EndedCa, Ending, EndingAnswer, TrustAnchor};
pub use preview::{Foreseen, ForeseenCa, Preview};
pub use reenable::{ReenableCa, Reenabled};
pub use remove::{RemoveCa, RemovedCa};
pub use reset::ResetCa;
pub use revoke::RevokeCa;
pub use unfinished::{Step, unfinished};

use std::sync::Arc;

use crate::keys::{Family, KeyId};
use crate::log::{Digest, Fold, Moment, Position, StreamId, Timestamp};
use crate::x509::{
    CertificateId, LeafTemplate, NameHash, ParsedCertificate, ProfileDefinition, ProfileName, RevocationReason,
};

use super::certificate::Templates;
use super::event::{Addresses, CrlPublished, Der, EnableMode, Event, GenerationEnd};
use super::{CaId, OrderId};

/// Where a CA stands (rules, *Certificate authorities*). That its certificate or its term has expired is a matter of
/// time and no state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CaState {
    /// Nobody has bought it.
    #[default]
    Unknown,
    /// Bought, or reset since.
    NotEnabled,
    /// It issues.
    Enabled,
    /// It issues nothing for a while (rule C10).
    Disabled,
    /// Revoked for good (rule C9).
    Revoked,
    /// Frozen until the refund is returned or declined (rule R5).
    RefundRequested,
    /// Paid back (rule R5).
    Refunded,
    /// Off the list (rule R6).
    Removed,
}

/// What a CA may issue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// A root: issues intermediates only.
    Root {
        /// Every intermediate that was bought for it, the bundled one first.
        intermediates: Vec<CaId>,
    },
    /// An intermediate: issues certificates for holders only.
    Intermediate {
        /// Its root.
        root: CaId,
        /// Whether it came with the root.
        bundled: bool,
    },
}

/// The fold of `ca/<id>`.
#[derive(Clone, Debug, Default)]
pub struct Ca {
    id: Option<CaId>,
    bought: Option<Bought>,
    state: CaState,
    before_refund: CaState,
    generation: Option<Generation>,
    ended: Vec<EndedGeneration>,
    addresses: Addresses,
    left_key: Option<KeyId>,
    templates: Templates,
    profiles: Option<Arc<[ProfileName]>>,
}

/// What was bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bought {
    /// Root or intermediate.
    pub role: Role,
    /// The key family (rule O3).
    pub family: Family,
    /// The order.
    pub order: OrderId,
    /// When the service term ends (rule O5).
    pub term_ends: Timestamp,
}

/// A CA certificate with its key: what issues while the CA is enabled.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Counted from 1.
    pub number: u32,
    /// The certificate.
    pub certificate: Der,
    /// The certificate, read; absent only if it cannot be read, which nothing that was enabled can be.
    pub parsed: Option<Arc<ParsedCertificate>>,
    /// Its id.
    pub id: CertificateId,
    /// The hash of its subject name.
    pub subject_hash: NameHash,
    /// Its key.
    pub key: KeyId,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub spki: Digest,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// When it was enabled.
    pub enabled_at: Timestamp,
    /// How it got the certificate (rule C2).
    pub mode: EnableMode,
}

impl Generation {
    /// Whether the caller brought key and certificate: their own copy of the key outlives ours (rule C7).
    #[must_use]
    pub fn is_uploaded(&self) -> bool {
        matches!(self.mode, EnableMode::Uploaded { .. })
    }

    /// Whether its last second of validity has passed.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now.floor_to_second() > self.not_after
    }
}

/// A generation that was reset or revoked, and how far its end has been carried out (rule C7).
#[derive(Clone, Debug)]
pub struct EndedGeneration {
    /// What ended.
    pub end: GenerationEnd,
    /// The generation.
    pub generation: Generation,
    /// When it ended.
    pub at: Timestamp,
    /// Up to which position.
    pub position: Position,
    /// Whether its last CRL was signed, or is not to be signed.
    pub last_crl: bool,
    /// Its last CRL with the signature, once it was signed.
    pub published: Option<Box<CrlPublished>>,
    /// Whether its key was destroyed.
    pub key_destroyed: bool,
}

impl Ca {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> Option<&CaId> {
        self.id.as_ref()
    }

    /// What was bought; nothing for an id that nobody bought.
    #[must_use]
    pub fn bought(&self) -> Option<&Bought> {
        self.bought.as_ref()
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> CaState {
        self.state
    }

    /// Whether it is a root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        matches!(self.bought, Some(Bought { role: Role::Root { .. }, .. }))
    }

    /// The root of an intermediate.
    #[must_use]
    pub fn root(&self) -> Option<&CaId> {
        match &self.bought {
            Some(Bought { role: Role::Intermediate { root, .. }, .. }) => Some(root),
            _ => None,
        }
    }

    /// The intermediates of a root.
    #[must_use]
    pub fn intermediates(&self) -> &[CaId] {
        match &self.bought {
            Some(Bought { role: Role::Root { intermediates }, .. }) => intermediates,
            _ => &[],
        }
    }

    /// Its certificate and key, while it is enabled or disabled.
    #[must_use]
    pub fn generation(&self) -> Option<&Generation> {
        self.generation.as_ref()
    }

    /// Every generation whose key is alive and signs CRLs and OCSP answers under this CA's name, the one that issues
    /// first (rules A3, C11).
    pub fn signing_generations(&self) -> impl Iterator<Item = &Generation> {
        self.generation.iter()
    }

    /// Generations that were reset or revoked, oldest first.
    #[must_use]
    pub fn ended(&self) -> &[EndedGeneration] {
        &self.ended
    }

    /// How and when a generation ended, if it did: its certificates ended with it (architecture, invariant 10).
    #[must_use]
    pub fn end_of(&self, generation: u32) -> Option<&EndedGeneration> {
        self.ended.iter().find(|ended| ended.end.generation == generation)
    }

    /// The number that its next generation gets.
    #[must_use]
    pub fn next_generation(&self) -> u32 {
        let ended = self.ended.last().map_or(0, |ended| ended.end.generation);
        self.generation.as_ref().map_or(ended, |generation| generation.number).saturating_add(1)
    }

    /// The addresses that it writes into certificates.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The key of a CA that left the list while it had one, until the key is destroyed (rules R6, K3).
    #[must_use]
    pub fn left_key(&self) -> Option<&KeyId> {
        self.left_key.as_ref()
    }

    /// What stays the same in all certificates of a profile that it issues now, encoded once; nothing if it has no
    /// certificate, or one that cannot be read.
    #[must_use]
    pub fn template(&self, profile: &ProfileDefinition) -> Option<&LeafTemplate> {
        self.templates.of(profile, self.generation()?, &self.addresses)
    }

    /// The profiles that it may issue by; nothing while it may issue by all of them (rule I2).
    #[must_use]
    pub fn profiles(&self) -> Option<&[ProfileName]> {
        self.profiles.as_deref()
    }

    /// Whether it may issue by a profile (rule I2).
    #[must_use]
    pub fn permits(&self, profile: ProfileName) -> bool {
        self.profiles().is_none_or(|permitted| permitted.contains(&profile))
    }

    fn end(&mut self, end: &GenerationEnd, state: CaState, moment: &Moment<'_>) {
        self.state = state;
        if let Some(generation) = self.generation.take() {
            self.ended.push(EndedGeneration {
                end: end.clone(),
                generation,
                at: moment.time,
                position: moment.position,
                last_crl: !end.last_crl,
                published: None,
                key_destroyed: false,
            });
        }
    }
}

impl EndedGeneration {
    /// Why its certificates ended.
    #[must_use]
    pub fn reason(&self) -> RevocationReason {
        self.end.reason
    }
}

impl Fold for Ca {
    type Event = Event;

    fn begin(stream: &StreamId) -> Self {
        Self { id: stream.key().parse().ok(), ..Self::default() }
    }

    fn evolve(&mut self, event: &Event, moment: &Moment<'_>) {
        match event {
            Event::RootOrdered(ordered) => {
                let role = if self.id.as_ref() == Some(&ordered.root) {
                    Role::Root { intermediates: vec![ordered.intermediate.clone()] }
                } else {
                    Role::Intermediate { root: ordered.root.clone(), bundled: true }
                };
                let (family, order, term_ends) = (ordered.family, ordered.order.clone(), ordered.term_ends);
                self.bought = Some(Bought { role, family, order, term_ends });
                self.state = CaState::NotEnabled;
            }
            Event::IntermediateOrdered(ordered) if self.id.as_ref() == Some(&ordered.root) => {
                if let Some(Bought { role: Role::Root { intermediates }, .. }) = &mut self.bought {
                    intermediates.push(ordered.intermediate.clone());
                }
            }
            Event::IntermediateOrdered(ordered) => {
                let role = Role::Intermediate { root: ordered.root.clone(), bundled: false };
                let (family, order, term_ends) = (ordered.family, ordered.order.clone(), ordered.term_ends);
                self.bought = Some(Bought { role, family, order, term_ends });
                self.state = CaState::NotEnabled;
            }
            Event::TermExtended(extended) => {
                let term = extended.terms.iter().find(|term| Some(&term.ca) == self.id.as_ref());
                if let (Some(bought), Some(term)) = (&mut self.bought, term) {
                    bought.term_ends = term.ends;
                }
            }
            Event::RefundRequested(_) => {
                self.before_refund = self.state;
                self.state = CaState::RefundRequested;
            }
            Event::RefundReturned(_) => self.state = CaState::Refunded,
            Event::RefundDeclined(_) => self.state = self.before_refund,
            Event::CaEnabled(enabled) => {
                self.state = CaState::Enabled;
                self.addresses = enabled.addresses.clone();
                self.templates = Templates::default();
                self.generation = Some(Generation {
                    number: enabled.generation,
                    parsed: ParsedCertificate::from_der(enabled.certificate.as_bytes()).ok().map(Arc::new),
                    certificate: enabled.certificate.clone(),
                    id: enabled.id,
                    subject_hash: enabled.subject_hash,
                    key: enabled.key.clone(),
                    spki: enabled.spki,
                    not_before: enabled.not_before,
                    not_after: enabled.not_after,
                    enabled_at: moment.time,
                    mode: enabled.mode.clone(),
                });
            }
            Event::CaConfigured(configured) => {
                self.addresses = configured.addresses.clone();
                self.templates = Templates::default();
            }
            Event::ProfilesPermitted(permitted) => self.profiles = permitted.profiles.as_deref().map(Arc::from),
            Event::CaDisabled(_) => self.state = CaState::Disabled,
            Event::CaReenabled(_) => self.state = CaState::Enabled,
            Event::CaReset(reset) => self.end(&reset.end, CaState::NotEnabled, moment),
            Event::CaRevoked(revoked) => self.end(&revoked.end, CaState::Revoked, moment),
            Event::CrlPublished(published) => {
                let ended = self.ended.iter_mut().find(|ended| ended.end.generation == published.generation);
                if let Some(ended) = ended {
                    ended.last_crl = true;
                    ended.published = Some(Box::new(published.clone()));
                }
            }
            Event::KeyDestroyed(destroyed) => {
                if let Some(ended) = self.ended.iter_mut().find(|ended| ended.end.key == destroyed.key) {
                    ended.key_destroyed = true;
                }
                self.left_key.take_if(|key| *key == destroyed.key);
            }
            Event::CaRemoved(removed) => {
                self.state = CaState::Removed;
                self.left_key = removed.key.clone();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
