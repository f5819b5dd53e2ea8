//! Many at once.

use pca_core::log::{Revision, StoreError, StreamId};

use super::Harness;
use super::subject::Subject;
use super::trains::letters;
use crate::Violation;
use crate::draft::Draft;
use crate::violation::{Verdict, equal};

pub(super) fn a_revision_has_one_winner(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    for round in 0..log.rounds() {
        let stream = format!("{round}");
        let answers = log.race(8, |runner| log.commit(Draft::single(&format!("{round} {runner}"), &stream, 0)?))?;
        let made = answers.iter().filter(|answer| answer.is_ok()).count();
        equal("the commits that were made on one revision", &made, &1)?;
        let lost = StoreError::Conflict {
            stream: StreamId::parse(&stream)?,
            expected: Revision::ZERO,
            actual: Revision::new(1),
        };
        for answer in answers.into_iter().filter(Result::is_err) {
            equal("the answer to who came later", &answer, &Err(lost.clone()))?;
        }
    }
    log.verified().map(drop)
}

pub(super) fn a_counter_is_never_overdrawn(harness: &dyn Harness) -> Verdict {
    const UNITS: u64 = 10;
    let rounds = Subject::new(harness).rounds().div_ceil(15);
    for _ in 0..rounds {
        let log = Subject::new(harness);
        let drawn = log.race(64, |runner| {
            for attempt in 0..u64::MAX {
                let revision = log.revision("counter")?;
                if revision >= UNITS {
                    return Ok(false);
                }
                match log.commit(Draft::single(&format!("{runner} {attempt}"), "counter", revision)?)? {
                    Ok(_) => return Ok(true),
                    Err(StoreError::Conflict { .. }) => {}
                    Err(other) => return Err(Violation::new(format!("{other} instead of success or a conflict"))),
                }
            }
            Ok(false)
        })?;
        let drawn = u64::try_from(drawn.into_iter().filter(|drawn| *drawn).count()).unwrap_or(u64::MAX);
        equal("the units that were drawn", &drawn, &UNITS)?;
        equal("the events of the counter", &log.revision("counter")?, &UNITS)?;
        log.verified()?;
    }
    Ok(())
}

pub(super) fn one_id_is_made_once(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    for round in 0..log.rounds() {
        let commit = Draft::single(&format!("{round}"), &format!("{round}"), 0)?;
        let answers = log.race(6, |_| log.commit(commit.clone()))?;
        let Some(Ok(receipt)) = answers.iter().find(|answer| answer.is_ok()) else {
            return Err(Violation::new(format!("nobody made the commit: {}", letters(&answers))));
        };
        let repeated = answers.iter().filter(|answer| **answer == Err(StoreError::Repeated(*receipt))).count();
        equal("those who were told of the one who made it", &repeated, &5)?;
    }
    equal("the commits", &log.verified()?.len(), &log.rounds())
}
