//! Snapshots of folded state: how little is read with them, that the state is the same as without, and that one which
//! does not fit the log is never believed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod service_support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use pca_core::delivery::{Format, Options};
use pca_core::domain::certificate::{IssueCertificate, ReleaseHold, RemoveCertificate, RevokeCertificate};
use pca_core::domain::crl::PublishCrl;
use pca_core::domain::event::Money;
use pca_core::domain::order::BuyQuota;
use pca_core::domain::quota::{AssignQuota, Quota};
use pca_core::domain::{CaId, State, stream};
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamId, StreamsRead,
    World,
};
use pca_core::ports::{EventStore, Lease, Limits, Snapshot, SnapshotKey, SnapshotStore};
use pca_core::projection::Inventory;
use pca_core::service::{Download, Downloaded, Snapshots, blocking};
use pca_core::x509::RevocationReason;
use pca_store_memory::{MemoryEventStore, MemorySnapshotStore};
use service_support::{Kind, Site, by, server};

/// Counts the events that are given out, by category of the stream; `follow` counts as `log`.
#[derive(Clone)]
struct Counting {
    inner: Arc<dyn EventStore>,
    events: Arc<Mutex<BTreeMap<String, u64>>>,
    /// The most events that were given out at once.
    largest: Arc<Mutex<usize>>,
}

impl Counting {
    fn over(inner: &Arc<dyn EventStore>) -> Self {
        Self { inner: Arc::clone(inner), events: Arc::default(), largest: Arc::default() }
    }

    fn count(&self, category: &str, events: usize) {
        *self.events.lock().unwrap().entry(category.into()).or_default() += u64::try_from(events).unwrap();
        let mut largest = self.largest.lock().unwrap();
        *largest = events.max(*largest);
    }

    fn total(&self) -> u64 {
        self.events.lock().unwrap().values().sum()
    }

    fn of(&self, category: &str) -> u64 {
        self.events.lock().unwrap().get(category).copied().unwrap_or_default()
    }
}

#[async_trait]
impl EventStore for Counting {
    async fn commit(&self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        self.inner.commit(train).await
    }

    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        let read = self.inner.read(streams, as_of).await?;
        read.streams.iter().for_each(|slice| self.count(slice.stream.category(), slice.events.len()));
        Ok(read)
    }

    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let commits = self.inner.follow(after, limit).await?;
        self.count("log", commits.iter().map(|recorded| recorded.commit().events().len()).sum());
        Ok(commits)
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

/// A store of snapshots that fails at everything.
struct Failing;

#[async_trait]
impl SnapshotStore for Failing {
    async fn load(&self, _: &SnapshotKey) -> Result<Option<Snapshot>, StoreError> {
        Err(StoreError::Closed { reason: "no".into() })
    }

    async fn save(&self, _: &SnapshotKey, _: Snapshot) -> Result<(), StoreError> {
        Err(StoreError::Closed { reason: "no".into() })
    }

    async fn forget(&self, _: &SnapshotKey) -> Result<(), StoreError> {
        Err(StoreError::Closed { reason: "no".into() })
    }
}

fn key(ca: &CaId) -> SnapshotKey {
    SnapshotKey { stream: stream::quota(ca), fold_version: Quota::FOLD_VERSION }
}

fn kept(store: &MemorySnapshotStore, ca: &CaId) -> Option<Snapshot> {
    pollster::block_on(store.load(&key(ca))).unwrap()
}

fn keep(store: &MemorySnapshotStore, ca: &CaId, snapshot: Snapshot) {
    pollster::block_on(store.save(&key(ca), snapshot)).unwrap();
}

/// Issues certificates in bulk, all for one key.
fn issue(pca: &blocking::Pca, ca: &CaId, count: usize) {
    let key = pca_core::domain::testing::new_key(pca_core::keys::Algorithm::EcdsaP256);
    let csr = pca_core::domain::testing::Story::new().csr(&key);
    let request =
        IssueCertificate { key: pca_core::domain::certificate::KeySource::Csr(csr), ..server(ca, "www.example") };
    let call = by();
    let unblocked = pca.unblocked();
    let landed = unblocked.issue_many(vec![request; count], &call).map(|done| done.map(drop)).collect::<Vec<_>>();
    pollster::block_on(landed).into_iter().for_each(|landed| landed.unwrap());
}

