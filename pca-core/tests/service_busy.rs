//! Others come first, at every call: a busy CA keeps nobody from a CRL, a refusal or an answer, and what is told was so at
//! one time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod service_support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pca_core::domain::CaId;
use pca_core::domain::ca::{CaState, DisableCa, Ending, Preview};
use pca_core::domain::certificate::RevokeCertificate;
use pca_core::domain::event::Money;
use pca_core::domain::order::{BuyIntermediate, ServiceTerm};
use pca_core::domain::quota::AssignQuota;
use pca_core::x509::{CertificateId, ParsedCrl, RevocationReason};
use pca_store_testkit::fakes::{InterruptedStore, Operation};
use service_support::{Kind, Site, by, reasons, server};

/// What never ends without a bound is let end here, and fails the test by its count.
const ENOUGH: usize = 200;

/// How often a service asked its store, by what it asked.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<HashMap<Operation, usize>>>);

impl Calls {
    fn note(&self, operation: Operation) -> usize {
        let mut calls = self.0.lock().unwrap();
        *calls.entry(operation).or_default() += 1;
        calls.values().sum()
    }

    fn take(&self) -> HashMap<Operation, usize> {
        core::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Lets certificates be issued from CAs right before each read and each commit.
fn busy(site: &Site, store: &InterruptedStore, cas: &[&CaId]) -> Calls {
    let calls = Calls::default();
    let (pca, counted) = (site.another(), calls.clone());
    let cas: Vec<CaId> = cas.iter().copied().cloned().collect();
    store.before_each(move |operation| {
        let matters = matches!(operation, Operation::Read | Operation::Commit);
        if counted.note(operation) < ENOUGH && matters {
            for ca in &cas {
                pca.issue(server(ca, "busy.example"), &by()).unwrap();
            }
        }
    });
    calls
}

fn issue(site: &Site, ca: &CaId, name: &str) -> CertificateId {
    site.pca.issue(server(ca, name), &by()).unwrap().answer.id
}

fn revoke(site: &Site, id: CertificateId) {
    site.run(RevokeCertificate { id, reason: RevocationReason::Superseded, invalidity_date: None });
}

/// A CA whose first generation issued and ended, and whose second one issues under the same name.
fn in_its_second_generation(kind: Kind) -> (Site, CaId, CertificateId) {
    let site = Site::new(kind);
    let ca = site.issuing(5000).intermediate;
    let ended = issue(&site, &ca, "ended.example");
    site.pca.reset_ca(site.reset(&ca, false), &by()).unwrap();
    site.enable(&ca, "Intermediate");
    (site, ca, ended)
}

#[test]
fn a3_a_crl_is_published_at_once_however_busy_its_ca_is() {
    let (site, ca, ended) = in_its_second_generation(Kind::Memory);
    let (pca, store) = site.interrupted();
    let calls = busy(&site, &store, &[&ca]);
    let publish = || {
        let crl = pollster::block_on(pca.unblocked().publish_crl(&ca, &by())).unwrap();
        let commits = calls.take().get(&Operation::Commit).copied().unwrap_or_default();
        let listed =
            ParsedCrl::from_der(crl.der).unwrap().entries().iter().map(|entry| entry.serial).collect::<Vec<_>>();
        (commits, crl.facts.number, listed)
    };
    let (commits, first, listed) = publish();
    assert_eq!((commits, listed), (1, vec![ended.serial()]), "what ended, and nothing that stands");
    let (commits, again, _) = publish();
    assert_eq!((commits, again), (0, first), "it stands");
    let revoked = issue(&site, &ca, "revoked.example");
    revoke(&site, revoked);
    let (commits, next, listed) = publish();
    assert_eq!((commits, listed.len()), (1, 2));
    assert!(next > first);
    store.leave_alone();
    site.check();
}

/// Eight callers issue without a pause; every CRL comes at the first attempt, and so does a reset once the CA is disabled.
#[test]
fn a3_crls_and_a_reset_do_not_wait_for_those_who_issue() {
    for kind in [Kind::FakeMemory, Kind::FakeFiles] {
        let (site, ca, _) = in_its_second_generation(kind);
        let (pca, store) = site.interrupted();
        let calls = Calls::default();
        let counted = calls.clone();
        store.before_each(move |operation| {
            counted.note(operation);
        });
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let Ok(_) = site.pca.issue(server(&ca, "host.example"), &by()) else { return };
                    }
                });
            }
            for _ in 0..20 {
                let id = issue(&site, &ca, "revoked.example");
                revoke(&site, id);
                pollster::block_on(pca.unblocked().publish_crl(&ca, &by())).unwrap();
                assert_eq!(calls.take().get(&Operation::Commit), Some(&1));
            }
            site.run(DisableCa { ca: ca.clone() });
            let ended = pca.reset_ca(site.reset(&ca, false), &by()).unwrap();
            assert!(ended.steps.iter().all(|step| step.outcome.is_ok()), "{:?}", ended.steps);
            over.store(true, Ordering::Relaxed);
        });
        site.check();
    }
}

