//! The list of events: what can happen, in the past tense, each with the streams that it concerns.
//!
//! A kind is never renamed; when a shape changes, its schema number rises and an upcaster is added (rule L5).

use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

use crate::keys::{Algorithm, Family, KeyId};
use crate::log::{CodecError, Digest, EncodedEvent, EventData, EventView, Payload, Position, StreamId, Timestamp};
use crate::x509::{CertificateId, NameHash, Profile, RevocationReason, SerialNumber};

use super::policy::Policy;
use super::{CaId, LotId, OrderId, stream};

macro_rules! events {
    ($($(#[$doc:meta])* $kind:ident),+ $(,)?) => {
        /// Something that happened.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Event {
            $($(#[$doc])* $kind($kind),)+
        }

        impl Event {
            /// Every kind with its newest schema number.
            pub const KINDS: &'static [(&'static str, u16)] = &[$((<$kind as Payload>::KIND, <$kind as Payload>::SCHEMA)),+];

            /// What happened, as the log names it.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => <$kind as Payload>::KIND,)+
                }
            }

            /// Decodes a payload of a kind and a schema number.
            ///
            /// # Errors
            /// [`CodecError`] if kind or schema are unknown, or the payload does not fit (rule L5).
            pub fn from_parts(kind: &str, schema: u16, payload: &[u8]) -> Result<Self, CodecError> {
                match kind {
                    $(<$kind as Payload>::KIND => $kind::from_payload(schema, payload).map(Self::$kind),)+
                    _ => Err(CodecError::UnknownKind { kind: kind.into() }),
                }
            }

            /// The event as JSON, for people and tools.
            ///
            /// # Errors
            /// If the value has no such form; the events of this crate always have one.
            pub fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self {
                    $(Self::$kind(event) => serde_json::to_value(event),)+
                }
            }
        }

        impl EventData for Event {
            fn encode_concerning(&self, streams: Vec<StreamId>) -> Result<EncodedEvent, CodecError> {
                match self {
                    $(Self::$kind(event) => event.encode_concerning(streams),)+
                }
            }

            fn decode(view: &EventView<'_>) -> Result<Self, CodecError> {
                Self::from_parts(view.kind(), view.schema(), view.payload())
            }

            fn streams(&self) -> Vec<StreamId> {
                match self {
                    $(Self::$kind(event) => event.concerns(),)+
                }
            }
        }

        $(impl From<$kind> for Event {
            fn from(event: $kind) -> Self {
                Self::$kind(event)
            }
        })+
    };
}

macro_rules! payload {
    ($kind:ident, |$event:ident| $streams:expr) => {
        impl Payload for $kind {
            const KIND: &'static str = stringify!($kind);

            fn concerns(&self) -> Vec<StreamId> {
                let $event = self;
                $streams
            }
        }
    };
}

events! {
    /// The log was opened for an enterprise.
    EnterpriseFounded,
    /// A policy came into force.
    PolicyAdopted,
    /// A root was bought, with its bundled intermediate and free quota (rule O1).
    RootOrdered,
    /// A further intermediate was bought (rule O2).
    IntermediateOrdered,
    /// Quota was bought (rule O4).
    QuotaOrdered,
    /// The service term of CAs was extended (rule O5).
    TermExtended,
    /// A refund was requested; the CAs are frozen (rule R5).
    RefundRequested,
    /// A refund was paid out (rule R5).
    RefundReturned,
    /// A refund was declined; all is as before the request (rule R5).
    RefundDeclined,
    /// Quota went from a root's pool to an intermediate (rule Q1).
    QuotaAssigned,
    /// Units expired unused (rule Q3).
    QuotaLapsed,
    /// Units were stranded at a refunded or revoked CA (rule Q4).
    QuotaForfeited,
    /// A CA got its certificate (rules C1 to C4).
    CaEnabled,
    /// The addresses that a CA writes into certificates changed.
    CaConfigured,
    /// A CA stopped issuing for a while (rule C10).
    CaDisabled,
    /// A disabled CA issues again (rule C10).
    CaReenabled,
    /// A CA's certificate, subject and key were given up (rule C7).
    CaReset,
    /// A CA was revoked for good (rule C9).
    CaRevoked,
    /// A CA left the list (rule R6).
    CaRemoved,
    /// A CRL was signed (rule A3).
    CrlPublished,
    /// A key was destroyed in the key store (rule K3).
    KeyDestroyed,
    /// A key that no certificate was made for was given up (rule K3).
    KeyAbandoned,
    /// A certificate was issued (rules I1 to I7, Q2).
    CertificateIssued,
    /// A certificate was revoked or put on hold, or the reason was raised (rule A2).
    CertificateRevoked,
    /// A hold was lifted (rule A2).
    HoldReleased,
    /// A private key was handed out (rule A1).
    KeyDelivered,
    /// A certificate left the list (rule A5).
    CertificateRemoved,
}

