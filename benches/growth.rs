//! What one certificate costs after many were issued, against the first: one P-256 intermediate on the file store, in
//! bulk, in slices.
//!
//! `cargo bench -p pca-benches --bench growth [-- CERTIFICATES [own]]`: 1,000,000 unless told otherwise, which wants
//! some 2 GB of disk and some minutes.
//!
//! All certificates are for a few keys, whose requests were verified beforehand (a holder may have several certificates
//! for one key, rule K2); with `own` each is for a key of its own, which makes one more stream of the log for each.
//! These requests are made before their slice is timed.
//!
//! At the end the platform is opened again by processes of their own: how long until it is ready to issue, and their memory.
//! Opening the keys takes a deliberately slow derivation from the passphrase, some 0.1 s of it.
//!
//! Beside each slice stand raw signatures of the same moment: on a machine that others use, too, the ratio to them tells
//! more than the figures.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::as_conversions, clippy::indexing_slicing, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pca_benches::{
    Figure, asked_for, cores, directory, issue_all, issue_one, measure, number, platform, raw_signatures, reopened,
    request, resident, verified_csr,
};
use pca_core::domain::CaId;
use pca_core::domain::testing::new_key;
use pca_core::keys::Algorithm;
use pca_core::service::Call;
use pca_core::x509::VerifiedCsr;

const SLICES: usize = 10;
const FEW: usize = 64;
const REOPEN: &str = "PCA_BENCH_REOPEN";

fn main() {
    if let Ok(directory) = std::env::var(REOPEN) {
        return reopen(Path::new(&directory));
    }
    let count = number().unwrap_or(1_000_000);
    let slice = (count / SLICES).max(1);
    let own = asked_for("own");
    let directory = directory();
    let (pca, ca) = platform(directory.path(), Algorithm::EcdsaP256);
    let few = requests(FEW);
    few.iter().for_each(|csr| issue_one(&pca, request(&ca, csr, 0)));
    // Threads, caches and the log's first segment, which the first slice alone would pay for.
    issue_all(&pca, few.iter().cycle().take(10_000).map(|csr| request(&ca, csr, 0)));
    println!("{count} certificates, ECDSA P-256, {}; in this directory", if own { "a key each" } else { "64 keys" });
    println!("processor time in us; the raw signature is made on all cores");
    println!(
        "{:>12} {:>12} {:>10} {:>14} {:>10} {:>12}",
        "issued", "durable/s", "each", "raw signature", "ratio", "memory, MiB"
    );
    let mut ratios: Vec<[f64; 3]> = Vec::new();
    for number in 0..SLICES {
        let fresh = if own { requests(slice) } else { Vec::new() };
        let csrs = if own { &fresh } else { &few };
        let numbered = (number * slice..).zip(csrs.iter().cycle().take(slice));
        let before = raw();
        let figure = measure(|| issue_all(&pca, numbered.map(|(number, csr)| request(&ca, csr, number))));
        let raw = f64::midpoint(before.cost, raw().cost);
        let (issued, memory, ratio) = ((number + 1) * slice, resident() >> 20, figure.cost / raw);
        println!(
            "{issued:>12} {:>12.0} {:>10.2} {:>14.2} {ratio:>10.2} {memory:>12}",
            figure.rate,
            figure.micros(),
            raw * 1e6
        );
        ratios.push([figure.rate, figure.cost, ratio]);
    }
    pollster::block_on(pca.save_snapshots());
    drop(pca);
    for _ in 0..3 {
        let status = Command::new(std::env::current_exe().unwrap())
            .env(REOPEN, directory.path())
            .env("PCA_BENCH_CA", ca.as_str())
            .status();
        assert!(status.unwrap().success());
    }
    if let [first, .., last] = ratios.as_slice() {
        let [rate, cost, ratio] = [0, 1, 2].map(|part| last[part] / first[part] * 100.0);
        println!(
            "last slice of the first: rate {rate:.0} %, processor time {cost:.0} %, in raw signatures {ratio:.0} %"
        );
    }
}

/// Opens the platform in a process of its own and issues.
fn reopen(directory: &Path) {
    let ca: CaId = std::env::var("PCA_BENCH_CA").unwrap().parse().unwrap();
    let csr = verified_csr(Algorithm::EcdsaP256);
    let begun = Instant::now();
    let pca = reopened(directory);
    let opened = begun.elapsed();
    let asked = Call::by("bench");
    pollster::block_on(pca.preview(&request(&ca, &csr, 0), &asked)).unwrap();
    let ready = begun.elapsed();
    let memory = resident() >> 20;
    issue_one(&pca, request(&ca, &csr, 0));
    let first = begun.elapsed();
    println!(
        "  opened again: {:.3} s, ready to issue after {:.3} s with {memory} MiB, the first certificate after {:.3} s",
        opened.as_secs_f64(),
        ready.as_secs_f64(),
        first.as_secs_f64()
    );
}

fn raw() -> Figure {
    let key = new_key(Algorithm::EcdsaP256);
    measure(|| raw_signatures(&key, cores(), Duration::from_millis(500)))
}

fn requests(count: usize) -> Vec<VerifiedCsr> {
    (0..count).map(|_| verified_csr(Algorithm::EcdsaP256)).collect()
}
