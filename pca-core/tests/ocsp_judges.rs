//! Other people's tools as judges of OCSP answers: OpenSSL, GnuTLS, Java and Python's `cryptography` read them, find the
//! responder's certificate in them, follow it to its issuer, and believe what is told; pkilint finds nothing wrong with them.
//! A tool that is not installed is skipped aloud, unless `CI` is `true`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod judges;
mod service_support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use judges::{installed, run};
use pca_core::CaId;
use pca_core::domain::ca::{EnableByCreating, Lifetime};
use pca_core::domain::certificate::{IssueCertificate, RevokeCertificate};
use pca_core::domain::event::Addresses;
use pca_core::domain::order::{BuyRoot, ServiceTerm};
use pca_core::domain::quota::AssignQuota;
use pca_core::keys::Algorithm;
use pca_core::log::Timestamp;
use pca_core::x509::{
    OcspCertId, OcspHash, OcspRequest, ParsedCertificate, ParsedOcspResponse, RevocationReason, SubjectFields, to_pem,
};
use service_support::{Kind, Site, by};

/// What a directory tells of one certificate.
struct Case {
    directory: PathBuf,
    name: String,
    revoked: Option<RevocationReason>,
    /// Whether a root issued it, with nothing in between.
    of_root: bool,
    nonce: bool,
    sha256: bool,
    ed25519: bool,
}

struct Cases {
    _place: tempfile::TempDir,
    all: Vec<Case>,
}

static CASES: LazyLock<Cases> = LazyLock::new(|| {
    let place = tempfile::tempdir().unwrap();
    let algorithms = [
        ("p256", Algorithm::EcdsaP256),
        ("p384", Algorithm::EcdsaP384),
        ("p521", Algorithm::EcdsaP521),
        ("ed25519", Algorithm::Ed25519),
        ("rsa", Algorithm::Rsa3072),
    ];
    let all = algorithms.into_iter().flat_map(|(name, algorithm)| chain(place.path(), name, algorithm)).collect();
    Cases { _place: place, all }
});

fn chain(place: &Path, name: &str, algorithm: Algorithm) -> Vec<Case> {
    let site = Site::new(Kind::Memory);
    // Real time, because some judges know no other.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    site.clock.set(Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap() - 7200));
    site.found();
    let term = ServiceTerm::years(5);
    let bought = site.run(BuyRoot { family: algorithm.family(), term, ..service_support::buy_root() });
    let enable = |ca: &CaId, what: &str, years| {
        let subject = SubjectFields {
            organization: Some("Ünïted Example".into()),
            country: Some("DE".into()),
            ..SubjectFields::common(format!("{what} {name}"))
        };
        let addresses = Addresses { ocsp_url: Some("http://ocsp.example/ocsp".into()), ..Addresses::default() };
        let lifetime = Some(Lifetime::Years(years));
        let enable = EnableByCreating {
            subject,
            algorithm: Some(algorithm),
            lifetime,
            addresses,
            ..service_support::enable(ca, "")
        };
        ParsedCertificate::from_der(site.run(enable).certificate.as_bytes()).unwrap()
    };
    let (root, oa) = (enable(&bought.root, "Root", 10), enable(&bought.intermediate, "OA", 5));
    site.run(AssignQuota { ca: bought.intermediate.clone(), units: 10 });
    let issue = |host: &str| {
        let request = IssueCertificate::server(bought.intermediate.clone(), [format!("{host}.{name}.example")]);
        site.pca.issue(request, &by()).unwrap().answer
    };
    let reasons = [
        None,
        Some(RevocationReason::Unspecified),
        Some(RevocationReason::KeyCompromise),
        Some(RevocationReason::CertificateHold),
    ];
    let leaves: Vec<_> = reasons.into_iter().zip(["good", "plain", "stolen", "held"]).collect();
    let mut asked: Vec<(String, Option<RevocationReason>, ParsedCertificate, &ParsedCertificate, &CaId)> = Vec::new();
    for (reason, what) in leaves {
        let issued = issue(what);
        if let Some(reason) = reason {
            site.run(RevokeCertificate { id: issued.id, reason, invalidity_date: None });
        }
        let leaf = ParsedCertificate::from_der(issued.certificate.as_bytes()).unwrap();
        asked.push((what.into(), reason, leaf, &oa, &bought.intermediate));
    }
    asked.push(("intermediate".into(), None, oa.clone(), &root, &bought.root));
    let mut cases = Vec::new();
    for (what, revoked, leaf, issuer, ca) in asked {
        for (form, hash, nonce) in [
            ("plain", OcspHash::Sha1, None),
            ("nonce", OcspHash::Sha1, Some(vec![7; 32])),
            ("sha256", OcspHash::Sha256, None),
        ] {
            let (has_nonce, sha256) = (nonce.is_some(), hash == OcspHash::Sha256);
            let directory = place.join(format!("{name}-{what}-{form}"));
            std::fs::create_dir(&directory).unwrap();
            let key = issuer.public_key().unwrap();
            let cert_id = OcspCertId::new(hash, issuer.subject(), key, leaf.serial().unwrap());
            let request = OcspRequest::new(vec![cert_id], nonce).to_der();
            let answer = site.pca.answer_ocsp(ca, &request, &by()).unwrap();
            let responder = ParsedOcspResponse::from_der(&answer.der).unwrap().responder().unwrap().clone();
            for (file, octets) in [
                ("request.der", request.as_slice()),
                ("response.der", &answer.der),
                ("leaf.pem", to_pem("CERTIFICATE", leaf.der()).as_bytes()),
                ("issuer.pem", to_pem("CERTIFICATE", issuer.der()).as_bytes()),
                ("root.pem", to_pem("CERTIFICATE", root.der()).as_bytes()),
                ("responder.pem", to_pem("CERTIFICATE", responder.der()).as_bytes()),
                (
                    "trust.pem",
                    format!("{}{}", to_pem("CERTIFICATE", root.der()), to_pem("CERTIFICATE", oa.der())).as_bytes(),
                ),
            ] {
                std::fs::write(directory.join(file), octets).unwrap();
            }
            let of_root = issuer == &root;
            let ed25519 = algorithm == Algorithm::Ed25519;
            cases.push(Case {
                name: format!("{name}-{what}-{form}"),
                directory,
                revoked,
                of_root,
                nonce: has_nonce,
                sha256,
                ed25519,
            });
        }
    }
    site.check();
    cases
}

