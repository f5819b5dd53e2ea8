//! Packages for servers (rule A1) in the servers that they are for: each starts as its note says, shakes hands, and under
//! mutual TLS lets in the clients of this platform and nobody else.

use std::path::{Path, PathBuf};

use crate::kit::{Desk, Pair, has_openssl, mode, text};
use crate::servers::{Server, absent, program};

const EXPORT: &str = "a passphrase of many words";

/// A server's certificate, a client's, and one of a stranger's platform.
pub struct Site {
    pub desk: Desk,
    pub pair: Pair,
    server: String,
    root: PathBuf,
    client: PathBuf,
    stranger: PathBuf,
}

impl Site {
    pub fn new(family: &str) -> Self {
        let desk = Desk::new();
        let pair = desk.pair(family, 5);
        let server = ["issue", "server", &pair.intermediate, "--dns", "localhost", "--ip", "127.0.0.1"];
        let server = text(&desk.yes(&server)["certificate"]);
        let client = identity(&desk, &pair, "Ada Lovelace");
        let stranger = desk.pair("ecc", 1);
        let stranger = identity(&desk, &stranger, "Mallory");
        let root = desk.download(&pair.root, "pem", &[]).join(format!("{}.pem", pair.root));
        Self { desk, pair, server, root, client, stranger }
    }

    /// The package for a server, with its key.
    pub fn package(&self, format: &str, plain: bool) -> PathBuf {
        let passphrase = self.desk.write("export.txt", EXPORT);
        let out = if plain {
            self.desk.download(&self.server, format, &["--with-key", "--plain-key"])
        } else {
            self.desk.download(&self.server, format, &["--with-key", "--export-passphrase-file", &passphrase])
        };
        out.join(format!("{}-{format}", self.server))
    }

    /// Whoever verifies the server is served, with or without a certificate.
    #[track_caller]
    fn serves_everybody(&self, server: &Server, sign: &str) {
        let answer = server.ask(&self.root, &[]);
        assert!(answer.contains("Verify return code: 0 (ok)") && answer.contains(sign), "{answer}");
    }

    /// Only who shows a certificate of this platform is served.
    #[track_caller]
    fn serves_its_clients_only(&self, server: &Server, sign: &str) {
        let friend = server.ask(&self.root, &certificate(&self.client));
        assert!(friend.contains("Verify return code: 0 (ok)") && friend.contains(sign), "{friend}");
        for more in [Vec::new(), certificate(&self.stranger)] {
            let refused = server.ask(&self.root, &more);
            assert!(!refused.contains(sign), "{refused}");
            // Told in TLS, or by an answer of nginx, which takes up the connection to say so.
            assert!(refused.contains("alert") || refused.contains("400 Bad Request"), "{refused}");
        }
    }
}

/// A client's certificate and key, as they are downloaded; the path of the certificate.
fn identity(desk: &Desk, pair: &Pair, name: &str) -> PathBuf {
    let id = text(&desk.yes(&["issue", "client", &pair.intermediate, "--cn", name])["certificate"]);
    desk.download(&id, "pem", &["--with-key", "--plain-key"]).join(format!("{id}.pem"))
}

/// The arguments with which OpenSSL shows it.
fn certificate(pem: &Path) -> Vec<&str> {
    let pem = pem.to_str().unwrap();
    let key = format!("{}.key.pem", pem.strip_suffix(".pem").unwrap());
    vec!["-cert", pem, "-cert_chain", pem, "-key", Box::leak(key.into_boxed_str())]
}

/// Starts nginx as the note says.
pub fn nginx(program: &Path, package: &Path) -> Server {
    let prefix = format!("{}/", package.display());
    Server::start(package, "nginx.conf", |command| {
        *command = std::process::Command::new(program);
        command.args(["-p", &prefix, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]);
    })
}

/// Changes a file of a package as its note says.
pub fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

