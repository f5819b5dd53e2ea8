//! Names as a relying party reads them: distinguished names by their folded text, alternative names by their syntax.

use core::fmt;
use core::net::IpAddr;

use super::reason::Reason;
use crate::x509::der::{self, DerError, Reader, tag};
use crate::x509::name::DistinguishedName;

/// Where the syntax of alternative names is laid down.
const SAN: &str = "RFC 5280 4.2.1.6";

/// A distinguished name beside its text as RFC 5280 section 7.1 compares it. Equal are names that fold to the same.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) name: DistinguishedName,
    pub(super) folded: Vec<Vec<String>>,
}

impl Name {
    pub(super) fn read(octets: &[u8]) -> Result<Self, DerError> {
        Ok(Self::of(DistinguishedName::from_der(octets)?))
    }

    fn of(name: DistinguishedName) -> Self {
        let mut folded = name.folded_relative_names();
        folded.iter_mut().for_each(|attributes| attributes.sort());
        Self { name, folded }
    }

    /// This name with one relative name more (`nameRelativeToCRLIssuer`).
    pub(super) fn with_relative(&self, attributes: &[u8]) -> Result<Self, DerError> {
        let last = der::encode(|w| w.value(tag::SET, attributes));
        let whole = der::encode(|w| {
            w.nested(tag::SEQUENCE, |w| {
                self.name.relative_names().into_iter().for_each(|relative| w.raw(relative));
                w.raw(&last);
            });
        });
        Self::read(&whole)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.folded.is_empty()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for Name {}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() { f.write_str("(empty name)") } else { write!(f, "`{}`", self.name) }
    }
}

/// One alternative name.
#[derive(Clone, Debug)]
pub(super) enum Alternative {
    /// As it is written; its left-most label may be `*`.
    Dns(String),
    Ip(IpAddr),
    Email(Mailbox),
    Uri {
        text: String,
        /// Nothing where the URI has no authority.
        host: Option<String>,
    },
    Directory(Name),
    /// A form of name that is not looked into, by its tag.
    Other(u8),
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "the DNS name `{name}`"),
            Self::Ip(address) => write!(f, "the IP address {address}"),
            Self::Email(mailbox) => write!(f, "the e-mail address `{mailbox}`"),
            Self::Uri { text, .. } => write!(f, "the URI `{text}`"),
            Self::Directory(name) => write!(f, "the directory name {name}"),
            Self::Other(tag) => write!(f, "a name of the form [{}]", tag & 0x1f),
        }
    }
}

/// An e-mail address: the local part as it is, the host in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mailbox {
    pub(super) local: String,
    pub(super) host: String,
}

impl Mailbox {
    /// RFC 5321 `Mailbox`, with a host name (RFC 5280 section 4.2.1.6).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (local, host) = text.rsplit_once('@')?;
        (is_local_part(local) && is_host(host)).then(|| Self { local: local.into(), host: host.to_ascii_lowercase() })
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.host)
    }
}

/// A dot-atom or a quoted string, of at most 64 characters.
fn is_local_part(local: &str) -> bool {
    let atom = |part: &str| {
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet);
        !part.is_empty() && part.bytes().all(fits)
    };
    if local.len() > 64 {
        return false;
    }
    match local.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(inner) => {
            let mut escaped = false;
            inner.bytes().all(|octet| {
                let fits = escaped || octet != b'"';
                escaped = !escaped && octet == b'\\';
                fits && (0x20..0x7f).contains(&octet)
            }) && !escaped
        }
        None => local.split('.').all(atom),
    }
}

/// The preferred name syntax (RFC 1034 section 3.5, RFC 1123 section 2.1): labels of letters, digits and hyphens; the last
/// is no number, so that no address reads as a name.
pub(super) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253
        && text.split('.').all(label)
        && !text.rsplit('.').next().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit()))
}

/// A host, or `*.` before one (RFC 6125 section 6.4.3): the asterisk is the whole left-most label.
pub(super) fn is_presented_host(text: &str) -> bool {
    is_host(text.strip_prefix("*.").unwrap_or(text))
}

/// Whether a presented name, perhaps with a wildcard, stands for a host.
pub(super) fn host_matches(presented: &str, host: &str) -> bool {
    match presented.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
        None => presented.eq_ignore_ascii_case(host),
    }
}

/// The scheme and the host of a URI that is absolute (RFC 3986, RFC 5280 section 4.2.1.6).
fn read_uri(text: &str) -> Option<Option<String>> {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&octet);
    let (scheme, rest) = text.split_once(':')?;
    let mut letters = scheme.bytes();
    let scheme_fits = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.'));
    if !scheme_fits || rest.is_empty() || !text.bytes().all(fits) {
        return None;
    }
    let Some(authority) = rest.strip_prefix("//") else { return Some(None) };
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rfind(']') {
        Some(end) => host.get(..=end).unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        // `file:///x` and `ldap:///x` have an authority that is empty.
        return Some(None);
    }
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let fits = match address {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => is_host(host) || host.parse::<core::net::Ipv4Addr>().is_ok(),
    };
    fits.then(|| Some(host.to_ascii_lowercase()))
}

/// Reads `GeneralNames`; what is wrong with one of them is told, and it is left out.
pub(super) fn read_names(value: &[u8], faults: &mut Vec<Reason>) -> Result<Vec<Alternative>, DerError> {
    let mut names = Vec::new();
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    if reader.is_empty() {
        faults.push(Reason::new(SAN, "the subject alternative names are an empty list"));
    }
    while !reader.is_empty() {
        let tlv = reader.any()?;
        match read_name(tlv) {
            Ok(name) => names.push(name),
            Err(wrong) => faults.push(Reason::new(SAN, wrong)),
        }
    }
    Ok(names)
}

fn read_name(tlv: der::Tlv<'_>) -> Result<Alternative, String> {
    let told =
        || tlv.content.iter().take(100).flat_map(|octet| octet.escape_ascii()).map(char::from).collect::<String>();
    let text = |what: &str| {
        let ascii = tlv.content.is_ascii().then(|| core::str::from_utf8(tlv.content).ok()).flatten();
        ascii.ok_or_else(|| format!("{what} is no IA5String: `{}`", told()))
    };
    match tlv.tag {
        0x81 => {
            let text = text("an e-mail address")?;
            Mailbox::parse(text).map(Alternative::Email).ok_or_else(|| format!("`{}` is no e-mail address", told()))
        }
        0x82 => {
            let text = text("a DNS name")?;
            let fits = is_presented_host(text);
            fits.then(|| Alternative::Dns(text.into()))
                .ok_or_else(|| format!("`{}` is no DNS name in the preferred name syntax", told()))
        }
        0x86 => {
            let text = text("a URI")?;
            let host = read_uri(text).ok_or_else(|| format!("`{}` is no absolute URI", told()))?;
            Ok(Alternative::Uri { text: text.into(), host })
        }
        0x87 => <[u8; 4]>::try_from(tlv.content)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(tlv.content).map(IpAddr::from))
            .map(Alternative::Ip)
            .map_err(|_| format!("an IP address has {} octets; 4 or 16 are expected", tlv.content.len())),
        0xa4 => {
            Name::read(tlv.content).map(Alternative::Directory).map_err(|error| format!("a directory name: {error}"))
        }
        0xa0 | 0xa3 | 0xa5 | 0x88 => Ok(Alternative::Other(tlv.tag)),
        other => Err(format!("a value with tag {other:#04x} is no general name")),
    }
}
