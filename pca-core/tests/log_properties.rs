//! What holds of every commit: bodies are read back, have one form, and no changed bit goes unnoticed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use pca_core::log::{
    Commit, CommitId, Digest, EncodedEvent, Head, Metadata, Position, Recorded, RequestDigest, Revision, Seal,
    StreamId, Timestamp, Verifier,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-zA-Z:]{0,12}", 1 => any::<String>()]
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_micros)
}

prop_compose! {
    fn metadata()(
        command in text(),
        actor in text(),
        claimed_actor in option::of(text()),
        reason in option::of(text()),
        correlation in option::of(text()),
        decided_at in time(),
        wall_clock in option::of(time()),
    ) -> Metadata {
        Metadata { command, actor, claimed_actor, reason, correlation, decided_at, wall_clock }
    }
}

fn guards() -> impl Strategy<Value = BTreeMap<StreamId, Revision>> {
    let name = "[a-z0-9_./-]{1,20}".prop_map(|name| StreamId::parse(&name).unwrap());
    btree_map(name, any::<u64>().prop_map(Revision::new), 1..6)
}

fn event(streams: Vec<StreamId>) -> impl Strategy<Value = EncodedEvent> {
    let count = streams.len();
    let concerned = subsequence(streams, 1..=count).prop_shuffle();
    (text(), any::<u16>(), concerned, vec(any::<u8>(), 0..40))
        .prop_map(|(kind, schema, streams, payload)| EncodedEvent { kind: kind.into(), schema, streams, payload })
}

fn facts() -> impl Strategy<Value = (Metadata, BTreeMap<StreamId, Revision>, Vec<EncodedEvent>)> {
    (metadata(), guards()).prop_flat_map(|(metadata, guards)| {
        let streams: Vec<StreamId> = guards.keys().cloned().collect();
        (Just(metadata), Just(guards), vec(event(streams), 1..5))
    })
}

fn commit() -> impl Strategy<Value = Commit> {
    (any::<[u8; 16]>(), any::<[u8; 32]>(), facts()).prop_map(|(id, request, (metadata, guards, events))| {
        Commit::new(CommitId::new(id), RequestDigest::new(request), metadata, guards, &events).unwrap()
    })
}

/// The commit made anew from what it tells of itself.
fn told_again(commit: &Commit) -> Commit {
    let guards: BTreeMap<_, _> = commit.guards().iter().map(|guard| (guard.stream.clone(), guard.revision)).collect();
    let events: Vec<EncodedEvent> = commit
        .events()
        .map(|view| EncodedEvent {
            kind: view.kind().to_owned().into(),
            schema: view.schema(),
            streams: view.streams().cloned().collect(),
            payload: view.payload().into(),
        })
        .collect();
    Commit::new(commit.id(), commit.request(), commit.metadata().clone(), guards, &events).unwrap()
}

fn flipped<const N: usize>(octets: [u8; N], bit: Index) -> [u8; N] {
    let mut octets = octets;
    let bit = bit.index(N * 8);
    octets[bit / 8] ^= 1 << (bit % 8);
    octets
}

fn flipped_body(body: &[u8], bit: usize) -> Arc<[u8]> {
    let mut body = body.to_vec();
    body[bit / 8] ^= 1 << (bit % 8);
    body.into()
}

fn restore(seal: &Seal, body: &Arc<[u8]>) -> Result<Recorded, pca_core::log::RecordedError> {
    Recorded::restore(Arc::clone(body), seal.previous, seal.first, seal.time, seal.digest)
}

