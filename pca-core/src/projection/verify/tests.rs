//! Tests of the domain's verifier: true logs pass, and each kind of falsehood is told.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::domain::certificate::IssueCertificate;
use crate::domain::event::{CaDisabled, CertificateRevoked, CrlPartition, DeltaBase, Der};
use crate::domain::testing::Story;
use crate::log::{Commit, CommitId, EncodedEvent, Head, Metadata, RequestDigest, Revision, Timestamp};
use crate::projection::testing::{record, some_certificate};
use crate::x509::{RevocationReason, SerialNumber};

type Events = Vec<(Event, Timestamp)>;

fn faults(events: &[(Event, Timestamp)]) -> Vec<DomainFault> {
    let mut verifier = DomainVerifier::default();
    let faults = record(events).iter().flat_map(|recorded| verifier.follow(recorded)).collect();
    verifier.finish().unwrap();
    faults
}

/// Two roots, two intermediates, three certificates.
fn story() -> Story {
    let mut story = Story::issuing(5);
    story.run(&IssueCertificate::server(story.intermediate(), ["www.example.com"]));
    let mut story = story.root_bought().root_enabled().intermediate_enabled().assigned(5).later(60);
    story.run(&IssueCertificate::server(story.intermediate(), ["oa.example.com"]));
    story.run(&IssueCertificate::client(story.intermediate(), "Ada"));
    story
}

/// Changes the newest event that the closure changes, and expects some faults.
#[track_caller]
fn caught(change: impl Fn(&mut Event) -> bool, is: impl Fn(&DomainFault) -> bool) {
    let mut events: Events = story().events().to_vec();
    assert_eq!(faults(&events), []);
    assert!(events.iter_mut().rev().any(|(event, _)| change(event)));
    let faults = faults(&events);
    assert!(faults.iter().any(is), "{faults:?}");
}

#[track_caller]
fn issued_caught(change: impl Fn(&mut CertificateIssued), is: impl Fn(&DomainFault) -> bool) {
    let change = |event: &mut Event| match event {
        Event::CertificateIssued(issued) => {
            change(issued);
            true
        }
        _ => false,
    };
    caught(change, is);
}

#[track_caller]
fn enabled_caught(change: impl Fn(&mut CaEnabled), is: impl Fn(&DomainFault) -> bool) {
    let change = |event: &mut Event| match event {
        Event::CaEnabled(enabled) => {
            change(enabled);
            true
        }
        _ => false,
    };
    caught(change, is);
}

fn is_fact(fault: &DomainFault, expected: &str) -> bool {
    matches!(fault, DomainFault::Certificate { fault: CertificateFault::Fact { what, .. }, .. } if *what == expected)
}

fn flip_last(certificate: &mut Der) {
    let mut octets = certificate.as_bytes().to_vec();
    *octets.last_mut().unwrap() ^= 1;
    *certificate = octets.into();
}

#[test]
fn a_true_log_passes() {
    let story = story();
    let mut verifier = DomainVerifier::default();
    let log = record(story.events());
    assert!(log.iter().all(|recorded| verifier.follow(recorded).is_empty()));
    assert_eq!((verifier.certificates(), verifier.position()), (7, log.last().unwrap().seal().last()));
    assert_eq!(verifier.finish(), Ok(()));
}

#[test]
fn c5_i5_a_certificate_must_say_what_the_log_says() {
    let other = SerialNumber::from_random([1; 10]);
    issued_caught(|issued| issued.id = CertificateId::new(issued.id.issuer(), other), |fault| is_fact(fault, "id"));
    issued_caught(|issued| issued.not_after = issued.not_after.plus_secs(1), |fault| is_fact(fault, "not_after"));
    issued_caught(|issued| issued.not_before = issued.not_before.plus_secs(1), |fault| is_fact(fault, "not_before"));
    issued_caught(|issued| issued.spki = Digest::ZERO, |fault| is_fact(fault, "key"));
    enabled_caught(|enabled| enabled.subject_hash = NameHash::new([1; 5]), |fault| is_fact(fault, "subject name hash"));
    enabled_caught(|enabled| enabled.name_hash = NameHash::new([1; 5]), |fault| is_fact(fault, "folded name hash"));
    enabled_caught(|enabled| enabled.algorithm = None, |fault| is_fact(fault, "algorithm"));
    enabled_caught(|enabled| enabled.spki = Digest::ZERO, |fault| is_fact(fault, "key"));
    issued_caught(
        |issued| issued.certificate = Der::from(&b"\x30\x00"[..]),
        |fault| matches!(fault, DomainFault::Certificate { fault: CertificateFault::Unreadable(_), .. }),
    );
}

