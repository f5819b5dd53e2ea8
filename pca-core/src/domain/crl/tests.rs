#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use std::process::Command as Process;

use super::*;
use crate::domain::ca::testing::Scene;
use crate::domain::ca::{ConfigureCa, Step, unfinished};
use crate::domain::decision::Command;
use crate::domain::event::Addresses;
use crate::domain::policy::Policy;
use crate::domain::{CaId, Event};
use crate::keys::Family;
use crate::log::Digest;
use crate::x509::{self, CertificateId, NameHash, ParsedCrl, RevocationReason, assemble};

/// The CRL that was signed last.
fn signed(scene: &Scene, ca: &CaId) -> ParsedCrl {
    let current = scene.ca(ca).generation();
    let generation = current.unwrap_or_else(|| &scene.ca(ca).ended().last().unwrap().generation);
    let key = generation.parsed.as_ref().unwrap().public_key().unwrap();
    let (tbs, signature) = scene.signed.last().unwrap();
    let crl = ParsedCrl::from_der(assemble(tbs, key.signature_algorithm(), signature)).unwrap();
    crl.verify_signature(key).unwrap();
    crl
}

fn publish(scene: &mut Scene, ca: &CaId) -> (Vec<Event>, ParsedCrl) {
    let events = scene.run(&PublishCrl::full(ca.clone())).unwrap();
    let crl = signed(scene, ca);
    (events, crl)
}

fn listed(crl: &ParsedCrl) -> Vec<SerialNumber> {
    crl.entries().iter().map(|entry| entry.serial).collect()
}

fn serials<const N: usize>(ids: [&CertificateId; N]) -> Vec<SerialNumber> {
    let mut serials: Vec<_> = ids.iter().map(|id| id.serial()).collect();
    serials.sort();
    serials
}

fn name_of(scene: &Scene, ca: &CaId) -> NameHash {
    scene.ca(ca).generation().unwrap().subject_hash
}

fn issuing() -> (Scene, CaId, CaId) {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.enabled_pair(Family::Ecc);
    scene.assign(&root, &intermediate, 10);
    (scene, root, intermediate)
}

#[test]
fn a3_a_full_crl_lists_what_is_revoked_or_on_hold() {
    let (mut scene, root, intermediate) = issuing();
    let (first, crl) = publish(&mut scene, &intermediate);
    assert!(crl.entries().is_empty());
    assert_eq!(crl.number(), Some(u64::try_from(scene.now().secs()).unwrap()), "Unix seconds of thisUpdate");
    assert_eq!(crl.next_update(), Some(scene.now().plus_secs(7 * 86_400)));
    let revoked = scene.issue(&intermediate, 90, "Ann");
    let held = scene.issue(&intermediate, 90, "Ben");
    let good = scene.issue(&intermediate, 90, "Cid");
    scene.revoke(&revoked, RevocationReason::KeyCompromise);
    scene.revoke(&held, RevocationReason::CertificateHold);
    let (events, crl) = publish(&mut scene, &intermediate);
    assert_eq!(listed(&crl), serials([&revoked, &held]));
    assert!(!listed(&crl).contains(&good.serial()));
    assert_eq!(crl.entries()[0].reason, RevocationReason::KeyCompromise);
    let answer = PublishCrl::answer(&events).unwrap();
    assert_eq!(answer.number, PublishCrl::answer(&first).unwrap().number + 1, "in the same second: the next number");
    assert_eq!((Some(answer.number), answer.entries, answer.last), (crl.number(), 2, false));
    assert_eq!(answer.digest, Digest::of(&scene.signed[0].0));
    scene.happened(crate::domain::event::HoldReleased { id: held });
    let (_, crl) = publish(&mut scene, &intermediate);
    assert_eq!(listed(&crl), serials([&revoked]));
    let (_, crl) = publish(&mut scene, &root);
    assert_eq!(crl.next_update(), Some(scene.now().plus_secs(90 * 86_400)), "a root's");
    assert_eq!(crl.issuer(), scene.ca(&root).generation().unwrap().parsed.as_ref().unwrap().subject());
}

