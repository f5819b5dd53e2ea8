#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::*;
use crate::domain::ca::testing::Scene;
use crate::domain::ca::{CaState, ConfigureCa, DisableCa};
use crate::domain::event::PolicyAdopted;
use crate::domain::key::{AbandonKey, KeyRole, KeyState};
use crate::domain::policy::Policy;
use crate::keys::KeyId;
use crate::x509::{ParsedCertificate, plus_years};

fn enabled(events: &[Event]) -> &CaEnabled {
    let [Event::CaEnabled(enabled)] = events else { panic!("{events:?}") };
    enabled
}

fn parsed(events: &[Event]) -> ParsedCertificate {
    ParsedCertificate::from_der(enabled(events).certificate.as_bytes()).unwrap()
}

#[test]
fn c2_a_root_signs_itself() {
    let mut scene = Scene::new();
    let (root, _) = scene.buy_root(Family::Ecc);
    let command = EnableByCreating { path_length: Some(2), ..scene.enabling(&root, "Root") };
    let events = scene.run(&command).unwrap();
    let (event, certificate) = (enabled(&events), parsed(&events));
    assert!(certificate.is_self_issued());
    certificate.verify_signature(certificate.public_key().unwrap()).unwrap();
    assert_eq!(certificate.id(), Ok(event.id));
    assert_eq!(certificate.public_key().unwrap().digest(), event.spki);
    assert_eq!(certificate.subject().issuer_hash(), event.subject_hash);
    assert_eq!(certificate.subject().folded_hash(), event.name_hash);
    assert_eq!(certificate.extensions().basic_constraints.unwrap().path_length, Some(2));
    assert_eq!((event.generation, &event.mode), (1, &EnableMode::Created));
    assert_eq!(event.algorithm, Some(Algorithm::EcdsaP256), "the default of the family");
    assert_eq!(event.not_before, scene.now());
    assert_eq!(event.not_after, plus_years(scene.now(), 10).unwrap().plus_secs(-1));
    assert_eq!(certificate.not_after(), event.not_after);
    assert_eq!(scene.ca(&root).state(), CaState::Enabled);
    assert_eq!(scene.key_state(&event.key), KeyState::Living(crate::domain::event::KeyOwner::Ca(root.clone())));
    assert!(scene.certificate(&event.id).authority().is_some(), "the serial number is claimed");
    let answer = EnableByCreating::answer(&events).unwrap();
    assert_eq!((answer.ca, answer.id, answer.certificate), (root, event.id, event.certificate.clone()));
}

#[test]
fn c1_c2_an_intermediate_is_signed_by_its_enabled_root() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    let command = scene.enabling(&intermediate, "Intermediate");
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["C1 root-not-enabled"], "the root first");
    scene.enable(&root, "Root");
    let crl_url = "http://crl.example/root.crl";
    let addresses = Addresses { crl_url: Some(crl_url.into()), ..Addresses::default() };
    scene.run(&ConfigureCa::addresses(root.clone(), addresses)).unwrap();
    scene.run(&DisableCa { ca: root.clone() }).unwrap();
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["C1 root-not-enabled"], "a disabled root issues nothing");
    scene.run(&crate::domain::ca::ReenableCa { ca: root.clone() }).unwrap();

    let certificate = parsed(&scene.run(&command).unwrap());
    let above = scene.ca(&root).generation().unwrap().parsed.clone().unwrap();
    assert_eq!(certificate.issuer(), above.subject());
    certificate.verify_signature(above.public_key().unwrap()).unwrap();
    assert_eq!(certificate.extensions().basic_constraints.unwrap().path_length, Some(0));
    assert_eq!(certificate.extensions().crl_urls, [crl_url], "the root's addresses");
    assert_eq!(certificate.not_after(), plus_years(scene.now(), 5).unwrap().plus_secs(-1));
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["C1 not-to-be-enabled"], "it is enabled already");
}

#[test]
fn o3_the_family_that_was_bought() {
    let mut scene = Scene::new();
    let (ecc, _) = scene.buy_root(Family::Ecc);
    let (rsa, _) = scene.buy_root(Family::Rsa);
    for (ca, algorithm) in [(&ecc, Algorithm::Rsa2048), (&rsa, Algorithm::EcdsaP256), (&rsa, Algorithm::Ed25519)] {
        let command = EnableByCreating { algorithm: Some(algorithm), ..scene.enabling(ca, "Root") };
        let refusal = scene.refused(&command);
        assert_eq!(scene.codes(&refusal), ["O3 wrong-family"]);
    }
    let events = scene.run(&EnableByCreating { algorithm: None, ..scene.enabling(&rsa, "RSA") }).unwrap();
    assert_eq!(enabled(&events).algorithm, Some(Algorithm::Rsa3072));
    let command = EnableByCreating { algorithm: Some(Algorithm::Ed25519), ..scene.enabling(&ecc, "Root") };
    assert_eq!(enabled(&scene.run(&command).unwrap()).algorithm, Some(Algorithm::Ed25519), "sizes may differ");
}

