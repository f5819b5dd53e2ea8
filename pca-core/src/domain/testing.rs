//! A kit for tests of the domain: a [`Story`] is a realistic history with real keys and real certificates, in which
//! commands are decided as the service would decide them.
//!
//! ```
//! use pca_core::domain::testing::Story;
//! use pca_core::domain::policy::AdoptPolicy;
//! use pca_core::domain::policy::Policy;
//!
//! let mut story = Story::new().founded().root_bought().root_enabled().intermediate_enabled().assigned(10);
//! assert_eq!(story.quota(&story.intermediate()).balance(story.now()).remaining, 10);
//! story.run(&AdoptPolicy { policy: Policy::with_published_extras() });
//! ```

#![expect(clippy::panic, reason = "a kit for tests: what does not go as the story tells fails the test")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::keys::software::{default_backend, verify};
use crate::keys::{Algorithm, Family, KeyId, PrivateKey, PublicKey, Signature, SignatureAlgorithm};
use crate::log::{CommitId, Digest, EventData, Fold, Metadata, Revision, StreamId, Timestamp, World};
use crate::x509::{
    AuthorityUrls, CaCertificate, CertificateId, CommonName, DistinguishedName, Issuer, ParsedCertificate,
    RevocationReason, SubjectFields, Validity, VerifiedCsr, assemble, csr_tbs,
};

use super::ca::{Ca, Generation};
use super::certificate::Certificate;
use super::event::{
    Addresses, CaEnabled, CaReset, EnableMode, EnterpriseFounded, GenerationEnd, IntermediateOrdered, Lot, Money,
    PolicyAdopted, QuotaAssigned, QuotaOrdered, RootOrdered,
};
use super::key::{KeyRole, KeyState};
use super::policy::Policy;
use super::quota::Quota;
use super::{
    CaId, Command, Context, Desk, Event, Evidence, Halt, LotId, Need, OrderId, Plan, Refusal, Roll, RollEntry, State,
    ToSign, stream,
};

/// What has happened so far, with every key that it took.
///
/// Building steps take the story by value and tell what happened as events; [`run`](Self::run) and
/// [`refused`](Self::refused) put a command to the rules.
#[derive(Clone, Debug)]
pub struct Story {
    world: World<State>,
    events: Vec<(Event, Timestamp)>,
    keys: HashMap<KeyId, PrivateKey>,
    brought: BTreeMap<u32, PrivateKey>,
    now: Timestamp,
    actor: String,
    commits: u64,
    roots: Vec<CaId>,
    intermediates: Vec<CaId>,
    orders: Vec<OrderId>,
}

/// A command that the rules allowed and the story carried out.
#[derive(Clone, Debug)]
pub struct Done<A> {
    /// What happened.
    pub events: Vec<Event>,
    /// What the caller learns.
    pub answer: A,
    /// The streams that the decision looked at or claimed, with their revisions.
    pub guards: BTreeMap<StreamId, Revision>,
}

impl Default for Story {
    fn default() -> Self {
        Self::new()
    }
}

/// Building what has happened. Each step fails the test that tells it where it makes no sense.
impl Story {
    /// An empty log at the beginning of 2026.
    #[must_use]
    pub fn new() -> Self {
        Self {
            world: World::default(),
            events: Vec::new(),
            keys: HashMap::new(),
            brought: BTreeMap::new(),
            now: Timestamp::from_secs(1_767_225_600),
            actor: "story".into(),
            commits: 0,
            roots: Vec::new(),
            intermediates: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// An ECC root with its bundled intermediate, both enabled, and some units assigned.
    #[must_use]
    pub fn issuing(units: u64) -> Self {
        Self::new().founded().root_bought().root_enabled().intermediate_enabled().assigned(units)
    }

    /// What follows happens at this time.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> Self {
        self.now = time;
        self
    }

    /// What follows happens this many seconds later.
    #[must_use]
    pub fn later(self, seconds: i64) -> Self {
        let time = self.now.plus_secs(seconds);
        self.at(time)
    }

    /// What follows happens this many days of 24 hours later.
    #[must_use]
    pub fn days_later(self, days: i64) -> Self {
        self.later(days.saturating_mul(86_400))
    }

    /// What follows is done by this actor.
    #[must_use]
    pub fn by(mut self, actor: &str) -> Self {
        self.actor = actor.into();
        self
    }

    /// The log was opened for an enterprise with the default policy.
    #[must_use]
    pub fn founded(self) -> Self {
        self.and(EnterpriseFounded { name: Some("Example".into()), rehearsal: false })
            .and(PolicyAdopted { policy: Policy::default() })
    }

    /// A policy came into force.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        self.and(PolicyAdopted { policy })
    }

