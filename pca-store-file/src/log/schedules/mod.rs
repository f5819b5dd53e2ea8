//! The group commit under shuttle: its threads take turns as a scheduler likes, and what must hold is checked each time.
//!
//! Its files are compiled a second time here, over a [`sync`] that is shuttle's; so neither the library nor its other
//! tests know of shuttle. Each schedule makes its own choices (who closes, which sync fails, whether there are beacons),
//! and shuttle reports a thread that waits for good as a deadlock. `PCA_FIRE` says how many schedules are tried, half of them
//! with each scheduler. A failure prints the schedule; `shuttle::replay` with the same body walks through it again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(dead_code, clippy::duplicate_mod, reason = "compiled a second time on purpose, and not all of it is used")]

pub(crate) mod sync;

#[path = "../commit.rs"]
mod commit;
#[path = "../indexer.rs"]
mod indexer;
#[path = "../read.rs"]
mod read;
#[path = "../reindex.rs"]
mod reindex;
#[path = "../shared.rs"]
mod shared;
#[path = "../staging.rs"]
mod staging;
#[path = "../writer.rs"]
mod writer;

// What they have in common with the library as it is: none of it knows threads.
use super::{cache, disk, format, frames, index, mark, open, options, segment};

use core::time::Duration;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use pca_core::log::{Commit, Position, Receipt, Revision, StoreError};
use pca_store_testkit::draft::Draft;
use shuttle::future::block_on;
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread::{self, JoinHandle};
use shuttle::{Config, FailurePersistence, Runner};

use disk::Disk;
use disk::scheduled::{ScheduledDisk, Syncs};
use index::{Fetch as _, Place, Prepared};
use open::{Files, Intent, Opened, Recovered};
use options::Options;
use shared::Shared;
use staging::End;
use writer::Writer;

const DIRECTORY: &str = "log";

type Answers = Vec<Result<Receipt, StoreError>>;

/// An empty log, as opening makes it.
static EMPTY: LazyLock<ScheduledDisk> = LazyLock::new(|| {
    let disk = ScheduledDisk::new();
    drop(opened(&disk, Intent::Create));
    disk
});

fn opened(disk: &ScheduledDisk, intent: Intent) -> Opened {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    open::open(&disk, Path::new(DIRECTORY), intent).unwrap()
}

/// A log that is being written.
struct Log {
    shared: Arc<Shared>,
    disk: ScheduledDisk,
    options: Options,
    writer: JoinHandle<()>,
}

impl Log {
    fn start(syncs: Syncs, beacon: bool) -> Self {
        let disk = EMPTY.crashed();
        let options = Options::default().segment_size(1500).preallocation(200).group(900);
        let options = options.beacon(beacon.then_some(Duration::from_millis(10))).indexed_here();
        let (writer, _) = Writer::open(Arc::new(disk.clone()), Path::new(DIRECTORY), &options, Intent::Open).unwrap();
        disk.treat(syncs);
        let shared = Arc::clone(&writer.shared);
        let writer = thread::spawn(move || writer.run());
        Self { shared, disk, options, writer }
    }

    /// What opening finds if the machine stops now.
    fn after_a_crash(&self) -> Opened {
        opened(&self.disk.crashed(), Intent::Open)
    }

    /// Commits, and checks that each answer rests on what is durable when it is given.
    fn commit(&self, train: Vec<Commit>) -> Answers {
        let answers = block_on(self.shared.commit(train, &self.options));
        self.check(&answers);
        answers
    }

