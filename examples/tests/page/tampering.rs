//! Somebody who knows the format rewrites the files of a log, with every checksum as it should be: what `verify` finds by
//! itself, and what only a digest finds that was kept elsewhere.

use std::path::PathBuf;

use pca_core::log::Digest;

use crate::kit::{Desk, Run, text};

/// A commit as a forger sees it.
#[derive(Clone)]
struct Entry {
    count: u32,
    time: i64,
    digest: [u8; 32],
    previous: [u8; 32],
    first: u64,
    body: Vec<u8>,
}

/// How much of the log is made to fit again.
#[derive(Clone, Copy, PartialEq)]
enum Forgery {
    /// The files: checksums of frames, `closed` and `mark`. The commits keep their positions and digests.
    Files,
    /// All of it: positions and the chain of digests, too.
    Chain,
}

fn sha(parts: &[&[u8]]) -> [u8; 32] {
    *Digest::of(&parts.concat()).as_bytes()
}

fn small(mut octets: Vec<u8>) -> Vec<u8> {
    let sum = sha(&[b"pca-file-v1\0", &octets]);
    octets.extend(&sum[..8]);
    octets
}

fn number<const N: usize>(octets: &[u8], at: usize) -> [u8; N] {
    octets[at..at + N].try_into().unwrap()
}

struct Files {
    directory: PathBuf,
    log: [u8; 16],
    entries: Vec<Entry>,
}

impl Files {
    /// Reads a log of one segment.
    fn of(desk: &Desk) -> Self {
        let directory = desk.path("pca-data/log");
        let octets = std::fs::read(directory.join("00000000000000000001.log")).unwrap();
        let (mut at, mut entries) = (96, Vec::new());
        while at < octets.len() {
            let length = u32::from_be_bytes(number(&octets, at + 8)) as usize;
            if octets[at + 4] == 1 {
                entries.push(Entry {
                    count: u32::from_be_bytes(number(&octets, at + 12)),
                    first: u64::from_be_bytes(number(&octets, at + 16)),
                    time: i64::from_be_bytes(number(&octets, at + 24)),
                    previous: number(&octets, at + 40),
                    digest: number(&octets, at + 72),
                    body: octets[at + 112..at + 112 + length].to_vec(),
                });
            }
            at = (at + 112 + length).next_multiple_of(8);
        }
        Self { directory, log: number(&octets, 16), entries }
    }

    /// Writes the log anew, closed.
    fn forge(&self, forgery: Forgery) {
        let mut entries = self.entries.clone();
        let (mut position, mut time, mut digest) = (0_u64, 0_i64, [0; 32]);
        for entry in &mut entries {
            if forgery == Forgery::Chain {
                entry.time = i64::from_be_bytes(number(&entry.body, 49)).max(time);
                (entry.first, entry.previous) = (position + 1, digest);
                let body = sha(&[&entry.body]);
                let (first, count, dated) =
                    (entry.first.to_be_bytes(), entry.count.to_be_bytes(), entry.time.to_be_bytes());
                entry.digest = sha(&[b"pca-commit-v1\0", &digest, &first, &count, &dated, &body]);
            }
            (position, time, digest) = (entry.first + u64::from(entry.count) - 1, entry.time, entry.digest);
        }
        let begin = |magic: &[u8; 8]| [magic.as_slice(), &[0, 0, 0, 1, 0, 0, 0, 0], &self.log].concat();
        let mut segment = begin(b"PCA-SEG\n");
        segment.extend(1_u64.to_be_bytes());
        segment.extend([0; 48]);
        let mut segment = small(segment);
        for entry in &entries {
            self.frame(&mut segment, 1, entry);
        }
        let body = Vec::new();
        self.frame(&mut segment, 2, &Entry { count: 0, first: position, time, previous: digest, digest, body });
        let mut closed = begin(b"PCA-END\n");
        for value in [1, segment.len() as u64, position] {
            closed.extend(value.to_be_bytes());
        }
        closed.extend(digest);
        // The slot with the greater number counts.
        let mut marks = Vec::new();
        for (sequence, offset, position, digest) in [(0, 96, 0, [0; 32]), (1, segment.len() as u64, position, digest)] {
            let mut mark = begin(b"PCA-DUR\n");
            for value in [sequence, 1, offset, position] {
                mark.extend(value.to_be_bytes());
            }
            mark.extend(digest);
            let mut mark = small(mark);
            mark.resize(4096, 0);
            marks.extend(mark);
        }
        std::fs::write(self.directory.join("mark"), marks).unwrap();
        std::fs::write(self.directory.join("00000000000000000001.log"), segment).unwrap();
        std::fs::write(self.directory.join("closed"), small(closed)).unwrap();
    }

