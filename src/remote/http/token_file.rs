//! Token files: how whoever asks a server is given the token for it.

use std::path::Path;

use zeroize::Zeroizing;

use crate::base::limits::TOKEN_BYTES_MAX;
use crate::base::{Error, Result};
use crate::disk::named::read_named;
use crate::trust::token::Token;

/// Bytes of a file with a token: the longest, and an end of line as any editor writes it.
pub const FILE_BYTES_MAX: u64 = TOKEN_BYTES_MAX as u64 + 2;

/// Reads the token in a file.
///
/// # Errors
///
/// As [`token_in`]; [`Error::Io`] and [`Error::Limit`] if the file cannot be it.
pub fn read_token(file: &Path) -> Result<Token> {
    token_in(&Zeroizing::new(read_named(file, FILE_BYTES_MAX)?))
}

/// Reads a token as a file has it: on one line.
///
/// # Errors
///
/// [`Error::Malformed`] if there is none, without what is there.
pub fn token_in(bytes: &[u8]) -> Result<Token> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| Error::malformed("token", "it is not text"))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    Ok(Token::parse(line)?)
}