#[test]
fn a3_the_policy_says_how_long_a_crl_is_valid() {
    let policy = Policy { crl_validity_days: 2, root_crl_validity_days: 30, ..Policy::default() };
    let mut scene = Scene::with(policy);
    let (root, intermediate) = scene.enabled_pair(Family::Ecc);
    let (_, crl) = publish(&mut scene, &intermediate);
    assert_eq!(crl.next_update(), Some(scene.now().plus_secs(2 * 86_400)));
    let (_, crl) = publish(&mut scene, &root);
    assert_eq!(crl.next_update(), Some(scene.now().plus_secs(30 * 86_400)));
}

#[test]
fn a3_what_stands_is_signed_again_without_an_event() {
    let (mut scene, _, intermediate) = issuing();
    let (events, first) = publish(&mut scene, &intermediate);
    scene.days_pass(3);
    let (plan, _) = scene.decide(&PublishCrl::full(intermediate.clone())).unwrap();
    assert!(plan.events().is_empty(), "nothing to commit");
    assert_eq!(plan.standing(), events, "the answer is rebuilt from what stands");
    let (none, again) = publish(&mut scene, &intermediate);
    assert!(none.is_empty());
    assert_eq!((again.number(), again.this_update()), (first.number(), first.this_update()));

    scene.days_pass(1);
    let (events, next) = publish(&mut scene, &intermediate);
    assert_eq!(events.len(), 1, "half of its time has passed");
    assert!(next.number() > first.number() && next.this_update() == scene.now());

    let certificate = scene.issue(&intermediate, 90, "Ann");
    assert!(publish(&mut scene, &intermediate).0.is_empty(), "issuing changes no CRL");
    scene.revoke(&certificate, RevocationReason::Superseded);
    let (events, crl) = publish(&mut scene, &intermediate);
    assert_eq!((events.len(), listed(&crl)), (1, serials([&certificate])), "a revocation does");
}

#[test]
fn a3_an_expired_certificate_leaves_after_one_more_crl() {
    let (mut scene, _, intermediate) = issuing();
    let short = scene.issue(&intermediate, 10, "Ann");
    let long = scene.issue(&intermediate, 90, "Ben");
    scene.revoke(&short, RevocationReason::Superseded);
    scene.revoke(&long, RevocationReason::Superseded);
    let (_, crl) = publish(&mut scene, &intermediate);
    assert_eq!(listed(&crl), serials([&short, &long]));
    scene.days_pass(11);
    let (_, crl) = publish(&mut scene, &intermediate);
    assert_eq!(listed(&crl), serials([&short, &long]), "one more after its end");
    scene.days_pass(5);
    let (_, crl) = publish(&mut scene, &intermediate);
    assert_eq!(listed(&crl), serials([&long]));
}

#[test]
fn a3_the_scope_is_the_name_over_generations() {
    let (mut scene, _, intermediate) = issuing();
    let revoked = scene.issue(&intermediate, 90, "Ann");
    let held = scene.issue(&intermediate, 90, "Ben");
    let ended = scene.issue(&intermediate, 90, "Cid");
    let expired = scene.issue(&intermediate, 5, "Dan");
    scene.revoke(&revoked, RevocationReason::KeyCompromise);
    scene.revoke(&held, RevocationReason::CertificateHold);
    scene.days_pass(6);
    let (_, before) = publish(&mut scene, &intermediate);
    scene.reset(&intermediate, true);
    let refusal = scene.refused(&PublishCrl::full(intermediate.clone()));
    assert_eq!(scene.codes(&refusal), ["A3 no-key-to-sign"]);

    scene.enable(&intermediate, "Intermediate");
    let fresh = scene.issue(&intermediate, 90, "Eve");
    let (events, crl) = publish(&mut scene, &intermediate);
    assert_eq!(listed(&crl), serials([&revoked, &held, &ended]), "all of the generation that ended, by the new key");
    assert!(!listed(&crl).contains(&fresh.serial()) && !listed(&crl).contains(&expired.serial()));
    assert!(crl.number() > before.number(), "numbers go on");
    assert_eq!(PublishCrl::answer(&events).unwrap().generation, 2);
    let reason = |id: &CertificateId| crl.entries().iter().find(|entry| entry.serial == id.serial()).unwrap().reason;
    assert_eq!(reason(&revoked), RevocationReason::KeyCompromise, "its own reason stays");
    assert_eq!(reason(&held), RevocationReason::CessationOfOperation, "a hold becomes final");
    assert_eq!(reason(&ended), RevocationReason::CessationOfOperation);

    scene.reset(&intermediate, true);
    scene.enable(&intermediate, "Another");
    let (_, crl) = publish(&mut scene, &intermediate);
    assert!(crl.entries().is_empty(), "another name has another CRL");
}

