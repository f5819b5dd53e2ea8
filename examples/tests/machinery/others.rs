//! Several processes on one directory, and directories that are not as they should be: who is in the way is told, and what
//! is wrong, so that a person can act on it; questions are answered beside a writer.

use std::path::Path;
use std::process::Stdio;

use crate::mounts::{Child, Mount};
use crate::support::{command, copy, requests, run, say, shop, yes};

/// A bulk that waits for its lines, and holds the directory while it does.
fn waiting_bulk(dir: &Path, ca: &str, out: &Path) -> Child {
    let mut bulk = command(dir, &["issue", "bulk", ca, "-", "--out", out.to_str().unwrap()]);
    let child = Child(bulk.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
    while !out.exists() {
        std::thread::yield_now();
    }
    child
}

#[test]
fn who_waited_in_vain_is_told_who_holds_the_directory() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let ca = shop(&dir, 1);
    let holder = waiting_bulk(&dir, &ca, &home.path().join("out"));
    // Both wait as long as a command has patience.
    let vain = [&["assign", &ca, "1"][..], &["init"]].map(|args| {
        let mut waiting = command(&dir, args);
        waiting.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    });
    for child in vain {
        let output = child.wait_with_output().unwrap();
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), told["error"]["kind"].as_str()), (Some(3), Some("in-use")), "{told}");
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.contains(&holder.0.id().to_string()), "{message}");
    }
}

