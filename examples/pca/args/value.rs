//! Words with a form of their own. A word of the right form with a value that a rule forbids is read, so that the rule
//! can be named; a word of another form is not understood.

use std::str::FromStr;

use pca_core::domain::event::Money;
use pca_core::domain::order::{MoneyError, ServiceTerm};
use pca_core::domain::{BrokenRule, Rule};
use pca_core::keys::{Algorithm, Family};
use pca_core::log::{Position, Timestamp};

const O3: Rule = Rule::new("O3");

/// A whole number, perhaps one that is never possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// From 0 to 2⁶⁴ − 1.
    Fits(u64),
    /// Below 0.
    Negative(String),
    /// Above 2⁶⁴ − 1.
    TooLarge(String),
}

impl FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        if let Some(digits) = text.strip_prefix('-')
            && are_digits(digits)
        {
            return Ok(if digits.bytes().all(|octet| octet == b'0') {
                Self::Fits(0)
            } else {
                Self::Negative(text.into())
            });
        }
        if !are_digits(text) {
            return Err(format!("`{text}` is no whole number"));
        }
        Ok(text.parse().map_or_else(|_| Self::TooLarge(text.into()), Self::Fits))
    }
}

impl Number {
    /// The number, as near as it can be had; what it was is told for a message.
    pub fn nearest(&self) -> (u64, Option<&str>) {
        match self {
            Self::Fits(number) => (*number, None),
            Self::Negative(text) => (0, Some(text)),
            Self::TooLarge(text) => (u64::MAX, Some(text)),
        }
    }
}

/// The name of a key algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlgorithmWord {
    /// One that can be had.
    Known(Algorithm),
    /// One that rule O3 forbids, or that comes later.
    Refused(BrokenRule),
}

impl FromStr for AlgorithmWord {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let unknown = match name.parse() {
            Ok(algorithm) => return Ok(Self::Known(algorithm)),
            Err(error) => error,
        };
        let bits =
            name.strip_prefix("rsa-").filter(|bits| !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()));
        if let Some(bits) = bits {
            let text = format!("rsa-{bits} is refused by the policy; RSA keys are made with 2048, 3072 or 4096 bits");
            return Ok(Self::Refused(BrokenRule::new(O3, "key-strength", text)));
        }
        if matches!(name, "ml-dsa-44" | "ml-dsa-65" | "ml-dsa-87" | "sm2") {
            let text = format!("{name} is not yet supported: no signing back end of this build knows it");
            return Ok(Self::Refused(BrokenRule::new(O3, "algorithm-not-yet-supported", text)));
        }
        Err(unknown.to_string())
    }
}

/// The name of a key family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FamilyWord {
    /// One that can be had.
    Known(Family),
    /// One without a back end.
    Refused(BrokenRule),
}

impl FromStr for FamilyWord {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match (name.parse(), name) {
            (Ok(family), _) => Ok(Self::Known(family)),
            (_, "pq" | "ml-dsa" | "sm2") => {
                let text = format!("the family {name} cannot be bought: no signing back end of this build knows it");
                Ok(Self::Refused(BrokenRule::new(O3, "family-without-back-end", text)))
            }
            _ => Err(format!("`{name}` is no key family; there are ecc and rsa")),
        }
    }
}

/// A service term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TermWord {
    /// Calendar months; perhaps too few or too many.
    Known(ServiceTerm),
    /// One that rule O5 forbids.
    Refused(BrokenRule),
}

impl FromStr for TermWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = match text.parse() {
            Ok(term) => return Ok(Self::Known(term)),
            Err(error) => error,
        };
        let digits = text.strip_prefix('-').unwrap_or(text).strip_suffix(['y', 'm', 'd', 'w']).unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(error.to_string());
        }
        let text = format!(
            "a service term of {text} cannot be had: terms are whole calendar months, 1 to {}",
            ServiceTerm::MAX_MONTHS
        );
        Ok(Self::Refused(BrokenRule::new(Rule::new("O5"), "term-length", text)))
    }
}

/// What was paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paid {
    /// An amount.
    Amount(Money),
    /// An amount that rule O6 forbids.
    Refused(BrokenRule),
}

