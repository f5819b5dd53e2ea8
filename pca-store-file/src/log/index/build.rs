//! Making an index file: from segments in memory, from other index files, or from both.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pca_core::log::{Head, StoreError};

use super::filter::Filter;
use super::layout::{Covered, ENTRY, Entry, Milestone, PAGE, PER_PAGE, Summary, seal_page};
use super::part::Part;
use super::run::Run;
use crate::log::disk::{Disk, DiskFile, FRESH, Mode, write_full};
use crate::log::format::{LogId, to_u64};
use crate::log::open::{failed, refused};

/// How much is written with one call.
const BUFFER: usize = 1024 * 1024;

/// A sealed segment that no index file covers yet.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub(crate) part: Arc<Part>,
    pub(crate) covered: Covered,
    /// The newest commit in it.
    pub(crate) head: Head,
}

/// What an index file is made of, neighbours in the order of the log.
pub(crate) struct Material<'m> {
    pub(crate) runs: &'m [Arc<Run>],
    pub(crate) sealed: &'m [Sealed],
}

impl Material<'_> {
    /// Writes an index file beside, and puts it in place. Tells nothing if it was stopped.
    ///
    /// It is synced before it has its name, so that no crash leaves a torn one; that it is there need not be durable.
    pub(crate) fn build(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        log: LogId,
        stop: &AtomicBool,
    ) -> Result<Option<Run>, StoreError> {
        let summary = self.summary(log)?;
        let name = summary.name();
        let fresh = directory.join(format!("{name}{FRESH}"));
        let built = self.build_beside(disk, directory, summary, (&fresh, &directory.join(name)), stop);
        if !matches!(built, Ok(Some(_))) {
            // The next opening removes it if this fails.
            let _ = disk.remove(&fresh);
        }
        built
    }

    fn build_beside(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        summary: Summary,
        (fresh, path): (&Path, &Path),
        stop: &AtomicBool,
    ) -> Result<Option<Run>, StoreError> {
        let trouble = || failed("an index cannot be written", directory);
        let file = disk.open(fresh, Mode::Create).map_err(trouble())?;
        let keys = self.runs.iter().map(|run| run.summary.distinct).sum::<u64>();
        let sorted: Vec<Vec<Entry>> = self.sealed.iter().map(|sealed| sealed.part.entries()).collect();
        let keys = keys.saturating_add(sorted.iter().map(|entries| distinct(entries)).sum());
        let mut writer = Writer::new(Arc::clone(&file), summary, Filter::for_keys(keys));
        let mut sources: Vec<Source<'_>> = self.runs.iter().map(|run| Source::new(run.scan())).collect();
        sources.extend(sorted.into_iter().map(|entries| Source::new(entries.into_iter().map(Ok))));
        let merged = merge(
            &mut sources,
            |entry| {
                if entry.is_multiple_of(1024) && stop.load(Ordering::Relaxed) { Err(Halt::Stopped) } else { Ok(()) }
            },
            &mut writer,
        );
        match merged {
            Ok(()) => {}
            Err(Halt::Stopped) => return Ok(None),
            Err(Halt::Failed(error)) => return Err(error),
        }
        let (summary, filter) = writer.finish().map_err(trouble())?;
        file.sync_all().map_err(trouble())?;
        disk.rename(fresh, path).map_err(trouble())?;
        let file = disk.open(path, Mode::Read).map_err(trouble())?;
        Ok(Some(Run { summary, filter, file }))
    }

    fn summary(&self, log: LogId) -> Result<Summary, StoreError> {
        let runs = self.runs.iter().map(|run| &run.summary);
        let segments: Vec<Covered> = runs
            .clone()
            .flat_map(|summary| summary.segments.iter().copied())
            .chain(self.sealed.iter().map(|sealed| sealed.covered))
            .collect();
        let milestones: Vec<Milestone> = runs
            .clone()
            .flat_map(|summary| summary.milestones.iter().copied())
            .chain(self.sealed.iter().flat_map(|sealed| sealed.part.milestones()))
            .collect();
        let first_segment = runs
            .clone()
            .map(|summary| summary.first_segment)
            .chain(self.sealed.iter().map(|one| one.part.segment))
            .next();
        let head = runs.map(|summary| summary.head).chain(self.sealed.iter().map(|sealed| sealed.head)).last();
        let (Some(first_segment), Some(head)) = (first_segment, head) else {
            return Err(refused("there is nothing to make an index of".into()));
        };
        Ok(Summary { log, first_segment, segments, head, entries: 0, distinct: 0, milestones, fences: Vec::new() })
    }
}

