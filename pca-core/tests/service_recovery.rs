//! Whatever fails, and wherever: what is left behind is healed by a repeat, by `resume`, or by a sweep (architecture,
//! *keys and log after a crash*). A crash is a call that fails, before or after it did what it was asked, and a new
//! service over the same stores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod service_support;

use pca_core::delivery::{Format, Options};
use pca_core::domain::CaId;
use pca_core::domain::ca::{CaState, Ending, RenewCa};
use pca_core::domain::certificate::{IssueCertificate, Issued, KeySource, RemoveCertificate, RevokeCertificate};
use pca_core::domain::key::KeyState;
use pca_core::domain::quota::AssignQuota;
use pca_core::domain::testing::{new_key, sign};
use pca_core::keys::{Algorithm, KeyError, PrivateKey};
use pca_core::log::{StoreError, Timestamp};
use pca_core::service::{Call, Download, Downloaded, Error, Swept, SweptKey};
use pca_core::x509::{CommonName, ParsedCertificate, RevocationReason, SubjectFields, VerifiedCsr, assemble, csr_tbs};
use pca_store_memory::{MemoryEventStore, MemoryKeyStore};
use pca_store_testkit::fakes::{FailingStore, Failure, Operation};
use service_support::failing_keys::{Asked, FailingKeys, Fails};
use service_support::{Kind, Site, by, enable, file_keys, server, upload};

const EVER: Timestamp = Timestamp::from_secs(1 << 40);

/// A call that fails.
#[derive(Clone, Copy, Debug)]
enum Point {
    Store(Operation, Fails),
    Keys(Asked, Fails),
}

struct Bench {
    site: Site,
    store: FailingStore<MemoryEventStore>,
    keys: FailingKeys,
}

impl Bench {
    fn new() -> Self {
        let (store, keys) = (FailingStore::new(MemoryEventStore::new()), FailingKeys::new(MemoryKeyStore::new()));
        Self { site: Site::over(Kind::Memory, store.clone(), keys.clone()), store, keys }
    }

    fn fail(&self, point: Point, nth: u64) {
        let error = || StoreError::Backend { detail: "the test wants it to fail".into(), retryable: false };
        match point {
            Point::Store(operation, Fails::Before) => self.store.fail(operation, nth, Failure::Before(error())),
            Point::Store(operation, Fails::After) => self.store.fail(operation, nth, Failure::After(error())),
            Point::Keys(asked, fails) => self.keys.fail(asked, nth, fails),
        }
    }

    fn missed(&self) -> bool {
        self.store.planned() + self.keys.planned() > 0
    }

    /// A new service over the same stores.
    fn restart(self) -> Self {
        Self { site: self.site.reopen(), ..self }
    }
}

fn points() -> Vec<Point> {
    let operations = [Operation::Commit, Operation::Read, Operation::Head, Operation::Receipt, Operation::Follow];
    let fails = [Fails::Before, Fails::After];
    let stores = operations.into_iter().flat_map(|at| fails.map(|fails| Point::Store(at, fails)));
    stores.chain(Asked::ALL.into_iter().flat_map(|at| fails.map(|fails| Point::Keys(at, fails)))).collect()
}

/// Tries a story with a failure at every call that it makes, one after the other: `prepare` what comes before, `act`
/// under the failure (told whether it is the attempt that fails), then `judge` after a restart.
fn everywhere<T>(
    prepare: impl Fn(&Bench) -> T,
    act: impl Fn(&Bench, &T) -> bool,
    judge: impl Fn(&Bench, &T, bool),
) -> u64 {
    let mut met = 0;
    for point in points() {
        for nth in 1.. {
            assert!(nth < 200, "{point:?} is asked for ever");
            let bench = Bench::new();
            let prepared = prepare(&bench);
            bench.fail(point, nth);
            let told = act(&bench, &prepared);
            if bench.missed() {
                assert!(told);
                break;
            }
            met += 1;
            let bench = bench.restart();
            judge(&bench, &prepared, told);
            assert_eq!(bench.site.pca.resume(&by()).unwrap(), [], "{point:?} {nth}");
            assert_eq!(sweep(&bench.site, EVER), [], "{point:?} {nth}");
            bench.site.check();
        }
    }
    met
}

