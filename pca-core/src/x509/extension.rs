//! Extensions (RFC 5280 section 4.2): written for what is issued, read from what was received.

use const_oid::ObjectIdentifier;

use super::constraints::NameConstraints;
use super::der::{self, DerError, Malformed, Reader, TRUE, Writer, tag};
use super::oid;
use super::san::GeneralName;
use super::usage::KeyUsage;

/// The DER of NULL.
const NULL: [u8; 2] = [5, 0];

/// Writes one `Extension`.
pub(crate) fn write_extension(
    writer: &mut Writer,
    oid: &ObjectIdentifier,
    critical: bool,
    value: impl FnOnce(&mut Writer),
) {
    writer.nested(tag::SEQUENCE, |w| {
        w.oid(oid);
        if critical {
            w.raw(&TRUE);
        }
        w.octet_string(value);
    });
}

pub(crate) fn write_subject_key_identifier(writer: &mut Writer, identifier: &[u8]) {
    write_extension(writer, &oid::SUBJECT_KEY_IDENTIFIER, false, |w| w.value(tag::OCTET_STRING, identifier));
}

pub(crate) fn write_authority_key_identifier(writer: &mut Writer, identifier: &[u8]) {
    write_extension(writer, &oid::AUTHORITY_KEY_IDENTIFIER, false, |w| {
        w.nested(tag::SEQUENCE, |w| w.value(tag::context(0), identifier));
    });
}

/// Always critical.
pub(crate) fn write_basic_constraints(writer: &mut Writer, ca: bool, path_length: Option<u8>) {
    write_extension(writer, &oid::BASIC_CONSTRAINTS, true, |w| {
        w.nested(tag::SEQUENCE, |w| {
            if ca {
                w.raw(&TRUE);
                if let Some(length) = path_length {
                    w.unsigned(tag::INTEGER, length.into());
                }
            }
        });
    });
}

/// Always critical.
pub(crate) fn write_key_usage(writer: &mut Writer, usage: KeyUsage) {
    write_extension(writer, &oid::KEY_USAGE, true, |w| usage.write(w));
}

pub(crate) fn write_extended_key_usage(writer: &mut Writer, critical: bool, purposes: &[ObjectIdentifier]) {
    if !purposes.is_empty() {
        write_extension(writer, &oid::EXTENDED_KEY_USAGE, critical, |w| {
            w.nested(tag::SEQUENCE, |w| purposes.iter().for_each(|purpose| w.oid(purpose)));
        });
    }
}

/// Always critical (rule C6); the value as it is.
pub(crate) fn write_name_constraints(writer: &mut Writer, constraints: &NameConstraints) {
    write_extension(writer, &oid::NAME_CONSTRAINTS, true, |w| w.raw(constraints.der()));
}

/// That there will be no word on revocation (RFC 9608).
pub(crate) fn write_no_revocation_available(writer: &mut Writer) {
    write_extension(writer, &oid::NO_REV_AVAIL, false, |w| w.raw(&NULL));
}

/// That a responder's certificate is not checked (RFC 6960 section 4.2.2.2.1).
pub(crate) fn write_ocsp_no_check(writer: &mut Writer) {
    write_extension(writer, &oid::OCSP_NO_CHECK, false, |w| w.raw(&NULL));
}

pub(crate) fn write_subject_alternative_names(writer: &mut Writer, critical: bool, names: &[GeneralName]) {
    if !names.is_empty() {
        write_extension(writer, &oid::SUBJECT_ALTERNATIVE_NAME, critical, |w| {
            w.nested(tag::SEQUENCE, |w| names.iter().for_each(|name| name.write(w)));
        });
    }
}

pub(crate) fn write_certificate_policies(writer: &mut Writer, policies: &[ObjectIdentifier]) {
    if !policies.is_empty() {
        write_extension(writer, &oid::CERTIFICATE_POLICIES, false, |w| {
            w.nested(tag::SEQUENCE, |w| {
                policies.iter().for_each(|policy| w.nested(tag::SEQUENCE, |w| w.oid(policy)));
            });
        });
    }
}

/// `BasicConstraints` as read (RFC 5280 section 4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether it is a CA.
    pub ca: bool,
    /// How many intermediates may follow.
    pub path_length: Option<u32>,
    /// Whether the extension is critical.
    pub critical: bool,
}

/// `AuthorityKeyIdentifier` as read (RFC 5280 section 4.2.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorityKeyIdentifier {
    /// The issuer's key identifier.
    pub key_identifier: Option<Vec<u8>>,
    /// Whether it also names the issuer's certificate by issuer and serial number.
    pub has_issuer_and_serial: bool,
}

