//! The snapshot store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pca_core::log::StoreError;
use pca_core::ports::{Snapshot, SnapshotKey, SnapshotStore};

/// Snapshots in memory; clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemorySnapshotStore {
    snapshots: Arc<Mutex<HashMap<SnapshotKey, Snapshot>>>,
}

impl MemorySnapshotStore {
    /// Without snapshots.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn snapshots(&self) -> MutexGuard<'_, HashMap<SnapshotKey, Snapshot>> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SnapshotStore for MemorySnapshotStore {
    async fn load(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.snapshots().get(key).cloned())
    }

    /// A snapshot of an earlier revision than the one that is kept is dropped: whoever made it was late.
    async fn save(&self, key: &SnapshotKey, snapshot: Snapshot) -> Result<(), StoreError> {
        let mut snapshots = self.snapshots();
        if snapshots.get(key).is_none_or(|kept| kept.revision <= snapshot.revision) {
            snapshots.insert(key.clone(), snapshot);
        }
        Ok(())
    }

    async fn forget(&self, key: &SnapshotKey) -> Result<(), StoreError> {
        self.snapshots().remove(key);
        Ok(())
    }
}
