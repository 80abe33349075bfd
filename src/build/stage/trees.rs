//! Trees from the bottom up, each as soon as the ids of all files beneath it are known.
//!
//! # Invariants
//!
//! - A directory is written after all that is in it, and directories in one order, whoever is slow.
//! - At most as many directories are open as the walk is deep, which is bounded.
//!
//! # Not here
//!
//! How a directory is cut into nodes (`object::edit`), which trees need not be written (`build::stage::settle`).

use super::children::children;
use super::recall::Recalled;
use crate::base::{Error, Result};
use crate::disk::walk::SourceDir;
use crate::object::edit::{self, TreeSink, Written};

/// The directories of a source, on their way to become trees.
pub(super) struct Trees<'a> {
    /// From the top down.
    open: Vec<Open<'a>>,
    /// The number of the next file, and of the next directory, in the order of the listing.
    next_file: usize,
    next_dir: usize,
    top: Option<Written>,
}

/// A directory of which not everything is written.
struct Open<'a> {
    dir: &'a SourceDir,
    first_file: usize,
    /// The directories in it that are written: the first ones, in order.
    below: Vec<Written>,
}

impl<'a> Trees<'a> {
    /// Starts with the directory `contents`, of which nothing is written.
    pub(super) fn new(contents: &'a SourceDir, recalled: &Recalled) -> Self {
        let mut trees = Self {
            open: Vec::new(),
            next_file: 0,
            next_dir: 0,
            top: None,
        };
        trees.enter(contents, recalled);
        trees
    }

    /// Writes the trees of all directories that have no file beneath them from number `known` on, except those that are
    /// known to be there.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] for more than a snapshot can hold, and those of `sink`.
    pub(super) fn write(
        &mut self,
        sink: &mut dyn TreeSink,
        recalled: &Recalled,
        known: usize,
    ) -> Result<()> {
        while let Some(last) = self.open.last() {
            let files = last.first_file..last.first_file + last.dir.files.len();
            if let Some((_, dir)) = last.dir.dirs.get(last.below.len()) {
                self.enter(dir, recalled);
            } else if files.end <= known {
                let ids = &recalled.ids()[files];
                let written = edit::create(sink, children(last.dir, ids, &last.below))?;
                self.open.pop();
                self.leave(written);
            } else {
                break;
            }
        }
        Ok(())
    }

    fn enter(&mut self, dir: &'a SourceDir, recalled: &Recalled) {
        if let Some(settled) = recalled.settled(self.next_dir) {
            self.next_file += settled.files;
            self.next_dir += settled.dirs;
            return self.leave(settled.written);
        }
        self.open.push(Open {
            dir,
            first_file: self.next_file,
            below: Vec::with_capacity(dir.dirs.len()),
        });
        self.next_file += dir.files.len();
        self.next_dir += 1;
    }

    fn leave(&mut self, written: Written) {
        match self.open.last_mut() {
            Some(above) => above.below.push(written),
            None => self.top = Some(written),
        }
    }

    /// What was written last: the top.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if something is not written.
    pub(super) fn finish(self) -> Result<Written> {
        self.top
            .ok_or_else(|| Error::internal("a directory is not written"))
    }
}
