//! Roll-over as relying parties see it (rules A3, A4, C11): certificates of old and new generations, under old and new
//! roots, over link certificates, are accepted by OpenSSL (also with `-extended_crl`), GnuTLS and Java, and what is revoked
//! is refused by all of them, whichever generation issued it. A tool that is not installed is skipped aloud, unless `CI` is
//! `true`. Beside that, renewing through the lanes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod judges;
mod service_support;
mod x509_support;

use std::process::Command;
use std::sync::LazyLock;

use judges::{Case, installed, run, write};
use pca_core::domain::CaId;
use pca_core::domain::ca::{Generation, RenewCa, RenewedCa};
use pca_core::domain::certificate::{IssueCertificate, Issued, RenewCertificate, RevokeCertificate};
use pca_core::domain::event::LinkKind;
use pca_core::domain::order::{BuyRoot, ServiceTerm};
use pca_core::domain::quota::AssignQuota;
use pca_core::keys::{Algorithm, SignRequest};
use pca_core::log::Timestamp;
use pca_core::x509::{Crl, CrlEntry, ParsedCrl, RevocationReason, assemble};
use service_support::{Kind, Site, by, enable, reasons, server};
use x509_support::pem;

/// What a relying party has: a chain from the leaf up to a trusted root, and the lists of all keys in it.
struct Judged {
    case: Case,
    /// The lists of the keys alone that issued what is in the chain.
    issuers_lists: String,
    /// Whether a link certificate is in the chain.
    linked: bool,
    /// The certificates between the leaf and the root, then the root.
    untrusted: String,
    root: String,
    crls: String,
}

static CASES: LazyLock<Vec<Judged>> = LazyLock::new(|| {
    let chains = [("p256", Algorithm::EcdsaP256), ("rsa", Algorithm::Rsa2048), ("ed25519", Algorithm::Ed25519)];
    chains.into_iter().flat_map(|(name, algorithm)| life(name, algorithm)).collect()
});

/// The list of a CA, once for each of its keys, newest first: the same number, times and entries (rule A3).
fn lists(site: &Site, ca: &CaId) -> Vec<String> {
    let newest = pollster::block_on(site.pca.unblocked().publish_crl(ca, &by())).unwrap().der;
    let parsed = ParsedCrl::from_pem_or_der(&newest).unwrap();
    let generations: Vec<Generation> = pollster::block_on(
        site.pca.unblocked().question(|desk, _| Ok(desk.ca(ca)?.signing_generations().cloned().collect())),
    )
    .unwrap();
    let mut octets = Vec::new();
    for entry in parsed.entries() {
        let entry = CrlEntry {
            serial: entry.serial,
            revoked_at: entry.revoked_at,
            reason: entry.reason,
            invalidity_date: entry.invalidity_date,
        };
        entry.encode_into(&mut octets);
    }
    let of = |generation: &Generation| {
        let issuer = generation.parsed.as_ref().unwrap().as_issuer().unwrap();
        let list = Crl {
            issuer: &issuer,
            number: parsed.number().unwrap(),
            this_update: parsed.this_update(),
            next_update: parsed.next_update().unwrap(),
        };
        let (tbs, algorithm) = (list.tbs([octets.as_slice()]), issuer.signature_algorithm());
        let request = SignRequest { key: generation.key.clone(), algorithm, message: tbs.clone().into(), sha256: None };
        let signature = pollster::block_on(site.keys.sign(&[request])).remove(0).unwrap();
        pem("X509 CRL", &assemble(&tbs, algorithm, &signature))
    };
    generations.iter().map(of).collect()
}

fn link(renewed: &RenewedCa, kind: LinkKind) -> String {
    let link = renewed.links.iter().find(|link| link.kind == kind).unwrap();
    pem("CERTIFICATE", link.certificate.as_bytes())
}

fn certificate(der: &[u8]) -> String {
    pem("CERTIFICATE", der)
}

/// A leaf that stays, and one that is revoked.
type Leaves = (Issued, Issued);

