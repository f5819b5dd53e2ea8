//! Reading commits back: from memory, or from disk with everything checked again.

use std::sync::Arc;

use pca_core::log::{
    Commit, CommitId, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamEvent, StreamId,
    StreamSlice, StreamsRead,
};

use super::format::{to_u64, to_usize};
use super::frames::{self, Source, Walk};
use super::index::{Fetch, Place};
use super::open::refused;
use super::shared::Shared;
use super::staging::State;

/// After so many octets of bodies no more commits are followed at once.
const AT_ONCE: usize = 64 * 1024 * 1024;

impl Shared {
    /// Several streams as of one position.
    pub(crate) fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        let (before, at) = self.end_of(as_of)?;
        let streams = streams
            .iter()
            .map(|(stream, after)| self.slice(stream, *after, before))
            .collect::<Result<_, StoreError>>()?;
        Ok(StreamsRead { at, streams })
    }

    /// Where the commits end that begin at a position or before, and the position of their last event.
    fn end_of(&self, as_of: Position) -> Result<(Place, Position), StoreError> {
        let (from, end) = {
            let state = self.lock();
            if as_of >= state.durable.position {
                return Ok((state.durable_end, state.durable.position));
            }
            (state.index.near(as_of), state.durable_end)
        };
        if as_of == Position::ZERO {
            return Ok((Place::start_of(0), Position::ZERO));
        }
        let mut walk = self.walk(from, end);
        match walk.next(as_of.get(), |place| self.cache().get(place)).map_err(|error| self.noticed(error))? {
            Some((_, recorded)) => Ok((walk.place(), recorded.seal().last())),
            None => Err(refused(format!("there is no commit at position {as_of}"))),
        }
    }

    /// A stream before a place, and its events there beyond a revision.
    fn slice(&self, stream: &StreamId, after: Revision, before: Place) -> Result<StreamSlice, StoreError> {
        let key = self.keys.stream(stream);
        self.look(
            |state| state.index.slice(key, after, before),
            |slice, runs| {
                let mut events = Events { stream, after, revision: slice.revision, newest_first: Vec::new() };
                let mut places = slice.places;
                places.reverse();
                events.take(&self.fetch(&places)?);
                if !events.are_complete() {
                    runs.newest_first(key, before, 1, |places| {
                        events.take(&self.fetch(places)?);
                        Ok((!events.are_complete()).then(|| events.missing()))
                    })?;
                }
                Ok(events.into_slice())
            },
        )
    }

    /// Whole commits behind a position.
    pub(crate) fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let wanted = after.plus(1);
        let (from, end) = {
            let state = self.lock();
            if after >= state.durable.position {
                return Ok(Vec::new());
            }
            (state.index.near(wanted), state.durable_end)
        };
        let mut walk = self.walk(from, end);
        let mut followed = Vec::new();
        let (mut events, mut octets) = (0_u64, 0);
        while events < to_u64(limit.max(1)) && octets < AT_ONCE {
            let next = walk.next(wanted.get(), |place| self.cache().get(place));
            let Some((_, recorded)) = next.map_err(|error| self.noticed(error))? else { break };
            events = events.saturating_add(u64::from(recorded.seal().count));
            octets = octets.saturating_add(recorded.commit().body().len());
            followed.push(recorded);
        }
        Ok(followed)
    }

    /// The receipt of a durable commit.
    pub(crate) fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        let key = self.keys.commit(&id);
        let here = |state: &State| state.index.known_here(key).filter(|place| *place < state.durable_end);
        let recorded = self.look(here, |here, runs| match here {
            Some(place) => Ok(self.fetch(&[place])?.pop()),
            None => Ok(runs.known(&id, key, self)?.map(|(_, recorded)| recorded)),
        })?;
        recorded.map(|recorded| receipt_for(&recorded, request)).transpose()
    }

    /// The receipt of the durable commit at a place, if it carried out the request.
    pub(crate) fn receipt_at(&self, place: Place, request: RequestDigest) -> Result<Receipt, StoreError> {
        let recorded = self.fetch(&[place])?.pop().ok_or_else(|| refused("a commit was not loaded".into()))?;
        receipt_for(&recorded, request)
    }

    fn walk(&self, from: Place, end: Place) -> Walk<impl FnMut(u32) -> Option<Source>> {
        Walk::new(self.log, from, end, |number| self.source(number))
    }

    fn source(&self, number: u32) -> Option<Source> {
        let state = self.lock();
        let segment = state.segments.get(to_usize(u64::from(number)))?;
        Some(Source { first: segment.first, file: Arc::clone(segment.file.as_ref()?), end: segment.end })
    }

    /// Takes no more commits when the log is damaged.
    pub(crate) fn noticed(&self, error: StoreError) -> StoreError {
        if let StoreError::Corrupt { .. } = &error {
            tracing::error!(%error, "the log is damaged; nothing more is taken");
            self.fail(&error.to_string(), false);
        }
        error
    }
}

