//! Time: seconds since 1970 in UTC, written `2026-11-22T09:00:00Z`.
//!
//! Time is an input everywhere else: only [`Time::now`] and [`file_clock_ns`] read the wall clock.
//!
//! # Invariants
//!
//! - A [`Time`] lies between the years 1970 and 9999, so its text is always 20 bytes and sorts like the time.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The first moment there is.
const BEGINNING: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// The last second of the year 9999.
const SECONDS_MAX: u64 = 253_402_300_799;

/// A moment, to the second.
///
/// ```
/// # use bindery::base::clock::Time;
/// let time: Time = "2026-11-22T09:00:00Z".parse()?;
/// assert_eq!(time.seconds(), 1_795_338_000);
/// # Ok::<(), bindery::base::clock::TimeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(u64);

/// Why a text or number is not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is written YYYY-MM-DDThh:mm:ssZ, from 1970 to 9999")]
pub struct TimeError;

impl Time {
    /// Reads the wall clock; `SOURCE_DATE_EPOCH`, if set to a number of seconds, overrides it.
    ///
    /// # Errors
    ///
    /// [`TimeError`] if `SOURCE_DATE_EPOCH` is not such a number, or the clock is out of range.
    pub fn now() -> Result<Self, TimeError> {
        match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(text) => Self::from_seconds(text.parse().map_err(|_| TimeError)?),
            Err(std::env::VarError::NotUnicode(_)) => Err(TimeError),
            Err(std::env::VarError::NotPresent) => Self::from_seconds(
                u64::try_from(Timestamp::now().as_second()).map_err(|_| TimeError)?,
            ),
        }
    }

    /// The moment `seconds` after 1970 began.
    ///
    /// # Errors
    ///
    /// [`TimeError`] past the year 9999.
    pub fn from_seconds(seconds: u64) -> Result<Self, TimeError> {
        if seconds > SECONDS_MAX {
            Err(TimeError)
        } else {
            Ok(Self(seconds))
        }
    }

    /// The first moment there is.
    #[must_use]
    pub const fn beginning() -> Self {
        Self(0)
    }

    /// Seconds since 1970 began.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// The moment as HTTP writes it, such as `Sun, 22 Nov 2026 09:00:00 GMT` (RFC 9110, section 5.6.7).
    #[must_use]
    pub fn to_http(self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(self.0))
    }

    /// Reads a moment as HTTP writes it, in any of the three ways that were ever in use.
    ///
    /// # Errors
    ///
    /// [`TimeError`] if it is none, or lies outside of what a [`Time`] can be.
    pub fn from_http(text: &str) -> Result<Self, TimeError> {
        let moment = httpdate::parse_http_date(text).map_err(|_| TimeError)?;
        let since = moment.duration_since(UNIX_EPOCH).map_err(|_| TimeError)?;
        Self::from_seconds(since.as_secs())
    }

    /// The moment `seconds` later, or the last one there is.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds).min(SECONDS_MAX))
    }
}

/// Reads the wall clock in nanoseconds since 1970, to be compared with the times that file systems give to files.
/// Nothing overrides it; a clock past the year 2262 reads as the last moment of it.
#[must_use]
pub fn file_clock_ns() -> i64 {
    i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0).map_err(|_| fmt::Error)?;
        let moment = BEGINNING.checked_add(SignedDuration::from_secs(seconds));
        moment
            .map_err(|_| fmt::Error)?
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .fmt(f)
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let moment: DateTime = text
            .strip_suffix('Z')
            .and_then(|text| text.parse().ok())
            .ok_or(TimeError)?;
        let seconds = moment.duration_since(BEGINNING).as_secs();
        let time = Self::from_seconds(u64::try_from(seconds).map_err(|_| TimeError)?)?;
        // What parses in other spellings, too, has one here.
        if time.to_string() == text {
            Ok(time)
        } else {
            Err(TimeError)
        }
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for Time {
    type Error = TimeError;

    fn try_from(text: String) -> Result<Self, TimeError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check_spelling;
    use super::*;

    #[test]
    fn only_the_canonical_spelling_of_a_time_parses() {
        for (text, good) in [
            ("2026-11-22T09:00:00Z", true),
            ("1970-01-01T00:00:00Z", true),
            ("9999-12-31T23:59:59Z", true),
            ("2026-11-22T09:00:00+00:00", false),
            ("2026-11-22 09:00:00Z", false),
            ("2026-11-22T09:00:00.5Z", false),
            ("2026-11-22T09:00:60Z", false),
            ("1969-12-31T23:59:59Z", false),
            ("2026-11-22", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<Time>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed() {
        check_spelling::<Time>("2026-11-22T09:00:00Z");
    }

    #[test]
    fn http_writes_times_in_its_own_way() {
        let time = Time::from_seconds(1_795_338_000);
        assert_eq!(
            time.map(Time::to_http).as_deref(),
            Ok("Sun, 22 Nov 2026 09:00:00 GMT")
        );
        assert_eq!(Time::from_http("Sun, 22 Nov 2026 09:00:00 GMT"), time);
        assert_eq!(Time::from_http("Sunday, 22-Nov-26 09:00:00 GMT"), time);
        assert_eq!(Time::from_http("2026-11-22T09:00:00Z"), Err(TimeError));
    }

    #[test]
    fn the_last_second_is_the_last() {
        assert!(Time::from_seconds(SECONDS_MAX).is_ok());
        assert_eq!(Time::from_seconds(SECONDS_MAX + 1), Err(TimeError));
    }
}
