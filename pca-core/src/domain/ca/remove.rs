//! `RemoveCa`: takes a CA off the list.

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{CaRemoved, Event};
use crate::domain::refusal::{BrokenRule, Rule};
use crate::domain::{CaId, Scope, founded};

use super::rules::{is_live, known, thawed};
use super::{Ca, CaState, Generation};

const R6: Rule = Rule::new("R6");

/// Takes a CA off the list (rule R6): one that was refunded, revoked, or whose certificate has expired. The log keeps it
/// for ever; the key of an expired CA is destroyed (rule K3).
#[derive(Clone, Debug, Serialize)]
pub struct RemoveCa {
    /// The CA.
    pub ca: CaId,
}

/// What [`RemoveCa`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedCa {
    /// The CA.
    pub ca: CaId,
}

impl Command for RemoveCa {
    type Answer = RemovedCa;

    const NAME: &'static str = "RemoveCa";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let ca = desk.ca(&self.ca)?;
        known(ca, &self.ca, &mut objections);
        thawed(ca, &self.ca, &mut objections);
        let live = live(ca);
        match (ca.state(), live) {
            (CaState::Unknown | CaState::RefundRequested | CaState::Refunded | CaState::Revoked, _) => {}
            (CaState::Removed, _) => {
                objections.add(BrokenRule::new(R6, "already-removed", format!("{} is off the list already", self.ca)));
            }
            (_, Some(latest)) => objections.require(latest.has_expired(context.time), || {
                BrokenRule::new(
                    R6,
                    "still-valid",
                    format!(
                        "{} is {} and its certificate is valid until {}: revoke it, or wait for its end",
                        self.ca,
                        ca.state().in_words(),
                        latest.not_after
                    ),
                )
            }),
            (state, None) => objections.add(BrokenRule::new(
                R6,
                "not-ended",
                format!(
                    "{} is {}; only a CA that was refunded, revoked, or whose certificate has expired is removed",
                    self.ca,
                    state.in_words()
                ),
            )),
        }
        objections.verdict()?;
        let mut keys = ca.signing_generations().filter(|_| live.is_some()).map(|generation| generation.key.clone());
        let (key, older_keys) = (keys.next(), keys.collect::<Vec<_>>());
        for key in key.iter().chain(&older_keys) {
            desk.key(key)?;
        }
        Ok(Plan::new().and(CaRemoved { ca: self.ca.clone(), key, older_keys }))
    }

    fn answer(events: &[Event]) -> Option<RemovedCa> {
        events.iter().find_map(|event| match event {
            Event::CaRemoved(removed) => Some(RemovedCa { ca: removed.ca.clone() }),
            _ => None,
        })
    }
}

/// Of the generations in use the one that is valid for the longest.
fn live(ca: &Ca) -> Option<&Generation> {
    ca.living_generations().filter(|_| is_live(ca.state())).max_by_key(|generation| generation.not_after)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use crate::domain::ca::testing::Scene;
    use crate::domain::ca::{Step, unfinished};
    use crate::domain::key::{ConfirmKeyDestroyed, KeyState};
    use crate::keys::Family;

    #[test]
    fn r6_a_ca_in_use_stays_on_the_list() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.buy_root(Family::Ecc);
        scene.enable(&root, "Root");
        let refusal = scene.refused(&RemoveCa { ca: root });
        assert_eq!(scene.codes(&refusal), ["R6 still-valid"]);
        let refusal = scene.refused(&RemoveCa { ca: intermediate });
        assert_eq!(scene.codes(&refusal), ["R6 not-ended"]);
    }

    #[test]
    fn r6_a_refunded_ca_leaves_once_the_money_is_back() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.buy_root(Family::Ecc);
        scene.request_refund(&[&root, &intermediate]);
        let refusal = scene.refused(&RemoveCa { ca: root.clone() });
        assert_eq!(scene.codes(&refusal), ["R5 frozen"]);
        scene.return_refund(&[&root, &intermediate]);
        let events = scene.run(&RemoveCa { ca: root.clone() }).unwrap();
        assert_eq!(events, [CaRemoved { ca: root.clone(), key: None, older_keys: Vec::new() }.into()]);
        assert_eq!(RemoveCa::answer(&events), Some(RemovedCa { ca: root.clone() }));
        let refusal = scene.refused(&RemoveCa { ca: root });
        assert_eq!(scene.codes(&refusal), ["R6 already-removed"]);
    }

    #[test]
    fn r6_an_expired_ca_leaves_and_its_key_ends() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        scene.days_pass(5 * 365 + 3);
        let refusal = scene.refused(&RemoveCa { ca: root });
        assert_eq!(scene.codes(&refusal), ["R6 still-valid"]);
        let key = scene.ca(&intermediate).generation().unwrap().key.clone();
        scene.run(&RemoveCa { ca: intermediate.clone() }).unwrap();
        assert_eq!(scene.ca(&intermediate).state(), CaState::Removed);
        assert!(matches!(scene.key_state(&key), KeyState::Ending(_)));
        assert_eq!(scene.ca(&intermediate).left_keys(), std::slice::from_ref(&key));
        let steps = unfinished(scene.ca(&intermediate));
        assert_eq!(steps.last(), Some(&Step::ConfirmKeyDestroyed { key: key.clone() }));
        scene.run(&ConfirmKeyDestroyed { key }).unwrap();
        assert!(unfinished(scene.ca(&intermediate)).is_empty());
    }
}
