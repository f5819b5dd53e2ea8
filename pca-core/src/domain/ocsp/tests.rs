#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::*;
use crate::domain::ca::DisableCa;
use crate::domain::ca::testing::Scene;
use crate::domain::certificate::{IssueCertificate, KeySource, RevokeCertificate};
use crate::domain::decision::Command;
use crate::domain::event::{CertificateRemoved, HoldReleased, KeyOwner};
use crate::domain::key::{ConfirmKeyDestroyed, KeyRole, KeyState};
use crate::domain::policy::Policy;
use crate::keys::Family;
use crate::x509::{
    CertificateId, OcspCertId, OcspCertStatus, OcspHash, ParsedCertificate, ResponderCertificate, RevocationReason,
    SerialNumber,
};

const DAY: i64 = 86_400;

fn issuing() -> (Scene, CaId, CaId) {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.enabled_pair(Family::Ecc);
    scene.assign(&root, &intermediate, 10);
    (scene, root, intermediate)
}

fn issuer(scene: &Scene, ca: &CaId) -> crate::log::Digest {
    scene.ca(ca).generation().unwrap().spki
}

fn certify(scene: &mut Scene, ca: &CaId) -> (CertifiedResponder, Vec<Event>) {
    let command = CertifyResponder { ca: ca.clone(), issuer: issuer(scene, ca) };
    let events = scene.run(&command).unwrap();
    (CertifyResponder::answer(&events).unwrap(), events)
}

/// How a serial number is asked for under a CA's newest key.
fn asked(scene: &Scene, ca: &CaId, serial: SerialNumber) -> OcspCertId {
    let ended = scene.ca(ca).ended().last().map(|ended| &ended.generation);
    let generation = scene.ca(ca).generation().or(ended).unwrap();
    let parsed = generation.parsed.as_ref().unwrap();
    OcspCertId::new(OcspHash::Sha1, parsed.subject(), parsed.public_key().unwrap(), serial)
}

fn prepared(scene: &mut Scene, ca: &CaId, asked: &[OcspCertId]) -> Prepared {
    let now = scene.now();
    scene.ask(|desk| prepare(desk, ca, asked, now)).unwrap()
}

