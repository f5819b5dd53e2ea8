//! Deliveries before other people's tools: OpenSSL, Java's keytool, GnuTLS, NSS.
#![allow(missing_docs, clippy::unwrap_used)]

mod delivery_fixtures;

use delivery_fixtures::{Chain, PASSPHRASE, make, refused, run, tool, with_key, write};
use pca_core::delivery::{Format, Kind, Options};
use pca_core::keys::Algorithm;

const JUDGED: [Algorithm; 5] =
    [Algorithm::Rsa2048, Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::EcdsaP521, Algorithm::Ed25519];

/// Each algorithm's chain, delivered in the format into a directory of its own.
fn each(format: Format, judge: impl Fn(Algorithm, &std::path::Path)) {
    for algorithm in JUDGED {
        let directory = tempfile::tempdir().unwrap();
        write(
            &make(&Chain::new(algorithm, "Anna Schmidt").bundle(Kind::Client), format, &with_key()),
            directory.path(),
        );
        judge(algorithm, directory.path());
    }
}

#[test]
fn openssl_reads_pem_and_verifies_the_chain() {
    let Some(openssl) = tool("openssl") else { return };
    for algorithm in JUDGED {
        let directory = tempfile::tempdir().unwrap();
        let chain = Chain::new(algorithm, "Anna Schmidt");
        write(&make(&chain.bundle(Kind::Server), Format::Pem, &with_key()), directory.path());
        write(&make(&chain.root_bundle(), Format::Pem, &Options::default()), directory.path());
        let verified = run(
            directory.path(),
            openssl,
            &["verify", "-x509_strict", "-CAfile", "ca_root.pem", "-untrusted", "crt_test.pem", "crt_test.pem"],
        );
        assert_eq!(verified.trim(), "crt_test.pem: OK", "{algorithm}");
        let subject = run(directory.path(), openssl, &["x509", "-in", "crt_test.pem", "-noout", "-subject"]);
        assert!(subject.contains("Anna Schmidt"), "the leaf comes first: {subject}");
    }
}

#[test]
fn openssl_opens_the_encrypted_key_with_the_passphrase_only() {
    let Some(openssl) = tool("openssl") else { return };
    each(Format::Pem, |algorithm, directory| {
        let passphrase = format!("pass:{PASSPHRASE}");
        let public = run(directory, openssl, &["pkey", "-in", "crt_test.key.pem", "-passin", &passphrase, "-pubout"]);
        let certified = run(directory, openssl, &["x509", "-in", "crt_test.pem", "-noout", "-pubkey"]);
        assert_eq!(public, certified, "{algorithm}");
        refused(directory, openssl, &["pkey", "-in", "crt_test.key.pem", "-passin", "pass:correct horse 8", "-noout"]);
        refused(directory, openssl, &["pkey", "-in", "crt_test.key.pem", "-passin", "pass:", "-noout"]);
    });
}

#[test]
fn openssl_reads_a_plain_key_that_was_asked_for() {
    let Some(openssl) = tool("openssl") else { return };
    for algorithm in JUDGED {
        let directory = tempfile::tempdir().unwrap();
        let plain = Options { with_key: true, plain_key: true, passphrase: None };
        write(&make(&Chain::new(algorithm, "x").bundle(Kind::Server), Format::Pkcs8, &plain), directory.path());
        run(directory.path(), openssl, &["pkey", "-in", "crt_test.key.pem", "-check", "-noout"]);
    }
}

#[test]
fn openssl_reads_each_der_file() {
    let Some(openssl) = tool("openssl") else { return };
    let directory = tempfile::tempdir().unwrap();
    let chain = Chain::new(Algorithm::EcdsaP256, "Anna Schmidt");
    write(&make(&chain.bundle(Kind::Server), Format::Der, &Options::default()), directory.path());
    for (file, subject) in
        [("crt_test.der", "Anna Schmidt"), ("issuers/1.der", "Test OA"), ("issuers/2.der", "Test Root")]
    {
        let said = run(directory.path(), openssl, &["x509", "-inform", "DER", "-in", file, "-noout", "-subject"]);
        assert!(said.contains(subject), "{file}: {said}");
    }
}