    /// An ECC root was bought, with its intermediate and the policy's free quota, for a term of five years.
    #[must_use]
    pub fn root_bought(self) -> Self {
        self.root_bought_of(Family::Ecc)
    }

    /// A root of a family was bought, as with [`root_bought`](Self::root_bought).
    #[must_use]
    pub fn root_bought_of(mut self, family: Family) -> Self {
        let commit = self.next_commit();
        let (root, intermediate) = (CaId::derive(&commit, 0), CaId::derive(&commit, 1));
        let order = OrderId::derive(&commit, 0);
        let policy = self.policy_in_force();
        let free = (policy.free_certificates > 0).then(|| Lot {
            id: LotId::derive(&commit, 0),
            free: true,
            units: policy.free_certificates.into(),
            expires: policy.free_quota_days.map(|days| self.now.plus_secs(i64::from(days) * 86_400)),
        });
        self.roots.push(root.clone());
        self.intermediates.push(intermediate.clone());
        self.orders.push(order.clone());
        let term_ends = self.now.plus_secs(5 * 365 * 86_400);
        self.and(RootOrdered { order, root, intermediate, family, free, paid: nothing(), term_ends })
    }

    /// A further intermediate was bought for the newest root.
    #[must_use]
    pub fn intermediate_bought(mut self) -> Self {
        let commit = self.next_commit();
        let (order, intermediate) = (OrderId::derive(&commit, 0), CaId::derive(&commit, 0));
        let root = self.root();
        let family = self.ca(&root).bought().map_or(Family::Ecc, |bought| bought.family);
        self.intermediates.push(intermediate.clone());
        self.orders.push(order.clone());
        let term_ends = self.now.plus_secs(5 * 365 * 86_400);
        self.and(IntermediateOrdered { order, root, intermediate, family, paid: nothing(), term_ends })
    }

    /// Quota was bought for the newest root.
    #[must_use]
    pub fn quota_bought(mut self, units: u64) -> Self {
        let commit = self.next_commit();
        let order = OrderId::derive(&commit, 0);
        let lot = Lot { id: LotId::derive(&commit, 0), free: false, units, expires: None };
        self.orders.push(order.clone());
        let root = self.root();
        self.and(QuotaOrdered { order, root, lot, paid: nothing() })
    }

    /// The newest root was enabled for ten years, with a P-256 or RSA-2048 key.
    #[must_use]
    pub fn root_enabled(self) -> Self {
        let ca = self.root();
        self.enabled(&ca, None, 10)
    }

    /// The newest intermediate was enabled for five years, with a P-256 or RSA-2048 key.
    #[must_use]
    pub fn intermediate_enabled(self) -> Self {
        let ca = self.intermediate();
        self.enabled(&ca, None, 5)
    }

    /// A CA was enabled: the platform made a key and a certificate that is valid for some calendar years.
    #[must_use]
    pub fn enabled(self, ca: &CaId, algorithm: Option<Algorithm>, years: u32) -> Self {
        let not_before = self.now.floor_to_second();
        match Validity::for_years(not_before, years) {
            Ok(validity) => self.enabled_for(ca, algorithm, validity),
            Err(error) => panic!("{error}"),
        }
    }

