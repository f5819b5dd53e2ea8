//! One path from a trust anchor to the target, judged by RFC 5280 section 6.1.

use super::certificate::Certificate;
use super::name::{Alternative, Mailbox};
use super::options::{ChainOptions, ChainProfile, Expected, Purpose};
use super::policy::Policies;
use super::reason::{Budget, Exhausted, Reason};
use super::webpki;
use crate::x509::oid;
use crate::x509::usage::KeyUsage;

/// Where a certificate stands in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Anchor,
    Intermediate,
    /// The last certificate.
    Target,
}

/// How the last certificate is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// As what was asked for.
    Asked,
    /// As the signer of a list.
    CrlSigner,
}

/// What a path is judged by.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub(super) options: &'a ChainOptions,
    pub(super) expected: &'a [Expected],
}

/// How a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Top {
    Anchor {
        self_signed: bool,
    },
    /// It leads nowhere, and is judged as far as it goes.
    Nowhere,
}

/// The reasons against a path, the anchor first.
pub(super) fn validate(
    path: &[&Certificate],
    top: Top,
    target: Target,
    rules: &Rules<'_>,
    budget: &mut Budget,
) -> Result<Vec<Reason>, Exhausted> {
    let mut reasons = Vec::new();
    let anchored = top != Top::Nowhere;
    let below = path.len().saturating_sub(usize::from(anchored));
    let mut policies = Policies::new(&rules.options.policies, below);
    let mut room: Option<u32> = None;
    let mut intermediates = 0_usize;
    for (depth, certificate) in path.iter().enumerate() {
        let place = match depth {
            0 if anchored => Place::Anchor,
            depth if depth + 1 == path.len() => Place::Target,
            _ => Place::Intermediate,
        };
        let above = path.get(..depth).unwrap_or_default();
        let mut own = Vec::new();
        if place != Place::Target {
            own.extend(as_issuer(certificate));
        }
        own.extend(in_itself(certificate, place, target, rules.options));
        if place != Place::Anchor {
            let is_target = place == Place::Target;
            // Where a path leads nowhere, a top that calls itself its issuer may be signed with its own key.
            if depth > 0 || !certificate.is_self_issued() {
                own.extend(authority_key(certificate, above.last().copied()));
            }
            own.extend(name_constraints(certificate, above, is_target, budget)?);
            own.extend(policies.take(certificate, is_target, budget)?);
            if !is_target {
                policies.prepare(certificate);
            }
        } else if top != (Top::Anchor { self_signed: true }) {
            own.extend(authority_key(certificate, None));
        }
        if place == Place::Intermediate && !certificate.is_self_issued() {
            intermediates += 1;
            match room {
                Some(0) => own.push(Reason::new("RFC 5280 4.2.1.9", "no path length is left for another CA")),
                Some(left) => room = Some(left - 1),
                None => {}
            }
        }
        let length = certificate.extensions.basic.and_then(|basic| basic.path_length);
        room = match (room, length) {
            (Some(room), Some(length)) => Some(room.min(length)),
            (room, length) => room.or(length),
        };
        reasons.extend(own.iter().map(|reason| reason.about(certificate)));
    }
    if let Some(most) = rules.options.max_depth
        && intermediates > most
    {
        let text =
            format!("there are {intermediates} intermediates that are not self-issued; at most {most} are allowed");
        reasons.push(Reason::new("RFC 5280 6.1", text));
    }
    if let Some(last) = path.last() {
        let mut own = Vec::new();
        if anchored {
            own.extend(policies.conclude(last));
        }
        if target == Target::Asked {
            own.extend(names(last, rules.expected));
            own.extend(purpose(path, last, rules.options));
        }
        reasons.extend(own.iter().map(|reason| reason.about(last)));
    }
    reasons.dedup();
    Ok(reasons)
}

/// What is wrong with a certificate for itself, by its place.
pub(super) fn in_itself(
    certificate: &Certificate,
    place: Place,
    target: Target,
    options: &ChainOptions,
) -> Vec<Reason> {
    let mut reasons = certificate.faults.clone();
    if place != Place::Anchor {
        reasons.extend(certificate.serial_fault());
    }
    let now = options.at.floor_to_second();
    if let Some(not_before) = certificate.not_before.filter(|not_before| now < *not_before) {
        reasons.push(Reason::new("RFC 5280 4.1.2.5", format!("it is not valid before {not_before}")));
    }
    if let Some(not_after) = certificate.not_after.filter(|not_after| now > *not_after) {
        reasons.push(Reason::new("RFC 5280 4.1.2.5", format!("it is not valid after {not_after}")));
    }
    match options.profile {
        ChainProfile::Rfc5280 => {
            if certificate.extensions.constraints.as_ref().is_some_and(|constraints| !constraints.critical) {
                let text = "the name constraints must be critical, and are not";
                reasons.push(Reason::new("RFC 5280 4.2.1.10", text));
            }
        }
        ChainProfile::WebPki => reasons.extend(webpki::judge(certificate, place, target)),
    }
    reasons
}

