//! Commits that were used lately, bounded by octets.

use core::mem;
use std::collections::HashMap;
use std::sync::Arc;

use pca_core::log::Recorded;

/// What a commit costs beside its body, about.
const OVERHEAD: usize = 512;

/// Two generations: what is used moves to the young one; when that is half of the bound, it becomes the old one and
/// what was left in the old one is forgotten. Every operation costs the same however much is kept.
pub(crate) struct Cache {
    young: HashMap<u32, Arc<Recorded>>,
    old: HashMap<u32, Arc<Recorded>>,
    weight: usize,
    bound: usize,
}

impl Cache {
    pub(crate) fn new(octets: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), weight: 0, bound: octets / 2 }
    }

    /// Keeps a commit under its number. What is forgotten for it is handed out, to be dropped outside of a lock.
    #[must_use]
    pub(crate) fn insert(&mut self, number: u32, recorded: Arc<Recorded>) -> Option<HashMap<u32, Arc<Recorded>>> {
        let weight = recorded.commit().body().len() + OVERHEAD;
        if weight > self.bound {
            return None;
        }
        let forgotten = (self.weight + weight > self.bound).then(|| {
            self.weight = 0;
            mem::replace(&mut self.old, mem::take(&mut self.young))
        });
        if self.young.insert(number, recorded).is_none() {
            self.weight += weight;
        }
        forgotten
    }

    pub(crate) fn get(&mut self, number: u32) -> Option<Arc<Recorded>> {
        if let Some(recorded) = self.young.get(&number) {
            return Some(Arc::clone(recorded));
        }
        let recorded = self.old.remove(&number)?;
        let forgotten = self.insert(number, Arc::clone(&recorded));
        drop(forgotten);
        Some(recorded)
    }
}
