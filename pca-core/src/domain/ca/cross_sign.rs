//! `CrossSign`: a root certifies another root of the same log (rule C11).

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{CaCrossSigned, Der, Event};
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Scope, founded};
use crate::log::Timestamp;
use crate::x509::{CertificateId, Planned, PlannedRole, Successor, Validity, check_path};

use super::enabling::{Candidate, KeyPlace, claim};
use super::rules::{C5, C11, public_key, unreadable, urls};

/// Has a root certified by another one: who trusts the signer then accepts what the root issues (rule C11). The
/// cross-certificate has the subject, key and constraints of the root, and is valid until the first of the two ends. The
/// two may be of different families: rule O3 binds what stands below a root, and each keeps its own.
///
/// It is revoked by its id, as [`RevokeCertificate`](crate::domain::certificate::RevokeCertificate) does, or with either
/// root.
#[derive(Clone, Debug, Serialize)]
pub struct CrossSign {
    /// The root that is certified.
    pub ca: CaId,
    /// The root that signs.
    pub by: CaId,
}

/// What [`CrossSign`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossSigned {
    /// The root that was certified.
    pub ca: CaId,
    /// The root that signed.
    pub by: CaId,
    /// The cross-certificate's id.
    pub id: CertificateId,
    /// The cross-certificate.
    pub certificate: Der,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
}

impl Command for CrossSign {
    type Answer = CrossSigned;

    const NAME: &'static str = "CrossSign";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.by)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let (now, policy) = (context.time, desk.policy()?);
        objections.require(self.ca != self.by, || {
            let message = format!("{} cannot certify itself; renewing it makes link certificates", self.ca);
            BrokenRule::new(C11, "same-ca", message)
        });
        let (certified, subject) = Candidate::in_use(desk, &self.ca, now, C11, KeyPlace::Anywhere, &mut objections)?;
        let (signing, signer) = Candidate::in_use(desk, &self.by, now, C11, KeyPlace::Here, &mut objections)?;
        for (id, candidate) in [(&self.ca, &certified), (&self.by, &signing)] {
            objections.require(candidate.bought.is_none() || candidate.ca.is_root(), || {
                let message = format!("{id} is an intermediate; a root certifies another root");
                BrokenRule::new(C11, "not-a-root", message)
            });
        }
        let (Some(subject), Some(signer)) = (subject, signer) else {
            objections.verdict()?;
            return Err(unreadable(&self.ca));
        };
        let of = subject.parsed.as_deref().ok_or_else(|| unreadable(&self.ca))?;
        let by = signer.parsed.as_deref().ok_or_else(|| unreadable(&self.by))?;
        let key = public_key(subject, &self.ca)?;
        let backdated = now.floor_to_second().plus_secs(-i64::from(policy.backdate_seconds));
        let not_before = backdated.max(subject.not_before).max(signer.not_before);
        let not_after = subject.not_after.min(signer.not_after);
        let validity = Validity::new(not_before, not_after).ok().filter(|_| not_after >= now.floor_to_second());
        objections.require(validity.is_some(), || {
            let message = format!(
                "nothing could be valid: the certificate of {} ends at {}, that of {} at {}, and it is {now}",
                self.ca, subject.not_after, self.by, signer.not_after
            );
            BrokenRule::new(C5, "would-be-expired", message)
        });
        let (own_name, other_name) = (of.subject(), by.subject());
        objections.require(self.ca == self.by || !own_name.folds_to(other_name), || {
            BrokenRule::new(C11, "same-name", format!("both roots have the subject `{own_name}`"))
        });
        let path_length = of.extensions().basic_constraints.and_then(|constraints| constraints.path_length);
        let room = by.extensions().basic_constraints.and_then(|constraints| constraints.path_length);
        let path_length = path_length.map(|length| u8::try_from(length).unwrap_or(u8::MAX));
        let room = room.map(|length| u8::try_from(length).unwrap_or(u8::MAX));
        // An intermediate must find its place below it, too (rule C6).
        objections.require(room.is_none_or(|room| room >= 2), || {
            let room = room.unwrap_or_default();
            let message =
                format!("{} allows {room} CAs below it; another root and its intermediates would be 2", self.by);
            BrokenRule::new(Rule::new("C6"), "path-length", message)
        });
        if let Some(validity) = validity {
            let planned = Planned {
                role: PlannedRole::Intermediate {
                    path_length,
                    name_constraints: of.extensions().name_constraints.as_ref(),
                },
                validity,
                // Told of by rule O3, which binds what stands below a root only.
                family: by.public_key().map_or(key.family(), |signer| signer.family()),
                subject: own_name,
                names: &of.extensions().subject_alternative_names,
            };
            let violations = check_path(&[by], &planned);
            objections.extend(
                violations
                    .iter()
                    .filter(|violation| violation.rule() != "C5")
                    .map(|violation| BrokenRule::new(Rule::new(violation.rule()), "path", violation.to_string())),
            );
        }
        objections.verdict()?;
        let Some(validity) = validity else { return Err(unreadable(&self.ca)) };

        let serial = context.serial(0);
        let id = CertificateId::new(signer.subject_hash, serial);
        claim(desk, &id);
        let own = of.as_issuer().map_err(|_| unreadable(&self.ca))?;
        let issuer = by.as_issuer().map_err(|_| unreadable(&self.by))?;
        let successor = Successor {
            of,
            serial,
            validity,
            public_key: &key,
            key_identifier: own.key_identifier(),
            // No more than the signer has room for.
            path_length: [path_length, room.map(|room| room.saturating_sub(1))].into_iter().flatten().min(),
        };
        let tbs = successor.tbs(&issuer, &urls(signing.ca.addresses(), &mut Objections::new()));
        let signed = CaCrossSigned {
            ca: self.ca.clone(),
            generation: subject.number,
            by: self.by.clone(),
            by_generation: signer.number,
            certificate: Der::from(Vec::new()),
            id,
            spki: subject.spki,
            not_before: validity.not_before(),
            not_after: validity.not_after(),
        };
        Ok(Plan::new().and_signed(signed, signer.key.clone(), public_key(signer, &self.by)?, tbs))
    }

    fn answer(events: &[Event]) -> Option<CrossSigned> {
        events.iter().find_map(|event| match event {
            Event::CaCrossSigned(signed) => Some(CrossSigned {
                ca: signed.ca.clone(),
                by: signed.by.clone(),
                id: signed.id,
                certificate: signed.certificate.clone(),
                not_before: signed.not_before,
                not_after: signed.not_after,
            }),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests;
