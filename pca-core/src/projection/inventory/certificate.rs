//! Certificates in the inventory.

use core::fmt;
use core::str::FromStr;

use serde::Serialize;

use crate::domain::certificate::Revocation;
use crate::domain::event::{CertificateIssued, Event, Holder};
use crate::domain::{CaId, LotId};
use crate::keys::KeyId;
use crate::log::{Digest, Position, Timestamp};
use crate::projection::Told;
use crate::x509::{CertificateId, GeneralName, ParsedCertificate, ProfileName, RevocationReason, SerialNumber};

/// What a certificate is worth at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CertificateStatus {
    /// In its validity, neither revoked nor on hold, and its issuer's generation lives.
    Valid,
    /// Past its last second of validity.
    Expired,
    /// Revoked by itself (rule A2).
    Revoked,
    /// On hold: revoked until that is lifted or made final (rule A2).
    OnHold,
    /// It ended with its issuer, which was reset or revoked (rules C7, C9).
    Ended,
}

impl CertificateStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Valid, Self::Expired, Self::Revoked, Self::OnHold, Self::Ended];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::OnHold => "on-hold",
            Self::Ended => "ended",
        }
    }
}

impl fmt::Display for CertificateStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CertificateStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.name() == text)
            .ok_or_else(|| UnknownStatus { name: text.chars().take(60).collect() })
    }
}

/// Text that is no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no status of a certificate; known are valid, expired, revoked, on-hold and ended")]
pub struct UnknownStatus {
    /// What was given, cut to 60 characters.
    pub name: String,
}

/// A certificate for a holder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateEntry {
    /// Its id.
    pub id: CertificateId,
    /// The intermediate that issued it.
    pub ca: CaId,
    /// Which of its generations.
    pub generation: u32,
    /// What it is for.
    pub profile: ProfileName,
    /// Its common name, if it has one.
    pub common_name: Option<String>,
    /// Its subject alternative names, without their kinds.
    pub names: Vec<String>,
    /// SHA-256 of its DER.
    pub fingerprint: Digest,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// At which position of the log.
    pub position: Position,
    /// The lot that paid for it.
    pub lot: LotId,
    /// The key that the platform keeps for the holder, until it is destroyed.
    pub key: Option<KeyId>,
    /// How often its key was handed out.
    pub keys_delivered: u32,
    /// Whom it is for.
    pub holder: Holder,
    /// Its own revocation or hold; dated by the end of its issuer's generation where it had ended with that already.
    pub revocation: Option<Revocation>,
    /// Whether it left the list (rule A5).
    pub removed: bool,
    /// The certificate that it renews (rule A4).
    pub renews: Option<CertificateId>,
    /// The certificate that renewed it last.
    pub renewed_by: Option<CertificateId>,
}

impl CertificateEntry {
    pub(super) fn new(issued: &CertificateIssued, told: &Told<'_>) -> Self {
        let parsed = ParsedCertificate::from_der(issued.certificate.as_bytes()).ok();
        let names = parsed.iter().flat_map(|parsed| &parsed.extensions().subject_alternative_names);
        Self {
            id: issued.id,
            ca: issued.ca.clone(),
            generation: issued.generation,
            profile: issued.profile,
            common_name: parsed.as_ref().and_then(|parsed| parsed.subject().common_name()),
            names: names.map(bare).collect(),
            fingerprint: Digest::of(issued.certificate.as_bytes()),
            not_before: issued.not_before,
            not_after: issued.not_after,
            issued_at: told.time,
            position: told.position,
            lot: issued.lot.clone(),
            key: issued.key.clone(),
            keys_delivered: 0,
            holder: issued.holder.clone(),
            revocation: None,
            removed: false,
            renews: issued.renews,
            renewed_by: None,
        }
    }

    /// Its serial number.
    #[must_use]
    pub fn serial(&self) -> SerialNumber {
        self.id.serial()
    }

    /// What people call it: its common name, its first alternative name, or its serial number.
    #[must_use]
    pub fn title(&self) -> String {
        self.common_name.clone().or_else(|| self.names.first().cloned()).unwrap_or_else(|| self.serial().to_string())
    }

    /// Whether it was revoked for good by itself.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revocation.is_some_and(|revocation| revocation.reason != RevocationReason::CertificateHold)
    }

    /// `ended`: when it ended with its issuer's generation, if it did.
    pub(super) fn evolve(&mut self, told: &Told<'_>, ended: Option<Timestamp>) {
        match &told.event {
            Event::CertificateRevoked(revoked) => {
                let before = self.revocation;
                let now = ended.map_or(told.time, |ended| ended.min(told.time));
                self.revocation = Some(Revocation {
                    reason: revoked.reason,
                    at: before.map_or(now, |before| before.at),
                    invalidity_date: revoked.invalidity_date.or(before.and_then(|before| before.invalidity_date)),
                    raised: before.is_some_and(|before| before.reason != RevocationReason::CertificateHold),
                });
            }
            Event::HoldReleased(_) => self.revocation = None,
            Event::KeyDelivered(_) => self.keys_delivered = self.keys_delivered.saturating_add(1),
            Event::KeyDestroyed(destroyed) => {
                self.key.take_if(|key| *key == destroyed.key);
            }
            Event::CertificateRemoved(_) => self.removed = true,
            _ => {}
        }
    }
}

/// A name as people type it.
fn bare(name: &GeneralName) -> String {
    match name {
        GeneralName::Dns(name) => name.to_string(),
        GeneralName::Ip(address) => address.to_string(),
        GeneralName::Email(address) => address.to_string(),
        GeneralName::Uri(uri) => uri.to_string(),
        GeneralName::Other { .. } => name.to_string(),
    }
}
