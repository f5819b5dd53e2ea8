#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::*;
use crate::domain::ca::testing::Scene;
use crate::domain::ca::{CaState, EnableByCreating, Ending, Lifetime, ResetCa};
use crate::domain::crl::PublishCrl;
use crate::domain::event::KeyAbandoned;
use crate::domain::key::KeyState;
use crate::keys::software::default_backend;
use crate::keys::{Algorithm, Family, KeyId};
use crate::x509::{CrlEntry, Issuer, RevocationReason, SerialNumber, assemble, check_upload};

#[path = "../../../../tests/x509_support/mod.rs"]
mod x509_support;
use x509_support::forge::{self, Forged, oid, seq};
use x509_support::{key, name, pem};

const WARNED: [&str; 3] = ["basic-constraints-not-critical", "key-usage-absent", "ski-absent"];

/// A good self-signed root, to be made wrong.
fn good_root(key: &PrivateKey) -> Forged {
    let subject = name("Acme Root").der().to_vec();
    let identifier = key.public_key().key_identifier();
    Forged {
        version: vec![0xa0, 3, 2, 1, 2],
        serial: vec![0x40, 1],
        algorithm: match key.public_key().family() {
            Family::Rsa => seq(&[&oid("1.2.840.113549.1.1.11"), &[5, 0]]),
            _ => seq(&[&oid("1.2.840.10045.4.3.2")]),
        },
        issuer: subject.clone(),
        validity: ("290101000000Z".into(), "390101000000Z".into()),
        subject,
        spki: key.public_key().spki_der().to_vec(),
        extensions: vec![
            forge::basic_constraints(true, true, None),
            forge::key_usage(0x06),
            forge::ski(&identifier),
            forge::aki(&identifier),
        ],
    }
}

/// A good intermediate of the enabled root, to be made wrong.
fn good_intermediate(root: &PrivateKey, key: &PrivateKey) -> Forged {
    Forged {
        subject: name("Acme OA").der().to_vec(),
        serial: vec![0x40, 2],
        validity: ("290201000000Z".into(), "340101000000Z".into()),
        extensions: vec![
            forge::basic_constraints(true, true, Some(0)),
            forge::key_usage(0x06),
            forge::ski(&key.public_key().key_identifier()),
            forge::aki(&root.public_key().key_identifier()),
        ],
        spki: key.public_key().spki_der().to_vec(),
        ..good_root(root)
    }
}

fn uploading(ca: &CaId, certificate: &[u8], key: &PrivateKey) -> EnableByUpload {
    EnableByUpload {
        ca: ca.clone(),
        upload: check_upload(certificate, key.pkcs8_der(), None).unwrap(),
        accepted: Vec::new(),
        addresses: Addresses::default(),
        carried_crl: None,
    }
}

/// As the service does it: the key that is imported is the one that the request brings along.
fn run(scene: &mut Scene, command: &EnableByUpload) -> Result<Vec<Event>, Refusal> {
    if let Some(key) = command.private_key(0) {
        scene.bring(0, key.clone());
    }
    scene.run(command)
}

fn enabled(events: &[Event]) -> &CaEnabled {
    let [Event::CaEnabled(enabled)] = events else { panic!("{events:?}") };
    enabled
}

/// A scene with an uploaded root, and its key.
fn uploaded() -> (Scene, CaId, CaId, PrivateKey) {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    let own = key(Algorithm::EcdsaP256, 1);
    run(&mut scene, &uploading(&root, &good_root(&own).sign(&own), &own)).unwrap();
    (scene, root, intermediate, own)
}

#[test]
fn c2_c3_a_good_root_and_a_good_intermediate_are_kept_as_they_are() {
    let (mut scene, root, intermediate, own) = uploaded();
    let ca = scene.ca(&root);
    let generation = ca.generation().unwrap();
    let original = good_root(&own);
    assert_eq!(ca.state(), CaState::Enabled);
    assert!(generation.is_uploaded());
    assert_eq!(&generation.certificate.as_bytes()[4..8], &original.sign(&own)[4..8]);
    assert_eq!(generation.spki, own.public_key().digest());
    assert!(matches!(scene.key_state(&generation.key), KeyState::Living(_)));

    let below = key(Algorithm::EcdsaP384, 2);
    let der = good_intermediate(&own, &below).sign(&own);
    let events = run(&mut scene, &uploading(&intermediate, &der, &below)).unwrap();
    let event = enabled(&events);
    assert_eq!(event.certificate.as_bytes(), der, "the original DER is kept");
    assert_eq!(event.algorithm, Some(Algorithm::EcdsaP384), "sizes may differ");
    assert_eq!(event.mode, EnableMode::Uploaded { accepted: Vec::new(), warned: Vec::new() });
    assert_eq!((event.not_before.secs(), event.not_after.secs()), (1_864_598_400, 2_019_686_400));
    let answer = EnableByUpload::answer(&events).unwrap();
    assert_eq!((answer.ca, answer.warnings), (intermediate, Vec::new()));
}

