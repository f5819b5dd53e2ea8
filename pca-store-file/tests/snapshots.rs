//! Snapshots in files: what lies on disk, and that damage of any kind is absence.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use pca_core::log::{Revision, StoreError};
use pca_core::ports::{Snapshot, SnapshotKey, SnapshotStore};
use pca_store_file::FileSnapshotStore;

fn key(stream: &str, fold_version: u32) -> SnapshotKey {
    SnapshotKey { stream: stream.parse().unwrap(), fold_version }
}

fn snapshot(revision: u64, state: &[u8]) -> Snapshot {
    Snapshot { revision: Revision::new(revision), state: state.into() }
}

fn load(store: &FileSnapshotStore, key: &SnapshotKey) -> Result<Option<Snapshot>, StoreError> {
    pollster::block_on(store.load(key))
}

fn save(store: &FileSnapshotStore, key: &SnapshotKey, snapshot: Snapshot) {
    pollster::block_on(store.save(key, snapshot)).unwrap();
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// `docs/log-format.md`, octet by octet.
#[test]
fn a_file_lies_on_disk_as_the_page_says() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileSnapshotStore::new(directory.path());
    save(&store, &key("quota/a", 7), snapshot(258, b"state"));
    let [file] = files(directory.path()).try_into().unwrap();
    assert_eq!(file.file_name().unwrap(), "7054a0c9498f2ffc55e84c4835eba133.snapshot");
    let octets = fs::read(file).unwrap();
    let head = b"PCA-SNP\n\0\0\0\x01\0\0\0\x07\0\0\0\0\0\0\x01\x02\0\0\0\x07\0\0\0\0\0\0\0\x05quota/astate";
    let (checked, checksum) = octets.split_at(octets.len() - 32);
    assert_eq!(checked, head);
    let text: String = checksum.iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(text, "2e53a11c1f99fd1b43433d93b9db4e133fad442818f393861b9673c67646af77");
}

#[test]
fn every_changed_octet_and_every_cut_is_absence_and_is_healed_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileSnapshotStore::new(directory.path());
    let key = key("quota/a", 1);
    save(&store, &key, snapshot(9, b"state"));
    let [file] = files(directory.path()).try_into().unwrap();
    let good = fs::read(&file).unwrap();
    for at in 0..good.len() {
        let mut octets = good.clone();
        octets[at] ^= 0x10;
        fs::write(&file, octets).unwrap();
        assert_eq!(load(&store, &key), Ok(None), "octet {at}");
        fs::write(&file, &good[..at]).unwrap();
        assert_eq!(load(&store, &key), Ok(None), "cut at {at}");
    }
    fs::write(&file, [good.as_slice(), b"x"].concat()).unwrap();
    assert_eq!(load(&store, &key), Ok(None));
    // An older one than the damaged one said it was is as good as any.
    save(&store, &key, snapshot(3, b"older"));
    assert_eq!(load(&store, &key), Ok(Some(snapshot(3, b"older"))));
}

#[test]
fn a_file_under_the_name_of_another_is_absence() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileSnapshotStore::new(directory.path());
    let (one, other, newer) = (key("quota/a", 1), key("quota/b", 1), key("quota/a", 2));
    save(&store, &one, snapshot(9, b"state"));
    let [file] = files(directory.path()).try_into().unwrap();
    for other in [other, newer] {
        save(&store, &other, snapshot(5, b"other"));
        let place = files(directory.path()).into_iter().find(|path| *path != file).unwrap();
        fs::copy(&file, &place).unwrap();
        assert_eq!(load(&store, &other), Ok(None));
        fs::remove_file(place).unwrap();
    }
    assert_eq!(load(&store, &one), Ok(Some(snapshot(9, b"state"))));
}

#[test]
fn what_a_crash_left_is_in_nobodys_way() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileSnapshotStore::new(directory.path());
    let key = key("quota/a", 1);
    save(&store, &key, snapshot(9, b"state"));
    let [file] = files(directory.path()).try_into().unwrap();
    fs::write(file.with_extension("new"), b"half of one").unwrap();
    assert_eq!(load(&store, &key), Ok(Some(snapshot(9, b"state"))));
    save(&store, &key, snapshot(10, b"newer"));
    assert_eq!(load(&store, &key), Ok(Some(snapshot(10, b"newer"))));
    assert_eq!(files(directory.path()), [file]);
}

#[test]
fn who_only_reads_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("snapshots");
    let (key, reader) = (key("quota/a", 1), FileSnapshotStore::read_only(&place));
    save(&reader, &key, snapshot(9, b"state"));
    assert!(!place.exists());
    save(&FileSnapshotStore::new(&place), &key, snapshot(9, b"state"));
    save(&reader, &key, snapshot(10, b"newer"));
    pollster::block_on(reader.forget(&key)).unwrap();
    assert_eq!(load(&reader, &key), Ok(Some(snapshot(9, b"state"))));
}

/// What cannot be read is trouble, which the service takes for absence, and never a wrong state.
#[test]
fn a_directory_in_the_place_of_a_file_is_trouble() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileSnapshotStore::new(directory.path());
    let key = key("quota/a", 1);
    save(&store, &key, snapshot(9, b"state"));
    let [file] = files(directory.path()).try_into().unwrap();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(load(&store, &key), Err(StoreError::Backend { .. })));
    assert!(pollster::block_on(store.save(&key, snapshot(10, b"newer"))).is_err());
}
