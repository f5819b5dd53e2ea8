//! A directory of `pca`, shared by turns with the `pca` that an administrator runs beside.
//!
//! One process at a time has log and keys. So the directory is opened when somebody asks, stays open as long as requests
//! follow each other, and is closed when there was none for a while, or others have had to wait for long enough; opening it
//! takes some 50 ms, for the passphrase. In a program of your own that issues *and* answers, one `Pca` does both, and none of
//! this is needed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pca_core::keys::KeyError;
use pca_core::log::StoreError;
use pca_core::ports::EventStore as _;
use pca_core::service::{Call, OneAdministrator, Parts, Pca, Snapshots, blocking};
use pca_store_file::{FileEventStore, FileKeyStore, FileKeyStoreOptions, FileSnapshotStore, Options};
use pca_system::{OsEntropy, SystemClock};
use secrecy::SecretString;

/// How long the directory stays open after a request.
const IDLE: Duration = Duration::from_millis(200);
/// How long it is held while request follows request.
const TURN: Duration = Duration::from_secs(2);
/// How long others then have it.
const PAUSE: Duration = Duration::from_millis(150);
/// How long others are waited for.
const PATIENCE: Duration = Duration::from_secs(8);

/// Whatever keeps a request from being answered.
pub type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// The directory.
pub struct Place {
    directory: PathBuf,
    passphrase: SecretString,
    opened: Arc<Mutex<Option<Opened>>>,
}

struct Opened {
    pca: blocking::Pca,
    log: Arc<FileEventStore>,
    call: Call,
    since: Instant,
    used: Instant,
}

impl Opened {
    fn close(self) {
        let Self { pca, log, .. } = self;
        pca.save_snapshots();
        drop(pca);
        if let Err(error) = pollster::block_on(log.close()) {
            eprintln!("warning: closing the log: {error}");
        }
    }
}

impl Place {
    pub fn new(directory: &Path, passphrase: SecretString) -> Self {
        let opened: Arc<Mutex<Option<Opened>>> = Arc::default();
        let watched = Arc::clone(&opened);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(IDLE / 4);
                let mut opened = watched.lock().unwrap_or_else(PoisonError::into_inner);
                let over = opened.take_if(|opened| opened.used.elapsed() > IDLE || opened.since.elapsed() > TURN);
                if let Some(over) = over {
                    let busy = over.used.elapsed() <= IDLE;
                    over.close();
                    if busy {
                        // Requests wait, and whoever works on the directory does not.
                        std::thread::sleep(PAUSE);
                    }
                }
            }
        });
        Self { directory: directory.to_owned(), passphrase, opened }
    }

    /// Does something with the service, and in whose name.
    pub fn with<T>(&self, work: impl FnOnce(&blocking::Pca, &Call) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match opened.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let open = opened.insert(open);
        let done = work(&open.pca, &open.call);
        open.used = Instant::now();
        done
    }

    fn open(&self) -> Result<Opened, Trouble> {
        let place = self.directory.join("log");
        if !place.is_dir() {
            return Err(format!("there is no log at {}", place.display()).into());
        }
        let log = patiently(
            || FileEventStore::open(&place, Options::default()),
            |error| matches!(error, StoreError::InUse { .. }),
        )?;
        let keys = patiently(
            || {
                let options = FileKeyStoreOptions::default();
                FileKeyStore::open(&self.directory.join("keys"), self.passphrase.clone(), options)
            },
            |error| matches!(error, KeyError::InUse { .. }),
        )?;
        let log = Arc::new(log);
        let parts = Parts {
            store: log.clone(),
            keys: Arc::new(keys),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            authorizer: Arc::new(OneAdministrator),
            journal: Arc::default(),
            recorder: None,
            snapshots: None,
        };
        let snapshots = Snapshots::new(FileSnapshotStore::new(place.join("snapshots")));
        let pca = blocking::Pca::new(Pca::new(parts.with_snapshots(snapshots)));
        let mut call = Call::by("responder");
        if pca.question(|desk, _| Ok(desk.enterprise()?.is_rehearsal()))? {
            // A rehearsal's time stands still between commands.
            call = call.at(pollster::block_on(log.head())?.time);
        }
        let now = Instant::now();
        Ok(Opened { pca, log, call, since: now, used: now })
    }
}

fn patiently<T, E>(open: impl Fn() -> Result<T, E>, in_use: impl Fn(&E) -> bool) -> Result<T, E> {
    let begun = Instant::now();
    loop {
        match open() {
            Err(error) if in_use(&error) && begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}
