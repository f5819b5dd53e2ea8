//! Certificates for holders.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use pca_core::delivery::Format;
use pca_core::x509::RevocationReason;

use super::offer::{algorithms, formats, profiles, reasons};
use super::{AlgorithmWord, LabelWord, Number, SubjectArgs, Time};

#[derive(Args, Debug)]
pub struct ServerArgs {
    /// The intermediate that issues it
    #[arg(value_name = "CA")]
    pub ca: String,
    #[command(flatten)]
    pub request: RequestArgs,
}

#[derive(Args, Debug)]
pub struct UserArgs {
    /// The intermediate that issues it
    #[arg(value_name = "CA")]
    pub ca: String,
    #[command(flatten)]
    pub request: RequestArgs,
}

#[derive(Args, Debug)]
pub struct ProfileArgs {
    /// The profile: one that is built in, or one of your own (`pca profile list`)
    #[arg(value_name = "NAME", value_parser = profiles::<String>(), hide_possible_values = true)]
    pub name: String,
    /// The intermediate that issues it
    #[arg(value_name = "CA")]
    pub ca: String,
    #[command(flatten)]
    pub request: RequestArgs,
}

/// What a certificate is asked to be.
#[derive(Args, Debug)]
pub struct RequestArgs {
    /// A DNS name, perhaps with a wildcard as its left-most label
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub dns: Vec<String>,
    /// An IP address
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    pub ip: Vec<String>,
    /// An e-mail address
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    pub email: Vec<String>,
    /// An absolute URI
    #[arg(long, value_name = "URI", allow_hyphen_values = true)]
    pub uri: Vec<String>,
    #[command(flatten)]
    pub subject: SubjectArgs,
    #[command(flatten)]
    pub issue: IssueArgs,
}

/// Key, validity and holder.
#[derive(Args, Debug)]
#[command(next_help_heading = "Key, validity and holder")]
pub struct IssueArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// For how many days of 24 hours it is valid [default: as the profile says, 90 for most]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub days: Option<Number>,
    /// Cut the validity to what is possible instead of refusing it
    #[arg(long)]
    pub clamp: bool,
    /// Whom it is for
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub holder: Option<String>,
    /// How to reach them
    #[arg(long, value_name = "CONTACT", allow_hyphen_values = true)]
    pub contact: Option<String>,
    /// A label to find it by
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub label: Vec<LabelWord>,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("source").multiple(false))]
pub struct KeyArgs {
    /// What key the platform makes: rsa-2048 rsa-3072 rsa-4096 ecdsa-p256 ecdsa-p384 ecdsa-p521 ed25519
    /// [default: ecdsa-p256 or rsa-2048]
    #[arg(long, value_name = "ALG", group = "source", value_parser = algorithms::<AlgorithmWord>(), hide_possible_values = true)]
    pub algorithm: Option<AlgorithmWord>,
    /// A signing request (PKCS#10, PEM or DER) whose key is certified; its names are not copied
    /// unless the profile says so
    #[arg(long, value_name = "FILE", group = "source")]
    pub csr: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct BulkArgs {
    /// The intermediate that issues them
    #[arg(value_name = "CA")]
    pub ca: String,
    /// The requests, one JSON object a line; - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// All or nothing, in one commit
    #[arg(long)]
    pub atomic: bool,
    /// Where the answers go, one line a request, each once its certificate is durable; nothing is overwritten
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Formats: pem, der, pkcs7; pkcs8 (the key alone), pkcs12, jks (for old Java programs); packages ready
to install: nginx, apache, tomcat, iis, haproxy, browser.
A key is encrypted under the export passphrase (at least 8 characters), unless --plain-key is
given; the download of a key is recorded with its recipient. Nothing is overwritten. Of a CA only
certificates can be had, never the key: as pkcs12 and jks trust stores, as packages what a server
needs to verify clients.
Examples:
  pca download CERT --format pem --out ./oa
  pca download CERT --format nginx --out ./oa --with-key --plain-key
  pca download CERT --format pkcs12 --out ./ada --with-key \\
    --export-passphrase-file pass.txt --to 'Ada Lovelace'")]
pub struct DownloadArgs {
    /// A certificate, or a CA
    #[arg(value_name = "ID")]
    pub id: String,
    /// pem, der, pkcs7, pkcs8, pkcs12, jks, nginx, apache, tomcat, iis, haproxy or browser
    #[arg(long, value_name = "F", value_parser = formats::<Format>(), hide_possible_values = true)]
    pub format: Format,
    /// The directory that the files go to; made with mode 0700 if it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The file with the passphrase that the key, or the key store, is encrypted under
    #[arg(long, value_name = "FILE")]
    pub export_passphrase_file: Option<PathBuf>,
    /// To whom the key is handed [default: you]
    #[arg(long, value_name = "RECIPIENT", allow_hyphen_values = true)]
    pub to: Option<String>,
    /// The private key, too
    #[arg(long)]
    pub with_key: bool,
    /// The private key unencrypted
    #[arg(long)]
    pub plain_key: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Reasons: unspecified keyCompromise affiliationChanged superseded cessationOfOperation
certificateHold privilegeWithdrawn aACompromise. certificateHold can be lifted with `pca unhold`,
or made final with another reason.
Examples:
  pca revoke crt_k3fj5s7wq2m4xyzt23456777 --reason keyCompromise
  pca revoke CERT --reason superseded --invalidity-date 2030-01-01T00:00:00Z")]
pub struct RevokeArgs {
    /// The certificate
    #[arg(value_name = "CERT")]
    pub certificate: String,
    /// Why: a reason of RFC 5280
    #[arg(long, value_name = "REASON", default_value = "unspecified", value_parser = reasons(true), hide_possible_values = true)]
    pub reason: RevocationReason,
    /// Since when it is not to be believed (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub invalidity_date: Option<Time>,
}
