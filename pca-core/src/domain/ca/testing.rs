//! A small stand-in for the service, for tests of decisions: it loads what is asked for, makes keys, signs, checks that
//! every stream that is written was guarded, and folds the events with positions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::as_conversions)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::domain::certificate::Certificate;
use crate::domain::crl::Crl;
use crate::domain::decision::{Command, Context, Desk, Evidence, Halt, Need, Plan};
use crate::domain::event::*;
use crate::domain::key::KeyState;
use crate::domain::order::Order;
use crate::domain::policy::Policy;
use crate::domain::quota::Quota;
use crate::domain::{CaId, LotId, OrderId, Refusal, State, stream};
use crate::domain::{Roll, RollEntry};
use crate::keys::software::{default_backend, verify};
use crate::keys::{Algorithm, Family, KeyId, KeyUse, PrivateKey, Signature};
use crate::log::{CommitId, EventData, Fold, Metadata, Moment, Position, Revision, StreamId, Timestamp, World};
use crate::x509::{
    self, AuthorityUrls, CertificateId, DnsName, GeneralName, Leaf, LeafTemplate, Profile, RevocationReason,
    SerialNumber, SubjectFields, Validity, Wildcards,
};

use super::enable_create::EnableByCreating;
use super::ending::Ending;
use super::preview::{Foreseen, Preview};
use super::{Ca, ResetCa, RevokeCa};

pub(crate) struct Scene {
    world: World<State>,
    events: Vec<(Event, Timestamp)>,
    commits: u32,
    pub(crate) now: Timestamp,
    pub(crate) keys: HashMap<KeyId, PrivateKey>,
    /// The key that the next request brings along.
    pub(crate) brought: Option<PrivateKey>,
    /// How many keys were asked for: none for a refused command.
    pub(crate) keys_made: u32,
    /// What was signed for the newest command that was carried out.
    pub(crate) signed: Vec<(Arc<[u8]>, Signature)>,
    /// The keys of the certificates that were issued, in order.
    pub(crate) holder_keys: Vec<PrivateKey>,
    serials: u8,
}

impl Scene {
    /// 2030-01-01, an empty log.
    pub(crate) fn unfounded() -> Self {
        Self {
            world: World::default(),
            events: Vec::new(),
            commits: 0,
            now: Timestamp::from_secs(1_893_456_000),
            keys: HashMap::new(),
            brought: None,
            keys_made: 0,
            signed: Vec::new(),
            holder_keys: Vec::new(),
            serials: 0,
        }
    }

    /// An enterprise with the default policy.
    pub(crate) fn new() -> Self {
        Self::with(Policy::default())
    }

    pub(crate) fn with(policy: Policy) -> Self {
        let mut scene = Self::unfounded();
        scene.happened(EnterpriseFounded { name: None, rehearsal: true });
        scene.happened(PolicyAdopted { policy });
        scene
    }

    pub(crate) fn happened(&mut self, event: impl Into<Event>) {
        let event = event.into();
        let encoded = event.encode().unwrap();
        let decoded = Event::from_parts(&encoded.kind, encoded.schema, &encoded.payload).unwrap();
        assert_eq!(decoded, event, "every event survives its encoding");
        self.events.push((event, self.now));
        let position = Position::new(self.events.len() as u64);
        let metadata = metadata(self.now);
        for stream in decoded.streams() {
            self.load(&stream);
            let revision = self.world.revision(&stream).unwrap().plus(1);
            let mut fold = self.world.get(&stream).unwrap().clone();
            fold.evolve(&decoded, &Moment { time: self.now, revision, position, metadata: &metadata });
            self.world.insert(stream, revision, fold);
        }
    }

    fn load(&mut self, stream: &StreamId) {
        if self.world.revision(stream).is_none() {
            self.world.insert(stream.clone(), Revision::ZERO, State::begin(stream));
        }
    }

    pub(crate) fn days_pass(&mut self, days: i64) {
        self.now = self.now.plus_secs(days * 86_400);
    }

    /// Decides and carries out.
    pub(crate) fn run<C: Command>(&mut self, command: &C) -> Result<Vec<Event>, Refusal> {
        let (plan, guards) = self.decide(command)?;
        for event in plan.events() {
            for stream in event.streams() {
                assert!(guards.contains_key(&stream), "{stream} of {} is not guarded", event.kind());
            }
        }
        let signatures: Vec<Signature> = plan
            .to_sign()
            .iter()
            .map(|to_sign| {
                let key = self.keys.get(&to_sign.key).unwrap_or_else(|| panic!("{} cannot sign", to_sign.key));
                assert_eq!(key.public_key(), &to_sign.public_key, "the key named is the key meant");
                default_backend().signer(key).unwrap().sign(to_sign.algorithm, &to_sign.tbs).unwrap()
            })
            .collect();
        self.signed = plan.to_sign().iter().map(|to_sign| to_sign.tbs.clone()).zip(signatures.clone()).collect();
        self.commits += 1;
        let events = plan.complete(&signatures);
        events.iter().for_each(|event| self.happened(event.clone()));
        Ok(events)
    }

