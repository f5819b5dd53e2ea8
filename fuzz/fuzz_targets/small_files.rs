//! `cargo +nightly fuzz run small_files --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pca_fuzz::run("small_files", data));
