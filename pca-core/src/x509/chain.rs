//! The path check before anything is signed (rule I6): what a relying party would find wrong later is refused now.

use const_oid::ObjectIdentifier;

use super::constraints::{ConstraintViolation, NameConstraints, NestingViolation};
use super::name::DistinguishedName;
use super::oid;
use super::parsed::ParsedCertificate;
use super::profile::{ProfileDefinition, ProfileName, in_words};
use super::san::GeneralName;
use super::signature::SignatureAlgorithmError;
use super::usage::KeyUsage;
use super::validity::Validity;
use crate::keys::{Family, PublicKeyError};
use crate::log::Timestamp;

/// A certificate that is about to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Planned<'a> {
    /// What it will be.
    pub role: PlannedRole<'a>,
    /// How long it will be valid.
    pub validity: Validity,
    /// The family of its key.
    pub family: Family,
    /// Its subject.
    pub subject: &'a DistinguishedName,
    /// Its alternative names.
    pub names: &'a [GeneralName],
}

/// What a certificate that is about to be signed will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlannedRole<'a> {
    /// An end entity.
    EndEntity {
        /// What for.
        profile: &'a ProfileDefinition,
    },
    /// An intermediate.
    Intermediate {
        /// Its path length.
        path_length: Option<u8>,
        /// The names under which it may issue.
        name_constraints: Option<&'a NameConstraints>,
    },
}

/// Checks a planned certificate against the path of its issuers, from the root down (rule I6): names chain, everybody
/// above is a CA that may sign certificates, path length (C6), validity (C5), family (O3), extended key usage and name
/// constraints nest, and the keys and signatures above are strong enough. Signatures were verified when the issuers' certificates were made or uploaded.
///
/// Every violation is returned; an empty list means that the path is good.
#[must_use]
pub fn check_path(issuers: &[&ParsedCertificate], planned: &Planned<'_>) -> Vec<PathViolation> {
    let mut violations = Vec::new();
    let Some(root) = issuers.first() else { return vec![PathViolation::NoIssuer] };
    for (upper, lower) in issuers.iter().zip(issuers.iter().skip(1)) {
        if upper.subject() != lower.issuer() {
            violations.push(PathViolation::NamesDoNotChain {
                issuer: upper.subject().clone(),
                named: lower.issuer().clone(),
            });
        }
    }
    if let Ok(key) = root.public_key()
        && key.family() != planned.family
    {
        violations.push(PathViolation::Family { expected: key.family(), found: planned.family });
    }
    for (depth, issuer) in issuers.iter().enumerate() {
        if let Err(error) = issuer.public_key() {
            violations.push(PathViolation::IssuerKey { issuer: issuer.subject().clone(), error: error.clone() });
        }
        // Nobody asks how a trust anchor signed itself (rule C3).
        if let (true, Err(error)) = (depth > 0, issuer.signature_algorithm()) {
            violations.push(PathViolation::IssuerSignature { issuer: issuer.subject().clone(), error: error.clone() });
        }
        check_issuer(issuer, issuers.len() - depth - 1, planned, &mut violations);
    }
    violations
}

/// How a validity that does not fit is dealt with (rule C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fit {
    /// It is refused.
    Refuse,
    /// Its end is moved to the binding limit.
    Clamp,
}

