//! `BuyQuota`: units of quota for a root's pool (rules O4, O6).

use serde::Serialize;

use crate::domain::ca::CaState;
use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Event, Lot, Money, QuotaOrdered};
use crate::domain::quota::calendar_year;
use crate::domain::refusal::{BrokenRule, Rule};
use crate::domain::{CaId, LotId, OrderId, Scope, founded, stream};

use super::standing;

const O4: Rule = Rule::new("O4");
const O6: Rule = Rule::new("O6");

/// Buys quota for a root (rule O4). Bought units never expire.
#[derive(Clone, Debug, Serialize)]
pub struct BuyQuota {
    /// The root whose pool they go to.
    pub root: CaId,
    /// How many units: at least 1, at most [`MAX_UNITS`](Self::MAX_UNITS).
    pub count: u64,
    /// What was paid (rule O6).
    pub paid: Money,
}

impl BuyQuota {
    /// The most units that one order may have: 10¹².
    pub const MAX_UNITS: u64 = 1_000_000_000_000;
}

/// What [`BuyQuota`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuotaBought {
    /// The order.
    pub order: OrderId,
    /// How many units.
    pub count: u64,
    /// The lot that they form (rule Q3).
    pub lot: LotId,
}

impl Command for BuyQuota {
    type Answer = QuotaBought;

    const NAME: &'static str = "BuyQuota";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.root)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let policy = desk.policy()?;
        if let Some(root) = standing::root(desk, &self.root, O4, &mut objections)?
            && !standing::frozen(&self.root, root, &mut objections)
        {
            let over = matches!(root.state(), CaState::Refunded | CaState::Revoked | CaState::Removed);
            objections.require(!over, || {
                let state = root.state().in_words();
                let message = format!("the root {} is {state}; no quota can be bought for it", self.root);
                BrokenRule::new(O4, "root-is-over", message)
            });
        }
        let count = self.count;
        objections.require((1..=Self::MAX_UNITS).contains(&count), || {
            let message = format!("{count} units are asked for; 1 to {} can be bought at once", Self::MAX_UNITS);
            BrokenRule::new(O4, "quota-count", message)
        });
        objections.extend(self.paid.objection());
        let year = calendar_year(context.time);
        let purchased = desk.quota(&self.root)?.purchased_in(year);
        if let Some(threshold) = policy.free_after_purchased {
            objections.require(purchased < threshold || self.paid.is_nothing(), || {
                let message = format!(
                    "{purchased} units were bought for {} in {year}; after {threshold} the rest of the year is free, but {} was paid",
                    self.root, self.paid
                );
                BrokenRule::new(O6, "free-this-year", message)
            });
        }
        objections.verdict()?;

        let order = OrderId::derive(&context.commit, 0);
        desk.claim(&stream::order(&order));
        let lot = Lot { id: LotId::derive(&context.commit, 0), free: false, units: count, expires: None };
        Ok(Plan::new().and(QuotaOrdered { order, root: self.root.clone(), lot, paid: self.paid.clone() }))
    }

    fn answer(events: &[Event]) -> Option<QuotaBought> {
        events.iter().find_map(|event| match event {
            Event::QuotaOrdered(ordered) => {
                let (order, lot) = (ordered.order.clone(), ordered.lot.id.clone());
                Some(QuotaBought { order, count: ordered.lot.units, lot })
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::order::story::{Story, at};
    use crate::domain::policy::Policy;
    use crate::keys::Family;

    fn buy(root: &CaId, count: u64, paid: &str) -> BuyQuota {
        BuyQuota { root: root.clone(), count, paid: paid.parse().unwrap() }
    }

    #[test]
    fn o4_quota_goes_to_the_pool_whatever_the_root_is_doing() {
        let (mut story, root) = Story::with_root(Family::Ecc);
        assert_eq!(story.run(buy(&root.root, 5, "1.00USD")).count, 5);
        story.enable(&root.root);
        story.run(buy(&root.root, 6, "0"));
        story.disable(&root.root);
        story.run(buy(&root.root, 7, "0"));
        let pool = story.quota(&root.root);
        assert_eq!(pool.available(story.now()), 28);
        assert!(pool.lots().iter().all(|lot| lot.expires.is_none()));
    }

    #[test]
    fn o4_at_least_one_unit_and_only_for_a_root() {
        let (story, root) = Story::with_root(Family::Ecc);
        story.refuses(buy(&root.root, 0, "0"), &["O4:quota-count"]);
        story.refuses(buy(&root.root, BuyQuota::MAX_UNITS + 1, "0"), &["O4:quota-count"]);
        story.refuses(buy(&root.intermediate, 0, "0"), &["O4:not-a-root", "O4:quota-count"]);
        story.refuses(buy(&Story::nobodys_ca(), 1, "0"), &["O4:unknown-ca"]);
    }

    #[test]
    fn o4_not_for_a_root_that_is_refunded_revoked_or_removed() {
        let (mut story, root) = Story::with_root(Family::Ecc);
        story.request_refund(&root.order);
        story.refuses(buy(&root.root, 1, "0"), &["R5:frozen"]);
        story.return_refund(&root.order);
        story.refuses(buy(&root.root, 1, "0"), &["O4:root-is-over"]);
        story.remove(&root.root);
        story.refuses(buy(&root.root, 1, "0"), &["O4:root-is-over"]);
        let (mut story, root) = Story::with_enabled_root(Family::Ecc);
        story.revoke(&root.root);
        story.refuses(buy(&root.root, 1, "0"), &["O4:root-is-over"]);
    }

    #[test]
    fn o6_after_enough_in_a_calendar_year_the_rest_of_it_is_free() {
        let policy = Policy { free_after_purchased: Some(100), ..Policy::default() };
        let mut story = Story::founded(policy).at(at("2026-03-01T00:00:00Z"));
        let root = story.buy_root(Family::Ecc);
        story.run(buy(&root.root, 99, "9.90USD"));
        let last = story.run(buy(&root.root, 1, "0.10USD"));
        let story = story.at(at("2026-12-31T23:59:59Z"));
        story.refuses(buy(&root.root, 1, "0.10USD"), &["O6:free-this-year"]);
        let mut next_year = story.clone().at(at("2027-01-01T00:00:00Z"));
        next_year.run(buy(&root.root, 1, "0.10USD"));
        let mut story = story.at(at("2026-03-02T00:00:00Z"));
        story.run(buy(&root.root, 1000, "0"));
        // What is paid back was not bought.
        let other = Policy { free_after_purchased: Some(1100), ..Policy::default() };
        story.adopt(other);
        story.refuses(buy(&root.root, 1, "0.10USD"), &["O6:free-this-year"]);
        story.request_refund(&last.order);
        story.return_refund(&last.order);
        story.run(buy(&root.root, 1, "0.10USD"));
    }

    #[test]
    fn o6_another_roots_purchases_do_not_count() {
        let policy = Policy { free_after_purchased: Some(100), ..Policy::default() };
        let mut story = Story::founded(policy);
        let (one, other) = (story.buy_root(Family::Ecc), story.buy_root(Family::Ecc));
        story.run(buy(&one.root, 100, "1.00USD"));
        story.refuses(buy(&one.root, 1, "0.10USD"), &["O6:free-this-year"]);
        story.run(buy(&other.root, 1, "0.10USD"));
    }
}
