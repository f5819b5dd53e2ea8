//! Many certificates: bulk, many processes, and processes that are killed.

use std::io::BufRead as _;
use std::process::Stdio;

use serde_json::Value;

use crate::kit::{Desk, text};

fn lines_of(desk: &Desk, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(desk.path(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_request_of_a_bulk_stands_for_itself() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 4);
    let long = format!("{{\"kind\":\"server\",\"dns\":[\"{}\"]}}", "x".repeat(70_000));
    desk.write(
        "requests.jsonl",
        format!(
            "{}\n{}\n\n{}\n{long}\n{}\n{}\n{}\n{}\n",
            r#"{"kind":"server","dns":["a.example.com"],"ip":["10.0.0.1"],"days":30}"#,
            r#"{"kind":"server","dns":["a_b"],"algorithm":"rsa-1024"}"#,
            "nonsense",
            r#"{"kind":"client","cn":"Ada Lovelace","email":["ada@example.com"],"algorithm":"ecdsa-p384"}"#,
            r#"{"kind":"server","dns":["b.example.com"],"days":0}"#,
            r#"{"kind":"server","dns":["b.example.com"],"holder":"B","labels":{"k":"v"}}"#,
            r#"{"kind":"server","dns":["c.example.com"]}"#,
        ) + r#"{"kind":"server","dns":["d.example.com"]}"#,
    );
    let run =
        desk.yes(&["issue", "bulk", &pair.intermediate, "requests.jsonl", "--out", "out.jsonl", "--key", "monday"]);
    assert_eq!((&run["issued"], &run["refused"]), (&4.into(), &5.into()));
    let told = lines_of(&desk, "out.jsonl");
    let numbers: Vec<u64> = told.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 4, 5, 6, 7, 8, 9, 10], "in order, an empty line aside");
    let rules = |line: &Value| -> Vec<String> {
        let broken = line["refused"].as_array().map(Vec::as_slice).unwrap_or_default();
        broken.iter().map(|broken| text(&broken["rule"])).collect()
    };
    assert_eq!(
        told.iter().map(rules).collect::<Vec<_>>(),
        [&[][..], &["O3", "I4"], &["I8"], &["G4"], &[], &["C5"], &[], &[], &["Q2"]]
    );
    for line in told.iter().filter(|line| line["refused"].is_null()) {
        assert_eq!(desk.yes(&["show", &text(&line["certificate"])])["serial"], line["serial"]);
    }
    // Again under the same key: nothing is issued twice, and the answers are the same.
    let again =
        desk.yes(&["issue", "bulk", &pair.intermediate, "requests.jsonl", "--out", "again.jsonl", "--key", "monday"]);
    assert_eq!(again["issued"], 4);
    assert_eq!(desk.yes(&["list", "certificates"]).as_array().unwrap().len(), 4);
    let certificates =
        |name: &str| lines_of(&desk, name).iter().map(|line| line["certificate"].clone()).collect::<Vec<_>>();
    assert_eq!(certificates("out.jsonl"), certificates("again.jsonl"));
    desk.write("none.jsonl", "nonsense\n");
    assert_eq!(desk.run(&["issue", "bulk", &pair.intermediate, "none.jsonl"]).code, 1);
    assert_eq!(desk.run(&["issue", "bulk", "garbage", "requests.jsonl"]).rules(), ["I1"]);
    assert_eq!(desk.run(&["issue", "bulk", &pair.intermediate, "absent.jsonl"]).error(), "file");
    assert_eq!(desk.run(&["issue", "bulk", &pair.intermediate, "requests.jsonl", "--out", "no/where"]).error(), "file");
    desk.yes(&["verify"]);
}

