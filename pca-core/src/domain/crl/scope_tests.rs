//! Tests of what is no full CRL by one key: deltas, partitions, several keys that are alive.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::issue::{Issue, Issuing, Signer};
use super::*;
use crate::domain::ca::testing::Scene;
use crate::domain::ca::{ConfigureCa, EnableByCreating, Generation};
use crate::domain::certificate::IssueCertificate;
use crate::domain::decision::Plan;
use crate::domain::event::{Addresses, CertificateIssued, PolicyAdopted};
use crate::domain::policy::Policy;
use crate::domain::{CaId, Event};
use crate::keys::{Family, SignatureAlgorithm};
use crate::x509::{CertificateId, CrlEntry, ParsedCertificate, ParsedCrl, RevocationReason, assemble};

const URL: &str = "http://pki.example/oa.crl";

fn policy(crl_partitions: u32) -> Policy {
    Policy { crl_partitions, delta_crls: true, free_certificates: 1_000, ..Policy::default() }
}

fn at(url: &str) -> Addresses {
    Addresses { crl_url: Some(url.into()), ..Addresses::default() }
}

/// A root, and an intermediate whose list is at [`URL`] and which has 500 units.
fn issuing(policy: Policy) -> (Scene, CaId, CaId) {
    let mut scene = Scene::with(policy);
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    scene.enable(&root, "Root");
    let enabling = scene.enabling(&intermediate, "Intermediate");
    scene.run(&EnableByCreating { addresses: at(URL), ..enabling }).unwrap();
    scene.more_quota(&root, &intermediate, 500);
    (scene, root, intermediate)
}

fn full(ca: &CaId) -> PublishCrl {
    PublishCrl::full(ca.clone())
}

fn delta(ca: &CaId) -> PublishCrl {
    PublishCrl { delta: true, ..full(ca) }
}

fn of_partition(ca: &CaId, index: u32) -> PublishCrl {
    PublishCrl { partition: Some(index), ..full(ca) }
}

/// What a plan has to be signed first, with any signature.
fn read(plan: &Plan) -> ParsedCrl {
    ParsedCrl::of_any_scope(assemble(&plan.to_sign()[0].tbs, SignatureAlgorithm::EcdsaSha256, &[0; 70])).unwrap()
}

/// Carries a command out and reads what was signed.
#[track_caller]
fn publish(scene: &mut Scene, command: &PublishCrl) -> ParsedCrl {
    let (plan, _) = scene.decide(command).unwrap();
    let crl = read(&plan);
    scene.run(command).unwrap();
    assert_eq!(*scene.signed[0].0, *plan.to_sign()[0].tbs);
    crl
}

fn listed(crl: &ParsedCrl) -> Vec<(SerialNumber, RevocationReason)> {
    crl.entries().iter().map(|entry| (entry.serial, entry.reason)).collect()
}

fn sorted<const N: usize>(
    mut entries: [(&CertificateId, RevocationReason); N],
) -> Vec<(SerialNumber, RevocationReason)> {
    entries.sort_by_key(|(id, _)| id.serial());
    entries.map(|(id, reason)| (id.serial(), reason)).to_vec()
}

#[track_caller]
fn refused(scene: &mut Scene, command: &PublishCrl) -> Vec<String> {
    let refusal = scene.refused(command);
    scene.codes(&refusal)
}

fn released(scene: &mut Scene, id: CertificateId) {
    scene.happened(crate::domain::event::HoldReleased { id });
}

