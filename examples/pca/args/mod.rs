//! The words of the command line, as the page has them. Whether a value is allowed is not judged here: that is a matter
//! of the rules, and answered with their numbers.

mod authority;
mod chain;
mod issue;
mod later;
mod offer;
mod order;
mod question;
mod renewal;
mod transfer;
mod value;

pub use crate::ocsp::OcspArgs;
pub use authority::{
    AddressArgs, CaArgs, EnableArgs, EndArgs, EndingWord, PermitArgs, PreviewArgs, SubjectArgs, UploadArgs,
};
pub use chain::CheckChainArgs;
pub use issue::{BulkArgs, DownloadArgs, IssueArgs, ProfileArgs, RequestArgs, RevokeArgs, ServerArgs, UserArgs};
pub use later::LaterArgs;
pub use order::{AssignArgs, Buy, BuyArgs, ExtendArgs, RefundArgs};
pub use question::{DueArgs, ListArgs, ListKind, LogArgs, ShowArgs, VerifyArgs};
pub use renewal::{CrossSignArgs, RenewArgs, RenewCaArgs};
pub use transfer::{BackupArgs, ExportArgs, ImportArgs};
pub use value::{AlgorithmWord, AsOf, FamilyWord, LabelWord, Number, Paid, Span, TermWord, Time};

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A private certificate authority on one directory: buy CAs, enable them, assign quota, issue, install, revoke, and ask
/// what happened.
#[derive(Debug, Parser)]
#[command(
    name = "pca",
    version,
    max_term_width = 110,
    after_help = "\
Begin:
  export PCA_PASSPHRASE='at least twelve characters'
  pca init --enterprise 'Example Corp'
  pca buy root --family ecc       # prints the ids of a root and an intermediate
  pca enable ROOT --cn 'Example Corp Root CA'
  pca enable INTERMEDIATE --cn 'Example Corp OA'
  pca assign INTERMEDIATE 5
  pca issue server INTERMEDIATE --dns oa.example.com
  pca download CERT --format nginx --out ./oa --with-key --plain-key

Exit codes: 0 done; 1 refused by the rules, or an answer of no; 2 words that are not understood;
3 store, key or file trouble. `pca COMMAND --help` tells more about each command."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes, before or after its name.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The directory of the log (DIR/log) and the keys (DIR/keys)
    #[arg(long, global = true, value_name = "DIR", default_value = "pca-data")]
    pub dir: PathBuf,
    /// Print exactly one JSON value (`log`: JSON lines)
    #[arg(long, global = true)]
    pub json: bool,
    /// Tell what a command would do, and change nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Answer a question as it would have been answered then: a position of the log, or a time (RFC 3339)
    #[arg(long, global = true, value_name = "POSITION|TIME", allow_negative_numbers = true)]
    pub as_of: Option<AsOf>,
    /// As whom you act; recorded beside the operating system's user
    #[arg(long, global = true, value_name = "NAME")]
    pub actor: Option<String>,
    /// Why; recorded
    #[arg(long, global = true, value_name = "TEXT")]
    pub because: Option<String>,
    /// What ties this command to others; recorded
    #[arg(long, global = true, value_name = "ID")]
    pub correlation: Option<String>,
    /// Idempotency key: the same request under the same key is done once and answered the same
    #[arg(long, global = true, value_name = "KEY")]
    pub key: Option<String>,
    /// The time (RFC 3339): for commands on a rehearsal log only, for questions and --dry-run on any
    #[arg(long, global = true, value_name = "TIME")]
    pub now: Option<Time>,
    /// The file with the passphrase of the keys, instead of the variable PCA_PASSPHRASE
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Confirm that the clock is right although nothing happened here for more than the policy's `max_gap_days`
    #[arg(long, global = true)]
    pub confirm_clock: bool,
    /// A PostgreSQL store; not part of this build
    #[arg(long, global = true, value_name = "URL", hide = true)]
    pub store: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the directory, its keys and its log
    #[command(after_help = "\
Example:
  PCA_PASSPHRASE='correct horse battery' pca init --enterprise 'Example Corp'
  pca init --now 2030-01-01T00:00:00Z    # a rehearsal: time is what --now says")]
    Init {
        /// Whose log it is
        #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
        enterprise: Option<String>,
    },
    /// Buy a root (with an intermediate), an intermediate, or quota
    Buy(BuyArgs),
    /// Give a CA its certificate: made here, uploaded with its key, or made elsewhere
    Enable(Box<EnableArgs>),
    /// Assign quota of the root's pool to an intermediate; cannot be undone
    #[command(after_help = "Example:\n  pca assign ca_k3fj5s7wq2m4xyzt 5")]
    Assign(AssignArgs),
    /// Extend the service term of a CA before it ends
    #[command(after_help = "Example:\n  pca extend ca_k3fj5s7wq2m4xyzt --term 1y")]
    Extend(ExtendArgs),
    /// Change the addresses that a CA writes into the certificates it issues, and the profiles that it may issue by
    #[command(after_help = "\
