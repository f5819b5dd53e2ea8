//! What the CA/Browser Forum adds.

use super::super::ChainProfile;
use super::super::oid::EMAIL_PROTECTION;
use super::kit::*;
use crate::x509::der::{self, tag};
use crate::x509::{KeyUsage, ObjectIdentifier, oid};

#[track_caller]
fn check(what: &str, change: impl FnOnce(&mut World), clauses: &[&str]) {
    let mut world = World::new();
    world.options.profile = ChainProfile::WebPki;
    change(&mut world);
    assert_eq!(world.clauses(), clauses, "{what}: {:?}", world.judge());
    if clauses.iter().all(|clause| clause.starts_with("CABF")) {
        world.options.profile = ChainProfile::Rfc5280;
        assert!(world.judge().is_ok(), "{what}: RFC 5280 allows it: {:?}", world.judge());
    }
}

#[test]
fn i6_webpki_certificates() {
    check("a good one", |_| {}, &[]);
    let email = purposes(&[oid::SERVER_AUTH, EMAIL_PROTECTION]);
    check("e-mail", |w| w.leaf.extensions.set(oid::EXTENDED_KEY_USAGE, false, email), &["CABF BR 7.1.2.7.10"]);
    let any = purposes(&[oid::SERVER_AUTH, oid::ANY_EXTENDED_KEY_USAGE]);
    check("any purpose", |w| w.leaf.extensions.set(oid::EXTENDED_KEY_USAGE, false, any), &["CABF BR 7.1.2.7.10"]);
    check("no purpose", |w| w.leaf.extensions.remove(oid::EXTENDED_KEY_USAGE), &["CABF BR 7.1.2.7.6"]);
    check("critical", |w| w.leaf.extensions.make_critical(oid::EXTENDED_KEY_USAGE, true), &["CABF BR 7.1.2.7.6"]);
    check(
        "a root's purposes",
        |w| {
            w.root.extensions.set(oid::EXTENDED_KEY_USAGE, false, purposes(&[oid::SERVER_AUTH]));
        },
        &["CABF BR 7.1.2.1.2"],
    );
    check(
        "a critical SAN beside a subject",
        |w| {
            w.leaf.extensions.make_critical(oid::SUBJECT_ALTERNATIVE_NAME, true);
        },
        &["CABF BR 7.1.2.7.12"],
    );
    check("a CA", |w| w.leaf.extensions.set(oid::BASIC_CONSTRAINTS, true, basic(true, None)), &["CABF BR 7.1.2.7.8"]);
    check(
        "cRLSign",
        |w| {
            w.leaf.extensions.set(oid::KEY_USAGE, true, usage(KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::CRL_SIGN)));
        },
        &["CABF BR 7.1.2.7.11"],
    );
    let named = |fields: &[(u8, &[u8])]| values(fields);
    let other = named(&[(tag::context(0), b"another key")]);
    check(
        "a root that names another",
        |w| w.root.extensions.set(oid::AUTHORITY_KEY_IDENTIFIER, false, other),
        &["CABF BR 7.1.2.1.3"],
    );
    let name = der::encode(|w| w.nested(0xa4, |w| w.raw(&self::named("x"))));
    let pair = named(&[(tag::context(0), b"k"), (tag::context_constructed(1), &name), (tag::context(2), &[1])]);
    check(
        "an issuer and serial",
        |w| w.ca.extensions.set(oid::AUTHORITY_KEY_IDENTIFIER, false, pair),
        &["CABF BR 7.1.2.11.1"],
    );
    // Where RFC 5280 says that they must.
    let mut world = World::new();
    world.ca.extensions.set(oid::NAME_CONSTRAINTS, false, constraints(&[(0x82, b"example.com")], &[]));
    assert_eq!(world.clauses(), ["RFC 5280 4.2.1.10"]);
    world.options.profile = ChainProfile::WebPki;
    assert!(world.judge().is_ok(), "{:?}", world.judge());
}

