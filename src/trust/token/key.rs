//! The key of tokens: makes them, and tells whether it has made one.
//!
//! # Invariants
//!
//! - The key is wiped from memory when it is dropped, and appears in no message: there is no `Display`, no `Clone`, and
//!   `Debug` shows its id alone.
//!
//! # Not here
//!
//! The file that holds it (`store::tokens`).

use std::fmt;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::block::Block;
use super::chain::{Token, next_tag};
use super::error::TokenError;
use super::id::{KeyId, fill_random};
use super::verified::Verified;
use crate::base::keyed_hash::{KEY_BYTES, is_same, keyed_hash};
use crate::base::{Error, Result};

/// How the text form begins.
const START: &str = "bindery-token-key-1 blake3 ";
/// What the key hashes to its id. No block looks like this, so no tag is given away.
const ID_TEXT: &[u8] = b"bindery/token-key/v1";

/// The secret of a server that makes and checks its tokens.
///
/// ```
/// # use bindery::trust::token::TokenKey;
/// let key = TokenKey::generate()?;
/// assert_eq!(TokenKey::parse(&key.to_text())?.id(), key.id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is not copied by accident:
///
/// ```compile_fail
/// # use bindery::trust::token::TokenKey;
/// fn copy(key: &TokenKey) -> TokenKey {
///     TokenKey::clone(key)
/// }
/// ```
pub struct TokenKey {
    secret: Zeroizing<[u8; KEY_BYTES]>,
    id: KeyId,
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// Another key made it, or claims to have.
    #[error(
        "the token was made with key {found}, and the key here is {known}: it is of another store, or its key was replaced; ask for a new one"
    )]
    OtherKey {
        /// The key that it names.
        found: KeyId,
        /// The key that is known.
        known: KeyId,
    },
    /// The key did not make it like this.
    #[error(
        "the token is not genuine: its blocks or its tag were changed; copy it again, or ask for a new one"
    )]
    Forged,
}

impl From<Unverified> for Error {
    fn from(error: Unverified) -> Self {
        let reason = error.to_string();
        Self::NotAllowed { reason }
    }
}

impl TokenKey {
    /// Makes a new key from the random bytes of the system.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system gives none.
    pub fn generate() -> Result<Self> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        fill_random(secret.as_mut_slice())?;
        Ok(Self::from_secret(secret))
    }

    pub(super) fn from_secret(secret: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let hash = keyed_hash(&secret, ID_TEXT);
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        Self {
            secret,
            id: KeyId::from_bytes(id),
        }
    }

    /// Reads the text form: `bindery-token-key-1 blake3 <base64 of 32 bytes>` and LF, in no other spelling.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`], which never shows the text.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed = |reason: &str| Error::malformed("token key", reason);
        let digits = text
            .strip_suffix('\n')
            .and_then(|line| line.strip_prefix(START))
            .ok_or_else(|| malformed("it is not one line of its kind, algorithm and secret"))?;
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        let whole = Base64::decode(digits, secret.as_mut_slice())
            .is_ok_and(|decoded| decoded.len() == KEY_BYTES);
        if !whole {
            return Err(malformed("its secret is not the base64 of 32 bytes"));
        }
        Ok(Self::from_secret(secret))
    }

    /// The text form, for a file that only its owner can read. It is wiped from memory when dropped.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(Base64::encode_string(self.secret.as_slice()));
        Zeroizing::new([START, &digits, "\n"].concat())
    }

    /// Its id, which every token names.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Makes a token of one block.
    ///
    /// # Errors
    ///
    /// [`TokenError::Incomplete`] if the block leaves something open that the first must state; [`TokenError::TooLong`].
    pub fn issue(&self, block: Block) -> Result<Token, TokenError> {
        let tag = next_tag(&self.secret, &block);
        Token::begin(self.id, block, tag)
    }

    /// Checks that a token was made with this key and narrowed by who held it, in a time that says nothing about a right
    /// tag. It may have expired or been revoked all the same.
    ///
    /// # Errors
    ///
    /// [`Unverified`].
    pub fn verify(&self, token: &Token) -> Result<Verified, Unverified> {
        if token.key_id() != self.id {
            return Err(Unverified::OtherKey {
                found: token.key_id(),
                known: self.id,
            });
        }
        let mut tag = self.secret.clone();
        for block in token.blocks() {
            tag = next_tag(&tag, block);
        }
        if is_same(&tag, token.tag()) {
            Ok(Verified::new(token.blocks().to_vec()))
        } else {
            Err(Unverified::Forged)
        }
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({}, secret not shown)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::testing::mutations;

    #[test]
    fn a_key_has_one_spelling() -> Result<()> {
        let key = TokenKey::from_secret(Zeroizing::new([7; KEY_BYTES]));
        let text = key.to_text();
        assert_eq!(
            *text,
            "bindery-token-key-1 blake3 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n"
        );
        assert_eq!(TokenKey::parse(&text)?.id(), key.id());
        for bytes in mutations(text.as_bytes()) {
            let Ok(changed) = std::str::from_utf8(&bytes) else {
                continue;
            };
            if let Ok(other) = TokenKey::parse(changed) {
                assert_eq!(*other.to_text(), changed);
                assert_ne!(other.id(), key.id());
            }
        }
        Ok(())
    }

    #[test]
    fn no_message_shows_the_secret() -> Result<()> {
        let key = TokenKey::from_secret(Zeroizing::new([7; KEY_BYTES]));
        let text = key.to_text();
        let digits = text.trim_end().rsplit(' ').next().unwrap_or_default();
        assert!(!format!("{key:?}").contains(digits));
        let Err(error) = TokenKey::parse(text.trim_end()) else {
            return Err(Error::internal("a key without LF was read"));
        };
        assert!(!format!("{error} {error:?}").contains(digits));
        Ok(())
    }

    #[test]
    fn two_generated_keys_differ() -> Result<()> {
        assert_ne!(TokenKey::generate()?.id(), TokenKey::generate()?.id());
        Ok(())
    }
}