Options that are not given stay as they are; an empty one ('') is taken out.
Example:
  pca configure ca_k3fj5s7wq2m4xyzt --crl-url http://crl.example.com/oa.crl
  pca configure ca_k3fj5s7wq2m4xyzt --profile server --profile spiffe")]
    Configure {
        #[command(flatten)]
        ca: CaArgs,
        #[command(flatten)]
        addresses: AddressArgs,
        #[command(flatten)]
        profiles: PermitArgs,
    },
    /// Show the policy, or adopt another one
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// List the profiles that certificates are issued by
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Issue certificates: one for a server, a client, of a profile, or many from a file
    #[command(subcommand)]
    Issue(IssueCommand),
    /// Make files to install: certificates, chains, keys, packages for servers and browsers
    Download(DownloadArgs),
    /// Revoke a certificate, or put it on hold
    Revoke(RevokeArgs),
    /// Lift the hold of a certificate
    #[command(after_help = "Example:\n  pca unhold crt_k3fj5s7wq2m4xyzt23456777")]
    Unhold {
        /// The certificate
        #[arg(value_name = "CERT")]
        certificate: String,
    },
    /// Renew a certificate: the same subject and names, with a new key or the same one
    Renew(RenewArgs),
    /// Sign the CRL of a CA and write it as DER
    #[command(after_help = "\
Example:
  pca crl ca_k3fj5s7wq2m4xyzt --out oa.crl
  pca crl ca_k3fj5s7wq2m4xyzt --out oa.delta.crl --delta
  openssl crl -inform DER -in oa.crl -noout -text

While several keys of the CA are alive, the CRL by the newest goes to FILE, and those by the others, which say the same, to
FILE.gen1 and so on, after the generation of the CA whose key it is.")]
    Crl {
        #[command(flatten)]
        ca: CaArgs,
        /// Where to write it; an older CRL there is replaced
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Tell only what has changed since the newest full one
        #[arg(long)]
        delta: bool,
        /// The CRL of one partition, from 0; the policy's crl_partitions says how many there are
        #[arg(long, value_name = "I", allow_negative_numbers = true)]
        partition: Option<Number>,
    },
    /// Answer an OCSP request about certificates of a CA, and write the response as DER
    #[command(after_help = "\
A malformed request, or one that this CA may not answer, has a response that says so: it is written, and
the exit code is 1.
Example:
  openssl ocsp -issuer oa.pem -cert server.pem -reqout request.der
  pca ocsp ca_k3fj5s7wq2m4xyzt --request request.der --out response.der
  openssl ocsp -respin response.der -reqin request.der -issuer oa.pem -cert server.pem -CAfile root.pem")]
    Ocsp(OcspArgs),
    /// Show what resetting or revoking a CA would destroy, with the digest that confirms it
    #[command(after_help = "Example:\n  pca preview reset ca_k3fj5s7wq2m4xyzt")]
    Preview(PreviewArgs),
    /// Give up a CA's certificate, subject and key; it may be enabled anew
    #[command(after_help = "\
Example:
  pca preview reset CA                  # shows what would go, and a digest
  pca reset CA --confirm DIGEST")]
    Reset(EndArgs),
    /// Revoke a CA for good
    #[command(after_help = "\
Example:
  pca preview revoke CA                 # shows what would go, and a digest
  pca revoke-ca CA --confirm DIGEST --cascade")]
    RevokeCa(EndArgs),
    /// Stop a CA from issuing for a while; CRLs and OCSP answers go on
    #[command(after_help = "Example:\n  pca disable ca_k3fj5s7wq2m4xyzt --because 'audit of the department'")]
    Disable(CaArgs),
    /// Let a disabled CA issue again
    #[command(after_help = "Example:\n  pca reenable ca_k3fj5s7wq2m4xyzt")]
    Reenable(CaArgs),
    /// Renew the certificate of a CA, with the same key or a new one
    RenewCa(RenewCaArgs),
    /// Have a root certified by another root
    CrossSign(CrossSignArgs),
    /// Request the refund of an order, or tell how it ended
    Refund(RefundArgs),
    /// Take a CA or a certificate off the list; the log keeps it
    #[command(after_help = "Example:\n  pca remove crt_k3fj5s7wq2m4xyzt23456777")]
    Remove {
        /// A CA that is refunded, revoked or expired, or a certificate that is revoked or expired
        #[arg(value_name = "ID")]
        id: String,
    },
    /// List CAs, certificates, orders or quota
    List(ListArgs),
    /// Show a CA, a certificate or an order
    Show(ShowArgs),
    /// Print the events of the log
    Log(LogArgs),
    /// Check the whole log: digests, positions, guards, ledger, signatures; with the passphrase the keys, too
    Verify(VerifyArgs),
    /// Copy the log to another directory, also while others write to it; the next time only what is new
    Backup(BackupArgs),
    /// Write the whole log as JSON lines
    Export(ExportArgs),
    /// Read a log that was exported into a directory that has none
    Import(ImportArgs),
    /// Put the keys under another passphrase
    #[command(after_help = "\
