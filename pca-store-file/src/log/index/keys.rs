//! Under which numbers the index keeps streams and commit ids.

use pca_core::log::{CommitId, StreamId};
use siphasher::sip128::SipHasher13;

use super::super::format::LogId;
use super::shards::Key;

/// Hashes names with SipHash-1-3, 128 bits, under the log's id, which is random: so the index in files can be used by
/// the next process, and whoever does not know the id cannot look for two names with one number.
///
/// In memory 128 bits stand for a name: among a thousand million two are the same with a probability of 10^-21. In
/// files the first 64 bits stand for it, and a hit is compared with the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    streams: SipHasher13,
    commits: SipHasher13,
}

impl Keys {
    pub(crate) fn new(log: LogId) -> Self {
        let inverted = LogId(log.0.map(|octet| !octet));
        let [streams, commits] = [log, inverted].map(|LogId(key)| SipHasher13::new_with_key(&key));
        Self { streams, commits }
    }

    pub(crate) fn stream(&self, stream: &StreamId) -> Key {
        let hash = self.streams.hash(stream.as_str().as_bytes());
        Key([hash.h1, hash.h2])
    }

    pub(crate) fn commit(&self, id: &CommitId) -> Key {
        let hash = self.commits.hash(id.as_bytes());
        Key([hash.h1, hash.h2])
    }
}
