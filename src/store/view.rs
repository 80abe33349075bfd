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

use super::catalog::{failed, find_row, open_table};
use super::departed::Era;
use super::landing::Landing;
use super::open::Store;
use super::place::{OpenPack, Place};
use super::rows::{PackRow, SnapshotRef};
use super::tables::{
    OBJECTS, ObjectKey, ObjectRow, ObjectValue, PACKS, PINS, PinBytes, object_key, pin_bytes,
    pins_in,
};
use crate::base::cache::Cache;
use crate::base::id::{Hash, SnapshotId};
use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::object::directory::TreeSource;
use crate::object::edges::edges_of_node;
use crate::object::frame::Frame;
use crate::object::kind::ObjectKind;
use crate::object::pack_reader::PackReader;
use crate::object::snapshot::Snapshot;
use crate::object::tree::{Node, TreeRef};

/// Bytes of expanded frames that a view keeps.
const FRAME_CACHE_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of trees, as text, that a view keeps decoded.
const NODE_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// The number of no repo: they are counted from 1.
const NO_REPO: u32 = 0;

/// The objects that one reader may see.
#[derive(Debug)]
pub struct View<'s> {
    store: &'s Store,
    repo: u32,
    era: Arc<Era<OpenPack>>,
    builds: Vec<u64>,
    published: Published,
    own: Vec<OwnPack>,
    frames: Cache<(u64, u32), Frame<'static>>,
    nodes: Cache<Hash, CachedNode>,
}

#[derive(Debug)]
struct CachedNode {
    node: Arc<Node>,
    is_published: bool,
}

/// Some of the objects that are published, found without looking for each: builds pin no others, and what a published
/// tree names is published (I2).
pub(super) struct KnownPublished {
    /// Sorted lists of pins, one of each build.
    pinned: Vec<Vec<u8>>,
    /// Sorted.
    children: Vec<PinBytes>,
}

impl KnownPublished {
    pub(super) fn contains(&self, pin: &PinBytes) -> bool {
        let mut pinned = self.pinned.iter();
        pinned.any(|list| pins_in(list).binary_search(pin).is_ok())
            || self.children.binary_search(pin).is_ok()
    }
}

/// What is published, and in which packs, as the catalog said when the view was made.
struct Published {
    objects: ReadOnlyTable<ObjectKey, ObjectValue>,
    packs: ReadOnlyTable<u64, &'static [u8]>,
    pins: ReadOnlyTable<(u32, u64), &'static [u8]>,
    /// How often objects had died.
    deaths: u64,
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Published")
    }
}

