//! Numbers of patches: seven bits to a byte, the lowest first (LEB128); the highest bit says that more follow.
//!
//! # Invariants
//!
//! - Each number has one spelling: the shortest.
//!
//! # Not here
//!
//! What the numbers mean (`stream`, `control`).

use crate::base::error::{Error, Result};

/// Bytes of the longest number: 64 bits.
const VARINT_BYTES_MAX: usize = 10;

/// The bit that says that more bytes follow.
const MORE: u8 = 0x80;

/// Appends `number`.
pub(in crate::object) fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= u64::from(MORE) {
        bytes.push(number.to_le_bytes()[0] | MORE);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// Takes a number whose bytes `next` gives one by one.
///
/// # Errors
///
/// [`Error::Malformed`] if it is longer than it need be, or than 64 bits; and the errors of `next`.
#[inline]
pub(in crate::object) fn take(mut next: impl FnMut() -> Result<u8>) -> Result<u64> {
    let mut number = 0_u64;
    for at in 0..VARINT_BYTES_MAX {
        let byte = next()?;
        let is_overlong = byte == 0 && at > 0 || byte > 1 && at == VARINT_BYTES_MAX - 1;
        if is_overlong {
            break;
        }
        number |= u64::from(byte & !MORE) << (7 * at);
        if byte & MORE == 0 {
            return Ok(number);
        }
    }
    Err(Error::malformed(
        "patch",
        "a number is longer than it need be",
    ))
}

/// Spells a signed number as one without sign: 0, -1, 1, -2, 2 ... as 0, 1, 2, 3, 4 ...
pub(super) const fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

/// The number that [`zigzag`] spelt.
pub(super) const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(bytes: &[u8]) -> Result<u64> {
        let mut bytes = bytes.iter();
        let ended = || Error::malformed("patch", "ended");
        take(|| bytes.next().copied().ok_or_else(ended))
    }

    #[test]
    fn a_number_is_taken_as_it_was_pushed() -> Result<()> {
        for (number, length) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (16_383, 2),
            (16_384, 3),
            (u64::MAX >> 1, 9),
            (u64::MAX, 10),
        ] {
            let mut bytes = Vec::new();
            push(&mut bytes, number);
            assert_eq!(bytes.len(), length, "{number}");
            assert_eq!(take_all(&bytes)?, number);
            assert!(take_all(&bytes[..length - 1]).is_err(), "{number} cut");
        }
        Ok(())
    }

    #[test]
    fn a_second_spelling_of_a_number_is_refused() {
        for (bytes, reason) in [
            (&[0x80, 0][..], "a zero in front"),
            (&[0xff, 0x80, 0], "two bytes for nothing"),
            (&[0xff; 11], "endless"),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
                "65 bits",
            ),
        ] {
            assert!(take_all(bytes).is_err(), "{reason}");
        }
    }

    #[test]
    fn small_numbers_of_either_sign_are_spelt_small() {
        for (number, spelt) in [
            (0, 0),
            (-1, 1),
            (1, 2),
            (-2, 3),
            (i64::MAX, u64::MAX - 1),
            (i64::MIN, u64::MAX),
        ] {
            assert_eq!(zigzag(number), spelt);
            assert_eq!(unzigzag(spelt), number);
        }
    }
}
