//! The rules of an [`EventStore`], each of them callable by its name.
//!
//! A rule makes one or more empty logs, uses them through the port alone, and tells the first thing that is wrong. It
//! asserts no timing; [`Harness::patience`] only bounds how long it waits for a store that will never answer.

mod guards;
mod histories;
mod lasting;
mod leases;
mod order;
mod races;
mod reading;
mod repeats;
mod subject;
mod trains;
mod waiting;

use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use std::sync::Arc;

use pca_core::ports::EventStore;

use crate::Violation;

/// Makes the logs that the rules try.
///
/// A function that makes an empty store is a harness already: `event_store_conformance!(MemoryEventStore::new)`.
pub trait Harness: Send + Sync {
    /// Makes an empty log and opens it. Called again, it makes another.
    fn create(&self) -> Arc<dyn EventStore>;

    /// Opens the log that was created last, after all that held it open was dropped; nothing if this store forgets.
    fn reopen(&self) -> Option<Arc<dyn EventStore>> {
        None
    }

    /// Drives a future; a store that needs a runtime does it there.
    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        pollster::block_on(future);
    }

    /// How long a call may take before it counts as never answered.
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// How often a race is run.
    fn rounds(&self) -> usize {
        60
    }
}

impl<S: EventStore, F: Fn() -> S + Send + Sync> Harness for F {
    fn create(&self) -> Arc<dyn EventStore> {
        Arc::new(self())
    }
}

/// One thing that a store must do.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// Its name, and that of its test.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// Tries it.
    pub check: fn(&dyn Harness) -> Result<(), Violation>,
}

/// Tries every rule, and tells those that are broken.
#[must_use]
pub fn conformance(harness: &dyn Harness) -> Vec<(&'static Rule, Violation)> {
    RULES.iter().filter_map(|rule| (rule.check)(harness).err().map(|violation| (rule, violation))).collect()
}

/// Tries one rule.
///
/// # Errors
/// What is wrong, or that there is no such rule.
pub fn check(name: &str, harness: &dyn Harness) -> Result<(), Violation> {
    match RULES.iter().find(|rule| rule.name == name) {
        Some(rule) => (rule.check)(harness).map_err(|violation| Violation::new(format!("{}: {violation}", rule.says))),
        None => Err(Violation::new(format!("there is no rule `{name}`"))),
    }
}

