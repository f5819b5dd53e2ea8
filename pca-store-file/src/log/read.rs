//! Reading commits back: from memory, or from disk with everything checked again.

use core::ops::Range;
use std::sync::Arc;

use pca_core::log::{
    CommitId, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamEvent, StreamId, StreamSlice,
    StreamsRead,
};

use super::disk::{DiskFile, read_full};
use super::format::{FrameKind, FramePlace, NoHeader, parse_header, to_u64, to_usize};
use super::index::EventPlace;
use super::open::{corrupt, refused, unreadable};
use super::scan::restore;
use super::segment;
use super::shared::Shared;

/// How much is read from disk at once.
const SPAN: u64 = 1024 * 1024;
/// How many octets nobody asked for are read rather than making another call.
const GAP: u64 = 16 * 1024;
/// How many places are looked up under the mutex at once.
const LOOK_UP: usize = 16 * 1024;

/// Where a frame lies that is to be read.
struct Wanted {
    number: u32,
    /// Where in the answer it goes.
    slot: usize,
    first: Position,
    segment: u64,
    range: Range<u64>,
    file: Arc<dyn DiskFile>,
}

impl Shared {
    /// Several streams as of one position.
    pub(crate) fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        let (commits, at) = {
            let state = self.lock();
            let commits = state.index.begun_by(as_of, state.commits);
            let at = match state.index.place(commits) {
                Some(next) => Position::new(next.first.saturating_sub(1)),
                None => state.durable.position,
            };
            (commits, at)
        };
        let mut numbers = Vec::new();
        let mut slices = Vec::with_capacity(streams.len());
        for (stream, after) in streams {
            let (revision, places) = self.events_after(stream, *after, commits);
            numbers.extend(places.iter().map(|place| place.commit));
            slices.push((stream, revision, places));
        }
        numbers.sort_unstable();
        numbers.dedup();
        let loaded = self.load(&numbers, true)?;
        let streams = slices
            .into_iter()
            .map(|(stream, revision, places)| {
                let before = revision.get().saturating_sub(to_u64(places.len()));
                let events = places
                    .iter()
                    .zip(1_u64..)
                    .map(|(place, nth)| {
                        let index = numbers.binary_search(&place.commit).ok();
                        let recorded = index.and_then(|index| loaded.get(index)).cloned();
                        recorded.map(|recorded| StreamEvent {
                            recorded,
                            index: to_usize(u64::from(place.event)),
                            revision: Revision::new(before.saturating_add(nth)),
                        })
                    })
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(|| refused("a commit was not loaded".into()))?;
                Ok(StreamSlice { stream: stream.clone(), revision, events })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(StreamsRead { at, streams })
    }

    /// The stream's revision in the first `commits` commits, and its events after another revision.
    fn events_after(&self, stream: &StreamId, after: Revision, commits: u32) -> (Revision, Vec<EventPlace>) {
        let mut places: Vec<EventPlace> = Vec::new();
        loop {
            // A long stream is copied in pieces, so that nobody waits long for the mutex. What is there stays.
            let state = self.lock();
            let all = state.index.events_of(stream, commits);
            let revision = Revision::new(to_u64(all.len()));
            let from = to_usize(after.get()).saturating_add(places.len());
            let rest = all.get(from..).unwrap_or_default();
            let piece = rest.get(..LOOK_UP).unwrap_or(rest);
            places.extend_from_slice(piece);
            if piece.len() == rest.len() {
                return (revision, places);
            }
        }
    }

    /// Whole commits behind a position.
    pub(crate) fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let numbers: Vec<u32> = {
            let state = self.lock();
            if after >= state.durable.position {
                return Ok(Vec::new());
            }
            let begun = state.index.begun_by(after.plus(1), state.commits);
            let from = begun.saturating_sub(1);
            let first = state.index.place(from).map_or(0, |place| place.first);
            // Every commit that begins before so many events are reached.
            let enough = Position::new(first).plus(to_u64(limit.max(1)) - 1);
            (from..state.index.begun_by(enough, state.commits)).collect()
        };
        self.load(&numbers, false)
    }

