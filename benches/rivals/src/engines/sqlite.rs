//! SQLite: WAL, `synchronous=FULL`; one connection, alone, prepared statements, checkpoints after 64 MiB.

use std::path::Path;
use std::sync::Arc;

use pca_core::log::{Commit, CommitId, Head, Position, Recorded, Revision, Seal, StreamId};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, TransactionBehavior, params};

use super::{Answer, Log, Transaction, admit, head, restore};

const SETTINGS: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 16384;
    PRAGMA cache_size = -262144;
    PRAGMA mmap_size = 1099511627776;
    PRAGMA temp_store = MEMORY;
";

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS commits (position INTEGER PRIMARY KEY, record BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS ids (id BLOB PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS streams (
        stream TEXT NOT NULL, revision INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (stream, revision)
    ) WITHOUT ROWID;
";

const REVISION: &str = "SELECT revision FROM streams WHERE stream = ? ORDER BY revision DESC LIMIT 1";

pub(super) struct Sqlite {
    connection: Connection,
    head: Head,
}

impl Sqlite {
    pub(super) fn open(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let connection = Connection::open(directory.join("log.sqlite")).unwrap();
        connection.execute_batch(SETTINGS).unwrap();
        let asked = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, rusqlite::types::Value>(0));
        assert_eq!(asked("journal_mode").unwrap(), rusqlite::types::Value::Text("wal".into()));
        assert_eq!(asked("synchronous").unwrap(), rusqlite::types::Value::Integer(2));
        connection.execute_batch(TABLES).unwrap();
        let newest = "SELECT position, record FROM commits ORDER BY position DESC LIMIT 1";
        let newest = connection
            .query_row(newest, [], |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, Vec<u8>>(1)?)))
            .optional()
            .unwrap();
        let head = head(newest.as_ref().map(|(position, record)| (*position, record.as_slice())));
        Self { connection, head }
    }
}

impl Log for Sqlite {
    fn write(&mut self, group: &[Commit]) -> Vec<Answer> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let answers = {
            let prepare = |sql| transaction.prepare_cached(sql).unwrap();
            let mut statements = Statements {
                revision: prepare(REVISION),
                known: prepare("SELECT position FROM ids WHERE id = ?"),
                commit: prepare("INSERT INTO commits VALUES (?, ?)"),
                id: prepare("INSERT INTO ids VALUES (?, ?)"),
                stream: prepare("INSERT INTO streams VALUES (?, ?, ?)"),
            };
            group.iter().map(|commit| admit(&mut statements, &mut self.head, commit)).collect()
        };
        transaction.commit().unwrap();
        answers
    }

    fn replay(&self, show: &mut dyn FnMut(&Recorded)) {
        let mut select = self.connection.prepare("SELECT position, record FROM commits ORDER BY position").unwrap();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            show(&restore(row.get::<_, i64>(0).unwrap() as u64, row.get_ref(1).unwrap().as_blob().unwrap()));
        }
    }

    fn read(&self, stream: &str, after: u64) -> Vec<Arc<Recorded>> {
        const EVENTS: &str = "SELECT commits.position, record FROM streams JOIN commits USING (position)
            WHERE stream = ? AND revision > ? ORDER BY revision";
        let mut select = self.connection.prepare_cached(EVENTS).unwrap();
        let mut rows = select.query(params![stream, after as i64]).unwrap();
        let mut events = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let record = row.get_ref(1).unwrap().as_blob().unwrap();
            events.push(Arc::new(restore(row.get::<_, i64>(0).unwrap() as u64, record)));
        }
        events
    }

    fn revision(&self, stream: &str) -> u64 {
        revision(&mut self.connection.prepare_cached(REVISION).unwrap(), stream)
    }

    fn close(self: Box<Self>) {
        self.connection.close().unwrap();
    }
}

fn revision(statement: &mut CachedStatement<'_>, stream: &str) -> u64 {
    statement.query_row([stream], |row| row.get::<_, i64>(0)).optional().unwrap().unwrap_or_default() as u64
}

struct Statements<'c> {
    revision: CachedStatement<'c>,
    known: CachedStatement<'c>,
    commit: CachedStatement<'c>,
    id: CachedStatement<'c>,
    stream: CachedStatement<'c>,
}

impl Transaction for Statements<'_> {
    fn revision(&mut self, stream: &StreamId) -> Revision {
        Revision::new(revision(&mut self.revision, stream.as_str()))
    }

    fn known(&mut self, id: &CommitId) -> Option<Position> {
        let position = self.known.query_row([id.as_bytes().as_slice()], |row| row.get::<_, i64>(0)).optional();
        position.unwrap().map(|position| Position::new(position as u64))
    }

    fn keep(&mut self, seal: &Seal, commit: &Commit, record: &[u8]) {
        let position = seal.first.get() as i64;
        self.commit.execute(params![position, record]).unwrap();
        self.id.execute(params![commit.id().as_bytes().as_slice(), position]).unwrap();
        for moved in commit.moves() {
            self.stream.execute(params![moved.stream.as_str(), moved.revision.get() as i64, position]).unwrap();
        }
    }
}
