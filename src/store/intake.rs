//! An intake: new objects on their way into packs that a build will own.
//!
//! # Invariants
//!
//! - An object that the view shows, or that this intake has taken already, is not taken again.
//! - Packs are written under `tmp/` where nobody looks, and synced when they are full; they become part of the store by
//!   the transaction that is given the [`Landing`]. What is dropped before that takes its files with it; what a crash
//!   leaves, the next open removes.
//!
//! # Not here
//!
//! Reading, hashing and compressing files in parallel (`build::stage`): an intake takes sealed frames.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::landing::{FinishedPack, Landing, PackFile};
use super::layout;
use super::open::Store;
use super::tables::{PIN_BYTES, pin_bytes};
use super::view::View;
use crate::base::id::Hash;
use crate::base::id::{SnapshotId, TreeId};
use crate::base::{Error, Result};
use crate::disk::files::Sequential;
use crate::object::directory::TreeSource;
use crate::object::edit::TreeSink;
use crate::object::frame_builder::{FrameBuilder, SealedFrame};
use crate::object::kind::ObjectKind;
use crate::object::pack::{PACK_BYTES_TARGET, PACK_OBJECTS_TARGET};
use crate::object::pack_writer::PackWriter;
use crate::object::snapshot::Snapshot;
use crate::object::tree::{Node, TreeRef};
use crate::store::rows::SnapshotRef;

/// New objects on their way into packs.
#[derive(Debug)]
pub struct Intake<'s> {
    store: &'s Store,
    taken: HashSet<[u8; PIN_BYTES]>,
    /// Trees, snapshots and recipes.
    texts: FrameBuilder,
    /// Blobs that come one by one: they have frames of their own.
    blobs: FrameBuilder,
    open: Option<Unfinished>,
    landing: Landing,
}

#[derive(Debug)]
struct Unfinished {
    number: u64,
    file: PackFile,
    writer: PackWriter<Sequential>,
    expanded_bytes: u64,
}

impl Store {
    /// Starts taking in new objects.
    #[must_use]
    pub fn intake(&self) -> Intake<'_> {
        Intake::new(self)
    }
}

impl<'s> Intake<'s> {
    /// Starts with nothing taken.
    pub(super) fn new(store: &'s Store) -> Self {
        Self {
            store,
            taken: HashSet::new(),
            texts: FrameBuilder::new(),
            blobs: FrameBuilder::new(),
            open: None,
            landing: Landing::default(),
        }
    }

    /// Makes room for `objects` more to be taken: a table that grows needs half as much again while it does.
    pub fn expect(&mut self, objects: usize) {
        self.taken.reserve(objects);
    }

    /// Whether an object must be taken in: neither `view` shows it, nor has this intake taken it. If so, it is marked as
    /// taken, and the caller gives it to [`append`](Self::append) or [`put`](Self::put).
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if the catalog cannot be read.
    pub fn wants(&mut self, view: &View<'_>, kind: ObjectKind, id: Hash) -> Result<bool> {
        if self.taken.contains(&pin_bytes(kind, id)) || view.find(kind, id)?.is_some() {
            return Ok(false);
        }
        Ok(self.taken.insert(pin_bytes(kind, id)))
    }

    /// Appends a frame of objects that [`wants`](Self::wants) asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the disk fails; nothing of this intake becomes part of the store then.
    pub fn append(&mut self, frame: &SealedFrame) -> Result<()> {
        let expanded: u64 = frame
            .objects()
            .iter()
            .map(|object| u64::from(object.length))
            .sum();
        let number_of_objects = frame.objects().len() as u64;
        let store = self.store;
        let open = self.open_pack()?;
        let path = open.file.path().to_owned();
        open.writer
            .append(frame)
            .map_err(|source| store.write_failed(&path, source))?;
        open.expanded_bytes += expanded;
        let is_full = open.writer.bytes() >= PACK_BYTES_TARGET
            || open.writer.objects() >= PACK_OBJECTS_TARGET;
        self.landing.objects += number_of_objects;
        self.landing.expanded_bytes += expanded;
        if is_full { self.finish_pack() } else { Ok(()) }
    }

