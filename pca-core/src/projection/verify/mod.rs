//! Whether a log fits the business rules: what [`crate::log::Verifier`] cannot know (rules C1, C5, I1, I5, K2, A3, Q4, Q5).
//!
//! The log's verifier checks the chain; this one decodes every event and holds it against all before it: the ledger
//! balances, serial numbers are unique, certificates say what the log says, nest in their issuer's validity and carry
//! its signature, only what was enabled issued, and CRL numbers rise.

mod certificate;
mod fault;
mod roll_over;

pub use fault::{CertificateFault, DomainFault};

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::domain::ca::{Ca, CaState, Generation};
use crate::domain::event::{CaEnabled, CertificateIssued, CrlPublished, Event, ResponderCertified};
use crate::domain::quota::Ledger;
use crate::domain::{CaId, stream};
use crate::log::{Digest, EventData, Fold, Position, Recorded, StreamId};
use crate::x509::{CertificateId, NameHash};

use super::Told;

/// Follows a log commit by commit and tells everything that does not fit the rules. Memory grows with the number of
/// certificates (some 100 octets each).
#[derive(Clone, Debug)]
pub struct DomainVerifier {
    position: Position,
    signatures: bool,
    ledger: Ledger,
    cas: HashMap<CaId, Ca>,
    serials: HashSet<CertificateId>,
    crls: HashMap<NameHash, CrlNumbers>,
    authority_keys: HashSet<Digest>,
    holder_keys: HashSet<Digest>,
    responder_keys: HashSet<Digest>,
    certificates: u64,
}

/// CRL numbers of an issuer name.
#[derive(Clone, Debug, Default)]
struct CrlNumbers {
    last: u64,
    /// The generations whose keys signed the CRL of that number (rule A3: all live ones sign the same).
    signed_by: Vec<(CaId, u32)>,
    /// The newest full CRL of the name, and of each partition.
    full: BTreeMap<Option<u16>, u64>,
}

impl Default for DomainVerifier {
    fn default() -> Self {
        Self {
            position: Position::ZERO,
            signatures: true,
            ledger: Ledger::default(),
            cas: HashMap::new(),
            serials: HashSet::new(),
            crls: HashMap::new(),
            authority_keys: HashSet::new(),
            holder_keys: HashSet::new(),
            responder_keys: HashSet::new(),
            certificates: 0,
        }
    }
}

impl DomainVerifier {
    /// Checks everything but signatures, which take most of the time.
    #[must_use]
    pub fn without_signatures() -> Self {
        Self { signatures: false, ..Self::default() }
    }

    /// The position up to which the log was followed.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many certificates were checked, those of CAs included.
    #[must_use]
    pub fn certificates(&self) -> u64 {
        self.certificates
    }

    /// The quota ledger so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Takes the next commit in, faults or not, and tells its faults.
    pub fn follow(&mut self, recorded: &Recorded) -> Vec<DomainFault> {
        let (seal, commit) = (recorded.seal(), recorded.commit());
        let mut faults = Vec::new();
        for (index, view) in commit.events().enumerate() {
            let position = seal.first.plus(u64::try_from(index).unwrap_or(u64::MAX));
            match Event::decode(&view) {
                Ok(event) => {
                    // What an older shape concerned is not what it concerns once it is brought up to date.
                    let newest = Event::KINDS.contains(&(view.kind(), view.schema()));
                    let streams = newest.then(|| view.streams().cloned().collect::<Vec<StreamId>>());
                    let told = Told { event, position, time: seal.time, metadata: commit.metadata() };
                    self.take(&told, streams.as_deref(), &mut faults);
                }
                Err(error) => faults.push(DomainFault::Codec { position, error }),
            }
        }
        self.position = seal.last();
        faults
    }

    /// What can only be told at the end: the ledger as a whole.
    ///
    /// # Errors
    /// The fault.
    pub fn finish(&self) -> Result<(), DomainFault> {
        self.ledger.check().map_err(|fault| DomainFault::Ledger { position: self.position, fault })
    }

