//! Trees in memory, for tests: a source and a sink that count.
//!
//! # Invariants
//!
//! - Each load decodes the text, and each put compares it with the node, so tests go through the codec.
//!
//! # Not here
//!
//! Trees in packs (`store`).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::base::Result;
use crate::base::error::Error;
use crate::base::id::{Hash, TreeId};
use crate::base::name::EntryName;

use super::cursor::TreeSource;
use super::edit::{Child, TreeSink, Written, create};
use super::tree::{Entry, EntryKind, Node, TreeRef};

/// The error of tests, which take errors of any kind.
pub type AnyError = Box<dyn std::error::Error>;

/// Nodes by id, kept as text so that each load decodes them.
#[derive(Default)]
pub struct MemoryTrees {
    texts: RefCell<HashMap<TreeId, Vec<u8>>>,
    loads: Cell<usize>,
    puts: Cell<usize>,
}

impl MemoryTrees {
    /// Writes a directory from its children, in any order.
    pub fn directory(&self, children: impl IntoIterator<Item = Child>) -> Result<Written> {
        let sorted: BTreeMap<EntryName, Child> = children
            .into_iter()
            .map(|child| (child.entry().name().clone(), child))
            .collect();
        create(&mut &*self, sorted.into_values().map(Ok))
    }

    /// Stores a node as it is, however wrong.
    pub fn store(&self, node: &Node) -> TreeRef {
        let text = node.encode();
        let tree = TreeRef::of(&text);
        self.texts.borrow_mut().insert(tree.id, text);
        tree
    }

    /// The nodes that are stored.
    pub fn ids(&self) -> BTreeSet<TreeId> {
        self.texts.borrow().keys().copied().collect()
    }

    /// Takes every node of `other`.
    pub fn take_from(&self, other: &Self) {
        self.texts.borrow_mut().extend(other.texts.take());
    }

    /// How many nodes were loaded and put since the last time this was asked.
    pub fn counts(&self) -> (usize, usize) {
        (self.loads.replace(0), self.puts.replace(0))
    }
}

impl TreeSource for MemoryTrees {
    fn node(&self, tree: TreeRef) -> Result<Arc<Node>> {
        self.loads.set(self.loads.get() + 1);
        let texts = self.texts.borrow();
        let text = texts
            .get(&tree.id)
            .filter(|text| text.len() as u64 == tree.size)
            .ok_or_else(|| Error::not_found("tree", tree.id))?;
        Ok(Arc::new(Node::decode(text)?))
    }
}

impl TreeSink for &MemoryTrees {
    fn put(&mut self, tree: TreeRef, text: Vec<u8>, node: Node) -> Result<()> {
        self.puts.set(self.puts.get() + 1);
        if TreeRef::of(&text) != tree || Node::decode(&text)? != node {
            return Err(Error::internal("a node that is not its text"));
        }
        self.texts.borrow_mut().insert(tree.id, text);
        Ok(())
    }
}

/// A file whose content is `content`.
pub fn file(name: &str, content: &str) -> Result<Child, AnyError> {
    let entry = Entry::new(
        EntryKind::File,
        content.len() as u64,
        Hash::of(content.as_bytes()),
        name.parse()?,
    )?;
    Ok(Child::file(entry)?)
}

/// A directory that was written.
pub fn directory(name: &str, written: Written) -> Result<Child, AnyError> {
    Ok(Child::directory(name.parse()?, written)?)
}
