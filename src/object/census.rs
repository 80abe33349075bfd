//! The census: how many entries lie beneath a directory, before anybody visits them all.
//!
//! A tree of a few objects, each of which names the next one ten times over, has more entries than anybody can visit. Its
//! objects are counted through in no time, since what lies beneath each of them is counted once.
//!
//! # Invariants
//!
//! - A walk with a [`Census`] visits at most [`UNCOUNTED_ENTRIES_MAX`] entries of a tree that has more than
//!   [`SNAPSHOT_ENTRIES_MAX`], whatever the headers in it say.
//!
//! # Not here
//!
//! Whether headers are true (`object::canonical`). Walking (`object::walk`, `object::difference`).

use std::collections::HashMap;

use crate::base::Result;
use crate::base::error::{Error, check_limit};
use crate::base::id::TreeId;
use crate::base::limits::{PATH_DEPTH_MAX, SNAPSHOT_ENTRIES_MAX};

use super::cursor::TreeSource;
use super::directory::entries;
use super::tree::TreeRef;

/// Entries that are visited before they are counted: it takes some milliseconds, most trees have fewer and are read only
/// once, and who visits so many can as well read the rest of the largest trees.
pub const UNCOUNTED_ENTRIES_MAX: u64 = 32 * 1024;

/// Counts the entries of a walk, and those of its trees before the walk becomes long.
pub struct Census<'s> {
    source: &'s dyn TreeSource,
    roots: [Option<TreeRef>; 2],
    visited: u64,
}

impl<'s> Census<'s> {
    /// Starts a walk through one tree, or through two at once.
    pub const fn new(source: &'s dyn TreeSource, roots: [Option<TreeRef>; 2]) -> Self {
        Self {
            source,
            roots,
            visited: 0,
        }
    }

    /// Counts one entry that is visited.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if there are too many to visit; the errors of the source.
    pub fn visit(&mut self) -> Result<()> {
        self.visited += 1;
        if self.visited == UNCOUNTED_ENTRIES_MAX {
            for root in self.roots.iter().flatten() {
                check_entries(self.source, *root)?;
            }
        }
        Ok(())
    }
}

/// Counts the entries beneath the directory `root`, reading each tree once, however often it is named.
///
/// # Errors
///
/// [`Error::Limit`] above [`SNAPSHOT_ENTRIES_MAX`], [`Error::Malformed`] for a path that is too deep or nodes that do not
/// fit together; the errors of the source.
pub fn check_entries(source: &dyn TreeSource, root: TreeRef) -> Result<u64> {
    let mut counted = HashMap::new();
    let entries = count(source, root, PATH_DEPTH_MAX, &mut counted)?;
    check_limit("a tree's number of entries", entries, SNAPSHOT_ENTRIES_MAX)?;
    Ok(entries)
}

/// `depth` is how many names more a path may have.
fn count(
    source: &dyn TreeSource,
    tree: TreeRef,
    depth: usize,
    counted: &mut HashMap<TreeId, u64>,
) -> Result<u64> {
    if let Some(known) = counted.get(&tree.id) {
        return Ok(*known);
    }
    let mut sum: u64 = 0;
    for entry in entries(source, tree) {
        let below = match entry?.tree_ref() {
            Some(below) => {
                let depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| Error::malformed("tree", "a path in it is too deep"))?;
                count(source, below, depth, counted)?
            }
            None => 0,
        };
        sum = sum.saturating_add(1).saturating_add(below);
    }
    counted.insert(tree.id, sum);
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::super::memory::{AnyError, MemoryTrees, directory, file};
    use super::*;

    type Outcome = std::result::Result<(), AnyError>;

    #[test]
    fn what_is_named_often_is_counted_once() -> Outcome {
        let trees = MemoryTrees::default();
        let inner = trees.directory([file("f", "1")?, file("g", "2")?])?;
        let root = trees.directory([
            directory("a", inner)?,
            directory("b", inner)?,
            file("c", "3")?,
        ])?;
        trees.counts();
        assert_eq!(check_entries(&trees, root.tree)?, 7);
        assert_eq!(trees.counts().0, 2, "each tree is read once");
        Ok(())
    }
}
