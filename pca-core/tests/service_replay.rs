//! Decisions replay: with requests and contexts kept, deciding again on the state before each commit gives the same
//! events. And what somebody changes in a log afterwards is found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod service_support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::future;
use pca_core::domain::ca::{DisableCa, ReenableCa};
use pca_core::domain::certificate::{IssueAtomically, ReleaseHold, RemoveCertificate, RevokeCertificate};
use pca_core::domain::event::{CertificateIssued, Event, Money};
use pca_core::domain::order::{BuyIntermediate, BuyQuota, RequestRefund, ReturnRefund, ServiceTerm};
use pca_core::domain::quota::AssignQuota;
use pca_core::domain::{Desk, Halt, Need, State, stream};
use pca_core::log::{
    Commit, EncodedEvent, EventData as _, Head, Metadata, Position, Recorded, Revision, Timestamp, Verifier, World,
};
use pca_core::projection::{CertificateFilter, DomainFault, DomainVerifier, Inventory, Orders};
use pca_core::service::{DecisionRecord, Recorder};
use pca_core::x509::RevocationReason;
use service_support::{Kind, Site, by, check, server};

#[derive(Default)]
struct Kept(Mutex<Vec<DecisionRecord>>);

impl Recorder for Kept {
    fn decided(&self, record: DecisionRecord) {
        self.0.lock().unwrap().push(record);
    }
}

/// A history with something of everything, much of it at once.
fn history(kind: Kind) -> (Site, Vec<DecisionRecord>) {
    let kept = Arc::new(Kept::default());
    let recorder: Arc<dyn Recorder> = Arc::<Kept>::clone(&kept);
    let site = Site::observed(kind, Some(recorder));
    let bought = site.issuing(60);
    let (root, oa) = (&bought.root, &bought.intermediate);
    let (pca, call) = (site.pca.unblocked().clone(), by());
    let issue = |number: usize| pca.issue(server(oa, &format!("host{number}.example")), &call);
    let mut issued = pollster::block_on(future::join_all((0..20).map(issue)));
    let threads: Vec<_> = (20..28)
        .map(|number| {
            let (pca, oa) = (pca.clone(), oa.clone());
            std::thread::spawn(move || pollster::block_on(pca.issue(server(&oa, &format!("t{number}.example")), &by())))
        })
        .collect();
    site.clock.advance_secs(60);
    site.run(BuyQuota { root: root.clone(), count: 5, paid: Money::nothing() });
    site.run(AssignQuota { ca: oa.clone(), units: 3 });
    issued.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
    let bulk: Vec<_> = site.pca.issue_many((0..10).map(|n| server(oa, &format!("b{n}.example"))), &call).collect();
    issued.extend(bulk);
    let ids: Vec<_> = issued.into_iter().map(|done| done.unwrap().answer.id).collect();
    let requests = vec![server(oa, "x.example"), server(oa, "y.example")];
    site.pca.issue_atomically(IssueAtomically { requests }, &call).unwrap();
    for (id, reason) in ids.iter().zip([
        RevocationReason::CertificateHold,
        RevocationReason::Superseded,
        RevocationReason::KeyCompromise,
        RevocationReason::CertificateHold,
    ]) {
        site.run(RevokeCertificate { id: *id, reason, invalidity_date: None });
    }
    site.run(ReleaseHold { id: ids[0] });
    site.run(RemoveCertificate { id: ids[1] });
    pollster::block_on(pca.publish_crl(oa, &call)).unwrap();
    site.pca.sweep_keys(Timestamp::EPOCH, &call).unwrap();
    let further = site.run(BuyIntermediate { root: root.clone(), term: ServiceTerm::years(1), paid: Money::nothing() });
    site.run(RequestRefund { order: further.order.clone() });
    site.run(ReturnRefund { order: further.order });
    site.run(DisableCa { ca: oa.clone() });
    site.run(ReenableCa { ca: oa.clone() });
    site.pca.reset_ca(site.reset(oa, false), &call).unwrap();
    site.enable(oa, "Intermediate");
    site.pca.issue(server(oa, "again.example"), &call).unwrap();
    site.pca.revoke_ca(site.revoke(root, true), &call).unwrap();
    site.check();
    let records = kept.0.lock().unwrap().clone();
    (site, records)
}

