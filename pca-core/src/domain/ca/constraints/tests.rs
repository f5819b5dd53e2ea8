#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::domain::ca::EnableByCreating;
use crate::domain::ca::testing::Scene;
use crate::domain::certificate::{IssueCertificate, NameRequest};
use crate::domain::testing::Story;
use crate::keys::Family;
use crate::x509::{Profile, SubjectFields};

fn permitting(permitted: Vec<SubtreeRequest>) -> ConstraintRequest {
    ConstraintRequest { permitted, excluded: Vec::new() }
}

fn dns(text: &str) -> SubtreeRequest {
    SubtreeRequest::Dns(text.into())
}

/// An enabled intermediate with these constraints, and quota.
fn issuing(constraints: ConstraintRequest) -> Story {
    let mut story = Story::new().founded().root_bought().root_enabled();
    story.run(&EnableByCreating { constraints, ..EnableByCreating::named(story.intermediate(), "HR") });
    story.assigned(20)
}

fn server(story: &Story, names: &[&str]) -> IssueCertificate {
    IssueCertificate::server(story.intermediate(), names.iter().copied())
}

#[test]
fn c6_constraints_are_written_critical_and_enforced() {
    let mut story = issuing(permitting(vec![dns("hr.example")]));
    for names in [&["hr.example"][..], &["a.b.hr.example"], &["*.hr.example"]] {
        let request = server(&story, names);
        story.run(&request);
    }
    for names in [&["oa.example"][..], &["*.example.org"], &["hr.example.org"], &["xhr.example"], &["example"]] {
        assert_eq!(story.refused(&server(&story, names)), ["C6 name-constraint"], "{names:?}");
    }
    // Each name that breaks them is told, and the common name that is derived is one of them.
    let told = story.refused(&server(&story, &["a.hr.example", "oa.example", "it.example"]));
    assert_eq!(told, ["C6 name-constraint", "C6 name-constraint"]);
}

#[test]
fn c6_leaks_of_other_kinds_are_refused() {
    let mut story = issuing(permitting(vec![dns("hr.example")]));
    let ca = story.intermediate();
    let mut request = server(&story, &["a.hr.example"]);
    request.names.push(NameRequest::ip("10.0.0.1"));
    assert_eq!(story.refused(&request), ["C6 name-constraint"]);
    for name in [
        NameRequest::email("a@hr.example"),
        NameRequest::uri("https://a.hr.example/"),
        NameRequest::uri("spiffe://hr.example/a"),
    ] {
        let mut request = IssueCertificate::client(ca.clone(), "Ada");
        request.names.push(name);
        assert_eq!(story.refused(&request), ["C6 name-constraint"]);
    }
    // A common name that reads like a DNS name counts as one; a person's name does not.
    for name in ["oa.example", "*.oa.example", "10.0.0.1"] {
        assert_eq!(story.refused(&IssueCertificate::client(ca.clone(), name)), ["C6 name-constraint"], "{name}");
    }
    story.run(&IssueCertificate::client(ca.clone(), "Ada Lovelace"));
    story.run(&IssueCertificate::client(ca.clone(), "x.hr.example"));
    let subject = SubjectFields::common("Ada");
    story.run(&IssueCertificate::of(ca, Profile::CodeSigning, subject));
}

#[test]
fn c6_exclusions_reach_wildcards() {
    let constraints = ConstraintRequest {
        permitted: vec![dns("example"), SubtreeRequest::Ip("10.0.0.0/8".into())],
        excluded: vec![dns("secret.example"), SubtreeRequest::Ip("10.9.0.0/16".into())],
    };
    let mut story = issuing(constraints);
    for names in [&["secret.example"][..], &["a.secret.example"], &["*.secret.example"]] {
        assert_eq!(story.refused(&server(&story, names)), ["C6 name-constraint"], "{names:?}");
    }
    let wide = story.refused(&server(&story, &["*.example"]));
    assert!(wide.contains(&"I4 dns-name".to_owned()), "{wide:?}");
    for (address, fits) in [("10.1.2.3", true), ("10.9.2.3", false), ("192.0.2.1", false), ("2001:db8::1", false)] {
        let mut request = server(&story, &["open.example"]);
        request.names.push(NameRequest::ip(address));
        if fits {
            story.run(&request);
        } else {
            assert_eq!(story.refused(&request), ["C6 name-constraint"], "{address}");
        }
    }
}

