//! The file log of this project.

use std::path::Path;
use std::sync::Arc;

use pca_core::log::{Commit, Position, Recorded, Revision, StreamId, StreamsRead};
use pca_core::ports::EventStore as _;
use pca_store_file::{FileEventStore, Options};
use pollster::block_on;

use super::{Answer, Log};

/// How many events are asked for at once.
const READ_AHEAD: usize = 1024;

/// Many callers may commit to it: it makes groups itself.
#[derive(Clone)]
pub(crate) struct FileLog(Arc<FileEventStore>);

impl FileLog {
    pub(crate) fn open(directory: &Path) -> Self {
        Self(Arc::new(FileEventStore::open_or_create(directory, Options::default()).unwrap()))
    }

    pub(crate) fn commit(&self, train: Vec<Commit>) -> Vec<Answer> {
        block_on(self.0.commit(train))
    }

    fn slice(&self, stream: &str, after: u64) -> StreamsRead {
        let streams = [(StreamId::parse(stream).unwrap(), Revision::new(after))];
        block_on(self.0.read(&streams, Position::MAX)).unwrap()
    }
}

impl Log for FileLog {
    fn write(&mut self, group: &[Commit]) -> Vec<Answer> {
        self.commit(group.to_vec())
    }

    fn replay(&self, show: &mut dyn FnMut(&Recorded)) {
        let mut after = Position::ZERO;
        loop {
            let commits = block_on(self.0.follow(after, READ_AHEAD)).unwrap();
            let Some(last) = commits.last() else { return };
            after = last.seal().last();
            commits.iter().for_each(|recorded| show(recorded));
        }
    }

    fn read(&self, stream: &str, after: u64) -> Vec<Arc<Recorded>> {
        self.slice(stream, after).streams.remove(0).events.into_iter().map(|event| event.recorded).collect()
    }

    fn revision(&self, stream: &str) -> u64 {
        self.slice(stream, u64::MAX).streams.remove(0).revision.get()
    }

    fn close(self: Box<Self>) {
        block_on(self.0.close()).unwrap();
    }
}
