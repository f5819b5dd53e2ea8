//! Other people's tools as judges of CRLs (rules A2, A3), by path validation wherever a tool does that: full ones, deltas,
//! partitions. What is revoked is refused, what is good is accepted, a hold that was lifted is accepted through the delta, and
//! the list of a partition counts for its own certificates only. A tool that is not installed is skipped aloud, unless `CI`
//! is `true`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod judges;
mod service_support;
mod x509_support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use judges::{installed, run, write};
use pca_core::domain::ca::EnableByCreating;
use pca_core::domain::certificate::{Issued, ReleaseHold, RevokeCertificate};
use pca_core::domain::crl::{PublishCrl, partition_of};
use pca_core::domain::event::Addresses;
use pca_core::domain::policy::AdoptPolicy;
use pca_core::domain::quota::AssignQuota;
use pca_core::log::Timestamp;
use pca_core::x509::{RevocationReason, to_pem};
use service_support::{Kind, Site, by};

const PARTITIONS: u32 = 2;

/// A certificate, and what is to be thought of it: by the full list that is the base, and with the delta to it.
struct Leaf {
    name: &'static str,
    pem: String,
    partition: u16,
    revoked_on_base: bool,
    revoked_now: bool,
}

struct Scenery {
    leaves: Vec<Leaf>,
    root: String,
    intermediate: String,
    /// Of the root.
    above: Vec<u8>,
    base: Vec<u8>,
    delta: Vec<u8>,
    /// Full list and delta of each partition.
    partitions: Vec<[Vec<u8>; 2]>,
}

static SCENERY: LazyLock<Scenery> = LazyLock::new(scenery);

