//! Random histories of orders, refunds and quota against a plain model that counts single units.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::story::{Story, at};
use super::*;
use crate::domain::ca::CaState;
use crate::domain::event::CaReenabled;
use crate::domain::policy::Policy;
use crate::domain::quota::{AssignQuota, Ledger, calendar_year};
use crate::domain::{Command, Event, LotId, OrderId};
use crate::keys::Family;
use crate::log::EventData;

const DAY: i64 = 86_400;
const FREE_AFTER: u64 = 15;

#[derive(Clone, Debug)]
enum Step {
    BuyRoot,
    BuyIntermediate(usize),
    BuyQuota { root: usize, count: u64, paid: bool },
    Extend(usize),
    Assign { ca: usize, units: u64 },
    Request(usize),
    Return(usize),
    Decline(usize),
    Enable(usize),
    Disable(usize),
    Reenable(usize),
    Reset(usize),
    Revoke(usize),
    Remove(usize),
    Issue { ca: usize, count: u8 },
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let which = prop_oneof![2 => 0..3_usize, 1 => 0..64_usize];
    prop_oneof![
        1 => Just(Step::BuyRoot),
        2 => which.clone().prop_map(Step::BuyIntermediate),
        4 => (which.clone(), 0..20_u64, any::<bool>()).prop_map(|(root, count, paid)| Step::BuyQuota { root, count, paid }),
        1 => which.clone().prop_map(Step::Extend),
        8 => (which.clone(), 0..8_u64).prop_map(|(ca, units)| Step::Assign { ca, units }),
        6 => which.clone().prop_map(Step::Request),
        3 => which.clone().prop_map(Step::Return),
        2 => which.clone().prop_map(Step::Decline),
        10 => which.clone().prop_map(Step::Enable),
        1 => which.clone().prop_map(Step::Disable),
        2 => which.clone().prop_map(Step::Reenable),
        8 => which.clone().prop_map(Step::Reset),
        2 => which.clone().prop_map(Step::Revoke),
        1 => which.clone().prop_map(Step::Remove),
        8 => (which, 1..5_u8).prop_map(|(ca, count)| Step::Issue { ca, count }),
        3 => (0..5_i64).prop_map(Step::Pass),
    ]
}

/// Where a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Pool,
    At(usize),
    Consumed,
    Expired,
    Refunded,
    Forfeited,
}

#[derive(Clone, Debug)]
struct ModelLot {
    id: LotId,
    root: usize,
    order: usize,
    expires: Option<Timestamp>,
    units: Vec<Place>,
    /// When units of it came to an intermediate that had none.
    arrived: BTreeMap<usize, u64>,
}

#[derive(Clone, Debug)]
struct ModelCa {
    id: CaId,
    root: Option<usize>,
    bundled: bool,
    state: CaState,
    term_ends: Timestamp,
}

#[derive(Clone, Debug)]
struct ModelOrder {
    id: OrderId,
    cas: Vec<usize>,
    lot: Option<usize>,
    is_quota: bool,
    placed: Timestamp,
    state: OrderState,
}

struct Model {
    story: Story,
    ledger: Ledger,
    seen: usize,
    cas: Vec<ModelCa>,
    lots: Vec<ModelLot>,
    orders: Vec<ModelOrder>,
    clock: u64,
}

impl Model {
    fn new() -> Self {
        let policy = Policy { free_quota_days: Some(20), free_after_purchased: Some(FREE_AFTER), ..Policy::default() };
        let mut story = Story::empty().at(at("2026-12-24T00:00:00Z"));
        story.run(crate::domain::enterprise::FoundEnterprise { name: None, rehearsal: true, policy });
        let (cas, lots, orders) = (Vec::new(), Vec::new(), Vec::new());
        let mut model = Self { story, ledger: Ledger::default(), seen: 0, cas, lots, orders, clock: 0 };
        model.take(&Step::BuyRoot);
        model
    }

    fn now(&self) -> Timestamp {
        self.story.now()
    }

    /// Runs a command and compares verdict and rules with what the model expects; whether it was carried out.
    fn run<C: Command>(&mut self, command: C, expected: &[&str]) -> Option<C::Answer> {
        let expected: BTreeSet<String> = expected.iter().map(|rule| (*rule).to_owned()).collect();
        match self.story.try_run(command) {
            Ok(answer) => {
                assert!(expected.is_empty(), "{} was carried out against {expected:?}", C::NAME);
                Some(answer)
            }
            Err(refusal) => {
                let told: BTreeSet<String> = refusal.broken().iter().map(|broken| broken.rule().to_string()).collect();
                assert_eq!(told, expected, "{} at {}: {refusal}", C::NAME, self.now());
                None
            }
        }
    }

