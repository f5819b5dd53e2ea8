//! Rule C6: what name constraints allow and refuse, by the path check and by OpenSSL, GnuTLS, Java and rustls-webpki on the
//! same chains. What the platform issues, they accept; what it refuses, they refuse, too, but for what each case explains.
//! The refused certificates are made beside the rules, since the platform would not sign them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod judges;
mod x509_support;

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use judges::{installed, java_paths, pkilint, run, webpki_says, write};
use pca_core::keys::{Algorithm, Family};
use pca_core::log::Timestamp;
use pca_core::x509::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use x509_support::{Authority, key, name, root_with, serial, sign};

static NOW: LazyLock<Timestamp> = LazyLock::new(|| {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap() - 3600)
});

static ROOT: LazyLock<Authority> = LazyLock::new(|| {
    let validity = Validity::for_years(*NOW, 10).unwrap();
    root_with(&name("Constraints Root"), key(Algorithm::EcdsaP256, 1), validity, None)
});

fn read_subtree(text: &str) -> Subtree {
    let (kind, text) = text.split_once(':').unwrap();
    let kind = match kind {
        "dns" => NameKind::Dns,
        "email" => NameKind::Email,
        "ip" => NameKind::Ip,
        "uri" => NameKind::Uri,
        _ => NameKind::Directory,
    };
    Subtree::parse(kind, text).unwrap()
}

fn constrained(number: usize, permitted: &[&str], excluded: &[&str]) -> Authority {
    let read = |list: &[&str]| list.iter().map(|text| read_subtree(text)).collect();
    constrained_by(number, read(permitted), read(excluded))
}

/// An intermediate with these constraints; each has a name of its own.
fn constrained_by(number: usize, permitted: Vec<Subtree>, excluded: Vec<Subtree>) -> Authority {
    let constraints = NameConstraints::new(permitted, excluded).unwrap();
    let subject = name(&format!("Constrained {number}"));
    let key = key(Algorithm::EcdsaP256, 2);
    let certificate = CaCertificate {
        serial: serial(u8::try_from(number % 250).unwrap() + 2),
        validity: Validity::for_years(*NOW, 5).unwrap(),
        subject: &subject,
        public_key: key.public_key(),
        path_length: Some(0),
        name_constraints: Some(&constraints),
    };
    let tbs = certificate.intermediate_tbs(&ROOT.issuer(), &AuthorityUrls::default());
    Authority { certificate: ParsedCertificate::from_der(&sign(&tbs, &ROOT.key)).unwrap(), key }
}

/// A path to be judged, and what the platform says to it.
struct Judged {
    about: String,
    oa: Authority,
    certificate: ParsedCertificate,
    breaches: Vec<ConstraintBreach>,
}

fn judged(about: String, oa: Authority, subject: &DistinguishedName, names: &[GeneralName]) -> Judged {
    let holder = key(Algorithm::EcdsaP256, 3);
    let validity = Validity::for_days(*NOW, 30).unwrap();
    let planned = Planned {
        role: PlannedRole::EndEntity { profile: Profile::Mutual.definition() },
        validity,
        family: Family::Ecc,
        subject,
        names,
    };
    let violations = check_path(&[&ROOT.certificate, &oa.certificate], &planned);
    let breaches = violations
        .iter()
        .map(|violation| match violation {
            PathViolation::NameConstraint { violation, .. } => violation.breach,
            other => panic!("{about}: {other}"),
        })
        .collect();
    let template = LeafTemplate::new(&oa.issuer(), Profile::Mutual, &AuthorityUrls::default(), &[]);
    let leaf = Leaf { serial: serial(9), validity, subject, public_key: holder.public_key(), names };
    let certificate = ParsedCertificate::from_der(&sign(&template.tbs(&leaf).unwrap(), &oa.key)).unwrap();
    Judged { about, oa, certificate, breaches }
}

fn read_name(text: &str) -> GeneralName {
    let (kind, text) = text.split_once(':').unwrap();
    match kind {
        "dns" => GeneralName::dns(text, Wildcards::Wide).unwrap(),
        "ip" => GeneralName::ip(text).unwrap(),
        "email" => GeneralName::email(text).unwrap(),
        _ => GeneralName::uri(text).unwrap(),
    }
}

