//! Positions, revisions, digests, times, octets.

use pca_core::log::{Head, Metadata, Position, Receipt, StreamId, Timestamp};

use super::Harness;
use super::subject::{Subject, payloads};
use crate::draft::Draft;
use crate::violation::{Verdict, ensure, equal};

pub(super) fn a_log_begins_empty(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    equal("the head", &log.head()?, &Head::GENESIS)?;
    equal("the commits", &log.follow(Position::ZERO, 10)?.len(), &0)?;
    for as_of in [Position::ZERO, Position::new(1), Position::MAX] {
        let read = log.read(&[("a", 0), ("b", 7)], as_of)?;
        equal("the position read", &read.at, &Position::ZERO)?;
        for slice in read.streams {
            equal("the revision of an unwritten stream", &slice.revision.get(), &0)?;
            equal("its events", &slice.events.len(), &0)?;
        }
    }
    Ok(())
}

pub(super) fn positions_have_no_gaps(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let mut next = 1_u64;
    let mut revision = 0_u64;
    for (number, count) in [1_u64, 3, 2, 1, 40].into_iter().enumerate() {
        let mut draft = Draft::new(&format!("commit {number}")).guard("a", revision);
        for _ in 0..count {
            draft = draft.event(&["a"], b"x");
        }
        let receipt = log.write(draft.build()?)?;
        let expected = (Position::new(next), Position::new(next + count - 1));
        equal("first and last position of a commit", &(receipt.first, receipt.last), &expected)?;
        next += count;
        revision += count;
        // A failure between two commits takes no position.
        let stale = log.commit(Draft::single(&format!("stale {number}"), "a", 0)?)?;
        ensure(stale.is_err(), || "a stale commit was made".into())?;
    }
    let log = log.verified()?;
    let covered: u64 = log.iter().map(|recorded| u64::from(recorded.seal().count)).sum();
    equal("events in the log", &covered, &(next - 1))
}

pub(super) fn head_is_the_newest_commit(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    for number in 0..4 {
        let commit = Draft::new(&format!("{number}")).guard("a", number * 2).event(&["a"], b"1").event(&["a"], b"2");
        let receipt = log.write(commit.build()?)?;
        let Receipt { last, digest, time, .. } = receipt;
        equal("the head", &log.head()?, &Head { position: last, digest, time })?;
    }
    Ok(())
}

pub(super) fn revisions_have_no_gaps(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    log.write(Draft::new("1").guard("a", 0).event(&["a"], b"a1").build()?)?;
    log.write(Draft::new("2").guard("b", 0).event(&["b"], b"b1").build()?)?;
    let both = Draft::new("3").guard("a", 1).guard("b", 1);
    log.write(both.event(&["a"], b"a2").event(&["b"], b"b2").event(&["a"], b"a3").build()?)?;
    log.write(Draft::new("4").guard("b", 2).event(&["b"], b"b3").build()?)?;
    for (stream, expected) in [("a", ["a1", "a2", "a3"]), ("b", ["b1", "b2", "b3"])] {
        let slice = log.stream(stream)?;
        equal("the revision", &slice.revision.get(), &3)?;
        equal("the revisions of the events", &slice.events.iter().map(|e| e.revision.get()).collect(), &vec![1, 2, 3])?;
        equal("the events", &payloads(&slice), &expected.map(|text| text.as_bytes().to_vec()).to_vec())?;
    }
    Ok(())
}

pub(super) fn events_stand_in_every_stream(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let streams = ["a", "b", "c"];
    let draft = streams.iter().fold(Draft::new("all"), |draft, stream| draft.guard(stream, 0));
    // One stream is named twice, which counts once.
    let receipt = log.write(draft.event(&["c", "a", "b", "a"], b"shared").event(&["b"], b"own").build()?)?;
    equal("the last position", &receipt.last, &Position::new(2))?;
    for (stream, expected) in [("a", vec!["shared"]), ("b", vec!["shared", "own"]), ("c", vec!["shared"])] {
        let slice = log.stream(stream)?;
        let expected: Vec<Vec<u8>> = expected.iter().map(|text| text.as_bytes().to_vec()).collect();
        equal(&format!("the events of {stream}"), &payloads(&slice), &expected)?;
        equal(
            &format!("the revision of {stream}"),
            &slice.revision.get(),
            &u64::try_from(expected.len()).unwrap_or(0),
        )?;
    }
    // The revision counts for guards, too.
    log.write(Draft::new("next").guard("a", 1).guard("b", 2).guard("c", 1).event(&["c", "b"], b"x").build()?)?;
    equal("the events in the log", &log.head()?.position, &Position::new(3))?;
    log.verified().map(drop)
}

