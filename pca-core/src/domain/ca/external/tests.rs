#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::*;
use crate::domain::ca::testing::Scene;
use crate::domain::ca::{CaState, CrossSign, EnableByCreating, Ending, RenewCa, ResetCa, RevokeCa, Step, unfinished};
use crate::domain::crl::PublishCrl;
use crate::domain::key::{ConfirmKeyDestroyed, KeyState};
use crate::keys::PrivateKey;
use crate::keys::software::default_backend;
use crate::x509::{
    AuthorityUrls, CaCertificate, DistinguishedName, ParsedCertificate, SerialNumber, Validity, VerifiedCsr, assemble,
    check_certificate,
};

/// A root whose key is nowhere near the platform.
struct Offline {
    key: PrivateKey,
    certificate: ParsedCertificate,
}

fn named(name: &str) -> DistinguishedName {
    SubjectFields::common(name).to_name(CommonName::Required).unwrap()
}

fn signed(key: &PrivateKey, tbs: &[u8]) -> Vec<u8> {
    let algorithm = key.public_key().signature_algorithm();
    assemble(tbs, algorithm, &default_backend().signer(key).unwrap().sign(algorithm, tbs).unwrap())
}

fn checked(der: &[u8]) -> CheckedCertificate {
    check_certificate(der).unwrap()
}

impl Offline {
    fn root(scene: &Scene) -> Self {
        let key = default_backend().generate(Algorithm::EcdsaP384).unwrap();
        let validity = Validity::for_years(scene.now().floor_to_second(), 10).unwrap();
        let serial = SerialNumber::from_random([1; 10]);
        let subject = named("Offline Root");
        let tbs = CaCertificate {
            serial,
            validity,
            subject: &subject,
            public_key: key.public_key(),
            path_length: None,
            name_constraints: None,
        };
        let certificate = ParsedCertificate::from_der(&signed(&key, &tbs.root_tbs())).unwrap();
        Self { key, certificate }
    }

    /// Certifies a key under a subject.
    fn certify(&self, scene: &Scene, subject: &DistinguishedName, key: &PublicKey, serial: u8) -> Vec<u8> {
        let validity = Validity::for_years(scene.now().floor_to_second(), 5).unwrap();
        let serial = SerialNumber::from_random([serial; 10]);
        let certificate =
            CaCertificate { serial, validity, subject, public_key: key, path_length: Some(0), name_constraints: None };
        let issuer = self.certificate.as_issuer().unwrap();
        signed(&self.key, &certificate.intermediate_tbs(&issuer, &AuthorityUrls::default()))
    }
}

fn request(ca: &CaId, name: &str) -> RequestCertificate {
    RequestCertificate {
        ca: ca.clone(),
        subject: SubjectFields::common(name),
        algorithm: None,
        addresses: Addresses { crl_url: Some("http://a.example/x.crl".into()), ..Addresses::default() },
    }
}

