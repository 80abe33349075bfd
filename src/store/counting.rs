//! Counting: how many published parents and roots point at each published object.
//!
//! Publishing adds one for each edge of a newly inserted object and for each root; retiring takes away and follows the
//! zeros down. Both cost what changes, never a scan of the store.
//!
//! # Invariants
//!
//! - **I2**: every published tree, recipe and snapshot has all its children published.
//! - **I3**: the count of every object equals the count recomputed from the published trees and roots.
//! - An object dies when its count is zero and nothing pins it; while only pins keep it, it is listed as lingering.
//!
//! # Not here
//!
//! Counting everything anew to compare (`store::fsck`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;
use redb::{ReadableTable, ReadableTableMetadata};

use super::catalog::failed;
use super::landing::Landing;
use super::place::Place;
use super::rows::{Owner, Receipt, SnapshotRef};
use super::tables::{
    LINGERING, OBJECTS, ObjectRow, PACKS, PIN_BYTES, PINS, PinBytes, object_key, parse_pin,
    pin_bytes,
};
use super::transaction::Transaction;
use super::view::{Found, View};
use crate::base::id::{Hash, TreeId};
use crate::base::limits::LISTED_PATHS_MAX;
use crate::base::{Error, Kind, Result};
use crate::object::edges::{Edge, edges_of, edges_of_node};
use crate::object::kind::ObjectKind;
use crate::object::tree::TreeRef;

/// Blobs from which on several threads look them up: for fewer, waking threads costs more than they save.
const PARALLEL_LOOKUPS_MIN: usize = 16 * 1024;

/// An object by kind and id.
type Object = (ObjectKind, Hash);

/// What must be inserted to publish some snapshots: the plan of `Transaction::insert`.
#[derive(Debug, Default)]
#[must_use]
pub struct Graft {
    new: BTreeMap<PinBytes, Place>,
    added: HashMap<PinBytes, u32>,
}

/// What a build's snapshots reach.
#[derive(Debug, Default)]
#[must_use]
pub struct Reach {
    /// Objects in the build's own packs, and where.
    pub(super) own: BTreeMap<PinBytes, Place>,
    /// Published objects that the own ones, or the roots, point at.
    pub(super) pins: BTreeSet<PinBytes>,
    /// Objects that are nowhere.
    pub missing: Vec<String>,
}

impl Reach {
    /// Checks that nothing is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] with the first objects if something is.
    pub fn check_whole(&self, build: u64) -> Result<()> {
        let objects: Vec<String> = self
            .missing
            .iter()
            .take(LISTED_PATHS_MAX)
            .cloned()
            .collect();
        if objects.is_empty() {
            Ok(())
        } else {
            Err(Error::Missing { build, objects })
        }
    }
}

