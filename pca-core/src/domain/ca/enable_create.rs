//! `EnableByCreating`: the platform makes a CA's key and certificate (rule C2).

use serde::{Deserialize, Serialize};

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Addresses, CaEnabled, Der, EnableMode, Event};
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Scope, founded};
use crate::keys::{Algorithm, Family, KeyUse, PublicKey};
use crate::log::Timestamp;
use crate::x509::{
    AuthorityUrls, CaCertificate, CertificateId, CommonName, DistinguishedName, Planned, PlannedRole, SubjectFields,
    Validity,
};

use super::constraints::ConstraintRequest;
use super::enabling::{Above, C4, Candidate, EnabledCa, answer, check_path, claim, key_id, key_is_free, name_is_free};
use super::external::abandon;
use super::rules::{C5, urls};
use super::rules::{public_key, unreadable};

const C6: Rule = Rule::new("C6");
const O3: Rule = Rule::new("O3");

/// Enables a CA: the platform makes a key pair and a CA certificate, self-signed for a root, signed by the enabled root
/// for an intermediate.
#[derive(Clone, Debug, Serialize)]
pub struct EnableByCreating {
    /// The CA.
    pub ca: CaId,
    /// Its subject; the common name is required (rule C4).
    pub subject: SubjectFields,
    /// The key's algorithm, of the family that was bought (rule O3); ECDSA P-256 or RSA 3072 if absent.
    pub algorithm: Option<Algorithm>,
    /// How long the certificate is valid; 10 years for a root and 5 for an intermediate if absent.
    pub lifetime: Option<Lifetime>,
    /// Whether a validity that does not fit is shortened instead of refused (rule C5).
    pub clamp: bool,
    /// How many CAs may follow: none or at least 1 for a root, 0 for an intermediate (rule C6).
    pub path_length: Option<u8>,
    /// The addresses that it writes into what it issues: absolute `http:` URLs (rule I5).
    pub addresses: Addresses,
    /// The names under which an intermediate may issue (rule C6).
    #[serde(skip_serializing_if = "ConstraintRequest::is_empty")]
    pub constraints: ConstraintRequest,
}

/// How long a certificate is valid; the end is included, so one second less than the span (rule C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Lifetime {
    /// Calendar years.
    Years(u32),
    /// Days of 24 hours.
    Days(u32),
}

impl Command for EnableByCreating {
    type Answer = EnabledCa;

    const NAME: &'static str = "EnableByCreating";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let policy = desk.policy()?;
        let now = context.time;
        let candidate = Candidate::look(desk, &self.ca, now, &mut objections)?;
        candidate.root_signs_here(&self.ca, &mut objections);
        let algorithm = self.check_family(&candidate, &mut objections);
        let path_length = self.check_path_length(&candidate, &mut objections);
        let constraints = self.constraints.check(&self.ca, candidate.ca.is_root(), &mut objections);
        let subject = self.check_subject(desk, &mut objections)?;
        urls(&self.addresses, &mut objections);
        let validity = self.fit(&candidate, policy, now, &mut objections);
        if let (Some(root), Some(subject), Some(validity), Some(bought)) =
            (&candidate.root, &subject, validity, candidate.bought)
        {
            let role = PlannedRole::Intermediate { path_length, name_constraints: constraints.as_ref() };
            let planned = Planned { role, validity, family: bought.family, subject, names: &[] };
            check_path(root, &planned, |_| false, &mut objections)?;
        }
        let key = key_id(desk, &context.commit, &mut objections)?;
        objections.verdict()?;
        // Whatever is absent now was objected to.
        let (Some(algorithm), Some(subject), Some(validity)) = (algorithm, subject, validity) else {
            return Err(unreadable(&self.ca));
        };

        let serial = context.serial(0);
        let issuer = candidate.root.as_ref().map_or(subject.issuer_hash(), |root| root.generation.subject_hash);
        let id = CertificateId::new(issuer, serial);
        claim(desk, &id);
        let own = desk.generated(0, algorithm, KeyUse::CertificateAuthority)?;
        let mut objections = Objections::new();
        key_is_free(desk, own, &mut objections)?;
        objections.verdict()?;
        let name_constraints = constraints.as_ref();
        let certificate =
            CaCertificate { serial, validity, subject: &subject, public_key: own, path_length, name_constraints };
        let enabled = CaEnabled {
            ca: self.ca.clone(),
            generation: candidate.ca.next_generation(),
            mode: EnableMode::Created,
            certificate: Der::from(Vec::new()),
            id,
            subject_hash: subject.issuer_hash(),
            name_hash: subject.folded_hash(),
            key: key.clone(),
            spki: own.digest(),
            algorithm: Some(algorithm),
            not_before: validity.not_before(),
            not_after: validity.not_after(),
            addresses: self.addresses.clone(),
            carried_crl: None,
        };
        let plan = abandon(desk, &self.ca, candidate.ca, Plan::new())?;
        Ok(match &candidate.root {
            None => plan.and_signed(enabled, key, own.clone(), certificate.root_tbs()),
            Some(root) => {
                let (tbs, signer) = below(root, &certificate)?;
                plan.and_signed(enabled, root.generation.key.clone(), signer, tbs)
            }
        })
    }

    fn answer(events: &[Event]) -> Option<EnabledCa> {
        answer(events)
    }
}

