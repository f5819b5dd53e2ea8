//! Whole chains of generated subjects, names, algorithms and validities, judged by x509-cert (as an oracle for every
//! octet) and by rustls-webpki (as a relying party). Rules C4, C5, I4, I5, I6.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod x509_support;

use der::{Decode as _, Encode as _};
use pca_core::keys::Algorithm;
use pca_core::log::Timestamp;
use pca_core::x509::{
    AuthorityUrls, CommonName, DistinguishedName, EntityNames, GeneralName, KeyUsage, ParsedCertificate, Planned,
    PlannedRole, Profile, SerialNumber, SubjectFields, Validity, Wildcards, check_path,
};
use proptest::prelude::*;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix;
use x509_support::{Authority, NOW, intermediate_with, key, leaf, name, root_with, serial, urls};

#[derive(Debug, Clone)]
struct Case {
    root: SubjectFields,
    intermediate: SubjectFields,
    algorithms: [Algorithm; 3],
    years: (u32, u32, u32),
    profile: Profile,
    subject: SubjectFields,
    names: Vec<GeneralName>,
    random: [u8; 10],
    with_urls: bool,
}

fn fields(prefix: &'static str) -> impl Strategy<Value = SubjectFields> {
    let text = |limit: usize| {
        proptest::option::of(
            proptest::string::string_regex(&format!(
                "[ ]{{0,3}}[a-zA-Z0-9'()+,./:=?ü界🔑-][a-zA-Z0-9 '()+,./:=?ü界🔑-]{{0,{}}}",
                limit - 4
            ))
            .unwrap(),
        )
    };
    (text(50), text(64), text(64), proptest::option::of("[A-Z]{2}"), text(128), text(128)).prop_map(
        move |(common_name, organization, organizational_unit, country, state, locality)| SubjectFields {
            common_name: Some(format!("{prefix} {}", common_name.unwrap_or_default())),
            organization,
            organizational_unit,
            country,
            state,
            locality,
        },
    )
}

fn algorithms() -> impl Strategy<Value = [Algorithm; 3]> {
    use Algorithm as A;
    let curve = || prop::sample::select(vec![A::EcdsaP256, A::EcdsaP384, A::EcdsaP521, A::Ed25519]);
    prop_oneof![
        1 => Just([A::Rsa2048, A::Rsa2048, A::Rsa2048]),
        4 => [curve(), curve(), curve()],
    ]
}

fn dns_names() -> impl Strategy<Value = Vec<GeneralName>> {
    let dns = "(\\*\\.)?[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\\.[a-z]{2,20}\\.[a-z]{2,5}"
        .prop_map(|text| GeneralName::dns(&text, Wildcards::Narrow).unwrap());
    let ip = any::<core::net::IpAddr>().prop_map(GeneralName::Ip);
    proptest::collection::vec(prop_oneof![3 => dns, 1 => ip], 1..20)
}

fn client_names() -> impl Strategy<Value = Vec<GeneralName>> {
    let email =
        "[a-z]{1,10}(\\.[a-z]{1,10})?@[a-z]{1,20}\\.example".prop_map(|text| GeneralName::email(&text).unwrap());
    let uri = "spiffe://[a-z]{1,20}\\.example/[a-z/]{0,20}".prop_map(|text| GeneralName::uri(&text).unwrap());
    proptest::collection::vec(prop_oneof![email, uri], 0..5)
}

fn cases() -> impl Strategy<Value = Case> {
    let entity = prop_oneof![
        (dns_names(), any::<bool>()).prop_map(|(names, common)| {
            let subject = match (common, &names[0]) {
                (true, GeneralName::Dns(name)) => SubjectFields::common(name.as_str()),
                _ => SubjectFields::default(),
            };
            (Profile::Server, subject, names)
        }),
        (fields("Client"), client_names()).prop_map(|(subject, names)| (Profile::Client, subject, names)),
        (fields("Record"), client_names()).prop_map(|(subject, names)| (Profile::DataEncryption, subject, names)),
    ];
    (
        fields("Root"),
        fields("OA"),
        algorithms(),
        (10_u32..60, 1_u32..9, 1_u32..30),
        entity,
        any::<[u8; 10]>(),
        any::<bool>(),
    )
        .prop_map(
            |(root, intermediate, mut algorithms, (a, b, c), (profile, subject, names), random, with_urls)| {
                if profile == Profile::DataEncryption && algorithms[2] == Algorithm::Ed25519 {
                    algorithms[2] = Algorithm::EcdsaP256;
                }
                Case { root, intermediate, algorithms, years: (a, b, c), profile, subject, names, random, with_urls }
            },
        )
}

