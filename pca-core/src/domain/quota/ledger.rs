//! The quota ledger, computed from the events alone: it balances after every single one, or says why not (rules Q3, Q4,
//! Q5).
//!
//! Double entry: each lot has its columns, each root and intermediate what it holds. An event moves units from one column
//! and one holder to another; whatever does not fit is a [`LedgerFault`].

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::domain::event::{Balance, Event, Lot, LotUnits};
use crate::domain::{CaId, LotId, OrderId};
use crate::log::Timestamp;

/// Where the units of a lot, or of many, are: `granted` is the sum of all the others (rule Q4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Columns {
    /// Units that ever came into being.
    pub granted: u64,
    /// In the root's pool.
    pub pool: u64,
    /// Assigned to intermediates and unused.
    pub assigned: u64,
    /// Consumed by certificates.
    pub consumed: u64,
    /// Expired unused, as far as written down.
    pub expired: u64,
    /// Paid back.
    pub refunded: u64,
    /// Stranded at a refunded or revoked CA.
    pub forfeited: u64,
}

impl Columns {
    /// The sum of all columns but `granted`.
    #[must_use]
    pub fn placed(&self) -> u64 {
        [self.pool, self.assigned, self.consumed, self.expired, self.refunded, self.forfeited]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Whether every unit that was granted is in one column.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.granted == self.placed()
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            granted: self.granted.saturating_add(other.granted),
            pool: self.pool.saturating_add(other.pool),
            assigned: self.assigned.saturating_add(other.assigned),
            consumed: self.consumed.saturating_add(other.consumed),
            expired: self.expired.saturating_add(other.expired),
            refunded: self.refunded.saturating_add(other.refunded),
            forfeited: self.forfeited.saturating_add(other.forfeited),
        }
    }
}

/// A lot in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotAccount {
    /// The lot as it was granted.
    pub lot: Lot,
    /// The root whose pool it came into.
    pub root: CaId,
    /// The order that brought it.
    pub order: OrderId,
    /// Where its units are.
    pub columns: Columns,
    /// Whether a refund of it is requested (rule R5).
    pub frozen: bool,
}

/// What a root's pool or an intermediate holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Unused units by lot, in the order in which they are used (rule Q3).
    pub lots: Vec<LotUnits>,
    /// Units that ever came in.
    pub received: u64,
    /// Units that certificates consumed.
    pub consumed: u64,
}

/// All lots, pools and intermediates of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    lots: BTreeMap<LotId, LotAccount>,
    granted: Vec<LotId>,
    holders: HashMap<CaId, Holder>,
    total: Columns,
}

/// What does not fit in the ledger: a unit that is nowhere, or spent twice (rules Q4, Q5).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerFault {
    /// Units of a lot that nobody granted.
    #[error("{lot} was never granted")]
    UnknownLot {
        /// The lot.
        lot: LotId,
    },
    /// A lot that was granted before.
    #[error("{lot} is granted a second time")]
    RepeatedLot {
        /// The lot.
        lot: LotId,
    },
    /// More units than there are.
    #[error("{units} units of {lot} are taken from {holder}, which holds {held}")]
    Overspent {
        /// The lot.
        lot: LotId,
        /// The root or intermediate.
        holder: CaId,
        /// How many units it holds.
        held: u64,
        /// How many are taken.
        units: u64,
    },
    /// Quota that leaves its root.
    #[error("{lot} belongs to the pool of {owner}, not of {found}")]
    OtherRoot {
        /// The lot.
        lot: LotId,
        /// Whose it is.
        owner: CaId,
        /// Whose it is said to be.
        found: CaId,
    },
    /// A unit of a lot whose turn it is not, that has lapsed or is frozen (rules Q3, R5).
    #[error("a unit of {lot} is used at {holder}, but it is the turn of {}", .expected.as_ref().map_or("none", LotId::as_str))]
    OutOfTurn {
        /// The lot that was used.
        lot: LotId,
        /// The root or intermediate.
        holder: CaId,
        /// The lot whose turn it is.
        expected: Option<LotId>,
    },
    /// Units that are said to have lapsed, but have not.
    #[error("{lot} is said to have lapsed by {time}, but it had not")]
    NotLapsed {
        /// The lot.
        lot: LotId,
        /// When it was said.
        time: Timestamp,
    },
    /// An event that states another figure than the one that follows from all before it.
    #[error("{what} of {holder} is stated as {stated}, but it is {computed}")]
    Figure {
        /// Which figure.
        what: &'static str,
        /// The root or intermediate.
        holder: CaId,
        /// What the event says.
        stated: u64,
        /// What it is.
        computed: u64,
    },
    /// Units that are in no column, or in two.
    #[error("{scope} does not balance: {granted} units were granted, but {placed} are accounted for")]
    Unbalanced {
        /// The lot, or `the ledger`.
        scope: String,
        /// Units that were granted.
        granted: u64,
        /// Units in all other columns.
        placed: u64,
    },
    /// The columns of a lot and what is held of it differ.
    #[error("{columns} unused units of {lot} are in its columns, but {held} are held")]
    Held {
        /// The lot.
        lot: LotId,
        /// Pool and assigned.
        columns: u64,
        /// What pool and intermediates hold.
        held: u64,
    },
}

