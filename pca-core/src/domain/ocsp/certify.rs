//! `CertifyResponder`: an issuing key signs the certificate of who answers for it (rule I1).

use serde::Serialize;

use crate::domain::ca::rules::{self, C5, known, thawed};
use crate::domain::ca::{Ca, Generation};
use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Der, Event, ResponderCertified};
use crate::domain::key::{KeyRole, KeyState};
use crate::domain::policy::Policy;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Scope, founded, stream};
use crate::keys::{Algorithm, Family, KeyId, KeyUse, PublicKey};
use crate::log::{Digest, Timestamp};
use crate::x509::{
    CertificateId, CommonName, DistinguishedName, PathViolation, Planned, PlannedRole, Profile, ResponderCertificate,
    Validity, check_path,
};

use super::Responders;

const I1: Rule = Rule::new("I1");
const I6: Rule = Rule::new("I6");
const K2: Rule = Rule::new("K2");
const K3: Rule = Rule::new("K3");

/// Certifies an OCSP responder for one of a CA's living keys, in place of the one before: OCSPSigning, nocheck, at most 30
/// days (rule I1). It consumes no quota, and goes on when the CA is disabled or its term has ended (rules C10, O5).
///
/// [`Pca::answer_ocsp`](crate::service::Pca::answer_ocsp) carries it out when it is time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertifyResponder {
    /// The CA.
    pub ca: CaId,
    /// SHA-256 of the SubjectPublicKeyInfo of the key that is to be answered for.
    pub issuer: Digest,
}

/// What [`CertifyResponder`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedResponder {
    /// The CA.
    pub ca: CaId,
    /// The responder's certificate.
    pub id: CertificateId,
    /// Its last second.
    pub not_after: Timestamp,
    /// The key that it replaces and that is to be destroyed now (rule K3).
    pub replaces: Option<KeyId>,
}

impl CertifyResponder {
    /// The code of the refusal while the one before is still good for more than half of its life: nothing is to be done.
    pub const STILL_GOOD: &'static str = "responder-still-good";

    /// The living generation whose key it is; objects if there is none.
    fn generation<'w>(&self, ca: &'w Ca, objections: &mut Objections) -> Option<&'w Generation> {
        known(ca, &self.ca, objections)?;
        thawed(ca, &self.ca, objections);
        let live = rules::is_live(ca.state());
        let found = ca.signing_generations().find(|generation| live && generation.spki == self.issuer);
        objections.require(found.is_some(), || {
            let state = ca.state().in_words();
            let text = format!("{} is {state}, and {} is no key of it that signs", self.ca, self.issuer);
            BrokenRule::new(I1, "no-key-to-sign", text)
        });
        found
    }

    fn is_needed(&self, generation: &Generation, responders: &Responders, now: Timestamp, objections: &mut Objections) {
        objections.require(!generation.has_expired(now), || {
            let text = format!("the certificate of {} ended at {}", self.ca, generation.not_after);
            BrokenRule::new(C5, "ca-expired", text)
        });
        let good = responders.living(now).filter(|responder| !responder.is_due(generation.not_after, now));
        if let Some(good) = good {
            let text = format!("the OCSP responder {} of {} is good until {}", good.id, self.ca, good.not_after);
            objections.add(BrokenRule::new(I1, Self::STILL_GOOD, text));
        }
    }
}

impl Command for CertifyResponder {
    type Answer = CertifiedResponder;

    const NAME: &'static str = "CertifyResponder";

