//! Events and keys in files: a segmented append-only log and encrypted key files.
//!
//! - [`FileEventStore`] keeps the log: commits are durable when they are answered, many callers share one sync, and
//!   damage is found when opening and on every read. `docs/log-format.md` describes the files.
//! - [`FileKeyStore`] keeps keys, encrypted under a passphrase. `docs/key-files.md` describes the files.
//! - [`FileSnapshotStore`] keeps snapshots of folded state: a cache, in a directory beside or below the log's.
//!
//! Log and keys want a directory of their own, on a local disk, for one process at a time; others may read the log meanwhile
//! ([`FileEventStore::open_read_only`]). None needs a runtime; log and keys have threads of their own for writing, and the key
//! store for signing. The key store makes its directory private; that of the log gets the mode that the process's umask
//! gives, so put it into a private one.
//!
//! ```
//! use pca_core::log::Head;
//! use pca_core::ports::EventStore as _;
//! use pca_store_file::{FileEventStore, FileKeyStore, FileKeyStoreOptions, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! let log = FileEventStore::create(directory.join("log"), Options::default())?;
//! let passphrase = "at least twelve characters".into();
//! let keys = FileKeyStore::create(&directory.join("keys"), passphrase, FileKeyStoreOptions::default())?;
//! // `Parts::new(log, keys, clock, entropy)` puts a service on them.
//! assert_eq!(pollster::block_on(log.head())?, Head::GENESIS);
//! # drop(keys);
//! pollster::block_on(log.close())?;
//! # Ok(())
//! # }
//! ```

pub mod keys;
mod log;
mod snapshots;

pub use keys::{FileKeyStore, FileKeyStoreOptions, KeyCheck};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use log::fuzzing;
pub use log::{FileEventStore, Options};
pub use snapshots::FileSnapshotStore;
