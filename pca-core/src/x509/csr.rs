//! Certificate signing requests (PKCS#10, RFC 2986): proof of possession first, wishes second (rule I3).

use core::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::der::{self, DerError, Malformed, Reader, Writer, tag};
use super::extension::{ExtensionError, Extensions, read_extensions, write_subject_alternative_names};
use super::name::DistinguishedName;
use super::oid;
use super::parsed::MAX_CERTIFICATE;
use super::pem::{PemError, pem_or_der};
use super::san::GeneralName;
use super::signature::{SignatureAlgorithmError, read_algorithm};
use crate::keys::software::{VerifyError, verify};
use crate::keys::{PublicKey, PublicKeyError};

/// A certificate signing request whose signature was verified over its raw octets: whoever made it has the private
/// key. What it asks for is told as it was read; nothing of it goes into a certificate unless a profile allows it
/// (rule I3). Cloning shares the memory. In the log it is its DER, verified again when read.
#[derive(Clone)]
pub struct VerifiedCsr(Arc<Facts>);

struct Facts {
    der: Box<[u8]>,
    subject: DistinguishedName,
    public_key: PublicKey,
    requested: Extensions,
}

impl VerifiedCsr {
    /// Reads PEM or DER and verifies the proof of possession.
    ///
    /// # Errors
    /// [`CsrError`] if it cannot be read, its key is not accepted or its signature does not count.
    pub fn verify(octets: &[u8]) -> Result<Self, CsrError> {
        let der = pem_or_der(octets, &["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"])?;
        if der.len() > MAX_CERTIFICATE {
            return Err(CsrError::TooLarge { octets: der.len() });
        }
        der::check_shape(&der)?;
        let mut request = Reader::new(der::single(&der, tag::SEQUENCE)?.content);
        let info = request.expect(tag::SEQUENCE)?;
        let algorithm = request.expect(tag::SEQUENCE)?.raw;
        let signature = match request.expect(tag::BIT_STRING)?.content {
            [0, signature @ ..] => signature,
            _ => return Err(DerError::Malformed { what: Malformed::BitString }.into()),
        };
        request.end()?;

        let mut reader = Reader::new(info.content);
        if reader.expect(tag::INTEGER)?.content != [0] {
            return Err(DerError::Malformed { what: Malformed::Version }.into());
        }
        let subject = DistinguishedName::from_der(reader.expect(tag::SEQUENCE)?.raw)?;
        let public_key = PublicKey::from_spki_der(reader.expect(tag::SEQUENCE)?.raw)?;
        // The attributes are mandatory but have been left out often enough.
        let requested = match reader.optional(tag::context_constructed(0))? {
            Some(attributes) => read_attributes(attributes.content)?,
            None => Extensions::default(),
        };
        reader.end()?;
        let algorithm = read_algorithm(algorithm)?;
        verify(&public_key, algorithm, info.raw, signature).map_err(CsrError::Possession)?;
        Ok(Self(Arc::new(Facts { subject, public_key, requested, der: der.as_ref().into() })))
    }

    /// The octets, as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The key whose possession was proven.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public_key
    }

    /// The subject that it asks for.
    #[must_use]
    pub fn subject(&self) -> &DistinguishedName {
        &self.0.subject
    }

    /// The alternative names that it asks for.
    #[must_use]
    pub fn names(&self) -> &[GeneralName] {
        &self.0.requested.subject_alternative_names
    }

    /// Every extension that it asks for.
    #[must_use]
    pub fn requested(&self) -> &Extensions {
        &self.0.requested
    }
}

impl fmt::Debug for VerifiedCsr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedCsr({}, {:?})", self.subject(), self.public_key())
    }
}

impl PartialEq for VerifiedCsr {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for VerifiedCsr {}

impl Serialize for VerifiedCsr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.der())
    }
}

