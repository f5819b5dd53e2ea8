//! Validity periods (RFC 5280 section 4.1.2.5) and calendar arithmetic.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Timelike, Utc};
use serde::{Deserialize, Serialize};

use super::der::{DerError, Reader, Writer, tag};
use crate::log::Timestamp;

/// From when to when a certificate is valid, both ends included, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Ends", into = "Ends")]
pub struct Validity {
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Validity {
    /// 9999-12-31T23:59:59Z, the time that never comes (RFC 5280 section 4.1.2.5).
    pub const NEVER: Timestamp = Timestamp::from_secs(253_402_300_799);
    /// 0000-01-01T00:00:00Z, the earliest time that can be written.
    const EARLIEST: Timestamp = Timestamp::from_secs(-62_167_219_200);

    /// Takes both ends; fractions of a second are cut off.
    ///
    /// # Errors
    /// [`ValidityError`] if it ends before it begins or if a time cannot be written.
    pub fn new(not_before: Timestamp, not_after: Timestamp) -> Result<Self, ValidityError> {
        let (not_before, not_after) = (not_before.floor_to_second(), not_after.floor_to_second());
        for time in [not_before, not_after] {
            if !(Self::EARLIEST..=Self::NEVER).contains(&time) {
                return Err(ValidityError::Range { time });
            }
        }
        if not_after < not_before {
            return Err(ValidityError::Reversed { not_before, not_after });
        }
        Ok(Self { not_before, not_after })
    }

    /// A number of calendar years, less one second because the end is included (rule C5). The year after 29 February
    /// ends as if it had begun on the 28th.
    ///
    /// # Errors
    /// [`ValidityError`] if no year is asked for or the end lies after the year 9999.
    pub fn for_years(not_before: Timestamp, years: u32) -> Result<Self, ValidityError> {
        Self::until(not_before, plus_years(not_before, years))
    }

    /// A number of days of 24 hours, less one second because the end is included (rule C5).
    ///
    /// # Errors
    /// [`ValidityError`] if no day is asked for or the end lies after the year 9999.
    pub fn for_days(not_before: Timestamp, days: u32) -> Result<Self, ValidityError> {
        Self::until(not_before, plus_days(not_before, days))
    }

    /// The first second of validity.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last second of validity.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether the instant lies in it. The whole of the last second counts.
    #[must_use]
    pub fn contains(&self, time: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&time.floor_to_second())
    }

    /// Whether all of it lies in the other (rule C5).
    #[must_use]
    pub fn nests_in(&self, outer: &Self) -> bool {
        outer.not_before <= self.not_before && self.not_after <= outer.not_after
    }

    /// How many seconds it lasts, the last one included.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.not_after.secs() - self.not_before.secs() + 1
    }

    /// The part that both have; nothing if they do not meet.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        Self::new(self.not_before.max(other.not_before), self.not_after.min(other.not_after)).ok()
    }

    /// Writes the `Validity` SEQUENCE.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.nested(tag::SEQUENCE, |w| {
            write_time(w, self.not_before);
            write_time(w, self.not_after);
        });
    }

    fn until(not_before: Timestamp, end: Option<Timestamp>) -> Result<Self, ValidityError> {
        let not_after = end.ok_or(ValidityError::Range { time: Timestamp::from_secs(i64::MAX) })?.plus_secs(-1);
        Self::new(not_before, not_after)
    }
}

/// The same time of day a number of calendar years later; 29 February becomes the 28th where there is none. Nothing
/// beyond the range of the calendar.
#[must_use]
pub fn plus_years(time: Timestamp, years: u32) -> Option<Timestamp> {
    let months = Months::new(years.checked_mul(12)?);
    time.to_datetime()?.checked_add_months(months).map(Timestamp::from)
}

/// The same time of day a number of calendar months later, on the last day of the month where it is shorter.
#[must_use]
pub fn plus_months(time: Timestamp, months: u32) -> Option<Timestamp> {
    time.to_datetime()?.checked_add_months(Months::new(months)).map(Timestamp::from)
}

