//! A story for tests of orders and quota. Its CAs and certificates are made up, so that many histories are told in a
//! short time.

#![allow(clippy::unwrap_used, clippy::panic)]

use core::ops::{Deref, DerefMut};

use super::{
    BuyIntermediate, BuyRoot, IntermediateBought, Order, RequestRefund, ReturnRefund, RootBought, ServiceTerm,
};
use crate::domain::ca::Ca;
use crate::domain::enterprise::FoundEnterprise;
use crate::domain::event::*;
use crate::domain::policy::{AdoptPolicy, Policy};
use crate::domain::quota::AssignQuota;
use crate::domain::{CaId, Command, Desk, Event, Halt, OrderId, Refusal, State, stream, testing};
use crate::keys::{Family, KeyId};
use crate::log::{CommitId, Digest, Fold, StreamId, Timestamp};
use crate::x509::{CertificateId, NameHash, Profile, RevocationReason};

/// A time of RFC 3339.
pub(crate) fn at(text: &str) -> Timestamp {
    chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc().into()
}

/// A [`testing::Story`] that begins empty in 2026.
#[derive(Clone)]
pub(crate) struct Story(testing::Story);

impl Deref for Story {
    type Target = testing::Story;

    fn deref(&self) -> &testing::Story {
        &self.0
    }
}

impl DerefMut for Story {
    fn deref_mut(&mut self) -> &mut testing::Story {
        &mut self.0
    }
}

impl Story {
    pub(crate) const ACTOR: &'static str = "buyer";

    pub(crate) fn empty() -> Self {
        Self(testing::Story::new().by(Self::ACTOR))
    }

    pub(crate) fn founded(policy: Policy) -> Self {
        let mut story = Self::empty();
        story.run(FoundEnterprise { name: None, rehearsal: true, policy });
        story
    }

    pub(crate) fn with_root(family: Family) -> (Self, RootBought) {
        let mut story = Self::founded(Policy::default());
        let root = story.buy_root(family);
        (story, root)
    }

    pub(crate) fn with_enabled_root(family: Family) -> (Self, RootBought) {
        let (mut story, root) = Self::with_root(family);
        story.enable(&root.root);
        (story, root)
    }

    pub(crate) fn at(self, time: Timestamp) -> Self {
        Self(self.0.at(time))
    }

    pub(crate) fn adopt(&mut self, policy: Policy) {
        self.run(AdoptPolicy { policy });
    }

    pub(crate) fn buy_root(&mut self, family: Family) -> RootBought {
        self.run(BuyRoot { family, term: ServiceTerm::default(), paid: Money::nothing() })
    }

    pub(crate) fn buy_intermediate(&mut self, root: &CaId) -> IntermediateBought {
        self.run(BuyIntermediate { root: root.clone(), term: ServiceTerm::default(), paid: Money::nothing() })
    }

    pub(crate) fn request_refund(&mut self, order: &OrderId) {
        self.run(RequestRefund { order: order.clone() });
    }

    pub(crate) fn return_refund(&mut self, order: &OrderId) {
        self.run(ReturnRefund { order: order.clone() });
    }

    pub(crate) fn assign(&mut self, ca: &CaId, units: u64) {
        self.run(AssignQuota { ca: ca.clone(), units });
    }

    /// Carries a command out.
    #[track_caller]
    pub(crate) fn run<C: Command>(&mut self, command: C) -> C::Answer {
        match self.try_run(command) {
            Ok(answer) => answer,
            Err(refusal) => panic!("refused: {refusal}"),
        }
    }

    /// Carries a command out, or is refused; a refusal changes nothing.
    #[track_caller]
    pub(crate) fn try_run<C: Command>(&mut self, command: C) -> Result<C::Answer, Refusal> {
        let done = self.carry_out(&command)?;
        assert!(done.signed.is_empty());
        Ok(done.answer.unwrap())
    }

    /// Expects exactly these broken rules, `number:code` each.
    #[track_caller]
    pub(crate) fn refuses<C: Command>(&self, command: C, expected: &[&str]) {
        let mut story = self.clone();
        let context = story.context();
        match story.decide(&command, &context) {
            Ok((plan, ..)) => panic!("not refused: {:?}", plan.events()),
            Err(refusal) => {
                let told: Vec<String> =
                    refusal.broken().iter().map(|broken| format!("{}:{}", broken.rule(), broken.code())).collect();
                assert_eq!(told, expected, "{refusal}");
            }
        }
    }

