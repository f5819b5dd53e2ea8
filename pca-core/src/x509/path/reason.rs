//! Reasons, and how much work is done to find them (rule G4).

use core::fmt;

/// One reason why a chain is not valid: the clause that is broken, and what breaks it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[error("{message} ({clause})")]
pub struct Reason {
    clause: &'static str,
    message: String,
}

impl Reason {
    pub(super) fn new(clause: &'static str, message: impl Into<String>) -> Self {
        Self { clause, message: message.into() }
    }

    /// The same about a certificate or list that is named.
    pub(super) fn about(&self, what: &impl fmt::Display) -> Self {
        Self { clause: self.clause, message: format!("{what}: {}", self.message) }
    }

    /// Where it is demanded, such as `RFC 5280 4.2.1.9`, `CABF BR 7.1.2.7.8` or, for the bound of the work, `G4`.
    #[must_use]
    pub const fn clause(&self) -> &'static str {
        self.clause
    }

    /// What is wrong, in one clause that names the certificate.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The most signatures that are verified for one question (rule G4).
pub const MAX_SIGNATURE_CHECKS: u32 = 100;

/// The most names that are compared for one question (rule G4): issuers with subjects, and names with constraints.
pub const MAX_NAME_COMPARISONS: u32 = 250_000;

/// What is left of the work that is allowed.
#[derive(Debug)]
pub(super) struct Budget {
    signatures: u32,
    comparisons: u32,
}

/// The bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exhausted {
    Signatures,
    Comparisons,
}

impl Exhausted {
    pub(super) fn reason(self) -> Reason {
        let text = match self {
            Self::Signatures => format!("more than {MAX_SIGNATURE_CHECKS} signatures would have to be verified"),
            Self::Comparisons => format!("more than {MAX_NAME_COMPARISONS} names would have to be compared"),
        };
        Reason::new("G4", text)
    }
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { signatures: MAX_SIGNATURE_CHECKS, comparisons: MAX_NAME_COMPARISONS }
    }

    pub(super) fn signature(&mut self) -> Result<(), Exhausted> {
        self.signatures = self.signatures.checked_sub(1).ok_or(Exhausted::Signatures)?;
        Ok(())
    }

    pub(super) fn comparisons(&mut self, count: usize) -> Result<(), Exhausted> {
        let left = u32::try_from(count).ok().and_then(|count| self.comparisons.checked_sub(count));
        self.comparisons = left.ok_or(Exhausted::Comparisons)?;
        Ok(())
    }
}
