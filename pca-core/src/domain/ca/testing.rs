//! A [`Story`] for tests of CAs, keys and CRLs, whose steps name the CAs that they concern and issue real certificates
//! without asking the rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::as_conversions)]

use core::ops::{Deref, DerefMut};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::crl::Crl;
use crate::domain::decision::{Command, Desk, Halt, Plan};
use crate::domain::event::*;
use crate::domain::order::Order;
use crate::domain::policy::Policy;
use crate::domain::testing::Story;
use crate::domain::{CaId, LotId, OrderId, Refusal, State, stream};
use crate::keys::software::default_backend;
use crate::keys::{Algorithm, Family, KeyId, PrivateKey, Signature};
use crate::log::{EventData, Fold, Moment, Position, Revision, StreamId, Timestamp};
use crate::x509::{
    self, AuthorityUrls, CertificateId, DnsName, GeneralName, Leaf, LeafTemplate, Profile, RevocationReason,
    SerialNumber, SubjectFields, Validity, Wildcards,
};

use super::enable_create::EnableByCreating;
use super::ending::Ending;
use super::preview::{Foreseen, Preview};
use super::{ResetCa, RevokeCa};

/// A story with what tests of CAs, keys and CRLs need besides: refusals as they are, and what was signed.
pub(crate) struct Scene {
    story: Story,
    /// What was signed for the newest command that was carried out.
    pub(crate) signed: Vec<(Arc<[u8]>, Signature)>,
    /// The keys of the certificates that were issued, in order.
    pub(crate) holder_keys: Vec<PrivateKey>,
    serials: u8,
}

impl Deref for Scene {
    type Target = Story;

    fn deref(&self) -> &Story {
        &self.story
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut Story {
        &mut self.story
    }
}

impl Scene {
    /// 2030-01-01, an empty log.
    pub(crate) fn unfounded() -> Self {
        let story = Story::new().at(Timestamp::from_secs(1_893_456_000));
        Self { story, signed: Vec::new(), holder_keys: Vec::new(), serials: 0 }
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
        self.happen(&[event.into()]);
    }

    pub(crate) fn days_pass(&mut self, days: i64) {
        self.pass(days * 86_400);
    }

    /// Decides and carries out.
    #[track_caller]
    pub(crate) fn run<C: Command>(&mut self, command: &C) -> Result<Vec<Event>, Refusal> {
        let done = self.carry_out(command)?;
        self.signed = done.signed;
        Ok(done.events)
    }

    #[track_caller]
    pub(crate) fn refused<C: Command>(&mut self, command: &C) -> Refusal {
        let keys = self.keys_held();
        let Err(refusal) = self.decide(command) else { panic!("not refused") };
        assert_eq!(self.keys_held(), keys, "no key is made for a refused command");
        refusal
    }

    pub(crate) fn codes(&self, refusal: &Refusal) -> Vec<String> {
        refusal.broken().iter().map(|broken| format!("{} {}", broken.rule(), broken.code())).collect()
    }

    pub(crate) fn decide<C: Command>(&mut self, command: &C) -> Result<(Plan, BTreeMap<StreamId, Revision>), Refusal> {
        let context = self.context();
        let (plan, guards, _) = self.story.decide(command, &context)?;
        Ok((plan, guards))
    }

    /// Gives a question what it needs until it is answered.
    pub(crate) fn ask<T>(&mut self, question: impl Fn(&Desk<'_>) -> Result<T, Halt>) -> Result<T, Refusal> {
        let context = self.context();
        self.attend(&context, question).map(|(answer, _)| answer)
    }
}

/// What stands.
impl Scene {
    pub(crate) fn crl(&self, name: x509::NameHash) -> &Crl {
        match self.world().get(&stream::crl(name)) {
            Some(State::Crl(crl)) => crl,
            _ => panic!("the CRL of {name} is not loaded"),
        }
    }

    /// The fold as of a position, as the service reads it.
    pub(crate) fn crl_as_of(&self, name: x509::NameHash, position: Position) -> Crl {
        let stream = stream::crl(name);
        let mut fold = Crl::begin(&stream);
        for recorded in self.log() {
            let (first, time, metadata) = (recorded.seal().first, recorded.seal().time, recorded.commit().metadata());
            for (index, view) in recorded.commit().events().enumerate() {
                let here = first.plus(index as u64);
                if here <= position && view.streams().any(|concerned| *concerned == stream) {
                    let moment = Moment { time, revision: Revision::ZERO, position: here, metadata };
                    fold.evolve(&Event::decode(&view).unwrap(), &moment);
                }
            }
        }
        fold
    }

