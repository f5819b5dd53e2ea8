//! `RequestRefund`, `ReturnRefund`, `DeclineRefund`: an order is paid back in two steps (rules R1 to R5).

use serde::Serialize;

use crate::domain::ca::CaState;
use crate::domain::ca::external::abandon;
use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{
    Event, LotUnits, QuotaForfeited, QuotaLapsed, RefundDeclined, RefundRequested, RefundReturned,
};
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, OrderId, Scope, founded};
use crate::log::Timestamp;

use super::eligibility::{stands_against, unknown};
use super::{OrderState, PlacedOrder, Purchase};

const R5: Rule = Rule::new("R5");

/// Requests a full refund of an order; its CAs, or its quota, are frozen until it is returned or declined (rule R5).
#[derive(Clone, Debug, Serialize)]
pub struct RequestRefund {
    /// The order.
    pub order: OrderId,
}

/// Returns what was paid for an order whose refund was requested (rule R5).
#[derive(Clone, Debug, Serialize)]
pub struct ReturnRefund {
    /// The order.
    pub order: OrderId,
}

/// Declines a refund that was requested; all is as before the request (rule R5).
#[derive(Clone, Debug, Serialize)]
pub struct DeclineRefund {
    /// The order.
    pub order: OrderId,
    /// Why: 1 to 500 characters, none of them a control character.
    pub reason: String,
}

/// What the three steps of a refund answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefundStep {
    /// The order.
    pub order: OrderId,
    /// Where it stands now.
    pub state: OrderState,
}

impl Command for RequestRefund {
    type Answer = RefundStep;

    const NAME: &'static str = "RequestRefund";

    fn scope(&self) -> Scope<'_> {
        Scope::Order(&self.order)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        stands_against(desk, &self.order, context.time, &mut objections)?;
        let order = accepted(desk, &self.order, objections)?;
        let lot = match &order.purchase {
            Purchase::Quota { lot, .. } => Some(lot.id.clone()),
            _ => None,
        };
        let scope = order.scope();
        if let Some(pool) = &scope.pool {
            desk.quota(pool)?;
        }
        let mut plan = Plan::new();
        for ca in &scope.cas {
            // Who gives the CA back waits for no certificate of it.
            plan = abandon(desk, ca, desk.ca(ca)?, plan)?;
        }
        Ok(plan.and(RefundRequested { order: self.order.clone(), scope, lot }))
    }

    fn answer(events: &[Event]) -> Option<RefundStep> {
        answer(events)
    }
}

impl Command for ReturnRefund {
    type Answer = RefundStep;

    const NAME: &'static str = "ReturnRefund";

    fn scope(&self) -> Scope<'_> {
        Scope::Order(&self.order)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        requested(desk, &self.order, &mut objections)?;
        let order = accepted(desk, &self.order, objections)?;
        let scope = order.scope();
        let mut plan = Plan::new();
        let mut refunded = Vec::new();
        let mut forfeited = Vec::new();
        match &order.purchase {
            Purchase::Root { root, intermediate, .. } => {
                plan = strand(desk, intermediate, context.time, plan)?;
                let (lapsed, left) = split(desk, root, context.time)?;
                if !lapsed.is_empty() {
                    plan = plan.and(QuotaLapsed { ca: root.clone(), lots: lapsed });
                }
                forfeited = left;
            }
            Purchase::Intermediate { intermediate, .. } => plan = strand(desk, intermediate, context.time, plan)?,
            Purchase::Quota { root, lot } => {
                let units = desk.quota(root)?.held(&lot.id);
                refunded.push(LotUnits { lot: lot.id.clone(), units });
            }
        }
        for ca in &scope.cas {
            desk.ca(ca)?;
        }
        Ok(plan.and(RefundReturned { order: self.order.clone(), scope, refunded, forfeited }))
    }

    fn answer(events: &[Event]) -> Option<RefundStep> {
        answer(events)
    }
}

impl Command for DeclineRefund {
    type Answer = RefundStep;

    const NAME: &'static str = "DeclineRefund";

