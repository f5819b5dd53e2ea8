#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::*;
use crate::domain::ca::testing::Scene;
use crate::domain::ca::{CaState, DisableCa, Ending, RemoveCa, ResetCa, RetireKey, Step, outlived, unfinished};
use crate::domain::certificate::{Status, effective_status};
use crate::domain::crl::{PublishLastCrl, rolls_needed};
use crate::domain::key::{ConfirmKeyDestroyed, KeyRole, KeyState};
use crate::x509::RevocationReason;

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

fn parsed(certificate: &Der) -> ParsedCertificate {
    ParsedCertificate::from_der(certificate.as_bytes()).unwrap()
}

#[track_caller]
fn renew(scene: &mut Scene, command: &RenewCa) -> RenewedCa {
    let events = scene.run(command).unwrap();
    assert_eq!(kinds(&events), ["CaRenewed"]);
    RenewCa::answer(&events).unwrap()
}

fn numbers(scene: &Scene, ca: &CaId) -> (Vec<u32>, Vec<u32>) {
    let ca = scene.ca(ca);
    let living = ca.living_generations().map(|generation| generation.number).collect();
    (living, ca.signing_generations().map(|generation| generation.number).collect())
}

#[test]
fn c11_the_same_key_gets_another_certificate_and_both_serve() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.enabled_pair(Family::Ecc);
    scene.assign(&root, &intermediate, 5);
    let old = scene.issue(&intermediate, 90, "Ann");
    let before = scene.ca(&intermediate).generation().unwrap().clone();
    scene.days_pass(300);
    let answer = renew(&mut scene, &RenewCa::same_key(intermediate.clone()));
    let new = scene.issue(&intermediate, 90, "Ann");

    let after = scene.ca(&intermediate).generation().unwrap().clone();
    assert_eq!((answer.generation, answer.new_key, after.number), (2, false, 2));
    assert_eq!((&after.key, after.spki, after.subject_hash), (&before.key, before.spki, before.subject_hash));
    assert_ne!(after.id, before.id, "another serial number");
    assert_eq!(
        after.not_after.secs() - after.not_before.secs(),
        before.not_after.secs() - before.not_before.secs(),
        "as long as before"
    );
    let (then, now) = (parsed(&before.certificate), parsed(&answer.certificate));
    assert_eq!(now.subject().der(), then.subject().der());
    assert_eq!(now.extensions().subject_key_identifier, then.extensions().subject_key_identifier);
    assert_eq!(now.extensions().basic_constraints, then.extensions().basic_constraints);
    let root_key = public_key(scene.ca(&root).generation().unwrap(), &root).unwrap();
    now.verify_signature(&root_key).unwrap();
    assert!(answer.links.is_empty(), "only a root has any");
    assert_eq!(numbers(&scene, &intermediate), (vec![2, 1], vec![2]), "one key signs once");
    let generation = |id| scene.certificate(id).issued().unwrap().generation;
    assert_eq!((generation(&old), generation(&new)), (1, 2), "certificates name the generation that issued them");
    assert_eq!(scene.ca(&intermediate).numbered(1).unwrap().id, before.id);
    assert_eq!(scene.certificate(&answer.id).authority().unwrap().generation, 2);
    assert!(unfinished(scene.ca(&intermediate)).is_empty());
}

