//! The whole walk through the service, over stores in memory and in files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod service_support;

use pca_core::delivery::{Format, Options};
use pca_core::domain::ca::{CaState, DisableCa, Ending, ReenableCa, RemoveCa, ResetCa};
use pca_core::domain::certificate::{
    IssueAtomically, IssueCertificate, KeySource, NameRequest, ReleaseHold, RemoveCertificate, RevokeCertificate,
    Status, effective_status,
};
use pca_core::domain::enterprise::FoundEnterprise;
use pca_core::domain::event::Money;
use pca_core::domain::key::KeyState;
use pca_core::domain::order::{BuyIntermediate, BuyQuota, DeclineRefund, RequestRefund, ReturnRefund, ServiceTerm};
use pca_core::domain::quota::AssignQuota;
use pca_core::domain::testing::{new_key, sign};
use pca_core::domain::{CaId, Event};
use pca_core::keys::{Algorithm, KeyId, PrivateKey};
use pca_core::log::{Position, Timestamp};
use pca_core::service::{Download, Downloaded, Error};
use pca_core::x509::{
    CertificateId, CommonName, ParsedCertificate, ParsedCrl, Profile, RevocationReason, SubjectFields, VerifiedCsr,
    assemble, csr_tbs,
};
use secrecy::SecretString;
use service_support::{Kind, Site, by, enable, reasons, server, upload};

fn csr(key: &PrivateKey) -> KeySource {
    let name = SubjectFields::common("asked for").to_name(CommonName::Required).unwrap();
    let tbs = csr_tbs(&name, key.public_key(), &[]);
    let (signature, algorithm) = sign(key, &tbs);
    KeySource::Csr(VerifiedCsr::verify(&assemble(&tbs, algorithm, &signature)).unwrap())
}

fn status(site: &Site, id: CertificateId) -> Status {
    let question = |desk: &pca_core::domain::Desk<'_>, now| {
        let certificate = desk.certificate(&id)?;
        let ca = desk.ca(&certificate.issued().unwrap().ca)?;
        Ok(effective_status(certificate, ca, now))
    };
    pollster::block_on(site.pca.unblocked().question(question)).unwrap()
}

fn state(site: &Site, ca: &CaId) -> CaState {
    pollster::block_on(site.pca.unblocked().question(|desk, _| Ok(desk.ca(ca)?.state()))).unwrap()
}

fn key_state(site: &Site, key: &KeyId) -> KeyState {
    pollster::block_on(site.pca.unblocked().question(|desk, _| Ok(desk.key(key)?.clone()))).unwrap()
}

fn revoke(id: CertificateId, reason: RevocationReason) -> RevokeCertificate {
    RevokeCertificate { id, reason, invalidity_date: None }
}

fn crl(site: &Site, ca: &CaId) -> (ParsedCrl, u64) {
    let published = pollster::block_on(site.pca.unblocked().publish_crl(ca, &by())).unwrap();
    (ParsedCrl::from_der(published.der).unwrap(), published.facts.number)
}

fn listed(crl: &ParsedCrl, id: CertificateId) -> Option<RevocationReason> {
    crl.entries().iter().find(|entry| entry.serial == id.serial()).map(|entry| entry.reason)
}

#[test]
fn the_whole_walk_in_memory() {
    walk(Kind::Memory);
}

#[test]
fn the_whole_walk_in_files() {
    walk(Kind::Files);
}

