//! Whether renewed CA certificates, link certificates and cross-certificates are what the log says (rules C2, C5, C11, I5, K2).

use crate::domain::ca::{Ca, CaState, Generation};
use crate::domain::event::{CaCrossSigned, CaRenewed, CaRequested, LinkCertificate, LinkKind};
use crate::domain::stream;
use crate::keys::{Family, PublicKey};
use crate::log::{Fold as _, Position};
use crate::x509::{CertificateId, ParsedCertificate};

use super::certificate::{Stated, fact, under};
use super::{CertificateFault, DomainFault, DomainVerifier};

impl DomainVerifier {
    pub(super) fn renewed(&mut self, renewed: &CaRenewed, position: Position, faults: &mut Vec<DomainFault>) {
        let unknown = Ca::begin(&stream::ca(&renewed.ca));
        let ca = self.cas.get(&renewed.ca).unwrap_or(&unknown);
        self.must_be(&renewed.ca, &[CaState::Enabled], position, faults);
        if ca.next_generation() != renewed.generation {
            let (expected, found) = (ca.next_generation(), renewed.generation);
            faults.push(DomainFault::Generation { position, ca: renewed.ca.clone(), expected, found });
        }
        let mut issuer = None;
        if let Some(root) = ca.root() {
            self.must_be(root, &[CaState::Enabled], position, faults);
            match self.cas.get(root).and_then(Ca::generation) {
                Some(generation) => issuer = Some(generation),
                None => faults.push(DomainFault::NoIssuer { position, ca: root.clone() }),
            }
        }
        match ca.generation() {
            Some(before) => {
                let family = ca.bought().map(|bought| bought.family);
                let told = of_renewed(renewed, before, issuer, family, self.signatures);
                faults.extend(told.into_iter().map(|fault| wrong(position, renewed.id, fault)));
                for link in &renewed.links {
                    let told = of_link(link, renewed, before, family, self.signatures);
                    faults.extend(told.into_iter().map(|fault| wrong(position, link.id, fault)));
                }
            }
            None => faults.push(DomainFault::NoIssuer { position, ca: renewed.ca.clone() }),
        }
        for id in core::iter::once(renewed.id).chain(renewed.links.iter().map(|link| link.id)) {
            self.certificates = self.certificates.saturating_add(1);
            self.claim_serial(id, position, faults);
        }
        if self.holder_keys.contains(&renewed.spki) {
            faults.push(DomainFault::KeyRole { position, id: renewed.id, spki: renewed.spki });
        }
        self.authority_keys.insert(renewed.spki);
    }

    pub(super) fn cross_signed(&mut self, signed: &CaCrossSigned, position: Position, faults: &mut Vec<DomainFault>) {
        self.certificates = self.certificates.saturating_add(1);
        for ca in [&signed.ca, &signed.by] {
            self.must_be(ca, &[CaState::Enabled], position, faults);
        }
        let certified = self.cas.get(&signed.ca).and_then(|ca| ca.numbered(signed.generation));
        let signer = self.cas.get(&signed.by).and_then(|ca| ca.numbered(signed.by_generation));
        match (certified, signer) {
            (Some(certified), Some(signer)) => {
                let stated = Stated {
                    certificate: &signed.certificate,
                    id: signed.id,
                    spki: signed.spki,
                    not_before: signed.not_before,
                    not_after: signed.not_after,
                    ca: true,
                    // Another root may be of another family.
                    family: None,
                };
                let told = match stated.check() {
                    Ok((certificate, mut told)) => {
                        same_subject(&certificate, certified, &mut told);
                        fact("key", &certified.spki, &signed.spki, &mut told);
                        under(&certificate, signer, self.signatures, &mut told);
                        told
                    }
                    Err(fault) => vec![fault],
                };
                faults.extend(told.into_iter().map(|fault| wrong(position, signed.id, fault)));
            }
            (found, _) => {
                let ca = if found.is_none() { signed.ca.clone() } else { signed.by.clone() };
                faults.push(DomainFault::NoIssuer { position, ca });
            }
        }
        self.claim_serial(signed.id, position, faults);
    }

    pub(super) fn requested(&mut self, requested: &CaRequested, position: Position, faults: &mut Vec<DomainFault>) {
        self.must_be(&requested.ca, &[CaState::NotEnabled], position, faults);
        self.authority_keys.insert(requested.spki);
    }
}

fn wrong(position: Position, id: CertificateId, fault: CertificateFault) -> DomainFault {
    DomainFault::Certificate { position, id, fault }
}

fn of_renewed(
    renewed: &CaRenewed,
    before: &Generation,
    issuer: Option<&Generation>,
    family: Option<Family>,
    signatures: bool,
) -> Vec<CertificateFault> {
    let stated = Stated {
        certificate: &renewed.certificate,
        id: renewed.id,
        spki: renewed.spki,
        not_before: renewed.not_before,
        not_after: renewed.not_after,
        ca: true,
        family,
    };
    let (certificate, mut faults) = match stated.check() {
        Ok(checked) => checked,
        Err(fault) => return vec![fault],
    };
    same_subject(&certificate, before, &mut faults);
    fact("subject name hash", &renewed.subject_hash, &certificate.subject().issuer_hash(), &mut faults);
    fact("new key", &renewed.new_key, &(renewed.spki != before.spki), &mut faults);
    match issuer {
        Some(issuer) => under(&certificate, issuer, signatures, &mut faults),
        None => {
            fact("issuer name", &certificate.subject(), &certificate.issuer(), &mut faults);
            if let (true, Ok(key)) = (signatures, certificate.public_key()) {
                faults.extend(certificate.verify_signature(key).err().map(CertificateFault::Signature));
            }
        }
    }
    faults
}

/// A link begins with the old key, which may be before the certificate that signs it (RFC 9810 section 4.4.1), so that only
/// its end nests.
fn of_link(
    link: &LinkCertificate,
    renewed: &CaRenewed,
    before: &Generation,
    family: Option<Family>,
    signatures: bool,
) -> Vec<CertificateFault> {
    let old_with_new = link.kind == LinkKind::OldWithNew;
    let stated = Stated {
        certificate: &link.certificate,
        id: link.id,
        spki: if old_with_new { before.spki } else { renewed.spki },
        not_before: link.not_before,
        not_after: link.not_after,
        ca: true,
        family,
    };
    let (certificate, mut faults) = match stated.check() {
        Ok(checked) => checked,
        Err(fault) => return vec![fault],
    };
    same_subject(&certificate, before, &mut faults);
    fact("issuer name", &certificate.subject(), &certificate.issuer(), &mut faults);
    let end = before.not_after.min(renewed.not_after);
    fact("end of validity", &end, &link.not_after, &mut faults);
    if signatures {
        let new = ParsedCertificate::from_der(renewed.certificate.as_bytes()).ok();
        let signer = if old_with_new { new.as_ref() } else { before.parsed.as_deref() };
        let key: Option<&PublicKey> = signer.and_then(|signer| signer.public_key().ok());
        match key {
            Some(key) => faults.extend(certificate.verify_signature(key).err().map(CertificateFault::Signature)),
            None => faults.push(CertificateFault::Issuer),
        }
    }
    faults
}

fn same_subject(certificate: &ParsedCertificate, as_in: &Generation, faults: &mut Vec<CertificateFault>) {
    match as_in.parsed.as_deref() {
        Some(parsed) if parsed.subject().der() != certificate.subject().der() => {
            fact("subject", &parsed.subject(), &certificate.subject(), faults);
        }
        Some(_) => {}
        None => faults.push(CertificateFault::Issuer),
    }
}
