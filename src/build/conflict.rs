//! Conflicts: naming who changed the paths that a build changed, too.

use super::merge::Merged;
use crate::base::error::ConflictPath;
use crate::base::name::RefName;
use crate::base::path::TreePath;
use crate::base::{Error, Result};
use crate::object::directory::{Found, find_path};
use crate::store::Store;
use crate::store::rows::{BuildRow, ReleaseRow, RepoRow, SnapshotRef};
use crate::store::view::View;

/// Releases looked back through to find who changed a path.
const RELEASES_SEARCHED_MAX: usize = 64;

/// A merge that did not go through.
pub(super) struct Clash<'a> {
    /// What was to be done.
    pub(super) verb: &'static str,
    /// The ref.
    pub(super) target: &'a RefName,
    /// The release (epoch, seq) after which the ref changed what the build changed.
    pub(super) since: (u64, u64),
    /// What that release showed.
    pub(super) before: Option<SnapshotRef>,
}

/// The error that a merge of `row` has conflicts, with the releases that changed the paths.
///
/// # Errors
///
/// [`Error::Damaged`] if the history cannot be read.
pub(super) fn conflict(
    store: &Store,
    repo: &RepoRow,
    row: &BuildRow,
    clash: &Clash<'_>,
    merged: &Merged,
) -> Result<Error> {
    let target = clash.target;
    let mut releases = store.reader()?.releases(repo, target)?;
    releases.retain(|release| (release.epoch, release.seq) > clash.since && !release.retired);
    let view = store.view(&repo.name, &[])?;
    let mut paths = Vec::new();
    for path in &merged.conflicts {
        let (build, release) = match who_changed(&view, &releases, clash.before, path)? {
            Some((build, seq)) => (build, format!("{target}@{seq}")),
            None => (None, target.to_string()),
        };
        paths.push(ConflictPath {
            path: path.clone(),
            build,
            release,
        });
    }
    Ok(Error::Conflict {
        verb: clash.verb,
        build: row.id,
        target: target.clone(),
        paths,
        total: merged.total,
    })
}

/// The newest of `releases` in which a path is not what it was before, and the build that did it. Where a snapshot before
/// one of them is retired, what was shown before all of them stands in for it.
fn who_changed(
    view: &View<'_>,
    releases: &[ReleaseRow],
    shown_before: Option<SnapshotRef>,
    path: &TreePath,
) -> Result<Option<(Option<u64>, u64)>> {
    let at = |snapshot| found_at(view, snapshot, shown_before, path);
    for (place, release) in releases
        .iter()
        .enumerate()
        .rev()
        .take(RELEASES_SEARCHED_MAX)
    {
        for import in release.imports.iter().rev() {
            if at(Some(import.snapshot))? != at(import.before)? {
                return Ok(Some((Some(import.build), release.seq)));
            }
        }
        let before = match place.checked_sub(1) {
            Some(before) => releases.get(before).map(|release| release.snapshot),
            None => shown_before,
        };
        if release.imports.is_empty() && at(Some(release.snapshot))? != at(before)? {
            return Ok(Some((None, release.seq)));
        }
    }
    Ok(None)
}

/// What a snapshot has at a path; if it is retired, what `stand_in` has there.
fn found_at(
    view: &View<'_>,
    snapshot: Option<SnapshotRef>,
    stand_in: Option<SnapshotRef>,
    path: &TreePath,
) -> Result<Option<Found>> {
    let Some(snapshot) = snapshot else {
        return Ok(None);
    };
    match view.snapshot_of_size(snapshot) {
        Err(Error::NotFound { .. }) => found_at(view, stand_in, None, path),
        shown => find_path(view, shown?.tree, path),
    }
}
