//! The index files of a log: neighbours, oldest first, each several times as large as the one after it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use pca_core::log::{Commit, CommitId, Head, Position, Recorded, Revision, StoreError, StreamId};

use super::build::{Material, Sealed};
use super::layout::{Place, SUFFIX};
use super::run::Run;
use super::shards::Key;
use crate::log::disk::{Disk, Mode};
use crate::log::format::LogId;
use crate::log::open::failed;
use crate::log::segment::{self, Segment};

/// A file that has not as many times the entries of those after it is merged with them.
const RATIO: u64 = 4;
/// There are never more files than this.
const MOST: usize = 4;
/// How many revisions of streams are kept at hand.
const AT_HAND: usize = 64 * 1024;
/// How many commits that may concern a stream are looked up in a file at once, at most.
const CHUNK: u64 = 1024;

/// Fetches commits that the index files name.
pub(crate) trait Fetch {
    /// The commits at these places, ascending.
    fn fetch(&self, places: &[Place]) -> Result<Vec<Arc<Recorded>>, StoreError>;
}

pub(crate) struct Runs {
    runs: Vec<Arc<Run>>,
    /// Revisions that were looked up.
    at_hand: Mutex<HashMap<Key, Revision>>,
}

impl Runs {
    pub(crate) fn new(runs: Vec<Arc<Run>>) -> Self {
        Self { runs, at_hand: Mutex::default() }
    }

    /// How many segments are covered.
    pub(crate) fn covered(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.summary.next_segment())
    }

    /// The files that cover none but so many segments.
    pub(crate) fn within(&self, segments: usize) -> Self {
        let within = |run: &&Arc<Run>| usize::try_from(run.summary.next_segment()).is_ok_and(|next| next <= segments);
        Self::new(self.runs.iter().take_while(within).cloned().collect())
    }

    /// The files before the one with a name, and the names of the others.
    pub(crate) fn before(&self, name: &str) -> (Self, Vec<String>) {
        let count = self.runs.iter().position(|run| run.summary.name() == name).unwrap_or_default();
        let (kept, others) = self.runs.split_at_checked(count).unwrap_or_default();
        (Self::new(kept.to_vec()), others.iter().map(|run| run.summary.name()).collect())
    }

    /// The newest commit that is covered.
    pub(crate) fn head(&self) -> Head {
        self.runs.last().map_or(Head::GENESIS, |run| run.summary.head)
    }

    /// The revision of a stream behind what is covered.
    pub(crate) fn revision(&self, stream: &StreamId, key: Key, fetch: &dyn Fetch) -> Result<Revision, StoreError> {
        if self.runs.is_empty() {
            return Ok(Revision::ZERO);
        }
        if let Some(revision) = self.at_hand().get(&key) {
            return Ok(*revision);
        }
        let mut revision = Revision::ZERO;
        self.newest_first(key, Place { segment: u32::MAX, offset: u32::MAX }, 1, |places| {
            for recorded in fetch.fetch(places)?.iter().rev() {
                if let Some(behind) = behind(recorded.commit(), stream) {
                    revision = behind;
                    return Ok(None);
                }
            }
            Ok(Some(CHUNK))
        })?;
        if revision > Revision::ZERO {
            let mut at_hand = self.at_hand();
            if at_hand.len() >= AT_HAND {
                at_hand.clear();
            }
            at_hand.insert(key, revision);
        }
        Ok(revision)
    }

    /// The covered commit with an id.
    pub(crate) fn known(
        &self,
        id: &CommitId,
        key: Key,
        fetch: &dyn Fetch,
    ) -> Result<Option<(Place, Arc<Recorded>)>, StoreError> {
        let mut known = None;
        self.newest_first(key, Place { segment: u32::MAX, offset: u32::MAX }, CHUNK, |places| {
            let fetched = fetch.fetch(places)?;
            known = places.iter().copied().zip(fetched).find(|(_, recorded)| recorded.commit().id() == *id);
            Ok(known.is_none().then_some(CHUNK))
        })?;
        Ok(known)
    }

    /// Shows the commits before a place that may have a key, the newest first, so many at a time as asked for; each time
    /// ascending. Ends when no more are wanted.
    pub(crate) fn newest_first(
        &self,
        key: Key,
        before: Place,
        first: u64,
        mut show: impl FnMut(&[Place]) -> Result<Option<u64>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut wanted = first;
        for run in self.runs.iter().rev() {
            let mut range = run.having(key.short(), before)?;
            while range.start < range.end {
                let from = range.end.saturating_sub(wanted.clamp(1, CHUNK)).max(range.start);
                match show(&run.places(from..range.end)?)? {
                    Some(more) => wanted = more,
                    None => return Ok(()),
                }
                range.end = from;
            }
        }
        Ok(())
    }

    /// A commit that begins at a position or before, and not long before, as far as is covered.
    pub(crate) fn milestone(&self, position: Position) -> Option<Place> {
        self.runs.iter().rev().find_map(|run| run.milestone(position))
    }

    fn at_hand(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Revision>> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The revision of a stream behind a commit that moves it.
pub(crate) fn behind(commit: &Commit, stream: &StreamId) -> Option<Revision> {
    let guard = commit.guards().binary_search_by(|guard| guard.stream.cmp(stream)).ok()?;
    commit.moves().filter(|moved| moved.guard == guard).map(|moved| moved.revision).last()
}

/// What there is of index files.
pub(crate) struct Loaded {
    pub(crate) runs: Runs,
    /// The segments that they cover.
    pub(crate) segments: Vec<Segment>,
    /// Files that are of no use, and why.
    pub(crate) useless: Vec<(String, String)>,
}

/// Makes, merges and removes index files.
pub(crate) struct Keeper {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) log: LogId,
}

