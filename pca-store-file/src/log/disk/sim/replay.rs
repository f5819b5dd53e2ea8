//! What is durable, and what a loss of power leaves of the rest.
//!
//! This is the contract of `docs/log-format.md`, *What is assumed of the disk*, and no more than that. What was synced
//! stays. Of the rest each piece of 512 octets of a write stays or not, one of them is cut at an octet; each change of a
//! length stays or not; names stay in any subset in which a later change of a name does not outlive an earlier one.

use std::sync::Arc;

use super::{Entry, Image, Named, Names, Rng, above, overwrite};

/// What a disk writes at once.
const SECTOR: usize = 512;

/// Plays a journal.
pub(crate) struct Replay {
    names: Names,
    pending: Vec<Entry>,
    files: Vec<File>,
    rng: Rng,
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write { offset: usize, octets: Arc<[u8]> },
    Length(usize),
}

impl Replay {
    /// Begins with what is durable at first. The seed decides what failed syncs save.
    pub(crate) fn new(base: Image, seed: u64) -> Self {
        let files = base.files.into_iter().map(|durable| File { durable, pending: Vec::new() }).collect();
        Self { names: base.names, pending: Vec::new(), files, rng: Rng::new(seed ^ 0x5eed) }
    }

    /// Plays one more call.
    pub(crate) fn advance(&mut self, entry: &Entry) {
        match entry {
            Entry::MakeDirectory(_) | Entry::Rename { .. } | Entry::Remove(_) => self.pending.push(entry.clone()),
            Entry::Create { file, .. } => {
                self.pending.push(entry.clone());
                self.files.resize_with(self.files.len().max(file + 1), File::default);
            }
            Entry::SyncDirectory(directory) => {
                let names = &mut self.names;
                self.pending.retain(|change| {
                    let elsewhere = above(touched(change).0) != &**directory;
                    if !elsewhere {
                        rename(names, change);
                    }
                    elsewhere
                });
            }
            Entry::Write { file, offset, octets } => {
                self.change(*file, Change::Write { offset: *offset, octets: Arc::clone(octets) });
            }
            Entry::Length { file, length } => self.change(*file, Change::Length(*length)),
            Entry::Sync { file } => {
                if let Some(file) = self.files.get_mut(*file) {
                    let pending = core::mem::take(&mut file.pending);
                    pending.iter().for_each(|change| apply(&mut file.durable, change));
                }
            }
            // What a failed sync did not save is forsaken: a process still sees it, no later sync saves it.
            Entry::SyncFailed { file } => {
                if let Some(file) = self.files.get_mut(*file) {
                    let pending = core::mem::take(&mut file.pending);
                    let keep = self.rng.below(9);
                    lose(&mut file.durable, &pending, keep, &mut self.rng);
                }
            }
        }
    }

    fn change(&mut self, file: usize, change: Change) {
        if let Some(file) = self.files.get_mut(file) {
            file.pending.push(change);
        }
    }

    /// What a loss of power now leaves, as the seed decides.
    pub(crate) fn crash(&self, seed: u64) -> Image {
        let mut rng = Rng::new(seed);
        // How much of what is pending stays, in eighths: all and nothing come up as well.
        let keep = rng.pick(&[0, 1, 4, 7, 8]).unwrap_or_default();
        let mut names = self.names.clone();
        let mut lost: Vec<&str> = Vec::new();
        for change in &self.pending {
            let (name, other) = touched(change);
            if !lost.contains(&name) && !lost.contains(&other) && rng.eighths(keep) {
                rename(&mut names, change);
            } else {
                lost.extend([name, other]);
            }
        }
        let mut files: Vec<Vec<u8>> = Vec::new();
        let mut there = Names::new();
        for (name, named) in &names {
            let reachable = above(name).is_empty() || there.get(above(name)) == Some(&Named::Directory);
            match named {
                _ if !reachable => {}
                Named::Directory => {
                    there.insert(Arc::clone(name), Named::Directory);
                }
                Named::File(file) => {
                    let mut content = Vec::new();
                    if let Some(file) = self.files.get(*file) {
                        content.clone_from(&file.durable);
                        lose(&mut content, &file.pending, keep, &mut rng);
                    }
                    there.insert(Arc::clone(name), Named::File(files.len()));
                    files.push(content);
                }
            }
        }
        Image { names: there, files }
    }
}

/// The names that a change of names is about.
fn touched(change: &Entry) -> (&str, &str) {
    match change {
        Entry::MakeDirectory(name) | Entry::Create { name, .. } | Entry::Remove(name) => (name, name),
        Entry::Rename { from, to } => (from, to),
        _ => ("", ""),
    }
}

fn rename(names: &mut Names, change: &Entry) {
    match change {
        Entry::MakeDirectory(name) => {
            names.insert(Arc::clone(name), Named::Directory);
        }
        Entry::Create { name, file } => {
            names.insert(Arc::clone(name), Named::File(*file));
        }
        Entry::Rename { from, to } => {
            if let Some(named) = names.remove(from) {
                names.insert(Arc::clone(to), named);
            }
        }
        Entry::Remove(name) => {
            names.remove(name);
        }
        _ => {}
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, octets } => overwrite(content, octets, *offset),
        Change::Length(length) => content.resize(*length, 0),
    }
}

/// Applies a part of the changes: every piece with so many eighths of a chance.
fn lose(content: &mut Vec<u8>, pending: &[Change], keep: usize, rng: &mut Rng) {
    let mut cut = rng.eighths(4);
    let mut longest = 0;
    for change in pending {
        match change {
            Change::Length(length) => {
                if rng.eighths(keep) {
                    content.resize(*length, 0);
                }
            }
            Change::Write { offset, octets } => {
                longest = longest.max(offset + octets.len());
                let mut from = 0;
                while from < octets.len() {
                    let to = ((offset + from) / SECTOR * SECTOR + SECTOR - offset).min(octets.len());
                    let piece = octets.get(from..to).unwrap_or_default();
                    if rng.eighths(keep) {
                        overwrite(content, piece, offset + from);
                    } else if cut && rng.eighths(2) {
                        cut = false;
                        let at = rng.below(piece.len());
                        let (front, back) = piece.split_at(at);
                        if rng.eighths(4) {
                            overwrite(content, front, offset + from);
                        } else {
                            overwrite(content, back, offset + from + at);
                        }
                    }
                    from = to;
                }
            }
        }
    }
    // The length may be written although the octets are not.
    if content.len() < longest && rng.eighths(4) {
        content.resize(longest, 0);
    }
}
