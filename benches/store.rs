//! Durable commits a second of the file store, against a loop that only appends and syncs, in one run.
//!
//! `cargo bench -p pca-benches --bench store [-- SECONDS]`: each figure is the best of its rounds.
//! `cargo bench -p pca-benches --bench store -- million`: the cost of a commit as the log grows to 10^6, opening it,
//! following all of it, and reading its hottest stream.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::as_conversions, missing_docs)]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pca_benches::{asked_for, directory, metadata, resident};
use pca_core::log::{Commit, CommitId, Digest, EncodedEvent, Position, RequestDigest, Revision, StreamId, Timestamp};
use pca_core::ports::EventStore as _;
use pca_store_file::{FileEventStore, Options};

/// About what a certificate takes.
const PAYLOAD: usize = 900;
const ROUNDS: usize = 3;

fn main() {
    if asked_for("million") {
        return million();
    }
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse::<f64>().ok()).unwrap_or(1.0);
    let round = Duration::from_secs_f64(seconds);
    let directory = directory();
    let frame = commit(1, 0, 0).body().len().next_multiple_of(8) + 112;
    println!("commits of {frame} octets in their frames; best of {ROUNDS} rounds of {seconds} s; in this directory");
    println!("{:<26} {:>10} {:>12} {:>5} {:>16} {:>5}", "", "commits/s", "append loop", "", "overwriting loop", "");
    for (name, callers, tasks, train, batch) in [
        ("1 caller", 1, 1, 1, 1),
        ("8 callers", 8, 1, 1, 8),
        ("64 callers", 64, 1, 1, 64),
        ("256 callers", 256, 1, 1, 256),
        // While a group is written the others are made: half of the callers share a sync.
        ("64 tasks on 1 thread", 1, 64, 1, 32),
        ("256 tasks on 2 threads", 2, 128, 1, 128),
        ("1 caller, trains of 64", 1, 1, 64, 64),
        ("4 callers, trains of 64", 4, 1, 64, 256),
    ] {
        let (mut store, mut loop_only, mut growing) = (0.0_f64, 0.0_f64, 0.0_f64);
        for number in 0..ROUNDS {
            loop_only = loop_only.max(sync_only(directory.path(), frame, batch, round));
            growing = growing.max(sync_only_growing(directory.path(), frame, batch, round));
            let log = directory.path().join(format!("{name}-{number}"));
            store = store.max(store_rate(&log, (callers, tasks), train, round));
            std::fs::remove_dir_all(&log).unwrap();
        }
        let share = |limit: f64| store / limit * 100.0;
        println!(
            "{name:<26} {store:>10.0} {growing:>12.0} {:>4.0}% {loop_only:>16.0} {:>4.0}%",
            share(growing),
            share(loop_only)
        );
    }
    for callers in [8, 64, 256] {
        let rate = (0..ROUNDS).map(|_| bare(directory.path(), frame, callers, round)).fold(0.0, f64::max);
        println!("{:<26} {rate:>10.0}", format!("{callers} callers, no log at all"));
    }
}

/// What so many threads reach that each wait for a thread which writes a frame for each over zeros and syncs, without
/// any commit being made, checked or kept: what waking them costs.
fn bare(directory: &Path, frame: usize, callers: u64, round: Duration) -> f64 {
    type Waiting = (Arc<AtomicBool>, std::thread::Thread);
    let path = directory.join("bare");
    let file = File::create(&path).unwrap();
    file.write_all_at(&vec![0; 64 << 20], 0).unwrap();
    file.sync_all().unwrap();
    let (sender, waiting) = std::sync::mpsc::channel::<Waiting>();
    let writer = std::thread::spawn(move || {
        let mut offset = 0;
        while let Ok(first) = waiting.recv() {
            let group: Vec<Waiting> = std::iter::once(first).chain(waiting.try_iter()).collect();
            let octets = vec![7; frame * group.len()];
            offset = if offset + octets.len() as u64 > 64 << 20 { 0 } else { offset };
            file.write_all_at(&octets, offset).unwrap();
            file.sync_data().unwrap();
            offset += octets.len() as u64;
            for (done, caller) in group {
                done.store(true, Ordering::Release);
                caller.unpark();
            }
        }
    });
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let rate = std::thread::scope(|scope| {
        for _ in 0..callers {
            let (sender, stop, count) = (sender.clone(), &stop, &count);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let done = Arc::new(AtomicBool::new(false));
                    sender.send((Arc::clone(&done), std::thread::current())).unwrap();
                    while !done.load(Ordering::Acquire) {
                        std::thread::park();
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(round);
        stop.store(true, Ordering::Relaxed);
        count.load(Ordering::Relaxed) as f64 / round.as_secs_f64()
    });
    drop(sender);
    writer.join().unwrap();
    std::fs::remove_file(path).unwrap();
    rate
}

/// One caller, trains of 256, up to a million commits.
fn million() {
    const TRAIN: u64 = 256;
    const STEP: u64 = 100 * 1024;
    let directory = directory();
    let log = directory.path().join("log");
    let store = FileEventStore::create(&log, Options::default()).unwrap();
    println!("{:>12} {:>14} {:>18} {:>20}", "commits", "us a commit", "of processor time", "slowest train, ms");
    let mut made = 0;
    for _ in 0..10 {
        let (mut spent, mut slowest) = (Duration::ZERO, Duration::ZERO);
        let mut processor = 0.0;
        for _ in 0..STEP / TRAIN {
            let train: Vec<Commit> = (0..TRAIN).map(|nth| commit(1, made + nth, made + nth)).collect();
            let (begun, before) = (Instant::now(), processor_time());
            let answers = pollster::block_on(store.commit(train));
            let took = begun.elapsed();
            processor += processor_time() - before;
            assert!(answers.iter().all(Result::is_ok));
            made += TRAIN;
            spent += took;
            slowest = slowest.max(took);
        }
        let micros = spent.as_secs_f64() * 1e6 / STEP as f64;
        let processor = processor * 1e6 / STEP as f64;
        println!("{made:>12} {micros:>14.2} {processor:>18.2} {:>20.1}", slowest.as_secs_f64() * 1e3);
    }
    let each = |what: &str, begun: Instant| {
        let took = begun.elapsed().as_secs_f64();
        println!("{what:<28} {:>8.2} us a commit, {:>10.0}/s", took * 1e6 / made as f64, made as f64 / took);
    };
    println!("resident memory: {} MiB", resident() >> 20);
    pollster::block_on(store.close()).unwrap();
    drop(store);
    let begun = Instant::now();
    let store = FileEventStore::open(&log, Options::default()).unwrap();
    each("opening (everything verified)", begun);
    let (begun, mut after) = (Instant::now(), Position::ZERO);
    while let Some(last) = pollster::block_on(store.follow(after, 4096)).unwrap().last() {
        after = last.seal().last();
    }
    each("following (verified again)", begun);
    let hot = StreamId::parse("quota/ca_0000000000000001").unwrap();
    let begun = Instant::now();
    let read = pollster::block_on(store.read(&[(hot, Revision::new(made - 1000))], Position::MAX)).unwrap();
    let count = read.streams.first().map_or(0, |slice| slice.events.len());
    println!("the newest {count} of the hottest stream: {:.2} ms", begun.elapsed().as_secs_f64() * 1e3);
}

/// Seconds of processor time of this process, all threads.
fn processor_time() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let nanos = threads.map(|thread| {
        let schedule = std::fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap_or_default();
        schedule.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or_default()
    });
    nanos.sum::<f64>() / 1e9
}

/// Groups of a size written over zeros that were laid out before, and synced, one after the other.
fn sync_only(directory: &Path, frame: usize, batch: usize, round: Duration) -> f64 {
    let path = directory.join("limit");
    let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&path).unwrap();
    let zeros = vec![0; 64 << 20];
    file.write_all_at(&zeros, 0).unwrap();
    file.sync_all().unwrap();
    let rate = append(&file, &vec![7; frame * batch], batch, round, zeros.len() as u64);
    std::fs::remove_file(path).unwrap();
    rate
}

