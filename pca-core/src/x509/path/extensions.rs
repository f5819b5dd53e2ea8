//! The extensions of a certificate, read strictly: every breach of RFC 5280 section 4.2 is told, and nothing is skipped.

use const_oid::ObjectIdentifier;

use super::distribution::{Point, read_points};
use super::name::{Alternative, read_names};
use super::oid as more;
use super::reason::Reason;
use super::subtrees::Subtrees;
use crate::x509::der::{self, DerError, Malformed, Reader, TRUE, tag};
use crate::x509::oid;
use crate::x509::usage::KeyUsage;

/// What the extensions say.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) authority: Option<Authority>,
    pub(super) subject_key: Option<Vec<u8>>,
    pub(super) usage: Option<KeyUsage>,
    pub(super) basic: Option<Basic>,
    pub(super) purposes: Option<Purposes>,
    pub(super) names: Option<Names>,
    pub(super) constraints: Option<Constraints>,
    pub(super) policies: Option<Vec<ObjectIdentifier>>,
    pub(super) mappings: Vec<(ObjectIdentifier, ObjectIdentifier)>,
    pub(super) require_explicit_policy: Option<u32>,
    pub(super) inhibit_policy_mapping: Option<u32>,
    pub(super) inhibit_any_policy: Option<u32>,
    pub(super) points: Vec<Point>,
}

/// AKI.
#[derive(Debug, Default)]
pub(super) struct Authority {
    pub(super) key: Option<Vec<u8>>,
    pub(super) issuer: bool,
    pub(super) serial: bool,
}

/// BasicConstraints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Basic {
    pub(super) ca: bool,
    pub(super) path_length: Option<u32>,
}

/// Extended key usage.
#[derive(Debug)]
pub(super) struct Purposes {
    pub(super) all: Vec<ObjectIdentifier>,
    pub(super) critical: bool,
}

/// SAN.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) all: Vec<Alternative>,
    pub(super) critical: bool,
}

/// Name constraints.
#[derive(Debug)]
pub(super) struct Constraints {
    pub(super) subtrees: Subtrees,
    pub(super) critical: bool,
}

impl Extensions {
    pub(super) fn is_ca(&self) -> bool {
        self.basic.is_some_and(|basic| basic.ca)
    }

    pub(super) fn alternatives(&self) -> &[Alternative] {
        self.names.as_ref().map_or(&[], |names| &names.all)
    }

    /// Reads the whole list, the `SEQUENCE OF Extension`.
    pub(super) fn read(list: &[u8], faults: &mut Vec<Reason>) -> Result<Self, DerError> {
        let mut extensions = Self::default();
        let mut seen = Vec::new();
        let mut reader = Reader::new(der::single(list, tag::SEQUENCE)?.content);
        if reader.is_empty() {
            faults.push(Reason::new("RFC 5280 4.1.2.9", "the list of extensions is empty"));
        }
        while !reader.is_empty() {
            let (kind, critical, value) = read_extension(&mut reader)?;
            if seen.contains(&kind) {
                faults.push(Reason::new("RFC 5280 4.2", format!("the extension {kind} stands there twice")));
                continue;
            }
            seen.push(kind);
            extensions.take(kind, critical, value, faults);
        }
        extensions.agree(faults);
        Ok(extensions)
    }

    /// Takes one extension in; one that breaks its syntax is told.
    fn take(&mut self, kind: ObjectIdentifier, critical: bool, value: &[u8], faults: &mut Vec<Reason>) {
        let Some(known) = Known::of(kind) else {
            if critical {
                let text = format!("the critical extension {kind} is not known");
                faults.push(Reason::new("RFC 5280 4.2", text));
            }
            return;
        };
        match (known.criticality, critical) {
            (Criticality::Must, false) => {
                faults.push(Reason::new(known.clause, format!("{} must be critical, and is not", known.name)));
            }
            (Criticality::MustNot, true) => {
                faults.push(Reason::new(known.clause, format!("{} must not be critical, and is", known.name)));
            }
            _ => {}
        }
        if let Err(error) = self.read_known(kind, critical, value, faults) {
            faults.push(Reason::new(known.clause, format!("{} is malformed: {error}", known.name)));
        }
    }

