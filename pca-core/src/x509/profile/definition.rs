//! What a profile is made of.

use const_oid::ObjectIdentifier;
use serde::{Deserialize, Serialize};

use super::purpose::{as_names, as_numbers};
use super::{Profile, ProfileError, ProfileName};
use crate::keys::KeyKind;
use crate::x509::san::NameKind;
use crate::x509::subject::SubjectField;
use crate::x509::usage::KeyUsage;

/// A profile as a value: everything that its certificates have in common (rule I2). The same fields stand in the JSON of
/// `pca profile list` and `pca profile add`, and in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a profile of one's own is written field by field")]
pub struct ProfileDefinition {
    /// Its name.
    pub name: ProfileName,
    /// What it is for, in at most 200 characters.
    pub description: String,
    /// Which fields a subject has.
    pub subject: SubjectRules,
    /// Which alternative names there are.
    pub names: NameRules,
    /// What a key is used for, by its kind.
    pub key_usage: KeyUsages,
    /// What the certificate may be used for.
    pub extended_key_usage: ExtendedKeyUsage,
    /// For how long.
    pub validity: ProfileValidity,
    /// What of a signing request is honoured (rule I3).
    pub csr: CsrRules,
    /// What a certificate says about its revocation.
    pub revocation: Revocation,
    /// Certificate policies (RFC 5280 section 4.2.1.4).
    #[serde(with = "as_numbers")]
    pub policies: Vec<ObjectIdentifier>,
}

impl ProfileDefinition {
    /// The key usage that a key of this kind gets (rule I5).
    ///
    /// # Errors
    /// [`ProfileError`] if the profile takes no such key.
    pub fn key_usage(&self, key: KeyKind) -> Result<KeyUsage, ProfileError> {
        let usage = self.key_usage.of(key);
        if !usage.is_empty() {
            return Ok(usage);
        }
        if self.name == Profile::DataEncryption {
            return Err(ProfileError::CannotEncrypt);
        }
        let kinds = [("RSA", self.key_usage.rsa), ("EC", self.key_usage.ec), ("Ed25519", self.key_usage.ed25519)];
        let taken: Vec<&str> = kinds.into_iter().filter(|(_, usage)| !usage.is_empty()).map(|(kind, _)| kind).collect();
        Err(ProfileError::KeyRefused { profile: self.name, key: key.to_string(), taken: taken.join(", ") })
    }

    /// The purposes that go into the extended key usage.
    #[must_use]
    pub fn purposes(&self) -> &[ObjectIdentifier] {
        &self.extended_key_usage.purposes
    }

    /// The purposes by their names in RFC 5280, or by number where they have none.
    #[must_use]
    pub fn purpose_names(&self) -> Vec<String> {
        self.purposes().iter().map(super::in_words).collect()
    }

    /// Whether a certificate of it is one for TLS clients.
    #[must_use]
    pub fn is_for_clients(&self) -> bool {
        self.purposes().contains(&crate::x509::oid::CLIENT_AUTH)
    }

    /// Whether a certificate of it is one for TLS servers, so that rule I4 asks for host names.
    #[must_use]
    pub fn is_for_servers(&self) -> bool {
        self.purposes().contains(&crate::x509::oid::SERVER_AUTH)
    }
}

impl AsRef<Self> for ProfileDefinition {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Which fields a subject has (rules C4, I2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "the fields are those of a subject")]
pub struct SubjectRules {
    /// CN
    pub common_name: CommonNameRule,
    /// O
    pub organization: FieldRule,
    /// OU
    pub organizational_unit: FieldRule,
    /// C
    pub country: FieldRule,
    /// ST
    pub state: FieldRule,
    /// L
    pub locality: FieldRule,
}

impl SubjectRules {
    /// Every field but the common name.
    pub(crate) fn others(&self) -> [(SubjectField, FieldRule); 5] {
        [
            (SubjectField::Country, self.country),
            (SubjectField::State, self.state),
            (SubjectField::Locality, self.locality),
            (SubjectField::Organization, self.organization),
            (SubjectField::OrganizationalUnit, self.organizational_unit),
        ]
    }
}

/// Whether a field of a subject is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FieldRule {
    /// It must be.
    Required,
    /// It may be.
    Optional,
    /// It must not be.
    Forbidden,
}

