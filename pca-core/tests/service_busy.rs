//! Others come first, at every call: a busy CA keeps nobody from a CRL, a refusal or an answer, and what is told was so at
//! one time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod service_support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pca_core::domain::CaId;
use pca_core::domain::ca::{CaState, ConfigureCa, DisableCa, Ending, Preview, ReenableCa};
use pca_core::domain::certificate::{IssueAtomically, RevokeCertificate};
use pca_core::domain::crl::PublishCrl;
use pca_core::domain::event::{Addresses, Money};
use pca_core::domain::order::{BuyIntermediate, ServiceTerm};
use pca_core::domain::quota::AssignQuota;
use pca_core::service::blocking;
use pca_core::x509::{CertificateId, ParsedCrl, RevocationReason};
use pca_store_memory::MemoryEventStore;
use pca_store_testkit::fakes::{FakeKeyStore, InterruptedStore, Operation};
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

/// Lets something be done once, right before the `nth` call of a kind.
fn once(store: &InterruptedStore, operation: Operation, nth: usize, act: impl Fn() + Send + Sync + 'static) {
    let count = std::sync::atomic::AtomicUsize::new(0);
    store.before_each(move |called| {
        if called == operation && count.fetch_add(1, Ordering::Relaxed) + 1 == nth {
            act();
        }
    });
}

/// Rule O6: who asks twice at once gets one answer twice, and not the refusal that the other call has brought about.
#[test]
fn o6_a_repeat_that_lands_meanwhile_is_answered_and_not_refused() {
    let site = Site::new(Kind::FakeMemory);
    let ca = site.issuing(1).intermediate;
    let (pca, store) = site.interrupted();
    let call = by().idempotent("once");
    let disable = DisableCa { ca: ca.clone() };
    // The receipt was asked for, and there was none: the time is drawn next.
    let (other, same, keyed) = (site.another(), disable.clone(), call.clone());
    once(&store, Operation::Head, 1, move || assert!(!other.execute(same.clone(), &keyed).unwrap().repeated));
    let done = pca.execute(disable.clone(), &call).unwrap();
    assert!(done.repeated);
    assert_eq!(site.log().last().unwrap().receipt(), done.receipt);
    store.leave_alone();
    for other in [by(), by().idempotent("another")] {
        assert_eq!(reasons(&pca.execute(disable.clone(), &other).unwrap_err()), ["C10 already-disabled"]);
    }

    site.run(ReenableCa { ca: ca.clone() });
    let (other, same, keyed) = (site.another(), server(&ca, "a.example"), by().idempotent("the last unit"));
    let call = keyed.clone();
    once(&store, Operation::Head, 1, move || assert!(!other.issue(same.clone(), &keyed).unwrap().repeated));
    let done = pca.issue(server(&ca, "a.example"), &call).unwrap();
    assert!(done.repeated, "though no unit is left");
    store.leave_alone();
    assert_eq!(reasons(&pca.issue(server(&ca, "a.example"), &by()).unwrap_err()), ["Q2 no-quota-left"]);
    let count = |kind: &str| site.events().iter().filter(|event| event.kind() == kind).count();
    assert_eq!((count("CaDisabled"), count("CertificateIssued")), (1, 1));
    site.check();
}

fn states(pca: &blocking::Pca, cas: [&CaId; 2]) -> [CaState; 2] {
    let [first, second] = cas;
    let both = pca.unblocked().question(|desk, _| Ok([desk.ca(first)?.state(), desk.ca(second)?.state()]));
    pollster::block_on(both).unwrap()
}

