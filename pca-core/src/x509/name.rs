//! Distinguished names (RFC 5280 section 4.1.2.4, X.520 bounds, RFC 4514 text).

use core::fmt;
use std::sync::Arc;

use const_oid::ObjectIdentifier;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::der::{self, DerError, Reader, tag};
use super::fold::folded;
use super::oid;
use super::subject::SubjectFields;
use crate::log::write_hex;

/// A distinguished name as its DER, kept byte for byte.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "serde_bytes::ByteBuf", into = "serde_bytes::ByteBuf")]
pub struct DistinguishedName {
    der: Arc<[u8]>,
}

impl DistinguishedName {
    /// The name without any attribute.
    #[must_use]
    pub fn empty() -> Self {
        Self { der: Arc::from([tag::SEQUENCE, 0]) }
    }

    /// A name that was just written.
    pub(crate) fn written(der: Vec<u8>) -> Self {
        Self { der: der.into() }
    }

    /// Keeps a foreign name as it is, after checking that it is an `RDNSequence`.
    ///
    /// # Errors
    /// [`DerError`] if the octets are no name.
    pub fn from_der(octets: &[u8]) -> Result<Self, DerError> {
        attributes(octets)?;
        Ok(Self { der: octets.into() })
    }

    /// The DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether there is no attribute in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.der.len() <= 2
    }

    /// The last common name, if there is one that is text.
    #[must_use]
    pub fn common_name(&self) -> Option<String> {
        self.attributes().into_iter().rev().find(|attribute| attribute.oid == oid::COMMON_NAME).and_then(|a| a.text)
    }

    /// Every common name that is text.
    pub(crate) fn common_names(&self) -> Vec<String> {
        self.attributes().into_iter().filter(|a| a.oid == oid::COMMON_NAME).filter_map(|a| a.text).collect()
    }

    /// The values as the fields that the platform writes; attributes of other types are left out, and of several of a
    /// type the last counts.
    #[must_use]
    pub fn fields(&self) -> SubjectFields {
        let mut fields = SubjectFields::default();
        for Attribute { oid: kind, text, .. } in self.attributes() {
            let slot = match kind {
                oid::COMMON_NAME => &mut fields.common_name,
                oid::ORGANIZATION => &mut fields.organization,
                oid::ORGANIZATIONAL_UNIT => &mut fields.organizational_unit,
                oid::COUNTRY => &mut fields.country,
                oid::STATE => &mut fields.state,
                oid::LOCALITY => &mut fields.locality,
                _ => continue,
            };
            *slot = text;
        }
        fields
    }

    /// The e-mail addresses that the name carries as attributes of PKCS#9.
    #[must_use]
    pub fn email_addresses(&self) -> Vec<String> {
        self.attributes().into_iter().filter(|a| a.oid == oid::EMAIL_ADDRESS).filter_map(|a| a.text).collect()
    }

    /// The short digest under which streams file this name: the first 5 octets of SHA-256 over the DER.
    #[must_use]
    pub fn issuer_hash(&self) -> NameHash {
        NameHash::of(Sha256::new_with_prefix(&self.der))
    }

    /// The short digest of the name as RFC 5280 section 7.1 compares it: names that differ only in case, in outer or
    /// repeated spaces, in their form of Unicode or in the kind of string have the same one (rule C4).
    #[must_use]
    pub fn folded_hash(&self) -> NameHash {
        let mut hash = Sha256::new();
        let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes();
        for mut attributes in self.folded_relative_names() {
            // DER orders a set by its octets, and so by case.
            attributes.sort();
            hash.update(length(attributes.len()));
            for attribute in attributes {
                hash.update(length(attribute.len()));
                hash.update(attribute);
            }
        }
        NameHash::of(hash)
    }

    /// Whether both are the same name as RFC 5280 section 7.1 compares them, and not only octet for octet.
    #[must_use]
    pub fn folds_to(&self, other: &Self) -> bool {
        let sorted = |name: &Self| {
            let mut names = name.folded_relative_names();
            names.iter_mut().for_each(|attributes| attributes.sort());
            names
        };
        sorted(self) == sorted(other)
    }

    /// The DER of each relative name.
    pub(crate) fn relative_names(&self) -> Vec<&[u8]> {
        let mut names = Vec::new();
        let mut reader = Reader::new(der::single(&self.der, tag::SEQUENCE).map(|tlv| tlv.content).unwrap_or_default());
        while let Ok(name) = reader.any() {
            names.push(name.raw);
        }
        names
    }

    /// The relative names as text that is folded (RFC 5280 section 7.1), for comparisons that had better find too much than
    /// too little.
    pub(crate) fn folded_relative_names(&self) -> Vec<Vec<String>> {
        let fold = |attribute: &Attribute| match &attribute.text {
            Some(text) => format!("{}={}", attribute.oid, folded(text)),
            None => attribute.to_string(),
        };
        attributes(&self.der).unwrap_or_default().iter().map(|rdn| rdn.iter().map(fold).collect()).collect()
    }

    fn attributes(&self) -> Vec<Attribute> {
        attributes(&self.der).unwrap_or_default().into_iter().flatten().collect()
    }
}

impl fmt::Display for DistinguishedName {
    /// RFC 4514: the last relative name first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rdn) in attributes(&self.der).unwrap_or_default().iter().rev().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            for (index, attribute) in rdn.iter().enumerate() {
                if index > 0 {
                    f.write_str("+")?;
                }
                attribute.fmt(f)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DistinguishedName({self})")
    }
}

impl TryFrom<serde_bytes::ByteBuf> for DistinguishedName {
    type Error = DerError;

    fn try_from(octets: serde_bytes::ByteBuf) -> Result<Self, DerError> {
        Self::from_der(&octets)
    }
}

