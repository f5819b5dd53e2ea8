//! Logs as JSON lines, and from store to store: every digest stays, and no bad line is taken in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::as_conversions)]

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use pca_core::log::portable::{ImportError, ImportReason, check, export, import};
use pca_core::log::{
    Commit, CommitId, Digest, EncodedEvent, Fault, Head, Metadata, Position, Receipt, Recorded, RequestDigest,
    Revision, StoreError, StreamId, StreamsRead, Timestamp, TransferError, Transferred, copy,
};
use pca_core::ports::{EventStore, Lease, Limits};
use pca_store_file::{FileEventStore, Options};
use pca_store_memory::MemoryEventStore;
use pca_store_testkit::draft::Draft;
use pollster::block_on;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The n-th commit: one or two events, some decided before the newest one, some by a clock that showed something else.
fn nth(number: u64) -> Commit {
    let (name, own) = (format!("commit {number}"), format!("own/{number}"));
    let decided = Timestamp::from_micros(1_000_000 * i64::try_from(if number % 5 == 4 { 1 } else { number }).unwrap());
    let metadata = Metadata {
        command: "Try".into(),
        actor: format!("Ünter \"{number}\"\n\u{1}"),
        claimed_actor: number.is_multiple_of(3).then(|| "somebody".into()),
        reason: number.is_multiple_of(2).then(String::new),
        correlation: None,
        decided_at: decided,
        wall_clock: number.is_multiple_of(4).then(|| Timestamp::from_micros(-1)),
    };
    let mut draft = Draft::new(&name).metadata(metadata).guard("shared", shared(number)).guard(&own, 0).guard("x", 0);
    draft = draft.event(&["shared", &own], b"\x81\xa4name\xa3Ada");
    if number % 2 == 1 {
        draft = draft.event_of("Other", 7, &[&own], name.as_bytes());
    }
    draft.build().unwrap()
}

/// Only the first event of each commit enters `shared`.
fn shared(number: u64) -> u64 {
    number
}

fn filled(commits: u64) -> MemoryEventStore {
    let store = MemoryEventStore::new();
    let answers = block_on(store.commit((0..commits).map(nth).collect()));
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    store
}

fn exported(store: &impl EventStore) -> String {
    let mut lines = Vec::new();
    block_on(export(store, &mut lines, |_| {})).unwrap();
    String::from_utf8(lines).unwrap()
}

fn followed(store: &impl EventStore) -> Vec<Recorded> {
    let all = block_on(store.follow(Position::ZERO, usize::MAX)).unwrap();
    all.iter().map(|recorded| Recorded::clone(recorded)).collect()
}

fn taken(text: &str, store: &impl EventStore) -> Result<Transferred, ImportError> {
    block_on(import(text.as_bytes(), store, |_| {}))
}

/// Refused at this line, with a file of its own and with the beginning that was taken in; and of that line and those
/// behind it nothing is in the store.
#[track_caller]
fn refused(what: &str, text: &str, line: u64, commits: usize) -> ImportReason {
    let whole = followed(&filled(6));
    let store = MemoryEventStore::new();
    let error = taken(text, &store).expect_err(what);
    assert_eq!(error.line, line, "{what}: {error}");
    assert_eq!(followed(&store), whole[..commits], "{what}: only what stands before line {line}");
    *error.reason
}

#[test]
fn a_log_that_is_exported_and_imported_has_the_same_digests_everywhere() {
    let source = filled(300);
    let text = exported(&source);
    assert_eq!(text.lines().count(), 302);
    let directory = tempfile::tempdir().unwrap();
    let files = FileEventStore::create(directory.path(), Options::default().segment_size(4096)).unwrap();
    let memory = MemoryEventStore::new();
    for done in [taken(&text, &files).unwrap(), taken(&text, &memory).unwrap()] {
        let head = block_on(source.head()).unwrap();
        assert_eq!(done, Transferred { commits: 300, added: 300, head });
    }
    assert_eq!(followed(&files), followed(&source));
    assert_eq!(followed(&memory), followed(&source));
    let receipts = |store: &dyn EventStore| -> Vec<_> {
        (0..300).map(nth).map(|commit| block_on(store.receipt(commit.id(), commit.request())).unwrap()).collect()
    };
    assert_eq!(receipts(&files), receipts(&source));
    assert!(receipts(&files).iter().all(Option::is_some));
    assert_eq!(exported(&files), text, "to the octet");
    assert_eq!(check(text.as_bytes(), Limits::default(), |_| {}).unwrap().commits, 300);
}

