//! The way about: other ways out, and where there is none.

use std::time::{Duration, Instant};

use super::super::{ChainMaterial, ChainOptions, check_chain};
use super::kit::*;
use crate::keys::PrivateKey;
use crate::log::Timestamp;
use crate::x509::oid;

#[test]
fn i6_another_way_is_found() {
    // A CA whose first certificate has expired, or is signed by somebody else: a second one is good.
    for spoil in [|draft: &mut Draft| draft.not_after = NOW - 1, |draft: &mut Draft| draft.spoil = true] {
        let mut world = World::new();
        let good = Draft { serial: vec![7], ..world.ca.clone() };
        spoil(&mut world.ca);
        assert!(world.judge().is_err());
        world.more.push((good, world.root_key.clone()));
        assert!(world.judge().is_ok(), "{:?}", world.judge());
    }
}

#[test]
fn i6_what_is_not_needed_does_not_count() {
    let mut world = World::new();
    let mut unrelated = Draft::intermediate("Unrelated", &key(), "Root", &world.root_key);
    unrelated.extensions.set(oid::BASIC_CONSTRAINTS, false, b"malformed".to_vec());
    unrelated.serial = vec![0];
    world.more.push((unrelated, world.root_key.clone()));
    assert!(world.judge().is_ok(), "{:?}", world.judge());
}

#[test]
fn i6_all_reasons_of_the_best_candidate_are_told() {
    let mut world = World::new();
    world.leaf.not_after = NOW - 1;
    world.ca.extensions.remove(oid::SUBJECT_KEY_IDENTIFIER);
    world.options.names = vec!["b.example.com".into()];
    assert_eq!(world.clauses(), ["RFC 5280 4.1.2.5", "RFC 5280 4.2.1.2", "RFC 6125 6"]);
}

#[test]
fn i6_a_certificate_that_is_its_own_anchor() {
    let key = key();
    let mut root = Draft::root("Root", &key);
    root.extensions.set(oid::SUBJECT_ALTERNATIVE_NAME, false, san(&[(0x82, b"root.example.com")]));
    let root = root.sign(&key);
    let options = ChainOptions::at(Timestamp::from_secs(NOW));
    let chain = check_chain(&ChainMaterial { target: &root, anchors: &[&root], ..ChainMaterial::default() }, &options);
    assert_eq!(chain.unwrap().path.len(), 1);
    let lonely = check_chain(&ChainMaterial { target: &root, ..ChainMaterial::default() }, &options).unwrap_err();
    assert_eq!(lonely[0].clause(), "RFC 5280 6.1");
}

/// Every CA certified by every other one, and perhaps by an anchor.
fn mesh(count: usize, anchor: Option<&PrivateKey>) -> (Vec<Vec<u8>>, PrivateKey) {
    let keys: Vec<PrivateKey> = (0..count).map(|_| key()).collect();
    let name = |index: usize| format!("CA {index}");
    let mut certificates = Vec::new();
    for (subject, key) in keys.iter().enumerate() {
        for (issuer, issuer_key) in keys.iter().enumerate().filter(|(issuer, _)| *issuer != subject) {
            certificates.push(Draft::intermediate(&name(subject), key, &name(issuer), issuer_key).sign(issuer_key));
        }
        if let Some(anchor) = anchor {
            certificates.push(Draft::intermediate(&name(subject), key, "Root", anchor).sign(anchor));
        }
    }
    (certificates, keys[0].clone())
}

fn judge_mesh(count: usize, anchored: bool) -> (Vec<&'static str>, Duration) {
    let root_key = self::key();
    let (certificates, key) = mesh(count, anchored.then_some(&root_key));
    let mut root = Draft::root("Root", &root_key);
    if anchored {
        // Every way leads to the anchor, and every one is too long: nothing is found out before its end.
        root.extensions.set(oid::BASIC_CONSTRAINTS, true, basic(true, Some(0)));
    }
    let root = root.sign(&root_key);
    let leaf = Draft::leaf("a.example.com", &self::key(), "CA 0", &key).sign(&key);
    let certificates: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    let material =
        ChainMaterial { target: &leaf, anchors: &[&root], intermediates: &certificates, ..ChainMaterial::default() };
    let begun = Instant::now();
    let reasons = check_chain(&material, &ChainOptions::at(Timestamp::from_secs(NOW))).unwrap_err();
    (reasons.iter().map(super::super::Reason::clause).collect(), begun.elapsed())
}

#[test]
fn g4_a_mesh_of_cross_signed_cas_ends_with_a_reason() {
    // Few signatures and very many ways, more signatures than are verified, and ways that end at an anchor.
    for (count, anchored) in [(9, false), (14, false), (9, true)] {
        let (clauses, took) = judge_mesh(count, anchored);
        assert!(clauses.contains(&"G4"), "{clauses:?}");
        // No measure, only what shows that nothing runs away: without the bound nobody waits for the end.
        assert!(took < Duration::from_secs(60), "{took:?}");
    }
}

#[test]
fn g4_many_names_against_many_constraints_end_with_a_reason() {
    let names: Vec<String> = (0..600).map(|number| format!("t{number}.test")).collect();
    let forms: Vec<(u8, &[u8])> = names.iter().map(|name| (0x82, name.as_bytes())).collect();
    let mut world = World::new();
    world.options.names.clear();
    world.ca.extensions.set(oid::NAME_CONSTRAINTS, true, constraints(&forms, &[]));
    world.leaf.extensions.set(oid::SUBJECT_ALTERNATIVE_NAME, false, san(&forms));
    assert_eq!(world.clauses(), ["G4"]);
}
