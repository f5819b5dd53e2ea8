//! Where everything is: built when opening, grown with every commit, in memory.

use std::hash::{BuildHasher as _, RandomState};

use siphasher::sip128::SipHasher13;

use pca_core::log::{Commit, CommitId, Position, Revision, Seal, StoreError, StreamId};

use super::format::{to_u64, to_usize};
use super::shards::{Key, Shards};

/// Where a commit lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommitPlace {
    /// The position of its first event.
    pub(crate) first: u64,
    /// The number of its segment, from 0.
    pub(crate) segment: u32,
    /// Its frame's offset in the segment.
    pub(crate) offset: u32,
}

/// Where an event lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventPlace {
    /// The number of its commit, from 0.
    pub(crate) commit: u32,
    /// Its place in the commit, from 0.
    pub(crate) event: u32,
}

/// The events of a stream; most streams have one.
#[derive(Clone, Debug)]
enum Places {
    One(EventPlace),
    Many(Vec<EventPlace>),
}

impl Places {
    fn all(&self) -> &[EventPlace] {
        match self {
            Self::One(place) => core::slice::from_ref(place),
            Self::Many(places) => places,
        }
    }

    fn push(&mut self, place: EventPlace) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, place]),
            Self::Many(places) => places.push(place),
        }
    }
}

/// Streams, commit ids and places. It holds staged commits, too; whoever reads says how many commits are durable.
///
/// A stream is kept as the 128 bits of SipHash-1-3 under a random key of this process, not as its name: that takes a third
/// of the memory, and nothing of a commit outlives it. Among a thousand million streams two are the same with a
/// probability of 10^-21; without the key nobody can look for such two.
#[derive(Debug)]
pub(crate) struct Index {
    commits: Vec<CommitPlace>,
    ids: Shards<u32>,
    streams: Shards<Places>,
    hasher: SipHasher13,
}

impl Default for Index {
    fn default() -> Self {
        let random = RandomState::new();
        let hasher = SipHasher13::new_with_keys(random.hash_one(0), random.hash_one(1));
        Self { commits: Vec::new(), ids: Shards::default(), streams: Shards::default(), hasher }
    }
}

impl Index {
    /// How many commits there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.commits.len()).unwrap_or(u32::MAX)
    }

    /// The number of the commit with this id.
    pub(crate) fn number_of(&self, id: &CommitId) -> Option<u32> {
        self.ids.get(id_key(id)).copied()
    }

    /// Where the commit with this number lies.
    pub(crate) fn place(&self, number: u32) -> Option<CommitPlace> {
        self.commits.get(index(number)).copied()
    }

    /// Under which keys the streams of a commit's guards are kept, in that order.
    pub(crate) fn keys(&self, commit: &Commit) -> Vec<Key> {
        commit.guards().iter().map(|guard| self.key(&guard.stream)).collect()
    }

    /// Compares the guards of a commit, whose keys these are, with how many events their streams have.
    pub(crate) fn check_guards(&self, commit: &Commit, keys: &[Key]) -> Result<(), StoreError> {
        let mut keys = keys.iter();
        let events = |key| self.streams.get(key).map_or(0, |places| to_u64(places.all().len()));
        commit.check_guards(|_| Revision::new(keys.next().map_or(0, |key| events(*key))))
    }

    /// The number of the newest commit with an event in a stream.
    pub(crate) fn newest_in(&self, stream: &StreamId) -> Option<u32> {
        self.streams.get(self.key(stream))?.all().last().map(|place| place.commit)
    }

    /// The events of a stream in the first `commits` commits.
    pub(crate) fn events_of(&self, stream: &StreamId, commits: u32) -> &[EventPlace] {
        let all = self.streams.get(self.key(stream)).map(Places::all).unwrap_or_default();
        // Most reads are as of the newest.
        if all.last().is_none_or(|place| place.commit < commits) {
            return all;
        }
        all.get(..all.partition_point(|place| place.commit < commits)).unwrap_or_default()
    }

    /// How many of the first `commits` commits begin at a position or before.
    pub(crate) fn begun_by(&self, position: Position, commits: u32) -> u32 {
        let some = self.commits.get(..index(commits)).unwrap_or(&self.commits);
        match some.last() {
            Some(newest) if newest.first > position.get() => {
                let count = some.partition_point(|place| place.first <= position.get());
                u32::try_from(count).unwrap_or(u32::MAX)
            }
            _ => u32::try_from(some.len()).unwrap_or(u32::MAX),
        }
    }

    /// Takes in the next commit, whose guards hold and whose keys these are.
    pub(crate) fn push(&mut self, seal: &Seal, commit: &Commit, keys: &[Key], segment: u32, offset: u32) {
        let number = self.count();
        self.commits.push(CommitPlace { first: seal.first.get(), segment, offset });
        self.ids.insert(id_key(&commit.id()), number);
        for moved in commit.moves() {
            let place = EventPlace { commit: number, event: u32::try_from(moved.event).unwrap_or(u32::MAX) };
            let Some(key) = keys.get(moved.guard).copied() else { continue };
            match self.streams.get_mut(key) {
                Some(places) => places.push(place),
                None => self.streams.insert(key, Places::One(place)),
            }
        }
    }

    fn key(&self, stream: &StreamId) -> Key {
        let hash = self.hasher.hash(stream.as_str().as_bytes());
        Key([hash.h1, hash.h2])
    }
}

/// Commit ids are random or digests.
fn id_key(id: &CommitId) -> Key {
    let number = u128::from_be_bytes(*id.as_bytes());
    let half = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
    Key([half(number >> 64), half(number)])
}

fn index(number: u32) -> usize {
    to_usize(u64::from(number))
}
