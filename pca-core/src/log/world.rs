//! Folded streams, and one decision's view of them.
//!
//! A *fold* is what a stream's events amount to. A [`World`] holds the folds of some streams, each at a revision. A
//! decision sees a world through a [`Desk`], which notes every stream that is looked at: the notes become the commit's
//! guards (rule L2), so that no guard is written by hand and none is forgotten.

use core::borrow::Borrow as _;
use core::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{
    CodecError, EventData, Metadata, Position, Revision, StreamEvent, StreamId, StreamName, StreamSlice, Timestamp,
};

/// Where an event stands when it is folded.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The commit's time (rule L9).
    pub time: Timestamp,
    /// The event's revision in the stream that is folded.
    pub revision: Revision,
    /// The event's position, or 0 while its commit has not been ordered.
    pub position: Position,
    /// Who, when, why.
    pub metadata: &'a Metadata,
}

/// What the events of a stream amount to. Folding cannot fail: what an event says has happened.
pub trait Fold: Clone + Send + Sync + 'static {
    /// The events.
    type Event: EventData;

    /// What an empty stream amounts to.
    fn begin(stream: &StreamId) -> Self;

    /// Takes an event in.
    fn evolve(&mut self, event: &Self::Event, moment: &Moment<'_>);
}

/// Folds of streams, each at a revision. Cloning shares the folds; they part when one of them goes on.
#[derive(Debug)]
pub struct World<F> {
    streams: HashMap<StreamId, Loaded<F>, RandomState>,
}

#[derive(Debug)]
struct Loaded<F> {
    revision: Revision,
    fold: Arc<F>,
}

impl<F> Clone for World<F> {
    fn clone(&self) -> Self {
        Self { streams: self.streams.clone() }
    }
}

impl<F> Clone for Loaded<F> {
    fn clone(&self) -> Self {
        Self { revision: self.revision, fold: Arc::clone(&self.fold) }
    }
}

impl<F> Default for World<F> {
    fn default() -> Self {
        Self { streams: HashMap::default() }
    }
}

impl<F: Fold> World<F> {
    /// The revision that a stream is folded up to, if it is here.
    #[must_use]
    pub fn revision(&self, stream: &StreamId) -> Option<Revision> {
        self.streams.get(stream).map(|loaded| loaded.revision)
    }

    /// The fold of a stream, if it is here.
    #[must_use]
    pub fn get(&self, stream: &StreamId) -> Option<&F> {
        self.streams.get(stream).map(|loaded| &*loaded.fold)
    }

    /// The fold of a stream to share, with its revision, if it is here.
    #[must_use]
    pub fn share(&self, stream: &StreamId) -> Option<(Revision, Arc<F>)> {
        self.streams.get(stream).map(|loaded| (loaded.revision, Arc::clone(&loaded.fold)))
    }

    /// How many streams are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether no stream is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// The streams that are here with their revisions, as [`EventStore::read`](crate::ports::EventStore::read) wants
    /// them in order to bring this world up to date.
    #[must_use]
    pub fn revisions(&self) -> Vec<(StreamId, Revision)> {
        self.streams.iter().map(|(stream, loaded)| (stream.clone(), loaded.revision)).collect()
    }

    /// Puts a fold in, made elsewhere.
    pub fn insert(&mut self, stream: StreamId, revision: Revision, fold: impl Into<Arc<F>>) {
        self.streams.insert(stream, Loaded { revision, fold: fold.into() });
    }

    /// Keeps only the streams that the condition holds for.
    pub fn retain(&mut self, mut keep: impl FnMut(&StreamId) -> bool) {
        self.streams.retain(|stream, _| keep(stream));
    }

    /// Takes a stream out.
    pub fn remove(&mut self, stream: &StreamId) {
        self.streams.remove(stream);
    }

    /// Folds what was read of a stream. A stream that is not here begins empty.
    ///
    /// # Errors
    /// [`CodecError`] if an event cannot be decoded; the stream then stands before that event.
    pub fn apply(&mut self, slice: &StreamSlice) -> Result<(), CodecError> {
        let loaded = self.entry(&slice.stream);
        slice.events.iter().try_for_each(|event| loaded.apply(event))
    }

    /// Folds the events of a commit that has not been ordered yet into those of its streams that are here, as if it had
    /// been, at a time.
    pub fn speculate(&mut self, events: &[F::Event], metadata: &Metadata, time: Timestamp) {
        events.iter().for_each(|event| self.speculate_in(event, &event.streams(), metadata, time));
    }