    #[track_caller]
    pub(crate) fn refused<C: Command>(&mut self, command: &C) -> Refusal {
        let keys = self.keys_made;
        let Err(refusal) = self.decide(command) else { panic!("not refused") };
        assert_eq!(self.keys_made, keys, "no key is made for a refused command");
        refusal
    }

    pub(crate) fn codes(&self, refusal: &Refusal) -> Vec<String> {
        refusal.broken().iter().map(|broken| format!("{} {}", broken.rule(), broken.code())).collect()
    }

    pub(crate) fn commit_id(&self) -> CommitId {
        CommitId::from_idempotency_key(&format!("commit {}", self.commits))
    }

    pub(crate) fn decide<C: Command>(&mut self, command: &C) -> Result<(Plan, BTreeMap<StreamId, Revision>), Refusal> {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&self.commits.to_be_bytes());
        let context = Context { time: self.now, commit: self.commit_id(), seed };
        self.attend(|desk| command.decide(desk, &context).map(|plan| (plan, desk.guards())))
    }

    /// Gives a decision what it needs until it comes to its end.
    pub(crate) fn attend<T>(&mut self, decide: impl Fn(&Desk<'_>) -> Result<T, Halt>) -> Result<T, Refusal> {
        let mut evidence = Evidence::default();
        for _ in 0..1000 {
            let outcome = decide(&Desk::new(self.world.desk(), &evidence));
            match outcome {
                Ok(done) => return Ok(done),
                Err(Halt::Refused(refusal)) => return Err(refusal),
                Err(Halt::Needs(need)) => self.supply(need, &mut evidence),
            }
        }
        panic!("the decision never ends")
    }

    fn supply(&mut self, need: Need, evidence: &mut Evidence) {
        match need {
            Need::All(needs) => needs.into_iter().for_each(|need| self.supply(need, evidence)),
            Need::Stream(stream) => self.load(&stream),
            Need::Key { ordinal, algorithm, key_use } => {
                assert_eq!(key_use, KeyUse::CertificateAuthority);
                let key = default_backend().generate(algorithm).unwrap();
                self.keep(ordinal, key, evidence);
            }
            Need::Import { ordinal } => {
                let key = self.brought.clone().expect("the request brings a key along");
                self.keep(ordinal, key, evidence);
            }
            Need::Verification(asked) => {
                let verdict = verify(&asked.key, asked.algorithm, &asked.message, &asked.signature).is_ok();
                evidence.verified.insert(asked.digest(), verdict);
            }
            Need::Roll(ca) | Need::EndedRoll { ca, .. } => {
                let roll = Arc::new(self.roll(&ca));
                evidence.rolls.insert(ca, roll);
            }
        }
    }

    fn keep(&mut self, ordinal: u32, key: PrivateKey, evidence: &mut Evidence) {
        self.keys_made += 1;
        evidence.keys.insert(ordinal, key.public_key().clone());
        self.keys.insert(KeyId::derive(&self.commit_id(), ordinal), key);
    }

    pub(crate) fn roll(&self, ca: &CaId) -> Roll {
        let entries = self.events.iter().filter_map(|(event, _)| match event {
            Event::CertificateIssued(issued) if issued.ca == *ca => Some(RollEntry::from(issued)),
            _ => None,
        });
        let revision = self.world.revision(&stream::quota(ca)).unwrap_or_default();
        Roll { revision, entries: entries.collect() }
    }
}

fn metadata(now: Timestamp) -> Metadata {
    Metadata {
        command: "Given".into(),
        actor: "scene".into(),
        claimed_actor: None,
        reason: None,
        correlation: None,
        decided_at: now,
        wall_clock: None,
    }
}

/// What stands.
impl Scene {
    pub(crate) fn ca(&self, id: &CaId) -> &Ca {
        match self.world.get(&stream::ca(id)) {
            Some(State::Ca(ca)) => ca,
            _ => panic!("{id} is not loaded"),
        }
    }

    pub(crate) fn quota(&self, id: &CaId) -> &Quota {
        match self.world.get(&stream::quota(id)) {
            Some(State::Quota(quota)) => quota,
            _ => panic!("the quota of {id} is not loaded"),
        }
    }

    pub(crate) fn key(&self, id: &KeyId) -> &KeyState {
        match self.world.get(&stream::key(id)) {
            Some(State::Key(key)) => key,
            _ => panic!("{id} is not loaded"),
        }
    }