    fn check(&self, answers: &Answers) {
        let Opened { log, recovered: Recovered { index, segments, head, .. }, .. } = self.after_a_crash();
        let files = Files { log, segments: &segments };
        for answer in answers {
            match answer {
                Ok(receipt) | Err(StoreError::Repeated(receipt)) => {
                    let key = index.keys().commit(&receipt.commit);
                    let covered = index.runs().known(&receipt.commit, key, &files).unwrap().map(|(place, _)| place);
                    let place = index.known_here(key).or(covered).expect("what was answered is not durable");
                    let found = files.fetch(&[place]).unwrap();
                    assert_eq!(found[0].receipt().first, receipt.first, "what was answered is not durable");
                }
                Err(StoreError::Conflict { stream, actual, .. }) => {
                    let key = index.keys().stream(stream);
                    let end = Place { segment: u32::MAX, offset: 0 };
                    let here = index.slice(key, Revision::new(u64::MAX), end).revision;
                    let revision = here.unwrap_or_else(|| index.runs().revision(stream, key, &files).unwrap());
                    assert!(revision >= *actual, "a conflict with what is not durable");
                }
                Err(StoreError::IdReused { position, .. }) => {
                    assert!(head.position >= *position, "a conflict with what is not durable");
                }
                Err(StoreError::Closed { .. } | StoreError::NotTried) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }

    /// Looks for growth until the log ends; every head that is told is durable.
    fn follow(&self) -> Position {
        let mut seen = Position::ZERO;
        while let Ok(head) = block_on(self.shared.grown(seen)) {
            assert!(head.position > seen);
            assert!(self.after_a_crash().recovered.head.position >= head.position, "a head that is not durable");
            let read = self.shared.follow(seen, usize::MAX);
            assert!(read.is_err() || read.unwrap().last().unwrap().receipt().last >= head.position);
            seen = head.position;
        }
        seen
    }

    fn close(&self) -> Result<(), StoreError> {
        self.shared.begin_closing();
        let closed = block_on(self.shared.wait_for_end());
        assert_eq!(closed.is_ok(), self.after_a_crash().recovered.closed, "closed, or told to be");
        closed
    }
}

fn single(name: &str, stream: &str, revision: u64) -> Commit {
    Draft::single(name, stream, revision).unwrap()
}

fn another(name: &str, stream: &str) -> Commit {
    Draft::new(name).requested("another").guard(stream, 0).event(&[stream], b"").build().unwrap()
}

/// One history: callers that are in each other's way, one who follows, one who closes early or late.
fn history(syncs: Syncs) {
    let early = thread_rng().gen_bool(0.3);
    let log = Arc::new(Log::start(syncs, thread_rng().gen_bool(0.5)));
    let caller = |work: Box<dyn FnOnce(&Log) -> Answers + Send>| {
        let log = Arc::clone(&log);
        thread::spawn(move || work(&log))
    };
    let callers = [
        caller(Box::new(|log| {
            let mut answers = log.commit(vec![single("a", "stream", 0)]);
            answers.extend(log.commit(vec![single("a then", "stream", 1)]));
            answers
        })),
        caller(Box::new(|log| log.commit(vec![single("b", "stream", 0), single("b then", "stream", 1)]))),
        caller(Box::new(|log| {
            let mut answers = log.commit(vec![single("a", "stream", 0)]);
            answers.extend(log.commit(vec![another("b", "stream")]));
            answers
        })),
        caller(Box::new(|log| log.commit((0..4).map(|n| single(&format!("own {n}"), "own", n)).collect()))),
    ];
    let follower = {
        let log = Arc::clone(&log);
        thread::spawn(move || log.follow())
    };
    let closer = early.then(|| {
        let log = Arc::clone(&log);
        thread::spawn(move || log.close())
    });
    let answers: Answers = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    let closed = log.close();
    if let Some(closer) = closer {
        assert_eq!(closer.join().unwrap(), closed, "everybody who closes is told the same");
    }
    let seen = follower.join().unwrap();
    assert!(matches!(log.shared.lock().end, Some(End::Closed | End::Failed(_))));
    assert!(matches!(log.commit(vec![single("late", "late", 0)])[..], [Err(StoreError::Closed { .. })]));
    log.check(&answers);
    let durable = log.shared.lock().durable;
    let opened = log.after_a_crash().recovered;
    if syncs == Syncs::Slow {
        assert_eq!(closed, Ok(()));
        assert!(early || !answers.iter().any(|answer| matches!(answer, Err(StoreError::Closed { .. }))));
        assert_eq!((opened.head, seen), (durable, durable.position));
    } else {
        assert!(opened.head.position >= durable.position && durable.position >= seen);
    }
    let Some(log) = Arc::into_inner(log) else { panic!("everybody has come back") };
    log.writer.join().unwrap();
}

/// A history on a disk that fails somewhere, or nowhere.
fn some_history() {
    let nth = thread_rng().gen_range(0..8);
    history(if nth == 0 { Syncs::Slow } else { Syncs::Failing(nth) });
}

/// How many schedules each scheduler tries.
fn times() -> usize {
    std::env::var("PCA_FIRE").map_or(600, |figure| figure.parse::<usize>().unwrap()).div_ceil(2)
}

fn run(scheduler: impl Scheduler + 'static, body: impl Fn() + Send + Sync + 'static) {
    LazyLock::force(&EMPTY);
    let mut config = Config::new();
    config.stack_size = 256 * 1024;
    config.failure_persistence = FailurePersistence::Print;
    Runner::new(scheduler, config).run(body);
}

#[test]
fn every_answer_rests_on_what_is_durable_and_everybody_gets_one() {
    run(RandomScheduler::new(times()), some_history);
}

#[test]
fn the_same_when_few_changes_of_turn_are_put_where_they_hurt() {
    run(PctScheduler::new(3, times()), some_history);
}

/// The checks can fail: a disk that reports syncs which it has not made.
#[test]
#[should_panic(expected = "not durable")]
fn an_answer_before_the_sync_is_noticed() {
    run(RandomScheduler::new(300), || history(Syncs::Lying));
}

/// The checks can fail: whether the writer waits is looked at before the commit is staged, not with it.
#[test]
#[should_panic(expected = "deadlock")]
fn a_lost_wake_up_is_noticed() {
    run(RandomScheduler::new(300), || {
        let log = Log::start(Syncs::Slow, false);
        let idle = core::mem::take(&mut log.shared.lock().idle);
        let commit = single("a", "stream", 0);
        let prepared = Prepared::new(&log.shared.keys, &commit);
        let tried = log.shared.lock().try_train(vec![(commit, prepared)], &log.options);
        if idle {
            log.shared.wake_writer();
        }
        if let Some(durable) = tried.durable {
            block_on(durable).unwrap().unwrap();
        }
        log.close().unwrap();
        log.writer.join().unwrap();
    });
}
