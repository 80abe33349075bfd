//! A place in a directory: moves over its entries in order, and over whole nodes without loading them.
//!
//! A [`Cursor`] stands either before an entry or before a line of an index. The caller decides whether to step over the
//! line, and so over all entries beneath it, or into it. Listing, comparing and editing are all built on this.
//!
//! # Invariants
//!
//! - A node is loaded only when the caller steps into its line.
//! - What is loaded fits its line: as many entries, the same last name, all names above the border before it, leaves at
//!   one level only, at most [`TREE_LEVELS_MAX`] levels of index. Otherwise the step fails.
//!
//! # Not here
//!
//! Whether borders stand where the writer would put them, and whether totals are true (`object::canonical`).

use std::cmp::Ordering;
use std::sync::Arc;

use crate::base::Result;
use crate::base::error::Error;
use crate::base::limits::TREE_LEVELS_MAX;
use crate::base::name::EntryName;

use super::tree::{Entry, IndexLine, Node, TreeRef};

/// Where nodes come from.
pub trait TreeSource {
    /// Loads the node `tree`.
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from giving a node whose text has that id and that size.
    fn node(&self, tree: TreeRef) -> Result<Arc<Node>>;
}

/// What comes next in a directory.
#[derive(Clone, Copy, Debug)]
pub enum Place<'c> {
    /// A node that has not been loaded.
    Line(&'c IndexLine),
    /// An entry.
    Entry(&'c Entry),
}

/// A place in one directory.
pub struct Cursor<'s> {
    source: &'s dyn TreeSource,
    /// The nodes from the root to the current one; `at` is the line on which each stands, and never past its end.
    frames: Vec<Frame>,
    /// Levels of index above the leaves, known once a leaf was seen.
    height: Option<usize>,
}

struct Frame {
    node: Arc<Node>,
    at: usize,
}

impl Frame {
    fn is_last(&self) -> bool {
        self.at + 1 == self.node.line_count()
    }
}

impl<'s> Cursor<'s> {
    /// Loads the root of the directory `tree` and stands at its first line.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the root is an index of one node, and the errors of the source.
    pub fn open(source: &'s dyn TreeSource, tree: TreeRef) -> Result<Self> {
        Self::start(source, source.node(tree)?)
    }

    /// Stands at the first line of the directory whose root is `node`; what is beneath comes from `source`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the root is an index of one node.
    pub fn start(source: &'s dyn TreeSource, node: Arc<Node>) -> Result<Self> {
        check_root(&node)?;
        let height = matches!(*node, Node::Leaf(_)).then_some(0);
        let frames = match node.line_count() {
            0 => Vec::new(),
            _ => vec![Frame { node, at: 0 }],
        };
        Ok(Self {
            source,
            frames,
            height,
        })
    }

    /// What comes next; `None` at the end.
    #[must_use]
    pub fn place(&self) -> Option<Place<'_>> {
        let frame = self.frames.last()?;
        match &*frame.node {
            Node::Leaf(leaf) => leaf.entries().get(frame.at).map(Place::Entry),
            Node::Index(index) => index.lines().get(frame.at).map(Place::Line),
        }
    }

    /// Steps over the entry or line that comes next.
    pub fn skip(&mut self) {
        while self.frames.last().is_some_and(Frame::is_last) {
            self.frames.pop();
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.at += 1;
        }
    }

    /// Steps into the line that comes next and gives its node; its first line comes next.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the node does not fit its line, and the errors of the source. [`Error::Internal`] if no
    /// line comes next.
    pub fn descend(&mut self) -> Result<Arc<Node>> {
        let Some(Place::Line(line)) = self.place() else {
            return Err(Error::internal("a cursor can only step into a line"));
        };
        let node = load_child(self.source, line, self.border())?;
        self.check_level(&node)?;
        self.frames.push(Frame {
            node: Arc::clone(&node),
            at: 0,
        });
        Ok(node)
    }

    /// The last name before the current node or line; everything that comes is above it. `None` at the left edge.
    #[must_use]
    pub fn border(&self) -> Option<&EntryName> {
        self.frames
            .iter()
            .rev()
            .find_map(|frame| match &*frame.node {
                Node::Leaf(_) => None,
                Node::Index(index) => {
                    let before = frame.at.checked_sub(1)?;
                    Some(index.lines()[before].last())
                }
            })
    }

    /// Whether nothing follows the line or entry that comes next.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.frames.iter().all(Frame::is_last)
    }

    /// How many nodes the cursor has stepped into and not yet left, the root included; 0 at the end.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.frames.len()
    }

    /// The level of the node of the line that comes next, leaves being level 0; `None` until a leaf was seen.
    #[must_use]
    pub fn line_level(&self) -> Option<usize> {
        self.height?.checked_sub(self.depth())
    }

    /// Leaves are all as deep as the first one.
    fn check_level(&mut self, node: &Node) -> Result<()> {
        let above = self.depth();
        match (node, self.height) {
            (Node::Leaf(_), None) => self.height = Some(above),
            (Node::Leaf(_), Some(height)) if height == above => {}
            (Node::Index(_), Some(height)) if above < height => {}
            (Node::Index(_), None) if above < TREE_LEVELS_MAX => {}
            (Node::Index(_), None) => return Err(too_many_levels()),
            _ => {
                return Err(Error::malformed(
                    "tree",
                    "its leaves are not all at one level",
                ));
            }
        }
        Ok(())
    }
}

