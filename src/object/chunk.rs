//! Chunks: where large blobs are cut, by content.
//!
//! Borders depend on the bytes around them alone, so an insertion into a disk image moves no border but its own. The
//! algorithm is `FastCDC` (Xia et al. 2020, "The Design of Fast Content-Defined Chunking for Data Deduplication Based
//! Storage Systems"), 2020 variant, normalisation level 1, as the pinned `fastcdc` crate implements it.
//!
//! # Invariants
//!
//! - The chunks of a blob do not depend on the pieces in which its bytes arrive.
//! - A chunk has [`CHUNK_BYTES_MIN`] to [`CHUNK_BYTES_MAX`] bytes; only the last may be shorter.
//!
//! # Not here
//!
//! How chunks are put together again (`object::recipe`). Chunks never touch identity: cutting otherwise would cost
//! deduplication against stores that cut like this, and nothing else.

use std::ops::Range;

use fastcdc::v2020::FastCDC;

use crate::base::limits::{
    BLOB_BYTES_MAX, FRAME_BYTES_MAX, RECIPE_PIECES_MAX, WHOLE_BLOB_BYTES_MAX,
};

/// Bytes of the shortest chunk but the last: keeps recipes short.
pub const CHUNK_BYTES_MIN: usize = 256 * 1024;
/// Bytes of a chunk on average: a changed block of a disk image costs about this much.
pub const CHUNK_BYTES_TARGET: usize = 1024 * 1024;
/// Bytes of the longest chunk: what one thread holds.
pub const CHUNK_BYTES_MAX: usize = 4 * 1024 * 1024;

const _: () = assert!(CHUNK_BYTES_MAX as u64 * 2 <= FRAME_BYTES_MAX);
// A blob that is cut has at least two chunks, as a recipe must, and two levels of recipes hold the largest.
const _: () = assert!(CHUNK_BYTES_MAX as u64 <= WHOLE_BLOB_BYTES_MAX / 2);
const _: () = assert!(
    BLOB_BYTES_MAX / CHUNK_BYTES_MIN as u64 <= (RECIPE_PIECES_MAX * RECIPE_PIECES_MAX) as u64
);

/// What follows the bytes of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// Perhaps more bytes of the blob.
    More,
    /// The end of the blob.
    End,
}

/// Cuts a buffer that starts at a border, and yields the chunks whose borders no later byte can move. With
/// [`Follows::End`] they fill the buffer; with [`Follows::More`] the caller keeps what is left, at most
/// [`CHUNK_BYTES_MAX`] bytes, and appends to it. As what is left is searched again each time, buffers should hold
/// several chunks.
///
/// ```
/// use bindery::object::chunk::{CHUNK_BYTES_MAX, Follows, cut};
/// let buffer = vec![0; CHUNK_BYTES_MAX + 5];
/// assert_eq!(cut(&buffer, Follows::More).collect::<Vec<_>>(), [0..CHUNK_BYTES_MAX]);
/// assert_eq!(cut(&buffer, Follows::End).count(), 2);
/// ```
pub fn cut(buffer: &[u8], follows: Follows) -> impl Iterator<Item = Range<usize>> {
    FastCDC::new(buffer, CHUNK_BYTES_MIN, CHUNK_BYTES_TARGET, CHUNK_BYTES_MAX)
        .map(|chunk| chunk.offset..chunk.offset + chunk.length)
        // A chunk that ends with the buffer was not cut by its content, unless it is as long as chunks get.
        .take_while(move |chunk| {
            follows == Follows::End || chunk.end < buffer.len() || chunk.len() == CHUNK_BYTES_MAX
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Hasher;

    /// Bytes without structure, the same every time: hashes of a counter.
    fn noise(bytes: usize) -> Vec<u8> {
        let blocks = (0..bytes.div_ceil(32) as u64).flat_map(|block| {
            let mut hasher = Hasher::new();
            hasher.update(&block.to_le_bytes());
            *hasher.hash().as_bytes()
        });
        blocks.take(bytes).collect()
    }

    fn borders(blob: &[u8]) -> Vec<usize> {
        cut(blob, Follows::End).map(|chunk| chunk.end).collect()
    }

    /// Cuts a blob that arrives in pieces of `piece` bytes.
    fn borders_in_pieces(blob: &[u8], piece: usize) -> Vec<usize> {
        let mut borders = Vec::new();
        let mut start = 0;
        for end in (piece..blob.len()).step_by(piece) {
            let chunks: Vec<_> = cut(&blob[start..end], Follows::More).collect();
            borders.extend(chunks.iter().map(|chunk| start + chunk.end));
            start += chunks.last().map_or(0, |chunk| chunk.end);
            assert!(end - start <= CHUNK_BYTES_MAX);
        }
        borders.extend(cut(&blob[start..], Follows::End).map(|chunk| start + chunk.end));
        borders
    }

    #[test]
    fn borders_do_not_move() {
        let blob = noise(12 << 20);
        assert_eq!(borders(&blob), GOLDEN);
    }

    /// The borders of twelve mebibytes of [`noise`].
    const GOLDEN: [usize; 11] = [
        1_433_366, 1_755_514, 2_603_633, 2_968_724, 4_283_762, 5_845_042, 7_319_148, 8_497_136,
        8_924_980, 11_469_700, 12_582_912,
    ];

    #[test]
    fn borders_do_not_depend_on_how_bytes_arrive() {
        let mut blob = noise(9 << 20);
        // A stretch without any border by content, and an odd end.
        blob.extend_from_slice(&vec![0; CHUNK_BYTES_MAX + 1000]);
        blob.extend_from_slice(&noise(700_001));
        let whole = borders(&blob);
        assert_eq!(whole.last(), Some(&blob.len()));
        for piece in [
            300_001,
            1 << 20,
            3_333_333,
            4 << 20,
            blob.len(),
            usize::MAX / 2,
        ] {
            assert_eq!(borders_in_pieces(&blob, piece), whole, "pieces of {piece}");
        }
    }

    #[test]
    fn chunks_keep_to_their_lengths() {
        let blob = noise(12 << 20);
        let chunks: Vec<_> = cut(&blob, Follows::End).collect();
        let last = chunks.len() - 1;
        for (at, chunk) in chunks.iter().enumerate() {
            assert!(chunk.len() <= CHUNK_BYTES_MAX);
            assert!(at == last || chunk.len() >= CHUNK_BYTES_MIN);
        }
        assert_eq!(cut(b"", Follows::End).count(), 0);
        assert_eq!(cut(b"short", Follows::More).count(), 0);
        assert_eq!(cut(b"short", Follows::End).count(), 1);
    }

    #[test]
    fn an_insertion_moves_no_border_behind_its_chunk() {
        let blob = noise(12 << 20);
        let before = borders(&blob);
        let changed = [&blob[..1000], b"inserted", &blob[1000..]].concat();
        let after = borders(&changed);
        let kept = |border: &&usize| after.contains(&(**border + 8));
        assert!(before.iter().filter(kept).count() >= before.len() - 2);
    }
}