/// A root and an intermediate, each renewed with the same key and then with a new one, with leaves of every generation.
fn life(name: &'static str, algorithm: Algorithm) -> Vec<Judged> {
    let site = Site::new(Kind::Memory);
    // Real time, because GnuTLS knows no other.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    site.clock.set(Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap() - 7200));
    site.found();
    let buy = BuyRoot { family: algorithm.family(), term: ServiceTerm::years(5), ..service_support::buy_root() };
    let bought = site.run(buy);
    let (root, oa) = (bought.root, bought.intermediate);
    let with = |ca: &CaId, title: &str| {
        let command = pca_core::domain::ca::EnableByCreating {
            algorithm: Some(algorithm),
            ..enable(ca, &format!("{title} {name}"))
        };
        certificate(site.run(command).certificate.as_bytes())
    };
    let (old_root, old_oa) = (with(&root, "Root"), with(&oa, "OA"));
    site.run(AssignQuota { ca: oa.clone(), units: 10 });
    let issue = |title: &str| -> Issued {
        let names = IssueCertificate::server(oa.clone(), [format!("{title}.{name}.example")]);
        site.pca.issue(names, &by()).unwrap().answer
    };
    let of = |issued: &Issued| certificate(issued.certificate.as_bytes());
    let pair = |title: &str| (issue(&format!("good-{title}")), issue(&format!("bad-{title}")));
    let renew = |ca: &CaId, new_key: bool| {
        site.clock.advance_secs(60);
        site.run(RenewCa { new_key, clamp: true, ..RenewCa::same_key(ca.clone()) })
    };
    let oldest = pair("oldest");
    let same_oa = certificate(renew(&oa, false).certificate.as_bytes());
    let middle = pair("middle");
    let rolled = renew(&root, true);
    let new_root = certificate(rolled.certificate.as_bytes());
    let new_oa = certificate(renew(&oa, true).certificate.as_bytes());
    let newest = pair("newest");
    // What is revoked is revoked after the roll-over, so that only lists that are made now tell of it.
    for (_, bad) in [&oldest, &middle, &newest] {
        site.run(RevokeCertificate { id: bad.id, reason: RevocationReason::KeyCompromise, invalidity_date: None });
    }
    let (of_root, of_oa) = (lists(&site, &root), lists(&site, &oa));
    let crls = [of_root.concat(), of_oa.concat()].concat();
    let (old_with_new, new_with_old) = (link(&rolled, LinkKind::OldWithNew), link(&rolled, LinkKind::NewWithOld));
    site.check();

    let mut judged = Vec::new();
    let chains: [(&str, &Leaves, &[&str], &str); 6] = [
        ("oldest-old", &oldest, &[&old_oa], &old_root),
        ("oldest-link", &oldest, &[&old_oa, &old_with_new], &new_root),
        ("middle-old", &middle, &[&same_oa], &old_root),
        ("middle-link", &middle, &[&same_oa, &old_with_new], &new_root),
        ("newest-new", &newest, &[&new_oa], &new_root),
        ("newest-link", &newest, &[&new_oa, &new_with_old], &old_root),
    ];
    for (title, (good, bad), untrusted, root) in chains {
        for (leaf, revoked) in [(good, false), (bad, true)] {
            let (leaf, untrusted, root) = (of(leaf), untrusted.concat(), root.to_owned());
            let file = [leaf.as_str(), &untrusted, &root, &crls].concat();
            let place = usize::from(!title.starts_with("newest"));
            let (issuers_lists, linked) = ([&*of_root[place], &of_oa[place]].concat(), title.ends_with("link"));
            let case = Case { name: format!("{name}-{title}-{revoked}"), revoked, leaf, file };
            judged.push(Judged { case, issuers_lists, linked, untrusted, root, crls: crls.clone() });
        }
    }
    judged
}

#[test]
fn a3_openssl_judges_old_and_new_generations_with_all_lists() {
    if !installed("openssl", "version") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for Judged { case, untrusted, root, crls, .. } in CASES.iter() {
        for extended in [false, true] {
            let mut command = Command::new("openssl");
            command.args(["verify", "-x509_strict", "-crl_check_all", "-check_ss_sig", "-policy_check", "-CAfile"]);
            command.arg(write(directory, "root.pem", root)).arg("-untrusted");
            command.arg(write(directory, "untrusted.pem", untrusted));
            command.arg("-CRLfile").arg(write(directory, "crls.pem", crls));
            if extended {
                command.arg("-extended_crl");
            }
            let (accepted, told) = run(command.arg(write(directory, "leaf.pem", &case.leaf)));
            assert_eq!(accepted, !case.revoked, "{} {extended}: {told}", case.name);
            assert_eq!(told.contains("certificate revoked"), case.revoked, "{} {extended}: {told}", case.name);
        }
    }
}

#[test]
fn a3_gnutls_judges_old_and_new_generations_with_all_lists() {
    if installed("certtool", "--version") {
        judges::gnutls(CASES.iter().map(|judged| &judged.case));
    }
}

/// Java takes a list that another key of the name has signed for one of somebody else's, and stops there if it does not
/// find a way to that key. So it is given the lists of the keys that issued what it is to judge, as it would fetch them;
/// over the link certificates it judges the path alone.
#[test]
fn a3_java_judges_old_and_new_generations_with_their_lists() {
    if !installed("java", "--version") {
        return;
    }
    let of = |judged: &Judged, lists: &str| {
        let Judged { case, untrusted, root, .. } = judged;
        let file = [case.leaf.as_str(), untrusted, root, lists].concat();
        Case { name: case.name.clone(), revoked: case.revoked, leaf: case.leaf.clone(), file }
    };
    let straight = CASES.iter().filter(|judged| !judged.linked);
    let straight: Vec<Case> = straight.map(|judged| of(judged, &judged.issuers_lists)).collect();
    let linked = CASES.iter().filter(|judged| judged.linked && !judged.case.revoked);
    let linked: Vec<Case> = linked.map(|judged| of(judged, "")).collect();
    assert_eq!((straight.len(), linked.len()), (18, 9));
    judges::java(straight.iter().chain(&linked));
}

