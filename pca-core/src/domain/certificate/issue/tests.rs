#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use crate::domain::event::{
    Addresses, CaConfigured, CaDisabled, CaRevoked, CertificateRevoked, OrderScope, RefundRequested,
};
use crate::domain::key::{KeyRole, KeyState};
use crate::domain::testing::{Story, new_key, reasons};
use crate::keys::{Algorithm, Family};
use crate::log::{Revision, StreamId};
use crate::x509::{CsrError, ParsedCertificate, RevocationReason, VerifiedCsr, plus_years};

const DAY: i64 = 86_400;

fn server(story: &Story) -> IssueCertificate {
    IssueCertificate::server(story.intermediate(), ["oa.example"])
}

fn from_csr(story: &Story, algorithm: Algorithm) -> IssueCertificate {
    IssueCertificate { key: KeySource::Csr(story.csr(&new_key(algorithm))), ..server(story) }
}

fn parse(issued: &Issued) -> ParsedCertificate {
    ParsedCertificate::from_der(issued.certificate.as_bytes()).unwrap()
}

fn issued(events: &[Event]) -> &CertificateIssued {
    match events.last() {
        Some(Event::CertificateIssued(issued)) => issued,
        other => panic!("{other:?}"),
    }
}

#[test]
fn i3_a_server_certificate_with_a_key_of_the_platform() {
    let mut story = Story::issuing(10);
    let done = story.run(&server(&story));
    let answer = done.answer;
    assert_eq!(answer.balance, Balance { assigned: 10, consumed: 1, remaining: 9 });
    assert_eq!(story.quota(&answer.ca).balance(story.now()), answer.balance);
    assert_eq!(answer.not_before, story.now());
    assert_eq!(answer.not_after, story.now().plus_secs(90 * DAY - 1));
    let certificate = parse(&answer);
    assert_eq!(certificate.id(), Ok(answer.id));
    assert_eq!(certificate.subject().to_string(), "CN=oa.example");
    let issuer = story.generation(&answer.ca).parsed.clone().unwrap();
    assert_eq!(certificate.verify_signature(issuer.public_key().unwrap()), Ok(()));
    assert_eq!(certificate.issuer(), issuer.subject());
    let key = answer.key.unwrap();
    assert_eq!(certificate.public_key().unwrap(), story.key(&key).public_key());
    assert!(matches!(story.key_state(&key), KeyState::Living(_)));
    assert_eq!(story.role(certificate.public_key().unwrap()), KeyRole::EndEntity(answer.id));
    assert!(issued(&done.events).claims_key);
}

#[test]
fn l2_everything_that_counts_is_guarded_and_nothing_else() {
    let mut story = Story::issuing(10);
    let request = from_csr(&story, Algorithm::EcdsaP256);
    let done = story.run(&request);
    let (root, intermediate) = (story.root(), story.intermediate());
    let event = issued(&done.events);
    let mut expected = vec![
        stream::policy(),
        stream::ca(&intermediate),
        stream::ca(&root),
        stream::quota(&intermediate),
        stream::spki(&event.spki),
        stream::certificate(&event.id),
    ];
    expected.sort();
    assert_eq!(done.guards.keys().cloned().collect::<Vec<StreamId>>(), expected);
    assert_eq!(done.guards[&stream::certificate(&event.id)], Revision::ZERO, "the serial number is claimed as new");
}

#[test]
fn i3_a_csr_gives_its_key_and_nothing_else() {
    let mut story = Story::issuing(10);
    let key = new_key(Algorithm::EcdsaP384);
    let request = IssueCertificate { key: KeySource::Csr(story.csr(&key)), ..server(&story) };
    let done = story.run(&request);
    let certificate = parse(&done.answer);
    assert_eq!(certificate.public_key().unwrap(), key.public_key());
    assert_eq!(certificate.subject().to_string(), "CN=oa.example", "the CSR asks for CN=asked for");
    assert_eq!(done.answer.key, None);
    assert!(issued(&done.events).claims_key);
    let again = story.run(&request);
    assert!(!issued(&again.events).claims_key, "the same holder may certify a key again, but claims it once");
    assert_eq!(story.role(key.public_key()), KeyRole::EndEntity(done.answer.id));
}

