//! What deliveries hold, and what is refused, by the numbers of the rules.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod delivery_fixtures;

use std::sync::LazyLock;

use delivery_fixtures::{Chain, PASSPHRASE, key, make, salts, with_key};
use pca_core::delivery::{
    Bundle, DeliveredKey, Delivery, DeliveryError, Format, Kind, LEAST_PASSPHRASE_CHARACTERS, Options, deliver,
    objections,
};
use pca_core::keys::{Algorithm, PrivateKey};

static CHAIN: LazyLock<Chain> = LazyLock::new(|| Chain::new(Algorithm::EcdsaP256, "oa.example.test"));

fn plain() -> Options {
    Options { with_key: true, plain_key: true, passphrase: None }
}

fn paths(delivery: &Delivery) -> Vec<(&str, bool)> {
    delivery.files.iter().map(|file| (file.path.as_str(), file.secret)).collect()
}

fn codes(delivery: &Delivery) -> Vec<&str> {
    delivery.warnings.iter().map(|warning| warning.code()).collect()
}

fn file<'a>(delivery: &'a Delivery, path: &str) -> &'a str {
    let file = delivery.files.iter().find(|file| file.path == path).unwrap();
    core::str::from_utf8(&file.contents).unwrap()
}

#[track_caller]
fn refuse(bundle: &Bundle, format: Format, options: &Options, rule: &str, expected: &DeliveryError) {
    let error = deliver(bundle, format, options, salts()).map(|_| ()).unwrap_err();
    let told = objections(bundle, format, options);
    assert_eq!(told.first(), Some(&error), "what is refused is what was told beforehand");
    assert!(told.contains(expected), "{expected:?} is not among {told:?}");
    assert_eq!(expected.rule(), rule);
}

#[test]
fn files_are_named_as_the_command_line_says() {
    let bundle = CHAIN.bundle(Kind::Server);
    for (format, options, expected) in [
        (Format::Pem, Options::default(), &[("crt_test.pem", false)][..]),
        (Format::Pem, with_key(), &[("crt_test.pem", false), ("crt_test.key.pem", true)]),
        (
            Format::Der,
            Options::default(),
            &[("crt_test.der", false), ("issuers/1.der", false), ("issuers/2.der", false)],
        ),
        (Format::Pkcs7, Options::default(), &[("crt_test.p7b", false)]),
        (Format::Pkcs7, with_key(), &[("crt_test.p7b", false), ("crt_test.key.pem", true)]),
        (Format::Pkcs8, with_key(), &[("crt_test.key.pem", true)]),
        (Format::Pkcs12, with_key(), &[("crt_test.p12", true)]),
        (Format::Jks, with_key(), &[("crt_test.jks", true)]),
        (
            Format::Nginx,
            with_key(),
            &[
                ("crt_test-nginx/privkey.pem", true),
                ("crt_test-nginx/root.pem", false),
                ("crt_test-nginx/client-ca.pem", false),
                ("crt_test-nginx/fullchain.pem", false),
                ("crt_test-nginx/nginx.conf", false),
                ("crt_test-nginx/site.conf", false),
                ("crt_test-nginx/INSTALL.txt", false),
            ],
        ),
        (
            Format::Apache,
            with_key(),
            &[
                ("crt_test-apache/privkey.pem", true),
                ("crt_test-apache/root.pem", false),
                ("crt_test-apache/client-ca.pem", false),
                ("crt_test-apache/fullchain.pem", false),
                ("crt_test-apache/httpd.conf", false),
                ("crt_test-apache/site.conf", false),
                ("crt_test-apache/passphrase.sh", false),
                ("crt_test-apache/INSTALL.txt", false),
            ],
        ),
        (
            Format::Haproxy,
            with_key(),
            &[
                ("crt_test-haproxy/site.pem", true),
                ("crt_test-haproxy/root.pem", false),
                ("crt_test-haproxy/client-ca.pem", false),
                ("crt_test-haproxy/haproxy.cfg", false),
                ("crt_test-haproxy/INSTALL.txt", false),
            ],
        ),
        (
            Format::Haproxy,
            Options::default(),
            &[
                ("crt_test-haproxy/root.pem", false),
                ("crt_test-haproxy/client-ca.pem", false),
                ("crt_test-haproxy/fullchain.pem", false),
                ("crt_test-haproxy/haproxy.cfg", false),
                ("crt_test-haproxy/INSTALL.txt", false),
            ],
        ),
        (
            Format::Tomcat,
            with_key(),
            &[
                ("crt_test-tomcat/keystore.p12", true),
                ("crt_test-tomcat/truststore.p12", false),
                ("crt_test-tomcat/root.pem", false),
                ("crt_test-tomcat/client-ca.pem", false),
                ("crt_test-tomcat/server.xml", false),
                ("crt_test-tomcat/connector.xml", false),
                ("crt_test-tomcat/INSTALL.txt", false),
            ],
        ),
        (
            Format::Iis,
            with_key(),
            &[
                ("crt_test-iis/crt_test.pfx", true),
                ("crt_test-iis/root.pem", false),
                ("crt_test-iis/client-ca.pem", false),
                ("crt_test-iis/root.cer", false),
                ("crt_test-iis/intermediate-1.cer", false),
                ("crt_test-iis/install.ps1", false),
                ("crt_test-iis/INSTALL.txt", false),
            ],
        ),
        (
            Format::Browser,
            with_key(),
            &[
                ("crt_test-browser/crt_test.p12", true),
                ("crt_test-browser/crt_test.pem", false),
                ("crt_test-browser/root.pem", false),
                ("crt_test-browser/root.crt", false),
                ("crt_test-browser/INSTALL.txt", false),
            ],
        ),
    ] {
        let delivery = make(&bundle, format, &options);
        assert_eq!(paths(&delivery), expected, "{format}");
        let key = if options.with_key { DeliveredKey::Encrypted } else { DeliveredKey::None };
        assert_eq!(delivery.key, key, "{format}");
    }
}

