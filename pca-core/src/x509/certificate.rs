//! Certificates as the platform writes them: roots, intermediates, end entities (RFC 5280 section 4.1; rules I4, I5).
//!
//! What is written here is to-be-signed; [`assemble`] puts the signature to it. Nothing here signs, and nothing here
//! judges: what may be issued is decided before, by the [path check](super::check_path) among others.

use const_oid::ObjectIdentifier;

use super::der::{Writer, tag};
use super::extension::{
    write_authority_key_identifier, write_basic_constraints, write_certificate_policies, write_extended_key_usage,
    write_key_usage, write_subject_alternative_names, write_subject_key_identifier,
};
use super::name::DistinguishedName;
use super::profile::{Profile, ProfileError};
use super::san::GeneralName;
use super::serial::SerialNumber;
use super::signature::{algorithm_identifier, write_algorithm};
use super::urls::{AuthorityUrls, write_authority_urls};
use super::usage::KeyUsage;
use super::validity::Validity;
use crate::keys::{KeyKind, PublicKey, SignatureAlgorithm};

/// What an issuer puts into everything that it signs: its name and key identifier, byte for byte as they stand in its
/// own certificate (rule C3), and how its key signs (rule I5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    name: DistinguishedName,
    key_identifier: Vec<u8>,
    signature_algorithm: SignatureAlgorithm,
}

impl Issuer {
    /// An issuer by its parts.
    #[must_use]
    pub fn new(name: DistinguishedName, key_identifier: Vec<u8>, signature_algorithm: SignatureAlgorithm) -> Self {
        Self { name, key_identifier, signature_algorithm }
    }

    /// The issuer that a new CA certificate of the platform stands for.
    #[must_use]
    pub fn created(name: DistinguishedName, key: &PublicKey) -> Self {
        Self::new(name, key.key_identifier().to_vec(), key.signature_algorithm())
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &DistinguishedName {
        &self.name
    }

    /// Its subject key identifier.
    #[must_use]
    pub fn key_identifier(&self) -> &[u8] {
        &self.key_identifier
    }

    /// How it signs.
    #[must_use]
    pub const fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.signature_algorithm
    }
}

/// A CA certificate to be written.
#[derive(Clone, Copy, Debug)]
pub struct CaCertificate<'a> {
    /// Its serial number.
    pub serial: SerialNumber,
    /// How long it is valid.
    pub validity: Validity,
    /// Its subject; not empty (rule C4).
    pub subject: &'a DistinguishedName,
    /// Its key.
    pub public_key: &'a PublicKey,
    /// How many intermediates may follow (rule C6): none or at least 1 for a root, 0 for an intermediate.
    pub path_length: Option<u8>,
}

impl CaCertificate<'_> {
    /// The to-be-signed certificate of a root, signed with its own key.
    #[must_use]
    pub fn root_tbs(&self) -> Vec<u8> {
        let issuer = Issuer::created(self.subject.clone(), self.public_key);
        self.intermediate_tbs(&issuer, &AuthorityUrls::default())
    }

    /// The to-be-signed certificate of an intermediate. The URLs are the issuer's.
    #[must_use]
    pub fn intermediate_tbs(&self, issuer: &Issuer, urls: &AuthorityUrls) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.public_key.spki_der().len() + 768);
        writer.nested(tag::SEQUENCE, |w| {
            write_version_and_serial(w, self.serial);
            write_algorithm(w, issuer.signature_algorithm);
            w.raw(issuer.name.der());
            self.validity.write(w);
            w.raw(self.subject.der());
            w.raw(self.public_key.spki_der());
            write_extensions(w, |w| {
                write_basic_constraints(w, true, self.path_length);
                write_key_usage(w, KeyUsage::CERTIFICATE_AUTHORITY);
                write_subject_key_identifier(w, &self.public_key.key_identifier());
                write_authority_key_identifier(w, &issuer.key_identifier);
                write_authority_urls(w, urls);
            });
        });
        writer.finish()
    }
}

