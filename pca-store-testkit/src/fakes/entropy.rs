//! Randomness that is the same in every run.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

use pca_core::log::Digest;
use pca_core::ports::{Entropy, EntropyError};

/// Draws octets that follow from a seed: `SHA-256(seed ‖ counter)`, block after block. Clones draw from one sequence.
///
/// Nothing that it draws is secret. Never use it outside of tests.
#[derive(Clone, Debug)]
pub struct SeededEntropy {
    seed: u64,
    blocks: Arc<AtomicU64>,
    failing: Arc<AtomicBool>,
}

impl SeededEntropy {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, blocks: Arc::default(), failing: Arc::default() }
    }

    /// Fails from now on, or works again.
    pub fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(EntropyError { detail: "the test wants it to fail".into() });
        }
        for chunk in buffer.chunks_mut(32) {
            let block = self.blocks.fetch_add(1, Ordering::SeqCst);
            let mut input = self.seed.to_be_bytes().to_vec();
            input.extend_from_slice(&block.to_be_bytes());
            let octets = *Digest::of(&input).as_bytes();
            chunk.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn draw(entropy: &SeededEntropy) -> [u8; 40] {
        let mut buffer = [0; 40];
        entropy.fill(&mut buffer).unwrap();
        buffer
    }

    #[test]
    fn a_seed_gives_one_sequence() {
        let (one, same, other) = (SeededEntropy::new(1), SeededEntropy::new(1), SeededEntropy::new(2));
        let first = draw(&one);
        assert_eq!(first, draw(&same));
        assert_ne!(first, draw(&other));
        let second = draw(&one.clone());
        assert_ne!(first, second);
        assert_eq!(second, draw(&same));
        one.fail(true);
        assert!(one.fill(&mut [0]).is_err());
    }
}