#[test]
fn an_empty_log_is_a_log() {
    let text = exported(&MemoryEventStore::new());
    assert_eq!(text.lines().count(), 2);
    assert_eq!(taken(&text, &MemoryEventStore::new()).unwrap().head, Head::GENESIS);
}

#[test]
fn an_import_goes_on_where_it_was_interrupted() {
    let text = exported(&filled(6));
    let lines: Vec<&str> = text.lines().collect();
    let store = MemoryEventStore::new();
    let error = taken(&lines[..4].join("\n"), &store).unwrap_err();
    let ImportReason::Truncated { commits: 3, head } = *error.reason else { panic!("{error}") };
    assert_eq!((error.line, head), (5, block_on(store.head()).unwrap().digest));
    assert_eq!(taken(&text, &store).unwrap().added, 3);
    assert_eq!(taken(&text, &store).unwrap().added, 0, "a second time there is nothing to do");
    assert_eq!(followed(&store), followed(&filled(6)));
}

#[test]
fn another_log_and_a_longer_one_are_left_alone() {
    let text = exported(&filled(6));
    let other = MemoryEventStore::new();
    block_on(other.commit(vec![nth(0), Draft::single("else", "x", 0).unwrap()]));
    let before = followed(&other);
    let error = taken(&text, &other).unwrap_err();
    let ImportReason::Transfer(TransferError::Differs { position, expected, found }) = *error.reason else {
        panic!("{error}")
    };
    assert_eq!((error.line, position.get()), (3, 2));
    assert_eq!((expected, found), (followed(&filled(6))[1].seal().digest, before[1].seal().digest));
    assert_eq!(followed(&other), before);
    let longer = filled(7);
    let error = taken(&text, &longer).unwrap_err();
    assert!(matches!(*error.reason, ImportReason::Transfer(TransferError::Longer { .. })), "{error}");
    assert_eq!(followed(&longer), followed(&filled(7)));
}

#[test]
fn lines_that_are_removed_reordered_repeated_or_cut_off_are_refused() {
    let text = exported(&filled(6));
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    for gone in 1..6 {
        let mut left = lines.clone();
        left.remove(gone);
        let reason = refused("removed", &joined(&left), gone as u64 + 1, gone - 1);
        assert!(matches!(reason, ImportReason::Fault(Fault::Position { .. })), "{reason}");
        let mut swapped = lines.clone();
        swapped.swap(gone, gone + 1);
        let reason = refused("reordered", &joined(&swapped), gone as u64 + 1, gone - 1);
        assert!(matches!(reason, ImportReason::Fault(Fault::Position { .. })), "{reason}");
        let mut twice = lines.clone();
        twice.insert(gone, lines[gone]);
        let reason = refused("repeated", &joined(&twice), gone as u64 + 2, gone);
        assert!(matches!(reason, ImportReason::Fault(Fault::Position { .. })), "{reason}");
    }
    // The last commit, with the end as it was.
    let mut left = lines.clone();
    left.remove(6);
    let reason = refused("the last one", &joined(&left), 7, 5);
    assert!(matches!(reason, ImportReason::End { commits: 5, .. }), "{reason}");
    for end in 0..text.len() - 1 {
        let whole = text.as_bytes()[..end].iter().filter(|octet| **octet == b'\n').count();
        let store = MemoryEventStore::new();
        let error = block_on(import(&text.as_bytes()[..end], &store, |_| {})).expect_err("cut off");
        let commits = followed(&store).len();
        // A line whose end is cut off may be whole.
        assert!(commits == whole.saturating_sub(1) || commits == whole, "{end}: {commits} of {whole} lines: {error}");
    }
    let reason = refused("more", &(text.clone() + "\n"), 9, 6);
    assert_eq!(reason, ImportReason::Trailing);
    let reason = refused("a blank line", &text.replacen("\n", "\n\n", 1), 2, 0);
    assert!(matches!(reason, ImportReason::Malformed { .. }), "{reason}");
}

fn edited(text: &str, line: usize, pointer: &str, value: Value) -> String {
    let mut lines: Vec<String> = text.lines().map(Into::into).collect();
    let mut json: Value = serde_json::from_str(&lines[line]).unwrap();
    let place = json.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    assert_ne!(*place, value, "{pointer}: nothing is changed");
    *place = value;
    lines[line] = json.to_string();
    lines.join("\n")
}