/// What differs between the certificates of one issuer and profile.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a> {
    /// Its serial number.
    pub serial: SerialNumber,
    /// How long it is valid.
    pub validity: Validity,
    /// Its subject; if empty, the alternative names are critical (RFC 5280 section 4.2.1.6).
    pub subject: &'a DistinguishedName,
    /// Its key.
    pub public_key: &'a PublicKey,
    /// Its alternative names.
    pub names: &'a [GeneralName],
}

/// Everything that is the same in all certificates of one issuer and profile, encoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafTemplate {
    profile: Profile,
    signature_algorithm: SignatureAlgorithm,
    /// The signature algorithm and the issuer's name.
    head: Vec<u8>,
    /// The key usage for RSA, for elliptic curves, for Ed25519: the last may be impossible.
    usages: [Result<Vec<u8>, ProfileError>; 3],
    /// BasicConstraints, AKI, extended key usage, URLs, policies.
    extensions: Vec<u8>,
}

impl LeafTemplate {
    /// Encodes what stays the same.
    #[must_use]
    pub fn new(issuer: &Issuer, profile: Profile, urls: &AuthorityUrls, policies: &[ObjectIdentifier]) -> Self {
        let mut head = algorithm_identifier(issuer.signature_algorithm);
        head.extend_from_slice(issuer.name.der());
        let mut writer = Writer::with_capacity(384);
        write_basic_constraints(&mut writer, false, None);
        write_extended_key_usage(&mut writer, profile.purposes());
        write_authority_key_identifier(&mut writer, &issuer.key_identifier);
        write_authority_urls(&mut writer, urls);
        write_certificate_policies(&mut writer, policies);
        let usages = [KeyKind::Rsa { modulus_bits: 2048 }, KeyKind::P256, KeyKind::Ed25519].map(|kind| {
            profile.key_usage(kind).map(|usage| {
                let mut writer = Writer::default();
                write_key_usage(&mut writer, usage);
                writer.finish()
            })
        });
        Self { profile, signature_algorithm: issuer.signature_algorithm, head, usages, extensions: writer.finish() }
    }

    /// The profile that it was made for.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// How the issuer signs.
    #[must_use]
    pub const fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.signature_algorithm
    }

    /// The to-be-signed certificate.
    ///
    /// # Errors
    /// [`ProfileError`] if a key of this kind cannot serve the profile.
    pub fn tbs(&self, leaf: &Leaf<'_>) -> Result<Vec<u8>, ProfileError> {
        let [rsa, curve, ed25519] = &self.usages;
        let usage = match leaf.public_key.kind() {
            KeyKind::Rsa { .. } => rsa,
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => curve,
            _ => ed25519,
        };
        let usage = usage.as_ref().map_err(Clone::clone)?;
        let spki = leaf.public_key.spki_der();
        let room = self.head.len() + self.extensions.len() + spki.len() + leaf.subject.der().len() + 256;
        let mut writer = Writer::with_capacity(room + 64 * leaf.names.len());
        writer.nested(tag::SEQUENCE, |w| {
            write_version_and_serial(w, leaf.serial);
            w.raw(&self.head);
            leaf.validity.write(w);
            w.raw(leaf.subject.der());
            w.raw(spki);
            write_extensions(w, |w| {
                w.raw(usage);
                w.raw(&self.extensions);
                write_subject_key_identifier(w, &leaf.public_key.key_identifier());
                write_subject_alternative_names(w, leaf.subject.is_empty(), leaf.names);
            });
        });
        Ok(writer.finish())
    }
}

/// Puts a signature to what was to be signed: a certificate, a CRL or a certificate signing request.
#[must_use]
pub fn assemble(tbs: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(tbs.len() + signature.len() + 64);
    writer.nested(tag::SEQUENCE, |w| {
        w.raw(tbs);
        write_algorithm(w, algorithm);
        w.bit_string(signature);
    });
    writer.finish()
}

/// Version 3 and the serial number.
pub(super) fn write_version_and_serial(writer: &mut Writer, serial: SerialNumber) {
    writer.raw(&[tag::context_constructed(0), 3, tag::INTEGER, 1, 2]);
    writer.value(tag::INTEGER, serial.as_der_content());
}

pub(super) fn write_extensions(writer: &mut Writer, content: impl FnOnce(&mut Writer)) {
    writer.nested(tag::context_constructed(3), |w| w.nested(tag::SEQUENCE, content));
}
