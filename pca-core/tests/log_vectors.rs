//! The library against the vectors of `docs/log-vectors.md`, which another program computed.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;

use pca_core::log::{
    Commit, CommitId, Digest, EncodedEvent, Head, Metadata, Position, Recorded, RequestDigest, Revision, StreamId,
    Timestamp, Verifier, short_id,
};

const PAGE: &str = include_str!("../../docs/log-vectors.md");

/// The vectors by name: a line with a name, then lines of hexadecimal that are set in.
fn vectors() -> BTreeMap<String, String> {
    let block = PAGE.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut vectors: BTreeMap<String, String> = BTreeMap::new();
    let mut name = "";
    for line in block.lines() {
        match line.strip_prefix("  ") {
            Some(hex) => vectors.entry(name.into()).or_default().push_str(hex),
            None => name = line,
        }
    }
    vectors
}

#[track_caller]
fn expect(name: &str, found: &str) {
    let expected = vectors().remove(name).unwrap_or_else(|| panic!("the page has no vector `{name}`"));
    assert_eq!(found, expected, "{name}");
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets(name: &str) -> Vec<u8> {
    let text = vectors().remove(name).unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap()).collect()
}

fn stream(name: &str) -> StreamId {
    StreamId::parse(name).unwrap()
}

fn event(schema: u16, streams: &[&str], payload: &[u8]) -> EncodedEvent {
    let streams = streams.iter().map(|name| stream(name)).collect();
    EncodedEvent { kind: "Noted".into(), schema, streams, payload: payload.into() }
}

fn request(text: &str) -> RequestDigest {
    RequestDigest::new(*Digest::of(text.as_bytes()).as_bytes())
}

fn guards(guards: &[(&str, u64)]) -> BTreeMap<StreamId, Revision> {
    guards.iter().map(|(name, revision)| (stream(name), Revision::new(*revision))).collect()
}

fn first() -> Commit {
    let metadata = Metadata {
        command: "Note".into(),
        actor: "ada".into(),
        claimed_actor: None,
        reason: Some("why".into()),
        correlation: None,
        decided_at: Timestamp::from_secs(1_700_000_000),
        wall_clock: None,
    };
    let events = [event(1, &["b", "a/1"], b"\x81\xa1n\x01"), event(2, &["b"], b"")];
    let id = CommitId::from_idempotency_key("vector-1");
    Commit::new(id, request("request 1"), metadata, guards(&[("b", 0), ("a/1", 0)]), &events).unwrap()
}

fn second() -> Commit {
    let metadata = Metadata {
        command: "Note".into(),
        actor: "ada".into(),
        claimed_actor: Some("ops".into()),
        reason: None,
        correlation: Some("ticket-7".into()),
        decided_at: Timestamp::from_secs(1_600_000_000),
        wall_clock: Some(Timestamp::from_micros(1_700_000_001_500_000)),
    };
    let id = CommitId::from_idempotency_key("vector-2");
    let guards = guards(&[("a/1", 1), ("b", 2), ("c", 0)]);
    Commit::new(id, request("request 2"), metadata, guards, &[event(1, &["c"], b"\xff\0")]).unwrap()
}

#[test]
fn ids_are_derived_as_the_page_says() {
    let id = CommitId::from_idempotency_key("vector-1");
    expect("first id", &id.to_string());
    expect("second id", &CommitId::from_idempotency_key("vector-2").to_string());
    expect("first request", &request("request 1").to_string());
    expect("second request", &request("request 2").to_string());
    expect("step 1 of the first id", &id.step(1).to_string());
    expect("short id 7 of the first id with prefix ca", &short_id("ca", &id, 7));
}

#[test]
fn bodies_are_encoded_as_the_page_says() {
    for (name, commit) in [("first", first()), ("second", second())] {
        expect(&format!("{name} body"), &hex(commit.body()));
        expect(&format!("{name} body digest"), &commit.body_digest().to_string());
    }
}

#[test]
fn the_bodies_of_the_page_are_decoded() {
    for (name, commit) in [("first", first()), ("second", second())] {
        assert_eq!(Commit::decode(octets(&format!("{name} body")).into()), Ok(commit));
    }
}

#[test]
fn commits_are_chained_as_the_page_says() {
    let first_seal = Head::GENESIS.seal(&first());
    let second_seal = first_seal.head().seal(&second());
    expect("first commit digest", &first_seal.digest.to_string());
    expect("second commit digest", &second_seal.digest.to_string());
    assert_eq!((second_seal.first, second_seal.last()), (Position::new(3), Position::new(3)));
    assert_eq!(second_seal.time, Timestamp::from_secs(1_700_000_000));
}

#[test]
fn the_log_of_the_page_is_believed() {
    let time = Timestamp::from_secs(1_700_000_000);
    let digest = |name: &str| vectors().remove(name).unwrap().parse::<Digest>().unwrap();
    let restore = |name: &str, previous: Digest, first: u64| {
        let body = Arc::from(octets(&format!("{name} body")));
        Recorded::restore(body, previous, Position::new(first), time, digest(&format!("{name} commit digest"))).unwrap()
    };
    let mut verifier = Verifier::default();
    assert_eq!(verifier.follow(&restore("first", Digest::ZERO, 1)), []);
    assert_eq!(verifier.follow(&restore("second", digest("first commit digest"), 3)), []);
    assert_eq!((verifier.commits(), verifier.events()), (2, 3));
    for (name, revision) in [("a/1", 1), ("b", 2), ("c", 1)] {
        assert_eq!(verifier.revision(&stream(name)), Revision::new(revision), "{name}");
    }
}