impl From<DistinguishedName> for serde_bytes::ByteBuf {
    fn from(name: DistinguishedName) -> Self {
        Self::from(name.der.to_vec())
    }
}

/// A name's short digest: 5 octets, 10 lower-case hexadecimal digits. Names that collide only share a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NameHash([u8; Self::LEN]);

impl NameHash {
    /// Its length in octets.
    pub const LEN: usize = 5;

    /// Wraps octets.
    #[must_use]
    pub const fn new(octets: [u8; Self::LEN]) -> Self {
        Self(octets)
    }

    /// The octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    fn of(hash: Sha256) -> Self {
        let mut octets = [0; Self::LEN];
        octets.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self(octets)
    }
}

impl fmt::Display for NameHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl core::str::FromStr for NameHash {
    type Err = NameHashError;

    fn from_str(text: &str) -> Result<Self, NameHashError> {
        let bad = || NameHashError { text: text.chars().take(20).collect() };
        let octets = super::serial::octets_from_hex(text).ok_or_else(bad)?;
        if text.len() != 2 * Self::LEN {
            return Err(bad());
        }
        octets.try_into().map(Self).map_err(|_| bad())
    }
}

impl TryFrom<String> for NameHash {
    type Error = NameHashError;

    fn try_from(text: String) -> Result<Self, NameHashError> {
        text.parse()
    }
}

impl From<NameHash> for String {
    fn from(hash: NameHash) -> Self {
        hash.to_string()
    }
}

/// Text that is no [`NameHash`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a name's digest: 10 hexadecimal digits are expected")]
pub struct NameHashError {
    /// What was given, cut to 20 characters.
    pub text: String,
}

#[derive(Debug)]
struct Attribute {
    oid: ObjectIdentifier,
    /// The value as text, where it is text.
    text: Option<String>,
    /// The whole value.
    raw: Vec<u8>,
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = match self.oid {
            oid::COMMON_NAME => "CN",
            oid::COUNTRY => "C",
            oid::LOCALITY => "L",
            oid::STATE => "ST",
            oid::STREET => "STREET",
            oid::ORGANIZATION => "O",
            oid::ORGANIZATIONAL_UNIT => "OU",
            oid::DOMAIN_COMPONENT => "DC",
            oid::USER_ID => "UID",
            _ => "",
        };
        match &self.text {
            Some(text) if !short.is_empty() => {
                write!(f, "{short}=")?;
                escape(text, f)
            }
            _ => {
                write!(f, "{}=#", self.oid)?;
                self.raw.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

/// RFC 4514 section 2.4.
fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let last = text.chars().count().saturating_sub(1);
    for (index, character) in text.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{character}")?,
            ' ' if index == 0 || index == last => f.write_str("\\ ")?,
            '#' if index == 0 => f.write_str("\\#")?,
            control if control.is_control() => {
                let mut buffer = [0; 4];
                control.encode_utf8(&mut buffer).bytes().try_for_each(|octet| write!(f, "\\{octet:02x}"))?;
            }
            plain => write!(f, "{plain}")?,
        }
    }
    Ok(())
}

/// The relative names of a name, in order, each with its attributes.
fn attributes(octets: &[u8]) -> Result<Vec<Vec<Attribute>>, DerError> {
    let mut names = Vec::new();
    let mut sequence = Reader::new(der::single(octets, tag::SEQUENCE)?.content);
    while !sequence.is_empty() {
        let mut set = Reader::new(sequence.expect(tag::SET)?.content);
        let mut rdn = Vec::new();
        while !set.is_empty() {
            let mut pair = Reader::new(set.expect(tag::SEQUENCE)?.content);
            let oid = der::object_identifier(pair.expect(tag::OBJECT_IDENTIFIER)?.content)?;
            let value = pair.any()?;
            pair.end()?;
            rdn.push(Attribute { oid, text: der::text(value), raw: value.raw.to_vec() });
        }
        if rdn.is_empty() {
            return Err(DerError::Malformed { what: der::Malformed::Name });
        }
        names.push(rdn);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::x509::CommonName;

    #[test]
    fn foreign_strings_are_readable_and_kept() {
        let strings: [(u8, &[u8], &str); 4] = [
            (tag::BMP_STRING, &[0x4e, 0x16, 0x75, 0x4c], "世界"),
            (tag::TELETEX_STRING, &[b'M', 0xfc], "Mü"),
            (tag::UNIVERSAL_STRING, &[0, 1, 0xf5, 0x11], "🔑"),
            (tag::PRINTABLE_STRING, b"Acme", "Acme"),
        ];
        for (kind, content, expected) in strings {
            let octets = der::encode(|w| {
                w.nested(tag::SEQUENCE, |w| {
                    w.nested(tag::SET, |w| {
                        w.nested(tag::SEQUENCE, |w| {
                            w.oid(&oid::COMMON_NAME);
                            w.value(kind, content);
                        });
                    });
                });
            });
            let name = DistinguishedName::from_der(&octets).unwrap();
            assert_eq!(name.common_name().as_deref(), Some(expected));
            assert_eq!(name.der(), octets);
        }
        assert!(DistinguishedName::from_der(&[0x30, 2, 0x31, 0]).is_err(), "an empty RDN");
        assert!(DistinguishedName::from_der(&[0x31, 0]).is_err());
    }

    #[test]
    fn rfc_4514_escapes() {
        let name = SubjectFields::common(" #a+b; ").to_name(CommonName::Required).unwrap();
        assert_eq!(name.to_string(), "CN=\\ #a\\+b\\;\\ ");
        let name = SubjectFields::common("#a").to_name(CommonName::Required).unwrap();
        assert_eq!(name.to_string(), "CN=\\#a");
    }
}