/// L7: a sweep, which destroys what its preview told; the preview itself changes nothing.
fn sweep(site: &Site, orphaned_before: Timestamp) -> Vec<SweptKey> {
    let standing = || (pollster::block_on(site.pca.unblocked().store().head()).unwrap(), site.key_count());
    let before = standing();
    let foreseen = site.pca.preview_sweep(orphaned_before, &by()).unwrap();
    assert_eq!(standing(), before, "a preview changes nothing");
    let swept = site.pca.sweep_keys(orphaned_before, &by()).unwrap();
    assert_eq!(foreseen, swept);
    swept
}

fn csr(key: &PrivateKey) -> KeySource {
    let name = SubjectFields::common("asked for").to_name(CommonName::Required).unwrap();
    let tbs = csr_tbs(&name, key.public_key(), &[]);
    let (signature, algorithm) = sign(key, &tbs);
    KeySource::Csr(VerifiedCsr::verify(&assemble(&tbs, algorithm, &signature)).unwrap())
}

fn keyed() -> Call {
    by().idempotent("the same")
}

/// C7: the key lives until its last CRL is signed, whoever sweeps before the end is finished.
#[test]
fn a_sweep_before_the_end_is_finished_leaves_the_key_for_the_last_crl() {
    let site = Site::new(Kind::FakeMemory);
    let bought = site.issuing(2);
    site.pca.execute(site.reset(&bought.intermediate, false), &by()).unwrap();
    let before = site.key_count();
    sweep(&site, Timestamp::EPOCH);
    assert_eq!(site.key_count(), before, "nothing but the last CRL may end the key");
    let finished = site.pca.resume(&by()).unwrap();
    assert!(!finished.is_empty() && finished.iter().all(|step| step.outcome.is_ok()), "{finished:?}");
    assert_eq!(site.key_count(), before - 1);
    let crl = pollster::block_on(site.pca.unblocked().publish_crl(&bought.intermediate, &by())).unwrap();
    assert!(crl.facts.last);
}

#[test]
fn a_reset_that_is_interrupted_anywhere_is_finished() {
    let met = everywhere(
        |bench| {
            let bought = bench.site.issuing(2);
            bench.site.pca.issue(server(&bought.intermediate, "a.example"), &by()).unwrap();
            let reset = bench.site.reset(&bought.root, true);
            (bought, reset)
        },
        |bench, (_, reset)| {
            let ended = bench.site.pca.reset_ca(reset.clone(), &keyed());
            ended.is_ok_and(|ended| ended.steps.len() == 6 && ended.steps.iter().all(|step| step.outcome.is_ok()))
        },
        |bench, (bought, reset), told| {
            let site = &bench.site;
            // Whoever was told that it is done needs not do anything; who was not repeats, or looks after it.
            let before = site.position();
            if !told {
                let ended = site.pca.reset_ca(reset.clone(), &keyed()).unwrap();
                assert!(ended.steps.iter().all(|step| step.outcome.is_ok()), "{:?}", ended.steps);
            }
            assert_eq!(site.pca.resume(&by()).unwrap(), []);
            assert!(!told || site.position() == before);
            for ca in [&bought.root, &bought.intermediate] {
                let question = |desk: &pca_core::domain::Desk<'_>, _| {
                    let state = desk.ca(ca)?;
                    let end = state.ended()[0].clone();
                    Ok((state.state(), end.last_crl, desk.key(&end.end.key)?.clone()))
                };
                let (state, last, key) = pollster::block_on(site.pca.unblocked().question(question)).unwrap();
                assert_eq!((state, last), (CaState::NotEnabled, true));
                assert!(matches!(key, KeyState::Ended(Some(_))), "{key:?}");
                let crl = pollster::block_on(site.pca.unblocked().publish_crl(ca, &by())).unwrap();
                assert!(crl.facts.last);
            }
            assert_eq!(site.key_count(), 1, "only the holder's is left");
            site.enable(&bought.root, "Root");
        },
    );
    assert!(met > 40, "{met}");
}

