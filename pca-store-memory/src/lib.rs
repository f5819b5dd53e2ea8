//! Events, snapshots and keys in memory.
//!
//! [`MemoryEventStore`] keeps a log for as long as a clone of it lives. It keeps commits as a durable store would, as
//! the octets of their bodies with what orders them, and hands out only what it decoded from those octets: a test on
//! this store passes through the codec. It needs no runtime and starts no thread.
//!
//! ```
//! use pca_core::log::Head;
//! use pca_core::ports::EventStore;
//! use pca_store_memory::MemoryEventStore;
//!
//! let store = MemoryEventStore::new();
//! let same_log = store.clone();
//! assert_eq!(pollster::block_on(same_log.head()), Ok(Head::GENESIS));
//! ```

mod events;
pub mod keys;
mod lease;
mod log;
mod snapshots;

pub use events::MemoryEventStore;
pub use keys::MemoryKeyStore;
pub use snapshots::MemorySnapshotStore;
