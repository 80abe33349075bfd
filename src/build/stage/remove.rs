//! Remove: paths that a release will lose when the build is published.
//!
//! # Not here
//!
//! What the operation does to a tree (`build::merge`).

use crate::base::clock::Time;
use crate::base::path::TreePath;
use crate::base::{Error, Result};
use crate::build::open::open_build;
use crate::object::directory::find_path;
use crate::object::tree::TreeRef;
use crate::store::Store;
use crate::store::builds::Staging;
use crate::store::landing::Landing;
use crate::store::rows::{BuildRow, Operation, Staged};
use crate::store::view::View;

/// Records that the tree of an open build is to lose `paths`.
///
/// # Errors
///
/// [`Error::State`] if the build is not open, [`Error::NotFound`] for a path that is neither in the build's base nor in
/// anything staged, [`Error::Usage`] for the root. Nothing is recorded then.
pub fn remove(store: &Store, build: u64, paths: &[TreePath], time: Time) -> Result<()> {
    let row = open_build(store, build, "remove from")?;
    let view = store.view(&row.repo, &[build])?;
    let places = Places::of(store, &view, &row)?;
    for path in paths {
        if path.is_root() {
            return Err(Error::usage(
                "the root cannot be removed: stage with --replace, or remove what is in it",
            ));
        }
        if !places.have(&view, path)? {
            return Err(Error::not_found("path", path));
        }
    }
    let operations: Vec<Operation> = paths
        .iter()
        .map(|path| Operation::Remove { path: path.clone() })
        .collect();
    if operations.is_empty() {
        return Err(Error::usage("there is nothing to remove: name a path"));
    }
    let sums = Staged {
        operations: u32::try_from(operations.len()).unwrap_or(u32::MAX),
        ..Staged::default()
    };
    let staging = Staging {
        landing: Landing::default(),
        operations,
        sums,
    };
    store.record_staging(build, staging, time)?;
    Ok(())
}

/// The trees that a build knows, each with the path at which it lies.
struct Places(Vec<(TreePath, TreeRef)>);

impl Places {
    fn of(store: &Store, view: &View<'_>, row: &BuildRow) -> Result<Self> {
        let mut places = Vec::new();
        if let Some(base) = row.base {
            places.push((TreePath::root(), view.snapshot_of_size(base.snapshot)?.tree));
        }
        for operation in store.operations(row.id)? {
            match operation {
                Operation::Merge { at, tree } | Operation::Replace { at, tree } => {
                    places.push((at, tree.into()));
                }
                Operation::Remove { .. } => {}
            }
        }
        Ok(Self(places))
    }

    fn have(&self, view: &View<'_>, path: &TreePath) -> Result<bool> {
        for (at, tree) in &self.0 {
            if path.contains(at) {
                // The directory that holds what was staged, or that itself.
                return Ok(true);
            }
            if let Some(below) = path.relative_to(at)
                && find_path(view, *tree, &below)?.is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