#[test]
fn c11_a_new_key_issues_and_the_old_one_serves_until_it_expires() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.enabled_pair(Family::Ecc);
    scene.assign(&root, &intermediate, 5);
    let before = scene.ca(&intermediate).generation().unwrap().clone();
    scene.days_pass(300);
    let command = RenewCa { algorithm: Some(Algorithm::EcdsaP384), ..RenewCa::new_key(intermediate.clone()) };
    let answer = renew(&mut scene, &command);
    assert_eq!((answer.new_key, answer.algorithm), (true, Some(Algorithm::EcdsaP384)));
    let after = scene.ca(&intermediate).generation().unwrap().clone();
    assert_ne!((&after.key, after.spki), (&before.key, before.spki));
    assert_eq!(numbers(&scene, &intermediate), (vec![2, 1], vec![2, 1]), "both keys sign");
    assert!(matches!(scene.key_state(&after.key), KeyState::Living(_)));
    let issued = scene.issue(&intermediate, 90, "Ann");
    let der = scene.certificate(&issued).issued().unwrap().certificate.clone();
    parsed(&der).verify_signature(&public_key(&after, &intermediate).unwrap()).unwrap();

    let retire = RetireKey { ca: intermediate.clone(), key: before.key.clone() };
    let refusal = scene.refused(&retire);
    assert_eq!(scene.codes(&refusal), ["C11 key-in-use"]);
    let refusal = scene.refused(&RetireKey { key: after.key.clone(), ..retire.clone() });
    assert_eq!(scene.codes(&refusal), ["C11 key-in-use"]);
    assert!(outlived(scene.ca(&intermediate), scene.now()).is_empty());
    scene.days_pass(5 * 365 + 3 - 300);
    assert_eq!(
        outlived(scene.ca(&intermediate), scene.now()),
        [Step::RetireKey { ca: intermediate.clone(), key: before.key.clone() }]
    );
    let events = scene.run(&retire).unwrap();
    assert_eq!(RetireKey::answer(&events).unwrap().generations, [1]);
    assert!(matches!(scene.key_state(&before.key), KeyState::Ending(_)));
    assert_eq!(numbers(&scene, &intermediate), (vec![2], vec![2]));
    assert_eq!(
        unfinished(scene.ca(&intermediate)),
        [Step::DestroyKey { key: before.key.clone() }, Step::ConfirmKeyDestroyed { key: before.key.clone() }]
    );
    scene.run(&ConfirmKeyDestroyed { key: before.key.clone() }).unwrap();
    assert!(
        unfinished(scene.ca(&intermediate)).is_empty() && outlived(scene.ca(&intermediate), scene.now()).is_empty()
    );
    let refusal = scene.refused(&retire);
    assert_eq!(scene.codes(&refusal), ["C11 no-such-key"]);
    assert_eq!(scene.ca(&intermediate).numbered(1).unwrap().id, before.id, "a chain is found by its generation");
    assert_eq!(scene.ca(&intermediate).next_generation(), 3);
}

#[test]
fn c11_a_root_with_a_new_key_is_tied_to_the_old_one() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.enabled_pair(Family::Ecc);
    let before = scene.ca(&root).generation().unwrap().clone();
    scene.days_pass(300);
    let answer = renew(&mut scene, &RenewCa::new_key(root.clone()));
    let after = scene.ca(&root).generation().unwrap().clone();
    let (old, new) = (parsed(&before.certificate), parsed(&answer.certificate));
    let (old_key, new_key) = (public_key(&before, &root).unwrap(), public_key(&after, &root).unwrap());
    new.verify_signature(&new_key).unwrap();
    assert!(new.is_self_issued());
    let [first, second] = &answer.links[..] else { panic!("two links are expected") };
    assert_eq!((first.kind, second.kind), (LinkKind::OldWithNew, LinkKind::NewWithOld));
    let (old_with_new, new_with_old) = (parsed(&first.certificate), parsed(&second.certificate));
    for (link, subject, signer, signer_key) in
        [(&old_with_new, &old, &new, &new_key), (&new_with_old, &new, &old, &old_key)]
    {
        link.verify_signature(signer_key).unwrap();
        assert!(link.is_self_issued());
        assert_eq!(link.subject().der(), old.subject().der());
        assert_eq!(link.public_key(), subject.public_key());
        assert_eq!(link.extensions().subject_key_identifier, subject.extensions().subject_key_identifier);
        let authority = link.extensions().authority_key_identifier.clone().unwrap();
        assert_eq!(authority.key_identifier, signer.extensions().subject_key_identifier);
        assert_eq!(link.not_after(), before.not_after, "until the old one ends");
        assert!(link.extensions().is_ca());
    }
    assert_eq!((old_with_new.not_before(), new_with_old.not_before()), (before.not_before, after.not_before));
    let ids = [answer.id, first.id, second.id].map(|id| id.serial());
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    assert_eq!(scene.certificate(&first.id).authority().unwrap().not_after, before.not_after);

    // What the old key issued stands; what is issued from now on is issued with the new one.
    let of = scene.ca(&intermediate).generation().unwrap().clone();
    let intermediate_then = parsed(&of.certificate);
    assert!(before.may_have_issued(&intermediate_then) && !after.may_have_issued(&intermediate_then));
    let again = renew(&mut scene, &RenewCa::same_key(intermediate.clone()));
    let certificate = parsed(&again.certificate);
    certificate.verify_signature(&new_key).unwrap();
    assert!(after.may_have_issued(&certificate) && !before.may_have_issued(&certificate));
    let refusal = scene.refused(&RenewCa { lifetime: Some(Lifetime::Years(11)), ..RenewCa::same_key(intermediate) });
    assert_eq!(scene.codes(&refusal), ["C5 validity-too-long"], "within the newest root");
}

