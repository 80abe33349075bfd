//! The inventory: which objects one snapshot has and another has not.
//!
//! # Invariants
//!
//! - Objects come once, in the order of the paths that need them.
//!
//! # Not here
//!
//! What becomes of them in a delta (`delta::make`).

use std::collections::HashSet;

use super::changes::{Seen, Way, changes};
use crate::base::id::Hash;
use crate::base::limits::RECIPE_LEVELS_MAX;
use crate::base::{Error, Result};
use crate::object::edges::blob_form;
use crate::object::kind::ObjectKind;
use crate::object::recipe::Recipe;
use crate::object::tree::{Entry, TreeRef};
use crate::store::view::View;

/// A stored object with the bytes of its stored form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its kind.
    pub kind: ObjectKind,
    /// The id under which it is found.
    pub id: Hash,
    /// The bytes of the stored form.
    pub bytes: u64,
}

/// What a second tree has and a first has not.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pub(super) trees: Vec<Item>,
    pub(super) recipes: Vec<Item>,
    pub(super) blobs: Vec<Item>,
    /// Files and links at paths where the first tree has other ones, or none.
    pub(super) files: u64,
    /// Contents that are in these blobs: a large one is in several.
    pub(super) contents: u64,
}

impl Inventory {
    /// Compares two trees.
    ///
    /// # Errors
    ///
    /// Those of reading trees and recipes.
    pub(super) fn of(view: &View<'_>, a: Option<TreeRef>, b: TreeRef) -> Result<Self> {
        let mut old = Taken::default();
        let mut scratch = Self::default();
        if a.is_some() {
            changes(view, a, Some(b), &mut |seen| {
                match seen {
                    Seen::OldNode(node) => old.node(node, &mut scratch),
                    Seen::Entry { a: Some(a), .. } => old.entry(view, a, &mut scratch)?,
                    _ => {}
                }
                Ok(Way::Into)
            })?;
        }
        let mut inventory = Self::default();
        changes(view, a, Some(b), &mut |seen| {
            match seen {
                Seen::NewNode(node) => old.node(node, &mut inventory),
                Seen::Entry { b: Some(b), .. } => {
                    inventory.files += u64::from(b.tree_ref().is_none());
                    old.entry(view, b, &mut inventory)?;
                }
                _ => {}
            }
            Ok(Way::Into)
        })?;
        Ok(inventory)
    }
}

/// The objects in which contents of the second tree are stored, without those that hold contents of the first.
///
/// # Errors
///
/// Those of reading recipes.
pub(super) fn stored(
    view: &View<'_>,
    old: &[(Hash, u64)],
    new: &[(Hash, u64)],
) -> Result<Inventory> {
    let (mut taken, mut scratch, mut inventory) =
        (Taken::default(), Inventory::default(), Inventory::default());
    // Small contents have no pieces that others may share.
    for (id, bytes) in old
        .iter()
        .filter(|(_, bytes)| blob_form(*bytes) == ObjectKind::Recipe)
    {
        taken.blob(view, *id, *bytes, RECIPE_LEVELS_MAX, &mut scratch)?;
    }
    for (id, bytes) in new {
        taken.blob(view, *id, *bytes, RECIPE_LEVELS_MAX, &mut inventory)?;
    }
    Ok(inventory)
}

/// The objects that were met.
#[derive(Debug, Default)]
struct Taken {
    objects: HashSet<(ObjectKind, Hash)>,
    contents: HashSet<Hash>,
}

impl Taken {
    fn node(&mut self, node: TreeRef, into: &mut Inventory) {
        let item = Item {
            kind: ObjectKind::Tree,
            id: node.id.hash(),
            bytes: node.size,
        };
        if self.objects.insert((item.kind, item.id)) {
            into.trees.push(item);
        }
    }

    fn entry(&mut self, view: &View<'_>, entry: &Entry, into: &mut Inventory) -> Result<()> {
        if entry.tree_ref().is_some() {
            return Ok(());
        }
        into.contents += u64::from(self.contents.insert(entry.id()));
        self.blob(view, entry.id(), entry.size(), RECIPE_LEVELS_MAX, into)
    }

    fn blob(
        &mut self,
        view: &View<'_>,
        id: Hash,
        bytes: u64,
        levels: usize,
        into: &mut Inventory,
    ) -> Result<()> {
        let kind = blob_form(bytes);
        if !self.objects.insert((kind, id)) {
            return Ok(());
        }
        let item = Item { kind, id, bytes };
        if kind == ObjectKind::Blob {
            into.blobs.push(item);
            return Ok(());
        }
        let nested = || Error::malformed("recipe", "it is nested too deep");
        let levels = levels.checked_sub(1).ok_or_else(nested)?;
        let text = view.read(kind, id)?;
        let recipe = Recipe::decode(text.as_slice()?)
            .map_err(|error| error.in_stored("recipe", id, "the store"))?;
        let bytes = text.as_slice()?.len() as u64;
        into.recipes.push(Item { bytes, ..item });
        for piece in recipe.pieces() {
            self.blob(view, piece.id.hash(), piece.bytes, levels, into)?;
        }
        Ok(())
    }
}
