//! A commit before a store has ordered it: events, guards and who asked, encoded once.

use core::ops::Range;
use std::borrow::Cow;
use std::sync::Arc;

use super::body::{self, BodyError};
use super::{CommitId, Digest, RequestDigest, Revision, StoreError, StreamId, Timestamp};

/// Who asked for a commit, when it was decided, and why (rule L3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The command that was carried out, such as `AssignQuota`.
    pub command: String,
    /// Who is answerable, as the embedding program established it. The library has no default.
    pub actor: String,
    /// Whom the actor claims to act as, if that was said.
    pub claimed_actor: Option<String>,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// What ties this commit to others, inside or outside of the log.
    pub correlation: Option<String>,
    /// The time that the rules were applied at (rule L9).
    pub decided_at: Timestamp,
    /// What the clock showed, where it differs from `decided_at` (rule L9).
    pub wall_clock: Option<Timestamp>,
}

/// A stream at the revision at which a decision read it (rule L2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guard {
    /// The stream.
    pub stream: StreamId,
    /// How many events it must have when the commit is ordered.
    pub revision: Revision,
}

/// An event as a commit takes it in: encoded, with the streams that it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedEvent {
    /// What happened, such as `QuotaAssigned`; never renamed.
    pub kind: Cow<'static, str>,
    /// The number of the payload's shape; it only rises.
    pub schema: u16,
    /// Every stream that the event belongs to, at least one.
    pub streams: Vec<StreamId>,
    /// The payload, opaque to the store.
    pub payload: Vec<u8>,
}

/// A commit: encoded and digested, not yet ordered. A store checks its guards, seals it and keeps its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub(super) body: Arc<[u8]>,
    pub(super) digest: Digest,
    pub(super) id: CommitId,
    pub(super) request: RequestDigest,
    pub(super) metadata: Arc<Metadata>,
    pub(super) guards: Vec<Guard>,
    pub(super) events: Vec<EventPlace>,
}

/// Where an event lies in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventPlace {
    pub(super) kind: Range<usize>,
    pub(super) schema: u16,
    /// Indexes into the guards, ascending.
    pub(super) streams: Vec<usize>,
    pub(super) payload: Range<usize>,
}

impl Commit {
    /// Encodes and digests a commit. Guards may come in any order; of several for one stream the lowest counts, so that a
    /// claim stands.
    ///
    /// # Errors
    /// [`BodyError`] if there is no event, an event concerns a stream that is not guarded, or something is too long.
    pub fn new(
        id: CommitId,
        request: RequestDigest,
        metadata: impl Into<Arc<Metadata>>,
        guards: impl IntoIterator<Item = (StreamId, Revision)>,
        events: &[EncodedEvent],
    ) -> Result<Self, BodyError> {
        let metadata = metadata.into();
        let mut guards: Vec<Guard> = guards.into_iter().map(|(stream, revision)| Guard { stream, revision }).collect();
        guards.sort_unstable();
        guards.dedup_by(|next, kept| next.stream == kept.stream);
        let (body, places) = body::encode(&id, &request, &metadata, &guards, events)?;
        let digest = Digest::of(&body);
        Ok(Self { body: body.into(), digest, id, request, metadata, guards, events: places })
    }

    /// Reads a body back. The digest is computed anew.
    ///
    /// # Errors
    /// [`BodyError`] if the octets are no body, or one of a newer version.
    pub fn decode(body: Arc<[u8]>) -> Result<Self, BodyError> {
        let digest = Digest::of(&body);
        body::decode(body, digest)
    }

    /// The body: what is stored and digested, never re-encoded.
    #[must_use]
    pub fn body(&self) -> &Arc<[u8]> {
        &self.body
    }

    /// SHA-256 of the body.
    #[must_use]
    pub fn body_digest(&self) -> Digest {
        self.digest
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> CommitId {
        self.id
    }

    /// The digest of the request that it carries out.
    #[must_use]
    pub fn request(&self) -> RequestDigest {
        self.request
    }

    /// Who, when, why.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What it read, sorted by stream.
    #[must_use]
    pub fn guards(&self) -> &[Guard] {
        &self.guards
    }

    /// How many events it has, at least one.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.events.len()).unwrap_or(u32::MAX)
    }

    /// Its events in order, each as it lies in the body.
    #[must_use]
    pub fn events(&self) -> impl ExactSizeIterator<Item = EventView<'_>> {
        self.events.iter().map(|place| EventView { commit: self, place })
    }

    /// One event.
    #[must_use]
    pub fn event(&self, index: usize) -> Option<EventView<'_>> {
        self.events.get(index).map(|place| EventView { commit: self, place })
    }

    /// Compares every guard with the revision that the stream has now.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] naming the first stream that moved.
    pub fn check_guards(&self, mut revision_of: impl FnMut(&StreamId) -> Revision) -> Result<(), StoreError> {
        self.guards.iter().try_for_each(|guard| {
            let actual = revision_of(&guard.stream);
            if actual == guard.revision {
                Ok(())
            } else {
                Err(StoreError::Conflict { stream: guard.stream.clone(), expected: guard.revision, actual })
            }
        })
    }

    /// For each event in order, each stream that it concerns and the event's revision there.
    pub fn moves(&self) -> impl Iterator<Item = Move<'_>> {
        let mut next: Vec<Revision> = self.guards.iter().map(|guard| guard.revision).collect();
        let places = self.events.iter().enumerate();
        places.flat_map(|(event, place)| place.streams.iter().map(move |guard| (event, *guard))).filter_map(
            move |(event, guard)| {
                let revision = next.get_mut(guard)?;
                *revision = revision.plus(1);
                Some(Move { event, guard, stream: &self.guards.get(guard)?.stream, revision: *revision })
            },
        )
    }
}

/// An event entering a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move<'a> {
    /// The event's place in the commit, from 0.
    pub event: usize,
    /// The place of the stream among the commit's guards, from 0.
    pub guard: usize,
    /// A stream that it concerns.
    pub stream: &'a StreamId,
    /// Its revision there, from 1.
    pub revision: Revision,
}

/// An event of a commit, as it lies in the body.
#[derive(Clone, Copy, Debug)]
pub struct EventView<'a> {
    commit: &'a Commit,
    place: &'a EventPlace,
}

impl<'a> EventView<'a> {
    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &'a str {
        self.commit
            .body
            .get(self.place.kind.clone())
            .and_then(|octets| core::str::from_utf8(octets).ok())
            .unwrap_or_default()
    }

    /// The number of the payload's shape.
    #[must_use]
    pub fn schema(&self) -> u16 {
        self.place.schema
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.commit.body.get(self.place.payload.clone()).unwrap_or_default()
    }

    /// The streams that it concerns, sorted.
    pub fn streams(&self) -> impl Iterator<Item = &'a StreamId> {
        let commit = self.commit;
        self.place.streams.iter().filter_map(|index| commit.guards.get(*index)).map(|guard| &guard.stream)
    }
}
