//! Renewal and roll-over.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::offer::algorithms;
use super::{AlgorithmWord, Number};

#[derive(Args, Debug)]
#[command(after_help = "\
The new certificate has the same subject, names and holder, and costs one unit. Without --csr
the platform makes a new key if it made the last one; a key that the holder made stays.
Examples:
  pca renew crt_k3fj5s7wq2m4xyzt23456777
  pca renew CERT --csr oa.csr")]
pub struct RenewArgs {
    /// The certificate: valid or expired
    #[arg(value_name = "CERT")]
    pub certificate: String,
    /// A signing request (PKCS #10, PEM or DER) of the holder, with a new key or the same one
    #[arg(long, value_name = "FILE")]
    pub csr: Option<PathBuf>,
    /// For how many days it is valid [default: as many as the last one]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub days: Option<Number>,
    /// Cut the validity to what is possible instead of refusing it
    #[arg(long)]
    pub clamp: bool,
}

#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("renewed-end").multiple(false),
    after_help = "\
The newest certificate issues; those before it serve until they expire. A root with a new key
gets link certificates (`pca download ROOT --format pem` writes them, too).
Examples:
  pca renew-ca INTERMEDIATE
  pca renew-ca ROOT --new-key"
)]
pub struct RenewCaArgs {
    /// The CA, enabled
    #[arg(value_name = "CA")]
    pub ca: String,
    /// Make a new key instead of keeping the one that there is
    #[arg(long)]
    pub new_key: bool,
    /// The new key's algorithm [default: that of the last one]
    #[arg(long, value_name = "ALG", requires = "new_key", value_parser = algorithms::<AlgorithmWord>(), hide_possible_values = true)]
    pub algorithm: Option<AlgorithmWord>,
    /// For how many calendar years the certificate is valid [default: as long as the last one]
    #[arg(long, value_name = "N", group = "renewed-end", allow_negative_numbers = true)]
    pub years: Option<Number>,
    /// For how many days of 24 hours the certificate is valid
    #[arg(long, value_name = "N", group = "renewed-end", allow_negative_numbers = true)]
    pub days: Option<Number>,
    /// Cut the validity to what is possible instead of refusing it
    #[arg(long)]
    pub clamp: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Who trusts the signer accepts then what the CA issues. Revoke the cross-certificate by its id.
Example:
  pca cross-sign ROOT --by OTHER")]
pub struct CrossSignArgs {
    /// The root that is certified
    #[arg(value_name = "CA")]
    pub ca: String,
    /// The root that signs
    #[arg(long, value_name = "CA", allow_hyphen_values = true)]
    pub by: String,
}
