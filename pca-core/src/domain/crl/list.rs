//! What stands on a CRL, and its to-be-signed octets, as a pure function of the log (architecture, invariant 11).

use std::collections::BTreeMap;

use crate::domain::ca::EndedGeneration;
use crate::domain::event::CrlPublished;
use crate::domain::{CaId, Roll};
use crate::log::{Digest, Timestamp};
use crate::x509::{self, CrlEntry, Issuer, RevocationReason, SerialNumber, assemble};

use super::{Crl, End};

/// The intermediates whose [`Roll`] tells what a CRL of this name lists: those of which a generation ended, each with the
/// newest such end, up to which the roll reaches. What a root issued is revoked one by one and needs none; nor does what a
/// living generation issued.
#[must_use]
pub fn rolls_needed(crl: &Crl) -> Vec<&End> {
    let ends = crl.ends().iter().filter(|ended| !ended.end.root);
    let newest: BTreeMap<&CaId, &End> = ends.map(|ended| (&ended.end.ca, ended)).collect();
    newest.into_values().collect()
}

/// The to-be-signed octets of a CRL: what is revoked or on hold by itself, and all that ended with its generation
/// (rule A3: its scope is the issuer's name, over all keys and generations).
///
/// The same octets come out for a CRL that was published earlier, if `crl` is the fold as of the position that the CRL
/// [covers](CrlPublished::covers) and the rolls are of that position or a later one, or of the [needed](rolls_needed) ends.
/// Compare with its [digest](CrlPublished::digest).
#[must_use]
pub fn to_be_signed<'r>(
    issuer: &Issuer,
    crl: &Crl,
    roll_of: impl Fn(&CaId) -> Option<&'r Roll>,
    published: &CrlPublished,
) -> Vec<u8> {
    write(issuer, &entries(crl, roll_of, published.expired_before), published)
}

/// A last CRL with the signature that the log keeps, as DER (rule C7: served and downloadable after the key is gone).
/// `crl` is the fold as of the position that it covers.
///
/// # Errors
/// [`RebuildError`] if it was never signed, or what comes out is not what was signed.
pub fn last_crl<'r>(
    ended: &EndedGeneration,
    crl: &Crl,
    roll_of: impl Fn(&CaId) -> Option<&'r Roll>,
) -> Result<Vec<u8>, RebuildError> {
    let published = ended.published.as_deref();
    let Some((published, signature)) = published.and_then(|crl| Some((crl, crl.last.as_ref()?))) else {
        return Err(RebuildError::NotSigned { ca: ended.end.ca.clone(), generation: ended.end.generation });
    };
    let issuer = ended.generation.parsed.as_ref().and_then(|parsed| parsed.as_issuer().ok());
    let issuer = issuer.ok_or_else(|| RebuildError::Unreadable { ca: ended.end.ca.clone() })?;
    let tbs = to_be_signed(&issuer, crl, roll_of, published);
    let found = Digest::of(&tbs);
    if found != published.digest {
        return Err(RebuildError::Differs { number: published.number, expected: published.digest, found });
    }
    Ok(assemble(&tbs, issuer.signature_algorithm(), signature.as_bytes()))
}

/// Why a CRL cannot be made of the log again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// It was never signed.
    #[error("generation {generation} of {ca} has not signed a last CRL")]
    NotSigned {
        /// The CA.
        ca: CaId,
        /// Which of its generations.
        generation: u32,
    },
    /// The CA's certificate cannot be read.
    #[error("the certificate of {ca} cannot be read")]
    Unreadable {
        /// The CA.
        ca: CaId,
    },
    /// The log, as it was given, makes another list than the one that was signed.
    #[error("CRL {number} comes out with the digest {found}; {expected} was signed")]
    Differs {
        /// Its number.
        number: u64,
        /// What was signed.
        expected: Digest,
        /// What comes out.
        found: Digest,
    },
}

/// What stands on the list, by serial number.
pub(super) fn entries<'r>(
    crl: &Crl,
    roll_of: impl Fn(&CaId) -> Option<&'r Roll>,
    expired_before: Option<Timestamp>,
) -> BTreeMap<SerialNumber, CrlEntry> {
    let has_left = |not_after: Timestamp| expired_before.is_some_and(|instant| not_after < instant);
    let own = crl.entries().iter().filter(|(_, entry)| !entry.not_after.is_some_and(has_left));
    let mut entries: BTreeMap<SerialNumber, CrlEntry> = own
        .map(|(serial, entry)| {
            let (revoked_at, reason, invalidity_date) = (entry.at, entry.reason, entry.invalidity_date);
            (*serial, CrlEntry { serial: *serial, revoked_at, reason, invalidity_date })
        })
        .collect();
    for End { end, at, .. } in crl.ends() {
        let Some(roll) = roll_of(&end.ca) else { continue };
        let ended = roll.entries.iter().filter(|issued| {
            issued.generation == end.generation
                && at.floor_to_second() <= issued.not_after
                && !has_left(issued.not_after)
        });
        for issued in ended {
            let serial = issued.id.serial();
            let with_its_ca = CrlEntry { serial, revoked_at: *at, reason: end.reason, invalidity_date: None };
            let entry = entries.entry(serial).or_insert(with_its_ca);
            // What is told of it later leaves it ended since then: no date moves to a later one (rule A2).
            entry.revoked_at = entry.revoked_at.min(*at);
            // A hold can be lifted no more: it became final when the CA ended.
            if entry.reason == RevocationReason::CertificateHold {
                entry.reason = end.reason;
            }
        }
    }
    entries
}

/// The to-be-signed octets.
pub(super) fn write(issuer: &Issuer, entries: &BTreeMap<SerialNumber, CrlEntry>, published: &CrlPublished) -> Vec<u8> {
    let mut octets = Vec::with_capacity(entries.len().saturating_mul(48));
    entries.values().for_each(|entry| entry.encode_into(&mut octets));
    let head = x509::Crl {
        issuer,
        number: published.number,
        this_update: published.this_update,
        next_update: published.next_update,
    };
    head.tbs([octets.as_slice()])
}
