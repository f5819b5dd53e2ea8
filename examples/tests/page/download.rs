//! Downloads that are refused: with every reason, and without a trace.

use crate::kit::Desk;

#[test]
fn a_refused_download_leaves_nothing_behind_and_tells_all() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 1);
    let id = desk.server(&pair, "a.example.com");
    let short = desk.write("short.txt", "short\n");
    let long = "x".repeat(201);
    let key = ["--out", "deep/x", "--with-key", "--export-passphrase-file", &short, "--to", &long];
    let pem = [&["download", &id, "--format", "pem"][..], &key].concat();
    desk.no(&pem, &["A1", "K5"]);
    desk.no(&[&pem[..], &["--dry-run"]].concat(), &["A1", "K5"]);
    desk.no(&["download", &id, "--format", "pem", "--out", "deep/x", "--with-key", "--dry-run"], &["K5"]);
    desk.no(&["download", &id, "--format", "pkcs8", "--out", "deep/x"], &["A1"]);
    for unknown in ["zzz", "ca_aaaaaaaaaaaaaaaa"] {
        let run = desk.no(&["download", unknown, "--format", "pem", "--out", "deep/x"], &["A1"]);
        assert!(run.stdout.contains(unknown) && !run.stdout.contains("enable it"), "{run:?}");
    }
    assert!(!desk.path("deep").exists());
    // What is in the way is told before anything is recorded, and so is a directory that cannot be.
    desk.write("file", "");
    let before = desk.head();
    let plain = |out| ["download", &id, "--format", "pem", "--with-key", "--plain-key", "--out", out];
    assert_eq!(desk.run(&plain("file/x")).error(), "file");
    std::fs::create_dir(desk.path("taken")).unwrap();
    desk.write(&format!("taken/{id}.key.pem"), "mine");
    assert_eq!(desk.run(&plain("taken")).error(), "file");
    assert_eq!(desk.head(), before);
    desk.yes(&plain("deep/x"));
    assert_eq!(crate::kit::mode(&desk.path("deep/x")), 0o700);
}

#[test]
fn a_dry_run_under_a_key_of_another_request_is_refused() {
    let desk = Desk::new();
    desk.yes(&["buy", "root", "--family", "ecc", "--key", "monday"]);
    desk.no(&["buy", "root", "--family", "rsa", "--key", "monday", "--dry-run"], &["O6"]);
    desk.yes(&["buy", "root", "--family", "ecc", "--key", "monday", "--dry-run"]);
}
