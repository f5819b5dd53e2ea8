//! The portable form of a log: JSON lines, from any store into any other (rule L6).
//!
//! The first line is a header, then follows one line a commit, in order, and the last line says how many they were and what
//! the newest one's digest is. `docs/log-format.md` states every field. A commit's line has all that its digest covers, so
//! that whoever reads it can compute the digest; beside it stands a *view* for people, which is never read back.
//!
//! - [`export`] writes a log that may be written to meanwhile, up to where it ended when it was called.
//! - [`import`] checks each line against the one before, makes the commit, and compares the receipt with the line. It goes
//!   on where an interrupted import stopped.
//! - [`check`] does the same without a store.
//!
//! All of them keep a bounded number of commits in memory, whatever the length of the log.

mod lines;
mod view;
mod written;

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use self::lines::Lines;
use super::transfer::{Appender, TransferError, Transferred, Walk};
use super::{Digest, Fault, Head};
use crate::ports::{EventStore, Limits};

/// Writes a log as JSON lines. `progress` is told the newest commit after each batch.
///
/// Writing blocks the calling thread. The lines name the enterprise, holders and actors, and nothing secret (rule L8).
///
/// # Errors
/// [`ExportError`]; what was written so far is no export, as its last line is missing.
pub async fn export<S, W>(store: &S, to: &mut W, mut progress: impl FnMut(Head)) -> Result<Transferred, ExportError>
where
    S: EventStore + ?Sized,
    W: Write,
{
    let mut walk = Walk::over(store).await?;
    let mut done = Transferred::NOTHING;
    let mut batch = walk.next().await?;
    let first = batch.as_ref().and_then(|batch| batch.first()).map(|recorded| recorded.seal().digest);
    write(to, &written::header(first)?)?;
    while let Some(commits) = batch {
        for recorded in commits {
            write(to, &written::commit(&recorded)?)?;
            done.commits = done.commits.saturating_add(1);
        }
        done.head = walk.head();
        progress(done.head);
        batch = walk.next().await?;
    }
    write(to, &written::end(&done)?)?;
    to.flush().map_err(ExportError::io)?;
    Ok(done)
}

/// Reads JSON lines into a store that is empty or has the beginning of this log already. `progress` is told the newest
/// commit that was read, now and then.
///
/// Reading blocks the calling thread. No line is longer than 8 octets for each of the largest commit that the store takes,
/// and 4 KiB.
///
/// # Errors
/// [`ImportError`] with the line that it is about. Of that line, and of those behind it, nothing is imported; those
/// before it may be, and the same import of a better file goes on there.
pub async fn import<S, R>(from: R, store: &S, mut progress: impl FnMut(Head)) -> Result<Transferred, ImportError>
where
    S: EventStore + ?Sized,
    R: BufRead,
{
    let mut lines = Lines::begin(from, store.limits())?;
    let appender = Appender::to(store).await.map_err(TransferError::from);
    let mut appender =
        appender.map_err(|error| ImportError { line: lines.number(), reason: Box::new(error.into()) })?;
    loop {
        match lines.next() {
            Ok(Some(recorded)) => {
                let line = lines.number();
                appender.take(Arc::new(recorded), line).await.map_err(|failed| refused(line, failed))?;
                if lines.number().is_multiple_of(1024) {
                    progress(lines.head());
                }
            }
            Ok(None) => break,
            Err(error) => {
                // What stands before a bad line is good: the next attempt need not begin anew.
                appender.flush().await.map_err(|failed| refused(lines.number(), failed))?;
                return Err(error);
            }
        }
    }
    progress(lines.head());
    appender.finish().await.map_err(|failed| refused(lines.number(), failed))
}

