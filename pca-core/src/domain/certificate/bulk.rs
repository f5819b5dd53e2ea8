//! `IssueAtomically`: several certificates, all or none (rule I8).

use std::collections::HashSet;

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Need, Plan};
use crate::domain::event::Event;
use crate::domain::refusal::{BrokenRule, Objections, Refusal, Rule};
use crate::domain::{CaId, Scope};
use crate::keys::KeyUse;

use super::issue::{Draft, unspent};
use super::key_source::PlannedKey;
use super::{IssueCertificate, Issued};

const I8: Rule = Rule::new("I8");

/// Asks one intermediate for several certificates at once: all are issued in one commit, or none (at most
/// `policy.max_atomic`, and what the store can commit at once).
///
/// A refusal tells every broken rule of every request, each with the number of its request, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IssueAtomically {
    /// The requests; all of the same intermediate.
    pub requests: Vec<IssueCertificate>,
}

impl Command for IssueAtomically {
    /// In the order of the requests.
    type Answer = Vec<Issued>;

    const NAME: &'static str = "IssueAtomically";

    fn scope(&self) -> Scope<'_> {
        self.requests.first().map_or(Scope::Enterprise, IssueCertificate::scope)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let ca = self.check_extent(desk)?;
        // What all have in common is loaded first, so that it is not asked for by each.
        if let Some(root) = desk.ca(ca)?.root() {
            desk.ca(root)?;
            desk.quota(ca)?;
        }
        let drafts = self.draft_all(desk, context)?;
        complete_all(drafts, desk, context)
    }

    fn answer(events: &[Event]) -> Option<Vec<Issued>> {
        let issued: Vec<Issued> = events.iter().filter_map(Issued::of).collect();
        (!issued.is_empty()).then_some(issued)
    }
}

impl IssueAtomically {
    /// Refuses what is too much before any work is done (rule G4), and tells whose certificates they are.
    fn check_extent(&self, desk: &Desk<'_>) -> Result<&CaId, Halt> {
        let (asked, most) = (self.requests.len(), desk.policy()?.max_atomic);
        let Some(first) = self.requests.first() else {
            let text = "no certificate is asked for; an all-or-nothing bulk has at least one request";
            return Err(Halt::Refused(BrokenRule::new(I8, "bulk-empty", text).into()));
        };
        let mut objections = Objections::new();
        objections.require(usize::try_from(most).is_ok_and(|most| asked <= most), || {
            let text = format!("{asked} certificates are asked for, all or none; the policy allows {most} at once");
            BrokenRule::new(I8, "bulk-too-large", text)
        });
        if let Some((number, other)) = (1_u64..).zip(&self.requests).find(|(_, request)| request.ca != first.ca) {
            let text = format!(
                "request {number} is for {}, the first one for {}; an all-or-nothing bulk is for one intermediate",
                other.ca, first.ca
            );
            objections.add(BrokenRule::new(I8, "bulk-of-several-cas", text));
        }
        objections.verdict()?;
        Ok(&first.ca)
    }

    /// Decides each request on what the ones before it leave; gathers all that is missing, and all broken rules.
    fn draft_all<'a>(&'a self, desk: &Desk<'a>, context: &Context) -> Result<Vec<Draft<'a>>, Halt> {
        let mut drafts = Vec::with_capacity(self.requests.len());
        let (mut objections, mut needs) = (Objections::new(), Vec::new());
        for ((spent, number), request) in (0..).zip(1_u64..).zip(&self.requests) {
            match request.draft(desk, context, spent) {
                Ok(draft) => drafts.push(draft),
                Err(Halt::Needs(need)) => needs.push(need),
                Err(Halt::Refused(refusal)) => objections.extend(numbered(number, &refusal)),
            }
        }
        gather(needs)?;
        objections.verdict()?;
        claim_keys_once(&mut drafts);
        Ok(drafts)
    }
}

/// Asks for all keys at once, then completes all.
fn complete_all(drafts: Vec<Draft<'_>>, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
    let mut objections = Objections::new();
    for ((ordinal, number), draft) in (0..).zip(1_u64..).zip(&drafts) {
        let unspent = matches!(draft.key, PlannedKey::Platform(_)).then(|| unspent(desk, context, ordinal));
        match unspent {
            Some(Err(Halt::Refused(refusal))) => objections.extend(numbered(number, &refusal)),
            Some(Err(needs)) => return Err(needs),
            Some(Ok(_)) | None => {}
        }
    }
    objections.verdict()?;
    let keys = (0..).zip(&drafts).filter_map(|(ordinal, draft)| match draft.key {
        PlannedKey::Platform(algorithm) => Some(desk.generated(ordinal, algorithm, KeyUse::Holder)),
        PlannedKey::Holder { .. } => None,
    });
    let needs = keys.filter_map(|key| match key {
        Err(Halt::Needs(need)) => Some(need),
        _ => None,
    });
    gather(needs.collect())?;
    (0..).zip(drafts).try_fold(Plan::new(), |plan, (ordinal, draft)| draft.complete(plan, desk, context, ordinal))
}

fn gather(mut needs: Vec<Need>) -> Result<(), Halt> {
    match needs.pop() {
        None => Ok(()),
        Some(only) if needs.is_empty() => Err(Halt::Needs(only)),
        Some(last) => {
            needs.push(last);
            Err(Halt::Needs(Need::All(needs)))
        }
    }
}

/// Of several certificates for a new key, the first one claims it (rule K2).
fn claim_keys_once(drafts: &mut [Draft<'_>]) {
    let mut claimed = HashSet::new();
    for draft in drafts {
        if let PlannedKey::Holder { spki, first, .. } = &mut draft.key {
            *first &= claimed.insert(*spki);
        }
    }
}

fn numbered(number: u64, refusal: &Refusal) -> impl Iterator<Item = BrokenRule> {
    refusal.broken().iter().map(move |broken| {
        BrokenRule::new(broken.rule(), broken.code(), format!("request {number}: {}", broken.message()))
    })
}