fn issue(case: &Case) -> (Authority, Authority, ParsedCertificate) {
    let to_name = |fields: &SubjectFields| fields.to_name(CommonName::Required).unwrap();
    let root = root_with(
        &to_name(&case.root),
        key(case.algorithms[0], 1),
        Validity::for_years(NOW, case.years.0).unwrap(),
        None,
    );
    let urls = if case.with_urls { urls() } else { AuthorityUrls::default() };
    let validity = Validity::for_years(NOW, case.years.1).unwrap();
    let oa = intermediate_with(&root, &to_name(&case.intermediate), key(case.algorithms[1], 2), validity, &urls);
    let names = EntityNames::plan(case.profile, &case.subject, case.names.clone(), Wildcards::Narrow).unwrap();
    let holder = key(case.algorithms[2], 3);
    let validity = Validity::for_days(NOW, case.years.2).unwrap();
    let planned = Planned {
        role: PlannedRole::EndEntity { profile: case.profile.definition() },
        validity,
        family: holder.public_key().family(),
        subject: names.subject(),
        names: names.names(),
    };
    assert_eq!(check_path(&[&root.certificate, &oa.certificate], &planned), []);
    let certificate = leaf(&oa, case.profile, &names, &holder, validity, SerialNumber::from_random(case.random), &urls);
    (root, oa, certificate)
}

/// x509-cert reads it and writes the same octets.
fn oracle(certificate: &ParsedCertificate) -> x509_cert::Certificate {
    let read = x509_cert::Certificate::from_der(certificate.der()).unwrap();
    assert_eq!(read.to_der().unwrap(), certificate.der());
    assert_eq!(read.tbs_certificate().to_der().unwrap(), certificate.tbs());
    assert_eq!(read.tbs_certificate().serial_number().as_bytes(), certificate.serial().unwrap().as_der_content());
    let seconds = |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap();
    assert_eq!(seconds(read.tbs_certificate().validity().not_before), certificate.not_before().secs());
    assert_eq!(seconds(read.tbs_certificate().validity().not_after), certificate.not_after().secs());
    read
}

fn extension(oid: der::asn1::ObjectIdentifier, critical: bool, value: &impl der::Encode) -> Extension {
    let extn_value = der::asn1::OctetString::new(value.to_der().unwrap()).unwrap();
    Extension { extn_id: oid, critical, extn_value }
}

fn octets(value: &[u8]) -> der::asn1::OctetString {
    der::asn1::OctetString::new(value).unwrap()
}

fn uri(text: &str) -> pkix::name::GeneralName {
    pkix::name::GeneralName::UniformResourceIdentifier(der::asn1::Ia5String::new(text).unwrap())
}

fn oracle_name(name: &GeneralName) -> pkix::name::GeneralName {
    use pkix::name::GeneralName as Oracle;
    let ia5 = |text: &str| der::asn1::Ia5String::new(text).unwrap();
    match name {
        GeneralName::Dns(name) => Oracle::DnsName(ia5(name.as_str())),
        GeneralName::Email(address) => Oracle::Rfc822Name(ia5(address.as_str())),
        GeneralName::Uri(text) => uri(text.as_str()),
        GeneralName::Ip(address) => Oracle::from(*address),
        _ => unreachable!(),
    }
}

