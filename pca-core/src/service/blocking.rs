//! The service for callers without an executor: each call waits on the caller's own thread.

use core::fmt;
use core::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;

use crate::delivery::Delivery;
use crate::domain::ca::{ResetCa, RevokeCa};
use crate::domain::certificate::{IssueAtomically, IssueCertificate, Issued, RenewCertificate};
use crate::domain::crl::PublishCrl;
use crate::domain::{CaId, Command, Desk, Halt};
use crate::log::{Position, Recorded, Timestamp};
use crate::projection::Projection;
use crate::x509::{OcspHash, SerialNumber};

use super::download::Download;
use super::process::{Ended, Finished, SweptKey};
use super::{Call, Done, Error, OcspAnswer, Preview, SignedCrl, SignedCrls};

/// [`Pca`](super::Pca), blocking. Do not use it from within an executor's threads.
///
/// ```
/// use pca_core::domain::enterprise::FoundEnterprise;
/// use pca_core::domain::event::Money;
/// use pca_core::domain::order::{BuyRoot, ServiceTerm};
/// use pca_core::domain::policy::Policy;
/// use pca_core::keys::Family;
/// use pca_core::log::Position;
/// use pca_core::projection::Orders;
/// use pca_core::service::{Call, Parts, Pca, blocking};
/// use pca_store_memory::{MemoryEventStore, MemoryKeyStore};
/// use pca_system::{OsEntropy, SystemClock};
///
/// # fn main() -> Result<(), pca_core::Error> {
/// let parts = Parts::new(MemoryEventStore::new(), MemoryKeyStore::new(), SystemClock, OsEntropy);
/// let pca = blocking::Pca::new(Pca::new(parts));
/// let call = Call::by("my-program");
/// pca.execute(FoundEnterprise { name: None, rehearsal: false, policy: Policy::default() }, &call)?;
///
/// // What would happen, then what happened, then what there is.
/// let root = BuyRoot { family: Family::Ecc, term: ServiceTerm::years(1), paid: Money::nothing() };
/// assert_eq!(pca.preview(&root, &call)?.events.len(), 1);
/// let bought = pca.execute(root, &call)?.answer;
/// let orders: Orders = pca.project(Position::MAX)?;
/// assert!(orders.order(&bought.order).is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pca {
    pca: super::Pca,
}

impl Pca {
    /// Wraps the service.
    #[must_use]
    pub fn new(pca: super::Pca) -> Self {
        Self { pca }
    }

    /// The service itself.
    #[must_use]
    pub fn unblocked(&self) -> &super::Pca {
        &self.pca
    }

    /// As [`super::Pca::execute`].
    ///
    /// # Errors
    /// As there.
    pub fn execute<C: Command>(&self, command: C, call: &Call) -> Result<Done<C::Answer>, Error> {
        pollster::block_on(self.pca.execute(command, call))
    }

    /// As [`super::Pca::save_snapshots`].
    pub fn save_snapshots(&self) {
        pollster::block_on(self.pca.save_snapshots());
    }

    /// As [`super::Pca::preview`].
    ///
    /// # Errors
    /// As there.
    pub fn preview<C: Command>(&self, command: &C, call: &Call) -> Result<Preview, Error> {
        pollster::block_on(self.pca.preview(command, call))
    }

    /// As [`super::Pca::issue`].
    ///
    /// # Errors
    /// As there.
    pub fn issue(&self, request: IssueCertificate, call: &Call) -> Result<Done<Issued>, Error> {
        pollster::block_on(self.pca.issue(request, call))
    }

    /// As [`super::Pca::renew`].
    ///
    /// # Errors
    /// As there.
    pub fn renew(&self, request: RenewCertificate, call: &Call) -> Result<Done<Issued>, Error> {
        pollster::block_on(self.pca.renew(request, call))
    }