/// The quota of a CA, folded from its whole stream.
fn whole(site: &Site, ca: &CaId) -> (Revision, Quota) {
    let read = pollster::block_on(site.store.read(&[(stream::quota(ca), Revision::ZERO)], Position::MAX)).unwrap();
    let mut world: World<State> = World::default();
    world.apply(&read.streams[0]).unwrap();
    match world.get(&stream::quota(ca)) {
        Some(State::Quota(quota)) => (world.revision(&stream::quota(ca)).unwrap(), quota.clone()),
        other => panic!("{other:?}"),
    }
}

/// The same as a service sees it.
fn seen(pca: &blocking::Pca, ca: &CaId) -> Quota {
    pollster::block_on(pca.unblocked().question(|desk, _| Ok(desk.quota(ca)?.clone()))).unwrap()
}

const LONG: u64 = 20_000;
const EVERY: u64 = 1_000;

#[test]
fn the_first_certificate_after_many_is_as_cheap_as_ever() {
    let site = Site::new(Kind::FakeMemory);
    let bought = site.issuing(LONG + 10);
    let oa = &bought.intermediate;
    let store = MemorySnapshotStore::new();
    issue(&site.remembering(Snapshots::new(store.clone()).every(EVERY)), oa, usize::try_from(LONG).unwrap());
    let behind = whole(&site, oa).0.get() - kept(&store, oa).expect("kept while issuing").revision.get();
    // A train may be answered before a state that became due within it is kept: at most one more lies behind.
    assert!(behind <= EVERY + 1_024, "{behind}");

    let first = |snapshots: Option<Snapshots>| {
        let counting = Counting::over(&site.store);
        let counted: Arc<dyn EventStore> = Arc::new(counting.clone());
        let pca =
            site.remembering_over(counted, snapshots.unwrap_or_else(|| Snapshots::new(MemorySnapshotStore::new())));
        pca.issue(server(oa, "first.example"), &by()).unwrap();
        let first = (counting.total(), counting.of("quota"));
        assert!(*counting.largest.lock().unwrap() < 16_384 + 1_024, "a long stream is read a window at a time");
        pca.issue(server(oa, "second.example"), &by()).unwrap();
        (first, counting.total() - first.0)
    };
    let ((all, _), second) = first(None);
    assert!(all > LONG, "{all}: without a snapshot all of the stream is read");
    assert!(second < 5, "{second}: and only once");
    let ((with, of_quota), second) = first(Some(Snapshots::new(store.clone()).every(EVERY)));
    assert!(of_quota <= behind + 3 && with < behind + 40, "{with} of which {of_quota} of quota, {behind} behind");
    assert!(second < 5, "{second}");

    // What a program that ends leaves behind is read by the next one in no time.
    let ending = site.remembering(Snapshots::new(store.clone()).every(EVERY));
    seen(&ending, oa);
    ending.save_snapshots();
    if behind >= 256 {
        assert_eq!(kept(&store, oa).unwrap().revision, whole(&site, oa).0);
        let ((with, _), _) = first(Some(Snapshots::new(store).every(EVERY)));
        assert!(with < 40, "{with}");
    }
}

/// The table of docs/architecture.md, *What a command reads*: nothing but what counts certificates grows with them.
#[test]
fn commands_about_one_certificate_read_a_handful_of_events() {
    let site = Site::new(Kind::FakeMemory);
    let bought = site.issuing(600);
    let oa = &bought.intermediate;
    let store = MemorySnapshotStore::new();
    issue(&site.remembering(Snapshots::new(store.clone()).every(50)), oa, 500);
    let id = site.pca.issue(server(oa, "one.example"), &by()).unwrap().answer.id;
    type Act<'a> = Box<dyn Fn(&blocking::Pca) + 'a>;
    let revoke = |reason| RevokeCertificate { id, reason, invalidity_date: None };
    let show = |pca: &blocking::Pca| {
        let streams = [stream::certificate(&id), stream::ca(oa)];
        let few: Inventory = pollster::block_on(pca.unblocked().project_streams(&streams, Position::MAX)).unwrap();
        assert!(few.certificate(&id).is_some());
    };
    let download = Download {
        subject: Downloaded::Certificate(id),
        format: Format::Pem,
        options: Options::default(),
        recipient: "tester".into(),
        destroy_key: false,
    };
    let acts: Vec<(&str, u64, Act<'_>)> = vec![
        ("resume", 0, Box::new(|pca| drop(pca.resume(&by()).unwrap()))),
        ("issue", 120, Box::new(|pca| drop(pca.issue(server(oa, "a.example"), &by()).unwrap()))),
        ("assign", 120, Box::new(|pca| drop(pca.execute(AssignQuota { ca: oa.clone(), units: 1 }, &by()).unwrap()))),
        ("show", 0, Box::new(show)),
        ("download", 0, Box::new(|pca| drop(pollster::block_on(pca.unblocked().download(&download, &by())).unwrap()))),
        (
            "hold",
            0,
            Box::new(move |pca| {
                drop(pca.execute(revoke(RevocationReason::CertificateHold), &by()).unwrap());
            }),
        ),
        ("revoke", 0, Box::new(move |pca| drop(pca.execute(revoke(RevocationReason::Superseded), &by()).unwrap()))),
        ("remove", 0, Box::new(move |pca| drop(pca.execute(RemoveCertificate { id }, &by()).unwrap()))),
        ("crl", 0, Box::new(|pca| drop(pollster::block_on(pca.unblocked().publish_crl(oa, &by())).unwrap()))),
    ];
    site.run(BuyQuota { root: bought.root.clone(), count: 10, paid: Money::nothing() });
    for (what, of_quota, act) in acts {
        let counting = Counting::over(&site.store);
        let counted: Arc<dyn EventStore> = Arc::new(counting.clone());
        act(&site.remembering_over(counted, Snapshots::new(store.clone()).every(50)));
        let told = counting.events.lock().unwrap().clone();
        eprintln!("{what}: {told:?}");
        assert!(counting.of("quota") <= of_quota, "{what}: {told:?}");
        assert!(counting.total() <= of_quota + 40, "{what}: {told:?}");
    }
}