/// The request as it goes out.
fn asked(scene: &mut Scene, command: &RequestCertificate) -> VerifiedCsr {
    let events = scene.run(command).unwrap();
    let answer = RequestCertificate::answer(&events).unwrap();
    VerifiedCsr::verify(answer.request.as_bytes()).unwrap()
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

/// An enabled external root, with its intermediate.
fn below_an_external_root() -> (Scene, Offline, CaId, CaId) {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    let offline = Offline::root(&scene);
    let events = scene.run(&EnableByCertificate::new(root.clone(), checked(offline.certificate.der()))).unwrap();
    let Event::CaEnabled(enabled) = &events[0] else { panic!() };
    assert!(matches!(enabled.mode, EnableMode::External { .. }));
    (scene, offline, root, intermediate)
}

#[test]
fn c2_an_issuer_elsewhere_answers_a_signing_request() {
    let (mut scene, offline, root, intermediate) = below_an_external_root();
    let csr = asked(&mut scene, &request(&intermediate, "OA"));
    assert_eq!((csr.subject(), csr.public_key().algorithm()), (&named("OA"), Some(Algorithm::EcdsaP256)));
    assert_eq!(scene.ca(&intermediate).state(), CaState::NotEnabled);
    let pending = scene.ca(&intermediate).request().unwrap().clone();
    assert!(matches!(scene.key_state(&pending.key), KeyState::Living(_)));

    let der = offline.certify(&scene, csr.subject(), csr.public_key(), 7);
    let events = scene.run(&EnableByCertificate::new(intermediate.clone(), checked(&der))).unwrap();
    let answer = EnableByCertificate::answer(&events).unwrap();
    assert_eq!(answer.certificate.as_bytes(), der, "byte for byte");
    let generation = scene.ca(&intermediate).generation().unwrap().clone();
    assert_eq!((generation.number, &generation.key, generation.is_external()), (1, &pending.key, false));
    assert!(scene.ca(&intermediate).request().is_none());
    assert_eq!(scene.ca(&intermediate).addresses().crl_url.as_deref(), Some("http://a.example/x.crl"), "as asked for");
    // It issues, and the external root does not.
    scene.assign(&root, &intermediate, 2);
    scene.issue(&intermediate, 90, "Ann");
    assert_eq!(scene.ca(&root).signing_generations().count(), 0);
    let refusal = scene.refused(&PublishCrl::full(root.clone()));
    assert_eq!(scene.codes(&refusal), ["A3 no-key-to-sign"]);
    let refusal = scene.refused(&RenewCa::same_key(root.clone()));
    assert_eq!(scene.codes(&refusal), ["C11 key-elsewhere"]);
    let refusal = scene.refused(&RenewCa::new_key(intermediate.clone()));
    assert_eq!(scene.codes(&refusal), ["C2 root-key-elsewhere"]);
}

#[test]
fn c2_a_wrong_answer_is_refused_with_every_reason() {
    let (mut scene, offline, _, intermediate) = below_an_external_root();
    let csr = asked(&mut scene, &request(&intermediate, "OA"));
    let other = default_backend().generate(Algorithm::EcdsaP384).unwrap();
    let enable = |der: &[u8]| EnableByCertificate::new(intermediate.clone(), checked(der));
    let der = offline.certify(&scene, &named("HR"), other.public_key(), 7);
    let refusal = scene.refused(&enable(&der));
    assert_eq!(scene.codes(&refusal), ["C2 other-key", "C2 other-subject"]);
    let stranger = Offline { key: other.clone(), certificate: offline.certificate.clone() };
    let der = stranger.certify(&scene, csr.subject(), csr.public_key(), 7);
    let refusal = scene.refused(&enable(&der));
    assert!(scene.codes(&refusal).contains(&"C3 signature-wrong".to_owned()), "{refusal}");
    let rsa = default_backend().generate(Algorithm::Rsa2048).unwrap();
    let der = offline.certify(&scene, csr.subject(), rsa.public_key(), 7);
    let refusal = scene.refused(&enable(&der));
    assert_eq!(scene.codes(&refusal)[0], "C2 other-key");
    assert!(scene.codes(&refusal).contains(&"C3 wrong-family".to_owned()), "{refusal}");
    // What was right stays possible.
    let der = offline.certify(&scene, csr.subject(), csr.public_key(), 7);
    scene.run(&enable(&der)).unwrap();
    let refusal = scene.refused(&enable(&der));
    assert!(refusal.names("C1") && refusal.names("I5"), "{refusal}");
}

#[test]
fn c2_a_request_is_made_for_an_intermediate_that_is_not_enabled() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    let refusal = scene.refused(&request(&root, "Root"));
    assert_eq!(scene.codes(&refusal), ["C2 root-signs-itself"]);
    let wrong = RequestCertificate { algorithm: Some(Algorithm::Rsa2048), ..request(&intermediate, "") };
    let refusal = scene.refused(&wrong);
    assert_eq!(scene.codes(&refusal), ["O3 wrong-family", "C4 subject"]);
    // Before its root is enabled: the key is made here, whoever signs.
    asked(&mut scene, &request(&intermediate, "OA"));
    let offline = Offline::root(&scene);
    let der = offline.certify(&scene, &named("OA"), offline.key.public_key(), 7);
    let refusal = scene.refused(&EnableByCertificate::new(intermediate.clone(), checked(&der)));
    assert_eq!(scene.codes(&refusal)[0], "C1 root-not-enabled");
    scene.enable(&root, "Root");
    let refusal = scene.refused(&scene.enabling(&root, "OA"));
    assert!(refusal.names("C1"), "{refusal}");
    let (other, _) = scene.buy_root(Family::Ecc);
    let refusal = scene.refused(&scene.enabling(&other, "OA"));
    assert_eq!(scene.codes(&refusal), ["C4 name-taken"], "the request has the name");
    let without = scene.buy_intermediate(&root);
    let refusal = scene.refused(&EnableByCertificate::new(without, checked(&der)));
    assert_eq!(scene.codes(&refusal)[0], "C2 no-request");
}

