//! Quota: a root's pool, and what is assigned to an intermediate and consumed there.

mod assign;
mod ledger;

pub use assign::{AssignQuota, QuotaAssignment};
pub use ledger::{Columns, Holder, Ledger, LedgerFault, LotAccount};

use chrono::Datelike;
use serde::{Deserialize, Serialize};

use crate::log::{Fold, Moment, Revision, StreamId, Timestamp};

use super::event::{Balance, Event, Lot, LotUnits};
use super::{CaId, LotId, OrderId};

/// The fold of `quota/<ca>`: the pool of a root, or the quota of an intermediate.
///
/// Lots stand in the order in which they are used: the one that expires first, then the older one (rule Q3), which is
/// the one that came in here first.
///
/// Its state is kept in snapshots (see [`FOLD_VERSION`](Self::FOLD_VERSION)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    ca: String,
    revision: Revision,
    lots: Vec<Lot>,
    frozen: Vec<(OrderId, LotId)>,
    purchases: Vec<Purchased>,
    /// Units that ever came in: granted to a pool, assigned to an intermediate.
    received: u64,
    assigned_on: u64,
    consumed: u64,
    expired: u64,
    refunded: u64,
    forfeited: u64,
}

/// Quota that was bought for a root and not paid back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchased {
    /// The order.
    pub order: OrderId,
    /// The lot that its units form.
    pub lot: LotId,
    /// How many units were bought.
    pub units: u64,
    /// In which calendar year (UTC).
    pub year: i32,
}

impl Quota {
    /// The version of this fold. It rises whenever the same events fold to another state: another field, another name or
    /// shape of one, another meaning. A snapshot of another version is never read.
    pub const FOLD_VERSION: u32 = 1;

    /// How many events the stream has.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Unused units by lot, in the order in which they are used; lapsed ones are among them until that is written down.
    #[must_use]
    pub fn lots(&self) -> &[Lot] {
        &self.lots
    }

    /// Units that ever came in.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Units that a pool assigned to intermediates.
    #[must_use]
    pub fn assigned_on(&self) -> u64 {
        self.assigned_on
    }

    /// Units consumed by certificates.
    #[must_use]
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Units that expired unused, as far as written down.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// Units paid back.
    #[must_use]
    pub fn refunded(&self) -> u64 {
        self.refunded
    }

    /// Units stranded.
    #[must_use]
    pub fn forfeited(&self) -> u64 {
        self.forfeited
    }

    /// What was bought for this root and not paid back, oldest first.
    #[must_use]
    pub fn purchases(&self) -> &[Purchased] {
        &self.purchases
    }

    /// How many units were bought for this root in a calendar year (UTC) and not paid back, nor are to be.
    #[must_use]
    pub fn purchased_in(&self, year: i32) -> u64 {
        let counts = |purchase: &&Purchased| purchase.year == year && !self.is_frozen(&purchase.lot);
        self.purchases.iter().filter(counts).fold(0, |units, purchase| units.saturating_add(purchase.units))
    }

    /// Whether a refund of the lot's order is requested (rule R5).
    #[must_use]
    pub fn is_frozen(&self, lot: &LotId) -> bool {
        self.frozen.iter().any(|(_, frozen)| frozen == lot)
    }

    /// Unused units of a lot here, lapsed or frozen ones included.
    #[must_use]
    pub fn held(&self, lot: &LotId) -> u64 {
        self.lots.iter().find(|held| held.id == *lot).map_or(0, |held| held.units)
    }

    /// Units that can be used at a time: neither lapsed nor frozen.
    #[must_use]
    pub fn available(&self, now: Timestamp) -> u64 {
        self.usable(now).fold(0, |units, lot| units.saturating_add(lot.units))
    }

    /// The lot that the next unit comes from.
    #[must_use]
    pub fn next_lot(&self, now: Timestamp) -> Option<&Lot> {
        self.usable(now).next()
    }

    /// This many units, from the lots whose turn it is; nothing if there are not enough.
    #[must_use]
    pub fn take(&self, now: Timestamp, units: u64) -> Option<Vec<Lot>> {
        let mut left = units;
        let taken = self
            .usable(now)
            .map_while(|lot| {
                let units = lot.units.min(left);
                left -= units;
                (units > 0).then(|| Lot { units, ..lot.clone() })
            })
            .collect();
        (left == 0).then_some(taken)
    }

    /// Units that have lapsed by a time and are not written down as such yet (rule Q4).
    #[must_use]
    pub fn lapsed(&self, now: Timestamp) -> Vec<LotUnits> {
        self.lots
            .iter()
            .filter(|lot| has_lapsed(lot, now))
            .map(|lot| LotUnits { lot: lot.id.clone(), units: lot.units })
            .collect()
    }

    /// Unused units that have not lapsed by a time, frozen ones included.
    #[must_use]
    pub fn unlapsed(&self, now: Timestamp) -> Vec<LotUnits> {
        self.lots
            .iter()
            .filter(|lot| !has_lapsed(lot, now))
            .map(|lot| LotUnits { lot: lot.id.clone(), units: lot.units })
            .collect()
    }

