//! Revocation, holds, expiry and removal (rules A2, A5, C7).

use super::*;
use crate::domain::Event;
use crate::domain::key::KeyRole;

#[test]
fn a2_a_certificate_is_revoked_once() {
    let (mut story, issued) = with_certificate();
    assert_eq!(status(&story, issued.id), Status::Valid);
    let answer = story.run(&revoke(issued.id, RevocationReason::Superseded)).answer;
    assert_eq!((answer.status(), answer.ca.clone()), ("revoked", issued.ca));
    let at = story.now();
    let revoked = Status::Revoked { reason: RevocationReason::Superseded, at, with_ca: false };
    let mut story = story.later(10);
    assert_eq!(status(&story, issued.id), revoked);
    for reason in [RevocationReason::Superseded, RevocationReason::Unspecified, RevocationReason::CertificateHold] {
        assert_eq!(story.refused(&revoke(issued.id, reason)), ["A2 already-revoked"], "{reason}");
    }
    assert_eq!(status(&story, issued.id), revoked, "a refusal changes nothing");
}

#[test]
fn a2_every_reason_for_holders_is_taken() {
    for reason in RevocationReason::ALL {
        let (mut story, issued) = with_certificate();
        match reason {
            RevocationReason::CaCompromise => {
                assert_eq!(story.refused(&revoke(issued.id, reason)), ["A2 reason-for-cas-only"]);
            }
            RevocationReason::RemoveFromCrl => {
                assert_eq!(story.refused(&revoke(issued.id, reason)), ["A2 reason-for-deltas-only"]);
            }
            _ => assert_eq!(story.run(&revoke(issued.id, reason)).answer.reason, reason),
        }
    }
}

#[test]
fn a2_any_reason_is_raised_once_to_key_compromise() {
    let (mut story, issued, request) = with_csr();
    story.run(&revoke(issued.id, RevocationReason::AffiliationChanged));
    let at = story.now();
    let mut story = story.later(100);
    story.run(&revoke(issued.id, RevocationReason::KeyCompromise));
    let raised = Status::Revoked { reason: RevocationReason::KeyCompromise, at, with_ca: false };
    assert_eq!(status(&story, issued.id), raised, "dated by the first revocation");
    assert_eq!(story.refused(&revoke(issued.id, RevocationReason::KeyCompromise)), ["A2 already-revoked"]);
    assert_eq!(story.refused(&request), ["K2 key-compromised"]);
}

#[test]
fn a2_key_compromise_at_once_is_final() {
    let (mut story, issued, request) = with_csr();
    story.run(&revoke(issued.id, RevocationReason::KeyCompromise));
    assert_eq!(story.refused(&revoke(issued.id, RevocationReason::KeyCompromise)), ["A2 already-revoked"]);
    let KeySource::Csr(csr) = &request.key else { panic!() };
    assert_eq!(story.role(csr.public_key()), KeyRole::Compromised(issued.id));
}

#[test]
fn k2_other_reasons_say_nothing_about_the_key() {
    let (mut story, issued, request) = with_csr();
    let done = story.run(&revoke(issued.id, RevocationReason::Superseded));
    assert!(
        matches!(done.events.as_slice(), [Event::CertificateRevoked(revoked)] if revoked.compromised_spki.is_none())
    );
    story.run(&request);
}

#[test]
fn a2_a_hold_is_lifted_or_made_final() {
    let (mut story, issued) = with_certificate();
    let id = issued.id;
    assert_eq!(story.refused(&ReleaseHold { id }), ["A2 not-on-hold"]);
    let hold = revoke(id, RevocationReason::CertificateHold);
    assert_eq!(story.run(&hold).answer.status(), "on-hold");
    let since = story.now();
    assert_eq!(status(&story, id), Status::OnHold { since });
    assert_eq!(story.refused(&hold), ["A2 already-on-hold"]);
    assert_eq!(story.run(&ReleaseHold { id }).answer.id, id);
    assert_eq!(status(&story, id), Status::Valid);
    assert_eq!(story.refused(&ReleaseHold { id }), ["A2 not-on-hold"]);
    let mut story = story.later(5);
    story.run(&hold);
    let since = story.now();
    let mut story = story.later(5);
    story.run(&revoke(id, RevocationReason::PrivilegeWithdrawn));
    let reason = RevocationReason::PrivilegeWithdrawn;
    assert_eq!(status(&story, id), Status::Revoked { reason, at: since, with_ca: false });
    assert_eq!(story.refused(&ReleaseHold { id }), ["A2 revoked-for-good"]);
    // A hold that was made final can still be raised once.
    story.run(&revoke(id, RevocationReason::KeyCompromise));
    assert_eq!(story.refused(&revoke(id, RevocationReason::KeyCompromise)), ["A2 already-revoked"]);
}

