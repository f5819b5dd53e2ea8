//! Reading a log that somebody else may be writing: no lock, no repair, and nothing that may not be durable.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pca_core::log::{Head, Recorded, StoreError};

use super::disk::{Disk, Mode};
use super::format::{FrameKind, LogId, Mark, SEGMENT_HEADER, SegmentStart, segment_name, to_u64};
use super::index::{Index, Keeper, Loaded, Prepared};
use super::mark;
use super::open::{
    absent, admit, corrupt, ended_as_closed, failed, listing, no_log, read_closed, read_format, unfit_file, unreadable,
};
use super::scan::{Found, Scanner, Verdict};
use super::segment::{self, Segment};
use super::shared::Shared;
use super::staging::{End, State, end_of};

/// So many finished segments are held in memory before index files are looked for.
const MANY: usize = 8;

/// Looks for what has been written since it looked last.
pub(crate) struct Reader {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    log: LogId,
    keeper: Keeper,
    /// What was durable when the log was opened.
    mark: Option<Mark>,
    progress: Mutex<Progress>,
}

struct Progress {
    /// The position of the first event of the segment that is read.
    segment: u64,
    /// Behind the last frame that is known to be durable.
    offset: u64,
    head: Head,
    /// Whether the last frame was a seal.
    sealed: bool,
    torn: u64,
    /// Behind the last valid frame, durable or not.
    stopped: u64,
}

impl Reader {
    pub(crate) fn open(disk: Arc<dyn Disk>, directory: PathBuf, cache: usize) -> Result<(Self, Shared), StoreError> {
        let log = match read_format(disk.as_ref(), &directory)? {
            Some(log) => log,
            None => {
                let absent = absent(disk.as_ref(), &directory);
                // Unless somebody made it just now.
                read_format(disk.as_ref(), &directory)?.map_or_else(|| absent.and(Err(no_log(&directory))), Ok)?
            }
        };
        let keeper = Keeper { disk: Arc::clone(&disk), directory: directory.clone(), log };
        let load = || keeper.load(&listing(disk.as_ref(), &directory)?.segments);
        let mut loaded = load()?;
        if !loaded.useless.is_empty() {
            // The writer may have merged files meanwhile.
            let again = load()?;
            if again.runs.covered() >= loaded.runs.covered() {
                loaded = again;
            }
        }
        let Loaded { runs, segments, .. } = loaded;
        let (head, tail) = (runs.head(), segments.last().map_or(0, |last| last.end));
        let mut state = State::new(log, Index::new(log, Arc::new(runs)), head, segments, tail);
        state.end = Some(End::ReadOnly);
        let shared = Shared::new(log, state, cache);
        // First what was true before: what it names as durable is in the segments.
        let mark = mark::read(disk.as_ref(), &directory, log)?;
        let progress = Progress { segment: 0, offset: 0, head, sealed: true, torn: 0, stopped: 0 };
        let reader = Self { disk, directory, log, keeper, mark, progress: Mutex::new(progress) };
        reader.refresh(&shared)?;
        if let Some(mark) = mark {
            let progress = reader.progress.lock().unwrap_or_else(PoisonError::into_inner);
            mark.check_end(progress.segment, progress.stopped, None)?;
        }
        Ok((reader, shared))
    }

