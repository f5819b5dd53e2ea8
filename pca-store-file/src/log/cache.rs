//! Commits that were used lately, bounded by octets.

use core::mem;
use std::collections::HashMap;
use std::sync::Arc;

use pca_core::log::Recorded;

use super::index::Place;

/// What a commit costs beside its body, about.
const OVERHEAD: usize = 512;

/// Two generations: what is used moves to the young one; when that is half of the bound, it becomes the old one and
/// what was left in the old one is forgotten. Every operation costs the same however much is kept.
pub(crate) struct Cache {
    young: HashMap<Place, Arc<Recorded>>,
    old: HashMap<Place, Arc<Recorded>>,
    weight: usize,
    bound: usize,
}

impl Cache {
    pub(crate) fn new(octets: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), weight: 0, bound: octets / 2 }
    }

    /// Keeps a commit under its place. What is forgotten for it is handed out, to be dropped outside of a lock.
    #[must_use]
    pub(crate) fn insert(&mut self, place: Place, recorded: Arc<Recorded>) -> Option<HashMap<Place, Arc<Recorded>>> {
        let weight = recorded.commit().body().len() + OVERHEAD;
        if weight > self.bound {
            return None;
        }
        let forgotten = (self.weight + weight > self.bound).then(|| {
            self.weight = 0;
            mem::replace(&mut self.old, mem::take(&mut self.young))
        });
        if self.young.insert(place, recorded).is_none() {
            self.weight += weight;
        }
        forgotten
    }

    pub(crate) fn get(&mut self, place: Place) -> Option<Arc<Recorded>> {
        if let Some(recorded) = self.young.get(&place) {
            return Some(Arc::clone(recorded));
        }
        let recorded = self.old.remove(&place)?;
        let forgotten = self.insert(place, Arc::clone(&recorded));
        drop(forgotten);
        Some(recorded)
    }
}
