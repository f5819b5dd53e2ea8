//! A revocation list as a relying party reads it (RFC 5280 section 5), full, delta, partial or indirect. It borrows: lists
//! can be large, and their entries are read when a serial number is looked for.

use core::fmt;

use super::certificate::{NOT_WHOLE, read_signature};
use super::distribution::{General, Scope, read_general_names};
use super::extensions::{malformed, read_authority, read_extension};
use super::name::Name;
use super::oid as more;
use super::reason::Reason;
use crate::keys::SignatureAlgorithm;
use crate::log::Timestamp;
use crate::x509::der::{self, DerError, Malformed, Reader, tag};
use crate::x509::oid;
use crate::x509::parsed_crl::MAX_CRL;
use crate::x509::signature::{SignatureAlgorithmError, read_algorithm};
use crate::x509::validity::read_time;

#[derive(Debug)]
pub(super) struct Crl<'a> {
    pub(super) tbs: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) algorithm: Result<SignatureAlgorithm, SignatureAlgorithmError>,
    pub(super) issuer: Name,
    pub(super) this_update: Option<Timestamp>,
    pub(super) next_update: Option<Timestamp>,
    entries: &'a [u8],
    /// The content of the INTEGER, without leading zeros.
    pub(super) number: Option<&'a [u8]>,
    /// The number of the list that a delta changes.
    pub(super) base: Option<&'a [u8]>,
    pub(super) authority: Option<Vec<u8>>,
    pub(super) scope: Option<Scope>,
    /// The octets of the scope: a delta has those of its base.
    pub(super) scope_der: Option<&'a [u8]>,
    /// What makes it unfit for any use.
    pub(super) faults: Vec<Reason>,
}

/// What a list says about a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Absent,
    /// With the code of the reason.
    Revoked(u8),
    /// A delta takes it out.
    Removed,
}

impl<'a> Crl<'a> {
    /// Reads DER.
    ///
    /// # Errors
    /// Why the octets are no list at all.
    pub(super) fn read(octets: &'a [u8]) -> Result<Self, Reason> {
        if octets.len() > MAX_CRL {
            let text = format!("a CRL has {} octets; at most {MAX_CRL} are read", octets.len());
            return Err(Reason::new("G4", text));
        }
        read(octets).map_err(|error| {
            let clause = if error == DerError::Depth { "G4" } else { "RFC 5280 5.1" };
            Reason::new(clause, format!("the data is no CRL: {error}"))
        })
    }

    pub(super) const fn is_delta(&self) -> bool {
        self.base.is_some()
    }

    /// Looks a certificate up. In an indirect list an entry names its issuer, which goes on until the next one that does.
    pub(super) fn find(&self, serial: &[u8], issuer: &Name) -> Result<Entry, Reason> {
        let bad = |error: DerError| Reason::new("RFC 5280 5.1.2.6", format!("an entry is malformed: {error}"));
        let mut found = Entry::Absent;
        let mut named: Option<Vec<General>> = None;
        let mut reader = Reader::new(self.entries);
        while !reader.is_empty() {
            let entry = read_entry(&mut reader).map_err(bad)?;
            if let Some(unknown) = entry.unknown {
                let text = format!("the critical extension {unknown} of an entry is not known");
                return Err(Reason::new("RFC 5280 5.3", text));
            }
            if entry.issuer.is_some() {
                if !self.scope.as_ref().is_some_and(|scope| scope.indirect) {
                    let text = "an entry names another issuer in a list that is not indirect";
                    return Err(Reason::new("RFC 5280 5.3.3", text));
                }
                named = entry.issuer;
            }
            if entry.serial == serial {
                let ours = match &named {
                    Some(names) => names.contains(&General::Directory(issuer.clone())),
                    None => self.issuer == *issuer,
                };
                if ours {
                    found = if entry.reason == 8 { Entry::Removed } else { Entry::Revoked(entry.reason) };
                }
            }
        }
        Ok(found)
    }
}