    fn take(&mut self, told: &Told<'_>, streams: Option<&[StreamId]>, faults: &mut Vec<DomainFault>) {
        let position = told.position;
        let mut expected = told.event.streams();
        expected.sort_unstable();
        expected.dedup();
        if streams.is_some_and(|streams| expected != streams) {
            faults.push(DomainFault::Streams { position, kind: told.event.kind() });
        }
        if let Err(fault) = self.ledger.apply(&told.event, told.metadata.decided_at) {
            faults.push(DomainFault::Ledger { position, fault });
        }
        match &told.event {
            Event::CaEnabled(enabled) => self.enabled(enabled, position, faults),
            Event::CaRenewed(renewed) => self.renewed(renewed, position, faults),
            Event::CaRequested(requested) => self.requested(requested, position, faults),
            Event::CaCrossSigned(signed) => self.cross_signed(signed, position, faults),
            Event::CertificateIssued(issued) => self.issued(issued, position, faults),
            Event::CertificateRevoked(revoked) if !self.serials.contains(&revoked.id) => {
                faults.push(DomainFault::UnknownCertificate { position, id: revoked.id });
            }
            Event::CrlPublished(published) => self.published(published, position, faults),
            Event::ResponderCertified(certified) => self.certified(certified, position, faults),
            _ => {}
        }
        for stream in expected.iter().filter(|stream| stream.category() == "ca") {
            let Ok(id) = stream.key().parse::<CaId>() else { continue };
            let ca = self.cas.entry(id).or_insert_with(|| Ca::begin(stream));
            ca.evolve(&told.event, &told.moment());
        }
    }

    fn enabled(&mut self, enabled: &CaEnabled, position: Position, faults: &mut Vec<DomainFault>) {
        self.certificates = self.certificates.saturating_add(1);
        let unknown = Ca::begin(&stream::ca(&enabled.ca));
        let ca = self.cas.get(&enabled.ca).unwrap_or(&unknown);
        self.must_be(&enabled.ca, &[CaState::NotEnabled], position, faults);
        if ca.next_generation() != enabled.generation {
            let (expected, found) = (ca.next_generation(), enabled.generation);
            faults.push(DomainFault::Generation { position, ca: enabled.ca.clone(), expected, found });
        }
        let mut issuer = None;
        if let Some(root) = ca.root() {
            self.must_be(root, &[CaState::Enabled], position, faults);
            match self.cas.get(root).and_then(Ca::generation) {
                Some(generation) => issuer = Some(generation),
                None => faults.push(DomainFault::NoIssuer { position, ca: root.clone() }),
            }
        }
        let family = ca.bought().map(|bought| bought.family);
        let told = certificate::of_authority(enabled, family, ca.is_root(), issuer, self.signatures);
        faults.extend(told.into_iter().map(|fault| DomainFault::Certificate { position, id: enabled.id, fault }));
        self.claim_serial(enabled.id, position, faults);
        if self.holder_keys.contains(&enabled.spki) || self.responder_keys.contains(&enabled.spki) {
            faults.push(DomainFault::KeyRole { position, id: enabled.id, spki: enabled.spki });
        }
        self.authority_keys.insert(enabled.spki);
        if let Some(number) = enabled.carried_crl.as_ref().and_then(|carried| carried.number) {
            let numbers = self.crls.entry(enabled.subject_hash).or_default();
            if number > numbers.last {
                *numbers = CrlNumbers { last: number, ..CrlNumbers::default() };
            }
        }
    }

