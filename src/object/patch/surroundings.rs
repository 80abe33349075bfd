//! The method for text: exact copies, and what is new compressed behind what stands around it in the bases.
//!
//! Who edits a text adds lines that resemble those around them, and the ones that they replace. All bases as prefix
//! ([`prefix`](super::prefix)) would show these to the compressor too, but among a hundred times as much that has nothing to do with
//! the edit; so it searches longer, and says with more bits where it found something.
//!
//! ```text
//! reach, a varint; then four streams: copied bytes, literal bytes, distances, each as varints; and the literals, whose prefix are the
//! surroundings
//! ```
//!
//! # Invariants
//!
//! - Surroundings follow from bases, segments and reach alone, so that both sides have the same.
//! - Bases and targets together, and so surroundings and literals, fit the window of a patch; and what is kept for each segment takes
//!   less than they do.
//!
//! # Not here
//!
//! When this is the better method (`delta` encodes several and takes the smallest).

use super::align::{Search, align, narrow};
use super::pair::{Effort, Pair};
use super::segment::{self, NUMBERS, Segment};
use super::stream::{self, Stored};
use super::varint;
use super::word::common_prefix;
use crate::base::error::{Result, check_limit};
use crate::base::limits::{PATCH_REACH_BYTES_MAX, PATCH_TEXT_BYTES_MAX};

/// Fewest bytes of a copy. Of a shorter one the compressor says in fewer bytes where it stands in the surroundings than three numbers do.
/// Appliers take no list of segments that is longer than this makes them.
const COPY_BYTES_MIN: usize = 32;
/// Bytes of literals up to which they are compressed as well as can be: that takes a second for some megabytes.
const BEST_LITERALS_BYTES_MAX: usize = 4 << 20;
/// Bytes that are expanded and handed on at once.
const PIECE_BYTES: usize = 64 << 10;

impl Effort {
    /// How many bytes on both sides of the ends of copies are surroundings. Twice as many make the literals some 2 % smaller, and the
    /// compressor slower by half.
    const fn reach(self) -> usize {
        match self {
            Self::Quick => 256,
            Self::Thorough => 2048,
        }
    }

    /// The level of zstd for so many bytes of literals, if it is not that of the effort.
    const fn literals_level(self, bytes: usize) -> i32 {
        if bytes <= BEST_LITERALS_BYTES_MAX {
            Self::Thorough.level()
        } else {
            self.level()
        }
    }
}

