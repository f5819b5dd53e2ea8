//! What a certificate is worth, as OCSP tells it: the same that its issuer's CRL tells, and more (rules A2, A3).

use crate::domain::ca::{Ca, Generation};
use crate::domain::certificate::{Status, effective_status};
use crate::domain::{CaId, Desk, Halt};
use crate::log::{Digest, Timestamp};
use crate::x509::{CertificateId, OcspCertStatus, RevocationReason, SerialNumber};

/// The generation of a CA with this number, whether its key lives or ended with it.
fn generation(ca: &Ca, number: u32) -> Option<&Generation> {
    ca.every_generation().find(|generation| generation.number == number)
}

/// The key that issued a certificate, by the SHA-256 of its SubjectPublicKeyInfo; nothing for one that this CA did not issue.
///
/// # Errors
/// [`Halt::Needs`] if a stream has not been loaded.
pub fn issuing_key(desk: &Desk<'_>, ca: &CaId, id: &CertificateId) -> Result<Option<Digest>, Halt> {
    let certificate = desk.certificate(id)?;
    let issuer = desk.ca(ca)?;
    if let Some(issued) = certificate.issued() {
        let found = (issued.ca == *ca).then(|| generation(issuer, issued.generation)).flatten();
        return Ok(found.map(|generation| generation.spki));
    }
    if let Some(responder) = certificate.responder() {
        return Ok((responder.ca == *ca).then_some(responder.issuer));
    }
    let Some(authority) = certificate.authority() else { return Ok(None) };
    let named = generation(desk.ca(&authority.ca)?, authority.generation).and_then(|own| own.parsed.as_ref());
    let named = named.and_then(|own| own.extensions().authority_key_identifier.as_ref()?.key_identifier.clone());
    let signed = |generation: &&Generation| {
        let issuer = generation.parsed.as_ref().and_then(|parsed| parsed.as_issuer().ok());
        // A certificate that names no key of its issuer is anybody's of that name.
        issuer.is_some_and(|issuer| named.as_ref().is_none_or(|named| named == issuer.key_identifier()))
    };
    let found = issuer.every_generation().find(signed);
    Ok(found.map(|generation| generation.spki))
}

/// What is told of a serial number when it is asked for under one of a CA's keys (rule A3: what that key has not issued is
/// unknown, never good).
///
/// A certificate that has expired is told as it was: revoked, or good, which says no more than that it is not revoked (RFC
/// 6960 section 2.2). What was removed from the list is told all the same.
///
/// # Errors
/// [`Halt::Needs`] if a stream has not been loaded.
pub fn status_of(
    desk: &Desk<'_>,
    ca_id: &CaId,
    issuer: &Generation,
    serial: SerialNumber,
    now: Timestamp,
) -> Result<OcspCertStatus, Halt> {
    let id = CertificateId::new(issuer.subject_hash, serial);
    let (certificate, ca) = (desk.certificate(&id)?, desk.ca(ca_id)?);
    let hold = certificate.revocation().filter(|own| own.reason == RevocationReason::CertificateHold);
    let held = || hold.map_or(OcspCertStatus::Good, |hold| revoked(hold.at, hold.reason));
    match issuing_key(desk, ca_id, &id)? {
        Some(key) if key == issuer.spki => {}
        Some(_) => return Ok(OcspCertStatus::Unknown),
        None => return carried_over(desk, ca, issuer, serial),
    }
    if certificate.issued().is_some() {
        return Ok(match effective_status(certificate, ca, now) {
            Status::Revoked { reason, at, .. } => revoked(at, reason),
            Status::OnHold { since } => revoked(since, RevocationReason::CertificateHold),
            // What was on hold when it expired has not been released since.
            Status::Valid | Status::Expired { .. } => held(),
            Status::Unknown => OcspCertStatus::Unknown,
        });
    }
    if let Some(own) = certificate.revocation() {
        return Ok(revoked(own.at, own.reason));
    }
    // An intermediate's certificate is revoked by itself when the intermediate ends; a root's own has nobody above it that
    // could, so that the end itself is told.
    let own_end = certificate.authority().filter(|authority| authority.ca == *ca_id);
    let own_end = own_end.and_then(|authority| ca.end_of(authority.generation));
    Ok(own_end.map_or(OcspCertStatus::Good, |ended| revoked(ended.at, ended.reason())))
}

/// What an uploaded CA's earlier CRL told of a certificate that was issued elsewhere (rule A3).
fn carried_over(desk: &Desk<'_>, ca: &Ca, issuer: &Generation, serial: SerialNumber) -> Result<OcspCertStatus, Halt> {
    if !ca.every_generation().any(Generation::is_uploaded) {
        return Ok(OcspCertStatus::Unknown);
    }
    let entry = desk.crl(issuer.subject_hash)?.entries().get(&serial);
    Ok(entry.map_or(OcspCertStatus::Unknown, |entry| revoked(entry.at, entry.reason)))
}

const fn revoked(at: Timestamp, reason: RevocationReason) -> OcspCertStatus {
    OcspCertStatus::Revoked { at, reason }
}
