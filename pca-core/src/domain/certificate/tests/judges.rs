//! What is issued is judged by other people's code.

use std::io::Write as _;
use std::process::Command as Process;

use super::*;
use crate::keys::Family;
use crate::x509::{HttpUrl, ParsedCertificate};

/// The certificate of a CA and of its root, as DER.
fn chain(story: &Story) -> [Vec<u8>; 2] {
    [story.intermediate(), story.root()].map(|ca| story.generation(&ca).certificate.as_bytes().to_vec())
}

fn stories() -> Vec<(Story, Algorithm)> {
    let mut stories = Vec::new();
    for (family, algorithms) in [
        (Family::Ecc, &[Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::EcdsaP521][..]),
        (Family::Rsa, &[Algorithm::Rsa2048][..]),
    ] {
        let story = Story::new().founded().root_bought_of(family).root_enabled().intermediate_enabled().assigned(10);
        stories.extend(algorithms.iter().map(|algorithm| (story.clone(), *algorithm)));
    }
    stories
}

#[test]
fn i6_rustls_webpki_accepts_what_is_issued() {
    use rustls_pki_types::{CertificateDer, UnixTime};
    for (mut story, algorithm) in stories() {
        let server = IssueCertificate {
            key: KeySource::Platform(Some(algorithm)),
            ..IssueCertificate::server(story.intermediate(), ["oa.example", "*.oa.example"])
        };
        let client =
            IssueCertificate { key: server.key.clone(), ..IssueCertificate::client(story.intermediate(), "A") };
        let [intermediate, root] = chain(&story).map(CertificateDer::from);
        let anchor = webpki::anchor_from_trusted_cert(&root).unwrap();
        let time = UnixTime::since_unix_epoch(core::time::Duration::from_secs(story.now().secs().unsigned_abs()));
        for (request, usage) in [(server, webpki::KeyUsage::server_auth()), (client, webpki::KeyUsage::client_auth())] {
            let leaf = CertificateDer::from(story.run(&request).answer.certificate.as_bytes().to_vec());
            let leaf = webpki::EndEntityCert::try_from(&leaf).unwrap();
            leaf.verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                core::slice::from_ref(&anchor),
                core::slice::from_ref(&intermediate),
                time,
                usage,
                None,
                None,
            )
            .unwrap();
        }
    }
}

#[test]
fn i6_openssl_accepts_what_is_issued() {
    if !Process::new("openssl").arg("version").output().is_ok_and(|output| output.status.success()) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "openssl is not installed");
        eprintln!("SKIPPED: openssl is not installed");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, der: &[u8]| {
        let path = directory.path().join(name);
        let mut input = Process::new("openssl")
            .args(["x509", "-inform", "DER", "-out"])
            .arg(&path)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        input.stdin.take().unwrap().write_all(der).unwrap();
        assert!(input.wait().unwrap().success());
        path
    };
    for (story, algorithm) in stories() {
        let crl = HttpUrl::parse("http://pki.example/oa.crl").unwrap();
        let addresses = crate::domain::event::Addresses { crl_url: Some(crl.to_string()), ..Default::default() };
        let mut story = story.clone().and(crate::domain::event::CaConfigured { ca: story.intermediate(), addresses });
        let long = format!("{}.{}.example", "a".repeat(40), "b".repeat(40));
        let [intermediate, root] = chain(&story);
        let (intermediate, root) = (write("intermediate.pem", &intermediate), write("root.pem", &root));
        for (names, purpose) in
            [(Some("oa.example".to_owned()), "sslserver"), (Some(long), "sslserver"), (None, "sslclient")]
        {
            let request = match names {
                Some(name) => IssueCertificate::server(story.intermediate(), [name]),
                None => IssueCertificate::client(story.intermediate(), "HR clerk"),
            };
            let request = IssueCertificate { key: KeySource::Platform(Some(algorithm)), ..request };
            let issued = story.run(&request).answer;
            ParsedCertificate::from_der(issued.certificate.as_bytes()).unwrap();
            let leaf = write("leaf.pem", issued.certificate.as_bytes());
            let output = Process::new("openssl")
                .args(["verify", "-x509_strict", "-purpose", purpose, "-attime", &story.now().secs().to_string()])
                .args(["-CAfile".as_ref(), root.as_os_str(), "-untrusted".as_ref(), intermediate.as_os_str()])
                .arg(&leaf)
                .output()
                .unwrap();
            assert!(output.status.success(), "{algorithm} {purpose}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
