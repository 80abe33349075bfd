//! Trees from the bottom up, when the ids of all files are known.
//!
//! # Invariants
//!
//! - A directory is written after all that is in it.
//! - Recursion is as deep as the walk, which is bounded.
//!
//! # Not here
//!
//! How a directory is cut into nodes (`object::edit`), which trees need not be written (`build::stage::settle`).

use super::children::children;
use super::recall::Recalled;
use crate::base::Result;
use crate::disk::walk::SourceDir;
use crate::object::edit::{self, TreeSink, Written};

/// Writes the trees of `contents`, except those that are known to be there.
///
/// # Errors
///
/// [`Error::Limit`] for more than a snapshot can hold, and those of `sink`.
pub(super) fn write(
    sink: &mut dyn TreeSink,
    contents: &SourceDir,
    recalled: &Recalled,
) -> Result<Written> {
    let mut writer = Writer {
        sink,
        recalled,
        next_file: 0,
        next_dir: 0,
    };
    writer.directory(contents)
}

struct Writer<'a> {
    sink: &'a mut dyn TreeSink,
    recalled: &'a Recalled,
    /// The number of the next file, and of the next directory, in the order of the listing.
    next_file: usize,
    next_dir: usize,
}

impl Writer<'_> {
    fn directory(&mut self, dir: &SourceDir) -> Result<Written> {
        if let Some(settled) = self.recalled.settled(self.next_dir) {
            self.next_file += settled.files;
            self.next_dir += settled.dirs;
            return Ok(settled.written);
        }
        self.next_dir += 1;
        let first = self.next_file;
        self.next_file += dir.files.len();
        let below: Vec<Written> = dir
            .dirs
            .iter()
            .map(|(_, below)| self.directory(below))
            .collect::<Result<_>>()?;
        let ids = &self.recalled.ids()[first..first + dir.files.len()];
        edit::create(self.sink, children(dir, ids, &below))
    }
}
