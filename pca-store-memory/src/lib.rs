//! Events, snapshots and keys in memory.

pub mod keys;

pub use keys::MemoryKeyStore;