    /// A CA was enabled with exactly this validity.
    #[must_use]
    pub fn enabled_for(mut self, ca: &CaId, algorithm: Option<Algorithm>, validity: Validity) -> Self {
        let commit = self.next_commit();
        let state = self.ca(ca).clone();
        let Some(bought) = state.bought() else { panic!("{ca} was not bought") };
        let algorithm = algorithm.unwrap_or(match bought.family {
            Family::Rsa => Algorithm::Rsa2048,
            _ => Algorithm::EcdsaP256,
        });
        let key = KeyId::derive(&commit, 0);
        let public_key = self.generate(&key, algorithm);
        let title = if state.is_root() { "Root" } else { "Intermediate" };
        let subject = SubjectFields {
            organization: Some("Example".into()),
            ..SubjectFields::common(format!("{title} {ca} {}", state.next_generation()))
        };
        let subject = name_of(&subject);
        let serial = self.context_of(commit).serial(0);
        let path_length = (!state.is_root()).then_some(0);
        let tbs = CaCertificate { serial, validity, subject: &subject, public_key: &public_key, path_length };
        let (tbs, signer, issuer) = match state.root() {
            None => (tbs.root_tbs(), key.clone(), subject.clone()),
            Some(root) => {
                let root = self.generation(root);
                let issuer = issuer_of(root);
                let name = issuer.name().clone();
                (tbs.intermediate_tbs(&issuer, &AuthorityUrls::default()), root.key.clone(), name)
            }
        };
        let (signature, algorithm_of_signer) = self.sign_with(&signer, &tbs);
        let enabled = CaEnabled {
            ca: ca.clone(),
            generation: state.next_generation(),
            mode: EnableMode::Created,
            certificate: assemble(&tbs, algorithm_of_signer, &signature).into(),
            id: CertificateId::new(issuer.issuer_hash(), serial),
            subject_hash: subject.issuer_hash(),
            key,
            spki: public_key.digest(),
            algorithm: Some(algorithm),
            not_before: validity.not_before(),
            not_after: validity.not_after(),
            addresses: Addresses::default(),
            carried_crl: None,
        };
        self.and(enabled)
    }

    /// A CA was enabled with a key and a certificate from elsewhere; whether the rules allow that is not looked at.
    #[must_use]
    pub fn uploaded(mut self, ca: &CaId, private_key: PrivateKey, certificate: &[u8]) -> Self {
        let commit = self.next_commit();
        let parsed = match ParsedCertificate::from_der(certificate) {
            Ok(parsed) => parsed,
            Err(error) => panic!("{error}"),
        };
        let Ok(id) = parsed.id() else { panic!("the serial number is not allowed") };
        let key = KeyId::derive(&commit, 0);
        let public_key = private_key.public_key().clone();
        self.keys.insert(key.clone(), private_key);
        let enabled = CaEnabled {
            ca: ca.clone(),
            generation: self.ca(ca).next_generation(),
            mode: EnableMode::Uploaded { accepted: Vec::new(), warned: Vec::new() },
            certificate: certificate.into(),
            id,
            subject_hash: parsed.subject().issuer_hash(),
            key,
            spki: public_key.digest(),
            algorithm: public_key.algorithm(),
            not_before: parsed.not_before(),
            not_after: parsed.not_after(),
            addresses: Addresses::default(),
            carried_crl: None,
        };
        self.and(enabled)
    }

    /// A CA was reset for this reason: what it issued has ended.
    #[must_use]
    pub fn reset(self, ca: &CaId, reason: RevocationReason) -> Self {
        let end = self.end_of(ca, reason);
        self.and(CaReset { end })
    }