#[test]
fn a3_a_delta_tells_what_changed_since_a_published_base() {
    let (mut scene, _, ca) = issuing(policy(0));
    let [one, two, three, four] = ["Ann", "Ben", "Cid", "Dan"].map(|holder| scene.issue(&ca, 90, holder));
    assert_eq!(refused(&mut scene, &delta(&ca)), ["A3 no-published-base"]);
    scene.revoke(&one, RevocationReason::Superseded);
    scene.revoke(&two, RevocationReason::CertificateHold);
    let base = publish(&mut scene, &full(&ca));
    assert_eq!(base.freshest(), ["http://pki.example/oa.delta.crl"]);
    assert_eq!((base.base(), base.distribution_point()), (None, None));
    assert_eq!(publish(&mut scene, &delta(&ca)).entries(), [], "nothing has changed");

    scene.revoke(&three, RevocationReason::CertificateHold);
    let first = publish(&mut scene, &delta(&ca));
    assert_eq!(listed(&first), sorted([(&three, RevocationReason::CertificateHold)]));
    assert_eq!(first.base(), base.number());
    assert!(first.number() > base.number(), "one sequence of numbers");
    assert!(first.freshest().is_empty(), "RFC 5280 section 5.2.6: never in a delta");
    assert_eq!(first.next_update(), Some(scene.now().plus_secs(86_400)));

    released(&mut scene, two);
    released(&mut scene, three);
    scene.revoke(&four, RevocationReason::KeyCompromise);
    let second = publish(&mut scene, &delta(&ca));
    let removed = RevocationReason::RemoveFromCrl;
    let expected = sorted([(&two, removed), (&three, removed), (&four, RevocationReason::KeyCompromise)]);
    assert_eq!(listed(&second), expected, "removeFromCRL for holds on the base and for those that came since");
    assert_eq!(second.base(), base.number());

    scene.revoke(&three, RevocationReason::Superseded);
    let third = publish(&mut scene, &delta(&ca));
    assert!(listed(&third).contains(&(three.serial(), RevocationReason::Superseded)));
    let next = publish(&mut scene, &full(&ca));
    assert!(next.number() > third.number());
    assert!(next.entries().iter().all(|entry| entry.reason != removed), "A2: removeFromCRL only in deltas");
    let after = publish(&mut scene, &delta(&ca));
    assert_eq!((after.base(), after.entries()), (next.number(), &[][..]), "the base is the newest full one");
}

#[test]
fn a3_a_delta_that_stands_is_signed_again_and_outlives_no_base() {
    let (mut scene, _, ca) = issuing(policy(0));
    publish(&mut scene, &full(&ca));
    let first = publish(&mut scene, &delta(&ca));
    scene.pass(3600);
    let (plan, _) = scene.decide(&delta(&ca)).unwrap();
    assert!(plan.events().is_empty() && plan.standing().len() == 1);
    assert_eq!(read(&plan).number(), first.number());
    scene.pass(12 * 3600);
    assert!(publish(&mut scene, &delta(&ca)).number() > first.number(), "half of its time has passed");
    let newer = publish(&mut scene, &full(&ca));
    assert_ne!(newer.number(), None);
    scene.days_pass(4);
    let newer = publish(&mut scene, &full(&ca));
    assert_eq!(publish(&mut scene, &delta(&ca)).base(), newer.number(), "a new base makes a new delta");
    scene.days_pass(8);
    assert_eq!(refused(&mut scene, &delta(&ca)), ["A3 base-outdated"]);
    scene.reset(&ca, true);
    let enabling = scene.enabling(&ca, "Intermediate");
    scene.run(&EnableByCreating { addresses: at(URL), ..enabling }).unwrap();
    assert_eq!(refused(&mut scene, &delta(&ca)), ["A3 base-of-other-keys"]);
    publish(&mut scene, &full(&ca));
    publish(&mut scene, &delta(&ca));
}