/// What speaks against a certificate as an issuer of others (section 6.1.4 (k) to (n)).
pub(super) fn as_issuer(certificate: &Certificate) -> Vec<Reason> {
    let mut reasons = Vec::new();
    match certificate.extensions.basic {
        None => reasons.push(Reason::new("RFC 5280 4.2.1.9", "it has no basic constraints, so it is no CA's")),
        Some(basic) if !basic.ca => {
            reasons.push(Reason::new("RFC 5280 4.2.1.9", "its basic constraints say that it is no CA's"));
        }
        Some(_) => {}
    }
    if certificate.extensions.usage.is_some_and(|usage| !usage.contains(KeyUsage::KEY_CERT_SIGN)) {
        reasons.push(Reason::new("RFC 5280 4.2.1.3", "its key usage lacks keyCertSign"));
    }
    if let Err(error) = &certificate.key {
        reasons.push(Reason::new("RFC 5280 4.1.2.7", format!("no signature can be verified with its key: {error}")));
    }
    reasons
}

/// Every certificate names its issuer's key, except one that is signed with its own.
fn authority_key(certificate: &Certificate, issuer: Option<&Certificate>) -> Option<Reason> {
    let self_signed = certificate.is_self_issued() && issuer.is_some_and(|issuer| issuer.spki() == certificate.spki());
    (!certificate.names_issuer_key() && !self_signed).then(|| {
        Reason::new(
            "RFC 5280 4.2.1.1",
            "it has no authority key identifier with a key identifier, and is not self-signed",
        )
    })
}

/// Section 6.1.3 (b) and (c).
fn name_constraints(
    certificate: &Certificate,
    above: &[&Certificate],
    is_target: bool,
    budget: &mut Budget,
) -> Result<Vec<Reason>, Exhausted> {
    if above.iter().all(|issuer| issuer.extensions.constraints.is_none())
        || (certificate.is_self_issued() && !is_target)
    {
        return Ok(Vec::new());
    }
    let mut names = certificate.extensions.alternatives().to_vec();
    if !certificate.subject.is_empty() {
        names.push(Alternative::Directory(certificate.subject.clone()));
    }
    let mut reasons = Vec::new();
    if certificate.extensions.names.is_none() {
        for address in certificate.subject.name.email_addresses() {
            match Mailbox::parse(&address) {
                Some(mailbox) => names.push(Alternative::Email(mailbox)),
                None => {
                    let text = format!("the attribute emailAddress of the subject, `{address}`, is no e-mail address");
                    reasons.push(Reason::new("RFC 5280 4.2.1.10", text));
                }
            }
        }
    }
    for issuer in above {
        if let Some(constraints) = &issuer.extensions.constraints {
            let found = constraints.subtrees.judge(&names, budget)?;
            reasons.extend(found.iter().map(|reason| reason.about(&format!("by the name constraints of {issuer}"))));
        }
    }
    Ok(reasons)
}

fn names(target: &Certificate, expected: &[Expected]) -> Vec<Reason> {
    let names = target.extensions.alternatives();
    let missing = expected.iter().filter(|expected| !expected.is_among(names));
    missing
        .map(|expected| Reason::new("RFC 6125 6", format!("{expected} is not among its subject alternative names")))
        .collect()
}

/// The purpose must be allowed by the target and by every CA above that limits its purposes (rule I6).
fn purpose(path: &[&Certificate], target: &Certificate, options: &ChainOptions) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let purpose = match (options.purpose, options.profile) {
        (Purpose::Any, ChainProfile::WebPki) => Purpose::Server,
        (purpose, _) => purpose,
    };
    let Some(wanted) = purpose.oid() else { return reasons };
    for certificate in path {
        if let Some(purposes) = &certificate.extensions.purposes
            && !purposes.all.contains(&wanted)
            && !purposes.all.contains(&oid::ANY_EXTENDED_KEY_USAGE)
        {
            let whose = if core::ptr::eq(*certificate, target) { String::new() } else { format!(" of {certificate}") };
            let text = format!("the extended key usage{whose} does not allow the purpose {wanted}");
            reasons.push(Reason::new("RFC 5280 4.2.1.12", text));
        }
    }
    let consistent = match purpose {
        Purpose::Server => &[KeyUsage::DIGITAL_SIGNATURE, KeyUsage::KEY_ENCIPHERMENT, KeyUsage::KEY_AGREEMENT][..],
        Purpose::Client => &[KeyUsage::DIGITAL_SIGNATURE, KeyUsage::KEY_AGREEMENT],
        _ => &[
            KeyUsage::DIGITAL_SIGNATURE,
            KeyUsage::CONTENT_COMMITMENT,
            KeyUsage::KEY_ENCIPHERMENT,
            KeyUsage::KEY_AGREEMENT,
        ],
    };
    if let (Some(_), Some(usage)) = (&target.extensions.purposes, target.extensions.usage)
        && !consistent.iter().any(|bit| usage.contains(*bit))
    {
        let text = format!("its key usage ({usage}) is not consistent with the purpose {wanted}");
        reasons.push(Reason::new("RFC 5280 4.2.1.12", text));
    }
    reasons
}