/// Every extension as x509-cert's types write it.
fn expected_extensions(
    case: &Case,
    issuer: &Authority,
    certificate: &ParsedCertificate,
    with_urls: bool,
    ca: Option<Option<u8>>,
) -> Vec<Extension> {
    use const_oid::db::{rfc5280, rfc6960};
    use pkix::KeyUsages;
    let holder = certificate.public_key().unwrap();
    let ski = pkix::SubjectKeyIdentifier(octets(&holder.key_identifier()));
    let aki = pkix::AuthorityKeyIdentifier {
        key_identifier: Some(octets(&issuer.key.public_key().key_identifier())),
        ..Default::default()
    };
    let rsa = holder.family() == pca_core::keys::Family::Rsa;
    let usage = match (ca, case.profile, rsa) {
        (Some(_), ..) => KeyUsages::KeyCertSign | KeyUsages::CRLSign | KeyUsages::DigitalSignature,
        (None, Profile::DataEncryption, true) => KeyUsages::KeyEncipherment | KeyUsages::DataEncipherment,
        (None, Profile::DataEncryption, false) => KeyUsages::KeyAgreement.into(),
        (None, _, true) => KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment,
        (None, _, false) => KeyUsages::DigitalSignature.into(),
    };
    let constraints = pkix::BasicConstraints { ca: ca.is_some(), path_len_constraint: ca.flatten() };
    let mut list = vec![
        extension(rfc5280::ID_CE_BASIC_CONSTRAINTS, true, &constraints),
        extension(rfc5280::ID_CE_KEY_USAGE, true, &pkix::KeyUsage(usage)),
        extension(rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER, false, &ski),
        extension(rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER, false, &aki),
    ];
    if ca.is_none() {
        let purpose = match case.profile {
            Profile::Server => Some(rfc5280::ID_KP_SERVER_AUTH),
            Profile::Client => Some(rfc5280::ID_KP_CLIENT_AUTH),
            _ => None,
        };
        list.extend(
            purpose
                .map(|purpose| extension(rfc5280::ID_CE_EXT_KEY_USAGE, false, &pkix::ExtendedKeyUsage(vec![purpose]))),
        );
        let names = &certificate.extensions().subject_alternative_names;
        if !names.is_empty() {
            let names = pkix::SubjectAltName(names.iter().map(oracle_name).collect());
            list.push(extension(rfc5280::ID_CE_SUBJECT_ALT_NAME, certificate.subject().is_empty(), &names));
        }
    }
    if with_urls {
        let urls = urls();
        let point = pkix::crl::dp::DistributionPoint {
            distribution_point: Some(pkix::name::DistributionPointName::FullName(vec![uri(urls
                .crl
                .unwrap()
                .as_str())])),
            reasons: None,
            crl_issuer: None,
        };
        list.push(extension(rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS, false, &pkix::CrlDistributionPoints(vec![point])));
        let access = pkix::AuthorityInfoAccessSyntax(vec![
            pkix::AccessDescription {
                access_method: rfc6960::ID_PKIX_OCSP,
                access_location: uri(urls.ocsp.unwrap().as_str()),
            },
            pkix::AccessDescription {
                access_method: rfc5280::ID_AD_CA_ISSUERS,
                access_location: uri(urls.issuer.unwrap().as_str()),
            },
        ]);
        list.push(extension(rfc5280::ID_PE_AUTHORITY_INFO_ACCESS, false, &access));
    }
    list.sort_by_key(|extension| extension.extn_id);
    list
}

fn sorted_extensions(certificate: &x509_cert::Certificate) -> Vec<Extension> {
    let mut list = certificate.tbs_certificate().extensions().unwrap().clone();
    list.sort_by_key(|extension| extension.extn_id);
    list
}

fn webpki_accepts(root: &Authority, oa: &Authority, certificate: &ParsedCertificate, profile: Profile, at: Timestamp) {
    use rustls_pki_types::{CertificateDer, UnixTime};
    let root_der = CertificateDer::from(root.certificate.der());
    let anchor = webpki::anchor_from_trusted_cert(&root_der).unwrap();
    let leaf_der = CertificateDer::from(certificate.der());
    let end_entity = webpki::EndEntityCert::try_from(&leaf_der).unwrap();
    let usage = match profile {
        Profile::Client => webpki::KeyUsage::client_auth(),
        _ => webpki::KeyUsage::server_auth(),
    };
    let time = UnixTime::since_unix_epoch(core::time::Duration::from_secs(u64::try_from(at.secs()).unwrap()));
    end_entity
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &[anchor],
            &[CertificateDer::from(oa.certificate.der())],
            time,
            usage,
            None,
            None,
        )
        .unwrap();
    for name in &certificate.extensions().subject_alternative_names {
        let text = match name {
            GeneralName::Dns(name) => name.as_str().replace('*', "some-host"),
            GeneralName::Ip(address) => address.to_string(),
            _ => continue,
        };
        let server = rustls_pki_types::ServerName::try_from(text.as_str()).unwrap();
        end_entity.verify_is_valid_for_subject_name(&server).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn generated_chains_are_accepted_and_every_octet_is_right(case in cases()) {
        let (root, oa, certificate) = issue(&case);
        let expected = |issuer: &Authority, certificate: &ParsedCertificate, urls, ca| {
            prop_assert_eq!(sorted_extensions(&oracle(certificate)), expected_extensions(&case, issuer, certificate, urls, ca));
            Ok(())
        };
        expected(&root, &root.certificate, false, Some(None))?;
        expected(&root, &oa.certificate, case.with_urls, Some(Some(0)))?;
        expected(&oa, &certificate, case.with_urls, None)?;
        certificate.verify_signature(oa.key.public_key()).unwrap();
        oa.certificate.verify_signature(root.key.public_key()).unwrap();
        root.certificate.verify_signature(root.key.public_key()).unwrap();
        prop_assert_eq!(certificate.issuer(), oa.certificate.subject());
        for at in [NOW, certificate.not_after()] {
            webpki_accepts(&root, &oa, &certificate, case.profile, at);
        }
        let (_, second) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
        let number = certificate.serial().unwrap();
        prop_assert_eq!(second.raw_serial(), number.as_der_content());
    }

    #[test]
    fn octets_changed_at_random_never_panic_and_never_verify(position: prop::sample::Index, flip in 1_u8..) {
        let (root, oa) = small_chain();
        let mut octets = oa.certificate.der().to_vec();
        let position = position.index(octets.len());
        octets[position] ^= flip;
        if let Ok(read) = ParsedCertificate::from_der(&octets) {
            prop_assert!(read.verify_signature(root.key.public_key()).is_err(), "octet {position}");
        }
    }

    #[test]
    fn any_octets_are_read_without_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = ParsedCertificate::from_pem_or_der(&octets);
        let _ = pca_core::x509::VerifiedCsr::verify(&octets);
        let _ = pca_core::x509::ParsedCrl::from_pem_or_der(&octets);
        let _ = DistinguishedName::from_der(&octets);
        let _ = pca_core::x509::NameConstraints::from_der(&octets);
    }
}

