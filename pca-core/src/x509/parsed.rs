//! Certificates as they were received: facts, and the original octets for ever.

use core::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificate::Issuer;
use super::der::{self, DerError, Malformed, Reader, tag};
use super::extension::{ExtensionError, Extensions, read_extensions};
use super::name::DistinguishedName;
use super::pem::{MAX_PEM, PemError, pem_or_der};
use super::serial::{CertificateId, SerialNumber, SerialNumberError};
use super::signature::{LegacySha1, SignatureAlgorithmError, read_algorithm};
use super::validity::{Validity, ValidityError, read_time};
use crate::keys::software::{VerifyError, verify, verify_legacy_pss, verify_legacy_sha1};
use crate::keys::{PublicKey, PublicKeyError, SignatureAlgorithm};
use crate::log::{Digest, Timestamp};

/// The largest certificate or certificate signing request that is read, in octets (rule G4).
pub const MAX_CERTIFICATE: usize = 64 * 1024;

/// A certificate that could be read. What is wrong with its content is kept beside each fact, so that all of it can be
/// told at once; its signature is not verified by reading. Cloning shares the memory. In the log it is its DER.
#[derive(Clone)]
pub struct ParsedCertificate(Arc<Facts>);

#[derive(Debug)]
struct Facts {
    der: Box<[u8]>,
    tbs: core::ops::Range<usize>,
    signature: core::ops::Range<usize>,
    version: u8,
    serial: Result<SerialNumber, SerialNumberError>,
    signature_algorithm: Result<SignatureAlgorithm, SignatureAlgorithmError>,
    legacy: Option<LegacySha1>,
    issuer: DistinguishedName,
    subject: DistinguishedName,
    not_before: Timestamp,
    not_after: Timestamp,
    public_key: Result<PublicKey, PublicKeyError>,
    extensions: Extensions,
}

impl ParsedCertificate {
    /// Reads DER.
    ///
    /// # Errors
    /// [`CertificateError`] if the octets are no certificate.
    pub fn from_der(octets: &[u8]) -> Result<Self, CertificateError> {
        if octets.len() > MAX_CERTIFICATE {
            return Err(CertificateError::TooLarge { octets: octets.len() });
        }
        der::check_shape(octets)?;
        let (rest, _) = X509Certificate::from_der(octets)
            .map_err(|error| CertificateError::Structure { detail: error.to_string() })?;
        if !rest.is_empty() {
            return Err(DerError::Trailing { octets: rest.len() }.into());
        }
        read(octets).map(|facts| Self(Arc::new(facts)))
    }