/// The same time of day a number of days later. Nothing beyond the range of the calendar.
#[must_use]
pub fn plus_days(time: Timestamp, days: u32) -> Option<Timestamp> {
    time.to_datetime()?.checked_add_days(Days::new(days.into())).map(Timestamp::from)
}

/// Writes a `Time`: UTCTime in the years 1950 to 2049, GeneralizedTime otherwise (RFC 5280 section 4.1.2.5).
pub(crate) fn write_time(writer: &mut Writer, time: Timestamp) {
    let date = date_of(time);
    let century = two(date.year() / 100);
    let digits = digits(&date);
    if (1950..2050).contains(&date.year()) {
        writer.value(tag::UTC_TIME, &digits);
    } else {
        writer.header(tag::GENERALIZED_TIME, 15);
        writer.raw(&century);
        writer.raw(&digits);
    }
}

/// Writes a GeneralizedTime whatever the year (invalidity dates, RFC 5280 section 5.3.2).
pub(crate) fn write_generalized_time(writer: &mut Writer, time: Timestamp) {
    let date = date_of(time);
    writer.header(tag::GENERALIZED_TIME, 15);
    writer.raw(&two(date.year() / 100));
    writer.raw(&digits(&date));
}

/// Reads a `Time` in one of the two forms that RFC 5280 allows.
pub(crate) fn read_time(reader: &mut Reader<'_>) -> Result<Timestamp, DerError> {
    let tlv = reader.any()?;
    let digits = tlv.content.strip_suffix(b"Z").ok_or(DerError::Time)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(DerError::Time);
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    let numbers: Vec<u32> = pairs.iter().map(|[a, b]| u32::from(a - b'0') * 10 + u32::from(b - b'0')).collect();
    let (year, fields) = match (tlv.tag, numbers.as_slice(), rest) {
        (tag::UTC_TIME, [year, fields @ ..], []) => (if *year < 50 { 2000 + year } else { 1900 + year }, fields),
        (tag::GENERALIZED_TIME, [century, year, fields @ ..], []) => (century * 100 + year, fields),
        (tag::UTC_TIME | tag::GENERALIZED_TIME, ..) => return Err(DerError::Time),
        (found, ..) => return Err(DerError::Unexpected { expected: tag::UTC_TIME, found }),
    };
    let [month, day, hour, minute, second] = *fields else { return Err(DerError::Time) };
    let time = i32::try_from(year)
        .ok()
        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
        .and_then(|date| date.and_hms_opt(hour, minute, second))
        .ok_or(DerError::Time)?;
    Ok(Timestamp::from_secs(time.and_utc().timestamp()))
}

/// Why two times are no validity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ValidityError {
    /// It would end before it begins.
    #[error("the validity would end at {not_after}, before it begins at {not_before}")]
    Reversed {
        /// The beginning.
        not_before: Timestamp,
        /// The end.
        not_after: Timestamp,
    },
    /// A time outside the years 0 to 9999.
    #[error("the time {time} lies outside the years 0 to 9999, which a certificate can carry")]
    Range {
        /// Which time.
        time: Timestamp,
    },
}

#[derive(Serialize, Deserialize)]
struct Ends {
    not_before: Timestamp,
    not_after: Timestamp,
}

impl TryFrom<Ends> for Validity {
    type Error = ValidityError;

    fn try_from(ends: Ends) -> Result<Self, ValidityError> {
        Self::new(ends.not_before, ends.not_after)
    }
}

impl From<Validity> for Ends {
    fn from(validity: Validity) -> Self {
        Self { not_before: validity.not_before, not_after: validity.not_after }
    }
}

fn date_of(time: Timestamp) -> DateTime<Utc> {
    time.clamp(Validity::EARLIEST, Validity::NEVER).to_datetime().unwrap_or_default()
}

/// `YYMMDDHHMMSSZ`
fn digits(date: &DateTime<Utc>) -> [u8; 13] {
    let pairs = [
        two(date.year() % 100),
        two_u32(date.month()),
        two_u32(date.day()),
        two_u32(date.hour()),
        two_u32(date.minute()),
        two_u32(date.second()),
    ];
    let mut out = [b'Z'; 13];
    out.iter_mut().zip(pairs.as_flattened()).for_each(|(to, from)| *to = *from);
    out
}

