//! Labels: short facts that people and build systems attach, such as the source commit or the architecture.
//!
//! # Invariants
//!
//! - [`Labels`] are at most [`LABELS_MAX`], each with a key of `A-Z a-z 0-9 - _ .` and a value of UTF-8 without control
//!   characters, both not empty and together at most [`LABEL_BYTES_MAX`] bytes. So a label always fits one line.
//!
//! # Not here
//!
//! The lines in which labels are written (`object::snapshot`).

use std::collections::BTreeMap;

use crate::base::limits::{LABEL_BYTES_MAX, LABELS_MAX};

/// The key of the label that names a release for people, such as `v1.0`: retirement keeps what has it.
pub const TAG: &str = "tag";

/// Labels by key.
///
/// ```
/// # use bindery::object::label::Labels;
/// let mut labels = Labels::default();
/// labels.insert("source-commit", "1f2e3d")?;
/// assert_eq!(labels.value("source-commit"), Some("1f2e3d"));
/// # Ok::<(), bindery::object::label::LabelError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<String, String>);

/// Why a text is not a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The key is empty or has other characters than `A-Z a-z 0-9 - _ .`.
    #[error("a label's key is made of A-Z a-z 0-9 - _ .")]
    Key,
    /// The value is empty or has a control character.
    #[error("a label's value is text on one line, and not empty")]
    Value,
    /// Key and value are longer than [`LABEL_BYTES_MAX`] together.
    #[error("a label has {bytes} bytes, more than {LABEL_BYTES_MAX}")]
    TooLong {
        /// Their length in bytes.
        bytes: usize,
    },
    /// There are [`LABELS_MAX`] labels already.
    #[error("more than {LABELS_MAX} labels")]
    TooMany,
}

impl Labels {
    /// Sets the label `key`; gives the value it had before.
    ///
    /// # Errors
    ///
    /// [`LabelError`] says which rule the label breaks; nothing has changed then.
    pub fn insert(&mut self, key: &str, value: &str) -> Result<Option<String>, LabelError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if key.is_empty() || !key.bytes().all(plain) {
            return Err(LabelError::Key);
        }
        if value.is_empty() || value.contains(char::is_control) {
            return Err(LabelError::Value);
        }
        let bytes = key.len() + value.len();
        if bytes > LABEL_BYTES_MAX {
            return Err(LabelError::TooLong { bytes });
        }
        if self.0.len() == LABELS_MAX && !self.0.contains_key(key) {
            return Err(LabelError::TooMany);
        }
        Ok(self.0.insert(key.into(), value.into()))
    }

    /// The value of the label `key`.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The greatest key.
    #[must_use]
    pub fn last_key(&self) -> Option<&str> {
        self.0.last_key_value().map(|(key, _)| key.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_fits_one_line() {
        let longest = "v".repeat(LABEL_BYTES_MAX - 1);
        let too_long = "v".repeat(LABEL_BYTES_MAX);
        let bytes = LABEL_BYTES_MAX + 1;
        for (key, value, expected) in [
            ("a-Z_0.9", "any text \u{e9} ", Ok(None)),
            ("k", longest.as_str(), Ok(None)),
            ("k", too_long.as_str(), Err(LabelError::TooLong { bytes })),
            ("", "v", Err(LabelError::Key)),
            ("a b", "v", Err(LabelError::Key)),
            ("\u{e9}", "v", Err(LabelError::Key)),
            ("k", "", Err(LabelError::Value)),
            ("k", "a\nb", Err(LabelError::Value)),
            ("k", "a\u{85}b", Err(LabelError::Value)),
        ] {
            let mut labels = Labels::default();
            assert_eq!(labels.insert(key, value), expected, "{key:?} {value:?}");
        }
    }

    #[test]
    fn labels_end_at_their_limit() -> Result<(), LabelError> {
        let mut labels = Labels::default();
        for number in 0..LABELS_MAX {
            labels.insert(&number.to_string(), "old")?;
        }
        assert_eq!(labels.insert("more", "v"), Err(LabelError::TooMany));
        assert_eq!(labels.insert("0", "new")?.as_deref(), Some("old"));
        assert_eq!(labels.iter().count(), LABELS_MAX);
        assert_eq!(labels.last_key(), Some("9"));
        Ok(())
    }
}
