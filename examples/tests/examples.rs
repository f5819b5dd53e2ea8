//! Every example is run as a newcomer runs it, and what it leaves behind is judged by other people's tools.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn embed_issues_a_certificate_and_prints_its_chain() {
    let told = success(&run("embed", Path::new("."), &[]));
    assert!(told.contains("9 more can be"), "{told}");
    let blocks: Vec<&str> = told.split_inclusive("-----END CERTIFICATE-----").collect();
    let [leaf, issuer, rest] = blocks.as_slice() else { panic!("not two certificates:\n{told}") };
    assert!(rest.trim().is_empty(), "{rest}");
    let directory = tempfile::tempdir().unwrap();
    let pem = |name: &str, text: &str| {
        fs::write(directory.path().join(name), text.get(text.find("-----BEGIN").unwrap()..).unwrap()).unwrap();
    };
    pem("leaf.pem", leaf);
    pem("issuer.pem", issuer);
    if let Some(openssl) = judge("openssl", "version") {
        let verify =
            ["verify", "-x509_strict", "-partial_chain", "-purpose", "sslserver", "-trusted", "issuer.pem", "leaf.pem"];
        success(&openssl.run(directory.path(), &verify));
    }
}

#[test]
fn business_rule_holds_its_stories() {
    let told = success(&run("business_rule", Path::new("."), &[]));
    assert_eq!(told.lines().filter(|line| line.starts_with("held: ")).count(), 4, "{told}");
}

#[test]
fn upload_root_is_refused_first_and_accepted_with_its_warning() {
    let told = success(&run("upload_root", Path::new("."), &[]));
    let lines: Vec<&str> = told.lines().collect();
    let begins = ["uploading ", "refused by C3, key-usage-absent: ", "enabled ca_", "issued  crt_"];
    assert_eq!(lines.len(), begins.len(), "{told}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{told}");
    }
    assert!(told.contains("until 2039-01-01T00:00:00Z, accepting key-usage-absent"), "{told}");
}

#[test]
fn write_a_store_keeps_every_rule() {
    let told = success(&run("write_a_store", Path::new("."), &[]));
    let (kept, broken) = (count(&told, "kept   "), count(&told, "BROKEN "));
    assert!(kept > 40 && broken == 0, "{told}");
    assert!(told.contains(&format!("{kept} of {kept} rules kept")), "{told}");
}

#[test]
fn departments_walks_the_whole_way() {
    let directory = tempfile::tempdir().unwrap();
    let told = success(&run("departments", directory.path(), &[]));
    let place = directory.path().join("departments-out");

    // Every refusal, by its rule.
    for rule in "O2 O3 O6 R2 R3 R4 C1 C4 C5 C8 C9 Q1 Q2 I1 I3 I4 A2 K1 K5".split(' ') {
        assert!(told.lines().any(|line| line.starts_with(&format!("       {rule:<3} "))), "no {rule} in\n{told}");
    }
    // Every turn of the story.
    for turn in [
        "nothing was bought twice",
        "somebody without a certificate is turned away",
        "Ann Clerk is let in over TLS 1.3",
        "Ann is refused because her certificate is revoked",
        "Bob Clerk is let in over TLS 1.3",
        "the log is sound: 25 commits, 26 events, 8 certificates",
        "Look around in departments-out/",
    ] {
        assert!(told.contains(turn), "no `{turn}` in\n{told}");
    }
    // The ledger: of 15 units 3 are in the pool, 7 assigned and unused, 5 consumed.
    let total: Vec<&str> =
        told.lines().find(|line| line.trim().starts_with("all ")).unwrap().split_whitespace().skip(2).collect();
    assert_eq!(total, ["15", "3", "7", "5", "0", "0", "0"]);
    if judge("openssl", "version").is_some() {
        for turn in ["encrypted with nothing but", "Ann's key does not open it", "Ann: refused, certificate revoked"] {
            assert!(told.contains(turn), "no `{turn}` in\n{told}");
        }
    }
    if judge("nginx", "-v").is_some() {
        assert!(told.contains("nginx takes the package as it stands"), "{told}");
    }

    secrets_are_kept(&place);
    certificates_are_sound(&place);
    nothing_is_overwritten(directory.path());
}

/// Files with secrets are for their owner only, and no private key lies open.
fn secrets_are_kept(place: &Path) {
    let mut keys = 0;
    for path in files(place) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let contents = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&contents);
        assert!(!text.contains("BEGIN PRIVATE KEY") && !text.contains("BEGIN EC PRIVATE KEY"), "{}", path.display());
        let is_secret = text.contains("BEGIN ENCRYPTED PRIVATE KEY")
            || [".p12", ".pass", "passphrase.txt"].iter().any(|end| name.ends_with(end))
            || path.starts_with(place.join("platform/keys"));
        if is_secret {
            keys += 1;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        }
    }
    assert!(keys > 10, "{keys} secret files were found");
    assert_eq!(fs::metadata(place).unwrap().permissions().mode() & 0o077, 0);
}