#[test]
fn i2_a_client_and_a_data_encryption_certificate() {
    let mut story = Story::issuing(10);
    let client = IssueCertificate {
        names: vec![NameRequest::email("hr@example.com"), NameRequest::uri("https://hr.example/x")],
        ..IssueCertificate::client(story.intermediate(), "HR clerk")
    };
    let names: Vec<String> = parse(&story.run(&client).answer)
        .extensions()
        .subject_alternative_names
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["email:hr@example.com", "uri:https://hr.example/x"]);
    let encryption =
        IssueCertificate::of(story.intermediate(), Profile::DataEncryption, SubjectFields::common("HR records"));
    assert_eq!(parse(&story.run(&encryption).answer).extensions().extended_key_usage, None);
    let signs_only = IssueCertificate { key: KeySource::Platform(Some(Algorithm::Ed25519)), ..encryption };
    assert_eq!(story.refused(&signs_only), ["I2 key-unfit-for-profile"]);
}

#[test]
fn i1_a_root_and_an_unknown_ca_issue_nothing() {
    let mut story = Story::issuing(10);
    let root = IssueCertificate { ca: story.root(), ..server(&story) };
    assert_eq!(story.refused(&root), ["I1 root-issues-no-certificates"]);
    let nobody = IssueCertificate { ca: CaId::derive(&story.context().commit, 9), ..server(&story) };
    assert_eq!(story.refused(&nobody), ["I1 unknown-ca"]);
}

#[test]
fn i1_only_enabled_intermediates_under_enabled_roots_issue() {
    let fresh = Story::new().founded().root_bought().root_enabled();
    assert_eq!(fresh.clone().refused(&server(&fresh)), ["I1 ca-not-enabled", "Q2 no-quota-left"]);
    let story = Story::issuing(10);
    let (root, intermediate) = (story.root(), story.intermediate());
    for (ca, both) in [(&root, false), (&intermediate, false), (&intermediate, true)] {
        let mut disabled = story.clone().and(CaDisabled { ca: ca.clone() });
        let mut expected = vec!["I1 ca-disabled"];
        if both {
            disabled = disabled.and(CaDisabled { ca: root.clone() });
            expected.push("I1 ca-disabled");
        }
        assert_eq!(disabled.refused(&server(&story)), expected);
    }
    let mut reset = story.clone().reset(&intermediate, RevocationReason::Superseded);
    assert_eq!(reset.refused(&server(&story)), ["I1 ca-not-enabled"]);
    let mut revoked = story.clone().and(CaRevoked { end: story.end_of(&intermediate, RevocationReason::Superseded) });
    assert_eq!(revoked.refused(&server(&story)), ["I1 ca-revoked"]);
}

#[test]
fn r5_a_frozen_ca_issues_nothing() {
    let story = Story::issuing(10);
    let scope = OrderScope { cas: vec![story.intermediate()], pool: None };
    let mut frozen = story.clone().and(RefundRequested { order: story.order(), scope, lot: None });
    assert_eq!(frozen.refused(&server(&story)), ["R5 ca-frozen"]);
}

#[test]
fn o5_after_the_term_nothing_is_issued() {
    let story = Story::issuing(10);
    let ends = story.ca(&story.intermediate()).bought().unwrap().term_ends;
    let request = IssueCertificate { days: Some(1), ..server(&story) };
    let root = story.root();
    // The root's certificate is valid for ten years; let the intermediate's be as long.
    let story = story.clone().enabled(&story.intermediate(), None, 9);
    assert_eq!(story.ca(&root).bought().unwrap().term_ends, ends);
    let mut on_time = story.clone().at(ends);
    on_time.run(&request);
    let mut late = story.at(ends.plus_secs(1));
    assert_eq!(late.refused(&request), ["O5 term-ended", "O5 term-ended"]);
}

#[test]
fn o5_a_policy_may_keep_certificates_within_the_term() {
    let story = Story::issuing(10);
    let ends = story.ca(&story.intermediate()).bought().unwrap().term_ends;
    let policy = Policy { validity_within_term: true, ..Policy::default() };
    let mut story = story.clone().enabled(&story.intermediate(), None, 9).at(ends.plus_secs(-10 * DAY)).policy(policy);
    let request = IssueCertificate { days: Some(11), ..server(&story) };
    assert_eq!(story.refused(&request), ["O5 outlives-term", "O5 outlives-term"]);
    let clamped = IssueCertificate { clamp: true, ..request };
    assert_eq!(story.run(&clamped).answer.not_after, ends);
}

