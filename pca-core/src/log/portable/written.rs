//! The lines as they are written and read.

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

use super::super::transfer::Transferred;
use super::super::{
    Commit, CommitId, Digest, EncodedEvent, Metadata, Position, Recorded, RequestDigest, Revision, Seal, StreamId,
    Timestamp,
};
use super::view::{self, View};
use super::{ExportError, ImportReason};

/// What the header calls the form.
pub(super) const FORMAT: &str = "pca-log";
/// The version that is written and read.
pub(super) const VERSION: u64 = 1;
/// How the last line begins, and no other.
pub(super) const END: &[u8] = b"{\"end\":";

/// The longest line, with its end, of a commit whose body has so many octets. A text grows by no more than six times in
/// JSON, everything else by less.
pub(super) fn longest(body: usize) -> usize {
    body.saturating_mul(8).saturating_add(4096)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u64,
    /// The digest of the first commit, which names the log.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) first: Option<Digest>,
}

/// What is read of a header before its version is known.
#[derive(Deserialize)]
pub(super) struct AnyHeader {
    pub(super) format: String,
    pub(super) version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ending {
    pub(super) end: End,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) commits: u64,
    pub(super) events: u64,
    pub(super) head: Digest,
}

/// A commit. Times are microseconds since 1970: every time has that form, and RFC 3339 not.
#[derive(Serialize)]
struct Line<'a> {
    position: u64,
    time: i64,
    previous: Digest,
    digest: Digest,
    commit: CommitId,
    request: RequestDigest,
    decided_at: i64,
    wall_clock: Option<i64>,
    command: &'a str,
    actor: &'a str,
    claimed_actor: Option<&'a str>,
    reason: Option<&'a str>,
    correlation: Option<&'a str>,
    guards: Vec<(&'a str, u64)>,
    events: Vec<Event<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<View>,
}

#[derive(Serialize)]
struct Event<'a> {
    kind: &'a str,
    schema: u16,
    /// Places among the guards, as in the body.
    streams: Vec<usize>,
    payload: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadLine {
    position: u64,
    time: i64,
    previous: Digest,
    digest: Digest,
    commit: CommitId,
    request: RequestDigest,
    decided_at: i64,
    // A field that may be null is there nevertheless.
    #[serde(deserialize_with = "Option::deserialize")]
    wall_clock: Option<i64>,
    command: String,
    actor: String,
    #[serde(deserialize_with = "Option::deserialize")]
    claimed_actor: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    reason: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    correlation: Option<String>,
    guards: Vec<(StreamId, u64)>,
    events: Vec<ReadEvent>,
    #[serde(default, rename = "view")]
    _view: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadEvent {
    kind: String,
    schema: u16,
    streams: Vec<usize>,
    payload: String,
}

pub(super) fn header(first: Option<Digest>) -> Result<String, ExportError> {
    json(&Header { format: FORMAT.into(), version: VERSION, first })
}

pub(super) fn end(done: &Transferred) -> Result<String, ExportError> {
    let (commits, events, head) = (done.commits, done.head.position.get(), done.head.digest);
    json(&Ending { end: End { commits, events, head } })
}

pub(super) fn commit(recorded: &Recorded) -> Result<String, ExportError> {
    let (seal, commit) = (recorded.seal(), recorded.commit());
    let metadata = commit.metadata();
    let place = |stream: &StreamId| commit.guards().binary_search_by(|guard| guard.stream.cmp(stream)).ok();
    let mut line = Line {
        position: seal.first.get(),
        time: seal.time.micros(),
        previous: seal.previous,
        digest: seal.digest,
        commit: commit.id(),
        request: commit.request(),
        decided_at: metadata.decided_at.micros(),
        wall_clock: metadata.wall_clock.map(Timestamp::micros),
        command: &metadata.command,
        actor: &metadata.actor,
        claimed_actor: metadata.claimed_actor.as_deref(),
        reason: metadata.reason.as_deref(),
        correlation: metadata.correlation.as_deref(),
        guards: commit.guards().iter().map(|guard| (guard.stream.as_str(), guard.revision.get())).collect(),
        events: commit
            .events()
            .map(|event| Event {
                kind: event.kind(),
                schema: event.schema(),
                streams: event.streams().filter_map(place).collect(),
                payload: Base64::encode_string(event.payload()),
            })
            .collect(),
        view: Some(view::of(recorded)),
    };
    let with_view = json(&line)?;
    if with_view.len() < longest(commit.body().len()) {
        return Ok(with_view);
    }
    line.view = None;
    json(&line)
}

fn json(line: &impl Serialize) -> Result<String, ExportError> {
    serde_json::to_string(line).map_err(|error| ExportError::Encode { detail: error.to_string() })
}

/// Reads a commit's line. What it says of its place is taken as it stands; only the body is made from the rest.
pub(super) fn read(octets: &[u8]) -> Result<Recorded, ImportReason> {
    let line: ReadLine = serde_json::from_slice(octets).map_err(|error| malformed(&error))?;
    if !line.guards.is_sorted_by(|(left, _), (right, _)| left < right) {
        return Err(malformed(&"the guards are not sorted by stream, each once"));
    }
    let event = |event: ReadEvent| {
        if !event.streams.is_sorted_by(|left, right| left < right) {
            return Err(malformed(&"the streams of an event are not sorted, each once"));
        }
        let streams = event.streams.iter().map(|place| line.guards.get(*place).map(|(stream, _)| stream.clone()));
        let streams = streams.collect::<Option<Vec<_>>>();
        let streams = streams.ok_or_else(|| malformed(&"an event names a stream that is not among the guards"))?;
        let payload = Base64::decode_vec(&event.payload).map_err(|_| malformed(&"a payload is not base 64"))?;
        Ok(EncodedEvent { kind: event.kind.into(), schema: event.schema, streams, payload })
    };
    let events = line.events.into_iter().map(event).collect::<Result<Vec<_>, _>>()?;
    let metadata = Metadata {
        command: line.command,
        actor: line.actor,
        claimed_actor: line.claimed_actor,
        reason: line.reason,
        correlation: line.correlation,
        decided_at: Timestamp::from_micros(line.decided_at),
        wall_clock: line.wall_clock.map(Timestamp::from_micros),
    };
    let guards = line.guards.into_iter().map(|(stream, revision)| (stream, Revision::new(revision)));
    let commit =
        Commit::new(line.commit, line.request, metadata, guards, &events).map_err(|error| malformed(&error))?;
    let seal = Seal {
        previous: line.previous,
        first: Position::new(line.position),
        count: commit.count(),
        time: Timestamp::from_micros(line.time),
        body_digest: commit.body_digest(),
        digest: line.digest,
    };
    Ok(Recorded::new(seal, commit))
}

pub(super) fn malformed(detail: &dyn core::fmt::Display) -> ImportReason {
    ImportReason::Malformed { detail: detail.to_string() }
}
