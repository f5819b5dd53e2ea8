//! Checking a log from its first commit on: the chain, positions, revisions, guards and times.

use std::collections::{HashMap, HashSet};

use super::{CommitId, Digest, Head, Position, Recorded, Revision, Seal, StreamId, Timestamp};

/// Follows a log commit by commit and tells everything that does not fit.
///
/// It keeps the revision of every stream and the id of every commit: memory grows with the log.
#[derive(Clone, Debug)]
pub struct Verifier {
    head: Head,
    commits: u64,
    revisions: HashMap<StreamId, Revision>,
    ids: HashSet<CommitId>,
}

impl Default for Verifier {
    fn default() -> Self {
        Self { head: Head::GENESIS, commits: 0, revisions: HashMap::new(), ids: HashSet::new() }
    }
}

impl Verifier {
    /// The newest commit that was followed.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// How many commits were followed.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// How many events were followed.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.head.position.get()
    }

    /// The revision of a stream so far.
    #[must_use]
    pub fn revision(&self, stream: &StreamId) -> Revision {
        self.revisions.get(stream).copied().unwrap_or_default()
    }

    /// Takes the next commit in, faults or not, and tells its faults.
    pub fn follow(&mut self, recorded: &Recorded) -> Vec<Fault> {
        let mut faults = Vec::new();
        let seal = recorded.seal();
        let commit = recorded.commit();
        let position = seal.first;
        let expected = self.head.position.plus(1);
        if position != expected {
            faults.push(Fault::Position { expected, found: position });
        }
        if seal.previous != self.head.digest {
            faults.push(Fault::Chain { position, expected: self.head.digest, found: seal.previous });
        }
        let computed = Seal::new(seal.previous, seal.first, commit.count(), seal.time, Digest::of(commit.body()));
        if computed.digest != seal.digest || computed.body_digest != seal.body_digest || computed.count != seal.count {
            faults.push(Fault::Digest { position, expected: computed.digest, found: seal.digest });
        }
        let earliest = self.head.time.max(commit.metadata().decided_at);
        if seal.time != earliest {
            faults.push(Fault::Time { position, expected: earliest, found: seal.time });
        }
        if !self.ids.insert(commit.id()) {
            faults.push(Fault::CommitId { position, id: commit.id() });
        }
        for guard in commit.guards() {
            let actual = self.revision(&guard.stream);
            if actual != guard.revision {
                let stream = guard.stream.clone();
                faults.push(Fault::Guard { position, stream, expected: actual, found: guard.revision });
            }
        }
        for moved in commit.moves() {
            self.revisions.insert(moved.stream.clone(), moved.revision);
        }
        self.head = seal.head();
        self.commits = self.commits.saturating_add(1);
        faults
    }
}

/// Something in a log that does not fit what stands before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A gap or an overlap.
    #[error("a commit begins at position {found}, but {expected} is next")]
    Position {
        /// The next position.
        expected: Position,
        /// The commit's first position.
        found: Position,
    },
    /// A commit that continues another one: something was removed, replaced or reordered.
    #[error("the commit at position {position} continues {found}, but the commit before it is {expected}")]
    Chain {
        /// The commit's first position.
        position: Position,
        /// The digest of the commit before.
        expected: Digest,
        /// The digest that it names.
        found: Digest,
    },
    /// A commit that is not what its digest says.
    #[error("the commit at position {position} has digest {expected}, but {found} was kept")]
    Digest {
        /// The commit's first position.
        position: Position,
        /// The digest of what is there.
        expected: Digest,
        /// The digest that was kept.
        found: Digest,
    },
    /// A commit with another time than it must have (rule L9).
    #[error("the commit at position {position} is dated {found}, but must be dated {expected}")]
    Time {
        /// The commit's first position.
        position: Position,
        /// The time that it must have.
        expected: Timestamp,
        /// The time that it has.
        found: Timestamp,
    },
    /// A commit id that was used before.
    #[error("the commit at position {position} repeats the id {id}")]
    CommitId {
        /// The commit's first position.
        position: Position,
        /// The id.
        id: CommitId,
    },
    /// A commit that was decided on another state than the one before it (rule L2).
    #[error("the commit at position {position} read {stream} at revision {found}, but it was at {expected}")]
    Guard {
        /// The commit's first position.
        position: Position,
        /// The stream.
        stream: StreamId,
        /// The revision that the stream had.
        expected: Revision,
        /// The revision that the commit names.
        found: Revision,
    },
}
