//! `kill -9` at random moments while certificates are issued in bulk into files: whatever was reported exists after
//! opening again, nothing exists half, and the verifiers find nothing.
//!
//! The child is this test binary again, told by the environment where its files are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod service_support;

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use pca_core::domain::certificate::{IssueCertificate, KeySource};
use pca_core::domain::event::{Event, Money};
use pca_core::domain::order::BuyQuota;
use pca_core::domain::quota::AssignQuota;
use pca_core::domain::testing::{new_key, sign};
use pca_core::domain::{CaId, stream};
use pca_core::keys::Algorithm;
use pca_core::ports::{EventStore, KeyStore};
use pca_core::service::{OneAdministrator, Parts, Pca, blocking};
use pca_core::x509::{CommonName, ParsedCertificate, SubjectFields, VerifiedCsr, assemble, csr_tbs};
use pca_store_testkit::fakes::SeededEntropy;
use service_support::{by, check, events, file_events, file_keys, rounds, server, whole};
use tempfile::TempDir;

const DIRECTORY: &str = "PCA_CRASH_DIRECTORY";
const ROUND: &str = "PCA_CRASH_ROUND";
/// How many kills a log goes through.
const LOG: u64 = 4;

struct Now;

impl pca_core::ports::Clock for Now {
    fn now(&self) -> pca_core::log::Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        pca_core::log::Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
    }
}

struct Opened {
    store: Arc<dyn EventStore>,
    keys: Arc<dyn KeyStore>,
    pca: blocking::Pca,
}

/// Randomness differs from round to round, as serial numbers must.
fn open(directory: &Path, round: u64) -> Opened {
    let store: Arc<dyn EventStore> = Arc::new(file_events(directory));
    let keys: Arc<dyn KeyStore> = Arc::new(file_keys(directory));
    let pca = Pca::new(Parts {
        store: Arc::clone(&store),
        keys: Arc::clone(&keys),
        clock: Arc::new(Now),
        entropy: Arc::new(SeededEntropy::new(1000 + round)),
        authorizer: Arc::new(OneAdministrator),
        journal: Arc::default(),
        recorder: None,
        snapshots: None,
    });
    Opened { store, keys, pca: blocking::Pca::new(pca) }
}

fn prepare(directory: &Path) -> CaId {
    let Opened { pca, .. } = open(directory, u64::MAX - 1000);
    let founding =
        pca_core::domain::enterprise::FoundEnterprise { name: None, rehearsal: false, policy: Default::default() };
    pca.execute(founding, &by()).unwrap();
    let bought = pca.execute(service_support::buy_root(), &by()).unwrap().answer;
    pca.execute(service_support::enable(&bought.root, "Root"), &by()).unwrap();
    pca.execute(service_support::enable(&bought.intermediate, "Intermediate"), &by()).unwrap();
    let (root, count) = (bought.root, 1_000_000_000);
    pca.execute(BuyQuota { root, count, paid: Money::nothing() }, &by()).unwrap();
    pca.execute(AssignQuota { ca: bought.intermediate.clone(), units: count }, &by()).unwrap();
    bought.intermediate
}

/// What the child does until it is killed. It is no test without its environment.
#[test]
fn child() {
    let (Ok(directory), Ok(round)) = (std::env::var(DIRECTORY), std::env::var(ROUND)) else { return };
    let (directory, round) = (Path::new(&directory), round.parse::<u64>().unwrap());
    let ca: CaId = std::fs::read_to_string(directory.join("ca")).unwrap().parse().unwrap();
    let opened = open(directory, round);
    let key = new_key(Algorithm::EcdsaP256);
    let name = SubjectFields::common("asked for").to_name(CommonName::Required).unwrap();
    let tbs = csr_tbs(&name, key.public_key(), &[]);
    let (signature, algorithm) = sign(&key, &tbs);
    let csr = VerifiedCsr::verify(&assemble(&tbs, algorithm, &signature)).unwrap();
    let requests = (0_u64..).map(|number| {
        let request = server(&ca, &format!("host{number}.example"));
        if number % 2 == 0 { request } else { IssueCertificate { key: KeySource::Csr(csr.clone()), ..request } }
    });
    let mut out = std::io::stdout().lock();
    let mut report = |issued: pca_core::domain::certificate::Issued| {
        writeln!(out, "issued {} {}", issued.id, issued.key.map_or(String::from("-"), |key| key.to_string())).unwrap();
        out.flush().unwrap();
    };
    let call = by();
    if round % 2 == 0 {
        // In bulk: windows of many.
        for done in opened.pca.issue_many(requests, &call) {
            report(done.unwrap().answer);
        }
    } else {
        // One by one.
        for request in requests {
            report(opened.pca.issue(request, &call).unwrap().answer);
        }
    }
}