/// A column that units are moved to.
type Column = fn(&mut Columns) -> &mut u64;

impl Ledger {
    /// Takes the next event in, decided at a time, and tells everything about it that does not fit.
    ///
    /// # Errors
    /// The first [`LedgerFault`]; what of the event does fit has been taken in, so that later events can be judged.
    pub fn apply(&mut self, event: &Event, time: Timestamp) -> Result<(), LedgerFault> {
        match event {
            Event::RootOrdered(ordered) => match &ordered.free {
                Some(lot) => self.grant(lot, &ordered.root, &ordered.order),
                None => Ok(()),
            },
            Event::QuotaOrdered(ordered) => self.grant(&ordered.lot, &ordered.root, &ordered.order),
            Event::QuotaAssigned(assigned) => {
                for lot in &assigned.lots {
                    self.in_turn(&lot.id, &assigned.root, time)?;
                    self.take(&lot.id, &assigned.root, lot.units, |columns| &mut columns.assigned)?;
                    self.hold(&assigned.intermediate, lot.id.clone(), lot.units);
                }
                let (what, holder) = ("the pool's rest", &assigned.root);
                figure(what, holder, assigned.remaining, self.available(&assigned.root, time))
            }
            Event::CertificateIssued(issued) => {
                self.in_turn(&issued.lot, &issued.ca, time)?;
                self.take(&issued.lot, &issued.ca, 1, |columns| &mut columns.consumed)?;
                let holder = self.holders.entry(issued.ca.clone()).or_default();
                holder.consumed = holder.consumed.saturating_add(1);
                let balance = self.balance(&issued.ca, time);
                figure("assigned quota", &issued.ca, issued.balance.assigned, balance.assigned)?;
                figure("consumed quota", &issued.ca, issued.balance.consumed, balance.consumed)?;
                figure("remaining quota", &issued.ca, issued.balance.remaining, balance.remaining)
            }
            Event::QuotaLapsed(lapsed) => {
                for units in &lapsed.lots {
                    let account = self.account(&units.lot)?;
                    if !account.has_lapsed(time) {
                        return Err(LedgerFault::NotLapsed { lot: units.lot.clone(), time });
                    }
                    self.take(&units.lot, &lapsed.ca, units.units, |columns| &mut columns.expired)?;
                }
                Ok(())
            }
            Event::QuotaForfeited(forfeited) => {
                self.take_all(&forfeited.lots, &forfeited.ca, |columns| &mut columns.forfeited)
            }
            Event::RefundRequested(requested) => {
                self.freeze(&requested.order, requested.lot.is_some());
                Ok(())
            }
            Event::RefundDeclined(declined) => {
                self.freeze(&declined.order, false);
                Ok(())
            }
            Event::RefundReturned(returned) => {
                self.freeze(&returned.order, false);
                let Some(pool) = &returned.scope.pool else { return Ok(()) };
                self.take_all(&returned.refunded, pool, |columns| &mut columns.refunded)?;
                self.take_all(&returned.forfeited, pool, |columns| &mut columns.forfeited)
            }
            _ => Ok(()),
        }
    }