#[test]
fn i6_every_signature_is_verified() {
    let is =
        |fault: &DomainFault| matches!(fault, DomainFault::Certificate { fault: CertificateFault::Signature(_), .. });
    issued_caught(|issued| flip_last(&mut issued.certificate), is);
    enabled_caught(|enabled| flip_last(&mut enabled.certificate), is);
    let change = |event: &mut Event| match event {
        Event::CaEnabled(enabled) if enabled.id.issuer() == enabled.subject_hash => {
            flip_last(&mut enabled.certificate);
            true
        }
        _ => false,
    };
    caught(change, is);
    let mut events: Events = story().events().to_vec();
    assert!(events.iter_mut().any(|(event, _)| change(event)));
    let mut quick = DomainVerifier::without_signatures();
    assert!(record(&events).iter().all(|recorded| quick.follow(recorded).is_empty()));
}

#[test]
fn i1_only_the_issuer_that_is_enabled() {
    let story = Story::issuing(5);
    let issued = some_certificate(&story);
    let (root, intermediate) = (story.root(), story.intermediate());
    let with = |story: &Story| {
        let mut events: Events = story.events().to_vec();
        events.push((issued.clone().into(), story.now()));
        faults(&events)
    };
    assert_eq!(with(&story), []);
    for ca in [&root, &intermediate] {
        let faults = with(&story.clone().and(CaDisabled { ca: ca.clone() }));
        assert!(
            matches!(faults.as_slice(), [DomainFault::CaState { ca: found, state: CaState::Disabled, .. }] if found == ca),
            "{faults:?}"
        );
    }
    issued_caught(|issued| issued.generation = 2, |fault| matches!(fault, DomainFault::Generation { found: 2, .. }));
    let mut events: Events = story.events().to_vec();
    events.push((CertificateIssued { ca: root.clone(), ..issued.clone() }.into(), story.now()));
    let faults = faults(&events);
    assert!(faults.iter().any(|fault| matches!(fault, DomainFault::NotAnIntermediate { .. })), "{faults:?}");
}

#[test]
fn another_cas_certificate_is_not_this_ones() {
    // The certificate of the first intermediate, told as the second's.
    let story = story();
    let second = story.intermediate();
    let mut events: Events = story.events().to_vec();
    let first = events.iter_mut().find_map(|(event, _)| match event {
        Event::CertificateIssued(issued) => Some(issued),
        _ => None,
    });
    first.unwrap().ca = second;
    let faults = faults(&events);
    assert!(
        faults.iter().any(|fault| matches!(fault, DomainFault::CaState { state: CaState::Unknown, .. })),
        "{faults:?}"
    );
}

#[test]
fn i5_a_serial_number_is_used_once() {
    let mut events: Events = story().events().to_vec();
    let last = events.last().unwrap().clone();
    events.push(last);
    let faults = faults(&events);
    assert!(faults.iter().any(|fault| matches!(fault, DomainFault::Serial { .. })), "{faults:?}");
    assert!(
        faults.iter().any(|fault| matches!(fault, DomainFault::Ledger { .. })),
        "its unit is spent twice: {faults:?}"
    );
}

#[test]
fn c1_an_enabled_ca_is_not_enabled_again() {
    enabled_caught(|enabled| enabled.generation = 3, |fault| matches!(fault, DomainFault::Generation { .. }));
    let story = Story::issuing(1);
    let mut events: Events = story.events().to_vec();
    let enabled = events.iter().rev().find(|(event, _)| matches!(event, Event::CaEnabled(_))).cloned();
    events.extend(enabled);
    let faults = faults(&events);
    assert!(
        faults.iter().any(|fault| matches!(fault, DomainFault::CaState { state: CaState::Enabled, .. })),
        "{faults:?}"
    );
}

