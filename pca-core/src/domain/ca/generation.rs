//! The generations of a CA: the one that issues, those that were renewed and still serve, those that ended.

use std::sync::Arc;

use crate::domain::CaId;
use crate::domain::event::{CaEnabled, CaRenewed, CrlPublished, Der, EnableMode, GenerationEnd, LinkCertificate};
use crate::keys::KeyId;
use crate::log::{Digest, Moment, Position, Timestamp};
use crate::x509::{CertificateId, NameHash, ParsedCertificate, RevocationReason};

/// A CA certificate with its key.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Counted from 1.
    pub number: u32,
    /// The certificate.
    pub certificate: Der,
    /// The certificate, read; absent only if it cannot be read, which nothing that was enabled can be.
    pub parsed: Option<Arc<ParsedCertificate>>,
    /// Its id.
    pub id: CertificateId,
    /// The hash of its subject name.
    pub subject_hash: NameHash,
    /// Its key.
    pub key: KeyId,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub spki: Digest,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// When it began.
    pub enabled_at: Timestamp,
    /// At which position of the log.
    pub position: Position,
    /// How the CA got its key and its first certificate (rule C2).
    pub mode: EnableMode,
    /// What ties its key to that of the generation before, for a root that was renewed with a new key (rule C11).
    pub links: Vec<LinkCertificate>,
}

impl Generation {
    pub(super) fn enabled(enabled: &CaEnabled, moment: &Moment<'_>) -> Self {
        Self {
            number: enabled.generation,
            parsed: parsed(&enabled.certificate),
            certificate: enabled.certificate.clone(),
            id: enabled.id,
            subject_hash: enabled.subject_hash,
            key: enabled.key.clone(),
            spki: enabled.spki,
            not_before: enabled.not_before,
            not_after: enabled.not_after,
            enabled_at: moment.time,
            position: moment.position,
            mode: enabled.mode.clone(),
            links: Vec::new(),
        }
    }

    /// A key that the platform made begins a mode of its own; the same key stays whose it was.
    pub(super) fn renewed(renewed: &CaRenewed, before: &EnableMode, moment: &Moment<'_>) -> Self {
        Self {
            number: renewed.generation,
            parsed: parsed(&renewed.certificate),
            certificate: renewed.certificate.clone(),
            id: renewed.id,
            subject_hash: renewed.subject_hash,
            key: renewed.key.clone(),
            spki: renewed.spki,
            not_before: renewed.not_before,
            not_after: renewed.not_after,
            enabled_at: moment.time,
            position: moment.position,
            mode: if renewed.new_key { EnableMode::Created } else { before.clone() },
            links: renewed.links.clone(),
        }
    }

    /// Whether the caller brought key and certificate: their own copy of the key outlives ours (rule C7).
    #[must_use]
    pub fn is_uploaded(&self) -> bool {
        matches!(self.mode, EnableMode::Uploaded { .. })
    }

    /// Whether its key is kept elsewhere: nothing can be signed with it here (rule C2).
    #[must_use]
    pub fn is_external(&self) -> bool {
        matches!(self.mode, EnableMode::External { .. })
    }

    /// Whether its last second of validity has passed.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now.floor_to_second() > self.not_after
    }

    /// Whether a certificate that it may have issued names its key: by key identifier, where both are there (rule C11).
    #[must_use]
    pub fn may_have_issued(&self, certificate: &ParsedCertificate) -> bool {
        let Some(own) = self.parsed.as_deref().and_then(|parsed| parsed.as_issuer().ok()) else { return false };
        let named = certificate.extensions().authority_key_identifier.as_ref();
        let named = named.and_then(|authority| authority.key_identifier.as_deref());
        certificate.issuer() == own.name() && named.is_none_or(|named| named == own.key_identifier())
    }
}

fn parsed(certificate: &Der) -> Option<Arc<ParsedCertificate>> {
    ParsedCertificate::from_der(certificate.as_bytes()).ok().map(Arc::new)
}

/// A generation that another one has followed: it issues no more, and serves until it expires (rule C11).
#[derive(Clone, Debug)]
pub struct OlderGeneration {
    /// The generation.
    pub generation: Generation,
    /// Whether the end of its key is decided, as the last certificate with it has expired.
    pub retired: bool,
    /// Whether that key was destroyed.
    pub key_destroyed: bool,
}

/// A generation that was reset or revoked, and how far its end has been carried out (rule C7).
#[derive(Clone, Debug)]
pub struct EndedGeneration {
    /// What ended.
    pub end: GenerationEnd,
    /// The generation.
    pub generation: Generation,
    /// When it ended.
    pub at: Timestamp,
    /// Up to which position.
    pub position: Position,
    /// Whether its last CRL was signed, or is not to be signed.
    pub last_crl: bool,
    /// Its last CRL with the signature, once it was signed.
    pub published: Option<Box<CrlPublished>>,
    /// Whether its key was destroyed.
    pub key_destroyed: bool,
}

impl EndedGeneration {
    /// Why its certificates ended.
    #[must_use]
    pub fn reason(&self) -> RevocationReason {
        self.end.reason
    }
}

/// A root's certificate that another root signed (rule C11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossCertificate {
    /// Its id.
    pub id: CertificateId,
    /// The root that was certified.
    pub ca: CaId,
    /// Which of its generations.
    pub generation: u32,
    /// The root that signed.
    pub by: CaId,
    /// Which of its generations.
    pub by_generation: u32,
    /// The certificate.
    pub certificate: Der,
    /// SHA-256 of the SubjectPublicKeyInfo that was certified.
    pub spki: Digest,
    /// Last second of validity.
    pub not_after: Timestamp,
}