    fn frame(&self, segment: &mut Vec<u8>, kind: u8, entry: &Entry) {
        let offset = (segment.len() as u64).to_be_bytes();
        let mut head = b"PCAf".to_vec();
        head.extend([kind, 0, 0, 0]);
        head.extend((entry.body.len() as u32).to_be_bytes());
        head.extend(entry.count.to_be_bytes());
        head.extend(entry.first.to_be_bytes());
        head.extend(entry.time.to_be_bytes());
        head.extend(offset);
        head.extend(entry.previous);
        head.extend(entry.digest);
        let sum = sha(&[b"pca-frame-v1\0", &self.log, &1_u64.to_be_bytes(), &offset, &head]);
        head.extend(&sum[..8]);
        head.extend(&entry.body);
        head.resize(head.len().next_multiple_of(8), 0);
        segment.extend(head);
    }
}

fn replaced(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = body.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    [&body[..at], to.as_bytes(), &body[at + from.len()..]].concat()
}

/// Decided and dated so many microseconds later.
fn dated(body: &[u8], later: i64) -> Vec<u8> {
    let decided = i64::from_be_bytes(number(body, 49)) + later;
    [&body[..49], &decided.to_be_bytes(), &body[57..]].concat()
}

struct Story {
    desk: Desk,
    files: Files,
    /// The head after each commit, as receipts that are kept elsewhere.
    heads: Vec<String>,
}

fn story() -> Story {
    let desk = Desk::new();
    let mut heads = vec![desk.head()];
    let pair = desk.buy("ecc");
    heads.push(desk.head());
    desk.yes(&["buy", "quota", "--root", &pair.root, "--count", "5", "--because", "growth"]);
    heads.push(desk.head());
    desk.yes(&["extend", &pair.root, "--term", "1y"]);
    heads.push(desk.head());
    desk.yes(&["buy", "root", "--family", "rsa"]);
    heads.push(desk.head());
    let files = Files::of(&desk);
    assert_eq!(files.entries.len(), 5);
    Story { desk, files, heads }
}

impl Story {
    /// Rewrites the log and asks whether it is sound.
    fn verify(&mut self, forgery: Forgery, change: impl FnOnce(&mut Vec<Entry>)) -> Run {
        change(&mut self.files.entries);
        self.files.forge(forgery);
        self.desk.run(&["verify"])
    }

    /// The log looks sound; the digests of its commits from this one on are gone, and those before it are still there.
    #[track_caller]
    fn only_expected_digests_find_it(&self, run: &Run, from: usize) {
        assert_eq!((run.code, &run.json()["ok"]), (0, &true.into()), "{run:?}");
        for (number, head) in self.heads.iter().enumerate() {
            let run = self.desk.run(&["verify", "--expect", head]);
            let is_there = number < from;
            assert_eq!((run.code, &run.json()["ok"]), (i32::from(!is_there), &is_there.into()), "{number}: {run:?}");
        }
    }
}

#[track_caller]
fn is_damage(what: &str, run: &Run) {
    assert_eq!((run.code, &run.json()["ok"]), (3, &false.into()), "{what}: {run:?}");
    assert!(!text(&run.json()["faults"][0]).is_empty(), "{what}: {run:?}");
}