    /// As [`speculate`](Self::speculate), for an event whose streams are known already.
    pub fn speculate_in(&mut self, event: &F::Event, streams: &[StreamId], metadata: &Metadata, time: Timestamp) {
        for stream in streams {
            if let Some(loaded) = self.streams.get_mut(stream) {
                loaded.revision = loaded.revision.plus(1);
                let moment = Moment { time, revision: loaded.revision, position: Position::ZERO, metadata };
                Arc::make_mut(&mut loaded.fold).evolve(event, &moment);
            }
        }
    }

    /// A decision's view of this world.
    #[must_use]
    pub fn desk(&self) -> Desk<'_, F> {
        Desk::of(self, None)
    }

    /// A decision's view of this world and, for streams that are not here, of another.
    #[must_use]
    pub fn desk_beside<'w>(&'w self, beside: &'w Self) -> Desk<'w, F> {
        Desk::of(self, Some(beside))
    }

    fn entry(&mut self, stream: &StreamId) -> &mut Loaded<F> {
        self.streams
            .entry(stream.clone())
            .or_insert_with(|| Loaded { revision: Revision::ZERO, fold: Arc::new(F::begin(stream)) })
    }
}

impl<F: Fold> Loaded<F> {
    fn apply(&mut self, event: &StreamEvent) -> Result<(), CodecError> {
        if event.revision <= self.revision {
            return Ok(());
        }
        let commit = event.recorded.commit();
        let Some(view) = commit.event(event.index) else { return Ok(()) };
        let seal = event.recorded.seal();
        let moment = Moment {
            time: seal.time,
            revision: event.revision,
            position: seal.first.plus(u64::try_from(event.index).unwrap_or(u64::MAX)),
            metadata: commit.metadata(),
        };
        Arc::make_mut(&mut self.fold).evolve(&F::Event::decode(&view)?, &moment);
        self.revision = event.revision;
        Ok(())
    }
}

/// One decision's view of a [`World`]: it notes what is looked at.
#[derive(Debug)]
pub struct Desk<'w, F> {
    world: &'w World<F>,
    beside: Option<&'w World<F>>,
    reads: RefCell<Vec<(StreamId, Revision)>>,
}

impl<'w, F: Fold> Desk<'w, F> {
    fn of(world: &'w World<F>, beside: Option<&'w World<F>>) -> Self {
        // Most decisions look at a handful of streams.
        Self { world, beside, reads: RefCell::new(Vec::with_capacity(8)) }
    }

    /// Looks at a stream.
    ///
    /// # Errors
    /// [`Missing`] if the stream has not been loaded; load it and decide again.
    pub fn get(&self, stream: &StreamId) -> Result<&'w F, Missing> {
        self.get_known(stream).ok_or_else(|| Missing { stream: stream.clone() })
    }

    /// As [`get`](Self::get), by a name on the stack.
    pub(crate) fn get_named(&self, stream: &StreamName) -> Result<&'w F, Missing> {
        self.look(stream.octets()).ok_or_else(|| Missing { stream: (*stream).into() })
    }

    /// Looks at a stream if it has been loaded; one that has not is not asked for.
    pub fn get_known(&self, stream: &StreamId) -> Option<&'w F> {
        self.look(stream.borrow())
    }

    /// Claims a stream as new without reading it: a guard at revision 0. The commit conflicts if somebody has written to
    /// it, whatever is known of it here and whether it was looked at before or after.
    pub fn claim(&self, stream: &StreamId) {
        self.note(stream.clone(), Revision::ZERO);
    }

    /// Every look and claim as it was noted, for [`Commit::new`](super::Commit::new).
    #[must_use]
    pub fn into_notes(self) -> Vec<(StreamId, Revision)> {
        self.reads.into_inner()
    }

    /// Every stream that was looked at or claimed, at its revision.
    #[must_use]
    pub fn guards(&self) -> BTreeMap<StreamId, Revision> {
        let mut guards = BTreeMap::new();
        for (stream, revision) in self.reads.borrow().iter() {
            let noted: &mut Revision = guards.entry(stream.clone()).or_insert(*revision);
            *noted = (*noted).min(*revision);
        }
        guards
    }

    fn look(&self, stream: &[u8]) -> Option<&'w F> {
        let find = |world: &'w World<F>| world.streams.get_key_value(stream);
        let (stream, loaded) = find(self.world).or_else(|| find(self.beside?))?;
        self.note(stream.clone(), loaded.revision);
        Some(&*loaded.fold)
    }

    fn note(&self, stream: StreamId, revision: Revision) {
        // Kept as they come, without searching: a decision may look at tens of thousands of streams. Of several notes of
        // a stream the lowest revision is its guard, so that a claim stands.
        self.reads.borrow_mut().push((stream, revision));
    }
}

/// A decision needs a stream that has not been loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{stream} has not been loaded")]
pub struct Missing {
    /// The stream.
    pub stream: StreamId,
}
