//! `check-chain`: what the platform issues, files of every kind, exit codes, and a slice of x509-limbo.

use std::path::Path;

use serde_json::Value;

use super::kit::{Desk, Run, text};

/// A root, an intermediate and a server's certificate in files.
struct Shelf {
    desk: Desk,
    intermediate: String,
    certificate: String,
    /// The server's certificate, then its issuer's.
    leaf: String,
    root: String,
}

fn shelf() -> Shelf {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 3);
    let certificate = desk.server(&pair, "oa.example.com");
    let pem = |id: &str| {
        let path = desk.download(id, "pem", &[]).join(format!("{id}.pem"));
        path.to_str().unwrap().to_owned()
    };
    let (leaf, root) = (pem(&certificate), pem(&pair.root));
    Shelf { intermediate: pair.intermediate, certificate, leaf, root, desk }
}

impl Shelf {
    fn check(&self, more: &[&str]) -> Run {
        self.desk.run(&[&["check-chain", "--leaf", &self.leaf, "--trust", &self.root], more].concat())
    }
}

/// The clauses of a chain that is not valid.
#[track_caller]
fn clauses(run: &Run) -> Vec<String> {
    assert_eq!(run.code, 1, "{run:?}");
    let json = run.json();
    assert_eq!(json["valid"], false);
    let reasons = json["reasons"].as_array().unwrap();
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| !text(&reason["message"]).is_empty()), "{run:?}");
    reasons.iter().map(|reason| text(&reason["clause"])).collect()
}

#[test]
fn i6_what_is_issued_is_a_valid_chain() {
    let shelf = shelf();
    for profile in ["rfc5280", "webpki"] {
        let run = shelf.check(&["--name", "oa.example.com", "--purpose", "server", "--profile", profile]);
        assert_eq!(run.code, 0, "{run:?}");
        let json = run.json();
        assert_eq!(json["valid"], true);
        let path = json["path"].as_array().unwrap();
        assert_eq!(path.len(), 3, "{json}");
        assert_eq!(path[0]["issuer"], path[1]["subject"]);
        assert_eq!(path[2]["issuer"], path[2]["subject"]);
    }
    assert_eq!(clauses(&shelf.check(&["--name", "hr.example.com"])), ["RFC 6125 6"]);
    assert_eq!(clauses(&shelf.check(&["--purpose", "email"])), ["RFC 5280 4.2.1.12"]);
    assert_eq!(clauses(&shelf.check(&["--max-depth", "0"])), ["RFC 5280 6.1"]);
    let late = clauses(&shelf.check(&["--at", "2999-01-01T00:00:00.5Z"]));
    assert_eq!(late, ["RFC 5280 4.1.2.5"; 3], "each of the three has expired");
    let plain = shelf.desk.plain(&["check-chain", "--leaf", &shelf.leaf, "--trust", &shelf.root]);
    assert!(plain.code == 0 && plain.stdout.starts_with("valid:\n"), "{plain:?}");
}

#[test]
fn a3_what_is_revoked_is_seen_in_its_list() {
    let shelf = shelf();
    let list = shelf.desk.path("list.crl").to_str().unwrap().to_owned();
    let publish = || shelf.desk.yes(&["crl", &shelf.intermediate, "--out", &list]);
    publish();
    assert_eq!(shelf.check(&["--crl", &list]).code, 0);
    // The intermediate's own status stands in the root's list.
    assert_eq!(clauses(&shelf.check(&["--crl", &list, "--require-crl"])), ["RFC 5280 6.3.3"]);
    shelf.desk.yes(&["revoke", &shelf.certificate, "--reason", "keyCompromise"]);
    publish();
    let run = shelf.check(&["--crl", &list]);
    assert_eq!(clauses(&run), ["RFC 5280 6.3.3"]);
    assert!(run.stdout.contains("it is revoked (keyCompromise)"), "{run:?}");
}

#[test]
fn i6_files_may_be_pem_or_der_and_hold_many() {
    let shelf = shelf();
    let der = shelf.desk.download(&shelf.certificate, "der", &[]);
    let leaf = der.join(format!("{}.der", shelf.certificate)).to_str().unwrap().to_owned();
    let issuer = der.join("issuers").join("1.der");
    let issuer = issuer.to_str().unwrap();
    let alone = shelf.desk.run(&["check-chain", "--leaf", &leaf, "--trust", &shelf.root]);
    assert_eq!(clauses(&alone)[0], "RFC 5280 6.1");
    let with = ["check-chain", "--leaf", &leaf, "--trust", &shelf.root, "--intermediates", issuer];
    assert_eq!(shelf.desk.run(&with).code, 0);
    // Two files after one option, one of them with two certificates; text between is skipped.
    let both = [std::fs::read_to_string(&shelf.root).unwrap(), std::fs::read_to_string(&shelf.leaf).unwrap()];
    let many = shelf.desk.write("many.pem", both.join("\nsome text\n"));
    let run =
        shelf.desk.run(&["check-chain", "--leaf", &leaf, "--intermediates", issuer, &many, "--trust", &shelf.root]);
    assert_eq!(run.code, 0, "{run:?}");
    // An intermediate may be what is trusted.
    let run = shelf.desk.run(&["check-chain", "--leaf", &leaf, "--trust", issuer]);
    assert_eq!(run.json()["path"].as_array().unwrap().len(), 2);
}

