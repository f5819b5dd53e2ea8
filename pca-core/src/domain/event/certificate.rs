//! The life of a certificate.

use serde::{Deserialize, Serialize};

use super::{Balance, Der};
use crate::domain::{CaId, LotId, stream};
use crate::keys::KeyId;
use crate::log::{Digest, Timestamp};
use crate::x509::{CertificateId, ProfileName, RevocationReason};

/// A certificate was issued (rules I1 to I7, Q2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateIssued {
    /// Its id, with issuer name hash and serial number.
    pub id: CertificateId,
    /// The intermediate that issued it.
    pub ca: CaId,
    /// Which of its generations.
    pub generation: u32,
    /// What it is for.
    pub profile: ProfileName,
    /// The certificate.
    pub certificate: Der,
    /// The key, if the platform made it.
    pub key: Option<KeyId>,
    /// SHA-256 of its SubjectPublicKeyInfo (rule K2).
    pub spki: Digest,
    /// Whether this is the first certificate for the key: the event then claims it (rule K2).
    pub claims_key: bool,
    /// The lot that paid for it (rule Q3).
    pub lot: LotId,
    /// The intermediate's quota after it.
    pub balance: Balance,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// Whom it is for, and how to reach and find them.
    pub holder: Holder,
    /// The partition of its issuer's CRLs that it belongs to; absent where the issuer had none (rule A3). Since schema 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u16>,
    /// The certificate that it renews, and whose stream learns of it (rule A4). Since schema 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews: Option<CertificateId>,
}
payload!(CertificateIssued, extended to 2, |event| {
    let mut streams = Vec::with_capacity(5);
    streams.push(stream::quota(&event.ca));
    streams.push(stream::certificate(&event.id));
    streams.extend(event.renews.as_ref().map(stream::certificate));
    if event.claims_key {
        streams.push(stream::spki(&event.spki));
    }
    streams.extend(event.key.as_ref().map(stream::key));
    streams
});

/// Whom a certificate is for (rule I2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The holder's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How to reach them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Labels, sorted by key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, String)>,
}

/// A certificate was revoked or put on hold, or the reason was raised (rule A2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRevoked {
    /// The certificate; an intermediate's own on its root's CRL, too.
    pub id: CertificateId,
    /// The CA that issued it.
    pub ca: CaId,
    /// Why; `certificateHold` can be lifted.
    pub reason: RevocationReason,
    /// When it is known or suspected that the key was compromised, or the certificate ceased to be valid.
    pub invalidity_date: Option<Timestamp>,
    /// The certificate's last second of validity: it leaves the CRL after that (rule A3).
    pub not_after: Timestamp,
    /// SHA-256 of its SubjectPublicKeyInfo, where the key is compromised (rule K2).
    pub compromised_spki: Option<Digest>,
    /// The partition of its issuer's CRLs that it was put into when it was issued (rule A3). Since schema 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u16>,
}
payload!(CertificateRevoked, extended to 2, |event| {
    let mut streams = vec![stream::certificate(&event.id), stream::crl(event.id.issuer())];
    streams.extend(event.compromised_spki.as_ref().map(stream::spki));
    streams
});

/// A hold was lifted (rule A2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldReleased {
    /// The certificate.
    pub id: CertificateId,
}
payload!(HoldReleased, |event| vec![stream::certificate(&event.id), stream::crl(event.id.issuer())]);

/// A private key was handed out (rule A1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDelivered {
    /// The certificate.
    pub id: CertificateId,
    /// Its key.
    pub key: KeyId,
    /// In which format.
    pub format: String,
    /// To whom.
    pub recipient: String,
    /// Whether it was handed out unencrypted, as was asked for by name (rule K4).
    pub unencrypted: bool,
    /// Whether the key ends with this delivery, as was asked for (rule K4).
    pub destroy_after: bool,
}
payload!(KeyDelivered, |event| vec![stream::certificate(&event.id), stream::key(&event.key)]);

/// A certificate left the list (rule A5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRemoved {
    /// The certificate.
    pub id: CertificateId,
    /// The key that the platform kept for the holder: it is to be destroyed (rule K4).
    pub key: Option<KeyId>,
}
payload!(CertificateRemoved, |event| {
    core::iter::once(stream::certificate(&event.id)).chain(event.key.as_ref().map(stream::key)).collect()
});
