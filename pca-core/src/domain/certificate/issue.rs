//! `IssueCertificate`: a certificate for a holder (rules I1 to I7, Q2).

use serde::Serialize;

use crate::domain::ca::Generation;
use crate::domain::crl::{partition_address, partition_of};
use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Balance, CertificateIssued, Der, Event, Holder, LotUnits, QuotaLapsed};
use crate::domain::key::KeyState;
use crate::domain::policy::Policy;
use crate::domain::quota::Quota;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, LotId, Scope, stream};
use crate::keys::{KeyId, KeyUse, PublicKey};
use crate::log::Timestamp;
use crate::x509::{
    CertificateId, EntityNames, Leaf, LeafTemplate, Profile, ProfileDefinition, ProfileName, Revocation, SerialNumber,
    SubjectFields, Validity, Wildcards,
};

use super::issuer::{self, Issuers, Issuing};
use super::key_source::{self, KeySource, PlannedKey};
use super::validity::{DEFAULT_DAYS, Limit, LimitKind};
use super::{NameRequest, holder, names, validity};

const Q2: Rule = Rule::new("Q2");
const I2: Rule = Rule::new("I2");
const I6: Rule = Rule::new("I6");

/// Asks an intermediate for a certificate.
///
/// ```
/// use pca_core::domain::certificate::IssueCertificate;
/// use pca_core::domain::testing::Story;
///
/// let mut story = Story::issuing(1);
/// let request = IssueCertificate::server(story.intermediate(), ["oa.example"]);
/// assert_eq!(story.run(&request).answer.balance.remaining, 0);
/// assert_eq!(story.refused(&request), ["Q2 no-quota-left"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IssueCertificate {
    /// The intermediate.
    pub ca: CaId,
    /// What the certificate is for.
    pub profile: ProfileName,
    /// Its subject.
    pub subject: SubjectFields,
    /// Its alternative names, at most 100 (rule G4).
    pub names: Vec<NameRequest>,
    /// Whose key it is for (rule I3).
    pub key: KeySource,
    /// For how many days of 24 hours it is valid; absent: as the profile says, 90 for most.
    pub days: Option<u32>,
    /// Whether a validity that does not fit is cut to what fits, instead of being refused (rule C5).
    pub clamp: bool,
    /// Whom it is for, and how to reach and find them.
    pub holder: Holder,
}

/// What [`IssueCertificate`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate's id.
    pub id: CertificateId,
    /// The intermediate that issued it.
    pub ca: CaId,
    /// The serial number.
    pub serial: SerialNumber,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// The lot that paid for it (rule Q3).
    pub lot: LotId,
    /// The certificate.
    pub certificate: Der,
    /// The intermediate's quota after it.
    pub balance: Balance,
    /// The holder's key, if the platform made it.
    pub key: Option<KeyId>,
}

impl IssueCertificate {
    /// A server's certificate for these DNS names, with a key that the platform makes, valid for 90 days.
    #[must_use]
    pub fn server(ca: CaId, dns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = dns.into_iter().map(NameRequest::dns).collect();
        Self { names, ..Self::of(ca, Profile::Server, SubjectFields::default()) }
    }

    /// A client's certificate for this common name, with a key that the platform makes, valid for 90 days.
    #[must_use]
    pub fn client(ca: CaId, common_name: impl Into<String>) -> Self {
        Self::of(ca, Profile::Client, SubjectFields::common(common_name))
    }

    /// A certificate of a profile, with a key that the platform makes, valid for as long as the profile says.
    #[must_use]
    pub fn of(ca: CaId, profile: impl Into<ProfileName>, subject: SubjectFields) -> Self {
        let (profile, key) = (profile.into(), KeySource::Platform(None));
        Self { ca, profile, subject, names: Vec::new(), key, days: None, clamp: false, holder: Holder::default() }
    }