    /// Puts one object into a frame with others of its sort.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn put(&mut self, kind: ObjectKind, id: Hash, bytes: &[u8]) -> Result<()> {
        let open = self.frame_for(kind);
        if !open.is_empty() && !open.has_room_for(bytes.len()) {
            self.seal(kind)?;
        }
        self.frame_for(kind).push(kind, id, bytes)
    }

    /// The frame that is being filled with objects of this kind.
    const fn frame_for(&mut self, kind: ObjectKind) -> &mut FrameBuilder {
        match kind {
            ObjectKind::Blob => &mut self.blobs,
            ObjectKind::Tree | ObjectKind::Recipe | ObjectKind::Snapshot => &mut self.texts,
        }
    }

    fn seal(&mut self, kind: ObjectKind) -> Result<()> {
        let full = std::mem::take(self.frame_for(kind));
        if full.is_empty() {
            return Ok(());
        }
        self.append(&full.seal()?)
    }

    fn open_pack(&mut self) -> Result<&mut Unfinished> {
        if self.open.is_none() {
            let number = self.store.next_pack.fetch_add(1, Ordering::Relaxed);
            let path = layout::unfinished_pack(number);
            let (out, pack_file) = self.store.unlanded.create(path.clone())?;
            let salt = u128::from(number).to_le_bytes();
            let writer = PackWriter::new(Sequential::new(out), salt)
                .map_err(|source| self.store.write_failed(&path, source))?;
            self.open = Some(Unfinished {
                number,
                file: pack_file,
                writer,
                expanded_bytes: 0,
            });
        }
        self.open
            .as_mut()
            .ok_or_else(|| Error::internal("an open pack is there, as it was just made"))
    }

    fn finish_pack(&mut self) -> Result<()> {
        let Some(Unfinished {
            number,
            file,
            writer,
            expanded_bytes,
        }) = self.open.take()
        else {
            return Ok(());
        };
        let finished = writer
            .finish()
            .and_then(|(out, summary)| out.sync().map(|()| summary));
        let summary = finished.map_err(|source| self.store.write_failed(file.path(), source))?;
        let (id, bytes, objects) = (summary.id, summary.bytes, u64::from(summary.objects));
        self.landing.stored_bytes += bytes;
        self.landing.packs.push(FinishedPack {
            number,
            file,
            id,
            bytes,
            objects,
            expanded_bytes,
        });
        Ok(())
    }

    /// Finishes the last pack. The objects become part of the store by the transaction that is given the landing.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn finish(mut self) -> Result<Landing> {
        self.seal(ObjectKind::Blob)?;
        self.seal(ObjectKind::Tree)?;
        self.finish_pack()?;
        Ok(self.landing)
    }

    /// Stores a snapshot, if `view` does not show it.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append); [`Error::Limit`] if it is too large.
    pub fn put_snapshot(&mut self, view: &View<'_>, snapshot: &Snapshot) -> Result<SnapshotRef> {
        let bytes = snapshot.encode()?;
        let id = SnapshotId::of(&bytes);
        if self.wants(view, ObjectKind::Snapshot, id.hash())? {
            self.put(ObjectKind::Snapshot, id.hash(), &bytes)?;
        }
        Ok(SnapshotRef {
            id,
            size: bytes.len() as u64,
        })
    }
}

/// Trees in the making: stores those that edits make, as far as a view does not show them, and shows both.
///
/// Edits read and write at once, so the intake lies in a cell and a shared workshop is the sink.
#[derive(Debug)]
pub struct Workshop<'a, 's> {
    intake: RefCell<&'a mut Intake<'s>>,
    view: &'a View<'s>,
    made: RefCell<HashMap<TreeId, Arc<Node>>>,
}

impl<'a, 's> Workshop<'a, 's> {
    /// Starts with what `view` shows.
    pub fn new(intake: &'a mut Intake<'s>, view: &'a View<'s>) -> Self {
        Self {
            intake: RefCell::new(intake),
            view,
            made: RefCell::default(),
        }
    }
}

impl TreeSink for &Workshop<'_, '_> {
    fn put(&mut self, tree: TreeRef, text: Vec<u8>, node: Node) -> Result<()> {
        let mut intake = self.intake.borrow_mut();
        if intake.wants(self.view, ObjectKind::Tree, tree.id.hash())? {
            intake.put(ObjectKind::Tree, tree.id.hash(), &text)?;
            self.made.borrow_mut().insert(tree.id, Arc::new(node));
        }
        Ok(())
    }
}

impl TreeSource for Workshop<'_, '_> {
    fn node(&self, tree: TreeRef) -> Result<Arc<Node>> {
        match self.made.borrow().get(&tree.id) {
            Some(node) => Ok(Arc::clone(node)),
            None => self.view.node(tree),
        }
    }
}
