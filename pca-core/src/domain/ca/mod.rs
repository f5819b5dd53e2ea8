//! Certificate authorities: roots and intermediates over all their generations.

mod configure;
mod constraints;
mod cross_sign;
mod disable;
mod enable_create;
mod enable_upload;
mod enabling;
mod ending;
pub(crate) mod external;
mod generation;
mod preview;
mod reenable;
mod remove;
mod renew;
mod reset;
mod retire;
mod revoke;
pub(crate) mod rules;
mod survey;
#[cfg(test)]
pub(crate) mod testing;
mod unfinished;

pub use configure::{ConfigureCa, Configured, PermittedProfiles};
pub use constraints::{ConstraintRequest, SubtreeRequest};
pub use cross_sign::{CrossSign, CrossSigned};
pub use disable::{DisableCa, Disabled};
pub use enable_create::{EnableByCreating, Lifetime};
pub use enable_upload::{ACCEPTABLE, EnableByUpload, VerifiedCrl};
pub use enabling::EnabledCa;
pub use ending::{EndedCa, Ending, EndingAnswer, TrustAnchor};
pub use external::{AbandonRequest, AbandonedRequest, EnableByCertificate, RequestCertificate, RequestedCertificate};
pub use generation::{CrossCertificate, EndedGeneration, Generation, OlderGeneration};
pub use preview::{Foreseen, ForeseenCa, Preview};
pub use reenable::{ReenableCa, Reenabled};
pub use remove::{RemoveCa, RemovedCa};
pub use renew::{Link, RenewCa, RenewedCa};
pub use reset::ResetCa;
pub use retire::{RetireKey, RetiredKey};
pub use revoke::RevokeCa;
pub use unfinished::{Step, outlived, unfinished};

use crate::keys::{Family, KeyId};
use std::sync::Arc;

use crate::log::{Fold, Moment, StreamId, Timestamp};
use crate::x509::{LeafTemplate, ProfileDefinition, ProfileName};

