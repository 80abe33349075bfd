//! Walking: every entry beneath a directory, by path.
//!
//! # Invariants
//!
//! - Recursion ends at [`PATH_DEPTH_MAX`](crate::base::limits::PATH_DEPTH_MAX) names, because no longer path exists.
//! - Of a tree with more entries than a snapshot may have, only the first are visited.
//!
//! # Not here
//!
//! One directory (`object::directory`), what differs between two (`object::difference`).

use crate::base::Result;
use crate::base::path::TreePath;

use super::census::Census;
use super::cursor::TreeSource;
use super::directory::{entries, join};
use super::tree::{Entry, TreeRef};

/// Whether a walk goes into the directory that was visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Visit what is in it next; for files and links the same as [`Step::Over`].
    Into,
    /// Leave out what is in it.
    Over,
}

/// Visits every entry beneath `root`, by path: a directory before what is in it. The root has no entry.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) for a path that is too long or too deep and for nodes that do
/// not fit together, [`Error::Limit`](crate::base::Error::Limit) for more entries than a snapshot may have, the errors
/// of the source and those of `visit`. The walk ends at the first.
pub fn walk(
    source: &dyn TreeSource,
    root: TreeRef,
    visit: &mut dyn FnMut(&TreePath, &Entry) -> Result<Step>,
) -> Result<()> {
    let mut census = Census::new(source, [Some(root), None]);
    walk_beneath(source, root, &TreePath::root(), &mut census, visit)
}

fn walk_beneath(
    source: &dyn TreeSource,
    tree: TreeRef,
    directory: &TreePath,
    census: &mut Census<'_>,
    visit: &mut dyn FnMut(&TreePath, &Entry) -> Result<Step>,
) -> Result<()> {
    for entry in entries(source, tree) {
        let entry = entry?;
        census.visit()?;
        let path = join(directory, entry.name())?;
        let step = visit(&path, &entry)?;
        if let (Step::Into, Some(tree)) = (step, entry.tree_ref()) {
            walk_beneath(source, tree, &path, census, visit)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::census::{UNCOUNTED_ENTRIES_MAX, check_entries};
    use super::super::difference::changed_paths;
    use super::super::memory::{AnyError, MemoryTrees, directory, file};
    use super::super::tree::{EntryKind, Leaf, Node, Totals};
    use super::*;
    use crate::base::Error;
    use crate::base::limits::PATH_DEPTH_MAX;

    type Outcome = std::result::Result<(), AnyError>;

    /// A tree that names the one below ten times, so many levels deep, as headers that lie allow; with files or without.
    fn bomb(
        trees: &MemoryTrees,
        levels: u32,
        leaf: Leaf,
    ) -> std::result::Result<TreeRef, AnyError> {
        let mut tree = trees.store(&Node::Leaf(leaf));
        for _ in 0..levels {
            let entry = |number: u8| {
                Entry::new(
                    EntryKind::Directory,
                    tree.size,
                    tree.id.hash(),
                    format!("d{number}").parse()?,
                )
                .map_err(AnyError::from)
            };
            let entries = (0..10)
                .map(entry)
                .collect::<std::result::Result<Vec<_>, _>>()?;
            tree = trees.store(&Node::Leaf(Leaf::new(Totals::ZERO, entries)?));
        }
        Ok(tree)
    }

    #[test]
    fn a_walk_visits_a_directory_before_what_is_in_it() -> Outcome {
        let trees = MemoryTrees::default();
        let inner = trees.directory([file("x", "")?])?;
        let root = trees.directory([
            directory("a", inner)?,
            directory("b", inner)?,
            file("c", "")?,
        ])?;
        let mut seen = Vec::new();
        walk(&trees, root.tree, &mut |path, _| {
            seen.push(path.to_string());
            Ok(if seen.len() == 1 {
                Step::Over
            } else {
                Step::Into
            })
        })?;
        assert_eq!(seen, ["a", "b", "b/x", "c"]);
        let stopped = walk(&trees, root.tree, &mut |_, _| Err(Error::Interrupted));
        assert!(matches!(stopped, Err(Error::Interrupted)));
        Ok(())
    }

    #[test]
    fn a_walk_ends_where_paths_do() -> Outcome {
        let trees = MemoryTrees::default();
        let mut root = trees.directory([file("f", "")?])?;
        for names in 1..=PATH_DEPTH_MAX + 1 {
            let walked = walk(&trees, root.tree, &mut |_, _| Ok(Step::Into));
            assert_eq!(walked.is_ok(), names <= PATH_DEPTH_MAX, "{names} names");
            root = trees.directory([directory("d", root)?])?;
        }
        Ok(())
    }

    #[test]
    fn ten_thousand_million_entries_are_refused_before_they_are_visited() -> Outcome {
        let trees = MemoryTrees::default();
        let file = file("f", "1")?.entry().clone();
        let with_files = Leaf::new(Totals::new(1, 1)?, vec![file])?;
        for leaf in [Leaf::new(Totals::ZERO, Vec::new())?, with_files] {
            let (one, other) = (bomb(&trees, 10, leaf.clone())?, bomb(&trees, 11, leaf)?);
            trees.counts();
            let mut visited = 0;
            let walked = walk(&trees, one, &mut |_, _| {
                visited += 1;
                Ok(Step::Into)
            });
            let compared = changed_paths(&trees, Some(other), Some(one), &mut |_, _| {
                visited += 1;
                Ok(())
            });
            let counted = check_entries(&trees, one).map(drop);
            for refused in [walked, compared, counted] {
                let is_limit = matches!(refused, Err(Error::Limit { .. }));
                assert!(is_limit, "{refused:?}");
            }
            assert!(visited <= 2 * UNCOUNTED_ENTRIES_MAX, "{visited}");
            let reads = trees.counts().0 as u64;
            assert!(reads <= 4 * UNCOUNTED_ENTRIES_MAX, "{reads} reads");
        }
        Ok(())
    }
}
