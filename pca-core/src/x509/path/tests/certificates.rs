//! Certificates with one thing wrong each: exactly that is told.

use super::super::oid as more;
use super::super::{ChainMaterial, PolicyInputs, Purpose, check_chain};
use super::kit::*;
use crate::x509::der::{self, tag};
use crate::x509::{KeyUsage, ObjectIdentifier, oid};

#[track_caller]
fn check(what: &str, spoil: impl FnOnce(&mut World), clause: &str) {
    let mut world = World::new();
    spoil(&mut world);
    assert_eq!(world.clauses(), [clause], "{what}: {:?}", world.judge());
}

#[track_caller]
fn good(what: &str, change: impl FnOnce(&mut World)) {
    let mut world = World::new();
    change(&mut world);
    let found = world.judge();
    assert!(found.is_ok(), "{what}: {found:?}");
}

const UNKNOWN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.55738.666.1");

#[test]
fn i6_a_good_chain_is_told_from_target_to_anchor() {
    let chain = World::new().judge().unwrap();
    let subjects: Vec<String> = chain.path.iter().map(|certificate| certificate.subject.to_string()).collect();
    assert_eq!(subjects, ["CN=a.example.com", "CN=CA", "CN=Root"]);
}

#[test]
fn i6_what_a_certificate_says_of_itself() {
    check("serial 0", |w| w.leaf.serial = vec![0], "RFC 5280 4.1.2.2");
    check("negative serial", |w| w.ca.serial = vec![0x80], "RFC 5280 4.1.2.2");
    check("serial of 21 octets", |w| w.leaf.serial = [vec![0], vec![0xff; 20]].concat(), "RFC 5280 4.1.2.2");
    good("serial of 20 octets", |w| w.leaf.serial = vec![0x7f; 20]);
    // Old roots have 0; nobody looks a trust anchor up.
    good("serial 0 of an anchor", |w| w.root.serial = vec![0]);
    let other = sequence(|w| w.oid(&oid::ECDSA_WITH_SHA384));
    check("two signature algorithms", |w| w.leaf.inner_algorithm = Some(other), "RFC 5280 4.1.1.2");
    check("expired", |w| w.ca.not_after = NOW - 1, "RFC 5280 4.1.2.5");
    check("expired anchor", |w| w.root.not_after = NOW - 1, "RFC 5280 4.1.2.5");
    check("not yet valid", |w| w.leaf.not_before = NOW + 1, "RFC 5280 4.1.2.5");
    good("the last second", |w| w.leaf.not_after = NOW);
    good("the first second", |w| w.leaf.not_before = NOW);
    good("within the last second", |w| {
        w.leaf.not_after = NOW;
        w.options.at = crate::log::Timestamp::from_micros(NOW * 1_000_000 + 999_999);
    });
    check(
        "just before the first second",
        |w| {
            w.leaf.not_before = NOW;
            w.options.at = crate::log::Timestamp::from_micros(NOW * 1_000_000 - 1);
        },
        "RFC 5280 4.1.2.5",
    );
    check("version 2 with extensions", |w| w.leaf.version = 2, "RFC 5280 4.1.2.9");
    check("a signature of something else", |w| w.leaf.spoil = true, "RFC 5280 6.1.3 (a)");
    check("no subject and no critical SAN", |w| w.leaf.subject = sequence(|_| {}), "RFC 5280 4.2.1.6");
    good("no subject and a critical SAN", |w| {
        w.leaf.subject = sequence(|_| {});
        w.leaf.extensions.make_critical(oid::SUBJECT_ALTERNATIVE_NAME, true);
    });
}

