//! Folding streams, deciding on them, and checking a whole log, on a domain of counters.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use pca_core::log::scenario::Given;
use pca_core::log::{
    CodecError, Commit, CommitId, Desk, Digest, EncodedEvent, EventData, EventView, Fault, Fold, Head, Metadata,
    Missing, Moment, Payload, Position, Recorded, RequestDigest, Revision, Seal, StreamEvent, StreamId, StreamSlice,
    Timestamp, Verifier, World,
};
use serde::{Deserialize, Serialize};

/// An amount went from one counter to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Moved {
    from: StreamId,
    to: StreamId,
    amount: u32,
}

impl Payload for Moved {
    const KIND: &'static str = "Moved";

    fn concerns(&self) -> Vec<StreamId> {
        vec![self.from.clone(), self.to.clone()]
    }
}

impl EventData for Moved {
    fn encode_concerning(&self, streams: Vec<StreamId>) -> Result<EncodedEvent, CodecError> {
        Payload::encode_concerning(self, streams)
    }

    fn decode(view: &EventView<'_>) -> Result<Self, CodecError> {
        match view.kind() {
            Self::KIND => Self::from_payload(view.schema(), view.payload()),
            other => Err(CodecError::UnknownKind { kind: other.into() }),
        }
    }

    fn streams(&self) -> Vec<StreamId> {
        self.concerns()
    }
}

/// What a counter holds, and the moments that it saw.
#[derive(Clone, Debug, PartialEq)]
struct Counter {
    own: StreamId,
    amount: i64,
    seen: Vec<(u64, u64, Timestamp, String)>,
}

impl Fold for Counter {
    type Event = Moved;

    fn begin(stream: &StreamId) -> Self {
        Self { own: stream.clone(), amount: 0, seen: Vec::new() }
    }

    fn evolve(&mut self, event: &Moved, moment: &Moment<'_>) {
        let amount = i64::from(event.amount);
        self.amount += if event.to == self.own { amount } else { 0 };
        self.amount -= if event.from == self.own { amount } else { 0 };
        let actor = moment.metadata.actor.clone();
        self.seen.push((moment.revision.get(), moment.position.get(), moment.time, actor));
    }
}

fn stream(name: &str) -> StreamId {
    StreamId::parse(name).unwrap()
}

fn moved(from: &str, to: &str, amount: u32) -> Moved {
    Moved { from: stream(from), to: stream(to), amount }
}

fn metadata(secs: i64) -> Metadata {
    Metadata {
        command: "Move".into(),
        actor: "ada".into(),
        claimed_actor: None,
        reason: None,
        correlation: None,
        decided_at: Timestamp::from_secs(secs),
        wall_clock: None,
    }
}

fn commit(name: &str, guards: &[(&str, u64)], events: &[Moved], secs: i64) -> Commit {
    let guards: BTreeMap<_, _> = guards.iter().map(|(name, at)| (stream(name), Revision::new(*at))).collect();
    let events: Vec<_> = events.iter().map(|event| event.encode().unwrap()).collect();
    let id = CommitId::from_idempotency_key(name);
    Commit::new(id, RequestDigest::new([0; 32]), metadata(secs), guards, &events).unwrap()
}

/// Three commits over the counters a, b and c, ordered by hand.
fn log() -> Vec<Arc<Recorded>> {
    let commits = [
        commit("1", &[("a", 0), ("b", 0)], &[moved("a", "b", 5), moved("b", "a", 2)], 10),
        commit("2", &[("b", 2), ("c", 0)], &[moved("b", "c", 1)], 5),
        commit("3", &[("a", 2), ("c", 1)], &[moved("c", "a", 7)], 20),
    ];
    let mut head = Head::GENESIS;
    let sealed = commits.map(|commit| {
        let seal = head.seal(&commit);
        head = seal.head();
        Arc::new(Recorded::new(seal, commit))
    });
    sealed.to_vec()
}

/// What a store reads of a stream after a revision.
fn slice(log: &[Arc<Recorded>], name: &str, after: u64) -> StreamSlice {
    let mut events: Vec<StreamEvent> = Vec::new();
    let mut revision = Revision::ZERO;
    for recorded in log {
        for moved in recorded.commit().moves().filter(|moved| *moved.stream == stream(name)) {
            revision = moved.revision;
            events.push(StreamEvent { recorded: Arc::clone(recorded), index: moved.event, revision });
        }
    }
    events.retain(|event| event.revision.get() > after);
    StreamSlice { stream: stream(name), revision, events }
}

#[test]
fn a_stream_is_folded_with_its_moments() {
    let log = log();
    let mut world = World::<Counter>::default();
    world.apply(&slice(&log, "b", 0)).unwrap();
    let fold = world.get(&stream("b")).unwrap();
    assert_eq!(fold.amount, 5 - 2 - 1);
    let seen = |revision, position, secs| (revision, position, Timestamp::from_secs(secs), "ada".to_owned());
    // The time is the commit's in the log, which does not run backwards, not that of the decision.
    assert_eq!(fold.seen, [seen(1, 1, 10), seen(2, 2, 10), seen(3, 3, 10)]);
    assert_eq!(world.revision(&stream("b")), Some(Revision::new(3)));
    assert_eq!(world.revisions(), [(stream("b"), Revision::new(3))]);
}

