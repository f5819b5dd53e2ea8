//! The memory stores keep every rule of the suite.

use std::sync::{Arc, Mutex};

use pca_core::ports::EventStore;
use pca_store_memory::{MemoryEventStore, MemorySnapshotStore};
use pca_store_testkit::event_store::Harness;
use pca_store_testkit::{event_store_conformance, snapshot_store_conformance};

/// Reads the log back from its octets in place of closing and opening it.
#[derive(Default)]
struct Reopened(Mutex<Option<MemoryEventStore>>);

impl Reopened {
    fn keep(&self, store: MemoryEventStore) -> Arc<dyn EventStore> {
        if let Ok(mut newest) = self.0.lock() {
            *newest = Some(store.clone());
        }
        Arc::new(store)
    }
}

impl Harness for Reopened {
    fn create(&self) -> Arc<dyn EventStore> {
        self.keep(MemoryEventStore::new())
    }

    fn reopen(&self) -> Option<Arc<dyn EventStore>> {
        let newest = self.0.lock().ok()?.clone()?;
        newest.reopen().ok().map(|store| self.keep(store))
    }

    fn rounds(&self) -> usize {
        300
    }
}

mod events {
    use super::*;
    event_store_conformance!(Reopened::default());
}

mod snapshots {
    use super::*;
    snapshot_store_conformance!(MemorySnapshotStore::new);
}