    /// Units went from the newest root's pool to the newest intermediate; what the pool lacks is bought before.
    #[must_use]
    pub fn assigned(mut self, units: u64) -> Self {
        let root = self.root();
        let missing = units.saturating_sub(self.quota(&root).available(self.now));
        if missing > 0 {
            self = self.quota_bought(missing);
        }
        let pool = self.quota(&root);
        let Some(lots) = pool.take(self.now, units) else { panic!("the pool holds less than {units}") };
        let remaining = pool.available(self.now) - units;
        let intermediate = self.intermediate();
        self.and(QuotaAssigned { root, intermediate, lots, remaining })
    }

    /// This happened, too, in a commit of its own.
    #[must_use]
    pub fn and(mut self, event: impl Into<Event>) -> Self {
        self.happen(&[event.into()]);
        self
    }
}

/// Looking at what has happened.
impl Story {
    /// The time that it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The folded streams.
    #[must_use]
    pub fn world(&self) -> &World<State> {
        &self.world
    }

    /// Every event so far, with its time.
    #[must_use]
    pub fn events(&self) -> &[(Event, Timestamp)] {
        &self.events
    }

    /// The root that was bought last.
    #[must_use]
    pub fn root(&self) -> CaId {
        newest(&self.roots, "root")
    }

    /// The intermediate that was bought last.
    #[must_use]
    pub fn intermediate(&self) -> CaId {
        newest(&self.intermediates, "intermediate")
    }

    /// The order that was placed last.
    #[must_use]
    pub fn order(&self) -> OrderId {
        newest(&self.orders, "order")
    }

    /// A CA as it stands.
    #[must_use]
    pub fn ca(&self, id: &CaId) -> &Ca {
        match self.world.get(&stream::ca(id)) {
            Some(State::Ca(ca)) => ca,
            _ => panic!("nothing happened to {id}"),
        }
    }

    /// The certificate and key that a CA issues with.
    #[must_use]
    pub fn generation(&self, id: &CaId) -> &Generation {
        match self.ca(id).generation() {
            Some(generation) => generation,
            None => panic!("{id} is not enabled"),
        }
    }

    /// What the end of a CA's generation would be if it came now, without the end of what is below it.
    #[must_use]
    pub fn end_of(&self, id: &CaId, reason: RevocationReason) -> GenerationEnd {
        let generation = self.generation(id);
        GenerationEnd {
            ca: id.clone(),
            generation: generation.number,
            subject_hash: generation.subject_hash,
            reason,
            cutoff: self.quota(id).revision().get(),
            count: u64::try_from(self.roll(id).entries.len()).unwrap_or(u64::MAX),
            key: generation.key.clone(),
            last_crl: true,
            certificate: generation.id,
            fingerprint: Digest::of(generation.certificate.as_bytes()),
            root: self.ca(id).is_root(),
            uploaded: false,
        }
    }

    /// A CA's pool or quota as it stands.
    #[must_use]
    pub fn quota(&self, id: &CaId) -> Quota {
        match self.world.get(&stream::quota(id)) {
            Some(State::Quota(quota)) => quota.clone(),
            _ => Quota::begin(&stream::quota(id)),
        }
    }

    /// A certificate as it stands.
    #[must_use]
    pub fn certificate(&self, id: &CertificateId) -> Certificate {
        match self.world.get(&stream::certificate(id)) {
            Some(State::Certificate(certificate)) => certificate.clone(),
            _ => Certificate::default(),
        }
    }

    /// The role of a public key (rule K2).
    #[must_use]
    pub fn role(&self, key: &PublicKey) -> KeyRole {
        match self.world.get(&stream::spki(&key.digest())) {
            Some(State::Spki(role)) => role.clone(),
            _ => KeyRole::Unused,
        }
    }

    /// Where a key stands in its life (rule K3).
    #[must_use]
    pub fn key_state(&self, id: &KeyId) -> KeyState {
        match self.world.get(&stream::key(id)) {
            Some(State::Key(state)) => state.clone(),
            _ => KeyState::Unknown,
        }
    }

