//! The published set of one repo, loaded as a whole: every object, and what each points at.
//!
//! # Invariants
//!
//! - Objects are known by their place in one sorted list, so that a million of them with all their edges fit in memory.
//! - Trees, recipes and snapshots are read in the order in which they lie; each frame is expanded once.
//!
//! # Not here
//!
//! What follows from it: whether packs hold the objects (`store::fsck`), whether the counts are right (`store::counts`).

use std::collections::BTreeMap;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::catalog::{failed, open_table};
use super::needs::Object;
use super::place::Place;
use super::reader::Reader;
use super::tables::{OBJECTS, ObjectRow, object_key, parse_object_key, parse_pin};
use super::view::View;
use crate::base::error::{Error, Result};
use crate::base::id::{HASH_BYTES, Hash};
use crate::object::edges::{Edge, edges_of};
use crate::object::kind::ObjectKind;

/// The published objects of one repo.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// By id, then kind, ascending, as in the catalog.
    rows: Vec<((Hash, ObjectKind), ObjectRow)>,
    /// What each row's object points at, as places in `rows`.
    children: Vec<Box<[u32]>>,
}

/// An object that is missing from the published set, or that cannot be read.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) object: Object,
    /// What points at it, if it is only known by that; the object itself can be read or not.
    pub(super) parent: Option<Object>,
    pub(super) reason: String,
}

/// What one object points at, as far as it is published; and what is not.
type Children = (usize, Box<[u32]>, Vec<Fault>);

impl Published {
    /// Loads the rows of the repo that `view` shows.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if the catalog cannot be read, [`Error::Malformed`] if a row is none.
    pub(super) fn load(reader: &Reader<'_>, view: &View<'_>) -> Result<Self> {
        let table = open_table(&reader.read, OBJECTS)?;
        let first = object_key(
            view.repo(),
            ObjectKind::Blob,
            Hash::from_bytes([0; HASH_BYTES]),
        );
        let mut last = first;
        last[4..].fill(u8::MAX);
        let mut rows = Vec::new();
        for row in table.range(first..=last).map_err(failed("read"))? {
            let (key, value) = row.map_err(failed("read"))?;
            let (kind, id) = parse_object_key(&key.value())?;
            rows.push(((id, kind), ObjectRow::decode(&value.value())));
        }
        let children = vec![Box::default(); rows.len()];
        let mut published = Self { rows, children };
        for (pin, added) in reader.additions(view.repo())? {
            if let Some(at) = published.find(parse_pin(&pin)?) {
                let row = &mut published.rows[at].1;
                *row = row.plus(added)?;
            }
        }
        Ok(published)
    }

    /// Reads what every object points at. Uses all cores.
    ///
    /// Returns the objects that could not be read, and those that others point at and that are not published.
    pub(super) fn read_edges(&mut self, view: &View<'_>) -> Vec<Fault> {
        let mut parents: Vec<usize> = (0..self.rows.len())
            .filter(|at| self.object(*at).0 != ObjectKind::Blob)
            .collect();
        parents.sort_unstable_by_key(|at| self.rows[*at].1.place);
        let frame = |at: &usize| self.rows[*at].1.place.frame();
        let frames: Vec<&[usize]> = parents.chunk_by(|a, b| frame(a) == frame(b)).collect();
        let read = frames.into_par_iter().flat_map_iter(|frame| {
            let children = |at: &usize| self.children_of(view, *at);
            frame.iter().map(children)
        });
        let read: Vec<Children> = read.collect();
        let mut faults = Vec::new();
        for (at, children, missing) in read {
            self.children[at] = children;
            faults.extend(missing);
        }
        faults
    }

    fn children_of(&self, view: &View<'_>, at: usize) -> Children {
        let (kind, id) = self.object(at);
        let read = view.read_at(kind, id, self.rows[at].1.place);
        let edges = read.and_then(|bytes| edges_of(kind, bytes.as_slice()?));
        let edges = match edges {
            Ok(edges) => edges,
            Err(error) => {
                let fault = Fault {
                    object: (kind, id),
                    parent: None,
                    reason: reason_of(error),
                };
                return (at, Box::default(), vec![fault]);
            }
        };
        let (mut children, mut faults) = (Vec::with_capacity(edges.len()), Vec::new());
        for edge in edges {
            match self.child(edge) {
                Ok(child) => children.push(child),
                Err(found) => faults.push(Fault {
                    object: (edge.kind, edge.id),
                    parent: Some((kind, id)),
                    reason: format!("{found}, and {} {id} points at it", kind.name()),
                }),
            }
        }
        (at, children.into(), faults)
    }

    fn child(&self, edge: Edge) -> Result<u32, String> {
        let at = self.find((edge.kind, edge.id));
        let at = at.ok_or("it is not published")?;
        let length = u64::from(self.rows[at].1.place.length());
        if edge.kind != ObjectKind::Recipe && length != edge.size {
            return Err(format!("it has {length} bytes, not {}", edge.size));
        }
        u32::try_from(at).map_err(|_| "there are more objects than can be counted".into())
    }

    /// Makes rows say where their objects lie, and adds those that are not there, with a count of zero. What objects point
    /// at has to be read again.
    pub(super) fn mend(&mut self, places: &BTreeMap<Object, Place>) {
        for (object, place) in places {
            let (kind, id) = *object;
            if let Some(at) = self.find(*object) {
                self.rows[at].1.place = *place;
                continue;
            }
            let at = self.rows.partition_point(|(key, _)| *key < (id, kind));
            let (place, count) = (*place, 0);
            let row = ObjectRow { place, count };
            self.rows.insert(at, ((id, kind), row));
        }
        self.children = vec![Box::default(); self.rows.len()];
    }

    /// How many objects there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The place of an object in the list.
    pub(super) fn find(&self, (kind, id): Object) -> Option<usize> {
        let key = (id, kind);
        self.rows.binary_search_by_key(&key, |(key, _)| *key).ok()
    }

    /// The kind and id of the object at a place of the list.
    pub(super) fn object(&self, at: usize) -> Object {
        let (id, kind) = self.rows[at].0;
        (kind, id)
    }

    /// The row of the object at a place of the list.
    pub(super) fn row(&self, at: usize) -> ObjectRow {
        self.rows[at].1
    }

    /// What the object at a place of the list points at.
    pub(super) fn children(&self, at: usize) -> impl Iterator<Item = usize> {
        self.children[at].iter().map(|child| *child as usize)
    }
}

/// What an error says, without the words about where.
fn reason_of(error: Error) -> String {
    match error {
        Error::Malformed { reason, .. } | Error::Damaged { reason, .. } => reason,
        other => other.to_string(),
    }
}
