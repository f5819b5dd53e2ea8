//! What was paid (rule O6): minor units of a currency of ISO 4217.

use core::fmt;
use core::str::FromStr;

use crate::domain::event::Money;
use crate::domain::refusal::{BrokenRule, Rule};

const O6: Rule = Rule::new("O6");

impl Money {
    /// Nothing was paid.
    #[must_use]
    pub fn nothing() -> Self {
        Self { minor_units: 0, currency: String::new() }
    }

    /// Whether nothing was paid.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.minor_units == 0
    }

    /// What speaks against it: an amount without a currency, or a currency that is none (rule O6).
    #[must_use]
    pub fn objection(&self) -> Option<BrokenRule> {
        let amount = self.minor_units;
        if self.currency.is_empty() {
            return (amount > 0).then(|| {
                let message = format!("{amount} minor units were paid in no currency; a code of ISO 4217 is missing");
                BrokenRule::new(O6, "no-currency", message)
            });
        }
        match minor_digits(&self.currency) {
            Some(_) => None,
            None => Some(unknown_currency(&self.currency)),
        }
    }
}

impl Default for Money {
    fn default() -> Self {
        Self::nothing()
    }
}

impl fmt::Display for Money {
    /// As it is parsed: `760.00USD`, `5000JPY`, `0` for nothing without a currency.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = minor_digits(&self.currency).unwrap_or_default();
        match 10_u64.checked_pow(digits) {
            Some(unit) if digits > 0 => {
                let width = usize::try_from(digits).unwrap_or_default();
                write!(f, "{}.{:0width$}{}", self.minor_units / unit, self.minor_units % unit, self.currency)
            }
            _ => write!(f, "{}{}", self.minor_units, self.currency),
        }
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// An amount and a currency of ISO 4217: `760.00USD`, `5000JPY`, `1.250BHD`; `0` for nothing.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let malformed = || MoneyError::Malformed { text: text.chars().take(40).collect() };
        let letters = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (amount, currency) = text.split_at_checked(letters).ok_or_else(malformed)?;
        let (whole, fraction) = match amount.split_once('.') {
            Some((_, "")) => return Err(malformed()),
            Some(parts) => parts,
            None => (amount, ""),
        };
        let are_digits = |part: &str| part.bytes().all(|octet| octet.is_ascii_digit());
        if whole.is_empty() || !are_digits(whole) || !are_digits(fraction) {
            return Err(malformed());
        }
        if currency.is_empty() {
            return if amount.bytes().any(|octet| matches!(octet, b'1'..=b'9')) {
                Err(MoneyError::NoCurrency { text: text.chars().take(40).collect() })
            } else {
                Ok(Self::nothing())
            };
        }
        if currency.len() != 3 || !currency.bytes().all(|octet| octet.is_ascii_uppercase()) {
            return Err(malformed());
        }
        let digits =
            minor_digits(currency).ok_or_else(|| MoneyError::UnknownCurrency { currency: currency.to_owned() })?;
        let width = usize::try_from(digits).unwrap_or_default();
        if fraction.len() > width {
            let (currency, found) = (currency.to_owned(), fraction.len());
            return Err(MoneyError::TooManyDigits { currency, digits, found });
        }
        format!("{whole}{fraction:0<width$}")
            .parse()
            .map(|minor_units| Self { minor_units, currency: currency.to_owned() })
            .map_err(|_| MoneyError::TooMuch { text: text.chars().take(40).collect() })
    }
}

/// Why text is no amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// It has another form.
    #[error("`{text}` is no amount of money; an amount with a currency of ISO 4217 is expected, such as `760.00USD`")]
    Malformed {
        /// What was given, cut to 40 characters.
        text: String,
    },
    /// An amount without a currency.
    #[error("`{text}` names no currency; a code of ISO 4217 is expected behind it, such as `760.00USD`")]
    NoCurrency {
        /// What was given, cut to 40 characters.
        text: String,
    },
    /// A currency that ISO 4217 does not list.
    #[error("`{currency}` is no currency of ISO 4217 that things are paid in")]
    UnknownCurrency {
        /// What was given.
        currency: String,
    },
    /// More decimals than the currency has.
    #[error("{found} decimals are given, but {currency} has {digits}")]
    TooManyDigits {
        /// The currency.
        currency: String,
        /// How many decimals it has.
        digits: u32,
        /// How many were given.
        found: usize,
    },
    /// More than can be counted.
    #[error("`{text}` is more than can be recorded; at most {} minor units are", u64::MAX)]
    TooMuch {
        /// What was given, cut to 40 characters.
        text: String,
    },
}