    fn take(&mut self, step: &Step) {
        let now = self.now();
        let ca = |which: usize| which % self.cas.len();
        let roots: Vec<usize> = (0..self.cas.len()).filter(|ca| self.cas[*ca].root.is_none()).collect();
        match *step {
            Step::BuyRoot => self.buy_root(),
            Step::BuyIntermediate(which) => self.buy_intermediate(roots[which % roots.len()]),
            Step::BuyQuota { root, count, paid } => self.buy_quota(roots[root % roots.len()], count, paid),
            Step::Extend(which) => self.extend(ca(which)),
            Step::Assign { ca: which, units } => self.assign(ca(which), units),
            Step::Request(which) => self.request(which % self.orders.len()),
            Step::Return(which) => self.give_back(which % self.orders.len()),
            Step::Decline(which) => self.decline(which % self.orders.len()),
            Step::Enable(which) => self.enable(ca(which)),
            Step::Disable(which) => self.switch(ca(which), CaState::Enabled, CaState::Disabled),
            Step::Reenable(which) => self.switch(ca(which), CaState::Disabled, CaState::Enabled),
            Step::Reset(which) => self.end(ca(which), CaState::NotEnabled),
            Step::Revoke(which) => self.end(ca(which), CaState::Revoked),
            Step::Remove(which) => {
                let ca = ca(which);
                if matches!(self.cas[ca].state, CaState::Revoked | CaState::Refunded) {
                    self.story.remove(&self.cas[ca].id.clone());
                    self.cas[ca].state = CaState::Removed;
                }
            }
            Step::Issue { ca: which, count } => (0..count).for_each(|_| self.issue(ca_of(&self.cas, which))),
            Step::Pass(days) => self.story.pass(days * DAY),
        }
        let _ = now;
        self.compare();
    }

    fn buy_root(&mut self) {
        let now = self.now();
        let bought = self.story.buy_root(Family::Ecc);
        let term_ends = ServiceTerm::default().end_after(now).unwrap();
        let root = self.cas.len();
        let state = CaState::NotEnabled;
        self.cas.push(ModelCa { id: bought.root.clone(), root: None, bundled: false, state, term_ends });
        self.cas.push(ModelCa { id: bought.intermediate, root: Some(root), bundled: true, state, term_ends });
        let lot = self.story.quota(&bought.root).lots()[0].id.clone();
        let (expires, arrived) = (Some(now.plus_secs(20 * DAY)), BTreeMap::new());
        let units = vec![Place::Pool; 10];
        self.lots.push(ModelLot { id: lot, root, order: self.orders.len(), expires, units, arrived });
        let (cas, placed, state) = (vec![root, root + 1], now, OrderState::Placed);
        let lot = Some(self.lots.len() - 1);
        self.orders.push(ModelOrder { id: bought.order, cas, lot, is_quota: false, placed, state });
    }

    fn buy_intermediate(&mut self, root: usize) {
        let now = self.now();
        let mut rules = Vec::new();
        match self.cas[root].state {
            CaState::RefundRequested => rules.push("R5"),
            CaState::Enabled => {}
            _ => rules.push("O2"),
        }
        rules.extend((now > self.cas[root].term_ends).then_some("O5"));
        let term = ServiceTerm::months(3);
        let command = BuyIntermediate { root: self.cas[root].id.clone(), term, paid: Money::nothing() };
        if let Some(bought) = self.run(command, &rules) {
            let (id, term_ends) = (bought.intermediate, term.end_after(now).unwrap());
            self.cas.push(ModelCa { id, root: Some(root), bundled: false, state: CaState::NotEnabled, term_ends });
            let (cas, lot, placed) = (vec![self.cas.len() - 1], None, now);
            let state = OrderState::Placed;
            self.orders.push(ModelOrder { id: bought.order, cas, lot, is_quota: false, placed, state });
        }
    }

