//! The one thread that writes: it takes a group, writes it with one call, syncs once, publishes, wakes.

use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use pca_core::log::{Head, StoreError};

use super::disk::{Disk, DiskFile, Lock, place as put_in_place, write_full};
use super::format::{
    CLOSED_FILE, ClosedAt, FRAME_HEADER, FrameKind, FramePlace, LogId, SEGMENT_HEADER, SegmentStart, mark, to_u64,
    to_usize,
};
use super::indexer::Indexer;
use super::mark::MarkFile;
use super::open::{self, Intent, Opened, refused};
use super::options::Options;
use super::segment;
use super::shared::Shared;
use super::staging::{End, Job, State, Work};

/// Behind a group of this many octets no zeros are laid out: what they save in a sync is little beside writing it, and in a
/// long bulk every octet would be written twice.
const LARGE: usize = 64 * 1024;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// What the writer has in its hands.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    log: LogId,
    lock: Lock,
    /// The last segment.
    file: Arc<dyn DiskFile>,
    /// The position of its first event.
    first: u64,
    /// Where its last frame ends.
    end: u64,
    /// How long it is, zeros included.
    allocated: u64,
    /// Whether the file that says where the log ended is there; then nothing has been written since.
    closed: bool,
    /// Whether the last frame says that everything before it is durable, or there is none.
    pub(crate) marked: bool,
    /// The file that says so, too, behind every beacon.
    mark: MarkFile,
    beacon: Option<Duration>,
    preallocation: u64,
    segment_size: u64,
    indexer: Arc<Indexer>,
    /// The thread that makes index files, once there was one to make.
    indexing: Option<JoinHandle<()>>,
    /// Whether this thread makes them instead.
    index_here: bool,
}

