//! Distances of code that has no counterpart in the base: they are taken out of the literals, into streams of their own.
//!
//! What a call or an operand names is told as an address, which is the same from wherever it is named; jumps, which mostly
//! stay within their function, keep their distances. The idea is that of BCJ2 (Pavlov, 7-Zip). Whether a byte that may be
//! before a distance is so, a flag says, coded by what the byte is and what is before it.
//!
//! # Invariants
//!
//! - Distances do not overlap, and lie in one run of literals with the byte before them.
//! - Which are taken out is the encoder's choice: appliers go by the flags alone.
//!
//! # Not here
//!
//! Finding distances (`code`), coding flags (`range`) and words (`words`).

use std::ops::Range;

use super::code::{CODE_WORD_BYTES, Code};
use super::elf::{Load, address};
use super::predict::{fold, unfold};
use super::range::{FlagDecoder, FlagEncoder};
use super::stream::Stream;
use super::words::{Layout, WordReader, WordWriter};
use super::x86::{Kind, is_escape, lead, may_lead};
use crate::base::error::Result;

/// Bytes that are handed on at once.
const PIECE_BYTES: usize = 64 << 10;
/// Kinds of distances, each with a stream.
const KINDS: usize = Kind::Operand as usize + 1;
/// Streams of which this consists: flags, and the words of each kind.
pub(super) const LEAD_STREAMS: usize = 1 + KINDS;
/// How the words of each kind are told. Jumps are mostly short, and seldom the same.
const LAYOUTS: [Layout; KINDS] = [Layout::Rows, Layout::Planes, Layout::Planes, Layout::Rows];
/// Contexts of flags: the byte before, for each kind.
const CONTEXTS: usize = KINDS * 256;

/// The context of a flag.
#[inline]
fn context(kind: Kind, before: u8) -> usize {
    match kind {
        // Two bytes say enough.
        Kind::Conditional => Kind::Conditional as usize * 256,
        Kind::Call | Kind::Jump | Kind::Operand => kind as usize * 256 + usize::from(before),
    }
}

/// What stands for a distance that ends at the address `from`.
#[inline]
fn told(kind: Kind, distance: u32, from: u32) -> u32 {
    match kind {
        Kind::Call | Kind::Operand => from.wrapping_add(distance),
        Kind::Jump | Kind::Conditional => fold(distance),
    }
}

/// The distance that was told.
#[inline]
fn untold(kind: Kind, word: u32, from: u32) -> u32 {
    match kind {
        Kind::Call | Kind::Operand => word.wrapping_sub(from),
        Kind::Jump | Kind::Conditional => unfold(word),
    }
}

/// Takes distances out of literals.
#[derive(Debug)]
pub(super) struct LeadWriter {
    flags: FlagEncoder,
    words: [WordWriter; KINDS],
}

impl LeadWriter {
    pub(super) fn new() -> Self {
        Self {
            flags: FlagEncoder::new(CONTEXTS),
            words: LAYOUTS.map(WordWriter::new),
        }
    }

    /// Appends what is left of `literal` to `literals`. It starts at `start` of the file that is `code`.
    pub(super) fn push(
        &mut self,
        literal: &[u8],
        start: usize,
        code: &Code<'_>,
        literals: &mut Vec<u8>,
    ) {
        let (mut at, mut before, mut plain) = (0, 0, 0);
        while let Some(byte) = literal.get(at) {
            let found = lead(*byte, literal.get(at + 1).copied());
            if let Some((kind, ahead)) = found
                && at + ahead + CODE_WORD_BYTES <= literal.len()
            {
                let place = start + at + ahead;
                let is_taken = code.has_distance(place);
                self.flags.put(context(kind, before), is_taken);
                if is_taken {
                    literals.extend_from_slice(&literal[plain..at + ahead]);
                    let from = code.image().address(place + CODE_WORD_BYTES);
                    self.words[kind as usize].push(told(kind, code.word(place), from));
                    at += ahead + CODE_WORD_BYTES;
                    plain = at;
                    before = literal[at - 1];
                    continue;
                }
            }
            before = *byte;
            at += 1;
        }
        literals.extend_from_slice(&literal[plain..]);
    }

