//! Streams: the parts of a patch, each compressed by itself, because what is alike then stands together.
//!
//! ```text
//! for each stream: its length, and its length as stored, as varints; then the streams as stored, one after another
//! ```
//!
//! # Invariants
//!
//! - A stream that is read has no more bytes than its limit, and none is left over at the end.
//!
//! # Not here
//!
//! What the streams hold (`encode`, `apply`), zstd (`object::codec`).

use super::super::codec::{self, Expander};
use super::varint;
use crate::base::error::{Error, Result, check_limit};

/// Bytes that are expanded at once for numbers.
const BUFFER_BYTES: usize = 4096;

/// A stream as it is stored.
pub(super) struct Stored<B> {
    raw_bytes: usize,
    body: B,
}

impl Stored<Vec<u8>> {
    /// Compresses `raw`, `prefix` being known to whoever reads it.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if zstd fails.
    pub(super) fn compress(raw: &[u8], prefix: &[u8], level: i32) -> Result<Self> {
        let body = match raw.len() {
            0 => Vec::new(),
            _ => codec::compress_stream(raw, prefix, level)?,
        };
        Ok(Self {
            raw_bytes: raw.len(),
            body,
        })
    }
}

impl<'a> Stored<&'a [u8]> {
    /// Reads it from its start, behind `prefix`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is not one zstd frame of these bytes.
    pub(super) fn open(&self, prefix: &'a [u8]) -> Result<Stream<'a>> {
        Stream::new(self.body, prefix, self.raw_bytes)
    }
}

/// Compresses `streams` and appends them.
///
/// # Errors
///
/// [`Error::Internal`] if zstd fails.
pub(super) fn push_all(
    out: &mut Vec<u8>,
    streams: &[Vec<u8>],
    prefix: &[u8],
    level: i32,
) -> Result<()> {
    let stored = streams
        .iter()
        .map(|raw| Stored::compress(raw, prefix, level));
    push_stored(out, &stored.collect::<Result<Vec<_>>>()?);
    Ok(())
}

/// Appends streams.
pub(super) fn push_stored(out: &mut Vec<u8>, streams: &[Stored<Vec<u8>>]) {
    for stream in streams {
        varint::push(out, stream.raw_bytes as u64);
        varint::push(out, stream.body.len() as u64);
    }
    for stream in streams {
        out.extend_from_slice(&stream.body);
    }
}

/// Opens the streams of which `bytes` consist; stream `n` may have `bytes_max[n]` bytes.
///
/// # Errors
///
/// [`Error::Malformed`] or [`Error::Limit`] if they are not these streams and nothing else.
pub(super) fn open_all<'a, const N: usize>(
    bytes: &'a [u8],
    prefix: &'a [u8],
    bytes_max: [u64; N],
) -> Result<[Stream<'a>; N]> {
    let mut streams = Vec::with_capacity(N);
    for stored in split_all(bytes, bytes_max)? {
        streams.push(stored.open(prefix)?);
    }
    streams
        .try_into()
        .map_err(|_| Error::internal("another number of streams"))
}

/// Takes the streams apart of which `bytes` consist; stream `n` may have `bytes_max[n]` bytes.
///
/// # Errors
///
/// [`Error::Malformed`] or [`Error::Limit`] if they are not so many streams and nothing else.
pub(super) fn split_all<const N: usize>(
    mut bytes: &[u8],
    bytes_max: [u64; N],
) -> Result<[Stored<&[u8]>; N]> {
    let mut lengths = [(0, 0); N];
    for ((raw, stored), max) in lengths.iter_mut().zip(bytes_max) {
        *raw = take_length(&mut bytes)?;
        *stored = take_length(&mut bytes)?;
        check_limit("bytes of a stream of a patch", *raw as u64, max)?;
    }
    let mut streams = [(); N].map(|()| Stored {
        raw_bytes: 0,
        body: &bytes[..0],
    });
    for (stream, (raw_bytes, stored)) in streams.iter_mut().zip(lengths) {
        let (body, rest) = bytes
            .split_at_checked(stored)
            .ok_or_else(|| malformed("a stream is cut short"))?;
        *stream = Stored { raw_bytes, body };
        bytes = rest;
    }
    if bytes.is_empty() {
        Ok(streams)
    } else {
        Err(malformed("there are bytes behind the last stream"))
    }
}