enum Halt {
    Stopped,
    Failed(StoreError),
}

/// Entries in order, the next one at hand.
struct Source<'s> {
    next: Option<Entry>,
    rest: Box<dyn Iterator<Item = Result<Entry, StoreError>> + 's>,
}

impl<'s> Source<'s> {
    fn new(rest: impl Iterator<Item = Result<Entry, StoreError>> + 's) -> Self {
        Self { next: None, rest: Box::new(rest) }
    }

    fn advance(&mut self) -> Result<(), Halt> {
        self.next = self.rest.next().transpose().map_err(Halt::Failed)?;
        Ok(())
    }
}

/// Writes what all sources have, in order.
fn merge(
    sources: &mut [Source<'_>],
    mut go_on: impl FnMut(u64) -> Result<(), Halt>,
    writer: &mut Writer,
) -> Result<(), Halt> {
    for source in sources.iter_mut() {
        source.advance()?;
    }
    let mut count = 0_u64;
    while let Some((entry, source)) =
        sources.iter_mut().filter_map(|source| source.next.map(|entry| (entry, source))).min_by_key(|(entry, _)| *entry)
    {
        source.advance()?;
        go_on(count)?;
        count = count.saturating_add(1);
        writer.push(entry).map_err(|error| Halt::Failed(refused(format!("an index cannot be written: {error}"))))?;
    }
    Ok(())
}

fn distinct(sorted: &[Entry]) -> u64 {
    to_u64(sorted.chunk_by(|one, other| one.key == other.key).count())
}

/// Writes pages, and gathers what follows them.
struct Writer {
    file: Arc<dyn DiskFile>,
    summary: Summary,
    filter: Filter,
    last: Option<u64>,
    page: Vec<u8>,
    buffer: Vec<u8>,
    written: u64,
}

impl Writer {
    fn new(file: Arc<dyn DiskFile>, summary: Summary, filter: Filter) -> Self {
        let (page, buffer) = (Vec::with_capacity(PAGE), Vec::with_capacity(BUFFER + PAGE));
        Self { file, summary, filter, last: None, page, buffer, written: 0 }
    }

    fn push(&mut self, entry: Entry) -> std::io::Result<()> {
        if self.page.is_empty() {
            self.summary.fences.push(entry);
        }
        if self.last != Some(entry.key) {
            self.filter.insert(entry.key);
            self.summary.distinct = self.summary.distinct.saturating_add(1);
            self.last = Some(entry.key);
        }
        self.page.extend_from_slice(&entry.encode());
        self.summary.entries = self.summary.entries.saturating_add(1);
        if to_u64(self.page.len() / ENTRY) == PER_PAGE {
            self.end_page();
        }
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    fn end_page(&mut self) {
        let number = to_u64(self.summary.fences.len()).saturating_sub(1);
        seal_page(&mut self.page, self.summary.log, self.summary.first_segment, number);
        self.buffer.append(&mut self.page);
    }

    fn flush(&mut self) -> std::io::Result<()> {
        write_full(self.file.as_ref(), &self.buffer, self.written)?;
        self.written = self.written.saturating_add(to_u64(self.buffer.len()));
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> std::io::Result<(Summary, Filter)> {
        if !self.page.is_empty() {
            self.end_page();
        }
        self.flush()?;
        let rest = self.summary.encode(&self.filter);
        write_full(self.file.as_ref(), &rest, self.written)?;
        Ok((self.summary, self.filter))
    }
}