use super::certificate::Templates;
use super::event::{Addresses, CaRequested, Event, GenerationEnd};
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
    generation: Option<Box<Generation>>,
    older: Vec<OlderGeneration>,
    ended: Vec<EndedGeneration>,
    addresses: Addresses,
    crl_urls: Vec<String>,
    /// Keys that no generation has any more, and that are to be destroyed.
    left_keys: Vec<KeyId>,
    request: Option<Box<CaRequested>>,
    cross_certificates: Vec<CrossCertificate>,
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

    /// Its newest certificate and key, while it is enabled or disabled: those that issue.
    #[must_use]
    pub fn generation(&self) -> Option<&Generation> {
        self.generation.as_deref()
    }

    /// Generations that another one has followed, oldest first (rule C11).
    #[must_use]
    pub fn older(&self) -> &[OlderGeneration] {
        &self.older
    }

    /// Every generation that is in use, the one that issues first: those before it serve until the last certificate of
    /// their key has expired (rule C11).
    pub fn living_generations(&self) -> impl Iterator<Item = &Generation> {
        let older = self.older.iter().rev().filter(|older| !older.retired).map(|older| &older.generation);
        self.generation().into_iter().chain(older)
    }

    /// Every generation whose key is alive and signs CRLs and OCSP answers under this CA's name, the one that issues
    /// first (rules A3, C11). Each key is there once, with the newest generation that has it; a key that is kept elsewhere
    /// is not there.
    pub fn signing_generations(&self) -> impl Iterator<Item = &Generation> {
        let mut seen: Vec<&KeyId> = Vec::new();
        self.living_generations().filter(move |generation| {
            let first = !generation.is_external() && !seen.contains(&&generation.key);
            seen.push(&generation.key);
            first
        })
    }

    /// Every generation that there ever was, newest first.
    pub fn every_generation(&self) -> impl Iterator<Item = &Generation> {
        let older = self.older.iter().map(|older| &older.generation);
        let mut every: Vec<&Generation> = self
            .generation()
            .into_iter()
            .chain(older)
            .chain(self.ended.iter().map(|ended| &ended.generation))
            .collect();
        every.sort_by_key(|generation| core::cmp::Reverse(generation.number));
        every.into_iter()
    }

    /// A generation by its number, whatever has become of it.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Option<&Generation> {
        self.every_generation().find(|generation| generation.number == number)
    }

    /// The signing request that an issuer elsewhere has not answered yet (rule C2).
    #[must_use]
    pub fn request(&self) -> Option<&CaRequested> {
        self.request.as_deref()
    }

    /// Certificates of this root that another root signed, and those of other roots that it signed (rule C11).
    #[must_use]
    pub fn cross_certificates(&self) -> &[CrossCertificate] {
        &self.cross_certificates
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
        let newest = self.every_generation().next().map_or(0, |generation| generation.number);
        newest.saturating_add(1)
    }

    /// The addresses that it writes into certificates.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Every address of its CRL that it has written into certificates, over all generations, the newest last
    /// (rule A3: the list of a partition names them all).
    #[must_use]
    pub fn crl_urls(&self) -> &[String] {
        &self.crl_urls
    }

    fn address(&mut self, addresses: &Addresses) {
        self.addresses = addresses.clone();
        self.templates = Templates::default();
        if let Some(url) = &addresses.crl_url {
            self.crl_urls.retain(|known| known != url);
            self.crl_urls.push(url.clone());
        }
    }

    /// Keys that it has no use for any more, until they are destroyed (rule K3): of a CA that left the list while it had
    /// some (rule R6), and of signing requests that were given up (rule C2).
    #[must_use]
    pub fn left_keys(&self) -> &[KeyId] {
        &self.left_keys
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
        for end in end.each() {
            let newest = self.generation.take_if(|generation| generation.number == end.generation);
            let place = self.older.iter().position(|older| older.generation.number == end.generation);
            let older = || Some(self.older.remove(place?).generation);
            let Some(generation) = newest.map(|newest| *newest).or_else(older) else { continue };
            self.ended.push(EndedGeneration {
                last_crl: !end.last_crl,
                key_destroyed: end.external,
                end,
                generation,
                at: moment.time,
                position: moment.position,
                published: None,
            });
        }
        self.generation = None;
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
                self.address(&enabled.addresses);
                self.request = None;
                self.generation = Some(Box::new(Generation::enabled(enabled, moment)));
            }
            Event::CaRenewed(renewed) => {
                self.templates = Templates::default();
                if let Some(before) = self.generation.take() {
                    self.generation = Some(Box::new(Generation::renewed(renewed, &before.mode, moment)));
                    self.older.push(OlderGeneration { generation: *before, retired: false, key_destroyed: false });
                }
            }
            Event::CaKeyRetired(retired) => {
                let numbers = &retired.generations;
                let older = self.older.iter_mut().filter(|older| numbers.contains(&older.generation.number));
                older.for_each(|older| older.retired = true);
            }
            Event::CaRequested(requested) => self.request = Some(Box::new(requested.clone())),
            Event::CaRequestAbandoned(abandoned) => {
                self.request.take_if(|request| request.key == abandoned.key);
                self.left_keys.push(abandoned.key.clone());
            }
            Event::CaCrossSigned(signed) => self.cross_certificates.push(CrossCertificate {
                id: signed.id,
                ca: signed.ca.clone(),
                generation: signed.generation,
                by: signed.by.clone(),
                by_generation: signed.by_generation,
                certificate: signed.certificate.clone(),
                spki: signed.spki,
                not_after: signed.not_after,
            }),
            Event::CaConfigured(configured) => self.address(&configured.addresses),
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
                let ended = self.ended.iter_mut().filter(|ended| ended.end.key == destroyed.key);
                ended.for_each(|ended| ended.key_destroyed = true);
                let older = self.older.iter_mut().filter(|older| older.generation.key == destroyed.key);
                older.for_each(|older| older.key_destroyed = true);
                self.left_keys.retain(|key| *key != destroyed.key);
            }
            Event::CaRemoved(removed) => {
                self.state = CaState::Removed;
                self.left_keys.extend(removed.key.iter().chain(&removed.older_keys).cloned());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
