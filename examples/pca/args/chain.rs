//! Chains of certificates.

use std::path::PathBuf;

use clap::Args;
use pca_core::x509::path::{ChainProfile, Purpose};

use super::Time;

#[derive(Args, Debug)]
#[command(after_help = "\
Files are DER, or PEM with any number of certificates or lists; what follows the first certificate in the leaf's file
counts as intermediates. No store is needed.
Examples:
  pca check-chain --leaf oa.pem --trust root.pem --name oa.example.com --purpose server
  pca check-chain --leaf oa.pem --intermediates oa-ca.pem --trust roots.pem --crl oa-ca.crl root.crl --require-crl
  pca check-chain --leaf site.pem --trust roots.pem --name www.example.org --profile webpki --at 2030-01-01T00:00:00Z")]
pub struct CheckChainArgs {
    /// The certificate in question, first in its file
    #[arg(long, value_name = "FILE")]
    pub leaf: PathBuf,
    /// Trust anchors
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub trust: Vec<PathBuf>,
    /// Certificates that may stand between
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub intermediates: Vec<PathBuf>,
    /// Revocation lists; with them, status is checked for each certificate whose issuer has one
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub crl: Vec<PathBuf>,
    /// Refuse certificates whose status no list tells
    #[arg(long)]
    pub require_crl: bool,
    /// The time for which it is asked (RFC 3339, also with fractions of a second) [default: now]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub at: Option<Time>,
    /// A name that the leaf must have; several must all be there
    #[arg(long, value_name = "DNS|IP|EMAIL", allow_hyphen_values = true)]
    pub name: Vec<String>,
    /// What the leaf must be good for [default: any]
    #[arg(long, value_name = "server|client|email|any")]
    pub purpose: Option<Purpose>,
    /// How many intermediates that are not self-issued there may be
    #[arg(long, value_name = "N")]
    pub max_depth: Option<usize>,
    /// Which rules there are [default: rfc5280]
    #[arg(long, value_name = "rfc5280|webpki")]
    pub profile: Option<ChainProfile>,
}
