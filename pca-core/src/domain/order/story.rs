//! A log for tests of the domain: commands are decided, committed through the codec, sealed and folded.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    BuyIntermediate, BuyRoot, IntermediateBought, Order, RequestRefund, ReturnRefund, RootBought, ServiceTerm,
};
use crate::domain::ca::Ca;
use crate::domain::enterprise::FoundEnterprise;
use crate::domain::event::*;
use crate::domain::policy::{AdoptPolicy, Policy};
use crate::domain::quota::{AssignQuota, Quota};
use crate::domain::{CaId, Command, Context, Desk, Event, Evidence, Halt, Need, OrderId, Plan, Refusal, State, stream};
use crate::keys::{Family, KeyId};
use crate::log::{
    Commit, CommitId, Digest, EventData, Fold, Head, Metadata, Recorded, RequestDigest, Revision, StreamEvent,
    StreamId, StreamSlice, Timestamp, World,
};
use crate::x509::{CertificateId, NameHash, Profile, RevocationReason, SerialNumber};

/// A time of RFC 3339.
pub(crate) fn at(text: &str) -> Timestamp {
    chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc().into()
}

/// A log with all of its streams folded.
#[derive(Clone)]
pub(crate) struct Story {
    world: World<State>,
    head: Head,
    now: Timestamp,
    commits: u64,
    log: Vec<Arc<Recorded>>,
}

impl Story {
    pub(crate) const ACTOR: &'static str = "buyer";