#[test]
fn a2_the_invalidity_date_lies_not_in_the_future() {
    let (mut story, issued) = with_certificate();
    let dated = |seconds| RevokeCertificate {
        invalidity_date: Some(story.now().plus_secs(seconds)),
        ..revoke(issued.id, RevocationReason::KeyCompromise)
    };
    let (future, now, past) = (dated(1), dated(0), dated(-1000));
    assert_eq!(story.refused(&future), ["A2 invalidity-date-in-future"]);
    story.clone().run(&past);
    story.run(&now);
    assert_eq!(story.certificate(&issued.id).revocation().unwrap().invalidity_date, Some(story.now()));
}

#[test]
fn a2_the_revocation_stands_in_the_crls_stream() {
    let (mut story, issued) = with_certificate();
    story.run(&revoke(issued.id, RevocationReason::CertificateHold));
    let entries = |story: &Story| match story.world().get(&crate::domain::stream::crl(issued.id.issuer())) {
        Some(crate::domain::State::Crl(crl)) => crl.entries().clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(entries(&story).get(&issued.serial).unwrap().not_after, Some(issued.not_after));
    story.run(&ReleaseHold { id: issued.id });
    assert!(entries(&story).is_empty());
}

#[test]
fn a2_unknown_certificates_and_those_of_cas_are_not_revoked_here() {
    let (mut story, issued) = with_certificate();
    assert_eq!(story.refused(&revoke(nobodys(), RevocationReason::Superseded)), ["A2 unknown-certificate"]);
    assert_eq!(story.refused(&ReleaseHold { id: nobodys() }), ["A2 unknown-certificate"]);
    let of_ca = story.generation(&issued.ca).id;
    let both = revoke(of_ca, RevocationReason::CaCompromise);
    assert_eq!(story.refused(&both), ["A2 certificate-of-ca", "A2 reason-for-cas-only"], "all reasons at once");
}

#[test]
fn c7_certificates_end_with_their_ca() {
    let (story, issued) = with_certificate();
    let mut story = reset(story, RevocationReason::CessationOfOperation);
    let at = story.now();
    let reason = RevocationReason::CessationOfOperation;
    assert_eq!(status(&story, issued.id), Status::Revoked { reason, at, with_ca: true });
    assert_eq!(story.refused(&revoke(issued.id, RevocationReason::Superseded)), ["A2 already-revoked"]);
    assert_eq!(story.refused(&revoke(issued.id, RevocationReason::CertificateHold)), ["A2 already-revoked"]);
    assert_eq!(story.refused(&ReleaseHold { id: issued.id }), ["A2 revoked-for-good"]);
    // That the holder's own key is compromised is news; it is told once.
    let mut story = story.later(50);
    let compromise = revoke(issued.id, RevocationReason::KeyCompromise);
    story.run(&compromise);
    let reason = RevocationReason::KeyCompromise;
    assert_eq!(status(&story, issued.id), Status::Revoked { reason, at, with_ca: false }, "dated by the first end");
    assert_eq!(story.refused(&compromise), ["A2 already-revoked"]);
}

#[test]
fn a2_c7_certificates_end_with_the_reason_of_their_ca() {
    let (story, issued) = with_certificate();
    let mut story = reset(story, RevocationReason::KeyCompromise);
    let Status::Revoked { reason, with_ca, .. } = status(&story, issued.id) else { panic!() };
    assert_eq!(
        (reason, with_ca),
        (RevocationReason::KeyCompromise, true),
        "as on the CRL: cACompromise is for CAs only"
    );
    story.run(&revoke(issued.id, RevocationReason::KeyCompromise));
    let Status::Revoked { reason, with_ca, .. } = status(&story, issued.id) else { panic!() };
    assert_eq!((reason, with_ca), (RevocationReason::KeyCompromise, false), "the holder's own key is still news");
}

#[test]
fn c7_a_hold_ends_with_the_ca_and_an_earlier_revocation_stands() {
    let (mut held, issued) = with_certificate();
    held.run(&revoke(issued.id, RevocationReason::CertificateHold));
    let at = held.now();
    let held = reset(held.later(9), RevocationReason::Superseded);
    let reason = RevocationReason::Superseded;
    assert_eq!(status(&held, issued.id), Status::Revoked { reason, at, with_ca: true }, "not believed since the hold");

    let (mut revoked, issued) = with_certificate();
    revoked.run(&revoke(issued.id, RevocationReason::AffiliationChanged));
    let at = revoked.now();
    let revoked = reset(revoked.later(9), RevocationReason::Superseded);
    let reason = RevocationReason::AffiliationChanged;
    assert_eq!(status(&revoked, issued.id), Status::Revoked { reason, at, with_ca: false });
}

#[test]
fn c7_what_had_expired_before_its_ca_ended_stays_expired() {
    let (story, issued) = with_certificate();
    let last = reset(story.clone().at(issued.not_after), RevocationReason::Superseded);
    assert!(matches!(status(&last, issued.id), Status::Revoked { with_ca: true, .. }), "in its last second");
    let mut over = reset(story.at(issued.not_after.plus_secs(1)), RevocationReason::Superseded);
    assert_eq!(status(&over, issued.id), Status::Expired { not_after: issued.not_after });
    over = over.later(50);
    over.run(&revoke(issued.id, RevocationReason::KeyCompromise));
    let (reason, at) = (RevocationReason::KeyCompromise, over.now());
    assert_eq!(status(&over, issued.id), Status::Revoked { reason, at, with_ca: false }, "not dated by the CA's end");
}

#[test]
fn c7_certificates_of_the_next_generation_are_not_concerned() {
    let (story, old) = with_certificate();
    let mut story = reset(story, RevocationReason::Superseded).intermediate_enabled();
    let new = story.run(&IssueCertificate::server(story.intermediate(), ["oa.example"])).answer;
    assert_eq!(status(&story, new.id), Status::Valid);
    assert_eq!(status(&story, old.id).name(), "revoked");
}

#[test]
fn a_certificate_is_expired_after_its_last_second() {
    let (story, issued) = with_certificate();
    let last = story.at(issued.not_after.plus_secs(0));
    assert_eq!(status(&last, issued.id), Status::Valid);
    let mut over = last.later(1);
    assert_eq!(status(&over, issued.id), Status::Expired { not_after: issued.not_after });
    // That its key is compromised can still be told.
    over.run(&revoke(issued.id, RevocationReason::KeyCompromise));
    assert_eq!(status(&over, issued.id).name(), "revoked");
}

#[test]
fn a5_only_what_has_ended_is_removed() {
    let (mut story, issued) = with_certificate();
    let remove = RemoveCertificate { id: issued.id };
    assert_eq!(story.refused(&remove), ["A5 still-in-force"]);
    let mut held = story.clone();
    held.run(&revoke(issued.id, RevocationReason::CertificateHold));
    assert_eq!(held.refused(&remove), ["A5 still-in-force"]);

    let mut expired = story.clone().at(issued.not_after.plus_secs(1));
    expired.run(&remove);
    let mut ended = reset(story.clone(), RevocationReason::Superseded);
    ended.run(&remove);
    story.run(&revoke(issued.id, RevocationReason::Superseded));
    let answer = story.run(&remove).answer;
    assert_eq!((answer.id, answer.key), (issued.id, issued.key));
    assert!(story.certificate(&issued.id).is_removed());
    assert_eq!(story.refused(&remove), ["A5 already-removed"]);
    assert_eq!(status(&story, issued.id).name(), "revoked", "removal changes nothing about its worth");
}

#[test]
fn a5_unknown_certificates_and_those_of_cas_are_not_removed_here() {
    let (mut story, issued) = with_certificate();
    assert_eq!(story.refused(&RemoveCertificate { id: nobodys() }), ["A5 unknown-certificate"]);
    let of_ca = story.generation(&issued.ca).id;
    assert_eq!(story.refused(&RemoveCertificate { id: of_ca }), ["R6 certificate-of-ca"]);
}