#[test]
fn all_or_nothing() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 3);
    let request = |name: &str| format!("{{\"kind\":\"server\",\"dns\":[\"{name}\"]}}\n");
    desk.write("four.jsonl", ["a", "b", "c", "d"].map(|name| request(&format!("{name}.example.com"))).concat());
    desk.no(&["issue", "bulk", &pair.intermediate, "four.jsonl", "--atomic"], &["Q2"]);
    desk.write("bad.jsonl", format!("{}{}nonsense\n", request("a.example.com"), request("a_b")));
    let run =
        desk.no(&["issue", "bulk", &pair.intermediate, "bad.jsonl", "--atomic", "--out", "out.jsonl"], &["I4", "I8"]);
    assert!(run.stdout.contains("line 3"), "{run:?}");
    desk.write("three.jsonl", ["a", "b", "c"].map(|name| request(&format!("{name}.example.com"))).concat());
    let issued = desk.yes(&["issue", "bulk", &pair.intermediate, "three.jsonl", "--atomic", "--out", "out.jsonl"]);
    assert_eq!((&issued["issued"], &issued["refused"]), (&3.into(), &0.into()));
    assert_eq!(lines_of(&desk, "out.jsonl").len(), 3);
}

#[test]
fn processes_side_by_side_spend_no_unit_twice() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 5);
    let children: Vec<_> = (0..8)
        .map(|number| {
            let name = format!("h{number}.example.com");
            let mut command = desk.command(&["issue", "server", &pair.intermediate, "--dns", &name]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut codes: Vec<i32> =
        children.into_iter().map(|child| child.wait_with_output().unwrap().status.code().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 0, 0, 0, 0, 1, 1, 1]);
    assert_eq!(desk.yes(&["show", &pair.intermediate])["quota"]["remaining"], 0);
    desk.yes(&["verify"]);
}

#[test]
fn who_waits_is_told_for_whom() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 1);
    // A bulk whose lines are still to come holds the directory.
    let mut holder = desk.command(&["issue", "bulk", &pair.intermediate, "-", "--out", "out.jsonl"]);
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    while !desk.path("out.jsonl").exists() {
        std::thread::yield_now();
    }
    let mut waiting = desk.command(&["assign", &pair.intermediate, "1"]);
    let mut waiting = waiting.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    std::io::BufReader::new(waiting.stderr.take().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains("waiting") && told.contains(&holder.id().to_string()), "{told}");
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success() && waiting.wait().unwrap().success());
}

#[test]
fn what_a_killed_process_reported_exists() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 0);
    desk.yes(&["buy", "quota", "--root", &pair.root, "--count", "100000"]);
    desk.yes(&["assign", &pair.intermediate, "100000"]);
    let requests: String =
        (0..5_000).map(|number| format!("{{\"kind\":\"server\",\"dns\":[\"h{number}.example.com\"]}}\n")).collect();
    desk.write("many.jsonl", requests);
    let mut reported = Vec::new();
    for round in 1..=3 {
        let out = format!("out-{round}.jsonl");
        let mut child = desk
            .command(&["issue", "bulk", &pair.intermediate, "many.jsonl", "--out", &out])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed in the middle: as soon as a few certificates were reported.
        loop {
            let length = std::fs::metadata(desk.path(&out)).map(|metadata| metadata.len()).unwrap_or_default();
            if length > 2_000 * round || child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let file = std::fs::File::open(desk.path(&out)).unwrap();
        let lines: Vec<String> = std::io::BufReader::new(file).lines().map(Result::unwrap).collect();
        reported.extend(lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()));
    }
    assert!(!reported.is_empty());
    // The next command heals what was torn; questions may ask before.
    assert_eq!(desk.yes(&["verify"])["ok"], true);
    desk.yes(&["keys", "sweep"]);
    let listed = desk.yes(&["list", "certificates"]);
    let there: std::collections::HashSet<String> =
        listed.as_array().unwrap().iter().map(|entry| text(&entry["certificate"])).collect();
    for line in &reported {
        assert!(there.contains(&text(&line["certificate"])), "{line}");
    }
    let quota = desk.yes(&["show", &pair.intermediate])["quota"].clone();
    assert_eq!(quota["consumed"].as_u64().unwrap(), there.len() as u64);
    let verified = desk.yes(&["verify"]);
    assert_eq!((&verified["ok"], &verified["orphaned_keys"]), (&true.into(), &Value::Array(Vec::new())));
}

