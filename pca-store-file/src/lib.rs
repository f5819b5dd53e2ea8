//! Events and keys in files: a segmented append-only log and encrypted key files.

pub mod keys;

pub use keys::{FileKeyStore, FileKeyStoreOptions, KeyCheck};
