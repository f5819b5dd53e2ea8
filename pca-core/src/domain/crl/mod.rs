//! Revocations under an issuer name, and its CRLs (rule A3).

mod entries;
mod issue;
mod last;
mod list;
mod partition;
mod publish;

pub use entries::{Entries, Entry};
pub use last::PublishLastCrl;
pub use list::{RebuildError, last_crl, rolls_needed, to_be_signed};
pub use partition::{delta_address, partition_address, partition_of};
pub use publish::{PublishCrl, PublishedCrl};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::log::{Fold, Moment, Position, Revision, StreamId, Timestamp};
use crate::x509::SerialNumber;

use super::event::{CaReset, CaRevoked, CrlPublished, Event, GenerationEnd};

/// The fold of `crl/<issuer name hash>`: over all keys, generations and resets of the name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crl {
    entries: Entries,
    released: BTreeMap<SerialNumber, Released>,
    ends: Vec<End>,
    issues: BTreeMap<CrlScope, IssuedCrl>,
    last_number: u64,
    moved: Position,
    moved_everywhere: Position,
    moved_in: BTreeMap<u16, Position>,
}

/// What a CRL of an issuer name is about: the full ones of the name or of a partition, and the deltas to either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CrlScope {
    /// The partition; absent for all certificates of the name.
    pub partition: Option<u16>,
    /// Whether it tells only what changed since a full one.
    pub delta: bool,
}

/// The newest CRL of a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCrl {
    by: Vec<CrlPublished>,
    at: Position,
}

/// A hold that was lifted after a full CRL that may list it: deltas to that one say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Released {
    at: Timestamp,
    position: Position,
    not_after: Option<Timestamp>,
    partition: Option<u16>,
}

/// That a generation of a CA ended: all that it issued ended with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// What ended.
    pub end: GenerationEnd,
    /// When.
    pub at: Timestamp,
    /// The position of the event that says so: what the generation issued stands before it.
    pub position: Position,
}

impl IssuedCrl {
    /// What was signed: the same list by every key that was alive, all with the same number and times.
    #[must_use]
    pub fn by(&self) -> &[CrlPublished] {
        &self.by
    }

    /// The position of the event that tells of the last of them.
    #[must_use]
    pub const fn at(&self) -> Position {
        self.at
    }

    fn covers(&self) -> Position {
        self.by.first().map_or(Position::ZERO, |published| published.covers)
    }
}

impl Crl {
    /// The version of this fold. It rises whenever the same events fold to another state: another field, another name or
    /// shape of one, another meaning. A snapshot of another version is never read.
    pub const FOLD_VERSION: u32 = 1;

    /// Whether it can be the state of `crl/<name>` at a revision.
    pub(crate) fn is_sound(&self, name: &str, revision: Revision) -> bool {
        let issued = self.issues.values().flat_map(|issued| &issued.by);
        let entries = self.entries.iter().map(|(_, entry)| entry.moved);
        let moved = entries.chain(self.released.values().map(|released| released.position));
        let moved = moved.chain(self.ends.iter().map(|end| end.position)).chain(self.moved_in.values().copied());
        revision > Revision::ZERO
            && issued.clone().all(|one| one.subject_hash.to_string() == name && one.number <= self.last_number)
            && issued.clone().all(|one| one.covers <= self.moved)
            && moved.chain([self.moved_everywhere]).all(|moved| moved <= self.moved)
    }

    /// What is revoked or on hold by itself, by serial number.
    #[must_use]
    pub const fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Generations that ended, oldest first.
    #[must_use]
    pub fn ends(&self) -> &[End] {
        &self.ends
    }

    /// The newest full CRL of the name.
    #[must_use]
    pub fn published(&self) -> Option<&CrlPublished> {
        self.issued(CrlScope::default())?.by.first()
    }

    /// The position of the event that tells of the newest full CRL of the name.
    #[must_use]
    pub fn published_at(&self) -> Position {
        self.issued(CrlScope::default()).map_or(Position::ZERO, IssuedCrl::at)
    }

    /// The newest CRL of a scope.
    #[must_use]
    pub fn issued(&self, scope: CrlScope) -> Option<&IssuedCrl> {
        self.issues.get(&scope)
    }

    /// The newest CRL of each scope that has had one.
    pub fn all_issued(&self) -> impl Iterator<Item = (CrlScope, &IssuedCrl)> {
        self.issues.iter().map(|(scope, issued)| (*scope, issued))
    }

