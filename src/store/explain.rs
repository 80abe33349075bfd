//! Explaining damage: which paths, releases and builds need the objects that are hurt.
//!
//! # Invariants
//!
//! - At most [`LISTED_PATHS_MAX`] objects are searched for at once: whoever has more to tell counts the others.
//! - What cannot be read is passed over; a build is looked into as far as its packs can be opened.
//!
//! # Not here
//!
//! The search itself (`store::needs`), what is hurt (`store::fsck`, `store::repair`).

use std::collections::{BTreeMap, HashSet};

use super::needs::{Needs, Object};
use super::problem::Problem;
use super::reader::Reader;
use super::rows::{BuildRow, BuildState, Operation, RepoRow, SnapshotRef};
use super::view::View;
use crate::base::Result;
use crate::base::limits::LISTED_PATHS_MAX;
use crate::base::path::TreePath;
use crate::object::tree::TreeRef;

/// What nothing that was searched needs.
const UNNEEDED: &str = "no path of a release or build needs it";

/// Something that is wrong with one object.
#[derive(Clone, Debug)]
pub(super) struct Hurt {
    pub(super) object: Object,
    /// In a few words, such as `damaged object`.
    pub(super) what: &'static str,
    pub(super) reason: String,
}

/// Something that a build needs as a whole: a snapshot, or a tree at a path.
#[derive(Clone, Debug)]
pub(super) enum BuildRoot {
    Snapshot(SnapshotRef),
    Tree(TreeRef, TreePath),
}

/// What a build needs as a whole; nothing once it is over.
pub(super) fn build_roots(reader: &Reader<'_>, build: &BuildRow) -> Result<Vec<BuildRoot>> {
    let mut roots = Vec::new();
    match (build.state, build.committed) {
        (BuildState::Purged | BuildState::Published, _) => {}
        (_, Some(committed)) => {
            roots.push(BuildRoot::Snapshot(committed.snapshot));
            roots.push(BuildRoot::Tree(committed.wanted.into(), TreePath::root()));
            if let Some(pending) = &build.published {
                roots.push(BuildRoot::Snapshot(pending.snapshot));
            }
        }
        (_, None) => {
            for operation in reader.store.operations(build.id)? {
                if let Operation::Merge { at, tree } | Operation::Replace { at, tree } = operation {
                    roots.push(BuildRoot::Tree(tree.into(), at));
                }
            }
        }
    }
    Ok(roots)
}

/// The builds of a repo that are not over.
pub(super) fn live_builds(reader: &Reader<'_>, repo: &RepoRow) -> Result<Vec<BuildRow>> {
    let mut builds = reader.builds()?;
    builds.retain(|build| {
        let is_over = matches!(build.state, BuildState::Purged | BuildState::Published);
        build.repo == repo.name && !is_over
    });
    Ok(builds)
}

/// Says where objects of a repo are needed: by releases first, the newest of each ref first, then by builds.
///
/// # Errors
///
/// [`Error::Catalog`](crate::base::Error::Catalog) if the catalog cannot be read.
pub(super) fn needs_of(
    reader: &Reader<'_>,
    repo: &RepoRow,
    objects: impl Iterator<Item = Object>,
) -> Result<BTreeMap<Object, String>> {
    let wanted: HashSet<Object> = objects.take(LISTED_PATHS_MAX).collect();
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let builds = live_builds(reader, repo)?;
    let ids: Vec<u64> = builds.iter().map(|build| build.id).collect();
    let view = View::of_rest(reader.store, repo.number, &ids)?;
    let mut needs = Needs::new(&view, &wanted);
    for row in reader.refs(repo)? {
        let releases = reader.releases(repo, &row.name)?;
        // What is shown now matters most.
        for release in releases.iter().rev().filter(|release| !release.retired) {
            let shown = format!("{}@{}", row.name, release.seq);
            needs.search_snapshot(release.snapshot, &shown);
            for import in &release.imports {
                if import.snapshot != release.snapshot {
                    let shown = format!("build {} of {shown}", import.build);
                    needs.search_snapshot(import.snapshot, &shown);
                }
            }
        }
    }
    for build in &builds {
        let shown = format!("build {}", build.id);
        for root in build_roots(reader, build)? {
            match root {
                BuildRoot::Snapshot(snapshot) => needs.search_snapshot(snapshot, &shown),
                BuildRoot::Tree(tree, at) => needs.search_at(tree, &at, &shown),
            }
        }
        if let Some(base) = build.base {
            needs.search_snapshot(base.snapshot, &format!("the base of {shown}"));
        }
    }
    let told = wanted.iter().map(|object| {
        let need = match needs.of(*object) {
            need if need.is_empty() => UNNEEDED.to_owned(),
            need => need,
        };
        (*object, need)
    });
    Ok(told.collect())
}

/// Problems, each with the paths that need the object. Past [`LISTED_PATHS_MAX`] they are counted.
///
/// # Errors
///
/// As [`needs_of`].
pub(super) fn explain(reader: &Reader<'_>, repo: &RepoRow, hurt: &[Hurt]) -> Result<Vec<Problem>> {
    let needs = needs_of(reader, repo, hurt.iter().map(|hurt| hurt.object))?;
    let place = format!("repo {}", repo.name);
    let told = hurt.iter().take(LISTED_PATHS_MAX).map(|hurt| {
        let (kind, id) = hurt.object;
        let need = needs.get(&hurt.object).map_or(UNNEEDED, String::as_str);
        let detail = format!("{} {id}: {}; {need}", kind.name(), hurt.reason);
        Problem::new(hurt.what, &place, detail)
    });
    let mut problems: Vec<Problem> = told.collect();
    let more = hurt.len().saturating_sub(LISTED_PATHS_MAX);
    if more > 0 {
        let detail = format!("and {more} more");
        problems.push(Problem::new("hurt objects", &place, detail));
    }
    Ok(problems)
}