    /// A private key of the story: a CA's, or one that was made for a holder.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> &PrivateKey {
        match self.keys.get(id) {
            Some(key) => key,
            None => panic!("the story has no key {id}"),
        }
    }

    /// Whether the story has a key.
    #[must_use]
    pub fn has_key(&self, id: &KeyId) -> bool {
        self.keys.contains_key(id)
    }

    /// The policy in force.
    #[must_use]
    pub fn policy_in_force(&self) -> Policy {
        match self.world.get(&stream::policy()) {
            Some(State::Policy(policy)) => policy.policy().clone(),
            _ => Policy::default(),
        }
    }

    /// What a CA has issued.
    #[must_use]
    pub fn roll(&self, ca: &CaId) -> Roll {
        let entries = self.events.iter().filter_map(|(event, _)| match event {
            Event::CertificateIssued(issued) if issued.ca == *ca => Some(RollEntry {
                id: issued.id,
                generation: issued.generation,
                not_after: issued.not_after,
                holder: issued.holder.name.clone(),
            }),
            _ => None,
        });
        Roll { revision: self.quota(ca).revision(), entries: entries.collect() }
    }
}

/// Putting commands to the rules.
impl Story {
    /// What the next command draws.
    #[must_use]
    pub fn context(&mut self) -> Context {
        let commit = self.next_commit();
        self.context_of(commit)
    }

    /// The next command brings this key along, as its `ordinal`-th.
    pub fn bring(&mut self, ordinal: u32, key: PrivateKey) {
        self.brought.insert(ordinal, key);
    }

    /// Decides a command and carries it out.
    ///
    /// # Panics
    /// If it is refused, or its events and guards do not fit each other: these are assertions of a test.
    #[track_caller]
    pub fn run<C: Command>(&mut self, command: &C) -> Done<C::Answer> {
        match self.try_run(command) {
            Ok(done) => done,
            Err(refusal) => panic!("{} was refused: {refusal}", C::NAME),
        }
    }

    /// Decides a command that the rules must refuse, and tells which rules and reasons: `"Q2 no-quota-left"`, sorted.
    ///
    /// # Panics
    /// If it is not refused: this is an assertion of a test.
    #[track_caller]
    pub fn refused<C: Command>(&mut self, command: &C) -> Vec<String> {
        match self.try_run(command) {
            Ok(done) => panic!("{} was not refused: {:?}", C::NAME, done.events),
            Err(refusal) => reasons(&refusal),
        }
    }

    /// Decides a command, and carries it out unless it is refused. Nothing changes if it is.
    ///
    /// # Errors
    /// The refusal.
    ///
    /// # Panics
    /// If the events concern a stream that is not guarded, do not survive the codec, or do not come out the same when
    /// decided again: these are assertions of a test.
    #[track_caller]
    pub fn try_run<C: Command>(&mut self, command: &C) -> Result<Done<C::Answer>, Refusal> {
        let context = self.context();
        let (plan, guards, evidence) = self.decide(command, &context)?;
        let (again, same_guards) = {
            let desk = Desk::new(self.world.desk(), &evidence);
            (command.decide(&desk, &context), desk.guards())
        };
        assert_eq!(again, Ok(plan.clone()), "a decision taken again must be the same");
        assert_eq!(same_guards, guards);
        let signatures: Vec<Signature> = plan.to_sign().iter().map(|to_sign| self.sign(to_sign)).collect();
        let events = plan.complete(&signatures);
        assert!(!events.is_empty(), "{} decided that nothing happens", C::NAME);
        for event in &events {
            for stream in event.streams() {
                assert!(guards.contains_key(&stream), "{} concerns {stream}, which is not guarded", event.kind());
            }
        }
        self.happen(&events);
        self.brought.clear();
        match C::answer(&events) {
            Some(answer) => Ok(Done { events, answer, guards }),
            None => panic!("{} has no answer for its own events", C::NAME),
        }
    }

