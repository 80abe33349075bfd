//! Large contents: cut into chunks again while they are made, as staging cuts them.
//!
//! # Invariants
//!
//! - The chunks do not depend on the pieces in which the content arrives.
//!
//! # Not here
//!
//! Where chunks end (`object::chunk`), how they are put together (`build::stage::recipes`).

use rayon::prelude::*;

use crate::base::Result;
use crate::base::id::{BlobId, Hash, Hasher};
use crate::build::stage::recipes::Pieces;
use crate::object::chunk::{CHUNK_BYTES_MAX, Follows, cut};
use crate::object::frame::FRAME_ROW_BYTES;
use crate::object::frame_builder::{FrameBuilder, SealedFrame};
use crate::object::kind::ObjectKind;
use crate::object::recipe::{Piece, Recipe};

/// Bytes that are collected before they are cut.
const BUFFER_BYTES: usize = 12 * 1024 * 1024;
// A full buffer holds at least one chunk and its border, so every round gets ahead.
const _: () = assert!(BUFFER_BYTES > 2 * CHUNK_BYTES_MAX);

/// A large content that is being cut.
pub(super) struct Cutting {
    buffer: Vec<u8>,
    hasher: Hasher,
    pieces: Pieces,
    chunks: Vec<SealedFrame>,
}

/// A large content that was cut.
#[derive(Debug)]
pub(super) struct Large {
    pub(super) id: Hash,
    /// A frame for each chunk; the same chunk may come again.
    pub(super) chunks: Vec<SealedFrame>,
    /// The recipe of the content last.
    pub(super) recipes: Vec<Recipe>,
}

impl Cutting {
    /// Starts a content of `bytes` bytes.
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            buffer: Vec::with_capacity(BUFFER_BYTES),
            hasher: Hasher::new(),
            pieces: Pieces::of_blob(bytes),
            chunks: Vec::new(),
        }
    }

    /// Takes the next piece, however long.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Result<()> {
        while !piece.is_empty() {
            let room = BUFFER_BYTES - self.buffer.len();
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.buffer.extend_from_slice(now);
            piece = later;
            if self.buffer.len() == BUFFER_BYTES {
                self.cut(Follows::More)?;
            }
        }
        Ok(())
    }

    fn cut(&mut self, follows: Follows) -> Result<()> {
        let buffer = &self.buffer;
        let ranges: Vec<_> = cut(buffer, follows).collect();
        let chunk = |range: &std::ops::Range<usize>| {
            let bytes = &buffer[range.clone()];
            let id = Hash::of(bytes);
            let mut frame = FrameBuilder::with_room(1, FRAME_ROW_BYTES + bytes.len());
            frame.push(ObjectKind::Blob, id, bytes)?;
            Ok((id, frame.seal()?))
        };
        let chunks: Vec<(Hash, SealedFrame)> =
            ranges.par_iter().map(chunk).collect::<Result<_>>()?;
        for (range, (id, frame)) in ranges.iter().zip(chunks) {
            let piece = Piece {
                bytes: range.len() as u64,
                id: BlobId::new(id),
            };
            self.pieces.add(piece, &buffer[range.clone()]);
            self.chunks.push(frame);
        }
        let end = ranges.last().map_or(0, |range| range.end);
        self.hasher.update_parallel(&buffer[..end]);
        self.buffer.drain(..end);
        Ok(())
    }

    /// Ends the content.
    pub(super) fn finish(mut self) -> Result<Large> {
        self.cut(Follows::End)?;
        let id = self.hasher.hash();
        Ok(Large {
            id,
            recipes: self.pieces.recipes(BlobId::new(id))?,
            chunks: self.chunks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::testing::noise;

    #[test]
    fn a_content_is_cut_alike_in_whatever_pieces_it_comes() -> Result<()> {
        let content = noise(20_000_000);
        let expected: Vec<usize> = cut(&content, Follows::End)
            .map(|range| range.len())
            .collect();
        for piece_bytes in [64 * 1024, 1_000_003, content.len()] {
            let mut cutting = Cutting::new(content.len() as u64);
            for piece in content.chunks(piece_bytes) {
                cutting.push(piece)?;
            }
            let large = cutting.finish()?;
            assert_eq!(large.id, Hash::of(&content));
            let [recipe] = &large.recipes[..] else {
                return Err(crate::base::Error::internal("one recipe"));
            };
            let lengths = recipe.pieces().iter().map(|piece| piece.bytes);
            let expected_lengths = expected.iter().map(|bytes| *bytes as u64);
            assert!(lengths.eq(expected_lengths), "{piece_bytes}");
            assert_eq!(large.chunks.len(), expected.len());
        }
        Ok(())
    }
}
