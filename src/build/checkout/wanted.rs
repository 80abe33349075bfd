//! The tree that a checkout is to write, read whole before anything is changed.
//!
//! # Invariants
//!
//! - Files and directories ascend by name. A file's number counts them in the order of lists: a directory's files, then
//!   its directories, each with all that is in it.

use crate::base::Result;
use crate::base::error::Error;
use crate::base::name::EntryName;
use crate::base::path::TreePath;
use crate::object::census::Census;
use crate::object::directory::{self, Found, TreeSource, entries, find_path};
use crate::object::tree::{Entry, TreeRef};

/// Says of a file or link, by the directory that it lies in, whether it is wanted.
pub(super) type Filter<'f> = dyn Fn(&TreePath, &Entry) -> Result<bool> + 'f;

/// What is wanted in the target.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) top: WantedDir,
    /// Files and links beneath.
    pub(super) files: u64,
    /// Their bytes.
    pub(super) bytes: u64,
}

/// What is wanted in one directory.
#[derive(Debug, Default)]
pub(super) struct WantedDir {
    /// Files and links, by name.
    pub(super) files: Vec<Entry>,
    /// Directories, by name.
    pub(super) dirs: Vec<(EntryName, WantedDir)>,
}

impl WantedDir {
    /// Whether a file or link of that name is wanted.
    pub(super) fn has_file(&self, name: &EntryName) -> bool {
        self.files
            .binary_search_by(|file| file.name().cmp(name))
            .is_ok()
    }

    /// The directory of that name, if one is wanted.
    pub(super) fn dir(&self, name: &EntryName) -> Option<&Self> {
        let at = self.dirs.binary_search_by(|(dir, _)| dir.cmp(name)).ok()?;
        Some(&self.dirs[at].1)
    }
}

impl Wanted {
    /// Reads what lies at `path` in the tree `root`: the contents of a directory, or one file.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is nothing, [`Error::Limit`] for more entries than a snapshot may have; the errors of
    /// `source`.
    pub(super) fn find(
        source: &dyn TreeSource,
        root: TreeRef,
        path: &TreePath,
        is_wanted: &Filter<'_>,
    ) -> Result<Self> {
        let found = find_path(source, root, path)?;
        let found = found.ok_or_else(|| Error::not_found("path", path))?;
        let mut wanted = Self::default();
        match (found.tree_ref(), found) {
            (Some(tree), _) => {
                let mut census = Census::new(source, [Some(tree), None]);
                wanted.top = wanted.read(source, tree, path, is_wanted, &mut census)?;
            }
            (None, Found::Entry(entry)) => {
                wanted.count(&entry);
                wanted.top.files.push(entry);
            }
            (None, Found::Root(_)) => return Err(Error::internal("a root is a directory")),
        }
        Ok(wanted)
    }

    /// Reads a directory; `at` is its path in the tree, whose length ends the recursion.
    fn read(
        &mut self,
        source: &dyn TreeSource,
        tree: TreeRef,
        at: &TreePath,
        is_wanted: &Filter<'_>,
        census: &mut Census<'_>,
    ) -> Result<WantedDir> {
        let mut dir = WantedDir::default();
        for entry in entries(source, tree) {
            let entry = entry?;
            census.visit()?;
            if let Some(tree) = entry.tree_ref() {
                let path = directory::join(at, entry.name())?;
                let below = self.read(source, tree, &path, is_wanted, census)?;
                dir.dirs.push((entry.name().clone(), below));
            } else if is_wanted(at, &entry)? {
                self.count(&entry);
                dir.files.push(entry);
            }
        }
        Ok(dir)
    }

    fn count(&mut self, file: &Entry) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(file.size());
    }
}
