//! Durable certificates a second from one intermediate on the file store, against the raw signature of the same back end
//! on the same cores, in one run.
//!
//! `cargo bench -p pca-benches --bench issue [-- CERTIFICATES]`

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::as_conversions, missing_docs)]

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
use pca_store_file::{FileEventStore, Options};

const ROUNDS: usize = 3;
const CALLERS: usize = 64;

fn main() {
    let count = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(20_000);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let directory = tempfile::Builder::new().prefix("pca-bench-").tempdir_in(".").unwrap();
    let csrs = certificate_requests(count);
    println!("{count} certificates, ECDSA P-256, {cores} cores; medians of {ROUNDS} rounds; in this directory");
    let mut raw = Vec::new();
    let mut bulk = Vec::new();
    let mut callers = Vec::new();
    let mut made = Vec::new();
    for round in 0..ROUNDS {
        raw.push(raw_signatures(cores, Duration::from_secs(1)));
        bulk.push(bulk_rate(&directory.path().join(format!("bulk-{round}")), &csrs));
        callers.push(callers_rate(&directory.path().join(format!("callers-{round}")), &csrs, cores));
        made.push(made_rate(&directory.path().join(format!("made-{round}")), count));
    }
    let raw = median(raw);
    println!("{:<44} {raw:>10.0} /s", format!("raw signatures, {cores} threads"));
    for (name, rates) in [
        ("bulk, verified requests", bulk),
        ("64 callers, each waits for its own", callers),
        ("bulk, keys made by the platform", made),
    ] {
        let rate = median(rates);
        println!("{name:<44} {rate:>10.0} /s {:>6.0} % of raw", rate / raw * 100.0);
    }
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

fn raw_signatures(threads: usize, time: Duration) -> f64 {
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
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

fn platform(directory: &Path) -> (Pca, CaId) {
    let store = FileEventStore::create(directory.join("log"), Options::default()).unwrap();
    let keys = pca_store_memory::MemoryKeyStore::new();
    let ca = tell(&Story::issuing(10_000_000), &store, &keys);
    (Pca::new(Parts::new(store, keys, WallClock, SystemEntropy)), ca)
}

fn request(ca: &CaId, csr: &VerifiedCsr, number: usize) -> IssueCertificate {
    IssueCertificate {
        key: KeySource::Csr(csr.clone()),
        ..IssueCertificate::server(ca.clone(), [format!("host-{number}.example.com")])
    }
}

fn bulk_rate(directory: &Path, csrs: &[VerifiedCsr]) -> f64 {
    let (pca, ca) = platform(directory);
    let call = Call::by("bench");
    let requests: Vec<_> = csrs.iter().enumerate().map(|(number, csr)| request(&ca, csr, number)).collect();
    let begun = Instant::now();
    let issued = pollster::block_on(pca.issue_many(requests, &call).map(Result::unwrap).count());
    let rate = csrs.len() as f64 / begun.elapsed().as_secs_f64();
    assert_eq!(issued, csrs.len());
    rate
}

fn made_rate(directory: &Path, count: usize) -> f64 {
    let (pca, ca) = platform(directory);
    let call = Call::by("bench");
    let requests =
        (0..count).map(|number| IssueCertificate::server(ca.clone(), [format!("host-{number}.example.com")]));
    let begun = Instant::now();
    let issued = pollster::block_on(pca.issue_many(requests, &call).map(Result::unwrap).count());
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    assert_eq!(issued, count);
    rate
}

fn callers_rate(directory: &Path, csrs: &[VerifiedCsr], cores: usize) -> f64 {
    let (pca, ca) = platform(directory);
    let requests: Arc<Vec<_>> =
        Arc::new(csrs.iter().enumerate().map(|(number, csr)| request(&ca, csr, number)).collect());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores).build().unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
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
    csrs.len() as f64 / begun.elapsed().as_secs_f64()
}