impl Keeper {
    /// Opens the index files of a log, as far as they cover it from its beginning and fit what is there: the first
    /// positions of the segments, ascending.
    pub(crate) fn load(&self, there: &[u64]) -> Result<Loaded, StoreError> {
        let names = self.disk.list(&self.directory).map_err(failed("the directory cannot be read", &self.directory))?;
        let mut names: Vec<String> = names.into_iter().filter(|name| name.ends_with(SUFFIX)).collect();
        // The one that covers most of what begins at the same position comes first.
        names.sort_by(|one, other| one.get(..20).cmp(&other.get(..20)).then(other.cmp(one)));
        let mut useless = Vec::new();
        let (mut runs, mut segments): (Vec<Arc<Run>>, Vec<Segment>) = (Vec::new(), Vec::new());
        for name in names {
            let before = runs.last().map_or(Head::GENESIS, |run| run.summary.head);
            let loaded = match Run::open(self.disk.as_ref(), &self.directory, &name, self.log)? {
                Ok(run) => self.covered(&run, segments.len(), before, there)?.map(|covered| (covered, run)),
                Err(reason) => Err(reason),
            };
            match loaded {
                Ok((covered, run)) => {
                    segments.extend(covered);
                    runs.push(Arc::new(run));
                }
                Err(reason) => useless.push((name, reason)),
            }
        }
        Ok(Loaded { runs: Runs::new(runs), segments, useless })
    }

    /// The segments that a file covers, if they are those that are there: behind so many others and a head.
    fn covered(
        &self,
        run: &Run,
        number: usize,
        before: Head,
        there: &[u64],
    ) -> Result<Result<Vec<Segment>, String>, StoreError> {
        let trouble = || failed("a segment cannot be read", &self.directory);
        let summary = &run.summary;
        if usize::try_from(summary.first_segment) != Ok(number) {
            return Ok(Err("other files cover the same segments, or one is missing before it".into()));
        }
        let there = there.get(number..).unwrap_or_default();
        let named = summary.segments.iter().map(|segment| segment.first);
        // The last segment is not sealed; the one behind those that are covered says what it continues.
        let Some(next) =
            there.get(summary.segments.len()).filter(|_| named.eq(there.iter().copied().take(summary.segments.len())))
        else {
            return Ok(Err("it covers segments that are not there".into()));
        };
        let open = |first: u64| {
            let opened = segment::open(self.disk.as_ref(), &self.directory, first, Mode::Read);
            let (file, start) = opened.map_err(trouble())?;
            let fits = start.ok().filter(|start| start.log == self.log && start.first() == first);
            Ok::<_, StoreError>(fits.map(|start| (file, start)))
        };
        let misfit = |first: u64| Ok(Err(format!("the header of segment {first:020} does not fit")));
        let mut segments = Vec::with_capacity(summary.segments.len());
        for covered in &summary.segments {
            let Some((file, start)) = open(covered.first)? else { return misfit(covered.first) };
            if segments.is_empty() && start.before != before {
                return Ok(Err("it does not continue the file before it".into()));
            }
            if file.length().map_err(trouble())? != covered.length {
                return Ok(Err(format!("segment {:020} has another length than it had", covered.first)));
            }
            segments.push(Segment { first: covered.first, file: Some(file), end: covered.end });
        }
        match open(*next)? {
            Some((_, start)) if start.before == summary.head => Ok(Ok(segments)),
            Some(_) => Ok(Err(format!("segment {next:020} does not continue what it covers"))),
            None => misfit(*next),
        }
    }

