//! Whether a certificate is what the log says, and its issuer made it.

use crate::domain::ca::Generation;
use crate::domain::event::{CaEnabled, CertificateIssued, Der, EnableMode, ResponderCertified};
use crate::keys::Family;
use crate::log::{Digest, Timestamp};
use crate::x509::{
    CertificateId, ParsedCertificate, ResponderCertificate, SignatureAlgorithmError, SignatureError, Validity,
};

use super::CertificateFault;

/// Checks the certificate of a CA; a root is its own issuer.
pub(super) fn of_authority(
    enabled: &CaEnabled,
    family: Option<Family>,
    root: bool,
    issuer: Option<&Generation>,
    signatures: bool,
) -> Vec<CertificateFault> {
    let stated = Stated {
        certificate: &enabled.certificate,
        id: enabled.id,
        spki: enabled.spki,
        not_before: enabled.not_before,
        not_after: enabled.not_after,
        ca: true,
        family,
    };
    let (certificate, mut faults) = match stated.check() {
        Ok(checked) => checked,
        Err(fault) => return vec![fault],
    };
    let subject = certificate.subject().issuer_hash();
    fact("subject name hash", &enabled.subject_hash, &subject, &mut faults);
    fact("folded name hash", &enabled.name_hash, &certificate.subject().folded_hash(), &mut faults);
    let algorithm = certificate.public_key().ok().and_then(crate::keys::PublicKey::algorithm);
    if algorithm != enabled.algorithm {
        let name = |algorithm: Option<crate::keys::Algorithm>| algorithm.map_or("none", |algorithm| algorithm.name());
        let (stated, found) = (name(enabled.algorithm).to_owned(), name(algorithm).to_owned());
        faults.push(CertificateFault::Fact { what: "algorithm", stated, found });
    }
    if root {
        fact("issuer name", &certificate.subject(), &certificate.issuer(), &mut faults);
        // A broken hash in a root's own signature was accepted as a warning (rule C3): nobody relies on it.
        let excused = |error: &SignatureError| {
            matches!(enabled.mode, EnableMode::Uploaded { .. } | EnableMode::External { .. })
                && matches!(error, SignatureError::Algorithm(SignatureAlgorithmError::Weak { .. }))
        };
        if signatures && let Ok(key) = certificate.public_key() {
            let verdict = certificate.verify_signature(key);
            faults.extend(verdict.err().filter(|error| !excused(error)).map(CertificateFault::Signature));
        }
    } else if let Some(issuer) = issuer {
        under(&certificate, issuer, signatures, &mut faults);
    }
    faults
}

/// Checks a certificate for a holder.
pub(super) fn of_holder(
    issued: &CertificateIssued,
    family: Option<Family>,
    issuer: &Generation,
    signatures: bool,
) -> Vec<CertificateFault> {
    let stated = Stated {
        certificate: &issued.certificate,
        id: issued.id,
        spki: issued.spki,
        not_before: issued.not_before,
        not_after: issued.not_after,
        ca: false,
        family,
    };
    match stated.check() {
        Ok((certificate, mut faults)) => {
            under(&certificate, issuer, signatures, &mut faults);
            faults
        }
        Err(fault) => vec![fault],
    }
}

/// Checks the certificate of an OCSP responder (rule I1).
pub(super) fn of_responder(
    certified: &ResponderCertified,
    family: Option<Family>,
    issuer: &Generation,
    signatures: bool,
) -> Vec<CertificateFault> {
    let stated = Stated {
        certificate: &certified.certificate,
        id: certified.id,
        spki: certified.spki,
        not_before: certified.not_before,
        not_after: certified.not_after,
        ca: false,
        family,
    };
    let (certificate, mut faults) = match stated.check() {
        Ok(checked) => checked,
        Err(fault) => return vec![fault],
    };
    under(&certificate, issuer, signatures, &mut faults);
    let extensions = certificate.extensions();
    let longest = i64::from(ResponderCertificate::MAX_DAYS) * 86_400;
    let lasts = certificate.validity().map_or(i64::MAX, |validity| validity.seconds());
    let purposes = extensions.extended_key_usage.as_deref().unwrap_or_default();
    let has_no_check = extensions.present.iter().any(|(oid, _)| *oid == ResponderCertificate::NO_CHECK);
    for (wrong, what) in [
        (lasts > longest, "is valid for more than 30 days"),
        (purposes != [ResponderCertificate::PURPOSE], "is for other purposes than OCSPSigning"),
        (!has_no_check, "lacks id-pkix-ocsp-nocheck"),
        (!extensions.crl_urls.is_empty() || !extensions.ocsp_urls.is_empty(), "names where its own status is told"),
    ] {
        faults.extend(wrong.then_some(CertificateFault::Responder { wrong: what }));
    }
    faults
}

/// What an event says of a certificate.
pub(super) struct Stated<'a> {
    pub(super) certificate: &'a Der,
    pub(super) id: CertificateId,
    pub(super) spki: Digest,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) ca: bool,
    pub(super) family: Option<Family>,
}

impl Stated<'_> {
    pub(super) fn check(&self) -> Result<(ParsedCertificate, Vec<CertificateFault>), CertificateFault> {
        let certificate =
            ParsedCertificate::from_der(self.certificate.as_bytes()).map_err(CertificateFault::Unreadable)?;
        let mut faults = Vec::new();
        match certificate.id() {
            Ok(id) => fact("id", &self.id, &id, &mut faults),
            Err(error) => {
                let (stated, found) = (self.id.serial().to_string(), error.to_string());
                faults.push(CertificateFault::Fact { what: "serial number", stated, found });
            }
        }
        fact("not_before", &self.not_before, &certificate.not_before(), &mut faults);
        fact("not_after", &self.not_after, &certificate.not_after(), &mut faults);
        match certificate.public_key() {
            Ok(key) => {
                fact("key", &self.spki, &key.digest(), &mut faults);
                if let Some(bought) = self.family.filter(|family| *family != key.family()) {
                    faults.push(CertificateFault::Family { bought, found: key.family() });
                }
            }
            Err(error) => faults.push(CertificateFault::Key(error.clone())),
        }
        if certificate.extensions().is_ca() != self.ca {
            faults.push(CertificateFault::Authority { ca: !self.ca });
        }
        Ok((certificate, faults))
    }
}

/// Holds a certificate against its issuer's: name, validity, signature.
pub(super) fn under(
    certificate: &ParsedCertificate,
    issuer: &Generation,
    signatures: bool,
    faults: &mut Vec<CertificateFault>,
) {
    let Some(parsed) = issuer.parsed.as_deref() else {
        faults.push(CertificateFault::Issuer);
        return;
    };
    if certificate.issuer().der() != parsed.subject().der() {
        fact("issuer name", &parsed.subject(), &certificate.issuer(), faults);
    }
    if let (Ok(validity), Ok(outer)) = (certificate.validity(), Validity::new(issuer.not_before, issuer.not_after))
        && !validity.nests_in(&outer)
    {
        faults.push(CertificateFault::Nesting { validity, issuer: outer });
    }
    if signatures {
        match parsed.public_key() {
            Ok(key) => faults.extend(certificate.verify_signature(key).err().map(CertificateFault::Signature)),
            Err(error) => faults.push(CertificateFault::Key(error.clone())),
        }
    }
}

pub(super) fn fact<T: PartialEq + ToString>(
    what: &'static str,
    stated: &T,
    found: &T,
    faults: &mut Vec<CertificateFault>,
) {
    if stated != found {
        faults.push(CertificateFault::Fact { what, stated: stated.to_string(), found: found.to_string() });
    }
}
