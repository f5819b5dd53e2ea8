//! A disk whose syncs of data wait at a gate, for tests.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::{Disk, DiskFile, Lock, LockError, Mode, OsDisk};

/// The real disk behind a gate, which is open at first.
#[derive(Clone, Default)]
pub(crate) struct GatedDisk(Arc<Gate>);

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Shut {
        waiting: bool,
    },
    Broken,
}

impl GatedDisk {
    /// Syncs wait from now on.
    pub(crate) fn shut(&self) {
        self.0.set(State::Shut { waiting: false });
    }

    /// Syncs go on.
    pub(crate) fn open(&self) {
        self.0.set(State::Open);
    }

    /// Syncs fail.
    pub(crate) fn break_down(&self) {
        self.0.set(State::Broken);
    }

    /// Waits until a sync waits at the gate.
    pub(crate) fn wait_until_reached(&self) {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let reached = self.0.changed.wait_while(state, |state| *state != State::Shut { waiting: true });
        drop(reached);
    }
}

impl Gate {
    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_all();
    }

    fn pass(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *state {
                State::Open => return Ok(()),
                State::Broken => return Err(io::Error::from_raw_os_error(5)),
                State::Shut { .. } => {
                    *state = State::Shut { waiting: true };
                    self.changed.notify_all();
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl Disk for GatedDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        OsDisk.create_directory(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        OsDisk.list(directory)
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(GatedFile(OsDisk.open(path, mode)?, Arc::clone(&self.0))))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        OsDisk.sync_directory(directory)
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Lock, LockError> {
        OsDisk.lock(path, holder)
    }
}

struct GatedFile(Arc<dyn DiskFile>, Arc<Gate>);

impl DiskFile for GatedFile {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read_at(&self, octets: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(octets, offset)
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(octets, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.1.pass()?;
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}
