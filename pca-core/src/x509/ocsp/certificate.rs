//! The certificate of the platform's own OCSP responder (RFC 6960 section 4.2.2.2; rule I1).

use super::oid;
use crate::keys::PublicKey;
use crate::x509::certificate::{write_extensions, write_version_and_serial};
use crate::x509::der::{Writer, tag};
use crate::x509::extension::{
    write_authority_key_identifier, write_basic_constraints, write_extended_key_usage, write_extension,
    write_key_usage, write_subject_key_identifier,
};
use crate::x509::signature::write_algorithm;
use crate::x509::{DistinguishedName, Issuer, KeyUsage, ObjectIdentifier, SerialNumber, Validity};

/// The certificate of who answers for an issuer, signed by that issuer's very key.
///
/// It says OCSPSigning and nothing else; that its own status need not be asked (`id-pkix-ocsp-nocheck`), for which it lives
/// at most [`MAX_DAYS`](Self::MAX_DAYS); and so neither where its CRL is nor who answers for it.
#[derive(Clone, Copy, Debug)]
pub struct ResponderCertificate<'a> {
    /// Its serial number.
    pub serial: SerialNumber,
    /// How long it is valid.
    pub validity: Validity,
    /// Its subject.
    pub subject: &'a DistinguishedName,
    /// Its key.
    pub public_key: &'a PublicKey,
}

impl ResponderCertificate<'_> {
    /// The longest that one is valid (rule I1).
    pub const MAX_DAYS: u32 = 30;

    /// `id-kp-OCSPSigning`.
    pub const PURPOSE: ObjectIdentifier = oid::OCSP_SIGNING;

    /// `id-pkix-ocsp-nocheck`.
    pub const NO_CHECK: ObjectIdentifier = oid::NO_CHECK;

    /// The to-be-signed certificate.
    #[must_use]
    pub fn tbs(&self, issuer: &Issuer) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.public_key.spki_der().len() + 512);
        writer.nested(tag::SEQUENCE, |w| {
            write_version_and_serial(w, self.serial);
            write_algorithm(w, issuer.signature_algorithm());
            w.raw(issuer.name().der());
            self.validity.write(w);
            w.raw(self.subject.der());
            w.raw(self.public_key.spki_der());
            write_extensions(w, |w| {
                write_basic_constraints(w, false, None);
                write_key_usage(w, KeyUsage::DIGITAL_SIGNATURE);
                write_extended_key_usage(w, false, &[oid::OCSP_SIGNING]);
                write_extension(w, &oid::NO_CHECK, false, |w| w.value(5, &[]));
                write_subject_key_identifier(w, &self.public_key.key_identifier());
                write_authority_key_identifier(w, issuer.key_identifier());
            });
        });
        writer.finish()
    }
}
