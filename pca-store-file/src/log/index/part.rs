//! The index of one segment in memory: it grows with every commit until the segment is sealed and an index file has it.

use pca_core::log::{Commit, Position, Revision, Seal};

use super::Prepared;
use super::layout::{Entry, Milestone, Place};
use super::shards::{Key, Shards};
use crate::log::format::to_u64;

/// How many octets of a segment lie between two milestones, at least.
const STRIDE: u32 = 256 * 1024;

/// A commit that moved a stream.
#[derive(Clone, Copy, Debug)]
struct Touch {
    offset: u32,
    /// The stream's revision behind it.
    revision: Revision,
}

/// The commits that moved a stream; most streams have one.
#[derive(Clone, Debug)]
enum Touches {
    One(Touch),
    Many(Vec<Touch>),
}

impl Touches {
    fn all(&self) -> &[Touch] {
        match self {
            Self::One(touch) => core::slice::from_ref(touch),
            Self::Many(touches) => touches,
        }
    }

    fn push(&mut self, touch: Touch) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, touch]),
            Self::Many(touches) => touches.push(touch),
        }
    }
}

/// What a part knows of a stream.
pub(crate) struct Touched {
    /// The stream's revision behind the newest of the commits that were asked about.
    pub(crate) revision: Revision,
    /// Those of them that moved it beyond the revision that was asked about, newest first.
    pub(crate) places: Vec<Place>,
}

#[derive(Debug, Default)]
pub(crate) struct Part {
    /// The number of the segment, from 0.
    pub(crate) segment: u32,
    /// The position and offset of each commit.
    commits: Vec<(u64, u32)>,
    ids: Shards<u32>,
    streams: Shards<Touches>,
}

impl Part {
    pub(crate) fn new(segment: u32) -> Self {
        Self { segment, ..Self::default() }
    }

    /// Where the commit with this id lies.
    pub(crate) fn known(&self, id: Key) -> Option<Place> {
        self.ids.get(id).map(|offset| self.place(*offset))
    }

    /// The revision of a stream that the segment moves.
    pub(crate) fn revision(&self, stream: Key) -> Option<Revision> {
        Some(self.streams.get(stream)?.all().last()?.revision)
    }

    /// The newest commit that moves a stream.
    pub(crate) fn newest(&self, stream: Key) -> Option<Place> {
        Some(self.place(self.streams.get(stream)?.all().last()?.offset))
    }

    /// What became of a stream before a place, beyond a revision; nothing if the segment does not move it before.
    pub(crate) fn touched(&self, stream: Key, after: Revision, before: Place) -> Option<Touched> {
        let all = self.streams.get(stream)?.all();
        let end = all.partition_point(|touch| self.place(touch.offset) < before);
        let all = all.get(..end)?;
        let revision = all.last()?.revision;
        let beyond = all.get(all.partition_point(|touch| touch.revision <= after)..).unwrap_or_default();
        Some(Touched { revision, places: beyond.iter().rev().map(|touch| self.place(touch.offset)).collect() })
    }

    /// The newest commit that begins at a position or before.
    pub(crate) fn begun_by(&self, position: Position) -> Option<Place> {
        let count = self.commits.partition_point(|(first, _)| *first <= position.get());
        self.commits.get(count.checked_sub(1)?).map(|(_, offset)| self.place(*offset))
    }

    /// Takes in the next commit, whose guards hold and whose keys these are.
    pub(crate) fn push(&mut self, seal: &Seal, commit: &Commit, prepared: &Prepared, offset: u32) {
        self.commits.push((seal.first.get(), offset));
        self.ids.insert(prepared.id, offset);
        let mut last: Vec<Option<Revision>> = vec![None; prepared.streams.len()];
        for moved in commit.moves() {
            if let Some(revision) = last.get_mut(moved.guard) {
                *revision = Some(moved.revision);
            }
        }
        for (key, revision) in prepared.streams.iter().zip(last) {
            let Some(revision) = revision else { continue };
            let touch = Touch { offset, revision };
            match self.streams.get_mut(*key) {
                Some(touches) => touches.push(touch),
                None => self.streams.insert(*key, Touches::One(touch)),
            }
        }
    }

    /// Everything in it, in the order of keys and places.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let ids = self.ids.iter().map(|(key, offset)| Entry { key: key.short(), place: self.place(*offset) });
        let streams = self.streams.iter().flat_map(|(key, touches)| {
            touches.all().iter().map(|touch| Entry { key: key.short(), place: self.place(touch.offset) })
        });
        let mut entries: Vec<Entry> = ids.chain(streams).collect();
        entries.sort_unstable();
        entries
    }

    pub(crate) fn milestones(&self) -> Vec<Milestone> {
        let mut next = 0;
        let mut milestones = Vec::new();
        for (first, offset) in &self.commits {
            if *offset >= next {
                milestones.push(Milestone { first: *first, place: self.place(*offset) });
                next = offset.saturating_add(STRIDE);
            }
        }
        milestones
    }

    /// How many entries an index file gets of it, about.
    pub(crate) fn entry_count(&self) -> u64 {
        to_u64(self.ids.iter().count()).saturating_add(to_u64(self.streams.iter().count()))
    }

    /// How many commits it has.
    pub(crate) fn count(&self) -> u64 {
        to_u64(self.commits.len())
    }

    fn place(&self, offset: u32) -> Place {
        Place { segment: self.segment, offset }
    }
}
