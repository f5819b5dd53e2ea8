//! `RequestCertificate` and `EnableByCertificate`: an issuer elsewhere makes the certificate of a CA whose key is kept here,
//! or the certificate of a root whose key is kept elsewhere is brought along (rule C2).

use serde::{Serialize, Serializer};

use crate::domain::decision::{Command, Context, Desk, Halt, Plan, Verification};
use crate::domain::event::{Addresses, CaEnabled, CaRequestAbandoned, CaRequested, Der, EnableMode, Event};
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Scope, founded};
use crate::keys::{Algorithm, Family, KeyId, KeyUse, PublicKey};
use crate::x509::{
    CheckedCertificate, CommonName, Expectation, Role, Severity, SubjectFields, UploadFinding, ca_csr_tbs, judge,
};

use super::enable_upload::{ACCEPTABLE, broken};
use super::enabling::{C4, Candidate, EnabledCa, answer, key_id, key_is_free, name_is_free, serial_is_free};
use super::rules::{C2, C3, known, unreadable, urls};
use super::{Ca, CaState};

const O3: Rule = Rule::new("O3");

/// Makes a key for a CA, and a signing request that is taken to an issuer elsewhere (rule C2); the certificate that comes
/// back enables the CA with [`EnableByCertificate`]. A request that was made before and not answered is given up, and its
/// key ends.
#[derive(Clone, Debug, Serialize)]
pub struct RequestCertificate {
    /// The CA, not enabled.
    pub ca: CaId,
    /// The subject that is asked for; the common name is required (rule C4).
    pub subject: SubjectFields,
    /// The key's algorithm, of the family that was bought (rule O3); ECDSA P-256 or RSA 3072 if absent.
    pub algorithm: Option<Algorithm>,
    /// The addresses that the CA is to write into what it issues: absolute `http:` URLs (rule I5).
    pub addresses: Addresses,
}

/// What [`RequestCertificate`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedCertificate {
    /// The CA.
    pub ca: CaId,
    /// The signing request (PKCS #10).
    pub request: Der,
    /// The key's algorithm.
    pub algorithm: Algorithm,
}

impl Command for RequestCertificate {
    type Answer = RequestedCertificate;

    const NAME: &'static str = "RequestCertificate";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let candidate = Candidate::alone(desk, &self.ca, context.time, &mut objections)?;
        let algorithm = self.check_family(&candidate, &mut objections);
        objections.require(!candidate.ca.is_root(), || {
            let message = format!(
                "{} is a root, and a root signs its own certificate; one whose key is kept elsewhere is enabled with its certificate",
                self.ca
            );
            BrokenRule::new(C2, "root-signs-itself", message)
        });
        let subject = match self.subject.to_name(CommonName::Required) {
            Ok(subject) => {
                name_is_free(desk, &subject, &self.ca, &mut objections)?;
                Some(subject)
            }
            Err(violations) => {
                objections
                    .extend(violations.iter().map(|violation| BrokenRule::new(C4, "subject", violation.to_string())));
                None
            }
        };
        urls(&self.addresses, &mut objections);
        let key = key_id(desk, &context.commit, &mut objections)?;
        objections.verdict()?;
        // Whatever is absent now was objected to.
        let Some(subject) = subject else { return Err(unreadable(&self.ca)) };
        let own = desk.generated(0, algorithm, KeyUse::CertificateAuthority)?;
        let mut objections = Objections::new();
        key_is_free(desk, own, &mut objections)?;
        objections.verdict()?;
        let requested = CaRequested {
            ca: self.ca.clone(),
            request: Der::from(Vec::new()),
            subject_hash: subject.issuer_hash(),
            name_hash: subject.folded_hash(),
            key: key.clone(),
            spki: own.digest(),
            algorithm,
            addresses: self.addresses.clone(),
        };
        let plan = abandon(desk, &self.ca, candidate.ca, Plan::new())?;
        Ok(plan.and_signed(requested, key, own.clone(), ca_csr_tbs(&subject, own, Some(0))))
    }

    fn answer(events: &[Event]) -> Option<RequestedCertificate> {
        events.iter().find_map(|event| match event {
            Event::CaRequested(requested) => Some(RequestedCertificate {
                ca: requested.ca.clone(),
                request: requested.request.clone(),
                algorithm: requested.algorithm,
            }),
            _ => None,
        })
    }
}

impl RequestCertificate {
    fn check_family(&self, candidate: &Candidate<'_>, objections: &mut Objections) -> Algorithm {
        let family = candidate.bought.map_or(Family::Ecc, |bought| bought.family);
        let usual = if family == Family::Rsa { Algorithm::Rsa3072 } else { Algorithm::EcdsaP256 };
        let algorithm = self.algorithm.unwrap_or(usual);
        objections.require(candidate.bought.is_none() || algorithm.family() == family, || {
            let message = format!(
                "{algorithm} is of the family {}; {} was bought for the family {family}",
                algorithm.family(),
                self.ca
            );
            BrokenRule::new(O3, "wrong-family", message)
        });
        algorithm
    }
}

