//! The log in files, as the port has it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use futures_channel::oneshot;
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamId, StreamsRead,
};
use pca_core::ports::{EventStore, Lease, Limits};

use super::disk::{Disk, OsDisk};
use super::lease::Leases;
use super::open::{Intent, refused};
use super::options::Options;
use super::reader::Reader;
use super::shared::Shared;
use super::writer::Writer;

/// How often a log that somebody else writes is looked at while waiting for it to grow.
const POLL: Duration = Duration::from_millis(20);

/// A log in a directory: segments of sealed commits, each durable before it is answered.
///
/// Many callers share one sync: call [`commit`](EventStore::commit) from as many tasks or threads as there are. A write
/// or sync that fails ends the store: everything that waits and everything later is answered
/// [`StoreError::Closed`], and opening the log again tells what has become durable.
///
/// Reading a commit that is not in memory blocks the calling thread for a read from the file. Dropping the store closes
/// the log, and waits for the writer; [`close`](Self::close) tells whether that went well.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path().join("log");
/// use pca_core::log::Head;
/// use pca_core::ports::EventStore as _;
/// use pca_store_file::{FileEventStore, Options};
///
/// let store = FileEventStore::create(&directory, Options::default())?;
/// assert_eq!(pollster::block_on(store.head())?, Head::GENESIS);
/// pollster::block_on(store.close())?;
/// # Ok(())
/// # }
/// ```
pub struct FileEventStore {
    shared: Arc<Shared>,
    leases: Arc<Leases>,
    options: Options,
    directory: PathBuf,
    kind: Kind,
}

enum Kind {
    Writing { writer: Option<JoinHandle<()>>, torn: u64 },
    Reading(Arc<Reader>),
}

impl FileEventStore {
    /// Makes a log in a directory that has none, making the directory if need be, and opens it for writing.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if there is a log already or the disk fails; [`StoreError::InUse`] if another process
    /// or store has the directory.
    pub fn create(directory: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(OsDisk), directory.as_ref(), options, Intent::Create)
    }

    /// Opens a log for writing. What no index file covers is read and checked, the last segment in any case; the tail that a
    /// crash tore is put aside. What index files cover is checked when it is read, and whole by a
    /// [`Verifier`](pca_core::log::Verifier).
    ///
    /// # Errors
    /// [`StoreError::InUse`] if it is open for writing already; [`StoreError::Corrupt`] if it is damaged;
    /// [`StoreError::Backend`] if there is no log, a newer version of the library wrote it, or the disk fails.
    pub fn open(directory: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(OsDisk), directory.as_ref(), options, Intent::Open)
    }

    /// Opens a log for writing, or makes it if there is none.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(directory: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(OsDisk), directory.as_ref(), options, Intent::OpenOrCreate)
    }

    /// Opens a log for reading, without a lock and without healing anything, even while another process writes to it.
    ///
    /// What is served is known to be durable: up to the largest offset that a valid frame names so. Of a log that was
    /// closed this is everything; of one that is being written the last group is missing until a
    /// [beacon](Options::beacon) or another group is written behind it, and of one that a crash left, until it is opened
    /// for writing. Every call looks for what is new.
    ///
    /// # Errors
    /// As [`open`](Self::open), except that nobody is in the way.
    pub fn open_read_only(directory: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        Self::read_on(Arc::new(OsDisk), directory.as_ref(), options)
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        intent: Intent,
    ) -> Result<Self, StoreError> {
        let (writer, torn) = Writer::open(disk, directory, &options, intent)?;
        let shared = Arc::clone(&writer.shared);
        let writer = std::thread::Builder::new()
            .name("pca-log-writer".into())
            .spawn(move || writer.run())
            .map_err(|error| refused(format!("the writer's thread cannot be started: {error}")))?;
        let kind = Kind::Writing { writer: Some(writer), torn };
        Ok(Self { shared, leases: Arc::default(), options, directory: directory.into(), kind })
    }

    pub(crate) fn read_on(disk: Arc<dyn Disk>, directory: &Path, options: Options) -> Result<Self, StoreError> {
        let (reader, shared) = Reader::open(disk, directory.into(), options.cache)?;
        let kind = Kind::Reading(Arc::new(reader));
        Ok(Self { shared: Arc::new(shared), leases: Arc::default(), options, directory: directory.into(), kind })
    }

    /// Where the log is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// How many octets a crash had left at the end that are no commit. Opening for writing puts them aside, into a file
    /// whose name begins with `torn-`; opening for reading leaves them where they are.
    #[must_use]
    pub fn torn_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Writing { torn, .. } => *torn,
            Kind::Reading(reader) => reader.torn(),
        }
    }

    /// Takes no more commits, writes what is staged, and seals the log. What is in it can still be read.
    ///
    /// # Errors
    /// [`StoreError::Closed`] if the log could not be sealed or had failed before; nothing that was answered is lost.
    pub async fn close(&self) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Reading(_) => Ok(()),
            Kind::Writing { .. } => {
                self.shared.begin_closing();
                self.shared.wait_for_end().await
            }
        }
    }

    fn refresh(&self) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Reading(reader) => reader.refresh(&self.shared),
            Kind::Writing { .. } => Ok(()),
        }
    }

    /// Looks at the log from time to time until it is beyond a position, or nobody waits any more.
    async fn poll(&self, reader: Arc<Reader>, beyond: Position) -> Result<Head, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let look = move || {
            while !sender.is_canceled() {
                let head = reader.refresh(&shared).map(|()| shared.lock().durable);
                match head {
                    Ok(head) if head.position <= beyond => std::thread::sleep(POLL),
                    found => {
                        // Who does not wait any more needs no answer.
                        let _ = sender.send(found);
                        return;
                    }
                }
            }
        };
        std::thread::Builder::new()
            .name("pca-log-reader".into())
            .spawn(look)
            .map_err(|error| refused(format!("a thread cannot be started: {error}")))?;
        receiver.await.unwrap_or_else(|_| Err(refused("the thread that reads the log stopped".into())))
    }
}

impl Drop for FileEventStore {
    fn drop(&mut self) {
        if let Kind::Writing { writer, .. } = &mut self.kind {
            self.shared.begin_closing();
            if let Some(writer) = writer.take()
                && writer.join().is_err()
            {
                tracing::error!("the writer of a log stopped unexpectedly");
            }
        }
    }
}

impl core::fmt::Debug for FileEventStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FileEventStore").field("directory", &self.directory).finish_non_exhaustive()
    }
}

#[async_trait]
impl EventStore for FileEventStore {
    async fn commit(&self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        self.shared.commit(train, &self.options).await
    }

    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        self.refresh()?;
        self.shared.read(streams, as_of)
    }

    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        self.refresh()?;
        self.shared.follow(after, limit)
    }

    async fn grown(&self, beyond: Position) -> Result<Head, StoreError> {
        match &self.kind {
            Kind::Writing { .. } => self.shared.grown(beyond).await,
            Kind::Reading(reader) => {
                self.refresh()?;
                let head = self.shared.lock().durable;
                if head.position > beyond { Ok(head) } else { self.poll(Arc::clone(reader), beyond).await }
            }
        }
    }

    async fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        self.refresh()?;
        self.shared.receipt(id, request)
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.refresh()?;
        Ok(self.shared.lock().durable)
    }

    async fn lease(&self, stream: &StreamId) -> Result<Lease, StoreError> {
        Ok(Lease::new(self.leases.turn(stream).await))
    }

    fn limits(&self) -> Limits {
        Limits { largest_commit: self.options.largest_commit }
    }
}
