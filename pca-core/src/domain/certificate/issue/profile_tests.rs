#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use crate::domain::ca::{ConfigureCa, ConstraintRequest, EnableByCreating, PermittedProfiles, SubtreeRequest};
use crate::domain::event::Addresses;
use crate::domain::profile::AdoptProfile;
use crate::domain::testing::{Story, new_key};
use crate::keys::Algorithm;
use crate::x509::{CommonName, GeneralName, ParsedCertificate, VerifiedCsr, assemble, csr_tbs};

const DAY: i64 = 86_400;

fn of(story: &Story, profile: impl Into<ProfileName>, names: &[NameRequest]) -> IssueCertificate {
    let request = IssueCertificate::of(story.intermediate(), profile, SubjectFields::default());
    IssueCertificate { names: names.to_vec(), ..request }
}

fn vpn() -> ProfileDefinition {
    ProfileDefinition::from_json(
        r#"{"name": "vpn", "names": {"dns": {"least": 1, "most": 2}}, "extended_key_usage": {"purposes": ["serverAuth"]},
            "subject": {"common_name": "server-name", "organization": "required"},
            "validity": {"default_days": 5, "longest_days": 10}, "csr": {"subject": true, "names": true}}"#,
    )
    .unwrap()
}

fn csr(subject: &SubjectFields, names: &[&str]) -> KeySource {
    let key = new_key(Algorithm::EcdsaP256);
    let names: Vec<GeneralName> = names
        .iter()
        .map(|name| match name.split_once('@') {
            Some(_) => GeneralName::email(name).unwrap(),
            None => GeneralName::dns(name, Wildcards::Wide).unwrap(),
        })
        .collect();
    let tbs = csr_tbs(&subject.to_name(CommonName::Optional).unwrap(), key.public_key(), &names);
    let algorithm = key.public_key().signature_algorithm();
    let signature = crate::keys::software::default_backend().signer(&key).unwrap().sign(algorithm, &tbs).unwrap();
    KeySource::Csr(VerifiedCsr::verify(&assemble(&tbs, algorithm, &signature)).unwrap())
}

#[test]
fn i2_profiles_bound_subject_names_and_validity() {
    let mut story = Story::issuing(10);
    let host = [NameRequest::dns("a.example")];
    let done = story.run(&of(&story, Profile::ShortLived, &host)).answer;
    assert_eq!(done.not_after, story.now().plus_secs(7 * DAY - 1));
    let long = IssueCertificate { days: Some(8), ..of(&story, Profile::ShortLived, &host) };
    assert_eq!(story.refused(&long), ["I2 beyond-profile-maximum"]);
    let cut = story.run(&IssueCertificate { clamp: true, ..long }).answer;
    assert_eq!(cut.not_after, done.not_after);
    let responder = IssueCertificate::of(story.intermediate(), Profile::OcspSigning, SubjectFields::common("R"));
    assert_eq!(story.run(&responder).answer.not_after, story.now().plus_secs(30 * DAY - 1));

    let id = |path: &str| NameRequest::uri(format!("spiffe://example.org/{path}"));
    story.run(&of(&story, Profile::Spiffe, &[id("a")]));
    for (names, expected) in [
        (&[][..], &["I2 name-count"][..]),
        (&[id("a"), id("b")], &["I2 name-count"]),
        (&[id("")], &["I2 spiffe-id"]),
        (&[id("a"), NameRequest::email("a@a.example")], &["I2 name-of-another-kind"]),
        (&[NameRequest::uri("https://a.example/"), NameRequest::dns("*.a.example")], &["I2 spiffe-id", "I2 wildcard"]),
        (&[NameRequest::uri("nothing")], &["I4 uri"]),
    ] {
        assert_eq!(story.refused(&of(&story, Profile::Spiffe, names)), expected, "{names:?}");
    }
    assert_eq!(story.refused(&of(&story, Profile::Email, &[])), ["I2 name-count"]);
    assert_eq!(
        story.refused(&of(&story, Profile::Mutual, &[NameRequest::email("a@a.example")])),
        ["I4 server-without-name"]
    );
}

