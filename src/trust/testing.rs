//! What the tests of this floor share: keys that are always the same.

use super::keyset::Keyset;
use super::keyset_chain::TrustedKeyset;
use super::note::Note;
use super::secret_key::SecretKey;
use super::statement::Statement;
use crate::base::name::{KeyName, NameError, RefName};
pub use crate::base::testing::mutations;
use crate::base::{Error, Result};

/// The time of every statement in tests.
pub const TIME: &str = "2026-11-22T09:00:00Z";

/// The name of a key.
pub fn key_name(text: &str) -> Result<KeyName> {
    text.parse().map_err(not_a_name("key name", text))
}

/// The name of a ref.
pub fn ref_name(text: &str) -> Result<RefName> {
    text.parse().map_err(not_a_name("ref name", text))
}

fn not_a_name(what: &'static str, text: &str) -> impl FnOnce(NameError) -> Error {
    let text = text.to_owned();
    move |source| Error::Name { what, text, source }
}

/// The key whose seed is `seed` repeated.
pub fn secret_key(name: &str, seed: u8) -> Result<SecretKey> {
    SecretKey::from_seed(key_name(name)?, &[seed; 32])
}

/// The first keyset of `example.org/os`, with one key in all roles.
pub fn one_key(key: &SecretKey) -> Result<TrustedKeyset> {
    let repo = "example.org/os";
    let repo_name = repo.parse().map_err(not_a_name("repo name", repo))?;
    let keyset = Keyset::one_key(repo_name, key.public().clone(), TIME.parse()?);
    let note = Note::sign(keyset.encode()?, &[key])?;
    TrustedKeyset::first(&note.encode(), Some(keyset.id()?))
}

/// The only line of `text` that starts with `word` and a space, with its LF.
pub fn line<'a>(text: &'a str, word: &str) -> &'a str {
    let mut lines = text.split_inclusive('\n');
    lines
        .find(|line| line.split(' ').next() == Some(word))
        .unwrap_or_default()
}
