//! Bringing a log into another store: commit for commit, under the same digests.
//!
//! A store dates a commit with the later of the newest commit's time and the time it was decided at, and its digest covers
//! what the log says and nothing of the store ([`Head::seal`]). So a commit that is made again behind the same predecessors
//! gets the same seal; here that is not believed but compared, receipt for receipt.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Digest, Fault, Head, Position, Receipt, Recorded, StoreError};
use crate::ports::EventStore;

/// How many events are asked of a store at once.
pub(super) const BATCH: usize = 1024;
/// A train ends at so many commits, or at so many octets of bodies.
const TRAIN: usize = 1024;
const TRAIN_OCTETS: usize = 4 * 1024 * 1024;

/// What was gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// How many commits the log has up to [`head`](Self::head).
    pub commits: u64,
    /// How many of them are new where they were brought to.
    pub added: u64,
    /// The newest one.
    pub head: Head,
}

impl Transferred {
    pub(super) const NOTHING: Self = Self { commits: 0, added: 0, head: Head::GENESIS };
}

/// Why a commit is not brought into a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The log that is read contradicts itself.
    #[error("the log that is read is damaged: {0}")]
    Source(#[from] Fault),
    /// What is in the destination is no beginning of this log.
    #[error(
        "the destination is another log: at position {position} it has the commit {found}, but this log has {expected}"
    )]
    Differs {
        /// The commit's first position in the log that is read.
        position: Position,
        /// The digest that it has there.
        expected: Digest,
        /// The digest that the destination has.
        found: Digest,
    },
    /// The destination has commits that the log does not have.
    #[error("the destination goes on to position {found}, but this log ends at {end}: it is no beginning of this log")]
    Longer {
        /// Where the log that is read ends.
        end: Position,
        /// Where the destination ends.
        found: Position,
    },
    /// The destination refuses a commit: it breaks a guard, uses an id twice or is too large for this store.
    #[error("the commit at position {position} cannot be made: {source}")]
    Refused {
        /// The commit's first position.
        position: Position,
        /// Why.
        source: StoreError,
    },
    /// The destination made another commit of it: a defect of that store.
    #[error("the commit {expected} was made as {found} at position {position}; the destination does not keep digests")]
    Unlike {
        /// Where it was made.
        position: Position,
        /// The digest that it has in the log that is read.
        expected: Digest,
        /// The digest that the destination answered.
        found: Digest,
    },
    /// Trouble of either store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Brings a log into another store: what is missing there is added, and nothing else is changed.
///
/// The destination is empty or a beginning of the source, such as an interrupted copy; that is compared commit by commit.
/// What stands in the source when this is called is copied; what comes later is left for the next time. `progress` is
/// told the newest commit after each batch.
///
/// # Errors
/// [`TransferError`]; what was added before it stays, and is a beginning of the source.
pub async fn copy<F, T>(
    source: &F,
    destination: &T,
    mut progress: impl FnMut(Head),
) -> Result<Transferred, TransferError>
where
    F: EventStore + ?Sized,
    T: EventStore + ?Sized,
{
    let mut walk = Walk::over(source).await?;
    let mut appender = Appender::to(destination).await?;
    while let Some(batch) = walk.next().await? {
        for recorded in batch {
            let position = recorded.seal().first;
            appender.take(recorded, position).await.map_err(|failed| failed.error)?;
        }
        progress(walk.head());
    }
    appender.finish().await.map_err(|failed| failed.error)
}

/// A log in order, up to where it ended when the walk began; each commit is held against the one before.
pub(super) struct Walk<'s, S: ?Sized> {
    store: &'s S,
    end: Head,
    head: Head,
}

impl<'s, S: EventStore + ?Sized> Walk<'s, S> {
    pub(super) async fn over(store: &'s S) -> Result<Self, StoreError> {
        Ok(Self { store, end: store.head().await?, head: Head::GENESIS })
    }

    /// Up to where it went.
    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// Some of the commits that come next; nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Arc<Recorded>>>, TransferError> {
        if self.head.position >= self.end.position {
            return Ok(None);
        }
        let mut batch = self.store.follow(self.head.position, BATCH).await?;
        batch.retain(|recorded| recorded.seal().last() <= self.end.position);
        for recorded in &batch {
            self.head = continued(&self.head, recorded)?;
        }
        if batch.is_empty() {
            let reason = format!("its head is at position {}, but this is where it ends", self.end.position);
            let place = format!("position {}", self.head.position);
            return Err(StoreError::Corrupt { place, reason }.into());
        }
        Ok(Some(batch))
    }
}

