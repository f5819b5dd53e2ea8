//! Subject alternative names (RFC 5280 section 4.2.1.6), read and written.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::der::{self, DerError, Reader, Writer, tag};
use super::host::{DnsName, DnsNameError, Wildcards, looks_like_dns_name};

/// The most names that a certificate may carry (rule G4).
pub const MAX_NAMES: usize = 100;

/// The longest URI that is accepted, in octets.
const MAX_URI: usize = 2048;

/// One name of a certificate's subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GeneralName {
    /// `dNSName`, wildcards included.
    Dns(DnsName),
    /// `iPAddress`.
    Ip(#[serde(with = "ip_as_text")] IpAddr),
    /// `rfc822Name`.
    Email(EmailAddress),
    /// `uniformResourceIdentifier`.
    Uri(Uri),
    /// Anything else, or a name that breaks the rules above, as it was read: never written by the platform.
    Other {
        /// The identifier octet.
        tag: u8,
        /// The content octets.
        #[serde(with = "serde_bytes")]
        content: Vec<u8>,
    },
}

impl GeneralName {
    /// Reads a DNS name (rule I4).
    ///
    /// # Errors
    /// [`NameError::Dns`] saying what is wrong and what would be right.
    pub fn dns(text: &str, wildcards: Wildcards) -> Result<Self, NameError> {
        Ok(Self::Dns(DnsName::parse(text, wildcards)?))
    }

    /// Reads an IP address, version 4 or 6.
    ///
    /// # Errors
    /// [`NameError::Ip`] if the text is none.
    pub fn ip(text: &str) -> Result<Self, NameError> {
        text.parse().map(Self::Ip).map_err(|_| NameError::Ip { text: cut(text) })
    }

    /// Reads an e-mail address (rule I4).
    ///
    /// # Errors
    /// [`NameError::Email`] if the text is none.
    pub fn email(text: &str) -> Result<Self, NameError> {
        EmailAddress::parse(text).map(Self::Email)
    }

    /// Reads an absolute URI with a host (rule I4).
    ///
    /// # Errors
    /// [`NameError::Uri`] if the text is none.
    pub fn uri(text: &str) -> Result<Self, NameError> {
        Uri::parse(text).map(Self::Uri)
    }

    /// The kind of name.
    #[must_use]
    pub fn kind(&self) -> NameKind {
        match self {
            Self::Dns(_) => NameKind::Dns,
            Self::Ip(_) => NameKind::Ip,
            Self::Email(_) => NameKind::Email,
            Self::Uri(_) => NameKind::Uri,
            Self::Other { .. } => NameKind::Other,
        }
    }

    /// Whether it is a DNS name with a wildcard.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Dns(name) if name.is_wildcard())
    }

    /// Writes the `GeneralName`.
    pub(crate) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Email(address) => writer.value(tag::context(1), address.0.as_bytes()),
            Self::Dns(name) => writer.value(tag::context(2), name.as_str().as_bytes()),
            Self::Uri(uri) => writer.value(tag::context(6), uri.0.as_bytes()),
            Self::Ip(IpAddr::V4(address)) => writer.value(tag::context(7), &address.octets()),
            Self::Ip(IpAddr::V6(address)) => writer.value(tag::context(7), &address.octets()),
            Self::Other { tag, content } => writer.value(*tag, content),
        }
    }

    /// Reads a `GeneralName`. What does not keep the rules is kept as [`GeneralName::Other`].
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DerError> {
        let tlv = reader.any()?;
        let text = || core::str::from_utf8(tlv.content).ok();
        let known = match tlv.tag {
            0x81 => text().and_then(|text| Self::email(text).ok()),
            // Only what would be written again as it was read counts as known.
            0x82 => text()
                .and_then(|text| DnsName::parse(text, Wildcards::Wide).ok().filter(|name| name.as_str() == text))
                .map(Self::Dns),
            0x86 => text().and_then(|text| Self::uri(text).ok()),
            0x87 => <[u8; 4]>::try_from(tlv.content)
                .map(|octets| Self::Ip(octets.into()))
                .or_else(|_| <[u8; 16]>::try_from(tlv.content).map(|octets| Self::Ip(octets.into())))
                .ok(),
            _ => None,
        };
        Ok(known.unwrap_or_else(|| Self::Other { tag: tlv.tag, content: tlv.content.to_vec() }))
    }
}

