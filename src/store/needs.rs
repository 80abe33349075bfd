//! Needs: at which paths of which tree an object is needed, so that damage can be told in words that users know.
//!
//! # Invariants
//!
//! - A search never fails: what cannot be read is passed over, since damage is what is being explained.
//! - Each tree is looked into once, so the cost is that of one walk over what the searched roots have.
//!
//! # Not here
//!
//! Finding out what is damaged (`build::verify`, `store::fsck`).

use std::collections::{BTreeSet, HashMap, HashSet};

use super::rows::SnapshotRef;
use super::view::View;
use crate::base::id::{BlobId, Hash, TreeId};
use crate::base::limits::{RECIPE_LEVELS_MAX, TREE_LEVELS_MAX};
use crate::base::path::TreePath;
use crate::object::directory::TreeSource;
use crate::object::edges::blob_form;
use crate::object::kind::ObjectKind;
use crate::object::recipe::Recipe;
use crate::object::tree::{Entry, Node, TreeRef};

/// Paths named for one object: the first ones tell enough.
pub const PATHS_PER_OBJECT_MAX: usize = 3;

/// An object, by kind and id.
pub type Object = (ObjectKind, Hash);

/// A search for the paths at which some objects are needed.
#[derive(Debug)]
pub struct Needs<'a, 's> {
    view: &'a View<'s>,
    wanted: &'a HashSet<Object>,
    seen: HashSet<TreeId>,
    paths: HashMap<Object, BTreeSet<String>>,
}

impl<'a, 's> Needs<'a, 's> {
    /// Starts a search for `wanted`.
    #[must_use]
    pub fn new(view: &'a View<'s>, wanted: &'a HashSet<Object>) -> Self {
        Self {
            view,
            wanted,
            seen: HashSet::new(),
            paths: HashMap::new(),
        }
    }

    /// Looks through a snapshot and its tree; `place` says in messages what shows it, such as `stable@3`.
    pub fn search_snapshot(&mut self, snapshot: SnapshotRef, place: &str) {
        let object = (ObjectKind::Snapshot, snapshot.id.hash());
        self.note(object, &TreePath::root(), place);
        if let Ok(snapshot) = self.view.snapshot(snapshot.id) {
            self.search(snapshot.tree, place);
        }
    }

    /// Looks through the tree `root`; `place` says in messages what shows it, such as `stable@3`.
    pub fn search(&mut self, root: TreeRef, place: &str) {
        self.tree(root, &TreePath::root(), 0, place);
    }

    /// Where an object is needed, in words; empty if nothing that was searched needs it.
    #[must_use]
    pub fn of(&self, object: Object) -> String {
        let paths = self.paths.get(&object).map(|paths| {
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            format!("needed by {}", paths.join(", "))
        });
        paths.unwrap_or_default()
    }

    fn note(&mut self, object: Object, path: &TreePath, place: &str) {
        if self.wanted.contains(&object) {
            let paths = self.paths.entry(object).or_default();
            if paths.len() < PATHS_PER_OBJECT_MAX {
                paths.insert(format!("/{path} in {place}"));
            }
        }
    }

    fn tree(&mut self, tree: TreeRef, path: &TreePath, levels: usize, place: &str) {
        self.note((ObjectKind::Tree, tree.id.hash()), path, place);
        if levels > TREE_LEVELS_MAX || !self.seen.insert(tree.id) {
            return;
        }
        let Ok(node) = self.view.node(tree) else {
            return;
        };
        match &*node {
            Node::Leaf(leaf) => {
                for entry in leaf.entries() {
                    self.entry(entry, path, place);
                }
            }
            Node::Index(index) => {
                for line in index.lines() {
                    self.tree(line.tree_ref(), path, levels + 1, place);
                }
            }
        }
    }

    fn entry(&mut self, entry: &Entry, directory: &TreePath, place: &str) {
        // No tree that was ever checked has a path that is too long.
        let Ok(path) = directory.join(entry.name()) else {
            return;
        };
        if let Some(tree) = entry.tree_ref() {
            self.tree(tree, &path, 0, place);
        } else {
            let id = BlobId::new(entry.id());
            self.blob(id, entry.size(), RECIPE_LEVELS_MAX, &path, place);
        }
    }

    fn blob(&mut self, id: BlobId, size: u64, levels: usize, path: &TreePath, place: &str) {
        let form = blob_form(size);
        self.note((form, id.hash()), path, place);
        if form == ObjectKind::Blob || levels == 0 {
            return;
        }
        let Ok(bytes) = self.view.read(form, id.hash()) else {
            return;
        };
        let recipe = bytes.as_slice().and_then(Recipe::decode);
        for piece in recipe.iter().flat_map(Recipe::pieces) {
            self.blob(piece.id, piece.bytes, levels - 1, path, place);
        }
    }
}