#[test]
fn o3_the_family_is_kept() {
    let mut ecc = Story::issuing(10);
    let rsa_key = IssueCertificate { key: KeySource::Platform(Some(Algorithm::Rsa2048)), ..server(&ecc) };
    assert_eq!(ecc.refused(&rsa_key), ["O3 key-family"]);
    let csr = from_csr(&ecc, Algorithm::Rsa2048);
    assert_eq!(ecc.refused(&csr), ["O3 key-family"]);
    for algorithm in [Algorithm::EcdsaP384, Algorithm::EcdsaP521, Algorithm::Ed25519] {
        let request = IssueCertificate { key: KeySource::Platform(Some(algorithm)), ..server(&ecc) };
        assert_eq!(parse(&ecc.run(&request).answer).public_key().unwrap().algorithm(), Some(algorithm));
    }
    let mut rsa = Story::new().founded().root_bought_of(Family::Rsa).root_enabled().intermediate_enabled().assigned(1);
    assert_eq!(rsa.refused(&from_csr(&rsa, Algorithm::EcdsaP256)), ["O3 key-family"]);
    let request = server(&rsa);
    let answer = rsa.run(&request).answer;
    assert_eq!(parse(&answer).public_key().unwrap().algorithm(), Some(Algorithm::Rsa2048), "the default of the family");
}

#[test]
fn i3_g4_what_is_wrong_with_a_csr_has_its_rule() {
    let broken = |octets: &[u8]| {
        let broken = BrokenRule::from(VerifiedCsr::verify(octets).unwrap_err());
        format!("{} {}", broken.rule(), broken.code())
    };
    assert_eq!(broken(b"nonsense"), "I3 csr-malformed");
    assert_eq!(broken(&vec![0x30; 70_000]), "G4 csr-too-large");
    let story = Story::new();
    let csr = story.csr(&new_key(Algorithm::EcdsaP256));
    let mut forged = csr.der().to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert_eq!(broken(&forged), "I3 csr-possession");
    let error = CsrError::Key(crate::keys::PublicKeyError::RsaModulusSize { bits: 1024 });
    let refusal = BrokenRule::from(error);
    assert_eq!((refusal.rule().number(), refusal.code()), ("O3", "csr-key-strength"));
    assert!(refusal.message().contains("1024"));
}

#[test]
fn k2_a_key_has_one_role() {
    let mut story = Story::issuing(10);
    let ca_key = story.key(&story.generation(&story.root()).key).clone();
    let request = IssueCertificate { key: KeySource::Csr(story.csr(&ca_key)), ..server(&story) };
    assert_eq!(story.refused(&request), ["K2 key-of-ca"]);

    let request = from_csr(&story, Algorithm::EcdsaP256);
    let first = issued(&story.run(&request).events).clone();
    let revoked = |reason, compromised_spki| CertificateRevoked {
        id: first.id,
        ca: first.ca.clone(),
        reason,
        invalidity_date: None,
        not_after: first.not_after,
        compromised_spki,
        partition: None,
    };
    let mut superseded = story.clone().and(revoked(RevocationReason::Superseded, None));
    superseded.run(&request);
    let mut compromised = story.and(revoked(RevocationReason::KeyCompromise, Some(first.spki)));
    assert_eq!(compromised.refused(&request), ["K2 key-compromised"]);
}

#[test]
fn q2_no_quota_no_certificate() {
    let mut story = Story::issuing(2);
    let request = server(&story);
    story.run(&request);
    assert_eq!(story.run(&request).answer.balance, Balance { assigned: 2, consumed: 2, remaining: 0 });
    assert_eq!(story.refused(&request), ["Q2 no-quota-left"]);
    let refusal = story.try_run(&request).unwrap_err();
    assert!(refusal.to_string().contains("of 2 assigned, 2 are consumed, 0 expired"), "{refusal}");
    story = story.assigned(1);
    story.run(&request);
}

