//! A view: the objects that one reader may see, at one moment.
//!
//! A view of a repo shows what is published there; a view of builds adds what their packs hold. Objects of other builds
//! and of other repos are never seen, so nobody can probe for them or come to depend on them.
//!
//! # Invariants
//!
//! - **I6**: bytes returned hash to the id that was asked for, or the read fails.
//! - A view keeps showing what it showed when it was made, also while others publish and purge.
//!
//! # Not here
//!
//! Putting large blobs together (`store::blob`).

use std::sync::Arc;

use redb::ReadOnlyTable;

use super::cache::Cache;
use super::catalog::{failed, find_row, open_table};
use super::departed::Era;
use super::landing::Landing;
use super::open::Store;
use super::place::{OpenPack, Place};
use super::rows::{PackRow, SnapshotRef};
use super::tables::{OBJECTS, ObjectKey, ObjectRow, ObjectValue, PACKS, object_key};
use crate::base::id::{Hash, SnapshotId};
use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::object::directory::TreeSource;
use crate::object::frame::Frame;
use crate::object::kind::ObjectKind;
use crate::object::pack_reader::PackReader;
use crate::object::snapshot::Snapshot;
use crate::object::tree::{Node, TreeRef};

/// Bytes of expanded frames that a view keeps.
const FRAME_CACHE_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of trees, as text, that a view keeps decoded.
const NODE_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// The objects that one reader may see.
#[derive(Debug)]
pub struct View<'s> {
    store: &'s Store,
    repo: u32,
    era: Arc<Era<OpenPack>>,
    published: Published,
    own: Vec<OwnPack>,
    frames: Cache<(u64, u32), Frame<'static>>,
    nodes: Cache<Hash, Arc<Node>>,
}

/// What is published, and in which packs, as the catalog said when the view was made.
struct Published {
    objects: ReadOnlyTable<ObjectKey, ObjectValue>,
    packs: ReadOnlyTable<u64, &'static [u8]>,
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Published")
    }
}

#[derive(Debug)]
struct OwnPack {
    number: u64,
    pack: OpenPack,
}

/// Where a view found an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// In the published set of the repo.
    Published(Place),
    /// In a pack of one of the builds.
    Own(Place),
}

impl Found {
    /// The place, wherever it is.
    #[must_use]
    pub const fn place(self) -> Place {
        match self {
            Self::Published(place) | Self::Own(place) => place,
        }
    }

    /// The place, if it is in a pack of one of the builds.
    pub(super) const fn own(self) -> Option<Place> {
        match self {
            Self::Published(_) => None,
            Self::Own(place) => Some(place),
        }
    }
}

/// The bytes of one object, as they lie in an expanded frame.
#[derive(Clone, Debug)]
pub struct Bytes {
    kind: ObjectKind,
    frame: Arc<Frame<'static>>,
    start: u32,
    length: u32,
}

impl Bytes {
    /// Shows the bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the frame has no such bytes.
    pub fn as_slice(&self) -> Result<&[u8]> {
        self.frame.object(self.kind, self.start, self.length)
    }
}

impl Store {
    /// Shows what is published in a repo, and what the packs of `builds` hold.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such repo, [`Error::Damaged`] if a pack of the builds is.
    pub fn view(&self, repo: &RepoName, builds: &[u64]) -> Result<View<'_>> {
        self.view_with(repo, builds, &Landing::default())
    }

    /// Shows what [`view`](Self::view) shows and what `landing` is about to bring.
    ///
    /// # Errors
    ///
    /// As [`view`](Self::view).
    pub fn view_with(
        &self,
        repo: &RepoName,
        builds: &[u64],
        landing: &Landing,
    ) -> Result<View<'_>> {
        let number = self.reader()?.repo(repo)?.number;
        View::new(self, number, builds, landing)
    }
}

impl<'s> View<'s> {
    /// What is published in the repo with this number, and what the packs of `builds` hold and `landing` brings.
    pub(super) fn new(
        store: &'s Store,
        repo: u32,
        builds: &[u64],
        landing: &Landing,
    ) -> Result<Self> {
        // Before the catalog is read: what is forgotten after that departs after this.
        let era = store.packs.era();
        let reader = store.reader()?;
        let published = Published {
            objects: open_table(&reader.read, OBJECTS)?,
            packs: reader.table(PACKS)?,
        };
        let mut own = Vec::new();
        for build in builds {
            for number in reader.packs_of(*build)? {
                let pack = store.packs.open_since(&era, reader.pack(number)?.id)?;
                own.push(OwnPack { number, pack });
            }
        }
        let (frames, nodes) = (Cache::new(FRAME_CACHE_BYTES), Cache::new(NODE_CACHE_BYTES));
        let view = Self {
            store,
            repo,
            era,
            published,
            own,
            frames,
            nodes,
        };
        view.with(landing)
    }

    /// The same view, which shows what `landing` is about to bring as well. What it has read it need not read again.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a pack cannot be read.
    pub fn with(mut self, landing: &Landing) -> Result<Self> {
        for pack in &landing.packs {
            let bytes = self.store.disk.map(pack.file.path())?;
            self.own.push(OwnPack {
                number: pack.number,
                pack: Arc::new(PackReader::open(bytes)?),
            });
        }
        Ok(self)
    }