/// What somebody does to a log.
type Change = fn(&mut Vec<Entry>);

#[test]
fn the_forger_writes_what_the_log_writes() {
    for forgery in [Forgery::Files, Forgery::Chain] {
        let mut story = story();
        let run = story.verify(forgery, |_| {});
        story.only_expected_digests_find_it(&run, 5);
    }
}

#[test]
fn commits_that_are_removed_reordered_replaced_or_dated_anew_are_found_by_the_chain() {
    let changes: [(&str, Change); 7] = [
        ("the first removed", |entries| drop(entries.remove(0))),
        ("one removed", |entries| drop(entries.remove(2))),
        ("reordered", |entries| entries.swap(2, 3)),
        ("repeated", |entries| entries.push(entries[4].clone())),
        ("replaced", |entries| entries[2].body = replaced(&entries[2].body, "growth", "murder")),
        ("replaced by another", |entries| entries[3].body = entries[2].body.clone()),
        ("dated anew", |entries| entries[2].time += 1),
    ];
    for (what, change) in changes {
        is_damage(what, &story().verify(Forgery::Files, change));
    }
}

#[test]
fn a_chain_made_anew_is_found_by_guards_where_later_commits_rest_on_what_was_changed() {
    let changes: [(&str, Change); 4] = [
        ("the first removed", |entries| drop(entries.remove(0))),
        ("the root's order removed", |entries| drop(entries.remove(1))),
        ("reordered", |entries| entries.swap(1, 2)),
        ("repeated", |entries| entries.push(entries[4].clone())),
    ];
    for (what, change) in changes {
        is_damage(what, &story().verify(Forgery::Chain, change));
    }
}

#[test]
fn a_consistent_rewriting_is_found_by_every_digest_from_there_on_that_was_kept_elsewhere() {
    let changes: [(Change, usize); 3] = [
        (|entries| entries[2].body = replaced(&entries[2].body, "growth", "murder"), 2),
        (|entries| entries[2].body = dated(&entries[2].body, 1), 2),
        // The last one, in which nothing else rests.
        (|entries| entries[4].body = dated(&entries[4].body, 1), 4),
    ];
    for (change, from) in changes {
        let mut story = story();
        let run = story.verify(Forgery::Chain, change);
        story.only_expected_digests_find_it(&run, from);
    }
}

#[test]
fn a_terminal_does_not_obey_what_a_forger_wrote() {
    let mut story = story();
    let run = story.verify(Forgery::Chain, |entries| {
        entries[2].body = replaced(&entries[2].body, "growth", "g\u{1b}[31\n");
    });
    assert_eq!((run.code, &run.json()["ok"]), (0, &true.into()), "{run:?}");
    let told = story.desk.plain(&["log"]).stdout;
    assert!(told.contains("g\\u{1b}[31\\n"), "{told}");
    assert!(!told.contains('\u{1b}'), "{told}");
}

#[test]
fn commits_cut_off_at_the_end_are_found_by_the_mark_if_it_was_left_alone() {
    for left in [4, 1] {
        for forgery in [Forgery::Files, Forgery::Chain] {
            let mut story = story();
            // The log as it is, its mark at its end.
            story.files.forge(Forgery::Files);
            let mark = std::fs::read(story.desk.path("pca-data/log/mark")).unwrap();
            story.files.entries.truncate(left);
            story.files.forge(forgery);
            std::fs::write(story.desk.path("pca-data/log/mark"), mark).unwrap();
            is_damage("cut off", &story.desk.run(&["verify"]));
        }
    }
}

#[test]
fn commits_cut_off_at_the_end_are_found_by_expected_digests_only() {
    for left in [4, 2, 1] {
        for forgery in [Forgery::Files, Forgery::Chain] {
            let mut story = story();
            let run = story.verify(forgery, |entries| entries.truncate(left));
            story.only_expected_digests_find_it(&run, left);
        }
    }
}