#[test]
fn what_was_committed_is_resumed_without_a_repeat() {
    everywhere(
        |bench| {
            let bought = bench.site.issuing(2);
            let revoke = bench.site.revoke(&bought.root, true);
            (bought, revoke)
        },
        |bench, (_, revoke)| {
            let ended = bench.site.pca.revoke_ca(revoke.clone(), &by());
            ended.is_ok_and(|ended| ended.steps.len() == 6 && ended.steps.iter().all(|step| step.outcome.is_ok()))
        },
        |bench, (bought, _), told| {
            let site = &bench.site;
            let finished = site.pca.resume(&by()).unwrap();
            assert!(finished.iter().all(|step| step.outcome.is_ok()), "{finished:?}");
            assert!(!told || finished.is_empty());
            // Either it was not committed at all, or it is finished.
            match site.try_foresee(&bought.root, Ending::Revoke) {
                Ok(foreseen) => assert_eq!((foreseen.intermediates.len(), site.key_count()), (1, 2)),
                Err(_) => assert_eq!(site.key_count(), 0),
            }
        },
    );
}

#[test]
fn enabling_that_is_interrupted_anywhere_finds_its_key_again() {
    everywhere(
        |bench| {
            bench.site.found();
            bench.site.buy_root()
        },
        |bench, bought| bench.site.pca.execute(enable(&bought.root, "Root"), &keyed()).is_ok(),
        |bench, bought, told| {
            let site = &bench.site;
            let before = site.position();
            let again = site.pca.execute(enable(&bought.root, "Root"), &keyed()).unwrap();
            assert_eq!(site.key_count(), 1, "the same key");
            assert!(!told || (again.repeated && site.position() == before));
        },
    );
}

/// C11, K3: the key of a renewed CA is durable before the event that names it, and is found again.
#[test]
fn rolling_over_that_is_interrupted_anywhere_finds_its_key_again() {
    let met = everywhere(
        |bench| bench.site.issuing(1),
        |bench, bought| bench.site.pca.execute(RenewCa::new_key(bought.root.clone()), &keyed()).is_ok(),
        |bench, bought, told| {
            let site = &bench.site;
            let before = site.position();
            let again = site.pca.execute(RenewCa::new_key(bought.root.clone()), &keyed()).unwrap();
            assert_eq!((again.answer.generation, again.answer.links.len()), (2, 2));
            assert_eq!(site.key_count(), 3, "the old key, the new one, and the intermediate's");
            assert!(!told || (again.repeated && site.position() == before));
        },
    );
    assert!(met > 10, "{met}");
}

/// C11, K3: the end of an older key is ordered in the log, carried out, and confirmed.
#[test]
fn an_older_key_whose_end_is_interrupted_anywhere_ends() {
    everywhere(
        |bench| {
            let site = &bench.site;
            let bought = site.issuing(1);
            let days = Some(pca_core::domain::ca::Lifetime::Days(9));
            site.run(RenewCa { lifetime: days, ..RenewCa::new_key(bought.intermediate.clone()) });
            site.run(RenewCa::new_key(bought.intermediate.clone()));
            site.clock.advance_secs(10 * 86_400);
            bought
        },
        |bench, _| {
            let finished = bench.site.pca.resume(&by());
            finished.is_ok_and(|steps| steps.len() == 3 && steps.iter().all(|step| step.outcome.is_ok()))
        },
        |bench, bought, told| {
            let site = &bench.site;
            let finished = site.pca.resume(&by()).unwrap();
            assert!(finished.iter().all(|step| step.outcome.is_ok()), "{finished:?}");
            assert!(!told || finished.is_empty());
            let question = |desk: &pca_core::domain::Desk<'_>, _| {
                let ca = desk.ca(&bought.intermediate)?;
                let numbers: Vec<u32> = ca.living_generations().map(|generation| generation.number).collect();
                Ok((numbers, ca.older().iter().filter(|older| older.key_destroyed).count()))
            };
            let found = pollster::block_on(site.pca.unblocked().question(question)).unwrap();
            assert_eq!(found, (vec![3, 1], 1), "the one in the middle has ended, whatever its place");
            assert_eq!(site.key_count(), 3);
        },
    );
}

