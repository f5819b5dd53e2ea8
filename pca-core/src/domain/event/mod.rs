//! The list of events: what can happen, in the past tense, each with the streams that it concerns.
//!
//! A kind is never renamed; when a shape changes, its schema number rises and an upcaster is added (rule L5).

// Stands before the modules, since they use it.
macro_rules! payload {
    ($kind:ident, |$event:ident| $streams:expr) => {
        impl crate::log::Payload for $kind {
            const KIND: &'static str = stringify!($kind);

            fn concerns(&self) -> Vec<crate::log::StreamId> {
                let $event = self;
                $streams
            }
        }
    };
    // A shape that has only gained fields since its first one, each of which may be absent: an older payload is read as
    // it is.
    ($kind:ident, extended to $schema:literal, |$event:ident| $streams:expr) => {
        impl crate::log::Payload for $kind {
            const KIND: &'static str = stringify!($kind);
            const SCHEMA: u16 = $schema;

            fn concerns(&self) -> Vec<crate::log::StreamId> {
                let $event = self;
                $streams
            }

            fn upcast(_: u16, tree: crate::log::Tree) -> Result<crate::log::Tree, crate::log::CodecError> {
                Ok(tree)
            }
        }
    };
}

mod ca;
mod certificate;
mod crl;
mod der;
mod enterprise;
mod key;
mod order;
mod quota;
mod responder;
mod roll_over;

pub use ca::{
    Addresses, CaConfigured, CaDisabled, CaEnabled, CaReenabled, CaRemoved, CaReset, CaRevoked, EnableMode,
    GenerationEnd, OlderEnd, ProfilesPermitted,
};
pub use certificate::{CertificateIssued, CertificateRemoved, CertificateRevoked, HoldReleased, Holder, KeyDelivered};
pub use crl::{CarriedCrl, CarriedEntry, CrlPartition, CrlPublished, DeltaBase};
pub use der::Der;
pub use enterprise::{EnterpriseFounded, PolicyAdopted, ProfileAdopted};
pub use key::{KeyAbandoned, KeyDestroyed, KeyOwner};
pub use order::{
    IntermediateOrdered, Money, OrderScope, QuotaOrdered, RefundDeclined, RefundRequested, RefundReturned, RootOrdered,
    Term, TermExtended,
};
pub use quota::{Balance, Lot, LotUnits, QuotaAssigned, QuotaForfeited, QuotaLapsed};
pub use responder::ResponderCertified;
pub use roll_over::{
    CaCrossSigned, CaKeyRetired, CaRenewed, CaRequestAbandoned, CaRequested, LinkCertificate, LinkKind,
};

use crate::log::{CodecError, EncodedEvent, EventData, EventView, Payload, StreamId};

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

events! {
    /// The log was opened for an enterprise.
    EnterpriseFounded,
    /// A policy came into force.
    PolicyAdopted,
    /// A profile of one's own was adopted (rule I2).
    ProfileAdopted,
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
    /// It was decided by which profiles an intermediate may issue (rule I2).
    ProfilesPermitted,
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
    /// A CA got another certificate beside the one that it had (rule C11).
    CaRenewed,
    /// An older key of a CA has served its time (rules C11, K3).
    CaKeyRetired,
    /// A key and a signing request were made for an issuer elsewhere (rule C2).
    CaRequested,
    /// A signing request is answered no more (rules C2, K3).
    CaRequestAbandoned,
    /// A root was certified by another root (rule C11).
    CaCrossSigned,
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
    /// An OCSP responder of the platform got its certificate (rule I1).
    ResponderCertified,
}