    pub(crate) fn empty() -> Self {
        let now = at("2026-01-01T00:00:00Z");
        Self { world: World::default(), head: Head::GENESIS, now, commits: 0, log: Vec::new() }
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

    pub(crate) fn at(mut self, time: Timestamp) -> Self {
        self.now = time;
        self
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now = self.now.plus_secs(seconds);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn log(&self) -> &[Arc<Recorded>] {
        &self.log
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
        let (plan, guards) = self.decide(&command)?;
        assert!(plan.to_sign().is_empty());
        let events = plan.complete(&[]);
        let answer = C::answer(&events).unwrap();
        self.commit(C::NAME, &events, guards);
        Ok(answer)
    }

    /// Expects exactly these broken rules, `number:code` each.
    #[track_caller]
    pub(crate) fn refuses<C: Command>(&self, command: C, expected: &[&str]) {
        let mut story = self.clone();
        match story.decide(&command) {
            Ok((plan, _)) => panic!("not refused: {:?}", plan.events()),
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
        let evidence = Evidence::default();
        loop {
            let stream = match question(&Desk::new(story.world.desk(), &evidence)) {
                Ok(answer) => return answer,
                Err(Halt::Needs(Need::Stream(stream))) => stream,
                Err(halt) => panic!("{halt:?}"),
            };
            story.know(stream);
        }
    }

    /// Decides without committing.
    pub(crate) fn decide<C: Command>(&mut self, command: &C) -> Result<(Plan, BTreeMap<StreamId, Revision>), Refusal> {
        let context = Context { time: self.now, commit: self.next_commit(), seed: [7; 32] };
        let evidence = Evidence::default();
        loop {
            let desk = Desk::new(self.world.desk(), &evidence);
            let stream = match command.decide(&desk, &context) {
                Ok(plan) => {
                    let guards = desk.guards();
                    return Ok((plan, guards));
                }
                Err(Halt::Refused(refusal)) => return Err(refusal),
                Err(Halt::Needs(Need::Stream(stream))) => stream,
                Err(halt) => panic!("{halt:?}"),
            };
            drop(desk);
            self.know(stream);
        }
    }

    /// Writes events down that no command of this area makes.
    pub(crate) fn record(&mut self, events: &[Event]) {
        let guards = events
            .iter()
            .flat_map(EventData::streams)
            .map(|stream| (stream.clone(), self.world.revision(&stream).unwrap_or_default()))
            .collect();
        self.commit("Recorded", events, guards);
    }

    pub(crate) fn enable(&mut self, ca: &CaId) {
        let generation = self.ca(ca).next_generation();
        let (subject, serial) = (Self::subject(ca), self.serial());
        let commit = self.next_commit();
        self.record(&[CaEnabled {
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
            not_before: self.now,
            not_after: self.now.plus_secs(10 * 365 * 86_400),
            addresses: Addresses::default(),
            carried_crl: None,
        }
        .into()]);
    }

    pub(crate) fn disable(&mut self, ca: &CaId) {
        self.record(&[CaDisabled { ca: ca.clone() }.into()]);
    }

    pub(crate) fn reset(&mut self, ca: &CaId) {
        let end = self.end(ca);
        self.record(&[CaReset { end }.into()]);
    }

    /// As the command does it: what is unused there is stranded (rule Q4).
    pub(crate) fn revoke(&mut self, ca: &CaId) {
        let end = self.end(ca);
        let (quota, now) = (self.quota(ca), self.now);
        let (lapsed, mut left) = (quota.lapsed(now), quota.unlapsed(now));
        left.retain(|units| !quota.is_frozen(&units.lot));
        let mut events: Vec<Event> = vec![CaRevoked { end }.into()];
        if !lapsed.is_empty() {
            events.push(QuotaLapsed { ca: ca.clone(), lots: lapsed }.into());
        }
        if !left.is_empty() {
            events.push(QuotaForfeited { ca: ca.clone(), lots: left }.into());
        }
        self.record(&events);
    }

    pub(crate) fn remove(&mut self, ca: &CaId) {
        self.record(&[CaRemoved { ca: ca.clone(), key: None }.into()]);
    }

    /// Consumes a unit; whether there was one.
    pub(crate) fn issue(&mut self, ca: &CaId) -> Option<CertificateId> {
        let quota = self.quota(ca);
        let lot = quota.next_lot(self.now)?.id.clone();
        let mut balance = quota.balance(self.now);
        balance.consumed += 1;
        balance.remaining -= 1;
        let generation = self.ca(ca).generation().unwrap().clone();
        let id = CertificateId::new(generation.subject_hash, self.serial());
        let commit = self.next_commit();
        self.record(&[CertificateIssued {
            id,
            ca: ca.clone(),
            generation: generation.number,
            profile: Profile::Server,
            certificate: Der::from(&b"\x30\x00"[..]),
            key: None,
            spki: Digest::of(commit.as_bytes()),
            claims_key: true,
            lot,
            balance,
            not_before: self.now,
            not_after: self.now.plus_secs(90 * 86_400),
            holder: Holder::default(),
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

    pub(crate) fn quota(&self, id: &CaId) -> Quota {
        match self.fold(&stream::quota(id)) {
            State::Quota(quota) => quota,
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

    fn serial(&self) -> SerialNumber {
        Context {
            time: self.now,
            commit: self.next_commit(),
            seed: *Digest::of(&self.commits.to_be_bytes()).as_bytes(),
        }
        .serial(0)
    }

    fn end(&self, ca: &CaId) -> GenerationEnd {
        let state = self.ca(ca);
        let generation = state.generation().unwrap();
        GenerationEnd {
            ca: ca.clone(),
            generation: generation.number,
            subject_hash: generation.subject_hash,
            reason: RevocationReason::CessationOfOperation,
            cutoff: self.quota(ca).revision().get(),
            count: 0,
            key: generation.key.clone(),
            last_crl: false,
            certificate: generation.id,
            fingerprint: Digest::of(generation.certificate.as_bytes()),
            root: state.is_root(),
            uploaded: false,
        }
    }

    fn fold(&self, stream: &StreamId) -> State {
        self.world.get(stream).cloned().unwrap_or_else(|| State::begin(stream))
    }

    fn next_commit(&self) -> CommitId {
        CommitId::from_idempotency_key(&self.commits.to_string())
    }

    fn know(&mut self, stream: StreamId) {
        assert!(self.world.revision(&stream).is_none());
        let fold = State::begin(&stream);
        self.world.insert(stream, Revision::ZERO, fold);
    }

    /// Encodes, seals, decodes and folds.
    fn commit(&mut self, command: &str, events: &[Event], guards: BTreeMap<StreamId, Revision>) {
        let metadata = Metadata {
            command: command.into(),
            actor: Self::ACTOR.into(),
            claimed_actor: None,
            reason: None,
            correlation: None,
            decided_at: self.now,
            wall_clock: None,
        };
        let encoded: Vec<_> = events.iter().map(|event| event.encode().unwrap()).collect();
        let request = RequestDigest::new([0; 32]);
        let commit = Commit::new(self.next_commit(), request, metadata, guards, &encoded).unwrap();
        commit.check_guards(|stream| self.world.revision(stream).unwrap_or_default()).unwrap();
        let commit = Commit::decode(Arc::clone(commit.body())).unwrap();
        let seal = self.head.seal(&commit);
        let recorded = Arc::new(Recorded::new(seal, commit));
        for moved in recorded.commit().moves() {
            let event = StreamEvent { recorded: Arc::clone(&recorded), index: moved.event, revision: moved.revision };
            let stream = moved.stream.clone();
            self.world.apply(&StreamSlice { stream, revision: moved.revision, events: vec![event] }).unwrap();
        }
        self.head = seal.head();
        self.now = seal.time;
        self.commits += 1;
        self.log.push(recorded);
    }
}