/// What a common name is (rules C4, I4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CommonNameRule {
    /// It must be there, and may be anything.
    Required,
    /// It may be there, and may be anything.
    Optional,
    /// It must not be there.
    Forbidden,
    /// A DNS name or IP address that is one of the alternative names, added if absent; without a common name the first
    /// name of at most 64 characters becomes it (rule I4).
    ServerName,
    /// A DNS name or IP address that is one of the alternative names, added if absent; it may be left out.
    OneOfNames,
}

/// How many alternative names of each kind there are; a kind that is absent is refused. More than 100 in all never are
/// (rule G4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "the kinds are those that the platform writes")]
pub struct NameRules {
    /// DNS names.
    #[serde(default)]
    pub dns: Option<NameCount>,
    /// IP addresses.
    #[serde(default)]
    pub ip: Option<NameCount>,
    /// E-mail addresses.
    #[serde(default)]
    pub email: Option<NameCount>,
    /// URIs.
    #[serde(default)]
    pub uri: Option<NameCount>,
    /// Whether DNS names may have wildcards.
    pub wildcards: bool,
    /// What a URI looks like.
    pub uri_form: UriForm,
}

impl NameRules {
    /// How many names of a kind there are; nothing where there are none.
    #[must_use]
    pub const fn count(&self, kind: NameKind) -> Option<NameCount> {
        match kind {
            NameKind::Dns => self.dns,
            NameKind::Ip => self.ip,
            NameKind::Email => self.email,
            NameKind::Uri => self.uri,
            NameKind::Directory | NameKind::Other => None,
        }
    }

    /// Every kind that is allowed.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (NameKind, NameCount)> + '_ {
        [NameKind::Dns, NameKind::Ip, NameKind::Email, NameKind::Uri]
            .into_iter()
            .filter_map(|kind| self.count(kind).map(|count| (kind, count)))
    }
}

/// How many names of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a range has two ends")]
pub struct NameCount {
    /// At least.
    pub least: u8,
    /// At most.
    pub most: u8,
}

/// What a URI looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UriForm {
    /// Any absolute one with a host (rule I4).
    #[default]
    Any,
    /// A SPIFFE ID of a workload: `spiffe://trust-domain/path`.
    Spiffe,
}

/// What a key is used for (RFC 5280 section 4.2.1.3), by its kind; no usage means that such keys are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "the kinds are those of the platform's families")]
pub struct KeyUsages {
    /// RSA.
    pub rsa: KeyUsage,
    /// P-256, P-384, P-521.
    pub ec: KeyUsage,
    /// Ed25519.
    pub ed25519: KeyUsage,
}

impl KeyUsages {
    /// That of a kind of key.
    #[must_use]
    pub const fn of(&self, key: KeyKind) -> KeyUsage {
        match key {
            KeyKind::Rsa { .. } => self.rsa,
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => self.ec,
            _ => self.ed25519,
        }
    }
}

/// What a certificate may be used for (RFC 5280 section 4.2.1.12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "it is an extension: its criticality and its value")]
pub struct ExtendedKeyUsage {
    /// Each purpose; none leaves the extension out.
    #[serde(with = "as_names")]
    pub purposes: Vec<ObjectIdentifier>,
    /// Whether whoever does not know the extension must refuse the certificate.
    pub critical: bool,
}

/// How long a certificate is valid (rules C5, I2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "what is usual and what is allowed")]
pub struct ProfileValidity {
    /// For how many days of 24 hours if nothing is asked for.
    pub default_days: u32,
    /// For how many days at most; absent: only policy and issuers limit it.
    #[serde(default)]
    pub longest_days: Option<u32>,
}

/// What of a signing request is honoured beside its key (rule I3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a request has a subject and names")]
pub struct CsrRules {
    /// Its subject (the fields C, ST, L, O, OU and CN), where the caller gives none.
    pub subject: bool,
    /// Its alternative names, beside those that the caller gives.
    pub names: bool,
}

/// What a certificate says about its revocation (rule I5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Revocation {
    /// Where CRL and OCSP responder are, as its CA is configured.
    Addresses,
    /// That there will be no word of it: `noRevAvail` (RFC 9608), and neither CRL nor OCSP responder. Short-lived only.
    NotAvailable,
    /// That a responder's certificate is not checked: `id-pkix-ocsp-nocheck` (RFC 6960 section 4.2.2.2.1), and no address.
    NoCheck,
}
