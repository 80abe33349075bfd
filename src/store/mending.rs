//! Mending rows: where published objects lie whose rows are wrong or missing.
//!
//! # Invariants
//!
//! - A row is mended only to a place where the index of a whole pack of the same repo lists the object.
//!
//! # Not here
//!
//! Which rows are wrong (`store::fsck`), writing them (`store::counts`), objects that are in no pack (`store::repair`).

use std::collections::{BTreeMap, HashSet};

use super::needs::Object;
use super::place::Place;
use super::published::Published;
use super::view::View;
use crate::disk::files::Mapping;
use crate::object::edges::edges_of;
use crate::object::kind::ObjectKind;
use crate::object::pack_reader::PackReader;

/// The whole packs of one repo, by number.
#[derive(Debug)]
pub(super) struct Finder<'p> {
    pub(super) packs: Vec<(u64, &'p PackReader<Mapping>)>,
}

impl Finder<'_> {
    /// Where an object lies, if it is in one of the packs.
    pub(super) fn find(&self, (kind, id): Object) -> Option<Place> {
        self.packs.iter().find_map(|(pack, reader)| {
            let found = reader.find(kind, id)?;
            Some(Place {
                pack: *pack,
                frame: found.frame,
                start: found.start,
                length: found.length,
            })
        })
    }
}

/// What is known of the rows of a repo beside what they say.
#[derive(Debug, Default)]
pub(super) struct Mending {
    /// Rows that are wrong or missing, and where their objects lie.
    pub(super) places: BTreeMap<Object, Place>,
    /// Objects whose children are not known: they cannot be read, or point at a tree, snapshot or recipe that has no row
    /// and cannot be found.
    pub(super) unknown: HashSet<Object>,
}

impl Mending {
    /// Finds the objects of `seeds`, and what they point at, that have no row.
    pub(super) fn find_rows(
        &mut self,
        published: &Published,
        seeds: impl IntoIterator<Item = Object>,
        finder: &Finder<'_>,
        view: &View<'_>,
    ) {
        let mut waiting: Vec<Object> = seeds.into_iter().collect();
        while let Some(object) = waiting.pop() {
            if published.find(object).is_some() || self.places.contains_key(&object) {
                continue;
            }
            let Some(place) = finder.find(object) else {
                continue;
            };
            self.places.insert(object, place);
            let (kind, id) = object;
            if kind != ObjectKind::Blob
                && let Ok(bytes) = view.read_at(kind, id, place)
                && let Ok(edges) = bytes.as_slice().and_then(|bytes| edges_of(kind, bytes))
            {
                waiting.extend(edges.iter().map(|edge| (edge.kind, edge.id)));
            }
        }
    }
}