#[test]
fn a3_what_ended_with_its_ca_stands_in_a_delta() {
    let (mut scene, _, ca) = issuing(policy(0));
    let [one, held, freed] = ["Ann", "Ben", "Cid"].map(|holder| scene.issue(&ca, 90, holder));
    scene.revoke(&held, RevocationReason::CertificateHold);
    scene.revoke(&freed, RevocationReason::CertificateHold);
    scene.reset(&ca, true);
    scene.enable(&ca, "Intermediate");
    publish(&mut scene, &full(&ca));
    assert_eq!(publish(&mut scene, &delta(&ca)).entries(), [], "it stands on the base");
    let url = ConfigureCa::addresses(ca.clone(), at(URL));
    scene.run(&url).unwrap();
    let again = scene.issue(&ca, 90, "Dan");
    scene.revoke(&again, RevocationReason::CertificateHold);
    publish(&mut scene, &full(&ca));
    // Lifted, and then its CA ends: it is revoked for that, and not removed from the list.
    released(&mut scene, again);
    let before = scene.ca(&ca).generation().unwrap().clone();
    scene.reset(&ca, true);
    let name = before.subject_hash;
    let roll = scene.roll(&ca);
    let crl = scene.crl(name);
    let base = crl.published().unwrap();
    let published = CrlPublished {
        delta: Some(crate::domain::event::DeltaBase { number: base.number, covers: base.covers }),
        ..base.clone()
    };
    let issuer = before.parsed.as_ref().unwrap().as_issuer().unwrap();
    let tbs = to_be_signed(&issuer, crl, |_| Some(&roll), &published);
    let told = ParsedCrl::of_any_scope(assemble(&tbs, SignatureAlgorithm::EcdsaSha256, &[0; 70])).unwrap();
    assert_eq!(listed(&told), [(again.serial(), RevocationReason::CessationOfOperation)]);
    assert!(![one, held, freed].iter().any(|id| listed(&told).iter().any(|(serial, _)| *serial == id.serial())));
}

/// Issues by the rules, and reads the certificate.
fn issue(scene: &mut Scene, ca: &CaId) -> (CertificateIssued, ParsedCertificate) {
    let events = scene.run(&IssueCertificate::server(ca.clone(), ["oa.example"])).unwrap();
    let issued = events.iter().find_map(|event| match event {
        Event::CertificateIssued(issued) => Some(issued.clone()),
        _ => None,
    });
    let issued = issued.unwrap();
    let parsed = ParsedCertificate::from_der(issued.certificate.as_bytes()).unwrap();
    (issued, parsed)
}

/// Whether a certificate has this address among its octets.
fn names(issued: &CertificateIssued, address: &str) -> bool {
    issued.certificate.as_bytes().windows(address.len()).any(|window| window == address.as_bytes())
}

