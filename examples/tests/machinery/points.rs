//! SIGKILL at the n-th system call of the real binary: at each point what was acknowledged stays, the log and the keys are
//! sound, and the same command under the same key completes with the same answer.
//!
//! `strace` counts the calls of each thread for itself. So a point is named by the file that the call is about as well,
//! and then by which call on that file it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::kit::{Run, finish};
use crate::support::{command, copy, lines, requests, rounds, run, say, yes};
use crate::trace::{CALLS, can_trace, read, traced};

/// The n-th call of a name on a file under the directory, or on whatever it be, in the first thread that gets there.
type Point = (String, Option<PathBuf>, usize);

/// A command, and how the directory was before it.
struct Step {
    name: &'static str,
    args: Vec<String>,
    before: PathBuf,
    points: Vec<Point>,
    /// How units stand behind it, and how many certificates there are.
    quota: Value,
    certificates: usize,
}

/// The words of a step; those that name a file of its own get another name each time.
fn words(step: &Step, place: &Path, time: usize) -> Vec<String> {
    let file = |name: &str| place.join(name).display().to_string();
    let word = |word: &String| match word.as_str() {
        "OUT" => file(&format!("out-{time}")),
        "REQUESTS" => file("../requests.jsonl"),
        _ => word.clone(),
    };
    step.args.iter().map(word).chain(["--key".into(), format!("key of {}", step.name)]).collect()
}

fn as_strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Runs a story once, and finds the points of each command.
struct Story {
    home: PathBuf,
    steps: Vec<Step>,
}

impl Story {
    /// Adds a step: takes the directory as it is, runs the command traced, and keeps which calls it made.
    fn step(&mut self, name: &'static str, args: &[&str]) -> Value {
        let (place, trace) = (self.home.join("model"), self.home.join("trace"));
        std::fs::create_dir_all(&place).unwrap();
        let (dir, before) = (place.join("data"), self.home.join(format!("before-{}", self.steps.len())));
        copy(&dir, &before);
        let args = args.iter().map(ToString::to_string).collect();
        let mut step = Step { name, args, before, points: Vec::new(), quota: Value::Null, certificates: 0 };
        let words = words(&step, &place, self.steps.len());
        let options = ["-y", "-xx", "-e", &format!("trace={CALLS}")];
        let told = finish(&mut traced(&options, &trace, &dir, &as_strs(&words)));
        assert_eq!(told.code, 0, "{name}: {told:?}");
        step.points = points(&trace, &dir);
        step.quota = yes(&dir, &["list", "quota"]);
        step.certificates = yes(&dir, &["list", "certificates"]).as_array().unwrap().len();
        self.steps.push(step);
        told.json()
    }
}

fn points(trace: &Path, dir: &Path) -> Vec<Point> {
    let (mut counted, mut points) = (BTreeMap::<_, usize>::new(), BTreeSet::new());
    for call in read(trace).into_iter().filter(|call| call.begins) {
        let own = call.path.as_deref().and_then(|path| path.strip_prefix(dir).ok().map(Path::to_owned));
        // Zeros are laid out with dozens of calls that are all alike.
        let is_dull = call.name == "pwrite64" && call.args.windows(64).any(|octets| octets == [0; 64]);
        let is_of_files = own.is_some();
        for path in BTreeSet::from([own, None]) {
            let count = counted.entry((call.thread, call.name.clone(), path.clone())).or_default();
            *count += 1;
            // What the loader opens changes nothing.
            let is_idle = path.is_none() && call.name == "openat" && !is_of_files;
            if !is_idle && (!is_dull || *count % 16 == 0) {
                points.insert((call.name.clone(), path, *count));
            }
        }
    }
    points.into_iter().collect()
}

fn tell_the_story(home: &Path) -> Story {
    let mut story = Story { home: home.to_owned(), steps: Vec::new() };
    std::fs::write(home.join("requests.jsonl"), requests(40) + "nonsense\n").unwrap();
    std::fs::write(home.join("three.jsonl"), requests(3)).unwrap();
    let three = home.join("three.jsonl").display().to_string();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    story.step("init", &["init", "--enterprise", "Example Corp"]);
    let bought = story.step("buy root", &["buy", "root", "--family", "ecc"]);
    let (root, ca) = (text(&bought["root"]), text(&bought["intermediate"]));
    story.step("enable root", &["enable", &root, "--cn", "Root"]);
    story.step("enable", &["enable", &ca, "--cn", "Intermediate"]);
    story.step("buy quota", &["buy", "quota", "--root", &root, "--count", "100"]);
    story.step("assign", &["assign", &ca, "100"]);
    let issued = story.step("issue", &["issue", "server", &ca, "--dns", "a.example.com"]);
    story.step("issue bulk", &["issue", "bulk", &ca, "REQUESTS", "--out", "OUT"]);
    story.step("issue bulk --atomic", &["issue", "bulk", &ca, &three, "--atomic", "--out", "OUT"]);
    story.step("revoke", &["revoke", &text(&issued["certificate"])]);
    story.step("crl", &["crl", &ca, "--out", "OUT"]);
    let digest = text(&yes(&home.join("model/data"), &["preview", "reset", &ca])["digest"]);
    story.step("reset", &["reset", &ca, "--confirm", &digest]);
    story
}

