//! The package for browsers (rule A1) in a headless Chromium: it trusts the server by the anchor of the package, opens the
//! page with the client's certificate, and is refused without it, and with one of another platform.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kit::{Desk, Pair, text};
use crate::packages::{Site, edit, nginx};
use crate::servers::{Server, program};

const EXPORT: &str = "a passphrase of many words";

/// Chromium, and the tools that fill its certificate store.
struct Browser {
    chromium: PathBuf,
    certutil: PathBuf,
    pk12util: PathBuf,
}

impl Browser {
    fn find() -> Option<Self> {
        let all = (program("chromium"), program("certutil"), program("pk12util"));
        let (Some(chromium), Some(certutil), Some(pk12util)) = all else { return None };
        // Which certificate it shows is told by a policy, which it reads below /etc: there, but only for this test.
        let mut trial = Command::new("unshare");
        trial.args(namespace()).args(["sh", "-c", "mount -t tmpfs none /etc/chromium"]);
        let trial = trial.output();
        if trial.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self { chromium, certutil, pk12util });
        }
        eprintln!("SKIPPED: no policy can be given to Chromium here: {trial:?}");
        None
    }

    /// A home with the trust anchor of a package, and perhaps an identity, installed as the note says.
    fn home(&self, desk: &Desk, name: &str, package: &Path, identity: Option<&Path>) -> PathBuf {
        let home = desk.path(name);
        let store = home.join(".pki/nssdb");
        std::fs::create_dir_all(&store).unwrap();
        let store = format!("sql:{}", store.display());
        let run = |command: &mut Command| {
            let output = command.output().unwrap();
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        run(Command::new(&self.certutil).args(["-d", &store, "-N", "--empty-password"]));
        let anchor = package.join("root.pem");
        run(Command::new(&self.certutil).args(["-d", &store, "-A", "-t", "C,,", "-n", "root", "-i"]).arg(anchor));
        if let Some(identity) = identity {
            let words = ["-d", &store, "-W", EXPORT, "-K", "", "-i"];
            run(Command::new(&self.pk12util).args(words).arg(identity));
        }
        home
    }

    /// What the page of the server says.
    fn open(&self, home: &Path, server: &Server) -> String {
        let policy = home.join("policy.json");
        std::fs::write(
            &policy,
            r#"{"AutoSelectCertificateForUrls":["{\"pattern\":\"https://localhost\",\"filter\":{}}"]}"#,
        )
        .unwrap();
        let script = "mount -t tmpfs none /etc/chromium && mkdir -p /etc/chromium/policies/managed && \
                      cp \"$POLICY\" /etc/chromium/policies/managed/ && exec timeout -k 5 90 \"$@\"";
        let mut command = Command::new("unshare");
        command
            .args(namespace())
            .args(["sh", "-c", script, "sh"])
            .arg(&self.chromium)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", home.join("profile").display()))
            .arg("--dump-dom")
            .arg(format!("https://localhost:{}/", server.port))
            .env("HOME", home)
            .env("POLICY", &policy);
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
        told
    }
}

/// A view of the file system for one process alone.
fn namespace() -> Vec<&'static str> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let mount = ["--mount", "--propagation", "private"];
    if root { mount.to_vec() } else { [&["--map-root-user"][..], &mount].concat() }
}

/// A client's package for browsers; its directory, and the PKCS#12 file in it.
fn client(desk: &Desk, pair: &Pair, name: &str) -> (PathBuf, PathBuf) {
    let id = text(&desk.yes(&["issue", "client", &pair.intermediate, "--cn", name])["certificate"]);
    let passphrase = desk.write("export.txt", EXPORT);
    let out = desk.download(&id, "browser", &["--with-key", "--export-passphrase-file", &passphrase]);
    let package = out.join(format!("{id}-browser"));
    let identity = package.join(format!("{id}.p12"));
    (package, identity)
}

#[test]
fn a1_a_browser_opens_the_page_with_its_certificate_only() {
    let (Some(browser), Some(program)) = (Browser::find(), program("nginx")) else { return };
    for family in ["ecc", "rsa"] {
        let site = Site::new(family);
        let package = site.package("nginx", true);
        edit(&package.join("nginx.conf"), "#ssl_", "ssl_");
        let server = nginx(&program, &package);
        let (package, identity) = client(&site.desk, &site.pair, "Grace Hopper");
        let (_, foreign) = client(&site.desk, &site.desk.pair("ecc", 1), "Mallory");
        let with = browser.home(&site.desk, "with", &package, Some(&identity));
        let page = browser.open(&with, &server);
        assert!(page.contains("TLS works"), "{family}: {page}");
        let without = browser.home(&site.desk, "without", &package, None);
        let stranger = browser.home(&site.desk, "stranger", &package, Some(&foreign));
        for home in [without, stranger] {
            let page = browser.open(&home, &server);
            assert!(page.contains("400 Bad Request") && !page.contains("TLS works"), "{family}: {page}");
        }
    }
}
