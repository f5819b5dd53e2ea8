//! Replaying a file log of 10^6 events about certificates against reading and hashing the same octets, and verifying a
//! log of real certificates against nothing but verifying signatures, in one run, on one thread each.
//!
//! `cargo bench -p pca-benches --bench replay [-- EVENTS [CERTIFICATES]]`: 1,000,000 and 50,000 unless told otherwise,
//! which wants some 1.5 GB of disk. What is read was written just before: the files are in the system's cache.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::as_conversions, missing_docs)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use pca_benches::{Figure, directory, issue_all, issue_one, measure, metadata, platform, request, tell, verified_csr};
use pca_core::domain::certificate::{IssueCertificate, KeySource};
use pca_core::domain::event::CertificateIssued;
use pca_core::domain::testing::{Story, new_key, sign};
use pca_core::domain::{CaId, Event, stream};
use pca_core::keys::{Algorithm, software};
use pca_core::log::{
    Commit, CommitId, Digest, EventData as _, Position, Recorded, RequestDigest, Revision, StreamId, Timestamp,
    Verifier,
};
use pca_core::ports::EventStore as _;
use pca_core::projection::{DomainVerifier, Inventory, Projection as _};
use pca_core::service::Pca;
use pca_core::x509::{CertificateId, SerialNumber};
use pca_store_file::{FileEventStore, Options};
use pca_store_memory::MemoryKeyStore;

const TRAIN: usize = 1_024;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (events, certificates) = (numbers.next().unwrap_or(1_000_000), numbers.next().unwrap_or(50_000));
    let directory = directory();
    replay(&directory.path().join("log"), events);
    verify(&directory.path().join("verify"), certificates);
}

fn heading(unit: &str, limit: &str) {
    println!("{:<46} {:>12} {:>14} {:>10} {:>10}", "", format!("{unit}/s"), "us each", limit, "processor");
}

/// A figure, and how it stands to the limit's, in time and in processor time.
fn line(what: &str, figure: Figure, limit: Figure) {
    let (rate, cost) = (figure.rate / limit.rate * 100.0, limit.cost / figure.cost * 100.0);
    println!("{what:<46} {:>12.0} {:>14.2} {rate:>8.0} % {cost:>8.0} %", figure.rate, figure.micros());
}

fn replay(log: &Path, count: usize) {
    let begun = Instant::now();
    write(log, count);
    println!("{count} events were written in {:.1} s", begun.elapsed().as_secs_f64());
    let octets = hash_files(log);
    println!("{:.0} octets of the files for each; us of processor time; ratios", octets as f64 / count as f64);
    heading("events", "of limit");
    let limit = measure(|| {
        black_box(hash_files(log));
        count
    });
    line("limit: reading the files, SHA-256 of them", limit, limit);
    let mut store = None;
    let opened = measure(|| {
        store = Some(FileEventStore::open(log, Options::default()).unwrap());
        count
    });
    line("opening, everything verified", opened, limit);
    let store = store.unwrap();
    let decode = |recorded: &Recorded| {
        for event in recorded.commit().events() {
            black_box(Event::decode(&event).unwrap());
        }
    };
    line("following, verified again, decoded", measure(|| follow(&store, decode)), limit);
    let mut chain = Verifier::default();
    let checked = measure(|| {
        follow(&store, |recorded| {
            assert!(chain.follow(recorded).is_empty());
            decode(recorded);
        })
    });
    line("the same with the chain and guards checked", checked, limit);
    drop(chain);
    let mut inventory = Inventory::default();
    line("following, folded into the inventory", measure(|| follow(&store, |r| inventory.apply(r).unwrap())), limit);
}

/// Reads the segments one after the other and hashes all that is in them; how many octets.
fn hash_files(log: &Path) -> usize {
    let mut files: Vec<_> = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut octets, mut buffer) = (0, vec![0; 1 << 20]);
    for path in files {
        let mut file = std::fs::File::open(path).unwrap();
        loop {
            let read = file.read(&mut buffer).unwrap();
            let Some(read) = buffer.get(..read).filter(|read| !read.is_empty()) else { break };
            black_box(Digest::of(read));
            octets += read.len();
        }
    }
    octets
}

/// Shows every commit of the log; how many events.
fn follow(store: &FileEventStore, mut show: impl FnMut(&Recorded)) -> usize {
    let mut after = Position::ZERO;
    loop {
        let commits = pollster::block_on(store.follow(after, 4_096)).unwrap();
        let Some(last) = commits.last() else { break };
        after = last.seal().last();
        commits.iter().for_each(|recorded| show(recorded));
    }
    usize::try_from(after.get()).unwrap()
}

