//! The business as a plain model: what is there, and which rules stand against a step. It shares no code with the domain
//! but calendar arithmetic.

#![allow(unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};

use pca_core::domain::order::ServiceTerm;
use pca_core::log::Timestamp;
use pca_core::x509::Validity;

pub(crate) const DAY: i64 = 86_400;
pub(crate) const BEGIN: Timestamp = Timestamp::from_secs(1_767_225_600);
/// For how long CAs are bought, in months, and enabled, in years; the latter is clamped.
pub(crate) const TERM: u32 = 18;
pub(crate) const YEARS: u32 = 4;

/// A step. Numbers say which one of what is there, modulo how many there are.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Wait { seconds: i64 },
    BuyRoot,
    BuyIntermediate { ca: usize },
    BuyQuota { ca: usize, units: u64 },
    Extend { ca: usize, months: u32 },
    RequestRefund { order: usize },
    ReturnRefund { order: usize },
    DeclineRefund { order: usize },
    Enable { ca: usize },
    Configure { ca: usize },
    Assign { ca: usize, units: u64 },
    Issue { ca: usize, days: u32, platform: bool },
    IssueAtomically { ca: usize, count: usize },
    Revoke { certificate: usize, reason: Reason },
    Release { certificate: usize },
    RemoveCertificate { certificate: usize },
    Disable { ca: usize },
    Reenable { ca: usize },
    End { ca: usize, revoke: bool, cascade: bool, stale: bool },
    RemoveCa { ca: usize },
    PublishCrl { ca: usize },
    Sweep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Hold,
    Superseded,
    KeyCompromise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    NotEnabled,
    Enabled,
    Disabled,
    RefundRequested,
    Refunded,
    Revoked,
    Removed,
}

#[derive(Clone, Debug)]
pub(crate) struct Ca {
    pub root: Option<usize>,
    pub bundled: bool,
    pub state: State,
    pub term_ends: Timestamp,
    /// The end of the certificate that it has now.
    pub not_after: Option<Timestamp>,
    /// How many certificates it had.
    pub generations: u32,
    /// How many of them came to their end, and when.
    pub ended: Vec<Timestamp>,
}

#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub ca: usize,
    pub generation: usize,
    pub not_after: Timestamp,
    /// Whether the platform keeps its key.
    pub platform: bool,
    pub revoked: Option<(Reason, Timestamp)>,
    pub removed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Valid,
    OnHold,
    Revoked,
    Expired,
}

#[derive(Clone, Debug)]
pub(crate) enum Purchase {
    Root { root: usize, intermediate: usize },
    Intermediate { ca: usize },
    Quota { root: usize, lot: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderState {
    Placed,
    Requested,
    Refunded,
}

#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub purchase: Purchase,
    pub placed_at: Timestamp,
    pub state: OrderState,
}

/// Units with one origin: in a root's pool, or at intermediates.
#[derive(Clone, Debug)]
pub(crate) struct Lot {
    pub free: bool,
    pub units: u64,
    pub expires: Option<Timestamp>,
    pub frozen: bool,
    pub at: BTreeMap<usize, u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// Whether the vendor's published extras are in force.
    pub extras: bool,
    pub now: Timestamp,
    pub cas: Vec<Ca>,
    pub certificates: Vec<Certificate>,
    pub orders: Vec<Order>,
    pub lots: Vec<Lot>,
    /// The rules that the newest step broke.
    pub broken: BTreeSet<&'static str>,
}

impl Model {
    pub fn new(extras: bool) -> Self {
        Self {
            extras,
            now: BEGIN,
            cas: Vec::new(),
            certificates: Vec::new(),
            orders: Vec::new(),
            lots: Vec::new(),
            broken: BTreeSet::new(),
        }
    }

    /// Whether there is what the step is about.
    pub fn can(&self, step: &Step) -> bool {
        match step {
            Step::Wait { .. } | Step::BuyRoot | Step::Sweep => true,
            Step::Revoke { .. } | Step::Release { .. } | Step::RemoveCertificate { .. } => {
                !self.certificates.is_empty()
            }
            Step::RequestRefund { .. } | Step::ReturnRefund { .. } | Step::DeclineRefund { .. } => {
                !self.orders.is_empty()
            }
            _ => !self.cas.is_empty(),
        }
    }

