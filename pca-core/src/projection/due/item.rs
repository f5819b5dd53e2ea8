//! What is due, as a list.

use core::fmt;

use serde::Serialize;

use crate::domain::{CaId, LotId, OrderId};
use crate::log::Timestamp;
use crate::x509::CertificateId;

/// Something that should be done by a time (rule A6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DueItem {
    /// What should be done.
    #[serde(flatten)]
    pub task: Task,
    /// By when.
    pub due: Timestamp,
    /// Whether that time has passed, and it can and should still be done.
    pub overdue: bool,
}

/// What should be done (rule A6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "task", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// Carry out what is left of the end of a CA, or of a key: `Pca::resume`, which every command of `pca` begins with
    /// (rule C7).
    Resume {
        /// The CA.
        ca: CaId,
        /// How many steps are left.
        steps: usize,
    },
    /// Publish a CRL of a CA's name (rule A3).
    PublishCrl {
        /// The CA whose key signs.
        ca: CaId,
        /// Which partition's; absent for the full one.
        #[serde(skip_serializing_if = "Option::is_none")]
        partition: Option<u16>,
        /// Why.
        reason: CrlReason,
        /// The number of the newest one.
        newest: Option<u64>,
    },
    /// Renew a certificate, or issue one for the same names (rule A4).
    RenewCertificate {
        /// The certificate.
        certificate: CertificateId,
        /// The intermediate that issued it.
        issuer: CaId,
        /// Its common name, or its first name.
        name: Option<String>,
        /// Whom it was issued to.
        holder: Option<String>,
    },
    /// Renew the certificate of a CA (rule C11).
    RenewCa {
        /// The CA.
        ca: CaId,
        /// Its common name.
        name: Option<String>,
    },
    /// Extend the service term of a CA: after its end it cannot be (rule O5).
    ExtendTerm {
        /// The CA.
        ca: CaId,
    },
    /// Use free units before they lapse (rule Q3).
    UseQuota {
        /// The root that they were granted to.
        ca: CaId,
        /// The lot.
        lot: LotId,
        /// How many are unused.
        units: u64,
    },
    /// Decide whether to ask for a refund, which can be requested today and cannot after that time (rules R1, R7).
    RequestRefund {
        /// The order.
        order: OrderId,
    },
}

/// Why a CRL is to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CrlReason {
    /// Its address stands in certificates, and none was ever published.
    NeverPublished,
    /// Something was revoked or released since the newest one.
    Changed,
    /// The newest one passes half of its time, after which it is made anew.
    Ageing,
}

impl Task {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Resume { .. } => "resume",
            Self::PublishCrl { .. } => "publish-crl",
            Self::RenewCertificate { .. } => "renew-certificate",
            Self::RenewCa { .. } => "renew-ca",
            Self::ExtendTerm { .. } => "extend-term",
            Self::UseQuota { .. } => "use-quota",
            Self::RequestRefund { .. } => "request-refund",
        }
    }

    /// The id of what it is about.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Resume { ca, .. }
            | Self::PublishCrl { ca, .. }
            | Self::RenewCa { ca, .. }
            | Self::ExtendTerm { ca }
            | Self::UseQuota { ca, .. } => ca.to_string(),
            Self::RenewCertificate { certificate, .. } => certificate.to_string(),
            Self::RequestRefund { order } => order.to_string(),
        }
    }
}

/// One clause for people: what to do, and why.
impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |name: &Option<String>| name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        match self {
            Self::Resume { steps, .. } => write!(f, "finish its end: {steps} steps are left"),
            Self::PublishCrl { reason: CrlReason::NeverPublished, .. } => {
                f.write_str("publish its first CRL: certificates name the address")
            }
            Self::PublishCrl { reason: CrlReason::Changed, .. } => {
                f.write_str("publish a CRL: something was revoked or released since the newest one")
            }
            Self::PublishCrl { reason: CrlReason::Ageing, .. } => {
                f.write_str("publish a CRL: the newest one passes half of its time")
            }
            Self::RenewCertificate { name, .. } => write!(f, "renew the certificate{}", named(name)),
            Self::RenewCa { name, .. } => write!(f, "renew the certificate of the CA{}", named(name)),
            Self::ExtendTerm { .. } => f.write_str("extend its service term"),
            Self::UseQuota { units, lot, .. } => write!(f, "use {units} units of {lot} before they lapse"),
            Self::RequestRefund { .. } => f.write_str("the refund window closes"),
        }
    }
}
