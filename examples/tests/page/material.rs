//! Roots and intermediates as other people's tools make them (rule C3): OpenSSL with its configurations, easy-rsa, cfssl,
//! Java's keytool, and in the published shapes of step-ca and of Windows' Active Directory Certificate Services. Each is
//! uploaded, issues, and OpenSSL and GnuTLS verify the path; the issuer's name and key identifier are copied octet for octet.

use std::process::Command;

use pca_core::x509::ParsedCertificate;
use serde_json::json;

use crate::kit::{Desk, has_openssl, text};
use crate::servers::{absent, program};

/// Names in the encoding that is asked for, and the extensions of CAs in several shapes.
const CONFIG: &str = "\
[req]
distinguished_name = dn
prompt = no
utf8 = yes
string_mask = MASK
[dn]
C = DE
O = Beispiel GmbH
OU = UNIT
CN = NAME
[windows]
domainComponent = com
1.domainComponent = example
CN = example-DC01-CA
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[sub]
basicConstraints = critical,CA:true,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[steproot]
basicConstraints = critical,CA:true,pathlen:1
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[adroot]
basicConstraints = critical,CA:true
keyUsage = digitalSignature,keyCertSign,cRLSign
subjectKeyIdentifier = hash
1.3.6.1.4.1.311.20.2 = ASN1:BMP:CA
1.3.6.1.4.1.311.21.1 = ASN1:INT:0
[adsub]
1.3.6.1.4.1.311.21.1 = ASN1:INT:0x10001
1.3.6.1.4.1.311.21.2 = ASN1:FORMAT:HEX,OCT:00112233445566778899aabbccddeeff00112233
subjectKeyIdentifier = hash
1.3.6.1.4.1.311.20.2 = ASN1:BMP:SubCA
keyUsage = digitalSignature,keyCertSign,cRLSign
basicConstraints = critical,CA:true
authorityKeyIdentifier = keyid
crlDistributionPoints = URI:ldap:///CN=example-DC01-CA%2CCN=DC01%2CCN=CDP?certificateRevocationList?base
authorityInfoAccess = caIssuers;URI:ldap:///CN=example-DC01-CA%2CCN=AIA?cACertificate?base
";

/// A root, perhaps an intermediate below it, each with its key; and what must be accepted of them.
struct Material<'a> {
    family: &'a str,
    root: (&'a str, &'a str),
    intermediate: Option<(&'a str, &'a str)>,
    accept: &'a [&'a str],
    /// Whether GnuTLS can judge it: it takes RSASSA-PSS with a salt as long as the hash only.
    gnutls: bool,
}

fn desk(mask: &str, unit: &str, name: &str) -> Desk {
    let desk = Desk::new();
    let config = CONFIG.replace("= MASK", &format!("= {mask}")).replace("UNIT", unit).replace("NAME", name);
    desk.write("ca.cnf", config);
    desk
}

/// A self-signed root of OpenSSL for a key that is there.
fn root(desk: &Desk, key: &str, extensions: &str, out: &str, more: &[&str]) {
    let words = ["req", "-x509", "-new", "-config", "ca.cnf", "-key", key, "-extensions", extensions, "-out", out];
    desk.openssl(&[&words[..], &["-days", "3650"], more].concat());
}

/// An intermediate that the root signs.
fn intermediate(
    desk: &Desk,
    (issuer, issuer_key): (&str, &str),
    key: &str,
    extensions: &str,
    out: &str,
    more: &[&str],
) {
    desk.openssl(&[
        "req",
        "-new",
        "-config",
        "ca.cnf",
        "-key",
        key,
        "-subj",
        "/O=Beispiel/CN=Zwischenstelle",
        "-out",
        "i.csr",
    ]);
    let words = ["x509", "-req", "-in", "i.csr", "-CA", issuer, "-CAkey", issuer_key, "-CAcreateserial", "-out", out];
    desk.openssl(&[&words[..], &["-extfile", "ca.cnf", "-extensions", extensions, "-days", "1500"], more].concat());
}

fn rsa(desk: &Desk, name: &str) {
    desk.openssl(&["genrsa", "-out", name, "2048"]);
}

fn p256(desk: &Desk, name: &str) {
    desk.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", name]);
}

fn read(desk: &Desk, file: &str) -> ParsedCertificate {
    ParsedCertificate::from_pem(&std::fs::read(desk.path(file)).unwrap()).unwrap()
}