impl fmt::Display for Crl<'_> {
    /// As reasons name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_delta() { "delta CRL" } else { "CRL" };
        write!(f, "the {kind} of {}", self.issuer)
    }
}

struct ReadEntry<'a> {
    serial: &'a [u8],
    reason: u8,
    issuer: Option<Vec<General>>,
    unknown: Option<const_oid::ObjectIdentifier>,
}

fn read_entry<'a>(reader: &mut Reader<'a>) -> Result<ReadEntry<'a>, DerError> {
    let mut parts = Reader::new(reader.expect(tag::SEQUENCE)?.content);
    let serial = parts.expect(tag::INTEGER)?.content;
    read_time(&mut parts)?;
    let mut entry = ReadEntry { serial, reason: 0, issuer: None, unknown: None };
    if let Some(extensions) = parts.optional(tag::SEQUENCE)? {
        let mut extensions = Reader::new(extensions.content);
        while !extensions.is_empty() {
            let (kind, critical, value) = read_extension(&mut extensions)?;
            match kind {
                oid::REASON_CODE => {
                    entry.reason = match der::single(value, tag::ENUMERATED)?.content {
                        [code @ (0..=6 | 8..=10)] => *code,
                        _ => return Err(malformed()),
                    };
                }
                oid::INVALIDITY_DATE => drop(der::single(value, tag::GENERALIZED_TIME)?),
                more::CERTIFICATE_ISSUER => {
                    entry.issuer = Some(read_general_names(der::single(value, tag::SEQUENCE)?.content)?);
                }
                _ if critical => entry.unknown = Some(kind),
                _ => {}
            }
        }
    }
    parts.end()?;
    Ok(entry)
}

fn read(octets: &[u8]) -> Result<Crl<'_>, DerError> {
    der::check_shape(octets)?;
    let mut list = Reader::new(der::single(octets, tag::SEQUENCE)?.content);
    let tbs = list.expect(tag::SEQUENCE)?;
    let algorithm = list.expect(tag::SEQUENCE)?.raw;
    let (signature, is_whole) = read_signature(list.expect(tag::BIT_STRING)?.content)?;
    list.end()?;

    let mut faults = Vec::new();
    if !is_whole {
        faults.push(Reason::new("RFC 5280 5.1.1.3", NOT_WHOLE));
    }
    let mut reader = Reader::new(tbs.content);
    match reader.optional(tag::INTEGER)?.map(|version| version.content) {
        Some([1]) => {}
        None => faults.push(Reason::new("RFC 5280 5.1.2.1", "it is of version 1; version 2 is required")),
        Some(_) => return Err(DerError::Malformed { what: Malformed::Version }),
    }
    if reader.expect(tag::SEQUENCE)?.raw != algorithm {
        let text = "the signature algorithm inside is not the one beside the signature";
        faults.push(Reason::new("RFC 5280 5.1.1.2", text));
    }
    let issuer = Name::read(reader.expect(tag::SEQUENCE)?.raw)?;
    if issuer.is_empty() {
        faults.push(Reason::new("RFC 5280 5.1.2.3", "the issuer's name is empty"));
    }
    let mut time = |reader: &mut Reader<'_>, clause| match read_time(reader) {
        Ok(time) => Some(time),
        Err(error) => {
            faults.push(Reason::new(clause, error.to_string()));
            None
        }
    };
    let this_update = time(&mut reader, "RFC 5280 5.1.2.4");
    let next_update = match reader.peek() {
        Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => time(&mut reader, "RFC 5280 5.1.2.5"),
        _ => {
            faults.push(Reason::new("RFC 5280 5.1.2.5", "it does not say when the next one comes (nextUpdate)"));
            None
        }
    };
    let entries = match reader.optional(tag::SEQUENCE)? {
        Some(entries) if entries.content.is_empty() => {
            faults.push(Reason::new("RFC 5280 5.1.2.6", "it holds an empty list, which must be left out"));
            &[]
        }
        Some(entries) => entries.content,
        None => &[][..],
    };
    let mut crl = Crl {
        tbs: tbs.raw,
        signature,
        algorithm: read_algorithm(algorithm),
        issuer,
        this_update,
        next_update,
        entries,
        number: None,
        base: None,
        authority: None,
        scope: None,
        scope_der: None,
        faults,
    };
    if let Some(extensions) = reader.optional(tag::context_constructed(0))? {
        crl.read_extensions(extensions.content)?;
    }
    reader.end()?;
    if crl.number.is_none() {
        crl.faults.push(Reason::new("RFC 5280 5.2.3", "it has no CRL number"));
    }
    if crl.authority.is_none() {
        let text = "it has no authority key identifier with a key identifier";
        crl.faults.push(Reason::new("RFC 5280 5.2.1", text));
    }
    Ok(crl)
}

