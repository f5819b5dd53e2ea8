//! What the broken stores do to commits.

use std::sync::Arc;

use pca_core::log::{Commit, Digest, EncodedEvent, EventView, Head, Recorded, Seal, StoreError, StreamId};

use super::Defect;

/// A seal, right or wrong.
pub(crate) fn seal(head: &Head, commit: &Commit, defect: Option<Defect>) -> Seal {
    let right = head.seal(commit);
    let Seal { previous, first, count, time, body_digest, .. } = right;
    match defect {
        Some(Defect::CountsCommitsAsPositions) => Seal::new(previous, first, 1, time, body_digest),
        Some(Defect::LetsTimeRunBackwards) => {
            Seal::new(previous, first, count, commit.metadata().decided_at, body_digest)
        }
        Some(Defect::UnlinksTheChain) => Seal::new(Digest::ZERO, first, count, time, body_digest),
        _ => right,
    }
}

/// Whether a commit read a stream that a failed one would have written.
pub(crate) fn builds_on(commit: &Commit, failed: &Commit) -> bool {
    commit.guards().iter().any(|guard| failed.moves().any(|moved| *moved.stream == guard.stream))
}

/// The first half of a commit's events as a commit.
pub(crate) fn first_half(commit: &Commit) -> Option<Commit> {
    let half = commit.events().len() / 2;
    rebuilt(commit, None, commit.events().take(half).map(encoded).collect())
}

/// What is left of a commit without the stream that it conflicts at.
pub(crate) fn without_conflict(commit: &Commit, conflict: &StoreError) -> Option<Commit> {
    let StoreError::Conflict { stream, .. } = conflict else { return None };
    let rest = commit.events().filter(|view| view.streams().all(|concerned| concerned != stream));
    rebuilt(commit, Some(stream), rest.map(encoded).collect())
}

/// The commit with its payloads as a text column gives them back.
pub(crate) fn reencoded(commit: &Commit) -> Commit {
    let as_text = |view| {
        let event = encoded(view);
        EncodedEvent { payload: String::from_utf8_lossy(&event.payload).into_owned().into_bytes(), ..event }
    };
    rebuilt(commit, None, commit.events().map(as_text).collect()).unwrap_or_else(|| commit.clone())
}

/// A conflict that says the contrary.
pub(crate) fn swapped(conflict: StoreError) -> StoreError {
    match conflict {
        StoreError::Conflict { stream, expected, actual } => {
            StoreError::Conflict { stream, expected: actual, actual: expected }
        }
        other => other,
    }
}

/// Cuts events off the last commit that go beyond the limit.
pub(crate) fn split_last(found: &mut Vec<Arc<Recorded>>, limit: usize) {
    let events: usize = found.iter().map(|recorded| recorded.commit().events().len()).sum();
    let Some(excess) = events.checked_sub(limit.max(1)) else { return };
    let Some(last) = found.pop() else { return };
    let kept = last.commit().events().len().saturating_sub(excess);
    let cut = rebuilt(last.commit(), None, last.commit().events().take(kept).map(encoded).collect());
    found.extend(cut.map(|commit| {
        let before = Head { position: last.seal().first, digest: last.seal().previous, time: last.seal().time };
        let Seal { previous, count, time, body_digest, .. } = before.seal(&commit);
        Arc::new(Recorded::new(Seal::new(previous, last.seal().first, count, time, body_digest), commit))
    }));
}

/// What a column of a hundred characters keeps of a name.
pub(crate) fn cut(stream: &StreamId) -> &str {
    stream.as_str().get(..100).unwrap_or(stream.as_str())
}

fn encoded(view: EventView<'_>) -> EncodedEvent {
    EncodedEvent {
        kind: view.kind().to_owned().into(),
        schema: view.schema(),
        streams: view.streams().cloned().collect(),
        payload: view.payload().into(),
    }
}

fn rebuilt(commit: &Commit, without: Option<&StreamId>, events: Vec<EncodedEvent>) -> Option<Commit> {
    let guards = commit.guards().iter().filter(|guard| Some(&guard.stream) != without);
    let guards = guards.map(|guard| (guard.stream.clone(), guard.revision));
    Commit::new(commit.id(), commit.request(), commit.metadata().clone(), guards, &events).ok()
}
