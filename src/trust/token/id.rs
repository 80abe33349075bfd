//! Ids of blocks and of token keys: short random numbers that are no secret.
//!
//! # Invariants
//!
//! - The text is lower-case hex digits of a fixed number; no other spelling parses.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::base::{Error, Result};

/// Length of a [`BlockId`], in bytes: random ones never meet.
const BLOCK_ID_BYTES: usize = 16;
/// Length of a [`KeyId`], in bytes: a server has few keys.
const KEY_ID_BYTES: usize = 8;

/// Why a text is no such id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id of this kind is {digits} lower-case hex digits")]
pub struct TokenIdError {
    /// How many.
    pub digits: usize,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $bytes:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Takes bytes for an id.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = TokenIdError;

            fn from_str(text: &str) -> Result<Self, TokenIdError> {
                let error = TokenIdError { digits: 2 * $bytes };
                let digit = |byte: u8| match byte {
                    b'0'..=b'9' => Ok(byte - b'0'),
                    b'a'..=b'f' => Ok(byte - b'a' + 10),
                    _ => Err(error),
                };
                if text.len() != error.digits {
                    return Err(error);
                }
                let mut bytes = [0; $bytes];
                for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    *byte = digit(pair[0])? << 4 | digit(pair[1])?;
                }
                Ok(Self(bytes))
            }
        }
    )*};
}

ids! {
    /// The id of one block of a token: what is named to revoke it, and what the audit log calls it. 32 hex digits.
    BlockId BLOCK_ID_BYTES;

    /// The id of the key that a token was made with. 16 hex digits.
    KeyId KEY_ID_BYTES;
}

impl BlockId {
    /// Makes a new id from the random bytes of the system.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system gives none.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; BLOCK_ID_BYTES];
        fill_random(&mut bytes)?;
        Ok(Self(bytes))
    }
}

/// Fills `bytes` with random ones of the system.
pub(super) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes)
        .map_err(|error| std::io::Error::other(error.to_string()))
        .map_err(Error::io("draw random bytes from", Path::new("the system")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::testing::check_spelling;

    #[test]
    fn an_id_has_one_spelling() {
        check_spelling::<BlockId>("00112233445566778899aabbccddeeff");
        check_spelling::<KeyId>("0011aabbccddeeff");
        for text in [
            "",
            "0011AABBCCDDEEFF",
            "0011aabbccddeef",
            "0011aabbccddeegg",
        ] {
            assert_eq!(
                text.parse::<KeyId>(),
                Err(TokenIdError { digits: 16 }),
                "{text:?}"
            );
        }
    }

    #[test]
    fn two_random_ids_differ() -> Result<()> {
        assert_ne!(BlockId::random()?, BlockId::random()?);
        Ok(())
    }
}
