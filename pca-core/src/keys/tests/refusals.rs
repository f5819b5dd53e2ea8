//! Wrong things are refused, each with its reason, by every back end alike.

use zeroize::Zeroizing;

use super::{hex, key, keys};
use crate::keys::encoding::{Material, read_pkcs1, read_pkcs8, tlv};
use crate::keys::software::backends;
use crate::keys::{
    Algorithm, EncryptError, Encryption, ImportError, KeyDerivation, KeyKind, PrivateKey, PrivateKeyError, PublicKey,
    PublicKeyError,
};

const P256_OID: &str = "06082a8648ce3d030107";
const EC_OID: &str = "06072a8648ce3d0201";
const RSA_IDENTIFIER: &str = "300d06092a864886f70d0101010500";

const CHEAP: Encryption =
    Encryption { derivation: KeyDerivation::Pbkdf2 { iterations: 10 }, salt: [7; 16], initialization_vector: [9; 16] };

#[track_caller]
fn refused(spki: &[u8]) -> PublicKeyError {
    let mut reasons =
        backends().iter().map(|backend| PublicKey::from_spki_der_with(*backend, spki).expect_err(backend.name()));
    let first = reasons.next().unwrap();
    assert!(reasons.all(|reason| reason == first));
    first
}

fn spki(identifier: &[u8], raw: &[u8]) -> Vec<u8> {
    tlv(0x30, &[identifier, &tlv(0x03, &[&[0], raw])]).to_vec()
}

fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    spki(&hex(RSA_IDENTIFIER), &tlv(0x30, &[&tlv(0x02, &[modulus]), &tlv(0x02, &[exponent])]))
}

#[test]
fn truncated_and_prolonged_public_keys_are_malformed() {
    for (algorithm, key) in keys() {
        let whole = key.public_key().spki_der();
        for len in 0..whole.len() {
            assert!(matches!(refused(&whole[..len]), PublicKeyError::Malformed { .. }), "{algorithm} {len}");
        }
        let mut longer = whole.to_vec();
        longer.push(0);
        assert!(matches!(refused(&longer), PublicKeyError::Malformed { .. }), "{algorithm}");
    }
}

#[test]
fn truncated_and_prolonged_private_keys_are_malformed() {
    for (algorithm, key) in keys() {
        let whole = key.pkcs8_der();
        for len in (0..whole.len()).step_by(1 + whole.len() / 200) {
            assert!(
                matches!(PrivateKey::from_pkcs8_der(&whole[..len]), Err(PrivateKeyError::Malformed { .. })),
                "{algorithm} {len}"
            );
        }
        let mut longer = whole.to_vec();
        longer.push(0);
        assert!(matches!(PrivateKey::from_pkcs8_der(&longer), Err(PrivateKeyError::Malformed { .. })));
        assert_eq!(PrivateKey::import(&longer, None).unwrap_err(), ImportError::NotAKey);
    }
}

#[test]
fn curves_that_are_not_named_not_known_or_not_met_are_refused() {
    let point = key(Algorithm::EcdsaP256).public_key().raw().to_vec();
    let named = tlv(0x30, &[&hex(EC_OID), &hex(P256_OID)]);
    assert_eq!(spki(&named, &point), key(Algorithm::EcdsaP256).public_key().spki_der());

    let explicit = tlv(0x30, &[&hex(EC_OID), &tlv(0x30, &[&[2, 1, 1]])]);
    assert_eq!(refused(&spki(&explicit, &point)), PublicKeyError::ExplicitParameters);
    let implicit = tlv(0x30, &[&hex(EC_OID), &[5, 0]]);
    assert!(matches!(refused(&spki(&implicit, &point)), PublicKeyError::Malformed { .. }));
    let secp256k1 = tlv(0x30, &[&hex(EC_OID), &hex("06052b8104000a")]);
    assert_eq!(refused(&spki(&secp256k1, &point)), PublicKeyError::UnsupportedCurve { oid: "1.3.132.0.10".into() });

    let mut off = point.clone();
    off[64] ^= 1;
    assert_eq!(refused(&spki(&named, &off)), PublicKeyError::NotOnCurve);
    let mut beyond = vec![0xff; 65];
    beyond[0] = 4;
    assert_eq!(refused(&spki(&named, &beyond)), PublicKeyError::NotOnCurve, "coordinates beyond the prime");
    let mut compressed = point[..33].to_vec();
    compressed[0] = 2 + (point[64] & 1);
    assert_eq!(refused(&spki(&named, &compressed)), PublicKeyError::CompressedPoint);
    assert!(matches!(refused(&spki(&named, &[0])), PublicKeyError::Malformed { .. }), "the point at infinity");
    for algorithm in [Algorithm::EcdsaP384, Algorithm::EcdsaP521] {
        let mut off = key(algorithm).public_key().spki_der().to_vec();
        *off.last_mut().unwrap() ^= 1;
        assert_eq!(refused(&off), PublicKeyError::NotOnCurve);
    }
    let ed25519 = key(Algorithm::Ed25519).public_key();
    assert!(matches!(refused(&spki(&hex("300506032b6570"), &[1; 31])), PublicKeyError::Malformed { .. }));
    let with_null = spki(&hex("300706032b65700500"), ed25519.raw());
    assert!(matches!(refused(&with_null), PublicKeyError::Malformed { .. }), "RFC 8410: no parameters");
    assert_eq!(
        refused(&spki(&hex("300506032b6571"), &[1; 57])),
        PublicKeyError::UnsupportedAlgorithm { oid: "1.3.101.113".into() },
        "Ed448"
    );
}