#[test]
fn a_line_that_cannot_be_read_breaks_its_own_rule_alone() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 0);
    desk.write(
        "bad.jsonl",
        "nonsense\n\n{\"kind\":\"pony\",\"cn\":\"x\"}\n{\"dns\":[\"a.example.com\"]}\n{\"kind\":\"server\",\"dns\":[\"a_b\"]}\n",
    );
    desk.run(&["issue", "bulk", &pair.intermediate, "bad.jsonl", "--out", "out.jsonl"]);
    let told: Vec<(u64, Vec<String>)> = lines_of(&desk, "out.jsonl")
        .iter()
        .map(|line| {
            let rules = line["refused"].as_array().unwrap().iter().map(|broken| text(&broken["rule"])).collect();
            (line["line"].as_u64().unwrap(), rules)
        })
        .collect();
    let of = |line: u64, rules: &[&str]| (line, rules.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(told, [of(1, &["I8"]), of(3, &["I2", "Q2"]), of(4, &["I8"]), of(5, &["I4", "Q2"])]);
    let out = std::fs::read_to_string(desk.path("out.jsonl")).unwrap();
    assert!(out.contains("`pony`") && out.contains("`kind`"), "{out}");
    // All or nothing tells the same, by line.
    let run = desk.no(&["issue", "bulk", &pair.intermediate, "bad.jsonl", "--atomic"], &["I2", "I4", "I8", "Q2"]);
    let messages: Vec<String> =
        run.json()["refused"].as_array().unwrap().iter().map(|broken| text(&broken["message"])).collect();
    let places: Vec<&str> = messages.iter().map(|message| message.split(':').next().unwrap()).collect();
    assert_eq!(places, ["line 1", "line 3", "line 3", "line 4", "line 5", "line 5"]);
    // A line behind empty ones keeps its number where only the rules speak.
    desk.write("gap.jsonl", "\n\n{\"kind\":\"server\",\"dns\":[\"a_b\"]}\n");
    let run = desk.no(&["issue", "bulk", &pair.intermediate, "gap.jsonl", "--atomic"], &["I4", "Q2"]);
    assert!(run.stdout.contains("line 3: ") && !run.stdout.contains("request 1"), "{run:?}");
    for unknown in ["garbage", "ca_aaaaaaaaaaaaaaaa"] {
        for more in [&[][..], &["--atomic"], &["--dry-run"]] {
            desk.no(&[&["issue", "bulk", unknown, "bad.jsonl"][..], more].concat(), &["I1"]);
        }
    }
}

#[test]
fn a_dry_run_counts_the_units() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 1);
    let request = |name: &str| format!("{{\"kind\":\"server\",\"dns\":[\"{name}\"]}}\n");
    desk.write("three.jsonl", ["a_b", "a.example.com", "b.example.com"].map(request).concat());
    let told = desk.yes(&["issue", "bulk", &pair.intermediate, "three.jsonl", "--dry-run"]);
    assert_eq!((&told["issued"], &told["refused"]), (&1.into(), &2.into()));
    assert_eq!((&told["lines"][1]["line"], &told["lines"][1]["refused"][0]["rule"]), (&3.into(), &"Q2".into()));
}

