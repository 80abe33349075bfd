//! Strict reading of canonical text: the lines of trees, snapshots and statements.
//!
//! # Invariants
//!
//! - What [`Lines`] accepts has one spelling: lines end in LF, fields are separated by one space, numbers have no
//!   leading zeros, hashes are lower-case hex.
//!
//! # Not here
//!
//! What the fields mean (`object`, `trust`).

use std::fmt::Display;
use std::str::FromStr;

/// Why a text is not canonical, and on which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct TextError {
    line: usize,
    reason: String,
}

impl TextError {
    /// Says that `what` should have stood on a line, counted from 1.
    #[must_use]
    pub fn expected(line: usize, what: impl Display) -> Self {
        Self::wrong(line, format_args!("expected {what}"))
    }

    /// Says what is wrong with what stands on a line, counted from 1.
    #[must_use]
    pub fn wrong(line: usize, reason: impl Display) -> Self {
        let reason = reason.to_string();
        Self { line, reason }
    }
}

/// Reads a text line by line.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Lines<'a> {
    /// Starts at the first line of `text`.
    #[must_use]
    pub const fn new(text: &'a [u8]) -> Self {
        Self {
            rest: text,
            line: 0,
        }
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that has not been read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether the next line starts with `word` and a space.
    #[must_use]
    pub fn starts_with(&self, word: &str) -> bool {
        self.rest
            .strip_prefix(word.as_bytes())
            .is_some_and(|rest| rest.first() == Some(&b' '))
    }

    /// Takes the next line, without its LF.
    ///
    /// # Errors
    ///
    /// [`TextError`] at the end, or if the last line has no LF.
    pub fn next_line(&mut self) -> Result<Fields<'a>, TextError> {
        self.line += 1;
        let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') else {
            return Err(self.expected("a line that ends in LF"));
        };
        let (line, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        Ok(Fields {
            rest: Some(line),
            line: self.line,
        })
    }

    /// Takes the next line, which must start with `word`; the fields after it are left to read.
    ///
    /// # Errors
    ///
    /// [`TextError`] if the line starts otherwise.
    pub fn next_with(&mut self, word: &str) -> Result<Fields<'a>, TextError> {
        let mut fields = self.next_line()?;
        fields.word(word)?;
        Ok(fields)
    }

    /// The error that `what` was expected on the line read last.
    pub fn expected(&self, what: impl Display) -> TextError {
        TextError::expected(self.line, what)
    }
}

/// The fields of one line, separated by single spaces.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: Option<&'a [u8]>,
    line: usize,
}

impl<'a> Fields<'a> {
    /// Takes the next field, up to a space or the end.
    ///
    /// # Errors
    ///
    /// [`TextError`] if no field is left.
    pub fn field(&mut self) -> Result<&'a [u8], TextError> {
        let rest = self.rest.ok_or_else(|| self.expected("another field"))?;
        let space = rest.iter().position(|byte| *byte == b' ');
        let (field, rest) = match space {
            Some(space) => (&rest[..space], Some(&rest[space + 1..])),
            None => (rest, None),
        };
        self.rest = rest;
        Ok(field)
    }

    /// Takes the next field, which must be `word`.
    ///
    /// # Errors
    ///
    /// [`TextError`] if it is something else.
    pub fn word(&mut self, word: &str) -> Result<(), TextError> {
        if self.field().is_ok_and(|field| field == word.as_bytes()) {
            Ok(())
        } else {
            Err(self.expected(format!("'{word}'")))
        }
    }

    /// Takes the version of a format, of which `known` is the only one that this program reads.
    ///
    /// # Errors
    ///
    /// [`TextError`] if it is another.
    pub fn version(&mut self, known: u32) -> Result<(), TextError> {
        match self.clone().number() {
            Ok(found) if found != u64::from(known) => {
                let reason = format!("version {found}, of which this program knows {known} alone");
                Err(TextError::wrong(self.line, reason))
            }
            _ => self.word(&known.to_string()),
        }
    }

    /// Takes a number in decimal digits without leading zeros.
    ///
    /// # Errors
    ///
    /// [`TextError`] if the field is not such a number, or does not fit 64 bits.
    pub fn number(&mut self) -> Result<u64, TextError> {
        let field = self.field()?;
        let canonical =
            field.iter().all(u8::is_ascii_digit) && (field == b"0" || !field.starts_with(b"0"));
        std::str::from_utf8(field)
            .ok()
            .filter(|_| canonical)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.expected("a number without leading zeros"))
    }

    /// Takes the next field as a value of type `T`, called `what` in the error.
    ///
    /// # Errors
    ///
    /// [`TextError`] if the field is not one.
    pub fn value<T: FromStr>(&mut self, what: &str) -> Result<T, TextError> {
        let field = self.field()?;
        let value = std::str::from_utf8(field)
            .ok()
            .and_then(|text| text.parse().ok());
        value.ok_or_else(|| self.expected(what))
    }

    /// Takes everything to the end of the line, spaces included.
    ///
    /// # Errors
    ///
    /// [`TextError`] if the line ended before.
    pub fn remainder(&mut self) -> Result<&'a [u8], TextError> {
        self.rest
            .take()
            .ok_or_else(|| self.expected("another field"))
    }

    /// Requires that the line has been read to its end.
    ///
    /// # Errors
    ///
    /// [`TextError`] if fields are left.
    pub fn end(&self) -> Result<(), TextError> {
        if self.rest.is_none() {
            Ok(())
        } else {
            Err(self.expected("the end of the line"))
        }
    }

    /// The error that `what` was expected on this line.
    pub fn expected(&self, what: impl Display) -> TextError {
        TextError::expected(self.line, what)
    }

    /// The error that something is wrong with this line.
    pub fn wrong(&self, reason: impl Display) -> TextError {
        TextError::wrong(self.line, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_spelling() {
        for (text, expected) in [
            ("0\n", Some(0)),
            ("18446744073709551615\n", Some(u64::MAX)),
            ("18446744073709551616\n", None),
            ("00\n", None),
            ("01\n", None),
            ("+1\n", None),
            ("\n", None),
            (" 1\n", None),
        ] {
            let number = Lines::new(text.as_bytes())
                .next_line()
                .and_then(|mut fields| {
                    let number = fields.number()?;
                    fields.end().map(|()| number)
                });
            assert_eq!(number.ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn an_unknown_version_is_called_one() {
        for (text, expected) in [
            ("1\n", ""),
            (
                "2\n",
                "line 1: version 2, of which this program knows 1 alone",
            ),
            (
                "0\n",
                "line 1: version 0, of which this program knows 1 alone",
            ),
            ("01\n", "line 1: expected '1'"),
            ("x\n", "line 1: expected '1'"),
            ("\n", "line 1: expected '1'"),
        ] {
            let version = Lines::new(text.as_bytes())
                .next_line()
                .and_then(|mut line| line.version(1));
            let told = version.map_or_else(|error| error.to_string(), |()| String::new());
            assert_eq!(told, expected, "{text:?}");
        }
    }

    #[test]
    fn a_last_line_without_its_end_is_no_line() {
        let mut lines = Lines::new(b"a b\nc");
        assert!(lines.next_with("a").is_ok());
        assert_eq!(
            lines.next_line().map(|_| ()),
            Err(TextError::expected(2, "a line that ends in LF"))
        );
    }

    #[test]
    fn a_remainder_keeps_its_spaces() -> Result<(), TextError> {
        let mut fields = Lines::new(b"name  a b \n").next_with("name")?;
        assert_eq!(fields.remainder()?, b" a b ");
        fields.end()
    }
}
