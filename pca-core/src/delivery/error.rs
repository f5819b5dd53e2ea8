//! Why a delivery is refused, and what to say beside one that is made.

use super::{Format, Kind};
use crate::domain::{BrokenRule, Rule};

/// Why a delivery is refused. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// A certificate authority's key never leaves the key store (rule K1).
    #[error("{id} is a certificate authority: its private key never leaves the key store by download")]
    AuthorityKey {
        /// Whose key was asked for.
        id: String,
    },
    /// The format holds nothing but a private key, and a certificate authority's is never delivered (rule K1).
    #[error("{id} is a certificate authority: there is nothing to deliver as {format} without its key")]
    KeyFormatOfAuthority {
        /// Whose key was asked for.
        id: String,
        /// In which format.
        format: Format,
    },
    /// The format carries a private key, but the key was not asked for (rule A1).
    #[error(
        "{format} carries the private key, which must be asked for (--with-key); without it take pem, der or pkcs7"
    )]
    KeyNotAsked {
        /// The format.
        format: Format,
    },
    /// An unencrypted key was asked for, but not the key itself (rule K4).
    #[error("a plain key (--plain-key) was asked for, but not the key itself (--with-key)")]
    PlainKeyWithoutKey,
    /// The platform does not hold the key: it came with a certificate signing request, or was destroyed (rules A1, K4).
    #[error("the platform holds no private key of {id}: it was made elsewhere, or is destroyed already")]
    NoPrivateKey {
        /// Of which certificate.
        id: String,
    },
    /// The format always encrypts its key (rule K4).
    #[error(
        "{format} holds no unencrypted key; ask for a plain key as pem, der, pkcs7, pkcs8, nginx, apache or haproxy"
    )]
    PlainKeyImpossible {
        /// The format.
        format: Format,
    },
    /// The private key is not the certificate's (rule A1).
    #[error("the private key does not belong to the certificate {id}")]
    KeyMismatch {
        /// Of which certificate.
        id: String,
    },
    /// The format needs an export passphrase (rule K5).
    #[error("{format} needs an export passphrase of at least {least} characters")]
    PassphraseMissing {
        /// The format.
        format: Format,
        /// How many characters it must have.
        least: usize,
    },
    /// The export passphrase is too short (rule K5).
    #[error("the export passphrase has {characters} characters, at least {least} are required")]
    PassphraseTooShort {
        /// How many it has.
        characters: usize,
        /// How many it must have.
        least: usize,
    },
    /// Passphrases of key stores (PKCS#12, JKS) must be ASCII: importers disagree about anything else (rule K5).
    #[error("the export passphrase for {format} must be ASCII: importers disagree about other characters")]
    PassphraseNotAscii {
        /// The format.
        format: Format,
    },
    /// The export passphrase holds a control character, which cannot be typed or kept in a file's line (rule K5).
    #[error("the export passphrase holds a control character (a line break, a tab), which cannot be typed again")]
    PassphraseControlCharacter,
    /// The id cannot be part of a file name (rule A1).
    #[error("the id cannot be part of a file name: only ASCII letters, digits, `_` and `-`, at most 128")]
    UnsuitableId,
    /// The certificate is not one (rule A1).
    #[error("{which} cannot be read as an X.509 certificate")]
    UnreadableCertificate {
        /// Which one.
        which: &'static str,
    },
    /// The certificate is too large (rule G4).
    #[error("{which} has {octets} octets, at most {most} are accepted")]
    CertificateTooLarge {
        /// Which one.
        which: &'static str,
        /// Its length.
        octets: usize,
        /// The limit.
        most: usize,
    },
    /// The file could not be encoded or encrypted (rule A1); a defect, or a certificate beyond every bound.
    #[error("the {structure} could not be encoded")]
    Encoding {
        /// Which structure.
        structure: &'static str,
    },
}

