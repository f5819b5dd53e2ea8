//! Renewal and roll-over through the binary, with OpenSSL as the judge (rules A4, C2, C11).

use std::path::Path;

use serde_json::Value;

use crate::kit::{Desk, has_openssl, text};

fn pem(desk: &Desk, name: &str, answer: &Value) -> String {
    desk.write(name, text(&answer["certificate_pem"]))
}

fn of(path: &Path, name: &str) -> String {
    path.join(name).to_str().unwrap().to_owned()
}

fn show_pem(desk: &Desk, id: &str, file: &str) -> String {
    pem(desk, file, &desk.yes(&["show", id]))
}

#[test]
fn a_certificate_is_renewed_with_a_new_key_and_both_know() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 3);
    let first = desk.server(&pair, "oa.example.com");
    let answer = desk.yes(&["renew", &first]);
    let second = text(&answer["certificate"]);
    assert_ne!(first, second);
    assert_eq!((&answer["status"], &answer["renews"]), (&"valid".into(), &first.clone().into()));
    let (before, after) = (desk.yes(&["show", &first]), desk.yes(&["show", &second]));
    assert_eq!((&before["renewed_by"], &after["renews"]), (&second.clone().into(), &first.clone().into()));
    assert_eq!((&before["names"], &before["cn"]), (&after["names"], &after["cn"]));
    assert_eq!(before["status"], "valid", "the one before stays as it is");
    let quota = &desk.yes(&["show", &pair.intermediate])["quota"];
    assert_eq!((&quota["consumed"], &quota["remaining"]), (&2.into(), &1.into()), "Q2: one unit");
    let listed = desk.yes(&["list", "certificates"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    // The same under the same idempotency key is done once.
    let once = desk.yes(&["renew", &second, "--key", "k"]);
    assert_eq!(desk.yes(&["renew", &second, "--key", "k"])["certificate"], once["certificate"]);
    desk.no(&["renew", &second], &["Q2"]);
    desk.yes(&["revoke", &first, "--reason", "superseded"]);
    desk.no(&["renew", &first, "--dry-run"], &["A4", "Q2"]);
    desk.no(&["renew", "crt_x"], &["A4"]);
    desk.no(&["renew", &second, "--days", "0"], &["C5", "Q2"]);
    assert_eq!(desk.yes(&["verify"])["ok"], true);
}

#[test]
fn a_holders_signing_request_renews_with_their_key() {
    if !has_openssl() {
        return;
    }
    let desk = Desk::new();
    let pair = desk.pair("ecc", 3);
    desk.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "own.key"]);
    desk.openssl(&["req", "-new", "-key", "own.key", "-subj", "/CN=whatever", "-out", "own.csr"]);
    let first = text(
        &desk.yes(&["issue", "server", &pair.intermediate, "--dns", "oa.example.com", "--csr", "own.csr"])["certificate"],
    );
    let public = desk.openssl(&["pkey", "-in", "own.key", "-pubout"]);
    let second = text(&desk.yes(&["renew", &first])["certificate"]);
    let third = text(&desk.yes(&["renew", &second, "--csr", "own.csr"])["certificate"]);
    for id in [&second, &third] {
        let file = show_pem(&desk, id, "leaf.pem");
        assert_eq!(desk.openssl(&["x509", "-in", &file, "-noout", "-pubkey"]), public);
    }
    desk.yes(&["revoke", &third, "--reason", "keyCompromise"]);
    desk.no(&["renew", &second], &["K2", "Q2"]);
}

