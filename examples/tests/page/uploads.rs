//! Uploads of roots and intermediates, made by OpenSSL: right ones, and wrong ones of many kinds (rule C3).

use crate::kit::{Desk, Run, has_openssl, text};

const CONFIG: &str = "\
[req]
distinguished_name = dn
[dn]
[good]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
[bare]
subjectKeyIdentifier = hash
[nocertsign]
basicConstraints = critical,CA:true
keyUsage = critical,cRLSign
subjectKeyIdentifier = hash
[nocrlsign]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[nousage]
basicConstraints = critical,CA:true
subjectKeyIdentifier = hash
[notcritical]
basicConstraints = CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[noski]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
[zero]
basicConstraints = critical,CA:true,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[strange]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
1.2.3.4.5 = critical,ASN1:UTF8String:what
";

/// A desk with OpenSSL's configuration and a P-256 key.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("ca.cnf", CONFIG);
    desk.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.key"]);
    desk
}

/// A self-signed certificate for a key, with extensions by name.
fn self_signed(desk: &Desk, key: &str, extensions: &str, more: &[&str]) -> String {
    let name = format!("{extensions}-{}.pem", more.join("").replace(['/', ' ', '='], ""));
    let args = ["req", "-new", "-x509", "-config", "ca.cnf", "-key", key, "-extensions", extensions, "-out", &name];
    let subject = ["-subj", "/O=Example Corp/CN=Uploaded Root"];
    let days = if more.contains(&"-not_after") || more.contains(&"-days") { &[][..] } else { &["-days", "3650"] };
    desk.openssl(&[&args[..], &subject, days, more].concat());
    name
}

fn upload(desk: &Desk, ca: &str, certificate: &str, key: &str, more: &[&str]) -> Run {
    desk.run(&[&["enable", ca, "--upload-certificate", certificate, "--upload-key", key], more].concat())
}

/// Refused with this code among the reasons, by C3 unless said otherwise.
#[track_caller]
fn refused(desk: &Desk, ca: &str, certificate: &str, key: &str, more: &[&str], rule: &str) -> String {
    let run = upload(desk, ca, certificate, key, more);
    let rules = run.rules();
    assert!(rules.contains(&rule.to_owned()), "{certificate} {key}: {run:?}");
    run.stdout
}

#[test]
fn right_uploads_in_every_form_of_key_are_enabled_and_issue() {
    if !has_openssl() {
        return;
    }
    let desk = desk();
    desk.openssl(&["pkcs8", "-topk8", "-in", "ec.key", "-nocrypt", "-out", "pkcs8.key"]);
    desk.openssl(&["pkcs8", "-topk8", "-in", "ec.key", "-passout", "pass:open sesame", "-out", "encrypted.key"]);
    desk.openssl(&["pkcs8", "-topk8", "-in", "ec.key", "-nocrypt", "-outform", "DER", "-out", "pkcs8.der"]);
    let passphrase = desk.write("sesame.txt", "open sesame\n");
    let with = ["--upload-passphrase-file", passphrase.as_str()];
    for (number, (key, more)) in
        [("ec.key", &[][..]), ("pkcs8.key", &[]), ("encrypted.key", &with), ("pkcs8.der", &[])].into_iter().enumerate()
    {
        // One key, one role: each upload has a desk's own log.
        let log = format!("log-{number}");
        let bought = desk.yes(&["init", "--dir", &log]);
        assert!(bought.is_object());
        let bought = desk.yes(&["buy", "root", "--family", "ecc", "--dir", &log]);
        let certificate = self_signed(&desk, "ec.key", "good", &[]);
        let run = upload(&desk, &text(&bought["root"]), &certificate, key, &[&["--dir", &log][..], more].concat());
        assert_eq!(run.code, 0, "{key}: {run:?}");
        assert_eq!(run.json()["warnings"], serde_json::json!([]));
        let pem = std::fs::read_to_string(desk.path(&certificate)).unwrap();
        assert_eq!(text(&run.json()["certificate_pem"]).trim(), pem.trim(), "byte for byte");
    }
    // PKCS#1, and a chain below an uploaded root that OpenSSL accepts.
    desk.openssl(&["genrsa", "-traditional", "-out", "rsa.key", "2048"]);
    let certificate = self_signed(&desk, "rsa.key", "good", &["-sha384"]);
    let pair = desk.buy("rsa");
    let run = upload(&desk, &pair.root, &certificate, "rsa.key", &[]);
    assert_eq!(run.code, 0, "{run:?}");
    desk.yes(&["enable", &pair.intermediate, "--cn", "OA", "--algorithm", "rsa-2048"]);
    desk.yes(&["assign", &pair.intermediate, "1"]);
    let id = text(&desk.yes(&["issue", "server", &pair.intermediate, "--dns", "a.example.com"])["certificate"]);
    let leaf = desk.download(&id, "pem", &[]).join(format!("{id}.pem"));
    let leaf = leaf.to_str().unwrap();
    desk.openssl(&["verify", "-x509_strict", "-CAfile", &certificate, "-untrusted", leaf, leaf]);
    desk.yes(&["verify"]);
}

