//! Disks that fail and syncs that take their time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::path::Path;
use std::sync::Arc;

use pca_core::log::{Commit, Head, Position, Receipt, Recorded, Revision, StoreError, StreamId, Verifier};
use pca_core::ports::EventStore as _;
use pca_store_testkit::draft::Draft;

use super::disk::OsDisk;
use super::disk::faulty::{Fault, FaultyDisk};
use super::disk::gated::GatedDisk;
use super::format::{FRAME_HEADER, FrameKind, FramePlace, SEGMENT_HEADER, frame_checksum, mark, segment_name, to_u64};
use super::open::{Intent, read_format};
use super::{FileEventStore, Options};

const COMMITS: u64 = 10;

fn options() -> Options {
    Options::default().segment_size(1100).preallocation(300).beacon(None)
}

fn commit(number: u64) -> Commit {
    Draft::single(&format!("commit {number}"), "stream", number).unwrap()
}

fn put(store: &FileEventStore, commit: Commit) -> Result<Receipt, StoreError> {
    pollster::block_on(store.commit(vec![commit])).remove(0)
}

fn follow(store: &FileEventStore) -> Vec<Arc<Recorded>> {
    pollster::block_on(store.follow(Position::ZERO, usize::MAX)).unwrap()
}

#[track_caller]
fn assert_sound(store: &FileEventStore) -> usize {
    let all = follow(store);
    let mut verifier = Verifier::default();
    for (recorded, number) in all.iter().zip(0..) {
        assert_eq!(verifier.follow(recorded), []);
        assert_eq!(recorded.commit().body(), commit(number).body());
    }
    assert_eq!(pollster::block_on(store.head()).unwrap(), verifier.head());
    all.len()
}

