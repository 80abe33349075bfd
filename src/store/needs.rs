//! Needs: at which paths of which tree an object is needed, so that damage can be told in words that users know.
//!
//! # Invariants
//!
//! - A search never fails: what cannot be read is passed over, since damage is what is being explained.
//! - Each tree is looked into once, so the cost is that of one walk over what the searched roots have. What is remembered
//!   of a tree is which of the wanted objects it leads to: few, as callers bound what they want.
//!
//! # Not here
//!
//! Finding out what is damaged (`build::verify`, `store::fsck`), which roots there are (`store::explain`).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

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
/// Releases and builds named for one object; the others are counted.
pub const PLACES_PER_OBJECT_MAX: usize = 8;

/// An object, by kind and id.
pub type Object = (ObjectKind, Hash);

/// The wanted objects that something leads to.
type Below = Rc<BTreeSet<Object>>;

/// A search for the paths at which some objects are needed.
#[derive(Debug)]
pub struct Needs<'a, 's> {
    view: &'a View<'s>,
    wanted: &'a HashSet<Object>,
    seen: HashMap<TreeId, Below>,
    found: HashMap<Object, Need>,
}

/// What needs one object.
#[derive(Debug, Default)]
struct Need {
    /// Paths, each with what shows it, in the order in which they were found.
    paths: Vec<(String, String)>,
    /// All that shows it, in the order in which it was searched.
    places: Vec<String>,
}

impl<'a, 's> Needs<'a, 's> {
    /// Starts a search for `wanted`.
    #[must_use]
    pub fn new(view: &'a View<'s>, wanted: &'a HashSet<Object>) -> Self {
        Self {
            view,
            wanted,
            seen: HashMap::new(),
            found: HashMap::new(),
        }
    }

    /// Looks through a snapshot and its tree; `place` says in messages what shows it, such as `stable@3`.
    pub fn search_snapshot(&mut self, snapshot: SnapshotRef, place: &str) {
        let object = (ObjectKind::Snapshot, snapshot.id.hash());
        self.note(object, &TreePath::root(), place);
        if self.wanted.contains(&object) {
            self.place(object, place);
        }
        if let Ok(snapshot) = self.view.snapshot(snapshot.id) {
            self.search(snapshot.tree, place);
        }
    }

    /// Looks through the tree `root`; `place` says in messages what shows it, such as `stable@3`.
    pub fn search(&mut self, root: TreeRef, place: &str) {
        self.search_at(root, &TreePath::root(), place);
    }

    /// Looks through the tree `root`, which lies at `path` of what is called `place`.
    pub(super) fn search_at(&mut self, root: TreeRef, path: &TreePath, place: &str) {
        for object in self.tree(root, path, 0, place).iter() {
            self.place(*object, place);
        }
    }

    /// Where an object is needed, in words; empty if nothing that was searched needs it.
    #[must_use]
    pub fn of(&self, object: Object) -> String {
        self.found.get(&object).map(Need::words).unwrap_or_default()
    }

    fn place(&mut self, object: Object, place: &str) {
        let places = &mut self.found.entry(object).or_default().places;
        if places.last().is_none_or(|last| last != place) {
            places.push(place.to_owned());
        }
    }

    fn note(&mut self, object: Object, path: &TreePath, place: &str) {
        if self.wanted.contains(&object) {
            let paths = &mut self.found.entry(object).or_default().paths;
            let found = (format!("/{path}"), place.to_owned());
            if paths.len() < PATHS_PER_OBJECT_MAX && !paths.contains(&found) {
                paths.push(found);
            }
        }
    }

    fn tree(&mut self, tree: TreeRef, path: &TreePath, levels: usize, place: &str) -> Below {
        let object = (ObjectKind::Tree, tree.id.hash());
        self.note(object, path, place);
        if levels > TREE_LEVELS_MAX {
            return Below::default();
        }
        if let Some(below) = self.seen.get(&tree.id) {
            return Rc::clone(below);
        }
        let mut below = BTreeSet::new();
        if self.wanted.contains(&object) {
            below.insert(object);
        }
        if let Ok(node) = self.view.node(tree) {
            match &*node {
                Node::Leaf(leaf) => {
                    for entry in leaf.entries() {
                        self.entry(entry, path, place, &mut below);
                    }
                }
                Node::Index(index) => {
                    for line in index.lines() {
                        let child = self.tree(line.tree_ref(), path, levels + 1, place);
                        below.extend(child.iter());
                    }
                }
            }
        }
        let below = Below::new(below);
        self.seen.insert(tree.id, Rc::clone(&below));
        below
    }

    fn entry(
        &mut self,
        entry: &Entry,
        directory: &TreePath,
        place: &str,
        below: &mut BTreeSet<Object>,
    ) {
        // No tree that was ever checked has a path that is too long.
        let Ok(path) = directory.join(entry.name()) else {
            return;
        };
        if let Some(tree) = entry.tree_ref() {
            below.extend(self.tree(tree, &path, 0, place).iter());
        } else {
            let blob = (BlobId::new(entry.id()), entry.size());
            self.blob(blob, RECIPE_LEVELS_MAX, (&path, place), below);
        }
    }

    fn blob(
        &mut self,
        (id, size): (BlobId, u64),
        levels: usize,
        (path, place): (&TreePath, &str),
        below: &mut BTreeSet<Object>,
    ) {
        let form = blob_form(size);
        let object = (form, id.hash());
        self.note(object, path, place);
        if self.wanted.contains(&object) {
            below.insert(object);
        }
        if form == ObjectKind::Blob || levels == 0 {
            return;
        }
        let Ok(bytes) = self.view.read(form, id.hash()) else {
            return;
        };
        let recipe = bytes.as_slice().and_then(Recipe::decode);
        for piece in recipe.iter().flat_map(Recipe::pieces) {
            self.blob((piece.id, piece.bytes), levels - 1, (path, place), below);
        }
    }
}

impl Need {
    fn words(&self) -> String {
        let paths = self.paths.iter();
        let paths: Vec<String> = paths
            .map(|(path, place)| format!("{path} in {place}"))
            .collect();
        let is_told = |place: &&String| self.paths.iter().any(|(_, told)| told == *place);
        let others: Vec<&str> = self
            .places
            .iter()
            .filter(|place| !is_told(place))
            .map(String::as_str)
            .collect();
        let named = &others[..others.len().min(PLACES_PER_OBJECT_MAX)];
        let paths = paths.join(", ");
        match (named.join(", "), others.len() - named.len()) {
            (also, _) if also.is_empty() => format!("needed by {paths}"),
            (also, 0) => format!("needed by {paths}; also in {also}"),
            (also, more) => format!("needed by {paths}; also in {also} and {more} more"),
        }
    }
}
