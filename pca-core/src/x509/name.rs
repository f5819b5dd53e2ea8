//! Distinguished names (RFC 5280 section 4.1.2.4, X.520 bounds, RFC 4514 text).

use core::fmt;
use std::sync::Arc;

use const_oid::ObjectIdentifier;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::der::{self, DerError, Reader, Writer, tag};
use super::oid;
use crate::log::write_hex;

/// A subject as a person writes it. [`SubjectFields::to_name`] makes a [`DistinguishedName`] of it or tells everything
/// that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct SubjectFields {
    /// CN, at most 64 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// O, at most 64 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// OU, at most 64 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organizational_unit: Option<String>,
    /// C, two upper-case letters (ISO 3166).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// ST, at most 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// L, at most 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
}

impl SubjectFields {
    /// A subject with only a common name.
    #[must_use]
    pub fn common(name: impl Into<String>) -> Self {
        Self { common_name: Some(name.into()), ..Self::default() }
    }

    /// The name that these fields stand for, in the order C, ST, L, O, OU, CN (rule C4).
    ///
    /// # Errors
    /// Every violation of rule C4, not only the first.
    pub fn to_name(&self, common_name: CommonName) -> Result<DistinguishedName, Vec<SubjectViolation>> {
        let mut violations = Vec::new();
        if common_name == CommonName::Required && self.common_name.is_none() {
            violations.push(SubjectViolation::CommonNameMissing);
        }
        for (field, value) in self.pairs() {
            check(field, value, &mut violations);
        }
        if !violations.is_empty() {
            return Err(violations);
        }
        let mut writer = Writer::with_capacity(128);
        writer.nested(tag::SEQUENCE, |w| {
            for (field, value) in self.pairs() {
                w.nested(tag::SET, |w| {
                    w.nested(tag::SEQUENCE, |w| {
                        w.oid(&field.oid());
                        let string = match field {
                            SubjectField::Country => tag::PRINTABLE_STRING,
                            _ => tag::UTF8_STRING,
                        };
                        w.value(string, value.as_bytes());
                    });
                });
            }
        });
        Ok(DistinguishedName { der: writer.finish().into() })
    }

    fn pairs(&self) -> impl Iterator<Item = (SubjectField, &str)> {
        [
            (SubjectField::Country, &self.country),
            (SubjectField::State, &self.state),
            (SubjectField::Locality, &self.locality),
            (SubjectField::Organization, &self.organization),
            (SubjectField::OrganizationalUnit, &self.organizational_unit),
            (SubjectField::CommonName, &self.common_name),
        ]
        .into_iter()
        .filter_map(|(field, value)| value.as_deref().map(|value| (field, value)))
    }
}

/// Whether a subject must have a common name: CAs and client certificates must, servers need not (rule C4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommonName {
    /// It must be there.
    Required,
    /// It may be absent.
    Optional,
}

/// A field of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SubjectField {
    /// C
    Country,
    /// ST
    State,
    /// L
    Locality,
    /// O
    Organization,
    /// OU
    OrganizationalUnit,
    /// CN
    CommonName,
}

impl SubjectField {
    /// The largest number of characters (X.520 upper bounds, RFC 5280 appendix A).
    #[must_use]
    pub const fn max_characters(self) -> usize {
        match self {
            Self::Country => 2,
            Self::State | Self::Locality => 128,
            Self::Organization | Self::OrganizationalUnit | Self::CommonName => 64,
        }
    }

    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Country => oid::COUNTRY,
            Self::State => oid::STATE,
            Self::Locality => oid::LOCALITY,
            Self::Organization => oid::ORGANIZATION,
            Self::OrganizationalUnit => oid::ORGANIZATIONAL_UNIT,
            Self::CommonName => oid::COMMON_NAME,
        }
    }
}

impl fmt::Display for SubjectField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Country => "country (C)",
            Self::State => "state (ST)",
            Self::Locality => "locality (L)",
            Self::Organization => "organization (O)",
            Self::OrganizationalUnit => "organizational unit (OU)",
            Self::CommonName => "common name (CN)",
        })
    }
}

