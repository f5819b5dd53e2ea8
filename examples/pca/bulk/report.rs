//! The account of a bulk: what became of each line.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pca_core::domain::BrokenRule;
use pca_core::domain::certificate::Issued;
use serde_json::{Value, json};

use crate::exit::{Answer, DONE, Failure, Outcome, REFUSED, broken_json, broken_line, say};

/// How many refused lines are told on standard error where no file takes them.
const TOLD: usize = 20;

/// Where the answers go.
pub struct Report {
    file: Option<(File, PathBuf)>,
    issued: u64,
    refused: u64,
    /// The first refused lines, for people who named no file.
    reasons: Vec<String>,
}

impl Report {
    /// Makes the file; one that is there is left alone.
    pub fn create(path: Option<&Path>) -> Result<Self, Failure> {
        let file = match path {
            Some(path) => {
                let is_device = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
                let mut options = File::options();
                // A device or a pipe is written to; a file that is there may be the only account of what was issued.
                let opened = options.write(true).create_new(!is_device).open(path);
                let file = opened.map_err(|error| match error.kind() {
                    std::io::ErrorKind::AlreadyExists => {
                        let text = "is there already, and nothing is overwritten; choose another file";
                        Failure::trouble("file", format!("{} {text}", path.display()))
                    }
                    _ => Failure::file("writing", path, &error),
                })?;
                Some((file, path.to_owned()))
            }
            None => None,
        };
        Ok(Self { file, issued: 0, refused: 0, reasons: Vec::new() })
    }

    /// A certificate is durable.
    pub fn issued(&mut self, line: u64, issued: &Issued) -> Result<(), Failure> {
        self.issued += 1;
        self.write(&json!({
            "line": line,
            "certificate": issued.id.to_string(),
            "serial": issued.serial.to_string(),
            "not_after": issued.not_after.to_string(),
            "lot": issued.lot,
        }))
    }

    /// A line is refused.
    pub fn refused(&mut self, line: u64, broken: &[BrokenRule]) -> Result<(), Failure> {
        self.refused += 1;
        if self.file.is_none() && self.reasons.len() < TOLD {
            self.reasons.extend(refused_lines(line, broken));
        }
        self.write(&refused_json(line, broken))
    }

    /// One write a line, so that a line is there whole or not at all, whatever ends this process.
    fn write(&mut self, value: &Value) -> Result<(), Failure> {
        let Some((file, path)) = &mut self.file else { return Ok(()) };
        let line = format!("{value}\n");
        file.write_all(line.as_bytes()).map_err(|error| Failure::file("writing", path, &error))
    }

    /// Nothing is to be told: what was made for it goes.
    pub fn withdraw(&mut self) {
        if let Some((file, path)) = self.file.take()
            && file.metadata().is_ok_and(|metadata| metadata.is_file())
        {
            let _ = std::fs::remove_file(path);
        }
    }

    /// How many there were of both, once all that is told of them is durable.
    pub fn answer(self) -> Outcome {
        let Self { file, issued, refused, reasons } = self;
        let mut text = counted(issued, refused, ["was", "were"]);
        match file {
            Some((file, path)) => {
                // Standard output and other devices cannot be synced.
                if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
                    file.sync_all().map_err(|error| Failure::file("writing", &path, &error))?;
                }
                text.push_str(&format!("; what became of each line is in {}", path.display()));
            }
            None => tell(&reasons, refused),
        }
        Ok(Answer::with_code(json!({ "issued": issued, "refused": refused }), text, code(issued, refused)))
    }
}

/// What a bulk would bring.
pub struct Foreseen {
    issued: u64,
    refused: Vec<(u64, Vec<BrokenRule>)>,
}

impl Foreseen {
    /// Nothing so far.
    pub const fn new() -> Self {
        Self { issued: 0, refused: Vec::new() }
    }

    /// How many certificates would be issued so far.
    pub const fn issued(&self) -> u64 {
        self.issued
    }

    /// Takes in what stands against a line.
    pub fn take(&mut self, line: u64, broken: Vec<BrokenRule>) {
        if broken.is_empty() {
            self.issued += 1;
        } else {
            self.refused.push((line, broken));
        }
    }

    /// The same answer that the bulk itself would give, with each refused line.
    pub fn answer(self) -> Outcome {
        let Self { issued, refused } = self;
        let count = u64::try_from(refused.len()).unwrap_or(u64::MAX);
        let lines: Vec<Value> = refused.iter().map(|(line, broken)| refused_json(*line, broken)).collect();
        let json = json!({ "dry_run": true, "issued": issued, "refused": count, "lines": lines });
        let mut text = format!("nothing is changed; {}\n", counted(issued, count, ["would be"; 2]));
        for (line, broken) in &refused {
            refused_lines(*line, broken).iter().for_each(|line| text.push_str(&format!("{line}\n")));
        }
        Ok(Answer::with_code(json, text, code(issued, count)))
    }
}

/// Refused if all was refused.
const fn code(issued: u64, refused: u64) -> u8 {
    if issued == 0 && refused > 0 { REFUSED } else { DONE }
}

/// Both counts in words: one verb for one, the other for several.
fn counted(issued: u64, refused: u64, verbs: [&str; 2]) -> String {
    let count = |number: u64, thing: &str, participle: &str| {
        let [one, several] = verbs;
        let (plural, verb) = if number == 1 { ("", one) } else { ("s", several) };
        format!("{number} {thing}{plural} {verb} {participle}")
    };
    format!("{}, {}", count(issued, "certificate", "issued"), count(refused, "request", "refused"))
}

fn refused_json(line: u64, broken: &[BrokenRule]) -> Value {
    json!({ "line": line, "refused": broken.iter().map(broken_json).collect::<Vec<_>>() })
}

fn refused_lines(line: u64, broken: &[BrokenRule]) -> Vec<String> {
    broken.iter().map(|broken| format!("  line {line}: {}", broken_line(broken))).collect()
}

/// Tells on standard error what no file was named for.
fn tell(reasons: &[String], refused: u64) {
    if refused == 0 {
        return;
    }
    say("refused:");
    reasons.iter().for_each(|line| say(line));
    if reasons.len() >= TOLD {
        say("  … --out FILE has all of them");
    }
}
