//! Roll-over of CAs: renewed certificates, ends of old keys, requests to external issuers, cross-certificates (rules C2, C11).

use serde::{Deserialize, Serialize};

use super::{Addresses, Der};
use crate::domain::{CaId, stream};
use crate::keys::{Algorithm, KeyId};
use crate::log::{Digest, Timestamp};
use crate::x509::{CertificateId, NameHash};

/// A CA got another certificate beside the one that it had, with the same key or a new one (rule C11): the newest issues,
/// and the older ones serve until they expire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRenewed {
    /// The CA.
    pub ca: CaId,
    /// Which generation begins; the one before it is the one that was renewed.
    pub generation: u32,
    /// The CA certificate.
    pub certificate: Der,
    /// Its id, with issuer name hash and serial number.
    pub id: CertificateId,
    /// The hash of its subject name: that of every generation until the CA ends.
    pub subject_hash: NameHash,
    /// The key in the key store.
    pub key: KeyId,
    /// Whether the key begins here; otherwise it is that of the generation before.
    pub new_key: bool,
    /// SHA-256 of the key's SubjectPublicKeyInfo (rule K2).
    pub spki: Digest,
    /// The key's algorithm; absent for an uploaded RSA key of a size that is not generated.
    pub algorithm: Option<Algorithm>,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// For a root with a new key: what ties the two keys together (RFC 9810 section 4.4).
    pub links: Vec<LinkCertificate>,
}
payload!(CaRenewed, |event| {
    let mut streams = vec![stream::ca(&event.ca), stream::certificate(&event.id)];
    streams.extend(event.links.iter().map(|link| stream::certificate(&link.id)));
    if event.new_key {
        streams.extend([stream::key(&event.key), stream::spki(&event.spki)]);
    }
    streams
});

/// Which key of a root a link certificate certifies with which (RFC 9810 section 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LinkKind {
    /// The old key, signed with the new one: who trusts the new root accepts what the old one issued.
    OldWithNew,
    /// The new key, signed with the old one: who still trusts the old root accepts what the new one issues.
    NewWithOld,
}

impl LinkKind {
    /// Its name in files and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OldWithNew => "old-with-new",
            Self::NewWithOld => "new-with-old",
        }
    }
}

/// A self-issued certificate of a root that ties an old and a new key together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCertificate {
    /// Which way.
    pub kind: LinkKind,
    /// The certificate.
    pub certificate: Der,
    /// Its id, with issuer name hash and serial number.
    pub id: CertificateId,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
}

/// The last certificate of an older key of a CA has expired: the key is to be destroyed (rules C11, K3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaKeyRetired {
    /// The CA.
    pub ca: CaId,
    /// The generations that had the key.
    pub generations: Vec<u32>,
    /// The key.
    pub key: KeyId,
}
payload!(CaKeyRetired, |event| vec![stream::ca(&event.ca), stream::key(&event.key)]);

/// A key was made for a CA, and a signing request for an issuer elsewhere (rule C2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRequested {
    /// The CA.
    pub ca: CaId,
    /// The signing request (PKCS #10).
    pub request: Der,
    /// The hash of the subject name that it asks for.
    pub subject_hash: NameHash,
    /// The hash of that name without case and repeated spaces: nobody else may have it (rule C4).
    pub name_hash: NameHash,
    /// The key in the key store.
    pub key: KeyId,
    /// SHA-256 of its SubjectPublicKeyInfo (rule K2).
    pub spki: Digest,
    /// The key's algorithm.
    pub algorithm: Algorithm,
    /// The addresses that the CA is to write into certificates.
    pub addresses: Addresses,
}
payload!(CaRequested, |event| vec![
    stream::ca(&event.ca),
    stream::key(&event.key),
    stream::spki(&event.spki),
    stream::name(event.name_hash),
]);

/// A signing request for an issuer elsewhere is answered no more: its key is to be destroyed (rules C2, K3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRequestAbandoned {
    /// The CA.
    pub ca: CaId,
    /// The key.
    pub key: KeyId,
}
payload!(CaRequestAbandoned, |event| vec![stream::ca(&event.ca), stream::key(&event.key)]);

/// A root was certified by another root (rule C11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaCrossSigned {
    /// The root that was certified.
    pub ca: CaId,
    /// Which of its generations.
    pub generation: u32,
    /// The root that signed.
    pub by: CaId,
    /// Which of its generations.
    pub by_generation: u32,
    /// The cross-certificate.
    pub certificate: Der,
    /// Its id, with the signer's name hash and the serial number.
    pub id: CertificateId,
    /// SHA-256 of the SubjectPublicKeyInfo that was certified.
    pub spki: Digest,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
}
payload!(CaCrossSigned, |event| vec![stream::ca(&event.ca), stream::ca(&event.by), stream::certificate(&event.id),]);
