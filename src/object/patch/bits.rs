//! Bits: which places of a file have something.
//!
//! # Not here
//!
//! What they have (`code`, `tables`).

/// Bits, all 0 at first.
#[derive(Debug)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    #[inline]
    pub(super) fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    #[inline]
    pub(super) fn has(&self, at: usize) -> bool {
        self.0
            .get(at / 64)
            .is_some_and(|bits| bits >> (at % 64) & 1 == 1)
    }

    /// The first bit that is set, from `from` on and before `end`.
    #[inline]
    pub(super) fn next(&self, from: usize, end: usize) -> Option<usize> {
        if from >= end {
            return None;
        }
        let mut number = from / 64;
        let mut bits = self.0.get(number)? & (u64::MAX << (from % 64));
        while bits == 0 {
            number += 1;
            if number * 64 >= end {
                return None;
            }
            bits = *self.0.get(number)?;
        }
        let found = number * 64 + bits.trailing_zeros() as usize;
        (found < end).then_some(found)
    }
}