/// Rule K1: of a CA a package holds what its server needs to verify clients, and no key.
#[test]
fn k1_a_package_of_an_authority_is_for_verifying_clients() {
    let passphrase = Options { passphrase: Some(PASSPHRASE.into()), ..Options::default() };
    for (format, options, expected) in [
        (Format::Nginx, Options::default(), &["root.pem", "client-ca.pem", "mtls.conf", "INSTALL.txt"][..]),
        (Format::Apache, Options::default(), &["root.pem", "client-ca.pem", "mtls.conf", "INSTALL.txt"]),
        (Format::Haproxy, Options::default(), &["root.pem", "client-ca.pem", "mtls.cfg", "INSTALL.txt"]),
        (Format::Tomcat, Options::default(), &["root.pem", "client-ca.pem", "mtls.xml", "INSTALL.txt"]),
        (Format::Tomcat, passphrase, &["truststore.p12", "root.pem", "client-ca.pem", "mtls.xml", "INSTALL.txt"]),
        (
            Format::Iis,
            Options::default(),
            &["root.pem", "client-ca.pem", "root.cer", "intermediate-1.cer", "install.ps1", "INSTALL.txt"],
        ),
    ] {
        let delivery = make(&CHAIN.intermediate_bundle(), format, &options);
        let expected: Vec<String> = expected.iter().map(|name| format!("ca_oa-{format}/{name}")).collect();
        let found: Vec<&str> = paths(&delivery).into_iter().map(|(path, _)| path).collect();
        assert_eq!(found, expected, "{format}");
        assert_eq!((delivery.key, codes(&delivery)), (DeliveredKey::None, vec![]), "{format}");
        assert!(delivery.files.iter().all(|file| !file.secret), "{format}");
        let read = x509_parser_pem(file(&delivery, &format!("ca_oa-{format}/client-ca.pem")));
        assert_eq!(read, [CHAIN.root.clone(), CHAIN.intermediate.clone()]);
        let note = file(&delivery, &format!("ca_oa-{format}/INSTALL.txt"));
        assert!(note.contains("no private key") && note.contains("update-ca-certificates"), "{note}");
    }
    let only = make(&CHAIN.root_bundle(), Format::Iis, &Options::default());
    assert!(!paths(&only).contains(&("ca_root-iis/intermediate-1.cer", false)));
}

#[test]
fn a1_a_java_key_store_is_called_a_legacy() {
    let delivery = make(&CHAIN.bundle(Kind::Server), Format::Jks, &with_key());
    assert_eq!(codes(&delivery), ["legacy"]);
    let passphrase = Options { passphrase: Some(PASSPHRASE.into()), ..Options::default() };
    assert_eq!(codes(&make(&CHAIN.root_bundle(), Format::Jks, &passphrase)), ["legacy"]);
    let of_intermediate = make(&CHAIN.intermediate_bundle(), Format::Jks, &passphrase);
    assert_eq!(codes(&of_intermediate), ["legacy", "every-entry-trusted"]);
    assert_eq!(paths(&of_intermediate), [("ca_oa.jks", false)]);
}

