//! The path check before signing (rule I6): every rule that a planned certificate would break is told with its number.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod x509_support;

use pca_core::keys::{Algorithm, Family};
use pca_core::log::Timestamp;
use pca_core::x509::{
    AuthorityUrls, DistinguishedName, Fit, GeneralName, ParsedCertificate, PathViolation, Planned, PlannedRole,
    Profile, Validity, ValidityLimit, Wildcards, check_path, fit_validity,
};
use x509_support::forge::{self, Forged, oid, seq, tlv};
use x509_support::{Authority, NOW, intermediate, intermediate_with, key, name, root, root_with};

const DAY: i64 = 86_400;

fn chain() -> (Authority, Authority) {
    let root = root(Algorithm::EcdsaP256);
    let oa = intermediate(&root, Algorithm::EcdsaP256);
    (root, oa)
}

fn planned(subject: &DistinguishedName) -> Planned<'_> {
    Planned {
        role: PlannedRole::EndEntity { profile: Profile::Server.definition() },
        validity: Validity::for_days(NOW, 90).unwrap(),
        family: Family::Ecc,
        subject,
        names: &[],
    }
}

fn rules(violations: &[PathViolation]) -> Vec<&'static str> {
    violations.iter().map(PathViolation::rule).collect()
}

/// A CA certificate like `original`, changed, and signed by `key`.
fn changed(original: &Authority, key: &pca_core::keys::PrivateKey, extensions: Vec<Vec<u8>>) -> Authority {
    let forged = Forged {
        version: vec![0xa0, 3, 2, 1, 2],
        serial: vec![1],
        algorithm: seq(&[&oid("1.2.840.10045.4.3.2")]),
        issuer: original.certificate.issuer().der().to_vec(),
        validity: ("250601000000Z".into(), "300531235959Z".into()),
        subject: original.certificate.subject().der().to_vec(),
        spki: original.key.public_key().spki_der().to_vec(),
        extensions,
    };
    Authority { certificate: ParsedCertificate::from_der(&forged.sign(key)).unwrap(), key: original.key.clone() }
}

#[test]
fn a_good_path_has_no_violation() {
    let (root, oa) = chain();
    let subject = name("oa.example");
    assert_eq!(check_path(&[&root.certificate, &oa.certificate], &planned(&subject)), []);
    let below = Planned {
        role: PlannedRole::Intermediate { path_length: Some(0), name_constraints: None },
        ..planned(&subject)
    };
    assert_eq!(check_path(&[&root.certificate], &below), []);
    assert_eq!(check_path(&[], &below), [PathViolation::NoIssuer]);
}

#[test]
fn c5_a_validity_beyond_any_issuer_is_told() {
    let (root, oa) = chain();
    let subject = name("oa.example");
    let too_long = Planned { validity: Validity::for_years(NOW, 11).unwrap(), ..planned(&subject) };
    let violations = check_path(&[&root.certificate, &oa.certificate], &too_long);
    assert_eq!(rules(&violations), ["C5", "C5"]);
    assert!(violations[1].to_string().contains("2030-05-31T23:59:59Z"), "{}", violations[1]);
    let early = Validity::for_days(NOW.plus_secs(-DAY), 2).unwrap();
    let violations = check_path(&[&root.certificate], &Planned { validity: early, ..planned(&subject) });
    assert!(matches!(violations[..], [PathViolation::BeginsBeforeIssuer { .. }]));
}

#[test]
fn c6_path_lengths_are_counted() {
    let (root, oa) = chain();
    let subject = name("Acme HR");
    let below = Planned {
        role: PlannedRole::Intermediate { path_length: Some(0), name_constraints: None },
        ..planned(&subject)
    };
    let violations = check_path(&[&root.certificate, &oa.certificate], &below);
    assert!(matches!(violations[..], [PathViolation::PathLength { allowed: 0, needed: 1, .. }]), "{violations:?}");
    assert_eq!(rules(&violations), ["C6"]);
    let narrow = root_with(&name("Acme Root"), root.key, Validity::for_years(NOW, 10).unwrap(), Some(0));
    assert_eq!(rules(&check_path(&[&narrow.certificate, &oa.certificate], &planned(&subject))), ["C6"]);
}

