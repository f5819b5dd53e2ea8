//! Every I/O call of a history fails once: with EIO, with ENOSPC, and half done.

use pca_core::log::StoreError;

use super::super::disk::sim::{Fault, Rng, SimDisk};
use super::super::index::SUFFIX;
use super::history::{Wrap, options, plain};
use super::*;

const FAULTS: [Fault; 3] = [Fault::Io, Fault::Full, Fault::Short];

#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Calls that failed, or were half done.
    failed: u64,
    /// Of these, the ones that the store went on after: half a read or write is no failure.
    harmless: u64,
    /// Opening was what failed.
    opening: u64,
    /// The store was poisoned.
    poisoned: u64,
    /// A commit was refused because something could not be read; the store went on.
    refused: u64,
    /// An index file could not be made; the store went on without it.
    unindexed: u64,
    /// Closing was what failed.
    closing: u64,
    /// Histories after which a commit that was not acknowledged was there.
    unanswered: u64,
}

impl AddAssign for Failures {
    fn add_assign(&mut self, other: Self) {
        self.failed += other.failed;
        self.harmless += other.harmless;
        self.opening += other.opening;
        self.poisoned += other.poisoned;
        self.refused += other.refused;
        self.unindexed += other.unindexed;
        self.closing += other.closing;
        self.unanswered += other.unanswered;
    }
}

impl Figures for Failures {
    fn cases(&self) -> u64 {
        self.failed
    }
}

/// What a history did until something failed.
enum Ended {
    Whole,
    Refused,
    Opening,
    Poisoned,
    Closing,
}

/// Two sessions with so many commits, with beacons and a few groups, closed; nothing is asked of it after a failure but
/// whether it takes anything.
fn run(history: &mut History, wrap: Wrap, commits: usize) -> Result<Ended, String> {
    let mut rng = Rng::new(7);
    for until in [commits / 2, commits] {
        let mut session = match Session::open(wrap(&history.disk), history.options) {
            Ok(session) => session,
            Err(StoreError::Backend { detail, .. }) if detail.contains("error") => return Ok(Ended::Opening),
            Err(other) => return Err(format!("opening: {other}")),
        };
        while history.commits.len() < until {
            let train = history.train(&mut rng);
            let mut failed = false;
            for answer in session.commit(train) {
                match answer {
                    Ok(_) if failed => return Err("a commit was acknowledged after a failure".into()),
                    Ok(receipt) => history.acknowledge(receipt),
                    Err(StoreError::Closed { reason }) if reason.contains("error") => failed = true,
                    Err(StoreError::Backend { detail, .. }) if !failed && detail.contains("error") => {
                        return Ok(Ended::Refused);
                    }
                    Err(other) => return Err(format!("the failure was not reported: {other}")),
                }
            }
            if !failed && rng.eighths(3) {
                session.idle();
                failed = session.shared.lock().end.is_some();
            }
            if failed {
                let next = history.next(&mut rng);
                if !matches!(session.commit(vec![next])[..], [Err(StoreError::Closed { .. })]) {
                    return Err("a store that failed takes commits".into());
                }
                history.commits.pop();
                if session.close().is_ok() {
                    return Err("a store that failed says that it closed".into());
                }
                return Ok(Ended::Poisoned);
            }
        }
        if session.close().is_err() {
            return Ok(Ended::Closing);
        }
    }
    Ok(Ended::Whole)
}

/// Opens the log as it is, or as a crash leaves it, writes on, loses power, and looks again.
fn healthy(disk: &SimDisk, history: &History, rng: &mut Rng, figures: &mut Failures) -> Result<(), String> {
    let acknowledged = history.receipts.len();
    let mut session = Session::open(plain(disk), history.options).map_err(|error| format!("opening: {error}"))?;
    let present = check(&session.shared, history, acknowledged)?;
    figures.unanswered += u64::from(present > acknowledged);
    let mut expected = present;
    if let Some(next) = history.commits.get(present) {
        session.commit(vec![next.clone()]).remove(0).map_err(|error| format!("going on: {error}"))?;
        expected += 1;
    }
    drop(session);
    for _ in 0..4 {
        let crashed = SimDisk::new(disk.crashed(disk.changes(), rng.next()));
        let session = Session::open(plain(&crashed), history.options);
        let session = session.map_err(|error| format!("opening after a loss of power: {error}"))?;
        let found = check(&session.shared, history, expected)?;
        if found != expected {
            return Err(format!("{expected} commits were there before a loss of power, {found} after it"));
        }
    }
    Ok(())
}

fn a_history(case: u64) -> History {
    History::new(options(&mut Rng::new(case)))
}

/// One call of a history fails once.
pub(super) fn case(call: u64, fault: Fault, commits: usize, wrap: Wrap) -> Result<Failures, String> {
    let mut figures = Failures { failed: 1, ..Failures::default() };
    let mut history = a_history(1);
    history.disk.fail(call, fault);
    let said = |reason: String| format!("call {call} fails with {fault:?}: {reason}");
    let ended = run(&mut history, wrap, commits).map_err(said)?;
    let cache = history.disk.failed_at().is_some_and(|name| name.contains(SUFFIX));
    let unnoticed = matches!(ended, Ended::Whole) && fault != Fault::Short && !cache;
    match ended {
        Ended::Whole if cache => figures.unindexed += 1,
        Ended::Whole => figures.harmless += 1,
        Ended::Refused => figures.refused += 1,
        Ended::Opening => figures.opening += 1,
        Ended::Poisoned => figures.poisoned += 1,
        Ended::Closing => figures.closing += 1,
    }
    let mut rng = Rng::new(call);
    for seed in 0..4 {
        let crashed = SimDisk::new(history.disk.crashed(history.disk.changes(), rng.next() ^ seed));
        healthy(&crashed, &history, &mut rng, &mut figures).map_err(said)?;
    }
    healthy(&history.disk, &history, &mut rng, &mut figures).map_err(said)?;
    if unnoticed { Err(said("nobody noticed".into())) } else { Ok(figures) }
}

/// How many calls the history makes.
pub(super) fn calls(commits: usize) -> Result<u64, String> {
    let mut history = a_history(1);
    match run(&mut history, plain, commits)? {
        Ended::Whole => Ok(history.disk.calls()),
        _ => Err("it fails by itself".into()),
    }
}

#[test]
fn every_call_may_fail_once_and_is_reported_and_nothing_acknowledged_is_lost() {
    let commits = 200;
    let all = calls(commits).unwrap();
    let figures = spread("faults", all * 3, 24, |nth| {
        case(nth / 3 + 1, FAULTS[usize::try_from(nth % 3).unwrap()], commits, plain)
    });
    // A slice may miss what is rare.
    let all_kinds = figures.opening > 0 && figures.harmless > 0;
    assert!(number("PCA_SEED").is_some() || (figures.poisoned > 0 && (all_kinds || figures.failed < 1000)));
}
