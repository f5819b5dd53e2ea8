//! From an empty directory to an installed certificate, and to a revoked one that is refused.

use crate::kit::{Desk, Pair, has_openssl, mode, text};

#[test]
fn the_page_tells_the_truth_about_its_answers() {
    let desk = Desk::empty();
    assert_eq!(desk.yes(&["init", "--enterprise", "Example Corp"])["enterprise"], "Example Corp");
    let bought = desk.yes(&["buy", "root", "--family", "ecc", "--term", "1y", "--paid", "760.00USD"]);
    let (root, first) = (text(&bought["root"]), text(&bought["intermediate"]));
    assert!(text(&bought["order"]).starts_with("ord_") && root.starts_with("ca_") && first.starts_with("ca_"));

    let enabled = desk.yes(&["enable", &root, "--cn", "Example Root", "--o", "Example Corp", "--c", "US"]);
    assert_eq!((text(&enabled["ca"]), text(&enabled["algorithm"])), (root.clone(), "ecdsa-p256".into()));
    assert!(text(&enabled["certificate_pem"]).starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(text(&enabled["not_before"]).ends_with('Z') && text(&enabled["not_after"]).ends_with('Z'));
    desk.yes(&["enable", &first, "--cn", "Example OA", "--crl-url", "http://crl.example.com/oa.crl"]);

    let second = desk.yes(&["buy", "intermediate", "--root", &root, "--paid", "99.00USD"]);
    let second = text(&second["intermediate"]);
    desk.yes(&["enable", &second, "--cn", "Example HR", "--algorithm", "ecdsa-p384", "--days", "400"]);
    assert_eq!(desk.yes(&["buy", "quota", "--root", &root, "--count", "7", "--paid", "5.00USD"])["count"], 7);
    let extended = desk.yes(&["extend", &root, "--term", "1y"]);
    assert_eq!(text(&extended["ca"]), root);
    assert!(text(&extended["term_ends"]).ends_with('Z'));
    let assigned = desk.yes(&["assign", &first, "5"]);
    assert_eq!((&assigned["assigned"], &assigned["remaining"]), (&5.into(), &12.into()));
    desk.yes(&["configure", &first, "--issuer-url", "http://crl.example.com/oa.cer"]);
    let shown = desk.yes(&["show", &first]);
    assert_eq!(text(&shown["crl_url"]), "http://crl.example.com/oa.crl", "what is not named stays");
    assert_eq!(text(&shown["issuer_url"]), "http://crl.example.com/oa.cer");

    let issued =
        desk.yes(&["issue", "server", &first, "--dns", "oa.example.com", "--ip", "10.0.0.7", "--holder", "OA"]);
    let id = text(&issued["certificate"]);
    assert!(id.starts_with("crt_") && text(&issued["lot"]).starts_with("lot_"));
    let serial = text(&issued["serial"]);
    assert!(serial.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{serial}");
    desk.yes(&["issue", "client", &first, "--cn", "Ada Lovelace", "--email", "ada@example.com", "--label", "team=oa"]);
    desk.yes(&["issue", "profile", "data-encryption", &first, "--cn", "HR records"]);
    let quota = &desk.yes(&["show", &first])["quota"];
    assert_eq!((&quota["assigned"], &quota["consumed"], &quota["remaining"]), (&5.into(), &3.into(), &2.into()));

    let list = |kind: &str, more: &[&str]| desk.yes(&[&["list", kind], more].concat()).as_array().unwrap().clone();
    assert_eq!(list("cas", &[]).len(), 3);
    assert!(list("cas", &[]).iter().all(|ca| text(&ca["ca"]).starts_with("ca_")));
    assert_eq!(
        list("orders", &[]).iter().map(|order| text(&order["kind"])).collect::<Vec<_>>(),
        ["root", "intermediate", "quota"]
    );
    assert_eq!(list("certificates", &[]).len(), 3);
    assert_eq!(list("certificates", &["--name", "ADA"]).len(), 1);
    assert_eq!(list("certificates", &["--serial", &serial])[0]["certificate"], id.as_str());
    assert_eq!(list("certificates", &["--holder", "OA", "--status", "valid", "--expires-within", "91d"]).len(), 1);
    assert_eq!(list("certificates", &["--expires-within", "89d"]).len(), 0);
    assert!(!list("quota", &[]).is_empty());
    let fingerprint = text(&desk.yes(&["show", &id])["fingerprint"]);
    assert_eq!(list("certificates", &["--fingerprint", &fingerprint]).len(), 1);

    assert_eq!(desk.yes(&["revoke", &id, "--reason", "certificateHold"])["status"], "on-hold");
    assert_eq!(desk.yes(&["unhold", &id])["status"], "valid");
    assert_eq!(desk.yes(&["revoke", &id, "--reason", "superseded"])["status"], "revoked");
    let crl = desk.yes(&["crl", &first, "--out", "oa.crl"]);
    assert_eq!(crl["entries"], 1);
    assert!(crl["number"].is_u64() && text(&crl["this_update"]) < text(&crl["next_update"]));
    let keys = desk.yes(&["verify"])["keys"].as_u64().unwrap();
    assert_eq!(text(&desk.yes(&["remove", &id])["removed"]), id);
    assert_eq!(list("certificates", &[]).len(), 2);
    assert_eq!(desk.yes(&["verify"])["keys"].as_u64().unwrap(), keys - 1, "the holder's key ends with the removal");

    let verified = desk.yes(&["verify"]);
    assert_eq!(
        (&verified["ok"], &verified["torn_bytes"], &verified["rehearsal"]),
        (&true.into(), &0.into(), &false.into())
    );
    assert!(verified["commits"].as_u64().unwrap() <= verified["events"].as_u64().unwrap());
    assert_eq!(desk.yes(&["verify", "--expect", &text(&verified["head"])])["ok"], true);
    let other = desk.run(&["verify", "--expect", &"ab".repeat(32)]);
    assert_eq!((other.code, &other.json()["ok"]), (1, &false.into()));
}

/// The chain of a certificate, as other tools get it: leaf, intermediate and root in files.
struct Files {
    leaf: String,
    intermediate: String,
    root: String,
}

fn files(desk: &Desk, pair: &Pair, id: &str) -> Files {
    let path = |id: &str| {
        let path = desk.path(&format!("out-{id}-pem-0")).join(format!("{id}.pem"));
        if !path.exists() {
            desk.download(id, "pem", &[]);
        }
        path.to_str().unwrap().to_owned()
    };
    Files { leaf: path(id), intermediate: path(&pair.intermediate), root: path(&pair.root) }
}

/// What OpenSSL says to the certificate with the CRLs of its root and intermediate.
fn judged(desk: &Desk, pair: &Pair, files: &Files) -> (bool, String) {
    let mut crls = String::new();
    for ca in [&pair.root, &pair.intermediate] {
        desk.yes(&["crl", ca, "--out", "one.crl"]);
        crls.push_str(&desk.openssl(&["crl", "-inform", "DER", "-in", "one.crl"]));
    }
    desk.write("all.crl.pem", crls);
    desk.try_openssl(&[
        "verify",
        "-x509_strict",
        "-crl_check_all",
        "-CAfile",
        &files.root,
        "-untrusted",
        &files.intermediate,
        "-CRLfile",
        "all.crl.pem",
        &files.leaf,
    ])
}

#[test]
fn a_revoked_certificate_is_refused_by_openssl_before_and_after_a_reset() {
    if !has_openssl() {
        return;
    }
    let desk = Desk::new();
    let pair = desk.pair("ecc", 4);
    let (good, bad) = (desk.server(&pair, "good.example.com"), desk.server(&pair, "bad.example.com"));
    let (good, bad_files) = (files(&desk, &pair, &good), files(&desk, &pair, &bad));
    assert!(judged(&desk, &pair, &good).0 && judged(&desk, &pair, &bad_files).0);
    desk.yes(&["revoke", &bad, "--reason", "keyCompromise"]);
    let (fine, told) = judged(&desk, &pair, &bad_files);
    assert!(!fine && told.contains("certificate revoked"), "{told}");
    assert!(judged(&desk, &pair, &good).0);

    let digest = text(&desk.yes(&["preview", "reset", &pair.intermediate])["digest"]);
    let ended = desk.yes(&["reset", &pair.intermediate, "--confirm", &digest]);
    assert_eq!((text(&ended["ca"]), text(&ended["state"])), (pair.intermediate.clone(), "not-enabled".into()));
    for files in [&bad_files, &good] {
        let (fine, told) = judged(&desk, &pair, files);
        assert!(!fine && told.contains("certificate revoked"), "{told}");
    }
    assert_eq!(desk.yes(&["list", "certificates", "--status", "revoked"]).as_array().unwrap().len(), 2);
    // It may be enabled anew, and what it has left of its quota stays.
    desk.yes(&["enable", &pair.intermediate, "--cn", "OA again"]);
    desk.server(&pair, "new.example.com");
    desk.yes(&["verify"]);
}

#[test]
fn every_algorithm_makes_chains_that_openssl_accepts() {
    if !has_openssl() {
        return;
    }
    let desk = Desk::new();
    for (family, algorithms) in
        [("ecc", &["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519"][..]), ("rsa", &["rsa-2048"])]
    {
        for algorithm in algorithms {
            let pair = desk.buy(family);
            let name = |what: &str| format!("{what} {algorithm}");
            desk.yes(&["enable", &pair.root, "--cn", &name("Root"), "--algorithm", algorithm]);
            desk.yes(&["enable", &pair.intermediate, "--cn", &name("OA"), "--algorithm", algorithm]);
            desk.yes(&["assign", &pair.intermediate, "1"]);
            let issued =
                desk.yes(&["issue", "server", &pair.intermediate, "--dns", "*.example.com", "--algorithm", algorithm]);
            let files = files(&desk, &pair, &text(&issued["certificate"]));
            let (fine, told) = judged(&desk, &pair, &files);
            assert!(fine, "{algorithm}: {told}");
        }
    }
}

#[test]
fn downloads_are_opened_by_openssl_and_kept_from_others() {
    if !has_openssl() {
        return;
    }
    let desk = Desk::new();
    let pair = desk.pair("ecc", 2);
    let id = desk.server(&pair, "oa.example.com");
    let passphrase = desk.write("export.txt", "eight or more\n");
    let key = ["--with-key", "--export-passphrase-file", &passphrase, "--to", "Ada"];

    let pem = desk.download(&id, "pem", &key);
    assert_eq!(mode(&pem), 0o700);
    let key_file = pem.join(format!("{id}.key.pem"));
    assert_eq!(mode(&key_file), 0o600);
    let opened = desk.openssl(&["pkey", "-in", key_file.to_str().unwrap(), "-passin", "pass:eight or more", "-pubout"]);
    let chain = pem.join(format!("{id}.pem"));
    assert_eq!(
        desk.openssl(&["x509", "-in", chain.to_str().unwrap(), "-pubkey", "-noout"]),
        opened,
        "the key is the leaf's"
    );
    assert_eq!(std::fs::read_to_string(&chain).unwrap().matches("BEGIN CERTIFICATE").count(), 2, "leaf, intermediate");

    let p12 = desk.download(&id, "pkcs12", &key).join(format!("{id}.p12"));
    assert_eq!(mode(&p12), 0o600);
    let listed = desk.openssl(&["pkcs12", "-in", p12.to_str().unwrap(), "-passin", "pass:eight or more", "-nodes"]);
    assert!(listed.contains("BEGIN PRIVATE KEY") && listed.matches("BEGIN CERTIFICATE").count() == 3, "{listed}");

    let der = desk.download(&id, "der", &[]);
    let text_of = |path: &std::path::Path| {
        desk.openssl(&["x509", "-inform", "DER", "-in", path.to_str().unwrap(), "-noout", "-subject"])
    };
    assert!(text_of(&der.join(format!("{id}.der"))).contains("oa.example.com"));
    assert!(text_of(&der.join("issuers/1.der")).contains("OA"));
    let pkcs8 = desk.download(&id, "pkcs8", &key).join(format!("{id}.key.pem"));
    desk.openssl(&["pkey", "-in", pkcs8.to_str().unwrap(), "-passin", "pass:eight or more", "-noout"]);
    let nginx = desk.download(&id, "nginx", &["--with-key", "--plain-key"]);
    desk.openssl(&["pkey", "-in", nginx.join(format!("{id}-nginx/privkey.pem")).to_str().unwrap(), "-noout"]);
    desk.download(&id, "browser", &key);
    desk.download(&pair.root, "der", &[]);

    // Each key that went out is an event that names its recipient; what carries no key is none.
    let log = desk.run(&["log"]).stdout;
    let delivered: Vec<&str> = log.lines().filter(|line| line.contains("KeyDelivered")).collect();
    assert_eq!(delivered.len(), 5);
    assert_eq!(delivered.iter().filter(|line| line.contains("\"Ada\"")).count(), 4);

    // Nothing is overwritten, and nothing is recorded when nothing is handed out.
    let before = desk.head();
    let again = desk.run(&[&["download", &id, "--format", "pem", "--out", pem.to_str().unwrap()], &key[..]].concat());
    assert_eq!((again.code, again.error().as_str()), (3, "file"));
    let nowhere = desk.run(&[&["download", &id, "--format", "pem", "--out", "/proc/nowhere"], &key[..]].concat());
    assert_eq!((nowhere.code, nowhere.error().as_str()), (3, "file"));
    assert_eq!(desk.head(), before);
    // Neither a key nor a passphrase ever enters the log.
    let plain = std::fs::read_to_string(nginx.join(format!("{id}-nginx/privkey.pem"))).unwrap();
    desk.write("plain.key", &plain);
    desk.openssl(&["pkey", "-in", "plain.key", "-outform", "DER", "-out", "plain.der"]);
    let key = std::fs::read(desk.path("plain.der")).unwrap();
    let scalar = key.windows(34).find(|part| part.starts_with(&[0x04, 0x20])).unwrap()[2..].to_vec();
    for entry in desk.path("pca-data/log").read_dir().unwrap() {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        let has = |part: &[u8]| octets.windows(part.len()).any(|found| found == part);
        assert!(!has(&scalar) && !has(b"eight or more") && !has(crate::kit::PASSPHRASE.as_bytes()));
    }
}
