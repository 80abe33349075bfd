//! Snapshots that people name, of a store on this machine or of one that is served: found by their names, and looked into.
//!
//! # Not here
//!
//! How people name them (`build::spec`), how a server is asked (`remote::http::snapshots`).

use super::gather::Amount;
use crate::base::name::RepoName;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::build::contents::{Contents, Stock};
use crate::build::spec::{Resolved, Spec, resolve};
use crate::store::Store;
use crate::store::rows::SnapshotRef;

/// A snapshot that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The repo.
    pub repo: RepoName,
    /// The builds whose objects must be seen, too.
    pub builds: Vec<u64>,
    /// The snapshot.
    pub snapshot: SnapshotRef,
    /// Its name in full, such as `stable@3`.
    pub name: String,
}

impl From<Resolved> for Named {
    fn from(resolved: Resolved) -> Self {
        Self {
            repo: resolved.repo.name,
            builds: resolved.builds,
            snapshot: resolved.snapshot,
            name: resolved.name,
        }
    }
}

/// The snapshots of a store.
pub trait Snapshots {
    /// Finds what a spec names. `repo` is meant if the spec does not say one.
    ///
    /// # Errors
    ///
    /// As [`resolve`], and the way there.
    fn find(&self, spec: &Spec, repo: Option<&RepoName>) -> Result<Named>;

    /// Shows what is in some snapshots of one repo.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if a pack of a build is.
    fn open<'s>(&'s self, named: &[&Named]) -> Result<Box<dyn Contents + 's>>;

    /// Lets `take` have so much of a snapshot on this machine.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`Gathered::new`](super::gather::Gathered::new), and what `take` answers.
    fn gather(
        &self,
        named: &Named,
        amount: Amount<'_>,
        progress: &dyn Progress,
        take: &mut dyn FnMut(&dyn Stock) -> Result<()>,
    ) -> Result<()>;
}

impl Snapshots for Store {
    fn find(&self, spec: &Spec, repo: Option<&RepoName>) -> Result<Named> {
        resolve(self, spec, repo).map(Named::from)
    }

    fn open<'s>(&'s self, named: &[&Named]) -> Result<Box<dyn Contents + 's>> {
        let first = named.first();
        let first = first.ok_or_else(|| Error::internal("a snapshot is looked into"))?;
        let builds = named.iter().flat_map(|named| named.builds.iter().copied());
        let builds: Vec<u64> = builds.collect();
        Ok(Box::new(self.view(&first.repo, &builds)?))
    }

    /// All of it is here.
    fn gather(
        &self,
        named: &Named,
        _amount: Amount<'_>,
        _progress: &dyn Progress,
        take: &mut dyn FnMut(&dyn Stock) -> Result<()>,
    ) -> Result<()> {
        take(&self.view(&named.repo, &named.builds)?)
    }
}