#[test]
fn what_is_odd_must_be_accepted_by_its_code() {
    if !has_openssl() {
        return;
    }
    let desk = desk();
    let pair = desk.buy("ecc");
    for (extensions, code) in [("nousage", "key-usage-absent"), ("notcritical", "basic-constraints-not-critical")] {
        let certificate = self_signed(&desk, "ec.key", extensions, &[]);
        let told = refused(&desk, &pair.root, &certificate, "ec.key", &[], "C3");
        assert!(told.contains(code), "{told}");
        let previewed = upload(&desk, &pair.root, &certificate, "ec.key", &["--accept", code, "--dry-run"]);
        assert_eq!(previewed.code, 0, "{previewed:?}");
    }
    let certificate = self_signed(&desk, "ec.key", "nousage", &[]);
    refused(&desk, &pair.root, &certificate, "ec.key", &["--accept", "everything"], "C3");
    let run = upload(&desk, &pair.root, &certificate, "ec.key", &["--accept", "key-usage-absent"]);
    assert_eq!((run.code, &run.json()["warnings"]), (0, &serde_json::json!(["key-usage-absent"])), "{run:?}");
}

#[test]
fn wrong_uploads_of_every_kind_are_refused() {
    if !has_openssl() {
        return;
    }
    let desk = desk();
    let pair = desk.buy("ecc");
    let root = pair.root.as_str();
    let good = self_signed(&desk, "ec.key", "good", &[]);
    let before = desk.head();

    // Certificates that are no fit CA certificates.
    for extensions in ["leaf", "bare", "nocertsign", "nocrlsign", "zero", "strange"] {
        refused(&desk, root, &self_signed(&desk, "ec.key", extensions, &[]), "ec.key", &[], "C3");
    }
    // Expired, and not valid yet.
    desk.openssl(&["req", "-new", "-config", "ca.cnf", "-key", "ec.key", "-subj", "/CN=Old", "-out", "old.csr"]);
    let dated = |name: &str, from: &str, to: &str| {
        desk.write("index.txt", "");
        desk.write("serial", "1001\n");
        desk.write(
            "dated.cnf",
            format!("{CONFIG}[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\nnew_certs_dir = .\nserial = serial\ndefault_md = sha256\npolicy = p\nunique_subject = no\n[p]\ncommonName = supplied\n"),
        );
        desk.openssl(&[
            "ca",
            "-batch",
            "-config",
            "dated.cnf",
            "-selfsign",
            "-keyfile",
            "ec.key",
            "-in",
            "old.csr",
            "-extensions",
            "good",
            "-startdate",
            from,
            "-enddate",
            to,
            "-notext",
            "-out",
            name,
        ]);
        name.to_owned()
    };
    refused(&desk, root, &dated("expired.pem", "20100101000000Z", "20110101000000Z"), "ec.key", &[], "C3");
    refused(&desk, root, &dated("future.pem", "20900101000000Z", "20950101000000Z"), "ec.key", &[], "C3");
    // Keys: another one, another family, too weak, another curve, encrypted without or with a wrong passphrase.
    desk.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "other.key"]);
    refused(&desk, root, &good, "other.key", &[], "C3");
    desk.openssl(&["genrsa", "-out", "rsa.key", "2048"]);
    let told = refused(&desk, root, &self_signed(&desk, "rsa.key", "good", &["-sha256"]), "rsa.key", &[], "C3");
    assert!(told.contains("rsa"), "{told}");
    desk.openssl(&["genrsa", "-out", "weak.key", "1024"]);
    refused(&desk, root, &self_signed(&desk, "weak.key", "good", &["-sha512"]), "weak.key", &[], "C3");
    desk.openssl(&["ecparam", "-name", "secp256k1", "-genkey", "-noout", "-out", "k1.key"]);
    refused(&desk, root, &self_signed(&desk, "k1.key", "good", &["-sha384"]), "k1.key", &[], "C3");
    desk.openssl(&[
        "ecparam",
        "-name",
        "prime256v1",
        "-param_enc",
        "explicit",
        "-genkey",
        "-noout",
        "-out",
        "explicit.key",
    ]);
    refused(&desk, root, &good, "explicit.key", &[], "C3");
    desk.openssl(&["pkcs8", "-topk8", "-in", "ec.key", "-passout", "pass:open sesame", "-out", "encrypted.key"]);
    refused(&desk, root, &good, "encrypted.key", &[], "C3");
    let wrong = desk.write("wrong.txt", "close sesame\n");
    refused(&desk, root, &good, "encrypted.key", &["--upload-passphrase-file", &wrong], "C3");
    refused(&desk, root, &good, "ec.key", &["--upload-passphrase-file", &wrong], "C3");
    // Files: truncated, garbage, a key for a certificate and the other way round, empty, too large.
    desk.openssl(&["x509", "-in", &good, "-outform", "DER", "-out", "good.der"]);
    let der = std::fs::read(desk.path("good.der")).unwrap();
    desk.write("truncated.der", &der[..der.len() - 7]);
    desk.write("trailing.der", [&der[..], b"x"].concat());
    desk.write("flipped.der", {
        let mut der = der.clone();
        let last = der.len() - 3;
        der[last] ^= 1;
        der
    });
    desk.write("garbage", "garbage");
    desk.write("empty", "");
    desk.write("huge.pem", vec![b'x'; 2 << 20]);
    for certificate in ["truncated.der", "trailing.der", "flipped.der", "garbage", "empty", "ec.key"] {
        refused(&desk, root, certificate, "ec.key", &[], "C3");
    }
    for key in ["garbage", "empty", good.as_str()] {
        refused(&desk, root, &good, key, &[], "C3");
    }
    // What would be too much work: sizes, blocks, a costly derivation, also of a list.
    refused(&desk, root, "huge.pem", "ec.key", &[], "G4");
    refused(&desk, root, &good, "huge.pem", &[], "G4");
    desk.write("blocks.pem", std::fs::read_to_string(desk.path(&good)).unwrap().repeat(65));
    refused(&desk, root, &good, "blocks.pem", &[], "G4");
    desk.openssl(&["pkcs8", "-topk8", "-in", "ec.key", "-scrypt", "-passout", "pass:open sesame", "-out", "s.key"]);
    desk.openssl(&["asn1parse", "-in", "s.key", "-noout", "-out", "s.der"]);
    desk.write("costly.key", costly(std::fs::read(desk.path("s.der")).unwrap()));
    refused(&desk, root, &good, "costly.key", &["--upload-passphrase-file", &wrong], "G4");
    desk.write("huge.crl", ["-----BEGIN X509 CRL-----\n", &"x".repeat(2 << 20)].concat());
    refused(&desk, root, &good, "ec.key", &["--upload-crl", "huge.crl"], "G4");
    // Both at once are both told.
    let run = upload(&desk, root, "garbage", "garbage", &[]);
    assert!(run.json()["refused"].as_array().unwrap().len() >= 2, "{run:?}");
    // An old CRL of somebody else.
    desk.write("no.crl", "garbage");
    refused(&desk, root, &good, "ec.key", &["--upload-crl", "no.crl"], "C3");
    assert_eq!(upload(&desk, root, "absent.pem", "ec.key", &[]).error(), "file");
    assert_eq!(desk.head(), before, "a refusal changes nothing");
    // The right one is still welcome.
    assert_eq!(upload(&desk, root, &good, "ec.key", &[]).code, 0);
}