    fn issued(&mut self, issued: &CertificateIssued, position: Position, faults: &mut Vec<DomainFault>) {
        self.certificates = self.certificates.saturating_add(1);
        let unknown = Ca::begin(&stream::ca(&issued.ca));
        let ca = self.cas.get(&issued.ca).unwrap_or(&unknown);
        self.must_be(&issued.ca, &[CaState::Enabled], position, faults);
        match ca.root() {
            Some(root) => self.must_be(root, &[CaState::Enabled], position, faults),
            None => faults.push(DomainFault::NotAnIntermediate { position, ca: issued.ca.clone() }),
        }
        match ca.generation() {
            Some(generation) => {
                if generation.number != issued.generation {
                    let (expected, found) = (generation.number, issued.generation);
                    faults.push(DomainFault::Generation { position, ca: issued.ca.clone(), expected, found });
                }
                let family = ca.bought().map(|bought| bought.family);
                let told = certificate::of_holder(issued, family, generation, self.signatures);
                faults.extend(told.into_iter().map(|fault| DomainFault::Certificate {
                    position,
                    id: issued.id,
                    fault,
                }));
            }
            None => faults.push(DomainFault::NoIssuer { position, ca: issued.ca.clone() }),
        }
        self.claim_serial(issued.id, position, faults);
        if self.authority_keys.contains(&issued.spki) || self.responder_keys.contains(&issued.spki) {
            faults.push(DomainFault::KeyRole { position, id: issued.id, spki: issued.spki });
        }
        self.holder_keys.insert(issued.spki);
    }

    fn certified(&mut self, certified: &ResponderCertified, position: Position, faults: &mut Vec<DomainFault>) {
        self.certificates = self.certificates.saturating_add(1);
        self.must_be(&certified.ca, &[CaState::Enabled, CaState::Disabled], position, faults);
        let issuer = self.cas.get(&certified.ca).and_then(|ca| {
            let bought = ca.bought().map(|bought| bought.family);
            let mut generations = ca.signing_generations();
            let is_it = |generation: &&Generation| {
                generation.spki == certified.issuer && generation.number == certified.generation
            };
            generations.find(is_it).map(|generation| (generation, bought))
        });
        match issuer {
            Some((generation, family)) => {
                let told = certificate::of_responder(certified, family, generation, self.signatures);
                let id = certified.id;
                faults.extend(told.into_iter().map(|fault| DomainFault::Certificate { position, id, fault }));
            }
            None => faults.push(DomainFault::NoIssuer { position, ca: certified.ca.clone() }),
        }
        self.claim_serial(certified.id, position, faults);
        let spki = certified.spki;
        let others = [&self.authority_keys, &self.holder_keys];
        if others.iter().any(|keys| keys.contains(&spki)) || !self.responder_keys.insert(spki) {
            faults.push(DomainFault::KeyRole { position, id: certified.id, spki });
        }
    }

    fn published(&mut self, published: &CrlPublished, position: Position, faults: &mut Vec<DomainFault>) {
        let numbers = self.crls.entry(published.subject_hash).or_default();
        let signer = (published.ca.clone(), published.generation);
        let same = published.number == numbers.last && !numbers.signed_by.contains(&signer);
        if published.number < numbers.last || (published.number == numbers.last && !(same && numbers.last > 0)) {
            let (issuer, last, found) = (published.subject_hash, numbers.last, published.number);
            faults.push(DomainFault::CrlNumber { position, issuer, last, found });
        } else if same {
            numbers.signed_by.push(signer);
        } else {
            (numbers.last, numbers.signed_by) = (published.number, vec![signer]);
        }
        let partition = published.partition.as_ref().map(|partition| partition.index);
        match &published.delta {
            None => drop(numbers.full.insert(partition, published.number)),
            Some(base) if numbers.full.get(&partition) == Some(&base.number) => {}
            Some(base) => {
                let (issuer, base) = (published.subject_hash, base.number);
                faults.push(DomainFault::DeltaBase { position, issuer, base });
            }
        }
        if published.covers >= position {
            faults.push(DomainFault::CrlCovers { position, covers: published.covers });
        }
    }

    fn must_be(&self, ca: &CaId, states: &[CaState], position: Position, faults: &mut Vec<DomainFault>) {
        let state = self.cas.get(ca).map_or(CaState::Unknown, Ca::state);
        if !states.contains(&state) {
            faults.push(DomainFault::CaState { position, ca: ca.clone(), state });
        }
    }

    fn claim_serial(&mut self, id: CertificateId, position: Position, faults: &mut Vec<DomainFault>) {
        if !self.serials.insert(id) {
            faults.push(DomainFault::Serial { position, id });
        }
    }
}

#[cfg(test)]
mod tests;
