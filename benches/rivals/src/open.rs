//! Opening, memory and reads by stream, warm, each look in a process of its own.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::engines::Engine;
use crate::figures::{anonymous, directory, keep, median, resident, size};
use crate::replay::fill;
use crate::work::{own_streams, quota};

/// How many looks a median is of.
const LOOKS: u64 = 2_000;
const ROUNDS: usize = 3;
const FIGURES: [&str; 7] =
    ["opened, ms", "resident, MiB", "own, MiB", "present, us", "absent, us", "newest, us", "resident after, MiB"];

/// One engine after the other, so that no more than one log is on the disk.
pub(crate) fn run(counts: &[u64]) {
    println!(
        "medians of {ROUNDS} processes, and in each of {LOOKS} reads; memory of the process, and its own without files"
    );
    print!("{:<10}{:>10}", "commits", "");
    FIGURES.iter().chain(&["MB on disk"]).for_each(|figure| print!("{figure:>21}"));
    println!();
    for count in counts {
        for engine in Engine::ALL {
            let below = directory();
            let log = below.path().join("log");
            fill(engine, &log, *count);
            let looks: Vec<Vec<f64>> = (0..ROUNDS).map(|_| look(engine, &log, *count)).collect();
            print!("{count:<10}{:>10}", engine.name());
            let medians = (0..FIGURES.len()).map(|place| median(looks.iter().map(|look| look[place]).collect()));
            let on_disk = ("MB on disk", size(&log) as f64 / 1e6);
            for (what, value) in FIGURES.into_iter().zip(medians).chain([on_disk]) {
                print!("{value:>21.1}");
                keep("open", engine.name(), &count.to_string(), what, value);
            }
            println!();
        }
    }
}

fn look(engine: Engine, log: &Path, count: u64) -> Vec<f64> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["open-one", engine.name()])
        .arg(log)
        .arg(count.to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|figure| figure.parse().unwrap()).collect()
}

pub(crate) fn one(engine: &str, directory: &Path, count: u64) {
    const MIB: f64 = 1024.0 * 1024.0;
    let begun = Instant::now();
    let log = Engine::named(engine).open(directory);
    let opened = begun.elapsed().as_secs_f64() * 1e3;
    let (memory, own) = (resident() as f64 / MIB, anonymous() as f64 / MIB);
    let of = |work: &dyn Fn(u64)| {
        let micros = |number| {
            let begun = Instant::now();
            work(number);
            begun.elapsed().as_secs_f64() * 1e6
        };
        median((0..LOOKS).map(micros).collect())
    };
    let names: Vec<String> =
        (0..LOOKS).map(|number| own_streams(0, number * 7_919 % count)[number as usize % 2].clone()).collect();
    let unknown: Vec<String> = (0..LOOKS).map(|number| own_streams(1, number)[number as usize % 2].clone()).collect();
    let present = of(&|number| assert_eq!(log.read(&names[number as usize], 0).len(), 1));
    let absent = of(&|number| assert!(log.read(&unknown[number as usize], 0).is_empty()));
    let long = quota(0);
    assert_eq!(log.revision(&long), count);
    let newest = of(&|number| assert_eq!(log.read(&long, count - 1 - number % 4).len() as u64, 1 + number % 4));
    let after = resident() as f64 / MIB;
    println!("{opened} {memory} {own} {present} {absent} {newest} {after}");
}
