//! Name constraints as a relying party applies them (RFC 5280 section 4.2.1.10): each form of name for itself.
//!
//! This is RFC 5280 to the letter; what the platform asks of its own certificates is narrower and stands beside it
//! ([`NameConstraints`](crate::x509::NameConstraints), rule C6).

use core::net::IpAddr;

use super::name::{Alternative, Mailbox, Name, is_host};
use super::reason::{Budget, Exhausted, Reason};
use crate::x509::der::{self, Reader, Tlv, tag};

const CLAUSE: &str = "RFC 5280 4.2.1.10";

/// The name constraints of one CA certificate.
#[derive(Debug)]
pub(super) struct Subtrees {
    permitted: Vec<Base>,
    excluded: Vec<Base>,
}

#[derive(Debug)]
enum Base {
    /// In lower case; empty for every name.
    Dns(String),
    /// One address.
    Mailbox(Mailbox),
    /// All addresses on one host.
    MailHost(String),
    /// All addresses on hosts below; with its leading dot.
    MailDomain(String),
    UriHost(String),
    /// With its leading dot.
    UriDomain(String),
    Ip {
        network: Vec<u8>,
        mask: Vec<u8>,
    },
    Directory(Vec<Vec<String>>),
    /// A form of name that cannot be judged: by its tag.
    Other(u8),
}

impl Subtrees {
    pub(super) fn read(value: &[u8]) -> Result<Self, Reason> {
        let bad = |error: der::DerError| Reason::new(CLAUSE, format!("the name constraints are malformed: {error}"));
        let mut reader = Reader::new(der::single(value, tag::SEQUENCE).map_err(bad)?.content);
        let permitted = read_list(reader.optional(tag::context_constructed(0)).map_err(bad)?)?;
        let excluded = read_list(reader.optional(tag::context_constructed(1)).map_err(bad)?)?;
        reader.end().map_err(bad)?;
        if permitted.is_empty() && excluded.is_empty() {
            return Err(Reason::new(CLAUSE, "the name constraints neither permit nor exclude anything"));
        }
        Ok(Self { permitted, excluded })
    }

    /// Each of the names that is not permitted, and why. Comparisons are counted (rule G4).
    pub(super) fn judge(&self, names: &[Alternative], budget: &mut Budget) -> Result<Vec<Reason>, Exhausted> {
        let mut reasons = Vec::new();
        for name in names {
            if let Some(wrong) = self.judge_one(name, budget)? {
                reasons.push(Reason::new(CLAUSE, format!("{name} {wrong}")));
            }
        }
        Ok(reasons)
    }

    fn judge_one(&self, name: &Alternative, budget: &mut Budget) -> Result<Option<&'static str>, Exhausted> {
        budget.comparisons(self.permitted.len().saturating_add(self.excluded.len()))?;
        let of_its_form = |bases: &[Base]| bases.iter().any(|base| base.concerns(name));
        if let Alternative::Other(_) = name {
            let constrained = of_its_form(&self.permitted) || of_its_form(&self.excluded);
            return Ok(constrained.then_some("is of a form that is constrained and cannot be judged"));
        }
        if let Alternative::Uri { host, .. } = name
            && !host.as_deref().is_some_and(is_host)
            && (of_its_form(&self.permitted) || of_its_form(&self.excluded))
        {
            return Ok(Some("has no host name, while URIs are constrained"));
        }
        if self.excluded.iter().any(|base| base.may_hold(name)) {
            return Ok(Some("is excluded, or could stand for a name that is"));
        }
        let permitted = !of_its_form(&self.permitted) || self.permitted.iter().any(|base| base.holds(name));
        Ok((!permitted).then_some("is not within a subtree that is permitted"))
    }
}

impl Base {
    fn concerns(&self, name: &Alternative) -> bool {
        match self {
            Self::Dns(_) => matches!(name, Alternative::Dns(_)),
            Self::Mailbox(_) | Self::MailHost(_) | Self::MailDomain(_) => matches!(name, Alternative::Email(_)),
            Self::UriHost(_) | Self::UriDomain(_) => matches!(name, Alternative::Uri { .. }),
            Self::Ip { .. } => matches!(name, Alternative::Ip(_)),
            Self::Directory(_) => matches!(name, Alternative::Directory(_)),
            Self::Other(tag) => matches!(name, Alternative::Other(other) if other == tag),
        }
    }

    /// Whether everything that the name stands for lies within.
    fn holds(&self, name: &Alternative) -> bool {
        match (self, name) {
            (Self::Dns(base), Alternative::Dns(name)) => is_below(name.strip_prefix("*.").unwrap_or(name), base),
            (Self::Mailbox(base), Alternative::Email(name)) => base == name,
            (Self::MailHost(base), Alternative::Email(name)) => *base == name.host,
            (Self::MailDomain(base), Alternative::Email(name)) => name.host.ends_with(base.as_str()),
            (Self::UriHost(base), Alternative::Uri { host: Some(host), .. }) => base == host,
            (Self::UriDomain(base), Alternative::Uri { host: Some(host), .. }) => host.ends_with(base.as_str()),
            (Self::Ip { network, mask }, Alternative::Ip(address)) => is_in_network(*address, network, mask),
            (Self::Directory(base), Alternative::Directory(name)) => name.folded.starts_with(base),
            _ => false,
        }
    }

