//! Segments: how a target is put together, an approximate copy and then literal bytes, again and again.
//!
//! ```text
//! control stream, for each segment: copied bytes, literal bytes, and by how far the copy starts behind (or before)
//! the end of the copy before it, as varints, the last one signed
//! ```
//!
//! # Invariants
//!
//! - The segments of a pair fill its target exactly, and every copy lies inside the base: whoever makes or reads
//!   segments checks it.
//! - A segment makes at least [`SEGMENT_BYTES_MIN`] bytes, or more where its method says so, the first and last of a target excepted: so a list of segments is never
//!   much larger than the target.
//!
//! # Not here
//!
//! How they are found (`align`).

use super::stream::malformed;
use super::varint;
use crate::base::error::Result;

/// Fewest bytes of a target that a segment makes.
pub(super) const SEGMENT_BYTES_MIN: usize = 8;

/// The numbers of a segment, as they are stored: copied bytes, literal bytes, and the distance, signed.
pub(super) const NUMBERS: usize = 3;

/// Most bytes of one of these: of 32 bits, or 33.
const NUMBER_BYTES_MAX: u64 = 5;

/// A piece of a target: `copied` bytes that resemble those of the base from `base_start`, then `literal` bytes that
/// resemble nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    /// Where the copy starts in the base.
    pub(super) base_start: u32,
    /// Bytes of the copy.
    pub(super) copied: u32,
    /// Literal bytes behind it.
    pub(super) literal: u32,
}

impl Segment {
    /// Where the copy ends in the base.
    fn base_end(self) -> i64 {
        i64::from(self.base_start) + i64::from(self.copied)
    }

    /// Bytes of the target.
    fn bytes(self) -> u64 {
        u64::from(self.copied) + u64::from(self.literal)
    }
}

/// The most bytes of a control stream for targets of `target_bytes` in all.
pub(super) fn control_bytes_max(targets: u64, target_bytes: u64) -> u64 {
    NUMBERS as u64 * numbers_bytes_max(targets, target_bytes, SEGMENT_BYTES_MIN as u64)
}

/// The most bytes of a stream that has one number of each segment, for targets of `target_bytes` in all.
pub(super) fn numbers_bytes_max(targets: u64, target_bytes: u64, inner_bytes_min: u64) -> u64 {
    NUMBER_BYTES_MAX * (target_bytes / inner_bytes_min + 2 * targets)
}

/// The numbers of the segments of one pair.
pub(super) fn numbers(segments: &[Segment]) -> impl Iterator<Item = [u64; NUMBERS]> {
    let mut end = 0;
    segments.iter().map(move |segment| {
        let distance = i64::from(segment.base_start) - end;
        end = segment.base_end();
        [
            segment.copied.into(),
            segment.literal.into(),
            varint::zigzag(distance),
        ]
    })
}

/// Appends the segments of one pair to the control stream.
pub(super) fn push_all(control: &mut Vec<u8>, segments: &[Segment]) {
    for number in numbers(segments).flatten() {
        varint::push(control, number);
    }
}

/// Reads the segments of one pair, whose numbers `next` gives. Those between the first and the last make at least `inner_bytes_min` bytes.
///
/// # Errors
///
/// [`Malformed`](crate::base::error::Error::Malformed) if they do not fill the target, or leave the base; and the errors of
/// `next`.
pub(super) fn take_all(
    next: &mut dyn FnMut() -> Result<[u64; NUMBERS]>,
    base_bytes: u32,
    target_bytes: u32,
    inner_bytes_min: u64,
) -> Result<Vec<Segment>> {
    let narrow = |number: u64| {
        u32::try_from(number).map_err(|_| malformed("a segment is longer than a target"))
    };
    let mut segments = Vec::new();
    let mut left = u64::from(target_bytes);
    let mut end = 0_i64;
    while left > 0 {
        let [copied, literal, distance] = next()?;
        let (copied, literal) = (narrow(copied)?, narrow(literal)?);
        let distance = varint::unzigzag(distance);
        let start = end.checked_add(distance);
        let base_start = start.and_then(|start| u32::try_from(start).ok());
        let segment = Segment {
            base_start: base_start.ok_or_else(|| malformed("a copy starts outside its base"))?,
            copied,
            literal,
        };
        if segment.base_end() > i64::from(base_bytes) {
            return Err(malformed("a copy runs over the end of its base"));
        }
        left = left
            .checked_sub(segment.bytes())
            .ok_or_else(|| malformed("segments run over the end of their target"))?;
        let is_edge = left == 0 || segments.is_empty();
        let bytes_min = if is_edge { 1 } else { inner_bytes_min };
        if segment.bytes() < bytes_min {
            return Err(malformed("a segment is too short"));
        }
        end = segment.base_end();
        segments.push(segment);
    }
    Ok(segments)
}