/// Old and new leaves, under old and new roots: over the link certificates each is believed by who trusts either.
#[test]
fn a_root_rolls_over_and_every_relying_party_goes_on() {
    if !has_openssl() {
        return;
    }
    let desk = Desk::new();
    let pair = desk.pair("ecc", 5);
    let old_leaf = desk.server(&pair, "old.example.com");
    let old_leaf = show_pem(&desk, &old_leaf, "old-leaf.pem");
    let old_root = show_pem(&desk, &pair.root, "old-root.pem");
    let old_oa = show_pem(&desk, &pair.intermediate, "old-oa.pem");
    let rolled = desk.yes(&["renew-ca", &pair.root, "--new-key"]);
    assert_eq!((&rolled["generation"], &rolled["new_key"]), (&2.into(), &true.into()));
    let new_root = pem(&desk, "new-root.pem", &rolled);
    let link = |kind: &str| {
        let links = rolled["links"].as_array().unwrap();
        pem(&desk, &format!("{kind}.pem"), links.iter().find(|link| link["kind"] == kind).unwrap())
    };
    let (old_with_new, new_with_old) = (link("old-with-new"), link("new-with-old"));
    let renewed = desk.yes(&["renew-ca", &pair.intermediate, "--clamp"]);
    let new_oa = pem(&desk, "new-oa.pem", &renewed);
    let new_leaf = desk.server(&pair, "new.example.com");
    let new_leaf = show_pem(&desk, &new_leaf, "new-leaf.pem");

    let verify = |root: &str, untrusted: &[&str], leaf: &str| {
        let mut args = vec!["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root];
        untrusted.iter().for_each(|file| args.extend(["-untrusted", file]));
        args.push(leaf);
        desk.try_openssl(&args)
    };
    for (root, untrusted, leaf) in [
        (&old_root, vec![old_oa.as_str()], &old_leaf),
        (&new_root, vec![old_oa.as_str(), &old_with_new], &old_leaf),
        (&new_root, vec![new_oa.as_str()], &new_leaf),
        (&old_root, vec![new_oa.as_str(), &new_with_old], &new_leaf),
    ] {
        let (fine, told) = verify(root, &untrusted, leaf);
        assert!(fine, "{leaf} under {root}: {told}");
    }
    assert!(!verify(&new_root, &[&old_oa], &old_leaf).0, "without the link there is no way");
    assert!(!verify(&old_root, &[&new_oa], &new_leaf).0);

    // The download has all of it, and the chain of each leaf is by its generation.
    let out = desk.download(&pair.root, "pem", &[]);
    let id = &pair.root;
    for name in [
        format!("{id}.pem"),
        format!("older/{id}-1.pem"),
        format!("links/{id}-2-old-with-new.pem"),
        format!("links/{id}-2-new-with-old.pem"),
    ] {
        assert!(out.join(&name).exists(), "{name}");
    }
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&of(&out, &format!("older/{id}-1.pem"))).trim(), read(&old_root).trim());
    assert_eq!(read(&of(&out, &format!("{id}.pem"))).trim(), read(&new_root).trim());
    let leaf = text(&desk.yes(&["list", "certificates", "--name", "old.example.com"])[0]["certificate"]);
    let chain = desk.download(&leaf, "pem", &[]);
    assert!(read(&of(&chain, &format!("{leaf}.pem"))).contains(read(&old_oa).trim()), "with its own intermediate");

    let shown = desk.yes(&["show", id]);
    assert_eq!((shown["older"].as_array().unwrap().len(), shown["links"].as_array().unwrap().len()), (1, 2));
    assert_eq!(desk.yes(&["show", &text(&shown["links"][0]["certificate"])])["ca"], *id);
    assert_eq!(desk.yes(&["verify"])["ok"], true);
}

#[test]
fn an_older_key_ends_when_its_certificate_has_expired() {
    let mut desk = Desk::rehearsal("2030-01-01T00:00:00Z");
    let pair = desk.buy("ecc");
    desk.yes(&["enable", &pair.root, "--cn", "Root", "--days", "300"]);
    desk.yes(&["enable", &pair.intermediate, "--cn", "OA", "--days", "100"]);
    desk.now = Some("2030-02-01T00:00:00Z".into());
    desk.yes(&["renew-ca", &pair.intermediate, "--new-key"]);
    assert_eq!(desk.yes(&["show", &pair.intermediate])["older"].as_array().unwrap().len(), 1);
    let sealed = |desk: &Desk| std::fs::read_dir(desk.path("pca-data/keys")).unwrap().count();
    let keys = sealed(&desk);
    desk.now = Some("2030-05-01T00:00:00Z".into());
    desk.yes(&["disable", &pair.root]);
    assert_eq!(desk.yes(&["show", &pair.intermediate])["older"], serde_json::json!([]));
    assert!(sealed(&desk) <= keys, "nothing is made for it");
    let log = desk.run(&["log"]).stdout;
    let count = |kind: &str| log.lines().filter(|line| line.contains(&format!("\"{kind}\""))).count();
    assert_eq!((count("CaKeyRetired"), count("KeyDestroyed")), (1, 1));
    assert_eq!(desk.yes(&["verify"])["ok"], true);
}