    /// Applies every rule; what comes out wants only a key.
    ///
    /// `spent` units of the intermediate's quota were consumed by requests that are decided with this one.
    pub(super) fn draft<'a>(&'a self, desk: &Desk<'a>, context: &Context, spent: u64) -> Result<Draft<'a>, Halt> {
        let now = context.time;
        let mut objections = Objections::new();
        let policy = desk.policy()?;
        let issuers = issuer::find(&self.ca, now, desk, &mut objections)?;
        let quota = issuers.intermediate.map(|_| desk.quota(&self.ca)).transpose()?;

        let definition = self.definition(desk, &issuers, &mut objections)?;
        let wildcards = if policy.wide_wildcards { Wildcards::Wide } else { Wildcards::Narrow };
        // Without a profile that is known, nothing can be asked of the names.
        let names = definition.and_then(|definition| {
            let (subject, honoured) = self.key.honoured(&definition.csr, &self.subject);
            names::fit(definition, &subject, &self.names, honoured, wildcards, &mut objections)
        });
        let holder = holder::fit(&self.holder, &mut objections);
        let family = issuers.intermediate.map(|issuing| issuing.bought.family);
        let key = key_source::plan(&self.key, definition, &self.ca, family, desk, &mut objections)?;
        let paid = quota.and_then(|quota| Paid::from(&self.ca, quota, now, spent, &mut objections));
        let validity = self.validity(now, policy, definition, &issuers, paid.as_ref(), &mut objections);
        if let Some(definition) = definition {
            issuer::check_path(&issuers, definition, names.as_ref(), validity, key.kind(), &mut objections);
        }
        let issuing = issuers
            .intermediate
            .zip(definition)
            .and_then(|(issuing, definition)| self.signing(&issuing, definition, &mut objections));

        objections.verdict()?;
        match (names, holder, paid, validity, issuing) {
            (Some(names), Some(holder), Some(paid), Some(validity), Some((signer, template))) => {
                let crl_url = issuers.intermediate.and_then(|issuing| issuing.addresses().crl_url.as_deref());
                // A certificate without an address for revocation is in no partition either.
                let has_address = definition.is_some_and(|profile| profile.revocation == Revocation::Addresses);
                let partitions = crl_url.filter(|_| has_address).map(|crl_url| (policy.crl_partitions, crl_url));
                let renews = None;
                Ok(Draft { request: self, signer, template, names, holder, key, paid, validity, partitions, renews })
            }
            // Whatever is missing was objected to; what is not enabled is the only thing that could be left.
            _ => Err(Halt::Refused(unready(&self.ca).into())),
        }
    }

    /// The profile, if there is one of that name and the intermediate may issue by it (rule I2).
    fn definition<'a>(
        &self,
        desk: &Desk<'a>,
        issuers: &Issuers<'_>,
        objections: &mut Objections,
    ) -> Result<Option<&'a ProfileDefinition>, Halt> {
        let definition = desk.profile(self.profile)?;
        objections.require(definition.is_some(), || {
            let built_in = Profile::ALL.map(Profile::name).join(", ");
            let text = format!(
                "there is no profile `{}`; built in are {built_in}, and further ones are adopted (`pca profile add`)",
                self.profile
            );
            BrokenRule::new(I2, "unknown-profile", text)
        });
        if let Some(issuing) = issuers.intermediate.filter(|issuing| !issuing.ca.permits(self.profile)) {
            let permitted: Vec<&str> =
                issuing.ca.profiles().unwrap_or_default().iter().map(|name| name.as_str()).collect();
            let text = format!(
                "{} may not issue by the profile {}; it may by {}",
                issuing.id,
                self.profile,
                permitted.join(", ")
            );
            objections.add(BrokenRule::new(I2, "profile-not-permitted", text));
        }
        Ok(definition)
    }

    fn validity(
        &self,
        now: Timestamp,
        policy: &Policy,
        definition: Option<&ProfileDefinition>,
        issuers: &Issuers<'_>,
        paid: Option<&Paid>,
        objections: &mut Objections,
    ) -> Option<Validity> {
        let both = [issuers.intermediate, issuers.root].into_iter().flatten();
        let backdated = now.floor_to_second().plus_secs(-i64::from(policy.backdate_seconds));
        let not_before = both
            .clone()
            .filter_map(|issuing| issuing.generation())
            .fold(backdated, |begin, generation| begin.max(generation.not_before));
        let mut limits = Vec::with_capacity(7);
        for (issuing, kind) in [
            (issuers.intermediate, LimitKind::Intermediate(&self.ca)),
            (issuers.root, LimitKind::Root(issuers.root.map_or(&self.ca, |root| root.id))),
        ] {
            let generation = issuing.and_then(|issuing| issuing.generation());
            limits.extend(generation.map(|generation| Limit { end: generation.not_after, kind }));
        }
        if policy.validity_within_term {
            limits
                .extend(both.map(|issuing| Limit { end: issuing.bought.term_ends, kind: LimitKind::Term(issuing.id) }));
        }
        let days = policy.max_validity_days.map(|days| (days, LimitKind::Policy { days }));
        let free = policy.free_certificate_days.filter(|_| paid.is_some_and(|paid| paid.free));
        let free = free.map(|days| (days, LimitKind::FreeUnit { days }));
        let longest = definition.and_then(|definition| {
            let days = definition.validity.longest_days?;
            Some((days, LimitKind::Profile { name: self.profile, days }))
        });
        let limited = days.into_iter().chain(free).chain(longest);
        limits.extend(limited.map(|(days, kind)| Limit::days(not_before, days, kind)));
        let usual = definition.map_or(DEFAULT_DAYS, |definition| definition.validity.default_days);
        validity::fit(now, not_before, self.days.unwrap_or(usual), self.clamp, limits, objections)
    }

    fn signing<'a>(
        &self,
        issuing: &Issuing<'a>,
        definition: &ProfileDefinition,
        objections: &mut Objections,
    ) -> Option<(Signing<'a>, &'a LeafTemplate)> {
        let generation = issuing.generation()?;
        let (_, public_key) = issuing.certificate()?;
        let Some(template) = issuing.ca.template(definition) else {
            let text = format!("an address of {} is no http: URL: {:?}", issuing.id, issuing.addresses());
            objections.add(BrokenRule::new(I6, "ca-address", text));
            return None;
        };
        Some((Signing { generation, public_key }, template))
    }
}