impl View<'_> {
    /// Follows some objects through everything that is not published. `visit` is told once of each blob and its number of
    /// edges, and of every edge to anything else.
    ///
    /// Most objects are blobs, which lead nowhere: they are looked up last and in the order of the indexes.
    fn follow(
        &self,
        roots: &[Edge],
        visit: &mut dyn FnMut(Object, u32, Option<Found>),
    ) -> Result<BTreeMap<PinBytes, Place>> {
        let (mut own, mut blobs) = (BTreeMap::new(), Vec::new());
        let mut waiting: Vec<Edge> = roots.to_vec();
        while let Some(edge) = waiting.pop() {
            if edge.kind == ObjectKind::Blob {
                blobs.push(edge.id);
                continue;
            }
            let found = self.find(edge.kind, edge.id)?;
            visit((edge.kind, edge.id), 1, found);
            let Some(Found::Own(place)) = found else {
                continue;
            };
            if own.insert(pin_bytes(edge.kind, edge.id), place).is_none() {
                // Backwards, so that the first is followed first and packs are read in the order they were written.
                waiting.extend(self.edges_at(edge, place)?.iter().rev());
            }
        }
        let is_many = blobs.len() >= PARALLEL_LOOKUPS_MIN;
        if is_many {
            blobs.par_sort_unstable();
        } else {
            blobs.sort_unstable();
        }
        let blobs: Vec<&[Hash]> = blobs.chunk_by(|one, other| one == other).collect();
        let find = |edges: &&[Hash]| self.find(ObjectKind::Blob, edges[0]);
        let found: Vec<Option<Found>> = if is_many {
            blobs.par_iter().map(find).collect::<Result<_>>()?
        } else {
            blobs.iter().map(find).collect::<Result<_>>()?
        };
        for (edges, found) in blobs.iter().zip(&found) {
            let count = u32::try_from(edges.len());
            let count = count.map_err(|_| Error::internal("a count overflows"))?;
            visit((ObjectKind::Blob, edges[0]), count, *found);
        }
        let own_blobs = blobs.iter().zip(found).filter_map(|(edges, found)| {
            let pin = pin_bytes(ObjectKind::Blob, edges[0]);
            found?.own().map(|place| (pin, place))
        });
        own.extend(own_blobs.collect::<BTreeMap<_, _>>());
        Ok(own)
    }

    /// What an object of the build's own points at.
    fn edges_at(&self, edge: Edge, place: Place) -> Result<Vec<Edge>> {
        if edge.kind == ObjectKind::Tree {
            let (id, size) = (TreeId::new(edge.id), edge.size);
            let node = self.node_at(TreeRef { id, size }, place)?;
            return Ok(edges_of_node(&node));
        }
        let bytes = self.read_at(edge.kind, edge.id, place)?;
        edges_of(edge.kind, bytes.as_slice()?)
            .map_err(|error| error.in_stored(edge.kind.name(), edge.id, "the build"))
    }

    /// Finds what objects reach: which of the build's own objects, and which published ones directly.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if an object on the way is; what is missing is listed in the answer.
    pub fn reach(&self, roots: &[Edge]) -> Result<Reach> {
        let (mut pins, mut missing) = (BTreeSet::new(), Vec::new());
        let own = self.follow(roots, &mut |(kind, id), _, found| match found {
            Some(Found::Published(_)) => {
                pins.insert(pin_bytes(kind, id));
            }
            Some(Found::Own(_)) => {}
            None => missing.push(format!("{} {id}", kind.name())),
        })?;
        Ok(Reach { own, pins, missing })
    }

    /// Plans the publication of `roots`.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if an object is not to be found, or its bytes are wrong.
    pub fn graft(&self, roots: &[SnapshotRef]) -> Result<Graft> {
        let roots: Vec<Edge> = roots.iter().map(|root| snapshot_edge(*root)).collect();
        let mut added: HashMap<PinBytes, u32> = HashMap::new();
        let mut lost = None;
        let new = self.follow(&roots, &mut |(kind, id), count, found| {
            *added.entry(pin_bytes(kind, id)).or_default() += count;
            if found.is_none() {
                lost = Some((kind, id));
            }
        })?;
        match lost {
            Some((kind, id)) => Err(lost_object(kind, id)),
            None => Ok(Graft { new, added }),
        }
    }
}

/// A tree as a root.
#[must_use]
pub fn tree_edge(tree: TreeRef) -> Edge {
    Edge {
        kind: ObjectKind::Tree,
        id: tree.id.hash(),
        size: tree.size,
    }
}

/// A snapshot as a root.
#[must_use]
pub fn snapshot_edge(snapshot: SnapshotRef) -> Edge {
    Edge {
        kind: ObjectKind::Snapshot,
        id: snapshot.id.hash(),
        size: snapshot.size,
    }
}

fn lost_object(kind: ObjectKind, id: Hash) -> Error {
    Error::malformed(kind.name(), "it is in no pack").in_stored(kind.name(), id, "the store")
}

/// Objects and bytes that became live, or ceased to be, in one pack.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    objects: u64,
    bytes: u64,
}

impl Tally {
    fn add(&mut self, place: Place) {
        self.objects += 1;
        self.bytes += u64::from(place.length);
    }
}

