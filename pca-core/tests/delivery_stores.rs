//! PKCS#7, Java's key store and the stores inside the packages before other people's tools: OpenSSL, Java's keytool,
//! GnuTLS, NSS.
#![allow(missing_docs, clippy::unwrap_used)]

mod delivery_fixtures;

use std::fs;
use std::path::Path;

use delivery_fixtures::{Chain, PASSPHRASE, make, refused, run, tool, with_key, write};
use pca_core::delivery::{Format, Kind, Options};
use pca_core::keys::Algorithm;

const JUDGED: [Algorithm; 5] =
    [Algorithm::Rsa2048, Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::EcdsaP521, Algorithm::Ed25519];

fn passphrase_only() -> Options {
    Options { passphrase: Some(PASSPHRASE.into()), ..Options::default() }
}

fn deliver(chain: &Chain, format: Format, options: &Options, directory: &Path) {
    write(&make(&chain.bundle(Kind::MutualTls), format, options), directory);
}

#[test]
fn a1_pkcs7_is_read_by_openssl_gnutls_and_java() {
    for algorithm in JUDGED {
        let directory = tempfile::tempdir().unwrap();
        let chain = Chain::new(algorithm, "Anna Schmidt");
        deliver(&chain, Format::Pkcs7, &with_key(), directory.path());
        write(&make(&chain.root_bundle(), Format::Pkcs7, &Options::default()), directory.path());
        if let Some(openssl) = tool("openssl") {
            let read = |file: &str| {
                let arguments = ["pkcs7", "-inform", "DER", "-in", file, "-print_certs"];
                run(directory.path(), openssl, &arguments)
            };
            let all = read("crt_test.p7b");
            for subject in ["CN = Anna Schmidt", "CN = Test OA", "CN = Test Root"] {
                assert_eq!(all.matches(&format!("subject={subject}")).count(), 1, "{algorithm}: {all}");
            }
            assert_eq!(all.matches("BEGIN CERTIFICATE").count(), 3, "{all}");
            assert_eq!(read("ca_root.p7b").matches("BEGIN CERTIFICATE").count(), 1);
            // CMS (RFC 5652) reads the same octets.
            let cms = ["cms", "-cmsout", "-inform", "DER", "-in", "crt_test.p7b", "-noout", "-print"];
            let cms = run(directory.path(), openssl, &cms);
            assert!(cms.contains("signerInfos:\n      <EMPTY>"), "{cms}");
            // Strictly DER: what OpenSSL would write of it is the same.
            let again = ["cms", "-cmsout", "-inform", "DER", "-in", "crt_test.p7b", "-outform", "DER", "-out", "again"];
            run(directory.path(), openssl, &again);
            let file = |name: &str| fs::read(directory.path().join(name)).unwrap();
            assert_eq!(file("again"), file("crt_test.p7b"), "{algorithm}");
        }
        if let Some(certtool) = tool("certtool") {
            let read = run(directory.path(), certtool, &["--p7-info", "--inder", "--infile", "crt_test.p7b"]);
            assert!(read.contains("Number of certificates: 3"), "{algorithm}: {read}");
        }
        if let Some(keytool) = tool("keytool") {
            let read = run(directory.path(), keytool, &["-printcert", "-file", "crt_test.p7b"]);
            assert!(read.contains("Owner: CN=Anna Schmidt") && read.contains("Owner: CN=Test Root"), "{read}");
        }
    }
}

/// The reply to a request, as Java's administrators know it: the chain of the file is put beside the key.
#[test]
fn a1_keytool_takes_pkcs7_for_the_answer_to_a_request() {
    let Some(keytool) = tool("keytool") else { return };
    let directory = tempfile::tempdir().unwrap();
    let chain = Chain::new(Algorithm::EcdsaP256, "Anna Schmidt");
    deliver(&chain, Format::Pkcs12, &with_key(), directory.path());
    deliver(&chain, Format::Pkcs7, &Options::default(), directory.path());
    let store = ["-keystore", "crt_test.p12", "-storepass", PASSPHRASE, "-alias", "anna schmidt"];
    let import = ["-importcert", "-noprompt", "-trustcacerts", "-file", "crt_test.p7b"];
    let said = run(directory.path(), keytool, &[&import[..], &store[..]].concat());
    assert!(said.contains("Certificate reply was installed in keystore"), "{said}");
    let list = run(directory.path(), keytool, &[&["-list", "-v"], &store[..]].concat());
    assert!(list.contains("Certificate chain length: 3"), "{list}");
}

