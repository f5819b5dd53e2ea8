//! What is asked about a chain.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use const_oid::ObjectIdentifier;

use super::name::{Alternative, Mailbox, host_matches, is_host};
use super::oid::EMAIL_PROTECTION;
use super::policy::PolicyInputs;
use super::reason::Reason;
use crate::log::Timestamp;
use crate::x509::oid;
use crate::x509::san::cut;

/// What is asked about a chain.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChainOptions {
    /// The time for which it is asked; fractions of a second are cut off, as certificates know whole seconds only.
    pub at: Timestamp,
    /// The names that the target must have, each a host, an IP address or an e-mail address.
    pub names: Vec<String>,
    /// What the target is to be used for.
    pub purpose: Purpose,
    /// How many intermediates that are not self-issued may stand between trust anchor and target.
    pub max_depth: Option<usize>,
    /// Which rules there are.
    pub profile: ChainProfile,
    /// Whether each certificate's status must be found in a list. Otherwise it is looked for where its issuer has a list
    /// among those given.
    pub require_crl: bool,
    /// What is asked of policies.
    pub policies: PolicyInputs,
}

impl ChainOptions {
    /// Nothing but validity at a time, by RFC 5280.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self {
            at,
            names: Vec::new(),
            purpose: Purpose::Any,
            max_depth: None,
            profile: ChainProfile::Rfc5280,
            require_crl: false,
            policies: PolicyInputs::default(),
        }
    }
}

/// Which rules a chain is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainProfile {
    /// RFC 5280.
    #[default]
    Rfc5280,
    /// RFC 5280 and what the baseline requirements of the CA/Browser Forum for TLS server certificates add.
    WebPki,
}

/// What a target is to be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// TLS servers.
    Server,
    /// TLS clients.
    Client,
    /// E-mail.
    Email,
    /// Whatever it allows.
    #[default]
    Any,
}

impl Purpose {
    pub(super) const fn oid(self) -> Option<ObjectIdentifier> {
        match self {
            Self::Server => Some(oid::SERVER_AUTH),
            Self::Client => Some(oid::CLIENT_AUTH),
            Self::Email => Some(EMAIL_PROTECTION),
            Self::Any => None,
        }
    }
}

/// A word that names no profile or purpose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not known; known are {known}")]
pub struct UnknownChainWord {
    /// The word.
    pub word: String,
    /// What is known.
    pub known: &'static str,
}

impl FromStr for ChainProfile {
    type Err = UnknownChainWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "rfc5280" => Ok(Self::Rfc5280),
            "webpki" => Ok(Self::WebPki),
            _ => Err(UnknownChainWord { word: cut(word), known: "rfc5280 and webpki" }),
        }
    }
}

impl FromStr for Purpose {
    type Err = UnknownChainWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "server" => Ok(Self::Server),
            "client" => Ok(Self::Client),
            "email" => Ok(Self::Email),
            "any" => Ok(Self::Any),
            _ => Err(UnknownChainWord { word: cut(word), known: "server, client, email and any" }),
        }
    }
}

/// A name that the target must have.
#[derive(Debug)]
pub(super) enum Expected {
    Dns(String),
    Ip(IpAddr),
    Email(Mailbox),
}

impl Expected {
    pub(super) fn parse(text: &str) -> Result<Self, Reason> {
        let wrong = |clause, what: &str| Err(Reason::new(clause, format!("the expected name `{}` {what}", cut(text))));
        if text.contains('@') {
            return Mailbox::parse(text)
                .map(Self::Email)
                .map_or_else(|| wrong("RFC 5321 4.1.2", "is no e-mail address"), Ok);
        }
        let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = address.parse() {
            return Ok(Self::Ip(address));
        }
        match is_host(text) {
            true => Ok(Self::Dns(text.into())),
            false => wrong("RFC 1034 3.5", "is neither a host name nor an IP or e-mail address"),
        }
    }

    pub(super) fn is_among(&self, names: &[Alternative]) -> bool {
        names.iter().any(|name| match (self, name) {
            (Self::Dns(host), Alternative::Dns(presented)) => host_matches(presented, host),
            (Self::Ip(address), Alternative::Ip(presented)) => address == presented,
            (Self::Email(mailbox), Alternative::Email(presented)) => mailbox == presented,
            _ => false,
        })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(host) => write!(f, "the DNS name `{host}`"),
            Self::Ip(address) => write!(f, "the IP address {address}"),
            Self::Email(mailbox) => write!(f, "the e-mail address `{mailbox}`"),
        }
    }
}
