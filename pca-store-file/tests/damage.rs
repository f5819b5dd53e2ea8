//! Flipped bits, files cut short and torn tails: nothing that was closed is ever lost unnoticed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use pca_core::log::StoreError;
use pca_store_file::{FileEventStore, Options};
use support::{assert_prefix, commit, copy, fill, follow, frames, named, options, put, segments};

const COMMITS: u64 = 12;

fn open(directory: &Path) -> Result<FileEventStore, StoreError> {
    FileEventStore::open(directory, options())
}

fn read_only(directory: &Path) -> Result<FileEventStore, StoreError> {
    FileEventStore::open_read_only(directory, options())
}

/// A log of three segments, closed.
fn closed(directory: &Path) -> Options {
    let options = options().segment_size(1600);
    pollster::block_on(fill(directory, options, COMMITS).close()).unwrap();
    assert!(segments(directory).len() >= 3);
    options
}

#[track_caller]
fn is_damage(opened: Result<FileEventStore, StoreError>, what: &str) {
    match opened {
        Err(StoreError::Corrupt { place, reason }) => assert!(!place.is_empty() && !reason.is_empty(), "{what}"),
        // A flip in a version number reads as a newer version.
        Err(StoreError::Backend { detail, .. }) => assert!(detail.contains("version"), "{what}: {detail}"),
        Err(other) => unreachable!("{what}: {other}"),
        Ok(_) => unreachable!("{what}: it was opened"),
    }
}

#[test]
fn every_flipped_bit_of_a_closed_log_is_found_when_opening() {
    let directory = tempfile::tempdir().unwrap();
    closed(directory.path());
    let mut files = segments(directory.path());
    files.extend(["format", "closed"].map(|name| directory.path().join(name)));
    for path in files {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        for (octet, offset) in fs::read(&path).unwrap().into_iter().zip(0_u64..) {
            for bit in 0..8 {
                file.write_all_at(&[octet ^ 1 << bit], offset).unwrap();
                let what = format!("{} offset {offset} bit {bit}", path.display());
                is_damage(open(directory.path()), &what);
                if (offset + bit) % 4 == 0 {
                    is_damage(read_only(directory.path()), &what);
                }
            }
            file.write_all_at(&[octet], offset).unwrap();
        }
    }
    assert_prefix(&open(directory.path()).unwrap(), 12);
}

#[test]
fn every_flipped_bit_of_a_commit_is_found_when_reading() {
    let directory = tempfile::tempdir().unwrap();
    let options = closed(directory.path());
    let store = FileEventStore::open(directory.path(), options).unwrap();
    let whole = follow(&store).unwrap();
    for path in segments(directory.path()) {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let octets = fs::read(&path).unwrap();
        let frames = frames(&octets);
        // The last frame is the seal, which nobody reads again.
        let commits = frames[0]..frames[frames.len() - 2];
        for (offset, octet) in octets.iter().enumerate() {
            for bit in 0..8 {
                file.write_all_at(&[octet ^ 1 << bit], u64::try_from(offset).unwrap()).unwrap();
                match follow(&store) {
                    Err(StoreError::Corrupt { place, .. }) => assert!(place.contains("offset"), "{place}"),
                    Err(other) => unreachable!("{other}"),
                    Ok(read) => assert!(!commits.contains(&offset) && read == whole, "{path:?} {offset} {bit}"),
                }
            }
            file.write_all_at(&[*octet], u64::try_from(offset).unwrap()).unwrap();
        }
    }
    assert_eq!(follow(&store).unwrap(), whole);
    assert!(matches!(put(&store, commit(COMMITS)), Err(StoreError::Closed { .. })), "nothing is written to damage");
}

#[test]
fn a_closed_log_that_was_cut_anywhere_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    closed(directory.path());
    for path in segments(directory.path()) {
        let octets = fs::read(&path).unwrap();
        for length in 0..octets.len() {
            fs::write(&path, &octets[..length]).unwrap();
            is_damage(open(directory.path()), &format!("{path:?} cut to {length}"));
            is_damage(read_only(directory.path()), &format!("{path:?} cut to {length}"));
        }
        fs::remove_file(&path).unwrap();
        is_damage(open(directory.path()), &format!("{path:?} removed"));
        is_damage(read_only(directory.path()), &format!("{path:?} removed"));
        fs::write(&path, &octets).unwrap();
    }
    assert_prefix(&open(directory.path()).unwrap(), 12);
}