/// Constraints, and below them names with what is expected: whether it is issued, and which judges accept it although it is
/// not, or refuse it although it is (the page on profiles explains each).
type Lot = (
    &'static [&'static str],
    &'static [&'static str],
    &'static [(&'static str, &'static str, bool, &'static [&'static str])],
);

const LOTS: [Lot; 6] = [
    (
        &["dns:hr.example"],
        &["dns:pay.hr.example"],
        &[
            ("", "dns:a.hr.example", true, &[]),
            ("", "dns:hr.example", true, &[]),
            ("", "dns:*.a.hr.example", true, &[]),
            ("CN=a.hr.example", "dns:a.hr.example", true, &[]),
            ("", "dns:oa.example", false, &[]),
            ("", "dns:a.hr.example dns:oa.example", false, &[]),
            ("", "dns:xhr.example", false, &[]),
            ("", "dns:*.example", false, &[]),
            ("", "dns:pay.hr.example", false, &[]),
            ("", "dns:a.pay.hr.example", false, &[]),
            ("", "dns:a.hr.example ip:10.0.0.1", false, &[]),
            ("", "dns:a.hr.example ip:2001:db8::1", false, &[]),
            // A wildcard that could match an excluded name.
            ("", "dns:*.hr.example", false, WILDCARD),
            // Other kinds, which no exclusion can be written for.
            ("", "dns:a.hr.example email:a@hr.example", false, OTHER_KIND),
            ("", "dns:a.hr.example uri:https://a.hr.example/", false, OTHER_KIND),
            // A common name that reads like a host.
            ("CN=oa.example", "", false, NO_COMMON_NAME),
        ],
    ),
    (
        &["ip:10.0.0.0/8", "ip:2001:db8::/32"],
        &["ip:10.9.0.0/16"],
        &[
            ("", "ip:10.1.2.3", true, &[]),
            ("", "ip:2001:db8::9", true, &[]),
            ("", "ip:11.0.0.1", false, &[]),
            ("", "ip:10.9.0.1", false, &[]),
            ("", "ip:2001:db9::1", false, &[]),
            ("", "ip:10.1.2.3 dns:a.example", false, &[]),
        ],
    ),
    (
        &["email:hr.example", "email:Boss@x.example", "email:.sub.example"],
        &[],
        &[
            ("", "email:a@hr.example", true, &["webpki"]),
            ("", "email:a@b.sub.example", true, &["webpki"]),
            ("", "email:a@b.hr.example", false, &[]),
            ("", "email:a@sub.example", false, &[]),
            ("", "email:a@oa.example", false, &[]),
            ("", "email:a@hr.example dns:a.hr.example", false, &[]),
        ],
    ),
    (
        &["uri:.hr.example", "uri:one.example"],
        &["uri:bad.hr.example"],
        &[
            ("", "uri:https://a.hr.example/x", true, NO_URI),
            ("", "uri:spiffe://one.example/x", true, NO_URI),
            ("", "uri:https://hr.example/", false, &[]),
            ("", "uri:https://a.one.example/", false, &[]),
            ("", "uri:https://bad.hr.example/", false, &[]),
            ("", "uri:https://a.other/", false, &[]),
        ],
    ),
    (
        &["directory:O=Example,C=DE"],
        &[],
        &[
            ("C=DE,O=Example,CN=Ada Lovelace", "", true, NO_DIRECTORY),
            // Java takes a word for a host where there is no alternative name.
            ("C=DE,O=Example,CN=Ada", "", true, &["gnutls", "java", "webpki"]),
            ("C=DE,O=Other,CN=Ada", "", false, &[]),
            ("O=Example,CN=Ada", "", false, &[]),
        ],
    ),
    (
        &[],
        &["dns:secret.example", "email:secret.example"],
        &[
            ("", "dns:open.example ip:10.0.0.1 uri:https://a.example/", true, &[]),
            ("CN=Ada", "email:a@open.example", true, &["webpki"]),
            ("", "dns:a.secret.example", false, &[]),
            ("", "email:a@secret.example", false, &[]),
            ("", "dns:*.example", false, WILDCARD),
        ],
    ),
];

