//! The lines of a bulk, read as they are needed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use crate::exit::Failure;
use crate::{line, output};

/// The lines of a file with their numbers.
pub struct Source {
    reader: Box<dyn BufRead + Send>,
    path: PathBuf,
    number: u64,
    octets: Option<u64>,
    over: bool,
}

impl Source {
    /// Opens a file, or standard input (`-`).
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            let reader = Box::new(BufReader::new(std::io::stdin()));
            return Ok(Self { reader, path: path.to_owned(), number: 0, octets: None, over: false });
        }
        let file = File::open(path).map_err(|error| Failure::file("reading", path, &error))?;
        let metadata = file.metadata().map_err(|error| Failure::file("reading", path, &error))?;
        if metadata.is_dir() {
            return Err(Failure::trouble(
                "file",
                format!("{} is a directory; a file of JSON lines is expected", path.display()),
            ));
        }
        let octets = metadata.is_file().then_some(metadata.len());
        let reader = Box::new(BufReader::with_capacity(1 << 16, file));
        Ok(Self { reader, path: path.to_owned(), number: 0, octets, over: false })
    }

    /// Progress in octets of the file that are answered, drawn on a terminal.
    pub fn progress(&self, doing: &str) -> ProgressBar {
        let template = match self.octets {
            Some(_) => format!("{doing} {{bar:40}} {{percent}}% {{msg}} ({{elapsed}}, {{eta}} left)"),
            None => format!("{{spinner}} {doing} {{msg}} ({{elapsed}})"),
        };
        output::progress(self.octets, &template)
    }
}

impl Iterator for Source {
    type Item = Result<(u64, line::Text), Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        match line::read(&mut self.reader) {
            Ok(Some(text)) => {
                self.number += 1;
                Some(Ok((self.number, text)))
            }
            Ok(None) => None,
            Err(error) => {
                self.over = true;
                Some(Err(Failure::file("reading", &self.path, &error)))
            }
        }
    }
}
