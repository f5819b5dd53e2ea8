//! A disk that runs full and is freed again: the error is typed and says so, nothing that was acknowledged is lost, and
//! after room was made it goes on.

use std::path::PathBuf;

use pca_core::keys::{Algorithm, KeyError, KeyId, KeyRequest, KeyUse};
use pca_core::log::{Commit, CommitId, Position, Receipt, StoreError};
use pca_core::ports::{EventStore as _, KeyStore as _};
use pca_store_file::{FileEventStore, FileKeyStore, FileKeyStoreOptions, Options};
use pca_store_testkit::draft::Draft;

use crate::kit::PASSPHRASE;
use crate::mounts::Mount;
use crate::support::{assert_balanced, assert_told, issued, lines, requests, run, shop, yes};

const FULL: &str = "No space left";

/// Something that can be thrown away when room is needed.
fn ballast(disk: &Mount, octets: usize) -> PathBuf {
    let path = disk.path().join("ballast");
    std::fs::write(&path, vec![1; octets]).unwrap();
    path
}

fn commit(number: usize) -> Commit {
    let (stream, payload) = (format!("own/{number}"), vec![7; 500 + number % 5_000]);
    Draft::new(&format!("{number}")).guard(&stream, 0).event(&[&stream], &payload).build().unwrap()
}

fn put(store: &FileEventStore, number: usize) -> Result<Receipt, StoreError> {
    pollster::block_on(store.commit(vec![commit(number)])).remove(0)
}

#[test]
fn the_log_ends_with_a_reason_and_goes_on_when_there_is_room() {
    for (segment, preallocation) in [(64 << 20, 4 << 20), (100_000, 20_000), (64 << 20, 0)] {
        let Some(disk) = Mount::memory("12m") else { return };
        let log = disk.path().join("log");
        let options = Options::default().segment_size(segment).preallocation(preallocation);
        let store = FileEventStore::create(&log, options).unwrap();
        // More than what is laid out ahead: with less room than that nothing is taken.
        let ballast = ballast(&disk, 6 << 20);
        let mut receipts = Vec::new();
        let refused = loop {
            match put(&store, receipts.len()) {
                Ok(receipt) => receipts.push(receipt),
                Err(error) => break error,
            }
        };
        assert!(matches!(&refused, StoreError::Closed { reason } if reason.contains(FULL)), "{refused:?}");
        let later = put(&store, receipts.len() + 1).unwrap_err();
        assert!(matches!(later, StoreError::Closed { .. }), "nothing is tried again: {later:?}");
        drop(store);
        // While it is full it may be opened or not; that is no damage, and does none.
        match FileEventStore::open(&log, options) {
            Ok(store) => assert!(receipts.len() <= all(&store)),
            Err(StoreError::Backend { detail, .. }) => assert!(detail.contains(FULL), "{detail}"),
            Err(other) => panic!("{other:?}"),
        }
        let reader = FileEventStore::open_read_only(&log, options).unwrap();
        assert!(all(&reader) + 1 >= receipts.len(), "all but the last group can be read");
        std::fs::remove_file(ballast).unwrap();
        let store = FileEventStore::open(&log, options).unwrap();
        for receipt in &receipts {
            let kept = pollster::block_on(store.receipt(receipt.commit, receipt.request)).unwrap();
            assert_eq!(kept.as_ref(), Some(receipt));
        }
        // What was not answered is there or not, and asking again tells.
        match put(&store, receipts.len()) {
            Ok(_) | Err(StoreError::Repeated(_)) => {}
            other => panic!("{other:?}"),
        }
        put(&store, receipts.len() + 2).unwrap();
        pollster::block_on(store.close()).unwrap();
        assert!(receipts.len() > 20, "{}", receipts.len());
    }
}

fn all(store: &FileEventStore) -> usize {
    pollster::block_on(store.follow(Position::ZERO, usize::MAX)).unwrap().len()
}

#[test]
fn the_key_store_ends_with_a_reason_and_goes_on_when_there_is_room() {
    let Some(disk) = Mount::memory("256k") else { return };
    let (keys, options) = (disk.path().join("keys"), FileKeyStoreOptions::default);
    let store = FileKeyStore::create(&keys, PASSPHRASE.into(), options()).unwrap();
    let ballast = ballast(&disk, 64 << 10);
    let request = |number: usize, key_use| KeyRequest {
        id: KeyId::derive(&CommitId::from_idempotency_key(&number.to_string()), 0),
        algorithm: Algorithm::EcdsaP256,
        key_use,
    };
    let mut made = Vec::new();
    let refused = loop {
        // Keys of holders share a file; that of an authority has one of its own.
        let key_use = if made.len() % 20 == 19 { KeyUse::CertificateAuthority } else { KeyUse::Holder };
        let request = request(made.len(), key_use);
        match pollster::block_on(store.generate(std::slice::from_ref(&request))).remove(0) {
            Ok(public) => made.push((request.id, public)),
            Err(error) => break error,
        }
    };
    assert!(matches!(&refused, KeyError::Backend { detail } if detail.contains(FULL)), "{refused:?}");
    let check = |store: &FileKeyStore| {
        for (id, public) in &made {
            assert_eq!(pollster::block_on(store.public_key(id)).unwrap(), *public);
        }
    };
    check(&store);
    drop(store);
    match FileKeyStore::open(&keys, PASSPHRASE.into(), options()) {
        Ok(store) => check(&store),
        Err(KeyError::Backend { detail }) => assert!(detail.contains(FULL), "{detail}"),
        Err(other) => panic!("{other:?}"),
    }
    std::fs::remove_file(ballast).unwrap();
    let store = FileKeyStore::open(&keys, PASSPHRASE.into(), options()).unwrap();
    check(&store);
    let next = [request(made.len(), KeyUse::Holder), request(made.len() + 1, KeyUse::CertificateAuthority)];
    assert!(pollster::block_on(store.generate(&next)).iter().all(Result::is_ok));
    let checked = pollster::block_on(store.check_all()).unwrap();
    assert!(made.len() > 50, "{checked:?}");
}

#[test]
fn a_bulk_on_a_full_disk_ends_with_trouble_and_completes_when_there_is_room() {
    let Some(disk) = Mount::memory("9m") else { return };
    let (home, dir) = (tempfile::tempdir().unwrap(), disk.path().join("data"));
    let ca = shop(&dir, 10_000);
    // Room for what the log lays out ahead, and little more.
    let ballast = ballast(&disk, (5 << 20) - (200 << 10));
    let file = home.path().join("requests");
    std::fs::write(&file, requests(600)).unwrap();
    let out = |number: usize| home.path().join(format!("out-{number}")).display().to_string();
    let bulk = |number: usize| {
        run(&dir, &["issue", "bulk", &ca, file.to_str().unwrap(), "--out", &out(number), "--key", "the bulk"])
    };
    let full = bulk(1);
    assert_eq!(full.code, 3, "{full:?}");
    assert!(full.json()["error"]["message"].as_str().unwrap().contains(FULL), "{full:?}");
    let told = lines(out(1).as_ref());
    // Questions need no room.
    assert_eq!(yes(&dir, &["verify"])["ok"], true);
    std::fs::remove_file(ballast).unwrap();
    let done = bulk(2);
    assert_eq!(done.json()["issued"], 600, "{done:?}");
    let whole = lines(out(2).as_ref());
    assert_eq!(told, whole[..told.len()]);
    assert_told(&dir, &whole);
    assert_eq!(issued(&dir).len(), 600);
    assert_balanced(&dir, &ca);
}
