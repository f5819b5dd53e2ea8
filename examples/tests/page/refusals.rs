//! Refusals: each with its rule, all reasons at once, and nothing changed.

use crate::kit::{Desk, text};

#[test]
fn orders_and_quota() {
    let desk = Desk::new();
    let unknown = "ca_aaaaaaaaaaaaaaaa";
    desk.no(&["buy", "root", "--family", "ecc", "--term", "0m", "--paid", "5"], &["O5", "O6"]);
    desk.no(&["buy", "root", "--family", "ecc", "--term", "15d", "--paid", "5.00XYZ"], &["O5", "O6"]);
    desk.no(&["buy", "root", "--family", "sm2", "--paid", "-1.00USD"], &["O3", "O6"]);
    for id in [unknown, "garbage", "", "crt_x"] {
        desk.no(&["buy", "intermediate", "--root", id], &["O2"]);
        desk.no(&["buy", "quota", "--root", id, "--count", "0", "--paid", "7"], &["O4", "O6"]);
        desk.no(&["buy", "quota", "--root", id, "--count", "99999999999999999999999"], &["O4"]);
    }
    let pair = desk.buy("ecc");
    desk.no(&["buy", "intermediate", "--root", &pair.root], &["O2"]);
    desk.no(&["assign", &pair.intermediate, "0"], &["Q1"]);
    desk.no(&["assign", &pair.intermediate, "-1"], &["Q1"]);
    desk.no(&["extend", &pair.root, "--term", "0y"], &["O5"]);
    desk.yes(&["enable", &pair.root, "--cn", "Root"]);
    desk.yes(&["enable", &pair.intermediate, "--cn", "OA"]);
    let run = desk.no(&["assign", &pair.intermediate, "11"], &["Q1"]);
    let message = text(&run.json()["refused"][0]["message"]);
    assert!(message.contains("11") && message.contains("10"), "with the figures: {message}");
}

#[test]
fn enabling() {
    let desk = Desk::new();
    let pair = desk.buy("ecc");
    desk.no(&["enable", &pair.intermediate, "--cn", "OA"], &["C1"]);
    desk.no(&["enable", &pair.root], &["C4"]);
    desk.no(&["enable", &pair.root, "--cn", &"x".repeat(65), "--c", "usa", "--algorithm", "rsa-2048"], &["C4", "O3"]);
    desk.no(&["enable", &pair.root, "--cn", "R", "--algorithm", "rsa-1024"], &["O3"]);
    desk.no(&["enable", &pair.root, "--cn", "R", "--algorithm", "ml-dsa-65"], &["O3"]);
    desk.no(&["enable", &pair.root, "--cn", "R", "--years", "0"], &["C5"]);
    desk.no(&["enable", &pair.root, "--cn", "R", "--days", "-1"], &["C5"]);
    desk.no(&["enable", &pair.root, "--cn", "R", "--years", "9000"], &["C5"]);
    desk.no(&["enable", &pair.root, "--cn", "R", "--path-len", "0"], &["C6"]);
    desk.no(&["enable", &pair.root, "--cn", "R", "--path-len", "999"], &["C6"]);
    desk.no(&["enable", &pair.root, "--cn", "R", "--crl-url", "https://x.example/a.crl"], &["I5"]);
    desk.no(&["enable", "ca_aaaaaaaaaaaaaaaa", "--cn", "R"], &["C1"]);
    desk.no(
        &["enable", "x", "--cn", "R", "--permit-dns", "*.a", "--years", "0", "--algorithm", "rsa-512"],
        &["C1", "C5", "C6", "O3"],
    );
    desk.yes(&["enable", &pair.root, "--cn", "R", "--years", "2"]);
    desk.no(&["enable", &pair.root, "--cn", "Again"], &["C1"]);
    desk.no(&["enable", &pair.intermediate, "--cn", "R"], &["C4", "C5"]);
    desk.no(&["enable", &pair.intermediate, "--cn", "OA", "--path-len", "1", "--years", "1"], &["C6"]);
    let clamped = desk.yes(&["enable", &pair.intermediate, "--cn", "OA", "--clamp"]);
    assert_eq!(clamped["not_after"], desk.yes(&["show", &pair.root])["not_after"]);
    desk.no(&["configure", &pair.root, "--crl-url", "ftp://x"], &["I5"]);
    desk.no(&["configure", "garbage", "--crl-url", "ftp://x"], &["C1", "I5"]);
}

