//! Rules I2 and I6: certificates of every profile and algorithm, drawn at random, pass the path check and are accepted by
//! OpenSSL, GnuTLS, Java and rustls-webpki, each for what it is for; pkilint finds nothing in them.
//!
//! `PCA_FIRE` sets how many are drawn (100 otherwise). pkilint is asked through the Python that `PCA_PYTHON` names
//! (`python3` otherwise). A judge that is not installed is skipped aloud, unless `CI` is `true`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod judges;
mod x509_support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use judges::{installed, java_paths, pkilint, run, webpki_says, write};
use pca_core::keys::{Algorithm, Family};
use pca_core::log::Timestamp;
use pca_core::x509::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use x509_support::{Authority, intermediate_with, key, leaf, name, root_with, urls};

static NOW: LazyLock<Timestamp> = LazyLock::new(|| {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap() - 3600)
});

/// How CAs sign here, and what stands below them.
const CAS: [(Algorithm, &[Algorithm]); 5] = [
    (Algorithm::EcdsaP256, &[Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::EcdsaP521, Algorithm::Ed25519]),
    (Algorithm::EcdsaP384, &[Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::Ed25519]),
    (Algorithm::EcdsaP521, &[Algorithm::EcdsaP521]),
    (Algorithm::Ed25519, &[Algorithm::Ed25519, Algorithm::EcdsaP256]),
    (Algorithm::Rsa2048, &[Algorithm::Rsa2048, Algorithm::Rsa3072]),
];

struct Chain {
    root: Authority,
    oa: Authority,
}

fn chain(number: usize) -> Chain {
    let algorithm = CAS[number].0;
    let validity = |years| Validity::for_years(*NOW, years).unwrap();
    let root = root_with(&name(&format!("Profiles Root {algorithm}")), key(algorithm, 1), validity(10), None);
    let oa = name(&format!("Profiles OA {algorithm}"));
    let oa = intermediate_with(&root, &oa, key(algorithm, 2), validity(5), &urls());
    Chain { root, oa }
}

static CHAINS: LazyLock<Vec<Chain>> = LazyLock::new(|| (0..CAS.len()).map(chain).collect());

/// A certificate to be drawn.
#[derive(Clone, Debug)]
struct Draw {
    chain: usize,
    algorithm: Algorithm,
    definition: ProfileDefinition,
    subject: SubjectFields,
    names: Vec<GeneralName>,
    random: [u8; 10],
    days: u32,
}

fn dns(wildcards: bool) -> BoxedStrategy<GeneralName> {
    let pattern = "([a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\\.){1,3}[a-z]{2,12}";
    let plain = pattern.prop_filter_map("a fake A-label", |text| GeneralName::dns(&text, Wildcards::Narrow).ok());
    let starred =
        "[a-z]{1,9}\\.[a-z]{2,8}".prop_map(|text| GeneralName::dns(&format!("*.{text}"), Wildcards::Narrow).unwrap());
    if wildcards { prop_oneof![4 => plain, 1 => starred].boxed() } else { plain.boxed() }
}

fn ip() -> impl Strategy<Value = GeneralName> {
    any::<core::net::IpAddr>().prop_map(GeneralName::Ip)
}

fn email() -> impl Strategy<Value = GeneralName> {
    "[a-z]{1,10}([.+][a-z0-9]{1,10})?@[a-z]{1,20}\\.example".prop_map(|text| GeneralName::email(&text).unwrap())
}

fn uri(form: UriForm) -> BoxedStrategy<GeneralName> {
    let read = |text: String| GeneralName::uri(&text).unwrap();
    match form {
        UriForm::Spiffe => "spiffe://[a-z]{1,20}\\.example(/[a-zA-Z0-9_-]{1,9}){1,4}".prop_map(read).boxed(),
        _ => "(https|spiffe)://[a-z]{1,20}\\.example(/[a-z]{1,9}){0,3}".prop_map(read).boxed(),
    }
}

