//! Words: what is understood, what is not, and what comes later.

use crate::kit::{Desk, pca};

#[test]
fn words_that_are_not_of_the_page_are_exit_2() {
    let desk = Desk::new();
    let ca = "ca_aaaaaaaaaaaaaaaa";
    for words in [
        &["fly"][..],
        &["buy"],
        &["buy", "shoes"],
        &["buy", "root"],
        &["buy", "root", "--family", "wood"],
        &["buy", "root", "--family", "ecc", "--term", "soon"],
        &["buy", "root", "--family", "ecc", "--paid", "lots"],
        &["buy", "root", "--family", "ecc", "--now", "tomorrow"],
        &["buy", "root", "--family", "ecc", "--wings"],
        &["buy", "quota", "--root", ca, "--count", "many"],
        &["assign", ca],
        &["assign", ca, "1.5"],
        &["enable", ca, "--cn", "X", "--algorithm", "wood"],
        &["enable", ca, "--cn", "X", "--years", "1", "--days", "1"],
        &["enable", ca, "--upload-certificate", "x"],
        &["enable", ca, "--cn", "X", "--upload-key", "x"],
        &["enable", ca, "--cn", "X", "--upload-certificate", "x", "--upload-key", "y"],
        &["issue", "server", ca, "--dns", "a.example", "--label", "novalue"],
        &["issue", "server", ca, "--dns", "a.example", "--algorithm", "ed25519", "--csr", "x"],
        &["enable", ca, "--cn", "X", "--request-csr", "x", "--years", "1"],
        &["enable", ca, "--cn", "X", "--certificate", "x"],
        &["enable", ca, "--request-csr", "x", "--certificate", "y"],
        &["enable", ca, "--cn", "X", "--accept", "ski-absent"],
        &["renew-ca", ca, "--algorithm", "ecdsa-p384"],
        &["renew-ca", ca, "--years", "1", "--days", "1"],
        &["cross-sign", ca],
        &["renew"],
        &["revoke", "crt_x", "--reason", "boredom"],
        &["revoke", "crt_x", "--invalidity-date", "2030"],
        &["download", "crt_x", "--format", "stone", "--out", "x"],
        &["list", "shoes"],
        &["list", "certificates", "--status", "bored"],
        &["list", "certificates", "--serial", "xyz"],
        &["list", "certificates", "--expires-within", "soon"],
        &["list", "cas", "--as-of", "yesterday"],
        &["verify", "--expect", "abc"],
        &["configure", ca],
        &["buy", "root", "--family", "ecc", "--as-of", "2"],
        &["buy", "root", "--family", "ecc", "--as-of", "2", "--dry-run"],
        &["crl", ca, "--out", "x", "--as-of", "2"],
        &["download", "crt_x", "--format", "pem", "--out", "x", "--with-key", "--as-of", "2", "--dry-run"],
        &["keys", "sweep", "--as-of", "2"],
        &["keys", "sweep", "--as-of", "2", "--dry-run"],
        &["refund", "ord_x", "--as-of", "2"],
        &["init", "--as-of", "2"],
        &["completions", "cobol"],
    ] {
        let run = desk.run(words);
        assert_eq!(run.code, 2, "{words:?}: {run:?}");
        assert_eq!(run.error(), "usage", "{words:?}");
        let plain = desk.plain(words);
        assert_eq!((plain.code, plain.stdout.as_str()), (2, ""), "{words:?}: {plain:?}");
        assert!(!plain.stderr.is_empty(), "{words:?}");
    }
    assert_eq!(desk.run(&["list", "cas", "--csv"]).code, 2, "--csv and --json exclude each other");
    desk.write("policy.json", "{\"free_shoes\": 1}");
    assert_eq!(desk.run(&["policy", "adopt", "policy.json"]).code, 2);
}

#[test]
fn what_comes_later_is_refused_with_its_rule() {
    let desk = Desk::new();
    desk.no(&["prove", "3"], &["L6"]);
    let pair = desk.buy("ecc");
    desk.yes(&["enable", &pair.root, "--cn", "X"]);
}

/// Every command, and every command below it.
fn commands() -> Vec<Vec<&'static str>> {
    let plain = "init buy enable assign extend configure policy profile issue download revoke unhold renew crl preview reset \
                 revoke-ca renew-ca cross-sign disable reenable refund remove list show log verify backup export import passphrase keys completions";
    let mut commands: Vec<Vec<&str>> = plain.split_whitespace().map(|word| vec![word]).collect();
    for (above, below) in [
        ("buy", "root intermediate quota"),
        ("policy", "show adopt"),
        ("profile", "list add"),
        ("issue", "server client profile bulk"),
        ("keys", "sweep"),
    ] {
        commands.extend(below.split_whitespace().map(|below| vec![above, below]));
    }
    commands
}

