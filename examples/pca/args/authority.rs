//! Certificate authorities.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use pca_core::domain::ca::{ConstraintRequest, SubtreeRequest};

use super::offer::{algorithms, profiles, reasons};
use super::{AlgorithmWord, Number};

#[derive(Args, Debug)]
pub struct CaArgs {
    /// The CA
    #[arg(value_name = "CA")]
    pub ca: String,
}

/// The subject of a certificate.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Subject")]
pub struct SubjectArgs {
    /// Common name, at most 64 characters
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub cn: Option<String>,
    /// Organization, at most 64 characters
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub o: Option<String>,
    /// Organizational unit, at most 64 characters
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub ou: Option<String>,
    /// Country, two upper-case letters
    #[arg(long, value_name = "CC", allow_hyphen_values = true)]
    pub c: Option<String>,
    /// State or province, at most 128 characters
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub st: Option<String>,
    /// Locality, at most 128 characters
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub l: Option<String>,
}

/// Where relying parties find things.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Addresses that go into the certificates which this CA issues (http: only)")]
pub struct AddressArgs {
    /// Where its CRL is
    #[arg(long, value_name = "URL", allow_hyphen_values = true)]
    pub crl_url: Option<String>,
    /// Where its OCSP responder is
    #[arg(long, value_name = "URL", allow_hyphen_values = true)]
    pub ocsp_url: Option<String>,
    /// Where its own certificate is
    #[arg(long, value_name = "URL", allow_hyphen_values = true)]
    pub issuer_url: Option<String>,
}

/// Name constraints (rule C6).
#[derive(Args, Clone, Debug, Default)]
#[command(
    next_help_heading = "Name constraints of an intermediate (once anything is permitted, every other kind of name is refused)"
)]
pub struct ConstraintArgs {
    /// A DNS name that it may certify, with all below it, such as hr.example
    #[arg(long, value_name = "SUFFIX", allow_hyphen_values = true)]
    pub permit_dns: Vec<String>,
    /// E-mail: ada@hr.example (one mailbox), hr.example (that host), .hr.example (every host below)
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    pub permit_email: Vec<String>,
    /// A network of IP addresses, such as 10.0.0.0/8
    #[arg(long, value_name = "CIDR", allow_hyphen_values = true)]
    pub permit_ip: Vec<String>,
    /// Hosts of URIs: hr.example (that host), .hr.example (every host below)
    #[arg(long, value_name = "HOST", allow_hyphen_values = true)]
    pub permit_uri: Vec<String>,
    /// Subjects that begin with these fields, such as 'O=Example,C=DE'
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true)]
    pub permit_dir: Vec<String>,
    /// A DNS name that it may not certify, nor any below it
    #[arg(long, value_name = "SUFFIX", allow_hyphen_values = true)]
    pub exclude_dns: Vec<String>,
    /// E-mail that it may not certify
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    pub exclude_email: Vec<String>,
    /// A network of IP addresses that it may not certify
    #[arg(long, value_name = "CIDR", allow_hyphen_values = true)]
    pub exclude_ip: Vec<String>,
    /// Hosts of URIs that it may not certify
    #[arg(long, value_name = "HOST", allow_hyphen_values = true)]
    pub exclude_uri: Vec<String>,
    /// Subjects that it may not certify
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true)]
    pub exclude_dir: Vec<String>,
}

impl ConstraintArgs {
    /// What is asked of the rules.
    pub fn request(&self) -> ConstraintRequest {
        let all = |lists: [&[String]; 5]| -> Vec<SubtreeRequest> {
            let kinds: [fn(String) -> SubtreeRequest; 5] = [
                SubtreeRequest::Dns,
                SubtreeRequest::Email,
                SubtreeRequest::Ip,
                SubtreeRequest::Uri,
                SubtreeRequest::Directory,
            ];
            lists.into_iter().zip(kinds).flat_map(|(list, kind)| list.iter().cloned().map(kind)).collect()
        };
        ConstraintRequest {
            permitted: all([&self.permit_dns, &self.permit_email, &self.permit_ip, &self.permit_uri, &self.permit_dir]),
            excluded: all([
                &self.exclude_dns,
                &self.exclude_email,
                &self.exclude_ip,
                &self.exclude_uri,
                &self.exclude_dir,
            ]),
        }
    }
}

/// By which profiles an intermediate may issue.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Profiles that an intermediate may issue by (`pca profile list`)")]
pub struct PermitArgs {
    /// A profile that it may issue by; what is not named is refused from then on
    #[arg(long = "profile", visible_alias = "profiles", value_name = "NAME", value_delimiter = ',', value_parser = profiles::<String>(), hide_possible_values = true, conflicts_with = "all_profiles")]
    pub profile: Vec<String>,
    /// It may issue by every profile that there is and will be, as in the beginning
    #[arg(long)]
    pub all_profiles: bool,
}

