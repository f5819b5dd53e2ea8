//! The time of a decision (rule L9).

use crate::domain::enterprise::Enterprise;
use crate::domain::policy::Policy;
use crate::domain::{BrokenRule, Event, Rule};
use crate::log::{Head, Timestamp};

use super::Call;

const L9: Rule = Rule::new("L9");
const DAY: i64 = 86_400;

/// Which clock a call goes by, and whether it may.
pub(crate) fn clock_of(call: &Call, clock: Timestamp, enterprise: &Enterprise) -> Result<Timestamp, BrokenRule> {
    match call.now {
        None => Ok(clock),
        Some(now) if enterprise.is_rehearsal() || !enterprise.is_founded() => Ok(now),
        Some(now) => Err(BrokenRule::new(
            L9,
            "not-a-rehearsal",
            format!(
                "the time {now} was given, but only a rehearsal log takes its time from the caller; this log goes by the clock"
            ),
        )),
    }
}

/// Objects to a log that is founded at a time of the caller's without being a rehearsal.
pub(crate) fn check_founding(call: &Call, events: &[Event]) -> Result<(), BrokenRule> {
    let real = events.iter().any(|event| matches!(event, Event::EnterpriseFounded(founded) if !founded.rehearsal));
    match call.now {
        Some(now) if real => Err(BrokenRule::new(
            L9,
            "not-a-rehearsal",
            format!(
                "the time {now} was given, but only a rehearsal log takes its time from the caller; found a rehearsal, or leave the time to the clock"
            ),
        )),
        _ => Ok(()),
    }
}

/// `max(clock, newest commit's time)`.
pub(crate) fn decided_at(clock: Timestamp, head: &Head) -> Timestamp {
    clock.max(head.time)
}

/// Objects to a clock that is further ahead of the newest commit than the policy allows without confirmation.
pub(crate) fn check_gap(call: &Call, clock: Timestamp, head: &Head, policy: &Policy) -> Result<(), BrokenRule> {
    let limit = head.time.plus_secs(i64::from(policy.max_gap_days).saturating_mul(DAY));
    if head.position.get() == 0 || call.clock_confirmed || clock <= limit {
        return Ok(());
    }
    Err(BrokenRule::new(
        L9,
        "clock-far-ahead",
        format!(
            "the clock shows {clock}, more than {} days after the newest commit of {}; confirm that it is right",
            policy.max_gap_days, head.time
        ),
    ))
}

/// Whether a decision is so much older than the newest commit that it is taken anew.
pub(crate) fn is_stale(decided_at: Timestamp, newest: Timestamp, policy: &Policy) -> bool {
    newest > decided_at.plus_secs(i64::from(policy.max_clock_skew_seconds))
}
