//! A session with a log without a thread: the caller carries out what the writer would, call after call.

use std::path::Path;
use std::sync::Arc;

use pca_core::log::{Commit, Receipt, StoreError};

use super::super::Options;
use super::super::disk::Disk;
use super::super::format::{FRAME_HEADER, to_u64};
use super::super::open::Intent;
use super::super::shared::Shared;
use super::super::staging::{Answer, Job, Tried, Work};
use super::super::writer::Writer;
use super::DIRECTORY;

/// A log that is open for writing. Dropping it is what a killed process does.
pub(super) struct Session {
    writer: Writer,
    pub(super) shared: Arc<Shared>,
    options: Options,
}

impl Session {
    pub(super) fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Self, StoreError> {
        let options = options.indexed_here();
        let (writer, _) = Writer::open(disk, Path::new(DIRECTORY), &options, Intent::OpenOrCreate)?;
        Ok(Self { shared: Arc::clone(&writer.shared), writer, options })
    }

    /// Commits a train and tells for each member whether it was acknowledged.
    pub(super) fn commit(&mut self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        let Tried { answers, durable, .. } = match self.shared.stage(train, &self.options) {
            Ok((tried, _)) => tried,
            Err(answers) => return answers,
        };
        while let Some(job) = self.take() {
            if !self.writer.carry_out(Work::Group(job)) {
                break;
            }
        }
        let failure = durable.and_then(|mut outcome| outcome.try_recv().unwrap().unwrap().err());
        let closed = |reason: &str| StoreError::Closed { reason: reason.into() };
        answers
            .into_iter()
            .map(|answer| match (answer, &failure) {
                (Answer::Staged(receipt), Some(failure)) if receipt.last > failure.durable => {
                    Err(closed(&failure.reason))
                }
                (Answer::Staged(receipt), _) => Ok(receipt),
                (Answer::Refused(error), _) => Err(error),
                (Answer::Known { .. }, _) => Err(closed("a commit is repeated")),
            })
            .collect()
    }

    fn take(&self) -> Option<Job> {
        self.shared.lock().take()
    }

    /// Nothing came for a while: the writer appends a beacon, unless the last frame says that all is durable.
    pub(super) fn idle(&mut self) -> bool {
        if self.writer.marked || self.shared.lock().end.is_some() {
            return false;
        }
        let head = self.shared.lock().leave_room(to_u64(FRAME_HEADER));
        self.writer.carry_out(Work::Beacon(head))
    }

    pub(super) fn close(mut self) -> Result<(), String> {
        self.shared.begin_closing();
        let closed = self.writer.finish();
        self.writer.end_indexing(closed.is_ok());
        closed
    }
}
