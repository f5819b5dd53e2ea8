//! Makes index files of sealed segments, and merges them, beside the writer: nobody who commits waits for it.
//!
//! Its files are caches. Where one cannot be written, the log goes on without it, and the segments stay in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pca_core::log::StoreError;

use super::open::damaged_index;
use super::shared::Shared;
use super::sync::{Condvar, Mutex, PoisonError};

/// So many entries are merged in some tenths of a second.
const QUICK: u64 = 2_000_000;

pub(crate) struct Indexer {
    shared: Arc<Shared>,
    signal: Mutex<Signal>,
    changed: Condvar,
    /// Tells a merge that is under way to stop.
    stop: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Idle,
    Work,
    End,
}

impl Indexer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let stop = AtomicBool::new(false);
        Self { shared, signal: Mutex::new(Signal::Idle), changed: Condvar::new(), stop }
    }

    /// Whether there is something to do.
    pub(crate) fn is_wanted(&self) -> bool {
        let state = self.shared.lock();
        !state.index.sealed().is_empty() || state.index.runs().wants_merging()
    }

    /// Works until it is told to end.
    pub(crate) fn run(&self) {
        loop {
            let signal = {
                let signal = self.signal.lock().unwrap_or_else(PoisonError::into_inner);
                let mut signal = signal;
                while *signal == Signal::Idle {
                    signal = self.changed.wait(signal).unwrap_or_else(PoisonError::into_inner);
                }
                let taken = *signal;
                if taken == Signal::Work {
                    *signal = Signal::Idle;
                }
                taken
            };
            if signal == Signal::End {
                return;
            }
            self.work();
        }
    }

    /// Covers what was sealed, and merges.
    pub(crate) fn work(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            match self.step(u64::MAX) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return warn(&error),
            }
        }
    }

    /// Covers what was sealed meanwhile, merging what is merged quickly, for whoever opens the log next.
    pub(crate) fn finish(&self) {
        self.stop.store(false, Ordering::Relaxed);
        if let Err(error) = self.step(QUICK) {
            warn(&error);
        }
    }

    /// There are segments to cover.
    pub(crate) fn wake(&self) {
        self.tell(Signal::Work);
    }

    /// It is to end soon.
    pub(crate) fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tell(Signal::End);
    }

    fn tell(&self, signal: Signal) {
        *self.signal.lock().unwrap_or_else(PoisonError::into_inner) = signal;
        self.changed.notify_one();
    }

    /// Makes one index file, of so many entries at most where some are merged, if one is wanted; tells whether it did.
    fn step(&self, most: u64) -> Result<bool, StoreError> {
        let alone = self.shared.indexing();
        let (runs, sealed) = {
            let state = self.shared.lock();
            (Arc::clone(state.index.runs()), state.index.sealed())
        };
        if sealed.is_empty() && (most < u64::MAX || !runs.wants_merging()) {
            return Ok(false);
        }
        let Some(keeper) = self.shared.keeper.get() else { return Ok(false) };
        let (fresh, replaced) = match keeper.cover(&runs, &sealed, most, &self.stop) {
            Ok(Some(covered)) => covered,
            Ok(None) => return Ok(false),
            Err(error) if damaged_index(&error).is_some() => {
                drop(alone);
                self.shared.reindex(&runs, &error)?;
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        tracing::debug!(segments = fresh.covered(), "made an index file");
        let forgotten = self.shared.lock().index.adopt(Arc::new(fresh));
        drop(forgotten);
        keeper.discard(&replaced);
        Ok(true)
    }
}

fn warn(error: &StoreError) {
    tracing::warn!(%error, "the index of sealed segments stays in memory");
}
