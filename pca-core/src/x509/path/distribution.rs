//! Distribution points (RFC 5280 section 4.2.1.13) and the scope of a list (section 5.2.5).

use super::extensions::malformed;
use super::name::Name;
use crate::x509::der::{self, DerError, Reader, TRUE, Tlv, tag};

/// Reasons of revocation as bits: 1 to 8.
pub(super) type Reasons = u16;

/// All of them.
pub(super) const ALL_REASONS: Reasons = 0x01fe;

/// Where a certificate says that its status can be found.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) name: Option<PointName>,
    pub(super) reasons: Reasons,
    /// Who signs the list, where that is not the certificate's issuer.
    pub(super) crl_issuer: Vec<General>,
}

/// The name of a distribution point.
#[derive(Clone, Debug)]
pub(super) enum PointName {
    Full(Vec<General>),
    /// The attributes that come after the name of the list's issuer.
    Relative(Vec<u8>),
}

/// A general name for comparison: directory names by their text, others octet by octet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum General {
    Directory(Name),
    Other(Vec<u8>),
}

impl PointName {
    /// The names in full; the issuer is that of the list.
    pub(super) fn full(&self, issuer: &Name) -> Vec<General> {
        match self {
            Self::Full(names) => names.clone(),
            Self::Relative(attributes) => {
                issuer.with_relative(attributes).map(General::Directory).into_iter().collect()
            }
        }
    }
}

/// `CRLDistributionPoints`.
pub(super) fn read_points(value: &[u8]) -> Result<Vec<Point>, DerError> {
    let mut points = Vec::new();
    let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
    while !reader.is_empty() {
        let mut point = Reader::new(reader.expect(tag::SEQUENCE)?.content);
        let name = point.optional(tag::context_constructed(0))?.map(read_point_name).transpose()?;
        let reasons = point.optional(tag::context(1))?.map(read_reasons).transpose()?.unwrap_or(ALL_REASONS);
        let crl_issuer = match point.optional(tag::context_constructed(2))? {
            Some(names) => read_general_names(names.content)?,
            None => Vec::new(),
        };
        point.end()?;
        // A point of reasons only says nothing.
        if name.is_none() && crl_issuer.is_empty() {
            return Err(malformed());
        }
        points.push(Point { name, reasons, crl_issuer });
    }
    if points.is_empty() { Err(malformed()) } else { Ok(points) }
}

fn read_point_name(tlv: Tlv<'_>) -> Result<PointName, DerError> {
    let mut reader = Reader::new(tlv.content);
    let choice = reader.any()?;
    reader.end()?;
    match choice.tag {
        0xa0 => Ok(PointName::Full(read_general_names(choice.content)?)),
        0xa1 => Ok(PointName::Relative(choice.content.to_vec())),
        _ => Err(malformed()),
    }
}

/// The content of `GeneralNames`.
pub(super) fn read_general_names(content: &[u8]) -> Result<Vec<General>, DerError> {
    let mut names = Vec::new();
    let mut reader = Reader::new(content);
    while !reader.is_empty() {
        let name = reader.any()?;
        names.push(match name.tag {
            0xa4 => General::Directory(Name::read(name.content)?),
            _ => General::Other(name.raw.to_vec()),
        });
    }
    if names.is_empty() { Err(malformed()) } else { Ok(names) }
}

fn read_reasons(tlv: Tlv<'_>) -> Result<Reasons, DerError> {
    let (first, second) = match tlv.content {
        [0..=7, first] => (*first, 0),
        [0..=7, first, second] => (*first, *second),
        _ => return Err(malformed()),
    };
    Ok(u16::from_be_bytes([first, second]).reverse_bits() & ALL_REASONS)
}

/// `IssuingDistributionPoint`: which certificates and reasons a list covers.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) name: Option<PointName>,
    pub(super) only_user: bool,
    pub(super) only_ca: bool,
    pub(super) only_attribute: bool,
    pub(super) indirect: bool,
    pub(super) reasons: Reasons,
}

impl Scope {
    pub(super) fn read(value: &[u8]) -> Result<Self, DerError> {
        let mut reader = Reader::new(der::single(value, tag::SEQUENCE)?.content);
        if reader.is_empty() {
            return Err(malformed());
        }
        let name = reader.optional(tag::context_constructed(0))?.map(read_point_name).transpose()?;
        let only_user = read_flag(&mut reader, 1)?;
        let only_ca = read_flag(&mut reader, 2)?;
        let reasons = reader.optional(tag::context(3))?.map(read_reasons).transpose()?.unwrap_or(ALL_REASONS);
        let indirect = read_flag(&mut reader, 4)?;
        let only_attribute = read_flag(&mut reader, 5)?;
        reader.end()?;
        let kinds = [only_user, only_ca, only_attribute];
        if kinds.into_iter().filter(|only| *only).count() > 1 {
            return Err(malformed());
        }
        Ok(Self { name, only_user, only_ca, only_attribute, indirect, reasons })
    }
}

fn read_flag(reader: &mut Reader<'_>, number: u8) -> Result<bool, DerError> {
    let [_, length, yes] = TRUE;
    match reader.optional(tag::context(number))? {
        None => Ok(false),
        Some(flag) if flag.content == [yes] && flag.content.len() == usize::from(length) => Ok(true),
        Some(_) => Err(malformed()),
    }
}
