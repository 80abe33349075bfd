//! Changes: how two trees differ, by node and by path.
//!
//! # Invariants
//!
//! - Nodes and subtrees that both trees have at one path are never loaded, so the cost is that of what differs.
//! - A directory comes before what is in it, and names come in order.
//! - Of a tree with more entries than a snapshot may have, only the first are visited.
//!
//! # Not here
//!
//! What is packed because of it (`delta::make`), what people are shown of it (`object::difference`).

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use crate::base::Result;
use crate::base::id::TreeId;
use crate::base::path::TreePath;
use crate::object::census::Census;
use crate::object::directory::{TreeSource, join};
use crate::object::tree::{Entry, IndexLine, Node, TreeRef};

/// Something in which two trees differ.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// A directory that one of them has otherwise or has not; the roots come first.
    Directory {
        /// Its path.
        at: &'a TreePath,
        /// The first tree's.
        a: Option<TreeRef>,
        /// The second tree's.
        b: Option<TreeRef>,
    },
    /// A node that only the first has in the directory that came last.
    OldNode(TreeRef),
    /// A node that only the second has in the directory that came last.
    NewNode(TreeRef),
    /// A name under which they have different things, or only one has any.
    Entry {
        /// Its path.
        path: &'a TreePath,
        /// What the first has there.
        a: Option<&'a Entry>,
        /// What the second has there.
        b: Option<&'a Entry>,
    },
}

/// Whether a walk goes into the directories that an entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It does.
    Into,
    /// It does not.
    Past,
}

/// Takes what two trees differ in.
pub type Visit<'v> = dyn FnMut(Seen<'_>) -> Result<Way> + 'v;

/// Shows to `visit` all in which the trees `a` and `b` differ; `None` is a tree that does not exist. Only the answer to an
/// entry matters.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) for a path that is too long or too deep,
/// [`Error::Limit`](crate::base::Error::Limit) for more entries than a snapshot may have, and the errors of the source and of
/// `visit`.
pub fn changes(
    source: &dyn TreeSource,
    a: Option<TreeRef>,
    b: Option<TreeRef>,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let mut census = Census::new(source, [a, b]);
    directory(source, a, b, &TreePath::root(), &mut census, visit)
}

fn directory(
    source: &dyn TreeSource,
    a: Option<TreeRef>,
    b: Option<TreeRef>,
    at: &TreePath,
    census: &mut Census<'_>,
    visit: &mut Visit<'_>,
) -> Result<()> {
    if a == b {
        return Ok(());
    }
    visit(Seen::Directory { at, a, b })?;
    let (old, new) = Nodes::differing(source, a, b)?;
    for node in &old.met {
        visit(Seen::OldNode(*node))?;
    }
    for node in &new.met {
        visit(Seen::NewNode(*node))?;
    }
    let (mut old, mut new) = (old.entries().peekable(), new.entries().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.name().cmp(b.name()),
        };
        let a = order.is_le().then(|| old.next()).flatten();
        let b = order.is_ge().then(|| new.next()).flatten();
        let Some(either) = a.or(b).filter(|_| a != b) else {
            continue;
        };
        census.visit()?;
        let path = join(at, either.name())?;
        let way = visit(Seen::Entry { path: &path, a, b })?;
        let trees = [a, b].map(|entry| entry.and_then(Entry::tree_ref));
        if way == Way::Into {
            directory(source, trees[0], trees[1], &path, census, visit)?;
        }
    }
}

/// The nodes that one of two directories has and the other has not.
#[derive(Default)]
struct Nodes {
    met: Vec<TreeRef>,
    seen: HashSet<TreeId>,
    leaves: Vec<Arc<Node>>,
}

impl Nodes {
    /// Goes down both directories a level at a time.
    fn differing(
        source: &dyn TreeSource,
        a: Option<TreeRef>,
        b: Option<TreeRef>,
    ) -> Result<(Self, Self)> {
        let (mut old, mut new) = (Self::default(), Self::default());
        let (mut next_old, mut next_new): (Vec<_>, Vec<_>) =
            (a.into_iter().collect(), b.into_iter().collect());
        while !next_old.is_empty() || !next_new.is_empty() {
            let ids = |nodes: &[TreeRef]| nodes.iter().map(|node| node.id).collect::<HashSet<_>>();
            let (level_old, level_new) = (ids(&next_old), ids(&next_new));
            next_old.retain(|node| !level_new.contains(&node.id));
            next_new.retain(|node| !level_old.contains(&node.id));
            next_old = old.descend(source, next_old)?;
            next_new = new.descend(source, next_new)?;
        }
        // Directories with different numbers of levels may meet a node on different levels. Then both have loaded it, and
        // its entries make no difference.
        old.met.retain(|node| !new.seen.contains(&node.id));
        new.met.retain(|node| !old.seen.contains(&node.id));
        Ok((old, new))
    }

    /// Loads nodes; gives those beneath them.
    fn descend(&mut self, source: &dyn TreeSource, level: Vec<TreeRef>) -> Result<Vec<TreeRef>> {
        let mut below = Vec::new();
        for tree in level {
            self.met.push(tree);
            self.seen.insert(tree.id);
            let node = source.node(tree)?;
            match &*node {
                Node::Leaf(_) => self.leaves.push(node),
                Node::Index(index) => {
                    below.extend(index.lines().iter().map(IndexLine::tree_ref));
                }
            }
        }
        Ok(below)
    }

    /// The entries of the leaves, by name.
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.leaves.iter().flat_map(|leaf| match &**leaf {
            Node::Leaf(leaf) => leaf.entries(),
            Node::Index(_) => &[],
        })
    }
}

#[cfg(test)]
mod tests;
