//! Delivery and end of the keys that the platform makes for holders (rules A1, K1, K3, K4).

use super::*;
use crate::domain::Event;
use crate::domain::event::{KeyAbandoned, KeyOwner};
use crate::domain::key::{ConfirmKeyDestroyed, KeyState};
use crate::domain::testing::reasons;
use crate::keys::KeyId;
use crate::log::Revision;

fn confirm(issued: &Issued) -> ConfirmKeyDestroyed {
    ConfirmKeyDestroyed { key: issued.key.clone().unwrap() }
}

fn deliver(id: CertificateId) -> DeliverKey {
    DeliverKey {
        id,
        format: "pkcs12".into(),
        recipient: "the OA desk".into(),
        unencrypted: false,
        destroy_after: false,
    }
}

#[test]
fn a1_a_delivery_names_its_recipient() {
    let (mut story, issued) = with_certificate();
    let done = story.run(&DeliverKey { unencrypted: true, ..deliver(issued.id) });
    let [Event::KeyDelivered(delivered)] = done.events.as_slice() else { panic!() };
    assert_eq!((delivered.recipient.as_str(), delivered.format.as_str()), ("the OA desk", "pkcs12"));
    assert!(delivered.unencrypted, "the event says so");
    assert_eq!(Some(done.answer.key), issued.key);
    story.run(&deliver(issued.id));
    assert_eq!(story.certificate(&issued.id).keys_delivered(), 2);
}

#[test]
fn a1_what_is_said_about_a_delivery_is_bounded() {
    let (mut story, issued) = with_certificate();
    for recipient in [String::new(), "x".repeat(201), "a\nb".into()] {
        let request = DeliverKey { recipient, ..deliver(issued.id) };
        assert_eq!(story.refused(&request), ["A1 recipient"]);
    }
    let request = DeliverKey { format: "PKCS 12".into(), recipient: String::new(), ..deliver(issued.id) };
    assert_eq!(story.refused(&request), ["A1 format", "A1 recipient"]);
}

#[test]
fn a1_a_key_that_its_holder_made_was_never_here() {
    let (mut story, issued, _) = with_csr();
    let refusal = story.try_run(&deliver(issued.id)).unwrap_err();
    assert_eq!(crate::domain::testing::reasons(&refusal), ["A1 key-made-by-holder"]);
    assert!(refusal.to_string().contains("sent a CSR"), "{refusal}");
    assert_eq!(story.refused(&deliver(nobodys())), ["A1 unknown-certificate"]);
}

#[test]
fn k1_the_key_of_a_ca_is_never_delivered() {
    let (mut story, issued) = with_certificate();
    for ca in [story.root(), issued.ca] {
        let id = story.generation(&ca).id;
        assert_eq!(story.refused(&deliver(id)), ["K1 certificate-of-ca"]);
    }
}

#[test]
fn k4_a_revoked_or_expired_certificates_key_is_delivered_until_it_ends() {
    let (mut story, issued) = with_certificate();
    story.run(&revoke(issued.id, RevocationReason::Superseded));
    story.run(&deliver(issued.id));
    story.run(&RemoveCertificate { id: issued.id });
    assert_eq!(story.refused(&deliver(issued.id)), ["K4 certificate-removed"]);
}

#[test]
fn k4_a_key_is_destroyed_with_the_delivery_that_asks_for_it() {
    let (mut story, issued) = with_certificate();
    let key = issued.key.clone().unwrap();
    let confirm = confirm(&issued);
    assert_eq!(story.refused(&confirm), ["K4 key-kept"]);
    story.run(&DeliverKey { destroy_after: true, ..deliver(issued.id) });
    assert!(matches!(story.key_state(&key), KeyState::Ending(_)), "the log orders the end before it is carried out");
    assert_eq!(story.refused(&deliver(issued.id)), ["K4 key-ending"]);
    assert_eq!(story.run(&confirm).answer.key, key);
    assert!(matches!(story.key_state(&key), KeyState::Ended(Some(KeyOwner::Certificate(_)))));
    assert_eq!(story.refused(&deliver(issued.id)), ["K4 key-destroyed"]);
    assert_eq!(story.refused(&confirm), ["K3 key-gone"]);
}

