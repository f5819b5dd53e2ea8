//! Readers of octets, for the fuzz targets (`fuzz/`): a directory would have to be made for each input otherwise.
//!
//! Only with the feature `fuzzing`, and no part of the library.

use std::io;
use std::sync::Arc;

use pca_core::log::Seal;

use super::disk::DiskFile;
use super::format::{
    CLOSED_LENGTH, ClosedAt, FORMAT_LENGTH, FRAME_HEADER, FRAME_MAGIC, FramePlace, MARK_CONTENT, MARK_SLOT, Mark,
    SEGMENT_HEADER, SegmentStart, format_file, frame_checksum, mark, mend_small_file, parse_format_file, push_commit,
    to_u64, to_usize,
};
use super::index;
use super::scan::{Found, Scanner};

/// Reads a segment frame by frame, and judges what follows the last valid one. Answers the header and all valid frames,
/// written again from what was read; nothing if the header is none.
#[must_use]
pub fn walk(octets: &[u8]) -> Option<Vec<u8>> {
    let start = SegmentStart::parse(octets.get(..SEGMENT_HEADER)?).ok()?;
    let mut written = start.encode();
    let mut head = start.before;
    let mut scanner = Scanner::new(Arc::new(Memory(octets.into())), start.log, start.first()).ok()?;
    loop {
        let place = FramePlace { log: start.log, segment: start.first(), offset: scanner.offset() };
        match scanner.next(&head).ok()? {
            Found::Commit { recorded, .. } => {
                let seal: &Seal = recorded.seal();
                push_commit(&mut written, place, seal, recorded.commit().body(), scanner.durable());
                head = seal.head();
            }
            Found::Mark(kind) => written.extend(mark(kind, place, &head)),
            Found::Broken { .. } => {
                scanner.judge().ok()?;
                return Some(written);
            }
            Found::End | Found::Wrong { .. } => return Some(written),
        }
    }
}

/// Reads a format file, a segment's header and the file of a closed log. Answers whatever can be read, written again.
#[must_use]
pub fn small_files(octets: &[u8]) -> Vec<Vec<u8>> {
    let format = parse_format_file(octets).ok().map(format_file);
    let start = SegmentStart::parse(octets).ok().map(|start| start.encode());
    let closed = ClosedAt::parse(octets).ok().map(|closed| closed.encode());
    [format, start, closed].into_iter().flatten().collect()
}

/// Reads a mark. Answers it as a new file; nothing if there is none.
#[must_use]
pub fn mark_file(octets: &[u8]) -> Option<Vec<u8>> {
    Mark::parse(octets).ok().map(|mark| mark.encode_both())
}

/// Reads an index file. Answers it written again from what was read; nothing if it is of no use.
#[must_use]
pub fn index(octets: &[u8]) -> Option<Vec<u8>> {
    index::whole(Arc::new(Memory(octets.into()))).ok()
}

/// Makes the checksums of an index file fit.
pub fn mend_index(octets: &mut [u8]) {
    index::mend(octets);
}

/// Makes the checksum of a small file fit, if it has the length of one.
pub fn mend_small(octets: &mut [u8]) {
    for slot in octets.chunks_exact_mut(MARK_SLOT) {
        if let Some(content) = slot.get_mut(..MARK_CONTENT) {
            mend_small_file(content);
        }
    }
    if [FORMAT_LENGTH, SEGMENT_HEADER, CLOSED_LENGTH].contains(&octets.len()) {
        mend_small_file(octets);
    }
}

/// Makes the checksums of a segment's header and of its frames fit, as far as one frame leads to the next.
pub fn mend(octets: &mut [u8]) {
    let Some(header) = octets.get_mut(..SEGMENT_HEADER) else { return };
    mend_small_file(header);
    let Ok(SegmentStart { log, before }) = SegmentStart::parse(header) else { return };
    let segment = SegmentStart { log, before }.first();
    let mut offset = SEGMENT_HEADER;
    while let Some(frame) = octets.get_mut(offset..).and_then(|rest| rest.get_mut(..FRAME_HEADER)) {
        if !frame.starts_with(FRAME_MAGIC) {
            return;
        }
        let (content, checksum) = frame.split_at_mut(FRAME_HEADER - 8);
        checksum.copy_from_slice(&frame_checksum(FramePlace { log, segment, offset: to_u64(offset) }, content));
        let body = content.get(8..12).and_then(|length| length.first_chunk().copied()).map_or(0, u32::from_be_bytes);
        let Some(next) = offset.checked_add(FRAME_HEADER.saturating_add(to_usize(body.into())).next_multiple_of(8))
        else {
            return;
        };
        offset = next;
    }
}

/// A file that is only read.
struct Memory(Box<[u8]>);

impl DiskFile for Memory {
    fn length(&self) -> io::Result<u64> {
        Ok(to_u64(self.0.len()))
    }

    fn read_at(&self, octets: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.0.get(to_usize(offset)..).unwrap_or_default();
        let count = rest.len().min(octets.len());
        if let (Some(to), Some(from)) = (octets.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_length(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
}