fn small_chain() -> (Authority, Authority) {
    let root = x509_support::root(Algorithm::EcdsaP256);
    let oa = x509_support::intermediate(&root, Algorithm::EcdsaP256);
    (root, oa)
}

#[test]
fn c5_years_after_2049_and_the_year_9999() {
    let (far, end) = (Timestamp::from_secs(2_524_607_999), Validity::NEVER);
    let root = root_with(&name("Far Root"), key(Algorithm::EcdsaP256, 1), Validity::new(far, end).unwrap(), None);
    oracle(&root.certificate);
    assert_eq!(root.certificate.not_before(), far);
    assert_eq!(root.certificate.not_after(), end);
}

#[test]
fn an_uploaded_issuers_name_and_key_identifier_are_copied_octet_for_octet() {
    use x509_support::forge::{self, Forged};
    let holder = key(Algorithm::EcdsaP256, 4);
    // A name in strings that the platform would not write, and an SKI of another method.
    let odd_name =
        forge::seq(&[&forge::tlv(0x31, &forge::seq(&[&forge::oid("2.5.4.3"), &forge::tlv(0x1e, &[0x4e, 0x16])]))]);
    let odd_identifier = [7; 8];
    let forged = Forged {
        version: vec![0xa0, 3, 2, 1, 2],
        serial: vec![1],
        algorithm: forge::seq(&[&forge::oid("1.2.840.10045.4.3.2")]),
        issuer: odd_name.clone(),
        validity: ("250101000000Z".into(), "350101000000Z".into()),
        subject: odd_name.clone(),
        spki: holder.public_key().spki_der().to_vec(),
        extensions: vec![
            forge::basic_constraints(true, true, None),
            forge::key_usage(0x06),
            forge::ski(&odd_identifier),
        ],
    };
    let odd = Authority { certificate: ParsedCertificate::from_der(&forged.sign(&holder)).unwrap(), key: holder };
    assert_eq!(odd.certificate.subject().common_name().as_deref(), Some("世"));
    let oa = x509_support::intermediate(&odd, Algorithm::EcdsaP256);
    assert_eq!(oa.certificate.issuer().der(), odd_name);
    let aki = oa.certificate.extensions().authority_key_identifier.clone().unwrap();
    assert_eq!(aki.key_identifier.as_deref(), Some(&odd_identifier[..]));
    oa.certificate.verify_signature(odd.key.public_key()).unwrap();
    assert_eq!(oa.certificate.extensions().key_usage, Some(KeyUsage::CERTIFICATE_AUTHORITY));
}

#[test]
fn certificates_and_requests_pass_through_the_log() {
    let (root, _) = small_chain();
    let packed = rmp_serde::to_vec_named(&root.certificate).unwrap();
    assert_eq!(rmp_serde::from_slice::<ParsedCertificate>(&packed).unwrap(), root.certificate);
    let id = root.certificate.id().unwrap();
    assert_eq!(id.serial(), serial(1));
    assert_eq!(id.issuer(), root.certificate.subject().issuer_hash());
}

#[test]
fn i4_the_names_of_a_certificate_without_subject_are_critical() {
    let (_, oa) = small_chain();
    let holder = key(Algorithm::EcdsaP256, 3);
    for (label, critical) in [("a".repeat(60), true), ("a".into(), false)] {
        let long = GeneralName::dns(&format!("{label}.host.example"), Wildcards::Narrow).unwrap();
        let names =
            EntityNames::plan(Profile::Server, &SubjectFields::default(), vec![long], Wildcards::Narrow).unwrap();
        let validity = Validity::for_days(NOW, 90).unwrap();
        let certificate = leaf(&oa, Profile::Server, &names, &holder, validity, serial(9), &AuthorityUrls::default());
        assert_eq!(certificate.subject().is_empty(), critical);
        assert_eq!(certificate.extensions().subject_alternative_names_critical, critical);
        oracle(&certificate);
    }
}

#[test]
fn g4_a_certificate_beyond_64_kib_is_not_read() {
    let octets = vec![0x30; 64 * 1024 + 1];
    let error = pca_core::x509::CertificateError::TooLarge { octets: octets.len() };
    assert_eq!(ParsedCertificate::from_der(&octets), Err(error));
}
