//! How many OCSP answers a second, each with a nonce of its own so that none is handed out twice, against the raw signatures of
//! the same algorithm, in one run; and answers that are signed beforehand, in batches.
//!
//! `cargo bench -p pca-benches --bench ocsp`: medians of rounds, in which answers and raw signatures take turns.

#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used, clippy::as_conversions, missing_docs)]

use std::sync::atomic::{AtomicUsize, Ordering};

use pca_benches::{Figure, measure, verified_csr};
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

const ROUNDS: usize = 11;
const CERTIFICATES: usize = 2_000;

fn main() {
    println!("one thread; medians of {ROUNDS} rounds; {CERTIFICATES} certificates issued");
    println!("of raw: by the clock, and by processor time, which does not see what else the machine does");
    println!(
        "{:<12} {:>12} {:>10} {:>16} {:>12} {:>16}",
        "responder", "raw a second", "answers", "of raw", "beforehand", "of raw"
    );
    for (algorithm, each) in [
        (Algorithm::EcdsaP256, 6_000),
        (Algorithm::EcdsaP384, 1_500),
        (Algorithm::Ed25519, 8_000),
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
        let [raw, answers, beforehand] = figures.map(|figures| Figure::median(&figures));
        let of_raw = |figure: Figure| {
            format!("{:.0} %, {:.0} %", figure.rate / raw.rate * 100.0, raw.cost / figure.cost * 100.0)
        };
        println!(
            "{algorithm:<12} {:>12.0} {:>10.0} {:>16} {:>12.0} {:>16}",
            raw.rate,
            answers.rate,
            of_raw(answers),
            beforehand.rate,
            of_raw(beforehand)
        );
    }
}

/// Raw signatures of messages as long as an answer's.
fn raw(algorithm: Algorithm, each: usize) -> Figure {
    let backend = software::default_backend();
    let key = backend.generate(algorithm).unwrap();
    let signer = backend.signer(&key).unwrap();
    let how = key.public_key().signature_algorithm();
    measure(|| {
        (0..each).for_each(|_| drop(signer.sign(how, &[7; 250])));
        each
    })
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

    /// From the octets of a request to the octets of its answer.
    fn answers(&self, each: usize) -> Figure {
        let requests: Vec<Vec<u8>> = (0..each)
            .zip(self.asked.iter().cycle())
            .map(|(_, asked)| {
                let number = self.next.fetch_add(1, Ordering::Relaxed) as u64;
                let nonce = [[0; 24].as_slice(), &number.to_be_bytes()].concat();
                OcspRequest::new(vec![asked.clone()], Some(nonce)).to_der()
            })
            .collect();
        let call = Call::by("bench");
        measure(|| {
            for request in &requests {
                assert!(self.pca.answer_ocsp(&self.ca, request, &call).unwrap().facts.is_some());
            }
            each
        })
    }

    fn beforehand(&self) -> Figure {
        let call = Call::by("bench");
        measure(|| {
            let signed = self.pca.presign_ocsp(&self.ca, &self.serials, OcspHash::Sha1, &call).unwrap();
            assert!(signed.iter().all(Option::is_some));
            signed.len()
        })
    }
}
