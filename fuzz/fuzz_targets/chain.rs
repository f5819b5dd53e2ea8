//! `cargo +nightly fuzz run chain --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pca_fuzz::run("chain", data));
