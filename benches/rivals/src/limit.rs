//! The limit: groups of so many commits' octets written over zeros and synced, one after the other, and nothing else.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

const PREALLOCATED: usize = 64 << 20;

/// Commits a second, if each is a frame of so many octets and so many share a sync.
pub(crate) fn rate(directory: &Path, frame: usize, batch: usize, time: Duration) -> f64 {
    let path = directory.join("limit");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path).unwrap();
    file.write_all_at(&vec![0; PREALLOCATED], 0).unwrap();
    file.sync_all().unwrap();
    let octets = vec![7; frame * batch];
    let (begun, mut offset, mut count) = (Instant::now(), 0, 0);
    while begun.elapsed() < time {
        if offset + octets.len() > PREALLOCATED {
            offset = 0;
        }
        file.write_all_at(&octets, offset as u64).unwrap();
        file.sync_data().unwrap();
        offset += octets.len();
        count += batch;
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    std::fs::remove_file(path).unwrap();
    rate
}