const WILDCARD: &[&str] = &["openssl", "gnutls", "java"];
const OTHER_KIND: &[&str] = &["openssl", "gnutls", "java", "webpki"];
const NO_COMMON_NAME: &[&str] = &["webpki"];
/// They refuse whatever stands below a kind of constraint that they do not process, as RFC 5280 section 4.2.1.10 asks.
const NO_URI: &[&str] = &["gnutls", "webpki"];
const NO_DIRECTORY: &[&str] = &["gnutls", "webpki"];

fn subject(text: &str) -> DistinguishedName {
    let mut fields = SubjectFields::default();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (kind, value) = part.split_once('=').unwrap();
        let value = Some(value.to_owned());
        match kind {
            "CN" => fields.common_name = value,
            "O" => fields.organization = value,
            _ => fields.country = value,
        }
    }
    fields.to_name(CommonName::Optional).unwrap()
}

/// What each judge says: its name, and whether it accepts each path. One that is not installed is missing.
fn verdicts(paths: &[Judged]) -> Vec<(&'static str, Vec<Result<(), String>>)> {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let pem = |certificate: &ParsedCertificate| to_pem("CERTIFICATE", certificate.der());
    let root = write(directory, "root.pem", &ROOT.pem());
    let files: Vec<PathBuf> = paths
        .iter()
        .enumerate()
        .map(|(number, path)| {
            let text = format!("{}{}{}", pem(&path.certificate), path.oa.pem(), ROOT.pem());
            write(directory, &format!("{number}.pem"), &text)
        })
        .collect();
    let mut all = Vec::new();
    if installed("openssl", "version") {
        // It is asked for each, since it tells the first error only.
        let ask = |file: &PathBuf| {
            let mut command = Command::new("openssl");
            let (accepted, told) = run(command
                .args(["verify", "-x509_strict", "-CAfile"])
                .arg(&root)
                .arg("-untrusted")
                .arg(file)
                .arg(file));
            if accepted { Ok(()) } else { Err(told) }
        };
        all.push(("openssl", files.iter().map(ask).collect()));
    }
    if installed("certtool", "--version") {
        let ask = |file: &PathBuf| {
            let (accepted, told) = run(Command::new("certtool").args(["--verify-chain", "--infile"]).arg(file));
            if accepted { Ok(()) } else { Err(told) }
        };
        all.push(("gnutls", files.iter().map(ask).collect()));
    }
    if installed("java", "-version") {
        let told = java_paths(directory, &files).into_iter();
        all.push(("java", told.map(|line| if line.starts_with("OK ") { Ok(()) } else { Err(line) }).collect()));
    }
    let seconds = u64::try_from(NOW.secs()).unwrap() + 60;
    let ask = |path: &Judged| {
        let chain = [&ROOT.certificate, &path.oa.certificate, &path.certificate];
        webpki_says(chain, seconds, webpki::KeyUsage::server_auth()).map_err(|error| error.to_string())
    };
    all.push(("webpki", paths.iter().map(ask).collect()));
    all
}

