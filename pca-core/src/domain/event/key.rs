//! Ends of keys.

use serde::{Deserialize, Serialize};

use crate::domain::{CaId, stream};
use crate::keys::KeyId;
use crate::log::Digest;
use crate::x509::CertificateId;

/// What a key belonged to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyOwner {
    /// A generation of a CA.
    Ca(CaId),
    /// A certificate.
    Certificate(CertificateId),
    /// An OCSP responder, for the issuing key with this SHA-256 of its SubjectPublicKeyInfo. Since schema 2 of
    /// [`KeyDestroyed`].
    Responder(Digest),
}

/// A key was destroyed in the key store (rule K3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDestroyed {
    /// The key.
    pub key: KeyId,
    /// What it belonged to.
    pub owner: KeyOwner,
}
payload!(KeyDestroyed, extended to 2, |event| vec![
    stream::key(&event.key),
    match &event.owner {
        KeyOwner::Ca(ca) => stream::ca(ca),
        KeyOwner::Certificate(id) => stream::certificate(id),
        KeyOwner::Responder(issuer) => stream::ocsp(issuer),
    },
]);

/// A key that no certificate was made for was given up (rule K3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAbandoned {
    /// The key.
    pub key: KeyId,
}
payload!(KeyAbandoned, |event| vec![stream::key(&event.key)]);