fn walk(kind: Kind) {
    let mut site = Site::new(kind);
    assert_eq!(site.refused(service_support::buy_root()), ["L3 not-founded"]);
    site.found();

    // A root first; it brings an intermediate and ten free units.
    let bought = site.buy_root();
    let (root, oa) = (bought.root.clone(), bought.intermediate.clone());
    let no_root = BuyIntermediate { root: root.clone(), term: ServiceTerm::years(1), paid: Money::nothing() };
    assert_eq!(site.refused(no_root.clone()), ["O2 root-not-enabled"]);
    assert!(site.refused(enable(&oa, "OA")).contains(&"C1 root-not-enabled".to_string()));
    site.enable(&root, "Root");
    site.enable(&oa, "OA");
    assert_eq!(state(&site, &oa), CaState::Enabled);

    // Quota, then certificates with the platform's key and from a signing request.
    let refused = site.pca.issue(server(&oa, "a.example"), &by()).unwrap_err();
    assert_eq!(reasons(&refused), ["Q2 no-quota-left"]);
    let assigned = site.run(AssignQuota { ca: oa.clone(), units: 9 });
    assert_eq!((assigned.assigned, assigned.remaining), (9, 1));
    let www = site.pca.issue(server(&oa, "www.example"), &by()).unwrap().answer;
    assert!(www.key.is_some());
    let holder = new_key(Algorithm::EcdsaP256);
    let api = IssueCertificate { key: csr(&holder), ..server(&oa, "api.example") };
    let api = site.pca.issue(api, &by()).unwrap().answer;
    assert_eq!((api.key.clone(), api.balance.remaining), (None, 7));
    let alice = IssueCertificate {
        names: vec![NameRequest::email("alice@example.com")],
        key: csr(&new_key(Algorithm::EcdsaP384)),
        ..IssueCertificate::client(oa.clone(), "Alice")
    };
    let alice = site.pca.issue(alice, &by()).unwrap().answer;
    let bob = site.pca.issue(IssueCertificate::client(oa.clone(), "Bob"), &by()).unwrap().answer;
    let data = IssueCertificate::of(oa.clone(), Profile::DataEncryption, SubjectFields::common("HR records"));
    site.pca.issue(data, &by()).unwrap();
    let parsed = ParsedCertificate::from_der(www.certificate.as_bytes()).unwrap();
    assert_eq!(parsed.id().unwrap(), www.id);

    download_everything(&site, &www, &api, &root);
    revocations(&site, &oa, &www, &alice, &bob);

    // Disabled: no issue, but revocation and lists go on.
    site.run(DisableCa { ca: oa.clone() });
    let refused = site.pca.issue(server(&oa, "b.example"), &by()).unwrap_err();
    assert_eq!(reasons(&refused), ["I1 ca-disabled"]);
    crl(&site, &oa);
    site.run(ReenableCa { ca: oa.clone() });

    // The end of the intermediate: everything that it issued ends, what is left of its quota stays.
    let wrong = ResetCa { confirm: pca_core::log::Digest::of(b"guessed"), ..site.reset(&oa, false) };
    let before = site.position();
    let refused = site.pca.reset_ca(wrong, &by()).unwrap_err();
    assert_eq!((reasons(&refused), site.position()), (vec!["C8 stale-preview".to_string()], before));
    let foreseen = site.foresee(&oa, Ending::Reset);
    assert_eq!((foreseen.certificates, foreseen.kept, foreseen.forfeited), (3, 4, 0));
    let key = pollster::block_on(site.pca.unblocked().question(|desk, _| Ok(desk.ca(&oa)?.generation().cloned())));
    let key = key.unwrap().unwrap().key;
    let ended = site.pca.reset_ca(site.reset(&oa, false), &by()).unwrap();
    assert_eq!(ended.done.answer.ended[0].certificates, 3);
    assert_eq!(ended.steps.len(), 3, "{:?}", ended.steps);
    assert!(ended.steps.iter().all(|step| step.outcome.is_ok()), "{:?}", ended.steps);
    assert_eq!(state(&site, &oa), CaState::NotEnabled);
    assert!(matches!(key_state(&site, &key), KeyState::Ended(Some(_))));
    let gone = pollster::block_on(site.keys.public_key(&key));
    assert!(matches!(gone, Err(pca_core::keys::KeyError::Absent { .. })), "{gone:?}");
    assert!(matches!(status(&site, api.id), Status::Revoked { .. }), "{:?}", status(&site, api.id));
    let (last, _) = crl(&site, &oa);
    assert_eq!(listed(&last, www.id), Some(RevocationReason::KeyCompromise));
    assert_eq!(listed(&last, api.id), Some(RevocationReason::CessationOfOperation));
    let (of_root, _) = crl(&site, &root);
    assert_eq!(of_root.entries().len(), 1, "the intermediate's own certificate");

    // Enabled anew, under the same name, with the key and certificate of its owner.
    site = site.reopen();
    let brought = new_key(Algorithm::EcdsaP256);
    let foreign = upload(&site, &oa, None, &brought, "OA");
    assert!(site.refused(foreign).iter().any(|reason| reason.starts_with("C3 ")));
    site.enable(&oa, "OA");
    let again = site.pca.issue(server(&oa, "www.example"), &by()).unwrap().answer;
    assert_eq!(again.balance.remaining, 3);
    assert_eq!(status(&site, again.id), Status::Valid);

    removals(&site, &root, &oa, &bob, &again.id);
    assert_eq!(site.pca.resume(&by()).unwrap(), []);
    site.check();
    site.reopen().check();
}

