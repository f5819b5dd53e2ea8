//! The log: what it tells, and that it can be trusted.

use std::io::{Seek as _, Write as _};

use crate::kit::{Desk, text};

#[test]
fn events_are_json_lines_with_who_when_and_why() {
    let desk = Desk::new();
    desk.yes(&["buy", "root", "--family", "ecc", "--because", "growth", "--correlation", "ticket-7"]);
    let run = desk.run(&["log"]);
    assert_eq!(run.code, 0);
    let events: Vec<serde_json::Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let positions: Vec<u64> = events.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=events.len() as u64).collect::<Vec<_>>(), "without gaps");
    let last = events.last().unwrap();
    assert_eq!(
        (text(&last["kind"]), text(&last["reason"]), text(&last["correlation"])),
        ("RootOrdered".into(), "growth".into(), "ticket-7".into())
    );
    assert!(text(&last["time"]).ends_with('Z'));
    let after = desk.run(&["log", "--after", "1"]).stdout;
    assert_eq!(after.lines().count(), events.len() - 1);
    assert_eq!(desk.run(&["log", "--as-of", "2"]).stdout.lines().count(), 2);
}

#[test]
fn questions_need_no_passphrase_and_no_lock_and_see_earlier_times() {
    let desk = Desk::new();
    let before = desk.yes(&["verify"])["events"].as_u64().unwrap();
    let pair = desk.pair("ecc", 3);
    let id = desk.server(&pair, "a.example.com");
    let ask = |args: &[&str]| {
        let run = desk.run_with(args, |command| {
            command.env_remove("PCA_PASSPHRASE");
        });
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
        run
    };
    for kind in ["cas", "certificates", "orders", "quota"] {
        ask(&["list", kind]);
    }
    for question in [
        &["show", id.as_str()][..],
        &["show", &pair.root],
        &["show", &pair.order],
        &["verify"],
        &["log"],
        &["policy", "show"],
        &["preview", "reset", &pair.root],
        &["refund", &pair.order, "--eligible", "--as-of", "3"],
    ] {
        ask(question);
    }
    assert_eq!(ask(&["list", "cas", "--as-of", &before.to_string()]).json().as_array().unwrap().len(), 0);
    assert_eq!(ask(&["list", "cas", "--as-of", "3"]).json().as_array().unwrap()[0]["state"], "not-enabled");
    assert_eq!(ask(&["list", "cas", "--as-of", "2000-01-01T00:00:00Z"]).json().as_array().unwrap().len(), 0);
    assert_eq!(ask(&["list", "cas", "--as-of", "2999-01-01T00:00:00Z"]).json().as_array().unwrap().len(), 2);
    let quota = |at: &str| ask(&["show", &pair.intermediate, "--as-of", at]).json()["quota"]["assigned"].clone();
    assert_eq!((quota("5"), quota("6")), (0.into(), 3.into()));
    desk.no(&["list", "cas", "--as-of", "999"], &["L7"]);
    let commit = desk.run_with(&["assign", &pair.intermediate, "1"], |command| {
        command.env_remove("PCA_PASSPHRASE");
    });
    assert_eq!((commit.code, commit.error().as_str()), (3, "passphrase"));
    // Nothing secret lies beside the keys, and what lies there is closed to others.
    let secret = std::fs::read_to_string(desk.path("pca-data/keys/store")).unwrap_or_default();
    assert!(!secret.contains(crate::kit::PASSPHRASE));
    assert_eq!(crate::kit::mode(&desk.path("pca-data/keys")) & 0o077, 0);
}