#[test]
fn o3_another_family_is_told() {
    let (root, oa) = chain();
    let subject = name("oa.example");
    let rsa = Planned { family: Family::Rsa, ..planned(&subject) };
    assert_eq!(rules(&check_path(&[&root.certificate, &oa.certificate], &rsa)), ["O3"]);
}

#[test]
fn i6_a_certificate_that_may_not_sign_is_told() {
    let (root, oa) = chain();
    let subject = name("oa.example");
    let no_ca = changed(&oa, &root.key, vec![forge::key_usage(0x06)]);
    assert_eq!(rules(&check_path(&[&root.certificate, &no_ca.certificate], &planned(&subject))), ["I6"]);
    let no_sign = changed(&oa, &root.key, vec![forge::basic_constraints(true, true, None), forge::key_usage(0x80)]);
    let violations = check_path(&[&root.certificate, &no_sign.certificate], &planned(&subject));
    assert!(matches!(violations[..], [PathViolation::MayNotSign { .. }]));
    let stranger = root_with(&name("Other"), key(Algorithm::EcdsaP256, 7), Validity::for_years(NOW, 10).unwrap(), None);
    let violations = check_path(&[&stranger.certificate, &oa.certificate], &planned(&subject));
    assert!(matches!(violations[..], [PathViolation::NamesDoNotChain { .. }]));
}