fn download_everything(
    site: &Site,
    www: &pca_core::domain::certificate::Issued,
    api: &pca_core::domain::certificate::Issued,
    root: &CaId,
) {
    let passphrase = || Some(SecretString::from("long enough"));
    let download = |id, format, with_key| Download {
        subject: Downloaded::Certificate(id),
        format,
        options: Options { with_key, passphrase: passphrase(), ..Options::default() },
        recipient: "ops@example.com".into(),
        destroy_key: false,
    };
    let (before, keyed) =
        (site.position(), [Format::Pem, Format::Pkcs8, Format::Pkcs12, Format::Nginx, Format::Browser]);
    for format in keyed {
        let delivery = site.pca.download(&download(www.id, format, true), &by()).unwrap_or_else(|error| {
            panic!("{format}: {error}");
        });
        assert!(!delivery.files.is_empty());
    }
    let after = site.position();
    assert_eq!(after, before.plus(5), "each key download is an event");
    for format in [Format::Pem, Format::Der] {
        assert!(!site.pca.download(&download(api.id, format, false), &by()).unwrap().files.is_empty());
    }
    let of_ca = Download { subject: Downloaded::Ca(root.clone()), ..download(www.id, Format::Pem, false) };
    assert!(!site.pca.download(&of_ca, &by()).unwrap().files.is_empty());
    assert_eq!(site.position(), after, "a download without a key is no event");
    let keyless = site.pca.download(&download(api.id, Format::Pkcs12, true), &by()).unwrap_err();
    assert_eq!(reasons(&keyless).len(), 1, "{keyless}");
    let of_ca = Download { subject: Downloaded::Ca(root.clone()), ..download(www.id, Format::Pem, true) };
    let refused = site.pca.download(&of_ca, &by()).unwrap_err();
    assert!(reasons(&refused).iter().any(|reason| reason.starts_with("K1 ")), "{refused}");
    let mut short = download(www.id, Format::Pkcs12, true);
    short.options.passphrase = Some(SecretString::from("short"));
    assert!(reasons(&site.pca.download(&short, &by()).unwrap_err()).iter().any(|reason| reason.starts_with("K5 ")));
    assert_eq!(site.position(), after);
}

fn revocations(
    site: &Site,
    oa: &CaId,
    www: &pca_core::domain::certificate::Issued,
    alice: &pca_core::domain::certificate::Issued,
    bob: &pca_core::domain::certificate::Issued,
) {
    let (empty, first) = crl(site, oa);
    assert_eq!(empty.entries().len(), 0);
    let before = site.position();
    let (_, same) = crl(site, oa);
    assert_eq!((same, site.position()), (first, before), "signing again does not swell the log");
    site.run(revoke(www.id, RevocationReason::KeyCompromise));
    site.run(revoke(alice.id, RevocationReason::CertificateHold));
    assert_eq!(site.refused(revoke(www.id, RevocationReason::Superseded)), ["A2 already-revoked"]);
    let (held, second) = crl(site, oa);
    assert!(second > first);
    assert_eq!(listed(&held, alice.id), Some(RevocationReason::CertificateHold));
    assert!(matches!(status(site, alice.id), Status::OnHold { .. }));
    site.run(ReleaseHold { id: alice.id });
    assert_eq!(status(site, alice.id), Status::Valid);
    assert_eq!(site.refused(ReleaseHold { id: alice.id }), ["A2 not-on-hold"]);
    site.run(revoke(bob.id, RevocationReason::Superseded));
    let (released, third) = crl(site, oa);
    assert!(third > second);
    assert_eq!((listed(&released, alice.id), listed(&released, bob.id)), (None, Some(RevocationReason::Superseded)));
}

