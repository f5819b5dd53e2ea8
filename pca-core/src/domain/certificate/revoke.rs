//! `RevokeCertificate`: revokes a holder's certificate, puts it on hold, or raises the reason (rule A2).

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{CertificateRevoked, Event};
use crate::domain::refusal::{BrokenRule, Rule};
use crate::domain::{CaId, Scope, founded};
use crate::log::Timestamp;
use crate::x509::{CertificateId, RevocationReason};

use super::find::{Found, find, settle};
use super::status::{Status, final_revocation};

const A2: Rule = Rule::new("A2");

/// Revokes a holder's certificate for good or, with `certificateHold`, until that is lifted or made final.
///
/// Who is revoked twice is refused, with two exceptions: a hold is made final with another reason, and any other reason
/// is raised once to `keyCompromise`. So is the end that a certificate shared with its CA (rule C7): that its own key is
/// compromised is told here, so that the key is not certified again (rule K2). A certificate that has expired or was
/// removed from the list can still be revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevokeCertificate {
    /// The certificate.
    pub id: CertificateId,
    /// Why.
    pub reason: RevocationReason,
    /// When it is known or suspected that the key was compromised, or the certificate ceased to be valid; not in the
    /// future. The revocation itself is dated by the commit.
    pub invalidity_date: Option<Timestamp>,
}

/// What [`RevokeCertificate`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The certificate.
    pub id: CertificateId,
    /// The CA that issued it.
    pub ca: CaId,
    /// Why; `certificateHold` is no end yet.
    pub reason: RevocationReason,
}

impl Revoked {
    /// The certificate's status from now on: `revoked` or `on-hold`.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self.reason {
            RevocationReason::CertificateHold => "on-hold",
            _ => "revoked",
        }
    }
}

impl RevokeCertificate {
    /// Why the reason cannot be given at all to a holder's certificate.
    fn unfit_reason(&self) -> Option<BrokenRule> {
        let (code, text) = match self.reason {
            RevocationReason::CaCompromise => (
                "reason-for-cas-only",
                "cACompromise is a reason for certificates of CAs only; keyCompromise is the one for holders",
            ),
            RevocationReason::RemoveFromCrl => (
                "reason-for-deltas-only",
                "removeFromCRL stands only in delta CRLs, for released holds; release the hold instead",
            ),
            _ => return None,
        };
        Some(BrokenRule::new(A2, code, text))
    }

    /// Why it cannot be revoked again.
    fn twice(&self, found: &Found<'_>) -> Option<BrokenRule> {
        let id = self.id;
        let held = found.certificate.revocation().filter(|own| own.reason == RevocationReason::CertificateHold);
        match (found.status, self.reason) {
            // An expired certificate may be on hold.
            (Status::OnHold { .. } | Status::Expired { .. }, RevocationReason::CertificateHold) => {
                let since = held?.at;
                let text =
                    format!("{id} is on hold since {since}; release the hold, or make it final with another reason");
                Some(BrokenRule::new(A2, "already-on-hold", text))
            }
            (Status::Revoked { reason, .. }, RevocationReason::KeyCompromise) if can_be_raised(found, reason) => None,
            (Status::Revoked { reason, .. }, _) => {
                let left = if can_be_raised(found, reason) { "only keyCompromise can" } else { "nothing else can" };
                let text = format!("{id} is {}; {left} still be told", found.status);
                Some(BrokenRule::new(A2, "already-revoked", text))
            }
            _ => None,
        }
    }
}

/// Whether `keyCompromise` is news: not after it was told already.
fn can_be_raised(found: &Found<'_>, reason: RevocationReason) -> bool {
    match final_revocation(found.certificate) {
        Some(_) => reason != RevocationReason::KeyCompromise,
        None => true,
    }
}

impl Command for RevokeCertificate {
    type Answer = Revoked;

    const NAME: &'static str = "RevokeCertificate";

    const WHATEVER_THE_CLOCK: bool = true;

    fn scope(&self) -> Scope<'_> {
        Scope::Certificate(&self.id)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let now = context.time;
        if let Some(by) = desk.certificate(&self.id)?.authority().and_then(|authority| authority.by.clone()) {
            return self.decide_cross(by, desk, now, objections);
        }
        let of_ca = (A2, "its end is that of its CA; revoke or reset the CA");
        let found = find(self.id, A2, of_ca, now, desk, &mut objections)?;
        objections.extend(self.unfit_reason());
        objections.extend(found.as_ref().and_then(|found| self.twice(found)));
        if let Some(date) = self.invalidity_date.filter(|date| *date > now) {
            let text = format!("the invalidity date {date} lies in the future; it is {now}");
            objections.add(BrokenRule::new(A2, "invalidity-date-in-future", text));
        }
        let found = settle(objections, found)?;
        desk.crl(self.id.issuer())?;
        let compromised_spki = (self.reason == RevocationReason::KeyCompromise).then_some(found.issued.spki);
        if let Some(spki) = &compromised_spki {
            desk.spki(spki)?;
        }
        Ok(Plan::new().and(CertificateRevoked {
            id: self.id,
            ca: found.issued.ca.clone(),
            reason: self.reason,
            invalidity_date: self.invalidity_date,
            not_after: found.issued.not_after,
            compromised_spki,
            partition: found.issued.partition,
        }))
    }

    fn answer(events: &[Event]) -> Option<Revoked> {
        events.iter().find_map(|event| match event {
            Event::CertificateRevoked(revoked) => {
                Some(Revoked { id: revoked.id, ca: revoked.ca.clone(), reason: revoked.reason })
            }
            _ => None,
        })
    }
}
