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

mod history;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::domain::ca::{Ca, Generation};
use crate::domain::certificate::Certificate;
use crate::domain::event::GenerationEnd;
use crate::domain::key::{KeyRole, KeyState};
use crate::domain::policy::Policy;
use crate::domain::quota::Quota;
use crate::domain::{
    CaId, Command, Context, Desk, Event, Evidence, Halt, Need, OrderId, Plan, Refusal, Roll, RollEntry, State, ToSign,
    stream,
};
use crate::keys::software::{default_backend, verify};
use crate::keys::{Algorithm, KeyId, KeyUse, PrivateKey, PublicKey, Signature, SignatureAlgorithm};
use crate::log::{
    Commit, CommitId, Digest, EventData, Fold, Head, Metadata, Recorded, RequestDigest, Revision, StreamEvent,
    StreamId, StreamSlice, Timestamp, World,
};
use crate::x509::{
    CertificateId, CommonName, DistinguishedName, Issuer, RevocationReason, SubjectFields, VerifiedCsr, assemble,
    csr_tbs,
};

/// What has happened so far, with every key that it took.
///
/// Building steps take the story by value and tell what happened as events; [`run`](Self::run) and
/// [`refused`](Self::refused) put a command to the rules.
#[derive(Clone, Debug)]
pub struct Story {
    world: World<State>,
    head: Head,
    log: Vec<Arc<Recorded>>,
    events: Vec<(Event, Timestamp)>,
    keys: HashMap<KeyId, PrivateKey>,
    asked_for: HashMap<KeyId, KeyUse>,
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
    /// What was signed for it.
    pub signed: Vec<(Arc<[u8]>, Signature)>,
}

