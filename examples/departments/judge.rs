//! Other people's tools: every command that is printed here is run as it stands, in the directory of the walk.

use std::process::{Command, Stdio};

use crate::Outcome;
use crate::issuing::{Certificates, OA_HOST, package};
use crate::place::Place;
use crate::voice::chapter;

/// A tool that is installed.
pub(crate) struct Judge<'a> {
    place: &'a Place,
}

/// What a command must come to.
pub(crate) enum Expected {
    /// Exit code 0, and this text in what it says: not every command of OpenSSL has an exit code for bad news.
    Success(&'static str),
    /// Another exit code, and this text in what it says.
    Failure(&'static str),
}

impl<'a> Judge<'a> {
    /// The tool, or nothing, said aloud. LibreSSL and OpenSSL before 3 lack some of what is asked of them here.
    pub(crate) fn find(place: &'a Place, tool: &str, argument: &str) -> Option<Self> {
        let Ok(output) = Command::new(tool).arg(argument).stdin(Stdio::null()).output() else {
            println!("   SKIPPED: {tool} is not installed, or not on the PATH");
            return None;
        };
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if tool == "openssl" && ["OpenSSL 0", "OpenSSL 1", "LibreSSL"].iter().any(|old| version.starts_with(old)) {
            println!("   SKIPPED: {version} does not know all that is asked here; OpenSSL 3 does");
            return None;
        }
        Some(Self { place })
    }

    /// Runs a command, tells it, and ends the walk if it comes otherwise.
    pub(crate) fn run(&self, command: &str, expected: Expected, meaning: &str) -> Outcome {
        let output =
            Command::new("sh").args(["-c", command]).current_dir(self.place.root()).stdin(Stdio::null()).output()?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        println!("   $ {command}");
        let fits = match expected {
            Expected::Success(text) => output.status.success() && said.contains(text),
            Expected::Failure(text) => !output.status.success() && said.contains(text),
        };
        if !fits {
            return Err(format!("this came otherwise ({}):\n{said}", output.status).into());
        }
        println!("     → {meaning}");
        Ok(())
    }
}

/// Checks what the walk has left with OpenSSL, and nginx's package with nginx.
pub(crate) fn with_openssl(place: &Place, issued: &Certificates) -> Outcome {
    chapter(12, "Check it yourself");
    println!("   $ cd {}", place.root().display());
    if let Some(openssl) = Judge::find(place, "openssl", "version") {
        certificates(&openssl, issued)?;
    }
    if let Some(nginx) = Judge::find(place, "nginx", "-v") {
        let package = package(issued);
        let command = format!("cd {package} && nginx -t -p \"$PWD/\" -c nginx.conf -e stderr");
        nginx.run(
            &command,
            Expected::Success("syntax is ok"),
            "nginx takes the package as it stands (and leaves temp-* and nginx.pid beside it)",
        )?;
    }
    Ok(())
}

fn certificates(openssl: &Judge<'_>, issued: &Certificates) -> Outcome {
    let package = package(issued);
    let strict = "openssl verify -x509_strict -CAfile trust/root.pem";
    let chain = format!("{package}/fullchain.pem");
    openssl.run(
        &format!("{strict} -untrusted {chain} -purpose sslserver -verify_hostname {OA_HOST} {chain}"),
        Expected::Success(": OK"),
        "OA's server: the chain is sound, for a server of this name",
    )?;
    let archive = format!("oa-archive/{}.pem", issued.archive);
    openssl.run(
        &format!("{strict} -untrusted {archive} -purpose sslserver {archive}"),
        Expected::Success(": OK"),
        "OA's archive, whose key it made itself",
    )?;
    let crls = "-crl_check_all -CRLfile crl-after-revocation/all.pem";
    let bob = format!("hr-bob/{}.pem", issued.bob);
    openssl.run(
        &format!("{strict} -untrusted {bob} -purpose sslclient {crls} {bob}"),
        Expected::Success(": OK"),
        "Bob: sound, for a client, and on no revocation list",
    )?;
    let ann = format!("hr-ann/{}.pem", issued.ann);
    openssl.run(
        &format!("{strict} -untrusted {ann} -purpose sslclient {crls} {ann}"),
        Expected::Failure("certificate revoked"),
        "Ann: refused, certificate revoked",
    )?;
    let records = format!("hr-records/{}.pem", issued.records);
    openssl.run(
        &format!("{strict} -untrusted {records} {crls} {records}"),
        Expected::Success(": OK"),
        "HR's records: sound",
    )?;
    openssl.run(
        "openssl crl -inform DER -in crl-after-revocation/hr.crl -CAfile trust/hr.pem -noout",
        Expected::Success("verify OK"),
        "HR's revocation list carries HR's signature",
    )?;
    openssl.run(
        &format!("openssl pkcs12 -in hr-bob/{}.p12 -passin file:export-passphrase.txt -noout", issued.bob),
        Expected::Success(""),
        "Bob's PKCS#12 file opens with the export passphrase",
    )?;
    openssl.run(
        &format!("openssl pkey -in {package}/privkey.pem -passin file:export-passphrase.txt -check -noout"),
        Expected::Success("valid"),
        "the server's key is sound",
    )
}