    pub fn ca_index(&self, number: usize) -> usize {
        number % self.cas.len()
    }

    pub fn certificate_index(&self, number: usize) -> usize {
        number % self.certificates.len()
    }

    pub fn order_index(&self, number: usize) -> usize {
        number % self.orders.len()
    }

    pub fn available(&self, ca: usize) -> u64 {
        self.usable(ca).into_iter().map(|lot| self.lots[lot].at[&ca]).sum()
    }

    pub fn status(&self, certificate: &Certificate) -> Status {
        match certificate.revoked {
            Some((reason, _)) if reason != Reason::Hold => Status::Revoked,
            _ if self.end_of(certificate).is_some() => Status::Revoked,
            _ if self.now.floor_to_second() > certificate.not_after => Status::Expired,
            Some(_) => Status::OnHold,
            None => Status::Valid,
        }
    }

    /// How many keys are kept after a sweep.
    pub fn keys(&self) -> usize {
        let authorities = self.cas.iter().filter(|ca| ca.not_after.is_some() && ca.state != State::Removed).count();
        let kept = self.certificates.iter().filter(|certificate| certificate.platform);
        authorities + kept.count()
    }

    /// When its CA's end ended it; what had expired before that stays expired.
    fn end_of(&self, certificate: &Certificate) -> Option<Timestamp> {
        let end = self.cas[certificate.ca].ended.get(certificate.generation).copied();
        end.filter(|end| end.floor_to_second() <= certificate.not_after)
    }

    fn ended_at(&self, certificate: &Certificate) -> Option<Timestamp> {
        let end = self.end_of(certificate);
        match (self.status(certificate), certificate.revoked) {
            // A hold that became final dates the end, whether by itself or with its CA (rule A2).
            (Status::Revoked, Some((_, at))) => Some(end.map_or(at, |end| end.min(at))),
            (Status::Revoked, None) => end,
            (Status::Expired, _) => Some(certificate.not_after),
            _ => None,
        }
    }

    /// The lots that can be used somewhere, in the order of use.
    fn usable(&self, ca: usize) -> Vec<usize> {
        let mut lots: Vec<usize> = (0..self.lots.len())
            .filter(|lot| {
                let lot = &self.lots[*lot];
                !lot.frozen && lot.at.get(&ca).is_some_and(|units| *units > 0) && !self.lapsed(lot)
            })
            .collect();
        lots.sort_by_key(|lot| (self.lots[*lot].expires.unwrap_or(Timestamp::from_micros(i64::MAX)), *lot));
        lots
    }

    fn lapsed(&self, lot: &Lot) -> bool {
        lot.expires.is_some_and(|expires| self.now > expires)
    }

    fn take(&mut self, ca: usize, units: u64, to: Option<usize>) {
        let mut left = units;
        for lot in self.usable(ca) {
            let lot = &mut self.lots[lot];
            let held = lot.at.get_mut(&ca).unwrap();
            let taken = left.min(*held);
            (*held, left) = (*held - taken, left - taken);
            if let Some(to) = to {
                *lot.at.entry(to).or_default() += taken;
            }
        }
        assert_eq!(left, 0);
    }

    fn strand(&mut self, ca: usize, frozen_too: bool) {
        for lot in self.lots.iter_mut().filter(|lot| frozen_too || !lot.frozen) {
            lot.at.remove(&ca);
        }
    }

    fn live(&self, ca: usize) -> bool {
        matches!(self.cas[ca].state, State::Enabled | State::Disabled)
    }

    fn over(&self, ca: usize) -> bool {
        matches!(self.cas[ca].state, State::Refunded | State::Revoked | State::Removed)
    }

    fn expired(&self, ca: usize) -> bool {
        self.cas[ca].not_after.is_some_and(|not_after| self.now.floor_to_second() > not_after)
    }

    fn below(&self, root: usize) -> Vec<usize> {
        (0..self.cas.len()).filter(|ca| self.cas[*ca].root == Some(root)).collect()
    }

