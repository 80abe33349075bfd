//! Sights: which objects a request may see.
//!
//! # Not here
//!
//! Whether the caller may see them (`server::access`).

use super::route::Base;
use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::build::spec::{Spec, resolve};
use crate::object::kind::ObjectKind;
use crate::store::Store;
use crate::store::rows::{BuildRow, BuildState, SnapshotRef};
use crate::store::view::View;

/// What is published in a repo, and what some builds hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sight {
    /// The repo.
    pub repo: RepoName,
    /// The builds.
    pub builds: Vec<u64>,
}

impl Sight {
    /// What is seen below a base.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such repo, or no committed build of that id.
    pub fn of(store: &Store, base: &Base) -> Result<Self> {
        match base {
            Base::Repo(repo) => {
                let repo = store.reader()?.repo(repo)?.name;
                let builds = Vec::new();
                Ok(Self { repo, builds })
            }
            Base::Build(id) => Ok(Self::of_build(&store.reader()?.build(*id)?)),
        }
    }

    /// What is seen in the test repository of a build. One that was published, or is no more, holds nothing of its own.
    #[must_use]
    pub fn of_build(row: &BuildRow) -> Self {
        let is_own = !matches!(row.state, BuildState::Published | BuildState::Purged);
        let builds = if is_own { vec![row.id] } else { Vec::new() };
        let repo = row.repo.clone();
        Self { repo, builds }
    }

    /// Shows it.
    ///
    /// # Errors
    ///
    /// As [`Store::view`].
    pub fn view<'s>(&self, store: &'s Store) -> Result<View<'s>> {
        store.view(&self.repo, &self.builds)
    }
}

/// The snapshot that a build's test repository shows.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such build; [`Error::State`] if it was not committed.
pub fn snapshot_of_build(store: &Store, id: u64) -> Result<SnapshotRef> {
    resolve(store, &Spec::Build(id), None).map(|resolved| resolved.snapshot)
}

/// A snapshot with its size.
///
/// # Errors
///
/// [`Error::NotFound`] if the view does not show it.
pub fn sized(view: &View<'_>, id: crate::base::id::SnapshotId) -> Result<SnapshotRef> {
    let bytes = view.read(ObjectKind::Snapshot, id.hash())?;
    let size = bytes.as_slice()?.len() as u64;
    Ok(SnapshotRef { id, size })
}

/// Whether what was asked for is not there.
#[must_use]
pub const fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. })
}
