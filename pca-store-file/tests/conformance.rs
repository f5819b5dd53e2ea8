//! The file store keeps every rule of the suite, with ordinary segments and with tiny ones.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pca_core::ports::{EventStore, SnapshotStore};
use pca_store_file::{FileEventStore, FileSnapshotStore, Options};
use pca_store_testkit::event_store::Harness;
use pca_store_testkit::{event_store_conformance, snapshot_store, snapshot_store_conformance};
use tempfile::TempDir;

/// Makes each log in a directory of its own, and keeps the directories until it is dropped.
struct Directories {
    options: Options,
    made: Mutex<Vec<TempDir>>,
}

impl Directories {
    fn new(options: Options) -> Self {
        Self { options, made: Mutex::default() }
    }
}

impl Harness for Directories {
    fn create(&self) -> Arc<dyn EventStore> {
        let directory = tempfile::tempdir().unwrap_or_else(|error| unreachable!("a directory for a test: {error}"));
        let store = FileEventStore::create(directory.path(), self.options);
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(directory);
        Arc::new(store.unwrap_or_else(|error| unreachable!("a new log: {error}")))
    }

    fn reopen(&self) -> Option<Arc<dyn EventStore>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let store = FileEventStore::open(made.last()?.path(), self.options);
        Some(Arc::new(store.unwrap_or_else(|error| unreachable!("the log that was made: {error}"))))
    }
}

mod ordinary {
    use super::*;
    event_store_conformance!(Directories::new(Options::default().preallocation(64 * 1024)));
}

mod tiny {
    use super::*;
    event_store_conformance!(Directories::new(
        Options::default()
            .segment_size(1500)
            .preallocation(700)
            .cache(0)
            .group(600)
            .beacon(Some(Duration::from_micros(50)))
    ));
}

impl snapshot_store::Harness for Directories {
    fn create(&self) -> Arc<dyn SnapshotStore> {
        let directory = tempfile::tempdir().unwrap_or_else(|error| unreachable!("a directory for a test: {error}"));
        let store = FileSnapshotStore::new(directory.path().join("snapshots"));
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(directory);
        Arc::new(store)
    }

    fn reopen(&self) -> Option<Arc<dyn SnapshotStore>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::new(FileSnapshotStore::new(made.last()?.path().join("snapshots"))))
    }
}

mod snapshots {
    use super::*;
    snapshot_store_conformance!(Directories::new(Options::default()));
}
