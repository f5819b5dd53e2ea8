//! Trains: order, stops, independence.

use pca_core::log::{Position, StoreError};

use super::Harness;
use super::guards::conflict;
use super::subject::{Answer, Subject};
use crate::draft::Draft;
use crate::violation::{Verdict, ensure, equal};

/// Expects success, a given failure, or that nothing was tried, by one letter each: `o` made, `c` conflict,
/// `r` repeated, `i` id reused, `n` not tried, `?` anything else.
pub(super) fn letters(answers: &[Answer]) -> String {
    answers
        .iter()
        .map(|answer| match answer {
            Ok(_) => 'o',
            Err(StoreError::Conflict { .. }) => 'c',
            Err(StoreError::Repeated(_)) => 'r',
            Err(StoreError::IdReused { .. }) => 'i',
            Err(StoreError::NotTried) => 'n',
            Err(_) => '?',
        })
        .collect()
}

fn answered(what: &str, answers: &[Answer], expected: &str) -> Verdict {
    equal(&format!("the answers to {what}"), &letters(answers).as_str(), &expected)
}

pub(super) fn a_train_is_answered_in_order(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let train: Vec<_> =
        (0..20).map(|n| Draft::single(&format!("{n}"), &format!("s/{n}"), 0)).collect::<Verdict<_>>()?;
    let answers = log.train(train.clone())?;
    for ((answer, commit), position) in answers.into_iter().zip(&train).zip(1..) {
        let receipt = answer?;
        equal("the id in the answer", &receipt.commit, &commit.id())?;
        equal("the position", &(receipt.first, receipt.last), &(Position::new(position), Position::new(position)))?;
    }
    let order: Vec<_> = log.verified()?.iter().map(|recorded| recorded.commit().id()).collect();
    equal("the order in the log", &order, &train.iter().map(pca_core::log::Commit::id).collect())
}

pub(super) fn an_empty_train_changes_nothing(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    log.write(Draft::single("1", "a", 0)?)?;
    let head = log.head()?;
    equal("the answers to an empty train", &log.train(Vec::new())?.len(), &0)?;
    equal("the head", &log.head()?, &head)
}

pub(super) fn a_train_stops_at_its_first_failure(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    log.write(Draft::single("before", "x", 0)?)?;
    let train = vec![
        Draft::single("1", "a", 0)?,
        Draft::single("2", "x", 0)?,
        Draft::single("3", "b", 0)?,
        Draft::single("4", "a", 1)?,
        Draft::single("5", "x", 0)?,
    ];
    let rest: Vec<_> = train.iter().skip(1).map(|commit| (commit.id(), commit.request())).collect();
    let answers = log.train(train)?;
    answered("a train with a conflict", &answers, "ocnnn")?;
    if let Some(answer) = answers.get(1) {
        conflict(answer, "x", 0, 1)?;
    }
    for (stream, revision) in [("a", 1), ("b", 0), ("x", 1)] {
        equal(&format!("the revision of {stream}"), &log.revision(stream)?, &revision)?;
    }
    for (id, request) in rest {
        equal("the receipt of what was not made", &log.receipt(id, request)?, &Ok(None))?;
    }
    equal("the commits", &log.verified()?.len(), &2)?;
    let answers = log.train(vec![Draft::single("6", "x", 5)?, Draft::single("7", "c", 0)?])?;
    answered("a train whose first fails", &answers, "cn")
}

