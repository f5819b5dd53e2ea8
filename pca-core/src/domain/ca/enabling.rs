//! What both ways of enabling a CA have in common (rules C1, C2, C4, C5, K2, O5, R5).

use crate::domain::decision::{Desk, Halt};
use crate::domain::event::{Der, Event};
use crate::domain::key::{KeyRole, KeyState};
use crate::domain::policy::Policy;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, stream};
use crate::keys::{Algorithm, KeyId, PublicKey};
use crate::log::{CommitId, Timestamp};
use crate::x509::{self, CertificateId, DistinguishedName, PathViolation, Planned, plus_days};

use super::rules::unreadable;
use super::rules::{C1, C2, C5, I5, O5, known, thawed, within_term};
use super::{Bought, Ca, CaState, Generation};

pub(super) const C4: Rule = Rule::new("C4");
const K2: Rule = Rule::new("K2");
const K3: Rule = Rule::new("K3");

/// What the commands that enable a CA answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnabledCa {
    /// The CA.
    pub ca: CaId,
    /// Which generation this is, from 1.
    pub generation: u32,
    /// The CA certificate's id.
    pub id: CertificateId,
    /// The CA certificate.
    pub certificate: Der,
    /// The key's algorithm; absent for an uploaded RSA key of a size that is not generated.
    pub algorithm: Option<Algorithm>,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// Codes of warnings about an upload, accepted ones first (rule C3).
    pub warnings: Vec<String>,
}

/// Rebuilds the answer.
pub(super) fn answer(events: &[Event]) -> Option<EnabledCa> {
    events.iter().find_map(|event| match event {
        Event::CaEnabled(enabled) => Some(EnabledCa {
            ca: enabled.ca.clone(),
            generation: enabled.generation,
            id: enabled.id,
            certificate: enabled.certificate.clone(),
            algorithm: enabled.algorithm,
            not_before: enabled.not_before,
            not_after: enabled.not_after,
            warnings: enabled.mode.warnings(),
        }),
        _ => None,
    })
}

/// A CA that is to be enabled, and what stands above it.
pub(super) struct Candidate<'w> {
    pub(super) ca: &'w Ca,
    /// What was bought; absent if nobody bought the CA, which is an objection.
    pub(super) bought: Option<&'w Bought>,
    /// For an intermediate: its root. Absent if that is not enabled, which is an objection.
    pub(super) root: Option<Above<'w>>,
}

/// The enabled root of an intermediate that is to be enabled.
pub(super) struct Above<'w> {
    pub(super) id: &'w CaId,
    pub(super) ca: &'w Ca,
    pub(super) generation: &'w Generation,
}

impl<'w> Candidate<'w> {
    /// Objects unless the CA is not enabled, not frozen, within its term, and its root enabled before it (rule C1).
    pub(super) fn look(desk: &Desk<'w>, id: &CaId, now: Timestamp, objections: &mut Objections) -> Result<Self, Halt> {
        let alone = Self::alone(desk, id, now, objections)?;
        let root = match alone.ca.root() {
            Some(root) => above(desk, root, id, now, objections)?,
            None => None,
        };
        Ok(Self { root, ..alone })
    }

    /// As [`look`](Self::look), whatever becomes of its root.
    pub(super) fn alone(desk: &Desk<'w>, id: &CaId, now: Timestamp, objections: &mut Objections) -> Result<Self, Halt> {
        let ca = desk.ca(id)?;
        let Some(bought) = known(ca, id, objections) else { return Ok(Self { ca, bought: None, root: None }) };
        thawed(ca, id, objections);
        within_term(bought, id, now, objections);
        objections.require(matches!(ca.state(), CaState::NotEnabled | CaState::RefundRequested), || {
            BrokenRule::new(
                C1,
                "not-to-be-enabled",
                format!("{id} is {}; only a CA that is not enabled can be enabled", ca.state().in_words()),
            )
        });
        Ok(Self { ca, bought: Some(bought), root: None })
    }

    /// Objects if the root's key is kept elsewhere: nothing is signed with it here (rule C2).
    pub(super) fn root_signs_here(&self, id: &CaId, objections: &mut Objections) {
        let elsewhere = self.root.as_ref().filter(|root| root.generation.is_external());
        objections.extend(elsewhere.map(|root| {
            let message = format!(
                "the key of {}, the root of {id}, is kept elsewhere: make a signing request for {id}, and bring the certificate back",
                root.id
            );
            BrokenRule::new(C2, "root-key-elsewhere", message)
        }));
    }