    /// Decides a command as often as it needs something, and gets it what it needs. Nothing happens yet.
    ///
    /// # Errors
    /// The refusal.
    ///
    /// # Panics
    /// If the command asks for the same thing again and again.
    #[track_caller]
    pub fn decide<C: Command>(
        &mut self,
        command: &C,
        context: &Context,
    ) -> Result<(Plan, BTreeMap<StreamId, Revision>, Evidence), Refusal> {
        let mut evidence = Evidence::default();
        for _ in 0..10_000 {
            let need = {
                let desk = Desk::new(self.world.desk(), &evidence);
                match command.decide(&desk, context) {
                    Ok(plan) => return Ok((plan, desk.guards(), evidence)),
                    Err(Halt::Refused(refusal)) => return Err(refusal),
                    Err(Halt::Needs(need)) => need,
                }
            };
            self.fulfil(need, context, &mut evidence);
        }
        panic!("{} needs and needs and needs", C::NAME)
    }

    /// A signing request of somebody who has the key, verified.
    #[must_use]
    pub fn csr(&self, key: &PrivateKey) -> VerifiedCsr {
        let tbs = csr_tbs(&name_of(&SubjectFields::common("asked for")), key.public_key(), &[]);
        let (signature, algorithm) = sign(key, &tbs);
        match VerifiedCsr::verify(&assemble(&tbs, algorithm, &signature)) {
            Ok(csr) => csr,
            Err(error) => panic!("{error}"),
        }
    }

    fn fulfil(&mut self, need: Need, context: &Context, evidence: &mut Evidence) {
        match need {
            Need::Stream(stream) => self.open(&stream),
            Need::Key { ordinal, algorithm, .. } => {
                let key = self.generate(&KeyId::derive(&context.commit, ordinal), algorithm);
                evidence.keys.insert(ordinal, key);
            }
            Need::Import { ordinal } => {
                let Some(key) = self.brought.get(&ordinal).cloned() else { panic!("no key {ordinal} was brought") };
                evidence.keys.insert(ordinal, key.public_key().clone());
                self.keys.insert(KeyId::derive(&context.commit, ordinal), key);
            }
            Need::Verification(asked) => {
                let verdict = verify(&asked.key, asked.algorithm, &asked.message, &asked.signature).is_ok();
                evidence.verified.insert(asked.digest(), verdict);
            }
            Need::Roll(ca) => {
                let roll = Arc::new(self.roll(&ca));
                evidence.rolls.insert(ca, roll);
            }
            Need::All(needs) => needs.into_iter().for_each(|need| self.fulfil(need, context, evidence)),
        }
    }

    /// Events of one commit happen now.
    fn happen(&mut self, events: &[Event]) {
        let streams: BTreeSet<StreamId> = events.iter().flat_map(EventData::streams).collect();
        streams.iter().for_each(|stream| self.open(stream));
        let metadata = Metadata {
            command: "Story".into(),
            actor: self.actor.clone(),
            claimed_actor: None,
            reason: None,
            correlation: None,
            decided_at: self.now,
            wall_clock: None,
        };
        for event in events {
            let decoded =
                event.encode().and_then(|encoded| Event::from_parts(&encoded.kind, encoded.schema, &encoded.payload));
            assert_eq!(decoded.as_ref(), Ok(event), "an event must survive the codec");
        }
        self.world.speculate(events, &metadata, self.now);
        self.events.extend(events.iter().map(|event| (event.clone(), self.now)));
    }

    /// A stream that is not here is empty: everything that ever happened is.
    fn open(&mut self, stream: &StreamId) {
        if self.world.revision(stream).is_none() {
            self.world.insert(stream.clone(), Revision::ZERO, State::begin(stream));
        }
    }

    fn next_commit(&mut self) -> CommitId {
        self.commits += 1;
        CommitId::from_idempotency_key(&format!("story {}", self.commits))
    }

    fn context_of(&self, commit: CommitId) -> Context {
        let mut seed = [7; 32];
        seed.iter_mut().zip(commit.as_bytes()).for_each(|(to, from)| *to = *from);
        Context { time: self.now, commit, seed }
    }

