//! What the benches share: a platform that is ready to issue, the limits that it is held against, and figures.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::must_use_candidate,
    missing_docs
)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt as _;
use pca_core::domain::certificate::{IssueCertificate, KeySource};
use pca_core::domain::testing::{Story, new_key};
use pca_core::domain::{CaId, Event};
use pca_core::keys::{Algorithm, KeyId, PrivateKey, software};
use pca_core::log::{Commit, CommitId, EventData as _, Metadata, RequestDigest, Revision, StreamId, Timestamp};
use pca_core::ports::{Clock, Entropy, EntropyError, EventStore, KeyStore};
use pca_core::service::{Call, Parts, Pca, Snapshots};
use pca_core::x509::VerifiedCsr;
use pca_store_file::{FileEventStore, FileKeyStore, FileKeyStoreOptions, FileSnapshotStore, Options};

/// As in the binary `pca` (docs/decisions/0017-allocator.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// So many a second, and seconds of processor time of the whole process for one.
#[derive(Clone, Copy)]
pub struct Figure {
    pub rate: f64,
    pub cost: f64,
}

impl Figure {
    /// Microseconds of processor time for one.
    pub fn micros(self) -> f64 {
        self.cost * 1e6
    }

    /// Median rate and median cost.
    pub fn median(figures: &[Self]) -> Self {
        let middle = |part: fn(&Self) -> f64| median(figures.iter().map(part).collect());
        Self { rate: middle(|figure| figure.rate), cost: middle(|figure| figure.cost) }
    }
}

/// Times work that tells how many it did.
pub fn measure(work: impl FnOnce() -> usize) -> Figure {
    let (begun, spent) = (Instant::now(), processor_time());
    let done = work() as f64;
    let (time, spent) = (begun.elapsed().as_secs_f64(), processor_time() - spent);
    Figure { rate: done / time, cost: spent / done }
}

/// Seconds of processor time of this process so far, ended threads included, as Linux counts them (100 ticks a second).
pub fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What stands beside a commit of a bench.
pub fn metadata(command: &str, decided_at: Timestamp) -> Metadata {
    Metadata {
        command: command.into(),
        actor: "bench".into(),
        claimed_actor: None,
        reason: None,
        correlation: None,
        decided_at,
        wall_clock: None,
    }
}

/// Octets of memory that this process has.
pub fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The first argument that is a number.
pub fn number() -> Option<usize> {
    std::env::args().skip(1).find_map(|argument| argument.parse().ok())
}

/// Whether this word is among the arguments.
pub fn asked_for(word: &str) -> bool {
    std::env::args().skip(1).any(|argument| argument == word)
}

/// A directory below the current one, which goes with the value.
pub fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("pca-bench-").tempdir_in(".").unwrap()
}

/// The limit of issuing: nothing but signatures of a certificate's size, by as many threads, for this time.
pub fn raw_signatures(key: &PrivateKey, threads: usize, time: Duration) -> usize {
    const BETWEEN_LOOKS: usize = 16;
    let signer = software::default_backend().signer(key).unwrap();
    let done = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let message = [7; 700];
                while begun.elapsed() < time {
                    for _ in 0..BETWEEN_LOOKS {
                        std::hint::black_box(signer.sign(key.public_key().signature_algorithm(), &message).unwrap());
                    }
                    done.fetch_add(BETWEEN_LOOKS, Ordering::Relaxed);
                }
            });
        }
    });
    done.load(Ordering::Relaxed)
}

/// A verified request for a certificate of a new key.
pub fn verified_csr(algorithm: Algorithm) -> VerifiedCsr {
    verified_csr_of(&new_key(algorithm))
}

/// A verified request for a certificate of this key.
pub fn verified_csr_of(key: &PrivateKey) -> VerifiedCsr {
    Story::new().csr(key)
}

