//! An answer, up to its signature: a pure function of the log at a time (rules A3, I1, C7).

use crate::domain::ca::{Ca, Generation, rules};
use crate::domain::{CaId, Desk, Halt, Need, Objections, stream};
use crate::keys::PublicKey;
use crate::log::{Digest, Timestamp};
use crate::x509::{CertificateId, OcspCertId, OcspCertStatus, OcspResponse, OcspSingle};

use super::status::status_of;
use super::{Responder, Responders};

/// What comes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prepared {
    /// Nobody answers (`unauthorized`, RFC 5019 section 2.2.3), and why.
    Unauthorized {
        /// Why, for whoever runs the responder.
        why: String,
    },
    /// The CA's key is alive, and nobody may answer for it yet: [`CertifyResponder`](super::CertifyResponder).
    NoResponder {
        /// SHA-256 of the key's SubjectPublicKeyInfo.
        issuer: Digest,
    },
    /// An answer to be signed.
    Answer(Box<Answered>),
}

/// An answer to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The generation whose key issued what is asked for.
    pub generation: u32,
    /// SHA-256 of that key's SubjectPublicKeyInfo.
    pub issuer: Digest,
    /// Who answers.
    pub responder: Responder,
    /// The responder's public key.
    pub public_key: PublicKey,
    /// Whether the next responder is to be certified.
    pub due: bool,
    /// `thisUpdate` and `producedAt`.
    pub this_update: Timestamp,
    /// `nextUpdate`: never after the end of the responder.
    pub next_update: Timestamp,
    /// What is told.
    pub singles: Vec<OcspSingle>,
}

impl Answered {
    /// The to-be-signed answer.
    #[must_use]
    pub fn tbs(&self, nonce: Option<&[u8]>) -> Vec<u8> {
        let (produced_at, singles) = (self.this_update, self.singles.as_slice());
        let (this_update, next_update) = (self.this_update, self.next_update);
        OcspResponse { responder: &self.public_key, produced_at, this_update, next_update, singles, nonce }.tbs()
    }
}

/// The generation of a CA that a certificate is asked for under, by the hashes of name and key: one that signs, or one that
/// ended with its CA (rule C7).
#[must_use]
pub fn issuer_of<'a>(ca: &'a Ca, asked: &OcspCertId) -> Option<&'a Generation> {
    let ended = ca.ended().iter().rev().map(|ended| &ended.generation);
    ca.signing_generations().chain(ended).find(|generation| {
        let parsed = generation.parsed.as_deref();
        parsed.is_some_and(|parsed| parsed.public_key().is_ok_and(|key| asked.names(parsed.subject(), key)))
    })
}

/// Prepares the answer of a CA about certificates.
///
/// All of them are of one issuer's, or nobody answers: one signature has one signer, and one responder answers for one key.
///
/// # Errors
/// [`Halt::Needs`] if a stream has not been loaded; [`Halt::Refused`] for a CA that nobody has bought.
pub fn prepare(desk: &Desk<'_>, ca_id: &CaId, asked: &[OcspCertId], now: Timestamp) -> Result<Prepared, Halt> {
    let mut objections = Objections::new();
    let ca = desk.ca(ca_id)?;
    rules::known(ca, ca_id, &mut objections);
    objections.verdict()?;
    let no = |why: String| Ok(Prepared::Unauthorized { why });
    let Some((first, others)) = asked.split_first() else { return no("nothing was asked for".into()) };
    if others.iter().any(|other| !other.has_issuer_of(first)) && !is_one_issuer(ca, asked) {
        return no("certificates of several issuers were asked for at once".into());
    }
    let Some(generation) = issuer_of(ca, first) else {
        return no(format!("no key of {ca_id} is the issuer that was asked for"));
    };
    load(desk, generation, asked)?;
    let responders: &Responders = desk.ocsp(&generation.spki)?;
    let lives = rules::is_live(ca.state()) && ca.end_of(generation.number).is_none() && !generation.has_expired(now);
    let Some(responder) = responders.living(now) else {
        if lives {
            return Ok(Prepared::NoResponder { issuer: generation.spki });
        }
        return no(format!("generation {} of {ca_id} has no key and no OCSP responder any more", generation.number));
    };
    let public_key = responder.parsed.as_ref().and_then(|parsed| parsed.public_key().ok());
    let public_key = public_key.cloned().ok_or_else(|| rules::unreadable(ca_id))?;
    let singles: Result<Vec<OcspSingle>, Halt> = asked
        .iter()
        .map(|cert_id| {
            let status = match cert_id.serial() {
                Some(serial) => status_of(desk, ca_id, generation, serial, now)?,
                None => OcspCertStatus::Unknown,
            };
            Ok(OcspSingle { cert_id: cert_id.clone(), status })
        })
        .collect();
    let this_update = now.floor_to_second();
    let hours = i64::from(desk.policy()?.ocsp_validity_hours);
    Ok(Prepared::Answer(Box::new(Answered {
        generation: generation.number,
        issuer: generation.spki,
        due: lives && responder.is_due(generation.not_after, now),
        this_update,
        next_update: this_update.plus_secs(hours.saturating_mul(3600)).min(responder.not_after),
        responder: responder.clone(),
        public_key,
        singles: singles?,
    })))
}

/// Whether all name the same key of this CA, be it by different hashes.
fn is_one_issuer(ca: &Ca, asked: &[OcspCertId]) -> bool {
    let mut issuers = asked.iter().map(|asked| issuer_of(ca, asked).map(|generation| generation.spki));
    let Some(Some(first)) = issuers.next() else { return false };
    issuers.all(|issuer| issuer == Some(first))
}

/// Asks for all streams at once, so that a large request is not decided again for each certificate.
fn load(desk: &Desk<'_>, generation: &Generation, asked: &[OcspCertId]) -> Result<(), Halt> {
    let mut needs: Vec<Need> = Vec::new();
    let mut note = |needed: Result<(), Halt>| match needed {
        Err(Halt::Needs(need)) => {
            needs.push(need);
            Ok(())
        }
        other => other,
    };
    note(desk.policy().map(drop))?;
    note(desk.ocsp(&generation.spki).map(drop))?;
    for serial in asked.iter().filter_map(OcspCertId::serial) {
        note(desk.certificate(&CertificateId::new(generation.subject_hash, serial)).map(drop))?;
    }
    if needs.is_empty() { Ok(()) } else { Err(Halt::Needs(Need::All(needs))) }
}

impl Answered {
    /// The streams that a request is answered from, as far as a CA's fold tells them: so that all are read at once.
    pub(crate) fn streams(ca_id: &CaId, ca: &Ca, asked: &[OcspCertId]) -> Vec<crate::log::StreamId> {
        let mut streams = vec![stream::policy(), stream::ca(ca_id)];
        if let Some(generation) = asked.first().and_then(|first| issuer_of(ca, first)) {
            streams.push(stream::ocsp(&generation.spki));
            let serials = asked.iter().filter_map(OcspCertId::serial);
            streams.extend(
                serials.map(|serial| stream::certificate(&CertificateId::new(generation.subject_hash, serial))),
            );
            streams.sort_unstable();
            streams.dedup();
        }
        streams
    }
}