#[test]
fn rsa_out_of_bounds_is_refused() {
    let modulus = |bits: usize| {
        let mut modulus = vec![0xff; bits / 8];
        modulus.insert(0, 0);
        modulus
    };
    let exponent = [1, 0, 1];
    assert_eq!(refused(&rsa_spki(&modulus(1024), &exponent)), PublicKeyError::RsaModulusSize { bits: 1024 });
    assert_eq!(refused(&rsa_spki(&modulus(8200), &exponent)), PublicKeyError::RsaModulusSize { bits: 8200 });
    let mut even = modulus(2048);
    *even.last_mut().unwrap() = 0xfe;
    assert_eq!(refused(&rsa_spki(&even, &exponent)), PublicKeyError::RsaModulusEven);
    assert_eq!(refused(&rsa_spki(&modulus(2048), &[3])), PublicKeyError::RsaExponent { exponent: 3 });
    assert_eq!(refused(&rsa_spki(&modulus(2048), &[1, 0, 0])), PublicKeyError::RsaExponent { exponent: 65_536 });
    assert_eq!(refused(&rsa_spki(&modulus(2048), &[1, 0, 2])), PublicKeyError::RsaExponent { exponent: 65_538 });
    assert_eq!(refused(&rsa_spki(&modulus(2048), &[2, 0, 0, 0, 1])), PublicKeyError::RsaExponentTooLarge { bits: 34 });
    assert!(matches!(refused(&rsa_spki(&modulus(2048), &[0xff, 1])), PublicKeyError::Malformed { .. }), "negative");
    let no_null = spki(&hex("300b06092a864886f70d010101"), b"");
    assert!(matches!(refused(&no_null), PublicKeyError::Malformed { .. }), "RFC 3279: NULL");
    let odd_size = PublicKey::from_spki_der(&rsa_spki(&modulus(2056), &exponent)).unwrap();
    assert_eq!((odd_size.kind(), odd_size.algorithm()), (KeyKind::Rsa { modulus_bits: 2056 }, None));
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    for backend in backends() {
        // The point of another key, the public key of another seed, another modulus.
        for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::EcdsaP521] {
            let Material::Elliptic { kind, scalar, .. } = read_pkcs8(key(algorithm).pkcs8_der()).unwrap() else {
                panic!()
            };
            let other = backend.generate(algorithm).unwrap().public_key().raw().to_vec();
            let material = Material::Elliptic { kind, scalar: scalar.clone(), public: Some(other) };
            assert_eq!(PrivateKey::from_material(*backend, &material).unwrap_err(), PrivateKeyError::Inconsistent);
            let zero = Material::Elliptic { kind, scalar: Zeroizing::new(vec![0; scalar.len()]), public: None };
            assert_eq!(PrivateKey::from_material(*backend, &zero).unwrap_err(), PrivateKeyError::Inconsistent);
            let huge = Material::Elliptic { kind, scalar: Zeroizing::new(vec![0xff; scalar.len()]), public: None };
            assert_eq!(PrivateKey::from_material(*backend, &huge).unwrap_err(), PrivateKeyError::Inconsistent);
        }
        let seed = Zeroizing::new(vec![3; 32]);
        let material = Material::Ed25519 { seed, public: Some(vec![4; 32]) };
        assert_eq!(PrivateKey::from_material(*backend, &material).unwrap_err(), PrivateKeyError::Inconsistent);

        let Material::Rsa { private, .. } = read_pkcs8(key(Algorithm::Rsa2048).pkcs8_der()).unwrap() else { panic!() };
        let flip = |at: usize| {
            let mut private = private.to_vec();
            private[at] ^= 2;
            read_pkcs1(&private).and_then(|material| PrivateKey::from_material(*backend, &material))
        };
        // A bit of the modulus; of a prime. (SEQUENCE 4, version 3, INTEGER 4 + 257, exponent 5, d 4 + 256, p 4 + 129.)
        assert_eq!(flip(100).unwrap_err(), PrivateKeyError::Inconsistent, "{}", backend.name());
        assert_eq!(flip(600).unwrap_err(), PrivateKeyError::Inconsistent, "{}", backend.name());
    }
}

