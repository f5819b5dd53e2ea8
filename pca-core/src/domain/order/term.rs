//! Service terms (rule O5).

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::refusal::{BrokenRule, Rule};
use crate::log::Timestamp;
use crate::x509::{Validity, plus_months};

const O5: Rule = Rule::new("O5");

/// For how long a CA is bought, or its term extended: a number of calendar months.
///
/// Any number can be asked for, so that a refusal can name this beside everything else; a command accepts
/// [`MIN_MONTHS`](Self::MIN_MONTHS) to [`MAX_MONTHS`](Self::MAX_MONTHS) (rule O5).
///
/// ```
/// use pca_core::domain::order::ServiceTerm;
///
/// assert_eq!("1y".parse(), Ok(ServiceTerm::months(12)));
/// assert_eq!("1y6m".parse(), Ok(ServiceTerm::months(18)));
/// assert!("1 year".parse::<ServiceTerm>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceTerm(u32);

impl ServiceTerm {
    /// The shortest term that can be bought, in months.
    pub const MIN_MONTHS: u32 = 1;
    /// The longest term that can be bought at once, in months: a hundred years.
    pub const MAX_MONTHS: u32 = 1200;

    /// A number of calendar months.
    #[must_use]
    pub const fn months(months: u32) -> Self {
        Self(months)
    }

    /// A number of calendar years; stays at the largest number of months.
    #[must_use]
    pub const fn years(years: u32) -> Self {
        Self(years.saturating_mul(12))
    }

    /// How many months.
    #[must_use]
    pub const fn in_months(self) -> u32 {
        self.0
    }

    /// When a term that begins, or is extended, at a time ends: the same time of day so many calendar months later, on
    /// the last day of the month where that is shorter. That instant still lies in it.
    ///
    /// # Errors
    /// The broken rule O5, if the term is too short or too long.
    pub fn end_after(self, time: Timestamp) -> Result<Timestamp, BrokenRule> {
        let months = self.0;
        if !(Self::MIN_MONTHS..=Self::MAX_MONTHS).contains(&months) {
            let message = format!(
                "the service term is {months} months; {} to {} calendar months can be bought",
                Self::MIN_MONTHS,
                Self::MAX_MONTHS
            );
            return Err(BrokenRule::new(O5, "term-length", message));
        }
        plus_months(time, months).filter(|end| *end <= Validity::NEVER).ok_or_else(|| {
            let message = format!("a service term of {months} months from {time} would end after the year 9999");
            BrokenRule::new(O5, "term-beyond-calendar", message)
        })
    }
}

impl Default for ServiceTerm {
    /// One year.
    fn default() -> Self {
        Self::years(1)
    }
}

impl fmt::Display for ServiceTerm {
    /// As it is parsed: `1y`, `6m`, `1y6m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 12, self.0 % 12) {
            (0, months) => write!(f, "{months}m"),
            (years, 0) => write!(f, "{years}y"),
            (years, months) => write!(f, "{years}y{months}m"),
        }
    }
}

impl FromStr for ServiceTerm {
    type Err = ServiceTermError;

    /// Years, months, or both: `1y`, `6m`, `1y6m`.
    fn from_str(text: &str) -> Result<Self, ServiceTermError> {
        let error = || ServiceTermError { text: text.chars().take(40).collect() };
        let number = |digits: &str| -> Result<u32, ServiceTermError> {
            if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
                return Err(error());
            }
            digits.parse().map_err(|_| error())
        };
        let (years, rest) = match text.split_once('y') {
            Some((years, rest)) => (number(years)?, rest),
            None => (0, text),
        };
        let months = match rest.strip_suffix('m') {
            Some(months) => number(months)?,
            None if rest.is_empty() && !text.is_empty() => 0,
            None => return Err(error()),
        };
        years.checked_mul(12).and_then(|of_years| of_years.checked_add(months)).map(Self).ok_or_else(error)
    }
}

/// Text that is no service term.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no service term; years, months or both are expected, such as `1y`, `6m` or `1y6m`")]
pub struct ServiceTermError {
    /// What was given, cut to 40 characters.
    pub text: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc().into()
    }

    #[test]
    fn terms_are_read_and_printed() {
        for (text, months) in [("1y", 12), ("6m", 6), ("18m", 18), ("2y3m", 27), ("0m", 0), ("0y", 0)] {
            assert_eq!(text.parse(), Ok(ServiceTerm::months(months)), "{text}");
        }
        for wrong in ["", "y", "m", "1", "1d", "-1m", "+1m", "1m1y", "1y6", "1y m", "4294967296m", "400000000y", "1Y"] {
            assert!(wrong.parse::<ServiceTerm>().is_err(), "{wrong}");
        }
        assert_eq!(ServiceTerm::months(18).to_string(), "1y6m");
        assert_eq!(ServiceTerm::default().to_string(), "1y");
        assert_eq!(ServiceTerm::months(0).to_string(), "0m");
    }

    #[test]
    fn a_term_ends_after_calendar_months() {
        let end = |months, from| ServiceTerm::months(months).end_after(at(from));
        assert_eq!(end(12, "2024-02-29T10:00:00Z"), Ok(at("2025-02-28T10:00:00Z")));
        assert_eq!(end(1, "2026-01-31T00:00:00.5Z"), Ok(at("2026-02-28T00:00:00.5Z")));
        assert_eq!(end(1200, "2026-01-31T00:00:00Z"), Ok(at("2126-01-31T00:00:00Z")));
    }

    #[test]
    fn a_term_is_a_month_at_least_and_a_hundred_years_at_most() {
        for months in [0, 1201, u32::MAX] {
            let broken = ServiceTerm::months(months).end_after(Timestamp::EPOCH).unwrap_err();
            assert_eq!((broken.rule().number(), broken.code()), ("O5", "term-length"));
            assert!(broken.message().contains(&months.to_string()), "{broken}");
        }
        let broken = ServiceTerm::months(2).end_after(at("9999-11-30T00:00:00Z")).unwrap_err();
        assert_eq!(broken.code(), "term-beyond-calendar");
    }
}