#[test]
fn i6_what_cannot_be_decoded_is_a_reason() {
    let shelf = shelf();
    let garbage = shelf.desk.write("garbage", b"no certificate at all");
    let broken = shelf.desk.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let empty = shelf.desk.write("empty", b"");
    let number = shelf.desk.write("number.der", [0x30, 3, 2, 1, 5]);
    for file in [&garbage, &broken, &empty, &number] {
        for args in [["--leaf", file, "--trust", &shelf.root], ["--leaf", &shelf.leaf, "--trust", file]] {
            clauses(&shelf.desk.run(&[&["check-chain"][..], &args].concat()));
        }
        clauses(&shelf.check(&["--crl", file]));
        clauses(&shelf.check(&["--intermediates", file]));
    }
    for name in ["", "a b", "*.example.com", "x@", "-x", "😜.example.com"] {
        clauses(&shelf.check(&["--name", name]));
    }
    let plain = shelf.desk.plain(&["check-chain", "--leaf", &garbage, "--trust", &shelf.root]);
    assert!(plain.code == 1 && plain.stdout.starts_with("not valid:\n"), "{plain:?}");
}

#[test]
fn what_cannot_be_read_and_what_is_not_understood() {
    let shelf = shelf();
    for missing in [
        &["--leaf", "absent", "--trust", &shelf.root][..],
        &["--leaf", &shelf.leaf, "--trust", "absent"],
        &["--leaf", &shelf.leaf, "--trust", &shelf.root, "--crl", "absent"],
        &["--leaf", &shelf.leaf, "--trust", &shelf.root, "--intermediates", "."],
    ] {
        let run = shelf.desk.run(&[&["check-chain"], missing].concat());
        assert_eq!((run.code, run.error().as_str()), (3, "file"), "{missing:?}");
    }
    for words in [
        &["--leaf", &shelf.leaf][..],
        &["--trust", &shelf.root],
        &["--leaf", &shelf.leaf, "--trust"],
        &["--leaf", &shelf.leaf, "--trust", &shelf.root, "--at", "yesterday"],
        &["--leaf", &shelf.leaf, "--trust", &shelf.root, "--purpose", "tea"],
        &["--leaf", &shelf.leaf, "--trust", &shelf.root, "--profile", "best"],
        &["--leaf", &shelf.leaf, "--trust", &shelf.root, "--max-depth", "-1"],
        &["--leaf", &shelf.leaf, "--trust", &shelf.root, "--unknown"],
    ] {
        let run = shelf.desk.run(&[&["check-chain"], words].concat());
        assert_eq!((run.code, run.error().as_str()), (2, "usage"), "{words:?}");
    }
    // No store is needed.
    let empty = Desk::empty();
    assert_eq!(empty.run(&["check-chain", "--leaf", &shelf.leaf, "--trust", &shelf.root]).code, 0);
}

/// Every fifth case; all of them go through the library in `pca-core/tests/x509_limbo.rs`.
#[test]
fn i6_a_slice_of_x509_limbo() {
    let Some(path) = std::env::var_os("PCA_LIMBO") else {
        eprintln!("SKIPPED: PCA_LIMBO names no file of x509-limbo cases");
        return;
    };
    // The path may be relative to the project's root.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let suite: Value = serde_json::from_slice(&std::fs::read(root.join(path)).unwrap()).unwrap();
    let desk = Desk::empty();
    let cases: Vec<&Value> = suite["testcases"].as_array().unwrap().iter().step_by(5).collect();
    assert!(!cases.is_empty());
    for case in cases {
        let id = text(&case["id"]);
        let all = |field: &str| {
            let pem: Vec<&str> = case[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            (!pem.is_empty()).then(|| desk.write(field, pem.join("\n")))
        };
        let mut args = vec!["check-chain".to_owned()];
        let mut add =
            |option: &str, value: Option<String>| args.extend(value.into_iter().flat_map(|v| [option.into(), v]));
        add("--leaf", Some(desk.write("leaf", text(&case["peer_certificate"]))));
        add("--trust", all("trusted_certs"));
        add("--intermediates", all("untrusted_intermediates"));
        add("--crl", all("crls"));
        add("--at", case["validation_time"].as_str().map(str::to_owned));
        add("--max-depth", case["max_chain_depth"].as_u64().map(|depth| depth.to_string()));
        let kind = if case["validation_kind"] == "CLIENT" { "client" } else { "server" };
        add("--purpose", Some(kind.into()));
        add("--profile", id.starts_with("webpki::").then(|| "webpki".into()));
        let names = case["expected_peer_names"].as_array().into_iter().flatten().chain([&case["expected_peer_name"]]);
        for name in names.filter_map(|name| name["value"].as_str()) {
            add("--name", Some(name.into()));
        }
        let run = desk.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let expected = i32::from(case["expected_result"] != "SUCCESS");
        assert_eq!(run.code, expected, "{id}: {run:?}");
        assert_eq!(run.json()["valid"], expected == 0, "{id}");
    }
}
