//! The directory itself: init, policy, passphrase, keys, completions.

use std::path::Path;

use clap::CommandFactory as _;
use pca_core::domain::enterprise::FoundEnterprise;
use pca_core::domain::policy::{AdoptPolicy, Policy, PolicyJsonError};
use pca_core::domain::{BrokenRule, Rule};
use pca_core::log::Timestamp;
use pca_core::service::{Parts, Pca, Swept, SweptKey};
use pca_store_memory::{MemoryEventStore, MemoryKeyStore};
use pca_system::{OsEntropy, SystemClock};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::args::{Cli, Global};
use crate::exit::{Answer, Failure, Outcome};
use crate::gate::Gate;
use crate::shop::{Shop, call, carry_out, judge, told};
use crate::{file, output, secret};

/// The least characters of a store's passphrase (rule K5).
const LEAST: usize = 12;

/// The largest policy file that is read.
const MAX_POLICY: usize = 1024 * 1024;

/// `pca init`
pub async fn init(global: &Global, enterprise: Option<String>) -> Outcome {
    let command = FoundEnterprise { name: enterprise, rehearsal: global.now.is_some(), policy: Policy::default() };
    let mut gate = Gate::new();
    let passphrase = if global.dry_run { secret::of_store(global)? } else { Some(secret::needed(global)?) };
    if let Some(passphrase) = &passphrase {
        long_enough(&mut gate, passphrase);
    }
    // A log that is refused is not begun: the rules are asked beside the directory.
    if !global.dir.join("log").is_dir() {
        let beside = Pca::new(Parts::new(MemoryEventStore::new(), MemoryKeyStore::default(), SystemClock, OsEntropy));
        let preview = judge(gate, beside.preview(&command, &call(global)).await)?;
        if global.dry_run {
            return Ok(output::dry_run(&preview));
        }
        gate = Gate::new();
    }
    if !gate.is_open() || global.dry_run {
        return crate::shop::preview(global, gate, &command).await;
    }
    let Some(passphrase) = passphrase else { return Err(Failure::trouble("passphrase", "the passphrase is missing")) };
    let shop = Shop::founding(global, passphrase).await?;
    let done = shop.pca.execute(command, &shop.call).await;
    shop.close().await?;
    let founded = told(done?);
    let mut text = format!("a log is begun in {}", global.dir.display());
    if let Some(name) = &founded.name {
        text.push_str(&format!(" for {name}"));
    }
    if founded.rehearsal {
        text.push_str("\nit is a rehearsal: its time is what --now says, and stands still without it");
    }
    text.push_str("\n\nnext: pca buy root --family ecc");
    Ok(Answer::new(json!({ "enterprise": founded.name, "rehearsal": founded.rehearsal }), text))
}

fn long_enough(gate: &mut Gate, passphrase: &SecretString) {
    let characters = passphrase.expose_secret().chars().count();
    if characters < LEAST {
        let text = format!("the passphrase has {characters} characters; at least {LEAST} are needed");
        gate.refuse(BrokenRule::new(Rule::new("K5"), "passphrase-too-short", text));
    }
}

/// `pca policy show`
pub async fn show_policy(global: &Global) -> Outcome {
    let shop = Shop::asking(global).await?;
    let policy = shop.pca.question(|desk, _| Ok(desk.policy()?.clone())).await?;
    policy_answer(&policy)
}

/// `pca policy adopt FILE`
pub async fn adopt_policy(global: &Global, path: &Path) -> Outcome {
    let octets = file::limited(path, MAX_POLICY)?;
    let no_policy = |error: &dyn std::fmt::Display| Failure::Usage(format!("{} is no policy: {error}", path.display()));
    let text = std::str::from_utf8(&octets).map_err(|error| no_policy(&error))?;
    let policy = Policy::from_json(text).map_err(|error| match error {
        PolicyJsonError::Rule(broken) => Failure::Refused(broken),
        other => no_policy(&other),
    })?;
    let shown = policy_answer(&policy)?;
    carry_out(global, Gate::new(), AdoptPolicy { policy }, |_| shown).await
}

