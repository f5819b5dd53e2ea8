//! Verified and decoded events a second, from the first on: each body's digest, each place in the chain, and the commit
//! decoded. Each look in a process of its own.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use pca_core::log::{Commit, Head};

use crate::engines::{Engine, Log};
use crate::figures::{chill, directory, keep, median, processor_time, size};
use crate::work::{TRAIN, commits, setup};

pub(crate) fn run(count: u64, rounds: u64) {
    let below = directory();
    println!("{count} commits; medians of {rounds} interleaved rounds, cold: files out of the system's cache");
    println!(
        "{:<10} {:>12} {:>16} {:>16} {:>10} {:>10}",
        "", "written/s", "cold events/s", "warm events/s", "opened", "MB"
    );
    let written = Engine::ALL.map(|engine| {
        let begun = Instant::now();
        fill(engine, &below.path().join(engine.name()), count);
        count as f64 / begun.elapsed().as_secs_f64()
    });
    let mut cold = [const { Vec::new() }; Engine::ALL.len()];
    let (mut warm, mut opened, mut spent) = (cold.clone(), cold.clone(), cold.clone());
    for _ in 0..rounds {
        for (place, engine) in Engine::ALL.into_iter().enumerate() {
            let log = below.path().join(engine.name());
            chill(&log);
            cold[place].push(look(engine, &log)[1]);
            let [open, rate, processor] = look(engine, &log);
            warm[place].push(rate);
            opened[place].push(open);
            spent[place].push(processor);
        }
    }
    for (place, engine) in Engine::ALL.into_iter().enumerate() {
        let [cold, warm, opened, spent] = [&cold, &warm, &opened, &spent].map(|figures| median(figures[place].clone()));
        let (written, megabytes) = (written[place], size(&below.path().join(engine.name())) as f64 / 1e6);
        println!(
            "{:<10} {written:>12.0} {cold:>16.0} {warm:>16.0} {spent:>14.2} {opened:>8.3} s {megabytes:>10.0}",
            engine.name()
        );
        let all = [("written", written), ("cold", cold), ("warm", warm), ("us processor", spent), ("MB", megabytes)];
        for (what, value) in all {
            keep("replay", engine.name(), &count.to_string(), what, value);
        }
    }
}

/// A log of so many commits, in trains; closed in good order.
pub(crate) fn fill(engine: Engine, directory: &Path, count: u64) {
    let mut log = engine.open(directory);
    let write = |log: &mut Box<dyn Log>, train: Vec<Commit>| assert!(log.write(&train).iter().all(Result::is_ok));
    write(&mut log, setup());
    for next in (0..count).step_by(TRAIN) {
        write(&mut log, commits(0, next..count.min(next + TRAIN as u64)));
    }
    log.close();
}

/// Seconds to open, events a second, and microseconds of processor time for each, in a process of its own.
fn look(engine: Engine, directory: &Path) -> [f64; 3] {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["replay-one", engine.name()])
        .arg(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let figures: Vec<f64> = text.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    figures.try_into().unwrap()
}

pub(crate) fn one(engine: &str, directory: &Path) {
    let begun = Instant::now();
    let log = Engine::named(engine).open(directory);
    let opened = begun.elapsed().as_secs_f64();
    let (begun, before) = (Instant::now(), processor_time());
    let mut head = Head::GENESIS;
    log.replay(&mut |recorded| {
        assert_eq!((recorded.seal().previous, recorded.seal().first), (head.digest, head.position.plus(1)));
        head = recorded.seal().head();
        recorded.commit().events().for_each(|event| {
            black_box((event.kind(), event.payload()));
        });
    });
    let (took, spent, events) = (begun.elapsed(), processor_time() - before, head.position.get() as f64);
    println!("{opened} {} {}", events / took.as_secs_f64(), spent * 1e6 / events);
}