#[track_caller]
fn answered(scene: &mut Scene, ca: &CaId, asked: &[OcspCertId]) -> Answered {
    match prepared(scene, ca, asked) {
        Prepared::Answer(answered) => *answered,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn status(scene: &mut Scene, ca: &CaId, id: &CertificateId) -> OcspCertStatus {
    let asked = asked(scene, ca, id.serial());
    answered(scene, ca, &[asked]).singles[0].status
}

#[track_caller]
fn unauthorized(scene: &mut Scene, ca: &CaId, asked: &[OcspCertId]) -> String {
    match prepared(scene, ca, asked) {
        Prepared::Unauthorized { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn i1_the_issuing_key_certifies_its_own_responder() {
    let (mut scene, root, intermediate) = issuing();
    for ca in [&root, &intermediate] {
        let quota = scene.quota(ca);
        let (done, events) = certify(&mut scene, ca);
        let Event::ResponderCertified(certified) = &events[0] else { panic!() };
        assert_eq!(events.len(), 1);
        assert_eq!(scene.quota(ca), quota, "it consumes none (rule Q2)");
        let certificate = ParsedCertificate::from_der(certified.certificate.as_bytes()).unwrap();
        let issuing = scene.ca(ca).generation().unwrap().clone();
        certificate.verify_signature(issuing.parsed.as_ref().unwrap().public_key().unwrap()).unwrap();
        assert_eq!(certificate.issuer(), issuing.parsed.as_ref().unwrap().subject());
        assert_eq!(certificate.validity().unwrap().seconds(), i64::from(ResponderCertificate::MAX_DAYS) * DAY);
        assert_eq!((done.id, done.replaces), (certificate.id().unwrap(), None));
        assert!(scene.key(&certified.key).public_key() == certificate.public_key().unwrap());
        assert_eq!(scene.key_state(&certified.key), KeyState::Living(KeyOwner::Responder(certified.issuer)));
        let role = scene.role(certificate.public_key().unwrap());
        assert_eq!(role, KeyRole::Responder(done.id), "a role of its own (rule K2)");
    }
}

#[test]
fn i1_it_goes_on_for_a_disabled_ca_and_after_its_term_and_ends_with_its_certificate() {
    let (mut scene, _, intermediate) = issuing();
    scene.run(&DisableCa { ca: intermediate.clone() }).unwrap();
    scene.days_pass(400);
    certify(&mut scene, &intermediate);
    // Five years, less 400 days and 10.
    scene.days_pass(5 * 365 + 1 - 410);
    let (short, _) = certify(&mut scene, &intermediate);
    let ca_ends = scene.ca(&intermediate).generation().unwrap().not_after;
    assert_eq!(short.not_after, ca_ends, "within the issuer's validity (rule C5)");
    scene.days_pass(9);
    let command = CertifyResponder { ca: intermediate.clone(), issuer: issuer(&scene, &intermediate) };
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["I1 responder-still-good"], "the next one would end with it");
    scene.days_pass(2);
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["C5 ca-expired"]);
    let unknown = asked(&scene, &intermediate, SerialNumber::from_random([9; 10]));
    assert!(unauthorized(&mut scene, &intermediate, &[unknown]).contains("no OCSP responder any more"));
}

#[test]
fn i1_a_responder_is_replaced_after_half_of_its_life_and_k3_its_key_ends() {
    let (mut scene, _, intermediate) = issuing();
    let (first, events) = certify(&mut scene, &intermediate);
    let Event::ResponderCertified(before) = events[0].clone() else { panic!() };
    let command = CertifyResponder { ca: intermediate.clone(), issuer: before.issuer };
    scene.days_pass(14);
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["I1 responder-still-good"]);
    let nobody = asked(&scene, &intermediate, SerialNumber::from_random([9; 10]));
    assert!(!answered(&mut scene, &intermediate, core::slice::from_ref(&nobody)).due);
    scene.days_pass(1);
    let now = answered(&mut scene, &intermediate, core::slice::from_ref(&nobody));
    assert!(now.due && now.responder.id == first.id, "the old one answers until the new one is there");
    let refusal = scene.refused(&ConfirmKeyDestroyed { key: before.key.clone() });
    assert_eq!(scene.codes(&refusal), ["K3 key-in-use"]);
    let (second, _) = certify(&mut scene, &intermediate);
    assert_eq!(second.replaces, Some(before.key.clone()));
    assert_eq!(answered(&mut scene, &intermediate, &[nobody]).responder.id, second.id);
    assert_eq!(scene.key_state(&before.key), KeyState::Ending(KeyOwner::Responder(before.issuer)));
    scene.run(&ConfirmKeyDestroyed { key: before.key.clone() }).unwrap();
    assert_eq!(scene.key_state(&before.key), KeyState::Ended(Some(KeyOwner::Responder(before.issuer))));
    assert_eq!(status(&mut scene, &intermediate, &second.id), OcspCertStatus::Good, "the new one is still there");
}

#[test]
fn k3_the_key_of_a_responder_ends_with_its_certificate() {
    let (mut scene, _, intermediate) = issuing();
    let (_, events) = certify(&mut scene, &intermediate);
    let Event::ResponderCertified(certified) = events[0].clone() else { panic!() };
    scene.pass(30 * DAY - 1);
    let refusal = scene.refused(&ConfirmKeyDestroyed { key: certified.key.clone() });
    assert_eq!(scene.codes(&refusal), ["K3 key-in-use"]);
    scene.pass(1);
    scene.run(&ConfirmKeyDestroyed { key: certified.key }).unwrap();
    let nobody = asked(&scene, &intermediate, SerialNumber::from_random([9; 10]));
    let none = prepared(&mut scene, &intermediate, &[nobody]);
    assert_eq!(none, Prepared::NoResponder { issuer: certified.issuer });
    let (next, _) = certify(&mut scene, &intermediate);
    assert_eq!(next.replaces, None, "the end of the first is written down already");
}

#[test]
fn a3_what_was_issued_is_good_or_revoked_and_all_else_unknown() {
    let (mut scene, root, intermediate) = issuing();
    certify(&mut scene, &root);
    let (responder, _) = certify(&mut scene, &intermediate);
    let good = scene.issue(&intermediate, 90, "Ann");
    let revoked = scene.issue(&intermediate, 90, "Ben");
    let held = scene.issue(&intermediate, 90, "Cid");
    scene.pass(7);
    let at = scene.now();
    scene.revoke(&revoked, RevocationReason::Unspecified);
    scene.revoke(&held, RevocationReason::CertificateHold);
    let said = |at, reason| OcspCertStatus::Revoked { at, reason };
    assert_eq!(status(&mut scene, &intermediate, &good), OcspCertStatus::Good);
    assert_eq!(status(&mut scene, &intermediate, &revoked), said(at, RevocationReason::Unspecified));
    assert_eq!(status(&mut scene, &intermediate, &held), said(at, RevocationReason::CertificateHold));
    assert_eq!(status(&mut scene, &intermediate, &responder.id), OcspCertStatus::Good);
    let nobody = CertificateId::new(good.issuer(), SerialNumber::from_random([0xff; 10]));
    assert_eq!(status(&mut scene, &intermediate, &nobody), OcspCertStatus::Unknown, "never good");
    let own = scene.ca(&intermediate).generation().unwrap().id;
    assert_eq!(status(&mut scene, &root, &own), OcspCertStatus::Good, "an intermediate, asked of its root");
    assert_eq!(status(&mut scene, &root, &good), OcspCertStatus::Unknown, "the root did not issue it");
    // A hold that is lifted is nothing; one that is not, stays after the certificate has expired.
    scene.happened(HoldReleased { id: held });
    assert_eq!(status(&mut scene, &intermediate, &held), OcspCertStatus::Good);
    scene.revoke(&held, RevocationReason::CertificateHold);
    let at_again = scene.now();
    scene.days_pass(91);
    certify(&mut scene, &intermediate);
    assert_eq!(status(&mut scene, &intermediate, &held), said(at_again, RevocationReason::CertificateHold));
    assert_eq!(status(&mut scene, &intermediate, &good), OcspCertStatus::Good, "expired, and not revoked");
    scene.happened(CertificateRemoved { id: revoked, key: None });
    let still = status(&mut scene, &intermediate, &revoked);
    assert_eq!(still, said(at, RevocationReason::Unspecified), "removal from the list is none from OCSP (rule A5)");
}

#[test]
fn a3_one_request_asks_one_issuer() {
    let (mut scene, root, intermediate) = issuing();
    certify(&mut scene, &root);
    certify(&mut scene, &intermediate);
    let (one, two) = (scene.issue(&intermediate, 90, "Ann"), scene.issue(&intermediate, 90, "Ben"));
    let (one, two) = (asked(&scene, &intermediate, one.serial()), asked(&scene, &intermediate, two.serial()));
    let both = answered(&mut scene, &intermediate, &[one.clone(), two.clone(), one.clone()]);
    assert_eq!(both.singles.iter().map(|single| &single.cert_id).collect::<Vec<_>>(), [&one, &two, &one]);
    let parsed = scene.ca(&intermediate).generation().unwrap().parsed.clone().unwrap();
    let by_sha256 =
        OcspCertId::new(OcspHash::Sha256, parsed.subject(), parsed.public_key().unwrap(), two.serial().unwrap());
    answered(&mut scene, &intermediate, &[one.clone(), by_sha256]);
    let foreign = asked(&scene, &root, one.serial().unwrap());
    assert!(unauthorized(&mut scene, &intermediate, &[one.clone(), foreign.clone()]).contains("several issuers"));
    assert!(unauthorized(&mut scene, &intermediate, &[foreign.clone(), one.clone()]).contains("several issuers"));
    assert!(unauthorized(&mut scene, &intermediate, &[foreign]).contains("no key of"));
    assert!(unauthorized(&mut scene, &root, &[one]).contains("no key of"));
    let stranger = CaId::derive(&crate::log::CommitId::new([9; 16]), 0);
    let now = scene.now();
    let refusal = scene.ask(|desk| prepare(desk, &stranger, core::slice::from_ref(&two), now)).unwrap_err();
    assert_eq!(scene.codes(&refusal), ["C1 unknown-ca"]);
}

#[test]
fn a3_an_answer_is_valid_as_the_policy_says_and_never_beyond_its_responder() {
    let policy = Policy { ocsp_validity_hours: 48, ..Policy::default() };
    let mut scene = Scene::with(policy);
    let (_, intermediate) = scene.enabled_pair(Family::Ecc);
    let (certified, _) = certify(&mut scene, &intermediate);
    let nobody = asked(&scene, &intermediate, SerialNumber::from_random([9; 10]));
    let now = answered(&mut scene, &intermediate, core::slice::from_ref(&nobody));
    assert_eq!(now.this_update, scene.now().floor_to_second());
    assert_eq!(now.next_update, now.this_update.plus_secs(2 * DAY));
    scene.days_pass(29);
    let late = answered(&mut scene, &intermediate, &[nobody]);
    assert_eq!(late.next_update, certified.not_after);
}

#[test]
fn c7_after_a_reset_the_last_responder_answers_until_it_ends() {
    let (mut scene, root, intermediate) = issuing();
    certify(&mut scene, &root);
    let (responder, _) = certify(&mut scene, &intermediate);
    let id = scene.issue(&intermediate, 90, "Ann");
    let own = scene.ca(&intermediate).generation().unwrap().id;
    let spki = issuer(&scene, &intermediate);
    scene.pass(5);
    let at = scene.now();
    scene.reset(&intermediate, false);
    let ended = OcspCertStatus::Revoked { at, reason: RevocationReason::CessationOfOperation };
    assert_eq!(status(&mut scene, &intermediate, &id), ended, "one event for all that it issued");
    assert_eq!(status(&mut scene, &root, &own), ended, "and its own certificate, asked of the root");
    let refusal = scene.refused(&CertifyResponder { ca: intermediate.clone(), issuer: spki });
    assert_eq!(scene.codes(&refusal), ["I1 no-key-to-sign"]);
    // Enabled anew under the same name: each key has its own responder, and knows only what it issued.
    scene.enable(&intermediate, "Intermediate");
    let old = scene.ca(&intermediate).ended()[0].generation.parsed.clone().unwrap();
    let under_old = OcspCertId::new(OcspHash::Sha1, old.subject(), old.public_key().unwrap(), id.serial());
    let answer = answered(&mut scene, &intermediate, core::slice::from_ref(&under_old));
    assert_eq!((answer.generation, answer.responder.id), (1, responder.id));
    certify(&mut scene, &intermediate);
    let next = scene.issue(&intermediate, 90, "Ben");
    assert_eq!(status(&mut scene, &intermediate, &next), OcspCertStatus::Good);
    assert_eq!(status(&mut scene, &intermediate, &id), OcspCertStatus::Unknown, "not issued by the new key");
    let new_under_old = OcspCertId::new(OcspHash::Sha1, old.subject(), old.public_key().unwrap(), next.serial());
    assert_eq!(answered(&mut scene, &intermediate, &[new_under_old]).singles[0].status, OcspCertStatus::Unknown);
    scene.days_pass(30);
    assert!(unauthorized(&mut scene, &intermediate, &[under_old]).contains("generation 1"));
}

#[test]
fn k2_the_key_of_a_responder_becomes_nothing_else() {
    let (mut scene, _, intermediate) = issuing();
    let (_, events) = certify(&mut scene, &intermediate);
    let Event::ResponderCertified(certified) = events[0].clone() else { panic!() };
    let csr = scene.csr(&scene.key(&certified.key).clone());
    let request = IssueCertificate {
        key: KeySource::Csr(csr),
        ..IssueCertificate::server(intermediate.clone(), ["host.example"])
    };
    let refusal = scene.refused(&request);
    assert_eq!(scene.codes(&refusal), ["K2 key-of-responder"]);
    let revoke = RevokeCertificate { id: certified.id, reason: RevocationReason::Superseded, invalidity_date: None };
    let refusal = scene.refused(&revoke);
    assert_eq!(scene.codes(&refusal), ["A2 certificate-of-responder"], "it ends by itself");
}
