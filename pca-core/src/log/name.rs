//! Names and numbers of the log: revisions, positions, commits, digests.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Before anything.
            pub const ZERO: Self = Self(0);
            /// Beyond everything: the newest.
            pub const MAX: Self = Self(u64::MAX);

            /// Wraps a number.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// This many further on; stays at the largest number.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter! {
    /// How many events a stream has: 0 for a stream that nobody wrote to.
    Revision
}
counter! {
    /// The place of an event in the whole log: 1..n without gaps, in commit order; 0 stands before the first.
    Position
}

/// An instant in UTC: microseconds since 1970-01-01T00:00:00Z. A number in payloads, RFC 3339 in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From seconds since 1970; stays at the ends of the range.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The same instant without its fraction of a second.
    #[must_use]
    pub const fn floor_to_second(self) -> Self {
        Self::from_secs(self.secs())
    }

    /// Later by a number of seconds (earlier if negative); stays at the ends of the range.
    #[must_use]
    pub const fn plus_secs(self, secs: i64) -> Self {
        Self(self.0.saturating_add(secs.saturating_mul(1_000_000)))
    }

    /// As `chrono` has it; nothing beyond the years that `chrono` knows.
    #[must_use]
    pub fn to_datetime(self) -> Option<chrono::DateTime<chrono::Utc>> {
        chrono::DateTime::from_timestamp_micros(self.0)
    }
}

impl From<chrono::DateTime<chrono::Utc>> for Timestamp {
    fn from(time: chrono::DateTime<chrono::Utc>) -> Self {
        Self(time.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with a fraction only where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_datetime() {
            Some(time) => f.write_str(&time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            None => write!(f, "{} us", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        let time = chrono::DateTime::parse_from_rfc3339(&text).map_err(de::Error::custom)?;
        Ok(time.to_utc().into())
    }
}

macro_rules! hex_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        ///
        /// A byte string in payloads, hexadecimal in JSON.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $len]);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    serde_bytes::ByteBuf::deserialize(deserializer)?.try_into().map_err(de::Error::custom)
                }
            }
        }

        impl $name {
            /// Wraps octets.
            #[must_use]
            pub const fn new(octets: [u8; $len]) -> Self {
                Self(octets)
            }

            /// The octets.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = HexError;

            /// Lower-case or upper-case hexadecimal.
            fn from_str(text: &str) -> Result<Self, HexError> {
                let bad = || HexError { text: text.chars().take(80).collect(), octets: $len };
                let digits: Vec<u8> = text
                    .chars()
                    .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or_else(bad))
                    .collect::<Result<_, _>>()?;
                let octets: Vec<u8> = digits
                    .chunks(2)
                    .map(|pair| match pair {
                        [high, low] => Ok(high << 4 | low),
                        _ => Err(bad()),
                    })
                    .collect::<Result<_, _>>()?;
                <[u8; $len]>::try_from(octets).map(Self).map_err(|_| bad())
            }
        }

        impl TryFrom<serde_bytes::ByteBuf> for $name {
            type Error = HexError;

            fn try_from(bytes: serde_bytes::ByteBuf) -> Result<Self, HexError> {
                <[u8; $len]>::try_from(bytes.into_vec())
                    .map(Self)
                    .map_err(|_| HexError { text: "octets of another length".into(), octets: $len })
            }
        }
    };
}

hex_bytes! {
    /// Names a commit: random, or derived from the caller's idempotency key (architecture, invariant 12).
    CommitId, 16
}
hex_bytes! {
    /// SHA-256 over a request as it was asked, before defaults and draws (architecture, invariant 12).
    RequestDigest, 32
}
hex_bytes! {
    /// A SHA-256 digest.
    Digest, 32
}

/// The two digits of an octet. Streams are named with them in every decision, and `{:02x}` is ten times slower.
pub(super) const fn hex(octet: u8) -> [u8; 2] {
    const fn digit(half: u8) -> u8 {
        if half < 10 { b'0' + half } else { b'a' - 10 + half }
    }
    [digit(octet >> 4), digit(octet & 0xf)]
}

/// Lower-case hexadecimal.
pub(crate) fn write_hex(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    octets.chunks(32).try_for_each(|chunk| {
        let mut digits = [0; 64];
        let (pairs, _) = digits.as_chunks_mut::<2>();
        pairs.iter_mut().zip(chunk).for_each(|(pair, octet)| *pair = hex(*octet));
        f.write_str(digits.get(..2 * chunk.len()).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default())
    })
}

impl Digest {
    /// Thirty-two zeros: what stands before the first commit.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of octets.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        Self(Sha256::digest(octets).into())
    }
}

impl CommitId {
    /// The id that a caller's idempotency key stands for, within one log.
    #[must_use]
    pub fn from_idempotency_key(key: &str) -> Self {
        Self::derived(b"pca-idempotency-key\0", key.as_bytes())
    }

    /// The id of the `step`-th commit of a process that this commit began, or of the `step`-th request of a bulk.
    #[must_use]
    pub fn step(&self, step: u64) -> Self {
        let mut input = self.0.to_vec();
        input.extend_from_slice(&step.to_be_bytes());
        Self::derived(b"pca-commit-step\0", &input)
    }

