//! Logs that go elsewhere: the same digests there, nothing overwritten, and nothing believed unseen.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::kit::{Desk, mode};

/// A log of some commits.
fn grown() -> Desk {
    let desk = Desk::new();
    desk.buy("ecc");
    desk.buy("rsa");
    desk.yes(&["buy", "root", "--family", "ecc", "--because", "growth"]);
    desk
}

/// Without the passphrase: what only reads needs none.
#[track_caller]
fn unlocked(desk: &Desk, args: &[&str]) -> Value {
    let run = desk.run_with(args, |command| {
        command.env_remove("PCA_PASSPHRASE");
    });
    assert_eq!(run.code, 0, "{args:?}: {run:?}");
    run.json()
}

#[test]
fn an_exported_log_is_imported_under_the_same_digests() {
    let desk = grown();
    let head = desk.head();
    let exported = unlocked(&desk, &["export", "log.jsonl"]);
    assert_eq!(exported, json!({ "file": "log.jsonl", "commits": 4, "events": 5, "head": head }));
    assert_eq!(mode(&desk.path("log.jsonl")), 0o600);
    let lines = std::fs::read_to_string(desk.path("log.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 6);
    let dry = unlocked(&desk, &["import", "log.jsonl", "--dir", "there", "--dry-run"]);
    assert_eq!((&dry["added"], desk.path("there").exists()), (&json!(4), false));
    let imported = unlocked(&desk, &["import", "log.jsonl", "--dir", "there"]);
    assert_eq!(imported, json!({ "commits": 4, "added": 4, "events": 5, "head": head }));
    assert_eq!(mode(&desk.path("there")), 0o700);
    assert_eq!(unlocked(&desk, &["verify", "--dir", "there"])["head"], head);
    assert_eq!(desk.run(&["log", "--dir", "there"]).stdout, desk.run(&["log"]).stdout);
    assert_eq!(unlocked(&desk, &["import", "log.jsonl", "--dir", "there"])["added"], 0);
    // Nothing is overwritten, and nothing is left beside.
    assert_eq!(desk.run(&["export", "log.jsonl"]).error(), "file");
    assert_eq!(std::fs::read_to_string(desk.path("log.jsonl")).unwrap(), lines);
    let beside = std::fs::read_dir(desk.path(".")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(beside.into_iter().all(|name| !name.to_string_lossy().ends_with(".new")));
    // By way of the standard streams, and as of an earlier position.
    let earlier = desk.run(&["export", "-", "--as-of", "3"]);
    assert_eq!((earlier.code, earlier.stdout.lines().count()), (0, 4));
    desk.write("earlier.jsonl", &earlier.stdout);
    let run = desk.run_with(&["import", "-", "--dir", "piped"], |command| {
        command.stdin(std::fs::File::open(desk.path("earlier.jsonl")).unwrap());
    });
    assert_eq!((run.code, &run.json()["commits"]), (0, &json!(2)), "{run:?}");
    assert_eq!(unlocked(&desk, &["import", "log.jsonl", "--dir", "piped", "--dry-run"])["added"], 2);
    assert_eq!(unlocked(&desk, &["import", "log.jsonl", "--dir", "piped"])["added"], 2);
    assert_eq!(unlocked(&desk, &["verify", "--dir", "piped"])["head"], head);
}

#[test]
fn a_file_that_was_tampered_with_is_not_imported_and_another_log_is_left_alone() {
    let desk = grown();
    desk.yes(&["export", "log.jsonl"]);
    let sound = std::fs::read_to_string(desk.path("log.jsonl")).unwrap();
    let lines: Vec<&str> = sound.lines().collect();
    let without = |gone: usize| {
        let left = lines.iter().enumerate().filter(|(number, _)| *number != gone).map(|(_, line)| *line);
        left.collect::<Vec<_>>().join("\n")
    };
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    let time = serde_json::from_str::<Value>(lines[3]).unwrap()["time"].clone();
    for (what, text, line) in [
        ("removed", without(2), 3),
        ("removed from the end", without(4), 5),
        ("cut off", without(5), 6),
        ("reordered", swapped.join("\n"), 3),
        ("edited", sound.replace("growth", "murder"), 5),
        ("dated anew", sound.replace(&format!("\"time\":{time}"), &format!("\"time\":{time}1")), 4),
    ] {
        desk.write("bad.jsonl", &text);
        for args in [&["import", "bad.jsonl", "--dir", "there"][..], &["import", "bad.jsonl", "--dry-run"]] {
            let run = desk.run(args);
            assert_eq!((run.code, run.error().as_str()), (3, "damaged"), "{what}: {run:?}");
            assert!(run.stdout.contains(&format!("line {line}: ")), "{what}: {run:?}");
        }
        assert!(!desk.path("there").exists(), "{what}");
    }
    let other = grown();
    let before = other.head();
    for (args, kind) in
        [(["import", desk.path("log.jsonl").to_str().unwrap()], "another-log"), (["import", "absent.jsonl"], "file")]
    {
        assert_eq!(other.run(&args).error(), kind);
        assert_eq!(other.run(&[args[0], args[1], "--dry-run"]).error(), kind);
    }
    let piped = other.run_with(&["import", "-"], |command| {
        command.stdin(std::fs::File::open(desk.path("log.jsonl")).unwrap());
    });
    assert_eq!(piped.error(), "another-log", "{piped:?}");
    assert_eq!(other.head(), before);
}

#[test]
fn a_backup_is_a_log_and_the_keys_are_brought_back_beside_it() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 2);
    let dry = unlocked(&desk, &["backup", "kept", "--dry-run"]);
    assert_eq!((&dry["added"], desk.path("kept").exists()), (&dry["commits"], false));
    let first = unlocked(&desk, &["backup", "kept"]);
    assert_eq!((&first["added"], &first["keys_copied"]), (&first["commits"], &json!(false)));
    assert_eq!(mode(&desk.path("kept")), 0o700);
    assert!(!desk.path("kept/keys").exists());
    let id = desk.server(&pair, "a.example.com");
    assert_eq!(unlocked(&desk, &["backup", "kept", "--dry-run"])["added"], 1);
    let second = unlocked(&desk, &["backup", "kept"]);
    assert_eq!((&second["added"], &second["head"]), (&json!(1), &json!(desk.head())));
    assert_eq!(unlocked(&desk, &["verify", "--dir", "kept"])["head"], second["head"]);
    // Restored: with the keys beside it, it goes on.
    let copied = Command::new("cp").args(["-a"]).arg(desk.path("pca-data/keys")).arg(desk.path("kept/keys")).status();
    assert!(copied.unwrap().success());
    assert_eq!(desk.yes(&["verify", "--dir", "kept"])["keys"], 3);
    desk.yes(&["revoke", &id, "--dir", "kept"]);
    // From then on it is none of the other's backups.
    for args in [&["backup", "kept"][..], &["backup", "kept", "--dry-run"]] {
        let run = desk.run(args);
        assert_eq!((run.code, run.error().as_str()), (3, "another-log"), "{run:?}");
    }
    assert_eq!(desk.run(&["backup", "pca-data"]).error(), "store", "the log is not its own backup");
    desk.write("file", "");
    assert_eq!(desk.run(&["backup", "file"]).error(), "file");
}

#[test]
fn others_read_copy_and_follow_while_a_process_writes() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 0);
    desk.yes(&["buy", "quota", "--root", &pair.root, "--count", "90"]);
    desk.yes(&["assign", &pair.intermediate, "100"]);
    let requests: String =
        (0..100).map(|n| format!("{{\"kind\":\"server\",\"dns\":[\"h{n}.example.com\"]}}\n")).collect();
    desk.write("bulk.jsonl", requests);
    let mut follower = desk.command(&["log", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let followed = BufReader::new(follower.stdout.take().unwrap());
    let mut writer =
        desk.command(&["issue", "bulk", &pair.intermediate, "bulk.jsonl"]).stdout(Stdio::null()).spawn().unwrap();
    let mut rounds = 0;
    loop {
        let is_over = writer.try_wait().unwrap().is_some();
        rounds += 1;
        let backed = unlocked(&desk, &["backup", "kept"]);
        assert_eq!(unlocked(&desk, &["verify", "--dir", "kept"])["head"], backed["head"]);
        let file = format!("log-{rounds}.jsonl");
        let exported = unlocked(&desk, &["export", &file]);
        let imported = unlocked(&desk, &["import", &file, "--dir", "there"]);
        assert_eq!(imported["head"], exported["head"], "each is a beginning of the next");
        if is_over {
            break;
        }
    }
    assert!(writer.wait().unwrap().success());
    let head = desk.yes(&["verify"]);
    for directory in ["kept", "there"] {
        assert_eq!(unlocked(&desk, &["verify", "--dir", directory])["head"], head["head"], "{directory}");
    }
    let last = head["events"].as_u64().unwrap();
    let positions = followed.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let positions = positions.map(|event| event["position"].as_u64().unwrap()).take(usize::try_from(last).unwrap());
    assert_eq!(positions.collect::<Vec<_>>(), (1..=last).collect::<Vec<_>>(), "without gaps, also what came later");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

/// Python is there; a judge that is not installed is skipped aloud, except where everything must be judged.
fn has_python() -> bool {
    let there = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "python3 is needed");
        eprintln!("SKIPPED: python3 is not installed");
    }
    there
}

