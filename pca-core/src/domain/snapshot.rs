//! Folded state as it is kept in snapshots: what makes a long stream ready without reading it from its beginning.
//!
//! A state is kept with its [`Anchor`]: the event that it was folded up to, by its position and by the digest of the
//! commit that holds it. That digest closes the chain of everything before it (architecture, *The chain of digests*), so
//! that a log which has the anchor has every event that was folded, and one read of one event tells. A log that was
//! replaced by another one, or that lost its end and went on, has another commit there.

use serde::{Deserialize, Serialize};

use crate::log::{Digest, Position, Revision, StreamEvent, StreamId, pack, unpack};

use super::State;
use super::crl::Crl;
use super::event::Der;
use super::quota::Quota;

/// The version of a stream's fold, if its state is worth keeping: if the stream grows with every certificate, or every
/// revocation.
///
/// All other streams that many commands look at are short: CAs, the policy and the enterprise move some dozen times in
/// their lives.
pub(crate) fn fold_version(stream: &StreamId) -> Option<u32> {
    match stream.category() {
        "quota" => Some(Quota::FOLD_VERSION),
        "crl" => Some(Crl::FOLD_VERSION),
        _ => None,
    }
}

/// After how many further events a state is worth keeping anew, at least: one of `crl` is as large as what was revoked, and
/// is written whole. So what is written for one revocation stays the same.
pub(crate) fn worth_after(state: &State) -> u64 {
    match state {
        State::Crl(crl) => u64::try_from(crl.entries().len() / 16).unwrap_or(u64::MAX),
        _ => 0,
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
struct Keeping<S> {
    anchor: Anchor,
    state: S,
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
    let no_encoding = |source: rmp_serde::encode::Error| SnapshotFault::Encode { detail: source.to_string() };
    sound(state, stream, revision)?;
    match state {
        State::Quota(state) => pack(&Keeping { anchor, state }).map_err(no_encoding),
        State::Crl(state) => {
            let octets = pack(state).map_err(no_encoding)?;
            pack(&Keeping { anchor, state: Checked { digest: Digest::of(&octets), octets: Der::from(octets) } })
                .map_err(no_encoding)
        }
        _ => Err(SnapshotFault::NotKept),
    }
}

/// A state that no sum would tell from a damaged one, with its digest: what is revoked must not be lost to a cache.
#[derive(Serialize, Deserialize)]
struct Checked {
    digest: Digest,
    octets: Der,
}

/// Decodes a stream's state at a revision, and where it is anchored.
pub(crate) fn decode(stream: &StreamId, revision: Revision, octets: &[u8]) -> Result<(Anchor, State), SnapshotFault> {
    let malformed = |detail: String| SnapshotFault::Decode { detail };
    let (anchor, state) = match stream.category() {
        "quota" => {
            let kept: Kept<Quota> = unpack(octets).map_err(malformed)?;
            (kept.anchor, State::Quota(kept.state))
        }
        "crl" => {
            let kept: Kept<Checked> = unpack(octets).map_err(malformed)?;
            let octets = kept.state.octets.as_bytes();
            if Digest::of(octets) != kept.state.digest {
                return Err(malformed("its digest is another one".into()));
            }
            (kept.anchor, State::Crl(unpack(octets).map_err(malformed)?))
        }
        _ => return Err(SnapshotFault::NotKept),
    };
    sound(&state, stream, revision)?;
    Ok((anchor, state))
}

fn sound(state: &State, stream: &StreamId, revision: Revision) -> Result<(), SnapshotFault> {
    let is_sound = match state {
        State::Quota(quota) => quota.is_sound(stream.key(), revision),
        State::Crl(crl) => crl.is_sound(stream.key(), revision),
        _ => return Err(SnapshotFault::NotKept),
    };
    if is_sound {
        return Ok(());
    }
    Err(SnapshotFault::Unsound { stream: stream.clone(), revision })
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
pub(crate) mod tests;
