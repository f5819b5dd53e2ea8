//! `DisableCa`: no new certificates for a while.

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{CaDisabled, Event};
use crate::domain::refusal::BrokenRule;
use crate::domain::{CaId, Scope, founded};

use super::CaState;
use super::rules::{C10, living};

/// Stops an enabled CA from issuing, until it is reenabled (rule C10). CRLs go on, and so does everything else that
/// relying parties need; the service term does not matter (rule O5).
#[derive(Clone, Debug, Serialize)]
pub struct DisableCa {
    /// The CA.
    pub ca: CaId,
}

/// What [`DisableCa`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disabled {
    /// The CA.
    pub ca: CaId,
}

impl Command for DisableCa {
    type Answer = Disabled;

    const NAME: &'static str = "DisableCa";

    const WHATEVER_THE_CLOCK: bool = true;

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, _: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let ca = desk.ca(&self.ca)?;
        living(ca, &self.ca, C10, &mut objections);
        objections.require(ca.state() != CaState::Disabled, || {
            BrokenRule::new(C10, "already-disabled", format!("{} is disabled already", self.ca))
        });
        objections.verdict()?;
        Ok(Plan::new().and(CaDisabled { ca: self.ca.clone() }))
    }

    fn answer(events: &[Event]) -> Option<Disabled> {
        events.iter().find_map(|event| match event {
            Event::CaDisabled(disabled) => Some(Disabled { ca: disabled.ca.clone() }),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use crate::domain::ca::testing::Scene;
    use crate::keys::Family;

    #[test]
    fn c10_an_enabled_ca_is_disabled_once() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        let events = scene.run(&DisableCa { ca: intermediate.clone() }).unwrap();
        assert_eq!(events, [CaDisabled { ca: intermediate.clone() }.into()]);
        assert_eq!(DisableCa::answer(&events), Some(Disabled { ca: intermediate.clone() }));
        assert_eq!(scene.ca(&intermediate).state(), CaState::Disabled);
        assert!(scene.ca(&intermediate).generation().is_some(), "it keeps its certificate");
        assert_eq!(scene.ca(&root).state(), CaState::Enabled);
        let refusal = scene.refused(&DisableCa { ca: intermediate });
        assert_eq!(scene.codes(&refusal), ["C10 already-disabled"]);
    }

    #[test]
    fn c10_what_has_no_certificate_cannot_be_disabled() {
        let mut scene = Scene::new();
        let (root, _) = scene.buy_root(Family::Ecc);
        let refusal = scene.refused(&DisableCa { ca: root });
        assert_eq!(scene.codes(&refusal), ["C10 not-enabled"]);
    }

    #[test]
    fn o5_disabling_goes_on_after_the_term() {
        let mut scene = Scene::new();
        let (root, _) = scene.enabled_pair(Family::Ecc);
        scene.days_pass(366);
        scene.run(&DisableCa { ca: root.clone() }).unwrap();
        assert_eq!(scene.ca(&root).state(), CaState::Disabled);
    }
}