#[test]
fn a2_a_date_never_moves_behind_the_end_of_the_ca() {
    let (mut scene, _, intermediate) = issuing();
    let certificate = scene.issue(&intermediate, 90, "Ann");
    let expired = scene.issue(&intermediate, 5, "Ben");
    scene.days_pass(6);
    scene.reset(&intermediate, true);
    let end = scene.ca(&intermediate).end_of(1).unwrap().at;
    scene.enable(&intermediate, "Intermediate");
    scene.days_pass(9);
    scene.revoke(&certificate, RevocationReason::KeyCompromise);
    scene.revoke(&expired, RevocationReason::KeyCompromise);
    let (_, crl) = publish(&mut scene, &intermediate);
    let entry = |id: &CertificateId| crl.entries().iter().find(|entry| entry.serial == id.serial()).unwrap();
    assert_eq!(entry(&certificate).reason, RevocationReason::KeyCompromise);
    assert_eq!(entry(&certificate).revoked_at, end.floor_to_second());
    assert_eq!(entry(&expired).revoked_at, scene.now().floor_to_second(), "its CA's end did not concern it");
}

#[test]
fn a2_a_hold_that_its_ca_overtakes_becomes_final_and_keeps_its_date() {
    let (mut scene, _, intermediate) = issuing();
    let held = scene.issue(&intermediate, 90, "Ann");
    let ended = scene.issue(&intermediate, 90, "Ben");
    scene.days_pass(3);
    scene.revoke(&held, RevocationReason::CertificateHold);
    let since = scene.now();
    scene.days_pass(9);
    let (_, before) = publish(&mut scene, &intermediate);
    let entry = |crl: &ParsedCrl, id: &CertificateId| {
        let found = crl.entries().iter().find(|entry| entry.serial == id.serial()).unwrap();
        (found.reason, found.revoked_at)
    };
    assert_eq!(entry(&before, &held), (RevocationReason::CertificateHold, since.floor_to_second()));
    scene.reset(&intermediate, true);
    let end = scene.ca(&intermediate).end_of(1).unwrap().at;
    assert!(end > since);
    scene.enable(&intermediate, "Intermediate");
    let (_, crl) = publish(&mut scene, &intermediate);
    let reason = RevocationReason::CessationOfOperation;
    assert_eq!(entry(&crl, &held), (reason, since.floor_to_second()), "no date moves to a later one");
    assert_eq!(entry(&crl, &ended), (reason, end.floor_to_second()));
}

#[test]
fn a3_the_roots_crl_lists_a_reset_intermediate() {
    let (mut scene, root, intermediate) = issuing();
    let id = scene.ca(&intermediate).generation().unwrap().id;
    let command = scene.resetting(&intermediate);
    let reason = Some(RevocationReason::KeyCompromise);
    scene.run(&crate::domain::ca::ResetCa { reason, ..command }).unwrap();
    let (_, crl) = publish(&mut scene, &root);
    assert_eq!(listed(&crl), serials([&id]));
    assert_eq!(crl.entries()[0].reason, RevocationReason::CaCompromise);
}

#[test]
fn a2_certificates_of_a_compromised_ca_are_not_listed_as_cas() {
    let (mut scene, _, intermediate) = issuing();
    let certificate = scene.issue(&intermediate, 90, "Ann");
    let command = scene.resetting(&intermediate);
    let reason = Some(RevocationReason::KeyCompromise);
    scene.run(&crate::domain::ca::ResetCa { reason, ..command }).unwrap();
    scene.enable(&intermediate, "Intermediate");
    let (_, crl) = publish(&mut scene, &intermediate);
    assert_eq!(listed(&crl), serials([&certificate]));
    assert_eq!(crl.entries()[0].reason, RevocationReason::KeyCompromise);
}

