//! Name constraints (RFC 5280 section 4.2.1.10), as a CA certificate carries them and as a relying party applies them.

mod subtree;

pub use subtree::{Subtree, SubtreeError};

use core::net::IpAddr;

use super::der::{self, DerError, Malformed, Reader, tag};
use super::host::looks_like_dns_name;
use super::name::DistinguishedName;
use super::san::{GeneralName, NameKind};

/// The names under which a CA may issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameConstraints {
    der: Vec<u8>,
    permitted: Vec<Subtree>,
    excluded: Vec<Subtree>,
}

/// The most subtrees that a CA made here has, permitted and excluded (rule G4).
pub const MAX_SUBTREES: usize = 100;

impl NameConstraints {
    /// Constraints to be written into a CA certificate (rule C6). Once anything is permitted, the kinds of which nothing is
    /// permitted are excluded as a whole where that can be written: DNS names by the empty name, IP addresses by
    /// 0.0.0.0/0 and ::/0, as the CA/Browser Forum writes it. Relying parties would let them pass otherwise.
    ///
    /// # Errors
    /// [`ConstraintsError`] if there is nothing to write, or more than [`MAX_SUBTREES`], or a permitted subtree lies in an
    /// excluded one.
    pub fn new(permitted: Vec<Subtree>, excluded: Vec<Subtree>) -> Result<Self, Vec<ConstraintsError>> {
        let count = permitted.len() + excluded.len();
        if count == 0 || count > MAX_SUBTREES {
            return Err(vec![ConstraintsError::Count { count }]);
        }
        let errors: Vec<ConstraintsError> = permitted
            .iter()
            .filter_map(|own| {
                let hidden_by = excluded.iter().find(|excluded| own.is_within(excluded))?;
                Some(ConstraintsError::Hidden { permitted: own.to_string(), excluded: hidden_by.to_string() })
            })
            .collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut all_excluded = distinct(excluded);
        let permitted = distinct(permitted);
        if !permitted.is_empty() {
            // One version of IP addresses is no kind of its own: RFC 5280 lets an address of the other one pass no
            // permission, and Java 17 fails over an exclusion of one version when it meets an address of the other.
            for kind in [NameKind::Dns, NameKind::Ip] {
                if !permitted.iter().any(|subtree| subtree.kind() == kind) {
                    all_excluded.retain(|subtree| subtree.kind() != kind);
                    all_excluded.extend(Subtree::all_of(kind));
                }
            }
        }
        let der = der::encode(|w| {
            w.nested(tag::SEQUENCE, |w| {
                for (number, list) in [(0, &permitted), (1, &all_excluded)] {
                    if !list.is_empty() {
                        w.nested(tag::context_constructed(number), |w| {
                            list.iter().for_each(|subtree| subtree.write(w))
                        });
                    }
                }
            });
        });
        Ok(Self { der, permitted, excluded: all_excluded })
    }

    /// What is permitted; where that is nothing, everything is that is not excluded.
    #[must_use]
    pub fn permitted(&self) -> &[Subtree] {
        &self.permitted
    }

    /// What is excluded.
    #[must_use]
    pub fn excluded(&self) -> &[Subtree] {
        &self.excluded
    }

    /// What is permitted here and not above: a CA below would be told that it may issue what no relying party accepts.
    #[must_use]
    pub fn beyond(&self, above: &Self) -> Vec<NestingViolation> {
        let judge = |own: &Subtree| {
            let mut same_kind = above.permitted.iter().filter(|subtree| subtree.kind() == own.kind()).peekable();
            let breach = if above.excluded.iter().any(|excluded| own.is_within(excluded)) {
                ConstraintBreach::Excluded
            } else if same_kind.peek().is_some() {
                if same_kind.any(|subtree| own.is_within(subtree)) {
                    return None;
                }
                ConstraintBreach::NotPermitted
            } else if above.permitted.is_empty() || own.kind() == NameKind::Directory {
                return None;
            } else {
                ConstraintBreach::KindNotPermitted
            };
            Some(NestingViolation { subtree: own.to_string(), breach })
        };
        self.permitted.iter().filter_map(judge).collect()
    }

    /// Reads the extension's value.
    ///
    /// # Errors
    /// [`DerError`] if it breaks its syntax, or has the minimum or maximum that RFC 5280 forbids.
    pub fn from_der(octets: &[u8]) -> Result<Self, DerError> {
        let mut reader = Reader::new(der::single(octets, tag::SEQUENCE)?.content);
        let permitted = read_subtrees(reader.optional(tag::context_constructed(0))?)?;
        let excluded = read_subtrees(reader.optional(tag::context_constructed(1))?)?;
        reader.end()?;
        Ok(Self { der: octets.to_vec(), permitted, excluded })
    }

