//! Stores with a fault, made by a disk that is not used as it should be: each dies in the campaign that the test names.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::super::disk::sim::{Fault, SimDisk};
use super::super::disk::{Disk, DiskFile, Lock, LockError, Mode};
use super::history::Wrap;
use super::{crash, faults};

/// What a mutant does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    NoSync,
    SyncsLate,
    NoDirectorySync,
    RetriesSync,
}

/// A file whose sync is still owed.
type Owed = Arc<Mutex<Option<Arc<dyn DiskFile>>>>;

struct Mutant {
    disk: SimDisk,
    wrong: Wrong,
    owed: Owed,
}

fn mutant(disk: &SimDisk, wrong: Wrong) -> Arc<dyn Disk> {
    Arc::new(Mutant { disk: disk.clone(), wrong, owed: Owed::default() })
}

fn pay(owed: &Owed) -> io::Result<()> {
    let file = owed.lock().unwrap().take();
    file.map_or(Ok(()), |file| file.sync_all())
}

impl Disk for Mutant {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        pay(&self.owed)?;
        self.disk.create_directory(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.disk.list(directory)
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        pay(&self.owed)?;
        let file = self.disk.open(path, mode)?;
        Ok(Arc::new(MutantFile { file, wrong: self.wrong, owed: Arc::clone(&self.owed) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        pay(&self.owed)?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        pay(&self.owed)?;
        self.disk.remove(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        pay(&self.owed)?;
        if self.wrong == Wrong::NoDirectorySync { Ok(()) } else { self.disk.sync_directory(directory) }
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Lock, LockError> {
        self.disk.lock(path, holder)
    }
}

struct MutantFile {
    file: Arc<dyn DiskFile>,
    wrong: Wrong,
    owed: Owed,
}

impl DiskFile for MutantFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, octets: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(octets, offset)
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<usize> {
        pay(&self.owed)?;
        self.file.write_at(octets, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        pay(&self.owed)?;
        self.file.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        pay(&self.owed)?;
        match self.wrong {
            Wrong::NoSync => Ok(()),
            Wrong::SyncsLate => {
                *self.owed.lock().unwrap() = Some(Arc::clone(&self.file));
                Ok(())
            }
            Wrong::RetriesSync => self.file.sync_data().or_else(|_| self.file.sync_data()),
            Wrong::NoDirectorySync => self.file.sync_data(),
        }
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// How the crash campaign ends with a mutant, within a few histories.
fn dies_of_a_crash(wrap: Wrap) -> bool {
    (1..20).any(|seed| crash::case(seed, wrap).is_err())
}

#[test]
fn the_crash_campaign_kills_a_store_that_does_not_sync() {
    assert!(dies_of_a_crash(|disk| mutant(disk, Wrong::NoSync)));
}

#[test]
fn the_crash_campaign_kills_a_store_that_acknowledges_before_the_sync() {
    assert!(dies_of_a_crash(|disk| mutant(disk, Wrong::SyncsLate)));
}

#[test]
fn the_crash_campaign_kills_a_store_that_forgets_to_sync_the_directory() {
    assert!(dies_of_a_crash(|disk| mutant(disk, Wrong::NoDirectorySync)));
}

#[test]
fn the_fault_campaign_kills_a_store_that_tries_a_failed_sync_again() {
    let retries: Wrap = |disk| mutant(disk, Wrong::RetriesSync);
    let failures =
        (1..=faults::calls(12).unwrap()).filter_map(|call| faults::case(call, Fault::Full, 12, retries).err());
    // Not only that nobody noticed: a loss of power leaves less than was acknowledged.
    assert!(failures.filter(|reason| !reason.contains("nobody noticed")).count() > 0);
}

/// Without a failing call nothing is tried again: the others die of what they do wrong, not of being mutants.
#[test]
fn the_crash_campaign_lets_a_mutant_live_that_does_nothing_wrong() {
    (1..4).for_each(|seed| assert!(crash::case(seed, |disk| mutant(disk, Wrong::RetriesSync)).is_ok()));
}
