//! What relying parties fetch, over HTTP on loopback: CRLs, OCSP answers, CA certificates.
//!
//! ```sh
//! export PCA_PASSPHRASE='…'
//! cargo run --release --example responder -- --dir pca-data --listen 127.0.0.1:8080
//! ```
//!
//! It serves what the certificates point to: whatever path stands in a CA's `--crl-url`, `--ocsp-url` and `--issuer-url`, and
//! for every CA also `/<CA>.crl`, `/<CA>.cer` and `/ocsp`. The host in those URLs is the matter of whoever routes requests
//! here. `pca` goes on working on the same directory beside it, and what it revokes is in the next answer: see `place`.
//!
//! It is an example, and a tool for one administrator: no TLS (what it serves is signed), one request a connection, bounded
//! in everything. For the open network, put a web server in front.

#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs, unreachable_pub, reason = "a program")]

mod http;
mod place;
mod site;

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use secrecy::SecretString;

use place::Place;

/// Serves CRLs, OCSP answers and CA certificates of a directory of `pca`.
#[derive(Debug, Parser)]
struct Words {
    /// The directory of the log (DIR/log) and the keys (DIR/keys)
    #[arg(long, value_name = "DIR", default_value = "pca-data")]
    dir: PathBuf,
    /// Where to listen; on loopback, and with port 0 on any port that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The file with the passphrase of the keys, instead of the variable PCA_PASSPHRASE
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Words::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &Words) -> Result<(), place::Trouble> {
    if !words.listen.ip().is_loopback() {
        return Err(format!("{} is not on loopback: put a web server in front instead", words.listen).into());
    }
    let passphrase = match &words.passphrase_file {
        Some(file) => {
            let text = std::fs::read_to_string(file)?;
            text.strip_suffix('\n').unwrap_or(&text).to_owned()
        }
        None => std::env::var("PCA_PASSPHRASE").map_err(|_| "PCA_PASSPHRASE is not set")?,
    };
    let place = Arc::new(Place::new(&words.dir, SecretString::from(passphrase)));
    // Whatever is wrong with directory or passphrase is told now, and not to the first who asks.
    place.with(|_, _| Ok(()))?;
    let listener = TcpListener::bind(words.listen)?;
    println!("listening on http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    http::serve(&listener, move |request| site::answer(&place, request));
    Ok(())
}
