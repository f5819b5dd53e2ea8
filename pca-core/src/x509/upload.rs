//! Uploaded CA certificates with their keys: everything that stands against one, and everything that is odd (rule C3).

use core::fmt;

use super::extension::KeyUsage;
use super::name::DistinguishedName;
use super::parsed::{CertificateError, ParsedCertificate, SignatureError};
use super::serial::SerialNumberError;
use super::signature::{SignatureAlgorithmError, WeakHash};
use super::validity::Validity;
use crate::keys::{Family, ImportError, PrivateKey, PublicKeyError};
use crate::log::Timestamp;

/// Reads a certificate (PEM or DER) and its private key (PKCS#8, encrypted PKCS#8, PKCS#1 or SEC 1, PEM or DER).
///
/// What this gives is evidence for a decision: [`CheckedUpload::findings`] judges it against what is expected.
///
/// # Errors
/// [`UploadError`] with every reason why certificate or key cannot be read, or that they do not belong together.
pub fn check_upload(certificate: &[u8], key: &[u8], passphrase: Option<&[u8]>) -> Result<CheckedUpload, UploadError> {
    match (ParsedCertificate::from_pem_or_der(certificate), PrivateKey::import(key, passphrase)) {
        (Ok(certificate), Ok(private_key)) => Ok(CheckedUpload { certificate, private_key }),
        (certificate, key) => {
            let certificate = certificate.err().map(UploadFinding::CertificateUnreadable);
            let key = key.err().map(UploadFinding::KeyUnreadable);
            Err(UploadError { findings: certificate.into_iter().chain(key).collect() })
        }
    }
}

/// A certificate and a private key that could be read.
#[derive(Clone, Debug)]
pub struct CheckedUpload {
    certificate: ParsedCertificate,
    private_key: PrivateKey,
}

impl CheckedUpload {
    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &ParsedCertificate {
        &self.certificate
    }

    /// The private key.
    #[must_use]
    pub const fn private_key(&self) -> &PrivateKey {
        &self.private_key
    }

    /// Everything that there is to say: refusals, warnings that need an acceptance, notices.
    #[must_use]
    pub fn findings(&self, expectation: &Expectation<'_>) -> Vec<UploadFinding> {
        let mut findings = certificate_findings(&self.certificate, expectation);
        if self.certificate.public_key().is_ok_and(|key| key != self.private_key.public_key()) {
            findings.insert(0, UploadFinding::KeyMismatch);
        }
        findings
    }

    /// Judges the upload, given the codes of the warnings that the caller accepts.
    ///
    /// # Errors
    /// Every finding that stands against it: refusals, and warnings that were not accepted.
    pub fn judge(
        &self,
        expectation: &Expectation<'_>,
        accepted: &[impl AsRef<str>],
    ) -> Result<Vec<UploadFinding>, Vec<UploadFinding>> {
        judge(self.findings(expectation), accepted)
    }
}

/// Everything that there is to say of a CA certificate alone, as one that an external issuer made (rule C2).
#[must_use]
pub fn certificate_findings(certificate: &ParsedCertificate, expectation: &Expectation<'_>) -> Vec<UploadFinding> {
    let mut findings = Vec::new();
    key_and_form(certificate, expectation, &mut findings);
    extensions(certificate, &mut findings);
    match expectation.role {
        Role::Root => root(certificate, &mut findings),
        Role::Intermediate { issuer } => intermediate(certificate, issuer, &mut findings),
    }
    validity(certificate, expectation, &mut findings);
    findings
}

/// Parts findings into what stands against an upload and what may be told beside it.
///
/// # Errors
/// Every finding that stands against it: refusals, and warnings that were not accepted by their code.
pub fn judge(
    findings: Vec<UploadFinding>,
    accepted: &[impl AsRef<str>],
) -> Result<Vec<UploadFinding>, Vec<UploadFinding>> {
    let (tolerated, against): (Vec<_>, Vec<_>) = findings.into_iter().partition(|finding| match finding.severity() {
        Severity::Refusal => false,
        Severity::Warning => accepted.iter().any(|code| code.as_ref() == finding.code()),
        Severity::Notice => true,
    });
    if against.is_empty() { Ok(tolerated) } else { Err(against) }
}

/// What an upload is judged against.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// The family that was bought (rule O3).
    pub family: Family,
    /// What the certificate shall be.
    pub role: Role<'a>,
    /// When it is uploaded.
    pub now: Timestamp,
}

/// What an uploaded certificate shall be.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Role<'a> {
    /// A root.
    Root,
    /// An intermediate.
    Intermediate {
        /// The enabled root that must have issued it.
        issuer: &'a ParsedCertificate,
    },
}

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
    #[error("{0}; a certificate in PEM or DER is needed")]
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
    #[error("it names itself as issuer; an intermediate has another subject than its root")]
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
        "its own signature uses SHA-1 and is not verified; nobody needs a root's own signature, but a newer root would be right"
    )]
    Sha1SelfSignature,
}

impl UploadFinding {
    /// A stable name; that of a warning is what the caller accepts it by.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CertificateUnreadable(_) => "certificate-unreadable",
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

    /// The rule that it stands for.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        "C3"
    }
}

/// Why certificate and key could not even be read; every reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadError {
    findings: Vec<UploadFinding>,
}

impl UploadError {
    /// The reasons; refusals, all of them.
    #[must_use]
    pub fn findings(&self) -> &[UploadFinding] {
        &self.findings
    }
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}

impl core::error::Error for UploadError {}