/// Reads JSON lines and checks what can be checked without a store: form, chain of digests, positions, times, and that the
/// end is there. Guards and the ids of commits are checked when they are imported. `progress` is told every commit.
///
/// # Errors
/// As [`import`], for a store with these limits.
pub fn check<R: BufRead>(from: R, limits: Limits, mut progress: impl FnMut(Head)) -> Result<Transferred, ImportError> {
    let mut lines = Lines::begin(from, limits)?;
    let mut commits = 0_u64;
    while lines.next()?.is_some() {
        commits = commits.saturating_add(1);
        progress(lines.head());
    }
    Ok(Transferred { commits, added: 0, head: lines.head() })
}

fn write(to: &mut impl Write, line: &str) -> Result<(), ExportError> {
    to.write_all(line.as_bytes()).and_then(|()| to.write_all(b"\n")).map_err(ExportError::io)
}

fn refused(read: u64, failed: super::transfer::Failed<u64>) -> ImportError {
    ImportError { line: failed.place.unwrap_or(read), reason: Box::new(failed.error.into()) }
}

/// Why a log is not exported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The log cannot be read, or contradicts itself.
    #[error(transparent)]
    Log(#[from] TransferError),
    /// What it is written to failed.
    #[error("writing failed: {detail}")]
    Io {
        /// Of which kind.
        kind: io::ErrorKind,
        /// What failed.
        detail: String,
    },
    /// A line has no such form: a defect of the library.
    #[error("a line cannot be written: {detail}")]
    Encode {
        /// Why.
        detail: String,
    },
}

impl ExportError {
    // By value, as it closes a chain of `map_err`.
    #[expect(clippy::needless_pass_by_value)]
    fn io(error: io::Error) -> Self {
        Self::Io { kind: error.kind(), detail: error.to_string() }
    }
}

impl From<super::StoreError> for ExportError {
    fn from(error: super::StoreError) -> Self {
        Self::Log(error.into())
    }
}

/// Why a file is not imported, and in which of its lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ImportError {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    #[source]
    pub reason: Box<ImportReason>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportReason {
    /// The file cannot be read.
    #[error("reading failed: {detail}")]
    Io {
        /// Of which kind.
        kind: io::ErrorKind,
        /// What failed.
        detail: String,
    },
    /// A line that is longer than one of a commit that the store takes.
    #[error("it has more than {limit} octets, which is more than a line of a commit that the store takes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The first line is no header of a log.
    #[error("it is no header of an exported log: {detail}")]
    NoHeader {
        /// Why.
        detail: String,
    },
    /// A newer library wrote it.
    #[error("the file has version {version} of the form; this library reads version {known}")]
    Version {
        /// The version that was read.
        version: u64,
        /// The one that is known.
        known: u64,
    },
    /// A line that is no commit.
    #[error("it is no commit: {detail}")]
    Malformed {
        /// Why.
        detail: String,
    },
    /// A commit that does not continue the line before, or is not what its digest says: lines were removed, reordered,
    /// replaced, edited or dated anew.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The first commit is not the one that the header names.
    #[error("the log begins with the commit {found}, but the header names {expected:?}")]
    First {
        /// What the header names; nothing for an empty log.
        expected: Option<Digest>,
        /// The first commit's digest.
        found: Digest,
    },
    /// The file ends without its last line: it was cut off.
    #[error("the file ends here, without the line that says so; {commits} commits were read, up to {head}")]
    Truncated {
        /// How many commits it had.
        commits: u64,
        /// The newest one's digest.
        head: Digest,
    },
    /// The last line says that the log ended elsewhere: commits are missing before it.
    #[error("the log ends with {commits} commits, {events} events and head {head}, but the last line says {said}")]
    End {
        /// How many commits were read.
        commits: u64,
        /// How many events.
        events: u64,
        /// The newest commit's digest.
        head: Digest,
        /// What the last line says.
        said: String,
    },
    /// Something stands behind the last line.
    #[error("nothing may stand behind the line that ends the log")]
    Trailing,
    /// The store does not take it.
    #[error(transparent)]
    Transfer(#[from] TransferError),
}