#[test]
fn events_that_are_known_are_not_folded_twice() {
    let log = log();
    let mut world = World::<Counter>::default();
    world.apply(&slice(log.get(..1).unwrap(), "a", 0)).unwrap();
    let once = world.get(&stream("a")).unwrap().clone();
    world.apply(&slice(log.get(..1).unwrap(), "a", 0)).unwrap();
    assert_eq!(world.get(&stream("a")), Some(&once));
    world.apply(&slice(&log, "a", 1)).unwrap();
    assert_eq!(world.get(&stream("a")).unwrap().amount, 7 - 3);
    assert_eq!(world.revision(&stream("a")), Some(Revision::new(3)));
}

#[test]
fn an_empty_stream_is_there_once_it_was_read() {
    let mut world = World::<Counter>::default();
    assert_eq!(world.get(&stream("never")), None);
    world.apply(&slice(&log(), "never", 0)).unwrap();
    assert_eq!(world.get(&stream("never")).unwrap().amount, 0);
    assert_eq!(world.revision(&stream("never")), Some(Revision::ZERO));
}

#[test]
fn an_unknown_kind_stops_the_fold_before_it() {
    let mut events = [moved("a", "b", 1), moved("a", "b", 1)].map(|event| event.encode().unwrap());
    events.last_mut().unwrap().kind = "Vanished".into();
    let guards = BTreeMap::from([(stream("a"), Revision::ZERO), (stream("b"), Revision::ZERO)]);
    let id = CommitId::from_idempotency_key("1");
    let commit = Commit::new(id, RequestDigest::new([0; 32]), metadata(1), guards, &events).unwrap();
    let log = [Arc::new(Recorded::new(Head::GENESIS.seal(&commit), commit))];
    let mut world = World::<Counter>::default();
    let unknown = CodecError::UnknownKind { kind: "Vanished".into() };
    assert_eq!(world.apply(&slice(&log, "a", 0)), Err(unknown));
    assert_eq!(world.revision(&stream("a")), Some(Revision::new(1)));
}

#[test]
fn speculation_folds_what_the_log_will_say() {
    let log = log();
    let (first, rest) = log.split_first().unwrap();
    let mut speculative = World::<Counter>::default();
    for name in ["a", "b", "c"] {
        speculative.apply(&slice(core::slice::from_ref(first), name, 0)).unwrap();
    }
    let before = speculative.clone();
    for recorded in rest {
        let events: Vec<Moved> = recorded.commit().events().map(|view| Moved::decode(&view).unwrap()).collect();
        speculative.speculate(&events, recorded.commit().metadata(), recorded.seal().time);
    }
    let mut durable = before.clone();
    for name in ["a", "b", "c"] {
        durable.apply(&slice(&log, name, before.revision(&stream(name)).unwrap().get())).unwrap();
        let (expected, found) = (durable.get(&stream(name)).unwrap(), speculative.get(&stream(name)).unwrap());
        assert_eq!(found.amount, expected.amount, "{name}");
        assert_eq!(speculative.revision(&stream(name)), durable.revision(&stream(name)), "{name}");
        let moments = |fold: &Counter| fold.seen.iter().map(|(at, _, time, _)| (*at, *time)).collect::<Vec<_>>();
        assert_eq!(moments(found), moments(expected), "{name}");
    }
    // The world that was cloned stands where it stood.
    assert_eq!(before.get(&stream("c")).unwrap().amount, 0);
}

#[test]
fn speculation_leaves_streams_alone_that_are_not_here() {
    let mut world = World::<Counter>::default();
    world.apply(&slice(&[], "a", 0)).unwrap();
    world.speculate(&[moved("a", "b", 3)], &metadata(1), Timestamp::EPOCH);
    assert_eq!(world.revision(&stream("a")), Some(Revision::new(1)));
    assert_eq!(world.revision(&stream("b")), None, "a stream that was not loaded is not known by its last event");
}

#[test]
fn whatever_a_decision_looks_at_is_guarded() {
    let log = log();
    let mut world = World::<Counter>::default();
    for name in ["a", "b", "c"] {
        world.apply(&slice(&log, name, 0)).unwrap();
    }
    let desk = world.desk();
    assert_eq!(desk.guards(), BTreeMap::new());
    assert_eq!(desk.get(&stream("b")).unwrap().amount, 2);
    assert_eq!(desk.get(&stream("b")).unwrap().amount, 2);
    assert_eq!(desk.get(&stream("missing")), Err(Missing { stream: stream("missing") }));
    desk.claim(&stream("new"));
    let guards = [("b", 3), ("new", 0)].map(|(name, at)| (stream(name), Revision::new(at)));
    assert_eq!(desk.guards(), guards.into(), "a stream that was not looked at is no guard; a missing one is none");
}

