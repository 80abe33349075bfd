//! Where the token of a command line comes from: the one door by which tokens come in.
//!
//! In this order: `--token-file`, where `-` is standard input; the variable `BINDERY_TOKEN`; the file that the variable
//! `BINDERY_TOKEN_FILE` names. Commands about a token read standard input if none of these is given.
//!
//! # Invariants
//!
//! - A token is never an argument, which others on the machine can see, and never part of a message.
//! - What holds its text is wiped from memory.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use bindery::base::error::check_limit;
use bindery::base::limits::TOKEN_BYTES_MAX;
use bindery::base::{Error, Result};
use bindery::remote::http::token_file::{self, FILE_BYTES_MAX, token_in};
use bindery::trust::token::Token;
use zeroize::Zeroizing;

/// The variable that holds a token.
const TOKEN_VARIABLE: &str = "BINDERY_TOKEN";
/// The variable that names a file with a token.
const FILE_VARIABLE: &str = "BINDERY_TOKEN_FILE";

/// Where a token is.
#[derive(PartialEq, Eq)]
pub enum TokenSource {
    /// In a file.
    File(PathBuf),
    /// On standard input.
    Input,
    /// Here: it was in a variable.
    Text(Zeroizing<String>),
}

impl TokenSource {
    /// Where the token of this process is; `None` if nobody named one. `option` is the value of `--token-file`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if the variable holds no text.
    pub fn of_process(option: Option<&Path>) -> Result<Option<Self>> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self::find(option, variable(TOKEN_VARIABLE), variable(FILE_VARIABLE))
    }

    fn find(
        option: Option<&Path>,
        token: Option<OsString>,
        file: Option<OsString>,
    ) -> Result<Option<Self>> {
        if let Some(path) = option {
            return Ok(Some(Self::named(path)));
        }
        if let Some(token) = token {
            let text = token
                .into_string()
                .map_err(|_| Error::usage(format!("{TOKEN_VARIABLE} is not text")))?;
            return Ok(Some(Self::Text(Zeroizing::new(text))));
        }
        Ok(file.map(|path| Self::named(Path::new(&path))))
    }

    fn named(path: &Path) -> Self {
        if path == Path::new("-") {
            Self::Input
        } else {
            Self::File(path.to_owned())
        }
    }

    /// Reads the token.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if there is none, [`Error::Io`] and [`Error::Limit`] if the file cannot be it.
    pub fn read(self) -> Result<Token> {
        match self {
            Self::File(path) => token_file::read_token(&path),
            Self::Input => token_in(&read_input()?),
            Self::Text(text) => token_in(text.as_bytes()),
        }
    }

    /// Reads the token with which a server is to be asked.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if there is none where somebody said that there is one; otherwise as [`read`](Self::read).
    pub fn read_to_ask(self) -> Result<Token> {
        let place = match &self {
            Self::File(path) => path.display().to_string(),
            Self::Input => "standard input".to_owned(),
            Self::Text(_) => TOKEN_VARIABLE.to_owned(),
        };
        self.read().map_err(|error| no_token(error, &place))
    }
}

/// The error that says what is wrong in a place that somebody named: what is there is no token. Nothing that was kept is
/// damaged then.
fn no_token(error: Error, place: &str) -> Error {
    match error {
        Error::Malformed { .. } => Error::usage(format!("there is no token in {place}: {error}")),
        other => other,
    }
}

/// The token that a command is about: as [`TokenSource::of_process`] says, or on standard input.
///
/// # Errors
///
/// [`Error::Usage`] if nobody named one and standard input is a terminal; otherwise as [`TokenSource::read`].
pub fn read_token(option: Option<&Path>) -> Result<Token> {
    match TokenSource::of_process(option)? {
        Some(source) => source.read(),
        None if io::stdin().is_terminal() => Err(Error::usage(format!(
            "no token: give one on standard input, with --token-file, or in {TOKEN_VARIABLE} or {FILE_VARIABLE}"
        ))),
        None => TokenSource::Input.read(),
    }
}

fn read_input() -> Result<Zeroizing<Vec<u8>>> {
    // All at once, so that no shorter buffer with the token is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * TOKEN_BYTES_MAX));
    io::stdin()
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", Path::new("standard input")))?;
    let found = bytes.len() as u64;
    check_limit("standard input, in bytes,", found, FILE_BYTES_MAX)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_reason_decides() -> Result<()> {
        let file = |path: &str| Some(TokenSource::File(path.into()));
        let text = |text: &str| Some(TokenSource::Text(Zeroizing::new(text.into())));
        for (option, token, named, expected, reason) in [
            (
                Some("o"),
                Some("t"),
                Some("f"),
                file("o"),
                "the option comes first",
            ),
            (
                Some("-"),
                None,
                None,
                Some(TokenSource::Input),
                "a dash is standard input",
            ),
            (
                None,
                Some("t"),
                Some("f"),
                text("t"),
                "then the token in a variable",
            ),
            (
                None,
                None,
                Some("f"),
                file("f"),
                "then the file that a variable names",
            ),
            (None, None, None, None, "nobody named one"),
        ] {
            let os = |text: Option<&str>| text.map(OsString::from);
            let found = TokenSource::find(option.map(Path::new), os(token), os(named))?;
            assert!(found == expected, "{reason}");
        }
        Ok(())
    }

    #[test]
    fn no_message_shows_what_was_read() {
        let secret = "bnd1_0011aabbccddeeff_AAAA_secret";
        let outcome = TokenSource::Text(Zeroizing::new(secret.into())).read();
        let shown = format!("{outcome:?}");
        assert!(outcome.is_err() && !shown.contains("secret"), "{shown}");
    }
}
