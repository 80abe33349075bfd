//! Statements: the short texts that are signed, and what they have in common.
//!
//! # Invariants
//!
//! - A statement has one spelling: what was parsed encodes to exactly the text it was parsed from.
//! - Nothing is encoded that would not be parsed again, so nothing can be signed that nobody accepts.
//! - The id of a statement is the hash of its text: adding a signature never changes it.
//!
//! # Not here
//!
//! The statements (`trust::keyset`, `trust::ref_statement`, `trust::heads`), signatures (`trust::note`) and what tells a
//! verified statement from any other (`trust::signed`).

use super::form::Form;
use crate::base::error::check_limit;
use crate::base::id::StatementId;
use crate::base::text::{Lines, TextError};
use crate::base::{Error, Result};

/// A text with a fixed form that keys can sign. The kinds of statements are known here: nobody else adds one.
///
/// **Verify first, parse second.** A text from outside is parsed only after its signatures were checked, which
/// [`Signed`](super::signed::Signed) and [`TrustedKeyset`](super::keyset_chain::TrustedKeyset) do; [`Statement::parse`]
/// alone is for texts that this store wrote and has not signed yet.
pub trait Statement: Form {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the text is larger than its kind may be, breaks a rule, or
    /// is not spelled exactly as [`Statement::encode`] would; [`Error::NewerFormat`] for
    /// the keyset of a repo that only later versions of this program can read.
    fn parse(text: &str) -> Result<Self> {
        let (found, max) = (text.len() as u64, Self::BYTES_MAX);
        if found > max {
            return Err(Self::malformed(format!(
                "{found} bytes, where {max} are the most"
            )));
        }
        let statement: Self = read(text).map_err(|error| Self::malformed(error.to_string()))?;
        if statement.encode()? != text {
            return Err(Self::malformed("it is not spelled canonically"));
        }
        Ok(statement)
    }

    /// The text of this statement.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the values contradict each other,
    /// [`Error::Limit`] if the text is larger than its kind may be.
    fn encode(&self) -> Result<String> {
        self.check()?;
        let text = format!("{}\n{}", Self::DOMAIN, self.write());
        check_limit("statement, in bytes,", text.len() as u64, Self::BYTES_MAX)?;
        Ok(text)
    }

    /// The id of this statement.
    ///
    /// # Errors
    ///
    /// Those of [`Statement::encode`].
    fn id(&self) -> Result<StatementId> {
        Ok(StatementId::of(self.encode()?.as_bytes()))
    }
}

impl<T: Form> Statement for T {}

fn read<T: Form>(text: &str) -> Result<T, TextError> {
    let mut lines = Lines::new(text.as_bytes());
    lines.next_with(T::DOMAIN)?.end()?;
    T::read(&mut lines)
}

/// The `x-<name> <value>` lines that may follow the fixed ones. This version gives none of them a meaning, and keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions(Vec<(String, String)>);

impl Extensions {
    /// Takes lines, each a name with its `x-` and a value.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if they would not be read again as they are.
    pub fn new(lines: Vec<(String, String)>) -> Result<Self> {
        let extensions = Self(lines);
        let text = extensions.write();
        let read =
            Self::read(&mut Lines::new(text.as_bytes())).map_err(Error::text("extension"))?;
        if read == extensions {
            Ok(extensions)
        } else {
            Err(Error::malformed("extension", "it holds a line break"))
        }
    }

    /// The names, with their `x-`, and values, in the order of the lines.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Reads all lines to the end of the text, each an extension that did not occur before.
    pub(super) fn read(lines: &mut Lines<'_>) -> Result<Self, TextError> {
        let mut extensions: Vec<(String, String)> = Vec::new();
        while !lines.is_at_end() {
            let mut fields = lines.next_line()?;
            let name = fields.field()?;
            let is_extension = name.strip_prefix(b"x-").is_some_and(|rest| {
                let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
                !rest.is_empty() && rest.iter().all(plain)
            });
            let expected = || fields.expected("the end, or 'x-<name> <value>' with a new name");
            let name = std::str::from_utf8(name).map_err(|_| expected())?;
            if !is_extension || extensions.iter().any(|(known, _)| known == name) {
                return Err(expected());
            }
            let value = std::str::from_utf8(fields.remainder()?).ok();
            let value = value
                .filter(|value| !value.is_empty() && !value.chars().any(char::is_control))
                .ok_or_else(|| fields.expected("a value without control characters"))?;
            extensions.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self(extensions))
    }

    /// Writes the lines.
    pub(super) fn write(&self) -> String {
        let lines = self.iter().map(|(name, value)| format!("{name} {value}\n"));
        lines.collect::<Vec<_>>().concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_kept_as_they_are() -> Result<(), TextError> {
        for (text, good, reason) in [
            ("", true, "none"),
            (
                "x-b two  words \nx-a1-c \u{e8}\n",
                true,
                "any order, any text",
            ),
            ("x-a 1\nx-a 2\n", false, "doubled"),
            ("x-A 1\n", false, "upper case"),
            ("x- 1\n", false, "no name"),
            ("x-a\n", false, "no value"),
            ("x-a \n", false, "empty value"),
            ("x-a 1", false, "no end of line"),
            ("x-a \u{85}\n", false, "a control character"),
            ("y-a 1\n", false, "another line"),
            ("\n", false, "an empty line"),
        ] {
            let read = Extensions::read(&mut Lines::new(text.as_bytes()));
            assert_eq!(read.is_ok(), good, "{reason}: {text:?}");
            if good {
                assert_eq!(read?.write(), text);
            }
        }
        assert!(
            Extensions::read(&mut Lines::new(b"x-a \xff\n")).is_err(),
            "not UTF-8"
        );
        Ok(())
    }
}
