//! Totals: how many files lie beneath a directory, and how many bytes they have.
//!
//! # Invariants
//!
//! - [`Totals`] never pass the limits of one snapshot, so their sums never overflow.
//!
//! # Not here
//!
//! Whether the totals of a tree are true (`object::canonical`).

use crate::base::Result;
use crate::base::error::{Error, check_limit};
use crate::base::limits::{SNAPSHOT_FILES_MAX, SNAPSHOT_TOTAL_BYTES_MAX};

/// Files and links beneath a directory, and their expanded bytes. A link counts as one file with the bytes of its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    files: u64,
    bytes: u64,
}

impl Totals {
    /// The totals of an empty directory.
    pub const ZERO: Self = Self { files: 0, bytes: 0 };

    /// Checks counts of files and bytes against the limits of one snapshot.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] past [`SNAPSHOT_FILES_MAX`] or [`SNAPSHOT_TOTAL_BYTES_MAX`].
    pub fn new(files: u64, bytes: u64) -> Result<Self> {
        check_limit("a tree's number of files", files, SNAPSHOT_FILES_MAX)?;
        check_limit("a tree's bytes", bytes, SNAPSHOT_TOTAL_BYTES_MAX)?;
        Ok(Self { files, bytes })
    }

    /// Files and links.
    #[must_use]
    pub const fn files(self) -> u64 {
        self.files
    }

    /// Expanded bytes of the files and links.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.bytes
    }

    /// The sum of both.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] past the limits of one snapshot.
    pub fn plus(self, other: Self) -> Result<Self> {
        Self::new(self.files + other.files, self.bytes + other.bytes)
    }

    /// What is left without `part`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if `part` is more than the whole: some tree has a header that is not true.
    pub fn minus(self, part: Self) -> Result<Self> {
        let left = |whole: u64, part: u64| {
            whole.checked_sub(part).ok_or_else(|| {
                Error::malformed("tree", "its header counts less than what lies beneath it")
            })
        };
        Ok(Self {
            files: left(self.files, part.files)?,
            bytes: left(self.bytes, part.bytes)?,
        })
    }

    /// Whether neither count is below that of `part`.
    #[must_use]
    pub const fn covers(self, part: Self) -> bool {
        self.files >= part.files && self.bytes >= part.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_end_at_the_limits_of_a_snapshot() -> Result<()> {
        let most = Totals::new(SNAPSHOT_FILES_MAX, SNAPSHOT_TOTAL_BYTES_MAX)?;
        for (files, bytes) in [
            (SNAPSHOT_FILES_MAX + 1, 0),
            (0, SNAPSHOT_TOTAL_BYTES_MAX + 1),
        ] {
            assert!(matches!(
                Totals::new(files, bytes),
                Err(Error::Limit { .. })
            ));
        }
        assert!(matches!(
            most.plus(Totals::new(1, 0)?),
            Err(Error::Limit { .. })
        ));
        assert_eq!(most.plus(Totals::ZERO)?, most);
        Ok(())
    }

    #[test]
    fn a_part_is_never_more_than_the_whole() -> Result<()> {
        let whole = Totals::new(2, 10)?;
        assert_eq!(whole.minus(Totals::new(1, 10)?)?, Totals::new(1, 0)?);
        for part in [Totals::new(3, 0)?, Totals::new(0, 11)?] {
            assert!(!whole.covers(part));
            assert!(matches!(whole.minus(part), Err(Error::Malformed { .. })));
        }
        Ok(())
    }
}