/// The refund of a further intermediate, and the end of everything.
fn removals(site: &Site, root: &CaId, oa: &CaId, bob: &pca_core::domain::certificate::Issued, alive: &CertificateId) {
    site.run(RemoveCertificate { id: bob.id });
    assert_eq!(site.refused(RemoveCertificate { id: *alive }), ["A5 still-in-force"]);

    let further = BuyIntermediate { root: root.clone(), term: ServiceTerm::years(1), paid: Money::nothing() };
    let hr = site.run(further);
    site.run(RequestRefund { order: hr.order.clone() });
    assert!(site.refused(enable(&hr.intermediate, "HR")).iter().any(|reason| reason.starts_with("R5 ")));
    site.run(DeclineRefund { order: hr.order.clone(), reason: "a misunderstanding".into() });
    assert_eq!(state(site, &hr.intermediate), CaState::NotEnabled);
    site.run(RequestRefund { order: hr.order.clone() });
    site.run(ReturnRefund { order: hr.order });
    site.run(RemoveCa { ca: hr.intermediate.clone() });
    assert_eq!(state(site, &hr.intermediate), CaState::Removed);

    let narrow = site.revoke(oa, false);
    assert_eq!(reasons(&site.pca.revoke_ca(narrow, &by()).unwrap_err()), ["C9 certificates-exist"]);
    let ended = site.pca.revoke_ca(site.revoke(oa, true), &by()).unwrap();
    assert_eq!(ended.done.answer.forfeited, 3);
    assert!(ended.steps.iter().all(|step| step.outcome.is_ok()), "{:?}", ended.steps);
    site.run(RemoveCa { ca: oa.clone() });
    let ended = site.pca.revoke_ca(site.revoke(root, true), &by()).unwrap();
    assert_eq!(ended.done.answer.trust_anchors.len(), 1);
    assert!(ended.steps.iter().all(|step| step.outcome.is_ok()), "{:?}", ended.steps);
    crl(site, root);
}

#[test]
fn an_uploaded_root_and_intermediate_issue_like_created_ones() {
    for kind in Kind::REAL {
        let site = Site::new(kind);
        site.found();
        let bought = site.buy_root();
        let (top, middle) = (new_key(Algorithm::EcdsaP384), new_key(Algorithm::EcdsaP256));
        let root = site.run(upload(&site, &bought.root, None, &top, "Own Root"));
        let issuer = (&top, root.certificate.as_bytes());
        site.run(upload(&site, &bought.intermediate, Some(issuer), &middle, "Own OA"));
        site.run(AssignQuota { ca: bought.intermediate.clone(), units: 3 });
        site.pca.issue(server(&bought.intermediate, "www.example"), &by()).unwrap();
        // The key of a CA is nobody else's (rule K2).
        let request = IssueCertificate { key: csr(&top), ..server(&bought.intermediate, "x.example") };
        assert_eq!(reasons(&site.pca.issue(request, &by()).unwrap_err()), ["K2 key-of-ca"]);
        let ended = site.pca.reset_ca(site.reset(&bought.root, true), &by()).unwrap();
        assert_eq!(ended.done.answer.surviving_keys.len(), 2);
        assert!(ended.steps.iter().all(|step| step.outcome.is_ok()), "{:?}", ended.steps);
        // A reset CA's key cannot come back, not even to itself.
        let again = upload(&site, &bought.root, None, &top, "Own Root");
        assert!(site.refused(again).iter().any(|reason| reason.starts_with("K2 ")));
        site.check();
    }
}

