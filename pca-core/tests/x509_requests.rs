//! Certificate signing requests (rule I3): what proves possession is taken, everything else is refused with its reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod x509_support;

use pca_core::keys::software::default_backend;
use pca_core::keys::{Algorithm, PrivateKey};
use pca_core::x509::{
    CsrError, GeneralName, KeyUsage, PemError, SignatureAlgorithmError, VerifiedCsr, Wildcards, assemble, ca_csr_tbs,
    csr_tbs,
};
use x509_support::forge::{oid, seq, tlv};
use x509_support::{key, name, pem, sign};

fn names() -> Vec<GeneralName> {
    vec![GeneralName::dns("oa.example", Wildcards::Narrow).unwrap(), GeneralName::ip("10.0.0.1").unwrap()]
}

fn request(key: &PrivateKey) -> Vec<u8> {
    sign(&csr_tbs(&name("oa.example"), key.public_key(), &names()), key)
}

/// A request with any attributes, signed.
fn with_attributes(key: &PrivateKey, version: u8, attributes: &[u8]) -> Vec<u8> {
    let info = seq(&[&[2, 1, version], name("a").der(), key.public_key().spki_der(), attributes]);
    sign(&info, key)
}

#[test]
fn i3_requests_of_every_algorithm_are_verified_and_read() {
    for algorithm in
        [Algorithm::Rsa2048, Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::EcdsaP521, Algorithm::Ed25519]
    {
        let key = key(algorithm, 3);
        let der = request(&key);
        let csr = VerifiedCsr::verify(&der).unwrap();
        assert_eq!(csr.public_key(), key.public_key());
        assert_eq!(csr.subject(), &name("oa.example"));
        assert_eq!(csr.names(), names());
        assert_eq!(csr.der(), der);
        let file = format!("some text\n{}", pem("CERTIFICATE REQUEST", &der));
        assert_eq!(VerifiedCsr::verify(file.as_bytes()).unwrap(), csr);
        let packed = rmp_serde::to_vec_named(&csr).unwrap();
        assert_eq!(rmp_serde::from_slice::<VerifiedCsr>(&packed).unwrap(), csr);
    }
}

#[test]
fn i3_possession_is_proven_over_the_raw_octets() {
    let (mine, other) = (key(Algorithm::EcdsaP256, 3), key(Algorithm::EcdsaP256, 4));
    let tbs = csr_tbs(&name("a"), mine.public_key(), &[]);
    assert!(matches!(VerifiedCsr::verify(&sign(&tbs, &other)), Err(CsrError::Possession(_))));
    let der = request(&mine);
    for position in 0..der.len() {
        let mut octets = der.clone();
        octets[position] ^= 1;
        assert!(VerifiedCsr::verify(&octets).is_err(), "octet {position}");
    }
    // A request in the log is verified again.
    let mut octets = der.clone();
    octets[60] ^= 1;
    let packed = rmp_serde::to_vec(&serde_bytes::ByteBuf::from(octets)).unwrap();
    assert!(rmp_serde::from_slice::<VerifiedCsr>(&packed).is_err());
}

#[test]
fn broken_hashes_are_refused_by_name() {
    let key = key(Algorithm::Rsa2048, 3);
    let tbs = csr_tbs(&name("a"), key.public_key(), &[]);
    for (kind, hash) in [("1.2.840.113549.1.1.5", "SHA-1"), ("1.2.840.113549.1.1.4", "MD5")] {
        let octets = seq(&[&tbs, &seq(&[&oid(kind), &[5, 0]]), &tlv(3, &[0, 1, 2])]);
        let error = VerifiedCsr::verify(&octets).unwrap_err();
        assert!(matches!(error, CsrError::Algorithm(SignatureAlgorithmError::Weak { .. })));
        assert!(error.to_string().contains(hash) && error.rule() == "I3", "{error}");
    }
    // The key signs in another way than is named.
    let algorithm = key.public_key().signature_algorithm();
    let signature = default_backend().signer(&key).unwrap().sign(algorithm, &tbs).unwrap();
    let mixed = assemble(&tbs, pca_core::keys::SignatureAlgorithm::RsaPkcs1Sha512, &signature);
    assert!(matches!(VerifiedCsr::verify(&mixed), Err(CsrError::Possession(_))));
}

