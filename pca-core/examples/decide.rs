//! How long a decision about one certificate takes: the hot path, without key, signature, codec and store.
//!
//! `cargo run --release -p pca-core --example decide`

#![allow(clippy::print_stdout, reason = "a program")]

use std::hint::black_box;
use std::time::Instant;

use pca_core::domain::certificate::{IssueAtomically, IssueCertificate, KeySource, NameRequest};
use pca_core::domain::testing::{Story, new_key};
use pca_core::domain::{Command, Desk};
use pca_core::keys::Algorithm;

fn main() {
    let rounds = 1_000_u32;
    let mut story = Story::issuing(10);
    let csr = story.csr(&new_key(Algorithm::EcdsaP256));
    let server = IssueCertificate {
        key: KeySource::Csr(csr.clone()),
        ..IssueCertificate::server(story.intermediate(), ["oa.example", "www.oa.example"])
    };
    let client = IssueCertificate {
        key: KeySource::Csr(csr),
        names: vec![NameRequest::email("clerk@hr.example")],
        ..IssueCertificate::client(story.intermediate(), "HR clerk")
    };
    let platform = IssueCertificate::server(story.intermediate(), ["oa.example"]);
    for (what, request) in
        [("server, CSR", &server), ("client, CSR", &client), ("server, key of the platform", &platform)]
    {
        let context = story.context();
        let Ok((_, _, evidence)) = story.decide(request, &context) else { return println!("{what}: refused") };
        let best = (0..500)
            .map(|_| {
                let begin = Instant::now();
                for _ in 0..rounds {
                    let desk = Desk::new(story.world().desk(), &evidence);
                    let plan = request.decide(black_box(&desk), black_box(&context));
                    black_box((plan.is_ok(), desk.guards()));
                }
                begin.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)
            })
            .fold(f64::INFINITY, f64::min);
        println!("{what}: {best:.2} µs a decision with its guards");
    }
    bulk(10_000, &server);
}

/// The same, all or nothing, for as many as the policy allows.
fn bulk(count: u32, request: &IssueCertificate) {
    let mut story = Story::issuing(count.into());
    let request = IssueCertificate { ca: story.intermediate(), ..request.clone() };
    let bulk = IssueAtomically { requests: (0..count).map(|_| request.clone()).collect() };
    let context = story.context();
    let Ok((_, _, evidence)) = story.decide(&bulk, &context) else { return println!("bulk: refused") };
    let best = (0..10)
        .map(|_| {
            let begin = Instant::now();
            let desk = Desk::new(story.world().desk(), &evidence);
            black_box((bulk.decide(&desk, &context).is_ok(), desk.guards()));
            begin.elapsed().as_secs_f64() * 1e6 / f64::from(count)
        })
        .fold(f64::INFINITY, f64::min);
    println!("bulk of {count}: {best:.2} µs a certificate with its guards");
}
