//! Uploaded CA certificates with their keys: everything that stands against one, and everything that is odd (rule C3).

use core::fmt;

use super::finding::{Severity, UploadFinding};
use super::parsed::ParsedCertificate;
use super::signature::{SignatureAlgorithmError, WeakHash};
use super::usage::KeyUsage;
use crate::keys::{Family, PrivateKey, PublicKey};
use crate::log::Timestamp;

/// Reads a certificate (PEM or DER) and its private key (PKCS#8, encrypted PKCS#8, PKCS#1 or SEC 1, PEM or DER).
///
/// What this gives is evidence for a decision: [`CheckedUpload::findings`] judges it against what is expected.
///
/// # Errors
/// [`UploadError`] with every reason why certificate or key cannot be read, or that they do not belong together.
pub fn check_upload(certificate: &[u8], key: &[u8], passphrase: Option<&[u8]>) -> Result<CheckedUpload, UploadError> {
    match (ParsedCertificate::from_pem_or_der(certificate), PrivateKey::import(key, passphrase)) {
        (Ok(certificate), Ok(private_key)) => {
            // Verified here, once: decisions verify nothing.
            let legacy = certificate.legacy_self_signature();
            Ok(CheckedUpload { certificate, private_key, legacy })
        }
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
    /// Whether its own signature over SHA-1 is its own; nothing for any other signature.
    legacy: Option<bool>,
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
        self.findings_given(expectation, |key| self.certificate.verify_signature(key).is_ok())
    }

    /// As [`findings`](Self::findings), for a decision that verifies nothing itself: whether the certificate's signature
    /// is that of a key is told by the caller. It is asked at most once.
    #[must_use]
    pub fn findings_given(
        &self,
        expectation: &Expectation<'_>,
        is_signed_by: impl Fn(&PublicKey) -> bool,
    ) -> Vec<UploadFinding> {
        let mut findings = certificate_findings_given(&self.certificate, expectation, self.legacy, &is_signed_by);
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

/// Reads a CA certificate (PEM or DER) that was made elsewhere for a key that is not brought along (rule C2).
///
/// # Errors
/// [`UploadError`] with the reason why it cannot be read.
pub fn check_certificate(certificate: &[u8]) -> Result<CheckedCertificate, UploadError> {
    match ParsedCertificate::from_pem_or_der(certificate) {
        Ok(certificate) => {
            // Verified here, once: decisions verify nothing.
            let legacy = certificate.legacy_self_signature();
            Ok(CheckedCertificate { certificate, legacy })
        }
        Err(error) => Err(UploadError { findings: vec![UploadFinding::CertificateUnreadable(error)] }),
    }
}

/// A certificate that could be read.
#[derive(Clone, Debug)]
pub struct CheckedCertificate {
    certificate: ParsedCertificate,
    /// Whether its own signature over SHA-1 is its own, where that can be verified.
    legacy: Option<bool>,
}

impl CheckedCertificate {
    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &ParsedCertificate {
        &self.certificate
    }

    /// Everything that there is to say of it, for a decision that verifies nothing itself: whether the certificate's
    /// signature is that of a key is told by the caller. It is asked at most once.
    #[must_use]
    pub fn findings_given(
        &self,
        expectation: &Expectation<'_>,
        is_signed_by: impl Fn(&PublicKey) -> bool,
    ) -> Vec<UploadFinding> {
        certificate_findings_given(&self.certificate, expectation, self.legacy, &is_signed_by)
    }
}

/// Everything that there is to say of a CA certificate alone, as one that an external issuer made (rule C2).
#[must_use]
pub fn certificate_findings(certificate: &ParsedCertificate, expectation: &Expectation<'_>) -> Vec<UploadFinding> {
    certificate_findings_given(certificate, expectation, certificate.legacy_self_signature(), &|key| {
        certificate.verify_signature(key).is_ok()
    })
}

fn certificate_findings_given(
    certificate: &ParsedCertificate,
    expectation: &Expectation<'_>,
    legacy: Option<bool>,
    is_signed_by: &dyn Fn(&PublicKey) -> bool,
) -> Vec<UploadFinding> {
    let mut findings = Vec::new();
    key_and_form(certificate, expectation, &mut findings);
    extensions(certificate, &mut findings);
    match expectation.role {
        Role::Root => root(certificate, legacy, is_signed_by, &mut findings),
        Role::Intermediate { issuer } => intermediate(certificate, issuer, is_signed_by, &mut findings),
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

fn root(
    certificate: &ParsedCertificate,
    legacy: Option<bool>,
    is_signed_by: &dyn Fn(&PublicKey) -> bool,
    findings: &mut Vec<UploadFinding>,
) {
    if legacy == Some(false) {
        findings.push(UploadFinding::SignatureWrong { root: true });
    }
    if certificate.extensions().basic_constraints.is_some_and(|constraints| constraints.path_length == Some(0)) {
        findings.push(UploadFinding::PathLengthTooShort);
    }
    if !certificate.is_self_issued() {
        findings.push(UploadFinding::NotSelfIssued {
            subject: certificate.subject().clone(),
            issuer: certificate.issuer().clone(),
        });
    }
    signature(certificate, certificate, true, is_signed_by, findings);
}

fn intermediate(
    certificate: &ParsedCertificate,
    issuer: &ParsedCertificate,
    is_signed_by: &dyn Fn(&PublicKey) -> bool,
    findings: &mut Vec<UploadFinding>,
) {
    if certificate.subject().folds_to(certificate.issuer()) || certificate.subject().folds_to(issuer.subject()) {
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
    signature(certificate, issuer, false, is_signed_by, findings);
    if let (Ok(found), Ok(limit)) = (certificate.validity(), issuer.validity())
        && !found.nests_in(&limit)
    {
        findings.push(UploadFinding::BeyondIssuer { found, limit });
    }
}

fn signature(
    certificate: &ParsedCertificate,
    issuer: &ParsedCertificate,
    root: bool,
    is_signed_by: &dyn Fn(&PublicKey) -> bool,
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
    if !is_signed_by(key) {
        findings.push(UploadFinding::SignatureWrong { root });
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
