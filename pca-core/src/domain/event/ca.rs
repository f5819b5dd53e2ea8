//! The life of a CA.

use serde::{Deserialize, Serialize};

use super::{CarriedCrl, Der};
use crate::domain::{CaId, stream};
use crate::keys::{Algorithm, KeyId};
use crate::log::{Digest, StreamId, Timestamp};
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
    /// The platform made the key and a signing request, and an issuer elsewhere the certificate. Since schema 2.
    Requested {
        /// Codes of accepted warnings (rule C3).
        accepted: Vec<String>,
        /// Codes of warnings that need no acceptance.
        warned: Vec<String>,
    },
    /// The caller brought the certificate of a root whose key is kept elsewhere: nothing is signed with it here. Since
    /// schema 2.
    External {
        /// Codes of accepted warnings (rule C3).
        accepted: Vec<String>,
        /// Codes of warnings that need no acceptance.
        warned: Vec<String>,
    },
}

impl EnableMode {
    /// Codes of the warnings that a certificate from elsewhere came with, accepted ones first (rule C3).
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::Created => Vec::new(),
            Self::Uploaded { accepted, warned }
            | Self::Requested { accepted, warned }
            | Self::External { accepted, warned } => accepted.iter().chain(warned).cloned().collect(),
        }
    }
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
    /// The CA's key in the key store; of an [external](EnableMode::External) root the name only, as the key is elsewhere.
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
payload!(CaEnabled, extended to 2, |event| {
    let mut streams = vec![stream::ca(&event.ca), stream::certificate(&event.id)];
    if !matches!(event.mode, EnableMode::External { .. }) {
        streams.push(stream::key(&event.key));
    }
    streams.extend([stream::spki(&event.spki), stream::name(event.name_hash), stream::crl(event.subject_hash)]);
    streams
});

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
    /// The older generations that were still in use, oldest first: they ended with it (rule C11). Since schema 2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub older: Vec<OlderEnd>,
    /// Whether the key is kept elsewhere: there is none to be destroyed. Since schema 2.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub external: bool,
}

/// The end of an older generation, together with the newest one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlderEnd {
    /// Which generation.
    pub generation: u32,
    /// How many unexpired certificates ended that had not been revoked before.
    pub count: u64,
    /// The key that is to be destroyed; perhaps that of a later generation as well.
    pub key: KeyId,
    /// The CA's own certificate.
    pub certificate: CertificateId,
    /// SHA-256 of that certificate.
    pub fingerprint: Digest,
    /// Whether it was uploaded.
    pub uploaded: bool,
}

impl GenerationEnd {
    /// The end of each generation for itself, oldest first. Of several with one key only the newest signs a last CRL.
    #[must_use]
    pub fn each(&self) -> Vec<Self> {
        let newest = Self { older: Vec::new(), ..self.clone() };
        let keys: Vec<&KeyId> = self.older.iter().map(|older| &older.key).chain([&self.key]).collect();
        let older = self.older.iter().enumerate().map(|(place, older)| Self {
            generation: older.generation,
            count: older.count,
            key: older.key.clone(),
            last_crl: self.last_crl && !keys.iter().skip(place + 1).any(|key| **key == older.key),
            certificate: older.certificate,
            fingerprint: older.fingerprint,
            uploaded: older.uploaded,
            ..newest.clone()
        });
        let older: Vec<Self> = older.collect();
        older.into_iter().chain([newest]).collect()
    }

    fn streams(&self) -> Vec<StreamId> {
        let mut streams = vec![stream::ca(&self.ca), stream::crl(self.subject_hash)];
        if !self.external {
            streams.push(stream::key(&self.key));
        }
        for older in &self.older {
            let key = stream::key(&older.key);
            if !streams.contains(&key) {
                streams.push(key);
            }
        }
        streams
    }
}

/// A CA's certificate, subject and key were given up (rule C7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaReset {
    /// What ended.
    pub end: GenerationEnd,
}
payload!(CaReset, extended to 2, |event| event.end.streams());

/// A CA was revoked for good (rule C9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRevoked {
    /// What ended.
    pub end: GenerationEnd,
}
payload!(CaRevoked, extended to 2, |event| event.end.streams());

/// A CA left the list (rule R6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRemoved {
    /// The CA.
    pub ca: CaId,
    /// Its key, if it still has one: that of an expired CA is to be destroyed (rule K3).
    pub key: Option<KeyId>,
    /// Other keys that it still has, of older generations. Since schema 2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub older_keys: Vec<KeyId>,
}
payload!(CaRemoved, extended to 2, |event| core::iter::once(stream::ca(&event.ca))
    .chain(event.key.iter().chain(&event.older_keys).map(stream::key))
    .collect());
