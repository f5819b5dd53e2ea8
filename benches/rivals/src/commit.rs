//! Durable commits a second.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use pca_core::log::Commit;

use crate::callers::Desk;
use crate::engines::{Engine, FileLog};
use crate::figures::{directory, keep, median};
use crate::limit;
use crate::work::{TRAIN, commits, setup};

/// So many commits a round at most: they are made beforehand, and some KiB each.
const MOST: u64 = 160_000;

/// What is varied.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    callers: u64,
    train: usize,
    /// How many commits of the limit share a sync.
    batch: usize,
    shape: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Alone,
    Grouped,
}

const CASES: [Case; 6] = [
    Case { name: "1", callers: 1, train: 1, batch: 1, shape: Shape::Alone },
    Case { name: "8", callers: 8, train: 1, batch: 8, shape: Shape::Grouped },
    Case { name: "64", callers: 64, train: 1, batch: 64, shape: Shape::Grouped },
    Case { name: "256", callers: 256, train: 1, batch: 256, shape: Shape::Grouped },
    Case { name: "bulk", callers: 1, train: TRAIN, batch: TRAIN, shape: Shape::Alone },
    Case { name: "64, each its transaction", callers: 64, train: 1, batch: 64, shape: Shape::Alone },
];

/// Rounds in which each has its turn; medians, and the medians of the rounds' ratios.
pub(crate) fn run(seconds: f64, rounds: u64) {
    let time = Duration::from_secs_f64(seconds);
    let below = directory();
    let body = commits(0, 0..1)[0].body().len();
    let frame = body.next_multiple_of(8) + 112;
    println!("durable commits a second; bodies of {body} octets, the limit writes {frame} for each");
    println!("medians of {rounds} interleaved rounds of {seconds} s; in brackets per cent of the limit");
    print!("{:<26}{:>10}", "callers", "limit");
    Engine::ALL.iter().for_each(|engine| print!("{:>18}", engine.name()));
    println!();
    for case in CASES {
        let work: Vec<Vec<Commit>> =
            (0..case.callers).map(|caller| commits(caller, 0..most(&case, seconds) / case.callers)).collect();
        let (mut limits, mut rates) = (Vec::new(), [const { Vec::new() }; Engine::ALL.len()]);
        for _ in 0..rounds {
            limits.push(limit::rate(below.path(), frame, case.batch, time));
            for (engine, rates) in Engine::ALL.into_iter().zip(&mut rates) {
                let log = below.path().join("log");
                let desk = desk(engine, &log, &case);
                rates.push(rate(&desk, work.clone(), case.train, time));
                desk.close();
                std::fs::remove_dir_all(log).unwrap();
            }
        }
        print!("{:<26}{:>10.0}", case.name, median(limits.clone()));
        keep("commit", "limit", case.name, "rate", median(limits.clone()));
        for (engine, rates) in Engine::ALL.into_iter().zip(&rates) {
            let ratio = median(rates.iter().zip(&limits).map(|(rate, limit)| rate / limit * 100.0).collect());
            print!("{:>10.0} ({ratio:>4.1}%)", median(rates.clone()));
            keep("commit", engine.name(), case.name, "rate", median(rates.clone()));
            keep("commit", engine.name(), case.name, "per cent of the limit", ratio);
        }
        println!();
    }
}

/// What is certainly enough for a round.
fn most(case: &Case, seconds: f64) -> u64 {
    let fastest = if case.batch == 1 { 20_000.0 } else { MOST as f64 };
    ((fastest * seconds * 1.1) as u64).min(2 * MOST)
}

fn desk(engine: Engine, directory: &Path, case: &Case) -> Desk {
    let desk = match (engine, case.shape) {
        (Engine::File, _) => Desk::File(FileLog::open(directory)),
        (_, Shape::Alone) => Desk::Alone(Mutex::new(engine.open(directory))),
        (_, Shape::Grouped) => Desk::grouped(engine.open(directory)),
    };
    assert!(desk.commit(setup()).iter().all(Result::is_ok));
    desk
}

/// Every caller works off its commits; until the time is over or one has no more. The first tenth does not count.
fn rate(desk: &Desk, work: Vec<Vec<Commit>>, train: usize, time: Duration) -> f64 {
    let (stop, count, ready) = (AtomicBool::new(false), AtomicU64::new(0), Barrier::new(work.len() + 1));
    let main = std::thread::current();
    std::thread::scope(|scope| {
        for commits in work {
            let (stop, count, ready, main) = (&stop, &count, &ready, main.clone());
            scope.spawn(move || {
                let mut commits = commits.into_iter();
                ready.wait();
                while !stop.load(Ordering::Relaxed) {
                    let some: Vec<Commit> = commits.by_ref().take(train).collect();
                    if some.is_empty() {
                        stop.store(true, Ordering::Relaxed);
                        main.unpark();
                        return;
                    }
                    let done = some.len() as u64;
                    assert!(desk.commit(some).iter().all(Result::is_ok));
                    count.fetch_add(done, Ordering::Relaxed);
                }
            });
        }
        ready.wait();
        std::thread::sleep(time / 10);
        let (begun, before) = (Instant::now(), count.load(Ordering::Relaxed));
        while !stop.load(Ordering::Relaxed) && begun.elapsed() < time {
            std::thread::park_timeout(time.saturating_sub(begun.elapsed()));
        }
        let rate = (count.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        rate
    })
}