#[test]
fn l8_the_request_is_digested_without_the_private_key() {
    let own = key(Algorithm::EcdsaP256, 1);
    let mut scene = Scene::new();
    let (root, _) = scene.buy_root(Family::Ecc);
    let command = uploading(&root, &good_root(&own).sign(&own), &own);
    let canonical = command.canonical();
    let contains = |needle: &[u8]| canonical.windows(needle.len()).any(|window| window == needle);
    assert!(contains(own.public_key().spki_der()) && contains(command.upload.certificate().der()));
    let secret = own.pkcs8_der();
    assert!(!secret.windows(32).filter(|window| !is_public(&own, window)).any(contains));
    assert!(!format!("{command:?}").contains(&secret.iter().map(|octet| format!("{octet:02x}")).collect::<String>()));
    assert_eq!(command.private_key(0).unwrap().public_key(), own.public_key());
    assert!(command.private_key(1).is_none());
    let armoured = check_upload(pem("CERTIFICATE", command.upload.certificate().der()).as_bytes(), secret, None);
    let other = EnableByUpload { upload: armoured.unwrap(), ..command };
    assert_eq!(other.canonical(), canonical, "however certificate and key were written down");
}

fn is_public(key: &PrivateKey, window: &[u8]) -> bool {
    key.public_key().spki_der().windows(window.len()).any(|public| public == window)
}

#[track_caller]
fn root_is(expected: &[&str], change: impl FnOnce(&mut Forged)) {
    let own = key(Algorithm::EcdsaP256, 1);
    let mut scene = Scene::new();
    let (root, _) = scene.buy_root(Family::Ecc);
    let mut forged = good_root(&own);
    change(&mut forged);
    let refusal = scene.refused(&uploading(&root, &forged.sign(&own), &own));
    assert_eq!(scene.codes(&refusal), expected, "{refusal}");
}

#[track_caller]
fn intermediate_is(expected: &[&str], change: impl FnOnce(&mut Forged)) {
    let (mut scene, _, intermediate, own) = uploaded();
    let below = key(Algorithm::EcdsaP256, 2);
    let mut forged = good_intermediate(&own, &below);
    change(&mut forged);
    let refusal = scene.refused(&uploading(&intermediate, &forged.sign(&own), &below));
    assert_eq!(scene.codes(&refusal), expected, "{refusal}");
}

#[test]
fn c3_every_wrong_thing_is_refused_with_its_reason() {
    root_is(&["C3 expired"], |root| root.validity.1 = "291201000000Z".into());
    root_is(&["C3 not-yet-valid"], |root| root.validity.0 = "300201000000Z".into());
    root_is(&["C3 validity-reversed"], |root| root.validity.1 = "280101000000Z".into());
    root_is(&["C3 not-a-ca"], |root| root.extensions[0] = forge::basic_constraints(true, false, None));
    root_is(&["C3 path-length-too-short"], |root| root.extensions[0] = forge::basic_constraints(true, true, Some(0)));
    root_is(&["C3 key-usage-lacks"], |root| root.extensions[1] = forge::key_usage(0x80));
    root_is(&["C3 serial-invalid"], |root| root.serial = vec![0]);
    root_is(&["C3 serial-invalid"], |root| root.serial = vec![1; 21]);
    root_is(&["C3 unknown-critical-extension"], |root| {
        root.extensions.push(forge::extension("1.2.3.4", true, &[5, 0]));
    });
    root_is(&["C3 not-self-issued"], |root| root.issuer = name("Somebody Else").der().to_vec());
    root_is(&["C3 weak-signature"], |root| root.algorithm = seq(&[&oid("1.2.840.113549.1.1.4"), &[5, 0]]));
    root_is(&["C3 signature-wrong"], |root| root.algorithm = seq(&[&oid("1.2.840.10045.4.3.3")]));
    root_is(&["C3 aki-mismatch"], |root| root.extensions[3] = forge::aki(&[1; 20]));
    intermediate_is(&["C3 wrong-issuer"], |oa| oa.issuer = name("Other Root").der().to_vec());
    intermediate_is(&["C3 beyond-issuer"], |oa| oa.validity.1 = "400101000000Z".into());
    intermediate_is(&["C3 weak-signature"], |oa| oa.algorithm = seq(&[&oid("1.2.840.10045.4.1")]));
    intermediate_is(&["C3 self-issued", "C4 name-taken"], |oa| oa.subject = oa.issuer.clone());
}

