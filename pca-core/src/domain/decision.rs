//! How a command is decided: what it looks at, what it needs, and what it plans (architecture, invariants 2 and 3).
//!
//! A decision is a pure function of the folded streams, the request and a [`Context`]. When it lacks something that takes
//! time (a stream, a key, a signature check), it says so with [`Halt::Needs`]; the service fetches it and decides again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::keys::{Algorithm, KeyId, KeyUse, PrivateKey, PublicKey, Signature, SignatureAlgorithm};
use crate::log::{self, CommitId, Digest, Missing, Position, Revision, StreamId, Timestamp};
use crate::x509::{self, CertificateId, NameHash, ProfileDefinition, ProfileName, SerialNumber};

use super::ca::Ca;
use super::certificate::Certificate;
use super::crl::{Crl, End};
use super::enterprise::Enterprise;
use super::event::{Der, Event};
use super::key::{KeyRole, KeyState, NameOwner};
use super::ocsp::Responders;
use super::order::Order;
use super::policy::Policy;
use super::profile::AdoptedProfiles;
use super::quota::Quota;
use super::{CaId, OrderId, Refusal, Roll, Scope, State, stream};

/// What is drawn once for a command and kept over retries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The time that the rules are applied at (rule L9).
    pub time: Timestamp,
    /// The commit that will carry the command out; ids derive from it.
    pub commit: CommitId,
    /// Randomness, from which serial numbers derive.
    pub seed: [u8; 32],
}

impl Context {
    /// The `ordinal`-th serial number of this command (rule I5).
    #[must_use]
    pub fn serial(&self, ordinal: u32) -> SerialNumber {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(b"pca-serial\0")
            .chain_update(self.seed)
            .chain_update(ordinal.to_be_bytes())
            .finalize()
            .into();
        let mut random = [0; 10];
        random.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        SerialNumber::from_random(random)
    }
}

/// What was fetched for a decision because it asked for it.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Public halves of keys that were generated or imported for this command, by ordinal.
    pub keys: BTreeMap<u32, PublicKey>,
    /// Signatures that were checked.
    pub verified: HashMap<Digest, bool>,
    /// What CAs have issued.
    pub rolls: HashMap<CaId, Arc<Roll>>,
}

/// A signature to be checked before a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Who is said to have signed.
    pub key: PublicKey,
    /// How.
    pub algorithm: SignatureAlgorithm,
    /// What.
    pub message: Arc<[u8]>,
    /// The signature.
    pub signature: Arc<[u8]>,
}

impl Verification {
    /// Under which digest the answer is kept in [`Evidence::verified`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        for part in [self.key.spki_der(), format!("{:?}", self.algorithm).as_bytes(), &self.message, &self.signature] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        Digest::new(hash.finalize().into())
    }
}

/// Why a decision did not come to a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Halt {
    /// The business rules say no.
    Refused(Refusal),
    /// Something is needed first.
    Needs(Need),
}

/// What a decision needs before it can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// A stream that has not been loaded.
    Stream(StreamId),
    /// A new key.
    Key {
        /// Which of the command's keys, from 0; its id derives from commit and ordinal.
        ordinal: u32,
        /// What is generated.
        algorithm: Algorithm,
        /// What it is for.
        key_use: KeyUse,
    },
    /// A key that the request brings along, to be imported under the id of this ordinal.
    Import {
        /// Which of the command's keys, from 0.
        ordinal: u32,
    },
    /// A signature check.
    Verification(Verification),
    /// The list of what a CA issued, as of the revision that its quota has in the same read.
    Roll(CaId),
    /// The list of what a CA had issued when a generation of it ended.
    EndedRoll {
        /// The CA.
        ca: CaId,
        /// How many events its quota had by then: the list reaches up to there, or further.
        cutoff: Revision,
        /// As of when it is read: the position of the end.
        as_of: Position,
    },
    /// Several things at once, so that a large request is not decided again for each of them.
    All(Vec<Self>),
}

impl From<Missing> for Halt {
    fn from(missing: Missing) -> Self {
        Self::Needs(Need::Stream(missing.stream))
    }
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl ToSign {
    /// An OCSP answer: signed, and written down nowhere.
    pub(crate) fn answer(key: KeyId, public_key: PublicKey, tbs: Arc<[u8]>) -> Self {
        let algorithm = public_key.signature_algorithm();
        Self { key, public_key, algorithm, tbs, sha256: None, end_entity: true, event: None, part: 0 }
    }
}

/// What was decided: events to come, and what must be signed before they are complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    events: Vec<Event>,
    to_sign: Vec<ToSign>,
    standing: Vec<Event>,
    stands_at: Position,
}