#[test]
fn openssl_opens_pkcs12_with_the_passphrase_only() {
    let Some(openssl) = tool("openssl") else { return };
    each(Format::Pkcs12, |algorithm, directory| {
        let passphrase = format!("pass:{PASSPHRASE}");
        let open = ["pkcs12", "-in", "crt_test.p12", "-passin", &passphrase];
        let information = run(directory, openssl, &[&open[..], &["-info", "-noout"]].concat());
        assert!(information.contains("MAC: sha256, Iteration 100000"), "{information}");
        assert!(information.contains("MAC length: 32, salt length: 16"), "{information}");
        let encryption = "PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256";
        assert_eq!(information.matches(encryption).count(), 2, "key and certificates: {information}");

        run(directory, openssl, &[&open[..], &["-nodes", "-nocerts", "-out", "key"]].concat());
        run(directory, openssl, &[&open[..], &["-nokeys", "-clcerts", "-out", "leaf"]].concat());
        run(directory, openssl, &[&open[..], &["-nokeys", "-cacerts", "-out", "issuers"]].concat());
        let public = run(directory, openssl, &["pkey", "-in", "key", "-pubout"]);
        assert_eq!(public, run(directory, openssl, &["x509", "-in", "leaf", "-noout", "-pubkey"]), "{algorithm}");
        let leaf = std::fs::read_to_string(directory.join("leaf")).unwrap();
        assert!(leaf.contains("friendlyName: Anna Schmidt"), "{leaf}");
        let issuers = std::fs::read_to_string(directory.join("issuers")).unwrap();
        assert_eq!(issuers.matches("BEGIN CERTIFICATE").count(), 2);

        let wrong = refused(directory, openssl, &["pkcs12", "-in", "crt_test.p12", "-passin", "pass:correct horse 8"]);
        assert!(wrong.contains("invalid password"), "{wrong}");

        let mut damaged = std::fs::read(directory.join("crt_test.p12")).unwrap();
        let middle = damaged.len() / 2;
        damaged.get_mut(middle).map(|octet| *octet ^= 1).unwrap();
        std::fs::write(directory.join("damaged.p12"), damaged).unwrap();
        refused(directory, openssl, &["pkcs12", "-in", "damaged.p12", "-passin", &passphrase, "-noout"]);
    });
}

#[test]
fn keytool_opens_pkcs12_and_signs_with_its_key() {
    let Some(keytool) = tool("keytool") else { return };
    each(Format::Pkcs12, |algorithm, directory| {
        let store = ["-storetype", "PKCS12", "-keystore", "crt_test.p12", "-storepass", PASSPHRASE];
        let list = run(directory, keytool, &[&["-list", "-v"], &store[..]].concat());
        assert!(list.contains("Your keystore contains 1 entry"), "{algorithm}: {list}");
        assert!(list.contains("Alias name: anna schmidt"), "{list}");
        assert!(list.contains("Entry type: PrivateKeyEntry"), "{list}");
        assert!(list.contains("Certificate chain length: 3"), "{list}");
        let signed = run(directory, keytool, &[&["-certreq", "-alias", "anna schmidt"], &store[..]].concat());
        assert!(signed.contains("BEGIN NEW CERTIFICATE REQUEST"), "{algorithm}: {signed}");
        let wrong = ["-storetype", "PKCS12", "-keystore", "crt_test.p12", "-storepass", "correct horse 8"];
        refused(directory, keytool, &[&["-list"], &wrong[..]].concat());
    });
}

#[test]
fn certtool_opens_pkcs12_and_pkcs8() {
    let Some(certtool) = tool("certtool") else { return };
    each(Format::Pkcs12, |algorithm, directory| {
        let open = ["--p12-info", "--inder", "--infile", "crt_test.p12", "--password"];
        let information = run(directory, certtool, &[&open[..], &[PASSPHRASE]].concat());
        assert_eq!(information.matches("BEGIN CERTIFICATE").count(), 3, "{algorithm}: {information}");
        assert!(information.contains("PRIVATE KEY"), "{algorithm}: {information}");
        assert!(information.contains("Friendly name: Anna Schmidt"), "{information}");
        assert!(information.contains("AES-256-CBC"), "{information}");
        refused(directory, certtool, &[&open[..], &["correct horse 8"]].concat());
    });
    each(Format::Pkcs8, |algorithm, directory| {
        let open = ["--p8-info", "--infile", "crt_test.key.pem", "--password"];
        let information = run(directory, certtool, &[&open[..], &[PASSPHRASE]].concat());
        assert!(information.contains("Iteration count: 600000"), "{algorithm}: {information}");
        let key = ["-k", "--infile", "crt_test.key.pem", "--password"];
        run(directory, certtool, &[&key[..], &[PASSPHRASE]].concat());
        refused(directory, certtool, &[&key[..], &["correct horse 8"]].concat());
    });
}

