//! The rules of snapshot stores, tried on stores that are known to be broken.
#![allow(clippy::panic)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pca_core::log::{Revision, StoreError};
use pca_core::ports::{Snapshot, SnapshotKey, SnapshotStore};
use pca_store_testkit::snapshot_store::{Harness, RULES};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Defect {
    TellsOfSnapshotsThatWereNeverSaved,
    KeepsStatesAsText,
    KeepsTheLastThatWasSaved,
    KeepsTheFirstThatWasSaved,
    IgnoresTheVersionOfTheFold,
    NamesFilesByStreamAndVersionWithoutSeparator,
    ForgetsNothing,
    RemembersTheRevisionOfWhatWasForgotten,
    WritesStateAndRevisionApart,
    CutsStatesOnReopen,
}

/// Which rules catch it.
const TABLE: &[(Defect, &[&str])] = &[
    (Defect::TellsOfSnapshotsThatWereNeverSaved, &["an_absent_snapshot_is_none"]),
    (Defect::KeepsStatesAsText, &["a_snapshot_is_read_back"]),
    (Defect::KeepsTheLastThatWasSaved, &["a_newer_snapshot_replaces_an_older"]),
    (Defect::KeepsTheFirstThatWasSaved, &["a_newer_snapshot_replaces_an_older", "savers_at_once_leave_the_newest"]),
    (Defect::IgnoresTheVersionOfTheFold, &["keys_are_apart", "a_forgotten_snapshot_is_gone"]),
    (Defect::NamesFilesByStreamAndVersionWithoutSeparator, &["keys_are_apart"]),
    (Defect::ForgetsNothing, &["a_forgotten_snapshot_is_gone"]),
    (Defect::RemembersTheRevisionOfWhatWasForgotten, &["a_forgotten_snapshot_is_gone"]),
    (Defect::WritesStateAndRevisionApart, &["savers_at_once_leave_the_newest"]),
    (Defect::CutsStatesOnReopen, &["reopening_keeps_or_loses_whole_snapshots"]),
];

#[derive(Clone, Default)]
struct Store {
    defect: Option<Defect>,
    kept: Arc<Mutex<HashMap<(String, u32), Snapshot>>>,
    forgotten: Arc<Mutex<HashMap<(String, u32), Revision>>>,
}

impl Store {
    fn name(&self, key: &SnapshotKey) -> (String, u32) {
        match self.defect {
            Some(Defect::IgnoresTheVersionOfTheFold) => (key.stream.to_string(), 0),
            Some(Defect::NamesFilesByStreamAndVersionWithoutSeparator) => {
                (key.stream.as_str().replace(['/', '.'], "_") + &key.fold_version.to_string(), 0)
            }
            _ => (key.stream.to_string(), key.fold_version),
        }
    }
}

#[async_trait]
impl SnapshotStore for Store {
    async fn load(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, StoreError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&self.name(key)).cloned();
        match self.defect {
            Some(Defect::TellsOfSnapshotsThatWereNeverSaved) => {
                Ok(kept.or(Some(Snapshot { revision: Revision::ZERO, state: Vec::new() })))
            }
            _ => Ok(kept),
        }
    }

    async fn save(&self, key: &SnapshotKey, mut snapshot: Snapshot) -> Result<(), StoreError> {
        let name = self.name(key);
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied();
        if self.defect == Some(Defect::KeepsStatesAsText) {
            snapshot.state = String::from_utf8_lossy(&snapshot.state).into_owned().into_bytes();
        }
        let newest = lock().get(&name).map(|kept| kept.revision).max(forgotten);
        let keep = match self.defect {
            Some(Defect::KeepsTheLastThatWasSaved) => true,
            Some(Defect::KeepsTheFirstThatWasSaved) => newest.is_none(),
            _ => newest.is_none_or(|newest| newest <= snapshot.revision),
        };
        if !keep {
            return Ok(());
        }
        if self.defect == Some(Defect::WritesStateAndRevisionApart) {
            if let Some(kept) = lock().get_mut(&name) {
                kept.revision = snapshot.revision;
            }
            std::thread::sleep(core::time::Duration::from_micros(200));
        }
        let mut kept = lock();
        // Somebody else may have been here since; a sound store looks again.
        if self.defect.is_some() || kept.get(&name).is_none_or(|kept| kept.revision <= snapshot.revision) {
            kept.insert(name, snapshot);
        }
        Ok(())
    }

    async fn forget(&self, key: &SnapshotKey) -> Result<(), StoreError> {
        let name = self.name(key);
        if self.defect == Some(Defect::ForgetsNothing) {
            return Ok(());
        }
        let removed = self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        if let (Some(Defect::RemembersTheRevisionOfWhatWasForgotten), Some(removed)) = (self.defect, removed) {
            self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).insert(name, removed.revision);
        }
        Ok(())
    }
}

#[derive(Default)]
struct Reopened {
    defect: Option<Defect>,
    newest: Mutex<Option<Store>>,
}

impl Harness for Reopened {
    fn create(&self) -> Arc<dyn SnapshotStore> {
        let store = Store { defect: self.defect, ..Store::default() };
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(store.clone());
        Arc::new(store)
    }

    fn reopen(&self) -> Option<Arc<dyn SnapshotStore>> {
        let store = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        if self.defect == Some(Defect::CutsStatesOnReopen) {
            let mut kept = store.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.values_mut().for_each(|snapshot| snapshot.state.truncate(2));
        }
        Some(Arc::new(store))
    }
}

#[test]
fn a_sound_store_keeps_every_rule() {
    for rule in RULES {
        assert_eq!((rule.check)(&Reopened::default()), Ok(()), "{}", rule.name);
    }
}

#[test]
fn every_broken_store_is_caught_by_the_rules_that_are_named_for_it() {
    for (defect, names) in TABLE {
        for name in *names {
            let rule = RULES.iter().find(|rule| rule.name == *name);
            let rule = rule.unwrap_or_else(|| panic!("there is no rule `{name}`"));
            let harness = Reopened { defect: Some(*defect), ..Reopened::default() };
            assert!((rule.check)(&harness).is_err(), "{defect:?} is not caught by {name}");
        }
    }
}

#[test]
fn every_rule_catches_something() {
    for rule in RULES {
        assert!(TABLE.iter().any(|(_, names)| names.contains(&rule.name)), "{}", rule.name);
    }
}
