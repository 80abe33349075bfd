//! A shop: a store of its own with one repo, and the verbs that make builds in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bindery::base::clock::Time;
use bindery::base::name::{RefName, RepoName};
use bindery::base::profile::Profile;
use bindery::base::progress::Silent;
use bindery::build::commit::commit;
use bindery::build::create::{CreateOptions, create};
use bindery::build::publish::{PublishAnswer, PublishOptions, publish};
use bindery::build::repo::create_repo;
use bindery::build::stage::{StageAnswer, StageOptions, stage};
use bindery::store::settings::OnConflict;
use bindery::store::{Patience, Store};
use tempfile::TempDir;

use super::Outcome;

/// When everything happens.
const NOW: &str = "2026-11-22T09:00:00Z";

/// The folder of the store, in the folder of the shop.
const STORE: &str = "store";

/// A store with the repo `bench`, in a folder that goes when this is dropped.
#[derive(Debug)]
pub struct Shop {
    // Closed before its folder goes.
    store: Store,
    folder: TempDir,
    repo: RepoName,
    target: RefName,
    time: Time,
}

impl Shop {
    /// Makes an empty store.
    pub fn open() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let store = Store::create(&folder.path().join(STORE), &impatience())?;
        let (repo, time): (RepoName, Time) = ("bench".parse()?, NOW.parse()?);
        create_repo(&store, repo.clone(), Profile::default(), None, time)?;
        let target = "stable".parse()?;
        Ok(Self {
            store,
            folder,
            repo,
            target,
            time,
        })
    }

    /// The store.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The repo.
    pub const fn repo(&self) -> &RepoName {
        &self.repo
    }

    /// The ref that all builds are made for.
    pub const fn target(&self) -> &RefName {
        &self.target
    }

    /// When everything happens.
    pub const fn time(&self) -> Time {
        self.time
    }

    /// A place beside the store.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes an open build.
    pub fn create(&self) -> Outcome<u64> {
        let options = CreateOptions {
            repo: self.repo.clone(),
            target: Some(self.target.clone()),
            labels: BTreeMap::new(),
            from: None,
        };
        Ok(create(&self.store, options, self.time)?.id)
    }

    /// Stages a path on disk into a new build.
    pub fn stage(&self, path: &Path) -> Outcome<(u64, StageAnswer)> {
        let build = self.create()?;
        let (paths, options) = ([path.to_owned()], StageOptions::default());
        let answer = stage(&self.store, build, &paths, &options, &Silent, self.time)?;
        Ok((build, answer))
    }

    /// Commits a build.
    pub fn commit(&self, build: u64) -> Outcome {
        commit(&self.store, build, "", self.time)?;
        Ok(())
    }

    /// Publishes a build; it wins where others changed the same.
    pub fn publish(&self, build: u64) -> Outcome<PublishAnswer> {
        let options = PublishOptions {
            on_conflict: Some(OnConflict::Build),
            ..PublishOptions::default()
        };
        Ok(publish(&self.store, build, &options, self.time)?)
    }

    /// Purges a build.
    pub fn purge(&self, build: u64) -> Outcome {
        self.store.purge_build(build, self.time)?;
        Ok(())
    }

    /// Closes the store; it stays there as long as what this returns.
    pub fn close(self) -> Closed {
        drop(self.store);
        Closed {
            folder: self.folder,
        }
    }
}

/// A store that is closed, in a folder that goes when this is dropped.
#[derive(Debug)]
pub struct Closed {
    folder: TempDir,
}

impl Closed {
    /// The folder of the store.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join(STORE)
    }
}

/// Waits for nobody: nobody else knows the store.
pub fn impatience() -> Patience {
    Patience {
        wait: Duration::ZERO,
        holder: "bench".into(),
        tell: None,
    }
}
