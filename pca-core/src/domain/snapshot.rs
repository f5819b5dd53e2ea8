//! Folded state as it is kept in snapshots: what makes a long stream ready without reading it from its beginning.
//!
//! A state is kept with its [`Anchor`]: the event that it was folded up to, by its position and by the digest of the
//! commit that holds it. That digest closes the chain of everything before it (architecture, *The chain of digests*), so
//! that a log which has the anchor has every event that was folded, and one read of one event tells. A log that was
//! replaced by another one, or that lost its end and went on, has another commit there.

use serde::{Deserialize, Serialize};

use crate::log::{Digest, Position, Revision, StreamEvent, StreamId, pack, unpack};

use super::State;
use super::quota::Quota;

/// The version of a stream's fold, if its state is worth keeping: if the stream grows with every certificate.
///
/// All other streams that many commands look at are short: CAs, the policy and the enterprise move some dozen times in
/// their lives.
pub(crate) fn fold_version(stream: &StreamId) -> Option<u32> {
    match stream.category() {
        "quota" => Some(Quota::FOLD_VERSION),
        _ => None,
    }
}

/// The event that a state was folded up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Anchor {
    /// Its position.
    pub(crate) position: Position,
    /// The digest of the commit that it stands in.
    pub(crate) digest: Digest,
}

impl Anchor {
    /// The anchor of a state that an event was folded into last.
    pub(crate) fn of(event: &StreamEvent) -> Self {
        let seal = event.recorded.seal();
        let index = u64::try_from(event.index).unwrap_or(u64::MAX);
        Self { position: seal.first.plus(index), digest: seal.digest }
    }
}

/// Why a state is not kept, or not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SnapshotFault {
    /// Its stream is of a category whose states are not kept.
    #[error("states of such streams are not kept")]
    NotKept,
    /// It has no encoding.
    #[error("it cannot be encoded: {detail}")]
    Encode { detail: String },
    /// It does not have the shape of the fold.
    #[error("it cannot be decoded: {detail}")]
    Decode { detail: String },
    /// No events of the stream fold to it.
    #[error("it is no state of {stream} at revision {revision}")]
    Unsound { stream: StreamId, revision: Revision },
}

#[derive(Serialize)]
struct Keeping<'a, S> {
    anchor: Anchor,
    state: &'a S,
}

#[derive(Deserialize)]
struct Kept<S> {
    anchor: Anchor,
    state: S,
}

/// Encodes a stream's state at a revision: MessagePack with named fields, as payloads are.
pub(crate) fn encode(
    stream: &StreamId,
    revision: Revision,
    anchor: Anchor,
    state: &State,
) -> Result<Vec<u8>, SnapshotFault> {
    let State::Quota(state) = state else { return Err(SnapshotFault::NotKept) };
    sound(state, stream, revision)?;
    pack(&Keeping { anchor, state }).map_err(|source| SnapshotFault::Encode { detail: source.to_string() })
}

/// Decodes a stream's state at a revision, and where it is anchored.
pub(crate) fn decode(stream: &StreamId, revision: Revision, octets: &[u8]) -> Result<(Anchor, State), SnapshotFault> {
    if stream.category() != "quota" {
        return Err(SnapshotFault::NotKept);
    }
    let kept: Kept<Quota> = unpack(octets).map_err(|detail| SnapshotFault::Decode { detail })?;
    sound(&kept.state, stream, revision)?;
    Ok((kept.anchor, State::Quota(kept.state)))
}

fn sound(quota: &Quota, stream: &StreamId, revision: Revision) -> Result<(), SnapshotFault> {
    if quota.is_sound(stream.key(), revision) {
        return Ok(());
    }
    Err(SnapshotFault::Unsound { stream: stream.clone(), revision })
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
pub(crate) mod tests;
