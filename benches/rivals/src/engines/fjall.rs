//! fjall: one batch a group, `PersistMode::SyncAll`; a cache of 256 MiB, no compression (nothing here compresses).
//!
//! The newest revision of a stream has a keyspace of its own, so that a filter can tell that a stream is new.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use pca_core::log::{Commit, CommitId, Head, Position, Recorded, Revision, Seal, StreamId};

use super::{Answer, Log, Transaction, admit, head, restore};

pub(super) struct Fjall {
    database: Database,
    commits: Keyspace,
    ids: Keyspace,
    heads: Keyspace,
    streams: Keyspace,
    head: Head,
}

impl Fjall {
    pub(super) fn open(directory: &Path) -> Self {
        let database = Database::builder(directory)
            .cache_size(256 << 20)
            .journal_compression(CompressionType::None)
            .manual_journal_persist(true)
            .open()
            .unwrap();
        let options = || {
            KeyspaceCreateOptions::default()
                .data_block_compression_policy(CompressionPolicy::disabled())
                .index_block_compression_policy(CompressionPolicy::disabled())
        };
        let keyspace = |name| database.keyspace(name, options).unwrap();
        let [commits, ids, heads, streams] = ["commits", "ids", "heads", "streams"].map(keyspace);
        let newest = commits.last_key_value().map(|guard| guard.into_inner().unwrap());
        let head = head(newest.as_ref().map(|(position, record)| (number(position), record.as_ref())));
        Self { database, commits, ids, heads, streams, head }
    }
}

impl Log for Fjall {
    fn write(&mut self, group: &[Commit]) -> Vec<Answer> {
        let batch = OwnedWriteBatch::with_capacity(self.database.clone(), group.len() * 8);
        let mut head = self.head;
        let mut staged = Staged {
            log: self,
            batch: batch.durability(Some(PersistMode::SyncAll)),
            moved: HashMap::new(),
            known: HashMap::new(),
        };
        let answers = group.iter().map(|commit| admit(&mut staged, &mut head, commit)).collect();
        staged.batch.commit().unwrap();
        self.head = head;
        answers
    }

    fn replay(&self, show: &mut dyn FnMut(&Recorded)) {
        for entry in self.commits.iter() {
            let (position, record) = entry.into_inner().unwrap();
            show(&restore(number(&position), &record));
        }
    }

    fn read(&self, stream: &str, after: u64) -> Vec<Arc<Recorded>> {
        if self.revision(stream) <= after {
            return Vec::new();
        }
        let positions = self.streams.range(place(stream, after.saturating_add(1))..=place(stream, u64::MAX));
        positions
            .map(|entry| {
                let position = entry.value().unwrap();
                Arc::new(restore(number(&position), &self.commits.get(&position).unwrap().unwrap()))
            })
            .collect()
    }

    fn revision(&self, stream: &str) -> u64 {
        self.heads.get(stream).unwrap().map_or(0, |revision| number(&revision))
    }

    fn close(self: Box<Self>) {
        self.database.persist(PersistMode::SyncAll).unwrap();
    }
}

fn number(octets: &[u8]) -> u64 {
    u64::from_be_bytes(octets.try_into().unwrap())
}

/// The key of an event of a stream; no name has a zero in it.
fn place(stream: &str, revision: u64) -> Vec<u8> {
    [stream.as_bytes(), &[0], &revision.to_be_bytes()].concat()
}

/// A batch, which cannot be read, and beside it what it would tell.
struct Staged<'l> {
    log: &'l Fjall,
    batch: OwnedWriteBatch,
    moved: HashMap<StreamId, Revision>,
    known: HashMap<CommitId, Position>,
}

impl Transaction for Staged<'_> {
    fn revision(&mut self, stream: &StreamId) -> Revision {
        let staged = self.moved.get(stream).copied();
        staged.unwrap_or_else(|| Revision::new(self.log.revision(stream.as_str())))
    }

    fn known(&mut self, id: &CommitId) -> Option<Position> {
        let staged = self.known.get(id).copied();
        staged.or_else(|| self.log.ids.get(id.as_bytes()).unwrap().map(|position| Position::new(number(&position))))
    }

    fn keep(&mut self, seal: &Seal, commit: &Commit, record: &[u8]) {
        let position = seal.first.get().to_be_bytes();
        self.batch.insert(&self.log.commits, position, record);
        self.batch.insert(&self.log.ids, commit.id().as_bytes().as_slice(), position);
        for moved in commit.moves() {
            self.batch.insert(&self.log.heads, moved.stream.as_str(), moved.revision.get().to_be_bytes());
            self.batch.insert(&self.log.streams, place(moved.stream.as_str(), moved.revision.get()), position);
            self.moved.insert(moved.stream.clone(), moved.revision);
        }
        self.known.insert(commit.id(), seal.first);
    }
}
