//! The builds of a store on this machine, as those who push to it see them.

use std::collections::BTreeMap;
use std::io::Read;

use super::builds::{Builds, Committed, MISSING_OBJECTS_MAX, Parcel};
use super::wire::builds::StageMode;
use super::wire::due::DueSaid;
use crate::base::clock::Time;
use crate::base::error::check_limit;
use crate::base::id::Hash;
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::progress::Silent;
use crate::base::{Error, Kind, Result};
use crate::build::commit::commit;
use crate::build::create::{CreateOptions, create};
use crate::build::publish::{PublishAnswer, PublishOptions, publish};
use crate::build::verify::verify_staged;
use crate::delta::receive::{Announced, receive};
use crate::delta::unpack::take_in;
use crate::object::directory::TreeSource;
use crate::object::kind::ObjectKind;
use crate::object::pack_reader::PackReader;
use crate::object::tree::TreeRef;
use crate::store::Store;
use crate::store::builds::Staging;
use crate::store::landing::Landing;
use crate::store::reach::tree_edge;
use crate::store::rows::{Operation, Staged};
use crate::store::view::View;

/// What those who fill a build need not send, beside what the build has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountOn {
    /// What is published in the repo.
    Published,
    /// Nothing: they may not know what is published.
    Nothing,
}

/// The builds of one repo of a store.
#[derive(Debug)]
pub struct StoreBuilds<'s> {
    store: &'s Store,
    repo: RepoName,
    time: Time,
    count_on: CountOn,
}

impl<'s> StoreBuilds<'s> {
    /// The builds of `repo`, as seen by somebody who may know what is published there. What is done is done at `time`.
    #[must_use]
    pub const fn new(store: &'s Store, repo: RepoName, time: Time) -> Self {
        Self {
            store,
            repo,
            time,
            count_on: CountOn::Published,
        }
    }

    /// The same builds, as seen by somebody who need not send what is said here: the answers tell of nothing else.
    #[must_use]
    pub const fn counting_on(mut self, count_on: CountOn) -> Self {
        self.count_on = count_on;
        self
    }

    /// Shows what need not be sent into a build.
    ///
    /// # Errors
    ///
    /// As [`Store::view`].
    pub fn view(&self, build: u64) -> Result<View<'s>> {
        match self.count_on {
            CountOn::Published => self.store.view(&self.repo, &[build]),
            CountOn::Nothing => self.store.view_of_builds_alone(&[build]),
        }
    }
}

impl StoreBuilds<'_> {
    /// Takes a pack of objects in while it arrives; says what was stored of it.
    ///
    /// # Errors
    ///
    /// As [`Builds::receive`].
    pub fn receive_from(
        &self,
        build: u64,
        input: impl Read,
        announced: Announced,
    ) -> Result<Staged> {
        let view = self.view(build)?;
        let mut intake = self.store.intake();
        receive(input, announced, &view, &mut intake)?;
        self.land(build, intake.finish()?)
    }

    /// Gives packs that arrived to the build.
    fn land(&self, build: u64, landing: Landing) -> Result<Staged> {
        let sums = Staged {
            new_objects: landing.objects,
            new_bytes: landing.expanded_bytes,
            stored_bytes: landing.stored_bytes,
            ..Staged::default()
        };
        let staging = Staging {
            sums,
            landing,
            operations: Vec::new(),
        };
        self.store.record_staging(build, staging, self.time)?;
        Ok(sums)
    }
}

impl Builds for StoreBuilds<'_> {
    fn place(&self) -> String {
        self.store.root().display().to_string()
    }

    fn create(&self, target: &RefName, labels: &BTreeMap<String, String>) -> Result<u64> {
        let options = CreateOptions {
            repo: self.repo.clone(),
            target: Some(target.clone()),
            labels: labels.clone(),
            from: None,
        };
        Ok(create(self.store, options, self.time)?.id)
    }

    fn missing(&self, build: u64, objects: &[(ObjectKind, Hash)]) -> Result<Vec<bool>> {
        let (found, max) = (objects.len() as u64, MISSING_OBJECTS_MAX as u64);
        check_limit("a question about what is missing, in objects,", found, max)?;
        let view = self.view(build)?;
        let is_missing = |(kind, id): &(ObjectKind, Hash)| Ok(view.find(*kind, *id)?.is_none());
        objects.iter().map(is_missing).collect()
    }

    fn receive(&self, build: u64, parcel: &Parcel) -> Result<u64> {
        let view = self.view(build)?;
        let mut intake = self.store.intake();
        take_in(
            &PackReader::open(parcel.bytes.as_slice())?,
            &view,
            &mut intake,
            &Silent,
        )?;
        Ok(self.land(build, intake.finish()?)?.stored_bytes)
    }

    fn target(&self, build: u64) -> Result<Option<RefName>> {
        Ok(self.store.reader()?.build(build)?.target)
    }

    fn stage(
        &self,
        build: u64,
        at: &TreePath,
        tree: TreeRef,
        mode: StageMode,
    ) -> Result<Option<RefName>> {
        let view = self.view(build)?;
        verify_staged(&view, tree, &Silent)
            .map_err(|error| all_that_was_not_sent(&view, build, tree, error))?;
        let totals = view.node(tree)?.totals();
        let (at, tree) = (at.clone(), tree.into());
        let operation = match mode {
            StageMode::Merge => Operation::Merge { at, tree },
            StageMode::Replace => Operation::Replace { at, tree },
        };
        let staging = Staging {
            landing: Landing::default(),
            operations: vec![operation],
            sums: Staged {
                files: totals.files(),
                bytes: totals.bytes(),
                ..Staged::default()
            },
        };
        self.store.record_staging(build, staging, self.time)?;
        self.target(build)
    }

    fn commit(&self, build: u64, message: &str) -> Result<Committed> {
        let row = commit(self.store, build, message, self.time)?;
        let unmet = row.unmet();
        let due = row.due.as_ref();
        let due = due.map(|due| DueSaid::of(due, row.target.as_ref()));
        let committed = row
            .committed
            .ok_or_else(|| Error::internal("a commit froze something"))?;
        Ok(Committed {
            snapshot: committed.snapshot,
            root: committed.root.into(),
            state: row.state,
            unmet,
            due,
        })
    }

    fn publish(&self, build: u64) -> Result<PublishAnswer> {
        let row = self.store.reader()?.build(build)?;
        if row.repo != self.repo {
            return Err(Error::not_found("build", build));
        }
        publish(self.store, build, &PublishOptions::default(), self.time)
    }
}

/// The error that lists all that a staged tree needs and nobody sent, if `error` is that something is not there: nothing of the
/// store is damaged then.
fn all_that_was_not_sent(view: &View<'_>, build: u64, tree: TreeRef, error: Error) -> Error {
    if error.kind() != Kind::Integrity {
        return error;
    }
    let reach = view.reach(&[tree_edge(tree)]);
    match reach.and_then(|reach| reach.check_whole("stage into", build)) {
        Err(missing @ Error::Missing { .. }) => missing,
        _ => error,
    }
}