/// What is wrong with a field of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SubjectViolation {
    /// No common name where one must be.
    #[error("the subject needs a common name (CN) of 1 to 64 characters")]
    CommonNameMissing,
    /// An empty field.
    #[error("{field} is empty: leave it out, or give 1 to {} characters", field.max_characters())]
    Empty {
        /// Which field.
        field: SubjectField,
    },
    /// More characters than X.520 allows.
    #[error("{field} has {characters} characters; at most {limit} are allowed")]
    TooLong {
        /// Which field.
        field: SubjectField,
        /// How many characters it has.
        characters: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Not a country code.
    #[error("country (C) is `{value}`: two upper-case letters of ISO 3166 are expected, such as CN or DE")]
    Country {
        /// What was given, cut to 20 characters.
        value: String,
    },
    /// A control character.
    #[error("{field} has the control character U+{character:04X} in it; it must be left out")]
    ControlCharacter {
        /// Which field.
        field: SubjectField,
        /// The character's number.
        character: u32,
    },
}

impl SubjectViolation {
    /// The rule that was broken.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        "C4"
    }
}

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
        let digest = Sha256::digest(&self.der);
        let mut octets = [0; NameHash::LEN];
        octets.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        NameHash(octets)
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

    /// The relative names as text without case and outer or repeated spaces (RFC 5280 section 7.1), for comparisons
    /// that had better find too much than too little.
    pub(crate) fn folded_relative_names(&self) -> Vec<Vec<String>> {
        let fold = |attribute: &Attribute| match &attribute.text {
            Some(text) => {
                let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
                format!("{}={}", attribute.oid, words.join(" "))
            }
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

fn check(field: SubjectField, value: &str, violations: &mut Vec<SubjectViolation>) {
    let characters = value.chars().count();
    let limit = field.max_characters();
    if value.is_empty() {
        violations.push(SubjectViolation::Empty { field });
        return;
    }
    if field == SubjectField::Country {
        if characters != 2 || !value.bytes().all(|octet| octet.is_ascii_uppercase()) {
            violations.push(SubjectViolation::Country { value: value.chars().take(20).collect() });
        }
        return;
    }
    if characters > limit {
        violations.push(SubjectViolation::TooLong { field, characters, limit });
    }
    if let Some(character) = value.chars().find(|character| character.is_control()) {
        violations.push(SubjectViolation::ControlCharacter { field, character: u32::from(character) });
    }
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
    use ::der::{Decode, Encode};

    fn full() -> SubjectFields {
        SubjectFields {
            common_name: Some("Acme, Root \"1\"".into()),
            organization: Some("株式会社アクメ".into()),
            organizational_unit: Some("OA".into()),
            country: Some("CN".into()),
            state: Some("Zhejiang".into()),
            locality: Some("Hangzhou".into()),
        }
    }

    #[test]
    fn c4_fields_become_a_name_in_order_and_come_back() {
        let name = full().to_name(CommonName::Required).unwrap();
        assert_eq!(
            name.to_string(),
            "CN=Acme\\, Root \\\"1\\\",OU=OA,O=株式会社アクメ,L=Hangzhou,ST=Zhejiang,C=CN",
            "RFC 4514 writes the last first"
        );
        assert_eq!(name.fields(), full());
        assert_eq!(DistinguishedName::from_der(name.der()).unwrap(), name);
        let oracle = x509_cert::name::Name::from_der(name.der()).unwrap();
        assert_eq!(oracle.to_der().unwrap(), name.der());
        assert_eq!(name.issuer_hash().to_string().len(), 10);
        assert_eq!(name.issuer_hash().to_string().parse(), Ok(name.issuer_hash()));
    }

    #[test]
    fn c4_every_violation_is_told() {
        let fields = SubjectFields {
            common_name: None,
            organization: Some("x".repeat(65)),
            organizational_unit: Some(String::new()),
            country: Some("de".into()),
            state: Some("ü".repeat(129)),
            locality: Some("a\u{0}b".into()),
        };
        let violations = fields.to_name(CommonName::Required).unwrap_err();
        assert_eq!(
            violations,
            [
                SubjectViolation::CommonNameMissing,
                SubjectViolation::Country { value: "de".into() },
                SubjectViolation::TooLong { field: SubjectField::State, characters: 129, limit: 128 },
                SubjectViolation::ControlCharacter { field: SubjectField::Locality, character: 0 },
                SubjectViolation::TooLong { field: SubjectField::Organization, characters: 65, limit: 64 },
                SubjectViolation::Empty { field: SubjectField::OrganizationalUnit },
            ]
        );
        assert!(violations.iter().all(|violation| violation.rule() == "C4"));
    }

    #[test]
    fn c4_bounds_count_characters_not_octets() {
        let wide = SubjectFields::common("界".repeat(64));
        assert!(wide.to_name(CommonName::Required).is_ok());
        assert!(SubjectFields::common("界".repeat(65)).to_name(CommonName::Required).is_err());
        assert!(SubjectFields::default().to_name(CommonName::Optional).unwrap().is_empty());
    }

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
