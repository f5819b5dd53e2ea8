//! What the tests on real machinery share.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::kit::{Run, finish, pca};

/// How long a campaign is: what it is by default, or the figure of `PCA_FIRE`.
pub fn rounds(by_default: usize) -> usize {
    std::env::var("PCA_FIRE").map_or(by_default, |figure| figure.parse().expect("PCA_FIRE is a number"))
}

/// Numbers that look drawn, the same in every run.
pub fn drawn(number: usize) -> u64 {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

/// Said where a passing test's output is heard, too.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether a tool is installed. Where everything must be judged it has to be.
pub fn has(tool: &str) -> bool {
    let there = Command::new(tool).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{tool} is needed");
        say(&format!("SKIPPED: {tool} is not installed"));
    }
    there
}

/// `pca --dir DIR … --json`
pub fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = pca();
    command.arg("--dir").arg(dir).args(args).arg("--json");
    command
}

pub fn run(dir: &Path, args: &[&str]) -> Run {
    finish(&mut command(dir, args))
}

#[track_caller]
pub fn yes(dir: &Path, args: &[&str]) -> Value {
    let run = run(dir, args);
    assert_eq!(run.code, 0, "{args:?}: {run:?}");
    run.json()
}

/// Root and intermediate with so many units; gives the intermediate.
#[track_caller]
pub fn shop(dir: &Path, units: usize) -> String {
    yes(dir, &["init"]);
    let bought = yes(dir, &["buy", "root", "--family", "ecc"]);
    let [root, ca] = ["root", "intermediate"].map(|name| bought[name].as_str().unwrap().to_owned());
    yes(dir, &["enable", &root, "--cn", "Root"]);
    yes(dir, &["enable", &ca, "--cn", "Intermediate"]);
    yes(dir, &["buy", "quota", "--root", &root, "--count", &units.to_string()]);
    yes(dir, &["assign", &ca, &units.to_string()]);
    ca
}

/// So many requests, one a line.
pub fn requests(count: usize) -> String {
    (0..count).map(|number| format!("{{\"kind\":\"server\",\"dns\":[\"h{number}.example.com\"]}}\n")).collect()
}

/// The whole lines of a file that may not be there.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Serial numbers by certificate, as the log has them. A command that heals must have run before.
#[track_caller]
pub fn issued(dir: &Path) -> std::collections::BTreeMap<String, String> {
    let listed = yes(dir, &["list", "certificates"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(|entry| (text(&entry["certificate"]), text(&entry["serial"]))).collect()
}

/// Every line that says "issued" tells of a certificate that is there, with its serial number.
#[track_caller]
pub fn assert_told(dir: &Path, told: &[Value]) {
    let there = issued(dir);
    for line in told.iter().filter(|line| line["refused"].is_null()) {
        let serial = there.get(line["certificate"].as_str().unwrap()).map(String::as_str);
        assert_eq!(serial, line["serial"].as_str(), "lost: {line}");
    }
}

/// Log and keys are sound, no key lacks an owner, and so many certificates took their units.
#[track_caller]
pub fn assert_balanced(dir: &Path, ca: &str) {
    let verified = yes(dir, &["verify"]);
    assert_eq!(verified["ok"], true, "{verified}");
    assert_eq!(verified["orphaned_keys"], Value::Array(Vec::new()), "{verified}");
    let quota = yes(dir, &["show", ca])["quota"].clone();
    assert_eq!(quota["consumed"].as_u64().unwrap(), issued(dir).len() as u64, "{quota}");
}

/// Copies a directory; the target is made anew.
pub fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    if !from.exists() {
        return;
    }
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
