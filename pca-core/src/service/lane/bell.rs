//! Who waits at a lane, and how they are called.

use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// How often somebody looks again before they leave the rest to the others.
const ROUNDS: usize = 16;

/// Calls everybody who waits at a lane to look after it. It rings when a train is answered and when something arrives.
///
/// All are called and not one, because nobody knows who of them is still looked at by an executor: a future may be kept
/// without being polled, and must not keep the others waiting.
#[derive(Debug, Default)]
pub(super) struct Bell {
    /// Whether there is something to be done.
    rung: AtomicBool,
    /// Whether somebody is at it.
    busy: AtomicBool,
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    /// Everybody who is here, with the waker of those who sleep.
    taken: BTreeMap<u64, Option<Waker>>,
}

impl Bell {
    /// Takes a seat among those who wait.
    pub(super) fn sit(&self) -> u64 {
        let mut seats = self.seats();
        let number = seats.next;
        seats.next = number.wrapping_add(1);
        seats.taken.insert(number, None);
        number
    }

    /// Leaves a seat; tells whether nobody is left.
    pub(super) fn rise(&self, seat: u64) -> bool {
        let mut seats = self.seats();
        seats.taken.remove(&seat);
        seats.taken.is_empty()
    }

    /// Whoever has the seat goes to sleep until the bell rings.
    pub(super) fn sleep(&self, seat: u64, waker: &Waker) {
        match self.seats().taken.get_mut(&seat) {
            Some(Some(known)) if known.will_wake(waker) => {}
            Some(place) => *place = Some(waker.clone()),
            None => {}
        }
    }

    /// Says that there is something to be done, without waking anybody: whoever says so looks after it.
    pub(super) fn mark(&self) {
        self.rung.store(true, Ordering::SeqCst);
    }

    /// Says that there is something to be done, and wakes everybody, unless somebody is at it and will look again.
    pub(super) fn ring(&self) {
        self.mark();
        if self.busy.load(Ordering::SeqCst) {
            return;
        }
        let sleeping: Vec<Waker> = self.seats().taken.values_mut().filter_map(Option::take).collect();
        sleeping.into_iter().for_each(Waker::wake);
    }

    /// Does what is to be done, as long as there is something and nobody else is at it.
    ///
    /// Nothing is missed: what is marked while somebody is at it is seen by them, who look again after they have said
    /// that they are no longer.
    pub(super) fn answer(&self, mut work: impl FnMut()) {
        for _ in 0..ROUNDS {
            if !self.rung.load(Ordering::SeqCst) {
                return;
            }
            let Some(_busy) = Busy::begin(self) else { return };
            self.rung.store(false, Ordering::SeqCst);
            work();
        }
        // Others go on: nobody serves for ever while their own answer is there.
        if self.rung.load(Ordering::SeqCst) {
            self.ring();
        }
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// That somebody is at it, until it is dropped.
struct Busy<'a>(&'a Bell);

impl<'a> Busy<'a> {
    fn begin(bell: &'a Bell) -> Option<Self> {
        let begun = bell.busy.compare_exchange(false, true, Ordering::SeqCst, Ordering::SeqCst);
        begun.is_ok().then_some(Self(bell))
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::SeqCst);
    }
}
