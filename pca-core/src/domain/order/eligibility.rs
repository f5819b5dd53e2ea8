//! What stands against a refund: one function for the command and the question (rules R1 to R5, R7).

use crate::domain::ca::CaState;
use crate::domain::event::OrderScope;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Desk, Halt, LotId, OrderId};
use crate::log::Timestamp;

use super::{OrderState, PlacedOrder, Purchase};

const R1: Rule = Rule::new("R1");
const R2: Rule = Rule::new("R2");
const R3: Rule = Rule::new("R3");
const R4: Rule = Rule::new("R4");
const R5: Rule = Rule::new("R5");

/// Whether an order's refund could be requested (rule R7).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefundEligibility {
    /// It could be.
    Eligible {
        /// Until when, this instant included (rule R1).
        until: Timestamp,
    },
    /// It could not be.
    NotEligible {
        /// Until when it can, or could, be requested at all; absent for an order that nobody placed.
        until: Option<Timestamp>,
        /// Every rule that stands against it, at least one.
        broken: Vec<BrokenRule>,
    },
}

impl RefundEligibility {
    /// Whether it could be requested.
    #[must_use]
    pub fn is_eligible(&self) -> bool {
        matches!(self, Self::Eligible { .. })
    }
}

/// Whether the refund of an order could be requested at a time, by the very rules of
/// [`RequestRefund`](super::RequestRefund); changes nothing (rule R7).
///
/// # Errors
/// [`Halt::Needs`] while a stream has not been loaded; never [`Halt::Refused`].
pub fn refund_eligibility(desk: &Desk<'_>, order: &OrderId, now: Timestamp) -> Result<RefundEligibility, Halt> {
    let mut objections = crate::domain::founded(desk)?;
    let window = desk.policy()?.refund_window_hours;
    stands_against(desk, order, now, &mut objections)?;
    let until = desk.order(order)?.placed().map(|placed| refundable_until(placed, window));
    Ok(match (objections.verdict(), until) {
        (Ok(()), Some(until)) => RefundEligibility::Eligible { until },
        (Ok(()), None) => RefundEligibility::NotEligible { until, broken: vec![unknown(order, R1)] },
        (Err(refusal), until) => RefundEligibility::NotEligible { until, broken: refusal.broken().to_vec() },
    })
}

/// Objects with every rule that stands against a refund of the order.
pub(super) fn stands_against(
    desk: &Desk<'_>,
    id: &OrderId,
    now: Timestamp,
    objections: &mut Objections,
) -> Result<(), Halt> {
    let policy = desk.policy()?;
    let Some(order) = desk.order(id)?.placed() else {
        objections.add(unknown(id, R1));
        return Ok(());
    };
    match order.state {
        OrderState::Placed => {}
        OrderState::RefundRequested => {
            let message = format!("a refund of {id} is requested already; it is to be returned or declined");
            objections.add(BrokenRule::new(R5, "refund-requested", message));
            return Ok(());
        }
        OrderState::Refunded => {
            objections.add(BrokenRule::new(R1, "refunded", format!("{id} has been refunded already")));
            return Ok(());
        }
    }
    let until = refundable_until(order, policy.refund_window_hours);
    objections.require(now <= until, || {
        let message = format!(
            "{id} was paid at {}; a refund could be requested within {} hours, until {until}, and it is {now}",
            order.placed_at, policy.refund_window_hours
        );
        BrokenRule::new(R1, "window-closed", message)
    });
    for ca in &order.scope().cas {
        let state = desk.ca(ca)?.state();
        objections.require(state == CaState::NotEnabled, || {
            let state = state.in_words();
            let message = format!(
                "{ca} of {id} is {state}; every CA of the order must be not enabled: never enabled, or reset since"
            );
            BrokenRule::new(R2, "ca-enabled", message)
        });
    }
    match &order.purchase {
        Purchase::Root { root, intermediate, .. } => root_waits(desk, root, intermediate, objections)?,
        Purchase::Intermediate { .. } => {}
        Purchase::Quota { root, lot } => {
            objections.require(policy.quota_refundable, || {
                let message = format!("{id} is an order for quota, which the policy in force does not refund");
                BrokenRule::new(R4, "quota-not-refundable", message)
            });
            let held = desk.quota(root)?.held(&lot.id);
            objections.require(held == lot.units, || {
                let message = format!(
                    "{} of the {} units of {id} are assigned or consumed; quota is refunded only while none of its units is",
                    lot.units.saturating_sub(held),
                    lot.units
                );
                BrokenRule::new(R4, "quota-in-use", message)
            });
        }
    }
    Ok(())
}

/// Objects while intermediates or quota were bought for the root that are neither refunded nor gone (rule R3).
fn root_waits(desk: &Desk<'_>, root: &CaId, bundled: &CaId, objections: &mut Objections) -> Result<(), Halt> {
    let intermediates = desk.ca(root)?.intermediates();
    for id in intermediates.iter().filter(|id| *id != bundled) {
        let state = desk.ca(id)?.state();
        objections.require(matches!(state, CaState::Refunded | CaState::Removed), || {
            let state = state.in_words();
            let message = format!("the intermediate {id} was bought for {root} by itself and is {state}; it must be refunded or removed before the root's order");
            BrokenRule::new(R3, "intermediate-remains", message)
        });
    }
    let pool = desk.quota(root)?;
    for purchase in pool.purchases() {
        let in_pool = pool.held(&purchase.lot);
        let assigned = assigned_unused(desk, intermediates, &purchase.lot)?;
        objections.require(in_pool == 0 && assigned == 0, || {
            let message = format!(
                "of the {} units of {}, {in_pool} are in the pool of {root} and {assigned} are assigned and unused; the order must be refunded or used up before the root's",
                purchase.units, purchase.order
            );
            BrokenRule::new(R3, "quota-remains", message)
        });
    }
    Ok(())
}

fn assigned_unused(desk: &Desk<'_>, intermediates: &[CaId], lot: &LotId) -> Result<u64, Halt> {
    intermediates.iter().try_fold(0_u64, |units, id| Ok(units.saturating_add(desk.quota(id)?.held(lot))))
}

fn refundable_until(order: &PlacedOrder, window_hours: u32) -> Timestamp {
    order.placed_at.plus_secs(i64::from(window_hours).saturating_mul(3600))
}

pub(super) fn unknown(id: &OrderId, rule: Rule) -> BrokenRule {
    BrokenRule::new(
        rule,
        "unknown-order",
        format!("{id} is no order of this enterprise; `pca list orders` names all of them"),
    )
}

impl PlacedOrder {
    /// What stands and falls with the order (rule R3).
    #[must_use]
    pub fn scope(&self) -> OrderScope {
        match &self.purchase {
            Purchase::Root { root, intermediate, .. } => {
                OrderScope { cas: vec![root.clone(), intermediate.clone()], pool: Some(root.clone()) }
            }
            Purchase::Intermediate { intermediate, .. } => OrderScope { cas: vec![intermediate.clone()], pool: None },
            Purchase::Quota { root, .. } => OrderScope { cas: Vec::new(), pool: Some(root.clone()) },
        }
    }

    /// Until when its refund can be requested, this instant included, if the policy gives so many hours (rule R1).
    #[must_use]
    pub fn refundable_until(&self, window_hours: u32) -> Timestamp {
        refundable_until(self, window_hours)
    }
}
