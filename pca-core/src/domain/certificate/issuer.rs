//! Who may issue a certificate: an intermediate that is enabled, under a root that is (rules I1, I6, O5, R5).

use crate::domain::ca::{Bought, Ca, CaState, Generation};
use crate::domain::event::Addresses;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Desk, Halt};
use crate::keys::PublicKey;
use crate::log::Timestamp;
use crate::x509::{EntityNames, ParsedCertificate, Profile};

const I1: Rule = Rule::new("I1");
const I6: Rule = Rule::new("I6");
const C6: Rule = Rule::new("C6");
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
    check(&intermediate, "intermediate", now, objections);
    let root = desk.ca(root_id)?;
    let root = root.bought().map(|bought| Issuing { id: root_id, ca: root, bought });
    match &root {
        Some(root) => check(root, "root", now, objections),
        None => objections.add(BrokenRule::new(
            I1,
            "unknown-ca",
            format!("{root_id}, the root of {id}, is no CA of this log"),
        )),
    }
    Ok(Issuers { intermediate: Some(intermediate), root })
}

fn check(issuing: &Issuing<'_>, what: &str, now: Timestamp, objections: &mut Objections) {
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

/// Checks the path that a relying party will walk, as far as it depends on the CA certificates (rule I6). Their own
/// signatures and family were checked when they were enabled.
pub(super) fn check_path(
    issuers: &Issuers<'_>,
    profile: Profile,
    names: Option<&EntityNames>,
    objections: &mut Objections,
) {
    for (issuing, room) in [(issuers.intermediate, 0), (issuers.root, 1)] {
        if let Some((issuing, generation)) = issuing.and_then(|issuing| Some((issuing, issuing.generation()?))) {
            check_certificate(issuing.id, generation, profile, names, room, objections);
        }
    }
}

/// Checks that a CA certificate can be read, leaves room in its path length, is made for the purpose and permits the
/// names.
pub(super) fn check_certificate(
    id: &CaId,
    generation: &Generation,
    profile: Profile,
    names: Option<&EntityNames>,
    room: u32,
    objections: &mut Objections,
) {
    let Some(certificate) = &generation.parsed else {
        objections.add(BrokenRule::new(I6, "ca-unreadable", format!("the certificate of {id} cannot be read")));
        return;
    };
    let extensions = certificate.extensions();
    let length = extensions.basic_constraints.and_then(|constraints| constraints.path_length);
    objections.require(extensions.is_ca() && length.is_none_or(|length| length >= room), || {
        let length = length.map_or("none".to_owned(), |length| length.to_string());
        let text = format!("the path length of {id} is {length}; {room} more CA must be allowed below it");
        BrokenRule::new(I6, "path-length", text)
    });
    if let Some(allowed) = &extensions.extended_key_usage {
        let fits = profile.purposes().iter().all(|purpose| allowed.contains(purpose))
            || allowed.iter().any(|purpose| purpose.to_string() == ANY_PURPOSE);
        objections.require(fits, || {
            let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            let text = format!(
                "the certificate of {id} is made for other purposes ({}) than {profile} certificates",
                allowed.join(", ")
            );
            BrokenRule::new(I6, "purpose", text)
        });
    }
    let _ = names;
    objections.require(extensions.name_constraints.is_none(), || {
        let text = format!("the certificate of {id} has name constraints, which are not supported yet");
        BrokenRule::new(C6, "name-constraints", text)
    });
}

/// anyExtendedKeyUsage (RFC 5280 section 4.2.1.12).
const ANY_PURPOSE: &str = "2.5.29.37.0";
