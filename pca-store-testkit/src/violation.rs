//! What a rule found.

use core::fmt::{self, Debug};

use pca_core::log::{BodyError, StoreError, StreamIdError};

/// What a store did that a rule forbids.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    what: String,
}

impl Violation {
    /// Says what is wrong.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Debug for Violation {
    /// As a test that fails shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl core::error::Error for Violation {}

impl From<StoreError> for Violation {
    fn from(error: StoreError) -> Self {
        Self::new(format!("the store failed where it must not: {error}"))
    }
}

impl From<BodyError> for Violation {
    fn from(error: BodyError) -> Self {
        Self::new(format!("the suite made no proper commit: {error}"))
    }
}

impl From<StreamIdError> for Violation {
    fn from(error: StreamIdError) -> Self {
        Self::new(format!("the suite made no proper stream: {error}"))
    }
}

/// Nothing to object to, or what is wrong.
pub(crate) type Verdict<T = ()> = Result<T, Violation>;

pub(crate) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation::new(what())) }
}

pub(crate) fn equal<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Verdict {
    ensure(found == expected, || format!("{what}: found {}, expected {}", brief(found), brief(expected)))
}

/// The beginning of a value, which is enough to see what it is.
fn brief(value: &impl Debug) -> String {
    const LONGEST: usize = 600;
    let text = format!("{value:?}");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
