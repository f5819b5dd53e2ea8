//! `kill -9` at random moments of a bulk: each line that was told is in the log, and the same bulk under the same key
//! completes without issuing anything twice.

use std::process::Stdio;
use std::time::Duration;

use crate::mounts::Child;
use crate::support::{assert_balanced, assert_told, command, drawn, issued, lines, requests, rounds, say, shop, yes};

const LINES: usize = 1500;

#[test]
fn a_bulk_that_is_killed_again_and_again_completes_under_its_key() {
    let home = tempfile::tempdir().unwrap();
    let (dir, file) = (home.path().join("data"), home.path().join("requests.jsonl"));
    let ca = shop(&dir, 1_000_000);
    std::fs::write(&file, requests(LINES)).unwrap();
    let (wanted, mut kills, mut bulks) = (rounds(4).min(300), 0, 0);
    while kills < wanted {
        let key = format!("bulk {bulks}");
        let words = |out: &std::path::Path| {
            let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
            ["issue", "bulk", &ca, &text(&file), "--out", &text(out), "--key", &key].map(ToOwned::to_owned)
        };
        let mut told = Vec::new();
        for round in 0..6 {
            let out = home.path().join(format!("out-{bulks}-{round}"));
            let mut child = command(&dir, &words(&out).each_ref().map(String::as_str));
            let mut child = Child(child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            let drawn = drawn(6 * bulks + round);
            if !drawn.is_multiple_of(4) {
                // Not before something was told.
                while std::fs::metadata(&out).map_or(0, |out| out.len()) == 0 && child.0.try_wait().unwrap().is_none() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            std::thread::sleep(Duration::from_micros(drawn / 4 % 120_000));
            kills += usize::from(child.0.try_wait().unwrap().is_none());
            child.kill();
            told.extend(lines(&out));
        }
        let out = home.path().join(format!("out-{bulks}"));
        let done = yes(&dir, &words(&out).each_ref().map(String::as_str));
        let whole = lines(&out);
        assert_eq!((done["issued"].as_u64(), whole.len()), (Some(LINES as u64), LINES));
        bulks += 1;
        assert_eq!(issued(&dir).len(), LINES * bulks, "nothing is issued twice, and nothing is missing");
        assert_told(&dir, &whole);
        for line in &told {
            assert_eq!(*line, whole[line["line"].as_u64().unwrap() as usize - 1], "it was told like this");
        }
        assert_balanced(&dir, &ca);
        if bulks % 5 == 0 {
            say(&format!("{kills} kills so far"));
        }
    }
    say(&format!("{kills} kills under {bulks} bulks"));
}
