//! Closure: everything that a snapshot reaches is there and is what it is said to be.
//!
//! # Invariants
//!
//! - What was checked once is not checked again, so the snapshots of many refs cost little more than one.
//! - Each frame of a pack is expanded once, in the order in which it lies; all cores take part.
//! - Damage names the object, and a path at which it is needed.
//!
//! # Not here
//!
//! Signatures (`build::verify`); what lies in packs and is not needed by any snapshot (`store::fsck`).

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::base::error::check_limit;
use crate::base::id::{BlobId, Hash, TreeId};
use crate::base::limits::{PATH_BYTES_MAX, RECIPE_LEVELS_MAX, SNAPSHOT_ENTRIES_MAX};
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::object::canonical::check_canonical;
use crate::object::directory::{TreeSource, entries, join};
use crate::object::edges::blob_form;
use crate::object::kind::ObjectKind;
use crate::object::recipe::Recipe;
use crate::object::snapshot::Snapshot;
use crate::object::tree::{Entry, Node, Totals, TreeRef};
use crate::store::needs::{Needs, Object};
use crate::store::place::Place;
use crate::store::rows::SnapshotRef;
use crate::store::view::View;

/// The nodes that a view shows, counted as they are loaded.
pub(super) struct Nodes<'v, 's> {
    view: &'v View<'s>,
    seen: RefCell<HashSet<TreeId>>,
    bytes: Cell<u64>,
}

impl<'v, 's> Nodes<'v, 's> {
    pub(super) fn new(view: &'v View<'s>) -> Self {
        Self {
            view,
            seen: RefCell::default(),
            bytes: Cell::new(0),
        }
    }
}

impl TreeSource for Nodes<'_, '_> {
    fn node(&self, tree: TreeRef) -> Result<Arc<Node>> {
        let object = (ObjectKind::Tree, tree.id.hash());
        let node = self.view.node(tree);
        let node = node.map_err(|error| damage(error, object, ""))?;
        if self.seen.borrow_mut().insert(tree.id) {
            self.bytes.set(self.bytes.get() + tree.size);
        }
        Ok(node)
    }
}

/// A check of snapshots that one view shows.
pub(super) struct Closure<'n, 'v, 's> {
    nodes: &'n Nodes<'v, 's>,
    progress: &'n dyn Progress,
    directories: HashMap<TreeId, Extent>,
    /// Stored forms of blobs, with the bytes of each blob.
    blobs: HashMap<Object, u64>,
    snapshots: HashSet<Hash>,
    bytes: u64,
}

/// How far a directory reaches down.
#[derive(Clone, Copy, Debug, Default)]
struct Extent {
    /// The names of the deepest path.
    names: u64,
    /// The bytes of the longest path.
    bytes: usize,
    /// How many entries lie beneath.
    entries: u64,
}

impl Extent {
    fn including(self, entry: &Entry, below: Self) -> Self {
        let slash = usize::from(below.bytes > 0);
        let bytes = entry.name().as_str().len() + slash + below.bytes;
        Self {
            names: self.names.max(below.names + 1),
            bytes: self.bytes.max(bytes),
            entries: self.entries.saturating_add(1).saturating_add(below.entries),
        }
    }
}

/// A stored blob that has yet to be read.
struct Unread {
    place: Place,
    object: Object,
    bytes: u64,
}

/// Where a check is: a path, and what shows the tree.
#[derive(Clone, Copy)]
struct Way<'p> {
    path: &'p TreePath,
    shown: &'p str,
}

impl Way<'_> {
    fn damage(self, error: Error, object: Object) -> Error {
        let need = format!("needed by /{} in {}", self.path, self.shown);
        damage(error, object, &need)
    }
}

impl<'n, 'v, 's> Closure<'n, 'v, 's> {
    pub(super) fn new(nodes: &'n Nodes<'v, 's>, progress: &'n dyn Progress) -> Self {
        Self {
            nodes,
            progress,
            directories: HashMap::new(),
            blobs: HashMap::new(),
            snapshots: HashSet::new(),
            bytes: 0,
        }
    }

