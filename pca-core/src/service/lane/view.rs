//! What requests are prepared on: the streams that all of a lane's requests share, as of its newest decision.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};

use crate::domain::State;
use crate::log::World;

use super::driver::Driver;

/// Made when somebody looks, and not after every step: most requests are decided in the lane only.
#[derive(Default)]
pub(super) struct View {
    newest: RwLock<Arc<World<State>>>,
    /// Whether the lane has gone on since.
    moved: AtomicBool,
    /// Whether somebody looked while the lane was busy: it then makes the view itself.
    wanted: AtomicBool,
}

impl View {
    /// The newest view, or the one before a step that is being taken: nobody waits for that.
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
        if self.wanted.swap(false, Ordering::SeqCst) {
            self.publish(driver);
        }
    }

    /// Makes the view anew. The lane cannot go on meanwhile: whoever has its driver calls this.
    pub(super) fn publish(&self, driver: &Driver) {
        let newest = Arc::new(driver.view());
        self.moved.store(false, Ordering::SeqCst);
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = newest;
    }
}