fn policy_answer(policy: &Policy) -> Outcome {
    let json = serde_json::to_value(policy).map_err(|error| Failure::trouble("store", error.to_string()))?;
    let text = match &json {
        Value::Object(fields) => output::facts(fields.iter().map(|(name, value)| {
            let value = match value {
                Value::Null => "no limit".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (name.as_str(), value)
        })),
        _ => String::new(),
    };
    Ok(Answer::new(json, text))
}

/// `pca passphrase --new-passphrase-file FILE`
pub async fn passphrase(global: &Global, new: &Path) -> Outcome {
    let new = secret::from_file(new)?;
    let mut gate = Gate::new();
    long_enough(&mut gate, &new);
    if !gate.is_open() {
        return Err(Failure::Refused(gate.reasons(&[])));
    }
    by_its_own_time(global).await?;
    if global.dry_run {
        // Who gives the passphrase of now is told whether it is the right one.
        if secret::of_store(global)?.is_some() {
            Shop::asking_with_keys(global).await?;
        }
        return Ok(Answer::new(
            json!({ "dry_run": true, "events": [] }),
            "nothing is changed; the keys would be put under the new passphrase",
        ));
    }
    let shop = Shop::working(global).await?;
    if let Some(keys) = &shop.keys {
        keys.change_passphrase(new).await?;
    }
    shop.close().await?;
    Ok(Answer::new(json!({ "changed": true }), "the keys are under the new passphrase"))
}

/// Only a rehearsal log takes its time from the caller (rule L9), also where nothing is written into it.
async fn by_its_own_time(global: &Global) -> Result<(), Failure> {
    let shop = Shop::asking(global).await?;
    let is_rehearsal = shop.pca.question(|desk, _| Ok(desk.enterprise()?.is_rehearsal())).await?;
    if global.now.is_none() || global.dry_run || is_rehearsal {
        return Ok(());
    }
    let text = "a time was given (--now), but only a rehearsal log takes its time from the caller";
    Err(Failure::refused("L9", "not-a-rehearsal", text))
}

/// `pca keys sweep`
pub async fn sweep(global: &Global) -> Outcome {
    by_its_own_time(global).await?;
    // No other process is at work on the keys while they are open here, so that a key without an event is an orphan.
    let any_age = Timestamp::from_micros(i64::MAX);
    if global.dry_run {
        let shop = Shop::asking_with_keys(global).await?;
        let swept = shop.pca.preview_sweep(any_age, &shop.after).await?;
        let mut text = format!("nothing is changed; {} keys would be destroyed\n", swept.len());
        let destroyed = listed(&swept, &mut text);
        return Ok(Answer::new(json!({ "dry_run": true, "destroyed": destroyed }), text));
    }
    let shop = Shop::working(global).await?;
    let swept = shop.pca.sweep_keys(any_age, &shop.after).await;
    shop.close().await?;
    let swept = swept?;
    let mut text = format!("{} keys were destroyed\n", swept.len());
    let destroyed = listed(&swept, &mut text);
    Ok(Answer::new(json!({ "destroyed": destroyed }), text))
}

fn listed(swept: &[SweptKey], text: &mut String) -> Vec<Value> {
    let why = |swept: Swept| match swept {
        Swept::Orphan => "no event names it",
        Swept::Due => "its end was decided",
        _ => "its end was confirmed",
    };
    swept
        .iter()
        .map(|swept| {
            text.push_str(&format!("  {}  {}\n", swept.key, why(swept.why)));
            json!({ "key": swept.key.to_string(), "why": why(swept.why) })
        })
        .collect()
}

/// `pca completions SHELL`
pub fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut offered(&Cli::command()), "pca", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Ok(Answer::new(json!({ "shell": shell.to_string(), "script": script }), script))
}

/// A command with what can be had of it: what comes later is not offered.
fn offered(command: &clap::Command) -> clap::Command {
    // Names live as long as the program; there are some dozens of them.
    let name: &'static str = command.get_name().to_owned().leak();
    let about = command.get_about().cloned().unwrap_or_default();
    clap::Command::new(name)
        .about(about)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(name != "pca")
        .args(command.get_arguments().filter(|arg| !arg.is_hide_set()).cloned())
        .subcommands(command.get_subcommands().filter(|below| !below.is_hide_set()).map(offered))
}

/// A command of the page that comes later.
pub fn later(rule: &'static str, what: &str) -> Outcome {
    Err(Failure::refused(rule, "not-yet-supported", format!("{what} is not yet supported by this version")))
}
