//! Standard output and standard error: who does not read on, what cannot be written, and what a terminal would obey.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::kit::{Desk, pca};

#[test]
fn who_does_not_read_on_ends_the_telling_and_is_no_trouble() {
    let desk = Desk::new();
    desk.pair("ecc", 1);
    // With --follow there is no other end than that.
    for words in [&["log"][..], &["log", "--follow"], &["list", "cas"], &["completions", "bash"]] {
        let mut child = desk.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if words.contains(&"--follow") {
            desk.buy("ecc");
        }
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0), "{words:?}: {ended:?}");
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_trouble() {
    let desk = Desk::new();
    for words in [&["log"][..], &["verify"], &["list", "cas", "--csv"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = pca();
        command.current_dir(desk.path("")).args(words).stdout(full);
        let ended = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(3), "{words:?}: {ended:?}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("standard output"), "{words:?}: {ended:?}");
    }
}

#[test]
fn an_earlier_log_is_not_followed() {
    let desk = Desk::new();
    let run = desk.run(&["log", "--follow", "--as-of", "1"]);
    assert_eq!((run.code, run.error().as_str()), (2, "usage"), "{run:?}");
}
