//! Edges: what an object points at.
//!
//! Everything that follows objects through the store asks here: publishing, counting, retiring, verifying.
//!
//! # Invariants
//!
//! - The form in which a blob is stored is a function of its size: whole up to [`WHOLE_BLOB_BYTES_MAX`], as a recipe
//!   above. So an edge names exactly one stored object.

use super::kind::ObjectKind;
use super::recipe::Recipe;
use super::snapshot::Snapshot;
use super::tree::{EntryKind, Node};
use crate::base::Result;
use crate::base::id::Hash;
use crate::base::limits::WHOLE_BLOB_BYTES_MAX;

/// One object pointing at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The kind of the other object.
    pub kind: ObjectKind,
    /// Its id.
    pub id: Hash,
    /// The bytes that the pointing object says it has; of a recipe, those of the blob that it makes.
    pub size: u64,
}

/// The form in which a blob of `size` bytes is stored.
#[must_use]
pub const fn blob_form(size: u64) -> ObjectKind {
    if size > WHOLE_BLOB_BYTES_MAX {
        ObjectKind::Recipe
    } else {
        ObjectKind::Blob
    }
}

/// What a tree points at, in the order of its lines; the same object may come more than once.
#[must_use]
pub fn edges_of_node(node: &Node) -> Vec<Edge> {
    match node {
        Node::Leaf(leaf) => leaf
            .entries()
            .iter()
            .map(|entry| {
                let kind = if entry.kind() == EntryKind::Directory {
                    ObjectKind::Tree
                } else {
                    blob_form(entry.size())
                };
                Edge {
                    kind,
                    id: entry.id(),
                    size: entry.size(),
                }
            })
            .collect(),
        Node::Index(index) => index
            .lines()
            .iter()
            .map(|line| Edge {
                kind: ObjectKind::Tree,
                id: line.tree_ref().id.hash(),
                size: line.tree_ref().size,
            })
            .collect(),
    }
}

/// What the object with these bytes points at.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if the bytes are not an object of that kind.
pub fn edges_of(kind: ObjectKind, bytes: &[u8]) -> Result<Vec<Edge>> {
    match kind {
        ObjectKind::Blob => Ok(Vec::new()),
        ObjectKind::Tree => Ok(edges_of_node(&Node::decode(bytes)?)),
        ObjectKind::Snapshot => {
            let tree = Snapshot::decode(bytes)?.tree;
            Ok(vec![Edge {
                kind: ObjectKind::Tree,
                id: tree.id.hash(),
                size: tree.size,
            }])
        }
        ObjectKind::Recipe => Ok(Recipe::decode(bytes)?
            .pieces()
            .iter()
            .map(|piece| Edge {
                kind: blob_form(piece.bytes),
                id: piece.id.hash(),
                size: piece.bytes,
            })
            .collect()),
    }
}