/// Rule C8: while issuing goes on, what was shown is stale, and that is told; the question itself is always answered.
#[test]
fn c8_the_end_of_a_busy_ca_is_foreseen_and_refused_as_stale() {
    let site = Site::new(Kind::FakeMemory);
    let bought = site.issuing(4000);
    let (root, first) = (&bought.root, &bought.intermediate);
    let term = ServiceTerm::years(5);
    let second = &site.run(BuyIntermediate { root: root.clone(), term, paid: Money::nothing() }).intermediate;
    site.enable(second, "Second");
    site.run(pca_core::domain::order::BuyQuota { root: root.clone(), count: 4000, paid: Money::nothing() });
    site.run(AssignQuota { ca: second.clone(), units: 4000 });
    for ca in [first, second] {
        issue(&site, ca, "first.example");
    }
    let (pca, store) = site.interrupted();
    let calls = busy(&site, &store, &[first, second]);
    let bounded = |what: &str| {
        let calls = calls.take();
        assert!(calls.values().sum::<usize>() < 50, "{what}: {calls:?}");
    };
    for ca in [first, root] {
        let preview = Preview { ca: ca.clone(), ending: Ending::Reset };
        let seen = pollster::block_on(pca.unblocked().question(|desk, now| preview.ask(desk, now))).unwrap();
        bounded("preview");
        assert!(seen.still_issuing && seen.certificates > 0);
        if ca == root {
            let [first, second] = &seen.intermediates[..] else { panic!("{seen:?}") };
            assert_eq!(
                first.certificates, second.certificates,
                "both issue at the same pace: they are seen as of one time"
            );
        }
        let cascade = ca == root;
        let stale = [pca.reset_ca(site.reset(ca, cascade), &by()), pca.revoke_ca(site.revoke(ca, true), &by())];
        for error in stale.map(Result::unwrap_err) {
            assert_eq!(reasons(&error), ["C8 stale-preview"]);
            let told = error.to_string();
            assert!(told.contains(&format!("disable {ca} first")), "{told}");
        }
        bounded("endings");
    }
    store.leave_alone();
    let state =
        |ca: &CaId| pollster::block_on(site.pca.unblocked().question(|desk, _| Ok(desk.ca(ca)?.state()))).unwrap();
    assert_eq!([root, first, second].map(state), [CaState::Enabled; 3]);
    site.check();
}

/// Eight callers revoke without a pause: a CRL takes its turn among them.
#[test]
fn a3_crls_take_their_turn_among_revocations() {
    for kind in [Kind::FakeMemory, Kind::FakeFiles] {
        let site = Site::new(kind);
        let ca = site.issuing(960).intermediate;
        let (requests, call) = ((0..960).map(|_| server(&ca, "host.example")), by());
        let ids: Vec<_> = site.pca.issue_many(requests, &call).map(|done| done.unwrap().answer.id).collect();
        let (pca, store) = site.interrupted();
        let (calls, published) = (Calls::default(), std::thread::current().id());
        let counted = calls.clone();
        store.before_each(move |operation| {
            if std::thread::current().id() == published {
                counted.note(operation);
            }
        });
        let left = std::sync::atomic::AtomicUsize::new(8);
        std::thread::scope(|scope| {
            for ids in ids.chunks(120) {
                let (pca, left) = (&pca, &left);
                scope.spawn(move || {
                    for id in ids {
                        let revoke =
                            RevokeCertificate { id: *id, reason: RevocationReason::Superseded, invalidity_date: None };
                        pca.execute(revoke, &by()).unwrap();
                    }
                    left.fetch_sub(1, Ordering::Relaxed);
                });
            }
            let mut most = 0;
            while left.load(Ordering::Relaxed) > 0 {
                pollster::block_on(pca.unblocked().publish_crl(&ca, &by())).unwrap();
                most = most.max(calls.take().get(&Operation::Commit).copied().unwrap_or_default());
            }
            assert!(most <= 10, "{most}: the first attempt, those of whom it met, and its turn");
        });
        site.check();
    }
}
