//! Tree nodes: the leaves and indexes of which directories are made.
//!
//! A directory is one [`Leaf`], or, when it is wide, leaves beneath levels of [`Index`] nodes.
//!
//! # Invariants
//!
//! - The names of a node ascend strictly, by their raw bytes.
//! - A node has at most [`TREE_LINES_MAX`] lines, so its text never passes [`TREE_BYTES_MAX`]. An index has at least one.
//! - The totals of a leaf without directories are exact; those of any leaf cover its own files. More cannot be known
//!   from one node.
//!
//! # Not here
//!
//! Their text (`object::tree_text`), reading a directory of many nodes as one (`object::directory`), where its nodes
//! are cut (`object::cutter`), whether totals and cuts are right (`object::canonical`).

use crate::base::Result;
use crate::base::error::{Error, check_limit};
use crate::base::limits::{TREE_BYTES_MAX, TREE_LINES_MAX};
use crate::base::name::EntryName;

pub use super::entry::{EMPTY_TREE, Entry, EntryKind, TreeRef};
pub use super::totals::Totals;

/// A node that holds entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    totals: Totals,
    entries: Vec<Entry>,
}

impl Leaf {
    /// Makes a leaf; `totals` are those of everything beneath it.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the entries are too many or not in order, or the totals cannot be true.
    pub fn new(totals: Totals, entries: Vec<Entry>) -> Result<Self> {
        check_lines(entries.len())?;
        check_order(entries.iter().map(Entry::name))?;
        let mut own = Totals::ZERO;
        let mut exact = true;
        for entry in &entries {
            match entry.own_totals() {
                Some(file) => own = own.plus(file)?,
                None => exact = false,
            }
        }
        if !totals.covers(own) || (exact && totals != own) {
            return Err(Error::malformed(
                "tree",
                "its header does not count the files in it",
            ));
        }
        Ok(Self { totals, entries })
    }

    /// The totals of everything beneath.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// The entries, by name.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry called `name`.
    #[must_use]
    pub fn find(&self, name: &EntryName) -> Option<&Entry> {
        let place = self
            .entries
            .binary_search_by(|entry| entry.name().cmp(name));
        place.ok().map(|place| &self.entries[place])
    }
}

/// One line of an index: a node of the level beneath.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexLine {
    entries: u64,
    tree: TreeRef,
    last: EntryName,
}

impl IndexLine {
    /// Describes the node `tree`, which has `entries` entries in its leaves, the last of them called `last`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] without entries, [`Error::Limit`] if the node is larger than nodes may be.
    pub fn new(entries: u64, tree: TreeRef, last: EntryName) -> Result<Self> {
        check_limit("a tree node's number of bytes", tree.size, TREE_BYTES_MAX)?;
        if entries == 0 || tree.size == 0 {
            return Err(Error::malformed("tree", "a line of an index for nothing"));
        }
        Ok(Self {
            entries,
            tree,
            last,
        })
    }

    /// How many entries the leaves beneath have in all.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The node.
    #[must_use]
    pub const fn tree_ref(&self) -> TreeRef {
        self.tree
    }

    /// The name of the last entry beneath.
    #[must_use]
    pub const fn last(&self) -> &EntryName {
        &self.last
    }
}

/// A node that lists the nodes of the level beneath.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    totals: Totals,
    entries: u64,
    lines: Vec<IndexLine>,
}

impl Index {
    /// Makes an index; `totals` are those of everything beneath it.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the lines are none, too many, or not in order.
    pub fn new(totals: Totals, lines: Vec<IndexLine>) -> Result<Self> {
        check_lines(lines.len())?;
        check_order(lines.iter().map(IndexLine::last))?;
        if lines.is_empty() {
            return Err(Error::malformed("tree", "an index without lines"));
        }
        let entries = lines
            .iter()
            .try_fold(0u64, |sum, line| sum.checked_add(line.entries))
            .ok_or_else(|| Error::malformed("tree", "more entries than can be counted"))?;
        Ok(Self {
            totals,
            entries,
            lines,
        })
    }

    /// The totals of everything beneath.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// How many entries the leaves beneath have in all.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The lines, by name.
    #[must_use]
    pub fn lines(&self) -> &[IndexLine] {
        &self.lines
    }
}

/// A node of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Entries.
    Leaf(Leaf),
    /// Further nodes.
    Index(Index),
}