    fn buy_quota(&mut self, root: usize, count: u64, paid: bool) {
        let now = self.now();
        let mut rules = Vec::new();
        match self.cas[root].state {
            CaState::RefundRequested => rules.push("R5"),
            CaState::Refunded | CaState::Revoked | CaState::Removed => rules.push("O4"),
            _ => {}
        }
        rules.extend((count == 0).then_some("O4"));
        let of_this_year: usize = self
            .orders
            .iter()
            .filter(|order| order.is_quota && order.state == OrderState::Placed)
            .filter(|order| calendar_year(order.placed) == calendar_year(now))
            .map(|order| &self.lots[order.lot.unwrap()])
            .filter(|lot| lot.root == root)
            .map(|lot| lot.units.len())
            .sum();
        rules.extend((paid && u64::try_from(of_this_year).unwrap() >= FREE_AFTER).then_some("O6"));
        let paid = if paid { "1.00USD".parse().unwrap() } else { Money::nothing() };
        if let Some(bought) = self.run(BuyQuota { root: self.cas[root].id.clone(), count, paid }, &rules) {
            let units = vec![Place::Pool; usize::try_from(count).unwrap()];
            let (order, arrived) = (self.orders.len(), BTreeMap::new());
            self.lots.push(ModelLot { id: bought.lot, root, order, expires: None, units, arrived });
            let (lot, state) = (Some(self.lots.len() - 1), OrderState::Placed);
            self.orders.push(ModelOrder { id: bought.order, cas: vec![], lot, is_quota: true, placed: now, state });
        }
    }

    fn extend(&mut self, ca: usize) {
        let now = self.now();
        let is_over = |ca: &ModelCa| matches!(ca.state, CaState::Refunded | CaState::Revoked | CaState::Removed);
        let mut rules = Vec::new();
        rules.extend((self.cas[ca].state == CaState::RefundRequested).then_some("R5"));
        rules.extend((is_over(&self.cas[ca]) || now > self.cas[ca].term_ends).then_some("O5"));
        let term = ServiceTerm::months(1);
        if self.run(ExtendTerm { ca: self.cas[ca].id.clone(), term }, &rules).is_some() {
            for also in [ca, ca + 1] {
                let bundled = self.cas.get(also).is_some_and(|other| other.root == Some(ca) && other.bundled);
                if also == ca || (bundled && !is_over(&self.cas[also])) {
                    self.cas[also].term_ends = term.end_after(self.cas[also].term_ends).unwrap();
                }
            }
        }
    }

    /// Seven units stand for all that the pool has.
    fn assign(&mut self, ca: usize, units: u64) {
        let now = self.now();
        let all = self.cas[ca].root.map_or(7, |root| self.usable_in_pool(root));
        let units = if units == 7 { all } else { units };
        let mut rules = Vec::new();
        rules.extend((units == 0).then_some("Q1"));
        if let Some(root) = self.cas[ca].root {
            match self.cas[ca].state {
                CaState::RefundRequested => rules.push("R5"),
                CaState::Enabled => {}
                _ => rules.push("Q1"),
            }
            match self.cas[root].state {
                CaState::RefundRequested => rules.push("R5"),
                CaState::Refunded | CaState::Revoked | CaState::Removed => rules.push("Q1"),
                _ => {}
            }
            rules.extend((now > self.cas[ca].term_ends || now > self.cas[root].term_ends).then_some("O5"));
            rules.extend((units > self.usable_in_pool(root)).then_some("Q1"));
        } else {
            rules.push("Q1");
        }
        if self.run(AssignQuota { ca: self.cas[ca].id.clone(), units }, &rules).is_some() {
            let root = self.cas[ca].root.unwrap();
            self.write_down(|lot, place| lot.root == root && (place == Place::Pool || place == Place::At(ca)));
            for _ in 0..units {
                let next = (0..self.lots.len())
                    .filter(|lot| self.lots[*lot].root == root && self.is_usable(*lot))
                    .filter(|lot| self.lots[*lot].units.contains(&Place::Pool))
                    .min_by_key(|lot| (self.lots[*lot].expires.map_or(i64::MAX, Timestamp::micros), *lot))
                    .unwrap();
                self.move_one(next, Place::Pool, Place::At(ca));
            }
        }
    }

