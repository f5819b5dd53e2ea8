//! The clock and the randomness of the machine, as the ports of `pca-core` have them.
//!
//! `pca-core` reads no clock and draws no randomness by itself (architecture, invariant 1). An embedding program that
//! runs on an ordinary machine gives it [`SystemClock`] and [`OsEntropy`].
//!
//! ```
//! use pca_core::ports::{Clock as _, Entropy as _};
//! use pca_system::{OsEntropy, SystemClock};
//!
//! # fn main() -> Result<(), pca_core::ports::EntropyError> {
//! let now = SystemClock.now();
//! let mut salt = [0; 16];
//! OsEntropy.fill(&mut salt)?;
//! assert!(now > pca_core::log::Timestamp::EPOCH);
//! assert_ne!(salt, [0; 16]);
//! # Ok(())
//! # }
//! ```

use pca_core::log::Timestamp;
use pca_core::ports::{Clock, Entropy, EntropyError};

/// The machine's wall clock, in UTC.
///
/// It may be set back or run ahead; rule L9 says what the log makes of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        chrono::Utc::now().into()
    }
}

/// The operating system's source of randomness (`getrandom` and its relatives).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(buffer).map_err(|error| EntropyError { detail: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_draws_differ_and_nothing_is_left_unfilled() {
        let (mut one, mut other) = ([0_u8; 64], [0_u8; 64]);
        OsEntropy.fill(&mut one).unwrap();
        OsEntropy.fill(&mut other).unwrap();
        assert_ne!(one, other);
        // 64 octets of which the last 16 are all zero: one in 2^128.
        assert_ne!(one.last_chunk::<16>().unwrap(), &[0; 16]);
    }

    #[test]
    fn the_clock_is_of_this_century() {
        let year_2024 = Timestamp::from_secs(1_704_067_200);
        assert!(SystemClock.now() > year_2024);
    }
}
