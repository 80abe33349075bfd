//! Objects one by one: the last way to come by a snapshot, for origins that have no pack of it.
//!
//! What is here already is not asked for, and neither is what a tree holds that is here.
//!
//! # Not here
//!
//! Packs (`remote::pull`), whether the snapshot is complete afterwards (`delta::complete`).

use std::collections::HashSet;

use super::origin::Origin;
use crate::base::Result;
use crate::base::error::check_limit;
use crate::base::id::Hash;
use crate::base::progress::Progress;
use crate::object::edges::{Edge, edges_of};
use crate::object::kind::ObjectKind;
use crate::object::pack_check::check_object;
use crate::store::intake::Intake;
use crate::store::rows::SnapshotRef;
use crate::store::view::View;

/// Objects that are asked for one by one: who wants more needs an origin with packs.
pub const SINGLE_OBJECTS_MAX: u64 = 1_000_000;

/// Takes what a snapshot has and `view` does not show into `intake`.
///
/// # Errors
///
/// [`Error::NotFound`](crate::base::Error::NotFound) if the origin lacks an object;
/// [`Error::Malformed`](crate::base::Error::Malformed) if it answers with another one; those of the intake.
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
    let mut waiting = vec![root];
    let mut asked: HashSet<(ObjectKind, Hash)> = HashSet::new();
    while let Some(edge) = waiting.pop() {
        if !asked.insert((edge.kind, edge.id)) || !intake.wants(view, edge.kind, edge.id)? {
            continue;
        }
        check_limit(
            "objects that are asked for one by one",
            asked.len() as u64,
            SINGLE_OBJECTS_MAX,
        )?;
        let bytes = origin.object(edge.id)?;
        check_object(edge.kind, edge.id, &bytes)?;
        progress.advance(bytes.len() as u64);
        // The first edge comes first: neighbours in a tree are neighbours in a pack.
        waiting.extend(edges_of(edge.kind, &bytes)?.into_iter().rev());
        intake.put(edge.kind, edge.id, &bytes)?;
    }
    Ok(())
}