impl Fetch for Shared {
    fn fetch(&self, places: &[Place]) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let mut fetched: Vec<Option<Arc<Recorded>>> = {
            let mut cache = self.cache();
            places.iter().map(|place| cache.get(*place)).collect()
        };
        let missing: Vec<Place> =
            places.iter().zip(&fetched).filter(|(_, fetched)| fetched.is_none()).map(|(place, _)| *place).collect();
        let read =
            frames::fetch(self.log, &missing, |number| self.source(number)).map_err(|error| self.noticed(error))?;
        self.keep(missing.into_iter().zip(read.iter().cloned()).collect());
        let mut read = read.into_iter();
        for slot in fetched.iter_mut().filter(|slot| slot.is_none()) {
            *slot = read.next();
        }
        fetched.into_iter().collect::<Option<_>>().ok_or_else(|| refused("a commit was not loaded".into()))
    }
}

/// What has been gathered of a stream.
struct Events<'s> {
    stream: &'s StreamId,
    after: Revision,
    revision: Option<Revision>,
    newest_first: Vec<StreamEvent>,
}

impl Events<'_> {
    /// Takes in commits, ascending, that are older than those before, or the same. One that does not concern the stream
    /// is passed over.
    fn take(&mut self, commits: &[Arc<Recorded>]) {
        for recorded in commits.iter().rev() {
            for event in events_of(recorded, self.stream).into_iter().rev() {
                self.revision.get_or_insert(event.revision);
                let older = self.newest_first.last().is_none_or(|newer| newer.revision > event.revision);
                if older && event.revision > self.after {
                    self.newest_first.push(event);
                }
            }
        }
    }

    /// How many events are missing, at least.
    fn missing(&self) -> u64 {
        let reached = match (self.newest_first.last(), self.revision) {
            (Some(oldest), _) => oldest.revision.get().saturating_sub(1),
            (None, Some(revision)) => revision.get(),
            (None, None) => return 1,
        };
        reached.saturating_sub(self.after.get())
    }

    fn are_complete(&self) -> bool {
        self.revision.is_some() && self.missing() == 0
    }

    fn into_slice(mut self) -> StreamSlice {
        self.newest_first.reverse();
        let revision = self.revision.unwrap_or(Revision::ZERO);
        StreamSlice { stream: self.stream.clone(), revision, events: self.newest_first }
    }
}

/// The events of a commit in a stream.
fn events_of(recorded: &Arc<Recorded>, stream: &StreamId) -> Vec<StreamEvent> {
    let commit: &Commit = recorded.commit();
    let guard = commit.guards().binary_search_by(|guard| guard.stream.cmp(stream)).ok();
    let moves = commit.moves().filter(|moved| Some(moved.guard) == guard);
    moves
        .map(|moved| StreamEvent { recorded: Arc::clone(recorded), index: moved.event, revision: moved.revision })
        .collect()
}

fn receipt_for(recorded: &Recorded, request: RequestDigest) -> Result<Receipt, StoreError> {
    let receipt = recorded.receipt();
    if receipt.request == request {
        Ok(receipt)
    } else {
        Err(StoreError::IdReused { id: receipt.commit, position: receipt.last })
    }
}
