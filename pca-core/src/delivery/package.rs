//! What the packages for servers and browsers have in common.

use super::bundle::Bundle;
use super::deliver::DeliveredFile;
use super::draft::Draft;
use super::facts::KeyAlgorithm;
use super::{DeliveredKey, DeliveryError, DeliveryWarning, Format, Kind, note, pem};

/// The name of the private key's file inside a package.
pub(super) const KEY_FILE: &str = "privkey.pem";
/// The trust anchor's.
pub(super) const ANCHOR_FILE: &str = "root.pem";
/// That of the authorities whose clients a server accepts.
pub(super) const CLIENT_AUTHORITIES_FILE: &str = "client-ca.pem";
/// That of the certificate and its intermediates.
pub(super) const CHAIN_FILE: &str = "fullchain.pem";
/// The note's.
pub(super) const NOTE_FILE: &str = "INSTALL.txt";

/// Programs, and the name of a kind of keys that they cannot use.
pub(super) type Unusable = (&'static str, &'static str);

/// What browsers cannot use of the server that calls itself by such a key.
pub(super) const fn unusable_by_browsers(algorithm: KeyAlgorithm) -> &'static [Unusable] {
    match algorithm {
        KeyAlgorithm::Ed25519 => &[("browsers connecting to this server", "Ed25519")],
        KeyAlgorithm::EcdsaP521 => &[("Chrome and Edge connecting to this server", "ECDSA P-521")],
        KeyAlgorithm::Common => &[],
    }
}

/// Says what may surprise whoever installs the package: a purpose that does not fit, a key that is missing or that the
/// target cannot use (that of each certificate on the path counts), a root that is not known.
pub(super) fn warn(
    bundle: &Bundle,
    draft: &mut Draft,
    format: Format,
    unusable: fn(KeyAlgorithm) -> &'static [Unusable],
) {
    let kind = bundle.kind();
    let fits = if format == Format::Browser { kind.calls() } else { kind.serves() };
    if kind != Kind::Authority {
        if !fits {
            draft.warn(DeliveryWarning::PurposeDoesNotFit { kind, format, why: note::purpose(kind) });
        }
        if !draft.has_key() {
            draft.warn(DeliveryWarning::NoKey);
        }
    }
    for certificate in bundle.chain().chain(bundle.anchor().filter(|_| kind != Kind::Authority)) {
        for (target, algorithm) in unusable(certificate.facts.algorithm) {
            let subject = certificate.facts.title().to_owned();
            draft.warn(DeliveryWarning::AlgorithmUnusable { target, algorithm, subject });
        }
    }
    if bundle.anchor().is_none() {
        draft.warn(DeliveryWarning::NoTrustAnchor);
    }
}

/// The trust anchor, and the authorities whose clients are accepted: the root and what stands between, so that a client
/// that sends no more than its own certificate is understood too.
pub(super) fn add_authorities(bundle: &Bundle, directory: &str, draft: &mut Draft) -> Result<(), DeliveryError> {
    if let Some(anchor) = bundle.anchor() {
        let contents = pem::document(pem::CERTIFICATE, &anchor.der)?;
        draft.add(DeliveredFile::public(format!("{directory}/{ANCHOR_FILE}"), contents));
    }
    let own = (bundle.kind() == Kind::Authority).then(|| bundle.certificate());
    let authorities = bundle.issuers().chain(own).map(|certificate| certificate.der.as_slice());
    let authorities = pem::certificates(authorities)?;
    if !authorities.is_empty() {
        draft.add(DeliveredFile::public(format!("{directory}/{CLIENT_AUTHORITIES_FILE}"), authorities));
    }
    Ok(())
}

/// The certificate and its intermediates.
pub(super) fn add_chain(bundle: &Bundle, directory: &str, draft: &mut Draft) -> Result<(), DeliveryError> {
    let chain = pem::certificates(bundle.chain().map(|certificate| certificate.der.as_slice()))?;
    draft.add(DeliveredFile::public(format!("{directory}/{CHAIN_FILE}"), chain));
    Ok(())
}

/// Certificates from a client's up to the root, without the client's: at least the root and the intermediate that every
/// platform's root has.
pub(super) fn depth(bundle: &Bundle) -> usize {
    bundle.intermediates().len().max(1) + 1
}

/// The names that stand in a server's configuration, the first one without wildcard in front.
pub(super) fn hosts(bundle: &Bundle) -> Vec<&str> {
    let mut hosts: Vec<&str> = bundle.certificate().facts.hosts.iter().map(String::as_str).collect();
    hosts.sort_by_key(|host| host.starts_with('*'));
    hosts
}

/// Each line behind an indent; empty lines stay empty.
pub(super) fn indented(text: &str, indent: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("{indent}{line}\n") }).collect()
}

/// What to know of a key that lies in a file of its own.
pub(super) fn key_paragraph(key: DeliveredKey, encrypted: &str, none: &str) -> String {
    match key {
        DeliveredKey::Encrypted => encrypted.to_owned(),
        DeliveredKey::Plain => {
            format!("\n{KEY_FILE} is NOT encrypted: keep it readable for root only (mode 0600).\n")
        }
        DeliveredKey::None => none.to_owned(),
    }
}
