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

#[cfg(feature = "fuzzing")]
pub(crate) use layout::mend;

/// Reads an index file whole and looks each key up in it. Answers the file as it is written from what was read.
#[cfg(feature = "fuzzing")]
pub(crate) fn whole(file: Arc<dyn super::disk::DiskFile>) -> Result<Vec<u8>, StoreError> {
    let run = run::Run::of(file, "fuzzed.index")?;
    let entries = run.scan().collect::<Result<Vec<_>, _>>()?;
    for entry in entries.iter().step_by(100) {
        let having = run.having(entry.key, Place { segment: u32::MAX, offset: u32::MAX })?;
        run.places(having.start..having.end.min(having.start.saturating_add(300)))?;
    }
    run.milestone(run.summary.head.position);
    let mut written = Vec::new();
    for (page, number) in entries.chunks(255).zip(0..) {
        let mut octets: Vec<u8> = page.iter().flat_map(layout::Entry::encode).collect();
        layout::seal_page(&mut octets, run.summary.log, run.summary.first_segment, number);
        written.append(&mut octets);
    }
    written.extend(run.summary.encode(&run.filter));
    Ok(written)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]
    use std::sync::atomic::AtomicBool;

    use pca_core::log::{Head, Recorded};
    use pca_store_testkit::draft::Draft;

    use super::*;
    use crate::log::disk::OsDisk;

    const LOG: LogId = LogId([7; 16]);

    /// Commits by their offsets in the first segment.
    struct Shelf(Vec<Arc<Recorded>>);

    impl Fetch for Shelf {
        fn fetch(&self, places: &[Place]) -> Result<Vec<Arc<Recorded>>, StoreError> {
            Ok(places.iter().map(|place| Arc::clone(&self.0[place.offset as usize])).collect())
        }
    }

    fn keeper(directory: &std::path::Path) -> Keeper {
        Keeper { disk: Arc::new(OsDisk), directory: directory.into(), log: LOG }
    }

    /// Streams and ids whose keys begin alike are told apart by what the log says.
    #[test]
    fn names_that_share_a_number_in_a_file_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let mut part = Part::new(0);
        let (mut head, mut shelf) = (Head::GENESIS, Vec::new());
        let alike = |number: u64| Key([42, number]);
        for (number, stream) in (0..10_u64).zip(["a", "b"].into_iter().cycle()) {
            let commit = Draft::single(&number.to_string(), stream, number / 2).unwrap();
            let prepared = Prepared {
                id: alike(100 + number),
                streams: vec![alike(number % 2)],
                ..Prepared::new(&Keys::new(LOG), &commit)
            };
            let seal = head.seal(&commit);
            head = seal.head();
            part.push(&seal, &commit, &prepared, u32::try_from(number).unwrap());
            shelf.push(Arc::new(Recorded::new(seal, commit)));
        }
        let covered = Covered { first: 1, end: 10, length: 10 };
        let sealed = [Sealed { part: Arc::new(part), covered, head }];
        let none = Runs::new(Vec::new());
        let stop = AtomicBool::new(false);
        let (runs, replaced) = keeper(directory.path()).cover(&none, &sealed, u64::MAX, &stop).unwrap().unwrap();
        assert!(replaced.is_empty());
        let shelf = Shelf(shelf);
        let stream = |name: &str| StreamId::parse(name).unwrap();
        assert_eq!(runs.revision(&stream("a"), alike(0), &shelf), Ok(Revision::new(5)));
        assert_eq!(runs.revision(&stream("b"), alike(1), &shelf), Ok(Revision::new(5)));
        assert_eq!(runs.revision(&stream("c"), alike(2), &shelf), Ok(Revision::ZERO));
        for (recorded, number) in shelf.0.iter().zip(0..) {
            let found = runs.known(&recorded.commit().id(), alike(100 + number), &shelf).unwrap();
            assert_eq!(found.map(|(place, _)| u64::from(place.offset)), Some(number));
        }
        let other = Draft::single("other", "a", 5).unwrap();
        assert_eq!(runs.known(&other.id(), alike(200), &shelf), Ok(None));
    }

    /// A sector that was never written shows what another file had there.
    #[test]
    fn a_page_of_another_file_under_the_same_number_is_damage() {
        use std::os::unix::fs::FileExt as _;

        let directory = tempfile::tempdir().unwrap();
        let keeper = keeper(directory.path());
        let head = Head::GENESIS;
        let sealed = |segment: u32| {
            let mut part = Part::new(segment);
            for number in 0..600_u32 {
                let name = format!("{segment}/{number}");
                let commit = Draft::single(&name, &name, 0).unwrap();
                part.push(&head.seal(&commit), &commit, &Prepared::new(&Keys::new(LOG), &commit), 96 + number);
            }
            let covered = Covered { first: 1 + u64::from(segment), end: 200, length: 312 };
            Sealed { part: Arc::new(part), covered, head: Head { position: Position::new(u64::from(segment)), ..head } }
        };
        let (none, stop) = (Runs::new(Vec::new()), AtomicBool::new(false));
        let (small, _) = keeper.cover(&none, &[sealed(0)], u64::MAX, &stop).unwrap().unwrap();
        let name = |runs: &Runs| directory.path().join(&runs.before("").1[0]);
        let small_file = std::fs::read(name(&small)).unwrap();
        let (large, _) = keeper.cover(&small, &[sealed(1)], u64::MAX, &stop).unwrap().unwrap();
        let look = || {
            (0..600).try_for_each(|number| {
                let key = Keys::new(LOG).stream(&StreamId::parse(&format!("1/{number}")).unwrap());
                large.newest_first(key, Place { segment: 9, offset: 0 }, 1, |_| Ok(None))
            })
        };
        look().unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(name(&large)).unwrap();
        file.write_all_at(&small_file[..4096 * 4], 0).unwrap();
        assert!(matches!(look(), Err(StoreError::Corrupt { reason, .. }) if reason.contains("another file")));
    }

    #[test]
    fn a_merge_that_is_stopped_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let commit = Draft::single("one", "a", 0).unwrap();
        let seal = Head::GENESIS.seal(&commit);
        let mut part = Part::new(0);
        part.push(&seal, &commit, &Prepared::new(&Keys::new(LOG), &commit), 96);
        let covered = Covered { first: 1, end: 200, length: 312 };
        let sealed = [Sealed { part: Arc::new(part), covered, head: seal.head() }];
        let none = Runs::new(Vec::new());
        let stopped = keeper(directory.path()).cover(&none, &sealed, u64::MAX, &AtomicBool::new(true));
        assert!(matches!(stopped, Ok(None)));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