    /// Index files that cover sealed segments, too, merged where there would be many small ones, if that are not more
    /// entries than `most`; and the names of those that they replace, to be removed when nobody looks for them any more.
    /// Nothing if it was stopped.
    pub(crate) fn cover(
        &self,
        runs: &Runs,
        sealed: &[Sealed],
        most: u64,
        stop: &AtomicBool,
    ) -> Result<Option<(Runs, Vec<String>)>, StoreError> {
        let kept = runs.kept(sealed, most);
        let (kept, merged) = runs.runs.split_at_checked(kept).unwrap_or((&runs.runs, &[]));
        if sealed.is_empty() && merged.len() < 2 {
            return Ok(None);
        }
        let material = Material { runs: merged, sealed };
        let Some(built) = material.build(self.disk.as_ref(), &self.directory, self.log, stop)? else { return Ok(None) };
        let mut all = kept.to_vec();
        all.push(Arc::new(built));
        Ok(Some((Runs::new(all), merged.iter().map(|run| run.summary.name()).collect())))
    }

    /// Removes files that are of no use; one that cannot be removed stays.
    pub(crate) fn discard(&self, names: &[String]) {
        for name in names {
            if let Err(error) = self.remove(core::slice::from_ref(name)) {
                tracing::warn!(%error, name, "it stays, and is of no use");
            }
        }
    }

    /// Removes files; one that is not there is none.
    pub(crate) fn remove(&self, names: &[String]) -> Result<(), StoreError> {
        for name in names {
            match self.disk.remove(&self.directory.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(failed("an index cannot be removed", &self.directory)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Runs {
    /// Whether merging would leave fewer files.
    pub(crate) fn wants_merging(&self) -> bool {
        self.kept(&[], u64::MAX).saturating_add(1) < self.runs.len()
    }

    /// How many files stay as they are when segments are added; without any, the last file counts as added. All do where
    /// more entries than `most` would be merged.
    fn kept(&self, sealed: &[Sealed], most: u64) -> usize {
        let mut sizes: Vec<u64> = self.runs.iter().map(|run| run.summary.entries).collect();
        let fresh: u64 = sealed.iter().map(|sealed| sealed.part.entry_count()).sum();
        let fresh = if sealed.is_empty() { sizes.pop().unwrap_or_default() } else { fresh };
        let kept = kept(&sizes, fresh);
        let merged = sizes.iter().skip(kept).fold(fresh, |sum, size| sum.saturating_add(*size));
        if merged > most { self.runs.len() } else { kept }
    }
}

/// How many files stay as they are when so many entries come.
fn kept(sizes: &[u64], fresh: u64) -> usize {
    let mut total = fresh;
    let mut kept = sizes.len();
    while let Some(size) = kept.checked_sub(1).and_then(|last| sizes.get(last)) {
        let small = total > 0 && *size < total.saturating_mul(RATIO);
        if !small && kept < MOST {
            break;
        }
        total = total.saturating_add(*size);
        kept -= 1;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stay_few_and_each_is_several_times_as_large_as_the_next() {
        let mut sizes: Vec<u64> = Vec::new();
        let mut written = 0;
        for _ in 0..300 {
            let stay = kept(&sizes, 100);
            let merged: u64 = sizes.drain(stay..).sum();
            sizes.push(merged + 100);
            written += merged + 100;
            assert!(sizes.len() <= MOST, "{sizes:?}");
            assert!(sizes.windows(2).all(|pair| pair.iter().rev().is_sorted()), "{sizes:?}");
        }
        assert_eq!(sizes.iter().sum::<u64>(), 30_000);
        assert!(written < 30_000 * 14, "each entry is written {} times", written / 30_000);
    }
}