#[test]
fn a2_only_what_was_issued_is_revoked() {
    let story = story();
    let id = some_certificate(&story).id;
    let revoked = CertificateRevoked {
        id,
        ca: story.intermediate(),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
        not_after: story.now(),
        compromised_spki: None,
        partition: None,
    };
    let faults = faults(story.and(revoked).events());
    assert!(matches!(faults.as_slice(), [DomainFault::UnknownCertificate { .. }]), "{faults:?}");
}

#[test]
fn a3_crl_numbers_rise() {
    let story = Story::issuing(1);
    let generation = story.generation(&story.intermediate()).clone();
    let crl = |number, generation_number| CrlPublished {
        ca: story.intermediate(),
        generation: generation_number,
        subject_hash: generation.subject_hash,
        number,
        this_update: story.now(),
        next_update: story.now().plus_secs(60),
        entries: 0,
        expired_before: None,
        covers: Position::new(1),
        digest: Digest::ZERO,
        last: None,
        delta: None,
        partition: None,
        freshest: None,
    };
    let rise = |numbers: &[(u64, u32)]| {
        faults(
            numbers
                .iter()
                .fold(story.clone(), |story, (number, generation)| story.and(crl(*number, *generation)))
                .events(),
        )
    };
    assert_eq!(rise(&[(1, 1), (2, 1), (9, 1)]), []);
    assert_eq!(rise(&[(5, 1), (5, 2), (6, 2)]), [], "every live key signs the same number");
    assert!(matches!(rise(&[(5, 1), (5, 1)]).as_slice(), [DomainFault::CrlNumber { last: 5, found: 5, .. }]));
    assert!(matches!(rise(&[(5, 1), (4, 2)]).as_slice(), [DomainFault::CrlNumber { last: 5, found: 4, .. }]));
    assert!(matches!(rise(&[(0, 1)]).as_slice(), [DomainFault::CrlNumber { .. }]));
    let delta = |number, base, partition: Option<u16>| CrlPublished {
        delta: Some(DeltaBase { number: base, covers: Position::new(1) }),
        partition: partition.map(|index| CrlPartition { index, addresses: Vec::new() }),
        ..crl(number, 1)
    };
    let based = story.clone().and(crl(5, 1));
    assert_eq!(faults(based.clone().and(delta(6, 5, None)).and(delta(7, 5, None)).events()), []);
    for wrong in [delta(6, 4, None), delta(6, 5, Some(0))] {
        let told = faults(based.clone().and(wrong).events());
        assert!(matches!(told.as_slice(), [DomainFault::DeltaBase { .. }]), "{told:?}");
    }
    let ahead = CrlPublished { covers: Position::new(1000), ..crl(1, 1) };
    let faults = faults(story.clone().and(ahead).events());
    assert!(matches!(faults.as_slice(), [DomainFault::CrlCovers { .. }]), "{faults:?}");
}

#[test]
fn k2_a_key_has_one_role() {
    let story = story();
    let authority = story.generation(&story.root()).spki;
    issued_caught(
        |issued| issued.spki = authority,
        |fault| matches!(fault, DomainFault::KeyRole { .. } | DomainFault::Certificate { .. }),
    );
}

/// An event in the stream `policy`, whatever it is.
fn in_policy(event: EncodedEvent) -> Recorded {
    let stream = stream::policy();
    let metadata = Metadata {
        command: "x".into(),
        actor: "x".into(),
        claimed_actor: None,
        reason: None,
        correlation: None,
        decided_at: Timestamp::EPOCH,
        wall_clock: None,
    };
    let guards = [(stream.clone(), Revision::ZERO)];
    let event = EncodedEvent { streams: vec![stream], ..event };
    let commit = Commit::new(CommitId::new([1; 16]), RequestDigest::new([0; 32]), metadata, guards, &[event]).unwrap();
    Recorded::new(Head::GENESIS.seal(&commit), commit)
}

#[test]
fn l5_an_event_that_cannot_be_read_is_told() {
    let event = EncodedEvent { kind: "Unheard".into(), schema: 1, streams: vec![], payload: vec![0x80] };
    let faults = DomainVerifier::default().follow(&in_policy(event));
    assert!(matches!(faults.as_slice(), [DomainFault::Codec { .. }]), "{faults:?}");
}

#[test]
fn an_event_in_another_stream_than_it_concerns_is_told() {
    let story = Story::issuing(1);
    let (event, _) = story.events().iter().find(|(event, _)| matches!(event, Event::RootOrdered(_))).unwrap();
    let faults = DomainVerifier::default().follow(&in_policy(event.encode().unwrap()));
    assert!(matches!(faults.as_slice(), [DomainFault::Streams { kind: "RootOrdered", .. }]), "{faults:?}");
}

