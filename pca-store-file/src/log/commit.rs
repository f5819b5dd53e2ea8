//! A caller's way through a commit: staged, the writer woken, waited for, answered.

use pca_core::log::{Commit, Receipt, StoreError};

use super::options::Options;
use super::shared::Shared;
use super::staging::{Answer, Failure, Tried};

impl Shared {
    /// Commits a train; answered when everything that an answer rests on is durable, or has failed.
    pub(crate) async fn commit(&self, train: Vec<Commit>, options: &Options) -> Vec<Result<Receipt, StoreError>> {
        let (Tried { answers, durable, staged }, idle) = {
            let mut state = self.lock();
            let tried = state.try_train(train, options);
            (tried, core::mem::take(&mut state.idle))
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

    /// Answers a commit, now that what the answer rests on is durable or has failed.
    fn answer(&self, answer: Answer, failure: Option<&Failure>) -> Result<Receipt, StoreError> {
        let closed = |failure: &Failure| StoreError::Closed { reason: failure.reason.to_string() };
        match (answer, failure) {
            (Answer::Staged(receipt), Some(failure)) if receipt.last > failure.durable => Err(closed(failure)),
            (Answer::Staged(receipt), _) => Ok(receipt),
            (Answer::Refused(StoreError::NotTried), _) => Err(StoreError::NotTried),
            (Answer::Known { .. } | Answer::Refused(_), Some(failure)) => Err(closed(failure)),
            (Answer::Known { number, request }, None) => {
                Err(self.receipt_of(number, request).map_or_else(|error| error, StoreError::Repeated))
            }
            (Answer::Refused(error), None) => Err(error),
        }
    }

    fn unanswered(&self) -> Failure {
        let state = self.lock();
        Failure { reason: "the writer stopped".into(), durable: state.durable.position }
    }
}