#[test]
fn c3_everything_is_told_at_once() {
    root_is(
        &[
            "C3 version-not-3",
            "C3 subject-empty",
            "C3 serial-invalid",
            "C3 not-a-ca",
            "C3 key-usage-absent",
            "C3 ski-absent",
            "C3 expired",
        ],
        |root| {
            root.version = Vec::new();
            root.extensions.clear();
            root.serial = vec![0];
            root.subject = vec![0x30, 0];
            root.issuer = vec![0x30, 0];
            root.validity.1 = "291201000000Z".into();
        },
    );
}

#[test]
fn c3_the_key_must_be_the_certificates_and_of_the_family() {
    let (own, other) = (key(Algorithm::EcdsaP256, 1), key(Algorithm::EcdsaP256, 2));
    let mut scene = Scene::new();
    let (root, _) = scene.buy_root(Family::Ecc);
    let refusal = scene.refused(&uploading(&root, &good_root(&own).sign(&own), &other));
    assert_eq!(scene.codes(&refusal), ["C3 key-mismatch"]);
    let rsa = key(Algorithm::Rsa2048, 1);
    let command = uploading(&root, &good_root(&rsa).sign(&rsa), &rsa);
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["C3 wrong-family"]);
    let (root, _) = scene.buy_root(Family::Rsa);
    run(&mut scene, &EnableByUpload { ca: root, ..command }).unwrap();
}

#[test]
fn c3_what_cannot_be_read_looks_like_every_refusal() {
    let own = key(Algorithm::EcdsaP256, 1);
    let certificate = good_root(&own).sign(&own);
    let error = check_upload(&certificate[..certificate.len() - 1], b"no key", None).unwrap_err();
    let refusal = EnableByUpload::unreadable(&error).unwrap();
    let codes: Vec<_> = refusal.broken().iter().map(BrokenRule::code).collect();
    assert_eq!(codes, ["certificate-unreadable", "key-unreadable"]);
}

#[test]
fn g4_an_upload_that_would_be_too_much_work_is_refused_by_that_rule() {
    let error = check_upload(&[0x30; 65_537], b"no key", None).unwrap_err();
    let refusal = EnableByUpload::unreadable(&error).unwrap();
    let told: Vec<_> = refusal.broken().iter().map(|broken| (broken.rule().number(), broken.code())).collect();
    assert_eq!(told, [("G4", "certificate-too-large"), ("C3", "key-unreadable")]);
}

#[test]
fn c3_signed_by_another_key_of_the_same_name() {
    let (mut scene, _, intermediate, own) = uploaded();
    let (below, other) = (key(Algorithm::EcdsaP256, 2), key(Algorithm::EcdsaP256, 3));
    let der = good_intermediate(&own, &below).sign(&other);
    let refusal = scene.refused(&uploading(&intermediate, &der, &below));
    assert_eq!(scene.codes(&refusal), ["C3 signature-wrong"]);
}

#[test]
fn c3_warnings_pass_only_with_their_code() {
    let own = key(Algorithm::EcdsaP256, 1);
    let mut odd = good_root(&own);
    odd.extensions = vec![forge::basic_constraints(false, true, None)];
    let mut scene = Scene::new();
    let (root, _) = scene.buy_root(Family::Ecc);
    let mut command = uploading(&root, &odd.sign(&own), &own);
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), WARNED.map(|code| format!("C3 {code}")));
    assert!(refusal.broken()[0].message().contains("`basic-constraints-not-critical`"), "{refusal}");
    command.accepted = vec!["ski-absent".into()];
    assert_eq!(scene.refused(&command).broken().len(), 2);
    command.accepted = WARNED.map(String::from).into();
    command.accepted.push("expired".into());
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["C3 unknown-acceptance"], "a refusal cannot be accepted away");
    command.accepted.pop();
    command.accepted.push("aki-issuer-and-serial".into());
    let events = run(&mut scene, &command).unwrap();
    let EnableMode::Uploaded { accepted, warned } = &enabled(&events).mode else { panic!() };
    assert_eq!((&accepted[..], warned.len()), (&WARNED.map(String::from)[..], 0), "only what there was to accept");
    assert_eq!(EnableByUpload::answer(&events).unwrap().warnings, WARNED);
}

