//! Objects one by one: the last way to come by a snapshot, for origins that have no pack of it.
//!
//! What is here already is not asked for, and neither is what a tree holds that is here.
//!
//! # Invariants
//!
//! - Every object has as many bytes as whatever led to it says. A recipe is the one object whose id does not say what is in it:
//!   its pieces add up to the file that it is for, so it cannot make more come than the tree promised.
//!
//! # Not here
//!
//! Packs (`remote::pull`), whether the snapshot is complete afterwards (`delta::complete`).

use std::collections::HashSet;

use super::origin::Origin;
use crate::base::error::check_limit;
use crate::base::id::Hash;
use crate::base::limits::RECIPE_LEVELS_MAX;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::object::edges::{Edge, edges_of};
use crate::object::kind::ObjectKind;
use crate::object::pack_check::check_object;
use crate::object::recipe::Recipe;
use crate::store::intake::Intake;
use crate::store::rows::SnapshotRef;
use crate::store::view::View;

/// Objects that are asked for one by one: who wants more needs an origin with packs.
pub const SINGLE_OBJECTS_MAX: u64 = 1_000_000;

/// Takes what a snapshot has and `view` does not show into `intake`.
///
/// # Errors
///
/// [`Error::NotFound`] if the origin lacks an object; [`Error::Damaged`] if it answers with another one, or one of another size
/// than what leads to it says; those of the intake.
pub fn fetch_objects(
    origin: &dyn Origin,
    to: SnapshotRef,
    view: &View<'_>,
    intake: &mut Intake<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let root = Edge {
        kind: ObjectKind::Snapshot,
        id: to.id.hash(),
        size: to.size,
    };
    fetch_beneath(origin, root, view, intake, progress)
}

/// Takes an object and all that it reaches into `intake`, as far as `view` does not show it.
///
/// # Errors
///
/// As [`fetch_objects`].
pub fn fetch_beneath(
    origin: &dyn Origin,
    root: Edge,
    view: &View<'_>,
    intake: &mut Intake<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    // Each with the number of recipes above it.
    let mut waiting = vec![(root, 0)];
    let mut asked: HashSet<(ObjectKind, Hash)> = HashSet::new();
    while let Some((edge, recipes)) = waiting.pop() {
        if !asked.insert((edge.kind, edge.id)) || !intake.wants(view, edge.kind, edge.id)? {
            continue;
        }
        check_limit(
            "objects that are asked for one by one",
            asked.len() as u64,
            SINGLE_OBJECTS_MAX,
        )?;
        progress.check()?;
        let bytes = origin.object(edge.id)?;
        let checked = check(edge, recipes, &bytes).and_then(|()| edges_of(edge.kind, &bytes));
        let edges =
            checked.map_err(|error| error.in_stored(edge.kind.name(), edge.id, origin.place()))?;
        progress.advance(bytes.len() as u64);
        let recipes = recipes + usize::from(edge.kind == ObjectKind::Recipe);
        // The first edge comes first: neighbours in a tree are neighbours in a pack.
        waiting.extend(edges.into_iter().rev().map(|edge| (edge, recipes)));
        intake.put(edge.kind, edge.id, &bytes)?;
    }
    Ok(())
}

/// Checks that an object is what led to it, with so many recipes above it, says.
fn check(edge: Edge, recipes: usize, bytes: &[u8]) -> Result<()> {
    check_object(edge.kind, edge.id, bytes)?;
    let size = match edge.kind {
        ObjectKind::Recipe if recipes >= RECIPE_LEVELS_MAX => {
            return Err(Error::malformed("recipe", "recipes are nested too deep"));
        }
        ObjectKind::Recipe => Recipe::decode(bytes)?.bytes(),
        ObjectKind::Blob | ObjectKind::Tree | ObjectKind::Snapshot => bytes.len() as u64,
    };
    if size == edge.size {
        return Ok(());
    }
    let reason = format!("it has {size} bytes, not {}", edge.size);
    Err(Error::malformed(edge.kind.name(), reason))
}

#[cfg(test)]
mod tests;
