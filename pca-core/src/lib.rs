//! The domain of a private certificate authority as an append-only event log.

pub mod delivery;
pub mod domain;
pub mod keys;
pub mod log;
pub mod ports;
pub mod projection;
pub mod service;
pub mod x509;
