//! Logs that go elsewhere: backup, export, import.

use std::fs::File;
use std::io::{BufReader, IsTerminal as _, Write};
use std::path::Path;

use pca_core::log::portable::{self, ExportError, ImportError, ImportReason};
use pca_core::log::{Digest, Head, Position, StoreError, TransferError, Transferred};
use pca_core::ports::{EventStore, Limits};
use pca_store_file::{FileEventStore, Options};
use serde_json::{Value, json};

use crate::args::{BackupArgs, ExportArgs, Global, ImportArgs};
use crate::exit::{Answer, Failure, Outcome};
use crate::file::Draft;
use crate::output;
use crate::shop::{self, Shop};

/// What stands for standard input or output.
const STANDARD: &str = "-";

/// `pca export FILE`
pub async fn export(global: &Global, args: ExportArgs) -> Outcome {
    let shop = Shop::asking(global).await?;
    let log = shop.pca.store().as_ref();
    let total = log.head().await?.position.get();
    let bar = output::progress(Some(total), "exporting {bar:40} {pos}/{len} events, {eta} left");
    let progress = |head: Head| bar.set_position(head.position.get());
    if args.file == Path::new(STANDARD) && !global.dry_run {
        if std::io::stdout().is_terminal() {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        let mut out = std::io::BufWriter::with_capacity(1024 * 1024, std::io::stdout().lock());
        portable::export(log, &mut out, progress).await.map_err(not_exported)?;
        bar.finish_and_clear();
        return Ok(Answer::Printed);
    }
    if global.dry_run {
        let done = portable::export(log, &mut std::io::sink(), progress).await.map_err(not_exported)?;
        bar.finish_and_clear();
        return Ok(counted(&done, json!({ "dry_run": true }), "nothing is written; this would be exported"));
    }
    let draft = Draft::begin(&args.file)?;
    let mut to = draft.writer()?;
    let done = portable::export(log, &mut to, progress).await.map_err(not_exported)?;
    to.flush().map_err(|error| Failure::file("writing", &args.file, &error))?;
    draft.finish()?;
    bar.finish_and_clear();
    let text = format!("exported to {}", args.file.display());
    Ok(counted(&done, json!({ "file": args.file.display().to_string() }), &text))
}

/// `pca import FILE`
pub async fn import(global: &Global, args: ImportArgs) -> Outcome {
    let is_standard = args.file == Path::new(STANDARD);
    let open = || File::open(&args.file).map(buffered).map_err(|error| Failure::file("reading", &args.file, &error));
    let mut total = None;
    // What can be read twice is checked before anything is made of it.
    if global.dry_run || !is_standard {
        let present = present(&global.dir.join("log")).await?;
        let bar = output::progress(None, "{spinner} checking, {pos} events");
        let (mut commits, mut known) = (0_u64, (present == Head::GENESIS).then_some(0));
        let limits = Limits::default();
        let follow = |head: Head| {
            commits = commits.saturating_add(1);
            if head == present {
                known = Some(commits);
            }
            bar.set_position(head.position.get());
        };
        let checked = if is_standard {
            portable::check(buffered(std::io::stdin().lock()), limits, follow)
        } else {
            portable::check(open()?, limits, follow)
        };
        bar.finish_and_clear();
        let checked = checked.map_err(not_imported)?;
        let Some(known) = known else { return Err(another_log(global, &present)) };
        total = Some(checked.head.position.get());
        if global.dry_run {
            let done = Transferred { added: checked.commits.saturating_sub(known), ..checked };
            let json = json!({ "dry_run": true, "added": done.added });
            return Ok(counted(&done, json, &format!("nothing is changed; {} commits would be imported", done.added)));
        }
    }
    let log = Shop::receiving(global)?;
    let bar = output::progress(total, "importing {bar:40} {pos}/{len} events, {eta} left");
    let progress = |head: Head| bar.set_position(head.position.get());
    let done = if is_standard {
        portable::import(buffered(std::io::stdin().lock()), &log, progress).await
    } else {
        portable::import(open()?, &log, progress).await
    };
    bar.finish_and_clear();
    let closed = log.close().await;
    let done = done.map_err(not_imported)?;
    closed?;
    let text = format!(
        "{} commits were imported into {}; keys are not among them, and `pca verify` holds it against the rules",
        done.added,
        log.directory().display()
    );
    Ok(counted(&done, json!({ "added": done.added }), &text))
}

/// `pca backup DIR`
pub async fn backup(global: &Global, args: BackupArgs) -> Outcome {
    let shop = Shop::asking(global).await?;
    let place = args.directory.join("log");
    if global.dry_run {
        let present = present(&place).await?;
        let (mut done, mut known) = (Transferred { commits: 0, added: 0, head: Head::GENESIS }, None);
        if present == Head::GENESIS {
            known = Some(0);
        }
        loop {
            let batch = shop.log.follow(done.head.position, 1024).await?;
            if batch.is_empty() {
                break;
            }
            for recorded in batch {
                done.commits = done.commits.saturating_add(1);
                done.head = recorded.seal().head();
                if done.head == present {
                    known = Some(done.commits);
                }
            }
        }
        let Some(known) = known else { return Err(not_a_backup(&place, &present)) };
        done.added = done.commits.saturating_sub(known);
        let json = json!({ "dry_run": true, "added": done.added, "keys_copied": false });
        return Ok(counted(&done, json, &format!("nothing is changed; {} commits would be copied", done.added)));
    }
    shop::make_directory(&args.directory)?;
    let total = shop.log.head().await?.position.get();
    let bar = output::progress(Some(total), "{msg} {bar:40} {pos}/{len} events");
    bar.set_message("copying");
    let progress = |head: Head| {
        if head.position.get() < bar.position() {
            bar.set_message("checking");
        }
        bar.set_position(head.position.get());
    };
    let done = shop.log.backup(&place, Options::default(), progress).await;
    bar.finish_and_clear();
    let done = done.map_err(|error| moved(error, Failure::trouble))?;
    let text = format!(
        "{} commits were added to the backup in {}, which was checked from the beginning; keys are not copied",
        done.added,
        place.display()
    );
    let json = json!({ "directory": place.display().to_string(), "added": done.added, "keys_copied": false });
    Ok(counted(&done, json, &text))
}

fn buffered<R: std::io::Read>(from: R) -> BufReader<R> {
    BufReader::with_capacity(1024 * 1024, from)
}

/// The newest commit of the log in a directory that may have none.
async fn present(directory: &Path) -> Result<Head, Failure> {
    if !directory.join("format").exists() {
        return Ok(Head::GENESIS);
    }
    Ok(FileEventStore::open_read_only(directory, Options::default())?.head().await?)
}

fn another_log(global: &Global, present: &Head) -> Failure {
    let place = global.dir.join("log");
    let Head { position, digest, .. } = present;
    let place = place.display();
    let message = format!("{place} is another log, which is left alone: the file has no commit {digest} at {position}");
    Failure::trouble("another-log", message)
}

fn not_a_backup(place: &Path, present: &Head) -> Failure {
    let Head { position, digest, .. } = present;
    let place = place.display();
    let message = format!("{place} is no backup of this log, which has no commit {digest} at position {position}");
    Failure::trouble("another-log", message)
}

/// What was gone through, beside what a command adds.
fn counted(done: &Transferred, json: Value, text: &str) -> Answer {
    let (events, head): (Position, Digest) = (done.head.position, done.head.digest);
    let mut fields = json!({ "commits": done.commits, "events": events.get(), "head": head.to_string() });
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, json) {
        fields.extend(more);
    }
    Answer::new(fields, format!("{text}\n{} commits, {events} events\nhead  {head}\n", done.commits))
}

