//! Durable certificates a second from one intermediate on the file store, against the raw signature of the same back end
//! on the same cores, in one run.
//!
//! `cargo bench -p pca-benches --bench issue [-- CERTIFICATES [bulk|callers|made]]`
//!
//! Beside the rate stands the processor time of the whole process for one certificate, which a busy machine disturbs
//! less: signing is in it.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::as_conversions, clippy::indexing_slicing, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pca_benches::{
    Figure, cores, directory, issue_all, measure, number, platform, raw_signatures, request, verified_csr,
};
use pca_core::domain::certificate::IssueCertificate;
use pca_core::domain::testing::new_key;
use pca_core::keys::Algorithm;
use pca_core::service::Call;
use pca_core::x509::VerifiedCsr;

const ALGORITHM: Algorithm = Algorithm::EcdsaP256;
const ROUNDS: usize = 3;
const CALLERS: usize = 64;

fn main() {
    let count = number().unwrap_or(20_000);
    let cores = cores();
    let directory = directory();
    let key = new_key(ALGORITHM);
    let csrs = certificate_requests(count);
    println!("{count} certificates, ECDSA P-256, {cores} cores; medians of {ROUNDS} rounds; in this directory");
    let only = std::env::args().skip(1).find(|argument| matches!(argument.as_str(), "bulk" | "callers" | "made"));
    let mut figures: Vec<(&str, Vec<Figure>)> =
        ["raw", "bulk", "callers", "made"].map(|name| (name, Vec::new())).into_iter().collect();
    for round in 0..ROUNDS {
        for (name, figures) in &mut figures {
            if *name != "raw" && only.as_deref().is_some_and(|only| only != *name) {
                continue;
            }
            let place = directory.path().join(format!("{name}-{round}"));
            figures.push(match *name {
                "raw" => measure(|| raw_signatures(&key, cores, Duration::from_secs(1))),
                "bulk" => bulk(&place, &csrs),
                "callers" => callers(&place, &csrs, cores),
                _ => made(&place, count),
            });
        }
    }
    let raw = Figure::median(&figures[0].1);
    for (name, figures) in figures {
        if figures.is_empty() {
            continue;
        }
        let figure = Figure::median(&figures);
        let (rate, cost) = (figure.rate, figure.micros());
        let name = match name {
            "raw" => "raw signatures, a thread a core",
            "bulk" => "bulk, verified requests",
            "callers" => "64 callers, each waits for its own",
            _ => "bulk, keys made by the platform",
        };
        println!(
            "{name:<36} {rate:>8.0} /s {:>5.0} % of raw {cost:>7.1} us of processor each",
            rate / raw.rate * 100.0
        );
    }
}

fn certificate_requests(count: usize) -> Vec<VerifiedCsr> {
    (0..count).map(|_| verified_csr(ALGORITHM)).collect()
}

fn bulk(directory: &Path, csrs: &[VerifiedCsr]) -> Figure {
    let (pca, ca) = platform(directory, ALGORITHM);
    let requests: Vec<_> = csrs.iter().enumerate().map(|(number, csr)| request(&ca, csr, number)).collect();
    measure(|| issue_all(&pca, requests))
}

fn made(directory: &Path, count: usize) -> Figure {
    let (pca, ca) = platform(directory, ALGORITHM);
    let request = |number| IssueCertificate::server(ca.clone(), [format!("host-{number}.example.com")]);
    measure(|| issue_all(&pca, (0..count).map(request)))
}

fn callers(directory: &Path, csrs: &[VerifiedCsr], cores: usize) -> Figure {
    let (pca, ca) = platform(directory, ALGORITHM);
    let requests: Arc<Vec<_>> =
        Arc::new(csrs.iter().enumerate().map(|(number, csr)| request(&ca, csr, number)).collect());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores).build().unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    measure(|| {
        runtime.block_on(async {
            let callers: Vec<_> = (0..CALLERS)
                .map(|_| {
                    let (pca, requests, next) = (pca.clone(), Arc::clone(&requests), Arc::clone(&next));
                    tokio::spawn(async move {
                        let call = Call::by("bench");
                        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                            pca.issue(request.clone(), &call).await.unwrap();
                        }
                    })
                })
                .collect();
            for caller in callers {
                caller.await.unwrap();
            }
        });
        csrs.len()
    })
}
