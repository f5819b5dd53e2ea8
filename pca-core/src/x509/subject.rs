//! Subjects as people write them, and what X.520 and rule C4 allow in them.

use core::fmt;

use const_oid::ObjectIdentifier;
use serde::{Deserialize, Serialize};

use super::der::{Writer, tag};
use super::name::DistinguishedName;
use super::oid;

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
        Ok(DistinguishedName::written(writer.finish()))
    }

    /// Whether a field is there.
    #[must_use]
    pub fn has(&self, field: SubjectField) -> bool {
        self.pairs().any(|(given, _)| given == field)
    }

    /// Whether no field is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs().next().is_none()
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
    /// A field that is empty, or nothing but blanks.
    #[error("{field} is blank: leave it out, or give 1 to {} characters", field.max_characters())]
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

fn check(field: SubjectField, value: &str, violations: &mut Vec<SubjectViolation>) {
    let characters = value.chars().count();
    let limit = field.max_characters();
    if value.trim().is_empty() {
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
    fn c4_case_and_repeated_spaces_tell_no_names_apart() {
        let name = |common: &str| SubjectFields::common(common).to_name(CommonName::Required).unwrap();
        let acme = name("Acme Ü");
        for same in ["ACME  ü", "acme ü", "Acme\u{2003}Ü"] {
            assert_eq!(name(same).folded_hash(), acme.folded_hash(), "{same}");
            assert!(name(same).folds_to(&acme), "{same}");
            assert_ne!(name(same).issuer_hash(), acme.issuer_hash(), "{same}");
        }
        for other in ["AcmeÜ", "Acme", "Acme Ü 2"] {
            assert_ne!(name(other).folded_hash(), acme.folded_hash(), "{other}");
            assert!(!name(other).folds_to(&acme), "{other}");
        }
        let unit = SubjectFields { organizational_unit: Some("Acme Ü".into()), ..SubjectFields::default() };
        assert_ne!(unit.to_name(CommonName::Optional).unwrap().folded_hash(), acme.folded_hash());
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
    fn c4_a_field_of_nothing_but_blanks_is_as_good_as_empty() {
        for blank in ["", "   ", "\u{a0}\u{2003}", "\t"] {
            let fields = SubjectFields { common_name: Some(blank.into()), ..SubjectFields::default() };
            let empty = SubjectViolation::Empty { field: SubjectField::CommonName };
            assert_eq!(fields.to_name(CommonName::Required), Err(vec![empty]), "{blank:?}");
        }
    }

    #[test]
    fn c4_bounds_count_characters_not_octets() {
        let wide = SubjectFields::common("界".repeat(64));
        assert!(wide.to_name(CommonName::Required).is_ok());
        assert!(SubjectFields::common("界".repeat(65)).to_name(CommonName::Required).is_err());
        assert!(SubjectFields::default().to_name(CommonName::Optional).unwrap().is_empty());
    }
}