#[test]
fn c3_a_sha1_root_is_accepted_and_told() {
    let rsa = || seq(&[&oid("1.2.840.113549.1.1.5"), &[5, 0]]);
    let ecdsa = || seq(&[&oid("1.2.840.10045.4.1")]);
    for (algorithm, named, misnamed) in [
        (Algorithm::Rsa2048, rsa(), ecdsa()),
        (Algorithm::EcdsaP256, ecdsa(), rsa()),
        (Algorithm::EcdsaP384, ecdsa(), seq(&[&oid("1.2.840.113549.1.1.10")])),
        (Algorithm::EcdsaP521, ecdsa(), rsa()),
    ] {
        let own = key(algorithm, 1);
        let mut odd = good_root(&own);
        odd.algorithm = named;
        let mut scene = Scene::new();
        let (root, _) = scene.buy_root(algorithm.family());
        let mut wrong = |certificate: &[u8]| {
            let refusal = scene.refused(&uploading(&root, certificate, &own));
            assert_eq!(scene.codes(&refusal), ["C3 signature-wrong"], "{algorithm}");
        };
        // Named SHA-1, and signed otherwise.
        wrong(&odd.sign(&own));
        let signed = |odd: &Forged, signature: &[u8]| {
            seq(&[&odd.tbs(), &odd.algorithm, &forge::tlv(3, &[&[0], signature].concat())])
        };
        let Some(signature) = signed_with_sha1(&own, &odd.tbs()) else { return };
        let certificate = signed(&odd, &signature);
        let mut flipped = certificate.clone();
        *flipped.last_mut().unwrap() ^= 1;
        wrong(&flipped);
        let mut misnaming = good_root(&own);
        misnaming.algorithm = misnamed;
        wrong(&signed(&misnaming, &signed_with_sha1(&own, &misnaming.tbs()).unwrap()));
        let events = run(&mut scene, &uploading(&root, &certificate, &own)).unwrap();
        assert_eq!(EnableByUpload::answer(&events).unwrap().warnings, ["sha1-self-signature"], "{algorithm}");
    }
}

#[test]
fn c3_c6_an_uploaded_intermediate_may_have_any_path_length() {
    for length in [None, Some(0), Some(3)] {
        let (mut scene, _, intermediate, own) = uploaded();
        let below = key(Algorithm::EcdsaP256, 2);
        let mut forged = good_intermediate(&own, &below);
        forged.extensions[0] = forge::basic_constraints(true, true, length);
        run(&mut scene, &uploading(&intermediate, &forged.sign(&own), &below)).unwrap();
        assert_eq!(scene.ca(&intermediate).state(), CaState::Enabled, "{length:?}");
    }
}

/// By OpenSSL, as nothing here signs so.
fn signed_with_sha1(key: &PrivateKey, message: &[u8]) -> Option<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let [key_file, message_file] = ["key.der", "tbs.der"].map(|name| directory.path().join(name));
    std::fs::write(&key_file, key.pkcs8_der()).unwrap();
    std::fs::write(&message_file, message).unwrap();
    let mut openssl = std::process::Command::new("openssl");
    let openssl = openssl.args(["dgst", "-sha1", "-keyform", "DER", "-sign"]).arg(&key_file).arg(&message_file);
    match openssl.output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(output.stdout)
        }
        Err(_) => {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "openssl is not installed");
            eprintln!("SKIPPED: openssl is not installed");
            None
        }
    }
}

#[test]
fn c3_acceptable_codes_are_exactly_the_warnings() {
    let warnings = [
        UploadFinding::KeyUsageAbsent,
        UploadFinding::BasicConstraintsNotCritical,
        UploadFinding::SubjectKeyIdentifierAbsent,
        UploadFinding::AuthorityIssuerAndSerial,
    ];
    assert!(warnings.iter().all(|finding| finding.severity() == Severity::Warning));
    assert_eq!(warnings.map(|finding| finding.code()), ACCEPTABLE);
}

