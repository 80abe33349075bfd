//! Applying: the targets of a group from their bases and a patch.
//!
//! # Invariants
//!
//! - A patch can come from anybody. Nothing it says is believed before it was checked against the bases and the declared
//!   lengths; what is handed on never exceeds those. Whoever takes it checks its hash at the end.
//! - Memory is bounded by the declared lengths of the targets, whatever the patch claims.
//!
//! # Not here
//!
//! Whether bases and targets are what their ids say (`delta::follow`).

use super::code::{CODE_WORD_BYTES, Code, u32_at};
use super::leads::{LEAD_STREAMS, LeadReader};
use super::pair::{Method, check_group};
use super::predict::{Memory, Predictor, unfold};
use super::segment::{self, SEGMENT_BYTES_MIN, Segment};
use super::stream::{self, Stream, malformed};
use super::version::Version;
use super::{loads, prefix, surroundings};
use crate::base::error::Result;

/// Bytes that are made and handed on at once.
const PIECE_BYTES: usize = 64 << 10;

/// Applies `patch` and hands the targets to `sink`, in order and piece by piece, with the number of the target. A
/// target of no bytes is not handed on. What was handed on before an error is to be thrown away.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::error::Error::Malformed) or [`Error::Limit`](crate::base::error::Error::Limit) if
/// `patch` does not make targets of exactly these lengths from these bases; and what `sink` answered.
pub fn apply(
    patch: &[u8],
    bases: &[&[u8]],
    target_lengths: &[u32],
    sink: &mut dyn FnMut(usize, &[u8]) -> Result<()>,
) -> Result<()> {
    if bases.len() != target_lengths.len() {
        let (bases, targets) = (bases.len(), target_lengths.len());
        return Err(malformed(format!("{bases} bases for {targets} targets")));
    }
    let lengths = bases.iter().zip(target_lengths);
    let target_bytes = check_group(lengths.map(|(base, target)| (base.len(), *target as usize)))?;
    let Some(([version, method], streams)) = patch.split_first_chunk() else {
        return Err(malformed("it is shorter than its start"));
    };
    let version = Version::from_byte(*version)?;
    match Method::from_byte(*method)? {
        Method::Prefix => prefix::apply(streams, bases, target_lengths, sink),
        Method::Surroundings if version == Version::First => {
            Err(malformed("version 1 has no third method"))
        }
        Method::Surroundings => surroundings::apply(streams, bases, target_lengths, sink),
        Method::Difference => {
            let mut applier = Applier::open(version, streams, bases.len() as u64, target_bytes)?;
            for (number, (base, length)) in bases.iter().zip(target_lengths).enumerate() {
                applier.target(base, *length, &mut |piece| sink(number, piece))?;
            }
            applier.finish()
        }
    }
}

/// The streams of a group of differences, as far as they have been read.
struct Applier<'a> {
    version: Version,
    control: Stream<'a>,
    difference: Stream<'a>,
    extra: Stream<'a>,
    /// Distances that were taken out of the literals; version 1 has none.
    distances: Option<LeadReader<'a>>,
    memory: Option<Memory>,
    piece: Vec<u8>,
    /// What is made of literals and distances.
    mixed: Vec<u8>,
    /// Words of a piece, with their places in it.
    words: Vec<(usize, u32)>,
}

/// Takes the pieces of one target.
type PieceSink<'s> = &'s mut dyn FnMut(&[u8]) -> Result<()>;

impl<'a> Applier<'a> {
    fn open(version: Version, streams: &'a [u8], targets: u64, target_bytes: u64) -> Result<Self> {
        let control_bytes_max =
            loads::control_bytes_max(targets) + segment::control_bytes_max(targets, target_bytes);
        let (control, difference, extra, distances) = match version {
            Version::First => {
                let bytes_max = [control_bytes_max, target_bytes, target_bytes];
                let [control, difference, extra] = stream::open_all(streams, &[], bytes_max)?;
                (control, difference, extra, None)
            }
            Version::Second => {
                let mut bytes_max = [target_bytes; 3 + LEAD_STREAMS];
                bytes_max[0] = control_bytes_max;
                let [control, difference, extra, rest @ ..] =
                    stream::open_all(streams, &[], bytes_max)?;
                (control, difference, extra, Some(LeadReader::new(rest)?))
            }
        };
        Ok(Self {
            version,
            control,
            difference,
            extra,
            distances,
            memory: None,
            piece: vec![0; PIECE_BYTES],
            mixed: Vec::new(),
            words: Vec::new(),
        })
    }

