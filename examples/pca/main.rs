//! `pca`: the whole service on one directory. The first thing a newcomer runs, built from the libraries' public API only.
//!
//! Exit codes: 0 done; 1 refused by the rules, or an answer of no; 2 words that are not understood; 3 store, key or file
//! trouble.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::exhaustive_enums,
    clippy::field_reassign_with_default,
    clippy::large_enum_variant
)]

mod admin;
mod args;
mod as_of;
mod authorities;
mod bulk;
mod check_chain;
mod crls;
mod download;
mod due;
mod endings;
mod exit;
mod file;
mod gate;
mod history;
mod issue;
mod key_check;
mod line;
mod list;
mod ocsp;
mod orders;
mod output;
mod person;
mod profiles;
mod renewals;
mod secret;
mod shop;
mod show;
mod transfer;
mod view;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use pca_core::x509::Profile;

use args::{Cli, Command, Global, IssueCommand, KeysCommand, PolicyCommand, ProfileCommand};
use exit::{Failure, Outcome};

/// A certificate takes dozens of small pieces of memory (docs/decisions/0017-allocator.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // What the libraries warn of, such as a torn tail or an index that is made anew.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .init();
    let words: Vec<_> = std::env::args_os().collect();
    let code = match Cli::try_parse_from(&words) {
        Ok(cli) => {
            let json = cli.global.json || asks_json_later(&cli.command);
            exit::conclude(pollster::block_on(run(cli.global, cli.command)), json)
        }
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let _ = error.print();
            exit::DONE
        }
        Err(error) if words.iter().skip(1).any(|word| word == "--json") => {
            exit::conclude(Err(Failure::Usage(usage(&error))), true)
        }
        Err(error) => {
            let _ = error.print();
            exit::USAGE
        }
    };
    ExitCode::from(code)
}

/// What is wrong with the words, without what is for people at a terminal.
fn usage(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.trim().trim_start_matches("error: ");
    text.split("\n\nFor more information").next().unwrap_or(text).trim().to_owned()
}

fn asks_json_later(command: &Command) -> bool {
    match command {
        Command::Prove(args) => args.json(),
        _ => false,
    }
}

/// Whether a command changes nothing, so that it can be asked of the log as it was.
fn is_question(command: &Command) -> bool {
    match command {
        Command::Download(args) => !args.with_key,
        Command::Refund(args) => args.eligible,
        Command::Policy(PolicyCommand::Show)
        | Command::Profile(ProfileCommand::List)
        | Command::Preview(_)
        | Command::List(_)
        | Command::Show(_)
        | Command::Log(_)
        | Command::Verify(_)
        | Command::Export(_)
        | Command::Completions { .. }
        | Command::Due(_)
        | Command::CheckChain(_)
        | Command::Prove(_) => true,
        _ => false,
    }
}

async fn run(global: Global, command: Command) -> Outcome {
    let global = &global;
    if global.as_of.is_some() && !is_question(&command) {
        let text = "--as-of is for questions; a command happens now, and --dry-run tells what it would do now";
        return Err(Failure::Usage(text.into()));
    }
    shop::only_directories(global)?;
    match command {
        Command::Init { enterprise } => admin::init(global, enterprise).await,
        Command::Buy(args) => orders::buy(global, args).await,
        Command::Enable(args) => authorities::enable(global, *args).await,
        Command::Assign(args) => orders::assign(global, args).await,
        Command::Extend(args) => orders::extend(global, args).await,
        Command::Configure { ca, addresses, profiles } => authorities::configure(global, ca, addresses, profiles).await,
        Command::Policy(PolicyCommand::Show) => admin::show_policy(global).await,
        Command::Policy(PolicyCommand::Adopt { file }) => admin::adopt_policy(global, &file).await,
        Command::Profile(ProfileCommand::List) => profiles::list(global).await,
        Command::Profile(ProfileCommand::Add { file }) => profiles::add(global, &file).await,
        Command::Issue(IssueCommand::Server(args)) => {
            issue::plain(global, Profile::Server, &args.ca, args.request).await
        }
        Command::Issue(IssueCommand::Client(args)) => {
            issue::plain(global, Profile::Client, &args.ca, args.request).await
        }
        Command::Issue(IssueCommand::Profile(args)) => issue::profile(global, args).await,
        Command::Issue(IssueCommand::Bulk(args)) => bulk::bulk(global, args).await,
        Command::Download(args) => download::download(global, args).await,
        Command::Revoke(args) => issue::revoke(global, args).await,
        Command::Unhold { certificate } => issue::unhold(global, &certificate).await,
        Command::Crl { ca, out, delta, partition } => crls::publish(global, ca, &out, delta, partition.as_ref()).await,
        Command::Ocsp(args) => ocsp::answer(global, args).await,
        Command::Preview(args) => endings::preview(global, args).await,
        Command::Reset(args) => endings::reset(global, args).await,
        Command::RevokeCa(args) => endings::revoke(global, args).await,
        Command::Disable(args) => authorities::disable(global, args).await,
        Command::Reenable(args) => authorities::reenable(global, args).await,
        Command::Refund(args) => orders::refund(global, args).await,
        Command::Remove { id } => endings::remove(global, &id).await,
        Command::List(args) => list::list(global, args).await,
        Command::Show(args) => show::show(global, &args.id).await,
        Command::Log(args) => history::log(global, args).await,
        Command::Verify(args) => history::verify(global, args).await,
        Command::Backup(args) => transfer::backup(global, args).await,
        Command::Export(args) => transfer::export(global, args).await,
        Command::Import(args) => transfer::import(global, args).await,
        Command::Passphrase { new_passphrase_file } => admin::passphrase(global, &new_passphrase_file).await,
        Command::Keys(KeysCommand::Sweep) => admin::sweep(global).await,
        Command::Completions { shell } => admin::completions(shell),
        Command::Renew(args) => renewals::renew(global, args).await,
        Command::RenewCa(args) => renewals::renew_ca(global, args).await,
        Command::CrossSign(args) => renewals::cross_sign(global, args).await,
        Command::Due(args) => due::due(global, args).await,
        Command::CheckChain(args) => check_chain::check_chain(global, args),
        Command::Prove(_) => admin::later("L6", "proving that an event is in the log"),
    }
}