#[test]
fn a_line_that_is_edited_or_dated_anew_is_refused_whichever_field_it_is() {
    let text = exported(&filled(6));
    let line: Value = serde_json::from_str(text.lines().nth(3).unwrap()).unwrap();
    let zeros = Digest::ZERO.to_string();
    for (pointer, value) in [
        ("/position", json!(5)),
        ("/time", json!(2_000_001)),
        ("/previous", json!(zeros)),
        ("/digest", json!(zeros)),
        ("/commit", json!(CommitId::from_idempotency_key("x").to_string())),
        ("/request", json!(zeros)),
        ("/decided_at", json!(1_999_999)),
        ("/wall_clock", json!(7)),
        ("/command", json!("Other")),
        ("/actor", json!("mallory")),
        ("/claimed_actor", json!("mallory")),
        ("/reason", json!("no reason")),
        ("/correlation", json!("x")),
        ("/guards/0/0", json!("own/9")),
        ("/guards/1/1", json!(9)),
        ("/events/0/kind", json!("Undone")),
        ("/events/0/schema", json!(2)),
        ("/events/0/streams", json!([0])),
        ("/events/0/payload", json!("AAAA")),
    ] {
        let reason = refused(pointer, &edited(&text, 3, pointer, value), 4, 2);
        assert!(matches!(reason, ImportReason::Fault(_)), "{pointer}: {reason}");
        if pointer == "/time" {
            let [expected, found] = [2_000_000, 2_000_001].map(Timestamp::from_micros);
            let position = Position::new(4);
            assert_eq!(reason, ImportReason::Fault(Fault::Time { position, expected, found }));
        }
    }
    for (pointer, value) in [
        ("/events/0/payload", json!("AAA")),
        ("/events/0/payload", json!("A\nAA")),
        ("/events/0/streams", json!([])),
        ("/events/0/streams", json!([1, 0])),
        ("/events/0/streams", json!([9])),
        ("/guards", json!([["x", 0], ["shared", 2], ["own/2", 0]])),
        ("/guards", json!([["NO", 0]])),
        ("/events", json!([])),
        ("/time", json!("2030-01-01T00:00:00Z")),
        ("/digest", json!("00")),
    ] {
        let reason = refused(pointer, &edited(&text, 3, pointer, value), 4, 2);
        assert!(matches!(reason, ImportReason::Malformed { .. }), "{pointer}: {reason}");
    }
    let unknown = text.replacen("\"request\":", "\"requested\":", 1);
    assert!(matches!(refused("a field", &unknown, 2, 0), ImportReason::Malformed { .. }));
    // One that is null is there nevertheless.
    for name in ["wall_clock", "claimed_actor", "reason", "correlation"] {
        let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let commit = lines[1].as_object_mut().unwrap();
        commit.remove(name).unwrap();
        let missing: String = lines.iter().map(|line| format!("{line}\n")).collect();
        assert!(matches!(refused(name, &missing, 2, 0), ImportReason::Malformed { .. }), "{name}");
    }
    let twice = text.replacen("\"position\":1,", "\"position\":1,\"position\":1,", 1);
    assert!(matches!(refused("a field twice", &twice, 2, 0), ImportReason::Malformed { .. }));
    // What people see is not read back.
    assert_eq!(line["view"]["events"][0]["name"], "Ada");
    let shown = edited(&text, 3, "/view/events/0/name", json!("Bob"));
    assert_eq!(taken(&shown, &MemoryEventStore::new()).unwrap().commits, 6);
}

#[test]
fn headers_and_ends_that_do_not_fit_are_refused() {
    let text = exported(&filled(6));
    assert!(matches!(refused("empty", "", 1, 0), ImportReason::NoHeader { .. }));
    for (pointer, value) in [("/format", json!("tar")), ("/version", json!("1")), ("/first", json!(1))] {
        let reason = refused(pointer, &edited(&text, 0, pointer, value), 1, 0);
        assert!(matches!(reason, ImportReason::NoHeader { .. }), "{reason}");
    }
    let reason = refused("newer", &edited(&text, 0, "/version", json!(2)), 1, 0);
    assert_eq!(reason, ImportReason::Version { version: 2, known: 1 });
    for first in [Value::Null, json!(Digest::of(b"x").to_string())] {
        let reason = refused("another first", &edited(&text, 0, "/first", first), 2, 0);
        assert!(matches!(reason, ImportReason::First { .. }), "{reason}");
    }
    for (pointer, value) in
        [("/end/commits", json!(5)), ("/end/events", json!(8)), ("/end/head", json!(Digest::ZERO.to_string()))]
    {
        let reason = refused(pointer, &edited(&text, 7, pointer, value), 8, 6);
        assert!(matches!(reason, ImportReason::End { .. }), "{reason}");
    }
}

