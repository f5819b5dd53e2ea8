//! What would come to its end with a CA: counted for the preview, and written down by the command (rules C7 to C9, Q4).

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::domain::crl::Crl;
use crate::domain::decision::{Desk, Halt, Plan};
use crate::domain::event::{
    CaReset, CaRevoked, CertificateRevoked, GenerationEnd, Lot, LotUnits, OlderEnd, QuotaForfeited, QuotaLapsed,
};
use crate::domain::quota::Quota;
use crate::domain::refusal::Objections;
use crate::domain::{CaId, RollEntry, stream};
use crate::log::{Digest, StreamId, Timestamp};
use crate::x509::{CertificateId, RevocationReason};

use super::external::abandon;
use super::rules::{is_live, living, public_key};
use super::{Ca, CaState, Ending, Generation};

/// Everything that would come to its end, counted.
#[derive(Debug)]
pub(super) struct Survey<'w> {
    ending: Ending,
    pub(super) fates: Vec<Fate<'w>>,
    /// Intermediates that wait for an issuer elsewhere, in vain from then on (rule C2).
    requests: Vec<(CaId, &'w Ca)>,
    /// Every quota that would be stranded.
    pub(super) stranded: Vec<(CaId, &'w Quota)>,
    pub(super) digest: Digest,
}

/// What would happen to one CA.
#[derive(Debug)]
pub(super) struct Fate<'w> {
    pub(super) id: CaId,
    pub(super) ca: &'w Ca,
    pub(super) generation: &'w Generation,
    /// The generations before it that are still in use, oldest first, each with its unexpired certificates that are not
    /// revoked (rule C11).
    older: Vec<(&'w Generation, u64)>,
    pub(super) quota: &'w Quota,
    /// Unexpired certificates that are not revoked, of all generations.
    pub(super) certificates: u64,
    pub(super) holders: BTreeSet<&'w str>,
}

impl<'w> Survey<'w> {
    /// Looks at the CA and, if it is a root, at every intermediate of it that is enabled or disabled.
    pub(super) fn take(
        ending: Ending,
        desk: &Desk<'w>,
        id: &CaId,
        now: Timestamp,
        objections: &mut Objections,
    ) -> Result<Option<Self>, Halt> {
        let ca = desk.ca(id)?;
        let Some(generation) = living(ca, id, ending.rule(), objections) else { return Ok(None) };
        let (mut fates, mut stranded, mut requests) = (Vec::new(), Vec::new(), Vec::new());
        for below in ca.intermediates() {
            let intermediate = desk.ca(below)?;
            if let Some(generation) = intermediate.generation().filter(|_| is_live(intermediate.state())) {
                fates.push(Fate::foresee(desk, below, intermediate, generation, now)?);
            }
            if ending == Ending::Revoke && intermediate.request().is_some() {
                requests.push((below.clone(), intermediate));
            }
            if ending == Ending::Revoke
                && (is_live(intermediate.state()) || intermediate.state() == CaState::NotEnabled)
            {
                stranded.push((below.clone(), desk.quota(below)?));
            }
        }
        fates.push(Fate::foresee(desk, id, ca, generation, now)?);
        if ending == Ending::Revoke {
            stranded.push((id.clone(), desk.quota(id)?));
        }
        let digest = digest(ending, desk, &fates, &stranded);
        Ok(Some(Self { ending, fates, requests, stranded, digest }))
    }

    /// How many unexpired, unrevoked certificates of holders would end.
    pub(super) fn certificates(&self) -> u64 {
        self.fates.iter().map(|fate| fate.certificates).sum()
    }

    /// How many intermediates would end with their root.
    pub(super) fn intermediates(&self) -> usize {
        self.below().count()
    }

    /// Whether nothing below the CA would end.
    pub(super) fn is_bare(&self) -> bool {
        self.certificates() == 0 && self.intermediates() == 0
    }

    /// The intermediates that would end with their root.
    pub(super) fn below(&self) -> impl Iterator<Item = &Fate<'w>> {
        self.fates.iter().rev().skip(1).rev()
    }

    pub(super) fn plan(
        &self,
        desk: &Desk<'_>,
        now: Timestamp,
        reason: RevocationReason,
        last_crl: bool,
    ) -> Result<Plan, Halt> {
        let mut plan = Plan::new();
        for fate in &self.fates {
            for revoked in fate.own_certificates(desk, now, reason)? {
                plan = plan.and(revoked);
            }
            for generation in fate.ca.signing_generations() {
                desk.key(&generation.key)?;
            }
            let end = fate.end(reason, last_crl);
            plan = match self.ending {
                Ending::Reset => plan.and(CaReset { end }),
                Ending::Revoke => plan.and(CaRevoked { end }),
            };
        }
        for (id, ca) in &self.requests {
            plan = abandon(desk, id, ca, plan)?;
        }
        for (ca, quota) in &self.stranded {
            let lapsed = quota.lapsed(now);
            if !lapsed.is_empty() {
                plan = plan.and(QuotaLapsed { ca: ca.clone(), lots: lapsed });
            }
            let lots = forfeit(quota, now);
            if !lots.is_empty() {
                plan = plan.and(QuotaForfeited { ca: ca.clone(), lots });
            }
        }
        if !last_crl {
            return Ok(plan);
        }
        // A key that is to sign a last CRL proves now, before anything is given up, that it still signs.
        for fate in &self.fates {
            for generation in fate.ca.signing_generations() {
                plan = plan.and_probe(generation.key.clone(), public_key(generation, &fate.id)?);
            }
        }
        Ok(plan)
    }
}

