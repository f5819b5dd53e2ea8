#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use proptest::prelude::*;

use super::*;
use crate::keys::software::default_backend;
use crate::keys::{Algorithm, PrivateKey};
use crate::log::Timestamp;
use crate::x509::der::{Writer, encode, tag};
use crate::x509::extension::write_extension;
use crate::x509::{
    CommonName, DerError, DistinguishedName, Issuer, ObjectIdentifier, ParsedCertificate, RevocationReason,
    SerialNumber, SubjectFields, Validity, assemble,
};

const NOW: Timestamp = Timestamp::from_secs(1_893_456_000);

fn key() -> PrivateKey {
    default_backend().generate(Algorithm::EcdsaP256).unwrap()
}

fn name() -> DistinguishedName {
    SubjectFields::common("Issuer").to_name(CommonName::Required).unwrap()
}

fn serial(number: u8) -> SerialNumber {
    SerialNumber::from_random([number; 10])
}

fn cert_id(hash: OcspHash, number: u8) -> OcspCertId {
    OcspCertId::new(hash, &name(), key().public_key(), serial(number))
}

/// A request whose list and extensions a test writes itself.
fn request(list: impl FnOnce(&mut Writer), rest: impl FnOnce(&mut Writer)) -> Vec<u8> {
    encode(|w| {
        w.nested(tag::SEQUENCE, |w| {
            w.nested(tag::SEQUENCE, |w| {
                w.nested(tag::SEQUENCE, list);
                rest(w);
            });
        });
    })
}

fn one(w: &mut Writer) {
    w.nested(tag::SEQUENCE, |w| w.raw(cert_id(OcspHash::Sha1, 1).der()));
}

fn with_extension(kind: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let kind = ObjectIdentifier::new(kind).unwrap();
    request(one, |w| {
        w.nested(tag::context_constructed(2), |w| {
            w.nested(tag::SEQUENCE, |w| write_extension(w, &kind, critical, |w| w.raw(value)));
        });
    })
}

const NONCE: &str = "1.3.6.1.5.5.7.48.1.2";

#[test]
fn a3_an_issuer_is_named_by_sha_1_and_by_sha_256() {
    let (key, other) = (key(), key());
    for hash in [OcspHash::Sha1, OcspHash::Sha256] {
        let asked = OcspCertId::new(hash, &name(), key.public_key(), serial(7));
        assert!(asked.names(&name(), key.public_key()));
        assert!(!asked.names(&name(), other.public_key()), "the key counts");
        assert!(!asked.names(&SubjectFields::common("Other").to_name(CommonName::Required).unwrap(), key.public_key()));
        let read = OcspRequest::from_der(&OcspRequest::new(vec![asked.clone()], None).to_der()).unwrap();
        assert_eq!(read.cert_ids(), [asked]);
        assert_eq!(read.nonce(), None);
    }
}

#[test]
fn a3_a_cert_id_by_another_hash_or_with_an_impossible_serial_is_read_and_names_nothing() {
    let odd = |hash: &str, serial: &[u8]| {
        let hash = ObjectIdentifier::new(hash).unwrap();
        let octets = request(
            |w| {
                w.nested(tag::SEQUENCE, |w| {
                    w.nested(tag::SEQUENCE, |w| {
                        w.nested(tag::SEQUENCE, |w| w.oid(&hash));
                        w.value(tag::OCTET_STRING, &[1; 48]);
                        w.value(tag::OCTET_STRING, &[2; 48]);
                        w.value(tag::INTEGER, serial);
                    });
                });
            },
            |_| {},
        );
        OcspRequest::from_der(&octets).map(|request| request.cert_ids()[0].clone())
    };
    let sha384 = odd("2.16.840.1.101.3.4.2.2", &[5]).unwrap();
    assert_eq!((sha384.hash(), sha384.serial()), (None, Some(SerialNumber::from_der_content(&[5]).unwrap())));
    assert!(!sha384.names(&name(), key().public_key()));
    for impossible in [&[0][..], &[0x80, 1], &[0x7f; 21]] {
        assert_eq!(odd("1.3.14.3.2.26", impossible).unwrap().serial(), None);
    }
    for no_der in [&[][..], &[0, 5], &[0xff, 0x80]] {
        assert!(matches!(odd("1.3.14.3.2.26", no_der), Err(OcspRequestError::Der(_))), "{no_der:?}");
    }
}

#[test]
fn g4_a_request_has_at_most_16_kib_and_20_certificates() {
    let many = |count| OcspRequest::new(vec![cert_id(OcspHash::Sha1, 1); count], None).to_der();
    assert_eq!(OcspRequest::from_der(&many(20)).unwrap().cert_ids().len(), 20);
    assert_eq!(OcspRequest::from_der(&many(21)), Err(OcspRequestError::TooMany));
    assert_eq!(OcspRequestError::TooMany.rule(), "G4");
    assert_eq!(OcspRequest::from_der(&many(0)), Err(OcspRequestError::Empty));
    let large = with_extension("1.2.3.4", false, &vec![0; MAX_OCSP_REQUEST]);
    assert_eq!(OcspRequest::from_der(&large), Err(OcspRequestError::TooLarge { octets: large.len() }));
    let fits = with_extension("1.2.3.4", false, &vec![0; MAX_OCSP_REQUEST - 200]);
    assert!(OcspRequest::from_der(&fits).is_ok());
}