/// Makes a log and commits, and goes on after the first failure; tells what was acknowledged.
fn history(disk: &Arc<FaultyDisk>, directory: &Path) -> Result<Vec<Receipt>, StoreError> {
    let disk: Arc<FaultyDisk> = Arc::clone(disk);
    let store = FileEventStore::open_on(disk, directory, options(), Intent::OpenOrCreate)?;
    let mut receipts = Vec::new();
    let mut failed = false;
    for number in 0..COMMITS {
        match put(&store, commit(number)) {
            Ok(receipt) => {
                assert!(!failed, "nothing is acknowledged after a failure");
                receipts.push(receipt);
            }
            Err(StoreError::Closed { reason }) => {
                assert!(reason.contains("error"), "the reason is told: {reason}");
                failed = true;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(assert_sound(&store), receipts.len(), "what was not acknowledged is not shown");
    match pollster::block_on(store.close()) {
        Ok(()) => assert!(!failed),
        Err(StoreError::Closed { .. }) => {}
        Err(other) => panic!("{other}"),
    }
    assert!(matches!(put(&store, commit(COMMITS)), Err(StoreError::Closed { .. })));
    Ok(receipts)
}

/// What a reopened log must be after a history that failed somewhere.
fn assert_healthy(directory: &Path, acknowledged: &[Receipt], what: &str) {
    let store = FileEventStore::open_or_create(directory, options()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let there = assert_sound(&store);
    let all = follow(&store);
    assert!(there == acknowledged.len() || there == acknowledged.len() + 1, "{what}: {there}");
    for (recorded, receipt) in all.iter().zip(acknowledged) {
        assert_eq!(recorded.receipt(), *receipt, "{what}");
    }
    let next = u64::try_from(there).unwrap();
    assert!(put(&store, commit(next)).is_ok(), "{what}");
    drop(store);
    let store = FileEventStore::open(directory, options()).unwrap();
    assert_eq!((assert_sound(&store), store.torn_bytes()), (there + 1, 0), "{what}");
}

#[test]
fn every_call_may_fail_once_and_nothing_acknowledged_is_lost() {
    let counted = Arc::new(FaultyDisk::new(Fault::Io, 0));
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(history(&counted, directory.path()).unwrap().len(), 10);
    let calls = counted.calls();
    assert!(calls > 50, "{calls}");
    for fault in [Fault::Io, Fault::Full, Fault::Short] {
        for call in 1..=calls {
            let what = format!("call {call} fails with {fault:?}");
            let directory = tempfile::tempdir().unwrap();
            let disk = Arc::new(FaultyDisk::new(fault, call));
            let acknowledged = match history(&disk, directory.path()) {
                Ok(receipts) => receipts,
                Err(StoreError::Backend { detail, .. }) => {
                    assert!(detail.contains("error"), "{what}: {detail}");
                    Vec::new()
                }
                Err(other) => panic!("{what}: {other}"),
            };
            assert_healthy(directory.path(), &acknowledged, &what);
        }
    }
}

#[test]
fn healing_may_fail_anywhere_and_is_repeated() {
    let template = tempfile::tempdir().unwrap();
    let acknowledged = history(&Arc::new(FaultyDisk::new(Fault::Io, 0)), template.path()).unwrap();
    // As a crash leaves it: not closed, and a torn frame behind.
    let damage = |directory: &Path| {
        for entry in std::fs::read_dir(template.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), directory.join(entry.file_name())).unwrap();
        }
        std::fs::remove_file(directory.join("closed")).unwrap();
        let mut names: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| path.extension().is_some_and(|end| end == "log"));
        names.sort();
        let mut octets = std::fs::read(names.last().unwrap()).unwrap();
        octets.extend_from_slice(b"PCAf torn");
        std::fs::write(names.last().unwrap(), octets).unwrap();
    };
    let open = |disk: &Arc<FaultyDisk>, directory: &Path| {
        let disk: Arc<FaultyDisk> = Arc::clone(disk);
        FileEventStore::open_on(disk, directory, options(), Intent::Open)
    };
    let directory = tempfile::tempdir().unwrap();
    damage(directory.path());
    let counted = Arc::new(FaultyDisk::new(Fault::Io, 0));
    let store = open(&counted, directory.path()).unwrap();
    assert_eq!(store.torn_bytes(), 9);
    let calls = counted.calls();
    drop(store);
    assert!(calls > 8, "{calls}");
    for call in 1..=calls {
        let directory = tempfile::tempdir().unwrap();
        damage(directory.path());
        let failed = open(&Arc::new(FaultyDisk::new(Fault::Io, call)), directory.path());
        assert!(matches!(failed, Err(StoreError::Backend { .. })), "call {call}");
        assert_healthy(directory.path(), &acknowledged, &format!("call {call} of healing fails"));
    }
}

fn poll<F: Future>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A commit at the gate, and behind it a repeat, another request under its id, a conflict with it and a commit on it.
fn answers_at_the_gate(release: impl FnOnce(&GatedDisk)) -> Vec<Result<Receipt, StoreError>> {
    let directory = tempfile::tempdir().unwrap();
    let disk = GatedDisk::default();
    let store = FileEventStore::open_on(Arc::new(disk.clone()), directory.path(), options(), Intent::Create).unwrap();
    disk.shut();
    let mut first = pin!(store.commit(vec![commit(0)]));
    assert!(poll(first.as_mut()).is_pending());
    disk.wait_until_reached();
    let another = Draft::new("commit 0").requested("another").guard("x", 0).event(&["x"], b"").build().unwrap();
    let conflict = Draft::single("late", "stream", 0).unwrap();
    let mut behind = [commit(0), another, conflict, commit(1)].map(|commit| Box::pin(store.commit(vec![commit])));
    assert!(behind.iter_mut().all(|answer| poll(answer.as_mut()).is_pending()), "nothing rests on what may be lost");
    let unrelated = Draft::single("unrelated", "elsewhere", 7).unwrap();
    let refused = pollster::block_on(store.commit(vec![unrelated]));
    assert!(matches!(refused[..], [Err(StoreError::Conflict { .. })]), "what rests on nothing new is answered");
    assert_eq!(pollster::block_on(store.head()), Ok(Head::GENESIS));
    assert_eq!(follow(&store), []);
    let stream = StreamId::parse("stream").unwrap();
    let read = pollster::block_on(store.read(&[(stream.clone(), Revision::ZERO)], Position::MAX)).unwrap();
    assert_eq!((read.at, read.streams[0].revision), (Position::ZERO, Revision::ZERO));
    assert_eq!(pollster::block_on(store.receipt(commit(0).id(), commit(0).request())), Ok(None));
    release(&disk);
    let mut answers = pollster::block_on(first);
    for answer in behind {
        answers.extend(pollster::block_on(answer));
    }
    assert_eq!(follow(&store).len(), answers.iter().filter(|answer| answer.is_ok()).count());
    answers
}

#[test]
fn answers_wait_until_what_they_rest_on_is_durable() {
    let answers = answers_at_the_gate(GatedDisk::open);
    let [Ok(first), Err(repeat), Err(reused), Err(conflict), Ok(second)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(*repeat, StoreError::Repeated(*first));
    assert_eq!(*reused, StoreError::IdReused { id: first.commit, position: first.last });
    assert!(matches!(conflict, StoreError::Conflict { expected: Revision::ZERO, .. }));
    assert_eq!(second.first, Position::new(2));
}

#[test]
fn answers_that_rest_on_what_was_lost_are_not_given() {
    let answers = answers_at_the_gate(GatedDisk::break_down);
    assert_eq!(answers.len(), 5);
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Closed { .. }))), "{answers:?}");
}

