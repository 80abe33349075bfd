//! Secret keys: who signs.
//!
//! # Invariants
//!
//! - The seed is wiped from memory when a [`SecretKey`] is dropped, and appears in no message: there is no `Display`, no
//!   `Clone`, and `Debug` shows the name alone.
//!
//! This file is the door to `getrandom`.
//!
//! # Not here
//!
//! The public half (`trust::key`), the file that holds a key (`disk`).

use std::fmt;
use std::path::Path;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

use super::key::{PublicKey, SIGNATURE_BYTES};
use crate::base::name::KeyName;
use crate::base::{Error, Result};

/// Length of the seed from which RFC 8032 derives a key, in bytes.
const SEED_BYTES: usize = 32;
/// How the text form begins.
const START: &str = "bindery-secret-key-1 ed25519 ";

/// An Ed25519 key that can sign.
///
/// ```
/// # use bindery::trust::secret_key::SecretKey;
/// let key = SecretKey::generate("ana".parse()?)?;
/// assert!(key.public().verify(b"text", &key.sign(b"text")).is_ok());
/// assert_eq!(SecretKey::parse(&key.to_text())?.public(), key.public());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is not copied by accident:
///
/// ```compile_fail
/// # use bindery::trust::secret_key::SecretKey;
/// fn copy(key: &SecretKey) -> SecretKey {
///     SecretKey::clone(key)
/// }
/// ```
pub struct SecretKey {
    signing: SigningKey,
    public: PublicKey,
}

impl SecretKey {
    /// Makes a new key from the random bytes of the system.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system gives none.
    pub fn generate(name: KeyName) -> Result<Self> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        getrandom::fill(seed.as_mut_slice())
            .map_err(|error| std::io::Error::other(error.to_string()))
            .map_err(Error::io("draw random bytes from", Path::new("the system")))?;
        Self::from_seed(name, &seed)
    }

    /// Derives the key of a seed.
    pub(super) fn from_seed(name: KeyName, seed: &[u8; SEED_BYTES]) -> Result<Self> {
        let signing = SigningKey::from_bytes(seed);
        let public = PublicKey::from_bytes(name, signing.verifying_key().as_bytes())
            .map_err(|error| Error::malformed("secret key", error.to_string()))?;
        Ok(Self { signing, public })
    }

    /// Reads the text form: `bindery-secret-key-1 ed25519 <name> <base64 of 32 bytes>` and LF, in no other spelling.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`], which never shows the text.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed = |reason: &str| Error::malformed("secret key", reason);
        let line = text
            .strip_suffix('\n')
            .ok_or_else(|| malformed("it does not end in LF"))?;
        let (name, digits) = line
            .strip_prefix(START)
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(|| malformed("it does not begin with its kind, algorithm and name"))?;
        let name = name
            .parse()
            .map_err(|_| malformed("the third field is no key name"))?;
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        let whole = Base64::decode(digits, seed.as_mut_slice())
            .is_ok_and(|decoded| decoded.len() == SEED_BYTES);
        if !whole {
            return Err(malformed("the last field is not the base64 of 32 bytes"));
        }
        Self::from_seed(name, &seed)
    }

    /// The text form, for a file that only its owner can read. It is wiped from memory when dropped.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(Base64::encode_string(self.signing.as_bytes()));
        // All parts at once, so that no shorter buffer with the seed is left behind.
        Zeroizing::new([START, self.name().as_str(), " ", &seed, "\n"].concat())
    }

    /// The key's name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        self.public.name()
    }

    /// The half that everyone may know.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `text`. The same text always gets the same signature (RFC 8032).
    #[must_use]
    pub fn sign(&self, text: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.signing.sign(text).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({}, seed not shown)", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::testing::{key_name, mutations, secret_key};

    #[test]
    fn a_key_has_the_public_half_and_signature_of_rfc_8032() -> Result<()> {
        // RFC 8032, section 7.1, test 2: the text is one byte, 0x72.
        let key = SecretKey::parse(
            "bindery-secret-key-1 ed25519 two TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs=\n",
        )?;
        let public = key.public().to_string();
        assert_eq!(
            public,
            "two ed25519 PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="
        );
        let signature = "kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA==";
        assert_eq!(Base64::encode_string(&key.sign(&[0x72])), signature);
        Ok(())
    }

    #[test]
    fn a_key_survives_its_text() -> Result<()> {
        let key = SecretKey::generate(key_name("ana")?)?;
        let again = SecretKey::parse(&key.to_text())?;
        assert_eq!(again.public(), key.public());
        assert_eq!(again.sign(b"x"), key.sign(b"x"));
        Ok(())
    }

    #[test]
    fn two_generated_keys_differ() -> Result<()> {
        let [one, two] = ["ana", "ana"].map(|name| SecretKey::generate(key_name(name)?));
        assert_ne!(one?.public(), two?.public());
        Ok(())
    }

    #[test]
    fn a_key_has_one_spelling() -> Result<()> {
        let text = secret_key("ana", 1)?.to_text();
        for bytes in mutations(text.as_bytes()) {
            let Ok(changed) = std::str::from_utf8(&bytes) else {
                continue;
            };
            if let Ok(key) = SecretKey::parse(changed) {
                assert_eq!(*key.to_text(), changed);
                assert_ne!(*text, changed);
            }
        }
        for (bad, reason) in [
            (text.replace('\n', "\r\n"), "another end of line"),
            (format!("{}\n", *text), "two lines"),
            (text.replace("key-1", "key-2"), "another version"),
            (text.replace(" ana ", "  ana "), "two spaces"),
        ] {
            assert!(SecretKey::parse(&bad).is_err(), "{reason}");
        }
        Ok(())
    }

    #[test]
    fn no_message_shows_the_seed() -> Result<()> {
        let text = secret_key("ana", 1)?.to_text();
        let seed = text.split(' ').nth(3).unwrap_or_default().trim_end();
        assert!(!format!("{:?}", secret_key("ana", 1)?).contains(seed));
        let Err(error) = SecretKey::parse(text.trim_end()) else {
            return Err(Error::internal("a key without LF was read"));
        };
        assert!(!format!("{error} {error:?}").contains(seed));
        Ok(())
    }
}
