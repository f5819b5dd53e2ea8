//! CA certificates that take over what an earlier one says: renewed ones, link certificates, cross-certificates (rule C11).

use const_oid::ObjectIdentifier;

use super::certificate::{Issuer, write_extensions, write_version_and_serial};
use super::der::{Reader, Writer, tag};
use super::extension::{
    write_authority_key_identifier, write_basic_constraints, write_extension, write_key_usage,
    write_subject_key_identifier,
};
use super::oid;
use super::parsed::ParsedCertificate;
use super::serial::SerialNumber;
use super::signature::write_algorithm;
use super::urls::{AuthorityUrls, write_authority_urls};
use super::usage::KeyUsage;
use super::validity::Validity;
use crate::keys::PublicKey;

/// Extensions whose octets are taken over: what a CA may do does not change by renewing or certifying it. All others are
/// written anew, or tell of the earlier certificate only.
const TAKEN_OVER: [ObjectIdentifier; 7] = [
    oid::EXTENDED_KEY_USAGE,
    oid::SUBJECT_ALTERNATIVE_NAME,
    oid::NAME_CONSTRAINTS,
    oid::CERTIFICATE_POLICIES,
    oid::POLICY_MAPPINGS,
    oid::POLICY_CONSTRAINTS,
    oid::INHIBIT_ANY_POLICY,
];

/// A CA certificate that says of its CA what another one said: subject, path length and constraints byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Successor<'a> {
    /// The certificate that it follows.
    pub of: &'a ParsedCertificate,
    /// Its serial number.
    pub serial: SerialNumber,
    /// How long it is valid.
    pub validity: Validity,
    /// Its key.
    pub public_key: &'a PublicKey,
    /// The subject key identifier: what an uploaded CA has, whatever it is, stays with its key.
    pub key_identifier: &'a [u8],
    /// The path length, where it is not that of the certificate that it follows.
    pub path_length: Option<u8>,
}

impl Successor<'_> {
    /// The to-be-signed certificate. The URLs are the issuer's.
    #[must_use]
    pub fn tbs(&self, issuer: &Issuer, urls: &AuthorityUrls) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.of.der().len() + self.public_key.spki_der().len() + 512);
        writer.nested(tag::SEQUENCE, |w| {
            write_version_and_serial(w, self.serial);
            write_algorithm(w, issuer.signature_algorithm());
            w.raw(issuer.name().der());
            self.validity.write(w);
            w.raw(self.of.subject().der());
            w.raw(self.public_key.spki_der());
            write_extensions(w, |w| self.write_extensions(w, issuer, urls));
        });
        writer.finish()
    }

    fn write_extensions(&self, w: &mut Writer, issuer: &Issuer, urls: &AuthorityUrls) {
        let before = self.of.extensions();
        let path_length = before.basic_constraints.and_then(|constraints| constraints.path_length);
        let path_length = path_length.map(|length| u8::try_from(length).unwrap_or(u8::MAX));
        write_basic_constraints(w, true, self.path_length.or(path_length));
        write_key_usage(w, before.key_usage.unwrap_or(KeyUsage::CERTIFICATE_AUTHORITY));
        write_subject_key_identifier(w, self.key_identifier);
        write_authority_key_identifier(w, issuer.key_identifier());
        write_authority_urls(w, urls);
        self.of.each_extension(|kind, critical, value| {
            if TAKEN_OVER.contains(&kind) {
                write_extension(w, &kind, critical, |w| w.raw(value));
            }
        });
    }
}

impl ParsedCertificate {
    /// Every extension with its criticality and value, in order.
    pub(crate) fn each_extension(&self, mut each: impl FnMut(ObjectIdentifier, bool, &[u8])) {
        let mut reader = Reader::new(self.tbs());
        let Ok(tbs) = reader.expect(tag::SEQUENCE) else { return };
        let mut fields = Reader::new(tbs.content);
        while let Ok(field) = fields.any() {
            if field.tag == tag::context_constructed(3) {
                // It was read before, so that it can be read again.
                let _ = super::extension::read_extensions(field.content, |kind, critical, value| {
                    each(kind, critical, value);
                    Ok(())
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::keys::Algorithm;
    use crate::keys::software::default_backend;
    use crate::log::Timestamp;
    use crate::x509::{CaCertificate, CommonName, SubjectFields, assemble};

    fn signed(tbs: &[u8], key: &crate::keys::PrivateKey) -> ParsedCertificate {
        let algorithm = key.public_key().signature_algorithm();
        let signature = default_backend().signer(key).unwrap().sign(algorithm, tbs).unwrap();
        ParsedCertificate::from_der(&assemble(tbs, algorithm, &signature)).unwrap()
    }

    #[test]
    fn c11_a_successor_says_of_its_ca_what_the_one_before_said() {
        let (key, next) = (
            default_backend().generate(Algorithm::EcdsaP256).unwrap(),
            default_backend().generate(Algorithm::EcdsaP384).unwrap(),
        );
        let subject = SubjectFields::common("Root").to_name(CommonName::Required).unwrap();
        let validity = Validity::for_years(Timestamp::from_secs(1_893_456_000), 10).unwrap();
        let serial = SerialNumber::from_random([7; 10]);
        let root = CaCertificate {
            serial,
            validity,
            subject: &subject,
            public_key: key.public_key(),
            path_length: Some(1),
            name_constraints: None,
        };
        let root = signed(&root.root_tbs(), &key);
        let identifier = next.public_key().key_identifier();
        let successor = Successor {
            of: &root,
            serial: SerialNumber::from_random([8; 10]),
            validity,
            public_key: next.public_key(),
            key_identifier: &identifier,
            path_length: None,
        };
        let issuer = Issuer::created(root.subject().clone(), next.public_key());
        let renewed = signed(&successor.tbs(&issuer, &AuthorityUrls::default()), &next);
        assert_eq!(renewed.subject().der(), root.subject().der());
        assert_eq!(renewed.extensions().basic_constraints, root.extensions().basic_constraints);
        assert_eq!(renewed.extensions().key_usage, root.extensions().key_usage);
        assert_eq!(renewed.extensions().subject_key_identifier.as_deref(), Some(&identifier[..]));
        renewed.verify_signature(next.public_key()).unwrap();
        let mut kinds = Vec::new();
        renewed.each_extension(|kind, _, _| kinds.push(kind));
        let present: Vec<_> = renewed.extensions().present.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, present);
    }
}
