//! Tests of assigning: rules Q1, Q3, Q4.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::domain::event::Money;
use crate::domain::order::story::{Story, at};
use crate::domain::order::{BuyQuota, RootBought};
use crate::domain::policy::Policy;
use crate::keys::Family;

const DAY: i64 = 86_400;

fn assign(ca: &CaId, units: u64) -> AssignQuota {
    AssignQuota { ca: ca.clone(), units }
}

fn ready() -> (Story, RootBought) {
    let (mut story, root) = Story::with_enabled_root(Family::Ecc);
    story.enable(&root.intermediate);
    (story, root)
}

fn events(story: &Story) -> Vec<Event> {
    use crate::log::EventData;
    story.log().last().unwrap().commit().events().map(|view| Event::decode(&view).unwrap()).collect()
}

#[test]
fn q1_units_go_from_the_pool_to_the_intermediate() {
    let (mut story, root) = ready();
    let assigned = story.run(assign(&root.intermediate, 4));
    assert_eq!((assigned.ca, assigned.assigned, assigned.remaining), (root.intermediate.clone(), 4, 6));
    let now = story.now();
    assert_eq!(story.quota(&root.root).available(now), 6);
    assert_eq!(story.quota(&root.intermediate).balance(now).remaining, 4);
    story.refuses(assign(&root.intermediate, 7), &["Q1:pool-exhausted"]);
    assert_eq!(story.run(assign(&root.intermediate, 6)).remaining, 0);
    story.refuses(assign(&root.intermediate, 1), &["Q1:pool-exhausted"]);
}

#[test]
fn q1_at_least_one_unit() {
    let (story, root) = ready();
    story.refuses(assign(&root.intermediate, 0), &["Q1:quota-count"]);
}

#[test]
fn q1_only_an_enabled_intermediate() {
    let (mut story, root) = Story::with_enabled_root(Family::Ecc);
    story.refuses(assign(&root.intermediate, 1), &["Q1:not-enabled"]);
    story.refuses(assign(&root.root, 0), &["Q1:quota-count", "Q1:not-an-intermediate"]);
    story.refuses(assign(&Story::nobodys_ca(), 1), &["Q1:unknown-ca"]);
    story.enable(&root.intermediate);
    story.disable(&root.intermediate);
    story.refuses(assign(&root.intermediate, 11), &["Q1:not-enabled", "Q1:pool-exhausted"]);
    story.reset(&root.intermediate);
    story.refuses(assign(&root.intermediate, 1), &["Q1:not-enabled"]);
    story.enable(&root.intermediate);
    story.run(assign(&root.intermediate, 1));
    story.revoke(&root.intermediate);
    story.refuses(assign(&root.intermediate, 1), &["Q1:not-enabled"]);
}

#[test]
fn q1_a_disabled_root_still_has_its_pool() {
    let (mut story, root) = ready();
    story.disable(&root.root);
    story.run(assign(&root.intermediate, 1));
}

#[test]
fn r5_a_frozen_intermediate_gets_nothing() {
    let (mut story, root) = Story::with_root(Family::Ecc);
    story.request_refund(&root.order);
    story.refuses(assign(&root.intermediate, 1), &["R5:frozen", "R5:frozen"]);
    story.return_refund(&root.order);
    story.refuses(assign(&root.intermediate, 1), &["Q1:not-enabled", "Q1:root-is-over", "Q1:pool-exhausted"]);
}

#[test]
fn o5_not_after_the_term() {
    let (story, root) = ready();
    let ends = story.ca(&root.root).bought().unwrap().term_ends;
    story.clone().at(ends).run(assign(&root.intermediate, 1));
    let late = story.at(Timestamp::from_micros(ends.micros() + 1));
    late.refuses(assign(&root.intermediate, 1), &["O5:term-ended", "O5:term-ended"]);
}

#[test]
fn q3_the_lot_that_expires_first_then_the_older_one() {
    let policy = Policy { free_quota_days: Some(30), ..Policy::default() };
    let mut story = Story::founded(policy);
    let root = story.buy_root(Family::Ecc);
    story.enable(&root.root);
    story.enable(&root.intermediate);
    let buy =
        |story: &mut Story, count| story.run(BuyQuota { root: root.root.clone(), count, paid: Money::nothing() }).lot;
    let (older, newer) = (buy(&mut story, 3), buy(&mut story, 5));
    story.run(assign(&root.intermediate, 14));
    let Some(Event::QuotaAssigned(assigned)) = events(&story).pop() else { panic!("no assignment") };
    let units: Vec<_> = assigned.lots.iter().map(|lot| (lot.free, lot.units)).collect();
    assert_eq!(units, [(true, 10), (false, 3), (false, 1)]);
    assert_eq!(assigned.lots.get(1).unwrap().id, older);
    assert_eq!(assigned.lots.get(2).unwrap().id, newer);
    let used: Vec<_> = (0..14)
        .map(|_| {
            story.issue(&root.intermediate).unwrap();
            match events(&story).pop() {
                Some(Event::CertificateIssued(issued)) => issued.lot,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    let lots: Vec<_> = assigned.lots.iter().flat_map(|lot| (0..lot.units).map(|_| lot.id.clone())).collect();
    assert_eq!(used, lots);
}

#[test]
fn q3_a_lapsed_lot_lapses_where_it_is() {
    let policy = Policy { free_quota_days: Some(30), ..Policy::default() };
    let mut story = Story::founded(policy);
    let root = story.buy_root(Family::Ecc);
    story.enable(&root.root);
    story.enable(&root.intermediate);
    story.run(assign(&root.intermediate, 4));
    story.run(BuyQuota { root: root.root.clone(), count: 5, paid: Money::nothing() });
    let mut story = story.at(at("2026-01-31T00:00:00Z"));
    story.clone().run(assign(&root.intermediate, 11));
    assert!(story.clone().issue(&root.intermediate).is_some());
    story.pass(1);
    story.refuses(assign(&root.intermediate, 6), &["Q1:pool-exhausted"]);
    assert!(story.issue(&root.intermediate).is_none());
    assert_eq!(story.run(assign(&root.intermediate, 5)).remaining, 0);
    let kinds: Vec<_> = events(&story).iter().map(Event::kind).collect();
    assert_eq!(kinds, ["QuotaLapsed", "QuotaLapsed", "QuotaAssigned"]);
    let (pool, own) = (story.quota(&root.root), story.quota(&root.intermediate));
    assert_eq!((pool.expired(), own.expired()), (6, 4), "Q4: written down by the next event");
    story.pass(DAY);
    assert_eq!(story.quota(&root.intermediate).available(story.now()), 5);
    story.run(BuyQuota { root: root.root.clone(), count: 1, paid: Money::nothing() });
    story.run(assign(&root.intermediate, 1));
    assert_eq!(events(&story).len(), 1, "nothing lapses twice");
}