/// A store that dates commits by itself, or one that tells a log which nobody checked.
#[derive(Default)]
struct Odd {
    inner: MemoryEventStore,
    told: Vec<Arc<Recorded>>,
}

#[async_trait]
impl EventStore for Odd {
    async fn commit(&self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        let later = |commit: &Commit| {
            let decided_at = Timestamp::from_micros(commit.metadata().decided_at.micros() + 1);
            let guards: Vec<_> = commit.guards().iter().map(|guard| (guard.stream.clone(), guard.revision)).collect();
            let events: Vec<_> = commit
                .events()
                .map(|event| EncodedEvent {
                    kind: event.kind().to_owned().into(),
                    schema: event.schema(),
                    streams: event.streams().cloned().collect(),
                    payload: event.payload().into(),
                })
                .collect();
            let metadata = Metadata { decided_at, ..commit.metadata().clone() };
            Commit::new(commit.id(), commit.request(), metadata, guards, &events).unwrap()
        };
        self.inner.commit(train.iter().map(later).collect()).await
    }
    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        self.inner.read(streams, as_of).await
    }
    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let told: Vec<_> = self.told.iter().filter(|recorded| recorded.seal().last() > after).cloned().collect();
        if self.told.is_empty() { self.inner.follow(after, limit).await } else { Ok(told) }
    }
    async fn grown(&self, beyond: Position) -> Result<Head, StoreError> {
        self.inner.grown(beyond).await
    }
    async fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        self.inner.receipt(id, request).await
    }
    async fn head(&self) -> Result<Head, StoreError> {
        match self.told.last() {
            Some(recorded) => Ok(recorded.seal().head()),
            None => self.inner.head().await,
        }
    }
    async fn lease(&self, stream: &StreamId) -> Result<Lease, StoreError> {
        self.inner.lease(stream).await
    }
    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

#[test]
fn each_receipt_is_held_against_its_line() {
    let text = exported(&filled(6));
    let error = taken(&text, &Odd::default()).unwrap_err();
    let unlike = matches!(*error.reason, ImportReason::Transfer(TransferError::Unlike { .. }));
    assert!(error.line == 2 && unlike, "{error}");
}

/// A log whose chain is right, although no store would have made it.
fn forged(commits: impl IntoIterator<Item = Commit>) -> Odd {
    let mut head = Head::GENESIS;
    let sealed = commits.into_iter().map(|commit| {
        let seal = head.seal(&commit);
        head = seal.head();
        Arc::new(Recorded::new(seal, commit))
    });
    Odd { told: sealed.collect(), ..Odd::default() }
}

#[test]
fn what_no_store_would_take_is_refused_with_its_line_although_the_chain_is_right() {
    let unread = Draft::single("unread", "shared", 9).unwrap();
    let reused = Draft::new("commit 1").requested("else").guard("y", 0).event(&["y"], b"").build().unwrap();
    for (what, bad) in [("a guard", unread), ("an id twice", nth(1)), ("an id of another request", reused)] {
        let text = exported(&forged((0..4).map(nth).chain([bad, nth(4)])));
        assert!(check(text.as_bytes(), Limits::default(), |_| {}).is_ok(), "{what}: the chain is right");
        let reason = refused(what, &text, 6, 4);
        let ImportReason::Transfer(TransferError::Refused { source, .. }) = reason else { panic!("{what}: {reason}") };
        let expected = match what {
            "a guard" => matches!(source, StoreError::Conflict { .. }),
            "an id twice" => matches!(source, StoreError::Repeated(_)),
            _ => matches!(source, StoreError::IdReused { .. }),
        };
        assert!(expected, "{what}: {source}");
    }
}

#[test]
fn a_log_that_contradicts_itself_is_not_exported_or_copied() {
    let mut broken = forged((0..4).map(nth));
    broken.told.remove(1);
    let error = block_on(export(&broken, &mut Vec::new(), |_| {})).unwrap_err();
    assert!(error.to_string().contains("begins at position 4, but 2 is next"), "{error}");
    let into = MemoryEventStore::new();
    assert!(matches!(block_on(copy(&broken, &into, |_| {})), Err(TransferError::Source(_))));
}