/// Uploads it, issues below it, and lets others judge.
#[track_caller]
fn stands(desk: &Desk, material: &Material<'_>) {
    let pair = desk.buy(material.family);
    let accept: Vec<&str> = material.accept.iter().flat_map(|code| ["--accept", *code]).collect();
    let upload = |ca: &str, (certificate, key): (&str, &str)| {
        let words = ["enable", ca, "--upload-certificate", certificate, "--upload-key", key];
        let words = [&words[..], &accept].concat();
        let run = desk.run(&words);
        assert_eq!(run.code, 0, "{certificate}: {run:?}");
        assert_eq!(run.json()["warnings"], json!(material.accept), "{certificate}");
    };
    upload(&pair.root, material.root);
    match material.intermediate {
        Some(intermediate) => upload(&pair.intermediate, intermediate),
        None => {
            desk.yes(&["enable", &pair.intermediate, "--cn", "OA", "--days", "300"]);
        }
    }
    desk.yes(&["assign", &pair.intermediate, "1"]);
    let issue = ["issue", "server", &pair.intermediate, "--dns", "a.example.com", "--days", "30"];
    let id = text(&desk.yes(&issue)["certificate"]);
    let chain = desk.download(&id, "pem", &[]).join(format!("{id}.pem"));
    let chain = chain.to_str().unwrap();
    let anchor = desk.download(&pair.root, "pem", &[]).join(format!("{}.pem", pair.root));
    let anchor = anchor.to_str().unwrap();
    // The original is kept, octet for octet, and so are names and key identifiers in what stands below.
    let above = read(desk, anchor);
    assert_eq!(above, read(desk, material.root.0));
    let of_intermediate = desk.download(&pair.intermediate, "pem", &[]).join(format!("{}.pem", pair.intermediate));
    let between = read(desk, of_intermediate.to_str().unwrap());
    let leaf = read(desk, chain);
    for (below, above) in [(&between, &above), (&leaf, &between)] {
        assert_eq!(below.issuer().der(), above.subject().der());
        let named = below.extensions().authority_key_identifier.as_ref().and_then(|named| named.key_identifier.clone());
        let own = above.extensions().subject_key_identifier.clone();
        // What an old tool wrote itself may name issuer and serial number instead.
        if let (Some(named), Some(own)) = (named, own) {
            assert_eq!(named, own);
        }
    }
    let mut verify = vec!["verify", "-purpose", "sslserver", "-verify_hostname", "a.example.com", "-CAfile", anchor];
    if material.accept.is_empty() {
        verify.push("-x509_strict");
    }
    verify.extend(["-untrusted", chain, chain]);
    desk.openssl(&verify);
    if let Some(certtool) = program("certtool").filter(|_| material.gnutls) {
        let all = [std::fs::read(chain).unwrap(), std::fs::read(anchor).unwrap()].concat();
        let all = desk.write("all.pem", all);
        let told = Command::new(certtool).args(["--verify-chain", "--infile", &all]).output().unwrap();
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(told.contains("Chain verification output: Verified."), "{told}");
    }
    desk.yes(&["verify"]);
}

/// Refused with this code by rule C3, and nothing is changed.
#[track_caller]
fn refused(desk: &Desk, ca: &str, (certificate, key): (&str, &str), code: &str) {
    let run = desk.no(&["enable", ca, "--upload-certificate", certificate, "--upload-key", key], &["C3"]);
    assert!(run.stdout.contains(&format!("\"{code}\"")), "{certificate}: {run:?}");
}

#[test]
fn c3_names_in_every_string_type_stand() {
    if !has_openssl() {
        return;
    }
    for (mask, unit, name, type_of) in [
        ("utf8only", "Größe", "Wurzel 会计", "UTF8STRING"),
        ("MASK:0x2", "Groesse", "Wurzel", "PRINTABLESTRING"),
        ("MASK:0x800", "Größe", "Wurzel 会计", "BMPSTRING"),
        ("MASK:0x4", "Größe", "Würzel", "T61STRING"),
    ] {
        let desk = desk(mask, unit, name);
        rsa(&desk, "root.key");
        rsa(&desk, "sub.key");
        root(&desk, "root.key", "root", "root.pem", &[]);
        intermediate(&desk, ("root.pem", "root.key"), "sub.key", "sub", "sub.pem", &[]);
        let parsed = desk.openssl(&["asn1parse", "-in", "root.pem"]);
        assert!(parsed.contains(type_of), "{parsed}");
        let root = ("root.pem", "root.key");
        stands(
            &desk,
            &Material { family: "rsa", root, intermediate: Some(("sub.pem", "sub.key")), accept: &[], gnutls: true },
        );
    }
}