#[test]
fn openssl_believes_the_delegated_responder_and_what_it_tells() {
    if !installed("openssl", "version") {
        return;
    }
    for case in &CASES.all {
        let mut openssl = Command::new("openssl");
        openssl.current_dir(&case.directory).args(["ocsp", "-respin", "response.der", "-CAfile", "root.pem"]);
        if case.sha256 {
            openssl.arg("-sha256");
        }
        openssl.args(["-issuer", "issuer.pem", "-cert", "leaf.pem", "-verify_other", "issuer.pem"]);
        // Without -trust_other the issuer only helps to find the way to the root.
        // Nor does it draw a nonce of its own; that of the request is compared.
        openssl.args(["-no_nonce", "-resp_text"]);
        if case.nonce {
            openssl.args(["-reqin", "request.der"]);
        }
        let (ran, told) = run(&mut openssl);
        assert!(ran && told.contains("Response verify OK"), "{}: {told}", case.name);
        assert!(!told.contains("WARNING") && !told.contains("Nonce Verify error"), "{}: {told}", case.name);
        let status = if case.revoked.is_some() { "leaf.pem: revoked" } else { "leaf.pem: good" };
        assert!(told.contains(status), "{}: {told}", case.name);
        match case.revoked {
            Some(RevocationReason::Unspecified) => assert!(!told.contains("Reason:"), "{}: {told}", case.name),
            Some(reason) => {
                assert!(told.contains(&format!("Reason: {}", reason.name())), "{}: {told}", case.name);
            }
            None => {}
        }
        // Another root makes it worthless.
        let other = CASES.all.iter().find(|other| other.name[..2] != case.name[..2]).unwrap();
        let (_, told) = run(Command::new("openssl")
            .current_dir(&case.directory)
            .args(["ocsp", "-respin", "response.der", "-no_nonce", "-verify_other", "issuer.pem", "-CAfile"])
            .arg(other.directory.join("root.pem"))
            .args(["-issuer", "issuer.pem", "-cert", "leaf.pem"]));
        assert!(told.contains("Response Verify Failure"), "{}: {told}", case.name);
    }
    // The certificate of the responder, by itself.
    for case in CASES.all.iter().filter(|case| case.nonce) {
        let (good, told) = run(Command::new("openssl")
            .current_dir(&case.directory)
            .args([
                "verify",
                "-x509_strict",
                "-purpose",
                "ocsphelper",
                "-CAfile",
                "root.pem",
                "-untrusted",
                "issuer.pem",
            ])
            .arg("responder.pem"));
        assert!(good, "{}: {told}", case.name);
    }
}