/// The same onto the end of a file that grows, as a log must.
fn sync_only_growing(directory: &Path, frame: usize, batch: usize, round: Duration) -> f64 {
    let path = directory.join("limit");
    let file = File::create(&path).unwrap();
    let rate = append(&file, &vec![7; frame * batch], batch, round, u64::MAX);
    std::fs::remove_file(path).unwrap();
    rate
}

fn append(file: &File, octets: &[u8], batch: usize, round: Duration, end: u64) -> f64 {
    let (begun, mut offset, mut count) = (Instant::now(), 0, 0_u64);
    while begun.elapsed() < round {
        if offset + octets.len() as u64 > end {
            offset = 0;
        }
        file.write_all_at(octets, offset).unwrap();
        file.sync_data().unwrap();
        offset += octets.len() as u64;
        count += batch as u64;
    }
    count as f64 / begun.elapsed().as_secs_f64()
}

/// Commits a second by so many threads, on each of which so many callers wait.
fn store_rate(directory: &Path, (threads, tasks): (u64, u64), train: u64, round: Duration) -> f64 {
    let store = Arc::new(FileEventStore::create(directory, Options::default()).unwrap());
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let threads: Vec<_> = (0..threads)
        .map(|thread| {
            let (store, stop, count) = (Arc::clone(&store), Arc::clone(&stop), Arc::clone(&count));
            std::thread::spawn(move || {
                let (store, stop, count) = (&store, &stop, &count);
                let callers = (0..tasks).map(|task| async move {
                    let (caller, mut made) = (thread * tasks + task, 0);
                    while !stop.load(Ordering::Relaxed) {
                        let commits = (0..train).map(|nth| commit(caller, made + nth, made + nth)).collect();
                        let answers = store.commit(commits).await;
                        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
                        made += train;
                        count.fetch_add(train, Ordering::Relaxed);
                    }
                });
                pollster::block_on(futures_util::future::join_all(callers));
            })
        })
        .collect();
    std::thread::sleep(round / 10);
    let (begun, before) = (Instant::now(), count.load(Ordering::Relaxed));
    std::thread::sleep(round);
    let rate = (count.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    rate
}

/// What issuing looks like: a hot stream of the caller's, a stream of its own, and two that it only reads.
fn commit(caller: u64, number: u64, revision: u64) -> Commit {
    let stream = |text: String| StreamId::parse(&text).unwrap();
    let hot = stream(format!("quota/ca_{caller:016}"));
    let own = stream(format!("certificate/0011223344/{caller:08x}{number:012x}"));
    let guards = BTreeMap::from([
        (hot.clone(), Revision::new(revision)),
        (own.clone(), Revision::ZERO),
        (stream("policy".into()), Revision::ZERO),
        (stream("ca/ca_root000000000000".into()), Revision::ZERO),
    ]);
    let name = format!("{caller}-{number}");
    let metadata = metadata("IssueCertificate", Timestamp::from_secs(1_700_000_000));
    let event = EncodedEvent {
        kind: "CertificateIssued".into(),
        schema: 1,
        streams: vec![hot, own],
        payload: vec![0x5a; PAYLOAD],
    };
    let request = RequestDigest::new(*Digest::of(name.as_bytes()).as_bytes());
    Commit::new(CommitId::from_idempotency_key(&name), request, metadata, guards, &[event]).unwrap()
}
