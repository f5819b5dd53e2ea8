//! Tests of the inventory, on certificates with real keys.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::domain::certificate::{IssueCertificate, Issued};
use crate::domain::event::{
    CaReset, CertificateRemoved, CertificateRevoked, GenerationEnd, HoldReleased, Holder, KeyDelivered,
};
use crate::domain::testing::Story;
use crate::log::Digest;
use crate::projection::testing::record;
use crate::x509::{Profile, RevocationReason};

const DAY: i64 = 86_400;

fn inventory(story: &Story) -> Inventory {
    let mut inventory = Inventory::default();
    inventory.follow(&record(story.events())).unwrap();
    inventory
}

fn holder(name: &str) -> Holder {
    Holder { name: Some(name.into()), contact: None, labels: vec![("site".into(), "Basel".into())] }
}

fn story() -> (Story, Issued, Issued) {
    let mut story = Story::issuing(10);
    let ca = story.intermediate();
    let server = IssueCertificate {
        holder: holder("Web Team"),
        ..IssueCertificate::server(ca.clone(), ["www.example.com", "api.example.com"])
    };
    let client =
        IssueCertificate { days: Some(10), holder: holder("Ada"), ..IssueCertificate::client(ca, "Ada Lovelace") };
    let (server, client) = (story.run(&server).answer, story.run(&client).answer);
    (story, server, client)
}

fn revoked(issued: &Issued, reason: RevocationReason) -> CertificateRevoked {
    CertificateRevoked {
        id: issued.id,
        ca: issued.ca.clone(),
        reason,
        invalidity_date: None,
        not_after: issued.not_after,
        compromised_spki: None,
        partition: None,
    }
}

fn reset(story: Story, ca: &CaId) -> Story {
    let generation = story.generation(ca).clone();
    let end = GenerationEnd {
        ca: ca.clone(),
        generation: generation.number,
        subject_hash: generation.subject_hash,
        reason: RevocationReason::CessationOfOperation,
        cutoff: story.quota(ca).revision().get(),
        count: 0,
        key: generation.key.clone(),
        last_crl: false,
        certificate: generation.id,
        fingerprint: Digest::of(generation.certificate.as_bytes()),
        root: false,
        uploaded: false,
        older: Vec::new(),
        external: false,
    };
    story.and(CaReset { end })
}

#[test]
fn certificates_are_found_by_what_people_know_of_them() {
    let (story, server, client) = story();
    let inventory = inventory(&story);
    let fingerprint = Digest::of(server.certificate.as_bytes()).to_string();
    let found = |filter: CertificateFilter| {
        inventory.certificates(&filter, story.now()).map(|entry| entry.id).collect::<Vec<_>>()
    };
    let filter = CertificateFilter::default;
    let (one, two, both) = (vec![server.id], vec![client.id], vec![server.id, client.id]);
    assert_eq!(found(filter()), both);
    assert_eq!(found(CertificateFilter { ca: Some(story.intermediate()), ..filter() }), both);
    assert!(found(CertificateFilter { ca: Some(story.root()), ..filter() }).is_empty());
    assert_eq!(found(CertificateFilter { name: Some("API.example".into()), ..filter() }), one);
    assert_eq!(found(CertificateFilter { name: Some("lovelace".into()), ..filter() }), two);
    assert_eq!(found(CertificateFilter { serial: Some(client.serial), ..filter() }), two);
    assert_eq!(found(CertificateFilter { fingerprint: Some(fingerprint.to_uppercase()), ..filter() }), one);
    let coloned = format!("{}:{}", &fingerprint[..2], &fingerprint[2..8]);
    assert_eq!(found(CertificateFilter { fingerprint: Some(coloned), ..filter() }), one);
    assert_eq!(found(CertificateFilter { holder: Some("ADA".into()), ..filter() }), two);
    assert_eq!(found(CertificateFilter { profile: Some(Profile::Server.into()), ..filter() }), one);
    assert_eq!(found(CertificateFilter { label: Some(("site".into(), "Basel".into())), ..filter() }), both);
    assert!(found(CertificateFilter { label: Some(("site".into(), "Bern".into())), ..filter() }).is_empty());
    let days = |days: i64| Some(u64::try_from(days * DAY).unwrap());
    assert_eq!(found(CertificateFilter { expires_within: days(10), ..filter() }), two);
    assert_eq!(found(CertificateFilter { expires_within: days(90), ..filter() }), both);
    assert!(found(CertificateFilter { expires_within: days(9), ..filter() }).is_empty());
    assert_eq!(found(CertificateFilter { status: Some(CertificateStatus::Valid), ..filter() }), both);
    let entry = inventory.certificate(&server.id).unwrap();
    assert_eq!(entry.names, ["www.example.com", "api.example.com"]);
    assert_eq!((entry.fingerprint.to_string(), entry.title().as_str()), (fingerprint, "www.example.com"));
    assert_eq!((entry.key.as_ref(), entry.holder.name.as_deref()), (server.key.as_ref(), Some("Web Team")));
    assert!(entry.key.is_some());
}

