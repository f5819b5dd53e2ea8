//! `RenewCertificate`: another certificate for the same subject and names (rule A4).

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{CertificateIssued, Event};
use crate::domain::refusal::{BrokenRule, Objections, Refusal, Rule};
use crate::domain::{Scope, founded};
use crate::keys::PublicKey;
use crate::x509::{CertificateId, GeneralName, ParsedCertificate, VerifiedCsr};

use super::find::find;
use super::issue::{IssueCertificate, Issued};
use super::key_source::{KeySource, ProvenKey};
use super::status::Status;
use super::{Certificate, NameRequest};

const A4: Rule = Rule::new("A4");

/// Renews a holder's certificate (rule A4): same subject, names, profile and holder, as long as the one before unless said
/// otherwise, issued by the CA's newest generation, and linked to the one before. It consumes one unit (rule Q2), and every
/// rule of issuing is applied as it stands now.
///
/// A certificate that is valid or has expired is renewed, any number of times; one that is revoked, on hold or off the list
/// is not. The one before stays as it is: revoke it as superseded once the new one is in place.
///
/// ```
/// use pca_core::domain::certificate::{IssueCertificate, RenewCertificate};
/// use pca_core::domain::testing::Story;
///
/// let mut story = Story::issuing(2);
/// let first = story.run(&IssueCertificate::server(story.intermediate(), ["oa.example"])).answer;
/// let second = story.run(&RenewCertificate::of(first.id)).answer;
/// assert_eq!(story.certificate(&second.id).issued().and_then(|issued| issued.renews), Some(first.id));
/// assert_eq!(second.balance.remaining, 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RenewCertificate {
    /// The certificate.
    pub id: CertificateId,
    /// The holder's new key, or the same one again. Without it, the platform makes a new key of the same algorithm where it
    /// made the one before, and otherwise the key stays, whose possession was proven then.
    pub csr: Option<VerifiedCsr>,
    /// For how many days it is valid; as many as the one before, in whole days, if absent.
    pub days: Option<u32>,
    /// Whether a validity that does not fit is cut to what fits, instead of being refused (rule C5).
    pub clamp: bool,
}

impl RenewCertificate {
    /// Renews a certificate as it is.
    #[must_use]
    pub fn of(id: CertificateId) -> Self {
        Self { id, csr: None, days: None, clamp: false }
    }

    /// Renews it for a key that the holder made.
    #[must_use]
    pub fn with_csr(id: CertificateId, csr: VerifiedCsr) -> Self {
        Self { csr: Some(csr), ..Self::of(id) }
    }

    /// What is asked of the CA; refused if nobody issued the certificate, or it is a CA's own.
    pub(crate) fn renewal(&self, certificate: &Certificate) -> Result<Renewal, Refusal> {
        let Some(issued) = certificate.issued() else { return Err(no_holders(self.id, certificate).into()) };
        Ok(Renewal { of: self.id, request: self.request(issued)? })
    }

    fn request(&self, issued: &CertificateIssued) -> Result<IssueCertificate, BrokenRule> {
        let unreadable = |what: &str| {
            BrokenRule::new(A4, "not-renewable", format!("{} cannot be renewed: {what}; issue a new one", self.id))
        };
        let parsed = ParsedCertificate::from_der(issued.certificate.as_bytes())
            .map_err(|error| unreadable(&error.to_string()))?;
        let key = parsed.public_key().map_err(|error| unreadable(&error.to_string()))?;
        let names = parsed.extensions().subject_alternative_names.iter();
        let names: Option<Vec<NameRequest>> = names.map(requested).collect();
        Ok(IssueCertificate {
            names: names.ok_or_else(|| unreadable("it has a name of a kind that is not issued"))?,
            key: match &self.csr {
                Some(csr) => KeySource::Csr(csr.clone()),
                None if issued.key.is_some() => KeySource::Platform(key.algorithm()),
                None => proven(key),
            },
            days: Some(self.days.unwrap_or_else(|| whole_days(issued))),
            clamp: self.clamp,
            holder: issued.holder.clone(),
            ..IssueCertificate::of(issued.ca.clone(), issued.profile, parsed.subject().fields())
        })
    }
}