/// A log of commits on one stream that a verifier has nothing against.
fn log(count: u64) -> Vec<Recorded> {
    let metadata = |number: u64| Metadata {
        command: "Count".into(),
        actor: "test".into(),
        claimed_actor: None,
        reason: None,
        correlation: None,
        decided_at: Timestamp::from_secs(i64::try_from(number).unwrap() * 3 % 7),
        wall_clock: None,
    };
    let stream = StreamId::parse("a").unwrap();
    let mut head = Head::GENESIS;
    (0..count)
        .map(|number| {
            let id = CommitId::from_idempotency_key(&number.to_string());
            let event =
                EncodedEvent { kind: "Counted".into(), schema: 1, streams: vec![stream.clone()], payload: vec![1] };
            let guards = [(stream.clone(), Revision::new(number * 2))];
            let events = [event.clone(), event];
            let commit = Commit::new(id, RequestDigest::new([0; 32]), metadata(number), guards, &events).unwrap();
            let seal = head.seal(&commit);
            head = seal.head();
            Recorded::new(seal, commit)
        })
        .collect()
}

fn faults(log: &[Recorded]) -> usize {
    let mut verifier = Verifier::default();
    log.iter().map(|recorded| verifier.follow(recorded).len()).sum()
}

/// What a store needs in order to believe a log: its commits, and a receipt or head that was kept elsewhere.
fn believed(log: &[Recorded], head: Head) -> bool {
    let mut verifier = Verifier::default();
    log.iter().all(|recorded| verifier.follow(recorded).is_empty()) && verifier.head() == head
}