    /// Makes one target.
    fn target(&mut self, base: &[u8], target_bytes: u32, sink: PieceSink<'_>) -> Result<()> {
        let loads = loads::take_all(&mut self.control)?;
        let base_bytes = u32::try_from(base.len()).unwrap_or(u32::MAX);
        let control = &mut self.control;
        let mut next = || Ok([control.number()?, control.number()?, control.number()?]);
        let segments = segment::take_all(
            &mut next,
            base_bytes,
            target_bytes,
            SEGMENT_BYTES_MIN as u64,
        )?;
        let Some(loads) = loads else {
            for segment in segments {
                self.copy(base, segment, sink)?;
                self.literal(segment, sink)?;
            }
            return Ok(());
        };
        let code = Code::of(base, self.version)
            .ok_or_else(|| malformed("it predicts for a base in which nothing is understood"))?;
        let mut memory = self.memory.take().unwrap_or_else(Memory::new);
        let mut predictor = Predictor::new(&code, &loads, &segments, &mut memory);
        let mut at = 0;
        for segment in segments {
            self.copy_code(base, (segment, at), (&code, &mut predictor), sink)?;
            at += segment.copied as usize;
            let literal = segment.literal as usize;
            match &mut self.distances {
                Some(distances) if code.image().is_x86_program() => {
                    let run = (at, literal);
                    distances.read(&mut self.extra, run, &loads, &mut self.mixed, sink)?;
                }
                _ => self.literal(segment, sink)?,
            }
            at += literal;
        }
        self.memory = Some(memory);
        Ok(())
    }

    fn copy(&mut self, base: &[u8], segment: Segment, sink: PieceSink<'_>) -> Result<()> {
        let base = &base[segment.base_start as usize..][..segment.copied as usize];
        for base in base.chunks(PIECE_BYTES) {
            let piece = &mut self.piece[..base.len()];
            self.difference.read(piece)?;
            add(piece, base);
            sink(piece)?;
        }
        Ok(())
    }

    /// Makes the copy of a segment that is at a place of the target; its words are predicted.
    fn copy_code(
        &mut self,
        base: &[u8],
        (segment, at): (Segment, usize),
        (code, predictor): (&Code<'_>, &mut Predictor<'_>),
        sink: PieceSink<'_>,
    ) -> Result<()> {
        let mut from = segment.base_start as usize;
        let end = from + segment.copied as usize;
        let shift = predictor.shift(from, at);
        while from < end {
            let mut to = end.min(from + PIECE_BYTES);
            if to < end {
                // A word is not cut.
                to = code.next(to + 1 - CODE_WORD_BYTES, to).unwrap_or(to);
            }
            let piece = &mut self.piece[..to - from];
            self.difference.read(piece)?;
            let words = &mut self.words;
            words.clear();
            predictor.each(from..to, shift, &mut |place, predicted| {
                let missed = u32_at(piece, place - from);
                let word = predicted.wrapping_add(unfold(missed));
                words.push((place - from, word));
                word
            });
            add(piece, &base[from..to]);
            for (place, word) in words {
                piece[*place..*place + CODE_WORD_BYTES].copy_from_slice(&word.to_le_bytes());
            }
            sink(piece)?;
            from = to;
        }
        Ok(())
    }

    fn literal(&mut self, segment: Segment, sink: PieceSink<'_>) -> Result<()> {
        let mut left = segment.literal as usize;
        while left > 0 {
            let piece = &mut self.piece[..left.min(PIECE_BYTES)];
            self.extra.read(piece)?;
            sink(piece)?;
            left -= piece.len();
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.control.finish()?;
        self.difference.finish()?;
        self.extra.finish()?;
        self.distances.map_or(Ok(()), LeadReader::finish)
    }
}

/// Turns differences from `base` into what they were taken from.
fn add(differences: &mut [u8], base: &[u8]) {
    for (byte, old) in differences.iter_mut().zip(base) {
        *byte = byte.wrapping_add(*old);
    }
}
