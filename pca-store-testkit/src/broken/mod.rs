//! Stores with one defect each, and the rules that catch them: the suite, tried itself.
//!
//! Each defect is one that somebody could make in earnest. `tests/broken_stores.rs` runs the rules against each.
//!
//! ```
//! use pca_store_testkit::broken::Defect;
//! use pca_store_testkit::event_store;
//!
//! let defect = Defect::IgnoresGuards;
//! let found = event_store::check("guards_are_checked", &move || defect.store());
//! assert!(found.is_err());
//! ```

pub(crate) mod surgery;

use crate::model::ModelStore;

macro_rules! defects {
    ($($(#[doc = $doc:literal])+ $name:ident caught by $($rule:ident)+;)*) => {
        /// What is wrong with a store.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Defect {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Defect {
            /// Every defect.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What the store does wrong.
            #[must_use]
            pub fn says(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_start(),)*
                }
            }

            /// The names of the rules that must catch it; others may, too.
            #[must_use]
            pub const fn caught_by(self) -> &'static [&'static str] {
                match self {
                    $(Self::$name => &[$(stringify!($rule)),+],)*
                }
            }
        }
    };
}

defects! {
    /// Appends whatever comes.
    IgnoresGuards caught by guards_are_checked a_revision_has_one_winner a_conflict_changes_nothing histories_match_the_model;
    /// Checks the guards, and appends when it is its turn, without checking again.
    ChecksGuardsTooEarly caught by a_counter_is_never_overdrawn a_revision_has_one_winner;
    /// Compares the revisions of the streams that it writes to only, as most event stores do.
    ChecksOnlyGuardsThatMove caught by guards_that_do_not_move_are_checked members_stand_on_their_predecessors;
    /// Reads a guard at revision 0 as "any revision".
    TakesClaimsForNoGuard caught by a_claim_of_a_written_stream_conflicts a_revision_has_one_winner;
    /// Compares with "at most".
    LetsGuardsBeAhead caught by a_guard_ahead_of_its_stream_conflicts;
    /// Mixes up the revisions of a conflict.
    SwapsTheRevisionsOfConflicts caught by conflicts_name_the_stream_and_its_revisions;
    /// Appends, for a commit that conflicts, the events whose streams did not move.
    KeepsHalfOfAConflict caught by a_conflict_changes_nothing;
    /// Takes commits of any size.
    IgnoresItsLimit caught by too_large_commits_are_refused;
    /// Tries every member of a train, whatever became of those before.
    GoesOnAfterAFailure caught by a_train_stops_at_its_first_failure too_large_commits_are_refused;
    /// Takes a repeat for a success and goes on with the train.
    GoesOnAfterARepeat caught by a_repeat_ends_its_train;
    /// Lets other trains in between two members.
    LetsTrainsInterleave caught by nothing_foreign_stands_within_a_train;
    /// Tries what builds on a failed member again, after others had their turn.
    LetsForeignCommitsFillHoles caught by nothing_foreign_fills_a_hole;
    /// Puts trains into one batch that fails as a whole.
    FailsNeighboursOfAFailure caught by trains_are_independent;
    /// Answers a train from its end.
    AnswersInReverse caught by a_train_is_answered_in_order a_train_stops_at_its_first_failure;
    /// Makes a repeated commit a second time, if its guards hold.
    MakesRepeatsAgain caught by a_repeat_is_answered_with_its_receipt a_repeat_ends_its_train one_id_is_made_once;
    /// Takes every request under a known id for a repeat.
    IgnoresTheRequest caught by an_id_serves_one_request receipts_tell_what_was_made;
    /// Uses an id up though its commit conflicted.
    RemembersFailures caught by a_failure_uses_up_no_id;
    /// Draws positions before it checks, as a database's sequence does.
    LeavesGapsAfterFailures caught by positions_have_no_gaps a_conflict_changes_nothing;
    /// Takes a position for every train, whether it has commits or not.
    TakesAPositionForEveryTrain caught by an_empty_train_changes_nothing positions_have_no_gaps;
    /// Numbers the first event 2.
    BeginsAtPositionTwo caught by a_log_begins_empty positions_have_no_gaps;
    /// Gives the events of a commit one revision.
    CountsCommitsAsRevisions caught by revisions_have_no_gaps;
    /// Keeps the first hundred characters of a stream's name.
    CutsLongNames caught by many_and_long_names_are_kept;
    /// Gives a commit one position, however many events it has.
    CountsCommitsAsPositions caught by positions_have_no_gaps a_position_stands_for_its_whole_commit;
    /// Dates a commit with the time of its decision.
    LetsTimeRunBackwards caught by time_never_runs_backwards;
    /// Seals every commit as if it were the first.
    UnlinksTheChain caught by digests_are_chained_by_the_core;
    /// Keeps payloads as text.
    ReencodesPayloads caught by bodies_are_kept_octet_for_octet;
    /// Files an event under the first of its streams.
    LosesTheSecondStream caught by events_stand_in_every_stream;
    /// Reads several streams one after the other.
    ReadsStreamsOneByOne caught by reads_are_consistent_beside_writers;
    /// Answers a read in the order of names, each once.
    SortsWhatWasAsked caught by reads_are_answered_in_the_order_asked;
    /// Reads the newest state, whatever was asked.
    IgnoresAsOf caught by a_position_stands_for_its_whole_commit the_past_is_read_as_it_was;
    /// Leaves a commit out that a position lies inside of.
    TakesAPositionInsideForTheCommitBefore caught by a_position_stands_for_its_whole_commit;
    /// Reads the event of the revision that the reader has already.
    ReadsFromTheRevisionGiven caught by only_later_events_are_read;
    /// Leaves the first event out that a reader has not seen.
    ReadsOneTooFew caught by only_later_events_are_read histories_match_the_model;
    /// Shows a commit to readers, then checks it.
    ShowsCommitsBeforeTheyAreChecked caught by readers_see_only_what_stays;
    /// Cuts the last commit to the limit when it is followed.
    SplitsCommitsWhenFollowed caught by following_gives_whole_commits following_keeps_to_its_limit;
    /// Goes on after the commit that a position lies inside of.
    SkipsTheCommitOfAPositionInside caught by following_gives_whole_commits;
    /// Gives the whole rest of the log.
    FollowsBeyondItsLimit caught by following_keeps_to_its_limit;
    /// Gives nothing if the next commit is larger than the limit, forever.
    FollowsNothingLargerThanItsLimit caught by following_keeps_to_its_limit following_in_steps_misses_nothing;
    /// Tells the head as it was before the newest commit.
    TellsTheHeadBefore caught by head_is_the_newest_commit;
    /// Never wakes a waiter.
    WakesNobody caught by growth_wakes_whoever_waits;
    /// Tells every growth to every waiter.
    TellsAnyGrowth caught by growth_is_told_beyond_the_position_only;
    /// Leaves half of a commit behind whose future was dropped.
    LeavesHalfOfADroppedCommit caught by a_dropped_commit_is_whole_or_absent;
    /// Gives a lease to whoever asks.
    LeasesToEverybody caught by a_lease_excludes;
    /// Gives one lease for all streams.
    LeasesAllStreamsAsOne caught by leases_of_other_streams_are_free;
    /// Gives the next turn to the last who asked.
    LeasesToTheLastWhoAsked caught by leases_are_given_in_order_of_asking;
    /// Keeps the place of a waiter that was dropped.
    LeasesToWaitersThatAreGone caught by a_dropped_waiter_gives_up_its_turn;
    /// Takes commits only while nobody holds a lease.
    RefusesCommitsBesideALease caught by commits_need_no_lease;
    /// Acknowledges the newest commit, and has lost it when it is opened again.
    LosesTheNewestOnReopen caught by reopening_keeps_everything a_reopened_log_goes_on;
    /// Does not know the ids of commits made before it was opened.
    ForgetsIdsOnReopen caught by a_reopened_log_goes_on;
    /// Dates the first commit after opening with the time of its decision.
    ForgetsTheTimeOnReopen caught by a_reopened_log_goes_on;
}

impl Defect {
    /// An empty store with this defect.
    #[must_use]
    pub fn store(self) -> ModelStore {
        ModelStore::broken(self)
    }
}
