//! A remark: one line that somebody outside says about something, to be shown to people.
//!
//! # Invariants
//!
//! - At most [`REMARK_BYTES_MAX`] bytes of UTF-8 without control characters, so it stays on its line and tells a terminal
//!   nothing. It may be empty.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::limits::REMARK_BYTES_MAX;

/// One line of text from outside.
///
/// ```
/// # use bindery::base::remark::Remark;
/// let remark: Remark = "3 warnings, see https://ci.example.org/17".parse()?;
/// assert!(!remark.as_str().is_empty());
/// assert!("two\nlines".parse::<Remark>().is_err());
/// # Ok::<(), bindery::base::remark::RemarkError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Remark(String);

/// Why a text is no remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemarkError {
    /// It is longer than [`REMARK_BYTES_MAX`].
    #[error("the text has {bytes} bytes, more than {REMARK_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It has an end of line or another control character.
    #[error("the text has a control character at byte {at}: it must be one line")]
    Control {
        /// Where the first one is.
        at: usize,
    },
}

impl Remark {
    /// Shows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text after `: `, or nothing if there is none.
    #[must_use]
    pub fn after_colon(&self) -> String {
        if self.0.is_empty() {
            String::new()
        } else {
            format!(": {}", self.0)
        }
    }
}

impl TryFrom<String> for Remark {
    type Error = RemarkError;

    fn try_from(text: String) -> Result<Self, RemarkError> {
        let bytes = text.len();
        if bytes > REMARK_BYTES_MAX {
            return Err(RemarkError::TooLong { bytes });
        }
        match text.find(char::is_control) {
            Some(at) => Err(RemarkError::Control { at }),
            None => Ok(Self(text)),
        }
    }
}

impl FromStr for Remark {
    type Err = RemarkError;

    fn from_str(text: &str) -> Result<Self, RemarkError> {
        text.to_owned().try_into()
    }
}

impl From<Remark> for String {
    fn from(remark: Remark) -> Self {
        remark.0
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_is_one_line_that_tells_a_terminal_nothing() {
        let (longest, too_long) = (
            "x".repeat(REMARK_BYTES_MAX),
            "x".repeat(REMARK_BYTES_MAX + 1),
        );
        for (text, expected) in [
            ("", Ok(())),
            ("0 warnings: \"fine\" \u{1F600}", Ok(())),
            (longest.as_str(), Ok(())),
            (
                too_long.as_str(),
                Err(RemarkError::TooLong {
                    bytes: REMARK_BYTES_MAX + 1,
                }),
            ),
            ("a\nb", Err(RemarkError::Control { at: 1 })),
            ("a\tb", Err(RemarkError::Control { at: 1 })),
            ("\u{1b}[2J", Err(RemarkError::Control { at: 0 })),
            ("caf\u{e9}\u{9b}2J", Err(RemarkError::Control { at: 5 })),
        ] {
            assert_eq!(text.parse::<Remark>().map(|_| ()), expected, "{text:?}");
        }
    }
}
