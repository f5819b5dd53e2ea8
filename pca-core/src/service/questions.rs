//! Questions about the whole log, or about some streams of it: pulled from it, never stored (architecture, projections).

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::stream;

use crate::log::{Position, Recorded, Revision, StreamId};
use crate::projection::Projection;

use super::session::inconsistent;
use super::{Error, Pca};

/// How many events are read at once.
const BATCH: usize = 4096;

impl Pca {
    /// The log from a position on, in order, and whatever is to come: for outboxes and read models of one's own. Keep the
    /// last position and begin behind it again after a restart.
    pub fn follow(&self, after: Position) -> impl Stream<Item = Result<Arc<Recorded>, Error>> + Send + '_ {
        stream::unfold((after, Vec::new().into_iter(), false), move |(mut after, mut batch, failed)| async move {
            if failed {
                return None;
            }
            loop {
                if let Some(recorded) = Iterator::next(&mut batch) {
                    let recorded: Arc<Recorded> = recorded;
                    after = recorded.seal().last();
                    return Some((Ok(recorded), (after, batch, false)));
                }
                let more = match self.inner.store.follow(after, BATCH).await {
                    Ok(more) if more.is_empty() => self.inner.store.grown(after).await.map(|_| Vec::new()),
                    other => other,
                };
                match more {
                    Ok(more) => batch = more.into_iter(),
                    Err(error) => return Some((Err(error.into()), (after, batch, true))),
                }
            }
        })
    }

    /// Gives every commit from a position on, up to and with the one that holds `until`, to a projection; stops at the
    /// head. A position inside a commit stands for its last.
    ///
    /// # Errors
    /// Trouble of the event store, or what the projection objects to.
    pub async fn replay(
        &self,
        after: Position,
        until: Position,
        mut take: impl FnMut(&Recorded) -> Result<(), Error> + Send,
    ) -> Result<Position, Error> {
        let mut after = after;
        while after < until {
            let batch = self.inner.store.follow(after, BATCH).await?;
            if batch.is_empty() {
                break;
            }
            for recorded in batch {
                if recorded.seal().first > until {
                    return Ok(after);
                }
                take(&recorded)?;
                after = recorded.seal().last();
            }
        }
        Ok(after)
    }

    /// Builds a projection from the log, up to and with the commit that holds `until`; [`Position::MAX`] is the newest.
    ///
    /// # Errors
    /// Trouble of the event store; [`Error::Inconsistent`] with what the projection objects to.
    pub async fn project<P>(&self, until: Position) -> Result<P, Error>
    where
        P: Projection + Send,
        P::Error: fmt::Display,
    {
        let mut projection = P::default();
        self.replay_into(&mut projection, until).await?;
        Ok(projection)
    }

    /// Brings a projection up to date: from where it stands, up to and with the commit that holds `until`.
    ///
    /// # Errors
    /// As [`project`](Self::project).
    pub async fn replay_into<P>(&self, projection: &mut P, until: Position) -> Result<(), Error>
    where
        P: Projection + Send,
        P::Error: fmt::Display,
    {
        let after = projection.position();
        let take = |recorded: &Recorded| projection.apply(recorded).map_err(|error| inconsistent(&error.to_string()));
        self.replay(after, until, take).await?;
        Ok(())
    }

    /// Builds a projection from the commits of some streams only, as of one position: for a question about one thing, to
    /// which the rest of the log does not matter. It is right about what those streams tell, and knows of all else only
    /// what the same commits happen to say.
    ///
    /// A certificate's status takes its own stream and that of its CA; an order takes its own.
    ///
    /// # Errors
    /// As [`project`](Self::project).
    pub async fn project_streams<P>(&self, streams: &[StreamId], as_of: Position) -> Result<P, Error>
    where
        P: Projection + Send,
        P::Error: fmt::Display,
    {
        let wanted: Vec<_> = streams.iter().map(|stream| (stream.clone(), Revision::ZERO)).collect();
        let read = self.inner.store.read(&wanted, as_of).await?;
        let events = read.streams.into_iter().flat_map(|slice| slice.events);
        // A commit may stand in several of them, and several times in one.
        let commits: BTreeMap<Position, Arc<Recorded>> =
            events.map(|event| (event.recorded.seal().first, event.recorded)).collect();
        let mut projection = P::default();
        for recorded in commits.values() {
            projection.apply(recorded).map_err(|error| inconsistent(&error.to_string()))?;
        }
        Ok(projection)
    }
}
