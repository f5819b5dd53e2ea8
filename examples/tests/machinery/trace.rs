//! Running `pca` under `strace`, and reading what it wrote.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kit::{PASSPHRASE, pca};
use crate::support::{has, say};

/// What changes a disk, or tells somebody something.
pub const CALLS: &str = "write,writev,pwrite64,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,unlinkat,mkdir,openat,flock,chmod,fchmod";

/// A call as it began or as it ended; both, if nothing came in between.
#[derive(Clone, Debug)]
pub struct Call {
    pub thread: u64,
    pub name: String,
    /// Arguments, strings decoded; empty if only the end is here.
    pub args: Vec<u8>,
    pub begins: bool,
    /// What it gave, once it ended.
    pub gave: Option<String>,
    /// The file that it is about: the first descriptor's, or the first path.
    pub path: Option<PathBuf>,
}

/// Whether processes can be traced here.
pub fn can_trace() -> bool {
    if !has("strace") {
        return false;
    }
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        say("SKIPPED: strace is installed, but tracing is not permitted here");
    }
    can
}

/// `strace … pca --dir DIR … --json`; its exit is that of `pca`, also if that was killed.
pub fn traced(options: &[&str], out: &Path, dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(out).args(options);
    command.arg(pca().get_program()).arg("--dir").arg(dir).args(args).arg("--json");
    command.env("PCA_PASSPHRASE", PASSPHRASE);
    command
}

/// Reads a trace that was written with `-y -xx`.
pub fn read(path: &Path) -> Vec<Call> {
    std::fs::read_to_string(path).unwrap().lines().filter_map(call).collect()
}

fn call(line: &str) -> Option<Call> {
    let (thread, rest) = line.trim_start().split_once(' ')?;
    let (thread, rest) = (thread.parse().ok()?, rest.trim_start());
    let gave = || {
        let (_, gave) = rest.rsplit_once(" = ")?;
        Some(gave.split(' ').next()?.to_owned())
    };
    if let Some(resumed) = rest.strip_prefix("<... ") {
        let name = resumed.split(' ').next()?.to_owned();
        return Some(Call { thread, name, args: Vec::new(), begins: false, gave: gave(), path: None });
    }
    let (name, args) = rest.split_once('(')?;
    let unfinished = args.contains("<unfinished");
    let args = decode(args);
    let path = path_of(&args);
    Some(Call { thread, name: name.to_owned(), args, begins: true, gave: if unfinished { None } else { gave() }, path })
}

/// What `-xx` wrote as `\x41`.
fn decode(text: &str) -> Vec<u8> {
    let (octets, mut decoded, mut at) = (text.as_bytes(), Vec::with_capacity(text.len() / 4), 0);
    while at < octets.len() {
        match octets[at..].strip_prefix(b"\\x").and_then(|rest| rest.get(..2)) {
            Some(digits) => {
                decoded.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
                at += 4;
            }
            None => {
                decoded.push(octets[at]);
                at += 1;
            }
        }
    }
    decoded
}

fn path_of(args: &[u8]) -> Option<PathBuf> {
    let end = |rest: &[u8], mark: u8| rest.iter().position(|octet| *octet == mark);
    let rest = if args.first()?.is_ascii_digit() {
        let begin = end(args, b'<')? + 1;
        &args[begin..begin + end(&args[begin..], b'>')?]
    } else {
        let begin = end(args, b'"')? + 1;
        &args[begin..begin + end(&args[begin..], b'"')?]
    };
    Some(PathBuf::from(String::from_utf8_lossy(rest).into_owned()))
}