#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("end").multiple(false),
    after_help = "\
A root is enabled first, then its intermediates.
Examples:
  pca enable ROOT --cn 'Example Corp Root CA' --o 'Example Corp' --c US
  pca enable INTERMEDIATE --cn 'Example Corp OA' --algorithm ecdsa-p384 --clamp
  pca enable INTERMEDIATE --cn HR --permit-dns hr.example --clamp
  pca enable ROOT --upload-certificate root.pem --upload-key root.key
  pca enable INTERMEDIATE --request-csr oa.csr --cn 'Example Corp OA'
  pca enable INTERMEDIATE --certificate oa.pem"
)]
pub struct EnableArgs {
    /// The CA, not enabled yet or reset since
    #[arg(value_name = "CA")]
    pub ca: String,
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// rsa-2048 rsa-3072 rsa-4096 ecdsa-p256 ecdsa-p384 ecdsa-p521 ed25519, of the family that was bought
    /// [default: ecdsa-p256 or rsa-3072]
    #[arg(long, help_heading = "Key and validity", value_name = "ALG", value_parser = algorithms::<AlgorithmWord>(), hide_possible_values = true)]
    pub algorithm: Option<AlgorithmWord>,
    /// For how many calendar years the certificate is valid [default: 10 for a root, 5 for an intermediate]
    #[arg(long, help_heading = "Key and validity", value_name = "N", group = "end", allow_negative_numbers = true)]
    pub years: Option<Number>,
    /// For how many days of 24 hours the certificate is valid
    #[arg(long, help_heading = "Key and validity", value_name = "N", group = "end", allow_negative_numbers = true)]
    pub days: Option<Number>,
    /// Cut the validity to what is possible instead of refusing it
    #[arg(long, help_heading = "Key and validity")]
    pub clamp: bool,
    /// How many CAs may follow below [default: no limit for a root, 0 for an intermediate]
    #[arg(long, help_heading = "Key and validity", value_name = "N", allow_negative_numbers = true)]
    pub path_len: Option<Number>,
    #[command(flatten)]
    pub constraints: ConstraintArgs,
    #[command(flatten)]
    pub addresses: AddressArgs,
    #[command(flatten)]
    pub upload: UploadArgs,
    /// Make the key here, and write a signing request for an issuer elsewhere
    #[arg(long, help_heading = "An issuer elsewhere", value_name = "FILE", conflicts_with_all = ["certificate", "upload_certificate", "years", "days", "clamp", "path_len"])]
    pub request_csr: Option<PathBuf>,
    /// The certificate that was made elsewhere: for that request, or of a root whose key is kept elsewhere
    #[arg(long, help_heading = "An issuer elsewhere", value_name = "FILE", group = "brought", conflicts_with = "upload_certificate", conflicts_with_all = MADE_HERE)]
    pub certificate: Option<PathBuf>,
}

/// What an uploaded certificate has already.
const MADE_HERE: [&str; 21] = [
    "cn",
    "o",
    "ou",
    "c",
    "st",
    "l",
    "algorithm",
    "years",
    "days",
    "clamp",
    "path_len",
    "permit_dns",
    "permit_email",
    "permit_ip",
    "permit_uri",
    "permit_dir",
    "exclude_dns",
    "exclude_email",
    "exclude_ip",
    "exclude_uri",
    "exclude_dir",
];

#[derive(Args, Debug)]
#[command(next_help_heading = "Upload instead of making a certificate here")]
pub struct UploadArgs {
    /// The CA certificate, PEM or DER
    #[arg(long, value_name = "FILE", group = "brought", requires = "upload_key", conflicts_with_all = MADE_HERE)]
    pub upload_certificate: Option<PathBuf>,
    /// Its private key: PKCS#8 (also encrypted), PKCS#1 or SEC 1; PEM or DER
    #[arg(long, value_name = "FILE", requires = "upload_certificate", conflicts_with_all = MADE_HERE)]
    pub upload_key: Option<PathBuf>,
    /// The file with the passphrase of that key
    #[arg(long, value_name = "FILE", requires = "upload_key")]
    pub upload_passphrase_file: Option<PathBuf>,
    /// A CRL that the CA signed before, whose number and entries are carried over
    #[arg(long, value_name = "FILE", requires = "upload_certificate")]
    pub upload_crl: Option<PathBuf>,
    /// Accept a warning by its code (a refusal names it)
    #[arg(long, value_name = "CODE", requires = "brought")]
    pub accept: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EndingWord {
    /// Give up certificate, subject and key; the CA may be enabled anew
    Reset,
    /// End the CA for good
    Revoke,
}

#[derive(Args, Debug)]
pub struct PreviewArgs {
    /// What is intended
    pub ending: EndingWord,
    /// The CA
    #[arg(value_name = "CA")]
    pub ca: String,
}

#[derive(Args, Debug)]
pub struct EndArgs {
    /// The CA
    #[arg(value_name = "CA")]
    pub ca: String,
    /// The digest of the preview that you have seen
    #[arg(long, value_name = "DIGEST", allow_hyphen_values = true)]
    pub confirm: String,
    /// End the intermediates (or, for revoking, the certificates) below with it
    #[arg(long)]
    pub cascade: bool,
    /// Why: a reason of RFC 5280, such as keyCompromise [default: cessationOfOperation]
    #[arg(long, value_name = "REASON", value_parser = reasons(false), hide_possible_values = true)]
    pub reason: Option<pca_core::x509::RevocationReason>,
    /// Sign no last CRL, since the key cannot sign any more
    #[arg(long)]
    pub without_last_crl: bool,
}