/// A platform on files whose root and intermediate have keys of this algorithm, and the intermediate, which has issued
/// already: the first signature opens the CA's key, which is meant to be slow.
pub fn platform(directory: &Path, algorithm: Algorithm) -> (Pca, CaId) {
    let story = Story::new().at(WallClock.now()).founded().root_bought_of(algorithm.family());
    let (root, ca) = (story.root(), story.intermediate());
    let story = story.enabled(&root, Some(algorithm), 10).enabled(&ca, Some(algorithm), 5).assigned(100_000_000);
    let store = FileEventStore::create(directory.join("log"), Options::default()).unwrap();
    let passphrase = "a passphrase for benches".to_owned().into();
    let keys = FileKeyStore::create(&directory.join("keys"), passphrase, FileKeyStoreOptions::default()).unwrap();
    tell(&story, &store, &keys);
    let pca = Pca::new(Parts::new(store, keys, WallClock, SystemEntropy).with_snapshots(snapshots(directory)));
    issue_one(&pca, request(&ca, &verified_csr(algorithm), 0));
    (pca, ca)
}

fn snapshots(directory: &Path) -> Snapshots {
    Snapshots::new(FileSnapshotStore::new(directory.join("log").join("snapshots")))
}

/// The same platform, opened again.
pub fn reopened(directory: &Path) -> Pca {
    let store = FileEventStore::open(directory.join("log"), Options::default()).unwrap();
    let passphrase = "a passphrase for benches".to_owned().into();
    let keys = FileKeyStore::open(&directory.join("keys"), passphrase, FileKeyStoreOptions::default()).unwrap();
    Pca::new(Parts::new(store, keys, WallClock, SystemEntropy).with_snapshots(snapshots(directory)))
}

pub fn request(ca: &CaId, csr: &VerifiedCsr, number: usize) -> IssueCertificate {
    IssueCertificate {
        key: KeySource::Csr(csr.clone()),
        ..IssueCertificate::server(ca.clone(), [format!("host-{number}.example.com")])
    }
}

pub fn issue_one(pca: &Pca, request: IssueCertificate) {
    pollster::block_on(pca.issue(request, &Call::by("bench"))).unwrap();
}

/// Issues in bulk; how many.
pub fn issue_all(pca: &Pca, requests: impl IntoIterator<Item = IssueCertificate, IntoIter: Send>) -> usize {
    let call = Call::by("bench");
    pollster::block_on(pca.issue_many(requests, &call).map(Result::unwrap).count())
}

/// The operating system's clock.
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        Timestamp::from_micros(i64::try_from(since.as_micros()).expect("it is before the year 294,000"))
    }
}

/// The back end's randomness.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        aws_lc_rs::rand::fill(buffer).map_err(|failure| EntropyError { detail: failure.to_string() })
    }
}

/// Writes a story into stores; gives the intermediate that issues.
pub fn tell(story: &Story, store: &impl EventStore, keys: &impl KeyStore) -> CaId {
    let mut revisions: HashMap<StreamId, Revision> = HashMap::new();
    for (number, (event, time)) in story.events().iter().enumerate() {
        if let Event::CaEnabled(enabled) = event {
            let key: &KeyId = &enabled.key;
            pollster::block_on(keys.import(key, story.key(key).clone())).expect("the key is new");
        }
        let streams = event.streams();
        let guards = streams.iter().map(|s| (s.clone(), revisions.get(s).copied().unwrap_or_default()));
        let metadata = metadata("Story", *time);
        let id = CommitId::from_idempotency_key(&number.to_string());
        let encoded = [event.encode().expect("events have an encoding")];
        let commit = Commit::new(id, RequestDigest::new([0; 32]), metadata, guards, &encoded).expect("it is guarded");
        pollster::block_on(store.commit(vec![commit])).pop().expect("one answer").expect("it fits");
        for stream in streams {
            let revision = revisions.entry(stream).or_default();
            *revision = revision.plus(1);
        }
    }
    story.intermediate()
}
