//! Tests of refunds: rules R1 to R5 and R7.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::domain::ca::CaState;
use crate::domain::event::Money;
use crate::domain::order::story::{Story, at};
use crate::domain::order::{BuyQuota, QuotaBought, RefundEligibility, refund_eligibility};
use crate::domain::policy::Policy;
use crate::keys::Family;

const DAY: i64 = 86_400;

fn request(order: &OrderId) -> RequestRefund {
    RequestRefund { order: order.clone() }
}

fn returned(order: &OrderId) -> ReturnRefund {
    ReturnRefund { order: order.clone() }
}

fn decline(order: &OrderId, reason: &str) -> DeclineRefund {
    DeclineRefund { order: order.clone(), reason: reason.into() }
}

fn buy_quota(story: &mut Story, root: &CaId, count: u64) -> QuotaBought {
    story.run(BuyQuota { root: root.clone(), count, paid: Money::nothing() })
}

fn eligibility(story: &Story, order: &OrderId) -> RefundEligibility {
    let now = story.now();
    story.ask(|desk| refund_eligibility(desk, order, now))
}

fn kinds(story: &Story) -> Vec<String> {
    story.log().last().unwrap().commit().events().map(|event| event.kind().to_owned()).collect()
}

#[test]
fn r1_within_the_window_and_only_once() {
    let (story, root) = Story::with_root(Family::Ecc);
    let until = at("2026-01-08T00:00:00Z");
    let mut last_moment = story.clone().at(until);
    assert_eq!(last_moment.run(request(&root.order)).state, OrderState::RefundRequested);
    last_moment.refuses(request(&root.order), &["R5:refund-requested"]);
    assert_eq!(last_moment.run(returned(&root.order)).state, OrderState::Refunded);
    last_moment.refuses(request(&root.order), &["R1:refunded"]);
    let late = story.at(Timestamp::from_micros(until.micros() + 1));
    late.refuses(request(&root.order), &["R1:window-closed"]);
    late.refuses(request(&Story::nobodys_order()), &["R1:unknown-order"]);
}

#[test]
fn r1_the_window_is_the_policys() {
    let mut story = Story::founded(Policy { refund_window_hours: 1, ..Policy::default() });
    let root = story.buy_root(Family::Ecc);
    story.pass(3600);
    story.clone().run(request(&root.order));
    story.pass(1);
    story.refuses(request(&root.order), &["R1:window-closed"]);
}

#[test]
fn r2_every_ca_of_the_order_must_be_not_enabled() {
    let (mut story, root) = Story::with_enabled_root(Family::Ecc);
    story.refuses(request(&root.order), &["R2:ca-enabled"]);
    story.enable(&root.intermediate);
    story.disable(&root.intermediate);
    story.refuses(request(&root.order), &["R2:ca-enabled", "R2:ca-enabled"]);
    story.reset(&root.intermediate);
    story.refuses(request(&root.order), &["R2:ca-enabled"]);
    story.reset(&root.root);
    story.run(request(&root.order));
}

#[test]
fn r2_a_revoked_ca_is_not_paid_back() {
    let (mut story, root) = Story::with_enabled_root(Family::Ecc);
    story.revoke(&root.root);
    story.refuses(request(&root.order), &["R2:ca-enabled"]);
}

#[test]
fn r3_root_and_bundled_intermediate_together_with_the_free_units_forfeited() {
    let (mut story, root) = Story::with_root(Family::Ecc);
    story.run(request(&root.order));
    for ca in [&root.root, &root.intermediate] {
        assert_eq!(story.ca(ca).state(), CaState::RefundRequested);
    }
    story.run(returned(&root.order));
    assert_eq!(kinds(&story), ["RefundReturned"]);
    for ca in [&root.root, &root.intermediate] {
        assert_eq!(story.ca(ca).state(), CaState::Refunded);
    }
    let pool = story.quota(&root.root);
    assert_eq!((pool.forfeited(), pool.lots().len()), (10, 0));
}

#[test]
fn r3_what_a_reset_intermediate_still_holds_is_forfeited_too() {
    let (mut story, root) = Story::with_enabled_root(Family::Ecc);
    story.enable(&root.intermediate);
    story.assign(&root.intermediate, 4);
    story.issue(&root.intermediate).unwrap();
    story.reset(&root.intermediate);
    story.reset(&root.root);
    story.run(request(&root.order));
    story.run(returned(&root.order));
    assert_eq!(kinds(&story), ["QuotaForfeited", "RefundReturned"]);
    assert_eq!(story.quota(&root.intermediate).forfeited(), 3);
    assert_eq!(story.quota(&root.root).forfeited(), 6);
}

