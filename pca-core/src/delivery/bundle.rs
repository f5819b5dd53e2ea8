//! What a delivery is made of.

use core::fmt;

use super::DeliveryError;
use super::facts::Facts;
use crate::keys::PrivateKey;

/// What the delivered certificate is for; packages say where it does not fit their target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A certificate authority's own certificate: never with its key (rule K1).
    Authority,
    /// A TLS server (rule I2).
    Server,
    /// A TLS client (rule I2).
    Client,
    /// TLS server and client in one (rule I2).
    MutualTls,
    /// Encrypts and decrypts an enterprise's data (rule I2).
    DataEncryption,
    /// Any other profile.
    Other,
}

impl Kind {
    pub(super) const fn serves(self) -> bool {
        matches!(self, Self::Server | Self::MutualTls | Self::Other)
    }

    pub(super) const fn calls(self) -> bool {
        matches!(self, Self::Client | Self::MutualTls | Self::Other)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authority => "certificate authority",
            Self::Server => "server",
            Self::Client => "client",
            Self::MutualTls => "mutual TLS",
            Self::DataEncryption => "data encryption",
            Self::Other => "special profile",
        })
    }
}

/// The longest certificate that is delivered (rule G4).
const LONGEST_CERTIFICATE: usize = 64 * 1024;

/// A certificate, what stands above it, and perhaps its private key: checked to be readable and to belong together.
///
/// The certificates' original DER is delivered byte for byte.
pub struct Bundle {
    id: String,
    kind: Kind,
    certificate: Certificate,
    intermediates: Vec<Certificate>,
    root: Option<Certificate>,
    key: Option<PrivateKey>,
    friendly_name: String,
}

/// A certificate's original octets and what is said about it.
pub(super) struct Certificate {
    pub(super) der: Vec<u8>,
    pub(super) facts: Facts,
}

impl Bundle {
    /// A bundle of one certificate. `id` becomes part of file names: ASCII letters, digits, `_` and `-`.
    ///
    /// The friendly name is the subject's common name until [`with_friendly_name`](Self::with_friendly_name) says
    /// otherwise, or the id where there is none.
    ///
    /// # Errors
    /// [`DeliveryError::UnsuitableId`], [`DeliveryError::UnreadableCertificate`],
    /// [`DeliveryError::CertificateTooLarge`].
    pub fn new(id: &str, kind: Kind, certificate: &[u8]) -> Result<Self, DeliveryError> {
        let suitable = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_' || octet == b'-';
        if id.is_empty() || id.len() > 128 || !id.bytes().all(suitable) {
            return Err(DeliveryError::UnsuitableId);
        }
        let certificate = read("the certificate", certificate)?;
        let friendly_name = certificate.facts.common_name.clone().unwrap_or_else(|| id.to_owned());
        Ok(Self {
            id: id.to_owned(),
            kind,
            certificate,
            intermediates: Vec::new(),
            root: None,
            key: None,
            friendly_name,
        })
    }

    /// Adds the intermediates, the certificate's issuer first.
    ///
    /// # Errors
    /// [`DeliveryError::UnreadableCertificate`], [`DeliveryError::CertificateTooLarge`].
    pub fn with_intermediates<I>(mut self, intermediates: I) -> Result<Self, DeliveryError>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        self.intermediates =
            intermediates.into_iter().map(|der| read("an intermediate", der.as_ref())).collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Adds the root above the certificate; a root's own bundle has none.
    ///
    /// # Errors
    /// [`DeliveryError::UnreadableCertificate`], [`DeliveryError::CertificateTooLarge`].
    pub fn with_root(mut self, root: &[u8]) -> Result<Self, DeliveryError> {
        self.root = Some(read("the root", root)?);
        Ok(self)
    }

    /// Adds the certificate's private key.
    ///
    /// # Errors
    /// [`DeliveryError::AuthorityKey`] for a certificate authority (rule K1), [`DeliveryError::KeyMismatch`] if the key
    /// is not the certificate's.
    pub fn with_key(mut self, key: PrivateKey) -> Result<Self, DeliveryError> {
        if self.kind == Kind::Authority {
            return Err(DeliveryError::AuthorityKey { id: self.id });
        }
        if key.public_key().spki_der() != self.certificate.facts.spki {
            return Err(DeliveryError::KeyMismatch { id: self.id });
        }
        self.key = Some(key);
        Ok(self)
    }

    /// Sets the name under which key stores show the entry; any Unicode, an empty one is ignored.
    #[must_use]
    pub fn with_friendly_name(mut self, name: &str) -> Self {
        if !name.trim().is_empty() {
            name.clone_into(&mut self.friendly_name);
        }
        self
    }

    /// The id in the file names.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the certificate is for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The name under which key stores show the entry.
    #[must_use]
    pub fn friendly_name(&self) -> &str {
        &self.friendly_name
    }

    pub(super) const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    pub(super) fn intermediates(&self) -> &[Certificate] {
        &self.intermediates
    }

    pub(super) const fn key(&self) -> Option<&PrivateKey> {
        self.key.as_ref()
    }

    /// The certificate and its intermediates, as a server sends them.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Certificate> {
        core::iter::once(&self.certificate).chain(&self.intermediates)
    }

    /// The intermediates and the root, nearest first.
    pub(super) fn issuers(&self) -> impl Iterator<Item = &Certificate> {
        self.intermediates.iter().chain(&self.root)
    }

    /// The root above the certificate, or the certificate itself if it is a root.
    pub(super) fn anchor(&self) -> Option<&Certificate> {
        match &self.root {
            Some(root) => Some(root),
            None if self.kind == Kind::Authority && self.intermediates.is_empty() => Some(&self.certificate),
            None => None,
        }
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("intermediates", &self.intermediates.len())
            .field("root", &self.root.is_some())
            .field("key", &self.key.is_some())
            .finish_non_exhaustive()
    }
}

fn read(which: &'static str, der: &[u8]) -> Result<Certificate, DeliveryError> {
    if der.len() > LONGEST_CERTIFICATE {
        return Err(DeliveryError::CertificateTooLarge { which, octets: der.len(), most: LONGEST_CERTIFICATE });
    }
    let facts = Facts::read(der).ok_or(DeliveryError::UnreadableCertificate { which })?;
    Ok(Certificate { der: der.to_vec(), facts })
}
