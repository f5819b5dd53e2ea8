//! `EnableByUpload`: the caller brings a CA certificate and its private key (rule C3).

use serde::{Serialize, Serializer};

use crate::domain::decision::{Command, Context, Desk, Halt, Plan, Verification};
use crate::domain::event::{Addresses, CaEnabled, CarriedCrl, CarriedEntry, Der, EnableMode, Event};
use crate::domain::policy::Policy;
use crate::domain::refusal::{BrokenRule, Objections, Refusal, Rule};
use crate::domain::{CaId, Scope, founded};
use crate::keys::{PrivateKey, PublicKey};
use crate::log::{Digest, Timestamp};
use crate::x509::{
    CheckedUpload, Expectation, ParsedCertificate, ParsedCrl, PathViolation, Planned, PlannedRole, Role, Severity,
    SignatureError, UploadError, UploadFinding, judge,
};

use super::enabling::{Candidate, EnabledCa, answer, check_path, key_id, key_is_free, name_is_free, serial_is_free};
use super::external::abandon;
use super::rules::unreadable;
use super::rules::{C3, urls};

/// The codes of warnings that an upload may be accepted with (rule C3).
pub const ACCEPTABLE: [&str; 4] =
    ["key-usage-absent", "basic-constraints-not-critical", "ski-absent", "aki-issuer-and-serial"];

/// The largest number of an earlier CRL that leaves room for all that follow.
const LARGEST_NUMBER: u64 = u64::MAX >> 1;

/// Enables a CA with a certificate and a private key that the caller brings along (rule C3). The certificate's DER is kept
/// as it is; the key goes to the key store, never to the log.
#[derive(Clone, Debug)]
pub struct EnableByUpload {
    /// The CA.
    pub ca: CaId,
    /// Certificate and private key.
    pub upload: CheckedUpload,
    /// Codes of the warnings that are accepted: some of [`ACCEPTABLE`].
    pub accepted: Vec<String>,
    /// The addresses that it writes into what it issues: absolute `http:` URLs (rule I5).
    pub addresses: Addresses,
    /// The CRL that the CA signed before it came here, whose number and entries are carried over (rule A3).
    pub carried_crl: Option<VerifiedCrl>,
}

impl EnableByUpload {
    /// Enables a CA with what was uploaded, accepting no warning.
    #[must_use]
    pub fn new(ca: CaId, upload: CheckedUpload) -> Self {
        Self { ca, upload, accepted: Vec::new(), addresses: Addresses::default(), carried_crl: None }
    }
}

/// A full CRL whose signature was verified before the decision, with the key that it was verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCrl {
    crl: ParsedCrl,
    key: Digest,
}

impl VerifiedCrl {
    /// Verifies the signature of a CRL.
    ///
    /// # Errors
    /// [`SignatureError`] if it was not made with that key.
    pub fn verify(crl: ParsedCrl, key: &PublicKey) -> Result<Self, SignatureError> {
        crl.verify_signature(key)?;
        Ok(Self { crl, key: key.digest() })
    }

    /// The CRL.
    #[must_use]
    pub const fn crl(&self) -> &ParsedCrl {
        &self.crl
    }
}

/// The request as it is digested: the private key as its public key, no passphrase (rule L8).
#[derive(Serialize)]
struct Canonical<'a> {
    ca: &'a CaId,
    #[serde(with = "serde_bytes")]
    certificate: &'a [u8],
    #[serde(with = "serde_bytes")]
    public_key: &'a [u8],
    accepted: &'a [String],
    addresses: &'a Addresses,
    carried_crl: Option<Digest>,
}

impl Serialize for EnableByUpload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let canonical = Canonical {
            ca: &self.ca,
            certificate: self.upload.certificate().der(),
            public_key: self.upload.private_key().public_key().spki_der(),
            accepted: &self.accepted,
            addresses: &self.addresses,
            carried_crl: self.carried_crl.as_ref().map(|carried| Digest::of(carried.crl.der())),
        };
        canonical.serialize(serializer)
    }
}

