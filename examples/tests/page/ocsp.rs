//! `pca ocsp`, and the example that serves CRLs, OCSP answers and CA certificates over HTTP: revoking is seen by others.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64ct::Encoding as _;
use serde_json::Value;

use crate::kit::{Desk, PASSPHRASE, Pair, text};

fn tool(name: &str, version: &str) -> bool {
    let there = Command::new(name).arg(version).output().is_ok_and(|output| output.status.success());
    if !there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{name} must be installed on CI");
        eprintln!("SKIPPED: {name} is not installed");
    }
    there
}

fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].map(|octets| String::from_utf8_lossy(&octets).into_owned()).concat();
    (output.status.success(), told)
}

fn openssl(desk: &Desk, words: &[&str]) -> (bool, String) {
    run(Command::new("openssl").current_dir(desk.path("")).args(words))
}

/// A root and an intermediate whose certificates point to a server, and two certificates in files.
struct Shop {
    desk: Desk,
    pair: Pair,
    server: Option<Server>,
    certificates: Vec<String>,
}

impl Shop {
    fn new(served: bool) -> Self {
        let desk = Desk::new();
        let bought = desk.yes(&["buy", "root", "--family", "ecc"]);
        let pair = Pair {
            order: text(&bought["order"]),
            root: text(&bought["root"]),
            intermediate: text(&bought["intermediate"]),
        };
        let server = served.then(|| Server::start(&desk.path("pca-data")));
        let base = server.as_ref().map_or("http://127.0.0.1:9".to_owned(), |server| server.url.clone());
        for (ca, name) in [(&pair.root, "root"), (&pair.intermediate, "oa")] {
            let urls = ["crl", "cer"].map(|end| format!("{base}/{name}.{end}"));
            let ocsp = format!("{base}/ocsp");
            let words =
                ["enable", ca, "--cn", name, "--crl-url", &urls[0], "--issuer-url", &urls[1], "--ocsp-url", &ocsp];
            let enabled = desk.yes(&words);
            desk.write(&format!("{name}.pem"), text(&enabled["certificate_pem"]));
        }
        desk.yes(&["assign", &pair.intermediate, "5"]);
        let mut shop = Self { desk, pair, server, certificates: Vec::new() };
        for host in ["a.example", "b.example"] {
            shop.issue(host);
        }
        shop
    }

    fn issue(&mut self, host: &str) {
        let issued = self.desk.yes(&["issue", "server", &self.pair.intermediate, "--dns", host]);
        let id = text(&issued["certificate"]);
        self.desk.yes(&["download", &id, "--format", "pem", "--out", host]);
        let chain = std::fs::read_to_string(self.desk.path(host).join(format!("{id}.pem"))).unwrap();
        let leaf = chain.split_inclusive("-----END CERTIFICATE-----").next().unwrap();
        self.desk.write(&format!("{host}.pem"), format!("{leaf}\n"));
        self.certificates.push(id);
    }
}

