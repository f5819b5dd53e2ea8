//! Opening a long log, its memory, reading by stream and one more commit, at a growing number of events.
//!
//! `cargo bench -p pca-benches --bench open [-- COMMITS…]`: 10,000 and 1,000,000 unless told otherwise; 10,000,000
//! want some 12 GB of disk and some minutes. The commits are shaped as those that issue a certificate: one event of a
//! KiB in the quota's stream and in two new ones, behind guards on the CAs and the policy.
//!
//! Each log is opened by a process of its own, warm, whose memory is told.

#![allow(clippy::print_stdout, clippy::as_conversions, clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use pca_benches::{directory, median, resident};
use pca_core::log::{Commit, Position, Revision, StreamId};
use pca_core::ports::EventStore as _;
use pca_store_file::{FileEventStore, Options};
use pca_store_testkit::draft::Draft;

const TRAIN: u64 = 1024;
/// How many looks a median is of.
const LOOKS: u64 = 2_000;

fn main() {
    if let Ok(directory) = std::env::var("PCA_BENCH_OPEN") {
        return look(Path::new(&directory));
    }
    let mut counts: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    if counts.is_empty() {
        counts = vec![10_000, 1_000_000];
    }
    println!("microseconds are medians of {LOOKS} looks");
    for count in counts {
        let directory = directory();
        let begun = Instant::now();
        fill(directory.path(), count);
        let filled = begun.elapsed().as_secs_f64();
        let rate = count as f64 / filled;
        println!("{count} commits written in {filled:.1} s, {rate:.0}/s, closing included");
        for _ in 0..3 {
            let status = Command::new(std::env::current_exe().unwrap())
                .env("PCA_BENCH_OPEN", directory.path())
                .env("PCA_BENCH_COUNT", count.to_string())
                .status();
            assert!(status.unwrap().success());
        }
    }
}

fn fill(directory: &Path, count: u64) {
    let store = FileEventStore::create(directory, Options::default()).unwrap();
    let setup =
        [Draft::single("ca", "ca/a", 0), Draft::single("root", "ca/r", 0), Draft::single("policy", "policy", 0)];
    assert!(
        pollster::block_on(store.commit(setup.into_iter().map(Result::unwrap).collect())).iter().all(Result::is_ok)
    );
    let mut next = 0;
    while next < count {
        let train: Vec<Commit> = (next..count.min(next + TRAIN)).map(commit).collect();
        next += train.len() as u64;
        assert!(pollster::block_on(store.commit(train)).iter().all(Result::is_ok));
    }
    pollster::block_on(store.close()).unwrap();
}

fn commit(number: u64) -> Commit {
    let (certificate, key) = streams(number);
    Draft::new(&format!("commit {number}"))
        .guard("ca/a", 1)
        .guard("ca/r", 1)
        .guard("policy", 1)
        .guard("quota/a", number)
        .guard(&certificate, 0)
        .guard(&key, 0)
        .event(&["quota/a", &certificate, &key], &[7; 1000])
        .build()
        .unwrap()
}

fn streams(number: u64) -> (String, String) {
    (format!("certificate/0011223344/{:032x}", u128::from(number) << 64), format!("spki/{number:064x}"))
}

fn look(directory: &Path) {
    let count: u64 = std::env::var("PCA_BENCH_COUNT").unwrap().parse().unwrap();
    let begun = Instant::now();
    let store = FileEventStore::open(directory, Options::default()).unwrap();
    let opened = begun.elapsed();
    let memory = resident() >> 20;
    let head = pollster::block_on(store.head()).unwrap().position;
    let read = |stream: &str, after: u64| {
        let streams = [(StreamId::parse(stream).unwrap(), Revision::new(after))];
        pollster::block_on(store.read(&streams, Position::MAX)).unwrap().streams.remove(0)
    };
    let of = |mut work: Box<dyn FnMut(u64) + '_>| {
        let micros = |number| {
            let begun = Instant::now();
            work(number);
            begun.elapsed().as_secs_f64() * 1e6
        };
        median((0..LOOKS).map(micros).collect())
    };
    let issued = read("quota/a", u64::MAX).revision.get();
    let present = of(Box::new(|number| {
        let (certificate, _) = streams(number * 7_919 % count);
        assert_eq!(read(&certificate, 0).events.len(), 1);
    }));
    let absent = of(Box::new(|number| assert_eq!(read(&format!("spki/none/{number}"), 0).events.len(), 0)));
    let newest =
        of(Box::new(|number| assert_eq!(read("quota/a", issued - 1 - number % 4).events.len() as u64, 1 + number % 4)));
    let begun = Instant::now();
    let train: Vec<Commit> = (issued..issued + 100_000).map(commit).collect();
    let made = begun.elapsed();
    let begun = Instant::now();
    let mut train = train.into_iter();
    loop {
        let some: Vec<Commit> = train.by_ref().take(1024).collect();
        if some.is_empty() {
            break;
        }
        assert!(pollster::block_on(store.commit(some)).iter().all(Result::is_ok));
    }
    let more = begun.elapsed().as_secs_f64() * 1e6 / 100_000.0;
    println!(
        "  at {head}: opened in {:.3} s, {memory} MiB resident; a stream that is there {present:.1} us, one that is not {absent:.2} us, the newest of the long one {newest:.1} us; one commit more {more:.2} us (made in {:.2} us), {} MiB after it",
        opened.as_secs_f64(),
        made.as_secs_f64() * 1e6 / 100_000.0,
        resident() >> 20,
    );
}
