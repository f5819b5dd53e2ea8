//! Backups: the same log elsewhere, of a log that is written to meanwhile, and only what is new the second time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use pca_core::log::{Head, StoreError, TransferError, Transferred};
use pca_core::ports::EventStore as _;
use pca_store_file::FileEventStore;
use pca_store_testkit::draft::Draft;
use support::{assert_prefix, commit, contents, copy, fill, follow, named, options, put, segments};

fn backup(log: &FileEventStore, to: &Path) -> Result<Transferred, TransferError> {
    pollster::block_on(log.backup(to, options(), |_| {}))
}

fn read_only(directory: &Path) -> FileEventStore {
    FileEventStore::open_read_only(directory, options()).unwrap()
}

#[test]
fn a_backup_is_the_log_and_the_next_one_adds_what_is_new() {
    let place = tempfile::tempdir().unwrap();
    let (own, other) = (place.path().join("log"), place.path().join("deep/backup"));
    let log = fill(&own, options().segment_size(1600), 7);
    let mut told = Vec::new();
    let done = pollster::block_on(log.backup(&other, options().segment_size(2000), |head: Head| told.push(head)));
    let head = pollster::block_on(log.head()).unwrap();
    assert_eq!(done, Ok(Transferred { commits: 7, added: 7, head }));
    assert_eq!(told.last(), Some(&head));
    assert!(segments(&other).len() > 1);
    assert_prefix(&read_only(&other), 7);
    let before = contents(&other);
    assert_eq!(backup(&log, &other).unwrap().added, 0);
    assert_eq!(contents(&other), before, "nothing new changes nothing");
    (7..9).for_each(|number| assert!(put(&log, commit(number)).is_ok()));
    assert_eq!(backup(&log, &other).map(|done| (done.commits, done.added)), Ok((9, 2)));
    // It is restored by opening it.
    let restored = FileEventStore::open(&other, options()).unwrap();
    assert_prefix(&restored, 9);
    assert_eq!(follow(&restored), follow(&log));
    assert!(put(&restored, commit(9)).is_ok());
}

#[test]
fn a_backup_goes_on_beside_a_writer_and_is_a_beginning_of_its_log() {
    let place = tempfile::tempdir().unwrap();
    let (own, other) = (place.path().join("log"), place.path().join("backup"));
    let log = fill(&own, options(), 5);
    let done = AtomicBool::new(false);
    let mut copied = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (5..200).for_each(|number| assert!(put(&log, commit(number)).is_ok()));
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let found = backup(&read_only(&own), &other).unwrap();
            assert_prefix(&read_only(&other), usize::try_from(found.commits).unwrap());
            copied.push(found.commits);
        }
    });
    assert!(copied.is_sorted(), "{copied:?}");
    pollster::block_on(log.close()).unwrap();
    assert_eq!(backup(&read_only(&own), &other).unwrap().commits, 200);
    assert_prefix(&read_only(&other), 200);
}

#[test]
fn an_interrupted_backup_is_finished() {
    let place = tempfile::tempdir().unwrap();
    let (own, whole) = (place.path().join("log"), place.path().join("whole"));
    let log = fill(&own, options(), 12);
    // As a crash leaves it: cut anywhere, and not closed.
    backup(&log, &whole).unwrap();
    let segment = fs::read(&segments(&whole)[0]).unwrap();
    for length in (96..segment.len()).step_by(97) {
        let cut = place.path().join(format!("cut-{length}"));
        copy(&whole, &cut);
        fs::remove_file(cut.join("closed")).unwrap();
        fs::write(&segments(&cut)[0], &segment[..length]).unwrap();
        assert_eq!(backup(&log, &cut).map(|done| done.commits), Ok(12), "cut at {length}");
        assert_prefix(&read_only(&cut), 12);
    }
    // Before there was a log at all.
    let begun = place.path().join("begun");
    copy(&whole, &begun);
    for name in ["closed", "format"] {
        fs::remove_file(begun.join(name)).unwrap();
    }
    fs::write(&segments(&begun)[0], &segment[..96]).unwrap();
    assert_eq!(backup(&log, &begun).map(|done| done.added), Ok(12));
    assert!(named(&begun, "closed").len() == 1);
}

#[test]
fn another_log_and_the_log_itself_are_no_place_for_a_backup() {
    let place = tempfile::tempdir().unwrap();
    let (own, other) = (place.path().join("log"), place.path().join("other"));
    let log = fill(&own, options(), 3);
    assert!(matches!(backup(&log, &own), Err(TransferError::Store(StoreError::Backend { .. }))));
    pollster::block_on(log.close()).unwrap();
    assert!(matches!(backup(&read_only(&own), &place.path().join("other/../log")), Err(TransferError::Store(_))));
    let another = FileEventStore::create(&other, options()).unwrap();
    for commit in [commit(0), Draft::single("another", "x", 0).unwrap()] {
        assert!(put(&another, commit).is_ok());
    }
    pollster::block_on(another.close()).unwrap();
    drop(another);
    let before = contents(&other);
    assert!(matches!(backup(&read_only(&own), &other), Err(TransferError::Differs { .. })));
    assert_eq!(contents(&other), before);
    // Nor is it healed or closed, as opening it for writing would do.
    fs::remove_file(other.join("closed")).unwrap();
    let segment = segments(&other).remove(0);
    fs::write(&segment, [fs::read(&segment).unwrap(), b"torn".to_vec()].concat()).unwrap();
    let before = contents(&other);
    assert!(matches!(backup(&read_only(&own), &other), Err(TransferError::Differs { .. })));
    assert_eq!(contents(&other), before);
    // Another backup is at work.
    let busy = place.path().join("busy");
    let beginning = fill(&busy, options(), 2);
    assert!(matches!(backup(&read_only(&own), &busy), Err(TransferError::Store(StoreError::InUse { .. }))));
    drop(beginning);
    // A log that goes on elsewhere, as after a restore, is none of its backups any more.
    let longer = place.path().join("longer");
    pollster::block_on(fill(&longer, options(), 4).close()).unwrap();
    assert!(matches!(backup(&read_only(&own), &longer), Err(TransferError::Longer { .. })));
}

#[test]
fn damage_is_not_copied_and_a_damaged_backup_is_found() {
    let place = tempfile::tempdir().unwrap();
    let (own, other) = (place.path().join("log"), place.path().join("backup"));
    let log = fill(&own, options(), 12);
    backup(&log, &other).unwrap();
    pollster::block_on(log.close()).unwrap();
    let log = read_only(&own);
    for directory in [&own, &other] {
        let segment = &segments(directory)[0];
        let sound = fs::read(segment).unwrap();
        let mut flipped = sound.clone();
        flipped[sound.len() / 2] ^= 1;
        fs::write(segment, &flipped).unwrap();
        let found = backup(&log, &other);
        assert!(matches!(found, Err(TransferError::Store(StoreError::Corrupt { .. }))), "{found:?}");
        fs::write(segment, &sound).unwrap();
    }
    let done = backup(&read_only(&own), &other);
    assert_eq!(done.map(|done| done.commits), Ok(12));
}
