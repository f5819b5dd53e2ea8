//! Orders, quota and refunds.

use clap::{ArgGroup, Args, Subcommand};

use super::offer::families;
use super::{FamilyWord, Number, Paid, TermWord};

#[derive(Args, Debug)]
pub struct BuyArgs {
    #[command(subcommand)]
    pub what: Buy,
}

#[derive(Debug, Subcommand)]
pub enum Buy {
    /// Buy a root; it brings an intermediate and free quota
    #[command(after_help = "Example:\n  pca buy root --family ecc --term 1y --paid 760.00USD")]
    Root(BuyRootArgs),
    /// Buy a further intermediate of an enabled root
    #[command(after_help = "Example:\n  pca buy intermediate --root ca_k3fj5s7wq2m4xyzt --paid 99.00USD")]
    Intermediate(BuyIntermediateArgs),
    /// Buy quota for a root: one unit a certificate
    #[command(after_help = "Example:\n  pca buy quota --root ca_k3fj5s7wq2m4xyzt --count 100 --paid 50.00USD")]
    Quota(BuyQuotaArgs),
}

#[derive(Args, Debug)]
pub struct BuyRootArgs {
    /// The key family of all that will be below: `ecc` (P-256, P-384, P-521, Ed25519) or `rsa`
    #[arg(long, value_name = "ecc|rsa", value_parser = families::<FamilyWord>(), hide_possible_values = true)]
    pub family: FamilyWord,
    #[command(flatten)]
    pub price: PriceArgs,
}

#[derive(Args, Debug)]
pub struct BuyIntermediateArgs {
    /// The root that it will be under
    #[arg(long, value_name = "CA")]
    pub root: String,
    #[command(flatten)]
    pub price: PriceArgs,
}

#[derive(Args, Debug)]
pub struct PriceArgs {
    /// The service term in calendar years and months, such as 1y, 6m or 1y6m
    #[arg(long, value_name = "TERM", default_value = "1y", allow_hyphen_values = true)]
    pub term: TermWord,
    /// What was paid, with its currency, such as 760.00USD
    #[arg(long, value_name = "AMOUNT", default_value = "0", allow_hyphen_values = true)]
    pub paid: Paid,
}

#[derive(Args, Debug)]
pub struct BuyQuotaArgs {
    /// The root whose pool it goes to
    #[arg(long, value_name = "CA")]
    pub root: String,
    /// How many units
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub count: Number,
    /// What was paid, with its currency, such as 50.00USD
    #[arg(long, value_name = "AMOUNT", default_value = "0", allow_hyphen_values = true)]
    pub paid: Paid,
}

#[derive(Args, Debug)]
pub struct AssignArgs {
    /// The intermediate
    #[arg(value_name = "CA")]
    pub ca: String,
    /// How many units
    #[arg(value_name = "N", allow_negative_numbers = true)]
    pub units: Number,
}

#[derive(Args, Debug)]
pub struct ExtendArgs {
    /// The CA; a root takes its bundled intermediate along
    #[arg(value_name = "CA")]
    pub ca: String,
    /// By how much, such as 1y or 6m
    #[arg(long, value_name = "TERM", allow_hyphen_values = true)]
    pub term: TermWord,
}

#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("step"),
    after_help = "\
A refund takes two steps: it is requested, which freezes what was bought, and then returned or declined.
Example:
  pca refund ord_k3fj5s7wq2m4xyzt --eligible   # exit 0: it could be; 1: why not
  pca refund ord_k3fj5s7wq2m4xyzt              # request it
  pca refund ord_k3fj5s7wq2m4xyzt --returned   # it was paid back"
)]
pub struct RefundArgs {
    /// The order
    #[arg(value_name = "ORDER")]
    pub order: String,
    /// The money was returned
    #[arg(long, group = "step")]
    pub returned: bool,
    /// The refund was declined, and why
    #[arg(long, value_name = "REASON", group = "step", allow_hyphen_values = true)]
    pub declined: Option<String>,
    /// Only ask whether it could be requested
    #[arg(long, group = "step")]
    pub eligible: bool,
}
