//! Where everything is: index files for sealed segments, memory for what came after.
//!
//! Index files ([`runs`]) are caches: made anew from the log where they are missing, stale or damaged. Whatever they say
//! is compared with the log before it is believed; what they do not have their filters know without a look into them.

mod build;
mod filter;
mod keys;
mod layout;
mod part;
mod run;
mod runs;
mod shards;

use std::sync::Arc;

use pca_core::log::{Commit, Head, Position, Revision, Seal, StoreError, StreamId};

use super::format::LogId;
pub(crate) use build::Sealed;
pub(crate) use keys::Keys;
pub(crate) use layout::{Covered, Place, SUFFIX};
pub(crate) use part::Part;
pub(crate) use runs::{Fetch, Keeper, Loaded, Runs};
pub(crate) use shards::Key;

/// The index of a log. It holds staged commits, too; whoever reads says where the durable ones end.
pub(crate) struct Index {
    keys: Keys,
    runs: Arc<Runs>,
    /// Segments that were finished and that no index file covers yet.
    finished: Vec<Finished>,
    /// The last segment.
    last: Part,
}

/// A segment that takes no more commits.
struct Finished {
    part: Arc<Part>,
    /// What an index file says of it, once it is sealed.
    sealed: Option<Sealed>,
}

/// What is known of a commit before it is tried: under which keys its id and its streams are kept, and what the index
/// files say of them.
pub(crate) struct Prepared {
    pub(crate) id: Key,
    pub(crate) streams: Vec<Key>,
    /// The commit with the same id in the segments that the index files cover.
    known: Option<Place>,
    /// The revisions of the streams behind these segments; none if there are none.
    bases: Vec<Revision>,
    /// How many segments that were.
    covered: u32,
}

impl Prepared {
    pub(crate) fn new(keys: &Keys, commit: &Commit) -> Self {
        let streams = commit.guards().iter().map(|guard| keys.stream(&guard.stream)).collect();
        Self { id: keys.commit(&commit.id()), streams, known: None, bases: Vec::new(), covered: 0 }
    }

    /// The same with what index files know.
    pub(crate) fn looked_up(&self, commit: &Commit, runs: &Runs, fetch: &dyn Fetch) -> Result<Self, StoreError> {
        let guards = commit.guards().iter().zip(&self.streams);
        Ok(Self {
            id: self.id,
            streams: self.streams.clone(),
            known: runs.known(&commit.id(), self.id, fetch)?.map(|(place, _)| place),
            bases: guards.map(|(guard, key)| runs.revision(&guard.stream, *key, fetch)).collect::<Result<_, _>>()?,
            covered: runs.covered(),
        })
    }
}

/// What the index in memory knows of a stream before a place.
pub(crate) struct Slice {
    /// Its revision there; nothing if only the index files know.
    pub(crate) revision: Option<Revision>,
    /// The commits that moved it beyond the revision that was asked about, newest first.
    pub(crate) places: Vec<Place>,
}

impl Index {
    pub(crate) fn new(log: LogId, runs: Arc<Runs>) -> Self {
        let last = Part::new(runs.covered());
        Self { keys: Keys::new(log), runs, finished: Vec::new(), last }
    }

    pub(crate) fn keys(&self) -> Keys {
        self.keys
    }

    pub(crate) fn runs(&self) -> &Arc<Runs> {
        &self.runs
    }

    /// Whether index files have taken over since it was prepared what it would have to know.
    pub(crate) fn is_stale(&self, prepared: &Prepared) -> bool {
        prepared.covered < self.parts().next().map_or(0, |part| part.segment)
    }

    /// The commit with the same id.
    pub(crate) fn known(&self, prepared: &Prepared) -> Option<Place> {
        self.known_here(prepared.id).or(prepared.known)
    }

    /// The commit with an id, in memory.
    pub(crate) fn known_here(&self, id: Key) -> Option<Place> {
        self.parts().rev().find_map(|part| part.known(id))
    }

