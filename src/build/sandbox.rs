//! A sandbox for tests: a store in a temporary folder, with releases made by the real verbs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::commit::commit;
use super::create::{CreateOptions, create};
use super::publish::{PublishAnswer, PublishOptions, publish};
use super::repo::create_repo;
use super::stage::{StageMode, StageOptions, stage};
use super::testing::noise;
use crate::base::clock::Time;
use crate::base::limits::WHOLE_BLOB_BYTES_MAX;
use crate::base::name::{RefName, RepoName};
use crate::base::profile::Profile;
use crate::base::progress::Silent;
use crate::disk::exclude::Excludes;
use crate::store::fsck::{Counts, FsckOptions, FsckReport};
use crate::store::rows::{BuildRow, RepoRow};
use crate::store::{Access, Patience, Store};

/// The error of tests, which take errors of any kind.
pub type AnyError = Box<dyn std::error::Error>;

/// A store in a temporary folder.
pub struct Sandbox {
    folder: tempfile::TempDir,
    store: Option<Store>,
    staged: u32,
}

impl Sandbox {
    /// An empty store.
    pub fn new() -> Result<Self, AnyError> {
        let folder = tempfile::tempdir()?;
        let store = Store::create(&folder.path().join("store"), &patience())?;
        Ok(Self {
            folder,
            store: Some(store),
            staged: 0,
        })
    }

    /// A store with the repo `main`.
    pub fn with_repo() -> Result<Self, AnyError> {
        let sandbox = Self::new()?;
        sandbox.create_repo("main", Profile::Posix)?;
        Ok(sandbox)
    }

    /// The folder of the store.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The store.
    pub fn store(&self) -> Result<&Store, AnyError> {
        Ok(self.store.as_ref().ok_or("the store is closed")?)
    }

    /// Closes the store, so that its files can be changed.
    pub fn close(&mut self) {
        self.store = None;
    }

    /// Closes the store and opens it again.
    pub fn reopen(&mut self) -> Result<&Store, AnyError> {
        self.close();
        self.store = Some(Store::open(&self.root(), Access::Write, &patience())?);
        self.store()
    }

    /// Makes a repo.
    pub fn create_repo(&self, name: &str, profile: Profile) -> Result<RepoRow, AnyError> {
        let made = create_repo(self.store()?, name.parse()?, profile, None, time(0)?)?;
        Ok(made)
    }

    /// The repo called `name`.
    pub fn repo(&self, name: &str) -> Result<RepoRow, AnyError> {
        Ok(self.store()?.reader()?.repo(&name.parse()?)?)
    }

    /// Makes an open build and stages `files` into it; see [`write_files`].
    pub fn stage(
        &mut self,
        repo: &str,
        target: &str,
        files: &[(&str, &[u8])],
    ) -> Result<BuildRow, AnyError> {
        self.stage_by(StageMode::Merge, repo, target, files)
    }

    fn stage_by(
        &mut self,
        mode: StageMode,
        repo: &str,
        target: &str,
        files: &[(&str, &[u8])],
    ) -> Result<BuildRow, AnyError> {
        self.staged += 1;
        let source = self.folder.path().join(format!("source-{}", self.staged));
        write_files(&source, files)?;
        let options = CreateOptions {
            repo: repo.parse::<RepoName>()?,
            target: Some(target.parse::<RefName>()?),
            labels: BTreeMap::new(),
            from: None,
        };
        let now = time(self.staged)?;
        let build = create(self.store()?, options, now)?;
        let options = StageOptions {
            mode,
            excludes: Excludes::none(),
            ..StageOptions::default()
        };
        stage(self.store()?, build.id, &[source], &options, &Silent, now)?;
        Ok(build)
    }

    /// Publishes `files` on top of what `target` shows.
    pub fn publish(
        &mut self,
        repo: &str,
        target: &str,
        files: &[(&str, &[u8])],
    ) -> Result<PublishAnswer, AnyError> {
        let build = self.stage(repo, target, files)?;
        self.publish_staged(&build)
    }

    /// Publishes `files` instead of what `target` shows.
    pub fn replace(
        &mut self,
        repo: &str,
        target: &str,
        files: &[(&str, &[u8])],
    ) -> Result<PublishAnswer, AnyError> {
        let build = self.stage_by(StageMode::Replace, repo, target, files)?;
        self.publish_staged(&build)
    }

    fn publish_staged(&self, build: &BuildRow) -> Result<PublishAnswer, AnyError> {
        let now = time(self.staged)?;
        commit(self.store()?, build.id, "", now)?;
        let options = PublishOptions::default();
        Ok(publish(self.store()?, build.id, &options, now)?)
    }

    /// Checks the store, counts included.
    pub fn fsck(&self) -> Result<FsckReport, AnyError> {
        let options = FsckOptions {
            counts: Counts::Recompute,
        };
        Ok(self.store()?.fsck(options, &Silent)?)
    }

    /// The files of all packs, by name.
    pub fn packs(&self) -> Result<Vec<PathBuf>, AnyError> {
        let mut packs = Vec::new();
        for folder in fs::read_dir(self.root().join("packs"))? {
            for file in fs::read_dir(folder?.path())? {
                packs.push(file?.path());
            }
        }
        packs.sort_unstable();
        Ok(packs)
    }
}

/// A moment `hours` after the first one of every test.
pub fn time(hours: u32) -> Result<Time, AnyError> {
    let start: Time = "2026-11-22T09:00:00Z".parse()?;
    Ok(start.plus_seconds(u64::from(hours) * 3600))
}

/// Waits for nobody.
pub fn patience() -> Patience {
    Patience {
        wait: Duration::ZERO,
        holder: "a test".into(),
        tell: None,
    }
}

/// Writes files beneath `folder`, each a path and what it holds. A path that ends in `*` is executable, one that ends in
/// `@` is a link.
pub fn write_files(folder: &Path, files: &[(&str, &[u8])]) -> Result<(), AnyError> {
    fs::create_dir_all(folder)?;
    for (path, bytes) in files {
        let file = folder.join(path.trim_end_matches(['*', '@']));
        fs::create_dir_all(file.parent().ok_or("a file lies in a folder")?)?;
        if path.ends_with('@') {
            symlink(std::str::from_utf8(bytes)?, &file)?;
            continue;
        }
        fs::write(&file, bytes)?;
        if path.ends_with('*') {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

/// Flips one bit of the byte `at` of a file, in place.
pub fn flip(file: &Path, at: usize) -> Result<(), AnyError> {
    let file = File::options().read(true).write(true).open(file)?;
    let (mut byte, at) = ([0], at as u64);
    file.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1 << (at % 8);
    Ok(file.write_all_at(&byte, at)?)
}

/// A file that is too large for one object; no two of its pieces are equal.
pub fn large_file() -> Result<Vec<u8>, AnyError> {
    Ok(noise(usize::try_from(WHOLE_BLOB_BYTES_MAX)? + 1))
}