/// Every certificate is accepted by OpenSSL, GnuTLS and Java, and the revoked one is not.
fn certificates_are_sound(place: &Path) {
    let leaves: Vec<PathBuf> = files(place)
        .into_iter()
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name == "fullchain.pem"
                || (name.starts_with("crt_") && name.ends_with(".pem") && !name.ends_with(".key.pem"))
        })
        .collect();
    assert_eq!(leaves.len(), 6, "five certificates, one of them twice: {leaves:?}");
    let is_ann = |path: &Path| path.starts_with(place.join("hr-ann"));
    if let Some(openssl) = judge("openssl", "version") {
        for ca in ["oa", "hr", "root"] {
            let ca = format!("trust/{ca}.pem");
            success(&openssl.run(place, &["verify", "-x509_strict", "-CAfile", "trust/root.pem", &ca]));
        }
        for leaf in &leaves {
            let leaf_name = leaf.to_str().unwrap();
            let path = ["verify", "-x509_strict", "-CAfile", "trust/root.pem", "-untrusted", leaf_name, leaf_name];
            success(&openssl.run(place, &path));
            let crl = ["-crl_check_all", "-CRLfile", "crl-after-revocation/all.pem"];
            let with_crl = [&path[..4], &crl[..], &path[4..]].concat();
            let said = openssl.run(place, &with_crl);
            assert_eq!(said.status.success(), !is_ann(leaf), "{leaf_name}: {}", told(&said));
            assert_eq!(told(&said).contains("certificate revoked"), is_ann(leaf), "{leaf_name}: {}", told(&said));
        }
    }
    if let Some(certtool) = judge("certtool", "--version") {
        for leaf in &leaves {
            let leaf_name = leaf.to_str().unwrap();
            let verify = ["--verify", "--load-ca-certificate", "trust/root.pem", "--infile", leaf_name];
            success(&certtool.run(place, &verify));
            let crl = ["--load-crl", "crl-after-revocation/all.pem"];
            let said = certtool.run(place, &[&verify[..], &crl[..]].concat());
            assert_eq!(said.status.success(), !is_ann(leaf), "{leaf_name}: {}", told(&said));
        }
    }
    java_agrees(place, &leaves);
}

/// Java's PKIX validator with the revocation lists agrees.
fn java_agrees(place: &Path, leaves: &[PathBuf]) {
    let Some(java) = judge("java", "--version") else { return };
    let directory = tempfile::tempdir().unwrap();
    let text = |name: &str| fs::read_to_string(place.join(name)).unwrap();
    let (root, crls) = (text("trust/root.pem"), text("crl-after-revocation/all.pem"));
    let validator = include_str!("../../pca-core/tests/judges/Judge.java");
    fs::write(directory.path().join("Judge.java"), validator).unwrap();
    let mut arguments = vec!["Judge.java".to_owned()];
    for (number, leaf) in leaves.iter().enumerate() {
        let name = format!("{number}.pem");
        let path = format!("{}{root}{crls}", fs::read_to_string(leaf).unwrap());
        fs::write(directory.path().join(&name), path).unwrap();
        arguments.push(name);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told = success(&java.run(directory.path(), &arguments));
    for (number, leaf) in leaves.iter().enumerate() {
        let verdict = told.lines().find(|line| line.contains(&format!(" {number}.pem"))).unwrap();
        let is_ann = leaf.starts_with(place.join("hr-ann"));
        assert_eq!(verdict.starts_with("OK "), !is_ann, "{}: {verdict}", leaf.display());
        assert_eq!(verdict.contains("REVOKED"), is_ann, "{}: {verdict}", leaf.display());
    }
}

/// A directory that is named must be free; the default takes the next number. What was there stays as it was.
fn nothing_is_overwritten(directory: &Path) {
    let before = contents(&directory.join("departments-out"));
    let named = run("departments", directory, &["departments-out"]);
    assert!(!named.status.success());
    assert!(told(&named).contains("departments-out is not empty"), "{}", told(&named));
    let second = success(&run("departments", directory, &[]));
    assert!(second.contains("Look around in departments-out-2/"), "{second}");
    assert_eq!(contents(&directory.join("departments-out")), before);
}

fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut contents: Vec<_> =
        files(directory).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    contents.sort();
    contents
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Runs an example as the README says, in a directory.
fn run(example: &str, directory: &Path, arguments: &[&str]) -> Output {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--manifest-path", manifest, "--example", example, "--"]).args(arguments);
    command.current_dir(directory).output().unwrap()
}

#[track_caller]
fn success(output: &Output) -> String {
    assert!(output.status.success(), "{}\n{}", output.status, told(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn count(told: &str, begin: &str) -> usize {
    told.lines().filter(|line| line.starts_with(begin)).count()
}

/// A tool that is installed.
struct Judge(&'static str);

impl Judge {
    fn run(&self, directory: &Path, arguments: &[&str]) -> Output {
        Command::new(self.0).args(arguments).current_dir(directory).output().unwrap()
    }
}

/// A judge that is not installed is skipped aloud, and missed where nothing may be missing.
fn judge(tool: &'static str, version: &str) -> Option<Judge> {
    if Command::new(tool).arg(version).output().is_ok_and(|output| output.status.success()) {
        return Some(Judge(tool));
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{tool} is not installed");
    eprintln!("SKIPPED: {tool} is not installed");
    None
}
