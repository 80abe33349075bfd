//! The builds of a store on this machine, as those who push to it see them.

use std::collections::BTreeMap;

use super::builds::{Builds, MISSING_OBJECTS_MAX};
use crate::base::clock::Time;
use crate::base::error::check_limit;
use crate::base::id::Hash;
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::progress::Silent;
use crate::base::{Error, Result};
use crate::build::commit::commit;
use crate::build::create::{CreateOptions, create};
use crate::build::publish::{PublishAnswer, PublishOptions, publish};
use crate::build::verify::verify_staged;
use crate::delta::unpack::take_in;
use crate::disk::files::Mapping;
use crate::object::directory::TreeSource;
use crate::object::kind::ObjectKind;
use crate::object::pack_reader::PackReader;
use crate::object::tree::TreeRef;
use crate::store::Store;
use crate::store::builds::Staging;
use crate::store::landing::Landing;
use crate::store::rows::{BuildRow, Operation, Staged};

/// The builds of one repo of a store.
#[derive(Debug)]
pub struct StoreBuilds<'s> {
    store: &'s Store,
    repo: RepoName,
    time: Time,
}

impl<'s> StoreBuilds<'s> {
    /// The builds of `repo`. What is done is done at `time`.
    #[must_use]
    pub const fn new(store: &'s Store, repo: RepoName, time: Time) -> Self {
        Self { store, repo, time }
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
        let view = self.store.view(&self.repo, &[build])?;
        let is_missing = |(kind, id): &(ObjectKind, Hash)| Ok(view.find(*kind, *id)?.is_none());
        objects.iter().map(is_missing).collect()
    }

    fn receive(&self, build: u64, pack: Mapping) -> Result<u64> {
        let view = self.store.view(&self.repo, &[build])?;
        let mut intake = self.store.intake();
        take_in(&PackReader::open(pack)?, &view, &mut intake, &Silent)?;
        let landing = intake.finish()?;
        let stored_bytes = landing.stored_bytes;
        let staging = Staging {
            sums: Staged {
                new_objects: landing.objects,
                new_bytes: landing.expanded_bytes,
                stored_bytes,
                ..Staged::default()
            },
            landing,
            operations: Vec::new(),
        };
        self.store.record_staging(build, staging, self.time)?;
        Ok(stored_bytes)
    }

    fn stage(&self, build: u64, at: &TreePath, tree: TreeRef) -> Result<()> {
        let view = self.store.view(&self.repo, &[build])?;
        verify_staged(&view, tree, &Silent)?;
        let totals = view.node(tree)?.totals();
        let operation = Operation::Merge {
            at: at.clone(),
            tree: tree.into(),
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
        Ok(())
    }

    fn commit(&self, build: u64, message: &str) -> Result<BuildRow> {
        commit(self.store, build, message, self.time)
    }

    fn publish(&self, build: u64) -> Result<PublishAnswer> {
        let row = self.store.reader()?.build(build)?;
        if row.repo != self.repo {
            return Err(Error::not_found("build", build));
        }
        publish(self.store, build, &PublishOptions::default(), self.time)
    }
}
