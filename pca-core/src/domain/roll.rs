//! What a CA has issued, as a list: for decisions that look at every certificate of a CA.

use crate::log::{Revision, Timestamp};
use crate::x509::CertificateId;

use super::event::CertificateIssued;

/// All certificates that a CA has issued, as of a revision of its quota stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    /// The revision of `quota/<ca>` up to which it was read.
    pub revision: Revision,
    /// In order of issue.
    pub entries: Vec<RollEntry>,
}

/// A certificate on a [`Roll`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollEntry {
    /// The certificate.
    pub id: CertificateId,
    /// Which generation of the CA issued it.
    pub generation: u32,
    /// Its last second of validity.
    pub not_after: Timestamp,
    /// The partition of its issuer's CRLs that it belongs to (rule A3).
    pub partition: Option<u16>,
    /// Its holder's name, if it has one.
    pub holder: Option<String>,
}

impl From<&CertificateIssued> for RollEntry {
    fn from(issued: &CertificateIssued) -> Self {
        Self {
            id: issued.id,
            generation: issued.generation,
            not_after: issued.not_after,
            partition: issued.partition,
            holder: issued.holder.name.clone(),
        }
    }
}