/// Chain and key in one file, in the order that HAProxy reads; what it cannot open is said.
#[test]
fn a1_haproxy_gets_all_in_one_file() {
    let bundle = CHAIN.bundle(Kind::Server);
    for (options, label, warnings) in [
        (plain(), "-----BEGIN PRIVATE KEY-----", "plain-key"),
        (with_key(), "-----BEGIN ENCRYPTED PRIVATE KEY-----", "encrypted-key-unusable"),
    ] {
        let delivery = make(&bundle, Format::Haproxy, &options);
        let site = file(&delivery, "crt_test-haproxy/site.pem");
        let labels: Vec<&str> = site.lines().filter(|line| line.starts_with("-----BEGIN")).collect();
        assert_eq!(labels, ["-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----", label]);
        assert_eq!(codes(&delivery), [warnings]);
    }
}

#[test]
fn the_root_is_not_in_the_chain_and_the_certificate_comes_first() {
    let delivery = make(&CHAIN.bundle(Kind::Server), Format::Pem, &Options::default());
    let read: Vec<Vec<u8>> = x509_parser_pem(file(&delivery, "crt_test.pem"));
    assert_eq!(read, [CHAIN.leaf.clone(), CHAIN.intermediate.clone()]);
    let own = make(&CHAIN.intermediate_bundle(), Format::Pem, &Options::default());
    assert_eq!(x509_parser_pem(file(&own, "ca_oa.pem")), std::slice::from_ref(&CHAIN.intermediate));
    let root = make(&CHAIN.root_bundle(), Format::Pem, &Options::default());
    assert_eq!(x509_parser_pem(file(&root, "ca_root.pem")), std::slice::from_ref(&CHAIN.root));
}

fn x509_parser_pem(text: &str) -> Vec<Vec<u8>> {
    x509_parser::pem::Pem::iter_from_buffer(text.as_bytes()).map(|pem| pem.unwrap().contents).collect()
}

#[test]
fn an_authority_is_never_delivered_with_its_key() {
    for format in Format::ALL {
        for options in [with_key(), plain(), Options { with_key: false, ..plain() }] {
            let expected = DeliveryError::AuthorityKey { id: "ca_root".into() };
            refuse(&CHAIN.root_bundle(), format, &options, "K1", &expected);
        }
    }
    let only_a_key = DeliveryError::KeyFormatOfAuthority { id: "ca_root".into(), format: Format::Pkcs8 };
    refuse(&CHAIN.root_bundle(), Format::Pkcs8, &Options::default(), "K1", &only_a_key);
    let error = CHAIN.root_bundle().with_key(key(Algorithm::EcdsaP256)).map(|_| ()).unwrap_err();
    assert_eq!(error.rule(), "K1");
}

#[test]
fn a_key_leaves_only_when_it_is_asked_for() {
    let bundle = CHAIN.bundle(Kind::Client);
    let passphrase_only = Options { passphrase: Some(PASSPHRASE.into()), ..Options::default() };
    for format in [Format::Pkcs8, Format::Pkcs12, Format::Jks] {
        refuse(&bundle, format, &passphrase_only, "A1", &DeliveryError::KeyNotAsked { format });
    }
    for format in Format::ALL.into_iter().filter(|format| !format.needs_key()) {
        let delivery = make(&bundle, format, &passphrase_only);
        assert_eq!(delivery.key, DeliveredKey::None, "{format}");
        assert!(delivery.files.iter().all(|file| !file.secret), "{format}");
        assert!(delivery.files.iter().all(|file| !String::from_utf8_lossy(&file.contents).contains("BEGIN PRIVATE")));
    }
    let no_key = CHAIN.bundle_without_key(Kind::Client);
    for format in Format::ALL {
        refuse(&no_key, format, &with_key(), "A1", &DeliveryError::NoPrivateKey { id: "crt_test".into() });
    }
}

#[test]
fn a_plain_key_is_asked_for_by_name() {
    let bundle = CHAIN.bundle(Kind::Server);
    for format in Format::ALL.into_iter().filter(|format| !format.is_key_store()) {
        let delivery = make(&bundle, format, &plain());
        assert_eq!(delivery.key, DeliveredKey::Plain, "{format}");
        assert_eq!(codes(&delivery), ["plain-key"], "{format}");
    }
    for format in [Format::Pkcs12, Format::Jks, Format::Tomcat, Format::Iis, Format::Browser] {
        refuse(&bundle, format, &plain(), "K4", &DeliveryError::PlainKeyImpossible { format });
    }
    let nameless = Options { with_key: false, ..plain() };
    refuse(&bundle, Format::Pem, &nameless, "K4", &DeliveryError::PlainKeyWithoutKey);
}

