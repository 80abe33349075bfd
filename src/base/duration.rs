//! Durations as people write them, on a command line and in settings: `30s`, `5m`, `3h`, `2d`.

use std::time::Duration;

/// The longest duration taken: a year. More is a slip of the pen.
const SECONDS_MAX: u64 = 365 * 24 * 60 * 60;

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is no whole number with a unit.
    #[error("a duration is a whole number with s, m, h or d, such as 30s or 5m")]
    Form,
    /// It is longer than a year.
    #[error("a duration is at most 365d")]
    TooLong,
}

/// Reads a whole number with a unit.
///
/// ```
/// # use bindery::base::duration::parse_duration;
/// assert_eq!(parse_duration("3h")?.as_secs(), 10_800);
/// # Ok::<(), bindery::base::duration::DurationError>(())
/// ```
///
/// # Errors
///
/// [`DurationError`] if it is not one, or is longer than a year.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let unit = text.chars().last().ok_or(DurationError::Form)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(DurationError::Form),
    };
    let digits = &text[..text.len() - unit.len_utf8()];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::Form);
    }
    let number: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
    match number.checked_mul(seconds) {
        Some(seconds) if seconds <= SECONDS_MAX => Ok(Duration::from_secs(seconds)),
        _ => Err(DurationError::TooLong),
    }
}

/// Writes seconds in the largest unit in which they are a whole number.
#[must_use]
pub fn write_duration(seconds: u64) -> String {
    let units = [(24 * 60 * 60, 'd'), (60 * 60, 'h'), (60, 'm')];
    let whole = units
        .iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    let (unit, letter) = whole.unwrap_or(&(1, 's'));
    format!("{}{letter}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_people_type_it() {
        for text in ["0s", "59s", "61s", "5m", "90m", "3h", "25h", "2d", "365d"] {
            let written = parse_duration(text).map(|read| write_duration(read.as_secs()));
            assert_eq!(written.as_deref(), Ok(text));
        }
    }

    fn check(text: &str, expected: Option<u64>, reason: &str) {
        let found = parse_duration(text).ok();
        assert_eq!(
            found,
            expected.map(Duration::from_secs),
            "{text:?}: {reason}"
        );
    }

    #[test]
    fn a_duration_is_a_whole_number_with_a_unit() {
        check("0s", Some(0), "do not wait");
        check("30s", Some(30), "seconds");
        check("5m", Some(300), "minutes");
        check("3h", Some(10_800), "hours");
        check("2d", Some(172_800), "days");
        check("365d", Some(SECONDS_MAX), "the longest");
        check("366d", None, "one day more");
        check("99999999999999999999s", None, "more than 64 bits");
        check(
            "18446744073709551615d",
            None,
            "more than 64 bits when multiplied",
        );
        check("30", None, "no unit");
        check("s", None, "no number");
        check("", None, "nothing");
        check("-5s", None, "a sign");
        check("+5s", None, "a sign");
        check("1.5h", None, "not whole");
        check("5 m", None, "a space");
        check("5M", None, "another unit");
        check("5é", None, "a unit of two bytes");
    }
}
