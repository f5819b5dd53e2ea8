//! Opening a log: making it, reading what no index file covers, and healing what a crash left behind.
//!
//! `docs/log-format.md` argues case by case why this is right.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pca_core::log::{Digest, Head, Recorded, StoreError};

use super::disk::{
    Disk, DiskFile, Lock, LockError, Mode, make_directories, place as put_in_place, read_full, read_small, write_full,
};
use super::format::{
    CLOSED_FILE, CLOSED_LENGTH, ClosedAt, FORMAT_FILE, FORMAT_LENGTH, FrameKind, LOCK_FILE, LogId, Mark,
    SEGMENT_HEADER, SegmentStart, TORN_PREFIX, Unfit, VERSION, format_file, parse_format_file, segment_name, to_u64,
    to_usize,
};
use super::frames::{self, Source};
use super::index::{Covered, Fetch, Index, Keeper, Loaded, Place, Prepared, SUFFIX};
use super::mark::{self, MarkFile};
use super::scan::{Found, Scanner, Verdict};
use super::segment::{self, Listing, Segment};

/// So many segments without an index file get one while the log is opened.
const MANY: usize = 8;

/// What to do if there is a log, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// There must be one.
    Open,
    /// There must be none.
    Create,
    /// Either.
    OpenOrCreate,
}

/// A log that was opened for writing.
pub(crate) struct Opened {
    pub(crate) lock: Lock,
    pub(crate) log: LogId,
    pub(crate) keeper: Keeper,
    pub(crate) recovered: Recovered,
}

/// What was read of a log, and healed.
pub(crate) struct Recovered {
    pub(crate) index: Index,
    pub(crate) head: Head,
    pub(crate) segments: Vec<Segment>,
    /// In the last segment, where the next frame goes.
    pub(crate) end: u64,
    /// How long the last segment is, zeros included.
    pub(crate) allocated: u64,
    /// Whether the file that says where the log ended is there.
    pub(crate) closed: bool,
    /// Whether the last frame says that everything before it is durable, or there is none.
    pub(crate) marked: bool,
    pub(crate) mark: MarkFile,
    pub(crate) torn: u64,
}

/// Takes the lock and opens a log for writing.
pub(crate) fn open(shared_disk: &Arc<dyn Disk>, directory: &Path, intent: Intent) -> Result<Opened, StoreError> {
    let disk = shared_disk.as_ref();
    if intent == Intent::Open && read_format(disk, directory)?.is_none() {
        absent(disk, directory)?;
    }
    if intent != Intent::Open && read_format(disk, directory)?.is_none() {
        make_directories(disk, directory).map_err(failed("the directory cannot be made", directory))?;
    }
    let holder = format!("process {}", std::process::id());
    let lock = disk.lock(&directory.join(LOCK_FILE), &holder).map_err(|error| match error {
        LockError::Held(holder) if holder.is_empty() => StoreError::InUse { holder: "another process".into() },
        LockError::Held(holder) => StoreError::InUse { holder },
        LockError::Io(error) => failed("the lock cannot be taken", directory)(error),
    })?;
    let log = match (read_format(disk, directory)?, intent) {
        (Some(_), Intent::Create) => {
            return Err(refused(format!("there is a log in {} already", directory.display())));
        }
        (Some(log), _) => log,
        (None, Intent::Open) => {
            absent(disk, directory)?;
            return Err(no_log(directory));
        }
        (None, _) => create(disk, directory)?,
    };
    let keeper = Keeper { disk: Arc::clone(shared_disk), directory: directory.into(), log };
    loop {
        match recover(&keeper) {
            Ok(recovered) => return Ok(Opened { lock, log, keeper, recovered }),
            Err(error) => match damaged_index(&error) {
                Some(name) => {
                    tracing::warn!(%error, "an index file is damaged and is removed; what it covered is read");
                    keeper.remove(&[name.into()])?;
                }
                None => return Err(error),
            },
        }
    }
}

/// The name of the index file that is damaged, if what is wrong is wrong with the index and not with the log.
pub(crate) fn damaged_index(error: &StoreError) -> Option<&str> {
    match error {
        StoreError::Corrupt { place, .. } if place.ends_with(SUFFIX) => Some(place),
        _ => None,
    }
}