#[test]
fn only_what_the_rules_allow_is_rolled_over() {
    let desk = Desk::new();
    let pair = desk.buy("ecc");
    desk.no(&["renew-ca", &pair.root], &["C11"]);
    desk.no(&["renew-ca", "ca_x", "--new-key"], &["C1"]);
    desk.yes(&["enable", &pair.root, "--cn", "Root"]);
    desk.yes(&["enable", &pair.intermediate, "--cn", "OA"]);
    desk.no(&["renew-ca", &pair.root, "--new-key", "--algorithm", "rsa-2048"], &["O3"]);
    desk.no(&["renew-ca", &pair.intermediate, "--years", "20"], &["C5"]);
    desk.yes(&["renew-ca", &pair.intermediate, "--dry-run"]);
    assert_eq!(desk.yes(&["show", &pair.intermediate])["generation"], 1);
    desk.no(&["cross-sign", &pair.root, "--by", &pair.intermediate], &["C11", "C6"]);
    desk.no(&["cross-sign", &pair.root, "--by", "nonsense"], &["C1"]);
}

#[test]
fn a_cross_certificate_makes_one_root_believed_under_another() {
    if !has_openssl() {
        return;
    }
    let desk = Desk::new();
    let (ours, theirs) = (desk.pair("ecc", 1), desk.buy("rsa"));
    desk.yes(&["enable", &theirs.root, "--cn", "Their Root"]);
    let leaf = desk.server(&ours, "oa.example.com");
    let leaf = show_pem(&desk, &leaf, "leaf.pem");
    let (oa, root) = (show_pem(&desk, &ours.intermediate, "oa.pem"), show_pem(&desk, &theirs.root, "their-root.pem"));
    let answer = desk.yes(&["cross-sign", &ours.root, "--by", &theirs.root]);
    let cross = pem(&desk, "cross.pem", &answer);
    let id = text(&answer["certificate"]);
    let chain = ["verify", "-x509_strict", "-CAfile", &root, "-untrusted", &oa, "-untrusted", &cross, &leaf];
    desk.openssl(&chain);
    assert!(desk.download(&ours.root, "der", &[]).join(format!("cross/{id}.der")).exists());
    assert_eq!(desk.yes(&["show", &id])["ca"], ours.root);

    // Revoked by its id, it stands on the signer's list.
    desk.yes(&["revoke", &id, "--reason", "cessationOfOperation"]);
    let crl = |ca: &str, name: &str| {
        desk.yes(&["crl", ca, "--out", name]);
        let pem = format!("{name}.pem");
        desk.openssl(&["crl", "-inform", "DER", "-in", name, "-out", &pem]);
        pem
    };
    let crls = [crl(&theirs.root, "their.crl"), crl(&ours.root, "root.crl"), crl(&ours.intermediate, "oa.crl")];
    let mut checked = vec!["verify", "-crl_check_all"];
    crls.iter().for_each(|crl| checked.extend(["-CRLfile", crl]));
    checked.extend(&chain[1..]);
    let (fine, told) = desk.try_openssl(&checked);
    assert!(!fine && told.contains("revoked"), "{told}");
    desk.no(&["revoke", &id], &["A2"]);
    assert_eq!(desk.yes(&["verify"])["ok"], true);
}

const CONFIG: &str = "\
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[below]
basicConstraints = critical,CA:true,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
";