/// Fits a validity to its issuers and to `policy.max_validity` in seconds (rule C5): the beginning is raised to the
/// issuers' without asking; an end that does not fit is refused, or shortened if so asked.
///
/// # Errors
/// Every limit that it breaks; also where shortening would leave a certificate that has expired already at `now`.
pub fn fit_validity(
    asked: Validity,
    issuers: &[&ParsedCertificate],
    max_seconds: Option<i64>,
    fit: Fit,
    now: Timestamp,
) -> Result<Validity, Vec<PathViolation>> {
    let not_before = issuers.iter().map(|issuer| issuer.not_before()).fold(asked.not_before(), Timestamp::max);
    let limits = issuers
        .iter()
        .map(|issuer| (ValidityLimit::Issuer { subject: issuer.subject().clone() }, issuer.not_after()))
        .chain(max_seconds.map(|seconds| (ValidityLimit::Policy { seconds }, not_before.plus_secs(seconds - 1))));
    let mut violations = Vec::new();
    let mut not_after = asked.not_after();
    for (limit, latest) in limits {
        let breaks = asked.not_after() > latest;
        if breaks && (fit == Fit::Refuse || latest < now.floor_to_second() || latest < not_before) {
            violations.push(PathViolation::Validity { asked: asked.not_after(), latest, limit });
        }
        not_after = not_after.min(latest);
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    Validity::new(not_before, not_after)
        .map_err(|_| vec![PathViolation::NotYetIssuing { asked: asked.not_after(), not_before }])
}

/// What limits a validity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidityLimit {
    /// A certificate above.
    #[error("`{subject}`")]
    Issuer {
        /// Its subject.
        subject: DistinguishedName,
    },
    /// `policy.max_validity`.
    #[error("the policy's longest validity of {seconds} seconds")]
    Policy {
        /// How long.
        seconds: i64,
    },
}

/// What is wrong with the path of a planned certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathViolation {
    /// Nobody would issue it.
    #[error("there is no issuer")]
    NoIssuer,
    /// It would end too late.
    #[error("the validity would end at {asked}; {limit} ends it at {latest}")]
    Validity {
        /// The end that was asked for.
        asked: Timestamp,
        /// The latest end that is allowed.
        latest: Timestamp,
        /// What limits it.
        limit: ValidityLimit,
    },
    /// It would begin before its issuer.
    #[error("the validity would begin at {asked}; the issuer `{issuer}` begins at {earliest}")]
    BeginsBeforeIssuer {
        /// The beginning that was asked for.
        asked: Timestamp,
        /// The earliest beginning that is allowed.
        earliest: Timestamp,
        /// The issuer's subject.
        issuer: DistinguishedName,
    },
    /// It would end before the issuer's validity begins.
    #[error("the validity would end at {asked}, before the issuer's begins at {not_before}")]
    NotYetIssuing {
        /// The end that was asked for.
        asked: Timestamp,
        /// The beginning of the issuer's validity.
        not_before: Timestamp,
    },
    /// No room in the path length.
    #[error("`{issuer}` allows {allowed} CAs below it; there would be {needed}")]
    PathLength {
        /// The issuer's subject.
        issuer: DistinguishedName,
        /// How many it allows.
        allowed: u32,
        /// How many there would be.
        needed: usize,
    },
    /// An issuer that is no CA.
    #[error("`{issuer}` is no CA")]
    NotACa {
        /// Its subject.
        issuer: DistinguishedName,
    },
    /// An issuer whose key the platform does not accept: too weak, or of a kind that it does not know.
    #[error("the key of `{issuer}` is not accepted: {error}")]
    IssuerKey {
        /// Its subject.
        issuer: DistinguishedName,
        /// What is wrong with the key.
        error: PublicKeyError,
    },
    /// An issuer's certificate that was signed in a way that the platform does not accept, such as with SHA-1.
    #[error("the certificate of `{issuer}` is not accepted: {error}")]
    IssuerSignature {
        /// Its subject.
        issuer: DistinguishedName,
        /// What is wrong with the signature's algorithm.
        error: SignatureAlgorithmError,
    },
    /// An issuer that may not sign certificates.
    #[error("the key usage of `{issuer}` lacks keyCertSign")]
    MayNotSign {
        /// Its subject.
        issuer: DistinguishedName,
    },
    /// Two certificates of the path do not follow each other.
    #[error("`{issuer}` is followed by a certificate that names `{named}` as its issuer")]
    NamesDoNotChain {
        /// The upper one's subject.
        issuer: DistinguishedName,
        /// The issuer that the lower one names.
        named: DistinguishedName,
    },
    /// Another family.
    #[error("the key is of the family {found}; everything below this root is of the family {expected}")]
    Family {
        /// The root's family.
        expected: Family,
        /// The family of the key.
        found: Family,
    },
    /// A purpose that a CA above does not allow.
    #[error("the extended key usage of `{issuer}` does not allow the purpose {}", in_words(purpose))]
    Purpose {
        /// The CA's subject.
        issuer: DistinguishedName,
        /// The purpose.
        purpose: ObjectIdentifier,
    },
    /// No purpose named, which is every purpose, below a CA that does not allow every one.
    #[error(
        "a {profile} certificate has no extended key usage, which is good for every purpose; that of `{issuer}` allows only {allowed}"
    )]
    EveryPurpose {
        /// The CA's subject.
        issuer: DistinguishedName,
        /// The profile.
        profile: ProfileName,
        /// The purposes that the CA allows.
        allowed: String,
    },
    /// Name constraints that reach beyond those of a CA above.
    #[error("by the name constraints of `{issuer}`, {violation}")]
    ConstraintsBeyond {
        /// The CA's subject.
        issuer: DistinguishedName,
        /// What reaches beyond, and beyond what.
        violation: NestingViolation,
    },
    /// A name that a CA above does not allow.
    #[error("by the name constraints of `{issuer}`, {violation}")]
    NameConstraint {
        /// The CA's subject.
        issuer: DistinguishedName,
        /// The name and why not.
        violation: ConstraintViolation,
    },
}