#[test]
fn what_was_acknowledged_survives_sigkill_at_any_system_call() {
    if !can_trace() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    // As the trace will name it.
    let path = home.path().canonicalize().unwrap();
    let story = tell_the_story(&path);
    let all: Vec<(&Step, &Point)> =
        story.steps.iter().flat_map(|step| step.points.iter().map(move |point| (step, point))).collect();
    let wanted = rounds(24).min(all.len());
    // Spread evenly over the whole story.
    let chosen: Vec<_> = (0..wanted).map(|number| all[number * all.len() / wanted]).collect();
    let (next, killed, answered) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (chosen, next, killed, answered) = (&chosen, &next, &killed, &answered);
            let place = path.join(format!("worker-{worker}"));
            std::fs::create_dir(&place).unwrap();
            scope.spawn(move || {
                while let Some((step, point)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let judged = kill_at(step, point, &place);
                    killed.fetch_add(usize::from(judged.killed), Ordering::Relaxed);
                    answered.fetch_add(usize::from(judged.answered), Ordering::Relaxed);
                }
            });
        }
    });
    let (killed, answered) = (killed.into_inner(), answered.into_inner());
    say(&format!(
        "killed at {killed} of {wanted} chosen points of {} in all; {answered} had answered before",
        all.len()
    ));
    // Where threads race, a call may come in another thread or not at all.
    assert!(killed * 10 >= wanted * 8, "too few points were met");
}

struct Judged {
    killed: bool,
    answered: bool,
}

fn kill_at(step: &Step, point: &Point, place: &Path) -> Judged {
    let (call, path, number) = point;
    let (dir, context) = (place.join("data"), format!("{}, {call} {number} on {path:?}", step.name));
    for number in 1..=2 {
        let _ = std::fs::remove_file(place.join(format!("out-{number}")));
    }
    copy(&step.before, &dir);
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let of = path.as_ref().map(|path| dir.join(path).display().to_string());
    let trace = format!("trace={call}");
    let mut options = vec!["-e", &trace, "-e", &inject];
    options.extend(of.iter().flat_map(|of| ["-P", of]));
    let first = finish(&mut traced(&options, &place.join("trace"), &dir, &as_strs(&words(step, place, 1))));
    let killed = first.code == -1;
    assert!(killed || first.code == 0, "{context}: {first:?}");

    // Whatever the moment: what is there is sound, keys included. Before there is a log there is nothing to ask.
    let verified = run(&dir, &["verify"]);
    let is_begun = step.name != "init" || verified.code == 0;
    assert!(!is_begun || verified.code == 0 && verified.json()["ok"] == true, "{context}: {verified:?}");

    let again = finish(&mut command(&dir, &as_strs(&words(step, place, 2))));
    assert_eq!(again.code, 0, "{context}: {again:?}");
    let answered = judge(step, place, &first, &again, &context);
    let verified = yes(&dir, &["verify"]);
    assert!(verified["ok"] == true && verified["orphaned_keys"] == Value::Array(Vec::new()), "{context}: {verified}");
    assert_eq!(yes(&dir, &["list", "quota"]), step.quota, "{context}: units are spent once");
    let certificates = yes(&dir, &["list", "certificates"]).as_array().unwrap().len();
    assert_eq!(certificates, step.certificates, "{context}: nothing is issued twice");
    Judged { killed, answered }
}

/// What the killed process told, wholly or in lines, is what its repetition tells.
fn judge(step: &Step, place: &Path, first: &Run, again: &Run, context: &str) -> bool {
    let (told, repeated) = (lines(&place.join("out-1")), lines(&place.join("out-2")));
    if step.name.starts_with("issue bulk") {
        assert_eq!(repeated.len(), if step.name.ends_with("atomic") { 3 } else { 41 }, "{context}");
        assert_eq!(told, repeated[..told.len()], "{context}");
    }
    let Ok(answer) = serde_json::from_str::<Value>(&first.stdout) else { return !told.is_empty() };
    assert_eq!(answer, again.json(), "{context}");
    true
}
