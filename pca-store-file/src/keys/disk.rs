//! Files as the key store uses them: written whole or not at all, readable by their owner only, wiped when they end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use pca_core::keys::KeyError;

/// The key store's directory.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    #[cfg(test)]
    crash: tests::Crash,
}

impl Disk {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            #[cfg(test)]
            crash: tests::Crash::default(),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Makes the directory, for its owner only.
    pub(super) fn create(&self) -> Result<(), KeyError> {
        let missing = self.directory.ancestors().take_while(|level| !level.exists()).count();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.directory).map_err(|error| self.failed("creating", "", &error))?;
        #[cfg(unix)]
        fs::set_permissions(&self.directory, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .map_err(|error| self.failed("closing to others", "", &error))?;
        // Each level that was made is an entry of the one above.
        for above in self.directory.ancestors().skip(1).take(missing.max(1)) {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            self.step()
                .and_then(|()| self.sync_directory(above))
                .map_err(|error| self.failed("syncing above", "", &error))?;
        }
        Ok(())
    }

    pub(super) fn exists(&self, name: &str) -> Result<bool, KeyError> {
        self.path(name).try_exists().map_err(|error| self.failed("looking for", name, &error))
    }

    /// Reads a whole file; nothing if there is none.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, KeyError> {
        match fs::read(self.path(name)) {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("reading", name, &error)),
        }
    }

    /// The names of all files, in order.
    pub(super) fn names(&self) -> Result<Vec<String>, KeyError> {
        let list = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.directory)? {
                names.extend(entry?.file_name().into_string());
            }
            names.sort_unstable();
            Ok(names)
        };
        list().map_err(|error| self.failed("listing", "", &error))
    }

    pub(super) fn modified(&self, name: &str) -> Result<SystemTime, KeyError> {
        fs::metadata(self.path(name))
            .and_then(|metadata| metadata.modified())
            .map_err(|error| self.failed("dating", name, &error))
    }

    /// Opens a file to be appended to and changed in place, making it if it is not there.
    pub(super) fn open(&self, name: &str) -> Result<File, KeyError> {
        self.step().and_then(|()| open_private(&self.path(name))).map_err(|error| self.failed("opening", name, &error))
    }

    /// Writes a whole file: temporary, synced, renamed, directory synced. What lay under the name is wiped.
    pub(super) fn write(&self, name: &str, octets: &[u8], modified: Option<SystemTime>) -> Result<(), KeyError> {
        let temporary = format!("{name}.tmp");
        let write = || -> io::Result<()> {
            self.step()?;
            let mut file = open_private(&self.path(&temporary))?;
            file.set_len(0)?;
            file.write_all(octets)?;
            if let Some(modified) = modified {
                file.set_modified(modified)?;
            }
            self.step()?;
            file.sync_all()
        };
        write().map_err(|error| self.failed("writing", name, &error))?;
        self.rename(&temporary, name)
    }

    /// Puts one file in the place of another, durably, and wipes the one that lay there.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), KeyError> {
        let rename = || -> io::Result<()> {
            let old = OpenOptions::new().write(true).open(self.path(to)).ok();
            self.step()?;
            fs::rename(self.path(from), self.path(to))?;
            self.step()?;
            self.sync()?;
            match old {
                Some(old) => self.step().and_then(|()| wipe(&old)),
                None => Ok(()),
            }
        };
        rename().map_err(|error| self.failed("renaming", from, &error))
    }

    /// Wipes a file and removes it, durably; an absent one is success.
    pub(super) fn destroy(&self, name: &str) -> Result<(), KeyError> {
        let destroy = || -> io::Result<()> {
            self.step()?;
            match OpenOptions::new().write(true).open(self.path(name)) {
                Ok(file) => wipe(&file)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
            self.step()?;
            fs::remove_file(self.path(name))?;
            self.step()?;
            self.sync()
        };
        destroy().map_err(|error| self.failed("destroying", name, &error))
    }

    /// Makes what was created, renamed and removed in the directory durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.sync_directory(&self.directory)
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests want to know what was synced"))]
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        #[cfg(test)]
        self.crash.note_synced(directory);
        if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
    }

    pub(super) fn failed(&self, what: &str, name: &str, error: &io::Error) -> KeyError {
        KeyError::Backend { detail: format!("{what} {} failed: {error}", self.path(name).display()) }
    }

    /// Counts an operation that changes the disk, so that tests can let the process "die" at each of them.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests let it fail")]
    pub(super) fn step(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn step(&self) -> io::Result<()> {
        self.crash.step()
    }

    /// From the given step on, every change of the disk fails.
    #[cfg(test)]
    pub(super) fn crash_at(&self, step: usize) {
        self.crash.set(step);
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Overwrites a file with zeros, durably.
fn wipe(mut file: &File) -> io::Result<()> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut left = file.metadata()?.len();
    while left > 0 {
        let len = left.min(4096);
        file.write_all(ZEROS.get(..usize::try_from(len).unwrap_or(ZEROS.len())).unwrap_or(&ZEROS))?;
        left -= len;
    }
    file.sync_all()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Lets every operation fail from a chosen one on, as if the process had died; remembers what directories were synced.
    #[derive(Debug)]
    pub(in super::super) struct Crash {
        left: AtomicUsize,
        synced: Mutex<Vec<PathBuf>>,
    }

    impl Default for Crash {
        fn default() -> Self {
            Self { left: AtomicUsize::new(usize::MAX), synced: Mutex::default() }
        }
    }

    impl Crash {
        pub(super) fn set(&self, step: usize) {
            self.left.store(step, Ordering::SeqCst);
        }

        pub(super) fn step(&self) -> io::Result<()> {
            match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
                Ok(_) => Ok(()),
                Err(_) => Err(io::Error::other("the process died here")),
            }
        }

        pub(super) fn note_synced(&self, directory: &Path) {
            self.synced.lock().unwrap().push(directory.to_owned());
        }
    }

    /// A key store whose directory is lost has lost its keys: its entry above is durable before anything is in it.
    #[test]
    fn every_directory_that_is_made_is_synced_in_the_one_above() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path();
        for (directory, above) in [
            ("keys", vec![top.to_owned()]),
            ("a/b/keys", vec![top.join("a/b"), top.join("a"), top.to_owned()]),
            // It is there: perhaps since a moment ago, by one who died before the sync.
            ("a/b/keys", vec![top.join("a/b")]),
        ] {
            let disk = Disk::new(&top.join(directory));
            disk.create().unwrap();
            assert_eq!(*disk.crash.synced.lock().unwrap(), above, "{directory}");
        }
        for step in 0..2 {
            let disk = Disk::new(&top.join(format!("c{step}/keys")));
            disk.crash_at(step);
            assert!(matches!(disk.create(), Err(KeyError::Backend { .. })), "a sync that fails is told");
        }
    }

    #[test]
    fn files_are_written_whole_and_private_and_wiped() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(&directory.path().join("keys"));
        disk.create().unwrap();
        disk.write("a", b"first", None).unwrap();
        let mut old = File::open(disk.path("a")).unwrap();
        disk.write("a", b"second", Some(SystemTime::UNIX_EPOCH)).unwrap();
        assert_eq!(disk.read("a").unwrap().unwrap(), b"second");
        assert_eq!(disk.modified("a").unwrap(), SystemTime::UNIX_EPOCH);
        let mut wiped = Vec::new();
        io::Read::read_to_end(&mut old, &mut wiped).unwrap();
        assert_eq!(wiped, [0; 5], "what lay there is wiped, seen by one who has it still open");
        #[cfg(unix)]
        for (name, mode) in [("", 0o40700), ("a", 0o100_600)] {
            let metadata = fs::metadata(disk.path(name)).unwrap();
            assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()), mode, "{name}");
        }
        disk.destroy("a").unwrap();
        disk.destroy("a").unwrap();
        assert_eq!(disk.names().unwrap(), Vec::<String>::new());
    }
}
