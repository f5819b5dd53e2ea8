//! Commits made in a line, for tests.
//!
//! ```
//! use pca_store_testkit::draft::Draft;
//!
//! let commit = Draft::new("first").guard("shelf", 0).guard("rules", 3).event(&["shelf"], b"a book").build()?;
//! assert_eq!((commit.count(), commit.guards().len()), (1, 2));
//! # Ok::<(), pca_store_testkit::Violation>(())
//! ```

use std::collections::BTreeMap;

use pca_core::log::{Commit, CommitId, Digest, EncodedEvent, Metadata, RequestDigest, Revision, StreamId, Timestamp};

use crate::Violation;

/// A commit in the making.
#[derive(Clone, Debug)]
pub struct Draft {
    id: CommitId,
    request: RequestDigest,
    metadata: Metadata,
    guards: BTreeMap<String, u64>,
    events: Vec<(String, u16, Vec<String>, Vec<u8>)>,
}

impl Draft {
    /// A commit whose id and request derive from a name, decided in 1970.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let metadata = Metadata {
            command: "Try".into(),
            actor: "suite".into(),
            claimed_actor: None,
            reason: None,
            correlation: None,
            decided_at: Timestamp::EPOCH,
            wall_clock: None,
        };
        Self {
            id: CommitId::from_idempotency_key(name),
            request: request(name),
            metadata,
            guards: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// One event in one stream, which the decision read at a revision; the payload is the name.
    ///
    /// # Errors
    /// As for [`build`](Self::build).
    pub fn single(name: &str, stream: &str, revision: u64) -> Result<Commit, Violation> {
        Self::new(name).guard(stream, revision).event(&[stream], name.as_bytes()).build()
    }

    /// Carries out another request than the one that the name stands for.
    #[must_use]
    pub fn requested(mut self, name: &str) -> Self {
        self.request = request(name);
        self
    }

    /// Decided at this time.
    #[must_use]
    pub fn decided_at(mut self, time: Timestamp) -> Self {
        self.metadata.decided_at = time;
        self
    }

    /// With this metadata.
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Read a stream at a revision.
    #[must_use]
    pub fn guard(mut self, stream: &str, revision: u64) -> Self {
        self.guards.insert(stream.into(), revision);
        self
    }

    /// An event `Happened` that concerns streams; each must be guarded.
    #[must_use]
    pub fn event(self, streams: &[&str], payload: &[u8]) -> Self {
        self.event_of("Happened", 1, streams, payload)
    }

    /// An event of a kind and schema that concerns streams; each must be guarded.
    #[must_use]
    pub fn event_of(mut self, kind: &str, schema: u16, streams: &[&str], payload: &[u8]) -> Self {
        let streams = streams.iter().map(|stream| (*stream).into()).collect();
        self.events.push((kind.into(), schema, streams, payload.into()));
        self
    }

    /// Encodes the commit.
    ///
    /// # Errors
    /// [`Violation`] if there is no event, a stream has no valid name, or an event concerns one that is not guarded.
    pub fn build(self) -> Result<Commit, Violation> {
        let guards = self
            .guards
            .iter()
            .map(|(stream, revision)| Ok((StreamId::parse(stream)?, Revision::new(*revision))))
            .collect::<Result<Vec<_>, Violation>>()?;
        let events = self
            .events
            .into_iter()
            .map(|(kind, schema, streams, payload)| {
                let streams =
                    streams.iter().map(|stream| Ok(StreamId::parse(stream)?)).collect::<Result<_, Violation>>()?;
                Ok(EncodedEvent { kind: kind.into(), schema, streams, payload })
            })
            .collect::<Result<Vec<_>, Violation>>()?;
        Ok(Commit::new(self.id, self.request, self.metadata, guards, &events)?)
    }
}

/// The request that a name stands for.
#[must_use]
pub fn request(name: &str) -> RequestDigest {
    RequestDigest::new(*Digest::of(name.as_bytes()).as_bytes())
}