#[test]
fn a_reader_in_another_language_that_was_written_from_the_page_reads_a_log_and_finds_damage() {
    if !has_python() {
        return;
    }
    let desk = grown();
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/read_log.py");
    assert!(std::fs::read_to_string(reader).unwrap().lines().count() <= 100);
    let log = desk.path("pca-data/log");
    let read = || Command::new("python3").arg(reader).arg(&log).output().unwrap();
    let output = read();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    let columns: Vec<Vec<&str>> = told.lines().map(|line| line.split('\t').collect()).collect();
    let kinds: Vec<_> = columns.iter().map(|columns| (columns[0], columns[2], columns[4])).collect();
    let bought = |position| (position, "BuyRoot", "RootOrdered");
    let founded = ("1", "FoundEnterprise", "EnterpriseFounded,PolicyAdopted");
    assert_eq!(kinds, [founded, bought("3"), bought("4"), bought("5")]);
    assert!(String::from_utf8(output.stderr).unwrap().contains(&desk.head()));
    for name in ["format", "closed", "00000000000000000001.log"] {
        let sound = std::fs::read(log.join(name)).unwrap();
        for at in (0..sound.len()).step_by(sound.len() / 6) {
            let mut flipped = sound.clone();
            flipped[at] ^= 4;
            std::fs::write(log.join(name), flipped).unwrap();
            let output = read();
            assert_eq!(output.status.code(), Some(1), "an octet of {name} at {at}: {output:?}");
        }
        std::fs::write(log.join(name), &sound).unwrap();
    }
    // What a crash tore is no damage, also here.
    std::fs::remove_file(log.join("closed")).unwrap();
    let segment = log.join("00000000000000000001.log");
    let whole = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &whole[..whole.len() - 300]).unwrap();
    let output = read();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("torn"), "{output:?}");
}
