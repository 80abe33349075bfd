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
    let length = left.len().min(right.len());
    let (left, right) = (&left[..length], &right[..length]);
    let (left_words, left_rest) = left.as_chunks::<WORD_BYTES>();
    let (right_words, right_rest) = right.as_chunks::<WORD_BYTES>();
    for (number, (a, b)) in left_words.iter().zip(right_words).enumerate() {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return number * WORD_BYTES + differing.trailing_zeros() as usize / 8;
        }
    }
    let same = left_rest.iter().zip(right_rest).take_while(|(a, b)| a == b);
    left_words.len() * WORD_BYTES + same.count()
}

/// At how many places `left` and `right`, of equal length, have the same byte.
#[inline]
pub(super) fn equal_bytes(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).filter(|(a, b)| a == b).count()
}
