//! Large files: cut into chunks while they are read, so that memory does not grow with them.
//!
//! # Invariants
//!
//! - At most [`BUFFER_BYTES`] of the file and the chunks of the buffer before are in memory.
//! - The bytes that the chunks and the blob's id were made of are those of one unchanged file.
//!
//! # Not here
//!
//! Where chunks end (`object::chunk`), how they are put together again (`build::stage::recipes`).

use std::io::Read;
use std::path::PathBuf;

use rayon::prelude::*;

use super::listing::Listed;
use super::packer::{Content, Packer};
use super::recipes::Pieces;
use crate::base::id::{BlobId, Hash, Hasher};
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::disk::source::{self, SourceStream};
use crate::disk::walk::SourceContent;
use crate::object::chunk::{CHUNK_BYTES_MAX, Follows, cut};
use crate::object::recipe::Piece;

/// Bytes of a file that are in memory at a time.
const BUFFER_BYTES: usize = 16 * 1024 * 1024;
// A full buffer holds at least one chunk and its border, so every round gets ahead.
const _: () = assert!(BUFFER_BYTES > 2 * CHUNK_BYTES_MAX);

/// Takes in a large file: chunks first, then the recipes. While chunks are compressed and written, the next are read.
///
/// # Errors
///
/// [`Error::Source`] if the file changes while it is read, [`Error::Io`] if it cannot be read, and those of
/// [`Packer::take`].
pub(super) fn take_in(
    file: &Listed<'_>,
    packer: &mut Packer<'_, '_>,
    progress: &dyn Progress,
) -> Result<Hash> {
    let SourceContent::File(stat) = &file.entry.content else {
        return Err(Error::internal("a link's target is never large"));
    };
    let path = file.path();
    let stream = source::open_stream(&path, stat)?;
    let mut cutting = Cutting::new(stream, path);
    let mut waiting = Vec::new();
    loop {
        let chunks = std::mem::take(&mut waiting);
        let (cut, taken) = rayon::join(|| cutting.next_chunks(progress), || packer.take(chunks));
        taken?;
        match cut? {
            Some(chunks) => waiting = chunks,
            None => break,
        }
    }
    let (id, pieces) = cutting.finish()?;
    for recipe in pieces.recipes(BlobId::new(id))? {
        packer.take_recipe(&recipe)?;
    }
    Ok(id)
}

/// A file that is being cut.
struct Cutting {
    stream: SourceStream,
    path: PathBuf,
    /// What was read and not yet cut.
    buffer: Vec<u8>,
    follows: Follows,
    hasher: Hasher,
    pieces: Pieces,
}

impl Cutting {
    fn new(stream: SourceStream, path: PathBuf) -> Self {
        Self {
            pieces: Pieces::of_blob(stream.size()),
            stream,
            path,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            follows: Follows::More,
            hasher: Hasher::new(),
        }
    }

    /// The next chunks, or `None` at the end.
    fn next_chunks(&mut self, progress: &dyn Progress) -> Result<Option<Vec<Content>>> {
        self.fill(progress)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let buffer = &self.buffer;
        let ranges: Vec<_> = cut(buffer, self.follows).collect();
        let chunks: Vec<Content> = ranges
            .par_iter()
            .map(|range| {
                let bytes = buffer[range.clone()].to_vec();
                let id = Hash::of(&bytes);
                Content { id, bytes }
            })
            .collect();
        for chunk in &chunks {
            let bytes = chunk.bytes.len() as u64;
            let id = BlobId::new(chunk.id);
            self.pieces.add(Piece { bytes, id }, &chunk.bytes);
        }
        self.buffer
            .drain(..ranges.last().map_or(0, |range| range.end));
        Ok(Some(chunks))
    }

    /// Fills the buffer, or reads to the end of the file.
    fn fill(&mut self, progress: &dyn Progress) -> Result<()> {
        let kept = self.buffer.len();
        self.buffer.resize(BUFFER_BYTES, 0);
        let mut filled = kept;
        while self.follows == Follows::More && filled < BUFFER_BYTES {
            let read = self.stream.read(&mut self.buffer[filled..]);
            match read.map_err(Error::io("read", &self.path))? {
                0 => self.follows = Follows::End,
                bytes => filled += bytes,
            }
        }
        self.buffer.truncate(filled);
        self.hasher.update_parallel(&self.buffer[kept..]);
        progress.advance((filled - kept) as u64);
        Ok(())
    }

    fn finish(self) -> Result<(Hash, Pieces)> {
        self.stream.finish()?;
        Ok((self.hasher.hash(), self.pieces))
    }
}
