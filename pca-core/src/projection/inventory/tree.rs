//! CAs in the inventory, as a tree.

use core::fmt;

use serde::Serialize;

use crate::domain::ca::{Ca, CaState, Generation, Role};
use crate::domain::{CaId, OrderId};
use crate::keys::{Algorithm, Family};
use crate::log::{Digest, Timestamp};
use crate::x509::{CertificateId, SerialNumber};

use super::{CertificateStatus, Inventory};

/// Where a CA stands at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CaStatus {
    /// Bought, or reset since.
    NotEnabled,
    /// It issues.
    Enabled,
    /// It issues nothing for a while (rule C10).
    Disabled,
    /// An issuer elsewhere is asked for its certificate (rule C2).
    Requested,
    /// Its certificate is past its last second of validity.
    Expired,
    /// Revoked for good (rule C9).
    Revoked,
    /// Frozen until the refund is returned or declined (rule R5).
    RefundRequested,
    /// Paid back (rule R5).
    Refunded,
    /// Off the list (rule R6).
    Removed,
}

impl CaStatus {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotEnabled => "not-enabled",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Requested => "requested",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::RefundRequested => "refund-requested",
            Self::Refunded => "refunded",
            Self::Removed => "removed",
        }
    }

    fn of(ca: &Ca, now: Timestamp) -> Self {
        let expired = ca.generation().is_some_and(|generation| now.floor_to_second() > generation.not_after);
        match ca.state() {
            CaState::Enabled | CaState::Disabled if expired => Self::Expired,
            CaState::Enabled => Self::Enabled,
            CaState::Disabled => Self::Disabled,
            CaState::Revoked => Self::Revoked,
            CaState::RefundRequested => Self::RefundRequested,
            CaState::Refunded => Self::Refunded,
            CaState::Removed => Self::Removed,
            CaState::NotEnabled if ca.request().is_some() => Self::Requested,
            CaState::NotEnabled | CaState::Unknown => Self::NotEnabled,
        }
    }
}

impl fmt::Display for CaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A CA at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CaEntry {
    /// The CA.
    pub ca: CaId,
    /// The root of an intermediate; absent for a root.
    pub root: Option<CaId>,
    /// Whether an intermediate came with its root.
    pub bundled: bool,
    /// The key family (rule O3).
    pub family: Family,
    /// The order that brought it.
    pub order: OrderId,
    /// Where it stands.
    pub status: CaStatus,
    /// When its service term ends (rule O5).
    pub term_ends: Timestamp,
    /// Its certificate, while it has one: the newest, which issues.
    pub certificate: Option<CaCertificateEntry>,
    /// Its older certificates that are still in use, newest first (rule C11).
    pub older: Vec<CaCertificateEntry>,
    /// How many generations it has had before.
    pub ended_generations: usize,
    /// What it issued.
    pub certificates: Counts,
}

impl CaEntry {
    /// What people call it: its common name, or its id.
    #[must_use]
    pub fn title(&self) -> &str {
        let name = self.certificate.as_ref().and_then(|certificate| certificate.common_name.as_deref());
        name.unwrap_or(self.ca.as_str())
    }
}

/// The certificate of a CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CaCertificateEntry {
    /// Its id.
    pub id: CertificateId,
    /// Its serial number.
    pub serial: SerialNumber,
    /// Which generation.
    pub generation: u32,
    /// Its subject, as text.
    pub subject: Option<String>,
    /// Its common name.
    pub common_name: Option<String>,
    /// The algorithm of its key; absent for an uploaded RSA key of an unusual size.
    pub algorithm: Option<Algorithm>,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// SHA-256 of its DER.
    pub fingerprint: Digest,
}

/// How many certificates have each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Valid.
    pub valid: u64,
    /// Expired.
    pub expired: u64,
    /// Revoked.
    pub revoked: u64,
    /// On hold.
    pub on_hold: u64,
    /// Ended with their issuer.
    pub ended: u64,
}

/// A root with its intermediates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Branch {
    /// The root.
    pub root: CaEntry,
    /// Its intermediates, in order of purchase.
    pub intermediates: Vec<CaEntry>,
}

impl Inventory {
    /// The hierarchy at a time: roots in order of purchase, each with its intermediates. Removed CAs are left out unless
    /// they are asked for; a removed root stays where an intermediate of it is listed.
    #[must_use]
    pub fn tree(&self, now: Timestamp, removed: bool) -> Vec<Branch> {
        let listed = |entry: &CaEntry| removed || entry.status != CaStatus::Removed;
        self.cas()
            .filter(|ca| ca.is_root())
            .filter_map(|ca| {
                let root = self.entry(ca, now)?;
                let intermediates: Vec<CaEntry> =
                    ca.intermediates().iter().filter_map(|id| self.ca_entry(id, now)).filter(listed).collect();
                (listed(&root) || !intermediates.is_empty()).then_some(Branch { root, intermediates })
            })
            .collect()
    }

    /// A CA at a time.
    #[must_use]
    pub fn ca_entry(&self, id: &CaId, now: Timestamp) -> Option<CaEntry> {
        self.entry(self.ca(id)?, now)
    }

    /// How many certificates of a CA have each status at a time, removed ones included.
    #[must_use]
    pub fn counts(&self, ca: &CaId, now: Timestamp) -> Counts {
        let mut counts = Counts::default();
        for entry in self.issued_by(ca) {
            let count = match self.status(entry, now) {
                CertificateStatus::Valid => &mut counts.valid,
                CertificateStatus::Expired => &mut counts.expired,
                CertificateStatus::Revoked => &mut counts.revoked,
                CertificateStatus::OnHold => &mut counts.on_hold,
                CertificateStatus::Ended => &mut counts.ended,
            };
            *count = count.saturating_add(1);
        }
        counts
    }

    fn entry(&self, ca: &Ca, now: Timestamp) -> Option<CaEntry> {
        let (id, bought) = (ca.id()?, ca.bought()?);
        let mut living = ca.living_generations().map(CaCertificateEntry::of);
        let (certificate, older) = (living.next(), living.collect());
        Some(CaEntry {
            ca: id.clone(),
            root: ca.root().cloned(),
            bundled: matches!(bought.role, Role::Intermediate { bundled: true, .. }),
            family: bought.family,
            order: bought.order.clone(),
            status: CaStatus::of(ca, now),
            term_ends: bought.term_ends,
            certificate,
            older,
            ended_generations: ca.ended().len(),
            certificates: self.counts(id, now),
        })
    }
}

impl CaCertificateEntry {
    fn of(generation: &Generation) -> Self {
        let parsed = generation.parsed.as_deref();
        let key = parsed.and_then(|parsed| parsed.public_key().ok());
        Self {
            id: generation.id,
            serial: generation.id.serial(),
            generation: generation.number,
            subject: parsed.map(|parsed| parsed.subject().to_string()),
            common_name: parsed.and_then(|parsed| parsed.subject().common_name()),
            algorithm: key.and_then(crate::keys::PublicKey::algorithm),
            not_before: generation.not_before,
            not_after: generation.not_after,
            fingerprint: Digest::of(generation.certificate.as_bytes()),
        }
    }
}