    /// The store that this view shows.
    #[must_use]
    pub const fn store(&self) -> &'s Store {
        self.store
    }

    /// The number of the repo.
    pub(super) const fn repo(&self) -> u32 {
        self.repo
    }

    /// The row of a published object.
    pub(super) fn published_row(&self, kind: ObjectKind, id: Hash) -> Result<Option<ObjectRow>> {
        let row = self
            .published
            .objects
            .get(object_key(self.repo, kind, id))
            .map_err(failed("read"))?;
        Ok(row.map(|row| ObjectRow::decode(&row.value())))
    }

    /// Finds an object: among the published ones first, then in the builds' packs.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if the catalog cannot be read.
    pub fn find(&self, kind: ObjectKind, id: Hash) -> Result<Option<Found>> {
        if let Some(row) = self.published_row(kind, id)? {
            return Ok(Some(Found::Published(row.place)));
        }
        Ok(self.own.iter().find_map(|own| {
            own.pack.find(kind, id).map(|location| {
                let (frame, start, length) = (location.frame, location.start, location.length);
                Found::Own(Place {
                    pack: own.number,
                    frame,
                    start,
                    length,
                })
            })
        }))
    }

    /// Reads an object and checks it; a recipe is checked by whoever puts its blob together.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if the view does not show it, [`Error::Damaged`] if its bytes are not what its id says.
    pub fn read(&self, kind: ObjectKind, id: Hash) -> Result<Bytes> {
        let found = self
            .find(kind, id)?
            .ok_or_else(|| Error::not_found(kind.name(), id))?;
        self.read_at(kind, id, found.place())
    }

    /// Reads an object whose place is known; otherwise as [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_at(&self, kind: ObjectKind, id: Hash, place: Place) -> Result<Bytes> {
        let damaged =
            |error: Error| error.in_stored(kind.name(), id, self.store.pack_place(place.pack));
        let frame = self.frame(place).map_err(damaged)?;
        let bytes = Bytes {
            kind,
            frame,
            start: place.start,
            length: place.length,
        };
        if kind != ObjectKind::Recipe && Hash::of(bytes.as_slice().map_err(damaged)?) != id {
            return Err(damaged(Error::malformed(
                kind.name(),
                "its bytes have another hash",
            )));
        }
        Ok(bytes)
    }

    fn published_pack(&self, number: u64) -> Result<OpenPack> {
        let row: Option<PackRow> = find_row(&self.published.packs, number)?;
        let row = row.ok_or_else(|| {
            Error::malformed("catalog", format!("it has no row of pack {number}"))
        })?;
        self.store.packs.open_since(&self.era, row.id)
    }

    fn frame(&self, place: Place) -> Result<Arc<Frame<'static>>> {
        let key = (place.pack, place.frame);
        if let Some(frame) = self.frames.find(key) {
            return Ok(frame);
        }
        let own = self.own.iter().find(|own| own.number == place.pack);
        let frame = match own {
            Some(own) => own.pack.frame(place.frame)?.into_owned(),
            None => self
                .published_pack(place.pack)?
                .frame(place.frame)?
                .into_owned(),
        };
        let bytes = frame.raw_bytes();
        Ok(self.frames.keep(key, frame, bytes))
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn snapshot(&self, id: SnapshotId) -> Result<Snapshot> {
        let bytes = self.read(ObjectKind::Snapshot, id.hash())?;
        Snapshot::decode(bytes.as_slice()?)
            .map_err(|error| error.in_stored("snapshot", id.hash(), "the store"))
    }

    /// Reads a snapshot of a known size.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); also [`Error::Damaged`] if it has another size.
    pub fn snapshot_of_size(&self, snapshot: SnapshotRef) -> Result<Snapshot> {
        let bytes = self.read(ObjectKind::Snapshot, snapshot.id.hash())?;
        if bytes.as_slice()?.len() as u64 != snapshot.size {
            let error = Error::malformed(
                "snapshot",
                format!("it does not have the {} bytes promised", snapshot.size),
            );
            return Err(error.in_stored("snapshot", snapshot.id.hash(), "the store"));
        }
        self.snapshot(snapshot.id)
    }
}

impl View<'_> {
    /// Reads a tree node whose place is known.
    pub(super) fn node_at(&self, tree: TreeRef, place: Place) -> Result<Arc<Node>> {
        self.node_from(tree, |id| self.read_at(ObjectKind::Tree, id, place))
    }

    fn node_from(
        &self,
        tree: TreeRef,
        read: impl FnOnce(Hash) -> Result<Bytes>,
    ) -> Result<Arc<Node>> {
        let id = tree.id.hash();
        if let Some(node) = self.nodes.find(id) {
            return Ok(Arc::clone(&node));
        }
        let bytes = read(id)?;
        let text = bytes.as_slice()?;
        let damaged = |error: Error| error.in_stored("tree", id, "the store");
        if text.len() as u64 != tree.size {
            return Err(damaged(Error::malformed(
                "tree",
                format!("it has {} bytes, not {}", text.len(), tree.size),
            )));
        }
        let node = Arc::new(Node::decode(text).map_err(damaged)?);
        self.nodes.keep(id, Arc::clone(&node), text.len());
        Ok(node)
    }
}

impl TreeSource for View<'_> {
    fn node(&self, tree: TreeRef) -> Result<Arc<Node>> {
        self.node_from(tree, |id| self.read(ObjectKind::Tree, id))
    }
}
