//! `FoundEnterprise`: opens a log.

use serde::Serialize;

use crate::domain::Scope;
use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{EnterpriseFounded, Event, PolicyAdopted};
use crate::domain::policy::Policy;
use crate::domain::refusal::{BrokenRule, Objections, Rule};

const L9: Rule = Rule::new("L9");
const C4: Rule = Rule::new("C4");

/// Opens the log for an enterprise; the first command of every log.
#[derive(Clone, Debug, Serialize)]
pub struct FoundEnterprise {
    /// The enterprise's name: at most 200 characters, none of them a control character.
    pub name: Option<String>,
    /// Whether the log takes its time from the caller (rule L9).
    pub rehearsal: bool,
    /// The policy to begin with.
    pub policy: Policy,
}

/// What [`FoundEnterprise`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founded {
    /// The enterprise's name, if it gave one.
    pub name: Option<String>,
    /// Whether the log takes its time from the caller.
    pub rehearsal: bool,
}

impl Command for FoundEnterprise {
    type Answer = Founded;

    const NAME: &'static str = "FoundEnterprise";

    fn scope(&self) -> Scope<'_> {
        Scope::Enterprise
    }

    fn decide(&self, desk: &Desk<'_>, _: &Context) -> Result<Plan, Halt> {
        let enterprise = desk.enterprise()?;
        desk.policy()?;
        let mut objections = Objections::new();
        objections.require(!enterprise.is_founded(), || {
            BrokenRule::new(L9, "already-founded", "the log belongs to an enterprise already; a log is begun only once")
        });
        if let Some(name) = &self.name {
            let characters = name.chars().count();
            objections.require(characters <= 200 && characters > 0 && !name.chars().any(char::is_control), || {
                BrokenRule::new(
                    C4,
                    "enterprise-name",
                    format!("the enterprise's name has {characters} characters; 1 to 200 are possible, none of them a control character"),
                )
            });
        }
        objections.extend(self.policy.objections());
        objections.verdict()?;
        Ok(Plan::new()
            .and(EnterpriseFounded { name: self.name.clone(), rehearsal: self.rehearsal })
            .and(PolicyAdopted { policy: self.policy.clone() }))
    }

    fn answer(events: &[Event]) -> Option<Founded> {
        events.iter().find_map(|event| match event {
            Event::EnterpriseFounded(founded) => {
                Some(Founded { name: founded.name.clone(), rehearsal: founded.rehearsal })
            }
            _ => None,
        })
    }
}