/// K3: ids of keys follow from idempotency keys. An upload that dies before its commit leaves a key that somebody else
/// has: no CA that is made here may come to it, whatever is asked under the same idempotency key, and whenever.
#[test]
fn k3_a_ca_is_not_made_with_a_key_that_a_dead_upload_left() {
    let directory = tempfile::TempDir::new().unwrap();
    let store = FailingStore::new(MemoryEventStore::new());
    let open = || Site::over(Kind::Memory, store.clone(), file_keys(directory.path()));
    let died = || Failure::Before(StoreError::Backend { detail: "the test wants it to fail".into(), retryable: false });
    let (call, other) = (keyed(), by().idempotent("another"));
    let brought = new_key(Algorithm::EcdsaP256);

    let site = open();
    site.found();
    let root = site.buy_root().root;
    let uploading = upload(&site, &root, None, &brought, "Root");
    store.fail(Operation::Commit, 1, died());
    site.pca.execute(uploading.clone(), &call).unwrap_err();
    assert_eq!(site.key_count(), 1, "the key is there before its event is");

    // In the same process and in a later one.
    let taken = |outcome: Result<(), Error>| match outcome {
        Err(Error::Key(KeyError::IdTaken { .. })) => {}
        outcome => panic!("{outcome:?}"),
    };
    let create = |site: &Site, call| site.pca.execute(enable(&root, "Root"), call);
    let position = site.position();
    taken(create(&site, &call).map(drop));
    drop(site);
    let site = open();
    taken(create(&site, &call).map(drop));
    assert_eq!((site.position(), site.key_count()), (position, 1), "nothing was done");

    // The other way about, an upload does not come to a key that was made here.
    store.fail(Operation::Commit, 1, died());
    create(&site, &other).unwrap_err();
    taken(site.pca.execute(uploading, &other).map(drop));
    // Another idempotency key is all that it takes, and what the dead upload left is swept.
    let created = create(&site, &other).unwrap().answer;
    let certificate = ParsedCertificate::from_der(created.certificate.as_bytes()).unwrap();
    assert_ne!(certificate.public_key().unwrap(), brought.public_key());
    let swept = site.pca.sweep_keys(EVER, &by().idempotent("sweep")).unwrap();
    assert_eq!(swept.iter().map(|swept| swept.why).collect::<Vec<_>>(), [Swept::Orphan]);
    site.check();
}

#[test]
fn issuing_that_is_interrupted_anywhere_is_done_once() {
    everywhere(
        |bench| bench.site.issuing(2),
        |bench, bought| bench.site.pca.issue(server(&bought.intermediate, "a.example"), &keyed()).is_ok(),
        |bench, bought, told| {
            let site = &bench.site;
            let before = site.position();
            let again = site.pca.issue(server(&bought.intermediate, "a.example"), &keyed()).unwrap();
            assert_eq!(again.answer.balance.remaining, 1, "paid once");
            assert_eq!(site.key_count(), 3, "the same key");
            assert!(!told || (again.repeated && site.position() == before));
        },
    );
}

