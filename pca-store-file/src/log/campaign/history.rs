//! Histories that a seed decides, and what a log must hold after one.

use std::collections::BTreeMap;
use std::sync::Arc;

use pca_core::log::{Commit, Position, Receipt, Recorded, Verifier};
use pca_store_testkit::draft::Draft;

use super::super::Options;
use super::super::disk::Disk;
use super::super::disk::sim::{Rng, SimDisk};
use super::super::shared::Shared;
use super::Session;

pub(super) const DIRECTORY: &str = "/data/log";

/// What puts another disk over the simulated one.
pub(super) type Wrap = fn(&SimDisk) -> Arc<dyn Disk>;

/// The simulated disk as it is.
pub(super) fn plain(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// What was asked of a log, and what was answered.
pub(super) struct History {
    pub(super) disk: SimDisk,
    pub(super) options: Options,
    /// Everything that was asked for, in order.
    pub(super) commits: Vec<Commit>,
    /// What was acknowledged: the first ones.
    pub(super) receipts: Vec<Receipt>,
    /// After how many changing calls each of these was acknowledged.
    pub(super) acknowledged_at: Vec<usize>,
    revisions: BTreeMap<String, u64>,
}

/// Options small enough that everything happens often.
pub(super) fn options(rng: &mut Rng) -> Options {
    Options::default()
        .segment_size(rng.pick(&[700, 1500, 4000, 20_000]).unwrap())
        .preallocation(rng.pick(&[0, 300, 1000, 5000]).unwrap())
        .group(rng.pick(&[300, 1000, 4000]).unwrap())
        .cache(0)
        .beacon(None)
}

impl History {
    pub(super) fn new(options: Options) -> Self {
        let (disk, revisions) = (SimDisk::default(), BTreeMap::new());
        let (commits, receipts, acknowledged_at) = (Vec::new(), Vec::new(), Vec::new());
        Self { disk, options, commits, receipts, acknowledged_at, revisions }
    }

    /// One to three sessions with commits, groups of commits and beacons, each closed or killed.
    pub(super) fn random(seed: u64, wrap: Wrap) -> Result<Self, String> {
        let mut rng = Rng::new(seed);
        let mut history = Self::new(options(&mut rng));
        for _ in 0..=rng.below(3) {
            let opened = Session::open(wrap(&history.disk), history.options);
            let mut session = opened.map_err(|error| format!("without a crash: {error}"))?;
            check(&session.shared, &history, history.receipts.len())?;
            for _ in 0..rng.below(8) {
                if rng.eighths(2) {
                    session.idle();
                } else {
                    let train = history.train(&mut rng);
                    history.commit(&mut session, train)?;
                }
            }
            if rng.eighths(4) {
                session.close()?;
            }
        }
        Ok(history)
    }

    /// One to four commits of one or several streams.
    pub(super) fn train(&mut self, rng: &mut Rng) -> Vec<Commit> {
        let count = rng.pick(&[1, 1, 2, 4]).unwrap();
        (0..count).map(|_| self.next(rng)).collect()
    }

    /// The next commit, of any size.
    pub(super) fn next(&mut self, rng: &mut Rng) -> Commit {
        let size = rng.pick(&[0, 10, 300, 700, 2500]).unwrap();
        let payload = (0..rng.below(size + 1)).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
        self.sized(rng, payload)
    }

    pub(super) fn sized(&mut self, rng: &mut Rng, payload: Vec<u8>) -> Commit {
        let mut draft = Draft::new(&format!("commit {}", self.commits.len()));
        let streams = [["a", "b"], ["b", "c"], ["a", "c"]][rng.below(3)];
        let streams = if rng.eighths(4) { &streams[..1] } else { &streams[..] };
        for stream in streams {
            let revision = self.revisions.entry((*stream).into()).or_default();
            draft = draft.guard(stream, *revision);
            *revision += 1;
        }
        let commit = draft.event(streams, &payload).build().unwrap();
        self.commits.push(commit.clone());
        commit
    }

    /// Commits a train in a session and notes what is acknowledged.
    pub(super) fn commit(&mut self, session: &mut Session, train: Vec<Commit>) -> Result<(), String> {
        for answer in session.commit(train) {
            let receipt = answer.map_err(|error| format!("a commit was refused: {error}"))?;
            self.acknowledge(receipt);
        }
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, receipt: Receipt) {
        self.receipts.push(receipt);
        self.acknowledged_at.push(self.disk.changes());
    }

    /// How much was acknowledged after so many changing calls.
    pub(super) fn acknowledged(&self, changes: usize) -> usize {
        self.acknowledged_at.partition_point(|at| *at <= changes)
    }
}

/// Everything in a log, if it is sound: order, positions, revisions and digests without a gap.
pub(super) fn contents(shared: &Shared) -> Result<Vec<Arc<Recorded>>, String> {
    let all = shared.follow(Position::ZERO, usize::MAX).map_err(|error| error.to_string())?;
    let mut verifier = Verifier::default();
    for recorded in &all {
        let faults = verifier.follow(recorded);
        if !faults.is_empty() {
            return Err(format!("the log is not sound: {faults:?}"));
        }
    }
    if shared.lock().durable != verifier.head() {
        return Err("the head is not that of the last commit".into());
    }
    Ok(all)
}

/// Whether a log holds the first commits of a history, octet by octet, and as many as were acknowledged; tells how many.
pub(super) fn check(shared: &Shared, history: &History, acknowledged: usize) -> Result<usize, String> {
    let all = contents(shared)?;
    for (recorded, commit) in all.iter().zip(&history.commits) {
        if recorded.commit().body() != commit.body() {
            return Err(format!("the commit at {} is another one", recorded.seal().first));
        }
    }
    for (recorded, receipt) in all.iter().zip(&history.receipts) {
        if recorded.receipt() != *receipt {
            return Err(format!("{:?} was acknowledged, {:?} is there", receipt, recorded.receipt()));
        }
    }
    if all.len() < acknowledged || all.len() > history.commits.len() {
        let asked = history.commits.len();
        return Err(format!("{} commits are there; {acknowledged} were acknowledged, {asked} asked for", all.len()));
    }
    Ok(all.len())
}
