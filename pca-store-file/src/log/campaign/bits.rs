//! Bits that flip, files that end too early and sectors that are lost, at rest.

use std::sync::Arc;

use pca_core::log::{Commit, Position, StoreError};

use super::super::disk::sim::{Image, Named, Rng, SimDisk};
use super::super::index::Place;
use super::super::reader::Reader;
use super::super::shared::Shared;
use super::history::plain;
use super::*;

const COMMITS: usize = 100;
/// With frames and headers, 100 commits of so many octets have about 740,000 bits.
const PAYLOAD: usize = 660;
/// So many commits are the last group.
const GROUP: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Damage {
    cases: u64,
    /// Refused as damage when opened, by writers and by readers.
    refused: u64,
    /// Taken for torn or for the end, with everything that was acknowledged there.
    harmless: u64,
    /// Taken for torn, and an acknowledged commit is not there.
    lost: u64,
}

impl AddAssign for Damage {
    fn add_assign(&mut self, other: Self) {
        self.cases += other.cases;
        self.refused += other.refused;
        self.harmless += other.harmless;
        self.lost += other.lost;
    }
}

impl Figures for Damage {
    fn cases(&self) -> u64 {
        self.cases
    }
}

/// How a log was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Closed,
    /// With a beacon and the mark.
    Idle,
    /// Just after the last commit was acknowledged.
    Busy,
}

/// A log of three segments with a hundred commits, and what is on the disk.
fn log(left: Left) -> (History, Image) {
    let options = Options::default().segment_size(34_000).preallocation(3000).cache(0).beacon(None);
    let mut history = History::new(options);
    let mut session = Session::open(plain(&history.disk), options).unwrap();
    let mut rng = Rng::new(3);
    let mut made = |history: &mut History| {
        let payload = (0..PAYLOAD).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
        history.sized(&mut rng, payload)
    };
    for number in 0..COMMITS - GROUP {
        let commit = made(&mut history);
        history.commit(&mut session, vec![commit]).unwrap();
        if left == Left::Idle && number == COMMITS / 2 {
            assert!(session.idle());
        }
    }
    let group = (0..GROUP).map(|_| made(&mut history)).collect();
    history.commit(&mut session, group).unwrap();
    assert!(left != Left::Idle || session.idle());
    match left {
        Left::Closed => session.close().unwrap(),
        Left::Idle | Left::Busy => drop(session),
    }
    let image = history.disk.image();
    (history, image)
}

/// Whether an error names what is damaged, where and why.
fn names_damage(error: &StoreError, file: &str) -> Result<(), String> {
    match error {
        StoreError::Corrupt { place, reason } if place.is_empty() || reason.is_empty() => {
            Err(format!("damage without place or reason: {error}"))
        }
        StoreError::Corrupt { place, .. } if file.ends_with(".log") && !place.contains("offset") => {
            Err(format!("damage without an offset: {error}"))
        }
        StoreError::Corrupt { .. } => Ok(()),
        StoreError::Backend { detail, .. } if detail.contains("newer") => Ok(()),
        other => Err(format!("not told as damage: {other}")),
    }
}

/// Opens a damaged log for reading and for writing.
fn opened(image: &Image, file: &str, history: &History, may_lose: bool) -> Result<Damage, String> {
    let mut figures = Damage { cases: 1, ..Damage::default() };
    let disk = SimDisk::new(image.clone());
    let whole = |shared: &Shared| shared.follow(Position::ZERO, usize::MAX).map(drop);
    // What index files cover is not read when opening: damage is found when it is read.
    let read = Reader::open(plain(&disk), DIRECTORY.into(), 0);
    let read = read.and_then(|(_, shared)| whole(&shared).map(|()| contents(&shared)));
    let session = Session::open(plain(&disk), history.options);
    match session.and_then(|session| whole(&session.shared).map(|()| session)) {
        Err(error) => {
            names_damage(&error, file)?;
            figures.refused = 1;
            match read {
                Err(error) => names_damage(&error, file)?,
                Ok(_) => return Err(format!("a reader does not see what a writer refuses: {error}")),
            }
        }
        Ok(session) => {
            match read {
                Ok(read) => drop(read?),
                Err(error) => return Err(format!("a reader refuses what a writer opens: {error}")),
            }
            let present = check(&session.shared, history, if may_lose { COMMITS - GROUP } else { COMMITS })?;
            for receipt in history.receipts.iter().take(COMMITS - GROUP).step_by(45) {
                let found = session.shared.receipt(receipt.commit, receipt.request);
                if found != Ok(Some(*receipt)) {
                    return Err(format!("asked for {receipt:?}: {found:?}"));
                }
            }
            figures.lost = u64::from(present < COMMITS);
            figures.harmless = u64::from(present == COMMITS);
        }
    }
    Ok(figures)
}

