//! What people ask: folds over the whole log, in order.
//!
//! A projection takes commits in, one after the other, and answers from what it has seen; to ask as of an earlier
//! position, stop there. It decides nothing, stores nothing and can be thrown away and built anew at any time.
//!
//! - [`Inventory`]: CAs as a tree, certificates by CA, with their status at a time.
//! - [`QuotaLedger`]: where every unit of quota is, per lot, root and intermediate; always balanced.
//! - [`Orders`]: what was bought, by whom, and refunds.
//! - [`Due`]: what should be done by when.
//! - [`audit`]: who did what, when and why.
//! - [`verify`]: whether all of it fits the business rules.

pub mod audit;
pub mod due;
pub mod inventory;
mod ledger;
mod orders;
pub mod verify;

#[cfg(test)]
mod testing;

pub use audit::{AuditEntry, Timeline};
pub use due::{Due, DueItem};
pub use inventory::{CertificateFilter, CertificateStatus, Inventory};
pub use ledger::{IntermediateLine, LedgerError, LotLine, QuotaLedger, RootLine};
pub use orders::{OrderEntry, OrderKind, Orders, RefundHistory};
pub use verify::{DomainFault, DomainVerifier};

use crate::domain::Event;
use crate::log::{CodecError, EventData, Metadata, Moment, Position, Recorded, Revision, Timestamp};

/// A fold over the whole log.
pub trait Projection: Default {
    /// Why a commit cannot be taken in.
    type Error: From<CodecError>;

    /// The position up to which the log was taken in.
    fn position(&self) -> Position;

    /// Takes the next commit in. One that was taken in before is passed over.
    ///
    /// # Errors
    /// If an event cannot be decoded, or does not fit what stands before it. What the projection answers after that is
    /// of no use.
    fn apply(&mut self, recorded: &Recorded) -> Result<(), Self::Error>;

    /// Takes commits in, in order.
    ///
    /// # Errors
    /// The first that [`apply`](Self::apply) returns.
    fn follow<'a>(&mut self, commits: impl IntoIterator<Item = &'a Recorded>) -> Result<(), Self::Error> {
        commits.into_iter().try_for_each(|recorded| self.apply(recorded))
    }
}

/// An event where it stands in the log.
#[derive(Clone, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) event: Event,
    pub(crate) position: Position,
    pub(crate) time: Timestamp,
    pub(crate) metadata: &'a Metadata,
}

impl Told<'_> {
    /// For folds of the domain that do not look at revisions.
    pub(crate) fn moment(&self) -> Moment<'_> {
        self.moment_at(Revision::ZERO)
    }

    pub(crate) fn moment_at(&self, revision: Revision) -> Moment<'_> {
        Moment { time: self.time, revision, position: self.position, metadata: self.metadata }
    }
}

/// The events of a commit, each where it stands.
pub(crate) fn told(recorded: &Recorded) -> Result<Vec<Told<'_>>, CodecError> {
    let (seal, commit) = (recorded.seal(), recorded.commit());
    commit
        .events()
        .enumerate()
        .map(|(index, view)| {
            let position = seal.first.plus(u64::try_from(index).unwrap_or(u64::MAX));
            Ok(Told { event: Event::decode(&view)?, position, time: seal.time, metadata: commit.metadata() })
        })
        .collect()
}