/// The head behind a commit, if it is just the one that continues the log.
///
/// # Errors
/// The first [`Fault`]. Guards and ids are not looked at: the store that the commit is made in does that.
pub(super) fn continued(head: &Head, recorded: &Recorded) -> Result<Head, Fault> {
    let found = recorded.seal();
    let expected = head.seal(recorded.commit());
    let position = expected.first;
    if found.first != expected.first {
        return Err(Fault::Position { expected: expected.first, found: found.first });
    }
    if found.previous != expected.previous {
        return Err(Fault::Chain { position, expected: expected.previous, found: found.previous });
    }
    if found.time != expected.time {
        return Err(Fault::Time { position, expected: expected.time, found: found.time });
    }
    if found != &expected {
        return Err(Fault::Digest { position, expected: expected.digest, found: found.digest });
    }
    Ok(expected.head())
}

/// What went wrong, and with which commit, as the caller named it.
pub(super) struct Failed<L> {
    pub(super) place: Option<L>,
    pub(super) error: TransferError,
}

/// Takes a log in order, holds it against what is in a store, and adds what is missing.
pub(super) struct Appender<'s, S: ?Sized, L> {
    store: &'s S,
    /// Where the destination ended before.
    before: Head,
    /// What of it is to be compared next.
    known: VecDeque<Arc<Recorded>>,
    train: Vec<(Arc<Recorded>, L)>,
    octets: usize,
    done: Transferred,
}

impl<'s, S: EventStore + ?Sized, L: Copy> Appender<'s, S, L> {
    pub(super) async fn to(store: &'s S) -> Result<Self, StoreError> {
        let before = store.head().await?;
        let done = Transferred::NOTHING;
        Ok(Self { store, before, known: VecDeque::new(), train: Vec::new(), octets: 0, done })
    }

    /// Takes the next commit. It must continue the one before ([`continued`]).
    pub(super) async fn take(&mut self, recorded: Arc<Recorded>, place: L) -> Result<(), Failed<L>> {
        let failed = |error| Failed { place: Some(place), error };
        let seal = *recorded.seal();
        if seal.first <= self.before.position {
            self.compare(&recorded).await.map_err(failed)?;
        } else {
            self.octets = self.octets.saturating_add(recorded.commit().body().len());
            self.train.push((recorded, place));
            if self.train.len() >= TRAIN || self.octets >= TRAIN_OCTETS {
                self.flush().await?;
            }
        }
        self.done.commits = self.done.commits.saturating_add(1);
        self.done.head = seal.head();
        Ok(())
    }

    /// The destination holds the whole log now, and no more than that.
    pub(super) async fn finish(mut self) -> Result<Transferred, Failed<L>> {
        self.flush().await?;
        let (end, found) = (self.done.head.position, self.before.position);
        if found > end {
            return Err(Failed { place: None, error: TransferError::Longer { end, found } });
        }
        Ok(self.done)
    }

    async fn compare(&mut self, recorded: &Recorded) -> Result<(), TransferError> {
        let seal = recorded.seal();
        if self.known.is_empty() {
            self.known = self.store.follow(self.done.head.position, BATCH).await?.into();
        }
        let found = self.known.pop_front().map_or(Digest::ZERO, |known| known.seal().digest);
        if found == seal.digest {
            Ok(())
        } else {
            Err(TransferError::Differs { position: seal.first, expected: seal.digest, found })
        }
    }

    /// Makes the commits that are waiting, and holds each receipt against what the log says.
    pub(super) async fn flush(&mut self) -> Result<(), Failed<L>> {
        let train = core::mem::take(&mut self.train);
        self.octets = 0;
        if train.is_empty() {
            return Ok(());
        }
        let answers = self.store.commit(train.iter().map(|(recorded, _)| recorded.commit().clone()).collect()).await;
        for ((recorded, place), answer) in train.into_iter().zip(answers) {
            let position = recorded.seal().first;
            let answered = match answer {
                Ok(receipt) => same(&recorded.receipt(), &receipt),
                Err(
                    source @ (StoreError::Conflict { .. }
                    | StoreError::Repeated(_)
                    | StoreError::IdReused { .. }
                    | StoreError::TooLarge { .. }),
                ) => Err(TransferError::Refused { position, source }),
                Err(other) => Err(other.into()),
            };
            answered.map_err(|error| Failed { place: Some(place), error })?;
            self.done.added = self.done.added.saturating_add(1);
        }
        Ok(())
    }
}

fn same(expected: &Receipt, found: &Receipt) -> Result<(), TransferError> {
    if expected == found {
        return Ok(());
    }
    Err(TransferError::Unlike { position: found.first, expected: expected.digest, found: found.digest })
}
