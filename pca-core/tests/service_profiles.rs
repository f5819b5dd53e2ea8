//! Profiles of one's own and permitted ones through the service: a lane that has refused to issue by a profile issues by it
//! once it is adopted, also by another service over the same log, and everything stands after opening again (rule I2).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod service_support;

use pca_core::domain::ca::{ConfigureCa, PermittedProfiles};
use pca_core::domain::certificate::{IssueAtomically, IssueCertificate, NameRequest};
use pca_core::domain::event::{Addresses, Event};
use pca_core::domain::profile::AdoptProfile;
use pca_core::x509::{ParsedCertificate, Profile, ProfileDefinition, ProfileName, SubjectFields};
use service_support::{Kind, Site, by, reasons, server};

fn own(name: &str) -> ProfileDefinition {
    let names = pca_core::x509::NameRules {
        uri: Some(pca_core::x509::NameCount { least: 1, most: 1 }),
        ..Profile::Client.definition().names
    };
    ProfileDefinition { name: name.parse().unwrap(), names, ..Profile::Client.definition().clone() }
}

#[test]
fn i2_a_lane_learns_of_what_is_adopted_and_permitted() {
    for kind in [Kind::Memory, Kind::Files] {
        let site = Site::new(kind);
        let bought = site.issuing(10);
        let ca = &bought.intermediate;
        let name: ProfileName = "vpn".parse().unwrap();
        let ask = || IssueCertificate {
            names: vec![NameRequest::uri("https://vpn.example/1")],
            ..IssueCertificate::of(ca.clone(), name, SubjectFields::common("Gateway"))
        };
        let other = site.another();
        for pca in [&site.pca, &other] {
            assert_eq!(reasons(&pca.issue(ask(), &by()).unwrap_err()), ["I2 unknown-profile"]);
        }
        other.execute(AdoptProfile { profile: own("vpn") }, &by()).unwrap();
        let issued = [&site.pca, &other].map(|pca| pca.issue(ask(), &by()).unwrap());
        for issued in &issued {
            let read = ParsedCertificate::from_der(issued.answer.certificate.as_bytes()).unwrap();
            assert_eq!(read.extensions().extended_key_usage.as_deref(), Some(own("vpn").purposes()));
        }
        // Another content under the name is refused, wherever it is asked for.
        let changed = ProfileDefinition { description: "another".into(), ..own("vpn") };
        let refused = site.pca.execute(AdoptProfile { profile: changed }, &by()).map(drop).unwrap_err();
        assert_eq!(reasons(&refused), ["I2 profile-known"]);

        let permit =
            |profiles| ConfigureCa { ca: ca.clone(), addresses: Addresses::default(), profiles: Some(profiles) };
        other.execute(permit(PermittedProfiles::Only(vec![name])), &by()).unwrap();
        for pca in [&site.pca, &other] {
            let refused = pca.issue(server(ca, "a.example"), &by()).unwrap_err();
            assert_eq!(reasons(&refused), ["I2 profile-not-permitted"]);
            pca.issue(ask(), &by()).unwrap();
        }
        let mixed = IssueAtomically { requests: vec![ask(), server(ca, "a.example")] };
        let refused = site.pca.issue_atomically(mixed, &by()).map(drop).unwrap_err();
        assert!(refused.to_string().contains("may not issue by the profile server"), "{refused}");
        site.pca.execute(permit(PermittedProfiles::All), &by()).unwrap();
        other.issue(server(ca, "a.example"), &by()).unwrap();

        let events = site.events();
        let profiles = |wanted: ProfileName| {
            let of = |event: &&Event| matches!(event, Event::CertificateIssued(issued) if issued.profile == wanted);
            events.iter().filter(of).count()
        };
        assert_eq!((profiles(name), profiles(Profile::Server.into())), (4, 1));
        site.check();
        drop(other);
        let site = site.reopen();
        site.pca.issue(ask(), &by()).unwrap();
        let all = site.pca.unblocked();
        let adopted = pollster::block_on(all.question(|desk, _| Ok(desk.profiles()?.all().to_vec()))).unwrap();
        assert_eq!(adopted, [own("vpn")]);
    }
}
