//! Power cuts of real file systems: ext4 and XFS on a loop device are shut down while the store writes, unmounted, and
//! mounted again. What was acknowledged is there, octet by octet. With the syncs made idle, it is not: so the test can fail.
//!
//! The child is this test binary again, told by the environment where the log is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pca_core::log::{Commit, Position, StoreError, Verifier};
use pca_core::ports::EventStore as _;
use pca_store_file::{FileEventStore, Options};
use pca_store_testkit::draft::Draft;
use serde_json::Value;

use crate::mounts::{Child, Mount};
use crate::support::{assert_balanced, assert_told, command, drawn, lines, requests, rounds, say, shop, yes};
use crate::trace::can_trace;

const DIRECTORY: &str = "PCA_POWER_DIRECTORY";

/// Segments are small in every other round, so that cuts meet a change of segments, too.
fn options(round: usize) -> Options {
    if round.is_multiple_of(2) {
        Options::default()
    } else {
        Options::default().segment_size(30_000).preallocation(8_192)
    }
}

fn commit(number: usize) -> Commit {
    let payload = format!("commit {number} ").repeat(1 + number % 300);
    let stream = format!("own/{number}");
    Draft::new(&format!("{number}")).guard(&stream, 0).event(&[&stream], payload.as_bytes()).build().unwrap()
}

/// What the child does until its disk is gone. It is no test without its environment.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let round = std::env::var("PCA_POWER_ROUND").unwrap().parse().unwrap();
    let store = loop {
        match FileEventStore::open_or_create(&directory, options(round)) {
            // Another test's child has the parent's descriptors between its fork and its exec, and with them the lock.
            Err(StoreError::InUse { .. }) => std::thread::sleep(Duration::from_millis(5)),
            opened => break opened.unwrap(),
        }
    };
    let mut next = pollster::block_on(store.follow(Position::ZERO, usize::MAX)).unwrap().len();
    loop {
        // Alone, or some in a train, which share a group.
        let train = 1 + next % 5;
        let answers = pollster::block_on(store.commit((next..next + train).map(commit).collect()));
        let Ok(answers) = answers.into_iter().collect::<Result<Vec<_>, _>>() else { return };
        let mut out = std::io::stdout().lock();
        for _ in answers {
            writeln!(out, "made {next}").unwrap();
            next += 1;
        }
        out.flush().unwrap();
    }
}

