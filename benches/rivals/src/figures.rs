//! Figures: medians, memory, files out of the system's cache, and the table that the plots are made of.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where figures are kept.
const TABLE: &str = "rivals.tsv";

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Octets of memory that this process has.
pub(crate) fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}

/// Octets of memory that belong to this process alone: without pages of files that the system holds anyway.
pub(crate) fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// Seconds that this thread has had of a processor.
pub(crate) fn processor_time() -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    schedule.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

/// A directory below the current one, which goes with the value.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("pca-rivals-").tempdir_in(".").unwrap()
}

/// All files of a directory and below.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Octets of the files of a directory, as they are allocated.
pub(crate) fn size(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    files(directory).iter().map(|path| path.metadata().unwrap().blocks() * 512).sum()
}

/// Has the system forget what it holds of these files. GNU `dd` does so for a whole file when it copies none of it.
pub(crate) fn chill(directory: &Path) {
    for path in files(directory) {
        let mut from = std::ffi::OsString::from("if=");
        from.push(&path);
        let dd = Command::new("dd").arg(from).args(["iflag=nocache", "count=0"]).stderr(Stdio::null()).status();
        assert!(dd.unwrap().success());
    }
}

/// A measured value.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) bench: String,
    pub(crate) engine: String,
    /// Callers, commits or what else was varied.
    pub(crate) at: String,
    pub(crate) what: String,
    pub(crate) value: f64,
}

pub(crate) fn keep(bench: &str, engine: &str, at: &str, what: &str, value: f64) {
    let mut file = OpenOptions::new().create(true).append(true).open(TABLE).unwrap();
    writeln!(file, "{bench}\t{engine}\t{at}\t{what}\t{value}").unwrap();
}

/// What has been kept; of what was measured more than once, the newest.
pub(crate) fn kept() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in std::fs::read_to_string(TABLE).unwrap_or_default().lines() {
        let [bench, engine, at, what, value] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
        let row = Row {
            bench: bench.into(),
            engine: engine.into(),
            at: at.into(),
            what: what.into(),
            value: value.parse().unwrap(),
        };
        let key = |row: &Row| (row.bench.clone(), row.engine.clone(), row.at.clone(), row.what.clone());
        rows.retain(|other| key(other) != key(&row));
        rows.push(row);
    }
    rows
}
