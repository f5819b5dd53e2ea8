//! Subject alternative names (RFC 5280 section 4.2.1.6), read and written.

use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::address::{EmailAddress, EmailProblem, Uri, UriProblem};
use super::der::{self, DerError, Reader, Writer, tag};
use super::host::{DnsName, DnsNameError, Wildcards, looks_like_dns_name};

/// The most names that a certificate may carry (rule G4).
pub const MAX_NAMES: usize = 100;

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
            Self::Email(address) => writer.value(tag::context(1), address.as_str().as_bytes()),
            Self::Dns(name) => writer.value(tag::context(2), name.as_str().as_bytes()),
            Self::Uri(uri) => writer.value(tag::context(6), uri.as_str().as_bytes()),
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

/// The names of one certificate: no name twice, at most [`MAX_NAMES`] (rule G4), in the order given.
///
/// # Errors
/// [`NameError::TooMany`] with the number.
pub fn distinct_names(names: impl IntoIterator<Item = GeneralName>) -> Result<Vec<GeneralName>, NameError> {
    let names = names.into_iter();
    let mut distinct: Vec<GeneralName> = Vec::with_capacity(names.size_hint().0);
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        // Most certificates have one name.
        if distinct.is_empty() || seen.insert(name.clone()) && distinct.first() != Some(&name) {
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
