//! Copies of a log that may be written to meanwhile.

use std::path::Path;

use pca_core::log::{Fault, Head, Position, StoreError, TransferError, Transferred, Verifier, copy};
use pca_core::ports::EventStore as _;

use super::disk::OsDisk;
use super::open::{read_format, refused};
use super::options::Options;
use super::store::FileEventStore;

/// How many events are checked at once.
const BATCH: usize = 1024;

impl FileEventStore {
    /// Copies this log into another directory, which is a log afterwards: to restore, open it or put it in this one's place.
    ///
    /// The directory is made if need be. It is empty or a backup of this log already: then only what is new is added, and
    /// what an interrupted backup left is finished. Commits are made there as they were made here, so that digests,
    /// positions and times are the same, and each is held against this log's; then the copy is opened anew and checked
    /// from its first commit on. What was durable here when this was called is copied, also beside a process that writes:
    /// open the log with [`open_read_only`](Self::open_read_only) then. The copy has a log id of its own.
    ///
    /// `progress` is told the newest commit, first while copying and then from the beginning while checking. This blocks
    /// the calling thread while it reads, and the check remembers each stream and commit id, as a [`Verifier`] does.
    ///
    /// # Errors
    /// [`TransferError::Differs`] or [`Longer`](TransferError::Longer) if the directory holds another log, which is left
    /// as it is; [`TransferError::Store`] with [`StoreError::InUse`] if another backup is at work there, and with
    /// [`StoreError::Corrupt`] if either log is damaged.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let (directory, elsewhere) = (directory.path().join("log"), directory.path().join("elsewhere"));
    /// # drop(pca_store_file::FileEventStore::create(&directory, pca_store_file::Options::default())?);
    /// use pca_store_file::{FileEventStore, Options};
    ///
    /// let log = FileEventStore::open_read_only(&directory, Options::default())?;
    /// let copied = pollster::block_on(log.backup(&elsewhere, Options::default(), |_| {}))?;
    /// assert_eq!((copied.commits, copied.added), (0, 0));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn backup(
        &self,
        directory: impl AsRef<Path>,
        options: Options,
        mut progress: impl FnMut(Head),
    ) -> Result<Transferred, TransferError> {
        let directory = directory.as_ref();
        self.is_elsewhere(directory)?;
        self.has_begun(directory, options).await?;
        let destination = Self::open_or_create(directory, options)?;
        // A way through a directory that was not there before leads somewhere now.
        self.is_elsewhere(directory)?;
        let copied = copy(self, &destination, &mut progress).await;
        let closed = destination.close().await;
        drop(destination);
        let copied = copied?;
        closed?;
        check(directory, options, copied.head, progress).await?;
        Ok(copied)
    }

    /// Refuses a directory with another log: opening that for writing would heal and seal it. Its newest commit tells all
    /// of them, whose digests are in its digest.
    async fn has_begun(&self, directory: &Path, options: Options) -> Result<(), TransferError> {
        if read_format(&OsDisk, directory)?.is_none() {
            return Ok(());
        }
        let found = Self::open_read_only(directory, options)?.head().await?;
        let end = self.head().await?.position;
        if found.position == Position::ZERO {
            return Ok(());
        }
        if found.position > end {
            return Err(TransferError::Longer { end, found: found.position });
        }
        let before = Position::new(found.position.get().saturating_sub(1));
        match self.follow(before, 1).await?.first().map(|recorded| *recorded.seal()) {
            Some(seal) if seal.head() != found => {
                Err(TransferError::Differs { position: seal.first, expected: seal.digest, found: found.digest })
            }
            _ => Ok(()),
        }
    }

    fn is_elsewhere(&self, directory: &Path) -> Result<(), StoreError> {
        match (self.directory().canonicalize(), directory.canonicalize()) {
            (Ok(own), Ok(other)) if own == other => {
                Err(refused(format!("{} is the log itself; a backup needs another directory", own.display())))
            }
            _ => Ok(()),
        }
    }
}

/// Reads a copy as one would who restores it.
async fn check(
    directory: &Path,
    options: Options,
    head: Head,
    mut progress: impl FnMut(Head),
) -> Result<(), TransferError> {
    let copy = FileEventStore::open_read_only(directory, options)?;
    let mut verifier = Verifier::default();
    let mut after = Position::ZERO;
    loop {
        let batch = copy.follow(after, BATCH).await?;
        let Some(last) = batch.last() else { break };
        after = last.seal().last();
        let fault: Option<Fault> = batch.iter().flat_map(|recorded| verifier.follow(recorded)).next();
        if let Some(fault) = fault {
            return Err(
                StoreError::Corrupt { place: directory.display().to_string(), reason: fault.to_string() }.into()
            );
        }
        progress(verifier.head());
    }
    if verifier.head() == head {
        return Ok(());
    }
    let reason = format!("the copy ends with {}, but {} was copied", verifier.head().digest, head.digest);
    Err(StoreError::Corrupt { place: directory.display().to_string(), reason }.into())
}