fn key_and_form(certificate: &ParsedCertificate, expectation: &Expectation<'_>, findings: &mut Vec<UploadFinding>) {
    match certificate.public_key() {
        Err(error) => findings.push(UploadFinding::KeyUnsupported(error.clone())),
        Ok(key) if key.family() != expectation.family => {
            findings.push(UploadFinding::WrongFamily { expected: expectation.family, found: key.family() });
        }
        Ok(_) => {}
    }
    if certificate.version() != 3 {
        findings.push(UploadFinding::VersionNot3 { version: certificate.version() });
    }
    if certificate.subject().is_empty() {
        findings.push(UploadFinding::SubjectEmpty);
    }
    if let Err(error) = certificate.serial() {
        findings.push(UploadFinding::SerialInvalid(error.clone()));
    }
}

fn extensions(certificate: &ParsedCertificate, findings: &mut Vec<UploadFinding>) {
    let extensions = certificate.extensions();
    match extensions.basic_constraints {
        Some(constraints) if constraints.ca => {
            if !constraints.critical {
                findings.push(UploadFinding::BasicConstraintsNotCritical);
            }
        }
        _ => findings.push(UploadFinding::NotACa),
    }
    match extensions.key_usage {
        None => findings.push(UploadFinding::KeyUsageAbsent),
        Some(usage) => {
            let missing = [KeyUsage::KEY_CERT_SIGN, KeyUsage::CRL_SIGN]
                .into_iter()
                .filter(|needed| !usage.contains(*needed))
                .fold(KeyUsage::default(), KeyUsage::with);
            if !missing.is_empty() {
                findings.push(UploadFinding::KeyUsageLacks { missing });
            }
        }
    }
    if extensions.subject_key_identifier.is_none() {
        findings.push(UploadFinding::SubjectKeyIdentifierAbsent);
    }
    if extensions.authority_key_identifier.as_ref().is_some_and(|identifier| identifier.has_issuer_and_serial) {
        findings.push(UploadFinding::AuthorityIssuerAndSerial);
    }
    findings
        .extend(extensions.unknown_critical.iter().map(|oid| UploadFinding::UnknownCriticalExtension { oid: *oid }));
}

fn root(certificate: &ParsedCertificate, findings: &mut Vec<UploadFinding>) {
    if certificate.extensions().basic_constraints.is_some_and(|constraints| constraints.path_length == Some(0)) {
        findings.push(UploadFinding::PathLengthTooShort);
    }
    if !certificate.is_self_issued() {
        findings.push(UploadFinding::NotSelfIssued {
            subject: certificate.subject().clone(),
            issuer: certificate.issuer().clone(),
        });
    }
    signature(certificate, certificate, true, findings);
}

fn intermediate(certificate: &ParsedCertificate, issuer: &ParsedCertificate, findings: &mut Vec<UploadFinding>) {
    if certificate.is_self_issued() {
        findings.push(UploadFinding::SelfIssued);
    }
    if certificate.issuer() != issuer.subject() {
        findings.push(UploadFinding::WrongIssuer {
            expected: issuer.subject().clone(),
            found: certificate.issuer().clone(),
        });
    }
    if issuer.extensions().basic_constraints.is_some_and(|constraints| constraints.path_length == Some(0)) {
        findings.push(UploadFinding::IssuerPathLengthExhausted { issuer: issuer.subject().clone() });
    }
    signature(certificate, issuer, false, findings);
    if let (Ok(found), Ok(limit)) = (certificate.validity(), issuer.validity()) {
        if !found.nests_in(&limit) {
            findings.push(UploadFinding::BeyondIssuer { found, limit });
        }
    }
}

fn signature(
    certificate: &ParsedCertificate,
    issuer: &ParsedCertificate,
    root: bool,
    findings: &mut Vec<UploadFinding>,
) {
    let named = certificate.extensions().authority_key_identifier.as_ref().and_then(|aki| aki.key_identifier.as_ref());
    let own = issuer.extensions().subject_key_identifier.as_ref();
    if named.zip(own).is_some_and(|(named, own)| named != own) {
        findings.push(UploadFinding::AuthorityKeyMismatch { root });
    }
    match certificate.signature_algorithm() {
        Err(SignatureAlgorithmError::Weak { hash: WeakHash::Sha1 }) if root => {
            findings.push(UploadFinding::Sha1SelfSignature);
            return;
        }
        Err(SignatureAlgorithmError::Weak { hash }) => {
            findings.push(UploadFinding::WeakSignature { hash: *hash });
            return;
        }
        Err(error) => {
            findings.push(UploadFinding::SignatureUnsupported(error.clone()));
            return;
        }
        Ok(_) => {}
    }
    // A key that is not accepted was told already.
    let Ok(key) = issuer.public_key() else { return };
    match certificate.verify_signature(key) {
        Ok(()) | Err(SignatureError::Algorithm(_)) => {}
        Err(SignatureError::Verify(_)) => findings.push(UploadFinding::SignatureWrong { root }),
    }
}

fn validity(certificate: &ParsedCertificate, expectation: &Expectation<'_>, findings: &mut Vec<UploadFinding>) {
    let (not_before, not_after, now) = (certificate.not_before(), certificate.not_after(), expectation.now);
    match certificate.validity() {
        Err(_) => findings.push(UploadFinding::ValidityReversed { not_before, not_after }),
        Ok(validity) if validity.contains(now) => {}
        Ok(_) if now < not_before => findings.push(UploadFinding::NotYetValid { not_before, now }),
        Ok(_) => findings.push(UploadFinding::Expired { not_after, now }),
    }
}