#[test]
fn what_is_revoked_is_kept_too() {
    let site = Site::new(Kind::FakeMemory);
    let oa = site.issuing(60).intermediate;
    let store = MemorySnapshotStore::new();
    let revoke = |pca: &blocking::Pca, reason| {
        let id = pca.issue(server(&oa, "a.example"), &by()).unwrap().answer.id;
        pca.execute(RevokeCertificate { id, reason, invalidity_date: None }, &by()).unwrap();
        id
    };
    let kept = || Snapshots::new(store.clone()).every(5);
    let pca = site.remembering(kept());
    for _ in 0..23 {
        revoke(&pca, RevocationReason::Superseded);
    }
    let held = revoke(&pca, RevocationReason::CertificateHold);
    pca.publish_crl(&oa, &by()).unwrap();
    pca.execute(ReleaseHold { id: held }, &by()).unwrap();
    for _ in 0..12 {
        revoke(&pca, RevocationReason::KeyCompromise);
    }

    let counting = Counting::over(&site.store);
    let counted: Arc<dyn EventStore> = Arc::new(counting.clone());
    let delta = PublishCrl { delta: true, ..PublishCrl::full(oa.clone()) };
    let list = site.remembering_over(counted, kept()).publish_crls(&delta, &by()).unwrap().newest;
    assert!(counting.of("crl") <= 6, "{:?}", counting.events);
    assert_eq!(list.facts.entries, 13);
    let again = site.another().publish_crls(&delta, &by()).unwrap().newest;
    assert_eq!((again.facts.number, again.facts.digest), (list.facts.number, list.facts.digest));
    site.check();
}

/// A small log with a snapshot on the way.
fn small(units: u64) -> (Site, CaId, MemorySnapshotStore) {
    let site = Site::new(Kind::FakeMemory);
    let oa = site.issuing(units).intermediate;
    let store = MemorySnapshotStore::new();
    issue(&site.remembering(Snapshots::new(store.clone()).every(5)), &oa, 12);
    assert!(kept(&store, &oa).is_some());
    (site, oa, store)
}

#[test]
fn a_state_from_a_snapshot_is_that_of_the_whole_stream() {
    let (site, oa, store) = small(40);
    for round in 0..10 {
        let pca = site.remembering(Snapshots::new(store.clone()).every(3));
        assert_eq!(seen(&pca, &oa), whole(&site, &oa).1);
        issue(&pca, &oa, round % 4);
        pca.issue(server(&oa, "one.example"), &by()).unwrap();
        assert_eq!(seen(&pca, &oa), whole(&site, &oa).1);
    }
    assert!(whole(&site, &oa).0.get() - kept(&store, &oa).unwrap().revision.get() < 3);
    let refused = site.remembering(Snapshots::new(store)).execute(AssignQuota { ca: oa, units: 1_000 }, &by());
    assert!(refused.is_err_and(|error| error.refusal().is_some()));
    site.check();
}

