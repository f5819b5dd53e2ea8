//! The policy: numbers that a vendor may change, recorded in the log when they are adopted.

mod adopt;

pub use adopt::{AdoptPolicy, PolicyJsonError};

use serde::{Deserialize, Serialize};

use crate::log::{Fold, Moment, StreamId};

use super::event::Event;

/// The numbers that a vendor may change. [`Policy::default`] is the service as it was first described: 10 free
/// certificates without further limits; [`Policy::with_published_extras`] adds what its vendor published since.
///
/// ```
/// use pca_core::domain::policy::Policy;
///
/// let mut policy = Policy::default();
/// policy.max_validity_days = Some(398);
/// assert_eq!(Policy::from_json(r#"{"max_validity_days": 398}"#).unwrap(), policy);
/// ```
/// [`FoundEnterprise`](super::enterprise::FoundEnterprise) adopts the first one, [`AdoptPolicy`] each further one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// Units of quota that come with a root (rule O1).
    pub free_certificates: u32,
    /// For how many days after the purchase free units can be used; absent: without end (rule Q3).
    pub free_quota_days: Option<u32>,
    /// The longest validity of a certificate that a free unit pays for, in days; absent: no such limit (rule C5).
    pub free_certificate_days: Option<u32>,
    /// How many units must have been bought in a calendar year (UTC) before further ones in that year cost nothing;
    /// absent: never.
    pub free_after_purchased: Option<u64>,
    /// Whether no certificate may outlive its CA's service term (rule O5).
    pub validity_within_term: bool,
    /// For how many hours after payment a refund may be requested (rule R1).
    pub refund_window_hours: u32,
    /// Whether unused quota orders can be refunded (rule R4).
    pub quota_refundable: bool,
    /// The longest validity of any certificate, in days; absent: only its issuer limits it (rule C5).
    pub max_validity_days: Option<u32>,
    /// Whether a wildcard may stand above a single label, as in `*.example` (rule I4).
    pub wide_wildcards: bool,
    /// How many seconds before the decision a certificate begins to be valid; at most 3600 (rule L9).
    pub backdate_seconds: u32,
    /// How many seconds a decision may be older than the newest commit before it is taken anew (rule L9).
    pub max_clock_skew_seconds: u32,
    /// How many days a clock may be ahead of the newest commit without being confirmed (rule L9).
    pub max_gap_days: u32,
    /// The most certificates that one all-or-nothing bulk may have (rule I8).
    pub max_atomic: u32,
    /// How many days an intermediate's CRL is valid (rule A3).
    pub crl_validity_days: u32,
    /// How many days a root's CRL is valid (rule A3).
    pub root_crl_validity_days: u32,
    /// Into how many partitions the CRLs of each intermediate are divided, at most 1024; 0: they are not (rule A3). A
    /// certificate stays in the partition that it was put into when it was issued.
    pub crl_partitions: u32,
    /// Whether CRLs say where deltas to them are (rule A3).
    pub delta_crls: bool,
    /// How many hours a delta CRL is valid (rule A3).
    pub delta_crl_validity_hours: u32,
    /// How many hours an OCSP answer is valid (rule A3). Since schema 2 of `PolicyAdopted`.
    pub ocsp_validity_hours: u32,
    /// How many days after a certificate's end its key is kept (rule K4).
    pub key_retention_days: u32,
    /// Which signatures are verified before they are handed on.
    pub verify_after_signing: VerifyAfterSigning,
}

/// Which signatures are verified before they are handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum VerifyAfterSigning {
    /// None.
    Nothing,
    /// Those of CA certificates and CRLs.
    Authorities,
    /// Those of all certificates, too.
    Everything,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            free_certificates: 10,
            free_quota_days: None,
            free_certificate_days: None,
            free_after_purchased: None,
            validity_within_term: false,
            refund_window_hours: 7 * 24,
            quota_refundable: true,
            max_validity_days: None,
            wide_wildcards: false,
            backdate_seconds: 0,
            max_clock_skew_seconds: 300,
            max_gap_days: 400,
            max_atomic: 10_000,
            crl_validity_days: 7,
            root_crl_validity_days: 90,
            crl_partitions: 0,
            delta_crls: false,
            delta_crl_validity_hours: 24,
            ocsp_validity_hours: 24,
            key_retention_days: 30,
            verify_after_signing: VerifyAfterSigning::Authorities,
        }
    }
}

impl Policy {
    /// With the extras that the vendor published: free units are usable for 30 days and their certificates are valid for
    /// at most 30 days; after 120,000 units bought in a calendar year the rest of that year is free; no certificate
    /// outlives the service term.
    #[must_use]
    pub fn with_published_extras() -> Self {
        Self {
            free_quota_days: Some(30),
            free_certificate_days: Some(30),
            free_after_purchased: Some(120_000),
            validity_within_term: true,
            ..Self::default()
        }
    }
}

/// The fold of the stream `policy`: the policy that is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyInForce {
    policy: Policy,
    most_crl_partitions: u32,
}

impl PolicyInForce {
    /// The policy; the default one until another is adopted.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The most partitions of CRLs that any policy so far has had: certificates stay in theirs (rule A3).
    #[must_use]
    pub fn most_crl_partitions(&self) -> u32 {
        self.most_crl_partitions
    }
}

impl Fold for PolicyInForce {
    type Event = Event;

    fn begin(_: &StreamId) -> Self {
        Self::default()
    }

    fn evolve(&mut self, event: &Event, _: &Moment<'_>) {
        if let Event::PolicyAdopted(adopted) = event {
            self.policy = adopted.policy.clone();
            self.most_crl_partitions = self.most_crl_partitions.max(adopted.policy.crl_partitions);
        }
    }
}
