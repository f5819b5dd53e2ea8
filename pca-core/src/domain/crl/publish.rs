//! `PublishCrl`: a CRL of a CA's name, full or a delta, of all certificates or of a partition (rule A3).

use serde::Serialize;

use crate::domain::ca::Ca;
use crate::domain::ca::rules::{A3, is_live, known, thawed};
use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{CrlPublished, DeltaBase, Event};
use crate::domain::policy::Policy;
use crate::domain::refusal::{BrokenRule, Objections};
use crate::domain::{CaId, Scope, founded};
use crate::log::{Digest, Timestamp};
use crate::x509::{self, plus_days};

use super::issue::{Issue, Issuing, Signer};
use super::{Crl, CrlScope, partition};

/// Signs a CRL of an enabled or disabled CA (rule A3): by every key of it that is alive, all with the same number, times and
/// entries.
///
/// While nothing was revoked since the newest one of its kind, and less than half of its time has passed, that same CRL is
/// signed once more and no event is written: the plan has no events, the answer comes from [`Plan::standing`], and the receipt
/// is that of the commit that published it. Otherwise a new CRL gets a new number. Either way the CRL is what is to be signed,
/// [assembled](x509::assemble) with the signature; [`publish_crls`](crate::service::Pca::publish_crls) hands it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublishCrl {
    /// The CA.
    pub ca: CaId,
    /// Whether only what has changed since the newest full one is told (RFC 5280 section 5.2.4).
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub delta: bool,
    /// The partition that it is about, from 0; absent for all certificates of the CA's name (RFC 5280 section 5.2.5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
}

impl PublishCrl {
    /// The full CRL of a CA's name.
    #[must_use]
    pub const fn full(ca: CaId) -> Self {
        Self { ca, delta: false, partition: None }
    }
}

/// What [`PublishCrl`] and [`PublishLastCrl`](super::PublishLastCrl) answer: of several keys that signed, what the one that
/// issues did.
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
    /// The number of the full CRL that it is the difference to, if it is a delta.
    pub base: Option<u64>,
    /// The partition that it is about, if it is not about all certificates of the name.
    pub partition: Option<u16>,
}

impl PublishedCrl {
    /// What an event tells; nothing if it is another event.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let Event::CrlPublished(published) = event else { return None };
        Some(Self {
            ca: published.ca.clone(),
            generation: published.generation,
            number: published.number,
            this_update: published.this_update,
            next_update: published.next_update,
            entries: published.entries,
            digest: published.digest,
            last: published.last.is_some(),
            base: published.delta.as_ref().map(|base| base.number),
            partition: published.partition.as_ref().map(|partition| partition.index),
        })
    }
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
        let is_live = is_live(ca.state()) && ca.signing_generations().next().is_some();
        if ca.bought().is_some() && !is_live {
            objections.add(self.no_key(ca));
        }
        let index = self.index(ca, desk, &mut objections)?;
        let signers = if is_live { Signer::all(&self.ca, ca)? } else { Vec::new() };
        let scope = CrlScope { partition: index, delta: self.delta };
        let crl = signers.first().map(|signer| desk.crl(signer.generation.subject_hash)).transpose()?;
        let base = match crl {
            Some(crl) if self.delta => self.base(crl, scope, &signers, context.time, &mut objections),
            _ => None,
        };
        objections.verdict()?;

        let this_update = context.time.floor_to_second();
        let issuing = Issuing {
            this_update,
            next_update: self.next_update(policy, ca.is_root(), this_update),
            partition: index.map(|index| partition::partition(ca.crl_urls(), index)),
            freshest: partition::freshest(policy, ca.addresses(), index).filter(|_| !self.delta),
            base: base.map(|base| DeltaBase { number: base.number, covers: base.covers }),
            expired_before: match (base, crl.and_then(|crl| crl.issued(scope)?.by().first())) {
                // What had ended by the time of the full one before this one stood on that one after its end.
                (Some(before), _) | (None, Some(before)) => Some(before.this_update),
                (None, None) => None,
            },
        };
        let issue = Issue::prepare(desk, &self.ca, &signers)?;
        match issue.standing(scope, &issuing, &signers, context.time)? {
            Some(plan) => Ok(plan),
            None => issue.next(&issuing, &signers, false),
        }
    }

    fn answer(events: &[Event]) -> Option<PublishedCrl> {
        events.iter().find_map(PublishedCrl::of)
    }
}