impl<'de> Deserialize<'de> for VerifiedCsr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::verify(&serde_bytes::ByteBuf::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Why octets are no acceptable certificate signing request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrError {
    /// Beyond the limit (rule G4).
    #[error("the certificate signing request has {octets} octets; at most {MAX_CERTIFICATE} are read")]
    TooLarge {
        /// How many it has.
        octets: usize,
    },
    /// No PEM where PEM is expected.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Not DER, or no request.
    #[error("the certificate signing request is not well-formed: {0}")]
    Der(#[from] DerError),
    /// Malformed extensions in it.
    #[error("the certificate signing request is not well-formed: {0}")]
    Extension(#[from] ExtensionError),
    /// Its key is not accepted.
    #[error("the key in the certificate signing request is not accepted: {0}")]
    Key(#[from] PublicKeyError),
    /// Signed in a way that is not accepted.
    #[error("the certificate signing request is not accepted: {0}")]
    Algorithm(#[from] SignatureAlgorithmError),
    /// The signature is not the key's.
    #[error("the certificate signing request does not prove possession of its key: {0}")]
    Possession(VerifyError),
}

impl CsrError {
    /// The rule that was broken.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Pem(PemError::TooLarge { .. }) | Self::Der(DerError::Depth) => "G4",
            _ => "I3",
        }
    }
}

/// The to-be-signed part of a certificate signing request; [`assemble`](super::assemble) puts the signature to it.
#[must_use]
pub fn csr_tbs(subject: &DistinguishedName, public_key: &PublicKey, names: &[GeneralName]) -> Vec<u8> {
    write_request(subject, public_key, |w| {
        if !names.is_empty() {
            write_extension_request(w, |w| write_subject_alternative_names(w, subject.is_empty(), names));
        }
    })
}

/// The to-be-signed part of a CA's certificate signing request, to be taken to an external issuer (rule C2): it asks
/// for a CA certificate with this path length.
#[must_use]
pub fn ca_csr_tbs(subject: &DistinguishedName, public_key: &PublicKey, path_length: Option<u8>) -> Vec<u8> {
    use super::extension::{write_basic_constraints, write_key_usage, write_subject_key_identifier};
    use super::usage::KeyUsage;
    write_request(subject, public_key, |w| {
        write_extension_request(w, |w| {
            write_basic_constraints(w, true, path_length);
            write_key_usage(w, KeyUsage::CERTIFICATE_AUTHORITY);
            write_subject_key_identifier(w, &public_key.key_identifier());
        });
    })
}

fn write_request(subject: &DistinguishedName, public_key: &PublicKey, attributes: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::with_capacity(public_key.spki_der().len() + subject.der().len() + 128);
    writer.nested(tag::SEQUENCE, |w| {
        w.unsigned(tag::INTEGER, 0);
        w.raw(subject.der());
        w.raw(public_key.spki_der());
        w.nested(tag::context_constructed(0), attributes);
    });
    writer.finish()
}

fn write_extension_request(writer: &mut Writer, extensions: impl FnOnce(&mut Writer)) {
    writer.nested(tag::SEQUENCE, |w| {
        w.oid(&oid::EXTENSION_REQUEST);
        w.nested(tag::SET, |w| w.nested(tag::SEQUENCE, extensions));
    });
}

/// Only the extension request counts; other attributes, such as a challenge password, are passed over.
fn read_attributes(octets: &[u8]) -> Result<Extensions, CsrError> {
    let mut extensions = Extensions::default();
    let mut reader = Reader::new(octets);
    while !reader.is_empty() {
        let mut attribute = Reader::new(reader.expect(tag::SEQUENCE)?.content);
        let kind = der::object_identifier(attribute.expect(tag::OBJECT_IDENTIFIER)?.content)?;
        let values = attribute.expect(tag::SET)?.content;
        attribute.end()?;
        if kind == oid::EXTENSION_REQUEST {
            let list = der::single(values, tag::SEQUENCE)?.raw;
            if !extensions.present.is_empty() {
                return Err(ExtensionError::Twice { oid: kind }.into());
            }
            read_extensions(list, |kind, critical, value| extensions.read(kind, critical, value))?;
        }
    }
    Ok(extensions)
}