impl fmt::Display for GeneralName {
    /// With its kind in front: `dns:a.example`, `ip:10.0.0.1`, `email:a@b.example`, `uri:https://…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Ip(address) => write!(f, "ip:{address}"),
            Self::Email(address) => write!(f, "email:{address}"),
            Self::Uri(uri) => write!(f, "uri:{uri}"),
            Self::Other { tag: 0xa4, content } => match super::name::DistinguishedName::from_der(content) {
                Ok(name) => write!(f, "directory:{name}"),
                Err(_) => hexadecimal(0xa4, content, f),
            },
            Self::Other { tag: kind @ (0x81 | 0x82 | 0x86), content }
                if content.iter().all(|octet| (0x20..0x7f).contains(octet)) =>
            {
                let kind = match kind {
                    0x81 => "email",
                    0x82 => "dns",
                    _ => "uri",
                };
                write!(f, "{kind}:{}", String::from_utf8_lossy(content))
            }
            Self::Other { tag, content } => hexadecimal(*tag, content, f),
        }
    }
}

/// The kinds of names that rules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NameKind {
    /// A DNS name.
    Dns,
    /// An IP address.
    Ip,
    /// An e-mail address.
    Email,
    /// A URI.
    Uri,
    /// A distinguished name.
    Directory,
    /// Anything else.
    Other,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "DNS name",
            Self::Ip => "IP address",
            Self::Email => "e-mail address",
            Self::Uri => "URI",
            Self::Directory => "directory name",
            Self::Other => "other name",
        })
    }
}

/// An e-mail address in ASCII: a dot-atom, `@` and a DNS name (RFC 5321, RFC 5280 section 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// [`NameError::Email`] if the text is none.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bad = |what| NameError::Email { text: cut(text), what };
        if !text.is_ascii() {
            return Err(bad(EmailProblem::NotAscii));
        }
        let (local, host) = text.rsplit_once('@').ok_or_else(|| bad(EmailProblem::NoAt))?;
        let atom = |part: &str| !part.is_empty() && part.bytes().all(is_atom_character);
        if local.len() > 64 || text.len() > 254 {
            return Err(bad(EmailProblem::TooLong));
        }
        if !local.split('.').all(atom) {
            return Err(bad(EmailProblem::LocalPart));
        }
        match DnsName::parse(host, Wildcards::Narrow) {
            Ok(name) if !name.is_wildcard() => Ok(Self(text.into())),
            _ => Err(bad(EmailProblem::Host)),
        }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands after the `@`.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, host)| host)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

/// An absolute URI with a host (RFC 3986, RFC 5280 section 4.2.1.6), such as `spiffe://example.org/oa`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uri(String);

impl Uri {
    /// Reads a URI.
    ///
    /// # Errors
    /// [`NameError::Uri`] if the text is none.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bad = |what| NameError::Uri { text: cut(text), what };
        if text.len() > MAX_URI {
            return Err(bad(UriProblem::TooLong));
        }
        if !text.bytes().all(is_uri_character) || !percent_signs_are_escapes(text) {
            return Err(bad(UriProblem::Character));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad(UriProblem::NotAbsolute))?;
        let mut letters = scheme.bytes();
        if !letters.next().is_some_and(|first| first.is_ascii_alphabetic())
            || !letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'))
        {
            return Err(bad(UriProblem::NotAbsolute));
        }
        let uri = Self(text.into());
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if !port_of(authority).is_none_or(|port| port.bytes().all(|digit| digit.is_ascii_digit())) {
            return Err(bad(UriProblem::Host));
        }
        let host = uri.host();
        let fits = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
            None => {
                host.parse::<core::net::Ipv4Addr>().is_ok()
                    || DnsName::parse(host, Wildcards::Narrow).is_ok_and(|name| !name.is_wildcard())
            }
        };
        if fits { Ok(uri) } else { Err(bad(UriProblem::Host)) }
    }

    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before `://`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// The host: a DNS name, an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        match host.rfind(']') {
            Some(end) => host.get(..=end).unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Uri {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<Uri> for String {
    fn from(uri: Uri) -> Self {
        uri.0
    }
}

impl FromStr for Uri {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

/// What is wrong with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NameError {
    /// A DNS name.
    #[error(transparent)]
    Dns(#[from] DnsNameError),
    /// An IP address.
    #[error(
        "`{text}` is not an IP address: four decimal numbers such as 10.0.0.1, or IPv6 such as 2001:db8::1, are expected"
    )]
    Ip {
        /// What was given, cut to 100 characters.
        text: String,
    },
    /// An e-mail address.
    #[error("`{text}` is not an e-mail address: {what}")]
    Email {
        /// What was given, cut to 100 characters.
        text: String,
        /// What is wrong.
        what: EmailProblem,
    },
    /// A URI.
    #[error("`{text}` is not a URI with a host: {what}")]
    Uri {
        /// What was given, cut to 100 characters.
        text: String,
        /// What is wrong.
        what: UriProblem,
    },
    /// Too many names (rule G4).
    #[error("{count} subject alternative names are asked for; at most {MAX_NAMES} are allowed")]
    TooMany {
        /// How many.
        count: usize,
    },
}

