//! A loss of power after every call of random histories, and again during and after recovery.

use std::sync::Arc;

use pca_core::log::StoreError;

use super::super::disk::sim::{Image, Replay, Rng, SimDisk};
use super::super::reader::Reader;
use super::history::{Wrap, plain};
use super::*;

/// How many crashes after each call.
const EACH: u64 = 4;

#[derive(Debug, Default)]
pub(super) struct Crashes {
    histories: u64,
    /// States of the disk that a log was opened on.
    states: u64,
    /// Of these, by a second crash during recovery or after it.
    second: u64,
    /// With commits that were asked for and not acknowledged, yet there.
    unanswered: u64,
    /// With a torn tail.
    torn: u64,
}

impl AddAssign for Crashes {
    fn add_assign(&mut self, other: Self) {
        self.histories += other.histories;
        self.states += other.states;
        self.second += other.second;
        self.unanswered += other.unanswered;
        self.torn += other.torn;
    }
}

impl Figures for Crashes {
    fn cases(&self) -> u64 {
        self.states
    }
}

/// A history, and crashes after each of its calls.
pub(super) fn case(seed: u64, wrap: Wrap) -> Result<Crashes, String> {
    let history = History::random(seed, wrap)?;
    let mut figures = Crashes { histories: 1, ..Crashes::default() };
    let (base, journal) = history.disk.journal();
    let mut replay = Replay::new(base, seed);
    for changes in 0..=journal.len() {
        if let Some(entry) = changes.checked_sub(1).and_then(|index| journal.get(index)) {
            replay.advance(entry);
        }
        let acknowledged = history.acknowledged(changes);
        for crash in 0..EACH {
            let mut rng = Rng::new(seed ^ (u64::try_from(changes).unwrap() * EACH + crash) << 32);
            judge(replay.crash(rng.next()), &history, acknowledged, &mut rng, &mut figures)
                .map_err(|reason| format!("crash {crash} after call {changes}: {reason}"))?;
        }
    }
    Ok(figures)
}

/// What must hold of a log on what a crash left.
pub(super) fn judge(
    image: Image,
    history: &History,
    acknowledged: usize,
    rng: &mut Rng,
    figures: &mut Crashes,
) -> Result<usize, String> {
    figures.states += 1;
    let disk = SimDisk::new(image);
    let served = match Reader::open(plain(&disk), DIRECTORY.into(), 0) {
        Ok((_, shared)) => contents(&shared)?.len(),
        Err(StoreError::Backend { detail, .. }) if detail.contains("there is no log") => 0,
        Err(error) => return Err(format!("reading: {error}")),
    };
    let session = Session::open(plain(&disk), history.options).map_err(|error| format!("opening: {error}"))?;
    let present = check(&session.shared, history, acknowledged)?;
    drop(session);
    if served > present {
        return Err(format!("a reader served {served} commits, opening found {present}"));
    }
    let (recovery, recovered) = (disk.changes(), disk.image());
    figures.unanswered += u64::from(present > acknowledged);
    figures.torn += u64::from(recovered.names.keys().any(|name| name.contains("/torn-")));
    unchanged_by_opening_again(&disk, history, present, &recovered)?;
    let cut = if rng.eighths(4) { recovery } else { rng.below(recovery + 1) };
    let after = SimDisk::new(disk.crashed(cut, rng.next()));
    figures.states += 1;
    figures.second += 1;
    let during = |reason: &dyn core::fmt::Display| format!("a second crash after call {cut} of {recovery}: {reason}");
    let mut session = Session::open(plain(&after), history.options).map_err(|error| during(&error))?;
    let found = check(&session.shared, history, acknowledged).map_err(|reason| during(&reason))?;
    if cut == recovery && found != present {
        return Err(during(&format!("{present} commits had been served, {found} are there")));
    }
    if rng.eighths(1) {
        goes_on(&after, &mut session, history, found, rng).map_err(|reason| during(&reason))?;
    }
    Ok(present)
}

/// Opening a second time changes nothing but the lock.
fn unchanged_by_opening_again(disk: &SimDisk, history: &History, present: usize, before: &Image) -> Result<(), String> {
    let session = Session::open(plain(disk), history.options).map_err(|error| format!("opening again: {error}"))?;
    let again = contents(&session.shared)?.len();
    drop(session);
    if again != present {
        return Err(format!("{present} commits were there when opening, {again} when opening again"));
    }
    let others = |image: &Image| -> Vec<(Arc<str>, Vec<u8>)> {
        let others = image.contents().filter(|(name, _)| !name.ends_with("/lock"));
        others.map(|(name, octets)| (name.into(), octets.to_vec())).collect()
    };
    if others(before) == others(&disk.image()) { Ok(()) } else { Err("opening again changed a file".into()) }
}

/// What is there can be written on, and stays when power is lost again.
fn goes_on(
    disk: &SimDisk,
    session: &mut Session,
    history: &History,
    there: usize,
    rng: &mut Rng,
) -> Result<(), String> {
    let Some(next) = history.commits.get(there) else { return Ok(()) };
    let receipt = session.commit(vec![next.clone()]).remove(0).map_err(|error| format!("going on: {error}"))?;
    let disk = SimDisk::new(disk.crashed(disk.changes(), rng.next()));
    let session = Session::open(plain(&disk), history.options).map_err(|error| format!("having gone on: {error}"))?;
    let present = check(&session.shared, history, there + 1)?;
    let newest = contents(&session.shared)?.last().map(|recorded| recorded.receipt());
    if present != there + 1 || newest != Some(receipt) {
        return Err("what was written on is not there".into());
    }
    Ok(())
}

#[test]
fn no_crash_loses_what_was_acknowledged_or_leaves_a_log_that_is_not_whole() {
    let figures = by_seed("crash", 4000, |seed| case(seed, plain));
    assert!(number("PCA_SEED").is_some() || (figures.torn > 0 && figures.unanswered > 0 && figures.second > 0));
}
