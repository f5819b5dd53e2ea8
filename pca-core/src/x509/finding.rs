//! What there is to say of an uploaded CA certificate (rule C3): refusals, warnings, notices.

use super::name::DistinguishedName;
use super::parsed::CertificateError;
use super::pem::PemError;
use super::serial::SerialNumberError;
use super::signature::{SignatureAlgorithmError, WeakHash};
use super::usage::KeyUsage;
use super::validity::Validity;
use crate::keys::{Family, ImportError, PublicKeyError};
use crate::log::Timestamp;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Told, nothing more.
    Notice,
    /// Stands against the upload unless its code is accepted.
    Warning,
    /// Stands against the upload.
    Refusal,
}

/// One thing that there is to say of an upload: what is wrong, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UploadFinding {
    /// The certificate cannot be read.
    #[error("{}{}", .0, advice(.0))]
    CertificateUnreadable(CertificateError),
    /// The private key cannot be read.
    #[error("{0}")]
    KeyUnreadable(ImportError),
    /// Certificate and key do not belong together.
    #[error("the private key is not the key of the certificate; upload the key that the certificate was made for")]
    KeyMismatch,
    /// The certificate's key is none that the platform works with.
    #[error("{0}; RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519 is needed")]
    KeyUnsupported(PublicKeyError),
    /// Another family than the one bought.
    #[error("the key is of the family {found}; this CA was bought for the family {expected}")]
    WrongFamily {
        /// The family that was bought.
        expected: Family,
        /// The family of the key.
        found: Family,
    },
    /// An older version.
    #[error("it is a certificate of version {version}; a CA needs version 3")]
    VersionNot3 {
        /// Its version.
        version: u8,
    },
    /// No subject.
    #[error("the subject is empty; a CA needs a name")]
    SubjectEmpty,
    /// A serial number that RFC 5280 forbids.
    #[error("{0}; 1 to 20 octets are needed")]
    SerialInvalid(SerialNumberError),
    /// Not a CA.
    #[error("it is no CA certificate: basicConstraints with cA is missing")]
    NotACa,
    /// No room in its own path length.
    #[error("its path length is 0, but a root needs room for its intermediates: none or at least 1")]
    PathLengthTooShort,
    /// No room in the issuer's path length.
    #[error("the issuer `{issuer}` has path length 0: no CA may stand below it")]
    IssuerPathLengthExhausted {
        /// The issuer's subject.
        issuer: DistinguishedName,
    },
    /// Not self-issued, where a root is wanted.
    #[error("it is not self-issued: subject `{subject}`, issuer `{issuer}`; a root names itself as issuer")]
    NotSelfIssued {
        /// Its subject.
        subject: DistinguishedName,
        /// Its issuer.
        issuer: DistinguishedName,
    },
    /// Self-issued, where an intermediate is wanted.
    #[error(
        "it names itself as issuer; an intermediate has another subject than its root, and neither case nor repeated spaces tell names apart"
    )]
    SelfIssued,
    /// Issued by somebody else.
    #[error("it was issued by `{found}`; an intermediate of this root is issued by `{expected}`")]
    WrongIssuer {
        /// The root's subject.
        expected: DistinguishedName,
        /// The issuer that it names.
        found: DistinguishedName,
    },
    /// The signature is not the issuer's.
    #[error("its signature was not made with the key of {}", if *root { "the certificate itself" } else { "the enabled root" })]
    SignatureWrong {
        /// Whether it should have been its own key.
        root: bool,
    },
    /// Signed with a broken hash.
    #[error("it is signed with {}, which is broken; SHA-256 or better is needed", hash.name())]
    WeakSignature {
        /// Which hash.
        hash: WeakHash,
    },
    /// Signed in a way that is not known.
    #[error("{0}")]
    SignatureUnsupported(SignatureAlgorithmError),
    /// A validity that is none.
    #[error("its validity ends at {not_after}, before it begins at {not_before}")]
    ValidityReversed {
        /// The beginning.
        not_before: Timestamp,
        /// The end.
        not_after: Timestamp,
    },
    /// Not valid yet.
    #[error("it is valid only from {not_before}; now it is {now}")]
    NotYetValid {
        /// The beginning.
        not_before: Timestamp,
        /// The time of the upload.
        now: Timestamp,
    },
    /// Not valid any more.
    #[error("it expired at {not_after}; now it is {now}")]
    Expired {
        /// The end.
        not_after: Timestamp,
        /// The time of the upload.
        now: Timestamp,
    },
    /// Valid outside the issuer's validity (rule C5).
    #[error(
        "it is valid from {} to {}, beyond its root's {} to {}",
        found.not_before(), found.not_after(), limit.not_before(), limit.not_after()
    )]
    BeyondIssuer {
        /// Its validity.
        found: Validity,
        /// The root's.
        limit: Validity,
    },
    /// A critical extension that the platform does not know.
    #[error("the critical extension {oid} is not known; it must be absent or not critical")]
    UnknownCriticalExtension {
        /// Which one.
        oid: const_oid::ObjectIdentifier,
    },
    /// Key usage without what a CA does.
    #[error("its key usage lacks {missing}; a CA needs keyCertSign and cRLSign")]
    KeyUsageLacks {
        /// What is missing.
        missing: KeyUsage,
    },
    /// The authority key identifier names another key.
    #[error("its authority key identifier is not the subject key identifier of {}", if *root { "the certificate itself" } else { "the enabled root" })]
    AuthorityKeyMismatch {
        /// Whether it should have been its own.
        root: bool,
    },
    /// A warning: no key usage.
    #[error("it has no key usage; one with keyCertSign and cRLSign would be right")]
    KeyUsageAbsent,
    /// A warning: basic constraints that are not critical.
    #[error("its basicConstraints are not critical; a CA's should be")]
    BasicConstraintsNotCritical,
    /// A warning: no subject key identifier.
    #[error("it has no subject key identifier; a CA should have one")]
    SubjectKeyIdentifierAbsent,
    /// A warning: an authority key identifier with issuer and serial number.
    #[error(
        "its authority key identifier names issuer and serial number, which ties it to one certificate of its issuer; the key identifier alone would be right"
    )]
    AuthorityIssuerAndSerial,
    /// A notice: a root whose own signature uses SHA-1.
    #[error(
        "its own signature uses SHA-1, which is broken; nobody needs a root's own signature, but a newer root would be right"
    )]
    Sha1SelfSignature,
}

