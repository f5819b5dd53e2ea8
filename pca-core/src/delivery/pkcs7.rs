//! PKCS#7 that holds nothing but certificates: the degenerate `SignedData` without signers (RFC 2315 section 9.1, RFC 5652
//! section 5.1), DER in a `.p7b`.

use const_oid::ObjectIdentifier;

use super::DeliveryError;
use super::tlv::{CONTEXT_0, SEQUENCE, SET, Value, integer, object_identifier, tlv};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");

/// The certificates, each once, in the order that DER demands of a SET OF (X.690 section 11.6): strict readers refuse any
/// other, and all of them find the path by names and keys, not by order.
pub(super) fn certificates<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Value, DeliveryError> {
    let mut members: Vec<Value> = certificates.into_iter().map(|der| der.to_vec().into()).collect();
    members.sort_by(|one, other| one.as_slice().cmp(other.as_slice()));
    members.dedup();
    let members: Vec<&[u8]> = members.iter().map(|member| member.as_slice()).collect();
    let nothing = tlv(SET, &[])?;
    let signed_data = tlv(
        SEQUENCE,
        &[
            &integer(1)?,
            &nothing,
            &tlv(SEQUENCE, &[&object_identifier(DATA)?])?,
            // `certificates [0] IMPLICIT SET OF`: its tag stands in the place of the set's.
            &tlv(CONTEXT_0, &members)?,
            &nothing,
        ],
    )?;
    tlv(SEQUENCE, &[&object_identifier(SIGNED_DATA)?, &tlv(CONTEXT_0, &[&signed_data])?])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn members_are_sorted_and_told_once() {
        let [low, high] = [&[0x30, 1, 5][..], &[0x30, 1, 9]];
        let made = certificates([high, low, high]).unwrap();
        let end = [0xa0, 6, 0x30, 1, 5, 0x30, 1, 9, 0x31, 0];
        assert!(made.ends_with(&end), "{made:02x?}");
        assert_eq!(certificates([low, high]).unwrap(), made);
    }
}
