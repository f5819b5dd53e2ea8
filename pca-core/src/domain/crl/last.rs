//! `PublishLastCrl`: the last CRL that a key signs before it is destroyed.

use serde::Serialize;

use crate::domain::ca::rules;
use crate::domain::ca::rules::{C7, known};
use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::Event;
use crate::domain::refusal::BrokenRule;
use crate::domain::{CaId, Scope, founded};
use crate::x509;

use super::PublishedCrl;
use super::issue::{Issue, Issuing, Signer};

/// Signs the last CRL of a generation that was reset or revoked, a step of the process that follows (rule C7): it has no
/// next one (`nextUpdate` 99991231235959Z), and its signature is kept in the log, so that it can be served for ever.
#[derive(Clone, Debug, Serialize)]
pub struct PublishLastCrl {
    /// The CA.
    pub ca: CaId,
    /// Which of its generations.
    pub generation: u32,
}

impl Command for PublishLastCrl {
    type Answer = PublishedCrl;

    const NAME: &'static str = "PublishLastCrl";

    const WHATEVER_THE_CLOCK: bool = true;

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let ca = desk.ca(&self.ca)?;
        known(ca, &self.ca, &mut objections);
        let ended = ca.end_of(self.generation);
        match ended {
            None if ca.bought().is_some() => objections.add(BrokenRule::new(
                C7,
                "not-ended",
                format!("generation {} of {} has not been reset or revoked", self.generation, self.ca),
            )),
            Some(ended) if ended.last_crl => objections.add(BrokenRule::new(
                C7,
                "last-crl-done",
                format!(
                    "generation {} of {} {}",
                    self.generation,
                    self.ca,
                    if ended.end.last_crl { "has signed its last CRL" } else { "was ended without a last CRL" }
                ),
            )),
            _ => {}
        }
        objections.verdict()?;
        let Some(ended) = ended else { return Err(rules::unreadable(&self.ca)) };
        let signers = [Signer::of(&self.ca, &ended.generation)?];
        let issue = Issue::prepare(desk, &self.ca, &signers)?;
        let issuing = Issuing {
            this_update: context.time.floor_to_second(),
            next_update: x509::Crl::NO_NEXT_UPDATE,
            partition: None,
            freshest: None,
            base: None,
            expired_before: issue.crl().published().map(|before| before.this_update),
        };
        issue.next(&issuing, &signers, true)
    }

    fn answer(events: &[Event]) -> Option<PublishedCrl> {
        events.iter().find_map(PublishedCrl::of)
    }
}
