//! How long a decision about one certificate takes, warm, without key, signature, codec and store, against the raw
//! signature that it is about, on one thread, in one run; and the same for a bulk, all or nothing.
//!
//! `cargo bench -p pca-benches --bench decide`: each figure is the best of its rounds.

#![allow(clippy::panic, clippy::print_stdout, missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use pca_benches::verified_csr;
use pca_core::domain::certificate::{IssueAtomically, IssueCertificate, KeySource, NameRequest};
use pca_core::domain::testing::{Story, new_key};
use pca_core::domain::{Command, Context, Desk, Evidence};
use pca_core::keys::{Algorithm, software};

const ROUNDS: usize = 200;
const BULK: u32 = 10_000;

fn main() {
    println!("one thread; best of rounds; us each, guards gathered");
    println!("{:<38} {:>10} {:>22}", "", "us each", "of a P-256 signature");
    let signature = signature();
    println!("{:<38} {:>10.2}", "raw P-256 signature", signature);
    let tell = |what: &str, micros: f64| println!("{what:<38} {micros:>10.2} {:>20.1} %", micros / signature * 100.0);

    let mut story = Story::issuing(BULK.into());
    let csr = verified_csr(Algorithm::EcdsaP256);
    let server = IssueCertificate {
        key: KeySource::Csr(csr.clone()),
        ..IssueCertificate::server(story.intermediate(), ["oa.example", "www.oa.example"])
    };
    let client = IssueCertificate {
        key: KeySource::Csr(csr),
        names: vec![NameRequest::email("clerk@hr.example")],
        ..IssueCertificate::client(story.intermediate(), "HR clerk")
    };
    let made = IssueCertificate::server(story.intermediate(), ["oa.example"]);
    for (what, request) in [("server, CSR", &server), ("client, CSR", &client), ("server, key of the platform", &made)]
    {
        let decision = Decision::ready(&mut story, request);
        tell(what, decision.best(ROUNDS, 1_000));
    }
    let bulk = IssueAtomically { requests: (0..BULK).map(|_| server.clone()).collect() };
    let micros = Decision::ready(&mut story, &bulk).best(10, 1) / f64::from(BULK);
    tell(&format!("bulk of {BULK}, all or nothing, each"), micros);
}

/// A command with all that its decision needs: every stream loaded, every key at hand.
struct Decision<'a, C> {
    story: &'a Story,
    command: &'a C,
    context: Context,
    evidence: Evidence,
}

impl<'a, C: Command> Decision<'a, C> {
    fn ready(story: &'a mut Story, command: &'a C) -> Self {
        let context = story.context();
        match story.decide(command, &context) {
            Ok((_, _, evidence)) => Self { story, command, context, evidence },
            Err(refusal) => panic!("{refusal}"),
        }
    }

    /// Microseconds a decision, the best of rounds of so many.
    fn best(&self, rounds: usize, times: u32) -> f64 {
        best(rounds, || {
            let begun = Instant::now();
            for _ in 0..times {
                let desk = Desk::new(self.story.world().desk(), &self.evidence);
                let plan = self.command.decide(black_box(&desk), black_box(&self.context));
                black_box((plan.is_ok(), desk.guards()));
            }
            begun.elapsed() / times
        })
    }
}

/// Microseconds for one, on one thread, the best of rounds, which are as short as those of decisions: on a busy machine a
/// longer one is hardly ever left alone.
fn signature() -> f64 {
    const TIMES: u32 = 200;
    let key = new_key(Algorithm::EcdsaP256);
    let (backend, algorithm) = (software::default_backend(), key.public_key().signature_algorithm());
    let Ok(signer) = backend.signer(&key) else { panic!("the key cannot sign") };
    best(ROUNDS, || {
        let begun = Instant::now();
        for _ in 0..TIMES {
            black_box(signer.sign(algorithm, black_box(&[7; 700])).is_ok());
        }
        begun.elapsed() / TIMES
    })
}

fn best(rounds: usize, round: impl Fn() -> Duration) -> f64 {
    (0..rounds).map(|_| round().as_secs_f64() * 1e6).fold(f64::INFINITY, f64::min)
}
