//! The file that says up to where the log was durable when it was idle last.
//!
//! A beacon says the same within the log, but where the end of a segment is lost the beacon is lost with it. The mark
//! stands elsewhere, so that a log which ends before it is known to be damaged.

use std::io;
use std::path::Path;
use std::sync::Arc;

use pca_core::log::{Head, StoreError};

use super::disk::{Disk, DiskFile, Mode, place as put_in_place, read_small, write_full};
use super::format::{LogId, MARK_FILE, MARK_SLOT, Mark, Unfit};
use super::open::{corrupt, failed, unfit_file};
use super::segment;

/// The file, open for writing.
pub(crate) struct MarkFile {
    file: Arc<dyn DiskFile>,
    newest: Mark,
}

impl MarkFile {
    /// Opens the file whose newest mark this is, and makes it if there is none.
    pub(crate) fn open(
        disk: &dyn Disk,
        directory: &Path,
        log: LogId,
        newest: Option<Mark>,
    ) -> Result<Self, StoreError> {
        if newest.is_none() {
            make(disk, directory, log)?;
        }
        let path = directory.join(MARK_FILE);
        let file = disk.open(&path, Mode::Write).map_err(failed("a file cannot be opened", &path))?;
        Ok(Self { file, newest: newest.unwrap_or_else(|| Mark::first(log)) })
    }

    /// Writes down that everything before an offset of a segment is durable, over the older of the two marks.
    pub(crate) fn advance(&mut self, segment: u64, offset: u64, head: &Head) -> io::Result<()> {
        let sequence = self.newest.sequence.saturating_add(1);
        let (position, digest) = (head.position, head.digest);
        self.newest = Mark { sequence, segment, offset, position, digest, ..self.newest };
        write_full(self.file.as_ref(), &self.newest.encode(), self.newest.slot())?;
        self.file.sync_data()
    }
}

/// Puts a mark in place that says nothing yet.
pub(crate) fn make(disk: &dyn Disk, directory: &Path, log: LogId) -> Result<(), StoreError> {
    put_in_place(disk, directory, MARK_FILE, &Mark::first(log).encode_both())
        .map_err(failed("the mark cannot be made", directory))
}

/// Reads the newest mark; none if the log was made before there were marks.
pub(crate) fn read(disk: &dyn Disk, directory: &Path, log: LogId) -> Result<Option<Mark>, StoreError> {
    let path = directory.join(MARK_FILE);
    let read = || read_small(disk, &path, 2 * MARK_SLOT).map_err(failed("a file cannot be read", &path));
    let Some(octets) = read()? else { return Ok(None) };
    let mark = match Mark::parse(&octets) {
        // A writer may have been writing one slot while the other was read.
        Err(Unfit::Damaged(_)) => Mark::parse(&read()?.unwrap_or_default()),
        parsed => parsed,
    };
    let mark = mark.map_err(|unfit| unfit_file(MARK_FILE, unfit))?;
    segment::same_log(mark.log, log).map_err(|reason| corrupt(MARK_FILE.into(), reason))?;
    Ok(Some(mark))
}

impl Mark {
    /// Refuses another head than the marked one at the marked place.
    pub(crate) fn check_passing(&self, segment: u64, offset: u64, head: &Head) -> Result<(), String> {
        if (segment, offset) == (self.segment, self.offset)
            && (head.position, head.digest) != (self.position, self.digest)
        {
            return Err(format!(
                "the log was durable here with position {} and {}, but has position {} and {}",
                self.position, self.digest, head.position, head.digest
            ));
        }
        Ok(())
    }

    /// Refuses a log that ends before the marked place.
    pub(crate) fn check_end(&self, segment: u64, offset: u64, broken: Option<&str>) -> Result<(), StoreError> {
        if (segment, offset) >= (self.segment, self.offset) {
            return Ok(());
        }
        let why = broken.unwrap_or("the log ends here");
        let reason = format!(
            "{why}; it was durable up to segment {:020} offset {} (if these are copies of files that somebody wrote \
             to meanwhile, make a backup instead)",
            self.segment, self.offset
        );
        Err(corrupt(segment::place(segment, offset), reason))
    }
}
