//! x509-limbo: the cases of C2SP/x509-limbo that stand in the file `PCA_LIMBO` names, each judged by the chain checker.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use pca_core::log::Timestamp;
use pca_core::x509::path::{ChainMaterial, ChainOptions, ChainProfile, Purpose, check_chain};
use serde_json::Value;
use x509_parser::pem::Pem;

/// Cases that end otherwise than the suite expects, with the reason. One that begins to agree must leave this list.
const DEVIATIONS: [(&str, &str); 0] = [];

fn blocks(pem: &str) -> Vec<Vec<u8>> {
    Pem::iter_from_buffer(pem.as_bytes()).map(|block| block.unwrap().contents).collect()
}

fn list(case: &Value, field: &str) -> Vec<Vec<u8>> {
    case[field].as_array().into_iter().flatten().flat_map(|pem| blocks(pem.as_str().unwrap())).collect()
}

fn refs(all: &[Vec<u8>]) -> Vec<&[u8]> {
    all.iter().map(Vec::as_slice).collect()
}

/// What the checker says: nothing for valid.
fn reasons(case: &Value) -> Vec<String> {
    let id = case["id"].as_str().unwrap();
    let at = match case["validation_time"].as_str() {
        Some(text) => chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc(),
        None => chrono::Utc::now(),
    };
    let mut options = ChainOptions::at(Timestamp::from(at));
    options.purpose = if case["validation_kind"] == "CLIENT" { Purpose::Client } else { Purpose::Server };
    options.max_depth = case["max_chain_depth"].as_u64().map(|depth| usize::try_from(depth).unwrap());
    if id.starts_with("webpki::") {
        options.profile = ChainProfile::WebPki;
    }
    let names = case["expected_peer_names"].as_array().into_iter().flatten().chain([&case["expected_peer_name"]]);
    options.names = names.filter_map(|name| name["value"].as_str()).map(str::to_owned).collect();
    let anchors = list(case, "trusted_certs");
    let intermediates = list(case, "untrusted_intermediates");
    let crls = list(case, "crls");
    let target = blocks(case["peer_certificate"].as_str().unwrap()).remove(0);
    let material = ChainMaterial {
        target: &target,
        anchors: &refs(&anchors),
        intermediates: &refs(&intermediates),
        crls: &refs(&crls),
    };
    match check_chain(&material, &options) {
        Ok(_) => Vec::new(),
        Err(reasons) => {
            assert!(!reasons.is_empty(), "{id}: a refusal has a reason");
            reasons.iter().map(|reason| format!("{}: {}", reason.clause(), reason.message())).collect()
        }
    }
}

#[test]
fn i6_x509_limbo_is_judged_as_its_authors_do() {
    let Some(path) = std::env::var_os("PCA_LIMBO") else {
        println!("SKIPPED: PCA_LIMBO names no file of x509-limbo cases");
        return;
    };
    // The path may be relative to the project's root.
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let suite: Value = serde_json::from_slice(&std::fs::read(root.join(path)).unwrap()).unwrap();
    let cases = suite["testcases"].as_array().unwrap();
    let mut wrong = Vec::new();
    let mut agree = 0;
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let reasons = reasons(case);
        let as_expected = reasons.is_empty() == (case["expected_result"] == "SUCCESS");
        let listed = DEVIATIONS.iter().any(|(known, _)| *known == id);
        agree += usize::from(as_expected);
        match (as_expected, listed) {
            (false, false) => wrong.push(format!("{id}: expected {}; {reasons:#?}", case["expected_result"])),
            (true, true) => wrong.push(format!("{id}: agrees, and is listed as a deviation")),
            _ => {}
        }
    }
    println!("x509-limbo: {agree} of {} agree", cases.len());
    assert!(!cases.is_empty() && wrong.is_empty(), "{}", wrong.join("\n"));
}