/// Loads with a snapshot that does not fit: the state is right all the same, and the snapshot is gone.
#[track_caller]
fn is_not_believed(site: &Site, ca: &CaId, store: &MemorySnapshotStore) {
    let pca = site.remembering(Snapshots::new(store.clone()));
    assert_eq!(seen(&pca, ca), whole(site, ca).1);
    assert_eq!(kept(store, ca), None, "it is forgotten");
    pca.issue(server(ca, "after.example"), &by()).unwrap();
    site.check();
}

#[test]
fn damaged_snapshots_are_not_believed() {
    let (site, oa, store) = small(40);
    let good = kept(&store, &oa).unwrap();
    for (at, octet) in [(0, 0xc0), (good.state.len() / 2, 0xff), (good.state.len() - 1, 0x7f)] {
        let mut state = good.state.clone();
        state[at] = octet;
        keep(&store, &oa, Snapshot { revision: good.revision, state });
        is_not_believed(&site, &oa, &store);
    }
    keep(&store, &oa, Snapshot { revision: good.revision, state: Vec::new() });
    is_not_believed(&site, &oa, &store);
    // The state of another revision than it says.
    keep(&store, &oa, Snapshot { revision: good.revision.plus(1), state: good.state.clone() });
    is_not_believed(&site, &oa, &store);
}

/// A copy of a log up to a position, in a store of its own.
fn cut(site: &Site, until: usize) -> Arc<dyn EventStore> {
    let store: Arc<dyn EventStore> = Arc::new(MemoryEventStore::new());
    for recorded in site.log().iter().take(until) {
        pollster::block_on(store.commit(vec![recorded.commit().clone()]))
            .into_iter()
            .for_each(|done| assert!(done.is_ok()));
    }
    store
}

#[test]
fn a_snapshot_of_a_log_that_lost_its_end_is_not_believed() {
    let (site, oa, store) = small(40);
    let (count, revision) = (site.log().len(), kept(&store, &oa).unwrap().revision);
    // The log comes back from a backup, with three certificates less than the snapshot has.
    let lost = usize::try_from(whole(&site, &oa).0.get() - revision.get()).unwrap() + 3;
    let restored = site.beside(cut(&site, count - lost));
    assert!(whole(&restored, &oa).0 < revision);
    is_not_believed(&restored, &oa, &store);
}

#[test]
fn a_snapshot_of_another_history_with_the_same_ids_is_not_believed() {
    let (site, oa, store) = small(40);
    let good = kept(&store, &oa).unwrap();
    // The log lost its end and went on otherwise, to more certificates than before.
    let count = site.log().len();
    let restored = site.beside(cut(&site, count - 10));
    issue(&restored.pca, &oa, 20);
    assert!(whole(&restored, &oa).0 > good.revision);
    is_not_believed(&restored, &oa, &store);
    // Put back beside the log that it was made of it is as good as ever.
    keep(&store, &oa, good.clone());
    assert_eq!(seen(&site.remembering(Snapshots::new(store.clone())), &oa), whole(&site, &oa).1);
    assert_eq!(kept(&store, &oa), Some(good));
}

#[test]
fn a_store_of_snapshots_that_fails_fails_nobody() {
    let site = Site::new(Kind::FakeMemory);
    let oa = site.issuing(40).intermediate;
    let pca = site.remembering(Snapshots::new(Failing).every(2));
    issue(&pca, &oa, 10);
    pca.save_snapshots();
    assert_eq!(seen(&pca, &oa), whole(&site, &oa).1);
    site.check();
}

/// What is decided and refused by the store is never kept: no snapshot is ahead of the log.
#[test]
fn snapshots_are_of_durable_states_only() {
    let site = Site::new(Kind::FakeMemory);
    let oa = site.issuing(400).intermediate;
    let store = MemorySnapshotStore::new();
    let snapshots = Snapshots::new(store.clone()).every(1);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let (site, oa, snapshots) = (&site, &oa, snapshots.clone());
            let pca = site.remembering(snapshots);
            scope.spawn(move || (0..30).for_each(|_| drop(pca.issue(server(oa, "www.example"), &by()).unwrap())));
        }
        let (site, oa, store) = (&site, &oa, &store);
        scope.spawn(move || {
            for _ in 0..200 {
                let revision = kept(store, oa).map(|kept| kept.revision);
                assert!(revision.is_none_or(|revision| revision <= whole(site, oa).0));
                std::thread::yield_now();
            }
        });
    });
    let newest = kept(&store, &oa).unwrap();
    assert_eq!(newest.revision, whole(&site, &oa).0);
    assert_eq!(seen(&site.remembering(snapshots), &oa), whole(&site, &oa).1);
    assert_eq!(kept(&store, &oa), Some(newest), "it was believed");
}
