//! Apply: make a committed build of a delta, whose snapshot is exactly the one that the delta leads to.
//!
//! # Invariants
//!
//! - Everything is unpacked and checked before anything is recorded; what is refused leaves nothing behind.
//! - The build does not depend on another one: what it shares with an unpublished snapshot is copied.
//!
//! # Not here
//!
//! Unpacking (`delta::unpack`), the checks (`delta::complete`), recording it (`store::builds`).

use std::collections::BTreeMap;

use super::complete::{Checked, check};
use super::parts::{as_delta, malformed, start_digits};
use super::unpack::{Route, Unpacked, unpack};
use crate::base::clock::Time;
use crate::base::name::RefName;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::build::check::Checker;
use crate::build::create::base_of;
use crate::build::spec::{Resolved, Spec, Which, resolve};
use crate::object::pack_reader::PackReader;
use crate::object::snapshot::Snapshot;
use crate::store::Store;
use crate::store::builds::NewBuild;
use crate::store::landing::Landing;
use crate::store::reach::snapshot_edge;
use crate::store::rows::{BuildRow, Committed, RepoRow, SnapshotRef};
use crate::store::view::View;

/// Makes a committed build of a delta, for the ref `target` of `repo` if it is meant for one.
///
/// # Errors
///
/// [`Error::NotFound`] if the repo does not have the snapshot that the delta starts from, or an object that it needs;
/// [`Error::Malformed`], [`Error::Damaged`] or [`Error::Limit`] if the delta is not what it should be; [`Error::Usage`] if
/// its names break the repo's profile. Nothing changes then.
pub fn apply<B: AsRef<[u8]> + Sync>(
    store: &Store,
    repo: &RepoRow,
    target: Option<RefName>,
    pack: &PackReader<B>,
    time: Time,
    progress: &dyn Progress,
) -> Result<BuildRow> {
    let from = start(store, repo, pack)?;
    let builds = from.as_ref().map_or(&[][..], |from| &from.builds);
    let from = from.as_ref().map(|from| from.snapshot);
    let view = store.view(&repo.name, builds)?;
    let mut intake = store.intake();
    let route = Route { from, to: None };
    let mut unpacked = unpack(pack, route, &view, &mut intake, progress)?;
    let landing = intake.finish()?;
    let view = view.with(&landing)?;
    let checked = Checked {
        from,
        assembled: std::mem::take(&mut unpacked.assembled),
    };
    let snapshot = as_delta(check(&view, &checked, unpacked.snapshot, progress))?;
    check_names(&view, repo, from, &snapshot)?;
    let landing = with_copies(&view, unpacked.snapshot, landing)?;
    record(store, repo, target, &unpacked, &snapshot, landing, time)
}

/// The snapshot that a delta starts from, if it starts from one.
///
/// # Errors
///
/// [`Error::NotFound`] if the repo does not have it.
pub fn start<B: AsRef<[u8]>>(
    store: &Store,
    repo: &RepoRow,
    pack: &PackReader<B>,
) -> Result<Option<Resolved>> {
    let Some(prefix) = start_digits(pack) else {
        return Ok(None);
    };
    let missing = || Error::not_found("snapshot", format!("{prefix}, from which the delta starts"));
    let spec = Spec::Ref {
        repo: Some(repo.name.clone()),
        name: prefix.parse().map_err(|_| missing())?,
        which: Which::Newest,
    };
    match resolve(store, &spec, None) {
        Err(Error::NotFound { .. }) => Err(missing()),
        other => other.map(Some),
    }
}

/// The names of what is new suit the repo's profile.
fn check_names(
    view: &View<'_>,
    repo: &RepoRow,
    from: Option<SnapshotRef>,
    snapshot: &Snapshot,
) -> Result<()> {
    let before = from.map(|from| view.snapshot_of_size(from)).transpose()?;
    let checker = Checker {
        source: view,
        view,
        profile: repo.profile,
    };
    let before = before.map(|before| before.tree);
    checker.check(before, snapshot.tree).map(drop)
}

/// Adds copies of what the snapshot needs from the packs of other builds.
fn with_copies(view: &View<'_>, snapshot: SnapshotRef, mut landing: Landing) -> Result<Landing> {
    let reach = view.reach(&[snapshot_edge(snapshot)])?;
    let mut copies = view.store().intake();
    view.copy_own(&reach, &landing, &mut copies)?;
    landing.join(copies.finish()?);
    Ok(landing)
}

fn record(
    store: &Store,
    repo: &RepoRow,
    target: Option<RefName>,
    unpacked: &Unpacked,
    snapshot: &Snapshot,
    landing: Landing,
    time: Time,
) -> Result<BuildRow> {
    let view = store.view_with(&repo.name, &[], &landing)?;
    let reach = view.reach(&[snapshot_edge(unpacked.snapshot)])?;
    drop(view);
    if let Some(missing) = reach.missing.first() {
        return Err(Error::not_found("object", missing));
    }
    let superfluous = landing.objects.saturating_sub(reach.own_objects());
    if superfluous > 0 {
        return Err(malformed(format!(
            "it holds {superfluous} objects that its snapshot does not need"
        )));
    }
    let onto = match &target {
        Some(target) => base_of(store, &repo.name, target)?,
        None => None,
    };
    let committed = Committed {
        snapshot: unpacked.snapshot,
        root: snapshot.tree.into(),
        wanted: snapshot.tree.into(),
        files: snapshot.totals.files(),
        bytes: snapshot.totals.bytes(),
        onto,
        conflicts: 0,
        time,
    };
    let new = NewBuild {
        repo: repo.name.clone(),
        target,
        labels: BTreeMap::new(),
    };
    store.create_committed(new, committed, landing, &reach)
}
