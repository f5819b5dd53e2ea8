//! `RenewCa`: another certificate for a CA, with the same key or a new one, beside the one that it has (rule C11).

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Part, Plan};
use crate::domain::event::{CaRenewed, Der, Event, LinkCertificate, LinkKind};
use crate::domain::policy::Policy;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Scope, founded};
use crate::keys::{Algorithm, Family, KeyId, KeyUse, PublicKey};
use crate::log::Timestamp;
use crate::x509::{AuthorityUrls, CertificateId, Issuer, ParsedCertificate, Planned, PlannedRole, Successor, Validity};

use super::enabling::{Candidate, KeyPlace, check_path, claim, key_id, key_is_free};
use super::rules::{C5, C11, public_key, unreadable, urls};
use super::{Generation, Lifetime};

const O3: Rule = Rule::new("O3");

/// Renews the certificate of an enabled CA (rule C11). Subject, path length and constraints stay as they are; the newest
/// certificate issues, and those before it serve until they expire: nothing that they issued changes. A root that is
/// renewed with a new key gets link certificates with it, as long as the old one is valid (RFC 9810).
#[derive(Clone, Debug, Serialize)]
pub struct RenewCa {
    /// The CA.
    pub ca: CaId,
    /// Whether the platform makes a new key; otherwise the key stays.
    pub new_key: bool,
    /// The new key's algorithm, of the family that was bought (rule O3); that of the old one if absent.
    pub algorithm: Option<Algorithm>,
    /// How long the certificate is valid; as long as the one before if absent.
    pub lifetime: Option<Lifetime>,
    /// Whether a validity that does not fit is shortened instead of refused (rule C5).
    pub clamp: bool,
}

impl RenewCa {
    /// Renews with the same key, for as long as before.
    #[must_use]
    pub fn same_key(ca: CaId) -> Self {
        Self { ca, new_key: false, algorithm: None, lifetime: None, clamp: false }
    }

    /// Renews with a new key of the same algorithm, for as long as before.
    #[must_use]
    pub fn new_key(ca: CaId) -> Self {
        Self { new_key: true, ..Self::same_key(ca) }
    }
}

/// What [`RenewCa`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewedCa {
    /// The CA.
    pub ca: CaId,
    /// Which generation began.
    pub generation: u32,
    /// The CA certificate's id.
    pub id: CertificateId,
    /// The CA certificate.
    pub certificate: Der,
    /// Whether its key is new.
    pub new_key: bool,
    /// The key's algorithm; absent for an uploaded RSA key of a size that is not generated.
    pub algorithm: Option<Algorithm>,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// The link certificates of a root with a new key.
    pub links: Vec<Link>,
}

/// A link certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which way.
    pub kind: LinkKind,
    /// Its id.
    pub id: CertificateId,
    /// The certificate.
    pub certificate: Der,
}

impl Command for RenewCa {
    type Answer = RenewedCa;

    const NAME: &'static str = "RenewCa";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let policy = desk.policy()?;
        let now = context.time;
        let (candidate, before) = Candidate::in_use(desk, &self.ca, now, C11, KeyPlace::Here, &mut objections)?;
        let Some(before) = before else {
            objections.verdict()?;
            return Err(unreadable(&self.ca));
        };
        let old = Old::read(&self.ca, before)?;
        let algorithm = self.check_algorithm(&candidate, &old, &mut objections);
        let validity = self.fit(&candidate, before, policy, now, &mut objections);
        if let (Some(root), Some(validity)) = (&candidate.root, validity) {
            let planned = Planned {
                // Its name constraints stay as they are, and so does how they nest.
                role: PlannedRole::Intermediate { path_length: old.path_length(), name_constraints: None },
                validity,
                family: old.key.family(),
                subject: old.certificate.subject(),
                names: &old.certificate.extensions().subject_alternative_names,
            };
            check_path(root, &planned, |_| false, &mut objections)?;
        }
        let new_key = self.new_key.then(|| key_id(desk, &context.commit, &mut objections)).transpose()?;
        objections.verdict()?;
        // Whatever is absent now was objected to.
        let Some(validity) = validity else { return Err(unreadable(&self.ca)) };

