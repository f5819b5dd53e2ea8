//! The layout of a commit's body, version 1. Integers are big-endian; `docs/log-format.md` states every octet.

use core::ops::Range;
use std::sync::Arc;

use super::commit::{Commit, EncodedEvent, EventPlace, Guard, Metadata};
use super::{CommitId, Digest, RequestDigest, Revision, StreamId, Timestamp};

/// The version of the layout that is written.
const VERSION: u8 = 1;

/// Why a body cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// A commit without events.
    #[error("a commit needs at least one event")]
    NoEvents,
    /// An event that concerns no stream, or one that the decision did not read.
    #[error("event {event} concerns {stream}, which the commit does not guard")]
    Unguarded {
        /// The event's place in the commit.
        event: usize,
        /// The stream, or `no stream`.
        stream: String,
    },
    /// A part that is longer than its length field can say.
    #[error("{part} of {length} octets is too long; at most {limit} fit")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// A version of the layout that this library does not know.
    #[error("the body has version {version}; this library reads version 1")]
    Version {
        /// The version that was read.
        version: u8,
    },
    /// Octets that break the layout.
    #[error("the body is malformed at octet {offset}: {reason}")]
    Malformed {
        /// Where.
        offset: usize,
        /// Why.
        reason: &'static str,
    },
}

pub(super) fn encode(
    id: &CommitId,
    request: &RequestDigest,
    metadata: &Metadata,
    guards: &[Guard],
    events: &[EncodedEvent],
) -> Result<(Vec<u8>, Vec<EventPlace>), BodyError> {
    if events.is_empty() {
        return Err(BodyError::NoEvents);
    }
    let payloads: usize = events.iter().map(|event| event.payload.len() + 64).sum();
    let mut to = Writer { octets: Vec::with_capacity(256 + guards.len() * 64 + payloads) };
    to.octets.push(VERSION);
    to.octets.extend_from_slice(id.as_bytes());
    to.octets.extend_from_slice(request.as_bytes());
    to.i64(metadata.decided_at.micros());
    to.optional(metadata.wall_clock, |to, time| {
        to.i64(time.micros());
        Ok(())
    })?;
    to.text("the command", &metadata.command)?;
    to.text("the actor", &metadata.actor)?;
    to.optional(metadata.claimed_actor.as_deref(), |to, text| to.text("the claimed actor", text))?;
    to.optional(metadata.reason.as_deref(), |to, text| to.text("the reason", text))?;
    to.optional(metadata.correlation.as_deref(), |to, text| to.text("the correlation", text))?;
    to.count("the guards", guards.len())?;
    for guard in guards {
        to.text("a stream", guard.stream.as_str())?;
        to.octets.extend_from_slice(&guard.revision.get().to_be_bytes());
    }
    to.count("the events", events.len())?;
    let places = events
        .iter()
        .enumerate()
        .map(|(number, event)| to.event(number, event, guards))
        .collect::<Result<_, BodyError>>()?;
    Ok((to.octets, places))
}

struct Writer {
    octets: Vec<u8>,
}

impl Writer {
    fn i64(&mut self, number: i64) {
        self.octets.extend_from_slice(&number.to_be_bytes());
    }

    fn optional<T>(
        &mut self,
        value: Option<T>,
        write: impl FnOnce(&mut Self, T) -> Result<(), BodyError>,
    ) -> Result<(), BodyError> {
        match value {
            None => {
                self.octets.push(0);
                Ok(())
            }
            Some(value) => {
                self.octets.push(1);
                write(self, value)
            }
        }
    }

