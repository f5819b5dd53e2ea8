//! What should be done by when (rule A6).

mod certificates;
mod crls;
mod item;

pub use item::{CrlReason, DueItem, Task};

use std::collections::BTreeSet;

use crate::domain::ca::{Ca, CaState, unfinished};
use crate::domain::order::{Order, OrderState, RefundEligibility, refund_eligibility};
use crate::domain::{CaId, Desk, Evidence, Halt, Need, OrderId, State, stream};
use crate::log::{EventData, Fold, Position, Recorded, Revision, StreamId, Timestamp, World};

use super::{LedgerError, Projection, QuotaLedger, Told, told};
use certificates::Certificates;
use crls::{Crls, DueCrl};

/// The categories of streams that are folded as the domain folds them.
const FOLDED: [&str; 5] = ["enterprise", "policy", "order", "ca", "quota"];

/// What is due, as a question to the whole log: certificates and CAs to renew, CRLs to publish, service terms and free
/// quota that end, refund windows that close, ends that a crash interrupted.
///
/// It keeps the certificates that end within its window, and of the others nothing.
#[derive(Clone, Debug, Default)]
pub struct Due {
    position: Position,
    world: World<State>,
    cas: BTreeSet<CaId>,
    orders: Vec<OrderId>,
    certificates: Certificates,
    crls: Crls,
    ledger: QuotaLedger,
}

impl Due {
    /// For [`list`](Self::list) at `now` and so many seconds ahead: certificates that end outside of that window, or that
    /// much before, are not kept. The default keeps all.
    #[must_use]
    pub fn of(now: Timestamp, within: i64) -> Self {
        let certificates = Certificates::ending(now.plus_secs(within.saturating_neg()), now.plus_secs(within));
        Self { certificates, ..Self::default() }
    }

    /// What should be done by `now` and so many seconds more, what is due first before the rest (rule A6).
    ///
    /// - A certificate should be renewed before its last second, unless it is revoked, on hold, ended with its CA or off the
    ///   list, or another one was issued since that renews it or that has the same CA, profile, subject and names, and ends
    ///   later. One that has ended is overdue, until it is `within` ago or is removed.
    /// - A CA that issues, or is disabled, should be renewed before its certificate ends, and its term extended before that
    ///   ends.
    /// - A CRL should be published within a day after something was revoked or released, or after the CA was enabled if
    ///   its address stands in certificates, and in any case before the newest one's `nextUpdate`; it is listed from the
    ///   half of its time on.
    /// - Free units should be used before they lapse, and a refund that can be requested now before its window closes.
    /// - What is left of the end of a CA is overdue at once.
    #[must_use]
    pub fn list(&self, now: Timestamp, within: i64) -> Vec<DueItem> {
        let until = now.plus_secs(within);
        let mut items = Vec::new();
        for id in &self.cas {
            if let Some(State::Ca(ca)) = self.world.get(&stream::ca(id)) {
                self.of_ca(id, ca, now, until, &mut items);
            }
        }
        let ended = |ca: &CaId, generation: u32| match self.world.get(&stream::ca(ca)) {
            Some(State::Ca(ca)) => ca.end_of(generation).is_some(),
            _ => false,
        };
        let since = now.plus_secs(within.saturating_neg());
        items.extend(self.certificates.due(since, until, ended).map(|(task, due)| item(task, due, now)));
        for lot in self.ledger.lots(now).filter(|lot| lot.lapsed == 0 && !lot.frozen) {
            let units = lot.columns.pool.saturating_add(lot.columns.assigned);
            if let Some(due) = lot.expires.filter(|expires| *expires <= until && units > 0) {
                items.push(item(Task::UseQuota { ca: lot.root, lot: lot.lot, units }, due, now));
            }
        }
        items.extend(self.refunds(now, until));
        items.sort_by_cached_key(|item| (item.due, item.task.subject()));
        items
    }

