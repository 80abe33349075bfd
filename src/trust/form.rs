//! The form that all statements share: a first line that says which, then fixed lines in fixed order, then extensions.
//!
//! Private to this floor: statements are made of these parts, users see [`Statement`](super::statement::Statement).
//!
//! # Invariants
//!
//! - No statement is written without [`Form::check`], and none is read without it.
//!
//! # Not here
//!
//! Reading fields (`base::text`), the extensions (`trust::statement`).

use std::fmt::Display;
use std::str::FromStr;

use crate::base::clock::Time;
use crate::base::text::{Fields, Lines, TextError};
use crate::base::{Error, Result};

/// What one kind of statement says about itself. Outside of this floor nobody can implement or call it.
pub trait Form: Sized {
    /// The kind's name in messages.
    const NAME: &'static str;
    /// The first line.
    const DOMAIN: &'static str;
    /// The most bytes of a text.
    const BYTES_MAX: u64;

    /// Reads everything after the first line.
    fn read(lines: &mut Lines<'_>) -> Result<Self, TextError>;

    /// Writes everything after the first line.
    fn write(&self) -> String;

    /// Checks what single lines cannot show.
    fn check(&self) -> Result<()>;

    /// The error that this kind of statement breaks the rule `reason`.
    fn malformed(reason: impl Into<String>) -> Error {
        Error::malformed(Self::NAME, reason)
    }
}

/// Reads the next line, `word` and the fields that `read` takes, up to its end.
pub fn read_line<'a, T>(
    lines: &mut Lines<'a>,
    word: &str,
    read: impl FnOnce(&mut Fields<'a>) -> Result<T, TextError>,
) -> Result<T, TextError> {
    let mut fields = lines.next_with(word)?;
    let value = read(&mut fields)?;
    fields.end()?;
    Ok(value)
}

/// Reads the next line, `word` and one value, called `what` in the error.
pub fn read_value<T: FromStr>(
    lines: &mut Lines<'_>,
    word: &str,
    what: &str,
) -> Result<T, TextError> {
    read_line(lines, word, |fields| fields.value(what))
}

/// Reads the next line, `word` and a number.
pub fn read_number(lines: &mut Lines<'_>, word: &str) -> Result<u64, TextError> {
    read_line(lines, word, Fields::number)
}

/// Reads the next line, `word` and one value or `-`.
pub fn read_optional<T: FromStr>(
    lines: &mut Lines<'_>,
    word: &str,
    what: &str,
) -> Result<Option<T>, TextError> {
    read_line(lines, word, |fields| {
        if fields.clone().word("-").is_ok() {
            fields.word("-").map(|()| None)
        } else {
            fields.value(what).map(Some)
        }
    })
}

/// A value, or `-`.
pub fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Requires that the number called `what` is at least 1, as all that is counted here begins with 1.
pub fn check_counted<T: Form>(what: &str, number: u64) -> Result<()> {
    if number == 0 {
        return Err(T::malformed(format!("{what} is 0 and begins with 1")));
    }
    Ok(())
}

/// Requires that a statement made at `time` expires later, if at all.
pub fn check_expires<T: Form>(time: Time, expires: Option<Time>) -> Result<()> {
    match expires {
        Some(expires) if expires <= time => Err(T::malformed(format!(
            "it expires at {expires} and was made at {time}"
        ))),
        _ => Ok(()),
    }
}
