//! `AssignQuota`: units go from a root's pool to an intermediate (rules Q1, Q3, Q4).

use serde::Serialize;

use crate::domain::ca::CaState;
use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Event, QuotaAssigned, QuotaLapsed};
use crate::domain::order::standing;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Scope, founded};
use crate::log::Timestamp;

const Q1: Rule = Rule::new("Q1");

/// Assigns quota of the root's pool to an enabled intermediate; this cannot be undone (rule Q1).
#[derive(Clone, Debug, Serialize)]
pub struct AssignQuota {
    /// The intermediate.
    pub ca: CaId,
    /// How many units: at least 1.
    pub units: u64,
}

/// What [`AssignQuota`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuotaAssignment {
    /// The intermediate.
    pub ca: CaId,
    /// How many units it got.
    pub assigned: u64,
    /// How many units are left in the root's pool.
    pub remaining: u64,
}

impl Command for AssignQuota {
    type Answer = QuotaAssignment;

    const NAME: &'static str = "AssignQuota";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let units = self.units;
        objections
            .require(units > 0, || BrokenRule::new(Q1, "quota-count", "0 units are asked for; at least 1 is assigned"));
        let Some(root) = self.intermediate(desk, context.time, &mut objections)? else {
            objections.verdict()?;
            return Err(Halt::Refused(standing::unknown(&self.ca, Q1).into()));
        };
        let (pool, own) = (desk.quota(root)?, desk.quota(&self.ca)?);
        let available = pool.available(context.time);
        objections.require(units <= available, || {
            let message = format!("{units} units are asked for, but the pool of {root} holds {available}");
            BrokenRule::new(Q1, "pool-exhausted", message)
        });
        objections.verdict()?;

        let lots = pool.take(context.time, units).unwrap_or_default();
        let (root, intermediate, remaining) = (root.clone(), self.ca.clone(), available.saturating_sub(units));
        Ok([(&root, pool), (&intermediate, own)]
            .into_iter()
            .map(|(ca, quota)| (ca, quota.lapsed(context.time)))
            .filter(|(_, lapsed)| !lapsed.is_empty())
            .fold(Plan::new(), |plan, (ca, lots)| plan.and(QuotaLapsed { ca: ca.clone(), lots }))
            .and(QuotaAssigned { root: root.clone(), intermediate: intermediate.clone(), lots, remaining }))
    }

    fn answer(events: &[Event]) -> Option<QuotaAssignment> {
        events.iter().find_map(|event| match event {
            Event::QuotaAssigned(assigned) => Some(QuotaAssignment {
                ca: assigned.intermediate.clone(),
                assigned: assigned.lots.iter().fold(0, |units, lot| units.saturating_add(lot.units)),
                remaining: assigned.remaining,
            }),
            _ => None,
        })
    }
}

impl AssignQuota {
    /// The root, if the CA is an intermediate; objects unless it may be given quota.
    fn intermediate<'w>(
        &self,
        desk: &Desk<'w>,
        now: Timestamp,
        objections: &mut Objections,
    ) -> Result<Option<&'w CaId>, Halt> {
        let ca = desk.ca(&self.ca)?;
        let Some(root_id) = ca.root() else {
            objections.add(if ca.is_root() {
                let message = format!("{} is a root; quota is assigned to its intermediates", self.ca);
                BrokenRule::new(Q1, "not-an-intermediate", message)
            } else {
                standing::unknown(&self.ca, Q1)
            });
            return Ok(None);
        };
        if !standing::frozen(&self.ca, ca, objections) {
            objections.require(ca.state() == CaState::Enabled, || {
                let state = ca.state().in_words();
                BrokenRule::new(
                    Q1,
                    "not-enabled",
                    format!("{} is {state}; quota is assigned to an enabled intermediate", self.ca),
                )
            });
        }
        standing::term_runs(&self.ca, ca, now, objections);
        let root = desk.ca(root_id)?;
        if !standing::frozen(root_id, root, objections) {
            let over = matches!(root.state(), CaState::Refunded | CaState::Revoked | CaState::Removed);
            objections.require(!over, || {
                let state = root.state().in_words();
                BrokenRule::new(Q1, "root-is-over", format!("the root {root_id} is {state}; its pool is closed"))
            });
        }
        standing::term_runs(root_id, root, now, objections);
        Ok(Some(root_id))
    }
}

#[cfg(test)]
#[path = "assign_tests.rs"]
mod tests;