#[test]
fn i6_names_are_compared_as_text() {
    good("another string type, case and spaces", |w| {
        w.leaf.issuer = der::encode(|w| {
            w.nested(tag::SEQUENCE, |w| {
                w.nested(tag::SET, |w| {
                    w.nested(tag::SEQUENCE, |w| {
                        w.oid(&oid::COMMON_NAME);
                        w.value(tag::PRINTABLE_STRING, b" ca  ");
                    });
                });
            });
        });
    });
    let mut world = World::new();
    world.leaf.issuer = named("Another CA");
    assert_eq!(world.clauses(), ["RFC 5280 6.1"]);
    world.leaf.issuer = sequence(|_| {});
    assert_eq!(world.clauses(), ["RFC 5280 4.1.2.4", "RFC 5280 6.1"]);
}

#[test]
fn i6_extensions_are_read_strictly() {
    let set = |kind, critical, value: &'static [u8]| {
        move |w: &mut World| w.leaf.extensions.set(kind, critical, value.to_vec())
    };
    check("unknown critical", set(UNKNOWN, true, b""), "RFC 5280 4.2");
    good("unknown", set(UNKNOWN, false, b""));
    check(
        "twice",
        |w| w.leaf.extensions.0.extend([(UNKNOWN, false, vec![]), (UNKNOWN, false, vec![])]),
        "RFC 5280 4.2",
    );
    for (what, kind, value, clause) in [
        ("no bit of key usage", oid::KEY_USAGE, &[3, 1, 0][..], "RFC 5280 4.2.1.3"),
        ("bits too many", oid::KEY_USAGE, &[3, 2, 0, 0x80], "X.690 11.2.2"),
        ("cA FALSE written out", oid::BASIC_CONSTRAINTS, &[0x30, 3, 1, 1, 0], "X.690 11.5"),
        ("path length without CA", oid::BASIC_CONSTRAINTS, &[0x30, 3, 2, 1, 0], "RFC 5280 4.2.1.9"),
        ("no purpose", oid::EXTENDED_KEY_USAGE, &[0x30, 0], "RFC 5280 4.2.1.12"),
        ("no policy", oid::CERTIFICATE_POLICIES, &[0x30, 0], "RFC 5280 4.2.1.4"),
        ("no access", oid::AUTHORITY_INFO_ACCESS, &[0x30, 0], "RFC 5280 4.2.2.1"),
        ("text for access", oid::AUTHORITY_INFO_ACCESS, b"malformed", "RFC 5280 4.2.2.1"),
        ("no distribution point", oid::CRL_DISTRIBUTION_POINTS, &[0x30, 0], "RFC 5280 4.2.1.13"),
        ("text for a freshest list", oid::FRESHEST_CRL, b"malformed", "RFC 5280 4.2.1.15"),
        ("no NULL for noRevAvail", more::NO_REVOCATION, &[], "RFC 9608 2"),
    ] {
        check(
            what,
            |w| {
                w.options.purpose = Purpose::Any;
                w.leaf.extensions.set(kind, false, value.to_vec());
            },
            clause,
        );
    }
    let critical = |kind, clause, value: &'static [u8]| check("critical", set(kind, true, value), clause);
    critical(
        oid::AUTHORITY_INFO_ACCESS,
        "RFC 5280 4.2.2.1",
        b"\x30\x11\x30\x0f\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x03a:b",
    );
    critical(more::SUBJECT_DIRECTORY_ATTRIBUTES, "RFC 5280 4.2.1.8", &[0x30, 0]);
    critical(more::NO_REVOCATION, "RFC 9608 2", &[5, 0]);
    check("critical SKI", |w| w.root.extensions.make_critical(oid::SUBJECT_KEY_IDENTIFIER, true), "RFC 5280 4.2.1.2");
    check("critical AKI", |w| w.ca.extensions.make_critical(oid::AUTHORITY_KEY_IDENTIFIER, true), "RFC 5280 4.2.1.1");
}

