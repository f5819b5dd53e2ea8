//! What in a log does not fit the business rules.

use crate::domain::CaId;
use crate::domain::ca::CaState;
use crate::domain::quota::LedgerFault;
use crate::keys::{Family, PublicKeyError};
use crate::log::{CodecError, Digest, Position};
use crate::x509::{CertificateError, CertificateId, NameHash, SignatureError, Validity};

/// Something in a log that the business rules do not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DomainFault {
    /// An event that cannot be decoded (rule L5).
    #[error("the event at position {position} cannot be decoded: {error}")]
    Codec {
        /// Where.
        position: Position,
        /// Why.
        #[source]
        error: CodecError,
    },
    /// An event that stands in other streams than it concerns.
    #[error("the event {kind} at position {position} stands in other streams than it concerns")]
    Streams {
        /// Where.
        position: Position,
        /// Its kind.
        kind: &'static str,
    },
    /// Quota that does not balance, or is spent twice (rules Q3 to Q5).
    #[error("the quota ledger fails at position {position}: {fault}")]
    Ledger {
        /// Where.
        position: Position,
        /// What.
        #[source]
        fault: LedgerFault,
    },
    /// A serial number that its issuer name had used before (rule I5).
    #[error("the certificate {id} at position {position} repeats a serial number of its issuer")]
    Serial {
        /// Where.
        position: Position,
        /// The certificate.
        id: CertificateId,
    },
    /// A CA that did what it could not do as it stood (rules C1, I1).
    #[error("{ca} is {} at position {position}, where it must not be", .state.in_words())]
    CaState {
        /// Where.
        position: Position,
        /// The CA.
        ca: CaId,
        /// How it stood.
        state: CaState,
    },
    /// A root that issued to a holder (rule I1).
    #[error("{ca} issues a certificate to a holder at position {position}, but is no intermediate")]
    NotAnIntermediate {
        /// Where.
        position: Position,
        /// The CA.
        ca: CaId,
    },
    /// A CA that issued without having a certificate itself.
    #[error("{ca} has no certificate at position {position}, and cannot issue")]
    NoIssuer {
        /// Where.
        position: Position,
        /// The CA.
        ca: CaId,
    },
    /// A generation out of order.
    #[error("generation {found} of {ca} is named at position {position}, but it is generation {expected}")]
    Generation {
        /// Where.
        position: Position,
        /// The CA.
        ca: CaId,
        /// The generation that it must be.
        expected: u32,
        /// The generation that it says.
        found: u32,
    },
    /// A certificate that is wrong in itself.
    #[error("the certificate {id} at position {position}: {fault}")]
    Certificate {
        /// Where.
        position: Position,
        /// The certificate.
        id: CertificateId,
        /// What is wrong.
        #[source]
        fault: CertificateFault,
    },
    /// A key in two roles (rule K2).
    #[error(
        "the key {spki} of {id} at position {position} has two roles: it is a CA's, an OCSP responder's or a holder's as well"
    )]
    KeyRole {
        /// Where.
        position: Position,
        /// The certificate.
        id: CertificateId,
        /// The key.
        spki: Digest,
    },
    /// The revocation of a certificate that nobody issued.
    #[error("the certificate {id} is revoked at position {position}, but was never issued")]
    UnknownCertificate {
        /// Where.
        position: Position,
        /// The certificate.
        id: CertificateId,
    },
    /// A CRL number that does not rise (rule A3).
    #[error("the CRL of {issuer} at position {position} has number {found}, but the one before has {last}")]
    CrlNumber {
        /// Where.
        position: Position,
        /// The hash of the issuer name.
        issuer: NameHash,
        /// The highest number before.
        last: u64,
        /// The number.
        found: u64,
    },
    /// A delta CRL whose base is not the newest full CRL of its scope (rule A3).
    #[error(
        "the delta CRL of {issuer} at position {position} names CRL {base} as its base, which is not the newest full one"
    )]
    DeltaBase {
        /// Where.
        position: Position,
        /// The hash of the issuer name.
        issuer: NameHash,
        /// The number that it names.
        base: u64,
    },
    /// A CRL that says to cover what had not happened.
    #[error("the CRL at position {position} says to cover position {covers}")]
    CrlCovers {
        /// Where.
        position: Position,
        /// What it says to cover.
        covers: Position,
    },
}

impl DomainFault {
    /// Where in the log.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::Codec { position, .. }
            | Self::Streams { position, .. }
            | Self::Ledger { position, .. }
            | Self::Serial { position, .. }
            | Self::CaState { position, .. }
            | Self::NotAnIntermediate { position, .. }
            | Self::NoIssuer { position, .. }
            | Self::Generation { position, .. }
            | Self::Certificate { position, .. }
            | Self::KeyRole { position, .. }
            | Self::UnknownCertificate { position, .. }
            | Self::CrlNumber { position, .. }
            | Self::DeltaBase { position, .. }
            | Self::CrlCovers { position, .. } => *position,
        }
    }
}

/// What is wrong with a certificate in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFault {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] CertificateError),
    /// Its key is none that the platform works with.
    #[error(transparent)]
    Key(PublicKeyError),
    /// The log says one thing and the certificate another.
    #[error("its {what} is {found}, but the log says {stated}")]
    Fact {
        /// Which fact.
        what: &'static str,
        /// What the log says.
        stated: String,
        /// What the certificate says.
        found: String,
    },
    /// It is valid longer than its issuer (rule C5).
    #[error(
        "it is valid from {} to {}, beyond its issuer's {} to {}",
        .validity.not_before(), .validity.not_after(), .issuer.not_before(), .issuer.not_after()
    )]
    Nesting {
        /// Its validity.
        validity: Validity,
        /// Its issuer's.
        issuer: Validity,
    },
    /// Its issuer's key did not sign it.
    #[error("its signature does not verify with its issuer's key: {0}")]
    Signature(#[source] SignatureError),
    /// The issuer's certificate cannot be read, so that nothing can be held against it.
    #[error("its issuer's certificate cannot be read")]
    Issuer,
    /// A CA certificate that is none, or a holder's that is one (rule I1).
    #[error("it {} a CA's certificate", if *.ca { "is" } else { "is not" })]
    Authority {
        /// Whether it is a CA's.
        ca: bool,
    },
    /// The certificate of an OCSP responder that is more than that, or less (rule I1).
    #[error("as the certificate of an OCSP responder it {wrong}")]
    Responder {
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// A key of another family than was bought (rule O3).
    #[error("its key is of the family {found}, but {bought} was bought")]
    Family {
        /// What was bought.
        bought: Family,
        /// Its key's.
        found: Family,
    },
}