    /// Asks a question of the domain.
    pub(crate) fn ask<T>(&self, question: impl Fn(&Desk<'_>) -> Result<T, Halt>) -> T {
        let mut story = self.clone();
        let context = story.context();
        story.attend(&context, question).unwrap().0
    }

    pub(crate) fn enable(&mut self, ca: &CaId) {
        let generation = self.ca(ca).next_generation();
        let context = self.context();
        let (subject, serial, commit) = (Self::subject(ca), context.serial(0), context.commit);
        let now = self.now();
        self.happen(&[CaEnabled {
            ca: ca.clone(),
            generation,
            mode: EnableMode::Created,
            certificate: Der::from(&b"\x30\x00"[..]),
            id: CertificateId::new(subject, serial),
            subject_hash: subject,
            name_hash: subject,
            key: KeyId::derive(&commit, 0),
            spki: Digest::of(commit.as_bytes()),
            algorithm: None,
            not_before: now,
            not_after: now.plus_secs(10 * 365 * 86_400),
            addresses: Addresses::default(),
            carried_crl: None,
        }
        .into()]);
    }

    pub(crate) fn disable(&mut self, ca: &CaId) {
        self.happen(&[CaDisabled { ca: ca.clone() }.into()]);
    }

    pub(crate) fn reset(&mut self, ca: &CaId) {
        let end = self.end(ca);
        self.happen(&[CaReset { end }.into()]);
    }

    /// As the command does it: what is unused there is stranded (rule Q4).
    pub(crate) fn revoke(&mut self, ca: &CaId) {
        let end = self.end(ca);
        let (quota, now) = (self.quota(ca), self.now());
        let (lapsed, mut left) = (quota.lapsed(now), quota.unlapsed(now));
        left.retain(|units| !quota.is_frozen(&units.lot));
        let mut events: Vec<Event> = vec![CaRevoked { end }.into()];
        if !lapsed.is_empty() {
            events.push(QuotaLapsed { ca: ca.clone(), lots: lapsed }.into());
        }
        if !left.is_empty() {
            events.push(QuotaForfeited { ca: ca.clone(), lots: left }.into());
        }
        self.happen(&events);
    }

    pub(crate) fn remove(&mut self, ca: &CaId) {
        self.happen(&[CaRemoved { ca: ca.clone(), key: None, older_keys: Vec::new() }.into()]);
    }

    /// Consumes a unit; whether there was one.
    pub(crate) fn issue(&mut self, ca: &CaId) -> Option<CertificateId> {
        let quota = self.quota(ca);
        let lot = quota.next_lot(self.now())?.id.clone();
        let mut balance = quota.balance(self.now());
        balance.consumed += 1;
        balance.remaining -= 1;
        let generation = self.generation(ca).clone();
        let context = self.context();
        let id = CertificateId::new(generation.subject_hash, context.serial(0));
        let now = self.now();
        self.happen(&[CertificateIssued {
            id,
            ca: ca.clone(),
            generation: generation.number,
            profile: Profile::Server.into(),
            certificate: Der::from(&b"\x30\x00"[..]),
            key: None,
            spki: Digest::of(context.commit.as_bytes()),
            claims_key: true,
            lot,
            balance,
            not_before: now,
            not_after: now.plus_secs(90 * 86_400),
            holder: Holder::default(),
            partition: None,
            renews: None,
        }
        .into()]);
        Some(id)
    }

    pub(crate) fn ca(&self, id: &CaId) -> Ca {
        match self.fold(&stream::ca(id)) {
            State::Ca(ca) => ca,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn order(&self, id: &OrderId) -> Order {
        match self.fold(&stream::order(id)) {
            State::Order(order) => order,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn nobodys_ca() -> CaId {
        CaId::derive(&CommitId::from_idempotency_key("nobody"), 0)
    }

    pub(crate) fn nobodys_order() -> OrderId {
        OrderId::derive(&CommitId::from_idempotency_key("nobody"), 0)
    }

    fn subject(ca: &CaId) -> NameHash {
        let digest = Digest::of(ca.as_str().as_bytes()).to_string();
        digest.get(..10).unwrap().parse().unwrap()
    }

    fn end(&self, ca: &CaId) -> GenerationEnd {
        let end = self.end_of(ca, RevocationReason::CessationOfOperation);
        GenerationEnd { last_crl: false, ..end }
    }

    fn fold(&self, stream: &StreamId) -> State {
        self.world().get(stream).cloned().unwrap_or_else(|| State::begin(stream))
    }
}