    fn derived(tag: &[u8], input: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::new().chain_update(tag).chain_update(input).finalize().into();
        let mut id = [0; 16];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

/// Text that is not the expected number of octets in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {octets} octets in hexadecimal")]
pub struct HexError {
    /// What was given, cut to 80 characters.
    pub text: String,
    /// How many octets were expected.
    pub octets: usize,
}

/// A short typed id, derived from a commit and an ordinal in it: `prefix`, `_`, and 16 characters that stand for 80 bits.
#[must_use]
pub fn short_id(prefix: &str, commit: &CommitId, ordinal: u32) -> String {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(b"pca-short-id\0")
        .chain_update(prefix.as_bytes())
        .chain_update([0])
        .chain_update(commit.as_bytes())
        .chain_update(ordinal.to_be_bytes())
        .finalize()
        .into();
    let mut id = String::with_capacity(prefix.len() + 17);
    id.push_str(prefix);
    id.push('_');
    // Writing into a text cannot fail.
    let _ = write_base32(digest.get(..10).unwrap_or_default(), &mut id);
    id
}

/// Whether the text has the shape of [`short_id`].
#[must_use]
pub fn is_short_id(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')))
}

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Base 32 of RFC 4648 section 6 in lower case, without padding.
#[must_use]
pub fn base32(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(5) * 8);
    // Writing into a text cannot fail.
    let _ = write_base32(octets, &mut text);
    text
}

/// Writes [`base32`] of octets.
pub(crate) fn write_base32(octets: &[u8], to: &mut impl fmt::Write) -> fmt::Result {
    octets.chunks(5).try_for_each(|chunk| {
        let group = chunk
            .iter()
            .chain(core::iter::repeat(&0))
            .take(5)
            .fold(0_u64, |group, octet| group << 8 | u64::from(*octet));
        let digit = |place: u32| {
            let index = usize::try_from(group >> (35 - 5 * place) & 31).unwrap_or_default();
            BASE32.get(index).copied().unwrap_or_default()
        };
        let digits = [0, 1, 2, 3, 4, 5, 6, 7].map(digit);
        let length = (chunk.len() * 8).div_ceil(5);
        to.write_str(digits.get(..length).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default())
    })
}

/// The octets that [`base32`] wrote; nothing if the text is no such text.
#[must_use]
pub fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() * 5 / 8);
    let mut buffer = 0_u32;
    let mut bits = 0_u32;
    for character in text.bytes() {
        let value = match character {
            b'a'..=b'z' => character - b'a',
            b'2'..=b'7' => character - b'2' + 26,
            _ => return None,
        };
        buffer = buffer << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            octets.extend_from_slice(buffer.checked_shr(bits)?.to_be_bytes().last_chunk::<1>()?);
            buffer &= (1 << bits) - 1;
        }
    }
    (buffer == 0 && base32(&octets) == text).then_some(octets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn base32_round_trips_and_knows_its_vectors() {
        for (octets, text) in [(&b""[..], ""), (b"f", "my"), (b"fo", "mzxq"), (b"foobar", "mzxw6ytboi")] {
            assert_eq!(base32(octets), text, "RFC 4648 section 10");
            assert_eq!(from_base32(text).as_deref(), Some(octets));
        }
        assert_eq!(from_base32("mz1"), None);
        assert_eq!(from_base32("mz"), None, "bits are left over");
    }

    #[test]
    fn times_are_printed_as_rfc_3339() {
        assert_eq!(Timestamp::from_secs(1_700_000_000).to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(Timestamp::from_micros(-1).secs(), -1);
    }

    #[test]
    fn json_is_for_people_and_payloads_are_compact() {
        let (digest, time) = (Digest::of(b"abc"), Timestamp::from_micros(1_700_000_000_500_000));
        let json = serde_json::to_value((digest, time)).unwrap();
        assert_eq!(json, serde_json::json!([digest.to_string(), "2023-11-14T22:13:20.500Z"]));
        assert_eq!(serde_json::from_value::<(Digest, Timestamp)>(json).unwrap(), (digest, time));
        let packed = rmp_serde::to_vec_named(&(digest, time)).unwrap();
        assert_eq!((packed.len(), packed[..3].to_vec()), (1 + 2 + 32 + 9, vec![0x92, 0xc4, 32]));
        assert_eq!(rmp_serde::from_slice::<(Digest, Timestamp)>(&packed).unwrap(), (digest, time));
    }

    #[test]
    fn hex_is_read_back() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("zz".parse::<CommitId>().is_err());
    }

    #[test]
    fn ids_differ_by_ordinal_and_are_recognised() {
        let commit = CommitId::from_idempotency_key("k");
        let id = short_id("ca", &commit, 0);
        assert!(is_short_id("ca", &id), "{id}");
        assert_ne!(id, short_id("ca", &commit, 1));
        assert_ne!(commit.step(1), commit.step(2));
    }
}