impl Default for Story {
    fn default() -> Self {
        Self::new()
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

    /// Every commit so far, sealed as a store would.
    #[must_use]
    pub fn log(&self) -> &[Arc<Recorded>] {
        &self.log
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
            older: Vec::new(),
            external: false,
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
            Event::CertificateIssued(issued) if issued.ca == *ca => Some(RollEntry::from(issued)),
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
        let Done { events, guards, signed, answer } = self.carry_out(command)?;
        assert!(!events.is_empty(), "{} decided that nothing happens", C::NAME);
        match answer {
            Some(answer) => Ok(Done { events, answer, guards, signed }),
            None => panic!("{} has no answer for its own events", C::NAME),
        }
    }

    /// As [`try_run`](Self::try_run), but it may be that nothing has to happen: then there is no commit.
    #[track_caller]
    pub(crate) fn carry_out<C: Command>(&mut self, command: &C) -> Result<Done<Option<C::Answer>>, Refusal> {
        let context = self.context();
        let (plan, guards, evidence) = self.decide(command, &context)?;
        let (again, same_guards) = {
            let desk = Desk::new(self.world.desk(), &evidence);
            (command.decide(&desk, &context), desk.guards())
        };
        assert_eq!(again, Ok(plan.clone()), "a decision taken again must be the same");
        assert_eq!(same_guards, guards);
        let signatures: Vec<Signature> = plan.to_sign().iter().map(|to_sign| self.sign(to_sign)).collect();
        let signed = plan.to_sign().iter().map(|to_sign| Arc::clone(&to_sign.tbs)).zip(signatures.clone()).collect();
        let events = plan.complete(&signatures);
        for event in &events {
            for stream in event.streams() {
                assert!(guards.contains_key(&stream), "{} concerns {stream}, which is not guarded", event.kind());
            }
            let (key, key_use) = match event {
                Event::CaEnabled(enabled) => (Some(&enabled.key), KeyUse::CertificateAuthority),
                Event::CaRenewed(renewed) if renewed.new_key => (Some(&renewed.key), KeyUse::CertificateAuthority),
                Event::CaRequested(requested) => (Some(&requested.key), KeyUse::CertificateAuthority),
                Event::CertificateIssued(issued) => (issued.key.as_ref(), KeyUse::Holder),
                _ => continue,
            };
            let asked_for = key.and_then(|key| self.asked_for.get(key));
            assert!(asked_for.is_none_or(|asked_for| *asked_for == key_use), "a key was made for another use");
        }
        if !events.is_empty() {
            self.commit(C::NAME, &events, guards.clone());
        }
        self.brought.clear();
        Ok(Done { answer: C::answer(&events), events, guards, signed })
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
        let decide = |desk: &Desk<'_>| command.decide(desk, context).map(|plan| (plan, desk.guards()));
        let ((plan, guards), evidence) = self.attend(context, decide)?;
        Ok((plan, guards, evidence))
    }

    /// Gives a decision or a question what it needs until it comes to its end.
    #[track_caller]
    pub(crate) fn attend<T>(
        &mut self,
        context: &Context,
        decide: impl Fn(&Desk<'_>) -> Result<T, Halt>,
    ) -> Result<(T, Evidence), Refusal> {
        let mut evidence = Evidence::default();
        for _ in 0..10_000 {
            let outcome = decide(&Desk::new(self.world.desk(), &evidence));
            match outcome {
                Ok(done) => return Ok((done, evidence)),
                Err(Halt::Refused(refusal)) => return Err(refusal),
                Err(Halt::Needs(need)) => self.fulfil(need, context, &mut evidence),
            }
        }
        panic!("it needs and needs and needs")
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
            Need::Key { ordinal, algorithm, key_use } => {
                let id = KeyId::derive(&context.commit, ordinal);
                let key = self.generate(&id, algorithm);
                self.asked_for.insert(id, key_use);
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
            Need::Roll(ca) | Need::EndedRoll { ca, .. } => {
                let roll = Arc::new(self.roll(&ca));
                evidence.rolls.insert(ca, roll);
            }
            Need::All(needs) => needs.into_iter().for_each(|need| self.fulfil(need, context, evidence)),
        }
    }

    /// Events of one commit happen now, whatever the rules say.
    pub(crate) fn happen(&mut self, events: &[Event]) {
        let guards = events
            .iter()
            .flat_map(EventData::streams)
            .map(|stream| (stream.clone(), self.world.revision(&stream).unwrap_or_default()))
            .collect();
        self.commit("Story", events, guards);
    }

    /// Encodes, seals, decodes and folds.
    fn commit(&mut self, command: &str, events: &[Event], guards: BTreeMap<StreamId, Revision>) {
        let metadata = Metadata {
            command: command.into(),
            actor: self.actor.clone(),
            claimed_actor: None,
            reason: None,
            correlation: None,
            decided_at: self.now,
            wall_clock: None,
        };
        let id = CommitId::from_idempotency_key(&format!("happened {}", self.log.len()));
        let encoded: Result<Vec<_>, _> = events.iter().map(EventData::encode).collect();
        let Ok(encoded) = encoded else { panic!("an event cannot be encoded") };
        let commit = match Commit::new(id, RequestDigest::new([0; 32]), metadata, guards, &encoded) {
            Ok(commit) => commit,
            Err(error) => panic!("{error}"),
        };
        let fits = commit.check_guards(|stream| self.world.revision(stream).unwrap_or_default());
        assert_eq!(fits, Ok(()), "a commit's guards must fit");
        assert_eq!(
            Commit::decode(Arc::clone(commit.body())).as_ref(),
            Ok(&commit),
            "a commit must survive its encoding"
        );
        let decoded: Result<Vec<Event>, _> = commit.events().map(|view| Event::decode(&view)).collect();
        assert_eq!(decoded.as_deref(), Ok(events), "an event must survive the codec");
        let recorded = Arc::new(Recorded::new(self.head.seal(&commit), commit));
        for moved in recorded.commit().moves() {
            let event = StreamEvent { recorded: Arc::clone(&recorded), index: moved.event, revision: moved.revision };
            let slice = StreamSlice { stream: moved.stream.clone(), revision: moved.revision, events: vec![event] };
            if let Err(error) = self.world.apply(&slice) {
                panic!("{error}");
            }
        }
        self.head = recorded.seal().head();
        self.log.push(recorded);
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
        commit_number(self.commits)
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

/// What only this crate's own tests need.
#[cfg(test)]
impl Story {
    /// Time passes.
    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now = self.now.plus_secs(seconds);
    }

    /// The id of the next command's commit.
    pub(crate) fn coming_commit(&self) -> CommitId {
        commit_number(self.commits + 1)
    }

    /// How many keys the key store holds.
    pub(crate) fn keys_held(&self) -> usize {
        self.keys.len()
    }

    /// The key store destroys a key.
    pub(crate) fn destroy(&mut self, key: &KeyId) {
        self.keys.remove(key);
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

fn commit_number(number: u64) -> CommitId {
    CommitId::from_idempotency_key(&format!("story {number}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::enterprise::FoundEnterprise;
    use crate::x509::ParsedCertificate;

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