#[test]
fn a_train_that_fills_several_groups_and_segments_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let options = options().group(500);
    let store = FileEventStore::create(directory.path(), options).unwrap();
    let answers = pollster::block_on(store.commit((0..30).map(commit).collect()));
    assert!(answers.iter().all(Result::is_ok));
    drop(store);
    assert_eq!(assert_sound(&FileEventStore::open(directory.path(), options).unwrap()), 30);
}

/// Zeros are laid out behind small groups only, and what a crash leaves is whole either way.
#[test]
fn a_large_group_has_no_zeros_behind_it_and_survives_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let preallocation = 1024 * 1024;
    let options = Options::default().preallocation(preallocation).beacon(None);
    let store = FileEventStore::create(&log, options).unwrap();
    let length = || std::fs::metadata(log.join(segment_name(1))).unwrap().len();
    let crashed = |commits: usize, name: &str| {
        let copy = directory.path().join(name);
        std::fs::create_dir(&copy).unwrap();
        for file in std::fs::read_dir(&log).unwrap() {
            let file = file.unwrap().path();
            std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
        }
        assert_eq!(assert_sound(&FileEventStore::open(&copy, options).unwrap()), commits);
    };
    let train = (0..1000).map(commit).collect();
    assert!(pollster::block_on(store.commit(train)).iter().all(Result::is_ok));
    let written = length();
    assert!((64 * 1024..preallocation).contains(&written), "{written}");
    crashed(1000, "large");
    put(&store, commit(1000)).unwrap();
    assert!(length() >= written + preallocation);
    crashed(1001, "small");
}

#[test]
fn closing_while_callers_commit_answers_everyone() {
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let store = FileEventStore::create(directory.path(), Options::default().preallocation(300)).unwrap();
        let made: usize = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..8)
                .map(|caller| {
                    let store = &store;
                    scope.spawn(move || {
                        let stream = format!("caller/{caller}");
                        (0..)
                            .map(|number| Draft::single(&format!("{caller} {number}"), &stream, number).unwrap())
                            .map_while(|commit| put(store, commit).ok())
                            .count()
                    })
                })
                .collect();
            pollster::block_on(store.grown(Position::new(20))).unwrap();
            pollster::block_on(store.close()).unwrap();
            callers.into_iter().map(|caller| caller.join().unwrap()).sum()
        });
        drop(store);
        let store = FileEventStore::open(directory.path(), Options::default()).unwrap();
        assert_eq!(follow(&store).len(), made);
    }
}

#[test]
fn a_frame_of_an_unknown_kind_is_refused_and_never_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    drop(FileEventStore::create(directory.path(), options()).unwrap());
    std::fs::remove_file(directory.path().join("closed")).unwrap();
    let log = read_format(&OsDisk, directory.path()).unwrap().unwrap();
    let offset = to_u64(SEGMENT_HEADER + FRAME_HEADER);
    let mut frame = mark(FrameKind::Seal, FramePlace { log, segment: 1, offset }, &Head::GENESIS);
    for (octet, kind) in [(4, 4), (5, 1)] {
        frame[octet] = kind;
        let (content, checksum) = frame.split_at_mut(FRAME_HEADER - 8);
        checksum.copy_from_slice(&frame_checksum(FramePlace { log, segment: 1, offset }, content));
        let path = directory.path().join(segment_name(1));
        let mut octets = std::fs::read(&path).unwrap();
        octets.truncate(SEGMENT_HEADER + FRAME_HEADER);
        octets.extend_from_slice(&frame);
        std::fs::write(&path, &octets).unwrap();
        let opened = FileEventStore::open(directory.path(), options());
        assert!(matches!(opened, Err(StoreError::Corrupt { reason, .. }) if reason.contains("kind")));
        let opened = FileEventStore::open_read_only(directory.path(), options());
        assert!(matches!(opened, Err(StoreError::Corrupt { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), octets);
    }
}