#[test]
fn a3_a_nonce_has_1_to_128_octets() {
    for (length, good) in [(0, false), (1, true), (16, true), (32, true), (33, true), (128, true), (129, false)] {
        let octets = OcspRequest::new(vec![cert_id(OcspHash::Sha256, 1)], Some(vec![7; length])).to_der();
        match OcspRequest::from_der(&octets) {
            Ok(read) => assert!(good && read.nonce() == Some(&[7; 128][..length]), "{length}"),
            Err(error) => assert!(!good && error == OcspRequestError::Nonce { octets: length }, "{length}: {error}"),
        }
    }
    let bare = OcspRequest::from_der(&with_extension(NONCE, false, &[7; 20]));
    assert!(
        matches!(bare, Err(OcspRequestError::Extension(_))),
        "a nonce is an OCTET STRING in the OCTET STRING: {bare:?}"
    );
    assert!(OcspRequest::from_der(&with_extension(NONCE, true, &[4, 1, 7])).is_ok(), "known, so it may be critical");
}

#[test]
fn a3_unknown_critical_extensions_are_refused_and_others_ignored() {
    let unknown = ObjectIdentifier::new("1.2.3.4").unwrap();
    assert!(OcspRequest::from_der(&with_extension("1.2.3.4", false, &[5, 0])).is_ok());
    let refused = OcspRequest::from_der(&with_extension("1.2.3.4", true, &[5, 0]));
    assert_eq!(refused, Err(OcspRequestError::UnknownCriticalExtension { oid: unknown }));
    let of_one = |critical| {
        let list = |w: &mut Writer| {
            w.nested(tag::SEQUENCE, |w| {
                w.raw(cert_id(OcspHash::Sha1, 1).der());
                w.nested(tag::context_constructed(0), |w| {
                    w.nested(tag::SEQUENCE, |w| write_extension(w, &unknown, critical, |w| w.raw(&[5, 0])));
                });
            });
        };
        OcspRequest::from_der(&request(list, |_| {}))
    };
    assert!(of_one(false).is_ok());
    assert_eq!(of_one(true), Err(OcspRequestError::UnknownCriticalExtension { oid: unknown }));
}

#[test]
fn a3_who_asks_and_their_signature_are_tolerated_and_versions_are_not() {
    let requestor = encode(|w| w.nested(tag::context_constructed(4), |w| w.raw(name().der())));
    let tbs = |version: &[u8]| {
        encode(|w| {
            w.nested(tag::SEQUENCE, |w| {
                w.raw(version);
                w.value(tag::context_constructed(1), &requestor);
                w.nested(tag::SEQUENCE, one);
            });
        })
    };
    let signed = |version: &[u8], rest: &[u8]| {
        let content = [tbs(version).as_slice(), rest].concat();
        OcspRequest::from_der(&encode(|w| w.value(tag::SEQUENCE, &content)))
    };
    assert!(signed(&[], &[]).is_ok());
    assert!(signed(&[], &[0xa0, 2, 0x30, 0]).is_ok(), "a signature is not looked into");
    assert!(matches!(signed(&[], &[5, 0]), Err(OcspRequestError::Der(DerError::Trailing { .. }))));
    assert!(matches!(signed(&[0xa0, 3, 2, 1, 0], &[]), Err(OcspRequestError::Der(_))), "DER leaves the default out");
    assert!(matches!(signed(&[0xa0, 3, 2, 1, 1], &[]), Err(OcspRequestError::Der(_))));
}

#[test]
fn a_failure_is_five_octets() {
    for status in OcspStatus::ALL {
        assert_eq!(OcspStatus::from_code(status.code()), Ok(status));
        if status != OcspStatus::Successful {
            let der = OcspResponse::failure(status);
            assert_eq!(der, [0x30, 3, 10, 1, status.code()]);
            let read = ParsedOcspResponse::from_der(&der).unwrap();
            assert_eq!(read.status(), status);
            let unsigned = read.verify_signature(key().public_key());
            assert_eq!(unsigned, Err(OcspResponseError::Unsigned { status }));
        }
    }
    assert!(OcspStatus::from_code(4).is_err());
    assert!(ParsedOcspResponse::from_der(&OcspResponse::failure(OcspStatus::Successful)).is_err(), "of what?");
}

