//! `cargo +nightly fuzz run index --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pca_fuzz::run("index", data));