#[test]
fn q3_the_lot_that_expires_first_pays_first_and_lapsed_units_are_written_down() {
    let policy = Policy { free_quota_days: Some(30), free_certificates: 3, ..Policy::default() };
    let story = Story::new().policy(policy).root_bought().root_enabled().intermediate_enabled();
    let mut story = story.assigned(2).quota_bought(5).assigned(4);
    let request = server(&story);
    let lots = story.quota(&story.intermediate()).lots().to_vec();
    assert!(lots[0].free && !lots[1].free, "three free units of which one is left, three bought ones");
    assert_eq!(story.run(&request).answer.lot, lots[0].id);
    let mut story = story.days_later(31);
    let done = story.run(&request);
    let [Event::QuotaLapsed(lapsed), Event::CertificateIssued(issued)] = done.events.as_slice() else {
        panic!("{:?}", done.events)
    };
    assert_eq!(lapsed.lots, [LotUnits { lot: lots[0].id.clone(), units: 2 }]);
    assert_eq!(issued.lot, lots[1].id);
    assert_eq!(issued.balance, Balance { assigned: 6, consumed: 2, remaining: 2 });
    assert_eq!(story.quota(&story.intermediate()).balance(story.now()), issued.balance);
    assert_eq!(story.quota(&story.intermediate()).expired(), 2);
    assert_eq!(story.run(&request).events.len(), 1, "written down once");
}

#[test]
fn q4_lapsed_units_buy_nothing() {
    let policy = Policy { free_quota_days: Some(30), ..Policy::default() };
    let story = Story::new().policy(policy).root_bought().root_enabled().intermediate_enabled().assigned(10);
    let mut story = story.days_later(30);
    story.run(&server(&story));
    let mut story = story.later(1);
    let refusal = story.try_run(&server(&story)).unwrap_err();
    assert!(refusal.to_string().contains("of 10 assigned, 1 are consumed, 9 expired"), "{refusal}");
}

#[test]
fn c5_validity_nests_in_intermediate_and_root() {
    let story = Story::issuing(10);
    let ends = story.generation(&story.intermediate()).not_after;
    let mut story = story.at(ends.plus_secs(1 - 30 * DAY));
    let days = |days| IssueCertificate { days: Some(days), ..server(&story) };
    let (thirty, thirty_one) = (days(30), days(31));
    assert_eq!(story.run(&thirty).answer.not_after, ends);
    assert_eq!(story.refused(&thirty_one), ["C5 outlives-intermediate"]);
    assert!(story.try_run(&thirty_one).unwrap_err().to_string().contains("ask for at most 30 days"));
    let clamped = IssueCertificate { clamp: true, ..thirty_one };
    assert_eq!(story.run(&clamped).answer.not_after, ends);
    let mut story = story.at(ends.plus_secs(1));
    let term = "O5 term-ended";
    assert_eq!(story.refused(&thirty), ["C5 outlives-intermediate", term, term]);
    assert_eq!(story.refused(&clamped), ["C5 would-be-expired", term, term], "never an expired certificate");
}

#[test]
fn c5_the_root_binds_too() {
    let story = Story::new().founded().root_bought();
    let root = story.root();
    let story = story.enabled(&root, None, 1).intermediate_enabled().assigned(1);
    let end = plus_years(story.now(), 1).unwrap().plus_secs(-1);
    let mut story = story.days_later(360);
    let request = server(&story);
    assert_eq!(story.refused(&request), ["C5 outlives-root"]);
    assert_eq!(story.run(&IssueCertificate { clamp: true, ..request }).answer.not_after, end);
}

#[test]
fn c5_the_policy_has_maxima() {
    let policy = Policy { max_validity_days: Some(60), free_certificate_days: Some(30), ..Policy::default() };
    let mut story = Story::new().policy(policy).root_bought().root_enabled().intermediate_enabled().assigned(10);
    let request = server(&story);
    assert_eq!(story.refused(&request), ["C5 beyond-free-maximum", "C5 beyond-policy-maximum"]);
    let clamped = IssueCertificate { clamp: true, ..request.clone() };
    for _ in 0..10 {
        assert_eq!(story.run(&clamped).answer.not_after, story.now().plus_secs(30 * DAY - 1));
    }
    let mut story = story.quota_bought(2).assigned(2);
    assert_eq!(story.refused(&request), ["C5 beyond-policy-maximum"], "a bought unit pays");
    assert_eq!(story.run(&clamped).answer.not_after, story.now().plus_secs(60 * DAY - 1));
    story.run(&IssueCertificate { days: Some(60), ..request });
}