    fn request(&mut self, which: usize) {
        let now = self.now();
        let order = self.orders[which].clone();
        let mut rules = Vec::new();
        match order.state {
            OrderState::Refunded => rules.push("R1"),
            OrderState::RefundRequested => rules.push("R5"),
            OrderState::Placed => {
                rules.extend((now > order.placed.plus_secs(7 * DAY)).then_some("R1"));
                rules.extend(order.cas.iter().any(|ca| self.cas[*ca].state != CaState::NotEnabled).then_some("R2"));
                if order.is_quota {
                    let lot = &self.lots[order.lot.unwrap()];
                    rules.extend(lot.units.iter().any(|place| *place != Place::Pool).then_some("R4"));
                } else if order.lot.is_some() {
                    let root = order.cas[0];
                    let waits_for = |ca: &ModelCa| {
                        ca.root == Some(root)
                            && !ca.bundled
                            && !matches!(ca.state, CaState::Refunded | CaState::Removed)
                    };
                    let unused = |lot: &ModelLot| {
                        lot.root == root
                            && self.orders[lot.order].is_quota
                            && lot.units.iter().any(|place| matches!(place, Place::Pool | Place::At(_)))
                    };
                    rules.extend((self.cas.iter().any(waits_for) || self.lots.iter().any(unused)).then_some("R3"));
                }
            }
        }
        let eligible = self.story.ask(|desk| refund_eligibility(desk, &order.id, now));
        assert_eq!(eligible.is_eligible(), rules.is_empty(), "R7");
        if self.run(RequestRefund { order: order.id }, &rules).is_some() {
            self.orders[which].state = OrderState::RefundRequested;
            order.cas.iter().for_each(|ca| self.cas[*ca].state = CaState::RefundRequested);
        }
    }

    fn give_back(&mut self, which: usize) {
        let order = self.orders[which].clone();
        let rules: &[&str] = if order.state == OrderState::RefundRequested { &[] } else { &["R5"] };
        if self.run(ReturnRefund { order: order.id }, rules).is_none() {
            return;
        }
        self.orders[which].state = OrderState::Refunded;
        if order.is_quota {
            self.lots[order.lot.unwrap()].units.iter_mut().for_each(|place| *place = Place::Refunded);
        }
        for ca in order.cas {
            self.strand(ca);
            self.cas[ca].state = CaState::Refunded;
        }
    }

    fn decline(&mut self, which: usize) {
        let order = self.orders[which].clone();
        let rules: &[&str] = if order.state == OrderState::RefundRequested { &[] } else { &["R5"] };
        if self.run(DeclineRefund { order: order.id, reason: "no".into() }, rules).is_none() {
            return;
        }
        self.orders[which].state = OrderState::Placed;
        order.cas.iter().for_each(|ca| self.cas[*ca].state = CaState::NotEnabled);
        if order.is_quota {
            let lot = order.lot.unwrap();
            let root = self.lots[lot].root;
            if matches!(self.cas[root].state, CaState::Revoked | CaState::Removed) {
                self.lots[lot].units.iter_mut().for_each(|place| *place = Place::Forfeited);
            }
        }
    }

    fn enable(&mut self, ca: usize) {
        let root_allows = self.cas[ca].root.is_none_or(|root| self.cas[root].state == CaState::Enabled);
        if self.cas[ca].state == CaState::NotEnabled && root_allows {
            self.story.enable(&self.cas[ca].id.clone());
            self.cas[ca].state = CaState::Enabled;
        }
    }

    fn switch(&mut self, ca: usize, from: CaState, to: CaState) {
        if self.cas[ca].state == from {
            let id = self.cas[ca].id.clone();
            match to {
                CaState::Disabled => self.story.disable(&id),
                _ => self.story.happen(&[CaReenabled { ca: id }.into()]),
            }
            self.cas[ca].state = to;
        }
    }

    /// Resets or revokes, intermediates first.
    fn end(&mut self, ca: usize, to: CaState) {
        let lives = |ca: &ModelCa| matches!(ca.state, CaState::Enabled | CaState::Disabled);
        if !lives(&self.cas[ca]) || self.cas.iter().any(|other| other.root == Some(ca) && lives(other)) {
            return;
        }
        let id = self.cas[ca].id.clone();
        if to == CaState::Revoked {
            self.story.revoke(&id);
            self.strand(ca);
        } else {
            self.story.reset(&id);
        }
        self.cas[ca].state = to;
    }

    fn issue(&mut self, ca: usize) {
        let Some(root) = self.cas[ca].root else { return };
        if [ca, root].iter().any(|ca| self.cas[*ca].state != CaState::Enabled) {
            return;
        }
        let issued = self.story.issue(&self.cas[ca].id.clone());
        let next = (0..self.lots.len())
            .filter(|lot| self.is_usable(*lot) && self.lots[*lot].units.contains(&Place::At(ca)))
            .min_by_key(|lot| {
                let lot = &self.lots[*lot];
                (lot.expires.map_or(i64::MAX, Timestamp::micros), lot.arrived[&ca])
            });
        assert_eq!(issued.is_some(), next.is_some(), "Q2: exactly as many certificates as units");
        if let Some(lot) = next {
            self.move_one(lot, Place::At(ca), Place::Consumed);
        }
    }

