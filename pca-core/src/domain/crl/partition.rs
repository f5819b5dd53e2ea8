//! Partitions of a CA's CRLs, and where its lists are (rule A3).
//!
//! Which partition a certificate belongs to follows from its serial number alone. So it costs nothing to know, it is the
//! same when a decision is taken again (its octets keep their signature), and the partitions grow evenly. It is written
//! down in the certificate's event and in the certificate, and stays when their number or their addresses change.

use crate::domain::event::{Addresses, CrlPartition};
use crate::domain::policy::Policy;
use crate::x509::{SerialNumber, crl_address_beside};

/// The partition that a certificate with this serial number is put into, where CRLs are divided into so many.
#[must_use]
pub fn partition_of(serial: &SerialNumber, partitions: u32) -> Option<u16> {
    // Its last eight octets, which are random in serial numbers that the platform makes.
    let number = serial.as_der_content().iter().fold(0_u64, |number, octet| number << 8 | u64::from(*octet));
    number.checked_rem(partitions.into()).and_then(|index| u16::try_from(index).ok())
}

/// Where the list of a partition is, beside the full one.
#[must_use]
pub fn partition_address(crl_url: &str, index: u16) -> String {
    crl_address_beside(crl_url, &index.to_string())
}

/// Where the deltas to the full list, or to that of a partition, are.
#[must_use]
pub fn delta_address(crl_url: &str, partition: Option<u16>) -> String {
    match partition {
        Some(index) => crl_address_beside(crl_url, &format!("{index}.delta")),
        None => crl_address_beside(crl_url, "delta"),
    }
}

/// A partition with all addresses that its certificates may name; the newest first, as some look no further.
pub(super) fn partition(crl_urls: &[String], index: u16) -> CrlPartition {
    CrlPartition { index, addresses: crl_urls.iter().rev().map(|url| partition_address(url, index)).collect() }
}

/// Where a list says that deltas to it are, if the policy has them and the CA an address.
pub(super) fn freshest(policy: &Policy, addresses: &Addresses, partition: Option<u16>) -> Option<String> {
    addresses.crl_url.as_deref().filter(|_| policy.delta_crls).map(|url| delta_address(url, partition))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a3_partitions_grow_evenly_and_a_serial_number_has_one() {
        let mut counts = [0; 7];
        for round in 0..7_000_u64 {
            let mut random = [3; 10];
            let digest = crate::log::Digest::of(&round.to_be_bytes());
            random.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
            let index = partition_of(&SerialNumber::from_random(random), 7).unwrap();
            assert_eq!(partition_of(&SerialNumber::from_random(random), 7), Some(index));
            *counts.get_mut(usize::from(index)).unwrap() += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(partition_of(&"01".parse().unwrap(), 0), None);
    }

    #[test]
    fn a3_the_newest_address_of_a_partition_comes_first() {
        let urls = ["http://old.example/oa.crl".to_owned(), "http://pki.example/oa.crl".to_owned()];
        let partition = partition(&urls, 3);
        assert_eq!(partition.addresses, ["http://pki.example/oa.3.crl", "http://old.example/oa.3.crl"]);
        assert_eq!(delta_address("http://pki.example/oa.crl", Some(3)), "http://pki.example/oa.3.delta.crl");
    }
}
