//! Questions: what they leave out, what they say of ids that are none, and what they write.

use crate::kit::{Desk, text};

#[test]
fn ids_that_are_none_are_told_as_they_were_given() {
    let desk = Desk::new();
    let run = desk.run(&["refund", "nope", "--eligible"]);
    assert_eq!((run.code, text(&run.json()["order"]).as_str()), (1, "nope"), "{run:?}");
    desk.no(&["show", "nope"], &["C1"]);
    desk.no(&["show", "crt_nope"], &["I2"]);
    let run = desk.run(&["list", "quota", "--status", "enabled"]);
    assert!(run.code == 2 && run.stdout.contains("quota has no status"), "{run:?}");
    for words in [&["list", "cas", "--as-of", "-1"][..], &["log", "--after", "-1"]] {
        let run = desk.run(words);
        assert!(run.code == 2 && run.stdout.contains("`-1` is n") && !run.stdout.contains("unexpected"), "{run:?}");
    }
}

#[test]
fn a_removed_ca_is_listed_only_when_asked_for() {
    let desk = Desk::new();
    let pair = desk.buy("ecc");
    desk.yes(&["refund", &pair.order]);
    desk.yes(&["refund", &pair.order, "--returned"]);
    desk.yes(&["remove", &pair.intermediate]);
    let ids = |args: &[&str]| -> Vec<String> {
        desk.yes(args).as_array().unwrap().iter().map(|entry| text(&entry["ca"])).collect()
    };
    assert_eq!(ids(&["list", "cas"]), [pair.root.as_str()]);
    desk.yes(&["remove", &pair.root]);
    assert!(ids(&["list", "cas"]).is_empty());
    assert_eq!(ids(&["list", "cas", "--status", "removed"]), [pair.root.as_str(), &pair.intermediate]);
}

#[test]
fn a_lifted_hold_answers_what_the_certificate_is_then() {
    let mut desk = Desk::rehearsal("2030-01-01T00:00:00Z");
    let pair = desk.pair("ecc", 2);
    let (one, other) = (desk.server(&pair, "a.example.com"), desk.server(&pair, "b.example.com"));
    desk.yes(&["revoke", &one, "--reason", "certificateHold"]);
    desk.yes(&["revoke", &other, "--reason", "certificateHold"]);
    assert_eq!(desk.yes(&["unhold", &one])["status"], "valid");
    desk.now = Some("2030-06-01T00:00:00Z".into());
    assert_eq!(desk.yes(&["unhold", &other])["status"], "expired");
}

#[test]
fn what_was_issued_is_not_overwritten_and_a_crl_is_replaced() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 2);
    desk.write("one.jsonl", "{\"kind\":\"server\",\"dns\":[\"a.example.com\"]}\n");
    desk.write("out.jsonl", "precious");
    for more in [&[][..], &["--atomic"]] {
        let words = ["issue", "bulk", &pair.intermediate, "one.jsonl", "--out", "out.jsonl"];
        let run = desk.run(&[&words, more].concat());
        assert!(run.error() == "file" && run.code == 3 && run.stdout.contains("out.jsonl"), "{run:?}");
    }
    assert_eq!(std::fs::read_to_string(desk.path("out.jsonl")).unwrap(), "precious");
    assert_eq!(desk.yes(&["show", &pair.intermediate])["quota"]["consumed"], 0);
    desk.write("old.crl", vec![0; 5000]);
    std::os::unix::fs::symlink("old.crl", desk.path("linked.crl")).unwrap();
    desk.yes(&["crl", &pair.intermediate, "--out", "linked.crl"]);
    assert!(std::fs::read(desk.path("old.crl")).unwrap().len() < 1000, "replaced, not written over");
    assert!(desk.path("linked.crl").is_symlink());
}

#[test]
fn an_earlier_log_is_verified_without_the_keys_of_now() {
    let desk = Desk::new();
    desk.pair("ecc", 1);
    let earlier = desk.yes(&["verify", "--as-of", "3"]);
    assert_eq!((&earlier["ok"], earlier.get("keys")), (&true.into(), None));
    let run = desk.run(&["verify", "--expect", &"0".repeat(64)]);
    assert_eq!((run.code, &run.json()["ok"]), (1, &false.into()));
}

