//! A clock that a test sets.

use core::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;

use pca_core::log::Timestamp;
use pca_core::ports::Clock;

/// Shows what it was set to; clones are the same clock.
#[derive(Clone, Debug)]
pub struct FakeClock {
    now: Arc<AtomicI64>,
    /// By how many microseconds it goes on whenever somebody looks.
    step: i64,
}

impl FakeClock {
    /// Stands still at a time.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        Self { now: Arc::new(AtomicI64::new(time.micros())), step: 0 }
    }

    /// Begins at a time, and goes on by a number of microseconds after each look.
    #[must_use]
    pub fn stepping(time: Timestamp, micros: i64) -> Self {
        Self { step: micros, ..Self::at(time) }
    }

    /// Shows another time from now on, be it an earlier one.
    pub fn set(&self, time: Timestamp) {
        self.now.store(time.micros(), Ordering::SeqCst);
    }

    /// Goes on by seconds, or back if they are negative.
    pub fn advance_secs(&self, secs: i64) {
        self.advance_micros(secs.saturating_mul(1_000_000));
    }

    /// Goes on by microseconds, or back if they are negative.
    pub fn advance_micros(&self, micros: i64) {
        self.now.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Default for FakeClock {
    /// Stands still at 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_secs(1_767_225_600))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.fetch_add(self.step, Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_what_it_was_set_to_and_steps() {
        let clock = FakeClock::default();
        assert_eq!(clock.now().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(clock.now(), clock.clone().now());
        clock.set(Timestamp::from_secs(5));
        clock.advance_secs(-2);
        assert_eq!(clock.now(), Timestamp::from_secs(3));
        let clock = FakeClock::stepping(Timestamp::EPOCH, 10);
        assert_eq!([clock.now(), clock.now()], [0, 10].map(Timestamp::from_micros));
    }
}
