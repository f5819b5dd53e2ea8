//! Reading line by line: each commit against the one before.

use std::io::{self, BufRead, Read as _};

use super::super::transfer::continued;
use super::super::{Digest, Head, Recorded};
use super::written::{self, AnyHeader, END, Ending, FORMAT, Header, VERSION};
use super::{ImportError, ImportReason};
use crate::ports::Limits;

/// The longest header.
const LONGEST_HEADER: usize = 4096;

pub(super) struct Lines<R> {
    from: R,
    limit: usize,
    line: Vec<u8>,
    /// Of the line that was read last, from 1.
    number: u64,
    /// What the header names.
    first: Option<Digest>,
    commits: u64,
    head: Head,
}

impl<R: BufRead> Lines<R> {
    /// Reads the header.
    pub(super) fn begin(from: R, limits: Limits) -> Result<Self, ImportError> {
        let mut lines = Self {
            from,
            limit: written::longest(limits.largest_commit),
            line: Vec::new(),
            number: 0,
            first: None,
            commits: 0,
            head: Head::GENESIS,
        };
        lines.first = lines.header().map_err(|reason| lines.failed(reason))?;
        Ok(lines)
    }

    /// The line that was read last.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The newest commit that was read.
    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// The next commit; nothing behind the last one, once the file ended as it should.
    pub(super) fn next(&mut self) -> Result<Option<Recorded>, ImportError> {
        self.read_on().map_err(|reason| self.failed(reason))
    }

    fn failed(&self, reason: ImportReason) -> ImportError {
        ImportError { line: self.number, reason: Box::new(reason) }
    }

    fn header(&mut self) -> Result<Option<Digest>, ImportReason> {
        let none = |detail: String| ImportReason::NoHeader { detail };
        if !self.read_line(LONGEST_HEADER)? {
            return Err(none("the file is empty".into()));
        }
        let any: AnyHeader = serde_json::from_slice(&self.line).map_err(|error| none(error.to_string()))?;
        if any.format != FORMAT {
            return Err(none(format!("its format is `{}`, not `{FORMAT}`", any.format)));
        }
        if any.version != VERSION {
            return Err(ImportReason::Version { version: any.version, known: VERSION });
        }
        let header: Header = serde_json::from_slice(&self.line).map_err(|error| none(error.to_string()))?;
        Ok(header.first)
    }

    fn read_on(&mut self) -> Result<Option<Recorded>, ImportReason> {
        if !self.read_line(self.limit)? {
            return Err(ImportReason::Truncated { commits: self.commits, head: self.head.digest });
        }
        if self.line.starts_with(END) {
            self.end()?;
            return Ok(None);
        }
        let recorded = written::read(&self.line)?;
        let head = continued(&self.head, &recorded)?;
        if self.commits == 0 && self.first != Some(head.digest) {
            return Err(ImportReason::First { expected: self.first, found: head.digest });
        }
        self.head = head;
        self.commits = self.commits.saturating_add(1);
        Ok(Some(recorded))
    }

    fn end(&mut self) -> Result<(), ImportReason> {
        let Ending { end } = serde_json::from_slice(&self.line).map_err(|error| written::malformed(&error))?;
        let (commits, events, head) = (self.commits, self.head.position.get(), self.head.digest);
        let first_is_there = self.first.is_some() == (commits > 0);
        if (end.commits, end.events, end.head) != (commits, events, head) || !first_is_there {
            let said = format!("{} commits, {} events and head {}", end.commits, end.events, end.head);
            return Err(ImportReason::End { commits, events, head, said });
        }
        if self.read_line(LONGEST_HEADER)? { Err(ImportReason::Trailing) } else { Ok(()) }
    }

    /// Reads a line into the buffer; tells whether there was one. No more than the limit is ever in memory.
    fn read_line(&mut self, limit: usize) -> Result<bool, ImportReason> {
        let io = |error: &io::Error| ImportReason::Io { kind: error.kind(), detail: error.to_string() };
        self.line.clear();
        self.number = self.number.saturating_add(1);
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = self.from.by_ref().take(most).read_until(b'\n', &mut self.line).map_err(|error| io(&error))?;
        if read > limit { Err(ImportReason::TooLong { limit }) } else { Ok(read > 0) }
    }
}
