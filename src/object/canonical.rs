//! Whether a directory is the one that its entries make.
//!
//! A peer may send nodes that fit together, yet are cut elsewhere than by the rules, or state wrong totals. Two trees
//! of one content would then have two ids. Here the entries are cut anew and the ids compared.
//!
//! # Invariants
//!
//! - What `object::edit` writes passes; of all trees with the same entries, no other does.
//!
//! # Not here
//!
//! The rules (`object::cutter`), what one node can show by itself (`object::tree`), checking a whole snapshot (`build`).

use crate::base::Result;
use crate::base::error::Error;

use super::cursor::TreeSource;
use super::directory::entries;
use super::edit::{Child, TreeSink, create};
use super::tree::{Node, TreeRef};

/// A sink that keeps nothing.
struct Discard;

impl TreeSink for Discard {
    fn put(&mut self, _: TreeRef, _: Vec<u8>, _: Node) -> Result<()> {
        Ok(())
    }
}

/// Checks that the directory `tree` is cut as the rules say and that every header in it states the sum of what lies
/// beneath, as far as the headers of its subdirectories are true. So a tree is wholly checked once this holds for each
/// directory in it.
///
/// Loads every node of the directory, and the top node of each subdirectory.
///
/// # Errors
///
/// [`Error::Malformed`] if not; the errors of the source.
pub fn check_canonical(source: &dyn TreeSource, tree: TreeRef) -> Result<()> {
    let children = entries(source, tree).map(|entry| Child::load(source, entry?));
    let written = create(&mut Discard, children)?;
    if written.tree != tree {
        return Err(Error::malformed(
            "tree",
            "its entries make another tree: it is cut elsewhere, or its totals are wrong",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::memory::{AnyError, MemoryTrees, directory, file};
    use super::super::tree::{Entry, Index, IndexLine, Leaf, Totals};
    use super::*;

    type Outcome = Result<(), AnyError>;

    fn files(count: usize) -> Result<Vec<Child>, AnyError> {
        (0..count)
            .map(|number| file(&format!("{number:05}"), "1"))
            .collect()
    }

    fn leaf(children: &[Child]) -> Result<Node, AnyError> {
        let entries: Vec<Entry> = children.iter().map(|child| child.entry().clone()).collect();
        let count = entries.len() as u64;
        Ok(Node::Leaf(Leaf::new(Totals::new(count, count)?, entries)?))
    }

    /// An index over leaves of the given lengths, with `more` files in its header than there are.
    fn index(
        trees: &MemoryTrees,
        children: &[Child],
        lengths: &[usize],
        more: u64,
    ) -> Result<TreeRef, AnyError> {
        let mut rest = children;
        let mut lines = Vec::new();
        for length in lengths {
            let (part, others) = rest.split_at(*length);
            rest = others;
            let last = part.last().ok_or("an empty part")?.entry().name().clone();
            lines.push(IndexLine::new(
                *length as u64,
                trees.store(&leaf(part)?),
                last,
            )?);
        }
        let count = children.len() as u64;
        let totals = Totals::new(count + more, count)?;
        Ok(trees.store(&Node::Index(Index::new(totals, lines)?)))
    }

    /// The lengths of the leaves of a directory with one level of index.
    fn lengths(trees: &MemoryTrees, tree: TreeRef) -> Result<Vec<usize>, AnyError> {
        match &*trees.node(tree)? {
            Node::Index(index) => {
                let lines = index.lines().iter();
                Ok(lines
                    .map(|line| usize::try_from(line.entries()))
                    .collect::<Result<_, _>>()?)
            }
            Node::Leaf(_) => Err("a leaf".into()),
        }
    }

    #[test]
    fn what_is_written_is_canonical() -> Outcome {
        let trees = MemoryTrees::default();
        for count in [0, 1, 512, 513, 5000] {
            let tree = trees.directory(files(count)?)?.tree;
            check_canonical(&trees, tree)?;
        }
        Ok(())
    }

    #[test]
    fn a_foreign_cut_is_refused() -> Outcome {
        let trees = MemoryTrees::default();
        let wide = files(2000)?;
        let good = trees.directory(wide.iter().cloned())?.tree;
        let mut cut = lengths(&trees, good)?;
        assert_eq!(index(&trees, &wide, &cut, 0)?, good);
        let more = index(&trees, &wide, &cut, 1)?;
        cut[0] -= 1;
        cut[1] += 1;
        let moved = index(&trees, &wide, &cut, 0)?;
        let uncut = trees.store(&leaf(&wide)?);
        let needless = index(&trees, &wide[..500], &[250, 250], 0)?;
        for (what, tree) in [
            ("totals of an index", more),
            ("a border that moved", moved),
            ("a leaf that should be cut", uncut),
            ("a directory that need not be cut", needless),
        ] {
            let checked = check_canonical(&trees, tree);
            assert!(matches!(checked, Err(Error::Malformed { .. })), "{what}");
        }
        Ok(())
    }

    #[test]
    fn the_totals_of_subdirectories_are_counted() -> Outcome {
        let trees = MemoryTrees::default();
        let inner = trees.directory(files(3)?)?;
        let entry = directory("d", inner)?.entry().clone();
        for (count, good) in [(2, false), (3, true), (4, false)] {
            let totals = Totals::new(count, 3)?;
            let tree = trees.store(&Node::Leaf(Leaf::new(totals, vec![entry.clone()])?));
            assert_eq!(check_canonical(&trees, tree).is_ok(), good, "{count}");
        }
        Ok(())
    }
}