#[test]
fn k4_a_key_is_destroyed_on_removal() {
    let (mut story, issued) = with_certificate();
    story.run(&revoke(issued.id, RevocationReason::Superseded));
    story.run(&RemoveCertificate { id: issued.id });
    assert!(matches!(story.key_state(issued.key.as_ref().unwrap()), KeyState::Ending(_)));
    let certificate = story.certificate(&issued.id);
    let due = key_end_due(&certificate, story.ca(&issued.ca), &story.policy_in_force(), story.now());
    assert_eq!(due, Some(KeyEnd::Removed));
    story.run(&confirm(&issued));
    assert_eq!(story.certificate(&issued.id).kept_key(), None);
}

#[test]
fn k4_a_key_is_kept_for_the_retention_after_its_certificates_end() {
    let (story, issued) = with_certificate();
    let confirm = confirm(&issued);
    let until = issued.not_after.plus_secs(30 * DAY);
    let mut kept = story.clone().at(until);
    assert_eq!(kept.refused(&confirm), ["K4 key-kept"]);
    kept.run(&deliver(issued.id));
    let mut over = story.clone().at(until.plus_secs(1));
    over.run(&confirm);

    let mut revoked = story.clone();
    revoked.run(&revoke(issued.id, RevocationReason::Superseded));
    let mut revoked = revoked.days_later(30);
    assert_eq!(revoked.refused(&confirm), ["K4 key-kept"]);
    revoked.later(1).run(&confirm);

    let ended = reset(story.clone(), RevocationReason::Superseded).days_later(30);
    ended.clone().refused(&confirm);
    ended.later(1).run(&confirm);

    let mut held = story;
    held.run(&revoke(issued.id, RevocationReason::CertificateHold));
    let mut held = held.days_later(40);
    assert_eq!(held.refused(&confirm), ["K4 key-kept"], "a hold is no end");
    reset(held.clone(), RevocationReason::Superseded).run(&confirm);
    held.run(&revoke(issued.id, RevocationReason::Superseded));
    held.run(&confirm);
}

#[test]
fn k4_keys_for_data_encryption_have_no_retention() {
    let mut story = Story::issuing(10);
    let subject = SubjectFields::common("HR records");
    let request = IssueCertificate::of(story.intermediate(), Profile::DataEncryption, subject);
    let issued = story.run(&request).answer;
    let mut story = story.at(issued.not_after).days_later(365);
    assert_eq!(story.refused(&confirm(&issued)), ["K4 key-kept"]);
    story.run(&deliver(issued.id));
    story.run(&RemoveCertificate { id: issued.id });
    story.run(&confirm(&issued));
}

#[test]
fn k3_a_key_that_was_given_up_makes_no_certificate() {
    let mut story = Story::issuing(10);
    let request = IssueCertificate::server(story.intermediate(), ["oa.example"]);
    let context = story.context();
    let id = |ordinal| KeyId::derive(&context.commit, ordinal);
    // Nobody has looked at the key: it is claimed as new.
    let (_, guards, _) = story.decide(&request, &context).unwrap();
    assert_eq!(guards[&crate::domain::stream::key(&id(0))], Revision::ZERO);
    assert!(story.world().get(&crate::domain::stream::key(&id(0))).is_none(), "and not loaded");

    let mut story = story.and(KeyAbandoned { key: id(0) });
    let refusal = story.decide(&request, &context).unwrap_err();
    assert_eq!(reasons(&refusal), ["K3 key-spent"]);
    assert!(refusal.to_string().contains("another idempotency key"), "{refusal}");
    story.run(&request);

    let mut story = story.and(KeyAbandoned { key: id(2) });
    let bulk = IssueAtomically { requests: vec![request; 3] };
    let refusal = story.decide(&bulk, &context).unwrap_err();
    let told: Vec<&str> = refusal.broken().iter().map(|broken| &broken.message()[..10]).collect();
    assert_eq!((reasons(&refusal).len(), told), (2, vec!["request 1:", "request 3:"]), "{refusal}");
    story.run(&bulk);
}
