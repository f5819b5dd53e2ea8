//! Rule G1: every way to change something, and every download, is put before the authorizer, with the CA that it is about.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod service_support;

use std::sync::{Arc, Mutex};

use pca_core::delivery::Format;
use pca_core::domain::ca::{ConfigureCa, DisableCa, ReenableCa, RemoveCa, ResetCa, RevokeCa};
use pca_core::domain::certificate::{
    DeliverKey, IssueAtomically, Issued, ReleaseHold, RemoveCertificate, RevokeCertificate,
};
use pca_core::domain::crl::{PublishCrl, PublishLastCrl};
use pca_core::domain::event::{Addresses, Money};
use pca_core::domain::key::{AbandonKey, ConfirmKeyDestroyed};
use pca_core::domain::order::{
    BuyIntermediate, BuyQuota, DeclineRefund, ExtendTerm, RequestRefund, ReturnRefund, ServiceTerm,
};
use pca_core::domain::policy::AdoptPolicy;
use pca_core::domain::quota::AssignQuota;
use pca_core::domain::refusal::{BrokenRule, Rule};
use pca_core::domain::{CaId, Command, OrderId};
use pca_core::keys::KeyId;
use pca_core::log::{CommitId, Digest, Timestamp};
use pca_core::service::{Authorizer, Call, Download, Error, OneAdministrator, Parts, Pca, RefusalJournal, blocking};
use pca_core::x509::{CertificateId, RevocationReason};
use pca_store_testkit::fakes::{InterruptedStore, Operation, SeededEntropy};
use secrecy::SecretString;
use service_support::{Kind, Site, buy_root, by, enable, reasons, server};

