//! Revocation lists: those that were signed, and what one from elsewhere brought along.

use serde::{Deserialize, Serialize};

use super::Der;
use crate::domain::{CaId, stream};
use crate::log::{Digest, Position, Timestamp};
use crate::x509::{NameHash, RevocationReason, SerialNumber};

/// A CRL was signed (rule A3). The CRL itself is derived from the log; for a last one the signature is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlPublished {
    /// The CA whose key signed.
    pub ca: CaId,
    /// Which generation's key.
    pub generation: u32,
    /// The hash of the issuer name: the CRL's scope.
    pub subject_hash: NameHash,
    /// The CRL number.
    pub number: u64,
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`.
    pub next_update: Timestamp,
    /// How many entries.
    pub entries: u64,
    /// Certificates whose validity ended before this instant have left it, as they stood on a CRL after their end;
    /// absent on the first one (rule A3).
    pub expired_before: Option<Timestamp>,
    /// Up to which position of the log it tells revocations.
    pub covers: Position,
    /// SHA-256 of the to-be-signed CRL.
    pub digest: Digest,
    /// The signature of a last CRL, after which the key is destroyed.
    pub last: Option<Der>,
    /// What a delta is the difference to; absent for a complete CRL. Since schema 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<DeltaBase>,
    /// The partition that it is about; absent for all of the name. Since schema 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<CrlPartition>,
    /// Where it says that deltas to it are. Since schema 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshest: Option<String>,
}
payload!(CrlPublished, extended to 2, |event| if event.last.is_some() {
    vec![stream::crl(event.subject_hash), stream::ca(&event.ca)]
} else {
    vec![stream::crl(event.subject_hash)]
});

/// The complete CRL that a delta is the difference to (RFC 5280 section 5.2.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaBase {
    /// Its number.
    pub number: u64,
    /// Up to which position of the log it tells revocations: the delta tells what came after.
    pub covers: Position,
}

/// A part of the certificates of an issuer name with a CRL of its own (RFC 5280 section 5.2.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlPartition {
    /// Which one, from 0; certificates name theirs when they are issued.
    pub index: u16,
    /// Every address that its certificates may name, the newest first.
    pub addresses: Vec<String>,
}

/// A CRL that an uploaded CA signed before it came here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedCrl {
    /// Its number, if it had one that fits.
    pub number: Option<u64>,
    /// Its entries.
    pub entries: Vec<CarriedEntry>,
}

/// An entry of a CRL that is carried over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedEntry {
    /// The serial number.
    pub serial: SerialNumber,
    /// When it was revoked.
    pub revoked_at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
    /// Since when it is not to be believed.
    pub invalidity_date: Option<Timestamp>,
}