/// The intermediate is disabled; then it is enabled again, and then its root is disabled: both never are at once. Whenever
/// that comes between, refusals and answers are of one time.
#[test]
fn l4_what_is_told_was_so_at_one_time() {
    let site = Site::new(Kind::FakeMemory);
    let bought = site.issuing(5);
    let (root, ca) = (bought.root, bought.intermediate);
    site.run(DisableCa { ca: ca.clone() });
    let mut seen = Vec::new();
    for nth in 1..10 {
        for refusal in [true, false] {
            let (pca, store) = site.interrupted();
            let (other, root_id, ca_id) = (site.another(), root.clone(), ca.clone());
            once(&store, Operation::Read, nth, move || {
                other.execute(ReenableCa { ca: ca_id.clone() }, &by()).unwrap();
                other.execute(DisableCa { ca: root_id.clone() }, &by()).unwrap();
            });
            if refusal {
                let issue = IssueAtomically { requests: vec![server(&ca, "a.example")] };
                let error = pca.execute(issue, &by()).unwrap_err();
                assert_eq!(reasons(&error), ["I1 ca-disabled"], "before read {nth}: {error}");
            } else {
                let told = states(&pca, [&ca, &root]);
                assert_ne!(told, [CaState::Disabled; 2], "before read {nth}");
                seen.push(told);
            }
            store.leave_alone();
            if states(&site.pca, [&ca, &root]) == [CaState::Enabled, CaState::Disabled] {
                site.run(ReenableCa { ca: root.clone() });
                site.run(DisableCa { ca: ca.clone() });
            }
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 2, "it came in time, and it came too late");
}

/// However busy what it looked at is, a refusal is told and a question answered, after a handful of reads.
#[test]
fn l4_a_refusal_and_an_answer_wait_for_no_pause() {
    let site = Site::new(Kind::FakeMemory);
    let bought = site.issuing(5);
    let (root, ca) = (&bought.root, &bought.intermediate);
    let (pca, store) = site.interrupted();
    let calls = Calls::default();
    let (other, counted, cas) = (site.another(), calls.clone(), [root.clone(), ca.clone()]);
    store.before_each(move |operation| {
        if counted.note(operation) < ENOUGH && operation == Operation::Read {
            for ca in cas.clone() {
                other.execute(ConfigureCa::addresses(ca, Addresses::default()), &by()).unwrap();
            }
        }
    });
    let refusal = pca.execute(ReenableCa { ca: ca.clone() }, &by()).unwrap_err();
    assert_eq!(reasons(&refusal), ["C10 not-disabled"]);
    let reads = calls.take()[&Operation::Read];
    assert!(reads < 12, "{reads}");
    assert_eq!(states(&pca, [ca, root]), [CaState::Enabled; 2]);
    let reads = calls.take()[&Operation::Read];
    assert!(reads < 6, "{reads}");
}

/// A CRL that stands is no new one: whoever asks by the general way is told of it, with the proof of its publication.
#[test]
fn a3_a_crl_that_stands_is_answered_with_its_receipt() {
    let site = Site::new(Kind::FakeMemory);
    let ca = site.issuing(5).intermediate;
    let publish = PublishCrl::full(ca.clone());
    let first = site.done(publish.clone());
    assert!(!first.repeated);
    issue(&site, &ca, "a.example");
    let position = site.position();
    for call in [by(), by().idempotent("crl")] {
        let again = site.pca.execute(publish.clone(), &call).unwrap();
        assert_eq!((&again.answer, again.receipt, again.repeated), (&first.answer, first.receipt, true));
    }
    assert_eq!(site.position(), position);
    assert_eq!(site.log().iter().filter(|recorded| recorded.receipt() == first.receipt).count(), 1);
    // The key was not used up by that: what changes is published under it.
    let id = issue(&site, &ca, "b.example");
    revoke(&site, id);
    let next = site.pca.execute(publish, &by().idempotent("crl")).unwrap();
    assert!(!next.repeated && next.answer.number > first.answer.number);
}

/// A lane that lost its state because somebody else came first keeps what is being signed for it: it is the same octets that
/// are needed.
#[test]
fn what_is_being_signed_is_not_signed_again_when_others_come_first() {
    let keys = FakeKeyStore::new();
    let site = Site::over(Kind::FakeMemory, MemoryEventStore::new(), keys.clone());
    let ca = site.issuing(3000).intermediate;
    let (pca, store) = site.interrupted();
    let calls = busy(&site, &store, &[&ca]);
    keys.slow_down(10);
    let before = keys.signatures();
    let requests = (0..600).map(|number| server(&ca, &format!("h{number}.example")));
    assert_eq!(pca.issue_many(requests, &by()).filter(Result::is_ok).count(), 600);
    store.leave_alone();
    assert!(calls.take().get(&Operation::Commit).is_some_and(|commits| *commits > 1), "others came in between");
    let consumed = pca.unblocked().question(|desk, _| Ok(desk.quota(&ca)?.consumed()));
    let consumed = pollster::block_on(consumed).unwrap();
    assert!(consumed > 600);
    assert_eq!(keys.signatures() - before, consumed);
}