    fn read_known(
        &mut self,
        kind: ObjectIdentifier,
        critical: bool,
        value: &[u8],
        faults: &mut Vec<Reason>,
    ) -> Result<(), DerError> {
        match kind {
            oid::SUBJECT_KEY_IDENTIFIER => {
                self.subject_key = Some(der::single(value, tag::OCTET_STRING)?.content.to_vec());
            }
            oid::AUTHORITY_KEY_IDENTIFIER => self.authority = Some(read_authority(value, faults)?),
            oid::BASIC_CONSTRAINTS => {
                let basic = read_basic(value, faults)?;
                if basic.ca && !critical {
                    let text = "the basic constraints of a CA must be critical, and are not";
                    faults.push(Reason::new("RFC 5280 4.2.1.9", text));
                }
                self.basic = Some(basic);
            }
            oid::KEY_USAGE => self.usage = Some(read_usage(value, faults)?),
            oid::EXTENDED_KEY_USAGE => self.purposes = Some(Purposes { all: read_oids(value)?, critical }),
            oid::SUBJECT_ALTERNATIVE_NAME => self.names = Some(Names { all: read_names(value, faults)?, critical }),
            oid::NAME_CONSTRAINTS => match Subtrees::read(value) {
                Ok(subtrees) => self.constraints = Some(Constraints { subtrees, critical }),
                Err(fault) => faults.push(fault),
            },
            oid::CERTIFICATE_POLICIES => self.policies = Some(read_policies(value, faults)?),
            more::POLICY_MAPPINGS => self.mappings = read_mappings(value, faults)?,
            more::POLICY_CONSTRAINTS => {
                (self.require_explicit_policy, self.inhibit_policy_mapping) = read_policy_constraints(value)?;
            }
            more::INHIBIT_ANY_POLICY => {
                self.inhibit_any_policy = Some(count(der::single(value, tag::INTEGER)?.content)?)
            }
            oid::CRL_DISTRIBUTION_POINTS => self.points = read_points(value)?,
            oid::FRESHEST_CRL => drop(read_points(value)?),
            oid::AUTHORITY_INFO_ACCESS | more::SUBJECT_INFO_ACCESS => read_access(value)?,
            more::ISSUER_ALTERNATIVE_NAME => drop(read_names(value, &mut Vec::new())?),
            more::SUBJECT_DIRECTORY_ATTRIBUTES => drop(der::single(value, tag::SEQUENCE)?),
            more::NO_REVOCATION if value != [5, 0] => return Err(malformed()),
            _ => {}
        }
        Ok(())
    }

    /// What the extensions ask of each other.
    fn agree(&self, faults: &mut Vec<Reason>) {
        let signs = self.usage.map(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN));
        let basic = "RFC 5280 4.2.1.9";
        if signs == Some(true) && !self.is_ca() {
            faults.push(Reason::new(basic, "the key usage has keyCertSign in a certificate that is no CA's"));
        }
        if self.basic.is_some_and(|basic| basic.path_length.is_some()) {
            if !self.is_ca() {
                faults.push(Reason::new(basic, "there is a path length in a certificate that is no CA's"));
            } else if signs == Some(false) {
                faults.push(Reason::new(basic, "there is a path length, and the key usage lacks keyCertSign"));
            }
        }
        if self.constraints.is_some() && !self.is_ca() {
            let text = "there are name constraints in a certificate that is no CA's";
            faults.push(Reason::new("RFC 5280 4.2.1.10", text));
        }
        if self.is_ca() && self.subject_key.is_none() {
            let text = "a CA's certificate must have a subject key identifier, and has none";
            faults.push(Reason::new("RFC 5280 4.2.1.2", text));
        }
    }
}

/// What RFC 5280 says about whether an extension is critical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Criticality {
    Must,
    MustNot,
    /// Either is allowed, or it depends.
    May,
}

/// An extension that is looked into.
struct Known {
    name: &'static str,
    clause: &'static str,
    criticality: Criticality,
}

impl Known {
    const fn new(name: &'static str, clause: &'static str, criticality: Criticality) -> Self {
        Self { name, clause, criticality }
    }

