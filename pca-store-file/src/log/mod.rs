//! The segmented append-only log; `docs/log-format.md` states every octet and argues why recovery is right.
//!
//! A commit passes from [`store`] (the port) and [`commit`] (the caller's side) through [`staging`] (ordering, under one
//! short mutex) to [`writer`] (one thread: write, sync, publish, wake); [`shared`] holds what they meet in. [`read`] brings
//! commits back by way of [`index`], [`cache`] and [`frames`]; [`indexer`] (another thread) makes index files of sealed
//! segments, [`reindex`] makes them anew. [`open`] reads a
//! log whole with [`scan`] and heals it; [`reader`] does so beside a writer, without healing. Everything that touches a
//! disk goes through [`disk`].

mod backup;
mod cache;
#[cfg(test)]
mod campaign;
mod commit;
mod disk;
mod format;
mod frames;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod index;
mod indexer;
mod lease;
mod mark;
mod open;
mod options;
mod read;
mod reader;
mod reindex;
mod scan;
#[cfg(test)]
mod schedules;
mod segment;
mod shared;
mod staging;
mod store;
mod sync;
#[cfg(test)]
mod tests;
mod writer;

pub use options::Options;
pub use store::FileEventStore;