fn scenery() -> Scenery {
    let site = Site::new(Kind::Memory);
    // Real time, because GnuTLS and Java know no other.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let begin = Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap() - 7200);
    site.clock.set(begin);
    site.found();
    let bought = site.buy_root();
    let (root, ca) = (&bought.root, &bought.intermediate);
    let enable = |ca, name: &str| {
        let url = format!("http://pki.example/{}.crl", name.to_lowercase());
        let addresses = Addresses { crl_url: Some(url), ..Addresses::default() };
        let enabled = site.run(EnableByCreating { addresses, ..service_support::enable(ca, name) });
        to_pem("CERTIFICATE", enabled.certificate.as_bytes())
    };
    let (root_pem, intermediate) = (enable(root, "Root"), enable(ca, "OA"));
    site.run(AssignQuota { ca: ca.clone(), units: 10 });
    let mut policy = site.policy();
    (policy.crl_partitions, policy.delta_crls) = (PARTITIONS, true);
    site.run(AdoptPolicy { policy });

    let mut issued: Vec<(&'static str, Issued)> = Vec::new();
    for name in ["good", "revoked", "held", "freed", "late", "later-freed", "more", "yet-more"] {
        issued.push((
            name,
            site.pca.issue(service_support::server(ca, &format!("{name}.oa.example")), &by()).unwrap().answer,
        ));
    }
    let id = |name: &str| issued.iter().find(|(own, _)| *own == name).unwrap().1.id;
    let revoke = |name: &str, reason, dated: bool| {
        let invalidity_date = dated.then(|| begin.floor_to_second());
        site.run(RevokeCertificate { id: id(name), reason, invalidity_date });
    };
    let publish = |command: PublishCrl| site.pca.publish_crls(&command, &by()).unwrap().newest.der;
    let full = PublishCrl::full(ca.clone());
    revoke("revoked", RevocationReason::KeyCompromise, true);
    revoke("held", RevocationReason::CertificateHold, false);
    revoke("freed", RevocationReason::CertificateHold, false);
    let base = publish(full.clone());
    let of = |index: u16, delta: bool| PublishCrl { partition: Some(index.into()), delta, ..full.clone() };
    let indices: Vec<u16> = (0..u16::try_from(PARTITIONS).unwrap()).collect();
    let full_of: Vec<Vec<u8>> = indices.iter().map(|index| publish(of(*index, false))).collect();

    site.clock.set(begin.plus_secs(600));
    revoke("late", RevocationReason::Superseded, false);
    revoke("later-freed", RevocationReason::CertificateHold, false);
    publish(PublishCrl { delta: true, ..full.clone() });
    site.run(ReleaseHold { id: id("freed") });
    site.run(ReleaseHold { id: id("later-freed") });
    let delta = publish(PublishCrl { delta: true, ..full.clone() });
    let partitions = full_of.into_iter().zip(&indices).map(|(full, index)| [full, publish(of(*index, true))]).collect();
    let leaves = issued
        .iter()
        .map(|(name, issued)| Leaf {
            name,
            pem: to_pem("CERTIFICATE", issued.certificate.as_bytes()),
            partition: partition_of(&issued.serial, PARTITIONS).unwrap(),
            revoked_on_base: ["revoked", "held", "freed"].contains(name),
            revoked_now: ["revoked", "held", "late"].contains(name),
        })
        .collect();
    let above = publish(PublishCrl::full(root.clone()));
    Scenery { leaves, root: root_pem, intermediate, above, base, delta, partitions }
}

fn crl(der: &[u8]) -> String {
    to_pem("X509 CRL", der)
}

/// What OpenSSL says about a certificate with these lists and options, strictly, each certificate of the path checked.
fn openssl(directory: &Path, leaf: &Leaf, lists: &[&[u8]], options: &[&str]) -> (bool, String) {
    let lists: String = lists.iter().map(|der| crl(der)).collect();
    run(Command::new("openssl")
        .args(["verify", "-x509_strict", "-crl_check_all", "-policy_check"])
        .args(options)
        .arg("-CAfile")
        .arg(write(directory, "root.pem", &SCENERY.root))
        .arg("-untrusted")
        .arg(write(directory, "oa.pem", &SCENERY.intermediate))
        .arg("-CRLfile")
        .arg(write(directory, "crls.pem", &lists))
        .arg(write(directory, leaf.name, &leaf.pem)))
}

#[track_caller]
fn accepted_unless(revoked: bool, name: &str, (accepted, told): (bool, String)) {
    assert_eq!(accepted, !revoked, "{name}: {told}");
    assert_eq!(revoked, told.contains("certificate revoked"), "{name}: {told}");
}

#[test]
fn there_are_certificates_in_each_partition_revoked_and_good() {
    for index in 0..PARTITIONS {
        let of_it = SCENERY.leaves.iter().filter(|leaf| u32::from(leaf.partition) == index);
        assert!(of_it.count() > 0, "none in partition {index}");
    }
    let kinds: BTreeSet<_> = SCENERY.leaves.iter().map(|leaf| (leaf.revoked_on_base, leaf.revoked_now)).collect();
    assert_eq!(kinds.len(), 4, "good, revoked, revoked later and released");
}

#[test]
fn a3_openssl_judges_by_base_and_delta() {
    if !installed("openssl", "version") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let Scenery { leaves, above, base, delta, .. } = &*SCENERY;
    for leaf in leaves {
        let by_base = openssl(directory.path(), leaf, &[above, base], &[]);
        accepted_unless(leaf.revoked_on_base, leaf.name, by_base);
        let by_both = openssl(directory.path(), leaf, &[above, base, delta], &["-extended_crl", "-use_deltas"]);
        accepted_unless(leaf.revoked_now, leaf.name, by_both);
        let (accepted, told) = openssl(directory.path(), leaf, &[above, delta], &["-extended_crl", "-use_deltas"]);
        assert!(!accepted && told.contains("unable to get certificate CRL"), "a delta alone is no list: {told}");
    }
}

#[test]
fn a3_openssl_judges_by_partitions() {
    if !installed("openssl", "version") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let Scenery { leaves, above, partitions, .. } = &*SCENERY;
    for leaf in leaves {
        for (index, [full, delta]) in (0..).zip(partitions) {
            for extended in [&[][..], &["-extended_crl"]] {
                let judged = openssl(directory.path(), leaf, &[above, full], extended);
                if index == leaf.partition {
                    accepted_unless(leaf.revoked_on_base, leaf.name, judged);
                } else {
                    let (accepted, told) = judged;
                    assert!(!accepted, "{}: the list of another partition says nothing: {told}", leaf.name);
                    assert!(
                        told.contains("different CRL scope") || told.contains("unable to get certificate CRL"),
                        "{told}"
                    );
                }
            }
            if index == leaf.partition {
                let options = ["-extended_crl", "-use_deltas"];
                let judged = openssl(directory.path(), leaf, &[above, full, delta], &options);
                accepted_unless(leaf.revoked_now, leaf.name, judged);
            }
        }
    }
}

#[test]
fn a3_java_judges_by_full_lists_and_partitions() {
    if !installed("java", "--version") {
        return;
    }
    let Scenery { leaves, root, intermediate, above, base, partitions, .. } = &*SCENERY;
    let case = |leaf: &Leaf, list: &[u8], name: String| judges::Case {
        name,
        revoked: leaf.revoked_on_base,
        leaf: leaf.pem.clone(),
        file: [&leaf.pem, intermediate, root, &crl(above), &crl(list)].map(String::as_str).concat(),
    };
    let full = leaves.iter().map(|leaf| case(leaf, base, format!("full-{}", leaf.name)));
    let own = leaves.iter().map(|leaf| {
        let [list, _] = &partitions[usize::from(leaf.partition)];
        case(leaf, list, format!("own-{}", leaf.name))
    });
    let cases: Vec<judges::Case> = full.chain(own).collect();
    judges::java(&cases);
    // With the list of another partition, nobody knows.
    let directory = tempfile::tempdir().unwrap();
    let judge = write(directory.path(), "Judge.java", include_str!("judges/Judge.java"));
    let files: Vec<PathBuf> = leaves
        .iter()
        .map(|leaf| {
            let [list, _] = &partitions[1 - usize::from(leaf.partition)];
            write(directory.path(), leaf.name, &case(leaf, list, String::new()).file)
        })
        .collect();
    let (ran, told) = run(Command::new("java").arg(judge).args(&files));
    assert!(ran, "{told}");
    let undetermined = told.lines().filter(|line| line.starts_with("NO ") && line.contains("UNDETERMINED_REVOCATION"));
    assert_eq!(undetermined.count(), leaves.len(), "{told}");
}

#[test]
fn a3_gnutls_judges_by_the_full_list_and_verifies_the_others() {
    if !installed("certtool", "--version") {
        return;
    }
    let Scenery { leaves, root, intermediate, above, base, delta, partitions } = &*SCENERY;
    let cases: Vec<judges::Case> = leaves
        .iter()
        .map(|leaf| judges::Case {
            name: leaf.name.into(),
            revoked: leaf.revoked_on_base,
            leaf: leaf.pem.clone(),
            file: [&leaf.pem, intermediate, root, &crl(base), &crl(above)].map(String::as_str).concat(),
        })
        .collect();
    judges::gnutls(&cases);
    let directory = tempfile::tempdir().unwrap();
    let issuer = write(directory.path(), "oa.pem", intermediate);
    for (name, list) in
        core::iter::once(("delta", delta)).chain(partitions.iter().flatten().map(|list| ("partition", list)))
    {
        let (verified, told) = run(Command::new("certtool")
            .args(["--verify-crl", "--load-ca-certificate"])
            .arg(&issuer)
            .arg("--infile")
            .arg(write(directory.path(), "list.pem", &crl(list))));
        assert!(verified && told.contains("Verified"), "{name}: {told}");
    }
}

/// Every list with a name.
fn lists() -> Vec<(String, &'static [u8])> {
    let Scenery { above, base, delta, partitions, .. } = &*SCENERY;
    let named = [("root", above), ("base", base), ("delta", delta)];
    let named = named.into_iter().map(|(name, list)| (name.to_owned(), list.as_slice()));
    let of_partitions = partitions.iter().enumerate().flat_map(|(index, [full, delta])| {
        [(format!("partition-{index}"), full.as_slice()), (format!("partition-{index}-delta"), delta.as_slice())]
    });
    named.chain(of_partitions).collect()
}

#[test]
fn a3_pkilint_finds_nothing_in_any_list() {
    if !installed("lint_crl", "--help") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for (name, list) in lists() {
        let file = directory.path().join(&name);
        std::fs::write(&file, list).unwrap();
        let (_, told) =
            run(Command::new("lint_crl").args(["lint", "-t", "CRL", "-p", "PKIX", "-s", "NOTICE"]).arg(&file));
        let told: Vec<&str> = told.lines().filter(|line| !line.trim().is_empty()).collect();
        assert!(told.is_empty(), "{name}: {told:#?}");
    }
}

/// Go has no path validation with lists: it reads them, verifies the issuer's signature, and finds what is on them.
#[test]
fn a3_go_reads_and_verifies_every_list() {
    if !installed("go", "version") {
        return;
    }
    let Scenery { leaves, intermediate, base, delta, partitions, .. } = &*SCENERY;
    let directory = tempfile::tempdir().unwrap();
    let program = write(directory.path(), "judge.go", include_str!("judges/judge_crl.go"));
    write(directory.path(), "issuer", intermediate);
    let mut lists = vec![("base".to_owned(), base), ("delta".to_owned(), delta)];
    lists.extend(partitions.iter().enumerate().map(|(index, [full, _])| (format!("partition{index}"), full)));
    for (name, list) in &lists {
        write(directory.path(), name, &crl(list));
    }
    let mut command = Command::new("go");
    command
        .current_dir(directory.path())
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=mod")
        .arg("run")
        .arg(program);
    command.arg("issuer").args(lists.iter().map(|(name, _)| name)).arg("--");
    for leaf in leaves {
        write(directory.path(), leaf.name, &leaf.pem);
        command.arg(leaf.name);
    }
    let (ran, told) = run(&mut command);
    assert!(ran, "{told}");
    for leaf in leaves {
        let says = |list: &str, what: &str| {
            let line = format!("{list} {} {what}", leaf.name);
            assert!(told.lines().any(|told| told == line), "`{line}` is not among:\n{told}");
        };
        says("base", if leaf.revoked_on_base { "listed" } else { "absent" });
        let own = format!("partition{}", leaf.partition);
        says(&own, if leaf.revoked_on_base { "listed" } else { "absent" });
        says(&format!("partition{}", 1 - leaf.partition), "other-scope");
        let in_delta = match leaf.name {
            "late" => "listed",
            "freed" | "later-freed" => "removed",
            _ => "absent",
        };
        says("delta", in_delta);
    }
}