#[test]
fn i6_keys_are_identified() {
    check("leaf without AKI", |w| w.leaf.extensions.remove(oid::AUTHORITY_KEY_IDENTIFIER), "RFC 5280 4.2.1.1");
    check("CA without AKI", |w| w.ca.extensions.remove(oid::AUTHORITY_KEY_IDENTIFIER), "RFC 5280 4.2.1.1");
    let empty = sequence(|_| {});
    check("empty AKI", |w| w.ca.extensions.set(oid::AUTHORITY_KEY_IDENTIFIER, false, empty), "RFC 5280 4.2.1.1");
    let unpaired = values(&[(tag::context(0), b"key"), (tag::context(2), b"\x01")]);
    check(
        "unpaired AKI",
        |w| w.leaf.extensions.set(oid::AUTHORITY_KEY_IDENTIFIER, false, unpaired),
        "RFC 5280 4.2.1.1",
    );
    for what in ["root", "ca"] {
        check(
            what,
            |w| {
                let draft = if what == "root" { &mut w.root } else { &mut w.ca };
                draft.extensions.remove(oid::SUBJECT_KEY_IDENTIFIER);
            },
            "RFC 5280 4.2.1.2",
        );
    }
    good("leaf without SKI", |w| w.leaf.extensions.remove(oid::SUBJECT_KEY_IDENTIFIER));
}

#[test]
fn i6_only_cas_issue() {
    check(
        "root without basic constraints",
        |w| {
            w.root.extensions.remove(oid::BASIC_CONSTRAINTS);
        },
        "RFC 5280 4.2.1.9",
    );
    check(
        "basic constraints that are not critical",
        |w| {
            w.ca.extensions.make_critical(oid::BASIC_CONSTRAINTS, false);
        },
        "RFC 5280 4.2.1.9",
    );
    check("no CA", |w| w.ca.extensions.set(oid::BASIC_CONSTRAINTS, true, basic(false, None)), "RFC 5280 4.2.1.9");
    let crl_only = || usage(KeyUsage::CRL_SIGN);
    check("no keyCertSign", |w| w.ca.extensions.set(oid::KEY_USAGE, true, crl_only()), "RFC 5280 4.2.1.3");
    let mut world = World::new();
    world.ca.extensions.set(oid::KEY_USAGE, true, crl_only());
    world.ca.extensions.set(oid::BASIC_CONSTRAINTS, true, basic(true, Some(0)));
    assert_eq!(world.clauses(), ["RFC 5280 4.2.1.3", "RFC 5280 4.2.1.9"]);
    good("no key usage", |w| w.ca.extensions.remove(oid::KEY_USAGE));
    check(
        "keyCertSign in a leaf",
        |w| {
            w.leaf.extensions.set(
                oid::KEY_USAGE,
                true,
                usage(KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::KEY_CERT_SIGN)),
            );
        },
        "RFC 5280 4.2.1.9",
    );
    let mut world = World::new();
    world.ca.subject = sequence(|_| {});
    world.leaf.issuer = sequence(|_| {});
    assert_eq!(world.clauses(), ["RFC 5280 4.1.2.4", "RFC 5280 4.1.2.6"]);
}

#[test]
fn i6_path_lengths_and_depth() {
    let limit = |length| basic(true, Some(length));
    check(
        "none left at the anchor",
        |w| w.root.extensions.set(oid::BASIC_CONSTRAINTS, true, limit(0)),
        "RFC 5280 4.2.1.9",
    );
    good("enough at the anchor", |w| w.root.extensions.set(oid::BASIC_CONSTRAINTS, true, limit(1)));
    good("the last is not counted", |w| w.ca.extensions.set(oid::BASIC_CONSTRAINTS, true, limit(0)));
    check("too deep", |w| w.options.max_depth = Some(0), "RFC 5280 6.1");
    good("deep enough", |w| w.options.max_depth = Some(1));
    // A CA that issued itself a certificate for a new key is not counted.
    good("self-issued", |w| {
        let new = key();
        let mut rollover = Draft::intermediate("CA", &new, "CA", &w.ca_key);
        rollover.serial = vec![9];
        w.more.push((rollover, w.ca_key.clone()));
        w.leaf.extensions.set(oid::AUTHORITY_KEY_IDENTIFIER, false, authority(&new));
        w.ca_key = new;
        w.ca.extensions.set(oid::BASIC_CONSTRAINTS, true, limit(0));
        w.options.max_depth = Some(1);
    });
}

