#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::*;
use crate::domain::ca::testing::Scene;
use crate::domain::ca::{EnableByCreating, Lifetime, ResetCa};
use crate::domain::certificate::{ReleaseHold, RevokeCertificate};
use crate::keys::Family;
use crate::x509::{ParsedCertificate, RevocationReason};

/// Two roots, the second of another family.
fn two() -> (Scene, CaId, CaId, CaId) {
    let mut scene = Scene::new();
    let (first, intermediate) = scene.enabled_pair(Family::Ecc);
    let (second, _) = scene.buy_root(Family::Rsa);
    scene.enable(&second, "Second Root");
    (scene, first, intermediate, second)
}

fn cross(scene: &mut Scene, ca: &CaId, by: &CaId) -> CrossSigned {
    let events = scene.run(&CrossSign { ca: ca.clone(), by: by.clone() }).unwrap();
    CrossSign::answer(&events).unwrap()
}

#[test]
fn c11_a_root_is_certified_by_another_one() {
    let (mut scene, first, _, second) = two();
    let answer = cross(&mut scene, &first, &second);
    let certificate = ParsedCertificate::from_der(answer.certificate.as_bytes()).unwrap();
    let (own, signer) =
        (scene.ca(&first).generation().unwrap().clone(), scene.ca(&second).generation().unwrap().clone());
    certificate.verify_signature(&public_key(&signer, &second).unwrap()).unwrap();
    let parsed = own.parsed.as_deref().unwrap();
    assert_eq!(certificate.subject().der(), parsed.subject().der());
    assert_eq!(certificate.public_key(), parsed.public_key());
    assert_eq!(certificate.extensions().subject_key_identifier, parsed.extensions().subject_key_identifier);
    assert_eq!(answer.not_after, own.not_after.min(signer.not_after));
    assert!(signer.may_have_issued(&certificate));
    for ca in [&first, &second] {
        assert_eq!(scene.ca(ca).cross_certificates().len(), 1, "each of the two knows");
    }
    assert_eq!(scene.certificate(&answer.id).authority().unwrap().by.as_ref(), Some(&second));
}

#[test]
fn c11_only_enabled_roots_with_room_are_cross_signed() {
    let (mut scene, first, intermediate, second) = two();
    let refused = |scene: &mut Scene, ca: &CaId, by: &CaId| {
        let refusal = scene.refused(&CrossSign { ca: ca.clone(), by: by.clone() });
        scene.codes(&refusal)
    };
    assert_eq!(refused(&mut scene, &first, &first)[0], "C11 same-ca");
    assert!(refused(&mut scene, &intermediate, &second).contains(&"C11 not-a-root".to_owned()));
    assert!(refused(&mut scene, &second, &intermediate).contains(&"C11 not-a-root".to_owned()));
    let (third, _) = scene.buy_root(Family::Ecc);
    assert_eq!(refused(&mut scene, &third, &first), ["C11 not-enabled"]);
    let narrow = EnableByCreating { path_length: Some(1), ..EnableByCreating::named(third.clone(), "Third Root") };
    scene.run(&narrow).unwrap();
    assert_eq!(refused(&mut scene, &first, &third), ["C6 path-length"]);
    let answer = cross(&mut scene, &third, &first);
    let certificate = ParsedCertificate::from_der(answer.certificate.as_bytes()).unwrap();
    assert_eq!(certificate.extensions().basic_constraints.unwrap().path_length, Some(1));
    let (short, _) = scene.buy_root(Family::Ecc);
    let brief =
        EnableByCreating { lifetime: Some(Lifetime::Days(3)), ..EnableByCreating::named(short.clone(), "Brief") };
    scene.run(&brief).unwrap();
    scene.days_pass(4);
    assert_eq!(refused(&mut scene, &short, &first), ["C5 would-be-expired"]);
}

#[test]
fn a2_a_cross_certificate_is_revoked_by_itself_on_the_signers_list() {
    let (mut scene, first, _, second) = two();
    let answer = cross(&mut scene, &first, &second);
    let revoke = |reason| RevokeCertificate { id: answer.id, reason, invalidity_date: None };
    let refusal = scene.refused(&revoke(RevocationReason::CertificateHold));
    assert_eq!(scene.codes(&refusal), ["A2 reason-impossible"]);
    let events = scene.run(&revoke(RevocationReason::KeyCompromise)).unwrap();
    let Event::CertificateRevoked(revoked) = &events[0] else { panic!() };
    assert_eq!((&revoked.ca, revoked.reason), (&second, RevocationReason::CaCompromise));
    let listed = scene.crl(answer.id.issuer()).entries();
    assert!(listed.contains_key(&answer.id.serial()));
    let refusal = scene.refused(&revoke(RevocationReason::Superseded));
    assert_eq!(scene.codes(&refusal), ["A2 already-revoked"]);
    let refusal = scene.refused(&ReleaseHold { id: answer.id });
    assert!(refusal.to_string().contains("certificate of"), "{refusal}");
    assert!(scene.ca(&first).generation().is_some(), "both roots go on");
}

#[test]
fn c7_cross_certificates_end_with_either_root() {
    for signer_ends in [false, true] {
        let (mut scene, first, _, second) = two();
        let answer = cross(&mut scene, &first, &second);
        let ending = if signer_ends { &second } else { &first };
        let command = scene.resetting(ending);
        let events = scene.run(&ResetCa { cascade: true, ..command }).unwrap();
        let told =
            events.iter().any(|event| matches!(event, Event::CertificateRevoked(revoked) if revoked.id == answer.id));
        assert!(told, "{events:?}");
        assert!(scene.crl(answer.id.issuer()).entries().contains_key(&answer.id.serial()));
        // The other one ends later, and does not revoke it again.
        let other = if signer_ends { &first } else { &second };
        let command = scene.resetting(other);
        let events = scene.run(&ResetCa { cascade: true, ..command }).unwrap();
        assert!(
            !events.iter().any(|event| matches!(event, Event::CertificateRevoked(revoked) if revoked.id == answer.id))
        );
    }
}
