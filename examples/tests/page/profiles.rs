//! Profiles and name constraints from outside (rules I2, I3, C6, I6): what OpenSSL says to what is issued, and what is
//! refused.

use serde_json::{Value, json};

use crate::kit::{Desk, Pair, has_openssl, text};

/// What OpenSSL shows of a certificate.
fn shown(desk: &Desk, id: &str) -> String {
    let pem = desk.download(id, "pem", &[]).join(format!("{id}.pem"));
    desk.openssl(&["x509", "-noout", "-text", "-in", pem.to_str().unwrap()])
}

/// Whether OpenSSL accepts a certificate for a purpose, below the root.
fn accepted(desk: &Desk, pair: &Pair, id: &str, more: &[&str]) -> (bool, String) {
    let pem = |id: &str| {
        let out = desk.path(&format!("accepted-{id}"));
        if !out.exists() {
            desk.yes(&["download", id, "--format", "pem", "--out", out.to_str().unwrap()]);
        }
        out.join(format!("{id}.pem")).to_str().unwrap().to_owned()
    };
    let (root, leaf) = (pem(&pair.root), pem(id));
    let mut args = vec!["verify", "-x509_strict", "-CAfile", &root, "-untrusted", &leaf];
    args.extend(more);
    args.push(&leaf);
    desk.try_openssl(&args)
}

fn issue(desk: &Desk, pair: &Pair, words: &[&str]) -> String {
    let (name, rest) = words.split_first().unwrap();
    let mut args = vec!["issue", "profile", name, &pair.intermediate];
    args.extend(rest);
    text(&desk.yes(&args)["certificate"])
}

/// The words of a request, what its certificate has, what it lacks, and the purposes that OpenSSL takes it for.
type Shape<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], &'a [&'a str]);

#[test]
fn i2_each_built_in_profile_is_what_openssl_takes_it_for() {
    if !has_openssl() {
        return;
    }
    let desk = Desk::new();
    let pair = desk.pair("ecc", 10);
    desk.yes(&[
        "configure",
        &pair.intermediate,
        "--crl-url",
        "http://pki.example/oa.crl",
        "--ocsp-url",
        "http://ocsp.example/",
    ]);
    let (server, client) = ("TLS Web Server Authentication", "TLS Web Client Authentication");
    let cases: [Shape; 9] = [
        (&["server", "--dns", "a.example"], &[server, "DNS:a.example", "CRL Distribution"], &[client], &["sslserver"]),
        (
            &["client", "--cn", "Ada", "--email", "ada@a.example"],
            &[client, "email:ada@a.example"],
            &[server],
            &["sslclient"],
        ),
        (
            &["mutual", "--dns", "a.example", "--uri", "https://a.example/", "--email", "a@a.example"],
            &[server, client, "URI:https://a.example/"],
            &[],
            &["sslserver", "sslclient"],
        ),
        (&["email", "--email", "ada@a.example"], &["E-mail Protection", "Key Agreement"], &[server], &["smimesign"]),
        (
            &["data-encryption", "--cn", "Records"],
            &["Key Agreement"],
            &["Extended Key Usage", "Digital Signature"],
            &["any"],
        ),
        (&["code-signing", "--cn", "Builds", "--o", "Example"], &["Code Signing"], &["Alternative Name"], &["any"]),
        (
            &["ocsp-signing", "--cn", "Responder"],
            &["OCSP Signing", "OCSP No Check"],
            &["CRL Distribution", "Authority Information"],
            &["ocsphelper"],
        ),
        (
            &["spiffe", "--uri", "spiffe://example.org/billing/pay"],
            &[server, client, "URI:spiffe://example.org/billing/pay", "Subject Alternative Name: critical"],
            &["CN ="],
            &["sslserver", "sslclient"],
        ),
        (
            &["short-lived", "--dns", "a.example"],
            &[server, client, "No Revocation Available"],
            &["CRL Distribution", "OCSP - URI"],
            &["sslserver", "sslclient"],
        ),
    ];
    for (words, there, absent, purposes) in cases {
        let id = issue(&desk, &pair, words);
        let told = shown(&desk, &id);
        let own = told.split_once("Subject:").unwrap().1;
        for part in there {
            assert!(own.contains(part), "{words:?} lacks {part}: {told}");
        }
        for part in absent {
            assert!(!own.contains(part), "{words:?} has {part}: {told}");
        }
        assert!(own.contains("CA:FALSE"), "{told}");
        for purpose in purposes {
            let (fine, told) = accepted(&desk, &pair, &id, &["-purpose", purpose]);
            assert!(fine, "{words:?} as {purpose}: {told}");
        }
        let entry = desk.yes(&["show", &id]);
        assert_eq!(entry["profile"], words[0]);
    }
}