impl<'w> Fate<'w> {
    fn foresee(
        desk: &Desk<'w>,
        id: &CaId,
        ca: &'w Ca,
        generation: &'w Generation,
        now: Timestamp,
    ) -> Result<Self, Halt> {
        let crl = desk.crl(generation.subject_hash)?;
        let quota = desk.quota(id)?;
        let mut older: Vec<(&Generation, u64)> = ca.living_generations().skip(1).map(|older| (older, 0)).collect();
        older.reverse();
        let mut fate = Self { id: id.clone(), ca, generation, older, quota, certificates: 0, holders: BTreeSet::new() };
        if !ca.is_root() {
            let living = desk
                .roll(id)?
                .entries
                .iter()
                .filter(|entry| now.floor_to_second() <= entry.not_after && !is_revoked(crl, entry));
            for entry in living {
                let older = fate.older.iter_mut().find(|(older, _)| older.number == entry.generation);
                match older {
                    Some((_, count)) => *count = count.saturating_add(1),
                    None if entry.generation != generation.number => continue,
                    None => {}
                }
                fate.certificates = fate.certificates.saturating_add(1);
                fate.holders.extend(entry.holder.as_deref());
            }
        }
        Ok(fate)
    }

    /// That an intermediate's own certificates, of all generations in use, are revoked by its root, and those that other
    /// roots made for a root, or a root for others, by whoever signed them (rule C11); none that has expired or been revoked
    /// already. A root cannot revoke its own.
    fn own_certificates(
        &self,
        desk: &Desk<'_>,
        now: Timestamp,
        reason: RevocationReason,
    ) -> Result<Vec<CertificateRevoked>, Halt> {
        let compromised = reason == RevocationReason::KeyCompromise;
        let mut revoked = Vec::new();
        if let Some(root) = self.ca.root() {
            for generation in self.older.iter().map(|(older, _)| *older).chain([self.generation]) {
                if !has_ended(desk, &generation.id, generation.not_after, now)? {
                    desk.ca(root)?;
                    let compromised_spki = compromised.then_some(generation.spki);
                    revoked.push((generation.id, root.clone(), generation.not_after, compromised_spki));
                }
            }
        }
        for cross in self.ca.cross_certificates() {
            // With the end of who signed it ends what was signed; the key that was certified is no worse for that.
            let is_own = cross.ca == self.id;
            let signs = desk.ca(&cross.by)?.generation().is_some();
            if signs && !has_ended(desk, &cross.id, cross.not_after, now)? {
                let compromised_spki = (compromised && is_own).then_some(cross.spki);
                revoked.push((cross.id, cross.by.clone(), cross.not_after, compromised_spki));
            }
        }
        let mut events = Vec::new();
        for (id, ca, not_after, compromised_spki) in revoked {
            desk.crl(id.issuer())?;
            if let Some(spki) = &compromised_spki {
                desk.spki(spki)?;
            }
            let reason = if compromised { RevocationReason::CaCompromise } else { reason };
            events.push(CertificateRevoked {
                id,
                ca,
                reason,
                invalidity_date: None,
                not_after,
                compromised_spki,
                partition: None,
            });
        }
        Ok(events)
    }