/// What would be right; what is too large to be read may be one.
fn advice(error: &CertificateError) -> &'static str {
    if error.rule() == "G4" { "" } else { "; a certificate in PEM or DER is needed" }
}

impl UploadFinding {
    /// A stable name; that of a warning is what the caller accepts it by.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CertificateUnreadable(
                CertificateError::TooLarge { .. } | CertificateError::Pem(PemError::TooLarge { .. }),
            ) => "certificate-too-large",
            Self::CertificateUnreadable(_) => "certificate-unreadable",
            Self::KeyUnreadable(ImportError::TooLarge { .. } | ImportError::TooManyBlocks) => "key-too-large",
            Self::KeyUnreadable(ImportError::Pbkdf2TooCostly { .. } | ImportError::ScryptTooCostly { .. }) => {
                "key-too-costly"
            }
            Self::KeyUnreadable(_) => "key-unreadable",
            Self::KeyMismatch => "key-mismatch",
            Self::KeyUnsupported(_) => "key-unsupported",
            Self::WrongFamily { .. } => "wrong-family",
            Self::VersionNot3 { .. } => "version-not-3",
            Self::SubjectEmpty => "subject-empty",
            Self::SerialInvalid(_) => "serial-invalid",
            Self::NotACa => "not-a-ca",
            Self::PathLengthTooShort => "path-length-too-short",
            Self::IssuerPathLengthExhausted { .. } => "issuer-path-length-exhausted",
            Self::NotSelfIssued { .. } => "not-self-issued",
            Self::SelfIssued => "self-issued",
            Self::WrongIssuer { .. } => "wrong-issuer",
            Self::SignatureWrong { .. } => "signature-wrong",
            Self::WeakSignature { .. } => "weak-signature",
            Self::SignatureUnsupported(_) => "signature-unsupported",
            Self::ValidityReversed { .. } => "validity-reversed",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::Expired { .. } => "expired",
            Self::BeyondIssuer { .. } => "beyond-issuer",
            Self::UnknownCriticalExtension { .. } => "unknown-critical-extension",
            Self::KeyUsageLacks { .. } => "key-usage-lacks",
            Self::AuthorityKeyMismatch { .. } => "aki-mismatch",
            Self::KeyUsageAbsent => "key-usage-absent",
            Self::BasicConstraintsNotCritical => "basic-constraints-not-critical",
            Self::SubjectKeyIdentifierAbsent => "ski-absent",
            Self::AuthorityIssuerAndSerial => "aki-issuer-and-serial",
            Self::Sha1SelfSignature => "sha1-self-signature",
        }
    }

    /// How much it weighs.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::KeyUsageAbsent
            | Self::BasicConstraintsNotCritical
            | Self::SubjectKeyIdentifierAbsent
            | Self::AuthorityIssuerAndSerial => Severity::Warning,
            Self::Sha1SelfSignature => Severity::Notice,
            _ => Severity::Refusal,
        }
    }

    /// The rule that it stands for: C3, or G4 where reading would be too much work.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::CertificateUnreadable(error) => error.rule(),
            Self::KeyUnreadable(error) => error.rule(),
            _ => "C3",
        }
    }
}