#[test]
fn pkcs8_of_other_versions_and_multi_prime_are_refused() {
    let good = key(Algorithm::EcdsaP256).pkcs8_der();
    let at = good.iter().zip(good.iter().skip(1)).position(|pair| pair == (&2, &1)).unwrap();
    let mut version = good.to_vec();
    version[at + 2] = 2;
    assert!(matches!(PrivateKey::from_pkcs8_der(&version), Err(PrivateKeyError::Malformed { .. })));
    let multi = tlv(0x30, &[&[2, 1, 1], &[2, 1, 5]]);
    assert_eq!(PrivateKey::import(&multi, None).unwrap_err(), ImportError::Key(PrivateKeyError::MultiPrime));
}

#[test]
fn version_2_with_its_public_key_is_read_and_becomes_version_1() {
    let key = key(Algorithm::Ed25519);
    let seed = &key.pkcs8_der()[key.pkcs8_der().len() - 34..];
    let write = |public: &[u8]| {
        tlv(0x30, &[&[2, 1, 1], &hex("300506032b6570"), &tlv(0x04, &[seed]), &hex("a000"), &tlv(0x81, &[&[0], public])])
    };
    let again = PrivateKey::from_pkcs8_der(&write(key.public_key().raw())).unwrap();
    assert_eq!(again.pkcs8_der(), key.pkcs8_der());
    assert_eq!(PrivateKey::from_pkcs8_der(&write(&[1; 32])).unwrap_err(), PrivateKeyError::Inconsistent);
}

#[test]
fn passphrases_missing_wrong_and_superfluous_are_told_apart() {
    for (algorithm, key) in keys() {
        let der = key.to_encrypted_pkcs8_der(b"correct horse", &CHEAP).unwrap();
        let pem = key.to_encrypted_pkcs8_pem(b"correct horse", &CHEAP).unwrap();
        for file in [&der[..], pem.as_bytes()] {
            let back = PrivateKey::import(file, Some(b"correct horse")).unwrap();
            assert_eq!(back.pkcs8_der(), key.pkcs8_der(), "{algorithm}");
            assert_eq!(PrivateKey::import(file, None).unwrap_err(), ImportError::PassphraseNeeded);
            for nth in 0..300 {
                let wrong = format!("wrong {nth}");
                assert_eq!(
                    PrivateKey::import(file, Some(wrong.as_bytes())).unwrap_err(),
                    ImportError::WrongPassphrase,
                    "{algorithm} {nth}: also where the padding looks right by chance"
                );
            }
        }
        let plain = key.to_unencrypted_pkcs8_pem();
        assert_eq!(PrivateKey::import(plain.as_bytes(), Some(b"x")).unwrap_err(), ImportError::PassphraseNotNeeded);
        assert_eq!(PrivateKey::import(plain.as_bytes(), None).unwrap().pkcs8_der(), key.pkcs8_der());
    }
    assert_eq!(key(Algorithm::Ed25519).to_encrypted_pkcs8_der(b"", &CHEAP).unwrap_err(), EncryptError::EmptyPassphrase);
}

