//! A caller's way through a commit: staged, the writer woken, waited for, answered.

use pca_core::log::{Commit, Receipt, StoreError};

use super::index::Prepared;
use super::options::Options;
use super::shared::Shared;
use super::staging::{Answer, Failure, Tried};

impl Shared {
    /// Commits a train; answered when everything that an answer rests on is durable, or has failed.
    pub(crate) async fn commit(&self, train: Vec<Commit>, options: &Options) -> Vec<Result<Receipt, StoreError>> {
        let (Tried { answers, durable, staged }, idle) = match self.stage(train, options) {
            Ok(staged) => staged,
            Err(answers) => return answers,
        };
        if idle {
            self.wake_writer();
        }
        if !staged.is_empty() {
            self.keep(staged);
        }
        let failure = match durable {
            None => None,
            Some(receiver) => receiver.await.unwrap_or_else(|_| Err(self.unanswered())).err(),
        };
        answers.into_iter().map(|answer| self.answer(answer, failure.as_ref())).collect()
    }

    /// Stages a train; tells whether the writer waits to be told of it. If what the index files know cannot be read, the
    /// answers say so.
    pub(crate) fn stage(
        &self,
        train: Vec<Commit>,
        options: &Options,
    ) -> Result<(Tried, bool), Vec<Result<Receipt, StoreError>>> {
        let prepare = |commit| {
            let prepared = Prepared::new(&self.keys, &commit);
            (commit, prepared)
        };
        let mut train: Vec<(Commit, Prepared)> = train.into_iter().map(prepare).collect();
        loop {
            let mut state = self.lock();
            if !train.iter().any(|(_, prepared)| state.index.is_stale(prepared)) {
                let tried = state.try_train(train, options);
                return Ok((tried, core::mem::take(&mut state.idle)));
            }
            drop(state);
            if let Err(error) = train.iter_mut().try_for_each(|(commit, prepared)| self.look_up(commit, prepared)) {
                return Err(not_tried(train.len(), error));
            }
        }
    }

    /// Asks the index files what they know of a commit.
    fn look_up(&self, commit: &Commit, prepared: &mut Prepared) -> Result<(), StoreError> {
        *prepared = self.look(|_| (), |(), runs| prepared.looked_up(commit, runs, self))?;
        Ok(())
    }

    /// Answers a commit, now that what the answer rests on is durable or has failed.
    fn answer(&self, answer: Answer, failure: Option<&Failure>) -> Result<Receipt, StoreError> {
        let closed = |failure: &Failure| StoreError::Closed { reason: failure.reason.to_string() };
        match (answer, failure) {
            (Answer::Staged(receipt), Some(failure)) if receipt.last > failure.durable => Err(closed(failure)),
            (Answer::Staged(receipt), _) => Ok(receipt),
            (Answer::Refused(StoreError::NotTried), _) => Err(StoreError::NotTried),
            (Answer::Known { .. } | Answer::Refused(_), Some(failure)) => Err(closed(failure)),
            (Answer::Known { place, request }, None) => {
                Err(self.receipt_at(place, request).map_or_else(|error| error, StoreError::Repeated))
            }
            (Answer::Refused(error), None) => Err(error),
        }
    }

    fn unanswered(&self) -> Failure {
        let state = self.lock();
        Failure { reason: "the writer stopped".into(), durable: state.durable.position }
    }
}

/// The answers to a train whose first commit failed before it was tried.
fn not_tried(commits: usize, error: StoreError) -> Vec<Result<Receipt, StoreError>> {
    let rest = core::iter::repeat_n(StoreError::NotTried, commits.saturating_sub(1));
    core::iter::once(error).chain(rest).map(Err).collect()
}
