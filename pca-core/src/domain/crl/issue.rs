//! What every CRL is made of: the same list, by every key that signs it.

use std::collections::BTreeMap;

use crate::domain::ca::{Ca, Generation, rules};
use crate::domain::decision::{Desk, Halt, Plan};
use crate::domain::event::{CrlPartition, CrlPublished, DeltaBase, Der};
use crate::domain::{CaId, Roll};
use crate::keys::PublicKey;
use crate::log::{Digest, Timestamp};
use crate::x509::{self, Issuer};

use super::list::{self, Listing};
use super::{Crl, CrlScope};

/// A key that signs a CRL, with the name and key identifier of its certificate.
pub(super) struct Signer<'w> {
    pub(super) generation: &'w Generation,
    issuer: Issuer,
    public_key: PublicKey,
}

impl<'w> Signer<'w> {
    pub(super) fn of(ca: &CaId, generation: &'w Generation) -> Result<Self, Halt> {
        let issuer = generation.parsed.as_ref().and_then(|parsed| parsed.as_issuer().ok());
        let issuer = issuer.ok_or_else(|| rules::unreadable(ca))?;
        Ok(Self { generation, issuer, public_key: rules::public_key(generation, ca)? })
    }

    /// Every key of a CA that is alive, the one that issues first (rule A3).
    pub(super) fn all(id: &CaId, ca: &'w Ca) -> Result<Vec<Self>, Halt> {
        Self::each_key(id, ca.signing_generations())
    }

    /// Each key once: generations may share one (a renewal with the same key), and then one CRL is for all of them. Only those
    /// of one name, that of the first.
    pub(super) fn each_key(id: &CaId, generations: impl Iterator<Item = &'w Generation>) -> Result<Vec<Self>, Halt> {
        let mut signers: Vec<Self> = Vec::with_capacity(1);
        for generation in generations {
            let is_new = signers.iter().all(|known| known.generation.spki != generation.spki);
            let same_name =
                signers.first().is_none_or(|first| first.generation.subject_hash == generation.subject_hash);
            if is_new && same_name {
                signers.push(Self::of(id, generation)?);
            }
        }
        Ok(signers)
    }

    /// Whether exactly these keys have signed a CRL.
    pub(super) fn have_signed(signers: &[Self], ca: &CaId, by: &[CrlPublished]) -> bool {
        let is_of = |signer: &Self, published: &CrlPublished| {
            published.ca == *ca && published.generation == signer.generation.number
        };
        signers.len() == by.len() && signers.iter().all(|signer| by.iter().any(|published| is_of(signer, published)))
    }
}

/// What a CRL says of itself, whoever signs it.
pub(super) struct Issuing {
    pub(super) this_update: Timestamp,
    pub(super) next_update: Timestamp,
    pub(super) partition: Option<CrlPartition>,
    pub(super) freshest: Option<String>,
    pub(super) base: Option<DeltaBase>,
    pub(super) expired_before: Option<Timestamp>,
}

/// What is revoked under a CA's name.
pub(super) struct Issue<'w> {
    ca: &'w CaId,
    crl: &'w Crl,
    rolls: BTreeMap<CaId, &'w Roll>,
}

impl<'w> Issue<'w> {
    /// Looks up all that a CRL by these keys, which share a name, is made of.
    pub(super) fn prepare(desk: &Desk<'w>, ca: &'w CaId, signers: &[Signer<'w>]) -> Result<Self, Halt> {
        let first = signers.first().ok_or_else(|| rules::unreadable(ca))?;
        let crl = desk.crl(first.generation.subject_hash)?;
        let mut rolls = BTreeMap::new();
        for ended in list::rolls_needed(crl) {
            rolls.insert(ended.end.ca.clone(), desk.ended_roll(ended)?);
        }
        Ok(Self { ca, crl, rolls })
    }

    pub(super) const fn crl(&self) -> &'w Crl {
        self.crl
    }

    /// Signs the newest CRL of a scope once more, where it still says everything, in the same way, by the same keys, and less
    /// than half of its time has passed.
    pub(super) fn standing(
        &self,
        scope: CrlScope,
        issuing: &Issuing,
        signers: &[Signer<'w>],
        now: Timestamp,
    ) -> Result<Option<Plan>, Halt> {
        let Some(issued) = self.crl.issued(scope) else { return Ok(None) };
        let Some(first) = issued.by().first() else { return Ok(None) };
        let half = (first.next_update.secs() - first.this_update.secs()) / 2;
        let same = first.partition == issuing.partition
            && first.freshest == issuing.freshest
            && first.delta == issuing.base
            && Signer::have_signed(signers, self.ca, issued.by());
        if !same || self.crl.has_changed_in(scope) || now >= first.this_update.plus_secs(half) {
            return Ok(None);
        }
        let listing = self.listing(first);
        let mut plan = Plan::new();
        for signer in signers {
            let by = issued.by().iter().find(|published| published.generation == signer.generation.number);
            let Some(published) = by else { return Ok(None) };
            let tbs = listing.write(&signer.issuer, published);
            // Whatever the reason, octets that the log does not name are not signed under an old number.
            if Digest::of(&tbs) != published.digest {
                return Ok(None);
            }
            let (key, public_key) = (signer.generation.key.clone(), signer.public_key.clone());
            plan = plan.and_standing(published.clone(), issued.at(), key, public_key, tbs);
        }
        Ok(Some(plan))
    }

    /// The next CRL of the name, by each key; the signature of a last one is kept.
    pub(super) fn next(&self, issuing: &Issuing, signers: &[Signer<'w>], last: bool) -> Result<Plan, Halt> {
        let first = signers.first().ok_or_else(|| rules::unreadable(self.ca))?;
        let mut published = CrlPublished {
            ca: self.ca.clone(),
            generation: first.generation.number,
            subject_hash: first.generation.subject_hash,
            number: x509::Crl::next_number(Some(self.crl.last_number()), issuing.this_update),
            this_update: issuing.this_update,
            next_update: issuing.next_update,
            entries: 0,
            expired_before: issuing.expired_before,
            covers: self.crl.moved(),
            digest: Digest::ZERO,
            last: last.then(|| Der::from(Vec::new())),
            delta: issuing.base.clone(),
            partition: issuing.partition.clone(),
            freshest: issuing.freshest.clone(),
        };
        let listing = self.listing(&published);
        published.entries = listing.count();
        let mut plan = Plan::new();
        for signer in signers {
            let tbs = listing.write(&signer.issuer, &published);
            published.generation = signer.generation.number;
            published.digest = Digest::of(&tbs);
            plan = plan.and_signed(published.clone(), signer.generation.key.clone(), signer.public_key.clone(), tbs);
        }
        Ok(plan)
    }

    fn listing(&self, published: &CrlPublished) -> Listing<'w> {
        Listing::of(self.crl, |ca| self.rolls.get(ca).copied(), published)
    }
}
