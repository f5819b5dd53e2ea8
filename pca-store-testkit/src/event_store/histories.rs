//! Histories that nobody thought of, against the plainest store.

use std::sync::Arc;

use pca_core::log::{Commit, Position, StoreError, Timestamp};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::Harness;
use super::subject::{Answer, Subject};
use crate::Violation;
use crate::draft::{self, Draft};
use crate::model::ModelStore;
use crate::violation::{Verdict, equal};

const STREAMS: [&str; 4] = ["a", "a/b", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Train(Vec<Member>),
    Read { asked: Vec<(usize, u64)>, as_of: u64 },
    Follow { after: u64, limit: usize },
    Receipt { id: u8, other_request: bool },
    Head,
}

#[derive(Clone, Debug)]
struct Member {
    id: u8,
    other_request: bool,
    /// Which streams are guarded.
    guards: [bool; 4],
    /// What is added to the right revision of one guard, if it is not right.
    error: Option<(usize, i8)>,
    /// For each event a number that says which of the guarded streams it concerns.
    events: Vec<u8>,
    decided_at: i64,
}

fn member() -> impl Strategy<Value = Member> {
    let error = prop_oneof![6 => Just(None), 1 => (0_usize..4, -1_i8..=1).prop_map(Some)];
    let other_request = prop_oneof![9 => Just(false), 1 => Just(true)];
    let events = proptest::collection::vec(any::<u8>(), 1..4);
    (0_u8..60, other_request, any::<[bool; 4]>(), error, events, -5_i64..50).prop_map(
        |(id, other_request, guards, error, events, decided_at)| Member {
            id,
            other_request,
            guards,
            error,
            events,
            decided_at,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let asked = proptest::collection::vec((0_usize..4, 0_u64..12), 0..4);
    let as_of = prop_oneof![0_u64..60, Just(u64::MAX)];
    prop_oneof![
        6 => proptest::collection::vec(member(), 0..5).prop_map(Step::Train),
        2 => (asked, as_of).prop_map(|(asked, as_of)| Step::Read { asked, as_of }),
        1 => (0_u64..60, 0_usize..12).prop_map(|(after, limit)| Step::Follow { after, limit }),
        1 => (0_u8..60, any::<bool>()).prop_map(|(id, other_request)| Step::Receipt { id, other_request }),
        1 => Just(Step::Head),
    ]
}

pub(super) fn histories_match_the_model(harness: &dyn Harness) -> Verdict {
    let config = Config { cases: 48, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner
        .run(&proptest::collection::vec(step(), 1..30), |steps| {
            history(harness, &steps).map_err(|violation| TestCaseError::fail(violation.to_string()))
        })
        .map_err(|error| Violation::new(error.to_string()))
}

fn history(harness: &dyn Harness, steps: &[Step]) -> Verdict {
    let log = Subject::new(harness);
    let model = Subject::of(harness, Arc::new(ModelStore::new()));
    for (number, step) in steps.iter().enumerate() {
        let what = format!("step {number}");
        match step {
            Step::Train(members) => {
                let train = train(&model, members)?;
                let (found, expected) = (log.train(train.clone())?, model.train(train)?);
                equal(
                    &what,
                    &found.into_iter().map(comparable).collect(),
                    &expected.into_iter().map(comparable).collect::<Vec<_>>(),
                )?;
            }
            Step::Read { asked, as_of } => {
                let asked: Vec<_> =
                    asked.iter().map(|(n, after)| (STREAMS.get(*n).copied().unwrap_or("a"), *after)).collect();
                let as_of = Position::new(*as_of);
                equal(&what, &log.read(&asked, as_of)?, &model.read(&asked, as_of)?)?;
            }
            Step::Follow { after, limit } => {
                let after = Position::new(*after);
                equal(&what, &log.follow(after, *limit)?, &model.follow(after, *limit)?)?;
            }
            Step::Receipt { id, other_request } => {
                let commit = pca_core::log::CommitId::from_idempotency_key(&id.to_string());
                let request = draft::request(&request_name(*id, *other_request));
                equal(&what, &log.receipt(commit, request)?, &model.receipt(commit, request)?)?;
            }
            Step::Head => equal(&what, &log.head()?, &model.head()?)?,
        }
    }
    equal("the log", &log.verified()?, &model.verified()?)
}

/// Which of several guards a conflict names is the store's choice.
fn comparable(answer: Answer) -> Result<pca_core::log::Receipt, String> {
    answer.map_err(|error| match error {
        StoreError::Conflict { .. } => "conflict".into(),
        other => format!("{other:?}"),
    })
}

fn request_name(id: u8, other: bool) -> String {
    format!("{id}{}", if other { " other" } else { "" })
}

/// Commits whose guards are right, given those before in the train, except where a member says otherwise.
fn train(model: &Subject<'_>, members: &[Member]) -> Verdict<Vec<Commit>> {
    let mut revisions = STREAMS.map(|_| 0_u64);
    for (revision, stream) in revisions.iter_mut().zip(STREAMS) {
        *revision = model.revision(stream)?;
    }
    members
        .iter()
        .map(|member| {
            let draft = Draft::new(&member.id.to_string())
                .requested(&request_name(member.id, member.other_request))
                .decided_at(Timestamp::from_secs(member.decided_at));
            let guarded = |n: usize| n == 0 || member.guards.get(n).copied().unwrap_or(false);
            let streams = STREAMS.iter().enumerate().filter(|(n, _)| guarded(*n));
            let mut draft = streams.clone().fold(draft, |draft, (n, stream)| {
                let right = revisions.get(n).copied().unwrap_or(0);
                let error = member.error.filter(|(wrong, _)| *wrong == n).map_or(0, |(_, error)| i64::from(error));
                draft.guard(stream, right.saturating_add_signed(error))
            });
            for event in &member.events {
                let concerned: Vec<usize> = streams
                    .clone()
                    .map(|(n, _)| n)
                    .filter(|n| *event == 0 || event >> n & 1 == 1 || (*n == 0 && event & 15 == 0))
                    .collect();
                let concerned = if concerned.is_empty() { vec![0] } else { concerned };
                let names: Vec<&str> = concerned.iter().filter_map(|n| STREAMS.get(*n).copied()).collect();
                draft = draft.event(&names, &[*event, 0xff]);
                concerned.iter().filter_map(|n| revisions.get_mut(*n).map(|r| *r += 1)).for_each(drop);
            }
            draft.build()
        })
        .collect()
}
