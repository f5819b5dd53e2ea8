//! What the tests of the file store share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pca_core::log::{Commit, Position, Receipt, Recorded, StoreError, Verifier};
use pca_core::ports::EventStore as _;
use pca_store_file::{FileEventStore, Options};
use pca_store_testkit::draft::Draft;

/// Small segments and beacons are set where a test wants them; zeros are laid out, but few.
pub fn options() -> Options {
    Options::default().preallocation(1024).cache(0).beacon(None)
}

/// The n-th commit: an event in a stream that all share and in one of its own.
pub fn commit(number: u64) -> Commit {
    let (name, own) = (format!("commit {number}"), format!("own/{number}"));
    let payload = name.repeat(1 + usize::try_from(number % 4).unwrap());
    Draft::new(&name)
        .guard("shared", number)
        .guard(&own, 0)
        .event(&["shared", &own], payload.as_bytes())
        .build()
        .unwrap()
}

pub fn put(store: &FileEventStore, commit: Commit) -> Result<Receipt, StoreError> {
    let mut answers = pollster::block_on(store.commit(vec![commit]));
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Makes a log with commits, each in a group of its own, and leaves it open.
pub fn fill(directory: &Path, options: Options, commits: u64) -> FileEventStore {
    let store = FileEventStore::create(directory, options).unwrap();
    (0..commits).for_each(|number| assert!(put(&store, commit(number)).is_ok()));
    store
}

pub fn follow(store: &FileEventStore) -> Result<Vec<Arc<Recorded>>, StoreError> {
    pollster::block_on(store.follow(Position::ZERO, usize::MAX))
}

/// Everything in the log, checked from its beginning, and that it is the first commits of [`commit`].
#[track_caller]
pub fn assert_prefix(store: &FileEventStore, commits: usize) {
    let all = follow(store).unwrap();
    assert_eq!(all.len(), commits, "so many commits");
    let mut verifier = Verifier::default();
    for (recorded, number) in all.iter().zip(0..) {
        assert_eq!(verifier.follow(recorded), [], "the log is sound");
        assert_eq!(recorded.commit().body(), commit(number).body(), "commit {number} to the octet");
    }
    assert_eq!(pollster::block_on(store.head()).unwrap(), verifier.head());
}

/// Copies the files of a log, as another process or a crash would find them.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

pub fn segments(directory: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = names.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    segments.sort();
    segments
}

pub fn named(directory: &Path, beginning: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(beginning)).collect()
}

/// The offsets in a segment at which frames begin, and where the last one ends.
pub fn frames(octets: &[u8]) -> Vec<usize> {
    let mut offsets = vec![96];
    while octets.get(*offsets.last().unwrap()..).is_some_and(|rest| rest.starts_with(b"PCAf")) {
        let at = *offsets.last().unwrap();
        let body = u32::from_be_bytes(octets.get(at + 8..at + 12).unwrap().try_into().unwrap());
        offsets.push((at + 112 + usize::try_from(body).unwrap()).next_multiple_of(8));
    }
    offsets
}

/// The files in a directory but for the lock, with what is in them.
pub fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.is_file() && !path.ends_with("lock"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}
