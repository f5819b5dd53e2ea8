//! Making the index anew where a file of it turns out to be damaged while the log is open.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pca_core::log::StoreError;

use super::frames::{Source, Walk};
use super::index::{Covered, Part, Place, Prepared, Runs, Sealed};
use super::open::{damaged_index, refused};
use super::segment::Segment;
use super::shared::Shared;
use super::staging::State;

/// So many segments are held in memory before a file is made of them.
const MANY: usize = 8;

impl Shared {
    /// Looks something up in memory, and with that in the index files of the same moment. Where one of these is damaged, it
    /// and those behind it are made anew, and the look is repeated.
    pub(crate) fn look<M, T>(
        &self,
        memory: impl Fn(&State) -> M,
        files: impl Fn(M, &Runs) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            let (remembered, runs) = {
                let state = self.lock();
                (memory(&state), Arc::clone(state.index.runs()))
            };
            match files(remembered, &runs) {
                Err(error) if damaged_index(&error).is_some() => self.reindex(&runs, &error)?,
                found => return found.map_err(|error| self.noticed(error)),
            }
        }
    }

    pub(crate) fn reindex(&self, damaged: &Arc<Runs>, error: &StoreError) -> Result<(), StoreError> {
        let alone = self.indexing();
        let (segments, is_writing): (Vec<Segment>, bool) = {
            let state = self.lock();
            if !Arc::ptr_eq(state.index.runs(), damaged) {
                // Somebody else was faster, or files were merged.
                return Ok(());
            }
            (state.segments.clone(), state.end.is_none())
        };
        tracing::warn!(%error, "a part of the index is damaged and is made anew");
        let Some(name) = damaged_index(error) else { return Ok(()) };
        // Who has closed the log leaves its directory alone, which somebody else may write to now.
        let mut keeper = self.keeper.get().filter(|_| is_writing);
        let (mut runs, gone) = damaged.before(name);
        if let Some(keeper) = keeper {
            keeper.discard(&gone);
        }
        let mut sealed: Vec<Sealed> = Vec::new();
        for number in runs.covered()..damaged.covered() {
            sealed.push(self.read_again(number, &segments)?);
            let Some(maker) = keeper.filter(|_| sealed.len() >= MANY) else { continue };
            match maker.cover(&runs, &sealed, u64::MAX, &AtomicBool::new(false)) {
                Ok(Some((fresh, replaced))) => {
                    runs = fresh;
                    maker.discard(&replaced);
                    sealed.clear();
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "an index file cannot be made: the index stays in memory");
                    keeper = None;
                }
            }
        }
        self.lock().index.replace(Arc::new(runs), sealed);
        drop(alone);
        Ok(())
    }

    /// A sealed segment as it was before an index file covered it.
    fn read_again(&self, number: u32, segments: &[Segment]) -> Result<Sealed, StoreError> {
        let unknown = || refused(format!("segment number {number} is not there"));
        let segment = usize::try_from(number).ok().and_then(|number| segments.get(number)).ok_or_else(unknown)?;
        let file = segment.file.as_ref().ok_or_else(unknown)?;
        let source = Source { first: segment.first, file: Arc::clone(file), end: segment.end };
        let end = Place { segment: number, offset: u32::try_from(segment.end).unwrap_or(u32::MAX) };
        let mut walk = Walk::new(self.log, Place::start_of(number), end, |_| Some(source.clone()));
        let mut part = Part::new(number);
        let mut head = None;
        while let Some((place, recorded)) = walk.next(0, |_| None).map_err(|error| self.noticed(error))? {
            let prepared = Prepared::new(&self.keys, recorded.commit());
            part.push(recorded.seal(), recorded.commit(), &prepared, place.offset);
            head = Some(recorded.seal().head());
        }
        let length = file.length().map_err(|error| super::open::unreadable(segment.first, 0, &error))?;
        let covered = Covered { first: segment.first, end: segment.end, length };
        Ok(Sealed { part: Arc::new(part), covered, head: head.ok_or_else(unknown)? })
    }
}
