//! Revocation lists: full, delta, partial, indirect; good ones, and each with one thing wrong.

use super::super::oid as more;
use super::kit::*;
use crate::x509::der::{self, tag};
use crate::x509::{KeyUsage, ObjectIdentifier, oid};

const UNKNOWN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.55738.666.1");
const STATUS: &str = "RFC 5280 6.3.3";

/// A world with a list of the CA and one of the root, neither revoking anything.
fn world() -> World {
    let mut world = World::new();
    world.options.require_crl = true;
    world.lists.push((ListDraft::of("CA", &world.ca_key, 5), world.ca_key.clone()));
    world.lists.push((ListDraft::of("Root", &world.root_key, 5), world.root_key.clone()));
    world
}

#[track_caller]
fn good(what: &str, change: impl FnOnce(&mut World)) {
    let mut world = world();
    change(&mut world);
    assert!(world.judge().is_ok(), "{what}: {:?}", world.judge());
}

#[track_caller]
fn revoked(what: &str, change: impl FnOnce(&mut World)) {
    let mut world = world();
    change(&mut world);
    let told = world.judge().unwrap_err();
    assert!(told.iter().any(|reason| reason.message().contains("it is revoked")), "{what}: {told:?}");
}

/// A list that cannot be used, for this reason; the status is not known then.
#[track_caller]
fn unusable(what: &str, change: impl FnOnce(&mut World), clause: &'static str) {
    let mut world = world();
    change(&mut world);
    let expected: &[&str] = if clause == STATUS { &[STATUS] } else { &[clause, STATUS] };
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(world.clauses(), expected, "{what}: {:?}", world.judge());
}

fn flag(number: u8) -> Vec<u8> {
    values(&[(tag::context(number), &[0xff])])
}

#[test]
fn a3_full_lists() {
    good("nobody is revoked", |_| {});
    revoked("the leaf", |w| w.lists[0].0 = w.lists[0].0.clone().revoking(3));
    revoked("the CA", |w| w.lists[1].0 = w.lists[1].0.clone().revoking(2));
    good("another serial number", |w| w.lists[0].0 = w.lists[0].0.clone().revoking(4));
    good("the same serial number of another issuer", |w| w.lists[1].0 = w.lists[1].0.clone().revoking(3));
    good("the newest list counts", |w| {
        w.lists[0].0 = w.lists[0].0.clone().revoking(3);
        w.lists.push((ListDraft::of("CA", &w.ca_key, 300), w.ca_key.clone()));
    });
}

#[test]
fn a3_without_a_list_the_status_is_asked_for_only_if_required() {
    let mut world = World::new();
    assert!(world.judge().is_ok());
    world.options.require_crl = true;
    assert_eq!(world.clauses(), [STATUS]);
    // With a list of the root only, the CA's status is looked up, and the leaf's is not.
    world.options.require_crl = false;
    world.lists.push((ListDraft::of("Root", &world.root_key, 5), world.root_key.clone()));
    assert!(world.judge().is_ok());
    world.lists[0].0 = world.lists[0].0.clone().revoking(2);
    assert_eq!(world.clauses(), [STATUS]);
}

#[test]
fn a3_lists_are_read_strictly() {
    unusable("expired", |w| w.lists[0].0.next_update = Some(NOW - 1), "RFC 5280 5.1.2.5");
    unusable("no end", |w| w.lists[0].0.next_update = None, "RFC 5280 5.1.2.5");
    unusable("of tomorrow", |w| w.lists[0].0.this_update = NOW + 1, "RFC 5280 5.1.2.4");
    unusable("no number", |w| w.lists[0].0.extensions.remove(oid::CRL_NUMBER), "RFC 5280 5.2.3");
    unusable("a critical number", |w| w.lists[0].0.extensions.make_critical(oid::CRL_NUMBER, true), "RFC 5280 5.2.3");
    unusable("no AKI", |w| w.lists[0].0.extensions.remove(oid::AUTHORITY_KEY_IDENTIFIER), "RFC 5280 5.2.1");
    unusable("unknown critical", |w| w.lists[0].0.extensions.set(UNKNOWN, true, vec![5, 0]), "RFC 5280 5.2");
    good("unknown", |w| w.lists[0].0.extensions.set(UNKNOWN, false, vec![5, 0]));
    unusable("a wrong signature", |w| w.lists[0].0.spoil = true, "RFC 5280 6.3.3 (g)");
    unusable("another's signature", |w| w.lists[0].1 = w.root_key.clone(), "RFC 5280 6.3.3 (g)");
    unusable(
        "no cRLSign",
        |w| {
            w.ca.extensions.set(oid::KEY_USAGE, true, usage(KeyUsage::KEY_CERT_SIGN));
        },
        "RFC 5280 6.3.3 (f)",
    );
    good("no key usage", |w| w.ca.extensions.remove(oid::KEY_USAGE));
    let entry = |kind, critical, value: Vec<u8>| {
        let mut list = List::default();
        list.set(kind, critical, value);
        list
    };
    let with = |entry: List| move |w: &mut World| w.lists[0].0.entries.push((vec![9], entry));
    unusable("an unknown critical extension of any entry", with(entry(UNKNOWN, true, vec![5, 0])), "RFC 5280 5.3");
    good("an invalidity date", with(entry(oid::INVALIDITY_DATE, false, generalized(NOW))));
    unusable("a reason that is none", with(entry(oid::REASON_CODE, false, reason_code(7))), "RFC 5280 5.1.2.6");
    let somebody = der::encode(|w| w.nested(tag::SEQUENCE, |w| w.nested(0xa4, |w| w.raw(&named("Other")))));
    unusable(
        "an issuer in a list that is not indirect",
        with(entry(more::CERTIFICATE_ISSUER, true, somebody)),
        "RFC 5280 5.3.3",
    );
}