#[test]
fn c11_the_same_key_and_an_expired_root_have_no_links() {
    let mut scene = Scene::new();
    let (root, _) = scene.enabled_pair(Family::Ecc);
    assert!(renew(&mut scene, &RenewCa::same_key(root.clone())).links.is_empty());
    scene.happened(crate::domain::event::TermExtended {
        terms: vec![crate::domain::event::Term { ca: root.clone(), ends: scene.now().plus_secs(40 * 365 * 86_400) }],
    });
    scene.days_pass(11 * 366);
    let answer = renew(&mut scene, &RenewCa::new_key(root.clone()));
    assert!(answer.links.is_empty(), "nobody believes the old one any more");
    assert_eq!(outlived(scene.ca(&root), scene.now()).len(), 1);
}

#[test]
fn c11_only_an_enabled_ca_within_its_limits_is_renewed() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    let refusal = scene.refused(&RenewCa::same_key(root.clone()));
    assert_eq!(scene.codes(&refusal), ["C11 not-enabled"]);
    scene.enable(&root, "Root");
    let refusal = scene.refused(&RenewCa::new_key(intermediate.clone()));
    assert_eq!(scene.codes(&refusal), ["C11 not-enabled"]);
    scene.enable(&intermediate, "Intermediate");
    let with = |algorithm, new_key| RenewCa { algorithm: Some(algorithm), new_key, ..RenewCa::same_key(root.clone()) };
    let refusal = scene.refused(&with(Algorithm::Rsa3072, true));
    assert_eq!(scene.codes(&refusal), ["O3 wrong-family"]);
    let refusal = scene.refused(&with(Algorithm::EcdsaP384, false));
    assert_eq!(scene.codes(&refusal), ["C11 same-key"]);
    let refusal = scene.refused(&RenewCa { lifetime: Some(Lifetime::Days(0)), ..RenewCa::same_key(root.clone()) });
    assert_eq!(scene.codes(&refusal), ["C5 validity"]);

    // An intermediate ends with its root at the latest; shortening takes a word.
    let long = RenewCa { lifetime: Some(Lifetime::Years(20)), ..RenewCa::same_key(intermediate.clone()) };
    let refusal = scene.refused(&long);
    assert_eq!(scene.codes(&refusal), ["C5 validity-too-long"]);
    let answer = renew(&mut scene, &RenewCa { clamp: true, ..long });
    assert_eq!(answer.not_after, scene.ca(&root).generation().unwrap().not_after);

    scene.run(&DisableCa { ca: root.clone() }).unwrap();
    let refusal = scene.refused(&RenewCa::same_key(root.clone()));
    assert_eq!(scene.codes(&refusal), ["C11 not-enabled"]);
    assert!(refusal.to_string().contains("re-enable"), "{refusal}");
    let refusal = scene.refused(&RenewCa::same_key(intermediate.clone()));
    assert_eq!(scene.codes(&refusal), ["C1 root-not-enabled"]);
    scene.days_pass(366);
    let refusal = scene.refused(&RenewCa::new_key(intermediate));
    assert_eq!(scene.codes(&refusal), ["O5 term-ended", "O5 term-ended", "C1 root-not-enabled"]);
}

