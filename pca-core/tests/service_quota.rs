//! Quota under fire (rule Q5): however many call at once, from one service or two, with real keys or fake ones, no unit
//! is spent twice and none is lost; nobody who stops waiting, or waits without looking, keeps the others waiting.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod service_support;

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Barrier, LazyLock, Mutex, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, future};
use pca_core::domain::CaId;
use pca_core::domain::certificate::{IssueCertificate, KeySource, RevokeCertificate};
use pca_core::domain::event::Money;
use pca_core::domain::order::BuyQuota;
use pca_core::domain::quota::AssignQuota;
use pca_core::domain::testing::{new_key, sign};
use pca_core::keys::Algorithm;
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamId, StreamsRead,
};
use pca_core::ports::{EventStore, Lease, Limits};
use pca_core::projection::DomainVerifier;
use pca_core::service::{Error, Pca};
use pca_core::x509::{CommonName, RevocationReason, SubjectFields, VerifiedCsr, assemble, csr_tbs};
use pca_store_memory::MemoryEventStore;
use pca_store_testkit::broken::Defect;
use pca_store_testkit::fakes::{FakeKeyStore, RecordingStore};
use pca_store_testkit::model::ModelStore;
use service_support::{Kind, Site, by, reasons, rounds, server};

const CALLERS: usize = 64;
const UNITS: usize = 10;

/// Fails instead of hanging for ever.
fn within(seconds: u64, test: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        let _ = sender.send(());
    });
    match receiver.recv_timeout(Duration::from_secs(seconds)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("somebody waits for ever"),
        _ => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

/// Whether it was issued; anything but the want of quota fails the test.
#[track_caller]
fn issued(outcome: Result<impl Sized, Error>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(reasons(&error), ["Q2 no-quota-left"]);
            false
        }
    }
}

fn csr() -> VerifiedCsr {
    let key = new_key(Algorithm::EcdsaP256);
    let name = SubjectFields::common("asked for").to_name(CommonName::Required).unwrap();
    let tbs = csr_tbs(&name, key.public_key(), &[]);
    let (signature, algorithm) = sign(&key, &tbs);
    VerifiedCsr::verify(&assemble(&tbs, algorithm, &signature)).unwrap()
}

/// Every other one is for a key that its holder made.
fn request(ca: &CaId, number: usize) -> IssueCertificate {
    static KEY: LazyLock<KeySource> = LazyLock::new(|| KeySource::Csr(csr()));
    let request = server(ca, &format!("host{number}.example"));
    if (number / 2).is_multiple_of(2) { request } else { IssueCertificate { key: KEY.clone(), ..request } }
}

/// 64 callers at once, each on a thread of its own, or all on one thread.
fn race(services: &[Pca], ca: &CaId, threads: bool) -> usize {
    let call = by();
    let issue = |number: usize| {
        let pca = &services[number % services.len()];
        pca.issue(request(ca, number), &call)
    };
    if !threads {
        let outcomes = pollster::block_on(future::join_all((0..CALLERS).map(issue)));
        return outcomes.into_iter().filter_map(|outcome| issued(outcome).then_some(())).count();
    }
    let barrier = Barrier::new(CALLERS);
    std::thread::scope(|scope| {
        let caller = |number| {
            let (barrier, issue) = (&barrier, &issue);
            scope.spawn(move || {
                barrier.wait();
                issued(pollster::block_on(issue(number)))
            })
        };
        let callers: Vec<_> = (0..CALLERS).map(caller).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).filter(|issued| *issued).count()
    })
}

fn races(kind: Kind, services: usize, rounds: u64) {
    within(1800, move || {
        // One log for many rounds: each brings another intermediate to its last unit.
        let site = Site::new(kind);
        let bought = site.issuing(0);
        let services: Vec<Pca> = core::iter::once(site.pca.clone())
            .chain(core::iter::repeat_with(|| site.another()))
            .take(services)
            .map(|pca| pca.unblocked().clone())
            .collect();
        for round in 0..rounds {
            if round > 0 {
                site.run(BuyQuota { root: bought.root.clone(), count: 10, paid: Money::nothing() });
            }
            site.run(AssignQuota { ca: bought.intermediate.clone(), units: 10 });
            let issued = race(&services, &bought.intermediate, round % 2 == 0);
            assert_eq!(issued, UNITS, "round {round}");
        }
        assert_eq!(site.events().iter().filter(|event| event.kind() == "CertificateIssued").count(), {
            UNITS * usize::try_from(rounds).unwrap()
        });
        site.check();
    });
}