    /// Checks every lot, what is held of it, and the total.
    ///
    /// # Errors
    /// The first [`LedgerFault`].
    pub fn check(&self) -> Result<(), LedgerFault> {
        let mut held: HashMap<&LotId, u64> = HashMap::new();
        for units in self.holders.values().flat_map(|holder| &holder.lots) {
            let sum = held.entry(&units.lot).or_default();
            *sum = sum.saturating_add(units.units);
        }
        let mut total = Columns::default();
        for (id, account) in &self.lots {
            balanced(id.as_str(), &account.columns)?;
            let (columns, held) = (
                account.columns.pool.saturating_add(account.columns.assigned),
                held.get(id).copied().unwrap_or_default(),
            );
            if columns != held {
                return Err(LedgerFault::Held { lot: id.clone(), columns, held });
            }
            total = total.plus(&account.columns);
        }
        balanced("the ledger", &total)?;
        balanced("the ledger", &self.total)?;
        let (granted, placed) = (total.granted, self.total.granted);
        if total == self.total {
            Ok(())
        } else {
            Err(LedgerFault::Unbalanced { scope: "the ledger".into(), granted, placed })
        }
    }

    /// Every lot, oldest first.
    pub fn lots(&self) -> impl Iterator<Item = &LotAccount> {
        self.granted.iter().filter_map(|id| self.lots.get(id))
    }

    /// A lot.
    #[must_use]
    pub fn lot(&self, id: &LotId) -> Option<&LotAccount> {
        self.lots.get(id)
    }

    /// What a root's pool or an intermediate holds.
    #[must_use]
    pub fn holder(&self, ca: &CaId) -> Option<&Holder> {
        self.holders.get(ca)
    }

    /// All lots together.
    #[must_use]
    pub fn total(&self) -> &Columns {
        &self.total
    }

    /// All lots of a root together.
    #[must_use]
    pub fn of_root(&self, root: &CaId) -> Columns {
        self.lots().filter(|lot| lot.root == *root).fold(Columns::default(), |sum, lot| sum.plus(&lot.columns))
    }

    /// The units that a root or an intermediate can use at a time: neither lapsed nor frozen.
    #[must_use]
    pub fn available(&self, ca: &CaId, time: Timestamp) -> u64 {
        let Some(holder) = self.holders.get(ca) else { return 0 };
        holder
            .lots
            .iter()
            .filter(|held| self.is_usable(&held.lot, time))
            .fold(0, |sum, held| sum.saturating_add(held.units))
    }

    /// An intermediate's figures at a time.
    #[must_use]
    pub fn balance(&self, ca: &CaId, time: Timestamp) -> Balance {
        let (assigned, consumed) = self.holders.get(ca).map_or((0, 0), |holder| (holder.received, holder.consumed));
        Balance { assigned, consumed, remaining: self.available(ca, time) }
    }

    fn grant(&mut self, lot: &Lot, root: &CaId, order: &OrderId) -> Result<(), LedgerFault> {
        if self.lots.contains_key(&lot.id) {
            return Err(LedgerFault::RepeatedLot { lot: lot.id.clone() });
        }
        let columns = Columns { granted: lot.units, pool: lot.units, ..Columns::default() };
        let (root, order) = (root.clone(), order.clone());
        self.total = self.total.plus(&columns);
        self.granted.push(lot.id.clone());
        self.lots
            .insert(lot.id.clone(), LotAccount { lot: lot.clone(), root: root.clone(), order, columns, frozen: false });
        self.hold(&root, lot.id.clone(), lot.units);
        Ok(())
    }

    fn hold(&mut self, ca: &CaId, lot: LotId, units: u64) {
        let lots = &self.lots;
        let end = |id: &LotId| lots.get(id).and_then(|account| account.lot.expires).map_or(i64::MAX, Timestamp::micros);
        let holder = self.holders.entry(ca.clone()).or_default();
        holder.received = holder.received.saturating_add(units);
        if let Some(held) = holder.lots.iter_mut().find(|held| held.lot == lot) {
            held.units = held.units.saturating_add(units);
            return;
        }
        let place = holder.lots.partition_point(|held| end(&held.lot) <= end(&lot));
        holder.lots.insert(place, LotUnits { lot, units });
    }

