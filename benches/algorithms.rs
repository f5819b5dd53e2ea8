//! Durable certificates a second in bulk for each algorithm, CA and holder alike, from one intermediate on the file
//! store, against the raw signature of the same back end on the same cores, in one run.
//!
//! `cargo bench -p pca-benches --bench algorithms [-- ALGORITHM...]`
//!
//! All certificates of an algorithm are for one key, whose request was verified beforehand (a holder may have several
//! certificates for one key, rule K2), so that making keys is no part of the run. How many are issued follows from the
//! raw rate: what its signatures alone would take about a second for.

#![allow(clippy::print_stdout, clippy::as_conversions, missing_docs)]

use std::path::Path;
use std::time::Duration;

use pca_benches::{
    Figure, asked_for, cores, directory, issue_all, issue_one, measure, platform, raw_signatures, request,
    verified_csr_of,
};
use pca_core::domain::testing::new_key;
use pca_core::keys::Algorithm;

const ROUNDS: usize = 3;
/// A window of a bulk, and what a slow disk takes in a second or two.
const FEWEST: f64 = 1_024.0;
const MOST: f64 = 15_000.0;

fn main() {
    let directory = directory();
    println!("{} cores; medians of {ROUNDS} rounds; in this directory; processor time each in us", cores());
    println!(
        "{:<12} {:>14} {:>9} {:>12} {:>14} {:>9} {:>8}",
        "", "raw signs/s", "each", "certificates", "durable/s", "each", "of raw"
    );
    let named = Algorithm::ALL.into_iter().any(|algorithm| asked_for(algorithm.name()));
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| !named || asked_for(algorithm.name())) {
        compare(&directory.path().join(algorithm.name()), algorithm);
    }
}

fn compare(place: &Path, algorithm: Algorithm) {
    let (pca, ca) = platform(place, algorithm);
    let key = new_key(algorithm);
    let csr = verified_csr_of(&key);
    // Whoever comes first claims the key; the rest find it claimed.
    issue_one(&pca, request(&ca, &csr, 0));
    let raw_round = || measure(|| raw_signatures(&key, cores(), Duration::from_millis(500)));
    let count = raw_round().rate.clamp(FEWEST, MOST) as usize;
    let (mut raw, mut issued) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        raw.push(raw_round());
        let numbers = (round * count..).take(count);
        issued.push(measure(|| issue_all(&pca, numbers.map(|number| request(&ca, &csr, number)))));
    }
    let (raw, issued) = (Figure::median(&raw), Figure::median(&issued));
    println!(
        "{:<12} {:>14.0} {:>9.1} {count:>12} {:>14.0} {:>9.1} {:>6.0} %",
        algorithm.name(),
        raw.rate,
        raw.micros(),
        issued.rate,
        issued.micros(),
        issued.rate / raw.rate * 100.0
    );
}