#[test]
fn a_bulk_that_is_interrupted_anywhere_is_done_once() {
    let requests = |ca: &CaId| {
        let request = |number| server(ca, &format!("host{number}.example"));
        let platform = (0..3).map(request);
        let key = new_key(Algorithm::EcdsaP256);
        let brought = (3..6).map(move |number| IssueCertificate { key: csr(&key), ..request(number) });
        platform.chain(brought).collect::<Vec<_>>()
    };
    everywhere(
        |bench| {
            let bought = bench.site.issuing(8);
            let requests = requests(&bought.intermediate);
            (bought, requests)
        },
        |bench, (_, requests)| {
            let call = keyed();
            bench.site.pca.issue_many(requests.clone(), &call).filter(Result::is_ok).count() == 6
        },
        |bench, (_, requests), told| {
            let (site, call) = (&bench.site, keyed());
            let before = site.position();
            let done: Vec<_> = site.pca.issue_many(requests.clone(), &call).map(Result::unwrap).collect();
            assert_eq!(done.iter().map(|done| done.answer.balance.remaining).min(), Some(2), "each paid once");
            assert_eq!(site.key_count(), 5, "the same keys");
            assert!(!told || (done.iter().all(|done| done.repeated) && site.position() == before));
        },
    );
}

#[test]
fn a_bulk_whose_taker_leaves_goes_on_where_it_was() {
    let bench = Bench::new();
    let ca = bench.site.issuing(6000).intermediate;
    let (csr, call) = (csr(&new_key(Algorithm::EcdsaP256)), keyed());
    let requests =
        || (0..5000).map(|number| IssueCertificate { key: csr.clone(), ..server(&ca, &format!("h{number}.example")) });
    let taken: Vec<_> = bench.site.pca.issue_many(requests().take(3000), &call).take(700).map(Result::unwrap).collect();
    let some = bench.site.events().iter().filter(|event| event.kind() == "CertificateIssued").count();
    assert!(some >= 700);
    let again: Vec<_> = bench.site.pca.issue_many(requests().take(1500), &call).map(Result::unwrap).collect();
    for (again, taken) in again.iter().zip(&taken) {
        assert!(again.repeated && again.answer == taken.answer && again.receipt == taken.receipt);
    }
    assert_eq!(again.iter().filter(|done| done.repeated).count(), some.min(1500));
    let issued = bench.site.events().iter().filter(|event| event.kind() == "CertificateIssued").count();
    assert_eq!(issued, some.max(1500));
    bench.site.check();
}

#[test]
fn a_lane_goes_on_after_trouble_without_a_restart() {
    for point in points() {
        for nth in 1..6 {
            let bench = Bench::new();
            let bought = bench.site.issuing(3);
            let ca = &bought.intermediate;
            bench.site.pca.issue(server(ca, "a.example"), &by()).unwrap();
            bench.fail(point, nth);
            let told = bench.site.pca.issue(server(ca, "b.example"), &keyed()).is_ok();
            if bench.missed() {
                break;
            }
            let b = bench.site.pca.issue(server(ca, "b.example"), &keyed()).unwrap();
            assert!(b.repeated || !told);
            let c = bench.site.pca.issue(server(ca, "c.example"), &by()).unwrap();
            assert_eq!((b.answer.balance.remaining, c.answer.balance.remaining), (1, 0));
            bench.site.check();
        }
    }
}

#[test]
fn a_last_delivery_that_is_interrupted_anywhere_ends_its_key() {
    let download = |id| Download {
        subject: Downloaded::Certificate(id),
        format: Format::Pkcs8,
        options: Options { with_key: true, passphrase: None, plain_key: true },
        recipient: "ops".into(),
        destroy_key: true,
    };
    everywhere(
        |bench| {
            let bought = bench.site.issuing(1);
            bench.site.pca.issue(server(&bought.intermediate, "a.example"), &by()).unwrap().answer
        },
        |bench, issued| bench.site.pca.download(&download(issued.id), &by()).is_ok() && bench.site.key_count() == 2,
        |bench, issued, _| {
            let site = &bench.site;
            let swept = sweep(site, EVER);
            assert!(swept.iter().all(|swept| swept.why == Swept::Due), "{swept:?}");
            let key = issued.key.as_ref().unwrap();
            let state = pollster::block_on(site.pca.unblocked().question(|desk, _| Ok(desk.key(key)?.clone())));
            match state.unwrap() {
                KeyState::Living(_) => assert_eq!(site.key_count(), 3),
                KeyState::Ended(_) => assert_eq!(site.key_count(), 2),
                state => panic!("not confirmed: {state:?}"),
            }
        },
    );
}

