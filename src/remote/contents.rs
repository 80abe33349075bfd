//! Contents of origins: what can be looked into elsewhere, object by object. Nothing is believed: every object is checked against its
//! id.
//!
//! # Invariants
//!
//! - Of an origin, only what is looked at is asked for, and what was looked at lately is not asked for again.
//! - An object that no origin shows is damage: its id comes from what was shown, and no path or ref was wrong.
//!
//! # Not here
//!
//! Which snapshot is meant (`remote::snapshots`), taking all of one (`remote::pull`).

use std::sync::Arc;

use super::origin::Origin;
use crate::base::cache::Cache;
use crate::base::id::{BlobId, Hash};
use crate::base::{Error, Result};
use crate::build::contents::Contents;
use crate::object::assembly::{Sink, assemble};
use crate::object::directory::TreeSource;
use crate::object::kind::ObjectKind;
use crate::object::pack_check::check_object;
use crate::object::snapshot::Snapshot;
use crate::object::tree::{Node, TreeRef};
use crate::store::rows::SnapshotRef;

/// Bytes of trees, as text, that are kept.
const NODE_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// The objects that some origins show, each asked for when it is looked at.
pub struct OriginContents<O> {
    /// Of which each object is asked for in turn, until one has it.
    origins: Vec<O>,
    nodes: Cache<Hash, Node>,
}

impl<O: Origin> OriginContents<O> {
    /// What these origins show.
    #[must_use]
    pub fn new(origins: Vec<O>) -> Self {
        let nodes = Cache::new(NODE_CACHE_BYTES);
        Self { origins, nodes }
    }

    /// The bytes of an object, which are what its id says, and of this size if one is promised; of a recipe, that it is one of
    /// that blob.
    fn object(&self, kind: ObjectKind, id: Hash, size: Option<u64>) -> Result<Vec<u8>> {
        for origin in &self.origins {
            let bytes = match origin.object(id) {
                Err(Error::NotFound { .. }) => continue,
                bytes => bytes?,
            };
            let checked = check_object(kind, id, &bytes).and_then(|()| match size {
                Some(size) if bytes.len() as u64 != size => {
                    let reason = format!("it has {} bytes, not {size}", bytes.len());
                    Err(Error::malformed(kind.name(), reason))
                }
                _ => Ok(()),
            });
            checked.map_err(|error| error.in_stored(kind.name(), id, origin.place()))?;
            return Ok(bytes);
        }
        // Whoever asks for an object has its id from what was shown before.
        Err(Error::Damaged {
            what: kind.name(),
            id,
            place: self.place(),
            reason: "it is not shown, although what is shown needs it; it may have been retired"
                .into(),
        })
    }

    fn place(&self) -> String {
        self.origins.first().map(O::place).unwrap_or_default()
    }
}

impl<O: Origin> TreeSource for OriginContents<O> {
    fn node(&self, tree: TreeRef) -> Result<Arc<Node>> {
        let id = tree.id.hash();
        if let Some(node) = self.nodes.find(&id) {
            return Ok(node);
        }
        let text = self.object(ObjectKind::Tree, id, Some(tree.size))?;
        let node = Node::decode(&text);
        let node = node.map_err(|error| error.in_stored("tree", id, self.place()))?;
        Ok(self.nodes.keep(id, node, text.len()))
    }
}

impl<O: Origin> Contents for OriginContents<O> {
    fn snapshot(&self, snapshot: SnapshotRef) -> Result<Snapshot> {
        let id = snapshot.id.hash();
        let text = self.object(ObjectKind::Snapshot, id, Some(snapshot.size))?;
        Snapshot::decode(&text).map_err(|error| error.in_stored("snapshot", id, self.place()))
    }

    fn read_file(&self, id: BlobId, bytes: u64, sink: &mut Sink<'_>) -> Result<()> {
        assemble(id, bytes, &self.place(), sink, &|kind, id, take| {
            take(&self.object(kind, id, None)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Objects;
    use super::*;
    use crate::base::Kind;
    use crate::base::id::{SnapshotId, TreeId};
    use crate::object::directory::entries;
    use crate::object::recipe::{Piece, Recipe};

    type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

    fn read(objects: &Objects, id: Hash, bytes: u64) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let contents = OriginContents::new(vec![objects]);
        contents.read_file(BlobId::new(id), bytes, &mut |piece| {
            all.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn what_is_not_what_its_id_says_is_damage_of_its_origin() {
        let id = Hash::of(b"true");
        for (bytes, size, expected) in [
            (&b"true"[..], 4, Ok(b"true".to_vec())),
            (b"lies", 4, Err(Kind::Integrity)),
            (b"true", 5, Err(Kind::Integrity)),
        ] {
            let objects = Objects::of(&[(id, bytes)]);
            let found = read(&objects, id, size).map_err(|error| error.kind());
            assert_eq!(found, expected, "{bytes:?} {size}");
            let contents = OriginContents::new(vec![&objects]);
            let tree = TreeRef {
                id: TreeId::new(id),
                size,
            };
            let snapshot = SnapshotRef {
                id: SnapshotId::new(id),
                size,
            };
            let found = contents.node(tree).map(drop).map_err(|error| error.kind());
            assert_eq!(found, Err(Kind::Integrity), "no tree");
            let found = contents.snapshot(snapshot);
            let found = found.map(drop).map_err(|error| error.to_string());
            assert!(found.is_err_and(|words| words.contains("there")));
        }
        let missing = read(&Objects::default(), id, 4).map_err(|error| error.kind());
        assert_eq!(
            missing,
            Err(Kind::Integrity),
            "what a tree names must be there"
        );
    }

    #[test]
    fn a_large_file_is_put_together_and_checked_as_a_whole() -> Outcome {
        let (one, two) = (vec![1; 5 << 20], vec![2; 5 << 20]);
        let whole = [one.as_slice(), &two].concat();
        let (id, bytes) = (Hash::of(&whole), whole.len() as u64);
        let piece = |bytes: &[u8]| Piece {
            bytes: bytes.len() as u64,
            id: BlobId::of(bytes),
        };
        let recipe = |pieces| Ok::<_, Error>(Recipe::new(BlobId::new(id), pieces)?.encode());
        let good = recipe(vec![piece(&one), piece(&two)])?;
        let swapped = recipe(vec![piece(&two), piece(&one)])?;
        for (recipe, expected) in [(good, Ok(whole.clone())), (swapped, Err(Kind::Integrity))] {
            let pieces: [(Hash, &[u8]); 3] = [
                (id, &recipe),
                (Hash::of(&one), &one),
                (Hash::of(&two), &two),
            ];
            let found = read(&Objects::of(&pieces), id, bytes);
            assert!(found.map_err(|error| error.kind()) == expected);
        }
        Ok(())
    }

    #[test]
    fn a_tree_is_asked_for_once_and_of_the_next_origin_if_the_first_lacks_it() -> Outcome {
        let trees = crate::object::memory::MemoryTrees::default();
        let tree = trees
            .directory([crate::object::memory::file("f", "1")?])?
            .tree;
        let text = trees.node(tree)?.encode();
        let (without, with) = (
            Objects::default(),
            Objects::of(&[(tree.id.hash(), text.as_slice())]),
        );
        let contents = OriginContents::new(vec![&without, &with]);
        for _ in 0..2 {
            assert_eq!(entries(&contents, tree).count(), 1);
        }
        assert_eq!((without.asked.get(), with.asked.get()), (1, 1));
        Ok(())
    }
}
