//! The log and the keys of a directory, opened for questions or for commands.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pca_core::domain::{Command, Refusal};
use pca_core::keys::KeyError;
use pca_core::log::{Position, StoreError, Timestamp};
use pca_core::ports::{Clock, EventStore, KeyStore};
use pca_core::service::{Call, Done, OneAdministrator, Parts, Pca, Snapshots};
use pca_store_file::{FileEventStore, FileKeyStore, FileKeyStoreOptions, FileSnapshotStore, Options};
use pca_system::{OsEntropy, SystemClock};
use secrecy::SecretString;

use crate::args::{AsOf, Global, Time};
use crate::as_of::{Earlier, FixedClock, NoKeys};
use crate::exit::{Answer, Failure, Outcome, say};
use crate::gate::Gate;
use crate::{person, secret};

/// How long a command waits for another process to finish with the directory.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where snapshots lie, below the log. They are a cache: whoever finds them gone or damaged reads the log instead.
const SNAPSHOTS: &str = "snapshots";

/// An opened directory.
pub struct Shop {
    /// The service.
    pub pca: Pca,
    /// The log.
    pub log: Arc<FileEventStore>,
    /// The keys, where the passphrase was given.
    pub keys: Option<Arc<FileKeyStore>>,
    /// Folded state that is kept beside the log.
    snapshots: Option<Snapshots>,
    /// Who calls, and why.
    pub call: Call,
    /// The same without the idempotency key, for what follows a command.
    pub after: Call,
    /// What time it is, for questions.
    pub now: Timestamp,
}

impl Shop {
    /// Opens the log for questions: without lock or passphrase, healing nothing, perhaps as of an earlier point.
    pub async fn asking(global: &Global) -> Result<Self, Failure> {
        let directory = existing(global)?;
        let log = Arc::new(FileEventStore::open_read_only(&directory, Options::default())?);
        let store = Earlier::of(Arc::clone(&log), limit(global, &log).await?).await?;
        let head = store.head().await?;
        // What was folded later is of no use to one who asks of an earlier log.
        let snapshots = match global.as_of {
            None => Some(Snapshots::new(FileSnapshotStore::read_only(directory.join(SNAPSHOTS)))),
            Some(_) => None,
        };
        let base = assemble(Arc::new(store), Arc::new(NoKeys), Arc::new(SystemClock), None);
        let now = match (global.now, global.as_of) {
            (Some(Time(now)), _) | (None, Some(AsOf::Time(now))) => now.max(head.time),
            (None, Some(AsOf::Position(_))) => head.time,
            (None, None) if is_rehearsal(&base).await? => head.time,
            (None, None) => SystemClock.now().max(head.time),
        };
        let pca = assemble(Arc::clone(base.store()), Arc::new(NoKeys), Arc::new(FixedClock(now)), snapshots.clone());
        Ok(Self { pca, log, keys: None, snapshots, call: call(global).at(now), after: unkeyed(global).at(now), now })
    }

    /// Opens log and keys for a question that needs both. While the keys are held, no other process is at work.
    pub async fn asking_with_keys(global: &Global) -> Result<Self, Failure> {
        existing(global)?;
        let keys = Arc::new(keys(global, secret::needed(global)?)?);
        let shop = Self::asking(global).await?;
        let clock = Arc::new(FixedClock(shop.now));
        let pca = assemble(Arc::clone(shop.pca.store()), keys.clone(), clock, shop.snapshots.clone());
        Ok(Self { pca, keys: Some(keys), ..shop })
    }

    /// Opens log and keys for a command, and finishes what a crash interrupted.
    pub async fn working(global: &Global) -> Result<Self, Failure> {
        let directory = existing(global)?;
        let passphrase = secret::needed(global)?;
        let log = patiently(|| FileEventStore::open(&directory, Options::default()), log_in_use)?;
        let keys = keys(global, passphrase)?;
        let shop = Self::of(global, log, keys).await?;
        shop.resume().await;
        Ok(shop)
    }

    /// Makes what is missing of a directory, and opens it for its first command.
    pub async fn founding(global: &Global, passphrase: SecretString) -> Result<Self, Failure> {
        let (log, keys) = (global.dir.join("log"), global.dir.join("keys"));
        make_directory(&global.dir)?;
        let options = FileKeyStoreOptions::default();
        let keys = if FileKeyStore::exists(&keys)? {
            let opened = FileKeyStore::open(&keys, passphrase, options)?;
            of_no_other_log(&log, &opened).await?;
            opened
        } else {
            FileKeyStore::create(&keys, passphrase, options)?
        };
        let log = patiently(|| FileEventStore::open_or_create(&log, Options::default()), log_in_use)?;
        Self::of(global, log, keys).await
    }