    /// Checks everything that `snapshot` reaches; `shown` says in messages what shows it, such as `stable@3`.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] for the first thing that is missing or wrong.
    pub(super) fn check(&mut self, snapshot: SnapshotRef, shown: &str) -> Result<()> {
        if !self.snapshots.insert(snapshot.id.hash()) {
            return Ok(());
        }
        let path = TreePath::root();
        let way = Way { path: &path, shown };
        let object = (ObjectKind::Snapshot, snapshot.id.hash());
        let view = self.nodes.view;
        let text = view.snapshot_of_size(snapshot);
        let text = text.map_err(|error| way.damage(error, object))?;
        let mut unread = Vec::new();
        let extent = self.directory(text.tree, way, &mut unread)?;
        let totals = self.nodes.node(text.tree)?.totals();
        check_text(&text, totals, extent).map_err(|error| way.damage(error, object))?;
        self.bytes += snapshot.size;
        let Some((error, object)) = self.read(unread) else {
            return Ok(());
        };
        let wanted = HashSet::from([object]);
        let mut needs = Needs::new(view, &wanted);
        needs.search(text.tree, shown);
        Err(damage(error, object, &needs.of(object)))
    }

    /// Checks everything that the directory `tree` reaches, but for the bytes of blobs.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub(super) fn check_directory(&mut self, tree: TreeRef, shown: &str) -> Result<()> {
        let path = TreePath::root();
        let way = Way { path: &path, shown };
        self.directory(tree, way, &mut Vec::new()).map(drop)
    }

    /// Checks a directory, and everything beneath it that was not checked before. The bytes of blobs are left `unread`.
    fn directory(
        &mut self,
        tree: TreeRef,
        way: Way<'_>,
        unread: &mut Vec<Unread>,
    ) -> Result<Extent> {
        if let Some(extent) = self.directories.get(&tree.id) {
            return Ok(*extent);
        }
        let object = (ObjectKind::Tree, tree.id.hash());
        check_canonical(self.nodes, tree).map_err(|error| way.damage(error, object))?;
        let mut extent = Extent::default();
        for entry in entries(self.nodes, tree) {
            let entry = entry.map_err(|error| way.damage(error, object))?;
            let path = join(way.path, entry.name()).map_err(|error| way.damage(error, object))?;
            let below = Way { path: &path, ..way };
            let beneath = if let Some(tree) = entry.tree_ref() {
                self.directory(tree, below, unread)?
            } else {
                let blob = (BlobId::new(entry.id()), entry.size());
                unread.extend(self.blob(blob, RECIPE_LEVELS_MAX, below)?);
                Extent::default()
            };
            extent = extent.including(&entry, beneath);
        }
        self.directories.insert(tree.id, extent);
        Ok(extent)
    }

    /// Finds a blob, and the pieces of a large one; says what has yet to be read, if that was not found before.
    fn blob(
        &mut self,
        (id, size): (BlobId, u64),
        levels: usize,
        way: Way<'_>,
    ) -> Result<Option<Unread>> {
        let object = (blob_form(size), id.hash());
        let (kind, id) = object;
        let wrong = |reason: String| way.damage(Error::malformed(kind.name(), reason), object);
        match self.blobs.insert(object, size) {
            Some(known) if known == size => return Ok(None),
            Some(known) => {
                return Err(wrong(format!(
                    "it has {known} bytes elsewhere, here {size}"
                )));
            }
            None => {}
        }
        let view = self.nodes.view;
        let found = view.find(kind, id)?;
        let place = found
            .ok_or_else(|| wrong("it is in no pack".into()))?
            .place();
        if kind == ObjectKind::Blob && u64::from(place.length()) != size {
            return Err(wrong(format!(
                "it has {} bytes, not {size}",
                place.length()
            )));
        }
        if kind == ObjectKind::Recipe {
            let levels = levels.checked_sub(1);
            let levels = levels.ok_or_else(|| wrong("its recipes are nested too deep".into()))?;
            let recipe = view.read_at(kind, id, place);
            let recipe = recipe.and_then(|bytes| Recipe::decode(bytes.as_slice()?));
            for piece in recipe.map_err(|error| way.damage(error, object))?.pieces() {
                // Whoever puts the large blob together reads them.
                self.blob((piece.id, piece.bytes), levels, way)?;
            }
        }
        Ok(Some(Unread {
            place,
            object,
            bytes: size,
        }))
    }

    /// Reads blobs in the order in which they lie, with all cores, up to the first that is wrong.
    fn read(&mut self, mut unread: Vec<Unread>) -> Option<(Error, Object)> {
        unread.sort_unstable_by_key(|blob| blob.place);
        let bytes = unread.iter().map(|blob| blob.bytes).sum();
        self.progress.expect(bytes);
        self.bytes += bytes;
        let frames: Vec<&[Unread]> = unread
            .chunk_by(|a, b| a.place.frame() == b.place.frame())
            .collect();
        let (view, progress) = (self.nodes.view, self.progress);
        frames.into_par_iter().find_map_first(|frame| {
            frame.iter().find_map(|blob| {
                let read = progress.check().and_then(|()| read(view, blob));
                progress.advance(blob.bytes);
                read.err().map(|error| (error, blob.object))
            })
        })
    }

    /// How many snapshots were checked.
    pub(super) fn snapshots(&self) -> u64 {
        self.snapshots.len() as u64
    }

    /// How many objects were found in order: snapshots, trees, blobs, recipes and their pieces.
    pub(super) fn objects(&self) -> u64 {
        let trees = self.nodes.seen.borrow().len();
        (self.snapshots.len() + trees + self.blobs.len()) as u64
    }

    /// The bytes of the snapshots, trees and files, expanded.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes + self.nodes.bytes.get()
    }
}

