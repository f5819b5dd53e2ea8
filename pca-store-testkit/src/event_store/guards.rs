//! Guards, conflicts, limits.

use pca_core::log::{Position, Revision, StoreError};

use super::Harness;
use super::subject::{Answer, Subject};
use crate::Violation;
use crate::draft::Draft;
use crate::violation::{Verdict, ensure, equal};

/// Expects a conflict at a stream.
pub(super) fn conflict(answer: &Answer, stream: &str, expected: u64, actual: u64) -> Verdict {
    match answer {
        Err(StoreError::Conflict { stream: named, expected: read, actual: has }) => {
            equal("the stream of a conflict", &named.as_str(), &stream)?;
            equal("the expected revision of a conflict", read, &Revision::new(expected))?;
            equal("the actual revision of a conflict", has, &Revision::new(actual))
        }
        other => Err(Violation::new(format!("{other:?} instead of a conflict at {stream}"))),
    }
}

fn is_conflict(answer: &Answer) -> Verdict {
    ensure(matches!(answer, Err(StoreError::Conflict { .. })), || format!("{answer:?} instead of a conflict"))
}

pub(super) fn guards_are_checked(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    log.write(Draft::single("1", "a", 0)?)?;
    log.write(Draft::single("2", "a", 1)?)?;
    is_conflict(&log.commit(Draft::single("stale", "a", 1)?)?)?;
    log.write(Draft::single("3", "a", 2)?)?;
    equal("the revision", &log.revision("a")?, &3)
}

pub(super) fn guards_that_do_not_move_are_checked(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let fits = |name: &str, rules, own| Draft::new(name).guard("rules", rules).guard("own", own).event(&["own"], b"x");
    log.write(fits("1", 0, 0).build()?)?;
    equal("the revision of a stream that was only read", &log.revision("rules")?, &0)?;
    log.write(Draft::single("rule", "rules", 0)?)?;
    conflict(&log.commit(fits("stale", 0, 1).build()?)?, "rules", 0, 1)?;
    equal("the revision after a conflict", &log.revision("own")?, &1)?;
    log.write(fits("2", 1, 1).build()?)?;
    equal("the revision", &log.revision("own")?, &2)
}

pub(super) fn a_claim_of_a_written_stream_conflicts(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let claim =
        |name: &str, own| Draft::new(name).guard("serial/1", 0).guard("own", own).event(&["own", "serial/1"], b"");
    log.write(claim("1", 0).build()?)?;
    conflict(&log.commit(claim("2", 1).build()?)?, "serial/1", 0, 1)?;
    let read_only = Draft::new("3").guard("serial/1", 0).guard("own", 1).event(&["own"], b"");
    conflict(&log.commit(read_only.build()?)?, "serial/1", 0, 1)?;
    equal("the events of the stream", &log.revision("serial/1")?, &1)
}

pub(super) fn a_guard_ahead_of_its_stream_conflicts(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    conflict(&log.commit(Draft::single("early", "a", 3)?)?, "a", 3, 0)?;
    log.write(Draft::single("1", "a", 0)?)?;
    conflict(&log.commit(Draft::single("early too", "a", 2)?)?, "a", 2, 1)?;
    let reads = Draft::new("reads").guard("b", 1).guard("a", 1).event(&["a"], b"");
    conflict(&log.commit(reads.build()?)?, "b", 1, 0)?;
    equal("the revision", &log.revision("a")?, &1)
}

pub(super) fn conflicts_name_the_stream_and_its_revisions(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    for revision in 0..5 {
        log.write(Draft::single(&format!("m{revision}"), "m", revision)?)?;
    }
    log.write(Draft::single("z", "z", 0)?)?;
    for (name, m, moved, expected, actual) in [("1", 2, "m", 2, 5), ("2", 9, "m", 9, 5), ("3", 5, "z", 0, 1)] {
        let draft = Draft::new(name).guard("a", 0).guard("m", m).guard("z", u64::from(moved == "m"));
        conflict(&log.commit(draft.event(&["a"], b"").build()?)?, moved, expected, actual)?;
    }
    Ok(())
}

pub(super) fn a_conflict_changes_nothing(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    log.write(Draft::single("before", "b", 0)?)?;
    let head = log.head()?;
    let streams = ["a", "b", "c"];
    let draft = streams.iter().fold(Draft::new("half"), |draft, stream| draft.guard(stream, 0));
    let commit = draft.event(&["a"], b"1").event(&["b"], b"2").event(&["c"], b"3").build()?;
    let (id, request) = (commit.id(), commit.request());
    conflict(&log.commit(commit)?, "b", 0, 1)?;
    equal("the head after a conflict", &log.head()?, &head)?;
    for (stream, revision) in [("a", 0), ("b", 1), ("c", 0)] {
        equal(&format!("the revision of {stream} after a conflict"), &log.revision(stream)?, &revision)?;
    }
    equal("the commits after a conflict", &log.verified()?.len(), &1)?;
    equal("the receipt of what conflicted", &log.receipt(id, request)?, &Ok(None))
}

pub(super) fn too_large_commits_are_refused(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let limit = log.store.limits().largest_commit;
    let empty = Draft::new("size").guard("a", 0).event(&["a"], b"").build()?.body().len();
    let Some(room) = limit.checked_sub(empty) else {
        return Err(Violation::new(format!("with a limit of {limit} octets not even an empty event fits")));
    };
    let sized = |name: &str, payload: usize| Draft::new(name).guard("a", 0).event(&["a"], &vec![b'x'; payload]).build();
    let too_large = sized("too large", room + 1)?;
    let (id, request, octets) = (too_large.id(), too_large.request(), too_large.body().len());
    let answers = log.train(vec![Draft::single("before", "b", 0)?, too_large, Draft::single("after", "c", 0)?])?;
    ensure(matches!(answers.first(), Some(Ok(_))), || {
        "the member before a commit that is too large was not made".into()
    })?;
    equal("the answer", &answers.get(1), &Some(&Err(StoreError::TooLarge { octets, limit })))?;
    equal("the answer to the rest", &answers.get(2), &Some(&Err(StoreError::NotTried)))?;
    equal("the receipt of a commit that was too large", &log.receipt(id, request)?, &Ok(None))?;
    equal("the revision", &log.revision("a")?, &0)?;
    equal("the head", &log.head()?.position, &Position::new(1))?;
    // The limit itself fits, and an id is not used up.
    log.write(sized("too large", room)?)?;
    equal(
        "the octets that were kept",
        &log.stream("a")?.events.first().map(|e| e.recorded.commit().body().len()),
        &Some(limit),
    )
}
