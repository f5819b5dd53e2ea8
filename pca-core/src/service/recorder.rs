//! For tests: what was decided, with all that is needed to decide it again.

use core::fmt;
use std::sync::Arc;

use crate::domain::event::Event;
use crate::domain::{Command, Context, Desk, Evidence, Halt, Plan};
use crate::keys::Signature;
use crate::log::Receipt;

type Decide = dyn Fn(&Desk<'_>, &Context) -> Result<Plan, Halt> + Send + Sync;

/// A decision that was committed. Deciding again on the state before the commit gives the same events.
#[derive(Clone)]
pub struct DecisionRecord {
    /// The command.
    pub command: &'static str,
    /// What was drawn.
    pub context: Context,
    /// What was fetched.
    pub evidence: Evidence,
    /// What the key store signed.
    pub signatures: Vec<Signature>,
    /// What was committed.
    pub events: Vec<Event>,
    /// Where.
    pub receipt: Receipt,
    decide: Arc<Decide>,
}

impl DecisionRecord {
    pub(super) fn of<C: Command>(
        command: &C,
        context: &Context,
        evidence: &Evidence,
        signatures: &[Signature],
        events: &[Event],
        receipt: Receipt,
    ) -> Self {
        let command = command.clone();
        let decide = move |desk: &Desk<'_>, context: &Context| command.decide(desk, context);
        Self::decided(C::NAME, decide, context, evidence, signatures, events, receipt)
    }

    pub(super) fn decided(
        command: &'static str,
        decide: impl Fn(&Desk<'_>, &Context) -> Result<Plan, Halt> + Send + Sync + 'static,
        context: &Context,
        evidence: &Evidence,
        signatures: &[Signature],
        events: &[Event],
        receipt: Receipt,
    ) -> Self {
        Self {
            command,
            context: context.clone(),
            evidence: evidence.clone(),
            signatures: signatures.to_vec(),
            events: events.to_vec(),
            receipt,
            decide: Arc::new(decide),
        }
    }

    /// Decides again.
    ///
    /// # Errors
    /// [`Halt`], where the state is not the one that it was decided on.
    pub fn decide_again(&self, desk: &Desk<'_>) -> Result<Vec<Event>, Halt> {
        (self.decide)(desk, &self.context).map(|plan| plan.complete(&self.signatures))
    }
}

impl fmt::Debug for DecisionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionRecord")
            .field("command", &self.command)
            .field("context", &self.context)
            .field("receipt", &self.receipt)
            .finish_non_exhaustive()
    }
}

/// Keeps decisions. For tests only: it holds requests in memory.
pub trait Recorder: Send + Sync + 'static {
    /// Takes a decision that was committed.
    fn decided(&self, record: DecisionRecord);
}