#[test]
fn c6_judges_agree_on_name_constraints() {
    let mut paths = Vec::new();
    let mut expected = Vec::new();
    for (number, (permitted, excluded, cases)) in LOTS.iter().enumerate() {
        let oa = constrained(number, permitted, excluded);
        for (of, names, issued, deviating) in *cases {
            let names: Vec<GeneralName> = names.split_whitespace().map(read_name).collect();
            let about = format!("{permitted:?} without {excluded:?}: `{of}` {names:?}");
            let path = judged(about, oa.clone(), &subject(of), &names);
            assert_eq!(path.breaches.is_empty(), *issued, "{}: {:?}", path.about, path.breaches);
            paths.push(path);
            expected.push((*issued, *deviating));
        }
    }
    let mut wrong = Vec::new();
    for (judge, told) in verdicts(&paths) {
        for ((path, told), (issued, deviating)) in paths.iter().zip(told).zip(&expected) {
            if told.is_ok() != (*issued ^ deviating.contains(&judge)) {
                wrong.push(format!("{judge}: {} is issued: {issued}; it says {told:?}", path.about));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Drawn at random over a small world of names: whatever is issued, the judges accept; what they accept and is not issued
/// has a wildcard.
#[test]
fn c6_what_is_issued_below_drawn_constraints_is_accepted() {
    let host =
        || prop_oneof![Just("a.example"), Just("b.a.example"), Just("c.b.a.example"), Just("d.example"), Just("x.org")];
    let base = || {
        prop_oneof![
            host().prop_map(|host| format!("dns:{host}")),
            (0_u8..4, 8_u8..=16).prop_map(|(second, bits)| {
                let network = u32::from_be_bytes([10, second, 0, 0]) & (u32::MAX << (32 - bits));
                format!("ip:{}/{bits}", core::net::Ipv4Addr::from(network))
            }),
        ]
    };
    let name = || {
        prop_oneof![
            3 => host().prop_map(|host| format!("dns:{host}")),
            1 => host().prop_map(|host| format!("dns:*.{host}")),
            1 => (0_u8..5, any::<u8>()).prop_map(|(second, last)| format!("ip:10.{second}.0.{last}")),
            1 => Just("ip:2001:db8::1".to_owned()),
        ]
    };
    let draw = (
        proptest::collection::vec(base(), 0..3),
        proptest::collection::vec(base(), 0..2),
        proptest::collection::vec(name(), 1..3),
    );
    let count: usize = std::env::var("PCA_FIRE").ok().and_then(|count| count.parse().ok()).unwrap_or(100);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut paths = Vec::new();
    while paths.len() < count {
        let (permitted, excluded, names) = draw.new_tree(&mut runner).unwrap().current();
        let texts = |list: &[String]| -> Vec<Subtree> { list.iter().map(|text| read_subtree(text)).collect() };
        if NameConstraints::new(texts(&permitted), texts(&excluded)).is_err() {
            continue;
        }
        let oa = constrained_by(100 + paths.len(), texts(&permitted), texts(&excluded));
        let about = format!("{permitted:?} without {excluded:?}: {names:?}");
        let names: Vec<GeneralName> = names.iter().map(|name| read_name(name)).collect();
        paths.push(judged(about, oa, &DistinguishedName::empty(), &names));
    }
    let issued = paths.iter().filter(|path| path.breaches.is_empty()).count();
    assert!(issued > count / 10 && issued < count, "{issued} of {count} were issued");
    let mut wrong = Vec::new();
    for (judge, told) in verdicts(&paths) {
        for (path, told) in paths.iter().zip(told) {
            let wildcard = path.about.contains("*.");
            // GnuTLS lets an address pass where only addresses of the other version are permitted.
            let other_version = judge == "gnutls" && path.about.contains("2001:db8::1");
            match (path.breaches.is_empty(), told) {
                (true, Err(told)) => wrong.push(format!("{judge} refuses {}: {told}", path.about)),
                (false, Ok(())) if !wildcard && !other_version => {
                    wrong.push(format!("{judge} accepts {}: {:?}", path.about, path.breaches));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What pkilint says to CAs with name constraints, and the page on profiles explains.
const EXPLAINED: [(&str, &str); 0] = [];

#[test]
fn c6_pkilint_finds_nothing_in_constrained_cas_that_is_not_explained() {
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = LOTS
        .iter()
        .enumerate()
        .map(|(number, (permitted, excluded, _))| {
            write(directory.path(), &format!("{number}.pem"), &constrained(number, permitted, excluded).pem())
        })
        .collect();
    let Some(findings) = pkilint(directory.path(), &files) else { return };
    let explained = |line: &str| EXPLAINED.iter().any(|(code, words)| line.contains(code) && line.contains(words));
    let findings: Vec<&String> = findings.iter().filter(|line| !explained(line)).collect();
    assert!(findings.is_empty(), "{findings:#?}");
}

/// x509-cert reads the constraints and writes the same octets.
#[test]
fn c6_x509_cert_writes_the_same_constraints() {
    use der::{Decode as _, Encode as _};
    for (number, (permitted, excluded, _)) in LOTS.iter().enumerate() {
        let oa = constrained(number, permitted, excluded);
        let own = oa.certificate.extensions().name_constraints.clone().unwrap();
        let read = x509_cert::ext::pkix::NameConstraints::from_der(own.der()).unwrap();
        assert_eq!(read.to_der().unwrap(), own.der());
        let count = |list: Option<&Vec<_>>| list.map_or(0, Vec::len);
        assert_eq!(count(read.permitted_subtrees.as_ref()), own.permitted().len());
        assert_eq!(count(read.excluded_subtrees.as_ref()), own.excluded().len());
    }
}
