//! Revocation lists that are brought along with an upload (rules A3, C3): what is a full list is read, else the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod x509_support;

use pca_core::keys::Algorithm;
use pca_core::log::Timestamp;
use pca_core::x509::{Crl, CrlEntry, CrlError, ParsedCrl, PemError, RevocationReason};
use x509_support::forge::{extension, oid, seq, tlv};
use x509_support::{NOW, key, pem, root, serial, sign};

/// A list with these entries and extensions, signed by the root's key.
fn forged(version: &[u8], entries: &[&[u8]], extensions: &[Vec<u8>]) -> Vec<u8> {
    let root = root(Algorithm::EcdsaP256);
    let extensions = if extensions.is_empty() { vec![] } else { tlv(0xa0, &tlv(0x30, &extensions.concat())) };
    let entries = if entries.is_empty() { vec![] } else { seq(entries) };
    let tbs = seq(&[
        version,
        &seq(&[&oid("1.2.840.10045.4.3.2")]),
        root.certificate.subject().der(),
        &tlv(0x17, b"250601000000Z"),
        &entries,
        &extensions,
    ]);
    sign(&tbs, &root.key)
}

fn entry(extensions: &[u8]) -> Vec<u8> {
    seq(&[&[2, 1, 5], &tlv(0x17, b"250501000000Z"), extensions])
}

const V2: &[u8] = &[2, 1, 1];

fn read(octets: Vec<u8>) -> Result<ParsedCrl, CrlError> {
    ParsedCrl::from_der(octets)
}

#[test]
fn a_bare_list_of_version_1_is_read() {
    let list = read(forged(&[], &[&entry(&[])], &[])).unwrap();
    let expected = CrlEntry {
        serial: "05".parse().unwrap(),
        revoked_at: Timestamp::from_secs(1_746_057_600),
        reason: RevocationReason::Unspecified,
        invalidity_date: None,
    };
    assert_eq!(list.entries(), [expected]);
    assert_eq!((list.number(), list.next_update()), (None, None));
    list.verify_signature(key(Algorithm::EcdsaP256, 1).public_key()).unwrap();
}

#[test]
fn lists_that_cover_only_a_part_are_refused() {
    let number = tlv(2, &[1]);
    assert_eq!(read(forged(V2, &[], &[extension("2.5.29.27", true, &number)])), Err(CrlError::Delta));
    assert_eq!(read(forged(V2, &[], &[extension("2.5.29.28", true, &[0x30, 0])])), Err(CrlError::Partial));
    let unknown = extension("1.2.3.4", true, &[5, 0]);
    assert!(matches!(read(forged(V2, &[], &[unknown])), Err(CrlError::UnknownCriticalExtension { .. })));
    assert!(read(forged(V2, &[], &[extension("1.2.3.4", false, &[5, 0])])).is_ok());
}

#[test]
fn entries_that_cannot_be_carried_over_are_refused() {
    // An indirect list: the entry belongs to another issuer.
    let indirect = entry(&seq(&[&extension("2.5.29.29", true, &seq(&[&tlv(0x82, b"a")]))]));
    assert!(matches!(read(forged(V2, &[&indirect], &[])), Err(CrlError::UnknownCriticalExtension { .. })));
    let reason = |code: u8| entry(&seq(&[&extension("2.5.29.21", false, &[0x0a, 1, code])]));
    assert_eq!(read(forged(V2, &[&reason(6)], &[])).unwrap().entries()[0].reason, RevocationReason::CertificateHold);
    assert!(matches!(read(forged(V2, &[&reason(7)], &[])), Err(CrlError::Extension(_))));
    let negative = seq(&[&[2, 1, 0x85], &tlv(0x17, b"250501000000Z")]);
    assert!(matches!(read(forged(V2, &[&negative], &[])), Err(CrlError::Serial(_))));
}

#[test]
fn what_is_no_list_is_refused() {
    let good = forged(V2, &[&entry(&[])], &[extension("2.5.29.20", false, &tlv(2, &[7]))]);
    assert_eq!(read(good.clone()).unwrap().number(), Some(7));
    assert_eq!(ParsedCrl::from_pem_or_der(pem("X509 CRL", &good).as_bytes()), read(good.clone()));
    assert!(read(good[..good.len() - 1].to_vec()).is_err());
    assert!(read([&good[..], &[0]].concat()).is_err());
    assert!(read(forged(&[2, 1, 2], &[], &[])).is_err(), "version 3 does not exist");
    assert!(ParsedCrl::from_pem_or_der(pem("CERTIFICATE", &good).as_bytes()).is_err());
    let huge = tlv(2, &[1; 10]);
    assert!(read(forged(V2, &[], &[extension("2.5.29.20", false, &huge)])).is_err(), "a number above 64 bits");
}

