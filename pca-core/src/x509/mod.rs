//! X.509: certificates, certificate signing requests and revocation lists (RFC 5280, RFC 2986), pure, DER in and DER out.
//!
//! | to … | use |
//! |---|---|
//! | name a subject | [`SubjectFields::to_name`] → [`DistinguishedName`] (C4); [`EntityNames::plan`] for end entities (I2, I4) |
//! | say how long | [`Validity::for_years`], [`Validity::for_days`]; [`fit_validity`] to the issuers' (C5) |
//! | draw a serial number | [`SerialNumber::from_random`] (I5); [`CertificateId`] ↔ stream |
//! | write a CA certificate | [`CaCertificate::root_tbs`], [`CaCertificate::intermediate_tbs`], then [`assemble`] |
//! | renew, link or cross-certify a CA | [`Successor::tbs`], then [`assemble`] (C11) |
//! | write end-entity certificates | [`LeafTemplate::new`] once an issuer and profile, [`LeafTemplate::tbs`] each, then [`assemble`] |
//! | read a certificate | [`ParsedCertificate::from_der`], [`ParsedCertificate::as_issuer`] |
//! | take a signing request | [`VerifiedCsr::verify`] (I3); write one with [`csr_tbs`], [`ca_csr_tbs`] |
//! | take an uploaded CA | [`check_upload`], [`CheckedUpload::judge`] (C3) |
//! | write a revocation list | [`CrlEntry::encode`], [`Crl::tbs`], then [`assemble`] (A3); read one with [`ParsedCrl`] |
//! | read OCSP requests, write answers | [`OcspRequest`], [`OcspResponse`]; read answers with [`ParsedOcspResponse`] (A3) |
//! | check before signing | [`check_path`] (I6) |
//! | judge a chain as a relying party does | [`path::check_chain`] |
//!
//! # Example
//! A root, signed with its own key:
//! ```
//! use pca_core::keys::{Algorithm, software::default_backend};
//! use pca_core::log::Timestamp;
//! use pca_core::x509::{CaCertificate, CommonName, ParsedCertificate, SerialNumber, SubjectFields, Validity, assemble};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = default_backend().generate(Algorithm::EcdsaP256)?;
//! let subject = SubjectFields::common("Acme Root").to_name(CommonName::Required).map_err(|all| format!("{all:?}"))?;
//! let root = CaCertificate {
//!     serial: SerialNumber::from_random([7; 10]),
//!     validity: Validity::for_years(Timestamp::from_secs(1_748_736_000), 10)?,
//!     subject: &subject,
//!     public_key: key.public_key(),
//!     path_length: None,
//!     name_constraints: None,
//! };
//! let tbs = root.root_tbs();
//! let algorithm = key.public_key().signature_algorithm();
//! let signature = default_backend().signer(&key)?.sign(algorithm, &tbs)?;
//! let root = ParsedCertificate::from_der(&assemble(&tbs, algorithm, &signature))?;
//! root.verify_signature(key.public_key())?;
//! assert_eq!(root.not_after().to_string(), "2035-05-31T23:59:59Z");
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here signs, keeps time or draws randomness. What was received keeps its octets; what is told wrong tells what
//! would be right.

mod address;
mod certificate;
mod chain;
mod constraints;
mod crl;
mod csr;
mod der;
mod entity;
mod extension;
mod finding;
mod fold;
mod host;
mod name;
mod ocsp;
mod oid;
mod parsed;
mod parsed_crl;
pub mod path;
mod pem;
mod profile;
mod reason;
mod san;
mod serial;
mod signature;
mod subject;
mod successor;
mod upload;
mod urls;
mod usage;
mod validity;

pub use const_oid::ObjectIdentifier;

pub use address::{EmailAddress, EmailProblem, Uri, UriProblem};
pub use certificate::{CaCertificate, Issuer, Leaf, LeafTemplate, assemble};
pub use chain::{Fit, PathViolation, Planned, PlannedRole, ValidityLimit, check_path, fit_validity};
pub use constraints::{
    ConstraintBreach, ConstraintViolation, ConstraintsError, MAX_SUBTREES, NameConstraints, NestingViolation, Subtree,
    SubtreeError,
};
pub use crl::{Crl, CrlEntry, CrlForm, CrlFrame};
pub use csr::{CsrError, VerifiedCsr, ca_csr_tbs, csr_tbs};
pub use der::{DerError, Malformed};
pub use entity::{EntityNames, EntityViolation};
pub use extension::{AuthorityKeyIdentifier, BasicConstraints, ExtensionError, Extensions};
pub use finding::{Severity, UploadFinding};
pub use host::{DnsName, DnsNameError, DnsNameProblem, Wildcards};
pub use name::{DistinguishedName, NameHash, NameHashError};
pub use ocsp::{
    MAX_OCSP_CERT_IDS, MAX_OCSP_NONCE, MAX_OCSP_REQUEST, OcspCertId, OcspCertStatus, OcspHash, OcspRequest,
    OcspRequestError, OcspResponse, OcspResponseError, OcspSingle, OcspStatus, ParsedOcspResponse,
    ResponderCertificate, UnknownOcspStatus,
};
pub use parsed::{CertificateError, MAX_CERTIFICATE, ParsedCertificate, SignatureError};
pub use parsed_crl::{CrlError, DistributionPoint, MAX_CRL, ParsedCrl};
pub use pem::{MAX_PEM, PemError, to_pem};
pub use profile::{
    CommonNameRule, CsrRules, CustomName, ExtendedKeyUsage, FieldRule, KeyUsages, NameCount, NameRules, Profile,
    ProfileDefinition, ProfileError, ProfileFlaw, ProfileJsonError, ProfileName, ProfileNameError, ProfileValidity,
    Revocation, SHORT_LIVED_DAYS, SpiffeProblem, SubjectRules, UnknownProfile, UriForm,
};
pub use reason::{RevocationReason, UnknownReason};
pub use san::{GeneralName, MAX_NAMES, NameError, NameKind, common_name_is_dns, distinct_names, server_name};
pub use serial::{CertificateId, CertificateIdError, SerialNumber, SerialNumberError};
pub use signature::{SignatureAlgorithmError, WeakHash};
pub use subject::{CommonName, SubjectField, SubjectFields, SubjectViolation};
pub use successor::Successor;
pub use upload::{
    CheckedCertificate, CheckedUpload, Expectation, Role, UploadError, certificate_findings, check_certificate,
    check_upload, judge,
};
pub use urls::{AuthorityUrls, HttpUrl, HttpUrlError, crl_address_beside};
pub use usage::KeyUsage;
pub use validity::{Validity, ValidityError, plus_days, plus_months, plus_years};
