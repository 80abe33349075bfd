//! Keyed hashes: what only who has the key can make, and how two of them are compared.
//!
//! # Invariants
//!
//! - Two are compared in constant time: how long it takes says nothing about how much of a guess was right.
//!
//! # Not here
//!
//! What is hashed under which key (`trust::token`).

/// Length of a key and of a keyed hash, in bytes.
pub const KEY_BYTES: usize = 32;

/// Hashes `bytes` under `key`: the keyed mode of BLAKE3 (section 2.1 of its paper), a pseudorandom function and MAC.
#[must_use]
pub fn keyed_hash(key: &[u8; KEY_BYTES], bytes: &[u8]) -> [u8; KEY_BYTES] {
    *blake3::keyed_hash(key, bytes).as_bytes()
}

/// Whether two keyed hashes are the same, in constant time.
#[must_use]
pub fn is_same(one: &[u8; KEY_BYTES], other: &[u8; KEY_BYTES]) -> bool {
    // The equality of this type is in constant time, that of arrays is not.
    blake3::Hash::from_bytes(*one) == blake3::Hash::from_bytes(*other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Hash;

    #[test]
    fn a_keyed_hash_is_that_of_the_official_test_vectors() {
        // The first case of test_vectors.json of BLAKE3: no input, under the key of the file.
        let hash = keyed_hash(b"whats the Elvish word for friend", b"");
        assert_eq!(
            Hash::from_bytes(hash).to_string(),
            "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"
        );
    }

    #[test]
    fn only_what_is_the_same_in_every_bit_is_the_same() {
        let one = keyed_hash(&[7; KEY_BYTES], b"x");
        assert!(is_same(&one, &one));
        for bit in 0..8 * KEY_BYTES {
            let mut other = one;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_same(&one, &other), "bit {bit}");
        }
    }
}