#[test]
fn g4_costly_derivations_are_refused_before_any_work() {
    // PBES2 { derivation, AES-256-CBC }, written by hand: nothing of ours would write such a thing.
    let encrypted = |derivation: &[u8]| {
        let cipher = tlv(0x30, &[&hex("060960864801650304012a"), &tlv(0x04, &[&[0; 16]])]);
        let scheme = tlv(0x30, &[&hex("06092a864886f70d01050d"), &tlv(0x30, &[derivation, &cipher])]);
        tlv(0x30, &[&scheme, &tlv(0x04, &[&[0; 64]])])
    };
    let salt = tlv(0x04, &[&[1; 8]]);
    let pbkdf2 = |iterations: &[u8]| {
        let parameters = tlv(0x30, &[&salt, &tlv(0x02, &[iterations])]);
        encrypted(&tlv(0x30, &[&hex("06092a864886f70d01050c"), &parameters]))
    };
    let import = |file: &[u8]| {
        let error = PrivateKey::import(file, Some(b"passphrase")).unwrap_err();
        let malformed = error == ImportError::MalformedEncryption;
        assert_eq!(error.rule(), if malformed { "C3" } else { "G4" }, "{error}");
        error
    };
    assert_eq!(import(&pbkdf2(&[0x7f, 0xff, 0xff, 0xff])), ImportError::Pbkdf2TooCostly { iterations: 0x7fff_ffff });
    assert_eq!(import(&pbkdf2(&[0])), ImportError::MalformedEncryption);
    let scrypt = |cost: &[u8], block: &[u8], parallel: &[u8]| {
        let parameters = tlv(0x30, &[&salt, &tlv(0x02, &[cost]), &tlv(0x02, &[block]), &tlv(0x02, &[parallel])]);
        encrypted(&tlv(0x30, &[&hex("06092b06010401da47040b"), &parameters]))
    };
    assert_eq!(
        import(&scrypt(&[0x10, 0, 0], &[8], &[1])),
        ImportError::ScryptTooCostly { memory: 128 * (1 << 20) * 8 },
        "one gigabyte"
    );
    assert!(matches!(import(&scrypt(&[0x40, 0], &[8], &[0x7f, 0xff])), ImportError::ScryptTooCostly { .. }));
    for (cost, block, parallel) in [(&[0][..], 8, 1), (&[1], 8, 1), (&[3], 8, 1), (&[16], 0, 1), (&[16], 8, 0)] {
        assert_eq!(import(&scrypt(cost, &[block], &[parallel])), ImportError::MalformedEncryption, "{cost:?}");
    }
}

#[test]
fn g4_at_most_64_pem_blocks_are_read() {
    let plain = key(Algorithm::EcdsaP256).to_unencrypted_pkcs8_pem();
    let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    for (certificates, read) in [(0, true), (63, true), (64, false), (15_000, false)] {
        let before = format!("{}{}", certificate.repeat(certificates), *plain);
        let after = format!("{}{}", *plain, certificate.repeat(certificates));
        for file in [before, after] {
            let told = PrivateKey::import(file.as_bytes(), None).map(|key| key.public_key().clone());
            match read {
                true => assert_eq!(told.as_ref(), Ok(key(Algorithm::EcdsaP256).public_key())),
                false => {
                    assert_eq!(told.map_err(|error| (error.rule(), error)), Err(("G4", ImportError::TooManyBlocks)))
                }
            }
        }
    }
}

#[test]
fn what_is_no_key_is_told_what_it_is() {
    let import = |file: &[u8]| PrivateKey::import(file, None).unwrap_err();
    assert_eq!(import(b""), ImportError::NotAKey);
    assert_eq!(import(b"hello"), ImportError::NotAKey);
    let huge = import(&vec![0x30; 1024 * 1024 + 1]);
    assert_eq!((huge.rule(), huge), ("G4", ImportError::TooLarge { octets: 1024 * 1024 + 1 }));
    let plain = key(Algorithm::EcdsaP256).to_unencrypted_pkcs8_pem();
    assert_eq!(import(plain.repeat(2).as_bytes()), ImportError::SeveralKeys { count: 2 });
    assert_eq!(import(&plain.as_bytes()[..80]), ImportError::NoKey { found: vec![] });
    let public = plain.replace("PRIVATE", "PUBLIC");
    assert_eq!(import(public.as_bytes()), ImportError::NoKey { found: vec!["PUBLIC KEY".into()] });
    let broken = plain.replace("\n-----END", "*\n-----END");
    assert_eq!(import(broken.as_bytes()), ImportError::MalformedPem);
    let windows = format!("\u{feff}Bag Attributes\r\n{}\r\n", plain.replace('\n', "\r\n"));
    assert!(PrivateKey::import(windows.as_bytes(), None).is_ok());
}

#[test]
fn nothing_of_a_key_is_printed() {
    for (_, key) in keys() {
        let printed = format!("{key:?}");
        assert_eq!(printed, format!("PrivateKey({})", key.kind()));
    }
}