/// Every command that changes what the verifier looks at, by the rules themselves.
fn whole_life() -> Story {
    use crate::domain::ca::{
        DisableCa, EnableByCreating, Ending, Lifetime, Preview, ReenableCa, RemoveCa, ResetCa, RevokeCa,
    };
    use crate::domain::certificate::{IssueAtomically, ReleaseHold, RemoveCertificate, RevokeCertificate};
    use crate::domain::crl::{PublishCrl, PublishLastCrl};
    use crate::domain::enterprise::FoundEnterprise;
    use crate::domain::event::{Addresses, Money};
    use crate::domain::key::ConfirmKeyDestroyed;
    use crate::domain::order::{
        BuyIntermediate, BuyQuota, BuyRoot, ExtendTerm, RequestRefund, ReturnRefund, ServiceTerm,
    };
    use crate::domain::policy::Policy;
    use crate::domain::quota::AssignQuota;
    use crate::domain::{Desk, Evidence};
    use crate::keys::{Algorithm, Family};
    use crate::x509::SubjectFields;

    let term = ServiceTerm::years(3);
    let enable = |ca: &CaId, name: &str, algorithm, years| EnableByCreating {
        constraints: Default::default(),
        ca: ca.clone(),
        subject: SubjectFields::common(name),
        algorithm: Some(algorithm),
        lifetime: Some(Lifetime::Years(years)),
        clamp: false,
        path_length: None,
        addresses: Addresses::default(),
    };
    let policy = Policy { free_quota_days: Some(30), ..Policy::default() };
    let mut story = Story::new();
    story.run(&FoundEnterprise { name: None, rehearsal: true, policy });
    let bought = story.run(&BuyRoot { family: Family::Ecc, term, paid: Money::nothing() }).answer;
    let (root, oa) = (bought.root, bought.intermediate);
    story.run(&enable(&root, "Example Root", Algorithm::EcdsaP384, 10));
    story.run(&enable(&oa, "Example OA", Algorithm::EcdsaP256, 5));
    let other = story.run(&BuyIntermediate { root: root.clone(), term, paid: Money::nothing() }).answer;
    let hr = other.intermediate;
    story.run(&enable(&hr, "Example HR", Algorithm::Ed25519, 5));
    let spare = story.run(&BuyQuota { root: root.clone(), count: 3, paid: Money::nothing() }).answer;
    let spare_ca = story.run(&BuyIntermediate { root: root.clone(), term, paid: Money::nothing() }).answer;
    for order in [spare.order, spare_ca.order] {
        story.run(&RequestRefund { order: order.clone() });
        story.run(&ReturnRefund { order });
    }
    story.run(&BuyQuota { root: root.clone(), count: 20, paid: Money::nothing() });
    story.run(&AssignQuota { ca: oa.clone(), units: 8 });
    story.run(&AssignQuota { ca: hr.clone(), units: 6 });
    story.run(&ExtendTerm { ca: root.clone(), term });
    let server = IssueCertificate { days: Some(20), ..IssueCertificate::server(oa.clone(), ["oa.example.com"]) };
    let first = story.run(&server).answer.id;
    story.run(&IssueAtomically { requests: vec![server.clone(), server] });
    story.run(&IssueCertificate { days: Some(20), ..IssueCertificate::client(hr.clone(), "Ada") });
    let revoke = |id, reason| RevokeCertificate { id, reason, invalidity_date: None };
    story.run(&revoke(first, RevocationReason::CertificateHold));
    story.run(&ReleaseHold { id: first });
    story.run(&revoke(first, RevocationReason::Superseded));
    story.run(&revoke(first, RevocationReason::KeyCompromise));
    story.run(&PublishCrl::full(oa.clone()));
    story.run(&PublishCrl::full(root.clone()));
    story.run(&DisableCa { ca: oa.clone() });
    let mut story = story.days_later(31);
    story.run(&ReenableCa { ca: oa.clone() });
    story.run(&PublishCrl::full(oa.clone()));
    // What was free has lapsed, in the pool and at the intermediates.
    story.run(&AssignQuota { ca: oa.clone(), units: 2 });
    story.run(&IssueCertificate::server(oa.clone(), ["oa.example.com"]));
    story.run(&RemoveCertificate { id: first });
    let confirm = |story: &mut Story, ca: &CaId, ending| {
        // A refusal has loaded all that a preview looks at.
        let wrong = Digest::ZERO;
        let ca = ca.clone();
        match ending {
            Ending::Reset => {
                let (cascade, reason, without_last_crl) = (true, None, false);
                story.refused(&ResetCa { ca: ca.clone(), confirm: wrong, cascade, reason, without_last_crl });
            }
            _ => {
                let (cascade, reason, without_last_crl) = (true, None, false);
                story.refused(&RevokeCa { ca: ca.clone(), confirm: wrong, cascade, reason, without_last_crl });
            }
        }
        let mut evidence = Evidence::default();
        for ca in [&root, &oa, &hr] {
            evidence.rolls.insert(ca.clone(), std::sync::Arc::new(story.roll(ca)));
        }
        let desk = Desk::new(story.world().desk(), &evidence);
        Preview { ca, ending }.ask(&desk, story.now()).unwrap().digest
    };
    let end_keys = |story: &mut Story, cas: &[&CaId]| {
        for ca in cas {
            let ended = story.ca(ca).ended().last().unwrap().end.clone();
            if ended.last_crl {
                story.run(&PublishLastCrl { ca: (*ca).clone(), generation: ended.generation });
            }
            story.run(&ConfirmKeyDestroyed { key: ended.key });
        }
    };
    let digest = confirm(&mut story, &oa, Ending::Reset);
    let (cascade, reason, without_last_crl) = (true, None, false);
    story.run(&ResetCa { ca: oa.clone(), confirm: digest, cascade, reason, without_last_crl });
    end_keys(&mut story, &[&oa]);
    story.run(&enable(&oa, "Example OA 2", Algorithm::EcdsaP521, 5));
    story.run(&IssueCertificate::server(oa.clone(), ["oa.example.com"]));
    let digest = confirm(&mut story, &root, Ending::Revoke);
    let reason = Some(RevocationReason::KeyCompromise);
    story.run(&RevokeCa { ca: root.clone(), confirm: digest, cascade, reason, without_last_crl });
    end_keys(&mut story, &[&oa, &hr, &root]);
    story.run(&RemoveCa { ca: hr });
    story
}