#[test]
fn a1_keytool_opens_a_java_key_store_and_signs_with_its_key() {
    let Some(keytool) = tool("keytool") else { return };
    for algorithm in JUDGED {
        let directory = tempfile::tempdir().unwrap();
        deliver(&Chain::new(algorithm, "Anna Schmidt"), Format::Jks, &with_key(), directory.path());
        let store = ["-storetype", "JKS", "-keystore", "crt_test.jks", "-storepass", PASSPHRASE];
        let list = run(directory.path(), keytool, &[&["-list", "-v"], &store[..]].concat());
        assert!(list.contains("Keystore type: JKS"), "{algorithm}: {list}");
        assert!(list.contains("Your keystore contains 1 entry"), "{list}");
        assert!(list.contains("Alias name: anna schmidt"), "{list}");
        assert!(list.contains("Entry type: PrivateKeyEntry"), "{list}");
        assert!(list.contains("Certificate chain length: 3"), "{list}");
        let signed = run(directory.path(), keytool, &[&["-certreq", "-alias", "Anna Schmidt"], &store[..]].concat());
        assert!(signed.contains("BEGIN NEW CERTIFICATE REQUEST"), "{algorithm}: {signed}");
        // Another passphrase opens nothing, and a damaged file is told.
        let wrong = ["-storetype", "JKS", "-keystore", "crt_test.jks", "-storepass", "correct horse 8"];
        refused(directory.path(), keytool, &[&["-list"], &wrong[..]].concat());
        let mut damaged = fs::read(directory.path().join("crt_test.jks")).unwrap();
        let middle = damaged.len() / 2;
        damaged.get_mut(middle).map(|octet| *octet ^= 1).unwrap();
        fs::write(directory.path().join("damaged.jks"), damaged).unwrap();
        let damaged = ["-storetype", "JKS", "-keystore", "damaged.jks", "-storepass", PASSPHRASE];
        refused(directory.path(), keytool, &[&["-list"], &damaged[..]].concat());
        // Over to PKCS#12 by Java itself: key and certificate are the same that were delivered.
        let convert = ["-importkeystore", "-srckeystore", "crt_test.jks", "-srcstoretype", "JKS", "-noprompt"];
        let more = ["-srcstorepass", PASSPHRASE, "-destkeystore", "new.p12", "-deststorepass", PASSPHRASE];
        run(directory.path(), keytool, &[&convert[..], &more[..]].concat());
        if let Some(openssl) = tool("openssl") {
            let passphrase = format!("pass:{PASSPHRASE}");
            let open = ["pkcs12", "-in", "new.p12", "-passin", &passphrase, "-nodes", "-out", "all"];
            run(directory.path(), openssl, &open);
            let key = run(directory.path(), openssl, &["pkey", "-in", "all", "-pubout"]);
            assert_eq!(key, run(directory.path(), openssl, &["x509", "-in", "all", "-noout", "-pubkey"]));
        }
    }
}

/// Names beyond ASCII, and beyond the basic plane, are aliases that Java finds.
#[test]
fn a1_aliases_of_a_java_key_store_are_found() {
    let Some(keytool) = tool("keytool") else { return };
    let directory = tempfile::tempdir().unwrap();
    let bundle = Chain::new(Algorithm::EcdsaP256, "x").bundle(Kind::Client).with_friendly_name("Jörg MÜLLER 会计");
    write(&make(&bundle, Format::Jks, &with_key()), directory.path());
    let arguments = ["-J-Dstdout.encoding=UTF-8", "-J-Dsun.stdout.encoding=UTF-8", "-J-Dsun.jnu.encoding=UTF-8"];
    let store = ["-storetype", "JKS", "-keystore", "crt_test.jks", "-storepass", PASSPHRASE];
    let read = run(directory.path(), keytool, &[&arguments[..], &["-list"], &store[..]].concat());
    assert!(read.contains("jörg müller 会计"), "{read}");
}