#[test]
fn c6_every_kind_can_be_constrained() {
    let constraints = permitting(vec![
        SubtreeRequest::Email("hr.example".into()),
        SubtreeRequest::Uri(".hr.example".into()),
        SubtreeRequest::Directory("O=Example,C=DE".into()),
    ]);
    let mut story = issuing(constraints);
    let ca = story.intermediate();
    let inside = SubjectFields {
        common_name: Some("Ada".into()),
        organization: Some("Example".into()),
        country: Some("DE".into()),
        ..SubjectFields::default()
    };
    let mut request = IssueCertificate::of(ca.clone(), Profile::Client, inside.clone());
    request.names.push(NameRequest::email("ada@hr.example"));
    request.names.push(NameRequest::uri("https://a.hr.example/ada"));
    story.run(&request);
    request.names.push(NameRequest::email("ada@a.hr.example"));
    request.names.push(NameRequest::uri("https://hr.example/ada"));
    request.subject.organization = Some("Other".into());
    assert_eq!(story.refused(&request), ["C6 name-constraint"; 3]);
    let host = IssueCertificate {
        names: vec![NameRequest::dns("a.hr.example")],
        ..IssueCertificate::of(ca, Profile::Server, inside)
    };
    let told = story.refused(&host);
    assert!(!told.is_empty() && told.iter().all(|told| told == "C6 name-constraint"), "{told:?}");
}

#[test]
fn c6_the_certificate_has_what_was_asked_and_what_follows() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    scene.enable(&root, "Root");
    let constraints = permitting(vec![dns("hr.example"), SubtreeRequest::Email("hr.example".into())]);
    scene.run(&EnableByCreating { constraints, ..scene.enabling(&intermediate, "HR") }).unwrap();
    let ca = scene.ca(&intermediate);
    let parsed = ca.generation().unwrap().parsed.clone().unwrap();
    let extensions = parsed.extensions();
    let read = extensions.name_constraints.as_ref().unwrap();
    let text = |list: &[Subtree]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(text(read.permitted()), "dns:hr.example email:hr.example");
    assert_eq!(text(read.excluded()), "ip:0.0.0.0/0 ip:::/0");
    let oid = crate::x509::ObjectIdentifier::new_unwrap("2.5.29.30");
    assert!(extensions.present.contains(&(oid, true)), "critical");
    assert!(extensions.unknown_critical.is_empty());
    let only_ip = NameConstraints::new(vec![SubtreeRequest::Ip("10.0.0.0/8".into()).parse().unwrap()], vec![]).unwrap();
    assert_eq!(text(only_ip.excluded()), "every DNS name");
    let only_excluded = NameConstraints::new(vec![], vec![dns("a.example").parse().unwrap()]).unwrap();
    assert_eq!(text(only_excluded.excluded()), "dns:a.example", "nothing is permitted, so nothing else is closed");
    for constraints in [read, &only_ip, &only_excluded] {
        assert_eq!(&NameConstraints::from_der(constraints.der()).unwrap(), constraints);
    }
}

#[test]
fn c6_a_root_has_none_and_nonsense_is_told_at_once() {
    let mut scene = Scene::new();
    let (root, intermediate) = scene.buy_root(Family::Ecc);
    let constraints = permitting(vec![dns("hr.example")]);
    let refusal = scene.refused(&EnableByCreating { constraints, ..scene.enabling(&root, "Root") });
    assert_eq!(scene.codes(&refusal), ["C6 root-constraints"]);
    scene.enable(&root, "Root");
    let mut refused = |permitted: Vec<SubtreeRequest>, excluded| {
        let constraints = ConstraintRequest { permitted, excluded };
        let refusal = scene.refused(&EnableByCreating { constraints, ..scene.enabling(&intermediate, "HR") });
        (scene.codes(&refusal), refusal.to_string())
    };
    let wrong = vec![dns("*.hr.example"), SubtreeRequest::Ip("10.1.0.0/8".into()), SubtreeRequest::Uri("a b".into())];
    let (codes, _) =
        refused(wrong, vec![SubtreeRequest::Directory("nobody".into()), SubtreeRequest::Email("@".into())]);
    assert_eq!(codes, ["C6 name-constraint"; 5]);
    let (codes, text) = refused(vec![dns("a.hr.example")], vec![dns("hr.example")]);
    assert_eq!(codes, ["C6 name-constraint"]);
    assert!(text.contains("permits nothing"), "{text}");
    let many = (0..101).map(|i| dns(&format!("h{i}.example"))).collect();
    assert_eq!(refused(many, vec![]).0, ["G4 name-constraint"]);
}

/// What an uploaded root permits binds an intermediate that is made below it (rule I6).
#[test]
fn i6_constraints_nest_in_those_of_the_root() {
    let of = |permitted: &[&str], excluded: &[&str]| {
        let read = |list: &[&str]| list.iter().map(|text| dns(text).parse().unwrap()).collect::<Vec<_>>();
        NameConstraints::new(read(permitted), read(excluded)).unwrap()
    };
    let root = of(&["example"], &["secret.example"]);
    assert!(of(&["hr.example"], &[]).beyond(&root).is_empty());
    assert!(of(&[], &["hr.example"]).beyond(&root).is_empty());
    let told = of(&["hr.example", "example.org", "a.secret.example"], &[]).beyond(&root);
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "the permitted subtree `dns:example.org` is not among the names that are permitted",
            "the permitted subtree `dns:a.secret.example` is, or could match, a name that is excluded"
        ]
    );
    let mail = NameConstraints::new(vec![SubtreeRequest::Email("hr.example".into()).parse().unwrap()], vec![]).unwrap();
    assert_eq!(mail.beyond(&root).len(), 1, "the root permits DNS names and nothing else");
}