#[test]
fn a_claim_is_a_claim_whatever_is_looked_at_before_or_after() {
    let log = log();
    let mut world = World::<Counter>::default();
    world.apply(&slice(&log, "b", 0)).unwrap();
    world.apply(&slice(&log, "c", 0)).unwrap();
    let desk = world.desk();
    desk.claim(&stream("b"));
    desk.get(&stream("b")).unwrap();
    desk.get(&stream("c")).unwrap();
    desk.claim(&stream("c"));
    let guards = [("b", 0), ("c", 0)].map(|(name, at)| (stream(name), Revision::new(at)));
    assert_eq!(desk.guards(), guards.into(), "both conflict, since both were written to");
}

#[test]
fn a_desk_sees_the_world_beside_it() {
    let log = log();
    let (mut durable, mut speculative) = (World::<Counter>::default(), World::<Counter>::default());
    durable.apply(&slice(&log, "a", 0)).unwrap();
    durable.apply(&slice(&log, "b", 0)).unwrap();
    speculative.apply(&slice(log.get(..1).unwrap(), "b", 0)).unwrap();
    let desk = speculative.desk_beside(&durable);
    assert_eq!(desk.get(&stream("b")).unwrap().amount, 3, "its own first");
    assert_eq!(desk.get(&stream("a")).unwrap().amount, 4);
    let guards = [("a", 3), ("b", 2)].map(|(name, at)| (stream(name), Revision::new(at)));
    assert_eq!(desk.guards(), guards.into());
}

#[test]
fn scenarios_read_as_sentences() {
    let give = |amount: u32| {
        move |desk: &Desk<'_, Counter>| {
            let has = desk.get(&stream("b")).map_err(|missing| missing.to_string())?.amount;
            if has < i64::from(amount) { Err(format!("only {has}")) } else { Ok(vec![moved("b", "a", amount)]) }
        }
    };
    let given = Given::<Counter>::events([moved("a", "b", 5)]);
    given.when(give(5)).then([moved("b", "a", 5)]);
    given.when(give(6)).then_refused("only 5".into());
    Given::<Counter>::nothing().when(give(1)).then_refused("b has not been loaded".into());
    Given::<Counter>::nothing().also(stream("b")).when(give(1)).then_refused("only 0".into());
}

#[track_caller]
fn fault(change: impl FnOnce(&mut Vec<Arc<Recorded>>), expected: impl Fn(&Fault) -> bool) {
    let mut log = log();
    change(&mut log);
    let mut verifier = Verifier::default();
    let faults: Vec<Fault> = log.iter().flat_map(|recorded| verifier.follow(recorded)).collect();
    assert!(faults.iter().any(expected), "{faults:?}");
}

/// The second commit, with the right seal for what it is now.
fn replace_second(log: &mut [Arc<Recorded>], commit: Commit) {
    let seal = log.first().unwrap().seal().head().seal(&commit);
    *log.get_mut(1).unwrap() = Arc::new(Recorded::new(seal, commit));
}

fn reseal_second(log: &mut [Arc<Recorded>], change: impl FnOnce(&Seal) -> Seal) {
    let second = log.get_mut(1).unwrap();
    *second = Arc::new(Recorded::new(change(second.seal()), second.commit().clone()));
}

#[test]
fn a_verifier_names_each_fault() {
    let mut verifier = Verifier::default();
    assert!(log().iter().all(|recorded| verifier.follow(recorded).is_empty()));
    assert_eq!((verifier.commits(), verifier.events()), (3, 4));
    assert_eq!(verifier.revision(&stream("c")), Revision::new(2));

    fault(|log| drop(log.remove(1)), |fault| matches!(fault, Fault::Position { .. }));
    fault(|log| drop(log.remove(1)), |fault| matches!(fault, Fault::Chain { .. }));
    let anew = |seal: &Seal, time| Seal::new(seal.previous, seal.first, seal.count, time, seal.body_digest);
    fault(
        |log| reseal_second(log, |seal| anew(seal, Timestamp::from_secs(5))),
        |fault| matches!(fault, Fault::Time { found, .. } if *found == Timestamp::from_secs(5)),
    );
    fault(
        |log| reseal_second(log, |seal| anew(seal, Timestamp::from_secs(11))),
        |fault| matches!(fault, Fault::Time { expected, .. } if *expected == Timestamp::from_secs(10)),
    );
    fault(
        |log| reseal_second(log, |seal| Seal { digest: Digest::ZERO, ..*seal }),
        |fault| matches!(fault, Fault::Digest { position, .. } if *position == Position::new(3)),
    );
    fault(
        |log| replace_second(log, commit("1", &[("b", 2), ("c", 0)], &[moved("b", "c", 1)], 5)),
        |fault| matches!(fault, Fault::CommitId { .. }),
    );
    fault(
        |log| replace_second(log, commit("2", &[("b", 1), ("c", 0)], &[moved("b", "c", 1)], 5)),
        |fault| matches!(fault, Fault::Guard { expected, found, .. } if expected.get() == 2 && found.get() == 1),
    );
}