impl<'a> Crl<'a> {
    fn read_extensions(&mut self, list: &'a [u8]) -> Result<(), DerError> {
        let mut seen = Vec::new();
        let mut reader = Reader::new(der::single(list, tag::SEQUENCE)?.content);
        while !reader.is_empty() {
            let (kind, critical, value) = read_extension(&mut reader)?;
            if seen.contains(&kind) {
                self.faults.push(Reason::new("RFC 5280 5.2", format!("the extension {kind} stands there twice")));
                continue;
            }
            seen.push(kind);
            let mut must = |clause, name: &str, expected: bool| {
                if critical != expected {
                    let text = if expected { "must be critical, and is not" } else { "must not be critical, and is" };
                    self.faults.push(Reason::new(clause, format!("{name} {text}")));
                }
            };
            match kind {
                oid::CRL_NUMBER => {
                    must("RFC 5280 5.2.3", "the CRL number", false);
                    self.number = Some(number(value, "RFC 5280 5.2.3", &mut self.faults)?);
                }
                oid::DELTA_CRL_INDICATOR => {
                    must("RFC 5280 5.2.4", "the delta CRL indicator", true);
                    self.base = Some(number(value, "RFC 5280 5.2.4", &mut self.faults)?);
                }
                oid::AUTHORITY_KEY_IDENTIFIER => {
                    must("RFC 5280 5.2.1", "the authority key identifier", false);
                    self.authority = read_authority(value, &mut self.faults)?.key;
                }
                oid::ISSUING_DISTRIBUTION_POINT => {
                    must("RFC 5280 5.2.5", "the issuing distribution point", true);
                    self.scope = Some(Scope::read(value)?);
                    self.scope_der = Some(value);
                }
                oid::FRESHEST_CRL => must("RFC 5280 5.2.6", "the freshest CRL extension", false),
                more::ISSUER_ALTERNATIVE_NAME | oid::AUTHORITY_INFO_ACCESS => {}
                _ if critical => {
                    let text = format!("the critical extension {kind} is not known");
                    self.faults.push(Reason::new("RFC 5280 5.2", text));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A number of at most 20 octets that is not negative.
fn number<'a>(value: &'a [u8], clause: &'static str, faults: &mut Vec<Reason>) -> Result<&'a [u8], DerError> {
    let content = der::single(value, tag::INTEGER)?.content;
    match content {
        [] | [0, 0..=0x7f, ..] => return Err(DerError::Malformed { what: Malformed::Integer }),
        [0x80..=0xff, ..] => faults.push(Reason::new(clause, "the number is negative")),
        _ if content.len() > 20 => faults.push(Reason::new(clause, "the number has more than 20 octets")),
        _ => {}
    }
    Ok(content.strip_prefix(&[0]).unwrap_or(content))
}

/// Which of two numbers is the later one.
pub(super) fn compare_numbers(one: Option<&[u8]>, other: Option<&[u8]>) -> core::cmp::Ordering {
    let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}