/// The example, running.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let build = ["build", "--quiet", "--manifest-path", manifest, "--example", "responder"];
        assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
        let binary = Path::new(env!("CARGO_BIN_EXE_pca")).parent().unwrap().join("examples/responder");
        let mut child = Command::new(binary)
            .args(["--listen", "127.0.0.1:0", "--dir"])
            .arg(directory)
            .env("PCA_PASSPHRASE", PASSPHRASE)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("it says {line:?}")).to_owned();
        Self { child, url }
    }

    fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Sends octets as they are; gives head and body.
    fn send(&self, octets: &[u8]) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.write_all(octets).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
    }

    fn get(&self, path: &str) -> (String, Vec<u8>) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
    }

    fn post(&self, path: &str, body: &[u8]) -> (String, Vec<u8>) {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        self.send(&[head.as_bytes(), body].concat())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a2_ocsp_answers_a_request_of_openssl() {
    if !tool("openssl", "version") {
        return;
    }
    let Shop { desk, pair, certificates, .. } = Shop::new(false);
    let asking = ["ocsp", "-issuer", "oa.pem", "-cert", "a.example.pem", "-cert", "b.example.pem", "-reqout", "q.der"];
    assert!(openssl(&desk, &asking).0);
    let words = ["ocsp", &pair.intermediate, "--request", "q.der", "--out", "r.der"];
    let dry = desk.yes(&[&words[..], &["--dry-run"]].concat());
    assert_eq!(dry["certifies"], true);
    assert!(!desk.path("r.der").exists());
    let answered = desk.yes(&words);
    assert_eq!(answered["response"], "successful");
    assert_eq!((&answered["entries"], &answered["nonce"]), (&Value::from(2), &Value::from(true)));
    for time in ["this_update", "next_update"] {
        assert!(text(&answered[time]).ends_with('Z'), "{answered}");
    }
    let checking = [
        "ocsp",
        "-no_nonce",
        "-respin",
        "r.der",
        "-reqin",
        "q.der",
        "-CAfile",
        "root.pem",
        "-verify_other",
        "oa.pem",
        "-issuer",
        "oa.pem",
        "-cert",
        "a.example.pem",
        "-cert",
        "b.example.pem",
    ];
    let (good, told) = openssl(&desk, &checking);
    assert!(good && told.contains("Response verify OK"), "{told}");
    desk.yes(&["revoke", &certificates[0], "--reason", "keyCompromise"]);
    let answered = desk.yes(&words);
    assert_eq!(answered["status"][0]["status"], "revoked");
    assert_eq!(answered["status"][0]["reason"], "keyCompromise");
    assert_eq!(answered["status"][1]["status"], "good");
    let dry = desk.yes(&[&words[..], &["--dry-run"]].concat());
    assert_eq!(dry["status"], answered["status"]);
    let plain = desk.plain(&words);
    assert!(plain.code == 0 && plain.stdout.contains("is revoked at"), "{plain:?}");
    let verified = desk.yes(&["verify"]);
    assert_eq!(verified["ok"], true, "{verified}");
    assert_eq!(desk.yes(&["keys", "sweep"])["swept"].as_array().map_or(0, Vec::len), 0);
}

#[test]
fn a3_what_is_not_answered_has_a_response_and_exit_code_1() {
    let Shop { desk, pair, .. } = Shop::new(false);
    desk.write("q.der", "no request");
    let words = ["ocsp", &pair.intermediate, "--request", "q.der", "--out", "r.der"];
    let run = desk.run(&words);
    assert_eq!((run.code, run.rules()), (1, vec!["A3".to_owned()]));
    assert_eq!(run.json()["response"], "malformedRequest");
    assert_eq!(std::fs::read(desk.path("r.der")).unwrap(), [0x30, 3, 10, 1, 1]);
    desk.write("large.der", vec![0x30; 20_000]);
    let large = desk.run(&["ocsp", &pair.intermediate, "--request", "large.der", "--out", "r.der"]);
    assert_eq!(large.rules(), ["G4"]);
    if tool("openssl", "version") {
        assert!(openssl(&desk, &["ocsp", "-issuer", "root.pem", "-cert", "oa.pem", "-reqout", "q.der"]).0);
        let run = desk.run(&words);
        assert_eq!((run.code, run.json()["response"].clone()), (1, "unauthorized".into()));
        desk.yes(&["ocsp", &pair.root, "--request", "q.der", "--out", "r.der"]);
    }
    desk.no(&["ocsp", "ca_x", "--request", "q.der", "--out", "r.der"], &["C1"]);
    assert_eq!(desk.run(&["ocsp", &pair.root, "--request", "absent", "--out", "r.der"]).code, 3);
    assert_eq!(desk.run(&["ocsp", &pair.root, "--request", "q.der"]).code, 2);
    assert_eq!(desk.run(&["ocsp", &pair.root, "--request", "q.der", "--out", "no/r.der"]).code, 3);
}

/// The whole way: the URLs in the certificates are served, and what `pca revoke` does is seen by `openssl ocsp`, and by
/// `openssl verify` and nginx with the CRL that is served.
#[test]
fn a2_revoking_is_seen_by_openssl_and_nginx_through_what_is_served() {
    if !tool("openssl", "version") {
        return;
    }
    let Shop { desk, pair, server, certificates } = Shop::new(true);
    let server = server.unwrap();
    let (_, told) = openssl(&desk, &["x509", "-in", "a.example.pem", "-noout", "-ocsp_uri"]);
    let url = told.trim().to_owned();
    assert_eq!(url, format!("{}/ocsp", server.url));
    let ask = |cert: &str, issuer: &str| {
        let words =
            ["ocsp", "-issuer", issuer, "-cert", cert, "-url", &url, "-CAfile", "root.pem", "-verify_other", issuer];
        openssl(&desk, &words)
    };
    for (cert, issuer) in [("a.example.pem", "oa.pem"), ("b.example.pem", "oa.pem"), ("oa.pem", "root.pem")] {
        let (good, told) = ask(cert, issuer);
        assert!(good && told.contains("Response verify OK") && told.contains(&format!("{cert}: good")), "{told}");
    }

    // What is fetched by the URLs is what was written: the issuer's certificate, and CRLs that OpenSSL takes.
    let fetch = |path: &str, kind: &str| {
        let (head, body) = server.get(path);
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains(&format!("Content-Type: {kind}")), "{path}: {head}");
        body
    };
    desk.write("oa.cer", fetch("/oa.cer", "application/pkix-cert"));
    assert!(openssl(&desk, &["x509", "-inform", "DER", "-in", "oa.cer", "-out", "oa-again.pem"]).0);
    let read = |name: &str| std::fs::read_to_string(desk.path(name)).unwrap();
    assert_eq!(read("oa-again.pem").trim(), read("oa.pem").trim());
    let crls = || {
        for name in ["root", "oa"] {
            desk.write(&format!("{name}.crl"), fetch(&format!("/{name}.crl"), "application/pkix-crl"));
            let words = ["crl", "-inform", "DER", "-in", &format!("{name}.crl"), "-out", &format!("{name}.crl.pem")];
            assert!(openssl(&desk, &words).0);
        }
        desk.write("crls.pem", format!("{}{}", read("root.crl.pem"), read("oa.crl.pem")));
    };
    let verify = |cert: &str| {
        let words = [
            "verify",
            "-x509_strict",
            "-crl_check_all",
            "-CAfile",
            "root.pem",
            "-untrusted",
            "oa.pem",
            "-CRLfile",
            "crls.pem",
            cert,
        ];
        openssl(&desk, &words)
    };
    crls();
    assert!(verify("a.example.pem").0 && verify("b.example.pem").0);
    // Every CA has a path of its own id, too.
    assert!(!fetch(&format!("/{}.crl", pair.root), "application/pkix-crl").is_empty());
    assert_eq!(
        fetch(&format!("/{}.cer", pair.root), "application/pkix-cert"),
        fetch("/root.cer", "application/pkix-cert")
    );
    let clients = ["ann", "bob"].map(|who| {
        let issued = desk.yes(&["issue", "client", &pair.intermediate, "--cn", who]);
        let id = text(&issued["certificate"]);
        desk.yes(&["download", &id, "--format", "pem", "--out", who, "--with-key", "--plain-key"]);
        id
    });
    let nginx = Nginx::start(&desk, &certificates[1]);
    let visits = |nginx: &Option<Nginx>, who: &str, welcome: bool| {
        if let Some(nginx) = nginx {
            // A busy machine may not answer in time at first.
            let mut told = nginx.visit(&desk, who);
            for _ in 0..20 {
                if told.contains("hello") == welcome {
                    return;
                }
                std::thread::sleep(Duration::from_millis(250));
                told = nginx.visit(&desk, who);
            }
            panic!("{who}, welcome: {welcome}: {told}");
        }
    };
    visits(&nginx, "ann", true);

    // `pca` works beside the server.
    desk.yes(&["revoke", &certificates[0], "--reason", "superseded"]);
    desk.yes(&["revoke", &clients[0]]);
    let (_, told) = ask("a.example.pem", "oa.pem");
    assert!(told.contains("a.example.pem: revoked") && told.contains("Reason: superseded"), "{told}");
    assert!(ask("b.example.pem", "oa.pem").1.contains("b.example.pem: good"));
    crls();
    let (good, told) = verify("a.example.pem");
    assert!(!good && told.contains("certificate revoked"), "{told}");
    assert!(verify("b.example.pem").0);
    if let Some(nginx) = &nginx {
        nginx.reload(&desk);
    }
    visits(&nginx, "ann", false);
    visits(&nginx, "bob", true);
    assert_eq!(desk.yes(&["verify"])["ok"], true);
}

