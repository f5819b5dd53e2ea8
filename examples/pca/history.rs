//! The log itself: its events, and whether it is sound.

use futures_util::StreamExt as _;
use pca_core::log::{Digest, Position, Recorded, StoreError, Verifier};
use pca_core::projection::{DomainVerifier, audit};
use serde_json::{Value, json};

use crate::args::{Global, LogArgs, Number, VerifyArgs};
use crate::exit::{Answer, Failure, Outcome, REFUSED, TROUBLE, print, say};
use crate::key_check::{self, KeyLedger};
use crate::output::harmless;
use crate::shop::Shop;
use crate::{output, secret};

/// `pca log`
pub async fn log(global: &Global, args: LogArgs) -> Outcome {
    if args.follow && global.as_of.is_some() {
        return Err(Failure::Usage("--follow and --as-of exclude each other: an earlier log does not grow".into()));
    }
    let shop = Shop::asking(global).await?;
    let mut after = match args.after {
        Some(Number::Fits(position)) => Position::new(position),
        Some(Number::Negative(text) | Number::TooLarge(text)) => {
            return Err(Failure::Usage(format!("`{text}` is no position of the log, which are counted from 1")));
        }
        None => Position::ZERO,
    };
    let begin = after;
    loop {
        let batch = shop.pca.store().follow(after, 1024).await?;
        let Some(last) = batch.last() else { break };
        after = last.seal().last();
        let mut lines = String::new();
        for recorded in &batch {
            tell(recorded, begin, global.json, &mut lines)?;
        }
        if is_over(print(&lines))? {
            return Ok(Answer::Printed);
        }
    }
    if args.follow {
        let mut more = Box::pin(shop.pca.follow(after));
        while let Some(recorded) = more.next().await {
            let mut lines = String::new();
            let recorded = recorded?;
            tell(&recorded, begin, global.json, &mut lines)?;
            if is_over(print(&lines))? {
                break;
            }
        }
    }
    Ok(Answer::Printed)
}

/// Whether whoever reads has had enough; other trouble with standard output is trouble.
fn is_over(printed: std::io::Result<()>) -> Result<bool, Failure> {
    match printed {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(true),
        Err(error) => Err(Failure::trouble("file", format!("writing to standard output: {error}"))),
    }
}

/// Tells the events of a commit that are behind a position.
fn tell(recorded: &Recorded, after: Position, as_json: bool, lines: &mut String) -> Result<(), Failure> {
    let entries = audit::entries(recorded).map_err(|error| Failure::trouble("damaged", error.to_string()))?;
    for entry in entries.into_iter().filter(|entry| entry.position > after) {
        if as_json {
            let json = serde_json::to_value(&entry).map_err(|error| Failure::trouble("store", error.to_string()))?;
            lines.push_str(&times_for_people(json).to_string());
        } else {
            let claimed = entry.claimed_actor.map(|name| format!(" as {}", harmless(&name))).unwrap_or_default();
            let reason = entry.reason.map(|reason| format!("  “{}”", harmless(&reason))).unwrap_or_default();
            let streams: Vec<&str> = entry.streams.iter().map(|stream| stream.as_str()).collect();
            lines.push_str(&format!(
                "{:>6}  {}  {}  {}{claimed}  {}{reason}",
                entry.position,
                output::day(entry.time),
                entry.kind,
                entry.actor,
                output::paint(&streams.join(" "), Some(output::Colour::Grey)),
            ));
        }
        lines.push('\n');
    }
    Ok(())
}

/// Times of the envelope as RFC 3339, whatever the projection's own form is.
fn times_for_people(mut json: Value) -> Value {
    if let Value::Object(fields) = &mut json {
        for name in ["time", "decided_at", "wall_clock"] {
            if let Some(micros) = fields.get(name).and_then(Value::as_i64) {
                fields.insert(name.into(), pca_core::log::Timestamp::from_micros(micros).to_string().into());
            }
        }
    }
    json
}