#[test]
fn i6_purposes_nest() {
    let (root, oa) = chain();
    let subject = name("oa.example");
    let with_purpose = |purpose: &str| {
        let purposes = forge::extension("2.5.29.37", false, &seq(&[&oid(purpose)]));
        changed(&oa, &root.key, vec![forge::basic_constraints(true, true, Some(0)), forge::key_usage(0x06), purposes])
    };
    let check = |purpose: &str| {
        let oa = with_purpose(purpose);
        rules(&check_path(&[&root.certificate, &oa.certificate], &planned(&subject)))
    };
    assert_eq!(check("1.3.6.1.5.5.7.3.1"), [""; 0]);
    assert_eq!(check("2.5.29.37.0"), [""; 0]);
    assert_eq!(check("1.3.6.1.5.5.7.3.2"), ["I6"]);
    // Both purposes of mutual TLS are measured, and a certificate without any is good for every one.
    let told = |profile: Profile, purpose: &str| {
        let oa = with_purpose(purpose);
        let planned = Planned { role: PlannedRole::EndEntity { profile: profile.definition() }, ..planned(&subject) };
        let violations = check_path(&[&root.certificate, &oa.certificate], &planned);
        violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let server = "1.3.6.1.5.5.7.3.1";
    assert!(told(Profile::Mutual, server).ends_with("does not allow the purpose clientAuth"));
    assert!(told(Profile::OcspSigning, server).ends_with("does not allow the purpose OCSPSigning"));
    assert!(told(Profile::DataEncryption, server).ends_with("allows only serverAuth"));
    assert_eq!(told(Profile::DataEncryption, "2.5.29.37.0"), "");
}

#[test]
fn i6_weak_keys_and_signatures_above_are_told() {
    let (root, oa) = chain();
    let subject = name("oa.example");
    let forged = |algorithm: &str, spki: Vec<u8>| {
        let forged = Forged {
            version: vec![0xa0, 3, 2, 1, 2],
            serial: vec![1],
            algorithm: seq(&[&oid(algorithm)]),
            issuer: oa.certificate.issuer().der().to_vec(),
            validity: ("250601000000Z".into(), "300531235959Z".into()),
            subject: oa.certificate.subject().der().to_vec(),
            spki,
            extensions: vec![forge::basic_constraints(true, true, Some(0)), forge::key_usage(0x06)],
        };
        ParsedCertificate::from_der(&forged.sign(&root.key)).unwrap()
    };
    let check = |oa: &ParsedCertificate| check_path(&[&root.certificate, oa], &planned(&subject));
    let strong = oa.key.public_key().spki_der().to_vec();
    assert_eq!(check(&forged("1.2.840.10045.4.3.2", strong.clone())), []);
    let sha1 = check(&forged("1.2.840.10045.4.1", strong));
    assert!(matches!(sha1[..], [PathViolation::IssuerSignature { .. }]), "{sha1:?}");
    let mut modulus = vec![0, 0x80];
    modulus.extend([1; 127]);
    let rsa_1024 = seq(&[&tlv(2, &modulus), &tlv(2, &[1, 0, 1])]);
    let key = seq(&[&seq(&[&oid("1.2.840.113549.1.1.1"), &[5, 0]]), &tlv(3, &[&[0][..], &rsa_1024].concat())]);
    let weak = check(&forged("1.2.840.10045.4.3.2", key));
    assert!(matches!(weak[..], [PathViolation::IssuerKey { .. }]), "{weak:?}");
    assert_eq!((rules(&sha1), rules(&weak)), (vec!["I6"], vec!["I6"]));
}

#[test]
fn c6_name_constraints_of_an_uploaded_ca_are_enforced() {
    let (root, oa) = chain();
    let constraints = seq(&[&tlv(0xa0, &seq(&[&tlv(0x82, b"oa.example")]))]);
    let constrained = changed(
        &oa,
        &root.key,
        vec![
            forge::basic_constraints(true, true, Some(0)),
            forge::key_usage(0x06),
            forge::extension("2.5.29.30", true, &constraints),
        ],
    );
    assert_eq!(constrained.certificate.extensions().unknown_critical, []);
    let issuers = [&root.certificate, &constrained.certificate];
    let (inside, outside) = (name("a.oa.example"), name("hr.example"));
    let names = [GeneralName::dns("hr.example", Wildcards::Narrow).unwrap()];
    assert_eq!(check_path(&issuers, &planned(&inside)), []);
    let violations = check_path(&issuers, &Planned { names: &names, ..planned(&outside) });
    assert_eq!(rules(&violations), ["C6", "C6"], "the common name counts as a DNS name");
    assert!(violations[0].to_string().contains("`hr.example` is not among the names that are permitted"));
}

#[test]
fn c5_fitting_names_the_limit_or_shortens() {
    let (root, oa) = chain();
    let issuers = [&root.certificate, &oa.certificate];
    let asked = Validity::for_years(NOW, 20).unwrap();
    let violations = fit_validity(asked, &issuers, Some(90 * DAY), Fit::Refuse, NOW).unwrap_err();
    assert_eq!(rules(&violations), ["C5", "C5", "C5"]);
    let limits: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(limits[2].contains("the policy's longest validity of 7776000 seconds"), "{limits:?}");
    let fitted = fit_validity(asked, &issuers, Some(90 * DAY), Fit::Clamp, NOW).unwrap();
    assert_eq!(fitted, Validity::for_days(NOW, 90).unwrap());
    let fitted = fit_validity(asked, &issuers, None, Fit::Clamp, NOW).unwrap();
    assert_eq!(fitted, oa.certificate.validity().unwrap());

    // The beginning is raised without asking; the end stays.
    let early = Validity::for_days(NOW.plus_secs(-DAY), 90).unwrap();
    let fitted = fit_validity(early, &issuers, None, Fit::Refuse, NOW).unwrap();
    assert_eq!((fitted.not_before(), fitted.not_after()), (NOW, early.not_after()));
    // Wholly before the issuer.
    let before = Validity::for_days(NOW.plus_secs(-10 * DAY), 5).unwrap();
    let violations = fit_validity(before, &issuers, None, Fit::Clamp, NOW).unwrap_err();
    assert!(matches!(violations[..], [PathViolation::NotYetIssuing { .. }]));
}

#[test]
fn c5_shortening_never_yields_an_expired_certificate() {
    let (root, _) = chain();
    let short = Validity::for_days(NOW, 1).unwrap();
    let oa = intermediate_with(&root, &name("Acme OA"), key(Algorithm::EcdsaP256, 2), short, &AuthorityUrls::default());
    let issuers = [&root.certificate, &oa.certificate];
    let (later, asked) = (NOW.plus_secs(2 * DAY), Validity::for_days(NOW, 90).unwrap());
    let violations = fit_validity(asked, &issuers, None, Fit::Clamp, later).unwrap_err();
    assert!(
        matches!(&violations[..], [PathViolation::Validity { limit: ValidityLimit::Issuer { .. }, .. }]),
        "{violations:?}"
    );
    assert!(fit_validity(asked, &issuers, None, Fit::Clamp, Timestamp::from_secs(short.not_after().secs())).is_ok());
}
