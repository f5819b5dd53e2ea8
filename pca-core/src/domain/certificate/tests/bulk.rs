//! Several certificates, all or none (rule I8).

use std::collections::BTreeSet;

use super::*;
use crate::domain::event::{Balance, LotUnits};
use crate::domain::policy::Policy;
use crate::domain::testing::{new_key, reasons};
use crate::domain::{Command, Desk, Event, Evidence, Halt, Need, State, stream};
use crate::log::{Fold, Revision};
use crate::x509::ParsedCertificate;

fn servers(story: &Story, count: u64) -> IssueAtomically {
    let request = |number| IssueCertificate::server(story.intermediate(), [format!("host{number}.example")]);
    IssueAtomically { requests: (1..=count).map(request).collect() }
}

#[test]
fn i8_all_are_issued_in_one_commit() {
    let mut story = Story::issuing(10);
    let done = story.run(&servers(&story, 10));
    assert_eq!(done.events.len(), 10);
    let consumed: Vec<u64> = done.answer.iter().map(|issued| issued.balance.consumed).collect();
    assert_eq!(consumed, (1..=10).collect::<Vec<u64>>(), "each sees what the ones before it consumed");
    assert_eq!(done.answer[9].balance, Balance { assigned: 10, consumed: 10, remaining: 0 });
    assert_eq!(story.quota(&story.intermediate()).balance(story.now()), done.answer[9].balance);
    let serials: BTreeSet<_> = done.answer.iter().map(|issued| issued.serial).collect();
    let keys: BTreeSet<_> = done.answer.iter().map(|issued| issued.key.clone().unwrap()).collect();
    assert_eq!((serials.len(), keys.len()), (10, 10));
    for (number, issued) in (1..).zip(&done.answer) {
        let certificate = ParsedCertificate::from_der(issued.certificate.as_bytes()).unwrap();
        assert_eq!(certificate.subject().to_string(), format!("CN=host{number}.example"), "in the order of requests");
        let key = story.key(issued.key.as_ref().unwrap()).public_key();
        assert_eq!(certificate.public_key().unwrap(), key);
    }
}

#[test]
fn i8_q2_or_none() {
    let mut story = Story::issuing(3);
    let refusal = story.try_run(&servers(&story, 5)).unwrap_err();
    assert_eq!(reasons(&refusal), ["Q2 no-quota-left", "Q2 no-quota-left"]);
    assert!(refusal.broken()[0].message().starts_with("request 4: "), "{refusal}");
    assert!(refusal.broken()[1].message().starts_with("request 5: "), "{refusal}");
    assert_eq!(story.quota(&story.intermediate()).consumed(), 0);
    story.run(&servers(&story, 3));
}

#[test]
fn i8_every_broken_rule_of_every_request_is_told() {
    let mut story = Story::issuing(10);
    let mut bulk = servers(&story, 4);
    bulk.requests[1].names = vec![NameRequest::dns("a_b"), NameRequest::dns("ok.example")];
    bulk.requests[1].days = Some(0);
    bulk.requests[3].key = KeySource::Platform(Some(Algorithm::Rsa2048));
    let refusal = story.try_run(&bulk).unwrap_err();
    let told: Vec<(&str, &str)> =
        refusal.broken().iter().map(|broken| (&broken.message()[..10], broken.code())).collect();
    assert_eq!(told, [("request 2:", "dns-name"), ("request 2:", "validity"), ("request 4:", "key-family")]);
    assert!(!story.events().iter().any(|(event, _)| matches!(event, Event::CertificateIssued(_))));
}

#[test]
fn i8_more_than_the_policy_allows_is_refused_with_the_numbers() {
    let mut story = Story::issuing(10).policy(Policy { max_atomic: 3, ..Policy::default() });
    let refusal = story.try_run(&servers(&story, 4)).unwrap_err();
    assert_eq!(reasons(&refusal), ["I8 bulk-too-large"]);
    assert!(refusal.to_string().contains("4 certificates are asked for, all or none; the policy allows 3"));
    story.run(&servers(&story, 3));
    assert_eq!(story.refused(&IssueAtomically { requests: vec![] }), ["I8 bulk-empty"]);
}

#[test]
fn i8_one_intermediate_at_a_time() {
    let story = Story::issuing(10);
    let first = story.intermediate();
    let mut story = story.intermediate_bought().intermediate_enabled().assigned(5);
    let mut bulk = servers(&story, 2);
    bulk.requests[1].ca = first;
    assert_eq!(story.refused(&bulk), ["I8 bulk-of-several-cas"]);
}

#[test]
fn q3_lapsed_units_are_written_down_once_and_lots_change_in_between() {
    let policy = Policy { free_quota_days: Some(30), free_certificates: 2, ..Policy::default() };
    let story = Story::new().policy(policy).root_bought().root_enabled().intermediate_enabled();
    let story = story.assigned(2).quota_bought(3).assigned(3);
    let lots = story.quota(&story.intermediate()).lots().to_vec();
    let mut early = story.clone();
    let paid: Vec<_> = early.run(&servers(&early, 4)).answer.into_iter().map(|issued| issued.lot).collect();
    assert_eq!(paid, [&lots[0].id, &lots[0].id, &lots[1].id, &lots[1].id].map(Clone::clone));
    let mut late = story.days_later(31);
    let done = late.run(&servers(&late, 3));
    let Event::QuotaLapsed(lapsed) = &done.events[0] else { panic!() };
    assert_eq!(lapsed.lots, [LotUnits { lot: lots[0].id.clone(), units: 2 }]);
    assert_eq!(done.events.len(), 4);
    assert_eq!(late.quota(&late.intermediate()).balance(late.now()), done.answer[2].balance);
}

#[test]
fn k2_a_new_key_is_claimed_by_the_first_of_its_certificates() {
    let mut story = Story::issuing(10);
    let csr = story.csr(&new_key(Algorithm::EcdsaP256));
    let mut bulk = servers(&story, 3);
    bulk.requests.iter_mut().for_each(|request| request.key = KeySource::Csr(csr.clone()));
    let done = story.run(&bulk);
    let claims: Vec<bool> = done
        .events
        .iter()
        .map(|event| match event {
            Event::CertificateIssued(issued) => issued.claims_key,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(claims, [true, false, false]);
}

#[test]
fn what_a_bulk_lacks_is_asked_for_at_once() {
    let mut story = Story::issuing(100);
    let mut bulk = servers(&story, 100);
    for request in bulk.requests.iter_mut().take(50) {
        request.key = KeySource::Csr(story.csr(&new_key(Algorithm::EcdsaP256)));
    }
    let context = story.context();
    let mut evidence = Evidence::default();
    let mut world = story.world().clone();
    let mut asked = Vec::new();
    loop {
        let decided = bulk.decide(&Desk::new(world.desk(), &evidence), &context);
        let Err(Halt::Needs(Need::All(needs))) = decided else {
            assert_eq!(decided.unwrap().events().len(), 100);
            break;
        };
        asked.push(needs.len());
        for need in needs {
            match need {
                Need::Stream(stream) => {
                    let fold = State::begin(&stream);
                    world.insert(stream, Revision::ZERO, fold);
                }
                Need::Key { ordinal, algorithm, .. } => {
                    evidence.keys.insert(ordinal, new_key(algorithm).public_key().clone());
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(asked, [50, 50], "roles of the holders' keys, then keys of the platform");
    assert!(world.get(&stream::policy()).is_some());
}
