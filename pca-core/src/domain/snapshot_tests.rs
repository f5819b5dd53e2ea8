//! Tests of kept states: that they are what the events fold to, and that no other one is believed.
//!
//! `PCA_GOLDEN=write` writes the golden file of a version that has none.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use core::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::event::Money;
use crate::domain::order::story::Story;
use crate::domain::order::{BuyQuota, RequestRefund, RootBought};
use crate::domain::policy::Policy;
use crate::domain::stream;
use crate::keys::Family;
use crate::log::{Fold as _, Moment, Recorded};

/// Folds a log twice: at one go, and with every state on the way kept, read back, and gone on from. Both are the same at
/// every revision of every stream whose states are kept.
pub(crate) fn agrees_at_every_revision(log: &[Arc<Recorded>]) {
    use crate::log::EventData as _;
    let mut streams: std::collections::BTreeMap<StreamId, (Revision, State, State)> = std::collections::BTreeMap::new();
    for recorded in log {
        for (index, view) in recorded.commit().events().enumerate() {
            let event = crate::domain::Event::decode(&view).unwrap();
            for stream in event.streams().into_iter().filter(|stream| fold_version(stream).is_some()) {
                let begin = || (Revision::ZERO, State::begin(&stream), State::begin(&stream));
                let (revision, whole, pieces) = streams.entry(stream.clone()).or_insert_with(begin);
                *revision = revision.plus(1);
                let happened = StreamEvent { recorded: Arc::clone(recorded), index, revision: *revision };
                let anchor = Anchor::of(&happened);
                let moment = Moment {
                    time: recorded.seal().time,
                    revision: *revision,
                    position: anchor.position,
                    metadata: recorded.commit().metadata(),
                };
                whole.evolve(&event, &moment);
                pieces.evolve(&event, &moment);
                let octets = encode(&stream, *revision, anchor, pieces).unwrap();
                let (kept, state) = decode(&stream, *revision, &octets).unwrap();
                assert_eq!(kept, anchor);
                *pieces = state;
                assert_eq!(quota(whole), quota(pieces), "{stream} at {revision}");
            }
        }
    }
}

fn quota(state: &State) -> &Quota {
    match state {
        State::Quota(quota) => quota,
        other => panic!("{other:?}"),
    }
}

/// A history in which every field of the fold comes to hold something.
fn known() -> (Story, RootBought) {
    let mut story = Story::founded(Policy { free_quota_days: Some(30), ..Policy::default() });
    let bought = story.buy_root(Family::Ecc);
    let (root, intermediate) = (&bought.root, &bought.intermediate);
    story.enable(root);
    story.enable(intermediate);
    let buy = |count| BuyQuota { root: root.clone(), count, paid: Money::nothing() };
    story.run(buy(5));
    story.assign(intermediate, 12);
    story.issue(intermediate).unwrap();
    story.pass(31 * 86_400);
    story.issue(intermediate).unwrap();
    story.run(buy(7));
    let returned = story.run(buy(3)).order;
    story.request_refund(&returned);
    story.return_refund(&returned);
    let order = story.run(buy(4)).order;
    story.run(RequestRefund { order });
    // Now what had lapsed is written down.
    story.assign(intermediate, 1);
    (story, bought)
}

fn state_of(story: &Story, stream: &StreamId) -> (Revision, Anchor, State) {
    let (mut anchor, mut revision) = (None, Revision::ZERO);
    for recorded in story.log() {
        for moved in recorded.commit().moves().filter(|moved| moved.stream == stream) {
            revision = revision.plus(1);
            anchor = Some(Anchor::of(&StreamEvent { recorded: Arc::clone(recorded), index: moved.event, revision }));
        }
    }
    (revision, anchor.unwrap(), story.world().get(stream).unwrap().clone())
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/folds").join(name)
}