If it is interrupted, run it again: until it ends, both passphrases are accepted.
Example:
  pca passphrase --new-passphrase-file new.txt")]
    Passphrase {
        /// The file with the new passphrase: at least 12 characters
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: PathBuf,
    },
    /// Look after the key store
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Print a script that completes words in your shell
    #[command(after_help = "Example:\n  pca completions bash > /etc/bash_completion.d/pca")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// List what should be done by when; the exit code is 1 if something is overdue
    Due(DueArgs),
    /// Check a chain of certificates as a relying party does
    CheckChain(CheckChainArgs),
    /// Prove that an event is in the log; not yet supported
    #[command(hide = true)]
    Prove(LaterArgs),
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show the policy that is in force
    #[command(after_help = "Example:\n  pca policy show --json > policy.json")]
    Show,
    /// Bring a policy into force
    #[command(after_help = "\
FILE is JSON as `pca policy show --json` prints it; fields that are left out have their defaults.
Example:
  echo '{\"free_certificates\": 20, \"max_validity_days\": 398}' > policy.json
  pca policy adopt policy.json")]
    Adopt {
        /// The policy as JSON
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// List the profiles, built-in ones first
    List,
    /// Adopt a profile of your own, for ever: certificates name it
    #[command(after_help = "\
FILE is a JSON object, as each entry under `profiles` of `pca profile list --json` is; `name` and
`extended_key_usage` must be there, all else may be left out:
  {\"name\": \"vpn-gateway\", \"description\": \"Gateways of the VPN\",
   \"subject\": {\"common_name\": \"server-name\", \"organization\": \"required\"},
   \"names\": {\"dns\": {\"least\": 1, \"most\": 4}, \"ip\": {}},
   \"key_usage\": {\"rsa\": [\"digitalSignature\"], \"ec\": [\"digitalSignature\"]},
   \"extended_key_usage\": {\"purposes\": [\"serverAuth\", \"1.3.6.1.5.5.7.3.17\"], \"critical\": false},
   \"validity\": {\"default_days\": 30, \"longest_days\": 90},
   \"csr\": {\"subject\": false, \"names\": true},
   \"revocation\": \"addresses\", \"policies\": []}
common_name: required, optional, forbidden, server-name or one-of-names; other fields of the
subject: required, optional or forbidden. names: dns ip email uri (a kind that is absent is
refused), wildcards, uri_form (any or spiffe). revocation: addresses, or not-available (RFC 9608;
at most 7 days). The page docs/profiles.md tells more.
Example:
  pca profile add vpn-gateway.json
  pca issue profile vpn-gateway CA --dns vpn.example.com --o 'Example Corp'")]
    Add {
        /// The profile as JSON
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum IssueCommand {
    /// Issue a certificate for a server (serverAuth; DNS names and IP addresses)
    #[command(after_help = "\
Example:
  pca issue server CA --dns oa.example.com --dns '*.oa.example.com' --days 30
  pca issue server CA --dns oa.example.com --csr oa.csr")]
    Server(ServerArgs),
    /// Issue a certificate for a client (clientAuth; e-mail addresses and URIs)
    #[command(after_help = "\
Example:
  pca issue client CA --cn 'Ada Lovelace' --email ada@example.com --holder ada")]
    Client(UserArgs),
    /// Issue a certificate of a named profile, built in or of your own
    #[command(after_help = "\
Example:
  pca issue profile data-encryption CA --cn 'HR records' --algorithm rsa-3072
  pca issue profile spiffe CA --uri spiffe://example.com/billing/payments
  pca issue profile mutual CA --dns node1.example.com --days 30
  pca issue profile vpn-gateway CA --csr gateway.csr")]
    Profile(ProfileArgs),
    /// Issue many certificates from a file, one request a line
    #[command(after_help = "\
A line is a JSON object, at most 64 KiB:
  {\"kind\":\"server\",\"dns\":[\"a.example.com\"],\"ip\":[\"10.0.0.1\"],\"days\":30}
  {\"kind\":\"client\",\"cn\":\"Ada Lovelace\",\"email\":[\"ada@example.com\"],\"algorithm\":\"ecdsa-p384\"}
`kind` is the name of a profile.
It may also have: cn o ou c st l, csr (PEM, base 64 of DER, or a file's name), clamp, holder,
contact, labels. Without --atomic each request stands for itself: a bad line is told in --out,
and the others go on; the exit code is then 0 if anything was issued.
Example:
  pca issue bulk CA requests.jsonl --out issued.jsonl --key monday")]
    Bulk(BulkArgs),
}

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Destroy keys whose end is decided, and keys that a crash left without an owner
    #[command(after_help = "Example:\n  pca keys sweep --dry-run      # what would be destroyed\n  pca keys sweep")]
    Sweep,
}
