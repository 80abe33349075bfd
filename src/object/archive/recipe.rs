//! Recipes: how the streams of a file are made again, one level of streams in the other.
//!
//! ```text
//! level:  streams, then for each: gap | coder u8 | level u8 | dictionary u8 | bytes | level
//! ```
//!
//! Numbers are those of patches (`docs/FORMAT.md`, section 8.7). A gap is how many bytes of the file stand before a stream
//! as they are, since the stream before it; bytes are those that it stands for in the unpacked file.
//!
//! # Invariants
//!
//! - A level that was read lies inside the bytes that it is of, and is not nested deeper than allowed.
//! - All levels of a recipe have at most [`ARCHIVE_STREAMS_MAX`] streams.
//!
//! # Not here
//!
//! Finding streams (`unfold`), making them (`refold`).

use super::coder::Packing;
use crate::base::error::{Error, Result, check_limit};
use crate::base::limits::{ARCHIVE_LEVELS_MAX, ARCHIVE_STREAMS_MAX};
use crate::object::patch::varint;

/// The streams of a file, or of what a stream expands to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) streams: Vec<Made>,
}

/// A stream that can be made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    /// Bytes before it.
    pub(super) gap: usize,
    pub(super) packing: Packing,
    /// Bytes that it stands for, unpacked.
    pub(super) bytes: usize,
    /// The streams in what it expands to.
    pub(super) within: Level,
}

impl Level {
    /// Appends the recipe.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        varint::push(out, self.streams.len() as u64);
        for made in &self.streams {
            varint::push(out, made.gap as u64);
            out.extend_from_slice(&made.packing.encode());
            varint::push(out, made.bytes as u64);
            made.within.encode(out);
        }
    }

    /// Takes a recipe from the front of `form`; gives it and the unpacked bytes behind it.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] or [`Error::Limit`] if it is none, or not one of as many bytes as there are.
    pub(super) fn decode(form: &[u8]) -> Result<(Self, &[u8])> {
        let mut reader = Reader {
            rest: form,
            streams: 0,
        };
        let level = reader.level(0)?;
        level.check(reader.rest.len())?;
        Ok((level, reader.rest))
    }

    /// All streams lie inside what they are of.
    fn check(&self, bytes: usize) -> Result<()> {
        let mut left = bytes;
        for made in &self.streams {
            left = left
                .checked_sub(made.gap)
                .and_then(|left| left.checked_sub(made.bytes))
                .ok_or_else(|| malformed("a stream is longer than what it is in"))?;
            made.within.check(made.bytes)?;
        }
        Ok(())
    }
}

pub(super) fn malformed(reason: &str) -> Error {
    Error::malformed("recipe of an archive", reason)
}

/// Takes the parts of a recipe.
struct Reader<'f> {
    rest: &'f [u8],
    streams: u64,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8> {
        let (byte, rest) = self
            .rest
            .split_first()
            .ok_or_else(|| malformed("it ends early"))?;
        self.rest = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<usize> {
        let number = varint::take(|| self.byte())?;
        usize::try_from(number).map_err(|_| malformed("a number is too large"))
    }

    fn level(&mut self, depth: usize) -> Result<Level> {
        let count = self.number()? as u64;
        if count > 0 && depth >= ARCHIVE_LEVELS_MAX {
            return Err(malformed("streams lie too deep in streams"));
        }
        self.streams = self.streams.saturating_add(count);
        let most = ARCHIVE_STREAMS_MAX as u64;
        check_limit("streams of an archive", self.streams, most)?;
        let mut streams = Vec::new();
        for _ in 0..count {
            let gap = self.number()?;
            let [coder, level, dictionary] = [self.byte()?, self.byte()?, self.byte()?];
            let packing = Packing::decode(coder, level, dictionary)
                .ok_or_else(|| malformed("a stream is made in an unknown way"))?;
            streams.push(Made {
                gap,
                packing,
                bytes: self.number()?,
                within: self.level(depth + 1)?,
            });
        }
        Ok(Level { streams })
    }
}