#[test]
fn ten_units_are_ten_certificates_in_memory() {
    races(Kind::FakeMemory, 1, rounds(30));
}

#[test]
fn ten_units_are_ten_certificates_in_files() {
    races(Kind::FakeFiles, 1, rounds(20));
}

#[test]
fn ten_units_are_ten_certificates_for_two_services_on_one_log_in_memory() {
    races(Kind::FakeMemory, 2, rounds(20));
}

#[test]
fn ten_units_are_ten_certificates_for_two_services_on_one_log_in_files() {
    races(Kind::FakeFiles, 2, rounds(20));
}

#[test]
fn ten_units_are_ten_certificates_with_real_keys() {
    for kind in Kind::REAL {
        races(kind, 2, rounds(40) / 20);
    }
}

#[test]
fn bulks_of_two_services_and_single_callers_share_the_last_units() {
    for kind in [Kind::FakeMemory, Kind::FakeFiles, Kind::Files] {
        within(300, move || {
            let site = Site::new(kind);
            let bought = site.issuing(2000);
            let (ca, services) = (&bought.intermediate, [site.another(), site.another()]);
            let count = std::thread::scope(|scope| {
                let bulks = [(0, 1500), (1, 900), (0, 300)].map(|(service, count)| {
                    let pca = &services[service];
                    scope.spawn(move || {
                        let requests = (0..count).map(|number| request(ca, number));
                        pca.issue_many(requests, &by())
                            .filter(|outcome| issued(outcome.as_ref().map_err(Clone::clone)))
                            .count()
                    })
                });
                let singles = [0, 1].map(|service: usize| {
                    let pca = &services[service];
                    scope
                        .spawn(move || (0..200).filter(|_| issued(pca.issue(server(ca, "one.example"), &by()))).count())
                });
                bulks.into_iter().chain(singles).map(|caller| caller.join().unwrap()).sum::<usize>()
            });
            assert_eq!(count, 2000, "{kind:?}");
            site.check();
        });
    }
}

#[test]
fn a_fresh_log_gives_ten_certificates_as_well() {
    for kind in Kind::FAKE {
        for round in 0..rounds(40) / 20 {
            within(120, move || {
                let site = Site::new(kind);
                let bought = site.issuing(10);
                let services = [site.another().unblocked().clone(), site.another().unblocked().clone()];
                assert_eq!(race(&services, &bought.intermediate, round % 2 == 0), UNITS);
                site.check();
            });
        }
    }
}

/// The count and the verifiers can fail: on a store that checks no guards, two services spend units twice.
#[test]
fn a_store_that_checks_no_guards_is_overspent_and_found_out() {
    let spend = |store: ModelStore| {
        let site = Site::over(Kind::FakeMemory, store, FakeKeyStore::new());
        let bought = site.issuing(10);
        let (ca, services) = (&bought.intermediate, [site.another(), site.another()]);
        let key = KeySource::Csr(csr());
        let request = || IssueCertificate { key: key.clone(), ..server(ca, "host.example") };
        let spend =
            |service: usize, units| (0..units).filter(|_| issued(services[service].issue(request(), &by()))).count();
        let count = spend(0, 1) + spend(1, 20) + spend(0, 20);
        let mut verifier = DomainVerifier::without_signatures();
        let faults = site.log().iter().map(|recorded| verifier.follow(recorded).len()).sum::<usize>();
        (count, faults)
    };
    assert_eq!(spend(ModelStore::new()), (10, 0));
    let (count, faults) = spend(Defect::IgnoresGuards.store());
    assert!(count > 10 && faults > 0, "{count} issued, {faults} faults");
}