#[test]
fn there_is_something_to_judge() {
    assert_eq!(CASES.len(), 36);
    assert_eq!(CASES.iter().filter(|judged| judged.case.revoked).count(), 18);
}

#[test]
fn a4_renewing_goes_through_the_lane_with_all_who_issue() {
    for kind in [Kind::FakeMemory, Kind::Memory] {
        let site = Site::new(kind);
        let bought = site.issuing(60);
        let oa = &bought.intermediate;
        let first: Vec<Issued> = (0..8)
            .map(|number| site.pca.issue(server(oa, &format!("h{number}.example")), &by()).unwrap().answer)
            .collect();
        let renewed: Vec<Issued> = std::thread::scope(|scope| {
            let issuers: Vec<_> = (0..4)
                .map(|number| {
                    let site = &site;
                    scope.spawn(move || {
                        for place in 0..4 {
                            let name = format!("n{number}-{place}.example");
                            site.pca.issue(server(oa, &name), &by()).unwrap();
                        }
                    })
                })
                .collect();
            let renewers: Vec<_> = first
                .iter()
                .flat_map(|issued| [issued, issued])
                .map(|issued| {
                    let site = &site;
                    scope.spawn(move || site.pca.renew(RenewCertificate::of(issued.id), &by()).unwrap().answer)
                })
                .collect();
            let roller = scope.spawn(|| site.pca.execute(RenewCa::new_key(oa.clone()), &by()).unwrap());
            issuers.into_iter().for_each(|issuer| issuer.join().unwrap());
            roller.join().unwrap();
            renewers.into_iter().map(|renewer| renewer.join().unwrap()).collect()
        });
        assert_eq!(renewed.len(), 16);
        for (place, issued) in renewed.iter().enumerate() {
            let renews =
                |desk: &pca_core::domain::Desk<'_>, _| Ok(desk.certificate(&issued.id)?.issued().unwrap().renews);
            let renews = pollster::block_on(site.pca.unblocked().question(renews)).unwrap();
            assert_eq!(renews, Some(first[place / 2].id));
            let question = |desk: &pca_core::domain::Desk<'_>, _| {
                Ok(desk.certificate(&first[place / 2].id)?.renewed_by().copied())
            };
            let by = pollster::block_on(site.pca.unblocked().question(question)).unwrap().unwrap();
            assert!(renewed[place / 2 * 2..][..2].iter().any(|other| other.id == by));
        }
        let balance = renewed.iter().map(|issued| issued.balance.consumed).max();
        assert!(balance <= Some(40));
        site.check();
    }
}

#[test]
fn a4_a_renewal_is_repeated_and_refused_as_things_stand() {
    let site = Site::new(Kind::FakeMemory);
    let bought = site.issuing(5);
    let first = site.pca.issue(server(&bought.intermediate, "a.example"), &by()).unwrap().answer;
    let keyed = by().idempotent("once");
    let done = site.pca.renew(RenewCertificate::of(first.id), &keyed).unwrap();
    let again = site.pca.renew(RenewCertificate::of(first.id), &keyed).unwrap();
    assert_eq!((again.repeated, again.answer), (true, done.answer.clone()));
    let other = site.pca.renew(RenewCertificate::of(done.answer.id), &keyed).unwrap_err();
    assert_eq!(reasons(&other), ["O6 idempotency-key-reused"]);
    // Another service revokes what this one's lane has not looked at since.
    let revoke = |id| RevokeCertificate { id, reason: RevocationReason::Superseded, invalidity_date: None };
    site.another().execute(revoke(first.id), &by()).unwrap();
    let refused = site.pca.renew(RenewCertificate::of(first.id), &by()).unwrap_err();
    assert_eq!(reasons(&refused), ["A4 revoked"]);
    // Another service rolls the CA over; the lane issues with the newest generation.
    site.another().execute(RenewCa::new_key(bought.intermediate.clone()), &by()).unwrap();
    let newest = site.pca.renew(RenewCertificate::of(done.answer.id), &by()).unwrap().answer;
    let generation = pollster::block_on(
        site.pca.unblocked().question(|desk, _| Ok(desk.certificate(&newest.id)?.issued().unwrap().generation)),
    );
    assert_eq!(generation.unwrap(), 2);
    let log: Vec<String> = site.log().iter().map(|recorded| recorded.commit().metadata().command.clone()).collect();
    assert_eq!(log.iter().filter(|command| *command == "RenewCertificate").count(), 2);
    site.check();
}