    fn of_ca(&self, id: &CaId, ca: &Ca, now: Timestamp, until: Timestamp, items: &mut Vec<DueItem>) {
        let steps = unfinished(ca).len();
        if steps > 0 {
            let unfinished = ca.ended().iter().filter(|ended| !ended.last_crl || !ended.key_destroyed);
            let since = unfinished.map(|ended| ended.at).min().unwrap_or(now);
            items.push(item(Task::Resume { ca: id.clone(), steps }, since, now));
        }
        let lives = matches!(ca.state(), CaState::Enabled | CaState::Disabled);
        if let Some(generation) = ca.generation().filter(|_| lives) {
            if generation.not_after <= until {
                let name = generation.parsed.as_ref().and_then(|parsed| parsed.subject().common_name());
                items.push(item(Task::RenewCa { ca: id.clone(), name }, generation.not_after, now));
            }
            let asks_for_one = ca.addresses().crl_url.is_some();
            let signs = ca.signing_generations().next().is_some() && !generation.has_expired(now);
            let due = self.crls.due(generation.subject_hash, generation.enabled_at, asks_for_one, until);
            for DueCrl { reason, partition, newest, due } in due.into_iter().filter(|_| signs) {
                items.push(item(Task::PublishCrl { ca: id.clone(), partition, reason, newest }, due, now));
            }
        }
        let bought = ca.bought().filter(|_| lives || ca.state() == CaState::NotEnabled);
        if let Some(due) = bought.map(|bought| bought.term_ends).filter(|ends| now <= *ends && *ends <= until) {
            items.push(item(Task::ExtendTerm { ca: id.clone() }, due, now));
        }
    }

    /// Orders whose refund can be requested now, but not much longer.
    fn refunds(&self, now: Timestamp, until: Timestamp) -> Vec<DueItem> {
        let placed = self.orders.iter().filter(|order| match self.world.get(&stream::order(order)) {
            Some(State::Order(Order::Placed(placed))) => placed.state == OrderState::Placed,
            _ => false,
        });
        let closing = placed.filter_map(|order| match self.eligibility(order, now) {
            Some(RefundEligibility::Eligible { until: closes }) if closes <= until => {
                Some(item(Task::RequestRefund { order: order.clone() }, closes, now))
            }
            _ => None,
        });
        closing.collect()
    }

    /// A stream that the question looks at and nothing was written to is empty.
    fn eligibility(&self, order: &OrderId, now: Timestamp) -> Option<RefundEligibility> {
        let mut world = self.world.clone();
        let evidence = Evidence::default();
        loop {
            let needed = match refund_eligibility(&Desk::new(world.desk(), &evidence), order, now) {
                Ok(eligibility) => return Some(eligibility),
                Err(Halt::Needs(Need::Stream(needed))) if world.get(&needed).is_none() => needed,
                Err(_) => return None,
            };
            let empty = State::begin(&needed);
            world.insert(needed, Revision::ZERO, empty);
        }
    }

    fn take(&mut self, told: &Told<'_>) {
        self.certificates.take(&told.event);
        self.crls.take(&told.event, told.time);
        let streams: Vec<StreamId> =
            told.event.streams().into_iter().filter(|stream| FOLDED.contains(&stream.category())).collect();
        for stream in &streams {
            if self.world.get(stream).is_none() {
                self.world.insert(stream.clone(), Revision::ZERO, State::begin(stream));
                if stream.category() == "order" {
                    self.orders.extend(stream.key().parse::<OrderId>());
                }
            }
            if stream.category() == "ca" {
                self.cas.extend(stream.key().parse::<CaId>());
            }
        }
        self.world.speculate_in(&told.event, &streams, told.metadata, told.time);
    }
}

fn item(task: Task, due: Timestamp, now: Timestamp) -> DueItem {
    DueItem { task, due, overdue: now > due }
}

impl Projection for Due {
    type Error = LedgerError;

    fn position(&self) -> Position {
        self.position
    }

    fn apply(&mut self, recorded: &Recorded) -> Result<(), LedgerError> {
        if recorded.seal().first <= self.position {
            return Ok(());
        }
        told(recorded)?.iter().for_each(|told| self.take(told));
        self.ledger.apply(recorded)?;
        self.position = recorded.seal().last();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
