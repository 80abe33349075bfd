//! Commit: check a build and freeze it.
//!
//! The staged operations are applied to the build's base, which gives what the build *wants*; that is merged into what
//! the ref shows now, which gives the tree that the test repository shows. Everything that this needs is pinned, so that
//! nothing can take it away before the build is published or purged.
//!
//! # Invariants
//!
//! - After a commit every object that the snapshot reaches is there, and stays there; nothing changes the build's
//!   content.
//! - A commit that fails leaves the build open and as it was.
//!
//! # Not here
//!
//! The merge itself (`build::merge`).

use super::check::Checker;
use super::create::labels_of;
use super::merge::{Winner, apply, three_way};
use super::overtaken::overtaken;
use crate::base::clock::Time;
use crate::base::path::TreePath;
use crate::base::{Error, Result};
use crate::object::directory::TreeSource;
use crate::object::edges::Edge;
use crate::object::snapshot::Snapshot;
use crate::object::totals::Totals;
use crate::object::tree::TreeRef;
use crate::store::Store;
use crate::store::intake::{Intake, Workshop};
use crate::store::reach::{snapshot_edge, tree_edge};
use crate::store::rows::{Base, BuildRow, BuildState, Committed, Operation};
use crate::store::view::View;

/// Times that a commit is tried: so often a ref may move while a build is merged into what it shows.
const TRIES: usize = 4;

/// Checks an open build and freezes it; it has a snapshot and a test repository from then on. It is ready, or waits for
/// the outside checks that its ref asks for (`store::checks`).
///
/// # Errors
///
/// [`Error::State`] if it is not open, [`Error::Refused`] if nothing was staged or its ref moved too often meanwhile, [`Error::Missing`] if objects are not
/// there, [`Error::Usage`] if names break the repo's profile. The build stays open then.
pub fn commit(store: &Store, build: u64, message: &str, time: Time) -> Result<BuildRow> {
    let row = store.reader()?.build(build)?;
    if row.state != BuildState::Open {
        return Err(Error::State {
            build,
            state: row.state.to_string(),
            verb: "commit",
        });
    }
    let operations = store.operations(build)?;
    if operations.is_empty() {
        return Err(Error::refused(format!(
            "build {build} is empty: stage something before it is committed"
        )));
    }
    let mut tries = 1;
    loop {
        let onto = current(store, &row)?;
        match freeze_onto(store, &row, &operations, onto, message, time) {
            Err(Error::Refused { .. }) if tries < TRIES && current(store, &row)? != onto => {
                tries += 1;
            }
            other => return other,
        }
    }
}

/// Freezes a build with what it changes merged into `onto`, unless its ref has moved from there meanwhile.
fn freeze_onto(
    store: &Store,
    row: &BuildRow,
    operations: &[Operation],
    onto: Option<Base>,
    message: &str,
    time: Time,
) -> Result<BuildRow> {
    let build = row.id;
    let view = store.view(&row.repo, &[build])?;
    let mut intake = store.intake();
    let plan = merge(&view, &mut intake, row, operations, onto)
        .map_err(|error| all_that_is_missing(&view, build, operations, error))
        .map_err(|error| overtaken(error, row.target.as_ref()))?;
    let snapshot = Snapshot {
        tree: plan.merged,
        totals: plan.totals,
        depth: plan.depth,
        parents: onto.iter().map(|base| base.snapshot.id).collect(),
        time,
        labels: labels_of(row)?,
        message: message.to_owned(),
    };
    let committed = Committed {
        snapshot: intake.put_snapshot(&view, &snapshot)?,
        root: plan.merged.into(),
        wanted: plan.wanted.into(),
        files: plan.totals.files(),
        bytes: plan.totals.bytes(),
        onto,
        conflicts: plan.conflicts,
        time,
    };
    freeze(view, row, intake, &plan, committed)
}

/// The error that lists all that is missing of what was staged, if `error` is that something is.
fn all_that_is_missing(
    view: &View<'_>,
    build: u64,
    operations: &[Operation],
    error: Error,
) -> Error {
    if !matches!(error, Error::NotFound { .. }) {
        return error;
    }
    let staged = operations.iter().filter_map(|operation| match operation {
        Operation::Merge { tree, .. } | Operation::Replace { tree, .. } => {
            Some(tree_edge(TreeRef::from(*tree)))
        }
        Operation::Remove { .. } => None,
    });
    let roots: Vec<Edge> = staged.collect();
    let reach = view.reach(&roots);
    match reach.and_then(|reach| reach.check_whole("commit", build)) {
        Err(missing) => missing,
        Ok(()) => error,
    }
}

/// What a build's ref shows now; nothing if it is meant for none.
fn current(store: &Store, row: &BuildRow) -> Result<Option<Base>> {
    match &row.target {
        Some(target) => super::create::base_of(store, &row.repo, target),
        None => Ok(None),
    }
}

/// The trees that a commit makes.
struct Plan {
    wanted: TreeRef,
    merged: TreeRef,
    totals: Totals,
    depth: u64,
    conflicts: u64,
}