/// Gives up a signing request that was not answered: by another one, another way of enabling, or a refund (rules C2, K3).
pub(crate) fn abandon(desk: &Desk<'_>, id: &CaId, ca: &Ca, plan: Plan) -> Result<Plan, Halt> {
    let Some(request) = ca.request() else { return Ok(plan) };
    desk.key(&request.key)?;
    Ok(plan.and(CaRequestAbandoned { ca: id.clone(), key: request.key.clone() }))
}

/// Gives up the signing request of a CA, whose key then ends (rules C2, K3).
#[derive(Clone, Debug, Serialize)]
pub struct AbandonRequest {
    /// The CA.
    pub ca: CaId,
}

/// What [`AbandonRequest`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbandonedRequest {
    /// The CA.
    pub ca: CaId,
    /// The key, which is to be destroyed now.
    pub key: KeyId,
}

impl Command for AbandonRequest {
    type Answer = AbandonedRequest;

    const NAME: &'static str = "AbandonRequest";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, _: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let ca = desk.ca(&self.ca)?;
        known(ca, &self.ca, &mut objections);
        objections.require(ca.bought().is_none() || ca.request().is_some(), || {
            BrokenRule::new(C2, "no-request", format!("no issuer elsewhere is asked for a certificate of {}", self.ca))
        });
        objections.verdict()?;
        abandon(desk, &self.ca, ca, Plan::new())
    }

    fn answer(events: &[Event]) -> Option<AbandonedRequest> {
        events.iter().find_map(|event| match event {
            Event::CaRequestAbandoned(abandoned) => {
                Some(AbandonedRequest { ca: abandoned.ca.clone(), key: abandoned.key.clone() })
            }
            _ => None,
        })
    }
}

/// Enables a CA with a certificate that an issuer elsewhere made (rule C2): for an intermediate or a root the answer to its
/// [signing request](RequestCertificate); for a root without one the certificate of an *external root*, whose key is kept
/// elsewhere. Such a root issues nothing here; its intermediates get their certificates by signing requests, and what of
/// theirs is revoked goes onto the list that is signed elsewhere.
///
/// The certificate is judged as an upload is (rule C3), and its DER is kept as it is.
#[derive(Clone, Debug)]
pub struct EnableByCertificate {
    /// The CA.
    pub ca: CaId,
    /// The certificate.
    pub certificate: CheckedCertificate,
    /// Codes of the warnings that are accepted: some of [`ACCEPTABLE`].
    pub accepted: Vec<String>,
    /// The addresses that it writes into what it issues; each that is absent is that of the request.
    pub addresses: Addresses,
}

impl EnableByCertificate {
    /// Enables a CA with a certificate, accepting no warning.
    #[must_use]
    pub fn new(ca: CaId, certificate: CheckedCertificate) -> Self {
        Self { ca, certificate, accepted: Vec::new(), addresses: Addresses::default() }
    }

    /// The addresses of the request, but for those that are given now.
    fn addresses(&self, request: Option<&CaRequested>) -> Addresses {
        let asked = request.map(|request| request.addresses.clone()).unwrap_or_default();
        let given = self.addresses.clone();
        Addresses {
            crl_url: given.crl_url.or(asked.crl_url),
            ocsp_url: given.ocsp_url.or(asked.ocsp_url),
            issuer_url: given.issuer_url.or(asked.issuer_url),
        }
    }

    /// That it is the certificate that was asked for.
    fn check_request(&self, candidate: &Candidate<'_>, objections: &mut Objections) {
        let Some(request) = candidate.ca.request() else {
            let root = candidate.ca.is_root() || candidate.bought.is_none();
            objections.require(root || candidate.ca.state() != CaState::NotEnabled, || {
                let message = format!(
                    "no certificate was asked for {}: make a signing request first, so that its key is kept here",
                    self.ca
                );
                BrokenRule::new(C2, "no-request", message)
            });
            return;
        };
        let certificate = self.certificate.certificate();
        objections.require(certificate.public_key().map(PublicKey::digest) == Ok(request.spki), || {
            let message = format!("the certificate is for another key than that of the signing request of {}", self.ca);
            BrokenRule::new(C2, "other-key", message)
        });
        objections.require(certificate.subject().issuer_hash() == request.subject_hash, || {
            let message = format!(
                "the certificate has the subject `{}`, which is not that of the signing request, byte for byte",
                certificate.subject()
            );
            BrokenRule::new(C2, "other-subject", message)
        });
    }

