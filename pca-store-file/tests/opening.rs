//! Opening and closing: who may write, what is no log, and reading beside a writer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::fs;
use std::process::Command;
use std::sync::Barrier;
use std::time::Duration;

use pca_core::log::{Position, Revision, StoreError, StreamId, Verifier};
use pca_core::ports::EventStore as _;
use pca_store_file::FileEventStore;
use pca_store_testkit::draft::Draft;
use support::{assert_prefix, commit, copy, fill, follow, frames, named, options, put, segments};

fn detail(opened: Result<FileEventStore, StoreError>) -> String {
    match opened {
        Err(StoreError::Backend { detail, retryable: false }) => detail,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_second_writer_is_told_who_holds_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileEventStore::create(directory.path(), options()).unwrap();
    let holder = format!("process {}", std::process::id());
    let second = FileEventStore::open(directory.path(), options());
    assert!(matches!(second, Err(StoreError::InUse { holder: told }) if told == holder));
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tries_as_another_process", "--nocapture"])
        .env("PCA_TEST_LOG", directory.path())
        .output()
        .unwrap();
    let out = String::from_utf8(out.stdout).unwrap();
    assert!(out.contains(&format!("told: {holder}.")), "{out}");
    pollster::block_on(store.close()).unwrap();
    assert!(FileEventStore::open(directory.path(), options()).is_ok(), "closing gives the lock back");
}

/// Does nothing unless the test above runs it.
#[test]
fn tries_as_another_process() {
    if let Some(directory) = std::env::var_os("PCA_TEST_LOG") {
        match FileEventStore::open(directory, options()) {
            Err(StoreError::InUse { holder }) => eprintln_and_out(&format!("told: {holder}.")),
            other => unreachable!("{other:?}"),
        }
    }
}

#[allow(clippy::print_stdout)]
fn eprintln_and_out(text: &str) {
    println!("{text}");
}

#[test]
fn what_is_no_log_is_not_opened_and_what_is_one_is_not_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("a/b");
    assert!(detail(FileEventStore::open(&nowhere, options())).contains("there is no log"));
    assert!(detail(FileEventStore::open_read_only(&nowhere, options())).contains("there is no log"));
    assert!(detail(FileEventStore::open(directory.path(), options())).contains("there is no log"));
    assert!(named(directory.path(), "").is_empty(), "nothing was made");
    drop(FileEventStore::create(&nowhere, options()).unwrap());
    assert!(detail(FileEventStore::create(&nowhere, options())).contains("already"));
    drop(FileEventStore::open_or_create(&nowhere, options()).unwrap());
    fs::write(nowhere.join("notes.txt"), "of somebody").unwrap();
    drop(FileEventStore::open(&nowhere, options()).unwrap());
    fs::write(nowhere.join("backup.log"), "of somebody").unwrap();
    assert!(
        matches!(FileEventStore::open(&nowhere, options()), Err(StoreError::Corrupt { place, .. }) if place == "backup.log")
    );
}

#[test]
fn a_newer_format_is_refused_as_such() {
    let directory = tempfile::tempdir().unwrap();
    pollster::block_on(fill(directory.path(), options(), 1).close()).unwrap();
    let path = directory.path().join("format");
    let mut octets = fs::read(&path).unwrap();
    octets[8..12].copy_from_slice(&2_u32.to_be_bytes());
    fs::write(&path, octets).unwrap();
    let told = detail(FileEventStore::open(directory.path(), options()));
    assert!(told.contains("version 2") && told.contains("newer"), "{told}");
    assert!(detail(FileEventStore::open_read_only(directory.path(), options())).contains("version 2"));
}