/// Something to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSign {
    /// The key that signs.
    pub key: KeyId,
    /// Its public half, for checking what was signed.
    pub public_key: PublicKey,
    /// How it signs.
    pub algorithm: SignatureAlgorithm,
    /// The to-be-signed DER.
    pub tbs: Arc<[u8]>,
    /// SHA-256 of it, where the decision has computed it: of CRLs, which may be large.
    pub sha256: Option<Digest>,
    /// Whether it is a certificate for a holder or an OCSP answer, and not a certificate for a CA, nor a CRL.
    pub end_entity: bool,
    event: Option<usize>,
    /// Which of the event's signatures it is.
    part: usize,
}

/// Something to be signed for an event that waits for several signatures.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) key: KeyId,
    pub(crate) public_key: PublicKey,
    pub(crate) tbs: Vec<u8>,
}

impl Plan {
    /// A plan without events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event that is complete.
    #[must_use]
    pub fn and(mut self, event: impl Into<Event>) -> Self {
        self.events.push(event.into());
        self
    }

    /// Adds an event that is complete once `tbs` is signed: the certificate of [`Event::CertificateIssued`] or
    /// [`Event::CaEnabled`], [`Event::CaCrossSigned`] or [`Event::ResponderCertified`], the signing request of
    /// [`Event::CaRequested`], or the signature of a last CRL in [`Event::CrlPublished`].
    #[must_use]
    pub fn and_signed(
        mut self,
        event: impl Into<Event>,
        key: KeyId,
        public_key: PublicKey,
        tbs: impl Into<Arc<[u8]>>,
    ) -> Self {
        let event = event.into();
        let end_entity = matches!(event, Event::CertificateIssued(_));
        let algorithm = public_key.signature_algorithm();
        let tbs = tbs.into();
        let (sha256, event_at) = (digest_of(&event), Some(self.events.len()));
        self.to_sign.push(ToSign { key, public_key, algorithm, tbs, sha256, end_entity, event: event_at, part: 0 });
        self.events.push(event);
        self
    }

    /// Adds an event that is complete once each part is signed: the certificate of [`Event::CaRenewed`] and then its
    /// links, in order.
    #[must_use]
    pub(crate) fn and_signed_parts(mut self, event: impl Into<Event>, parts: Vec<Part>) -> Self {
        let at = self.events.len();
        self.to_sign.extend(parts.into_iter().enumerate().map(|(part, Part { key, public_key, tbs })| ToSign {
            sha256: None,
            key,
            algorithm: public_key.signature_algorithm(),
            public_key,
            tbs: tbs.into(),
            end_entity: false,
            event: Some(at),
            part,
        }));
        self.events.push(event.into());
        self
    }

    /// Adds something that a key signs only to show that it still can; what comes of it is thrown away (rule C7: a key
    /// that cannot sign any more needs an explicit *without last CRL*). The words are no DER, so that they cannot be taken
    /// for a certificate or a CRL.
    #[must_use]
    pub fn and_probe(self, key: KeyId, public_key: PublicKey) -> Self {
        self.and_resigned(key, public_key, &b"pca: this key still signs"[..], None)
    }

    /// Says that an event of an earlier commit, at that position, stands: what it was about is signed once more, and nothing
    /// new is to be written (rule A3: periodic re-signing does not swell the log). A plan without [`events`](Self::events) is
    /// not committed; its answer is rebuilt from [`standing`](Self::standing).
    #[must_use]
    pub fn and_standing(
        mut self,
        event: impl Into<Event>,
        position: Position,
        key: KeyId,
        public_key: PublicKey,
        tbs: impl Into<Arc<[u8]>>,
    ) -> Self {
        let event = event.into();
        let sha256 = digest_of(&event);
        self.standing.push(event);
        self.stands_at = position;
        self.and_resigned(key, public_key, tbs, sha256)
    }

    fn and_resigned(
        mut self,
        key: KeyId,
        public_key: PublicKey,
        tbs: impl Into<Arc<[u8]>>,
        sha256: Option<Digest>,
    ) -> Self {
        let (algorithm, tbs) = (public_key.signature_algorithm(), tbs.into());
        let (end_entity, event, part) = (false, None, 0);
        self.to_sign.push(ToSign { key, public_key, algorithm, tbs, sha256, end_entity, event, part });
        self
    }