#[test]
fn issuing() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 1);
    let oa = pair.intermediate.as_str();
    desk.no(&["issue", "server", &pair.root, "--dns", "a.example.com"], &["I1"]);
    desk.no(&["issue", "server", "garbage", "--dns", "a.example.com"], &["I1"]);
    desk.no(&["issue", "server", oa], &["I4"]);
    for name in ["a_b.example", "*.com", "a..b", "-a.example", "a.example.", "x.*.example.com", ""] {
        desk.no(&["issue", "server", oa, "--dns", name], &["I4"]);
    }
    desk.no(&["issue", "server", oa, "--dns", "a.example", "--ip", "10.0.0"], &["I4"]);
    desk.no(&["issue", "client", oa], &["C4"]);
    desk.no(&["issue", "client", oa, "--cn", "A", "--email", "nobody", "--uri", "/x"], &["I4"]);
    desk.no(&["issue", "client", oa, "--cn", "A", "--dns", "a.example"], &["I2"]);
    desk.no(&["issue", "profile", "wood", oa, "--cn", "A"], &["I2"]);
    desk.no(&["issue", "profile", "data-encryption", oa, "--cn", "A", "--algorithm", "ed25519"], &["I2"]);
    desk.no(&["issue", "server", oa, "--dns", "a.example", "--days", "0"], &["C5"]);
    desk.no(&["issue", "server", oa, "--dns", "a.example", "--days", "36500"], &["C5"]);
    let run = desk.no(
        &["issue", "server", oa, "--dns", "a_b", "--days", "0", "--algorithm", "rsa-2048", "--holder", ""],
        &["C5", "I2", "I4", "O3"],
    );
    assert!(run.json()["refused"].as_array().unwrap().iter().all(|broken| !text(&broken["message"]).is_empty()));
    desk.write("no.csr", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n");
    desk.no(&["issue", "server", oa, "--dns", "a_b", "--csr", "no.csr"], &["I3", "I4"]);
    desk.write("big.csr", vec![b'x'; 70_000]);
    desk.no(&["issue", "server", oa, "--dns", "a.example", "--csr", "big.csr"], &["G4"]);
    assert_eq!(desk.run(&["issue", "server", oa, "--dns", "a.example", "--csr", "absent.csr"]).error(), "file");

    desk.server(&pair, "a.example.com");
    let run = desk.no(&["issue", "server", oa, "--dns", "a.example.com"], &["Q2"]);
    assert!(text(&run.json()["refused"][0]["message"]).contains('1'), "{run:?}");
}