#[test]
fn a_status_joins_the_certificate_with_time_and_issuer() {
    let (story, server, client) = story();
    let now = story.now();
    let status = |story: &Story, issued: &Issued, now: Timestamp| {
        let inventory = inventory(story);
        inventory.status(inventory.certificate(&issued.id).unwrap(), now)
    };
    assert_eq!(status(&story, &client, client.not_after), CertificateStatus::Valid, "the last second counts");
    let last_moment = Timestamp::from_micros(client.not_after.micros() + 999_999);
    assert_eq!(status(&story, &client, last_moment), CertificateStatus::Valid);
    assert_eq!(status(&story, &client, client.not_after.plus_secs(1)), CertificateStatus::Expired);

    let held = story.clone().and(revoked(&client, RevocationReason::CertificateHold));
    assert_eq!(status(&held, &client, now), CertificateStatus::OnHold);
    assert_eq!(status(&held, &client, client.not_after.plus_secs(1)), CertificateStatus::Expired);
    let released = held.clone().and(HoldReleased { id: client.id });
    assert_eq!(status(&released, &client, now), CertificateStatus::Valid);
    let made_final = held.and(revoked(&client, RevocationReason::Superseded));
    assert_eq!(status(&made_final, &client, now), CertificateStatus::Revoked);
    assert_eq!(status(&made_final, &client, client.not_after.plus_secs(1)), CertificateStatus::Revoked);
    assert_eq!(status(&made_final, &server, now), CertificateStatus::Valid);

    let ca = story.intermediate();
    let late = reset(story.clone().days_later(20), &ca);
    assert_eq!(status(&late, &server, late.now()), CertificateStatus::Ended);
    assert_eq!(status(&late, &client, late.now()), CertificateStatus::Expired, "before its CA ended");
    let mut again = late.enabled(&ca, None, 1);
    let new = again.run(&IssueCertificate::client(ca, "Ada Lovelace")).answer;
    assert_eq!(status(&again, &new, again.now()), CertificateStatus::Valid, "of the next generation");
    assert_eq!(status(&again, &server, again.now()), CertificateStatus::Ended);
}

#[test]
fn a_removed_certificate_is_off_the_list_and_kept() {
    let (story, server, client) = story();
    let story =
        story.and(revoked(&client, RevocationReason::Superseded)).and(CertificateRemoved { id: client.id, key: None });
    let inventory = inventory(&story);
    let count = |removed| {
        let filter = CertificateFilter { removed, ..CertificateFilter::default() };
        inventory.certificates(&filter, story.now()).count()
    };
    assert_eq!((count(false), count(true)), (1, 2));
    let counts = inventory.counts(&story.intermediate(), story.now());
    assert_eq!(counts, Counts { valid: 1, revoked: 1, ..Counts::default() });
    assert!(!inventory.certificate(&server.id).unwrap().removed);
}

#[test]
fn delivered_keys_are_counted() {
    let (story, server, _) = story();
    let delivered = KeyDelivered {
        id: server.id,
        key: server.key.clone().unwrap(),
        format: "pkcs12".into(),
        recipient: "Web Team".into(),
        unencrypted: false,
        destroy_after: false,
    };
    let inventory = inventory(&story.and(delivered));
    assert_eq!(inventory.certificate(&server.id).unwrap().keys_delivered, 1);
}

#[test]
fn cas_stand_in_a_tree() {
    let story = Story::issuing(1).intermediate_bought();
    let inventory = inventory(&story);
    let tree = inventory.tree(story.now(), false);
    let [Branch { root, intermediates }] = tree.as_slice() else { panic!("{tree:?}") };
    assert_eq!((&root.ca, root.status), (&story.root(), CaStatus::Enabled));
    let states: Vec<_> = intermediates.iter().map(|ca| (ca.status, ca.bundled)).collect();
    assert_eq!(states, [(CaStatus::Enabled, true), (CaStatus::NotEnabled, false)]);
    let certificate = root.certificate.as_ref().unwrap();
    assert!(root.title().starts_with("Root"), "{}", root.title());
    let generation = story.generation(&story.root());
    assert_eq!(certificate.fingerprint, Digest::of(generation.certificate.as_bytes()));
    let expired = inventory.ca_entry(&root.ca, certificate.not_after.plus_secs(1)).unwrap();
    assert_eq!(expired.status, CaStatus::Expired);
    let json = serde_json::to_value(root).unwrap();
    assert_eq!(json.get("status").unwrap(), "enabled");
}

#[test]
fn stopping_early_answers_as_of_then() {
    let (story, server, client) = story();
    let story = story.and(revoked(&server, RevocationReason::Superseded));
    let log = record(story.events());
    let mut inventory = Inventory::default();
    inventory.follow(log.iter().take(log.len() - 1)).unwrap();
    let of = |inventory: &Inventory, id| inventory.status(inventory.certificate(id).unwrap(), story.now());
    assert_eq!(of(&inventory, &server.id), CertificateStatus::Valid);
    inventory.follow(&log).unwrap();
    assert_eq!(of(&inventory, &server.id), CertificateStatus::Revoked);
    assert_eq!(of(&inventory, &client.id), CertificateStatus::Valid);
    assert_eq!(inventory.position(), log.last().unwrap().seal().last());
}

#[test]
fn a2_a_revocation_after_the_end_of_the_ca_is_dated_by_that() {
    let (story, server, client) = story();
    let ca = story.intermediate();
    let story = reset(story.later(11 * DAY), &ca);
    let end = story.now();
    let story = story.later(50).and(revoked(&server, RevocationReason::KeyCompromise));
    let story = story.and(revoked(&client, RevocationReason::KeyCompromise));
    let inventory = inventory(&story);
    let at = |issued: &Issued| inventory.certificate(&issued.id).unwrap().revocation.unwrap().at;
    assert_eq!(at(&server), end);
    assert_eq!(at(&client), story.now(), "it had expired before");
}