#[test]
fn a_repeat_answers_as_before_and_a_key_used_for_another_request_is_refused() {
    for kind in Kind::REAL {
        let mut site = Site::new(kind);
        let bought = site.issuing(5);
        let call = by().idempotent("order 7");
        let buy = |count| BuyQuota { root: bought.root.clone(), count, paid: Money::nothing() };
        let first = site.pca.execute(buy(3), &call).unwrap();
        let position = site.position();
        for _ in 0..2 {
            let repeat = site.pca.execute(buy(3), &call).unwrap();
            assert_eq!((repeat.answer, repeat.receipt, repeat.repeated), (first.answer.clone(), first.receipt, true));
            site = site.reopen();
        }
        let other = site.pca.execute(buy(4), &call).unwrap_err();
        assert_eq!(reasons(&other), ["O6 idempotency-key-reused"]);
        let actor = pca_core::service::Call::by("another").idempotent("order 7");
        assert_eq!(reasons(&site.pca.execute(buy(3), &actor).unwrap_err()), ["O6 idempotency-key-reused"]);
        // The time is no part of the request, nor are reason and correlation.
        site.clock.advance_secs(3600);
        let later = site.pca.execute(buy(3), &call.clone().because("again").correlated("x")).unwrap();
        assert_eq!(later.receipt, first.receipt);
        assert_eq!(site.position(), position);

        let call = by().idempotent("certificate 1");
        let issued = site.pca.issue(server(&bought.intermediate, "a.example"), &call).unwrap();
        let keys = site.key_count();
        let repeat = site.pca.issue(server(&bought.intermediate, "a.example"), &call).unwrap();
        assert_eq!((repeat.answer, repeat.repeated), (issued.answer.clone(), true));
        let other = site.pca.issue(server(&bought.intermediate, "b.example"), &call).unwrap_err();
        assert_eq!(reasons(&other), ["O6 idempotency-key-reused"]);
        assert_eq!(site.key_count(), keys);

        // Every request of a bulk has a key of its own, derived.
        let requests = || (0..3).map(|number| server(&bought.intermediate, &format!("b{number}.example")));
        let call = by().idempotent("bulk");
        let bulk: Vec<_> = site.pca.issue_many(requests(), &call).map(Result::unwrap).collect();
        let again: Vec<_> = site.pca.issue_many(requests(), &call).map(Result::unwrap).collect();
        assert!(again.iter().zip(&bulk).all(|(again, done)| again.answer == done.answer && again.repeated));

        // A reset is a chain of commits with derived ids: the repeat finds it done.
        let (reset, call) = (site.reset(&bought.intermediate, false), by().idempotent("reset"));
        let ended = site.pca.reset_ca(reset.clone(), &call).unwrap();
        let position = site.position();
        let again = site.pca.reset_ca(reset, &call).unwrap();
        assert_eq!((again.done.answer, again.done.repeated, again.steps), (ended.done.answer, true, vec![]));
        assert_eq!(site.position(), position);
        site.check();
    }
}

#[test]
fn a_bulk_is_in_order_each_for_itself_or_all_or_nothing() {
    for kind in Kind::REAL {
        let site = Site::new(kind);
        let bought = site.issuing(5);
        let ca = &bought.intermediate;
        let requests = |names: &[&str]| names.iter().map(|name| server(ca, name)).collect::<Vec<_>>();
        let refused = site.pca.issue_atomically(IssueAtomically { requests: requests(&["a.example", "-"]) }, &by());
        assert!(reasons(&refused.unwrap_err()).iter().any(|reason| reason.starts_with("I4 ")));
        let too_many = requests(&["a.example"; 6]);
        let refused = site.pca.issue_atomically(IssueAtomically { requests: too_many }, &by()).unwrap_err();
        assert!(reasons(&refused).contains(&"Q2 no-quota-left".to_string()), "{refused}");
        let done =
            site.pca.issue_atomically(IssueAtomically { requests: requests(&["a.example", "b.example"]) }, &by());
        assert_eq!(done.unwrap().answer.len(), 2);

        let names = ["c.example", "bad name", "d.example", "e.example", "f.example"];
        let call = by();
        let answers: Vec<_> = site.pca.issue_many(requests(&names), &call).collect();
        let told: Vec<_> = answers
            .iter()
            .map(|answer| match answer {
                Ok(done) => done.answer.balance.remaining.to_string(),
                Err(error) => reasons(error).join(" "),
            })
            .collect();
        assert_eq!(told, ["2", "I4 dns-name", "1", "0", "Q2 no-quota-left"]);
        site.check();
    }
}