#[test]
fn questions_are_answered_while_a_bulk_writes() {
    let home = tempfile::tempdir().unwrap();
    let (dir, file, out) = (home.path().join("data"), home.path().join("requests"), home.path().join("out"));
    let ca = shop(&dir, 100_000);
    std::fs::write(&file, requests(80_000)).unwrap();
    let mut bulk = command(&dir, &["issue", "bulk", &ca, file.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    let mut bulk = Child(bulk.stdout(Stdio::null()).spawn().unwrap());
    let (mut events, mut certificates, mut rounds, mut grew) = (0, 0, 0, 0);
    while grew < 1 {
        assert!(bulk.0.try_wait().unwrap().is_none(), "it ended before something new was seen");
        let verified = yes(&dir, &["verify"]);
        assert_eq!(verified["ok"], true, "{verified}");
        let now = verified["events"].as_u64().unwrap();
        assert!(now >= events, "what was seen stays");
        let listed = yes(&dir, &["list", "certificates"]).as_array().unwrap().len();
        assert!(listed >= certificates, "what was seen stays");
        assert_eq!(yes(&dir, &["show", &ca])["ca"], ca.as_str());
        yes(&dir, &["list", "quota"]);
        let log = run(&dir, &["log"]);
        assert!(log.code == 0 && log.stdout.lines().count() as u64 >= now, "{}", log.stderr);
        grew += usize::from(listed > certificates);
        (events, certificates, rounds) = (now, listed, rounds + 1);
    }
    say(&format!("{rounds} rounds of questions beside a bulk, {certificates} certificates seen"));
}

/// What a command and a question say to a directory: exit code 3, and words that say what is wrong.
#[track_caller]
fn check(dir: &Path, args: &[&str], kind: &str, words: &[&str]) {
    let told = run(dir, args);
    assert_eq!(told.code, 3, "{args:?}: {told:?}");
    let json = told.json();
    // `verify` answers that the log is damaged instead of failing.
    let message = if json["ok"] == false { json["faults"].to_string() } else { json["error"]["message"].to_string() };
    assert!(json["ok"] == false && kind == "damaged" || json["error"]["kind"] == kind, "{args:?}: {told:?}");
    for word in words {
        assert!(message.contains(word), "{args:?}: `{word}` is not in {message}");
    }
}

const BUY: &[&str] = &["buy", "root", "--family", "ecc"];

#[test]
fn a_directory_that_cannot_be_written_to_is_read_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let ca = shop(&dir, 3);
    yes(&dir, &["issue", "server", &ca, "--dns", "a.example.com"]);
    let Some(mount) = Mount::read_only(&dir) else { return };
    for command in
        [BUY, &["keys", "sweep"], &["revoke-ca", &ca, "--confirm", "00"], &["issue", "client", &ca, "--cn", "A"]]
    {
        let told = run(mount.path(), command);
        // A refusal by the rules needs no writing.
        if told.code != 1 {
            check(mount.path(), command, "store", &["Read-only file system", "log"]);
        }
    }
    for question in [&["list", "certificates"][..], &["list", "quota"], &["show", &ca], &["list", "cas"]] {
        assert_eq!(yes(mount.path(), question), yes(&dir, question));
    }
    assert_eq!(run(mount.path(), &["log"]).stdout, run(&dir, &["log"]).stdout);
    let mut verify = command(mount.path(), &["verify"]);
    assert_eq!(crate::kit::finish(verify.env_remove("PCA_PASSPHRASE")).json()["ok"], true);
    // The keys are opened by one process alone, and its lock is a file that is written to.
    check(mount.path(), &["verify"], "key", &["Read-only file system", "keys"]);
}

#[test]
fn what_is_missing_foreign_or_newer_is_named() {
    let home = tempfile::tempdir().unwrap();
    let sound = home.path().join("sound");
    shop(&sound, 3);
    let dir = home.path().join("data");
    let spoiled = |spoil: &dyn Fn(&Path)| {
        copy(&sound, &dir);
        spoil(&dir);
    };
    let remove = |name: &'static str| move |dir: &Path| std::fs::remove_file(dir.join(name)).unwrap();
    let first = "log/00000000000000000001.log";

    spoiled(&remove(first));
    check(&dir, BUY, "damaged", &["segment"]);
    check(&dir, &["list", "cas"], "damaged", &["segment"]);
    check(&dir, &["verify"], "damaged", &["segment"]);

    spoiled(&remove("log/format"));
    check(&dir, BUY, "damaged", &["format", "missing"]);
    check(&dir, &["list", "cas"], "damaged", &["format", "missing"]);
    check(&dir, &["verify"], "damaged", &["format", "missing"]);

    spoiled(&|dir| std::fs::write(dir.join("log/backup.log"), "of somebody").unwrap());
    check(&dir, BUY, "damaged", &["backup.log"]);
    check(&dir, &["verify"], "damaged", &["backup.log"]);

    // A segment of another log.
    let other = home.path().join("other");
    shop(&other, 3);
    spoiled(&|dir| assert!(std::fs::copy(other.join(first), dir.join(first)).unwrap() > 0));
    check(&dir, BUY, "damaged", &["00000000000000000001", "another log"]);
    check(&dir, &["verify"], "damaged", &["another log"]);

    spoiled(&|dir| {
        let mut octets = std::fs::read(dir.join("log/format")).unwrap();
        octets[11] = 2;
        std::fs::write(dir.join("log/format"), octets).unwrap();
    });
    check(&dir, BUY, "store", &["version 2", "newer"]);
    check(&dir, &["verify"], "store", &["version 2", "newer"]);
    check(&dir, &["list", "cas"], "store", &["version 2", "newer"]);

    spoiled(&|dir| {
        let header = std::fs::read_to_string(dir.join("keys/store")).unwrap();
        std::fs::write(dir.join("keys/store"), header.replacen("key store 1", "key store 2", 1)).unwrap();
    });
    check(&dir, BUY, "key", &["version 2", "newer"]);

    spoiled(&|dir| std::fs::remove_dir_all(dir.join("keys")).unwrap());
    check(&dir, BUY, "key", &["there is no key store", "keys"]);
    check(&dir, &["verify"], "damaged", &["there is no key store"]);

    spoiled(&|dir| std::fs::remove_dir_all(dir.join("log")).unwrap());
    check(&dir, BUY, "no-store", &["there is no log", "pca init"]);
    check(&dir, &["verify"], "no-store", &["there is no log", "pca init"]);
}
