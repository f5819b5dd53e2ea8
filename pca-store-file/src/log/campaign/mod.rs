//! Campaigns: very many crashes, failing calls and flipped bits, on the simulated disk.
//!
//! Each is deterministic by its seed, apart from the log's random id. `PCA_FIRE=N` asks for so many cases, of the whole
//! range evenly; `PCA_SEED=S` repeats one; without them a slice is run. `docs/log-format.md` has the commands and figures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::indexing_slicing, clippy::as_conversions)]

mod bits;
mod crash;
mod faults;
mod history;
mod mutants;
mod session;

use core::fmt::Debug;
use core::ops::AddAssign;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Options;
use history::{DIRECTORY, History, check, contents};
use session::Session;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// What a campaign counts.
trait Figures: AddAssign + Debug + Default + Send {
    /// How many cases these are.
    fn cases(&self) -> u64;
}

/// Runs seed after seed until there were so many cases.
fn by_seed<F: Figures>(campaign: &str, slice: u64, case: impl Fn(u64) -> Result<F, String> + Sync) -> F {
    let repeated = number("PCA_SEED");
    let wanted = if repeated.is_some() { 1 } else { number("PCA_FIRE").unwrap_or(slice) };
    let (next, stop) = (AtomicU64::new(repeated.unwrap_or(1)), AtomicBool::new(false));
    let (total, failure) = (Mutex::new(F::default()), Mutex::new(None));
    let threads = if repeated.is_some() { 1 } else { std::thread::available_parallelism().map_or(1, Into::into) };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) && total.lock().unwrap().cases() < wanted {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    match case(seed) {
                        Ok(figures) => *total.lock().unwrap() += figures,
                        Err(reason) => {
                            stop.store(true, Ordering::SeqCst);
                            failure.lock().unwrap().get_or_insert((seed, reason));
                        }
                    }
                }
            });
        }
    });
    if let Some((seed, reason)) = failure.into_inner().unwrap() {
        panic!(
            "seed {seed}: {reason}\nagain: PCA_SEED={seed} cargo test --release -p pca-store-file --lib campaign::{campaign}"
        );
    }
    let total = total.into_inner().unwrap();
    println!("{campaign}: {total:?}");
    total
}

/// Runs every n-th of so many cases, so that there are as many as wanted; all of them with `PCA_FIRE` large enough.
fn spread<F: Figures>(campaign: &str, all: u64, slice: u64, case: impl Fn(u64) -> Result<F, String> + Sync) -> F {
    let repeated = number("PCA_SEED");
    let wanted = number("PCA_FIRE").unwrap_or(slice).clamp(1, all);
    let next = AtomicU64::new(0);
    let (total, failure) = (Mutex::new(F::default()), Mutex::new(None));
    let threads = if repeated.is_some() { 1 } else { std::thread::available_parallelism().map_or(1, Into::into) };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = F::default();
                while failure.lock().unwrap().is_none() {
                    let nth = next.fetch_add(1, Ordering::SeqCst);
                    if nth >= wanted || (repeated.is_some() && nth > 0) {
                        break;
                    }
                    let seed = repeated.unwrap_or(nth * all / wanted);
                    match case(seed) {
                        Ok(figures) => mine += figures,
                        Err(reason) => {
                            failure.lock().unwrap().get_or_insert((seed, reason));
                        }
                    }
                }
                *total.lock().unwrap() += mine;
            });
        }
    });
    if let Some((seed, reason)) = failure.into_inner().unwrap() {
        panic!(
            "case {seed}: {reason}\nagain: PCA_SEED={seed} cargo test --release -p pca-store-file --lib campaign::{campaign}"
        );
    }
    let total = total.into_inner().unwrap();
    println!("{campaign}: {total:?} of {all} cases");
    total
}
