//! E-mail addresses and URIs as certificates carry them (rule I4).

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::host::{DnsName, Wildcards};
use super::san::{NameError, cut};

/// The longest URI that is accepted, in octets.
const MAX_URI: usize = 2048;

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
    #[error("it must be absolute, such as http://host.example/path")]
    NotAbsolute,
    /// A host that is none.
    #[error("the host must be a DNS name or an IP address, such as http://host.example/path")]
    Host,
    /// A character that a URI cannot have.
    #[error("only the ASCII characters of RFC 3986 are allowed; write others as %XX")]
    Character,
    /// Too long.
    #[error("at most 2048 octets are allowed")]
    TooLong,
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
}