    /// The streams, flags first.
    pub(super) fn finish(self) -> [Vec<u8>; LEAD_STREAMS] {
        let [calls, jumps, conditionals, operands] = self.words.map(WordWriter::finish);
        [self.flags.finish(), calls, jumps, conditionals, operands]
    }
}

/// Puts distances back between literals.
pub(super) struct LeadReader<'a> {
    flags: FlagDecoder<'a>,
    words: [WordReader<'a>; KINDS],
}

impl<'a> LeadReader<'a> {
    /// # Errors
    ///
    /// [`Malformed`](crate::base::error::Error::Malformed) if the streams cannot be these.
    pub(super) fn new(streams: [Stream<'a>; LEAD_STREAMS]) -> Result<Self> {
        let [flags, calls, jumps, conditionals, operands] = streams;
        let [call, jump, conditional, operand] = LAYOUTS;
        Ok(Self {
            flags: FlagDecoder::new(CONTEXTS, flags),
            words: [
                WordReader::new(call, calls)?,
                WordReader::new(jump, jumps)?,
                WordReader::new(conditional, conditionals)?,
                WordReader::new(operand, operands)?,
            ],
        })
    }

    /// Makes a run of literals: `bytes` bytes at `start` of a target that is loaded as `loads` say. It hands them on in
    /// pieces, for which it uses `piece`.
    ///
    /// # Errors
    ///
    /// [`Malformed`](crate::base::error::Error::Malformed) if a stream is too short or damaged, and what `sink` answers.
    pub(super) fn read(
        &mut self,
        literals: &mut Stream<'_>,
        (start, bytes): (usize, usize),
        loads: &[Load],
        piece: &mut Vec<u8>,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        piece.clear();
        let end = start + bytes;
        let (mut at, mut before) = (start, 0);
        while at < end {
            let ahead = literals.ahead()?;
            let ahead = &ahead[..ahead.len().min(end - at)];
            let plain = ahead.iter().position(|byte| may_lead(*byte));
            let count = plain.unwrap_or(ahead.len());
            before = ahead[..count].last().copied().unwrap_or(before);
            piece.extend_from_slice(&ahead[..count]);
            literals.skip(count);
            at += count;
            if plain.is_some() {
                at += self.read_lead(literals, at..end, (before, loads), piece)?;
                before = piece.last().copied().unwrap_or(before);
            }
            if piece.len() >= PIECE_BYTES {
                sink(piece)?;
                piece.clear();
            }
        }
        if piece.is_empty() {
            return Ok(());
        }
        sink(piece)
    }

    /// Reads a byte that may lead to a distance, and the distance if it does. Gives how many bytes that makes.
    fn read_lead(
        &mut self,
        literals: &mut Stream<'_>,
        run: Range<usize>,
        (before, loads): (u8, &[Load]),
        piece: &mut Vec<u8>,
    ) -> Result<usize> {
        let byte = literals.byte()?;
        piece.push(byte);
        let next = match run.len() {
            // Nothing behind the run is looked at.
            ..=1 => None,
            _ if is_escape(byte) => literals.ahead()?.first().copied(),
            _ => None,
        };
        let Some((kind, ahead)) = lead(byte, next) else {
            return Ok(1);
        };
        let made = ahead + CODE_WORD_BYTES;
        if made > run.len() || !self.flags.take(context(kind, before))? {
            return Ok(1);
        }
        for _ in 1..ahead {
            piece.push(literals.byte()?);
        }
        let from = address(loads, run.start + made);
        let word = self.words[kind as usize].take()?;
        piece.extend_from_slice(&untold(kind, word, from).to_le_bytes());
        Ok(made)
    }

    /// Checks that everything has been read.
    ///
    /// # Errors
    ///
    /// [`Malformed`](crate::base::error::Error::Malformed) if something is left.
    pub(super) fn finish(self) -> Result<()> {
        self.flags.finish()?;
        self.words.into_iter().try_for_each(WordReader::finish)
    }
}