#[test]
fn a_preview_changes_nothing_and_tells_all() {
    for kind in Kind::REAL {
        let site = Site::new(kind);
        let bought = site.issuing(5);
        let (position, keys) = (site.position(), site.key_count());
        let ca = &bought.intermediate;
        let issue = site.pca.preview(&server(ca, "a.example"), &by()).unwrap();
        assert!(matches!(issue.events.as_slice(), [Event::CertificateIssued(_)]));
        let quota = issue.moved.iter().find(|moved| moved.stream.category() == "quota").unwrap();
        assert_eq!(quota.to, quota.from.plus(1));
        assert!(issue.read.iter().any(|stream| stream.category() == "policy"));
        let reset = site.pca.preview(&site.reset(&bought.root, true), &by()).unwrap();
        assert!(reset.events.iter().any(|event| matches!(event, Event::CaReset(_))));
        let further =
            BuyIntermediate { root: bought.root.clone(), term: ServiceTerm::years(1), paid: Money::nothing() };
        assert_eq!(site.pca.preview(&further, &by()).unwrap().events.len(), 1);
        let brought = new_key(Algorithm::EcdsaP256);
        let refused = site.pca.preview(&upload(&site, ca, None, &brought, "OA"), &by()).unwrap_err();
        assert!(reasons(&refused).iter().any(|reason| reason.starts_with("C1 ")), "{refused}");
        let refused = site.pca.preview(&server(ca, "not a name"), &by()).unwrap_err();
        assert_eq!(reasons(&refused), ["I4 dns-name"]);
        // On any log a preview may name the time: far ahead, the intermediate has expired.
        let far = by().at(site.pca.unblocked().now().plus_secs(6 * 366 * 86_400));
        let refused = site.pca.preview(&server(ca, "a.example"), &far).unwrap_err();
        assert!(reasons(&refused).iter().any(|reason| reason.starts_with("C5 ")), "{refused}");
        assert_eq!((site.position(), site.key_count()), (position, keys));
        // What is previewed is what happens.
        let issued = site.pca.issue(server(ca, "a.example"), &by()).unwrap();
        assert_eq!(issued.receipt.last.get() - position.get(), u64::try_from(issue.events.len()).unwrap());
        site.check();
    }
}

/// The lane of a CA knows of its end only when it looks: that is no trouble of the caller's.
#[test]
fn issuing_from_a_ca_that_was_reset_behind_the_lane_is_refused_and_goes_on_when_it_is_enabled_anew() {
    for kind in Kind::REAL {
        let site = Site::new(kind);
        let bought = site.issuing(6);
        let (other, ca) = (site.another(), &bought.intermediate);
        let call = by();
        let requests = || [server(ca, "b.example"), server(ca, "c.example")];
        for service in [&site.pca, &other] {
            service.issue(server(ca, "a.example"), &by()).unwrap();
        }
        site.pca.reset_ca(site.reset(ca, false), &by()).unwrap();
        for service in [&site.pca, &other] {
            let refused = service.issue(server(ca, "a.example"), &by()).unwrap_err();
            assert_eq!(reasons(&refused), ["I1 ca-not-enabled"]);
        }
        site.enable(ca, "Intermediate");
        other.issue(server(ca, "a.example"), &by()).unwrap();
        site.pca.reset_ca(site.reset(ca, false), &by()).unwrap();
        for done in other.issue_many(requests(), &call) {
            assert_eq!(reasons(&done.unwrap_err()), ["I1 ca-not-enabled"]);
        }
        site.enable(ca, "Intermediate");
        other.issue(server(ca, "a.example"), &by()).unwrap();
        site.pca.reset_ca(site.reset(ca, false), &by()).unwrap();
        site.enable(ca, "Intermediate");
        assert!(other.issue_many(requests(), &call).all(|done| done.is_ok()));
        site.check();
    }
}

#[test]
fn following_delivers_what_was_and_what_is_to_come() {
    for kind in Kind::REAL {
        let site = Site::new(kind);
        let bought = site.issuing(3);
        let pca = site.another();
        let expected = site.log().len() + 3;
        let follower = std::thread::spawn(move || {
            pca.follow(Position::ZERO)
                .take(expected)
                .map(|recorded| recorded.unwrap().seal().digest)
                .collect::<Vec<_>>()
        });
        for number in 0..3 {
            site.pca.issue(server(&bought.intermediate, &format!("{number}.example")), &by()).unwrap();
        }
        let digests: Vec<_> = site.log().iter().map(|recorded| recorded.seal().digest).collect();
        assert_eq!(follower.join().unwrap(), digests);
        let behind = site.log()[2].seal().last();
        let rest: Vec<_> =
            site.pca.follow(behind).take(expected - 3).map(|recorded| recorded.unwrap().seal().digest).collect();
        assert_eq!(rest, digests[3..]);
    }
}

