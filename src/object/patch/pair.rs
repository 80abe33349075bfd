//! The words of the codec: pairs, methods and efforts, and the limits of a group.
//!
//! # Invariants
//!
//! - What [`check_group`] lets through is what appliers take.
//!
//! # Not here
//!
//! What is done with a group (`encode`, `apply`).

use crate::base::error::{Result, check_limit};
use crate::base::limits::{PATCH_BYTES_MAX, PATCH_GROUP_BYTES_MAX, PATCH_TARGETS_MAX};

use super::elf::Image;
use super::stream::malformed;
use super::version::Version;

/// A file to be made, and one that it is made from.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// What the receiver has; may be empty.
    pub base: &'a [u8],
    /// What the receiver wants.
    pub target: &'a [u8],
}

impl Pair<'_> {
    /// Whether both are executables or object files that this codec understands.
    #[must_use]
    pub fn is_code(&self) -> bool {
        [self.base, self.target]
            .iter()
            .all(|file| Image::of(file, Version::MADE).is_some())
    }
}

/// How the targets of a group are described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By approximate copies from their bases, what differs in these, and the rest: for executables and all large files.
    Difference = 1,
    /// Compressed behind their bases, all bases first: for groups of small files, which may resemble any base.
    Prefix = 2,
    /// By exact copies from their bases, and the rest compressed behind what stands around these: for text.
    Surroundings = 3,
}

impl Method {
    /// The method with number `byte`.
    pub(super) fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            1 => Ok(Self::Difference),
            2 => Ok(Self::Prefix),
            3 => Ok(Self::Surroundings),
            other => Err(malformed(format!("unknown method {other}"))),
        }
    }
}

/// How much time compression may take. Appliers need not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// As much as somebody waits for.
    Quick,
    /// As much as a release may take in the background.
    Thorough,
}

impl Effort {
    /// The level of zstd: between these two, each costs much time for few bytes.
    pub(super) const fn level(self) -> i32 {
        match self {
            Self::Quick => 9,
            Self::Thorough => 19,
        }
    }
}

/// Checks the lengths of a group (its bases together may have as many bytes as one alone, because each is read and looked
/// through), and gives the bytes of its targets.
///
/// # Errors
///
/// [`Error::Limit`](crate::base::error::Error::Limit) above the limits of `base::limits`;
/// [`Error::Malformed`](crate::base::error::Error::Malformed) without targets.
pub(super) fn check_group(lengths: impl ExactSizeIterator<Item = (usize, usize)>) -> Result<u64> {
    let targets = lengths.len();
    if targets == 0 {
        return Err(malformed("it has no targets"));
    }
    check_limit(
        "targets of a patch",
        targets as u64,
        PATCH_TARGETS_MAX as u64,
    )?;
    let (mut base_total, mut total) = (0, 0);
    for (base, target) in lengths {
        check_limit("bytes of a base", base as u64, PATCH_BYTES_MAX)?;
        check_limit("bytes of a target", target as u64, PATCH_BYTES_MAX)?;
        base_total += base as u64;
        total += target as u64;
    }
    check_limit("bytes of the bases of a group", base_total, PATCH_BYTES_MAX)?;
    if targets > 1 {
        check_limit("bytes of a group of targets", total, PATCH_GROUP_BYTES_MAX)?;
    }
    Ok(total)
}