#[test]
fn a_dry_run_tells_events_and_changes_nothing() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 2);
    let id = desk.server(&pair, "a.example.com");
    let digest = text(&desk.yes(&["preview", "reset", &pair.intermediate])["digest"]);
    desk.write("policy.json", "{\"free_certificates\": 3}");
    desk.write("bulk.jsonl", "{\"kind\":\"server\",\"dns\":[\"b.example.com\"]}\nnonsense\n");
    let before = desk.head();
    let keys = || {
        let mut names: Vec<_> =
            std::fs::read_dir(desk.path("pca-data/keys")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let keys_before = keys();
    for (command, kind) in [
        (&["buy", "root", "--family", "rsa"][..], "RootOrdered"),
        (&["buy", "quota", "--root", &pair.root, "--count", "5"], "QuotaOrdered"),
        (&["buy", "intermediate", "--root", &pair.root], "IntermediateOrdered"),
        (&["assign", &pair.intermediate, "1"], "QuotaAssigned"),
        (&["extend", &pair.root, "--term", "1m"], "TermExtended"),
        (&["configure", &pair.root, "--crl-url", "http://x.example/r.crl"], "CaConfigured"),
        (&["policy", "adopt", "policy.json"], "PolicyAdopted"),
        (&["issue", "server", &pair.intermediate, "--dns", "b.example.com"], "CertificateIssued"),
        (&["download", &id, "--format", "pem", "--out", "x", "--with-key", "--plain-key"], "KeyDelivered"),
        (&["revoke", &id], "CertificateRevoked"),
        (&["crl", &pair.intermediate, "--out", "x.crl"], "CrlPublished"),
        (&["disable", &pair.intermediate], "CaDisabled"),
        (&["reset", &pair.intermediate, "--confirm", &digest], "CaReset"),
    ] {
        let run = desk.run_with(&[command, &["--dry-run"]].concat(), |process| {
            process.env_remove("PCA_PASSPHRASE");
        });
        assert_eq!(run.code, 0, "{command:?}: {run:?}");
        let json = run.json();
        assert_eq!(json["dry_run"], true, "{command:?}");
        let kinds: Vec<String> = json["events"].as_array().unwrap().iter().map(|event| text(&event["kind"])).collect();
        assert!(kinds.contains(&kind.to_owned()), "{command:?}: {kinds:?}");
    }
    let bulk = desk.yes(&["issue", "bulk", &pair.intermediate, "bulk.jsonl", "--dry-run", "--out", "out.jsonl"]);
    assert_eq!((&bulk["issued"], &bulk["refused"]), (&1.into(), &1.into()));
    desk.no(&["assign", &pair.intermediate, "99", "--dry-run"], &["Q1"]);
    assert_eq!((desk.head(), keys()), (before, keys_before));
    for made in ["x", "x.crl", "out.jsonl"] {
        assert!(!desk.path(made).exists(), "{made}");
    }
}

#[test]
fn the_same_key_and_request_are_done_once() {
    let desk = Desk::new();
    let first = desk.yes(&["buy", "root", "--family", "ecc", "--key", "monday"]);
    let again = desk.yes(&["buy", "root", "--family", "ecc", "--key", "monday"]);
    assert_eq!(first, again);
    assert_eq!(desk.yes(&["list", "cas"]).as_array().unwrap().len(), 2);
    desk.no(&["buy", "root", "--family", "rsa", "--key", "monday"], &["O6"]);
    let other = desk.run(&["buy", "root", "--family", "ecc", "--key", "monday", "--actor", "ada"]);
    assert_eq!(other.rules(), ["O6"], "the actor is part of the request");
    let pair = desk.pair("ecc", 3);
    let issue = ["issue", "server", &pair.intermediate, "--dns", "a.example.com", "--key", "tuesday"];
    assert_eq!(desk.yes(&issue), desk.yes(&issue));
    assert_eq!(desk.yes(&["show", &pair.intermediate])["quota"]["consumed"], 1);
    let id = text(&desk.yes(&issue)["certificate"]);
    desk.yes(&["revoke", &id]);
    let remove = ["remove", &id, "--key", "wednesday"];
    assert!(!desk.run(&remove).stderr.contains("warning"));
    let again = desk.run(&remove);
    assert!(again.code == 0 && !again.stderr.contains("warning"), "its key is destroyed already: {again:?}");
}

#[test]
fn damage_is_told_and_a_torn_tail_is_not_damage() {
    let desk = Desk::new();
    desk.pair("ecc", 3);
    let log = desk.path("pca-data/log");
    let segment = || {
        let mut files = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.extension().is_some_and(|extension| extension == "log")).unwrap()
    };
    let sound = std::fs::read(segment()).unwrap();
    let events = desk.yes(&["verify"])["events"].clone();
    for at in [700, 1500, 2500] {
        let mut flipped = sound.clone();
        flipped[at] ^= 0x10;
        std::fs::write(segment(), &flipped).unwrap();
        let run = desk.run(&["verify"]);
        assert_eq!((run.code, &run.json()["ok"]), (3, &false.into()), "an octet at {at}: {run:?}");
        assert_eq!(desk.run(&["list", "cas"]).error(), "damaged", "an octet at {at}");
        assert_eq!(desk.run(&["buy", "root", "--family", "ecc"]).error(), "damaged");
        assert_eq!(std::fs::read(segment()).unwrap(), flipped, "nothing is repaired");
    }
    std::fs::write(segment(), &sound).unwrap();
    let verified = desk.yes(&["verify"]);
    assert_eq!((&verified["events"], &verified["ok"]), (&events, &true.into()));
    // A head that was kept elsewhere finds a log whose end was cut off.
    let head = text(&verified["head"]);
    let mut file = std::fs::OpenOptions::new().write(true).open(segment()).unwrap();
    file.seek(std::io::SeekFrom::Start(0)).unwrap();
    file.write_all(&sound).unwrap();
    assert_eq!(desk.yes(&["verify", "--expect", &head])["ok"], true);
}

