//! Large files: cut into chunks while they are read, so that memory does not grow with them.
//!
//! # Invariants
//!
//! - At most [`BUFFER_BYTES`] of the file, and as much of chunks that were cut from it, are in memory beside what the
//!   sink holds.
//! - The bytes that the chunks and the blob's id were made of are those of one unchanged file.
//!
//! # Not here
//!
//! Where chunks end (`object::chunk`), how they are put together again (`build::stage::recipes`).

use std::io::Read;
use std::path::PathBuf;

use rayon::prelude::*;

use super::content::{Chunk, ContentSink};
use super::in_order::{InOrder, Threads};
use super::listing::Listed;
use super::recipes::Pieces;
use crate::base::id::{BlobId, Hash, Hasher};
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::disk::source::{self, SourceStream};
use crate::disk::walk::SourceContent;
use crate::object::chunk::{CHUNK_BYTES_MAX, Follows, cut};
use crate::object::recipe::Piece;

/// Bytes of a file that are in memory at a time.
const BUFFER_BYTES: usize = 12 * 1024 * 1024;
// A full buffer holds at least one chunk and its border, so every round gets ahead.
const _: () = assert!(BUFFER_BYTES > 2 * CHUNK_BYTES_MAX);

/// A large file of which the first chunks are being read.
pub(super) struct Streaming<'a, 'scope> {
    rounds: InOrder<'a, 'scope, Round>,
    progress: &'scope dyn Progress,
}

/// What is left of a file, and the chunks that were cut last; none at the end.
type Round = (Cutting, Vec<Chunk>);

/// Starts to read a large file.
///
/// # Errors
///
/// Those of [`source::open_stream`].
pub(super) fn start<'a, 'scope>(
    scope: &'a Threads<'scope>,
    file: &Listed<'_>,
    progress: &'scope dyn Progress,
) -> Result<Streaming<'a, 'scope>> {
    let SourceContent::File(stat) = &file.entry.content else {
        return Err(Error::internal("a link's target is never large"));
    };
    let path = file.path();
    let stream = source::open_stream(&path, stat)?;
    let mut streaming = Streaming {
        rounds: InOrder::new(scope),
        progress,
    };
    streaming.cut_on(Cutting::new(stream, path));
    Ok(streaming)
}

impl Streaming<'_, '_> {
    fn cut_on(&mut self, mut cutting: Cutting) {
        let progress = self.progress;
        self.rounds.start(BUFFER_BYTES as u64, move || {
            let chunks = cutting.next_chunks(progress)?;
            Ok((cutting, chunks))
        });
    }

    /// Takes in the file: chunks first, then the recipes. While chunks are compressed and written, the next are read.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] if the file changes while it is read, [`Error::Io`] if it cannot be read, and those of
    /// the sink.
    pub(super) fn take_in(mut self, sink: &mut impl ContentSink) -> Result<Hash> {
        let lost = || Error::internal("a file that is being cut has a next round");
        loop {
            let (cutting, chunks) = self.rounds.next()?.ok_or_else(lost)?;
            if chunks.is_empty() {
                let (id, pieces) = cutting.finish()?;
                for recipe in pieces.recipes(BlobId::new(id))? {
                    sink.take_recipe(&recipe)?;
                }
                return Ok(id);
            }
            self.cut_on(cutting);
            chunks
                .into_iter()
                .try_for_each(|chunk| sink.take_chunk(chunk))?;
        }
    }
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

    /// The next chunks; none at the end.
    fn next_chunks(&mut self, progress: &dyn Progress) -> Result<Vec<Chunk>> {
        self.fill(progress)?;
        let buffer = &self.buffer;
        let ranges: Vec<_> = cut(buffer, self.follows).collect();
        let chunks: Vec<Chunk> = ranges
            .par_iter()
            .map(|range| Chunk::of(&buffer[range.clone()]))
            .collect::<Result<_>>()?;
        for (range, chunk) in ranges.iter().zip(&chunks) {
            let bytes = range.len() as u64;
            let id = BlobId::new(chunk.id);
            self.pieces.add(Piece { bytes, id }, &buffer[range.clone()]);
        }
        self.buffer
            .drain(..ranges.last().map_or(0, |range| range.end));
        Ok(chunks)
    }

    /// Fills the buffer, or reads to the end of the file.
    fn fill(&mut self, progress: &dyn Progress) -> Result<()> {
        let kept = self.buffer.len();
        let wanted = BUFFER_BYTES - kept;
        let mut part = self.stream.by_ref().take(wanted as u64);
        let read = part.read_to_end(&mut self.buffer);
        if read.map_err(Error::io("read", &self.path))? < wanted {
            self.follows = Follows::End;
        }
        self.hasher.update_parallel(&self.buffer[kept..]);
        progress.advance((self.buffer.len() - kept) as u64);
        Ok(())
    }

    fn finish(self) -> Result<(Hash, Pieces)> {
        self.stream.finish()?;
        Ok((self.hasher.hash(), self.pieces))
    }
}
