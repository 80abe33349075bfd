//! Public keys: who signed.
//!
//! Signatures are Ed25519 as in RFC 8032. Some encodings that other verifiers accept are refused here, so that every
//! verifier, strict or not, gives the same answer for a key that this one took: see Chalkias, Garillot,
//! Nikolaenko, "Taming the many `EdDSA`s", 2020.
//!
//! # Invariants
//!
//! - A [`PublicKey`] is a point of prime order in its only canonical encoding.
//! - A signature is checked with the strict rule: canonical `S`, no point of small order, no cofactor.
//!
//! This file and `secret_key` are the door to the crate `ed25519-dalek`, this one also to `sha2`.
//!
//! # Not here
//!
//! The secret half (`trust::secret_key`), which keys may sign what (`trust::keyset`).

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::base::name::{KeyName, NameError};

/// Length of a public key, in bytes.
pub const PUBLIC_KEY_BYTES: usize = 32;
/// Length of a signature, in bytes.
pub const SIGNATURE_BYTES: usize = 64;
/// Length of a key hash, in bytes.
pub const KEY_HASH_BYTES: usize = 4;

/// The word for the algorithm in the text form of a key.
const ALGORITHM: &str = "ed25519";
/// The signature type of Ed25519 in the signed-note specification.
const SIGNATURE_TYPE: u8 = 0x01;
/// What stands before the 32 bytes in a DER `SubjectPublicKeyInfo` of Ed25519 (RFC 8410).
const DER_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A public key and its name, written `<name> ed25519 <base64 of 32 bytes>`.
///
/// ```
/// # use bindery::trust::key::PublicKey;
/// let text = "ana ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
/// let key: PublicKey = text.parse()?;
/// assert_eq!(key.to_string(), text);
/// # Ok::<(), bindery::trust::key::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: KeyName,
    point: VerifyingKey,
}

/// Why a text or 32 bytes are not a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text does not have the three fields of a key.
    #[error("a public key is written '<name> ed25519 <base64 of 32 bytes>'")]
    Form,
    /// The name is not a key's name.
    #[error("{0}")]
    Name(#[from] NameError),
    /// The bytes encode no point.
    #[error("the key is not a point of the curve")]
    NotOnCurve,
    /// The bytes are another spelling of a point.
    #[error("the key is not canonically encoded")]
    NotCanonical,
    /// Almost any signature would fit the key.
    #[error("the key has small order")]
    SmallOrder,
    /// Verifiers disagree about signatures of the key.
    #[error("the key has torsion")]
    Torsion,
}

/// A signature that does not fit the key and the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit the key and the text")]
pub struct BadSignature;