impl FromStr for Paid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error: MoneyError = match text.parse() {
            Ok(money) => return Ok(Self::Amount(money)),
            Err(error) => error,
        };
        if let Some(positive) = text.strip_prefix('-')
            && (positive.parse::<Money>().is_ok()
                || positive.parse::<Money>().is_err_and(|e| e.broken_rule().is_some()))
        {
            let message = format!("{text} is below nothing; what was paid is 0 or more");
            return Ok(Self::Refused(BrokenRule::new(Rule::new("O6"), "negative-amount", message)));
        }
        error.broken_rule().map(Self::Refused).ok_or_else(|| error.to_string())
    }
}

/// A time, RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match chrono::DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(Self(time.with_timezone(&chrono::Utc).into())),
            Err(_) => Err(format!("`{text}` is no time of RFC 3339, such as 2030-01-31T12:00:00Z")),
        }
    }
}

/// A point of the log's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// After this position.
    Position(Position),
    /// After all that happened up to this time.
    Time(Timestamp),
}

impl FromStr for AsOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(Position::new(position)));
        }
        let time = text.parse::<Time>();
        time.map(|Time(time)| Self::Time(time))
            .map_err(|_| format!("`{text}` is neither a position of the log nor a time of RFC 3339"))
    }
}

/// A number of days, such as `30d`; hours and weeks, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// In seconds.
    pub seconds: i64,
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no span of time, such as 30d, 12h or 2w");
        let (number, unit) = match text.char_indices().next_back() {
            Some((at, 'h')) => (text.get(..at), 3_600),
            Some((at, 'd')) => (text.get(..at), 86_400),
            Some((at, 'w')) => (text.get(..at), 604_800),
            _ => (Some(text), 86_400),
        };
        let number: u32 = number.and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
        Ok(Self { seconds: i64::from(number) * unit })
    }
}

/// A label: `key=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelWord(pub String, pub String);

impl FromStr for LabelWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) =
            text.split_once('=').ok_or_else(|| format!("`{text}` is no label: KEY=VALUE is expected"))?;
        Ok(Self(key.into(), value.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_never_possible_are_numbers_all_the_same() {
        assert_eq!("7".parse(), Ok(Number::Fits(7)));
        assert_eq!("-0".parse(), Ok(Number::Fits(0)));
        assert_eq!("-3".parse(), Ok(Number::Negative("-3".into())));
        assert_eq!("18446744073709551616".parse(), Ok(Number::TooLarge("18446744073709551616".into())));
        for wrong in ["", "-", "x", "1.5", "1e3", "+1"] {
            assert!(wrong.parse::<Number>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_algorithm_is_known_refused_or_not_understood() {
        assert_eq!("ed25519".parse(), Ok(AlgorithmWord::Known(Algorithm::Ed25519)));
        for refused in ["rsa-1024", "rsa-8192", "ml-dsa-65", "sm2"] {
            assert!(matches!(refused.parse(), Ok(AlgorithmWord::Refused(broken)) if broken.rule() == O3), "{refused}");
        }
        for wrong in ["", "rsa", "rsa-", "dsa", "P-256"] {
            assert!(wrong.parse::<AlgorithmWord>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn terms_and_payments_of_the_right_form_are_left_to_the_rules() {
        assert_eq!("0m".parse(), Ok(TermWord::Known(ServiceTerm::months(0))));
        for refused in ["-1y", "15d", "2w", "99999999999y"] {
            assert!(
                matches!(refused.parse(), Ok(TermWord::Refused(broken)) if broken.code() == "term-length"),
                "{refused}"
            );
        }
        for wrong in ["", "1", "y", "-", "1 year", "1.5y"] {
            assert!(wrong.parse::<TermWord>().is_err(), "{wrong}");
        }
        for (refused, code) in
            [("5", "no-currency"), ("1.001USD", "too-many-decimals"), ("-1.00USD", "negative-amount")]
        {
            assert!(matches!(refused.parse(), Ok(Paid::Refused(broken)) if broken.code() == code), "{refused}");
        }
        for wrong in ["", "USD", "lots", "-", "1usd"] {
            assert!(wrong.parse::<Paid>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_positions_and_spans() {
        assert_eq!("1970-01-01T01:00:00+01:00".parse(), Ok(Time(Timestamp::EPOCH)));
        assert_eq!("12".parse(), Ok(AsOf::Position(Position::new(12))));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(AsOf::Time(Timestamp::from_secs(1))));
        assert!("yesterday".parse::<AsOf>().is_err());
        assert_eq!("2w".parse(), Ok(Span { seconds: 1_209_600 }));
        assert_eq!("30".parse(), Ok(Span { seconds: 2_592_000 }));
        assert!("d".parse::<Span>().is_err() && "-1d".parse::<Span>().is_err());
    }
}