    /// Whether anything that the name stands for lies within: a wildcard stands for every name with one label in its place.
    fn may_hold(&self, name: &Alternative) -> bool {
        match (self, name) {
            (Self::Dns(base), Alternative::Dns(name)) => match name.strip_prefix("*.") {
                Some(parent) => {
                    is_below(parent, base)
                        || base.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent))
                }
                None => is_below(name, base),
            },
            _ => self.holds(name),
        }
    }
}

/// Whether a name is the base with any labels before it, or none; the base is in lower case.
fn is_below(name: &str, base: &str) -> bool {
    let name = name.to_ascii_lowercase();
    base.is_empty() || name == base || name.strip_suffix(base).is_some_and(|head| head.ends_with('.'))
}

fn is_in_network(address: IpAddr, network: &[u8], mask: &[u8]) -> bool {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets.len() == network.len()
        && octets.iter().zip(network).zip(mask).all(|((octet, network), mask)| octet & mask == network & mask)
}

fn read_list(list: Option<Tlv<'_>>) -> Result<Vec<Base>, Reason> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let bad = |error: der::DerError| Reason::new(CLAUSE, format!("the name constraints are malformed: {error}"));
    let mut bases = Vec::new();
    let mut reader = Reader::new(list.content);
    while !reader.is_empty() {
        let mut subtree = Reader::new(reader.expect(tag::SEQUENCE).map_err(bad)?.content);
        let base = subtree.any().map_err(bad)?;
        if !subtree.is_empty() {
            return Err(Reason::new(CLAUSE, "a subtree has a minimum or a maximum; both must be left out"));
        }
        bases.push(read_base(base)?);
    }
    if bases.is_empty() {
        return Err(Reason::new(CLAUSE, "the name constraints hold an empty list of subtrees"));
    }
    Ok(bases)
}

fn read_base(base: Tlv<'_>) -> Result<Base, Reason> {
    let told =
        || base.content.iter().take(100).flat_map(|octet| octet.escape_ascii()).map(char::from).collect::<String>();
    let wrong = |what: &str| Reason::new(CLAUSE, format!("`{}` is no constraint on {what}", told()));
    let text = |what| {
        let ascii = base.content.is_ascii().then(|| core::str::from_utf8(base.content).ok()).flatten();
        ascii.map(str::to_owned).ok_or_else(|| wrong(what))
    };
    Ok(match base.tag {
        0x81 => {
            let what = "e-mail addresses: an address, a host, or a domain with a leading dot is expected";
            let text = text(what)?;
            if text.contains('@') {
                Base::Mailbox(Mailbox::parse(&text).ok_or_else(|| wrong(what))?)
            } else {
                host_or_domain(&text, Base::MailHost, Base::MailDomain).ok_or_else(|| wrong(what))?
            }
        }
        0x82 => {
            let what = "DNS names: a name without leading dot and wildcard is expected";
            let text = text(what)?;
            if !text.is_empty() && !is_host(&text) {
                return Err(wrong(what));
            }
            Base::Dns(text.to_ascii_lowercase())
        }
        0x86 => {
            let what = "URIs: a host, or a domain with a leading dot is expected";
            host_or_domain(&text(what)?, Base::UriHost, Base::UriDomain).ok_or_else(|| wrong(what))?
        }
        0x87 => {
            let what = "IP addresses: an address and a mask of leading ones, of 4 or 16 octets each, are expected";
            let (network, mask) = base.content.split_at_checked(base.content.len() / 2).ok_or_else(|| wrong(what))?;
            if !matches!(base.content.len(), 8 | 32) || !is_prefix_mask(mask) {
                return Err(wrong(what));
            }
            Base::Ip { network: network.to_vec(), mask: mask.to_vec() }
        }
        0xa4 => Base::Directory(Name::read(base.content).map_err(|_| wrong("directory names"))?.folded),
        other @ (0xa0 | 0xa3 | 0xa5 | 0x88) => Base::Other(other),
        _ => return Err(wrong("any form of name")),
    })
}

fn host_or_domain(text: &str, host: fn(String) -> Base, domain: fn(String) -> Base) -> Option<Base> {
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix('.') {
        Some(parent) => is_host(parent).then(|| domain(lower.clone())),
        None => is_host(&lower).then(|| host(lower.clone())),
    }
}

/// CIDR (RFC 4632): ones, then zeros.
fn is_prefix_mask(mask: &[u8]) -> bool {
    let ones: u32 = mask.iter().map(|octet| octet.count_ones()).sum();
    let mut left = ones;
    mask.iter().all(|octet| {
        let here = left.min(8);
        left -= here;
        octet.leading_ones() == here
    })
}