impl MoneyError {
    /// The broken rule, where the form is right but the value is forbidden (rule O6); nothing where the form is wrong.
    #[must_use]
    pub fn broken_rule(&self) -> Option<BrokenRule> {
        let code = match self {
            Self::Malformed { .. } => return None,
            Self::NoCurrency { .. } => "no-currency",
            Self::UnknownCurrency { currency } => return Some(unknown_currency(currency)),
            Self::TooManyDigits { .. } => "too-many-decimals",
            Self::TooMuch { .. } => "amount-too-large",
        };
        Some(BrokenRule::new(O6, code, self.to_string()))
    }
}

fn unknown_currency(currency: &str) -> BrokenRule {
    let shown: String = currency.chars().take(10).collect();
    let message = format!("`{shown}` is no currency of ISO 4217 that things are paid in, such as USD, EUR or CNY");
    BrokenRule::new(O6, "unknown-currency", message)
}

/// How many decimals a currency of ISO 4217 has; nothing for codes that are no money (metals, tests, units of account
/// without minor units).
fn minor_digits(currency: &str) -> Option<u32> {
    CURRENCIES
        .iter()
        .find(|(_, codes)| codes.split_ascii_whitespace().any(|code| code == currency))
        .map(|(digits, _)| *digits)
}

/// ISO 4217, active codes with minor units, by number of decimals.
const CURRENCIES: &[(u32, &str)] = &[
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW \
         CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF \
         IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK \
         MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP \
         SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER \
         ZAR ZMW ZWG",
    ),
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn money(minor_units: u64, currency: &str) -> Money {
        Money { minor_units, currency: currency.into() }
    }

    #[test]
    fn amounts_are_read_in_the_currencys_minor_units() {
        for (text, minor_units, currency) in [
            ("760.00USD", 76_000, "USD"),
            ("760USD", 76_000, "USD"),
            ("0.5EUR", 50, "EUR"),
            ("5000JPY", 5000, "JPY"),
            ("1.250BHD", 1250, "BHD"),
            ("1.5CLF", 15_000, "CLF"),
            ("0USD", 0, "USD"),
            ("0", 0, ""),
            ("0.00", 0, ""),
        ] {
            assert_eq!(text.parse(), Ok(money(minor_units, currency)), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_says_why() {
        for text in ["", "USD", ".5USD", "5.USD", "-1USD", "1 USD", "1usd", "1USDX", "1US", "1.2.3USD", "1€", "١USD"]
        {
            assert!(matches!(text.parse::<Money>(), Err(MoneyError::Malformed { .. })), "{text}");
        }
        for (text, code) in [
            ("5", "no-currency"),
            ("1XYZ", "unknown-currency"),
            ("1XAU", "unknown-currency"),
            ("7.5JPY", "too-many-decimals"),
            ("1.001USD", "too-many-decimals"),
            ("184467440737095516.16USD", "amount-too-large"),
        ] {
            let broken = text.parse::<Money>().unwrap_err().broken_rule().unwrap();
            assert_eq!((broken.rule().number(), broken.code()), ("O6", code), "{text}");
        }
        assert!("x".parse::<Money>().unwrap_err().broken_rule().is_none());
    }

    #[test]
    fn a_value_that_was_not_parsed_is_checked_too() {
        assert_eq!(money(5, "").objection().map(|broken| broken.code()), Some("no-currency"));
        assert_eq!(money(5, "usd").objection().map(|broken| broken.code()), Some("unknown-currency"));
        assert_eq!(money(0, "").objection(), None);
        assert_eq!(money(5, "KWD").objection(), None);
    }

    #[test]
    fn every_code_is_listed_once() {
        let mut codes: Vec<&str> = CURRENCIES.iter().flat_map(|(_, codes)| codes.split_ascii_whitespace()).collect();
        let listed = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), listed);
        assert!(codes.iter().all(|code| code.len() == 3 && code.bytes().all(|octet| octet.is_ascii_uppercase())));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(minor_units: u64, currency in prop::sample::select(vec!["USD", "JPY", "BHD", "CLF"])) {
            let paid = money(minor_units, currency);
            prop_assert_eq!(paid.to_string().parse(), Ok(paid));
        }
    }
}