/// The file below a directory whose name ends so.
fn file_in(directory: &Path, end: &str) -> String {
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.to_str().unwrap().ends_with(end) {
                return path.display().to_string();
            }
        }
    }
    panic!("no {end} below {}", directory.display())
}

/// An nginx that lets in whoever has a certificate of the intermediate that is not on its CRL (`ssl_crl`).
struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    fn start(desk: &Desk, certificate: &str) -> Option<Self> {
        if !tool("nginx", "-v") || !tool("curl", "--version") {
            return None;
        }
        desk.yes(&["download", certificate, "--format", "nginx", "--out", "own", "--with-key", "--plain-key"]);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let [chain, key] = ["fullchain.pem", "privkey.pem"].map(|end| file_in(&desk.path("own"), end));
        let here = desk.path("").display().to_string();
        desk.write(
            "clients.pem",
            ["oa.pem", "root.pem"].map(|name| std::fs::read_to_string(desk.path(name)).unwrap()).concat(),
        );
        desk.write(
            "nginx.conf",
            format!(
                "daemon off; master_process on; pid {here}/nginx.pid; error_log {here}/error.log; user root;\n\
                 events {{}}\n\
                 http {{ access_log off; client_body_temp_path {here}/t1; proxy_temp_path {here}/t2;\n\
                 fastcgi_temp_path {here}/t3; uwsgi_temp_path {here}/t4; scgi_temp_path {here}/t5;\n\
                 server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {chain}; ssl_certificate_key {key};\n\
                 ssl_client_certificate {here}/clients.pem; ssl_verify_client on; ssl_verify_depth 2;\n\
                 ssl_crl {here}/crls.pem; location / {{ return 200 hello; }} }} }}\n"
            ),
        );
        let nginx = Command::new("nginx")
            .args(["-p", &here, "-e", &format!("{here}/error.log"), "-c", &format!("{here}/nginx.conf")])
            .spawn()
            .unwrap();
        let nginx = Self { child: nginx, port };
        nginx.wait();
        Some(nginx)
    }

    fn wait(&self) {
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("nginx does not listen");
    }

    /// Reads its configuration anew, the CRL with it.
    fn reload(&self, desk: &Desk) {
        assert!(Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap().success());
        // New workers take over; the old ones end with their connections.
        let log = desk.path("error.log");
        for _ in 0..200 {
            std::thread::sleep(Duration::from_millis(50));
            if self.visit(desk, "ann").contains("400") {
                return;
            }
        }
        panic!("nginx goes on with the old CRL: {}", std::fs::read_to_string(log).unwrap_or_default());
    }

    fn visit(&self, desk: &Desk, who: &str) -> String {
        let key = file_in(&desk.path(who), ".key.pem");
        let certificate = key.replace(".key.pem", ".pem");
        let url = format!("https://b.example:{}/", self.port);
        let resolve = format!("b.example:{}:127.0.0.1", self.port);
        let root = desk.path("root.pem").display().to_string();
        run(Command::new("curl")
            .args(["-s", "-S", "--max-time", "10", "--cacert", &root, "--resolve", &resolve])
            .args(["--cert", &certificate, "--key", &key, "-i", &url]))
        .1
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

#[test]
fn a3_ocsp_by_get_has_the_headers_of_rfc_5019_and_nothing_is_read_without_bounds() {
    if !tool("openssl", "version") {
        return;
    }
    let Shop { desk, server, .. } = Shop::new(true);
    let server = server.unwrap();
    let words = ["ocsp", "-issuer", "oa.pem", "-cert", "a.example.pem", "-no_nonce", "-reqout", "q.der"];
    assert!(openssl(&desk, &words).0);
    let request = std::fs::read(desk.path("q.der")).unwrap();
    let base64 = base64ct::Base64::encode_string(&request);
    let encoded = base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let (head, by_get) = server.get(&format!("/ocsp/{encoded}"));
    for wanted in [
        "HTTP/1.1 200 OK",
        "Content-Type: application/ocsp-response",
        "Cache-Control: max-age=3600, public, no-transform, must-revalidate",
        "Last-Modified: ",
        "Expires: ",
        "ETag: \"",
        "Date: ",
    ] {
        assert!(head.contains(wanted), "no {wanted} in {head}");
    }
    assert_eq!(server.get(&format!("/ocsp/{base64}")).1, by_get, "as some send it, and the same answer again");
    let (head, by_post) = server.post("/ocsp", &request);
    assert!(head.contains("200 OK") && head.contains("Cache-Control: no-store"), "{head}");
    assert_eq!(by_post, by_get);
    desk.write("r.der", &by_get);
    let checking = ["ocsp", "-respin", "r.der", "-no_nonce", "-CAfile", "root.pem", "-verify_other", "oa.pem"];
    let (good, told) = openssl(&desk, &[&checking[..], &["-issuer", "oa.pem", "-cert", "a.example.pem"]].concat());
    assert!(good && told.contains("a.example.pem: good"), "{told}");

    let malformed = [0x30, 3, 10, 1, 1];
    assert_eq!(server.get("/ocsp/%ZZ").1, malformed);
    assert_eq!(server.get("/ocsp/").1, malformed);
    assert_eq!(server.post("/ocsp", b"").1, malformed);
    assert_eq!(server.post("/ocsp", &vec![0x30; 16 * 1024 + 1]).1, malformed);
    let status = |answer: (String, Vec<u8>)| answer.0.split(' ').nth(1).unwrap().to_owned();
    assert_eq!(status(server.post("/ocsp", &vec![0x30; 16 * 1024 + 2])), "413");
    assert_eq!(status(server.get("/")), "404");
    assert_eq!(status(server.get("/../../etc/passwd")), "404");
    assert_eq!(status(server.get("/ocspx")), "404");
    assert_eq!(status(server.post("/oa.crl", b"")), "405");
    assert_eq!(status(server.send(b"PUT /oa.crl HTTP/1.1\r\n\r\n")), "405");
    assert_eq!(status(server.send(b"hello\r\n\r\n")), "400");
    assert_eq!(status(server.send(b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n")), "400");
    assert_eq!(status(server.send(b"POST /ocsp HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")), "411");
    assert_eq!(status(server.send(&[b"GET /", vec![b'a'; 16 * 1024 - 5].as_slice()].concat())), "431");
    let head = server.send(b"HEAD /oa.crl HTTP/1.1\r\n\r\n");
    assert!(head.0.contains("200 OK") && head.1.is_empty());
    let (head, octets) = server.get("/oa.crl?x=1");
    assert!(head.contains(&format!("Content-Length: {}", octets.len())) && head.contains("Last-Modified: "), "{head}");
}