/// Two services, as two processes would be, under load until the quota is used up.
#[test]
fn two_services_on_one_log_both_get_a_share() {
    for kind in Kind::FAKE {
        within(300, move || {
            let site = Site::new(kind);
            let bought = site.issuing(600);
            let services = [site.another(), site.another()];
            let barrier = Barrier::new(16);
            let shares: Vec<usize> = std::thread::scope(|scope| {
                let callers: Vec<_> = (0..16)
                    .map(|number| {
                        let (pca, barrier, ca) = (&services[number % 2], &barrier, &bought.intermediate);
                        scope.spawn(move || {
                            barrier.wait();
                            (0..).take_while(|round| issued(pca.issue(request(ca, *round), &by()))).count()
                        })
                    })
                    .collect();
                callers.into_iter().map(|caller| caller.join().unwrap()).collect()
            });
            let of = |service| shares.iter().skip(service).step_by(2).sum::<usize>();
            assert_eq!(of(0) + of(1), 600);
            assert!(of(0) >= 60 && of(1) >= 60, "{kind:?}: {} and {}", of(0), of(1));
            site.check();
        });
    }
}

/// Numbers that look drawn and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Polls a future a number of times, and drops it if it is not done then.
fn impatient<T>(future: impl Future<Output = T>, polls: u64) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(done);
        }
        std::thread::yield_now();
    }
    None
}

#[test]
fn callers_who_leave_keep_nobody_waiting() {
    for kind in [Kind::FakeMemory, Kind::FakeFiles, Kind::Files] {
        within(600, move || {
            let units = 40 + 10 * rounds(10);
            let site = Site::new(kind);
            let bought = site.issuing(units);
            let services = [site.another(), site.another()];
            let done: usize = std::thread::scope(|scope| {
                let callers: Vec<_> = (0..8_usize)
                    .map(|number| {
                        let (pca, ca) = (services[number % 2].unblocked(), &bought.intermediate);
                        scope.spawn(move || {
                            let (call, mut dice, mut count) = (by(), Dice(u64::try_from(number).unwrap()), 0);
                            for round in 0.. {
                                let request = request(ca, round);
                                let outcome = if number % 4 < 2 && round < 200 {
                                    impatient(pca.issue(request, &call), dice.below(6))
                                } else {
                                    Some(pollster::block_on(pca.issue(request, &call)))
                                };
                                match outcome.map(issued) {
                                    Some(true) => count += 1,
                                    Some(false) => break,
                                    None => {}
                                }
                            }
                            count
                        })
                    })
                    .collect();
                callers.into_iter().map(|caller| caller.join().unwrap()).sum()
            });
            let total = site.events().iter().filter(|event| event.kind() == "CertificateIssued").count();
            assert_eq!(u64::try_from(total).unwrap(), units);
            assert!(done <= total);
            site.check();
        });
    }
}

/// A store whose commits wait for a gate to be opened.
#[derive(Clone)]
struct Gated {
    inner: MemoryEventStore,
    gate: Arc<Mutex<Gate>>,
}

#[derive(Default)]
struct Gate {
    closed: bool,
    waiting: Vec<futures_channel::oneshot::Sender<()>>,
}

impl Gated {
    fn close(&self) {
        self.gate.lock().unwrap().closed = true;
    }

    fn open(&self) {
        let mut gate = self.gate.lock().unwrap();
        gate.closed = false;
        gate.waiting.drain(..).for_each(|waiting| waiting.send(()).unwrap_or_default());
    }

    async fn pass(&self) {
        let waiting = {
            let mut gate = self.gate.lock().unwrap();
            if !gate.closed {
                return;
            }
            let (sender, receiver) = futures_channel::oneshot::channel();
            gate.waiting.push(sender);
            receiver
        };
        let _ = waiting.await;
    }
}