impl Command for IssueCertificate {
    type Answer = Issued;

    const NAME: &'static str = "IssueCertificate";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    /// An enabled CA implies that the log was founded, so that is not looked at here: this is the hot path.
    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        self.draft(desk, context, 0)?.complete(Plan::new(), desk, context, 0)
    }

    fn answer(events: &[Event]) -> Option<Issued> {
        events.iter().find_map(Issued::of)
    }
}

impl Issued {
    /// The answer that an event tells; nothing if it is another event.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let Event::CertificateIssued(issued) = event else { return None };
        Some(issued.clone().into())
    }
}

impl From<CertificateIssued> for Issued {
    fn from(issued: CertificateIssued) -> Self {
        let CertificateIssued { id, ca, not_before, not_after, lot, certificate, balance, key, .. } = issued;
        Self { id, ca, serial: id.serial(), not_before, not_after, lot, certificate, balance, key }
    }
}

/// A certificate that every rule allows.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    request: &'a IssueCertificate,
    signer: Signing<'a>,
    template: &'a LeafTemplate,
    names: EntityNames,
    holder: Holder,
    pub(super) key: PlannedKey<'a>,
    paid: Paid,
    validity: Validity,
    /// The certificate that it renews (rule A4).
    pub(super) renews: Option<CertificateId>,
    /// Into how many partitions the issuer's CRLs are divided, and where they are (rule A3).
    partitions: Option<(u32, &'a str)>,
}

#[derive(Clone, Copy, Debug)]
struct Signing<'a> {
    generation: &'a Generation,
    public_key: &'a PublicKey,
}

