//! `BuyRoot`: the first purchase (rules O1, O3, O5, O6).

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Event, Lot, Money, RootOrdered};
use crate::domain::{CaId, LotId, OrderId, Scope, founded, stream};
use crate::keys::Family;
use crate::x509::plus_days;

use super::ServiceTerm;

/// Buys a root with an intermediate, both not enabled, and free quota in the root's pool (rule O1).
///
/// Every family has a back end in every build of this library, so that none of them is refused for lack of one (rule
/// O3); a family that has none yet is no [`Family`].
#[derive(Clone, Debug, Serialize)]
pub struct BuyRoot {
    /// The key family of all that will be below (rule O3).
    pub family: Family,
    /// For how long (rule O5).
    pub term: ServiceTerm,
    /// What was paid (rule O6).
    pub paid: Money,
}

/// What [`BuyRoot`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RootBought {
    /// The order.
    pub order: OrderId,
    /// The root.
    pub root: CaId,
    /// The intermediate that came with it.
    pub intermediate: CaId,
}

impl Command for BuyRoot {
    type Answer = RootBought;

    const NAME: &'static str = "BuyRoot";

    fn scope(&self) -> Scope<'_> {
        Scope::Enterprise
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let policy = desk.policy()?;
        let term_ends = self.term.end_after(context.time).unwrap_or_else(|broken| {
            objections.add(broken);
            context.time
        });
        objections.extend(self.paid.objection());
        objections.verdict()?;

        let order = OrderId::derive(&context.commit, 0);
        let (root, intermediate) = (CaId::derive(&context.commit, 0), CaId::derive(&context.commit, 1));
        for stream in [stream::order(&order), stream::ca(&root), stream::ca(&intermediate), stream::quota(&root)] {
            desk.claim(&stream);
        }
        let free = (policy.free_certificates > 0).then(|| Lot {
            id: LotId::derive(&context.commit, 0),
            free: true,
            units: policy.free_certificates.into(),
            expires: policy.free_quota_days.and_then(|days| plus_days(context.time, days)),
        });
        let (family, paid) = (self.family, self.paid.clone());
        Ok(Plan::new().and(RootOrdered { order, root, intermediate, family, free, paid, term_ends }))
    }

    fn answer(events: &[Event]) -> Option<RootBought> {
        events.iter().find_map(|event| match event {
            Event::RootOrdered(ordered) => Some(RootBought {
                order: ordered.order.clone(),
                root: ordered.root.clone(),
                intermediate: ordered.intermediate.clone(),
            }),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::ca::CaState;
    use crate::domain::order::story::{Story, at};
    use crate::domain::policy::Policy;

    fn buy_root() -> BuyRoot {
        BuyRoot { family: Family::Ecc, term: ServiceTerm::default(), paid: "760.00USD".parse().unwrap() }
    }

    #[test]
    fn o1_a_root_brings_an_intermediate_and_free_quota() {
        let mut story = Story::founded(Policy::default());
        let now = story.now();
        let bought = story.run(buy_root());
        let (root, intermediate) = (story.ca(&bought.root), story.ca(&bought.intermediate));
        assert_eq!((root.state(), intermediate.state()), (CaState::NotEnabled, CaState::NotEnabled));
        assert_eq!(root.intermediates(), std::slice::from_ref(&bought.intermediate));
        assert_eq!(intermediate.root(), Some(&bought.root));
        assert_eq!(story.quota(&bought.root).available(now), 10);
        assert_eq!(story.quota(&bought.root).next_lot(now).unwrap().expires, None);
        let order = story.order(&bought.order).placed().unwrap().clone();
        assert_eq!((order.placed_at, order.paid.minor_units, order.placed_by.as_str()), (now, 76_000, Story::ACTOR));
    }

    #[test]
    fn o1_free_quota_follows_the_policy() {
        let mut story = Story::founded(Policy::with_published_extras()).at(at("2026-01-31T12:00:00Z"));
        let bought = story.run(buy_root());
        let lot = story.quota(&bought.root).lots().first().unwrap().clone();
        assert_eq!(lot.expires, Some(at("2026-03-02T12:00:00Z")));
        assert!(lot.free);

        let none = Policy { free_certificates: 0, ..Policy::default() };
        let mut story = Story::founded(none);
        let bought = story.run(buy_root());
        assert!(story.quota(&bought.root).lots().is_empty());
    }

    #[test]
    fn o5_the_term_ends_after_calendar_months() {
        let mut story = Story::founded(Policy::default()).at(at("2024-02-29T08:00:00Z"));
        let bought = story.run(BuyRoot { term: ServiceTerm::months(12), ..buy_root() });
        for id in [&bought.root, &bought.intermediate] {
            assert_eq!(story.ca(id).bought().unwrap().term_ends, at("2025-02-28T08:00:00Z"));
        }
    }

    #[test]
    fn every_broken_rule_is_told_at_once() {
        let wrong = BuyRoot {
            term: ServiceTerm::months(0),
            paid: Money { minor_units: 1, currency: "???".into() },
            ..buy_root()
        };
        Story::empty().refuses(wrong, &["L3:not-founded", "O5:term-length", "O6:unknown-currency"]);
    }

    #[test]
    fn o3_the_family_is_kept_for_all_below() {
        let mut story = Story::founded(Policy::default());
        let bought = story.run(BuyRoot { family: Family::Rsa, ..buy_root() });
        for id in [&bought.root, &bought.intermediate] {
            assert_eq!(story.ca(id).bought().unwrap().family, Family::Rsa);
        }
    }
}