    fn generate(&mut self, id: &KeyId, algorithm: Algorithm) -> PublicKey {
        let key = self.keys.entry(id.clone()).or_insert_with(|| new_key(algorithm));
        key.public_key().clone()
    }

    fn sign(&self, to_sign: &ToSign) -> Signature {
        let (signature, algorithm) = self.sign_with(&to_sign.key, &to_sign.tbs);
        assert_eq!(self.key(&to_sign.key).public_key(), &to_sign.public_key, "the plan names another public key");
        assert_eq!(algorithm, to_sign.algorithm);
        signature
    }

    fn sign_with(&self, id: &KeyId, message: &[u8]) -> (Signature, SignatureAlgorithm) {
        sign(self.key(id), message)
    }
}

/// A new private key.
///
/// # Panics
/// If the default back end cannot make one.
#[must_use]
pub fn new_key(algorithm: Algorithm) -> PrivateKey {
    match default_backend().generate(algorithm) {
        Ok(key) => key,
        Err(error) => panic!("{error}"),
    }
}

/// Signs as the key signs certificates.
///
/// # Panics
/// If the default back end cannot.
#[must_use]
pub fn sign(key: &PrivateKey, message: &[u8]) -> (Signature, SignatureAlgorithm) {
    let algorithm = key.public_key().signature_algorithm();
    match default_backend().signer(key).and_then(|signer| signer.sign(algorithm, message)) {
        Ok(signature) => (signature, algorithm),
        Err(error) => panic!("{error}"),
    }
}

/// Rules and reasons of a refusal: `"Q2 no-quota-left"`, sorted.
#[must_use]
pub fn reasons(refusal: &Refusal) -> Vec<String> {
    let mut reasons: Vec<String> =
        refusal.broken().iter().map(|broken| format!("{} {}", broken.rule(), broken.code())).collect();
    reasons.sort();
    reasons
}

/// What a CA puts into everything that it signs.
///
/// # Panics
/// If its certificate cannot be read.
#[must_use]
pub fn issuer_of(generation: &Generation) -> Issuer {
    match generation.parsed.as_ref().map(|parsed| parsed.as_issuer()) {
        Some(Ok(issuer)) => issuer,
        _ => panic!("the CA's certificate cannot be read"),
    }
}

fn name_of(fields: &SubjectFields) -> DistinguishedName {
    match fields.to_name(CommonName::Required) {
        Ok(name) => name,
        Err(violations) => panic!("{violations:?}"),
    }
}

fn newest<T: Clone>(things: &[T], what: &str) -> T {
    match things.last() {
        Some(thing) => thing.clone(),
        None => panic!("no {what} was bought yet"),
    }
}

fn nothing() -> Money {
    Money { minor_units: 0, currency: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::enterprise::FoundEnterprise;

    #[test]
    fn a_storys_certificates_are_real() {
        let story = Story::issuing(12);
        let root = story.generation(&story.root());
        let intermediate = story.generation(&story.intermediate());
        let read = |generation: &Generation| ParsedCertificate::from_der(generation.certificate.as_bytes());
        let (Ok(root), Ok(intermediate)) = (read(root), read(intermediate)) else { panic!("not readable") };
        assert_eq!(root.public_key().map(|key| root.verify_signature(key)), Ok(Ok(())));
        assert_eq!(root.public_key().map(|key| intermediate.verify_signature(key)), Ok(Ok(())));
        assert_eq!(story.quota(&story.intermediate()).balance(story.now()).remaining, 12);
    }

    #[test]
    fn a_story_carries_out_what_is_allowed_and_tells_why_not() {
        let found = FoundEnterprise { name: None, rehearsal: false, policy: Policy::default() };
        let mut story = Story::new();
        assert_eq!(story.run(&found).events.len(), 2);
        assert_eq!(story.refused(&found), ["L9 already-founded"]);
    }
}
