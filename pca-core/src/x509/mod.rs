//! X.509: certificates, certificate signing requests and revocation lists (RFC 5280, RFC 2986), pure, DER in and DER out.

mod certificate;
mod csr;
mod der;
mod entity;
mod extension;
mod host;
mod name;
mod oid;
mod parsed;
mod pem;
mod profile;
mod reason;
mod san;
mod serial;
mod signature;
mod validity;

pub use const_oid::ObjectIdentifier;

pub use certificate::{CaCertificate, Issuer, Leaf, LeafTemplate, assemble};
pub use csr::{CsrError, VerifiedCsr, ca_csr_tbs, csr_tbs};
pub use der::{DerError, Malformed};
pub use entity::{EntityNames, EntityViolation};
pub use extension::{
    AuthorityKeyIdentifier, AuthorityUrls, BasicConstraints, ExtensionError, Extensions, HttpUrl, HttpUrlError, KeyUsage,
};
pub use host::{DnsName, DnsNameError, DnsNameProblem, Wildcards};
pub use name::{
    CommonName, DistinguishedName, NameHash, NameHashError, SubjectField, SubjectFields, SubjectViolation,
};
pub use parsed::{CertificateError, MAX_CERTIFICATE, ParsedCertificate, SignatureError};
pub use pem::{MAX_PEM, PemError};
pub use profile::{Profile, ProfileError, UnknownProfile};
pub use reason::{RevocationReason, UnknownReason};
pub use san::{
    EmailAddress, EmailProblem, GeneralName, MAX_NAMES, NameError, NameKind, Uri, UriProblem, common_name_is_dns,
    distinct_names, server_name,
};
pub use serial::{CertificateId, CertificateIdError, SerialNumber, SerialNumberError};
pub use signature::{SignatureAlgorithmError, WeakHash};
pub use validity::{Validity, ValidityError, plus_days, plus_months, plus_years};