    /// Reads the first certificate of a PEM file.
    ///
    /// # Errors
    /// [`CertificateError`] if there is none or it cannot be read.
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        Self::from_der(&super::pem::first(text, &["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"])?)
    }

    /// Reads PEM or DER, whichever it is.
    ///
    /// # Errors
    /// [`CertificateError`] if the octets are no certificate.
    pub fn from_pem_or_der(octets: &[u8]) -> Result<Self, CertificateError> {
        if octets.len() > MAX_PEM {
            return Err(PemError::TooLarge { octets: octets.len() }.into());
        }
        Self::from_der(&pem_or_der(octets, &["CERTIFICATE", "X509 CERTIFICATE"])?)
    }

    /// The octets as they were received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The to-be-signed part, as received.
    #[must_use]
    pub fn tbs(&self) -> &[u8] {
        self.0.der.get(self.0.tbs.clone()).unwrap_or_default()
    }

    /// The signature's octets.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.0.der.get(self.0.signature.clone()).unwrap_or_default()
    }

    /// The version: 1, 2 or 3.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.0.version
    }

    /// The serial number.
    ///
    /// # Errors
    /// [`SerialNumberError`] if RFC 5280 does not allow it.
    pub fn serial(&self) -> Result<SerialNumber, &SerialNumberError> {
        self.0.serial.as_ref().copied()
    }

    /// The id under which the platform files it.
    ///
    /// # Errors
    /// [`SerialNumberError`] if its serial number is not allowed.
    pub fn id(&self) -> Result<CertificateId, &SerialNumberError> {
        Ok(CertificateId::new(self.issuer().issuer_hash(), self.serial()?))
    }

    /// The issuer's name, byte for byte.
    #[must_use]
    pub fn issuer(&self) -> &DistinguishedName {
        &self.0.issuer
    }

    /// The subject's name, byte for byte.
    #[must_use]
    pub fn subject(&self) -> &DistinguishedName {
        &self.0.subject
    }

    /// Whether issuer and subject are the same name.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.issuer() == self.subject()
    }

    /// The first second of validity.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.0.not_before
    }

    /// The last second of validity.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// From when to when it is valid.
    ///
    /// # Errors
    /// [`ValidityError`] if it ends before it begins.
    pub fn validity(&self) -> Result<Validity, ValidityError> {
        Validity::new(self.0.not_before, self.0.not_after)
    }

    /// The key.
    ///
    /// # Errors
    /// [`PublicKeyError`] if it is none that the platform works with.
    pub fn public_key(&self) -> Result<&PublicKey, &PublicKeyError> {
        self.0.public_key.as_ref()
    }

    /// How it was signed.
    ///
    /// # Errors
    /// [`SignatureAlgorithmError`] if the platform does not accept that.
    pub fn signature_algorithm(&self) -> Result<SignatureAlgorithm, &SignatureAlgorithmError> {
        self.0.signature_algorithm.as_ref().copied()
    }

    /// What its extensions say.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// SHA-256 over the DER.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest::of(self.der())
    }

    /// What this CA puts into all that it signs: name and SKI byte for byte. Without an SKI, the identifier that
    /// RFC 5280 section 4.2.1.2 (1) makes of its key.
    ///
    /// # Errors
    /// [`PublicKeyError`] if its key is none that the platform works with.
    pub fn as_issuer(&self) -> Result<Issuer, &PublicKeyError> {
        let key = self.public_key()?;
        let identifier =
            self.extensions().subject_key_identifier.clone().unwrap_or_else(|| key.key_identifier().to_vec());
        Ok(Issuer::new(self.subject().clone(), identifier, key.signature_algorithm()))
    }

    /// Verifies its signature with a key.
    ///
    /// # Errors
    /// [`SignatureError`] if it was not made with that key or in a way that is not accepted.
    pub fn verify_signature(&self, key: &PublicKey) -> Result<(), SignatureError> {
        let algorithm = self.signature_algorithm().map_err(|error| SignatureError::Algorithm(error.clone()))?;
        verify(key, algorithm, self.tbs(), self.signature()).map_err(SignatureError::Verify)
    }

    /// Whether a signature over SHA-1 was made with the certificate's own key (rule C3); nothing for any other signature,
    /// which is verified elsewhere.
    pub(crate) fn legacy_self_signature(&self) -> Option<bool> {
        let (legacy, key) = (self.0.legacy?, self.public_key().ok()?);
        let verify = if legacy == LegacySha1::Pss { verify_legacy_pss } else { verify_legacy_sha1 };
        Some(legacy.fits(key.kind()) && verify(key, self.tbs(), self.signature()).is_ok())
    }
}

impl fmt::Debug for ParsedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParsedCertificate({}, issued by {})", self.subject(), self.issuer())
    }
}

impl PartialEq for ParsedCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for ParsedCertificate {}

impl Serialize for ParsedCertificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.der())
    }
}