fn two(number: i32) -> [u8; 2] {
    two_u32(u32::try_from(number).unwrap_or_default())
}

fn two_u32(number: u32) -> [u8; 2] {
    let digit = |number: u32| b'0' + u8::try_from(number % 10).unwrap_or_default();
    [digit(number / 10), digit(number)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::x509::der;
    use proptest::prelude::*;

    fn time(text: &str) -> Timestamp {
        Timestamp::from(DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc))
    }

    #[test]
    fn c5_years_are_calendar_years_and_the_end_is_included() {
        for (from, years, until) in [
            ("2025-01-01T00:00:00Z", 1, "2025-12-31T23:59:59Z"),
            ("2024-02-29T12:00:00Z", 1, "2025-02-28T11:59:59Z"),
            ("2024-02-29T12:00:00Z", 4, "2028-02-29T11:59:59Z"),
            ("2023-03-01T00:00:00.9Z", 1, "2024-02-29T23:59:59Z"),
            ("2025-06-15T08:30:00Z", 10, "2035-06-15T08:29:59Z"),
        ] {
            let validity = Validity::for_years(time(from), years).unwrap();
            assert_eq!(validity.not_after(), time(until), "{from} and {years} years");
            assert_eq!(validity.not_before(), time(from).floor_to_second());
        }
        let ninety = Validity::for_days(time("2025-01-01T00:00:00Z"), 90).unwrap();
        assert_eq!(ninety.not_after(), time("2025-03-31T23:59:59Z"));
        assert_eq!(ninety.seconds(), 90 * 86_400);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let now = time("2025-01-01T00:00:00Z");
        assert!(matches!(Validity::for_days(now, 0), Err(ValidityError::Reversed { .. })));
        assert!(matches!(Validity::for_years(now, 9000), Err(ValidityError::Range { .. })));
        assert!(matches!(Validity::for_years(now, u32::MAX), Err(ValidityError::Range { .. })));
        assert!(matches!(Validity::new(now, Timestamp::from_micros(i64::MAX)), Err(ValidityError::Range { .. })));
    }

    #[test]
    fn c5_nesting_compares_both_ends() {
        let (a, b, c) = (Timestamp::from_secs(10), Timestamp::from_secs(20), Timestamp::from_secs(30));
        let outer = Validity::new(a, b).unwrap();
        assert!(outer.nests_in(&outer));
        assert!(!Validity::new(a, c).unwrap().nests_in(&outer));
        assert!(!outer.nests_in(&Validity::new(b, c).unwrap()));
        assert!(outer.contains(Timestamp::from_micros(20_999_999)), "the whole last second counts");
        assert!(!outer.contains(Timestamp::from_secs(21)));
    }

    #[test]
    fn utc_time_ends_with_2049() {
        for (text, expected) in [
            ("2049-12-31T23:59:59Z", &b"\x17\x0d491231235959Z"[..]),
            ("2050-01-01T00:00:00Z", b"\x18\x0f20500101000000Z"),
            ("1950-01-01T00:00:00Z", b"\x17\x0d500101000000Z"),
            ("1949-12-31T23:59:59Z", b"\x18\x0f19491231235959Z"),
        ] {
            assert_eq!(der::encode(|w| write_time(w, time(text))), expected);
        }
        assert_eq!(der::encode(|w| write_time(w, Validity::NEVER)), b"\x18\x0f99991231235959Z");
    }

    #[test]
    fn malformed_times_are_refused() {
        for wrong in [
            &b"\x17\x0b4912312359Z"[..],
            b"\x17\x0d491331235959Z",
            b"\x17\x11491231235959+000",
            b"\x18\x1120500101000000.5Z",
            b"\x17\x0d4a1231235959Z",
        ] {
            assert!(read_time(&mut Reader::new(wrong)).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn times_are_read_back(secs in -62_167_219_200_i64..=253_402_300_799) {
            let octets = der::encode(|w| write_time(w, Timestamp::from_secs(secs)));
            prop_assert_eq!(read_time(&mut Reader::new(&octets)), Ok(Timestamp::from_secs(secs)));
        }
    }
}