#[test]
fn i2_what_a_profile_forbids_is_refused() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 5);
    let oa = pair.intermediate.as_str();
    let no = |words: &[&str], rules: &[&str]| {
        let (name, rest) = words.split_first().unwrap();
        let mut args = vec!["issue", "profile", name, oa];
        args.extend(rest);
        desk.no(&args, rules)
    };
    no(&["mutual", "--email", "a@a.example"], &["I4"]);
    no(&["mutual", "--cn", "Ada Lovelace", "--dns", "a.example"], &["I4"]);
    no(&["email", "--cn", "Ada"], &["I2"]);
    no(&["email", "--email", "a@a.example", "--dns", "a.example"], &["I2"]);
    no(&["code-signing", "--cn", "Builds", "--email", "a@a.example"], &["I2"]);
    no(&["code-signing"], &["C4"]);
    no(&["ocsp-signing", "--cn", "Responder", "--days", "31"], &["I2"]);
    no(&["spiffe"], &["I2"]);
    no(&["spiffe", "--uri", "https://example.org/x"], &["I2"]);
    no(&["spiffe", "--uri", "spiffe://example.org"], &["I2"]);
    no(&["spiffe", "--uri", "spiffe://example.org/a", "--uri", "spiffe://example.org/b"], &["I2"]);
    no(&["spiffe", "--uri", "spiffe://example.org/a", "--ip", "10.0.0.1"], &["I2"]);
    no(&["short-lived", "--dns", "a.example", "--days", "8"], &["I2"]);
    no(&["data-encryption", "--cn", "R", "--algorithm", "ed25519"], &["I2"]);
    no(&["Server", "--dns", "a.example"], &["I2"]);
    let run = no(
        &["spiffe", "--uri", "spiffe://Example.org/a", "--days", "0", "--algorithm", "rsa-2048"],
        &["C5", "I2", "O3"],
    );
    assert!(run.stdout.contains("lower-case"), "{run:?}");
    // What does not fit is cut where that is asked for.
    let cut = desk.yes(&["issue", "profile", "short-lived", oa, "--dns", "a.example", "--days", "90", "--clamp"]);
    let days = desk.yes(&["issue", "profile", "short-lived", oa, "--dns", "a.example"]);
    assert_eq!(text(&cut["not_after"])[..10], text(&days["not_after"])[..10]);
}

const VPN: &str = r#"{
    "name": "vpn-gateway", "description": "Gateways",
    "subject": {"common_name": "server-name", "organization": "required", "locality": "forbidden"},
    "names": {"dns": {"least": 1, "most": 2}},
    "extended_key_usage": {"purposes": ["serverAuth", "1.3.6.1.5.5.7.3.17"], "critical": true},
    "key_usage": {"ec": ["digitalSignature"]},
    "validity": {"default_days": 30, "longest_days": 60},
    "csr": {"subject": true, "names": true},
    "policies": ["1.3.6.1.4.1.55738.1"]
}"#;