impl Command for EnableByUpload {
    type Answer = EnabledCa;

    const NAME: &'static str = "EnableByUpload";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn private_key(&self, ordinal: u32) -> Option<&PrivateKey> {
        (ordinal == 0).then(|| self.upload.private_key())
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let policy = desk.policy()?;
        let now = context.time;
        let certificate = self.upload.certificate();
        let candidate = Candidate::look(desk, &self.ca, now, &mut objections)?;
        let tolerated = self.judge(desk, &candidate, now, &mut objections)?;
        self.check_limits(&candidate, policy, &mut objections);
        urls(&self.addresses, &mut objections);
        if !certificate.subject().is_empty() {
            name_is_free(desk, certificate.subject(), &self.ca, &mut objections)?;
        }
        let id = certificate.id().ok();
        if let Some(id) = &id {
            serial_is_free(desk, id, &mut objections)?;
        }
        let own = self.upload.private_key().public_key();
        key_is_free(desk, own, &mut objections)?;
        let carried_crl = self.carry_over(now, &mut objections);
        let key = key_id(desk, &context.commit, &mut objections)?;
        objections.verdict()?;
        // A serial number that cannot be read was objected to.
        let Some(id) = id else { return Err(unreadable(&self.ca)) };
        let own = desk.imported(0)?;
        let (accepted, warned): (Vec<_>, Vec<_>) =
            tolerated.iter().partition(|finding| finding.severity() == Severity::Warning);
        let codes = |findings: Vec<&UploadFinding>| findings.iter().map(|finding| finding.code().to_owned()).collect();
        Ok(abandon(desk, &self.ca, candidate.ca, Plan::new())?.and(CaEnabled {
            ca: self.ca.clone(),
            generation: candidate.ca.next_generation(),
            mode: EnableMode::Uploaded { accepted: codes(accepted), warned: codes(warned) },
            certificate: Der::from(certificate.der()),
            id,
            subject_hash: certificate.subject().issuer_hash(),
            name_hash: certificate.subject().folded_hash(),
            key,
            spki: own.digest(),
            algorithm: own.algorithm(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            addresses: self.addresses.clone(),
            carried_crl,
        }))
    }

    fn answer(events: &[Event]) -> Option<EnabledCa> {
        answer(events)
    }
}

impl EnableByUpload {
    /// The refusal for an upload that cannot even be read, so that it looks like every other one.
    #[must_use]
    pub fn unreadable(error: &UploadError) -> Option<Refusal> {
        let mut objections = Objections::new();
        objections.extend(error.findings().iter().map(broken));
        objections.verdict().err()
    }

    /// Everything that rule C3 has to say; what is tolerated comes back.
    fn judge(
        &self,
        desk: &Desk<'_>,
        candidate: &Candidate<'_>,
        now: Timestamp,
        objections: &mut Objections,
    ) -> Result<Vec<UploadFinding>, Halt> {
        let unknown = self.accepted.iter().filter(|code| !ACCEPTABLE.contains(&code.as_str()));
        objections.extend(unknown.map(|code| {
            let message = format!("`{code}` is no warning that can be accepted; these can: {}", ACCEPTABLE.join(", "));
            BrokenRule::new(C3, "unknown-acceptance", message)
        }));
        let Some(bought) = candidate.bought else { return Ok(Vec::new()) };
        let certificate = self.upload.certificate();
        let (role, issuer) = match (&candidate.root, candidate.ca.is_root()) {
            (_, true) => (Role::Root, certificate),
            (Some(root), _) => {
                let issuer = root.generation.parsed.as_deref().ok_or_else(|| unreadable(root.id))?;
                (Role::Intermediate { issuer }, issuer)
            }
            // Without its root, nothing can be said of an intermediate; that was objected to.
            (None, false) => return Ok(Vec::new()),
        };
        let is_signed = is_signed_by(desk, certificate, issuer)?;
        let expectation = Expectation { family: bought.family, role, now };
        let findings = self.upload.findings_given(&expectation, |_| is_signed);
        if let (Some(root), Ok(validity)) = (&candidate.root, certificate.validity()) {
            let path_length =
                certificate.extensions().basic_constraints.and_then(|constraints| constraints.path_length);
            let path_length = path_length.map(|length| u8::try_from(length).unwrap_or(u8::MAX));
            let planned = Planned {
                // Its own constraints may reach beyond its root's: relying parties apply both, and so does issuing.
                role: PlannedRole::Intermediate { path_length, name_constraints: None },
                validity,
                family: bought.family,
                subject: certificate.subject(),
                names: &certificate.extensions().subject_alternative_names,
            };
            // Everything else is told by the findings.
            let told = |violation: &PathViolation| {
                !matches!(violation, PathViolation::NameConstraint { .. } | PathViolation::MayNotSign { .. })
            };
            check_path(root, &planned, told, objections)?;
        }
        match judge(findings, &self.accepted) {
            Ok(tolerated) => Ok(tolerated),
            Err(against) => {
                objections.extend(against.iter().map(broken));
                Ok(Vec::new())
            }
        }
    }

