//! Subtrees of names (RFC 5280 section 4.2.1.10): read from the words of a person, written, compared.

use core::fmt;
use core::net::IpAddr;

use super::{dns_within, email_within, host_within};
use crate::x509::address::{EmailAddress, EmailProblem};
use crate::x509::der::{Writer, tag};
use crate::x509::host::{DnsName, DnsNameError, Wildcards};
use crate::x509::name::DistinguishedName;
use crate::x509::san::{NameError, NameKind, cut};
use crate::x509::subject::{CommonName, SubjectFields, SubjectViolation};

/// Names that lie below one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subtree {
    /// A DNS name and all below it; empty: all.
    Dns(String),
    /// A mailbox, the mailboxes of a host, or, with a leading dot, those of every host below a domain.
    Email(String),
    /// URIs with this host, or, with a leading dot, with a host below this domain.
    Uri(String),
    /// Addresses of a network: 4 or 16 octets and as many of a mask.
    Ip {
        /// The network.
        network: Vec<u8>,
        /// The mask.
        mask: Vec<u8>,
    },
    /// Names that begin with these relative names.
    Directory(DistinguishedName),
    /// A kind of name that the platform never issues.
    Other,
}

impl Subtree {
    /// Reads a subtree from what a person writes (rule C6): `oa.example` for DNS names; `ada@oa.example`, `oa.example` or
    /// `.oa.example` for e-mail; `10.0.0.0/8`, `2001:db8::/32` or an address for IP; `oa.example` or `.oa.example` for the
    /// hosts of URIs; `O=Example,C=DE` for directory names.
    ///
    /// # Errors
    /// [`SubtreeError`] saying what is wrong and what would be right.
    pub fn parse(kind: NameKind, text: &str) -> Result<Self, SubtreeError> {
        match kind {
            NameKind::Dns => parse_dns(text),
            NameKind::Email => parse_email(text),
            NameKind::Ip => parse_ip(text),
            NameKind::Uri => parse_uri(text),
            NameKind::Directory => parse_directory(text),
            NameKind::Other => Err(SubtreeError::Kind),
        }
    }

    /// The kind of its names.
    #[must_use]
    pub const fn kind(&self) -> NameKind {
        match self {
            Self::Dns(_) => NameKind::Dns,
            Self::Email(_) => NameKind::Email,
            Self::Uri(_) => NameKind::Uri,
            Self::Ip { .. } => NameKind::Ip,
            Self::Directory(_) => NameKind::Directory,
            Self::Other => NameKind::Other,
        }
    }

    /// Every name of a kind, where that can be written: every DNS name, every IP address of either version.
    pub(super) fn all_of(kind: NameKind) -> Vec<Self> {
        let every = |octets| Self::Ip { network: vec![0; octets], mask: vec![0; octets] };
        match kind {
            NameKind::Dns => vec![Self::Dns(String::new())],
            NameKind::Ip => vec![every(4), every(16)],
            _ => Vec::new(),
        }
    }

    /// Whether every name of this subtree lies in the other one, too.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dns(own), Self::Dns(base)) => {
                dns_within(own.strip_prefix('.').unwrap_or(own), base, own.starts_with('.'))
            }
            (Self::Email(own), Self::Email(base)) if own.contains('@') => email_within(own, base),
            (Self::Email(_), Self::Email(base)) if base.contains('@') => false,
            (Self::Email(own), Self::Email(base)) | (Self::Uri(own), Self::Uri(base)) => hosts_within(own, base),
            (Self::Ip { network, mask }, Self::Ip { network: of, mask: by }) => {
                network.len() == of.len()
                    && mask.iter().zip(by).all(|(own, by)| own & by == *by)
                    && network.iter().zip(of).zip(by).all(|((own, of), by)| own & by == of & by)
            }
            (Self::Directory(own), Self::Directory(base)) => own.relative_names().starts_with(&base.relative_names()),
            _ => false,
        }
    }

    /// Writes the base of a `GeneralSubtree`; what cannot be issued is not written.
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.nested(tag::SEQUENCE, |w| match self {
            Self::Email(text) => w.value(tag::context(1), text.as_bytes()),
            Self::Dns(text) => w.value(tag::context(2), text.as_bytes()),
            Self::Directory(name) => w.nested(tag::context_constructed(4), |w| w.raw(name.der())),
            Self::Uri(text) => w.value(tag::context(6), text.as_bytes()),
            Self::Ip { network, mask } => w.value(tag::context(7), &[network.as_slice(), mask.as_slice()].concat()),
            Self::Other => {}
        });
    }
}