/// Reads the format file.
pub(crate) fn read_format(disk: &dyn Disk, directory: &Path) -> Result<Option<LogId>, StoreError> {
    let path = directory.join(FORMAT_FILE);
    let octets = read_small(disk, &path, FORMAT_LENGTH + 1).map_err(failed("a file cannot be read", &path))?;
    octets.map(|octets| parse_format_file(&octets)).transpose().map_err(|unfit| unfit_file(FORMAT_FILE, unfit))
}

/// Reads the file that says where the log ended.
pub(crate) fn read_closed(disk: &dyn Disk, directory: &Path, log: LogId) -> Result<Option<ClosedAt>, StoreError> {
    let path = directory.join(CLOSED_FILE);
    let octets = read_small(disk, &path, CLOSED_LENGTH + 1).map_err(failed("a file cannot be read", &path))?;
    let Some(octets) = octets else { return Ok(None) };
    let closed = ClosedAt::parse(&octets).map_err(|unfit| unfit_file(CLOSED_FILE, unfit))?;
    segment::same_log(closed.log, log).map_err(|reason| corrupt(CLOSED_FILE.into(), reason))?;
    Ok(Some(closed))
}

/// Tells why there is no log where one was expected: an error in any case.
pub(crate) fn absent(disk: &dyn Disk, directory: &Path) -> Result<(), StoreError> {
    match segment::list(disk, directory) {
        Ok(listing) => Err(match is_unbegun(disk, directory, &listing.segments)? {
            true => no_log(directory),
            false => format_missing(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(no_log(directory)),
        Err(error) => Err(failed("the directory cannot be read", directory)(error)),
    }
}

pub(crate) fn no_log(directory: &Path) -> StoreError {
    refused(format!("there is no log in {}", directory.display()))
}

/// Whether there is nothing, or what an interrupted creation leaves: the first segment without any frame, before the format
/// file.
fn is_unbegun(disk: &dyn Disk, directory: &Path, segments: &[u64]) -> Result<bool, StoreError> {
    match segments {
        [] => Ok(true),
        [1] => {
            let path = directory.join(segment_name(1));
            let octets = read_small(disk, &path, SEGMENT_HEADER + 1).map_err(failed("a file cannot be read", &path))?;
            Ok(octets.is_some_and(|octets| octets.len() <= SEGMENT_HEADER))
        }
        _ => Ok(false),
    }
}

fn format_missing() -> StoreError {
    corrupt(FORMAT_FILE.into(), "the file is missing, but there are segments".into())
}

/// Makes a log: its first segment, then the format file, so that a log without segments is damaged.
fn create(disk: &dyn Disk, directory: &Path) -> Result<LogId, StoreError> {
    if !is_unbegun(disk, directory, &listing(disk, directory)?.segments)? {
        return Err(format_missing());
    }
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| refused(format!("no random octets for the id of the log: {error}")))?;
    let log = LogId(id);
    let start = SegmentStart { log, before: Head::GENESIS };
    segment::create(disk, directory, &start).map_err(failed("the first segment cannot be made", directory))?;
    mark::make(disk, directory, log)?;
    put_in_place(disk, directory, FORMAT_FILE, &format_file(log))
        .map_err(failed("the format file cannot be made", directory))?;
    Ok(log)
}

/// Reads what no index file covers, and heals what a crash left at the end of the log.
fn recover(keeper: &Keeper) -> Result<Recovered, StoreError> {
    let (disk, directory, log) = (keeper.disk.as_ref(), keeper.directory.as_path(), keeper.log);
    let listing = listing(disk, directory)?;
    for name in &listing.fresh {
        let path = directory.join(name);
        disk.remove(&path).map_err(failed("a file that was never put in place cannot be removed", &path))?;
    }
    let closed = read_closed(disk, directory, log)?;
    let mark = mark::read(disk, directory, log)?;
    let Loaded { runs, segments, useless } = keeper.load(&listing.segments)?;
    for (name, reason) in &useless {
        tracing::warn!(name, reason, "an index file is of no use and is removed");
        keeper.discard(core::slice::from_ref(name));
    }
    let covered = segments.len();
    let head = runs.head();
    let index = Index::new(log, Arc::new(runs));
    let mut reading = Reading { index, head, segments, begun: false, mark, keeper: Some(keeper) };
    let Some((last, earlier)) = listing.segments.split_last() else {
        return Err(corrupt(directory.display().to_string(), "the log has no segment".into()));
    };
    for first in earlier.iter().skip(covered) {
        let (mut scanner, _) = reading.begin(disk, directory, log, *first, Mode::Read)?;
        let stop = reading.walk(&mut scanner, *first)?;
        reading.finished(&scanner, *first, &stop)?;
        reading.seal(&scanner);
        reading.cover()?;
    }
    let (mut scanner, file) = reading.begin(disk, directory, log, *last, Mode::Write)?;
    let stop = reading.walk(&mut scanner, *last)?;
    if let Some(closed) = &closed {
        ended_as_closed(&scanner, *last, stop.broken.as_deref(), &reading.head, closed)?;
    }
    if let Some(mark) = &mark {
        mark.check_end(*last, scanner.offset(), stop.broken.as_deref())?;
    }
    let torn = match &stop.broken {
        Some(reason) => heal(disk, directory, *last, &mut scanner, file.as_ref(), reason)?,
        None => 0,
    };
    if closed.is_none() {
        confirm(&scanner, file.as_ref()).map_err(failed("the end of the log cannot be written again", directory))?;
        disk.sync_directory(directory).map_err(failed("the directory cannot be synced", directory))?;
    }
    let mark = MarkFile::open(disk, directory, log, mark)?;
    let allocated = file.length().map_err(failed("the length of a segment cannot be read", directory))?;
    let Reading { index, head, segments, .. } = reading;
    tracing::info!(read = index.in_memory(), position = head.position.get(), torn, "opened a log");
    let end = scanner.offset();
    let marked = stop.marked;
    let closed = closed.is_some();
    Ok(Recovered { index, head, segments, end, allocated, closed, marked, mark, torn })
}

/// What of a log has been read.
struct Reading<'k> {
    index: Index,
    head: Head,
    segments: Vec<Segment>,
    /// Whether a segment was begun that no index file covers.
    begun: bool,
    mark: Option<Mark>,
    /// Makes index files, as long as that succeeds.
    keeper: Option<&'k Keeper>,
}

/// Where reading a segment stopped.
struct Stop {
    /// Whether the last frame was a seal.
    sealed: bool,
    /// Whether it was a seal or beacon, or there was none.
    marked: bool,
    /// Why the frame that follows is not valid, if anything follows.
    broken: Option<String>,
}

impl Reading<'_> {
    fn begin(
        &mut self,
        disk: &dyn Disk,
        directory: &Path,
        log: LogId,
        first: u64,
        mode: Mode,
    ) -> Result<(Scanner, Arc<dyn DiskFile>), StoreError> {
        let unreadable = || failed("a segment cannot be read", directory);
        let (file, start) = segment::open(disk, directory, first, mode).map_err(unreadable())?;
        let place = segment::place(first, 0);
        let start = start.map_err(|unfit| unfit_file(&place, unfit))?;
        let expected = SegmentStart { log, before: self.head };
        segment::check_start(&start, &expected).map_err(|reason| corrupt(place.clone(), reason))?;
        if start.first() != first {
            return Err(corrupt(place, format!("the header names position {}", start.first())));
        }
        if core::mem::replace(&mut self.begun, true) {
            self.index.begin_segment();
        }
        self.segments.push(Segment { first, file: Some(Arc::clone(&file)), end: to_u64(SEGMENT_HEADER) });
        let scanner = Scanner::new(Arc::clone(&file), log, first).map_err(unreadable())?;
        Ok((scanner, file))
    }

    fn walk(&mut self, scanner: &mut Scanner, first: u64) -> Result<Stop, StoreError> {
        let log = scanner.log();
        let (mut sealed, mut marked) = (false, true);
        loop {
            let at = scanner.offset();
            let damage = |reason| corrupt(segment::place(first, at), reason);
            self.mark.map_or(Ok(()), |mark| mark.check_passing(first, at, &self.head)).map_err(damage)?;
            match scanner.next(&self.head).map_err(|error| unreadable(first, at, &error))? {
                Found::Commit { recorded, offset } => {
                    let files = Files { log, segments: &self.segments };
                    let mut prepared = Prepared::new(&self.index.keys(), recorded.commit());
                    if self.index.is_stale(&prepared) {
                        prepared = prepared.looked_up(recorded.commit(), self.index.runs(), &files)?;
                    }
                    admit(&mut self.index, &recorded, &prepared, offset).map_err(damage)?;
                    self.head = recorded.seal().head();
                    if let Some(segment) = self.segments.last_mut() {
                        segment.end = scanner.offset();
                    }
                    (sealed, marked) = (false, false);
                }
                Found::Mark(kind) => (sealed, marked) = (kind == FrameKind::Seal, true),
                Found::End => return Ok(Stop { sealed, marked, broken: None }),
                Found::Broken { reason } => return Ok(Stop { sealed, marked, broken: Some(reason) }),
                Found::Wrong { reason } => return Err(damage(reason)),
            }
        }
    }

    /// The segment that was read is sealed.
    fn seal(&mut self, scanner: &Scanner) {
        let Some(last) = self.segments.last() else { return };
        let covered = Covered { first: last.first, end: last.end, length: scanner.length() };
        let number = u32::try_from(self.segments.len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.index.begin_segment();
        self.begun = false;
        self.index.seal(number, covered, self.head);
    }

    /// Makes index files as soon as many segments have none, so that they do not all lie in memory.
    fn cover(&mut self) -> Result<(), StoreError> {
        let sealed = self.index.sealed();
        let Some(keeper) = self.keeper.filter(|_| sealed.len() >= MANY) else { return Ok(()) };
        let runs = Arc::clone(self.index.runs());
        match keeper.cover(&runs, &sealed, u64::MAX, &AtomicBool::new(false)) {
            Ok(Some((fresh, replaced))) => {
                drop(self.index.adopt(Arc::new(fresh)));
                keeper.discard(&replaced);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) if damaged_index(&error).is_none() => {
                tracing::warn!(%error, "an index file cannot be made: the index stays in memory");
                self.keeper = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// A segment that another one follows ends with a seal and nothing behind it.
    fn finished(&self, scanner: &Scanner, first: u64, stop: &Stop) -> Result<(), StoreError> {
        let place = || segment::place(first, scanner.offset());
        match &stop.broken {
            Some(reason) => Err(corrupt(place(), reason.clone())),
            None if !stop.sealed => Err(corrupt(place(), "the segment ends without a seal".into())),
            None if scanner.offset() != scanner.length() => {
                Err(corrupt(place(), "something follows the seal of the segment".into()))
            }
            None => Ok(()),
        }
    }
}

/// Checks what a commit read and enters it into the index; tells what is wrong with it.
pub(crate) fn admit(index: &mut Index, recorded: &Recorded, prepared: &Prepared, offset: u64) -> Result<(), String> {
    let commit = recorded.commit();
    if index.known(prepared).is_some() {
        return Err(format!("commit id {} stands in the log twice", commit.id()));
    }
    index.check_guards(commit, prepared).map_err(|error| error.to_string())?;
    let offset = u32::try_from(offset).map_err(|_| "the segment is too long".to_owned())?;
    index.push(recorded.seal(), commit, prepared, offset);
    Ok(())
}

/// Fetches commits from segments that are open.
pub(crate) struct Files<'s> {
    pub(crate) log: LogId,
    pub(crate) segments: &'s [Segment],
}

impl Fetch for Files<'_> {
    fn fetch(&self, places: &[Place]) -> Result<Vec<Arc<Recorded>>, StoreError> {
        frames::fetch(self.log, places, |number| {
            let segment = self.segments.get(to_usize(u64::from(number)))?;
            Some(Source { first: segment.first, file: Arc::clone(segment.file.as_ref()?), end: segment.end })
        })
    }
}

/// A log that was closed ends where it did then.
pub(crate) fn ended_as_closed(
    scanner: &Scanner,
    first: u64,
    broken: Option<&str>,
    head: &Head,
    closed: &ClosedAt,
) -> Result<(), StoreError> {
    let place = segment::place(first, scanner.offset());
    if let Some(reason) = broken {
        return Err(corrupt(place, format!("the log was closed, but {reason}")));
    }
    let found = (first, scanner.offset(), scanner.length(), head.position, head.digest);
    if found != (closed.segment, closed.length, closed.length, closed.position, closed.digest) {
        let reason = format!(
            "the log was closed at position {} in segment {:020} with {} octets, but ends at position {} here",
            closed.position, closed.segment, closed.length, head.position
        );
        return Err(corrupt(place, reason));
    }
    Ok(())
}

/// Copies a torn tail aside and cuts it off; damage is refused.
fn heal(
    disk: &dyn Disk,
    directory: &Path,
    first: u64,
    scanner: &mut Scanner,
    file: &dyn DiskFile,
    reason: &str,
) -> Result<u64, StoreError> {
    let offset = scanner.offset();
    let octets = match scanner.judge().map_err(|error| unreadable(first, offset, &error))? {
        Verdict::Damaged { reason: why } => {
            return Err(corrupt(segment::place(first, offset), format!("{reason}; {why}")));
        }
        Verdict::Torn { octets } => octets,
    };
    let trouble = || failed("a torn tail cannot be put aside", directory);
    let mut tail = vec![0; to_usize(octets)];
    let count = read_full(file, &mut tail, offset).map_err(trouble())?;
    tail.truncate(count);
    let name = aside(first, offset, &tail);
    put_in_place(disk, directory, &name, &tail).map_err(trouble())?;
    file.set_length(offset).map_err(trouble())?;
    file.sync_all().map_err(trouble())?;
    scanner.refresh().map_err(trouble())?;
    tracing::warn!(segment = first, offset, octets, "put a torn tail aside");
    Ok(octets)
}

/// A name for a torn tail: the same for the same octets, so that a crash while healing leaves one copy.
fn aside(first: u64, offset: u64, tail: &[u8]) -> String {
    let digest = Digest::of(tail).to_string();
    format!("{TORN_PREFIX}{first:020}-{offset}-{}", digest.get(..8).unwrap_or_default())
}

/// Writes the last group again and syncs: what the system only believes to have written reaches the disk now.
fn confirm(scanner: &Scanner, file: &dyn DiskFile) -> io::Result<()> {
    let from = scanner.durable();
    let mut octets = vec![0; to_usize(scanner.offset().saturating_sub(from))];
    let count = read_full(file, &mut octets, from)?;
    write_full(file, octets.get(..count).unwrap_or_default(), from)?;
    file.sync_all()
}

pub(crate) fn listing(disk: &dyn Disk, directory: &Path) -> Result<Listing, StoreError> {
    let listing = segment::list(disk, directory).map_err(failed("the directory cannot be read", directory))?;
    match listing.strange.first() {
        Some(name) => Err(corrupt(name.clone(), "this is no name of a segment".into())),
        None => Ok(listing),
    }
}

pub(crate) fn corrupt(place: String, reason: String) -> StoreError {
    StoreError::Corrupt { place, reason }
}

pub(crate) fn refused(detail: String) -> StoreError {
    StoreError::Backend { detail, retryable: false }
}

pub(crate) fn unfit_file(place: &str, unfit: Unfit) -> StoreError {
    match unfit {
        Unfit::Newer(version) => refused(format!(
            "{place} has version {version} of the format; this library reads version {VERSION}, use a newer one"
        )),
        Unfit::Damaged(reason) => corrupt(place.into(), reason),
    }
}

pub(crate) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.display().to_string();
    move |error| StoreError::Backend { detail: format!("{what} in {path}: {error}"), retryable: false }
}

pub(crate) fn unreadable(segment: u64, offset: u64, error: &io::Error) -> StoreError {
    refused(format!("{} cannot be read: {error}", segment::place(segment, offset)))
}