fn take_length(bytes: &mut &[u8]) -> Result<usize> {
    usize::try_from(take_number(bytes)?).map_err(|_| malformed("a stream is longer than memory"))
}

/// Takes the number with which `bytes` begin.
///
/// # Errors
///
/// [`Error::Malformed`] if there is none, or it is not spelt as it must be.
pub(super) fn take_number(bytes: &mut &[u8]) -> Result<u64> {
    varint::take(|| {
        let (byte, rest) = bytes
            .split_first()
            .ok_or_else(|| malformed("it ends before its streams"))?;
        *bytes = rest;
        Ok(*byte)
    })
}

/// A stream that is read from its start to its end.
pub(super) struct Stream<'a> {
    /// `None` for a stream without bytes, which is stored as none.
    expander: Option<Expander<'a>>,
    /// Bytes that were expanded ahead, for numbers.
    buffer: Vec<u8>,
    taken: usize,
}

impl<'a> Stream<'a> {
    fn new(stored: &'a [u8], prefix: &'a [u8], raw_bytes: usize) -> Result<Self> {
        let expander = match (raw_bytes, stored.is_empty()) {
            (0, true) => None,
            (0, false) => return Err(malformed("an empty stream is stored as something")),
            _ => Some(Expander::new(stored, prefix, raw_bytes)?),
        };
        Ok(Self {
            expander,
            buffer: Vec::new(),
            taken: 0,
        })
    }

    /// Bytes that were not read yet.
    pub(super) fn left(&self) -> usize {
        let ahead = self.buffer.len() - self.taken;
        ahead + self.expander.as_ref().map_or(0, Expander::left)
    }

    /// Some of the next bytes, one at least; they are not read by that.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if there are no more, or what is stored is damaged.
    #[inline]
    pub(super) fn ahead(&mut self) -> Result<&[u8]> {
        if self.taken == self.buffer.len() {
            self.refill()?;
        }
        Ok(&self.buffer[self.taken..])
    }

    /// Reads `count` of the bytes [`Stream::ahead`], no more than it gave.
    #[inline]
    pub(super) fn skip(&mut self, count: usize) {
        self.taken += count;
    }

    /// Fills `piece` with the next bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if there are no more, or what is stored is damaged.
    pub(super) fn read(&mut self, piece: &mut [u8]) -> Result<()> {
        let ahead = &self.buffer[self.taken..];
        let count = ahead.len().min(piece.len());
        let (first, rest) = piece.split_at_mut(count);
        first.copy_from_slice(&ahead[..count]);
        self.taken += count;
        match &mut self.expander {
            _ if rest.is_empty() => Ok(()),
            Some(expander) => expander.read(rest),
            None => Err(malformed("a stream is too short")),
        }
    }

    /// Takes the next number.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if there is none, or it is not spelt as it must be.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64> {
        varint::take(|| self.byte())
    }

    /// Takes the next byte.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if there is none.
    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8> {
        if self.taken == self.buffer.len() {
            self.refill()?;
        }
        let byte = self.buffer.get(self.taken).copied();
        self.taken += 1;
        byte.ok_or_else(|| malformed("a stream is too short"))
    }

    fn refill(&mut self) -> Result<()> {
        let left = self.expander.as_ref().map_or(0, Expander::left);
        self.buffer.resize(left.min(BUFFER_BYTES), 0);
        self.taken = 0;
        match &mut self.expander {
            Some(expander) if left > 0 => expander.read(&mut self.buffer),
            _ => Err(malformed("a stream is too short")),
        }
    }

    /// Checks that every byte has been read.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if some are left.
    pub(super) fn finish(self) -> Result<()> {
        if self.taken != self.buffer.len() {
            return Err(malformed("a stream is longer than the targets need"));
        }
        self.expander.map_or(Ok(()), Expander::finish)
    }
}

/// A patch that is not one.
pub(super) fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("patch", reason)
}