/// DER as it was issued or uploaded; never re-encoded. A byte string in payloads, base 64 in JSON.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Der(Arc<[u8]>);

impl Der {
    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The octets, shared.
    #[must_use]
    pub fn shared(&self) -> Arc<[u8]> {
        Arc::clone(&self.0)
    }
}

impl From<Vec<u8>> for Der {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets.into())
    }
}

impl From<&[u8]> for Der {
    fn from(octets: &[u8]) -> Self {
        Self(octets.into())
    }
}

impl core::fmt::Debug for Der {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Der({} octets, SHA-256 {})", self.0.len(), Digest::of(&self.0))
    }
}

impl Serialize for Der {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&Base64::encode_string(&self.0))
        } else {
            serde_bytes::serialize(&*self.0, serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Der {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Base64::decode_vec(&text).map(Self::from).map_err(serde::de::Error::custom)
        } else {
            serde_bytes::deserialize::<Vec<u8>, D>(deserializer).map(Self::from)
        }
    }
}

/// What was paid (rule O6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// In the currency's minor units, such as cents.
    pub minor_units: u64,
    /// ISO 4217, three upper-case letters; empty when nothing was paid.
    pub currency: String,
}

/// Units of quota with one origin and one end (rule Q3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// Its id.
    pub id: LotId,
    /// Whether it came for free with the root.
    pub free: bool,
    /// How many units.
    pub units: u64,
    /// After when its units cannot be used; absent: without end.
    pub expires: Option<Timestamp>,
}

/// Some units of a lot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotUnits {
    /// The lot.
    pub lot: LotId,
    /// How many units.
    pub units: u64,
}

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

/// The log was opened for an enterprise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnterpriseFounded {
    /// Its name, if one was given.
    pub name: Option<String>,
    /// Whether the log takes its time from the caller (rule L9).
    pub rehearsal: bool,
}
payload!(EnterpriseFounded, |_event| vec![stream::enterprise()]);

/// A policy came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyAdopted {
    /// The policy, whole.
    pub policy: Policy,
}
payload!(PolicyAdopted, |_event| vec![stream::policy()]);

/// A root was bought, with its bundled intermediate and free quota (rule O1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootOrdered {
    /// The order.
    pub order: OrderId,
    /// The root.
    pub root: CaId,
    /// The intermediate that comes with it.
    pub intermediate: CaId,
    /// The key family of all that is below (rule O3).
    pub family: Family,
    /// The free quota, if any.
    pub free: Option<Lot>,
    /// What was paid (rule O6).
    pub paid: Money,
    /// When the service term ends (rule O5).
    pub term_ends: Timestamp,
}
payload!(RootOrdered, |event| vec![
    stream::enterprise(),
    stream::order(&event.order),
    stream::ca(&event.root),
    stream::ca(&event.intermediate),
    stream::quota(&event.root),
]);

/// A further intermediate was bought (rule O2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntermediateOrdered {
    /// The order.
    pub order: OrderId,
    /// The root that it is under.
    pub root: CaId,
    /// The intermediate.
    pub intermediate: CaId,
    /// The root's key family (rule O3).
    pub family: Family,
    /// What was paid (rule O6).
    pub paid: Money,
    /// When the service term ends (rule O5).
    pub term_ends: Timestamp,
}
payload!(IntermediateOrdered, |event| vec![
    stream::order(&event.order),
    stream::ca(&event.root),
    stream::ca(&event.intermediate),
]);

/// Quota was bought (rule O4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaOrdered {
    /// The order.
    pub order: OrderId,
    /// The root whose pool it goes to.
    pub root: CaId,
    /// The units.
    pub lot: Lot,
    /// What was paid (rule O6).
    pub paid: Money,
}
payload!(QuotaOrdered, |event| vec![stream::order(&event.order), stream::quota(&event.root)]);

/// The service term of CAs was extended (rule O5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermExtended {
    /// The CAs, each with its new end: the one that was asked for and, for a root, its bundled intermediate.
    pub terms: Vec<Term>,
}
payload!(TermExtended, |event| event.terms.iter().map(|term| stream::ca(&term.ca)).collect());

/// The end of a CA's service term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// The CA.
    pub ca: CaId,
    /// When its service term ends.
    pub ends: Timestamp,
}

