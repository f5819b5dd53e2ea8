//! A disk in memory that knows what of it is durable, and whose syncs let other threads go on, for tests under shuttle.

#![allow(clippy::indexing_slicing)]
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::schedules::sync::point;
use super::{Disk, DiskFile, Lock, LockError, Mode};

/// How a disk treats its syncs of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syncs {
    /// They are made at once, and nobody else goes on meanwhile.
    AtOnce,
    /// They take their time.
    Slow,
    /// They take their time; from the n-th on they fail.
    Failing(u32),
    /// They report success before anything is durable.
    Lying,
}

/// Names are durable at once; what matters here is when content is.
#[derive(Clone)]
pub(crate) struct ScheduledDisk {
    files: Arc<Mutex<BTreeMap<PathBuf, Arc<Content>>>>,
    syncs: Arc<Mutex<Syncs>>,
}

#[derive(Default)]
struct Content {
    octets: Mutex<Vec<u8>>,
    durable: Mutex<Vec<u8>>,
}

impl ScheduledDisk {
    /// An empty one whose syncs are made at once.
    pub(crate) fn new() -> Self {
        Self { files: Arc::default(), syncs: Arc::new(Mutex::new(Syncs::AtOnce)) }
    }

    /// Treats its syncs otherwise from now on.
    pub(crate) fn treat(&self, syncs: Syncs) {
        *lock(&self.syncs) = syncs;
    }

    /// What is there after a crash now, on another disk.
    pub(crate) fn crashed(&self) -> Self {
        let copy = |content: &Content| {
            let durable = lock(&content.durable).clone();
            Arc::new(Content { octets: Mutex::new(durable.clone()), durable: Mutex::new(durable) })
        };
        let files = lock(&self.files).iter().map(|(path, content)| (path.clone(), copy(content))).collect();
        Self { files: Arc::new(Mutex::new(files)), ..Self::new() }
    }

    fn sync(&self, content: &Content) -> io::Result<()> {
        let syncs = *lock(&self.syncs);
        if syncs == Syncs::AtOnce {
            lock(&content.durable).clone_from(&lock(&content.octets));
            return Ok(());
        }
        let written = lock(&content.octets).clone();
        point();
        match syncs {
            Syncs::Failing(0 | 1) => return Err(io::Error::from_raw_os_error(5)),
            Syncs::Failing(nth) => self.treat(Syncs::Failing(nth - 1)),
            Syncs::AtOnce | Syncs::Slow | Syncs::Lying => {}
        }
        if syncs != Syncs::Lying {
            *lock(&content.durable) = written;
        }
        point();
        Ok(())
    }
}

/// No thread stops while it holds one of these, so that nobody ever waits for them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk for ScheduledDisk {
    fn create_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let name = |path: &PathBuf| Some(path.strip_prefix(directory).ok()?.to_str()?.to_owned());
        Ok(lock(&self.files).keys().filter_map(name).collect())
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        let mut files = lock(&self.files);
        let content = match (files.get(path), mode) {
            (_, Mode::Create) => Arc::clone(files.entry(path.into()).insert_entry(Arc::default()).get()),
            (Some(content), _) => Arc::clone(content),
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(ScheduledFile { disk: self.clone(), content }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = lock(&self.files);
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.into(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        lock(&self.files).remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path, _: &str) -> Result<Lock, LockError> {
        Ok(Lock(Box::new(())))
    }
}

struct ScheduledFile {
    disk: ScheduledDisk,
    content: Arc<Content>,
}

impl DiskFile for ScheduledFile {
    fn length(&self) -> io::Result<u64> {
        Ok(u64::try_from(lock(&self.content.octets).len()).unwrap_or(u64::MAX))
    }

    fn read_at(&self, octets: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = lock(&self.content.octets);
        let rest = usize::try_from(offset).ok().and_then(|offset| content.get(offset..)).unwrap_or_default();
        let count = rest.len().min(octets.len());
        octets[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<usize> {
        let mut content = lock(&self.content.octets);
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start + octets.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(octets);
        Ok(octets.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        lock(&self.content.octets).resize(usize::try_from(length).map_err(io::Error::other)?, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.sync(&self.content)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.disk.sync(&self.content)
    }
}