#[test]
fn i2_a_profile_of_ones_own_is_issued_by_and_guarded() {
    let mut story = Story::issuing(10);
    let name: ProfileName = "vpn".parse().unwrap();
    let mut request = of(&story, name, &[NameRequest::dns("a.example")]);
    assert_eq!(story.refused(&request), ["I2 unknown-profile"]);
    story.run(&AdoptProfile { profile: vpn() });
    assert_eq!(story.refused(&request), ["I2 subject-field-missing"]);
    request.subject.organization = Some("Example".into());
    let done = story.run(&request);
    assert!(done.guards.contains_key(&stream::profile(name)), "another content would be another decision");
    assert!(!done.guards.contains_key(&stream::profiles()), "the list of all keeps nobody from issuing");
    assert_eq!(done.answer.not_after, story.now().plus_secs(5 * DAY - 1));
    assert!(matches!(done.events.last(), Some(Event::CertificateIssued(issued)) if issued.profile == name));
    let built_in = story.run(&IssueCertificate::server(story.intermediate(), ["a.example"]));
    assert!(built_in.guards.keys().all(|stream| !stream.as_str().starts_with("profile")));

    let permit =
        |profiles| ConfigureCa { ca: request.ca.clone(), addresses: Addresses::default(), profiles: Some(profiles) };
    story.run(&permit(PermittedProfiles::Only(vec![Profile::Server.into()])));
    assert_eq!(story.refused(&request), ["I2 profile-not-permitted"]);
    let unknown = IssueCertificate { profile: "nobody".parse().unwrap(), ..request.clone() };
    assert_eq!(story.refused(&unknown), ["I2 profile-not-permitted", "I2 unknown-profile"]);
    story.run(&permit(PermittedProfiles::Only(vec![name])));
    story.run(&request);
    assert_eq!(story.refused(&IssueCertificate::client(request.ca.clone(), "Ada")), ["I2 profile-not-permitted"]);
}

#[test]
fn i3_what_a_profile_honours_of_a_csr_is_judged_like_the_rest() {
    let mut story = Story::new().founded().root_bought().root_enabled();
    let constraints =
        ConstraintRequest { permitted: vec![SubtreeRequest::Dns("hr.example".into())], excluded: Vec::new() };
    story.run(&EnableByCreating { constraints, ..EnableByCreating::named(story.intermediate(), "HR") });
    let mut story = story.assigned(10);
    story.run(&AdoptProfile { profile: vpn() });
    let name: ProfileName = "vpn".parse().unwrap();
    let acme = SubjectFields { organization: Some("Acme".into()), ..SubjectFields::default() };
    let asked = |story: &Story, key| IssueCertificate { key, ..of(story, name, &[]) };
    let read = |issued: &Issued| ParsedCertificate::from_der(issued.certificate.as_bytes()).unwrap();

    let done = story.run(&asked(&story, csr(&acme, &["a.hr.example", "b.hr.example"]))).answer;
    assert_eq!(read(&done).subject().to_string(), "CN=a.hr.example,O=Acme");
    assert_eq!(read(&done).extensions().subject_alternative_names.len(), 2);
    // Constraints, counts, kinds and the subject's rules are asked of it, too.
    assert_eq!(story.refused(&asked(&story, csr(&acme, &["a.hr.example", "oa.example"]))), ["C6 name-constraint"]);
    assert_eq!(
        story.refused(&asked(&story, csr(&acme, &["a.hr.example", "b.hr.example", "c.hr.example"]))),
        ["I2 name-count"]
    );
    assert_eq!(
        story.refused(&asked(&story, csr(&acme, &["a.hr.example", "a@hr.example"]))),
        ["I2 name-of-another-kind"]
    );
    assert_eq!(story.refused(&asked(&story, csr(&acme, &["*.a.hr.example"]))), ["I2 wildcard"]);
    let nobody = SubjectFields::default();
    assert_eq!(story.refused(&asked(&story, csr(&nobody, &["a.hr.example"]))), ["I2 subject-field-missing"]);
    // What the caller says of the subject stands instead of it.
    let mut own = asked(&story, csr(&SubjectFields { locality: Some("X".into()), ..acme }, &["a.hr.example"]));
    own.subject.organization = Some("Other".into());
    assert_eq!(read(&story.run(&own).answer).subject().to_string(), "CN=a.hr.example,O=Other");
    // The built-in profiles take the key alone.
    let built_in = IssueCertificate { key: own.key, ..of(&story, Profile::Server, &[]) };
    assert_eq!(story.refused(&built_in), ["I4 server-without-name"]);
}