impl Writer {
    /// Opens a log for writing; tells how many torn octets were put aside.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: &Options,
        intent: Intent,
    ) -> Result<(Self, u64), StoreError> {
        let Opened { lock, log, keeper, recovered: opened } = open::open(&disk, directory, intent)?;
        let Some((file, first)) = opened.segments.last().and_then(|last| Some((last.file.clone()?, last.first))) else {
            return Err(refused("the log has no segment".into()));
        };
        let state = State::new(log, opened.index, opened.head, opened.segments, opened.end);
        let shared = Arc::new(Shared::new(log, state, options.cache));
        shared.keeper.get_or_init(|| keeper);
        let writer = Self {
            indexer: Arc::new(Indexer::new(Arc::clone(&shared))),
            indexing: None,
            index_here: options.index_here,
            shared,
            disk,
            directory: directory.into(),
            log,
            lock,
            file,
            first,
            end: opened.end,
            allocated: opened.allocated,
            closed: opened.closed,
            marked: opened.marked,
            mark: opened.mark,
            beacon: options.beacon,
            preallocation: options.preallocation,
            segment_size: options.segment_size,
        };
        Ok((writer, opened.torn))
    }

    /// Writes until the log is closed or something fails.
    pub(crate) fn run(mut self) {
        let sentinel = Sentinel(Arc::clone(&self.shared));
        if self.indexer.is_wanted() {
            self.index();
        }
        loop {
            let beacon = self.beacon.filter(|_| !self.marked);
            let work = self.shared.next_work(beacon);
            if !self.carry_out(work) {
                break;
            }
        }
        let outcome = self.finish();
        self.end_indexing(outcome.is_ok());
        // Whoever opens the log next must not be told that it is in use.
        drop(self.lock);
        drop(sentinel);
        self.shared.ended(outcome);
    }

    /// Does a piece of work; tells whether more can be done.
    pub(crate) fn carry_out(&mut self, work: Work) -> bool {
        let written = match work {
            Work::End => return false,
            Work::Group(job) => self.write(&job).map(|()| self.shared.published(job.octets)),
            Work::Beacon(head) => self.idle(&head),
        };
        if let Err(error) = &written {
            tracing::error!(%error, segment = self.first, "a write failed; nothing more is taken");
            self.shared.fail(&format!("a write failed: {error}; open it again"), true);
        }
        written.is_ok()
    }

    /// Closes the log if that was asked for, or tells why there is nothing more to do.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        let end = self.shared.lock().end.clone();
        match end {
            Some(End::Closing) => self.close().map_err(|error| format!("closing failed: {error}; open it again")),
            Some(other) => Err(other.reason()),
            None => Err("the writer stopped".into()),
        }
    }

    fn write(&mut self, job: &Job) -> io::Result<()> {
        if self.closed {
            self.disk.remove(&self.directory.join(CLOSED_FILE))?;
            self.disk.sync_directory(&self.directory)?;
            self.closed = false;
        }
        if let Some(start) = &job.opens {
            self.roll_over(start, job.segment)?;
        }
        let end = job.start.saturating_add(to_u64(job.octets.len()));
        write_full(self.file.as_ref(), &job.octets, job.start)?;
        self.end = end;
        if job.octets.len() < LARGE {
            self.preallocate()?;
        } else {
            self.allocated = self.allocated.max(end);
        }
        self.marked = false;
        self.file.sync_data()
    }

    /// Lays out zeros behind what was written, so that the next syncs find the length and the blocks as they are.
    fn preallocate(&mut self) -> io::Result<()> {
        if self.end <= self.allocated {
            return Ok(());
        }
        let target = self.end.saturating_add(self.preallocation);
        let target = if self.end < self.segment_size { target.min(self.segment_size) } else { self.end };
        let mut offset = self.end;
        while offset < target {
            let count = to_usize(target.saturating_sub(offset)).min(ZEROS.len());
            write_full(self.file.as_ref(), ZEROS.get(..count).unwrap_or_default(), offset)?;
            offset = offset.saturating_add(to_u64(count));
        }
        self.allocated = target;
        Ok(())
    }

    /// Finishes the segment and begins the next.
    fn roll_over(&mut self, start: &SegmentStart, number: u32) -> io::Result<()> {
        self.seal(&start.before)?;
        self.shared.lock().sealed(number.saturating_sub(1), self.end, start.before);
        self.file = segment::create(self.disk.as_ref(), &self.directory, start)?;
        self.first = start.first();
        self.end = to_u64(SEGMENT_HEADER);
        self.allocated = self.end;
        self.shared.segment_made(number, Arc::clone(&self.file));
        tracing::debug!(segment = self.first, "began a segment");
        self.index();
        Ok(())
    }

    /// Has index files made of what is sealed.
    fn index(&mut self) {
        if self.index_here {
            return self.indexer.work();
        }
        self.indexer.wake();
        if self.indexing.is_none() {
            let indexer = Arc::clone(&self.indexer);
            let started = std::thread::Builder::new().name("pca-log-indexer".into()).spawn(move || indexer.run());
            match started {
                Ok(thread) => self.indexing = Some(thread),
                Err(error) => tracing::warn!(%error, "the thread that makes index files cannot be started"),
            }
        }
    }

    /// Makes the index files that can be made quickly, if all is well.
    pub(crate) fn end_indexing(&mut self, well: bool) {
        self.indexer.end();
        if self.indexing.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that makes index files stopped unexpectedly");
        } else if well {
            self.indexer.finish();
        }
        // Whoever makes an index file anew just now has the lock still; from here on nobody does.
        drop(self.shared.indexing());
    }

    /// Appends a seal, makes it durable and takes the zeros behind it away.
    fn seal(&mut self, head: &Head) -> io::Result<()> {
        self.mark(FrameKind::Seal, head)?;
        self.file.set_length(self.end)?;
        self.allocated = self.end;
        self.file.sync_all()
    }

    /// Says that everything is durable: in the log, and then where it is found if the end of the log is lost.
    fn idle(&mut self, head: &Head) -> io::Result<()> {
        self.mark(FrameKind::Beacon, head)?;
        self.mark.advance(self.first, self.end, head)
    }

    /// Appends a seal or beacon and makes it durable.
    fn mark(&mut self, kind: FrameKind, head: &Head) -> io::Result<()> {
        let place = FramePlace { log: self.log, segment: self.first, offset: self.end };
        write_full(self.file.as_ref(), &mark(kind, place, head), self.end)?;
        self.end = self.end.saturating_add(to_u64(FRAME_HEADER));
        if kind == FrameKind::Beacon {
            self.preallocate()?;
        }
        self.marked = true;
        self.file.sync_data()
    }

    fn close(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let head = self.shared.lock().durable;
        self.seal(&head)?;
        let closed = ClosedAt {
            log: self.log,
            segment: self.first,
            length: self.end,
            position: head.position,
            digest: head.digest,
        };
        put_in_place(self.disk.as_ref(), &self.directory, CLOSED_FILE, &closed.encode())?;
        tracing::info!(position = head.position.get(), "closed a log");
        Ok(())
    }
}

/// Fails the log if the writer ends by a panic.
struct Sentinel(Arc<Shared>);

impl Drop for Sentinel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the writer stopped unexpectedly; open it again", true);
            self.0.ended(Err("the writer stopped unexpectedly; open it again".into()));
        }
    }
}
