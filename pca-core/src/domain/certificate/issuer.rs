//! Who may issue a certificate: an intermediate that is enabled, under a root that is (rules I1, I6, O5, R5).

use crate::domain::ca::{Bought, Ca, CaState, Generation};
use crate::domain::event::Addresses;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Desk, Halt};
use crate::keys::{KeyKind, PublicKey};
use crate::log::Timestamp;
use crate::x509::{
    DistinguishedName, EntityNames, ParsedCertificate, PathViolation, Planned, PlannedRole, ProfileDefinition,
    Validity, check_path as check,
};

const I1: Rule = Rule::new("I1");
const I6: Rule = Rule::new("I6");
const O5: Rule = Rule::new("O5");
const R5: Rule = Rule::new("R5");

/// An intermediate and its root, as far as they are there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Issuers<'a> {
    pub(super) intermediate: Option<Issuing<'a>>,
    pub(super) root: Option<Issuing<'a>>,
}

/// A CA that was bought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issuing<'a> {
    pub(super) id: &'a CaId,
    pub(super) ca: &'a Ca,
    pub(super) bought: &'a Bought,
}

impl<'a> Issuing<'a> {
    pub(super) fn generation(&self) -> Option<&'a Generation> {
        self.ca.generation()
    }

    pub(super) fn addresses(&self) -> &'a Addresses {
        self.ca.addresses()
    }

    /// Its certificate, read, and its key.
    pub(super) fn certificate(&self) -> Option<(&'a ParsedCertificate, &'a PublicKey)> {
        let parsed = self.generation()?.parsed.as_deref()?;
        Some((parsed, parsed.public_key().ok()?))
    }
}

/// Looks both up and objects to whatever keeps them from issuing.
pub(super) fn find<'a>(
    id: &'a CaId,
    now: Timestamp,
    desk: &Desk<'a>,
    objections: &mut Objections,
) -> Result<Issuers<'a>, Halt> {
    let ca = desk.ca(id)?;
    let Some(bought) = ca.bought() else {
        objections.add(BrokenRule::new(I1, "unknown-ca", format!("{id} is no CA of this log")));
        return Ok(Issuers::default());
    };
    let Some(root_id) = ca.root() else {
        let text = match ca.intermediates() {
            [] => format!("{id} is a root, which issues only intermediates"),
            [first, ..] => {
                format!("{id} is a root, which issues only intermediates; take one of its own, such as {first}")
            }
        };
        objections.add(BrokenRule::new(I1, "root-issues-no-certificates", text));
        return Ok(Issuers::default());
    };
    let intermediate = Issuing { id, ca, bought };
    check_state(&intermediate, "intermediate", now, objections);
    let root = desk.ca(root_id)?;
    let root = root.bought().map(|bought| Issuing { id: root_id, ca: root, bought });
    match &root {
        Some(root) => check_state(root, "root", now, objections),
        None => objections.add(BrokenRule::new(
            I1,
            "unknown-ca",
            format!("{root_id}, the root of {id}, is no CA of this log"),
        )),
    }
    Ok(Issuers { intermediate: Some(intermediate), root })
}

fn check_state(issuing: &Issuing<'_>, what: &str, now: Timestamp, objections: &mut Objections) {
    let id = issuing.id;
    let (rule, code, wrong) = match issuing.ca.state() {
        CaState::Enabled => (I1, "", ""),
        CaState::Disabled => (I1, "ca-disabled", "is disabled; re-enable it first"),
        CaState::RefundRequested => (R5, "ca-frozen", "is frozen until its refund is returned or declined"),
        CaState::Refunded => (I1, "ca-refunded", "was refunded"),
        CaState::Revoked => (I1, "ca-revoked", "was revoked"),
        CaState::Removed => (I1, "ca-removed", "was removed"),
        _ => (I1, "ca-not-enabled", "is not enabled; enable it first"),
    };
    objections.require(wrong.is_empty(), || BrokenRule::new(rule, code, format!("the {what} {id} {wrong}")));
    let ends = issuing.bought.term_ends;
    objections.require(now <= ends, || {
        BrokenRule::new(O5, "term-ended", format!("the service term of the {what} {id} ended at {ends}; it is {now}"))
    });
}

/// Checks the path that a relying party will walk (rule I6). What is not planned yet because of other objections is left
/// out: `names` and `validity`; the limits of validity and the family have been objected to already, if they were broken.
pub(super) fn check_path(
    issuers: &Issuers<'_>,
    profile: &ProfileDefinition,
    names: Option<&EntityNames>,
    validity: Option<Validity>,
    key: KeyKind,
    objections: &mut Objections,
) {
    let mut path = Vec::with_capacity(2);
    for issuing in [issuers.root, issuers.intermediate].into_iter().flatten() {
        let Some(generation) = issuing.generation() else { return };
        let Some(certificate) = &generation.parsed else {
            let text = format!("the certificate of {} cannot be read", issuing.id);
            objections.add(BrokenRule::new(I6, "ca-unreadable", text));
            return;
        };
        path.push(&**certificate);
    }
    // Where there is no issuer, that was told already.
    let Some(issuer) = path.last() else { return };
    let Some(validity) = validity.or_else(|| issuer.validity().ok()) else { return };
    let nameless = DistinguishedName::empty();
    let planned = Planned {
        role: PlannedRole::EndEntity { profile },
        validity,
        family: key.family(),
        subject: names.map_or(&nameless, EntityNames::subject),
        names: names.map_or(&[], EntityNames::names),
    };
    let told = |violation: &PathViolation| matches!(violation.rule(), "C5" | "O3");
    let fresh = objections.is_empty();
    for violation in check(&path, &planned).into_iter().filter(|violation| fresh || !told(violation)) {
        objections.add(BrokenRule::new(Rule::new(violation.rule()), code_of(&violation), violation.to_string()));
    }
}

const fn code_of(violation: &PathViolation) -> &'static str {
    match violation {
        PathViolation::PathLength { .. } => "path-length",
        PathViolation::Purpose { .. } | PathViolation::EveryPurpose { .. } => "purpose",
        PathViolation::NameConstraint { .. } => "name-constraint",
        PathViolation::NamesDoNotChain { .. } => "path-broken",
        PathViolation::Family { .. } => "key-family",
        PathViolation::NotACa { .. }
        | PathViolation::MayNotSign { .. }
        | PathViolation::IssuerKey { .. }
        | PathViolation::IssuerSignature { .. } => "ca-unfit",
        PathViolation::NoIssuer => "no-issuer",
        _ => "validity",
    }
}