    const WHATEVER_THE_CLOCK: bool = true;

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let policy = desk.policy()?;
        let (ca, now) = (desk.ca(&self.ca)?, context.time);
        let responders = desk.ocsp(&self.issuer)?;
        let generation = self.generation(ca, &mut objections);
        if let Some(generation) = generation {
            self.is_needed(generation, responders, now, &mut objections);
        }
        let key = KeyId::derive(&context.commit, 0);
        objections.require(matches!(desk.key(&key)?, KeyState::Unknown), || {
            let text = format!("the key {key} was used or given up before; ask again under another idempotency key");
            BrokenRule::new(K3, "key-spent", text)
        });
        objections.verdict()?;
        // Whatever is absent now was objected to.
        let Some(generation) = generation else { return Err(rules::unreadable(&self.ca)) };
        let parsed = generation.parsed.as_deref().ok_or_else(|| rules::unreadable(&self.ca))?;
        let issuer = parsed.as_issuer().map_err(|_| rules::unreadable(&self.ca))?;
        let issuing = rules::public_key(generation, &self.ca)?;
        let subject = subject_under(parsed.subject());
        let validity = validity_under(generation, policy, now).ok_or_else(|| rules::unreadable(&self.ca))?;
        let planned = Planned {
            role: PlannedRole::EndEntity { profile: Profile::OcspSigning.definition() },
            validity,
            family: issuing.family(),
            subject: &subject,
            names: &[],
        };
        let mut objections = Objections::new();
        // A CA whose purposes are narrowed may have its own responder all the same: that narrows what it certifies for others.
        let violations = check_path(&[parsed], &planned).into_iter();
        let violations = violations.filter(|violation| matches!(violation, PathViolation::NameConstraint { .. }));
        objections.extend(violations.map(|violation| BrokenRule::new(I6, "name-constraint", violation.to_string())));
        objections.verdict()?;

        let serial = context.serial(0);
        let id = CertificateId::new(generation.subject_hash, serial);
        desk.claim(&stream::certificate(&id));
        let own = desk.generated(0, algorithm_under(&issuing), KeyUse::CertificateAuthority)?;
        let mut objections = Objections::new();
        objections.require(*desk.spki(&own.digest())? == KeyRole::Unused, || {
            let text = format!("the key {key} has had another role; one key has one role for ever");
            BrokenRule::new(K2, "key-in-another-role", text)
        });
        objections.verdict()?;
        // The key of one that is replaced comes to its end; the stream of it is read, since it moves.
        let replaces = responders.current().map(|responder| responder.key.clone());
        if let Some(replaced) = &replaces {
            desk.key(replaced)?;
        }
        let certificate = ResponderCertificate { serial, validity, subject: &subject, public_key: own };
        let certified = ResponderCertified {
            ca: self.ca.clone(),
            generation: generation.number,
            issuer: self.issuer,
            certificate: Der::from(Vec::new()),
            id,
            key,
            spki: own.digest(),
            not_before: validity.not_before(),
            not_after: validity.not_after(),
            replaces,
        };
        Ok(Plan::new().and_signed(certified, generation.key.clone(), issuing, certificate.tbs(&issuer)))
    }

    fn answer(events: &[Event]) -> Option<CertifiedResponder> {
        events.iter().find_map(|event| match event {
            Event::ResponderCertified(certified) => Some(CertifiedResponder {
                ca: certified.ca.clone(),
                id: certified.id,
                not_after: certified.not_after,
                replaces: certified.replaces.clone(),
            }),
            _ => None,
        })
    }
}

/// As strong as the issuer's key, except for RSA, where 2048 bits are enough for 30 days and four times as quick.
fn algorithm_under(issuer: &PublicKey) -> Algorithm {
    match (issuer.family(), issuer.algorithm()) {
        (Family::Rsa, _) => Algorithm::Rsa2048,
        (_, Some(algorithm)) => algorithm,
        (_, None) => Algorithm::EcdsaP256,
    }
}

/// The issuer's own name with another common name, so that it keeps whatever names its issuer is held to.
fn subject_under(issuer: &DistinguishedName) -> DistinguishedName {
    const WHAT: &str = "OCSP responder";
    let mut fields = issuer.fields();
    let whose = fields.common_name.take().unwrap_or_default();
    let whose: String = whose.trim().chars().take(48).collect();
    fields.common_name = Some(format!("{whose} {WHAT}").trim_start().to_owned());
    // Names of uploads need not keep the bounds of rule C4.
    let plain = || crate::x509::SubjectFields::common(WHAT).to_name(CommonName::Required).ok();
    fields.to_name(CommonName::Required).ok().or_else(plain).unwrap_or_else(DistinguishedName::empty)
}

/// At most 30 days, within the issuer's validity (rules C5, I1).
fn validity_under(generation: &Generation, policy: &Policy, now: Timestamp) -> Option<Validity> {
    let backdated = now.floor_to_second().plus_secs(-i64::from(policy.backdate_seconds));
    let not_before = backdated.max(generation.not_before);
    let longest = Validity::for_days(not_before, ResponderCertificate::MAX_DAYS).ok()?;
    Validity::new(not_before, longest.not_after().min(generation.not_after)).ok()
}
