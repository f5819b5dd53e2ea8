//! What the plainest store knows, and every rule of the log as one plain function of it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamEvent, StreamId,
    StreamSlice, StreamsRead,
};
use pca_core::ports::Limits;

use crate::broken::{Defect, surgery};

/// Small, so that the suite finds the limit quickly.
pub(super) const LIMITS: Limits = Limits { largest_commit: 256 * 1024 };

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) commits: Vec<Arc<Recorded>>,
    pub(super) leases: HashMap<StreamId, VecDeque<u64>>,
    pub(super) tickets: u64,
    /// For defects only: positions taken by failures, ids that failed, a commit not yet checked, a batch that fails.
    pub(super) burnt: u64,
    pub(super) failed: HashSet<CommitId>,
    pub(super) staged: Option<Arc<Recorded>>,
    pub(super) failing: bool,
}

impl State {
    pub(super) fn head(&self) -> Head {
        let head = self.commits.last().map_or(Head::GENESIS, |newest| newest.seal().head());
        Head { position: head.position.plus(self.burnt), ..head }
    }

    /// The events of a stream among the first commits.
    fn events(&self, stream: &StreamId, seen: usize, defect: Option<Defect>) -> Vec<StreamEvent> {
        let concerns = |index: usize, concerned: &StreamId| match defect {
            Some(Defect::LosesTheSecondStream) => concerned == stream && index == 0,
            Some(Defect::CutsLongNames) => surgery::cut(concerned) == surgery::cut(stream),
            _ => concerned == stream,
        };
        let mut events: Vec<StreamEvent> = Vec::new();
        for (number, recorded) in (1..).zip(self.commits.iter().take(seen)) {
            for (index, view) in recorded.commit().events().enumerate() {
                if view.streams().enumerate().any(|(place, concerned)| concerns(place, concerned)) {
                    let counted = u64::try_from(events.len()).unwrap_or(u64::MAX);
                    let revision = match defect {
                        Some(Defect::CountsCommitsAsRevisions) => Revision::new(number),
                        _ => Revision::new(counted).plus(1),
                    };
                    events.push(StreamEvent { recorded: Arc::clone(recorded), index, revision });
                }
            }
        }
        events
    }

    pub(super) fn revision(&self, stream: &StreamId, defect: Option<Defect>) -> Revision {
        let events = self.events(stream, usize::MAX, defect);
        events.last().map_or(Revision::ZERO, |event| event.revision)
    }

    pub(super) fn receipt(
        &self,
        id: CommitId,
        request: RequestDigest,
        defect: Option<Defect>,
    ) -> Result<Option<Receipt>, StoreError> {
        let found = self.commits.iter().find(|recorded| recorded.commit().id() == id).map(|found| found.receipt());
        match found {
            Some(receipt) if receipt.request != request && defect != Some(Defect::IgnoresTheRequest) => {
                Err(StoreError::IdReused { id, position: receipt.last })
            }
            found => Ok(found),
        }
    }

    pub(super) fn append(&mut self, commit: &Commit, defect: Option<Defect>) -> Result<Receipt, StoreError> {
        let has = |one: Defect| defect == Some(one);
        if !has(Defect::MakesRepeatsAgain)
            && let Some(receipt) = self.receipt(commit.id(), commit.request(), defect)?
        {
            return Err(StoreError::Repeated(receipt));
        }
        if has(Defect::RemembersFailures) && self.failed.contains(&commit.id()) {
            return Err(StoreError::IdReused { id: commit.id(), position: Position::ZERO });
        }
        let limit = LIMITS.largest_commit;
        let octets = commit.body().len();
        if octets > limit && !has(Defect::IgnoresItsLimit) {
            return Err(StoreError::TooLarge { octets, limit });
        }
        if let Err(conflict) = commit.check_guards(|stream| self.guarded(commit, stream, defect)) {
            self.failed.insert(commit.id());
            if has(Defect::LeavesGapsAfterFailures) {
                self.burnt += 1;
            }
            if has(Defect::KeepsHalfOfAConflict)
                && let Some(rest) = surgery::without_conflict(commit, &conflict)
            {
                self.push(&rest, defect);
            }
            return Err(if has(Defect::SwapsTheRevisionsOfConflicts) { surgery::swapped(conflict) } else { conflict });
        }
        Ok(match defect {
            Some(Defect::ReencodesPayloads) => self.push(&surgery::reencoded(commit), defect),
            _ => self.push(commit, defect),
        })
    }