#[test]
fn c7_a_last_crl_is_signed_once_and_can_be_served_from_the_log() {
    let (mut scene, _, intermediate) = issuing();
    let revoked = scene.issue(&intermediate, 90, "Ann");
    let ended = scene.issue(&intermediate, 10, "Ben");
    scene.revoke(&revoked, RevocationReason::Superseded);
    let name = name_of(&scene, &intermediate);
    let last = PublishLastCrl { ca: intermediate.clone(), generation: 1 };
    let refusal = scene.refused(&last);
    assert_eq!(scene.codes(&refusal), ["C7 not-ended"]);
    scene.reset(&intermediate, false);
    let events = scene.run(&last).unwrap();
    let crl = signed(&scene, &intermediate);
    assert_eq!(listed(&crl), serials([&revoked, &ended]));
    assert_eq!(crl.next_update(), Some(x509::Crl::NO_NEXT_UPDATE));
    let [Event::CrlPublished(published)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(published.last.as_ref().unwrap().as_bytes(), scene.signed[0].1, "the signature is kept");
    assert!(PublishLastCrl::answer(&events).unwrap().last);
    assert!(!unfinished(scene.ca(&intermediate)).iter().any(|step| matches!(step, Step::PublishLastCrl { .. })));
    let refusal = scene.refused(&last);
    assert_eq!(scene.codes(&refusal), ["C7 last-crl-done"]);

    // The name goes on under a new key; the last CRL of the old one stays what it was.
    let der = assemble(&scene.signed[0].0, crate::keys::SignatureAlgorithm::EcdsaSha256, &scene.signed[0].1);
    scene.enable(&intermediate, "Intermediate");
    let later = scene.issue(&intermediate, 90, "Cid");
    scene.revoke(&later, RevocationReason::Superseded);
    scene.days_pass(30);
    publish(&mut scene, &intermediate);
    let roll = scene.roll(&intermediate);
    let ended = scene.ca(&intermediate).end_of(1).unwrap();
    let as_of = scene.crl_as_of(name, published.covers);
    assert_eq!(last_crl(ended, &as_of, |_| Some(&roll)), Ok(der));
    assert!(matches!(last_crl(ended, scene.crl(name), |_| Some(&roll)), Err(RebuildError::Differs { .. })));
}

#[test]
fn c7_a_generation_that_was_ended_without_a_last_crl_signs_none() {
    let (mut scene, _, intermediate) = issuing();
    scene.reset(&intermediate, true);
    let refusal = scene.refused(&PublishLastCrl { ca: intermediate.clone(), generation: 1 });
    assert_eq!(scene.codes(&refusal), ["C7 last-crl-done"]);
    assert!(refusal.broken()[0].message().contains("without a last CRL"));
    let refusal = scene.refused(&PublishLastCrl { ca: intermediate.clone(), generation: 2 });
    assert_eq!(scene.codes(&refusal), ["C7 not-ended"]);
    let ended = scene.ca(&intermediate).end_of(1).unwrap();
    let crl = scene.crl(ended.end.subject_hash);
    assert!(matches!(last_crl(ended, crl, |_| None), Err(RebuildError::NotSigned { .. })));
}

#[test]
fn c10_o5_crls_go_on_while_disabled_and_after_the_term() {
    let (mut scene, _, intermediate) = issuing();
    scene.run(&crate::domain::ca::DisableCa { ca: intermediate.clone() }).unwrap();
    scene.days_pass(400);
    assert_eq!(publish(&mut scene, &intermediate).0.len(), 1);
}

#[test]
fn every_published_crl_comes_out_of_the_log_again() {
    let (mut scene, _, intermediate) = issuing();
    let name = name_of(&scene, &intermediate);
    let mut published = Vec::new();
    for round in 0..6 {
        let certificate = scene.issue(&intermediate, 20, "Ann");
        if round % 2 == 0 {
            scene.revoke(&certificate, RevocationReason::Superseded);
        }
        if round == 3 {
            scene.reset(&intermediate, false);
            published.extend(scene.run(&PublishLastCrl { ca: intermediate.clone(), generation: 1 }).unwrap());
            scene.enable(&intermediate, "Intermediate");
        }
        let addresses = Addresses::default();
        scene.run(&ConfigureCa::addresses(intermediate.clone(), addresses)).unwrap();
        scene.days_pass(7);
        published.extend(publish(&mut scene, &intermediate).0);
    }
    assert_eq!(published.len(), 7);
    let roll = scene.roll(&intermediate);
    for event in &published {
        let Event::CrlPublished(published) = event else { panic!() };
        let ca = scene.ca(&intermediate);
        let generation = ca.end_of(published.generation).map(|ended| &ended.generation);
        let generation = generation.or(ca.generation()).unwrap();
        let issuer = generation.parsed.as_ref().unwrap().as_issuer().unwrap();
        let as_of = scene.crl_as_of(name, published.covers);
        let tbs = to_be_signed(&issuer, &as_of, |_| Some(&roll), published);
        assert_eq!(Digest::of(&tbs), published.digest, "CRL {}", published.number);
    }
}

/// OpenSSL accepts the chain with the CRLs, and refuses what they list, before and after a reset.
#[test]
fn openssl_refuses_what_the_crls_list() {
    let (mut scene, root, intermediate) = issuing();
    let revoked = scene.issue(&intermediate, 90, "Ann");
    let good = scene.issue(&intermediate, 90, "Ben");
    scene.revoke(&revoked, RevocationReason::Superseded);
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, der: &[u8]| std::fs::write(directory.path().join(name), der).unwrap();
    let certificate =
        |scene: &Scene, id: &CertificateId| scene.certificate(id).issued().unwrap().certificate.as_bytes().to_vec();
    write("root.der", scene.ca(&root).generation().unwrap().certificate.as_bytes());
    write("intermediate.der", scene.ca(&intermediate).generation().unwrap().certificate.as_bytes());
    write("revoked.der", &certificate(&scene, &revoked));
    write("good.der", &certificate(&scene, &good));
    let run = |arguments: &str| {
        let output = Process::new("openssl").args(arguments.split(' ')).current_dir(directory.path()).output();
        match output {
            Ok(output) => {
                let text = [output.stdout, output.stderr].concat();
                Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
            }
            Err(_) if std::env::var("CI").as_deref() != Ok("true") => {
                eprintln!("SKIPPED: openssl is not installed");
                None
            }
            Err(error) => panic!("openssl: {error}"),
        }
    };
    let verdict = |scene: &mut Scene, leaf: &str, last: Option<Vec<u8>>| {
        let der = last.unwrap_or_else(|| publish(scene, &intermediate).1.der().to_vec());
        write("intermediate.crl", &der);
        let der = publish(scene, &root).1.der().to_vec();
        write("root.crl", &der);
        for name in ["root", "intermediate"] {
            run(&format!("crl -inform DER -in {name}.crl -out {name}.crl.pem"))?;
            run(&format!("x509 -inform DER -in {name}.der -out {name}.pem"))?;
        }
        run(&format!("x509 -inform DER -in {leaf}.der -out {leaf}.pem"))?;
        let at = scene.now().secs() + 60;
        run(&format!(
            "verify -x509_strict -crl_check_all -attime {at} -CAfile root.pem -untrusted intermediate.pem -CRLfile intermediate.crl.pem -CRLfile root.crl.pem {leaf}.pem"
        ))
    };
    let Some((accepted, text)) = verdict(&mut scene, "good", None) else { return };
    assert!(accepted, "{text}");
    let (accepted, text) = verdict(&mut scene, "revoked", None).unwrap();
    assert!(!accepted && text.contains("certificate revoked"), "{text}");

    scene.reset(&intermediate, false);
    scene.run(&PublishLastCrl { ca: intermediate.clone(), generation: 1 }).unwrap();
    let last = signed(&scene, &intermediate).der().to_vec();
    for leaf in ["good", "revoked"] {
        let (accepted, text) = verdict(&mut scene, leaf, Some(last.clone())).unwrap();
        assert!(!accepted && text.contains("certificate revoked"), "{text}");
    }
}

/// What may happen between two CRLs.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Issue { days: u32 },
    Revoke { which: usize },
    Hold { which: usize },
    Release { which: usize },
    Reset,
    Days(i64),
    Publish,
}

