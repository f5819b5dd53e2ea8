//! Finding certificates.

use crate::domain::CaId;
use crate::log::Timestamp;
use crate::x509::{ProfileName, SerialNumber};

use super::{CertificateEntry, CertificateStatus};

/// Which certificates are listed; what is absent does not limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFilter {
    /// Issued by this intermediate.
    pub ca: Option<CaId>,
    /// With this text in the common name or an alternative name, in either case.
    pub name: Option<String>,
    /// With this serial number.
    pub serial: Option<SerialNumber>,
    /// Whose SHA-256 fingerprint begins so, in hexadecimal of either case, colons aside.
    pub fingerprint: Option<String>,
    /// With this text in the holder's name, in either case.
    pub holder: Option<String>,
    /// With this label.
    pub label: Option<(String, String)>,
    /// For this purpose.
    pub profile: Option<ProfileName>,
    /// With this status at the time that is asked for.
    pub status: Option<CertificateStatus>,
    /// Valid or on hold, and expiring within so many seconds after the time that is asked for.
    pub expires_within: Option<u64>,
    /// Removed ones, too (rule A5).
    pub removed: bool,
}

impl CertificateFilter {
    /// Whether a certificate that has a status at a time is listed.
    #[must_use]
    pub fn lets_through(&self, entry: &CertificateEntry, status: CertificateStatus, now: Timestamp) -> bool {
        (self.removed || !entry.removed)
            && self.ca.as_ref().is_none_or(|ca| *ca == entry.ca)
            && self.name.as_deref().is_none_or(|name| has_name(entry, name))
            && self.serial.is_none_or(|serial| serial == entry.serial())
            && self.fingerprint.as_deref().is_none_or(|prefix| has_fingerprint(entry, prefix))
            && self.holder.as_deref().is_none_or(|holder| contains(entry.holder.name.as_deref(), holder))
            && self.label.as_ref().is_none_or(|label| entry.holder.labels.contains(label))
            && self.profile.is_none_or(|profile| profile == entry.profile)
            && self.status.is_none_or(|wanted| wanted == status)
            && self.expires_within.is_none_or(|seconds| expires_within(entry, status, now, seconds))
    }
}

fn has_name(entry: &CertificateEntry, name: &str) -> bool {
    contains(entry.common_name.as_deref(), name) || entry.names.iter().any(|found| contains(Some(found), name))
}

fn has_fingerprint(entry: &CertificateEntry, prefix: &str) -> bool {
    let prefix: String = prefix.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
    entry.fingerprint.to_string().starts_with(&prefix)
}

fn contains(found: Option<&str>, wanted: &str) -> bool {
    found.is_some_and(|found| found.to_lowercase().contains(&wanted.to_lowercase()))
}

fn expires_within(entry: &CertificateEntry, status: CertificateStatus, now: Timestamp, seconds: u64) -> bool {
    let limit = now.plus_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    matches!(status, CertificateStatus::Valid | CertificateStatus::OnHold) && entry.not_after <= limit
}
