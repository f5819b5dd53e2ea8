//! `BuyIntermediate`: a further intermediate for an enabled root (rules O2, O5, O6).

use serde::Serialize;

use crate::domain::ca::CaState;
use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Event, IntermediateOrdered, Money};
use crate::domain::refusal::{BrokenRule, Rule};
use crate::domain::{CaId, OrderId, Scope, founded, stream};
use crate::keys::Family;

use super::{ServiceTerm, standing};

const O2: Rule = Rule::new("O2");

/// Buys a further intermediate; it brings no quota (rule O2).
#[derive(Clone, Debug, Serialize)]
pub struct BuyIntermediate {
    /// The root that it will be under.
    pub root: CaId,
    /// For how long (rule O5).
    pub term: ServiceTerm,
    /// What was paid (rule O6).
    pub paid: Money,
}

/// What [`BuyIntermediate`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IntermediateBought {
    /// The order.
    pub order: OrderId,
    /// The intermediate.
    pub intermediate: CaId,
}

impl Command for BuyIntermediate {
    type Answer = IntermediateBought;

    const NAME: &'static str = "BuyIntermediate";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.root)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let mut family = Family::Ecc;
        if let Some(root) = standing::root(desk, &self.root, O2, &mut objections)? {
            if !standing::frozen(&self.root, root, &mut objections) {
                objections.require(root.state() == CaState::Enabled, || {
                    let state = root.state().in_words();
                    let message =
                        format!("the root {} is {state}; intermediates are bought for an enabled root", self.root);
                    BrokenRule::new(O2, "root-not-enabled", message)
                });
            }
            standing::term_runs(&self.root, root, context.time, &mut objections);
            family = root.bought().map_or(family, |bought| bought.family);
        }
        let term_ends = self.term.end_after(context.time).unwrap_or_else(|broken| {
            objections.add(broken);
            context.time
        });
        objections.extend(self.paid.objection());
        objections.verdict()?;

        let (order, intermediate) = (OrderId::derive(&context.commit, 0), CaId::derive(&context.commit, 0));
        desk.claim(&stream::order(&order));
        desk.claim(&stream::ca(&intermediate));
        let (root, paid) = (self.root.clone(), self.paid.clone());
        Ok(Plan::new().and(IntermediateOrdered { order, root, intermediate, family, paid, term_ends }))
    }

    fn answer(events: &[Event]) -> Option<IntermediateBought> {
        events.iter().find_map(|event| match event {
            Event::IntermediateOrdered(ordered) => {
                Some(IntermediateBought { order: ordered.order.clone(), intermediate: ordered.intermediate.clone() })
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::order::story::Story;

    fn buy_intermediate(root: &CaId) -> BuyIntermediate {
        BuyIntermediate { root: root.clone(), term: ServiceTerm::months(6), paid: Money::nothing() }
    }

    #[test]
    fn o2_an_enabled_root_gets_further_intermediates_without_quota() {
        let (mut story, root) = Story::with_enabled_root(Family::Rsa);
        let pool = story.quota(&root.root).received();
        let bought = story.run(buy_intermediate(&root.root));
        assert_eq!(story.ca(&root.root).intermediates(), [root.intermediate, bought.intermediate.clone()]);
        let ca = story.ca(&bought.intermediate);
        assert_eq!((ca.state(), ca.root()), (CaState::NotEnabled, Some(&root.root)));
        assert_eq!(ca.bought().unwrap().family, Family::Rsa, "O3");
        assert_eq!(story.quota(&root.root).received(), pool);
    }

    #[test]
    fn o2_a_root_that_is_not_enabled_gets_none() {
        let (story, root) = Story::with_root(Family::Ecc);
        story.refuses(buy_intermediate(&root.root), &["O2:root-not-enabled"]);
        let (mut story, root) = Story::with_enabled_root(Family::Ecc);
        story.disable(&root.root);
        story.refuses(buy_intermediate(&root.root), &["O2:root-not-enabled"]);
        story.revoke(&root.root);
        story.refuses(buy_intermediate(&root.root), &["O2:root-not-enabled"]);
        story.remove(&root.root);
        story.refuses(buy_intermediate(&root.root), &["O2:root-not-enabled"]);
    }

    #[test]
    fn r5_a_frozen_root_gets_none() {
        let (mut story, root) = Story::with_root(Family::Ecc);
        story.request_refund(&root.order);
        story.refuses(buy_intermediate(&root.root), &["R5:frozen"]);
        story.return_refund(&root.order);
        story.refuses(buy_intermediate(&root.root), &["O2:root-not-enabled"]);
    }

    #[test]
    fn o2_only_a_root_has_intermediates() {
        let (story, root) = Story::with_enabled_root(Family::Ecc);
        story.refuses(buy_intermediate(&root.intermediate), &["O2:not-a-root"]);
        story.refuses(buy_intermediate(&Story::nobodys_ca()), &["O2:unknown-ca"]);
    }

    #[test]
    fn o5_a_root_whose_term_has_ended_gets_none() {
        let (story, root) = Story::with_enabled_root(Family::Ecc);
        let ends = story.ca(&root.root).bought().unwrap().term_ends;
        let late = story.clone().at(crate::log::Timestamp::from_micros(ends.micros() + 1));
        let wrong = BuyIntermediate { term: ServiceTerm::months(0), ..buy_intermediate(&root.root) };
        late.refuses(wrong, &["O5:term-ended", "O5:term-length"]);
        story.at(ends).run(buy_intermediate(&root.root));
    }
}