#[test]
fn k2_a_key_that_was_renewed_stays_that_of_its_ca() {
    let mut scene = Scene::new();
    let (_, intermediate) = scene.enabled_pair(Family::Ecc);
    let answer = renew(&mut scene, &RenewCa::new_key(intermediate.clone()));
    let spki = parsed(&answer.certificate).public_key().unwrap().digest();
    let role = scene.world().get(&crate::domain::stream::spki(&spki)).cloned();
    let Some(crate::domain::State::Spki(role)) = role else { panic!() };
    assert_eq!(role, KeyRole::Ca(intermediate));
}

#[test]
fn c7_every_generation_ends_with_its_ca_in_one_event() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.enabled_pair(Family::Ecc);
    scene.assign(&root, &intermediate, 5);
    let first = scene.issue(&intermediate, 300, "Ann");
    renew(&mut scene, &RenewCa::same_key(intermediate.clone()));
    let second = scene.issue(&intermediate, 300, "Ben");
    renew(&mut scene, &RenewCa::new_key(intermediate.clone()));
    let third = scene.issue(&intermediate, 300, "Cid");
    let generations: Vec<Generation> = scene.ca(&intermediate).living_generations().cloned().collect();
    let [newest, middle, oldest] = &generations[..] else { panic!() };

    let seen = scene.preview(&intermediate, Ending::Reset);
    assert_eq!((seen.certificates, seen.holders), (3, 3), "of all generations");
    let command = scene.resetting(&intermediate);
    let (plan, _) = scene.decide(&command).unwrap();
    assert_eq!(plan.to_sign().len(), 2, "each key shows that it still signs");
    let events = scene.run(&ResetCa { reason: Some(RevocationReason::KeyCompromise), ..command }).unwrap();
    assert_eq!(kinds(&events), ["CertificateRevoked", "CertificateRevoked", "CertificateRevoked", "CaReset"]);
    let Some(Event::CaReset(reset)) = events.last() else { panic!() };
    assert_eq!(reset.end.older.len(), 2);
    let counts: Vec<(u32, u64)> = reset.end.each().iter().map(|end| (end.generation, end.count)).collect();
    assert_eq!(counts, [(1, 1), (2, 1), (3, 1)]);
    let answer = ResetCa::answer(&events).unwrap();
    assert_eq!((answer.ended.len(), answer.ended[0].certificates), (1, 3));

    let ca = scene.ca(&intermediate).clone();
    assert_eq!(
        (ca.state(), ca.generation().is_none(), ca.living_generations().count()),
        (CaState::NotEnabled, true, 0)
    );
    for (id, generation) in [(&first, 1), (&second, 2), (&third, 3)] {
        assert_eq!(ca.end_of(generation).unwrap().generation.number, generation);
        let status = effective_status(&scene.certificate(id), &ca, scene.now());
        assert!(matches!(status, Status::Revoked { with_ca: true, .. }), "{status}");
    }
    let on_the_roots = scene.crl(newest.id.issuer());
    for generation in [newest, middle, oldest] {
        assert!(on_the_roots.entries().contains_key(&generation.id.serial()), "each own certificate is revoked");
    }
    // One last CRL for each key, and no key goes before.
    assert_eq!((&oldest.key, &middle.spki), (&middle.key, &oldest.spki));
    assert_eq!(
        unfinished(&ca),
        [
            Step::PublishLastCrl { ca: intermediate.clone(), generation: 2 },
            Step::PublishLastCrl { ca: intermediate.clone(), generation: 3 },
            Step::DestroyKey { key: middle.key.clone() },
            Step::ConfirmKeyDestroyed { key: middle.key.clone() },
            Step::DestroyKey { key: newest.key.clone() },
            Step::ConfirmKeyDestroyed { key: newest.key.clone() },
        ]
    );
    let refusal = scene.refused(&ConfirmKeyDestroyed { key: middle.key.clone() });
    assert_eq!(scene.codes(&refusal), ["K3 last-crl-missing"]);
    for generation in [2, 3] {
        let events = scene.run(&PublishLastCrl { ca: intermediate.clone(), generation }).unwrap();
        let published = PublishLastCrl::answer(&events).unwrap();
        assert_eq!((published.entries, published.generation), (3, generation), "whatever key signs, all stands on it");
    }
    for key in [&middle.key, &newest.key] {
        scene.run(&ConfirmKeyDestroyed { key: key.clone() }).unwrap();
    }
    assert!(unfinished(scene.ca(&intermediate)).is_empty());
    assert_eq!(rolls_needed(scene.crl(newest.subject_hash)).len(), 1);
    scene.enable(&intermediate, "Intermediate");
    assert_eq!(scene.ca(&intermediate).generation().unwrap().number, 4);
    assert_eq!(numbers(&scene, &intermediate), (vec![4], vec![4]));
}