    /// How many octets stand behind the last frame that is served and are no valid frame.
    pub(crate) fn torn(&self) -> u64 {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).torn
    }

    /// Takes in what has become durable.
    pub(crate) fn refresh(&self, shared: &Shared) -> Result<(), StoreError> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let before = progress.head;
        // First what was true before: a log that was closed ends as it says, a segment with another one behind it is
        // finished. Then the segments as they are now.
        let closed = read_closed(self.disk.as_ref(), &self.directory, self.log)?;
        let last = listing(self.disk.as_ref(), &self.directory)?.segments.last().copied().unwrap_or_default();
        while self.read_on(&mut progress, shared, last)? {}
        if let Some(closed) = closed
            && progress.head.position < closed.position
        {
            self.check_closed(&progress)?;
        }
        if progress.head != before {
            shared.notify_growth();
        }
        Ok(())
    }

    /// Reads on in the segment, or in the next one; tells whether there may be more behind.
    fn read_on(&self, progress: &mut Progress, shared: &Shared, last: u64) -> Result<bool, StoreError> {
        let finished = progress.segment < last;
        let file = if progress.segment == 0 {
            None
        } else {
            shared.lock().segments.last().and_then(|segment| segment.file.clone())
        };
        let Some(file) = file else {
            return self.begin(progress, shared, progress.head.position.plus(1).get());
        };
        let (segment, offset) = (progress.segment, progress.offset);
        let trouble = |offset| move |error: io::Error| unreadable(segment, offset, &error);
        let mut scanner = Scanner::from(file, self.log, progress.segment, offset).map_err(trouble(offset))?;
        let mut pending: Vec<(Recorded, u64)> = Vec::new();
        let mut head = progress.head;
        let mut looked_twice = false;
        loop {
            let at = scanner.offset();
            let place = segment::place(progress.segment, at);
            progress.stopped = at;
            self.mark
                .map_or(Ok(()), |mark| mark.check_passing(segment, at, &head))
                .map_err(|reason| corrupt(place.clone(), reason))?;
            match scanner.next(&head).map_err(trouble(at))? {
                Found::Commit { recorded, offset } => {
                    // A frame says that everything before an offset is durable: that is served.
                    let durable = pending.partition_point(|(_, offset)| *offset < scanner.durable());
                    if durable > 0 {
                        let rest = pending.split_off(durable);
                        self.serve(progress, shared, core::mem::replace(&mut pending, rest), scanner.durable())?;
                    }
                    head = recorded.seal().head();
                    pending.push((recorded, offset));
                }
                Found::Mark(kind) => {
                    self.serve(progress, shared, core::mem::take(&mut pending), scanner.offset())?;
                    progress.sealed = kind == FrameKind::Seal;
                    progress.torn = 0;
                }
                Found::End => {
                    progress.torn = 0;
                    if !finished {
                        return Ok(false);
                    }
                    if !progress.sealed || !pending.is_empty() || scanner.offset() != scanner.length() {
                        return Err(corrupt(place, "the segment does not end with a seal".into()));
                    }
                    return self.begin(progress, shared, progress.head.position.plus(1).get());
                }
                Found::Broken { reason } if finished => return Err(corrupt(place, reason)),
                Found::Broken { .. } if !looked_twice => {
                    // The writer may be writing just this.
                    looked_twice = true;
                    scanner.refresh().map_err(trouble(at))?;
                }
                Found::Broken { reason } => match scanner.judge().map_err(trouble(at))? {
                    Verdict::Torn { octets } => {
                        progress.torn = octets;
                        return Ok(false);
                    }
                    Verdict::Damaged { reason: why } => {
                        // What says so was written after this: what stands here now is what was durable.
                        scanner.refresh().map_err(trouble(at))?;
                        if let Found::Broken { .. } = scanner.next(&head).map_err(trouble(at))? {
                            return Err(corrupt(place, format!("{reason}; {why}")));
                        }
                        return Ok(true);
                    }
                },
                Found::Wrong { reason } => return Err(corrupt(place, reason)),
            }
        }
    }

    fn serve(
        &self,
        progress: &mut Progress,
        shared: &Shared,
        commits: Vec<(Recorded, u64)>,
        end: u64,
    ) -> Result<(), StoreError> {
        if end <= progress.offset {
            return Ok(());
        }
        let mut prepared = Vec::with_capacity(commits.len());
        for (recorded, _) in &commits {
            let plain = Prepared::new(&shared.keys, recorded.commit());
            let is_stale = shared.lock().index.is_stale(&plain);
            prepared.push(if is_stale {
                shared.look(|_| (), |(), runs| plain.looked_up(recorded.commit(), runs, shared))?
            } else {
                plain
            });
        }
        let mut state = shared.lock();
        if !commits.is_empty() {
            progress.sealed = false;
        }
        for ((recorded, offset), prepared) in commits.into_iter().zip(prepared) {
            admit(&mut state.index, &recorded, &prepared, offset)
                .map_err(|reason| corrupt(segment::place(progress.segment, offset), reason))?;
            progress.head = recorded.seal().head();
        }
        if let Some(last) = state.segments.last_mut() {
            last.end = end;
        }
        progress.offset = end;
        state.durable = progress.head;
        state.durable_end = end_of(&state.segments, end);
        Ok(())
    }

    /// Begins with a segment.
    fn begin(&self, progress: &mut Progress, shared: &Shared, first: u64) -> Result<bool, StoreError> {
        let (file, start) = segment::open(self.disk.as_ref(), &self.directory, first, Mode::Read).map_err(|error| {
            match error.kind() {
                io::ErrorKind::NotFound => corrupt(segment_name(first), "the segment is missing".into()),
                _ => failed("a segment cannot be read", &self.directory)(error),
            }
        })?;
        let place = segment::place(first, 0);
        let start = start.map_err(|unfit| unfit_file(&place, unfit))?;
        let expected = SegmentStart { log: self.log, before: progress.head };
        segment::check_start(&start, &expected).map_err(|reason| corrupt(place, reason))?;
        let end = to_u64(SEGMENT_HEADER);
        {
            let mut state = shared.lock();
            state.segments.push(Segment { first, file: Some(file), end });
            if progress.segment != 0 {
                state.index.begin_segment();
            }
        }
        (progress.segment, progress.offset, progress.sealed) = (first, end, false);
        if let Err(error) = self.forget(shared) {
            tracing::warn!(%error, "index files cannot be taken in: what they cover stays in memory");
        }
        Ok(true)
    }

    /// Takes the index files that the writer has made meanwhile in place of memory, once there is much of it.
    fn forget(&self, shared: &Shared) -> Result<(), StoreError> {
        let _alone = shared.indexing();
        if shared.lock().index.finished() < MANY {
            return Ok(());
        }
        let runs = self.keeper.load(&listing(self.disk.as_ref(), &self.directory)?.segments)?.runs;
        let mut state = shared.lock();
        // The writer may be far ahead.
        let runs = runs.within(state.segments.len().saturating_sub(1));
        if runs.covered() > state.index.runs().covered() {
            let forgotten = state.index.adopt(Arc::new(runs));
            drop(state);
            drop(forgotten);
        }
        Ok(())
    }

    /// The log was closed before it was read, but less was found than it had.
    fn check_closed(&self, progress: &Progress) -> Result<(), StoreError> {
        let Some(closed) = read_closed(self.disk.as_ref(), &self.directory, self.log)? else {
            // Somebody is writing again.
            return Ok(());
        };
        let (file, _) = segment::open(self.disk.as_ref(), &self.directory, progress.segment, Mode::Read)
            .map_err(failed("a segment cannot be read", &self.directory))?;
        let scanner = Scanner::from(file, self.log, progress.segment, progress.offset)
            .map_err(failed("a segment cannot be read", &self.directory))?;
        ended_as_closed(&scanner, progress.segment, None, &progress.head, &closed)
    }
}
