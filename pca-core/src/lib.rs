//! The domain of a private certificate authority as an append-only event log.

// The tests of this crate share helpers with those in `tests/`.
#[cfg(test)]
extern crate self as pca_core;

pub mod delivery;
pub mod domain;
pub mod keys;
pub mod log;
pub mod ports;
pub mod projection;
pub mod service;
pub mod x509;
