//! Every format of a download (rule A1): the files that the page names, their modes, what is recorded, and what OpenSSL and
//! Java say to them.

use std::path::Path;

use serde_json::{Value, json};

use crate::kit::{Desk, has_openssl, mode, text};
use crate::servers::program;

const EXPORT: &str = "a passphrase of many words";

/// The paths below a directory, and their modes.
fn tree(directory: &Path) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory_of) = left.pop() {
        for entry in std::fs::read_dir(&directory_of).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                assert_eq!(mode(&path), 0o700, "{}", path.display());
                left.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap();
                found.push((name.to_owned(), mode(&path)));
            }
        }
    }
    found.sort();
    found
}

/// What is recorded of keys that were handed out: format, recipient, and whether in clear.
fn deliveries(desk: &Desk) -> Vec<Value> {
    let log = desk.run(&["log"]).stdout;
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] == "KeyDelivered").map(|line| line["event"].clone()).collect()
}

#[test]
fn a1_every_format_gives_the_files_of_the_page() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 1);
    let id = desk.server(&pair, "a.example.com");
    let passphrase = desk.write("export.txt", format!("{EXPORT}\n"));
    let secret = |name: &str| (name.replace("ID", &id), 0o600);
    let public = |name: &str| (name.replace("ID", &id), 0o644);
    let key = ["--with-key", "--export-passphrase-file", passphrase.as_str(), "--to", "Ada Lovelace"];
    let mut formats = Vec::new();
    for (format, expected) in [
        ("pem", vec![secret("ID.key.pem"), public("ID.pem")]),
        ("der", vec![secret("ID.key.pem"), public("ID.der"), public("issuers/1.der"), public("issuers/2.der")]),
        ("pkcs7", vec![secret("ID.key.pem"), public("ID.p7b")]),
        ("pkcs8", vec![secret("ID.key.pem")]),
        ("pkcs12", vec![secret("ID.p12")]),
        ("jks", vec![secret("ID.jks")]),
        (
            "nginx",
            vec![
                public("ID-nginx/INSTALL.txt"),
                public("ID-nginx/client-ca.pem"),
                public("ID-nginx/fullchain.pem"),
                public("ID-nginx/nginx.conf"),
                secret("ID-nginx/privkey.pem"),
                public("ID-nginx/root.pem"),
                public("ID-nginx/site.conf"),
            ],
        ),
        (
            "apache",
            vec![
                public("ID-apache/INSTALL.txt"),
                public("ID-apache/client-ca.pem"),
                public("ID-apache/fullchain.pem"),
                public("ID-apache/httpd.conf"),
                public("ID-apache/passphrase.sh"),
                secret("ID-apache/privkey.pem"),
                public("ID-apache/root.pem"),
                public("ID-apache/site.conf"),
            ],
        ),
        (
            "haproxy",
            vec![
                public("ID-haproxy/INSTALL.txt"),
                public("ID-haproxy/client-ca.pem"),
                public("ID-haproxy/haproxy.cfg"),
                public("ID-haproxy/root.pem"),
                secret("ID-haproxy/site.pem"),
            ],
        ),
        (
            "tomcat",
            vec![
                public("ID-tomcat/INSTALL.txt"),
                public("ID-tomcat/client-ca.pem"),
                public("ID-tomcat/connector.xml"),
                secret("ID-tomcat/keystore.p12"),
                public("ID-tomcat/root.pem"),
                public("ID-tomcat/server.xml"),
                public("ID-tomcat/truststore.p12"),
            ],
        ),
        (
            "iis",
            vec![
                public("ID-iis/INSTALL.txt"),
                public("ID-iis/client-ca.pem"),
                secret("ID-iis/ID.pfx"),
                public("ID-iis/install.ps1"),
                public("ID-iis/intermediate-1.cer"),
                public("ID-iis/root.cer"),
                public("ID-iis/root.pem"),
            ],
        ),
        (
            "browser",
            vec![
                public("ID-browser/INSTALL.txt"),
                secret("ID-browser/ID.p12"),
                public("ID-browser/ID.pem"),
                public("ID-browser/root.crt"),
                public("ID-browser/root.pem"),
            ],
        ),
    ] {
        let mut expected = expected;
        expected.sort();
        let out = desk.path(&format!("out-{format}"));
        let words = [&["download", &id, "--format", format, "--out", out.to_str().unwrap()], &key[..]].concat();
        let answer = desk.yes(&words);
        assert_eq!(tree(&out), expected, "{format}");
        assert_eq!(mode(&out), 0o700);
        let mut told: Vec<String> = answer["files"].as_array().unwrap().iter().map(text).collect();
        told.sort();
        let mut written: Vec<String> =
            expected.iter().map(|(name, _)| out.join(name).to_str().unwrap().to_owned()).collect();
        written.sort();
        assert_eq!(told, written, "{format}");
        // Nothing is overwritten, and a second download of the key is not recorded.
        let before = desk.head();
        assert_eq!(desk.run(&words).error(), "file", "{format}");
        assert_eq!(desk.head(), before, "{format}");
        formats.push(format);
    }
    let recorded = deliveries(&desk);
    let told: Vec<(String, String)> =
        recorded.iter().map(|event| (text(&event["format"]), text(&event["recipient"]))).collect();
    let expected: Vec<_> = formats.iter().map(|format| ((*format).to_owned(), "Ada Lovelace".to_owned())).collect();
    assert_eq!(told, expected);
    assert!(recorded.iter().all(|event| event["unencrypted"] == json!(false)), "{recorded:?}");
}