#[test]
fn k1_an_authority_gives_a_java_trust_store_without_key() {
    let Some(keytool) = tool("keytool") else { return };
    let chain = Chain::new(Algorithm::EcdsaP256, "x");
    for (bundle, file, entries) in [
        (chain.root_bundle(), "ca_root.jks", &["test root"][..]),
        (chain.intermediate_bundle(), "ca_oa.jks", &["test oa", "test root"]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        write(&make(&bundle, Format::Jks, &passphrase_only()), directory.path());
        let store = ["-storetype", "JKS", "-keystore", file, "-storepass", PASSPHRASE];
        let list = run(directory.path(), keytool, &[&["-list", "-v"], &store[..]].concat());
        assert_eq!(list.matches("Entry type: trustedCertEntry").count(), entries.len(), "{list}");
        assert!(!list.contains("PrivateKeyEntry"), "{list}");
        for entry in entries {
            assert!(list.contains(&format!("Alias name: {entry}")), "{list}");
        }
    }
}

/// A trust store in PKCS#12 is read by GnuTLS and NSS, too; OpenSSL and Java are asked elsewhere.
#[test]
fn k1_a_trust_store_without_key_is_read_by_gnutls_and_nss() {
    let chain = Chain::new(Algorithm::EcdsaP256, "x");
    let directory = tempfile::tempdir().unwrap();
    write(&make(&chain.intermediate_bundle(), Format::Pkcs12, &passphrase_only()), directory.path());
    if let Some(certtool) = tool("certtool") {
        let open = ["--p12-info", "--inder", "--infile", "ca_oa.p12", "--password", PASSPHRASE];
        let read = run(directory.path(), certtool, &open);
        assert_eq!(read.matches("BEGIN CERTIFICATE").count(), 2, "{read}");
        assert!(!read.contains("PRIVATE KEY"), "{read}");
    }
    if let Some(pk12util) = tool("pk12util") {
        let read = run(directory.path(), pk12util, &["-l", "ca_oa.p12", "-W", PASSPHRASE]);
        for name in ["CN=Test OA", "CN=Test Root"] {
            assert!(read.contains(name), "{read}");
        }
    }
}

/// The stores inside the packages for Tomcat and IIS: an identity, and a trust store whose anchor is the root alone.
#[test]
fn a1_the_stores_of_packages_are_opened() {
    let chain = Chain::new(Algorithm::EcdsaP256, "Anna Schmidt");
    let directory = tempfile::tempdir().unwrap();
    deliver(&chain, Format::Tomcat, &with_key(), directory.path());
    deliver(&chain, Format::Iis, &with_key(), directory.path());
    if let Some(keytool) = tool("keytool") {
        for (file, kind, alias) in [
            ("crt_test-tomcat/keystore.p12", "PrivateKeyEntry", "anna schmidt"),
            ("crt_test-iis/crt_test.pfx", "PrivateKeyEntry", "anna schmidt"),
            ("crt_test-tomcat/truststore.p12", "trustedCertEntry", "test root"),
        ] {
            let store = ["-storetype", "PKCS12", "-keystore", file, "-storepass", PASSPHRASE];
            let list = run(directory.path(), keytool, &[&["-list", "-v"], &store[..]].concat());
            assert!(list.contains("Your keystore contains 1 entry"), "{file}: {list}");
            assert!(list.contains(&format!("Entry type: {kind}")), "{file}: {list}");
            assert!(list.contains(&format!("Alias name: {alias}")), "{file}: {list}");
        }
    }
    if let Some(openssl) = tool("openssl") {
        let passphrase = format!("pass:{PASSPHRASE}");
        for (file, certificates, keys) in [
            ("crt_test-tomcat/keystore.p12", 3, 1),
            ("crt_test-iis/crt_test.pfx", 3, 1),
            ("crt_test-tomcat/truststore.p12", 2, 0),
        ] {
            let all = run(directory.path(), openssl, &["pkcs12", "-in", file, "-passin", &passphrase, "-nodes"]);
            assert_eq!(all.matches("BEGIN CERTIFICATE").count(), certificates, "{file}: {all}");
            assert_eq!(all.matches("BEGIN PRIVATE KEY").count(), keys, "{file}");
        }
    }
    if let Some(pk12util) = tool("pk12util") {
        let list = ["-l", "crt_test-iis/crt_test.pfx", "-W", PASSPHRASE];
        let list = run(directory.path(), pk12util, &list);
        assert!(list.contains("Friendly Name: Anna Schmidt"), "{list}");
    }
    // One passphrase, but no salt twice: neither store tells anything of the other.
    let [one, other] = ["keystore.p12", "truststore.p12"]
        .map(|name| fs::read(directory.path().join("crt_test-tomcat").join(name)).unwrap());
    let ends = [&one, &other].map(|file| file.rchunks(20).next().unwrap().to_vec());
    assert_ne!(ends.first(), ends.last());
}