#[test]
fn a_filter_by_what_a_thing_never_has_matches_nothing() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 2);
    let issued = desk.yes(&["issue", "server", &pair.intermediate, "--dns", "a.example.com"]);
    for words in [
        &["orders", "--name", "root"][..],
        &["orders", "--serial", "1"],
        &["orders", "--expires-within", "9999d"],
        &["quota", "--name", "root"],
        &["quota", "--holder", "x"],
        &["quota", "--expires-within", "9999d"],
        &["cas", "--holder", "x"],
    ] {
        let run = desk.run(&[&["list"], words].concat());
        assert_eq!((run.code, run.json()), (0, serde_json::json!([])), "{words:?}");
        let noted = run.stderr.contains("nothing matches");
        assert_eq!(noted, !words.contains(&"quota") || !words.contains(&"--expires-within"), "{words:?}: {run:?}");
    }
    // Serial numbers as other tools write them.
    let serial = text(&issued["serial"]);
    for written in [serial.to_uppercase(), format!("00{serial}"), format!("00:{serial}")] {
        let found = desk.yes(&["list", "certificates", "--serial", &written]);
        assert_eq!(found[0]["certificate"], issued["certificate"], "{written}");
    }
}

#[test]
fn quota_that_expires_is_found_by_that() {
    let desk = Desk::rehearsal("2030-01-01T00:00:00Z");
    desk.write("policy.json", "{\"free_quota_days\": 30}");
    desk.yes(&["policy", "adopt", "policy.json"]);
    desk.buy("ecc");
    let found = |within: &str| desk.yes(&["list", "quota", "--expires-within", within]);
    assert_eq!(found("29d"), serde_json::json!([]));
    let soon = found("30d");
    assert_eq!((soon.as_array().unwrap().len(), &soon[0]["role"]), (1, &"lot".into()), "{soon}");
}

#[test]
fn what_is_due_is_listed_and_overdue_is_an_answer_of_no() {
    let mut desk = Desk::rehearsal("2030-01-01T00:00:00Z");
    let pair = desk.pair("ecc", 2);
    desk.yes(&["configure", &pair.intermediate, "--crl-url", "http://crl.example.com/oa.crl"]);
    let issued = desk.yes(&["issue", "server", &pair.intermediate, "--dns", "a.example.com", "--days", "20"]);
    let tasks = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|item| text(&item["task"])).collect()
    };
    let due = desk.yes(&["due"]);
    assert_eq!(tasks(&due), ["publish-crl", "renew-certificate"]);
    assert_eq!((&due[0]["ca"], &due[0]["due"]), (&pair.intermediate.clone().into(), &"2030-01-02T00:00:00Z".into()));
    assert_eq!((&due[1]["certificate"], &due[1]["due"]), (&issued["certificate"], &issued["not_after"]));
    assert!(due.as_array().unwrap().iter().all(|item| item["overdue"] == false));
    let before = desk.yes(&["verify"])["events"].to_string();
    desk.yes(&["crl", &pair.intermediate, "--out", "oa.crl"]);
    assert!(tasks(&desk.yes(&["due", "--within", "2d"])).is_empty());
    // As it was asked before the CRL, and as it will be.
    assert_eq!(tasks(&desk.yes(&["due", "--within", "2d", "--as-of", &before])).len(), 1);
    desk.now = Some("2030-01-25T00:00:00Z".into());
    let run = desk.run(&["due"]);
    assert_eq!((run.code, tasks(&run.json())), (1, vec!["publish-crl".into(), "renew-certificate".into()]), "{run:?}");
    assert!(desk.plain(&["due"]).stdout.contains("renew the certificate (a.example.com)"));
    desk.yes(&["crl", &pair.intermediate, "--out", "oa.crl"]);
    desk.yes(&["issue", "server", &pair.intermediate, "--dns", "a.example.com"]);
    assert!(tasks(&desk.yes(&["due", "--within", "1d"])).is_empty(), "a CRL, and a certificate for the same name");
    assert_eq!(desk.run(&["due", "--within", "soon"]).code, 2);
}
