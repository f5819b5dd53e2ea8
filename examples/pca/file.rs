//! Files that are read and written.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// Reads a file; no more than one octet beyond what is possible, so that whoever judges it sees that it is too large.
pub fn limited(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let failed = |error: &std::io::Error| Failure::file("reading", path, error);
    let file = File::open(path).map_err(|error| failed(&error))?;
    let most = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut octets = Vec::new();
    file.take(most).read_to_end(&mut octets).map_err(|error| failed(&error))?;
    Ok(octets)
}

/// Writes a file in place of an older one, whole or not at all.
pub fn replace(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| Failure::file("writing", path, error);
    // Behind a link, the file itself is replaced.
    let real = std::fs::canonicalize(path);
    let path = real.as_deref().unwrap_or(path);
    // A device or a pipe is written to; a file is replaced.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let mut file = OpenOptions::new().write(true).open(path).map_err(|error| failed(&error))?;
        return file.write_all(octets).map_err(|error| failed(&error));
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let written = create(&new, octets, 0o644).and_then(|()| std::fs::rename(&new, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&new);
        failed(&error)
    })
}

/// Writes a new file with a mode; one that is there is left alone.
pub fn create(path: &Path, octets: &[u8], mode: u32) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(octets)?;
    file.sync_all()
}

/// A file in the making, for its owner only: beside its place until it is whole, and then there if nothing else is.
pub struct Draft {
    file: File,
    beside: PathBuf,
    place: PathBuf,
}

impl Draft {
    pub fn begin(place: &Path) -> Result<Self, Failure> {
        if place.symlink_metadata().is_ok() {
            return Err(Failure::trouble(
                "file",
                format!("{} is there already; nothing is overwritten", place.display()),
            ));
        }
        writable(place)?;
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let beside = place.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
        let file = file.map_err(|error| Failure::file("writing", &beside, &error))?;
        Ok(Self { file, beside, place: place.into() })
    }

    /// What is written to.
    pub fn writer(&self) -> Result<BufWriter<File>, Failure> {
        let file = self.file.try_clone().map_err(|error| Failure::file("writing", &self.beside, &error))?;
        Ok(BufWriter::with_capacity(1024 * 1024, file))
    }

    /// Puts it in place, durable. A link does not take the place of a file that has come there meanwhile; a rename would.
    pub fn finish(self) -> Result<(), Failure> {
        let done = self.file.sync_all().and_then(|()| match std::fs::hard_link(&self.beside, &self.place) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            // The file system has no links: an empty file takes the place, and is replaced.
            Err(_) => create(&self.place, &[], 0o600).and_then(|()| std::fs::rename(&self.beside, &self.place)),
            Ok(()) => Ok(()),
        });
        done.map_err(|error| Failure::file("writing", &self.place, &error))?;
        let directory = self.place.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| Failure::file("writing into", directory, &error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Finished or given up: under this name nothing stays.
        let _ = std::fs::remove_file(&self.beside);
    }
}

/// Whether a file could be written there, before anything irreversible is done for it.
pub fn writable(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::trouble(
            "file",
            format!("{} is a directory; the name of a file is expected", path.display()),
        ));
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    match std::fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(Failure::trouble("file", format!("{} is no directory", directory.display()))),
        Err(error) => Err(Failure::file("writing into", directory, &error)),
    }
}
