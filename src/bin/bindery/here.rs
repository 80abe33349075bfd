//! A store for the time of a command, in which what lies on this machine becomes trees that are sent elsewhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bindery::base::clock::Time;
use bindery::base::name::RepoName;
use bindery::base::profile::Profile;
use bindery::base::progress::Progress;
use bindery::base::{Error, Result};
use bindery::build::create::{CreateOptions, create};
use bindery::build::repo::create_repo;
use bindery::build::stage::{StageAnswer, StageOptions, stage};
use bindery::disk::scratch::Scratch;
use bindery::remote::builds::Builds;
use bindery::remote::push::{Sent, send_tree};
use bindery::remote::wire::builds::StageMode;
use bindery::store::Store;
use bindery::store::rows::Operation;
use bindery::store::view::View;

/// The store, with one build.
pub struct Here {
    store: Store,
    repo: RepoName,
    build: u64,
    time: Time,
    _folder: Scratch,
}

impl Here {
    /// Makes it in the system's folder for temporary files, from which it goes with the value.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be made.
    pub fn make(time: Time) -> Result<Self> {
        let prefix = format!("bindery-push-{}", std::process::id());
        let folder = Scratch::create(&std::env::temp_dir(), &prefix)?;
        let store = Store::create_passing(&folder.root().join("store"))?;
        let name: RepoName = "push"
            .parse()
            .map_err(|_| Error::internal("it is a name"))?;
        let repo = create_repo(&store, name, Profile::Posix, None, time)?.name;
        let options = CreateOptions {
            repo: repo.clone(),
            target: None,
            labels: BTreeMap::new(),
            from: None,
        };
        let build = create(&store, options, time)?.id;
        Ok(Self {
            store,
            repo,
            build,
            time,
            _folder: folder,
        })
    }

    /// Stages paths of this machine.
    ///
    /// # Errors
    ///
    /// As [`stage`].
    pub fn stage(
        &self,
        paths: &[PathBuf],
        options: &StageOptions,
        progress: &dyn Progress,
    ) -> Result<StageAnswer> {
        stage(&self.store, self.build, paths, options, progress, self.time)
    }

    /// What was staged.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if the catalog cannot be read.
    pub fn operations(&self) -> Result<Vec<Operation>> {
        self.store.operations(self.build)
    }

    /// Shows what was staged.
    ///
    /// # Errors
    ///
    /// As [`Store::view`].
    pub fn view(&self) -> Result<View<'_>> {
        self.store.view(&self.repo, &[self.build])
    }
}

/// Sends what was staged here to a build elsewhere, and stages it there.
///
/// # Errors
///
/// What the other side answers.
pub fn send_staged(
    here: &Here,
    to: &dyn Builds,
    build: u64,
    progress: &dyn Progress,
) -> Result<Sent> {
    let view = here.view()?;
    let mut sum = Sent::default();
    for operation in here.operations()? {
        let (at, tree, mode) = match operation {
            Operation::Merge { at, tree } => (at, tree, StageMode::Merge),
            Operation::Replace { at, tree } => (at, tree, StageMode::Replace),
            Operation::Remove { .. } => return Err(Error::internal("only trees were staged")),
        };
        let sent = send_tree(&view, tree.into(), to, build, progress)?;
        to.stage(build, &at, tree.into(), mode)?;
        sum.requests += sent.requests + 1;
        sum.objects += sent.objects;
        sum.bytes += sent.bytes;
    }
    Ok(sum)
}
