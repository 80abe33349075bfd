//! Schedule: builds that are published at a time that was said, by whoever does what can wait: a server, or `run-jobs`.
//!
//! # Invariants
//!
//! - A build that is held, or whose ref is, stays due until it is let go.
//! - One that cannot be published otherwise is not tried again by itself: it is ready, and says why.
//!
//! # Not here
//!
//! What is recorded (`store::plans`), publishing (`build::publish`).

use super::publish::{PublishAnswer, PublishOptions, Tested, publish, target_of};
use crate::base::clock::Time;
use crate::base::name::RefName;
use crate::base::{Error, Kind, Result};
use crate::store::Store;
use crate::store::due::Due;
use crate::store::rows::{BuildRow, BuildState};

/// A build that is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The build.
    pub build: u64,
    /// When and how.
    pub due: Due,
}

impl Planned {
    /// How it is to be published.
    #[must_use]
    pub fn options(&self) -> PublishOptions {
        PublishOptions {
            target: self.due.target.clone(),
            on_conflict: self.due.on_conflict,
            tested: if self.due.require_tested {
                Tested::Required
            } else {
                Tested::Any
            },
        }
    }
}

/// Says that a ready build is to be published at a time; returns the build and its ref.
///
/// # Errors
///
/// [`Error::Usage`] if it is for no ref; as [`publish`] if it could not be published now for another reason than that it or its
/// ref is held.
pub fn schedule(
    store: &Store,
    build: u64,
    options: &PublishOptions,
    at: Time,
    time: Time,
) -> Result<(BuildRow, RefName)> {
    let row = store.reader()?.build(build)?;
    let target = target_of(&row, options)?;
    match row.check_publishable(&target, &store.settings().policy(&target)) {
        Err(error) if !is_held(&error) => return Err(error),
        _ => {}
    }
    let due = Due {
        at,
        target: options.target.clone(),
        on_conflict: options.on_conflict,
        require_tested: options.tested == Tested::Required,
    };
    Ok((store.record_due(build, due, time)?, target))
}

/// The builds that are to be published, by time.
///
/// # Errors
///
/// [`Error::Catalog`] if the catalog cannot be read.
pub fn planned(store: &Store) -> Result<Vec<Planned>> {
    let builds = store.reader()?.builds()?.into_iter();
    let ready = builds.filter(|row| row.state == BuildState::Ready);
    let planned = ready.filter_map(|row| {
        let (build, due) = (row.id, row.due?);
        Some(Planned { build, due })
    });
    let mut planned: Vec<Planned> = planned.collect();
    planned.sort_by_key(|planned| (planned.due.at, planned.build));
    Ok(planned)
}

/// The build, if it is still to be published, and is due by now.
///
/// # Errors
///
/// [`Error::Catalog`] if the catalog cannot be read.
pub fn due_now(store: &Store, build: u64, now: Time) -> Result<Option<Planned>> {
    let row = match store.reader()?.build(build) {
        Err(Error::NotFound { .. }) => return Ok(None),
        row => row?,
    };
    let due = row
        .due
        .filter(|due| row.state == BuildState::Ready && due.at <= now);
    Ok(due.map(|due| Planned { build, due }))
}

/// Publishes a build that is due.
///
/// # Errors
///
/// As [`publish`]; what becomes of the build then is up to [`failed`].
pub fn publish_due(store: &Store, planned: &Planned, time: Time) -> Result<PublishAnswer> {
    publish(store, planned.build, &planned.options(), time)
}

/// Takes note that a build could not be published when it was due; says whether it stays due.
///
/// # Errors
///
/// [`Error::Catalog`] if that cannot be recorded.
pub fn failed(store: &Store, build: u64, error: &Error, time: Time) -> Result<bool> {
    if is_held(error) || matches!(error.kind(), Kind::Busy | Kind::Unavailable) {
        return Ok(true);
    }
    match store.drop_due(build, Some(error.to_string()), time) {
        // It went on meanwhile, or is pending, and says why.
        Err(Error::State { .. }) => Ok(false),
        dropped => dropped.map(|_| false),
    }
}

/// Whether it is only held back, the build or its ref.
const fn is_held(error: &Error) -> bool {
    matches!(error, Error::Refused { .. })
}
