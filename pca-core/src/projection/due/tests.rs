//! Tests of what is due (rule A6), on certificates with real keys.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::ca::ConfigureCa;
use crate::domain::certificate::{IssueCertificate, ReleaseHold, RemoveCertificate, RevokeCertificate};
use crate::domain::crl::PublishCrl;
use crate::domain::event::Addresses;
use crate::domain::policy::Policy;
use crate::domain::testing::Story;
use crate::x509::RevocationReason;

const DAY: i64 = 86_400;

/// What is due within so many days, `task:subject` each, with an exclamation mark where it is overdue.
fn due(story: &Story, days: i64) -> Vec<String> {
    let list = |due: Due| {
        let mut due = due;
        due.follow(story.log().iter().map(|recorded| &**recorded)).unwrap();
        due.list(story.now(), days * DAY)
    };
    let items = list(Due::of(story.now(), days * DAY));
    assert_eq!(list(Due::default()), items, "what is not kept is not needed");
    assert!(items.iter().all(|item| item.overdue == (item.due < story.now())));
    let told = items.iter().map(|item| {
        let overdue = if item.overdue { "!" } else { "" };
        format!("{}:{}{overdue}", item.task.name(), item.task.subject())
    });
    told.collect()
}

/// A day on which nothing is due that an order or a CA brings with it.
fn quiet(units: u64) -> Story {
    Story::issuing(units).days_later(30)
}

fn server(story: &Story, name: &str, days: u32) -> IssueCertificate {
    IssueCertificate { days: Some(days), ..IssueCertificate::server(story.intermediate(), [name]) }
}

#[test]
fn a6_a_certificate_is_to_be_renewed_before_it_ends() {
    let mut story = quiet(3);
    let short = story.run(&server(&story, "a.example", 20)).answer.id;
    let other = story.run(&server(&story, "b.example", 90)).answer.id;
    assert_eq!(due(&story, 30), [format!("renew-certificate:{short}")]);
    assert!(due(&story, 19).is_empty());
    let story = story.days_later(21);
    assert_eq!(due(&story, 30), [format!("renew-certificate:{short}!")]);
    let later = due(&story.days_later(45), 30);
    assert_eq!(later, [format!("renew-certificate:{other}")], "the first one is long over");
}

#[test]
fn a6_a_certificate_that_another_stands_in_for_is_not() {
    let mut story = quiet(4);
    let old = story.run(&server(&story, "a.example", 20)).answer.id;
    let story_before = story.clone();
    story.run(&server(&story, "c.example", 200));
    assert_eq!(due(&story, 30), [format!("renew-certificate:{old}")], "another name");
    story.run(&server(&story, "a.example", 10));
    assert_eq!(due(&story, 30).len(), 2, "one that ends earlier stands in for nothing");
    story.run(&server(&story, "a.example", 200));
    assert!(due(&story, 30).is_empty(), "the same names, for longer");

    // One that names it as its predecessor may have other names.
    let mut story = story_before;
    let mut renewed = crate::projection::testing::some_certificate(&story);
    renewed.renews = Some(old);
    renewed.not_after = story.now().plus_secs(200 * DAY);
    story = story.and(renewed);
    assert!(due(&story, 30).is_empty());
}

#[test]
fn a6_what_is_revoked_on_hold_removed_or_ended_is_not_renewed() {
    let mut story = quiet(4);
    let id = story.run(&server(&story, "a.example", 20)).answer.id;
    let revoke = |reason| RevokeCertificate { id, reason, invalidity_date: None };
    let crl = format!("publish-crl:{}", story.intermediate());
    let renew = format!("renew-certificate:{id}");
    story.run(&revoke(RevocationReason::CertificateHold));
    assert_eq!(due(&story, 30), std::slice::from_ref(&crl));
    story.run(&ReleaseHold { id });
    assert_eq!(due(&story, 30), [crl.clone(), renew]);
    let kept = story.clone();
    story.run(&revoke(RevocationReason::Superseded));
    assert_eq!(due(&story, 30), std::slice::from_ref(&crl));

    let mut removed = kept.clone().days_later(22);
    assert_eq!(due(&removed, 30).len(), 2);
    removed.run(&RemoveCertificate { id });
    assert_eq!(due(&removed, 30), [format!("{crl}!")]);

    let intermediate = kept.intermediate();
    let ended = kept.reset(&intermediate, RevocationReason::CessationOfOperation);
    assert_eq!(due(&ended, 30), [format!("resume:{intermediate}")], "its last CRL is to be signed, its key to go");
    assert_eq!(due(&ended.days_later(1), 30), [format!("resume:{intermediate}!")]);
}