fn several<S: Strategy<Value = GeneralName> + 'static>(
    count: Option<NameCount>,
    strategy: S,
) -> BoxedStrategy<Vec<GeneralName>> {
    match count {
        None => Just(Vec::new()).boxed(),
        Some(NameCount { least, most }) => {
            proptest::collection::vec(strategy, usize::from(least)..=usize::from(most.min(least.max(3)))).boxed()
        }
    }
}

fn fields(definition: &ProfileDefinition) -> BoxedStrategy<SubjectFields> {
    let common = match definition.subject.common_name {
        CommonNameRule::Required => "[A-Z][a-zéü]{1,20} [A-Z][a-z]{1,20}".prop_map(Some).boxed(),
        CommonNameRule::Optional => proptest::option::of("[A-Z][a-zéü]{1,20} [A-Z][a-z]{1,20}").boxed(),
        _ => Just(None).boxed(),
    };
    let field = |rule: FieldRule, pattern: &'static str| match rule {
        FieldRule::Required => pattern.prop_map(Some).boxed(),
        FieldRule::Forbidden => Just(None).boxed(),
        _ => proptest::option::of(pattern).boxed(),
    };
    let rules = definition.subject;
    (
        common,
        field(rules.organization, "[A-Z][a-z &]{0,30}[a-z]"),
        field(rules.country, "(DE|CN|US|CH)"),
        field(rules.locality, "[A-Z][a-z]{2,30}"),
    )
        .prop_map(|(common_name, organization, country, locality)| SubjectFields {
            common_name,
            organization,
            country,
            locality,
            ..SubjectFields::default()
        })
        .boxed()
}

/// A profile of one's own for every draw: another purpose, criticality, policies.
fn own() -> ProfileDefinition {
    let text = r#"{"name": "vpn-gateway", "names": {"dns": {"least": 1}, "ip": {}},
        "subject": {"common_name": "one-of-names", "organization": "required"},
        "extended_key_usage": {"purposes": ["serverAuth", "1.3.6.1.5.5.7.3.17"], "critical": true},
        "policies": ["1.3.6.1.4.1.55738.666.1"]}"#;
    ProfileDefinition::from_json(text).unwrap()
}

fn draws() -> impl Strategy<Value = Draw> {
    let profiles: Vec<ProfileDefinition> =
        Profile::ALL.iter().map(|profile| profile.definition().clone()).chain([own()]).collect();
    let profile = proptest::sample::select(profiles);
    (profile, 0..CAS.len(), any::<prop::sample::Index>()).prop_flat_map(|(definition, chain, index)| {
        let mut algorithm = CAS[chain].1[index.index(CAS[chain].1.len())];
        let mut chain = chain;
        if definition.key_usage(algorithm.into()).is_err() {
            (chain, algorithm) = (0, Algorithm::EcdsaP256);
        }
        let rules = definition.names;
        let names = (
            several(rules.dns, dns(rules.wildcards)),
            several(rules.ip, ip()),
            several(rules.email, email()),
            several(rules.uri, uri(rules.uri_form)),
            dns(false),
        );
        let longest = definition.validity.longest_days.unwrap_or(800);
        (names, fields(&definition), any::<[u8; 10]>(), 1..=longest).prop_map(
            move |((dns, ip, email, uri, more), subject, random, days)| {
                let mut names: Vec<GeneralName> = dns.into_iter().chain(ip).chain(email).chain(uri).collect();
                let host = |name: &GeneralName| matches!(name, GeneralName::Dns(_) | GeneralName::Ip(_));
                if definition.subject.common_name == CommonNameRule::ServerName && !names.iter().any(host) {
                    names.push(more);
                }
                Draw { chain, algorithm, definition: definition.clone(), subject, names, random, days }
            },
        )
    })
}

struct Drawn {
    draw: Draw,
    certificate: ParsedCertificate,
}

/// As many as are asked for, of every profile, algorithm and CA; what is drawn passes the path check.
static DRAWN: LazyLock<Vec<Drawn>> = LazyLock::new(|| {
    let count = std::env::var("PCA_FIRE").ok().and_then(|count| count.parse().ok()).unwrap_or(100);
    let seed = [7; 32];
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let strategy = draws();
    (0..count).map(|_| issue(strategy.new_tree(&mut runner).unwrap().current())).collect()
});