#[test]
fn c6_name_constraints_by_form() {
    let acme = attribute(oid::ORGANIZATION, "Acme");
    let globex = attribute(oid::ORGANIZATION, "Globex");
    let private = der::encode(|w| w.oid(&UNKNOWN));
    // A permitted or excluded subtree, a name, and whether it may stand there.
    type Form<'a> = (u8, &'a [u8]);
    let v4 = |net: [u8; 4], mask: [u8; 4]| [net, mask].concat();
    let ten = v4([10, 0, 0, 0], [255, 0, 0, 0]);
    let permitted: &[(Form<'_>, Form<'_>, bool)] = &[
        ((0x82, b"example.com"), (0x82, b"a.b.EXAMPLE.com"), true),
        ((0x82, b"example.com"), (0x82, b"*.example.com"), true),
        ((0x82, b"example.com"), (0x82, b"notexample.com"), false),
        ((0x82, b"b.example.com"), (0x82, b"*.example.com"), false),
        ((0x82, b""), (0x82, b"any.example.org"), true),
        ((0x87, &ten), (0x87, &[10, 1, 2, 3]), true),
        ((0x87, &ten), (0x87, &[11, 1, 2, 3]), false),
        ((0x87, &ten), (0x87, &[0; 16]), false),
        ((0x81, b"example.com"), (0x81, b"a@example.com"), true),
        ((0x81, b"example.com"), (0x81, b"a@b.example.com"), false),
        ((0x81, b".example.com"), (0x81, b"a@b.example.com"), true),
        ((0x81, b".example.com"), (0x81, b"a@example.com"), false),
        ((0x81, b"*@example.com"), (0x81, b"*@EXAMPLE.com"), true),
        ((0x81, b"*@example.com"), (0x81, b"a@example.com"), false),
        ((0x81, b"a@example.com"), (0x81, b"A@example.com"), false),
        ((0x86, b".example.com"), (0x86, b"https://a.example.com:8443/x"), true),
        ((0x86, b"example.com"), (0x86, b"https://a.example.com/"), false),
        ((0x86, b"example.com"), (0x86, b"urn:uuid:1"), false),
        ((0x86, b"example.com"), (0x86, b"https://10.0.0.1/"), false),
        ((0xa4, &acme), (0xa4, &acme), true),
        ((0xa4, &acme), (0xa4, &globex), false),
        // Another form is not concerned.
        ((0x87, &ten), (0x82, b"any.example.org"), true),
    ];
    let excluded: &[(Form<'_>, Form<'_>, bool)] = &[
        ((0x82, b"example.com"), (0x82, b"example.com"), false),
        ((0x82, b"b.example.com"), (0x82, b"*.example.com"), false),
        ((0x82, b"c.b.example.com"), (0x82, b"*.example.com"), true),
        ((0x87, &ten), (0x87, &[10, 0, 0, 1]), false),
        ((0x86, b"example.com"), (0x86, b"urn:uuid:1"), false),
        ((0xa4, &acme), (0xa4, &acme), false),
        ((0xa0, &private), (0xa0, &private), false),
        ((0xa0, &private), (0x82, b"any.example.org"), true),
    ];
    for (list, permits) in [(permitted, true), (excluded, false)] {
        for (base, name, fits) in list {
            let mut world = World::new();
            world.options.names.clear();
            if base.0 == 0xa4 {
                // The subject counts as well.
                world.leaf.subject = name.1.to_vec();
            }
            let value = if permits { constraints(&[*base], &[]) } else { constraints(&[], &[*base]) };
            world.ca.extensions.set(oid::NAME_CONSTRAINTS, true, value);
            world.leaf.extensions.set(oid::SUBJECT_ALTERNATIVE_NAME, false, san(&[*name]));
            let expected: &[&str] = if *fits { &[] } else { &["RFC 5280 4.2.1.10"] };
            assert_eq!(world.clauses(), expected, "{base:?} {name:?}: {:?}", world.judge());
        }
    }
}