impl PathViolation {
    /// The rule that would be broken.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Validity { .. } | Self::BeginsBeforeIssuer { .. } | Self::NotYetIssuing { .. } => "C5",
            Self::PathLength { .. } | Self::NameConstraint { .. } | Self::ConstraintsBeyond { .. } => "C6",
            Self::Family { .. } => "O3",
            _ => "I6",
        }
    }
}

/// `below` counts the CAs between this issuer and the planned certificate.
fn check_issuer(issuer: &ParsedCertificate, below: usize, planned: &Planned<'_>, violations: &mut Vec<PathViolation>) {
    let extensions = issuer.extensions();
    let subject = || issuer.subject().clone();
    if !extensions.is_ca() {
        violations.push(PathViolation::NotACa { issuer: subject() });
    }
    if extensions.key_usage.is_some_and(|usage| !usage.contains(KeyUsage::KEY_CERT_SIGN)) {
        violations.push(PathViolation::MayNotSign { issuer: subject() });
    }
    let needed = match planned.role {
        PlannedRole::EndEntity { .. } => below,
        PlannedRole::Intermediate { .. } => below + 1,
    };
    if let Some(allowed) = extensions.basic_constraints.and_then(|constraints| constraints.path_length)
        && usize::try_from(allowed).is_ok_and(|allowed| needed > allowed)
    {
        violations.push(PathViolation::PathLength { issuer: subject(), allowed, needed });
    }
    if planned.validity.not_after() > issuer.not_after() {
        violations.push(PathViolation::Validity {
            asked: planned.validity.not_after(),
            latest: issuer.not_after(),
            limit: ValidityLimit::Issuer { subject: subject() },
        });
    }
    if planned.validity.not_before() < issuer.not_before() {
        violations.push(PathViolation::BeginsBeforeIssuer {
            asked: planned.validity.not_before(),
            earliest: issuer.not_before(),
            issuer: subject(),
        });
    }
    if let (PlannedRole::EndEntity { profile }, Some(allowed)) = (planned.role, &extensions.extended_key_usage)
        && !allowed.contains(&oid::ANY_EXTENDED_KEY_USAGE)
    {
        let beyond = profile.purposes().iter().filter(|purpose| !allowed.contains(purpose));
        violations.extend(beyond.map(|purpose| PathViolation::Purpose { issuer: subject(), purpose: *purpose }));
        if profile.purposes().is_empty() {
            let allowed = allowed.iter().map(in_words).collect::<Vec<_>>().join(", ");
            violations.push(PathViolation::EveryPurpose { issuer: subject(), profile: profile.name, allowed });
        }
    }
    if let Some(constraints) = &extensions.name_constraints {
        violations.extend(
            constraints
                .violations(planned.subject, planned.names)
                .into_iter()
                .map(|violation| PathViolation::NameConstraint { issuer: subject(), violation }),
        );
        if let PlannedRole::Intermediate { name_constraints: Some(own), .. } = planned.role {
            let beyond = own.beyond(constraints).into_iter();
            violations
                .extend(beyond.map(|violation| PathViolation::ConstraintsBeyond { issuer: subject(), violation }));
        }
    }
}