/// The root's key is with OpenSSL only; the intermediate's never leaves the platform.
#[test]
fn an_offline_root_signs_what_the_platform_asks_for() {
    if !has_openssl() {
        return;
    }
    let desk = Desk::new();
    let pair = desk.buy("ecc");
    desk.write("ca.cnf", CONFIG);
    desk.openssl(&["ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", "root.key"]);
    desk.openssl(&[
        "req",
        "-new",
        "-x509",
        "-config",
        "ca.cnf",
        "-key",
        "root.key",
        "-extensions",
        "root",
        "-days",
        "3650",
        "-subj",
        "/CN=Offline Root",
        "-out",
        "root.pem",
    ]);
    let answer = desk.yes(&["enable", &pair.root, "--certificate", "root.pem"]);
    assert_eq!(answer["algorithm"], "ecdsa-p384");
    desk.no(&["enable", &pair.intermediate, "--cn", "OA"], &["C2"]);
    let asked = desk.yes(&["enable", &pair.intermediate, "--request-csr", "oa.csr", "--cn", "OA", "--o", "Example"]);
    assert_eq!((&asked["ca"], &asked["state"]), (&pair.intermediate.clone().into(), &"requested".into()));
    assert_eq!(desk.yes(&["show", &pair.intermediate])["state"], "requested");
    assert!(desk.openssl(&["req", "-in", "oa.csr", "-verify", "-noout"]).contains("OK"));
    let told = desk.openssl(&["req", "-in", "oa.csr", "-noout", "-text"]);
    for expected in ["CN=OA", "CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign"] {
        assert!(told.replace("CN = OA", "CN=OA").contains(expected), "{expected}: {told}");
    }
    let sign = |csr: &str, out: &str| {
        desk.openssl(&[
            "x509",
            "-req",
            "-in",
            csr,
            "-CA",
            "root.pem",
            "-CAkey",
            "root.key",
            "-extfile",
            "ca.cnf",
            "-extensions",
            "below",
            "-days",
            "1000",
            "-out",
            out,
        ]);
    };
    // One for another key and name is refused with both reasons, and the right one is still awaited.
    desk.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "other.key"]);
    desk.openssl(&["req", "-new", "-key", "other.key", "-subj", "/CN=HR", "-out", "other.csr"]);
    sign("other.csr", "other.pem");
    let run = desk.no(&["enable", &pair.intermediate, "--certificate", "other.pem"], &["C2"]);
    assert_eq!(run.json()["refused"].as_array().unwrap().len(), 2, "{run:?}");
    sign("oa.csr", "oa.pem");
    let answer = desk.yes(&["enable", &pair.intermediate, "--certificate", "oa.pem"]);
    let made = std::fs::read_to_string(desk.path("oa.pem")).unwrap();
    assert_eq!(text(&answer["certificate_pem"]).trim(), made.trim());
    desk.no(&["enable", &pair.intermediate, "--certificate", "oa.pem"], &["C1", "I5", "K2"]);
    desk.yes(&["assign", &pair.intermediate, "1"]);
    let leaf = desk.server(&pair, "oa.example.com");
    let leaf = show_pem(&desk, &leaf, "leaf.pem");
    desk.openssl(&["verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "oa.pem", &leaf]);
    desk.no(&["crl", &pair.root, "--out", "root.crl"], &["A3"]);
    let verified = desk.yes(&["verify"]);
    assert_eq!(verified["ok"], true, "{verified}");
}

#[test]
fn a_request_that_is_made_anew_gives_the_first_one_up() {
    let desk = Desk::new();
    let pair = desk.buy("ecc");
    let keys = || desk.yes(&["verify"])["ok"] == true;
    desk.yes(&["enable", &pair.intermediate, "--request-csr", "a.csr", "--cn", "OA"]);
    let first = std::fs::read_to_string(desk.path("a.csr")).unwrap();
    desk.yes(&["enable", &pair.intermediate, "--request-csr", "a.csr", "--cn", "OA"]);
    assert_ne!(std::fs::read_to_string(desk.path("a.csr")).unwrap(), first);
    let log = desk.run(&["log"]).stdout;
    assert!(log.contains("\"CaRequestAbandoned\"") && log.contains("\"KeyDestroyed\""), "{log}");
    // Who gives the CA back waits for no certificate.
    desk.yes(&["refund", &pair.order]);
    assert_eq!(desk.yes(&["show", &pair.intermediate])["state"], "refund-requested");
    desk.yes(&["refund", &pair.order, "--returned"]);
    assert!(keys());
    let swept = desk.yes(&["keys", "sweep"]);
    assert!(!swept.to_string().contains("key_"), "nothing is left: {swept}");
}