#[test]
fn a_torn_tail_is_put_aside_and_that_is_said() {
    let desk = Desk::new();
    desk.yes(&["buy", "root", "--family", "ecc"]);
    let log = desk.path("pca-data/log");
    std::fs::remove_file(log.join("closed")).unwrap();
    let mut segment = std::fs::OpenOptions::new().append(true).open(log.join("00000000000000000001.log")).unwrap();
    segment.write_all(b"torn").unwrap();
    assert_eq!(desk.yes(&["verify"])["torn_bytes"], 4);
    let run = desk.run(&["buy", "root", "--family", "ecc"]);
    assert!(run.code == 0 && run.stderr.contains("put a torn tail aside"), "{run:?}");
    assert!(desk.run(&["buy", "root", "--family", "ecc"]).stderr.is_empty());
    assert_eq!(desk.yes(&["verify"])["torn_bytes"], 0);
}

#[test]
fn keys_are_checked_swept_and_put_under_another_passphrase() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 2);
    desk.server(&pair, "a.example.com");
    assert_eq!(desk.yes(&["verify"])["keys"], 3);
    assert_eq!(desk.yes(&["keys", "sweep"])["destroyed"].as_array().unwrap().len(), 0);
    let short = desk.write("short.txt", "short");
    desk.no(&["passphrase", "--new-passphrase-file", &short], &["K5"]);
    let before = desk.head();
    let new = desk.write("new.txt", "entirely different words\n");
    let dry = ["passphrase", "--new-passphrase-file", &new, "--dry-run"];
    desk.yes(&dry);
    let wrong = desk.run_with(&dry, |command| {
        command.env("PCA_PASSPHRASE", "another long passphrase");
    });
    assert_eq!((wrong.code, wrong.error().as_str()), (3, "wrong-passphrase"));
    desk.yes(&["passphrase", "--new-passphrase-file", &new]);
    assert_eq!(desk.head(), before, "the log is not touched");
    assert_eq!(desk.run(&["assign", &pair.intermediate, "1"]).error(), "wrong-passphrase");
    desk.yes(&["assign", &pair.intermediate, "1", "--passphrase-file", &new]);
    let verified = desk.run(&["verify", "--passphrase-file", &new]);
    assert_eq!((verified.code, &verified.json()["keys"]), (0, &3.into()), "{verified:?}");
    // A key that is gone is found.
    let keys = desk.path("pca-data/keys");
    let pem = std::fs::read_dir(keys)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "pem"));
    std::fs::remove_file(pem.unwrap()).unwrap();
    let run = desk.run(&["verify", "--passphrase-file", &new]);
    assert_eq!((run.code, &run.json()["ok"]), (3, &false.into()), "{run:?}");
}

#[test]
fn a_sweep_is_previewed_and_then_does_just_that() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 2);
    desk.server(&pair, "a.example.com");
    let none = desk.yes(&["keys", "sweep", "--dry-run"]);
    assert_eq!((&none["dry_run"], &none["destroyed"]), (&true.into(), &serde_json::json!([])));
    // The keys of a CA that the log does not know: as after a crash, or of a log that another one took the place of.
    let other = Desk::new();
    let foreign = other.buy("ecc");
    other.yes(&["enable", &foreign.root, "--cn", "R"]);
    std::fs::remove_dir_all(other.path("pca-data/log")).unwrap();
    std::fs::rename(desk.path("pca-data/log"), other.path("pca-data/log")).unwrap();
    std::fs::rename(desk.path("pca-data/keys"), other.path("kept")).unwrap();
    let before = other.head();
    let files = || std::fs::read_dir(other.path("pca-data/keys")).unwrap().count();
    let there = files();
    let foreseen = other.yes(&["keys", "sweep", "--dry-run"]);
    assert_eq!(foreseen["destroyed"].as_array().unwrap().len(), 1, "{foreseen}");
    assert_eq!(foreseen["destroyed"][0]["why"], "no event names it");
    assert_eq!((other.head(), files()), (before, there), "nothing is changed");
    let unlocked = other.run_with(&["keys", "sweep", "--dry-run"], |command| {
        command.env_remove("PCA_PASSPHRASE");
    });
    assert_eq!((unlocked.code, unlocked.error().as_str()), (3, "passphrase"), "the keys are looked at");
    assert_eq!(other.yes(&["keys", "sweep"])["destroyed"], foreseen["destroyed"]);
    assert_eq!(files(), there - 1);
}