    fn take_all(&mut self, lots: &[LotUnits], ca: &CaId, to: Column) -> Result<(), LedgerFault> {
        lots.iter().try_for_each(|units| self.take(&units.lot, ca, units.units, to))
    }

    /// Moves units of a lot from who holds them to a column.
    fn take(&mut self, lot: &LotId, ca: &CaId, units: u64, to: Column) -> Result<(), LedgerFault> {
        let held = self.holders.get(ca).and_then(|holder| holder.lots.iter().find(|held| held.lot == *lot));
        let held = held.map_or(0, |held| held.units);
        let account = self.lots.get_mut(lot).ok_or_else(|| LedgerFault::UnknownLot { lot: lot.clone() })?;
        if held < units {
            return Err(LedgerFault::Overspent { lot: lot.clone(), holder: ca.clone(), held, units });
        }
        let from: Column =
            if account.root == *ca { |columns| &mut columns.pool } else { |columns| &mut columns.assigned };
        for columns in [&mut account.columns, &mut self.total] {
            let source = from(columns);
            *source = source.saturating_sub(units);
            let target = to(columns);
            *target = target.saturating_add(units);
        }
        if let Some(holder) = self.holders.get_mut(ca) {
            for held in holder.lots.iter_mut().filter(|held| held.lot == *lot) {
                held.units = held.units.saturating_sub(units);
            }
            holder.lots.retain(|held| held.units > 0);
        }
        balanced(lot.as_str(), &account.columns)
    }

    /// Whether the next unit that a holder uses is of this lot (rule Q3).
    fn in_turn(&self, lot: &LotId, ca: &CaId, time: Timestamp) -> Result<(), LedgerFault> {
        let account = self.account(lot)?;
        let holder = self.holders.get(ca);
        let next = holder.and_then(|holder| holder.lots.iter().find(|held| self.is_usable(&held.lot, time)));
        match next {
            Some(next) if next.lot == *lot => Ok(()),
            // Nothing of it is here at all: that is worse than a wrong turn.
            _ if holder.is_none_or(|holder| holder.lots.iter().all(|held| held.lot != *lot)) => {
                let (lot, holder) = (account.lot.id.clone(), ca.clone());
                Err(LedgerFault::Overspent { lot, holder, held: 0, units: 1 })
            }
            next => {
                let expected = next.map(|next| next.lot.clone());
                Err(LedgerFault::OutOfTurn { lot: lot.clone(), holder: ca.clone(), expected })
            }
        }
    }

    fn freeze(&mut self, order: &OrderId, frozen: bool) {
        self.lots.values_mut().filter(|account| account.order == *order).for_each(|account| account.frozen = frozen);
    }

    fn is_usable(&self, lot: &LotId, time: Timestamp) -> bool {
        self.lots.get(lot).is_some_and(|account| !account.frozen && !account.has_lapsed(time))
    }

    fn account(&self, lot: &LotId) -> Result<&LotAccount, LedgerFault> {
        self.lots.get(lot).ok_or_else(|| LedgerFault::UnknownLot { lot: lot.clone() })
    }
}

impl LotAccount {
    /// Whether its unused units can be used no more at a time.
    #[must_use]
    pub fn has_lapsed(&self, time: Timestamp) -> bool {
        self.lot.expires.is_some_and(|expires| time > expires)
    }
}

fn balanced(scope: &str, columns: &Columns) -> Result<(), LedgerFault> {
    if columns.is_balanced() {
        return Ok(());
    }
    let (granted, placed) = (columns.granted, columns.placed());
    Err(LedgerFault::Unbalanced { scope: scope.into(), granted, placed })
}

fn figure(what: &'static str, holder: &CaId, stated: u64, computed: u64) -> Result<(), LedgerFault> {
    if stated == computed {
        return Ok(());
    }
    Err(LedgerFault::Figure { what, holder: holder.clone(), stated, computed })
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