/// Rule K1: no format gives the key of a CA; key stores are trust stores, packages are for verifying clients.
#[test]
fn k1_of_a_ca_every_format_comes_without_key() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 0);
    let passphrase = desk.write("export.txt", EXPORT);
    for id in [&pair.root, &pair.intermediate] {
        for format in ["pem", "der", "pkcs7", "nginx", "apache", "tomcat", "iis", "haproxy", "browser"] {
            let out = desk.download(id, format, &[]);
            assert!(tree(&out).iter().all(|(_, mode)| *mode == 0o644), "{format}");
            let words = ["download", id, "--format", format, "--out", "x", "--with-key", "--plain-key"];
            let rules: &[&str] = if ["tomcat", "iis", "browser"].contains(&format) { &["K1", "K4"] } else { &["K1"] };
            desk.no(&[&words[..], &["--export-passphrase-file", &passphrase]].concat(), rules);
        }
        for format in ["pkcs12", "jks"] {
            desk.no(&["download", id, "--format", format, "--out", "x"], &["K5"]);
            let with = ["--export-passphrase-file", passphrase.as_str()];
            let out = desk.download(id, format, &with);
            assert!(tree(&out).iter().all(|(_, mode)| *mode == 0o644), "{format}");
            desk.no(&[&["download", id, "--format", format, "--out", "x", "--with-key"], &with[..]].concat(), &["K1"]);
            if let Some(keytool) = program("keytool") {
                let store = std::fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
                let mut command = std::process::Command::new(keytool);
                command.args(["-list", "-v", "-storepass", EXPORT, "-keystore"]).arg(store);
                let list = String::from_utf8(command.output().unwrap().stdout).unwrap();
                assert!(list.contains("trustedCertEntry") && !list.contains("PrivateKeyEntry"), "{list}");
            }
        }
        desk.no(&["download", id, "--format", "pkcs8", "--out", "x"], &["K1"]);
    }
    assert_eq!(deliveries(&desk), Vec::<Value>::new());
    assert!(!desk.path("x").exists());
}

/// Without its key a certificate comes in each form that is of use without one; key stores and PKCS#8 are none.
#[test]
fn a1_without_its_key_a_certificate_comes_as_what_needs_none() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 1);
    let id = desk.server(&pair, "a.example.com");
    let passphrase = desk.write("export.txt", EXPORT);
    for format in ["pkcs8", "pkcs12", "jks"] {
        let words = ["download", &id, "--format", format, "--out", "x", "--export-passphrase-file", &passphrase];
        desk.no(&words, &["A1"]);
    }
    let before = desk.head();
    for format in ["pem", "der", "pkcs7", "nginx", "apache", "tomcat", "iis", "haproxy", "browser"] {
        let out = desk.download(&id, format, &[]);
        assert!(tree(&out).iter().all(|(_, mode)| *mode == 0o644), "{format}");
    }
    assert_eq!(desk.head(), before, "nothing is recorded");
    if has_openssl() {
        let file = desk.path(&format!("out-{id}-pkcs7-0/{id}.p7b"));
        let all = desk.openssl(&["pkcs7", "-inform", "DER", "-print_certs", "-noout", "-in", file.to_str().unwrap()]);
        assert_eq!(all.matches("subject=").count(), 3, "{all}");
    }
    // In clear where the page says so, and only by name.
    let plain = ["--with-key", "--plain-key"];
    for format in ["pem", "der", "pkcs7", "pkcs8", "nginx", "apache", "haproxy"] {
        desk.download(&id, format, &plain);
    }
    for format in ["pkcs12", "jks", "tomcat", "iis", "browser"] {
        let words = ["download", &id, "--format", format, "--out", "x", "--export-passphrase-file", &passphrase];
        desk.no(&[&words[..], &plain].concat(), &["K4"]);
    }
    let recorded = deliveries(&desk);
    assert_eq!(recorded.len(), 7);
    assert!(recorded.iter().all(|event| event["unencrypted"] == json!(true)), "{recorded:?}");
    let unknown = desk.run(&["download", &id, "--format", "stone", "--out", "x"]);
    assert_eq!((unknown.code, unknown.error().as_str()), (2, "usage"));
}
