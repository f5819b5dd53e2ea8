//! Keys against known answers, against wrong things, and against other people's tools.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod judges;
mod refusals;
mod vectors;

use super::{Algorithm, PrivateKey, software};
use std::sync::OnceLock;

/// A key of each algorithm, made once by the default back end.
fn keys() -> &'static [(Algorithm, PrivateKey)] {
    static KEYS: OnceLock<Vec<(Algorithm, PrivateKey)>> = OnceLock::new();
    KEYS.get_or_init(|| {
        Algorithm::ALL
            .into_iter()
            .map(|algorithm| (algorithm, software::default_backend().generate(algorithm).unwrap()))
            .collect()
    })
}

fn key(algorithm: Algorithm) -> &'static PrivateKey {
    &keys().iter().find(|(of, _)| *of == algorithm).unwrap().1
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