impl PublicKey {
    /// Checks 32 bytes as RFC 8032 encodes a key.
    ///
    /// # Errors
    ///
    /// [`KeyError`] unless the bytes are the canonical encoding of a point of prime order.
    pub fn from_bytes(name: KeyName, bytes: &[u8; PUBLIC_KEY_BYTES]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotOnCurve)?;
        let point = key.to_edwards();
        if point.compress().as_bytes() != bytes {
            return Err(KeyError::NotCanonical);
        }
        if point.is_small_order() {
            return Err(KeyError::SmallOrder);
        }
        if !point.is_torsion_free() {
            return Err(KeyError::Torsion);
        }
        Ok(Self { name, point: key })
    }

    /// The key's name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Shows the 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        self.point.as_bytes()
    }

    /// The hint by which a note's line names this key, as in C2SP signed-note: the first bytes of
    /// `SHA-256(name || 0x0A || 0x01 || key)`. Too short to prove anything.
    #[must_use]
    pub fn key_hash(&self) -> [u8; KEY_HASH_BYTES] {
        let mut hasher = Sha256::new();
        hasher.update(self.name.as_str());
        hasher.update([b'\n', SIGNATURE_TYPE]);
        hasher.update(self.as_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(hasher.finalize());
        [a, b, c, d]
    }

    /// Checks that `signature` is this key's signature of `text`.
    ///
    /// # Errors
    ///
    /// [`BadSignature`] if it is not, in length, encoding or substance.
    pub fn verify(&self, text: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let signature = Signature::from_slice(signature).map_err(|_| BadSignature)?;
        self.point
            .verify_strict(text, &signature)
            .map_err(|_| BadSignature)
    }

    /// The key as a PEM `SubjectPublicKeyInfo` (RFC 8410), for `openssl pkeyutl -pubin`. The name is not part of it.
    #[must_use]
    pub fn pem(&self) -> String {
        let der = [DER_PREFIX.as_slice(), self.as_bytes()].concat();
        let body = Base64::encode_string(&der);
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = Base64::encode_string(self.as_bytes());
        write!(f, "{} {ALGORITHM} {key}", self.name)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut fields = text.splitn(3, ' ');
        let name = fields.next().unwrap_or_default().parse()?;
        if fields.next() != Some(ALGORITHM) {
            return Err(KeyError::Form);
        }
        let mut bytes = [0; PUBLIC_KEY_BYTES];
        let key = fields.next().ok_or(KeyError::Form)?;
        match Base64::decode(key, &mut bytes) {
            Ok(decoded) if decoded.len() == PUBLIC_KEY_BYTES => Self::from_bytes(name, &bytes),
            _ => Err(KeyError::Form),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Result;
    use crate::trust::testing::{key_name, secret_key};

    /// The eight points of small order: order 1, 2, 4, 4, 8, 8, 8, 8.
    const SMALL_ORDER: [&str; 8] = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];

    /// The order of the base point, little-endian: what can be added to `S` without changing the equation.
    const GROUP_ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

    fn bytes(hex: &str) -> Result<[u8; 32]> {
        let hash = hex.parse::<crate::base::id::Hash>();
        Ok(*hash
            .map_err(|error| crate::base::Error::internal(error.to_string()))?
            .as_bytes())
    }

    fn check(bytes: &[u8; 32], expected: Result<(), KeyError>) -> Result<()> {
        let found = PublicKey::from_bytes(key_name("ana")?, bytes).map(|_| ());
        assert_eq!(found, expected, "{bytes:02x?}");
        Ok(())
    }

    #[test]
    fn keys_of_small_order_are_refused() -> Result<()> {
        for hex in SMALL_ORDER {
            check(&bytes(hex)?, Err(KeyError::SmallOrder))?;
        }
        Ok(())
    }

    #[test]
    fn other_spellings_of_a_point_are_refused() -> Result<()> {
        let mut on_curve = 0;
        for least in 0xed..=0xff_u8 {
            for most in [0x7f, 0xff] {
                let mut spelling = [0xff; 32];
                (spelling[0], spelling[31]) = (least, most);
                let found = PublicKey::from_bytes(key_name("ana")?, &spelling);
                assert!(
                    matches!(found, Err(KeyError::NotCanonical | KeyError::NotOnCurve)),
                    "y = p + {}: {found:?}",
                    least - 0xed
                );
                on_curve += usize::from(found == Err(KeyError::NotCanonical));
            }
        }
        assert!(on_curve > 2, "some are points other than those of order 4");
        for hex in &SMALL_ORDER[..2] {
            let mut minus_zero = bytes(hex)?;
            minus_zero[31] |= 0x80;
            check(&minus_zero, Err(KeyError::NotCanonical))?;
        }
        Ok(())
    }

    #[test]
    fn a_key_with_torsion_is_refused() -> Result<()> {
        let sound = secret_key("ana", 1)?.public().point.to_edwards();
        for hex in &SMALL_ORDER[1..] {
            let torsion = VerifyingKey::from_bytes(&bytes(hex)?).map_err(|_| KeyError::NotOnCurve);
            let torsion = torsion
                .expect("because the table holds points")
                .to_edwards();
            check(
                (sound + torsion).compress().as_bytes(),
                Err(KeyError::Torsion),
            )?;
        }
        check(sound.compress().as_bytes(), Ok(()))
    }

    #[test]
    fn a_text_that_is_no_point_is_refused() -> Result<()> {
        let mut two = [0; 32];
        two[0] = 2;
        check(&two, Err(KeyError::NotOnCurve))
    }

    #[test]
    fn a_public_key_has_one_spelling() -> Result<()> {
        let good = secret_key("ana", 1)?.public().to_string();
        assert_eq!(
            good.parse::<PublicKey>().map(|key| key.to_string()),
            Ok(good.clone())
        );
        for (text, reason) in [
            (good.replace("ana ", "a+a "), "the name"),
            (good.replace("ed25519", "ed448"), "the algorithm"),
            (good.replace(' ', "  "), "two spaces"),
            (format!("{good} "), "a space at the end"),
            (format!("{good}\n"), "a line's end"),
            (
                good.trim_end_matches('=').to_owned(),
                "base64 without padding",
            ),
            (good.replace("ana ed25519 ", "ana ed25519 AAAA"), "35 bytes"),
            ("ana ed25519".to_owned(), "no key"),
            (String::new(), "nothing"),
        ] {
            assert!(text.parse::<PublicKey>().is_err(), "{reason}: {text:?}");
        }
        Ok(())
    }

    #[test]
    fn every_changed_bit_of_a_signature_is_noticed() -> Result<()> {
        let secret = secret_key("ana", 1)?;
        let signature = secret.sign(b"text\n");
        assert_eq!(secret.public().verify(b"text\n", &signature), Ok(()));
        assert_eq!(
            secret.public().verify(b"text", &signature),
            Err(BadSignature)
        );
        for bit in 0..8 * SIGNATURE_BYTES {
            let mut flipped = signature;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                secret.public().verify(b"text\n", &flipped),
                Err(BadSignature),
                "bit {bit}"
            );
        }
        for end in 0..SIGNATURE_BYTES {
            assert_eq!(
                secret.public().verify(b"text\n", &signature[..end]),
                Err(BadSignature)
            );
        }
        Ok(())
    }

    #[test]
    fn a_signature_with_a_large_s_is_refused() -> Result<()> {
        let secret = secret_key("ana", 1)?;
        let mut signature = secret.sign(b"text\n");
        let mut carry = 0;
        for (byte, add) in signature[32..].iter_mut().zip(bytes(GROUP_ORDER)?) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            [*byte, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
        assert_eq!(carry, 0, "S + L fits");
        assert_eq!(
            secret.public().verify(b"text\n", &signature),
            Err(BadSignature)
        );
        Ok(())
    }

    #[test]
    fn a_key_hash_is_that_of_the_reference_implementation() -> Result<(), KeyError> {
        // From the documentation of golang.org/x/mod/sumdb/note: PeterNeumann+c74f20a3+...
        let key: PublicKey =
            "PeterNeumann ed25519 GlzZBxQ8OExB6DDFvOEqqIF+xWSaqr8sMTiLNbLXRNY=".parse()?;
        assert_eq!(key.key_hash(), [0xc7, 0x4f, 0x20, 0xa3]);
        Ok(())
    }
}