/// What the extensions of a certificate say. A certificate whose known extension breaks its syntax is not read at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extensions {
    /// SKI.
    pub subject_key_identifier: Option<Vec<u8>>,
    /// AKI.
    pub authority_key_identifier: Option<AuthorityKeyIdentifier>,
    /// BasicConstraints.
    pub basic_constraints: Option<BasicConstraints>,
    /// KeyUsage.
    pub key_usage: Option<KeyUsage>,
    /// Extended key usage.
    pub extended_key_usage: Option<Vec<ObjectIdentifier>>,
    /// Subject alternative names; empty without the extension.
    pub subject_alternative_names: Vec<GeneralName>,
    /// Whether the subject alternative names are critical.
    pub subject_alternative_names_critical: bool,
    /// The URIs of CRL distribution points.
    pub crl_urls: Vec<String>,
    /// The URIs of OCSP responders.
    pub ocsp_urls: Vec<String>,
    /// The URIs of the issuer's certificate.
    pub issuer_urls: Vec<String>,
    /// The policies.
    pub certificate_policies: Vec<ObjectIdentifier>,
    /// Name constraints.
    pub name_constraints: Option<NameConstraints>,
    /// Critical extensions that the platform does not know or does not process.
    pub unknown_critical: Vec<ObjectIdentifier>,
    /// Every extension, in order, with its criticality.
    pub present: Vec<(ObjectIdentifier, bool)>,
}

impl Extensions {
    /// Whether it is a CA's.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.basic_constraints.is_some_and(|constraints| constraints.ca)
    }

    /// Takes one extension in.
    pub(crate) fn read(&mut self, kind: ObjectIdentifier, critical: bool, value: &[u8]) -> Result<(), DerError> {
        match kind {
            oid::SUBJECT_KEY_IDENTIFIER => {
                self.subject_key_identifier = Some(der::single(value, tag::OCTET_STRING)?.content.to_vec());
            }
            oid::AUTHORITY_KEY_IDENTIFIER => {
                self.authority_key_identifier = Some(read_authority_key_identifier(value)?);
            }
            oid::BASIC_CONSTRAINTS => self.basic_constraints = Some(read_basic_constraints(value, critical)?),
            oid::KEY_USAGE => self.key_usage = Some(KeyUsage::read(value)?),
            oid::EXTENDED_KEY_USAGE => self.extended_key_usage = Some(read_oids(value)?),
            oid::SUBJECT_ALTERNATIVE_NAME => {
                self.subject_alternative_names = super::san::read_general_names(value)?;
                self.subject_alternative_names_critical = critical;
            }
            oid::CRL_DISTRIBUTION_POINTS => self.crl_urls = read_distribution_points(value)?,
            oid::AUTHORITY_INFO_ACCESS => (self.ocsp_urls, self.issuer_urls) = read_authority_info_access(value)?,
            oid::CERTIFICATE_POLICIES => self.certificate_policies = read_policies(value)?,
            oid::NAME_CONSTRAINTS => self.name_constraints = Some(NameConstraints::from_der(value)?),
            _ if critical => self.unknown_critical.push(kind),
            _ => {}
        }
        self.present.push((kind, critical));
        Ok(())
    }
}

/// Reads the `Extensions` SEQUENCE and hands each extension on; the same one twice is refused.
pub(crate) fn read_extensions(
    octets: &[u8],
    mut each: impl FnMut(ObjectIdentifier, bool, &[u8]) -> Result<(), DerError>,
) -> Result<(), ExtensionError> {
    let mut seen = Vec::new();
    let mut reader = Reader::new(der::single(octets, tag::SEQUENCE)?.content);
    while !reader.is_empty() {
        let mut parts = Reader::new(reader.expect(tag::SEQUENCE)?.content);
        let kind = der::object_identifier(parts.expect(tag::OBJECT_IDENTIFIER)?.content)?;
        let critical = match parts.optional(tag::BOOLEAN)? {
            None => false,
            Some(flag) if flag.raw == TRUE => true,
            Some(_) => return Err(DerError::Malformed { what: Malformed::Boolean }.into()),
        };
        let value = parts.expect(tag::OCTET_STRING)?.content;
        parts.end()?;
        if seen.contains(&kind) {
            return Err(ExtensionError::Twice { oid: kind });
        }
        seen.push(kind);
        each(kind, critical, value).map_err(|source| ExtensionError::Value { oid: kind, source })?;
    }
    Ok(())
}