#[test]
fn a_dry_run_and_the_run_itself_tell_the_same_of_every_line() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 2);
    let lines = [
        r#"{"kind":"server","dns":["a_b"],"algorithm":"wood"}"#,
        r#"{"kind":"server","dns":["a.example.com"],"days":1.5}"#,
        r#"{"kind":"server","dns":["a.example.com"]}"#,
        r#"{"kind":"server","dns":["a_b"],"days":-1}"#,
        r#"{"kind":"server","dns":["b.example.com"]}"#,
        // Behind this one there are no units left, whether a word or a rule stands against a line.
        r#"{"kind":"server","dns":["a_b"],"algorithm":"wood"}"#,
        r#"{"kind":"server","dns":["a_b"]}"#,
        r#"{"kind":"server","dns":["c.example.com"]}"#,
        "nonsense",
    ];
    desk.write("mixed.jsonl", lines.join("\n"));
    let rules = |line: &Value| -> (u64, Vec<String>) {
        let broken = line["refused"].as_array().unwrap().iter();
        let mut rules: Vec<String> = broken.map(|broken| text(&broken["rule"])).collect();
        rules.sort();
        (line["line"].as_u64().unwrap(), rules)
    };
    let bulk = ["issue", "bulk", &pair.intermediate, "mixed.jsonl"];
    let dry = desk.yes(&[&bulk[..], &["--dry-run"]].concat());
    let foreseen: Vec<_> = dry["lines"].as_array().unwrap().iter().map(rules).collect();
    let of = |line: u64, rules: &[&str]| (line, rules.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(
        foreseen,
        [
            of(1, &["I4", "O3"]),
            of(2, &["C5"]),
            of(4, &["C5", "I4"]),
            of(6, &["I4", "O3", "Q2"]),
            of(7, &["I4", "Q2"]),
            of(8, &["Q2"]),
            of(9, &["I8"])
        ]
    );
    let plain = desk.plain(&[&bulk[..], &["--dry-run"]].concat());
    assert!(
        plain.code == 0 && plain.stdout.contains("line 6: Q2") && plain.stdout.contains("2 certificates"),
        "{plain:?}"
    );
    let run = desk.yes(&[&bulk[..], &["--out", "out.jsonl"]].concat());
    assert_eq!((&run["issued"], &run["refused"]), (&dry["issued"], &dry["refused"]));
    let told: Vec<_> =
        lines_of(&desk, "out.jsonl").iter().filter(|line| !line["refused"].is_null()).map(rules).collect();
    assert_eq!(told, foreseen);
}

#[test]
fn what_no_file_is_named_for_is_told_to_people() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 1);
    desk.write("bad.jsonl", "nonsense\n".repeat(30));
    let bulk = ["issue", "bulk", &pair.intermediate, "bad.jsonl"];
    let run = desk.run(&bulk);
    assert_eq!((run.code, &run.json()["refused"]), (1, &30.into()));
    assert!(run.stderr.contains("line 1: I8") && run.stderr.contains("--out FILE"), "{run:?}");
    assert!(!run.stderr.contains("line 30:"), "not all of a long list: {run:?}");
    assert_eq!(desk.run(&[&bulk[..], &["--dry-run"]].concat()).code, 1, "as the run itself would end");
    // What another line's author wrote is not obeyed by the terminal.
    desk.write("escape.jsonl", "{\"kind\":\"server\",\"dns\":[\"\\u001b[31mred\"]}\n");
    let run = desk.plain(&["issue", "bulk", &pair.intermediate, "escape.jsonl"]);
    assert!(run.stderr.contains("\\u{1b}[31mred") && !run.stderr.contains('\u{1b}'), "{run:?}");
}

#[test]
fn a_line_is_an_object_and_gives_nothing_twice() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 1);
    let array =
        r#"["server",["a.example.com"],[],[],[],null,null,null,null,null,null,null,null,null,false,null,null,{}]"#;
    let twice = r#"{"kind":"server","dns":["a.example.com"],"labels":{"k":"v","k":"w"}}"#;
    desk.write("odd.jsonl", format!("{array}\n{twice}\n"));
    let run = desk.run(&["issue", "bulk", &pair.intermediate, "odd.jsonl", "--out", "out.jsonl"]);
    assert_eq!((run.code, &run.json()["issued"]), (1, &0.into()), "{run:?}");
    let rules: Vec<String> =
        lines_of(&desk, "out.jsonl").iter().map(|line| text(&line["refused"][0]["rule"])).collect();
    assert_eq!(rules, ["I8", "I2"]);
}