    fn valid_certificates(&self, ca: usize) -> usize {
        let of = self.certificates.iter().filter(|certificate| certificate.ca == ca);
        of.filter(|certificate| matches!(self.status(certificate), Status::Valid | Status::OnHold)).count()
    }

    fn buy_ca(&mut self, root: Option<usize>, bundled: bool) -> usize {
        let term_ends = ServiceTerm::months(TERM).end_after(self.now).unwrap();
        let (state, not_after, generations, ended) = (State::NotEnabled, None, 0, Vec::new());
        self.cas.push(Ca { root, bundled, state, term_ends, not_after, generations, ended });
        self.cas.len() - 1
    }

    fn place(&mut self, purchase: Purchase) {
        self.orders.push(Order { purchase, placed_at: self.now, state: OrderState::Placed });
    }

    fn end(&mut self, ca: usize, state: State) {
        let (now, ca) = (self.now, &mut self.cas[ca]);
        ca.not_after = None;
        ca.ended.push(now);
        ca.state = state;
    }

    /// Takes a step, or tells which rules stand against it.
    pub fn take_step(&mut self, step: &Step) {
        self.broken = self.objections(step);
        if self.broken.is_empty() {
            self.carry_out(step);
        }
    }

    fn objections(&self, step: &Step) -> BTreeSet<&'static str> {
        let mut broken = BTreeSet::new();
        let mut against = |holds: bool, rule: &'static str| {
            if holds {
                broken.insert(rule);
            }
        };
        let frozen = |ca: usize| self.cas[ca].state == State::RefundRequested;
        let term_over = |ca: usize| self.now > self.cas[ca].term_ends;
        match step {
            Step::Wait { .. } | Step::BuyRoot | Step::Sweep => {}
            Step::BuyIntermediate { ca } => {
                let ca = self.ca_index(*ca);
                let root = self.cas[ca].root.is_none();
                against(!root, "O2");
                against(root && frozen(ca), "R5");
                against(root && !frozen(ca) && self.cas[ca].state != State::Enabled, "O2");
                against(root && term_over(ca), "O5");
            }
            Step::BuyQuota { ca, units } => {
                let ca = self.ca_index(*ca);
                let root = self.cas[ca].root.is_none();
                against(!root || self.over(ca) || *units == 0, "O4");
                against(root && frozen(ca), "R5");
            }
            Step::Extend { ca, months } => {
                let ca = self.ca_index(*ca);
                against(frozen(ca), "R5");
                against(self.over(ca) || term_over(ca) || *months == 0, "O5");
            }
            Step::RequestRefund { order } => broken = self.against_refund(self.order_index(*order)),
            Step::ReturnRefund { order } | Step::DeclineRefund { order } => {
                against(self.orders[self.order_index(*order)].state != OrderState::Requested, "R5");
            }
            Step::Enable { ca } => {
                let ca = self.ca_index(*ca);
                against(frozen(ca), "R5");
                against(!matches!(self.cas[ca].state, State::NotEnabled | State::RefundRequested), "C1");
                against(term_over(ca), "O5");
                if let Some(root) = self.cas[ca].root {
                    against(term_over(root), "O5");
                    against(self.cas[root].state != State::Enabled, "C1");
                    against(self.cas[root].state == State::Enabled && self.expired(root), "C5");
                }
            }
            Step::Configure { ca } | Step::Disable { ca } | Step::Reenable { ca } => {
                let (number, c10) =
                    (self.ca_index(*ca), if matches!(step, Step::Configure { .. }) { "" } else { "C10" });
                against(frozen(number), "R5");
                against(!self.live(number) && !frozen(number), c10);
                let state = self.cas[number].state;
                against(matches!(step, Step::Disable { .. }) && state == State::Disabled, "C10");
                if matches!(step, Step::Reenable { .. }) && self.live(number) {
                    against(state == State::Enabled, "C10");
                    against(term_over(number), "O5");
                    against(self.expired(number), "C5");
                    if let Some(root) = self.cas[number].root {
                        against(!self.live(root), "C10");
                        against(term_over(root), "O5");
                    }
                }
            }
            Step::Assign { ca, units } => {
                let ca = self.ca_index(*ca);
                against(*units == 0, "Q1");
                let Some(root) = self.cas[ca].root else {
                    against(true, "Q1");
                    return broken;
                };
                against(frozen(ca) || frozen(root), "R5");
                against(!frozen(ca) && self.cas[ca].state != State::Enabled, "Q1");
                against(term_over(ca) || term_over(root), "O5");
                against(self.over(root), "Q1");
                against(*units > self.available(root), "Q1");
            }
            Step::Issue { ca, days, .. } => broken = self.against_issue(self.ca_index(*ca), 1, *days),
            Step::IssueAtomically { ca, count } => broken = self.against_issue(self.ca_index(*ca), *count, 1),
            Step::Revoke { certificate, reason } => {
                let certificate = &self.certificates[self.certificate_index(*certificate)];
                let own = certificate.revoked.map(|(reason, _)| reason);
                let refused = match (self.status(certificate), reason) {
                    (Status::OnHold | Status::Expired, Reason::Hold) => own.is_some(),
                    (Status::Revoked, Reason::KeyCompromise) => own == Some(Reason::KeyCompromise),
                    (Status::Revoked, _) => true,
                    _ => false,
                };
                against(refused, "A2");
            }
            Step::Release { certificate } => {
                let certificate = &self.certificates[self.certificate_index(*certificate)];
                let held = certificate.revoked.is_some() && self.status(certificate) != Status::Revoked;
                against(!held, "A2");
            }
            Step::RemoveCertificate { certificate } => {
                let certificate = &self.certificates[self.certificate_index(*certificate)];
                let ended = matches!(self.status(certificate), Status::Revoked | Status::Expired);
                against(certificate.removed || !ended, "A5");
            }
            Step::End { ca, revoke, cascade, stale } => {
                let ca = self.ca_index(*ca);
                against(frozen(ca), "R5");
                against(!frozen(ca) && !self.live(ca), if *revoke { "C9" } else { "C7" });
                if self.live(ca) {
                    let live: Vec<usize> = self.below(ca).into_iter().filter(|below| self.live(*below)).collect();
                    against(*stale, "C8");
                    against(!cascade && !live.is_empty(), "C8");
                    let certificates: usize = live.iter().chain([&ca]).map(|ca| self.valid_certificates(*ca)).sum();
                    against(*revoke && !cascade && certificates + live.len() > 0, "C9");
                }
            }
            Step::RemoveCa { ca } => {
                let ca = self.ca_index(*ca);
                against(frozen(ca), "R5");
                let done = match self.cas[ca].state {
                    State::Refunded | State::Revoked | State::RefundRequested => true,
                    State::Enabled | State::Disabled => self.expired(ca),
                    State::NotEnabled | State::Removed => false,
                };
                against(!done, "R6");
            }
            Step::PublishCrl { ca } => {
                let ca = self.ca_index(*ca);
                let last = self.cas[ca].not_after.is_none() && !self.cas[ca].ended.is_empty();
                against(frozen(ca) && !last, "R5");
                against(!self.live(ca) && !frozen(ca) && !last, "A3");
            }
        }
        broken
    }

    fn against_issue(&self, ca: usize, count: usize, days: u32) -> BTreeSet<&'static str> {
        let mut broken = BTreeSet::new();
        let Some(root) = self.cas[ca].root else { return BTreeSet::from(["I1"]) };
        let not_after = self.now.floor_to_second().plus_secs(i64::from(days) * DAY - 1);
        for issuer in [ca, root] {
            match self.cas[issuer].state {
                State::Enabled => {}
                State::RefundRequested => drop(broken.insert("R5")),
                _ => drop(broken.insert("I1")),
            }
            if self.now > self.cas[issuer].term_ends {
                broken.insert("O5");
            }
            if self.live(issuer) && self.cas[issuer].not_after.is_some_and(|end| not_after > end) {
                broken.insert("C5");
            }
            if self.extras && not_after > self.cas[issuer].term_ends {
                broken.insert("O5");
            }
        }
        if self.available(ca) < count as u64 {
            broken.insert("Q2");
        }
        let free = self.usable(ca).first().is_some_and(|lot| self.lots[*lot].free);
        if self.extras && free && days > 30 {
            broken.insert("C5");
        }
        broken
    }

    fn against_refund(&self, order: usize) -> BTreeSet<&'static str> {
        let order = &self.orders[order];
        match order.state {
            OrderState::Placed => {}
            OrderState::Requested => return BTreeSet::from(["R5"]),
            OrderState::Refunded => return BTreeSet::from(["R1"]),
        }
        let mut broken = BTreeSet::new();
        if self.now > order.placed_at.plus_secs(7 * DAY) {
            broken.insert("R1");
        }
        let cas = match order.purchase {
            Purchase::Root { root, intermediate } => vec![root, intermediate],
            Purchase::Intermediate { ca } => vec![ca],
            Purchase::Quota { .. } => Vec::new(),
        };
        if cas.iter().any(|ca| self.cas[*ca].state != State::NotEnabled) {
            broken.insert("R2");
        }
        match order.purchase {
            Purchase::Root { root, intermediate } => {
                let gone = |ca: &usize| matches!(self.cas[*ca].state, State::Refunded | State::Removed);
                let bought = |lot: usize| {
                    let units = |ca: &usize| self.lots[lot].at.get(ca).copied().unwrap_or(0);
                    units(&root) + self.below(root).iter().map(units).sum::<u64>()
                };
                let purchases = self.orders.iter().filter_map(|order| match order.purchase {
                    Purchase::Quota { root: of, lot } if of == root => Some(lot),
                    _ => None,
                });
                let waits = self.below(root).iter().any(|ca| *ca != intermediate && !gone(ca))
                    || purchases.map(bought).any(|units| units > 0);
                if waits {
                    broken.insert("R3");
                }
            }
            Purchase::Quota { root, lot } => {
                if self.lots[lot].at.get(&root).copied().unwrap_or(0) != self.lots[lot].units {
                    broken.insert("R4");
                }
            }
            Purchase::Intermediate { .. } => {}
        }
        broken
    }

    fn carry_out(&mut self, step: &Step) {
        match step {
            Step::Wait { seconds } => self.now = self.now.plus_secs(*seconds),
            Step::BuyRoot => {
                let root = self.buy_ca(None, false);
                let intermediate = self.buy_ca(Some(root), true);
                self.place(Purchase::Root { root, intermediate });
                let expires = self.extras.then(|| self.now.plus_secs(30 * DAY));
                let at = BTreeMap::from([(root, 10)]);
                self.lots.push(Lot { free: true, units: 10, expires, frozen: false, at });
            }
            Step::BuyIntermediate { ca } => {
                let ca = self.buy_ca(Some(self.ca_index(*ca)), false);
                self.place(Purchase::Intermediate { ca });
            }
            Step::BuyQuota { ca, units } => {
                let root = self.ca_index(*ca);
                let (units, at) = (*units, BTreeMap::from([(root, *units)]));
                self.lots.push(Lot { free: false, units, expires: None, frozen: false, at });
                self.place(Purchase::Quota { root, lot: self.lots.len() - 1 });
            }
            Step::Extend { ca, months } => {
                let ca = self.ca_index(*ca);
                let term = ServiceTerm::months(*months);
                let in_service = |ca: &Ca| matches!(ca.state, State::NotEnabled | State::Enabled | State::Disabled);
                let bundled = self.below(ca).into_iter().find(|ca| self.cas[*ca].bundled && in_service(&self.cas[*ca]));
                for ca in bundled.into_iter().chain([ca]) {
                    self.cas[ca].term_ends = term.end_after(self.cas[ca].term_ends).unwrap();
                }
            }
            Step::RequestRefund { order } => self.refund(self.order_index(*order), OrderState::Requested),
            Step::ReturnRefund { order } => self.refund(self.order_index(*order), OrderState::Refunded),
            Step::DeclineRefund { order } => self.refund(self.order_index(*order), OrderState::Placed),
            Step::Enable { ca } => {
                let ca = self.ca_index(*ca);
                let mut not_after = Validity::for_years(self.now.floor_to_second(), YEARS).unwrap().not_after();
                if let Some(end) = self.cas[ca].root.and_then(|root| self.cas[root].not_after) {
                    not_after = not_after.min(end);
                }
                if self.extras {
                    not_after = not_after.min(self.cas[ca].term_ends.floor_to_second());
                }
                let ca = &mut self.cas[ca];
                (ca.state, ca.not_after, ca.generations) = (State::Enabled, Some(not_after), ca.generations + 1);
            }
            Step::Assign { ca, units } => {
                let ca = self.ca_index(*ca);
                self.take(self.cas[ca].root.unwrap(), *units, Some(ca));
            }
            Step::Issue { ca, days, platform } => self.issue(self.ca_index(*ca), 1, *days, *platform),
            Step::IssueAtomically { ca, count } => self.issue(self.ca_index(*ca), *count, 1, true),
            Step::Revoke { certificate, reason } => {
                let (index, now) = (self.certificate_index(*certificate), self.now);
                let certificate = &mut self.certificates[index];
                let at = certificate.revoked.map_or(now, |(_, at)| at);
                certificate.revoked = Some((*reason, at));
            }
            Step::Release { certificate } => {
                let index = self.certificate_index(*certificate);
                self.certificates[index].revoked = None;
            }
            Step::RemoveCertificate { certificate } => {
                let index = self.certificate_index(*certificate);
                self.certificates[index].removed = true;
            }
            Step::Disable { ca } => {
                let ca = self.ca_index(*ca);
                self.cas[ca].state = State::Disabled;
            }
            Step::Reenable { ca } => {
                let ca = self.ca_index(*ca);
                self.cas[ca].state = State::Enabled;
            }
            Step::End { ca, revoke, .. } => {
                let ca = self.ca_index(*ca);
                for below in self.below(ca).into_iter().chain([ca]) {
                    if *revoke && (self.live(below) || self.cas[below].state == State::NotEnabled) {
                        self.strand(below, false);
                    }
                    if self.live(below) {
                        self.end(below, if *revoke { State::Revoked } else { State::NotEnabled });
                    }
                }
            }
            Step::RemoveCa { ca } => {
                let ca = self.ca_index(*ca);
                self.cas[ca].state = State::Removed;
            }
            Step::Configure { .. } | Step::PublishCrl { .. } => {}
            Step::Sweep => self.sweep(),
        }
    }

    /// Keys of holders end with removal, and 30 days after their certificates.
    fn sweep(&mut self) {
        let due = |certificate: &Certificate| {
            let late = self.ended_at(certificate).is_some_and(|ended| self.now > ended.plus_secs(30 * DAY));
            certificate.removed || late
        };
        let due: Vec<bool> = self.certificates.iter().map(due).collect();
        for (certificate, due) in self.certificates.iter_mut().zip(due) {
            certificate.platform &= !due;
        }
    }

    fn issue(&mut self, ca: usize, count: usize, days: u32, platform: bool) {
        self.take(ca, count as u64, None);
        let not_after = self.now.floor_to_second().plus_secs(i64::from(days) * DAY - 1);
        let generation = self.cas[ca].ended.len();
        for _ in 0..count {
            let (revoked, removed) = (None, false);
            self.certificates.push(Certificate { ca, generation, not_after, platform, revoked, removed });
        }
    }

    fn refund(&mut self, order: usize, state: OrderState) {
        self.orders[order].state = state;
        let (frozen, returned) = (state == OrderState::Requested, state == OrderState::Refunded);
        let ca_state = match state {
            OrderState::Requested => State::RefundRequested,
            OrderState::Refunded => State::Refunded,
            OrderState::Placed => State::NotEnabled,
        };
        match self.orders[order].purchase.clone() {
            Purchase::Root { root, intermediate } => {
                for ca in [root, intermediate] {
                    self.cas[ca].state = ca_state;
                    if returned {
                        self.strand(ca, true);
                    }
                }
            }
            Purchase::Intermediate { ca } => {
                self.cas[ca].state = ca_state;
                if returned {
                    self.strand(ca, true);
                }
            }
            Purchase::Quota { root, lot } => {
                self.lots[lot].frozen = frozen;
                if returned || (!frozen && matches!(self.cas[root].state, State::Revoked | State::Removed)) {
                    self.lots[lot].at.clear();
                }
            }
        }
    }
}
