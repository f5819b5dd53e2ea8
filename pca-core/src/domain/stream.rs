//! The streams of the domain (architecture, invariant 5).

use crate::keys::KeyId;
use crate::log::{Digest, StreamId};
use crate::x509::{CertificateId, NameHash};

use super::{CaId, OrderId};

/// `enterprise`: who owns the log, and whether it is a rehearsal (rule L9).
#[must_use]
pub fn enterprise() -> StreamId {
    StreamId::of("enterprise", "")
}

/// `policy`: the numbers that a vendor may change.
#[must_use]
pub fn policy() -> StreamId {
    StreamId::of("policy", "")
}

/// `order/<id>`.
#[must_use]
pub fn order(id: &OrderId) -> StreamId {
    StreamId::of("order", id.as_str())
}

/// `ca/<id>`: the life cycle.
#[must_use]
pub fn ca(id: &CaId) -> StreamId {
    StreamId::of("ca", id.as_str())
}

/// `quota/<id>`: pool of a root, or assignment and consumption of an intermediate (hot).
#[must_use]
pub fn quota(id: &CaId) -> StreamId {
    StreamId::of("quota", id.as_str())
}

/// `certificate/<issuer name hash>/<serial>`: it *is* the claim of the serial number (rule I5).
#[must_use]
pub fn certificate(id: &CertificateId) -> StreamId {
    id.stream()
}

/// `crl/<issuer name hash>`: revocations under an issuer name, and its CRLs (rule A3).
#[must_use]
pub fn crl(issuer: NameHash) -> StreamId {
    StreamId::of("crl", issuer)
}

/// `key/<id>`: a key's introduction and end (rule K3).
#[must_use]
pub fn key(id: &KeyId) -> StreamId {
    StreamId::of("key", id.as_str())
}

/// `spki/<SHA-256 of the SubjectPublicKeyInfo>`: the role of a key (rule K2).
#[must_use]
pub fn spki(digest: &Digest) -> StreamId {
    StreamId::of("spki", digest)
}

/// `name/<folded subject name hash>`: which CA owns a subject name, whatever its case and spaces (rule C4).
#[must_use]
pub fn name(subject: NameHash) -> StreamId {
    StreamId::of("name", subject)
}