fn read(view: &View<'_>, blob: &Unread) -> Result<()> {
    let (kind, id) = blob.object;
    match kind {
        ObjectKind::Recipe => view.read_blob(BlobId::new(id), blob.bytes, &mut |_| Ok(())),
        _ => view.read_at(kind, id, blob.place).map(drop),
    }
}

/// Checks what a snapshot says about its tree.
fn check_text(snapshot: &Snapshot, totals: Totals, extent: Extent) -> Result<()> {
    let wrong = |reason: String| Err(Error::malformed("snapshot", reason));
    if snapshot.totals != totals {
        return wrong(format!(
            "it counts {} files of {} bytes, its tree {} of {}",
            snapshot.totals.files(),
            snapshot.totals.bytes(),
            totals.files(),
            totals.bytes()
        ));
    }
    if extent.names > snapshot.depth {
        return wrong(format!(
            "its tree is {} names deep, not {}",
            extent.names, snapshot.depth
        ));
    }
    check_limit(
        "a tree's number of entries",
        extent.entries,
        SNAPSHOT_ENTRIES_MAX,
    )?;
    if extent.bytes > PATH_BYTES_MAX {
        return wrong(format!("a path of its tree has {} bytes", extent.bytes));
    }
    Ok(())
}

/// Says which object an error is about, and what needs it; errors that are not about objects pass unchanged.
fn damage(error: Error, (kind, id): Object, need: &str) -> Error {
    let place = String::from("the store");
    let (what, id, place, reason) = match error {
        Error::Damaged {
            what: "pack",
            id: pack,
            place,
            reason,
        } => (kind.name(), id, place, format!("pack {pack}: {reason}")),
        Error::Damaged {
            what,
            id,
            place,
            reason,
        } => (what, id, place, reason),
        Error::Malformed { reason, .. } => (kind.name(), id, place, reason),
        Error::NotFound { .. } => (kind.name(), id, place, "it is in no pack".into()),
        limit @ Error::Limit { .. } => (kind.name(), id, place, limit.to_string()),
        other => return other,
    };
    let reason = match need {
        "" => reason,
        need => format!("{reason}; {need}"),
    };
    Error::Damaged {
        what,
        id,
        place,
        reason,
    }
}