    fn of(kind: ObjectIdentifier) -> Option<Self> {
        use Criticality::{May, Must, MustNot};
        Some(match kind {
            oid::AUTHORITY_KEY_IDENTIFIER => Self::new("the authority key identifier", "RFC 5280 4.2.1.1", MustNot),
            oid::SUBJECT_KEY_IDENTIFIER => Self::new("the subject key identifier", "RFC 5280 4.2.1.2", MustNot),
            oid::KEY_USAGE => Self::new("the key usage", "RFC 5280 4.2.1.3", May),
            oid::CERTIFICATE_POLICIES => Self::new("the certificate policies extension", "RFC 5280 4.2.1.4", May),
            more::POLICY_MAPPINGS => Self::new("the policy mappings extension", "RFC 5280 4.2.1.5", May),
            oid::SUBJECT_ALTERNATIVE_NAME => Self::new("the subject alternative name", "RFC 5280 4.2.1.6", May),
            more::ISSUER_ALTERNATIVE_NAME => Self::new("the issuer alternative name", "RFC 5280 4.2.1.7", May),
            more::SUBJECT_DIRECTORY_ATTRIBUTES => {
                Self::new("the subject directory attributes extension", "RFC 5280 4.2.1.8", MustNot)
            }
            oid::BASIC_CONSTRAINTS => Self::new("the basic constraints extension", "RFC 5280 4.2.1.9", May),
            // Whether it must be critical depends on the profile.
            oid::NAME_CONSTRAINTS => Self::new("the name constraints extension", "RFC 5280 4.2.1.10", May),
            more::POLICY_CONSTRAINTS => Self::new("the policy constraints extension", "RFC 5280 4.2.1.11", Must),
            oid::EXTENDED_KEY_USAGE => Self::new("the extended key usage", "RFC 5280 4.2.1.12", May),
            oid::CRL_DISTRIBUTION_POINTS => {
                Self::new("the CRL distribution points extension", "RFC 5280 4.2.1.13", May)
            }
            more::INHIBIT_ANY_POLICY => Self::new("the inhibit anyPolicy extension", "RFC 5280 4.2.1.14", Must),
            oid::FRESHEST_CRL => Self::new("the freshest CRL extension", "RFC 5280 4.2.1.15", MustNot),
            oid::AUTHORITY_INFO_ACCESS => Self::new("the authority information access", "RFC 5280 4.2.2.1", MustNot),
            more::SUBJECT_INFO_ACCESS => Self::new("the subject information access", "RFC 5280 4.2.2.2", MustNot),
            more::NO_REVOCATION => Self::new("the noRevAvail extension", "RFC 9608 2", MustNot),
            _ => return None,
        })
    }
}

/// One `Extension`: its kind, whether it is critical, and its value.
pub(super) fn read_extension<'a>(reader: &mut Reader<'a>) -> Result<(ObjectIdentifier, bool, &'a [u8]), DerError> {
    let mut parts = Reader::new(reader.expect(tag::SEQUENCE)?.content);
    let kind = der::object_identifier(parts.expect(tag::OBJECT_IDENTIFIER)?.content)?;
    let critical = match parts.optional(tag::BOOLEAN)? {
        None => false,
        Some(flag) if flag.raw == TRUE => true,
        // FALSE is the default, which DER leaves out.
        Some(_) => return Err(DerError::Malformed { what: Malformed::Boolean }),
    };
    let value = parts.expect(tag::OCTET_STRING)?.content;
    parts.end()?;
    Ok((kind, critical, value))
}

pub(super) const fn malformed() -> DerError {
    DerError::Malformed { what: Malformed::Extension }
}

/// `AuthorityKeyIdentifier`.
pub(super) fn read_authority(value: &[u8], faults: &mut Vec<Reason>) -> Result<Authority, DerError> {
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    let key = reader.optional(tag::context(0))?.map(|key| key.content.to_vec());
    let issuer = reader.optional(tag::context_constructed(1))?.is_some();
    let serial = reader.optional(tag::context(2))?.is_some();
    reader.end()?;
    if issuer != serial {
        let text = "the authority key identifier names an issuer without a serial number, or the other way round";
        faults.push(Reason::new("RFC 5280 4.2.1.1", text));
    }
    Ok(Authority { key, issuer, serial })
}

fn read_basic(value: &[u8], faults: &mut Vec<Reason>) -> Result<Basic, DerError> {
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    let ca = match reader.optional(tag::BOOLEAN)?.map(|flag| flag.content) {
        None => false,
        Some([0xff]) => true,
        Some([0]) => {
            faults.push(Reason::new("X.690 11.5", "the basic constraints write out cA FALSE, which DER leaves out"));
            false
        }
        Some(_) => return Err(DerError::Malformed { what: Malformed::Boolean }),
    };
    let path_length = reader.optional(tag::INTEGER)?.map(|length| count(length.content)).transpose()?;
    reader.end()?;
    Ok(Basic { ca, path_length })
}