#[test]
fn an_export_passphrase_is_long_and_typable() {
    let bundle = CHAIN.bundle(Kind::Server);
    let least = LEAST_PASSPHRASE_CHARACTERS;
    for format in Format::ALL {
        let missing = Options { with_key: true, ..Options::default() };
        refuse(&bundle, format, &missing, "K5", &DeliveryError::PassphraseMissing { format, least });
        for (passphrase, characters) in [("", 0), ("1234567", 7)] {
            let short = Options { with_key: true, passphrase: Some(passphrase.into()), ..Options::default() };
            refuse(&bundle, format, &short, "K5", &DeliveryError::PassphraseTooShort { characters, least });
        }
    }
    let umlaut = Options { with_key: true, passphrase: Some("Schlüsselbund".into()), ..Options::default() };
    for format in [Format::Pkcs12, Format::Jks, Format::Tomcat, Format::Iis, Format::Browser] {
        refuse(&bundle, format, &umlaut, "K5", &DeliveryError::PassphraseNotAscii { format });
    }
    make(&bundle, Format::Pkcs8, &umlaut);
    let trust_store = DeliveryError::PassphraseMissing { format: Format::Pkcs12, least };
    refuse(&CHAIN.root_bundle(), Format::Pkcs12, &Options::default(), "K5", &trust_store);
}

#[test]
fn a_refusal_names_every_broken_rule() {
    let everything = Options { with_key: true, plain_key: true, passphrase: Some("short".into()) };
    let told = |bundle: &Bundle, format, options: &Options| -> Vec<(&str, &str)> {
        objections(bundle, format, options).iter().map(|error| (error.rule(), error.code())).collect()
    };
    assert_eq!(
        told(&CHAIN.root_bundle(), Format::Pkcs12, &everything),
        [("K1", "authority-key"), ("K4", "plain-key-impossible"), ("K5", "passphrase-too-short")]
    );
    assert_eq!(
        told(&CHAIN.bundle_without_key(Kind::Client), Format::Browser, &everything),
        [("A1", "no-private-key"), ("K4", "plain-key-impossible"), ("K5", "passphrase-too-short")]
    );
    assert_eq!(
        told(&CHAIN.bundle(Kind::Client), Format::Pkcs8, &Options { with_key: false, ..everything }),
        [("A1", "key-not-asked"), ("K4", "plain-key-without-key")]
    );
    assert_eq!(told(&CHAIN.bundle(Kind::Client), Format::Pkcs12, &with_key()), []);
}

#[test]
fn bundles_are_checked() {
    let id = |id| Bundle::new(id, Kind::Server, &CHAIN.leaf).map(|_| ()).unwrap_err();
    for unsuitable in ["", "../crt_x", "crt x", "crt/x", "C:x", "crt.x", "\u{e4}"] {
        assert_eq!(id(unsuitable), DeliveryError::UnsuitableId, "{unsuitable}");
    }
    let other = CHAIN.bundle_without_key(Kind::Server).with_key(key(Algorithm::EcdsaP256)).map(|_| ()).unwrap_err();
    assert_eq!(other, DeliveryError::KeyMismatch { id: "crt_test".into() });
    let mut trailing = CHAIN.leaf.clone();
    trailing.push(0);
    for wrong in [&b""[..], b"hello", &CHAIN.leaf[1..], &trailing] {
        let error = Bundle::new("crt_test", Kind::Server, wrong).map(|_| ()).unwrap_err();
        assert_eq!(error, DeliveryError::UnreadableCertificate { which: "the certificate" });
    }
    let huge = Bundle::new("crt_test", Kind::Server, &vec![0x30; 65 * 1024]).map(|_| ()).unwrap_err();
    assert_eq!(huge.rule(), "G4");
}

#[test]
fn targets_that_cannot_use_the_algorithm_are_named() {
    for (algorithm, expected) in [
        (Algorithm::Rsa2048, &[][..]),
        (Algorithm::EcdsaP384, &[]),
        (Algorithm::EcdsaP521, &["Chrome and Edge cannot use ECDSA P-521 keys (x)"]),
        (Algorithm::Ed25519, &["Chrome, Edge, Firefox and Safari cannot use Ed25519 keys (x)"]),
    ] {
        let bundle = Chain::new(algorithm, "x").bundle(Kind::Client);
        let delivery = make(&bundle, Format::Browser, &with_key());
        let said: Vec<String> = delivery.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(said.get(..expected.len()), Some(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..]));
        // Leaf, intermediate and root are each named.
        assert_eq!(said.len(), expected.len() * 3, "{algorithm}: {said:?}");
        let note = file(&delivery, "crt_test-browser/INSTALL.txt");
        assert!(said.iter().all(|warning| note.contains(&format!("WARNING: {warning}."))), "{note}");
        for format in [Format::Nginx, Format::Apache, Format::Haproxy, Format::Iis, Format::Tomcat] {
            let told = make(&Chain::new(algorithm, "x").bundle(Kind::Server), format, &with_key());
            let found = codes(&told).iter().filter(|code| **code == "algorithm-unusable").count();
            // Java, too, where it is old.
            let each = expected.len() * if (format, algorithm) == (Format::Tomcat, Algorithm::Ed25519) { 2 } else { 1 };
            assert_eq!(found, each * 3, "{format}, {algorithm}");
        }
        assert_eq!(codes(&make(&bundle, Format::Pem, &with_key())), [""; 0], "a file is for no target");
    }
}

