//! Reaching: what objects lead to, as a view shows it.
//!
//! # Invariants
//!
//! - Only what is not published is followed: what a published object names is published (I2), and is not looked at.
//! - What was found is good for as long as no published object dies: both answers say how often that had happened.
//!
//! # Not here
//!
//! What is recorded of it (`store::counting`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use super::place::Place;
use super::rows::SnapshotRef;
use super::tables::{PinBytes, pin_bytes};
use super::view::{Found, KnownPublished, View};
use crate::base::id::{Hash, TreeId};
use crate::base::limits::LISTED_PATHS_MAX;
use crate::base::{Error, Result};
use crate::object::edges::{Edge, edges_of, edges_of_node};
use crate::object::kind::ObjectKind;
use crate::object::tree::TreeRef;

/// Blobs from which on several threads look them up: for fewer, waking threads costs more than they save.
const PARALLEL_LOOKUPS_MIN: usize = 16 * 1024;

/// An object by kind and id.
type Object = (ObjectKind, Hash);

/// Where an object stands that something points at.
#[derive(Clone, Copy, Debug)]
enum Standing {
    /// It is published.
    Published,
    /// It is in a pack of one of the builds.
    Own(Place),
}

/// What must be inserted to publish some snapshots: the plan of `Transaction::insert`.
#[derive(Debug, Default)]
#[must_use]
pub struct Graft {
    pub(super) new: BTreeMap<PinBytes, Place>,
    pub(super) added: HashMap<PinBytes, u32>,
    /// How often published objects had died when it was planned.
    pub(super) deaths: u64,
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
    /// How often published objects had died when this was found out.
    pub(super) deaths: u64,
}

impl Reach {
    /// How many objects in the build's own packs are reached.
    #[must_use]
    pub fn own_objects(&self) -> u64 {
        self.own.len() as u64
    }

    /// Checks that nothing is missing of what is needed to do something with a build: to `commit` it, say.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] with the first objects if something is.
    pub fn check_whole(&self, verb: &'static str, build: u64) -> Result<()> {
        let objects: Vec<String> = self
            .missing
            .iter()
            .take(LISTED_PATHS_MAX)
            .cloned()
            .collect();
        if objects.is_empty() {
            Ok(())
        } else {
            Err(Error::Missing {
                verb,
                build,
                objects,
            })
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
        visit: &mut dyn FnMut(Object, u32, Option<Standing>),
    ) -> Result<BTreeMap<PinBytes, Place>> {
        let known = self.known_published()?;
        let standing = |kind, id| self.standing(&known, kind, id);
        let (mut own, mut blobs) = (BTreeMap::new(), Vec::new());
        let mut waiting: Vec<Edge> = roots.to_vec();
        while let Some(edge) = waiting.pop() {
            if edge.kind == ObjectKind::Blob {
                blobs.push(edge.id);
                continue;
            }
            let found = standing(edge.kind, edge.id)?;
            visit((edge.kind, edge.id), 1, found);
            let Some(Standing::Own(place)) = found else {
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
        let find = |edges: &&[Hash]| standing(ObjectKind::Blob, edges[0]);
        let found: Vec<Option<Standing>> = if is_many {
            blobs.par_iter().map(find).collect::<Result<_>>()?
        } else {
            blobs.iter().map(find).collect::<Result<_>>()?
        };
        let mut own_blobs = Vec::new();
        for (edges, found) in blobs.iter().zip(found) {
            let count = u32::try_from(edges.len());
            let count = count.map_err(|_| Error::internal("a count overflows"))?;
            visit((ObjectKind::Blob, edges[0]), count, found);
            if let Some(Standing::Own(place)) = found {
                own_blobs.push((pin_bytes(ObjectKind::Blob, edges[0]), place));
            }
        }
        // Sorted, so this is made in one go.
        own.append(&mut own_blobs.into_iter().collect());
        Ok(own)
    }

    /// Where an object stands. What is known to be published is not looked up.
    fn standing(
        &self,
        known: &KnownPublished,
        kind: ObjectKind,
        id: Hash,
    ) -> Result<Option<Standing>> {
        if known.contains(&pin_bytes(kind, id)) {
            return Ok(Some(Standing::Published));
        }
        Ok(self.find(kind, id)?.map(|found| match found {
            Found::Published(_) => Standing::Published,
            Found::Own(place) => Standing::Own(place),
        }))
    }

    /// What an object of the build's own points at.
    fn edges_at(&self, edge: Edge, place: Place) -> Result<Vec<Edge>> {
        if edge.kind == ObjectKind::Tree {
            let (id, size) = (TreeId::new(edge.id), edge.size);
            let node = self.own_node_at(TreeRef { id, size }, place)?;
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
            Some(Standing::Published) => {
                pins.insert(pin_bytes(kind, id));
            }
            Some(Standing::Own(_)) => {}
            None => missing.push(format!("{} {id}", kind.name())),
        })?;
        let deaths = self.deaths();
        Ok(Reach {
            own,
            pins,
            missing,
            deaths,
        })
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
            None => Ok(Graft {
                new,
                added,
                deaths: self.deaths(),
            }),
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
