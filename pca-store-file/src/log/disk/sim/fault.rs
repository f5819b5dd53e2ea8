//! One call that fails.

use std::io;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// EIO. Every other call does its work all the same, and a write does half of it.
    Io,
    /// ENOSPC, and nothing is done.
    Full,
    /// Half of a write or read is done and told so; the next write finds the disk full. Syncs and locks fail with
    /// ENOSPC, other calls are done.
    Short,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    /// It fails without doing anything.
    Refused(i32),
    /// It is done, or half of a write, and fails all the same.
    DoneAndFailed,
    /// Half is done, without an error if it is a read or write.
    Half,
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

impl Verdict {
    /// Fails what does nothing.
    pub(crate) fn before(self) -> io::Result<()> {
        match self {
            Self::Refused(code) => Err(io::Error::from_raw_os_error(code)),
            _ => Ok(()),
        }
    }

    /// Fails what was done nevertheless.
    pub(crate) fn after(self) -> io::Result<()> {
        if self == Self::DoneAndFailed { Err(io::Error::from_raw_os_error(EIO)) } else { Ok(()) }
    }

    /// Fails what could not have been done in any case.
    pub(crate) fn instead<T>(self, done: io::Result<T>) -> io::Result<T> {
        if done.is_err() {
            self.after()?;
        }
        done
    }

    /// Fails a call that reads.
    pub(crate) fn reading(self) -> io::Result<()> {
        self.before()?;
        self.after()
    }

    /// Fails a call that is done or not.
    pub(crate) fn failing(self) -> io::Result<()> {
        self.reading()?;
        if self == Self::Half { Err(io::Error::from_raw_os_error(ENOSPC)) } else { Ok(()) }
    }
}

/// Which call fails.
#[derive(Default)]
pub(crate) struct Plan {
    calls: u64,
    fails: Option<(u64, Fault)>,
    full: bool,
}

impl Plan {
    pub(crate) fn set(&mut self, call: u64, fault: Fault) {
        self.fails = Some((self.calls + call, fault));
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// Counts a call.
    pub(crate) fn call(&mut self) -> Verdict {
        self.calls += 1;
        match self.fails {
            Some((call, fault)) if call == self.calls => match fault {
                Fault::Io if call % 2 == 0 => Verdict::DoneAndFailed,
                Fault::Io => Verdict::Refused(EIO),
                Fault::Full => Verdict::Refused(ENOSPC),
                Fault::Short => Verdict::Half,
            },
            _ => Verdict::Go,
        }
    }

    /// Counts a write.
    pub(crate) fn write(&mut self) -> Verdict {
        if core::mem::take(&mut self.full) {
            self.calls += 1;
            return Verdict::Refused(ENOSPC);
        }
        let verdict = self.call();
        self.full = verdict == Verdict::Half;
        verdict
    }
}
