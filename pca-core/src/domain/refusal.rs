//! The business said no: every broken rule, by number, with the figures (rule L4).

use core::fmt;
use std::collections::HashSet;

/// The number of a business rule, such as `Q2`; `docs/rules.md` lists them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rule(&'static str);

impl Rule {
    /// Names a rule.
    #[must_use]
    pub const fn new(number: &'static str) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A rule that a request breaks, with a stable code and the figures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BrokenRule {
    rule: Rule,
    code: &'static str,
    message: String,
}

impl BrokenRule {
    /// Names the rule, a stable kebab-case code for machines, and a clause that a person can act on.
    #[must_use]
    pub fn new(rule: Rule, code: &'static str, message: impl Into<String>) -> Self {
        Self { rule, code, message: message.into() }
    }

    /// The rule.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// A stable name of the reason, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What was wrong, and what would be right.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for BrokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.message)
    }
}

/// Every rule that a request breaks; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    broken: Vec<BrokenRule>,
}

impl Refusal {
    /// The broken rules, in the order in which they were checked.
    #[must_use]
    pub fn broken(&self) -> &[BrokenRule] {
        &self.broken
    }

    /// The first of them, with what is made of their messages: for those who keep many refusals.
    pub(crate) fn abridged(&self, most: usize, message: impl Fn(&str) -> String) -> Self {
        let abridge = |broken: &BrokenRule| BrokenRule { message: message(&broken.message), ..*broken };
        Self { broken: self.broken.iter().take(most).map(abridge).collect() }
    }

    /// Whether a rule is among them.
    #[must_use]
    pub fn names(&self, number: &str) -> bool {
        self.broken.iter().any(|broken| broken.rule.number() == number)
    }
}

impl From<BrokenRule> for Refusal {
    fn from(broken: BrokenRule) -> Self {
        Self { broken: vec![broken] }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused by ")?;
        for (number, broken) in self.broken.iter().enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{broken}")?;
        }
        Ok(())
    }
}

impl core::error::Error for Refusal {}

/// Gathers broken rules while a request is checked.
#[derive(Clone, Debug, Default)]
pub struct Objections {
    broken: Vec<BrokenRule>,
}

impl Objections {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn add(&mut self, broken: impl Into<BrokenRule>) {
        self.broken.push(broken.into());
    }

    /// Adds one unless the condition holds.
    pub fn require(&mut self, holds: bool, broken: impl FnOnce() -> BrokenRule) {
        if !holds {
            self.broken.push(broken());
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.broken.is_empty()
    }

    /// Goes on if there is none.
    ///
    /// # Errors
    /// All of them as one [`Refusal`], each once: what several parts of a request break alike is told where it was found
    /// first.
    pub fn verdict(mut self) -> Result<(), Refusal> {
        if self.broken.is_empty() {
            return Ok(());
        }
        let mut told = HashSet::new();
        self.broken.retain(|broken| told.insert(broken.clone()));
        Err(Refusal { broken: self.broken })
    }
}

impl Extend<BrokenRule> for Objections {
    fn extend<T: IntoIterator<Item = BrokenRule>>(&mut self, broken: T) {
        self.broken.extend(broken);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn l4_each_broken_rule_is_told_once_and_in_order() {
        let broken = |rule, message: &str| BrokenRule::new(Rule::new(rule), "code", message);
        let mut objections = Objections::new();
        objections.extend([broken("C6", "b"), broken("C5", "a"), broken("C6", "b"), broken("C6", "a")]);
        let refusal = objections.verdict().unwrap_err();
        assert_eq!(refusal.broken(), [broken("C6", "b"), broken("C5", "a"), broken("C6", "a")]);
    }
}