#[test]
fn a_line_is_no_longer_than_one_of_the_largest_commit() {
    let limits = Limits { largest_commit: 2000 };
    let commit = |octets: usize| Draft::new("x").guard("x", 0).event(&["x"], &vec![1; octets]).build().unwrap();
    let exported_of = |octets: usize| exported(&forged([commit(octets)]));
    let small = MemoryEventStore::with_limits(limits);
    let error = taken(&exported_of(2500), &small).unwrap_err();
    let refused = matches!(
        *error.reason,
        ImportReason::Transfer(TransferError::Refused { source: StoreError::TooLarge { limit: 2000, .. }, .. })
    );
    assert!(error.line == 2 && refused, "{error}");
    let error = taken(&exported_of(30_000), &small).unwrap_err();
    assert_eq!((error.line, *error.reason), (2, ImportReason::TooLong { limit: 8 * 2000 + 4096 }));
    let endless = std::io::BufReader::new(std::io::repeat(b' '));
    let error = block_on(import(endless, &small, |_| {})).unwrap_err();
    assert_eq!((error.line, *error.reason), (1, ImportReason::TooLong { limit: 4096 }));
    // A view that would make a line longer is left out.
    let text = "\u{1}".repeat(300);
    let wide: Vec<u8> = [b"\xda\x01\x2c".as_slice(), text.as_bytes()].concat();
    let mut draft = Draft::new("wide").guard("x", 0);
    for _ in 0..5 {
        draft = draft.event(&["x"], &wide);
    }
    let lines = exported(&forged([draft.build().unwrap()]));
    assert!(taken(&lines, &small).is_ok());
}

#[test]
fn a_copy_is_the_same_log_and_adds_only_what_is_new() {
    let source = filled(6);
    let copied = filled(2);
    let mut seen = Vec::new();
    let done = block_on(copy(&source, &copied, |head| seen.push(head))).unwrap();
    assert_eq!((done.commits, done.added), (6, 4));
    assert_eq!(seen.last(), Some(&block_on(source.head()).unwrap()));
    assert_eq!(followed(&copied), followed(&source));
    assert_eq!(block_on(copy(&source, &copied, |_| {})).unwrap().added, 0);
    let error = block_on(copy(&filled(3), &copied, |_| {})).unwrap_err();
    assert!(matches!(error, TransferError::Longer { .. }), "{error}");
    let other = MemoryEventStore::new();
    block_on(other.commit(vec![Draft::single("else", "x", 0).unwrap()]));
    assert!(matches!(block_on(copy(&source, &other, |_| {})), Err(TransferError::Differs { .. })));
}

fn any_commit() -> impl Strategy<Value = Commit> {
    let text = || any::<String>();
    let time = || any::<i64>().prop_map(Timestamp::from_micros);
    let who = (text(), text(), option::of(text()), option::of(text()), option::of(text()));
    let event = (text(), any::<u16>(), 1_usize..4, vec(any::<u8>(), 0..80));
    (any::<[u8; 16]>(), any::<[u8; 32]>(), who, time(), option::of(time()), vec(event, 1..5)).prop_map(
        |(id, request, (command, actor, claimed_actor, reason, correlation), decided_at, wall_clock, events)| {
            let metadata = Metadata { command, actor, claimed_actor, reason, correlation, decided_at, wall_clock };
            let streams: Vec<StreamId> = ["a", "b/1", "c-._"].map(|name| StreamId::parse(name).unwrap()).into();
            let events: Vec<EncodedEvent> = events
                .into_iter()
                .map(|(kind, schema, count, payload)| EncodedEvent {
                    kind: kind.into(),
                    schema,
                    streams: streams[..count].to_vec(),
                    payload,
                })
                .collect();
            let guards: BTreeMap<_, _> = streams.into_iter().map(|stream| (stream, Revision::ZERO)).collect();
            Commit::new(CommitId::new(id), RequestDigest::new(request), metadata, guards, &events).unwrap()
        },
    )
}

proptest! {
    #[test]
    fn every_commit_is_told_and_read_back_to_the_octet(commit in any_commit()) {
        let store = MemoryEventStore::new();
        prop_assert!(block_on(store.commit(vec![commit]))[0].is_ok());
        let text = exported(&store);
        let body = followed(&store)[0].commit().body().len();
        prop_assert!(text.lines().all(|line| line.len() < 8 * body + 4096));
        let read = MemoryEventStore::new();
        taken(&text, &read).unwrap();
        prop_assert_eq!(followed(&read), followed(&store));
    }
}