#[test]
fn r3_what_has_lapsed_is_expired_and_not_forfeited() {
    let policy = Policy { free_quota_days: Some(2), ..Policy::default() };
    let mut story = Story::founded(policy);
    let root = story.buy_root(Family::Ecc);
    story.enable(&root.root);
    story.enable(&root.intermediate);
    story.assign(&root.intermediate, 4);
    story.reset(&root.intermediate);
    story.reset(&root.root);
    story.pass(3 * DAY);
    story.run(request(&root.order));
    story.run(returned(&root.order));
    assert_eq!(kinds(&story), ["QuotaLapsed", "QuotaLapsed", "RefundReturned"]);
    let (pool, own) = (story.quota(&root.root), story.quota(&root.intermediate));
    assert_eq!((pool.expired(), pool.forfeited(), own.expired(), own.forfeited()), (6, 0, 4, 0));
}

#[test]
fn r3_an_intermediate_alone_and_the_root_waits_for_it() {
    let (mut story, root) = Story::with_enabled_root(Family::Ecc);
    let other = story.buy_intermediate(&root.root);
    story.reset(&root.root);
    story.refuses(request(&root.order), &["R3:intermediate-remains"]);
    story.run(request(&other.order));
    story.refuses(request(&root.order), &["R3:intermediate-remains"]);
    assert_eq!(story.ca(&root.root).state(), CaState::NotEnabled, "only the intermediate is frozen");
    story.run(returned(&other.order));
    assert_eq!(story.ca(&other.intermediate).state(), CaState::Refunded);
    story.run(request(&root.order));
}

#[test]
fn r3_a_removed_intermediate_holds_nothing_up() {
    let (mut story, root) = Story::with_enabled_root(Family::Ecc);
    let other = story.buy_intermediate(&root.root);
    story.enable(&other.intermediate);
    story.revoke(&other.intermediate);
    story.reset(&root.root);
    story.refuses(request(&root.order), &["R3:intermediate-remains"]);
    story.remove(&other.intermediate);
    story.run(request(&root.order));
}

#[test]
fn r3_the_root_waits_for_its_quota() {
    let (mut story, root) = Story::with_enabled_root(Family::Ecc);
    let used = buy_quota(&mut story, &root.root, 2);
    let refunded = buy_quota(&mut story, &root.root, 3);
    story.enable(&root.intermediate);
    story.assign(&root.intermediate, 12);
    for _ in 0..11 {
        story.issue(&root.intermediate).unwrap();
    }
    story.reset(&root.intermediate);
    story.reset(&root.root);
    // One unit of the first order is assigned and unused, three of the second are in the pool.
    story.refuses(request(&root.order), &["R3:quota-remains", "R3:quota-remains"]);
    story.refuses(request(&used.order), &["R4:quota-in-use"]);
    story.run(request(&refunded.order));
    story.refuses(request(&root.order), &["R3:quota-remains", "R3:quota-remains"]);
    story.run(returned(&refunded.order));
    story.refuses(request(&root.order), &["R3:quota-remains"]);
    story.enable(&root.root);
    story.enable(&root.intermediate);
    story.issue(&root.intermediate).unwrap();
    assert!(story.issue(&root.intermediate).is_none());
    story.reset(&root.intermediate);
    story.reset(&root.root);
    story.run(request(&root.order));
}

#[test]
fn r4_quota_only_while_no_unit_is_assigned() {
    let (mut story, root) = Story::with_enabled_root(Family::Ecc);
    let bought = buy_quota(&mut story, &root.root, 5);
    story.enable(&root.intermediate);
    story.assign(&root.intermediate, 10);
    story.clone().run(request(&bought.order));
    story.assign(&root.intermediate, 1);
    story.refuses(request(&bought.order), &["R4:quota-in-use"]);
}

#[test]
fn r4_not_if_the_policy_does_not_refund_quota() {
    let (mut story, root) = Story::with_root(Family::Ecc);
    let bought = buy_quota(&mut story, &root.root, 5);
    story.adopt(Policy { quota_refundable: false, ..Policy::default() });
    story.refuses(request(&bought.order), &["R4:quota-not-refundable"]);
    story.pass(8 * DAY);
    story.refuses(request(&bought.order), &["R1:window-closed", "R4:quota-not-refundable"]);
}