    fn text(&mut self, part: &'static str, text: &str) -> Result<(), BodyError> {
        let length = u16::try_from(text.len()).map_err(|_| too_long(part, text.len(), u16::MAX.into()))?;
        self.octets.extend_from_slice(&length.to_be_bytes());
        self.octets.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn count(&mut self, part: &'static str, count: usize) -> Result<(), BodyError> {
        let count = u32::try_from(count).map_err(|_| too_long(part, count, usize::MAX))?;
        self.octets.extend_from_slice(&count.to_be_bytes());
        Ok(())
    }

    fn event(&mut self, number: usize, event: &EncodedEvent, guards: &[Guard]) -> Result<EventPlace, BodyError> {
        let unguarded = |stream: &str| BodyError::Unguarded { event: number, stream: stream.into() };
        let mut streams: Vec<usize> = event
            .streams
            .iter()
            .map(|stream| {
                guards.binary_search_by(|guard| guard.stream.cmp(stream)).map_err(|_| unguarded(stream.as_str()))
            })
            .collect::<Result<_, _>>()?;
        streams.sort_unstable();
        streams.dedup();
        if streams.is_empty() {
            return Err(unguarded("no stream"));
        }
        self.text("a kind", &event.kind)?;
        let kind_end = self.octets.len();
        self.octets.extend_from_slice(&event.schema.to_be_bytes());
        self.count("the streams of an event", streams.len())?;
        for index in &streams {
            self.count("the guards", *index)?;
        }
        self.count("a payload", event.payload.len())?;
        let start = self.octets.len();
        self.octets.extend_from_slice(&event.payload);
        Ok(EventPlace {
            kind: kind_end - event.kind.len()..kind_end,
            schema: event.schema,
            streams,
            payload: start..self.octets.len(),
        })
    }
}

fn too_long(part: &'static str, length: usize, limit: usize) -> BodyError {
    BodyError::TooLong { part, length, limit }
}

pub(super) fn decode(body: Arc<[u8]>, digest: Digest) -> Result<Commit, BodyError> {
    let mut from = Reader { octets: &body, at: 0 };
    let version = from.u8()?;
    if version != VERSION {
        return Err(BodyError::Version { version });
    }
    let id = CommitId::new(from.array()?);
    let request = RequestDigest::new(from.array()?);
    let decided_at = Timestamp::from_micros(i64::from_be_bytes(from.array()?));
    let wall_clock = from.optional(|from| Ok(Timestamp::from_micros(i64::from_be_bytes(from.array()?))))?;
    let metadata = Arc::new(Metadata {
        decided_at,
        wall_clock,
        command: from.text()?,
        actor: from.text()?,
        claimed_actor: from.optional(Reader::text)?,
        reason: from.optional(Reader::text)?,
        correlation: from.optional(Reader::text)?,
    });
    // A guard takes at least 11 octets and an event 16: a count beyond that is a lie, and nothing is allocated for it.
    let guard_count = from.count(11)?;
    let mut guards: Vec<Guard> = Vec::with_capacity(guard_count);
    for _ in 0..guard_count {
        let stream = from.stream()?;
        if guards.last().is_some_and(|last| last.stream >= stream) {
            return Err(from.malformed("the guards are not sorted"));
        }
        guards.push(Guard { stream, revision: Revision::new(u64::from_be_bytes(from.array()?)) });
    }
    let event_count = from.count(16)?;
    if event_count == 0 {
        return Err(BodyError::NoEvents);
    }
    let events = (0..event_count).map(|_| from.event(guards.len())).collect::<Result<_, _>>()?;
    if from.at != body.len() {
        return Err(from.malformed("octets are left over"));
    }
    Ok(Commit { digest, id, request, metadata, guards, events, body })
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn malformed(&self, reason: &'static str) -> BodyError {
        BodyError::Malformed { offset: self.at, reason }
    }

    fn range(&mut self, length: usize) -> Result<Range<usize>, BodyError> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.octets.len());
        let end = end.ok_or_else(|| self.malformed("it ends too early"))?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], BodyError> {
        let range = self.range(length)?;
        Ok(self.octets.get(range).unwrap_or_default())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BodyError> {
        let octets = self.take(N)?;
        octets.try_into().map_err(|_| self.malformed("it ends too early"))
    }

    fn u8(&mut self) -> Result<u8, BodyError> {
        self.array::<1>().map(|[octet]| octet)
    }

    fn length(&mut self) -> Result<usize, BodyError> {
        let length = u32::from_be_bytes(self.array()?);
        usize::try_from(length).map_err(|_| self.malformed("a length is too large"))
    }

    fn count(&mut self, smallest: usize) -> Result<usize, BodyError> {
        let count = self.length()?;
        if count > (self.octets.len() - self.at) / smallest {
            return Err(self.malformed("a count is larger than what follows"));
        }
        Ok(count)
    }

    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, BodyError>) -> Result<Option<T>, BodyError> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(self.malformed("a presence flag is neither 0 nor 1")),
        }
    }

    fn str_range(&mut self) -> Result<Range<usize>, BodyError> {
        let length = u16::from_be_bytes(self.array()?);
        let range = self.range(length.into())?;
        match core::str::from_utf8(self.octets.get(range.clone()).unwrap_or_default()) {
            Ok(_) => Ok(range),
            Err(_) => Err(self.malformed("text is not UTF-8")),
        }
    }

    fn str(&mut self) -> Result<&'a str, BodyError> {
        let range = self.str_range()?;
        let octets: &'a [u8] = self.octets.get(range).unwrap_or_default();
        core::str::from_utf8(octets).map_err(|_| self.malformed("text is not UTF-8"))
    }

    fn text(&mut self) -> Result<String, BodyError> {
        self.str().map(Into::into)
    }

    fn stream(&mut self) -> Result<StreamId, BodyError> {
        let text = self.str()?;
        StreamId::parse(text).map_err(|_| self.malformed("a stream has no valid name"))
    }

    fn event(&mut self, guards: usize) -> Result<EventPlace, BodyError> {
        let kind = self.str_range()?;
        let schema = u16::from_be_bytes(self.array()?);
        let count = self.count(4)?;
        let mut streams: Vec<usize> = Vec::with_capacity(count);
        for _ in 0..count {
            let index = self.length()?;
            if index >= guards || streams.last().is_some_and(|last| *last >= index) {
                return Err(self.malformed("an event's streams are not sorted places among the guards"));
            }
            streams.push(index);
        }
        if streams.is_empty() {
            return Err(self.malformed("an event concerns no stream"));
        }
        let length = self.length()?;
        let payload = self.range(length)?;
        Ok(EventPlace { kind, schema, streams, payload })
    }
}