#[test]
fn a_log_left_open_that_was_cut_anywhere_opens_with_its_whole_commits() {
    let (live, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = fill(live.path(), options(), 5);
    copy(live.path(), crashed.path());
    drop(store);
    let path = segments(crashed.path()).remove(0);
    let octets = fs::read(&path).unwrap();
    let frames = frames(&octets);
    assert!(octets.len() > frames[5], "zeros are laid out behind");
    for length in 0..octets.len() {
        fs::write(&path, &octets[..length]).unwrap();
        if length < frames[0] {
            is_damage(open(crashed.path()), "the header of a segment is durable before the segment has its name");
            continue;
        }
        let whole = frames.iter().filter(|offset| **offset <= length).count() - 1;
        let store = open(crashed.path()).unwrap();
        let torn = if frames.contains(&length) || whole == 5 { 0 } else { length - frames[whole] };
        // Zeros at the end of what was cut are not torn octets.
        assert!(usize::try_from(store.torn_bytes()).unwrap() <= torn, "cut to {length}");
        assert_prefix(&store, whole);
        let copies = named(crashed.path(), "torn-");
        assert_eq!(copies.len(), usize::from(store.torn_bytes() > 0));
        for copy in copies {
            let kept = fs::read(&copy).unwrap();
            assert_eq!(kept, octets[frames[whole]..frames[whole] + kept.len()]);
            fs::remove_file(copy).unwrap();
        }
        // Every sync takes its time: going on is tried now and then.
        if length % 16 == 0 {
            assert!(put(&store, commit(u64::try_from(whole).unwrap())).is_ok());
            drop(store);
            assert_prefix(&open(crashed.path()).unwrap(), whole + 1);
        } else {
            drop(store);
        }
        fs::remove_file(crashed.path().join("closed")).unwrap();
    }
}

#[test]
fn a_frame_torn_anywhere_is_put_aside_and_the_log_goes_on() {
    let (live, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = fill(live.path(), options(), 4);
    copy(live.path(), crashed.path());
    drop(store);
    let path = segments(crashed.path()).remove(0);
    let octets = fs::read(&path).unwrap();
    let frames = frames(&octets);
    for torn_from in frames[3]..frames[4] {
        for filling in [0, 0xa5] {
            let mut torn = octets.clone();
            torn[torn_from..frames[4]].fill(filling);
            if torn == octets {
                continue;
            }
            fs::write(&path, &torn).unwrap();
            let reader = read_only(crashed.path()).unwrap();
            assert_eq!(follow(&reader).unwrap().len(), 2, "the third is not named as durable by anything whole");
            assert_eq!(named(crashed.path(), "torn-").len(), 0, "reading heals nothing");
            let store = open(crashed.path()).unwrap();
            assert_eq!(reader.torn_bytes(), store.torn_bytes());
            assert_eq!(store.torn_bytes() > 0, torn_from > frames[3] || filling != 0);
            assert_prefix(&store, 3);
            if torn_from % 8 == 0 {
                assert!(put(&store, commit(3)).is_ok());
                drop(store);
                let store = open(crashed.path()).unwrap();
                assert_eq!((store.torn_bytes(), read_only(crashed.path()).unwrap().torn_bytes()), (0, 0));
                assert_prefix(&store, 4);
                assert_prefix(&reader, 4);
            } else {
                drop(store);
                assert_prefix(&reader, 3);
            }
            named(crashed.path(), "torn-").iter().for_each(|path| fs::remove_file(path).unwrap());
            fs::remove_file(crashed.path().join("closed")).unwrap();
        }
    }
}

#[test]
fn a_flip_that_a_later_frame_covers_is_no_tear() {
    let (live, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = fill(live.path(), options(), 4);
    copy(live.path(), crashed.path());
    drop(store);
    let path = segments(crashed.path()).remove(0);
    let octets = fs::read(&path).unwrap();
    let frames = frames(&octets);
    for offset in 0..frames[3] {
        for bit in 0..8 {
            let mut flipped = octets.clone();
            flipped[offset] ^= 1 << bit;
            fs::write(&path, &flipped).unwrap();
            is_damage(open(crashed.path()), &format!("offset {offset} bit {bit}"));
            if (offset + bit) % 4 == 0 {
                is_damage(read_only(crashed.path()), &format!("offset {offset} bit {bit}"));
            }
        }
    }
    // The window that the format's description names: nothing was written behind the last group yet.
    let mut flipped = octets.clone();
    flipped[frames[3] + 150] ^= 1;
    fs::write(&path, &flipped).unwrap();
    assert_prefix(&open(crashed.path()).unwrap(), 3);
}

#[test]
fn octets_far_behind_a_broken_frame_are_no_tear() {
    let (live, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = fill(live.path(), options(), 2);
    copy(live.path(), crashed.path());
    drop(store);
    let path = segments(crashed.path()).remove(0);
    let end = u64::try_from(frames(&fs::read(&path).unwrap())[2]).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"x", end + 64 * 1024 * 1024 + 1).unwrap();
    is_damage(open(crashed.path()), "more than a group");
    file.set_len(end).unwrap();
    file.write_all_at(b"x", end + 64 * 1024 * 1024 - 1).unwrap();
    let store = open(crashed.path()).unwrap();
    assert_eq!(store.torn_bytes(), 64 * 1024 * 1024);
    assert_prefix(&store, 2);
}

#[test]
fn commits_that_were_removed_or_exchanged_are_missed() {
    let directory = tempfile::tempdir().unwrap();
    closed(directory.path());
    let path = segments(directory.path()).remove(0);
    let octets = fs::read(&path).unwrap();
    let frames = frames(&octets);
    let [first, second, third] =
        [frames[0]..frames[1], frames[1]..frames[2], frames[2]..frames[3]].map(|range| &octets[range]);
    let rest = &octets[frames[3]..];
    for parts in
        [vec![first, third], vec![second, third], vec![second, first, third], vec![first, first, second, third]]
    {
        let mut changed = octets[..frames[0]].to_vec();
        parts.iter().for_each(|part| changed.extend_from_slice(part));
        changed.extend_from_slice(rest);
        fs::write(&path, changed).unwrap();
        is_damage(open(directory.path()), "commits were moved");
    }
}

/// A log of four commits that was idle and then left, and where its frames begin.
fn idle(directory: &Path) -> (Vec<u8>, Vec<usize>) {
    let live = tempfile::tempdir().unwrap();
    let beacon = options().beacon(Some(Duration::from_millis(1)));
    let store = fill(live.path(), beacon, 4);
    let mark = live.path().join("mark");
    // The mark is written behind the beacon; as many marks as there were beacons need not be four.
    let named = |octets: &[u8]| {
        let slots = [0, 4096].map(|slot| u64::from_be_bytes(octets[slot + 56..slot + 64].try_into().unwrap()));
        slots.contains(&4)
    };
    while !named(&fs::read(&mark).unwrap()) {
        std::thread::yield_now();
    }
    copy(live.path(), directory);
    drop(store);
    let octets = fs::read(segments(directory).remove(0)).unwrap();
    let frames = frames(&octets);
    (octets, frames)
}

#[test]
fn an_idle_log_that_was_cut_between_two_frames_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let (octets, frames) = idle(directory.path());
    let path = segments(directory.path()).remove(0);
    for cut in &frames[..frames.len() - 1] {
        fs::write(&path, &octets[..*cut]).unwrap();
        for opened in [open(directory.path()), read_only(directory.path())] {
            let Err(StoreError::Corrupt { place, reason }) = opened else { unreachable!("cut at {cut}: {opened:?}") };
            assert_eq!(place, format!("segment {:020} offset {cut}", 1));
            assert!(reason.contains("was durable up to"), "{reason}");
        }
    }
    fs::write(&path, &octets[..frames[frames.len() - 1]]).unwrap();
    assert_prefix(&read_only(directory.path()).unwrap(), 4);
    assert_prefix(&open(directory.path()).unwrap(), 4);
}

#[test]
fn a_mark_that_is_missing_is_made_and_one_that_does_not_belong_here_is_refused() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    idle(directory.path());
    idle(other.path());
    let mark = directory.path().join("mark");
    let whole = fs::read(&mark).unwrap();
    for slot in [0, 4096] {
        let mut torn = whole.clone();
        torn[slot + 70..slot + 4096].fill(0xa5);
        fs::write(&mark, &torn).unwrap();
        assert_prefix(&read_only(directory.path()).unwrap(), 4);
        torn[4096 + 70 - slot] ^= 1;
        fs::write(&mark, &torn).unwrap();
        is_damage(open(directory.path()), "both slots are broken");
        is_damage(read_only(directory.path()), "both slots are broken");
    }
    fs::copy(other.path().join("mark"), &mark).unwrap();
    for opened in [open(directory.path()), read_only(directory.path())] {
        assert!(matches!(opened, Err(StoreError::Corrupt { reason, .. }) if reason.contains("another log")));
    }
    fs::remove_file(&mark).unwrap();
    assert_prefix(&read_only(directory.path()).unwrap(), 4);
    assert_prefix(&open(directory.path()).unwrap(), 4);
    assert_eq!(fs::read(&mark).unwrap().len(), 8192);
    fs::write(&mark, &whole).unwrap();
    assert_prefix(&open(directory.path()).unwrap(), 4);
}
