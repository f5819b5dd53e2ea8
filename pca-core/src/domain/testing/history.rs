//! Telling what has happened: orders, CAs, quota.

use std::collections::{BTreeMap, HashMap};

use crate::keys::{Algorithm, Family, KeyId, PrivateKey};
use crate::log::{Head, Timestamp, World};
use crate::x509::{
    AuthorityUrls, CaCertificate, CertificateId, ParsedCertificate, RevocationReason, SubjectFields, Validity, assemble,
};

use super::{Story, issuer_of, name_of};
use crate::domain::event::{
    Addresses, CaEnabled, CaReset, EnableMode, EnterpriseFounded, IntermediateOrdered, Lot, Money, PolicyAdopted,
    QuotaAssigned, QuotaOrdered, RootOrdered,
};
use crate::domain::policy::Policy;
use crate::domain::{CaId, Event, LotId, OrderId};

/// Building what has happened. Each step fails the test that tells it where it makes no sense.
impl Story {
    /// An empty log at the beginning of 2026.
    #[must_use]
    pub fn new() -> Self {
        Self {
            world: World::default(),
            head: Head::GENESIS,
            log: Vec::new(),
            events: Vec::new(),
            keys: HashMap::new(),
            asked_for: HashMap::new(),
            brought: BTreeMap::new(),
            now: Timestamp::from_secs(1_767_225_600),
            actor: "story".into(),
            commits: 0,
            roots: Vec::new(),
            intermediates: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// An ECC root with its bundled intermediate, both enabled, and some units assigned.
    #[must_use]
    pub fn issuing(units: u64) -> Self {
        Self::new().founded().root_bought().root_enabled().intermediate_enabled().assigned(units)
    }

    /// What follows happens at this time.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> Self {
        self.now = time;
        self
    }

    /// What follows happens this many seconds later.
    #[must_use]
    pub fn later(self, seconds: i64) -> Self {
        let time = self.now.plus_secs(seconds);
        self.at(time)
    }

    /// What follows happens this many days of 24 hours later.
    #[must_use]
    pub fn days_later(self, days: i64) -> Self {
        self.later(days.saturating_mul(86_400))
    }

    /// What follows is done by this actor.
    #[must_use]
    pub fn by(mut self, actor: &str) -> Self {
        self.actor = actor.into();
        self
    }

    /// The log was opened for an enterprise with the default policy.
    #[must_use]
    pub fn founded(self) -> Self {
        self.and(EnterpriseFounded { name: Some("Example".into()), rehearsal: false })
            .and(PolicyAdopted { policy: Policy::default() })
    }

    /// A policy came into force.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        self.and(PolicyAdopted { policy })
    }

    /// An ECC root was bought, with its intermediate and the policy's free quota, for a term of five years.
    #[must_use]
    pub fn root_bought(self) -> Self {
        self.root_bought_of(Family::Ecc)
    }

    /// A root of a family was bought, as with [`root_bought`](Self::root_bought).
    #[must_use]
    pub fn root_bought_of(mut self, family: Family) -> Self {
        let commit = self.next_commit();
        let (root, intermediate) = (CaId::derive(&commit, 0), CaId::derive(&commit, 1));
        let order = OrderId::derive(&commit, 0);
        let policy = self.policy_in_force();
        let free = (policy.free_certificates > 0).then(|| Lot {
            id: LotId::derive(&commit, 0),
            free: true,
            units: policy.free_certificates.into(),
            expires: policy.free_quota_days.map(|days| self.now.plus_secs(i64::from(days) * 86_400)),
        });
        self.roots.push(root.clone());
        self.intermediates.push(intermediate.clone());
        self.orders.push(order.clone());
        let term_ends = self.now.plus_secs(5 * 365 * 86_400);
        self.and(RootOrdered { order, root, intermediate, family, free, paid: nothing(), term_ends })
    }

    /// A further intermediate was bought for the newest root.
    #[must_use]
    pub fn intermediate_bought(mut self) -> Self {
        let commit = self.next_commit();
        let (order, intermediate) = (OrderId::derive(&commit, 0), CaId::derive(&commit, 0));
        let root = self.root();
        let family = self.ca(&root).bought().map_or(Family::Ecc, |bought| bought.family);
        self.intermediates.push(intermediate.clone());
        self.orders.push(order.clone());
        let term_ends = self.now.plus_secs(5 * 365 * 86_400);
        self.and(IntermediateOrdered { order, root, intermediate, family, paid: nothing(), term_ends })
    }

    /// Quota was bought for the newest root.
    #[must_use]
    pub fn quota_bought(mut self, units: u64) -> Self {
        let commit = self.next_commit();
        let order = OrderId::derive(&commit, 0);
        let lot = Lot { id: LotId::derive(&commit, 0), free: false, units, expires: None };
        self.orders.push(order.clone());
        let root = self.root();
        self.and(QuotaOrdered { order, root, lot, paid: nothing() })
    }

    /// The newest root was enabled for ten years, with a P-256 or RSA-2048 key.
    #[must_use]
    pub fn root_enabled(self) -> Self {
        let ca = self.root();
        self.enabled(&ca, None, 10)
    }

