//! `cargo +nightly fuzz run ocsp_request --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pca_fuzz::run("ocsp_request", data));
