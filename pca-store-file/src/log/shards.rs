//! A map in many small parts: it never pauses long in order to grow.

use std::collections::HashMap;
use std::hash::Hash;

use super::format::to_usize;

/// How many parts. A map of ten million grows by moving some 40,000 entries at once.
const PARTS: usize = 256;

/// What a key says about the part that it belongs to. It need not be hard to guess: a part is a map of its own.
pub(crate) trait Spread {
    fn octets(&self) -> &[u8];
}

/// A map in parts.
#[derive(Debug)]
pub(crate) struct Shards<K, V>(Vec<HashMap<K, V>>);

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self((0..PARTS).map(|_| HashMap::new()).collect())
    }
}

impl<K: Spread + Eq + Hash, V> Shards<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(part(key.octets()))?.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(part(key.octets()))?.get_mut(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if let Some(part) = self.0.get_mut(part(key.octets())) {
            part.insert(key, value);
        }
    }
}

/// FNV-1a, folded.
fn part(octets: &[u8]) -> usize {
    let hash = octets
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3));
    to_usize((hash ^ hash >> 32) % 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_there_and_used() {
        let mut used = vec![0; PARTS];
        for number in 0..20_000 {
            let key = format!("certificate/0011223344/{number:020x}");
            if let Some(count) = used.get_mut(part(key.as_bytes())) {
                *count += 1;
            }
        }
        assert_eq!(used.iter().sum::<i32>(), 20_000, "no key falls outside");
        assert!(used.iter().all(|count| (20..200).contains(count)), "{used:?}");
    }
}