        let serial = context.serial(0);
        let signer = candidate.root.as_ref().map(|root| root.generation);
        let id = CertificateId::new(signer.map_or(before.subject_hash, |root| root.subject_hash), serial);
        claim(desk, &id);
        let own = match &new_key {
            Some(_) => desk.generated(0, algorithm, KeyUse::CertificateAuthority)?,
            None => &old.key,
        };
        if new_key.is_some() {
            let mut objections = Objections::new();
            key_is_free(desk, own, &mut objections)?;
            objections.verdict()?;
        }
        let key = new_key.clone().unwrap_or_else(|| before.key.clone());
        let new = New { key: &key, public_key: own, validity, identifier: old.identifier_of(own) };
        let successor = Successor {
            of: old.certificate,
            serial,
            validity,
            public_key: own,
            key_identifier: &new.identifier,
            path_length: None,
        };
        let mut parts = vec![match &candidate.root {
            None => {
                let tbs = successor.tbs(&new.issuer(&old), &AuthorityUrls::default());
                Part { key: key.clone(), public_key: own.clone(), tbs }
            }
            Some(root) => {
                let issuer = root.generation.parsed.as_ref().and_then(|parsed| parsed.as_issuer().ok());
                let issuer = issuer.ok_or_else(|| unreadable(root.id))?;
                // The addresses were checked when they were configured.
                let tbs = successor.tbs(&issuer, &urls(root.ca.addresses(), &mut Objections::new()));
                Part { key: root.generation.key.clone(), public_key: public_key(root.generation, root.id)?, tbs }
            }
        }];
        let mut links = Vec::new();
        if candidate.root.is_none() && new_key.is_some() {
            let addresses = urls(candidate.ca.addresses(), &mut Objections::new());
            for (link, part) in old.links(before, &new, &addresses, context) {
                claim(desk, &link.id);
                links.push(link);
                parts.push(part);
            }
        }
        let renewed = CaRenewed {
            ca: self.ca.clone(),
            generation: candidate.ca.next_generation(),
            certificate: Der::from(Vec::new()),
            id,
            subject_hash: before.subject_hash,
            key: key.clone(),
            new_key: new_key.is_some(),
            spki: own.digest(),
            algorithm: own.algorithm(),
            not_before: validity.not_before(),
            not_after: validity.not_after(),
            links,
        };
        Ok(Plan::new().and_signed_parts(renewed, parts))
    }

    fn answer(events: &[Event]) -> Option<RenewedCa> {
        events.iter().find_map(|event| match event {
            Event::CaRenewed(renewed) => Some(RenewedCa {
                ca: renewed.ca.clone(),
                generation: renewed.generation,
                id: renewed.id,
                certificate: renewed.certificate.clone(),
                new_key: renewed.new_key,
                algorithm: renewed.algorithm,
                not_before: renewed.not_before,
                not_after: renewed.not_after,
                links: renewed
                    .links
                    .iter()
                    .map(|link| Link { kind: link.kind, id: link.id, certificate: link.certificate.clone() })
                    .collect(),
            }),
            _ => None,
        })
    }
}

impl RenewCa {
    /// The algorithm of a new key, if it is of the family that was bought (rule O3).
    fn check_algorithm(&self, candidate: &Candidate<'_>, old: &Old<'_>, objections: &mut Objections) -> Algorithm {
        let likewise = old.key.algorithm();
        if let (Some(asked), false) = (self.algorithm, self.new_key) {
            objections.require(likewise == Some(asked), || {
                let message = format!("the key stays, and it is no key of {asked}; ask for a new key");
                BrokenRule::new(C11, "same-key", message)
            });
        }
        let algorithm = self.algorithm.or(likewise).unwrap_or(Algorithm::Rsa3072);
        let family = candidate.bought.map_or(Family::Ecc, |bought| bought.family);
        objections.require(algorithm.family() == family, || {
            let message = format!(
                "{algorithm} is of the family {}; {} was bought for the family {family}",
                algorithm.family(),
                self.ca
            );
            BrokenRule::new(O3, "wrong-family", message)
        });
        algorithm
    }

