//! Waiting for growth, and giving up waiting.

use pca_core::log::{Position, StoreError};

use super::Harness;
use super::subject::{Subject, woken};
use crate::Violation;
use crate::draft::Draft;
use crate::violation::{Verdict, ensure, equal};

pub(super) fn growth_wakes_whoever_waits(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let clone = log.store.clone();
    for revision in 0..20 {
        let at = Position::new(revision);
        let mut waiters: Vec<_> = (0..3).map(|_| woken(clone.grown(at))).collect();
        for waiter in &mut waiters {
            ensure(log.stays_pending(waiter), || format!("growth beyond {at} was told before there was any"))?;
        }
        // A waiter that gives up takes no other's turn to wake.
        drop(waiters.remove(0));
        log.write(Draft::single(&format!("{revision}"), "a", revision)?)?;
        for waiter in waiters {
            let head = log.wait("growth", waiter)??;
            equal("the head that growth tells", &head, &log.head()?)?;
        }
    }
    // Waiting in threads, without anything polled beforehand.
    let last = 60_u64;
    log.race(3, |runner| {
        let mut at = Position::new(20);
        while at < Position::new(last) {
            if runner == 0 {
                log.write(Draft::single(&format!("{at}"), "a", at.get())?)?;
                at = at.plus(1);
            } else {
                at = log.wait("growth", log.store.grown(at))??.position;
            }
        }
        Ok(())
    })?;
    log.verified().map(drop)
}

pub(super) fn growth_is_told_beyond_the_position_only(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    log.write(Draft::new("1").guard("a", 0).event(&["a"], b"").event(&["a"], b"").event(&["a"], b"").build()?)?;
    for beyond in 0..3 {
        let head = log.wait("growth that was", log.store.grown(Position::new(beyond)))??;
        equal(&format!("the head beyond {beyond}"), &head, &log.head()?)?;
    }
    let (mut three, mut five) = (woken(log.store.grown(Position::new(3))), woken(log.store.grown(Position::new(5))));
    ensure(log.stays_pending(&mut three) && log.stays_pending(&mut five), || "growth was told where none was".into())?;
    log.write(Draft::single("2", "a", 3)?)?;
    equal("the head beyond 3", &log.wait("growth beyond 3", three)??.position, &Position::new(4))?;
    ensure(log.stays_pending(&mut five), || "growth up to 4 was told as growth beyond 5".into())?;
    log.write(Draft::new("3").guard("a", 4).event(&["a"], b"").event(&["a"], b"").build()?)?;
    equal("the head beyond 5", &log.wait("growth beyond 5", five)??.position, &Position::new(6))
}

pub(super) fn a_dropped_commit_is_whole_or_absent(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    for round in 0..log.rounds() {
        let stream = format!("{round}");
        let train = (0..3)
            .map(|n| {
                let draft = Draft::new(&format!("{round} {n}")).guard(&stream, n * 2);
                draft.event(&[&stream], b"1").event(&[&stream], b"2").build()
            })
            .collect::<Verdict<Vec<_>>>()?;
        let mut abandoned = log.store.commit(train.clone());
        for _ in 0..round % 4 {
            if log.poll(&mut abandoned).is_some() {
                break;
            }
        }
        drop(abandoned);
        // The train may still be on its way, so the later members are asked about first.
        let mut later_made = false;
        for commit in train.iter().rev() {
            let made = log.receipt(commit.id(), commit.request())??.is_some();
            ensure(made || !later_made, || {
                "of a train that was dropped, a member stands without the one before".into()
            })?;
            later_made = made;
        }
        for commit in &train {
            match log.commit(commit.clone())? {
                Ok(_) | Err(StoreError::Repeated(_)) => {}
                Err(other) => {
                    return Err(Violation::new(format!("a commit that was dropped cannot be repeated: {other}")));
                }
            }
        }
        equal("the events of a stream whose commits were dropped and repeated", &log.revision(&stream)?, &6)?;
    }
    let commits = log.verified()?;
    ensure(commits.iter().all(|recorded| recorded.seal().count == 2), || "half a commit was kept".into())?;
    equal("the commits", &commits.len(), &(log.rounds() * 3))
}