impl Transaction<'_> {
    /// Publishes what a graft planned: inserts the new objects and adds to the counts of all that are pointed at.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if what is published has changed since the graft was planned; nothing changes then.
    pub(super) fn insert(&self, repo: u32, graft: &Graft) -> Result<()> {
        let mut tallies: BTreeMap<u64, Tally> = BTreeMap::new();
        let mut objects = self.write.open_table(OBJECTS).map_err(failed("write"))?;
        let mut lingering = self.write.open_table(LINGERING).map_err(failed("write"))?;
        let mut added: Vec<_> = graft.added.iter().collect();
        added.sort_unstable();
        for (pin, count) in added {
            let (kind, id) = parse_pin(pin)?;
            let key = object_key(repo, kind, id);
            let row = objects
                .get(key)
                .map_err(failed("read"))?
                .map(|row| ObjectRow::decode(&row.value()));
            let row = match (row, graft.new.get(pin)) {
                (Some(row), None) => {
                    if row.count == 0 {
                        lingering.remove(key).map_err(failed("write"))?;
                    }
                    let count = row
                        .count
                        .checked_add(*count)
                        .ok_or_else(|| Error::internal("a count overflows"))?;
                    ObjectRow { count, ..row }
                }
                (None, Some(place)) => {
                    tallies.entry(place.pack).or_default().add(*place);
                    ObjectRow {
                        place: *place,
                        count: *count,
                    }
                }
                // Adding for the edges of what is published already would count them twice.
                (Some(_), Some(_)) | (None, None) => {
                    return Err(Error::refused(format!(
                        "{} {id} was published or retired meanwhile; try again",
                        kind.name()
                    )));
                }
            };
            objects.insert(key, row.encode()).map_err(failed("write"))?;
        }
        for (number, tally) in tallies {
            let mut pack = self.pack(number)?;
            pack.live_objects += tally.objects;
            pack.live_bytes += tally.bytes;
            self.put(PACKS, number, &pack)?;
        }
        Ok(())
    }

    /// Takes one from the count of each of `pins`, and follows the zeros down. What dies is read through `view`.
    ///
    /// Returns the packs in which something died, and how many objects did.
    pub(super) fn subtract(
        &self,
        view: &View<'_>,
        pins: Vec<PinBytes>,
    ) -> Result<(BTreeSet<u64>, u64)> {
        self.follow_zeros(view, pins, 1)
    }

    /// Lets those of `pins` die that only pins had kept, now that a build's pins are gone.
    fn unpin(&self, view: &View<'_>, pins: &[u8]) -> Result<(BTreeSet<u64>, u64)> {
        let lingering = self.write.open_table(LINGERING).map_err(failed("read"))?;
        let mut freed = Vec::new();
        if !lingering.is_empty().map_err(failed("read"))? {
            for pin in chunks(pins) {
                let (kind, id) = parse_pin(pin)?;
                if lingering
                    .get(object_key(view.repo(), kind, id))
                    .map_err(failed("read"))?
                    .is_some()
                {
                    freed.push(*pin);
                }
            }
        }
        drop(lingering);
        if freed.is_empty() {
            return Ok((BTreeSet::new(), 0));
        }
        self.follow_zeros(view, freed, 0)
    }

    fn follow_zeros(
        &self,
        view: &View<'_>,
        pins: Vec<PinBytes>,
        taken: u32,
    ) -> Result<(BTreeSet<u64>, u64)> {
        let repo = view.repo();
        let pinned = self.pins_of_repo(repo)?;
        let is_pinned = |pin: &PinBytes| {
            pinned
                .iter()
                .any(|list| chunks(list).binary_search(pin).is_ok())
        };
        let mut tallies: BTreeMap<u64, Tally> = BTreeMap::new();
        let mut died = 0;
        let mut objects = self.write.open_table(OBJECTS).map_err(failed("write"))?;
        let mut lingering = self.write.open_table(LINGERING).map_err(failed("write"))?;
        let mut waiting: Vec<(PinBytes, u32)> = pins.into_iter().map(|pin| (pin, taken)).collect();
        while let Some((pin, taken)) = waiting.pop() {
            let (kind, id) = parse_pin(&pin)?;
            let key = object_key(repo, kind, id);
            let row = objects
                .get(key)
                .map_err(failed("read"))?
                .map(|row| ObjectRow::decode(&row.value()));
            let row = row
                .ok_or_else(|| Error::internal(format!("{} {id} is not published", kind.name())))?;
            let count = row
                .count
                .checked_sub(taken)
                .ok_or_else(|| Error::internal("a count falls below zero"))?;
            if count > 0 || is_pinned(&pin) {
                objects
                    .insert(key, ObjectRow { count, ..row }.encode())
                    .map_err(failed("write"))?;
                if count == 0 {
                    lingering.insert(key, ()).map_err(failed("write"))?;
                }
                continue;
            }
            objects.remove(key).map_err(failed("write"))?;
            lingering.remove(key).map_err(failed("write"))?;
            tallies.entry(row.place.pack).or_default().add(row.place);
            died += 1;
            let edges = edges_of_dying(view, kind, id, row.place)?;
            waiting.extend(edges.iter().map(|e| (pin_bytes(e.kind, e.id), 1)));
        }
        for (number, tally) in &tallies {
            let mut pack = self.pack(*number)?;
            pack.live_objects = pack.live_objects.saturating_sub(tally.objects);
            pack.live_bytes = pack.live_bytes.saturating_sub(tally.bytes);
            self.put(PACKS, *number, &pack)?;
        }
        Ok((tallies.into_keys().collect(), died))
    }

    /// Those of `pins` that are not published, by kind and id.
    pub(super) fn missing_pins(&self, repo: u32, pins: &BTreeSet<PinBytes>) -> Result<Vec<String>> {
        let objects = self.write.open_table(OBJECTS).map_err(failed("read"))?;
        let mut missing = Vec::new();
        for pin in pins {
            let (kind, id) = parse_pin(pin)?;
            let row = objects
                .get(object_key(repo, kind, id))
                .map_err(failed("read"))?;
            if row.is_none() {
                missing.push(format!("{} {id}", kind.name()));
            }
        }
        Ok(missing)
    }

    /// The pins of every build for a repo, one sorted list each.
    fn pins_of_repo(&self, repo: u32) -> Result<Vec<Vec<u8>>> {
        let pins = self.write.open_table(PINS).map_err(failed("read"))?;
        let lists = pins
            .range((repo, 0)..=(repo, u64::MAX))
            .map_err(failed("read"))?;
        lists
            .map(|entry| Ok(entry.map_err(failed("read"))?.1.value().to_vec()))
            .collect()
    }

    /// Hands a build's packs to its repo. Packs in which nothing is published are forgotten.
    pub(super) fn hand_over(&mut self, build: u64, repo: u32) -> Result<()> {
        for (number, pack) in self.packs_of(build)? {
            if pack.live_objects == 0 {
                self.doom(number)?;
            } else {
                self.disown(build, number)?;
                self.put(
                    PACKS,
                    number,
                    &super::rows::PackRow {
                        owner: Owner::Repo(repo),
                        ..pack
                    },
                )?;
            }
        }
        Ok(())
    }

    /// Replaces a build's pins without looking whether they are published.
    pub(super) fn put_pins(&self, repo: u32, build: u64, pins: &BTreeSet<PinBytes>) -> Result<()> {
        let list: Vec<u8> = pins.iter().flatten().copied().collect();
        let mut table = self.write.open_table(PINS).map_err(failed("write"))?;
        table
            .insert((repo, build), list.as_slice())
            .map_err(failed("write"))?;
        Ok(())
    }

    /// Pins published objects for a build, in place of those it pinned before.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if some are not published any more; nothing changes then.
    pub(super) fn pin(&self, repo: u32, build: u64, pins: &BTreeSet<PinBytes>) -> Result<()> {
        let mut objects = self.missing_pins(repo, pins)?;
        if objects.is_empty() {
            return self.put_pins(repo, build, pins);
        }
        objects.truncate(LISTED_PATHS_MAX);
        Err(Error::Missing { build, objects })
    }

    /// Drops a build's pins and returns them. What only they kept lingers on.
    pub(super) fn drop_pins(&self, repo: u32, build: u64) -> Result<Vec<u8>> {
        let mut table = self.write.open_table(PINS).map_err(failed("write"))?;
        let pins = table.remove((repo, build)).map_err(failed("write"))?;
        Ok(pins.map(|list| list.value().to_vec()).unwrap_or_default())
    }

    /// Drops a build's pins, and lets go of what only they kept. Returns what that frees.
    pub(super) fn let_go(&mut self, repo: u32, build: u64) -> Result<Receipt> {
        // A view made now shows what the transaction started from: nobody else can write meanwhile.
        let view = View::new(self.store, repo, &[], &Landing::default())?;
        let pins = self.drop_pins(repo, build)?;
        let (thinned, objects) = self.unpin(&view, &pins)?;
        let freed = self.doom_dead(&thinned)?;
        Ok(Receipt { objects, ..freed })
    }
}

/// What an object that dies points at. Of a damaged one that is not known, so what it points at stays counted: that leaks
/// until counts are recomputed, but what is damaged can be let go of like anything else.
fn edges_of_dying(view: &View<'_>, kind: ObjectKind, id: Hash, place: Place) -> Result<Vec<Edge>> {
    if kind == ObjectKind::Blob {
        return Ok(Vec::new());
    }
    let read = view
        .read_at(kind, id, place)
        .and_then(|bytes| edges_of(kind, bytes.as_slice()?));
    match read {
        Err(error) if error.kind() == Kind::Integrity => Ok(Vec::new()),
        read => read,
    }
}

/// A list of pins, one by one; a torn last one is left out.
pub(super) fn chunks(list: &[u8]) -> &[PinBytes] {
    let (pins, _) = list.as_chunks::<PIN_BYTES>();
    pins
}