    /// That the validity keeps within the policy and, if the policy says so, the service term (rules C5, O5); the root's
    /// own limit is a matter of rule C3.
    fn check_limits(&self, candidate: &Candidate<'_>, policy: &Policy, objections: &mut Objections) {
        let certificate = self.upload.certificate();
        let limits = candidate.own_limits(policy, certificate.not_before());
        let broken = limits.iter().filter(|limit| certificate.not_after() > limit.latest);
        objections.extend(broken.map(|limit| limit.broken(certificate.not_after())));
    }

    /// What is taken over from an earlier CRL (rule A3).
    fn carry_over(&self, now: Timestamp, objections: &mut Objections) -> Option<CarriedCrl> {
        let VerifiedCrl { crl, key } = self.carried_crl.as_ref()?;
        let certificate = self.upload.certificate();
        let mut require = |holds: bool, code: &'static str, message: String| {
            objections.require(holds, || BrokenRule::new(C3, code, message));
        };
        require(
            *key == self.upload.private_key().public_key().digest(),
            "crl-key",
            "the CRL was not signed with the key that is uploaded".into(),
        );
        require(
            crl.issuer() == certificate.subject(),
            "crl-issuer",
            format!("the CRL was issued by `{}`, not by `{}`", crl.issuer(), certificate.subject()),
        );
        require(
            crl.this_update() <= now,
            "crl-from-the-future",
            format!("the CRL was made at {}, and it is {now} now", crl.this_update()),
        );
        require(
            crl.number().is_none_or(|number| number <= LARGEST_NUMBER),
            "crl-number",
            format!(
                "the CRL has the number {}; at most {LARGEST_NUMBER} leaves room for the next",
                crl.number().unwrap_or(0)
            ),
        );
        let entries = crl.entries().iter().map(|entry| CarriedEntry {
            serial: entry.serial,
            revoked_at: entry.revoked_at,
            reason: entry.reason,
            invalidity_date: entry.invalidity_date,
        });
        Some(CarriedCrl { number: crl.number(), entries: entries.collect() })
    }
}

/// Whether the issuer's key signed the certificate: a check that is made outside of the decision. A way of signing or a key
/// that is not accepted is told by the findings, without a check.
fn is_signed_by(desk: &Desk<'_>, certificate: &ParsedCertificate, issuer: &ParsedCertificate) -> Result<bool, Halt> {
    let (Ok(key), Ok(algorithm)) = (issuer.public_key(), certificate.signature_algorithm()) else { return Ok(false) };
    desk.verified(Verification {
        key: key.clone(),
        algorithm,
        message: certificate.tbs().into(),
        signature: certificate.signature().into(),
    })
}

pub(super) fn broken(finding: &UploadFinding) -> BrokenRule {
    let message = match finding.severity() {
        Severity::Warning => format!("{finding}; it can be accepted as `{}`", finding.code()),
        _ => finding.to_string(),
    };
    BrokenRule::new(Rule::new(finding.rule()), finding.code(), message)
}

#[cfg(test)]
mod tests;