    /// The extension's value.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Every name of a planned certificate that is not permitted (rule C6), which is narrower than RFC 5280: once any
    /// subtree is permitted, names of a kind that has none are refused; a common name that reads like a DNS name counts as
    /// one, and a wildcard that could match an excluded name counts as excluded.
    ///
    /// The subject as a whole is a name of the kind *directory name*. As every certificate may need one, it is measured by
    /// directory names only: where none is permitted or excluded, any subject will do.
    #[must_use]
    pub fn violations(&self, subject: &DistinguishedName, names: &[GeneralName]) -> Vec<ConstraintViolation> {
        let mut all: Vec<Candidate<'_>> = Vec::new();
        if !subject.is_empty() {
            all.push(Candidate::Directory(subject));
        }
        let common_name =
            subject.common_name().filter(|name| looks_like_dns_name(name) || name.parse::<IpAddr>().is_ok());
        if let Some(name) = &common_name {
            all.push(match name.parse() {
                Ok(address) => Candidate::Ip(address),
                Err(_) => Candidate::Dns(name),
            });
        }
        let addresses = subject.email_addresses();
        all.extend(addresses.iter().map(|address| Candidate::Email(address)));
        all.extend(names.iter().map(|name| match name {
            GeneralName::Dns(name) => Candidate::Dns(name.as_str()),
            GeneralName::Ip(address) => Candidate::Ip(*address),
            GeneralName::Email(address) => Candidate::Email(address.as_str()),
            GeneralName::Uri(uri) => Candidate::Uri(uri.as_str(), uri.host()),
            other @ GeneralName::Other { .. } => Candidate::Other(other),
        }));
        all.into_iter().filter_map(|candidate| self.judge(&candidate)).collect()
    }

    fn judge(&self, candidate: &Candidate<'_>) -> Option<ConstraintViolation> {
        let mut same_kind = self.permitted.iter().filter(|subtree| subtree.concerns(candidate)).peekable();
        let other_kinds_only =
            same_kind.peek().is_none() && !self.permitted.is_empty() && candidate.kind() != NameKind::Directory;
        let breach = if other_kinds_only {
            ConstraintBreach::KindNotPermitted
        } else if self.excluded.iter().any(|subtree| subtree.may_hold(candidate)) {
            ConstraintBreach::Excluded
        } else if same_kind.peek().is_none() || same_kind.any(|subtree| subtree.holds(candidate)) {
            return None;
        } else {
            ConstraintBreach::NotPermitted
        };
        Some(ConstraintViolation { name: candidate.text(), kind: candidate.kind(), breach })
    }
}

/// A name that a CA may not certify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {kind} `{name}` {breach}")]
pub struct ConstraintViolation {
    /// The name.
    pub name: String,
    /// Its kind.
    pub kind: NameKind,
    /// Why not.
    pub breach: ConstraintBreach,
}

/// Why a CA may not certify a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintBreach {
    /// It lies in a subtree that is excluded, or could match a name that does.
    #[error("is, or could match, a name that is excluded")]
    Excluded,
    /// It lies in none of the subtrees of its kind that are permitted.
    #[error("is not among the names that are permitted")]
    NotPermitted,
    /// Names of other kinds are permitted, and none of its own.
    #[error("is of a kind of which no name is permitted, while names of other kinds are")]
    KindNotPermitted,
}

/// A subtree that is permitted to a CA and not to the one above it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the permitted subtree `{subtree}` {breach}")]
pub struct NestingViolation {
    /// The subtree.
    pub subtree: String,
    /// Why it cannot be permitted.
    pub breach: ConstraintBreach,
}

/// Why subtrees do not make name constraints (rule C6).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintsError {
    /// None, or too many.
    #[error("{count} subtrees of names are given; 1 to {MAX_SUBTREES} make name constraints")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// A permission without effect.
    #[error(
        "the permitted subtree `{permitted}` lies in the excluded subtree `{excluded}`, so that it permits nothing"
    )]
    Hidden {
        /// What is permitted.
        permitted: String,
        /// What is excluded.
        excluded: String,
    },
}

impl ConstraintsError {
    /// The rule that is broken.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Count { count } if *count > MAX_SUBTREES => "G4",
            _ => "C6",
        }
    }
}