    /// Events of earlier commits that stand; only in a plan without events of its own.
    #[must_use]
    pub fn standing(&self) -> &[Event] {
        &self.standing
    }

    /// The position of what stands, if anything does.
    #[must_use]
    pub fn stands_at(&self) -> Option<Position> {
        (!self.standing.is_empty()).then_some(self.stands_at)
    }

    /// Joins another plan's events and signatures behind this one's.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        let offset = self.events.len();
        self.events.extend(other.events);
        self.stands_at = self.stands_at.max(other.stands_at);
        self.standing.extend(other.standing);
        self.to_sign.extend(other.to_sign.into_iter().map(|mut to_sign| {
            to_sign.event = to_sign.event.map(|event| event + offset);
            to_sign
        }));
        self
    }

    /// What must be signed, in order.
    #[must_use]
    pub fn to_sign(&self) -> &[ToSign] {
        &self.to_sign
    }

    /// The events to come: certificates are still empty where something must be signed.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Completes the events with the signatures, one for each of [`to_sign`](Self::to_sign) in order.
    #[must_use]
    pub fn complete(self, signatures: &[Signature]) -> Vec<Event> {
        self.complete_and_keep(signatures).0
    }

    /// As [`complete`](Self::complete); also gives back what was signed.
    pub(crate) fn complete_and_keep(mut self, signatures: &[Signature]) -> (Vec<Event>, Vec<ToSign>) {
        for (to_sign, signature) in self.to_sign.iter().zip(signatures) {
            let event = to_sign.event.and_then(|event| self.events.get_mut(event));
            match event {
                Some(Event::CertificateIssued(issued)) => {
                    issued.certificate = x509::assemble(&to_sign.tbs, to_sign.algorithm, signature).into();
                }
                Some(Event::CaEnabled(enabled)) => {
                    enabled.certificate = x509::assemble(&to_sign.tbs, to_sign.algorithm, signature).into();
                }
                Some(Event::CaRenewed(renewed)) => {
                    let made = x509::assemble(&to_sign.tbs, to_sign.algorithm, signature);
                    match to_sign.part.checked_sub(1).map(|link| renewed.links.get_mut(link)) {
                        None => renewed.certificate = made.into(),
                        Some(Some(link)) => link.certificate = made.into(),
                        Some(None) => {}
                    }
                }
                Some(Event::CaCrossSigned(signed)) => {
                    signed.certificate = x509::assemble(&to_sign.tbs, to_sign.algorithm, signature).into();
                }
                Some(Event::CaRequested(requested)) => {
                    requested.request = x509::assemble(&to_sign.tbs, to_sign.algorithm, signature).into();
                }
                Some(Event::ResponderCertified(certified)) => {
                    certified.certificate = x509::assemble(&to_sign.tbs, to_sign.algorithm, signature).into();
                }
                Some(Event::CrlPublished(published)) if published.last.is_some() => {
                    published.last = Some(Der::from(signature.as_slice()));
                }
                _ => {}
            }
        }
        (self.events, self.to_sign)
    }
}

/// The digest of what is signed for an event, where the event tells it.
fn digest_of(event: &Event) -> Option<Digest> {
    match event {
        Event::CrlPublished(published) => Some(published.digest),
        _ => None,
    }
}

/// One decision's view of the domain. Whatever is looked at is guarded in the commit (rule L2).
#[derive(Debug)]
pub struct Desk<'w> {
    desk: log::Desk<'w, State>,
    evidence: &'w Evidence,
}

macro_rules! looks {
    ($($(#[$doc:meta])* $name:ident($arg:ident: $type:ty) -> $fold:ident in $state:ident;)+) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// [`Halt::Needs`] if the stream has not been loaded.
            pub fn $name(&self, $arg: $type) -> Result<&'w $fold, Halt> {
                match self.desk.get_named(&stream::on_stack::$name($arg))? {
                    State::$state(fold) => Ok(fold),
                    _ => Err(Halt::Needs(Need::Stream(stream::$name($arg)))),
                }
            }
        )+
    };
}

impl<'w> Desk<'w> {
    /// A view of folded streams with evidence.
    #[must_use]
    pub fn new(desk: log::Desk<'w, State>, evidence: &'w Evidence) -> Self {
        Self { desk, evidence }
    }