fn start(directory: &Path, round: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs a child, kills it some time after its first report (or before any), and gives what it reported in whole lines.
fn reported(directory: &Path, round: u64) -> Vec<(String, String)> {
    let mut child = start(directory, round);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut reported = Vec::new();
    // Numbers that look drawn: after how many reports, and how many microseconds later.
    let drawn = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let (after, pause) = (usize::try_from(drawn % 40).unwrap(), Duration::from_micros(drawn / 64 % 30_000));
    let kill = |child: &mut Child| {
        std::thread::sleep(pause);
        child.kill().unwrap();
    };
    if round % 10 == 9 {
        // While it is opening, perhaps.
        kill(&mut child);
    }
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        if line.ends_with('\n')
            && let Some((_, report)) = line.split_once("issued ")
        {
            let (id, key) = report.trim_end().split_once(' ').unwrap();
            reported.push((id.to_string(), key.to_string()));
            if reported.len() == after + 1 {
                kill(&mut child);
            }
        }
        line.clear();
    }
    child.wait().unwrap();
    reported
}

#[test]
fn whatever_was_reported_survives_kill_9_and_nothing_exists_half() {
    if std::env::var(DIRECTORY).is_ok() {
        return;
    }
    let (mut kills, mut reports, mut directory, mut ca) = (0, Vec::new(), TempDir::new().unwrap(), None);
    let mut verified = HashSet::new();
    for round in 0..rounds(10).min(200) {
        // A log goes through several kills.
        if round % LOG == 0 {
            (directory, reports, verified) = (TempDir::new().unwrap(), Vec::new(), HashSet::new());
            ca = Some(prepare(directory.path()));
            std::fs::write(directory.path().join("ca"), ca.as_ref().unwrap().as_str()).unwrap();
        }
        reports.extend(reported(directory.path(), round));
        kills += 1;
        inspect(directory.path(), round, ca.as_ref().unwrap(), &reports, &mut verified);
    }
    eprintln!("{kills} kills");
    assert!(kills >= 10);
}

fn inspect(
    directory: &Path,
    round: u64,
    ca: &CaId,
    reports: &[(String, String)],
    verified: &mut HashSet<pca_core::x509::CertificateId>,
) {
    let opened = open(directory, (1 << 40) + round);
    let log = whole(&*opened.store);
    check(&log, false);
    let authority =
        pollster::block_on(opened.pca.unblocked().question(|desk, _| Ok(desk.ca(ca)?.generation().cloned())));
    let authority = ParsedCertificate::from_der(authority.unwrap().unwrap().certificate.as_bytes()).unwrap();
    let mut issued = HashMap::new();
    for event in events(&log) {
        if let Event::CertificateIssued(event) = event {
            // None exists half: each verifies, and the key that the platform made for it is there.
            if verified.insert(event.id) {
                let certificate = ParsedCertificate::from_der(event.certificate.as_bytes()).unwrap();
                certificate.verify_signature(authority.public_key().unwrap()).unwrap();
            }
            issued.insert(event.id.to_string(), event);
        }
    }
    let keys: HashSet<_> = pollster::block_on(opened.keys.list()).unwrap().into_iter().map(|entry| entry.id).collect();
    assert!(issued.values().filter_map(|event| event.key.as_ref()).all(|key| keys.contains(key)));
    // What was reported exists, and its key can be handed out.
    for (number, (id, key)) in reports.iter().enumerate() {
        let event = issued.get(id).unwrap_or_else(|| panic!("{id} was reported in round {round}, but does not exist"));
        assert_eq!(event.key.as_ref().map_or("-".into(), ToString::to_string), *key);
        if number % 50 == 0
            && let Some(id) = &event.key
        {
            let private = pollster::block_on(opened.keys.export(id)).unwrap();
            assert_eq!(private.public_key().digest(), event.spki);
        }
    }
    // And the service goes on.
    let next = opened.pca.issue(server(ca, "next.example"), &by()).unwrap().answer;
    let quota = pollster::block_on(
        opened.store.read(&[(stream::quota(ca), pca_core::log::Revision::ZERO)], pca_core::log::Position::MAX),
    );
    assert_eq!(next.balance.consumed, u64::try_from(issued.len()).unwrap() + 1);
    assert_eq!(quota.unwrap().streams[0].events.len(), issued.len() + 2);
}