    /// Every unused unit, as [`LotUnits`].
    #[must_use]
    pub fn unused(&self) -> Vec<LotUnits> {
        self.lots.iter().map(|lot| LotUnits { lot: lot.id.clone(), units: lot.units }).collect()
    }

    /// An intermediate's figures at a time.
    #[must_use]
    pub fn balance(&self, now: Timestamp) -> Balance {
        Balance { assigned: self.received, consumed: self.consumed, remaining: self.available(now) }
    }

    /// Whether it is what some events of that CA can have folded to: every unit that came in is somewhere (rule Q4).
    pub(crate) fn is_sound(&self, ca: &str, revision: Revision) -> bool {
        let held = self.lots.iter().map(|lot| lot.units);
        let gone = [self.assigned_on, self.consumed, self.expired, self.refunded, self.forfeited];
        let placed = held.chain(gone).fold(0, u64::saturating_add);
        self.ca == ca && self.revision == revision && self.received == placed
    }

    fn usable(&self, now: Timestamp) -> impl Iterator<Item = &Lot> {
        self.lots.iter().filter(move |lot| !has_lapsed(lot, now) && !self.is_frozen(&lot.id))
    }

    fn is_about(&self, ca: &CaId) -> bool {
        self.ca == ca.as_str()
    }

    fn put(&mut self, lot: &Lot) {
        self.received = self.received.saturating_add(lot.units);
        if let Some(held) = self.lots.iter_mut().find(|held| held.id == lot.id) {
            held.units = held.units.saturating_add(lot.units);
            return;
        }
        let key = |lot: &Lot| lot.expires.map_or(i64::MAX, Timestamp::micros);
        let place = self.lots.partition_point(|held| key(held) <= key(lot));
        self.lots.insert(place, lot.clone());
    }

    fn remove(&mut self, lot: &LotId, units: u64) {
        let Some(place) = self.lots.iter().position(|held| held.id == *lot) else { return };
        if let Some(held) = self.lots.get_mut(place) {
            held.units = held.units.saturating_sub(units);
            if held.units == 0 {
                self.lots.remove(place);
            }
        }
    }

    fn remove_all(&mut self, lots: &[LotUnits]) -> u64 {
        lots.iter()
            .map(|lot| {
                self.remove(&lot.lot, lot.units);
                lot.units
            })
            .fold(0, u64::saturating_add)
    }
}

/// The calendar year (UTC) that a time lies in.
pub(crate) fn calendar_year(time: Timestamp) -> i32 {
    time.to_datetime().map_or(0, |time| time.year())
}

fn has_lapsed(lot: &Lot, now: Timestamp) -> bool {
    lot.expires.is_some_and(|expires| now > expires)
}

impl Fold for Quota {
    type Event = Event;

    fn begin(stream: &StreamId) -> Self {
        Self {
            ca: stream.key().into(),
            revision: Revision::ZERO,
            lots: Vec::new(),
            frozen: Vec::new(),
            purchases: Vec::new(),
            received: 0,
            assigned_on: 0,
            consumed: 0,
            expired: 0,
            refunded: 0,
            forfeited: 0,
        }
    }

    fn evolve(&mut self, event: &Event, moment: &Moment<'_>) {
        self.revision = moment.revision;
        match event {
            Event::RootOrdered(ordered) => ordered.free.iter().for_each(|lot| self.put(lot)),
            Event::QuotaOrdered(ordered) => {
                self.put(&ordered.lot);
                self.purchases.push(Purchased {
                    order: ordered.order.clone(),
                    lot: ordered.lot.id.clone(),
                    units: ordered.lot.units,
                    year: calendar_year(moment.time),
                });
            }
            Event::QuotaAssigned(assigned) if self.is_about(&assigned.root) => {
                for lot in &assigned.lots {
                    self.remove(&lot.id, lot.units);
                    self.assigned_on = self.assigned_on.saturating_add(lot.units);
                }
            }
            Event::QuotaAssigned(assigned) => assigned.lots.iter().for_each(|lot| self.put(lot)),
            Event::CertificateIssued(issued) => {
                self.remove(&issued.lot, 1);
                self.consumed = self.consumed.saturating_add(1);
            }
            Event::QuotaLapsed(lapsed) => self.expired = self.expired.saturating_add(self.remove_all(&lapsed.lots)),
            Event::QuotaForfeited(forfeited) => {
                self.forfeited = self.forfeited.saturating_add(self.remove_all(&forfeited.lots));
            }
            Event::RefundRequested(requested) => {
                self.frozen.extend(requested.lot.iter().map(|lot| (requested.order.clone(), lot.clone())));
            }
            Event::RefundReturned(returned) => {
                self.refunded = self.refunded.saturating_add(self.remove_all(&returned.refunded));
                self.forfeited = self.forfeited.saturating_add(self.remove_all(&returned.forfeited));
                self.frozen.retain(|(order, _)| *order != returned.order);
                self.purchases.retain(|purchase| purchase.order != returned.order);
            }
            Event::RefundDeclined(declined) => self.frozen.retain(|(order, _)| *order != declined.order),
            _ => {}
        }
    }
}
