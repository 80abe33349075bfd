//! The method for small files: all targets in one zstd frame, behind all bases.
//!
//! ```text
//! one stream: the targets, one after another; its prefix: the bases, one after another
//! ```
//!
//! Small source files share more with their neighbours than a difference can say, and zstd then finds it anywhere.
//!
//! # Invariants
//!
//! - Bases and targets together fit the window of a patch; so everything that was seen can be referred to.
//!
//! # Not here
//!
//! When this is the better method (`delta` encodes both and takes the smaller).

use super::pair::{Effort, Pair};
use super::stream;
use crate::base::error::{Result, check_limit};
use crate::base::limits::PATCH_WINDOW_LOG_MAX;

/// Bytes that are expanded and handed on at once.
const PIECE_BYTES: usize = 128 << 10;

/// Appends the targets of `pairs`.
///
/// # Errors
///
/// [`Error::Limit`](crate::base::error::Error::Limit) if the group does not fit the window.
pub(super) fn push(patch: &mut Vec<u8>, pairs: &[Pair<'_>], effort: Effort) -> Result<()> {
    let bases: Vec<&[u8]> = pairs.iter().map(|pair| pair.base).collect();
    let targets: Vec<&[u8]> = pairs.iter().map(|pair| pair.target).collect();
    let (prefix, targets) = (bases.concat(), targets.concat());
    check_window(prefix.len() as u64 + targets.len() as u64)?;
    stream::push_all(patch, &[targets], &prefix, effort.level())
}

/// Applies what [`push`] appended.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::error::Error::Malformed) or [`Error::Limit`](crate::base::error::Error::Limit) if
/// `streams` are not this, and what `sink` answered.
pub(super) fn apply(
    streams: &[u8],
    bases: &[&[u8]],
    target_lengths: &[u32],
    sink: &mut dyn FnMut(usize, &[u8]) -> Result<()>,
) -> Result<()> {
    let prefix = bases.concat();
    let target_bytes = target_lengths.iter().map(|length| u64::from(*length)).sum();
    check_window(prefix.len() as u64 + target_bytes)?;
    let [mut targets] = stream::open_all(streams, &prefix, [target_bytes])?;
    let mut piece = vec![0; PIECE_BYTES];
    for (number, length) in target_lengths.iter().enumerate() {
        let mut left = *length as usize;
        while left > 0 {
            let piece = &mut piece[..left.min(PIECE_BYTES)];
            targets.read(piece)?;
            sink(number, piece)?;
            left -= piece.len();
        }
    }
    targets.finish()
}

fn check_window(bytes: u64) -> Result<()> {
    check_limit(
        "bytes of bases and targets with a prefix",
        bytes,
        1 << PATCH_WINDOW_LOG_MAX,
    )
}