#[test]
fn packages_say_what_is_missing() {
    let server = CHAIN.bundle(Kind::Server);
    assert_eq!(codes(&make(&server, Format::Browser, &with_key())), ["purpose-does-not-fit"]);
    let keyless = make(&server, Format::Nginx, &Options::default());
    assert_eq!(codes(&keyless), ["no-key"]);
    assert!(file(&keyless, "crt_test-nginx/INSTALL.txt").contains("put yours here as privkey.pem"));
    assert!(!file(&keyless, "crt_test-nginx/site.conf").contains("ssl_password_file"));
    assert_eq!(codes(&make(&CHAIN.bundle(Kind::Client), Format::Nginx, &with_key())), ["purpose-does-not-fit"]);
    assert_eq!(
        codes(&make(&CHAIN.bundle(Kind::DataEncryption), Format::Browser, &with_key())),
        ["purpose-does-not-fit"]
    );
    assert_eq!(codes(&make(&CHAIN.bundle(Kind::MutualTls), Format::Browser, &with_key())), [""; 0]);
    let rootless = Bundle::new("crt_test", Kind::Server, &CHAIN.leaf).unwrap();
    let delivery = make(&rootless, Format::Nginx, &Options::default());
    assert_eq!(codes(&delivery), ["no-key", "no-trust-anchor"]);
    assert!(!paths(&delivery).contains(&("crt_test-nginx/root.pem", false)));
    assert_eq!(codes(&make(&CHAIN.root_bundle(), Format::Browser, &Options::default())), [""; 0]);
}

#[test]
fn notes_hold_what_is_needed_and_nothing_secret() {
    for format in Format::ALL.into_iter().filter(|format| format.is_package()) {
        let delivery = make(&CHAIN.bundle(Kind::MutualTls), format, &with_key());
        let note = file(&delivery, &format!("crt_test-{format}/INSTALL.txt"));
        for needed in ["root.pem", "update-ca-certificates", "-fingerprint -sha256", "oa.example.test", "localhost"] {
            assert!(note.contains(needed), "{format}: {needed} in\n{note}");
        }
        assert!(note.lines().all(|line| line.chars().count() <= 132), "{note}");
        for file in delivery.files.iter().filter(|file| !file.secret) {
            assert!(!String::from_utf8_lossy(&file.contents).contains(PASSPHRASE), "{}", file.path);
        }
        let shown = format!("{delivery:?} {:?} {:?}", CHAIN.bundle(Kind::Client), with_key());
        assert!(!shown.contains(PASSPHRASE) && !shown.contains("BEGIN"), "{shown}");
    }
}

#[test]
fn what_was_delivered_can_be_imported_again() {
    let delivery = make(&CHAIN.bundle(Kind::Server), Format::Pkcs8, &with_key());
    let contents = &delivery.files[0].contents;
    let again = PrivateKey::import(contents, Some(PASSPHRASE.as_bytes())).unwrap();
    assert_eq!(again.pkcs8_der(), CHAIN.key.pkcs8_der());
    for wrong in [&b"correct horse 8"[..], b"", b"correct horse 7 "] {
        assert!(PrivateKey::import(contents, Some(wrong)).is_err());
    }
    let clear = make(&CHAIN.bundle(Kind::Server), Format::Pkcs8, &plain());
    let again = PrivateKey::import(&clear.files[0].contents, None).unwrap();
    assert_eq!(again.pkcs8_der(), CHAIN.key.pkcs8_der());
}

#[test]
fn no_two_deliveries_of_a_key_look_alike() {
    let bundle = CHAIN.bundle(Kind::Client);
    for format in [Format::Pkcs8, Format::Pkcs12, Format::Jks] {
        let [one, other] = [0, 1].map(|_| make(&bundle, format, &with_key()));
        assert_ne!(*one.files[0].contents, *other.files[0].contents, "{format}");
    }
}
