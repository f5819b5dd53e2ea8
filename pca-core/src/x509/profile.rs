//! What a certificate is for: profiles, each a value that names subject, names, usages, validity and what of a signing
//! request is honoured (rule I2).

mod builtin;
mod definition;
mod json;
mod judge;
mod name;
mod purpose;
mod spiffe;

pub use definition::{
    CommonNameRule, CsrRules, ExtendedKeyUsage, FieldRule, KeyUsages, NameCount, NameRules, ProfileDefinition,
    ProfileValidity, Revocation, SubjectRules, UriForm,
};
pub use json::ProfileJsonError;
pub use judge::{ProfileFlaw, SHORT_LIVED_DAYS};
pub use name::{CustomName, ProfileName, ProfileNameError};
pub use spiffe::SpiffeProblem;

pub(crate) use purpose::in_words;
pub(crate) use spiffe::check as spiffe_check;

use core::fmt;
use core::str::FromStr;

use const_oid::ObjectIdentifier;
use serde::{Deserialize, Serialize};

use super::san::NameKind;
use super::usage::KeyUsage;
use crate::keys::KeyKind;

/// The profiles that the platform brings along (rule I2). What each is made of is its
/// [`definition`](Profile::definition); profiles of one's own are definitions, too, under a [`ProfileName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Profile {
    /// `serverAuth`; DNS names, wildcards, IP addresses.
    Server,
    /// `clientAuth`; e-mail addresses, URIs.
    Client,
    /// Encrypts and decrypts data: no extended key usage, e-mail addresses and URIs.
    DataEncryption,
    /// Mutual TLS: `serverAuth` and `clientAuth`; a server's names, e-mail addresses, URIs.
    Mutual,
    /// `emailProtection`; at least one e-mail address.
    Email,
    /// `codeSigning`; no names beside the subject.
    CodeSigning,
    /// `OCSPSigning` with *nocheck*: a responder of the holder's own that answers for this CA's certificates.
    OcspSigning,
    /// A workload with a SPIFFE ID: `serverAuth` and `clientAuth`, exactly one URI.
    Spiffe,
    /// A few days for both sides of TLS, without any word on revocation (RFC 9608).
    ShortLived,
}

impl Profile {
    /// Every profile that is built in.
    pub const ALL: [Self; 9] = [
        Self::Server,
        Self::Client,
        Self::Mutual,
        Self::Email,
        Self::DataEncryption,
        Self::CodeSigning,
        Self::OcspSigning,
        Self::Spiffe,
        Self::ShortLived,
    ];

    /// Its name on the command line and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::DataEncryption => "data-encryption",
            Self::Mutual => "mutual",
            Self::Email => "email",
            Self::CodeSigning => "code-signing",
            Self::OcspSigning => "ocsp-signing",
            Self::Spiffe => "spiffe",
            Self::ShortLived => "short-lived",
        }
    }

    /// What it is made of.
    #[must_use]
    pub fn definition(self) -> &'static ProfileDefinition {
        builtin::definition(self)
    }

    /// The key usage that a key of this kind gets (rule I5).
    ///
    /// # Errors
    /// [`ProfileError`] if such a key cannot serve this profile: Ed25519 signs only.
    pub fn key_usage(self, key: KeyKind) -> Result<KeyUsage, ProfileError> {
        self.definition().key_usage(key)
    }

    /// Whether its certificates carry names of this kind (rule I2).
    #[must_use]
    pub fn allows(self, kind: NameKind) -> bool {
        self.definition().names.count(kind).is_some()
    }

    /// The purposes that go into the extended key usage; none for a profile without that extension.
    #[must_use]
    pub fn purposes(self) -> &'static [ObjectIdentifier] {
        self.definition().purposes()
    }
}

impl AsRef<ProfileDefinition> for Profile {
    fn as_ref(&self) -> &ProfileDefinition {
        self.definition()
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| UnknownProfile { name: text.chars().take(60).collect() })
    }
}

/// Why a key does not fit a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ProfileError {
    /// A key that only signs.
    #[error("an ed25519 key only signs; data encryption needs an RSA key or one on P-256, P-384 or P-521")]
    CannotEncrypt,
    /// A kind of key that the profile does not take.
    #[error("the profile {profile} takes no {key} key; it takes {taken}")]
    KeyRefused {
        /// The profile.
        profile: ProfileName,
        /// The kind of key.
        key: String,
        /// The kinds of key that it takes.
        taken: String,
    },
}

/// Text that is no profile that is built in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a profile; built in are {}", Profile::ALL.map(Profile::name).join(", "))]
pub struct UnknownProfile {
    /// What was given, cut to 60 characters.
    pub name: String,
}

#[cfg(test)]
#[path = "profile/tests.rs"]
mod tests;