    fn move_one(&mut self, lot: usize, from: Place, to: Place) {
        if let Place::At(ca) = to
            && !self.lots[lot].units.contains(&to)
        {
            self.clock += 1;
            self.lots[lot].arrived.insert(ca, self.clock);
        }
        *self.lots[lot].units.iter_mut().find(|place| **place == from).unwrap() = to;
    }

    /// What is unused at a CA is stranded, except what is to be paid back, or has expired.
    fn strand(&mut self, ca: usize) {
        let is_there = move |lot: &ModelLot, place| place == Place::At(ca) || (lot.root == ca && place == Place::Pool);
        self.write_down(is_there);
        for lot in 0..self.lots.len() {
            if self.is_usable(lot) {
                let root = self.lots[lot].root;
                for place in &mut self.lots[lot].units {
                    if *place == Place::At(ca) || (root == ca && *place == Place::Pool) {
                        *place = Place::Forfeited;
                    }
                }
            }
        }
    }

    /// Writes down what has lapsed at some places.
    fn write_down(&mut self, of: impl Fn(&ModelLot, Place) -> bool) {
        let now = self.now();
        for lot in &mut self.lots {
            if lot.expires.is_some_and(|expires| now > expires) {
                for place in 0..lot.units.len() {
                    if matches!(lot.units[place], Place::Pool | Place::At(_)) && of(lot, lot.units[place]) {
                        lot.units[place] = Place::Expired;
                    }
                }
            }
        }
    }

    fn is_usable(&self, lot: usize) -> bool {
        let lot = &self.lots[lot];
        let order = &self.orders[lot.order];
        let frozen = order.is_quota && order.state == OrderState::RefundRequested;
        !frozen && lot.expires.is_none_or(|expires| self.now() <= expires)
    }

    fn usable_in_pool(&self, root: usize) -> u64 {
        let usable = (0..self.lots.len()).filter(|lot| self.lots[*lot].root == root && self.is_usable(*lot));
        usable.map(|lot| count(&self.lots[lot], Place::Pool)).sum()
    }

    /// Everything that can be seen is as the model has it, and the ledger balances at every event.
    fn compare(&mut self) {
        for recorded in &self.story.log()[self.seen..] {
            let time = recorded.commit().metadata().decided_at;
            for view in recorded.commit().events() {
                self.ledger.apply(&Event::decode(&view).unwrap(), time).unwrap();
                self.ledger.check().unwrap();
            }
        }
        self.seen = self.story.log().len();
        for (index, ca) in self.cas.iter().enumerate() {
            let (fold, quota) = (self.story.ca(&ca.id), self.story.quota(&ca.id));
            assert_eq!(fold.state(), ca.state, "{}", ca.id);
            assert_eq!(fold.bought().unwrap().term_ends, ca.term_ends, "{}", ca.id);
            for lot in &self.lots {
                let here = if ca.root.is_none() && lot.root == index { Place::Pool } else { Place::At(index) };
                assert_eq!(quota.held(&lot.id), count(lot, here), "{} at {}", lot.id, ca.id);
            }
        }
        for order in &self.orders {
            assert_eq!(self.story.order(&order.id).placed().unwrap().state, order.state);
        }
        for lot in &self.lots {
            let columns = self.ledger.lot(&lot.id).unwrap().columns;
            let assigned = lot.units.iter().filter(|place| matches!(place, Place::At(_))).count();
            assert_eq!(columns.assigned, u64::try_from(assigned).unwrap());
            for (column, place) in [
                (columns.pool, Place::Pool),
                (columns.consumed, Place::Consumed),
                (columns.expired, Place::Expired),
                (columns.refunded, Place::Refunded),
                (columns.forfeited, Place::Forfeited),
            ] {
                assert_eq!(column, count(lot, place), "{place:?} of {}", lot.id);
            }
        }
    }
}

fn ca_of(cas: &[ModelCa], which: usize) -> usize {
    which % cas.len()
}

fn count(lot: &ModelLot, place: Place) -> u64 {
    u64::try_from(lot.units.iter().filter(|found| **found == place).count()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn histories_go_as_the_model_says(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
        }
        crate::domain::snapshot::tests::agrees_at_every_revision(model.story.log());
    }
}