/// What becomes of a view of packs that cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unreadable {
    /// There is none.
    Fail,
    /// It does not show what is in them.
    PassOver,
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

    /// Shows nothing, as of a repo that is not there yet.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if the catalog cannot be read.
    pub fn view_of_nothing(&self) -> Result<View<'_>> {
        View::new(self, NO_REPO, &[], &Landing::default())
    }

    /// Shows what the packs of `builds` hold, and nothing of what is published.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if a pack of the builds is.
    pub fn view_of_builds_alone(&self, builds: &[u64]) -> Result<View<'_>> {
        View::new(self, NO_REPO, builds, &Landing::default())
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
        Self::open(store, repo, builds, Unreadable::Fail)?.with(landing)
    }

    /// What is published in the repo with this number, and what those packs of `builds` hold that can be opened.
    pub(super) fn of_rest(store: &'s Store, repo: u32, builds: &[u64]) -> Result<Self> {
        Self::open(store, repo, builds, Unreadable::PassOver)
    }

    fn open(store: &'s Store, repo: u32, builds: &[u64], unreadable: Unreadable) -> Result<Self> {
        // Before the catalog is read: what is forgotten after that departs after this.
        let era = store.packs.era();
        let reader = store.reader()?;
        let published = Published {
            objects: open_table(&reader.read, OBJECTS)?,
            packs: reader.table(PACKS)?,
            pins: open_table(&reader.read, PINS)?,
            deaths: reader.deaths()?,
        };
        let mut own = Vec::new();
        for build in builds {
            for number in reader.packs_of(*build)? {
                match store.packs.open_since(&era, reader.pack(number)?.id) {
                    Ok(pack) => own.push(OwnPack { number, pack }),
                    Err(error) if unreadable == Unreadable::Fail => return Err(error),
                    Err(_) => {}
                }
            }
        }
        let (frames, nodes) = (Cache::new(FRAME_CACHE_BYTES), Cache::new(NODE_CACHE_BYTES));
        Ok(Self {
            store,
            repo,
            era,
            builds: builds.to_vec(),
            published,
            own,
            frames,
            nodes,
        })
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

    /// Gives back the memory of what was read and may never be read again: expanded frames, and packs that nobody reads at
    /// this moment. Whoever reads them again pays for it once more.
    pub fn give_back(&self) {
        self.frames.clear();
        self.store.packs.close_idle();
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
        let found = self.find_or_fail(kind, id)?;
        self.read_at(kind, id, found.place())
    }

    /// Reads the object that an id stands for, of whatever kind it is.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_any(&self, id: Hash) -> Result<Vec<u8>> {
        for kind in ObjectKind::ALL {
            if let Some(found) = self.find(kind, id)? {
                let bytes = self.read_at(kind, id, found.place())?;
                return Ok(bytes.as_slice()?.to_vec());
            }
        }
        Err(Error::not_found("object", id))
    }

    /// Finds an object that must be there.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if the view does not show it.
    pub fn find_or_fail(&self, kind: ObjectKind, id: Hash) -> Result<Found> {
        let found = self.find(kind, id)?;
        found.ok_or_else(|| Error::not_found(kind.name(), id))
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

    /// Opens the pack in which an object lies that was found here.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if it cannot be opened.
    pub fn pack_at(&self, place: Place) -> Result<OpenPack> {
        let mut own = self.own.iter();
        match own.find(|own| own.number == place.pack) {
            Some(own) => Ok(Arc::clone(&own.pack)),
            None => self.published_pack(place.pack),
        }
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
        if let Some(frame) = self.frames.find(&key) {
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
    /// How often published objects had died when the view was made.
    pub(super) const fn deaths(&self) -> u64 {
        self.published.deaths
    }

    /// What is known to be published: what the builds pin, and what the published trees name that were read.
    pub(super) fn known_published(&self) -> Result<KnownPublished> {
        let mut pinned = Vec::new();
        for build in &self.builds {
            let list = self.published.pins.get((self.repo, *build));
            pinned.extend(
                list.map_err(failed("read"))?
                    .map(|list| list.value().to_vec()),
            );
        }
        let mut children = Vec::new();
        self.nodes.for_each(|cached| {
            if cached.is_published {
                let edges = edges_of_node(&cached.node);
                children.extend(edges.iter().map(|edge| pin_bytes(edge.kind, edge.id)));
            }
        });
        children.sort_unstable();
        Ok(KnownPublished { pinned, children })
    }

    /// Reads a tree node of a build's own, whose place is known.
    pub(super) fn own_node_at(&self, tree: TreeRef, place: Place) -> Result<Arc<Node>> {
        self.node_by(tree, || Ok(Found::Own(place)))
    }

    fn node_by(&self, tree: TreeRef, find: impl FnOnce() -> Result<Found>) -> Result<Arc<Node>> {
        let id = tree.id.hash();
        if let Some(cached) = self.nodes.find(&id) {
            return Ok(Arc::clone(&cached.node));
        }
        let found = find()?;
        let bytes = self.read_at(ObjectKind::Tree, id, found.place())?;
        let text = bytes.as_slice()?;
        let damaged = |error: Error| error.in_stored("tree", id, "the store");
        if text.len() as u64 != tree.size {
            return Err(damaged(Error::malformed(
                "tree",
                format!("it has {} bytes, not {}", text.len(), tree.size),
            )));
        }
        let node = Arc::new(Node::decode(text).map_err(damaged)?);
        let cached = CachedNode {
            node: Arc::clone(&node),
            is_published: matches!(found, Found::Published(_)),
        };
        self.nodes.keep(id, cached, text.len());
        Ok(node)
    }
}

impl TreeSource for View<'_> {
    fn node(&self, tree: TreeRef) -> Result<Arc<Node>> {
        self.node_by(tree, || self.find_or_fail(ObjectKind::Tree, tree.id.hash()))
    }
}
