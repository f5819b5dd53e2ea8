//! When the next CRL of an issuer name is due, of all of it and of each partition (rule A3).

use std::collections::{BTreeMap, HashMap};

use crate::domain::event::{CaReset, CaRevoked, CertificateRevoked, CrlPublished, Event};
use crate::log::Timestamp;
use crate::x509::{CertificateId, NameHash, RevocationReason};

use super::CrlReason;

/// How many seconds after a revocation a CRL should tell it: a day, as the CA/Browser Forum's baseline requirements have
/// it (section 4.9.7).
const PUBLISH_WITHIN: i64 = 86_400;

/// The newest CRLs under each issuer name, and since when they are out of date.
#[derive(Clone, Debug, Default)]
pub(super) struct Crls {
    names: HashMap<NameHash, Scopes>,
    /// The partitions of what is on hold: its release does not name them.
    held: HashMap<CertificateId, Option<u16>>,
}

/// By partition; the full one has none.
type Scopes = BTreeMap<Option<u16>, Clock>;

#[derive(Clone, Debug, Default)]
struct Clock {
    newest: Option<CrlPublished>,
    changed_at: Option<Timestamp>,
}

/// A CRL that is to be published.
pub(super) struct DueCrl {
    pub(super) reason: CrlReason,
    pub(super) partition: Option<u16>,
    pub(super) newest: Option<u64>,
    pub(super) due: Timestamp,
}

impl Crls {
    pub(super) fn take(&mut self, event: &Event, time: Timestamp) {
        match event {
            // A delta replaces no full one.
            Event::CrlPublished(published) if published.delta.is_none() => {
                let partition = published.partition.as_ref().map(|partition| partition.index);
                let clock = Clock { newest: Some(published.clone()), changed_at: None };
                self.names.entry(published.subject_hash).or_default().insert(partition, clock);
            }
            Event::CertificateIssued(issued) if issued.partition.is_some() => {
                self.names.entry(issued.id.issuer()).or_default().entry(issued.partition).or_default();
            }
            Event::CertificateRevoked(CertificateRevoked { id, reason, partition, .. }) => {
                if *reason == RevocationReason::CertificateHold {
                    self.held.insert(*id, *partition);
                } else {
                    self.held.remove(id);
                }
                self.change(id.issuer(), *partition, time);
            }
            Event::HoldReleased(released) => {
                let partition = self.held.remove(&released.id).flatten();
                self.change(released.id.issuer(), partition, time);
            }
            Event::CaReset(CaReset { end }) | Event::CaRevoked(CaRevoked { end }) => {
                self.change(end.subject_hash, None, time);
                for clock in self.names.entry(end.subject_hash).or_default().values_mut() {
                    clock.changed_at.get_or_insert(time);
                }
            }
            Event::CaEnabled(enabled) if enabled.carried_crl.is_some() => self.change(enabled.subject_hash, None, time),
            _ => {}
        }
    }

    /// Something changed in a partition, and so in the full one.
    fn change(&mut self, issuer: NameHash, partition: Option<u16>, time: Timestamp) {
        let scopes = self.names.entry(issuer).or_default();
        for scope in [None, partition] {
            scopes.entry(scope).or_default().changed_at.get_or_insert(time);
        }
    }

    /// The CRLs of a living CA that are to be published, and by when; none that is not before `until`, and none of a scope
    /// that has nothing to tell and whose certificates name no address.
    pub(super) fn due(
        &self,
        issuer: NameHash,
        enabled_at: Timestamp,
        asks_for_one: bool,
        until: Timestamp,
    ) -> Vec<DueCrl> {
        let mut scopes = self.names.get(&issuer).cloned().unwrap_or_default();
        scopes.entry(None).or_default();
        let told_by = |since: Timestamp| since.plus_secs(PUBLISH_WITHIN);
        let due = scopes.iter().filter_map(|(partition, clock)| {
            let newest = clock.newest.as_ref();
            let (reason, from, due) = match (newest, clock.changed_at) {
                (None, None) if !asks_for_one => return None,
                (None, None) => (CrlReason::NeverPublished, enabled_at, told_by(enabled_at)),
                (None, Some(changed)) => (CrlReason::Changed, changed, told_by(changed)),
                (Some(newest), Some(changed)) => {
                    (CrlReason::Changed, changed, told_by(changed).min(newest.next_update))
                }
                (Some(newest), None) => (CrlReason::Ageing, half(newest), newest.next_update),
            };
            let (partition, newest) = (*partition, newest.map(|newest| newest.number));
            (from <= until).then_some(DueCrl { reason, partition, newest, due })
        });
        due.collect()
    }
}

/// The half of its time: from then on a new one is made when one is asked for.
fn half(published: &CrlPublished) -> Timestamp {
    let seconds = published.next_update.secs() - published.this_update.secs();
    published.this_update.plus_secs(seconds / 2)
}