fn distinct(subtrees: Vec<Subtree>) -> Vec<Subtree> {
    let mut all: Vec<Subtree> = Vec::with_capacity(subtrees.len());
    for subtree in subtrees {
        if !all.contains(&subtree) {
            all.push(subtree);
        }
    }
    all
}

enum Candidate<'a> {
    Dns(&'a str),
    Email(&'a str),
    /// The whole and its host.
    Uri(&'a str, &'a str),
    Ip(IpAddr),
    Directory(&'a DistinguishedName),
    /// A kind that cannot be judged.
    Other(&'a GeneralName),
}

impl Candidate<'_> {
    fn text(&self) -> String {
        match self {
            Self::Dns(text) | Self::Email(text) | Self::Uri(text, _) => (*text).to_owned(),
            Self::Ip(address) => address.to_string(),
            Self::Directory(name) => name.to_string(),
            Self::Other(name) => name.to_string(),
        }
    }

    const fn kind(&self) -> NameKind {
        match self {
            Self::Dns(_) => NameKind::Dns,
            Self::Email(_) => NameKind::Email,
            Self::Uri(..) => NameKind::Uri,
            Self::Ip(_) => NameKind::Ip,
            Self::Directory(_) => NameKind::Directory,
            Self::Other(_) => NameKind::Other,
        }
    }
}

impl Subtree {
    const fn concerns(&self, candidate: &Candidate<'_>) -> bool {
        matches!(
            (self, candidate),
            (Self::Dns(_), Candidate::Dns(_))
                | (Self::Email(_), Candidate::Email(_))
                | (Self::Uri(_), Candidate::Uri(..))
                | (Self::Ip { .. }, Candidate::Ip(_))
                | (Self::Directory(_), Candidate::Directory(_))
        )
    }

    /// Whether the name certainly lies in the subtree: what a permission needs.
    fn holds(&self, candidate: &Candidate<'_>) -> bool {
        match (self, candidate) {
            (Self::Dns(base), Candidate::Dns(name)) => {
                dns_within(name.strip_prefix("*.").unwrap_or(name), base, name.starts_with("*."))
            }
            (Self::Email(base), Candidate::Email(address)) => email_within(address, base),
            (Self::Uri(base), Candidate::Uri(_, host)) => is_host_name(host) && host_within(host, base),
            (Self::Ip { network, mask }, Candidate::Ip(address)) => ip_within(*address, network, mask),
            (Self::Directory(base), Candidate::Directory(name)) => {
                base.relative_names().iter().zip(name.relative_names()).filter(|(a, b)| **a == *b).count()
                    == base.relative_names().len()
            }
            _ => false,
        }
    }

    /// Whether the name could lie in the subtree, read as widely as anybody would: what an exclusion needs.
    fn may_hold(&self, candidate: &Candidate<'_>) -> bool {
        match (self, candidate) {
            (Self::Dns(base), Candidate::Dns(name)) => match name.strip_prefix("*.") {
                Some(host) => {
                    let plain = base.strip_prefix('.').unwrap_or(base);
                    dns_within(host, plain, false) || dns_within(plain, host, false)
                }
                None => dns_within(name, base.strip_prefix('.').unwrap_or(base), false),
            },
            // A URI whose host is no name cannot be judged.
            (Self::Uri(base), Candidate::Uri(_, host)) => !is_host_name(host) || host_within(host, base),
            (Self::Directory(base), Candidate::Directory(name)) => {
                let (base, name) = (base.folded_relative_names(), name.folded_relative_names());
                name.starts_with(&base)
            }
            _ => self.holds(candidate),
        }
    }
}

/// Whether a name is the base or ends with it, label by label. An empty base holds every name. A base with a leading
/// dot holds names below only, among which a wildcard's are.
fn dns_within(name: &str, base: &str, below: bool) -> bool {
    let (name, base) = (name.to_ascii_lowercase(), base.to_ascii_lowercase());
    match base.strip_prefix('.') {
        Some(parent) => name.ends_with(&base) || (below && name == parent),
        None => base.is_empty() || name == base || name.strip_suffix(&base).is_some_and(|head| head.ends_with('.')),
    }
}

/// A host exactly, or any host below a domain that begins with a dot.
fn host_within(host: &str, base: &str) -> bool {
    let (host, base) = (host.to_ascii_lowercase(), base.to_ascii_lowercase());
    if base.starts_with('.') { host.ends_with(&base) } else { base.is_empty() || host == base }
}

fn email_within(address: &str, base: &str) -> bool {
    let Some((local, host)) = address.rsplit_once('@') else { return false };
    match base.rsplit_once('@') {
        Some((user, domain)) => user == local && domain.eq_ignore_ascii_case(host),
        None => host_within(host, base),
    }
}

fn is_host_name(host: &str) -> bool {
    !host.starts_with('[') && host.parse::<IpAddr>().is_err()
}

fn ip_within(address: IpAddr, network: &[u8], mask: &[u8]) -> bool {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets.len() == network.len()
        && octets.iter().zip(network).zip(mask).all(|((octet, network), mask)| octet & mask == network & mask)
}

fn read_subtrees(list: Option<der::Tlv<'_>>) -> Result<Vec<Subtree>, DerError> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let bad = DerError::Malformed { what: Malformed::Extension };
    let mut subtrees = Vec::new();
    let mut reader = Reader::new(list.content);
    while !reader.is_empty() {
        let mut subtree = Reader::new(reader.expect(tag::SEQUENCE)?.content);
        let base = subtree.any()?;
        subtree.end()?;
        let text = || String::from_utf8(base.content.to_vec()).ok().filter(|text| text.is_ascii()).ok_or(bad.clone());
        subtrees.push(match base.tag {
            0x81 => Subtree::Email(text()?),
            0x82 => Subtree::Dns(text()?),
            0x86 => Subtree::Uri(text()?),
            0x87 => match base.content.len() {
                length @ (8 | 32) => {
                    let (network, mask) = base.content.split_at_checked(length / 2).ok_or(bad.clone())?;
                    Subtree::Ip { network: network.to_vec(), mask: mask.to_vec() }
                }
                _ => return Err(bad),
            },
            0xa4 => Subtree::Directory(DistinguishedName::from_der(base.content)?),
            _ => Subtree::Other,
        });
    }
    if subtrees.is_empty() { Err(bad) } else { Ok(subtrees) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::x509::{CommonName, SubjectFields, Wildcards};

    fn constraints(permitted: &[(u8, &[u8])], excluded: &[(u8, &[u8])]) -> NameConstraints {
        let octets = der::encode(|w| {
            w.nested(tag::SEQUENCE, |w| {
                for (number, list) in [(0, permitted), (1, excluded)] {
                    if !list.is_empty() {
                        w.nested(tag::context_constructed(number), |w| {
                            for (kind, content) in list {
                                w.nested(tag::SEQUENCE, |w| w.value(*kind, content));
                            }
                        });
                    }
                }
            });
        });
        NameConstraints::from_der(&octets).unwrap()
    }

    #[track_caller]
    fn check(constraints: &NameConstraints, name: GeneralName, fits: bool) {
        let violations = constraints.violations(&DistinguishedName::empty(), std::slice::from_ref(&name));
        assert_eq!(violations.is_empty(), fits, "{name}: {violations:?}");
    }

    fn dns(text: &str) -> GeneralName {
        GeneralName::dns(text, Wildcards::Wide).unwrap()
    }

    #[test]
    fn c6_dns_names_lie_below_their_base() {
        let permitted = constraints(&[(0x82, b"oa.example")], &[]);
        for (name, fits) in [
            ("oa.example", true),
            ("a.b.OA.example", true),
            ("*.oa.example", true),
            ("xoa.example", false),
            ("example", false),
            ("*.example", false),
        ] {
            check(&permitted, dns(name), fits);
        }
        let below = constraints(&[(0x82, b".oa.example")], &[]);
        check(&below, dns("a.oa.example"), true);
        check(&below, dns("oa.example"), false);
        check(&below, dns("*.oa.example"), true);
    }

    #[test]
    fn c6_a_wildcard_that_could_match_an_excluded_name_is_refused() {
        let excluded = constraints(&[], &[(0x82, b"secret.example")]);
        for (name, fits) in [
            ("secret.example", false),
            ("a.secret.example", false),
            ("*.secret.example", false),
            ("*.example", false),
            ("open.example", true),
            ("*.open.example", true),
        ] {
            check(&excluded, dns(name), fits);
        }
    }

    #[test]
    fn c6_once_anything_is_permitted_every_other_kind_is_refused() {
        let names = [
            dns("a.oa.example"),
            GeneralName::ip("10.0.0.1").unwrap(),
            GeneralName::email("a@oa.example").unwrap(),
            GeneralName::uri("https://a.oa.example/").unwrap(),
            GeneralName::Other { tag: 0x88, content: vec![42, 3] },
        ];
        let acme = SubjectFields { organization: Some("Acme".into()), ..SubjectFields::default() };
        let acme = acme.to_name(CommonName::Optional).unwrap();
        let subtrees: [(u8, &[u8]); 6] = [
            (0x82, b"oa.example"),
            (0x87, &[10, 0, 0, 0, 255, 0, 0, 0]),
            (0x81, b"oa.example"),
            (0x86, b".oa.example"),
            (0x88, &[42]),
            (0xa4, acme.der()),
        ];
        for (at, subtree) in subtrees.into_iter().enumerate() {
            let permitted = constraints(&[subtree], &[]);
            let told: Vec<_> = permitted.violations(&acme, &names).into_iter().map(|v| (v.kind, v.breach)).collect();
            let mut expected: Vec<_> =
                names.iter().map(|name| (name.kind(), ConstraintBreach::KindNotPermitted)).collect();
            // What is of an unknown kind can lie in nothing that is known.
            if at < 4 {
                expected.remove(at);
            }
            assert_eq!(told, expected, "{subtree:?}");
            // Exclusions alone leave the other kinds as they are.
            let excluded = constraints(&[], &[subtree]);
            let told = excluded.violations(&DistinguishedName::empty(), &names);
            assert!(told.iter().all(|violation| violation.breach == ConstraintBreach::Excluded), "{told:?}");
            assert_eq!(told.len(), usize::from(at < 4), "{subtree:?}");
        }
        // A common name that is an address, and an address in the subject, are names of their kinds.
        let hosts = constraints(&[(0x82, b"oa.example")], &[]);
        let address = SubjectFields::common("10.0.0.1").to_name(CommonName::Required).unwrap();
        let told = hosts.violations(&address, &[]);
        assert_eq!(told.iter().map(|violation| violation.kind).collect::<Vec<_>>(), [NameKind::Ip]);
        assert!(told.iter().all(|v| v.to_string().ends_with("no name is permitted, while names of other kinds are")));
    }

    #[test]
    fn c6_other_kinds() {
        let ip = constraints(&[(0x87, &[10, 0, 0, 0, 255, 0, 0, 0])], &[(0x87, &[10, 1, 0, 0, 255, 255, 0, 0])]);
        for (address, fits) in [("10.2.3.4", true), ("11.0.0.1", false), ("10.1.9.9", false), ("2001:db8::1", false)] {
            check(&ip, GeneralName::ip(address).unwrap(), fits);
        }
        let email = constraints(&[(0x81, b"hr.example"), (0x81, b".sub.example"), (0x81, b"Boss@x.example")], &[]);
        for (address, fits) in [
            ("a@HR.example", true),
            ("a@b.hr.example", false),
            ("a@b.sub.example", true),
            ("a@sub.example", false),
            ("Boss@x.example", true),
            ("boss@x.example", false),
        ] {
            check(&email, GeneralName::email(address).unwrap(), fits);
        }
        let uri = constraints(&[(0x86, b".example")], &[(0x86, b"bad.example")]);
        for (text, fits) in [
            ("https://a.example/", true),
            ("https://bad.example/", false),
            ("https://10.0.0.1/", false),
            ("https://a.other/", false),
        ] {
            check(&uri, GeneralName::uri(text).unwrap(), fits);
        }
    }

    #[test]
    fn c6_subjects_and_common_names_count() {
        let name = |fields: SubjectFields| fields.to_name(CommonName::Optional).unwrap();
        let acme = SubjectFields { organization: Some("Acme".into()), ..SubjectFields::default() };
        let base = name(acme.clone());
        let permitted = constraints(&[(0xa4, base.der())], &[]);
        let inside = name(SubjectFields { common_name: Some("a".into()), ..acme.clone() });
        assert!(permitted.violations(&inside, &[]).is_empty());
        assert_eq!(permitted.violations(&name(SubjectFields::common("a")), &[]).len(), 1);
        let excluded = constraints(&[], &[(0xa4, base.der())]);
        let shouting = SubjectFields { organization: Some("ACME".into()), ..SubjectFields::default() };
        assert_eq!(excluded.violations(&name(shouting), &[]).len(), 1, "exclusions are read without case");
        let hosts = constraints(&[(0x82, b"oa.example")], &[]);
        assert_eq!(hosts.violations(&name(SubjectFields::common("hr.example")), &[]).len(), 1);
        assert!(hosts.violations(&name(SubjectFields::common("Alice Smith")), &[]).is_empty());
    }

    #[test]
    fn malformed_constraints_are_refused() {
        assert!(NameConstraints::from_der(&[0x30, 2, 0xa0, 0]).is_err(), "an empty list");
        let with_minimum = [0x30, 10, 0xa0, 8, 0x30, 6, 0x82, 1, b'a', 0x80, 1, 1];
        assert!(NameConstraints::from_der(&with_minimum).is_err());
    }
}