    /// Compares the guards of a commit with how many events their streams have.
    pub(crate) fn check_guards(&self, commit: &Commit, prepared: &Prepared) -> Result<(), StoreError> {
        let mut streams = prepared.streams.iter().enumerate();
        commit.check_guards(|_| {
            let Some((number, key)) = streams.next() else { return Revision::ZERO };
            let base = || prepared.bases.get(number).copied().unwrap_or(Revision::ZERO);
            self.parts().rev().find_map(|part| part.revision(*key)).unwrap_or_else(base)
        })
    }

    /// The newest commit with an event in a stream, if it is in memory.
    pub(crate) fn newest_in(&self, stream: &StreamId) -> Option<Place> {
        let key = self.keys.stream(stream);
        self.parts().rev().find_map(|part| part.newest(key))
    }

    /// What became of a stream before a place, beyond a revision.
    pub(crate) fn slice(&self, key: Key, after: Revision, before: Place) -> Slice {
        let mut slice = Slice { revision: None, places: Vec::new() };
        for part in self.parts().rev() {
            if let Some(touched) = part.touched(key, after, before) {
                slice.revision.get_or_insert(touched.revision);
                slice.places.extend(touched.places);
            }
        }
        slice
    }

    /// Where a commit begins that begins at a position or before, and not long before.
    pub(crate) fn near(&self, position: Position) -> Place {
        let here = self.parts().rev().find_map(|part| part.begun_by(position));
        here.or_else(|| self.runs.milestone(position)).unwrap_or(Place::start_of(0))
    }

    /// Takes in the next commit, whose guards hold.
    pub(crate) fn push(&mut self, seal: &Seal, commit: &Commit, prepared: &Prepared, offset: u32) {
        self.last.push(seal, commit, prepared, offset);
    }

    /// The next commits go into another segment.
    pub(crate) fn begin_segment(&mut self) {
        let next = Part::new(self.last.segment.saturating_add(1));
        let part = Arc::new(core::mem::replace(&mut self.last, next));
        self.finished.push(Finished { part, sealed: None });
    }

    /// A segment was sealed behind a head and is durable.
    pub(crate) fn seal(&mut self, segment: u32, covered: Covered, head: Head) {
        if let Some(finished) = self.finished.iter_mut().find(|finished| finished.part.segment == segment) {
            finished.sealed = Some(Sealed { part: Arc::clone(&finished.part), covered, head });
        }
    }

    /// The sealed segments that index files can cover next.
    pub(crate) fn sealed(&self) -> Vec<Sealed> {
        self.finished.iter().map_while(|finished| finished.sealed.clone()).collect()
    }

    /// Takes index files in place of memory. What is forgotten is handed out, to be dropped outside of a lock.
    #[must_use]
    pub(crate) fn adopt(&mut self, runs: Arc<Runs>) -> Vec<Arc<Part>> {
        let covered = runs.covered();
        self.runs = runs;
        let (forgotten, kept) = self.finished.drain(..).partition(|finished| finished.part.segment < covered);
        self.finished = kept;
        let forgotten: Vec<Finished> = forgotten;
        forgotten.into_iter().map(|finished| finished.part).collect()
    }

    /// Takes fewer index files, and in memory what is not covered any more.
    pub(crate) fn replace(&mut self, runs: Arc<Runs>, sealed: Vec<Sealed>) {
        let again = sealed.into_iter().map(|sealed| Finished { part: Arc::clone(&sealed.part), sealed: Some(sealed) });
        self.finished = again.chain(self.finished.drain(..)).collect();
        self.runs = runs;
    }

    /// How many finished segments it holds in memory.
    pub(crate) fn finished(&self) -> usize {
        self.finished.len()
    }

    /// How many commits it holds in memory.
    pub(crate) fn in_memory(&self) -> u64 {
        self.parts().map(Part::count).sum()
    }

    fn parts(&self) -> impl DoubleEndedIterator<Item = &Part> {
        self.finished.iter().map(|finished| finished.part.as_ref()).chain(core::iter::once(&self.last))
    }
}
