//! Snapshots of folded state in files: one file for each stream and version of a fold.
//!
//! A snapshot is a cache. It is written beside the file that it replaces and renamed over it, without a sync: after a
//! crash the name stands for the old file, the new one, or one whose octets did not all reach the disk. The checksum over
//! the whole file finds the last, and damage is absence: then a stream is read from its beginning once. A sync would cost
//! an issuing more than the snapshot saves, and nothing that a snapshot says is taken without looking at the log.
//!
//! `docs/log-format.md` describes the files.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pca_core::log::{Revision, StoreError};
use pca_core::ports::{Snapshot, SnapshotKey, SnapshotStore};
use sha2::{Digest as _, Sha256};

const MAGIC: &[u8; 8] = b"PCA-SNP\n";
const FORMAT: u32 = 1;
const CHECKSUM_TAG: &[u8] = b"pca-snapshot-v1\0";
const NAME_TAG: &[u8] = b"pca-snapshot-name-v1\0";
/// Magic, version, fold version, revision, length of the stream's name, length of the state.
const HEADER: usize = 8 + 4 + 4 + 8 + 4 + 8;
const CHECKSUM: usize = 32;
/// No file that is larger is read.
const LARGEST: u64 = 1024 * 1024 * 1024;

/// Snapshots in a directory; clones share it. Nothing in it is secret, and all of it may be removed at any time.
///
/// The directory is made when the first snapshot is kept. One process writes at a time, as to the log that it belongs
/// to; others may read ([`read_only`](Self::read_only)).
///
/// ```
/// use pca_core::ports::SnapshotStore as _;
/// use pca_store_file::FileSnapshotStore;
///
/// # let directory = tempfile::tempdir().unwrap();
/// let snapshots = FileSnapshotStore::new(directory.path().join("snapshots"));
/// // `Parts::with_snapshots(Snapshots::new(snapshots))` has a service use it.
/// # let key = pca_core::ports::SnapshotKey { stream: "a".parse().unwrap(), fold_version: 1 };
/// assert_eq!(pollster::block_on(snapshots.load(&key)), Ok(None));
/// ```
#[derive(Clone, Debug)]
pub struct FileSnapshotStore {
    directory: Arc<Path>,
    /// Held while a snapshot is compared with the one that is there and put in its place; absent: nothing is written.
    writing: Option<Arc<Mutex<()>>>,
}

impl FileSnapshotStore {
    /// Keeps snapshots in a directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into().into(), writing: Some(Arc::default()) }
    }

    /// Reads the snapshots of a directory, beside whoever writes there. What is to be kept or forgotten is left as it
    /// is: one who reads a log may see less of it than the snapshot was made of.
    #[must_use]
    pub fn read_only(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into().into(), writing: None }
    }

    fn path(&self, key: &SnapshotKey) -> PathBuf {
        let digest = Sha256::new()
            .chain_update(NAME_TAG)
            .chain_update(key.fold_version.to_be_bytes())
            .chain_update(key.stream.as_str().as_bytes())
            .finalize();
        let mut name: String = digest.iter().take(16).map(|octet| format!("{octet:02x}")).collect();
        name.push_str(".snapshot");
        self.directory.join(name)
    }

    /// What is kept under the key; damage is absence, and told.
    fn find(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, StoreError> {
        let path = self.path(key);
        let Some(octets) = read(&path).map_err(|error| trouble("reading", &path, &error))? else { return Ok(None) };
        let found = decode(key, &octets);
        if found.is_none() {
            tracing::warn!(path = %path.display(), stream = %key.stream, "a snapshot is damaged: it is as good as absent");
        }
        Ok(found)
    }

    fn put(&self, key: &SnapshotKey, snapshot: &Snapshot) -> Result<(), StoreError> {
        let path = self.path(key);
        let beside = path.with_extension("new");
        fs::create_dir_all(&self.directory).map_err(|error| trouble("making", &self.directory, &error))?;
        fs::write(&beside, encode(key, snapshot)).map_err(|error| trouble("writing", &beside, &error))?;
        fs::rename(&beside, &path).map_err(|error| trouble("renaming", &beside, &error))
    }
}