fn run(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a1_nginx_serves_with_its_package() {
    let (Some(program), true) = (program("nginx"), has_openssl()) else { return };
    let site = Site::new("ecc");
    let package = site.package("nginx", false);
    assert_eq!(mode(&package.join("privkey.pem")), 0o600);
    std::fs::write(package.join("privkey.pass"), format!("{EXPORT}\n")).unwrap();
    site.serves_everybody(&nginx(&program, &package), "TLS works");
    let package = site.package("nginx", true);
    edit(&package.join("nginx.conf"), "#ssl_", "ssl_");
    site.serves_its_clients_only(&nginx(&program, &package), "TLS works");
}

#[test]
fn a1_apache_serves_with_its_package() {
    let (Some(apache), true) = (program("apache2"), has_openssl()) else { return };
    let start = |package: &Path| {
        Server::start(package, "httpd.conf", |command| {
            *command = std::process::Command::new(&apache);
            command.arg("-d").arg(package).args(["-f", "httpd.conf", "-D", "FOREGROUND"]);
        })
    };
    for family in ["ecc", "rsa"] {
        let site = Site::new(family);
        let package = site.package("apache", false);
        std::fs::write(package.join("privkey.pass"), format!("{EXPORT}\n")).unwrap();
        run(&package.join("passphrase.sh"));
        site.serves_everybody(&start(&package), "TLS works");
        let package = site.package("apache", true);
        edit(&package.join("httpd.conf"), "#SSL", "SSL");
        site.serves_its_clients_only(&start(&package), "TLS works");
    }
}

/// `site.conf` and an authority's `mtls.conf` are accepted by an existing Apache, where the note has them installed.
#[test]
fn a1_an_existing_apache_takes_the_site_in() {
    let Some(apache) = program("apache2") else { return };
    let site = Site::new("ecc");
    let package = site.package("apache", true);
    let authority = text(&site.desk.yes(&["list", "cas"])[0]["ca"]);
    let authority = site.desk.download(&authority, "apache", &[]).join(format!("{authority}-apache"));
    for (file, directory) in [(package.join("site.conf"), &package), (authority.join("mtls.conf"), &authority)] {
        let name = directory.file_name().unwrap().to_str().unwrap();
        edit(&file, &format!("/etc/apache2/{name}/"), &format!("{}/", directory.display()));
    }
    let mtls = authority.join("mtls.conf");
    edit(&package.join("site.conf"), "DocumentRoot /var/www/html", &format!("Include {}", mtls.display()));
    let trial = std::fs::read_to_string(package.join("httpd.conf")).unwrap();
    let head = trial.split("Listen ").next().unwrap();
    let site_file = package.join("site.conf");
    std::fs::write(package.join("main.conf"), format!("{head}\nInclude {}\n", site_file.display())).unwrap();
    let check = || {
        let mut command = std::process::Command::new(&apache);
        let output = command.arg("-t").arg("-d").arg(&package).args(["-f", "main.conf"]).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (fine, told) = check();
    assert!(fine && told.contains("Syntax OK"), "{told}");
    // And the check can fail: without the authorities Apache refuses.
    std::fs::remove_file(authority.join("client-ca.pem")).unwrap();
    let (fine, told) = check();
    assert!(!fine, "{told}");
}

#[test]
fn a1_haproxy_serves_with_its_package() {
    let (Some(haproxy), true) = (program("haproxy"), has_openssl()) else { return };
    let start = |package: &Path| {
        Server::start(package, "haproxy.cfg", |command| {
            *command = std::process::Command::new(&haproxy);
            command.args(["-f", "haproxy.cfg"]);
        })
    };
    for family in ["ecc", "rsa"] {
        let site = Site::new(family);
        // The key is decrypted by the very line of the note, the passphrase told beside it.
        let package = site.package("haproxy", false);
        let note = std::fs::read_to_string(package.join("INSTALL.txt")).unwrap();
        let line = note.lines().find(|line| line.contains("openssl pkey -in site.pem")).unwrap();
        let line = line.replace("-in site.pem;", "-in site.pem -passin env:EXPORT;");
        let mut shell = std::process::Command::new("sh");
        let done = shell.args(["-c", &line]).env("EXPORT", EXPORT).current_dir(&package).status().unwrap();
        assert!(done.success());
        assert_eq!(mode(&package.join("site.pem")), 0o600);
        site.serves_everybody(&start(&package), "TLS works");
        let package = site.package("haproxy", true);
        edit(&package.join("haproxy.cfg"), "    bind ", "    #bind ");
        edit(
            &package.join("haproxy.cfg"),
            "    #bind 127.0.0.1:8443 ssl crt site.pem ca-file",
            "    bind 127.0.0.1:8443 ssl crt site.pem ca-file",
        );
        site.serves_its_clients_only(&start(&package), "TLS works");
    }
}

#[test]
fn a1_tomcat_serves_with_its_package() {
    let home = ["/usr/share/tomcat10", "/usr/share/tomcat9"].map(PathBuf::from).into_iter().find(|home| home.is_dir());
    let Some(home) = home.or_else(|| absent("tomcat10")) else { return };
    if !has_openssl() {
        return;
    }
    let site = Site::new("ecc");
    let package = site.package("tomcat", false);
    let start = |package: &Path| {
        for directory in ["logs", "temp", "webapps"] {
            std::fs::create_dir_all(package.join(directory)).unwrap();
        }
        Server::start(package, "server.xml", |command| {
            *command = std::process::Command::new(home.join("bin/catalina.sh"));
            let source = "org.apache.tomcat.util.digester.EnvironmentPropertySource";
            command
                .args(["run", "-config", "server.xml"])
                .env("CATALINA_HOME", &home)
                .env("CATALINA_BASE", package)
                .env("JAVA_OPTS", format!("-Dorg.apache.tomcat.util.digester.PROPERTY_SOURCE={source}"))
                .env(format!("{}_passphrase", site.server), EXPORT);
        })
    };
    let sign = "HTTP/1.1 404";
    site.serves_everybody(&start(&package), sign);
    // Anew, with the other word, on another port.
    std::fs::remove_dir_all(package.parent().unwrap()).unwrap();
    let package = site.package("tomcat", false);
    edit(&package.join("server.xml"), "certificateVerification=\"none\"", "certificateVerification=\"required\"");
    site.serves_its_clients_only(&start(&package), sign);
}