fn issue(draw: Draw) -> Drawn {
    let Chain { root, oa } = &CHAINS[draw.chain];
    let names = EntityNames::plan(&draw.definition, &draw.subject, draw.names.clone(), Wildcards::Narrow)
        .unwrap_or_else(|violations| panic!("{draw:?}: {violations:?}"));
    let holder = key(draw.algorithm, 3);
    let validity = Validity::for_days(*NOW, draw.days).unwrap();
    let planned = Planned {
        role: PlannedRole::EndEntity { profile: &draw.definition },
        validity,
        family: holder.public_key().family(),
        subject: names.subject(),
        names: names.names(),
    };
    assert_eq!(check_path(&[&root.certificate, &oa.certificate], &planned), []);
    let serial = SerialNumber::from_random(draw.random);
    let certificate = leaf(oa, &draw.definition, &names, &holder, validity, serial, &urls());
    Drawn { draw, certificate }
}

fn pem(certificate: &ParsedCertificate) -> String {
    to_pem("CERTIFICATE", certificate.der())
}

/// One file for each, and one for each with its chain.
fn files(directory: &Path) -> Vec<(PathBuf, PathBuf)> {
    let file = |(number, drawn): (usize, &Drawn)| {
        let Chain { root, oa } = &CHAINS[drawn.draw.chain];
        let own = pem(&drawn.certificate);
        let with_chain = format!("{own}{}{}", pem(&oa.certificate), pem(&root.certificate));
        let stem = format!("{number}-{}-{}", drawn.draw.definition.name, drawn.draw.algorithm);
        (write(directory, &format!("{stem}.pem"), &own), write(directory, &format!("{stem}.chain"), &with_chain))
    };
    DRAWN.iter().enumerate().map(file).collect()
}

/// What OpenSSL calls the purposes of a profile that it knows.
fn purposes(drawn: &Drawn) -> Vec<&'static str> {
    let rsa = drawn.draw.algorithm.family() == Family::Rsa;
    match drawn.draw.definition.name.built_in() {
        Some(Profile::Server) => vec!["sslserver"],
        Some(Profile::Client) => vec!["sslclient"],
        Some(Profile::Mutual | Profile::Spiffe | Profile::ShortLived) => vec!["sslserver", "sslclient"],
        Some(Profile::Email) if rsa => vec!["smimesign", "smimeencrypt"],
        Some(Profile::Email) => vec!["smimesign"],
        Some(Profile::OcspSigning) => vec!["ocsphelper"],
        Some(_) => vec!["any"],
        None => vec!["sslserver"],
    }
}

