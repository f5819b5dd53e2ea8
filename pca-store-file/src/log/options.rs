//! What can be chosen about a log in files.

use core::time::Duration;

use super::format::{FRAME_HEADER, LARGEST_GROUP};

/// What can be chosen about a log in files. None of it changes the format: a log may be opened with other options
/// than it was written with.
///
/// ```
/// use pca_store_file::Options;
///
/// let options = Options::default().segment_size(16 * 1024 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub(crate) segment_size: u64,
    pub(crate) preallocation: u64,
    pub(crate) cache: usize,
    pub(crate) largest_commit: usize,
    pub(crate) group: usize,
    pub(crate) beacon: Option<Duration>,
    /// Whether the writer makes index files itself, so that tests see every call to the disk in one order.
    pub(crate) index_here: bool,
}

impl Default for Options {
    /// Segments of 64 MiB, zeros laid out 4 MiB ahead, a cache of 8 MiB, commits of at most 16 MiB, groups that are
    /// closed at 8 MiB, a beacon after 10 ms.
    fn default() -> Self {
        Self {
            segment_size: 64 * MIB,
            preallocation: 4 * MIB,
            cache: 8 * 1024 * 1024,
            largest_commit: 16 * 1024 * 1024,
            group: 8 * 1024 * 1024,
            beacon: Some(Duration::from_millis(10)),
            index_here: false,
        }
    }
}

const MIB: u64 = 1024 * 1024;

impl Options {
    /// After how many octets the next segment is begun; at most 1 GiB. A commit is never split, so that a segment can
    /// have fewer, or more if a single commit is larger.
    #[must_use]
    pub fn segment_size(mut self, octets: u64) -> Self {
        self.segment_size = octets.min(1024 * MIB);
        self
    }

    /// How many octets of zeros are laid out ahead of what is written, so that a sync need not write metadata; at most
    /// 64 MiB. Closing the log takes them away.
    #[must_use]
    pub fn preallocation(mut self, octets: u64) -> Self {
        self.preallocation = octets.min(64 * MIB);
        self
    }

    /// How many octets of commits are kept in memory, about.
    #[must_use]
    pub fn cache(mut self, octets: usize) -> Self {
        self.cache = octets;
        self
    }

    /// The largest commit that is taken, in octets of its body; at most 32 MiB.
    #[must_use]
    pub fn largest_commit(mut self, octets: usize) -> Self {
        self.largest_commit = octets.min(LARGEST_GROUP / 2);
        self
    }

    /// After how many octets a group, which is what one sync makes durable, takes no further commit; at most 32 MiB.
    #[must_use]
    pub fn group(mut self, octets: usize) -> Self {
        self.group = octets.clamp(FRAME_HEADER, LARGEST_GROUP / 2 - FRAME_HEADER - 8);
        self
    }

    /// After how long without anything to write the writer says in the log that all of it is durable; never, if
    /// nothing is given. From then on damage to the newest commits cannot be mistaken for a torn tail, and readers in
    /// other processes see them.
    #[must_use]
    pub fn beacon(mut self, after: Option<Duration>) -> Self {
        self.beacon = after;
        self
    }

    /// Has the writer make index files itself.
    #[cfg(test)]
    pub(crate) fn indexed_here(mut self) -> Self {
        self.index_here = true;
        self
    }
}
