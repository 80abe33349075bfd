//! Salvage: which releases can be shown again from the packs that are there, and which pack belongs to which repo.
//!
//! While this is worked out, all packs belong to one build that does not exist, [`FOUND`], so that a view shows them.
//!
//! # Invariants
//!
//! - A release counts as complete only if everything it reaches lies in a pack and can be read.
//!
//! # Not here
//!
//! Which releases there were (`store::history`), what becomes of them in the catalog (`store::reindex`).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::needs::Object;
use super::packs::PackStore;
use super::place::Place;
use super::reach::Reach;
use super::rows::PackRow;
use super::tables::pin_bytes;
use super::view::View;
use crate::base::Result;
use crate::base::id::PackId;
use crate::object::edges::{Edge, edges_of};
use crate::object::kind::ObjectKind;

/// The build that owns all packs until a repo does; real builds count from 1.
pub(super) const FOUND: u64 = 0;

/// The objects of each pack that cannot be read.
pub(super) type Damages = HashMap<u64, HashSet<Object>>;

/// Follows snapshots through all packs and remembers what is complete.
pub(super) struct Salvage<'a, 's> {
    view: &'a View<'s>,
    damages: &'a Damages,
    /// What is known of an object: nothing is missing, or what is.
    known: HashMap<Object, Option<String>>,
}

/// An object on the way down, some of whose children have been looked at.
struct Step {
    object: Object,
    children: std::vec::IntoIter<Edge>,
    missing: Option<String>,
}

impl<'a, 's> Salvage<'a, 's> {
    /// Starts with nothing known; `view` shows all packs.
    pub(super) fn new(view: &'a View<'s>, damages: &'a Damages) -> Self {
        Self {
            view,
            damages,
            known: HashMap::new(),
        }
    }

    /// Says what is missing of all that `root` reaches, if anything is.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`](crate::base::Error::Catalog) if the catalog cannot be read.
    pub(super) fn missing(&mut self, root: Edge) -> Result<Option<String>> {
        let mut steps: Vec<Step> = self.enter(root)?.into_iter().collect();
        while let Some(step) = steps.last_mut() {
            let Some(child) = step.children.next() else {
                let Some(done) = steps.pop() else { break };
                if let (Some(parent), Some(missing)) = (steps.last_mut(), &done.missing) {
                    parent.missing.get_or_insert_with(|| missing.clone());
                }
                self.known.insert(done.object, done.missing);
                continue;
            };
            if let Some(step) = self.enter(child)? {
                steps.push(step);
            } else if let Some(missing) = self.known.get(&(child.kind, child.id)).cloned().flatten()
            {
                step.missing.get_or_insert(missing);
            }
        }
        Ok(self.known.get(&(root.kind, root.id)).cloned().flatten())
    }

    /// Looks at an object for the first time; its children, if it has any, are next.
    fn enter(&mut self, edge: Edge) -> Result<Option<Step>> {
        let object = (edge.kind, edge.id);
        if self.known.contains_key(&object) {
            return Ok(None);
        }
        let named = |reason: &str| Some(format!("{} {} {reason}", edge.kind.name(), edge.id));
        let found = self.view.find(edge.kind, edge.id)?;
        let Some(place) = found.map(super::view::Found::place) else {
            self.known.insert(object, named("is in no pack"));
            return Ok(None);
        };
        if self.is_damaged(place, &object) {
            self.known.insert(object, named("is damaged"));
            return Ok(None);
        }
        if edge.kind == ObjectKind::Blob {
            self.known.insert(object, None);
            return Ok(None);
        }
        let bytes = self.view.read_at(edge.kind, edge.id, place);
        match bytes.and_then(|bytes| edges_of(edge.kind, bytes.as_slice()?)) {
            Ok(children) => {
                // Holds until the way back up, so a recipe that was forged to hold itself ends here.
                self.known.insert(object, named("is part of itself"));
                Ok(Some(Step {
                    object,
                    children: children.into_iter(),
                    missing: None,
                }))
            }
            Err(error) => {
                self.known
                    .insert(object, named(&format!("is damaged: {error}")));
                Ok(None)
            }
        }
    }

    fn is_damaged(&self, place: Place, object: &Object) -> bool {
        let damaged = self.damages.get(&place.frame().0);
        damaged.is_some_and(|damaged| damaged.contains(object))
    }
}

/// Gives each of `packs` to the repo that needs most of what is in it; packs that nobody needs have no owner. `reaches`
/// are what the repos need, in their order.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if the index of a pack cannot be read.
pub(super) fn owners(
    store: &PackStore,
    packs: &[(u64, PackId)],
    reaches: &[&Reach],
) -> Result<BTreeMap<u64, usize>> {
    let mut owners = BTreeMap::new();
    for (number, id) in packs {
        let mut needed = vec![0_u64; reaches.len()];
        for entry in store.open(*id)?.entries() {
            let entry = entry?;
            let pin = pin_bytes(entry.kind, entry.id);
            for (reach, needed) in reaches.iter().zip(&mut needed) {
                *needed += u64::from(reach.own.contains_key(&pin));
            }
        }
        let most = needed.iter().copied().max().unwrap_or_default();
        let owner = needed.iter().position(|needed| *needed == most);
        owners.extend(owner.filter(|_| most > 0).map(|owner| (*number, owner)));
    }
    Ok(owners)
}

/// What a repo needs that lies in packs of others, or in damaged ones, by pack.
pub(super) fn foreign(reach: &Reach, own: &View<'_>) -> Result<BTreeMap<u64, Reach>> {
    let mut foreign: BTreeMap<u64, Reach> = BTreeMap::new();
    for (pin, place) in &reach.own {
        let (kind, id) = super::tables::parse_pin(pin)?;
        if own.find(kind, id)?.is_none() {
            let needed = foreign.entry(place.frame().0).or_default();
            needed.own.insert(*pin, *place);
        }
    }
    Ok(foreign)
}

/// What a pack's row says before anybody owns it.
pub(super) fn found_row(id: PackId, bytes: u64, objects: u64, expanded_bytes: u64) -> PackRow {
    PackRow {
        id,
        owner: super::rows::Owner::Build(FOUND),
        bytes,
        objects,
        expanded_bytes,
        live_objects: 0,
        live_bytes: 0,
    }
}
