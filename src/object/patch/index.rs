//! The index of a base: from eight bytes to where they stand.
//!
//! One table, addressed by a hash of eight bytes, with two positions side by side: no chains, no suffix array. It is made
//! in one pass, and a look-up is one memory access, which is why this codec needs a fraction of the time that bsdiff's
//! suffix sort takes. A position may have other bytes; whoever asks compares.
//!
//! # Invariants
//!
//! - A position that is given lies at least eight bytes before the end of the base.
//! - The same base gives the same index.
//!
//! # Not here
//!
//! What is done with a position (`align`).

use super::word::word;
use crate::base::limits::PATCH_BYTES_MAX;

/// Positions between two that are listed of the longest base: the number of each has to fit into a cell.
pub(super) const LISTED_STEP_MIN: usize = 4;

/// Bases up to this many bytes may have more positions in their index.
pub(super) const SHORT_BASE_BYTES_MAX: usize = 64 << 20;

/// Cells of the smallest table, as a power of two.
const CELLS_LOG_MIN: u32 = 8;

/// Cells of the largest table, as a power of two: 256 MiB.
const CELLS_LOG_MAX: u32 = 26;

/// Multiplier of the hash: the golden ratio, as in Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Bits of a cell for the number of a listed position, counted from 1; the others hold more of the hash, so that most
/// words that are not there are seen not to be without a look at the base.
const NUMBER_BITS: u32 = 27;

/// What a look-up found: nothing has been done with it that would wait for memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cells {
    tag: u32,
    cells: [u32; 2],
}

/// The index of one base.
#[derive(Debug)]
pub(super) struct Index {
    /// 0 is an empty cell.
    cells: Vec<u32>,
    shift: u32,
    step: usize,
}

impl Index {
    /// Lists every `step`th position of `base`, which the caller keeps within the limits of a patch. Of equal words the
    /// last two are listed; of a run of them the first. `room` is what an index took that is not needed any more.
    pub(super) fn new(base: &[u8], step: usize, mut room: Vec<u32>) -> Self {
        let log = cells_log(base.len() / step);
        room.clear();
        room.resize(1 << log, 0);
        let mut index = Self {
            cells: room,
            shift: u64::BITS - log,
            step,
        };
        let (mut last, mut number) = (None, 0);
        while let Some(bytes) = word(base, number as usize * step) {
            // The limits keep the number within its bits.
            number += 1;
            if last.replace(bytes) != Some(bytes) {
                let (cell, tag) = index.place(bytes);
                index.cells[cell ^ 1] = index.cells[cell];
                index.cells[cell] = tag | number;
            }
        }
        index
    }

    /// What the index took, for the next one.
    pub(super) fn into_room(self) -> Vec<u32> {
        self.cells
    }

    /// Looks a word up.
    #[inline]
    pub(super) fn cells(&self, bytes: u64) -> Cells {
        let (cell, tag) = self.place(bytes);
        Cells {
            tag,
            cells: [self.cells[cell], self.cells[cell ^ 1]],
        }
    }

    /// The positions of the base at which a word may stand that was looked up, the later first.
    #[inline]
    pub(super) fn positions(&self, found: Cells) -> [Option<usize>; 2] {
        let [later, earlier] = found.cells;
        [
            self.position(later, found.tag),
            self.position(earlier, found.tag),
        ]
    }

    #[inline]
    fn position(&self, cell: u32, tag: u32) -> Option<usize> {
        let number = cell ^ tag;
        let is_found = cell != 0 && number >> NUMBER_BITS == 0;
        is_found.then(|| (number as usize).wrapping_sub(1) * self.step)
    }

    /// The cell of a word, and the part of its hash that is kept in it.
    #[inline]
    fn place(&self, bytes: u64) -> (usize, u32) {
        let hash = bytes.wrapping_mul(MULTIPLIER);
        let tag = low(hash >> (self.shift - (u32::BITS - NUMBER_BITS)));
        let cell = usize::try_from(hash >> self.shift).unwrap_or(0);
        (cell & !1, tag << NUMBER_BITS)
    }
}

/// The low half of a number.
const fn low(number: u64) -> u32 {
    (number & 0xffff_ffff) as u32
}

/// Bytes that the index of so many positions takes.
pub(super) fn index_bytes(positions: usize) -> usize {
    size_of::<u32>() << cells_log(positions)
}

/// Two cells for each listed position at most, one at least.
fn cells_log(positions: usize) -> u32 {
    let log = usize::BITS - positions.leading_zeros();
    log.clamp(CELLS_LOG_MIN, CELLS_LOG_MAX)
}

const _: () = assert!(SHORT_BASE_BYTES_MAX < 1 << NUMBER_BITS);
const _: () = assert!(PATCH_BYTES_MAX / (LISTED_STEP_MIN as u64) < 1 << NUMBER_BITS);