    fn scope(&self) -> Scope<'_> {
        Scope::Order(&self.order)
    }

    fn decide(&self, desk: &Desk<'_>, _: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        requested(desk, &self.order, &mut objections)?;
        let characters = self.reason.chars().count();
        let fits = (1..=500).contains(&characters)
            && !self.reason.trim().is_empty()
            && !self.reason.chars().any(char::is_control);
        objections.require(fits, || {
            let message = format!(
                "the reason has {characters} characters; 1 to 500 are possible, not only white space, none of them a control character"
            );
            BrokenRule::new(R5, "decline-reason", message)
        });
        let order = accepted(desk, &self.order, objections)?;
        let scope = order.scope();
        for ca in &scope.cas {
            desk.ca(ca)?;
        }
        if let Some(pool) = &scope.pool {
            desk.quota(pool)?;
        }
        let declined = RefundDeclined { order: self.order.clone(), scope, reason: self.reason.clone() };
        let plan = Plan::new().and(declined);
        if let Purchase::Quota { root, lot } = &order.purchase
            && matches!(desk.ca(root)?.state(), CaState::Revoked | CaState::Removed)
        {
            // The root was revoked meanwhile: what comes back to its pool is stranded there (rule Q4).
            let lots = vec![LotUnits { lot: lot.id.clone(), units: desk.quota(root)?.held(&lot.id) }];
            return Ok(plan.and(QuotaForfeited { ca: root.clone(), lots }));
        }
        Ok(plan)
    }

    fn answer(events: &[Event]) -> Option<RefundStep> {
        answer(events)
    }
}

/// Objects unless a refund of the order is requested.
fn requested(desk: &Desk<'_>, id: &OrderId, objections: &mut Objections) -> Result<(), Halt> {
    match desk.order(id)?.placed().map(|order| order.state) {
        Some(OrderState::RefundRequested) => {}
        Some(OrderState::Refunded) => {
            objections.add(BrokenRule::new(R5, "refunded", format!("{id} has been refunded already")));
        }
        Some(OrderState::Placed) => {
            let message = format!("no refund of {id} is requested; request it first");
            objections.add(BrokenRule::new(R5, "refund-not-requested", message));
        }
        None => objections.add(unknown(id, R5)),
    }
    Ok(())
}

/// The order, once nothing stands against the command.
fn accepted<'w>(desk: &Desk<'w>, id: &OrderId, objections: Objections) -> Result<&'w PlacedOrder, Halt> {
    objections.verdict()?;
    let order = desk.order(id)?.placed();
    order.ok_or_else(|| Halt::Refused(unknown(id, R5).into()))
}

/// Writes down what has lapsed at an intermediate, and that the rest is stranded there (rule Q4).
fn strand(desk: &Desk<'_>, ca: &CaId, now: Timestamp, mut plan: Plan) -> Result<Plan, Halt> {
    let (lapsed, left) = split(desk, ca, now)?;
    if !lapsed.is_empty() {
        plan = plan.and(QuotaLapsed { ca: ca.clone(), lots: lapsed });
    }
    if !left.is_empty() {
        plan = plan.and(QuotaForfeited { ca: ca.clone(), lots: left });
    }
    Ok(plan)
}

/// What has lapsed in a pool or at an intermediate by a time, and what is left.
fn split(desk: &Desk<'_>, ca: &CaId, now: Timestamp) -> Result<(Vec<LotUnits>, Vec<LotUnits>), Halt> {
    let quota = desk.quota(ca)?;
    Ok((quota.lapsed(now), quota.unlapsed(now)))
}

fn answer(events: &[Event]) -> Option<RefundStep> {
    events.iter().find_map(|event| {
        let (order, state) = match event {
            Event::RefundRequested(event) => (&event.order, OrderState::RefundRequested),
            Event::RefundReturned(event) => (&event.order, OrderState::Refunded),
            Event::RefundDeclined(event) => (&event.order, OrderState::Placed),
            _ => return None,
        };
        Some(RefundStep { order: order.clone(), state })
    })
}

#[cfg(test)]
#[path = "refund_tests.rs"]
mod tests;
