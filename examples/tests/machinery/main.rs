//! The binary `pca` and the stores on real machinery: killed at system calls and at random, power cut off, the disk full,
//! several processes, directories that are not as they should be.
//!
//! `PCA_FIRE=N` makes the campaigns N points, kills and cuts long. What cannot be had here (no root, no loop device, no
//! `ptrace`) is skipped aloud; a tool that is not installed is no excuse where `CI=true`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub
)]

#[path = "../page/kit.rs"]
#[allow(dead_code)]
mod kit;

mod full;
mod kills;
mod mounts;
mod others;
mod points;
mod power;
mod support;
mod syncs;
mod trace;