/// Looks up one name, on the one way down that can lead to it.
///
/// # Errors
///
/// As [`Cursor::descend`].
pub fn find(source: &dyn TreeSource, tree: TreeRef, name: &EntryName) -> Result<Option<Entry>> {
    let mut node = source.node(tree)?;
    check_root(&node)?;
    let mut border: Option<EntryName> = None;
    for _ in 0..=TREE_LEVELS_MAX {
        let index = match &*node {
            Node::Leaf(leaf) => return Ok(leaf.find(name).cloned()),
            Node::Index(index) => index,
        };
        let place = index.lines().partition_point(|line| line.last() < name);
        let Some(line) = index.lines().get(place) else {
            return Ok(None);
        };
        if let Some(before) = place.checked_sub(1) {
            border = Some(index.lines()[before].last().clone());
        }
        node = load_child(source, line, border.as_ref())?;
    }
    Err(too_many_levels())
}

fn load_child(
    source: &dyn TreeSource,
    line: &IndexLine,
    border: Option<&EntryName>,
) -> Result<Arc<Node>> {
    let node = source.node(line.tree_ref())?;
    let reason = if node.last() != Some(line.last()) {
        "a node does not end where its index says"
    } else if node.entries() != line.entries() {
        "a node does not have as many entries as its index says"
    } else if border.is_some_and(|border| {
        node.first()
            .is_none_or(|first| first.cmp(border) != Ordering::Greater)
    }) {
        "a node begins before the end of the one before it"
    } else {
        return Ok(node);
    };
    Err(Error::malformed("tree", reason))
}

fn check_root(node: &Node) -> Result<()> {
    match node {
        Node::Index(index) if index.lines().len() < 2 => Err(Error::malformed(
            "tree",
            "an index of a single node where a directory begins",
        )),
        _ => Ok(()),
    }
}