#[test]
fn nss_takes_pkcs12_as_a_browser_does() {
    let (Some(certutil), Some(pk12util)) = (tool("certutil"), tool("pk12util")) else { return };
    // Ed25519 is left out: NSS, and so Firefox, has no use for such keys; the delivery warns of it.
    for algorithm in [Algorithm::Rsa2048, Algorithm::EcdsaP256, Algorithm::EcdsaP384] {
        let directory = tempfile::tempdir().unwrap();
        let bundle = Chain::new(algorithm, "Anna Schmidt").bundle(Kind::Client);
        write(&make(&bundle, Format::Browser, &with_key()), directory.path());
        let base = ["-d", "sql:."];
        run(directory.path(), certutil, &[&base[..], &["-N", "--empty-password"]].concat());
        let file = "crt_test-browser/crt_test.p12";
        refused(directory.path(), pk12util, &[&base[..], &["-i", file, "-W", "correct horse 8", "-K", ""]].concat());
        run(directory.path(), pk12util, &[&base[..], &["-i", file, "-W", PASSPHRASE, "-K", ""]].concat());
        let trust = ["-A", "-t", "C,,", "-n", "crt_test-root", "-i", "crt_test-browser/root.pem"];
        run(directory.path(), certutil, &[&base[..], &trust].concat());
        let valid = run(directory.path(), certutil, &[&base[..], &["-V", "-u", "V", "-n", "Anna Schmidt"]].concat());
        assert!(valid.contains("certificate is valid"), "{algorithm}: {valid}");
        let keys = run(directory.path(), certutil, &[&base[..], &["-K"]].concat());
        assert!(keys.contains("Anna Schmidt"), "{keys}");
    }
}

#[test]
fn names_beyond_ascii_arrive() {
    let chain = Chain::new(Algorithm::EcdsaP256, "x");
    let bundle = chain.bundle(Kind::Client).with_friendly_name("Jörg Müller 会计");
    let directory = tempfile::tempdir().unwrap();
    write(&make(&bundle, Format::Pkcs12, &with_key()), directory.path());
    if let Some(openssl) = tool("openssl") {
        let passphrase = format!("pass:{PASSPHRASE}");
        // It opens the file, but prints only one octet of each character of a friendly name.
        run(directory.path(), openssl, &["pkcs12", "-in", "crt_test.p12", "-passin", &passphrase, "-noout"]);
    }
    if let Some(certtool) = tool("certtool") {
        let open = ["--p12-info", "--inder", "--infile", "crt_test.p12", "--password", PASSPHRASE];
        let read = run(directory.path(), certtool, &open);
        assert!(read.contains("Friendly name: Jörg Müller 会计"), "{read}");
    }
    if let Some(keytool) = tool("keytool") {
        let arguments = ["-J-Dstdout.encoding=UTF-8", "-J-Dsun.stdout.encoding=UTF-8", "-list", "-storetype", "PKCS12"];
        let read = run(
            directory.path(),
            keytool,
            &[&arguments[..], &["-keystore", "crt_test.p12", "-storepass", PASSPHRASE]].concat(),
        );
        assert!(read.contains("jörg müller 会计"), "{read}");
    }
}

#[test]
fn an_authority_gives_a_trust_store_without_key() {
    let chain = Chain::new(Algorithm::EcdsaP256, "x");
    for (bundle, file) in [(chain.root_bundle(), "ca_root.p12"), (chain.intermediate_bundle(), "ca_oa.p12")] {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { passphrase: Some(PASSPHRASE.into()), ..Options::default() };
        write(&make(&bundle, Format::Pkcs12, &options), directory.path());
        if let Some(keytool) = tool("keytool") {
            let list = run(
                directory.path(),
                keytool,
                &["-list", "-v", "-storetype", "PKCS12", "-keystore", file, "-storepass", PASSPHRASE],
            );
            assert!(list.contains("Your keystore contains 1 entry"), "{list}");
            assert!(list.contains("Alias name: test root"), "{list}");
            assert!(list.contains("Entry type: trustedCertEntry"), "{list}");
        }
        if let Some(openssl) = tool("openssl") {
            let passphrase = format!("pass:{PASSPHRASE}");
            let all = run(directory.path(), openssl, &["pkcs12", "-in", file, "-passin", &passphrase, "-nodes"]);
            assert!(!all.contains("PRIVATE KEY"), "{all}");
            assert_eq!(all.matches("BEGIN CERTIFICATE").count(), if file == "ca_oa.p12" { 2 } else { 1 });
        }
    }
}