#[test]
fn a6_a_ca_is_to_be_renewed_and_its_term_extended() {
    let story = quiet(1);
    let (root, intermediate) = (story.root(), story.intermediate());
    let term_ends = story.ca(&root).bought().unwrap().term_ends;
    let story = story.at(term_ends.plus_secs(-20 * DAY));
    let mut expected = vec![format!("extend-term:{intermediate}"), format!("extend-term:{root}")];
    expected.sort();
    let tasks = |story: &Story, task| {
        let told = due(story, 30).into_iter();
        told.filter(|told| told.starts_with(task)).collect::<Vec<_>>()
    };
    assert_eq!(tasks(&story, "extend-term"), expected);
    assert!(tasks(&story.clone().days_later(30), "extend-term").is_empty(), "after its end it cannot be extended");
    let end = story.generation(&intermediate).not_after;
    let story = story.at(end.plus_secs(-10 * DAY));
    assert_eq!(tasks(&story, "renew-ca"), [format!("renew-ca:{intermediate}")]);
    assert_eq!(tasks(&story.days_later(11), "renew-ca"), [format!("renew-ca:{intermediate}!")]);
}

#[test]
fn a6_a_crl_is_due_when_something_changed_and_before_it_is_too_old() {
    let mut story = quiet(2);
    let ca = story.intermediate();
    let crl = format!("publish-crl:{ca}");
    let reason = |story: &Story| {
        let mut due = Due::default();
        due.follow(story.log().iter().map(|recorded| &**recorded)).unwrap();
        due.list(story.now(), 0).into_iter().find_map(|item| match item.task {
            Task::PublishCrl { reason, .. } => Some((reason, item.overdue)),
            _ => None,
        })
    };
    assert_eq!(reason(&story), None, "nobody looks for one");
    let addresses = Addresses { crl_url: Some("http://crl.example/oa.crl".into()), ..Addresses::default() };
    story.run(&ConfigureCa::addresses(ca.clone(), addresses));
    assert_eq!(reason(&story), Some((CrlReason::NeverPublished, true)));
    story.run(&PublishCrl::full(ca.clone()));
    assert_eq!(reason(&story), None);
    assert_eq!(due(&story, 7), [crl], "made anew from the half of its 7 days on");
    assert!(due(&story, 3).is_empty());
    assert_eq!(reason(&story.clone().days_later(4)), Some((CrlReason::Ageing, false)));
    assert_eq!(reason(&story.clone().days_later(8)), Some((CrlReason::Ageing, true)));

    let id = story.run(&server(&story, "a.example", 90)).answer.id;
    story.run(&RevokeCertificate { id, reason: RevocationReason::KeyCompromise, invalidity_date: None });
    assert_eq!(reason(&story), Some((CrlReason::Changed, false)));
    assert_eq!(reason(&story.clone().later(DAY + 1)), Some((CrlReason::Changed, true)));
    story.run(&PublishCrl::full(ca));
    assert_eq!(reason(&story), None);
}

#[test]
fn a6_free_units_are_to_be_used_before_they_lapse() {
    let policy = Policy::with_published_extras();
    let story = Story::new().founded().policy(policy).root_bought().root_enabled().intermediate_enabled().assigned(4);
    let mut story = story.days_later(10);
    let units = |story: &Story| {
        let mut due = Due::default();
        due.follow(story.log().iter().map(|recorded| &**recorded)).unwrap();
        due.list(story.now(), 30 * DAY).into_iter().find_map(|item| match item.task {
            Task::UseQuota { units, .. } => Some(units),
            _ => None,
        })
    };
    assert_eq!(units(&story), Some(10));
    story.run(&server(&story, "a.example", 20));
    assert_eq!(units(&story), Some(9), "in the pool and assigned");
    assert_eq!(units(&story.days_later(30)), None, "it has lapsed");
}

#[test]
fn a6_a_refund_window_closes() {
    let story = Story::new().founded().root_bought();
    let order = story.order();
    let expected = [format!("request-refund:{order}")];
    assert_eq!(due(&story, 30), expected);
    assert!(due(&story, 6).is_empty(), "it closes after 7 days");
    assert!(due(&story.clone().days_later(8), 30).is_empty(), "it has closed");
    assert!(due(&story.root_enabled(), 30).is_empty(), "a CA of the order is enabled (R2)");
}