/// Whether the hosts that one base stands for all belong to the other.
fn hosts_within(own: &str, base: &str) -> bool {
    if own.starts_with('.') {
        base.is_empty() || base.starts_with('.') && own.to_ascii_lowercase().ends_with(&base.to_ascii_lowercase())
    } else {
        host_within(own, base)
    }
}

impl fmt::Display for Subtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(base) if base.is_empty() => f.write_str("every DNS name"),
            Self::Dns(base) => write!(f, "dns:{base}"),
            Self::Email(base) => write!(f, "email:{base}"),
            Self::Uri(base) => write!(f, "uri:{base}"),
            Self::Ip { network, mask } => match address(network) {
                Some(network) => write!(f, "ip:{network}/{}", mask.iter().map(|o| o.count_ones()).sum::<u32>()),
                None => f.write_str("ip:?"),
            },
            Self::Directory(name) => write!(f, "directory:{name}"),
            Self::Other => f.write_str("names of another kind"),
        }
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
    }
}

/// Why text is no subtree of names (rule C6).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubtreeError {
    /// No DNS name.
    #[error("{0}")]
    Dns(#[source] DnsNameError),
    /// A dot or a wildcard in front.
    #[error("`{text}` is no DNS suffix: write `{right}`, which stands for the name itself and every name below it")]
    DnsPrefix {
        /// What was given, cut to 100 characters.
        text: String,
        /// What would be right.
        right: String,
    },
    /// No mailbox, host or domain.
    #[error(
        "`{text}` is no mailbox such as ada@oa.example, no mail host such as oa.example and no domain of hosts such as .oa.example: {what}"
    )]
    Email {
        /// What was given, cut to 100 characters.
        text: String,
        /// What is wrong.
        what: EmailProblem,
    },
    /// No host or domain.
    #[error(
        "`{text}` is no host of URIs such as oa.example (that host) or .oa.example (every host below it); scheme, port and path cannot be constrained"
    )]
    Uri {
        /// What was given, cut to 100 characters.
        text: String,
    },
    /// No network.
    #[error(
        "`{text}` is no network: an address and the length of its prefix, such as 10.0.0.0/8 or 2001:db8::/32, are expected"
    )]
    Ip {
        /// What was given, cut to 100 characters.
        text: String,
    },
    /// A prefix that is longer than the address.
    #[error("`{text}` has a prefix of {length} bits; an address of this version has {limit}")]
    IpPrefix {
        /// What was given, cut to 100 characters.
        text: String,
        /// How long the prefix is said to be.
        length: u32,
        /// How long it can be.
        limit: u32,
    },
    /// Bits beyond the prefix.
    #[error("`{text}` has bits set beyond its prefix; the network is {network}")]
    IpHostBits {
        /// What was given, cut to 100 characters.
        text: String,
        /// The network.
        network: String,
    },
    /// No distinguished name.
    #[error(
        "`{text}` is no directory name: fields such as O=Example,C=DE are expected, each of C, ST, L, O, OU and CN at most once, with \\ before a comma that belongs to a value"
    )]
    Directory {
        /// What was given, cut to 100 characters.
        text: String,
    },
    /// A field that breaks rule C4.
    #[error("in the directory name, {0}")]
    DirectoryField(#[source] SubjectViolation),
    /// A kind of name that has no subtrees here.
    #[error("names of this kind are never issued")]
    Kind,
}

fn parse_dns(text: &str) -> Result<Subtree, SubtreeError> {
    if let Some(right) = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).filter(|rest| !rest.is_empty()) {
        return Err(SubtreeError::DnsPrefix { text: cut(text), right: cut(right) });
    }
    DnsName::parse(text, Wildcards::Narrow).map(|name| Subtree::Dns(name.into())).map_err(SubtreeError::Dns)
}

