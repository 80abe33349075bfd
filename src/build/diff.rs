//! Diff: what differs between two trees, path by path.
//!
//! # Invariants
//!
//! - Each path that differs comes once; where one side has a file and the other a directory, the file comes first.
//!
//! # Not here
//!
//! Walking only what differs (`object::difference`); how it is shown (the command line).

use crate::base::Result;
use crate::base::path::TreePath;
use crate::object::difference::changed_paths;
use crate::object::directory::TreeSource;
use crate::object::tree::{Entry, TreeRef};

/// One path that differs: a file, a link or an empty directory on at least one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub path: TreePath,
    /// What was there; `None` if nothing, or a directory with something in it.
    pub before: Option<Entry>,
    /// What is there; `None` if nothing, or a directory with something in it.
    pub after: Option<Entry>,
}

/// Gives every path that differs between the trees `before` and `after` to `visit`, in the order of the paths; `None` is
/// a tree that does not exist. The cost is that of what differs.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if a tree is broken, the errors of the source, and what `visit`
/// answers, which ends the walk.
pub fn diff(
    source: &dyn TreeSource,
    before: Option<TreeRef>,
    after: Option<TreeRef>,
    visit: &mut dyn FnMut(Change) -> Result<()>,
) -> Result<()> {
    changed_paths(source, before, after, &mut |path, difference| {
        visit(Change {
            path: path.clone(),
            before: difference.a.clone(),
            after: difference.b.clone(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::model::{Outcome, contents, write};
    use super::*;
    use crate::base::Error;
    use crate::object::memory::MemoryTrees;

    #[test]
    fn changes_come_by_path_with_what_was_and_what_is() -> Outcome {
        let trees = MemoryTrees::default();
        let before = write(&trees, &contents(&["a=1", "d/x=1", "d/y=1", "f=1", "e/"]))?;
        let after = write(&trees, &contents(&["a=1", "d/x=2", "f/z=1", "n=1"]))?;
        let mut seen = Vec::new();
        let size = |entry: Option<Entry>| entry.map_or(0, |entry| entry.size());
        diff(&trees, Some(before), Some(after), &mut |change| {
            seen.push((
                change.path.to_string(),
                size(change.before),
                size(change.after),
            ));
            Ok(())
        })?;
        let empty = TreeRef::empty().size;
        let expected = [
            ("d/x", 1, 2),
            ("d/y", 1, 0),
            ("e", empty, 0),
            ("f", 1, 0),
            ("f/z", 0, 1),
            ("n", 0, 1),
        ];
        assert_eq!(seen, expected.map(|(path, a, b)| (path.to_owned(), a, b)));
        Ok(())
    }

    #[test]
    fn the_first_error_ends_the_walk() -> Outcome {
        let trees = MemoryTrees::default();
        let tree = write(&trees, &contents(&["a=1", "b=1"]))?;
        let mut seen = 0;
        let ended = diff(&trees, None, Some(tree), &mut |_| {
            seen += 1;
            Err(Error::Interrupted)
        });
        assert!(matches!(ended, Err(Error::Interrupted)) && seen == 1);
        Ok(())
    }
}