impl DeliveryError {
    /// The business rule that stands behind the refusal.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::AuthorityKey { .. } | Self::KeyFormatOfAuthority { .. } => "K1",
            Self::KeyNotAsked { .. }
            | Self::NoPrivateKey { .. }
            | Self::KeyMismatch { .. }
            | Self::UnsuitableId
            | Self::UnreadableCertificate { .. }
            | Self::Encoding { .. } => "A1",
            Self::PlainKeyWithoutKey | Self::PlainKeyImpossible { .. } => "K4",
            Self::PassphraseMissing { .. }
            | Self::PassphraseTooShort { .. }
            | Self::PassphraseNotAscii { .. }
            | Self::PassphraseControlCharacter => "K5",
            Self::CertificateTooLarge { .. } => "G4",
        }
    }

    /// A short name that programs can compare.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AuthorityKey { .. } => "authority-key",
            Self::KeyFormatOfAuthority { .. } => "key-format-of-authority",
            Self::KeyNotAsked { .. } => "key-not-asked",
            Self::PlainKeyWithoutKey => "plain-key-without-key",
            Self::NoPrivateKey { .. } => "no-private-key",
            Self::PlainKeyImpossible { .. } => "plain-key-impossible",
            Self::KeyMismatch { .. } => "key-mismatch",
            Self::PassphraseMissing { .. } => "passphrase-missing",
            Self::PassphraseTooShort { .. } => "passphrase-too-short",
            Self::PassphraseNotAscii { .. } => "passphrase-not-ascii",
            Self::PassphraseControlCharacter => "passphrase-control-character",
            Self::UnsuitableId => "unsuitable-id",
            Self::UnreadableCertificate { .. } => "unreadable-certificate",
            Self::CertificateTooLarge { .. } => "certificate-too-large",
            Self::Encoding { .. } => "encoding",
        }
    }
}

impl From<DeliveryError> for BrokenRule {
    fn from(error: DeliveryError) -> Self {
        Self::new(Rule::new(error.rule()), error.code(), error.to_string())
    }
}

/// What should be said beside a delivery (rule A1): it is made, but something about it may surprise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryWarning {
    /// The target cannot use a key of the chain.
    #[error("{target} cannot use {algorithm} keys ({subject})")]
    AlgorithmUnusable {
        /// Which programs.
        target: &'static str,
        /// Which algorithm.
        algorithm: &'static str,
        /// Whose key.
        subject: String,
    },
    /// The target has no use for a certificate of this kind.
    #[error("a {kind} certificate does not fit {format}: {why}")]
    PurposeDoesNotFit {
        /// The certificate's.
        kind: Kind,
        /// The package.
        format: Format,
        /// What is missing.
        why: &'static str,
    },
    /// The package holds no private key; its holder must bring it.
    #[error("the package holds no private key: bring your own, or ask for it (--with-key) if the platform made it")]
    NoKey,
    /// The private key is not encrypted (rule K4).
    #[error("{path} holds the private key UNENCRYPTED, as asked: whoever can read the file has the key")]
    PlainKey {
        /// Which file.
        path: String,
    },
    /// The target cannot open the encrypted key (rule K4).
    #[error(
        "{target} opens no encrypted key: decrypt {path} first, as INSTALL.txt says, or ask for a plain key (--plain-key)"
    )]
    EncryptedKeyUnusable {
        /// Which program.
        target: &'static str,
        /// Which file.
        path: String,
    },
    /// The format is a legacy, kept for programs that read nothing better.
    #[error(
        "{format} is a legacy format (its key protection and integrity rest on SHA-1): take pkcs12 wherever it can be read"
    )]
    Legacy {
        /// Which format.
        format: Format,
    },
    /// The format cannot hold a certificate without trusting it (rule K1).
    #[error(
        "every certificate in {format} is a trust anchor, {subject} too: who trusts it is not told when the root revokes it"
    )]
    EveryEntryTrusted {
        /// The format.
        format: Format,
        /// Which certificate beside the root.
        subject: String,
    },
    /// The root above the certificate is not known to the platform, so that no trust anchor is delivered.
    #[error("the root above the certificate is not known here: ask its owner for the trust anchor")]
    NoTrustAnchor,
}

impl DeliveryWarning {
    /// A short name that programs can compare.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlgorithmUnusable { .. } => "algorithm-unusable",
            Self::PurposeDoesNotFit { .. } => "purpose-does-not-fit",
            Self::NoKey => "no-key",
            Self::PlainKey { .. } => "plain-key",
            Self::EncryptedKeyUnusable { .. } => "encrypted-key-unusable",
            Self::Legacy { .. } => "legacy",
            Self::EveryEntryTrusted { .. } => "every-entry-trusted",
            Self::NoTrustAnchor => "no-trust-anchor",
        }
    }
}