/// With larger blocks and more lanes: r = 8 and p = 1 become 127 each.
fn costly(mut scrypt: Vec<u8>) -> Vec<u8> {
    let place = scrypt.windows(6).position(|window| window == [2, 1, 8, 2, 1, 1]).unwrap();
    scrypt[place + 2] = 127;
    scrypt[place + 5] = 127;
    scrypt
}

#[test]
fn an_intermediate_must_be_of_its_root() {
    if !has_openssl() {
        return;
    }
    let desk = desk();
    let pair = desk.buy("ecc");
    let zero = self_signed(&desk, "ec.key", "zero", &[]);
    refused(&desk, &pair.root, &zero, "ec.key", &[], "C3");
    let good = self_signed(&desk, "ec.key", "good", &[]);
    assert_eq!(upload(&desk, &pair.root, &good, "ec.key", &[]).code, 0);
    desk.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "oa.key"]);
    desk.openssl(&["req", "-new", "-config", "ca.cnf", "-key", "oa.key", "-subj", "/CN=OA", "-out", "oa.csr"]);
    let issue = |name: &str, ca: &str, key: &str, extensions: &str, more: &[&str]| {
        let args = [
            "x509",
            "-req",
            "-in",
            "oa.csr",
            "-CA",
            ca,
            "-CAkey",
            key,
            "-extfile",
            "ca.cnf",
            "-extensions",
            extensions,
        ];
        desk.openssl(&[&args[..], &["-days", "300", "-out", name], more].concat());
    };
    // Of another root with the same name, self-signed, the root itself, no CA, SHA-1, and with the root's key.
    desk.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "foreign.key"]);
    let foreign = self_signed(&desk, "foreign.key", "good", &["-sha512"]);
    issue("foreign-oa.pem", &foreign, "foreign.key", "zero", &[]);
    issue("leaf-oa.pem", &good, "ec.key", "leaf", &[]);
    issue("sha1-oa.pem", &good, "ec.key", "zero", &["-sha1"]);
    let own = self_signed(&desk, "oa.key", "zero", &["-sha384"]);
    for certificate in ["foreign-oa.pem", "leaf-oa.pem", "sha1-oa.pem", own.as_str()] {
        refused(&desk, &pair.intermediate, certificate, "oa.key", &[], "C3");
    }
    refused(&desk, &pair.intermediate, &good, "ec.key", &[], "K2");
    issue("oa.pem", &good, "ec.key", "zero", &[]);
    let run = upload(&desk, &pair.intermediate, "oa.pem", "oa.key", &[]);
    assert_eq!(run.code, 0, "{run:?}");
    desk.yes(&["verify"]);
}
