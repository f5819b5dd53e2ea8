//! Purposes of the extended key usage (RFC 5280 section 4.2.1.12) as text, and lists of object identifiers.

use const_oid::ObjectIdentifier;

use crate::x509::oid;

/// The purposes that have a name.
const NAMED: [(&str, ObjectIdentifier); 7] = [
    ("serverAuth", oid::SERVER_AUTH),
    ("clientAuth", oid::CLIENT_AUTH),
    ("codeSigning", oid::CODE_SIGNING),
    ("emailProtection", oid::EMAIL_PROTECTION),
    ("timeStamping", oid::TIME_STAMPING),
    ("OCSPSigning", oid::OCSP_SIGNING),
    ("anyExtendedKeyUsage", oid::ANY_EXTENDED_KEY_USAGE),
];

/// The name of a purpose, or its number where it has none.
pub(crate) fn in_words(purpose: &ObjectIdentifier) -> String {
    let known = NAMED.iter().find(|(_, oid)| oid == purpose);
    known.map_or_else(|| purpose.to_string(), |(name, _)| (*name).to_owned())
}

/// Reads a purpose by name or number.
pub(super) fn parse(text: &str) -> Option<ObjectIdentifier> {
    match NAMED.iter().find(|(name, _)| *name == text) {
        Some((_, oid)) => Some(*oid),
        None => number(text),
    }
}

/// Reads a number such as `1.3.6.1.4.1.55738.1`.
pub(super) fn number(text: &str) -> Option<ObjectIdentifier> {
    let canonical = text.split('.').all(|arc| arc == "0" || !arc.starts_with('0'));
    if text.len() > 100 || !canonical { None } else { ObjectIdentifier::new(text).ok() }
}

/// Purposes in the log and in JSON.
pub(super) mod as_names {
    use const_oid::ObjectIdentifier;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(in super::super) fn serialize<S: Serializer>(list: &[ObjectIdentifier], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(super::in_words))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ObjectIdentifier>, D::Error> {
        let list = Vec::<String>::deserialize(from)?;
        list.iter().map(|text| super::parse(text).ok_or_else(|| de::Error::custom("no purpose"))).collect()
    }
}

/// Numbers in the log and in JSON.
pub(super) mod as_numbers {
    use const_oid::ObjectIdentifier;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(in super::super) fn serialize<S: Serializer>(list: &[ObjectIdentifier], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(ToString::to_string))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ObjectIdentifier>, D::Error> {
        let list = Vec::<String>::deserialize(from)?;
        list.iter().map(|text| super::number(text).ok_or_else(|| de::Error::custom("no object identifier"))).collect()
    }
}
