//! Directories that need no look, because their tree is published: what a published tree names is published.
//!
//! # Not here
//!
//! Trees that only the build owns: they do not say as much, because what they name may have been retired since.

use std::collections::BTreeMap;

use super::children::children;
use crate::base::Result;
use crate::base::id::Hash;
use crate::disk::walk::SourceDir;
use crate::object::edit::{TreeSink, Written, create};
use crate::object::kind::ObjectKind;
use crate::object::tree::{Node, TreeRef};
use crate::store::view::{Found, View};

/// A directory whose tree is published.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settled {
    /// The number of the first file in it, in the order of the listing.
    pub(super) first_file: usize,
    /// Files and links beneath it.
    pub(super) files: usize,
    /// Directories: itself and those beneath it.
    pub(super) dirs: usize,
    /// Its tree.
    pub(super) written: Written,
}

/// Finds the directories in `contents` whose tree `view` shows as published, as far as `ids` tell their files; by their
/// numbers in the order of the listing. Those in another one are not listed.
///
/// # Errors
///
/// Those of [`View::find`] and [`create`].
pub(super) fn settle(
    view: &View<'_>,
    contents: &SourceDir,
    ids: &[Option<Hash>],
) -> Result<BTreeMap<usize, Settled>> {
    let mut settling = Settling {
        view,
        ids,
        settled: BTreeMap::new(),
        next_file: 0,
        next_dir: 0,
    };
    settling.directory(contents)?;
    Ok(settling.settled)
}

struct Settling<'a, 's> {
    view: &'a View<'s>,
    ids: &'a [Option<Hash>],
    settled: BTreeMap<usize, Settled>,
    next_file: usize,
    next_dir: usize,
}

impl Settling<'_, '_> {
    /// The tree of a directory, if it is published. As deep as the walk, which is bounded.
    fn directory(&mut self, dir: &SourceDir) -> Result<Option<Written>> {
        let (first_file, first_dir) = (self.next_file, self.next_dir);
        self.next_file += dir.files.len();
        self.next_dir += 1;
        let mut below = Vec::with_capacity(dir.dirs.len());
        for (_, dir) in &dir.dirs {
            below.extend(self.directory(dir)?);
        }
        let ids = &self.ids[first_file..][..dir.files.len()];
        if below.len() < dir.dirs.len() || ids.iter().any(Option::is_none) {
            return Ok(None);
        }
        let written = create(&mut Nowhere, children(dir, ids, &below))?;
        let found = self.view.find(ObjectKind::Tree, written.tree.id.hash())?;
        if !matches!(found, Some(Found::Published(_))) {
            return Ok(None);
        }
        // Those beneath it are settled with it.
        drop(self.settled.split_off(&first_dir));
        let settled = Settled {
            first_file,
            files: self.next_file - first_file,
            dirs: self.next_dir - first_dir,
            written,
        };
        self.settled.insert(first_dir, settled);
        Ok(Some(written))
    }
}

/// Takes trees that nobody wants to keep.
struct Nowhere;

impl TreeSink for Nowhere {
    fn put(&mut self, _: TreeRef, _: Vec<u8>, _: Node) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
