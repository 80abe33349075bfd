//! Plans: when a build is to be published, and what is held back until somebody lets it go.
//!
//! # Invariants
//!
//! - Only a build that is ready, or on its way onto its ref because it was due, has a time. It loses it when it is visible,
//!   when it is published in another way, and when anything else becomes of it: nothing is published twice, and what a
//!   crash or a failure leaves behind is gone on with.
//! - A build whose ref says `publish_after` gets a time in the transaction that makes it ready, and one that is held then in the
//!   one that lets it go. Nothing else gives it one by itself: what somebody said or took back, or could not be done, stays so,
//!   whatever checks report and holds do later.
//!
//! # Not here
//!
//! Who publishes what is due (`build::schedule`), refs that are held (`store::releases`).

use super::due::{Due, SaidBy, Then};
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
    /// [`Error::NotFound`] if there is no such build; [`Error::State`] if it is published, on its way there, or purged. Letting
    /// go of one that is not held changes nothing, so it can be repeated. One that is ready, and let go, is to be published
    /// when the policy of its ref says.
    pub fn record_build_hold(
        &self,
        build: u64,
        reason: Option<String>,
        time: Time,
    ) -> Result<BuildRow> {
        let transaction = Transaction::begin(self)?;
        let verb = if reason.is_some() { "hold" } else { "release" };
        let mut row = transaction.build_in(build, &HOLDABLE, verb)?;
        let mut what = match (&reason, &row.held) {
            (Some(reason), _) => format!("held: {reason}"),
            (None, Some(_)) => "released".to_owned(),
            (None, None) => return Ok(row),
        };
        if reason.is_none() && row.due.is_some() {
            // It said that the build is held.
            row.reason = None;
        }
        row.held = reason;
        what.push_str(&self.plan_by_policy(&mut row, time));
        transaction.put_build(&row, time, what)?;
        transaction.commit()?;
        Ok(row)
    }

    /// Says when a build that has just become ready, or was let go, is to be published by the policy of its ref, if that says so
    /// and nobody said one or took one back. The answer ends the words about what happened; it may be empty.
    pub(super) fn plan_by_policy(&self, row: &mut BuildRow, time: Time) -> String {
        let is_free = row.state == BuildState::Ready
            && row.held.is_none()
            && row.due.is_none()
            && !row.is_time_decided;
        let Some(target) = row.target.as_ref().filter(|_| is_free) else {
            return String::new();
        };
        let Some(after) = self.settings().policy(target).publish_after else {
            return String::new();
        };
        let at = time.plus_seconds(after.as_secs());
        let what = format!("; to be published at {at} to {target}, by the policy of the ref");
        row.due = Some(Due {
            at,
            target: None,
            on_conflict: None,
            require_tested: false,
            said_by: SaidBy::Policy,
        });
        row.reason = None;
        what
    }

    /// Says when a build is to be published, in place of what was said before.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it is not ready; [`Error::Refused`] if there cannot be such a ref beside the others.
    pub fn record_due(&self, build: u64, due: Due, time: Time) -> Result<BuildRow> {
        let repo = self.repo_of(build)?;
        let transaction = Transaction::begin(self)?;
        let mut row = transaction.build_in(build, &[BuildState::Ready], "schedule")?;
        let target = due.target.as_ref().or(row.target.as_ref());
        let mut what = format!("to be published at {}", due.at);
        if let Some(target) = target {
            transaction.check_ref_name(repo, target)?;
            what.extend([" to ", target.as_str()]);
        }
        (row.due, row.reason) = (Some(due), None);
        row.is_time_decided = true;
        transaction.put_build(&row, time, what)?;
        transaction.commit()?;
        Ok(row)
    }

    /// Takes back that a build is `due`.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it is not ready; [`Error::NotFound`] if it has no time; [`Error::Refused`] if it has another.
    pub fn drop_due(&self, build: u64, due: Option<&Due>, time: Time) -> Result<BuildRow> {
        let transaction = Transaction::begin(self)?;
        let mut row = transaction.build_in(build, &[BuildState::Ready], "withdraw")?;
        if row.due.is_none() {
            return Err(Error::not_found("time of build", build));
        }
        if row.due.as_ref() != due {
            let reason = format!("build {build} was given another time meanwhile; try again");
            return Err(Error::refused(reason));
        }
        (row.due, row.reason) = (None, None);
        row.is_time_decided = true;
        transaction.put_build(&row, time, "not to be published any more")?;
        transaction.commit()?;
        Ok(row)
    }

    /// Writes down why a build that was due as `due` says is not published, and what `then` becomes of its time. Says whether it is
    /// still due that way: somebody may have taken that back, or said another time.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such build.
    pub fn record_not_published(
        &self,
        build: u64,
        due: &Due,
        reason: String,
        then: Then,
        time: Time,
    ) -> Result<bool> {
        let transaction = Transaction::begin(self)?;
        let mut row = transaction.build_in(build, &BuildState::ALL, "schedule")?;
        if row.due.as_ref() != Some(due) {
            return Ok(false);
        }
        let known = row.reason.as_ref();
        if then == Then::StaysDue && known.is_some_and(|known| known.ends_with(&reason)) {
            // It is tried again and again, and said once.
            return Ok(true);
        }
        let what = if then == Then::StaysDue {
            format!("due, and not published yet: {reason}")
        } else {
            (row.due, row.is_time_decided) = (None, true);
            format!("not published when it was due: {reason}")
        };
        row.reason = Some(reason);
        transaction.put_build(&row, time, what)?;
        transaction.commit()?;
        Ok(then == Then::StaysDue)
    }
}