#[test]
fn i6_openssl_accepts_every_profile_and_algorithm() {
    if !installed("openssl", "version") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    let all = |select: fn(&Chain) -> &Authority| CHAINS.iter().map(|chain| select(chain).pem()).collect::<String>();
    let roots = write(directory.path(), "roots", &all(|chain| &chain.root));
    let intermediates = write(directory.path(), "intermediates", &all(|chain| &chain.oa));
    let verify = |purpose: &str, files: &[&PathBuf]| {
        let mut command = Command::new("openssl");
        command.args(["verify", "-x509_strict", "-policy_check", "-check_ss_sig", "-purpose", purpose, "-CAfile"]);
        run(command.arg(&roots).arg("-untrusted").arg(&intermediates).args(files))
    };
    for purpose in ["sslserver", "sslclient", "smimesign", "smimeencrypt", "ocsphelper", "any"] {
        let (fit, unfit): (Vec<_>, Vec<_>) =
            DRAWN.iter().zip(&files).partition(|(drawn, _)| purposes(drawn).contains(&purpose));
        let fit: Vec<&PathBuf> = fit.into_iter().map(|(_, (own, _))| own).collect();
        assert!(!fit.is_empty(), "none was drawn that is for {purpose}");
        let (accepted, told) = verify(purpose, &fit);
        assert!(accepted, "{purpose}: {told}");
        assert_eq!(told.matches(": OK").count(), fit.len(), "{told}");
        // What has purposes, and not this one, is refused for it.
        let unfit: Vec<&PathBuf> = unfit
            .into_iter()
            .filter(|(drawn, _)| purpose != "any" && !drawn.draw.definition.purposes().is_empty())
            .filter(|(drawn, _)| !(purpose == "smimeencrypt" && drawn.draw.definition.name == Profile::Email))
            // It accepts any end entity as an OCSP helper, and asks for the purpose elsewhere.
            .filter(|_| purpose != "ocsphelper")
            .map(|(_, (own, _))| own)
            .collect();
        let (_, told) = verify(purpose, &unfit);
        assert_eq!(told.matches(": OK").count(), 0, "{purpose}: {told}");
    }
    for (drawn, (own, _)) in DRAWN.iter().zip(&files).take(60) {
        for name in &drawn.certificate.extensions().subject_alternative_names {
            let (option, text) = match name {
                GeneralName::Dns(name) => ("-verify_hostname", name.as_str().replace('*', "some-host")),
                GeneralName::Ip(address) => ("-verify_ip", address.to_string()),
                GeneralName::Email(address) => ("-verify_email", address.as_str().to_owned()),
                _ => continue,
            };
            let mut command = Command::new("openssl");
            command.args(["verify", "-x509_strict", option, &text, "-CAfile"]).arg(&roots);
            let (accepted, told) = run(command.arg("-untrusted").arg(&intermediates).arg(own));
            assert!(accepted, "{option} {text}: {told}");
        }
    }
}

#[test]
fn i6_gnutls_accepts_every_profile_and_algorithm() {
    if !installed("certtool", "--version") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for (_, with_chain) in files(directory.path()) {
        let (accepted, told) = run(Command::new("certtool").args(["--verify-chain", "--infile"]).arg(&with_chain));
        assert!(accepted && told.contains("Chain verification output: Verified."), "{with_chain:?}: {told}");
    }
}

#[test]
fn i6_java_accepts_every_profile_and_algorithm() {
    if !installed("java", "-version") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = files(directory.path()).into_iter().map(|(_, with_chain)| with_chain).collect();
    let lines = java_paths(directory.path(), &files);
    for ((line, file), drawn) in lines.iter().zip(&files).zip(DRAWN.iter()) {
        // Java refuses a critical extended key usage that its caller has not said to have looked at.
        let critical = drawn.draw.definition.extended_key_usage.critical;
        assert!(line.starts_with("OK ") || critical && line.contains("unrecognized critical"), "{file:?}: {line}");
    }
}

#[test]
fn i6_webpki_accepts_what_is_for_tls() {
    let mut judged = 0;
    for drawn in DRAWN.iter() {
        let Chain { root, oa } = &CHAINS[drawn.draw.chain];
        let path = [&root.certificate, &oa.certificate, &drawn.certificate];
        let definition = &drawn.draw.definition;
        for (is_for, usage) in [
            (definition.is_for_servers(), webpki::KeyUsage::server_auth()),
            (definition.is_for_clients(), webpki::KeyUsage::client_auth()),
        ] {
            let told = webpki_says(path, u64::try_from(NOW.secs()).unwrap() + 60, usage);
            if is_for {
                judged += 1;
                assert_eq!(told.map_err(|error| error.to_string()), Ok(()), "{:?}", drawn.draw);
            } else if !definition.purposes().is_empty() {
                assert!(told.is_err(), "{:?}", drawn.draw);
            }
        }
        for name in &drawn.certificate.extensions().subject_alternative_names {
            let text = match name {
                GeneralName::Dns(name) => name.as_str().replace('*', "some-host"),
                GeneralName::Ip(address) => address.to_string(),
                _ => continue,
            };
            let der = rustls_pki_types::CertificateDer::from(drawn.certificate.der());
            let end_entity = webpki::EndEntityCert::try_from(&der).unwrap();
            let server = rustls_pki_types::ServerName::try_from(text.as_str()).unwrap();
            end_entity.verify_is_valid_for_subject_name(&server).unwrap();
        }
    }
    assert!(judged > DRAWN.len() / 2);
}