#[test]
fn every_command_and_option_has_a_help_that_says_something() {
    for command in commands() {
        let output = pca().args(&command).arg("--help").output().unwrap();
        assert!(output.status.success(), "{command:?}");
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.lines().next().is_some_and(|line| line.len() > 10), "{command:?}: {help}");
        // An option whose line ends with its own name has no words of its own.
        let lines: Vec<&str> = help.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let option = line.trim_start();
            if option.starts_with("--") && option.split_whitespace().count() <= 2 {
                let next = lines.get(number + 1).unwrap_or(&"");
                assert!(
                    next.starts_with("          ") && !next.trim().is_empty(),
                    "{command:?}: {line} has no help:\n{help}"
                );
            }
        }
        if command.len() == 2 || !["buy", "policy", "profile", "issue", "keys"].contains(&command[0]) {
            let needs_none = ["show", "sweep", "list"].contains(command.last().unwrap());
            assert!(needs_none || help.contains("xample"), "{command:?} shows no example:\n{help}");
        }
    }
    let help = String::from_utf8(pca().arg("--help").output().unwrap().stdout).unwrap();
    for command in commands().iter().filter(|command| command.len() == 1) {
        assert!(
            help.contains(&format!("  {} ", command[0])) || help.contains(&format!("  {}\n", command[0])),
            "{command:?}"
        );
    }
    assert!(pca().arg("--version").output().unwrap().status.success());
}

#[test]
fn global_options_stand_before_or_after_the_command() {
    let desk = Desk::new();
    let there = desk.path("elsewhere");
    let there = there.to_str().unwrap();
    desk.yes(&["--dir", there, "init"]);
    desk.yes(&["buy", "--dir", there, "root", "--family", "ecc", "--actor", "ada", "--because", "new year"]);
    assert_eq!(desk.yes(&["list", "cas", "--dir", there]).as_array().unwrap().len(), 2);
    assert_eq!(desk.yes(&["list", "cas"]).as_array().unwrap().len(), 0);
    let log = desk.run(&["--dir", there, "log"]).stdout;
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&last["claimed_actor"], &last["reason"]), (&"ada".into(), &"new year".into()));
    let me = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    assert_eq!(last["actor"], me.trim(), "the operating system's user always");
    let spoofed = desk.run_with(&["--dir", there, "buy", "root", "--family", "ecc"], |command| {
        command.env("USER", "mallory").env("LOGNAME", "mallory");
    });
    assert_eq!(spoofed.code, 0);
    assert!(!desk.run(&["--dir", there, "log"]).stdout.contains("mallory"));
}

#[test]
fn completions_are_scripts() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let desk = Desk::empty();
        let run = desk.plain(&["completions", shell]);
        assert_eq!(run.code, 0);
        assert!(run.stdout.contains("revoke-ca") && run.stdout.contains("passphrase-file"), "{shell}");
        assert!(!run.stdout.contains("prove"), "{shell} offers what cannot be had yet");
        // The scripts of the other two complete no values.
        let values = ["ecdsa-p521", "superseded", "pkcs12", "data-encryption", "quota"];
        for word in values.iter().filter(|_| ["bash", "zsh", "fish"].contains(&shell)) {
            assert!(run.stdout.contains(word), "{shell} does not offer {word}");
        }
    }
}

#[test]
fn examples_can_be_copied_from_a_narrow_terminal() {
    for command in commands() {
        let help = |columns: &str| {
            let output = pca().args(&command).arg("--help").env("COLUMNS", columns).output().unwrap();
            let help = String::from_utf8(output.stdout).unwrap();
            help.lines().filter(|line| line.starts_with("  pca ")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(help("80"), help("110"), "{command:?}: a line is wrapped in its middle");
    }
}

#[test]
fn people_get_tables_a_tree_and_no_colours_in_a_pipe() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 5);
    desk.server(&pair, "oa.example.com");
    let tree = desk.plain(&["list", "cas"]).stdout;
    assert!(tree.contains("└─ ") && tree.contains("quota ") && tree.contains("4 of 5 left"), "{tree}");
    for kind in ["cas", "certificates", "orders", "quota"] {
        let run = desk.plain(&["list", kind]);
        assert!(run.code == 0 && !run.stdout.contains('\u{1b}') && run.stdout.lines().count() > 1, "{run:?}");
        let csv = desk.plain(&["list", kind, "--csv"]).stdout;
        let columns = csv.lines().next().unwrap().split(',').count();
        assert!(columns > 5 && csv.lines().count() > 1, "{csv}");
    }
    let refused = desk.plain(&["assign", &pair.intermediate, "0"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("Q1"), "{refused:?}");
}
