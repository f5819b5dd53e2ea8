//! Serial numbers (RFC 5280 section 4.1.2.2) and the ids of certificates.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::name::NameHash;
use crate::log::{StreamId, StreamName, from_base32, write_base32, write_hex};

/// A certificate's serial number.
///
/// RFC 5280 section 4.1.2.2: *"The serial number MUST be a positive integer assigned by the CA to each certificate. It
/// MUST be unique for each certificate issued by a given CA […]. Conforming CAs MUST NOT use serialNumber values longer
/// than 20 octets."* Kept as the content octets of its DER INTEGER, so that it is written without conversion.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SerialNumber {
    octets: [u8; Self::MAX_LEN],
    length: u8,
}

impl SerialNumber {
    /// The most octets that a serial number may have.
    pub const MAX_LEN: usize = 20;

    /// The serial number that the platform makes of 10 random octets: always 10 octets, the first of them `0x40` to
    /// `0x7f`, so that 78 bits are random (rule I5).
    #[must_use]
    pub fn from_random(random: [u8; 10]) -> Self {
        let mut octets = [0; Self::MAX_LEN];
        octets.iter_mut().zip(random).for_each(|(to, from)| *to = from);
        if let Some(first) = octets.first_mut() {
            *first = *first & 0x3f | 0x40;
        }
        Self { octets, length: 10 }
    }

    /// Checks the content octets of a DER INTEGER.
    ///
    /// # Errors
    /// [`SerialNumberError`] if the number is not positive, too long or not in its shortest form.
    pub fn from_der_content(content: &[u8]) -> Result<Self, SerialNumberError> {
        let (first, second) = (content.first().copied(), content.get(1).copied());
        match (first, second) {
            (None, _) => return Err(SerialNumberError::Empty),
            (Some(0), None) => return Err(SerialNumberError::Zero),
            (Some(0), Some(second)) if second < 0x80 => return Err(SerialNumberError::NotShortest),
            (Some(0x80..), _) => return Err(SerialNumberError::Negative),
            _ => {}
        }
        if content.len() > Self::MAX_LEN {
            return Err(SerialNumberError::TooLong { octets: content.len() });
        }
        let mut octets = [0; Self::MAX_LEN];
        octets.iter_mut().zip(content).for_each(|(to, from)| *to = *from);
        let length = u8::try_from(content.len()).map_err(|_| SerialNumberError::TooLong { octets: content.len() })?;
        Ok(Self { octets, length })
    }

    /// The content octets of the DER INTEGER.
    #[must_use]
    pub fn as_der_content(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// The content without the octet that only carries the sign: as it stands in texts and in the names of streams.
    fn magnitude(&self) -> &[u8] {
        let content = self.as_der_content();
        content.strip_prefix(&[0]).unwrap_or(content)
    }
}

impl PartialEq for SerialNumber {
    fn eq(&self, other: &Self) -> bool {
        self.as_der_content() == other.as_der_content()
    }
}

impl Eq for SerialNumber {}

impl Hash for SerialNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_der_content().hash(state);
    }
}

impl Ord for SerialNumber {
    /// By value.
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.length.cmp(&other.length).then_with(|| self.as_der_content().cmp(other.as_der_content()))
    }
}

impl PartialOrd for SerialNumber {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SerialNumber {
    /// Lower-case hexadecimal without the octet that only carries the sign.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.magnitude(), f)
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

impl FromStr for SerialNumber {
    type Err = SerialNumberError;

