//! The segmented append-only log; `docs/log-format.md` states every octet and argues why recovery is right.
//!
//! A commit passes from [`store`] (the port) through [`staging`] (ordering, under one short mutex) to [`writer`] (one
//! thread: write, sync, publish, wake). [`read`] brings commits back by way of [`index`] and [`cache`]. [`open`] reads a
//! log whole with [`scan`] and heals it; [`reader`] does so beside a writer, without healing. Everything that touches a
//! disk goes through [`disk`].

mod cache;
#[cfg(test)]
mod campaign;
mod disk;
mod format;
mod index;
mod lease;
mod mark;
mod open;
mod options;
mod read;
mod reader;
mod scan;
mod segment;
mod shards;
mod shared;
mod staging;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use options::Options;
pub use store::FileEventStore;