    /// Everything that rule C3 has to say; what is tolerated comes back.
    fn judge(
        &self,
        desk: &Desk<'_>,
        candidate: &Candidate<'_>,
        context: &Context,
        objections: &mut Objections,
    ) -> Result<Vec<UploadFinding>, Halt> {
        let unknown = self.accepted.iter().filter(|code| !ACCEPTABLE.contains(&code.as_str()));
        objections.extend(unknown.map(|code| {
            let message = format!("`{code}` is no warning that can be accepted; these can: {}", ACCEPTABLE.join(", "));
            BrokenRule::new(C3, "unknown-acceptance", message)
        }));
        let Some(bought) = candidate.bought else { return Ok(Vec::new()) };
        let certificate = self.certificate.certificate();
        let issuer = match (&candidate.root, candidate.ca.is_root()) {
            (_, true) => certificate,
            (Some(root), _) => root.generation.parsed.as_deref().ok_or_else(|| unreadable(root.id))?,
            // Without its root, nothing can be said of an intermediate; that was objected to.
            (None, false) => return Ok(Vec::new()),
        };
        let role = if candidate.ca.is_root() { Role::Root } else { Role::Intermediate { issuer } };
        let is_signed = match (issuer.public_key(), certificate.signature_algorithm()) {
            (Ok(key), Ok(algorithm)) => desk.verified(Verification {
                key: key.clone(),
                algorithm,
                message: certificate.tbs().into(),
                signature: certificate.signature().into(),
            })?,
            _ => false,
        };
        let expectation = Expectation { family: bought.family, role, now: context.time };
        let findings = self.certificate.findings_given(&expectation, |_| is_signed);
        match judge(findings, &self.accepted) {
            Ok(tolerated) => Ok(tolerated),
            Err(against) => {
                objections.extend(against.iter().map(broken));
                Ok(Vec::new())
            }
        }
    }
}

/// The request as it is digested.
#[derive(Serialize)]
struct Canonical<'a> {
    ca: &'a CaId,
    #[serde(with = "serde_bytes")]
    certificate: &'a [u8],
    accepted: &'a [String],
    addresses: &'a Addresses,
}

impl Serialize for EnableByCertificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { ca, certificate, accepted, addresses } = self;
        Canonical { ca, certificate: certificate.certificate().der(), accepted, addresses }.serialize(serializer)
    }
}

impl Command for EnableByCertificate {
    type Answer = EnabledCa;

    const NAME: &'static str = "EnableByCertificate";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let (policy, now, certificate) = (desk.policy()?, context.time, self.certificate.certificate());
        let candidate = Candidate::look(desk, &self.ca, now, &mut objections)?;
        let request = candidate.ca.request();
        let addresses = self.addresses(request);
        urls(&addresses, &mut objections);
        self.check_request(&candidate, &mut objections);
        let tolerated = self.judge(desk, &candidate, context, &mut objections)?;
        let limits = candidate.own_limits(policy, certificate.not_before());
        let broken = limits.iter().filter(|limit| certificate.not_after() > limit.latest);
        objections.extend(broken.map(|limit| limit.broken(certificate.not_after())));
        name_is_free(desk, certificate.subject(), &self.ca, &mut objections)?;
        let id = certificate.id().ok();
        if let Some(id) = &id {
            serial_is_free(desk, id, &mut objections)?;
        }
        let own = certificate.public_key().ok();
        match (request, own) {
            // The key became the CA's with the request.
            (Some(request), _) => {
                desk.key(&request.key)?;
                desk.spki(&request.spki)?;
            }
            (None, Some(own)) => key_is_free(desk, own, &mut objections)?,
            (None, None) => {}
        }
        objections.verdict()?;
        // What cannot be read was objected to.
        let (Some(id), Some(own)) = (id, own) else { return Err(unreadable(&self.ca)) };
        let (accepted, warned): (Vec<_>, Vec<_>) =
            tolerated.iter().partition(|finding| finding.severity() == Severity::Warning);
        let codes = |findings: Vec<&UploadFinding>| findings.iter().map(|finding| finding.code().to_owned()).collect();
        let (accepted, warned) = (codes(accepted), codes(warned));
        let (key, mode) = match request {
            Some(request) => (request.key.clone(), EnableMode::Requested { accepted, warned }),
            None => (KeyId::derive(&context.commit, 0), EnableMode::External { accepted, warned }),
        };
        Ok(Plan::new().and(CaEnabled {
            ca: self.ca.clone(),
            generation: candidate.ca.next_generation(),
            mode,
            certificate: Der::from(certificate.der()),
            id,
            subject_hash: certificate.subject().issuer_hash(),
            name_hash: certificate.subject().folded_hash(),
            key,
            spki: own.digest(),
            algorithm: own.algorithm(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            addresses,
            carried_crl: None,
        }))
    }

    fn answer(events: &[Event]) -> Option<EnabledCa> {
        answer(events)
    }
}

#[cfg(test)]
mod tests;