impl PublishCrl {
    fn no_key(&self, ca: &Ca) -> BrokenRule {
        let last = ca.ended().iter().rev().find_map(|ended| ended.published.as_ref());
        let last = last.map_or_else(String::new, |crl| format!("; its last CRL has the number {}", crl.number));
        let text = format!("{} is {} and has no key that signs{last}", self.ca, ca.state().in_words());
        BrokenRule::new(A3, "no-key-to-sign", text)
    }

    /// The partition, if there is or was such a one.
    fn index(&self, ca: &Ca, desk: &Desk<'_>, objections: &mut Objections) -> Result<Option<u16>, Halt> {
        let Some(index) = self.partition else { return Ok(None) };
        let most = desk.most_crl_partitions()?;
        let id = &self.ca;
        if ca.is_root() {
            let text =
                format!("{id} is a root: the certificates of intermediates are in no partition; take its full CRL");
            objections.add(BrokenRule::new(A3, "root-without-partitions", text));
        } else if ca.bought().is_some() && ca.crl_urls().is_empty() {
            let text = format!("{id} has no address for its CRL, so that its certificates are in no partition");
            objections.add(BrokenRule::new(A3, "partition-without-address", text));
        }
        let known = u16::try_from(index).ok().filter(|_| index < most);
        if known.is_none() {
            let text = match most {
                0 => "no policy so far divides CRLs (crl_partitions is 0)".to_owned(),
                _ => format!("there were never more than {most} partitions, 0 to {}", most.saturating_sub(1)),
            };
            objections.add(BrokenRule::new(A3, "unknown-partition", format!("there is no partition {index}: {text}")));
        }
        Ok(known)
    }

    /// The full CRL that a delta is the difference to: the newest, if every key that signs the delta has signed it, and it
    /// is believed (RFC 5280 section 5.2.4).
    fn base<'c>(
        &self,
        crl: &'c Crl,
        scope: CrlScope,
        signers: &[Signer<'_>],
        now: Timestamp,
        objections: &mut Objections,
    ) -> Option<&'c CrlPublished> {
        let full = crl.issued(CrlScope { delta: false, ..scope });
        let of = scope.partition.map_or_else(String::new, |index| format!(" of partition {index}"));
        let Some(base) = full.and_then(|full| full.by().first()) else {
            let text =
                format!("no full CRL{of} was published that a delta could be the difference to; publish it first");
            objections.add(BrokenRule::new(A3, "no-published-base", text));
            return None;
        };
        let is_signed = full.is_some_and(|full| Signer::have_signed(signers, &self.ca, full.by()));
        let (code, wrong) = if !is_signed || base.last.is_some() {
            ("base-of-other-keys", "was signed by other keys than those that sign now".to_owned())
        } else if base.next_update < now {
            ("base-outdated", format!("was valid until {}; it is {now}", base.next_update))
        } else {
            return Some(base);
        };
        let text = format!("the newest full CRL{of}, number {}, {wrong}; publish a full one first", base.number);
        objections.add(BrokenRule::new(A3, code, text));
        None
    }

    /// When the next one is there at the latest.
    fn next_update(&self, policy: &Policy, root: bool, this_update: Timestamp) -> Timestamp {
        if self.delta {
            return this_update.plus_secs(i64::from(policy.delta_crl_validity_hours) * 3600);
        }
        let days = if root { policy.root_crl_validity_days } else { policy.crl_validity_days };
        plus_days(this_update, days).unwrap_or(x509::Crl::NO_NEXT_UPDATE)
    }
}