    /// The highest CRL number so far, over all scopes; 0 for none.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// The position of the newest event that changed what is revoked.
    #[must_use]
    pub fn moved(&self) -> Position {
        self.moved
    }

    /// Whether what is revoked has changed since the newest full CRL of the name.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.has_changed_in(CrlScope::default())
    }

    /// Whether what is revoked in a scope has changed since its newest CRL.
    #[must_use]
    pub fn has_changed_in(&self, scope: CrlScope) -> bool {
        let moved = match scope.partition {
            None => self.moved,
            Some(index) => self.moved_in.get(&index).copied().unwrap_or_default().max(self.moved_everywhere),
        };
        moved > self.issued(scope).map_or(Position::ZERO, IssuedCrl::covers)
    }

    fn publish(&mut self, published: &CrlPublished, position: Position) {
        self.last_number = self.last_number.max(published.number);
        let partition = published.partition.as_ref().map(|partition| partition.index);
        let scope = CrlScope { partition, delta: published.delta.is_some() };
        match self.issues.get_mut(&scope) {
            Some(issued) if issued.by.first().is_some_and(|first| first.number == published.number) => {
                issued.by.push(published.clone());
                issued.at = position;
            }
            _ => {
                self.issues.insert(scope, IssuedCrl { by: vec![published.clone()], at: position });
            }
        }
        if !scope.delta {
            let issues = &self.issues;
            let is_news = |partition: Option<u16>, position: Position| {
                let base = issues.get(&CrlScope { partition, delta: false });
                base.is_some_and(|base| base.covers() < position)
            };
            self.released.retain(|_, released| {
                is_news(None, released.position)
                    || released.partition.is_some() && is_news(released.partition, released.position)
            });
        }
    }

    /// Takes note that the list of a partition, or only that of the name, has changed.
    fn moved_by(&mut self, partition: Option<u16>, position: Position) {
        if let Some(index) = partition {
            self.moved_in.insert(index, position);
        }
    }
}

impl Fold for Crl {
    type Event = Event;

    fn begin(_: &StreamId) -> Self {
        Self::default()
    }

    fn evolve(&mut self, event: &Event, moment: &Moment<'_>) {
        let position = moment.position;
        match event {
            Event::CrlPublished(published) => return self.publish(published, position),
            Event::CertificateRevoked(revoked) => {
                let serial = revoked.id.serial();
                let before = self.entries.get(&serial).copied();
                let entry = Entry {
                    at: before.map_or(moment.time, |before| before.at),
                    reason: revoked.reason,
                    invalidity_date: revoked.invalidity_date.or(before.and_then(|before| before.invalidity_date)),
                    not_after: Some(revoked.not_after),
                    partition: revoked.partition,
                    moved: position,
                };
                self.entries.insert(serial, entry);
                self.released.remove(&serial);
                self.moved_by(revoked.partition, position);
            }
            Event::HoldReleased(released) => {
                let serial = released.id.serial();
                if let Some(Entry { not_after, partition, .. }) = self.entries.remove(&serial) {
                    let lifted = Released { at: moment.time, position, not_after, partition };
                    self.released.insert(serial, lifted);
                    self.moved_by(partition, position);
                }
            }
            Event::CaReset(CaReset { end }) | Event::CaRevoked(CaRevoked { end }) => {
                // Each generation for itself: those that were renewed end with the newest (rule C11).
                let ends = end.each().into_iter();
                self.ends.extend(ends.map(|end| End { end, at: moment.time, position }));
                self.moved_everywhere = position;
            }
            Event::CaEnabled(enabled) => {
                if let Some(carried) = &enabled.carried_crl {
                    self.last_number = self.last_number.max(carried.number.unwrap_or_default());
                    for entry in &carried.entries {
                        let (at, reason, invalidity_date) = (entry.revoked_at, entry.reason, entry.invalidity_date);
                        let moved = position;
                        let carried = Entry { at, reason, invalidity_date, not_after: None, partition: None, moved };
                        if !self.entries.contains_key(&entry.serial) {
                            self.entries.insert(entry.serial, carried);
                        }
                    }
                }
            }
            _ => return,
        }
        self.moved = position;
    }
}

#[cfg(test)]
mod scope_tests;
#[cfg(test)]
mod tests;