/// Without files of failed cases in the source tree.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn every_flipped_bit_of_a_body_is_noticed(commit in commit()) {
        let seal = Head::GENESIS.seal(&commit);
        prop_assert!(restore(&seal, commit.body()).is_ok());
        for bit in 0..commit.body().len() * 8 {
            let body = flipped_body(commit.body(), bit);
            prop_assert!(restore(&seal, &body).is_err(), "bit {} of the body", bit);
            // Joined with the seal without a check, as a careless store would, it is for the verifier to notice.
            if let Ok(other) = Commit::decode(body) {
                let mut verifier = Verifier::default();
                prop_assert!(!verifier.follow(&Recorded::new(seal, other)).is_empty(), "bit {} of the body", bit);
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn a_body_is_read_back(commit in commit()) {
        let decoded = Commit::decode(Arc::clone(commit.body()));
        prop_assert_eq!(decoded.as_ref(), Ok(&commit));
        prop_assert_eq!(told_again(&commit), commit);
    }

    #[test]
    fn what_was_given_is_told(facts in facts()) {
        let (metadata, guards, events) = facts;
        let id = CommitId::new([1; 16]);
        let commit = Commit::new(id, RequestDigest::new([2; 32]), metadata.clone(), guards.clone(), &events).unwrap();
        prop_assert_eq!(commit.metadata(), &metadata);
        prop_assert_eq!(commit.guards().len(), guards.len());
        prop_assert_eq!(commit.events().len(), events.len());
        for (view, event) in commit.events().zip(&events) {
            let mut streams = event.streams.clone();
            streams.sort();
            prop_assert_eq!(view.streams().cloned().collect::<Vec<_>>(), streams);
            prop_assert_eq!((view.kind(), view.schema(), view.payload()), (&*event.kind, event.schema, &*event.payload));
        }
        let moves = commit.moves().count();
        prop_assert_eq!(moves, events.iter().map(|event| event.streams.len()).sum::<usize>());
    }

    #[test]
    fn every_flipped_bit_of_a_seal_is_noticed(commit in commit(), bit in any::<Index>(), part in 0..6) {
        let seal = Head::GENESIS.seal(&commit);
        let mut other = seal;
        match part {
            0 => other.previous = Digest::new(flipped(*seal.previous.as_bytes(), bit)),
            1 => other.first = Position::new(u64::from_be_bytes(flipped(seal.first.get().to_be_bytes(), bit))),
            2 => other.count = u32::from_be_bytes(flipped(seal.count.to_be_bytes(), bit)),
            3 => other.time = Timestamp::from_micros(i64::from_be_bytes(flipped(seal.time.micros().to_be_bytes(), bit))),
            4 => other.body_digest = Digest::new(flipped(*seal.body_digest.as_bytes(), bit)),
            _ => other.digest = Digest::new(flipped(*seal.digest.as_bytes(), bit)),
        }
        // The count and the digest of the body are not kept but computed.
        if !matches!(part, 2 | 4) {
            prop_assert!(restore(&other, commit.body()).is_err());
        }
        prop_assert!(!Verifier::default().follow(&Recorded::new(other, commit)).is_empty());
    }

    #[test]
    fn any_octets_are_read_without_panic(octets in vec(any::<u8>(), 0..300)) {
        if let Ok(commit) = Commit::decode(octets.clone().into()) {
            prop_assert_eq!(told_again(&commit).body().to_vec(), octets);
        }
    }

    #[test]
    fn a_body_has_one_form_only(
        commit in commit(),
        edits in vec((any::<Index>(), prop_oneof![Just(0), Just(1), Just(255), any::<u8>()]), 1..4),
    ) {
        let mut body = commit.body().to_vec();
        for (place, octet) in edits {
            let place = place.index(body.len());
            body[place] = octet;
        }
        if let Ok(other) = Commit::decode(body.clone().into()) {
            prop_assert_eq!(told_again(&other).body().to_vec(), body);
        }
    }

    #[test]
    fn a_body_that_is_cut_or_longer_is_refused(commit in commit(), more in vec(any::<u8>(), 1..20)) {
        for end in 0..commit.body().len() {
            prop_assert!(Commit::decode(commit.body()[..end].into()).is_err(), "cut at {}", end);
        }
        let longer: Vec<u8> = commit.body().iter().copied().chain(more).collect();
        prop_assert!(Commit::decode(longer.into()).is_err());
    }

    #[test]
    fn a_log_that_was_tampered_with_is_not_believed(one in any::<Index>(), other in any::<Index>(), how in 0..4) {
        let log = log(8);
        let head = log.last().unwrap().seal().head();
        prop_assert!(believed(&log, head));
        let (one, other) = (one.index(log.len()), other.index(log.len()));
        let mut tampered = log.clone();
        match how {
            0 => drop(tampered.remove(one)),
            1 => tampered.insert(other, log[one].clone()),
            2 => tampered.truncate(one),
            _ => tampered.swap(one, other),
        }
        prop_assert_eq!(believed(&tampered, head), tampered == log);
    }

    #[test]
    fn a_commit_sealed_anew_in_place_of_another_is_noticed_by_its_successor(place in 0_usize..7) {
        let mut log = log(8);
        let previous = if place == 0 { Head::GENESIS } else { log[place - 1].seal().head() };
        let mut metadata = log[place].commit().metadata().clone();
        metadata.actor = "mallory".into();
        let guards: BTreeMap<_, _> = log[place].commit().guards().iter().map(|guard| (guard.stream.clone(), guard.revision)).collect();
        let events: Vec<EncodedEvent> = log[place].commit().events().map(|view| EncodedEvent {
            kind: view.kind().to_owned().into(),
            schema: view.schema(),
            streams: view.streams().cloned().collect(),
            payload: view.payload().into(),
        }).collect();
        let forged = Commit::new(log[place].commit().id(), log[place].commit().request(), metadata, guards, &events).unwrap();
        log[place] = Recorded::new(previous.seal(&forged), forged);
        prop_assert_eq!(faults(&log), 1, "the chain breaks behind it");
    }
}

#[test]
fn the_smallest_commit_is_read_back() {
    let stream = StreamId::parse("a").unwrap();
    let metadata = Metadata {
        command: String::new(),
        actor: String::new(),
        claimed_actor: None,
        reason: None,
        correlation: None,
        decided_at: Timestamp::EPOCH,
        wall_clock: None,
    };
    let event = EncodedEvent { kind: "".into(), schema: 0, streams: vec![stream.clone()], payload: Vec::new() };
    let guards = [(stream, Revision::ZERO)].into();
    for count in [1, 2, 100] {
        let events = vec![event.clone(); count];
        let id = CommitId::new([0; 16]);
        let guards: BTreeMap<_, _> = Clone::clone(&guards);
        let commit = Commit::new(id, RequestDigest::new([0; 32]), metadata.clone(), guards, &events).unwrap();
        assert_eq!(Commit::decode(Arc::clone(commit.body())), Ok(commit), "{count} events");
    }
}
