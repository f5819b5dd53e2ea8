//! `cargo +nightly fuzz run commit_body --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pca_fuzz::run("commit_body", data));