/// A log that begins with a story and goes on with certificates: one event a commit, as issuing writes them, each with
/// the certificate of the story under another serial number.
fn write(log: &Path, count: usize) {
    let mut story = Story::issuing(count as u64 + 1);
    let csr = verified_csr(Algorithm::EcdsaP256);
    let command = IssueCertificate {
        key: KeySource::Csr(csr),
        ..IssueCertificate::server(story.intermediate(), ["oa.example", "www.oa.example"])
    };
    let done = story.run(&command);
    let Some(Event::CertificateIssued(issued)) = done.events.into_iter().next_back() else { panic!("not issued") };
    let read: Vec<StreamId> = done.guards.into_keys().filter(|stream| stream.category() != "certificate").collect();
    let revisions: BTreeMap<StreamId, Revision> =
        read.iter().map(|stream| (stream.clone(), story.world().revision(stream).unwrap_or_default())).collect();

    let store = FileEventStore::create(log, Options::default()).unwrap();
    tell(&story, &store, &MemoryKeyStore::new());
    let mut numbers = (1..).take(count.saturating_sub(story.events().len()));
    loop {
        let train: Vec<Commit> =
            numbers.by_ref().take(TRAIN).map(|number| commit(&issued, &revisions, number, story.now())).collect();
        if train.is_empty() {
            break;
        }
        let answers = pollster::block_on(store.commit(train));
        assert!(answers.iter().all(Result::is_ok));
    }
    pollster::block_on(store.close()).unwrap();
}

fn commit(issued: &CertificateIssued, read: &BTreeMap<StreamId, Revision>, number: u64, now: Timestamp) -> Commit {
    let mut serial = [0x5a; 10];
    serial.iter_mut().skip(2).zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    let mut issued = CertificateIssued {
        id: CertificateId::new(issued.id.issuer(), SerialNumber::from_random(serial)),
        claims_key: false,
        ..issued.clone()
    };
    issued.balance.consumed += number;
    issued.balance.remaining -= number;
    let mut guards = read.clone();
    guards.insert(stream::certificate(&issued.id), Revision::ZERO);
    if let Some(quota) = guards.get_mut(&stream::quota(&issued.ca)) {
        *quota = quota.plus(number - 1);
    }
    let metadata = metadata("IssueCertificate", now);
    let id = CommitId::from_idempotency_key(&format!("certificate {number}"));
    let request = RequestDigest::new(*Digest::of(id.as_bytes()).as_bytes());
    Commit::new(id, request, metadata, guards, &[Event::from(issued).encode().unwrap()]).unwrap()
}

fn verify(directory: &Path, count: usize) {
    let begun = Instant::now();
    let (pca, ca) = platform(directory, Algorithm::EcdsaP256);
    issue(&pca, &ca, count);
    drop(pca);
    println!("\n{count} certificates were issued in {:.1} s", begun.elapsed().as_secs_f64());
    heading("certificates", "of limit");
    let limit = raw_verifications(Duration::from_secs(2));
    line("limit: verifying a P-256 signature", limit, limit);
    let store = FileEventStore::open(directory.join("log"), Options::default()).unwrap();
    for (what, mut rules) in [
        ("verifying the log, every signature", DomainVerifier::default()),
        ("verifying the log without signatures", DomainVerifier::without_signatures()),
    ] {
        let mut chain = Verifier::default();
        let verified = measure(|| {
            follow(&store, |recorded| {
                assert!(chain.follow(recorded).is_empty() && rules.follow(recorded).is_empty());
            });
            rules.finish().unwrap();
            usize::try_from(rules.certificates()).unwrap()
        });
        line(what, verified, limit);
    }
}

fn issue(pca: &Pca, ca: &CaId, count: usize) {
    let csr = verified_csr(Algorithm::EcdsaP256);
    issue_one(pca, request(ca, &csr, 0));
    issue_all(pca, (1..count).map(|number| request(ca, &csr, number)));
}

/// The limit of verifying: nothing but signatures of a certificate's size, on one thread, for this time.
fn raw_verifications(time: Duration) -> Figure {
    let key = new_key(Algorithm::EcdsaP256);
    let message = [7; 700];
    let (signature, algorithm) = sign(&key, &message);
    measure(|| {
        let (begun, mut done) = (Instant::now(), 0);
        while begun.elapsed() < time {
            software::verify(key.public_key(), algorithm, black_box(&message), &signature).unwrap();
            done += 1;
        }
        done
    })
}
