//! X.509: certificates, certificate signing requests and revocation lists (RFC 5280, RFC 2986), pure, DER in and DER out.

mod der;
mod host;
mod name;
mod oid;
mod profile;
mod reason;
mod san;
mod serial;
mod validity;

pub use der::{DerError, Malformed};
pub use host::{DnsName, DnsNameError, DnsNameProblem, Wildcards};
pub use name::{CommonName, DistinguishedName, NameHash, NameHashError, SubjectField, SubjectFields, SubjectViolation};
pub use profile::{Profile, UnknownProfile};
pub use reason::{RevocationReason, UnknownReason};
pub use san::{
    EmailAddress, EmailProblem, GeneralName, MAX_NAMES, NameError, NameKind, Uri, UriProblem, common_name_is_dns,
    distinct_names, server_name,
};
pub use serial::{CertificateId, CertificateIdError, SerialNumber, SerialNumberError};
pub use validity::{Validity, ValidityError, plus_days, plus_months, plus_years};

mod pending;
pub use pending::{ParsedCertificate, assemble};
