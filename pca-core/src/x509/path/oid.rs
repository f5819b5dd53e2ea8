//! Object identifiers that only a relying party needs.

use const_oid::ObjectIdentifier;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

pub(super) const SUBJECT_DIRECTORY_ATTRIBUTES: ObjectIdentifier = oid("2.5.29.9");
pub(super) const ISSUER_ALTERNATIVE_NAME: ObjectIdentifier = oid("2.5.29.18");
pub(super) const CERTIFICATE_ISSUER: ObjectIdentifier = oid("2.5.29.29");
pub(super) const POLICY_MAPPINGS: ObjectIdentifier = oid("2.5.29.33");
pub(super) const POLICY_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.36");
pub(super) const INHIBIT_ANY_POLICY: ObjectIdentifier = oid("2.5.29.54");
pub(super) const NO_REVOCATION: ObjectIdentifier = oid("2.5.29.56");
pub(super) const SUBJECT_INFO_ACCESS: ObjectIdentifier = oid("1.3.6.1.5.5.7.1.11");
pub(super) const ANY_POLICY: ObjectIdentifier = oid("2.5.29.32.0");
pub(super) const EMAIL_PROTECTION: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.4");
pub(super) const CODE_SIGNING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.3");
pub(super) const TIME_STAMPING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.8");
pub(super) const OCSP_SIGNING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.9");