/// A question about one thing is answered from its own streams as it is from the whole log, at every position.
#[test]
fn one_certificate_or_order_is_told_from_its_own_streams() {
    let (site, _) = history(Kind::Memory);
    let pca = site.pca.unblocked();
    let ends: Vec<Position> = site.log().iter().map(|recorded| recorded.seal().last()).collect();
    let (mut seen, mut statuses) = (0, std::collections::BTreeSet::new());
    for until in ends.into_iter().step_by(3).chain([Position::MAX]) {
        let inventory: Inventory = pollster::block_on(pca.project(until)).unwrap();
        let orders: Orders = pollster::block_on(pca.project(until)).unwrap();
        let now = inventory.time();
        for entry in inventory.certificates(&CertificateFilter::default(), now) {
            let streams = [stream::certificate(&entry.id), stream::ca(&entry.ca)];
            let few: Inventory = pollster::block_on(pca.project_streams(&streams, until)).unwrap();
            assert_eq!(few.certificate(&entry.id), Some(entry));
            assert_eq!(few.status(entry, now), inventory.status(entry, now));
            assert_eq!(few.end_of(entry).map(|end| end.at), inventory.end_of(entry).map(|end| end.at));
            statuses.insert(inventory.status(entry, now));
            seen += 1;
        }
        for entry in orders.entries() {
            let streams = [stream::order(&entry.order)];
            let few: Orders = pollster::block_on(pca.project_streams(&streams, until)).unwrap();
            assert_eq!(few.order(&entry.order), Some(entry));
        }
    }
    assert!(seen > 100 && statuses.len() >= 4, "{seen} {statuses:?}");
}

/// Decides again, on nothing but what the log said before.
fn decide_again(site: &Site, record: &DecisionRecord) -> Result<Vec<Event>, Halt> {
    let before = Position::new(record.receipt.first.get() - 1);
    let mut world: World<State> = World::default();
    loop {
        let halt = match record.decide_again(&Desk::new(world.desk(), &record.evidence)) {
            Err(Halt::Needs(need)) => need,
            outcome => return outcome,
        };
        let mut streams = Vec::new();
        let mut needs = vec![halt];
        while let Some(need) = needs.pop() {
            match need {
                Need::Stream(stream) => streams.push((stream, Revision::ZERO)),
                Need::All(all) => needs.extend(all),
                other => panic!("{} needs {other:?}, which was not kept", record.command),
            }
        }
        for slice in &pollster::block_on(site.store.read(&streams, before)).unwrap().streams {
            world.apply(slice).unwrap();
        }
    }
}

#[test]
fn every_decision_comes_out_the_same_on_the_state_before_its_commit() {
    for kind in Kind::REAL {
        let (site, records) = history(kind);
        let log = site.log();
        assert_eq!(records.len(), log.len(), "every commit was decided in sight of the recorder");
        for record in &records {
            let decided = decide_again(&site, record);
            assert_eq!(decided.as_ref(), Ok(&record.events), "{record:?}");
            let kept = log.iter().find(|recorded| recorded.receipt() == record.receipt).unwrap();
            assert_eq!(service_support::events(core::slice::from_ref(kept)), record.events);
        }
    }
}

/// The log as somebody would write it who knows the format: digests, positions and times fit.
fn forge(log: &[Arc<Recorded>], mut change: impl FnMut(usize, &Recorded) -> Option<Commit>) -> Vec<Arc<Recorded>> {
    let mut head = Head::GENESIS;
    let mut forged = Vec::new();
    for (number, recorded) in log.iter().enumerate() {
        let Some(commit) = change(number, recorded) else { continue };
        let seal = head.seal(&commit);
        head = seal.head();
        forged.push(Arc::new(Recorded::new(seal, commit)));
    }
    forged
}

fn rewritten(recorded: &Recorded, metadata: Metadata, change: &mut dyn FnMut(&mut Event)) -> Commit {
    let commit = recorded.commit();
    let mut guards: BTreeMap<_, _> =
        commit.guards().iter().map(|guard| (guard.stream.clone(), guard.revision)).collect();
    let events: Vec<EncodedEvent> = commit
        .events()
        .map(|view| {
            let mut event = Event::decode(&view).unwrap();
            change(&mut event);
            event.encode().unwrap()
        })
        .collect();
    for stream in events.iter().flat_map(|event| &event.streams) {
        guards.entry(stream.clone()).or_insert(Revision::ZERO);
    }
    Commit::new(commit.id(), commit.request(), metadata, guards, &events).unwrap()
}

