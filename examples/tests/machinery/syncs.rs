//! Syncs counted: before each acknowledgement there is a write of its commit into the log and, behind that, a sync of the
//! file that said yes.

use std::path::PathBuf;

use crate::kit::finish;
use crate::support::{lines, requests, say, shop};
use crate::trace::{CALLS, Call, can_trace, read, traced};

/// A write into the log, and how far it got.
struct Written {
    thread: u64,
    file: PathBuf,
    octets: Vec<u8>,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Begun,
    Written,
    Syncing,
    Durable,
}

/// Each serial number that is told in a trace, and whether its certificate was durable when telling it began.
fn told(trace: &[Call], is_told: impl Fn(&Call) -> bool) -> Vec<(String, bool)> {
    let (mut writes, mut told) = (Vec::<Written>::new(), Vec::new());
    for call in trace {
        let is_log = call.path.as_ref().is_some_and(|path| path.extension().is_some_and(|end| end == "log"));
        let ended = call.gave.as_deref().map(|gave| !gave.starts_with('-'));
        match call.name.as_str() {
            "pwrite64" => {
                // Zeros and marks hold no certificate.
                if call.begins && is_log && call.args.windows(5).any(|octets| octets == b"PCAf\x01") {
                    let (file, octets) = (call.path.clone().unwrap(), call.args.clone());
                    writes.push(Written { thread: call.thread, file, octets, state: State::Begun });
                }
                let mine = writes.iter_mut().rev().find(|written| written.thread == call.thread);
                if let (Some(true), Some(written)) = (ended, mine)
                    && written.state == State::Begun
                {
                    written.state = State::Written;
                }
            }
            "fdatasync" | "fsync" => {
                if call.begins && is_log {
                    let of = |written: &&mut Written| Some(&written.file) == call.path.as_ref();
                    for written in writes.iter_mut().filter(of).filter(|written| written.state == State::Written) {
                        (written.state, written.thread) = (State::Syncing, call.thread);
                    }
                }
                let mine = writes.iter_mut().filter(|written| written.thread == call.thread);
                for written in mine.filter(|written| written.state == State::Syncing) {
                    match ended {
                        Some(true) => written.state = State::Durable,
                        Some(false) => written.state = State::Written,
                        None => {}
                    }
                }
            }
            _ if call.begins && is_told(call) => {
                let text = String::from_utf8_lossy(&call.args).replace("\\\"", "\"");
                for (_, rest) in text.match_indices("\"serial\":\"").map(|(at, found)| text.split_at(at + found.len()))
                {
                    let serial = rest.split('"').next().unwrap().to_owned();
                    let octets: Vec<u8> = (0..serial.len() / 2)
                        .map(|at| u8::from_str_radix(&serial[2 * at..2 * at + 2], 16).unwrap())
                        .collect();
                    let holds = |written: &Written| written.octets.windows(octets.len()).any(|part| part == octets);
                    let durable = writes.iter().any(|written| written.state == State::Durable && holds(written));
                    told.push((serial, durable));
                }
            }
            _ => {}
        }
    }
    told
}

/// The judge itself is judged: without the syncs, or with syncs that failed, nothing is durable.
fn judge(trace: &[Call], count: usize, is_told: impl Fn(&Call) -> bool) {
    let is_sync = |call: &Call| call.name == "fdatasync" || call.name == "fsync";
    let told_by = |trace: &[Call]| told(trace, &is_told);
    let durable = told_by(trace);
    assert_eq!(durable.len(), count, "so many acknowledgements");
    assert!(durable.iter().all(|(_, durable)| *durable), "told before it was durable: {durable:?}");
    let without: Vec<Call> = trace.iter().filter(|call| !is_sync(call)).cloned().collect();
    let failed: Vec<Call> = trace
        .iter()
        .cloned()
        .map(|call| match is_sync(&call) && call.gave.is_some() {
            true => Call { gave: Some("-1".into()), ..call },
            false => call,
        })
        .collect();
    for mutant in [without, failed] {
        assert!(told_by(&mutant).iter().all(|(_, durable)| !durable), "the judge is blind");
    }
}

#[test]
fn every_acknowledgement_has_a_sync_before_it() {
    if !can_trace() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let path = home.path().canonicalize().unwrap();
    let (dir, trace, out) = (path.join("data"), path.join("trace"), path.join("out"));
    let ca = shop(&dir, 1_000);
    let traces = format!("trace={CALLS}");
    let options = ["-y", "-xx", "-s", "16777216", "-e", &traces];
    for number in 0..3 {
        let name = format!("h{number}.example.com");
        let run = finish(&mut traced(&options, &trace, &dir, &["issue", "server", &ca, "--dns", &name]));
        assert_eq!(run.code, 0, "{run:?}");
        judge(&read(&trace), 1, |call| call.name == "write" && call.args.starts_with(b"1<"));
    }
    let file = path.join("requests");
    std::fs::write(&file, requests(80)).unwrap();
    let words = ["issue", "bulk", &ca, file.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let run = finish(&mut traced(&options, &trace, &dir, &words));
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(lines(&out).len(), 80);
    let calls = read(&trace);
    judge(&calls, 80, |call| call.name == "write" && call.path.as_ref() == Some(&out));
    let is_sync = |call: &&Call| call.begins && call.name == "fdatasync";
    say(&format!("a bulk of 80 made {} syncs of data", calls.iter().filter(is_sync).count()));
}
