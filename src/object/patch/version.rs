//! Versions: what the patches of each predict.
//!
//! # Invariants
//!
//! - What a version predicts never changes, so whoever has a patch can apply it with any later program.
//!
//! # Not here
//!
//! Predictions (`code`, `predict`).

use super::stream::malformed;
use crate::base::error::Result;

/// The version of the patches that this program makes.
pub const PATCH_VERSION: u8 = Version::MADE as u8;

/// The versions of patches that are read. Each tells a target in the same way; a later one predicts more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Tables of both machines, and code of x86-64.
    First = 1,
    /// Code of ARM64 and tables of jumps as well; and distances of x86-64 are taken out of the literals.
    Second = 2,
}

impl Version {
    /// The version that encoders make.
    pub(super) const MADE: Self = Self::Second;

    /// The version with number `byte`.
    pub(super) fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            1 => Ok(Self::First),
            2 => Ok(Self::Second),
            other => Err(malformed(format!(
                "version {other}; this program reads up to version {PATCH_VERSION}"
            ))),
        }
    }
}