    /// Opens the log for an import, making what is missing; the keys are left alone.
    pub fn receiving(global: &Global) -> Result<FileEventStore, Failure> {
        make_directory(&global.dir)?;
        let log = global.dir.join("log");
        Ok(patiently(|| FileEventStore::open_or_create(&log, Options::default()), log_in_use)?)
    }

    async fn of(global: &Global, log: FileEventStore, keys: FileKeyStore) -> Result<Self, Failure> {
        let (log, keys) = (Arc::new(log), Arc::new(keys));
        let snapshots = Some(Snapshots::new(FileSnapshotStore::new(global.dir.join("log").join(SNAPSHOTS))));
        let pca = assemble(log.clone(), keys.clone(), Arc::new(SystemClock), snapshots.clone());
        let (mut call, mut after) = (call(global), unkeyed(global));
        // A rehearsal log never goes by the machine's clock: without --now its time stands still.
        if global.now.is_none() && is_rehearsal(&pca).await? {
            let standing = log.head().await?.time;
            (call, after) = (call.at(standing), after.at(standing));
        }
        let now = global.now.map_or_else(|| SystemClock.now(), |Time(now)| now);
        Ok(Self { pca, log, keys: Some(keys), snapshots, call, after, now })
    }

    /// What a crash, or the command before, has left is finished; what cannot be is told and tried again by the next command.
    pub async fn resume(&self) {
        match self.pca.resume(&self.after).await {
            Ok(steps) => {
                for step in steps.iter().filter(|step| step.outcome.is_err()) {
                    say(&format!("warning: not finished yet, and tried again by the next command: {step:?}"));
                }
            }
            Err(error) => say(&format!("warning: what a crash interrupted could not be finished: {error}")),
        }
    }

    /// Keeps what was folded for the next command, and seals the log, so that others read all of it.
    pub async fn close(self) -> Result<(), Failure> {
        let Self { pca, log, keys, .. } = self;
        pca.save_snapshots().await;
        drop((pca, keys));
        Ok(log.close().await?)
    }
}

/// Carries out a command, or previews it (`--dry-run`), or tells every rule that stands against it.
pub async fn carry_out<C: Command>(
    global: &Global,
    gate: Gate,
    command: C,
    answer: impl FnOnce(C::Answer) -> Answer,
) -> Outcome {
    if !gate.is_open() || global.dry_run {
        return preview(global, gate, &command).await;
    }
    let shop = Shop::working(global).await?;
    let done = shop.pca.execute(command, &shop.call).await;
    shop.close().await?;
    Ok(answer(told(done?)))
}

/// Previews a command, or tells every rule that stands against it.
pub async fn preview<C: Command>(global: &Global, gate: Gate, command: &C) -> Outcome {
    let shop = Shop::asking(global).await?;
    let previewed = shop.pca.preview(command, &shop.call).await;
    judge(gate, previewed).map(|preview| crate::output::dry_run(&preview))
}

/// Joins what the words broke and what the rules found.
pub fn judge<T>(gate: Gate, found: Result<T, pca_core::service::Error>) -> Result<T, Failure> {
    match found {
        Ok(found) if gate.is_open() => Ok(found),
        Ok(_) => Err(Failure::Refused(gate.reasons(&[]))),
        Err(error) => match error.refusal().map(Refusal::broken) {
            Some(broken) => Err(Failure::Refused(gate.reasons(broken))),
            None => Err(error.into()),
        },
    }
}

/// The answer of a command; says so if it had been done before.
pub fn told<A>(done: Done<A>) -> A {
    if done.repeated {
        say("done before, under the same idempotency key");
    }
    done.answer
}

fn assemble(
    store: Arc<dyn EventStore>,
    keys: Arc<dyn KeyStore>,
    clock: Arc<dyn Clock>,
    snapshots: Option<Snapshots>,
) -> Pca {
    Pca::new(Parts {
        store,
        keys,
        clock,
        entropy: Arc::new(OsEntropy),
        authorizer: Arc::new(OneAdministrator),
        journal: Arc::default(),
        recorder: None,
        snapshots,
    })
}

