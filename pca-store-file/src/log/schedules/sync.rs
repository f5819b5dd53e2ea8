//! What `../sync.rs` offers, with scheduling points: shuttle's where it has one, wrapped where it has none.
//!
//! `event_listener` and `futures_channel` are not shuttle's. They never block by themselves, and whoever awaits them does
//! so in shuttle's `block_on`; a scheduling point before each of their operations lets other threads come between.

use core::future::Future;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use shuttle::rand::{Rng as _, thread_rng};
use shuttle::sync::LockResult;
use shuttle::sync::atomic::{AtomicBool, Ordering};

pub(crate) use shuttle::sync::PoisonError;

/// Another thread may go on here.
pub(crate) fn point() {
    AtomicBool::new(false).load(Ordering::SeqCst);
}

#[derive(Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let guarded = |guard| MutexGuard { mutex: &self.0, guard };
        self.0.lock().map(guarded).map_err(|error| PoisonError::new(guarded(error.into_inner())))
    }
}

/// Knows its mutex, so that waiting can come to its end by itself.
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a shuttle::sync::Mutex<T>,
    guard: shuttle::sync::MutexGuard<'a, T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

pub(crate) struct Condvar(shuttle::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(shuttle::sync::Condvar::new())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let mutex = guard.mutex;
        let guarded = |guard| MutexGuard { mutex, guard };
        self.0.wait(guard.guard).map(guarded).map_err(|error| PoisonError::new(guarded(error.into_inner())))
    }

    /// There is no time here: either it has passed as soon as everybody else had a chance to go on, or it never does.
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, TimedOut)> {
        if thread_rng().gen_bool(0.5) {
            let guard = self.wait(guard).unwrap_or_else(PoisonError::into_inner);
            return Ok((guard, TimedOut(false)));
        }
        let mutex = guard.mutex;
        drop(guard);
        point();
        let guard = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((MutexGuard { mutex, guard }, TimedOut(true)))
    }
}

/// Whether waiting came to its end by itself.
#[derive(Clone, Copy)]
pub(crate) struct TimedOut(bool);

impl TimedOut {
    pub(crate) fn timed_out(self) -> bool {
        self.0
    }
}

pub(crate) struct Event(event_listener::Event);

impl Event {
    pub(crate) fn new() -> Self {
        Self(event_listener::Event::new())
    }

    pub(crate) fn listen(&self) -> event_listener::EventListener {
        point();
        self.0.listen()
    }

    pub(crate) fn notify(&self, count: usize) {
        point();
        self.0.notify(count);
    }
}

pub(crate) mod oneshot {
    use super::{Context, Future, Pin, Poll, point};
    use futures_channel::oneshot;

    pub(crate) struct Sender<T>(oneshot::Sender<T>);
    pub(crate) struct Receiver<T>(oneshot::Receiver<T>);

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Sender(sender), Receiver(receiver))
    }

    impl<T> Sender<T> {
        pub(crate) fn send(self, value: T) -> Result<(), T> {
            point();
            self.0.send(value)
        }
    }

    impl<T> Future for Receiver<T> {
        type Output = Result<T, oneshot::Canceled>;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            point();
            Pin::new(&mut self.0).poll(context)
        }
    }
}