#[test]
fn i2_a_profile_of_ones_own() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 10);
    let oa = pair.intermediate.as_str();
    desk.no(&["issue", "profile", "vpn-gateway", oa, "--dns", "a.example"], &["I2"]);
    let file = desk.write("vpn.json", VPN);
    let added = desk.yes(&["profile", "add", &file]);
    assert_eq!(added["name"], "vpn-gateway");
    let listed = desk.yes(&["profile", "list"]);
    let last = listed["profiles"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last, added, "the list has it as it was added");
    // What the list prints can be fed in again, here and in another log.
    let again = desk.write("again.json", last.to_string());
    desk.yes(&["profile", "add", &again]);
    let other = Desk::new();
    let again = other.write("again.json", last.to_string());
    assert_eq!(other.yes(&["profile", "add", &again]), added);
    let renamed = |change: fn(&mut Value)| {
        let mut changed = last.clone();
        change(&mut changed);
        desk.write("changed.json", changed.to_string())
    };
    let changed = renamed(|profile| profile["description"] = json!("Other"));
    desk.no(&["profile", "add", &changed], &["I2"]);
    // Every built-in one is a profile of one's own under another name, but for the one that only the platform has.
    for mut profile in listed["profiles"].as_array().unwrap().clone() {
        let name = format!("own-{}", text(&profile["name"]));
        profile["name"] = json!(name);
        let file = desk.write("own.json", profile.to_string());
        if name == "own-ocsp-signing" {
            desk.no(&["profile", "add", &file], &["I2"]);
        } else {
            desk.yes(&["profile", "add", &file]);
        }
    }

    desk.no(&["issue", "profile", "vpn-gateway", oa, "--dns", "a.example"], &["I2"]);
    desk.no(&["issue", "profile", "vpn-gateway", oa, "--dns", "a.example", "--o", "E", "--l", "X"], &["I2"]);
    desk.no(&["issue", "profile", "vpn-gateway", oa, "--dns", "*.a.example", "--o", "E"], &["I2"]);
    desk.no(
        &["issue", "profile", "vpn-gateway", oa, "--dns", "a.example", "--o", "E", "--algorithm", "ed25519"],
        &["I2"],
    );
    desk.no(&["issue", "profile", "vpn-gateway", oa, "--dns", "a.example", "--o", "E", "--days", "61"], &["I2"]);
    let issued = desk.yes(&["issue", "profile", "vpn-gateway", oa, "--dns", "a.example", "--o", "E"]);
    let id = text(&issued["certificate"]);
    assert_eq!(desk.yes(&["show", &id])["profile"], "vpn-gateway");
    desk.write(
        "bulk.jsonl",
        "{\"kind\":\"vpn-gateway\",\"dns\":[\"b.example\"],\"o\":\"E\"}\n{\"kind\":\"nobody\",\"cn\":\"x\"}\n",
    );
    let bulk = desk.yes(&["issue", "bulk", oa, "bulk.jsonl"]);
    assert_eq!((&bulk["issued"], &bulk["refused"]), (&json!(1), &json!(1)));
    // As of before it was adopted, there was no such profile.
    assert_eq!(desk.yes(&["profile", "list", "--as-of", "5"])["profiles"].as_array().unwrap().len(), 9);
    if has_openssl() {
        let told = shown(&desk, &id);
        for part in [
            "Extended Key Usage: critical",
            "ipsec Internet Key Exchange",
            "Policy: 1.3.6.1.4.1.55738.1",
            "O = E, CN = a.example",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    assert_eq!(desk.yes(&["verify"])["ok"], true);
}

#[test]
fn i2_nonsense_is_no_profile() {
    let desk = Desk::new();
    let base = json!({"name": "own", "extended_key_usage": {"purposes": ["clientAuth"]}});
    let with = |pointer: &str, value: Value| {
        let mut changed = base.clone();
        let (above, field) = pointer.rsplit_once('/').unwrap();
        changed.pointer_mut(above).unwrap()[field] = value;
        desk.write("own.json", changed.to_string())
    };
    for (pointer, value) in [
        ("/name", json!("server")),
        ("/name", json!("No Name")),
        ("/shoes", json!(2)),
        ("/ca", json!(true)),
        ("/basic_constraints", json!({"ca": true})),
        ("/key_usage", json!({"rsa": ["keyCertSign"]})),
        ("/key_usage", json!({"ec": ["cRLSign", "digitalSignature"]})),
        ("/extended_key_usage/purposes", json!(["anyExtendedKeyUsage"])),
        ("/extended_key_usage/purposes", json!(["OCSPSigning"])),
        ("/extended_key_usage/purposes", json!(["not a purpose"])),
        ("/validity", json!({"default_days": 0})),
        ("/validity", json!({"longest_days": "long"})),
        ("/revocation", json!("not-available")),
    ] {
        let file = with(pointer, value.clone());
        let run = desk.no(&["profile", "add", &file], &["I2"]);
        assert!(!text(&run.json()["refused"][0]["message"]).is_empty(), "{pointer} {value}");
    }
    for text in ["", "[]", "{", "{\"name\": \"a\"} x"] {
        let file = desk.write("no.json", text);
        assert_eq!(desk.run(&["profile", "add", &file]).code, 2, "{text}");
    }
    assert_eq!(desk.run(&["profile", "add", "absent.json"]).error(), "file");
    assert_eq!(Desk::empty().yes(&["profile", "list"])["profiles"].as_array().unwrap().len(), 9, "no log is needed");
}

#[test]
fn i2_an_intermediate_is_held_to_its_profiles() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 5);
    let oa = pair.intermediate.as_str();
    desk.yes(&["configure", oa, "--crl-url", "http://pki.example/oa.crl"]);
    let configured = desk.yes(&["configure", oa, "--profiles", "server,spiffe", "--profile", "email"]);
    assert_eq!(configured["profiles"], json!(["server", "spiffe", "email"]));
    assert_eq!(configured["crl_url"], "http://pki.example/oa.crl", "what is not given stays");
    assert_eq!(desk.yes(&["show", oa])["profiles"], json!(["server", "spiffe", "email"]));
    desk.server(&pair, "a.example");
    let run = desk.no(&["issue", "client", oa, "--cn", "Ada"], &["I2"]);
    assert!(run.stdout.contains("server, spiffe, email"), "{run:?}");
    desk.no(&["configure", oa, "--profile", "wood"], &["I2"]);
    desk.no(&["configure", oa, "--profile", "No Name"], &["I2"]);
    desk.no(&["configure", &pair.root, "--profile", "server"], &["I2"]);
    assert_eq!(desk.run(&["configure", oa, "--profile", "server", "--all-profiles"]).code, 2);
    desk.yes(&["configure", oa, "--all-profiles"]);
    assert_eq!(desk.yes(&["show", oa])["profiles"], Value::Null);
    desk.yes(&["issue", "client", oa, "--cn", "Ada"]);
}