fn too_many_levels() -> Error {
    Error::malformed(
        "tree",
        format!("more than {TREE_LEVELS_MAX} levels of index"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::memory::{AnyError, MemoryTrees, file};
    use super::super::tree::{Index, Leaf, Totals};
    use super::*;

    type Outcome = Result<(), AnyError>;

    fn leaf(names: &str) -> Result<Node, AnyError> {
        let mut entries = Vec::new();
        for name in names.split_whitespace() {
            entries.push(file(name, "1")?.entry().clone());
        }
        let count = entries.len() as u64;
        Ok(Node::Leaf(Leaf::new(Totals::new(count, count)?, entries)?))
    }

    /// An index of nodes, each with what its line says: how many entries, and the last name.
    fn index(trees: &MemoryTrees, lines: &[(&Node, u64, &str)]) -> Result<Node, AnyError> {
        let mut described = Vec::new();
        for (node, entries, last) in lines {
            described.push(IndexLine::new(*entries, trees.store(node), last.parse()?)?);
        }
        Ok(Node::Index(Index::new(Totals::ZERO, described)?))
    }

    /// Reads a whole directory: its names, or why it cannot be read.
    fn read(trees: &MemoryTrees, root: &Node) -> Result<String> {
        let mut cursor = Cursor::open(trees, trees.store(root))?;
        let mut names = String::new();
        loop {
            match cursor.place() {
                None => return Ok(names),
                Some(Place::Line(_)) => drop(cursor.descend()?),
                Some(Place::Entry(entry)) => {
                    names += entry.name().as_str();
                    cursor.skip();
                }
            }
        }
    }

    #[test]
    fn nodes_that_do_not_fit_together_are_refused() -> Outcome {
        let trees = MemoryTrees::default();
        let (ab, cd, ef, bc) = (leaf("a b")?, leaf("c d")?, leaf("e f")?, leaf("b c")?);
        let none = leaf("")?;
        let abcd = index(&trees, &[(&ab, 2, "b"), (&cd, 2, "d")])?;
        let single = index(&trees, &[(&ef, 2, "f")])?;
        for (lines, expected) in [
            (&[(&ab, 2, "b"), (&cd, 2, "d")][..], "abcd"),
            (&[(&abcd, 4, "d"), (&single, 2, "f")], "abcdef"),
            (&[(&ab, 2, "b")], "an index of a single node"),
            (&[(&ab, 3, "b"), (&cd, 2, "d")], "as many entries"),
            (&[(&ab, 2, "b"), (&cd, 1, "d")], "as many entries"),
            (&[(&ab, 2, "a"), (&cd, 2, "d")], "end where its index says"),
            (&[(&ab, 2, "b"), (&cd, 2, "e")], "end where its index says"),
            (
                &[(&ab, 2, "b"), (&none, 1, "d")],
                "end where its index says",
            ),
            (&[(&ab, 2, "b"), (&bc, 2, "c")], "begins before the end"),
            (&[(&abcd, 4, "d"), (&ef, 2, "f")], "at one level"),
            (&[(&ab, 2, "b"), (&abcd, 4, "d")], "begins before the end"),
            (&[(&ab, 2, "b"), (&single, 2, "f")], "at one level"),
        ] {
            let shown = match read(&trees, &index(&trees, lines)?) {
                Ok(names) => names,
                Err(error) => error.to_string(),
            };
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
        Ok(())
    }

    #[test]
    fn levels_of_index_end_at_their_limit() -> Outcome {
        let trees = MemoryTrees::default();
        let (mut node, last) = (leaf("a")?, leaf("z")?);
        let mut right = last;
        for level in 1..=TREE_LEVELS_MAX + 1 {
            let root = index(&trees, &[(&node, 1, "a"), (&right, 1, "z")])?;
            let good = level <= TREE_LEVELS_MAX;
            assert_eq!(read(&trees, &root).is_ok(), good, "{level} levels");
            let found = find(&trees, trees.store(&root), &"z".parse()?);
            assert_eq!(found.is_ok_and(|found| found.is_some()), good);
            node = index(&trees, &[(&node, 1, "a")])?;
            right = index(&trees, &[(&right, 1, "z")])?;
        }
        Ok(())
    }

    #[test]
    fn a_line_can_be_stepped_over() -> Outcome {
        let trees = MemoryTrees::default();
        let (ab, cd) = (leaf("a b")?, leaf("c d")?);
        let root = trees.store(&index(&trees, &[(&ab, 2, "b"), (&cd, 2, "d")])?);
        trees.counts();
        let mut cursor = Cursor::open(&trees, root)?;
        assert_eq!((cursor.border(), cursor.line_level()), (None, None));
        cursor.skip();
        assert_eq!(cursor.border().map(EntryName::as_str), Some("b"));
        assert!(cursor.is_last());
        cursor.descend()?;
        assert_eq!((cursor.depth(), cursor.is_last()), (2, false));
        assert!(cursor.descend().is_err(), "an entry has no inside");
        cursor.skip();
        cursor.skip();
        assert!(cursor.place().is_none());
        cursor.skip();
        assert_eq!(cursor.depth(), 0);
        assert_eq!(trees.counts(), (2, 0));
        Ok(())
    }
}
