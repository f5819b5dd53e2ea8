//! What resetting and revoking a CA have in common: who is hit, what is counted, which events follow (rules C7 to C9).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::crl::Crl;
use crate::domain::decision::{Desk, Halt, Plan};
use crate::domain::event::{CaReset, CaRevoked, CertificateRevoked, Event, GenerationEnd, QuotaForfeited, QuotaLapsed};
use crate::domain::event::{Lot, LotUnits};
use crate::domain::quota::Quota;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, RollEntry, founded, stream};
use crate::keys::KeyId;
use crate::log::{Digest, StreamId, Timestamp};
use crate::x509::{CertificateId, RevocationReason};

use super::rules::{A3, C7, C8, C9, is_live, living};
use super::{Ca, CaState, Generation};

const A2: Rule = Rule::new("A2");

/// In which way a CA comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ending {
    /// It may be enabled anew (rule C7).
    Reset,
    /// For good (rule C9).
    Revoke,
}

impl Ending {
    /// The command's name.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            Self::Reset => "ResetCa",
            Self::Revoke => "RevokeCa",
        }
    }

    const fn rule(self) -> Rule {
        match self {
            Self::Reset => C7,
            Self::Revoke => C9,
        }
    }
}

/// What [`ResetCa`](super::ResetCa) and [`RevokeCa`](super::RevokeCa) answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndingAnswer {
    /// The CA that the command was about.
    pub ca: CaId,
    /// In which way it came to its end.
    pub ending: Ending,
    /// Every CA that came to its end, intermediates first, the one that the command was about last.
    pub ended: Vec<EndedCa>,
    /// Units of quota that were forfeited (rule Q4).
    pub forfeited: u64,
    /// What relying parties must remove, as a root cannot revoke itself (rule C7).
    pub trust_anchors: Vec<TrustAnchor>,
    /// CAs that were uploaded: the uploader's own copy of the key survives (rule C7).
    pub surviving_keys: Vec<CaId>,
}

/// A CA that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedCa {
    /// The CA.
    pub ca: CaId,
    /// Which of its generations ended.
    pub generation: u32,
    /// How many unexpired certificates ended with it that had not been revoked before.
    pub certificates: u64,
    /// Why.
    pub reason: RevocationReason,
    /// The key that is destroyed next.
    pub key: KeyId,
    /// Whether a last CRL is signed before.
    pub last_crl: bool,
}

/// The certificate of a root, as relying parties know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    /// The root.
    pub ca: CaId,
    /// Its certificate.
    pub certificate: CertificateId,
    /// SHA-256 of it.
    pub fingerprint: Digest,
}

/// What the two commands ask for.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    pub(super) ending: Ending,
    pub(super) ca: &'a CaId,
    pub(super) confirm: Digest,
    pub(super) cascade: bool,
    pub(super) reason: Option<RevocationReason>,
    pub(super) without_last_crl: bool,
}

impl Request<'_> {
    /// Applies the rules.
    pub(super) fn decide(&self, desk: &Desk<'_>, now: Timestamp) -> Result<Plan, Halt> {
        let mut objections = Objections::new();
        founded(desk, &mut objections)?;
        desk.policy()?;
        let survey = Survey::take(self.ending, desk, self.ca, now, &mut objections)?;
        let reason = self.reason.unwrap_or(RevocationReason::CessationOfOperation);
        check_reason(reason, &mut objections);
        if let Some(survey) = &survey {
            self.check_cascade(survey, &mut objections);
            self.check_confirmation(survey, &mut objections);
        }
        objections.verdict()?;
        match survey {
            Some(survey) => survey.plan(desk, now, reason, !self.without_last_crl),
            None => Ok(Plan::new()),
        }
    }

    fn check_cascade(&self, survey: &Survey<'_>, objections: &mut Objections) {
        if self.cascade {
            return;
        }
        let below: Vec<_> = survey.below().map(|fate| fate.id.to_string()).collect();
        objections.require(below.is_empty(), || {
            BrokenRule::new(
                C8,
                "cascade-needed",
                format!(
                    "{} intermediates of {} have certificates in use ({}): end them first, or ask for a cascade",
                    below.len(),
                    self.ca,
                    below.join(", ")
                ),
            )
        });
        let certificates = survey.certificates();
        objections.require(self.ending != Ending::Revoke || certificates == 0, || {
            BrokenRule::new(
                C9,
                "certificates-exist",
                format!(
                    "{certificates} certificates under {} are neither revoked nor expired: revoke them, or ask for a cascade",
                    self.ca
                ),
            )
        });
    }

    fn check_confirmation(&self, survey: &Survey<'_>, objections: &mut Objections) {
        objections.require(self.confirm == survey.digest, || {
            BrokenRule::new(
                C8,
                "stale-preview",
                format!(
                    "the digest is not that of a preview of {} as things stand now ({} certificates, {} CAs): disable {} first, so that nothing is issued meanwhile, then preview again and confirm what that shows",
                    self.ending.command(),
                    survey.certificates(),
                    survey.fates.len(),
                    self.ca
                ),
            )
        });
    }
}

