//! The directory that the walk leaves behind.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use pca_core::delivery::Delivery;

use crate::Outcome;
use crate::voice::note;

/// The passphrase of the platform's key store. An example's, in the source for all to read: never use it.
pub(crate) const STORE_PASSPHRASE: &str = "an example, not a secret";
/// The passphrase of downloaded keys: an example's, too.
pub(crate) const EXPORT_PASSPHRASE: &str = "example-only-7";

/// A directory of this walk's own.
pub(crate) struct Place {
    root: PathBuf,
}

impl Place {
    /// The named directory, which must be new or empty, or the next free one of the default name.
    pub(crate) fn new(named: Option<PathBuf>) -> Outcome<Self> {
        let root = match named {
            Some(named) if is_free(&named)? => named,
            Some(named) => return Err(format!("{} is not empty; name another directory", named.display()).into()),
            None => default()?,
        };
        make(&root)?;
        println!("Everything of this walk stays in {}/.", root.display());
        let place = Self { root };
        place.write("export-passphrase.txt", format!("{EXPORT_PASSPHRASE}\n").as_bytes(), true)?;
        note(
            "Its passphrases are constants of this example's source, so they protect nothing. Yours come from elsewhere.",
        );
        Ok(place)
    }

    /// Where something is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> Outcome<Vec<u8>> {
        let path = self.path(name);
        fs::read(&path).map_err(|error| format!("reading {}: {error}", path.display()).into())
    }

    /// Writes a new file, over nothing that is there; a secret one for the owner only.
    pub(crate) fn write(&self, name: &str, contents: &[u8], secret: bool) -> Outcome {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            make(parent)?;
        }
        let mode = if secret { 0o600 } else { 0o644 };
        let written = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        let written = written.and_then(|mut file| file.write_all(contents));
        written.map_err(|error| format!("writing {}: {error}", path.display()).into())
    }

    /// Writes what was delivered into a directory of its own, and tells the files.
    pub(crate) fn keep(&self, directory: &str, delivery: &Delivery) -> Outcome {
        for warning in &delivery.warnings {
            note(&format!("warning: {warning}"));
        }
        for file in &delivery.files {
            let name = format!("{directory}/{}", file.path);
            self.write(&name, &file.contents, file.secret)?;
            note(&name);
        }
        Ok(())
    }

    /// What to do with it all.
    pub(crate) fn farewell(&self) {
        let root = self.root.display();
        println!(
            "\nLook around in {root}/, begin with the INSTALL.txt of a package. The platform itself goes on with `pca`:\n\
             \n  export PCA_PASSPHRASE=\"{STORE_PASSPHRASE}\"\
             \n  cargo run --release --bin pca -- --dir {root}/platform list cas\
             \n  cargo run --release --bin pca -- --dir {root}/platform log"
        );
    }
}

fn default() -> Outcome<PathBuf> {
    let first = PathBuf::from("departments-out");
    if is_free(&first)? {
        return Ok(first);
    }
    for number in 2..1000 {
        let next = PathBuf::from(format!("departments-out-{number}"));
        if is_free(&next)? {
            return Ok(next);
        }
    }
    Err("departments-out and its successors are all there; remove some".into())
}

fn is_free(directory: &Path) -> Outcome<bool> {
    match fs::read_dir(directory) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(format!("looking into {}: {error}", directory.display()).into()),
    }
}

fn make(directory: &Path) -> Outcome {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| format!("making {}: {error}", directory.display()).into())
}
