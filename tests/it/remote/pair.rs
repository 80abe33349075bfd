//! Two stores: one that releases, and one that follows it.

use std::fmt::Write;
use std::sync::Arc;

use bindery::base::progress::Silent;
use bindery::base::{Error, Result};
use bindery::build::verify::verify_repo;
use bindery::remote::follow::{Asked, Rewinds};
use bindery::remote::known::Root;
use bindery::remote::origin::Origin;
use bindery::remote::pull::{PullAnswer, PullOptions, pull};
use bindery::remote::store_origin::StoreOrigin;
use bindery::store::rows::RepoRow;

use crate::shelf::{Files, Shelf, moment, repo_name};
use crate::support::simulated_disk::SimulatedDisk;

/// Seconds after the fixed moment at which tests pull: after every release.
pub const PULLED_AT: u64 = 100;

/// A store that releases, and one that follows it.
pub struct Pair {
    pub origin: Shelf,
    pub copy: Shelf,
    pub copy_disk: SimulatedDisk,
}

impl Pair {
    /// An origin without releases, and an empty store.
    pub fn new() -> Result<Self> {
        let copy_disk = SimulatedDisk::new();
        Ok(Self {
            origin: Shelf::create(Arc::new(SimulatedDisk::new()))?,
            copy: empty(&copy_disk)?,
            copy_disk,
        })
    }

    /// An origin whose first release of `stable` was copied.
    pub fn following(files: &Files) -> Result<Self> {
        let pair = Self::new()?;
        pair.origin.release("stable", files)?;
        pair.pull()?;
        Ok(pair)
    }

    /// The repo of the origin.
    pub fn repo(&self) -> Result<RepoRow> {
        self.origin.row()
    }

    /// Pulls what is followed; at first contact everything, by the repo id.
    pub fn pull(&self) -> Result<PullAnswer> {
        self.pull_from(&self.honest()?)
    }

    /// The origin, as it is.
    pub fn honest(&self) -> Result<StoreOrigin<'_>> {
        Ok(StoreOrigin::new(&self.origin.store, self.repo()?, &Silent))
    }

    /// Pulls from something that may lie.
    pub fn pull_from(&self, origin: &dyn Origin) -> Result<PullAnswer> {
        let root = Some(Root::Id(self.repo()?.repo_id));
        self.pull_with(origin, &options(root))
    }

    /// Pulls in some way.
    pub fn pull_with(&self, origin: &dyn Origin, options: &PullOptions) -> Result<PullAnswer> {
        pull(
            &self.copy.store,
            origin,
            options,
            moment(PULLED_AT)?,
            &Silent,
        )
    }

    /// Checks that the copy is whole, verifies, and shows what the origin shows of a ref.
    pub fn check_shows(&self, target: &str, files: &Files) -> Result<()> {
        assert_eq!(&self.copy.shown(target)?, files);
        self.check_copy()
    }

    /// Checks that the copy is whole and verifies.
    pub fn check_copy(&self) -> Result<()> {
        self.copy.check()?;
        verify_repo(&self.copy.store, &self.copy.row()?, &Silent).map(drop)
    }

    /// Everything that can be seen of the copy, in words.
    pub fn state(&self) -> Result<String> {
        state(&self.copy)
    }
}

/// An empty store, without a repo.
pub fn empty(disk: &SimulatedDisk) -> Result<Shelf> {
    let store = bindery::store::Store::create_on(Arc::new(disk.clone()), None)?;
    let repo = repo_name()?;
    Ok(Shelf { store, repo })
}

/// The options of an ordinary pull.
pub fn options(root: Option<Root>) -> PullOptions {
    PullOptions {
        repo_id: None,
        root,
        asked: Asked::Followed,
        rewinds: Rewinds::Refuse,
    }
}

/// Everything that can be seen of a copy, in words.
pub fn state(copy: &Shelf) -> Result<String> {
    let reader = copy.store.reader()?;
    let mut text = String::new();
    let failed = |_| Error::internal("writing to a text cannot fail");
    for repo in reader.repos()? {
        writeln!(text, "{repo:?}").map_err(failed)?;
        for row in reader.refs(&repo)? {
            writeln!(text, "{row:?}").map_err(failed)?;
            for release in reader.releases(&repo, &row.name)? {
                writeln!(text, "{release:?}").map_err(failed)?;
            }
        }
    }
    writeln!(text, "{:?}", reader.totals()?).map_err(failed)?;
    Ok(text)
}