#[async_trait]
impl SnapshotStore for FileSnapshotStore {
    async fn load(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, StoreError> {
        self.find(key)
    }

    /// A snapshot of an earlier revision than the one that is kept is dropped: whoever made it was late.
    async fn save(&self, key: &SnapshotKey, snapshot: Snapshot) -> Result<(), StoreError> {
        let Some(writing) = &self.writing else { return Ok(()) };
        let _writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.find(key)? {
            Some(kept) if kept.revision > snapshot.revision => Ok(()),
            _ => self.put(key, &snapshot),
        }
    }

    async fn forget(&self, key: &SnapshotKey) -> Result<(), StoreError> {
        let Some(writing) = &self.writing else { return Ok(()) };
        let _writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(trouble("removing", &path, &error)),
            _ => Ok(()),
        }
    }
}

/// The octets of a file that is there and not too large to be one of ours.
fn read(path: &Path) -> Result<Option<Vec<u8>>, std::io::Error> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut octets = Vec::new();
    file.take(LARGEST).read_to_end(&mut octets)?;
    Ok(Some(octets))
}

fn encode(key: &SnapshotKey, snapshot: &Snapshot) -> Vec<u8> {
    let stream = key.stream.as_str().as_bytes();
    let mut octets = Vec::with_capacity(HEADER + stream.len() + snapshot.state.len() + CHECKSUM);
    octets.extend_from_slice(MAGIC);
    octets.extend_from_slice(&FORMAT.to_be_bytes());
    octets.extend_from_slice(&key.fold_version.to_be_bytes());
    octets.extend_from_slice(&snapshot.revision.get().to_be_bytes());
    octets.extend_from_slice(&u32::try_from(stream.len()).unwrap_or(u32::MAX).to_be_bytes());
    octets.extend_from_slice(&u64::try_from(snapshot.state.len()).unwrap_or(u64::MAX).to_be_bytes());
    octets.extend_from_slice(stream);
    octets.extend_from_slice(&snapshot.state);
    let checksum = checksum(&octets);
    octets.extend_from_slice(&checksum);
    octets
}

/// The snapshot in a file, if it is whole and under this very key.
fn decode(key: &SnapshotKey, octets: &[u8]) -> Option<Snapshot> {
    let (checked, kept) = octets.split_last_chunk::<CHECKSUM>()?;
    if checksum(checked) != *kept {
        return None;
    }
    let rest = checked.strip_prefix(MAGIC)?;
    let (format, rest) = rest.split_first_chunk::<4>()?;
    let (fold_version, rest) = rest.split_first_chunk::<4>()?;
    let (revision, rest) = rest.split_first_chunk::<8>()?;
    let (stream_length, rest) = rest.split_first_chunk::<4>()?;
    let (state_length, rest) = rest.split_first_chunk::<8>()?;
    let stream_length = usize::try_from(u32::from_be_bytes(*stream_length)).ok()?;
    let (stream, state) = rest.split_at_checked(stream_length)?;
    let fits = u32::from_be_bytes(*format) == FORMAT
        && u32::from_be_bytes(*fold_version) == key.fold_version
        && stream == key.stream.as_str().as_bytes()
        && u64::try_from(state.len()) == Ok(u64::from_be_bytes(*state_length));
    fits.then(|| Snapshot { revision: Revision::new(u64::from_be_bytes(*revision)), state: state.to_vec() })
}

fn checksum(octets: &[u8]) -> [u8; CHECKSUM] {
    Sha256::new().chain_update(CHECKSUM_TAG).chain_update(octets).finalize().into()
}

fn trouble(what: &str, path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Backend { detail: format!("{what} {}: {error}", path.display()), retryable: false }
}