    /// The validity, within all limits (rule C5): from now on, as long as before if nothing else is asked for.
    fn fit(
        &self,
        candidate: &Candidate<'_>,
        before: &Generation,
        policy: &Policy,
        now: Timestamp,
        objections: &mut Objections,
    ) -> Option<Validity> {
        let backdated = now.floor_to_second().plus_secs(-i64::from(policy.backdate_seconds));
        let not_before = candidate.root.as_ref().map_or(backdated, |root| backdated.max(root.generation.not_before));
        let asked = match self.lifetime {
            Some(Lifetime::Years(years)) => Validity::for_years(not_before, years),
            Some(Lifetime::Days(days)) => Validity::for_days(not_before, days),
            None => {
                let seconds = before.not_after.secs().saturating_sub(before.not_before.secs());
                Validity::new(not_before, not_before.plus_secs(seconds))
            }
        };
        let asked = asked
            .map_err(|error| objections.add(BrokenRule::new(C5, "validity", format!("that is no validity: {error}"))))
            .ok()?;
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

/// The generation that is renewed, taken apart.
struct Old<'a> {
    certificate: &'a ParsedCertificate,
    key: PublicKey,
    issuer: Issuer,
}

/// The key and the validity of the generation that begins.
struct New<'a> {
    key: &'a KeyId,
    public_key: &'a PublicKey,
    validity: Validity,
    identifier: Vec<u8>,
}

impl New<'_> {
    /// What it puts into what it signs.
    fn issuer(&self, old: &Old<'_>) -> Issuer {
        let name = old.certificate.subject().clone();
        Issuer::new(name, self.identifier.clone(), self.public_key.signature_algorithm())
    }
}

impl<'a> Old<'a> {
    fn read(id: &CaId, before: &'a Generation) -> Result<Self, Halt> {
        let certificate = before.parsed.as_deref().ok_or_else(|| unreadable(id))?;
        let issuer = certificate.as_issuer().map_err(|_| unreadable(id))?;
        Ok(Self { certificate, key: public_key(before, id)?, issuer })
    }

    fn path_length(&self) -> Option<u8> {
        let constraints = self.certificate.extensions().basic_constraints;
        constraints
            .and_then(|constraints| constraints.path_length)
            .map(|length| u8::try_from(length).unwrap_or(u8::MAX))
    }

    /// The key identifier stays with the key, byte for byte (rule C3); a new key has the usual one.
    fn identifier_of(&self, key: &PublicKey) -> Vec<u8> {
        if *key == self.key { self.issuer.key_identifier().to_vec() } else { key.key_identifier().to_vec() }
    }

    /// The certificates that tie the two keys together (RFC 9810 section 4.4.1): the old key, signed with the new one,
    /// valid from its own beginning; the new key, signed with the old one, valid from now on; both until the first of the
    /// two roots ends. None where the old one has expired already.
    fn links(
        &self,
        before: &Generation,
        new: &New<'_>,
        urls: &AuthorityUrls,
        context: &Context,
    ) -> Vec<(LinkCertificate, Part)> {
        let end = before.not_after.min(new.validity.not_after());
        if end < new.validity.not_before() {
            return Vec::new();
        }
        let link = |kind, ordinal, from, key: &PublicKey, identifier: &[u8], issuer: &Issuer| {
            let validity = Validity::new(from, end).ok()?;
            let serial = context.serial(ordinal);
            let successor = Successor {
                of: self.certificate,
                serial,
                validity,
                public_key: key,
                key_identifier: identifier,
                path_length: None,
            };
            let link = LinkCertificate {
                kind,
                certificate: Der::from(Vec::new()),
                id: CertificateId::new(before.subject_hash, serial),
                not_before: validity.not_before(),
                not_after: validity.not_after(),
            };
            Some((link, successor.tbs(issuer, urls)))
        };
        let (old_from, new_from) = (before.not_before, new.validity.not_before());
        let old_identifier = self.issuer.key_identifier();
        let old_with_new = link(LinkKind::OldWithNew, 1, old_from, &self.key, old_identifier, &new.issuer(self))
            .map(|(link, tbs)| (link, Part { key: new.key.clone(), public_key: new.public_key.clone(), tbs }));
        let new_with_old = link(LinkKind::NewWithOld, 2, new_from, new.public_key, &new.identifier, &self.issuer)
            .map(|(link, tbs)| (link, Part { key: before.key.clone(), public_key: self.key.clone(), tbs }));
        old_with_new.into_iter().chain(new_with_old).collect()
    }
}

#[cfg(test)]
mod tests;