#[test]
fn r5_a_frozen_lot_is_not_assigned_and_each_order_is_frozen_by_itself() {
    let (mut story, root) = Story::with_enabled_root(Family::Ecc);
    story.enable(&root.intermediate);
    let (one, two) = (buy_quota(&mut story, &root.root, 5), buy_quota(&mut story, &root.root, 7));
    story.run(request(&one.order));
    story.run(request(&two.order));
    let available = |story: &Story| story.quota(&root.root).available(story.now());
    assert_eq!(available(&story), 10);
    assert_eq!(story.run(decline(&one.order, "used already")).state, OrderState::Placed);
    assert_eq!(available(&story), 15, "the other order stays frozen");
    story.run(returned(&two.order));
    assert_eq!((available(&story), story.quota(&root.root).refunded()), (15, 7));
    story.assign(&root.intermediate, 15);
}

#[test]
fn r5_a_revoked_roots_frozen_lot_is_paid_back_or_stranded() {
    let (mut story, root) = Story::with_enabled_root(Family::Ecc);
    let bought = buy_quota(&mut story, &root.root, 5);
    story.run(request(&bought.order));
    story.revoke(&root.root);
    let mut declined = story.clone();
    declined.run(decline(&bought.order, "the root was revoked"));
    assert_eq!(kinds(&declined), ["RefundDeclined", "QuotaForfeited"]);
    assert_eq!((declined.quota(&root.root).forfeited(), declined.quota(&root.root).lots().len()), (15, 0));
    story.run(returned(&bought.order));
    assert_eq!((story.quota(&root.root).forfeited(), story.quota(&root.root).refunded()), (10, 5));
}

#[test]
fn r5_declined_is_back_to_the_state_before() {
    let (mut story, root) = Story::with_root(Family::Ecc);
    story.refuses(returned(&root.order), &["R5:refund-not-requested"]);
    story.refuses(decline(&root.order, "no"), &["R5:refund-not-requested"]);
    story.run(request(&root.order));
    story.refuses(decline(&root.order, ""), &["R5:decline-reason"]);
    story.refuses(decline(&root.order, "  "), &["R5:decline-reason"]);
    story.refuses(decline(&root.order, &"x".repeat(501)), &["R5:decline-reason"]);
    story.run(decline(&root.order, "the invoice was used"));
    assert_eq!(story.ca(&root.root).state(), CaState::NotEnabled);
    assert_eq!(story.quota(&root.root).available(story.now()), 10);
    story.refuses(decline(&Story::nobodys_order(), ""), &["R5:unknown-order", "R5:decline-reason"]);
    story.refuses(returned(&Story::nobodys_order()), &["R5:unknown-order"]);
    story.run(request(&root.order));
    story.run(returned(&root.order));
    story.refuses(returned(&root.order), &["R5:refunded"]);
}

#[test]
fn r7_the_question_answers_as_the_command_would() {
    let (mut story, root) = Story::with_root(Family::Ecc);
    let until = at("2026-01-08T00:00:00Z");
    assert_eq!(eligibility(&story, &root.order), RefundEligibility::Eligible { until });
    story.enable(&root.root);
    story.pass(8 * DAY);
    let RefundEligibility::NotEligible { until: told, broken } = eligibility(&story, &root.order) else {
        panic!("eligible")
    };
    assert_eq!(told, Some(until));
    let rules: Vec<_> = broken.iter().map(|broken| broken.rule().number()).collect();
    assert_eq!(rules, ["R1", "R2"]);
    let commits = story.log().len();
    assert!(!eligibility(&story, &Story::nobodys_order()).is_eligible());
    assert_eq!(story.log().len(), commits, "a question changes nothing");
}

#[test]
fn l3_nothing_is_refunded_before_the_log_is_founded() {
    let story = Story::empty();
    let order = Story::nobodys_order();
    story.refuses(request(&order), &["L3:not-founded", "R1:unknown-order"]);
    story.refuses(returned(&order), &["L3:not-founded", "R5:unknown-order"]);
    story.refuses(decline(&order, "no"), &["L3:not-founded", "R5:unknown-order"]);
}