/// Who calls, why, and at what time.
pub fn call(global: &Global) -> Call {
    let mut call = Call::by(person::operating_system_user());
    if let Some(actor) = &global.actor {
        call = call.claiming(actor);
    }
    if let Some(reason) = &global.because {
        call = call.because(reason);
    }
    if let Some(correlation) = &global.correlation {
        call = call.correlated(correlation);
    }
    if let Some(key) = &global.key {
        call = call.idempotent(key);
    }
    if let Some(Time(now)) = global.now {
        // A time that is given by hand is confirmed by that.
        call = call.at(now).confirming_clock();
    }
    if global.confirm_clock { call.confirming_clock() } else { call }
}

fn unkeyed(global: &Global) -> Call {
    call(&Global { key: None, ..global.clone() })
}

async fn is_rehearsal(pca: &Pca) -> Result<bool, Failure> {
    Ok(pca.question(|desk, _| Ok(desk.enterprise()?.is_rehearsal())).await?)
}

/// Up to where questions see the log.
async fn limit(global: &Global, log: &FileEventStore) -> Result<Position, Failure> {
    match global.as_of {
        None => Ok(Position::MAX),
        Some(AsOf::Position(position)) => {
            let head = log.head().await?.position;
            if position > head {
                let message = format!("position {position} is asked for, but the log has {head} events");
                return Err(Failure::refused("L7", "position-not-reached", message));
            }
            Ok(position)
        }
        Some(AsOf::Time(time)) => {
            let mut reached = Position::ZERO;
            loop {
                let batch = log.follow(reached, 4096).await?;
                for recorded in &batch {
                    if recorded.seal().time > time {
                        return Ok(reached);
                    }
                    reached = recorded.seal().last();
                }
                if batch.is_empty() {
                    return Ok(reached);
                }
            }
        }
    }
}

fn keys(global: &Global, passphrase: SecretString) -> Result<FileKeyStore, KeyError> {
    let directory = global.dir.join("keys");
    let open = || FileKeyStore::open(&directory, passphrase.clone(), FileKeyStoreOptions::default());
    patiently(open, |error| matches!(error, KeyError::InUse { .. }))
}

/// Only the directory can be had so far.
pub fn only_directories(global: &Global) -> Result<(), Failure> {
    match global.store {
        Some(_) => Err(Failure::trouble("store", "the PostgreSQL store is not part of this build; use --dir DIR")),
        None => Ok(()),
    }
}

fn existing(global: &Global) -> Result<PathBuf, Failure> {
    let directory = global.dir.join("log");
    match std::fs::metadata(&directory) {
        Ok(metadata) if metadata.is_dir() => Ok(directory),
        // What is there and cannot be seen is not absent.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(Failure::file("looking for the log at", &directory, &error))
        }
        _ => {
            let place = directory.display();
            let message = format!("there is no log at {place}; make one with `pca init`, or give --dir DIR");
            Err(Failure::trouble("no-store", message))
        }
    }
}

/// Beside a log that is begun there are no keys yet: those of a log that is gone would be orphans, which a sweep destroys.
async fn of_no_other_log(log: &std::path::Path, keys: &FileKeyStore) -> Result<(), Failure> {
    let is_of_log = |entry: std::io::Result<std::fs::DirEntry>| entry.is_ok_and(|entry| entry.file_name() != SNAPSHOTS);
    let is_begun = std::fs::read_dir(log).is_ok_and(|mut entries| entries.any(is_of_log));
    let count = if is_begun { 0 } else { keys.list().await?.len() };
    if count == 0 {
        return Ok(());
    }
    let message = format!(
        "there is no log at {}, but its key store holds {count} keys: bring the log back, or give another --dir",
        log.display()
    );
    Err(Failure::trouble("key", message))
}

pub fn make_directory(directory: &std::path::Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(directory);
    made.map_err(|error| Failure::file("making the directory", directory, &error))
}

fn log_in_use(error: &StoreError) -> bool {
    matches!(error, StoreError::InUse { .. })
}

/// Tries until nobody else is in the way, or patience ends. Who is in the way is told as soon as it takes a while.
fn patiently<T, E: core::fmt::Display>(
    mut open: impl FnMut() -> Result<T, E>,
    in_use: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        match open() {
            Err(error) if in_use(&error) && begun.elapsed() < PATIENCE => {
                if !told && begun.elapsed() > Duration::from_secs(1) {
                    say(&format!("waiting up to {} seconds: {error}", PATIENCE.as_secs()));
                    told = true;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}