#[test]
fn c2_a_request_is_given_up_by_another_one_by_enabling_and_by_hand() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    scene.enable(&root, "Root");
    asked(&mut scene, &request(&intermediate, "OA"));
    let keys = |scene: &Scene| scene.ca(&intermediate).request().map(|request| request.key.clone());
    let first = keys(&scene).unwrap();
    let events = scene.run(&request(&intermediate, "OA")).unwrap();
    assert_eq!(kinds(&events), ["CaRequestAbandoned", "CaRequested"]);
    assert!(matches!(scene.key_state(&first), KeyState::Ending(_)));
    let second = keys(&scene).unwrap();
    assert_ne!(first, second);
    let events = scene.run(&EnableByCreating::named(intermediate.clone(), "OA")).unwrap();
    assert_eq!(kinds(&events), ["CaRequestAbandoned", "CaEnabled"]);
    let destroy = |key: &KeyId| [Step::DestroyKey { key: key.clone() }, Step::ConfirmKeyDestroyed { key: key.clone() }];
    assert_eq!(unfinished(scene.ca(&intermediate)), [destroy(&first), destroy(&second)].concat());
    for key in [first, second] {
        scene.run(&ConfirmKeyDestroyed { key }).unwrap();
    }
    assert!(unfinished(scene.ca(&intermediate)).is_empty());

    let other = scene.buy_intermediate(&root);
    let refusal = scene.refused(&AbandonRequest { ca: other.clone() });
    assert_eq!(scene.codes(&refusal), ["C2 no-request"]);
    asked(&mut scene, &request(&other, "HR"));
    let events = scene.run(&AbandonRequest { ca: other.clone() }).unwrap();
    assert_eq!(kinds(&events), ["CaRequestAbandoned"]);
    asked(&mut scene, &request(&other, "HR"));
    let command = scene.revoking(&root);
    let events = scene.run(&RevokeCa { cascade: true, ..command }).unwrap();
    assert!(kinds(&events).contains(&"CaRequestAbandoned"), "nobody will sign below a root that is gone");
    assert!(scene.ca(&other).request().is_none());
}

#[test]
fn c7_an_external_root_ends_without_a_key_and_without_a_last_crl() {
    let (mut scene, offline, root, intermediate) = below_an_external_root();
    let csr = asked(&mut scene, &request(&intermediate, "OA"));
    let der = offline.certify(&scene, csr.subject(), csr.public_key(), 7);
    scene.run(&EnableByCertificate::new(intermediate.clone(), checked(&der))).unwrap();
    let created = EnableByCreating::named(scene.buy_intermediate(&root), "HR");
    let refusal = scene.refused(&created);
    assert_eq!(scene.codes(&refusal), ["C2 root-key-elsewhere"]);
    let (other, _) = scene.buy_root(Family::Ecc);
    scene.enable(&other, "Other Root");
    let refusal = scene.refused(&CrossSign { ca: other.clone(), by: root.clone() });
    assert_eq!(scene.codes(&refusal), ["C11 key-elsewhere"]);
    scene.run(&CrossSign { ca: root.clone(), by: other }).unwrap();

    assert_eq!(scene.preview(&root, Ending::Reset).intermediates.len(), 1);
    let command = scene.resetting(&root);
    let (plan, _) = scene.decide(&command).unwrap();
    assert_eq!(plan.to_sign().len(), 1, "only the intermediate's key is here");
    let events = scene.run(&command).unwrap();
    let answer = ResetCa::answer(&events).unwrap();
    assert_eq!(answer.surviving_keys, std::slice::from_ref(&root));
    assert_eq!(answer.trust_anchors.len(), 1);
    assert!(unfinished(scene.ca(&root)).is_empty());
    assert_eq!(unfinished(scene.ca(&intermediate)).len(), 3);
    assert_eq!(scene.ca(&root).state(), CaState::NotEnabled);
    scene.enable(&root, "Root made here");
}
