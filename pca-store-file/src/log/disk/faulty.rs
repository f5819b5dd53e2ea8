//! A disk whose n-th call that changes anything fails, for tests.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::{Disk, DiskFile, Lock, LockError, Mode, OsDisk};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// EIO.
    Io,
    /// ENOSPC.
    Full,
    /// Half of a write is made, then the disk is full.
    Short,
}

impl Fault {
    fn error(self) -> io::Error {
        let code = if self == Self::Io { 5 } else { 28 };
        io::Error::from_raw_os_error(code)
    }
}

/// The real disk, until its n-th changing call.
pub(crate) struct FaultyDisk {
    plan: Arc<Plan>,
}

struct Plan {
    fault: Fault,
    /// The number of the call that fails, from 1; 0 for none.
    fails: i64,
    calls: AtomicI64,
    short: AtomicU64,
}

impl Plan {
    /// Counts a call and lets the n-th fail.
    fn call(&self) -> io::Result<()> {
        if self.calls.fetch_add(1, Ordering::SeqCst) + 1 == self.fails { Err(self.fault.error()) } else { Ok(()) }
    }
}

impl FaultyDisk {
    pub(crate) fn new(fault: Fault, fails: i64) -> Self {
        Self { plan: Arc::new(Plan { fault, fails, calls: AtomicI64::new(0), short: AtomicU64::new(0) }) }
    }

    /// How many changing calls there were.
    pub(crate) fn calls(&self) -> i64 {
        self.plan.calls.load(Ordering::SeqCst)
    }
}

impl Disk for FaultyDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.plan.call()?;
        OsDisk.create_directory(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        OsDisk.list(directory)
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        if mode != Mode::Read {
            self.plan.call()?;
        }
        Ok(Arc::new(FaultyFile { file: OsDisk.open(path, mode)?, plan: Arc::clone(&self.plan) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.call()?;
        OsDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.plan.call()?;
        OsDisk.remove(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.plan.call()?;
        OsDisk.sync_directory(directory)
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Lock, LockError> {
        self.plan.call().map_err(LockError::Io)?;
        OsDisk.lock(path, holder)
    }
}

struct FaultyFile {
    file: Arc<dyn DiskFile>,
    plan: Arc<Plan>,
}

impl DiskFile for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, octets: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(octets, offset)
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<usize> {
        if self.plan.short.load(Ordering::SeqCst) == 1 {
            self.plan.short.store(0, Ordering::SeqCst);
            return Err(Fault::Full.error());
        }
        match self.plan.call() {
            Ok(()) => self.file.write_at(octets, offset),
            Err(_) if self.plan.fault == Fault::Short && octets.len() > 1 => {
                self.plan.short.store(1, Ordering::SeqCst);
                self.file.write_at(octets.get(..octets.len() / 2).unwrap_or_default(), offset)
            }
            Err(error) => Err(error),
        }
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.plan.call()?;
        self.file.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.plan.call()?;
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.plan.call()?;
        self.file.sync_all()
    }
}
