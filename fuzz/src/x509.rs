//! Certificates, requests and revocation lists, as they are uploaded.

use pca_core::log::Timestamp;
use pca_core::x509::path::{ChainMaterial, ChainOptions, ChainProfile, Purpose, certificates_in, check_chain, crls_in};
use pca_core::x509::{
    MAX_OCSP_CERT_IDS, MAX_OCSP_NONCE, MAX_OCSP_REQUEST, OcspRequest, ParsedCertificate, ParsedCrl, ParsedOcspResponse,
    VerifiedCsr, to_pem,
};

/// A certificate, in PEM or DER.
pub(crate) fn certificate(data: &[u8]) {
    let Ok(certificate) = ParsedCertificate::from_pem_or_der(data) else { return };
    let der = certificate.der();
    assert!(der == data || data.starts_with(b"-----") || data.contains(&b'-'), "the octets are kept as they came");
    let again = ParsedCertificate::from_der(der).expect("what was read is read again");
    assert_eq!((again.der(), again.fingerprint()), (der, certificate.fingerprint()));
    let pem = to_pem("CERTIFICATE", der);
    assert_eq!(ParsedCertificate::from_pem(pem.as_bytes()).expect("from PEM, too").der(), der);
    assert_eq!(certificate.id().is_ok(), certificate.serial().is_ok());
    let _ = (certificate.validity(), certificate.as_issuer().is_ok(), certificate.is_self_issued());
    for name in [certificate.subject(), certificate.issuer()] {
        let _ = (name.common_name(), name.fields(), name.email_addresses(), name.folded_hash());
        assert!(name.folds_to(name));
    }
    if let Ok(key) = certificate.public_key() {
        let _ = certificate.verify_signature(key);
    }
}

/// A request, in PEM or DER; its signature is verified.
pub(crate) fn csr(data: &[u8]) {
    let Ok(request) = VerifiedCsr::verify(data) else { return };
    let again = VerifiedCsr::verify(request.der()).expect("what was read is read again");
    assert_eq!((again.der(), again.names()), (request.der(), request.names()));
    let pem = to_pem("CERTIFICATE REQUEST", request.der());
    assert_eq!(VerifiedCsr::verify(pem.as_bytes()).expect("from PEM, too").der(), request.der());
    let _ = (request.subject().fields(), request.subject().folded_hash());
}

/// A revocation list, in PEM or DER.
pub(crate) fn crl(data: &[u8]) {
    let Ok(list) = ParsedCrl::from_pem_or_der(data) else { return };
    let again = ParsedCrl::from_der(list.der().to_vec()).expect("what was read is read again");
    assert_eq!((again.der(), again.entries(), again.number()), (list.der(), list.entries(), list.number()));
    let pem = to_pem("X509 CRL", list.der());
    assert_eq!(ParsedCrl::from_pem_or_der(pem.as_bytes()).expect("from PEM, too").der(), list.der());
    assert!(list.entries().len() <= data.len());
}

/// A file of certificates and lists: the first certificate is the target, the last one is trusted, all are at hand.
pub(crate) fn chain(data: &[u8]) {
    let certificates = certificates_in(data).unwrap_or_default();
    let lists = crls_in(data).unwrap_or_default();
    let all: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    let crls: Vec<&[u8]> = lists.iter().map(Vec::as_slice).collect();
    let (Some(target), Some(anchor)) = (all.first(), all.last()) else { return };
    let mut options = ChainOptions::at(Timestamp::from_secs(1_800_000_000));
    options.names = vec!["oa.example.com".into()];
    options.purpose = Purpose::Server;
    for profile in [ChainProfile::Rfc5280, ChainProfile::WebPki] {
        options.profile = profile;
        let material = ChainMaterial { target, anchors: &[anchor], intermediates: &all, crls: &crls };
        match check_chain(&material, &options) {
            Ok(chain) => {
                assert_eq!(chain.path.first().map(|first| first.der.as_slice()), Some(*target));
                assert_eq!(chain.path.last().map(|last| last.der.as_slice()), Some(*anchor));
            }
            Err(reasons) => {
                assert!(!reasons.is_empty());
                assert!(reasons.iter().all(|reason| !reason.clause().is_empty() && !reason.message().is_empty()));
            }
        }
    }
}

/// What a relying party asks of the OCSP responder, and what one is answered.
pub(crate) fn ocsp_request(data: &[u8]) {
    let _ = ParsedOcspResponse::from_der(data).map(|response| response.singles().len());
    let Ok(request) = OcspRequest::from_der(data) else { return };
    assert!(data.len() <= MAX_OCSP_REQUEST);
    assert!((1..=MAX_OCSP_CERT_IDS).contains(&request.cert_ids().len()));
    assert!(request.nonce().is_none_or(|nonce| (1..=MAX_OCSP_NONCE).contains(&nonce.len())));
    // Names, signatures and extensions that do not matter are left out when it is written again.
    let again = OcspRequest::from_der(&request.to_der()).expect("what was read is read again");
    assert_eq!(again, request);
    for asked in request.cert_ids() {
        assert!(data.windows(asked.der().len()).any(|octets| octets == asked.der()), "each is kept as it came");
    }
}