#[test]
fn g4_limits_of_a_list_have_their_own_rule() {
    let deep = (0..40).fold(vec![5, 0], |inner, _| tlv(0x30, &inner));
    let nested = read(forged(V2, &[&deep], &[])).unwrap_err();
    assert_eq!(nested.rule(), "G4", "{nested}");
    let file = pem("X509 CRL", &vec![7; 1 << 20]);
    let large = ParsedCrl::from_pem_or_der(file.as_bytes()).unwrap_err();
    assert_eq!((large.rule(), large), ("G4", CrlError::Pem(PemError::TooLarge { octets: file.len() })));
    // As zeros that are never touched.
    let octets = 256 * 1024 * 1024 + 1;
    let huge = read(vec![0; octets]).unwrap_err();
    assert_eq!((huge.rule(), huge), ("G4", CrlError::TooLarge { octets }));
    assert_eq!(read(vec![0x30, 1]).unwrap_err().rule(), "C3");
}

#[test]
fn a3_numbers_rise_with_time_and_never_fall() {
    assert_eq!(Crl::next_number(None, NOW), 1_748_736_000);
    assert_eq!(Crl::next_number(Some(5), NOW), 1_748_736_000);
    assert_eq!(Crl::next_number(Some(1_748_736_000), NOW), 1_748_736_001);
    assert_eq!(Crl::next_number(Some(u64::MAX - 1), NOW), u64::MAX);
    assert_eq!(Crl::next_number(Some(7), Timestamp::from_secs(-1)), 8);
}

#[test]
fn entries_encoded_together_or_apart_make_the_same_list() {
    let root = root(Algorithm::Ed25519);
    let issuer = root.issuer();
    let crl = Crl { issuer: &issuer, number: 1, this_update: NOW, next_update: NOW };
    let entries: Vec<CrlEntry> = (1..=40)
        .map(|number| CrlEntry {
            serial: serial(number),
            revoked_at: NOW,
            reason: RevocationReason::KeyCompromise,
            invalidity_date: None,
        })
        .collect();
    let apart: Vec<Vec<u8>> = entries.iter().map(CrlEntry::encode).collect();
    let mut together = Vec::new();
    entries.iter().for_each(|entry| entry.encode_into(&mut together));
    assert_eq!(crl.tbs(apart.iter().map(Vec::as_slice)), crl.tbs([together.as_slice()]));
    assert_eq!(crl.tbs([]), crl.tbs([&[][..]]), "nothing is no list of revoked certificates");
}

#[test]
fn a2_an_unspecified_reason_is_no_reason_code() {
    let entry = |reason, invalidity_date| {
        CrlEntry { serial: "05".parse().unwrap(), revoked_at: NOW, reason, invalidity_date }.encode()
    };
    let bare = seq(&[&[2, 1, 5], &tlv(0x17, b"250601000000Z")]);
    assert_eq!(entry(RevocationReason::Unspecified, None), bare);
    let coded = seq(&[&extension("2.5.29.21", false, &[0x0a, 1, 5])]);
    assert_eq!(
        entry(RevocationReason::CessationOfOperation, None),
        seq(&[&[2, 1, 5], &tlv(0x17, b"250601000000Z"), &coded])
    );
    let dated = seq(&[&extension("2.5.29.24", false, &tlv(0x18, b"20250601000000Z"))]);
    assert_eq!(
        entry(RevocationReason::Unspecified, Some(NOW)),
        seq(&[&[2, 1, 5], &tlv(0x17, b"250601000000Z"), &dated])
    );
}

#[test]
fn a_list_is_written_octet_for_octet_as_rfc_5280_has_it() {
    let root = root(Algorithm::EcdsaP256);
    let issuer = root.issuer();
    let crl = Crl { issuer: &issuer, number: 300, this_update: NOW, next_update: Crl::NO_NEXT_UPDATE };
    let identifier = root.key.public_key().key_identifier();
    let extensions = tlv(
        0xa0,
        &seq(&[
            &extension("2.5.29.35", false, &seq(&[&tlv(0x80, &identifier)])),
            &extension("2.5.29.20", false, &[2, 2, 1, 44]),
        ]),
    );
    let expected = |revoked: &[u8]| {
        seq(&[
            V2,
            &seq(&[&oid("1.2.840.10045.4.3.2")]),
            root.certificate.subject().der(),
            &tlv(0x17, b"250601000000Z"),
            &tlv(0x18, b"99991231235959Z"),
            revoked,
            &extensions,
        ])
    };
    assert_eq!(crl.tbs([]), expected(&[]), "no empty list of revoked certificates");
    let entry = entry(&[]);
    assert_eq!(crl.tbs([entry.as_slice()]), expected(&seq(&[&entry])));
}
