//! Looking up a holder's certificate with its issuer, as every command after issue does.

use crate::domain::event::CertificateIssued;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{Desk, Halt};
use crate::log::Timestamp;
use crate::x509::CertificateId;

use super::Certificate;
use super::status::{Status, effective_status};

/// A holder's certificate, and what it is worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) certificate: &'a Certificate,
    pub(super) issued: &'a CertificateIssued,
    pub(super) status: Status,
}

/// Looks a certificate up; objects under the rule if nobody issued it, or if it is a CA's own: `of_ca` says what is done
/// with such a one instead.
pub(super) fn find<'a>(
    id: CertificateId,
    rule: Rule,
    of_ca: (Rule, &str),
    now: Timestamp,
    desk: &Desk<'a>,
    objections: &mut Objections,
) -> Result<Option<Found<'a>>, Halt> {
    let certificate = desk.certificate(&id)?;
    if let Some(issued) = certificate.issued() {
        let issuer = desk.ca(&issued.ca)?;
        let status = effective_status(certificate, issuer, now);
        return Ok(Some(Found { certificate, issued, status }));
    }
    if let Some(responder) = certificate.responder() {
        let text = format!(
            "{id} is the certificate of the OCSP responder of {}: it lives for some days and ends by itself",
            responder.ca
        );
        objections.add(BrokenRule::new(rule, "certificate-of-responder", text));
        return Ok(None);
    }
    objections.add(match certificate.authority() {
        Some(authority) => {
            let text = format!("{id} is the certificate of {}: {}", authority.ca, of_ca.1);
            BrokenRule::new(of_ca.0, "certificate-of-ca", text)
        }
        None => BrokenRule::new(rule, "unknown-certificate", format!("{id} is no certificate of this log")),
    });
    Ok(None)
}

/// Goes on with what was found if there is no objection.
pub(super) fn settle<T>(objections: Objections, found: Option<T>) -> Result<T, Halt> {
    objections.verdict()?;
    found
        .ok_or_else(|| BrokenRule::new(Rule::new("A5"), "unknown-certificate", "there is no such certificate"))
        .map_err(|broken| Halt::Refused(broken.into()))
}