fn merge<'s>(
    view: &View<'s>,
    intake: &mut Intake<'s>,
    row: &BuildRow,
    operations: &[Operation],
    onto: Option<Base>,
) -> Result<Plan> {
    let workshop = Workshop::new(intake, view);
    let empty = super::merge::empty_tree(&mut &workshop)?;
    let shown = |base: Option<Base>| {
        base.map(|base| view.snapshot_of_size(base.snapshot))
            .transpose()
    };
    let (before, now) = (shown(row.base)?, shown(onto)?);
    let root =
        |snapshot: &Option<Snapshot>| snapshot.as_ref().map_or(empty, |snapshot| snapshot.tree);
    let wanted = apply(&workshop, &mut &workshop, root(&before), operations)?;
    let claims = replaced(operations);
    let merged = three_way(
        &workshop,
        &mut &workshop,
        root(&before),
        wanted,
        root(&now),
        &claims,
        Winner::Build,
    )?;
    let profile = view.store().reader()?.repo(&row.repo)?.profile;
    let changed = Checker {
        source: &workshop,
        view,
        profile,
    }
    .check(Some(root(&now)), merged.tree)?;
    let totals = workshop.node(merged.tree)?.totals();
    let depth = changed.max(now.map_or(0, |snapshot| snapshot.depth));
    Ok(Plan {
        wanted,
        merged: merged.tree,
        totals,
        depth,
        conflicts: merged.total,
    })
}

/// The paths whose whole directory a build claims.
pub(super) fn replaced(operations: &[Operation]) -> Vec<TreePath> {
    let claim = |operation: &Operation| match operation {
        Operation::Replace { at, .. } => Some(at.clone()),
        Operation::Merge { .. } | Operation::Remove { .. } => None,
    };
    operations.iter().filter_map(claim).collect()
}

/// Freezes a merged build: everything it reaches is there, its packs are tidy, and what it does not own is pinned.
fn freeze(
    view: View<'_>,
    row: &BuildRow,
    intake: Intake<'_>,
    plan: &Plan,
    committed: Committed,
) -> Result<BuildRow> {
    let mut landing = intake.finish()?;
    let (store, view) = (view.store(), view.with(&landing)?);
    let reach = view.reach(&[snapshot_edge(committed.snapshot), tree_edge(plan.wanted)])?;
    reach.check_whole("commit", row.id)?;
    let mut tidied = store.intake();
    let dropped = store.tidy_packs(row.id, &reach, &mut tidied)?;
    landing.join(tidied.finish()?);
    store.record_commit(row, committed, landing, &reach, &dropped)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::id::SnapshotId;
    use crate::build::sandbox::{AnyError, Sandbox, time};
    use crate::store::landing::Landing;
    use crate::store::retire::Mode;
    use crate::store::rows::SnapshotRef;

    /// The test repository of a build that was merged into an older release would lack what is published.
    #[test]
    fn a_build_is_frozen_onto_what_its_ref_shows_then() -> Result<(), AnyError> {
        let mut sandbox = Sandbox::with_repo()?;
        sandbox.publish("main", "stable", &[("a", b"1")])?;
        let build = sandbox.stage("main", "stable", &[("b", b"2")])?.id;
        sandbox.publish("main", "stable", &[("c", b"3")])?;
        let (store, now) = (sandbox.store()?, time(9)?);
        let row = store.reader()?.build(build)?;
        let operations = store.operations(row.id)?;
        let refused = freeze_onto(store, &row, &operations, row.base, "", now);
        assert!(
            matches!(&refused, Err(Error::Refused { reason }) if reason.ends_with("try again")),
            "{refused:?}"
        );
        assert_eq!(store.reader()?.build(row.id)?, row, "nothing was changed");
        let committed = commit(store, row.id, "", now)?.committed;
        assert_eq!(committed.map(|committed| committed.files), Some(3));
        Ok(())
    }

    #[test]
    fn what_was_retired_since_it_was_looked_at_is_missing() -> Result<(), AnyError> {
        let mut sandbox = Sandbox::with_repo()?;
        let (old, new) = ([("a", b"1".as_slice())], [("a", b"2".as_slice())]);
        sandbox.publish("main", "stable", &old)?;
        sandbox.publish("main", "stable", &new)?;
        let id = sandbox.stage("main", "stable", &old)?.id;
        let store = sandbox.store()?;
        let row = store.reader()?.build(id)?;
        let Some(Operation::Merge { tree, .. }) = store.operations(row.id)?.pop() else {
            return Err("it was staged".into());
        };
        let view = store.view(&row.repo, &[row.id])?;
        let reach = view.reach(&[tree_edge(tree.into())])?;
        reach.check_whole("commit", row.id)?;
        drop(view);
        let repo = sandbox.repo("main")?;
        let first = [("stable".parse()?, 1, 1)];
        store.retire_releases(&repo, &first, Mode::Apply)?;
        let committed = Committed {
            snapshot: SnapshotRef {
                id: SnapshotId::of(b""),
                size: 0,
            },
            root: tree,
            wanted: tree,
            files: 1,
            bytes: 1,
            onto: row.base,
            conflicts: 0,
            time: time(9)?,
        };
        let nothing = (Landing::default(), BTreeSet::new());
        let refused = store.record_commit(&row, committed, nothing.0, &reach, &nothing.1);
        assert!(
            matches!(&refused, Err(Error::Missing { objects, .. }) if objects.len() == 1),
            "{refused:?}"
        );
        assert_eq!(store.reader()?.build(row.id)?.state, BuildState::Open);
        Ok(())
    }
}