#[test]
fn l9_validity_begins_at_the_backdated_second_but_not_before_the_issuers() {
    let policy = Policy { backdate_seconds: 600, ..Policy::default() };
    let mut story = Story::issuing(10).policy(policy);
    let enabled = story.now();
    assert_eq!(story.run(&server(&story)).answer.not_before, enabled, "raised to the issuer's without asking");
    let mut story = story.at(Timestamp::from_micros(enabled.micros() + 3_600_900_000));
    let answer = story.run(&server(&story)).answer;
    assert_eq!(answer.not_before, enabled.plus_secs(3000));
    assert_eq!(answer.not_after, answer.not_before.plus_secs(90 * DAY - 1));
}

#[test]
fn i4_wide_wildcards_are_a_matter_of_policy() {
    let mut story = Story::issuing(10);
    let request = IssueCertificate::server(story.intermediate(), ["*.example"]);
    assert_eq!(story.refused(&request), ["I4 dns-name"]);
    let mut story = story.policy(Policy { wide_wildcards: true, ..Policy::default() });
    story.run(&request);
}

#[test]
fn i4_a_name_too_long_for_a_common_name_leaves_the_subject_empty() {
    let mut story = Story::issuing(10);
    let long = format!("{}.{}.example", "a".repeat(40), "b".repeat(40));
    let certificate = parse(&story.run(&IssueCertificate::server(story.intermediate(), [long])).answer);
    assert!(certificate.subject().is_empty());
    assert!(certificate.extensions().subject_alternative_names_critical);
}

#[test]
fn i5_certificates_carry_the_addresses_of_their_day() {
    let mut story = Story::issuing(10);
    let request = server(&story);
    assert!(parse(&story.run(&request).answer).extensions().crl_urls.is_empty());
    let addresses = Addresses {
        crl_url: Some("http://pki.example/oa.crl".into()),
        ocsp_url: Some("http://ocsp.example/".into()),
        issuer_url: Some("http://pki.example/oa.der".into()),
    };
    let mut story = story.clone().and(CaConfigured { ca: story.intermediate(), addresses });
    let certificate = parse(&story.run(&request).answer);
    assert_eq!(certificate.extensions().crl_urls, ["http://pki.example/oa.crl"]);
    assert_eq!(certificate.extensions().ocsp_urls, ["http://ocsp.example/"]);
    assert_eq!(certificate.extensions().issuer_urls, ["http://pki.example/oa.der"]);
}

#[test]
fn i5_a_new_generation_issues_under_its_own_name_and_key() {
    let story = Story::issuing(10);
    let mut first = story.clone();
    let before = first.run(&server(&first)).answer;
    let mut second = first.clone().reset(&first.intermediate(), RevocationReason::Superseded).intermediate_enabled();
    let done = second.run(&server(&second));
    assert_eq!(issued(&done.events).generation, 2);
    assert_eq!(done.answer.balance.consumed, 2, "consumed quota does not come back");
    let certificate = parse(&done.answer);
    let issuer = second.generation(&second.intermediate()).parsed.clone().unwrap();
    assert_eq!(certificate.verify_signature(issuer.public_key().unwrap()), Ok(()));
    assert_ne!(certificate.issuer(), parse(&before).issuer());
}

#[test]
fn l4_all_broken_rules_are_told_at_once() {
    let story = Story::new().founded().root_bought().root_enabled().intermediate_enabled();
    let mut story = story.clone().and(CaDisabled { ca: story.intermediate() });
    let request = IssueCertificate {
        names: vec![NameRequest::dns("a_b"), NameRequest::email("a@b.example")],
        subject: SubjectFields { country: Some("Germany".into()), ..SubjectFields::default() },
        key: KeySource::Platform(Some(Algorithm::Rsa4096)),
        days: Some(100_000),
        holder: Holder { name: Some(String::new()), ..Holder::default() },
        ..server(&story)
    };
    let expected = [
        "C4 country",
        "C5 outlives-intermediate",
        "C5 outlives-root",
        "I1 ca-disabled",
        "I2 holder-text-empty",
        "I2 name-of-another-kind",
        "I4 dns-name",
        "O3 key-family",
        "Q2 no-quota-left",
    ];
    assert_eq!(story.refused(&request), expected);
    assert!(!story.events().iter().any(|(event, _)| matches!(event, Event::CertificateIssued(_))));
}