impl Draft<'_> {
    /// Adds the certificate, and what it needs, to a plan, once its key is there.
    pub(super) fn complete(
        self,
        mut plan: Plan,
        desk: &Desk<'_>,
        context: &Context,
        ordinal: u32,
    ) -> Result<Plan, Halt> {
        let (public_key, key, spki, claims_key) = match self.key {
            PlannedKey::Holder { key, spki, first } => (key, None, spki, first),
            PlannedKey::Platform(algorithm) => {
                let key = unspent(desk, context, ordinal)?;
                let public_key = desk.generated(ordinal, algorithm, KeyUse::Holder)?;
                let spki = public_key.digest();
                desk.claim(&stream::key(&key));
                desk.claim(&stream::spki(&spki));
                (public_key, Some(key), spki, true)
            }
        };
        let Signing { generation, public_key: signer } = self.signer;
        let serial = context.serial(ordinal);
        let id = CertificateId::new(generation.subject_hash, serial);
        desk.claim(&stream::certificate(&id));
        let leaf = Leaf {
            serial,
            validity: self.validity,
            subject: self.names.subject(),
            public_key,
            names: self.names.names(),
        };
        let partition = self.partitions.and_then(|(count, crl_url)| Some((partition_of(&serial, count)?, crl_url)));
        let tbs = match partition {
            None => self.template.tbs(&leaf),
            Some((index, crl_url)) => self.template.tbs_in_partition(&leaf, &partition_address(crl_url, index)),
        }
        .map_err(|error| Halt::Refused(BrokenRule::new(I2, "key-unfit-for-profile", error.to_string()).into()))?;
        if !self.paid.lapsed.is_empty() {
            plan = plan.and(QuotaLapsed { ca: self.request.ca.clone(), lots: self.paid.lapsed });
        }
        let issued = CertificateIssued {
            id,
            ca: self.request.ca.clone(),
            generation: generation.number,
            profile: self.request.profile,
            certificate: Der::from(Vec::new()),
            key,
            spki,
            claims_key,
            lot: self.paid.lot,
            balance: self.paid.balance,
            not_before: self.validity.not_before(),
            not_after: self.validity.not_after(),
            holder: self.holder,
            partition: partition.map(|(index, _)| index),
            renews: self.renews,
        };
        Ok(plan.and_signed(issued, generation.key.clone(), signer.clone(), tbs))
    }
}

/// The id of the command's `ordinal`-th key. That it is new is claimed without a look, unless a conflict has shown that it
/// may have been used or given up before (rule K3): the claim would then conflict for ever.
pub(super) fn unspent(desk: &Desk<'_>, context: &Context, ordinal: u32) -> Result<KeyId, Halt> {
    let key = KeyId::derive(&context.commit, ordinal);
    match desk.known_key(&key) {
        None | Some(KeyState::Unknown) => Ok(key),
        Some(_) => {
            let message = format!("the key {key} was used or given up before; ask again under another idempotency key");
            Err(Halt::Refused(BrokenRule::new(Rule::new("K3"), "key-spent", message).into()))
        }
    }
}

/// The unit of quota that a certificate consumes (rules Q2, Q3).
#[derive(Debug)]
struct Paid {
    lot: LotId,
    free: bool,
    balance: Balance,
    /// Units that lapsed and are written down with the first consumption (rule Q4).
    lapsed: Vec<LotUnits>,
}

impl Paid {
    fn from(ca: &CaId, quota: &Quota, now: Timestamp, spent: u64, objections: &mut Objections) -> Option<Self> {
        let before = quota.balance(now);
        let (lot, free) = if spent == 0 {
            quota.next_lot(now).map(|lot| (lot.id.clone(), lot.free))
        } else {
            let last = quota.take(now, spent.saturating_add(1)).and_then(|lots| lots.into_iter().next_back());
            last.map(|lot| (lot.id, lot.free))
        }
        .or_else(|| {
            objections.add(none_left(ca, quota, before, now, spent));
            None
        })?;
        let balance = Balance {
            assigned: before.assigned,
            consumed: before.consumed.saturating_add(spent).saturating_add(1),
            remaining: before.remaining.saturating_sub(spent).saturating_sub(1),
        };
        let lapsed = if spent == 0 { quota.lapsed(now) } else { Vec::new() };
        Some(Self { lot, free, balance, lapsed })
    }
}

fn none_left(ca: &CaId, quota: &Quota, balance: Balance, now: Timestamp, spent: u64) -> BrokenRule {
    let lapsed: u64 = quota.lapsed(now).iter().map(|lot| lot.units).sum();
    let expired = quota.expired().saturating_add(lapsed);
    let Balance { assigned, consumed, remaining } = balance;
    let batch = if spent > 0 {
        format!(" and the requests before this one take all {remaining} that are left")
    } else {
        String::new()
    };
    let text = format!(
        "{ca} has no unit of quota left for it: of {assigned} assigned, {consumed} are consumed, {expired} expired{batch}; assign more from its root's pool"
    );
    BrokenRule::new(Q2, "no-quota-left", text)
}

fn unready(ca: &CaId) -> BrokenRule {
    BrokenRule::new(Rule::new("I1"), "ca-not-enabled", format!("{ca} or its root has no certificate to issue with"))
}

#[cfg(test)]
mod profile_tests;
#[cfg(test)]
mod tests;
