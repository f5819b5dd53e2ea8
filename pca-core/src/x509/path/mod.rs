//! Paths of certificates, built and judged as a relying party does: RFC 5280 section 6, strictly.
//!
//! [`check_chain`] takes a target, trust anchors, further certificates and revocation lists as DER, and tells the path that
//! it found, or every reason against the best one that could be built, each with the clause that is broken. Trust anchors
//! are certificates like the others: their times, constraints and extensions count.
//!
//! Two [profiles](ChainProfile): RFC 5280 as it is written, also where it only binds those who issue; and what the baseline
//! requirements of the CA/Browser Forum add for servers on the public web. What is wrong with a certificate that is not
//! needed does not count. `docs/chain-checker.md` lists what is judged, and where this differs from others.
//!
//! The work is bounded (rule G4): [`MAX_SIGNATURE_CHECKS`], [`MAX_NAME_COMPARISONS`]; beyond that the answer is no, with the
//! bound as a reason. Nothing here reads a clock or goes looking for certificates or lists.
//!
//! ```
//! use pca_core::log::Timestamp;
//! use pca_core::x509::path::{ChainMaterial, ChainOptions, check_chain};
//!
//! let options = ChainOptions::at(Timestamp::from_secs(1_748_736_000));
//! let material = ChainMaterial { target: b"no certificate", ..ChainMaterial::default() };
//! let reasons = check_chain(&material, &options).unwrap_err();
//! assert_eq!(reasons[0].clause(), "RFC 5280 4.1");
//! ```

mod certificate;
mod crl;
mod distribution;
mod extensions;
mod files;
mod name;
mod oid;
mod options;
mod policy;
mod reason;
mod revocation;
mod search;
mod subtrees;
mod validate;
mod webpki;

pub use files::{certificates_in, crls_in};
pub use options::{ChainOptions, ChainProfile, Purpose, UnknownChainWord};
pub use policy::PolicyInputs;
pub use reason::{MAX_NAME_COMPARISONS, MAX_SIGNATURE_CHECKS, Reason};

use super::name::DistinguishedName;
use crate::log::Timestamp;
use certificate::Certificate;
use crl::Crl;
use options::Expected;
use search::Search;
use validate::Rules;

/// What a chain is built from, all of it DER.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChainMaterial<'a> {
    /// The certificate in question.
    pub target: &'a [u8],
    /// Whom one trusts.
    pub anchors: &'a [&'a [u8]],
    /// Certificates that may stand between, in any order.
    pub intermediates: &'a [&'a [u8]],
    /// Revocation lists: full, delta, partial, indirect.
    pub crls: &'a [&'a [u8]],
}

/// A path that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedChain {
    /// From the target to the trust anchor; a certificate that is both stands there once.
    pub path: Vec<ChainCertificate>,
}

/// One certificate of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainCertificate {
    /// The octets as they were given.
    pub der: Vec<u8>,
    /// Its subject.
    pub subject: DistinguishedName,
    /// Its issuer.
    pub issuer: DistinguishedName,
    /// The content octets of its serial number.
    pub serial: Vec<u8>,
    /// The last second of its validity.
    pub not_after: Option<Timestamp>,
}

impl ChainCertificate {
    fn of(certificate: &Certificate) -> Self {
        Self {
            der: certificate.der().to_vec(),
            subject: certificate.subject.name.clone(),
            issuer: certificate.issuer.name.clone(),
            serial: certificate.serial.clone(),
            not_after: certificate.not_after,
        }
    }
}

/// Builds a path from the target to a trust anchor and judges it (RFC 5280 section 6).
///
/// # Errors
/// Why there is none: every reason against the best candidate. Material that is no certificate or list at all is a reason
/// even where it is not needed.
pub fn check_chain(material: &ChainMaterial<'_>, options: &ChainOptions) -> Result<CheckedChain, Vec<Reason>> {
    let mut reasons = Vec::new();
    let mut expected = Vec::new();
    for name in &options.names {
        match Expected::parse(name) {
            Ok(name) => expected.push(name),
            Err(reason) => reasons.push(reason),
        }
    }
    let mut certificates: Vec<Certificate> = Vec::new();
    let mut read = |octets: &[u8], what: &str, reasons: &mut Vec<Reason>| match Certificate::read(octets) {
        Ok(certificate) => {
            let is_new = certificates.iter().all(|known| known.der() != octets);
            if is_new || what == "the target" {
                certificates.push(certificate);
            }
            usize::from(is_new)
        }
        Err(reason) => {
            reasons.push(reason.about(&what));
            0
        }
    };
    let anchors = material.anchors.iter().map(|octets| read(octets, "a trust anchor", &mut reasons)).sum();
    for octets in material.intermediates {
        read(octets, "an intermediate", &mut reasons);
    }
    let told = reasons.len();
    read(material.target, "the target", &mut reasons);
    let has_target = reasons.len() == told;
    let mut crls = Vec::new();
    for octets in material.crls {
        match Crl::read(octets) {
            Ok(crl) => crls.push(crl),
            Err(reason) => reasons.push(reason),
        }
    }
    if !has_target {
        return Err(reasons);
    }
    let rules = Rules { options, expected: &expected };
    let mut search = Search::new(certificates, anchors, &crls, rules);
    match search.run() {
        Ok(path) if reasons.is_empty() => {
            let certificates = path.iter().filter_map(|index| search.certificates.get(*index));
            let mut path: Vec<_> = certificates.map(ChainCertificate::of).collect();
            path.dedup();
            Ok(CheckedChain { path })
        }
        Ok(_) => Err(reasons),
        Err(found) => {
            reasons.extend(found);
            Err(reasons)
        }
    }
}

#[cfg(test)]
mod tests;
