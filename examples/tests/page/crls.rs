//! CRLs through the binary: full ones, deltas, partitions (rules A2, A3).

use serde_json::Value;

use crate::kit::{Desk, Pair, has_openssl, text};

const URL: &str = "http://pki.example/oa.crl";

/// A pair whose CRLs are divided into two partitions, and have deltas.
fn divided(desk: &Desk) -> Pair {
    let pair = desk.pair("ecc", 10);
    desk.yes(&["configure", &pair.intermediate, "--crl-url", URL]);
    let policy = desk.write("policy.json", r#"{"crl_partitions": 2, "delta_crls": true}"#);
    desk.yes(&["policy", "adopt", &policy]);
    pair
}

fn numbers(answer: &Value) -> (u64, u64) {
    (answer["number"].as_u64().unwrap(), answer["entries"].as_u64().unwrap())
}

/// The newest event of a kind.
fn newest(desk: &Desk, kind: &str) -> Value {
    let lines = desk.run(&["log"]).stdout;
    let mut events = lines.lines().rev().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let newest = events.find(|line| line.to_string().contains(&format!("\"{kind}\"")));
    newest.unwrap_or_else(|| panic!("no {kind} in {lines}"))
}

#[test]
fn a_delta_needs_a_base_and_tells_what_has_changed() {
    let desk = Desk::new();
    let pair = divided(&desk);
    let ca = pair.intermediate.as_str();
    let (one, two) = (desk.server(&pair, "a.example.com"), desk.server(&pair, "b.example.com"));
    desk.no(&["crl", ca, "--out", "x.crl", "--delta"], &["A3"]);
    assert!(!desk.path("x.crl").exists());
    desk.yes(&["revoke", &one, "--reason", "certificateHold"]);
    let full = desk.yes(&["crl", ca, "--out", "oa.crl"]);
    assert_eq!((numbers(&full).1, &full["base"], &full["partition"]), (1, &Value::Null, &Value::Null));
    assert_eq!(full["further"], Value::Array(Vec::new()), "one key is alive");
    desk.yes(&["unhold", &one]);
    desk.yes(&["revoke", &two, "--reason", "keyCompromise"]);
    let dry = desk.yes(&["crl", ca, "--out", "oa.delta.crl", "--delta", "--dry-run"]);
    assert!(dry.to_string().contains("CrlPublished"), "{dry}");
    assert!(!desk.path("oa.delta.crl").exists());
    let delta = desk.yes(&["crl", ca, "--out", "oa.delta.crl", "--delta", "--key", "k"]);
    assert_eq!((numbers(&delta).1, &delta["base"]), (2, &full["number"]));
    assert!(numbers(&delta).0 > numbers(&full).0);
    let again = desk.yes(&["crl", ca, "--out", "oa.delta.crl", "--delta", "--key", "k"]);
    assert_eq!(again["number"], delta["number"], "a repeat answers with the same list");
    desk.no(&["crl", ca, "--out", "oa.delta.crl", "--key", "k"], &["O6"]);
    assert!(text(&delta["next_update"]) < text(&full["next_update"]));
    if has_openssl() {
        let told = desk.openssl(&["crl", "-inform", "DER", "-in", "oa.delta.crl", "-noout", "-text"]);
        for word in ["Delta CRL Indicator: critical", "Remove From CRL", "Key Compromise"] {
            assert!(told.contains(word), "{word}: {told}");
        }
        let told = desk.openssl(&["crl", "-inform", "DER", "-in", "oa.crl", "-noout", "-text"]);
        assert!(told.contains("Freshest CRL") && told.contains("http://pki.example/oa.delta.crl"), "{told}");
    }
    desk.yes(&["verify"]);
}

#[test]
fn a_certificate_names_its_partition_and_is_listed_there() {
    let desk = Desk::new();
    let pair = divided(&desk);
    let ca = pair.intermediate.as_str();
    let id = desk.server(&pair, "a.example.com");
    let issued = newest(&desk, "CertificateIssued").to_string();
    let index = usize::from(issued.contains("\"partition\":1"));
    assert!(issued.contains(&format!("\"partition\":{index}")), "decided at issue, and in the event: {issued}");
    let address = format!("http://pki.example/oa.{index}.crl");
    if has_openssl() {
        let out = desk.download(&id, "pem", &[]).join(format!("{id}.pem"));
        let told = desk.openssl(&["x509", "-in", out.to_str().unwrap(), "-noout", "-text"]);
        assert!(told.contains(&address), "{told}");
    }
    desk.yes(&["revoke", &id]);
    let listed = |partition: usize| {
        let out = format!("{partition}.crl");
        let answer = desk.yes(&["crl", ca, "--out", &out, "--partition", &partition.to_string()]);
        assert_eq!(answer["partition"], partition);
        numbers(&answer).1
    };
    assert_eq!((listed(index), listed(1 - index)), (1, 0));
    assert_eq!(numbers(&desk.yes(&["crl", ca, "--out", "oa.crl"])).1, 1, "the full list has everything");
    if has_openssl() {
        let told = desk.openssl(&["crl", "-inform", "DER", "-in", &format!("{index}.crl"), "-noout", "-text"]);
        assert!(told.contains("Issuing Distribution Point: critical") && told.contains(&address), "{told}");
    }
    let delta = desk.yes(&["crl", ca, "--out", "d.crl", "--partition", "0", "--delta"]);
    assert_eq!((numbers(&delta).1, &delta["partition"]), (0, &0.into()));
    for partition in ["2", "-1", "70000", "99999999999999999999"] {
        desk.no(&["crl", ca, "--out", "x.crl", "--partition", partition], &["A3"]);
    }
    desk.no(&["crl", &pair.root, "--out", "x.crl", "--partition", "0"], &["A3"]);
    let beyond = desk.write("beyond.json", r#"{"crl_partitions": 1025, "delta_crl_validity_hours": 0}"#);
    desk.no(&["policy", "adopt", &beyond], &["A3"]);

    let seen = text(&desk.yes(&["preview", "reset", ca])["digest"]);
    desk.yes(&["reset", ca, "--confirm", &seen]);
    desk.no(&["crl", ca, "--out", "x.crl", "--partition", "0"], &["A3"]);
    desk.no(&["crl", ca, "--out", "x.crl", "--delta"], &["A3"]);
    assert_eq!(desk.yes(&["crl", ca, "--out", "last.crl"])["last"], true);
    desk.yes(&["verify"]);
}