    /// The revision that a guard is compared with.
    fn guarded(&self, commit: &Commit, stream: &StreamId, defect: Option<Defect>) -> Revision {
        let read = commit.guards().iter().find(|guard| guard.stream == *stream).map(|guard| guard.revision);
        let read = read.unwrap_or_default();
        let moves = commit.moves().any(|moved| moved.stream == stream);
        match defect {
            Some(Defect::IgnoresGuards) => read,
            Some(Defect::ChecksOnlyGuardsThatMove) if !moves => read,
            Some(Defect::TakesClaimsForNoGuard) if read == Revision::ZERO => read,
            Some(Defect::LetsGuardsBeAhead) => self.revision(stream, defect).max(read),
            _ => self.revision(stream, defect),
        }
    }

    fn push(&mut self, commit: &Commit, defect: Option<Defect>) -> Receipt {
        let head = self.head();
        let recorded = Recorded::new(surgery::seal(&head, commit, defect), commit.clone());
        self.burnt = 0;
        let receipt = recorded.receipt();
        self.commits.push(Arc::new(recorded));
        receipt
    }

    pub(super) fn read(
        &self,
        streams: &[(StreamId, Revision)],
        as_of: Position,
        defect: Option<Defect>,
    ) -> StreamsRead {
        let as_of = if defect == Some(Defect::IgnoresAsOf) { Position::MAX } else { as_of };
        let edge = |recorded: &Recorded| match defect {
            Some(Defect::TakesAPositionInsideForTheCommitBefore) => recorded.seal().last(),
            _ => recorded.seal().first,
        };
        let seen = self.commits.iter().take_while(|recorded| edge(recorded) <= as_of).count();
        let newest = self.commits.iter().take(seen).next_back();
        let at = newest.map_or(Position::ZERO, |recorded| recorded.seal().last());
        let streams = streams
            .iter()
            .map(|(stream, after)| {
                let events = self.events(stream, seen, defect);
                let revision = events.last().map_or(Revision::ZERO, |event| event.revision);
                let later = events.into_iter().filter(|event| match defect {
                    Some(Defect::ReadsFromTheRevisionGiven) => event.revision >= *after,
                    Some(Defect::ReadsOneTooFew) => event.revision > after.plus(1),
                    _ => event.revision > *after,
                });
                StreamSlice { stream: stream.clone(), revision, events: later.collect() }
            })
            .collect();
        let mut read = StreamsRead { at, streams };
        if defect == Some(Defect::SortsWhatWasAsked) {
            read.streams.sort_by(|one, other| one.stream.cmp(&other.stream));
            read.streams.dedup_by(|one, other| one.stream == other.stream);
        }
        read
    }

    pub(super) fn follow(&self, after: Position, limit: usize, defect: Option<Defect>) -> Vec<Arc<Recorded>> {
        let later = self.commits.iter().chain(&self.staged).filter(|recorded| match defect {
            Some(Defect::SkipsTheCommitOfAPositionInside) => recorded.seal().first > after,
            _ => recorded.seal().last() > after,
        });
        let mut found: Vec<Arc<Recorded>> = Vec::new();
        let mut events = 0;
        for recorded in later {
            let count = recorded.commit().events().len();
            let full = match defect {
                Some(Defect::FollowsBeyondItsLimit) => false,
                Some(Defect::FollowsNothingLargerThanItsLimit) => events + count > limit,
                _ => events >= limit && !found.is_empty(),
            };
            if full {
                break;
            }
            events += count;
            found.push(Arc::clone(recorded));
        }
        if defect == Some(Defect::SplitsCommitsWhenFollowed) {
            surgery::split_last(&mut found, limit);
        }
        found
    }
}