/// Why extensions cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// The list is malformed.
    #[error("the extensions are malformed: {0}")]
    Der(#[from] DerError),
    /// One stands there twice.
    #[error("the extension {oid} stands there twice")]
    Twice {
        /// Which one.
        oid: ObjectIdentifier,
    },
    /// The value of a known one breaks its syntax.
    #[error("the extension {oid} is malformed: {source}")]
    Value {
        /// Which one.
        oid: ObjectIdentifier,
        /// What is wrong.
        source: DerError,
    },
}

fn read_basic_constraints(value: &[u8], critical: bool) -> Result<BasicConstraints, DerError> {
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    let ca = match reader.optional(tag::BOOLEAN)? {
        None => false,
        // FALSE is the default and must be left out, but has been seen often enough.
        Some(flag) => match flag.content {
            [0xff] => true,
            [0] => false,
            _ => return Err(DerError::Malformed { what: Malformed::Boolean }),
        },
    };
    let path_length = reader.optional(tag::INTEGER)?.map(|length| small(length.content)).transpose()?;
    reader.end()?;
    Ok(BasicConstraints { ca, path_length, critical })
}

fn read_authority_key_identifier(value: &[u8]) -> Result<AuthorityKeyIdentifier, DerError> {
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    let key_identifier = reader.optional(tag::context(0))?.map(|identifier| identifier.content.to_vec());
    let issuer = reader.optional(tag::context_constructed(1))?.is_some();
    let serial = reader.optional(tag::context(2))?.is_some();
    reader.end()?;
    Ok(AuthorityKeyIdentifier { key_identifier, has_issuer_and_serial: issuer || serial })
}

fn read_oids(value: &[u8]) -> Result<Vec<ObjectIdentifier>, DerError> {
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    let mut oids = Vec::new();
    while !reader.is_empty() {
        oids.push(der::object_identifier(reader.expect(tag::OBJECT_IDENTIFIER)?.content)?);
    }
    if oids.is_empty() { Err(DerError::Malformed { what: Malformed::Extension }) } else { Ok(oids) }
}

fn read_policies(value: &[u8]) -> Result<Vec<ObjectIdentifier>, DerError> {
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    let mut policies = Vec::new();
    while !reader.is_empty() {
        let mut policy = Reader::new(reader.expect(tag::SEQUENCE)?.content);
        policies.push(der::object_identifier(policy.expect(tag::OBJECT_IDENTIFIER)?.content)?);
    }
    Ok(policies)
}

fn read_distribution_points(value: &[u8]) -> Result<Vec<String>, DerError> {
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    let mut urls = Vec::new();
    while !reader.is_empty() {
        let mut point = Reader::new(reader.expect(tag::SEQUENCE)?.content);
        let Some(name) = point.optional(tag::context_constructed(0))? else { continue };
        let mut name = Reader::new(name.content);
        let Some(full) = name.optional(tag::context_constructed(0))? else { continue };
        let mut full = Reader::new(full.content);
        while !full.is_empty() {
            urls.extend(uri_text(full.any()?));
        }
    }
    Ok(urls)
}

fn read_authority_info_access(value: &[u8]) -> Result<(Vec<String>, Vec<String>), DerError> {
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    let (mut ocsp, mut issuers) = (Vec::new(), Vec::new());
    while !reader.is_empty() {
        let mut access = Reader::new(reader.expect(tag::SEQUENCE)?.content);
        let method = der::object_identifier(access.expect(tag::OBJECT_IDENTIFIER)?.content)?;
        let location = uri_text(access.any()?);
        match method {
            oid::OCSP => ocsp.extend(location),
            oid::CA_ISSUERS => issuers.extend(location),
            _ => {}
        }
    }
    Ok((ocsp, issuers))
}

fn uri_text(tlv: der::Tlv<'_>) -> Option<String> {
    (tlv.tag == tag::context(6)).then(|| String::from_utf8_lossy(tlv.content).into_owned())
}

/// A non-negative INTEGER that fits 32 bits.
pub(crate) fn small(content: &[u8]) -> Result<u32, DerError> {
    let number = unsigned(content)?;
    u32::try_from(number).map_err(|_| DerError::Malformed { what: Malformed::Integer })
}

/// A non-negative INTEGER that fits 64 bits, in its shortest form.
pub(crate) fn unsigned(content: &[u8]) -> Result<u64, DerError> {
    let bad = DerError::Malformed { what: Malformed::Integer };
    let magnitude = match content {
        [] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => return Err(bad),
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    if magnitude.len() > 8 {
        return Err(bad);
    }
    Ok(magnitude.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)))
}
