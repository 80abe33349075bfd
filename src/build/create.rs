//! Create: an open build, empty or with what another build changed.
//!
//! # Not here
//!
//! Staging files into it (`build::stage`).

use std::collections::BTreeMap;

use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::object::label::Labels;
use crate::store::Store;
use crate::store::builds::{NewBuild, Staging};
use crate::store::rows::{Base, BuildRow, BuildState};

/// What is said about a build when it is made.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// The repo it is for.
    pub repo: RepoName,
    /// The ref it is meant for. Without one it is judged against an empty tree.
    pub target: Option<RefName>,
    /// What is to be known about it, such as its source commit.
    pub labels: BTreeMap<String, String>,
    /// A build to start from: its changes are staged into the new one.
    pub from: Option<u64>,
}

/// Makes an open build that remembers what its ref shows now.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such repo, or no build to start from; [`Error::Limit`] or [`Error::Usage`] if a
/// label is not legal; [`Error::State`] if the build to start from was purged, [`Error::Refused`] if it was retired. No
/// build is made then.
pub fn create(store: &Store, options: CreateOptions, time: Time) -> Result<BuildRow> {
    check_labels(&options.labels)?;
    let reader = store.reader()?;
    let from = options.from.map(|id| reader.build(id)).transpose()?;
    if let Some(from) = &from {
        check_source(from, &options.repo)?;
    }
    drop(reader);
    let new = NewBuild {
        repo: options.repo,
        target: options.target,
        labels: options.labels,
    };
    let staging = match &from {
        Some(from) => super::copy::copy_changes(store, from)?,
        None => None,
    };
    store.create_build(new, staging, time)
}

/// Makes an open build that has something from the start: what it holds and that it is there become durable at once.
///
/// # Errors
///
/// As [`create`], and [`Error::Limit`] if it has too many operations. No build is made then.
pub fn create_filled(
    store: &Store,
    new: NewBuild,
    staging: Staging,
    time: Time,
) -> Result<BuildRow> {
    check_labels(&new.labels)?;
    store.create_build(new, Some(staging), time)
}

fn check_source(from: &BuildRow, repo: &RepoName) -> Result<()> {
    if from.state == BuildState::Purged {
        return Err(Error::State {
            build: from.id,
            state: from.state.to_string(),
            verb: "start from",
        });
    }
    if from.repo != *repo {
        let reason = format!(
            "build {} is of the repo {}: nothing is shared between repos",
            from.id, from.repo
        );
        return Err(Error::refused(reason));
    }
    Ok(())
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<Labels> {
    let mut checked = Labels::default();
    for (key, value) in labels {
        checked
            .insert(key, value)
            .map_err(|error| Error::usage(format!("label {key:?}: {error}")))?;
    }
    Ok(checked)
}

/// The labels that a build's snapshots have.
pub(super) fn labels_of(row: &BuildRow) -> Result<Labels> {
    check_labels(&row.labels)
}

/// What a ref shows now, as builds remember it.
pub(crate) fn base_of(store: &Store, repo: &RepoName, target: &RefName) -> Result<Option<Base>> {
    let reader = store.reader()?;
    let row = reader.find_ref(&reader.repo(repo)?, target)?;
    Ok(row
        .and_then(|row| row.current)
        .map(|current| current.base()))
}
