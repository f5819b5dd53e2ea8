//! An index file: the streams and commit ids of some neighbouring segments, in the order of their keys.
//!
//! In memory are a filter, which knows nearly every absent key without a look into the file, and the first entry of each
//! page, which finds the page of a present one.

use core::ops::Range;
use std::cell::RefCell;
use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use pca_core::log::{Position, StoreError};

use super::filter::Filter;
use super::layout::{Entry, FOOTER, Footer, PAGE, PER_PAGE, Place, Summary, parse_page};
use crate::log::disk::{Disk, DiskFile, Mode, read_full};
use crate::log::format::{LogId, Unfit, to_u64, to_usize};
use crate::log::open::{corrupt, refused};
use crate::log::segment::same_log;

/// `ENFILE` and `EMFILE`.
const NO_DESCRIPTOR: [i32; 2] = [23, 24];
/// How many pages are read with one call when a file is read whole.
const AHEAD: u64 = 256;

pub(crate) struct Run {
    pub(crate) summary: Summary,
    pub(crate) filter: Filter,
    pub(crate) file: Arc<dyn DiskFile>,
}

impl Run {
    /// Opens an index file and reads what is kept in memory; tells why it is of no use.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn open(
        disk: &dyn Disk,
        directory: &Path,
        name: &str,
        log: LogId,
    ) -> Result<Result<Self, String>, StoreError> {
        match Self::read_in(disk, directory, name, log) {
            Err(StoreError::Corrupt { reason, .. }) => Ok(Err(reason)),
            read => read.map(Ok),
        }
    }

    fn read_in(disk: &dyn Disk, directory: &Path, name: &str, log: LogId) -> Result<Self, StoreError> {
        let damaged = |reason: &str| corrupt(name.into(), reason.into());
        let file = disk.open(&directory.join(name), Mode::Read).map_err(|error| match error.kind() {
            ErrorKind::NotFound => damaged("somebody removed it"),
            _ => unreadable(name.into(), error),
        })?;
        let run = Self::of(file, name)?;
        same_log(run.summary.log, log).map_err(|reason| corrupt(name.into(), reason))?;
        if run.summary.name() != name {
            return Err(damaged("its content does not fit its name"));
        }
        Ok(run)
    }

    /// Reads what is kept in memory of a file, which is called like this.
    pub(crate) fn of(file: Arc<dyn DiskFile>, name: &str) -> Result<Self, StoreError> {
        let trouble = || |error| unreadable(name.into(), error);
        let damaged = |reason: &str| corrupt(name.into(), reason.into());
        let unfit = |unfit| match unfit {
            Unfit::Newer(version) => damaged(&format!("it has version {version} of the format")),
            Unfit::Damaged(reason) => damaged(&reason),
        };
        let length = file.length().map_err(trouble())?;
        let footer_at = length.checked_sub(to_u64(FOOTER)).ok_or_else(|| damaged("it is too short"))?;
        let mut octets = [0; FOOTER];
        let count = read_full(file.as_ref(), &mut octets, footer_at).map_err(trouble())?;
        let footer = Footer::parse(octets.get(..count).unwrap_or_default()).map_err(unfit)?;
        let (start, resident) = (footer.pages_length(), footer.resident_length());
        if start.saturating_add(resident) != footer_at {
            return Err(damaged("it has another length than it should"));
        }
        let mut octets = vec![0; to_usize(resident)];
        let count = read_full(file.as_ref(), &mut octets, start).map_err(trouble())?;
        let resident = footer.resident(octets.get(..count).unwrap_or_default());
        let (summary, filter) = resident.map_err(unfit)?;
        Ok(Self { summary, filter, file })
    }

    /// The commits before a place that have a key, oldest first, by their numbers among the entries.
    pub(crate) fn having(&self, key: u64, before: Place) -> Result<Range<u64>, StoreError> {
        if !self.filter.may_have(key) {
            return Ok(0..0);
        }
        let pages = Pages { run: self, last: RefCell::new(None) };
        let start = pages.rank(Entry { key, place: Place::default() })?;
        let end = pages.rank(Entry { key, place: before })?;
        Ok(start..end.max(start))
    }

    /// Where the commits with these numbers lie.
    pub(crate) fn places(&self, numbers: Range<u64>) -> Result<Vec<Place>, StoreError> {
        let mut places = Vec::with_capacity(to_usize(numbers.end.saturating_sub(numbers.start)));
        let mut next = numbers.start;
        while next < numbers.end {
            let (page, within) = (next / PER_PAGE, next % PER_PAGE);
            let entries = self.page(page)?;
            let count = (numbers.end - next).min(PER_PAGE - within);
            let some = entries.get(to_usize(within)..to_usize(within.saturating_add(count))).unwrap_or_default();
            if some.is_empty() {
                return Err(refused(format!("{} has no entry {next}", self.summary.name())));
            }
            places.extend(some.iter().map(|entry| entry.place));
            next = next.saturating_add(to_u64(some.len()));
        }
        Ok(places)
    }

    /// A commit that begins at a position or before, and not long before.
    pub(crate) fn milestone(&self, position: Position) -> Option<Place> {
        let count = self.summary.milestones.partition_point(|milestone| milestone.first <= position.get());
        self.summary.milestones.get(count.checked_sub(1)?).map(|milestone| milestone.place)
    }

    /// All entries in order.
    pub(crate) fn scan(&self) -> impl Iterator<Item = Result<Entry, StoreError>> {
        let pages = self.pages();
        let batches = (0..pages.div_ceil(AHEAD)).map(move |batch| {
            let first = batch.saturating_mul(AHEAD);
            self.read(first..first.saturating_add(AHEAD).min(pages))
        });
        batches.flat_map(|batch| match batch {
            Ok(entries) => entries.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    fn pages(&self) -> u64 {
        to_u64(self.summary.fences.len())
    }

    fn page(&self, number: u64) -> Result<Vec<Entry>, StoreError> {
        self.read(number..number.saturating_add(1))
    }

    fn read(&self, pages: Range<u64>) -> Result<Vec<Entry>, StoreError> {
        let Summary { log, first_segment, entries, .. } = self.summary;
        let mut octets = vec![0; to_usize(pages.end.saturating_sub(pages.start)) * PAGE];
        let start = pages.start.saturating_mul(to_u64(PAGE));
        let count = read_full(self.file.as_ref(), &mut octets, start)
            .map_err(|error| unreadable(self.summary.name(), error))?;
        let octets = octets.get(..count).unwrap_or_default();
        let mut all = Vec::with_capacity(octets.len() / 16);
        for (number, page) in pages.zip(octets.chunks(PAGE).chain(core::iter::repeat(&[][..]))) {
            let count = entries.saturating_sub(number.saturating_mul(PER_PAGE)).min(PER_PAGE);
            let damaged = |reason| corrupt(self.summary.name(), format!("page {number} {reason}"));
            let parsed = parse_page(page, log, first_segment, number, count);
            let parsed = parsed.ok_or_else(|| damaged("does not fit its checksum"))?;
            if !self.is_between_fences(number, &parsed) {
                return Err(damaged("is of another file"));
            }
            all.extend(parsed);
        }
        Ok(all)
    }

    /// A sector that was never written shows what another file had there once, whose checksum may fit.
    fn is_between_fences(&self, number: u64, entries: &[Entry]) -> bool {
        let mut fences = self.summary.fences.iter().skip(to_usize(number));
        let begins = fences.next() == entries.first();
        begins && fences.next().is_none_or(|next| entries.last().is_some_and(|last| last < next))
    }
}

/// A file that cannot be read is of as little use as one that is damaged, and is made anew like it; unless it is the
/// process that lacks something.
fn unreadable(name: String, error: Error) -> StoreError {
    let is_shortage = error.kind() == ErrorKind::OutOfMemory
        || cfg!(unix) && error.raw_os_error().is_some_and(|code| NO_DESCRIPTOR.contains(&code));
    let reason = format!("it cannot be read: {error}");
    if is_shortage { refused(format!("{name}: {reason}")) } else { corrupt(name, reason) }
}

/// Pages of one look; the last one is at hand.
struct Pages<'r> {
    run: &'r Run,
    last: RefCell<Option<(u64, Vec<Entry>)>>,
}

impl Pages<'_> {
    /// How many entries come before this one.
    fn rank(&self, entry: Entry) -> Result<u64, StoreError> {
        let fences = &self.run.summary.fences;
        let Some(page) = to_u64(fences.partition_point(|fence| *fence < entry)).checked_sub(1) else { return Ok(0) };
        let mut last = self.last.borrow_mut();
        let entries = match last.take() {
            Some((number, entries)) if number == page => entries,
            _ => self.run.page(page)?,
        };
        let within = to_u64(entries.partition_point(|other| *other < entry));
        *last = Some((page, entries));
        Ok(page.saturating_mul(PER_PAGE).saturating_add(within))
    }
}
