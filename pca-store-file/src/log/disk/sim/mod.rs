//! A disk in memory that keeps a journal of what was asked of it, so that a crash after any call can be looked at.
//!
//! [`SimDisk`] is what a running process sees: every write at once. [`replay`] plays a part of the journal against what
//! would be durable by then, and draws what a loss of power leaves. Neither knows which files a log has.

mod fault;
mod random;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, Lock, LockError, Mode};
use fault::Plan;

pub(crate) use fault::{Fault, Verdict};
pub(crate) use random::Rng;
pub(crate) use replay::Replay;

/// What has a name: a directory, or a file by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Directory,
    File(usize),
}

/// Names, absolute ones.
pub(crate) type Names = BTreeMap<Arc<str>, Named>;

/// What is on a disk when nothing is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) names: Names,
    pub(crate) files: Vec<Vec<u8>>,
}

impl Image {
    /// The files by their names.
    pub(crate) fn contents(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.names.iter().filter_map(|(name, named)| match named {
            Named::Directory => None,
            Named::File(file) => Some((name.as_ref(), self.files.get(*file)?.as_slice())),
        })
    }
}

/// A call that changed something.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    MakeDirectory(Arc<str>),
    Create {
        name: Arc<str>,
        file: usize,
    },
    Rename {
        from: Arc<str>,
        to: Arc<str>,
    },
    Remove(Arc<str>),
    SyncDirectory(Arc<str>),
    Write {
        file: usize,
        offset: usize,
        octets: Arc<[u8]>,
    },
    Length {
        file: usize,
        length: usize,
    },
    Sync {
        file: usize,
    },
    /// The sync was reported to have failed.
    SyncFailed {
        file: usize,
    },
}

/// A disk in memory; clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<Live>>);

#[derive(Default)]
struct Live {
    base: Image,
    now: Image,
    journal: Vec<Entry>,
    locks: BTreeSet<Arc<str>>,
    plan: Plan,
    /// The name that the call was about that failed.
    failed_at: Option<Arc<str>>,
}

impl SimDisk {
    /// A disk on which this is durable.
    pub(crate) fn new(base: Image) -> Self {
        let live = Live { now: base.clone(), base, ..Live::default() };
        Self(Arc::new(Mutex::new(live)))
    }

    /// How many changing calls there were.
    pub(crate) fn changes(&self) -> usize {
        self.live().journal.len()
    }

    /// What a process sees.
    pub(crate) fn image(&self) -> Image {
        self.live().now.clone()
    }

    /// The journal, to be played against what was durable at first.
    pub(crate) fn journal(&self) -> (Image, Vec<Entry>) {
        let live = self.live();
        (live.base.clone(), live.journal.clone())
    }

    /// What a loss of power after the first `changes` changing calls leaves, as the seed decides.
    pub(crate) fn crashed(&self, changes: usize, seed: u64) -> Image {
        let live = self.live();
        let mut replay = Replay::new(live.base.clone(), seed);
        live.journal.iter().take(changes).for_each(|entry| replay.advance(entry));
        replay.crash(seed)
    }

    /// Lets the n-th call from now fail, from 1.
    pub(crate) fn fail(&self, call: u64, fault: Fault) {
        self.live().plan.set(call, fault);
    }

    /// The name that the call was about that failed.
    pub(crate) fn failed_at(&self) -> Option<Arc<str>> {
        self.live().failed_at.clone()
    }

    /// How many calls there were, reading ones too.
    pub(crate) fn calls(&self) -> u64 {
        self.live().plan.calls()
    }

    /// Changes octets at rest, past all calls.
    pub(crate) fn tamper(&self, change: impl FnOnce(&mut Image)) {
        change(&mut self.live().now);
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_of(path: &Path) -> Arc<str> {
    // The root is the name that nothing stands above.
    path.to_str().unwrap_or_default().trim_end_matches('/').into()
}

fn above(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(above, _)| above)
}

impl Live {
    /// Counts a call about a name.
    fn call(&mut self, name: &Arc<str>) -> Verdict {
        let verdict = self.plan.call();
        self.note(name, verdict)
    }

    fn note(&mut self, name: &Arc<str>, verdict: Verdict) -> Verdict {
        if verdict != Verdict::Go {
            self.failed_at.get_or_insert_with(|| Arc::clone(name));
        }
        verdict
    }