fn check_reason(reason: RevocationReason, objections: &mut Objections) {
    use RevocationReason as R;
    let instead = match reason {
        R::CaCompromise => "give keyCompromise, which becomes cACompromise where the CA's own certificate is revoked",
        R::CertificateHold | R::RemoveFromCrl => "the end of a CA is final",
        R::AaCompromise => "it is for attribute authorities",
        _ => return,
    };
    objections.add(BrokenRule::new(
        A2,
        "reason-impossible",
        format!("certificates of a CA that ends cannot be revoked with {reason}: {instead}"),
    ));
}

/// Everything that would come to its end, counted.
#[derive(Debug)]
pub(super) struct Survey<'w> {
    ending: Ending,
    pub(super) fates: Vec<Fate<'w>>,
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
    pub(super) quota: &'w Quota,
    /// Unexpired certificates that are not revoked.
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
        let (mut fates, mut stranded) = (Vec::new(), Vec::new());
        for below in ca.intermediates() {
            let intermediate = desk.ca(below)?;
            if let Some(generation) = intermediate.generation().filter(|_| is_live(intermediate.state())) {
                fates.push(Fate::foresee(desk, below, intermediate, generation, now)?);
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
        Ok(Some(Self { ending, fates, stranded, digest }))
    }

    /// How many unexpired, unrevoked certificates would end: those of holders, and those of intermediates.
    pub(super) fn certificates(&self) -> u64 {
        let intermediates = u64::try_from(self.below().count()).unwrap_or(u64::MAX);
        self.fates.iter().map(|fate| fate.certificates).sum::<u64>().saturating_add(intermediates)
    }

    /// The intermediates that would end with their root.
    pub(super) fn below(&self) -> impl Iterator<Item = &Fate<'w>> {
        self.fates.iter().rev().skip(1).rev()
    }

    fn plan(&self, desk: &Desk<'_>, now: Timestamp, reason: RevocationReason, last_crl: bool) -> Result<Plan, Halt> {
        let mut plan = Plan::new();
        for fate in &self.fates {
            if let Some(revoked) = fate.own_certificate(desk, now, reason)? {
                plan = plan.and(revoked);
            }
            desk.key(&fate.generation.key)?;
            let end = fate.end(reason, last_crl);
            plan = match self.ending {
                Ending::Reset => plan.and(CaReset { end }),
                Ending::Revoke => plan.and(CaRevoked { end }),
            };
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
            plan = plan.and_probe(fate.generation.key.clone(), public_key(fate.generation, &fate.id)?);
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
        let mut fate = Self { id: id.clone(), ca, generation, quota, certificates: 0, holders: BTreeSet::new() };
        if !ca.is_root() {
            let living = desk.roll(id)?.entries.iter().filter(|entry| {
                entry.generation == generation.number
                    && now.floor_to_second() <= entry.not_after
                    && !is_revoked(crl, entry)
            });
            for entry in living {
                fate.certificates = fate.certificates.saturating_add(1);
                fate.holders.extend(entry.holder.as_deref());
            }
        }
        Ok(fate)
    }

    /// That an intermediate's own certificate is revoked by its root; nothing for a root, which cannot, nor where the
    /// certificate has expired or been revoked already.
    fn own_certificate(
        &self,
        desk: &Desk<'_>,
        now: Timestamp,
        reason: RevocationReason,
    ) -> Result<Option<CertificateRevoked>, Halt> {
        let Some(root) = self.ca.root() else { return Ok(None) };
        let id = self.generation.id;
        let revocation = desk.certificate(&id)?.revocation();
        let is_final = revocation.is_some_and(|revocation| revocation.reason != RevocationReason::CertificateHold);
        if is_final || self.generation.has_expired(now) {
            return Ok(None);
        }
        desk.ca(root)?;
        desk.crl(id.issuer())?;
        let compromised = reason == RevocationReason::KeyCompromise;
        if compromised {
            desk.spki(&self.generation.spki)?;
        }
        Ok(Some(CertificateRevoked {
            id,
            ca: root.clone(),
            reason: if compromised { RevocationReason::CaCompromise } else { reason },
            invalidity_date: None,
            not_after: self.generation.not_after,
            compromised_spki: compromised.then_some(self.generation.spki),
        }))
    }

    fn end(&self, reason: RevocationReason, last_crl: bool) -> GenerationEnd {
        GenerationEnd {
            ca: self.id.clone(),
            generation: self.generation.number,
            subject_hash: self.generation.subject_hash,
            reason,
            cutoff: self.quota.revision().get(),
            count: self.certificates,
            key: self.generation.key.clone(),
            last_crl,
            certificate: self.generation.id,
            fingerprint: Digest::of(self.generation.certificate.as_bytes()),
            root: self.ca.is_root(),
            uploaded: self.generation.is_uploaded(),
        }
    }
}

