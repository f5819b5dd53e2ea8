//! What would happen: any command, without being carried out (rule L7).

use crate::domain::Command;
use crate::domain::event::Event;
use crate::log::{Revision, StreamId};

use super::execute::reused;
use super::session::Session;
use super::{Call, Error, Pca, time};

/// What a command would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The events that would be committed. Keys are made up, certificates are not signed and are empty.
    pub events: Vec<Event>,
    /// The streams that would move.
    pub moved: Vec<Moved>,
    /// The streams that the decision read.
    pub read: Vec<StreamId>,
}

/// A stream that a command would move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The stream.
    pub stream: StreamId,
    /// Its revision now.
    pub from: Revision,
    /// Its revision then.
    pub to: Revision,
}

impl Pca {
    /// Decides a command without carrying it out: nothing is stored, and no key is kept.
    ///
    /// A call may name the time for a preview on any log (rule L9).
    ///
    /// # Errors
    /// [`Error::Refused`] with every rule that the command would break, or trouble of a store.
    pub async fn preview<C: Command>(&self, command: &C, call: &Call) -> Result<Preview, Error> {
        let inner = &*self.inner;
        self.authorize(call, C::NAME, command.scope()).await?;
        let identity = self.identify(C::NAME, &command.canonical(), call)?;
        if call.chosen_commit().is_some() {
            // A repeat is shown as it would be decided now; a key that another request used is refused (rule O6).
            inner.store.receipt(identity.commit, identity.request).await.map_err(reused)?;
        }
        let head = inner.store.head().await?;
        let clock = call.now.unwrap_or_else(|| inner.clock.now());
        let time = time::decided_at(clock, &head);
        let context = crate::domain::Context { time, commit: identity.commit, seed: inner.seed()? };
        let mut session = Session::rehearsing(inner, context);
        let decision = session.decide(command).await??;
        let events = decision.plan.events().to_vec();
        let mut moved: Vec<Moved> = Vec::new();
        for stream in events.iter().flat_map(crate::log::EventData::streams) {
            match moved.iter_mut().find(|moved| moved.stream == stream) {
                Some(known) => known.to = known.to.plus(1),
                None => {
                    let from = decision.guards.get(&stream).copied().unwrap_or_default();
                    moved.push(Moved { stream, from, to: from.plus(1) });
                }
            }
        }
        Ok(Preview { events, moved, read: decision.guards.into_keys().collect() })
    }
}