    fn directory(&self, name: &str) -> io::Result<()> {
        let there = name.is_empty() || self.now.names.get(name) == Some(&Named::Directory);
        if there { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn file(&self, name: &str) -> io::Result<usize> {
        match self.now.names.get(name) {
            Some(Named::File(file)) => Ok(*file),
            Some(Named::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The file of this name, made if there is none.
    fn create(&mut self, name: &Arc<str>) -> io::Result<usize> {
        self.directory(above(name))?;
        match self.file(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = self.now.files.len();
                self.now.files.push(Vec::new());
                self.now.names.insert(Arc::clone(name), Named::File(file));
                self.journal.push(Entry::Create { name: Arc::clone(name), file });
                Ok(file)
            }
            found => found,
        }
    }

    fn write(&mut self, file: usize, octets: &[u8], offset: usize) {
        if let Some(content) = self.now.files.get_mut(file) {
            overwrite(content, octets, offset);
        }
        self.journal.push(Entry::Write { file, offset, octets: octets.into() });
    }

    fn set_length(&mut self, file: usize, length: usize) {
        if let Some(content) = self.now.files.get_mut(file) {
            content.resize(length, 0);
        }
        self.journal.push(Entry::Length { file, length });
    }
}

fn overwrite(content: &mut Vec<u8>, octets: &[u8], offset: usize) {
    let end = offset + octets.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(offset..end) {
        place.copy_from_slice(octets);
    }
}

impl Disk for SimDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let (name, mut live) = (name_of(path), self.live());
        let verdict = live.call(&name);
        verdict.before()?;
        verdict.instead(live.directory(above(&name)))?;
        if name.is_empty() || live.now.names.contains_key(&name) {
            return verdict.instead(Err(io::ErrorKind::AlreadyExists.into()));
        }
        live.now.names.insert(Arc::clone(&name), Named::Directory);
        live.journal.push(Entry::MakeDirectory(name));
        verdict.after()
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let (name, mut live) = (name_of(directory), self.live());
        live.call(&name).reading()?;
        live.directory(&name)?;
        let within = |other: &Arc<str>| above(other) == &*name;
        let names = live.now.names.keys().filter(|other| within(other));
        Ok(names.filter_map(|other| Some(other.rsplit_once('/')?.1.to_owned())).collect())
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        let (name, mut live) = (name_of(path), self.live());
        let verdict = live.call(&name);
        verdict.before()?;
        let file = match mode {
            Mode::Read | Mode::Write => verdict.instead(live.file(&name))?,
            Mode::Create => {
                let file = live.create(&name)?;
                if live.now.files.get(file).is_some_and(|content| !content.is_empty()) {
                    live.set_length(file, 0);
                }
                file
            }
        };
        verdict.after()?;
        Ok(Arc::new(SimFile { disk: self.clone(), file, name }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to, mut live) = (name_of(from), name_of(to), self.live());
        let verdict = live.call(&from);
        verdict.before()?;
        let file = verdict.instead(live.file(&from))?;
        live.now.names.remove(&from);
        live.now.names.insert(Arc::clone(&to), Named::File(file));
        live.journal.push(Entry::Rename { from, to });
        verdict.after()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (name, mut live) = (name_of(path), self.live());
        let verdict = live.call(&name);
        verdict.before()?;
        verdict.instead(live.file(&name))?;
        live.now.names.remove(&name);
        live.journal.push(Entry::Remove(name));
        verdict.after()
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let (name, mut live) = (name_of(directory), self.live());
        // Names whose sync failed stay to be synced: what a file system loses of a failed sync is data.
        live.call(&name).failing()?;
        live.directory(&name)?;
        live.journal.push(Entry::SyncDirectory(name));
        Ok(())
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Lock, LockError> {
        let (name, mut live) = (name_of(path), self.live());
        live.call(&name).failing().map_err(LockError::Io)?;
        let file = live.create(&name).map_err(LockError::Io)?;
        if !live.locks.insert(Arc::clone(&name)) {
            return Err(LockError::Held("somebody".into()));
        }
        live.set_length(file, 0);
        live.write(file, holder.as_bytes(), 0);
        drop(live);
        Ok(Lock(Box::new(Held { disk: self.clone(), name })))
    }
}

struct Held {
    disk: SimDisk,
    name: Arc<str>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.live().locks.remove(&self.name);
    }
}

struct SimFile {
    disk: SimDisk,
    file: usize,
    name: Arc<str>,
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        let mut live = self.disk.live();
        live.call(&self.name).reading()?;
        let length = live.now.files.get(self.file).map_or(0, Vec::len);
        Ok(u64::try_from(length).unwrap_or(u64::MAX))
    }

    fn read_at(&self, octets: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut live = self.disk.live();
        let verdict = live.call(&self.name);
        verdict.reading()?;
        let content = live.now.files.get(self.file).and_then(|content| content.get(at(offset)..)).unwrap_or_default();
        let wanted = if verdict == Verdict::Half { octets.len().div_ceil(2) } else { octets.len() };
        let count = wanted.min(content.len());
        if let (Some(to), Some(from)) = (octets.get_mut(..count), content.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<usize> {
        let mut live = self.disk.live();
        let verdict = live.plan.write();
        let verdict = live.note(&self.name, verdict);
        verdict.before()?;
        let count = if verdict == Verdict::Go { octets.len() } else { octets.len() / 2 };
        live.write(self.file, octets.get(..count).unwrap_or_default(), at(offset));
        verdict.after()?;
        Ok(count)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut live = self.disk.live();
        let verdict = live.call(&self.name);
        verdict.before()?;
        live.set_length(self.file, at(length));
        verdict.after()
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut live = self.disk.live();
        let failed = live.call(&self.name).failing();
        live.journal.push(match failed {
            Ok(()) => Entry::Sync { file: self.file },
            Err(_) => Entry::SyncFailed { file: self.file },
        });
        failed
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests;
