//! `RetireKey`: the end of an older key of a CA, once its last certificate has expired.

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{CaKeyRetired, Event};
use crate::domain::refusal::BrokenRule;
use crate::domain::{CaId, Scope, founded};
use crate::keys::KeyId;

use super::rules::{C11, known};
use super::unfinished::has_outlived;

/// Ends the key of generations that were renewed with another one, once every certificate of it has expired: nothing that
/// it signs is believed any more (rules C11, K3). A step of its own, found by [`outlived`](super::outlived); what follows
/// is told by [`unfinished`](super::unfinished).
#[derive(Clone, Debug, Serialize)]
pub struct RetireKey {
    /// The CA.
    pub ca: CaId,
    /// The key.
    pub key: KeyId,
}

/// What [`RetireKey`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredKey {
    /// The CA.
    pub ca: CaId,
    /// The generations that had the key.
    pub generations: Vec<u32>,
    /// The key, which is to be destroyed now.
    pub key: KeyId,
}

impl Command for RetireKey {
    type Answer = RetiredKey;

    const NAME: &'static str = "RetireKey";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let ca = desk.ca(&self.ca)?;
        known(ca, &self.ca, &mut objections);
        let with_it = || ca.living_generations().filter(|generation| generation.key == self.key);
        match with_it().map(|generation| generation.not_after).max() {
            None => objections.add(BrokenRule::new(
                C11,
                "no-such-key",
                format!("no generation of {} that is in use has the key {}", self.ca, self.key),
            )),
            Some(end) => objections.require(has_outlived(ca, &self.key, context.time), || {
                let newest = ca.generation().is_some_and(|newest| newest.key == self.key);
                let why = if newest { "issues" } else { "serves until its last certificate ends" };
                let message = format!(
                    "the key {} of {} {why}; that ends at {end}, and it is {}",
                    self.key, self.ca, context.time
                );
                BrokenRule::new(C11, "key-in-use", message)
            }),
        }
        objections.verdict()?;
        desk.key(&self.key)?;
        let generations = with_it().map(|generation| generation.number).collect();
        Ok(Plan::new().and(CaKeyRetired { ca: self.ca.clone(), generations, key: self.key.clone() }))
    }

    fn answer(events: &[Event]) -> Option<RetiredKey> {
        events.iter().find_map(|event| match event {
            Event::CaKeyRetired(retired) => {
                let CaKeyRetired { ca, generations, key } = retired.clone();
                Some(RetiredKey { ca, generations, key })
            }
            _ => None,
        })
    }
}