    pub(crate) fn order_of(&self, id: &CaId) -> OrderId {
        let order = self.ca(id).bought().unwrap().order.clone();
        assert!(matches!(self.world().get(&stream::order(&order)), Some(State::Order(Order::Placed(_)))));
        order
    }
}

/// What happened before.
impl Scene {
    /// A root with its intermediate, ten free units, and a term of one year.
    pub(crate) fn buy_root(&mut self, family: Family) -> (CaId, CaId) {
        let commit = self.context().commit;
        let (root, intermediate) = (CaId::derive(&commit, 0), CaId::derive(&commit, 1));
        self.happened(RootOrdered {
            order: OrderId::derive(&commit, 0),
            root: root.clone(),
            intermediate: intermediate.clone(),
            family,
            free: Some(Lot { id: LotId::derive(&commit, 0), free: true, units: 10, expires: None }),
            paid: Money { minor_units: 0, currency: String::new() },
            term_ends: self.now().plus_secs(365 * 86_400),
        });
        (root, intermediate)
    }

    pub(crate) fn buy_intermediate(&mut self, root: &CaId) -> CaId {
        let commit = self.context().commit;
        let intermediate = CaId::derive(&commit, 0);
        let family = self.ca(root).bought().unwrap().family;
        self.happened(IntermediateOrdered {
            order: OrderId::derive(&commit, 0),
            root: root.clone(),
            intermediate: intermediate.clone(),
            family,
            paid: Money { minor_units: 0, currency: String::new() },
            term_ends: self.now().plus_secs(365 * 86_400),
        });
        intermediate
    }

    pub(crate) fn enabling(&self, ca: &CaId, name: &str) -> EnableByCreating {
        EnableByCreating {
            constraints: Default::default(),
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
        let lots = self.quota(root).take(self.now(), units).unwrap();
        let remaining = self.quota(root).available(self.now()) - units;
        self.happened(QuotaAssigned { root: root.clone(), intermediate: intermediate.clone(), lots, remaining });
    }

    /// Units that are bought and assigned at once.
    pub(crate) fn more_quota(&mut self, root: &CaId, intermediate: &CaId, units: u64) {
        let commit = self.context().commit;
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
        let key = KeyId::derive(&self.context().commit, 0);
        (self.issue_with(ca, days, "holder", Some(key.clone())), key)
    }

    fn issue_with(&mut self, ca: &CaId, days: u32, holder: &str, kept: Option<KeyId>) -> CertificateId {
        self.serials += 1;
        let serial = SerialNumber::from_random([self.serials; 10]);
        let key = default_backend().generate(Algorithm::EcdsaP256).unwrap();
        let generation = self.generation(ca);
        let id = CertificateId::new(generation.subject_hash, serial);
        let parsed = generation.parsed.clone().unwrap();
        let issuer = parsed.as_issuer().unwrap();
        let template = LeafTemplate::new(&issuer, Profile::Server, &AuthorityUrls::default(), &[]);
        let validity = Validity::for_days(self.now().floor_to_second(), days).unwrap();
        let name = GeneralName::Dns(DnsName::parse("host.example", Wildcards::Narrow).unwrap());
        let subject = x509::DistinguishedName::empty();
        let leaf = Leaf { serial, validity, subject: &subject, public_key: key.public_key(), names: &[name] };
        let tbs = template.tbs(&leaf).unwrap();
        let signer = default_backend().signer(self.key(&generation.key)).unwrap();
        let signature = signer.sign(issuer.signature_algorithm(), &tbs).unwrap();
        let lot = self.quota(ca).next_lot(self.now()).unwrap().id.clone();
        let event = CertificateIssued {
            id,
            ca: ca.clone(),
            generation: generation.number,
            profile: Profile::Server.into(),
            certificate: x509::assemble(&tbs, issuer.signature_algorithm(), &signature).into(),
            key: kept,
            spki: key.public_key().digest(),
            claims_key: true,
            lot,
            balance: Balance::default(),
            not_before: validity.not_before(),
            not_after: validity.not_after(),
            holder: Holder { name: Some(holder.into()), ..Holder::default() },
            partition: None,
            renews: None,
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
            partition: issued.partition,
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
        let (preview, now) = (Preview { ca: ca.clone(), ending }, self.now());
        self.ask(|desk| preview.ask(desk, now)).unwrap()
    }

    pub(crate) fn preview_refused(&mut self, ca: &CaId, ending: Ending) -> Refusal {
        let (preview, now) = (Preview { ca: ca.clone(), ending }, self.now());
        self.ask(|desk| preview.ask(desk, now)).unwrap_err()
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
