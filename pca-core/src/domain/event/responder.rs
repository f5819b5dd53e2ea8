//! The platform's own OCSP responders.

use serde::{Deserialize, Serialize};

use super::Der;
use crate::domain::{CaId, stream};
use crate::keys::KeyId;
use crate::log::{Digest, Timestamp};
use crate::x509::CertificateId;

/// An OCSP responder got its certificate, signed by the very key that it answers for (rule I1). It consumes no quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponderCertified {
    /// The CA that it answers for.
    pub ca: CaId,
    /// The generation of the CA whose key signed.
    pub generation: u32,
    /// SHA-256 of that key's SubjectPublicKeyInfo: the responder answers for it and for no other.
    pub issuer: Digest,
    /// The certificate.
    pub certificate: Der,
    /// Its id, with issuer name hash and serial number.
    pub id: CertificateId,
    /// The responder's key in the key store.
    pub key: KeyId,
    /// SHA-256 of its SubjectPublicKeyInfo (rule K2).
    pub spki: Digest,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity: the key ends with it (rule K3).
    pub not_after: Timestamp,
    /// The key of the responder that it replaces: it is to be destroyed (rule K3).
    pub replaces: Option<KeyId>,
}
payload!(ResponderCertified, |event| {
    let mut streams = vec![
        stream::ocsp(&event.issuer),
        stream::certificate(&event.id),
        stream::key(&event.key),
        stream::spki(&event.spki),
    ];
    streams.extend(event.replaces.as_ref().map(stream::key));
    streams
});