/// Runs the child on the disk, cuts the power some time after a report, and gives how many commits were reported before the
/// cut began.
///
/// What is told while the file system is being shut down does not count: a machine without power would not have told it.
/// (Once, two commits that ext4 let the child tell after the shutdown had been called for were not there afterwards; why its
/// syncs had succeeded was not found out.)
fn reported(disk: &Mount, round: usize, idle_syncs: bool) -> usize {
    let mut command = match idle_syncs {
        true => {
            let mut command = Command::new("strace");
            let idle = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:retval=0"];
            command.args(["-f", "-qq", "-e", "signal=none", "-o", "/dev/null"]).args(idle);
            command.arg(std::env::current_exe().unwrap());
            command
        }
        false => Command::new(std::env::current_exe().unwrap()),
    };
    command.args(["power::child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(DIRECTORY, disk.path().join("log")).env("PCA_POWER_ROUND", round.to_string());
    let mut child = Child(command.stdout(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let (sender, reports) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in lines.map(Result::unwrap) {
            let number = line.split_once("made ").map(|(_, number)| number.parse::<usize>().unwrap());
            let _ = number.map(|number| sender.send(number + 1));
        }
    });
    let drawn = drawn(round);
    let (after, pause) = (usize::try_from(drawn % 60).unwrap(), Duration::from_micros(drawn / 64 % 20_000));
    let mut made = 0;
    for _ in 0..=after {
        made = reports.recv().expect("the child ended before its disk did");
    }
    std::thread::sleep(pause);
    // Whatever was told until now.
    made = reports.try_iter().last().unwrap_or(made);
    disk.cut();
    reader.join().unwrap();
    child.kill();
    made
}

/// How many commits the log has, all of them sound and as they were made.
fn kept(directory: &Path, round: usize) -> usize {
    let store = FileEventStore::open_or_create(directory, options(round)).unwrap();
    let all = pollster::block_on(store.follow(Position::ZERO, usize::MAX)).unwrap();
    let mut verifier = Verifier::default();
    for (number, recorded) in all.iter().enumerate() {
        assert_eq!(verifier.follow(recorded), []);
        assert_eq!(recorded.commit().body(), commit(number).body(), "commit {number}");
    }
    all.len()
}

fn cuts(kind: &str) {
    let Some(mut disk) = Mount::disk(kind) else { return };
    let (rounds, mut commits) = (rounds(8), 0);
    for round in 0..rounds {
        let log = disk.path().join("log");
        let made = reported(&disk, round, false);
        disk.power_on();
        let kept = kept(&log, round);
        assert!(kept >= made, "{kind}, round {round}: {made} were acknowledged, {kept} are there");
        commits += kept;
        // A log goes through several cuts.
        if round % 4 == 3 {
            std::fs::remove_dir_all(log).unwrap();
        }
    }
    say(&format!("{rounds} power cuts of {kind}, {commits} commits read again"));
}

#[test]
fn power_cuts_of_ext4_lose_nothing_that_was_acknowledged() {
    cuts("ext4");
}

#[test]
fn power_cuts_of_xfs_lose_nothing_that_was_acknowledged() {
    cuts("xfs");
}

#[test]
fn without_syncs_a_power_cut_loses_commits() {
    for kind in ["ext4", "xfs"] {
        if !can_trace() {
            return;
        }
        let Some(mut disk) = Mount::disk(kind) else { return };
        let made = reported(&disk, 0, true);
        disk.power_on();
        // Not even the directory need be there.
        let kept = FileEventStore::open(disk.path().join("log"), options(0))
            .and_then(|store| pollster::block_on(store.follow(Position::ZERO, usize::MAX)))
            .map_or(0, |all| all.len());
        assert!(kept < made, "{kind}: {made} were acknowledged without a sync, {kept} are there");
        say(&format!("{kind} without syncs: {made} commits acknowledged, {kept} kept, as it should be"));
    }
}

#[test]
fn a_bulk_whose_power_is_cut_keeps_every_certificate_that_it_told_and_their_keys() {
    for kind in ["ext4", "xfs"] {
        let Some(mut disk) = Mount::disk(kind) else { return };
        let rounds = rounds(3).min(60);
        let home = tempfile::tempdir().unwrap();
        let dir = disk.path().join("data");
        let ca = shop(&dir, 1_000_000);
        let file = home.path().join("requests.jsonl");
        std::fs::write(&file, requests(20_000)).unwrap();
        let mut told = Vec::new();
        for round in 0..rounds {
            let out = home.path().join(format!("out-{round}"));
            let words = ["issue", "bulk", &ca, file.to_str().unwrap(), "--out", out.to_str().unwrap()];
            let mut child = command(&dir, &words);
            let mut child = Child(child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            let wanted = 1 + drawn(round) % 60_000;
            while std::fs::metadata(&out).map_or(0, |out| out.len()) < wanted {
                assert!(child.0.try_wait().unwrap().is_none(), "it ended before its disk did");
                std::thread::sleep(Duration::from_millis(1));
            }
            disk.cut();
            assert_eq!(child.0.wait().unwrap().code(), Some(3), "without a disk there is trouble, but no panic");
            disk.power_on();
            told.extend(lines(&out));
            // The next command heals.
            yes(&dir, &["keys", "sweep"]);
            assert_told(&dir, &told);
            assert_balanced(&dir, &ca);
        }
        let told: Vec<&Value> = told.iter().collect();
        say(&format!("{rounds} power cuts of {kind} under a bulk, {} certificates told", told.len()));
    }
}
