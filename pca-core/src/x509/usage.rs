//! Key usage (RFC 5280 section 4.2.1.3).

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::der::{self, DerError, Malformed, Writer, tag};

/// What a key may be used for (RFC 5280 section 4.2.1.3): a set of bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// Signs anything but certificates and CRLs.
    pub const DIGITAL_SIGNATURE: Self = Self(1);
    /// Signs what its holder cannot deny later (`nonRepudiation`).
    pub const CONTENT_COMMITMENT: Self = Self(1 << 1);
    /// Encrypts keys.
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 2);
    /// Encrypts data.
    pub const DATA_ENCIPHERMENT: Self = Self(1 << 3);
    /// Agrees on keys.
    pub const KEY_AGREEMENT: Self = Self(1 << 4);
    /// Signs certificates.
    pub const KEY_CERT_SIGN: Self = Self(1 << 5);
    /// Signs CRLs.
    pub const CRL_SIGN: Self = Self(1 << 6);
    /// With key agreement: only encrypts.
    pub const ENCIPHER_ONLY: Self = Self(1 << 7);
    /// With key agreement: only decrypts.
    pub const DECIPHER_ONLY: Self = Self(1 << 8);

    /// Nothing.
    pub const NONE: Self = Self(0);

    /// What a CA certificate of the platform carries (rule I5).
    pub const CERTIFICATE_AUTHORITY: Self = Self::KEY_CERT_SIGN.with(Self::CRL_SIGN).with(Self::DIGITAL_SIGNATURE);

    const NAMES: [&'static str; 9] = [
        "digitalSignature",
        "nonRepudiation",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "cRLSign",
        "encipherOnly",
        "decipherOnly",
    ];

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether everything in the other set is in this one.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The bit that the RFC gives this name; `contentCommitment` is the newer name of `nonRepudiation`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = if name == "contentCommitment" { "nonRepudiation" } else { name };
        Self::NAMES.iter().position(|known| *known == name).map(|bit| Self(1 << bit))
    }

    /// Whether no bit is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The RFC's names of the bits that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| name)
    }

    pub(crate) fn write(self, writer: &mut Writer) {
        let [first, second] = self.0.reverse_bits().to_be_bytes();
        let unused = |octet: u8| u8::try_from(octet.trailing_zeros().min(7)).unwrap_or_default();
        match (first, second) {
            (0, 0) => writer.value(tag::BIT_STRING, &[0]),
            (_, 0) => writer.value(tag::BIT_STRING, &[unused(first), first]),
            _ => writer.value(tag::BIT_STRING, &[unused(second), first, second]),
        }
    }

    pub(crate) fn read(octets: &[u8]) -> Result<Self, DerError> {
        let bad = DerError::Malformed { what: Malformed::BitString };
        let (first, second) = match der::single(octets, tag::BIT_STRING)?.content {
            [0] => (0, 0),
            [0..=7, first] => (*first, 0),
            [0..=7, first, second] => (*first, *second),
            _ => return Err(bad),
        };
        Ok(Self(u16::from_be_bytes([first, second]).reverse_bits() & 0x01ff))
    }
}

impl Serialize for KeyUsage {
    /// The names of the bits, as a list.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names: Vec<&str> = self.names().collect();
        names.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for KeyUsage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        names.iter().try_fold(Self::NONE, |all, name| {
            Self::from_name(name).map(|bit| all.with(bit)).ok_or_else(|| de::Error::custom("no key usage"))
        })
    }
}

impl fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names().collect();
        f.write_str(&names.join(", "))
    }
}

impl fmt::Debug for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyUsage({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_written_in_the_shortest_form_and_read_back() {
        for (usage, octets) in [
            (KeyUsage::default(), &[3_u8, 1, 0][..]),
            (KeyUsage::DIGITAL_SIGNATURE, &[3, 2, 7, 0x80]),
            (KeyUsage::CERTIFICATE_AUTHORITY, &[3, 2, 1, 0x86]),
            (KeyUsage::ENCIPHER_ONLY, &[3, 2, 0, 1]),
            (KeyUsage::KEY_AGREEMENT.with(KeyUsage::DECIPHER_ONLY), &[3, 3, 7, 8, 0x80]),
        ] {
            assert_eq!(der::encode(|w| usage.write(w)), octets);
            assert_eq!(KeyUsage::read(octets), Ok(usage));
        }
        assert!(KeyUsage::read(&[3, 2, 8, 0]).is_err());
        assert_eq!(KeyUsage::CERTIFICATE_AUTHORITY.to_string(), "digitalSignature, keyCertSign, cRLSign");
    }
}