/// Hands the list of rules to another macro; the one place where they are listed.
#[doc(hidden)]
#[macro_export]
macro_rules! __event_store_rules {
    ([$($to:tt)*] $($with:tt)*) => {
        $($to)* ! {
            [$($with)*]
            order::a_log_begins_empty: "an empty log is at position 0 and its streams at revision 0",
            order::positions_have_no_gaps: "events have positions 1..n in the order of commits, failures or not",
            order::head_is_the_newest_commit: "the head tells the newest commit",
            order::revisions_have_no_gaps: "the events of a stream have revisions 1..n",
            order::events_stand_in_every_stream: "an event is read in every stream that it concerns, once in each",
            order::digests_are_chained_by_the_core: "digests are those that `Head::seal` of the core computes",
            order::time_never_runs_backwards: "a commit that was decided before the newest one gets that one's time",
            order::bodies_are_kept_octet_for_octet: "what is read is the body that was given, to the octet",
            order::many_and_long_names_are_kept: "streams of the longest name and commits over many streams are kept",
            guards::guards_are_checked: "a commit whose stream moved conflicts",
            guards::guards_that_do_not_move_are_checked: "a guard counts for a stream that no event concerns",
            guards::a_claim_of_a_written_stream_conflicts: "a guard at revision 0 is a claim that nobody wrote",
            guards::a_guard_ahead_of_its_stream_conflicts: "a guard at a revision yet to come conflicts",
            guards::conflicts_name_the_stream_and_its_revisions: "a conflict says which stream, expected and actual",
            guards::a_conflict_changes_nothing: "of a commit that conflicts nothing is kept (rule L1)",
            guards::too_large_commits_are_refused: "a commit above the limit is refused with numbers and ends its train",
            trains::a_train_is_answered_in_order: "each member of a train gets its own answer, in order",
            trains::an_empty_train_changes_nothing: "a train without commits has no answers and changes nothing",
            trains::a_train_stops_at_its_first_failure: "the rest of a train is not tried, whether it would fit or not",
            trains::members_stand_on_their_predecessors: "guards in a train are checked after its earlier members",
            trains::nothing_foreign_stands_within_a_train: "nothing of another train stands between two members",
            trains::nothing_foreign_fills_a_hole: "a foreign commit never takes the place that a failed member left",
            trains::trains_are_independent: "the failure of a train touches no other",
            repeats::a_repeat_is_answered_with_its_receipt: "the same request under the same id is made once",
            repeats::a_repeat_ends_its_train: "a repeat ends its train, and the rest is not tried",
            repeats::an_id_serves_one_request: "another request under a used id is refused (rule O6)",
            repeats::a_failure_uses_up_no_id: "a commit that was not made can be made under its id later",
            repeats::receipts_tell_what_was_made: "a receipt is told for what was made, nothing for what was not",
            reading::only_later_events_are_read: "a read gives the events after the revision that was given",
            reading::reads_are_answered_in_the_order_asked: "each stream that was asked is answered, in that order",
            reading::a_position_stands_for_its_whole_commit: "a position inside a commit stands for its last",
            reading::the_past_is_read_as_it_was: "as of every position the streams are read as they were then",
            reading::following_gives_whole_commits: "follow begins with the commit of the next position, and whole",
            reading::following_keeps_to_its_limit: "follow gives at least one commit, and no more at the limit",
            reading::following_in_steps_misses_nothing: "following step by step beside a writer gives every commit once",
            reading::reads_are_consistent_beside_writers: "streams that are read together are of one position",
            reading::readers_see_only_what_stays: "nobody reads a commit that is not in the log afterwards",
            waiting::growth_wakes_whoever_waits: "who waits for growth is woken by it",
            waiting::growth_is_told_beyond_the_position_only: "growth up to the position is not growth beyond it",
            waiting::a_dropped_commit_is_whole_or_absent: "who drops a commit's future finds all of it or nothing",
            leases::a_lease_excludes: "one lease of a stream is held at a time",
            leases::leases_of_other_streams_are_free: "the lease of one stream does not hold up another's",
            leases::leases_are_given_in_order_of_asking: "who asked first has the next turn",
            leases::a_dropped_waiter_gives_up_its_turn: "a waiter that is dropped holds up nobody",
            leases::commits_need_no_lease: "who holds no lease can commit",
            races::a_revision_has_one_winner: "of many commits on one revision exactly one is made",
            races::a_counter_is_never_overdrawn: "64 who draw from 10 get exactly 10",
            races::one_id_is_made_once: "of many at once who commit the same request one makes it, the others repeat it",
            histories::histories_match_the_model: "any history is answered as the plainest store answers it",
            lasting::reopening_keeps_everything: "a log that is closed and opened again is the same",
            lasting::a_reopened_log_goes_on: "a log that was opened again checks repeats and guards and goes on",
        }
    };
}

macro_rules! table {
    ([] $($module:ident :: $name:ident : $says:literal,)*) => {
        /// Every rule.
        pub const RULES: &[Rule] =
            &[$(Rule { name: stringify!($name), says: $says, check: $module::$name }),*];
    };
}
__event_store_rules! { [table] }

/// One `#[test]` for each rule, named as the rule; the argument makes a [`Harness`](crate::event_store::Harness).
///
/// ```
/// # use pca_store_testkit::{event_store_conformance, model::ModelStore};
/// event_store_conformance!(ModelStore::new);
/// ```
#[macro_export]
macro_rules! event_store_conformance {
    ($harness:expr) => {
        $crate::__event_store_rules! { [$crate::__event_store_tests] $harness }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __event_store_tests {
    ([$harness:expr] $($module:ident :: $name:ident : $says:literal,)*) => {
        $(
            #[doc = $says]
            #[test]
            fn $name() -> ::core::result::Result<(), $crate::Violation> {
                $crate::event_store::check(stringify!($name), &$harness)
            }
        )*
    };
}
