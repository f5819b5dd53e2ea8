//! `ReenableCa`: a disabled CA issues again.

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{CaReenabled, Event};
use crate::domain::refusal::{BrokenRule, Objections};
use crate::domain::{CaId, Scope, founded};

use super::rules::{C5, C10, is_live, known, living, within_term};
use super::{Ca, CaState};

/// Lets a disabled CA issue again (rule C10), within its service term and its root's (rule O5) and while its certificate is
/// valid. The root of an intermediate may be disabled: nothing is issued until it is reenabled as well (rule I1), in
/// whichever order.
#[derive(Clone, Debug, Serialize)]
pub struct ReenableCa {
    /// The CA.
    pub ca: CaId,
}

/// What [`ReenableCa`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reenabled {
    /// The CA.
    pub ca: CaId,
}

impl Command for ReenableCa {
    type Answer = Reenabled;

    const NAME: &'static str = "ReenableCa";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let ca = desk.ca(&self.ca)?;
        let generation = living(ca, &self.ca, C10, &mut objections);
        objections.require(ca.state() != CaState::Enabled, || {
            BrokenRule::new(C10, "not-disabled", format!("{} is enabled; only a disabled CA is reenabled", self.ca))
        });
        if let Some(generation) = generation {
            if let Some(bought) = known(ca, &self.ca, &mut objections) {
                within_term(bought, &self.ca, context.time, &mut objections);
            }
            objections.require(!generation.has_expired(context.time), || {
                BrokenRule::new(
                    C5,
                    "ca-expired",
                    format!(
                        "the certificate of {} ended at {}: reset the CA and enable it anew",
                        self.ca, generation.not_after
                    ),
                )
            });
        }
        if let Some(root) = ca.root() {
            self.check_root(desk.ca(root)?, root, context, &mut objections);
        }
        objections.verdict()?;
        Ok(Plan::new().and(CaReenabled { ca: self.ca.clone() }))
    }

    fn answer(events: &[Event]) -> Option<Reenabled> {
        events.iter().find_map(|event| match event {
            Event::CaReenabled(reenabled) => Some(Reenabled { ca: reenabled.ca.clone() }),
            _ => None,
        })
    }
}

impl ReenableCa {
    /// That the root of an intermediate still has its certificate and key, and its service term goes on.
    fn check_root(&self, root: &Ca, id: &CaId, context: &Context, objections: &mut Objections) {
        if let Some(bought) = root.bought() {
            within_term(bought, id, context.time, objections);
        }
        objections.require(is_live(root.state()), || {
            let state = root.state().in_words();
            let message = format!("the root {id} of {} is {state}: nothing below it issues again", self.ca);
            BrokenRule::new(C10, "root-not-enabled", message)
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use crate::domain::ca::DisableCa;
    use crate::domain::ca::testing::Scene;
    use crate::domain::event::{Term, TermExtended};
    use crate::keys::Family;

    #[test]
    fn c10_disabling_is_reversible() {
        let mut scene = Scene::new();
        let (root, _) = scene.enabled_pair(Family::Ecc);
        scene.run(&DisableCa { ca: root.clone() }).unwrap();
        let events = scene.run(&ReenableCa { ca: root.clone() }).unwrap();
        assert_eq!(events, [CaReenabled { ca: root.clone() }.into()]);
        assert_eq!(ReenableCa::answer(&events), Some(Reenabled { ca: root.clone() }));
        assert_eq!(scene.ca(&root).state(), CaState::Enabled);
    }

    #[test]
    fn c10_only_a_disabled_ca_is_reenabled() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.buy_root(Family::Ecc);
        scene.enable(&root, "Root");
        let refusal = scene.refused(&ReenableCa { ca: root });
        assert_eq!(scene.codes(&refusal), ["C10 not-disabled"]);
        let refusal = scene.refused(&ReenableCa { ca: intermediate });
        assert_eq!(scene.codes(&refusal), ["C10 not-enabled"]);
    }

    #[test]
    fn o5_not_after_the_term_nor_after_the_certificate() {
        let mut scene = Scene::new();
        let (root, _) = scene.enabled_pair(Family::Ecc);
        scene.run(&DisableCa { ca: root.clone() }).unwrap();
        scene.days_pass(364);
        scene.run(&ReenableCa { ca: root.clone() }).unwrap();
        scene.run(&DisableCa { ca: root.clone() }).unwrap();
        scene.days_pass(3);
        let refusal = scene.refused(&ReenableCa { ca: root.clone() });
        assert_eq!(scene.codes(&refusal), ["O5 term-ended"]);
        scene.days_pass(3660);
        let refusal = scene.refused(&ReenableCa { ca: root });
        assert_eq!(scene.codes(&refusal), ["O5 term-ended", "C5 ca-expired"]);
    }

    #[test]
    fn c10_o5_an_intermediate_needs_its_roots_term_but_not_an_enabled_root() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        scene.run(&DisableCa { ca: intermediate.clone() }).unwrap();
        scene.run(&DisableCa { ca: root.clone() }).unwrap();
        scene.run(&ReenableCa { ca: intermediate.clone() }).unwrap();
        assert_eq!(scene.ca(&root).state(), CaState::Disabled, "in whichever order");
        scene.run(&DisableCa { ca: intermediate.clone() }).unwrap();
        scene.days_pass(360);
        // The intermediate is extended alone; its root's term ends.
        let term = Term { ca: intermediate.clone(), ends: scene.now().plus_secs(400 * 86_400) };
        scene.happened(TermExtended { terms: vec![term] });
        scene.days_pass(10);
        let refusal = scene.refused(&ReenableCa { ca: intermediate.clone() });
        assert_eq!(scene.codes(&refusal), ["O5 term-ended"]);
        assert!(refusal.broken()[0].message().contains(root.as_str()), "{refusal}");
        scene.reset(&root, true);
        let refusal = scene.refused(&ReenableCa { ca: intermediate });
        assert_eq!(scene.codes(&refusal), ["C10 not-enabled", "O5 term-ended", "C10 root-not-enabled"]);
    }
}
