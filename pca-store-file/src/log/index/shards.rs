//! A map for keys that are uniformly distributed already, in many small parts: it never pauses long in order to grow.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::log::format::to_usize;

/// How many parts. A map of ten million grows by moving some 40,000 entries at once.
const PARTS: u64 = 256;

/// A key of 128 bits that look random: a digest, or a keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(pub(crate) [u64; 2]);

impl Key {
    /// What index files keep of it.
    pub(crate) fn short(self) -> u64 {
        let Self([high, _]) = self;
        high
    }
}

/// A map in parts.
#[derive(Debug)]
pub(crate) struct Shards<V>(Vec<HashMap<Key, V, BuildHasherDefault<Fold>>>);

impl<V> Default for Shards<V> {
    fn default() -> Self {
        Self((0..PARTS).map(|_| HashMap::default()).collect())
    }
}

impl<V> Shards<V> {
    pub(crate) fn get(&self, key: Key) -> Option<&V> {
        self.0.get(part(key))?.get(&key)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut V> {
        self.0.get_mut(part(key))?.get_mut(&key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &V)> {
        self.0.iter().flatten()
    }

    pub(crate) fn insert(&mut self, key: Key, value: V) {
        if let Some(part) = self.0.get_mut(part(key)) {
            part.insert(key, value);
        }
    }
}

/// Bits that [`Fold`] leaves to the parts' own use.
fn part(Key([high, _]): Key) -> usize {
    to_usize((high >> 24) % PARTS)
}

/// Takes the key as its own hash.
#[derive(Default)]
pub(crate) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = self.0.rotate_left(32) ^ number;
    }

    fn write_usize(&mut self, _length: usize) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::hash::{BuildHasher as _, RandomState};

    #[test]
    fn every_part_is_there_and_used_and_finds_its_keys() {
        let (first, second) = (RandomState::new(), RandomState::new());
        let keys: Vec<Key> = (0..20_000).map(|n| Key([first.hash_one(n), second.hash_one(n)])).collect();
        let mut shards = Shards::default();
        keys.iter().zip(0..).for_each(|(key, number)| shards.insert(*key, number));
        assert!(shards.0.iter().all(|part| (20..200).contains(&part.len())));
        assert!(keys.iter().zip(0..).all(|(key, number)| shards.get(*key) == Some(&number)));
        *shards.get_mut(*keys.first().unwrap()).unwrap() = 7;
        assert_eq!(shards.get(*keys.first().unwrap()), Some(&7));
        assert_eq!(shards.get(Key([1, 2])), None);
    }
}
