//! Which keys a run certainly does not have: a Bloom filter in blocks of 512 bits, 16 bits a key.
//!
//! A key's bits all lie in one block, so that asking costs one access to memory. Of absent keys some 0.2 % are taken for
//! present; a look into the run then tells. The block grows with the key, so that a run is written in order.

use super::super::format::{to_u64, to_usize};

/// Words of 64 bits in a block.
const WORDS: usize = 8;
/// How many keys a block is made for.
const KEYS: u64 = 32;
/// How many bits a key sets.
const BITS: usize = 7;
/// The length of a block in octets.
pub(crate) const BLOCK: usize = WORDS * 8;

pub(crate) struct Filter(Vec<[u64; WORDS]>);

impl Filter {
    /// One that has room for so many keys, and none yet.
    pub(crate) fn for_keys(keys: u64) -> Self {
        Self(vec![[0; WORDS]; to_usize(keys / KEYS + 1)])
    }

    pub(crate) fn blocks(&self) -> u64 {
        to_u64(self.0.len())
    }

    pub(crate) fn insert(&mut self, key: u64) {
        let block = self.block(key);
        let Some(block) = self.0.get_mut(block) else { return };
        for (word, bit) in bits(key) {
            if let Some(word) = block.get_mut(word) {
                *word |= bit;
            }
        }
    }

    /// Whether the key may have been inserted; if not, it has not.
    pub(crate) fn may_have(&self, key: u64) -> bool {
        let Some(block) = self.0.get(self.block(key)) else { return false };
        bits(key).all(|(word, bit)| block.get(word).is_some_and(|word| word & bit != 0))
    }

    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        to.reserve(self.0.len() * BLOCK);
        to.extend(self.0.iter().flatten().flat_map(|word| word.to_be_bytes()));
    }

    pub(crate) fn decode(octets: &[u8]) -> Self {
        let (blocks, _) = octets.as_chunks::<BLOCK>();
        let words = |block: &[u8; BLOCK]| {
            let (words, _) = block.as_chunks::<8>();
            let mut decoded = [0; WORDS];
            decoded.iter_mut().zip(words).for_each(|(to, word)| *to = u64::from_be_bytes(*word));
            decoded
        };
        Self(blocks.iter().map(words).collect())
    }

    fn block(&self, key: u64) -> usize {
        let scaled = (u128::from(key) * u128::from(self.blocks())) >> 64;
        usize::try_from(scaled).unwrap_or_default()
    }
}

/// The words and bits of a key within its block.
fn bits(key: u64) -> impl Iterator<Item = (usize, u64)> {
    let mixed = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut mixed = mixed ^ (mixed >> 32);
    (0..BITS).map(move |_| {
        let bit = mixed % 512;
        mixed >>= 9;
        (to_usize(bit / 64), 1 << (bit % 64))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::hash::{BuildHasher as _, RandomState};

    #[test]
    fn what_was_inserted_is_found_and_few_others() {
        let random = RandomState::new();
        let keys: Vec<u64> = (0..200_000).map(|n| random.hash_one(n)).collect();
        let (inserted, absent) = keys.split_at(100_000);
        let mut filter = Filter::for_keys(100_000);
        assert!(!inserted.iter().any(|key| filter.may_have(*key)));
        inserted.iter().for_each(|key| filter.insert(*key));
        let mut octets = Vec::new();
        filter.encode(&mut octets);
        assert_eq!(to_u64(octets.len()), filter.blocks() * 64);
        let filter = Filter::decode(&octets);
        assert!(inserted.iter().all(|key| filter.may_have(*key)));
        let wrong = absent.iter().filter(|key| filter.may_have(**key)).count();
        assert!(wrong < 500, "{wrong} of 100,000");
        assert!(!Filter::decode(&[]).may_have(1));
    }
}