    /// Hexadecimal in either case, with or without leading zeros, with or without colons between octets.
    fn from_str(text: &str) -> Result<Self, SerialNumberError> {
        let digits: String = text.chars().filter(|character| *character != ':').collect();
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Err(if text.is_empty() { SerialNumberError::Empty } else { SerialNumberError::Zero });
        }
        if digits.len() > 2 * Self::MAX_LEN {
            return Err(SerialNumberError::TooLong { octets: digits.len().div_ceil(2) });
        }
        let even = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
        let mut octets = octets_from_hex(&even)
            .ok_or_else(|| SerialNumberError::NotHexadecimal { text: text.chars().take(60).collect() })?;
        if octets.first().is_some_and(|first| *first >= 0x80) {
            octets.insert(0, 0);
        }
        Self::from_der_content(&octets)
    }
}

impl TryFrom<String> for SerialNumber {
    type Error = SerialNumberError;

    fn try_from(text: String) -> Result<Self, SerialNumberError> {
        text.parse()
    }
}

impl From<SerialNumber> for String {
    fn from(serial: SerialNumber) -> Self {
        serial.to_string()
    }
}

/// Why something is no serial number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SerialNumberError {
    /// Nothing at all.
    #[error("the serial number has no octets")]
    Empty,
    /// Zero.
    #[error("the serial number is 0; a positive number is needed")]
    Zero,
    /// Below zero.
    #[error("the serial number is negative; a positive number is needed")]
    Negative,
    /// A superfluous leading zero.
    #[error("the serial number is not written in its shortest form, which DER demands")]
    NotShortest,
    /// Longer than 20 octets.
    #[error("the serial number has {octets} octets; at most 20 are allowed")]
    TooLong {
        /// How many it has.
        octets: usize,
    },
    /// Not hexadecimal.
    #[error("`{text}` is not a serial number: hexadecimal digits are expected")]
    NotHexadecimal {
        /// What was given, cut to 60 characters.
        text: String,
    },
}

/// Names a certificate: the digest of its issuer's name and its serial number, which together are unique for ever
/// (rule I5). Its text is `crt_` and base 32 of both; stream and id can be made of one another without an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CertificateId {
    issuer: NameHash,
    serial: SerialNumber,
}

impl CertificateId {
    /// The id of the certificate with this serial number from the issuer of this name.
    #[must_use]
    pub const fn new(issuer: NameHash, serial: SerialNumber) -> Self {
        Self { issuer, serial }
    }

    /// The digest of the issuer's name.
    #[must_use]
    pub const fn issuer(&self) -> NameHash {
        self.issuer
    }

    /// The serial number.
    #[must_use]
    pub const fn serial(&self) -> SerialNumber {
        self.serial
    }

    /// The stream of this certificate, `certificate/<issuer name hash>/<serial hex>`: the claim of the serial number.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.stream_name().into()
    }

    pub(crate) fn stream_name(&self) -> StreamName {
        let name = StreamName::begin("certificate").text("/").hex(self.issuer.as_bytes());
        name.text("/").hex(self.serial.magnitude())
    }

    /// The certificate that a stream is about; nothing if the stream is about something else.
    #[must_use]
    pub fn from_stream(stream: &StreamId) -> Option<Self> {
        let (issuer, serial) = stream.as_str().strip_prefix("certificate/")?.split_once('/')?;
        let id = Self { issuer: issuer.parse().ok()?, serial: serial.parse().ok()? };
        (id.stream() == *stream).then_some(id)
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut octets = [0; NameHash::LEN + SerialNumber::MAX_LEN];
        let content = self.serial.as_der_content();
        octets.iter_mut().zip(self.issuer.as_bytes().iter().chain(content)).for_each(|(to, from)| *to = *from);
        f.write_str("crt_")?;
        write_base32(octets.get(..NameHash::LEN + content.len()).unwrap_or_default(), f)
    }
}

impl FromStr for CertificateId {
    type Err = CertificateIdError;

    fn from_str(text: &str) -> Result<Self, CertificateIdError> {
        let bad = || CertificateIdError { text: text.chars().take(60).collect() };
        let octets = text.strip_prefix("crt_").and_then(from_base32).ok_or_else(bad)?;
        let (issuer, serial) = octets.split_first_chunk::<{ NameHash::LEN }>().ok_or_else(bad)?;
        let serial = SerialNumber::from_der_content(serial).map_err(|_| bad())?;
        Ok(Self { issuer: NameHash::new(*issuer), serial })
    }
}