#[async_trait]
impl EventStore for Gated {
    async fn commit(&self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        self.pass().await;
        self.inner.commit(train).await
    }
    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        self.inner.read(streams, as_of).await
    }
    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        self.inner.follow(after, limit).await
    }
    async fn grown(&self, beyond: Position) -> Result<Head, StoreError> {
        self.inner.grown(beyond).await
    }
    async fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        self.inner.receipt(id, request).await
    }
    async fn head(&self) -> Result<Head, StoreError> {
        self.inner.head().await
    }
    async fn lease(&self, stream: &StreamId) -> Result<Lease, StoreError> {
        self.inner.lease(stream).await
    }
    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

fn gated(units: u64) -> (Site, Gated, CaId) {
    let store = Gated { inner: MemoryEventStore::new(), gate: Arc::default() };
    let site = Site::over(Kind::FakeMemory, store.clone(), FakeKeyStore::new());
    let ca = site.issuing(units).intermediate;
    (site, store, ca)
}

#[test]
fn a_caller_who_waits_without_looking_keeps_nobody_waiting() {
    within(60, || {
        let (site, store, ca) = gated(5);
        let (pca, call) = (site.pca.unblocked().clone(), by());
        store.close();
        // This one is on its way, and is not looked at again until the end.
        let mut first = pin!(pca.issue(server(&ca, "first.example"), &call));
        for _ in 0..20 {
            assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let other = std::thread::spawn({
            let (pca, ca) = (pca.clone(), ca.clone());
            move || pollster::block_on(pca.issue(server(&ca, "second.example"), &by())).unwrap()
        });
        std::thread::sleep(Duration::from_millis(20));
        store.open();
        other.join().unwrap();
        site.pca.issue(server(&ca, "third.example"), &by()).unwrap();
        pollster::block_on(first).unwrap();
        site.check();
    });
}

#[test]
fn whoever_takes_a_bulk_slowly_can_issue_in_between() {
    for kind in Kind::FAKE {
        within(120, move || {
            let site = Site::new(kind);
            let ca = site.issuing(4000).intermediate;
            let (pca, call) = (site.pca.unblocked().clone(), by());
            pollster::block_on(async {
                let requests = (0..3500).map(|number| server(&ca, &format!("host{number}.example")));
                let mut bulk = pin!(pca.issue_many(requests, &call));
                let mut count = 0;
                while let Some(done) = bulk.next().await {
                    done.unwrap();
                    count += 1;
                    if count % 500 == 0 {
                        pca.issue(server(&ca, "between.example"), &call).await.unwrap();
                    }
                }
                assert_eq!(count, 3500);
            });
            site.check();
        });
    }
}

/// Many requests for one key that somebody else certifies first: they are sent back all at once, and not one a train.
#[test]
fn requests_for_one_key_do_not_fail_one_after_the_other() {
    within(120, || {
        let store = Gated { inner: MemoryEventStore::new(), gate: Arc::default() };
        let trains = RecordingStore::new(store.clone());
        let (keys, key) = (FakeKeyStore::new(), KeySource::Csr(csr()));
        let site = Site::over(Kind::FakeMemory, trains.clone(), keys.clone());
        let ca = site.issuing(300).intermediate;
        let foreign = Site::over(Kind::FakeMemory, store.inner.clone(), keys);
        let request = |number| IssueCertificate { key: key.clone(), ..server(&ca, &format!("host{number}.example")) };
        store.close();
        let (pca, call) = (site.pca.unblocked().clone(), by());
        let mut bulk = pin!(pca.issue_many((0..250).map(request), &call).collect::<Vec<_>>());
        assert!(bulk.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        foreign.pca.issue(request(1000), &by().idempotent("foreign")).unwrap();
        store.open();
        trains.clear();
        assert!(pollster::block_on(bulk).iter().all(Result::is_ok));
        let members: usize = trains.trains().iter().map(Vec::len).sum();
        assert!(members < 2000, "{members} commits were sent for 250");
        site.check();
    });
}

#[test]
fn who_leaves_before_the_commit_leaves_nothing_behind() {
    within(60, || {
        let (site, store, ca) = gated(4);
        let (pca, call) = (site.pca.unblocked().clone(), by());
        pollster::block_on(pca.issue(server(&ca, "zeroth.example"), &call)).unwrap();
        store.close();
        let mut first = pin!(pca.issue(server(&ca, "first.example"), &call));
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        // The second is decided behind the first one's train, and leaves before its own departs.
        assert!(impatient(pca.issue(server(&ca, "second.example"), &call), 3).is_none());
        store.open();
        pollster::block_on(first).unwrap();
        site.clock.advance_secs(86_400);
        site.pca.issue(server(&ca, "third.example"), &by()).unwrap();
        assert_eq!(
            site.events().iter().filter(|event| event.kind() == "CertificateIssued").count(),
            3,
            "not the second"
        );
        site.check();
    });
}

#[test]
fn a_decision_that_waited_too_long_is_taken_anew() {
    within(60, || {
        let (site, store, ca) = gated(5);
        let (pca, call) = (site.pca.unblocked().clone(), by());
        pollster::block_on(pca.issue(server(&ca, "zeroth.example"), &call)).unwrap();
        store.close();
        // The first is on its way; the second is decided behind it. Then nobody looks for an hour.
        let (mut first, mut second) =
            (pin!(pca.issue(server(&ca, "a.example"), &call)), pin!(pca.issue(server(&ca, "b.example"), &call)));
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        site.clock.advance_secs(3600);
        let third = std::thread::spawn({
            let (pca, ca) = (pca.clone(), ca.clone());
            move || pollster::block_on(pca.issue(server(&ca, "c.example"), &by())).unwrap()
        });
        std::thread::sleep(Duration::from_millis(20));
        site.clock.advance_secs(-3600);
        assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        site.clock.advance_secs(3600);
        store.open();
        third.join().unwrap();
        pollster::block_on(first).unwrap();
        pollster::block_on(second).unwrap();
        let log = site.log();
        let mut newest = pca_core::log::Timestamp::EPOCH;
        for recorded in &log {
            let decided = recorded.commit().metadata().decided_at;
            assert!(decided.plus_secs(300) >= newest, "decided at {decided} after {newest}");
            newest = recorded.seal().time;
        }
        site.check();
    });
}

#[test]
fn a_turn_that_nobody_waits_for_is_given_back() {
    within(60, || {
        let (site, store, ca) = gated(10);
        let services = [site.another(), site.another()];
        let call = by();
        // Both meet each other's commits, so that both take turns.
        for number in 0..4 {
            services[number % 2].issue(server(&ca, "host.example"), &call).unwrap();
        }
        store.close();
        let one = services[0].unblocked();
        assert!(impatient(one.issue(server(&ca, "left.example"), &call), 8).is_none());
        store.open();
        services[1].issue(server(&ca, "host.example"), &call).unwrap();
        // The same while the turn itself is waited for.
        let stream = pca_core::domain::stream::quota(&ca);
        let turn = pollster::block_on(site.store.lease(&stream)).unwrap();
        assert!(impatient(one.issue(server(&ca, "left.example"), &call), 8).is_none());
        drop(turn);
        services[1].issue(server(&ca, "host.example"), &call).unwrap();
        services[0].issue(server(&ca, "host.example"), &call).unwrap();
        site.check();
    });
}

/// What a lane remembers of a key gives way to what was read of it since: a key that was reported compromised signs up for
/// nothing, not even for a certificate that would be refused at its commit.
#[test]
fn k2_a_compromised_key_is_refused_before_anything_is_signed() {
    let (keys, key) = (FakeKeyStore::new(), KeySource::Csr(csr()));
    let site = Site::over(Kind::FakeMemory, MemoryEventStore::new(), keys.clone());
    let ca = site.issuing(10).intermediate;
    let request = || IssueCertificate { key: key.clone(), ..server(&ca, "a.example") };
    let id = site.pca.issue(request(), &by()).unwrap().answer.id;
    site.run(RevokeCertificate { id, reason: RevocationReason::KeyCompromise, invalidity_date: None });
    let signed = keys.signatures();
    assert_eq!(reasons(&site.pca.issue(request(), &by()).unwrap_err()), ["K2 key-compromised"]);
    assert_eq!(keys.signatures(), signed);
}
