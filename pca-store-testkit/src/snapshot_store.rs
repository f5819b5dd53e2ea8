//! The rules of a [`SnapshotStore`].

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use pca_core::log::{Revision, StoreError, StreamId};
use pca_core::ports::{Snapshot, SnapshotKey, SnapshotStore};

use crate::Violation;
use crate::violation::{Verdict, ensure, equal};

/// Makes the stores that the rules try.
///
/// A function that makes an empty store is a harness already.
pub trait Harness: Send + Sync {
    /// Makes an empty store.
    fn create(&self) -> Arc<dyn SnapshotStore>;

    /// Opens the store that was created last again; nothing if this store forgets.
    fn reopen(&self) -> Option<Arc<dyn SnapshotStore>> {
        None
    }
}

impl<S: SnapshotStore, F: Fn() -> S + Send + Sync> Harness for F {
    fn create(&self) -> Arc<dyn SnapshotStore> {
        Arc::new(self())
    }
}

/// One thing that a snapshot store must do.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// Its name, and that of its test.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// Tries it.
    pub check: fn(&dyn Harness) -> Result<(), Violation>,
}

/// Tries one rule.
///
/// # Errors
/// What is wrong, or that there is no such rule.
pub fn check(name: &str, harness: &dyn Harness) -> Result<(), Violation> {
    match RULES.iter().find(|rule| rule.name == name) {
        Some(rule) => (rule.check)(harness).map_err(|violation| Violation::new(format!("{}: {violation}", rule.says))),
        None => Err(Violation::new(format!("there is no rule `{name}`"))),
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __snapshot_store_rules {
    ([$($to:tt)*] $($with:tt)*) => {
        $($to)* ! {
            [$($with)*]
            an_absent_snapshot_is_none: "what was never saved is absent",
            a_snapshot_is_read_back: "a snapshot is read back octet for octet",
            a_newer_snapshot_replaces_an_older: "the newest snapshot is kept, whichever was saved last",
            keys_are_apart: "another stream or another version of the fold has another snapshot",
            a_forgotten_snapshot_is_gone: "a snapshot that was forgotten is absent, and forgetting twice is success",
            savers_at_once_leave_the_newest: "of many that are saved at once the newest is kept, whole",
            reopening_keeps_or_loses_whole_snapshots: "a store that is opened again has a snapshot as it was, or none",
        }
    };
}

macro_rules! table {
    ([] $($name:ident : $says:literal,)*) => {
        /// Every rule.
        pub const RULES: &[Rule] = &[$(Rule { name: stringify!($name), says: $says, check: $name }),*];
    };
}
__snapshot_store_rules! { [table] }

/// One `#[test]` for each rule of a snapshot store; the argument makes a
/// [`Harness`](crate::snapshot_store::Harness).
#[macro_export]
macro_rules! snapshot_store_conformance {
    ($harness:expr) => {
        $crate::__snapshot_store_rules! { [$crate::__snapshot_store_tests] $harness }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __snapshot_store_tests {
    ([$harness:expr] $($name:ident : $says:literal,)*) => {
        $(
            #[doc = $says]
            #[test]
            fn $name() -> ::core::result::Result<(), $crate::Violation> {
                $crate::snapshot_store::check(stringify!($name), &$harness)
            }
        )*
    };
}

fn key(stream: &str, fold_version: u32) -> Verdict<SnapshotKey> {
    Ok(SnapshotKey { stream: StreamId::parse(stream)?, fold_version })
}

fn snapshot(revision: u64, state: &[u8]) -> Snapshot {
    Snapshot { revision: Revision::new(revision), state: state.into() }
}

fn load(store: &Arc<dyn SnapshotStore>, key: &SnapshotKey) -> Result<Option<Snapshot>, StoreError> {
    pollster::block_on(store.load(key))
}

fn save(store: &Arc<dyn SnapshotStore>, key: &SnapshotKey, snapshot: Snapshot) -> Result<(), StoreError> {
    pollster::block_on(store.save(key, snapshot))
}

fn an_absent_snapshot_is_none(harness: &dyn Harness) -> Verdict {
    equal("a snapshot of an empty store", &load(&harness.create(), &key("a", 1)?)?, &None)
}

fn a_snapshot_is_read_back(harness: &dyn Harness) -> Verdict {
    let store = harness.create();
    let octets: Vec<u8> = (0..=u8::MAX).cycle().take(100_000).collect();
    for (revision, state) in [(1, &b""[..]), (2, b"\0"), (3, octets.as_slice())] {
        let key = key("ca/ca_a.b-c/d", 7)?;
        save(&store, &key, snapshot(revision, state))?;
        equal("the snapshot", &load(&store, &key)?, &Some(snapshot(revision, state)))?;
    }
    Ok(())
}

fn a_newer_snapshot_replaces_an_older(harness: &dyn Harness) -> Verdict {
    let store = harness.create();
    let key = key("a", 1)?;
    for (revision, newest) in [(5, 5), (9, 9), (7, 9), (9, 9), (10, 10), (0, 10)] {
        save(&store, &key, snapshot(revision, b"state"))?;
        equal("the snapshot", &load(&store, &key)?, &Some(snapshot(newest, b"state")))?;
    }
    Ok(())
}

fn keys_are_apart(harness: &dyn Harness) -> Verdict {
    let store = harness.create();
    let keys =
        [key("a", 1)?, key("a", 2)?, key("a", 11)?, key("a/1", 1)?, key("a_1", 1)?, key("a.1", 1)?, key("b", 1)?];
    for (number, key) in (1..).zip(&keys) {
        equal("a snapshot under a key of its own", &load(&store, key)?, &None)?;
        save(&store, key, snapshot(number, &[1]))?;
    }
    for (number, key) in (1..).zip(&keys) {
        equal(&format!("the snapshot of {key:?}"), &load(&store, key)?, &Some(snapshot(number, &[1])))?;
    }
    Ok(())
}

fn a_forgotten_snapshot_is_gone(harness: &dyn Harness) -> Verdict {
    let store = harness.create();
    let (key, other) = (key("a", 1)?, key("a", 2)?);
    save(&store, &key, snapshot(9, b"x"))?;
    save(&store, &other, snapshot(9, b"y"))?;
    for _ in 0..2 {
        pollster::block_on(store.forget(&key))?;
        equal("the snapshot that was forgotten", &load(&store, &key)?, &None)?;
    }
    equal("the other snapshot", &load(&store, &other)?, &Some(snapshot(9, b"y")))?;
    // What was forgotten was perhaps of no use: an older one is as good as any then.
    save(&store, &key, snapshot(3, b"z"))?;
    equal("the snapshot saved afterwards", &load(&store, &key)?, &Some(snapshot(3, b"z")))
}

fn savers_at_once_leave_the_newest(harness: &dyn Harness) -> Verdict {
    const SAVERS: u64 = 3;
    let store = harness.create();
    let key = key("a", 1)?;
    let state = |revision: u64| vec![u8::try_from(revision % 251).unwrap_or(0); 5_000];
    let whole = |kept: Option<Snapshot>| {
        let whole = kept.as_ref().is_none_or(|kept| kept.state == state(kept.revision.get()));
        ensure(whole, || format!("the snapshot {:?} is not whole", kept.map(|kept| kept.revision)))
    };
    let (reads, saving, newest) = (AtomicU64::new(0), AtomicU64::new(SAVERS), AtomicU64::new(0));
    // Savers save until there were enough reads beside them, readers read until the savers are done.
    let save_many = |saver: u64| {
        let saved = (0..2_000).take_while(|n| *n < 40 || reads.load(Ordering::SeqCst) < 200).try_for_each(|n| {
            let revision = n * SAVERS + saver;
            newest.fetch_max(revision, Ordering::SeqCst);
            save(&store, &key, snapshot(revision, &state(revision)))?;
            whole(load(&store, &key)?)
        });
        saving.fetch_sub(1, Ordering::SeqCst);
        saved
    };
    let read_many = || {
        while saving.load(Ordering::SeqCst) > 0 {
            whole(load(&store, &key)?)?;
            reads.fetch_add(1, Ordering::SeqCst);
            std::thread::yield_now();
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let (save_many, read_many) = (&save_many, &read_many);
        let savers = (0..SAVERS).map(|saver| scope.spawn(move || save_many(saver)));
        let readers = (0..2).map(|_| scope.spawn(read_many));
        let threads: Vec<_> = savers.chain(readers).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(Violation::new("a thread of the race panicked")))
        })
    })?;
    let newest = newest.into_inner();
    equal("the snapshot", &load(&store, &key)?.map(|kept| kept.revision.get()), &Some(newest))?;
    whole(load(&store, &key)?)
}

fn reopening_keeps_or_loses_whole_snapshots(harness: &dyn Harness) -> Verdict {
    let store = harness.create();
    let key = key("a", 1)?;
    save(&store, &key, snapshot(4, b"state"))?;
    drop(store);
    let Some(store) = harness.reopen() else {
        eprintln!("SKIPPED: this harness does not open a store again");
        return Ok(());
    };
    let kept = load(&store, &key)?;
    ensure(kept.is_none() || kept == Some(snapshot(4, b"state")), || format!("{kept:?} was kept"))
}