    /// A CA that is in use and shall get another certificate, with the newest that it has. Objects unless it is enabled,
    /// within its term, with a key that is here, and its root likewise (rules C1, C11, O5).
    pub(super) fn in_use(
        desk: &Desk<'w>,
        id: &CaId,
        now: Timestamp,
        rule: Rule,
        key: KeyPlace,
        objections: &mut Objections,
    ) -> Result<(Self, Option<&'w Generation>), Halt> {
        let ca = desk.ca(id)?;
        let Some(bought) = known(ca, id, objections) else { return Ok((Self { ca, bought: None, root: None }, None)) };
        thawed(ca, id, objections);
        within_term(bought, id, now, objections);
        let enabled = matches!(ca.state(), CaState::Enabled | CaState::RefundRequested);
        objections.require(enabled, || {
            let advice = if ca.state() == CaState::Disabled { "; re-enable it first" } else { "" };
            let message = format!("{id} is {}; that takes an enabled CA{advice}", ca.state().in_words());
            BrokenRule::new(rule, "not-enabled", message)
        });
        let generation = ca.generation().filter(|_| enabled);
        let is_there = key == KeyPlace::Anywhere || !generation.is_some_and(Generation::is_external);
        objections.require(is_there, || {
            let message = format!("the key of {id} is kept elsewhere: nothing can be signed with it here");
            BrokenRule::new(rule, "key-elsewhere", message)
        });
        let root = match ca.root() {
            Some(root) => above(desk, root, id, now, objections)?,
            None => None,
        };
        let candidate = Self { ca, bought: Some(bought), root };
        candidate.root_signs_here(id, objections);
        Ok((candidate, generation))
    }

    /// Until when a certificate of this CA may be valid at most: by its root, by the policy, by the service term.
    pub(super) fn limits(&self, policy: &Policy, not_before: Timestamp) -> Vec<Limit> {
        let issuer = self.root.as_ref().map(|root| Limit {
            rule: C5,
            what: format!("the certificate of its root {}", root.id),
            latest: root.generation.not_after,
        });
        let mut limits: Vec<Limit> = issuer.into_iter().chain(self.own_limits(policy, not_before)).collect();
        limits.sort_by_key(|limit| limit.latest);
        limits
    }

    /// As [`limits`](Self::limits), without the root's.
    pub(super) fn own_limits(&self, policy: &Policy, not_before: Timestamp) -> Vec<Limit> {
        let longest = policy.max_validity_days.and_then(|days| {
            let latest = plus_days(not_before, days)?.plus_secs(-1);
            Some(Limit { rule: C5, what: format!("the policy's longest validity of {days} days"), latest })
        });
        let term = self.bought.filter(|_| policy.validity_within_term).map(|bought| Limit {
            rule: O5,
            what: "the service term".into(),
            latest: bought.term_ends.floor_to_second(),
        });
        longest.into_iter().chain(term).collect()
    }
}

/// Where the key of a CA must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyPlace {
    /// In the key store: something is to be signed with it.
    Here,
    /// Wherever: only its public half matters.
    Anywhere,
}

/// The latest end of a validity, and what sets it (rule C5).
pub(super) struct Limit {
    pub(super) rule: Rule,
    pub(super) what: String,
    pub(super) latest: Timestamp,
}

impl Limit {
    /// That a validity ends too late for this limit.
    pub(super) fn broken(&self, asked: Timestamp) -> BrokenRule {
        let message = format!("the validity would end at {asked}, but {} ends at {}", self.what, self.latest);
        BrokenRule::new(self.rule, "validity-too-long", message)
    }
}