fn happenings() -> impl proptest::strategy::Strategy<Value = Vec<Happening>> {
    use proptest::prelude::*;
    let which = 0..12_usize;
    let one = prop_oneof![
        4 => (1..30_u32).prop_map(|days| Happening::Issue { days }),
        2 => which.clone().prop_map(|which| Happening::Revoke { which }),
        1 => which.clone().prop_map(|which| Happening::Hold { which }),
        1 => which.prop_map(|which| Happening::Release { which }),
        1 => Just(Happening::Reset),
        2 => (1..12_i64).prop_map(Happening::Days),
        3 => Just(Happening::Publish),
    ];
    proptest::collection::vec(one, 1..30)
}

/// A certificate as a plain model has it.
#[derive(Clone, Copy, Debug)]
struct Plain {
    id: CertificateId,
    not_after: Timestamp,
    reason: Option<RevocationReason>,
    /// Whether a CRL was published after its end that lists it.
    stood_after_its_end: bool,
    ended: bool,
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 48, ..Default::default() })]

    /// Rule A3 against a plain model: what is revoked, on hold, or of an ended generation stands on the CRL, until it stood
    /// there once after its end; numbers only rise; every CRL comes out of the log again.
    #[test]
    fn a3_crls_list_what_a_plain_model_lists(steps in happenings()) {
        let (mut scene, root, intermediate) = issuing();
        scene.more_quota(&root, &intermediate, 100);
        let mut model: Vec<Plain> = Vec::new();
        let mut number = 0;
        for step in steps {
            let live = |model: &Vec<Plain>, which: usize, now: Timestamp| {
                model.iter().position(|plain| !plain.ended && plain.not_after >= now).map(|first| first + which)
                    .filter(|index| model.get(*index).is_some_and(|plain| !plain.ended && plain.not_after >= now))
            };
            match step {
                Happening::Issue { days } => {
                    let id = scene.issue(&intermediate, days, "Ann");
                    let not_after = scene.certificate(&id).issued().unwrap().not_after;
                    model.push(Plain { id, not_after, reason: None, stood_after_its_end: false, ended: false });
                }
                Happening::Revoke { which } | Happening::Hold { which } => {
                    let Some(index) = live(&model, which, scene.now()) else { continue };
                    let hold = matches!(step, Happening::Hold { .. });
                    let plain = &mut model[index];
                    let possible = if hold { plain.reason.is_none() } else {
                        plain.reason.is_none_or(|reason| reason == RevocationReason::CertificateHold)
                    };
                    if possible {
                        let reason =
                            if hold { RevocationReason::CertificateHold } else { RevocationReason::Superseded };
                        scene.revoke(&plain.id, reason);
                        plain.reason = Some(reason);
                    }
                }
                Happening::Release { which } => {
                    let Some(index) = live(&model, which, scene.now()) else { continue };
                    if model[index].reason == Some(RevocationReason::CertificateHold) {
                        scene.happened(crate::domain::event::HoldReleased { id: model[index].id });
                        model[index].reason = None;
                    }
                }
                Happening::Reset => {
                    for plain in model.iter_mut().filter(|plain| !plain.ended) {
                        plain.ended = true;
                        let open = plain.reason.is_none_or(|reason| reason == RevocationReason::CertificateHold);
                        if open && plain.not_after >= scene.now() {
                            plain.reason = Some(RevocationReason::CessationOfOperation);
                        }
                    }
                    scene.reset(&intermediate, true);
                    scene.enable(&intermediate, "Intermediate");
                }
                Happening::Days(days) => scene.days_pass(days),
                Happening::Publish => {
                    let (events, crl) = publish(&mut scene, &intermediate);
                    let Some(Event::CrlPublished(published)) = events.first() else {
                        proptest::prop_assert_eq!(crl.number(), Some(number), "what stands is signed again");
                        continue;
                    };
                    proptest::prop_assert!(published.number > number);
                    number = published.number;
                    let mut expected: Vec<_> = model.iter()
                        .filter(|plain| plain.reason.is_some() && !plain.stood_after_its_end)
                        .map(|plain| (plain.id.serial(), plain.reason.unwrap()))
                        .collect();
                    expected.sort();
                    let found: Vec<_> = crl.entries().iter().map(|entry| (entry.serial, entry.reason)).collect();
                    proptest::prop_assert_eq!(found, expected);
                    for plain in model.iter_mut().filter(|plain| plain.not_after < scene.now()) {
                        plain.stood_after_its_end = true;
                    }
                    let issuer = scene.ca(&intermediate).generation().unwrap().parsed.as_ref().unwrap().as_issuer().unwrap();
                    let roll = scene.roll(&intermediate);
                    let as_of = scene.crl_as_of(published.subject_hash, published.covers);
                    let tbs = to_be_signed(&issuer, &as_of, |_| Some(&roll), published);
                    proptest::prop_assert_eq!(Digest::of(&tbs), published.digest);
                }
            }
        }
    }
}