/// Whether nothing need be noticed if an octet of a file changes, or is cut off with those behind it: of the mark, which has
/// two slots; of an index file, which is a cache; of the zeros behind the last frame. Of a log left at work, the last group.
fn need_not_be_found(left: Left, image: &Image, (name, file): (&str, usize), octet: usize) -> bool {
    let is_zero = || image.files[file].iter().skip(octet).all(|octet| *octet == 0);
    left == Left::Busy || name.ends_with("/mark") || name.ends_with(".index") || name.ends_with(".log") && is_zero()
}

/// The bits of a log's files, counted through.
fn places(image: &Image, what: impl Fn(&str) -> bool) -> Vec<(Arc<str>, usize, usize)> {
    let files = image.names.iter().filter(|(name, _)| what(name));
    files
        .filter_map(|(name, named)| match named {
            Named::File(file) => Some((Arc::clone(name), *file, image.files[*file].len())),
            Named::Directory => None,
        })
        .collect()
}

fn nth(places: &[(Arc<str>, usize, usize)], mut n: usize, per: impl Fn(usize) -> usize) -> (&str, usize, usize) {
    for (name, file, length) in places {
        let count = per(*length);
        if n < count {
            return (name, *file, n);
        }
        n -= count;
    }
    panic!("there are not so many");
}

fn flips(campaign: &str, left: Left, slice: u64) -> Damage {
    let (history, image) = log(left);
    let places = places(&image, |name| !name.ends_with("/lock"));
    let all = places.iter().map(|(_, _, length)| length * 8).sum::<usize>();
    spread(campaign, u64::try_from(all).unwrap(), slice, |case| {
        let (name, file, bit) = nth(&places, usize::try_from(case).unwrap(), |length| length * 8);
        let mut flipped = image.clone();
        flipped.files[file][bit / 8] ^= 1 << (bit % 8);
        let found = opened(&flipped, name, &history, left == Left::Busy);
        match found {
            Ok(figures) if figures.refused == 0 && !need_not_be_found(left, &image, (name, file), bit / 8) => {
                Err("it was not noticed".into())
            }
            found => found,
        }
        .map_err(|reason| format!("{name} offset {} bit {}: {reason}", bit / 8, bit % 8))
    })
}

#[test]
fn every_flipped_bit_of_a_closed_log_is_found_or_stands_in_the_mark_and_hides_nothing() {
    let figures = flips("bits::every_flipped_bit_of_a_closed", Left::Closed, 400);
    assert!(figures.refused > 0 && figures.lost == 0);
}

#[test]
fn no_flipped_bit_of_an_idle_log_loses_a_commit() {
    let figures = flips("bits::no_flipped_bit_of_an_idle", Left::Idle, 400);
    assert!(figures.refused > 0 && figures.lost == 0);
}

/// The window of `docs/log-format.md`: nothing has been written behind the last group.
#[test]
fn a_flipped_bit_of_a_log_left_at_work_costs_the_last_group_at_most() {
    let figures = flips("bits::a_flipped_bit_of_a_log_left_at_work", Left::Busy, 400);
    assert!(figures.refused > 0 && figures.lost < figures.cases / 20);
}

#[test]
fn every_flipped_bit_of_a_commit_is_found_when_it_is_read() {
    let (history, image) = log(Left::Closed);
    let disk = SimDisk::new(image.clone());
    let session = Session::open(plain(&disk), history.options).unwrap();
    let commits: Vec<_> = {
        let shared = &*session.shared;
        let place = |number: usize| {
            let id = history.commits[number].id();
            let (key, runs) = (shared.keys.commit(&id), Arc::clone(shared.lock().index.runs()));
            let here = shared.lock().index.known_here(key);
            here.unwrap_or_else(|| runs.known(&id, key, shared).unwrap().unwrap().0)
        };
        let first = |place: Place| shared.lock().segments[place.segment as usize].first;
        (0..COMMITS).map(|number| (number, place(number), first(place(number)))).collect()
    };
    let length = |number: usize| (112 + history.commits[number].body().len()).next_multiple_of(8) * 8;
    let all = (0..COMMITS).map(length).sum::<usize>();
    drop(session);
    spread("bits::every_flipped_bit_of_a_commit", u64::try_from(all).unwrap(), 400, |case| {
        let mut bit = usize::try_from(case).unwrap();
        let (number, place, segment) = commits
            .iter()
            .find(|(number, ..)| {
                let length = length(*number);
                let here = bit < length;
                bit -= if here { 0 } else { length };
                here
            })
            .unwrap();
        let name = format!("{DIRECTORY}/{segment:020}.log");
        let disk = SimDisk::new(image.clone());
        let session = Session::open(plain(&disk), history.options).unwrap();
        disk.tamper(|image| {
            let Some(Named::File(file)) = image.names.get(&*name).copied() else { panic!("{name}") };
            image.files[file][place.offset as usize + bit / 8] ^= 1 << (bit % 8);
        });
        let receipt = history.receipts[*number];
        match session.shared.receipt(receipt.commit, receipt.request) {
            Err(error @ StoreError::Corrupt { .. }) => names_damage(&error, &name)?,
            other => return Err(format!("commit {number} bit {bit}: {other:?}")),
        }
        if session.shared.lock().end.is_none() {
            return Err(format!("commit {number} bit {bit}: the store still takes commits"));
        }
        Ok(Damage { cases: 1, refused: 1, ..Damage::default() })
    });
}