#[test]
fn c7_of_a_root_every_generation_is_a_trust_anchor_to_be_removed() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.enabled_pair(Family::Ecc);
    renew(&mut scene, &RenewCa::new_key(root.clone()));
    let anchors: Vec<CertificateId> = scene.ca(&root).living_generations().map(|generation| generation.id).collect();
    let events = scene.reset(&root, false);
    assert_eq!(kinds(&events), ["CertificateRevoked", "CaReset", "CaReset"]);
    let answer = ResetCa::answer(&events).unwrap();
    let told: Vec<CertificateId> = answer.trust_anchors.iter().map(|anchor| anchor.certificate).collect();
    assert_eq!(told, anchors);
    assert_eq!(answer.ended[0].ca, intermediate);
}

#[test]
fn c8_renewing_makes_a_preview_stale() {
    let mut scene = Scene::new();
    let (_, intermediate) = scene.enabled_pair(Family::Ecc);
    let command = scene.resetting(&intermediate);
    renew(&mut scene, &RenewCa::new_key(intermediate));
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["C8 stale-preview"]);
}

#[test]
fn r6_a_renewed_ca_leaves_when_all_its_certificates_have_expired_and_its_keys_end() {
    let mut scene = Scene::new();
    let (_, intermediate) = scene.enabled_pair(Family::Ecc);
    let short = RenewCa { lifetime: Some(Lifetime::Days(10)), ..RenewCa::new_key(intermediate.clone()) };
    renew(&mut scene, &short);
    scene.days_pass(20);
    let refusal = scene.refused(&RemoveCa { ca: intermediate.clone() });
    assert_eq!(scene.codes(&refusal), ["R6 still-valid"], "the one before is still valid");
    scene.days_pass(5 * 365 + 3);
    let events = scene.run(&RemoveCa { ca: intermediate.clone() }).unwrap();
    let [Event::CaRemoved(removed)] = &events[..] else { panic!() };
    assert_eq!((removed.key.is_some(), removed.older_keys.len()), (true, 1));
    let ca = scene.ca(&intermediate).clone();
    assert_eq!((ca.left_keys().len(), unfinished(&ca).len()), (2, 4));
    for key in ca.left_keys() {
        assert!(matches!(scene.key_state(key), KeyState::Ending(_)));
        scene.run(&ConfirmKeyDestroyed { key: key.clone() }).unwrap();
    }
    assert!(unfinished(scene.ca(&intermediate)).is_empty());
}