#[test]
fn c4_the_subject_keeps_the_bounds() {
    let mut scene = Scene::new();
    let (root, _) = scene.buy_root(Family::Ecc);
    let subject = |fields: SubjectFields| EnableByCreating { subject: fields, ..scene.enabling(&root, "Root") };
    let commands = [
        (subject(SubjectFields::default()), 1),
        (subject(SubjectFields::common("x".repeat(65))), 1),
        (
            subject(SubjectFields {
                country: Some("de".into()),
                organization: Some("o".repeat(65)),
                locality: Some(String::new()),
                ..SubjectFields::common("Root")
            }),
            3,
        ),
    ];
    for (command, violations) in commands {
        let refusal = scene.refused(&command);
        assert_eq!(scene.codes(&refusal), vec!["C4 subject"; violations], "{refusal}");
    }
    scene.enable(&root, &"界".repeat(64));
}

#[test]
fn c4_no_two_cas_share_a_name() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    scene.enable(&root, "Same");
    let refusal = scene.refused(&scene.enabling(&intermediate, "Same"));
    assert_eq!(scene.codes(&refusal), ["C4 name-taken"]);
    assert!(refusal.broken()[0].message().contains(root.as_str()));
    let (other, _) = scene.buy_root(Family::Ecc);
    let refusal = scene.refused(&scene.enabling(&other, "Same"));
    assert_eq!(scene.codes(&refusal), ["C4 name-taken"]);
    scene.enable(&intermediate, "Same, too");
}

#[test]
fn c4_neither_case_nor_repeated_spaces_tell_names_apart() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    scene.enable(&root, "Acme CA");
    for name in ["ACME  CA", "acme ca", "Acme\u{2003}CA"] {
        let refusal = scene.refused(&scene.enabling(&intermediate, name));
        assert_eq!(scene.codes(&refusal), ["C4 name-taken"], "{name}");
    }
    scene.enable(&intermediate, "Acme C A");
    scene.reset(&intermediate, true);
    scene.enable(&intermediate, "ACME C A");
}

#[test]
fn c4_no_form_of_unicode_tells_names_apart() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    scene.enable(&root, "Zürich ①");
    for name in ["Zu\u{308}rich ①", "ZU\u{308}RICH 1", "Ｚürich\u{3000}1"] {
        let refusal = scene.refused(&scene.enabling(&intermediate, name));
        assert_eq!(scene.codes(&refusal), ["C4 name-taken"], "{name}");
    }
    scene.enable(&intermediate, "Zurich ①");
}

#[test]
fn c5_validity_nests_or_is_clamped_when_asked_for() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    scene.enable(&root, "Root");
    let command = EnableByCreating { lifetime: Some(Lifetime::Years(11)), ..scene.enabling(&intermediate, "OA") };
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["C5 validity-too-long"]);
    assert!(refusal.broken()[0].message().contains(root.as_str()), "the binding limit is named: {refusal}");
    let events = scene.run(&EnableByCreating { clamp: true, ..command }).unwrap();
    assert_eq!(enabled(&events).not_after, scene.ca(&root).generation().unwrap().not_after);
}

#[test]
fn c5_a_policy_and_o5_a_term_limit_it_too() {
    let policy = Policy::default();
    let policy = Policy { max_validity_days: Some(400), validity_within_term: true, ..policy };
    let mut scene = Scene::with(policy);
    let (root, _) = scene.buy_root(Family::Ecc);
    let command = scene.enabling(&root, "Root");
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["O5 validity-too-long", "C5 validity-too-long"], "the binding limit first");
    let command = EnableByCreating { lifetime: Some(Lifetime::Days(401)), ..command };
    assert_eq!(scene.refused(&command).broken().len(), 2);
    let command = EnableByCreating { lifetime: Some(Lifetime::Days(400)), ..command };
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["O5 validity-too-long"]);
    let events = scene.run(&EnableByCreating { clamp: true, ..command }).unwrap();
    assert_eq!(enabled(&events).not_after, scene.ca(&root).bought().unwrap().term_ends);
}

#[test]
fn c5_clamping_never_yields_an_expired_certificate() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    scene.run(&EnableByCreating { lifetime: Some(Lifetime::Days(2)), ..scene.enabling(&root, "Root") }).unwrap();
    scene.days_pass(3);
    let refusal = scene.refused(&EnableByCreating { clamp: true, ..scene.enabling(&intermediate, "OA") });
    assert_eq!(scene.codes(&refusal), ["C5 root-expired", "C5 validity-too-long"]);
}

#[test]
fn c5_lifetimes_that_are_none_are_refused() {
    let mut scene = Scene::new();
    let (root, _) = scene.buy_root(Family::Ecc);
    for lifetime in [Lifetime::Years(0), Lifetime::Days(0), Lifetime::Years(9000), Lifetime::Days(u32::MAX)] {
        let command = EnableByCreating { lifetime: Some(lifetime), clamp: true, ..scene.enabling(&root, "Root") };
        let refusal = scene.refused(&command);
        assert_eq!(scene.codes(&refusal), ["C5 validity"], "{lifetime}");
    }
    let command = EnableByCreating { lifetime: Some(Lifetime::Days(1)), ..scene.enabling(&root, "Root") };
    let events = scene.run(&command).unwrap();
    assert_eq!(enabled(&events).not_after, scene.now().plus_secs(86_399), "the end is included");
}