#[test]
fn c3_serial_numbers_of_20_octets_stand_and_others_are_refused() {
    if !has_openssl() {
        return;
    }
    let desk = desk("utf8only", "X", "Root");
    p256(&desk, "root.key");
    let bought = desk.buy("ecc");
    for serial in ["-5", "0", "0xff00112233445566778899aabbccddeeff001122"] {
        root(&desk, "root.key", "root", "wrong.pem", &["-set_serial", serial]);
        refused(&desk, &bought.root, ("wrong.pem", "root.key"), "serial-invalid");
    }
    root(&desk, "root.key", "root", "root.pem", &["-set_serial", "0x7f00112233445566778899aabbccddeeff001122"]);
    let root = ("root.pem", "root.key");
    stands(&desk, &Material { family: "ecc", root, intermediate: None, accept: &[], gnutls: true });
}

/// RSASSA-PSS over each good hash, with the longest salt (the default of older OpenSSL), one as long as the hash, a short
/// one and none.
#[test]
fn c3_pss_signatures_stand_with_any_salt() {
    if !has_openssl() {
        return;
    }
    for (hash, salt) in [
        ("-sha256", "max"),
        ("-sha256", "digest"),
        ("-sha384", "max"),
        ("-sha384", "20"),
        ("-sha512", "digest"),
        ("-sha512", "0"),
    ] {
        let desk = desk("utf8only", "X", "Root");
        rsa(&desk, "root.key");
        rsa(&desk, "sub.key");
        let gnutls = salt == "digest";
        let salt = format!("rsa_pss_saltlen:{salt}");
        let pss = [hash, "-sigopt", "rsa_padding_mode:pss", "-sigopt", &salt];
        root(&desk, "root.key", "root", "root.pem", &pss);
        intermediate(&desk, ("root.pem", "root.key"), "sub.key", "sub", "sub.pem", &pss);
        // One octet of the signature is another: it is not the root's any more.
        desk.openssl(&["x509", "-in", "root.pem", "-outform", "DER", "-out", "root.der"]);
        let mut damaged = std::fs::read(desk.path("root.der")).unwrap();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        desk.write("damaged.der", damaged);
        let bought = desk.buy("rsa");
        refused(&desk, &bought.root, ("damaged.der", "root.key"), "signature-wrong");
        let root = ("root.pem", "root.key");
        stands(
            &desk,
            &Material { family: "rsa", root, intermediate: Some(("sub.pem", "sub.key")), accept: &[], gnutls },
        );
    }
}

/// SHA-1 below a root's own signature is told and borne; anywhere else it is refused.
#[test]
fn c3_sha1_is_borne_in_a_roots_own_signature_only() {
    if !has_openssl() {
        return;
    }
    let pss: [&str; 4] = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:max"];
    let short: [&str; 4] = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20"];
    for padding in [&[][..], &pss, &short] {
        let desk = desk("utf8only", "X", "Root");
        rsa(&desk, "root.key");
        rsa(&desk, "sub.key");
        let sha1 = [&["-sha1"][..], padding].concat();
        root(&desk, "root.key", "root", "root.pem", &sha1);
        intermediate(&desk, ("root.pem", "root.key"), "sub.key", "sub", "sub.pem", &sha1);
        desk.openssl(&["x509", "-in", "root.pem", "-outform", "DER", "-out", "root.der"]);
        let mut damaged = std::fs::read(desk.path("root.der")).unwrap();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        desk.write("damaged.der", damaged);
        let pair = desk.buy("rsa");
        refused(&desk, &pair.root, ("damaged.der", "root.key"), "signature-wrong");
        let enabled = desk.yes(&["enable", &pair.root, "--upload-certificate", "root.pem", "--upload-key", "root.key"]);
        assert_eq!(enabled["warnings"], json!(["sha1-self-signature"]));
        refused(&desk, &pair.intermediate, ("sub.pem", "sub.key"), "weak-signature");
        desk.yes(&["enable", &pair.intermediate, "--cn", "OA", "--days", "300"]);
    }
}

/// The shape that `step ca init` gives: a root with path length 1, an intermediate with 0, P-256 throughout; its keys lie
/// under a passphrase in an old manner, which is told with the way out.
#[test]
fn c3_a_platform_of_step_ca_stands() {
    if !has_openssl() {
        return;
    }
    let desk = desk("utf8only", "X", "Example Root CA");
    p256(&desk, "root.key");
    p256(&desk, "sub.key");
    root(&desk, "root.key", "steproot", "root.pem", &["-sha256"]);
    intermediate(&desk, ("root.pem", "root.key"), "sub.key", "sub", "sub.pem", &["-sha256"]);
    desk.openssl(&["ec", "-in", "root.key", "-aes256", "-passout", "pass:step by step", "-out", "locked.key"]);
    let pair = desk.buy("ecc");
    let words = ["enable", &pair.root, "--upload-certificate", "root.pem", "--upload-key", "locked.key"];
    let run = desk.no(&words, &["C3"]);
    assert!(run.stdout.contains("openssl pkey -in KEY"), "{run:?}");
    let root = ("root.pem", "root.key");
    stands(
        &desk,
        &Material { family: "ecc", root, intermediate: Some(("sub.pem", "sub.key")), accept: &[], gnutls: true },
    );
}