#[test]
fn a3_the_partition_is_decided_at_issue_and_is_in_the_certificate() {
    let (mut scene, _, ca) = issuing(policy(3));
    let mut seen = [0; 3];
    for _ in 0..24 {
        let (issued, _) = issue(&mut scene, &ca);
        let index = issued.partition.unwrap();
        seen[usize::from(index)] += 1;
        assert_eq!(partition_of(&issued.id.serial(), 3), Some(index));
        assert!(names(&issued, &partition_address(URL, index)) && !names(&issued, URL));
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    let addresses = Addresses::default();
    scene.run(&ConfigureCa::addresses(ca.clone(), addresses)).unwrap();
    assert_eq!(issue(&mut scene, &ca).0.partition, None, "without an address there is no partition");
    scene.run(&ConfigureCa::addresses(ca.clone(), at(URL))).unwrap();
    scene.happened(PolicyAdopted { policy: policy(0) });
    let (whole, _) = issue(&mut scene, &ca);
    assert!(whole.partition.is_none() && names(&whole, URL));
}

#[test]
fn a3_the_lists_of_partitions_divide_the_full_one() {
    let (mut scene, root, ca) = issuing(policy(3));
    let mut certificates = Vec::new();
    for round in 0..20 {
        let (issued, _) = issue(&mut scene, &ca);
        if round % 2 == 0 {
            scene.revoke(&issued.id, RevocationReason::Superseded);
        }
        certificates.push((issued, round % 2 == 0));
    }
    // Of a policy without partitions: on the full list only.
    scene.happened(PolicyAdopted { policy: policy(0) });
    let (whole, _) = issue(&mut scene, &ca);
    scene.revoke(&whole.id, RevocationReason::Superseded);
    let all = publish(&mut scene, &full(&ca));
    assert_eq!((all.entries().len(), all.distribution_point()), (11, None));
    let mut number = all.number();
    for index in 0..3_u16 {
        let list = publish(&mut scene, &of_partition(&ca, index.into()));
        assert!(list.number() > number, "one sequence of numbers for all scopes of a name");
        number = list.number();
        let point = list.distribution_point().unwrap();
        assert_eq!((&point.addresses[..], point.is_narrower), (&[partition_address(URL, index)][..], false));
        assert_eq!(list.freshest(), [delta_address(URL, Some(index))]);
        let of_it = certificates.iter().filter(|(issued, revoked)| *revoked && issued.partition == Some(index));
        let mut expected: Vec<SerialNumber> = of_it.map(|(issued, _)| issued.id.serial()).collect();
        expected.sort();
        assert_eq!(list.entries().iter().map(|entry| entry.serial).collect::<Vec<_>>(), expected);
    }
    assert_eq!(refused(&mut scene, &of_partition(&ca, 3)), ["A3 unknown-partition"]);
    assert_eq!(refused(&mut scene, &of_partition(&ca, 70_000)), ["A3 unknown-partition"]);
    assert_eq!(refused(&mut scene, &of_partition(&root, 0)), ["A3 root-without-partitions"]);

    let (good, _) = certificates.iter().find(|(_, revoked)| !revoked).unwrap();
    let (own, other) = (good.partition.unwrap(), (good.partition.unwrap() + 1) % 3);
    scene.revoke(&good.id, RevocationReason::CertificateHold);
    let (plan, _) = scene.decide(&of_partition(&ca, other.into())).unwrap();
    assert!(plan.events().is_empty(), "another partition has not changed");
    let in_delta = |index: u16| PublishCrl { delta: true, ..of_partition(&ca, index.into()) };
    let told = publish(&mut scene, &in_delta(own));
    assert_eq!(listed(&told), [(good.id.serial(), RevocationReason::CertificateHold)]);
    assert_eq!(told.distribution_point().unwrap().addresses, [partition_address(URL, own)]);
    assert_eq!(publish(&mut scene, &in_delta(other)).entries(), []);
    // The full list of the name is renewed; the partition's is not, and its delta must still tell of the release.
    publish(&mut scene, &of_partition(&ca, own.into()));
    released(&mut scene, good.id);
    publish(&mut scene, &full(&ca));
    let told = publish(&mut scene, &in_delta(own));
    assert_eq!(listed(&told), [(good.id.serial(), RevocationReason::RemoveFromCrl)]);
}

#[test]
fn a3_a_partition_keeps_its_certificates_when_addresses_and_numbers_change() {
    let (mut scene, _, ca) = issuing(policy(4));
    let (old, _) = issue(&mut scene, &ca);
    let index = old.partition.unwrap();
    scene.revoke(&old.id, RevocationReason::Superseded);
    let before = publish(&mut scene, &of_partition(&ca, index.into()));
    let moved = "http://new.example/oa.crl";
    scene.run(&ConfigureCa::addresses(ca.clone(), at(moved))).unwrap();
    scene.happened(PolicyAdopted { policy: policy(2) });
    let list = publish(&mut scene, &of_partition(&ca, index.into()));
    assert!(list.number() > before.number(), "it names another address: it is another list");
    let addresses = [partition_address(moved, index), partition_address(URL, index)];
    assert_eq!(list.distribution_point().unwrap().addresses, addresses);
    assert_eq!(listed(&list), [(old.id.serial(), RevocationReason::Superseded)]);
    assert!(addresses.iter().any(|address| names(&old, address)));
    // What is listed when its CA ends is divided, too.
    let (fresh, _) = issue(&mut scene, &ca);
    assert!(fresh.partition.unwrap() < 2);
    scene.reset(&ca, true);
    let enabling = scene.enabling(&ca, "Intermediate");
    scene.run(&EnableByCreating { addresses: at(moved), ..enabling }).unwrap();
    let list = publish(&mut scene, &of_partition(&ca, fresh.partition.unwrap().into()));
    assert!(listed(&list).contains(&(fresh.id.serial(), RevocationReason::CessationOfOperation)));
    let other = (fresh.partition.unwrap() + 1) % 4;
    let list = publish(&mut scene, &of_partition(&ca, other.into()));
    assert!(!listed(&list).iter().any(|(serial, _)| *serial == fresh.id.serial()));
}

#[test]
fn a3_a_ca_without_an_address_has_no_partitions() {
    let mut scene = Scene::with(policy(2));
    let (_, ca) = scene.enabled_pair(Family::Ecc);
    assert_eq!(refused(&mut scene, &of_partition(&ca, 5)), ["A3 partition-without-address", "A3 unknown-partition"]);
}

/// Rule A3: every live key signs the same list with the same number.
#[test]
fn a3_every_live_key_signs_the_same_list_and_a_shared_key_once() {
    let (mut scene, _, ca) = issuing(policy(0));
    let certificate = scene.issue(&ca, 90, "Ann");
    scene.revoke(&certificate, RevocationReason::Superseded);
    scene.reset(&ca, true);
    scene.enable(&ca, "Intermediate");
    // As after a roll-over: both alive, and the newest twice, as after a renewal with the same key.
    let older = scene.ca(&ca).end_of(1).unwrap().generation.clone();
    let newest = scene.ca(&ca).generation().unwrap().clone();
    let renewed = Generation { number: 3, ..newest.clone() };
    let alive = [&renewed, &newest, &older];
    let issuing = Issuing {
        this_update: scene.now(),
        next_update: scene.now().plus_secs(86_400),
        partition: None,
        freshest: None,
        base: None,
        expired_before: None,
    };
    let plan = scene
        .ask(|desk| {
            let signers = Signer::each_key(&ca, alive.into_iter())?;
            Issue::prepare(desk, &ca, &signers)?.next(&issuing, &signers, false)
        })
        .unwrap();
    let published: Vec<CrlPublished> = plan
        .events()
        .iter()
        .map(|event| match event {
            Event::CrlPublished(published) => published.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(published.iter().map(|one| one.generation).collect::<Vec<_>>(), [3, 1], "each key once");
    assert_eq!((published[0].number, published[0].entries), (published[1].number, published[1].entries));
    assert_ne!(published[0].digest, published[1].digest, "each names its own key");
    let lists: Vec<ParsedCrl> = plan
        .to_sign()
        .iter()
        .zip([&renewed, &older])
        .map(|(to_sign, generation)| {
            assert_eq!(to_sign.key, generation.key);
            let list = ParsedCrl::from_der(assemble(&to_sign.tbs, SignatureAlgorithm::EcdsaSha256, &[0; 70])).unwrap();
            let parsed = generation.parsed.as_ref().unwrap();
            assert_eq!(list.authority_key_identifier(), parsed.as_issuer().ok().as_ref().map(x509_key));
            list
        })
        .collect();
    assert_eq!(lists[0].entries(), lists[1].entries());
    assert_eq!(lists[0].entries()[0].serial, certificate.serial());

    for event in plan.events() {
        scene.happened(event.clone());
    }
    let issued = scene.crl(newest.subject_hash).issued(CrlScope::default()).unwrap();
    assert_eq!(issued.by().len(), 2, "one CRL by two keys");
    let standing = |scene: &mut Scene, alive: &[&Generation]| {
        let now = scene.now();
        let found = scene.ask(|desk| {
            let signers = Signer::each_key(&ca, alive.iter().copied())?;
            Issue::prepare(desk, &ca, &signers)?.standing(CrlScope::default(), &issuing, &signers, now)
        });
        found.unwrap()
    };
    let plan = standing(&mut scene, &alive).unwrap();
    assert_eq!((plan.standing().len(), plan.to_sign().len()), (2, 2), "both are signed once more");
    assert_eq!(plan.to_sign()[1].key, older.key);
    assert_eq!(standing(&mut scene, &[&renewed]), None, "where one key is gone, or one more is there: a new list");
}

fn x509_key(issuer: &crate::x509::Issuer) -> &[u8] {
    issuer.key_identifier()
}

#[derive(Clone, Copy, Debug)]
enum Happening {
    Issue { days: u32 },
    Revoke { which: prop::sample::Index, hold: bool },
    Release { which: prop::sample::Index },
    Days(i64),
    Full,
    Delta,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let which = any::<prop::sample::Index>;
    let one = prop_oneof![
        4 => (3..30_u32).prop_map(|days| Happening::Issue { days }),
        4 => (which(), any::<bool>()).prop_map(|(which, hold)| Happening::Revoke { which, hold }),
        2 => which().prop_map(|which| Happening::Release { which }),
        1 => (1..3_i64).prop_map(Happening::Days),
        1 => Just(Happening::Full),
        4 => Just(Happening::Delta),
    ];
    proptest::collection::vec(one, 5..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// RFC 5280 section 5.2.4: whoever has the base and any delta to it knows what the full list of that moment says, about
    /// every certificate that has not expired; and each delta comes out of the log again.
    #[test]
    fn a3_a_base_and_a_delta_say_what_the_full_list_says(steps in happenings()) {
        let (mut scene, _, ca) = issuing(policy(0));
        let mut base: Option<ParsedCrl> = None;
        let mut certificates: Vec<CertificateId> = Vec::new();
        for step in steps {
            let now = scene.now();
            let status = |scene: &Scene, id: &CertificateId| {
                scene.certificate(id).revocation().map(|revocation| revocation.reason)
            };
            match step {
                Happening::Issue { days } => certificates.push(scene.issue(&ca, days, "Ann")),
                Happening::Revoke { which, hold } if !certificates.is_empty() => {
                    let id = *which.get(&certificates);
                    let reason = if hold { RevocationReason::CertificateHold } else { RevocationReason::Superseded };
                    match status(&scene, &id) {
                        None => scene.revoke(&id, reason),
                        Some(RevocationReason::CertificateHold) if !hold => scene.revoke(&id, reason),
                        _ => {}
                    }
                }
                Happening::Release { which } if !certificates.is_empty() => {
                    let id = *which.get(&certificates);
                    if status(&scene, &id) == Some(RevocationReason::CertificateHold) {
                        released(&mut scene, id);
                    }
                }
                Happening::Days(days) => scene.days_pass(days),
                Happening::Full => base = Some(publish(&mut scene, &full(&ca))),
                Happening::Delta => {
                    let Some(base) = base.as_ref().filter(|base| base.next_update() >= Some(now)) else { continue };
                    let (plan, _) = scene.decide(&full(&ca)).unwrap();
                    let whole = read(&plan);
                    let delta = publish(&mut scene, &delta(&ca));
                    prop_assert_eq!(delta.base(), base.number());
                    prop_assert!(delta.number() > base.number());
                    let alive = |serial: &SerialNumber| certificates.iter().any(|id| {
                        id.serial() == *serial && scene.certificate(id).issued().unwrap().not_after >= now
                    });
                    let by_serial = |list: &ParsedCrl| -> BTreeMap<SerialNumber, CrlEntry> {
                        let entries = list.entries().iter().filter(|entry| alive(&entry.serial));
                        entries.map(|entry| (entry.serial, *entry)).collect()
                    };
                    let mut folded = by_serial(base);
                    for (serial, entry) in by_serial(&delta) {
                        match entry.reason {
                            RevocationReason::RemoveFromCrl => drop(folded.remove(&serial)),
                            _ => drop(folded.insert(serial, entry)),
                        }
                    }
                    prop_assert_eq!(folded, by_serial(&whole));
                    let name = scene.ca(&ca).generation().unwrap().subject_hash;
                    let issued = scene.crl(name).issued(CrlScope { partition: None, delta: true }).unwrap();
                    let published = issued.by()[0].clone();
                    let issuer = scene.generation(&ca).parsed.as_ref().unwrap().as_issuer().unwrap();
                    let as_of = scene.crl_as_of(name, published.covers);
                    let tbs = to_be_signed(&issuer, &as_of, |_| None, &published);
                    prop_assert_eq!(crate::log::Digest::of(&tbs), published.digest);
                }
                _ => {}
            }
        }
        crate::domain::snapshot::tests::agrees_at_every_revision(scene.log());
    }
}
