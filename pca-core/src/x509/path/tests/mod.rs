//! Each clause for itself, the way about in a mesh, and lists in all their kinds.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod certificates;
mod kit;
mod lists;
mod mesh;
mod servers;
