//! What the log needs from a disk, as a seam: the real one here, failing and simulated ones in tests.
//!
//! Every call that can fail on a real disk is a method, so that a test can let the n-th of them fail. Nothing is
//! buffered behind the seam.

#[cfg(test)]
pub(crate) mod faulty;
#[cfg(test)]
pub(crate) mod gated;
mod os;
#[cfg(test)]
pub(crate) mod scheduled;
#[cfg(test)]
pub(crate) mod sim;

use core::any::Any;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub(crate) use os::OsDisk;

/// Directories and names.
pub(crate) trait Disk: Send + Sync + 'static {
    /// Makes one directory in another; durable after [`sync_directory`](Self::sync_directory) of the other. One that is
    /// there already is an error of that kind.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// The names of the files in a directory, in no order.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// Opens a file.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, in place of a file that has it; durable after [`sync_directory`](Self::sync_directory).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away; durable after [`sync_directory`](Self::sync_directory).
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// Takes the exclusive lock on a file, creating it, and writes down who took it.
    fn lock(&self, path: &Path, holder: &str) -> Result<Lock, LockError>;
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new or emptied file, for reading and writing.
    Create,
}

/// An open file with positioned access.
pub(crate) trait DiskFile: Send + Sync {
    /// Its length.
    fn length(&self) -> io::Result<u64>;

    /// Reads some octets; 0 at the end.
    fn read_at(&self, octets: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some octets and tells how many.
    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts the file, or lengthens it with zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Makes content, and as much of the length as is needed to read it, durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;

    /// Makes content and all metadata durable (`fsync`).
    fn sync_all(&self) -> io::Result<()>;
}

/// Holds a lock until it is dropped.
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its Drop")] Box<dyn Any + Send + Sync>);

/// Why a lock was not given.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Somebody has it; what they wrote down.
    Held(String),
    /// The disk failed.
    Io(io::Error),
}

/// Reads until the buffer is full or the file ends; tells how many octets were read.
pub(crate) fn read_full(file: &dyn DiskFile, octets: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = octets.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX))) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes everything, with one call where the disk takes it in one.
pub(crate) fn write_full(file: &dyn DiskFile, octets: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = octets.get(done..).filter(|rest| !rest.is_empty()) {
        match file.write_at(rest, offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX))) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes a directory and those above it that are missing, each durable in the one above it.
///
/// The directory itself is made durable even if it is there already: whoever made it may have stopped before that.
pub(crate) fn make_directories(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let above = path.parent().map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    let made = match disk.create_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            above.filter(|above| *above != path).map_or(Err(error), |above| make_directories(disk, above))?;
            disk.create_directory(path)
        }
        made => made,
    };
    let there = match made {
        Ok(()) => false,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => true,
        Err(error) => return Err(error),
    };
    match above.map_or(Ok(()), |above| disk.sync_directory(above)) {
        // It was given to us in a directory that is not ours to read.
        Err(error) if there && error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// Puts a small file in place, whole or not at all: written beside, synced, renamed, the directory synced.
pub(crate) fn place(disk: &dyn Disk, directory: &Path, name: &str, octets: &[u8]) -> io::Result<()> {
    let fresh = directory.join(format!("{name}{FRESH}"));
    let file = disk.open(&fresh, Mode::Create)?;
    write_full(file.as_ref(), octets, 0)?;
    file.sync_all()?;
    disk.rename(&fresh, &directory.join(name))?;
    disk.sync_directory(directory)
}

/// How the name of a file ends that has not been put in place yet.
pub(crate) const FRESH: &str = ".new";

/// Reads a whole small file; nothing if there is none.
pub(crate) fn read_small(disk: &dyn Disk, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, Mode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut octets = vec![0; limit];
    let count = read_full(file.as_ref(), &mut octets, 0)?;
    octets.truncate(count);
    Ok(Some(octets))
}