    pub(crate) fn crl(&self, name: x509::NameHash) -> &Crl {
        match self.world.get(&stream::crl(name)) {
            Some(State::Crl(crl)) => crl,
            _ => panic!("the CRL of {name} is not loaded"),
        }
    }

    /// The fold as of a position, as the service reads it.
    pub(crate) fn crl_as_of(&self, name: x509::NameHash, position: Position) -> Crl {
        let stream = stream::crl(name);
        let mut fold = Crl::begin(&stream);
        let metadata = metadata(self.now);
        for (index, (event, time)) in self.events.iter().enumerate() {
            let position_here = Position::new(index as u64 + 1);
            if position_here <= position && event.streams().contains(&stream) {
                let (time, revision) = (*time, Revision::ZERO);
                fold.evolve(event, &Moment { time, revision, position: position_here, metadata: &metadata });
            }
        }
        fold
    }

    pub(crate) fn certificate(&self, id: &CertificateId) -> &Certificate {
        match self.world.get(&stream::certificate(id)) {
            Some(State::Certificate(certificate)) => certificate,
            _ => panic!("{id} is not loaded"),
        }
    }

    pub(crate) fn order_of(&self, id: &CaId) -> OrderId {
        let order = self.ca(id).bought().unwrap().order.clone();
        assert!(matches!(self.world.get(&stream::order(&order)), Some(State::Order(Order::Placed(_)))));
        order
    }
}

/// What happened before.
impl Scene {
    /// A root with its intermediate, ten free units, and a term of one year.
    pub(crate) fn buy_root(&mut self, family: Family) -> (CaId, CaId) {
        self.commits += 1;
        let commit = self.commit_id();
        let (root, intermediate) = (CaId::derive(&commit, 0), CaId::derive(&commit, 1));
        self.happened(RootOrdered {
            order: OrderId::derive(&commit, 0),
            root: root.clone(),
            intermediate: intermediate.clone(),
            family,
            free: Some(Lot { id: LotId::derive(&commit, 0), free: true, units: 10, expires: None }),
            paid: Money { minor_units: 0, currency: String::new() },
            term_ends: self.now.plus_secs(365 * 86_400),
        });
        (root, intermediate)
    }

    pub(crate) fn buy_intermediate(&mut self, root: &CaId) -> CaId {
        self.commits += 1;
        let commit = self.commit_id();
        let intermediate = CaId::derive(&commit, 0);
        let family = self.ca(root).bought().unwrap().family;
        self.happened(IntermediateOrdered {
            order: OrderId::derive(&commit, 0),
            root: root.clone(),
            intermediate: intermediate.clone(),
            family,
            paid: Money { minor_units: 0, currency: String::new() },
            term_ends: self.now.plus_secs(365 * 86_400),
        });
        intermediate
    }

    pub(crate) fn enabling(&self, ca: &CaId, name: &str) -> EnableByCreating {
        EnableByCreating {
            ca: ca.clone(),
            subject: SubjectFields::common(name),
            algorithm: None,
            lifetime: None,
            clamp: false,
            path_length: None,
            addresses: Addresses::default(),
        }
    }

    pub(crate) fn enable(&mut self, ca: &CaId, name: &str) {
        let rsa = self.ca(ca).bought().unwrap().family == Family::Rsa;
        let mut command = self.enabling(ca, name);
        command.algorithm = rsa.then_some(Algorithm::Rsa2048);
        self.run(&command).unwrap();
    }

    /// An enabled root with an enabled intermediate.
    pub(crate) fn enabled_pair(&mut self, family: Family) -> (CaId, CaId) {
        let (root, intermediate) = self.buy_root(family);
        self.enable(&root, "Root");
        self.enable(&intermediate, "Intermediate");
        (root, intermediate)
    }

    pub(crate) fn assign(&mut self, root: &CaId, intermediate: &CaId, units: u64) {
        self.load(&stream::quota(root));
        let lots = self.quota(root).take(self.now, units).unwrap();
        let remaining = self.quota(root).available(self.now) - units;
        self.happened(QuotaAssigned { root: root.clone(), intermediate: intermediate.clone(), lots, remaining });
    }

    /// Units that are bought and assigned at once.
    pub(crate) fn more_quota(&mut self, root: &CaId, intermediate: &CaId, units: u64) {
        self.commits += 1;
        let commit = self.commit_id();
        self.happened(QuotaOrdered {
            order: OrderId::derive(&commit, 0),
            root: root.clone(),
            lot: Lot { id: LotId::derive(&commit, 0), free: false, units, expires: None },
            paid: Money { minor_units: 0, currency: String::new() },
        });
        self.assign(root, intermediate, units);
    }

    /// A real certificate for a holder.
    pub(crate) fn issue(&mut self, ca: &CaId, days: u32, holder: &str) -> CertificateId {
        self.issue_with(ca, days, holder, None)
    }