#[test]
fn l4_no_key_is_made_for_what_is_refused() {
    let mut story = Story::issuing(1);
    story.run(&server(&story));
    let context = story.context();
    let request = server(&story);
    let refused = story.decide(&request, &context).unwrap_err();
    assert!(refused.names("Q2"));
    assert_eq!(story.key_state(&KeyId::derive(&context.commit, 0)), KeyState::Unknown);
    assert!(!story.has_key(&KeyId::derive(&context.commit, 0)));
}

/// A root from elsewhere, with extensions that the platform does not write.
fn uploaded_root(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Story {
    let key = new_key(Algorithm::EcdsaP256);
    let pair = rcgen::KeyPair::try_from(key.pkcs8_der()).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    change(&mut params);
    let certificate = params.self_signed(&pair).unwrap();
    let story = Story::new().founded().root_bought();
    let root = story.root();
    story.uploaded(&root, key, certificate.der()).intermediate_enabled().assigned(10)
}

#[test]
fn i6_the_path_leaves_room_for_the_intermediate() {
    let mut story = uploaded_root(|params| params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0)));
    assert_eq!(story.refused(&server(&story)), ["C6 path-length"]);
    let mut story = uploaded_root(|params| params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(1)));
    story.run(&server(&story));
}

#[test]
fn i6_purposes_nest() {
    let mut story = uploaded_root(|params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert_eq!(story.refused(&server(&story)), ["I6 purpose"]);
    story.run(&IssueCertificate::client(story.intermediate(), "HR clerk"));
}

#[test]
fn i6_name_constraints_of_an_upload_are_kept() {
    let mut story = uploaded_root(|params| {
        params.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("oa.example".into())],
            excluded_subtrees: vec![rcgen::GeneralSubtree::DnsName("secret.oa.example".into())],
        });
    });
    let mut server = |names: &[&str]| {
        let request = IssueCertificate::server(story.intermediate(), names.iter().copied());
        story.try_run(&request).map(|_| ()).map_err(|refusal| reasons(&refusal))
    };
    assert_eq!(server(&["www.oa.example"]), Ok(()));
    assert_eq!(server(&["www.hr.example"]), Err(vec!["C6 name-constraint".into()]), "common name and SAN: told once");
    assert!(server(&["www.oa.example", "a.secret.oa.example"]).is_err());
    assert!(server(&["*.oa.example"]).is_err(), "the wildcard could match an excluded name");
}

#[test]
fn c6_an_upload_that_permits_names_permits_no_other_kind() {
    let mut story = uploaded_root(|params| {
        params.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("oa.example".into())],
            excluded_subtrees: Vec::new(),
        });
    });
    let host = IssueCertificate::server(story.intermediate(), ["www.oa.example"]);
    let clerk = IssueCertificate::client(story.intermediate(), "OA clerk");
    let mut address = host.clone();
    address.names.push(NameRequest::Ip("10.0.0.1".into()));
    let mut mail = clerk.clone();
    mail.names.push(NameRequest::Email("clerk@oa.example".into()));
    assert_eq!(story.refused(&address), ["C6 name-constraint"]);
    assert_eq!(story.refused(&mail), ["C6 name-constraint"]);
    // The subject is measured by directory names only.
    story.run(&host);
    story.run(&clerk);
}

#[test]
fn the_request_digest_tells_requests_apart() {
    let story = Story::issuing(1);
    let request = server(&story);
    let other = IssueCertificate { days: Some(90), ..request.clone() };
    assert_eq!(request.canonical(), request.clone().canonical());
    assert_ne!(request.canonical(), other.canonical(), "as it was asked, before defaults");
    assert_ne!(request.canonical(), from_csr(&story, Algorithm::EcdsaP256).canonical());
}