    /// The newest intermediate was enabled for five years, with a P-256 or RSA-2048 key.
    #[must_use]
    pub fn intermediate_enabled(self) -> Self {
        let ca = self.intermediate();
        self.enabled(&ca, None, 5)
    }

    /// A CA was enabled: the platform made a key and a certificate that is valid for some calendar years.
    #[must_use]
    pub fn enabled(self, ca: &CaId, algorithm: Option<Algorithm>, years: u32) -> Self {
        let not_before = self.now.floor_to_second();
        match Validity::for_years(not_before, years) {
            Ok(validity) => self.enabled_for(ca, algorithm, validity),
            Err(error) => panic!("{error}"),
        }
    }

    /// A CA was enabled with exactly this validity.
    #[must_use]
    pub fn enabled_for(mut self, ca: &CaId, algorithm: Option<Algorithm>, validity: Validity) -> Self {
        let commit = self.next_commit();
        let state = self.ca(ca).clone();
        let Some(bought) = state.bought() else { panic!("{ca} was not bought") };
        let algorithm = algorithm.unwrap_or(match bought.family {
            Family::Rsa => Algorithm::Rsa2048,
            _ => Algorithm::EcdsaP256,
        });
        let key = KeyId::derive(&commit, 0);
        let public_key = self.generate(&key, algorithm);
        let title = if state.is_root() { "Root" } else { "Intermediate" };
        let subject = SubjectFields {
            organization: Some("Example".into()),
            ..SubjectFields::common(format!("{title} {ca} {}", state.next_generation()))
        };
        let subject = name_of(&subject);
        let serial = self.context_of(commit).serial(0);
        let path_length = (!state.is_root()).then_some(0);
        let tbs = CaCertificate {
            serial,
            validity,
            subject: &subject,
            public_key: &public_key,
            path_length,
            name_constraints: None,
        };
        let (tbs, signer, issuer) = match state.root() {
            None => (tbs.root_tbs(), key.clone(), subject.clone()),
            Some(root) => {
                let root = self.generation(root);
                let issuer = issuer_of(root);
                let name = issuer.name().clone();
                (tbs.intermediate_tbs(&issuer, &AuthorityUrls::default()), root.key.clone(), name)
            }
        };
        let (signature, algorithm_of_signer) = self.sign_with(&signer, &tbs);
        let enabled = CaEnabled {
            ca: ca.clone(),
            generation: state.next_generation(),
            mode: EnableMode::Created,
            certificate: assemble(&tbs, algorithm_of_signer, &signature).into(),
            id: CertificateId::new(issuer.issuer_hash(), serial),
            subject_hash: subject.issuer_hash(),
            name_hash: subject.folded_hash(),
            key,
            spki: public_key.digest(),
            algorithm: Some(algorithm),
            not_before: validity.not_before(),
            not_after: validity.not_after(),
            addresses: Addresses::default(),
            carried_crl: None,
        };
        self.and(enabled)
    }

    /// A CA was enabled with a key and a certificate from elsewhere; whether the rules allow that is not looked at.
    #[must_use]
    pub fn uploaded(mut self, ca: &CaId, private_key: PrivateKey, certificate: &[u8]) -> Self {
        let commit = self.next_commit();
        let parsed = match ParsedCertificate::from_der(certificate) {
            Ok(parsed) => parsed,
            Err(error) => panic!("{error}"),
        };
        let Ok(id) = parsed.id() else { panic!("the serial number is not allowed") };
        let key = KeyId::derive(&commit, 0);
        let public_key = private_key.public_key().clone();
        self.keys.insert(key.clone(), private_key);
        let enabled = CaEnabled {
            ca: ca.clone(),
            generation: self.ca(ca).next_generation(),
            mode: EnableMode::Uploaded { accepted: Vec::new(), warned: Vec::new() },
            certificate: certificate.into(),
            id,
            subject_hash: parsed.subject().issuer_hash(),
            name_hash: parsed.subject().folded_hash(),
            key,
            spki: public_key.digest(),
            algorithm: public_key.algorithm(),
            not_before: parsed.not_before(),
            not_after: parsed.not_after(),
            addresses: Addresses::default(),
            carried_crl: None,
        };
        self.and(enabled)
    }

    /// A CA was reset for this reason: what it issued has ended.
    #[must_use]
    pub fn reset(self, ca: &CaId, reason: RevocationReason) -> Self {
        let end = self.end_of(ca, reason);
        self.and(CaReset { end })
    }

    /// Units went from the newest root's pool to the newest intermediate; what the pool lacks is bought before.
    #[must_use]
    pub fn assigned(mut self, units: u64) -> Self {
        let root = self.root();
        let missing = units.saturating_sub(self.quota(&root).available(self.now));
        if missing > 0 {
            self = self.quota_bought(missing);
        }
        let pool = self.quota(&root);
        let Some(lots) = pool.take(self.now, units) else { panic!("the pool holds less than {units}") };
        let remaining = pool.available(self.now) - units;
        let intermediate = self.intermediate();
        self.and(QuotaAssigned { root, intermediate, lots, remaining })
    }

    /// This happened, too, in a commit of its own.
    #[must_use]
    pub fn and(mut self, event: impl Into<Event>) -> Self {
        self.happen(&[event.into()]);
        self
    }
}

fn nothing() -> Money {
    Money { minor_units: 0, currency: String::new() }
}