impl Node {
    /// The totals of everything beneath.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        match self {
            Self::Leaf(leaf) => leaf.totals,
            Self::Index(index) => index.totals,
        }
    }

    /// How many entries of the directory the node stands for.
    #[must_use]
    pub fn entries(&self) -> u64 {
        match self {
            Self::Leaf(leaf) => leaf.entries.len() as u64,
            Self::Index(index) => index.entries,
        }
    }

    /// How many lines follow the header.
    #[must_use]
    pub fn line_count(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.entries.len(),
            Self::Index(index) => index.lines.len(),
        }
    }

    /// The name of the last entry beneath; `None` for the empty leaf.
    #[must_use]
    pub fn last(&self) -> Option<&EntryName> {
        match self {
            Self::Leaf(leaf) => leaf.entries.last().map(Entry::name),
            Self::Index(index) => index.lines.last().map(IndexLine::last),
        }
    }

    /// The least name that the node itself shows: of the first entry, or of the first border.
    #[must_use]
    pub fn first(&self) -> Option<&EntryName> {
        match self {
            Self::Leaf(leaf) => leaf.entries.first().map(Entry::name),
            Self::Index(index) => index.lines.first().map(IndexLine::last),
        }
    }
}

fn check_lines(found: usize) -> Result<()> {
    if found > TREE_LINES_MAX {
        return Err(Error::malformed(
            "tree",
            format!("{found} lines, more than {TREE_LINES_MAX}"),
        ));
    }
    Ok(())
}

fn check_order<'a>(names: impl Iterator<Item = &'a EntryName> + Clone) -> Result<()> {
    for (before, after) in names.clone().zip(names.skip(1)) {
        if before >= after {
            return Err(Error::malformed(
                "tree",
                format!("{after:?} does not belong after {before:?}"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Hash;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn file(name: &str) -> Result<Entry, Box<dyn std::error::Error>> {
        Ok(Entry::new(
            EntryKind::File,
            10,
            Hash::of(b"x"),
            name.parse()?,
        )?)
    }

    #[test]
    fn the_names_of_a_leaf_ascend() -> Outcome {
        for (names, good) in [
            (&["a", "b"][..], true),
            (&["B", "a"], true),
            (&["a", "a b", "a.b", "ab"], true),
            (&["b", "a"], false),
            (&["a", "a"], false),
        ] {
            let entries = names
                .iter()
                .map(|name| file(name))
                .collect::<Result<_, _>>()?;
            let count = names.len() as u64;
            let leaf = Leaf::new(Totals::new(count, 10 * count)?, entries);
            assert_eq!(leaf.is_ok(), good, "{names:?}");
        }
        Ok(())
    }

    #[test]
    fn a_leaf_counts_its_own_files() -> Outcome {
        let directory = Entry::directory("d".parse()?, TreeRef::empty())?;
        let files = vec![file("a")?];
        let mixed = vec![file("a")?, directory];
        for (entries, count, bytes, good) in [
            (&files, 1, 10, true),
            (&files, 2, 10, false),
            (&files, 1, 11, false),
            (&files, 1, 9, false),
            (&files, 0, 10, false),
            (&mixed, 1, 10, true),
            (&mixed, 5, 99, true),
            (&mixed, 1, 9, false),
            (&mixed, 0, 10, false),
        ] {
            let leaf = Leaf::new(Totals::new(count, bytes)?, entries.clone());
            assert_eq!(leaf.is_ok(), good, "{count} files, {bytes} bytes");
        }
        Ok(())
    }

    #[test]
    fn a_leaf_ends_at_its_limit() -> Outcome {
        for (count, good) in [(TREE_LINES_MAX, true), (TREE_LINES_MAX + 1, false)] {
            let entries = (0..count)
                .map(|number| file(&format!("{number:05}")))
                .collect::<Result<_, _>>()?;
            let totals = Totals::new(count as u64, 10 * count as u64)?;
            assert_eq!(Leaf::new(totals, entries).is_ok(), good, "{count}");
        }
        Ok(())
    }

    #[test]
    fn an_index_has_lines_in_order_that_can_be_counted() -> Outcome {
        let line = |entries, last: &str| -> Result<IndexLine, Box<dyn std::error::Error>> {
            Ok(IndexLine::new(entries, TreeRef::empty(), last.parse()?)?)
        };
        assert!(line(0, "a").is_err());
        for (lines, good) in [
            (vec![], false),
            (vec![line(1, "a")?], true),
            (vec![line(1, "a")?, line(u64::MAX - 1, "b")?], true),
            (vec![line(1, "a")?, line(u64::MAX, "b")?], false),
            (vec![line(1, "b")?, line(1, "a")?], false),
            (vec![line(1, "a")?, line(1, "a")?], false),
        ] {
            let shown = format!("{lines:?}");
            assert_eq!(Index::new(Totals::ZERO, lines).is_ok(), good, "{shown}");
        }
        let large = TreeRef {
            size: TREE_BYTES_MAX + 1,
            ..TreeRef::empty()
        };
        assert!(matches!(
            IndexLine::new(1, large, "a".parse()?),
            Err(Error::Limit { .. })
        ));
        Ok(())
    }

    #[test]
    fn an_entry_is_found_by_its_name() -> Outcome {
        let leaf = Leaf::new(Totals::new(2, 20)?, vec![file("a")?, file("c")?])?;
        assert_eq!(leaf.find(&"c".parse()?), Some(&file("c")?));
        assert_eq!(leaf.find(&"b".parse()?), None);
        Ok(())
    }
}