#[test]
fn a_log_without_its_format_file_or_segments_is_damaged_and_an_interrupted_creation_is_not() {
    let directory = tempfile::tempdir().unwrap();
    pollster::block_on(fill(directory.path(), options(), 1).close()).unwrap();
    let path = directory.path().join("format");
    let format = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let damaged = |opened: Result<FileEventStore, StoreError>| matches!(opened, Err(StoreError::Corrupt { .. }));
    assert!(damaged(FileEventStore::open(directory.path(), options())));
    assert!(damaged(FileEventStore::open_or_create(directory.path(), options())));
    assert!(damaged(FileEventStore::open_read_only(directory.path(), options())), "a reader is told the same");
    fs::write(&path, format).unwrap();
    fs::remove_file(&segments(directory.path())[0]).unwrap();
    assert!(damaged(FileEventStore::open_or_create(directory.path(), options())));
    assert!(damaged(FileEventStore::open_read_only(directory.path(), options())));

    let half = tempfile::tempdir().unwrap();
    drop(FileEventStore::create(half.path(), options()).unwrap());
    fs::remove_file(half.path().join("format")).unwrap();
    fs::remove_file(half.path().join("closed")).unwrap();
    let segment = segments(half.path()).remove(0);
    fs::write(&segment, &fs::read(&segment).unwrap()[..96]).unwrap();
    fs::write(half.path().join("format.new"), "half").unwrap();
    assert!(detail(FileEventStore::open(half.path(), options())).contains("there is no log"));
    assert!(detail(FileEventStore::open_read_only(half.path(), options())).contains("there is no log"));
    let store = FileEventStore::create(half.path(), options()).unwrap();
    assert!(put(&store, commit(0)).is_ok());
    drop(store);
    assert_prefix(&FileEventStore::open(half.path(), options()).unwrap(), 1);
    assert!(named(half.path(), "format.new").is_empty());
}

#[test]
fn segments_of_another_log_are_refused() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(fill(ours.path(), options(), 2));
    drop(fill(theirs.path(), options(), 2));
    fs::copy(&segments(theirs.path())[0], &segments(ours.path())[0]).unwrap();
    let opened = FileEventStore::open(ours.path(), options());
    assert!(matches!(opened, Err(StoreError::Corrupt { reason, .. }) if reason.contains("another log")));
}

#[test]
fn a_closed_store_takes_nothing_and_opening_without_writing_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = fill(directory.path(), options(), 3);
    pollster::block_on(store.close()).unwrap();
    pollster::block_on(store.close()).unwrap();
    assert!(matches!(put(&store, commit(3)), Err(StoreError::Closed { .. })));
    let grown = pollster::block_on(store.grown(Position::new(3)));
    assert!(matches!(grown, Err(StoreError::Closed { .. })));
    assert_prefix(&store, 3);
    let snapshot = || -> Vec<_> {
        let mut files: Vec<_> =
            named(directory.path(), "").into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        files.sort();
        files
    };
    let before = snapshot();
    for _ in 0..2 {
        let store = FileEventStore::open(directory.path(), options()).unwrap();
        assert_prefix(&store, 3);
        drop(store);
        assert_eq!(snapshot(), before);
    }
}

#[test]
fn a_reader_beside_the_writer_serves_what_is_named_as_durable_and_then_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let options = options().segment_size(1500);
    let store = fill(directory.path(), options, 1);
    let reader = FileEventStore::open_read_only(directory.path(), options).unwrap();
    assert!(matches!(put(&reader, commit(1)), Err(StoreError::Closed { .. })));
    for number in 1..20 {
        let receipt = put(&store, commit(number)).unwrap();
        let seen = follow(&reader).unwrap().len();
        assert_eq!(u64::try_from(seen).unwrap(), number, "all but the last group");
        let told = pollster::block_on(reader.receipt(receipt.commit, receipt.request)).unwrap();
        assert_eq!(told, None, "the last group is not known to be durable");
    }
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| pollster::block_on(reader.grown(Position::new(19))));
        pollster::block_on(store.close()).unwrap();
        assert_eq!(waiter.join().unwrap().unwrap(), pollster::block_on(store.head()).unwrap());
    });
    assert_prefix(&reader, 20);
    drop(store);
    let store = FileEventStore::open(directory.path(), options).unwrap();
    put(&store, commit(20)).unwrap();
    put(&store, commit(21)).unwrap();
    assert_prefix(&reader, 21);
    let shared = [(StreamId::parse("shared").unwrap(), Revision::new(19))];
    let read = pollster::block_on(reader.read(&shared, Position::MAX)).unwrap();
    assert_eq!((read.at, read.streams[0].events.len()), (Position::new(21), 2));
}