fn not_exported(error: ExportError) -> Failure {
    match error {
        ExportError::Log(error) => moved(error, Failure::trouble),
        ExportError::Io { .. } => Failure::trouble("file", error.to_string()),
        _ => Failure::trouble("store", error.to_string()),
    }
}

fn not_imported(error: ImportError) -> Failure {
    let line = error.line;
    let kind = match *error.reason {
        ImportReason::Io { .. } => "file",
        ImportReason::Version { .. } => "newer-version",
        ImportReason::Transfer(error) => {
            return moved(error, |kind, message| Failure::trouble(kind, format!("line {line}: {message}")));
        }
        _ => "damaged",
    };
    Failure::trouble(kind, error.to_string())
}

fn moved(error: TransferError, trouble: impl FnOnce(&'static str, String) -> Failure) -> Failure {
    let kind = match &error {
        TransferError::Differs { .. } | TransferError::Longer { .. } => "another-log",
        TransferError::Refused { source: StoreError::TooLarge { .. }, .. } => "store",
        TransferError::Source(_) | TransferError::Refused { .. } => "damaged",
        TransferError::Store(StoreError::Corrupt { .. }) => "damaged",
        TransferError::Store(StoreError::InUse { .. }) => "in-use",
        _ => "store",
    };
    trouble(kind, error.to_string())
}
