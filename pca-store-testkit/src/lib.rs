//! The conformance suite of the ports of pca-core, fakes, and deliberately broken stores that it must catch.

pub mod keys;
