//! Closing and opening again.

use pca_core::log::{Position, StoreError, Timestamp};

use super::Harness;
use super::guards::conflict;
use super::subject::Subject;
use crate::draft::Draft;
use crate::violation::{Verdict, equal};

/// Writes a little of everything; the head is at position 7 then.
fn fill(log: &Subject<'_>) -> Verdict {
    log.write(Draft::single("1", "a", 0)?)?;
    let draft = Draft::new("2").guard("a", 1).guard("b", 0).decided_at(Timestamp::from_secs(77));
    log.write(draft.event(&["a", "b"], b"both").event(&["b"], b"\xff\0").build()?)?;
    let train = (0..3).map(|n| Draft::single(&format!("train {n}"), "c", n)).collect::<Verdict<_>>()?;
    log.train(train)?.into_iter().collect::<Result<Vec<_>, _>>()?;
    conflict(&log.commit(Draft::single("stale", "a", 0)?)?, "a", 0, 2)?;
    log.write(Draft::single("last", "b", 2)?).map(drop)
}

/// The log opened again, or nothing, said aloud, if this store forgets.
fn reopened(harness: &dyn Harness) -> Option<Subject<'_>> {
    let store = harness.reopen();
    if store.is_none() {
        eprintln!("SKIPPED: this harness does not open a log again");
    }
    store.map(|store| Subject::of(harness, store))
}

pub(super) fn reopening_keeps_everything(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    fill(&log)?;
    let (head, commits) = (log.head()?, log.verified()?);
    let asked = [("a", 0), ("b", 1), ("c", 2), ("never", 0)];
    let positions = [0, 2, 3, 5, u64::MAX].map(Position::new);
    let reads = positions.iter().map(|as_of| log.read(&asked, *as_of)).collect::<Verdict<Vec<_>>>()?;
    drop(log);
    let Some(log) = reopened(harness) else { return Ok(()) };
    equal("the head", &log.head()?, &head)?;
    equal("the log", &log.verified()?, &commits)?;
    for (as_of, read) in positions.into_iter().zip(reads) {
        equal(&format!("the streams as of {as_of}"), &log.read(&asked, as_of)?, &read)?;
    }
    for recorded in commits {
        let receipt = log.receipt(recorded.commit().id(), recorded.commit().request())?;
        equal("a receipt", &receipt, &Ok(Some(recorded.receipt())))?;
    }
    Ok(())
}

pub(super) fn a_reopened_log_goes_on(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    drop(log.clone());
    fill(&log)?;
    let first = log.follow(Position::ZERO, 1)?;
    drop(log);
    let Some(log) = reopened(harness) else { return Ok(()) };
    if let Some(first) = first.first() {
        let repeat = log.commit(first.commit().clone())?;
        equal("the answer to a repeat", &repeat, &Err(StoreError::Repeated(first.receipt())))?;
        let other = log.commit(Draft::new("1").requested("another").guard("a", 2).event(&["a"], b"").build()?)?;
        let reused = StoreError::IdReused { id: first.commit().id(), position: first.seal().last() };
        equal("the answer to another request under a used id", &other, &Err(reused))?;
    }
    conflict(&log.commit(Draft::single("stale", "b", 2)?)?, "b", 2, 3)?;
    // The clock went back while the log was closed.
    let receipt = log.write(Draft::single("next", "b", 3)?)?;
    equal("the position of the next commit", &receipt.first, &Position::new(8))?;
    equal("the time of the next commit", &receipt.time, &Timestamp::from_secs(77))?;
    equal("the head", &log.head()?.position, &Position::new(8))?;
    log.verified()?;
    drop(log);
    let Some(log) = reopened(harness) else { return Ok(()) };
    equal("the commits after opening it twice", &log.verified()?.len(), &7)
}
