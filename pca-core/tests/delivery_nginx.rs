//! The package for nginx in a running nginx.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod delivery_fixtures;

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use delivery_fixtures::{Chain, PASSPHRASE, make, refused, run, tool, with_key, write};
use pca_core::delivery::{Format, Kind, Options};
use pca_core::keys::Algorithm;

/// A running nginx: one process, ended when dropped.
struct Nginx {
    process: Child,
    port: u16,
}

impl Nginx {
    /// Starts the package in the directory as its note says, on a port of its own.
    fn start(package: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = fs::read_to_string(package.join("nginx.conf")).unwrap();
        assert!(configuration.contains("listen 127.0.0.1:8443 ssl;"), "{configuration}");
        fs::write(package.join("nginx.conf"), configuration.replace("8443", &port.to_string())).unwrap();
        let mut process = Command::new("nginx")
            .arg("-p")
            .arg(format!("{}/", package.display()))
            .args(["-c", "nginx.conf", "-e", "stderr", "-g", "daemon off; master_process off;"])
            .stdin(Stdio::null())
            .stderr(fs::File::create(package.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Self { process, port };
            }
            if let Some(status) = process.try_wait().unwrap() {
                panic!("nginx: {status}\n{}", fs::read_to_string(package.join("stderr")).unwrap());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = process.kill();
        let _ = process.wait();
        panic!("nginx does not listen\n{}", fs::read_to_string(package.join("stderr")).unwrap());
    }

    /// Asks for the front page through OpenSSL, which verifies the server; what came back.
    fn ask(&self, package: &Path, arguments: &[&str]) -> String {
        let mut client = Command::new("openssl")
            .args(["s_client", "-connect", &format!("127.0.0.1:{}", self.port), "-CAfile", "root.pem"])
            .args(["-verify_return_error", "-verify_hostname", "localhost", "-ign_eof"])
            .args(arguments)
            .current_dir(package)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut request = client.stdin.take().unwrap();
        // A client that is refused closes its end early; its output tells.
        let _ = request.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
        drop(request);
        let output = client.wait_with_output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_package_starts_and_shakes_hands() {
    let (Some(_), Some(_)) = (tool("nginx"), tool("openssl")) else { return };
    for algorithm in [Algorithm::Rsa2048, Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::Ed25519] {
        let directory = tempfile::tempdir().unwrap();
        write(
            &make(&Chain::new(algorithm, "localhost").bundle(Kind::Server), Format::Nginx, &with_key()),
            directory.path(),
        );
        let package = directory.path().join("crt_test-nginx");
        fs::write(package.join("privkey.pass"), format!("{PASSPHRASE}\n")).unwrap();
        let nginx = Nginx::start(&package);
        let answer = nginx.ask(&package, &[]);
        assert!(answer.contains("Verify return code: 0 (ok)"), "{algorithm}: {answer}");
        assert!(answer.contains("TLS works: crt_test"), "{algorithm}: {answer}");
    }
}

#[test]
fn mutual_tls_demands_a_certificate_of_this_authority() {
    let (Some(_), Some(_)) = (tool("nginx"), tool("openssl")) else { return };
    let directory = tempfile::tempdir().unwrap();
    let chain = Chain::new(Algorithm::EcdsaP256, "localhost");
    let plain = Options { with_key: true, plain_key: true, passphrase: None };
    write(&make(&chain.bundle(Kind::Server), Format::Nginx, &plain), directory.path());
    let package = directory.path().join("crt_test-nginx");
    let configuration = fs::read_to_string(package.join("nginx.conf")).unwrap();
    assert!(!configuration.contains("ssl_password_file"), "a plain key needs no passphrase: {configuration}");
    assert_eq!(configuration.matches("#ssl_").count(), 3, "{configuration}");
    fs::write(package.join("nginx.conf"), configuration.replace("#ssl_", "ssl_")).unwrap();

    let friend = chain.another(Algorithm::EcdsaP256, "friend");
    let strangers = Chain::new(Algorithm::EcdsaP256, "stranger");
    for (name, (certificate, key)) in
        [("friend", friend), ("stranger", (strangers.leaf.clone(), strangers.key.clone()))]
    {
        let bundle = pca_core::delivery::Bundle::new(name, Kind::Client, &certificate)
            .and_then(|bundle| bundle.with_key(key))
            .unwrap();
        write(&make(&bundle, Format::Pem, &plain), &package);
    }

    let nginx = Nginx::start(&package);
    let friend = nginx.ask(&package, &["-cert", "friend.pem", "-key", "friend.key.pem"]);
    assert!(friend.contains("TLS works"), "{friend}");
    let stranger = nginx.ask(&package, &["-cert", "stranger.pem", "-key", "stranger.key.pem"]);
    assert!(stranger.contains("400 Bad Request") && !stranger.contains("TLS works"), "{stranger}");
    let nobody = nginx.ask(&package, &[]);
    assert!(nobody.contains("400 Bad Request") && !nobody.contains("TLS works"), "{nobody}");
}

/// `site.conf` and an authority's `mtls.conf` are accepted where the note has them installed.
#[test]
fn the_site_is_accepted_by_an_existing_nginx() {
    let Some(nginx) = tool("nginx") else { return };
    let directory = tempfile::tempdir().unwrap();
    let chain = Chain::new(Algorithm::EcdsaP256, "localhost");
    let plain = Options { with_key: true, plain_key: true, passphrase: None };
    write(&make(&chain.bundle(Kind::Server), Format::Nginx, &plain), directory.path());
    write(&make(&chain.intermediate_bundle(), Format::Nginx, &Options::default()), directory.path());
    // The tests do not write below /etc: the same files under a prefix of their own.
    let prefix = format!("{}/", directory.path().display());
    for file in ["crt_test-nginx/site.conf", "ca_oa-nginx/mtls.conf"] {
        let text = fs::read_to_string(directory.path().join(file)).unwrap();
        assert!(text.contains("/etc/nginx/"), "{text}");
        fs::write(directory.path().join(file), text.replace("/etc/nginx/", &prefix)).unwrap();
    }
    let site = fs::read_to_string(directory.path().join("crt_test-nginx/site.conf")).unwrap();
    let with_mtls = site.replace("root /var/www/html;", &format!("include {prefix}ca_oa-nginx/mtls.conf;"));
    for (number, site) in [site, with_mtls].into_iter().enumerate() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        fs::write(directory.path().join("site.conf"), site.replace("443", &port.to_string())).unwrap();
        let main = "pid test.pid; error_log stderr; events {} http { access_log off; include site.conf; }";
        fs::write(directory.path().join("main.conf"), main).unwrap();
        let arguments = ["-t", "-p", &prefix, "-c", "main.conf", "-e", "stderr"];
        let said = run(directory.path(), nginx, &arguments);
        assert!(said.contains("test is successful"), "{number}: {said}");
    }
    // And the check can fail: without the key nginx refuses.
    fs::remove_file(directory.path().join("crt_test-nginx/privkey.pem")).unwrap();
    refused(directory.path(), nginx, &["-t", "-p", &prefix, "-c", "main.conf", "-e", "stderr"]);
}
