//! The journal of refusals (rule G3): bounded, rate-limited, and outside the log.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::domain::Refusal;
use crate::log::Timestamp;

/// A refused attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedAttempt {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// The command.
    pub command: &'static str,
    /// Why not.
    pub refusal: Refusal,
    /// How many more attempts of the same second were not kept since the rate was exceeded.
    pub suppressed: u64,
}

/// Keeps the newest refusals in memory: at most a number of entries, and at most a number for each second.
#[derive(Debug)]
pub struct RefusalJournal {
    capacity: usize,
    per_second: u32,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    attempts: VecDeque<RefusedAttempt>,
    second: i64,
    in_second: u32,
    total: u64,
}

impl Default for RefusalJournal {
    /// 1,000 entries, 50 for each second.
    fn default() -> Self {
        Self::new(1000, 50)
    }
}

impl RefusalJournal {
    /// With bounds of its own.
    #[must_use]
    pub fn new(capacity: usize, per_second: u32) -> Self {
        Self { capacity, per_second, kept: Mutex::default() }
    }

    /// The refusals that are kept, oldest first.
    #[must_use]
    pub fn attempts(&self) -> Vec<RefusedAttempt> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).attempts.iter().cloned().collect()
    }

    /// How many refusals there were, kept or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    pub(crate) fn note(&self, at: Timestamp, actor: &str, command: &'static str, refusal: &Refusal) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.total = kept.total.saturating_add(1);
        if kept.second != at.secs() {
            kept.second = at.secs();
            kept.in_second = 0;
        }
        kept.in_second = kept.in_second.saturating_add(1);
        if kept.in_second > self.per_second {
            if let Some(last) = kept.attempts.back_mut() {
                last.suppressed = last.suppressed.saturating_add(1);
            }
            return;
        }
        if kept.attempts.len() >= self.capacity {
            kept.attempts.pop_front();
        }
        if self.capacity > 0 {
            let (actor, refusal) = (actor.into(), refusal.clone());
            kept.attempts.push_back(RefusedAttempt { at, actor, command, refusal, suppressed: 0 });
        }
    }
}
