//! Plans: when a build is to be published, and what is held back until somebody lets it go.
//!
//! # Invariants
//!
//! - Only a build that is ready has a time, and loses it when it is merged into its ref, so nothing is published twice.
//!
//! # Not here
//!
//! Who publishes what is due (`build::schedule`), refs that are held (`store::releases`).

use super::due::Due;
use super::open::Store;
use super::rows::{BuildRow, BuildState};
use super::transaction::Transaction;
use crate::base::clock::Time;
use crate::base::{Error, Result};

/// States in which publishing can still be held back.
const HOLDABLE: [BuildState; 4] = [
    BuildState::Open,
    BuildState::Checking,
    BuildState::Ready,
    BuildState::Rejected,
];

impl Store {
    /// Holds publishing a build back for a reason, or lets it go again with `None`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such build, or it is to be let go of and is not held; [`Error::State`] if it is
    /// published, on its way there, or purged.
    pub fn record_build_hold(
        &self,
        build: u64,
        reason: Option<String>,
        time: Time,
    ) -> Result<BuildRow> {
        let transaction = Transaction::begin(self)?;
        let verb = if reason.is_some() { "hold" } else { "release" };
        let mut row = transaction.build_in(build, &HOLDABLE, verb)?;
        let what = match (&reason, &row.held) {
            (Some(reason), _) => format!("held: {reason}"),
            (None, Some(_)) => "released".to_owned(),
            (None, None) => return Err(Error::not_found("hold on build", build)),
        };
        row.held = reason;
        transaction.put_build(&row, time, what)?;
        transaction.commit()?;
        Ok(row)
    }

    /// Says when a build is to be published, in place of what was said before.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it is not ready.
    pub fn record_due(&self, build: u64, due: Due, time: Time) -> Result<BuildRow> {
        let what = format!("to be published at {}", due.at);
        self.change_due(build, Some(due), None, what, time)
    }

    /// Takes back when a build is to be published; `reason` is why, if that is a failure.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it is not ready.
    pub fn drop_due(&self, build: u64, reason: Option<String>, time: Time) -> Result<BuildRow> {
        let what = match &reason {
            Some(reason) => format!("not published when it was due: {reason}"),
            None => "not to be published any more".to_owned(),
        };
        self.change_due(build, None, reason, what, time)
    }

    fn change_due(
        &self,
        build: u64,
        due: Option<Due>,
        reason: Option<String>,
        what: String,
        time: Time,
    ) -> Result<BuildRow> {
        let transaction = Transaction::begin(self)?;
        let mut row = transaction.build_in(build, &[BuildState::Ready], "schedule")?;
        (row.due, row.reason) = (due, reason);
        transaction.put_build(&row, time, what)?;
        transaction.commit()?;
        Ok(row)
    }
}