#[test]
fn keys_of_holders_end_with_their_certificates_after_a_while() {
    let bench = Bench::new();
    let site = &bench.site;
    let bought = site.issuing(3);
    let issue = |name, days| {
        let request = IssueCertificate { days: Some(days), ..server(&bought.intermediate, name) };
        site.pca.issue(request, &by()).unwrap().answer
    };
    let (removed, short, long) = (issue("a.example", 90), issue("b.example", 10), issue("c.example", 90));
    let revoke = RevokeCertificate { id: removed.id, reason: RevocationReason::Superseded, invalidity_date: None };
    site.run(revoke);
    site.run(RemoveCertificate { id: removed.id });
    assert_eq!(site.key_count(), 5);
    let due = |issued: &Issued| SweptKey { key: issued.key.clone().unwrap(), why: Swept::Due };
    assert_eq!(sweep(site, Timestamp::EPOCH), [due(&removed)]);
    site.clock.advance_secs(39 * 86_400);
    assert_eq!(sweep(site, Timestamp::EPOCH), [], "kept for 30 days after its end");
    site.clock.advance_secs(2 * 86_400);
    bench.fail(Point::Keys(Asked::Destroy, Fails::Before), 1);
    site.pca.sweep_keys(Timestamp::EPOCH, &by()).unwrap_err();
    assert_eq!(sweep(site, Timestamp::EPOCH), [SweptKey { why: Swept::Left, ..due(&short) }]);
    assert_eq!(site.key_count(), 3);
    pollster::block_on(site.keys.export(&long.key.unwrap())).unwrap();
    site.check();
}

#[test]
fn keys_that_no_event_names_are_swept() {
    let bench = Bench::new();
    let bought = bench.site.issuing(3);
    let fails = Point::Store(Operation::Commit, Fails::Before);
    bench.fail(fails, 1);
    bench.site.pca.issue(server(&bought.intermediate, "a.example"), &by()).unwrap_err();
    let key = new_key(Algorithm::EcdsaP256);
    let id = pca_core::keys::KeyId::derive(&pca_core::log::CommitId::from_idempotency_key("stray"), 0);
    pollster::block_on(bench.site.keys.import(&id, key)).unwrap();
    assert_eq!(bench.site.key_count(), 4);
    assert_eq!(sweep(&bench.site, Timestamp::EPOCH), [], "too young");
    let swept = sweep(&bench.site, EVER);
    assert_eq!(swept.iter().map(|swept| swept.why).collect::<Vec<_>>(), [Swept::Orphan; 2]);
    assert_eq!(bench.site.key_count(), 2);
    bench.site.run(AssignQuota { ca: bought.intermediate.clone(), units: 1 });
    // The sweep was interrupted between giving the key up and destroying it.
    let key = new_key(Algorithm::EcdsaP256);
    let id = pca_core::keys::KeyId::derive(&pca_core::log::CommitId::from_idempotency_key("another"), 0);
    pollster::block_on(bench.site.keys.import(&id, key)).unwrap();
    bench.fail(Point::Keys(Asked::Destroy, Fails::Before), 1);
    bench.site.pca.sweep_keys(EVER, &by()).unwrap_err();
    let swept = sweep(&bench.site, EVER);
    assert_eq!(swept.iter().map(|swept| swept.why).collect::<Vec<_>>(), [Swept::Left]);
    // A command that comes back for a key that was given up makes no certificate with it.
    bench.fail(fails, 1);
    let call = by().idempotent("late");
    bench.site.pca.issue(server(&bought.intermediate, "a.example"), &call).unwrap_err();
    sweep(&bench.site, EVER);
    let late = bench.site.pca.issue(server(&bought.intermediate, "a.example"), &call);
    assert!(late.is_err(), "{late:?}");
    bench.site.check();
}
