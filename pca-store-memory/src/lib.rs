//! Events, snapshots and keys in memory.