#[test]
fn a3_parts_of_a_scope() {
    let scope = |value: Vec<u8>| {
        move |w: &mut World| {
            w.lists[0].0.extensions.set(oid::ISSUING_DISTRIBUTION_POINT, true, value);
        }
    };
    good("only users", scope(flag(1)));
    unusable("only CAs", scope(flag(2)), STATUS);
    unusable("only attributes", scope(flag(5)), STATUS);
    unusable("only some reasons", scope(values(&[(tag::context(3), &[5, 0x60])])), STATUS);
    unusable(
        "not critical",
        |w| {
            w.lists[0].0.extensions.set(oid::ISSUING_DISTRIBUTION_POINT, false, flag(1));
        },
        "RFC 5280 5.2.5",
    );
    // Both halves of the reasons make a whole.
    good("all reasons, in two lists", |w| {
        let half = |bits: &[u8]| values(&[(tag::context(3), bits)]);
        w.lists[0].0.extensions.set(oid::ISSUING_DISTRIBUTION_POINT, true, half(&[0, 0x7f]));
        let mut other = ListDraft::of("CA", &w.ca_key, 6);
        other.extensions.set(oid::ISSUING_DISTRIBUTION_POINT, true, half(&[7, 0, 0x80]));
        w.lists.push((other, w.ca_key.clone()));
    });
    // A partition, and the certificate's own address in it.
    let point = |url: &[u8]| values(&[(0xa0, &der::encode(|w| w.nested(0xa0, |w| w.value(0x86, url))))]);
    let points = |url: &[u8]| sequence(|w| w.raw(&point(url)));
    good("the right partition", |w| {
        scope(point(b"http://a.example/1.crl"))(w);
        w.leaf.extensions.set(oid::CRL_DISTRIBUTION_POINTS, false, points(b"http://a.example/1.crl"));
    });
    unusable(
        "another partition",
        |w| {
            scope(point(b"http://a.example/2.crl"))(w);
            w.leaf.extensions.set(oid::CRL_DISTRIBUTION_POINTS, false, points(b"http://a.example/1.crl"));
        },
        STATUS,
    );
}

#[test]
fn a3_deltas() {
    let delta = |w: &World, base: u64, number: u64| {
        let mut delta = ListDraft::of("CA", &w.ca_key, number);
        delta.extensions.set(oid::DELTA_CRL_INDICATOR, true, integer(base));
        delta
    };
    revoked("one adds", |w| {
        let delta = delta(w, 5, 6).revoking(3);
        w.lists.push((delta, w.ca_key.clone()));
    });
    good("one takes out", |w| {
        w.lists[0].0 = w.lists[0].0.clone().revoking(3);
        let mut delta = delta(w, 5, 6).revoking(3);
        delta.entries[0].1.set(oid::REASON_CODE, false, reason_code(8));
        w.lists.push((delta, w.ca_key.clone()));
    });
    good("one that begins later than the list", |w| {
        let delta = delta(w, 6, 7).revoking(3);
        w.lists.push((delta, w.ca_key.clone()));
    });
    let mut alone = world();
    alone.lists[0].0 = delta(&alone, 5, 6);
    assert_eq!(alone.clauses(), [STATUS], "a delta without its list");
}

#[test]
fn a3_a_list_of_another_generation_is_signed_with_its_key() {
    // The CA goes on with a new key: the certificate of the old generation is judged by a list that the new one signs.
    let new = key();
    let with = |serial: Option<u8>, certified: bool| {
        let mut world = world();
        let list = ListDraft::of("CA", &new, 6);
        world.lists[0] = (serial.map_or(list.clone(), |serial| list.revoking(serial)), new.clone());
        if certified {
            let draft = Draft { serial: vec![8], ..Draft::intermediate("CA", &new, "Root", &world.root_key) };
            world.more.push((draft, world.root_key.clone()));
        }
        world
    };
    assert!(with(None, true).judge().is_ok(), "{:?}", with(None, true).judge());
    assert_eq!(with(Some(3), true).clauses(), [STATUS]);
    // A key that nobody certifies signs nothing.
    assert_eq!(with(None, false).clauses(), [STATUS, "RFC 5280 6.3.3 (g)"]);
    // ... nor one whose certificate is revoked.
    let mut revoked = with(None, true);
    revoked.lists[1].0 = revoked.lists[1].0.clone().revoking(8);
    assert_eq!(revoked.clauses(), [STATUS, "RFC 5280 6.3.3 (f)"]);
}