#[test]
fn i6_webpki_keys() {
    let spki = |algorithm: &dyn Fn(&mut der::Writer), key: &[u8]| {
        sequence(|w| {
            w.nested(tag::SEQUENCE, |w| algorithm(w));
            w.bit_string(key);
        })
    };
    let rsa = |bits: usize| {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] = u8::try_from(0xff_u16 >> (modulus.len() * 8 - bits)).unwrap();
        let number = |octets: &[u8]| if octets[0] >= 0x80 { [&[0], octets].concat() } else { octets.to_vec() };
        let key = values(&[(2, &number(&modulus)), (2, &[1, 0, 1])]);
        let rsa = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
        spki(
            &|w| {
                w.oid(&rsa);
                w.raw(&[5, 0]);
            },
            &key,
        )
    };
    let curve = |curve: &'static str, length: usize| {
        let ec = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
        spki(
            &|w| {
                w.oid(&ec);
                w.oid(&ObjectIdentifier::new_unwrap(curve));
            },
            &[vec![4], vec![1; length]].concat(),
        )
    };
    let dsa = spki(&|w| w.oid(&ObjectIdentifier::new_unwrap("1.2.840.10040.4.1")), &[2, 1, 1]);
    let ed25519 = spki(&|w| w.oid(&oid::ED25519), &[7; 32]);
    for (what, key, clauses) in [
        ("RSA 1024", rsa(1024), &["CABF BR 6.1.5"][..]),
        ("RSA 2048", rsa(2048), &[]),
        ("RSA 2052", rsa(2052), &["CABF BR 6.1.5"]),
        ("P-192", curve("1.2.840.10045.3.1.1", 48), &["CABF BR 6.1.5"]),
        ("DSA", dsa, &["CABF BR 7.1.3.1"]),
        ("Ed25519", ed25519, &["CABF BR 7.1.3.1"]),
    ] {
        check(what, |w| w.leaf.spki = key, clauses);
    }
}

#[test]
fn i6_webpki_names() {
    let with = |common: Option<&'static str>, names: &'static [(u8, &'static [u8])], host: &'static str| {
        move |w: &mut World| {
            w.leaf.subject = common.map_or_else(|| attribute(oid::ORGANIZATION, "Acme"), named);
            w.leaf.extensions.set(oid::SUBJECT_ALTERNATIVE_NAME, false, san(names));
            w.options.names = vec![host.into()];
        }
    };
    let suffix = &["CABF BR 3.2.2.6"][..];
    check("below a domain", with(None, &[(0x82, b"*.example.com")], "a.example.com"), &[]);
    check("below com", with(None, &[(0x82, b"*.com")], "example.com"), suffix);
    check("below co.uk", with(None, &[(0x82, b"*.CO.uk")], "example.co.uk"), suffix);
    check("below a private suffix", with(None, &[(0x82, b"*.s3.amazonaws.com")], "a.s3.amazonaws.com"), suffix);
    check("below an unknown top", with(None, &[(0x82, b"*.internal-test")], "a.internal-test"), suffix);
    check(
        "a fake A-label",
        with(None, &[(0x82, b"xn--a-.example.com"), (0x82, b"a.example.com")], "a.example.com"),
        &["RFC 5280 4.2.1.6"],
    );
    check(
        "an e-mail address",
        with(None, &[(0x82, b"a.example.com"), (0x81, b"a@example.com")], "a.example.com"),
        &["CABF BR 7.1.2.7.12"],
    );

    let common = &["CABF BR 7.1.4.3"][..];
    let ip: &[(u8, &[u8])] = &[(0x87, &[192, 168, 1, 1])];
    check(
        "one of them",
        with(Some("a.example.com"), &[(0x82, b"b.example.com"), (0x82, b"a.example.com")], "a.example.com"),
        &[],
    );
    check("none of them", with(Some("x.example.com"), &[(0x82, b"a.example.com")], "a.example.com"), common);
    check("another case", with(Some("A.example.com"), &[(0x82, b"a.example.com")], "a.example.com"), common);
    check("the address", with(Some("192.168.1.1"), ip, "192.168.1.1"), &[]);
    for wrong in ["0xC0A80101", "192.168.001.001", "3232235777", "192.168.257", "::ffff:c0a8:101", "192.168.1.2"] {
        check(wrong, with(Some(wrong), ip, "192.168.1.1"), common);
    }
    let v6: &[(u8, &[u8])] = &[(0x87, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])];
    check("as RFC 5952 writes it", with(Some("2001:db8::1"), v6, "2001:db8::1"), &[]);
    check("not as RFC 5952 writes it", with(Some("2001:DB8::1"), v6, "2001:db8::1"), common);
    // As x509-limbo has it.
    check(
        "the host below which a wildcard stands",
        with(Some("example.com"), &[(0x82, b"*.example.com")], "a.example.com"),
        &[],
    );
    check("a host beside addresses only", with(Some("example.com"), ip, "192.168.1.1"), &[]);
}