/// What an authorizer was asked: the command and the CA.
type Asked = (&'static str, Option<CaId>);

/// Lets the officer of one intermediate, or nobody, do something, and notes what it was asked.
#[derive(Default)]
struct Officer {
    of: Option<CaId>,
    asked: Mutex<Vec<Asked>>,
}

impl Officer {
    /// What was asked since, each once.
    fn take(&self) -> Vec<Asked> {
        let mut asked = core::mem::take(&mut *self.asked.lock().unwrap());
        asked.dedup();
        asked
    }
}

impl Authorizer for Officer {
    fn authorize(&self, actor: &str, command: &'static str, ca: Option<&CaId>) -> Result<(), BrokenRule> {
        self.asked.lock().unwrap().push((command, ca.cloned()));
        if actor == "admin" || ca.is_some() && ca == self.of.as_ref() {
            return OneAdministrator.authorize(actor, command, ca);
        }
        Err(BrokenRule::new(Rule::new("G1"), "not-permitted", format!("{actor} may not {command} here")))
    }
}

fn service(site: &Site, officer: &Arc<Officer>) -> blocking::Pca {
    blocking::Pca::new(Pca::new(Parts {
        store: Arc::clone(&site.store),
        keys: Arc::clone(&site.keys),
        clock: Arc::new(site.clock.clone()),
        entropy: Arc::new(SeededEntropy::new(99)),
        authorizer: Arc::<Officer>::clone(officer),
        journal: Arc::<RefusalJournal>::default(),
        recorder: None,
        snapshots: None,
    }))
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, Error>) {
    assert_eq!(reasons(&outcome.unwrap_err()), ["G1 not-permitted"]);
}

#[test]
fn every_way_to_change_something_passes_the_authorizer() {
    let site = Site::new(Kind::Memory);
    let bought = site.issuing(5);
    let (root, ca) = (&bought.root, &bought.intermediate);
    let officer = Arc::new(Officer { of: Some(ca.clone()), ..Officer::default() });
    let pca = service(&site, &officer);
    let before = site.position();
    assert_refused(pca.execute(buy_root(), &by()));
    assert_refused(pca.preview(&buy_root(), &by()));
    assert_refused(pca.execute(DisableCa { ca: root.clone() }, &by()));
    assert_refused(pca.issue(server(root, "a.example"), &by()));
    assert_refused(pca.issue_many([server(root, "a.example")], &by()).next().unwrap());
    assert_refused(pca.issue_atomically(IssueAtomically { requests: vec![server(root, "a.example")] }, &by()));
    assert_refused(pca.reset_ca(site.reset(root, true), &by()));
    assert_refused(pca.revoke_ca(site.revoke(root, true), &by()));
    assert_refused(pollster::block_on(pca.unblocked().publish_crl(root, &by())));
    assert_eq!(site.position(), before);
    assert_eq!(pca.unblocked().refusals().total(), 8, "a preview is no attempt");
    pca.issue(server(ca, "a.example"), &by()).unwrap();
    pca.execute(buy_root(), &Call::by("admin")).unwrap();
}

#[test]
fn l3_a_call_that_cannot_be_kept_is_refused_on_every_path() {
    let site = Site::new(Kind::Memory);
    let bought = site.issuing(5);
    let officer = Arc::new(Officer::default());
    let pca = service(&site, &officer);
    let ca = &bought.intermediate;
    let before = site.position();
    let (long, blank) = (Call::by("admin").because("x".repeat(4097)), Call::by("\t").idempotent(""));
    let asked = || vec![server(ca, "a.example")];
    for (call, expected) in
        [(&long, vec!["L3 call-text-too-long"]), (&blank, vec!["L3 call-text-blank", "O6 call-text-blank"])]
    {
        let outcomes = [
            pca.execute(buy_root(), call).map(drop),
            pca.preview(&buy_root(), call).map(drop),
            pca.issue(server(ca, "a.example"), call).map(drop),
            pca.issue_many(asked(), call).next().unwrap().map(drop),
            pca.issue_atomically(IssueAtomically { requests: asked() }, call).map(drop),
            pca.reset_ca(site.reset(ca, true), call).map(drop),
            pollster::block_on(pca.unblocked().publish_crl(ca, call)).map(drop),
        ];
        for outcome in outcomes {
            assert_eq!(reasons(&outcome.unwrap_err()), expected);
        }
    }
    assert_eq!(site.position(), before);
    assert_eq!(officer.take(), [], "nobody is asked about it");
}

/// One command: it is asked about with this CA, both ways, and nothing of it is done.
#[track_caller]
fn asked<C: Command<Answer: std::fmt::Debug>>(pca: &blocking::Pca, officer: &Officer, command: C, ca: Option<&CaId>) {
    assert_refused(pca.execute(command.clone(), &by()));
    assert_eq!(officer.take(), [(C::NAME, ca.cloned())]);
    assert_refused(pca.preview(&command, &by()));
    assert_eq!(officer.take(), [(C::NAME, ca.cloned())], "a preview");
}

struct Scene {
    site: Site,
    root: CaId,
    ca: CaId,
    further: CaId,
    orders: [OrderId; 3],
    issued: Issued,
    own: CertificateId,
    ca_key: KeyId,
}

fn scene() -> Scene {
    let site = Site::new(Kind::Memory);
    let bought = site.issuing(20);
    let (root, ca) = (bought.root, bought.intermediate);
    let term = ServiceTerm::years(1);
    let further = site.run(BuyIntermediate { root: root.clone(), term, paid: Money::nothing() });
    let quota = site.run(BuyQuota { root: root.clone(), count: 5, paid: Money::nothing() });
    let issued = site.pca.issue(server(&ca, "a.example"), &by()).unwrap().answer;
    let generation = |ca: &CaId| {
        let find = site.pca.unblocked().question(|desk, _| Ok(desk.ca(ca)?.generation().cloned()));
        pollster::block_on(find).unwrap().unwrap()
    };
    let (own, ca_key) = (generation(&ca).id, generation(&ca).key);
    let orders = [bought.order, further.order, quota.order];
    Scene { root, ca, further: further.intermediate, orders, issued, own, ca_key, site }
}

/// Commands reach the authorizer with the CA that they are about, whatever they name.
#[test]
fn g1_every_command_is_asked_about_with_its_ca() {
    let Scene { site, root, ca, further, orders, issued, own, ca_key } = scene();
    let officer = Arc::new(Officer::default());
    let pca = service(&site, &officer);
    let (before, keys) = (site.position(), site.key_count());
    let paid = Money::nothing;
    let term = ServiceTerm::years(1);

    asked(&pca, &officer, buy_root(), None);
    asked(&pca, &officer, AdoptPolicy { policy: site.policy() }, None);
    asked(&pca, &officer, BuyIntermediate { root: root.clone(), term, paid: paid() }, Some(&root));
    asked(&pca, &officer, BuyQuota { root: root.clone(), count: 1, paid: paid() }, Some(&root));
    asked(&pca, &officer, ExtendTerm { ca: ca.clone(), term }, Some(&ca));
    asked(&pca, &officer, AssignQuota { ca: ca.clone(), units: 1 }, Some(&ca));
    asked(&pca, &officer, enable(&further, "Further"), Some(&further));
    asked(&pca, &officer, ConfigureCa::addresses(ca.clone(), Addresses::default()), Some(&ca));
    asked(&pca, &officer, DisableCa { ca: ca.clone() }, Some(&ca));
    asked(&pca, &officer, ReenableCa { ca: ca.clone() }, Some(&ca));
    asked(&pca, &officer, ResetCa::confirmed(ca.clone(), Digest::ZERO), Some(&ca));
    asked(&pca, &officer, RevokeCa::confirmed(ca.clone(), Digest::ZERO), Some(&ca));
    asked(&pca, &officer, RemoveCa { ca: ca.clone() }, Some(&ca));
    asked(&pca, &officer, PublishCrl::full(ca.clone()), Some(&ca));
    asked(&pca, &officer, PublishLastCrl { ca: ca.clone(), generation: 1 }, Some(&ca));
    asked(&pca, &officer, server(&ca, "b.example"), Some(&ca));
    asked(&pca, &officer, IssueAtomically { requests: vec![server(&ca, "b.example")] }, Some(&ca));

    for (order, ca) in orders.iter().zip([&root, &further, &root]) {
        asked(&pca, &officer, RequestRefund { order: order.clone() }, Some(ca));
        asked(&pca, &officer, ReturnRefund { order: order.clone() }, Some(ca));
        asked(&pca, &officer, DeclineRefund { order: order.clone(), reason: "no".into() }, Some(ca));
    }
    for (id, ca) in [(issued.id, &ca), (own, &ca)] {
        let reason = RevocationReason::Superseded;
        asked(&pca, &officer, RevokeCertificate { id, reason, invalidity_date: None }, Some(ca));
        asked(&pca, &officer, ReleaseHold { id }, Some(ca));
        asked(&pca, &officer, RemoveCertificate { id }, Some(ca));
        let (format, recipient) = ("pkcs12".into(), "Ann".into());
        let deliver = DeliverKey { id, format, recipient, unencrypted: false, destroy_after: false };
        asked(&pca, &officer, deliver, Some(ca));
    }
    for key in [issued.key.clone().unwrap(), ca_key] {
        asked(&pca, &officer, ConfirmKeyDestroyed { key: key.clone() }, Some(&ca));
        asked(&pca, &officer, AbandonKey { key }, Some(&ca));
    }
    assert_eq!((site.position(), site.key_count()), (before, keys), "nothing is done that the authorizer refuses");
}

/// What nobody knows belongs to no CA: the authorizer is asked without one, and the command's own rules refuse it.
#[test]
fn g1_what_nobody_knows_is_asked_about_without_a_ca() {
    let Scene { site, own, .. } = scene();
    let officer = Arc::new(Officer::default());
    let (pca, admin) = (service(&site, &officer), Call::by("admin"));
    let order = OrderId::derive(&CommitId::new([9; 16]), 0);
    let refusal = pca.execute(RequestRefund { order }, &admin).unwrap_err();
    assert_eq!(reasons(&refusal), ["R1 unknown-order"]);
    assert_eq!(officer.take(), [("RequestRefund", None)]);
    let id = CertificateId::new(own.issuer(), pca_core::x509::SerialNumber::from_random([3; 10]));
    let (reason, invalidity_date) = (RevocationReason::Superseded, None);
    let refusal = pca.execute(RevokeCertificate { id, reason, invalidity_date }, &admin).unwrap_err();
    assert_eq!(reasons(&refusal), ["A2 unknown-certificate"]);
    assert_eq!(officer.take(), [("RevokeCertificate", None)]);
    let key = KeyId::derive(&CommitId::new([9; 16]), 0);
    let refusal = pca.execute(ConfirmKeyDestroyed { key }, &admin).unwrap_err();
    assert_eq!(reasons(&refusal), ["K3 key-unknown"]);
    assert_eq!(officer.take(), [("ConfirmKeyDestroyed", None)]);
}

/// Downloads, with a key and without, the CRL of a CA that has ended, and what finishes an end.
#[test]
fn g1_downloads_crls_and_ends_of_keys_are_asked_about() {
    let Scene { site, ca, issued, .. } = scene();
    let officer = Arc::new(Officer::default());
    let pca = service(&site, &officer);
    let certificate = Download::of_certificate(issued.id, Format::Pem);
    assert_refused(pca.download(&certificate, &by()));
    assert_eq!(officer.take(), [("Download", Some(ca.clone()))]);
    assert_refused(pollster::block_on(pca.unblocked().preview_download(&certificate, &by())));
    assert_eq!(officer.take(), [("Download", Some(ca.clone()))]);
    assert_refused(pca.download(&Download::of_ca(ca.clone(), Format::Pem), &by()));
    assert_eq!(officer.take(), [("Download", Some(ca.clone()))]);
    let with_key =
        Download::of_certificate(issued.id, Format::Pkcs12).with_key("Ann", SecretString::from("long enough"));
    assert_refused(pca.download(&with_key, &by()));
    assert_eq!(officer.take(), [("DeliverKey", Some(ca.clone()))]);
    assert_eq!(pca.unblocked().refusals().total(), 3, "each of these attempts, once");
    pca.download(&certificate, &Call::by("admin")).unwrap();
    pca.download(&with_key, &Call::by("admin")).unwrap();
    officer.take();

    // An end whose last step nobody has carried out yet.
    let end = site.reset(&ca, false);
    site.run(end);
    site.run(PublishLastCrl { ca: ca.clone(), generation: 1 });
    let keys = site.key_count();
    assert_refused(pollster::block_on(pca.unblocked().publish_crl(&ca, &by())));
    assert_eq!(officer.take(), [("PublishCrl", Some(ca.clone()))], "also the last one, from the log");
    let steps = pca.resume(&by()).unwrap();
    assert!(!steps.is_empty());
    steps.into_iter().for_each(|step| assert_refused(step.outcome));
    assert_eq!(officer.take(), [("ConfirmKeyDestroyed", Some(ca.clone()))]);
    assert_refused(pca.sweep_keys(Timestamp::EPOCH, &by()));
    assert_eq!(officer.take(), [("ConfirmKeyDestroyed", Some(ca.clone()))]);
    assert_eq!(site.key_count(), keys, "no key is destroyed by somebody who may not");
    pca.resume(&Call::by("admin")).unwrap();
    assert_eq!(site.key_count(), keys - 1);
}

/// Sweeping a key writes its end down before the key goes: who may do one may do the other, and whose key it was is known
/// ever after.
#[test]
fn g1_a_key_that_was_swept_stays_its_cas_matter() {
    let Scene { site, ca, issued, .. } = scene();
    let pca = service(&site, &Arc::new(Officer { of: Some(ca), ..Officer::default() }));
    let key = issued.key.unwrap();
    let keys = site.key_count();
    site.clock.advance_secs(130 * 86_400);
    let swept = pca.sweep_keys(Timestamp::EPOCH, &by()).unwrap();
    assert_eq!(swept.iter().map(|swept| &swept.key).collect::<Vec<_>>(), [&key]);
    assert_eq!(site.key_count(), keys - 1);
    let refusal = pca.execute(ConfirmKeyDestroyed { key }, &by()).unwrap_err();
    assert_ne!(reasons(&refusal), ["G1 not-permitted"], "the officer is told what stands against it");
}

/// Issuing names its CA, so that the authorizer costs it nothing; what a certificate's CA is costs one read.
#[test]
fn g1_asking_costs_issuing_no_read() {
    let Scene { mut site, ca, issued, .. } = scene();
    let store = InterruptedStore::new(Arc::clone(&site.store));
    site.store = Arc::new(store.clone());
    let pca = service(&site, &Arc::default());
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    store.before_each(move |operation| noted.lock().unwrap().push(operation));
    assert_refused(pca.issue(server(&ca, "a.example"), &by()));
    assert_eq!(*calls.lock().unwrap(), []);
    assert_refused(pca.execute(ReleaseHold { id: issued.id }, &by()));
    assert_eq!(*calls.lock().unwrap(), [Operation::Read]);
}