/// What an order is about, as refunds need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderScope {
    /// The CAs that stand and fall with the order (rule R3).
    pub cas: Vec<CaId>,
    /// The root whose pool holds units of the order, if it brought any.
    pub pool: Option<CaId>,
}

impl OrderScope {
    fn streams(&self, order: &OrderId) -> Vec<StreamId> {
        core::iter::once(stream::order(order))
            .chain(self.cas.iter().map(stream::ca))
            .chain(self.pool.iter().map(stream::quota))
            .collect()
    }
}

/// A refund was requested; the CAs are frozen (rule R5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequested {
    /// The order.
    pub order: OrderId,
    /// What it is about.
    pub scope: OrderScope,
    /// The lot that is frozen, if the order brought quota.
    pub lot: Option<LotId>,
}
payload!(RefundRequested, |event| event.scope.streams(&event.order));

/// A refund was paid out (rule R5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundReturned {
    /// The order.
    pub order: OrderId,
    /// What it is about.
    pub scope: OrderScope,
    /// Units of a quota order that were paid back (rule R4).
    pub refunded: Vec<LotUnits>,
    /// Free units that were forfeited (rule R3).
    pub forfeited: Vec<LotUnits>,
}
payload!(RefundReturned, |event| event.scope.streams(&event.order));

/// A refund was declined; all is as before the request (rule R5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundDeclined {
    /// The order.
    pub order: OrderId,
    /// What it is about.
    pub scope: OrderScope,
    /// Why.
    pub reason: String,
}
payload!(RefundDeclined, |event| event.scope.streams(&event.order));

/// Quota went from a root's pool to an intermediate (rule Q1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaAssigned {
    /// The root.
    pub root: CaId,
    /// The intermediate.
    pub intermediate: CaId,
    /// Which units, each lot with its end.
    pub lots: Vec<Lot>,
    /// What is left in the pool.
    pub remaining: u64,
}
payload!(QuotaAssigned, |event| vec![stream::quota(&event.root), stream::quota(&event.intermediate)]);

/// Units expired unused (rule Q3); derived at the commit's time, written down by the next event that touches them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaLapsed {
    /// The root in whose pool, or the intermediate to which, they were.
    pub ca: CaId,
    /// Which units.
    pub lots: Vec<LotUnits>,
}
payload!(QuotaLapsed, |event| vec![stream::quota(&event.ca)]);

/// Units were stranded at a refunded or revoked CA (rule Q4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaForfeited {
    /// The root in whose pool, or the intermediate to which, they were.
    pub ca: CaId,
    /// Which units.
    pub lots: Vec<LotUnits>,
}
payload!(QuotaForfeited, |event| vec![stream::quota(&event.ca)]);

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

/// The addresses that a CA writes into certificates changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaConfigured {
    /// The CA.
    pub ca: CaId,
    /// All of its addresses from now on.
    pub addresses: Addresses,
}
payload!(CaConfigured, |event| vec![stream::ca(&event.ca)]);

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
}
payload!(CrlPublished, |event| if event.last.is_some() {
    vec![stream::crl(event.subject_hash), stream::ca(&event.ca)]
} else {
    vec![stream::crl(event.subject_hash)]
});

/// What a key belonged to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyOwner {
    /// A generation of a CA.
    Ca(CaId),
    /// A certificate.
    Certificate(CertificateId),
}

/// A key was destroyed in the key store (rule K3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDestroyed {
    /// The key.
    pub key: KeyId,
    /// What it belonged to.
    pub owner: KeyOwner,
}
payload!(KeyDestroyed, |event| vec![
    stream::key(&event.key),
    match &event.owner {
        KeyOwner::Ca(ca) => stream::ca(ca),
        KeyOwner::Certificate(id) => stream::certificate(id),
    },
]);

/// A key that no certificate was made for was given up (rule K3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAbandoned {
    /// The key.
    pub key: KeyId,
}
payload!(KeyAbandoned, |event| vec![stream::key(&event.key)]);

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
    pub profile: Profile,
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
}
payload!(CertificateIssued, |event| {
    let mut streams = Vec::with_capacity(4);
    streams.push(stream::quota(&event.ca));
    streams.push(stream::certificate(&event.id));
    if event.claims_key {
        streams.push(stream::spki(&event.spki));
    }
    streams.extend(event.key.as_ref().map(stream::key));
    streams
});

/// An intermediate's quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Units ever assigned.
    pub assigned: u64,
    /// Units consumed.
    pub consumed: u64,
    /// Units that can still be consumed.
    pub remaining: u64,
}

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
}
payload!(CertificateRevoked, |event| {
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
