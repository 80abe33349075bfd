//! Reading directories: whatever the number of nodes, everything above sees one sorted list of entries.
//!
//! # Invariants
//!
//! - Look-up loads one node per level; listing holds one node per level.
//!
//! # Not here
//!
//! What is checked of nodes on the way (`object::cursor`), walking through everything beneath a directory
//! (`object::walk`), what two directories differ in (`object::difference`).

use crate::base::Result;
use crate::base::error::Error;
use crate::base::name::EntryName;
use crate::base::path::TreePath;

use super::cursor::{self, Cursor, Place};
use super::tree::{Entry, Totals, TreeRef};

pub use super::cursor::TreeSource;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The root itself.
    Root(TreeRef),
    /// An entry of some directory.
    Entry(Entry),
}

impl Found {
    /// The tree, if the path leads to a directory.
    #[must_use]
    pub fn tree_ref(&self) -> Option<TreeRef> {
        match self {
            Self::Root(tree) => Some(*tree),
            Self::Entry(entry) => entry.tree_ref(),
        }
    }
}

/// Lists the entries of the directory `tree`, by name. Nothing is loaded before the first is asked for; after an error
/// the list ends.
///
/// # Errors
///
/// Each item may be an [`Error::Malformed`] for nodes that do not fit together, or an error of the source.
pub fn entries(source: &dyn TreeSource, tree: TreeRef) -> Entries<'_> {
    Entries {
        state: State::Unopened(source, tree),
    }
}

/// The entries of one directory, by name; made by [`entries`].
pub struct Entries<'s> {
    state: State<'s>,
}

enum State<'s> {
    Unopened(&'s dyn TreeSource, TreeRef),
    Open(Cursor<'s>),
    Ended,
}

impl Entries<'_> {
    fn advance(&mut self) -> Result<Option<Entry>> {
        if let State::Unopened(source, tree) = self.state {
            self.state = State::Open(Cursor::open(source, tree)?);
        }
        let State::Open(cursor) = &mut self.state else {
            return Ok(None);
        };
        while let Some(Place::Line(_)) = cursor.place() {
            cursor.descend()?;
        }
        let Some(Place::Entry(entry)) = cursor.place() else {
            return Ok(None);
        };
        let entry = entry.clone();
        cursor.skip();
        Ok(Some(entry))
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance().transpose();
        if !matches!(item, Some(Ok(_))) {
            self.state = State::Ended;
        }
        item
    }
}

/// Looks up the entry `name` of the directory `tree`.
///
/// # Errors
///
/// [`Error::Malformed`] for nodes that do not fit together, and the errors of the source.
pub fn find(source: &dyn TreeSource, tree: TreeRef, name: &EntryName) -> Result<Option<Entry>> {
    cursor::find(source, tree, name)
}

/// Follows `path` from the directory `root`; `None` if there is nothing, or a file stands in the way. Links are not
/// followed.
///
/// # Errors
///
/// As [`find`].
pub fn find_path(source: &dyn TreeSource, root: TreeRef, path: &TreePath) -> Result<Option<Found>> {
    let mut found = Found::Root(root);
    for name in path.names() {
        let Some(tree) = found.tree_ref() else {
            return Ok(None);
        };
        match find(source, tree, name)? {
            Some(entry) => found = Found::Entry(entry),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// The totals that the header of the directory `tree` states.
///
/// # Errors
///
/// The errors of the source.
pub fn totals(source: &dyn TreeSource, tree: TreeRef) -> Result<Totals> {
    Ok(source.node(tree)?.totals())
}

/// The path of an entry that some tree has.
///
/// # Errors
///
/// [`Error::Malformed`] if no path may be so long or so deep.
pub fn join(directory: &TreePath, name: &EntryName) -> Result<TreePath> {
    directory
        .join(name)
        .map_err(|error| Error::malformed("tree", format!("{name:?} in {directory:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::memory::{AnyError, MemoryTrees, directory, file};
    use super::*;

    type Outcome = Result<(), AnyError>;

    #[test]
    fn a_wide_directory_is_one_list() -> Outcome {
        let trees = MemoryTrees::default();
        let numbers = (0..5000).map(|number| file(&format!("{:04}", number * 2), "1"));
        let wide = trees.directory(numbers.collect::<Result<Vec<_>, _>>()?)?;
        assert_eq!(entries(&trees, wide.tree).count(), 5000);
        assert_eq!(totals(&trees, wide.tree)?.files(), 5000);
        trees.counts();
        for (name, there) in [
            ("0000", true),
            ("4998", true),
            ("9998", true),
            ("!", false),
            ("4999", false),
            ("9999", false),
        ] {
            let found = find(&trees, wide.tree, &name.parse()?)?;
            assert_eq!(found.is_some(), there, "{name}");
        }
        assert!(trees.counts().0 <= 12, "one node of each level");
        Ok(())
    }

    #[test]
    fn a_path_leads_through_directories_only() -> Outcome {
        let trees = MemoryTrees::default();
        let inner = trees.directory([file("f", "12")?])?;
        let root = trees.directory([directory("d", inner)?, file("f", "1")?])?;
        for (path, size) in [
            ("d/f", Some(2)),
            ("f", Some(1)),
            ("f/f", None),
            ("d/x", None),
            ("x/f", None),
        ] {
            let found = find_path(&trees, root.tree, &path.parse()?)?;
            let entry = found.map(|found| match found {
                Found::Entry(entry) => entry.size(),
                Found::Root(_) => 0,
            });
            assert_eq!(entry, size, "{path}");
        }
        let tree = |path: &str| -> Result<_, AnyError> {
            let found = find_path(&trees, root.tree, &path.parse()?)?;
            Ok(found.and_then(|found| found.tree_ref()))
        };
        assert_eq!(tree("")?, Some(root.tree));
        assert_eq!(tree("d")?, Some(inner.tree));
        Ok(())
    }

    #[test]
    fn an_error_ends_the_list() {
        let trees = MemoryTrees::default();
        let mut list = entries(&trees, TreeRef::of(b"absent"));
        assert!(list.next().is_some_and(|item| item.is_err()));
        assert!(list.next().is_none());
    }
}