impl NameError {
    /// The rule that was broken.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooMany { .. } => "G4",
            _ => "I4",
        }
    }
}

/// What is wrong with an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EmailProblem {
    /// Characters beyond ASCII.
    #[error("only ASCII is allowed; write the domain as A-labels (xn--…)")]
    NotAscii,
    /// No `@`.
    #[error("an @ between user and domain is missing")]
    NoAt,
    /// The part before the `@`.
    #[error("before the @ stand letters, digits and !#$%&'*+-/=?^_`{{|}}~, with single dots between")]
    LocalPart,
    /// The part after the `@`.
    #[error("after the @ stands a domain such as example.com")]
    Host,
    /// Too long.
    #[error("at most 64 characters before the @ and 254 in all are allowed")]
    TooLong,
}

/// What is wrong with a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UriProblem {
    /// No scheme or no `://`.
    #[error("it must be absolute, such as https://host.example/path")]
    NotAbsolute,
    /// A host that is none.
    #[error("the host must be a DNS name or an IP address, such as https://host.example/path")]
    Host,
    /// A character that a URI cannot have.
    #[error("only the ASCII characters of RFC 3986 are allowed; write others as %XX")]
    Character,
    /// Too long.
    #[error("at most 2048 octets are allowed")]
    TooLong,
}

/// The names of one certificate: no name twice, at most [`MAX_NAMES`] (rule G4), in the order given.
///
/// # Errors
/// [`NameError::TooMany`] with the number.
pub fn distinct_names(names: impl IntoIterator<Item = GeneralName>) -> Result<Vec<GeneralName>, NameError> {
    let mut distinct: Vec<GeneralName> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if seen.insert(name.clone()) {
            distinct.push(name);
        }
    }
    if distinct.len() > MAX_NAMES { Err(NameError::TooMany { count: distinct.len() }) } else { Ok(distinct) }
}

/// Reads a `GeneralNames` SEQUENCE.
pub(crate) fn read_general_names(octets: &[u8]) -> Result<Vec<GeneralName>, DerError> {
    let mut reader = Reader::new(der::single(octets, tag::SEQUENCE)?.content);
    let mut names = Vec::new();
    while !reader.is_empty() {
        names.push(GeneralName::read(&mut reader)?);
    }
    if names.is_empty() { Err(DerError::Malformed { what: der::Malformed::Extension }) } else { Ok(names) }
}

/// The DNS name or IP address that a common name of a server is (rule I4).
///
/// # Errors
/// [`NameError`] if it is neither.
pub fn server_name(text: &str, wildcards: Wildcards) -> Result<GeneralName, NameError> {
    match text.parse() {
        Ok(address) => Ok(GeneralName::Ip(address)),
        Err(_) => GeneralName::dns(text, wildcards),
    }
}

/// Whether a common name reads like a DNS name, so that it counts as one (rule C6).
#[must_use]
pub fn common_name_is_dns(text: &str) -> bool {
    looks_like_dns_name(text)
}

pub(crate) fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

fn hexadecimal(tag: u8, content: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "other[{}]:", tag & 0x1f)?;
    content.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

fn is_atom_character(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

fn is_uri_character(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&octet)
}

fn percent_signs_are_escapes(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|after| after.len() >= 2 && after.bytes().take(2).all(|octet| octet.is_ascii_hexdigit()))
}

fn port_of(authority: &str) -> Option<&str> {
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let after_host = match host_and_port.rfind(']') {
        Some(end) => host_and_port.get(end + 1..).unwrap_or_default(),
        None => host_and_port.get(host_and_port.find(':')?..).unwrap_or_default(),
    };
    if after_host.is_empty() { None } else { Some(after_host.strip_prefix(':').unwrap_or("?")) }
}

