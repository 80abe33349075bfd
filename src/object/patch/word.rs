//! Words: eight bytes at a time, the grain in which base and target are compared.
//!
//! # Not here
//!
//! What is compared with what (`align`, `index`).

/// Bytes of a word.
pub(super) const WORD_BYTES: usize = 8;

/// The word of `bytes` at `at`, if it ends within them.
#[inline]
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let rest = bytes.get(at..)?;
    rest.first_chunk().map(|word| u64::from_le_bytes(*word))
}

/// How many bytes `left` and `right` have in common at their starts.
#[inline]
pub(super) fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    let mut at = 0;
    while let (Some(a), Some(b)) = (word(left, at), word(right, at)) {
        let differing = a ^ b;
        if differing != 0 {
            return at + differing.trailing_zeros() as usize / 8;
        }
        at += WORD_BYTES;
    }
    while let (Some(a), Some(b)) = (left.get(at), right.get(at))
        && a == b
    {
        at += 1;
    }
    at
}

/// At how many places two words have the same byte.
#[inline]
pub(super) const fn equal_bytes_of_words(left: u64, right: u64) -> u8 {
    const LOW: u64 = u64::from_ne_bytes([0x7f; WORD_BYTES]);
    const ONES: u64 = u64::from_ne_bytes([1; WORD_BYTES]);
    let differing = left ^ right;
    // The high bit of a byte is set but where all of its bits are the same (Warren, Hacker's Delight, 6-1).
    let unlike = ((differing & LOW) + LOW) | differing | LOW;
    let counts = (!unlike >> 7).wrapping_mul(ONES);
    counts.to_be_bytes()[0]
}

/// At how many places `left` and `right`, of equal length, have the same byte.
#[inline]
pub(super) fn equal_bytes(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).filter(|(a, b)| a == b).count()
}