#[test]
fn gnutls_believes_it() {
    if !installed("ocsptool", "--version") {
        return;
    }
    for case in &CASES.all {
        let (good, told) = run(Command::new("ocsptool").current_dir(&case.directory).args([
            "--verify-response",
            "--load-response",
            "response.der",
            "--load-trust",
            "trust.pem",
        ]));
        assert!(good && told.contains("Success"), "{}: {told}", case.name);
    }
}

#[test]
fn java_believes_it() {
    if !installed("java", "--version") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let judge = judges::write(directory.path(), "OcspJudge.java", include_str!("judges/OcspJudge.java"));
    // Java's map of responses takes the certIDs as they are, whatever their hash, and compares nonces with its own requests.
    let cases: Vec<&Case> = CASES.all.iter().filter(|case| !case.nonce && !case.sha256).collect();
    let (ran, told) = run(Command::new("java").arg(judge).args(cases.iter().map(|case| &case.directory)));
    assert!(ran, "{told}");
    let lines: Vec<&str> = told.lines().filter(|line| line.starts_with("OK ") || line.starts_with("NO ")).collect();
    assert_eq!(lines.len(), cases.len(), "{told}");
    for (case, line) in cases.iter().zip(lines) {
        match case.revoked {
            None => assert!(line.starts_with("OK "), "{}: {line}", case.name),
            Some(_) => assert!(line.starts_with("NO ") && line.contains("REVOKED"), "{}: {line}", case.name),
        }
    }
}

#[test]
fn python_reads_it() {
    let there = Command::new("python3").args(["-c", "import cryptography"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "python3 must have cryptography on CI");
        eprintln!("SKIPPED: python3 has no cryptography");
        return;
    }
    let script = r#"
import sys
from cryptography import x509
from cryptography.x509 import ocsp
for path in sys.argv[1:]:
    request = ocsp.load_der_ocsp_request(open(path + "/request.der", "rb").read())
    response = ocsp.load_der_ocsp_response(open(path + "/response.der", "rb").read())
    leaf = x509.load_pem_x509_certificate(open(path + "/leaf.pem", "rb").read())
    assert response.serial_number == leaf.serial_number == request.serial_number
    assert response.issuer_key_hash == request.issuer_key_hash
    assert isinstance(response.hash_algorithm, type(request.hash_algorithm))
    nonces = [e.value.nonce for e in request.extensions] == [e.value.nonce for e in response.extensions]
    issuer = x509.load_pem_x509_certificate(open(path + "/issuer.pem", "rb").read())
    response.certificates[0].verify_directly_issued_by(issuer)
    print(response.certificate_status.name, response.revocation_reason.value if response.revocation_reason else "-", nonces)
"#;
    let directories = CASES.all.iter().map(|case| &case.directory);
    let (ran, told) = run(Command::new("python3").args(["-c", script]).args(directories));
    assert!(ran, "{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), CASES.all.len(), "{told}");
    for (case, line) in CASES.all.iter().zip(lines) {
        let wanted = match case.revoked {
            None => "GOOD - True".to_owned(),
            Some(RevocationReason::Unspecified) => "REVOKED - True".to_owned(),
            Some(reason) => format!("REVOKED {} True", reason.name()),
        };
        assert_eq!(line, wanted, "{}", case.name);
    }
}

#[test]
fn pkilint_finds_nothing_wrong() {
    let Ok(answer) = Command::new("lint_ocsp_response").arg("--help").output() else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "pkilint must be installed on CI");
        eprintln!("SKIPPED: pkilint is not installed");
        return;
    };
    assert!(answer.status.success());
    // A second and more for each: one of each shape, and every algorithm.
    let slice = CASES.all.iter().enumerate().filter(|(number, _)| number % 4 == 0);
    for (_, case) in slice {
        for (tool, arguments, file) in [
            ("lint_ocsp_response", &["lint", "-s", "NOTICE"][..], "response.der"),
            ("lint_pkix_cert", &["lint", "-s", "NOTICE"], "responder.pem"),
        ] {
            let (clean, told) = run(Command::new(tool).current_dir(&case.directory).args(arguments).arg(file));
            assert!(clean && told.trim().is_empty(), "{} of {}: {told}", tool, case.name);
        }
    }
    assert!(CASES.all.iter().any(|case| case.of_root) && CASES.all.iter().any(|case| case.ed25519));
}