/// The shape of Active Directory Certificate Services: domain components, key usage that is not critical, the version of the
/// CA, the name of the template as a BMPString, the hash of the previous certificate, addresses in LDAP.
#[test]
fn c3_a_platform_of_windows_stands() {
    if !has_openssl() {
        return;
    }
    for mask in ["utf8only", "MASK:0x800", "MASK:0x2002"] {
        let desk = desk(mask, "X", "Root");
        let config = std::fs::read_to_string(desk.path("ca.cnf")).unwrap();
        desk.write("ca.cnf", config.replace("distinguished_name = dn", "distinguished_name = windows"));
        rsa(&desk, "root.key");
        rsa(&desk, "sub.key");
        root(&desk, "root.key", "adroot", "root.pem", &["-sha256"]);
        let subject = desk.openssl(&["x509", "-in", "root.pem", "-noout", "-subject"]);
        assert!(subject.contains("DC = com, DC = example, CN = example-DC01-CA"), "{subject}");
        intermediate(&desk, ("root.pem", "root.key"), "sub.key", "adsub", "sub.pem", &["-sha256"]);
        let root = ("root.pem", "root.key");
        stands(
            &desk,
            &Material { family: "rsa", root, intermediate: Some(("sub.pem", "sub.key")), accept: &[], gnutls: true },
        );
    }
}

#[test]
fn c3_a_platform_of_easy_rsa_stands() {
    let script = std::path::Path::new("/usr/share/easy-rsa/easyrsa");
    if !has_openssl() || (!script.is_file() && absent::<()>("easy-rsa").is_none()) {
        return;
    }
    for (algorithm, family) in [("rsa", "rsa"), ("ec", "ecc")] {
        let desk = desk("utf8only", "X", "Root");
        let easyrsa = |pki: &str, name: &str, words: &[&str]| {
            let directory = desk.path(pki);
            std::fs::create_dir_all(&directory).unwrap();
            let output = Command::new(script)
                .args(words)
                .current_dir(&directory)
                .env("EASYRSA_BATCH", "1")
                .env("EASYRSA_ALGO", algorithm)
                .env("EASYRSA_REQ_CN", name)
                .output()
                .unwrap();
            let told =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{words:?}: {told}");
        };
        easyrsa("root", "Easy-RSA CA", &["init-pki"]);
        easyrsa("root", "Easy-RSA CA", &["build-ca", "nopass"]);
        easyrsa("sub", "Easy-RSA OA", &["init-pki"]);
        easyrsa("sub", "Easy-RSA OA", &["build-ca", "nopass", "subca"]);
        let request = desk.path("sub/pki/reqs/ca.req");
        easyrsa("root", "Easy-RSA CA", &["import-req", request.to_str().unwrap(), "oa"]);
        easyrsa("root", "Easy-RSA CA", &["sign-req", "ca", "oa"]);
        // As it writes them: text before the certificate, basic constraints that are not critical, an authority key
        // identifier with issuer and serial number.
        stands(
            &desk,
            &Material {
                family,
                root: ("root/pki/ca.crt", "root/pki/private/ca.key"),
                intermediate: Some(("root/pki/issued/oa.crt", "sub/pki/private/ca.key")),
                accept: &["basic-constraints-not-critical", "aki-issuer-and-serial"],
                gnutls: true,
            },
        );
    }
}

