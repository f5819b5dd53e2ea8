//! A directory to try the binary in, and the judges.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub const PASSPHRASE: &str = "at least twelve characters";

/// A directory with a log.
pub struct Desk {
    dir: tempfile::TempDir,
    pub now: Option<String>,
}

/// A root and an intermediate.
#[derive(Clone, Debug)]
pub struct Pair {
    pub order: String,
    pub root: String,
    pub intermediate: String,
}

/// What a run ended with.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("one JSON value is expected ({error}): {self:?}"))
    }

    /// The numbers of the broken rules, in order, each once.
    #[track_caller]
    pub fn rules(&self) -> Vec<String> {
        assert_eq!(self.code, 1, "{self:?}");
        let mut rules: Vec<String> =
            self.json()["refused"].as_array().unwrap().iter().map(|broken| text(&broken["rule"])).collect();
        rules.sort();
        rules.dedup();
        rules
    }

    #[track_caller]
    pub fn error(&self) -> String {
        let json = self.json();
        assert!(!text(&json["error"]["message"]).is_empty(), "{self:?}");
        text(&json["error"]["kind"])
    }
}

#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text is expected, not {value}")).to_owned()
}

pub fn pca() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pca"));
    command.env("PCA_PASSPHRASE", PASSPHRASE).env_remove("NO_COLOR");
    command
}

/// Runs it to its end.
pub fn finish(command: &mut Command) -> Run {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let read = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    Run { code: status.code().unwrap_or(-1), stdout: read(stdout), stderr: read(stderr) }
}

impl Desk {
    /// A directory without a log.
    pub fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), now: None }
    }

    /// With a log.
    #[track_caller]
    pub fn new() -> Self {
        let desk = Self::empty();
        desk.yes(&["init", "--enterprise", "Example Corp"]);
        desk
    }

    /// With a rehearsal log that begins then.
    #[track_caller]
    pub fn rehearsal(now: &str) -> Self {
        let desk = Self { now: Some(now.into()), ..Self::empty() };
        desk.yes(&["init"]);
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The command, with --json, on this directory.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = pca();
        command.current_dir(self.dir.path()).args(args).arg("--json");
        if let Some(now) = &self.now {
            command.args(["--now", now]);
        }
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        finish(&mut self.command(args))
    }

    pub fn run_with(&self, args: &[&str], change: impl FnOnce(&mut Command)) -> Run {
        let mut command = self.command(args);
        change(&mut command);
        finish(&mut command)
    }

    /// Without --json.
    pub fn plain(&self, args: &[&str]) -> Run {
        finish(pca().current_dir(self.dir.path()).args(args))
    }

    /// Done.
    #[track_caller]
    pub fn yes(&self, args: &[&str]) -> Value {
        let run = self.run(args);
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
        run.json()
    }

    /// Refused by these rules, and nothing is changed by that.
    #[track_caller]
    pub fn no(&self, args: &[&str], rules: &[&str]) -> Run {
        let before = self.head();
        let run = self.run(args);
        assert_eq!(run.rules(), rules, "{args:?}: {run:?}");
        assert_eq!(self.head(), before, "a refusal changes nothing");
        run
    }

    #[track_caller]
    pub fn head(&self) -> String {
        let run = finish(pca().env_remove("PCA_PASSPHRASE").current_dir(self.dir.path()).args(["verify", "--json"]));
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(run.json()["ok"], true);
        text(&run.json()["head"])
    }

    #[track_caller]
    pub fn buy(&self, family: &str) -> Pair {
        let bought = self.yes(&["buy", "root", "--family", family, "--paid", "760.00USD"]);
        let field = |name: &str| text(&bought[name]);
        Pair { order: field("order"), root: field("root"), intermediate: field("intermediate") }
    }

    /// Buys and enables root and intermediate, and assigns units.
    #[track_caller]
    pub fn pair(&self, family: &str, units: u32) -> Pair {
        let pair = self.buy(family);
        let name = |what: &str| format!("{what} {}", pair.root);
        self.yes(&["enable", &pair.root, "--cn", &name("Root"), "--o", "Example Corp"]);
        self.yes(&["enable", &pair.intermediate, "--cn", &name("OA"), "--o", "Example Corp"]);
        if units > 0 {
            self.yes(&["assign", &pair.intermediate, &units.to_string()]);
        }
        pair
    }

    #[track_caller]
    pub fn server(&self, pair: &Pair, name: &str) -> String {
        text(&self.yes(&["issue", "server", &pair.intermediate, "--dns", name])["certificate"])
    }

    /// Downloads into a directory of its own and gives its path.
    #[track_caller]
    pub fn download(&self, id: &str, format: &str, more: &[&str]) -> PathBuf {
        let out = self.path(&format!("out-{}-{format}-{}", id, more.len()));
        let mut args = vec!["download", id, "--format", format, "--out", out.to_str().unwrap()];
        args.extend(more);
        self.yes(&args);
        out
    }

    #[track_caller]
    pub fn openssl(&self, args: &[&str]) -> String {
        let (fine, told) = self.try_openssl(args);
        assert!(fine, "openssl {args:?}: {told}");
        told
    }

    pub fn try_openssl(&self, args: &[&str]) -> (bool, String) {
        let output = Command::new("openssl").current_dir(self.dir.path()).args(args).output().expect("openssl runs");
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), told)
    }
}

pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Whether OpenSSL is there; a judge that is not installed is skipped aloud, except where everything must be judged.
pub fn has_openssl() -> bool {
    let there = Command::new("openssl").arg("version").output().is_ok_and(|output| output.status.success());
    if !there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "openssl is needed");
        eprintln!("SKIPPED: openssl is not installed");
    }
    there
}