#[test]
fn only_a_rehearsal_takes_its_time_from_the_caller_and_refusals_go_to_the_journal() {
    let site = Site::new(Kind::Memory);
    site.found();
    let early = by().at(site.pca.unblocked().now().plus_secs(60));
    let refused = site.pca.execute(service_support::buy_root(), &early).unwrap_err();
    assert_eq!(reasons(&refused), ["L9 not-a-rehearsal"]);
    site.clock.advance_secs(500 * 86_400);
    let refused = site.pca.execute(service_support::buy_root(), &by()).unwrap_err();
    assert_eq!(reasons(&refused), ["L9 clock-far-ahead"]);
    site.pca.execute(service_support::buy_root(), &by().confirming_clock()).unwrap();
    // What a policy says about the clock counts from the next command on.
    let mut policy = site.policy();
    policy.max_gap_days = 10;
    site.run(pca_core::domain::policy::AdoptPolicy { policy });
    site.clock.advance_secs(20 * 86_400);
    let refused = site.pca.execute(service_support::buy_root(), &by()).unwrap_err();
    assert_eq!(reasons(&refused), ["L9 clock-far-ahead"]);
    // A clock that goes back does not take the log's time back.
    site.clock.advance_secs(-300 * 86_400);
    let before = site.log().last().unwrap().seal().time;
    site.buy_root();
    assert_eq!(site.log().last().unwrap().seal().time, before);
    let journal = site.pca.unblocked().refusals();
    assert_eq!((journal.total(), journal.attempts()[0].command), (3, "BuyRoot"));

    let site = Site::new(Kind::Memory);
    let founding = FoundEnterprise { name: None, rehearsal: true, policy: site.policy() };
    let then = Timestamp::from_secs(1_800_000_000);
    site.pca.execute(founding, &by().at(then)).unwrap();
    site.pca.execute(service_support::buy_root(), &by().at(then.plus_secs(60))).unwrap();
    assert_eq!(site.log().last().unwrap().seal().time, then.plus_secs(60));
    site.check();
}

#[test]
fn l9_a_real_log_is_not_founded_at_a_time_of_the_callers() {
    let site = Site::new(Kind::Memory);
    let founding = |rehearsal| FoundEnterprise { name: None, rehearsal, policy: site.policy() };
    for then in [Timestamp::from_secs(0), site.pca.unblocked().now().plus_secs(86_400)] {
        let refused = site.pca.execute(founding(false), &by().at(then)).unwrap_err();
        assert_eq!(reasons(&refused), ["L9 not-a-rehearsal"]);
        assert!(refused.to_string().contains("found a rehearsal, or leave the time to the clock"), "{refused}");
    }
    assert_eq!((site.position(), site.pca.unblocked().refusals().total()), (Position::ZERO, 2));
    site.pca.execute(founding(false), &by()).unwrap();
    assert_eq!(site.log()[0].seal().time, site.pca.unblocked().now());
    site.check();
}

#[test]
fn the_key_of_a_holder_ends_at_the_delivery_that_asks_for_it() {
    for kind in Kind::REAL {
        let site = Site::new(kind);
        let bought = site.issuing(1);
        let www = site.pca.issue(server(&bought.intermediate, "www.example"), &by()).unwrap().answer;
        let download = Download {
            subject: Downloaded::Certificate(www.id),
            format: Format::Pkcs12,
            options: Options { with_key: true, passphrase: Some(SecretString::from("long enough")), plain_key: false },
            recipient: "ops".into(),
            destroy_key: true,
        };
        site.pca.download(&download, &by()).unwrap();
        let key = www.key.unwrap();
        assert!(matches!(key_state(&site, &key), KeyState::Ended(Some(_))));
        assert!(pollster::block_on(site.keys.export(&key)).is_err());
        let refused = site.pca.download(&download, &by()).unwrap_err();
        assert!(matches!(refused, Error::Refused(_)), "{refused}");
        assert_eq!(reasons(&refused), ["K4 key-destroyed"]);
        site.check();
    }
}
