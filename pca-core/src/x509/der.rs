//! A small DER writer and reader (ITU-T X.690): definite lengths, low tag numbers, nothing else.
//!
//! The writer only appends; the length of what is nested is filled in afterwards. The reader borrows and refuses what
//! DER forbids, so that what was read is what was signed.

use core::fmt;

use const_oid::ObjectIdentifier;

/// Identifier octets.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const ENUMERATED: u8 = 0x0a;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const NUMERIC_STRING: u8 = 0x12;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const TELETEX_STRING: u8 = 0x14;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const VISIBLE_STRING: u8 = 0x1a;
    pub(crate) const UNIVERSAL_STRING: u8 = 0x1c;
    pub(crate) const BMP_STRING: u8 = 0x1e;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[n]`, primitive.
    pub(crate) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// `[n]`, constructed.
    pub(crate) const fn context_constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// The octets of TRUE as a whole BOOLEAN.
pub(crate) const TRUE: [u8; 3] = [tag::BOOLEAN, 1, 0xff];

/// Appends DER to a buffer.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_capacity(octets: usize) -> Self {
        Self { out: Vec::with_capacity(octets) }
    }

    /// Goes on behind what is written already.
    pub(crate) fn onto(out: Vec<u8>) -> Self {
        Self { out }
    }

    /// Appends what is encoded already.
    pub(crate) fn raw(&mut self, encoded: &[u8]) {
        self.out.extend_from_slice(encoded);
    }

    /// Appends identifier and length octets.
    pub(crate) fn header(&mut self, tag: u8, length: usize) {
        self.out.push(tag);
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => self.out.push(short),
            _ => {
                let (octets, used) = long_length(length);
                self.out.extend(octets.iter().skip(LENGTH_ROOM - used));
            }
        }
    }

    /// Appends a primitive value.
    pub(crate) fn value(&mut self, tag: u8, content: &[u8]) {
        self.header(tag, content.len());
        self.raw(content);
    }

    /// Appends an OBJECT IDENTIFIER.
    pub(crate) fn oid(&mut self, oid: &ObjectIdentifier) {
        self.value(tag::OBJECT_IDENTIFIER, oid.as_bytes());
    }

    /// Appends a non-negative INTEGER (or ENUMERATED, by its tag).
    pub(crate) fn unsigned(&mut self, tag: u8, number: u64) {
        let octets = number.to_be_bytes();
        let zeros = octets.iter().take(octets.len() - 1).take_while(|octet| **octet == 0).count();
        let magnitude = octets.get(zeros..).unwrap_or_default();
        let sign = magnitude.first().is_some_and(|octet| *octet >= 0x80);
        self.header(tag, magnitude.len() + usize::from(sign));
        if sign {
            self.out.push(0);
        }
        self.raw(magnitude);
    }

    /// Appends a constructed value whose content the closure writes.
    pub(crate) fn nested(&mut self, tag: u8, content: impl FnOnce(&mut Self)) {
        self.out.extend_from_slice(&[tag, 0]);
        let start = self.out.len();
        content(self);
        let length = self.out.len() - start;
        let place = start - 1;
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => {
                if let Some(slot) = self.out.get_mut(place) {
                    *slot = short;
                }
            }
            _ => {
                let (octets, used) = long_length(length);
                let end = self.out.len();
                self.out.resize(end + used - 1, 0);
                self.out.copy_within(start..end, start + used - 1);
                self.out
                    .iter_mut()
                    .skip(place)
                    .zip(octets.iter().skip(LENGTH_ROOM - used))
                    .for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// Appends an OCTET STRING around what the closure writes.
    pub(crate) fn octet_string(&mut self, content: impl FnOnce(&mut Self)) {
        self.nested(tag::OCTET_STRING, content);
    }

    /// Appends a BIT STRING of whole octets.
    pub(crate) fn bit_string(&mut self, octets: &[u8]) {
        self.header(tag::BIT_STRING, octets.len() + 1);
        self.out.push(0);
        self.raw(octets);
    }

    /// What was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// What one closure writes, as octets.
pub(crate) fn encode(content: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    content(&mut writer);
    writer.finish()
}

const LENGTH_ROOM: usize = 9;

/// The long form of a length, right-aligned, and how many octets of it count.
fn long_length(length: usize) -> ([u8; LENGTH_ROOM], usize) {
    let number = u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes();
    let zeros = number.iter().take(7).take_while(|octet| **octet == 0).count();
    let used = number.len() - zeros;
    let mut octets = [0; LENGTH_ROOM];
    octets.iter_mut().skip(1).zip(number).for_each(|(to, from)| *to = from);
    if let Some(slot) = octets.get_mut(zeros) {
        *slot = 0x80 | u8::try_from(used).unwrap_or_default();
    }
    (octets, used + 1)
}

/// One value: its identifier, its content, and both with the length between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tlv<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) raw: &'a [u8],
}

/// Reads values one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value, whatever it is.
    pub(crate) fn any(&mut self) -> Result<Tlv<'a>, DerError> {
        let (tag, after_tag) = self.rest.split_first().ok_or(DerError::Truncated)?;
        if tag & 0x1f == 0x1f {
            return Err(DerError::TagNumber);
        }
        let (first, after_length) = after_tag.split_first().ok_or(DerError::Truncated)?;
        let (length, body) = match first {
            0..=0x7f => (usize::from(*first), after_length),
            0x80 => return Err(DerError::IndefiniteLength),
            _ => {
                let count = usize::from(first & 0x7f);
                let (octets, body) = after_length.split_at_checked(count).ok_or(DerError::Truncated)?;
                if octets.first() == Some(&0) {
                    return Err(DerError::Length);
                }
                if count > 4 {
                    return Err(DerError::Truncated);
                }
                let length = octets.iter().fold(0_u32, |sum, octet| sum << 8 | u32::from(*octet));
                if length < 0x80 {
                    return Err(DerError::Length);
                }
                (usize::try_from(length).map_err(|_| DerError::Length)?, body)
            }
        };
        let (content, rest) = body.split_at_checked(length).ok_or(DerError::Truncated)?;
        let used = self.rest.len() - rest.len();
        let raw = self.rest.get(..used).ok_or(DerError::Truncated)?;
        self.rest = rest;
        Ok(Tlv { tag: *tag, content, raw })
    }

    /// The next value, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<Tlv<'a>, DerError> {
        let tlv = self.any()?;
        if tlv.tag == tag { Ok(tlv) } else { Err(DerError::Unexpected { expected: tag, found: tlv.tag }) }
    }

    /// The next value if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Tlv<'a>>, DerError> {
        if self.peek() == Some(tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), DerError> {
        if self.is_empty() { Ok(()) } else { Err(DerError::Trailing { octets: self.rest.len() }) }
    }
}

/// The one value that the octets consist of.
pub(crate) fn single(octets: &[u8], tag: u8) -> Result<Tlv<'_>, DerError> {
    let mut reader = Reader::new(octets);
    let tlv = reader.expect(tag)?;
    reader.end()?;
    Ok(tlv)
}

/// The deepest nesting that is read (rule G4).
pub(crate) const MAX_DEPTH: usize = 32;

/// Checks that the octets are one SEQUENCE without trailing octets and that nothing in it is nested deeper than
/// [`MAX_DEPTH`] (rule G4), before any other parser sees them.
pub(crate) fn check_shape(octets: &[u8]) -> Result<(), DerError> {
    let outer = single(octets, tag::SEQUENCE)?;
    let mut open = vec![Reader::new(outer.content)];
    while let Some(reader) = open.last_mut() {
        if reader.is_empty() {
            open.pop();
            continue;
        }
        let tlv = reader.any()?;
        if tlv.tag & 0x20 != 0 {
            if open.len() >= MAX_DEPTH {
                return Err(DerError::Depth);
            }
            open.push(Reader::new(tlv.content));
        }
    }
    Ok(())
}

/// Text in any of the string types that certificates carry.
pub(crate) fn text(tlv: Tlv<'_>) -> Option<String> {
    match tlv.tag {
        tag::UTF8_STRING => core::str::from_utf8(tlv.content).ok().map(str::to_owned),
        tag::PRINTABLE_STRING | tag::IA5_STRING | tag::NUMERIC_STRING | tag::VISIBLE_STRING => {
            tlv.content.is_ascii().then(|| core::str::from_utf8(tlv.content).ok().map(str::to_owned)).flatten()
        }
        // T.61 is read as Latin-1, as everybody does.
        tag::TELETEX_STRING => Some(tlv.content.iter().map(|octet| char::from(*octet)).collect()),
        tag::BMP_STRING => {
            let (pairs, rest) = tlv.content.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            rest.is_empty().then(|| String::from_utf16(&units).ok()).flatten()
        }
        tag::UNIVERSAL_STRING => {
            let (quads, rest) = tlv.content.as_chunks::<4>();
            rest.is_empty().then(|| quads.iter().map(|quad| char::from_u32(u32::from_be_bytes(*quad))).collect())?
        }
        _ => None,
    }
}

/// An object identifier.
pub(crate) fn object_identifier(content: &[u8]) -> Result<ObjectIdentifier, DerError> {
    ObjectIdentifier::from_bytes(content).map_err(|_| DerError::ObjectIdentifier)
}

/// Why octets are not the DER that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DerError {
    /// The octets end inside a value.
    #[error("the data ends inside a value (truncated)")]
    Truncated,
    /// A tag number above 30.
    #[error("a tag number above 30 does not belong here")]
    TagNumber,
    /// The indefinite length of BER.
    #[error("a length is indefinite, which DER forbids")]
    IndefiniteLength,
    /// A length that is not minimal.
    #[error("a length is not written in its shortest form, which DER demands")]
    Length,
    /// Another value than the expected one.
    #[error("a value with tag {found:#04x} stands where tag {expected:#04x} belongs")]
    Unexpected {
        /// The tag that belongs there.
        expected: u8,
        /// The tag that stands there.
        found: u8,
    },
    /// Octets after the end.
    #[error("{octets} octets follow after the end")]
    Trailing {
        /// How many.
        octets: usize,
    },
    /// Nested too deeply (rule G4).
    #[error("values are nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// An object identifier that is none.
    #[error("an object identifier is malformed")]
    ObjectIdentifier,
    /// A time that is none.
    #[error("a time is malformed: YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ is expected")]
    Time,
    /// Another value that breaks its syntax.
    #[error("{what} is malformed")]
    Malformed {
        /// Which value.
        what: Malformed,
    },
}

/// Which value breaks its syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// A Boolean.
    Boolean,
    /// An integer.
    Integer,
    /// A bit string.
    BitString,
    /// A name.
    Name,
    /// A version.
    Version,
    /// An extension.
    Extension,
    /// The whole structure.
    Structure,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "a Boolean",
            Self::Integer => "an integer",
            Self::BitString => "a bit string",
            Self::Name => "a name",
            Self::Version => "the version",
            Self::Extension => "an extension",
            Self::Structure => "the structure",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lengths_are_written_shortest_and_read_back() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536, 70_000] {
            let content = vec![7; length];
            let nested = encode(|w| w.nested(tag::SEQUENCE, |w| w.raw(&content)));
            let value = encode(|w| w.value(tag::SEQUENCE, &content));
            assert_eq!(nested, value, "{length}");
            assert_eq!(single(&nested, tag::SEQUENCE).unwrap().content, content);
            let mut oracle = Vec::new();
            der::Encode::encode_to_vec(
                &der::Header::new(der::Tag::Sequence, der::Length::try_from(length).unwrap()),
                &mut oracle,
            )
            .unwrap();
            assert!(value.starts_with(&oracle), "{length}");
        }
    }

    #[test]
    fn integers_are_minimal() {
        for (number, octets) in [
            (0_u64, &[2_u8, 1, 0][..]),
            (127, &[2, 1, 127]),
            (128, &[2, 2, 0, 128]),
            (256, &[2, 2, 1, 0]),
            (u64::MAX, &[2, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255]),
        ] {
            assert_eq!(encode(|w| w.unsigned(tag::INTEGER, number)), octets);
        }
    }

    #[test]
    fn what_der_forbids_is_refused() {
        assert_eq!(check_shape(&[0x30, 0x80, 0, 0]), Err(DerError::IndefiniteLength));
        assert_eq!(check_shape(&[0x30, 0x81, 0x01, 0]), Err(DerError::Length));
        assert_eq!(check_shape(&[0x30, 0x82, 0x00, 0x80]), Err(DerError::Length));
        assert_eq!(check_shape(&[0x30, 2, 2, 1]), Err(DerError::Truncated));
        assert_eq!(check_shape(&[0x30, 0, 0]), Err(DerError::Trailing { octets: 1 }));
        assert_eq!(check_shape(&[0x30, 0x85, 1, 0, 0, 0, 0]), Err(DerError::Truncated));
        assert_eq!(check_shape(&[]), Err(DerError::Truncated));
    }

    #[test]
    fn depth_is_limited_to_thirty_two() {
        let nest = |depth: usize| (0..depth).fold(Vec::new(), |inner, _| encode(|w| w.value(tag::SEQUENCE, &inner)));
        assert_eq!(check_shape(&nest(MAX_DEPTH)), Ok(()));
        assert_eq!(check_shape(&nest(MAX_DEPTH + 1)), Err(DerError::Depth));
    }
}