/// The key stays: who asked for the certificate before has proven to have it (rule I3).
fn proven(key: &PublicKey) -> KeySource {
    KeySource::Proven(ProvenKey::of_predecessor(key))
}

fn requested(name: &GeneralName) -> Option<NameRequest> {
    match name {
        GeneralName::Dns(name) => Some(NameRequest::dns(name.to_string())),
        GeneralName::Ip(address) => Some(NameRequest::ip(address.to_string())),
        GeneralName::Email(address) => Some(NameRequest::email(address.to_string())),
        GeneralName::Uri(uri) => Some(NameRequest::uri(uri.to_string())),
        _ => None,
    }
}

/// For how many days it was valid; what was cut to fit counts as a whole day.
fn whole_days(issued: &CertificateIssued) -> u32 {
    let seconds = issued.not_after.secs().saturating_sub(issued.not_before.secs()).saturating_add(1);
    let days = seconds.saturating_add(86_399).div_euclid(86_400).max(1);
    u32::try_from(days).unwrap_or(u32::MAX)
}

fn no_holders(id: CertificateId, certificate: &Certificate) -> BrokenRule {
    match certificate.authority() {
        Some(authority) => {
            let text = format!("{id} is the certificate of {}: renew the CA", authority.ca);
            BrokenRule::new(Rule::new("C11"), "certificate-of-ca", text)
        }
        None => BrokenRule::new(A4, "unknown-certificate", format!("{id} is no certificate of this log")),
    }
}

/// A request for a certificate that renews another one. It is made of that one only, so that it cannot ask for other names.
#[derive(Clone, Debug)]
pub(crate) struct Renewal {
    /// What is renewed.
    pub(crate) of: CertificateId,
    /// What is asked of the CA.
    pub(crate) request: IssueCertificate,
}

/// Decides what is asked of a CA as a renewal of a certificate.
pub(crate) fn decide_renewal(
    of: CertificateId,
    request: &IssueCertificate,
    desk: &Desk<'_>,
    context: &Context,
) -> Result<Plan, Halt> {
    let mut objections = Objections::new();
    let of_ca = (Rule::new("C11"), "renew the CA");
    let found = find(of, A4, of_ca, context.time, desk, &mut objections)?;
    if let Some(found) = &found {
        let standing = match found.status {
            Status::Revoked { .. } => Some(("revoked", format!("{of} is {}; issue a new one", found.status))),
            Status::OnHold { .. } => Some(("on-hold", format!("{of} is {}; release the hold first", found.status))),
            _ if found.certificate.is_removed() => Some(("removed", format!("{of} is off the list; issue a new one"))),
            _ => None,
        };
        objections.extend(standing.map(|(code, text)| BrokenRule::new(A4, code, text)));
    }
    match request.draft(desk, context, 0) {
        Ok(mut draft) => {
            objections.verdict()?;
            draft.renews = Some(of);
            draft.complete(Plan::new(), desk, context, 0)
        }
        Err(Halt::Refused(refusal)) => {
            objections.extend(refusal.broken().iter().cloned());
            objections.verdict()?;
            Err(Halt::Refused(refusal))
        }
        Err(needs) => Err(needs),
    }
}

impl Command for RenewCertificate {
    type Answer = Issued;

    const NAME: &'static str = "RenewCertificate";

    fn scope(&self) -> Scope<'_> {
        Scope::Certificate(&self.id)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        founded(desk)?.verdict()?;
        let renewal = self.renewal(desk.certificate(&self.id)?)?;
        decide_renewal(renewal.of, &renewal.request, desk, context)
    }

    fn answer(events: &[Event]) -> Option<Issued> {
        events.iter().find_map(Issued::of)
    }
}
