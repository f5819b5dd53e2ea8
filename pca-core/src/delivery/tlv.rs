//! A writer of DER values: tag, length, contents (X.690 section 8.1).
//!
//! Buffers are sized before they are filled and wiped when dropped, since some of them hold private keys.

use der::asn1::ObjectIdentifier;
use der::{Encode, Length};
use zeroize::Zeroizing;

use super::DeliveryError;

pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const BMP_STRING: u8 = 0x1e;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, primitive: an implicitly tagged string.
pub(super) const CONTEXT_0_PRIMITIVE: u8 = 0x80;
/// `[0]`, constructed: an explicit tag around a value.
pub(super) const CONTEXT_0: u8 = 0xa0;
const OBJECT_IDENTIFIER: u8 = 0x06;
const NULL: u8 = 0x05;

/// One encoded value.
pub(super) type Value = Zeroizing<Vec<u8>>;

/// A value of the tag whose contents are the parts, one after the other.
pub(super) fn tlv(tag: u8, parts: &[&[u8]]) -> Result<Value, DeliveryError> {
    let contents: usize = parts.iter().map(|part| part.len()).sum();
    let length = Length::try_from(contents).and_then(|length| length.to_der()).map_err(|_| defect())?;
    let mut value = Zeroizing::new(Vec::with_capacity(1 + length.len() + contents));
    value.push(tag);
    value.extend_from_slice(&length);
    for part in parts {
        value.extend_from_slice(part);
    }
    Ok(value)
}

pub(super) fn object_identifier(oid: ObjectIdentifier) -> Result<Value, DeliveryError> {
    tlv(OBJECT_IDENTIFIER, &[oid.as_bytes()])
}

pub(super) fn integer(number: u32) -> Result<Value, DeliveryError> {
    number.to_der().map(Zeroizing::new).map_err(|_| defect())
}

pub(super) fn null() -> [u8; 2] {
    [NULL, 0]
}

/// A SET OF, its members in ascending order of their encodings (X.690 section 11.6).
pub(super) fn set_of(mut members: Vec<Value>) -> Result<Value, DeliveryError> {
    members.sort_by(|one, other| one.as_slice().cmp(other.as_slice()));
    let members: Vec<&[u8]> = members.iter().map(|member| member.as_slice()).collect();
    tlv(SET, &members)
}

fn defect() -> DeliveryError {
    DeliveryError::Encoding { structure: "DER value" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lengths_take_their_shortest_form() {
        for (contents, header) in [
            (0, &[0x04, 0x00][..]),
            (127, &[0x04, 0x7f]),
            (128, &[0x04, 0x81, 0x80]),
            (256, &[0x04, 0x82, 0x01, 0x00]),
            (65_536, &[0x04, 0x83, 0x01, 0x00, 0x00]),
        ] {
            let value = tlv(OCTET_STRING, &[&vec![7; contents]]).unwrap();
            assert!(value.starts_with(header), "{contents}");
            assert_eq!(value.len(), header.len() + contents);
            assert_eq!(value.capacity(), value.len(), "no copy of a secret stays behind in a smaller buffer");
        }
    }

    #[test]
    fn sets_are_sorted_and_integers_minimal() {
        let set = set_of(vec![integer(9).unwrap(), integer(3).unwrap()]).unwrap();
        assert_eq!(*set, [0x31, 6, 2, 1, 3, 2, 1, 9]);
        assert_eq!(*integer(100_000).unwrap(), [2, 3, 0x01, 0x86, 0xa0]);
        assert_eq!(*integer(200).unwrap(), [2, 2, 0, 200]);
    }
}
