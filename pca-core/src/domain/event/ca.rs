//! The life of a CA.

use serde::{Deserialize, Serialize};

use super::{CarriedCrl, Der};
use crate::domain::{CaId, stream};
use crate::keys::{Algorithm, KeyId};
use crate::log::{Digest, Timestamp};
use crate::x509::{CertificateId, NameHash, ProfileName, RevocationReason};

/// Where relying parties find things; written into the certificates that a CA issues (rule I5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Addresses {
    /// The CRL (RFC 5280 section 4.2.1.13), `http:`.
    pub crl_url: Option<String>,
    /// The OCSP responder (RFC 5280 section 4.2.2.1), `http:`.
    pub ocsp_url: Option<String>,
    /// The CA's own certificate (RFC 5280 section 4.2.2.1), `http:`.
    pub issuer_url: Option<String>,
}

/// How a CA got its certificate (rule C2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EnableMode {
    /// The platform made key and certificate.
    Created,
    /// The caller brought both; `accepted` are the codes of the warnings that were accepted (rule C3), `warned` those
    /// that needed no acceptance.
    Uploaded {
        /// Codes of accepted warnings.
        accepted: Vec<String>,
        /// Codes of warnings that need no acceptance.
        warned: Vec<String>,
    },
}

/// A CA got its certificate (rules C1 to C4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaEnabled {
    /// The CA.
    pub ca: CaId,
    /// Counts its certificates, from 1; certificates name the generation that issued them.
    pub generation: u32,
    /// How it got the certificate.
    pub mode: EnableMode,
    /// The CA certificate.
    pub certificate: Der,
    /// Its id, with issuer name hash and serial number.
    pub id: CertificateId,
    /// The hash of its subject name.
    pub subject_hash: NameHash,
    /// The hash of its subject name without case and repeated spaces: nobody else may have it (rule C4).
    pub name_hash: NameHash,
    /// The CA's key in the key store.
    pub key: KeyId,
    /// SHA-256 of its SubjectPublicKeyInfo (rule K2).
    pub spki: Digest,
    /// The key's algorithm; absent for an uploaded RSA key of a size that is not generated.
    pub algorithm: Option<Algorithm>,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// The addresses that it writes into certificates from now on.
    pub addresses: Addresses,
    /// An earlier CRL's number and entries, carried over from an upload (rule A3).
    pub carried_crl: Option<CarriedCrl>,
}
payload!(CaEnabled, |event| vec![
    stream::ca(&event.ca),
    stream::certificate(&event.id),
    stream::key(&event.key),
    stream::spki(&event.spki),
    stream::name(event.name_hash),
    stream::crl(event.subject_hash),
]);

/// The addresses that a CA writes into certificates changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaConfigured {
    /// The CA.
    pub ca: CaId,
    /// All of its addresses from now on.
    pub addresses: Addresses,
}
payload!(CaConfigured, |event| vec![stream::ca(&event.ca)]);

/// It was decided by which profiles an intermediate may issue (rule I2). It stays so until it is decided anew, over all of
/// the CA's generations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfilesPermitted {
    /// The intermediate.
    pub ca: CaId,
    /// The profiles; absent: all that there are and will be.
    pub profiles: Option<Vec<ProfileName>>,
}
payload!(ProfilesPermitted, |event| vec![stream::ca(&event.ca)]);

/// A CA stopped issuing for a while (rule C10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaDisabled {
    /// The CA.
    pub ca: CaId,
}
payload!(CaDisabled, |event| vec![stream::ca(&event.ca)]);

/// A disabled CA issues again (rule C10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaReenabled {
    /// The CA.
    pub ca: CaId,
}
payload!(CaReenabled, |event| vec![stream::ca(&event.ca)]);

/// The end of a generation of a CA: one event for all the certificates that it issued (architecture, invariant 10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationEnd {
    /// The CA.
    pub ca: CaId,
    /// Which generation.
    pub generation: u32,
    /// The hash of its subject name: the CRL that the end appears on.
    pub subject_hash: NameHash,
    /// Why the certificates end.
    pub reason: RevocationReason,
    /// How many events the quota stream had: the certificates up to there have ended.
    pub cutoff: u64,
    /// How many unexpired certificates ended that had not been revoked before.
    pub count: u64,
    /// The key that is to be destroyed.
    pub key: KeyId,
    /// Whether a last CRL is to be signed before.
    pub last_crl: bool,
    /// The CA's own certificate.
    pub certificate: CertificateId,
    /// SHA-256 of that certificate.
    pub fingerprint: Digest,
    /// Whether it was a root: relying parties must remove a trust anchor (rule C7).
    pub root: bool,
    /// Whether it was uploaded: the uploader's own copy of the key outlives ours (rule C7).
    pub uploaded: bool,
}

/// A CA's certificate, subject and key were given up (rule C7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaReset {
    /// What ended.
    pub end: GenerationEnd,
}
payload!(CaReset, |event| vec![
    stream::ca(&event.end.ca),
    stream::crl(event.end.subject_hash),
    stream::key(&event.end.key),
]);

/// A CA was revoked for good (rule C9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRevoked {
    /// What ended.
    pub end: GenerationEnd,
}
payload!(CaRevoked, |event| vec![
    stream::ca(&event.end.ca),
    stream::crl(event.end.subject_hash),
    stream::key(&event.end.key),
]);

/// A CA left the list (rule R6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRemoved {
    /// The CA.
    pub ca: CaId,
    /// Its key, if it still has one: that of an expired CA is to be destroyed (rule K3).
    pub key: Option<KeyId>,
}
payload!(CaRemoved, |event| core::iter::once(stream::ca(&event.ca))
    .chain(event.key.as_ref().map(stream::key))
    .collect());
