//! What the group commit orders its threads with, in one place, so that its tests can put what is scheduled on purpose in
//! its stead (`schedules/sync.rs`).

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) use event_listener::Event;
pub(crate) use futures_channel::oneshot;
