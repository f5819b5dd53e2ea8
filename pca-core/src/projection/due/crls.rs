//! When the next CRL of an issuer name is due (rule A3).

use std::collections::HashMap;

use crate::domain::event::{CaReset, CaRevoked, CrlPublished, Event, GenerationEnd};
use crate::log::Timestamp;
use crate::x509::NameHash;

use super::CrlReason;

/// How many seconds after a revocation a CRL should tell it: a day, as the CA/Browser Forum's baseline requirements have
/// it (section 4.9.7).
const PUBLISH_WITHIN: i64 = 86_400;

/// The newest full CRL under each issuer name, and since when it is out of date.
#[derive(Clone, Debug, Default)]
pub(super) struct Crls(HashMap<NameHash, Clock>);

#[derive(Clone, Debug, Default)]
struct Clock {
    newest: Option<CrlPublished>,
    changed_at: Option<Timestamp>,
}

impl Crls {
    pub(super) fn take(&mut self, event: &Event, time: Timestamp) {
        let issuer = match event {
            Event::CrlPublished(published) => {
                let clock = Clock { newest: Some(published.clone()), changed_at: None };
                self.0.insert(published.subject_hash, clock);
                return;
            }
            Event::CertificateRevoked(revoked) => revoked.id.issuer(),
            Event::HoldReleased(released) => released.id.issuer(),
            Event::CaReset(CaReset { end: GenerationEnd { subject_hash, .. } })
            | Event::CaRevoked(CaRevoked { end: GenerationEnd { subject_hash, .. } }) => *subject_hash,
            Event::CaEnabled(enabled) if enabled.carried_crl.is_some() => enabled.subject_hash,
            _ => return,
        };
        self.0.entry(issuer).or_default().changed_at.get_or_insert(time);
    }

    /// Why and by when a CRL of a living CA is to be published, with the number of the newest one; nothing while that is
    /// not before `until`, and for a name that has nothing to tell and whose certificates name no address.
    pub(super) fn due(
        &self,
        issuer: NameHash,
        enabled_at: Timestamp,
        asks_for_one: bool,
        until: Timestamp,
    ) -> Option<(CrlReason, Option<u64>, Timestamp)> {
        let none = Clock::default();
        let clock = self.0.get(&issuer).unwrap_or(&none);
        let told_by = |since: Timestamp| since.plus_secs(PUBLISH_WITHIN);
        let newest = clock.newest.as_ref();
        let (reason, from, due) = match (newest, clock.changed_at) {
            (None, None) if !asks_for_one => return None,
            (None, None) => (CrlReason::NeverPublished, enabled_at, told_by(enabled_at)),
            (None, Some(changed)) => (CrlReason::Changed, changed, told_by(changed)),
            (Some(newest), Some(changed)) => (CrlReason::Changed, changed, told_by(changed).min(newest.next_update)),
            (Some(newest), None) => (CrlReason::Ageing, half(newest), newest.next_update),
        };
        (from <= until).then_some((reason, newest.map(|newest| newest.number), due))
    }
}

/// The half of its time: from then on a new one is made when one is asked for.
fn half(published: &CrlPublished) -> Timestamp {
    let seconds = published.next_update.secs() - published.this_update.secs();
    published.this_update.plus_secs(seconds / 2)
}