mod ip_as_text {
    use core::net::IpAddr;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(address: &IpAddr, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(address)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn i4_emails() {
        for right in ["a@b.example", "first.last+tag@mail.example.com", "o'neil@x.example", "A@B.example"] {
            assert_eq!(EmailAddress::parse(right).unwrap().as_str(), right);
        }
        for (wrong, what) in [
            ("ab.example", EmailProblem::NoAt),
            ("@b.example", EmailProblem::LocalPart),
            ("a..b@c.example", EmailProblem::LocalPart),
            (".a@c.example", EmailProblem::LocalPart),
            ("a b@c.example", EmailProblem::LocalPart),
            ("ü@c.example", EmailProblem::NotAscii),
            ("a@*.c.example", EmailProblem::Host),
            ("a@c.example.", EmailProblem::Host),
            ("a@", EmailProblem::Host),
        ] {
            assert_eq!(EmailAddress::parse(wrong), Err(NameError::Email { text: wrong.into(), what }), "{wrong}");
        }
        let long = format!("{}@b.example", "a".repeat(65));
        assert!(matches!(EmailAddress::parse(&long), Err(NameError::Email { what: EmailProblem::TooLong, .. })));
    }

    #[test]
    fn i4_uris() {
        for (right, host) in [
            ("https://a.example/x?y#z", "a.example"),
            ("spiffe://trust.example/ns/prod", "trust.example"),
            ("ldap://user@10.0.0.1:389/cn", "10.0.0.1"),
            ("https://[2001:db8::1]:8443/", "[2001:db8::1]"),
            ("https://h", "h"),
        ] {
            assert_eq!(Uri::parse(right).unwrap().host(), host);
        }
        for (wrong, what) in [
            ("/relative", UriProblem::NotAbsolute),
            ("urn:uuid:1", UriProblem::NotAbsolute),
            ("1a://x", UriProblem::NotAbsolute),
            ("https:///path", UriProblem::Host),
            ("https://a_b/", UriProblem::Host),
            ("https://*.a.example/", UriProblem::Host),
            ("https://a.example:x/", UriProblem::Host),
            ("https://a.example/ ", UriProblem::Character),
            ("https://a.example/%zz", UriProblem::Character),
            ("https://ä.example/", UriProblem::Character),
        ] {
            assert_eq!(Uri::parse(wrong), Err(NameError::Uri { text: wrong.into(), what }), "{wrong}");
        }
    }

    #[test]
    fn names_are_read_as_written() {
        let names = [
            GeneralName::dns("*.a.example", Wildcards::Narrow).unwrap(),
            GeneralName::ip("10.0.0.1").unwrap(),
            GeneralName::ip("2001:db8::1").unwrap(),
            GeneralName::email("a@b.example").unwrap(),
            GeneralName::uri("https://a.example/").unwrap(),
            GeneralName::Other { tag: 0x88, content: vec![42, 3] },
            GeneralName::Other { tag: 0x82, content: b"under_score".to_vec() },
        ];
        let octets = der::encode(|w| w.nested(tag::SEQUENCE, |w| names.iter().for_each(|name| name.write(w))));
        assert_eq!(read_general_names(&octets).unwrap(), names);
        let text: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "dns:*.a.example",
                "ip:10.0.0.1",
                "ip:2001:db8::1",
                "email:a@b.example",
                "uri:https://a.example/",
                "other[8]:2a03",
                "dns:under_score"
            ]
        );
        for name in &names {
            let packed = rmp_serde::to_vec_named(name).unwrap();
            assert_eq!(&rmp_serde::from_slice::<GeneralName>(&packed).unwrap(), name);
        }
        assert_eq!(serde_json::to_string(&names[1]).unwrap(), r#"{"ip":"10.0.0.1"}"#);
    }

    #[test]
    fn g4_a_hundred_names_and_no_name_twice() {
        let many =
            |count: usize| (0..count).map(|i| GeneralName::dns(&format!("h{i}.example"), Wildcards::Narrow).unwrap());
        assert_eq!(distinct_names(many(100)).unwrap().len(), 100);
        assert_eq!(distinct_names(many(100).chain(many(100))).unwrap().len(), 100);
        let error = distinct_names(many(101)).unwrap_err();
        assert_eq!((error.rule(), error), ("G4", NameError::TooMany { count: 101 }));
    }
}
