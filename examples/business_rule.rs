//! Business rules under test: given what has happened, when somebody asks for something, then this.
//!
//! `cargo run --example business_rule`, or as tests: `cargo test --example business_rule`
//!
//! A [`Story`] is a history with real keys and certificates, without store, clock or service. It is how the rules of
//! `pca-core` are tested, and how a program tests what it builds on them.

#![allow(clippy::print_stdout, reason = "a program")]

use pca_core::domain::certificate::IssueCertificate;
use pca_core::domain::order::RequestRefund;
use pca_core::domain::policy::Policy;
use pca_core::domain::quota::AssignQuota;
use pca_core::domain::testing::Story;
use pca_core::domain::{State, stream};
use pca_core::log::scenario::Given;

#[cfg_attr(test, test)]
fn q2_without_quota_there_is_no_certificate() {
    // Given an enterprise with an enabled root, and an enabled intermediate that was assigned two units,
    let mut story = Story::issuing(2);
    let request = IssueCertificate::client(story.intermediate(), "Clerk");
    // when two certificates are asked for, then they are issued,
    let first = story.run(&request).answer;
    let second = story.run(&request).answer;
    assert_eq!((first.balance.remaining, second.balance.remaining), (1, 0));
    // and when a third is asked for, then rule Q2 stands against it.
    assert_eq!(story.refused(&request), ["Q2 no-quota-left"]);
}

#[cfg_attr(test, test)]
fn r1_and_r2_a_refund_is_refused_with_every_reason() {
    // Given a root that was bought and enabled, when it is a day too late, then both reasons are told.
    let mut story = Story::new().founded().root_bought().root_enabled().days_later(8);
    let request = RequestRefund { order: story.order() };
    assert_eq!(story.refused(&request), ["R1 window-closed", "R2 ca-enabled"]);
}

#[cfg_attr(test, test)]
fn a_policy_changes_the_numbers() {
    // Given a vendor who gives three free certificates instead of ten,
    let mut policy = Policy::default();
    policy.free_certificates = 3;
    let mut story = Story::new().founded().policy(policy).root_bought().root_enabled().intermediate_enabled();
    let assign = |units| AssignQuota { ca: story.intermediate(), units };
    let (too_many, all) = (assign(4), assign(3));
    assert_eq!(story.refused(&too_many), ["Q1 pool-exhausted"]);
    assert_eq!(story.run(&all).answer.remaining, 0);
}

#[cfg_attr(test, test)]
fn one_stream_alone_can_be_looked_at_with_the_kit_of_the_log() {
    // Given the events of a story, in which four of ten free units were assigned,
    let story = Story::issuing(4);
    let events = story.events().iter().map(|(event, _)| event.clone());
    // when the stream of the root's pool is looked at, then six are left. `Given` serves any fold and any decision, also
    // those of a log of your own.
    Given::<State>::events(events)
        .when(|desk| match desk.get(&stream::quota(&story.root())) {
            Ok(State::Quota(quota)) => Ok(vec![quota.available(story.now())]),
            Ok(_) => Err("that is no pool".to_owned()),
            Err(missing) => Err(missing.to_string()),
        })
        .then([6]);
}

fn main() {
    let stories: [(&str, fn()); 4] = [
        ("Q2: without quota there is no certificate", q2_without_quota_there_is_no_certificate),
        ("R1, R2: a refund is refused with every reason", r1_and_r2_a_refund_is_refused_with_every_reason),
        ("a policy changes the numbers", a_policy_changes_the_numbers),
        ("one stream alone", one_stream_alone_can_be_looked_at_with_the_kit_of_the_log),
    ];
    for (title, story) in stories {
        story();
        println!("held: {title}");
    }
}