fn parse_email(text: &str) -> Result<Subtree, SubtreeError> {
    let bad = |what| SubtreeError::Email { text: cut(text), what };
    if text.contains('@') {
        return match EmailAddress::parse(text) {
            Ok(address) => Ok(Subtree::Email(String::from(address))),
            Err(NameError::Email { what, .. }) => Err(bad(what)),
            Err(_) => Err(bad(EmailProblem::Host)),
        };
    }
    host_or_domain(text).map(Subtree::Email).ok_or_else(|| bad(EmailProblem::Host))
}

fn parse_uri(text: &str) -> Result<Subtree, SubtreeError> {
    host_or_domain(text).map(Subtree::Uri).ok_or_else(|| SubtreeError::Uri { text: cut(text) })
}

fn host_or_domain(text: &str) -> Option<String> {
    let (dot, host) = text.strip_prefix('.').map_or(("", text), |rest| (".", rest));
    let host = DnsName::parse(host, Wildcards::Narrow).ok().filter(|host| !host.is_wildcard())?;
    Some(format!("{dot}{host}"))
}

fn parse_ip(text: &str) -> Result<Subtree, SubtreeError> {
    let bad = || SubtreeError::Ip { text: cut(text) };
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let octets = match address.parse().map_err(|_| bad())? {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let limit = u32::try_from(octets.len()).map_err(|_| bad())?.saturating_mul(8);
    let length = match prefix {
        None => limit,
        Some(digits) if !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|c| c.is_ascii_digit()) => {
            digits.parse::<u32>().map_err(|_| bad())?
        }
        Some(_) => return Err(bad()),
    };
    if length > limit {
        return Err(SubtreeError::IpPrefix { text: cut(text), length, limit });
    }
    let mut left = length;
    let mask: Vec<u8> = octets
        .iter()
        .map(|_| {
            let bits = left.min(8);
            left -= bits;
            u8::MAX.checked_shl(8 - bits).unwrap_or(0)
        })
        .collect();
    let network: Vec<u8> = octets.iter().zip(&mask).map(|(octet, mask)| octet & mask).collect();
    if network != octets {
        let network = super::subtree::address(&network).map_or_else(String::new, |network| network.to_string());
        return Err(SubtreeError::IpHostBits { text: cut(text), network: format!("{network}/{length}") });
    }
    Ok(Subtree::Ip { network, mask })
}

fn parse_directory(text: &str) -> Result<Subtree, SubtreeError> {
    let bad = || SubtreeError::Directory { text: cut(text) };
    let mut fields = SubjectFields::default();
    for part in split_unescaped(text).ok_or_else(bad)? {
        let (kind, value) = part.split_once('=').ok_or_else(bad)?;
        let slot = match kind.trim().to_ascii_uppercase().as_str() {
            "CN" => &mut fields.common_name,
            "O" => &mut fields.organization,
            "OU" => &mut fields.organizational_unit,
            "C" => &mut fields.country,
            "ST" | "S" => &mut fields.state,
            "L" => &mut fields.locality,
            _ => return Err(bad()),
        };
        if slot.replace(value.trim().to_owned()).is_some() {
            return Err(bad());
        }
    }
    let name = fields
        .to_name(CommonName::Optional)
        .map_err(|violations| violations.into_iter().next().map_or_else(bad, SubtreeError::DirectoryField))?;
    if name.is_empty() { Err(bad()) } else { Ok(Subtree::Directory(name)) }
}