#[test]
fn c5_l9_the_beginning_is_set_back_and_raised_to_the_issuers() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    scene.enable(&root, "Root");
    let begin = scene.now();
    scene.happened(PolicyAdopted { policy: Policy { backdate_seconds: 3600, ..Policy::default() } });
    scene.pass(60);
    scene.enable(&intermediate, "OA");
    assert_eq!(scene.ca(&intermediate).generation().unwrap().not_before, begin, "raised without asking");
    let (other, _) = scene.buy_root(Family::Ecc);
    scene.enable(&other, "Other");
    assert_eq!(scene.ca(&other).generation().unwrap().not_before, scene.now().plus_secs(-3600));
}

#[test]
fn c6_path_lengths() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    let refusal = scene.refused(&EnableByCreating { path_length: Some(0), ..scene.enabling(&root, "Root") });
    assert_eq!(scene.codes(&refusal), ["C6 path-length"]);
    scene.run(&EnableByCreating { path_length: Some(1), ..scene.enabling(&root, "Root") }).unwrap();
    let refusal = scene.refused(&EnableByCreating { path_length: Some(1), ..scene.enabling(&intermediate, "OA") });
    assert_eq!(scene.codes(&refusal)[0], "C6 path-length");
    scene.run(&EnableByCreating { path_length: Some(0), ..scene.enabling(&intermediate, "OA") }).unwrap();
}

#[test]
fn o5_not_after_the_term_of_the_ca_or_its_root() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    scene.enable(&root, "Root");
    scene.days_pass(366);
    let refusal = scene.refused(&scene.enabling(&intermediate, "OA"));
    assert_eq!(scene.codes(&refusal), ["O5 term-ended", "O5 term-ended"]);
    let later = scene.buy_intermediate(&root);
    let refusal = scene.refused(&scene.enabling(&later, "OA"));
    assert_eq!(scene.codes(&refusal), ["O5 term-ended"], "the root's");
}

#[test]
fn r5_nothing_is_enabled_while_a_refund_is_requested_or_paid() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    scene.request_refund(&[&root, &intermediate]);
    let refusal = scene.refused(&scene.enabling(&root, "Root"));
    assert_eq!(scene.codes(&refusal), ["R5 frozen"]);
    scene.return_refund(&[&root, &intermediate]);
    let refusal = scene.refused(&scene.enabling(&root, "Root"));
    assert_eq!(scene.codes(&refusal), ["C1 not-to-be-enabled"]);
}

#[test]
fn k2_k3_a_key_is_spent_once() {
    let mut scene = Scene::new();
    let (root, _) = scene.buy_root(Family::Ecc);
    let events = scene.run(&scene.enabling(&root, "Root")).unwrap();
    assert!(matches!(
        scene.ask(|desk| desk.spki(&enabled(&events).spki).cloned()).unwrap(),
        KeyRole::Ca(ca) if ca == root
    ));
    let (other, _) = scene.buy_root(Family::Ecc);
    let key = KeyId::derive(&scene.coming_commit(), 0);
    scene.happened(crate::domain::event::KeyAbandoned { key: key.clone() });
    let refusal = scene.refused(&scene.enabling(&other, "Other"));
    assert_eq!(scene.codes(&refusal), ["K3 key-spent"], "a sweep gave it up meanwhile");
    let refusal = scene.refused(&AbandonKey { key });
    assert_eq!(scene.codes(&refusal), ["K3 key-named"]);
}

#[test]
fn l4_every_broken_rule_is_named() {
    let mut scene = Scene::new();
    let (root, _) = scene.buy_root(Family::Ecc);
    let command = EnableByCreating {
        constraints: ConstraintRequest::default(),
        ca: root,
        subject: SubjectFields::default(),
        algorithm: Some(Algorithm::Rsa4096),
        lifetime: Some(Lifetime::Days(0)),
        clamp: false,
        path_length: Some(0),
        addresses: Addresses { crl_url: Some("ftp://x/".into()), ..Addresses::default() },
    };
    let refusal = scene.refused(&command);
    let codes = ["O3 wrong-family", "C6 path-length", "C4 subject", "I5 address", "C5 validity"];
    assert_eq!(scene.codes(&refusal), codes);
}

#[test]
fn invariant_8_deciding_again_signs_the_same() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    scene.enable(&root, "Root");
    let command = scene.enabling(&intermediate, "OA");
    let context = Context { time: scene.now(), commit: scene.coming_commit(), seed: [7; 32] };
    let (first, second) =
        scene.ask(|desk| Ok((command.decide(desk, &context)?, command.decide(desk, &context)?))).unwrap();
    assert_eq!(first, second);
}