pub(super) fn digests_are_chained_by_the_core(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let mut head = Head::GENESIS;
    for number in 0..5 {
        let time = Timestamp::from_secs(1_000 + 7 * i64::try_from(number).unwrap_or(0));
        let draft = Draft::new(&format!("{number}")).guard("a", number).guard("b", 0).decided_at(time);
        let commit = draft.event(&["a"], &[7; 100]).build()?;
        let seal = head.seal(&commit);
        let receipt = log.write(commit)?;
        equal("the digest of a receipt", &receipt.digest, &seal.digest)?;
        equal("the time of a receipt", &receipt.time, &seal.time)?;
        head = seal.head();
        equal("the head", &log.head()?, &head)?;
        let newest = log.follow(Position::new(number), 1)?;
        equal("the seal", &newest.first().map(|recorded| *recorded.seal()), &Some(seal))?;
    }
    log.verified().map(drop)
}

pub(super) fn time_never_runs_backwards(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let mut newest = Timestamp::EPOCH;
    for (number, secs) in [(0, 100), (1, 50), (2, 100), (3, -5), (4, 200), (5, 199)] {
        let decided = Timestamp::from_secs(secs);
        newest = newest.max(decided);
        let commit = Draft::new(&format!("{number}")).guard("a", number).decided_at(decided).event(&["a"], b"x");
        equal("the commit's time", &log.write(commit.build()?)?.time, &newest)?;
        equal("the head's time", &log.head()?.time, &newest)?;
    }
    let recorded = log.verified()?;
    let second = recorded.get(1).map(|recorded| recorded.commit().metadata().decided_at);
    equal("the time that was decided at, as kept", &second, &Some(Timestamp::from_secs(50)))
}

pub(super) fn bodies_are_kept_octet_for_octet(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let metadata = Metadata {
        command: "Überweise".into(),
        actor: "user:ada".into(),
        claimed_actor: Some("group:ops".into()),
        reason: Some("because\n\u{0} of \"quotes\"".into()),
        correlation: Some(String::new()),
        decided_at: Timestamp::from_micros(1_234_567_890_123_456),
        wall_clock: Some(Timestamp::from_micros(-1)),
    };
    let every: Vec<u8> = (0..=u8::MAX).collect();
    // MessagePack as no encoder writes it, text that is not UTF-8, zeros at the end, nothing at all.
    let payloads: [&[u8]; 7] = [
        b"\xdf\x00\x00\x00\x01\xa1a\xcf\x00\x00\x00\x00\x00\x00\x00\x01",
        b"\xff\xfe",
        b"x\0\0",
        b"",
        &every,
        b" {\"b\":1, \"a\":1.0} ",
        b"\r\n",
    ];
    let mut draft = Draft::new("octets").metadata(metadata.clone()).guard("a", 0);
    for (number, payload) in payloads.iter().enumerate() {
        draft = draft.event_of("Octets", u16::try_from(number).unwrap_or(0) * 9_000, &["a"], payload);
    }
    let commit = draft.build()?;
    log.write(commit.clone())?;
    let kept = log.follow(Position::ZERO, 1)?;
    let kept = kept.first().map(|recorded| recorded.commit());
    equal("the body", &kept.map(|kept| kept.body().to_vec()), &Some(commit.body().to_vec()))?;
    equal("the metadata", &kept.map(pca_core::log::Commit::metadata), &Some(&metadata))?;
    equal("the digest of the body", &kept.map(pca_core::log::Commit::body_digest), &Some(commit.body_digest()))?;
    let read = log.stream("a")?;
    equal("the number of events", &read.events.len(), &payloads.len())?;
    for (event, payload) in read.events.iter().zip(payloads) {
        let view = event.recorded.commit().event(event.index);
        equal("a payload", &view.map(|view| view.payload()), &Some(payload))?;
        equal("a kind", &view.map(|view| view.kind()), &Some("Octets"))?;
        let schema = u16::try_from(event.index).unwrap_or(0) * 9_000;
        equal("a schema number", &view.map(|view| view.schema()), &Some(schema))?;
    }
    Ok(())
}

pub(super) fn many_and_long_names_are_kept(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let longest = ["x", "y"].map(|end| "x".repeat(StreamId::MAX_LEN - 1) + end);
    let names: Vec<String> = (0..300).map(|number| format!("many/{number:03}")).chain(longest.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let draft = names.iter().fold(Draft::new("many"), |draft, name| draft.guard(name, 0));
    log.write(draft.event(&names, b"for all").build()?)?;
    let asked: Vec<(&str, u64)> = names.iter().map(|name| (*name, 0)).collect();
    for slice in log.read(&asked, Position::MAX)?.streams {
        equal(&format!("the events of {}", slice.stream), &payloads(&slice), &vec![b"for all".to_vec()])?;
    }
    equal("the revision of a name that is a prefix of others", &log.revision("many")?, &0)?;
    // Names that differ in their last character are two.
    let [one, other] = longest;
    log.write(Draft::single("one", &one, 1)?)?;
    equal("the revisions of two long names", &(log.revision(&one)?, log.revision(&other)?), &(2, 1))
}
