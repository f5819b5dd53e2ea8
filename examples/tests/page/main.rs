//! Tries the binary `pca` from outside, as its page says: exit codes, JSON, every reason of a refusal, and what other
//! people's tools say to what it makes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    missing_docs,
    unreachable_pub
)]

mod browsers;
mod bulk;
mod check_chain;
mod crls;
mod download;
mod formats;
mod history;
mod kit;
mod lifecycle;
mod material;
mod ocsp;
mod output;
mod packages;
mod profiles;
mod questions;
mod refusals;
mod renewal;
mod servers;
mod tampering;
mod transfer;
mod uploads;
mod walk;
mod words;
