//! The conformance suite of the ports of `pca-core`, fakes, and deliberately broken stores that the suite must catch.
//!
//! Whoever writes a store tries it with one line, which becomes one test for each [`event_store::RULES`]:
//!
//! ```
//! use pca_store_testkit::{event_store_conformance, model::ModelStore};
//!
//! event_store_conformance!(ModelStore::new);
//! ```
//!
//! A store that can be closed and opened again, that needs a runtime, or that has to clean up after itself, implements
//! [`event_store::Harness`].
//!
//! - [`event_store`], [`snapshot_store`]: the rules, each a function that tells what is wrong with a store
//! - [`broken`]: stores with one defect each and the rules that catch them, so that the suite is itself tested
//! - [`keys`]: the rules of a key store
//! - [`model`]: the plainest store that keeps all rules, and what the broken ones are made of
//! - [`draft`]: commits made in a line
//! - [`fakes`]: a clock, entropy and stores that fail, count or let others come first, for tests of what is built on the ports

pub mod broken;
pub mod draft;
pub mod event_store;
pub mod fakes;
pub mod keys;
pub mod model;
pub mod snapshot_store;
mod violation;

pub use violation::Violation;
