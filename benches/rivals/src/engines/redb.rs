//! redb: `Durability::Immediate`, one transaction a group, its own cache at the size that it comes with.

use std::path::Path;
use std::sync::Arc;

use pca_core::log::{Commit, CommitId, Head, Position, Recorded, Revision, Seal, StreamId};
use redb::{Database, Durability, ReadableDatabase as _, ReadableTable, Table, TableDefinition};

use super::{Answer, Log, Transaction, admit, head, restore};

const COMMITS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("commits");
const IDS: TableDefinition<'_, &[u8; 16], u64> = TableDefinition::new("ids");
const STREAMS: TableDefinition<'_, (&str, u64), u64> = TableDefinition::new("streams");

pub(super) struct Redb {
    database: Database,
    head: Head,
}

impl Redb {
    pub(super) fn open(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let file = directory.join("log.redb");
        let is_new = !file.exists();
        let database = Database::create(file).unwrap();
        if is_new {
            let transaction = database.begin_write().unwrap();
            transaction.open_table(COMMITS).unwrap();
            transaction.open_table(IDS).unwrap();
            transaction.open_table(STREAMS).unwrap();
            transaction.commit().unwrap();
        }
        let commits = database.begin_read().unwrap().open_table(COMMITS).unwrap();
        let newest = commits.last().unwrap();
        let head = head(newest.as_ref().map(|(position, record)| (position.value(), record.value())));
        Self { database, head }
    }
}

impl Log for Redb {
    fn write(&mut self, group: &[Commit]) -> Vec<Answer> {
        let mut transaction = self.database.begin_write().unwrap();
        transaction.set_durability(Durability::Immediate).unwrap();
        let answers = {
            let mut tables = Tables {
                commits: transaction.open_table(COMMITS).unwrap(),
                ids: transaction.open_table(IDS).unwrap(),
                streams: transaction.open_table(STREAMS).unwrap(),
            };
            group.iter().map(|commit| admit(&mut tables, &mut self.head, commit)).collect()
        };
        transaction.commit().unwrap();
        answers
    }

    fn replay(&self, show: &mut dyn FnMut(&Recorded)) {
        let commits = self.database.begin_read().unwrap().open_table(COMMITS).unwrap();
        for entry in commits.iter().unwrap() {
            let (position, record) = entry.unwrap();
            show(&restore(position.value(), record.value()));
        }
    }

    fn read(&self, stream: &str, after: u64) -> Vec<Arc<Recorded>> {
        let transaction = self.database.begin_read().unwrap();
        let streams = transaction.open_table(STREAMS).unwrap();
        let commits = transaction.open_table(COMMITS).unwrap();
        let positions = streams.range((stream, after.saturating_add(1))..=(stream, u64::MAX)).unwrap();
        positions
            .map(|entry| {
                let position = entry.unwrap().1.value();
                Arc::new(restore(position, commits.get(position).unwrap().unwrap().value()))
            })
            .collect()
    }

    fn revision(&self, stream: &str) -> u64 {
        revision(&self.database.begin_read().unwrap().open_table(STREAMS).unwrap(), stream)
    }

    fn close(self: Box<Self>) {
        self.database.close().unwrap();
    }
}

fn revision(streams: &impl ReadableTable<(&'static str, u64), u64>, stream: &str) -> u64 {
    let newest = streams.range((stream, 0)..=(stream, u64::MAX)).unwrap().next_back();
    newest.map_or(0, |entry| entry.unwrap().0.value().1)
}

struct Tables<'t> {
    commits: Table<'t, u64, &'static [u8]>,
    ids: Table<'t, &'static [u8; 16], u64>,
    streams: Table<'t, (&'static str, u64), u64>,
}

impl Transaction for Tables<'_> {
    fn revision(&mut self, stream: &StreamId) -> Revision {
        Revision::new(revision(&self.streams, stream.as_str()))
    }

    fn known(&mut self, id: &CommitId) -> Option<Position> {
        self.ids.get(id.as_bytes()).unwrap().map(|position| Position::new(position.value()))
    }

    fn keep(&mut self, seal: &Seal, commit: &Commit, record: &[u8]) {
        let position = seal.first.get();
        self.commits.insert(position, record).unwrap();
        self.ids.insert(commit.id().as_bytes(), position).unwrap();
        for moved in commit.moves() {
            self.streams.insert((moved.stream.as_str(), moved.revision.get()), position).unwrap();
        }
    }
}
