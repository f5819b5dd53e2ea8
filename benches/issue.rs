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
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use pca_benches::{SystemEntropy, WallClock, tell};
use pca_core::domain::CaId;
use pca_core::domain::certificate::{IssueCertificate, KeySource};
use pca_core::domain::testing::Story;
use pca_core::keys::{Algorithm, software};
use pca_core::service::{Call, Parts, Pca};
use pca_core::x509::VerifiedCsr;
use pca_store_file::{FileEventStore, FileKeyStore, FileKeyStoreOptions, Options};

const ROUNDS: usize = 3;
const CALLERS: usize = 64;

fn main() {
    let count = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(20_000);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let directory = tempfile::Builder::new().prefix("pca-bench-").tempdir_in(".").unwrap();
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
                "raw" => measure(|| raw_signatures(cores, Duration::from_secs(1))),
                "bulk" => bulk(&place, &csrs),
                "callers" => callers(&place, &csrs, cores),
                _ => made(&place, count),
            });
        }
    }
    let raw = median(figures[0].1.iter().map(|figure| figure.rate).collect());
    for (name, figures) in figures {
        if figures.is_empty() {
            continue;
        }
        let rate = median(figures.iter().map(|figure| figure.rate).collect());
        let cost = median(figures.iter().map(|figure| figure.cost).collect());
        let name = match name {
            "raw" => "raw signatures, a thread a core",
            "bulk" => "bulk, verified requests",
            "callers" => "64 callers, each waits for its own",
            _ => "bulk, keys made by the platform",
        };
        println!("{name:<36} {rate:>8.0} /s {:>5.0} % of raw {cost:>7.1} us of processor each", rate / raw * 100.0);
    }
}

/// Certificates or signatures a second, and microseconds of processor time for one.
struct Figure {
    rate: f64,
    cost: f64,
}

fn measure(work: impl FnOnce() -> usize) -> Figure {
    let (begun, spent) = (Instant::now(), processor_time());
    let done = work() as f64;
    let (time, spent) = (begun.elapsed().as_secs_f64(), processor_time() - spent);
    Figure { rate: done / time, cost: spent / done * 1e6 }
}

/// Seconds of processor time of this process so far, as Linux counts them (100 ticks a second).
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn certificate_requests(count: usize) -> Vec<VerifiedCsr> {
    let mut story = Story::new();
    let _ = story.context();
    (0..count).map(|_| story.csr(&software::default_backend().generate(Algorithm::EcdsaP256).unwrap())).collect()
}

fn raw_signatures(threads: usize, time: Duration) -> usize {
    let backend = software::default_backend();
    let key = backend.generate(Algorithm::EcdsaP256).unwrap();
    let signer = backend.signer(&key).unwrap();
    let done = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let message = [7; 700];
                while begun.elapsed() < time {
                    for _ in 0..64 {
                        std::hint::black_box(signer.sign(key.public_key().signature_algorithm(), &message).unwrap());
                    }
                    done.fetch_add(64, Ordering::Relaxed);
                }
            });
        }
    });
    done.load(Ordering::Relaxed)
}

fn platform(directory: &Path) -> (Pca, CaId) {
    let store = FileEventStore::create(directory.join("log"), Options::default()).unwrap();
    let passphrase = "a passphrase for benches".to_owned().into();
    let keys = FileKeyStore::create(&directory.join("keys"), passphrase, FileKeyStoreOptions::default()).unwrap();
    let ca = tell(&Story::issuing(10_000_000), &store, &keys);
    let pca = Pca::new(Parts::new(store, keys, WallClock, SystemEntropy));
    // The first signature opens the CA's key, which is meant to be slow.
    let first = IssueCertificate::server(ca.clone(), ["first.example.com"]);
    pollster::block_on(pca.issue(first, &Call::by("bench"))).unwrap();
    (pca, ca)
}

fn request(ca: &CaId, csr: &VerifiedCsr, number: usize) -> IssueCertificate {
    IssueCertificate {
        key: KeySource::Csr(csr.clone()),
        ..IssueCertificate::server(ca.clone(), [format!("host-{number}.example.com")])
    }
}

fn bulk(directory: &Path, csrs: &[VerifiedCsr]) -> Figure {
    let (pca, ca) = platform(directory);
    let requests: Vec<_> = csrs.iter().enumerate().map(|(number, csr)| request(&ca, csr, number)).collect();
    measure(|| issue_all(&pca, requests))
}

fn issue_all(pca: &Pca, requests: impl IntoIterator<Item = IssueCertificate, IntoIter: Send>) -> usize {
    let call = Call::by("bench");
    pollster::block_on(pca.issue_many(requests, &call).map(Result::unwrap).count())
}

fn made(directory: &Path, count: usize) -> Figure {
    let (pca, ca) = platform(directory);
    let request = |number| IssueCertificate::server(ca.clone(), [format!("host-{number}.example.com")]);
    measure(|| issue_all(&pca, (0..count).map(request)))
}

fn callers(directory: &Path, csrs: &[VerifiedCsr], cores: usize) -> Figure {
    let (pca, ca) = platform(directory);
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