    looks! {
        /// An order; one that nobody placed is [`Order::Unknown`].
        order(id: &OrderId) -> Order in Order;
        /// A CA's life cycle; one that nobody bought has no role.
        ca(id: &CaId) -> Ca in Ca;
        /// A root's pool or an intermediate's quota.
        quota(id: &CaId) -> Quota in Quota;
        /// A certificate; one that nobody issued is empty.
        certificate(id: &CertificateId) -> Certificate in Certificate;
        /// Revocations and CRLs under an issuer name.
        crl(issuer: NameHash) -> Crl in Crl;
        /// Who answers for what an issuing key issued, by the digest of that key.
        ocsp(issuer: &Digest) -> Responders in Ocsp;
        /// A key's life.
        key(id: &KeyId) -> KeyState in Key;
        /// What a public key is used for (rule K2).
        spki(digest: &Digest) -> KeyRole in Spki;
        /// Which CA owns a subject name (rule C4).
        name(subject: NameHash) -> NameOwner in Name;
    }

    /// The enterprise.
    ///
    /// # Errors
    /// [`Halt::Needs`] if the stream has not been loaded.
    pub fn enterprise(&self) -> Result<&'w Enterprise, Halt> {
        match self.desk.get_named(&stream::on_stack::enterprise())? {
            State::Enterprise(fold) => Ok(fold),
            _ => Err(Halt::Needs(Need::Stream(stream::enterprise()))),
        }
    }

    /// The policy in force.
    ///
    /// # Errors
    /// [`Halt::Needs`] if the stream has not been loaded.
    pub fn policy(&self) -> Result<&'w Policy, Halt> {
        match self.desk.get_named(&stream::on_stack::policy())? {
            State::Policy(fold) => Ok(fold.policy()),
            _ => Err(Halt::Needs(Need::Stream(stream::policy()))),
        }
    }

    /// The most partitions of CRLs that any policy so far has had (rule A3).
    ///
    /// # Errors
    /// [`Halt::Needs`] if the stream has not been loaded.
    pub fn most_crl_partitions(&self) -> Result<u32, Halt> {
        match self.desk.get_named(&stream::on_stack::policy())? {
            State::Policy(fold) => Ok(fold.most_crl_partitions()),
            _ => Err(Halt::Needs(Need::Stream(stream::policy()))),
        }
    }

    /// What a profile is made of; nothing if none of that name is built in or was adopted (rule I2). One that is built in
    /// is not looked up, and so not guarded.
    ///
    /// # Errors
    /// [`Halt::Needs`] if the stream has not been loaded.
    pub fn profile(&self, name: ProfileName) -> Result<Option<&'w ProfileDefinition>, Halt> {
        if let Some(profile) = name.built_in() {
            return Ok(Some(profile.definition()));
        }
        match self.desk.get_named(&stream::on_stack::profile(name))? {
            State::Profile(fold) => Ok(fold.definition()),
            _ => Err(Halt::Needs(Need::Stream(stream::profile(name)))),
        }
    }

    /// Every profile of one's own that was adopted.
    ///
    /// # Errors
    /// [`Halt::Needs`] if the stream has not been loaded.
    pub fn profiles(&self) -> Result<&'w AdoptedProfiles, Halt> {
        match self.desk.get_named(&stream::on_stack::profiles())? {
            State::Profiles(fold) => Ok(fold),
            _ => Err(Halt::Needs(Need::Stream(stream::profiles()))),
        }
    }

    /// A key's life, if it has been loaded; it is not asked for. What was made for a command can so be claimed without a
    /// look, and a claim that conflicted be told from one that can succeed once the stream is here.
    #[must_use]
    pub fn known_key(&self, id: &KeyId) -> Option<&'w KeyState> {
        match self.desk.get_known(&stream::key(id))? {
            State::Key(fold) => Some(fold),
            _ => None,
        }
    }

    /// Claims something new without reading it, such as a serial number.
    pub fn claim(&self, stream: &StreamId) {
        self.desk.claim(stream);
    }

    /// The public half of the command's `ordinal`-th key, generated once everything else about the command is decided.
    ///
    /// # Errors
    /// [`Halt::Needs`] until it is there.
    pub fn generated(&self, ordinal: u32, algorithm: Algorithm, key_use: KeyUse) -> Result<&'w PublicKey, Halt> {
        self.evidence.keys.get(&ordinal).ok_or(Halt::Needs(Need::Key { ordinal, algorithm, key_use }))
    }

    /// The public half of the key that the request brings along, once the key store has taken it in.
    ///
    /// # Errors
    /// [`Halt::Needs`] until it is there.
    pub fn imported(&self, ordinal: u32) -> Result<&'w PublicKey, Halt> {
        self.evidence.keys.get(&ordinal).ok_or(Halt::Needs(Need::Import { ordinal }))
    }

    /// Whether a signature verifies.
    ///
    /// # Errors
    /// [`Halt::Needs`] until it was checked.
    pub fn verified(&self, verification: Verification) -> Result<bool, Halt> {
        match self.evidence.verified.get(&verification.digest()) {
            Some(verdict) => Ok(*verdict),
            None => Err(Halt::Needs(Need::Verification(verification))),
        }
    }

    /// What a CA has issued, as of the revision at which this decision sees its quota.
    ///
    /// # Errors
    /// [`Halt::Needs`] if it has not been read, or is not of that revision.
    pub fn roll(&self, ca: &CaId) -> Result<&'w Roll, Halt> {
        let revision = self.quota(ca)?.revision();
        match self.evidence.rolls.get(ca) {
            Some(roll) if roll.revision == revision => Ok(roll),
            _ => Err(Halt::Needs(Need::Roll(ca.clone()))),
        }
    }

    /// Every look and claim as it was noted: what a commit makes its guards of.
    #[must_use]
    pub fn into_notes(self) -> Vec<(StreamId, Revision)> {
        self.desk.into_notes()
    }

    /// What a CA had issued when a generation of it ended, or more.
    ///
    /// Its quota is not looked at, and so not guarded: what stands there up to the end is history and never changes, and
    /// that there is such an end was read from the stream that told of it, which is guarded. So a CA that issues under its
    /// next generation as fast as it can keeps nobody from listing what ended with the last one (rule A3).
    ///
    /// # Errors
    /// [`Halt::Needs`] if it has not been read that far.
    pub fn ended_roll(&self, ended: &End) -> Result<&'w Roll, Halt> {
        let cutoff = Revision::new(ended.end.cutoff);
        match self.evidence.rolls.get(&ended.end.ca) {
            Some(roll) if roll.revision >= cutoff => Ok(roll),
            _ => Err(Halt::Needs(Need::EndedRoll { ca: ended.end.ca.clone(), cutoff, as_of: ended.position })),
        }
    }

    /// Every stream that was looked at or claimed, at its revision: the commit's guards.
    #[must_use]
    pub fn guards(&self) -> BTreeMap<StreamId, Revision> {
        self.desk.guards()
    }
}