#[test]
fn a_beacon_shows_the_newest_commit_to_a_reader_and_covers_it() {
    let directory = tempfile::tempdir().unwrap();
    let options = options().beacon(Some(Duration::from_millis(1)));
    let store = FileEventStore::create(directory.path(), options).unwrap();
    let reader = FileEventStore::open_read_only(directory.path(), options).unwrap();
    for number in 0..3 {
        let receipt = put(&store, commit(number)).unwrap();
        let before = Position::new(receipt.first.get() - 1);
        assert_eq!(pollster::block_on(reader.grown(before)).unwrap().digest, receipt.digest);
    }
    let crashed = tempfile::tempdir().unwrap();
    copy(directory.path(), crashed.path());
    let path = segments(crashed.path()).remove(0);
    let mut octets = fs::read(&path).unwrap();
    let frames = frames(&octets);
    assert_eq!(frames.len(), 1 + 2 * 3, "one beacon behind each commit");
    octets[frames[4] + 130] ^= 1;
    fs::write(&path, octets).unwrap();
    let opened = FileEventStore::open(crashed.path(), options);
    assert!(matches!(opened, Err(StoreError::Corrupt { reason, .. }) if reason.contains("was durable")));
}

#[test]
fn what_a_crash_left_is_named_as_durable_once_it_was_opened_for_writing() {
    let (live, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = fill(live.path(), options(), 2);
    copy(live.path(), crashed.path());
    drop(store);
    let reader = FileEventStore::open_read_only(crashed.path(), options()).unwrap();
    assert_prefix(&reader, 1);
    let store = FileEventStore::open(crashed.path(), options().beacon(Some(Duration::ZERO))).unwrap();
    assert_prefix(&store, 2);
    pollster::block_on(reader.grown(Position::new(1))).unwrap();
    assert_prefix(&reader, 2);
}

#[test]
fn sixty_four_callers_keep_the_log_sound_through_many_segments() {
    const CALLERS: u64 = 64;
    const EACH: u64 = 20;
    let directory = tempfile::tempdir().unwrap();
    let options = options().segment_size(40_000).group(8_000).cache(20_000);
    let store = FileEventStore::create(directory.path(), options).unwrap();
    let (barrier, reader) = (Barrier::new(64), FileEventStore::open_read_only(directory.path(), options).unwrap());
    let receipts: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (store, barrier, reader) = (&store, &barrier, &reader);
                scope.spawn(move || {
                    barrier.wait();
                    let mut receipts = Vec::new();
                    for number in 0..EACH {
                        let name = format!("{caller} {number}");
                        let commit = Draft::single(&name, &format!("caller/{caller}"), number).unwrap();
                        receipts.push(put(store, commit).unwrap());
                        if caller == 0 {
                            follow(reader).unwrap();
                        }
                    }
                    receipts
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    drop(store);
    assert!(segments(directory.path()).len() > 5);
    let store = FileEventStore::open(directory.path(), options).unwrap();
    let mut verifier = Verifier::default();
    let all = follow(&store).unwrap();
    all.iter().for_each(|recorded| assert_eq!(verifier.follow(recorded), []));
    assert_eq!(verifier.commits(), CALLERS * EACH);
    assert_eq!(follow(&reader).unwrap(), all);
    for receipt in receipts {
        let told = pollster::block_on(store.receipt(receipt.commit, receipt.request)).unwrap();
        assert_eq!(told, Some(receipt));
    }
}

/// What is followed at once is bounded by its octets, too, however many events are asked for.
#[test]
fn large_commits_are_followed_a_few_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileEventStore::create(directory.path(), options()).unwrap();
    let payload = vec![7; 15 * 1024 * 1024];
    for number in 0..6 {
        let name = format!("large/{number}");
        let commit = Draft::new(&name).guard(&name, 0).event(&[&name], &payload).build().unwrap();
        assert!(put(&store, commit).is_ok());
    }
    let mut steps = Vec::new();
    let mut after = Position::ZERO;
    while after < Position::new(6) {
        let some = pollster::block_on(store.follow(after, usize::MAX)).unwrap();
        after = some.last().unwrap().seal().last();
        steps.push(some.len());
    }
    assert_eq!(steps, [5, 1]);
}