#[test]
fn c6_name_constraints_over_the_whole_path() {
    let dns = |permitted: &'static [u8]| constraints(&[(0x82, permitted)], &[]);
    check(
        "that of the anchor",
        |w| w.root.extensions.set(oid::NAME_CONSTRAINTS, true, dns(b"example.org")),
        "RFC 5280 4.2.1.10",
    );
    check(
        "each for itself",
        |w| {
            w.root.extensions.set(oid::NAME_CONSTRAINTS, true, dns(b"example.org"));
            w.ca.extensions.set(oid::NAME_CONSTRAINTS, true, dns(b"example.com"));
        },
        "RFC 5280 4.2.1.10",
    );
    check(
        "names of CAs",
        |w| {
            w.root.extensions.set(oid::NAME_CONSTRAINTS, true, dns(b"example.com"));
            w.ca.extensions.set(oid::SUBJECT_ALTERNATIVE_NAME, false, san(&[(0x82, b"ca.example.org")]));
        },
        "RFC 5280 4.2.1.10",
    );
    check(
        "not critical",
        |w| w.ca.extensions.set(oid::NAME_CONSTRAINTS, false, dns(b"example.com")),
        "RFC 5280 4.2.1.10",
    );
    check(
        "in a leaf",
        |w| w.leaf.extensions.set(oid::NAME_CONSTRAINTS, true, dns(b"example.com")),
        "RFC 5280 4.2.1.10",
    );
    // Without alternative names the e-mail address of the subject counts.
    let mail = constraints(&[(0x81, b"example.com")], &[]);
    check(
        "e-mail of the subject",
        |w| {
            w.options.names.clear();
            w.ca.extensions.set(oid::NAME_CONSTRAINTS, true, mail);
            w.leaf.extensions.remove(oid::SUBJECT_ALTERNATIVE_NAME);
            w.leaf.subject = attribute(oid::EMAIL_ADDRESS, "a@example.org");
        },
        "RFC 5280 4.2.1.10",
    );
    for (what, base) in [
        ("a leading dot", (0x82, &b".example.com"[..])),
        ("a wildcard", (0x82, b"*.example.com")),
        ("two @", (0x81, b"a@b@example.com")),
        ("an address without mask", (0x87, &[127, 0, 0, 1])),
        ("a mask with holes", (0x87, &[10, 0, 0, 0, 255, 0, 255, 0])),
        ("an address in a URI", (0x86, b"10.0.0.1")),
        ("no name", (0xa4, b"\x04\x00")),
    ] {
        check(
            what,
            |w| w.ca.extensions.set(oid::NAME_CONSTRAINTS, true, constraints(&[base], &[])),
            "RFC 5280 4.2.1.10",
        );
    }
    check("nothing", |w| w.ca.extensions.set(oid::NAME_CONSTRAINTS, true, sequence(|_| {})), "RFC 5280 4.2.1.10");
    let empty = values(&[(0xa0, b""), (0xa1, b"")]);
    check("empty lists", |w| w.ca.extensions.set(oid::NAME_CONSTRAINTS, true, empty), "RFC 5280 4.2.1.10");
    let minimum = sequence(|w| {
        w.nested(0xa0, |w| {
            w.nested(tag::SEQUENCE, |w| {
                w.value(0x82, b"example.com");
                w.value(0x80, &[1]);
            });
        });
    });
    check("a minimum", |w| w.ca.extensions.set(oid::NAME_CONSTRAINTS, true, minimum), "RFC 5280 4.2.1.10");
}

