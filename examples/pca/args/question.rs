//! Questions.

use clap::{Args, ValueEnum};

use super::{Number, Span};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListKind {
    /// Roots with their intermediates
    Cas,
    /// Certificates of holders
    Certificates,
    /// Orders and refunds
    Orders,
    /// Pools and what is assigned, by lot
    Quota,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pca list cas
  pca list certificates --status active --expires-within 30d
  pca list certificates --name oa.example.com --csv > oa.csv
  pca list quota --as-of 2030-01-01T00:00:00Z")]
pub struct ListArgs {
    /// What is listed
    #[arg(value_name = "cas|certificates|orders|quota")]
    pub kind: ListKind,
    /// Only those with this text in a name
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub name: Option<String>,
    /// Only the one with this serial number (hex)
    #[arg(long, value_name = "HEX")]
    pub serial: Option<String>,
    /// Only the one whose certificate has this SHA-256 (hex)
    #[arg(long, value_name = "HEX")]
    pub fingerprint: Option<String>,
    /// Only those of this holder
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub holder: Option<String>,
    /// Only those in this state, such as active, revoked, held, expired, enabled, not-enabled
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// Only those that expire within so many days, such as 30d
    #[arg(long, value_name = "DAYS")]
    pub expires_within: Option<Span>,
    /// Comma-separated values with a head line
    #[arg(long)]
    pub csv: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Certificates and CAs to renew, CRLs to publish, terms and free quota that end, refund windows that close,
and what a crash interrupted.
Examples:
  pca due --within 14d
  pca due --json | jq -r '.[] | select(.overdue) | .task'")]
pub struct DueArgs {
    /// How far ahead, such as 30d, 12h or 2w
    #[arg(long, value_name = "DAYS", default_value = "30d")]
    pub within: Span,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  pca show ca_k3fj5s7wq2m4xyzt --json | jq .quota")]
pub struct ShowArgs {
    /// A CA (ca_…), a certificate (crt_…) or an order (ord_…)
    #[arg(value_name = "ID")]
    pub id: String,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pca log --json | jq -c '{position,kind,actor}'
  pca log --follow")]
pub struct LogArgs {
    /// Go on with what is to come, until interrupted
    #[arg(long)]
    pub follow: bool,
    /// Only what is behind this position
    #[arg(long, value_name = "POSITION", allow_negative_numbers = true)]
    pub after: Option<Number>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Keep the head that it prints somewhere else: a log whose end was cut off is still consistent in itself.
Examples:
  pca verify
  pca verify --expect 6f1c…")]
pub struct VerifyArgs {
    /// The digest of a commit that must be in the log: the head that an earlier `verify` printed
    #[arg(long, value_name = "HEAD")]
    pub expect: Option<String>,
}