fn responder(issuer: &PrivateKey, own: &PrivateKey) -> Vec<u8> {
    let issuer_of = Issuer::created(name(), issuer.public_key());
    let subject = SubjectFields::common("Responder").to_name(CommonName::Required).unwrap();
    let validity = Validity::for_days(NOW, ResponderCertificate::MAX_DAYS).unwrap();
    let certificate =
        ResponderCertificate { serial: serial(9), validity, subject: &subject, public_key: own.public_key() };
    sign(issuer, &certificate.tbs(&issuer_of))
}

fn sign(key: &PrivateKey, tbs: &[u8]) -> Vec<u8> {
    let algorithm = key.public_key().signature_algorithm();
    assemble(tbs, algorithm, &default_backend().signer(key).unwrap().sign(algorithm, tbs).unwrap())
}

#[test]
fn i1_the_certificate_of_a_responder_says_ocsp_signing_and_nocheck_and_no_more() {
    let (issuer, own) = (key(), key());
    let certificate = ParsedCertificate::from_der(&responder(&issuer, &own)).unwrap();
    certificate.verify_signature(issuer.public_key()).unwrap();
    let extensions = certificate.extensions();
    assert_eq!(extensions.extended_key_usage.as_deref(), Some(&[ResponderCertificate::PURPOSE][..]));
    let usage = extensions.key_usage.unwrap();
    assert_eq!(usage.names().collect::<Vec<_>>(), ["digitalSignature"]);
    assert!(!extensions.is_ca() && extensions.crl_urls.is_empty() && extensions.ocsp_urls.is_empty());
    assert!(extensions.present.contains(&(ResponderCertificate::NO_CHECK, false)));
}

prop_compose! {
    fn any_status()(kind in 0..12_usize, ago in 0..1_000_000_i64) -> OcspCertStatus {
        match kind {
            0 => OcspCertStatus::Good,
            1 => OcspCertStatus::Unknown,
            other => OcspCertStatus::Revoked { at: NOW.plus_secs(-ago), reason: RevocationReason::ALL[other - 2] },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn requests_come_back_as_they_were(
        numbers in prop::collection::vec((any::<u8>(), any::<bool>()), 1..=MAX_OCSP_CERT_IDS),
        nonce in prop::option::of(prop::collection::vec(any::<u8>(), 1..=MAX_OCSP_NONCE)),
    ) {
        let hash = |sha256| if sha256 { OcspHash::Sha256 } else { OcspHash::Sha1 };
        let ids = numbers.into_iter().map(|(number, sha256)| cert_id(hash(sha256), number)).collect();
        let request = OcspRequest::new(ids, nonce);
        let der = request.to_der();
        prop_assert_eq!(OcspRequest::from_der(&der).unwrap(), request);
        for length in 0..der.len() {
            prop_assert!(OcspRequest::from_der(&der[..length]).is_err());
        }
    }

    #[test]
    fn answers_are_read_as_they_were_meant(
        statuses in prop::collection::vec(any_status(), 1..=MAX_OCSP_CERT_IDS),
        nonce in prop::option::of(prop::collection::vec(any::<u8>(), 1..=MAX_OCSP_NONCE)),
        hours in 1..240_i64,
    ) {
        let (issuer, own) = (key(), key());
        let singles: Vec<OcspSingle> = statuses
            .iter()
            .zip(1_u8..)
            .map(|(status, number)| OcspSingle { cert_id: cert_id(OcspHash::Sha1, number), status: *status })
            .collect();
        let next_update = NOW.plus_secs(hours * 3600);
        let response = OcspResponse {
            responder: own.public_key(),
            produced_at: NOW.plus_secs(1),
            this_update: NOW,
            next_update,
            singles: &singles,
            nonce: nonce.as_deref(),
        };
        let tbs = response.tbs();
        let algorithm = own.public_key().signature_algorithm();
        let signature = default_backend().signer(&own).unwrap().sign(algorithm, &tbs).unwrap();
        let der = OcspResponse::assemble(&tbs, algorithm, &signature, &responder(&issuer, &own));
        let read = ParsedOcspResponse::from_der(&der).unwrap();
        prop_assert_eq!(read.singles(), singles.iter().collect::<Vec<_>>());
        prop_assert_eq!(read.nonce(), nonce.as_deref());
        prop_assert_eq!(read.produced_at(), Some(NOW.plus_secs(1)));
        prop_assert_eq!((read.this_update(), read.next_update()), (Some(NOW), Some(next_update)));
        read.verify_signature(read.responder().unwrap().public_key().unwrap()).unwrap();
        prop_assert!(read.verify_signature(issuer.public_key()).is_err());
        read.responder().unwrap().verify_signature(issuer.public_key()).unwrap();
        for length in 0..der.len() {
            prop_assert!(ParsedOcspResponse::from_der(&der[..length]).is_err());
        }
    }

    #[test]
    fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = OcspRequest::from_der(&octets);
        let _ = ParsedOcspResponse::from_der(&octets);
    }
}
