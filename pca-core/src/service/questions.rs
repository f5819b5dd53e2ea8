//! Questions about the whole log: pulled from it, never stored (architecture, projections).

use core::fmt;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::stream;

use crate::log::{Position, Recorded};
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
        let take = |recorded: &Recorded| projection.apply(recorded).map_err(|error| inconsistent(&error.to_string()));
        self.replay(Position::ZERO, until, take).await?;
        Ok(projection)
    }
}
