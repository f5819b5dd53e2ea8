//! The log itself: commits in order, and indexes over them. Synchronous; its owner holds a lock around it.

use std::collections::HashMap;
use std::sync::Arc;

use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamEvent, StreamId,
    StreamSlice, StreamsRead,
};

/// Commits in order. Only what was decoded from octets comes in.
#[derive(Debug)]
pub(crate) struct Log {
    head: Head,
    commits: Vec<Arc<Recorded>>,
    /// For each stream its events in order: the commit's place in `commits`, and the event's in the commit.
    streams: HashMap<StreamId, Vec<(usize, usize)>>,
    /// For each commit id its place in `commits`.
    ids: HashMap<CommitId, usize>,
}

impl Default for Log {
    fn default() -> Self {
        Self { head: Head::GENESIS, commits: Vec::new(), streams: HashMap::new(), ids: HashMap::new() }
    }
}

impl Log {
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    pub(crate) fn commits(&self) -> &[Arc<Recorded>] {
        &self.commits
    }

    /// Orders a commit, or tells why not and changes nothing.
    pub(crate) fn append(&mut self, commit: Commit, largest: usize) -> Result<Receipt, StoreError> {
        if let Some(receipt) = self.receipt(commit.id(), commit.request())? {
            return Err(StoreError::Repeated(receipt));
        }
        let octets = commit.body().len();
        if octets > largest {
            return Err(StoreError::TooLarge { octets, limit: largest });
        }
        commit.check_guards(|stream| self.revision(stream))?;
        let recorded = Recorded::new(self.head.seal(&commit), commit);
        let receipt = recorded.receipt();
        self.push(recorded);
        Ok(receipt)
    }

    /// Takes in what was ordered and checked.
    pub(crate) fn push(&mut self, recorded: Recorded) {
        let place = self.commits.len();
        for moved in recorded.commit().moves() {
            match self.streams.get_mut(moved.stream) {
                Some(events) => events.push((place, moved.event)),
                None => drop(self.streams.insert(moved.stream.clone(), vec![(place, moved.event)])),
            }
        }
        self.ids.insert(recorded.commit().id(), place);
        self.head = recorded.seal().head();
        self.commits.push(Arc::new(recorded));
    }

    pub(crate) fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        let Some(recorded) = self.ids.get(&id).and_then(|place| self.commits.get(*place)) else { return Ok(None) };
        let receipt = recorded.receipt();
        if receipt.request == request {
            Ok(Some(receipt))
        } else {
            Err(StoreError::IdReused { id, position: receipt.last })
        }
    }

    pub(crate) fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> StreamsRead {
        // How many commits are seen: up to and with the one that holds the position.
        let seen = self.commits.partition_point(|recorded| recorded.seal().first <= as_of);
        let at = seen.checked_sub(1).and_then(|newest| self.commits.get(newest));
        let at = at.map_or(Position::ZERO, |recorded| recorded.seal().last());
        let streams = streams.iter().map(|(stream, after)| self.slice(stream, *after, seen)).collect();
        StreamsRead { at, streams }
    }

    pub(crate) fn follow(&self, after: Position, limit: usize) -> Vec<Arc<Recorded>> {
        let from = self.commits.partition_point(|recorded| recorded.seal().last() <= after);
        let mut events = 0_usize;
        let fits = |recorded: &&Arc<Recorded>| {
            let first = events == 0;
            let fits = first || events < limit;
            events = events.saturating_add(recorded.commit().events().len());
            fits
        };
        self.commits.iter().skip(from).take_while(fits).cloned().collect()
    }

    fn revision(&self, stream: &StreamId) -> Revision {
        self.streams.get(stream).map_or(Revision::ZERO, |events| revision(events.len()))
    }

    fn slice(&self, stream: &StreamId, after: Revision, seen: usize) -> StreamSlice {
        let events = self.streams.get(stream).map(Vec::as_slice).unwrap_or_default();
        let events = events.get(..events.partition_point(|(place, _)| *place < seen)).unwrap_or_default();
        let skipped = usize::try_from(after.get()).unwrap_or(usize::MAX);
        let later = events.iter().enumerate().skip(skipped).filter_map(|(number, (place, index))| {
            let recorded = Arc::clone(self.commits.get(*place)?);
            Some(StreamEvent { recorded, index: *index, revision: revision(number).plus(1) })
        });
        StreamSlice { stream: stream.clone(), revision: revision(events.len()), events: later.collect() }
    }
}

fn revision(count: usize) -> Revision {
    Revision::new(u64::try_from(count).unwrap_or(u64::MAX))
}