#[test]
fn i6_the_expected_name_is_an_alternative_name() {
    let expect = |name: &'static str| move |w: &mut World| w.options.names = vec![name.into()];
    check("another host", expect("b.example.com"), "RFC 6125 6");
    check("the parent", expect("example.com"), "RFC 6125 6");
    good("in capitals", expect("A.Example.COM"));
    check("an address", expect("10.0.0.1"), "RFC 6125 6");
    check("not a host", expect("a_b.example.com"), "RFC 1034 3.5");
    check("nothing", expect(""), "RFC 1034 3.5");
    check("a wildcard", expect("*.example.com"), "RFC 1034 3.5");
    check("not an address", expect("a@b@example.com"), "RFC 5321 4.1.2");
    let names: &[(&str, &[u8], u8, bool)] = &[
        ("b.example.com", b"*.example.com", 0x82, true),
        ("c.b.example.com", b"*.example.com", 0x82, false),
        ("example.com", b"*.example.com", 0x82, false),
        ("10.0.0.1", &[10, 0, 0, 1], 0x87, true),
        ("::1", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 0x87, true),
        ("a@example.com", b"a@EXAMPLE.com", 0x81, true),
        ("A@example.com", b"a@example.com", 0x81, false),
    ];
    for (expected, name, kind, fits) in names {
        let mut world = World::new();
        world.options.names = vec![(*expected).into()];
        world.leaf.extensions.set(oid::SUBJECT_ALTERNATIVE_NAME, false, san(&[(*kind, name)]));
        assert_eq!(world.judge().is_ok(), *fits, "{expected} {name:?}");
    }
    for (what, kind, name) in [
        ("an underscore", 0x82, &b"a_b.example.com"[..]),
        ("a leading dot", 0x82, b".example.com"),
        ("an embedded wildcard", 0x82, b"ba*.example.com"),
        ("a wildcard further down", 0x82, b"a.*.example.com"),
        ("only a wildcard", 0x82, b"*"),
        ("an address as a name", 0x82, b"8.8.8.8"),
        ("beyond ASCII", 0x82, "ü.example.com".as_bytes()),
        ("a network", 0x87, &[10, 0, 0, 0, 255, 0, 0, 0]),
        ("two @", 0x81, b"a@b@example.com"),
        ("a relative URI", 0x86, b"/x"),
    ] {
        check(
            what,
            |w| {
                let names = san(&[(0x82, b"a.example.com"), (kind, name)]);
                w.leaf.extensions.set(oid::SUBJECT_ALTERNATIVE_NAME, false, names);
            },
            "RFC 5280 4.2.1.6",
        );
    }
}

#[test]
fn i6_purposes_nest() {
    let only = |purpose| purposes(&[purpose]);
    check(
        "of the leaf",
        |w| w.leaf.extensions.set(oid::EXTENDED_KEY_USAGE, false, only(oid::CLIENT_AUTH)),
        "RFC 5280 4.2.1.12",
    );
    check(
        "of the CA",
        |w| w.ca.extensions.set(oid::EXTENDED_KEY_USAGE, false, only(oid::CLIENT_AUTH)),
        "RFC 5280 4.2.1.12",
    );
    good("any in the CA", |w| w.ca.extensions.set(oid::EXTENDED_KEY_USAGE, false, only(oid::ANY_EXTENDED_KEY_USAGE)));
    good("none at all", |w| w.leaf.extensions.remove(oid::EXTENDED_KEY_USAGE));
    good("whatever it allows", |w| {
        w.leaf.extensions.set(oid::EXTENDED_KEY_USAGE, false, only(oid::CLIENT_AUTH));
        w.options.purpose = Purpose::Any;
    });
    check("e-mail", |w| w.options.purpose = Purpose::Email, "RFC 5280 4.2.1.12");
    check(
        "a key usage that does not fit",
        |w| {
            w.leaf.extensions.set(oid::KEY_USAGE, true, usage(KeyUsage::DATA_ENCIPHERMENT));
        },
        "RFC 5280 4.2.1.12",
    );
}

