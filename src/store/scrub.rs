//! Scrub: every byte of every pack is read again, while the store is used.
//!
//! # Not here
//!
//! Whether the catalog says what is so (`store::fsck`), which needs a store that nobody changes meanwhile.

use super::layout;
use super::open::Store;
use super::pack_health::Health;
use super::problem::Problem;
use super::rows::PackRow;
use super::tables::PACKS;
use crate::base::Result;
use crate::base::progress::Progress;

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Packs that were read.
    pub packs: u64,
    /// Objects in them.
    pub objects: u64,
    /// Their bytes on disk.
    pub bytes: u64,
    /// Packs that are lost or damaged.
    pub problems: Vec<Problem>,
}

impl Store {
    /// Reads every pack that there is when it begins, and checks every byte. What is purged meanwhile is left out.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if the disk fails, [`Error::Catalog`](crate::base::Error::Catalog) if the
    /// catalog does.
    pub fn scrub(&self, progress: &dyn Progress) -> Result<ScrubReport> {
        let rows: Vec<(u64, PackRow)> = self.reader()?.numbered(PACKS)?;
        progress.expect(rows.iter().map(|(_, row)| row.bytes).sum());
        let mut report = ScrubReport::default();
        for (number, row) in rows {
            progress.check()?;
            let place = self.disk.place(&layout::pack(row.id));
            let health = Health::check(&*self.disk, row.id)?;
            progress.advance(row.bytes);
            let problem = health.problem(&row, &place.display().to_string());
            if problem.is_some() && self.reader()?.find_pack(number)?.is_none() {
                continue;
            }
            report.problems.extend(problem);
            report.packs += 1;
            report.objects += row.objects;
            report.bytes += row.bytes;
        }
        Ok(report)
    }
}