#[test]
fn only_a_rehearsal_log_takes_a_time_also_where_nothing_is_written() {
    let mut desk = Desk::new();
    let new = desk.write("new.txt", "entirely different words\n");
    let now = "2030-01-01T00:00:00Z";
    desk.no(&["passphrase", "--new-passphrase-file", &new, "--now", now], &["L9"]);
    desk.no(&["keys", "sweep", "--now", now], &["L9"]);
    desk.yes(&["passphrase", "--new-passphrase-file", &new, "--now", now, "--dry-run"]);
    desk.yes(&["keys", "sweep", "--now", now, "--dry-run"]);
    desk = Desk::rehearsal(now);
    desk.yes(&["keys", "sweep"]);
}

#[test]
fn a_log_that_is_lost_is_not_begun_anew_over_its_keys() {
    let desk = Desk::new();
    desk.pair("ecc", 1);
    std::fs::rename(desk.path("pca-data/log"), desk.path("lost")).unwrap();
    let run = desk.run(&["init"]);
    assert_eq!((run.code, run.error().as_str()), (3, "key"), "{run:?}");
    assert!(run.stdout.contains("2 keys"), "{run:?}");
    std::fs::create_dir_all(desk.path("pca-data/log")).unwrap();
    assert_eq!(desk.run(&["init"]).error(), "key", "also where only the directory is left");
    std::fs::remove_dir_all(desk.path("pca-data/log")).unwrap();
    std::fs::rename(desk.path("lost"), desk.path("pca-data/log")).unwrap();
    assert_eq!(desk.yes(&["verify"])["keys"], 2);
    // Keys without a log are a crash of `init` only while there are none.
    let begun = Desk::new();
    std::fs::remove_dir_all(begun.path("pca-data/log")).unwrap();
    begun.yes(&["init"]);
}

#[test]
fn a_key_store_that_is_gone_or_damaged_is_damage() {
    let desk = Desk::new();
    desk.pair("ecc", 1);
    std::fs::write(desk.path("pca-data/keys/store"), "garbage").unwrap();
    let run = desk.run(&["verify"]);
    assert_eq!((run.code, &run.json()["ok"]), (3, &false.into()), "{run:?}");
    std::fs::remove_dir_all(desk.path("pca-data/keys")).unwrap();
    let run = desk.run(&["verify"]);
    assert_eq!((run.code, &run.json()["ok"]), (3, &false.into()), "{run:?}");
    assert!(run.json()["faults"][0].as_str().unwrap().contains("there is no key store"), "{run:?}");
}

#[test]
fn a_policy_is_shown_adopted_and_refused() {
    let desk = Desk::new();
    assert_eq!(desk.yes(&["policy", "show"])["free_certificates"], 10);
    desk.write("policy.json", "{\"free_certificates\": 3, \"max_validity_days\": 30}");
    assert_eq!(desk.yes(&["policy", "adopt", "policy.json"])["free_certificates"], 3);
    assert_eq!(desk.yes(&["policy", "show"])["max_validity_days"], 30);
    assert_eq!(desk.yes(&["policy", "show", "--as-of", "2"])["free_certificates"], 10);
    desk.write("bad.json", "{\"backdate_seconds\": 99999}");
    assert_eq!(desk.run(&["policy", "adopt", "bad.json"]).code, 1);
    desk.write("below.json", "{\"backdate_seconds\": -1}");
    assert_eq!(
        desk.run(&["policy", "adopt", "below.json"]).code,
        1,
        "a number that is out of range is a matter of rules"
    );
    assert_eq!(desk.run(&["policy", "adopt", "absent.json"]).error(), "file");
    assert_eq!(desk.yes(&["profile", "list"])["profiles"].as_array().unwrap().len(), 9);
}
