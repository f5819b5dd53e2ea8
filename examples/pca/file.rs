//! Files that are read and written.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

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