fn read_usage(value: &[u8], faults: &mut Vec<Reason>) -> Result<KeyUsage, DerError> {
    let usage = KeyUsage::read(value)?;
    if der::encode(|w| usage.write(w)) != value {
        let text = "the bits of the key usage are not written in their shortest form";
        faults.push(Reason::new("X.690 11.2.2", text));
    }
    if usage.is_empty() {
        faults.push(Reason::new("RFC 5280 4.2.1.3", "no bit of the key usage is set"));
    }
    Ok(usage)
}

fn read_oids(value: &[u8]) -> Result<Vec<ObjectIdentifier>, DerError> {
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    let mut oids = Vec::new();
    while !reader.is_empty() {
        oids.push(der::object_identifier(reader.expect(tag::OBJECT_IDENTIFIER)?.content)?);
    }
    if oids.is_empty() { Err(malformed()) } else { Ok(oids) }
}

fn read_policies(value: &[u8], faults: &mut Vec<Reason>) -> Result<Vec<ObjectIdentifier>, DerError> {
    let mut policies = Vec::new();
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    while !reader.is_empty() {
        let mut policy = Reader::new(reader.expect(tag::SEQUENCE)?.content);
        let kind = der::object_identifier(policy.expect(tag::OBJECT_IDENTIFIER)?.content)?;
        if let Some(qualifiers) = policy.optional(tag::SEQUENCE)? {
            let mut qualifiers = Reader::new(qualifiers.content);
            if qualifiers.is_empty() {
                return Err(malformed());
            }
            while !qualifiers.is_empty() {
                let mut qualifier = Reader::new(qualifiers.expect(tag::SEQUENCE)?.content);
                der::object_identifier(qualifier.expect(tag::OBJECT_IDENTIFIER)?.content)?;
                qualifier.any()?;
                qualifier.end()?;
            }
        }
        policy.end()?;
        if policies.contains(&kind) {
            faults.push(Reason::new("RFC 5280 4.2.1.4", format!("the policy {kind} stands there twice")));
        } else {
            policies.push(kind);
        }
    }
    if policies.is_empty() { Err(malformed()) } else { Ok(policies) }
}

fn read_mappings(
    value: &[u8],
    faults: &mut Vec<Reason>,
) -> Result<Vec<(ObjectIdentifier, ObjectIdentifier)>, DerError> {
    let mut mappings = Vec::new();
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    while !reader.is_empty() {
        let mut pair = Reader::new(reader.expect(tag::SEQUENCE)?.content);
        let from = der::object_identifier(pair.expect(tag::OBJECT_IDENTIFIER)?.content)?;
        let to = der::object_identifier(pair.expect(tag::OBJECT_IDENTIFIER)?.content)?;
        pair.end()?;
        if from == more::ANY_POLICY || to == more::ANY_POLICY {
            faults.push(Reason::new("RFC 5280 4.2.1.5", "anyPolicy is mapped, which is not allowed"));
        }
        mappings.push((from, to));
    }
    if mappings.is_empty() { Err(malformed()) } else { Ok(mappings) }
}

fn read_policy_constraints(value: &[u8]) -> Result<(Option<u32>, Option<u32>), DerError> {
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    let explicit = reader.optional(tag::context(0))?.map(|number| count(number.content)).transpose()?;
    let mapping = reader.optional(tag::context(1))?.map(|number| count(number.content)).transpose()?;
    reader.end()?;
    if explicit.is_none() && mapping.is_none() { Err(malformed()) } else { Ok((explicit, mapping)) }
}

fn read_access(value: &[u8]) -> Result<(), DerError> {
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    if reader.is_empty() {
        return Err(malformed());
    }
    while !reader.is_empty() {
        let mut access = Reader::new(reader.expect(tag::SEQUENCE)?.content);
        der::object_identifier(access.expect(tag::OBJECT_IDENTIFIER)?.content)?;
        let location = access.any()?;
        access.end()?;
        if location.tag & 0xc0 != 0x80 {
            return Err(malformed());
        }
    }
    Ok(())
}

/// A number of certificates, `INTEGER (0..MAX)`; what is beyond 32 bits is as good as the greatest.
pub(super) fn count(content: &[u8]) -> Result<u32, DerError> {
    match content {
        [] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => Err(DerError::Malformed { what: Malformed::Integer }),
        octets if octets.len() > 5 || (octets.len() == 5 && octets.first() != Some(&0)) => Ok(u32::MAX),
        octets => Ok(octets.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet))),
    }
}
