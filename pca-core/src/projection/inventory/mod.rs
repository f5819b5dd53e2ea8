//! What there is: CAs as a tree, certificates by CA, each with its status at a time.

mod certificate;
mod filter;
mod tree;

pub use certificate::{CertificateEntry, CertificateStatus, UnknownStatus};
pub use filter::CertificateFilter;
pub use tree::{Branch, CaCertificateEntry, CaEntry, CaStatus, Counts};

use std::collections::HashMap;

use crate::domain::ca::{Ca, EndedGeneration};
use crate::domain::{CaId, Event};
use crate::log::{CodecError, EventData, Fold, Position, Recorded, Timestamp};
use crate::x509::CertificateId;

use super::{Projection, Told, told};

/// All CAs and certificates of a log.
///
/// Certificates are kept without their DER (their stream has it), at some 500 octets each.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    position: Position,
    time: Timestamp,
    order: Vec<CaId>,
    cas: HashMap<CaId, Ca>,
    certificates: Vec<CertificateEntry>,
    places: HashMap<CertificateId, usize>,
    by_ca: HashMap<CaId, Vec<usize>>,
}

impl Inventory {
    /// The time of the newest commit that was taken in.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Every CA in order of purchase, removed ones included.
    pub fn cas(&self) -> impl Iterator<Item = &Ca> {
        self.order.iter().filter_map(|id| self.cas.get(id))
    }

    /// A CA.
    #[must_use]
    pub fn ca(&self, id: &CaId) -> Option<&Ca> {
        self.cas.get(id)
    }

    /// A certificate for a holder.
    #[must_use]
    pub fn certificate(&self, id: &CertificateId) -> Option<&CertificateEntry> {
        self.certificates.get(*self.places.get(id)?)
    }

    /// Every certificate that a CA issued, over all its generations, in order of issue, removed ones included.
    pub fn issued_by(&self, ca: &CaId) -> impl Iterator<Item = &CertificateEntry> {
        let places = self.by_ca.get(ca).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.certificates.get(*place))
    }

    /// The certificates that a filter lets through at a time, in order of issue.
    pub fn certificates<'a>(
        &'a self,
        filter: &'a CertificateFilter,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a CertificateEntry> {
        let all: Box<dyn Iterator<Item = &CertificateEntry>> = match &filter.ca {
            Some(ca) => Box::new(self.issued_by(ca)),
            None => Box::new(self.certificates.iter()),
        };
        all.filter(move |entry| filter.lets_through(entry, self.status(entry, now), now))
    }

    /// A certificate's status at a time: its own stream joined with its issuer's generation (architecture, invariant
    /// 10). What happened after that time is not undone: ask an inventory that stopped there.
    ///
    /// Revoked stays revoked; a certificate whose CA ended while it was valid has ended; else its validity decides, and
    /// a hold only matters within it.
    #[must_use]
    pub fn status(&self, entry: &CertificateEntry, now: Timestamp) -> CertificateStatus {
        if entry.is_revoked() {
            return CertificateStatus::Revoked;
        }
        if self.end_of(entry).is_some() {
            return CertificateStatus::Ended;
        }
        if now.floor_to_second() > entry.not_after {
            return CertificateStatus::Expired;
        }
        if entry.revocation.is_some() { CertificateStatus::OnHold } else { CertificateStatus::Valid }
    }

    /// How and when a certificate ended with the generation that issued it; nothing if it had expired before.
    #[must_use]
    pub fn end_of(&self, entry: &CertificateEntry) -> Option<&EndedGeneration> {
        end_of(&self.cas, entry)
    }

    fn take(&mut self, told: &Told<'_>) {
        match &told.event {
            Event::CertificateIssued(issued) => {
                let place = self.certificates.len();
                self.places.insert(issued.id, place);
                self.by_ca.entry(issued.ca.clone()).or_default().push(place);
                self.certificates.push(CertificateEntry::new(issued, told));
                let renewed = issued.renews.and_then(|before| self.places.get(&before).copied());
                if let Some(before) = renewed.and_then(|place| self.certificates.get_mut(place)) {
                    before.renewed_by = Some(issued.id);
                }
                return;
            }
            Event::CertificateRevoked(_)
            | Event::HoldReleased(_)
            | Event::KeyDelivered(_)
            | Event::CertificateRemoved(_) => return self.change(told),
            Event::KeyDestroyed(_) => self.change(told),
            _ => {}
        }
        for stream in told.event.streams().into_iter().filter(|stream| stream.category() == "ca") {
            let Ok(id) = stream.key().parse::<CaId>() else { continue };
            let ca = self.cas.entry(id.clone()).or_insert_with(|| {
                self.order.push(id);
                Ca::begin(&stream)
            });
            ca.evolve(&told.event, &told.moment());
        }
    }

    /// Changes the certificates whose streams an event concerns.
    fn change(&mut self, told: &Told<'_>) {
        for stream in told.event.streams() {
            let place = CertificateId::from_stream(&stream).and_then(|id| self.places.get(&id).copied());
            let Some(entry) = place.and_then(|place| self.certificates.get_mut(place)) else { continue };
            let ended = end_of(&self.cas, entry).map(|ended| ended.at);
            entry.evolve(told, ended);
        }
    }
}

fn end_of<'a>(cas: &'a HashMap<CaId, Ca>, entry: &CertificateEntry) -> Option<&'a EndedGeneration> {
    let ended = cas.get(&entry.ca)?.end_of(entry.generation)?;
    (ended.at.floor_to_second() <= entry.not_after).then_some(ended)
}

impl Projection for Inventory {
    type Error = CodecError;

    fn position(&self) -> Position {
        self.position
    }

    fn apply(&mut self, recorded: &Recorded) -> Result<(), CodecError> {
        if recorded.seal().first <= self.position {
            return Ok(());
        }
        told(recorded)?.iter().for_each(|told| self.take(told));
        self.position = recorded.seal().last();
        self.time = recorded.seal().time;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
