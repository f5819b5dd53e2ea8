//! Passphrases: from files or the environment, never from an argument.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::args::Global;
use crate::exit::{Failure, say};

/// The environment variable of the store's passphrase.
pub const VARIABLE: &str = "PCA_PASSPHRASE";

/// The longest passphrase file that is read.
const LONGEST: u64 = 64 * 1024;

/// The store's passphrase, if there is one.
pub fn of_store(global: &Global) -> Result<Option<SecretString>, Failure> {
    if let Some(path) = &global.passphrase_file {
        return from_file(path).map(Some);
    }
    match std::env::var(VARIABLE) {
        Ok(text) => Ok(Some(strip(Zeroizing::new(text)))),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::trouble("passphrase", format!("{VARIABLE} is not UTF-8")))
        }
    }
}

/// The store's passphrase, which the command needs.
pub fn needed(global: &Global) -> Result<SecretString, Failure> {
    of_store(global)?.ok_or_else(|| {
        Failure::trouble(
            "passphrase",
            format!("the passphrase of the keys is missing: set {VARIABLE}, or give --passphrase-file FILE"),
        )
    })
}

/// The passphrase in a file, without one trailing newline. Warns if others can read it (rule K5).
pub fn from_file(path: &Path) -> Result<SecretString, Failure> {
    let failed = |error: &std::io::Error| Failure::file("reading the passphrase file", path, error);
    let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        say(&format!("warning: others can read the passphrase file {}; `chmod 600` it", path.display()));
    }
    if metadata.len() > LONGEST {
        return Err(Failure::trouble(
            "passphrase",
            format!("the passphrase file {} is longer than {LONGEST} octets", path.display()),
        ));
    }
    let octets = Zeroizing::new(std::fs::read(path).map_err(|error| failed(&error))?);
    match core::str::from_utf8(&octets) {
        Ok(text) => Ok(strip(Zeroizing::new(text.to_owned()))),
        Err(_) => Err(Failure::trouble("passphrase", format!("the passphrase file {} is not UTF-8", path.display()))),
    }
}

fn strip(text: Zeroizing<String>) -> SecretString {
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    SecretString::from(line)
}
