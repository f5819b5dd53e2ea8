//! Events and keys in files: a segmented append-only log and encrypted key files.
//!
//! - [`FileEventStore`] keeps the log: commits are durable when they are answered, many callers share one sync, and
//!   damage is found when opening and on every read. `docs/log-format.md` describes the files.
//! - [`FileKeyStore`] keeps keys, encrypted under a passphrase.

pub mod keys;
mod log;

pub use keys::{FileKeyStore, FileKeyStoreOptions, KeyCheck};
pub use log::{FileEventStore, Options};
