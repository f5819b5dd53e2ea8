//! Reading frames of commits from segments, with everything checked again.

use core::ops::Range;
use std::sync::Arc;

use pca_core::log::{Recorded, StoreError};

use super::disk::{DiskFile, read_full};
use super::format::{
    FRAME_HEADER, FrameHeader, FrameKind, FramePlace, LogId, NoHeader, SEGMENT_HEADER, parse_header, to_u64, to_usize,
};
use super::index::Place;
use super::open::{corrupt, refused, unreadable};
use super::scan::restore;
use super::segment;

/// How much is read from disk at once.
const SPAN: u64 = 1024 * 1024;
/// How many octets nobody asked for are read rather than making another call.
const GAP: u64 = 16 * 1024;
/// How many octets are read of a frame whose length is not known.
const GUESS: u64 = 4 * 1024;

/// A segment to read from.
#[derive(Clone)]
pub(crate) struct Source {
    /// The position of its first event.
    pub(crate) first: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Where its last commit ends.
    pub(crate) end: u64,
}

/// The commits at these places, which are ascending; what lies near each other is read with one call.
pub(crate) fn fetch(
    log: LogId,
    places: &[Place],
    mut source: impl FnMut(u32) -> Option<Source>,
) -> Result<Vec<Arc<Recorded>>, StoreError> {
    let mut fetched = Vec::with_capacity(places.len());
    let mut rest = places;
    while let Some(begin) = rest.first() {
        let near = |pair: &&[Place]| {
            let [one, next] = pair else { return false };
            one.segment == next.segment
                && next.offset.saturating_sub(one.offset) <= u32::try_from(GAP).unwrap_or(u32::MAX)
                && u64::from(next.offset.saturating_sub(begin.offset)) <= SPAN
        };
        let count = 1 + rest.windows(2).take_while(near).count();
        let (span, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        rest = others;
        let no_segment = || refused(format!("segment number {} is not there", begin.segment));
        let source = source(begin.segment).ok_or_else(no_segment)?;
        let mut window = Window::new(log, source);
        let last = span.last().map_or(0, |last| u64::from(last.offset));
        window.read(u64::from(begin.offset)..last.saturating_add(GUESS))?;
        for place in span {
            let offset = u64::from(place.offset);
            let header = window.header(offset)?;
            match window.commit(offset, &header)? {
                Some(recorded) => fetched.push(Arc::new(recorded)),
                None => return Err(window.damaged(offset, "no commit begins here".into())),
            }
        }
    }
    Ok(fetched)
}

/// Octets of a segment that were read.
pub(crate) struct Window {
    log: LogId,
    pub(crate) source: Source,
    start: u64,
    octets: Vec<u8>,
}

impl Window {
    pub(crate) fn new(log: LogId, source: Source) -> Self {
        Self { log, source, start: 0, octets: Vec::new() }
    }

    /// The header of the frame at an offset; what follows it is read ahead.
    pub(crate) fn header(&mut self, offset: u64) -> Result<FrameHeader, StoreError> {
        if !self.has(offset, to_u64(FRAME_HEADER)) {
            let ahead = SPAN.min(self.source.end.saturating_sub(offset)).max(to_u64(FRAME_HEADER));
            self.read(offset..offset.saturating_add(ahead))?;
        }
        let place = FramePlace { log: self.log, segment: self.source.first, offset };
        parse_header(self.at(offset), place).map_err(|error| self.damaged(offset, NoHeader::reason(error).into()))
    }

    /// The commit in the frame at an offset, whose header this is; nothing if it holds none.
    pub(crate) fn commit(&mut self, offset: u64, header: &FrameHeader) -> Result<Option<Recorded>, StoreError> {
        if header.kind != FrameKind::Commit {
            return Ok(None);
        }
        if !self.has(offset, header.length()) {
            self.read(offset..offset.saturating_add(header.length()))?;
        }
        let frame = self.at(offset).get(..to_usize(header.length())).unwrap_or_default();
        restore(header, frame).map(Some).map_err(|reason| self.damaged(offset, reason))
    }

    fn read(&mut self, range: Range<u64>) -> Result<(), StoreError> {
        self.octets.resize(to_usize(range.end.saturating_sub(range.start)), 0);
        let count = read_full(self.source.file.as_ref(), &mut self.octets, range.start)
            .map_err(|error| unreadable(self.source.first, range.start, &error))?;
        self.octets.truncate(count);
        self.start = range.start;
        Ok(())
    }

    fn has(&self, offset: u64, count: u64) -> bool {
        offset >= self.start && offset.saturating_add(count) <= self.start.saturating_add(to_u64(self.octets.len()))
    }

    fn at(&self, offset: u64) -> &[u8] {
        self.octets.get(to_usize(offset.saturating_sub(self.start))..).unwrap_or_default()
    }

    /// Behind the last commit of a segment that another one follows stand a seal, beacons before it perhaps, and nothing.
    fn check_tail(&mut self) -> Result<(), StoreError> {
        let file = &self.source.file;
        let length = file.length().map_err(|error| unreadable(self.source.first, self.source.end, &error))?;
        let (mut offset, mut kind) = (self.source.end, FrameKind::Seal);
        while offset < length {
            let header = self.header(offset)?;
            if header.kind == FrameKind::Commit {
                return Err(self.damaged(offset, "a commit stands behind the last one of the segment".into()));
            }
            kind = header.kind;
            offset = offset.saturating_add(header.length());
        }
        match kind {
            FrameKind::Seal => Ok(()),
            _ => Err(self.damaged(offset, "the segment ends without a seal".into())),
        }
    }

    fn damaged(&self, offset: u64, reason: String) -> StoreError {
        corrupt(segment::place(self.source.first, offset), reason)
    }
}

/// Goes from frame to frame through segments.
pub(crate) struct Walk<F> {
    log: LogId,
    place: Place,
    end: Place,
    window: Option<Window>,
    source: F,
}

impl<F: FnMut(u32) -> Option<Source>> Walk<F> {
    /// From where a commit begins to a place.
    pub(crate) fn new(log: LogId, from: Place, end: Place, source: F) -> Self {
        Self { log, place: from, end, window: None, source }
    }

    /// Where the next frame begins.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// The next commit whose last event is at a position or behind, with its place.
    pub(crate) fn next(
        &mut self,
        wanted: u64,
        at_hand: impl Fn(Place) -> Option<Arc<Recorded>>,
    ) -> Result<Option<(Place, Arc<Recorded>)>, StoreError> {
        while self.place < self.end {
            let place = self.place;
            let offset = u64::from(place.offset);
            if let Some(recorded) = at_hand(place) {
                self.advance(to_u64((FRAME_HEADER + recorded.commit().body().len()).next_multiple_of(8)));
                if recorded.seal().last().get() >= wanted {
                    return Ok(Some((place, recorded)));
                }
                continue;
            }
            let Some(window) = self.window()? else { continue };
            let header = window.header(offset)?;
            let last = header.first.get().saturating_add(u64::from(header.count)).saturating_sub(1);
            let recorded = if last >= wanted { window.commit(offset, &header)? } else { None };
            self.advance(header.length());
            if let Some(recorded) = recorded {
                return Ok(Some((place, Arc::new(recorded))));
            }
        }
        Ok(None)
    }

    fn advance(&mut self, octets: u64) {
        let offset = u64::from(self.place.offset).saturating_add(octets);
        self.place.offset = u32::try_from(offset).unwrap_or(u32::MAX);
    }

    /// The window of the segment; nothing if the next segment is next.
    fn window(&mut self) -> Result<Option<&mut Window>, StoreError> {
        let number = self.place.segment;
        let unknown = || refused(format!("segment number {number} is not there"));
        if self.window.is_none() {
            let source = (self.source)(number).ok_or_else(unknown)?;
            self.window = Some(Window::new(self.log, source));
        }
        if let Some(window) = self.window.as_mut().filter(|window| u64::from(self.place.offset) >= window.source.end) {
            // Behind the last commit of the last segment may be anything yet.
            if number < self.end.segment {
                window.check_tail()?;
            }
            self.window = None;
            let offset = u32::try_from(SEGMENT_HEADER).unwrap_or_default();
            self.place = Place { segment: number.saturating_add(1), offset };
            return Ok(None);
        }
        Ok(self.window.as_mut())
    }
}
