//! Reading a segment frame by frame, believing nothing.

use std::io;
use std::sync::Arc;

use pca_core::log::{Head, Recorded};

use super::disk::{DiskFile, read_full};
use super::format::{
    FRAME_HEADER, FRAME_MAGIC, FrameHeader, FrameKind, FramePlace, LARGEST_GROUP, LogId, NoHeader, SEGMENT_HEADER,
    parse_header, to_u64, to_usize,
};

/// How much is read at once.
const WINDOW: u64 = 1024 * 1024;

/// What stands at an offset.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are commits, and none is kept")]
pub(crate) enum Found {
    /// A commit that continues the head; the scanner stands behind it.
    Commit { recorded: Recorded, offset: u64 },
    /// A seal or beacon that names the head; the scanner stands behind it.
    Mark(FrameKind),
    /// Nothing: the file ends, or only zeros follow.
    End,
    /// No valid frame: torn, or damaged.
    Broken { reason: String },
    /// A frame that was written like this, but does not belong here: damaged for sure.
    Wrong { reason: String },
}

/// What follows a broken frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is what a crash leaves of a group that was not durable: this many octets up to the last that is not zero.
    Torn { octets: u64 },
    /// It was durable once.
    Damaged { reason: String },
}

/// Walks through a segment.
pub(crate) struct Scanner {
    file: Arc<dyn DiskFile>,
    log: LogId,
    segment: u64,
    offset: u64,
    /// Up to which offset a frame has said that everything is durable.
    durable: u64,
    length: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl Scanner {
    /// Begins behind the header of the segment.
    pub(crate) fn new(file: Arc<dyn DiskFile>, log: LogId, segment: u64) -> io::Result<Self> {
        Self::from(file, log, segment, to_u64(SEGMENT_HEADER))
    }

    /// Begins where a frame begins, or the next one will.
    pub(crate) fn from(file: Arc<dyn DiskFile>, log: LogId, segment: u64, offset: u64) -> io::Result<Self> {
        let length = file.length()?;
        let durable = to_u64(SEGMENT_HEADER);
        Ok(Self { file, log, segment, offset, durable, length, window: Vec::new(), window_start: 0 })
    }

    /// The log that the segment belongs to.
    pub(crate) fn log(&self) -> LogId {
        self.log
    }

    /// Where the next frame begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Up to which offset a valid frame has said that everything was durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    /// How long the file is.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Forgets what was read ahead, which may have been written meanwhile.
    pub(crate) fn refresh(&mut self) -> io::Result<()> {
        self.window.clear();
        self.length = self.file.length()?;
        Ok(())
    }

    /// Reads the next frame, which must continue the head.
    pub(crate) fn next(&mut self, head: &Head) -> io::Result<Found> {
        if self.offset >= self.length {
            return Ok(Found::End);
        }
        let place = FramePlace { log: self.log, segment: self.segment, offset: self.offset };
        let octets = self.octets(self.offset, to_u64(FRAME_HEADER))?;
        let header = match parse_header(octets, place) {
            Ok(header) => header,
            Err(unknown @ NoHeader::Unknown) => return Ok(Found::Wrong { reason: unknown.reason().into() }),
            Err(NoHeader::Unfit(reason)) => {
                let zeros = octets.iter().all(|octet| *octet == 0);
                return if zeros && self.last_octet()?.is_none() {
                    Ok(Found::End)
                } else {
                    Ok(Found::Broken { reason: reason.into() })
                };
            }
        };
        let end = self.offset.saturating_add(header.length());
        if end > self.length {
            let reason = format!("a frame of {} octets is cut off by the end of the file", header.length());
            return Ok(Found::Broken { reason });
        }
        if let Err(reason) = self.check(&header, head) {
            return Ok(Found::Wrong { reason });
        }
        let found = match header.kind {
            FrameKind::Seal | FrameKind::Beacon => Found::Mark(header.kind),
            FrameKind::Commit => {
                let offset = self.offset;
                let frame = self.octets(offset, header.length())?;
                match restore(&header, frame) {
                    Ok(recorded) => Found::Commit { recorded, offset },
                    Err(reason) => return Ok(Found::Broken { reason }),
                }
            }
        };
        if let Found::Commit { recorded, .. } = &found {
            let expected = head.time.max(recorded.commit().metadata().decided_at);
            if recorded.seal().time != expected {
                let reason = format!("a commit is dated {}, but must be dated {expected}", recorded.seal().time);
                return Ok(Found::Wrong { reason });
            }
        }
        self.durable = header.durable;
        self.offset = end;
        Ok(found)
    }

    fn check(&self, header: &FrameHeader, head: &Head) -> Result<(), String> {
        let mark = header.kind != FrameKind::Commit;
        let first = if mark { head.position } else { head.position.plus(1) };
        if header.first != first {
            return Err(format!("a frame begins at position {}, but {first} is next", header.first));
        }
        if header.previous != head.digest {
            return Err(format!("a frame continues {}, but the commit before it is {}", header.previous, head.digest));
        }
        let fits = if mark { header.durable == self.offset } else { header.durable <= self.offset };
        if !fits || header.durable < self.durable {
            return Err(format!("a frame says that {} octets are durable, which cannot be", header.durable));
        }
        if mark && (header.digest, header.time, header.body, header.count) != (head.digest, head.time, 0, 0) {
            return Err("a seal or beacon does not name the commit before it".into());
        }
        Ok(())
    }

    /// Decides what the broken frame at the offset is, from what follows it in the file.
    ///
    /// A frame that says that this offset was durable before it was written, and anything but zeros beyond the largest
    /// group, cannot stand behind a torn frame.
    pub(crate) fn judge(&mut self) -> io::Result<Verdict> {
        let broken = self.offset;
        let Some(last) = self.last_octet()? else { return Ok(Verdict::Torn { octets: 0 }) };
        let octets = last.saturating_add(1).saturating_sub(broken);
        if octets > to_u64(LARGEST_GROUP) {
            let reason = format!("{octets} octets follow, more than a crash can leave behind");
            return Ok(Verdict::Damaged { reason });
        }
        let mut offset = broken.saturating_add(8);
        while offset <= last {
            let place = FramePlace { log: self.log, segment: self.segment, offset };
            let octets = self.octets(offset, to_u64(FRAME_HEADER))?;
            if octets.get(..4) == Some(FRAME_MAGIC)
                && let Ok(header) = parse_header(octets, place)
                && header.durable > broken
            {
                let reason = format!("the frame at offset {offset} says that this was durable");
                return Ok(Verdict::Damaged { reason });
            }
            offset = offset.saturating_add(8);
        }
        Ok(Verdict::Torn { octets })
    }

    /// The offset of the last octet from here on that is not zero.
    fn last_octet(&mut self) -> io::Result<Option<u64>> {
        let mut last = None;
        let mut offset = self.offset;
        let mut buffer = vec![0; to_usize(WINDOW.min(self.length.saturating_sub(offset)))];
        while offset < self.length {
            let count = read_full(self.file.as_ref(), &mut buffer, offset)?;
            if count == 0 {
                break;
            }
            let read = buffer.get(..count).unwrap_or_default();
            if let Some(index) = read.iter().rposition(|octet| *octet != 0) {
                last = Some(offset.saturating_add(to_u64(index)));
            }
            offset = offset.saturating_add(to_u64(count));
        }
        Ok(last)
    }

    /// So many octets from an offset on, or fewer at the end of the file.
    fn octets(&mut self, offset: u64, count: u64) -> io::Result<&[u8]> {
        let count = count.min(self.length.saturating_sub(offset));
        let window_end = self.window_start.saturating_add(to_u64(self.window.len()));
        if offset < self.window_start || offset.saturating_add(count) > window_end {
            let ahead = count.max(WINDOW).min(self.length.saturating_sub(offset));
            self.window.resize(to_usize(ahead), 0);
            let read = read_full(self.file.as_ref(), &mut self.window, offset)?;
            self.window.truncate(read);
            self.window_start = offset;
        }
        let start = to_usize(offset.saturating_sub(self.window_start));
        let end = start.saturating_add(to_usize(count)).min(self.window.len());
        Ok(self.window.get(start..end).unwrap_or_default())
    }
}

/// Reads a commit back from its whole frame, and checks its digest and its padding.
pub(crate) fn restore(header: &FrameHeader, frame: &[u8]) -> Result<Recorded, String> {
    let end = FRAME_HEADER.saturating_add(to_usize(u64::from(header.body)));
    let body = frame.get(FRAME_HEADER..end).ok_or("a frame is cut off")?;
    if frame.get(end..to_usize(header.length())).is_none_or(|padding| padding.iter().any(|octet| *octet != 0)) {
        return Err("the padding of a frame is not zero".into());
    }
    let recorded = Recorded::restore(body.into(), header.previous, header.first, header.time, header.digest)
        .map_err(|error| error.to_string())?;
    if recorded.seal().count != header.count {
        return Err(format!("a frame of {} events has {} in its header", recorded.seal().count, header.count));
    }
    Ok(recorded)
}