/// The parts between commas; a backslash takes what follows as it is.
fn split_unescaped(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ',' => parts.push(String::new()),
            '\\' => parts.last_mut()?.push(characters.next()?),
            other => parts.last_mut()?.push(other),
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(kind: NameKind, text: &str) -> Result<String, String> {
        Subtree::parse(kind, text).map(|subtree| subtree.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn c6_subtrees_are_read_as_people_write_them() {
        for (kind, text, told) in [
            (NameKind::Dns, "HR.example", "dns:hr.example"),
            (NameKind::Dns, "example", "dns:example"),
            (NameKind::Email, "Ada@oa.example", "email:Ada@oa.example"),
            (NameKind::Email, "oa.example", "email:oa.example"),
            (NameKind::Email, ".oa.example", "email:.oa.example"),
            (NameKind::Uri, ".oa.example", "uri:.oa.example"),
            (NameKind::Ip, "10.0.0.0/8", "ip:10.0.0.0/8"),
            (NameKind::Ip, "10.1.2.3", "ip:10.1.2.3/32"),
            (NameKind::Ip, "0.0.0.0/0", "ip:0.0.0.0/0"),
            (NameKind::Ip, "2001:db8::/33", "ip:2001:db8::/33"),
            (NameKind::Directory, "O=Example\\, Inc. , C=DE", "directory:O=Example\\, Inc.,C=DE"),
            (NameKind::Directory, "c=DE,o=Example", "directory:O=Example,C=DE"),
        ] {
            assert_eq!(parse(kind, text), Ok(told.to_owned()), "{text}");
        }
    }

    #[test]
    fn c6_what_is_no_subtree_says_why() {
        for (kind, text, why) in [
            (NameKind::Dns, "*.hr.example", "write `hr.example`"),
            (NameKind::Dns, ".hr.example", "write `hr.example`"),
            (NameKind::Dns, "", "empty"),
            (NameKind::Dns, "a_b.example", "letters, digits and hyphens"),
            (NameKind::Dns, "hr.example.", "leave the last dot out"),
            (NameKind::Email, "@oa.example", "before the @"),
            (NameKind::Email, "..oa", "no mailbox"),
            (NameKind::Uri, "https://oa.example/", "scheme, port and path"),
            (NameKind::Uri, "10.0.0.1", "no host of URIs"),
            (NameKind::Ip, "10.0.0.0/33", "33 bits; an address of this version has 32"),
            (NameKind::Ip, "10.1.0.0/8", "the network is 10.0.0.0/8"),
            (NameKind::Ip, "10.0.0.0/255.0.0.0", "no network"),
            (NameKind::Ip, "10.0.0.0/", "no network"),
            (NameKind::Ip, "ten", "no network"),
            (NameKind::Directory, "Example", "no directory name"),
            (NameKind::Directory, "O=a,O=b", "at most once"),
            (NameKind::Directory, "X=a", "no directory name"),
            (NameKind::Directory, "C=de", "country"),
            (NameKind::Directory, "O=a\\", "no directory name"),
            (NameKind::Other, "x", "never issued"),
        ] {
            let told = parse(kind, text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn c6_subtrees_nest() {
        let within = |kind, own: &str, other: &str| {
            Subtree::parse(kind, own).unwrap().is_within(&Subtree::parse(kind, other).unwrap())
        };
        for (kind, own, other, expected) in [
            (NameKind::Dns, "a.oa.example", "oa.example", true),
            (NameKind::Dns, "oa.example", "oa.example", true),
            (NameKind::Dns, "xoa.example", "oa.example", false),
            (NameKind::Dns, "example", "oa.example", false),
            (NameKind::Email, "a@oa.example", "oa.example", true),
            (NameKind::Email, "a@x.oa.example", ".oa.example", true),
            (NameKind::Email, "oa.example", "a@oa.example", false),
            (NameKind::Email, ".x.oa.example", ".oa.example", true),
            (NameKind::Email, ".oa.example", "oa.example", false),
            (NameKind::Uri, "x.oa.example", ".oa.example", true),
            (NameKind::Uri, ".oa.example", "oa.example", false),
            (NameKind::Ip, "10.1.0.0/16", "10.0.0.0/8", true),
            (NameKind::Ip, "10.0.0.0/8", "10.1.0.0/16", false),
            (NameKind::Ip, "::/0", "0.0.0.0/0", false),
            (NameKind::Directory, "O=a,C=DE", "C=DE", true),
            (NameKind::Directory, "C=DE", "O=a,C=DE", false),
        ] {
            assert_eq!(within(kind, own, other), expected, "{own} in {other}");
        }
    }
}
