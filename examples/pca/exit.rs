//! How a command ends: what it prints, and with which exit code.

use std::io::{ErrorKind, Write as _};

use pca_core::domain::{BrokenRule, Refusal, Rule};
use pca_core::keys::KeyError;
use pca_core::log::StoreError;
use pca_core::service;
use serde_json::{Value, json};

use crate::output;

/// Done, or an answer of yes.
pub const DONE: u8 = 0;
/// Refused by the rules, or an answer of no.
pub const REFUSED: u8 = 1;
/// Words that do not match the page.
pub const USAGE: u8 = 2;
/// Store, key or file trouble.
pub const TROUBLE: u8 = 3;

/// What a command answers.
#[derive(Debug)]
pub enum Answer {
    /// To be printed.
    Value {
        /// With `--json`.
        json: Value,
        /// Without it.
        text: String,
        /// The exit code.
        code: u8,
    },
    /// Printed already, as it came.
    Printed,
}

impl Answer {
    /// A good answer.
    pub fn new(json: Value, text: impl Into<String>) -> Self {
        Self::with_code(json, text, DONE)
    }

    /// An answer with an exit code.
    pub fn with_code(json: Value, text: impl Into<String>, code: u8) -> Self {
        Self::Value { json, text: text.into(), code }
    }
}

/// Why a command is not done.
#[derive(Debug)]
pub enum Failure {
    /// The rules say no: every broken one.
    Refused(Vec<BrokenRule>),
    /// The words are not understood.
    Usage(String),
    /// Store, key or file trouble.
    Trouble {
        /// What it is about, for programs.
        kind: &'static str,
        /// What is wrong.
        message: String,
    },
}

/// What a command ends with.
pub type Outcome = Result<Answer, Failure>;

impl Failure {
    /// Trouble of a kind.
    pub fn trouble(kind: &'static str, message: impl Into<String>) -> Self {
        Self::Trouble { kind, message: message.into() }
    }

    /// A file that cannot be read or written.
    pub fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::trouble("file", format!("{doing} {}: {error}", path.display()))
    }

    /// One broken rule.
    pub fn refused(rule: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self::Refused(vec![BrokenRule::new(Rule::new(rule), code, message)])
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.broken().to_vec())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::TooLarge { .. } => return Self::refused("I8", "commit-too-large", error.to_string()),
            StoreError::Corrupt { .. } => "damaged",
            StoreError::InUse { .. } => "in-use",
            _ => "store",
        };
        Self::trouble(kind, error.to_string())
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let kind = match &error {
            KeyError::PassphraseTooShort { .. } => {
                return Self::refused("K5", "passphrase-too-short", error.to_string());
            }
            KeyError::NotExportable { .. } => return Self::refused("K1", "key-not-exportable", error.to_string()),
            KeyError::Unsupported { .. } => return Self::refused("O3", "algorithm-unsupported", error.to_string()),
            // Ids of keys follow from idempotency keys: an earlier request left another key before it died.
            KeyError::IdTaken { .. } => return Self::refused("O6", "idempotency-key-reused", error.to_string()),
            KeyError::WrongPassphrase => "wrong-passphrase",
            KeyError::Damaged { .. } => "damaged",
            KeyError::InUse { .. } => "in-use",
            _ => "key",
        };
        Self::trouble(kind, error.to_string())
    }
}

impl From<service::Error> for Failure {
    fn from(error: service::Error) -> Self {
        match error {
            service::Error::Refused(refusal) => refusal.into(),
            service::Error::Store(error) => error.into(),
            service::Error::Key(error) => error.into(),
            service::Error::Entropy(_) => Self::trouble("entropy", error.to_string()),
            service::Error::Contended { .. } => Self::trouble("contended", error.to_string()),
            _ => Self::trouble("store", error.to_string()),
        }
    }
}

/// A broken rule as the page has it.
pub fn broken_json(broken: &BrokenRule) -> Value {
    json!({ "rule": broken.rule().number(), "code": broken.code(), "message": broken.message() })
}

/// A broken rule for people, in one line.
pub fn broken_line(broken: &BrokenRule) -> String {
    format!("{:<3} {}", broken.rule().number(), output::harmless(broken.message()))
}

/// Prints what a command ended with, and gives the exit code.
pub fn conclude(outcome: Outcome, as_json: bool) -> u8 {
    let (printed, code) = match outcome {
        Ok(Answer::Printed) => return DONE,
        Ok(Answer::Value { json, text, code }) => (if as_json { json.to_string() } else { text }, code),
        Err(Failure::Refused(broken)) if as_json => {
            (json!({ "refused": broken.iter().map(broken_json).collect::<Vec<_>>() }).to_string(), REFUSED)
        }
        Err(Failure::Refused(broken)) => {
            say("refused:");
            broken.iter().for_each(|broken| say(&format!("  {}", broken_line(broken))));
            return REFUSED;
        }
        Err(Failure::Usage(message)) => (error("usage", &message, as_json), USAGE),
        Err(Failure::Trouble { kind, message }) => (error(kind, &message, as_json), TROUBLE),
    };
    match print(&printed) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            say(&format!("error: the answer cannot be written to standard output: {error}"));
            TROUBLE
        }
        // Whoever does not want to read on is no trouble.
        _ => code,
    }
}

/// Prints a line, or lines, on standard output.
pub fn print(text: &str) -> std::io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.trim_end_matches('\n').as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Says something on standard error.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// What went wrong: said to people, to be printed for programs.
fn error(kind: &str, message: &str, as_json: bool) -> String {
    if as_json {
        return json!({ "error": { "kind": kind, "message": message } }).to_string();
    }
    say(&format!("error: {message}"));
    String::new()
}

#[cfg(test)]
mod tests {
    use pca_core::keys::KeyId;
    use pca_core::log::CommitId;

    use super::*;

    #[test]
    fn a_key_that_another_request_left_is_a_refusal() {
        let id = KeyId::derive(&CommitId::from_idempotency_key("the same"), 0);
        let Failure::Refused(broken) = Failure::from(KeyError::IdTaken { id }) else {
            unreachable!("it is no trouble")
        };
        let told: Vec<_> = broken.iter().map(|broken| (broken.rule().number(), broken.code())).collect();
        assert_eq!(told, [("O6", "idempotency-key-reused")]);
    }
}