#[test]
fn c1_o5_the_root_first_and_within_the_term() {
    let mut scene = Scene::new();
    let (_, intermediate) = scene.buy_root(Family::Ecc);
    let (own, below) = (key(Algorithm::EcdsaP256, 1), key(Algorithm::EcdsaP256, 2));
    let command = uploading(&intermediate, &good_intermediate(&own, &below).sign(&own), &below);
    let refusal = scene.refused(&command);
    assert_eq!(scene.codes(&refusal), ["C1 root-not-enabled"]);
    let (mut scene, root, intermediate, _) = uploaded();
    let refusal = scene.refused(&uploading(&root, &good_root(&own).sign(&own), &own));
    let codes = ["C1 not-to-be-enabled", "I5 serial-taken", "K2 key-of-a-ca"];
    assert_eq!(scene.codes(&refusal), codes, "twice");
    scene.days_pass(366);
    let refusal = scene.refused(&EnableByUpload { ca: intermediate, ..command });
    assert_eq!(scene.codes(&refusal), ["O5 term-ended", "O5 term-ended"]);
}

#[test]
fn c5_the_policy_limits_an_upload_too() {
    let policy = Policy { max_validity_days: Some(3650), validity_within_term: true, ..Policy::default() };
    let mut scene = Scene::with(policy);
    let (root, _) = scene.buy_root(Family::Ecc);
    let own = key(Algorithm::EcdsaP256, 1);
    let refusal = scene.refused(&uploading(&root, &good_root(&own).sign(&own), &own));
    assert_eq!(scene.codes(&refusal), ["C5 validity-too-long", "O5 validity-too-long"]);
    let mut short = good_root(&own);
    short.validity.1 = "301201000000Z".into();
    run(&mut scene, &uploading(&root, &short.sign(&own), &own)).unwrap();
}

#[test]
fn c4_i5_names_and_serials_are_used_once() {
    let (mut scene, root, _, own) = uploaded();
    let (other_root, _) = scene.buy_root(Family::Ecc);
    let other = key(Algorithm::EcdsaP256, 2);
    let mut same_name = good_root(&other);
    same_name.serial = vec![0x40, 9];
    let refusal = scene.refused(&uploading(&other_root, &same_name.sign(&other), &other));
    assert_eq!(scene.codes(&refusal), ["C4 name-taken"]);
    scene.reset(&root, true);
    let same_serial = good_root(&other).sign(&other);
    let refusal = scene.refused(&uploading(&root, &same_serial, &other));
    assert_eq!(scene.codes(&refusal), ["I5 serial-taken"], "for ever, over generations");
    let again = uploading(&root, &good_root(&own).sign(&own), &own);
    let refusal = scene.refused(&again);
    assert_eq!(scene.codes(&refusal), ["I5 serial-taken", "K2 key-of-a-ca"]);
    run(&mut scene, &uploading(&root, &same_name.sign(&other), &other)).unwrap();
    assert_eq!(scene.ca(&root).generation().unwrap().number, 2);
}

#[test]
fn c4_neither_case_nor_repeated_spaces_tell_uploaded_names_apart() {
    let (mut scene, _, intermediate, own) = uploaded();
    let below = key(Algorithm::EcdsaP256, 2);
    let named = |subject: &str| {
        let subject = name(subject).der().to_vec();
        Forged { subject, ..good_intermediate(&own, &below) }.sign(&own)
    };
    let refusal = scene.refused(&uploading(&intermediate, &named("ACME  root"), &below));
    assert_eq!(scene.codes(&refusal), ["C3 self-issued", "C4 name-taken"]);
    let (other_root, _) = scene.buy_root(Family::Ecc);
    let other = key(Algorithm::EcdsaP256, 3);
    let folded = name("acme ROOT").der().to_vec();
    let forged = Forged { subject: folded.clone(), issuer: folded, ..good_root(&other) };
    let refusal = scene.refused(&uploading(&other_root, &forged.sign(&other), &other));
    assert_eq!(scene.codes(&refusal), ["C4 name-taken"]);
    run(&mut scene, &uploading(&intermediate, &named("Acme Roots"), &below)).unwrap();
}

#[test]
fn k2_a_key_with_another_role_is_refused() {
    let (mut scene, root, intermediate, own) = uploaded();
    let below = key(Algorithm::EcdsaP256, 2);
    run(&mut scene, &uploading(&intermediate, &good_intermediate(&own, &below).sign(&own), &below)).unwrap();
    scene.assign(&root, &intermediate, 2);
    for reason in [None, Some(RevocationReason::KeyCompromise)] {
        let id = scene.issue(&intermediate, 90, "Ann");
        if let Some(reason) = reason {
            scene.revoke(&id, reason);
        }
        let holders = scene.holder_keys.last().unwrap().clone();
        let (fresh, _) = scene.buy_root(Family::Ecc);
        let mut forged = good_root(&holders);
        forged.subject = name("Fresh").der().to_vec();
        forged.issuer = forged.subject.clone();
        let refusal = scene.refused(&uploading(&fresh, &forged.sign(&holders), &holders));
        let code = if reason.is_some() { "K2 key-compromised" } else { "K2 key-of-a-certificate" };
        assert_eq!(scene.codes(&refusal), [code]);
    }
}