/// Appends the targets of `pairs`.
///
/// # Errors
///
/// [`Error::Limit`](crate::base::error::Error::Limit) if the group is larger than this method takes, and
/// [`Error::Internal`](crate::base::error::Error::Internal) if zstd fails.
pub(super) fn push(patch: &mut Vec<u8>, pairs: &[Pair<'_>], effort: Effort) -> Result<()> {
    let bytes = |pair: &Pair<'_>| (pair.base.len() + pair.target.len()) as u64;
    check_bytes(pairs.iter().map(bytes).sum())?;
    let mut numbers: [Vec<u8>; NUMBERS] = Default::default();
    let (mut literals, mut surroundings) = (Vec::new(), Vec::new());
    let mut room = Vec::new();
    for pair in pairs {
        let segments = align(pair.base, pair.target, Search::PLAIN, &mut room);
        let segments = exact(*pair, &segments);
        for segment in segment::numbers(&segments) {
            for (stream, number) in numbers.iter_mut().zip(segment) {
                varint::push(stream, number);
            }
        }
        let mut at = 0;
        for segment in &segments {
            at += segment.copied as usize;
            let literal = &pair.target[at..][..segment.literal as usize];
            literals.extend_from_slice(literal);
            at += literal.len();
        }
        push_surroundings(&mut surroundings, pair.base, &segments, effort.reach());
    }
    varint::push(patch, effort.reach() as u64);
    let level = effort.literals_level(literals.len());
    let mut streams = Vec::with_capacity(NUMBERS + 1);
    for stream in numbers {
        streams.push(Stored::compress(&stream, &[], level)?);
    }
    streams.push(Stored::compress(&literals, &surroundings, level)?);
    stream::push_stored(patch, &streams);
    Ok(())
}

/// Applies what [`push`] appended.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::error::Error::Malformed) or [`Error::Limit`](crate::base::error::Error::Limit) if
/// `streams` are not this, and what `sink` answered.
pub(super) fn apply(
    mut streams: &[u8],
    bases: &[&[u8]],
    target_lengths: &[u32],
    sink: &mut dyn FnMut(usize, &[u8]) -> Result<()>,
) -> Result<()> {
    let reach = stream::take_number(&mut streams)?;
    check_limit("reach of a patch", reach, PATCH_REACH_BYTES_MAX)?;
    let reach = usize::try_from(reach).unwrap_or(usize::MAX);
    let target_bytes: u64 = target_lengths.iter().map(|length| u64::from(*length)).sum();
    check_bytes(bases.iter().map(|base| base.len() as u64).sum::<u64>() + target_bytes)?;
    let number_bytes_max =
        segment::numbers_bytes_max(bases.len() as u64, target_bytes, COPY_BYTES_MIN as u64);
    let mut bytes_max = [number_bytes_max; NUMBERS + 1];
    bytes_max[NUMBERS] = target_bytes;
    let [copied, literal, distances, literals] = stream::split_all(streams, bytes_max)?;
    let [mut copied, mut literal, mut distances] =
        [copied.open(&[])?, literal.open(&[])?, distances.open(&[])?];
    let mut surroundings = Vec::new();
    let mut told = Vec::with_capacity(bases.len());
    for (base, length) in bases.iter().zip(target_lengths) {
        let base_bytes = u32::try_from(base.len()).unwrap_or(u32::MAX);
        let mut next = || Ok([copied.number()?, literal.number()?, distances.number()?]);
        let segments = segment::take_all(&mut next, base_bytes, *length, COPY_BYTES_MIN as u64)?;
        push_surroundings(&mut surroundings, base, &segments, reach);
        told.push(segments);
    }
    for stream in [copied, literal, distances] {
        stream.finish()?;
    }
    let mut literals = literals.open(&surroundings)?;
    let mut piece = vec![0; PIECE_BYTES];
    for (number, (base, segments)) in bases.iter().zip(told).enumerate() {
        for segment in segments {
            let copy = &base[segment.base_start as usize..][..segment.copied as usize];
            for piece in copy.chunks(PIECE_BYTES) {
                sink(number, piece)?;
            }
            let mut left = segment.literal as usize;
            while left > 0 {
                let piece = &mut piece[..left.min(PIECE_BYTES)];
                literals.read(piece)?;
                sink(number, piece)?;
                left -= piece.len();
            }
        }
    }
    literals.finish()
}

/// Turns approximate copies into exact ones: what differs, and what is between two places that do and is too short, is literal.
fn exact(pair: Pair<'_>, segments: &[Segment]) -> Vec<Segment> {
    let mut exact = Vec::with_capacity(segments.len());
    let mut at = 0;
    for segment in segments {
        let start = segment.base_start as usize;
        let base = &pair.base[start..][..segment.copied as usize];
        let target = &pair.target[at..][..base.len()];
        let mut done = 0;
        while done < base.len() {
            let equal = common_prefix(&base[done..], &target[done..]);
            if equal >= COPY_BYTES_MIN {
                exact.push(Segment {
                    base_start: narrow(start + done),
                    copied: narrow(equal),
                    literal: 0,
                });
                done += equal;
            } else {
                let unlike = (equal + 1).min(base.len() - done);
                push_literal(&mut exact, narrow(unlike));
                done += unlike;
            }
        }
        push_literal(&mut exact, segment.literal);
        at += base.len() + segment.literal as usize;
    }
    exact
}

fn push_literal(segments: &mut Vec<Segment>, literal: u32) {
    match segments.last_mut() {
        Some(last) => last.literal += literal,
        None if literal == 0 => {}
        None => segments.push(Segment {
            literal,
            ..Segment::default()
        }),
    }
}

/// Appends what is in `base` no more than `reach` bytes before or behind an end of a copy: in the order of the base, and once.
fn push_surroundings(surroundings: &mut Vec<u8>, base: &[u8], segments: &[Segment], reach: usize) {
    let ends = segments.iter().flat_map(|segment| {
        let start = segment.base_start as usize;
        [start, start + segment.copied as usize]
    });
    let mut ends: Vec<usize> = ends.collect();
    ends.sort_unstable();
    let mut done = 0;
    for end in ends {
        let from = end.saturating_sub(reach).max(done);
        let to = (end + reach).min(base.len());
        if from < to {
            surroundings.extend_from_slice(&base[from..to]);
            done = to;
        }
    }
}

fn check_bytes(bytes: u64) -> Result<()> {
    check_limit(
        "bytes of bases and targets with surroundings",
        bytes,
        PATCH_TEXT_BYTES_MAX,
    )
}