pub(super) fn members_stand_on_their_predecessors(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let train = (0..10).map(|revision| Draft::single(&format!("{revision}"), "a", revision)).collect::<Verdict<_>>()?;
    answered("a train on one stream", &log.train(train)?, "oooooooooo")?;
    // Each was decided on the same state, so only the first of them holds.
    let same = vec![Draft::single("x", "a", 10)?, Draft::single("y", "a", 10)?];
    let answers = log.train(same)?;
    answered("a train that was decided twice on one state", &answers, "oc")?;
    if let Some(answer) = answers.get(1) {
        conflict(answer, "a", 10, 11)?;
    }
    // Guards that do not move, too.
    let rule = Draft::single("rule", "rules", 0)?;
    let stale = Draft::new("stale").guard("rules", 0).guard("b", 0).event(&["b"], b"").build()?;
    answered("a train whose second read what its first changes", &log.train(vec![rule, stale])?, "oc")?;
    equal("the revision of b", &log.revision("b")?, &0)?;
    log.verified().map(drop)
}

pub(super) fn nothing_foreign_stands_within_a_train(harness: &dyn Harness) -> Verdict {
    let rounds = Subject::new(harness).rounds();
    for round in 0..rounds.div_ceil(4) {
        let log = Subject::new(harness);
        // Runners 0 to 2 send trains on streams of their own; runner 3 a commit that fits only inside of another's.
        let trains = log.race(4, |runner| {
            if runner == 3 {
                (0..=round % 7).for_each(|_| std::thread::yield_now());
                let foreign = Draft::single(&format!("foreign {round}"), "s/0", 2)?;
                return log.train(vec![foreign]);
            }
            let stream = format!("s/{runner}");
            let train =
                (0..5).map(|n| Draft::single(&format!("{round} {runner} {n}"), &stream, n)).collect::<Verdict<_>>()?;
            log.train(train)
        })?;
        for (runner, answers) in trains.iter().enumerate() {
            let expected = if runner == 3 { "c" } else { "ooooo" };
            answered("trains in a race", answers, expected)?;
            let positions: Vec<_> = answers.iter().flatten().map(|receipt| (receipt.first, receipt.last)).collect();
            for pair in positions.windows(2) {
                let [(_, last), (first, _)] = pair else { continue };
                ensure(*first == last.plus(1), || {
                    format!("a member ends at position {last} and the next begins at {first}: something stands between")
                })?;
            }
        }
        log.verified()?;
    }
    Ok(())
}

pub(super) fn nothing_foreign_fills_a_hole(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    log.write(Draft::single("moved", "moved", 0)?)?;
    for round in 0..log.rounds() {
        let stream = format!("hot/{round}");
        let answers = log.race(2, |runner| {
            if runner == 1 {
                (0..=round % 7).for_each(|_| std::thread::yield_now());
                return log.train(vec![Draft::single(&format!("foreign {round}"), &stream, 0)?]);
            }
            // The first fails. The second was decided on a state that the first would have made, and that the foreign
            // commit makes by revision alone.
            let first =
                Draft::new(&format!("first {round}")).guard("moved", 0).guard(&stream, 0).event(&[&stream], b"");
            let second = Draft::single(&format!("second {round}"), &stream, 1)?;
            log.train(vec![first.build()?, second])
        })?;
        for (answers, expected) in answers.iter().zip(["cn", "o"]) {
            answered("a train with a hole, and a foreign commit", answers, expected)?;
        }
        equal("the events in the stream", &log.revision(&stream)?, &1)?;
    }
    log.verified().map(drop)
}

pub(super) fn trains_are_independent(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    log.write(Draft::single("moved", "moved", 0)?)?;
    let members = 4;
    for round in 0..log.rounds() {
        let answers = log.race(4, |runner| {
            let stream = format!("{round}/{runner}");
            let mut train = (0..members)
                .map(|n| Draft::single(&format!("{round} {runner} {n}"), &stream, n))
                .collect::<Verdict<Vec<_>>>()?;
            if runner % 2 == 0 {
                train.insert(1, Draft::single(&format!("{round} {runner} fails"), "moved", 0)?);
            }
            log.train(train)
        })?;
        for (runner, answers) in answers.iter().enumerate() {
            answered("trains of which some fail", answers, if runner % 2 == 0 { "ocnnn" } else { "oooo" })?;
        }
    }
    log.verified().map(drop)
}
