//! Renewal (rule A4).

use super::*;
use crate::domain::ca::RenewCa;
use crate::domain::certificate::{RemoveCertificate, RenewCertificate, RevokeCertificate};
use crate::domain::event::Holder;
use crate::domain::key::KeyRole;
use crate::domain::testing::new_key;
use crate::x509::{GeneralName, ParsedCertificate, RevocationReason};

fn parsed(issued: &Issued) -> ParsedCertificate {
    ParsedCertificate::from_der(issued.certificate.as_bytes()).unwrap()
}

fn server(story: &Story) -> IssueCertificate {
    let mut request = IssueCertificate::server(story.intermediate(), ["oa.example", "*.oa.example"]);
    request.names.push(NameRequest::ip("10.0.0.1"));
    request.subject.organization = Some("Zoë & Co".into());
    request.days = Some(40);
    request.holder = Holder { name: Some("Zoë".into()), ..Holder::default() };
    request
}

#[test]
fn a4_a_renewed_certificate_has_the_same_subject_and_names_and_another_key() {
    let mut story = Story::issuing(3);
    let first = story.run(&server(&story)).answer;
    story.pass(30 * 86_400);
    let done = story.run(&RenewCertificate::of(first.id));
    let second = done.answer;
    let (then, now) = (parsed(&first), parsed(&second));
    assert_eq!(now.subject().der(), then.subject().der());
    let sans = |certificate: &ParsedCertificate| certificate.extensions().subject_alternative_names.clone();
    assert_eq!(sans(&now), sans(&then));
    assert!(sans(&now).iter().any(|name| matches!(name, GeneralName::Ip(_))));
    assert_eq!(now.extensions().key_usage, then.extensions().key_usage);
    assert_ne!(now.public_key(), then.public_key(), "a new key");
    assert_eq!(now.public_key().unwrap().algorithm(), then.public_key().unwrap().algorithm());
    assert_ne!(now.serial(), then.serial());
    let span = |issued: &Issued| issued.not_after.secs() - issued.not_before.secs();
    assert_eq!(span(&second), span(&first), "as long as before");
    assert_eq!(story.certificate(&second.id).issued().unwrap().renews, Some(first.id), "and linked");
    assert_eq!(second.balance.consumed, first.balance.consumed + 1, "Q2: one unit");
    let certificate = story.certificate(&second.id);
    assert_eq!(certificate.issued().unwrap().holder.name.as_deref(), Some("Zoë"));
    assert_eq!(story.certificate(&first.id).renewed_by(), Some(&second.id), "and the one before knows");
    assert_eq!(story.certificate(&first.id).issued().unwrap().id, first.id);

    // Again, from the second; and once more from the first, which has expired by now.
    story.pass(20 * 86_400);
    let third = story.run(&RenewCertificate { days: Some(5), ..RenewCertificate::of(first.id) }).answer;
    assert_eq!(span(&third), 5 * 86_400 - 1);
    assert_eq!(story.certificate(&first.id).renewed_by(), Some(&third.id));
    assert_eq!(story.refused(&RenewCertificate::of(second.id)), ["Q2 no-quota-left"]);
}

#[test]
fn a4_a_holders_key_stays_or_is_replaced_by_their_request() {
    let mut story = Story::issuing(5);
    let key = new_key(Algorithm::EcdsaP384);
    let first = story.run(&IssueCertificate { key: KeySource::Csr(story.csr(&key)), ..server(&story) }).answer;
    let second = story.run(&RenewCertificate::of(first.id)).answer;
    assert_eq!((parsed(&second).public_key().unwrap(), &second.key), (key.public_key(), &None), "the same key");
    let third = story.run(&RenewCertificate::with_csr(second.id, story.csr(&key))).answer;
    assert_eq!(parsed(&third).public_key().unwrap(), key.public_key(), "the same key, told again");
    let other = new_key(Algorithm::EcdsaP256);
    let fourth = story.run(&RenewCertificate::with_csr(third.id, story.csr(&other))).answer;
    assert_eq!(parsed(&fourth).public_key().unwrap(), other.public_key());
    let wrong = story.csr(&new_key(Algorithm::Rsa2048));
    assert_eq!(story.refused(&RenewCertificate::with_csr(fourth.id, wrong)), ["O3 key-family"]);
}

#[test]
fn k2_a_compromised_key_is_not_certified_again_by_renewing() {
    let mut story = Story::issuing(5);
    let key = new_key(Algorithm::EcdsaP256);
    let with_key = IssueCertificate { key: KeySource::Csr(story.csr(&key)), ..server(&story) };
    let (first, second) = (story.run(&with_key).answer, story.run(&with_key).answer);
    let reason = RevocationReason::KeyCompromise;
    story.run(&RevokeCertificate { id: first.id, reason, invalidity_date: None });
    assert_eq!(story.refused(&RenewCertificate::of(second.id)), ["K2 key-compromised"]);
    assert_eq!(
        story.refused(&RenewCertificate::of(first.id)),
        ["A4 revoked", "K2 key-compromised"],
        "every broken rule is told"
    );
    let other = story.csr(&new_key(Algorithm::EcdsaP256));
    story.run(&RenewCertificate::with_csr(second.id, other));
    let spki = key.public_key().digest();
    let Some(crate::domain::State::Spki(role)) = story.world().get(&crate::domain::stream::spki(&spki)) else {
        panic!()
    };
    assert!(matches!(role, KeyRole::Compromised(_)));
}

#[test]
fn a4_what_is_revoked_on_hold_or_off_the_list_is_not_renewed() {
    let mut story = Story::issuing(5);
    let ids: Vec<_> = (0..3).map(|_| story.run(&server(&story)).answer.id).collect();
    for (id, reason) in [(ids[0], RevocationReason::Superseded), (ids[1], RevocationReason::CertificateHold)] {
        story.run(&RevokeCertificate { id, reason, invalidity_date: None });
    }
    assert_eq!(story.refused(&RenewCertificate::of(ids[0])), ["A4 revoked"]);
    assert_eq!(story.refused(&RenewCertificate::of(ids[1])), ["A4 on-hold"]);
    story.pass(41 * 86_400);
    story.run(&RemoveCertificate { id: ids[2] });
    assert_eq!(story.refused(&RenewCertificate::of(ids[2])), ["A4 removed"]);
    let of_ca = story.generation(&story.intermediate()).id;
    assert_eq!(story.refused(&RenewCertificate::of(of_ca)), ["C11 certificate-of-ca"]);
    let nobody = crate::x509::CertificateId::new(ids[0].issuer(), crate::x509::SerialNumber::from_random([9; 10]));
    assert_eq!(story.refused(&RenewCertificate::of(nobody)), ["A4 unknown-certificate"]);
}

#[test]
fn c11_the_newest_generation_of_the_ca_renews() {
    let mut story = Story::issuing(5);
    let first = story.run(&server(&story)).answer;
    let intermediate = story.intermediate();
    story.run(&RenewCa::new_key(intermediate.clone()));
    let second = story.run(&RenewCertificate::of(first.id)).answer;
    let generation = |id| story.certificate(id).issued().unwrap().generation;
    assert_eq!((generation(&first.id), generation(&second.id)), (1, 2));
    let key = story.generation(&intermediate).parsed.as_ref().unwrap().public_key().unwrap().clone();
    parsed(&second).verify_signature(&key).unwrap();
}
