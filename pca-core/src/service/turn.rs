//! Turns at busy streams: whoever lost a race for a stream waits in line, and commands of this service
//! that have no turn yet stand behind the line. Lanes take turns by the store's lease.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::Event;
use crate::log::{EventData as _, StreamId};
use crate::ports::Lease;

use super::{Error, Inner, Pca};

/// The streams at which commands of this service have their turn or wait for it, and how many do.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<HashMap<StreamId, usize>>);

impl Lines {
    /// The first stream that these events would move while others stand in line for it.
    pub(super) fn of(&self, events: &[Event]) -> Option<StreamId> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return None;
        }
        events.iter().flat_map(Event::streams).find(|stream| lines.contains_key(stream))
    }

    fn join(&self, stream: &StreamId) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = lines.entry(stream.clone()).or_default();
        *count = count.saturating_add(1);
    }

    fn leave(&self, stream: &StreamId) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = lines.get_mut(stream) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                lines.remove(stream);
            }
        }
    }
}

/// A turn at a stream; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _lease: Lease,
    place: Place<'a>,
}

/// A place in the line for a stream, also while its owner waits.
#[derive(Debug)]
struct Place<'a> {
    lines: &'a Lines,
    stream: StreamId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.lines.leave(&self.stream);
    }
}

impl Turn<'_> {
    /// Whether it is a turn at this stream.
    pub(super) fn is_at(&self, stream: &StreamId) -> bool {
        self.place.stream == *stream
    }
}

impl Inner {
    fn place(&self, stream: StreamId) -> Place<'_> {
        self.lines.join(&stream);
        Place { lines: &self.lines, stream }
    }
}

impl Pca {
    /// A turn at a stream. A lane of this process that holds it is driven on while it is waited for.
    pub(super) async fn turn(&self, stream: StreamId) -> Result<Turn<'_>, Error> {
        let lane = self.lane_of(&stream);
        let place = self.inner.place(stream);
        let lease = self.inner.store.lease(&place.stream);
        let lease = match lane {
            Some(lane) => lane.sit().wait(lease).await?,
            None => lease.await?,
        };
        Ok(Turn { _lease: lease, place })
    }
}