#[test]
fn i6_policies() {
    let one = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.55738.1");
    let two = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.55738.2");
    let policies = |all: &[ObjectIdentifier]| {
        sequence(|w| all.iter().for_each(|policy| w.nested(tag::SEQUENCE, |w| w.oid(policy))))
    };
    let explicit = || values(&[(0x80, &[0])]);
    let set = |w: &mut World, ca: &[ObjectIdentifier], leaf: &[ObjectIdentifier]| {
        w.ca.extensions.set(more::POLICY_CONSTRAINTS, true, explicit());
        w.ca.extensions.set(oid::CERTIFICATE_POLICIES, false, policies(ca));
        w.leaf.extensions.set(oid::CERTIFICATE_POLICIES, false, policies(leaf));
    };
    good("the same policy", |w| set(w, &[one], &[one, two]));
    good("any policy above", |w| set(w, &[more::ANY_POLICY], &[two]));
    let lost = |what: &str, spoil: &dyn Fn(&mut World)| {
        let mut world = World::new();
        spoil(&mut world);
        let clauses = world.clauses();
        assert!(
            !clauses.is_empty() && clauses.iter().all(|clause| clause.starts_with("RFC 5280 6.1.")),
            "{what}: {clauses:?}"
        );
    };
    lost("another policy", &|w| set(w, &[one], &[two]));
    lost("no policy", &|w| {
        set(w, &[one], &[one]);
        w.leaf.extensions.remove(oid::CERTIFICATE_POLICIES);
    });
    lost("any policy that is inhibited", &|w| {
        set(w, &[one], &[more::ANY_POLICY]);
        w.ca.extensions.set(more::INHIBIT_ANY_POLICY, true, integer(0));
    });
    let mapping = || sequence(|w| w.nested(tag::SEQUENCE, |w| [one, two].iter().for_each(|policy| w.oid(policy))));
    good("a policy that is mapped", |w| {
        set(w, &[one], &[two]);
        w.ca.extensions.set(more::POLICY_MAPPINGS, true, mapping());
    });
    lost("a mapping that is ignored", &|w| {
        set(w, &[one], &[two]);
        w.ca.extensions.set(more::POLICY_MAPPINGS, true, mapping());
        w.options.policies.inhibit_mapping = true;
    });
    lost("what nobody accepts", &|w| {
        set(w, &[one], &[one]);
        w.options.policies = PolicyInputs { acceptable: vec![two], explicit: true, ..PolicyInputs::default() };
    });
    check(
        "constraints that are not critical",
        |w| {
            w.ca.extensions.set(more::POLICY_CONSTRAINTS, false, values(&[(0x80, &[3])]));
        },
        "RFC 5280 4.2.1.11",
    );
    check(
        "an inhibition that is not critical",
        |w| {
            w.ca.extensions.set(more::INHIBIT_ANY_POLICY, false, integer(3));
        },
        "RFC 5280 4.2.1.14",
    );
    check(
        "a policy twice",
        |w| {
            w.leaf.extensions.set(oid::CERTIFICATE_POLICIES, false, policies(&[one, one]));
        },
        "RFC 5280 4.2.1.4",
    );
    let any =
        sequence(|w| w.nested(tag::SEQUENCE, |w| [one, more::ANY_POLICY].iter().for_each(|policy| w.oid(policy))));
    check("anyPolicy that is mapped", |w| w.ca.extensions.set(more::POLICY_MAPPINGS, true, any), "RFC 5280 4.2.1.5");
}

#[test]
fn g4_what_is_too_large_or_too_deep_is_not_read() {
    let mut world = World::new();
    world.leaf.extensions.set(UNKNOWN, false, vec![0; 70_000]);
    assert_eq!(world.clauses(), ["G4"]);
    let deep = (0..200).fold(vec![5, 0], |inner, _| values(&[(0x30, &inner)])[..].to_vec());
    let material = ChainMaterial { target: &deep, ..ChainMaterial::default() };
    let reasons = check_chain(&material, &World::new().options).unwrap_err();
    assert_eq!(reasons.iter().map(super::super::Reason::clause).collect::<Vec<_>>(), ["G4"]);
}
