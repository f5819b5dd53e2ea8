//! What requests are prepared on: the streams that all of a lane's requests share, as of its newest decisions.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};

use crate::domain::State;
use crate::log::World;

use super::driver::Driver;

/// After how many steps it is made although nobody looked: whoever looks while the lane is busy gets one that is no
/// older, and reads no more behind it.
const STEPS: u32 = 8;

/// Made when somebody looks, and not after every step: most requests are decided in the lane only.
#[derive(Default)]
pub(super) struct View {
    newest: RwLock<Arc<World<State>>>,
    /// Whether the lane has gone on since.
    moved: AtomicBool,
    /// Whether somebody looked while the lane was busy: it then makes the view itself.
    wanted: AtomicBool,
    /// How many steps the lane has taken since.
    steps: AtomicU32,
}

impl View {
    /// The newest view; while the lane is busy, one from at most [`STEPS`] steps before: nobody waits for a step.
    pub(super) fn get(&self, driver: &Mutex<Driver>) -> Arc<World<State>> {
        if self.moved.load(Ordering::SeqCst) {
            match driver.try_lock() {
                Ok(driver) => self.publish(&driver),
                Err(TryLockError::Poisoned(driver)) => self.publish(&driver.into_inner()),
                Err(TryLockError::WouldBlock) => self.wanted.store(true, Ordering::SeqCst),
            }
        }
        Arc::clone(&self.newest.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether nothing was loaded yet.
    pub(super) fn is_empty(&self) -> bool {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The lane has gone on.
    pub(super) fn moved(&self, driver: &Driver) {
        self.moved.store(true, Ordering::SeqCst);
        let steps = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
        if self.wanted.load(Ordering::SeqCst) || steps >= STEPS {
            self.publish(driver);
        }
    }

    /// Makes the view anew. The lane cannot go on meanwhile: whoever has its driver calls this.
    pub(super) fn publish(&self, driver: &Driver) {
        let newest = Arc::new(driver.view());
        self.wanted.store(false, Ordering::SeqCst);
        self.steps.store(0, Ordering::SeqCst);
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = newest;
        // Last: whoever finds that nothing has moved takes what is there.
        self.moved.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::{CaId, stream};
    use crate::log::{Fold as _, Revision, StreamId};

    /// A lane that learns of one more stream with every step.
    fn learn(driver: &mut Driver, stream: &StreamId) {
        let mut loaded = World::default();
        loaded.insert(stream.clone(), Revision::ZERO, State::begin(stream));
        driver.bring(&loaded, stream);
    }

    fn quota(number: u32) -> StreamId {
        stream::quota(&CaId::derive(&crate::log::CommitId::new([7; 16]), number))
    }

    #[test]
    fn whoever_looks_sees_the_newest() {
        let (view, driver) = (View::default(), Mutex::new(Driver::default()));
        assert!(view.is_empty() && view.get(&driver).is_empty());
        for number in 0..3 {
            let mut locked = driver.lock().unwrap();
            learn(&mut locked, &quota(number));
            view.moved(&locked);
            drop(locked);
            assert!(view.get(&driver).get(&quota(number)).is_some());
        }
        assert!(!view.is_empty());
    }

    #[test]
    fn while_the_lane_is_busy_the_one_before_is_given_and_the_next_made() {
        let (view, driver) = (View::default(), Mutex::new(Driver::default()));
        let mut locked = driver.lock().unwrap();
        learn(&mut locked, &quota(0));
        view.moved(&locked);
        assert!(view.get(&driver).is_empty(), "nobody waits");
        view.moved(&locked);
        assert_eq!(view.get(&driver).len(), 1, "the lane has made it itself");
    }

    #[test]
    fn a_view_that_nobody_asks_for_does_not_fall_far_behind() {
        let (view, driver) = (View::default(), Mutex::new(Driver::default()));
        let mut locked = driver.lock().unwrap();
        for step in 1..=STEPS {
            learn(&mut locked, &quota(step));
            view.moved(&locked);
            assert_eq!(view.is_empty(), step < STEPS);
        }
    }
}
