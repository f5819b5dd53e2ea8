//! How many OCSP answers a second, each with a nonce of its own so that none is handed out twice, against the raw signatures of
//! the same algorithm, in one run; and answers that are signed beforehand, in batches.
//!
//! `cargo bench -p pca-benches --bench ocsp`: medians of rounds, in which answers and raw signatures take turns.

#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used, clippy::as_conversions, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pca_benches::{cores, median, verified_csr};
use pca_core::CaId;
use pca_core::domain::ca::EnableByCreating;
use pca_core::domain::certificate::{IssueCertificate, KeySource};
use pca_core::domain::enterprise::FoundEnterprise;
use pca_core::domain::event::Money;
use pca_core::domain::order::{BuyQuota, BuyRoot, ServiceTerm};
use pca_core::domain::policy::Policy;
use pca_core::domain::quota::AssignQuota;
use pca_core::keys::{Algorithm, software};
use pca_core::service::{Call, Parts, Pca, blocking};
use pca_core::x509::{OcspCertId, OcspHash, OcspRequest, SerialNumber};
use pca_store_memory::{MemoryEventStore, MemoryKeyStore};
use pca_system::{OsEntropy, SystemClock};

const ROUNDS: usize = 15;
const CERTIFICATES: usize = 2_000;

fn main() {
    println!("{} threads; medians of {ROUNDS} rounds; {CERTIFICATES} certificates issued", cores());
    println!(
        "{:<12} {:>14} {:>14} {:>8} {:>14} {:>8}",
        "responder", "raw a second", "answers", "of raw", "beforehand", "of raw"
    );
    for (algorithm, each) in [
        (Algorithm::EcdsaP256, 4_000),
        (Algorithm::EcdsaP384, 1_500),
        (Algorithm::Ed25519, 4_000),
        (Algorithm::Rsa2048, 500),
    ] {
        let desk = Desk::new(algorithm);
        let mut figures = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (figure, rate) in figures.iter_mut().zip([raw(algorithm, each), desk.answers(each), desk.beforehand()])
            {
                figure.push(rate);
            }
        }
        let [raw, answers, beforehand] = figures.map(median);
        let (one, two) = (answers / raw * 100.0, beforehand / raw * 100.0);
        println!("{algorithm:<12} {raw:>14.0} {answers:>14.0} {one:>6.1} % {beforehand:>14.0} {two:>6.1} %");
    }
}

/// Signatures a second, on all cores.
fn raw(algorithm: Algorithm, each: usize) -> f64 {
    let backend = software::default_backend();
    let key = backend.generate(algorithm).unwrap();
    let signer = backend.signer(&key).unwrap();
    let how = key.public_key().signature_algorithm();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| (0..each).for_each(|_| drop(signer.sign(how, &[7; 250]))));
        }
    });
    (each * cores()) as f64 / begun.elapsed().as_secs_f64()
}

struct Desk {
    pca: blocking::Pca,
    ca: CaId,
    serials: Vec<SerialNumber>,
    asked: Vec<OcspCertId>,
    next: AtomicUsize,
}

impl Desk {
    fn new(algorithm: Algorithm) -> Self {
        let parts = Parts::new(MemoryEventStore::new(), MemoryKeyStore::new(), SystemClock, OsEntropy);
        let pca = blocking::Pca::new(Pca::new(parts));
        let call = Call::by("bench");
        pca.execute(FoundEnterprise { name: None, rehearsal: false, policy: Policy::default() }, &call).unwrap();
        let buy = BuyRoot { family: algorithm.family(), term: ServiceTerm::years(1), paid: Money::nothing() };
        let bought = pca.execute(buy, &call).unwrap().answer;
        let (root, ca) = (bought.root, bought.intermediate);
        let enable = |ca: &CaId, name: &str| EnableByCreating {
            algorithm: Some(algorithm),
            ..EnableByCreating::named(ca.clone(), name)
        };
        pca.execute(enable(&root, "Root"), &call).unwrap();
        let issuer = pca.execute(enable(&ca, "Services"), &call).unwrap().answer;
        let issuer = pca_core::x509::ParsedCertificate::from_der(issuer.certificate.as_bytes()).unwrap();
        let count = CERTIFICATES as u64;
        pca.execute(BuyQuota { root, count, paid: Money::nothing() }, &call).unwrap();
        pca.execute(AssignQuota { ca: ca.clone(), units: count }, &call).unwrap();
        let csr = verified_csr(algorithm);
        let requests = (0..CERTIFICATES).map(|_| IssueCertificate {
            key: KeySource::Csr(csr.clone()),
            ..IssueCertificate::server(ca.clone(), ["service.internal"])
        });
        let serials: Vec<SerialNumber> =
            pca.issue_many(requests, &call).map(|issued| issued.unwrap().answer.id.serial()).collect();
        let key = issuer.public_key().unwrap();
        let asked =
            serials.iter().map(|serial| OcspCertId::new(OcspHash::Sha1, issuer.subject(), key, *serial)).collect();
        Self { pca, ca, serials, asked, next: AtomicUsize::new(0) }
    }

    /// Answers a second, on all cores: from the octets of a request to the octets of its answer.
    fn answers(&self, each: usize) -> f64 {
        let requests: Arc<Vec<Vec<u8>>> = Arc::new(
            (0..each * cores())
                .map(|_| {
                    let number = self.next.fetch_add(1, Ordering::Relaxed);
                    let nonce = [[0; 24].as_slice(), &(number as u64).to_be_bytes()].concat();
                    let asked = self.asked.iter().cycle().nth(number % self.asked.len()).cloned();
                    OcspRequest::new(asked.into_iter().collect(), Some(nonce)).to_der()
                })
                .collect(),
        );
        let call = Call::by("bench");
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for part in requests.chunks(each) {
                let call = &call;
                scope.spawn(move || {
                    for request in part {
                        assert!(self.pca.answer_ocsp(&self.ca, request, call).unwrap().facts.is_some());
                    }
                });
            }
        });
        requests.len() as f64 / begun.elapsed().as_secs_f64()
    }

    fn beforehand(&self) -> f64 {
        let call = Call::by("bench");
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for part in self.serials.chunks(CERTIFICATES.div_ceil(cores())) {
                let call = &call;
                scope.spawn(move || {
                    let signed = self.pca.presign_ocsp(&self.ca, part, OcspHash::Sha1, call).unwrap();
                    assert!(signed.iter().all(Option::is_some));
                });
            }
        });
        CERTIFICATES as f64 / begun.elapsed().as_secs_f64()
    }
}