#[test]
fn a_whole_life_passes_and_every_projection_agrees() {
    use crate::domain::certificate::{Status, effective_status};
    use crate::projection::{CertificateFilter, CertificateStatus, Inventory, Orders, Projection, QuotaLedger};

    let story = whole_life();
    assert_eq!(faults(story.events()), []);
    let log = record(story.events());
    let (mut ledger, mut inventory, mut orders) = (QuotaLedger::default(), Inventory::default(), Orders::default());
    ledger.follow(&log).unwrap();
    inventory.follow(&log).unwrap();
    orders.follow(&log).unwrap();
    ledger.ledger().check().unwrap();
    for line in ledger.intermediates(story.now()) {
        let quota = story.quota(&line.ca);
        assert_eq!((line.assigned, line.consumed), (quota.received(), quota.consumed()));
        assert_eq!(line.assigned, line.consumed + line.remaining + line.expired + line.forfeited, "{line:?}");
    }
    let all = CertificateFilter { removed: true, ..CertificateFilter::default() };
    let mut seen = std::collections::BTreeSet::new();
    for entry in inventory.certificates(&all, story.now()) {
        let status = inventory.status(entry, story.now());
        let domain = effective_status(&story.certificate(&entry.id), story.ca(&entry.ca), story.now());
        let agrees = match status {
            CertificateStatus::Valid => domain == Status::Valid,
            CertificateStatus::OnHold => matches!(domain, Status::OnHold { .. }),
            CertificateStatus::Revoked => matches!(domain, Status::Revoked { with_ca: false, .. }),
            CertificateStatus::Ended => matches!(domain, Status::Revoked { with_ca: true, .. }),
            CertificateStatus::Expired => matches!(domain, Status::Expired { .. }),
        };
        assert!(agrees, "{status} {domain}");
        seen.insert(status);
    }
    assert!(seen.len() >= 3, "{seen:?}");
    assert_eq!(orders.entries().len(), 5);
}