    /// The receipt of a durable commit.
    pub(crate) fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        let number = {
            let state = self.lock();
            state.index.number_of(&id).filter(|number| *number < state.commits)
        };
        number.map(|number| self.receipt_of(number, request)).transpose()
    }

    /// The receipt of the durable commit with this number, if it carried out the request.
    pub(crate) fn receipt_of(&self, number: u32, request: RequestDigest) -> Result<Receipt, StoreError> {
        let loaded = self.load(&[number], true)?;
        let receipt = loaded.first().map(|recorded| recorded.receipt());
        let receipt = receipt.ok_or_else(|| refused(format!("there is no commit number {number}")))?;
        if receipt.request == request {
            Ok(receipt)
        } else {
            Err(StoreError::IdReused { id: receipt.commit, position: receipt.last })
        }
    }

    /// Durable commits by their ascending numbers; those read from disk are kept in memory if asked to.
    fn load(&self, numbers: &[u32], keep: bool) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let mut loaded: Vec<Option<Arc<Recorded>>> = {
            let mut cache = self.cache();
            numbers.iter().map(|number| cache.get(*number)).collect()
        };
        let missing: Vec<(usize, u32)> = numbers
            .iter()
            .enumerate()
            .filter(|(slot, _)| matches!(loaded.get(*slot), Some(None)))
            .map(|(slot, number)| (slot, *number))
            .collect();
        for some in missing.chunks(LOOK_UP) {
            let wanted = self.look_up(some)?;
            for span in spans(&wanted) {
                let read = self.read_span(span).inspect_err(|error| {
                    if let StoreError::Corrupt { .. } = error {
                        tracing::error!(%error, "the log is damaged; nothing more is taken");
                        self.fail(&error.to_string(), false);
                    }
                })?;
                if keep {
                    let numbered = span.iter().zip(&read).map(|(wanted, read)| (wanted.number, Arc::clone(read)));
                    self.keep(numbered.collect());
                }
                for (wanted, read) in span.iter().zip(read) {
                    if let Some(slot) = loaded.get_mut(wanted.slot) {
                        *slot = Some(read);
                    }
                }
            }
        }
        loaded.into_iter().collect::<Option<_>>().ok_or_else(|| refused("a commit was not loaded".into()))
    }

    fn look_up(&self, numbers: &[(usize, u32)]) -> Result<Vec<Wanted>, StoreError> {
        let state = self.lock();
        let look_up = |slot: usize, number: u32| {
            let place = state.index.place(number)?;
            let segment = state.segments.get(to_usize(u64::from(place.segment)))?;
            let next = number.checked_add(1).and_then(|next| state.index.place(next));
            let end = match next {
                Some(next) if next.segment == place.segment => u64::from(next.offset),
                _ => segment.end,
            };
            Some(Wanted {
                number,
                slot,
                first: Position::new(place.first),
                segment: segment.first,
                range: u64::from(place.offset)..end,
                file: Arc::clone(segment.file.as_ref()?),
            })
        };
        let unknown = |number| refused(format!("commit number {number} is not in the index"));
        numbers.iter().map(|(slot, number)| look_up(*slot, *number).ok_or_else(|| unknown(*number))).collect()
    }

    /// Reads neighbours with one call.
    fn read_span(&self, span: &[Wanted]) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let (Some(begin), Some(end)) = (span.first(), span.last()) else { return Ok(Vec::new()) };
        let start = begin.range.start;
        let mut octets = vec![0; to_usize(end.range.end.saturating_sub(start))];
        let count = read_full(begin.file.as_ref(), &mut octets, start)
            .map_err(|error| unreadable(begin.segment, start, &error))?;
        let octets = octets.get(..count).unwrap_or_default();
        span.iter()
            .map(|wanted| {
                let offset = wanted.range.start;
                let frame = octets.get(to_usize(offset.saturating_sub(start))..).unwrap_or_default();
                let place = FramePlace { log: self.log, segment: wanted.segment, offset };
                read_frame(frame, place, wanted.first)
                    .map(Arc::new)
                    .map_err(|reason| corrupt(segment::place(wanted.segment, offset), reason))
            })
            .collect()
    }
}

fn read_frame(frame: &[u8], place: FramePlace, first: Position) -> Result<Recorded, String> {
    let header = parse_header(frame, place).map_err(NoHeader::reason)?;
    if header.kind != FrameKind::Commit || header.first != first {
        return Err(format!("the commit at position {first} is not here any more"));
    }
    restore(&header, frame)
}

/// Divides what is wanted into what is read with one call each.
fn spans(wanted: &[Wanted]) -> impl Iterator<Item = &[Wanted]> {
    let mut rest = wanted;
    core::iter::from_fn(move || {
        let begin = rest.first()?;
        let mut end = begin.range.end;
        let more = rest.iter().skip(1).take_while(|next| {
            let near = next.segment == begin.segment
                && next.range.start.saturating_sub(end) <= GAP
                && next.range.end.saturating_sub(begin.range.start) <= SPAN;
            end = next.range.end;
            near
        });
        let (span, others) = rest.split_at_checked(1 + more.count())?;
        rest = others;
        Some(span)
    })
}
