//! The engines, and what each of them is made to do: keep commits by position, their positions by commit id and by
//! stream and revision, check the guards in the transaction that moves the streams, and be durable before it answers.

mod file;
mod fjall;
mod redb;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

use pca_core::log::{
    Commit, CommitId, Digest, Head, Position, Receipt, Recorded, Revision, Seal, StoreError, StreamId, Timestamp,
};

pub(crate) use self::file::FileLog;

pub(crate) type Answer = Result<Receipt, StoreError>;

/// An engine, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    File,
    Sqlite,
    Redb,
    Fjall,
}

impl Engine {
    pub(crate) const ALL: [Self; 4] = [Self::File, Self::Sqlite, Self::Redb, Self::Fjall];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file log",
            Self::Sqlite => "SQLite",
            Self::Redb => "redb",
            Self::Fjall => "fjall",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        *Self::ALL.iter().find(|engine| engine.name() == name).expect("an engine's name")
    }

    /// Opens the log in a directory, or makes it.
    pub(crate) fn open(self, directory: &Path) -> Box<dyn Log> {
        match self {
            Self::File => Box::new(FileLog::open(directory)),
            Self::Sqlite => Box::new(sqlite::Sqlite::open(directory)),
            Self::Redb => Box::new(redb::Redb::open(directory)),
            Self::Fjall => Box::new(fjall::Fjall::open(directory)),
        }
    }
}

/// A log on an engine.
pub(crate) trait Log: Send {
    /// Commits one after the other, in one transaction; returns when they are durable.
    fn write(&mut self, group: &[Commit]) -> Vec<Answer>;
    /// Shows every commit from the first on, its digest checked.
    fn replay(&self, show: &mut dyn FnMut(&Recorded));
    /// The commits of a stream behind a revision, each restored and its digest checked.
    fn read(&self, stream: &str, after: u64) -> Vec<Arc<Recorded>>;
    /// The revision of a stream.
    fn revision(&self, stream: &str) -> u64;
    /// Ends in good order.
    fn close(self: Box<Self>);
}

/// What a transaction of a rival can do.
trait Transaction {
    fn revision(&mut self, stream: &StreamId) -> Revision;
    /// The position of the commit with this id.
    fn known(&mut self, id: &CommitId) -> Option<Position>;
    /// Keeps a commit, its id and the streams that it moves.
    fn keep(&mut self, seal: &Seal, commit: &Commit, record: &[u8]);
}

/// What makes an event store of tables: a repeat is told, guards are checked, the commit is sealed and kept.
fn admit(transaction: &mut impl Transaction, head: &mut Head, commit: &Commit) -> Answer {
    if let Some(position) = transaction.known(&commit.id()) {
        return Err(StoreError::IdReused { id: commit.id(), position });
    }
    commit.check_guards(|stream| transaction.revision(stream))?;
    let seal = head.seal(commit);
    transaction.keep(&seal, commit, &record(&seal, commit));
    *head = seal.head();
    Ok(Recorded::new(seal, commit.clone()).receipt())
}

const TIME: usize = 8;
const DIGEST: usize = 32;

/// What is kept of a commit beside its position.
fn record(seal: &Seal, commit: &Commit) -> Vec<u8> {
    let mut record = Vec::with_capacity(TIME + 2 * DIGEST + commit.body().len());
    record.extend_from_slice(&seal.time.micros().to_be_bytes());
    record.extend_from_slice(seal.previous.as_bytes());
    record.extend_from_slice(seal.digest.as_bytes());
    record.extend_from_slice(commit.body());
    record
}

/// A commit out of its record, the digest checked.
fn restore(position: u64, record: &[u8]) -> Recorded {
    let (time, rest) = record.split_first_chunk::<TIME>().unwrap();
    let (previous, rest) = rest.split_first_chunk::<DIGEST>().unwrap();
    let (digest, body) = rest.split_first_chunk::<DIGEST>().unwrap();
    let time = Timestamp::from_micros(i64::from_be_bytes(*time));
    Recorded::restore(body.into(), Digest::new(*previous), Position::new(position), time, Digest::new(*digest)).unwrap()
}

/// The head that the newest record makes.
fn head(newest: Option<(u64, &[u8])>) -> Head {
    newest.map_or(Head::GENESIS, |(position, record)| restore(position, record).seal().head())
}