#[test]
fn certificates() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 2);
    let id = desk.server(&pair, "a.example.com");
    for unknown in ["garbage", "", "crt_", "crt_aaaaaaaaaaaaaaaaaaaaaaaa"] {
        let run = desk.no(&["revoke", unknown], &["A2"]);
        assert!(run.stdout.contains(if unknown.is_empty() { "`` is no" } else { unknown }), "{run:?}");
        desk.no(&["unhold", unknown], &["A2"]);
    }
    for unknown in ["garbage", "crt_zz", "ca_aaaaaaaaaaaaaaaa"] {
        desk.no(&["download", unknown, "--format", "pem", "--out", "x"], &["A1"]);
    }
    desk.no(&["unhold", &id], &["A2"]);
    desk.no(&["remove", &id], &["A5"]);
    desk.no(&["revoke", &id, "--reason", "cACompromise"], &["A2"]);
    desk.no(&["revoke", &id, "--reason", "removeFromCRL", "--invalidity-date", "2999-01-01T00:00:00Z"], &["A2"]);
    desk.no(&["download", &id, "--format", "pkcs12", "--out", "x", "--with-key"], &["K5"]);
    desk.no(&["download", &id, "--format", "pkcs8", "--out", "x"], &["A1"]);
    let short = desk.write("short.txt", "short\n");
    desk.no(
        &["download", &id, "--format", "pem", "--out", "x", "--with-key", "--export-passphrase-file", &short],
        &["K5"],
    );
    desk.no(&["download", &pair.root, "--format", "pem", "--out", "x", "--with-key", "--plain-key"], &["K1"]);
    assert_eq!(
        desk.run(&[
            "download",
            &id,
            "--format",
            "pem",
            "--out",
            "x",
            "--with-key",
            "--export-passphrase-file",
            "absent"
        ])
        .code,
        3
    );
    desk.yes(&["revoke", &id, "--reason", "superseded"]);
    desk.no(&["revoke", &id, "--reason", "superseded"], &["A2"]);
    desk.yes(&["revoke", &id, "--reason", "keyCompromise"]);
    desk.no(&["revoke", &id, "--reason", "keyCompromise"], &["A2"]);
    for unknown in ["garbage", "crt_zz", "ord_aaaaaaaaaaaaaaaa", "ca_aaaaaaaaaaaaaaaa"] {
        assert_eq!(desk.run(&["show", unknown]).code, 1, "{unknown}");
    }
    // A key of the platform that was compromised, and a CA's key, are certified no more: the holder's CSR says so.
    if crate::kit::has_openssl() {
        desk.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "own.key"]);
        desk.openssl(&["req", "-new", "-key", "own.key", "-subj", "/CN=ignored", "-out", "own.csr"]);
        let issued = desk.yes(&["issue", "server", &pair.intermediate, "--dns", "b.example.com", "--csr", "own.csr"]);
        let id = text(&issued["certificate"]);
        desk.no(&["download", &id, "--format", "pem", "--out", "y", "--with-key", "--plain-key"], &["A1"]);
        desk.yes(&["revoke", &id, "--reason", "keyCompromise"]);
        desk.no(&["issue", "server", &pair.intermediate, "--dns", "b.example.com", "--csr", "own.csr"], &["K2", "Q2"]);
        desk.openssl(&[
            "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "r.key", "-subj", "/CN=x", "-out", "r.csr",
        ]);
        desk.no(&["issue", "server", &pair.intermediate, "--dns", "b.example.com", "--csr", "r.csr"], &["O3", "Q2"]);
        desk.openssl(&[
            "req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "w.key", "-subj", "/CN=x", "-out", "w.csr",
        ]);
        desk.no(&["issue", "server", &pair.intermediate, "--dns", "b.example.com", "--csr", "w.csr"], &["O3", "Q2"]);
    }
}

#[test]
fn the_directory() {
    let desk = Desk::empty();
    let no_log = desk.run(&["list", "cas"]);
    assert_eq!((no_log.code, no_log.error().as_str()), (3, "no-store"));
    let short = desk.run_with(&["init", "--enterprise", ""], |command| {
        command.env("PCA_PASSPHRASE", "too short");
    });
    assert_eq!(short.rules(), ["C4", "K5"]);
    assert!(!desk.path("pca-data").exists(), "a log that is refused is not begun");
    let missing = desk.run_with(&["init"], |command| {
        command.env_remove("PCA_PASSPHRASE");
    });
    assert_eq!((missing.code, missing.error().as_str()), (3, "passphrase"));
    assert_eq!(desk.yes(&["init", "--dry-run"])["dry_run"], true);
    assert!(!desk.path("pca-data").exists());
    desk.yes(&["init"]);
    desk.no(&["init"], &["L9"]);
    let wrong = desk.run_with(&["buy", "root", "--family", "ecc"], |command| {
        command.env("PCA_PASSPHRASE", "another long passphrase");
    });
    assert_eq!((wrong.code, wrong.error().as_str()), (3, "wrong-passphrase"));
    let later = desk.run(&["buy", "root", "--family", "ecc", "--now", "2030-01-01T00:00:00Z"]);
    assert_eq!(later.rules(), ["L9"], "no other log takes its time from the caller");
    assert_eq!(
        desk.yes(&["buy", "root", "--family", "ecc", "--now", "2030-01-01T00:00:00Z", "--dry-run"])["dry_run"],
        true
    );
    assert_eq!(desk.run(&["list", "cas", "--store", "postgres://x"]).code, 3);
    let elsewhere = desk.run(&["init", "--store", "postgres://x", "--dir", "elsewhere"]);
    assert_eq!((elsewhere.code, elsewhere.error().as_str()), (3, "store"));
    assert!(!desk.path("elsewhere").exists(), "no other store takes the place of the one that is asked for");
    // From a file, one trailing newline is stripped; others who can read it are warned about.
    let file = desk.write("pass.txt", format!("{}\n", crate::kit::PASSPHRASE));
    let run = desk.run_with(&["buy", "root", "--family", "ecc", "--passphrase-file", &file], |command| {
        command.env("PCA_PASSPHRASE", "something else entirely");
    });
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("others can read"), "{run:?}");
}