#[test]
fn g4_limits_come_before_any_work() {
    let key = key(Algorithm::EcdsaP256, 3);
    let error = VerifiedCsr::verify(&vec![0x30; 64 * 1024 + 1]).unwrap_err();
    assert_eq!((error.rule(), error), ("G4", CsrError::TooLarge { octets: 65_537 }));
    let huge = [b"-----BEGIN CERTIFICATE REQUEST-----\n".to_vec(), vec![b'A'; 1024 * 1024]].concat();
    let error = VerifiedCsr::verify(&huge).unwrap_err();
    assert!(matches!(error, CsrError::Pem(PemError::TooLarge { .. })) && error.rule() == "G4");
    let mut deep = vec![5, 0];
    (0..33).for_each(|_| deep = tlv(0x30, &deep));
    let error = VerifiedCsr::verify(&with_attributes(&key, 0, &tlv(0xa0, &deep))).unwrap_err();
    assert_eq!(error.rule(), "G4", "{error}");
}

#[test]
fn attributes_are_read_strictly_but_foreign_ones_are_passed_over() {
    let key = key(Algorithm::EcdsaP256, 3);
    let challenge = seq(&[&oid("1.2.840.113549.1.9.7"), &tlv(0x31, &tlv(0x0c, b"word"))]);
    let san = seq(&[&oid("2.5.29.17"), &tlv(4, &seq(&[&tlv(0x82, b"a.example")]))]);
    let wishes = seq(&[&oid("1.2.840.113549.1.9.14"), &tlv(0x31, &seq(&[&san]))]);
    let read = |attributes: &[&[u8]]| VerifiedCsr::verify(&with_attributes(&key, 0, &tlv(0xa0, &attributes.concat())));
    assert_eq!(read(&[&challenge, &wishes]).unwrap().names().len(), 1);
    assert_eq!(read(&[]).unwrap().names(), []);
    assert!(VerifiedCsr::verify(&with_attributes(&key, 0, &[])).is_ok(), "attributes left out");
    assert!(matches!(read(&[&wishes, &wishes]), Err(CsrError::Extension(_))));
    assert!(matches!(VerifiedCsr::verify(&with_attributes(&key, 1, &tlv(0xa0, &[]))), Err(CsrError::Der(_))));
    let twice = seq(&[&oid("1.2.840.113549.1.9.14"), &tlv(0x31, &seq(&[&san, &san]))]);
    assert!(matches!(read(&[&twice]), Err(CsrError::Extension(_))));
}

#[test]
fn weak_keys_are_refused() {
    let mut modulus = vec![0, 0xc1];
    modulus.resize(129, 0x55);
    let mut bits = vec![0];
    bits.extend(seq(&[&tlv(2, &modulus), &tlv(2, &[1, 0, 1])]));
    let spki = seq(&[&seq(&[&oid("1.2.840.113549.1.1.1"), &[5, 0]]), &tlv(3, &bits)]);
    let info = seq(&[&[2, 1, 0], name("a").der(), &spki, &tlv(0xa0, &[])]);
    let octets = seq(&[&info, &seq(&[&oid("1.2.840.113549.1.1.11"), &[5, 0]]), &tlv(3, &[0, 1])]);
    let error = VerifiedCsr::verify(&octets).unwrap_err();
    assert!(matches!(error, CsrError::Key(_)) && error.to_string().contains("1024"), "{error}");
}

#[test]
fn what_is_no_request_is_refused() {
    let key = key(Algorithm::EcdsaP256, 3);
    let der = request(&key);
    for wrong in [&der[..der.len() - 1], &[&der[..], &[0]].concat(), b"", b"words", pem("CERTIFICATE", &der).as_bytes()]
    {
        assert!(VerifiedCsr::verify(wrong).is_err());
    }
}

#[test]
fn a_ca_asks_an_external_issuer() {
    let key = key(Algorithm::EcdsaP384, 3);
    let csr = VerifiedCsr::verify(&sign(&ca_csr_tbs(&name("Acme OA"), key.public_key(), Some(0)), &key)).unwrap();
    let wishes = csr.requested();
    assert!(wishes.is_ca() && wishes.key_usage == Some(KeyUsage::CERTIFICATE_AUTHORITY));
    assert_eq!(wishes.basic_constraints.and_then(|constraints| constraints.path_length), Some(0));
}