/// What is kept of a known history. If this fails the fold, its shape or the form in which it is kept has changed:
/// raise its `FOLD_VERSION`, so that no older snapshot is read as a newer one, and write the new version's file.
#[test]
fn a_known_history_is_kept_as_its_version_says() {
    let (story, bought) = known();
    let mut text = String::new();
    for ca in [&bought.root, &bought.intermediate] {
        let stream = stream::quota(ca);
        let (revision, anchor, state) = state_of(&story, &stream);
        // What else stands in the history's commits, such as all numbers of the policy, is no part of the fold.
        let anchor = Anchor { digest: Digest::of(b"a commit"), ..anchor };
        writeln!(text, "{stream} at {revision}").unwrap();
        for line in encode(&stream, revision, anchor, &state).unwrap().chunks(32) {
            line.iter().for_each(|octet| write!(text, "{octet:02x}").unwrap());
            text.push('\n');
        }
    }
    let file = golden(&format!("quota.{}.hex", Quota::FOLD_VERSION));
    if std::env::var("PCA_GOLDEN").is_ok_and(|word| word == "write") && !file.exists() {
        std::fs::write(&file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!("version {} has no golden file: {error}; write it with PCA_GOLDEN=write", Quota::FOLD_VERSION)
    });
    assert_eq!(text, kept, "the fold of quota has changed: raise Quota::FOLD_VERSION");
}

#[test]
fn every_field_is_in_the_known_history() {
    let (story, bought) = known();
    let (pool, assigned) = (story.quota(&bought.root), story.quota(&bought.intermediate));
    assert!(pool.received() > 0 && pool.assigned_on() > 0 && pool.expired() + assigned.expired() > 0);
    assert!(assigned.consumed() == 2 && pool.refunded() == 3 && !pool.purchases().is_empty());
    assert!(pool.lots().iter().any(|lot| pool.is_frozen(&lot.id)));
    agrees_at_every_revision(story.log());
}

#[test]
fn no_state_of_another_stream_or_revision_is_believed() {
    let (story, bought) = known();
    let (stream, other) = (stream::quota(&bought.root), stream::quota(&bought.intermediate));
    let (revision, anchor, state) = state_of(&story, &stream);
    let octets = encode(&stream, revision, anchor, &state).unwrap();
    assert!(decode(&stream, revision, &octets).is_ok());
    let unsound = |stream: &StreamId, revision| Err(SnapshotFault::Unsound { stream: stream.clone(), revision });
    assert_eq!(decode(&other, revision, &octets).map(drop), unsound(&other, revision));
    let later = revision.plus(1);
    assert_eq!(decode(&stream, later, &octets).map(drop), unsound(&stream, later));
    assert_eq!(encode(&stream, later, anchor, &state).map(drop), unsound(&stream, later));
    assert!(decode(&stream::policy(), revision, &octets).is_err());
    let policy = State::begin(&stream::policy());
    assert_eq!(encode(&stream, revision, anchor, &policy), Err(SnapshotFault::NotKept));
}

#[test]
fn a_unit_more_or_less_is_no_state() {
    let (story, bought) = known();
    let stream = stream::quota(&bought.intermediate);
    let (revision, anchor, state) = state_of(&story, &stream);
    let octets = encode(&stream, revision, anchor, &state).unwrap();
    let held = b"consumed\x02";
    let place = octets.windows(held.len()).position(|window| window == held).unwrap() + held.len() - 1;
    for consumed in [1, 3] {
        let mut other = octets.clone();
        other[place] = consumed;
        assert!(matches!(decode(&stream, revision, &other), Err(SnapshotFault::Unsound { .. })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes back from a cache is decoded or refused, and what is decoded is a state of that stream.
    #[test]
    fn damage_never_panics(at in any::<prop::sample::Index>(), octet in any::<u8>(), cut in any::<prop::sample::Index>()) {
        thread_local! {
            static KNOWN: (StreamId, Revision, Vec<u8>) = {
                let (story, bought) = known();
                let stream = stream::quota(&bought.root);
                let (revision, anchor, state) = state_of(&story, &stream);
                let octets = encode(&stream, revision, anchor, &state).unwrap();
                (stream, revision, octets)
            };
        }
        KNOWN.with(|(stream, revision, octets)| {
            let mut damaged = octets.clone();
            let at = at.index(damaged.len());
            damaged[at] = octet;
            if let Ok((_, state)) = decode(stream, *revision, &damaged) {
                assert!(quota(&state).is_sound(stream.key(), *revision));
            }
            let cut = cut.index(octets.len());
            assert!(decode(stream, *revision, &octets[..cut]).is_err());
            assert!(decode(stream, *revision, &[octets.as_slice(), &[octet]].concat()).is_err());
        });
    }
}
