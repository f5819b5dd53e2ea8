//! Replays the corpus through every target, and so many mutants of it: `smoke [ROUNDS [SEED [TARGET]]]`.
//!
//! On a stable compiler, in seconds, the same every time. It ends with 1 when a target panics or allocates more than it
//! may; the input is then in `artifacts`.

use std::alloc::System;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs};

use pca_fuzz::{TARGETS, Target};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// No mutant is longer, unless its seed was.
const LONGEST: usize = 8 * 1024;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let mut number = |otherwise| arguments.next().map_or(otherwise, |text| text.parse().expect("a number"));
    let (rounds, seed) = (number(20_000), number(1));
    let only = arguments.next();
    let chosen = TARGETS.iter().filter(|target| only.as_ref().is_none_or(|only| target.name == only));
    let sound = chosen.map(|target| smoke(target, rounds, seed)).fold(true, |all, sound| all && sound);
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn smoke(target: &Target, rounds: u64, seed: u64) -> bool {
    let mut paths: Vec<PathBuf> = fs::read_dir(home().join("corpus").join(target.name))
        .expect("every target has a corpus")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    paths.sort();
    let corpus: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).expect("it can be read")).collect();
    assert!(!corpus.is_empty(), "{} has an empty corpus", target.name);
    let began = Instant::now();
    let mut most = Most::default();
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mutants = (0..rounds).map(|_| mutant(&corpus, &mut random));
    for input in corpus.iter().cloned().chain(mutants) {
        if let Err(why) = try_one(target, &input, &mut most) {
            let path = keep(target, &input);
            println!("{}: {why}; the input is in {}", target.name, path.display());
            return false;
        }
    }
    println!(
        "{:12} {} seeds, {rounds} mutants, {:.1?}; slowest {:.1?}, most allocated {} octets for {}",
        target.name,
        corpus.len(),
        began.elapsed(),
        most.time,
        most.octets,
        most.input
    );
    true
}

/// The extremes.
#[derive(Default)]
struct Most {
    time: Duration,
    octets: usize,
    input: usize,
}

fn try_one(target: &Target, input: &[u8], most: &mut Most) -> Result<(), String> {
    let (began, region) = (Instant::now(), Region::new(ALLOCATOR));
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|_| "it panicked".to_owned())?;
    let change = region.change();
    let octets = change.bytes_allocated.saturating_add(usize::try_from(change.bytes_reallocated).unwrap_or(0));
    most.time = most.time.max(began.elapsed());
    if octets > most.octets {
        (most.octets, most.input) = (octets, input.len());
    }
    let allowed = target.allowance + target.per_octet * input.len();
    if octets > allowed {
        return Err(format!("it allocated {octets} octets for {}, and may {allowed}", input.len()));
    }
    Ok(())
}

fn keep(target: &Target, input: &[u8]) -> PathBuf {
    let directory = home().join("artifacts").join(target.name);
    fs::create_dir_all(&directory).expect("a directory for what was found");
    let path = directory.join("smoke");
    fs::write(&path, input).expect("what was found can be kept");
    path
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// xorshift64*: the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Less than a bound; 0 if that is 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound.max(1)
    }
}

/// A seed, changed in one to four places.
fn mutant(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut octets = corpus[random.below(corpus.len())].clone();
    let longest = LONGEST.max(octets.len());
    for _ in 0..=random.below(4) {
        change(&mut octets, corpus, random);
    }
    octets.truncate(longest);
    octets
}

fn change(octets: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    /// Lengths and tags hurt most at these.
    const SHARP: [u8; 12] = [0x00, 0x01, 0x02, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xa0, 0xdc, 0xff];
    let at = random.below(octets.len() + 1);
    let span = 1 + random.below(16);
    let end = (at + span).min(octets.len());
    match random.below(9) {
        0 if at < octets.len() => octets[at] ^= 1 << random.below(8),
        1 if at < octets.len() => octets[at] = SHARP[random.below(SHARP.len())],
        2 if at < octets.len() => octets[at] = octets[at].wrapping_add(random.below(9) as u8).wrapping_sub(4),
        3 => octets[at..end].fill(SHARP[random.below(SHARP.len())]),
        4 => drop(octets.drain(at..end)),
        5 => drop(octets.splice(at..at, (0..span).map(|_| random.next() as u8))),
        6 => {
            let again = octets[at..end].to_vec();
            drop(octets.splice(at..at, again));
        }
        7 => octets.truncate(at),
        _ => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len());
            let part = &other[from..(from + 4 * span).min(other.len())];
            drop(octets.splice(at..end, part.iter().copied()));
        }
    }
}
