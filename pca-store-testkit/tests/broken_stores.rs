//! The suite, tried on stores that are known to be broken.
#![allow(clippy::panic, clippy::print_stdout)]

use core::time::Duration;
use std::sync::{Arc, Mutex};

use pca_core::ports::EventStore;
use pca_store_testkit::broken::Defect;
use pca_store_testkit::event_store::{Harness, RULES, conformance};
use pca_store_testkit::model::ModelStore;

/// A model store that can be opened again.
struct Model {
    make: fn(Option<Defect>) -> ModelStore,
    defect: Option<Defect>,
    newest: Mutex<Option<ModelStore>>,
}

impl Model {
    fn new(defect: Option<Defect>) -> Self {
        let make = |defect: Option<Defect>| defect.map_or_else(ModelStore::new, Defect::store);
        Self { make, defect, newest: Mutex::default() }
    }

    fn keep(&self, store: ModelStore) -> Arc<dyn EventStore> {
        if let Ok(mut newest) = self.newest.lock() {
            *newest = Some(store.clone());
        }
        Arc::new(store)
    }
}

impl Harness for Model {
    fn create(&self) -> Arc<dyn EventStore> {
        self.keep((self.make)(self.defect))
    }

    fn reopen(&self) -> Option<Arc<dyn EventStore>> {
        let newest = self.newest.lock().ok()?.clone()?;
        Some(self.keep(newest.reopen()))
    }

    /// A broken store that never answers is not waited for long; a sound one answers at once.
    fn patience(&self) -> Duration {
        if self.defect.is_some() { Duration::from_millis(400) } else { Duration::from_secs(60) }
    }
}

#[test]
fn the_model_keeps_every_rule() {
    let broken = conformance(&Model::new(None));
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_broken_store_is_caught_by_the_rules_that_are_named_for_it() {
    let mut missed = Vec::new();
    for defect in Defect::ALL {
        for name in defect.caught_by() {
            let rule = RULES.iter().find(|rule| rule.name == *name);
            let rule = rule.unwrap_or_else(|| panic!("{defect:?} names the rule `{name}`, which does not exist"));
            match (rule.check)(&Model::new(Some(*defect))) {
                Err(violation) => println!("{defect:?}: {name}: {violation}"),
                Ok(()) => missed.push(format!("{defect:?} ({}) is not caught by {name}", defect.says())),
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn every_rule_is_named_once_and_catches_something() {
    let names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
    for (number, name) in names.iter().enumerate() {
        assert!(!names.iter().take(number).any(|earlier| earlier == name), "{name} is listed twice");
        // A rule that catches nothing might be one that cannot fail.
        assert!(
            Defect::ALL.iter().any(|defect| defect.caught_by().contains(name)),
            "{name} is tried on no broken store"
        );
    }
}