fn above<'w>(
    desk: &Desk<'w>,
    root_id: &'w CaId,
    id: &CaId,
    now: Timestamp,
    objections: &mut Objections,
) -> Result<Option<Above<'w>>, Halt> {
    let root = desk.ca(root_id)?;
    if let Some(bought) = root.bought() {
        within_term(bought, root_id, now, objections);
    }
    let generation = root.generation().filter(|_| root.state() == CaState::Enabled);
    let Some(generation) = generation else {
        objections.add(BrokenRule::new(
            C1,
            "root-not-enabled",
            format!("the root {root_id} of {id} is {}; the root is enabled first", root.state().in_words()),
        ));
        return Ok(None);
    };
    objections.require(!generation.has_expired(now), || {
        BrokenRule::new(
            C5,
            "root-expired",
            format!(
                "the certificate of the root {root_id} ended at {}: nothing can be issued below it",
                generation.not_after
            ),
        )
    });
    Ok(Some(Above { id: root_id, ca: root, generation }))
}

/// Objects if another CA has, or had, this subject name (rule C4).
pub(super) fn name_is_free(
    desk: &Desk<'_>,
    subject: &DistinguishedName,
    id: &CaId,
    objections: &mut Objections,
) -> Result<(), Halt> {
    desk.crl(subject.issuer_hash())?;
    let owner = desk.name(subject.folded_hash())?.owner();
    if let Some(owner) = owner.filter(|owner| *owner != id) {
        objections.add(BrokenRule::new(
            C4,
            "name-taken",
            format!(
                "the subject `{subject}` belongs to {owner}; no two CAs of a log share a name, and neither \
                 case nor repeated spaces tell names apart"
            ),
        ));
    }
    Ok(())
}

/// Objects if the key has, or had, another role (rule K2).
pub(super) fn key_is_free(desk: &Desk<'_>, key: &PublicKey, objections: &mut Objections) -> Result<(), Halt> {
    let (code, whose) = match desk.spki(&key.digest())? {
        KeyRole::Unused => return Ok(()),
        KeyRole::Ca(ca) => ("key-of-a-ca", format!("it is or was the key of {ca}")),
        KeyRole::Responder(id) => ("key-of-a-responder", format!("it is or was the key of the OCSP responder {id}")),
        KeyRole::EndEntity(id) => ("key-of-a-certificate", format!("it is the key of the certificate {id}")),
        KeyRole::Compromised(id) => {
            ("key-compromised", format!("the certificate {id} with it was revoked for keyCompromise"))
        }
    };
    let message = format!("the key cannot become that of a CA: {whose}; one key has one role for ever");
    objections.add(BrokenRule::new(K2, code, message));
    Ok(())
}

/// The id of the command's key; objects if a sweep gave it up before the command was carried out (rule K3).
pub(super) fn key_id(desk: &Desk<'_>, commit: &CommitId, objections: &mut Objections) -> Result<KeyId, Halt> {
    let id = KeyId::derive(commit, 0);
    let unused = matches!(desk.key(&id)?, KeyState::Unknown);
    objections.require(unused, || {
        let message = format!("the key {id} was used or given up before; ask again under another idempotency key");
        BrokenRule::new(K3, "key-spent", message)
    });
    Ok(id)
}

/// Claims a serial number that was brought along; objects if the issuer name has used it (rule I5).
pub(super) fn serial_is_free(desk: &Desk<'_>, id: &CertificateId, objections: &mut Objections) -> Result<(), Halt> {
    let certificate = desk.certificate(id)?;
    objections.require(certificate.issued().is_none() && certificate.authority().is_none(), || {
        let message = format!("the issuer name has used the serial number {} before ({id})", id.serial());
        BrokenRule::new(I5, "serial-taken", message)
    });
    Ok(())
}

/// Objects to everything that relying parties would find wrong with the path below the root (rule I6), except what was
/// told already.
pub(super) fn check_path(
    root: &Above<'_>,
    planned: &Planned<'_>,
    told: impl Fn(&PathViolation) -> bool,
    objections: &mut Objections,
) -> Result<(), Halt> {
    let parsed = root.generation.parsed.as_deref().ok_or_else(|| unreadable(root.id))?;
    let violations = x509::check_path(&[parsed], planned).into_iter().filter(|violation| !told(violation));
    objections.extend(
        violations.map(|violation| BrokenRule::new(Rule::new(violation.rule()), "path", violation.to_string())),
    );
    Ok(())
}

/// Claims a serial number that was drawn (rule I5).
pub(super) fn claim(desk: &Desk<'_>, id: &CertificateId) {
    desk.claim(&stream::certificate(id));
}
