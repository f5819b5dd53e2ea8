//! When the key that the platform keeps for a holder comes to its end (rule K4).

use core::fmt;

use crate::domain::ca::Ca;
use crate::domain::policy::Policy;
use crate::log::Timestamp;
use crate::x509::Profile;

use super::Certificate;
use super::status::effective_status;

/// Why a holder's key is to be destroyed (rule K4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyEnd {
    /// Its certificate was removed from the list.
    Removed,
    /// It was delivered for the last time, as was asked.
    Delivered,
    /// Its certificate ended, and `policy.key_retention_days` have passed since.
    Retention {
        /// When the certificate was revoked, ended with its CA, or expired.
        ended: Timestamp,
    },
}

impl fmt::Display for KeyEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed => f.write_str("its certificate was removed from the list"),
            Self::Delivered => f.write_str("it was delivered for the last time"),
            Self::Retention { ended } => write!(f, "its certificate ended at {ended}"),
        }
    }
}

/// Whether the key that the platform keeps for a certificate's holder is to be destroyed now, and why; nothing if there
/// is none, or it is still kept. Keys for data encryption have no retention: what was encrypted to them outlives the
/// certificate. They end at removal, or at the delivery that asks for it. That the end was carried out is written down by
/// [`ConfirmKeyDestroyed`](crate::domain::key::ConfirmKeyDestroyed), which asks here.
#[must_use]
pub fn key_end_due(certificate: &Certificate, issuer: &Ca, policy: &Policy, now: Timestamp) -> Option<KeyEnd> {
    certificate.kept_key()?;
    if certificate.is_removed() {
        return Some(KeyEnd::Removed);
    }
    if certificate.is_key_ending() {
        return Some(KeyEnd::Delivered);
    }
    if certificate.issued()?.profile == Profile::DataEncryption {
        return None;
    }
    let ended = effective_status(certificate, issuer, now).ended()?;
    (now > key_kept_until(ended, policy)).then_some(KeyEnd::Retention { ended })
}

/// Until when a holder's key is kept after its certificate ended.
#[must_use]
pub fn key_kept_until(ended: Timestamp, policy: &Policy) -> Timestamp {
    ended.plus_secs(i64::from(policy.key_retention_days).saturating_mul(86_400))
}
