//! A log moved to another store keeps every digest, and what does not fit is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use pca_core::log::{Digest, Head, Position, Recorded, Seal, StoreError};
use pca_core::ports::{EventStore, Limits};
use pca_store_memory::MemoryEventStore;
use pca_store_testkit::draft::Draft;
use pca_store_testkit::model::ModelStore;
use pollster::block_on;

/// The log of another store.
fn log() -> (Head, Vec<Arc<Recorded>>) {
    let store = ModelStore::new();
    let train = (0..5).map(|n| Draft::single(&n.to_string(), "a", n).unwrap()).collect();
    assert!(block_on(store.commit(train)).iter().all(Result::is_ok));
    (block_on(store.head()).unwrap(), block_on(store.follow(Position::ZERO, usize::MAX)).unwrap())
}

#[test]
fn a_log_moves_between_stores() {
    let (head, commits) = log();
    let store = MemoryEventStore::restore(&commits).unwrap();
    assert_eq!(block_on(store.head()), Ok(head));
    assert_eq!(block_on(store.follow(Position::ZERO, usize::MAX)), Ok(commits.clone()));
    let repeat = block_on(store.commit(vec![commits[2].commit().clone()]));
    assert_eq!(repeat, [Err(StoreError::Repeated(commits[2].receipt()))]);
    let next = block_on(store.commit(vec![Draft::single("next", "a", 5).unwrap()]));
    assert!(matches!(next.as_slice(), [Ok(receipt)] if receipt.first == Position::new(6)));
}

#[test]
fn a_log_with_a_fault_is_refused() {
    let refused = |commits: &[Arc<Recorded>], place: &str| match MemoryEventStore::restore(commits) {
        Err(StoreError::Corrupt { place: found, .. }) => assert_eq!(found, place),
        other => panic!("{other:?}"),
    };
    let (_, mut commits) = log();
    let third = commits.remove(2);
    refused(&commits, "position 4");
    commits.insert(3, Arc::clone(&third));
    refused(&commits, "position 4");
    commits.swap(2, 3);
    assert!(MemoryEventStore::restore(&commits).is_ok());
    let seal = Seal { digest: Digest::ZERO, ..*third.seal() };
    commits[2] = Arc::new(Recorded::new(seal, third.commit().clone()));
    refused(&commits, "position 3");
}

#[test]
fn limits_are_kept_when_a_log_is_opened_again() {
    let store = MemoryEventStore::with_limits(Limits { largest_commit: 10 });
    let store = store.reopen().unwrap();
    let refused = block_on(store.commit(vec![Draft::single("1", "a", 0).unwrap()]));
    assert!(matches!(refused.as_slice(), [Err(StoreError::TooLarge { limit: 10, .. })]));
}
