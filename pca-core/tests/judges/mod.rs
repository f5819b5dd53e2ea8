//! Other people's tools as judges of certificates: OpenSSL (strictly, with all CRLs), GnuTLS and Java accept the good and
//! refuse the revoked for being revoked. A tool that is not installed is skipped aloud, unless `CI` is `true`.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What relying parties have, in PEM.
#[derive(Default)]
pub struct Trust {
    pub roots: String,
    pub intermediates: String,
    pub crls: String,
}

/// A certificate to judge.
pub struct Case {
    pub name: String,
    pub revoked: bool,
    /// The certificate alone, in PEM.
    pub leaf: String,
    /// The certificate, those above it up to the root, and their CRLs.
    pub file: String,
}

pub fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Whether the tool is there; skips aloud, or fails on CI.
pub fn installed(tool: &str, argument: &str) -> bool {
    let there = Command::new(tool).arg(argument).output().is_ok_and(|output| output.status.success());
    if !there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{tool} must be installed on CI");
        eprintln!("SKIPPED: {tool} is not installed");
    }
    there
}

/// Whether it succeeded, and all that it said.
pub fn run(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// Judges all at once by what is trusted.
#[track_caller]
pub fn openssl(trust: &Trust, cases: &[Case]) {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let of = |revoked: bool| -> Vec<PathBuf> {
        let cases = cases.iter().filter(|case| case.revoked == revoked);
        cases.map(|case| write(directory, &case.name, &case.leaf)).collect()
    };
    let verify = |files: &[PathBuf]| {
        run(Command::new("openssl")
            .args(["verify", "-x509_strict", "-crl_check_all", "-check_ss_sig", "-policy_check", "-CAfile"])
            .arg(write(directory, "roots.pem", &trust.roots))
            .arg("-untrusted")
            .arg(write(directory, "intermediates.pem", &trust.intermediates))
            .arg("-CRLfile")
            .arg(write(directory, "crls.pem", &trust.crls))
            .args(files))
    };
    let good = of(false);
    if !good.is_empty() {
        let (accepted, told) = verify(&good);
        assert!(accepted, "{told}");
        assert_eq!(told.matches(": OK").count(), good.len(), "{told}");
    }
    let revoked = of(true);
    let (accepted, told) = verify(&revoked);
    assert!(!accepted, "{told}");
    assert!(told.matches("certificate revoked").count() >= revoked.len(), "{told}");
    assert_eq!(told.matches(": OK").count(), 0, "{told}");
}

#[track_caller]
pub fn gnutls<'a>(cases: impl IntoIterator<Item = &'a Case>) {
    let directory = tempfile::tempdir().unwrap();
    for case in cases {
        let file = write(directory.path(), &case.name, &case.file);
        let (accepted, told) = run(Command::new("certtool").args(["--verify-chain", "--infile"]).arg(file));
        if case.revoked {
            assert!(!accepted && told.contains("revoked"), "{}: {told}", case.name);
        } else {
            assert!(accepted && told.contains("Chain verification output: Verified."), "{}: {told}", case.name);
        }
    }
}

#[track_caller]
pub fn java<'a>(cases: impl IntoIterator<Item = &'a Case>) {
    let cases: Vec<&Case> = cases.into_iter().collect();
    let directory = tempfile::tempdir().unwrap();
    let judge = write(directory.path(), "Judge.java", include_str!("Judge.java"));
    // Several lots of cases may use the same names.
    let file =
        |(number, case): (usize, &&Case)| write(directory.path(), &format!("{number}-{}", case.name), &case.file);
    let (ran, told) = run(Command::new("java").arg(judge).args(cases.iter().enumerate().map(file)));
    assert!(ran, "{told}");
    let lines: Vec<&str> = told.lines().filter(|line| line.starts_with("OK ") || line.starts_with("NO ")).collect();
    assert_eq!(lines.len(), cases.len(), "{told}");
    for (case, line) in cases.iter().zip(lines) {
        if case.revoked {
            assert!(line.starts_with("NO ") && line.contains("REVOKED"), "{line}");
        } else {
            assert!(line.starts_with("OK "), "{line}");
        }
    }
}

/// What Java says to each file of a path, revocation aside: `OK …` or `NO …: why`.
#[track_caller]
pub fn java_paths(directory: &Path, files: &[PathBuf]) -> Vec<String> {
    let judge = write(directory, "PathJudge.java", include_str!("PathJudge.java"));
    let list: String = files.iter().map(|file| format!("{}\n", file.display())).collect();
    let list = write(directory, "list", &list);
    let (ran, told) = run(Command::new("java").arg(judge).arg(list));
    assert!(ran, "{told}");
    let lines: Vec<String> =
        told.lines().filter(|line| line.starts_with("OK ") || line.starts_with("NO ")).map(str::to_owned).collect();
    assert_eq!(lines.len(), files.len(), "{told}");
    lines
}

/// What rustls-webpki says to a path of root, intermediate and end entity.
pub fn webpki_says(
    path: [&pca_core::x509::ParsedCertificate; 3],
    seconds: u64,
    usage: webpki::KeyUsage,
) -> Result<(), webpki::Error> {
    use rustls_pki_types::{CertificateDer, UnixTime};
    let [root, intermediate, certificate] = path.map(|certificate| CertificateDer::from(certificate.der()));
    let anchor = webpki::anchor_from_trusted_cert(&root)?;
    let end_entity = webpki::EndEntityCert::try_from(&certificate)?;
    let time = UnixTime::since_unix_epoch(core::time::Duration::from_secs(seconds));
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    end_entity.verify_for_usage(algorithms, &[anchor], &[intermediate], time, usage, None, None).map(drop)
}

/// What pkilint finds in each certificate: one line a finding. Nothing if it is not installed: it is asked through the
/// Python that `PCA_PYTHON` names.
#[track_caller]
pub fn pkilint(directory: &Path, files: &[PathBuf]) -> Option<Vec<String>> {
    let python = std::env::var("PCA_PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Command::new(&python).args(["-c", "import pkilint"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "pkilint must be installed on CI");
        eprintln!("SKIPPED: {python} has no pkilint");
        return None;
    }
    let linter = write(directory, "lint.py", include_str!("pkilint_certificates.py"));
    let (ran, told) = run(Command::new(python).arg(linter).args(files));
    assert!(ran && told.contains(&format!("LINTED {}", files.len())), "{told}");
    Some(told.lines().filter(|line| !line.starts_with("LINTED ")).map(str::to_owned).collect())
}