#[test]
fn k3_a_key_that_was_given_up_is_not_named() {
    let mut scene = Scene::new();
    let (root, _) = scene.buy_root(Family::Ecc);
    scene.happened(KeyAbandoned { key: KeyId::derive(&scene.coming_commit(), 0) });
    let own = key(Algorithm::EcdsaP256, 1);
    let refusal = scene.refused(&uploading(&root, &good_root(&own).sign(&own), &own));
    assert_eq!(scene.codes(&refusal), ["K3 key-spent"]);
}

fn earlier_crl(own: &PrivateKey, issuer: &str, number: u64, entries: &[CrlEntry], at: i64) -> ParsedCrl {
    let issuer = Issuer::created(name(issuer), own.public_key());
    let this_update = Timestamp::from_secs(at);
    let head = crate::x509::Crl { issuer: &issuer, number, this_update, next_update: this_update.plus_secs(86_400) };
    let encoded: Vec<Vec<u8>> = entries.iter().map(CrlEntry::encode).collect();
    let tbs = head.tbs(encoded.iter().map(Vec::as_slice));
    let algorithm = own.public_key().signature_algorithm();
    let signature = default_backend().signer(own).unwrap().sign(algorithm, &tbs).unwrap();
    ParsedCrl::from_der(assemble(&tbs, algorithm, &signature)).unwrap()
}

#[test]
fn a3_an_earlier_crl_is_carried_over() {
    let own = key(Algorithm::EcdsaP256, 1);
    let mut scene = Scene::new();
    let (root, _) = scene.buy_root(Family::Ecc);
    let entry = CrlEntry {
        serial: SerialNumber::from_random([3; 10]),
        revoked_at: scene.now().plus_secs(-1000),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
    };
    let number = 5_000_000_000;
    let crl = earlier_crl(&own, "Acme Root", number, &[entry], scene.now().secs() - 500);
    assert!(VerifiedCrl::verify(crl.clone(), key(Algorithm::EcdsaP256, 2).public_key()).is_err());
    let carried_crl = Some(VerifiedCrl::verify(crl, own.public_key()).unwrap());
    let command = EnableByUpload { carried_crl, ..uploading(&root, &good_root(&own).sign(&own), &own) };
    run(&mut scene, &command).unwrap();
    let events = scene.run(&PublishCrl::full(root.clone())).unwrap();
    let published = PublishCrl::answer(&events).unwrap();
    assert_eq!((published.number, published.entries), (number + 1, 1), "number and entries go on");
    scene.days_pass(3000);
    let events = scene.run(&PublishCrl::full(root)).unwrap();
    assert_eq!(PublishCrl::answer(&events).unwrap().entries, 1, "its end is unknown: it never leaves");
}

#[test]
fn a3_an_earlier_crl_must_be_the_cas_own() {
    let (own, other) = (key(Algorithm::EcdsaP256, 1), key(Algorithm::EcdsaP256, 2));
    let mut scene = Scene::new();
    let (root, _) = scene.buy_root(Family::Ecc);
    let crl = earlier_crl(&other, "Somebody Else", u64::MAX, &[], scene.now().secs() + 10);
    let carried_crl = Some(VerifiedCrl::verify(crl, other.public_key()).unwrap());
    let command = EnableByUpload { carried_crl, ..uploading(&root, &good_root(&own).sign(&own), &own) };
    let refusal = scene.refused(&command);
    let codes = ["C3 crl-key", "C3 crl-issuer", "C3 crl-from-the-future", "C3 crl-number"];
    assert_eq!(scene.codes(&refusal), codes);
}

#[test]
fn c7_the_answer_to_a_reset_says_that_the_uploaders_key_survives() {
    let (mut scene, root, intermediate, _) = uploaded();
    let command = EnableByCreating { lifetime: Some(Lifetime::Years(1)), ..scene.enabling(&intermediate, "OA") };
    scene.run(&command).unwrap();
    let events = scene.reset(&root, false);
    let answer = ResetCa::answer(&events).unwrap();
    assert_eq!(answer.surviving_keys, [root], "not the one that was made here");
    assert_eq!(answer.ending, Ending::Reset);
}