/// The to-be-signed certificate of an intermediate, and the key that signs it.
fn below(root: &Above<'_>, certificate: &CaCertificate<'_>) -> Result<(Vec<u8>, PublicKey), Halt> {
    let issuer = root.generation.parsed.as_ref().and_then(|parsed| parsed.as_issuer().ok());
    let Some(issuer) = issuer else { return Err(unreadable(root.id)) };
    // The addresses were checked when they were configured.
    let urls: AuthorityUrls = urls(root.ca.addresses(), &mut Objections::new());
    Ok((certificate.intermediate_tbs(&issuer, &urls), public_key(root.generation, root.id)?))
}

impl EnableByCreating {
    /// Enables a CA under a common name; all else as if it were absent.
    #[must_use]
    pub fn named(ca: CaId, common_name: impl Into<String>) -> Self {
        Self {
            ca,
            subject: SubjectFields::common(common_name),
            algorithm: None,
            lifetime: None,
            clamp: false,
            path_length: None,
            addresses: Addresses::default(),
            constraints: ConstraintRequest::default(),
        }
    }

    /// The algorithm, if it is of the family that was bought (rule O3).
    fn check_family(&self, candidate: &Candidate<'_>, objections: &mut Objections) -> Option<Algorithm> {
        let family = candidate.bought?.family;
        let algorithm = match (self.algorithm, family) {
            (Some(algorithm), _) => algorithm,
            (None, Family::Rsa) => Algorithm::Rsa3072,
            (None, _) => Algorithm::EcdsaP256,
        };
        objections.require(algorithm.family() == family, || {
            let message = format!(
                "{algorithm} is of the family {}; {} was bought for the family {family}",
                algorithm.family(),
                self.ca
            );
            BrokenRule::new(O3, "wrong-family", message)
        });
        Some(algorithm)
    }

    /// The path length as it is written (rule C6).
    fn check_path_length(&self, candidate: &Candidate<'_>, objections: &mut Objections) -> Option<u8> {
        if candidate.ca.is_root() {
            objections.require(self.path_length != Some(0), || {
                let message = "a root needs room for its intermediates: a path length of at least 1, or none";
                BrokenRule::new(C6, "path-length", message)
            });
            return self.path_length;
        }
        let length = self.path_length.unwrap_or_default();
        objections.require(length == 0, || {
            let message =
                format!("an intermediate has the path length 0, as no CA stands below it; {length} was asked for");
            BrokenRule::new(C6, "path-length", message)
        });
        Some(length)
    }

    /// The subject's name, if it keeps the bounds and is nobody else's (rule C4).
    fn check_subject(&self, desk: &Desk<'_>, objections: &mut Objections) -> Result<Option<DistinguishedName>, Halt> {
        match self.subject.to_name(CommonName::Required) {
            Ok(subject) => {
                name_is_free(desk, &subject, &self.ca, objections)?;
                Ok(Some(subject))
            }
            Err(violations) => {
                objections
                    .extend(violations.iter().map(|violation| BrokenRule::new(C4, "subject", violation.to_string())));
                Ok(None)
            }
        }
    }

    /// The validity, within all limits (rule C5).
    fn fit(
        &self,
        candidate: &Candidate<'_>,
        policy: &crate::domain::policy::Policy,
        now: Timestamp,
        objections: &mut Objections,
    ) -> Option<Validity> {
        let backdated = now.floor_to_second().plus_secs(-i64::from(policy.backdate_seconds));
        let not_before = candidate.root.as_ref().map_or(backdated, |root| backdated.max(root.generation.not_before));
        let lifetime = self.lifetime.unwrap_or(Lifetime::Years(if candidate.ca.is_root() { 10 } else { 5 }));
        let asked = match lifetime {
            Lifetime::Years(years) => Validity::for_years(not_before, years),
            Lifetime::Days(days) => Validity::for_days(not_before, days),
        };
        let asked = match asked {
            Ok(asked) => asked,
            Err(error) => {
                objections.add(BrokenRule::new(C5, "validity", format!("{lifetime} is no validity: {error}")));
                return None;
            }
        };
        let limits = candidate.limits(policy, not_before);
        let broken: Vec<_> = limits.iter().filter(|limit| asked.not_after() > limit.latest).collect();
        let Some(binding) = broken.first() else { return Some(asked) };
        let possible = binding.latest >= now.floor_to_second().max(not_before);
        if !self.clamp || !possible {
            objections.extend(broken.iter().map(|limit| limit.broken(asked.not_after())));
            return None;
        }
        Validity::new(not_before, binding.latest).ok()
    }
}

impl core::fmt::Display for Lifetime {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Years(years) => write!(f, "{years} years"),
            Self::Days(days) => write!(f, "{days} days"),
        }
    }
}

#[cfg(test)]
mod tests;