/// What pkilint says and the page on profiles explains: a code, and what must be in its words.
const EXPLAINED: [(&str, &str); 2] =
    [("pkix.invalid_uri_syntax (ERROR)", "\"spiffe://"), ("pkix.invalid_domain_name_syntax (ERROR)", "\"*.")];

#[test]
fn i2_pkilint_finds_nothing_that_is_not_explained() {
    let directory = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = files(directory.path()).into_iter().map(|(own, _)| own).collect();
    for (number, chain) in CHAINS.iter().enumerate() {
        files.push(write(directory.path(), &format!("root-{number}.pem"), &chain.root.pem()));
        files.push(write(directory.path(), &format!("oa-{number}.pem"), &chain.oa.pem()));
    }
    let Some(findings) = pkilint(directory.path(), &files) else { return };
    let explained = |line: &str| EXPLAINED.iter().any(|(code, words)| line.contains(code) && line.contains(words));
    let findings: Vec<&String> = findings.iter().filter(|line| !explained(line)).collect();
    assert!(findings.is_empty(), "{findings:#?}");
}

/// x509-cert reads every certificate and each of its extensions, and writes the same octets.
#[test]
fn i5_x509_cert_writes_the_same_extensions() {
    use const_oid::db::rfc5280;
    use der::{Decode as _, Encode as _};
    use x509_cert::ext::pkix;
    for drawn in DRAWN.iter() {
        let read = x509_cert::Certificate::from_der(drawn.certificate.der()).unwrap();
        assert_eq!(read.to_der().unwrap(), drawn.certificate.der());
        let definition = &drawn.draw.definition;
        let find = |oid: &str| {
            let oid = ObjectIdentifier::new_unwrap(oid);
            let extensions = read.tbs_certificate().extensions().unwrap();
            extensions.iter().find(|extension| extension.extn_id == oid).cloned()
        };
        let usage = find("2.5.29.15").unwrap();
        let of = pkix::KeyUsage::from_der(usage.extn_value.as_bytes()).unwrap();
        assert_eq!((usage.critical, of.to_der().unwrap().as_slice()), (true, usage.extn_value.as_bytes()));
        match find("2.5.29.37") {
            Some(extension) => {
                let expected = pkix::ExtendedKeyUsage(definition.purposes().to_vec());
                assert_eq!(extension.extn_value.as_bytes(), expected.to_der().unwrap());
                assert_eq!(extension.critical, definition.extended_key_usage.critical);
            }
            None => assert!(definition.purposes().is_empty()),
        }
        let policies = find("2.5.29.32").map(|extension| {
            let policies = pkix::CertificatePolicies::from_der(extension.extn_value.as_bytes()).unwrap();
            policies.0.into_iter().map(|policy| policy.policy_identifier).collect::<Vec<_>>()
        });
        assert_eq!(policies.unwrap_or_default(), definition.policies);
        // What is said on revocation, with the value NULL and not critical.
        let marks = [("2.5.29.56", Revocation::NotAvailable), ("1.3.6.1.5.5.7.48.1.5", Revocation::NoCheck)];
        for (oid, revocation) in marks {
            let there = find(oid);
            assert_eq!(there.is_some(), definition.revocation == revocation, "{oid} {:?}", drawn.draw);
            assert!(there.is_none_or(|mark| !mark.critical && mark.extn_value.as_bytes() == [5, 0]));
        }
        let addressed = definition.revocation == Revocation::Addresses;
        let access = &drawn.certificate.extensions().ocsp_urls;
        let oid = rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS.to_string();
        assert_eq!((find(&oid).is_some(), !access.is_empty()), (addressed, addressed));
        let critical = drawn.certificate.extensions().subject_alternative_names_critical;
        assert_eq!(critical, drawn.certificate.subject().is_empty());
    }
}
