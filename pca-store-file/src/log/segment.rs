//! Segments: their files, and making a new one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, DiskFile, FRESH, Mode, read_full, write_full};
use super::format::{
    CLOSED_FILE, FORMAT_FILE, LogId, MARK_FILE, SEGMENT_HEADER, SEGMENT_SUFFIX, SegmentStart, TORN_PREFIX, Unfit,
    parse_segment_name, segment_name,
};
use super::index::SUFFIX;

/// A segment that is known.
#[derive(Clone)]
pub(crate) struct Segment {
    /// The position of its first event.
    pub(crate) first: u64,
    /// Its file; none before it has been made.
    pub(crate) file: Option<Arc<dyn DiskFile>>,
    /// Where the newest frame that was staged for it ends.
    pub(crate) end: u64,
}

/// Makes a segment: written beside with its header, synced, put in place, the directory synced. A segment that has its
/// name is whole.
pub(crate) fn create(disk: &dyn Disk, directory: &Path, start: &SegmentStart) -> io::Result<Arc<dyn DiskFile>> {
    let name = segment_name(start.first());
    let fresh = directory.join(format!("{name}{FRESH}"));
    let file = disk.open(&fresh, Mode::Create)?;
    write_full(file.as_ref(), &start.encode(), 0)?;
    file.sync_all()?;
    disk.rename(&fresh, &directory.join(name))?;
    disk.sync_directory(directory)?;
    Ok(file)
}

/// Opens a segment and reads its header.
pub(crate) fn open(
    disk: &dyn Disk,
    directory: &Path,
    first: u64,
    mode: Mode,
) -> io::Result<(Arc<dyn DiskFile>, Result<SegmentStart, Unfit>)> {
    let file = disk.open(&directory.join(segment_name(first)), mode)?;
    let mut octets = [0; SEGMENT_HEADER];
    let count = read_full(file.as_ref(), &mut octets, 0)?;
    let start = SegmentStart::parse(octets.get(..count).unwrap_or_default());
    Ok((file, start))
}

/// What lies in the directory, as far as the log is concerned.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The first positions of the segments, ascending.
    pub(crate) segments: Vec<u64>,
    /// Names that look like a segment's but are none.
    pub(crate) strange: Vec<String>,
    /// Files that were never put in place.
    pub(crate) fresh: Vec<String>,
}

pub(crate) fn list(disk: &dyn Disk, directory: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for name in disk.list(directory)? {
        if let Some(first) = parse_segment_name(&name) {
            listing.segments.push(first);
        } else if name.ends_with(SEGMENT_SUFFIX) {
            listing.strange.push(name);
        } else if name.strip_suffix(FRESH).is_some_and(is_own) {
            listing.fresh.push(name);
        }
    }
    listing.segments.sort_unstable();
    Ok(listing)
}

fn is_own(name: &str) -> bool {
    parse_segment_name(name).is_some()
        || name.ends_with(SUFFIX)
        || name.starts_with(TORN_PREFIX)
        || [FORMAT_FILE, CLOSED_FILE, MARK_FILE].contains(&name)
}

/// Whether a header is the one that must follow a head in a log.
pub(crate) fn check_start(start: &SegmentStart, expected: &SegmentStart) -> Result<(), String> {
    if start.log != expected.log {
        return Err("the segment belongs to another log".into());
    }
    if start.before != expected.before {
        return Err(format!(
            "the segment begins at position {} and continues {}, but position {} and {} are next",
            start.first(),
            start.before.digest,
            expected.first(),
            expected.before.digest
        ));
    }
    Ok(())
}

/// Where in a segment something is, for errors.
pub(crate) fn place(segment: u64, offset: u64) -> String {
    format!("segment {segment:020} offset {offset}")
}

/// Whether a file belongs to the log that it lies in.
pub(crate) fn same_log(found: LogId, expected: LogId) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err("the file belongs to another log".into()) }
}