#[test]
fn c3_a_platform_of_cfssl_stands() {
    let (Some(cfssl), true) = (program("cfssl"), has_openssl()) else { return };
    for (algorithm, size, family) in [("ecdsa", 256, "ecc"), ("ecdsa", 384, "ecc"), ("rsa", 2048, "rsa")] {
        let desk = desk("utf8only", "X", "Root");
        let request = |name: &str, ca: &str| {
            let names = r#"[{"C":"US","L":"San Francisco","O":"Example","ST":"California"}]"#;
            format!(r#"{{"CN":"{name}","key":{{"algo":"{algorithm}","size":{size}}},"names":{names}{ca}}}"#)
        };
        desk.write("root.json", request("cfssl Root", r#","ca":{"expiry":"87600h"}"#));
        desk.write("sub.json", request("cfssl OA", ""));
        let profile = r#"{"usages":["cert sign","crl sign"],"expiry":"43800h","ca_constraint":{"is_ca":true,"max_path_len":0,"max_path_len_zero":true},"is_ca":true}"#;
        desk.write("config.json", format!(r#"{{"signing":{{"default":{profile}}}}}"#));
        let run = |words: &[&str], name: &str| {
            let output = Command::new(&cfssl).args(words).current_dir(desk.path(".")).output().unwrap();
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
            let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            desk.write(&format!("{name}.pem"), text(&made["cert"]));
            desk.write(&format!("{name}.key"), text(&made["key"]));
        };
        run(&["gencert", "-initca", "root.json"], "root");
        run(&["gencert", "-ca", "root.pem", "-ca-key", "root.key", "-config", "config.json", "sub.json"], "sub");
        let root = ("root.pem", "root.key");
        stands(
            &desk,
            &Material { family, root, intermediate: Some(("sub.pem", "sub.key")), accept: &[], gnutls: true },
        );
    }
}

#[test]
fn c3_a_platform_of_keytool_stands() {
    let (Some(keytool), true) = (program("keytool"), has_openssl()) else { return };
    for (algorithm, family) in
        [(["-keyalg", "RSA", "-keysize", "2048"], "rsa"), (["-keyalg", "EC", "-groupname", "secp256r1"], "ecc")]
    {
        let desk = desk("utf8only", "X", "Root");
        let run = |words: &[&str]| {
            let mut command = Command::new(&keytool);
            command.args(words).args(["-keystore", "store.p12", "-storetype", "PKCS12", "-storepass", "changeit"]);
            let output = command.current_dir(desk.path(".")).output().unwrap();
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stdout));
        };
        let make = |alias: &str, name: &str, more: &[&str]| {
            let words = ["-genkeypair", "-alias", alias, "-dname", name, "-validity", "3650"];
            run(&[&words[..], &algorithm, more].concat());
        };
        make("root", "CN=Keytool Root, O=Example, C=DE", &["-ext", "bc:c", "-ext", "ku:c=keyCertSign,cRLSign"]);
        make("sub", "CN=Keytool OA, O=Example, C=DE", &[]);
        run(&["-certreq", "-alias", "sub", "-file", "sub.csr"]);
        let words =
            ["-gencert", "-alias", "root", "-infile", "sub.csr", "-outfile", "sub.pem", "-rfc", "-validity", "1500"];
        run(&[&words[..], &["-ext", "bc:c=0", "-ext", "ku:c=keyCertSign,cRLSign"]].concat());
        run(&["-exportcert", "-alias", "root", "-rfc", "-file", "root.pem"]);
        // Java's keys leave it in PKCS#12 only.
        for alias in ["root", "sub"] {
            let store = format!("{alias}.p12");
            let words =
                ["-importkeystore", "-srckeystore", "store.p12", "-srcstorepass", "changeit", "-srcalias", alias];
            let mut command = Command::new(&keytool);
            command.args(words).args([
                "-destkeystore",
                &store,
                "-deststorepass",
                "changeit",
                "-deststoretype",
                "PKCS12",
            ]);
            assert!(command.current_dir(desk.path(".")).output().unwrap().status.success());
            let key = format!("{alias}.key");
            desk.openssl(&["pkcs12", "-in", &store, "-passin", "pass:changeit", "-nodes", "-nocerts", "-out", &key]);
        }
        let root = ("root.pem", "root.key");
        stands(
            &desk,
            &Material { family, root, intermediate: Some(("sub.pem", "sub.key")), accept: &[], gnutls: true },
        );
    }
}

/// Rule G4: too much to be read is called that, with the limit.
#[test]
fn g4_what_is_too_large_is_told_with_its_limit() {
    let desk = Desk::new();
    let pair = desk.buy("ecc");
    let key = desk.write("any.key", "");
    for (name, octets, told) in [
        ("large.der", vec![0x30; 70_000], "the certificate has 70000 octets; at most 65536 (64 KiB) are read"),
        (
            "huge.pem",
            vec![b'x'; 3 << 20],
            "the file has more than 1048576 octets (1 MiB), the most that is read of one",
        ),
    ] {
        desk.write(name, octets);
        let words = ["enable", &pair.root, "--upload-certificate", name, "--upload-key", &key];
        let run = desk.no(&words, &["C3", "G4"]);
        assert!(run.stdout.contains(&format!("{told}\"")), "{run:?}");
    }
}