    fn end(&self, reason: RevocationReason, last_crl: bool) -> GenerationEnd {
        GenerationEnd {
            ca: self.id.clone(),
            generation: self.generation.number,
            subject_hash: self.generation.subject_hash,
            reason,
            cutoff: self.quota.revision().get(),
            count: self.older.iter().fold(self.certificates, |all, (_, count)| all.saturating_sub(*count)),
            key: self.generation.key.clone(),
            last_crl: last_crl && !self.generation.is_external(),
            certificate: self.generation.id,
            fingerprint: Digest::of(self.generation.certificate.as_bytes()),
            root: self.ca.is_root(),
            uploaded: self.generation.is_uploaded(),
            older: self.older.iter().map(|(older, count)| older_end(older, *count)).collect(),
            external: self.generation.is_external(),
        }
    }
}

fn older_end(generation: &Generation, count: u64) -> OlderEnd {
    OlderEnd {
        generation: generation.number,
        count,
        key: generation.key.clone(),
        certificate: generation.id,
        fingerprint: Digest::of(generation.certificate.as_bytes()),
        uploaded: generation.is_uploaded(),
    }
}

/// Whether a CA's certificate has expired or was revoked for good.
fn has_ended(desk: &Desk<'_>, id: &CertificateId, not_after: Timestamp, now: Timestamp) -> Result<bool, Halt> {
    let revocation = desk.certificate(id)?.revocation();
    let is_final = revocation.is_some_and(|revocation| revocation.reason != RevocationReason::CertificateHold);
    Ok(is_final || now.floor_to_second() > not_after)
}

/// Units that are stranded: all that can be used. Units of an order whose refund is requested wait for its outcome.
pub(super) fn forfeit(quota: &Quota, now: Timestamp) -> Vec<LotUnits> {
    let usable = quota.take(now, quota.available(now)).unwrap_or_default();
    usable.into_iter().map(|Lot { id, units, .. }| LotUnits { lot: id, units }).collect()
}

/// A certificate on hold is not revoked yet.
fn is_revoked(crl: &Crl, entry: &RollEntry) -> bool {
    crl.entries().get(&entry.id.serial()).is_some_and(|entry| entry.reason != RevocationReason::CertificateHold)
}

/// Covers command, scope and the revisions of all that was counted (rule C8).
fn digest(ending: Ending, desk: &Desk<'_>, fates: &[Fate<'_>], stranded: &[(CaId, &Quota)]) -> Digest {
    let mut counted: BTreeSet<StreamId> = stranded.iter().map(|(ca, _)| stream::quota(ca)).collect();
    let mut hash = Sha256::new();
    let mut put = |part: &[u8]| {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    };
    put(b"pca-preview");
    put(ending.command().as_bytes());
    for fate in fates {
        put(fate.id.as_str().as_bytes());
        put(&fate.generation.number.to_be_bytes());
        counted.extend([stream::ca(&fate.id), stream::quota(&fate.id), stream::crl(fate.generation.subject_hash)]);
    }
    let revisions = desk.guards();
    for stream in counted {
        put(stream.as_str().as_bytes());
        put(&revisions.get(&stream).map_or(0, |revision| revision.get()).to_be_bytes());
    }
    Digest::new(hash.finalize().into())
}