/// The department that may issue below hr.example cannot issue oa.example (rule C6).
#[test]
fn c6_a_department_stays_within_its_names() {
    let desk = Desk::new();
    let pair = desk.buy("ecc");
    desk.no(&["enable", &pair.root, "--cn", "Root", "--permit-dns", "hr.example"], &["C6"]);
    desk.yes(&["enable", &pair.root, "--cn", "Root"]);
    let hr = pair.intermediate.as_str();
    let enable = |more: &[&'static str]| [&["enable", hr, "--cn", "HR"][..], more].concat();
    for wrong in [
        &["--permit-dns", "*.hr.example"][..],
        &["--permit-dns", ".hr.example"],
        &["--permit-ip", "10.0.0.1/8"],
        &["--permit-ip", "10.0.0.0/40"],
        &["--permit-email", "a@b@c"],
        &["--permit-uri", "https://hr.example/"],
        &["--permit-dir", "Example"],
        &["--exclude-dns", "hr.example", "--permit-dns", "a.hr.example"],
    ] {
        desk.no(&enable(wrong), &["C6"]);
    }
    let upload = enable(&["--permit-dns", "hr.example", "--upload-certificate", "x", "--upload-key", "y"]);
    assert_eq!(desk.run(&upload).code, 2, "what is uploaded has its constraints already");
    desk.yes(&enable(&[
        "--permit-dns",
        "hr.example",
        "--permit-email",
        "hr.example",
        "--exclude-dns",
        "pay.hr.example",
    ]));
    desk.yes(&["assign", hr, "8"]);
    let told = &desk.yes(&["show", hr])["name_constraints"];
    assert_eq!(told["permitted"], json!(["dns:hr.example", "email:hr.example"]));
    assert_eq!(told["excluded"], json!(["dns:pay.hr.example", "ip:0.0.0.0/0", "ip:::/0"]));
    let id = desk.server(&pair, "*.a.hr.example");
    for (kind, words) in [
        ("server", &["--dns", "oa.example"][..]),
        ("server", &["--dns", "a.hr.example", "--dns", "oa.example"]),
        ("server", &["--dns", "*.hr.example"]),
        ("server", &["--dns", "pay.hr.example"]),
        ("server", &["--dns", "a.hr.example", "--ip", "10.0.0.1"]),
        ("server", &["--cn", "10.0.0.1"]),
        ("client", &["--cn", "oa.example"]),
        ("client", &["--cn", "Ada", "--email", "ada@oa.example"]),
        ("client", &["--cn", "Ada", "--email", "ada@a.hr.example"]),
        ("client", &["--cn", "Ada", "--uri", "https://a.hr.example/"]),
    ] {
        let mut args = vec!["issue", kind, hr];
        args.extend(words);
        desk.no(&args, &["C6"]);
    }
    desk.yes(&["issue", "client", hr, "--cn", "Ada", "--email", "ada@hr.example"]);
    if has_openssl() {
        let told = shown(&desk, hr);
        assert!(told.contains("Name Constraints: critical") && told.contains("DNS:hr.example"), "{told}");
        let (fine, told) =
            accepted(&desk, &pair, &id, &["-purpose", "sslserver", "-verify_hostname", "x.a.hr.example"]);
        assert!(fine, "{told}");
    }
}

#[test]
fn i3_of_a_csr_is_taken_what_the_profile_honours() {
    if !has_openssl() {
        return;
    }
    let desk = Desk::new();
    let pair = desk.pair("ecc", 9);
    let oa = pair.intermediate.as_str();
    let file = desk.write("vpn.json", VPN);
    desk.yes(&["profile", "add", &file]);
    desk.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.key"]);
    let csr = |name: &str, subject: &str, names: &str| {
        let extension = format!("subjectAltName={names}");
        desk.openssl(&["req", "-new", "-key", "ec.key", "-subj", subject, "-addext", &extension, "-out", name]);
    };
    csr("good.csr", "/O=Example/CN=gw.example", "DNS:gw.example,DNS:gw2.example");
    let id = text(&desk.yes(&["issue", "profile", "vpn-gateway", oa, "--csr", "good.csr"])["certificate"]);
    let told = shown(&desk, &id);
    assert!(
        told.contains("O = Example, CN = gw.example") && told.contains("DNS:gw.example, DNS:gw2.example"),
        "{told}"
    );
    // A subject that the caller gives stands instead of the request's; names are added to.
    csr("one.csr", "/O=Ignored/CN=ignored.example", "DNS:gw.example");
    let words = ["issue", "profile", "vpn-gateway", oa, "--csr", "one.csr", "--o", "Given", "--dns", "given.example"];
    let told = shown(&desk, &text(&desk.yes(&words)["certificate"]));
    assert!(told.contains("O = Given, CN = given.example"), "{told}");
    assert!(told.contains("DNS:given.example, DNS:gw.example"), "{told}");
    // Names that the profile does not have are refused, not left out; so is whatever breaks their rules.
    csr("mail.csr", "/O=Example/CN=gw.example", "DNS:gw.example,email:a@example.org");
    desk.no(&["issue", "profile", "vpn-gateway", oa, "--csr", "mail.csr"], &["I2"]);
    csr("under.csr", "/O=Example/CN=gw.example", "DNS:under_score.example");
    desk.no(&["issue", "profile", "vpn-gateway", oa, "--csr", "under.csr"], &["I2"]);
    csr("many.csr", "/O=Example/CN=a.example", "DNS:a.example,DNS:b.example,DNS:c.example");
    desk.no(&["issue", "profile", "vpn-gateway", oa, "--csr", "many.csr"], &["I2"]);
    // The built-in ones take the key alone.
    desk.no(&["issue", "server", oa, "--csr", "good.csr"], &["I4"]);
}
