//! Reading streams and following the log.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::collections::BTreeMap;
use std::sync::Arc;

use pca_core::log::{Position, Recorded, StreamId};

use super::Harness;
use super::subject::{Subject, payloads};
use crate::Violation;
use crate::draft::Draft;
use crate::violation::{Verdict, ensure, equal};

/// Commits of 1 to 4 events over the streams a, b and c; the log ends at position 20.
fn filled(log: &Subject<'_>) -> Verdict {
    let mut revisions: BTreeMap<&str, u64> = [("a", 0), ("b", 0), ("c", 0)].into();
    for number in 0..8 {
        let draft = revisions.iter().fold(Draft::new(&format!("{number}")), |draft, (s, r)| draft.guard(s, *r));
        let mut shapes: [&[&'static str]; 4] = [&["a"], &["a", "b"], &["c"], &["b"]];
        shapes.rotate_left(number % 4);
        let events = shapes.iter().take(1 + number % 4);
        let commit = events.fold(draft, |draft, streams| {
            streams.iter().for_each(|stream| *revisions.entry(stream).or_default() += 1);
            draft.event(streams, format!("{number}").as_bytes())
        });
        log.write(commit.build()?)?;
    }
    equal("the head", &log.head()?.position, &Position::new(20))
}

pub(super) fn only_later_events_are_read(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let train = (0..6).map(|revision| Draft::single(&format!("{revision}"), "a", revision)).collect::<Verdict<_>>()?;
    log.train(train)?.into_iter().collect::<Result<Vec<_>, _>>()?;
    for after in 0..9 {
        let read = log.read(&[("a", after)], Position::MAX)?;
        let Some(slice) = read.streams.first() else { continue };
        equal("the revision, whatever was asked", &slice.revision.get(), &6)?;
        let expected: Vec<Vec<u8>> = (after..6).map(|number| format!("{number}").into_bytes()).collect();
        equal(&format!("the events after revision {after}"), &payloads(slice), &expected)?;
    }
    Ok(())
}

pub(super) fn reads_are_answered_in_the_order_asked(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    filled(&log)?;
    // `read` of the subject checks names and their order.
    let read = log.read(&[("c", 0), ("unknown", 3), ("a", 2), ("c", 1)], Position::MAX)?;
    let found: Vec<_> = read.streams.iter().map(|slice| (slice.revision.get(), slice.events.len())).collect();
    let (a, c) = (log.stream("a")?.events.len(), log.stream("c")?.events.len());
    let revision = |count: usize| u64::try_from(count).unwrap_or(0);
    equal("revisions and counts", &found, &vec![(revision(c), c), (0, 0), (revision(a), a - 2), (revision(c), c - 1)])?;
    equal("the position of the newest read", &read.at, &log.head()?.position)?;
    equal("a read of no streams", &log.read(&[], Position::MAX)?.streams.len(), &0)
}

pub(super) fn a_position_stands_for_its_whole_commit(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    log.write(Draft::single("1", "a", 0)?)?;
    let draft = Draft::new("2").guard("a", 1).guard("b", 0);
    log.write(draft.event(&["a"], b"2").event(&["b"], b"3").event(&["a"], b"4").build()?)?;
    log.write(Draft::single("5", "b", 1)?)?;
    for (as_of, at, a, b) in
        [(0, 0, 0, 0), (1, 1, 1, 0), (2, 4, 3, 1), (3, 4, 3, 1), (4, 4, 3, 1), (5, 5, 3, 2), (9, 5, 3, 2)]
    {
        let read = log.read(&[("a", 0), ("b", 0)], Position::new(as_of))?;
        equal(&format!("the position read as of {as_of}"), &read.at.get(), &at)?;
        let revisions: Vec<_> = read.streams.iter().map(|slice| slice.revision.get()).collect();
        equal(&format!("the revisions as of {as_of}"), &revisions, &vec![a, b])?;
    }
    Ok(())
}

pub(super) fn the_past_is_read_as_it_was(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    filled(&log)?;
    let commits = log.verified()?;
    for as_of in 0..=22 {
        for after in 0..4 {
            let read = log.read(&[("a", after), ("b", after), ("c", after)], Position::new(as_of))?;
            for slice in &read.streams {
                let then = events_until(&commits, &slice.stream, Position::new(as_of));
                let what = format!("{} after {after} as of {as_of}", slice.stream);
                equal(
                    &format!("the revision of {what}"),
                    &slice.revision.get(),
                    &u64::try_from(then.len()).unwrap_or(0),
                )?;
                let skipped = usize::try_from(after).unwrap_or(0);
                let expected: Vec<_> = then.into_iter().skip(skipped).collect();
                let found: Vec<_> = slice.events.iter().map(|e| (e.recorded.seal().first, e.index)).collect();
                equal(&what, &found, &expected)?;
            }
        }
    }
    Ok(())
}

/// What the log says of a stream: the first position of the commit and the place in it, for each event.
fn events_until(commits: &[Arc<Recorded>], stream: &StreamId, as_of: Position) -> Vec<(Position, usize)> {
    let seen = commits.iter().take_while(|recorded| recorded.seal().first <= as_of);
    seen.flat_map(|recorded| {
        let moves = recorded.commit().moves().filter(|moved| moved.stream == stream);
        moves.map(|moved| (recorded.seal().first, moved.event)).collect::<Vec<_>>()
    })
    .collect()
}

pub(super) fn following_gives_whole_commits(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    filled(&log)?;
    let commits = log.verified()?;
    for after in 0..=21 {
        let next = Position::new(after).plus(1);
        let expected = commits.iter().find(|recorded| recorded.seal().last() >= next);
        for limit in [0, 1, 2, 3] {
            let found = log.follow(Position::new(after), limit)?;
            equal(&format!("the first commit after {after}"), &found.first(), &expected)?;
        }
        let all = log.follow(Position::new(after), usize::MAX)?;
        let expected: Vec<_> = commits.iter().filter(|recorded| recorded.seal().last() >= next).cloned().collect();
        equal(&format!("all commits after {after}"), &all, &expected)?;
    }
    equal("commits after the end of positions", &log.follow(Position::MAX, 1)?.len(), &0)
}

pub(super) fn following_keeps_to_its_limit(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    filled(&log)?;
    let commits = log.verified()?;
    for after in [0, 1, 5, 19, 20] {
        for limit in 0..25 {
            let mut events = 0;
            let later = commits.iter().filter(|recorded| recorded.seal().last() > Position::new(after));
            let expected: Vec<_> = later
                .take_while(|recorded| {
                    let fits = events == 0 || events < limit;
                    events += recorded.commit().events().len();
                    fits
                })
                .cloned()
                .collect();
            equal(
                &format!("commits after {after} up to {limit} events"),
                &log.follow(Position::new(after), limit)?,
                &expected,
            )?;
        }
    }
    Ok(())
}

pub(super) fn following_in_steps_misses_nothing(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let last = 120_u64;
    let followed = log.race(3, |runner| {
        if runner == 0 {
            for revision in 0..last {
                let draft = Draft::new(&format!("{revision}")).guard("a", revision * 2);
                log.write(draft.event(&["a"], b"1").event(&["a"], b"2").build()?)?;
            }
            return Ok(Vec::new());
        }
        let mut followed: Vec<Arc<Recorded>> = Vec::new();
        let mut at = Position::ZERO;
        while at < Position::new(last * 2) {
            log.wait("growth", log.store.grown(at))??;
            let step = log.follow(at, runner)?;
            let Some(newest) = step.last() else {
                return Err(Violation::new(format!("the log grew beyond {at}, but nothing follows")));
            };
            at = newest.seal().last();
            followed.extend(step);
        }
        Ok(followed)
    })?;
    let commits = log.verified()?;
    for followed in followed.iter().skip(1) {
        ensure(*followed == commits, || format!("followed {} commits of {}", followed.len(), commits.len()))?;
    }
    Ok(())
}

pub(super) fn reads_are_consistent_beside_writers(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let course = Course::default();
    let reads = log.race(4, |runner| {
        if runner == 0 {
            return course.write(|n| {
                // Both streams move in every commit, so that they are always at the same revision.
                let draft = Draft::new(&format!("{n}")).guard("a", n).guard("b", n);
                log.write(draft.event(&["b"], b"").event(&["a"], b"").build()?).map(drop)
            });
        }
        course.read(|| {
            let as_of = if runner == 1 { Position::MAX } else { log.head()?.position };
            let read = log.read(&[("a", 0), ("b", 0)], as_of)?;
            if as_of != Position::MAX {
                equal("the position read as of the head, which was the end of a commit", &read.at, &as_of)?;
            }
            let revisions: Vec<_> = read.streams.iter().map(|slice| slice.revision.get()).collect();
            Ok(vec![(read.at, revisions)])
        })
    })?;
    for (at, revisions) in reads.into_iter().flatten() {
        let expected = at.get() / 2;
        equal(&format!("the revisions of two streams read as of {at}"), &revisions, &vec![expected, expected])?;
    }
    Ok(())
}

/// Keeps a writer writing until the readers beside it have read often enough, and the readers reading until it is done.
#[derive(Default)]
struct Course {
    reads: AtomicUsize,
    done: AtomicBool,
}

impl Course {
    const WRITES: u64 = 60;
    const MOST_WRITES: u64 = 2_000;
    const READS: usize = 150;

    fn write<T>(&self, mut write: impl FnMut(u64) -> Verdict) -> Verdict<Vec<T>> {
        let mut number = 0;
        let mut written = Ok(());
        let unread = || self.reads.load(Ordering::SeqCst) < Self::READS;
        while written.is_ok() && (number < Self::WRITES || (unread() && number < Self::MOST_WRITES)) {
            written = write(number);
            number += 1;
        }
        self.done.store(true, Ordering::SeqCst);
        written.map(|()| Vec::new())
    }

    fn read<T>(&self, mut read: impl FnMut() -> Verdict<Vec<T>>) -> Verdict<Vec<T>> {
        let mut found = Vec::new();
        while !self.done.load(Ordering::SeqCst) {
            found.extend(read()?);
            self.reads.fetch_add(1, Ordering::SeqCst);
        }
        Ok(found)
    }
}

pub(super) fn readers_see_only_what_stays(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    log.write(Draft::single("moved", "moved", 0)?)?;
    let course = Course::default();
    let seen = log.race(4, |runner| {
        if runner < 2 {
            return course.write(|n| {
                let own = format!("own/{runner}");
                let fails = Draft::new(&format!("{runner} fails {n}")).guard(&own, n).guard("moved", 0);
                let answers = log.train(vec![fails.event(&[&own], b"never").build()?])?;
                ensure(answers.iter().all(Result::is_err), || "a stale commit was made".into())?;
                log.write(Draft::single(&format!("{runner} {n}"), &own, n)?).map(drop)
            });
        }
        course.read(|| {
            let head = log.head()?;
            let newest = log.follow(Position::new(head.position.get().saturating_sub(1)), usize::MAX)?;
            let read = log.read(&[("own/0", 0), ("own/1", 0)], Position::MAX)?;
            let events = read.streams.iter().filter_map(|slice| slice.events.last()).map(|event| &event.recorded);
            let seals = newest.iter().chain(events).map(|recorded| recorded.seal().head());
            Ok(seals.chain([head]).map(|head| (head.position, head.digest)).collect())
        })
    })?;
    let stayed: BTreeMap<_, _> =
        log.verified()?.iter().map(|recorded| (recorded.seal().last(), recorded.seal().digest)).collect();
    for (position, digest) in seen.into_iter().flatten() {
        equal(&format!("what was seen at position {position}"), &Some(&digest), &stayed.get(&position))?;
    }
    Ok(())
}