/// Rebuilds the answer from the events of either command.
pub(super) fn answer(ending: Ending, events: &[Event]) -> Option<EndingAnswer> {
    let ends: Vec<&GenerationEnd> = events
        .iter()
        .filter_map(|event| match (ending, event) {
            (Ending::Reset, Event::CaReset(reset)) => Some(&reset.end),
            (Ending::Revoke, Event::CaRevoked(revoked)) => Some(&revoked.end),
            _ => None,
        })
        .collect();
    let forfeited = events.iter().filter_map(|event| match event {
        Event::QuotaForfeited(forfeited) => Some(forfeited.lots.iter().map(|lot| lot.units).sum::<u64>()),
        _ => None,
    });
    Some(EndingAnswer {
        ca: ends.last()?.ca.clone(),
        ending,
        forfeited: forfeited.sum(),
        trust_anchors: ends
            .iter()
            .filter(|end| end.root)
            .map(|end| TrustAnchor { ca: end.ca.clone(), certificate: end.certificate, fingerprint: end.fingerprint })
            .collect(),
        surviving_keys: ends.iter().filter(|end| end.uploaded).map(|end| end.ca.clone()).collect(),
        ended: ends
            .into_iter()
            .map(|end| EndedCa {
                ca: end.ca.clone(),
                generation: end.generation,
                certificates: end.count,
                reason: end.reason,
                key: end.key.clone(),
                last_crl: end.last_crl,
            })
            .collect(),
    })
}

/// Units that are stranded: all that can be used. Units of an order whose refund is requested wait for its outcome.
pub(super) fn forfeit(quota: &Quota, now: Timestamp) -> Vec<LotUnits> {
    let usable = quota.take(now, quota.available(now)).unwrap_or_default();
    usable.into_iter().map(|Lot { id, units, .. }| LotUnits { lot: id, units }).collect()
}

/// The public key of a generation's certificate.
pub(crate) fn public_key(generation: &Generation, id: &CaId) -> Result<crate::keys::PublicKey, Halt> {
    let key = generation.parsed.as_ref().and_then(|parsed| parsed.public_key().ok());
    key.cloned().ok_or_else(|| unreadable(id))
}

/// The refusal for a CA certificate in the log that cannot be read, which nothing that was enabled can be.
pub(crate) fn unreadable(id: &CaId) -> Halt {
    let broken = BrokenRule::new(A3, "certificate-unreadable", format!("the certificate of {id} cannot be read"));
    Halt::Refused(broken.into())
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
