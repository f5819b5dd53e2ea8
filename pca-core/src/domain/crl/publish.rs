//! `PublishCrl`: a full CRL of a CA's name.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::ca::rules::{A3, is_live, known, thawed};
use crate::domain::ca::{Generation, rules};
use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{CrlPublished, Event};
use crate::domain::policy::Policy;
use crate::domain::refusal::BrokenRule;
use crate::domain::{CaId, Roll, Scope, founded};
use crate::log::{Digest, Timestamp};
use crate::x509::{self, Issuer, plus_days};

use super::{Crl, list};

/// Signs a full CRL of an enabled or disabled CA (rule A3).
///
/// While nothing was revoked since the newest CRL, and less than half of its time has passed, that same CRL is signed once
/// more and no event is written: the plan has no events, the answer comes from [`Plan::standing`], and the receipt is that of
/// the commit that published it. Otherwise a new CRL gets a new number. Either way the CRL is what is to be signed,
/// [assembled](x509::assemble) with the signature; [`publish_crl`](crate::service::Pca::publish_crl) hands it out.
#[derive(Clone, Debug, Serialize)]
pub struct PublishCrl {
    /// The CA.
    pub ca: CaId,
}

/// What [`PublishCrl`] and [`PublishLastCrl`](super::PublishLastCrl) answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedCrl {
    /// The CA.
    pub ca: CaId,
    /// The generation whose key signed.
    pub generation: u32,
    /// The CRL number.
    pub number: u64,
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`.
    pub next_update: Timestamp,
    /// How many entries.
    pub entries: u64,
    /// SHA-256 of what was signed.
    pub digest: Digest,
    /// Whether no further one of this generation comes.
    pub last: bool,
}

impl Command for PublishCrl {
    type Answer = PublishedCrl;

    const NAME: &'static str = "PublishCrl";

    const WHATEVER_THE_CLOCK: bool = true;

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let policy = desk.policy()?;
        let ca = desk.ca(&self.ca)?;
        known(ca, &self.ca, &mut objections);
        thawed(ca, &self.ca, &mut objections);
        let generation = ca.generation().filter(|generation| is_live(ca.state()) && !generation.is_external());
        if ca.bought().is_some() && generation.is_none() {
            let last = ca.ended().iter().rev().find_map(|ended| ended.published.as_ref());
            let last = last.map_or_else(String::new, |crl| format!("; its last CRL has the number {}", crl.number));
            objections.add(BrokenRule::new(
                A3,
                "no-key-to-sign",
                format!("{} is {} and has no key that signs{last}", self.ca, ca.state().in_words()),
            ));
        }
        objections.verdict()?;
        let Some(generation) = generation else { return Err(rules::unreadable(&self.ca)) };
        let issue = Issue::prepare(desk, &self.ca, generation)?;
        let public_key = rules::public_key(generation, &self.ca)?;
        if let Some((standing, tbs)) = issue.standing(context.time) {
            let position = issue.crl.published_at();
            return Ok(Plan::new().and_standing(standing, position, generation.key.clone(), public_key, tbs));
        }
        let this_update = context.time.floor_to_second();
        let next_update = next_update(policy, ca.is_root(), this_update);
        let (published, tbs) = issue.next(this_update, next_update);
        Ok(Plan::new().and_signed(published, generation.key.clone(), public_key, tbs))
    }

    fn answer(events: &[Event]) -> Option<PublishedCrl> {
        answer(events)
    }
}

/// Rebuilds the answer.
pub(super) fn answer(events: &[Event]) -> Option<PublishedCrl> {
    events.iter().find_map(|event| match event {
        Event::CrlPublished(published) => Some(PublishedCrl {
            ca: published.ca.clone(),
            generation: published.generation,
            number: published.number,
            this_update: published.this_update,
            next_update: published.next_update,
            entries: published.entries,
            digest: published.digest,
            last: published.last.is_some(),
        }),
        _ => None,
    })
}

/// When the next CRL is there at the latest (rule A3).
fn next_update(policy: &Policy, root: bool, this_update: Timestamp) -> Timestamp {
    let days = if root { policy.root_crl_validity_days } else { policy.crl_validity_days };
    plus_days(this_update, days).unwrap_or(x509::Crl::NO_NEXT_UPDATE)
}

/// Everything that a CRL of one generation is made of.
pub(super) struct Issue<'w> {
    ca: &'w CaId,
    generation: &'w Generation,
    issuer: Issuer,
    crl: &'w Crl,
    rolls: BTreeMap<CaId, &'w Roll>,
}

impl<'w> Issue<'w> {
    pub(super) fn prepare(desk: &Desk<'w>, ca: &'w CaId, generation: &'w Generation) -> Result<Self, Halt> {
        let issuer = generation.parsed.as_ref().and_then(|parsed| parsed.as_issuer().ok());
        let issuer = issuer.ok_or_else(|| rules::unreadable(ca))?;
        let crl = desk.crl(generation.subject_hash)?;
        let mut rolls = BTreeMap::new();
        for ended in list::rolls_needed(crl) {
            rolls.insert(ended.end.ca.clone(), desk.ended_roll(ended)?);
        }
        Ok(Self { ca, generation, issuer, crl, rolls })
    }

    /// The newest CRL, where it still says everything and less than half of its time has passed.
    fn standing(&self, now: Timestamp) -> Option<(CrlPublished, Vec<u8>)> {
        let published = self.crl.published()?;
        let half = (published.next_update.secs() - published.this_update.secs()) / 2;
        let same_key = published.ca == *self.ca && published.generation == self.generation.number;
        if !same_key || self.crl.has_changed() || now >= published.this_update.plus_secs(half) {
            return None;
        }
        let tbs = list::to_be_signed(&self.issuer, self.crl, |ca| self.rolls.get(ca).copied(), published);
        // Whatever the reason, octets that the log does not name are not signed under an old number.
        (Digest::of(&tbs) == published.digest).then(|| (published.clone(), tbs))
    }

    /// The next CRL of the name.
    pub(super) fn next(&self, this_update: Timestamp, next_update: Timestamp) -> (CrlPublished, Vec<u8>) {
        let before = self.crl.published();
        let mut published = CrlPublished {
            ca: self.ca.clone(),
            generation: self.generation.number,
            subject_hash: self.generation.subject_hash,
            number: x509::Crl::next_number(Some(self.crl.last_number()), this_update),
            this_update,
            next_update,
            entries: 0,
            // What had ended by the time of the CRL before this one stood on that one after its end.
            expired_before: before.map(|before| before.this_update),
            covers: self.crl.moved(),
            digest: Digest::ZERO,
            last: None,
        };
        let entries = list::entries(self.crl, |ca| self.rolls.get(ca).copied(), published.expired_before);
        let tbs = list::write(&self.issuer, &entries, &published);
        published.entries = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        published.digest = Digest::of(&tbs);
        (published, tbs)
    }
}