impl TryFrom<String> for CertificateId {
    type Error = CertificateIdError;

    fn try_from(text: String) -> Result<Self, CertificateIdError> {
        text.parse()
    }
}

impl From<CertificateId> for String {
    fn from(id: CertificateId) -> Self {
        id.to_string()
    }
}

/// Text that is no certificate's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a certificate's id: `crt_` and base 32 (a-z, 2-7) are expected")]
pub struct CertificateIdError {
    /// What was given, cut to 60 characters.
    pub text: String,
}

/// Octets of an even number of hexadecimal digits.
pub(crate) fn octets_from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn i5_random_serials_are_positive_and_ten_octets() {
        for fill in [0x00, 0x3f, 0x40, 0x80, 0xff] {
            let serial = SerialNumber::from_random([fill; 10]);
            assert_eq!(serial.as_der_content().len(), 10);
            assert!((0x40..=0x7f).contains(serial.as_der_content().first().unwrap()));
            assert_eq!(serial.to_string().parse(), Ok(serial));
        }
    }

    #[test]
    fn what_rfc_5280_forbids_is_refused() {
        for (content, error) in [
            (&[][..], SerialNumberError::Empty),
            (&[0], SerialNumberError::Zero),
            (&[0x80], SerialNumberError::Negative),
            (&[0xff; 4], SerialNumberError::Negative),
            (&[0, 1], SerialNumberError::NotShortest),
            (&[1; 21], SerialNumberError::TooLong { octets: 21 }),
        ] {
            assert_eq!(SerialNumber::from_der_content(content), Err(error));
        }
        assert!(SerialNumber::from_der_content(&[1; 20]).is_ok());
        assert_eq!("00".parse::<SerialNumber>(), Err(SerialNumberError::Zero));
        assert!("xyz".parse::<SerialNumber>().is_err());
        assert_eq!("00:A1".parse::<SerialNumber>().unwrap().as_der_content(), [0, 0xa1]);
        assert_eq!("a1".parse::<SerialNumber>().unwrap().to_string(), "a1");
    }

    #[test]
    fn the_octet_that_carries_the_sign_stands_in_no_name() {
        let id = CertificateId::new(NameHash::new([1, 2, 3, 4, 5]), "a1".parse().unwrap());
        assert_eq!(id.serial().as_der_content(), [0, 0xa1]);
        assert_eq!(id.stream().as_str(), "certificate/0102030405/a1");
    }

    #[test]
    fn ids_of_platform_serials_have_twenty_eight_characters() {
        let id = CertificateId::new(NameHash::new([1, 2, 3, 4, 5]), SerialNumber::from_random([9; 10]));
        assert_eq!(id.to_string().len(), 28);
        assert_eq!(id.stream().as_str(), format!("certificate/0102030405/{}", id.serial()));
    }

    proptest! {
        #[test]
        fn ids_and_streams_are_a_bijection(hash: [u8; 5], mut content in proptest::collection::vec(any::<u8>(), 1..=20)) {
            // No sign octet is needed, or one, as the first octet has it.
            match content.as_mut_slice() {
                [first, second, ..] if *first >= 0x80 => (*first, *second) = (0, *second | 0x80),
                [first, ..] => *first = *first & 0x7f | 1,
                [] => {}
            }
            let serial = SerialNumber::from_der_content(&content).unwrap();
            let id = CertificateId::new(NameHash::new(hash), serial);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(CertificateId::from_stream(&id.stream()), Some(id));
            let name = format!("certificate/{}/{serial}", id.issuer());
            prop_assert_eq!(id.stream().to_string(), name);
            prop_assert_eq!(serial.to_string().parse(), Ok(serial));
        }
    }
}