/// `pca verify`
pub async fn verify(global: &Global, args: VerifyArgs) -> Outcome {
    // The keys are as they are now: beside an earlier log there is nothing to compare them with.
    let passphrase = if global.as_of.is_none() { secret::of_store(global)? } else { None };
    let shop = match Shop::asking(global).await {
        Ok(shop) => shop,
        Err(Failure::Trouble { kind: "damaged", message }) => return Ok(damaged(0, 0, None, vec![message])),
        Err(other) => return Err(other),
    };
    let expected = match args.expect.as_deref().map(str::parse::<Digest>) {
        Some(Ok(digest)) => Some(digest),
        Some(Err(error)) => return Err(Failure::Usage(error.to_string())),
        None => None,
    };
    let (mut chain, mut rules, mut faults) = (Verifier::default(), DomainVerifier::default(), Vec::new());
    let mut ledger = KeyLedger::default();
    let total = shop.pca.store().head().await?.position.get();
    // Before its first commit the head of a log is zero: of a log with commits that says nothing.
    let mut seen = expected == Some(Digest::ZERO) && total == 0;
    let bar = output::progress(Some(total), "verifying {bar:40} {pos}/{len} events, {eta} left");
    let mut after = Position::ZERO;
    loop {
        let batch = match shop.pca.store().follow(after, 1024).await {
            Ok(batch) => batch,
            Err(error @ StoreError::Corrupt { .. }) => {
                faults.push(error.to_string());
                break;
            }
            Err(error) => return Err(error.into()),
        };
        let Some(last) = batch.last() else { break };
        after = last.seal().last();
        for recorded in &batch {
            faults.extend(chain.follow(recorded).iter().map(ToString::to_string));
            faults.extend(rules.follow(recorded).iter().map(ToString::to_string));
            // An event that cannot be decoded was told by the rules.
            let _ = ledger.follow(recorded);
            seen |= expected == Some(recorded.seal().digest);
        }
        bar.set_position(after.get());
    }
    bar.finish_and_clear();
    faults.extend(rules.finish().err().map(|fault| fault.to_string()));
    let keys = match passphrase {
        Some(passphrase) => match key_check::check(global, &ledger, passphrase).await {
            Ok(keys) => Some(keys),
            Err(Failure::Trouble { kind: "damaged", message }) => {
                faults.push(message);
                None
            }
            Err(Failure::Trouble { kind: "in-use", message }) => {
                say(&format!("warning: the keys are not checked, as another process is at work: {message}"));
                None
            }
            Err(other) => return Err(other),
        },
        None => None,
    };
    let (commits, events, head) = (chain.commits(), chain.events(), chain.head());
    if let Some(keys) = &keys {
        faults.extend(keys.faults.iter().cloned());
    }
    if !faults.is_empty() {
        return Ok(damaged(commits, events, Some(head.digest), faults));
    }
    let rehearsal = shop.pca.question(|desk, _| Ok(desk.enterprise()?.is_rehearsal())).await?;
    let torn = shop.log.torn_bytes();
    let ok = expected.is_none() || seen;
    let mut json = json!({
        "commits": commits,
        "events": events,
        "head": head.digest.to_string(),
        "ok": ok,
        "torn_bytes": torn,
        "rehearsal": rehearsal,
        "certificates": rules.certificates(),
    });
    let mut text = format!(
        "sound: {commits} commits, {events} events, {} certificates\nhead  {}\n",
        rules.certificates(),
        head.digest
    );
    if torn > 0 {
        text.push_str(&format!(
            "{torn} octets at the end are a torn tail that was never acknowledged; the next command puts them aside\n"
        ));
    }
    if rehearsal {
        text.push_str("this is a rehearsal log: its times are the caller's\n");
    }
    if let (Some(keys), Value::Object(fields)) = (keys, &mut json) {
        text.push_str(&format!("{} keys are sound, {} have no owner\n", keys.sound, keys.orphans.len()));
        fields.insert("keys".into(), keys.sound.into());
        fields.insert("orphaned_keys".into(), keys.orphans.into());
    }
    if ok {
        return Ok(Answer::new(json, text));
    }
    let text = "no commit of this log has the digest that is expected: it is another log, or its end was cut off";
    if let Value::Object(fields) = &mut json {
        fields.insert("faults".into(), vec![text].into());
    }
    Ok(Answer::with_code(json, text, REFUSED))
}

fn damaged(commits: u64, events: u64, head: Option<Digest>, faults: Vec<String>) -> Answer {
    let mut text = String::from("damaged:\n");
    for fault in &faults {
        text.push_str(&format!("  {fault}\n"));
    }
    let head = head.map(|head| head.to_string());
    let json = json!({ "commits": commits, "events": events, "head": head, "ok": false, "faults": faults });
    Answer::with_code(json, text, TROUBLE)
}
