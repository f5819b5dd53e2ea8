//! The journal of refusals (rule G3): bounded, rate-limited, and outside the log.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::domain::Refusal;
use crate::log::Timestamp;

/// The most octets that are kept of an actor's name, and of what is told of one broken rule; what is cut ends in `…`.
const MOST_OCTETS: usize = 500;
/// The most broken rules that are kept of an attempt.
const MOST_RULES: usize = 10;

/// A refused attempt, in at most some 5 KiB: whoever is refused chooses what he asks for, and must not fill the memory by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedAttempt {
    /// When.
    pub at: Timestamp,
    /// Who; cut after 500 octets.
    pub actor: String,
    /// The command.
    pub command: &'static str,
    /// Why not: the first 10 broken rules, what is told of each cut after 500 octets.
    pub refusal: Refusal,
    /// How many more rules were broken.
    pub untold: u64,
    /// How many more attempts of the same second were not kept since the rate was exceeded.
    pub suppressed: u64,
}

/// Keeps the newest refusals in memory: at most a number of entries, each of a bounded size, and at most a number for each
/// second.
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
    /// 1,000 entries, some 5 MiB at most, and 50 for each second.
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
            let untold = u64::try_from(refusal.broken().len().saturating_sub(MOST_RULES)).unwrap_or(u64::MAX);
            let (actor, refusal) = (cut(actor), refusal.abridged(MOST_RULES, cut));
            kept.attempts.push_back(RefusedAttempt { at, actor, command, refusal, untold, suppressed: 0 });
        }
    }
}

/// A text, or its beginning with a mark.
fn cut(text: &str) -> String {
    if text.len() <= MOST_OCTETS {
        return text.into();
    }
    let room = MOST_OCTETS.saturating_sub('…'.len_utf8());
    let ends = text.char_indices().map(|(start, character)| start.saturating_add(character.len_utf8()));
    let end = ends.take_while(|end| *end <= room).last().unwrap_or_default();
    text.get(..end).unwrap_or_default().chars().chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::{BrokenRule, Objections, Rule};

    #[test]
    fn g3_each_entry_is_bounded_whatever_was_asked_for() {
        let journal = RefusalJournal::new(3, 10);
        let mut objections = Objections::new();
        for number in 0..50 {
            let text = format!("{number} {}", "é".repeat(100_000));
            objections.add(BrokenRule::new(Rule::new("C4"), "subject", text));
        }
        let refusal = objections.verdict().unwrap_err();
        let actor = "ö".repeat(100_000);
        for _ in 0..5 {
            journal.note(Timestamp::EPOCH, &actor, "IssueCertificate", &refusal);
        }
        let kept = journal.attempts();
        assert_eq!((kept.len(), journal.total()), (3, 5));
        for attempt in &kept {
            let told = attempt.refusal.broken();
            assert_eq!((told.len(), attempt.untold), (MOST_RULES, 40));
            let texts = told.iter().map(BrokenRule::message).chain([attempt.actor.as_str()]);
            for text in texts {
                assert!(text.len() <= MOST_OCTETS && text.len() > MOST_OCTETS - 5, "{}", text.len());
                assert!(text.ends_with('…'), "{text}");
            }
            assert!(told.iter().all(|broken| broken.rule().number() == "C4" && broken.code() == "subject"));
        }
        let short = Refusal::from(BrokenRule::new(Rule::new("Q2"), "no-quota-left", "none"));
        journal.note(Timestamp::EPOCH, "ann", "IssueCertificate", &short);
        let kept = journal.attempts();
        let last = kept.last().map(|last| (last.actor.as_str(), &last.refusal, last.untold));
        assert_eq!(last, Some(("ann", &short, 0)), "what is short is kept as it is");
    }
}