/// A command: a request that is decided by business rules into events.
pub trait Command: Clone + Serialize + Send + Sync + 'static {
    /// What the caller learns; rebuilt from the events, so that a repeat gets the same answer (invariant 12).
    type Answer: Send + 'static;

    /// The command's name in the log, in the imperative.
    const NAME: &'static str;

    /// Whether it is never refused because of the clock: revoking, disabling, CRLs and their like (rule L9).
    const WHATEVER_THE_CLOCK: bool = false;

    /// The request as it was asked, encoded for the request digest: MessagePack with named fields. A command serializes
    /// private keys as their public key, and passphrases not at all (rules O6, L8). A value that has no encoding becomes
    /// empty, which only ever makes requests look alike that carry nothing.
    fn canonical(&self) -> Vec<u8> {
        log::pack(self).unwrap_or_default()
    }

    /// What it is about, for the authorizer (rule G1).
    fn scope(&self) -> Scope<'_>;

    /// The CA that it is about, if it names one.
    fn about(&self) -> Option<&CaId> {
        self.scope().named()
    }

    /// The private key that the request brings along as its `ordinal`-th key, to be imported when the decision asks.
    fn private_key(&self, ordinal: u32) -> Option<&PrivateKey> {
        let _ = ordinal;
        None
    }

    /// Applies the rules.
    ///
    /// # Errors
    /// [`Halt::Refused`] with every broken rule (rule L4), or [`Halt::Needs`].
    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt>;

    /// Rebuilds the answer; nothing if these are not the events of such a command.
    fn answer(events: &[Event]) -> Option<Self::Answer>;
}