    /// As [`super::Pca::issue_many`], as an iterator.
    pub fn issue_many<'a>(
        &'a self,
        requests: impl IntoIterator<Item = IssueCertificate, IntoIter: Send + 'a>,
        call: &'a Call,
    ) -> impl Iterator<Item = Result<Done<Issued>, Error>> + 'a {
        let mut issued = Box::pin(self.pca.issue_many(requests, call));
        core::iter::from_fn(move || pollster::block_on(issued.next()))
    }

    /// As [`super::Pca::issue_atomically`].
    ///
    /// # Errors
    /// As there.
    pub fn issue_atomically(&self, request: IssueAtomically, call: &Call) -> Result<Done<Vec<Issued>>, Error> {
        pollster::block_on(self.pca.issue_atomically(request, call))
    }

    /// As [`super::Pca::reset_ca`].
    ///
    /// # Errors
    /// As there.
    pub fn reset_ca(&self, command: ResetCa, call: &Call) -> Result<Ended, Error> {
        pollster::block_on(self.pca.reset_ca(command, call))
    }

    /// As [`super::Pca::revoke_ca`].
    ///
    /// # Errors
    /// As there.
    pub fn revoke_ca(&self, command: RevokeCa, call: &Call) -> Result<Ended, Error> {
        pollster::block_on(self.pca.revoke_ca(command, call))
    }

    /// As [`super::Pca::resume`].
    ///
    /// # Errors
    /// As there.
    pub fn resume(&self, call: &Call) -> Result<Vec<Finished>, Error> {
        pollster::block_on(self.pca.resume(call))
    }

    /// As [`super::Pca::sweep_keys`].
    ///
    /// # Errors
    /// As there.
    pub fn sweep_keys(&self, orphaned_before: Timestamp, call: &Call) -> Result<Vec<SweptKey>, Error> {
        pollster::block_on(self.pca.sweep_keys(orphaned_before, call))
    }

    /// As [`super::Pca::preview_sweep`].
    ///
    /// # Errors
    /// As there.
    pub fn preview_sweep(&self, orphaned_before: Timestamp, call: &Call) -> Result<Vec<SweptKey>, Error> {
        pollster::block_on(self.pca.preview_sweep(orphaned_before, call))
    }

    /// As [`super::Pca::download`].
    ///
    /// # Errors
    /// As there.
    pub fn download(&self, download: &Download, call: &Call) -> Result<Delivery, Error> {
        pollster::block_on(self.pca.download(download, call))
    }

    /// As [`super::Pca::publish_crl`].
    ///
    /// # Errors
    /// As there.
    pub fn publish_crl(&self, ca: &CaId, call: &Call) -> Result<SignedCrl, Error> {
        pollster::block_on(self.pca.publish_crl(ca, call))
    }

    /// As [`super::Pca::publish_crls`].
    ///
    /// # Errors
    /// As there.
    pub fn publish_crls(&self, command: &PublishCrl, call: &Call) -> Result<SignedCrls, Error> {
        pollster::block_on(self.pca.publish_crls(command, call))
    }

    /// As [`super::Pca::answer_ocsp`].
    ///
    /// # Errors
    /// As there.
    pub fn answer_ocsp(&self, ca: &CaId, request: &[u8], call: &Call) -> Result<OcspAnswer, Error> {
        pollster::block_on(self.pca.answer_ocsp(ca, request, call))
    }

    /// As [`super::Pca::answer_ocsp_of_any`].
    ///
    /// # Errors
    /// As there.
    pub fn answer_ocsp_of_any(&self, request: &[u8], call: &Call) -> Result<OcspAnswer, Error> {
        pollster::block_on(self.pca.answer_ocsp_of_any(request, call))
    }

    /// As [`super::Pca::presign_ocsp`].
    ///
    /// # Errors
    /// As there.
    pub fn presign_ocsp(
        &self,
        ca: &CaId,
        serials: &[SerialNumber],
        hash: OcspHash,
        call: &Call,
    ) -> Result<Vec<Option<OcspAnswer>>, Error> {
        pollster::block_on(self.pca.presign_ocsp(ca, serials, hash, call))
    }

    /// As [`super::Pca::question`].
    ///
    /// # Errors
    /// As there.
    pub fn question<T>(&self, question: impl Fn(&Desk<'_>, Timestamp) -> Result<T, Halt>) -> Result<T, Error> {
        pollster::block_on(self.pca.question(question))
    }

    /// As [`super::Pca::project`].
    ///
    /// # Errors
    /// As there.
    pub fn project<P>(&self, until: Position) -> Result<P, Error>
    where
        P: Projection + Send,
        P::Error: fmt::Display,
    {
        pollster::block_on(self.pca.project(until))
    }

    /// As [`super::Pca::replay`].
    ///
    /// # Errors
    /// As there.
    pub fn replay(
        &self,
        after: Position,
        until: Position,
        take: impl FnMut(&Recorded) -> Result<(), Error> + Send,
    ) -> Result<Position, Error> {
        pollster::block_on(self.pca.replay(after, until, take))
    }

    /// As [`super::Pca::follow`], as an iterator that waits for what is to come.
    pub fn follow(&self, after: Position) -> impl Iterator<Item = Result<Arc<Recorded>, Error>> + '_ {
        let mut recorded: Pin<Box<_>> = Box::pin(self.pca.follow(after));
        core::iter::from_fn(move || pollster::block_on(recorded.next()))
    }
}
