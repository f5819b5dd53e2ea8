//! Other people's servers, started with what was downloaded for them, and OpenSSL as their client.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A program, or nothing where it is not installed; then the test is skipped aloud, or fails in CI.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let found =
        std::env::split_paths(&path).chain(system).map(|directory| directory.join(name)).find(|file| file.is_file());
    found.or_else(|| absent(name))
}

/// Says that a judge is not installed.
pub fn absent<T>(name: &str) -> Option<T> {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{name} is not installed, and CI demands it");
    eprintln!("SKIPPED: {name} is not installed");
    None
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running server: ended, with all that it started, when dropped.
pub struct Server {
    process: Child,
    pub port: u16,
}

impl Server {
    /// Starts it in the package's directory, on a free port in the place of 8443 in its configuration.
    pub fn start(package: &Path, configuration: &str, command: impl FnOnce(&mut Command)) -> Self {
        let port = free_port();
        let file = package.join(configuration);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("8443"), "{text}");
        std::fs::write(&file, text.replace("8443", &port.to_string())).unwrap();
        let log = package.join("server.log");
        let output = std::fs::File::create(&log).unwrap();
        let mut started = Command::new("true");
        command(&mut started);
        std::os::unix::process::CommandExt::process_group(&mut started, 0);
        started.current_dir(package).stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let mut process = started.spawn().unwrap();
        let told = || std::fs::read_to_string(&log).unwrap_or_default();
        for _ in 0..1200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Self { process, port };
            }
            if let Some(status) = process.try_wait().unwrap() {
                panic!("{started:?}: {status}\n{}", told());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(Self { process, port });
        panic!("{started:?} does not listen\n{}", told());
    }

    /// Asks for the front page through OpenSSL, which verifies the server against the root; what came back.
    pub fn ask(&self, root: &Path, more: &[&str]) -> String {
        let mut client = Command::new("openssl")
            .args(["s_client", "-connect", &format!("127.0.0.1:{}", self.port), "-CAfile"])
            .arg(root)
            .args(["-verify_return_error", "-verify_hostname", "localhost", "-servername", "localhost", "-ign_eof"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut request = client.stdin.take().unwrap();
        // A client that is refused closes its end early; its output tells.
        let _ = request.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        drop(request);
        let output = client.wait_with_output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The group was made for it alone.
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        for _ in 0..40 {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.process.wait();
    }
}