fn truncations(campaign: &str, left: Left, slice: u64) -> Damage {
    let (history, image) = log(left);
    let places = places(&image, |name| !name.ends_with("/lock"));
    let all = places.iter().map(|(_, _, length)| *length).sum::<usize>();
    spread(campaign, u64::try_from(all).unwrap(), slice, |case| {
        let (name, file, length) = nth(&places, usize::try_from(case).unwrap(), |length| length);
        let mut cut = image.clone();
        cut.files[file].truncate(length);
        match opened(&cut, name, &history, false) {
            Ok(figures) if figures.refused == 0 && !need_not_be_found(left, &image, (name, file), length) => {
                Err("it was not noticed".into())
            }
            found => found,
        }
        .map_err(|reason| format!("{name} cut at {length}: {reason}"))
    })
}

#[test]
fn a_closed_log_that_is_cut_anywhere_is_damaged() {
    let figures = truncations("bits::a_closed_log", Left::Closed, 200);
    assert!(figures.refused > 0 && figures.lost == 0);
}

#[test]
fn an_idle_log_that_is_cut_anywhere_is_damaged_or_loses_zeros() {
    let figures = truncations("bits::an_idle_log", Left::Idle, 200);
    assert!(figures.refused > 0 && figures.lost == 0);
}

/// Every subset of the sectors of the last group and what stands behind it, once it is named as durable.
fn sectors(campaign: &str, left: Left) -> Damage {
    let (history, image) = log(left);
    let (name, file, _) = places(&image, |name| name.ends_with(".log")).pop().unwrap();
    let whole = &image.files[file];
    let end = whole.iter().rposition(|octet| *octet != 0).unwrap() + 1;
    let frame = |commit: &Commit| (112 + commit.body().len()).next_multiple_of(8);
    let group = history.commits[COMMITS - GROUP..].iter().map(frame).sum::<usize>();
    let behind = if left == Left::Busy { 0 } else { 112 };
    let start = end.next_multiple_of(8) - behind - group;
    let sectors = end.div_ceil(512) - start / 512;
    spread(campaign, 1 << sectors, 1 << sectors, |subset| {
        let mut lost = image.clone();
        let octets = &mut lost.files[file];
        for sector in (0..sectors).filter(|sector| subset >> sector & 1 == 1) {
            let from = ((start / 512 + sector) * 512).max(start);
            let to = ((start / 512 + sector + 1) * 512).min(octets.len());
            octets[from..to].fill(0);
        }
        opened(&lost, &name, &history, left == Left::Busy).map_err(|reason| format!("sectors {subset:b}: {reason}"))
    })
}

#[test]
fn no_sectors_of_the_last_group_are_lost_unnoticed_once_a_log_is_idle_or_closed() {
    for left in [Left::Idle, Left::Closed] {
        let figures = sectors("bits::no_sectors", left);
        assert!(figures.refused == figures.cases - 1 && figures.lost == 0, "all but the one that loses none");
    }
    let window = sectors("bits::no_sectors, at work", Left::Busy);
    assert_eq!(window.lost, window.cases - 1, "this is what the window is");
    assert!(number("PCA_FIRE").is_some() || window.cases > 100);
}

/// A store that stops at the first frame that does not fit, as if the log ended there.
#[test]
fn the_bits_campaign_kills_a_store_that_stops_at_the_first_bad_frame() {
    let (history, mut image) = log(Left::Closed);
    let (name, file, length) = places(&image, |name| name.ends_with(".log")).pop().unwrap();
    image.files[file].truncate(length / 2 / 8 * 8);
    image.names.retain(|name, _| !name.ends_with("/closed") && !name.ends_with("/mark"));
    let found = opened(&image, &name, &history, false);
    assert!(found.is_err_and(|reason| reason.contains("were acknowledged")));
}
