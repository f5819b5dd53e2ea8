//! Revocations under an issuer name, and its CRLs (rule A3).

mod last;
mod list;
mod publish;

pub use last::PublishLastCrl;
pub use list::{RebuildError, last_crl, rolls_needed, to_be_signed};
pub use publish::{PublishCrl, PublishedCrl};

use std::collections::BTreeMap;

use crate::log::{Fold, Moment, Position, StreamId, Timestamp};
use crate::x509::{RevocationReason, SerialNumber};

use super::event::{CaReset, CaRevoked, CrlPublished, Event, GenerationEnd};

/// The fold of `crl/<issuer name hash>`: over all keys, generations and resets of the name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crl {
    entries: BTreeMap<SerialNumber, Entry>,
    ends: Vec<End>,
    published: Option<CrlPublished>,
    published_at: Position,
    last_number: u64,
    moved: Position,
    changed: bool,
}

/// A certificate that is revoked or on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
    /// Since when it is not to be believed.
    pub invalidity_date: Option<Timestamp>,
    /// Its last second of validity; absent where unknown (carried over): it then never leaves.
    pub not_after: Option<Timestamp>,
}

/// That a generation of a CA ended: all that it issued ended with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// What ended.
    pub end: GenerationEnd,
    /// When.
    pub at: Timestamp,
    /// The position of the event that says so: what the generation issued stands before it.
    pub position: Position,
}

impl Crl {
    /// What is revoked or on hold by itself, by serial number.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<SerialNumber, Entry> {
        &self.entries
    }

    /// Generations that ended, oldest first.
    #[must_use]
    pub fn ends(&self) -> &[End] {
        &self.ends
    }

    /// The newest CRL.
    #[must_use]
    pub fn published(&self) -> Option<&CrlPublished> {
        self.published.as_ref()
    }

    /// The position of the event that tells of the newest CRL.
    #[must_use]
    pub fn published_at(&self) -> Position {
        self.published_at
    }

    /// The highest CRL number so far, 0 for none.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// The position of the newest event that changed what is revoked.
    #[must_use]
    pub fn moved(&self) -> Position {
        self.moved
    }

    /// Whether what is revoked has changed since the newest CRL.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.changed
    }
}

impl Fold for Crl {
    type Event = Event;

    fn begin(_: &StreamId) -> Self {
        Self::default()
    }

    fn evolve(&mut self, event: &Event, moment: &Moment<'_>) {
        match event {
            Event::CrlPublished(published) => {
                self.last_number = self.last_number.max(published.number);
                self.published = Some(published.clone());
                self.published_at = moment.position;
                self.changed = false;
                return;
            }
            Event::CertificateRevoked(revoked) => {
                let before = self.entries.get(&revoked.id.serial()).copied();
                let entry = Entry {
                    at: before.map_or(moment.time, |before| before.at),
                    reason: revoked.reason,
                    invalidity_date: revoked.invalidity_date.or(before.and_then(|before| before.invalidity_date)),
                    not_after: Some(revoked.not_after),
                };
                self.entries.insert(revoked.id.serial(), entry);
            }
            Event::HoldReleased(released) => {
                self.entries.remove(&released.id.serial());
            }
            Event::CaReset(CaReset { end }) | Event::CaRevoked(CaRevoked { end }) => {
                // Each generation for itself: those that were renewed end with the newest (rule C11).
                let ends = end.each().into_iter();
                self.ends.extend(ends.map(|end| End { end, at: moment.time, position: moment.position }));
            }
            Event::CaEnabled(enabled) => {
                if let Some(carried) = &enabled.carried_crl {
                    self.last_number = self.last_number.max(carried.number.unwrap_or_default());
                    for entry in &carried.entries {
                        let (at, reason, invalidity_date) = (entry.revoked_at, entry.reason, entry.invalidity_date);
                        let carried = Entry { at, reason, invalidity_date, not_after: None };
                        self.entries.entry(entry.serial).or_insert(carried);
                    }
                }
            }
            _ => return,
        }
        self.moved = moment.position;
        self.changed = true;
    }
}

#[cfg(test)]
mod tests;