    pub(crate) fn issue_with_kept_key(&mut self, ca: &CaId, days: u32) -> (CertificateId, KeyId) {
        self.commits += 1;
        let key = KeyId::derive(&self.commit_id(), 0);
        (self.issue_with(ca, days, "holder", Some(key.clone())), key)
    }

    fn issue_with(&mut self, ca: &CaId, days: u32, holder: &str, kept: Option<KeyId>) -> CertificateId {
        self.serials += 1;
        let serial = SerialNumber::from_random([self.serials; 10]);
        let key = default_backend().generate(Algorithm::EcdsaP256).unwrap();
        let generation = self.ca(ca).generation().unwrap();
        let id = CertificateId::new(generation.subject_hash, serial);
        let parsed = generation.parsed.clone().unwrap();
        let issuer = parsed.as_issuer().unwrap();
        let template = LeafTemplate::new(&issuer, Profile::Server, &AuthorityUrls::default(), &[]);
        let validity = Validity::for_days(self.now.floor_to_second(), days).unwrap();
        let name = GeneralName::Dns(DnsName::parse("host.example", Wildcards::Narrow).unwrap());
        let subject = x509::DistinguishedName::empty();
        let leaf = Leaf { serial, validity, subject: &subject, public_key: key.public_key(), names: &[name] };
        let tbs = template.tbs(&leaf).unwrap();
        let signer = default_backend().signer(&self.keys[&generation.key]).unwrap();
        let signature = signer.sign(issuer.signature_algorithm(), &tbs).unwrap();
        let lot = self.quota(ca).next_lot(self.now).unwrap().id.clone();
        let event = CertificateIssued {
            id,
            ca: ca.clone(),
            generation: generation.number,
            profile: Profile::Server,
            certificate: x509::assemble(&tbs, issuer.signature_algorithm(), &signature).into(),
            key: kept,
            spki: key.public_key().digest(),
            claims_key: true,
            lot,
            balance: Balance::default(),
            not_before: validity.not_before(),
            not_after: validity.not_after(),
            holder: Holder { name: Some(holder.into()), ..Holder::default() },
        };
        self.holder_keys.push(key);
        self.happened(event);
        id
    }

    pub(crate) fn revoke(&mut self, id: &CertificateId, reason: RevocationReason) {
        let issued = self.certificate(id).issued().unwrap().clone();
        self.happened(CertificateRevoked {
            id: *id,
            ca: issued.ca.clone(),
            reason,
            invalidity_date: None,
            not_after: issued.not_after,
            compromised_spki: (reason == RevocationReason::KeyCompromise).then_some(issued.spki),
        });
    }

    pub(crate) fn request_refund(&mut self, cas: &[&CaId]) {
        let (order, scope) = self.scope(cas);
        self.happened(RefundRequested { order, scope, lot: None });
    }

    pub(crate) fn return_refund(&mut self, cas: &[&CaId]) {
        let (order, scope) = self.scope(cas);
        self.happened(RefundReturned { order, scope, refunded: Vec::new(), forfeited: Vec::new() });
    }

    fn scope(&self, cas: &[&CaId]) -> (OrderId, OrderScope) {
        let scope = OrderScope { cas: cas.iter().map(|ca| (*ca).clone()).collect(), pool: None };
        (self.order_of(cas[0]), scope)
    }

    pub(crate) fn preview(&mut self, ca: &CaId, ending: Ending) -> Foreseen {
        let (preview, now) = (Preview { ca: ca.clone(), ending }, self.now);
        self.attend(|desk| preview.ask(desk, now)).unwrap()
    }

    pub(crate) fn preview_refused(&mut self, ca: &CaId, ending: Ending) -> Refusal {
        let (preview, now) = (Preview { ca: ca.clone(), ending }, self.now);
        self.attend(|desk| preview.ask(desk, now)).unwrap_err()
    }

    /// With a fresh preview and with a cascade.
    pub(crate) fn resetting(&mut self, ca: &CaId) -> ResetCa {
        let confirm = self.preview(ca, Ending::Reset).digest;
        ResetCa { ca: ca.clone(), confirm, cascade: true, reason: None, without_last_crl: false }
    }

    /// With a fresh preview and with a cascade.
    pub(crate) fn revoking(&mut self, ca: &CaId) -> RevokeCa {
        let confirm = self.preview(ca, Ending::Revoke).digest;
        RevokeCa { ca: ca.clone(), confirm, cascade: true, reason: None, without_last_crl: false }
    }

    pub(crate) fn reset(&mut self, ca: &CaId, without_last_crl: bool) -> Vec<Event> {
        let command = ResetCa { without_last_crl, ..self.resetting(ca) };
        self.run(&command).unwrap()
    }
}