impl<'de> Deserialize<'de> for ParsedCertificate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_der(&serde_bytes::ByteBuf::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Why octets are no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Beyond the limit (rule G4).
    #[error("the certificate has {octets} octets; at most {MAX_CERTIFICATE} (64 KiB) are read")]
    TooLarge {
        /// How many it has.
        octets: usize,
    },
    /// No PEM where PEM is expected.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Not DER.
    #[error("the certificate is not well-formed: {0}")]
    Der(#[from] DerError),
    /// DER, but no certificate.
    #[error("the data is not a certificate: {detail}")]
    Structure {
        /// What the parser found.
        detail: String,
    },
    /// Malformed extensions.
    #[error("the certificate is not well-formed: {0}")]
    Extension(#[from] ExtensionError),
    /// The two places that name the signature algorithm differ (RFC 5280 section 4.1.1.2).
    #[error("the signature algorithm inside the certificate is not the one beside the signature")]
    AlgorithmsDiffer,
    /// Extensions in a certificate before version 3.
    #[error("a certificate of version {version} has extensions; only version 3 may")]
    ExtensionsBeforeVersion3 {
        /// Its version.
        version: u8,
    },
}

impl CertificateError {
    /// The rule that was broken: G4 for what is too much to be read at all, otherwise C3.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Pem(PemError::TooLarge { .. }) | Self::Der(DerError::Depth) => "G4",
            _ => "C3",
        }
    }
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Made in a way that is not accepted.
    #[error(transparent)]
    Algorithm(SignatureAlgorithmError),
    /// Not made with that key.
    #[error(transparent)]
    Verify(VerifyError),
}

fn read(octets: &[u8]) -> Result<Facts, CertificateError> {
    let mut certificate = Reader::new(der::single(octets, tag::SEQUENCE)?.content);
    let tbs = certificate.expect(tag::SEQUENCE)?;
    let algorithm = certificate.expect(tag::SEQUENCE)?.raw;
    let signature = match certificate.expect(tag::BIT_STRING)?.content {
        [0, signature @ ..] => signature,
        _ => return Err(DerError::Malformed { what: Malformed::BitString }.into()),
    };
    certificate.end()?;

    let mut reader = Reader::new(tbs.content);
    let version = match reader.optional(tag::context_constructed(0))?.map(|version| version.content) {
        None => 1,
        Some([tag::INTEGER, 1, number @ 0..=2]) => number + 1,
        Some(_) => return Err(DerError::Malformed { what: Malformed::Version }.into()),
    };
    let serial = SerialNumber::from_der_content(reader.expect(tag::INTEGER)?.content);
    if reader.expect(tag::SEQUENCE)?.raw != algorithm {
        return Err(CertificateError::AlgorithmsDiffer);
    }
    let issuer = DistinguishedName::from_der(reader.expect(tag::SEQUENCE)?.raw)?;
    let mut validity = Reader::new(reader.expect(tag::SEQUENCE)?.content);
    let (not_before, not_after) = (read_time(&mut validity)?, read_time(&mut validity)?);
    validity.end()?;
    let subject = DistinguishedName::from_der(reader.expect(tag::SEQUENCE)?.raw)?;
    let public_key = PublicKey::from_spki_der(reader.expect(tag::SEQUENCE)?.raw);
    reader.optional(tag::context(1))?;
    reader.optional(tag::context(2))?;
    let mut extensions = Extensions::default();
    if let Some(list) = reader.optional(tag::context_constructed(3))? {
        if version < 3 {
            return Err(CertificateError::ExtensionsBeforeVersion3 { version });
        }
        read_extensions(list.content, |kind, critical, value| extensions.read(kind, critical, value))?;
    }
    reader.end()?;
    Ok(Facts {
        tbs: place(octets, tbs.raw),
        signature: place(octets, signature),
        der: octets.into(),
        version,
        serial,
        signature_algorithm: read_algorithm(algorithm),
        legacy: LegacySha1::read(algorithm),
        issuer,
        subject,
        not_before,
        not_after,
        public_key,
        extensions,
    })
}

/// Where a part lies in the whole that it was borrowed from.
pub(crate) fn place(whole: &[u8], part: &[u8]) -> core::ops::Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start + part.len()
}
