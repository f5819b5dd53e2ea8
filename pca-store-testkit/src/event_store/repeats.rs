//! Repeats, ids and receipts (architecture, invariant 12).

use pca_core::log::{CommitId, StoreError};

use super::Harness;
use super::subject::Subject;
use super::trains::letters;
use crate::draft::{self, Draft};
use crate::violation::{Verdict, equal};

pub(super) fn a_repeat_is_answered_with_its_receipt(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let commit = Draft::single("once", "a", 0)?;
    let receipt = log.write(commit.clone())?;
    log.write(Draft::single("other", "a", 1)?)?;
    let head = log.head()?;
    equal("the answer to a repeat", &log.commit(commit.clone())?, &Err(StoreError::Repeated(receipt)))?;
    // Decided anew on a newer state, it is the same request still.
    let anew = Draft::new("once").guard("a", 2).event(&["a"], b"decided anew").build()?;
    equal("the answer to a repeat that was decided anew", &log.commit(anew)?, &Err(StoreError::Repeated(receipt)))?;
    equal("the head after repeats", &log.head()?, &head)?;
    equal(
        "the answers to a repeat within a train",
        &letters(&log.train(vec![Draft::single("twin", "b", 0)?, Draft::single("twin", "b", 0)?])?).as_str(),
        &"or",
    )?;
    equal("the revisions", &(log.revision("a")?, log.revision("b")?), &(2, 1))?;
    log.verified().map(drop)
}

pub(super) fn a_repeat_ends_its_train(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let receipt = log.write(Draft::single("once", "a", 0)?)?;
    let answers =
        log.train(vec![Draft::single("1", "b", 0)?, Draft::single("once", "a", 0)?, Draft::single("2", "c", 0)?])?;
    equal("the answers", &letters(&answers).as_str(), &"orn")?;
    equal("the repeat", &answers.get(1), &Some(&Err(StoreError::Repeated(receipt))))?;
    equal("the revisions", &(log.revision("b")?, log.revision("c")?), &(1, 0))
}

pub(super) fn an_id_serves_one_request(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let receipt = log.write(Draft::new("id").guard("a", 0).event(&["a"], b"1").event(&["a"], b"2").build()?)?;
    let other = Draft::new("id").requested("another").guard("a", 2).event(&["a"], b"3").build()?;
    let head = log.head()?;
    let answers = log.train(vec![other, Draft::single("2", "b", 0)?])?;
    let reused = StoreError::IdReused { id: receipt.commit, position: receipt.last };
    equal("the answers to another request under a used id", &answers, &vec![Err(reused), Err(StoreError::NotTried)])?;
    equal("the head", &log.head()?, &head)?;
    equal("the revisions", &(log.revision("a")?, log.revision("b")?), &(2, 0))
}

pub(super) fn a_failure_uses_up_no_id(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let answers = log.train(vec![Draft::single("conflicts", "a", 1)?, Draft::single("not tried", "b", 0)?])?;
    equal("the answers", &letters(&answers).as_str(), &"cn")?;
    log.write(Draft::single("conflicts", "a", 0)?)?;
    log.write(Draft::single("not tried", "b", 0)?)?;
    // Another request under the id of one that was never made is no reuse.
    equal("the answers", &letters(&log.train(vec![Draft::single("free", "a", 9)?])?).as_str(), &"c")?;
    log.write(Draft::new("free").requested("another").guard("a", 1).event(&["a"], b"").build()?).map(drop)
}

pub(super) fn receipts_tell_what_was_made(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let mut made = Vec::new();
    for number in 0..10 {
        let commit = Draft::single(&format!("{number}"), "a", number)?;
        made.push((commit.id(), commit.request(), log.write(commit)?));
    }
    for (id, request, receipt) in made {
        equal("the receipt", &log.receipt(id, request)?, &Ok(Some(receipt)))?;
        let reused = Err(StoreError::IdReused { id, position: receipt.last });
        equal("the receipt for another request", &log.receipt(id, draft::request("another"))?, &reused)?;
    }
    let unknown = CommitId::from_idempotency_key("never made");
    equal("the receipt of what was not made", &log.receipt(unknown, draft::request("never made"))?, &Ok(None))
}