/// Changes every certificate's event, from the second on.
fn with_issued(
    log: &[Arc<Recorded>],
    change: impl Fn(&CertificateIssued, &mut CertificateIssued),
) -> Vec<Arc<Recorded>> {
    let mut first: Option<CertificateIssued> = None;
    forge(log, |_, recorded| {
        Some(rewritten(recorded, recorded.commit().metadata().clone(), &mut |event| {
            if let Event::CertificateIssued(issued) = event {
                match &first {
                    Some(first) => change(first, issued),
                    None => first = Some(issued.clone()),
                }
            }
        }))
    })
}

fn faults(log: &[Arc<Recorded>]) -> (usize, Vec<DomainFault>) {
    let (mut verifier, mut domain) = (Verifier::default(), DomainVerifier::default());
    let (mut count, mut faults) = (0, Vec::new());
    for recorded in log {
        count += verifier.follow(recorded).len();
        faults.extend(domain.follow(recorded));
        faults.extend(domain.finish().err());
    }
    (count, faults)
}

#[test]
fn a_log_that_was_tampered_with_is_found_out() {
    let (site, records) = history(Kind::Memory);
    let log = site.log();
    let head = *log.last().unwrap().seal();
    check(&forge(&log, |_, recorded| Some(recorded.commit().clone())), true);

    // Octets: one bit anywhere in what is kept.
    for (number, recorded) in log.iter().enumerate() {
        let body = recorded.commit().body();
        let seal = recorded.seal();
        for bit in [0, 7, body.len() * 4, body.len() * 8 - 1 - number % 64] {
            let mut octets = body.to_vec();
            octets[bit / 8] ^= 1 << (bit % 8);
            let restored = Recorded::restore(octets.into(), seal.previous, seal.first, seal.time, seal.digest);
            assert!(restored.is_err(), "bit {bit} of commit {number}");
        }
    }
    // Whole commits, left as they are: one is missing, two are exchanged, the newest are cut off.
    for number in 1..log.len() - 1 {
        let mut missing = log.clone();
        missing.remove(number);
        assert!(faults(&missing).0 > 0);
        let mut exchanged = log.clone();
        exchanged.swap(number, number + 1);
        assert!(faults(&exchanged).0 > 0);
    }
    assert_ne!(log[log.len() - 2].seal().digest, head.digest);

    // A log forged with all its digests has another head than the receipts that were given out, whatever was changed.
    let renamed = forge(&log, |number, recorded| {
        let mut metadata = recorded.commit().metadata().clone();
        if number == 3 {
            metadata.actor = "somebody else".into();
        }
        Some(rewritten(recorded, metadata, &mut |_| {}))
    });
    assert_ne!(renamed.last().unwrap().seal().digest, head.digest);
    let receipts: Vec<_> = records.iter().map(|record| record.receipt.digest).collect();
    assert_eq!(renamed.iter().filter(|recorded| receipts.contains(&recorded.seal().digest)).count(), 3);

    // And what does not fit the rules is found without any receipt.
    let is = |log: &[Arc<Recorded>], expected: &dyn Fn(&DomainFault) -> bool| {
        let (chain, faults) = faults(log);
        assert!(chain > 0 || faults.iter().any(expected), "{faults:?}");
    };
    let ledger = |fault: &DomainFault| matches!(fault, DomainFault::Ledger { .. });
    let certificate = |fault: &DomainFault| matches!(fault, DomainFault::Certificate { .. });
    is(&with_issued(&log, |_, issued| issued.balance.remaining += 1), &ledger);
    is(&with_issued(&log, |_, issued| issued.not_after = issued.not_after.plus_secs(86_400)), &certificate);
    is(&with_issued(&log, |first, issued| issued.certificate = first.certificate.clone()), &certificate);
    is(&with_issued(&log, |first, issued| issued.id = first.id), &|fault| matches!(fault, DomainFault::Serial { .. }));
    is(
        &with_issued(&log, |first, issued| {
            issued.lot = pca_core::domain::LotId::derive(&log[0].commit().id(), 9).max(first.lot.clone())
        }),
        &ledger,
    );
    let signature = with_issued(&log, |_, issued| {
        let mut der = issued.certificate.as_bytes().to_vec();
        *der.last_mut().unwrap() ^= 1;
        issued.certificate = der.into();
    });
    is(&signature, &certificate);
    let dropped = forge(&log, |_, recorded| {
        let assigned = recorded.commit().events().any(|view| view.kind() == "QuotaAssigned");
        (!assigned).then(|| recorded.commit().clone())
    });
    is(&dropped, &ledger);
}
